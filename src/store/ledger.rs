//! The ledger: pruned days and forgotten identifiers.
//!
//! Invariants:
//!
//! - Lines of a pruned day, and lines of a forgotten identifier that are older than its erasure,
//!   are never stored again.
//! - The ledger contains keyed hashes of identifiers, never the identifiers.
//! - The ledger is committed in the same transaction as the removal that it records. After a crash,
//!   the store contains both or neither.
//!
//! The file is one JSON object, the serialized [`Ledger`]. Sets of days are stored as
//! ranges of days since 1970.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::snapshot::Snapshot;
use super::transaction::Transaction;
use crate::error::{Error, Result};
use crate::time::{Day, Micros};

/// A set of days: disjoint inclusive ranges in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaySet(Vec<(i32, i32)>);

impl DaySet {
    /// Returns whether a day is in the set.
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

    /// Returns whether any day of an inclusive range is in the set.
    pub fn overlaps(&self, (from, to): (Day, Day)) -> bool {
        let next = self.0.partition_point(|range| range.1 < from.0);
        self.0.get(next).is_some_and(|range| range.0 <= to.0)
    }

    /// Returns the days in ascending order.
    pub fn days(&self) -> impl Iterator<Item = Day> {
        self.0.iter().flat_map(|&(from, to)| (from..=to).map(Day))
    }

    /// Adds a day.
    pub fn insert(&mut self, day: Day) {
        if self.contains(day) {
            return;
        }
        let index = self.0.partition_point(|range| range.1 < day.0);
        self.0.insert(index, (day.0, day.0));
        // Merge adjacent ranges.
        let mut merged: Vec<(i32, i32)> = Vec::with_capacity(self.0.len());
        for &(from, to) in &self.0 {
            match merged.last_mut() {
                Some(last) if from <= last.1.saturating_add(1) => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        self.0 = merged;
    }
}

/// A forgotten identifier, session or rejected line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Keyed hash of the identifier, session key or line, in hexadecimal.
    pub hash: String,
    /// Start of the suppressed events; `None` for no lower bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Micros>,
    /// End of the suppressed events: the time of the erasure, or the end of the erased session.
    pub until: Micros,
}

/// Pruned days and forgotten identifiers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// UTC dates whose events were pruned, by chatbot.
    pub pruned_events: BTreeMap<String, DaySet>,
    /// Days with pruned sessions, by chatbot. Other sessions of such a day may be retained.
    pub pruned_sessions: BTreeMap<String, DaySet>,
    /// Days whose statistics were pruned, by chatbot.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pruned_daily_stats: BTreeMap<String, DaySet>,
    /// The forgotten identifiers, sessions and rejected lines.
    pub forgotten: Vec<Forgotten>,
    /// Keyed hashes of anonymous ids that a forgotten user shared with others.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub shared_ids: BTreeSet<String>,
    /// Whether any forgotten email address contains no `@`. If so, every string has to be compared
    /// with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bare_emails: bool,
}

impl Ledger {
    /// Returns whether a chatbot's events of a UTC date were pruned.
    pub fn events_pruned(&self, chatbot: &str, date: Day) -> bool {
        self.pruned_events.get(chatbot).is_some_and(|days| days.contains(date))
    }

    /// Returns whether any event of a chatbot within an inclusive range of times may be pruned.
    pub fn events_pruned_within(&self, chatbot: &str, (from, to): (Micros, Micros)) -> bool {
        let pruned = self.pruned_events.get(chatbot);
        pruned.is_some_and(|dates| dates.overlaps((Day::utc(from), Day::utc(to))))
    }

    /// Returns whether a chatbot's sessions that started on a day were pruned.
    pub fn sessions_pruned(&self, chatbot: &str, day: Day) -> bool {
        self.pruned_sessions.get(chatbot).is_some_and(|days| days.contains(day))
    }

    /// Returns whether a chatbot's statistics of a day were pruned.
    pub fn daily_stats_pruned(&self, chatbot: &str, day: Day) -> bool {
        self.pruned_daily_stats.get(chatbot).is_some_and(|days| days.contains(day))
    }

