//! The gap rule.
//!
//! A session is a maximal run of events of one key in which no two neighbours are further apart
//! than the timeout. Its summary covers the interval from its first to its last event; two
//! intervals at most a timeout apart belong to one session, whatever order they came in.

use super::Summary;
use crate::event::Event;
use crate::time::Micros;

/// Tells whether a gap between neighbours keeps them in one session: strictly greater splits.
pub fn continues(earlier: Micros, later: Micros, timeout: Micros) -> bool {
    later.saturating_sub(earlier) <= timeout
}

/// Cuts events of one key, given in order of time, into sessions, and hands each to `done`.
pub fn cut<'a>(
    events: impl IntoIterator<Item = Event<'a>>,
    timeout: Micros,
    now: Micros,
    mut done: impl FnMut(Summary<'a>),
) {
    let mut current: Option<Summary<'a>> = None;
    for event in events {
        match &mut current {
            Some(session) if continues(session.ended_at, event.row.time, timeout) => session.add(event),
            _ => {
                if let Some(session) = current.replace(Summary::of(event, now)) {
                    done(session);
                }
            }
        }
    }
    if let Some(session) = current {
        done(session);
    }
}

/// Joins sessions and pieces of sessions of one key, in any order, into sessions.
pub fn join<'a>(mut pieces: Vec<Summary<'a>>, timeout: Micros) -> Vec<Summary<'a>> {
    pieces.sort_by_key(|piece| piece.first);
    let mut sessions: Vec<Summary<'a>> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match sessions.last_mut() {
            Some(session) if continues(session.ended_at, piece.first.time, timeout) => session.merge(piece),
            _ => sessions.push(piece),
        }
    }
    sessions
}
