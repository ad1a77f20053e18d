//! The running hash of the bytes of a file, from its beginning.

use std::collections::VecDeque;

use memchr::{memchr, memrchr};
use xxhash_rust::xxh3::Xxh3Default;

/// The hash (XXH3, 128 bits) of all bytes of a file that were read so far.
///
/// It also records the hash at each line end at which a block can end. That is the last line end of
/// the bytes read, or the first if it ends an overlong line.
#[derive(Clone)]
pub struct ContentHash {
    state: Xxh3Default,
    length: u64,
    /// Offsets and the hashes of the bytes before them, ascending.
    line_ends: VecDeque<(u64, u128)>,
}

impl Default for ContentHash {
    /// Returns the hash of no bytes.
    fn default() -> Self {
        let mut hash =
            ContentHash { state: Xxh3Default::new(), length: 0, line_ends: VecDeque::with_capacity(4) };
        hash.remember();
        hash
    }
}

impl ContentHash {
    /// Adds bytes without recording line ends.
    pub fn add(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.length += bytes.len() as u64;
    }

    /// Adds bytes of lines, and records the hash up to their first and their last line end.
    pub fn add_lines(&mut self, bytes: &[u8]) {
        // A file can consist of a byte order mark and one line without a line end.
        let mark = if self.length == 0 && bytes.starts_with(b"\xef\xbb\xbf") { Some(3) } else { None };
        let ends = [mark, memchr(b'\n', bytes).map(|at| at + 1), memrchr(b'\n', bytes).map(|at| at + 1)];
        let mut from = 0;
        for end in ends.into_iter().flatten().filter(|end| *end > 0) {
            if end > from {
                self.add(bytes.get(from..end).unwrap_or(&[]));
                self.remember();
                from = end;
            }
        }
        self.add(bytes.get(from..).unwrap_or(&[]));
    }

    /// Records the hash up to this position.
    pub fn remember(&mut self) {
        self.line_ends.push_back((self.length, self.digest()));
    }

    /// Returns the number of bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns the hash of all bytes.
    pub fn digest(&self) -> u128 {
        self.state.digest128()
    }

    /// Returns the hash of the bytes before `offset`, if it was recorded. Drops the records of
    /// earlier offsets, so `offset` must not decrease from call to call.
    pub fn digest_at(&mut self, offset: u64) -> Option<u128> {
        while self.line_ends.front().is_some_and(|(end, _)| *end < offset) {
            self.line_ends.pop_front();
        }
        self.line_ends.front().filter(|(end, _)| *end == offset).map(|(_, digest)| *digest)
    }
}

impl PartialEq for ContentHash {
    fn eq(&self, other: &ContentHash) -> bool {
        (self.length, self.digest()) == (other.length, other.digest())
    }
}

impl Eq for ContentHash {}

impl std::fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x} of {} bytes", self.digest(), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn hash_at_first_and_last_line_end_is_remembered() {
        let bytes = b"\xef\xbb\xbfone\ntwo\nthree\nfour";
        let mut hash = ContentHash::default();
        hash.add_lines(bytes);
        for (offset, known) in [(0, true), (3, true), (7, true), (11, false), (17, true), (21, false)] {
            assert_eq!(
                hash.digest_at(offset),
                known.then(|| xxh3_128(&bytes[..offset as usize])),
                "{offset}"
            );
        }
        assert_eq!((hash.length(), hash.digest()), (21, xxh3_128(bytes)));
        hash.add_lines(b"\n");
        assert_eq!(hash.digest_at(22), Some(xxh3_128(&[bytes, b"\n".as_slice()].concat())));
    }
}
