//! Fingerprints of files: hashes of their first and last bytes.

use std::fs::File;
use std::io;

use super::content_hash::ContentHash;
use crate::positional_read::read_full_at;

/// Number of bytes that are hashed at the beginning and at the end of a file.
pub const WINDOW: u64 = 64 << 10;
/// Number of bytes that are read at a time to hash a long part of a file.
const CHUNK: u64 = 256 << 10;

/// Hashes of the parts of a file: see [`SourceFile`](super::source_registry::SourceFile).
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
    /// `None` if the file is now shorter than that.
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

/// Hashes `len` bytes from `offset`, or fewer if the file ends earlier.
pub fn hash_at(file: &File, offset: u64, len: u64) -> io::Result<String> {
    hash_part(&mut |offset, bytes| read_full_at(file, bytes, offset), offset, len)
}

/// Hashes `len` bytes from `offset`, or fewer if the file ends earlier. `read` fills a buffer from
/// an offset.
pub fn hash_part(
    read: &mut impl FnMut(u64, &mut [u8]) -> io::Result<usize>,
    offset: u64,
    len: u64,
) -> io::Result<String> {
    let mut bytes = vec![0; len as usize];
    let filled = read(offset, &mut bytes)?;
    bytes.truncate(filled);
    Ok(hash(&bytes))
}

/// Hashes a file from its beginning up to each of the given offsets, which must be in ascending
/// order. Offsets beyond the end have no hash. `read` fills a buffer from an offset.
pub fn hash_prefixes(
    read: &mut impl FnMut(u64, &mut [u8]) -> io::Result<usize>,
    ends: &[u64],
) -> io::Result<Vec<ContentHash>> {
    let mut hash = ContentHash::default();
    let mut hashes = Vec::new();
    let mut bytes = vec![0; ends.last().map_or(0, |end| (*end).min(CHUNK)) as usize];
    for end in ends {
        while hash.length() < *end {
            let len = (end - hash.length()).min(CHUNK) as usize;
            let Some(part) = bytes.get_mut(..len) else { return Ok(hashes) };
            let filled = read(hash.length(), part)?;
            if filled == 0 {
                return Ok(hashes);
            }
            hash.add(part.get(..filled).unwrap_or(&[]));
        }
        hashes.push(hash.clone());
    }
    Ok(hashes)
}

/// Returns the hash of bytes, preceded by their count.
pub fn hash(bytes: &[u8]) -> String {
    format!("{}:{:032x}", bytes.len(), xxhash_rust::xxh3::xxh3_128(bytes))
}

/// Returns the number of bytes that a hash covers.
pub fn hashed_length(hash: &str) -> u64 {
    hash.split_once(':').and_then(|(len, _)| len.parse().ok()).unwrap_or(0)
}

/// Returns a string that sorts after all hashes that cover `len` bytes.
pub fn after_length(len: u64) -> String {
    format!("{len};")
}
