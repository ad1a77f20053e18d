//! How long each stage of an ingest took, for `wa ingest --profile` and the benchmarks.

use std::time::{Duration, Instant};

/// The stages that the writing thread goes through, in order; reading and parsing go on beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waiting for blocks to be read and parsed.
    Wait,
    /// Ids by ordinals, and gathering the batch.
    Gather,
    /// Finding duplicates in the batch and the store.
    Dedupe,
    /// Sorting events by session key.
    Sort,
    /// Making the files of events, sessions and first sights, side by side, and writing them meanwhile.
    Tables,
    /// Working days out again.
    Daily,
    /// Refused lines.
    Rejects,
    /// Moving files into place and replacing the manifest.
    Commit,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 8] = [
        Stage::Wait,
        Stage::Gather,
        Stage::Dedupe,
        Stage::Sort,
        Stage::Tables,
        Stage::Daily,
        Stage::Rejects,
        Stage::Commit,
    ];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Wait => "wait",
            Stage::Gather => "gather",
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
    /// Books the time since the last call to a stage.
    pub fn book(&mut self, stage: Stage) {
        let now = Instant::now();
        self.spent[stage as usize] += now.duration_since(self.since);
        self.since = now;
    }

    /// Returns each stage with its time.
    pub fn list(&self) -> impl Iterator<Item = (Stage, Duration)> + '_ {
        Stage::ALL.into_iter().zip(self.spent)
    }
}
