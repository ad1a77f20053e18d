//! Sessions as what they are made of: new events, and rows of stored sessions.
//!
//! That is enough to tell which belong together and on which day they lie. Their summaries, which are ten
//! times as large, are made when their day is written, and are gone when it is.

use std::collections::HashMap;

use crate::error::Result;
use crate::event::{Event, Position};
use crate::session::{self, SessionSummary};
use crate::store::frame::Frame;
use crate::store::tables::sessions::Rows;
use crate::time::Micros;

/// Some new events of one session, in order of time.
#[derive(Clone, Copy)]
pub struct Piece<'a> {
    /// The hash of the session's key.
    pub key: u128,
    /// Where the first of them is.
    pub first: Position,
    /// The time of the last of them.
    pub ended_at: Micros,
    first_event: Event<'a>,
    events: &'a [Event<'a>],
}

impl<'a> Piece<'a> {
    /// Takes some events; `None` of none.
    pub fn of(events: &'a [Event<'a>]) -> Option<Piece<'a>> {
        let (&first_event, last) = (events.first()?, events.last()?);
        let key = first_event.row.key;
        Some(Piece { key, first: first_event.position(), ended_at: last.row.time, first_event, events })
    }
}

/// Something that a session is made of.
#[derive(Clone, Copy)]
enum Part<'a> {
    Events(&'a [Event<'a>]),
    /// A row of one of the frames of stored sessions.
    Row {
        frame: usize,
        row: usize,
    },
}

/// A session.
pub struct Session<'a> {
    /// Its chatbot.
    pub chatbot_id: &'a str,
    /// The hash of its key.
    pub key: u128,
    /// Where its first event is.
    pub first: Position,
    /// The time of its last event.
    pub ended_at: Micros,
    part: Part<'a>,
    /// Where it has more than one.
    others: Vec<Part<'a>>,
}

impl<'a> Session<'a> {
    /// Returns a session of new events alone.
    pub fn of(piece: Piece<'a>) -> Session<'a> {
        Session {
            chatbot_id: piece.first_event.chatbot_id(),
            key: piece.key,
            first: piece.first,
            ended_at: piece.ended_at,
            part: Part::Events(piece.events),
            others: Vec::new(),
        }
    }

    /// Returns the session in a row of the frame with this number.
    pub fn stored(rows: &Rows<'a>, frame: usize, row: usize) -> Session<'a> {
        let keys = rows.keys();
        Session {
            chatbot_id: keys.chatbot(row),
            key: keys.key(row).hash(),
            first: rows.first(row),
            ended_at: keys.interval(row).1,
            part: Part::Row { frame, row },
            others: Vec::new(),
        }
    }

    /// Makes the session's summary, stored at `now`.
    ///
    /// # Errors
    /// Where a stored row cannot be read.
    pub fn summary(&self, stored: &mut Stored<'a>, now: Micros) -> Result<Option<SessionSummary<'a>>> {
        let mut whole: Option<SessionSummary<'a>> = None;
        for part in std::iter::once(&self.part).chain(&self.others) {
            let piece = match *part {
                Part::Events(events) => SessionSummary::from_events(events, now),
                Part::Row { frame, row } => stored.summary(frame, row)?,
            };
            match (&mut whole, piece) {
                (Some(whole), Some(piece)) => whole.merge(piece),
                (none, piece) => *none = piece,
            }
        }
        Ok(whole)
    }
}

impl session::Mergeable for Session<'_> {
    fn first(&self) -> Position {
        self.first
    }

    fn ended_at(&self) -> Micros {
        self.ended_at
    }

    fn merge(&mut self, other: Self) {
        self.first = self.first.min(other.first);
        self.ended_at = self.ended_at.max(other.ended_at);
        self.others.push(other.part);
        self.others.extend(other.others);
    }
}

/// Frames of stored sessions, whose columns are looked up when a row is first asked for.
pub struct Stored<'a> {
    frames: &'a [Frame],
    rows: HashMap<usize, Rows<'a>>,
}

impl<'a> Stored<'a> {
    /// Takes frames of whole rows.
    pub fn of(frames: &'a [Frame]) -> Stored<'a> {
        Stored { frames, rows: HashMap::new() }
    }

    fn summary(&mut self, frame: usize, row: usize) -> Result<Option<SessionSummary<'a>>> {
        let Some(whole) = self.frames.get(frame) else { return Ok(None) };
        let rows = match self.rows.entry(frame) {
            std::collections::hash_map::Entry::Occupied(rows) => rows.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(Rows::of(whole)?),
        };
        rows.summary(row).map(Some)
    }
}
