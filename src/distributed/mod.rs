//! Distributed ingests, and distributed reports (`report`), as tasks for a cluster. The cluster
//! distributes rows and retries failed tasks. The package `spark/` runs the tasks on Apache Spark.
//!
//! The folder of the store is mounted at the same path on all machines. If it is not, the driver
//! works on a [`WorkingCopy`], and each task on a temporary folder with copies of the files that
//! it needs. The package `spark/` copies these files.
//!
//! 1. [`Job::begin`] locks the store and finds the input files.
//! 2. A [`ParseTask`] per file converts its lines to [`Rows`]. The cluster distributes them by
//!    event key.
//! 3. A [`DedupeTask`] per partition removes duplicates. [`stored_rows`] adds the events that are
//!    already stored. The cluster distributes the remaining events by session key.
//! 4. [`stored_sessions`] adds the stored sessions at the times of new events. A [`SessionsTask`]
//!    per partition writes events and sessions to files in `staging/`, merges them with the stored
//!    sessions that they continue, and reports which stored rows it replaced.
//! 5. [`rewrite()`] writes the remaining rows of each stored file that loses rows.
//! 6. [`Job::finish`] updates visitors and daily statistics, and commits.
//!
//! The tasks call the same functions as an ingest on one machine. A task can run several times:
//! only the files that the job's reports name become part of the store, and the end of the job
//! removes all others. Until the commit, the store is unchanged.

use crate::error::Result;
use crate::ingest::input::discovery::is_log;
use crate::store::manifest::Manifest;

mod dedupe;
mod event_codec;
mod job;
mod parse;
mod report;
mod rows;
mod sessions;
mod stored_sessions;
mod task;
mod working_copy;

pub use dedupe::{DedupeTask, stored_rows};
pub use job::{Job, JobReport, JobRequest, ListedFile};
pub use parse::{ParseReport, ParseTask};
pub use report::{ReportContext, ReportFile, ReportSettings, VisitorsTask, read_result};
pub use rows::{Binary, Head, RowSorter, Rows, SortKey, kind};
pub use sessions::{Rewrite, RewriteReport, SessionsTask, rewrite};
pub use stored_sessions::{StoredSessions, stored_sessions};
pub use task::{JobOptions, TaskContext, TaskSettings};
pub use working_copy::{FileRequests, WorkingCopy};

/// Returns whether a file in a folder is read as a log, by its name.
pub fn is_log_name(name: &str) -> bool {
    is_log(std::path::Path::new(name))
}

/// Returns the path and the size of each file that a manifest names, relative to the store.
///
/// # Errors
/// Fails if the manifest is damaged, or if it names a file that cannot belong to it.
pub fn manifest_files(bytes: &[u8]) -> Result<Vec<(String, u64)>> {
    let manifest = Manifest::from_bytes(bytes)?;
    let data = manifest.tables.values().flatten().map(|file| (file.path.clone(), file.bytes));
    let side = manifest.rejects.iter().chain(&manifest.sources).chain(&manifest.ledger);
    Ok(data.chain(side.map(|file| (file.path.clone(), file.bytes))).collect())
}
