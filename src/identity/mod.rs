//! Identifiers of persons: how logs encode them, and the keyed hashes that replace erased ones.
//!
//! Ingest uses them to reject events of erased persons, privacy to find and erase them.

pub mod decoding;
pub mod identifier;

pub use identifier::{Identifier, IdentifierKind, Identifiers};
