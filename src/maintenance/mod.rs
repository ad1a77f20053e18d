//! Maintenance of a store: `wa verify`, `wa rebuild`, `wa merge`, `wa gc` and `wa status`.
//!
//! [`verify()`] and [`rebuild()`] share one mechanism. `replay` reads the store date by date and
//! computes the sessions from the retained events. For sessions with pruned events, it uses the
//! stored rows. Verify compares the computed sessions with the stored rows; rebuild writes them.
//!
//! At any time, two batches of events of a file, the sessions of about three days, and earlier open
//! sessions are in memory, regardless of the number of days.
//!
//! [`gc()`] prunes, removes IP addresses, compacts and removes orphan files. `status` reads the
//! manifest, the daily statistics and the newest sessions.
//! [`merge()`] adds whole stores to a store.
//! `reject_list` lists rejected lines.

pub(crate) mod chatbots;
mod daily;
mod difference;
mod files;
mod gc;
mod merge;
mod rebuild;
pub(crate) mod reject_list;
mod repeated_events;
mod replay;
pub(crate) mod status;
#[cfg(test)]
mod tests;
mod verify;
mod visitors;

pub use difference::Difference;
pub use gc::{GcOptions, GcReport, gc, gc_with_writer};
pub use merge::{
    ErasedRows, MergeOptions, MergeReport, MergeSource, MergedEvents, MergedRejects, MergedSessions,
    MergedSource, merge, merge_with_writer,
};
pub use rebuild::{RebuildOptions, RebuildReport, rebuild, rebuild_with_writer};
pub use verify::{VerifyReport, verify};
