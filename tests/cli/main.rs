//! Drives the binary: its streams, exit statuses and files, as a user or cron sees them.
//!
//! One test binary for all of it, since every one links the whole of Parquet.

mod account;
mod care;
mod conventions;
mod cron;
mod disk;
mod docs;
mod gc;
mod golden;
mod harness;
mod inputs;
mod json;
mod known;
mod memory;
mod privacy;
mod pruned;
mod sample_data;
mod settings;
mod store;
mod zone;
