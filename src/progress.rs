//! Progress updates of long operations: ingest, verify, rebuild and merge.

/// A receiver of progress updates; called from any thread.
pub trait Progress: Sync {
    /// Sets the number of bytes to process.
    fn set_total(&self, bytes: u64);
    /// Adds to the number of processed or skipped bytes.
    fn advance(&self, bytes: u64);
    /// Sets the name of the current step: a file, a date or a table.
    fn set_step(&self, name: &str);
    /// Begins a phase with a separate number of bytes. Until the phase ends, progress refers to the
    /// phase.
    fn begin_phase(&self, name: &str, bytes: u64) {
        let _ = (name, bytes);
    }
    /// Ends a phase. Progress continues from its state before the phase.
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
