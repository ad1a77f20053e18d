//! Sessions: the gap rule, and the mergeable summary that a session is kept as.

pub(crate) mod counts;
pub(crate) mod gap;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
pub(crate) mod text;

pub use counts::EventCounts;
pub use gap::{Mergeable, split_by_gap, merge_adjacent};
pub use summary::{Agent, First, Last, Location, UserProfile, SessionKey, TrafficSource, SessionSummary};
pub use text::{TextInterner, CowStr};
