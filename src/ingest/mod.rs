//! From lines of logs to committed batches.

pub mod batch;
pub mod dedupe;
pub mod identify;
pub mod known;
pub mod properties;
