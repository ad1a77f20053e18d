//! Parsing: from a block of lines to event rows and rejected lines.
//!
//! The result depends only on the block, the [`ParseOptions`] and the enricher, so blocks can be
//! parsed in any order and on any thread.
//!
//! A line passes through these modules:
//!
//! 1. [`block_parser`] scans the line with [`crate::json::Scanner`] and decides whether it is an
//!    event, an envelope, or rejected. [`unparsed_lines`] holds the lines that are too long or not
//!    UTF-8.
//! 2. [`line_fields`] arranges the members of the object by field.
//! 3. [`row_builder`] builds the row: it reads the [`values`] and [`objects`], derives columns by
//!    [`enrichment`], and collects [`extra_fields`]. The interner in [`text`] stores each distinct
//!    string of the block once. [`envelope`] prepares the fields that the events of an envelope
//!    inherit.
//! 4. A line that results in no row becomes a [`rejected`] line; [`ip_masking`] removes IP
//!    addresses from the retained part of it, and [`trace`] adds its context. A [`selection`]
//!    limits the parser to records that were rejected before.
//!    [`warnings`] count defects of the stored events.

pub(crate) mod block_parser;
mod enrichment;
mod envelope;
mod extra_fields;
pub(crate) mod ip_masking;
mod line_fields;
mod mapped;
mod objects;
mod parsed;
pub(crate) mod rejected;
mod row_builder;
pub(crate) mod selection;
mod text;
mod trace;
mod unparsed_lines;
mod values;
pub(crate) mod warnings;

use super::{fields, timestamp};
pub use block_parser::{Parser, parse};
pub use parsed::{ParseOptions, Parsed};
pub use trace::Trace;
