//! The ingest summary: counts of the outcomes of all events that were read.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::parse::rejected::RejectReason;
use super::parse::warnings::Warnings;
use crate::store::manifest::LastRun;
use crate::time::Micros;

/// Counts of events by outcome. Those of several files can be merged.
///
/// Each event of an envelope counts separately. A line that cannot be parsed counts as one event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestCounts {
    /// Events read.
    pub read: u64,
    /// Events that were stored.
    pub stored: u64,
    /// Duplicates of stored events or of other events of the ingest.
    pub duplicate: u64,
    /// Rejected events, by reason.
    pub rejected: BTreeMap<RejectReason, u64>,
    /// Records that a map ignores on purpose, and values in wrappings that are not events.
    #[serde(default)]
    pub ignored: u64,
    /// Events of pruned days, which are not stored.
    pub already_pruned: u64,
    /// Events of forgotten people, which are not stored.
    pub forgotten: u64,
    /// Unfinished last lines, which are left for the next ingest.
    pub unfinished: u64,
    /// Blank lines; not part of `read`.
    pub blank: u64,
    /// Warnings about stored events; not part of `read`.
    pub warnings: Warnings,
}

impl IngestCounts {
    /// Counts rejected events.
    pub fn add_rejected(&mut self, reason: RejectReason, times: u64) {
        if times > 0 {
            *self.rejected.entry(reason).or_default() += times;
        }
    }

    /// Returns the number of rejected events.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Returns whether all records that were read to their end were ignored.
    pub fn all_ignored(&self) -> bool {
        self.ignored > 0 && self.ignored + self.unfinished == self.read
    }

    /// Returns the figures that `wa status` shows for an ingest that started at `at`.
    pub fn last_run(&self, at: Micros) -> LastRun {
        let counts = [
            ("read", self.read),
            ("stored", self.stored),
            ("duplicate", self.duplicate),
            ("rejected", self.rejected_total()),
            ("ignored", self.ignored),
        ];
        LastRun { at, counts: counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect() }
    }

    /// Adds the counts of `others`.
    pub fn merge(&mut self, others: &IngestCounts) {
        self.read += others.read;
        self.stored += others.stored;
        self.duplicate += others.duplicate;
        others.rejected.iter().for_each(|(reason, times)| self.add_rejected(*reason, *times));
        self.ignored += others.ignored;
        self.already_pruned += others.already_pruned;
        self.forgotten += others.forgotten;
        self.unfinished += others.unfinished;
        self.blank += others.blank;
        self.warnings.merge(&others.warnings);
    }

    /// Returns whether the outcomes add up to the events that were read.
    pub fn adds_up(&self) -> bool {
        let sum = self.stored
            + self.duplicate
            + self.rejected_total()
            + self.ignored
            + self.already_pruned
            + self.forgotten
            + self.unfinished;
        self.read == sum
    }
}

/// How a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FileOutcome {
    /// It was read in full.
    #[default]
    Read,
    /// It was read from the position at which an earlier ingest ended.
    Resumed {
        /// The position, in bytes.
        from: u64,
    },
    /// It was skipped, because it is unchanged since an earlier ingest.
    Unchanged,
    /// It was read up to the first damaged byte.
    Damaged {
        /// The error.
        error: String,
    },
    /// It was not read, because it could not be opened or is not a log.
    Unreadable {
        /// The error.
        error: String,
    },
}

/// The summary of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSummary {
    /// Name of the file; `-` for standard input.
    pub file: String,
    /// How the file was read.
    #[serde(flatten)]
    pub outcome: FileOutcome,
    /// The map that read the file; missing for native lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
    /// Counts of its events.
    #[serde(flatten)]
    pub counts: IngestCounts,
}

/// The summary of an ingest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestSummary {
    /// The files, in order.
    pub files: Vec<FileSummary>,
    /// Counts of all events.
    pub total: IngestCounts,
}

impl IngestSummary {
    /// Adds a file and its counts.
    pub fn add(&mut self, file: FileSummary) {
        self.total.merge(&file.counts);
        self.files.push(file);
    }

    /// Merges the counts of files with the same name.
    pub fn merge_equal_names(&mut self) {
        let mut positions: HashMap<String, usize> = HashMap::new();
        let mut merged: Vec<FileSummary> = Vec::new();
        for file in std::mem::take(&mut self.files) {
            match positions.get(&file.file).and_then(|at| merged.get_mut(*at)) {
                Some(first) => first.counts.merge(&file.counts),
                None => {
                    positions.insert(file.file.clone(), merged.len());
                    merged.push(file);
                }
            }
        }
        self.files = merged;
    }

    /// Returns whether the total is the sum of the files, and the outcomes of each file add up.
    pub fn adds_up(&self) -> bool {
        let mut sum = IngestCounts::default();
        self.files.iter().for_each(|f| sum.merge(&f.counts));
        sum == self.total && self.files.iter().all(|f| f.counts.adds_up())
    }

    /// Returns whether a file was not read to its end.
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
        counts.add_rejected(RejectReason::NotJson, 2);
        counts
    }

    #[test]
    fn outcomes_add_up_to_events_read() {
        assert!(counts(10).adds_up());
        assert!(!counts(11).adds_up());
        let mut summary = IngestSummary::default();
        summary.add(FileSummary { file: "a".into(), counts: counts(10), ..FileSummary::default() });
        summary.add(FileSummary { file: "b".into(), counts: counts(10), ..FileSummary::default() });
        assert_eq!(summary.total.read, 20);
        assert!(summary.adds_up() && !summary.is_partial());
        summary.add(FileSummary { file: "a".into(), counts: counts(10), ..FileSummary::default() });
        summary.merge_equal_names();
        let files: Vec<_> = summary.files.iter().map(|file| (file.file.as_str(), file.counts.read)).collect();
        assert_eq!(files, [("a", 20), ("b", 10)]);
        assert!(summary.adds_up());
        summary.total.read += 1;
        assert!(!summary.adds_up());
    }

    #[test]
    fn file_summary_json_is_flat_and_round_trips() {
        let outcome = FileOutcome::Damaged { error: "the end is missing".into() };
        let file = FileSummary { file: "a.gz".into(), outcome, map: Some("ga4".into()), counts: counts(10) };
        let json = serde_json::to_value(&file).unwrap();
        assert_eq!(json["outcome"], "damaged");
        assert_eq!(json["rejected"]["not_json"], 2);
        assert_eq!(json["read"], 10);
        assert_eq!(serde_json::from_value::<FileSummary>(json).unwrap(), file);
    }
}
