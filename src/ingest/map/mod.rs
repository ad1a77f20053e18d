//! Maps: rules that convert the records of a log in another format to events.
//!
//! A map is a TOML file. `docs/maps.md` describes the language.
//!
//! - [`language`] reads and validates a map. Its parts are compiled once: [`pointer`],
//!   [`expression`], [`condition`], [`filter`] and [`names`].
//! - [`record`] evaluates expressions on a record, whose pointers [`pointer::tree`] resolves in one
//!   pass; [`nulls`] lists the strings that are null.
//! - [`unwrap`] finds the values inside a record.
//! - [`local_time`] reads the times of maps.
//! - [`presets`] contains the built-in maps; [`detect`] decides which map reads a file.
//!
//! A map is a pure function of one record. All of these modules are independent of files and
//! threads.

pub(crate) mod condition;
mod describe;
pub(crate) mod detect;
pub(crate) mod expression;
pub(crate) mod filter;
mod language;
pub(crate) mod local_time;
pub(crate) mod names;
pub(crate) mod nulls;
pub(crate) mod pointer;
pub(crate) mod presets;
pub(crate) mod record;
pub(crate) mod row;
mod toml_file;
pub(crate) mod unwrap;

use std::sync::Arc;

use condition::{Alternatives, Condition};
use expression::Expression;
use names::Names;
use nulls::Nulls;
use pointer::tree::PointerTree;
use regex::Regex;
use unwrap::{Join, Place};

use super::fields::Field;
use crate::time::Zone;

/// The form of a file's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// JSON values.
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// Tab-separated values without quotes and without a header.
    Tsv,
    /// The W3C extended log format, separated by tabs or spaces.
    W3c,
    /// Lines that match a regular expression.
    Text,
}

impl Reader {
    /// All readers.
    pub const ALL: [Reader; 5] = [Reader::Json, Reader::Csv, Reader::Tsv, Reader::W3c, Reader::Text];

    /// Returns the name in a map.
    pub fn name(self) -> &'static str {
        match self {
            Reader::Json => "json",
            Reader::Csv => "csv",
            Reader::Tsv => "tsv",
            Reader::W3c => "w3c",
            Reader::Text => "text",
        }
    }
}

/// A validated map.
#[derive(Debug)]
pub struct Map {
    /// The name of a preset, or the path of the file as given.
    pub name: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// A one-line description of the format.
    pub about: String,
    /// The possible forms of the records; at least one.
    pub readers: Vec<Reader>,
    /// The names of the columns of a row without a header.
    pub columns: Vec<String>,
    /// The pattern of a text line.
    pub pattern: Option<Regex>,
    /// The conditions by which the map is detected.
    pub detect: Vec<Alternatives>,
    /// Lists of conditions. A record is ignored if all conditions of any list hold.
    pub ignore: Vec<Vec<Condition>>,
    /// The strings that are null.
    pub nulls: Nulls,
    /// The time zone of times without an offset.
    pub timezone: Option<Zone>,
    /// The patterns of times, which are tried first.
    pub time_formats: Vec<String>,
    /// Whether numeric times are local times as well.
    pub local_epoch: bool,
    /// The pointers to the events or to the wrapped values; if empty, the record itself.
    pub unwrap: Vec<Place>,
    /// How the parts of split text are joined.
    pub join: Option<Join>,
    /// The kind of the map.
    pub kind: MapKind,
}

/// The kind of a map.
#[derive(Debug)]
pub enum MapKind {
    /// Events.
    Events(EventMap),
    /// A wrapping. The format of its values is then detected.
    Wrapping(Defaults),
}

/// The columns of the events of a map.
#[derive(Debug, Default)]
pub struct EventMap {
    /// The columns, in the order of the fields. `event_name` is among them.
    pub columns: Vec<(Field, Expression)>,
    /// The keys that are set in `properties`.
    pub properties: Vec<(String, Expression)>,
    /// The names of events.
    pub names: Names,
    /// The pointers of these expressions.
    pub pointers: PointerTree,
}

/// The values that a wrapping adds to the events inside it.
#[derive(Debug, Default)]
pub struct Defaults {
    /// The columns that are set for events that lack them.
    pub columns: Vec<(Field, Expression)>,
    /// The members that are added to a wrapped object that lacks them.
    pub members: Vec<(String, Expression)>,
}

impl Map {
    /// Returns whether the map reads a wrapping.
    pub fn is_wrapping(&self) -> bool {
        matches!(self.kind, MapKind::Wrapping(_))
    }

    /// Returns the number of conditions by which the map is detected. A pattern counts as one.
    pub fn conditions(&self) -> usize {
        self.detect.len() + usize::from(self.pattern.is_some())
    }

    /// Returns the pointers of the expressions of events; none for a wrapping.
    pub fn pointers(&self) -> &PointerTree {
        static NONE: PointerTree = PointerTree::NONE;
        match &self.kind {
            MapKind::Events(events) => &events.pointers,
            MapKind::Wrapping(_) => &NONE,
        }
    }

    /// Returns whether the map may read a column of rows. A map with `unwrap` may read all.
    pub fn reads_column(&self, name: &str) -> bool {
        !self.unwrap.is_empty() || self.pointers().field(name).is_some()
    }

    /// Returns whether a line of text matches the pattern.
    pub fn fits_text(&self, line: &str) -> bool {
        self.has_reader(Reader::Text) && self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(line))
    }

    /// Returns whether records can have a form.
    pub fn has_reader(&self, reader: Reader) -> bool {
        self.readers.contains(&reader)
    }
}

/// A map that several threads use.
pub type SharedMap = Arc<Map>;
