//! Reads an input in blocks of whole lines.
//!
//! Invariants:
//!
//! - A [`RawBlock`] consists of whole lines, except that the last line of an input may have no end.
//! - Every byte of the input is in exactly one block, or in one overlong line, which is hashed
//!   while it is read and never held in memory.
//! - Memory is bounded by the block size and the line limit, for any input.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use memchr::{memchr, memchr_iter, memrchr};
use sha2::{Digest, Sha256};

pub use super::decompression::Compression;
use super::decompression::{ByteSource, DecompressedStream};
use super::discovery::Input;
use crate::error::{Error, ErrorKind, Result};

/// Default size of a block, in bytes. A block and its rows fit the cache of a core.
pub const BLOCK_SIZE: usize = 1 << 20;
/// The longest line that is parsed, in bytes, without its end.
pub const LINE_LIMIT: usize = 1 << 20;
/// Bytes of an overlong line that are retained.
pub const OVERLONG_HEAD: usize = 64 << 10;
/// Bytes of an overlong line that are read at a time.
const CHUNK: usize = 256 << 10;

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
    /// The last line has no end, and its rest may still be written: the input is a plain file, or
    /// it is damaged there.
    pub unfinished: bool,
    /// The overlong lines; they are not in `bytes`.
    pub overlong: Vec<OverlongLine>,
    /// The last line if it has no end, its rest may still be written, and it is overlong already.
    /// It is neither in `bytes` nor in `overlong`.
    pub unfinished_overlong: Option<UnfinishedLine>,
}

/// A line longer than [`LINE_LIMIT`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlongLine {
    /// Number of the line in the input, from 1.
    pub line: u64,
    /// Length in bytes, without the line end.
    pub length: u64,
    /// SHA-256 of those bytes.
    pub sha256: [u8; 32],
    /// The first [`OVERLONG_HEAD`] of those bytes.
    pub head: Vec<u8>,
}

/// A last line that is left for the next ingest: it has no end, and is incomplete JSON or overlong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfinishedLine {
    /// Number of the line in the input, from 1.
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
    /// The input is an uncompressed regular file, which can grow and be resumed.
    plain_file: bool,
    size: Option<u64>,
    block_size: usize,
    line_limit: usize,
    /// Bytes that have been read and belong to the next block.
    carry: Vec<u8>,
    /// Offset and number of the line at the beginning of `carry`.
    offset: u64,
    line: u64,
    /// Bytes of overlong lines in the current block, which are not in its text.
    overlong_bytes: u64,
    /// Length of the last line of the input if it is overlong and has no end.
    unfinished_overlong: Option<u64>,
    started: bool,
    ended: bool,
    damage: Option<Error>,
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

    /// Creates a reader of an open file, from its beginning. Errors name `path`.
    pub fn from_file(path: &Path, mut file: File) -> Result<BlockReader> {
        let metadata = file_metadata(path, &file)?;
        if metadata.is_file() {
            file.rewind().map_err(|e| Error::io("read", path, e))?;
        }
        let stream = DecompressedStream::open(Box::new(file)).map_err(|e| Error::io("read", path, e))?;
        let mut reader = BlockReader::new(path.display().to_string(), stream);
        reader.plain_file = metadata.is_file() && reader.compression() == Compression::Plain;
        reader.size = metadata.is_file().then_some(metadata.len());
        Ok(reader)
    }

    /// Creates a reader of an open plain file, from an offset at which the line with number `line`
    /// begins.
    pub fn resume(path: &Path, mut file: File, offset: u64, line: u64) -> Result<BlockReader> {
        let metadata = file_metadata(path, &file)?;
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::io("read", path, e))?;
        let stream = DecompressedStream::plain_from(offset, Box::new(file));
        let mut reader = BlockReader::new(path.display().to_string(), stream);
        reader.plain_file = metadata.is_file();
        reader.size = metadata.is_file().then_some(metadata.len());
        (reader.offset, reader.line, reader.started) = (offset, line, true);
        Ok(reader)
    }

    /// Creates a reader of any source. Errors name `name`.
    pub fn from_source(name: &str, source: ByteSource) -> Result<BlockReader> {
        let stream = DecompressedStream::open(source)
            .map_err(|e| Error::failed(format!("cannot read {name}")).caused_by(e))?;
        Ok(BlockReader::new(name.to_owned(), stream))
    }

    fn new(name: String, stream: DecompressedStream) -> BlockReader {
        BlockReader {
            name,
            stream,
            plain_file: false,
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
        }
    }

    /// Sets the block size in bytes. It affects how lines are grouped, not the lines.
    pub fn with_block_size(mut self, bytes: usize) -> BlockReader {
        self.block_size = bytes.max(1);
        self
    }

    /// Sets the line limit in bytes.
    #[cfg(test)]
    pub(crate) fn with_line_limit(mut self, bytes: usize) -> BlockReader {
        self.line_limit = bytes;
        self
    }

    /// Returns the compression of the input.
    pub fn compression(&self) -> Compression {
        self.stream.compression()
    }

    /// Returns whether the input is an uncompressed regular file. Such a file can have an
    /// unfinished last line, and can be resumed after it has grown.
    pub fn is_plain_file(&self) -> bool {
        self.plain_file
    }

    /// Returns the size of the file in bytes, compressed; `None` if the input is not a regular
    /// file.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns the number of bytes read, compressed. For a resumed file it includes the bytes
    /// before the offset.
    pub fn consumed(&self) -> u64 {
        self.stream.consumed()
    }

    /// Reads the next block; `None` at the end of the input.
    ///
    /// # Errors
    /// An input that is damaged yields the blocks before the damage, then one error of kind
    /// [`ErrorKind::PartialInput`], then `None`.
    pub fn next_block(&mut self) -> Result<Option<RawBlock>> {
        self.next_block_into(Vec::new())
    }

    /// Reads the next block into the memory of `bytes`; see
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
        // The last line of a plain file may still be written; that of a damaged file is incomplete.
        let may_continue = self.plain_file || self.damage.is_some();
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
        RawBlock { bytes, lines, first_line, offset, end, unfinished, overlong, unfinished_overlong }
    }

    /// Fills a block. Removes a byte order mark at the beginning of the input.
    fn fill(&mut self, bytes: &mut Vec<u8>) {
        // A block without a line end grows until the line ends.
        let limit = self.block_size.checked_sub(bytes.len()).filter(|n| *n > 0).unwrap_or(self.block_size);
        let at_start = !std::mem::replace(&mut self.started, true);
        self.read(bytes, if at_start { limit.max(3) } else { limit });
        if at_start && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
            self.offset += 3;
        }
    }

    fn read(&mut self, bytes: &mut Vec<u8>, limit: usize) {
        if self.ended {
            return;
        }
        match self.stream.fill(bytes, limit) {
            Ok(more) => self.ended = !more,
            Err(e) => {
                self.ended = true;
                let hint = match self.stream.compression() {
                    Compression::Plain => "check the disk; copying the file shows whether it can be read",
                    // The error text of zstd for a window that is larger than decoders must accept.
                    Compression::Zstd if e.to_string().contains("too much memory") => {
                        "it was compressed with a window of more than 128 MiB; run `zstd -dc --long=31 FILE | wa ingest -`"
                    }
                    _ => "the file is truncated or damaged; ingest it again after replacing it",
                };
                let error =
                    Error::new(ErrorKind::PartialInput, format!("cannot read {} to its end", self.name));
                self.damage = Some(error.caused_by(e).hint(hint));
            }
        }
    }

    /// Moves overlong lines out of a block. If the last one extends beyond the block, its rest is
    /// read here, and the bytes after it go to `carry`.
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

