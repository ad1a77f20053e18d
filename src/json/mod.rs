//! JSON text (RFC 8259): the one scanner that ingest, privacy and reports share.
//!
//! No part builds a tree or copies a value; all of them return spans or slices of the text.
//!
//! - [`Scanner`] validates the values in a block of log lines and returns where they begin and end.
//!   It finds the ends of strings with [`structural_scan`], 64 bytes at a time.
//! - [`lenient`] finds strings, numbers and members without validating them: in text that was
//!   validated when it was ingested, and in rejected lines, which may be no JSON at all.
//! - [`escapes`] checks and decodes the escapes of strings.

pub mod escapes;
pub mod lenient;
mod scan;
mod span;
mod structural_scan;

pub use escapes::unescape;
pub use scan::{ESCAPED, Kind, LONE_SURROGATE, Member, Scanner, Value};
pub use span::Span;
