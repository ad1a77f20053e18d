//! An event, as it travels from a line of a log to the tables.
//!
//! A [`Block`] owns the texts of the events of a few megabytes of lines, each once; a [`EventRow`] is one
//! event of it: times and numbers, and which texts it has. Nothing else is copied until a table is
//! written.

use std::sync::Arc;

use crate::enrich::{Agent, Channel};
use crate::time::Micros;

/// One of the texts of a block; [`TextId::NONE`] is null. The parser keeps each text of a block once:
/// two rows of a block say the same where their ids are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextId(pub u32);

impl TextId {
    /// No text: null.
    pub const NONE: TextId = TextId(u32::MAX);

    /// Tells whether there is no text.
    pub fn is_none(self) -> bool {
        self == TextId::NONE
    }
}

/// The text fields of an event, in the order of a row's texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[allow(missing_docs)] // each is the column of the same name: see `store::columns`
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

/// A time that is not there.
pub const NO_TIME: Micros = i64::MIN;
/// A number that is not there.
pub const NO_NUMBER: i32 = i32::MIN;
/// A response time that is not there.
pub const NO_RESPONSE: i64 = -1;
/// An agent that is not there.
pub const NO_AGENT: u32 = u32::MAX;

/// Which of the ids an event's session key is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// `session_id`.
    Session,
    /// `anonymous_id`, where there is no `session_id`.
    Anonymous,
    /// `user_id`, where there is neither.
    User,
}

impl KeyKind {
    /// Returns the field of the id.
    pub fn field(self) -> TextField {
        match self {
            KeyKind::Session => TextField::SessionId,
            KeyKind::Anonymous => TextField::AnonymousId,
            KeyKind::User => TextField::UserId,
        }
    }
}

/// One event: numbers, times, and which of the texts of its [`Block`] it has.
#[derive(Clone, Copy, Debug)]
pub struct EventRow {
    /// The event's id, as 128 bits of a UUID. For an event without an id of its own it is the hash
    /// of the line's content until `ingest::identify` has given it its ordinal.
    pub id: u128,
    /// Hash of the session key (chatbot, kind, value).
    pub key: u128,
    /// The event's time.
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
    /// The channel that brought the visitor, where the event names a source.
    pub channel: Option<Channel>,
    /// The event names a source: a referrer that is not the page's own host, or a campaign.
    pub names_source: bool,
    /// The line gave the event an id.
    pub has_own_id: bool,
    /// Which id the session key is made of.
    pub key_kind: KeyKind,
    /// The text fields, indexed by [`TextField`].
    pub text: [TextId; TextField::COUNT],
}

impl EventRow {
    /// A row with nothing in it.
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

    /// Puts a text into a field.
    #[inline]
    pub fn set(&mut self, field: TextField, text: TextId) {
        self.text[field as usize] = text;
    }

    /// Returns the text of a field.
    #[inline]
    pub fn get(&self, field: TextField) -> TextId {
        self.text[field as usize]
    }
}

/// TextPool of at most 4 GiB in all, one after the other.
#[derive(Clone, Debug, Default)]
pub struct TextPool {
    text: String,
    /// Where each of them ends, in bytes.
    ends: Vec<u32>,
}

impl TextPool {
    /// Returns a text; `None` for null.
    #[inline]
    pub fn get(&self, id: TextId) -> Option<&str> {
        let bytes = self.text.as_bytes().get(self.range(id)?)?;
        // SAFETY: ends are added by `push` alone, each behind a whole text that was added with it. So what stands
        // between two of them is a text in UTF-8. To have it checked that no character is cut brings every text
        // into the processor's cache, where mostly nothing is asked but whether it lies where another does
        // (`docs/benchmarks.md`).
        Some(unsafe { std::str::from_utf8_unchecked(bytes) })
    }

    /// Tells whether a text is this one.
    #[inline]
    pub fn is(&self, id: TextId, text: &str) -> bool {
        // As bytes: where a text begins and ends need not be looked at.
        self.range(id).is_some_and(|range| self.text.as_bytes().get(range) == Some(text.as_bytes()))
    }

    #[inline]
    fn range(&self, id: TextId) -> Option<std::ops::Range<usize>> {
        let at = id.0 as usize;
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        Some(start as usize..end as usize)
    }

    /// Adds a text; `None` where there is no room for it.
    pub fn push(&mut self, text: &str) -> Option<TextId> {
        let end = u32::try_from(self.text.len() + text.len()).ok()?;
        let id = u32::try_from(self.ends.len()).ok().map(TextId).filter(|id| !id.is_none())?;
        self.text.push_str(text);
        self.ends.push(end);
        Some(id)
    }

    /// Removes all texts; their memory stays.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Returns how many texts there are.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Returns all texts in one piece.
    pub fn all(&self) -> &str {
        &self.text
    }