    /// Records what was forgotten. If a hash is already recorded with the same start, the later end
    /// is kept.
    pub fn forget(&mut self, entries: impl IntoIterator<Item = Forgotten>) {
        let mut forgotten: BTreeMap<(String, Option<Micros>), Micros> = BTreeMap::new();
        for Forgotten { hash, from, until } in std::mem::take(&mut self.forgotten).into_iter().chain(entries)
        {
            let latest = forgotten.entry((hash, from)).or_insert(until);
            *latest = until.max(*latest);
        }
        let entry = |((hash, from), until)| Forgotten { hash, from, until };
        self.forgotten = forgotten.into_iter().map(entry).collect();
    }

    /// Records the forgotten identifiers and shared ids of another ledger.
    pub fn forget_all_of(&mut self, other: &Ledger) {
        self.forget(other.forgotten.iter().cloned());
        self.shared_ids.extend(other.shared_ids.iter().cloned());
        self.bare_emails |= other.bare_emails;
    }

    /// Reads the ledger of a state of the store.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is damaged.
    pub fn load(snapshot: &Snapshot) -> Result<Ledger> {
        match &snapshot.manifest().ledger {
            Some(file) => Ledger::from_bytes(&snapshot.read_checked(&file.path, &file.checksum)?),
            None => Ok(Ledger::default()),
        }
    }

    /// Replaces the ledger in a transaction.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write(&self, transaction: &mut Transaction, now: Micros) -> Result<()> {
        let chatbots = self.pruned_events.len() + self.pruned_sessions.len() + self.pruned_daily_stats.len();
        let rows = (chatbots + self.forgotten.len() + self.shared_ids.len()) as u64;
        transaction.replace_state_file("ledger", |m| &mut m.ledger, &self.to_bytes()?, rows, now)
    }

    /// Serializes the ledger.
    ///
    /// # Errors
    /// Fails if the ledger cannot be written as JSON.
    fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(|e| Error::failed("cannot write the ledger").caused_by(e))
    }

    /// Parses a ledger.
    ///
    /// # Errors
    /// Fails if the bytes are not a ledger.
    pub fn from_bytes(bytes: &[u8]) -> Result<Ledger> {
        serde_json::from_slice(bytes).map_err(|e| Error::failed("cannot read the ledger").caused_by(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_forgotten_entries_have_the_later_end() {
        let entry = |hash: &str, from, until| Forgotten { hash: hash.to_owned(), from, until };
        let mut ledger = Ledger::default();
        ledger.forget([entry("b", None, 5), entry("a", Some(1), 2)]);
        let mut other = Ledger { bare_emails: true, ..Ledger::default() };
        other.forget([entry("b", None, 4), entry("a", None, 9), entry("a", Some(1), 3)]);
        other.shared_ids.insert("s".to_owned());
        let mut reverse = other.clone();
        reverse.forget_all_of(&ledger);
        ledger.forget_all_of(&other);
        assert_eq!(ledger, reverse);
        assert_eq!(ledger.forgotten, [entry("a", None, 9), entry("a", Some(1), 3), entry("b", None, 5)]);
        assert!(ledger.bare_emails && ledger.shared_ids.contains("s"));
        let again = ledger.clone();
        ledger.forget_all_of(&other);
        assert_eq!(ledger, again);
    }

    #[test]
    fn day_set_contains_inserted_days_and_merges_ranges() {
        let mut days = DaySet::default();
        for day in [5, 3, 9, 4, 5, -2] {
            days.insert(Day(day));
        }
        assert_eq!(days, DaySet(vec![(-2, -2), (3, 5), (9, 9)]));
        let contained: Vec<i32> = (-5..12).filter(|&d| days.contains(Day(d))).collect();
        assert_eq!(contained, [-2, 3, 4, 5, 9]);
        assert!(days.days().map(|day| day.0).eq(contained));
        assert_eq!((days.first(), days.last()), (Some(Day(-2)), Some(Day(9))));
        let overlaps = |from, to| days.overlaps((Day(from), Day(to)));
        assert!(overlaps(-9, -2) && overlaps(4, 4) && overlaps(6, 9) && overlaps(-9, 99));
        assert!(!overlaps(-9, -3) && !overlaps(-1, 2) && !overlaps(6, 8) && !overlaps(10, 99));
    }
}
