//! JSON (RFC 8259) as it stands in a block of lines: strictly checked, borrowed, never copied.
//!
//! [`marks`] finds the bytes at which a string can end, sixteen at a time; [`scan`] walks over the
//! values and checks them, without recursion; [`escapes`] makes text out of strings that have
//! escapes.

pub mod escapes;
pub mod scan;
pub mod structural_scan;

pub use scan::{Kind, Scanner};
