//! Overlong lines, which are hashed while they are read and never held in memory.

use memchr::memrchr;
use sha2::{Digest, Sha256};

/// Number of bytes of an overlong line that are retained.
pub const OVERLONG_HEAD: usize = 64 << 10;

/// A line longer than [`LINE_LIMIT`](super::blocks::LINE_LIMIT).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlongLine {
    /// Line number in the input, from 1.
    pub line: u64,
    /// Length in bytes, without the line end.
    pub length: u64,
    /// SHA-256 of the line without its end.
    pub sha256: [u8; 32],
    /// The first [`OVERLONG_HEAD`] bytes of the line.
    pub head: Vec<u8>,
}

/// Returns the position of the first overlong line at or after `from`.
pub fn find_overlong_line(bytes: &[u8], mut from: usize, limit: usize) -> Option<usize> {
    loop {
        let rest = bytes.get(from..)?;
        // If there is a line end in the next `limit` + 1 bytes, the lines before it are short
        // enough.
        let stretch = rest.get(..=limit)?;
        from = match (memrchr(b'\n', stretch), stretch.last(), rest.get(limit + 1)) {
            (Some(at), _, _) => from + at + 1,
            // The carriage return can belong to the line end.
            (None, Some(b'\r'), Some(b'\n')) => from + limit + 2,
            (None, Some(b'\r'), None) => return None,
            _ => return Some(from),
        };
    }
}

/// Hash and head of an overlong line that is being read.
pub struct OverlongHasher {
    line: u64,
    length: u64,
    hash: Sha256,
    head: Vec<u8>,
    /// Whether the last byte was a carriage return, which belongs to the line only if more bytes
    /// follow.
    pending_cr: bool,
}

impl OverlongHasher {
    /// Starts line number `line`.
    pub fn new(line: u64) -> OverlongHasher {
        OverlongHasher { line, length: 0, hash: Sha256::new(), head: Vec::new(), pending_cr: false }
    }

    /// Adds bytes of the line, or the carriage return of its end.
    pub fn add(&mut self, bytes: &[u8]) {
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

    /// Returns the line.
    pub fn finish(self) -> OverlongLine {
        OverlongLine {
            line: self.line,
            length: self.length,
            sha256: self.hash.finalize().into(),
            head: self.head,
        }
    }
}
