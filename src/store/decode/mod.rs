//! Decoding of the Parquet files that `wa` writes.
//!
//! The decoder supports the encodings and types of the store's files only: pages that are
//! compressed by Zstandard or not at all, with plain, dictionary or delta encoding. A report reads
//! a few columns of hundreds of files, each in a fraction of a millisecond. Therefore:
//!
//! - the footer is searched for the requested columns, and everything else is skipped;
//! - a thread reuses its decompressor, which takes 8 µs to create on a virtual machine, and its
//!   buffers, since the kernel has to clear new memory;
//! - texts are decompressed into the memory that the column keeps.
//!
//! `report summary` over 30 days of 1,500,000 events takes 0.66 of the time that it takes with the
//! Parquet reader of Polars, `report pages` and `report locations` 0.62 and 0.60
//! (`docs/benchmark-decisions.md`).
//!
//! For files that it does not support, including damaged ones, the decoder returns `None`. Polars
//! then reads the file, or reports the error. All counts and sizes in a file are checked before
//! use.

mod column;
mod delta;
mod footer;
mod levels;
mod page;
mod rle_hybrid;
#[cfg(test)]
mod tests;
mod texts;
mod thrift;

use std::io::{Seek, SeekFrom};

use polars::prelude::{DataFrame, IntoColumn};

use super::file_system::OpenFile;
use crate::positional_read::read_full_at;
use column::ColumnDecoder;
use footer::{Footer, RowGroup};
use page::ReadBuffers;

/// Reads columns of a file, or all columns if `names` is `None`. Every column is a single chunk.
/// Returns `None` if the file is damaged or not supported.
pub fn read(file: &OpenFile, names: Option<&[&str]>) -> Option<DataFrame> {
    ReadBuffers::with(|buffers| {
        let metadata = Metadata::read(file, names, buffers)?;
        metadata.decode(file, &metadata.footer.row_groups, buffers)
    })
}

/// Reads a file one row group at a time, so that a large file is never in memory as a whole.
pub struct RowGroupReader {
    metadata: Metadata,
    next: usize,
}

impl RowGroupReader {
    /// Returns a reader of some columns; `None` as [`read`].
    pub fn new(file: &OpenFile, names: &[&str]) -> Option<RowGroupReader> {
        let metadata = ReadBuffers::with(|buffers| Metadata::read(file, Some(names), buffers))?;
        Some(RowGroupReader { metadata, next: 0 })
    }

    /// Returns whether all row groups were read.
    pub fn is_done(&self) -> bool {
        self.next >= self.metadata.footer.row_groups.len()
    }

    /// Reads the next row group; `None` as [`read`].
    pub fn next(&mut self, file: &OpenFile) -> Option<DataFrame> {
        let row_groups = self.metadata.footer.row_groups.get(self.next..self.next + 1)?;
        self.next += 1;
        ReadBuffers::with(|buffers| self.metadata.decode(file, row_groups, buffers))
    }
}

/// The footer of a file, for the requested columns.
struct Metadata {
    /// Length of the file.
    end: u64,
    footer: Footer,
}

impl Metadata {
    fn read(file: &OpenFile, names: Option<&[&str]>, buffers: &mut ReadBuffers) -> Option<Metadata> {
        let end = file.length()?;
        let footer = read_footer(file, end, names, &mut buffers.chunk)?;
        Some(Metadata { end, footer })
    }

    /// Decodes some of the row groups.
    fn decode(
        &self,
        file: &OpenFile,
        row_groups: &[RowGroup],
        buffers: &mut ReadBuffers,
    ) -> Option<DataFrame> {
        let rows = row_groups.iter().map(|group| group.rows).sum();
        let mut columns = Vec::with_capacity(self.footer.columns.len());
        for (index, column) in self.footer.columns.iter().enumerate() {
            let mut decoder = ColumnDecoder::new(column, rows);
            for group in row_groups {
                let chunk = group.chunks.get(index)?;
                // `bytes` borrows this buffer, while the pages need the other ones mutably.
                let mut buffer = std::mem::take(&mut buffers.chunk);
                let bytes = file.bytes(chunk.start, chunk.length, self.end, &mut buffer)?;
                decoder.add(chunk, bytes, group.rows, buffers)?;
                buffers.chunk = buffer;
            }
            columns.push(decoder.finish().ok()?.into_column());
        }
        DataFrame::new(rows, columns).ok()
    }
}

/// Bytes to read from the end of a file. Most footers fit: those of `sessions`, with the most
/// columns, have 10 kB.
const FOOTER_BYTES: u64 = 12 << 10;
/// Length of the part after the footer: the length of the footer, and the magic number.
const TAIL_BYTES: u64 = 8;

fn read_footer(file: &OpenFile, end: u64, names: Option<&[&str]>, buffer: &mut Vec<u8>) -> Option<Footer> {
    let tail = file.bytes(end.saturating_sub(FOOTER_BYTES), end.min(FOOTER_BYTES), end, buffer)?;
    let (rest, magic) = tail.split_last_chunk::<4>()?;
    let (rest, length) = rest.split_last_chunk::<4>()?;
    let length = u64::from(u32::from_le_bytes(*length));
    if magic != b"PAR1" {
        return None;
    }
    if let Some(start) = rest.len().checked_sub(length as usize) {
        return Footer::read(rest.get(start..)?, names);
    }
    let start = end.checked_sub(TAIL_BYTES)?.checked_sub(length)?;
    Footer::read(file.bytes(start, length, end, buffer)?, names)
}

impl OpenFile {
    fn length(&self) -> Option<u64> {
        match self {
            OpenFile::File(file) => (&*file).seek(SeekFrom::End(0)).ok(),
            OpenFile::Bytes(bytes) => Some(bytes.len() as u64),
        }
    }

    /// Returns a range of bytes, which must not exceed `end`. The bytes of a file are read into
    /// `buffer`.
    fn bytes<'a>(&'a self, start: u64, length: u64, end: u64, buffer: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let to = start.checked_add(length).filter(|to| *to <= end)?;
        match self {
            OpenFile::Bytes(bytes) => bytes.get(usize::try_from(start).ok()?..usize::try_from(to).ok()?),
            OpenFile::File(file) => {
                let length = usize::try_from(length).ok()?;
                // The buffer only grows, so that its memory is cleared once.
                if buffer.len() < length {
                    buffer.clear();
                    buffer.resize(length, 0);
                }
                let buffer = buffer.get_mut(..length)?;
                let filled = read_full_at(file, buffer, start).ok()?;
                (filled == length).then_some(buffer)
            }
        }
    }
}

/// Reads a variable-length integer (ULEB128). Returns it and the remaining bytes.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        number |= u64::from(byte & 127).checked_shl(7 * index as u32)?;
        if *byte < 128 {
            return Some((number, bytes.get(index + 1..)?));
        }
    }
    None
}

/// Decodes a zigzag integer: 0, 1, 2, 3 … stand for 0, -1, 1, -2 …
fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}
