//! Tests that run the binary and check its streams, exit statuses and files.
//!
//! All are in one test binary, because each binary links Polars.

mod access_logs;
mod broken_values;
mod conventions;
mod cron;
mod dashboard;
mod detection;
mod disk;
mod docs;
mod examples;
#[cfg(unix)]
mod foreign_store;
mod gc;
mod golden;
mod harness;
mod ingest_summary;
mod inputs;
mod interruption;
mod json;
mod limits;
mod lint;
mod maintenance;
mod memory;
mod merge;
mod preview;
mod privacy;
mod pruned;
mod rejects;
mod reports;
mod retry;
mod sample_data;
mod settings;
mod store;
mod terminal;
mod unchanged_files;
mod zone;
