//! The in-memory form of an event, from the parser to the tables.
//!
//! A [`Block`] owns the distinct strings of a few megabytes of log lines. An [`EventRow`] holds the
//! times and numbers of one event, and the ids of its strings. An [`Event`] is a row with its
//! block. Strings are not copied again until a table is written.

mod channel;
mod ids;
mod text_pool;
mod user_agent;

use std::sync::Arc;

pub use channel::Channel;
pub use ids::{NAMESPACE, name_uuid, parse_uuid, session_key_hash};
pub(crate) use ids::{chatbot_seed, id_hash};
pub use text_pool::{TextId, TextPool};
pub use user_agent::{DeviceType, UserAgent};

use crate::time::Micros;

/// The text fields of an event, in the order of [`EventRow::text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs)] // Each variant is the column of the same name in `store::columns`.
pub enum TextField {
    EventId,
    ChatbotId,
    SessionId,
    AnonymousId,
    UserId,
    UserEmail,
    UserName,
    UserMetadata,
    EventName,
    EventCategory,
    Properties,
    PageUrl,
    PageTitle,
    Referrer,
    ReferrerDomain,
    LandingPage,
    UtmSource,
    UtmMedium,
    UtmCampaign,
    UserAgent,
    IpAddress,
    CountryCode,
    City,
    Extra,
}

impl TextField {
    /// The number of text fields.
    pub const COUNT: usize = TextField::Extra as usize + 1;
}

/// A missing time.
pub const NO_TIME: Micros = i64::MIN;
/// A missing number.
pub const NO_NUMBER: i32 = i32::MIN;
/// A missing response time.
pub const NO_RESPONSE: i64 = -1;
/// A missing user agent.
pub const NO_AGENT: u32 = u32::MAX;

/// The kind of id that a session key contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// `session_id`.
    Session,
    /// `anonymous_id`, for an event without a `session_id`.
    Anonymous,
    /// `user_id`, for an event with neither.
    User,
}

impl KeyKind {
    /// Returns the text field that holds the id.
    pub fn field(self) -> TextField {
        match self {
            KeyKind::Session => TextField::SessionId,
            KeyKind::Anonymous => TextField::AnonymousId,
            KeyKind::User => TextField::UserId,
        }
    }
}

/// The times and numbers of one event of a [`Block`], and the ids of its strings.
#[derive(Clone, Copy, Debug)]
pub struct EventRow {
    /// The event id, as the 128 bits of a UUID. For an event without an id in the log, this is the
    /// hash of the line's content until `ingest::batch::line_ids` adds its ordinal.
    pub id: u128,
    /// The hash of the session key (chatbot, kind, value).
    pub key: u128,
    /// The event time.
    pub time: Micros,
    /// `client_timestamp`, or [`NO_TIME`].
    pub client_timestamp: Micros,
    /// `sent_at`, or [`NO_TIME`].
    pub sent_at: Micros,
    /// `received_at`, or [`NO_TIME`].
    pub received_at: Micros,
    /// `properties.response_time_ms` of a `message_received` in microseconds, or [`NO_RESPONSE`].
    pub response_us: i64,
    /// `properties.triggered_by` of a `widget_opened`.
    pub triggered_by: TextId,
    /// `screen_width` in pixels, or [`NO_NUMBER`].
    pub screen_width: i32,
    /// `screen_height` in pixels, or [`NO_NUMBER`].
    pub screen_height: i32,
    /// Index of the parsed user agent in the block's agents, or [`NO_AGENT`].
    pub agent: u32,
    /// The channel, if the event names a traffic source.
    pub channel: Option<Channel>,
    /// Whether the event names a traffic source: a campaign, or a referrer other than the page's
    /// host.
    pub names_source: bool,
    /// Whether the log line has an event id.
    pub has_own_id: bool,
    /// The kind of id in the session key.
    pub key_kind: KeyKind,
    /// The text fields, indexed by [`TextField`].
    pub text: [TextId; TextField::COUNT],
}

impl EventRow {
    /// A row whose fields are all missing.
    pub const EMPTY: EventRow = EventRow {
        id: 0,
        key: 0,
        time: 0,
        client_timestamp: NO_TIME,
        sent_at: NO_TIME,
        received_at: NO_TIME,
        response_us: NO_RESPONSE,
        triggered_by: TextId::NONE,
        screen_width: NO_NUMBER,
        screen_height: NO_NUMBER,
        agent: NO_AGENT,
        channel: None,
        names_source: false,
        has_own_id: false,
        key_kind: KeyKind::Session,
        text: [TextId::NONE; TextField::COUNT],
    };

    /// Sets a text field.
    #[inline]
    pub fn set(&mut self, field: TextField, text: TextId) {
        self.text[field as usize] = text;
    }

    /// Returns the string id of a text field.
    #[inline]
    pub fn get(&self, field: TextField) -> TextId {
        self.text[field as usize]
    }
}

/// The events of a block of log lines, with their strings.
#[derive(Debug, Default)]
pub struct Block {
    /// The strings of all rows.
    pub texts: TextPool,
    /// The events.
    pub rows: Vec<EventRow>,
    /// The distinct user agents of the events, parsed.
    pub agents: Vec<Arc<UserAgent>>,
}

impl Block {
    /// Returns the string with an id; `None` for null.
    #[inline]
    pub fn text(&self, id: TextId) -> Option<&str> {
        self.texts.get(id)
    }

    /// Returns the event of a row of this block.
    pub fn event<'a>(&'a self, row: &'a EventRow) -> Event<'a> {
        Event { block: self, row }
    }
}

/// An event: a row together with the block that holds its strings.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// The block that holds the strings.
    pub block: &'a Block,
    /// The times, numbers and string ids.
    pub row: &'a EventRow,
}

impl<'a> Event<'a> {
    /// Returns the value of a text field; `None` for null.
    pub fn text(self, field: TextField) -> Option<&'a str> {
        self.block.text(self.row.text[field as usize])
    }

    /// Returns the chatbot id; never empty in a valid event.
    pub fn chatbot_id(self) -> &'a str {
        self.text(TextField::ChatbotId).unwrap_or("")
    }

    /// Returns the event name; never empty in a valid event.
    pub fn name(self) -> &'a str {
        self.text(TextField::EventName).unwrap_or("")
    }

    /// Returns the value of the session key.
    pub fn key_value(self) -> &'a str {
        self.text(self.row.key_kind.field()).unwrap_or("")
    }

    /// Returns the parsed user agent.
    pub fn agent(self) -> Option<&'a Arc<UserAgent>> {
        self.block.agents.get(self.row.agent as usize)
    }

    /// Returns the position of the event in the order of its session.
    pub fn position(self) -> Position {
        Position { time: self.row.time, id: self.row.id }
    }
}

/// A position in the order of events: by time, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The event time.
    pub time: Micros,
    /// The event id.
    pub id: u128,
}
