//! The new files of a partition, while they are put together: new rows, what is left of files that lose some,
//! and small files that they take in. Mostly it is one.

use super::{Losing, Made, merge_policy};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::encode::{Chunk, FileBuilder};
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::NewFile;
use crate::time::{Day, Micros};

/// A new file under way, those that are full, and the files that they will stand for.
pub struct Partition<'s> {
    snapshot: &'s Snapshot,
    table: Table,
    day: Day,
    builder: FileBuilder,
    rows: u64,
    /// The first and the last time of its rows.
    times: Option<(Micros, Micros)>,
    full: Vec<NewFile>,
    replaced: Vec<DataFile>,
}

impl<'s> Partition<'s> {
    /// Begins the file of a partition that gains about so many rows.
    pub fn new(snapshot: &'s Snapshot, table: Table, day: Day, rows: usize) -> Result<Partition<'s>> {
        let builder = FileBuilder::with_room_for(table, rows)?;
        Ok(Partition {
            snapshot,
            table,
            day,
            builder,
            rows: 0,
            times: None,
            full: Vec::new(),
            replaced: Vec::new(),
        })
    }

    /// Adds a row group of columns, with its first and its last time.
    pub fn add(&mut self, rows: usize, times: (Micros, Micros), columns: Vec<Chunk>) -> Result<()> {
        self.make_room(rows)?;
        self.builder.add(rows, columns)?;
        self.count(rows as u64, Some(times));
        Ok(())
    }

    /// Adds a frame.
    pub fn add_frame(&mut self, frame: &Frame) -> Result<()> {
        self.make_room(frame.height())?;
        self.builder.add_frame(frame)?;
        self.count(frame.height() as u64, tables::range(self.table, frame)?);
        Ok(())
    }

    /// Adds what is left of a file that loses rows, and returns it.
    pub fn add_rest(&mut self, (file, gone): &Losing) -> Result<Frame> {
        let rest = self.snapshot.read_file_checked(file)?.filter(gone.iter().map(|gone| !gone))?;
        self.add_frame(&rest)?;
        self.replaced.push(file.clone());
        Ok(rest)
    }

    /// Takes in those files of the partition that [`fold`] chooses, and returns them.
    pub fn fold(&mut self) -> Result<Vec<DataFile>> {
        let is_replaced = |file: &DataFile| self.replaced.iter().any(|other| other.path == file.path);
        let files = self.snapshot.manifest().files(self.table).iter();
        let others = files.filter(|file| file.day == self.day && !is_replaced(file));
        let folded: Vec<DataFile> = match self.rows {
            // Without a row there is no file to take them in.
            0 => Vec::new(),
            rows => merge_policy::choose(self.table, others, rows).into_iter().cloned().collect(),
        };
        for file in &folded {
            self.builder.take_over(self.snapshot.bytes_checked(&file.path, &file.checksum)?)?;
            self.count(file.rows, Some((file.min_time, file.max_time)));
        }
        self.replaced.extend_from_slice(&folded);
        Ok(folded)
    }

    /// Ends the files; one that has no rows is none.
    pub fn finish(mut self) -> Result<Made> {
        self.end_file(0)?;
        Ok(Made { table: self.table, files: self.full, replaced: self.replaced })
    }

    /// Begins another file where this one has rows and cannot hold so many more. What is left of a file that
    /// loses a row would else be put to the new ones batch after batch, and the day rewritten each time.
    fn make_room(&mut self, rows: usize) -> Result<()> {
        match self.rows > 0 && self.rows + rows as u64 > merge_policy::most_rows(self.table) {
            true => self.end_file(rows),
            false => Ok(()),
        }
    }

    /// Ends the file under way, and begins one for so many rows.
    fn end_file(&mut self, rows: usize) -> Result<()> {
        let next = FileBuilder::with_room_for(self.table, rows)?;
        let builder = std::mem::replace(&mut self.builder, next);
        if self.rows > 0 {
            let times = self.times.take().unwrap_or_default();
            self.full.push(NewFile::new(self.table, self.day, self.rows, times, builder.finish()?));
        }
        self.rows = 0;
        Ok(())
    }

    fn count(&mut self, rows: u64, times: Option<(Micros, Micros)>) {
        self.rows += rows;
        self.times = match (self.times, times) {
            (Some((first, last)), Some((earliest, latest))) => Some((first.min(earliest), last.max(latest))),
            (known, new) => known.or(new),
        };
    }
}

/// Encodes a frame as a new file of a partition.
pub fn file_of(table: Table, day: Day, frame: &Frame) -> Result<NewFile> {
    let times = tables::range(table, frame)?.unwrap_or_default();
    let bytes = FileBuilder::of_frame(table, frame)?.finish()?;
    Ok(NewFile::new(table, day, frame.height() as u64, times, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::KeyKind;
    use crate::store::Store;
    use crate::store::manifest::Manifest;
    use crate::store::tables::visitors::{self, Visitor};

    #[test]
    fn a_file_that_is_full_is_ended_and_another_begun() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path().join("store"));
        let first = || Manifest::new(0, "UTC", 60_000_000);
        let writer = store.writer("test", std::time::Duration::ZERO, first).unwrap();
        let snapshot = writer.snapshot().unwrap();
        let most = merge_policy::most_rows(Table::Visitors);
        let rows = most as usize / 2 + 1;
        let mut partition = Partition::new(&snapshot, Table::Visitors, Day(0), rows).unwrap();
        for part in 0..3 {
            let visitor = |n: usize| Visitor {
                chatbot_id: "c".to_owned(),
                kind: KeyKind::Anonymous,
                id: format!("{part} {n}"),
                first_seen_at: (part * rows + n) as i64,
                counted_new_on: None,
            };
            let visitors: Vec<Visitor> = (0..rows).map(visitor).collect();
            partition.add_frame(&visitors::frame(&visitors).unwrap()).unwrap();
        }
        let made = partition.finish().unwrap();
        let files: Vec<_> = made.files.iter().map(|file| (file.rows, file.min_time, file.max_time)).collect();
        let rows = rows as i64;
        let of = |part: i64| (rows as u64, part * rows, (part + 1) * rows - 1);
        assert_eq!(files, [of(0), of(1), of(2)]);
    }
}
