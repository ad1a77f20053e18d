//! Drives the binary: its streams, exit statuses and files, as a user or cron sees them.
//!
//! One test binary for all of it, since every one links the whole of Parquet.

mod ingest_summary;
mod maintenance;
mod conventions;
mod cron;
mod disk;
mod docs;
mod gc;
mod golden;
mod harness;
mod inputs;
mod json;
mod unchanged_files;
mod memory;
mod privacy;
mod pruned;
mod sample_data;
mod settings;
mod store;
mod zone;
