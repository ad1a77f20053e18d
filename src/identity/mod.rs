//! Identifiers of people: how logs encode them, and the keyed hashes that replace erased ones.
//!
//! Ingest uses them to suppress events of erased people; privacy uses them to find and erase
//! people.

pub(crate) mod canonical;
pub(crate) mod charsets;
pub(crate) mod decoding;
mod entities;
pub(crate) mod identifier;

pub(crate) use identifier::Identifiers;
pub use identifier::{Identifier, IdentifierKind};
