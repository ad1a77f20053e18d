//! The lines of an input, a block at a time.
//!
//! What always holds: a [`RawBlock`] consists of whole lines (but for an input's last one); every byte
//! of the input is in exactly one block, or in one line over the limit, which is hashed as it
//! passes and never held; memory is bounded by the size of a block and of the longest line that is
//! allowed, whatever the input is.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::Path;

use memchr::{memchr, memchr_iter, memrchr};
use sha2::{Digest, Sha256};

pub use super::decompression::Compression;
use super::decompression::{Source, Stream};
use super::discovery::Input;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::summary::rejected::RAW_LIMIT;

/// The usual size of a block, in bytes: with what is made of it, about what a core's cache holds.
pub const BLOCK_SIZE: usize = 1 << 20;
/// The longest line that is read, in bytes, without its end.
pub const LINE_LIMIT: usize = 1 << 20;
/// Bytes of a line over the limit that are read at a time.
const CHUNK: usize = 256 << 10;

/// Some lines of an input, as they were read.
#[derive(Debug, Default)]
pub struct RawBlock {
    /// The lines, each with its end.
    pub bytes: Vec<u8>,
    /// How many lines with an end the block has, those over the limit among them.
    pub lines: u64,
    /// The number of the block's first line in its input, from 1.
    pub first_line: u64,
    /// Offset of the block's first byte in the decompressed input.
    pub offset: u64,
    /// Offset after the block's last byte.
    pub end: u64,
    /// The last line has no end, and the rest of it may yet come: the input is a plain file, or was
    /// cut off by damage.
    pub unfinished: bool,
    /// The lines that were over the limit; they are not in `bytes`.
    pub overlong: Vec<OverlongLine>,
    /// The last line, where it has no end, the rest of it may yet come, and it is over the limit
    /// already: it is neither in `bytes` nor in `too_long`.
    pub unfinished_overlong: Option<UnfinishedLine>,
}

/// A line over the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlongLine {
    /// Its number in the input, from 1.
    pub line: u64,
    /// Its length in bytes, without its end.
    pub length: u64,
    /// SHA-256 of those bytes.
    pub sha256: [u8; 32],
    /// The first 64 KiB of them.
    pub head: Vec<u8>,
}

/// A last line that is left for the next ingest: it has no end, and is no whole JSON or over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnfinishedLine {
    /// Its number in the input, from 1.
    pub line: u64,
    /// Offset of its first byte in the decompressed input.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// Reads an input block by block.
pub struct BlockReader {
    name: String,
    stream: Stream,
    /// A plain file: it can grow, and be read on.
    plain_file: bool,
    size: Option<u64>,
    block_size: usize,
    line_limit: usize,
    /// What has been read and belongs to the next block: at least the beginning of a line.
    carry: Vec<u8>,
    /// Offset and number of the line that `carry` begins.
    offset: u64,
    line: u64,
    /// Bytes of this block that are in lines over the limit, and so not in its text.
    left_out: u64,
    /// The bytes of the input's last line, where that is over the limit and has no end.
    open_line: Option<u64>,
    started: bool,
    ended: bool,
    damage: Option<Error>,
}

impl BlockReader {
    /// Opens an input and finds out how it is compressed.
    pub fn open(input: &Input) -> Result<BlockReader> {
        match input {
            Input::Stdin => {
                let stream = Stream::open(Box::new(io::stdin()));
                let stream = stream.map_err(|e| Error::failed("cannot read standard input").caused_by(e))?;
                Ok(BlockReader::new("standard input".to_owned(), stream))
            }
            Input::File(path) => {
                BlockReader::from_file(path, File::open(path).map_err(|e| Error::io("read", path, e))?)
            }
        }
    }

    /// Reads an open file from its beginning; `path` is what it is called in errors.
    pub fn from_file(path: &Path, mut file: File) -> Result<BlockReader> {
        let about = about(path, &file)?;
        if about.is_file() {
            file.rewind().map_err(|e| Error::io("read", path, e))?;
        }
        let stream = Stream::open(Box::new(file)).map_err(|e| Error::io("read", path, e))?;
        let mut reader = BlockReader::new(path.display().to_string(), stream);
        reader.plain_file = about.is_file() && reader.compression() == Compression::Plain;
        reader.size = about.is_file().then_some(about.len());
        Ok(reader)
    }

