//! Counts of sessions, and of the conversations among them.

use std::hash::Hash;

use super::group_count::{Count, GroupCount};
use super::values::Percent;

/// Numbers of sessions and of the conversations among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visits {
    /// The number of sessions.
    pub sessions: u64,
    /// The number of sessions with at least one message sent.
    pub conversations: u64,
}

impl Count for Visits {
    fn add(&mut self, other: Visits) {
        self.sessions += other.sessions;
        self.conversations += other.conversations;
    }
}

impl Visits {
    /// Returns the counts for one session.
    pub fn from_session(had_conversation: bool) -> Visits {
        Visits { sessions: 1, conversations: u64::from(had_conversation) }
    }

    /// Sums pairs of sessions and conversations.
    pub fn sum(visits: impl Iterator<Item = (u64, u64)>) -> Visits {
        visits.fold(Visits::default(), |mut sum, (sessions, conversations)| {
            sum.add(Visits { sessions, conversations });
            sum
        })
    }

    /// Returns 100 × conversations / sessions.
    pub fn conversion_rate(self) -> Percent {
        Percent::from_parts(self.conversations, self.sessions)
    }

    /// Returns the names with their counts, most sessions first, then by name.
    pub fn ranked(visits: GroupCount<String, Visits>) -> Vec<(String, Visits)> {
        let mut all: Vec<(String, Visits)> = visits.0.into_iter().collect();
        all.sort_unstable_by(|a, b| b.1.sessions.cmp(&a.1.sessions).then_with(|| a.0.cmp(&b.0)));
        all
    }
}

/// Merges the visits of different sessions, each with the number of bot sessions.
pub(crate) fn merge<K: Eq + Hash>(
    visits: (GroupCount<K, Visits>, u64),
    other: (GroupCount<K, Visits>, u64),
) -> (GroupCount<K, Visits>, u64) {
    (visits.0.merge(other.0), visits.1 + other.1)
}
