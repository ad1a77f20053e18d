//! The new file of a partition, while it is put together: new rows, what is left of files that lose some,
//! and small files that it takes in.

use polars::prelude::{ChunkAgg, DataFrame};

use super::events::filter;
use super::{Losing, Made, fold};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::encode::{Chunk, FileBuilder};
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::NewFile;
use crate::time::{Day, Micros};

/// A new file under way, and the files that it will stand for.
pub struct Partition<'s> {
    snapshot: &'s Snapshot,
    table: Table,
    day: Day,
    builder: FileBuilder,
    rows: u64,
    /// The first and the last time of its rows.
    times: Option<(Micros, Micros)>,
    replaced: Vec<DataFile>,
}

impl<'s> Partition<'s> {
    /// Begins the file of a partition that gains about so many rows.
    pub fn new(snapshot: &'s Snapshot, table: Table, day: Day, rows: usize) -> Result<Partition<'s>> {
        let builder = FileBuilder::with_room_for(table, rows)?;
        Ok(Partition { snapshot, table, day, builder, rows: 0, times: None, replaced: Vec::new() })
    }

    /// Adds a row group of columns, with its first and its last time.
    pub fn add(&mut self, rows: usize, times: (Micros, Micros), columns: Vec<Chunk>) -> Result<()> {
        self.builder.add(rows, columns)?;
        self.count(rows as u64, Some(times));
        Ok(())
    }

    /// Adds a frame, with the columns of its first and its last time.
    pub fn add_frame(&mut self, frame: &DataFrame, times: [&str; 2]) -> Result<()> {
        let reader = tables::Reader(frame);
        let (earliest, latest) = (reader.int64(times[0])?, reader.int64(times[1])?);
        self.builder.add_frame(frame)?;
        self.count(frame.height() as u64, earliest.min().zip(latest.max()));
        Ok(())
    }

    /// Adds what is left of a file that loses rows, and returns it.
    pub fn add_rest(&mut self, (file, gone): &Losing, times: [&str; 2]) -> Result<DataFrame> {
        let rest = filter(&self.snapshot.read_file_checked(file)?, gone.iter().map(|gone| !gone))?;
        self.add_frame(&rest, times)?;
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
            rows => fold::choose(self.table, others, rows).into_iter().cloned().collect(),
        };
        for file in &folded {
            self.builder.take_over(self.snapshot.bytes_checked(&file.path, &file.checksum)?)?;
            self.count(file.rows, Some((file.min_time, file.max_time)));
        }
        self.replaced.extend_from_slice(&folded);
        Ok(folded)
    }

    /// Ends the file; where it has no rows, there is none.
    pub fn finish(self) -> Result<Made> {
        let Partition { table, day, builder, rows, times, replaced, .. } = self;
        let file = match rows {
            0 => None,
            _ => Some(NewFile::new(table, day, rows, times.unwrap_or_default(), builder.finish()?)),
        };
        Ok(Made { table, file, replaced })
    }

    fn count(&mut self, rows: u64, times: Option<(Micros, Micros)>) {
        self.rows += rows;
        self.times = match (self.times, times) {
            (Some((first, last)), Some((earliest, latest))) => Some((first.min(earliest), last.max(latest))),
            (known, new) => known.or(new),
        };
    }
}
