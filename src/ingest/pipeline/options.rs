//! The options of an ingest.

use std::path::PathBuf;
use std::time::Duration;

use crate::ingest::map::SharedMap;
use crate::time::{Clock, Zone};

/// The options of an ingest.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// Files, folders, globs, or `-` for standard input.
    pub inputs: Vec<PathBuf>,
    /// The chatbot of lines without `chatbot_id`.
    pub chatbot: Option<String>,
    /// The map that reads all files; `None` to detect the format of each file.
    pub map: Option<SharedMap>,
    /// The time zone of times without an offset. Overrides the zone of the map.
    pub timezone: Option<Zone>,
    /// Whether to read files even if they are unchanged.
    pub force: bool,
    /// Whether to commit only once, at the end.
    pub atomic: bool,
    /// The maximum number of rejected lines. If more are rejected, nothing is committed. Implies
    /// `atomic`.
    pub max_rejects: Option<u64>,
    /// The current time.
    pub clock: Clock,
    /// The time to wait for another writer.
    pub lock_timeout: Duration,
    /// The file of the secret key, if it is not in the store.
    pub key_file: Option<PathBuf>,
    /// The size of a batch in memory, in bytes; `None` for a share of the memory budget.
    pub batch_bytes: Option<usize>,
    /// Number of batches per commit, unless `atomic`. A commit contains more of them if updating
    /// the daily statistics takes long, and fewer if many chatbots and days wait for that update,
    /// or if the batches are very large.
    pub batches_per_commit: usize,
}

/// The number of batches per commit. Each commit syncs about 25 files and folders, and the writing
/// thread waits for them. After an interruption, the next ingest reads the batches since the last
/// commit again.
pub const BATCHES_PER_COMMIT: usize = 4;

impl IngestOptions {
    /// Returns whether there is a single commit, at the end.
    pub(super) fn commits_once(&self) -> bool {
        self.atomic || self.max_rejects.is_some()
    }
}
