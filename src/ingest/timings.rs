//! Time per stage of an ingest, for `wa ingest --profile` and the benchmarks.

use std::time::{Duration, Instant};

/// The stages of the writing thread, in order. Reading and parsing run at the same time on other
/// threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for parsed blocks.
    Wait,
    /// Collecting the batch and assigning ids to lines without one.
    Gather,
    /// Dividing a batch into time ranges and keeping it in temporary files.
    Scatter,
    /// Finding duplicates in the batch and the store.
    Dedupe,
    /// Sorting events by session key.
    Sort,
    /// Encoding and writing the files of events, sessions and visitors.
    Tables,
    /// Recomputing daily statistics.
    Daily,
    /// Writing rejected lines.
    Rejects,
    /// Moving files into place and replacing the manifest.
    Commit,
}

impl Stage {
    /// All stages, in order.
    const ALL: [Stage; 9] = [
        Stage::Wait,
        Stage::Gather,
        Stage::Scatter,
        Stage::Dedupe,
        Stage::Sort,
        Stage::Tables,
        Stage::Daily,
        Stage::Rejects,
        Stage::Commit,
    ];

    /// Returns the name of the stage.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Wait => "wait",
            Stage::Gather => "gather",
            Stage::Scatter => "scatter",
            Stage::Dedupe => "dedupe",
            Stage::Sort => "sort",
            Stage::Tables => "tables",
            Stage::Daily => "daily",
            Stage::Rejects => "rejects",
            Stage::Commit => "commit",
        }
    }
}

/// The time spent in each stage.
#[derive(Clone, Debug)]
pub struct StageTimings {
    spent: [Duration; Stage::ALL.len()],
    since: Instant,
}

impl Default for StageTimings {
    fn default() -> Self {
        StageTimings { spent: Default::default(), since: Instant::now() }
    }
}

impl StageTimings {
    /// Adds the time since the last call to the time of a stage.
    pub fn record(&mut self, stage: Stage) {
        let now = Instant::now();
        self.spent[stage as usize] += now.duration_since(self.since);
        self.since = now;
    }

    /// Returns the stages with their times, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Stage, Duration)> + '_ {
        Stage::ALL.into_iter().zip(self.spent)
    }
}
