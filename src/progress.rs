//! Progress reports of long work: ingest, verify and rebuild.

/// A receiver of progress updates; called from any thread.
pub trait Progress: Sync {
    /// Sets the number of bytes to process.
    fn set_total(&self, bytes: u64);
    /// Adds to the number of processed or skipped bytes.
    fn advance(&self, bytes: u64);
    /// Sets the name of the current step: a file, a date or a table.
    fn set_step(&self, name: &str);
}

/// A [`Progress`] that ignores all updates.
#[derive(Clone, Copy, Debug)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn set_total(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn set_step(&self, _: &str) {}
}
