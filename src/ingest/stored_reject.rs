//! Reads stored rejected lines again, for `wa rejects --retry`.
//!
//! A line is read in the same way as from its file, so that its event gets the same id. A line is
//! not read if the stored part is not sufficient for that.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::input::blocks::RawBlock;
use super::input::records::{Layout, Prepared, Records, first_row, whole_rows};
use super::map::{Map, Reader, SharedMap, presets};
use super::parse::rejected::hex_line_hash;
use crate::store::key::SecretKey;
use crate::store::rejects::RejectRecord;

/// The largest map that is read, in bytes.
const MAP_LIMIT: u64 = 1 << 20;

/// The reason why a stored rejected line cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// Its text was removed.
    Removed,
    /// It is longer than the stored text.
    Truncated,
    /// IP addresses were removed from it.
    IpAddressesRemoved,
    /// It is a part of a record, and the rest is not stored.
    PartOfARecord,
    /// It is a row, and the names of its columns are not stored.
    UnknownColumns,
    /// It is a part of a row that spans lines.
    RowOverLines,
    /// The map that read it is not built in, and its file cannot be read.
    UnknownMap,
}

impl Unreadable {
    /// Returns a description that follows "N lines: ".
    pub fn describe(self) -> &'static str {
        match self {
            Unreadable::Removed => "the text was removed",
            Unreadable::Truncated => "only the first 64 KiB are stored",
            Unreadable::IpAddressesRemoved => "IP addresses were removed",
            Unreadable::PartOfARecord => "only a part of the record is stored",
            Unreadable::UnknownColumns => "the names of the columns are not stored",
            Unreadable::RowOverLines => "the row spans lines",
            Unreadable::UnknownMap => "the map cannot be read; name one with --map",
        }
    }
}

/// A rejected line that can be read.
#[derive(Debug)]
pub enum StoredReject {
    /// The line as a block.
    Block(Box<RawBlock>),
    /// It is a comment, or names the columns of the rows after it.
    Header,
}

/// Reads stored rejected lines. Lines of one file must be passed in the order of the file.
pub struct RejectReader {
    given: Option<SharedMap>,
    key: SecretKey,
    /// The maps of files, by name.
    maps: HashMap<String, Option<SharedMap>>,
    file: String,
    /// The columns that a line of the file names.
    columns: Option<Arc<[String]>>,
    /// Whether a row that spans lines has begun.
    row_is_open: bool,
}

impl RejectReader {
    /// Creates a reader. `map` reads all lines; without it each line is read by the map that read
    /// it before.
    pub fn new(map: Option<SharedMap>, key: SecretKey) -> RejectReader {
        let file = String::new();
        RejectReader { given: map, key, maps: HashMap::new(), file, columns: None, row_is_open: false }
    }

    /// Returns the line as a separate block.
    ///
    /// # Errors
    /// Returns the reason why the line cannot be read.
    pub fn read(&mut self, reject: &RejectRecord) -> Result<StoredReject, Unreadable> {
        if self.file != reject.file {
            self.file.clone_from(&reject.file);
            (self.columns, self.row_is_open) = (None, false);
        }
        self.check(reject)?;
        let map = match (&self.given, &reject.map) {
            (Some(map), _) => Some(map.clone()),
            (None, Some(name)) => Some(self.named(name).ok_or(Unreadable::UnknownMap)?),
            (None, None) => None,
        };
        let bytes = reject.raw_bytes();
        let layout = match &map {
            _ if reject.given.is_some() => None,
            None => None,
            Some(map) => match self.layout(map, reject, &bytes)? {
                Some(layout) => Some(layout),
                None => return Ok(StoredReject::Header),
            },
        };
        Ok(StoredReject::Block(Box::new(block(reject, bytes, map, layout))))
    }

    /// Checks that the stored text of a line is the text that was read.
    fn check(&self, reject: &RejectRecord) -> Result<(), Unreadable> {
        if reject.raw.is_none() && reject.raw_base64.is_none() {
            return Err(Unreadable::Removed);
        }
        if (reject.raw_bytes().len() as u64) < reject.length {
            return Err(Unreadable::Truncated);
        }
        let masked = |hash: &String| *hash != hex_line_hash(&self.key, &reject.sha256);
        if reject.keyed_hash.as_ref().is_some_and(masked) {
            return Err(Unreadable::IpAddressesRemoved);
        }
        match reject.is_part || reject.index.is_some() {
            true => Err(Unreadable::PartOfARecord),
            false => Ok(()),
        }
    }

