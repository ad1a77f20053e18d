//! Rows of the tables, to frames and back; the columns are those of [`super::columns`].

mod build;
pub mod daily_stats;
pub mod events;
pub mod merge_state;
pub mod sessions;
mod times;
mod user_agents;
pub mod visitors;

pub use times::{range, times};
