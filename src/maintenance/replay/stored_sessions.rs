//! Reads the rows of `sessions` in order of the UTC dates on which they start.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::pruned_boundary::PrunedBoundary;
use crate::error::{Error, Result};
use crate::session::{SessionSummary, TextInterner};
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::time::{DAY, Day, Micros};

/// A row of `sessions`.
#[derive(Clone, Debug)]
pub(crate) struct StoredSession {
    /// The session.
    pub(crate) session: SessionSummary<'static>,
    /// The day of the partition that contains the row.
    pub(crate) day: Day,
    /// Whether some of its events may be pruned; see [`super::pruned_boundary`].
    pub(crate) is_partial: bool,
    /// Whether the derived columns match the columns that they are derived from.
    pub(crate) is_consistent: bool,
    /// For a partial session, the summary of the retained events within its time span.
    pub(crate) retained_part: Option<Box<SessionSummary<'static>>>,
}

/// A reader of all rows of `sessions`.
#[derive(Debug)]
pub(super) struct StoredSessionReader<'a> {
    snapshot: &'a Snapshot,
    boundary: &'a PrunedBoundary,
    texts: &'a TextInterner,
    /// The files that were not read yet.
    partitions: BTreeMap<Day, Vec<&'a DataFile>>,
    /// Rows that were read and start on a later date.
    later_rows: Vec<StoredSession>,
}

impl<'a> StoredSessionReader<'a> {
    /// Returns a reader at the first date. Long texts of the rows are shared through `texts`.
    pub(super) fn new(
        snapshot: &'a Snapshot,
        boundary: &'a PrunedBoundary,
        texts: &'a TextInterner,
    ) -> StoredSessionReader<'a> {
        let mut partitions: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
        for file in snapshot.manifest().files(Table::Sessions) {
            partitions.entry(file.day).or_default().push(file);
        }
        StoredSessionReader { snapshot, boundary, texts, partitions, later_rows: Vec::new() }
    }

    /// Returns the UTC dates on which sessions can start.
    pub(super) fn dates(&self) -> Vec<Day> {
        let zone = self.snapshot.zone();
        let dates_of = |day: &Day| {
            let (start, end) = (zone.start_of(*day), zone.start_bounds(day.plus(1)).1 - 1);
            [Day::utc(start), Day::utc(end)]
        };
        self.partitions.keys().flat_map(dates_of).collect()
    }

    /// Returns the rows that start on or before a UTC date and were not returned before, and the
    /// number of bytes read. A row in the wrong partition is returned with the other rows of that
    /// partition.
    pub(super) fn read_through(&mut self, date: Day) -> Result<(Vec<StoredSession>, u64)> {
        let end: Micros = i64::from(date.plus(1).0) * DAY;
        let zone = self.snapshot.zone();
        let later = self.partitions.split_off(&zone.day(end - 1).plus(1));
        let due = std::mem::replace(&mut self.partitions, later);
        let files: Vec<&DataFile> = due.into_values().flatten().collect();
        let read: Vec<Vec<StoredSession>> =
            files.par_iter().map(|file| self.read_file(file)).collect::<Result<_>>()?;
        self.later_rows.extend(read.into_iter().flatten());
        let (rows, later) = std::mem::take(&mut self.later_rows)
            .into_iter()
            .partition(|row| row.session.first.time < end || zone.day(row.session.first.time) != row.day);
        self.later_rows = later;
        Ok((rows, files.iter().map(|file| file.bytes).sum()))
    }

    /// Reads a file, and checks the derived columns by deriving them again.
    fn read_file(&self, file: &DataFile) -> Result<Vec<StoredSession>> {
        let frame = self.snapshot.read_file_checked(file)?;
        let sessions = tables::sessions::read(&frame)
            .map_err(|e| Error::failed(format!("cannot use {}", file.path)).caused_by(e))?;
        let derived = tables::sessions::frame(&sessions)?;
        let all_consistent = frame == derived;
        Ok(sessions
            .into_iter()
            .enumerate()
            .map(|(row, session)| StoredSession {
                day: file.day,
                is_partial: self.boundary.is_partial(&session),
                is_consistent: all_consistent || frame.slice(row, 1) == derived.slice(row, 1),
                retained_part: None,
                session: session.into_owned(self.texts),
            })
            .collect())
    }
}
