//! The interface through which reports read tables.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::cells::GridTables;
use super::selection::filter::Unclassified;
use super::shared_results::SharedResults;
use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::store::tables::visitors::LOOKUP_COLUMNS;
use crate::time::{Day, Micros, Zone};

/// Facts about a snapshot of the tables that do not depend on the selected rows.
pub trait TableFacts: Sync {
    /// Returns the time zone of the days.
    fn zone(&self) -> Zone;

    /// Returns the longest gap within a session, in microseconds.
    fn timeout(&self) -> Micros;

    /// Returns the first and the last day with sessions or daily statistics.
    fn days(&self) -> Option<(Day, Day)>;

    /// Returns the last day whose sessions, of any chatbot, are pruned.
    fn sessions_pruned_through(&self) -> Option<Day>;

    /// Returns the ledger of pruned days by chatbot. It is in a separate file, which reports on
    /// days after the last pruned day do not need.
    fn ledger(&self) -> Result<Arc<Ledger>>;

    /// Returns whether all rows of a partition are in one file, so that each read of the partition
    /// returns one frame. `day` is the partition's day.
    fn is_one_file(&self, table: Table, day: Day) -> bool {
        let _ = (table, day);
        false
    }

    /// Returns the first and the last UTC date with events.
    fn event_dates(&self) -> Option<(Day, Day)>;

    /// Returns the first and the last day with events, in the tables' time zone.
    fn event_days(&self) -> Option<(Day, Day)> {
        self.event_dates()
    }

    /// Returns the last UTC date whose events are pruned.
    fn events_pruned_through(&self) -> Option<Day> {
        None
    }
}

/// A result that a report computes separately for each data file, or for each shard of visitors.
/// Tasks on other machines can compute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PartKind {
    /// The sums of each day.
    Days,
    /// The number of sessions by the values of some columns.
    Groups,
    /// The number of events by name.
    EventNames,
    /// The number of distinct visitors.
    Visitors,
}

/// Hashes in shards, which several reports on the same tables share.
pub type SharedShards = Arc<Vec<Vec<u64>>>;

/// Selects rows of the frames of a read.
pub trait RowSelection: Sync {
    /// Returns the columns by which rows are selected.
    fn columns(&self) -> Vec<&'static str>;

    /// Returns the positions of the selected rows of a frame, in ascending order, given the number
    /// of the frame and at least the columns.
    ///
    /// # Errors
    /// Fails if the frame lacks a column.
    fn rows(&self, number: usize, frame: &Frame) -> Result<Vec<u32>>;
}

