//! Reads stored rejected lines again, for `wa rejects --retry`.
//!
//! A line is read in the same way as from its file, so that its event gets the same id. If the
//! stored text is not sufficient for that, its file must be read.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::input::blocks::RawBlock;
use super::input::records::{Layout, Prepared, Records};
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
    /// Its file is needed and does not exist.
    NoFile,
    /// Its file is needed and no longer contains it.
    FileChanged,
    /// Its file is needed and cannot be read.
    ReadFailed,
    /// Its input is needed and was not a file.
    NotAFile,
    /// The map that read it is not built in, and its file cannot be read.
    UnknownMap,
}

/// A rejected line that can be read.
#[derive(Debug)]
pub enum StoredReject {
    /// The line as a block.
    Block(Box<RawBlock>),
    /// The stored text is not sufficient. The file must be read.
    InFile(InFile),
}

/// How a rejected line is read from its file.
#[derive(Debug)]
pub struct InFile {
    /// The map that reads the file; without it, the format is detected.
    pub map: Option<SharedMap>,
    /// Whether the line is read from its file only because it is too long to be stored.
    pub is_truncated: bool,
}

/// The part of a record that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoredText {
    /// The whole record.
    Whole,
    /// The beginning of the record, unchanged.
    Beginning,
    /// The text was changed or removed, or is a part of a record.
    Other,
}

/// Reads stored rejected lines.
pub struct RejectReader {
    given: Option<SharedMap>,
    key: SecretKey,
    /// The maps of files, by name.
    maps: HashMap<String, Option<SharedMap>>,
}

impl RejectReader {
    /// Creates a reader. `map` reads all lines; without it each line is read by the map that read
    /// it before.
    pub fn new(map: Option<SharedMap>, key: SecretKey) -> RejectReader {
        RejectReader { given: map, key, maps: HashMap::new() }
    }

    /// Returns the line as a separate block, if its stored text is sufficient.
    ///
    /// # Errors
    /// Returns the reason why the line cannot be read.
    pub fn read(&mut self, reject: &RejectRecord) -> Result<StoredReject, Unreadable> {
        let map = match (&self.given, &reject.map) {
            (Some(map), _) => Some(map.clone()),
            (None, Some(name)) => Some(self.named(name).ok_or(Unreadable::UnknownMap)?),
            (None, None) => None,
        };
        let text = self.stored_text(reject);
        if text == StoredText::Other {
            return Ok(StoredReject::InFile(InFile { map, is_truncated: false }));
        }
        let bytes = reject.raw_bytes();
        let layout = match &map {
            Some(of_map) if reject.given.is_none() => match layout(of_map, reject, &bytes) {
                Some(layout) => Some(layout),
                None => return Ok(StoredReject::InFile(InFile { map, is_truncated: false })),
            },
            _ => None,
        };
        if text == StoredText::Beginning {
            return Ok(StoredReject::InFile(InFile { map, is_truncated: true }));
        }
        Ok(StoredReject::Block(Box::new(block(reject, bytes, map, layout))))
    }

    /// Returns which part of its record the stored text of a line is.
    fn stored_text(&self, reject: &RejectRecord) -> StoredText {
        let is_stored = reject.raw.is_some() || reject.raw_base64.is_some();
        let is_masked = |hash: &String| *hash != hex_line_hash(&self.key, &reject.sha256);
        if !is_stored
            || reject.keyed_hash.as_ref().is_some_and(is_masked)
            || reject.is_part
            || reject.index.is_some()
        {
            StoredText::Other
        } else if (reject.raw_bytes().len() as u64) < reject.length {
            StoredText::Beginning
        } else {
            StoredText::Whole
        }
    }

    /// Returns the built-in map, or the map of a file.
    fn named(&mut self, name: &str) -> Option<SharedMap> {
        let load = || {
            let path = std::path::Path::new(name);
            std::fs::metadata(path).ok().filter(|file| file.is_file() && file.len() <= MAP_LIMIT)?;
            let text = std::fs::read_to_string(path).ok()?;
            Map::parse(name, &text).ok().map(std::sync::Arc::new)
        };
        if !self.maps.contains_key(name) {
            let map = presets::named(name).or_else(load).filter(|map| !map.is_wrapping());
            self.maps.insert(name.to_owned(), map);
        }
        self.maps.get(name).cloned().flatten()
    }
}

/// Returns how a map reads a line; `None` if that depends on other lines of its file.
fn layout(map: &Map, reject: &RejectRecord, bytes: &[u8]) -> Option<Layout> {
    let is_json = matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['));
    let others: Vec<Reader> = map.readers.iter().copied().filter(|r| *r != Reader::Json).collect();
    if map.has_reader(Reader::Json) && (is_json || others.is_empty()) {
        return Some(Layout::JsonLines);
    }
    match others.first() {
        Some(Reader::Tsv) => Some(Layout::Rows(Reader::Tsv, map.columns.clone().into())),
        // The file names the columns. Without them, the line may also be a part of a row.
        Some(reader @ (Reader::Csv | Reader::W3c)) => {
            reject.columns.clone().map(|columns| Layout::Rows(*reader, columns.into()))
        }
        Some(Reader::Text | Reader::Json) | None => Some(Layout::Text),
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
