//! Identifiers of persons: how logs encode them, and the keyed hashes that stand for erased ones.

pub mod decoding;
pub mod identifier;
