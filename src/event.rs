//! The in-memory form of an event, from the parser to the tables.
//!
//! A [`Block`] owns the distinct texts of a few megabytes of log lines. An [`EventRow`] holds the
//! times and numbers of one event, and ids of its texts. An [`Event`] is a row with its block.
//! Texts are not copied again until a table is written.

use std::sync::Arc;

use crate::enrich::{Channel, UserAgent};
use crate::time::Micros;

/// The id of a text in a block; [`TextId::NONE`] is null.
///
/// The parser stores each distinct text of a block once, so equal ids mean equal texts and
/// different ids mean different texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextId(pub u32);

impl TextId {
    /// No text: null.
    pub const NONE: TextId = TextId(u32::MAX);

    /// Returns whether the text is null.
    pub fn is_none(self) -> bool {
        self == TextId::NONE
    }
}

/// The text fields of an event, in the order of a row's texts.
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

/// The id that a session key is made of.
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

/// The times, numbers and text ids of one event of a [`Block`].
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
    /// The id that the session key is made of.
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

    /// Returns the id of a text field.
    #[inline]
    pub fn get(&self, field: TextField) -> TextId {
        self.text[field as usize]
    }
}

/// An append-only pool of texts in one buffer of at most 4 GiB.
#[derive(Clone, Debug, Default)]
pub struct TextPool {
    text: String,
    /// The end offset of each text, in bytes.
    ends: Vec<u32>,
}

impl TextPool {
    /// Returns a text; `None` for null.
    #[inline]
    pub fn get(&self, id: TextId) -> Option<&str> {
        let bytes = self.text.as_bytes().get(self.range(id)?)?;
        // SAFETY: only `push` adds ends, each after appending a whole `str`, so the bytes between
        // two consecutive ends are valid UTF-8. A checked slice would load every text into the
        // processor cache, although most callers compare only the position. The checks took 4 % of
        // an ingest (`docs/benchmark-decisions.md`).
        Some(unsafe { std::str::from_utf8_unchecked(bytes) })
    }

    /// Returns whether the text with this id equals `text`.
    #[inline]
    pub fn equals(&self, id: TextId, text: &str) -> bool {
        // Comparing bytes skips the check of character boundaries.
        self.range(id).is_some_and(|range| self.text.as_bytes().get(range) == Some(text.as_bytes()))
    }

    #[inline]
    fn range(&self, id: TextId) -> Option<std::ops::Range<usize>> {
        let at = id.0 as usize;
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        Some(start as usize..end as usize)
    }

    /// Appends a text and returns its id; `None` if the pool is full.
    pub fn push(&mut self, text: &str) -> Option<TextId> {
        let end = u32::try_from(self.text.len() + text.len()).ok()?;
        let id = u32::try_from(self.ends.len()).ok().map(TextId).filter(|id| !id.is_none())?;
        self.text.push_str(text);
        self.ends.push(end);
        Some(id)
    }

    /// Removes all texts and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Returns the number of texts.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Returns the concatenation of all texts.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the size of the texts in bytes.
    pub fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }

    /// Returns the allocated memory in bytes.
    pub fn capacity(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

/// The events of a block of log lines, with their texts.
#[derive(Debug, Default)]
pub struct Block {
    /// The distinct texts of all rows.
    pub texts: TextPool,
    /// The events.
    pub rows: Vec<EventRow>,
    /// The distinct user agents of the events, parsed.
    pub agents: Vec<Arc<UserAgent>>,
}

impl Block {
    /// Returns the text with an id; `None` for null.
    #[inline]
    pub fn text(&self, id: TextId) -> Option<&str> {
        self.texts.get(id)
    }

    /// Returns the event of a row of this block.
    pub fn event<'a>(&'a self, row: &'a EventRow) -> Event<'a> {
        Event { block: self, row }
    }
}

/// An event: a row together with the block that holds its texts.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// The block that holds the texts.
    pub block: &'a Block,
    /// The times, numbers and text ids.
    pub row: &'a EventRow,
}

