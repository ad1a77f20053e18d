//! Why a line is refused.

use serde::{Deserialize, Serialize};

/// Why a line, or an event of an envelope, is refused; where several fit, the first of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Reason {
    /// The line is longer than 1 MiB.
    LineTooLong,
    /// The line is not UTF-8.
    NotUtf8,
    /// The line is not JSON (RFC 8259).
    NotJson,
    /// The line, or the element of an envelope, is JSON, but no object.
    NotAnObject,
    /// There is no `event_name`, nor anything else that says what happened.
    NoEventName,
    /// There is no `chatbot_id`, and none was named for lines without one.
    NoChatbotId,
    /// `chatbot_id` is neither a string nor an integer, or is longer than 256 bytes.
    BadChatbotId,
    /// There is no id of a session, visitor or user, nor an address with a user agent.
    NoSessionKey,
    /// There is no time.
    NoTimestamp,
    /// A time is there but cannot be read.
    BadTimestamp,
    /// The event's time is more than 24 hours after the present.
    FutureTimestamp,
    /// The event's time is before the year 2000.
    ImplausibleTimestamp,
    /// The envelope holds no events.
    EmptyEnvelope,
}

impl Reason {
    /// The number of reasons.
    pub const COUNT: usize = Reason::ALL.len();

    /// All reasons, in their order of precedence.
    pub const ALL: [Reason; 13] = [
        Reason::LineTooLong,
        Reason::NotUtf8,
        Reason::NotJson,
        Reason::NotAnObject,
        Reason::NoEventName,
        Reason::NoChatbotId,
        Reason::BadChatbotId,
        Reason::NoSessionKey,
        Reason::NoTimestamp,
        Reason::BadTimestamp,
        Reason::FutureTimestamp,
        Reason::ImplausibleTimestamp,
        Reason::EmptyEnvelope,
    ];

    /// Returns the name used in accounts and among the rejects.
    pub fn name(self) -> &'static str {
        match self {
            Reason::LineTooLong => "line_too_long",
            Reason::NotUtf8 => "not_utf8",
            Reason::NotJson => "not_json",
            Reason::NotAnObject => "not_an_object",
            Reason::NoEventName => "no_event_name",
            Reason::NoChatbotId => "no_chatbot_id",
            Reason::BadChatbotId => "bad_chatbot_id",
            Reason::NoSessionKey => "no_session_key",
            Reason::NoTimestamp => "no_timestamp",
            Reason::BadTimestamp => "bad_timestamp",
            Reason::FutureTimestamp => "future_timestamp",
            Reason::ImplausibleTimestamp => "implausible_timestamp",
            Reason::EmptyEnvelope => "empty_envelope",
        }
    }

    /// Reads a name; `None` where it is none.
    pub fn from_name(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|r| r.name() == name)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_same_in_json_and_the_order_that_of_precedence() {
        for (index, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
            assert_eq!(Reason::from_name(reason.name()), Some(reason));
        }
    }
}
