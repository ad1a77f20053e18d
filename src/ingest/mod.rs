//! Ingest: reads log files and commits their events to the store.
//!
//! Each stage has its own module:
//!
//! 1. `input` finds the files, decides whether each is new, has grown, or is unchanged,
//!    decompresses it, and divides it into blocks of whole lines.
//! 2. `parse` converts a block to event rows and rejected lines.
//! 3. `batch` assigns ids to events without one, finds duplicates, sorts the remaining events by
//!    session, and adds them to a transaction.
//! 4. `pipeline` runs these stages on several threads, commits, and returns the `summary`.
//!
//! `docs/architecture.md` lists the source files that process an event line, in order.
//! `docs/input.md` describes the fields, their formats, and the reasons for a rejection.

pub(crate) mod batch;
pub(crate) mod explanation;
pub(crate) mod fields;
pub(crate) mod input;
pub(crate) mod map;
pub(crate) mod parse;
mod parse_input;
pub(crate) mod pipeline;
pub mod preview;
pub(crate) mod scratch_store;
pub(crate) mod shape;
pub(crate) mod stored_reject;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
pub mod timestamp;
pub(crate) mod timings;

pub(crate) use fields::Field;
pub use input::blocks::{BlockReader, RawBlock, UnfinishedLine};
pub use input::discovery::{Input, UnreadFiles};
pub(crate) use map::presets;
pub use map::{Map, SharedMap};
pub use parse::rejected::{RejectReason, RejectedLine};
pub use parse::warnings::{Warning, Warnings};
pub use parse::{ParseOptions, Parsed, Parser, Trace, parse};
pub use parse_input::{built_in_maps, parse_input};
pub use pipeline::retry::{RetryReport, UnreadLines, retry, retry_with_writer};
pub use pipeline::{BATCHES_PER_COMMIT, IngestOptions, IngestReport, RejectedLineRef, run, run_with_writer};
pub use summary::{FileOutcome, FileSummary, IngestCounts, IngestSummary};
