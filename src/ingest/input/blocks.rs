//! Reads an input in blocks of whole lines.
//!
//! Invariants:
//!
//! - A [`RawBlock`] consists of whole lines, except that the last line of an input can lack a line
//!   end.
//! - Every byte of the input is in exactly one block, or in one overlong line, which is hashed
//!   while it is read and never held in memory.
//! - Memory is bounded by the block size and the line limit, for any input.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use memchr::{memchr, memchr_iter, memrchr};

use super::content_hash::ContentHash;
pub use super::decompression::Compression;
use super::decompression::{ByteSource, DecompressedStream};
use super::discovery::Input;
pub use super::overlong::{OVERLONG_HEAD, OverlongLine};
use super::overlong::{OverlongHasher, find_overlong_line};
use super::records::Records;
use super::utf16::Utf16Decoder;
use crate::error::{Error, ErrorKind, Result};

/// Default size of a block, in bytes. A block and its rows fit into the cache of a core.
pub const BLOCK_SIZE: usize = 1 << 20;
/// The longest line that is parsed, in bytes, without its end.
pub const LINE_LIMIT: usize = 1 << 20;
/// Bytes of an overlong line that are read at a time.
const CHUNK: usize = 256 << 10;
/// Minimum number of bytes read at the beginning of an input, to detect its format.
const HEAD: usize = 4 << 10;

/// A block of lines as they were read.
#[derive(Debug, Default)]
pub struct RawBlock {
    /// The lines with their ends.
    pub bytes: Vec<u8>,
    /// Number of lines with an end, including overlong lines.
    pub lines: u64,
    /// Number of the first line in the input, from 1.
    pub first_line: u64,
    /// Offset of the first byte in the decompressed input.
    pub offset: u64,
    /// Offset after the last byte.
    pub end: u64,
    /// Whether the last line has no end and may be incomplete, because the input is a plain file
    /// that can still grow, or is damaged at this line.
    pub unfinished: bool,
    /// The overlong lines, which are not in `bytes`.
    pub overlong: Vec<OverlongLine>,
    /// The last line if it is unfinished and already overlong. It is neither in `bytes` nor in
    /// `overlong`.
    pub unfinished_overlong: Option<UnfinishedLine>,
    /// The records of the block; `None` if it consists of native lines.
    pub records: Option<Box<Records>>,
}

/// A last line that is left for the next ingest, because it has no end and is incomplete JSON or
/// overlong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfinishedLine {
    /// Line number in the input, from 1.
    pub line: u64,
    /// Offset of the first byte in the decompressed input.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// A reader of one input.
pub struct BlockReader {
    name: String,
    stream: DecompressedStream,
    /// The decoder, if the decompressed input is UTF-16.
    utf16: Option<Utf16Decoder>,
    /// See [`is_plain_file`](BlockReader::is_plain_file).
    plain_file: bool,
    /// See [`may_grow`](BlockReader::may_grow).
    may_grow: bool,
    size: Option<u64>,
    block_size: usize,
    line_limit: usize,
    /// Bytes that have been read and belong to the next block.
    carry: Vec<u8>,
    /// Offset of the beginning of `carry`, and the number of its first line.
    offset: u64,
    line: u64,
    /// Number of bytes of the overlong lines in the current block, which are not in its `bytes`.
    overlong_bytes: u64,
    /// Length of the last line of the input if it is overlong and has no end.
    unfinished_overlong: Option<u64>,
    started: bool,
    ended: bool,
    damage: Option<Error>,
    /// The limit of a preview; `None` to read the whole input.
    limit: Option<ReadLimit>,
}

/// A number of bytes in which a record must end.
#[derive(Debug)]
struct ReadLimit {
    bytes: u64,
    /// Bytes that may still be read.
    left: u64,
    /// Whether only zeros were read.
    only_zeros: bool,
}

