//! The page of sessions that the report `sessions` returns.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::report::metric::values::Millis;
use crate::store::frame::Record;
use crate::time::Micros;

/// A session, with its events if it was looked up.
#[derive(Clone, Debug)]
pub struct SessionEntry {
    /// The row of `sessions`.
    pub session: Record,
    /// The session's events, ordered by time and id.
    pub timeline: Option<Vec<TimelineEvent>>,
    /// Whether the session has more events than the timeline.
    pub is_truncated: bool,
}

/// An event of a session that was looked up.
#[derive(Clone, Debug)]
pub struct TimelineEvent {
    /// The row of `events`.
    pub event: Record,
    /// The time since the previous event; `None` for the first event.
    pub gap: Option<Micros>,
    /// The response time, if the event is a response. The report `performance` uses the same time.
    pub response: Option<Micros>,
}

impl Serialize for TimelineEvent {
    /// Writes the columns, then `gap_ms` and `response_time_ms`.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, value) in self.event.entries() {
            map.serialize_entry(column.name, value)?;
        }
        map.serialize_entry("gap_ms", &self.gap.map(Millis::from_micros))?;
        map.serialize_entry("response_time_ms", &self.response.map(Millis::from_micros))?;
        map.end()
    }
}

impl Serialize for SessionEntry {
    /// Writes all columns in order, then `timeline` and `timeline_truncated` if the session was
    /// looked up.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, value) in self.session.entries() {
            map.serialize_entry(column.name, value)?;
        }
        if let Some(timeline) = &self.timeline {
            map.serialize_entry("timeline", timeline)?;
            map.serialize_entry("timeline_truncated", &self.is_truncated)?;
        }
        map.end()
    }
}

/// The body of `sessions`: one page of a list of sessions.
#[derive(Clone, Debug, Serialize)]
pub struct SessionPage {
    /// The page number, from 1.
    pub page: usize,
    /// The maximum number of sessions on a page.
    pub limit: usize,
    /// The number of sessions on all pages.
    pub total: usize,
    /// The sessions of this page.
    pub sessions: Vec<SessionEntry>,
}

impl SessionPage {
    /// Returns the number of the last page; 1 if there are no sessions.
    pub fn last_page(&self) -> usize {
        self.total.div_ceil(self.limit.max(1)).max(1)
    }
}
