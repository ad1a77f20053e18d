//! The fields of a line that have a place in the tables, and how they may be spelled.

use crate::event::Text;

/// A field that a line may give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // each is the field of the same name: see `docs/input.md`
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
    /// `events`: what makes an envelope. In an event it is like any unknown field.
    Events,
    /// `type`: what makes a session context or an identify line. Likewise.
    Type,
}

/// How a field is spelled: of several spellings in one line the first of these counts.
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

    /// Returns the name in snake_case.
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

    /// Finds the field that a key (its text without quotes and escapes) names.
    #[inline]
    pub fn from_key(key: &[u8]) -> Option<(Field, Spelling)> {
        use Field::*;
        use Spelling::*;
        // By length first: the compiler compares a handful of words then.
        Some(match key.len() {
            2 => match key {
                b"id" => (EventId, Short),
                b"ip" => (IpAddress, Short),
                _ => return None,
            },
            4 => match key {
                b"city" => (City, Snake),
                b"type" => (Type, Snake),
                _ => return None,
            },
            6 => match key {
                b"userId" => (UserId, Camel),
                b"sentAt" => (SentAt, Camel),
                b"events" => (Events, Snake),
                _ => return None,
            },
            7 => match key {
                b"eventId" => (EventId, Camel),
                b"user_id" => (UserId, Snake),
                b"pageUrl" => (PageUrl, Camel),
                b"sent_at" => (SentAt, Snake),
                _ => return None,
            },
            8 => match key {
                b"page_url" => (PageUrl, Snake),
                b"referrer" => (Referrer, Snake),
                b"event_id" => (EventId, Snake),
                b"userName" => (UserName, Camel),
                _ => return None,
            },
            9 => match key {
                b"timestamp" => (Timestamp, Snake),
                b"user_name" => (UserName, Snake),
                b"chatbotId" => (ChatbotId, Camel),
                b"sessionId" => (SessionId, Camel),
                b"eventName" => (EventName, Camel),
                b"userEmail" => (UserEmail, Camel),
                b"pageTitle" => (PageTitle, Camel),
                b"utmSource" => (UtmSource, Camel),
                b"utmMedium" => (UtmMedium, Camel),
                b"userAgent" => (UserAgent, Camel),
                b"ipAddress" => (IpAddress, Camel),
                _ => return None,
            },
            10 => match key {
                b"chatbot_id" => (ChatbotId, Snake),
                b"session_id" => (SessionId, Snake),
                b"event_name" => (EventName, Snake),
                b"properties" => (Properties, Snake),
                b"page_title" => (PageTitle, Snake),
                b"user_agent" => (UserAgent, Snake),
                b"ip_address" => (IpAddress, Snake),
                b"utm_source" => (UtmSource, Snake),
                b"utm_medium" => (UtmMedium, Snake),
                b"user_email" => (UserEmail, Snake),
                b"receivedAt" => (ReceivedAt, Camel),
                _ => return None,
            },
            11 => match key {
                b"received_at" => (ReceivedAt, Snake),
                b"anonymousId" => (AnonymousId, Camel),
                b"landingPage" => (LandingPage, Camel),
                b"utmCampaign" => (UtmCampaign, Camel),
                b"screenWidth" => (ScreenWidth, Camel),
                b"countryCode" => (CountryCode, Camel),
                _ => return None,
            },
            12 => match key {
                b"anonymous_id" => (AnonymousId, Snake),
                b"landing_page" => (LandingPage, Snake),
                b"utm_campaign" => (UtmCampaign, Snake),
                b"screen_width" => (ScreenWidth, Snake),
                b"country_code" => (CountryCode, Snake),
                b"userMetadata" => (UserMetadata, Camel),
                b"screenHeight" => (ScreenHeight, Camel),
                _ => return None,
            },
            13 => match key {
                b"screen_height" => (ScreenHeight, Snake),
                b"user_metadata" => (UserMetadata, Snake),
                b"eventCategory" => (EventCategory, Camel),
                _ => return None,
            },
            14 => match key {
                b"event_category" => (EventCategory, Snake),
                _ => return None,
            },
            15 => match key {
                b"clientTimestamp" => (ClientTimestamp, Camel),
                _ => return None,
            },
            16 => match key {
                b"client_timestamp" => (ClientTimestamp, Snake),
                _ => return None,
            },
            _ => return None,
        })
    }

    /// Returns the text column that holds the field as the log gave it; `None` where it is no text.
    pub fn column(self) -> Option<Text> {
        use Field::*;
        Some(match self {
            EventId => Text::EventId,
            ChatbotId => Text::ChatbotId,
            SessionId => Text::SessionId,
            AnonymousId => Text::AnonymousId,
            UserId => Text::UserId,
            UserEmail => Text::UserEmail,
            UserName => Text::UserName,
            UserMetadata => Text::UserMetadata,
            EventName => Text::EventName,
            EventCategory => Text::EventCategory,
            Properties => Text::Properties,
            PageUrl => Text::PageUrl,
            PageTitle => Text::PageTitle,
            Referrer => Text::Referrer,
            LandingPage => Text::LandingPage,
            UtmSource => Text::UtmSource,
            UtmMedium => Text::UtmMedium,
            UtmCampaign => Text::UtmCampaign,
            UserAgent => Text::UserAgent,
            IpAddress => Text::IpAddress,
            CountryCode => Text::CountryCode,
            City => Text::City,
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

/// A set of fields: a bit each.
pub type FieldSet = u32;

/// Makes a set of fields.
pub const fn set_of(fields: &[Field]) -> FieldSet {
    let (mut set, mut index) = (0, 0);
    while index < fields.len() {
        set |= fields[index].bit();
        index += 1;
    }
    set
}

/// Goes through the fields of a set, in the order of the enum.
pub fn each(mut set: FieldSet) -> impl Iterator<Item = Field> {
    std::iter::from_fn(move || {
        let field = *Field::ALL.get(set.trailing_zeros() as usize)?;
        set &= set - 1;
        Some(field)
    })
}

/// The fields whose text goes to the column of the same name as it is.
pub const TEXTS: FieldSet = set_of(&[
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

/// The ids that an event may do without.
pub const IDS: FieldSet = set_of(&[Field::SessionId, Field::AnonymousId, Field::UserId]);

/// The fields that must hold an object.
pub const OBJECTS: FieldSet = set_of(&[Field::UserMetadata, Field::Properties]);

/// The fields that must hold a whole number.
pub const NUMBERS: FieldSet = set_of(&[Field::ScreenWidth, Field::ScreenHeight]);

/// The fields that an envelope keeps to itself: what only an event can say of itself.
pub const NOT_INHERITED: FieldSet = set_of(&[
    Field::EventId,
    Field::EventName,
    Field::EventCategory,
    Field::Properties,
    Field::Timestamp,
    Field::ClientTimestamp,
    Field::Events,
    Field::Type,
]);

/// Returns the category that the table of standard events gives a name; `None` for other names.
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

    /// `chatbot_id` → `chatbotId`.
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
    fn every_field_is_found_under_its_name_in_snake_case_and_in_camel_case() {
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
    fn a_key_in_another_case_or_with_more_to_it_is_another_field() {
        for key in ["", "ID", "Session_Id", "session-id", "sessionID", "session_id ", "chatbot", "éé"] {
            assert_eq!(Field::from_key(key.as_bytes()), None, "{key}");
        }
    }

    #[test]
    fn a_set_gives_its_fields_back_in_order() {
        let set = set_of(&[Field::Type, Field::EventId, Field::City]);
        assert_eq!(each(set).collect::<Vec<_>>(), [Field::EventId, Field::City, Field::Type]);
        assert_eq!(each(0).count(), 0);
    }
}
