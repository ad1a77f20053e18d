//! The account of an ingest: what became of every event that was read.

pub mod reason;
pub mod rejected;
pub mod warnings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use reason::RejectReason;
use warnings::Warnings;

/// Counts of events; a sum that can be merged, and that adds up.
///
/// An envelope counts its events; a line that cannot be parsed counts one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestCounts {
    /// Events read.
    pub read: u64,
    /// Events that are now in the store and were not before.
    pub stored: u64,
    /// Events that were there already.
    pub duplicate: u64,
    /// Refused events, by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// Events of days that retention has taken.
    pub already_pruned: u64,
    /// Events of persons who were erased.
    pub forgotten: u64,
    /// Last lines that are not written to their end, left for the next ingest.
    pub unfinished: u64,
    /// Lines with nothing in them; beside the sum.
    pub blank: u64,
    /// What was noticed about stored events; beside the sum.
    pub warnings: Warnings,
}

impl IngestCounts {
    /// Counts refused events.
    pub fn reject(&mut self, reason: RejectReason, times: u64) {
        if times > 0 {
            *self.rejected.entry(reason).or_default() += times;
        }
    }

    /// Returns the number of refused events.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Adds the counts of others.
    pub fn merge(&mut self, others: &IngestCounts) {
        self.read += others.read;
        self.stored += others.stored;
        self.duplicate += others.duplicate;
        others.rejected.iter().for_each(|(reason, times)| self.reject(*reason, *times));
        self.already_pruned += others.already_pruned;
        self.forgotten += others.forgotten;
        self.unfinished += others.unfinished;
        self.blank += others.blank;
        self.warnings.merge(&others.warnings);
    }

    /// Tells whether every event that was read is accounted for, once.
    pub fn adds_up(&self) -> bool {
        let sum = self.stored
            + self.duplicate
            + self.rejected_total()
            + self.already_pruned
            + self.forgotten
            + self.unfinished;
        self.read == sum
    }
}

/// How far a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FileOutcome {
    /// From its beginning to its end.
    #[default]
    Read,
    /// From where an earlier ingest ended.
    Resumed {
        /// Bytes that were skipped.
        from: u64,
    },
    /// Not at all: an earlier ingest has read it whole.
    Known,
    /// To where it is damaged.
    Damaged {
        /// What is wrong with it.
        error: String,
    },
    /// It could not be opened.
    Unreadable {
        /// Why.
        error: String,
    },
}

/// The account of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSummary {
    /// The file, as it was named; `-` for standard input.
    pub file: String,
    /// How far it was read.
    #[serde(flatten)]
    pub outcome: FileOutcome,
    /// What became of its events.
    #[serde(flatten)]
    pub counts: IngestCounts,
}

/// The account of an ingest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestSummary {
    /// Each file.
    pub files: Vec<FileSummary>,
    /// All of them.
    pub total: IngestCounts,
}

impl IngestSummary {
    /// Adds a file, and its counts to the total.
    pub fn add(&mut self, file: FileSummary) {
        self.total.merge(&file.counts);
        self.files.push(file);
    }

    /// Tells whether the total is the sum of the files, and every event of each is accounted for.
    pub fn adds_up(&self) -> bool {
        let mut sum = IngestCounts::default();
        self.files.iter().for_each(|f| sum.merge(&f.counts));
        sum == self.total && self.files.iter().all(|f| f.counts.adds_up())
    }

    /// Tells whether some file was not read to its end.
    pub fn is_partial(&self) -> bool {
        let partial = |f: &FileSummary| {
            matches!(f.outcome, FileOutcome::Damaged { .. } | FileOutcome::Unreadable { .. })
        };
        self.files.iter().any(partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(read: u64) -> IngestCounts {
        let mut counts = IngestCounts {
            read,
            stored: 5,
            duplicate: 2,
            unfinished: 1,
            blank: 9,
            ..IngestCounts::default()
        };
        counts.reject(RejectReason::NotJson, 2);
        counts
    }

    #[test]
    fn it_adds_up_when_every_event_is_accounted_for() {
        assert!(counts(10).adds_up());
        assert!(!counts(11).adds_up());
        let mut account = IngestSummary::default();
        account.add(FileSummary { file: "a".into(), counts: counts(10), ..FileSummary::default() });
        account.add(FileSummary { file: "b".into(), counts: counts(10), ..FileSummary::default() });
        assert_eq!(account.total.read, 20);
        assert!(account.adds_up() && !account.is_partial());
        account.total.read += 1;
        assert!(!account.adds_up());
    }

    #[test]
    fn its_json_is_flat_and_comes_back() {
        let outcome = FileOutcome::Damaged { error: "the end is missing".into() };
        let file = FileSummary { file: "a.gz".into(), outcome, counts: counts(10) };
        let json = serde_json::to_value(&file).unwrap();
        assert_eq!(json["outcome"], "damaged");
        assert_eq!(json["rejected"]["not_json"], 2);
        assert_eq!(json["read"], 10);
        assert_eq!(serde_json::from_value::<FileSummary>(json).unwrap(), file);
    }
}
