//! The gap rule.
//!
//! A session is a maximal run of events with one session key in which no two neighbours are further
//! apart than the timeout. A summary covers the interval from its first to its last event. Two
//! intervals at most one timeout apart belong to the same session, in any order of arrival.

use super::SessionSummary;
use crate::event::{Event, Position};
use crate::time::Micros;

/// Returns whether two neighbouring events belong to one session: only a gap strictly greater than
/// the timeout splits.
pub fn continues(earlier: Micros, later: Micros, timeout: Micros) -> bool {
    later.saturating_sub(earlier) <= timeout
}

/// Splits events of one session key, sorted by time, into sessions.
pub fn split_by_gap<'e, 'a>(
    events: &'e [Event<'a>],
    timeout: Micros,
) -> impl Iterator<Item = &'e [Event<'a>]> {
    events.chunk_by(move |a, b| continues(a.row.time, b.row.time, timeout))
}

/// A session or a fragment of one: a time interval that merges with others of the same session.
pub trait Mergeable {
    /// Returns the position of the first event.
    fn first(&self) -> Position;
    /// Returns the time of the last event.
    fn ended_at(&self) -> Micros;
    /// Merges another fragment of the same session that shares no event with this one.
    fn merge(&mut self, other: Self);
}

impl Mergeable for SessionSummary<'_> {
    fn first(&self) -> Position {
        self.first
    }

    fn ended_at(&self) -> Micros {
        self.ended_at
    }

    fn merge(&mut self, other: Self) {
        self.merge(other);
    }
}

/// Merges sessions and fragments of one session key, in any order, into sessions.
pub fn merge_adjacent<P: Mergeable>(mut fragments: Vec<P>, timeout: Micros) -> Vec<P> {
    fragments.sort_by_key(Mergeable::first);
    let mut sessions: Vec<P> = Vec::with_capacity(fragments.len());
    for fragment in fragments {
        match sessions.last_mut() {
            Some(session) if continues(session.ended_at(), fragment.first().time, timeout) => {
                session.merge(fragment)
            }
            _ => sessions.push(fragment),
        }
    }
    sessions
}
