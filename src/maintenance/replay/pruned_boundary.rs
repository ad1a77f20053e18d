//! Where the kept events end: which stored rows cannot be made again, and which events belong to
//! sessions that are gone.
//!
//! A stored session is **fixed** where some of the UTC dates from its first to its last event were
//! pruned at its chatbot: its events are not all kept, and its row is all that is known of it. It
//! stays a whole: it is merged with what touches it, never cut. The kept events within its
//! interval are counted in it already, and are not counted again.
//!
//! Every other row has all its events, and they alone say what becomes of it.

use crate::error::Result;
use crate::session::SessionSummary;
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;
use crate::time::{Day, Micros, Zone};

/// What was pruned, as far as it bears on sessions.
#[derive(Clone, Debug)]
pub struct PrunedBoundary {
    ledger: Ledger,
    zone: Zone,
    pruned_through: Option<Day>,
}

impl PrunedBoundary {
    /// Reads what was pruned from a state of the store.
    pub fn of(snapshot: &Snapshot) -> Result<PrunedBoundary> {
        let manifest = snapshot.manifest();
        let ledger = match &manifest.ledger {
            Some(file) => Ledger::from_bytes(&snapshot.read_checked(&file.path, &file.checksum)?)?,
            None => Ledger::default(),
        };
        Ok(PrunedBoundary { ledger, zone: snapshot.zone(), pruned_through: manifest.events_pruned_through })
    }

    /// Returns what was pruned and forgotten.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Tells whether anything at all was pruned at a chatbot.
    pub fn concerns(&self, chatbot: &str) -> bool {
        self.ledger.pruned_events.contains_key(chatbot) || self.ledger.pruned_sessions.contains_key(chatbot)
    }

    /// Tells whether events of a session are gone, so that its row cannot be made again.
    pub fn is_fixed(&self, session: &SessionSummary<'_>) -> bool {
        let Some(days) = self.ledger.pruned_events.get(session.key.chatbot_id.as_ref()) else { return false };
        let (first, last) = (Day::utc(session.first.time), Day::utc(session.ended_at));
        let last = self.pruned_through.map_or(last, |through| last.min(through));
        (first.0..=last.0).any(|day| days.contains(Day(day)))
    }

    /// Tells whether an event that no stored session covers is one of a session that was pruned.
    ///
    /// Sessions go by the day of their last event in the store's zone, events by their UTC date: of
    /// a session that ended late on the last day to go, events of the next UTC date can be left
    /// where both are kept equally long. Such a session began on a day that is written down, or has events on
    /// the pruned date before. The day is by the zone of that time: zones lie up to 26 hours apart, so that it
    /// can be two days from what it is now.
    pub fn is_of_pruned_session(&self, chatbot: &str, time: Micros) -> bool {
        let Some(days) = self.ledger.pruned_sessions.get(chatbot) else { return false };
        let (day, date) = (self.zone.day(time), Day::utc(time));
        let events_before =
            || self.ledger.events_pruned(chatbot, date) || self.ledger.events_pruned(chatbot, date.plus(-1));
        (-2..=2).any(|n| days.contains(day.plus(n)))
            || (days.first().is_some_and(|first| first <= day) && events_before())
    }
}
