//! Care for the store: `wa verify` looks whether everything is as it must be, `wa rebuild` makes
//! sessions and daily statistics again.
//!
//! Both rest on one thing: `walk` goes through the store date by date and says which sessions the
//! kept events and the rows of `seam` make. To verify is to compare them with the stored rows, to
//! rebuild is to put them in their place.
//!
//! Memory holds the events of two parts of a file, the sessions of about three days, and those that are
//! still open; it does not grow with the number of days.

mod ahead;
mod alike;
mod daily;
mod difference;
mod events;
mod files;
mod rebuild;
mod seam;
mod stored;
#[cfg(test)]
mod tests;
mod verify;
mod visitors;
mod walk;

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