impl<'a> Event<'a> {
    /// Returns a text field; `None` for null.
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

/// Returns the hash of a session key: chatbot, kind of id, and id.
///
/// The chatbot and the kind seed the hash of the id, so keys whose concatenations are equal still
/// have different hashes. The hash of a visitor is that of its own id and kind.
pub fn session_key_hash(chatbot_id: &str, kind: KeyKind, value: &str) -> u128 {
    id_hash(chatbot_seed(chatbot_id), kind, value)
}

/// Returns the seed for the hashes of a chatbot's keys.
pub(crate) fn chatbot_seed(chatbot_id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(chatbot_id.as_bytes())
}

/// Returns the [`session_key_hash`] of an id, given the seed of its chatbot.
#[inline]
pub(crate) fn id_hash(chatbot_seed: u64, kind: KeyKind, value: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128_with_seed(value.as_bytes(), chatbot_seed ^ ((kind as u64) << 1))
}

/// The namespace of the version 5 UUIDs that `wa` derives.
///
/// It is the version 5 UUID of the name `wa` in the DNS namespace of RFC 9562.
pub const NAMESPACE: uuid::Uuid = uuid::uuid!("cf109a11-e4ef-5833-84a3-58e1b3a7f392");

/// Returns the version 5 UUID of a name in [`NAMESPACE`].
///
/// Equals [`uuid::Uuid::new_v5`], but uses the SHA-1 instructions of the processor if it has them.
pub fn name_uuid(name: &[u8]) -> uuid::Uuid {
    use sha1::{Digest, Sha1};
    let hash = Sha1::new().chain_update(NAMESPACE.as_bytes()).chain_update(name).finalize();
    let (first, _) = hash.as_slice().split_first_chunk().unwrap_or((&[0; 16], &[]));
    uuid::Builder::from_sha1_bytes(*first).into_uuid()
}

/// Parses a UUID in canonical form: 36 characters, lower case, hyphens; `None` for any other text.
#[inline]
pub fn parse_uuid(text: &str) -> Option<u128> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let [_, _, _, _, _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', ..] = text
    else {
        return None;
    };
    // Digits and letters alternate at random, so a branch on them would be mispredicted. The four
    // parts have no data dependency on each other.
    let (mut parts, mut wrong) = ([0u32; 4], 0u8);
    for at in 0..8 {
        // Start of the second and the third part; a hyphen lies within each.
        let second = if at < 4 { 9 } else { 10 };
        let third = if at < 4 { 19 } else { 20 };
        for (part, byte) in parts.iter_mut().zip([at, second + at, third + at, 28 + at]) {
            let digit = HEX_DIGITS[usize::from(text[byte])];
            wrong |= digit;
            *part = *part << 4 | u32::from(digit & 15);
        }
    }
    let whole = parts.iter().fold(0, |whole, part| whole << 32 | u128::from(*part));
    (wrong < 16).then_some(whole)
}

/// The value of each lower-case hexadecimal digit; 0xf0 for all other bytes.
const HEX_DIGITS: [u8; 256] = {
    let mut digits = [0xf0; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parse_uuid_accepts_only_the_canonical_form() {
        let text = "b270790b-1d46-432b-80ff-41b0524bedc7";
        assert_eq!(parse_uuid(text), Some(text.parse::<uuid::Uuid>().unwrap().as_u128()));
        for other in [
            "B270790B-1D46-432B-80FF-41B0524BEDC7",
            "b270790b1d46432b80ff41b0524bedc7",
            "{b270790b-1d46-432b-80ff-41b0524bedc7}",
            "b270790b-1d46-432b-80ff-41b0524bedc",
            "b270790b-1d46-432b-80ff-41b0524bedcg",
            "b270790b-1d46-432b-80ff041b0524bedc7",
            "b270790b-1d46-432b-80ff-41b0524bedcé",
            "",
        ] {
            assert_eq!(parse_uuid(other), None, "{other}");
        }
    }

    proptest! {
        // `get` does not check for UTF-8, so that property must follow from `push`.
        #[test]
        fn text_pool_returns_texts_as_pushed(
            rounds in prop::collection::vec(prop::collection::vec("(?s).{0,6}", 0..20), 1..4),
        ) {
            let mut pool = TextPool::default();
            for texts in &rounds {
                pool.clear();
                let ids: Vec<TextId> = texts.iter().map(|text| pool.push(text).unwrap()).collect();
                let found: Vec<&str> = ids.iter().filter_map(|id| pool.get(*id)).collect();
                prop_assert_eq!(&found, texts);
                prop_assert!(found.iter().all(|text| std::str::from_utf8(text.as_bytes()).is_ok()));
                prop_assert_eq!((pool.get(TextId(ids.len() as u32)), pool.get(TextId::NONE)), (None, None));
                prop_assert_eq!(pool.as_str(), texts.concat());
            }
        }

        #[test]
        fn name_uuid_equals_uuid_new_v5(
            name in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assert_eq!(name_uuid(&name), uuid::Uuid::new_v5(&NAMESPACE, &name));
        }
    }
}
