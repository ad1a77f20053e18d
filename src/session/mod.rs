//! Sessions: the gap rule and the mergeable session summary. Pure; performs no I/O.

pub(crate) mod counts;
pub(crate) mod gap;
pub(crate) mod properties;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
pub(crate) mod text;

pub use counts::EventCounts;
pub use gap::{Mergeable, merge_adjacent, split_by_gap};
pub use summary::{First, Last, Location, SessionKey, SessionSummary, TrafficSource, UserProfile};
pub use text::{CowStr, TextInterner};
