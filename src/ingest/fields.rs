//! The fields of a log line that have a column, and their spellings.

use crate::event::TextField;

/// A field of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // `docs/input.md` describes the fields
pub enum Field {
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
    LandingPage,
    UtmSource,
    UtmMedium,
    UtmCampaign,
    UserAgent,
    ScreenWidth,
    ScreenHeight,
    IpAddress,
    CountryCode,
    City,
    Timestamp,
    ClientTimestamp,
    SentAt,
    ReceivedAt,
    /// `events` makes a line an envelope. In an event it is an unknown field.
    Events,
    /// `type` makes a line a session or identify line. In an event it is an unknown field.
    Type,
}

/// The spelling of a field. If a line has several spellings of a field, the first one in this list
/// is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Spelling {
    /// `snake_case`.
    Snake,
    /// `camelCase`.
    Camel,
    /// `id` for `event_id`, `ip` for `ip_address`.
    Short,
}

impl Field {
    /// All fields.
    pub const ALL: [Field; 30] = {
        use Field::*;
        [
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
            LandingPage,
            UtmSource,
            UtmMedium,
            UtmCampaign,
            UserAgent,
            ScreenWidth,
            ScreenHeight,
            IpAddress,
            CountryCode,
            City,
            Timestamp,
            ClientTimestamp,
            SentAt,
            ReceivedAt,
            Events,
            Type,
        ]
    };
    /// The number of fields.
    pub const COUNT: usize = Field::ALL.len();

    /// Returns the name in snake case.
    pub fn name(self) -> &'static str {
        use Field::*;
        match self {
            EventId => "event_id",
            ChatbotId => "chatbot_id",
            SessionId => "session_id",
            AnonymousId => "anonymous_id",
            UserId => "user_id",
            UserEmail => "user_email",
            UserName => "user_name",
            UserMetadata => "user_metadata",
            EventName => "event_name",
            EventCategory => "event_category",
            Properties => "properties",
            PageUrl => "page_url",
            PageTitle => "page_title",
            Referrer => "referrer",
            LandingPage => "landing_page",
            UtmSource => "utm_source",
            UtmMedium => "utm_medium",
            UtmCampaign => "utm_campaign",
            UserAgent => "user_agent",
            ScreenWidth => "screen_width",
            ScreenHeight => "screen_height",
            IpAddress => "ip_address",
            CountryCode => "country_code",
            City => "city",
            Timestamp => "timestamp",
            ClientTimestamp => "client_timestamp",
            SentAt => "sent_at",
            ReceivedAt => "received_at",
            Events => "events",
            Type => "type",
        }
    }

    /// Returns the field and the spelling of a decoded key; `None` for an unknown key.
    #[inline]
    pub fn from_key(key: &[u8]) -> Option<(Field, Spelling)> {
        // Keys are padded with zero bytes, so a key that ends with a zero byte must not match.
        if key.ends_with(&[0]) {
            return None;
        }
        let mut bytes = [0; LONGEST];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Field::from_word(u128::from_le_bytes(bytes))
    }

    /// Returns the field and the spelling of a key without escapes that is part of a longer string.
    #[inline]
    pub fn from_key_at(text: &[u8], start: usize, len: usize) -> Option<(Field, Spelling)> {
        // One load of 16 bytes and a mask instead of a loop over the key.
        match text.get(start..).and_then(|rest| rest.first_chunk::<LONGEST>()) {
            Some(bytes) if len <= LONGEST && len > 0 => {
                Field::from_word(u128::from_le_bytes(*bytes) & (u128::MAX >> (128 - 8 * len)))
            }
            _ => Field::from_key(text.get(start..start + len)?),
        }
    }

    #[inline]
    fn from_word(word: u128) -> Option<(Field, Spelling)> {
        let (key, field, spelling) = SLOTS[slot(word)];
        (key == word && word != 0).then_some((field, spelling))
    }

    /// Returns the text column of the field; `None` if the field has no text column.
    pub fn column(self) -> Option<TextField> {
        use Field::*;
        Some(match self {
            EventId => TextField::EventId,
            ChatbotId => TextField::ChatbotId,
            SessionId => TextField::SessionId,
            AnonymousId => TextField::AnonymousId,
            UserId => TextField::UserId,
            UserEmail => TextField::UserEmail,
            UserName => TextField::UserName,
            UserMetadata => TextField::UserMetadata,
            EventName => TextField::EventName,
            EventCategory => TextField::EventCategory,
            Properties => TextField::Properties,
            PageUrl => TextField::PageUrl,
            PageTitle => TextField::PageTitle,
            Referrer => TextField::Referrer,
            LandingPage => TextField::LandingPage,
            UtmSource => TextField::UtmSource,
            UtmMedium => TextField::UtmMedium,
            UtmCampaign => TextField::UtmCampaign,
            UserAgent => TextField::UserAgent,
            IpAddress => TextField::IpAddress,
            CountryCode => TextField::CountryCode,
            City => TextField::City,
            ScreenWidth | ScreenHeight | Timestamp | ClientTimestamp | SentAt | ReceivedAt | Events
            | Type => {
                return None;
            }
        })
    }

    /// Returns the field's bit in a [`FieldSet`].
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Length of the longest key, in bytes.
const LONGEST: usize = 16;

