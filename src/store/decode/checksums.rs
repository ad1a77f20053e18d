//! Checksums of the parts of a data file.
//!
//! A reader reads only a few columns of a file, so it cannot verify the checksum of the whole file.
//! The parts that it reads have separate checksums (XXH3, 64 bits):
//!
//! - The manifest contains the checksum of the footer and the eight bytes after it.
//! - The footer contains the checksums of all column chunks as key-value metadata. Each checksum
//!   has 16 hexadecimal digits. They are ordered by row group, then by column. They cover every
//!   byte of a chunk. The checksum that Parquet defines covers the pages, but not their headers.

use xxhash_rust::xxh3::xxh3_64;

/// The key of the checksums of the column chunks in the footer.
pub const CHUNKS_KEY: &str = "wa.chunk_checksums";
/// Length of a checksum in the footer.
const DIGITS: usize = 16;
/// Length of the tail of a file, which contains the length of the footer and the magic number.
pub const TAIL_BYTES: usize = 8;
/// The magic number at the end of a file.
const MAGIC: &[u8; 4] = b"PAR1";

/// Checksum of a footer, and the length of its file.
#[derive(Clone, Copy, Debug)]
pub struct FooterChecksum {
    /// Length of the file in bytes.
    pub file_bytes: u64,
    /// Checksum of the footer and the eight bytes after it.
    pub checksum: u64,
}

impl FooterChecksum {
    /// Computes the checksum of the footer of a file; `None` if the bytes are not a Parquet file.
    pub fn from_file(bytes: &[u8]) -> Option<FooterChecksum> {
        let footer = bytes.get(bytes.len().checked_sub(TAIL_BYTES + footer_length(bytes)?)?..)?;
        Some(FooterChecksum { file_bytes: bytes.len() as u64, checksum: checksum(footer) })
    }
}

/// Returns the checksum of a column chunk, or of a footer.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Returns the length of the footer of a file, without the eight bytes after it. `end` is the end
/// of the file.
pub fn footer_length(end: &[u8]) -> Option<usize> {
    let (rest, magic) = end.split_last_chunk::<4>()?;
    let (_, length) = rest.split_last_chunk::<4>()?;
    if magic != MAGIC {
        return None;
    }
    usize::try_from(u32::from_le_bytes(*length)).ok()
}

/// Formats the checksums of column chunks as one string.
pub fn chunks_to_text(checksums: impl Iterator<Item = u64>) -> String {
    checksums.map(|checksum| format!("{checksum:016x}")).collect()
}

/// Returns the checksum of column chunk `number` from the string of all checksums.
pub fn chunk_from_text(text: &[u8], number: usize) -> Option<u64> {
    let start = number.checked_mul(DIGITS)?;
    let digits = text.get(start..start.checked_add(DIGITS)?)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
