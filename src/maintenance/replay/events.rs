//! Reads the retained events in batches, in order of their UTC dates.
//!
//! A piece of a row group is decoded at a time, so that memory does not grow with the number of
//! days. For a shard, only the rows of the shard are decoded: each shard reads all files.

use super::KeyShard;
use crate::error::Result;
use crate::event::Block;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::parquet::RowGroups;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::tables::events::SESSION_KEY_COLUMNS;
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
    /// The bytes of the file that were read since the previous batch. They add up to the size of
    /// the file.
    pub(in crate::maintenance) bytes: u64,
}

/// Returns the batches of all files, by date, with the events of a shard. A batch can be empty. A
/// file that is missing or damaged yields an error.
pub(in crate::maintenance) fn event_batches(
    snapshot: &Snapshot,
    shard: KeyShard,
) -> impl Iterator<Item = Result<EventBatch>> + '_ {
    let mut files: Vec<&DataFile> = snapshot.manifest().files(Table::Events).iter().collect();
    files.sort_by_key(|file| file.day);
    files.into_iter().flat_map(move |file| {
        let mut reader = FileReader {
            snapshot,
            file,
            shard,
            groups: None,
            piece: None,
            piece_rows: 0,
            next_row: 0,
            rows: 0,
        };
        std::iter::from_fn(move || reader.next_batch().transpose())
    })
}

struct FileReader<'a> {
    snapshot: &'a Snapshot,
    file: &'a DataFile,
    shard: KeyShard,
    /// The row groups of the file, once it is open.
    groups: Option<RowGroups<'a>>,
    /// The rows of the shard in the current piece of a row group, if some of them are left. If the
    /// replay is divided into several shards, a piece is a whole row group.
    piece: Option<Frame>,
    /// The number of all rows of that piece, including those of other shards.
    piece_rows: usize,
    /// The first row of the next batch, in the current piece.
    next_row: usize,
    /// The number of rows of all finished pieces.
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
                match next_piece(groups, self.shard)? {
                    Some((piece, rows)) => {
                        self.piece_rows = rows;
                        self.piece.insert(piece)
                    }
                    None => return Ok(None),
                }
            }
        };
        let block = tables::events::read(&frame.slice(self.next_row, ROWS_TOGETHER), 0)?;
        self.next_row += block.rows.len();
        let mut bytes = 0;
        if self.next_row >= frame.height() {
            // Free the piece, so that the next one can use its memory.
            self.piece = None;
            let before = self.share(self.rows);
            self.rows += self.piece_rows as u64;
            bytes = self.share(self.rows) - before;
        }
        Ok(Some(EventBatch { date: self.file.day, block, bytes }))
    }

    /// Returns the bytes of the file that a number of its rows account for, in proportion.
    fn share(&self, rows: u64) -> u64 {
        (u128::from(self.file.bytes) * u128::from(rows) / u128::from(self.file.rows.max(1))) as u64
    }
}

/// Reads the next piece. Returns the rows of the shard, and the number of all rows of the piece.
fn next_piece(groups: &mut RowGroups<'_>, shard: KeyShard) -> Result<Option<(Frame, usize)>> {
    if shard.is_all() {
        let Some(piece) = groups.next_piece(ROWS_TOGETHER)? else { return Ok(None) };
        let rows = piece.height();
        return Ok(Some((piece, rows)));
    }
    groups.next_selected(&SESSION_KEY_COLUMNS, |keys| {
        let keys = tables::events::session_keys(keys)?;
        let rows = (0..).zip(keys).filter(|(_, key)| shard.contains(*key));
        Ok(rows.map(|(row, _)| row).collect())
    })
}
