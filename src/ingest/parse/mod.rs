//! Parsing: from a block of lines to event rows and rejected lines.
//!
//! The result depends on the block, the [`ParseOptions`] and the enrichment context alone, so that
//! blocks can be parsed in any order and on any thread.
//!
//! A line passes these modules:
//!
//! 1. [`block_parser`] scans the line with [`crate::json::Scanner`] and decides whether it is an
//!    event, an envelope, or rejected. [`unparsed_lines`] holds the lines that are too long or not
//!    UTF-8.
//! 2. [`line_fields`] sorts the members of the object by the [`fields`] that they name.
//! 3. [`row_builder`] builds the row: it reads the [`values`] and the [`timestamp`], derives
//!    columns by [`enrichment`], and collects [`extra_fields`]. Text goes to the [`text`] of the
//!    block. [`envelope`] prepares the fields that the events of an envelope inherit.
//! 4. A line that makes no row becomes a [`rejected`] line; [`ip_masking`] removes IP addresses
//!    from what is retained of it. [`warnings`] count oddities of the stored events.

pub(crate) mod block_parser;
mod enrichment;
mod envelope;
mod extra_fields;
pub(crate) mod fields;
pub(crate) mod ip_masking;
mod line_fields;
mod parsed;
pub(crate) mod rejected;
mod row_builder;
mod text;
pub mod timestamp;
mod unparsed_lines;
mod values;
pub(crate) mod warnings;

pub use block_parser::{Parser, parse};
pub use parsed::{ParseOptions, Parsed};
