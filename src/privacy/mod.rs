//! What a person can ask for: to be erased, to be handed their data, and that old addresses go.
//!
//! [`trace`] finds the sessions that carry an [`identifier`] and follows it; [`forget()`] erases them
//! and what else holds the identifier (found by [`needles`]) in one change of the store, and hands
//! out a [`receipt`]; [`gate`] keeps at ingest what was forgotten out; [`export`] writes events so
//! that an ingest takes them back; [`anonymize`] removes old addresses. The rules stand in
//! `docs/privacy.md`.

pub mod anonymize;
pub mod erase;
pub mod export;
pub mod forget;
pub mod gate;
pub mod identifier;
pub mod needles;
pub mod receipt;
pub mod redact;
pub mod rejects;
pub mod shared;
#[cfg(test)]
pub mod tests;
pub mod trace;

pub use forget::{Options, forget};
pub use gate::Gate;
pub use identifier::{Identifier, Kind};
pub use receipt::Receipt;