/// All keys, with field and spelling.
const KEYS: [(&[u8], Field, Spelling); 56] = [
    (b"id", Field::EventId, Spelling::Short),
    (b"ip", Field::IpAddress, Spelling::Short),
    (b"city", Field::City, Spelling::Snake),
    (b"type", Field::Type, Spelling::Snake),
    (b"userId", Field::UserId, Spelling::Camel),
    (b"sentAt", Field::SentAt, Spelling::Camel),
    (b"events", Field::Events, Spelling::Snake),
    (b"eventId", Field::EventId, Spelling::Camel),
    (b"user_id", Field::UserId, Spelling::Snake),
    (b"pageUrl", Field::PageUrl, Spelling::Camel),
    (b"sent_at", Field::SentAt, Spelling::Snake),
    (b"page_url", Field::PageUrl, Spelling::Snake),
    (b"referrer", Field::Referrer, Spelling::Snake),
    (b"event_id", Field::EventId, Spelling::Snake),
    (b"userName", Field::UserName, Spelling::Camel),
    (b"timestamp", Field::Timestamp, Spelling::Snake),
    (b"user_name", Field::UserName, Spelling::Snake),
    (b"chatbotId", Field::ChatbotId, Spelling::Camel),
    (b"sessionId", Field::SessionId, Spelling::Camel),
    (b"eventName", Field::EventName, Spelling::Camel),
    (b"userEmail", Field::UserEmail, Spelling::Camel),
    (b"pageTitle", Field::PageTitle, Spelling::Camel),
    (b"utmSource", Field::UtmSource, Spelling::Camel),
    (b"utmMedium", Field::UtmMedium, Spelling::Camel),
    (b"userAgent", Field::UserAgent, Spelling::Camel),
    (b"ipAddress", Field::IpAddress, Spelling::Camel),
    (b"chatbot_id", Field::ChatbotId, Spelling::Snake),
    (b"session_id", Field::SessionId, Spelling::Snake),
    (b"event_name", Field::EventName, Spelling::Snake),
    (b"properties", Field::Properties, Spelling::Snake),
    (b"page_title", Field::PageTitle, Spelling::Snake),
    (b"user_agent", Field::UserAgent, Spelling::Snake),
    (b"ip_address", Field::IpAddress, Spelling::Snake),
    (b"utm_source", Field::UtmSource, Spelling::Snake),
    (b"utm_medium", Field::UtmMedium, Spelling::Snake),
    (b"user_email", Field::UserEmail, Spelling::Snake),
    (b"receivedAt", Field::ReceivedAt, Spelling::Camel),
    (b"received_at", Field::ReceivedAt, Spelling::Snake),
    (b"anonymousId", Field::AnonymousId, Spelling::Camel),
    (b"landingPage", Field::LandingPage, Spelling::Camel),
    (b"utmCampaign", Field::UtmCampaign, Spelling::Camel),
    (b"screenWidth", Field::ScreenWidth, Spelling::Camel),
    (b"countryCode", Field::CountryCode, Spelling::Camel),
    (b"anonymous_id", Field::AnonymousId, Spelling::Snake),
    (b"landing_page", Field::LandingPage, Spelling::Snake),
    (b"utm_campaign", Field::UtmCampaign, Spelling::Snake),
    (b"screen_width", Field::ScreenWidth, Spelling::Snake),
    (b"country_code", Field::CountryCode, Spelling::Snake),
    (b"userMetadata", Field::UserMetadata, Spelling::Camel),
    (b"screenHeight", Field::ScreenHeight, Spelling::Camel),
    (b"screen_height", Field::ScreenHeight, Spelling::Snake),
    (b"user_metadata", Field::UserMetadata, Spelling::Snake),
    (b"eventCategory", Field::EventCategory, Spelling::Camel),
    (b"event_category", Field::EventCategory, Spelling::Snake),
    (b"clientTimestamp", Field::ClientTimestamp, Spelling::Camel),
    (b"client_timestamp", Field::ClientTimestamp, Spelling::Snake),
];

/// A key as a little-endian number, padded with zeros, with field and spelling.
type Slot = (u128, Field, Spelling);

/// The keys by hash. A search found a [`MULTIPLIER`] with which no two keys share a slot. An
/// assertion checks this at compile time.
static SLOTS: [Slot; 256] = {
    let mut slots: [Slot; 256] = [(0, Field::Type, Spelling::Snake); 256];
    let mut index = 0;
    while index < KEYS.len() {
        let (key, field, spelling) = KEYS[index];
        let (mut word, mut at) = (0, key.len());
        while at > 0 {
            at -= 1;
            word = word << 8 | key[at] as u128;
        }
        assert!(slots[slot(word)].0 == 0, "two keys share a slot");
        slots[slot(word)] = (word, field, spelling);
        index += 1;
    }
    slots
};

