//! Ingest: reads log files and commits their events to the store.
//!
//! Each stage has one owner:
//!
//! 1. `input` finds the files, decides whether each is new, has grown, or is unchanged,
//!    decompresses it, and cuts it into blocks of whole lines.
//! 2. `parse` turns a block into event rows and rejected lines.
//! 3. `batch` assigns ids to events without one, finds duplicates, sorts the rest by session, and
//!    adds them to a transaction.
//! 4. `pipeline` runs these stages on several threads, commits, and returns the `summary`.
//!
//! An event line passes these files of this module, in order:
//!
//! 1. `pipeline/mod.rs`: opens the store and starts the threads
//! 2. `input/discovery.rs`: finds the file
//! 3. `pipeline/read_ahead.rs`: starts the reading and parsing threads
//! 4. `pipeline/file_reader.rs`: reads the file
//! 5. `input/source_registry.rs`: decides where to begin
//! 6. `input/blocks.rs`: reads a block that contains the line
//! 7. `parse/block_parser.rs`: scans the line
//! 8. `parse/line_fields.rs`: sorts its members by field
//! 9. `parse/row_builder.rs`: builds the row
//! 10. `parse/values.rs`: reads the values
//! 11. `parse/enrichment.rs`: derives device, source and location
//! 12. `pipeline/run.rs`: adds the row to a batch
//! 13. `pipeline/flush.rs`: writes and commits the batch
//! 14. `batch/mod.rs`: decides the outcome of the event, sorts it into its session, and passes it
//!     to `crate::store::update`
//! 15. `batch/dedupe.rs`: checks for duplicates
//!
//! `docs/input.md` describes the fields, their formats, and the reasons for a rejection.

pub(crate) mod batch;
pub(crate) mod input;
pub(crate) mod parse;
pub(crate) mod pipeline;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
pub(crate) mod timings;

pub use input::blocks::{BlockReader, RawBlock, UnfinishedLine};
pub use input::discovery::{FolderWithoutLogs, Input};
pub(crate) use parse::fields::Field;
pub use parse::rejected::{RejectReason, RejectedLine};
pub use parse::warnings::{Warning, Warnings};
pub use parse::{ParseOptions, Parsed, Parser, parse, timestamp};
pub use pipeline::{IngestOptions, IngestReport, RejectedLineRef, run, run_with_writer};
pub use summary::{FileOutcome, FileSummary, IngestCounts, IngestSummary};
