//! `wa`: analytics of chat widgets from NDJSON event logs, offline.
//!
//! The data's way, and the tree of this crate:
//!
//! 1. [`ingest`] finds the files, reads them in blocks, turns lines into events, gives each an id
//!    and accounts for every line;
//! 2. [`context`] says what an event's user agent, referrer, page and address mean;
//! 3. [`session`] cuts events into sessions and keeps them as mergeable summaries;
//! 4. [`store`] keeps the tables as Parquet files that one manifest names;
//! 5. [`report`] computes typed answers from the tables; [`render`] writes them down;
//! 6. [`cli`] turns arguments into calls of all these.

pub mod bloom;
pub mod care;
pub mod cli;
pub mod config;
pub mod context;
pub mod daily_stats;
pub mod error;
pub mod event;
pub mod hash;
pub mod ingest;
pub mod memory;
pub mod privacy;
pub mod read_at;
pub mod render;
pub mod report;
pub mod retention;
pub mod session;
pub mod settings;
pub mod status;
pub mod store;
pub mod time;

pub use error::{Error, Kind, Result};
