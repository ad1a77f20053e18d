//! What a report asks of the tables: one state of the store, however it is kept.

use polars::prelude::DataFrame;

use crate::error::Result;
use crate::store::columns::Table;
use crate::time::{Day, Micros, Zone};

/// One state of the tables; every read sees the same one.
pub trait Tables: Sync {
    /// Reads columns of the partitions of a table that touch the days, both included (all
    /// partitions, where there are none): a frame a file.
    ///
    /// The days of `events` are UTC dates of the event's time, those of `sessions` the days on
    /// which the sessions started in the tables' time zone; no row is of another day. The
    /// partitions of `daily_stats` and `visitors` are months, so rows of other days are among
    /// theirs. No row is in two frames.
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<DataFrame>>;

    /// Reads columns of the sessions whose last event is not before `time`; others may be among
    /// them. A store that knows the last event of each file leaves files out.
    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<DataFrame>> {
        let _ = time;
        self.read(Table::Sessions, None, columns)
    }

    /// Returns the time zone in which days are counted.
    fn zone(&self) -> Zone;

    /// Returns the longest gap within a session, in microseconds.
    fn timeout(&self) -> Micros;

    /// Returns the first and the last day with sessions or daily statistics.
    fn days(&self) -> Option<(Day, Day)>;

    /// Returns the last day of which sessions are pruned.
    fn sessions_pruned_through(&self) -> Option<Day>;

    /// Returns the last UTC date of which events are pruned.
    fn events_pruned_through(&self) -> Option<Day> {
        None
    }
}
