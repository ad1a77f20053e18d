//! The messages of one conversation, and the time until each reply.

use crate::report::sequence::SequenceEvent;
use crate::time::Micros;

/// The tag of a handoff.
pub(super) const HANDOFF: u32 = 1;
/// The tag of a resolution.
pub(super) const RESOLUTION: u32 = 1 << 1;
/// The tag of a positive rating.
pub(super) const POSITIVE: u32 = 1 << 2;
/// The tag of a rating that is not positive.
pub(super) const NOT_POSITIVE: u32 = 1 << 3;
/// The tag of a rating event that contains no rating.
pub(super) const NO_RATING: u32 = 1 << 4;
/// The tag of a visitor's message. Even combined with other tags, it is less than [`RECEIVED`]. At
/// equal times, a message therefore precedes its reply, as in the report `performance`.
pub(super) const SENT: u32 = 1 << 5;
/// The tag of a reply.
pub(super) const RECEIVED: u32 = 1 << 6;

/// The messages, ratings and outcome of one conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange {
    /// The number of messages that the visitor sent.
    pub sent: u64,
    /// The number of messages that the visitor received.
    pub received: u64,
    /// The time from the first message to the first reply after it; `None` if there is none.
    pub first_response: Option<Micros>,
    /// The sum and the number of all reply times.
    pub replies: (u128, u64),
    /// Whether the visitor sent the last message.
    pub is_dropped: bool,
    /// The numbers of positive ratings, other ratings, and rating events without a rating.
    pub ratings: [u64; 3],
    /// Whether the conversation was handed to a person.
    pub is_handed_off: bool,
    /// Whether the conversation was resolved.
    pub is_resolved: bool,
}

impl Exchange {
    /// Reads the events of a session in order, and calls `reply` with each reply time. A reply
    /// answers all messages before it. The reply time extends from the earliest of the messages
    /// that it answers.
    ///
    /// Returns `None` for a session in which the visitor sent no message.
    pub fn read(events: &[SequenceEvent], mut reply: impl FnMut(Micros)) -> Option<Exchange> {
        let mut exchange = Exchange::default();
        let mut unanswered: Option<Micros> = None;
        let mut first_sent: Option<Micros> = None;
        for event in events {
            let has = |tag: u32| event.tag & tag != 0;
            exchange.is_handed_off |= has(HANDOFF);
            exchange.is_resolved |= has(RESOLUTION);
            for (count, tag) in exchange.ratings.iter_mut().zip([POSITIVE, NOT_POSITIVE, NO_RATING]) {
                *count += u64::from(has(tag));
            }
            if has(SENT) {
                exchange.sent += 1;
                exchange.is_dropped = true;
                first_sent = first_sent.or(Some(event.time));
                unanswered = unanswered.or(Some(event.time));
            }
            if has(RECEIVED) {
                exchange.received += 1;
                exchange.is_dropped = false;
                if let Some(since) = unanswered.take() {
                    let wait = event.time - since;
                    exchange.first_response = exchange.first_response.or(Some(wait));
                    exchange.replies.0 += u128::from(wait.unsigned_abs());
                    exchange.replies.1 += 1;
                    reply(wait);
                }
            }
        }
        first_sent.map(|_| exchange)
    }

    /// Returns whether the visitor got a reply.
    pub fn is_answered(&self) -> bool {
        self.first_response.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(events: &[(Micros, u32)]) -> (Option<Exchange>, Vec<Micros>) {
        let events: Vec<_> = events.iter().map(|(time, tag)| SequenceEvent::new(*time, *tag)).collect();
        let mut replies = Vec::new();
        let exchange = Exchange::read(&events, |wait| replies.push(wait));
        (exchange, replies)
    }

    #[test]
    fn reply_time_is_measured_from_earliest_message_without_reply() {
        let (exchange, replies) = read(&[
            (1, RECEIVED), // a greeting answers nothing
            (10, SENT),
            (20, SENT),
            (25, RECEIVED),
            (30, RECEIVED),
            (40, SENT),
            (40, RECEIVED),
            (50, SENT),
        ]);
        let exchange = exchange.unwrap();
        assert_eq!(replies, [15, 0]);
        assert_eq!((exchange.sent, exchange.received, exchange.replies), (4, 4, (15, 2)));
        assert_eq!(exchange.first_response, Some(15));
        assert!(exchange.is_answered() && exchange.is_dropped);
    }

    #[test]
    fn session_without_visitor_message_is_not_a_conversation() {
        assert_eq!(read(&[(1, RECEIVED), (2, HANDOFF), (3, POSITIVE)]).0, None);
        assert_eq!(read(&[]).0, None);
    }

    #[test]
    fn ratings_handoffs_and_resolutions_are_counted() {
        let (exchange, _) = read(&[
            (1, SENT | HANDOFF),
            (2, POSITIVE),
            (3, NOT_POSITIVE),
            (3, POSITIVE | RESOLUTION),
            (4, NO_RATING),
        ]);
        let exchange = exchange.unwrap();
        assert_eq!(exchange.ratings, [2, 1, 1]);
        assert!(exchange.is_handed_off && exchange.is_resolved && !exchange.is_answered());
    }
}