/// Returns columns, and further ones that are not among them.
pub(crate) fn with_columns<'n>(columns: &[&'n str], more: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let mut all = columns.to_vec();
    for name in more {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// A snapshot of the tables. Every read sees the same state.
///
/// Tables that select rows of other tables, or cache them, have the [facts](Tables::facts) of the
/// other tables.
pub trait Tables: Sync {
    /// Reads columns of the partitions of a table that overlap the days, both included, or of all
    /// partitions. Returns a frame for each data file.
    ///
    /// A partition of `events` is the UTC date of its events, a partition of `sessions` the day on
    /// which its sessions started, in the tables' time zone. The partitions of
    /// `daily_stats` and `visitors` are months, so their frames contain rows of other days too. No
    /// row is in two frames. Reads of the same days return the same rows in the same order,
    /// regardless of the columns; reads of fewer days leave out frames.
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>>;

    /// Returns an estimate of the number of rows that [`read`](Tables::read) returns, for reserving
    /// memory; 0 if it is unknown.
    fn estimated_rows(&self, table: Table, days: Option<(Day, Day)>) -> usize {
        let _ = (table, days);
        0
    }

    /// Calls `visit` with each frame that [`read`](Tables::read) would return, and its number, in
    /// several threads. A store drops each frame before it reads another in the same thread, so
    /// that only a few files are in memory at a time.
    fn read_each(
        &self,
        table: Table,
        days: Option<(Day, Day)>,
        columns: &[&str],
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        let frames = self.read(table, days, columns)?;
        frames.par_iter().enumerate().try_for_each(|(number, frame)| visit(number, frame))
    }

    /// Calls `visit` with the rows of each frame of [`read_each`](Tables::read_each) that
    /// `selection` selects. A store decodes the values of the selected rows only.
    fn read_selected(
        &self,
        (table, days): (Table, Option<(Day, Day)>),
        columns: &[&str],
        selection: &dyn RowSelection,
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        let all = with_columns(columns, selection.columns());
        self.read_each(table, days, &all, &|number, frame| {
            let rows = selection.rows(number, frame)?;
            if rows.len() == frame.height() && all.len() == columns.len() {
                return visit(number, frame);
            }
            visit(number, &frame.gather_columns(columns, &rows)?)
        })
    }

    /// Calls `visit` with frames of the partitions of `visitors` that overlap the days, in several
    /// threads. Each row is in one frame.
    ///
    /// If all visitors of a frame were first seen in the range `between`, its end excluded, the
    /// second argument is `true` and the frame has the columns `hash_high` and `hash_low`.
    /// Otherwise it also has `first_seen_at`.
    fn read_first_seen(
        &self,
        days: (Day, Day),
        between: (Micros, Micros),
        visit: &(dyn Fn(&Frame, bool) -> Result<()> + Sync),
    ) -> Result<()> {
        let _ = between;
        self.read_each(Table::Visitors, Some(days), &LOOKUP_COLUMNS, &|_, frame| visit(frame, false))
    }

    /// Returns the shards that `compute` returns. They must not depend on the selected sessions:
    /// tables that serve many reports compute them once for each name and range of days.
    fn shared_shards(
        &self,
        name: &'static str,
        days: (Day, Day),
        compute: &dyn Fn() -> Result<Vec<Vec<u64>>>,
    ) -> Result<SharedShards> {
        let _ = (name, days);
        compute().map(Arc::new)
    }

    /// Returns the results that all reports on the tables share; `None` if they share none.
    fn shared_results(&self) -> Option<&SharedResults> {
        None
    }

    /// Returns the cells of the grid whose answers read the tables; `None` for a single answer.
    fn grid(&self) -> Option<GridTables<'_>> {
        None
    }

    /// Reads columns of the sessions whose last event is at `time` or later, possibly together with
    /// other sessions. A store skips the files whose sessions all ended before `time`.
    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<Frame>> {
        let _ = time;
        self.read(Table::Sessions, None, columns)
    }

    /// Returns the results of a kind that were computed elsewhere; `None` if they have to be
    /// computed from the rows.
    fn parts(&self, kind: PartKind) -> Option<&[Box<RawValue>]> {
        let _ = kind;
        None
    }

    /// Returns whether the sessions are a selection. The daily statistics do not apply to a
    /// selection.
    fn is_filtered(&self) -> bool {
        false
    }

    /// Returns the filter that selects the sessions, if it has not been evaluated yet.
    fn unclassified(&self) -> Option<Unclassified<'_>> {
        None
    }

    /// Returns the facts about the snapshot.
    fn facts(&self) -> &dyn TableFacts;

    /// See [`TableFacts::zone`].
    fn zone(&self) -> Zone {
        self.facts().zone()
    }

    /// See [`TableFacts::timeout`].
    fn timeout(&self) -> Micros {
        self.facts().timeout()
    }

    /// See [`TableFacts::days`].
    fn days(&self) -> Option<(Day, Day)> {
        self.facts().days()
    }

    /// See [`TableFacts::sessions_pruned_through`].
    fn sessions_pruned_through(&self) -> Option<Day> {
        self.facts().sessions_pruned_through()
    }

    /// See [`TableFacts::ledger`]. Tables that are used often cache it.
    fn ledger(&self) -> Result<Arc<Ledger>> {
        self.facts().ledger()
    }

    /// See [`TableFacts::event_dates`].
    fn event_dates(&self) -> Option<(Day, Day)> {
        self.facts().event_dates()
    }

    /// See [`TableFacts::event_days`].
    fn event_days(&self) -> Option<(Day, Day)> {
        self.facts().event_days()
    }

    /// See [`TableFacts::events_pruned_through`].
    fn events_pruned_through(&self) -> Option<Day> {
        self.facts().events_pruned_through()
    }
}

/// Maps each frame that [`Tables::read_each`] reads, and returns the results in the order of the
/// frames.
pub(crate) fn map_frames<T: Send>(
    tables: &dyn Tables,
    table: Table,
    days: Option<(Day, Day)>,
    columns: &[&str],
    map: impl Fn(usize, &Frame) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    map_visited(|visit| tables.read_each(table, days, columns, visit), map)
}

/// Maps each frame that `read` visits, and returns the results in the order of the frames.
pub(crate) fn map_visited<T: Send>(
    read: impl FnOnce(&(dyn Fn(usize, &Frame) -> Result<()> + Sync)) -> Result<()>,
    map: impl Fn(usize, &Frame) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    read(&|number, frame| {
        let result = map(number, frame)?;
        // A panic of another thread leaves the vector intact.
        results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
        Ok(())
    })?;
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(number, _)| *number);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

/// Returns the results of a kind that were computed elsewhere, or else maps each frame as
/// [`map_frames`] does.
pub(crate) fn map_parts<T: Send + DeserializeOwned>(
    tables: &dyn Tables,
    kind: PartKind,
    (table, days): (Table, (Day, Day)),
    columns: &[&str],
    map: impl Fn(&Frame) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    match tables.parts(kind) {
        Some(parts) => read_parts(parts),
        None => map_frames(tables, table, Some(days), columns, |_, frame| map(frame)),
    }
}

/// Reads results that were computed elsewhere.
pub(crate) fn read_parts<T: DeserializeOwned>(parts: &[Box<RawValue>]) -> Result<Vec<T>> {
    let parts = parts.iter().map(|part| serde_json::from_str(part.get()));
    let parts = parts.collect::<serde_json::Result<_>>();
    parts.map_err(|e| Error::failed("cannot decode a partial result of the report").caused_by(e))
}
