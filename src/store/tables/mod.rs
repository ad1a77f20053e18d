//! Conversion between rows of the tables and the types of the program.
//!
//! Events and sessions are encoded directly as row groups, since a batch can have millions of them;
//! so are the daily statistics of a month with many rows. All other rows are converted to a frame
//! first. All tables are read from frames. The columns are those of [`columns`](super::columns).

mod column_order;
pub mod daily_stats;
pub mod events;
pub mod merge_state;
pub mod session_consistency;
pub mod sessions;
mod times;
mod user_agents;
pub mod visitors;

pub use times::{time_range, times};
