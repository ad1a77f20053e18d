//! The result of an ingest.

use serde::Serialize;

use crate::error::Error;
use crate::ingest::explanation::Explanation;
use crate::ingest::input::discovery::UnreadFiles;
use crate::ingest::parse::rejected::RejectReason;
use crate::ingest::summary::IngestSummary;
use crate::ingest::timings::StageTimings;
use crate::time::Day;

/// The position of a rejected line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedLineRef {
    /// Name of the file.
    pub file: String,
    /// Line number, from 1.
    pub line: u64,
    /// The reason.
    pub reason: RejectReason,
}

/// The result of an ingest.
#[derive(Debug, Default)]
pub struct IngestReport {
    /// The outcome of every event.
    pub summary: IngestSummary,
    /// Inputs that could not be found or read to their end.
    pub problems: Vec<Error>,
    /// The files of input folders that were not read.
    pub unread: UnreadFiles,
    /// Whether the stored events are committed. After a failure: whether at least one batch is.
    pub committed: bool,
    /// Whether more lines were rejected than `max_rejects` allows, so that nothing was committed.
    pub too_many_rejected: bool,
    /// Number of rejected lines that were added to the store. Lines that it already had do not
    /// count.
    pub new_rejects: u64,
    /// The first rejected lines, if `max_rejects` is set. They are in the store only if the ingest
    /// was committed.
    pub first_rejected: Vec<RejectedLineRef>,
    /// The explanation if everything was rejected; `None` if anything was accepted, or nothing was
    /// read.
    pub explanation: Option<Explanation>,
    /// Events with a time that has no offset and was read as UTC, since no zone was given.
    pub utc_times: u64,
    /// Files that an earlier ingest read with another map.
    pub had_other_map: Vec<String>,
    /// Pruned days whose events were read but not stored: chatbot and UTC date.
    pub pruned_days: Vec<(String, Day)>,
    /// The time spent in each stage.
    pub timings: StageTimings,
    /// The error that ended the ingest early. Batches that were committed before it remain.
    pub failure: Option<Error>,
}
