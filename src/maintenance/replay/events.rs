//! Reads the retained events in batches, in order of their UTC dates.

use crate::error::Result;
use crate::event::Block;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::time::Day;

/// A batch of events of a file.
#[derive(Debug)]
pub(in crate::maintenance) struct EventBatch {
    /// The UTC date of the events.
    pub(in crate::maintenance) date: Day,
    /// The events.
    pub(in crate::maintenance) block: Block,
    /// The size of the file if this is its last batch, otherwise 0.
    pub(in crate::maintenance) bytes: u64,
}

/// Returns the batches of all files, by date. A file that is missing or damaged yields an error.
pub(in crate::maintenance) fn event_batches(
    snapshot: &Snapshot,
) -> impl Iterator<Item = Result<EventBatch>> + '_ {
    let mut files: Vec<&DataFile> = snapshot.manifest().files(Table::Events).iter().collect();
    files.sort_by_key(|file| file.day);
    files.into_iter().flat_map(|file| {
        let mut reader = FileReader { snapshot, file, frame: None, next_row: 0 };
        std::iter::from_fn(move || reader.next_batch().transpose())
    })
}

struct FileReader<'a> {
    snapshot: &'a Snapshot,
    file: &'a DataFile,
    frame: Option<Frame>,
    /// The first row of the next batch.
    next_row: usize,
}

impl FileReader<'_> {
    fn next_batch(&mut self) -> Result<Option<EventBatch>> {
        let frame = match &self.frame {
            Some(frame) => frame,
            None => self.frame.insert(self.snapshot.read_file_checked(self.file)?),
        };
        if self.next_row >= frame.height() {
            return Ok(None);
        }
        let block = tables::events::read(frame, self.next_row)?;
        self.next_row += block.rows.len();
        let bytes = if self.next_row < frame.height() { 0 } else { self.file.bytes };
        Ok(Some(EventBatch { date: self.file.day, block, bytes }))
    }
}
