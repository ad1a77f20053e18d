//! Rows of the tables, to frames and back; the columns are those of [`super::columns`].

mod agents;
mod build;
mod times;

pub use build::Reader;
pub use times::{range, times};

pub mod daily_stats;
pub mod events;
pub mod merge_state;
pub mod sessions;
pub mod visitors;
