//! Care for the store: `wa verify` looks whether everything is as it must be, `wa rebuild` makes
//! sessions and daily statistics again.
//!
//! Both rest on one thing: `walk` goes through the store date by date and says which sessions the
//! kept events and the rows of `seam` make. To verify is to compare them with the stored rows, to
//! rebuild is to put them in their place.
//!
//! Memory holds the events of two parts of a file, the sessions of about three days, and those that are
//! still open; it does not grow with the number of days.

pub(crate) mod daily;
pub(crate) mod difference;
pub(crate) mod files;
pub mod gc;
pub(crate) mod rebuild;
pub(crate) mod replay;
pub mod status;
#[cfg(test)]
mod tests;
pub(crate) mod verify;
pub(crate) mod visitors;

pub use difference::{Difference, Differences};
pub use rebuild::{Options as RebuildOptions, Report as RebuildReport, rebuild, rebuild_in};
pub use verify::{Report as VerifyReport, verify};

/// Is told how a check or a rebuild gets on.
pub trait Progress: Sync {
    /// The bytes to be gone through in all.
    fn total(&self, bytes: u64);
    /// So many more bytes were gone through.
    fn advance(&self, bytes: u64);
    /// This is being looked at.
    fn at(&self, what: &str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn total(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn at(&self, _: &str) {}
}
