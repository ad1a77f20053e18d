//! Why a line is refused.

use serde::{Deserialize, Serialize};

/// Why a line, or an event of an envelope, is refused; where several fit, the first of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum RejectReason {
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

impl RejectReason {
    /// The number of reasons.
    pub const COUNT: usize = RejectReason::ALL.len();

    /// All reasons, in their order of precedence.
    pub const ALL: [RejectReason; 13] = [
        RejectReason::LineTooLong,
        RejectReason::NotUtf8,
        RejectReason::NotJson,
        RejectReason::NotAnObject,
        RejectReason::NoEventName,
        RejectReason::NoChatbotId,
        RejectReason::BadChatbotId,
        RejectReason::NoSessionKey,
        RejectReason::NoTimestamp,
        RejectReason::BadTimestamp,
        RejectReason::FutureTimestamp,
        RejectReason::ImplausibleTimestamp,
        RejectReason::EmptyEnvelope,
    ];

    /// Returns the name used in accounts and among the rejects.
    pub fn name(self) -> &'static str {
        match self {
            RejectReason::LineTooLong => "line_too_long",
            RejectReason::NotUtf8 => "not_utf8",
            RejectReason::NotJson => "not_json",
            RejectReason::NotAnObject => "not_an_object",
            RejectReason::NoEventName => "no_event_name",
            RejectReason::NoChatbotId => "no_chatbot_id",
            RejectReason::BadChatbotId => "bad_chatbot_id",
            RejectReason::NoSessionKey => "no_session_key",
            RejectReason::NoTimestamp => "no_timestamp",
            RejectReason::BadTimestamp => "bad_timestamp",
            RejectReason::FutureTimestamp => "future_timestamp",
            RejectReason::ImplausibleTimestamp => "implausible_timestamp",
            RejectReason::EmptyEnvelope => "empty_envelope",
        }
    }

    /// Reads a name; `None` where it is none.
    pub fn from_name(name: &str) -> Option<RejectReason> {
        RejectReason::ALL.into_iter().find(|r| r.name() == name)
    }
}

impl std::fmt::Display for RejectReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_same_in_json_and_the_order_that_of_precedence() {
        for (index, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert_eq!(serde_json::to_string(&reason).unwrap(), format!("\"{reason}\""));
            assert_eq!(RejectReason::from_name(reason.name()), Some(reason));
        }
    }
}
