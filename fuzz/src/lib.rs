//! The properties of the fuzz targets, shared with the property tests.

#[path = "../../tests/properties/mod.rs"]
pub mod properties;
