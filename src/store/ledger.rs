//! What is gone and stays gone: pruned days, and forgotten persons.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::snapshot::Snapshot;
use super::transaction::Transaction;
use crate::error::{Error, Result};
use crate::time::{Day, Micros};

/// A set of days, as ranges in order, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySet(Vec<(i32, i32)>);

impl DaySet {
    /// Tells whether a day is in the set.
    pub fn contains(&self, day: Day) -> bool {
        let next = self.0.partition_point(|range| range.1 < day.0);
        self.0.get(next).is_some_and(|range| range.0 <= day.0)
    }

    /// Returns the first day.
    pub fn first(&self) -> Option<Day> {
        self.0.first().map(|range| Day(range.0))
    }

    /// Returns the last day.
    pub fn last(&self) -> Option<Day> {
        self.0.last().map(|range| Day(range.1))
    }

    /// Tells whether some day of a range, both ends included, is in the set.
    pub fn touches(&self, (from, to): (Day, Day)) -> bool {
        let next = self.0.partition_point(|range| range.1 < from.0);
        self.0.get(next).is_some_and(|range| range.0 <= to.0)
    }

    /// Adds a day.
    pub fn insert(&mut self, day: Day) {
        if self.contains(day) {
            return;
        }
        let at = self.0.partition_point(|range| range.1 < day.0);
        self.0.insert(at, (day.0, day.0));
        // Neighbouring ranges become one.
        let mut joined: Vec<(i32, i32)> = Vec::with_capacity(self.0.len());
        for &(from, to) in &self.0 {
            match joined.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        self.0 = joined;
    }
}

/// A forgotten identifier: a keyed hash of it, never itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Keyed hash of the identifier and its kind, in hexadecimal.
    pub hash: String,
    /// From when its events stay out; from ever where `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Micros>,
    /// Up to when they do: when it was erased, or when the erased session ended.
    pub at: Micros,
}

/// What was pruned and forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// By chatbot, the UTC dates whose events were pruned.
    pub events: BTreeMap<String, DaySet>,
    /// By chatbot, the days some or all of whose sessions were pruned.
    pub sessions: BTreeMap<String, DaySet>,
    /// By chatbot, the days whose statistics were pruned.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub daily_stats: BTreeMap<String, DaySet>,
    /// The forgotten identifiers.
    pub forgotten: Vec<Forgotten>,
    /// Keyed hashes of anonymous ids that were seen with a forgotten user and with others, in order.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub shared: BTreeSet<String>,
    /// A forgotten e-mail address has no `@`, so that any text can be one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bare_emails: bool,
}

impl Ledger {
    /// Tells whether a chatbot's events of a UTC date were pruned.
    pub fn events_pruned(&self, chatbot: &str, date: Day) -> bool {
        self.events.get(chatbot).is_some_and(|days| days.contains(date))
    }

    /// Tells whether sessions that started on a day at a chatbot were pruned.
    pub fn sessions_pruned(&self, chatbot: &str, day: Day) -> bool {
        self.sessions.get(chatbot).is_some_and(|days| days.contains(day))
    }

    /// Tells whether a chatbot's statistics of a day were pruned.
    pub fn daily_stats_pruned(&self, chatbot: &str, day: Day) -> bool {
        self.daily_stats.get(chatbot).is_some_and(|days| days.contains(day))
    }

    /// Reads the ledger of a state of the store.
    pub fn of(snapshot: &Snapshot) -> Result<Ledger> {
        match &snapshot.manifest().ledger {
            Some(file) => Ledger::from_bytes(&snapshot.bytes_checked(&file.path, &file.checksum)?),
            None => Ok(Ledger::default()),
        }
    }

    /// Puts the ledger in place of the one before.
    pub fn write(&self, transaction: &mut Transaction, now: Micros) -> Result<()> {
        let chatbots = self.events.len() + self.sessions.len() + self.daily_stats.len();
        let rows = (chatbots + self.forgotten.len() + self.shared.len()) as u64;
        transaction.replace_note("ledger", |m| &mut m.ledger, &self.to_bytes()?, rows, now)
    }

    /// Writes the ledger's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::failed("cannot write the ledger").caused_by(e))
    }

    /// Reads a ledger's bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Ledger> {
        serde_json::from_slice(bytes).map_err(|e| Error::failed("cannot read the ledger").caused_by(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_days_holds_what_was_put_in_and_joins_neighbours() {
        let mut days = DaySet::default();
        for day in [5, 3, 9, 4, 5, -2] {
            days.insert(Day(day));
        }
        assert_eq!(days, DaySet(vec![(-2, -2), (3, 5), (9, 9)]));
        let held: Vec<i32> = (-5..12).filter(|&d| days.contains(Day(d))).collect();
        assert_eq!(held, [-2, 3, 4, 5, 9]);
        assert_eq!((days.first(), days.last()), (Some(Day(-2)), Some(Day(9))));
        let touched = |from, to| days.touches((Day(from), Day(to)));
        assert!(touched(-9, -2) && touched(4, 4) && touched(6, 9) && touched(-9, 99));
        assert!(!touched(-9, -3) && !touched(-1, 2) && !touched(6, 8) && !touched(10, 99));
    }
}
