//! Ingest: reads log files and commits their events to the store.
//!
//! The stages, in the order in which a line passes them:
//!
//! 1. [`input`] finds the files, decides whether each is new, grown or unchanged, decompresses it
//!    and cuts it into blocks of whole lines;
//! 2. [`mod@parse`] turns a block into events and rejected lines;
//! 3. [`batch`] gathers events, assigns ids to lines without one, removes duplicates, orders the
//!    rest by session and adds them to a transaction;
//! 4. [`pipeline`] runs the stages on several threads, commits, and returns the [`summary`].
//!
//! `docs/input.md` lists the fields, their formats and the reasons for a rejection.

pub mod batch;
pub mod input;
pub mod parse;
pub mod pipeline;
pub mod summary;
#[cfg(test)]
mod tests;

pub use input::blocks::{BlockReader, RawBlock, UnfinishedLine};
pub use input::discovery::{FoundInputs, Input, find};
pub use parse::fields::Field;
pub use parse::{ParseOptions, Parsed, Parser, parse};
pub use summary::reason::RejectReason;
pub use summary::rejected::{RejectedIdentity, RejectedLine};
pub use summary::warnings::{Warning, Warnings};
pub use summary::{FileOutcome, FileSummary, IngestCounts, IngestSummary};
