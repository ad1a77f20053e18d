//! Columns out of rows, straight to Parquet pages.
//!
//! Frames are right for reading and filtering; for writing millions of new rows they are a detour:
//! each text would be copied into the frame, and there hashed again for its dictionary. Here a
//! [`TextColumn`] borrows its texts and notes where they change, since neighbours mostly say the
//! same; a [`Chunk`] is a column in Parquet's encodings; and [`FileBuilder`] hands its compressed
//! pages to the Parquet writer that frames use too.

mod chunk;
mod column;
mod copy_row_groups;
mod delta;
mod file;
mod from_frame;
mod rle_hybrid;
#[cfg(test)]
pub(super) mod tests;

pub use chunk::{Changes, Chunk};
pub use column::{Number, NumberColumn, TextColumn};
pub use copy_row_groups::COPIED;
pub use delta::Steps;
pub use file::FileBuilder;

use super::columns::Table;

/// The level of Zstandard: `docs/benchmarks.md` has the figures of others.
pub const LEVEL: i32 = 1;
/// Rows of a row group: enough for dictionaries to pay, few enough to skip what a filter leaves out.
pub const ROW_GROUP: usize = 1 << 17;
/// Rows of a row group of first sights, which are read by the group: two columns of numbers without end, for which
/// the same memory is to serve. Not fewer than are taken over ([`COPIED`]).
const SIGHTS: usize = COPIED;
/// Bytes of distinct texts with which a row group ends earlier: its columns are made side by side in memory.
pub const GROUP_BYTES: usize = 64 << 20;

/// Returns how many rows a row group of a table has at the most.
fn rows_of_group(table: Table) -> usize {
    match table {
        Table::Visitors => SIGHTS,
        Table::Events | Table::Sessions | Table::DailyStats => ROW_GROUP,
    }
}

/// Writes a number seven bits at a time, the lowest first; all bytes but the last have the eighth set.
fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 128 {
        out.push(number as u8 | 128);
        number >>= 7;
    }
    out.push(number as u8);
}
