//! Sequences: the events of each session or visitor, in time order.
//!
//! Some reports depend on the order of events. They read the sessions of a window with their
//! events, and compute their metrics from the sequence of each session.
//!
//! - [`fold_sessions`] and [`fold_visitors`] read the events that [`EventTags`] selects, sort them
//!   and add each sequence to a sum ([`SequenceFold`]), in parallel;
//! - [`filtered`] does the same for a filter, whose conditions it evaluates in the same read;
//! - [`fold_groups`] computes a sum for each group of a breakdown, from one read of the events, and
//!   [`by_event_value`] finds the groups in the same read;
//! - [`by_cell`] does the same for each cell of a grid;
//! - [`candidates`] are the sessions of a window that a report may count;
//! - [`window_read`] reads the events of a window, [`single_file`] adds the sequences of a file to
//!   the sum while it is in memory;
//! - [`groups`] sorts the events of several files into sequences, [`ties`] orders events of the
//!   same instant, and [`chunks`] splits a window into parts, so that memory does not grow with its
//!   length;
//! - [`event_pattern`] selects events by name and conditions, [`definitions`] reads the patterns
//!   that `wa.toml` names.

mod by_cell;
mod by_event_value;
mod by_group;
mod candidates;
pub(crate) mod chunks;
pub(crate) mod definitions;
pub(crate) mod event_pattern;
mod filtered;
mod groups;
mod sessions;
mod single_file;
#[cfg(test)]
mod tests;
mod ties;
mod visitors;
mod window_read;

pub(crate) use by_group::{SessionGroups, fold_groups};
pub(crate) use sessions::fold_sessions;
pub(crate) use ties::results_differ;
pub(crate) use visitors::{STARTS, fold_visitors};

use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::tables::Tables;
use crate::store::frame::Frame;
use crate::time::{Day, Micros, Zone};

/// An event of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SequenceEvent<T = u32> {
    /// The time.
    pub time: Micros,
    /// The tag, which the report defines.
    pub tag: T,
    /// The number of the sequence.
    group: u32,
    /// The number of the frame in its read, and the row.
    position: (u32, u32),
}

#[cfg(test)]
impl<T> SequenceEvent<T> {
    /// Returns an event for tests of an algorithm.
    pub fn new(time: Micros, tag: T) -> SequenceEvent<T> {
        SequenceEvent { time, tag, group: 0, position: (0, 0) }
    }
}

/// A tag of an event. Most reports use a number.
pub(crate) trait Tag: Copy + Ord + Default + Send + Sync + 'static {}

impl<T: Copy + Ord + Default + Send + Sync + 'static> Tag for T {}

/// Selects the events of a report and tags them.
pub(crate) trait EventTags<T = u32>: Sync {
    /// Returns the columns that tags are computed from.
    fn columns(&self) -> Vec<&'static str>;

    /// Returns a function from the rows of a frame to tags. Events without a tag are left out.
    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundTags<'f, T>>;

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

    /// Returns whether sessions whose first events may be pruned are left out.
    fn needs_first_events(&self) -> bool {
        true
    }
}

/// A function from the rows of a frame to tags.
pub(crate) type BoundTags<'f, T = u32> = Box<dyn FnMut(usize) -> Option<T> + 'f>;

/// The order of events of the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TieOrder {
    /// By event id.
    EventId,
    /// By tag.
    Tag,
}

/// Computes a sum over sequences. `S` is the value of a session or visitor, `T` is the tag of an
/// event.
pub(crate) trait SequenceFold<S, T = u32>: Sync {
    /// The type of the sum.
    type Sum: Send;

    /// Receives the value of each session, with or without events, and its groups in a breakdown.
    fn visit(&self, groups: &[u32], value: &S) {
        let _ = (groups, value);
    }

    /// Returns the sum over no sequences.
    fn empty(&self) -> Self::Sum;

    /// Adds the sequence of a session or visitor, which has at least one event, to the sum.
    fn add(&self, sum: &mut Self::Sum, value: &S, events: &[SequenceEvent<T>]);

    /// Receives each sequence once, with the groups of its session in a breakdown. A fold that
    /// collects data outside of its sum collects it here.
    fn collect(&self, groups: &[u32], value: &S, events: &[SequenceEvent<T>]) {
        let _ = (groups, value, events);
    }

    /// Returns whether the contribution of a sequence may depend on the order of events of the same
    /// instant. If not, the ids that determine this order are not read.
    fn depends_on_ties(&self, events: &[SequenceEvent<T>]) -> bool {
        let _ = events;
        true
    }

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

/// Returns the first instant from which all events are retained.
///
/// Sessions that started before it are left out, because figures without their first events would
/// be wrong.
fn retained_since(tables: &dyn Tables) -> Micros {
    let pruned = tables.events_pruned_through();
    pruned.map_or(Micros::MIN, |day| Zone::UTC.start_of(day.plus(1)))
}

/// Returns the note on sessions of a window that are left out because their events are pruned.
pub(crate) fn on_pruned_events(tables: &dyn Tables, query: &Query) -> Option<String> {
    let from = Day::utc(tables.zone().start_of(query.window.from));
    let pruned = tables.events_pruned_through().filter(|day| *day >= from)?;
    Some(format!(
        "events up to {pruned} are pruned, so this report covers only sessions that started later (UTC)"
    ))
}
