//! Sequences: the events of each session or visitor, in time order.
//!
//! Some reports depend on the order of events. They read the sessions of a window with their
//! events, and compute their metrics from the sequence of each session.
//!
//! - [`fold_sessions`] and [`fold_visitors`] read the events that [`EventTags`] selects, sort them
//!   and add each sequence to a sum ([`SequenceFold`]), in parallel;
//! - [`fold_groups`] computes a sum for each group of a breakdown, from one read of the events;
//! - [`by_cell`] does the same for each cell of a grid;
//! - [`single_file`] adds the sequences of a file to the sum while it is in memory;
//! - [`groups`] sorts the events of several files into sequences, and [`chunks`] splits a window
//!   into parts, so that memory does not grow with its length;
//! - [`event_pattern`] selects events by name and conditions, [`definitions`] reads the patterns
//!   that `wa.toml` names.

mod by_cell;
mod by_group;
pub(crate) mod chunks;
pub(crate) mod definitions;
pub(crate) mod event_pattern;
mod groups;
mod sessions;
mod single_file;
#[cfg(test)]
mod tests;
mod visitors;

pub(crate) use by_group::{SessionGroups, fold_groups};
pub(crate) use sessions::fold_sessions;
pub(crate) use visitors::{STARTS, fold_visitors};

use crate::error::Result;
use crate::report::metric::session_index::{SessionFinder, SessionIndex};
use crate::report::query::Query;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::{Day, Micros};

/// An event of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceEvent {
    /// The time.
    pub time: Micros,
    /// The tag, which the report defines.
    pub tag: u32,
    /// The number of the sequence.
    group: u32,
    /// The number of the frame in its read, and the row.
    position: (u32, u32),
}

#[cfg(test)]
impl SequenceEvent {
    /// Returns an event for tests of an algorithm.
    pub fn new(time: Micros, tag: u32) -> SequenceEvent {
        SequenceEvent { time, tag, group: 0, position: (0, 0) }
    }
}

/// Selects the events of a report and tags them.
pub(crate) trait EventTags: Sync {
    /// Returns the columns that tags are computed from.
    fn columns(&self) -> Vec<&'static str>;

    /// Returns a function from the rows of a frame to tags. Events without a tag are left out.
    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundTags<'f>>;

    /// Returns the name of the report if the tags do not depend on the query. The answers of a grid
    /// then share the sums of [cells](crate::report::query::cells). A report whose fold uses
    /// [`visit`](SequenceFold::visit) cannot share them.
    fn shared_name(&self) -> Option<&'static str> {
        None
    }

    /// Returns the order of events of the same instant.
    fn tie_order(&self) -> TieOrder {
        TieOrder::EventId
    }
}

/// A function from the rows of a frame to tags.
pub(crate) type BoundTags<'f> = Box<dyn FnMut(usize) -> Option<u32> + 'f>;

/// The order of events of the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TieOrder {
    /// By event id.
    EventId,
    /// By tag.
    Tag,
}

/// Computes a sum over sequences. `S` is the value of a session or visitor.
pub(crate) trait SequenceFold<S>: Sync {
    /// The type of the sum.
    type Sum: Send;

    /// Receives the value of each session, with or without events.
    fn visit(&self, value: &S) {
        let _ = value;
    }

    /// Returns the sum over no sequences.
    fn empty(&self) -> Self::Sum;

    /// Adds the sequence of a session or visitor, which has at least one event, to the sum.
    fn add(&self, sum: &mut Self::Sum, value: &S, events: &[SequenceEvent]);

    /// Merges two sums, in any order.
    fn merge(&self, sum: Self::Sum, other: Self::Sum) -> Self::Sum;
}

/// The sum over all sequences of a window.
#[derive(Clone)]
pub(crate) struct Folded<T> {
    /// The sum.
    pub sum: T,
    /// The number of sessions in the window, with or without selected events.
    pub sessions: u64,
    /// The number of visitors of these sessions; 0 for sequences of sessions.
    pub visitors: u64,
    /// The number of bot sessions, whether included or not.
    pub bots: u64,
}

/// Returns the first instant from which all events are retained; `None` if none are pruned.
///
/// Sessions that started before it are left out, because figures without their first events would
/// be wrong.
pub(crate) fn retained_since(tables: &dyn Tables) -> Option<Micros> {
    tables.events_pruned_through().map(|day| crate::time::Zone::UTC.start_of(day.plus(1)))
}

/// Returns the note on sessions of a window that are left out because their events are pruned.
pub(crate) fn on_pruned_events(tables: &dyn Tables, query: &Query) -> Option<String> {
    let from = Day::utc(tables.zone().start_of(query.window.from));
    let pruned = tables.events_pruned_through().filter(|day| *day >= from)?;
    Some(format!(
        "events up to {pruned} are pruned, so this report covers only sessions that started later (UTC)"
    ))
}

/// Returns the columns of events for their tags and their sessions.
fn columns(tags: &dyn EventTags, index: &SessionIndex) -> Vec<&'static str> {
    let mut columns = tags.columns();
    for name in index.columns(&[]) {
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    columns
}

/// Reads the tagged events of the given UTC dates, file by file. `group` maps the number of a
/// session to the number of its sequence and bits to add to the tag; sessions for which it returns
/// `None` are left out.
fn read_events(
    tables: &dyn Tables,
    query: &Query,
    index: &SessionIndex,
    tags: &dyn EventTags,
    dates: (Day, Day),
    group: &(dyn Fn(u32) -> Option<(u32, u32)> + Sync),
) -> Result<Vec<Vec<SequenceEvent>>> {
    map_frames(tables, Table::Events, Some(dates), &columns(tags, index), |number, frame| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let mut tag = tags.bind(frame)?;
        let mut finder = SessionFinder::new(frame, query, index)?;
        let mut events = Vec::with_capacity(frame.height());
        for row in 0..frame.height() {
            let Some(tag) = tag(row) else { continue };
            let Some((session, time)) = finder.session(row) else { continue };
            let Some((group, bits)) = group(session) else { continue };
            events.push(SequenceEvent { time, tag: tag | bits, group, position: (number, row as u32) });
        }
        Ok(events)
    })
}
