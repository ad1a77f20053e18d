//! Encoding of rows as Parquet pages.
//!
//! Millions of new rows are encoded without a frame. A frame would copy every string, and hash it
//! again for the dictionary. A [`TextColumn`] borrows its strings and records the rows in which the
//! string changes, since adjacent rows mostly have the same string. A [`Chunk`] is an encoded
//! column of a row group. A [`FileBuilder`] compresses its pages and writes the file. The Parquet
//! writer of Polars would take seven times as long for a file of a few rows, most of it for the
//! footer.
//!
//! An ingest of 1,500,000 events takes 0.80 times as long as with the page writers of Polars, and
//! 0.70 times as long as with the column writers of the `parquet` crate. The tables take 87 MB
//! instead of 99 MB and 92 MB (`docs/benchmark-decisions.md`).

mod chunk;
mod column;
mod copy_row_groups;
mod delta;
mod file;
mod footer;
mod from_frame;
mod remaining_rows;
mod rle_hybrid;
#[cfg(test)]
pub(super) mod tests;
mod thrift;

pub use chunk::Chunk;
pub use column::{Float, NumberColumn, TextColumn};
pub use copy_row_groups::MIN_COPIED_ROWS;
pub use delta::DeltaWidth;
pub use file::FileBuilder;

use super::columns::Table;

/// The magic number at the beginning and at the end of a file.
const MAGIC: &[u8; 4] = b"PAR1";
/// Compression level of Zstandard: see `docs/benchmark-decisions.md`.
pub const ZSTD_LEVEL: i32 = 1;
/// Maximum number of rows of a row group. Larger groups share more dictionary entries; smaller ones
/// let filters skip more rows.
pub const ROW_GROUP: usize = 1 << 17;
/// Maximum number of rows of a row group of visitors, which are read one group at a time into the
/// same memory. A group that loses some rows is still large enough to be copied.
pub const VISITOR_ROW_GROUP: usize = 2 * MIN_COPIED_ROWS;
/// Bytes of distinct strings at which a row group ends early: all its columns are in memory
/// together.
pub const GROUP_TEXT_BYTES: usize = 64 << 20;

/// Returns the maximum number of rows of a row group of a table.
fn max_group_rows(table: Table) -> usize {
    match table {
        Table::Visitors => VISITOR_ROW_GROUP,
        Table::Events | Table::Sessions | Table::DailyStats => ROW_GROUP,
    }
}

/// Appends a number as a variable-length integer (ULEB128).
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}
