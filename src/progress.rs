//! Progress reports of long work: ingest, verify, rebuild and merge.

/// A receiver of progress updates; called from any thread.
pub trait Progress: Sync {
    /// Sets the number of bytes to process.
    fn set_total(&self, bytes: u64);
    /// Adds to the number of processed or skipped bytes.
    fn advance(&self, bytes: u64);
    /// Sets the name of the current step: a file, a date or a table.
    fn set_step(&self, name: &str);
    /// Begins a phase with a number of bytes of its own. Until its end, progress is that of the
    /// phase.
    fn begin_phase(&self, name: &str, bytes: u64) {
        let _ = (name, bytes);
    }
    /// Ends a phase. The progress before it continues.
    fn end_phase(&self) {}
}

/// A [`Progress`] that ignores all updates.
#[derive(Clone, Copy, Debug)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn set_total(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn set_step(&self, _: &str) {}
}
