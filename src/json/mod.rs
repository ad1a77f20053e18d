//! JSON text (RFC 8259): the one scanner that ingest, privacy and reports share.
//!
//! The readers do not copy values; they return spans or slices of the text.
//!
//! - [`Scanner`] validates the values in a block of log lines and returns where they begin and end.
//!   It finds the ends of strings with [`structural_scan`], 64 bytes at a time.
//! - [`lenient`] finds strings, numbers and members without validating them: in text that was
//!   validated when it was ingested, and in rejected lines, which may not be JSON.
//! - [`Tree`] holds the positions of all values of a text, for maps, which read many of them.
//! - [`compact`] writes a value without white space, or line feeds, between its tokens.
//! - [`escapes`] checks and decodes the escapes of strings.

pub mod compact;
pub mod escapes;
mod key;
mod key_table;
pub mod lenient;
mod scan;
mod span;
mod structural_scan;
mod text_buffer;
mod tree;

pub use escapes::unescape;
pub use key::Key;
pub use key_table::KeyTable;
pub use scan::{ESCAPED, Kind, LONE_SURROGATE, Member, Scanner, UNQUOTED, Value};
pub use span::Span;
pub use structural_scan::{ByteClass, StructuralBits};
pub use text_buffer::TextBuffer;
pub use tree::{NodeId, RowKey, Tree, TreeError};
