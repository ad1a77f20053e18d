//! Records other than native lines.
//!
//! - [`format_detection`] decides how a file is read, based on its beginning; [`formats`] holds the
//!   user's choices.
//! - [`record_reader`] reads a file in blocks of native lines, or of records: JSON [`values`] that
//!   span lines, [`rows`] of CSV with the names of their [`columns`], and the contents of
//!   wrappings. The [`unwrapper`] extracts these, together with the [`defaults`] that a wrapping
//!   supplies. [`nested`] decides which values inside a wrapping are wrapped again.
//!
//! The types below describe such a block to the parser.

mod columns;
mod csv_blocks;
mod defaults;
pub(crate) mod format_detection;
pub(crate) mod formats;
mod nested;
pub(crate) mod record_reader;
mod rows;
mod unwrapper;
mod values;

use std::sync::Arc;

pub(crate) use columns::distinct_columns;
pub(crate) use rows::{first_row, whole_rows};

use crate::ingest::map::{Reader, SharedMap};

/// The largest record, in bytes.
pub const RECORD_LIMIT: usize = 16 << 20;

/// A position in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line number, from 1.
    pub line: u64,
    /// Offset in the decompressed input.
    pub offset: u64,
}

/// The records of a block.
#[derive(Clone, Debug)]
pub struct Records {
    /// How the block is divided into records.
    pub layout: Layout,
    /// The map that reads them; `None` for native lines.
    pub map: Option<SharedMap>,
    /// Number of values in wrappings that are not events.
    pub ignored: u64,
    /// Records that could not be read.
    pub broken: Vec<BrokenRecord>,
}

/// How a block is divided into records.
#[derive(Clone, Debug)]
pub enum Layout {
    /// JSON values, one or more per line.
    JsonLines,
    /// Lines of text that match a pattern.
    Text,
    /// Rows of fields, and the names of the fields.
    Rows(Reader, Arc<[String]>),
    /// Records that were extracted from other records, one per line.
    Prepared(Vec<Prepared>),
}

/// A record that has its own line in the block, and its own position in the input.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// Offset of the record in the block. A line feed follows it.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
    /// Line number in the input at which the record begins, from 1.
    pub line: u64,
    /// Offset in the decompressed input at which the record begins.
    pub offset: u64,
    /// The map that reads the record; `None` if it is not inside a wrapping, or is native.
    pub map: Option<SharedMap>,
    /// The columns that the wrapping supplies for events that lack them, as the offset and the
    /// length of a JSON object, which fills a line of the block.
    pub defaults: Option<(u32, u32)>,
}

/// A record that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokenRecord {
    /// Line number at which it begins, from 1.
    pub line: u64,
    /// Offset in the decompressed input.
    pub offset: u64,
    /// Why it could not be read.
    pub reason: BrokenReason,
    /// Its bytes, or the first of them.
    pub bytes: Vec<u8>,
    /// Its whole length in bytes.
    pub length: u64,
}

/// The reason why a record could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BrokenReason {
    /// It is longer than [`RECORD_LIMIT`].
    TooLong,
    /// It is not UTF-8.
    NotUtf8,
    /// It is not JSON.
    NotJson,
    /// It is a row of CSV whose quote is not closed before the end of the file.
    OpenQuote,
    /// It does not match the pattern of its map.
    NoMatch,
    /// Its wrapped content cannot be decoded.
    BadWrapping,
    /// Its wrappings are nested too deeply.
    TooDeep,
}