/// Returns the position of the first overlong line at or after `from`.
fn find_overlong_line(bytes: &[u8], mut from: usize, limit: usize) -> Option<usize> {
    loop {
        let rest = bytes.get(from..)?;
        // A line end within the next `limit` + 1 bytes: the lines before it are short enough.
        let stretch = rest.get(..=limit)?;
        from = match (memrchr(b'\n', stretch), stretch.last(), rest.get(limit + 1)) {
            (Some(at), _, _) => from + at + 1,
            // The last byte may belong to the line end.
            (None, Some(b'\r'), Some(b'\n')) => from + limit + 2,
            (None, Some(b'\r'), None) => return None,
            _ => return Some(from),
        };
    }
}

/// Hash and head of an overlong line that is being read.
struct OverlongHasher {
    line: u64,
    length: u64,
    hash: Sha256,
    head: Vec<u8>,
    /// A carriage return has been read, which belongs to the line if more bytes follow.
    pending_cr: bool,
}

impl OverlongHasher {
    fn new(line: u64) -> OverlongHasher {
        OverlongHasher { line, length: 0, hash: Sha256::new(), head: Vec::new(), pending_cr: false }
    }

    fn add(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.pending_cr) {
            self.update(b"\r");
        }
        match bytes.strip_suffix(b"\r") {
            Some(bytes) => {
                self.pending_cr = true;
                self.update(bytes);
            }
            None => self.update(bytes),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hash.update(bytes);
        let free = OVERLONG_HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..free).unwrap_or(bytes));
    }

    fn finish(self) -> OverlongLine {
        OverlongLine {
            line: self.line,
            length: self.length,
            sha256: self.hash.finalize().into(),
            head: self.head,
        }
    }
}

fn file_metadata(path: &Path, file: &File) -> Result<std::fs::Metadata> {
    let metadata = file.metadata().map_err(|e| Error::io("read", path, e))?;
    if metadata.is_dir() {
        return Err(Error::failed(format!("cannot read {}: it is a directory", path.display())));
    }
    Ok(metadata)
}
