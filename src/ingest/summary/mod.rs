//! The account of an ingest: what became of every event that was read.

pub mod reason;
pub mod rejected;
pub mod warnings;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use reason::Reason;
use warnings::Warnings;

/// Counts of events; a sum that can be merged, and that adds up.
///
/// An envelope counts its events; a line that cannot be parsed counts one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Events read.
    pub read: u64,
    /// Events that are now in the store and were not before.
    pub stored: u64,
    /// Events that were there already.
    pub duplicate: u64,
    /// Refused events, by reason.
    pub refused: BTreeMap<Reason, u64>,
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

impl Counts {
    /// Counts refused events.
    pub fn refuse(&mut self, reason: Reason, times: u64) {
        if times > 0 {
            *self.refused.entry(reason).or_default() += times;
        }
    }

    /// Returns the number of refused events.
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// Adds the counts of others.
    pub fn merge(&mut self, others: &Counts) {
        self.read += others.read;
        self.stored += others.stored;
        self.duplicate += others.duplicate;
        others.refused.iter().for_each(|(reason, times)| self.refuse(*reason, *times));
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
            + self.refused_total()
            + self.already_pruned
            + self.forgotten
            + self.unfinished;
        self.read == sum
    }
}

/// How far a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// From its beginning to its end.
    #[default]
    Read,
    /// From where an earlier ingest ended.
    ReadOn {
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
pub struct FileAccount {
    /// The file, as it was named; `-` for standard input.
    pub file: String,
    /// How far it was read.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What became of its events.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The account of an ingest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Each file.
    pub files: Vec<FileAccount>,
    /// All of them.
    pub total: Counts,
}

impl Account {
    /// Adds a file, and its counts to the total.
    pub fn add(&mut self, file: FileAccount) {
        self.total.merge(&file.counts);
        self.files.push(file);
    }

    /// Tells whether the total is the sum of the files, and every event of each is accounted for.
    pub fn adds_up(&self) -> bool {
        let mut sum = Counts::default();
        self.files.iter().for_each(|f| sum.merge(&f.counts));
        sum == self.total && self.files.iter().all(|f| f.counts.adds_up())
    }

    /// Tells whether some file was not read to its end.
    pub fn is_partial(&self) -> bool {
        let partial =
            |f: &FileAccount| matches!(f.outcome, Outcome::Damaged { .. } | Outcome::Unreadable { .. });
        self.files.iter().any(partial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(read: u64) -> Counts {
        let mut counts =
            Counts { read, stored: 5, duplicate: 2, unfinished: 1, blank: 9, ..Counts::default() };
        counts.refuse(Reason::NotJson, 2);
        counts
    }

    #[test]
    fn it_adds_up_when_every_event_is_accounted_for() {
        assert!(counts(10).adds_up());
        assert!(!counts(11).adds_up());
        let mut account = Account::default();
        account.add(FileAccount { file: "a".into(), counts: counts(10), ..FileAccount::default() });
        account.add(FileAccount { file: "b".into(), counts: counts(10), ..FileAccount::default() });
        assert_eq!(account.total.read, 20);
        assert!(account.adds_up() && !account.is_partial());
        account.total.read += 1;
        assert!(!account.adds_up());
    }

    #[test]
    fn its_json_is_flat_and_comes_back() {
        let outcome = Outcome::Damaged { error: "the end is missing".into() };
        let file = FileAccount { file: "a.gz".into(), outcome, counts: counts(10) };
        let json = serde_json::to_value(&file).unwrap();
        assert_eq!(json["outcome"], "damaged");
        assert_eq!(json["refused"]["not_json"], 2);
        assert_eq!(json["read"], 10);
        assert_eq!(serde_json::from_value::<FileAccount>(json).unwrap(), file);
    }
}
