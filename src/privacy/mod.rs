//! What a person can ask for: to be erased, to be handed their data, and that old addresses go.
//!
//! [`trace`] finds the sessions that carry an [`identifier`] and follows it; [`forget()`] erases them
//! and what else holds the identifier (found by [`matcher`]) in one change of the store, and hands
//! out a [`receipt`]; [`gate`] keeps at ingest what was forgotten out; [`export`] writes events so
//! that an ingest takes them back; [`anonymize`] removes old addresses. The rules stand in
//! `docs/privacy.md`.

pub mod anonymize;
pub mod erase;
pub mod erasure_receipt;
pub mod export;
pub mod forget;
pub mod identity_resolution;
pub mod matcher;
pub mod redact;
pub mod rejects;
pub mod shared_ids;
#[cfg(test)]
pub mod tests;

pub use erasure_receipt::ErasureReceipt;
pub use forget::{ForgetOptions, forget, forget_with_writer};