impl BlockReader {
    /// Opens an input and detects its compression.
    pub fn open(input: &Input) -> Result<BlockReader> {
        match input {
            Input::Stdin => {
                let stream = DecompressedStream::open(Box::new(io::stdin()));
                let stream = stream.map_err(|e| Error::failed("cannot read standard input").caused_by(e))?;
                Ok(BlockReader::new("standard input".to_owned(), stream))
            }
            Input::File(path) => {
                BlockReader::from_file(path, File::open(path).map_err(|e| Error::io("read", path, e))?)
            }
        }
    }

    /// Creates a reader of an open file, from its beginning. Error messages contain `path`.
    pub fn from_file(path: &Path, mut file: File) -> Result<BlockReader> {
        let metadata = file_metadata(path, &file)?;
        if metadata.is_file() {
            file.rewind().map_err(|e| Error::io("read", path, e))?;
        }
        let stream = DecompressedStream::open(Box::new(file)).map_err(|e| Error::io("read", path, e))?;
        let mut reader = BlockReader::new(path.display().to_string(), stream);
        reader.plain_file = metadata.is_file() && reader.compression() == Compression::Plain;
        reader.may_grow = reader.plain_file;
        reader.size = metadata.is_file().then_some(metadata.len());
        Ok(reader)
    }

