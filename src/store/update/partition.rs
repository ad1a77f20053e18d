//! Builder of the new files of a partition.
//!
//! A partition gets new rows, the remaining rows of files that lose rows, and the rows of small
//! files that are merged. The result is usually one file.

use super::{PartialRewrite, PartitionOutput, merge_policy};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::encode::{Chunk, FileBuilder};
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::NewFile;
use crate::time::{Day, Micros};

/// Builds the new files of a partition.
pub(super) struct PartitionBuilder<'s> {
    snapshot: &'s Snapshot,
    table: Table,
    day: Day,
    /// The file in progress.
    builder: FileBuilder,
    /// Number of rows in the file in progress.
    rows: u64,
    /// Earliest and latest time of these rows.
    times: Option<(Micros, Micros)>,
    finished: Vec<NewFile>,
    replaced: Vec<DataFile>,
}

impl<'s> PartitionBuilder<'s> {
    /// Starts a partition that gets about `rows` new rows.
    pub fn new(snapshot: &'s Snapshot, table: Table, day: Day, rows: usize) -> PartitionBuilder<'s> {
        PartitionBuilder {
            snapshot,
            table,
            day,
            builder: FileBuilder::with_capacity(table, rows),
            rows: 0,
            times: None,
            finished: Vec::new(),
            replaced: Vec::new(),
        }
    }

    /// Adds a row group. `times` are the earliest and the latest time of its rows.
    pub fn add(&mut self, rows: usize, times: (Micros, Micros), columns: Vec<Chunk>) -> Result<()> {
        self.make_room(rows)?;
        self.builder.add(rows, columns)?;
        self.count(rows as u64, Some(times));
        Ok(())
    }

    /// Adds the rows of a frame.
    pub fn add_frame(&mut self, frame: &Frame) -> Result<()> {
        self.make_room(frame.height())?;
        self.builder.add_frame(frame)?;
        self.count(frame.height() as u64, tables::time_range(self.table, frame)?);
        Ok(())
    }

    /// Adds the remaining rows of a file that loses rows.
    pub fn add_remaining(&mut self, PartialRewrite { file, removed }: &PartialRewrite) -> Result<()> {
        let [start, end] = self.table.times();
        let columns = if start == end { &[start][..] } else { &[start, end] };
        let times = self.snapshot.read_file(file, Some(columns))?;
        let times = times.filter(removed.iter().map(|removed| !removed))?;
        self.make_room(times.height())?;
        let bytes = self.snapshot.read_checked(&file.path, &file.checksum)?;
        self.builder.append_remaining(bytes, removed)?;
        self.count(times.height() as u64, tables::time_range(self.table, &times)?);
        self.replaced.push(file.clone());
        Ok(())
    }

    /// Merges the files of the partition that the merge policy selects. Returns these files.
    pub fn merge_small_files(&mut self) -> Result<Vec<DataFile>> {
        let is_replaced = |file: &DataFile| self.replaced.iter().any(|other| other.path == file.path);
        let files = self.snapshot.partition(self.table, self.day);
        let others = files.filter(|file| !is_replaced(file));
        let merged: Vec<DataFile> = match self.rows {
            // There is no new file to merge them into.
            0 => Vec::new(),
            rows => merge_policy::select_files(self.table, others, rows).into_iter().cloned().collect(),
        };
        for file in &merged {
            self.builder.append_file(self.snapshot.read_checked(&file.path, &file.checksum)?)?;
            self.count(file.rows, Some((file.min_time, file.max_time)));
        }
        self.replaced.extend_from_slice(&merged);
        Ok(merged)
    }

    /// Returns the new files, and the files that they replace.
    pub fn finish(mut self) -> Result<PartitionOutput> {
        // No other file follows, so no builder is started. A change can have thousands of
        // partitions with a few rows each, and starting a builder would take a noticeable share of
        // the time.
        if self.rows > 0 {
            let times = self.times.unwrap_or_default();
            let bytes = self.builder.finish()?;
            self.finished.push(NewFile::new(self.table, self.day, self.rows, times, bytes));
        }
        Ok(PartitionOutput { files: self.finished, replaced: self.replaced })
    }

    /// Starts another file if this one has rows and cannot take `rows` more. Without this limit,
    /// the remaining rows of a rewritten file would be added to the new file in every batch, and
    /// each batch would rewrite the whole day.
    fn make_room(&mut self, rows: usize) -> Result<()> {
        match self.rows > 0 && self.rows + rows as u64 > merge_policy::max_rows(self.table) {
            true => self.finish_file(rows),
            false => Ok(()),
        }
    }

    /// Finishes the file in progress, and starts one of about `rows` rows.
    fn finish_file(&mut self, rows: usize) -> Result<()> {
        let next = FileBuilder::with_capacity(self.table, rows);
        let bytes = std::mem::replace(&mut self.builder, next).finish()?;
        let times = self.times.take().unwrap_or_default();
        self.finished.push(NewFile::new(self.table, self.day, std::mem::take(&mut self.rows), times, bytes));
        Ok(())
    }

    fn count(&mut self, rows: u64, times: Option<(Micros, Micros)>) {
        self.rows += rows;
        self.times = match (self.times, times) {
            (Some((first, last)), Some((earliest, latest))) => Some((first.min(earliest), last.max(latest))),
            (old, new) => old.or(new),
        };
    }
}

/// Builds the files that replace one that loses rows. Only its row groups that lose rows are
/// decoded.
///
/// # Errors
/// Fails if the stored file cannot be read.
pub fn rewrite(snapshot: &Snapshot, table: Table, rewrite: &PartialRewrite) -> Result<PartitionOutput> {
    let stored = snapshot.without_files();
    let mut partition = PartitionBuilder::new(&stored, table, rewrite.file.day, 0);
    partition.add_remaining(rewrite)?;
    partition.finish()
}

/// Encodes a frame as a new file of a partition.
///
/// # Errors
/// Fails if the frame does not have the columns of the table.
pub fn encode_file(table: Table, day: Day, frame: &Frame) -> Result<NewFile> {
    let times = tables::time_range(table, frame)?.unwrap_or_default();
    let bytes = FileBuilder::from_frame(table, frame)?.finish()?;
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
    fn full_file_is_finished_and_another_started() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("store"));
        let initial = || Manifest::new(0, "UTC", 60_000_000);
        let writer = store.writer("test", std::time::Duration::ZERO, initial).unwrap();
        let snapshot = writer.snapshot().unwrap();
        let rows = merge_policy::max_rows(Table::Visitors) as usize / 2 + 1;
        let mut partition = PartitionBuilder::new(&snapshot, Table::Visitors, Day(0), rows);
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
        let output = partition.finish().unwrap();
        let files: Vec<_> =
            output.files.iter().map(|file| (file.rows, file.min_time, file.max_time)).collect();
        let rows = rows as i64;
        let file = |part: i64| (rows as u64, part * rows, (part + 1) * rows - 1);
        assert_eq!(files, [file(0), file(1), file(2)]);
    }
}
