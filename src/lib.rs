//! `wa`: offline analytics for chat widgets, from event logs.
//!
//! The modules follow the data:
//!
//! 1. [`ingest`] reads log files, parses lines into events and commits them;
//! 2. [`enrich`] derives browser, channel and location from user agent, URL and IP address;
//! 3. [`session`] splits events into sessions and merges their summaries;
//! 4. [`store`] stores the tables as Parquet files, which one manifest lists;
//! 5. [`report`] computes typed answers from the tables; [`render`] formats them;
//! 6. [`maintenance`] and [`privacy`] verify, prune and erase; [`lint`] checks events;
//!    [`dashboard`] writes reports as an HTML page;
//! 7. [`distributed`] divides ingests and reports into tasks for a cluster;
//! 8. [`cli`] converts arguments to calls of the library.

pub mod allocator;
pub mod bloom;
pub mod cli;
pub mod config;
pub mod daily_stats;
pub mod dashboard;
mod decimal;
pub mod distributed;
pub mod enrich;
pub mod error;
pub mod event;
pub mod identity;
pub mod ingest;
pub mod interruption;
mod json;
pub mod lint;
pub mod maintenance;
pub mod positional_read;
pub mod prehashed;
pub mod privacy;
pub mod progress;
pub mod regular_file;
pub mod render;
pub mod report;
pub mod session;
pub mod settings;
mod shell;
pub mod store;
mod suggest;
#[cfg(test)]
mod testing;
pub mod threads;
pub mod time;

pub use error::{Error, ErrorKind, Result};
