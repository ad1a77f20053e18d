//! Sessions that are not summarized yet: collections of new events, summaries and stored rows.
//!
//! The keys and times of these parts determine which of them form a session, and on which day the
//! session starts. The summary of a session takes ten times the memory of its parts. It is
//! therefore computed when the day is written, and dropped afterwards.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::error::Result;
use crate::event::{Event, Position};
use crate::session::{self, SessionSummary};
use crate::store::frame::Frame;
use crate::store::tables::sessions::SessionReader;
use crate::time::Micros;

/// Events of one session in time order, or a summary of events.
#[derive(Clone, Copy)]
pub struct SessionFragment<'a> {
    /// Hash of the session key.
    pub key: u128,
    /// Position of the first event.
    pub first: Position,
    /// Time of the last event.
    pub ended_at: Micros,
    chatbot_id: &'a str,
    part: Part<'a>,
}

impl<'a> SessionFragment<'a> {
    /// Returns the fragment of the given events; `None` without events.
    pub fn new(events: &'a [Event<'a>]) -> Option<SessionFragment<'a>> {
        let (first, last) = (events.first()?, events.last()?);
        Some(SessionFragment {
            key: first.row.key,
            first: first.position(),
            ended_at: last.row.time,
            chatbot_id: first.chatbot_id(),
            part: Part::Events(events),
        })
    }

    /// Returns the fragment of a summary, for a session that is added without its events.
    pub fn from_summary(summary: &'a SessionSummary<'a>) -> SessionFragment<'a> {
        SessionFragment {
            key: summary.key.hash(),
            first: summary.first,
            ended_at: summary.ended_at,
            chatbot_id: &summary.key.chatbot_id,
            part: Part::Summary(summary),
        }
    }
}

/// A part of a session.
#[derive(Clone, Copy)]
enum Part<'a> {
    /// New events.
    Events(&'a [Event<'a>]),
    /// The summary of events.
    Summary(&'a SessionSummary<'a>),
    /// A row of one of the frames of stored sessions.
    Stored { frame: usize, row: usize },
}

/// A session, not yet summarized.
pub(super) struct Session<'a> {
    /// The chatbot.
    pub chatbot_id: &'a str,
    /// Hash of the session key.
    pub key: u128,
    /// Position of the first event.
    pub first: Position,
    /// Time of the last event.
    pub ended_at: Micros,
    part: Part<'a>,
    /// All other parts; most sessions have none.
    other_parts: Vec<Part<'a>>,
}

impl<'a> Session<'a> {
    /// Returns a session of new events only.
    pub fn from_fragment(fragment: SessionFragment<'a>) -> Session<'a> {
        Session {
            chatbot_id: fragment.chatbot_id,
            key: fragment.key,
            first: fragment.first,
            ended_at: fragment.ended_at,
            part: fragment.part,
            other_parts: Vec::new(),
        }
    }

    /// Returns the stored session in a row of a frame. `reader` reads the frame with index `frame`.
    pub fn from_row(reader: &SessionReader<'a>, frame: usize, row: usize) -> Session<'a> {
        let keys = reader.keys();
        Session {
            chatbot_id: keys.chatbot(row),
            key: keys.key(row).hash(),
            first: reader.first(row),
            ended_at: keys.interval(row).1,
            part: Part::Stored { frame, row },
            other_parts: Vec::new(),
        }
    }

    /// Computes the summary of the session, stored at `now`.
    ///
    /// # Errors
    /// Fails if a stored row cannot be read.
    pub fn summary(
        &self,
        stored: &mut StoredSessions<'a>,
        now: Micros,
    ) -> Result<Option<SessionSummary<'a>>> {
        let mut session: Option<SessionSummary<'a>> = None;
        for part in std::iter::once(&self.part).chain(&self.other_parts) {
            let summary = match *part {
                Part::Events(events) => SessionSummary::from_events(events, now),
                Part::Summary(summary) => Some(summary.clone()),
                Part::Stored { frame, row } => stored.summary(frame, row)?,
            };
            match (&mut session, summary) {
                (Some(session), Some(summary)) => session.merge(summary),
                (none, summary) => *none = summary,
            }
        }
        Ok(session)
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
        self.other_parts.push(other.part);
        self.other_parts.extend(other.other_parts);
    }
}

/// Frames of stored sessions. The reader of a frame is created when its first row is read.
pub(super) struct StoredSessions<'a> {
    frames: &'a [Frame],
    readers: HashMap<usize, SessionReader<'a>>,
}

impl<'a> StoredSessions<'a> {
    /// Returns the sessions in frames with all columns.
    pub fn new(frames: &'a [Frame]) -> StoredSessions<'a> {
        StoredSessions { frames, readers: HashMap::new() }
    }

    fn summary(&mut self, frame: usize, row: usize) -> Result<Option<SessionSummary<'a>>> {
        let Some(rows) = self.frames.get(frame) else { return Ok(None) };
        let reader = match self.readers.entry(frame) {
            Entry::Occupied(reader) => reader.into_mut(),
            Entry::Vacant(entry) => entry.insert(SessionReader::new(rows)?),
        };
        reader.summary(row).map(Some)
    }
}
