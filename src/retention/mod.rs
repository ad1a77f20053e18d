//! What is kept, and for how long: `wa gc`.
//!
//! [`prune`] takes what is past its retention out of the tables, [`compact`] merges small files,
//! and [`gc()`] does both in one change of the store, and removes what no manifest names.

pub mod compact;
pub mod gc;
pub mod prune;

pub use gc::{Options, Report, gc};
