//! The gap rule.
//!
//! A session is a maximal run of events of one key in which no two neighbours are further apart
//! than the timeout. Its summary covers the interval from its first to its last event; two
//! intervals at most a timeout apart belong to one session, whatever order they came in.

use super::SessionSummary;
use crate::event::{Event, Position};
use crate::time::Micros;

/// Tells whether a gap between neighbours keeps them in one session: strictly greater splits.
pub fn continues(earlier: Micros, later: Micros, timeout: Micros) -> bool {
    later.saturating_sub(earlier) <= timeout
}

/// Cuts events of one key, given in order of time, into those of each session.
pub fn split_by_gap<'e, 'a>(
    events: &'e [Event<'a>],
    timeout: Micros,
) -> impl Iterator<Item = &'e [Event<'a>]> {
    events.chunk_by(move |a, b| continues(a.row.time, b.row.time, timeout))
}

/// A session or a piece of one: it has an interval of time, and takes in others of its session.
pub trait Mergeable {
    /// Returns where the first event is.
    fn first(&self) -> Position;
    /// Returns the time of the last event.
    fn ended_at(&self) -> Micros;
    /// Takes in another piece of the same session, with none of this one's events in it.
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

/// Joins sessions and pieces of sessions of one key, in any order, into sessions.
pub fn merge_adjacent<P: Mergeable>(mut pieces: Vec<P>, timeout: Micros) -> Vec<P> {
    pieces.sort_by_key(Mergeable::first);
    let mut sessions: Vec<P> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match sessions.last_mut() {
            Some(session) if continues(session.ended_at(), piece.first().time, timeout) => {
                session.merge(piece)
            }
            _ => sessions.push(piece),
        }
    }
    sessions
}