    /// Returns how many bytes they are.
    pub fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }

    /// Returns how many bytes of memory are taken for them.
    pub fn capacity(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

/// The events found in some lines, and their texts.
#[derive(Debug, Default)]
pub struct Block {
    /// The texts of all rows.
    pub texts: TextPool,
    /// The events.
    pub rows: Vec<EventRow>,
    /// The user agents of the events, each parsed once.
    pub agents: Vec<Arc<Agent>>,
}

impl Block {
    /// Returns one of the texts; `None` for null.
    #[inline]
    pub fn text(&self, id: TextId) -> Option<&str> {
        self.texts.get(id)
    }

    /// Returns the event in a row of this block.
    pub fn event<'a>(&'a self, row: &'a EventRow) -> Event<'a> {
        Event { block: self, row }
    }
}

/// An event: a row together with the texts it has.
#[derive(Clone, Copy)]
pub struct Event<'a> {
    /// The text.
    pub block: &'a Block,
    /// The numbers, and which texts.
    pub row: &'a EventRow,
}

impl<'a> Event<'a> {
    /// Returns a text field; `None` for null.
    pub fn text(self, field: TextField) -> Option<&'a str> {
        self.block.text(self.row.text[field as usize])
    }

    /// Returns the chatbot; never empty in a valid event.
    pub fn chatbot_id(self) -> &'a str {
        self.text(TextField::ChatbotId).unwrap_or("")
    }

    /// Returns the event's name; never empty in a valid event.
    pub fn name(self) -> &'a str {
        self.text(TextField::EventName).unwrap_or("")
    }

    /// Returns the value of the session key.
    pub fn key_value(self) -> &'a str {
        self.text(self.row.key_kind.field()).unwrap_or("")
    }

    /// Returns what the user agent says.
    pub fn agent(self) -> Option<&'a Arc<Agent>> {
        self.block.agents.get(self.row.agent as usize)
    }

    /// Returns the place of the event in the order of its session: time, then id.
    pub fn position(self) -> Position {
        Position { time: self.row.time, id: self.row.id }
    }
}

/// A place in the order of events: by time, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The event's time.
    pub time: Micros,
    /// The event's id.
    pub id: u128,
}

/// Returns the hash of a session key: chatbot, kind and value, no two of which run together.
pub fn session_key_hash(chatbot_id: &str, kind: KeyKind, value: &str) -> u128 {
    let chatbot = xxhash_rust::xxh3::xxh3_64(chatbot_id.as_bytes());
    xxhash_rust::xxh3::xxh3_128_with_seed(value.as_bytes(), chatbot ^ ((kind as u64) << 1))
}

/// The namespace of the UUIDs (version 5) that `wa` makes; itself the version 5 UUID of the name
/// `wa` in the DNS namespace of RFC 9562.
pub const NAMESPACE: uuid::Uuid = uuid::uuid!("cf109a11-e4ef-5833-84a3-58e1b3a7f392");

/// Returns the version 5 UUID of a name: what [`uuid::Uuid::new_v5`] returns, by a hash that uses the
/// processor's own instructions for it where there are any.
pub fn name_uuid(name: &[u8]) -> uuid::Uuid {
    use sha1::{Digest, Sha1};
    let hash = Sha1::new().chain_update(NAMESPACE.as_bytes()).chain_update(name).finalize();
    let (first, _) = hash.as_slice().split_first_chunk().unwrap_or((&[0; 16], &[]));
    uuid::Builder::from_sha1_bytes(*first).into_uuid()
}

/// Reads a UUID as `wa` writes it: 36 characters, lower case, with hyphens; `None` of any other text.
#[inline]
pub fn parse_uuid(text: &str) -> Option<u128> {
    let text: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let [_, _, _, _, _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', ..] = text
    else {
        return None;
    };
    // Digits and letters come at random: a branch would be guessed wrong every other time. The four
    // parts do not wait for each other.
    let (mut parts, mut wrong) = ([0u32; 4], 0u8);
    for at in 0..8 {
        // Where the first and the second half of each of the middle parts begin, hyphens between them.
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

/// The value of every lower-case hexadecimal digit; of other bytes, more than any digit's.
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
    fn only_a_uuid_as_it_is_usually_written_is_its_own_id() {
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
        /// TextPool are not looked at when they are found: that each is whole has to follow from how they are kept.
        #[test]
        fn texts_of_any_characters_are_found_as_they_were_kept(
            rounds in prop::collection::vec(prop::collection::vec("(?s).{0,6}", 0..20), 1..4),
        ) {
            let mut kept = TextPool::default();
            for texts in &rounds {
                kept.clear();
                let ids: Vec<TextId> = texts.iter().map(|text| kept.push(text).unwrap()).collect();
                let found: Vec<&str> = ids.iter().filter_map(|id| kept.get(*id)).collect();
                prop_assert_eq!(&found, texts);
                prop_assert!(found.iter().all(|text| std::str::from_utf8(text.as_bytes()).is_ok()));
                prop_assert_eq!((kept.get(TextId(ids.len() as u32)), kept.get(TextId::NONE)), (None, None));
                prop_assert_eq!(kept.all(), texts.concat());
            }
        }

        #[test]
        fn a_name_has_the_uuid_that_the_uuid_library_gives_it(
            name in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assert_eq!(name_uuid(&name), uuid::Uuid::new_v5(&NAMESPACE, &name));
        }
    }
}