    /// Returns the built-in map, or the map of a file.
    fn named(&mut self, name: &str) -> Option<SharedMap> {
        let load = || {
            let path = std::path::Path::new(name);
            std::fs::metadata(path).ok().filter(|file| file.is_file() && file.len() <= MAP_LIMIT)?;
            let text = std::fs::read_to_string(path).ok()?;
            Map::parse(name, &text).ok().map(Arc::new)
        };
        if !self.maps.contains_key(name) {
            let map = presets::named(name).or_else(load).filter(|map| !map.is_wrapping());
            self.maps.insert(name.to_owned(), map);
        }
        self.maps.get(name).cloned().flatten()
    }

    /// Returns how a map reads a line; `None` if the line names columns or is a comment.
    fn layout(
        &mut self,
        map: &Map,
        reject: &RejectRecord,
        bytes: &[u8],
    ) -> Result<Option<Layout>, Unreadable> {
        let is_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
        let others: Vec<Reader> = map.readers.iter().copied().filter(|r| *r != Reader::Json).collect();
        if map.has_reader(Reader::Json) && (is_json || others.is_empty()) {
            return Ok(Some(Layout::JsonLines));
        }
        match others.first() {
            Some(Reader::Tsv) => Ok(Some(Layout::Rows(Reader::Tsv, map.columns.clone().into()))),
            Some(Reader::W3c) => self.w3c(map, reject, bytes),
            Some(Reader::Csv) => self.csv(reject, bytes),
            Some(Reader::Text | Reader::Json) | None => Ok(Some(Layout::Text)),
        }
    }

    fn w3c(&mut self, map: &Map, reject: &RejectRecord, bytes: &[u8]) -> Result<Option<Layout>, Unreadable> {
        if let Some(names) = bytes.strip_prefix(b"#Fields:") {
            let names = String::from_utf8_lossy(names);
            self.columns = Some(names.split_ascii_whitespace().map(str::to_owned).collect());
        }
        if bytes.starts_with(b"#") {
            return Ok(None);
        }
        let own = Some(map.columns.clone().into()).filter(|columns: &Arc<[String]>| !columns.is_empty());
        let columns = reject.columns.clone().map(Arc::from).or(self.columns.clone()).or(own);
        columns.map(|columns| Some(Layout::Rows(Reader::W3c, columns))).ok_or(Unreadable::UnknownColumns)
    }

    fn csv(&mut self, reject: &RejectRecord, bytes: &[u8]) -> Result<Option<Layout>, Unreadable> {
        if let Some(columns) = reject.columns.clone() {
            return Ok(Some(Layout::Rows(Reader::Csv, columns.into())));
        }
        // The lines of the file were read one by one instead of as rows.
        let mut ended = bytes.to_vec();
        ended.push(b'\n');
        let was_open = self.row_is_open;
        if was_open {
            ended.insert(0, b'"');
        }
        self.row_is_open = whole_rows(&ended, false) != ended.len();
        if was_open || self.row_is_open {
            return Err(Unreadable::RowOverLines);
        }
        if reject.line == 1 {
            self.columns = first_row(bytes).map(Into::into);
            return Ok(None);
        }
        match &self.columns {
            Some(columns) => Ok(Some(Layout::Rows(Reader::Csv, columns.clone()))),
            None => Err(Unreadable::UnknownColumns),
        }
    }
}

/// Returns a block of one record. Without a layout, it is a native line, or was inside a wrapping.
fn block(
    reject: &RejectRecord,
    mut bytes: Vec<u8>,
    map: Option<SharedMap>,
    layout: Option<Layout>,
) -> RawBlock {
    let len = bytes.len() as u32;
    bytes.push(b'\n');
    let layout = match (layout, &reject.given) {
        (Some(layout), _) => Some(layout),
        (None, Some(given)) => {
            let defaults = Some((bytes.len() as u32, given.len() as u32));
            bytes.extend_from_slice(given.as_bytes());
            bytes.push(b'\n');
            let (line, offset) = (reject.line, reject.offset.unwrap_or(0));
            let record = Prepared { start: 0, len, line, offset, map: None, defaults };
            Some(Layout::Prepared(vec![record]))
        }
        (None, None) => None,
    };
    let records = layout.map(|layout| Box::new(Records { layout, map, ignored: 0, broken: Vec::new() }));
    let end = bytes.len() as u64;
    RawBlock { bytes, lines: 1, first_line: reject.line, end, records, ..RawBlock::default() }
}
