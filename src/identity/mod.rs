//! Identifiers of persons: how logs encode them, and the keyed hashes that replace erased ones.
//!
//! Ingest uses them to suppress events of erased persons, privacy to find and erase them.

pub(crate) mod decoding;
pub(crate) mod identifier;

pub(crate) use identifier::Identifiers;
pub use identifier::{Identifier, IdentifierKind};
