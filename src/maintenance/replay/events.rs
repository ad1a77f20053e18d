//! Reads the retained events in batches, in order of their UTC dates.
//!
//! A piece of a row group is decoded at a time, so that memory does not grow with the number of
//! days.

use crate::error::Result;
use crate::event::Block;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::parquet::RowGroups;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::time::Day;

/// Maximum number of events of a batch. A batch takes a few hundred bytes for each, and so do the
/// decoded rows.
const ROWS_TOGETHER: usize = 1 << 13;

/// A batch of events of a file.
#[derive(Debug)]
pub(in crate::maintenance) struct EventBatch {
    /// The UTC date of the events.
    pub(in crate::maintenance) date: Day,
    /// The events.
    pub(in crate::maintenance) block: Block,
    /// The share of the events in the size of the file. The shares of all batches of a file add up
    /// to its size.
    pub(in crate::maintenance) bytes: u64,
}

/// Returns the batches of all files, by date. A file that is missing or damaged yields an error.
pub(in crate::maintenance) fn event_batches(
    snapshot: &Snapshot,
) -> impl Iterator<Item = Result<EventBatch>> + '_ {
    let mut files: Vec<&DataFile> = snapshot.manifest().files(Table::Events).iter().collect();
    files.sort_by_key(|file| file.day);
    files.into_iter().flat_map(|file| {
        let mut reader = FileReader { snapshot, file, groups: None, piece: None, next_row: 0, rows: 0 };
        std::iter::from_fn(move || reader.next_batch().transpose())
    })
}

struct FileReader<'a> {
    snapshot: &'a Snapshot,
    file: &'a DataFile,
    /// The row groups of the file, once it is open.
    groups: Option<RowGroups<'a>>,
    /// The current piece of a row group, if some of its rows are left.
    piece: Option<Frame>,
    /// The first row of the next batch, in the current piece.
    next_row: usize,
    /// The number of rows of all batches so far.
    rows: u64,
}

impl FileReader<'_> {
    fn next_batch(&mut self) -> Result<Option<EventBatch>> {
        let groups = match &mut self.groups {
            Some(groups) => groups,
            None => self.groups.insert(self.snapshot.row_groups(self.file, None)?),
        };
        let frame = match &self.piece {
            Some(piece) => piece,
            None => {
                self.next_row = 0;
                match groups.next_piece(ROWS_TOGETHER)? {
                    Some(piece) => self.piece.insert(piece),
                    None => return Ok(None),
                }
            }
        };
        let block = tables::events::read(frame, self.next_row)?;
        let rows = block.rows.len();
        self.next_row += rows;
        if self.next_row >= frame.height() {
            // Free the piece, so that the next one can use its memory.
            self.piece = None;
        }
        let before = self.share(self.rows);
        self.rows += rows as u64;
        Ok(Some(EventBatch { date: self.file.day, block, bytes: self.share(self.rows) - before }))
    }

    /// Returns the share of some rows in the size of the file.
    fn share(&self, rows: u64) -> u64 {
        (u128::from(self.file.bytes) * u128::from(rows) / u128::from(self.file.rows.max(1))) as u64
    }
}
