//! The properties that the targets try, which are those of the property tests.

#[path = "../../tests/properties/mod.rs"]
pub mod properties;
