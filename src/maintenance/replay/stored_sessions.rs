//! The rows of the `sessions` table, in the order of the UTC dates on which they start.

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
pub struct StoredSession {
    /// What it holds.
    pub session: SessionSummary<'static>,
    /// The partition that it lies in.
    pub day: Day,
    /// Events of it are gone: see [`super::pruned_boundary`].
    pub fixed: bool,
    /// The columns that are worked out from others hold what they must.
    pub sound: bool,
    /// What the kept events make that lie within a fixed row.
    pub covered: Option<Box<SessionSummary<'static>>>,
}

/// Reads the rows date by date.
#[derive(Debug)]
pub struct StoredSessionReader<'a> {
    snapshot: &'a Snapshot,
    boundary: &'a PrunedBoundary,
    texts: &'a TextInterner,
    partitions: BTreeMap<Day, Vec<&'a DataFile>>,
    /// StoredSessionReader that were read and start on a later date.
    ahead: Vec<StoredSession>,
}

impl<'a> StoredSessionReader<'a> {
    /// Begins with the first date; `texts` get the long texts of the rows.
    pub fn new(
        snapshot: &'a Snapshot,
        boundary: &'a PrunedBoundary,
        texts: &'a TextInterner,
    ) -> StoredSessionReader<'a> {
        let mut partitions: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
        for file in snapshot.manifest().files(Table::Sessions) {
            partitions.entry(file.day).or_default().push(file);
        }
        StoredSessionReader { snapshot, boundary, texts, partitions, ahead: Vec::new() }
    }

    /// Returns the UTC dates on which rows can start.
    pub fn dates(&self) -> Vec<Day> {
        let zone = self.snapshot.zone();
        let of = |day: &Day| {
            let (start, end) = (zone.start_of(*day), zone.start_bounds(day.plus(1)).1 - 1);
            [Day::utc(start), Day::utc(end)]
        };
        self.partitions.keys().flat_map(of).collect()
    }

    /// Returns the rows that start on a UTC date or before it and were not returned before, and the
    /// number of bytes that were read for them. A row in a partition that is not its own comes with
    /// the others there.
    pub fn through(&mut self, date: Day) -> Result<(Vec<StoredSession>, u64)> {
        let end: Micros = i64::from(date.plus(1).0) * DAY;
        let later = self.partitions.split_off(&self.snapshot.zone().day(end - 1).plus(1));
        let now = std::mem::replace(&mut self.partitions, later);
        let files: Vec<&DataFile> = now.into_values().flatten().collect();
        let read: Vec<Vec<StoredSession>> =
            files.par_iter().map(|file| self.read(file)).collect::<Result<_>>()?;
        self.ahead.extend(read.into_iter().flatten());
        let zone = self.snapshot.zone();
        let (rows, ahead) = std::mem::take(&mut self.ahead)
            .into_iter()
            .partition(|row| row.session.first.time < end || zone.day(row.session.first.time) != row.day);
        self.ahead = ahead;
        Ok((rows, files.iter().map(|file| file.bytes).sum()))
    }

    /// Reads a file, and works its columns out again from the sessions in it.
    fn read(&self, file: &DataFile) -> Result<Vec<StoredSession>> {
        let frame = self.snapshot.read_file_checked(file)?;
        let sessions = tables::sessions::read(&frame)
            .map_err(|e| Error::failed(format!("cannot use {}", file.path)).caused_by(e))?;
        let again = tables::sessions::frame(&sessions)?;
        let all_sound = frame == again;
        Ok(sessions
            .into_iter()
            .enumerate()
            .map(|(row, session)| StoredSession {
                day: file.day,
                fixed: self.boundary.is_fixed(&session),
                sound: all_sound || frame.slice(row, 1) == again.slice(row, 1),
                covered: None,
                session: session.into_owned(self.texts),
            })
            .collect())
    }
}
