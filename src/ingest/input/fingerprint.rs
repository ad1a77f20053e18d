//! Fingerprints of files: hashes of their first and last bytes.

use std::fs::File;
use std::io;

use crate::positional_read::read_full_at;

/// Bytes at the beginning and at the end of a file that are hashed.
pub const WINDOW: u64 = 64 << 10;

/// Hashes of the parts of a file; see [`SourceFile`](super::source_registry::SourceFile).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Size of the file in bytes.
    pub size: u64,
    /// Hash of the first bytes.
    pub head: String,
    /// Hash of the last bytes.
    pub tail: String,
    /// Hash of the bytes before the offset up to which the file was ingested.
    pub consumed_tail: String,
}

impl Fingerprint {
    /// Computes the fingerprint of an open file that was ingested up to the offset `consumed`;
    /// `None` if the file is shorter than that by now.
    pub fn compute(file: &File, consumed: u64) -> io::Result<Option<Fingerprint>> {
        let size = file.metadata()?.len();
        if size < consumed {
            return Ok(None);
        }
        let hash_before = |end| {
            let (offset, len) = window_before(end);
            hash_at(file, offset, len)
        };
        Ok(Some(Fingerprint {
            size,
            head: hash_at(file, 0, consumed.min(WINDOW))?,
            tail: hash_before(size)?,
            consumed_tail: hash_before(consumed)?,
        }))
    }
}

/// Returns offset and length of the window that ends at `end`.
pub fn window_before(end: u64) -> (u64, u64) {
    let len = end.min(WINDOW);
    (end - len, len)
}

/// Hashes `len` bytes from `offset`, or fewer if the file ends before.
pub fn hash_at(file: &File, offset: u64, len: u64) -> io::Result<String> {
    let mut bytes = vec![0; len as usize];
    let filled = read_full_at(file, &mut bytes, offset)?;
    bytes.truncate(filled);
    Ok(hash(&bytes))
}

/// Returns the hash of some bytes, preceded by their number.
pub fn hash(bytes: &[u8]) -> String {
    format!("{}:{:032x}", bytes.len(), xxhash_rust::xxh3::xxh3_128(bytes))
}

/// Returns the number of bytes that were hashed.
pub fn hashed_length(hash: &str) -> u64 {
    hash.split_once(':').and_then(|(len, _)| len.parse().ok()).unwrap_or(0)
}

/// Returns a text that sorts after all hashes of `len` bytes.
pub fn after_length(len: u64) -> String {
    format!("{len};")
}
