//! Reads the rows of `sessions` in order of the UTC dates on which they start.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::KeyShard;
use super::pruned_boundary::PrunedBoundary;
use crate::error::{Error, Result};
use crate::session::{SessionSummary, TextInterner};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::tables::session_consistency::consistent_rows;
use crate::store::tables::sessions::{KEY_COLUMNS, SessionKeys};
use crate::time::{DAY, Day, Micros};

/// Number of rows that a thread reads at a time. Each row is in memory in three forms.
const ROWS_TOGETHER: usize = 1 << 13;

/// A row of `sessions`.
#[derive(Clone, Debug)]
pub(crate) struct StoredSession {
    /// The session, boxed because rows are sorted and moved between collections.
    pub(crate) session: Box<SessionSummary<'static>>,
    /// The day of the partition that contains the row.
    pub(crate) day: Day,
    /// Whether some events of the session may be pruned; see [`super::pruned_boundary`].
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
    shard: KeyShard,
    /// The files that have not been read yet.
    partitions: BTreeMap<Day, Vec<&'a DataFile>>,
    /// Rows that were read and start on a later date.
    later_rows: Vec<StoredSession>,
}

impl<'a> StoredSessionReader<'a> {
    /// Returns a reader of the rows of a shard, at the first date. Long strings of the rows are
    /// shared through `texts`.
    pub(super) fn new(
        snapshot: &'a Snapshot,
        boundary: &'a PrunedBoundary,
        texts: &'a TextInterner,
        shard: KeyShard,
    ) -> StoredSessionReader<'a> {
        let mut partitions: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
        for file in snapshot.manifest().files(Table::Sessions) {
            partitions.entry(file.day).or_default().push(file);
        }
        StoredSessionReader { snapshot, boundary, texts, shard, partitions, later_rows: Vec::new() }
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
        for file in &files {
            self.later_rows.extend(self.read_file(file)?);
        }
        let (rows, later) = std::mem::take(&mut self.later_rows)
            .into_iter()
            .partition(|row| row.session.first.time < end || zone.day(row.session.first.time) != row.day);
        self.later_rows = later;
        Ok((rows, files.iter().map(|file| file.bytes).sum()))
    }

    /// Reads the rows of the shard in a file, and compares their derived columns with recomputed
    /// values.
    fn read_file(&self, file: &DataFile) -> Result<Vec<StoredSession>> {
        if self.shard.is_all() {
            return self.read_rows(file, &self.snapshot.read_file_checked(file)?);
        }
        let mut groups = self.snapshot.row_groups(file, None)?;
        let mut rows = Vec::new();
        while let Some((frame, _)) = groups.next_selected(&KEY_COLUMNS, |keys| self.rows_of_shard(keys))? {
            rows.extend(self.read_rows(file, &frame)?);
        }
        Ok(rows)
    }

    /// Returns the positions of the rows of the shard in a frame with the [`KEY_COLUMNS`].
    fn rows_of_shard(&self, frame: &Frame) -> Result<Vec<u32>> {
        let keys = SessionKeys::new(frame)?;
        let rows = 0..frame.height() as u32;
        Ok(rows.filter(|row| self.shard.contains(keys.key(*row as usize).hash())).collect())
    }

    fn read_rows(&self, file: &DataFile, frame: &Frame) -> Result<Vec<StoredSession>> {
        let parts: Vec<usize> = (0..frame.height()).step_by(ROWS_TOGETHER).collect();
        let parts: Vec<Vec<StoredSession>> = parts
            .into_par_iter()
            .map(|start| self.read_part(file, &frame.slice(start, ROWS_TOGETHER)))
            .collect::<Result<_>>()?;
        Ok(parts.into_iter().flatten().collect())
    }

    fn read_part(&self, file: &DataFile, frame: &Frame) -> Result<Vec<StoredSession>> {
        let failed = |e| Error::failed(format!("cannot use {}", file.path)).caused_by(e);
        let sessions = tables::sessions::read(frame).map_err(failed)?;
        let consistent = consistent_rows(frame, &sessions)?;
        let sessions = sessions.into_iter().zip(consistent);
        Ok(sessions
            .map(|(session, is_consistent)| StoredSession {
                day: file.day,
                is_partial: self.boundary.is_partial(&session),
                is_consistent,
                retained_part: None,
                session: Box::new(session.into_owned(self.texts)),
            })
            .collect())
    }
}
