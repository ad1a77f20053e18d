//! Decoding of the Parquet files that `wa` writes.
//!
//! The decoder supports only the types and encodings of the store's files: plain, dictionary and
//! delta encoding, in pages that are uncompressed or compressed with Zstandard. A report reads a
//! few columns of hundreds of files, each in a fraction of a millisecond. Therefore:
//!
//! - the footer is searched for the requested columns, and everything else is skipped;
//! - a thread reuses its decompressor, which takes 8 µs to create on a virtual machine, and its
//!   buffers, since the kernel has to clear new memory;
//! - strings are decompressed into the memory that the column keeps;
//! - a filter decodes the columns of its conditions first, and then only the values of the selected
//!   rows ([`ColumnReader`]).
//!
//! Compared with the Parquet reader of Polars, `report summary` over 30 days of 1,500,000 events
//! takes 0.66 times as long, `report pages` 0.62 times, and `report locations` 0.60 times
//! (`docs/benchmark-decisions.md`).
//!
//! The decoder verifies the [`checksums`] of bytes before it uses them. For files that it does not
//! support, including damaged ones, it returns `None`. The caller then verifies the checksum of the
//! whole file, and has Polars read it or reports the damage. All counts and sizes in a file are
//! checked before use.

pub mod checksums;
mod codes;
mod column;
mod delta;
mod footer;
mod levels;
mod page;
mod pieces;
mod rle_hybrid;
mod selected_rows;
pub mod stored_values;
#[cfg(test)]
mod tests;
mod texts;
pub mod thrift;

use polars::prelude::{Column as PolarsColumn, DataFrame, IntoColumn};

use super::file_system::OpenFile;
use crate::positional_read::read_full_at;
use checksums::{FooterChecksum, TAIL_BYTES, checksum, footer_length};
use column::ColumnDecoder;
use footer::{ColumnChunk, Footer, RowGroup};
use page::ReadBuffers;
use pieces::GroupPieces;
use selected_rows::SelectedRows;

/// Reads columns of a file, or all columns if `names` is `None`. Every column is a single chunk.
/// Returns `None` if the file is not supported. The caller must have verified the checksum of the
/// whole file.
pub fn read(file: &OpenFile, names: Option<&[&str]>) -> Option<DataFrame> {
    read_file(file, names, None)
}

/// Reads columns of a file like [`read`], and verifies the checksums of the parts that it reads.
/// Also returns `None` if a part is damaged.
pub fn read_checked(file: &OpenFile, names: Option<&[&str]>, footer: FooterChecksum) -> Option<DataFrame> {
    read_file(file, names, Some(footer))
}

fn read_file(file: &OpenFile, names: Option<&[&str]>, footer: Option<FooterChecksum>) -> Option<DataFrame> {
    ReadBuffers::with(|buffers| {
        let metadata = Metadata::read(file, names, footer, buffers)?;
        metadata.decode(file, &metadata.footer.row_groups, None, buffers)
    })
}

/// Reads the columns of a file in several steps, so that later columns are decoded for selected
/// rows only.
pub struct ColumnReader(Metadata);

impl ColumnReader {
    /// Returns a reader of the given columns. Returns `None` in the same cases as [`read_checked`].
    pub fn new(file: &OpenFile, names: &[&str], footer: FooterChecksum) -> Option<ColumnReader> {
        ReadBuffers::with(|buffers| Metadata::read(file, Some(names), Some(footer), buffers))
            .map(ColumnReader)
    }

    /// Returns the number of rows of the file.
    pub fn rows(&self) -> usize {
        self.0.footer.rows()
    }

    /// Reads some of the columns. `rows` are the positions of the rows to read, in ascending order;
    /// `None` for all rows. Returns `None` in the same cases as [`read_checked`], and for positions
    /// that are not in the file or not in ascending order.
    pub fn read(&self, file: &OpenFile, names: &[&str], rows: Option<&[u32]>) -> Option<DataFrame> {
        let selected = match rows {
            Some(rows) => Some(SelectedRows::checked(rows, self.rows())?),
            None => None,
        };
        let groups = &self.0.footer.row_groups;
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let index = self.0.column_index(name)?;
            columns.push(ReadBuffers::with(|buffers| {
                self.0.decode_column(file, groups, (index, selected), buffers)
            })?);
        }
        DataFrame::new(rows.map_or(self.rows(), <[u32]>::len), columns).ok()
    }
}