    /// Reads an open plain file on from an offset, at which the line of the given number begins.
    pub fn resume(path: &Path, mut file: File, offset: u64, line: u64) -> Result<BlockReader> {
        let about = about(path, &file)?;
        file.seek(SeekFrom::Start(offset)).map_err(|e| Error::io("read", path, e))?;
        let stream = Stream::plain_from(offset, Box::new(file));
        let mut reader = BlockReader::new(path.display().to_string(), stream);
        reader.plain_file = about.is_file();
        reader.size = about.is_file().then_some(about.len());
        (reader.offset, reader.line, reader.started) = (offset, line, true);
        Ok(reader)
    }

    /// Reads from anything, as from standard input.
    pub fn from_source(name: &str, source: Source) -> Result<BlockReader> {
        let stream =
            Stream::open(source).map_err(|e| Error::failed(format!("cannot read {name}")).caused_by(e))?;
        Ok(BlockReader::new(name.to_owned(), stream))
    }

    fn new(name: String, stream: Stream) -> BlockReader {
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
            left_out: 0,
            open_line: None,
            started: false,
            ended: false,
            damage: None,
        }
    }

    /// Sets the size of a block in bytes. It decides how the lines are dealt out, not what they are.
    pub fn with_block_size(mut self, bytes: usize) -> BlockReader {
        self.block_size = bytes.max(1);
        self
    }

    /// Sets the longest line that is read, in bytes.
    #[cfg(test)]
    pub(crate) fn with_line_limit(mut self, bytes: usize) -> BlockReader {
        self.line_limit = bytes;
        self
    }

    /// Returns how the input is compressed.
    pub fn compression(&self) -> Compression {
        self.stream.compression()
    }

    /// Tells whether the input is a plain file: one that can have an unfinished last line, and that
    /// can be read on when it has grown.
    pub fn is_plain_file(&self) -> bool {
        self.plain_file
    }

    /// Returns the size of the file in bytes, as it is stored; `None` where it is no file.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Returns how far the input was read, in bytes as they are stored: of a file that is read on, with
    /// what came before.
    pub fn consumed(&self) -> u64 {
        self.stream.consumed()
    }

    /// Reads the next lines; `None` at the end.
    ///
    /// Where an input is damaged, what can be read of it comes first; then, once, an error of kind
    /// [`ErrorKind::PartialInput`]; then the end.
    pub fn next_block(&mut self) -> Result<Option<RawBlock>> {
        self.next_block_into(Vec::new())
    }

    /// Does the same with memory that is there already.
    pub fn next_block_into(&mut self, mut bytes: Vec<u8>) -> Result<Option<RawBlock>> {
        bytes.clear();
        bytes.append(&mut self.carry);
        self.left_out = 0;
        let mut overlong = Vec::new();
        loop {
            if bytes.len() < self.block_size || memrchr(b'\n', &bytes).is_none() {
                self.fill(&mut bytes);
            }
            self.cut_long_lines(&mut bytes, &mut overlong);
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
        // Somebody may still be writing the last line of a plain file, or it may have been cut off.
        let left = self.plain_file || self.damage.is_some();
        let unfinished_overlong = self.open_line.take().filter(|_| left).and_then(|length| {
            let line = overlong.pop()?.line;
            Some(UnfinishedLine {
                line,
                offset: offset + bytes.len() as u64 + self.left_out - length,
                length,
            })
        });
        let lines = memchr_iter(b'\n', &bytes).count();
        let no_end = bytes.last().is_some_and(|b| *b != b'\n');
        let lines = lines as u64 + overlong.len() as u64;
        self.line += lines + u64::from(no_end);
        self.offset += bytes.len() as u64 + self.left_out;
        let (end, unfinished) = (self.offset, no_end && left);
        RawBlock { bytes, lines, first_line, offset, end, unfinished, overlong, unfinished_overlong }
    }

    /// Fills a block, and at the beginning of the input drops the byte order mark.
    fn fill(&mut self, bytes: &mut Vec<u8>) {
        // A block of nothing but the beginning of a line grows until the line ends.
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
                let what = match self.stream.compression() {
                    Compression::Plain => "try to copy the file: the disk may be failing",
                    // As zstd words its error of a window that is larger than a decoder has to allow.
                    Compression::Zstd if e.to_string().contains("too much memory") => {
                        "it was compressed with a window of more than 128 MiB: `zstd -dc --long=31 FILE | wa ingest -` takes it in"
                    }
                    _ => "the file is cut off or damaged; ingest it again when it has been replaced",
                };
                let error =
                    Error::new(ErrorKind::PartialInput, format!("cannot read {} to its end", self.name));
                self.damage = Some(error.caused_by(e).hint(what));
            }
        }
    }

    /// Takes the lines over the limit out of a block. Of one that goes on beyond the block the rest
    /// is read here, and what follows it waits in `carry`.
    fn cut_long_lines(&mut self, bytes: &mut Vec<u8>, overlong: &mut Vec<OverlongLine>) {
        let mut from = 0;
        while let Some(start) = long_line(bytes, from, self.line_limit) {
            let before = bytes.get(..start).unwrap_or(&[]);
            let line = self.line + memchr_iter(b'\n', before).count() as u64 + overlong.len() as u64;
            let mut long = LongLine::new(line);
            let rest = bytes.split_off(start);
            from = start;
            match memchr(b'\n', &rest) {
                Some(end) => {
                    long.add(rest.get(..end).unwrap_or(&[]));
                    bytes.extend_from_slice(rest.get(end + 1..).unwrap_or(&[]));
                    self.left_out += end as u64 + 1;
                }
                None => {
                    let before = self.left_out;
                    long.add(&rest);
                    self.left_out += rest.len() as u64;
                    drop(rest);
                    if !self.pass_long_line(&mut long) {
                        self.open_line = Some(self.left_out - before);
                    }
                }
            }
            overlong.push(long.finish());
        }
    }

    /// Reads to the end of a line over the limit. Returns whether it has one.
    fn pass_long_line(&mut self, long: &mut LongLine) -> bool {
        let mut chunk = Vec::new();
        while !self.ended {
            chunk.clear();
            self.read(&mut chunk, CHUNK);
            match memchr(b'\n', &chunk) {
                Some(end) => {
                    long.add(chunk.get(..end).unwrap_or(&[]));
                    self.left_out += end as u64 + 1;
                    self.carry.extend_from_slice(chunk.get(end + 1..).unwrap_or(&[]));
                    return true;
                }
                None => {
                    long.add(&chunk);
                    self.left_out += chunk.len() as u64;
                }
            }
        }
        false
    }
}

