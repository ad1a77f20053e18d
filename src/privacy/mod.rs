//! Erasure, export and anonymization of personal data.
//!
//! - [`forget()`] erases a person in one commit and returns an [`ErasureReceipt`]. It resolves the
//!   identifiers to sessions (`identity_resolution`), removes these sessions (`erase`), redacts
//!   identifiers in the rows of other people (`matcher`, `redact`), and records keyed hashes, by
//!   which later ingests suppress the person's events.
//! - `export` selects stored events, of a person or of all, for the output formats of `render`.
//! - `anonymize` removes old IP addresses.
//!
//! `docs/privacy.md` has the rules.

pub(crate) mod anonymize;
mod erase;
mod erasure_receipt;
pub(crate) mod export;
mod forget;
mod identity_columns;
mod identity_graph;
mod identity_resolution;
mod matcher;
mod redact;
mod shared_ids;
#[cfg(test)]
mod tests;
mod word_search;

pub use erasure_receipt::ErasureReceipt;
pub use forget::{ForgetOptions, forget, forget_with_writer};