/// Reads a file one row group at a time, so that a large file is never in memory as a whole.
pub struct RowGroupReader {
    metadata: Metadata,
    next: usize,
    /// The row group that is being read in pieces. It counts as read.
    pieces: Option<GroupPieces>,
}

impl RowGroupReader {
    /// Returns a reader of the given columns, or of all if `names` is `None`. Returns `None` in the
    /// same cases as [`read_checked`].
    pub fn new(file: &OpenFile, names: Option<&[&str]>, footer: FooterChecksum) -> Option<RowGroupReader> {
        let metadata = ReadBuffers::with(|buffers| Metadata::read(file, names, Some(footer), buffers))?;
        Some(RowGroupReader { metadata, next: 0, pieces: None })
    }

    /// Returns the number of rows of the next row group; `None` after the last one.
    pub fn next_rows(&self) -> Option<usize> {
        self.metadata.footer.row_groups.get(self.next).map(|group| group.rows)
    }

    /// Skips the next row group.
    pub fn skip(&mut self) {
        self.next += 1;
    }

    /// Returns whether all row groups were read or skipped.
    pub fn is_done(&self) -> bool {
        self.next >= self.metadata.footer.row_groups.len() && self.pieces.is_none()
    }

    /// Reads the next row group; `None` after the last one, and in the same cases as
    /// [`read_checked`].
    pub fn next(&mut self, file: &OpenFile) -> Option<DataFrame> {
        let row_groups = self.metadata.footer.row_groups.get(self.next..self.next + 1)?;
        let data = ReadBuffers::with(|buffers| self.metadata.decode(file, row_groups, None, buffers))?;
        self.next += 1;
        Some(data)
    }

    /// Reads the named columns of the next row group, which remains the next one. Returns `None` in
    /// the same cases as [`RowGroupReader::next`].
    pub fn peek(&self, file: &OpenFile, names: &[&str]) -> Option<DataFrame> {
        let row_groups = self.metadata.footer.row_groups.get(self.next..self.next + 1)?;
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let index = self.metadata.column_index(name)?;
            columns.push(ReadBuffers::with(|buffers| {
                self.metadata.decode_column(file, row_groups, (index, None), buffers)
            })?);
        }
        DataFrame::new(self.next_rows()?, columns).ok()
    }

    /// Reads the rows of the next row group at these positions, in ascending order. Returns `None`
    /// in the same cases as [`RowGroupReader::next`], and for positions that are out of range.
    pub fn next_selected(&mut self, file: &OpenFile, rows: &[u32]) -> Option<DataFrame> {
        let row_groups = self.metadata.footer.row_groups.get(self.next..self.next + 1)?;
        let selected = SelectedRows::checked(rows, self.next_rows()?)?;
        let decode =
            |buffers: &mut ReadBuffers| self.metadata.decode(file, row_groups, Some(selected), buffers);
        let data = ReadBuffers::with(decode)?;
        self.next += 1;
        Some(data)
    }

    /// Reads the next rows of one row group, at most `max_rows`; `None` in the same cases as
    /// [`RowGroupReader::next`]. The row group must not be read in another way.
    pub fn next_piece(&mut self, file: &OpenFile, max_rows: usize) -> Option<DataFrame> {
        let pieces = match &mut self.pieces {
            Some(pieces) => pieces,
            None => {
                let group = self.metadata.footer.row_groups.get(self.next)?;
                let read =
                    |buffers: &mut ReadBuffers| GroupPieces::read(&self.metadata, file, group, buffers);
                let pieces = ReadBuffers::with(read)?;
                self.next += 1;
                self.pieces.insert(pieces)
            }
        };
        let data = pieces.next(max_rows)?;
        if pieces.is_done() {
            // Free its memory for the next row group.
            self.pieces = None;
        }
        Some(data)
    }
}

/// The footer of a file, for the requested columns.
struct Metadata {
    /// Length of the file.
    end: u64,
    footer: Footer,
    /// Whether the checksums of column chunks have to be verified.
    checks_chunks: bool,
}

impl Metadata {
    fn read(
        file: &OpenFile,
        names: Option<&[&str]>,
        expected: Option<FooterChecksum>,
        buffers: &mut ReadBuffers,
    ) -> Option<Metadata> {
        let end = match expected {
            Some(expected) => expected.file_bytes,
            None => file.length().ok()?,
        };
        let footer = read_footer(file, end, names, expected, &mut buffers.chunk)?;
        Some(Metadata { end, footer, checks_chunks: expected.is_some() })
    }