/// Finds the first line from `from` on that is over the limit; it begins at the returned position.
fn long_line(bytes: &[u8], mut from: usize, limit: usize) -> Option<usize> {
    loop {
        let rest = bytes.get(from..)?;
        // Where lines are short this looks at the last one of every stretch of a mebibyte.
        let stretch = rest.get(..=limit)?;
        from = match (memrchr(b'\n', stretch), stretch.last(), rest.get(limit + 1)) {
            (Some(at), _, _) => from + at + 1,
            // The last byte may belong to the line's end.
            (None, Some(b'\r'), Some(b'\n')) => from + limit + 2,
            (None, Some(b'\r'), None) => return None,
            _ => return Some(from),
        };
    }
}

/// A line over the limit, as it passes.
struct LongLine {
    line: u64,
    length: u64,
    hash: Sha256,
    head: Vec<u8>,
    /// A carriage return that is part of the line if more follows.
    carriage_return: bool,
}

impl LongLine {
    fn new(line: u64) -> LongLine {
        LongLine { line, length: 0, hash: Sha256::new(), head: Vec::new(), carriage_return: false }
    }

    fn add(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.carriage_return) {
            self.take(b"\r");
        }
        match bytes.strip_suffix(b"\r") {
            Some(bytes) => {
                self.carriage_return = true;
                self.take(bytes);
            }
            None => self.take(bytes),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hash.update(bytes);
        let room = RAW_LIMIT.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
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

fn about(path: &Path, file: &File) -> Result<std::fs::Metadata> {
    let about = file.metadata().map_err(|e| Error::io("read", path, e))?;
    if about.is_dir() {
        return Err(Error::failed(format!("cannot read {}: it is a directory", path.display())));
    }
    Ok(about)
}
