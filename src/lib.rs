//! `wa`: analytics of chat widgets from NDJSON event logs, offline.
//!
//! The modules follow the data:
//!
//! 1. [`ingest`] reads log files, parses lines into events and commits them;
//! 2. [`enrich`] derives browser, channel and location from user agent, URL and IP address;
//! 3. [`session`] splits events into sessions and merges their summaries;
//! 4. [`store`] keeps the tables as Parquet files that one manifest names;
//! 5. [`report`] computes typed answers from the tables; [`render`] formats them;
//! 6. [`maintenance`] and [`privacy`] verify, prune and erase;
//! 7. [`cli`] turns arguments into calls to the library.

pub mod allocator;
pub mod bloom;
pub mod cli;
pub mod config;
pub mod daily_stats;
mod decimal;
pub mod enrich;
pub mod error;
pub mod event;
pub mod identity;
pub mod ingest;
mod json;
pub mod maintenance;
pub mod positional_read;
pub mod prehashed;
pub mod privacy;
pub mod progress;
pub mod render;
pub mod report;
pub mod session;
pub mod settings;
pub mod store;
mod suggest;
#[cfg(test)]
mod testing;
pub mod time;

pub use error::{Error, ErrorKind, Result};
