//! Distributed ingests, and distributed reports (`report`), as tasks for a cluster. The cluster
//! distributes rows and retries failed tasks. The package `spark/` runs the tasks on Apache Spark.
//!
//! The folder of the store is mounted at the same path on all machines.
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

mod dedupe;
mod event_codec;
mod job;
mod parse;
mod report;
mod rows;
mod sessions;
mod stored_sessions;
mod task;

pub use dedupe::{DedupeTask, stored_rows};
pub use job::{Job, JobReport};
pub use parse::{ParseReport, ParseTask};
pub use report::{ReportContext, ReportFile, ReportSettings, VisitorsTask, read_result};
pub use rows::{Binary, Head, RowSorter, Rows, SortKey, kind};
pub use sessions::{Rewrite, RewriteReport, SessionsTask, rewrite};
pub use stored_sessions::{StoredSessions, stored_sessions};
pub use task::{JobOptions, TaskContext, TaskSettings};