    /// Returns the index of a requested column.
    fn column_index(&self, name: &str) -> Option<usize> {
        self.footer.columns.iter().position(|column| column.name == name)
    }

    /// Decodes a range of row groups, or the selected rows of it.
    fn decode(
        &self,
        file: &OpenFile,
        row_groups: &[RowGroup],
        selected: Option<SelectedRows>,
        buffers: &mut ReadBuffers,
    ) -> Option<DataFrame> {
        let all_rows = || row_groups.iter().map(|group| group.rows).sum();
        let rows = selected.map_or_else(all_rows, |selected| selected.len());
        let mut columns = Vec::with_capacity(self.footer.columns.len());
        for index in 0..self.footer.columns.len() {
            columns.push(self.decode_column(file, row_groups, (index, selected), buffers)?);
        }
        DataFrame::new(rows, columns).ok()
    }

    /// Decodes a column in a range of row groups. Row groups without selected rows are not read.
    fn decode_column(
        &self,
        file: &OpenFile,
        row_groups: &[RowGroup],
        (index, selected): (usize, Option<SelectedRows>),
        buffers: &mut ReadBuffers,
    ) -> Option<PolarsColumn> {
        let rows = row_groups.iter().map(|group| group.rows).sum();
        let mut decoder = ColumnDecoder::new(self.footer.columns.get(index)?, rows, selected);
        for group in row_groups {
            if decoder.skip(group.rows) {
                continue;
            }
            let chunk = group.chunks.get(index)?;
            let decode =
                |bytes: &[u8], buffers: &mut ReadBuffers| decoder.add(chunk, bytes, group.rows, buffers);
            self.with_chunk(file, chunk, buffers, decode)?;
        }
        Some(decoder.finish().ok()?.into_column())
    }

    /// Reads the bytes of a column of a row group, verifies their checksum, and passes them to
    /// `decode`.
    fn with_chunk<T>(
        &self,
        file: &OpenFile,
        chunk: &ColumnChunk,
        buffers: &mut ReadBuffers,
        decode: impl FnOnce(&[u8], &mut ReadBuffers) -> Option<T>,
    ) -> Option<T> {
        // The bytes borrow this buffer, while the pages need the other ones mutably.
        let mut buffer = std::mem::take(&mut buffers.chunk);
        let bytes = file.bytes(chunk.start, chunk.length, self.end, &mut buffer)?;
        if self.checks_chunks && chunk.checksum != Some(checksum(bytes)) {
            return None;
        }
        let decoded = decode(bytes, buffers)?;
        buffers.chunk = buffer;
        Some(decoded)
    }
}

/// Bytes to read from the end of a file. Most footers fit: those of `sessions`, with the most
/// columns, take 15 kB.
const FOOTER_BYTES: u64 = 16 << 10;

/// Reads the footer of a file that ends at `end`.
fn read_footer(
    file: &OpenFile,
    end: u64,
    names: Option<&[&str]>,
    expected: Option<FooterChecksum>,
    buffer: &mut Vec<u8>,
) -> Option<Footer> {
    let tail = file.bytes(end.saturating_sub(FOOTER_BYTES), end.min(FOOTER_BYTES), end, buffer)?;
    let length = footer_length(tail)?.checked_add(TAIL_BYTES)?;
    if let Some(start) = tail.len().checked_sub(length) {
        return parse_footer(tail.get(start..)?, names, expected);
    }
    let start = end.checked_sub(length as u64)?;
    parse_footer(file.bytes(start, length as u64, end, buffer)?, names, expected)
}

fn parse_footer(bytes: &[u8], names: Option<&[&str]>, expected: Option<FooterChecksum>) -> Option<Footer> {
    let is_intact = expected.is_none_or(|expected| expected.checksum == checksum(bytes));
    is_intact.then(|| Footer::read(bytes, names)).flatten()
}

impl OpenFile {
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
#[inline]
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    // Nearly all integers of a footer have one byte.
    match bytes.split_first() {
        Some((byte, rest)) if *byte < 128 => Some((u64::from(*byte), rest)),
        _ => long_varint(bytes),
    }
}

fn long_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
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