    /// Creates a reader that resumes an open plain file at line number `line`, after the hashed
    /// bytes.
    pub fn resume(path: &Path, mut file: File, line: u64, hash: ContentHash) -> Result<BlockReader> {
        let metadata = file_metadata(path, &file)?;
        let offset = hash.length();
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::io("read", path, e))?;
        let stream = DecompressedStream::resume(Box::new(file), hash);
        let mut reader = BlockReader::new(path.display().to_string(), stream);
        (reader.plain_file, reader.may_grow) = (metadata.is_file(), metadata.is_file());
        reader.size = metadata.is_file().then_some(metadata.len());
        (reader.offset, reader.line, reader.started) = (offset, line, true);
        Ok(reader)
    }

    /// Creates a reader of any source. Error messages contain `name`.
    pub fn from_source(name: &str, source: ByteSource) -> Result<BlockReader> {
        let stream = DecompressedStream::open(source)
            .map_err(|e| Error::failed(format!("cannot read {name}")).caused_by(e))?;
        Ok(BlockReader::new(name.to_owned(), stream))
    }

    fn new(name: String, stream: DecompressedStream) -> BlockReader {
        BlockReader {
            name,
            stream,
            utf16: None,
            plain_file: false,
            may_grow: false,
            size: None,
            block_size: BLOCK_SIZE,
            line_limit: LINE_LIMIT,
            carry: Vec::new(),
            offset: 0,
            line: 1,
            overlong_bytes: 0,
            unfinished_overlong: None,
            started: false,
            ended: false,
            damage: None,
            limit: None,
        }
    }

    /// Ends the input with an error once more than this number of bytes is read without another
    /// call. A file need not have an end: `/dev/zero`.
    pub(crate) fn limit_reading(&mut self, bytes: u64) {
        if self.reached_limit() {
            return;
        }
        let only_zeros = self.limit.as_ref().is_none_or(|limit| limit.only_zeros);
        self.limit = Some(ReadLimit { bytes, left: bytes, only_zeros });
    }

    /// Sets the block size in bytes. It affects how lines are grouped, not the lines.
    pub fn with_block_size(mut self, bytes: usize) -> BlockReader {
        self.block_size = bytes.max(1);
        self
    }

    /// Sets the line limit in bytes.
    pub(crate) fn with_line_limit(mut self, bytes: usize) -> BlockReader {
        self.line_limit = bytes;
        self
    }

    /// Returns whether [`limit_reading`](BlockReader::limit_reading) has ended the input.
    pub(crate) fn reached_limit(&self) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.left == 0)
    }

    /// Returns the first bytes of the input without consuming them, and whether the input ends
    /// there. There are at least `bytes` bytes, unless the input is shorter.
    pub fn peek(&mut self, bytes: usize) -> (&[u8], bool) {
        while self.carry.len() < bytes && !self.ended {
            let mut head = std::mem::take(&mut self.carry);
            self.fill(&mut head);
            self.carry = head;
        }
        (&self.carry, self.ended)
    }

    /// Appends the next bytes, regardless of lines; returns false at the end of the input.
    ///
    /// # Errors
    /// See [`next_block`](BlockReader::next_block).
    pub fn next_bytes(&mut self, bytes: &mut Vec<u8>) -> Result<bool> {
        let before = bytes.len();
        if !self.started {
            // The first bytes determine the encoding of the input.
            let mut head = Vec::new();
            self.fill(&mut head);
            self.carry = head;
        }
        match self.carry.is_empty() {
            true => self.fill(bytes),
            false => bytes.append(&mut self.carry),
        }
        self.offset += (bytes.len() - before) as u64;
        match bytes.len() > before {
            true => Ok(true),
            false => self.damage.take().map_or(Ok(false), Err),
        }
    }

    /// Returns the offset of the next byte and the number of its line. Valid only if whole blocks
    /// were read.
    pub fn position(&self) -> (u64, u64) {
        (self.offset, self.line)
    }

    /// Ends the input: the next read returns `error`, which occurred after the bytes already read.
    pub fn fail_with(&mut self, error: Error) {
        self.carry.clear();
        (self.ended, self.damage) = (true, Some(error));
    }

    /// Returns the name of the input, for errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the compression of the input.
    pub fn compression(&self) -> Compression {
        self.stream.compression()
    }

    /// Returns whether the input is an uncompressed regular file, and not UTF-16. Such a file can
    /// have an unfinished last line, and can be resumed after it has grown.
    pub fn is_plain_file(&self) -> bool {
        self.plain_file
    }

    /// Returns whether the input is an uncompressed regular file. Its last line can be incomplete.
    pub fn may_grow(&self) -> bool {
        self.may_grow
    }

    /// Treats the input as complete, so that its last line counts even without a line feed.
    pub fn assume_complete(&mut self) {
        (self.plain_file, self.may_grow) = (false, false);
    }

    /// Returns the size of the file in bytes, before decompression; `None` if the input is not a
    /// regular file.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns the number of bytes read, before decompression. For a resumed file, this includes
    /// the bytes before the offset.
    pub fn consumed(&self) -> u64 {
        self.stream.consumed()
    }

    /// Returns the hash of the bytes of a plain input before `offset`, if a block ended there: see
    /// `ContentHash::digest_at`.
    pub fn digest_at(&self, offset: u64) -> Option<u128> {
        self.stream.digest_at(offset)
    }

    /// Returns the hash of all bytes that were read, before decompression.
    pub fn digest(&self) -> u128 {
        self.stream.digest()
    }

    /// Returns the first bytes of the input, converted as in a block, and whether they are the
    /// whole input. Must be called before the first block is read.
    pub fn head(&mut self) -> (&[u8], bool) {
        if !self.started {
            let mut head = std::mem::take(&mut self.carry);
            self.fill(&mut head);
            self.carry = head;
        }
        (&self.carry, self.ended)
    }

    /// Reads the next block; `None` at the end of the input.
    ///
    /// A damaged input yields the blocks before the damage, then one error of kind
    /// [`ErrorKind::PartialInput`], then `None`.
    pub fn next_block(&mut self) -> Result<Option<RawBlock>> {
        self.next_block_into(Vec::new())
    }

    /// Reads the next block into the memory of `bytes`: see
    /// [`next_block`](BlockReader::next_block).
    pub fn next_block_into(&mut self, mut bytes: Vec<u8>) -> Result<Option<RawBlock>> {
        bytes.clear();
        bytes.append(&mut self.carry);
        self.overlong_bytes = 0;
        let mut overlong = Vec::new();
        loop {
            if bytes.len() < self.block_size || memrchr(b'\n', &bytes).is_none() {
                self.fill(&mut bytes);
            }
            self.remove_overlong_lines(&mut bytes, &mut overlong);
            if self.ended || !self.carry.is_empty() {
                break;
            }
            let lines = memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
            if lines > 0 || !overlong.is_empty() {
                self.carry.extend_from_slice(bytes.get(lines..).unwrap_or(&[]));
                bytes.truncate(lines);
                break;
            }
        }
        if bytes.is_empty() && overlong.is_empty() {
            return self.damage.take().map_or(Ok(None), Err);
        }
        Ok(Some(self.block(bytes, overlong)))
    }

    fn block(&mut self, bytes: Vec<u8>, mut overlong: Vec<OverlongLine>) -> RawBlock {
        let (first_line, offset) = (self.line, self.offset);
        // The last line of a plain file may not be completely written yet; the last line of a
        // damaged file is incomplete.
        let may_continue = self.may_grow || self.damage.is_some();
        let unfinished_overlong =
            self.unfinished_overlong.take().filter(|_| may_continue).and_then(|length| {
                let line = overlong.pop()?.line;
                Some(UnfinishedLine {
                    line,
                    offset: offset + bytes.len() as u64 + self.overlong_bytes - length,
                    length,
                })
            });
        let lines = memchr_iter(b'\n', &bytes).count();
        let no_end = bytes.last().is_some_and(|b| *b != b'\n');
        let lines = lines as u64 + overlong.len() as u64;
        self.line += lines + u64::from(no_end);
        self.offset += bytes.len() as u64 + self.overlong_bytes;
        let (end, unfinished) = (self.offset, no_end && may_continue);
        let records = None;
        RawBlock { bytes, lines, first_line, offset, end, unfinished, overlong, unfinished_overlong, records }
    }

    /// Fills a block. Removes a byte order mark at the beginning of the input, and converts UTF-16.
    fn fill(&mut self, bytes: &mut Vec<u8>) {
        // A block without a line end grows until the line ends.
        let limit = self.block_size.checked_sub(bytes.len()).filter(|n| *n > 0).unwrap_or(self.block_size);
        let at_start = !std::mem::replace(&mut self.started, true);
        self.read(bytes, if at_start { limit.max(HEAD) } else { limit });
        if at_start && let Some(mut decoder) = Utf16Decoder::detect(bytes) {
            decoder.convert(bytes, 0, self.ended);
            (self.utf16, self.plain_file) = (Some(decoder), false);
        }
        if at_start && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
            self.offset += 3;
        }
    }

    fn read(&mut self, bytes: &mut Vec<u8>, limit: usize) {
        if self.ended {
            return;
        }
        let from = bytes.len();
        let filled = self.stream.fill(bytes, limit);
        self.ended = !matches!(filled, Ok(true));
        self.apply_limit(bytes.get(from..).unwrap_or(&[]));
        if let Some(decoder) = &mut self.utf16 {
            decoder.convert(bytes, from, self.ended);
        }
        let Err(cause) = filled else { return };
        let hint = match self.stream.compression() {
            Compression::Plain => "check the disk; copy the file to test whether all of it can be read",
            // The error text of zstd for a window that is larger than decoders must accept.
            Compression::Zstd if cause.to_string().contains("too much memory") => {
                "it was compressed with a window of more than 128 MiB; run `zstd -dc --long=31 FILE | wa ingest -`"
            }
            Compression::Xz if cause.kind() == io::ErrorKind::OutOfMemory => {
                "it was compressed with a dictionary of more than 128 MiB; run `xz -dc FILE | wa ingest -`"
            }
            _ => "the file is truncated or damaged; ingest it again after replacing it",
        };
        let error = Error::new(ErrorKind::PartialInput, format!("cannot read {} to its end", self.name));
        self.damage = Some(error.caused_by(cause).hint(hint));
    }

    fn apply_limit(&mut self, bytes: &[u8]) {
        let Some(limit) = &mut self.limit else { return };
        limit.only_zeros &= bytes.iter().all(|byte| *byte == 0);
        limit.left = limit.left.saturating_sub(bytes.len() as u64);
        if limit.left > 0 || self.ended {
            return;
        }
        let (found, hint) = match limit.only_zeros {
            true => (
                "it begins with more than {} MiB of zero bytes",
                "a log that was truncated while a program wrote to it begins with zeros; \
                 `tr -d '\\0' < FILE | wa preview -` removes them",
            ),
            false => (
                "no record ends within {} MiB",
                "a record has at most 16 MiB; write one JSON object per line",
            ),
        };
        let found = found.replace("{}", &(limit.bytes >> 20).to_string());
        let message = format!("stopped reading {}: {found}", self.name);
        self.ended = true;
        self.damage = Some(Error::new(ErrorKind::PartialInput, message).hint(hint));
    }

    /// Moves overlong lines out of a block. If the last one extends beyond the block, the rest of
    /// it is read here, and the bytes after it go to `carry`.
    fn remove_overlong_lines(&mut self, bytes: &mut Vec<u8>, overlong: &mut Vec<OverlongLine>) {
        let mut from = 0;
        while let Some(start) = find_overlong_line(bytes, from, self.line_limit) {
            let before = bytes.get(..start).unwrap_or(&[]);
            let line = self.line + memchr_iter(b'\n', before).count() as u64 + overlong.len() as u64;
            let mut long = OverlongHasher::new(line);
            let rest = bytes.split_off(start);
            from = start;
            match memchr(b'\n', &rest) {
                Some(end) => {
                    long.add(rest.get(..end).unwrap_or(&[]));
                    bytes.extend_from_slice(rest.get(end + 1..).unwrap_or(&[]));
                    self.overlong_bytes += end as u64 + 1;
                }
                None => {
                    let before = self.overlong_bytes;
                    long.add(&rest);
                    self.overlong_bytes += rest.len() as u64;
                    drop(rest);
                    if !self.read_overlong_line(&mut long) {
                        self.unfinished_overlong = Some(self.overlong_bytes - before);
                    }
                }
            }
            overlong.push(long.finish());
        }
    }

    /// Reads to the end of an overlong line. Returns whether the line has an end.
    fn read_overlong_line(&mut self, long: &mut OverlongHasher) -> bool {
        let mut chunk = Vec::new();
        while !self.ended {
            chunk.clear();
            self.read(&mut chunk, CHUNK);
            match memchr(b'\n', &chunk) {
                Some(end) => {
                    long.add(chunk.get(..end).unwrap_or(&[]));
                    self.overlong_bytes += end as u64 + 1;
                    self.carry.extend_from_slice(chunk.get(end + 1..).unwrap_or(&[]));
                    return true;
                }
                None => {
                    long.add(&chunk);
                    self.overlong_bytes += chunk.len() as u64;
                }
            }
        }
        false
    }
}

