//! Parsing: from a block of lines to event rows and rejected lines.
//!
//! The result depends only on the block, the [`ParseOptions`] and the enricher, so blocks can be
//! parsed in any order and on any thread.
//!
//! A line passes through these modules:
//!
//! 1. [`block_parser`] scans the line with [`crate::json::Scanner`] and decides whether it is an
//!    event, an envelope, or rejected. [`unparsed_lines`] holds the lines that are too long or not
//!    UTF-8; [`lines`] finds the lines of mapped formats and of selected records.
//! 2. [`line_fields`] arranges the members of the object by field.
//! 3. [`row_builder`] builds the row: it reads the [`values`] and [`objects`], derives columns by
//!    [`enrichment`], and collects [`extra_fields`]. The interner in [`text`] stores each distinct
//!    string of the block once. [`envelope`] prepares the fields that the events of an envelope
//!    inherit.
//! 4. A line that cannot be read as an event becomes a [`rejected`] line; [`ip_masking`] removes
//!    IP addresses from the retained part of it, and [`trace`] adds its context. A [`selection`]
//!    limits the parser to records that were rejected before. [`warnings`] counts defects of the
//!    stored events.

pub(crate) mod block_parser;
mod enrichment;
mod envelope;
mod extra_fields;
pub(crate) mod ip_masking;
mod line_fields;
mod lines;
mod mapped;
mod objects;
pub(crate) mod rejected;
mod row_builder;
pub(crate) mod selection;
mod text;
mod trace;
mod unparsed_lines;
mod values;
pub(crate) mod warnings;

use super::{fields, timestamp};
use crate::event::{Block, EventRow};
use crate::ingest::input::blocks::UnfinishedLine;
use crate::settings::IpPolicy;
use crate::time::{Micros, Zone};
pub use block_parser::{Parser, parse};
use rejected::RejectedLine;
pub use trace::Trace;
use warnings::Warnings;

/// The settings that decide how a line is read.
#[derive(Clone)]
pub struct ParseOptions {
    /// The chatbot of lines without `chatbot_id`.
    pub chatbot: Option<String>,
    /// The current time. Events more than a day after it are rejected.
    pub now: Micros,
    /// How IP addresses are stored.
    pub ip: IpPolicy,
    /// The secret key of the store. It keys the visitor ids that are derived from IP address and
    /// user agent, and the hashes of rejected lines.
    pub visitor_key: [u8; 32],
    /// The time zone of times without an offset. Overrides the zone of the map, and the default,
    /// UTC.
    pub timezone: Option<Zone>,
}

/// The result of parsing a block or a part of a block.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The events, in the order of their lines.
    pub block: Block,
    /// The rejected lines and events, in the order of their lines.
    pub rejected: Vec<RejectedLine>,
    /// Estimated memory of `rejected`, in bytes, including the buffer to which they are written.
    pub rejected_size: usize,
    /// Events read: rows, rejected lines and events, ignored records, and the unfinished line.
    pub read: u64,
    /// Records that a map ignores, and values in wrappings that are not events.
    pub ignored: u64,
    /// Blank lines.
    pub blank: u64,
    /// The last line, if it is left for the next ingest.
    pub unfinished: Option<UnfinishedLine>,
    /// The warnings about the rows.
    pub warnings: Warnings,
    /// Rows with a time that has no offset and was read as UTC, since no zone was given.
    pub utc_times: u64,
    /// Whether every row has an id from its line.
    pub all_have_ids: bool,
    /// Upper bound of the number of distinct session keys: a session id that two chatbots use can
    /// count several times.
    pub session_keys: usize,
}

impl Parsed {
    /// Returns the estimated memory in bytes. It counts capacity rather than length, because a
    /// block of short lines allocates more than it uses.
    pub fn size(&self) -> usize {
        let rows = self.block.rows.capacity() * size_of::<EventRow>();
        size_of::<Parsed>() + self.block.texts.capacity() + rows + self.rejected_size
    }
}
