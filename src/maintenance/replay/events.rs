//! The kept events, a part of a file at a time, in the order of their UTC dates.

use crate::error::Result;
use crate::event::Block;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::time::Day;

/// A part of a file of events.
#[derive(Debug)]
pub struct Part {
    /// The UTC date of the events.
    pub date: Day,
    /// The events.
    pub block: Block,
    /// Bytes of files that have been read to their end with this part.
    pub bytes: u64,
}

/// Reads the parts of all files, date by date. A file that is gone, damaged or cannot be read is an error in
/// its place.
pub fn parts(snapshot: &Snapshot) -> impl Iterator<Item = Result<Part>> + '_ {
    let mut files: Vec<&DataFile> = snapshot.manifest().files(Table::Events).iter().collect();
    files.sort_by_key(|file| file.day);
    files.into_iter().flat_map(|file| {
        let mut reader = FileReader { snapshot, file, frame: None, start: 0 };
        std::iter::from_fn(move || reader.next().transpose())
    })
}

struct FileReader<'a> {
    snapshot: &'a Snapshot,
    file: &'a DataFile,
    frame: Option<Frame>,
    /// The row that the next part begins with.
    start: usize,
}

impl FileReader<'_> {
    fn next(&mut self) -> Result<Option<Part>> {
        let frame = match &self.frame {
            Some(frame) => frame,
            None => self.frame.insert(self.snapshot.read_file_checked(self.file)?),
        };
        if self.start >= frame.height() {
            return Ok(None);
        }
        let block = tables::events::read(frame, self.start)?;
        self.start += block.rows.len();
        let bytes = if self.start < frame.height() { 0 } else { self.file.bytes };
        Ok(Some(Part { date: self.file.day, block, bytes }))
    }
}