fn file_metadata(path: &Path, file: &File) -> Result<std::fs::Metadata> {
    let metadata = file.metadata().map_err(|e| Error::io("read", path, e))?;
    if metadata.is_dir() {
        return Err(Error::failed(format!("cannot read {}: it is a folder", path.display())));
    }
    Ok(metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_ends_an_endless_input_between_records() {
        // Ten lines of 1000 bytes, then one that does not end.
        let lines = format!("{}\n", "x".repeat(999)).repeat(10);
        for (byte, message) in [(0, "begins with more than 2 MiB of zero bytes"), (b'y', "no record ends")] {
            for begins_with_lines in [false, true] {
                let start = if begins_with_lines { lines.clone() } else { String::new() };
                let source = io::Read::chain(io::Cursor::new(start), io::repeat(byte));
                let mut blocks = BlockReader::from_source("endless", Box::new(source)).unwrap();
                let (mut count, mut error) = (0, None);
                for _ in 0..100 {
                    blocks.limit_reading(2 << 20);
                    match blocks.next_block() {
                        Ok(Some(block)) => count += block.lines,
                        Ok(None) => break,
                        Err(found) => error = Some(found.to_string()),
                    }
                }
                let expected = if begins_with_lines { "no record ends within 2 MiB" } else { message };
                let error = error.unwrap();
                assert!(
                    error.starts_with("stopped reading endless: ") && error.contains(expected),
                    "{error}"
                );
                assert_eq!(count, if begins_with_lines { 10 } else { 0 });
                assert!(blocks.consumed() < 5 << 20);
            }
        }
    }
}
