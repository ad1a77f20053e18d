//! The boundary between pruned and retained events. Determines which stored sessions cannot be
//! recomputed, and which events belong to pruned sessions.
//!
//! A *partial* session has events on a UTC date that was pruned for its chatbot. Only its row
//! describes those events, so it is never split, only merged with adjacent sessions. Retained
//! events within its time span are counted in the row and must not be counted again.
//!
//! All other sessions are recomputed from their events alone.

use crate::error::Result;
use crate::session::SessionSummary;
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;
use crate::time::{Day, Micros, Zone};

/// The pruned days of a store that affect sessions.
#[derive(Clone, Debug)]
pub(crate) struct PrunedBoundary {
    ledger: Ledger,
    zone: Zone,
}

impl PrunedBoundary {
    /// Reads the pruned days of a state of the store.
    pub(crate) fn load(snapshot: &Snapshot) -> Result<PrunedBoundary> {
        Ok(PrunedBoundary { ledger: Ledger::load(snapshot)?, zone: snapshot.zone() })
    }

    /// Returns the ledger of pruned days and erased identifiers.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns whether any rows of a chatbot were pruned.
    pub(super) fn has_pruned_data(&self, chatbot: &str) -> bool {
        self.ledger.pruned_events.contains_key(chatbot) || self.ledger.pruned_sessions.contains_key(chatbot)
    }

    /// Returns whether some events of a session may be pruned.
    pub(super) fn is_partial(&self, session: &SessionSummary<'_>) -> bool {
        let span = (session.first.time, session.ended_at);
        self.ledger.events_pruned_within(&session.key.chatbot_id, span)
    }

    /// Returns whether an event outside of all stored sessions belongs to a pruned session.
    ///
    /// Sessions are pruned by the day of their last event in the store's time zone, events by their
    /// UTC date. With equal retention periods, the events of a session that ended late on the last
    /// pruned day can remain on the next UTC date. Such a session started on a pruned day, or has
    /// events on the preceding UTC date, which was pruned.
    ///
    /// The ledger records days in the time zone that the store had at that time. Time zones differ
    /// by up to 26 hours, so a recorded day can differ from the current one by up to two days.
    pub(super) fn belongs_to_pruned_session(&self, chatbot: &str, time: Micros) -> bool {
        let Some(days) = self.ledger.pruned_sessions.get(chatbot) else { return false };
        let (day, date) = (self.zone.day(time), Day::utc(time));
        let has_events_before =
            || self.ledger.events_pruned(chatbot, date) || self.ledger.events_pruned(chatbot, date.plus(-1));
        (-2..=2).any(|n| days.contains(day.plus(n)))
            || (days.first().is_some_and(|first| first <= day) && has_events_before())
    }
}
