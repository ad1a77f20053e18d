//! From lines of logs to committed batches.

pub mod properties;
