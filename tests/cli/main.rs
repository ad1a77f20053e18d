//! Tests that run the binary and check its streams, exit statuses and files.
//!
//! All are in one test binary, because each binary links Polars.

mod conventions;
mod cron;
mod disk;
mod docs;
mod gc;
mod golden;
mod harness;
mod ingest_summary;
mod inputs;
mod json;
mod maintenance;
mod memory;
mod privacy;
mod pruned;
mod sample_data;
mod settings;
mod store;
mod unchanged_files;
mod zone;