/// Returns the slot of a key, below 256.
const fn slot(word: u128) -> usize {
    let mixed = (word as u64 ^ ((word >> 64) as u64).rotate_left(ROTATE)).wrapping_mul(MULTIPLIER);
    (mixed >> 56) as usize
}

const ROTATE: u32 = 29;
const MULTIPLIER: u64 = 0xb327_0b40_c162_1685;

/// A set of fields, one bit each.
pub type FieldSet = u32;

/// Returns the set of the given fields.
const fn field_set(fields: &[Field]) -> FieldSet {
    let (mut set, mut index) = (0, 0);
    while index < fields.len() {
        set |= fields[index].bit();
        index += 1;
    }
    set
}

/// Returns the fields of a set, in the order of the enum.
pub fn fields_in(mut set: FieldSet) -> impl Iterator<Item = Field> {
    std::iter::from_fn(move || {
        let field = *Field::ALL.get(set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(field)
    })
}

/// The text fields with a column, except ids, event names and event categories.
pub const TEXTS: FieldSet = field_set(&[
    Field::UserEmail,
    Field::UserName,
    Field::PageUrl,
    Field::PageTitle,
    Field::Referrer,
    Field::LandingPage,
    Field::UtmSource,
    Field::UtmMedium,
    Field::UtmCampaign,
    Field::UserAgent,
    Field::CountryCode,
    Field::City,
]);

/// The string fields from which white space at both ends is removed.
pub const TRIMMED: FieldSet =
    field_set(&[Field::UtmSource, Field::UtmMedium, Field::UtmCampaign, Field::CountryCode, Field::City]);

/// The optional ids.
pub const IDS: FieldSet = field_set(&[Field::SessionId, Field::AnonymousId, Field::UserId]);

/// The fields that must be an object.
pub const OBJECTS: FieldSet = field_set(&[Field::UserMetadata, Field::Properties]);

/// The fields that events do not inherit from their envelope, because they describe one event.
pub const NOT_INHERITED: FieldSet = field_set(&[
    Field::EventId,
    Field::EventName,
    Field::EventCategory,
    Field::Properties,
    Field::Timestamp,
    Field::ClientTimestamp,
    Field::Events,
    Field::Type,
]);

/// Returns the category of a standard event; `None` for other events.
pub fn standard_category(event_name: &str) -> Option<&'static str> {
    Some(match event_name {
        "widget_loaded" => "system",
        "widget_opened"
        | "widget_minimized"
        | "message_sent"
        | "message_received"
        | "pre_chat_form_shown"
        | "pre_chat_form_submitted"
        | "feedback_given" => "engagement",
        "widget_error" | "api_error" => "error",
        "slow_response" => "performance",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Converts a name such as `chatbot_id` to `chatbotId`.
    fn camel(name: &str) -> String {
        let mut up = false;
        name.chars()
            .filter_map(|c| {
                let upper = std::mem::replace(&mut up, c == '_');
                (c != '_').then(|| if upper { c.to_ascii_uppercase() } else { c })
            })
            .collect()
    }

    #[test]
    fn keys_in_snake_and_camel_case_name_fields() {
        for (index, field) in Field::ALL.into_iter().enumerate() {
            assert_eq!(field as usize, index);
            assert_eq!(Field::from_key(field.name().as_bytes()), Some((field, Spelling::Snake)));
            let camel = camel(field.name());
            if camel != field.name() {
                assert_eq!(Field::from_key(camel.as_bytes()), Some((field, Spelling::Camel)), "{camel}");
            }
        }
        assert_eq!(Field::from_key(b"id"), Some((Field::EventId, Spelling::Short)));
        assert_eq!(Field::from_key(b"ip"), Some((Field::IpAddress, Spelling::Short)));
    }

    #[test]
    fn similar_keys_name_no_field() {
        for key in [
            "",
            "ID",
            "Session_Id",
            "session-id",
            "sessionID",
            "session_id ",
            "chatbot",
            "éé",
            "\0",
            "id\0",
            "\0id",
            "user_id\0",
            "user_id\0\0\0\0\0\0\0\0\0",
            "user\0_id",
        ] {
            assert_eq!(Field::from_key(key.as_bytes()), None, "{key}");
        }
    }

    #[test]
    fn set_returns_its_fields_in_order() {
        let set = field_set(&[Field::Type, Field::EventId, Field::City]);
        assert_eq!(fields_in(set).collect::<Vec<_>>(), [Field::EventId, Field::City, Field::Type]);
        assert_eq!(fields_in(0).count(), 0);
    }
}
