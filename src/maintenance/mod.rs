//! Maintenance of a store: `wa verify`, `wa rebuild`, `wa gc` and `wa status`.
//!
//! [`verify()`] and [`rebuild()`] share one mechanism: `replay` reads the store
//! date by date and computes the sessions that follow from the retained events and from rows whose
//! events were pruned in part. Verify compares them with the stored rows; rebuild writes them.
//!
//! Memory holds the events of two batches of a file, the sessions of about three days, and earlier
//! sessions that are still open. It does not grow with the number of days.
//!
//! [`gc()`] prunes, removes IP addresses, compacts and removes orphan files. `status` reads the
//! manifest only.

mod daily;
mod difference;
mod files;
mod gc;
mod rebuild;
mod replay;
pub(crate) mod status;
#[cfg(test)]
mod tests;
mod verify;
mod visitors;

pub use difference::Difference;
pub use gc::{GcOptions, GcReport, gc, gc_with_writer};
pub use rebuild::{RebuildOptions, RebuildReport, rebuild, rebuild_with_writer};
pub use verify::{VerifyReport, verify};
