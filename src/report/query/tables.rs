//! What a report asks of the tables: one state of the store, however it is kept.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::store::tables::visitors::FIND_COLUMNS;
use crate::time::{Day, Micros, Zone};

/// One state of the tables; every read sees the same one.
pub trait Tables: Sync {
    /// Reads columns of the partitions of a table that touch the days, both included (all
    /// partitions, where there are none): a frame a file.
    ///
    /// The days of `events` are UTC dates of the event's time, those of `sessions` the days on
    /// which the sessions started in the tables' time zone; no row is of another day. The
    /// partitions of `daily_stats` and `visitors` are months, so rows of other days are among
    /// theirs. No row is in two frames. Whatever columns are read, the frames of the same days are
    /// the same rows in the same order.
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>>;

    /// Returns about how many rows [`read`](Tables::read) would return: room for what is made of them is taken
    /// at once. 0 where that is not known.
    fn rows(&self, table: Table, days: Option<(Day, Day)>) -> usize {
        let _ = (table, days);
        0
    }

    /// Hands `each` frame that [`read`](Tables::read) would return, and its place among them, to a
    /// function, several at once. A store lets go of a frame before it reads another, so that memory
    /// is taken for a few files and not for all of the window.
    fn read_each(
        &self,
        table: Table,
        days: Option<(Day, Day)>,
        columns: &[&str],
        each: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        let frames = self.read(table, days, columns)?;
        frames.par_iter().enumerate().try_for_each(|(place, frame)| each(place, frame))
    }

    /// Hands frames of the partitions of `visitors` that touch the days, all rows in one of them, to a function,
    /// several at once: the columns `hash_high`, `hash_low` and `first_seen_at`; or the first two, and `true`, of those that are
    /// known to have been first seen between the times, the second excluded.
    fn read_first_seen(
        &self,
        days: (Day, Day),
        between: (Micros, Micros),
        each: &(dyn Fn(&Frame, bool) -> Result<()> + Sync),
    ) -> Result<()> {
        let _ = between;
        self.read_each(Table::Visitors, Some(days), &FIND_COLUMNS, &|_, frame| each(frame, false))
    }

    /// Reads columns of the sessions whose last event is not before `time`; others may be among
    /// them. A store that knows the last event of each file leaves files out.
    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<Frame>> {
        let _ = time;
        self.read(Table::Sessions, None, columns)
    }

    /// Returns the time zone in which days are counted.
    fn zone(&self) -> Zone;

    /// Returns the longest gap within a session, in microseconds.
    fn timeout(&self) -> Micros;

    /// Returns the first and the last day with sessions or daily statistics.
    fn days(&self) -> Option<(Day, Day)>;

    /// Returns the last day of which sessions of any chatbot are pruned.
    fn sessions_pruned_through(&self) -> Option<Day>;

    /// Returns what was pruned, by chatbot and day. It is a file of its own: most questions are about days
    /// after all that was pruned, and do not need it.
    fn ledger(&self) -> Result<Arc<Ledger>>;

    /// Returns the first and the last UTC date with events.
    fn dates(&self) -> Option<(Day, Day)>;

    /// Returns the first and the last day, in the tables' time zone, with events.
    fn event_days(&self) -> Option<(Day, Day)> {
        self.dates()
    }

    /// Returns the last UTC date of which events are pruned.
    fn events_pruned_through(&self) -> Option<Day> {
        None
    }
}

/// Works something out of each frame that [`Tables::read_each`] reads, and returns it in the order
/// of the frames.
pub(crate) fn map_frames<T: Send>(
    tables: &dyn Tables,
    table: Table,
    days: Option<(Day, Day)>,
    columns: &[&str],
    work: impl Fn(usize, &Frame) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    tables.read_each(table, days, columns, &|place, frame| {
        let part = work(place, frame)?;
        // Where another piece of work panicked, what is there is whole all the same.
        done.lock().unwrap_or_else(PoisonError::into_inner).push((place, part));
        Ok(())
    })?;
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(place, _)| *place);
    Ok(done.into_iter().map(|(_, part)| part).collect())
}
