//! Pairs responses with the messages that they answer.
//!
//! A response time is the property `response_time_ms` of a `message_received`. A response without
//! this property is measured from the earliest unanswered `message_sent` of its session. Every
//! response answers all earlier messages.

use crate::session::properties::response_us;
use crate::time::Micros;

/// The event names that affect response times.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventName {
    MessageSent,
    MessageReceived,
    SlowResponse,
    Other,
}

impl EventName {
    /// Returns the name that a string stands for.
    pub fn from_text(name: &str) -> EventName {
        match name {
            "message_sent" => EventName::MessageSent,
            "message_received" => EventName::MessageReceived,
            "slow_response" => EventName::SlowResponse,
            _ => EventName::Other,
        }
    }
}

/// The kind of a message, in the order of messages with the same time. A sent message comes before
/// its response. A measured response comes before an unmeasured one, which would otherwise be
/// measured from a message that is already answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MessageKind {
    Sent,
    /// Received, with a response time.
    Measured,
    /// Received, without a response time.
    Unmeasured,
    /// Another event.
    #[default]
    NoMessage,
}

impl MessageKind {
    /// Returns the kind of an event, given its name and its logged response time.
    pub fn new(name: EventName, response: Option<Micros>) -> MessageKind {
        match (name, response) {
            (EventName::MessageSent, _) => MessageKind::Sent,
            (EventName::MessageReceived, Some(_)) => MessageKind::Measured,
            (EventName::MessageReceived, None) => MessageKind::Unmeasured,
            _ => MessageKind::NoMessage,
        }
    }
}

/// Pairs the responses of a session with its messages, in the order of time and [`MessageKind`].
#[derive(Default)]
pub(crate) struct Pairing {
    /// The time of the earliest unanswered message.
    unanswered: Option<Micros>,
}

impl Pairing {
    /// Adds an event. Returns its response time if it is an unmeasured response to a message.
    pub fn wait(&mut self, kind: MessageKind, time: Micros) -> Option<Micros> {
        match kind {
            MessageKind::Sent => {
                self.unanswered.get_or_insert(time);
                None
            }
            MessageKind::Measured => {
                self.unanswered = None;
                None
            }
            MessageKind::Unmeasured => Some(time - self.unanswered.take()?),
            MessageKind::NoMessage => None,
        }
    }
}

/// Returns the response time of each event of one session; `None` for events that are not
/// responses. Each event is given by its name, time and properties.
pub(crate) fn response_times(events: &[(&str, Micros, &str)]) -> Vec<Option<Micros>> {
    let mut messages: Vec<(Micros, MessageKind, usize)> = Vec::new();
    let mut times = vec![None; events.len()];
    for (index, (name, time, properties)) in events.iter().enumerate() {
        let measured = response_us(properties);
        let kind = MessageKind::new(EventName::from_text(name), measured);
        messages.push((*time, kind, index));
        if let Some(slot) = times.get_mut(index).filter(|_| kind == MessageKind::Measured) {
            *slot = measured;
        }
    }
    messages.sort_unstable();
    let mut pairing = Pairing::default();
    for (time, kind, index) in messages {
        let wait = pairing.wait(kind, time);
        if let Some(slot) = times.get_mut(index).filter(|_| wait.is_some()) {
            *slot = wait;
        }
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the response times of the messages of a session.
    fn waits(messages: &[(Micros, MessageKind)]) -> Vec<Micros> {
        let mut messages = messages.to_vec();
        messages.sort_unstable();
        let mut pairing = Pairing::default();
        messages.into_iter().filter_map(|(time, kind)| pairing.wait(kind, time)).collect()
    }

    #[test]
    fn response_is_measured_from_earliest_unanswered_message() {
        use MessageKind::*;
        let first = [
            (10, Sent),
            (20, Sent),
            (22, NoMessage),
            (25, Unmeasured), // 15 after the first message
            (30, Unmeasured), // no unanswered message
            (40, Sent),
            (41, Measured), // has its own time, and answers the message
            (50, Unmeasured),
        ];
        assert_eq!(waits(&first), [15]);
        // The message at the same time comes first.
        assert_eq!(waits(&[(5, Unmeasured), (60, Unmeasured), (60, Sent)]), [0]);
        // The measured response answers the message.
        assert_eq!(waits(&[(10, Sent), (70, Unmeasured), (70, Measured)]), [0; 0]);
    }
}
