//! Selects, among the records of a file, those that were rejected before.
//!
//! `wa rejects --retry` reads a file again for rejected lines whose stored text is not sufficient.
//! The parser then parses only the records whose hash equals that of such a line. If the text of a
//! whole record was rejected, the record is selected with all its parts. Otherwise, each of its
//! parts is selected separately. A rejected text is one of these:
//!
//! 1. the line, row or extracted record;
//! 2. a value of a line with several values;
//! 3. an element of an envelope.
//!
//! The ids of events depend on the text of the record and its ordinal among equal records, so the
//! selected records get the same ids as in an ingest of the whole file.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::block_parser::BlockLines;
use super::lines::{TextLine, without_line_end};
use super::rejected::{RejectReason, hex_line_hash, line_hash};
use super::unparsed_lines::UnparsedLine;
use crate::ingest::map::Reader;
use crate::json::Span;
use crate::prehashed::PreHashed;
use crate::store::key::SecretKey;
use crate::store::rejects::{RejectRecord, hash_prefix};

/// The depth of a text within its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// A line, a row, or an extracted record.
    Record,
    /// A value of a line.
    Value,
    /// An element of an envelope.
    Element,
}

/// The outcome of a rejected line that was searched for in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No record has its hash.
    Nowhere,
    /// Every record with its hash was accepted.
    Accepted,
    /// A record with its hash was rejected.
    Rejected(RejectReason),
}

/// A rejected line to be found.
#[derive(Debug)]
struct Target {
    /// Hash of the columns that its wrapping supplied.
    given: Option<u128>,
    /// Whether it is an element of an envelope. Elements of envelopes equal only such elements, and
    /// other lines equal none of them. `None` for an element of a row, which is stored with the
    /// text of the row and can equal either.
    is_element: Option<bool>,
    /// Hash of its envelope.
    envelope: Option<u128>,
    /// The next line with the same key.
    next: Option<u32>,
    found: Found,
}

/// Rejected lines of one file, and the record that is being parsed.
#[derive(Debug)]
pub struct Selection {
    key: SecretKey,
    targets: Vec<Target>,
    /// The first line with a key: see [`key`].
    by_key: HashMap<u128, u32, PreHashed>,
    /// The lengths of lines that are stored as they were read.
    lengths: HashSet<u64>,
    /// Whether some lines are identified only by their keyed hash, so that their original length is
    /// unknown.
    has_keyed: bool,
    /// Whether values or elements were rejected.
    has_parts: bool,
    /// The lines that equal the current record, by depth.
    current: [Vec<u32>; 3],
    /// Hash of the columns that the wrapping of the current record supplies.
    given: Option<u128>,
}

impl Selection {
    /// Creates a selection without lines.
    pub fn new(key: SecretKey) -> Selection {
        Selection {
            key,
            targets: Vec::new(),
            by_key: HashMap::default(),
            lengths: HashSet::new(),
            has_keyed: false,
            has_parts: false,
            current: Default::default(),
            given: None,
        }
    }

    /// Adds a rejected line.
    pub fn add(&mut self, reject: &RejectRecord) {
        // If the keyed hash is not that of the plain hash, the stored text was masked, and the
        // plain hash and the length do not describe the original line.
        let keyed =
            reject.keyed_hash.as_ref().filter(|hash| **hash != hex_line_hash(&self.key, &reject.sha256));
        let hash = hash_prefix(keyed.unwrap_or(&reject.sha256));
        match keyed {
            Some(_) => self.has_keyed = true,
            None => _ = self.lengths.insert(reject.length),
        }
        self.has_parts |= reject.index.is_some() || reject.offset.is_some();
        let number = self.targets.len() as u32;
        let given = reject.given.as_ref().map(|json| text_hash(json));
        let envelope = reject.envelope.as_ref().map(|hash| hash_prefix(hash));
        let next = self.by_key.insert(key(hash, given, envelope), number);
        let is_element = match (envelope, reject.index) {
            (Some(_), _) => Some(true),
            (None, Some(_)) => None,
            (None, None) => Some(false),
        };
        self.targets.push(Target { given, is_element, envelope, next, found: Found::Nowhere });
    }

    /// Returns the outcome of each line, in the order in which they were added.
    pub fn outcomes(&self) -> impl Iterator<Item = Found> + '_ {
        self.targets.iter().map(|target| target.found)
    }

    /// Records a text that is not a record, such as the names of columns.
    pub fn skip(&mut self, text: &[u8]) {
        self.enter_lines(text);
        self.leave(Depth::Record);
    }

    /// Returns whether one of the rejected lines can have this length.
    fn has_length(&self, length: u64) -> bool {
        self.has_keyed || self.lengths.contains(&length)
    }

    /// Returns the lines that equal a text; `length` is the length of the record.
    fn find(&self, depth: Depth, text: &[u8], length: u64) -> Vec<u32> {
        if !self.has_length(length) {
            return Vec::new();
        }
        self.find_hash(depth, &Sha256::digest(text).into(), None)
    }

    /// Returns the lines with a hash. The same text can occur with other columns from its wrapping,
    /// or in another envelope: these are other lines. A line that was stored without these columns
    /// equals all occurrences.
    fn find_hash(&self, depth: Depth, sha256: &[u8; 32], envelope: Option<u128>) -> Vec<u32> {
        let plain = sha256.first_chunk().map_or(0, |prefix| u128::from_be_bytes(*prefix));
        let keyed = self.has_keyed.then(|| hash_prefix(&line_hash(&self.key, sha256)));
        // Each combination is looked up once.
        let givens = [None, self.given].into_iter().take(1 + usize::from(self.given.is_some()));
        let envelopes = [None, envelope].into_iter().take(1 + usize::from(envelope.is_some()));
        let contexts = givens.flat_map(|given| envelopes.clone().map(move |envelope| (given, envelope)));
        let mut found = Vec::new();
        for (given, envelope) in contexts {
            for hash in [Some(plain), keyed].into_iter().flatten() {
                let mut next = self.by_key.get(&key(hash, given, envelope)).copied();
                while let Some(number) = next
                    && let Some(target) = self.targets.get(number as usize)
                {
                    let is_element = target.is_element.unwrap_or(depth == Depth::Element);
                    if (target.given, target.envelope, is_element)
                        == (given, envelope, depth == Depth::Element)
                    {
                        found.push(number);
                    }
                    next = target.next;
                }
            }
        }
        found
    }

    /// Forgets the texts at this depth and below.
    fn leave(&mut self, depth: Depth) {
        self.current.iter_mut().skip(depth as usize).for_each(Vec::clear);
    }

    /// Begins the text that equals the found lines. Returns whether it is selected.
    fn enter(&mut self, depth: Depth, found: Vec<u32>) -> bool {
        self.leave(depth);
        for number in &found {
            if let Some(target) = self.targets.get_mut(*number as usize)
                && target.found == Found::Nowhere
            {
                target.found = Found::Accepted;
            }
        }
        if let Some(current) = self.current.get_mut(depth as usize) {
            *current = found;
        }
        self.is_selected()
    }

    /// Begins a record. A record that spans lines is also selected if every line was rejected.
    fn enter_lines(&mut self, text: &[u8]) -> bool {
        let mut found = self.find(Depth::Record, text, text.len() as u64);
        if found.is_empty() && text.contains(&b'\n') {
            for line in text.split(|byte| *byte == b'\n').map(without_line_end) {
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let lines = self.find(Depth::Record, line, line.len() as u64);
                if lines.is_empty() {
                    found.clear();
                    break;
                }
                found.extend(lines);
            }
        }
        self.enter(Depth::Record, found)
    }

    fn is_selected(&self) -> bool {
        self.current.iter().any(|found| !found.is_empty())
    }

    fn reject(&mut self, reason: RejectReason) {
        for number in self.current.iter().flatten() {
            if let Some(target) = self.targets.get_mut(*number as usize) {
                target.found = Found::Rejected(reason);
            }
        }
    }
}

/// Returns the key of a line: its hash, mixed with those of the columns from its wrapping and of
/// its envelope. Equal texts in many envelopes thus have different keys.
fn key(hash: u128, given: Option<u128>, envelope: Option<u128>) -> u128 {
    hash ^ given.unwrap_or(0) ^ envelope.unwrap_or(0).rotate_left(1)
}

fn text_hash(text: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(text.as_bytes())
}

impl BlockLines<'_, '_> {
    /// Returns whether the current text, or a part of its line that contains it, is selected.
    #[inline]
    pub(super) fn is_selected(&self) -> bool {
        self.selection.as_ref().is_none_or(|selection| selection.is_selected())
    }

    /// Begins a record, given its position in the block. Returns whether to parse it.
    #[inline]
    pub(super) fn selects_record(&mut self, start: usize, end: usize) -> bool {
        let Some(selection) = &mut self.selection else { return true };
        let all = if self.record.from_bytes { self.bytes } else { self.text.as_bytes() };
        selection.enter_lines(all.get(start..end).unwrap_or(&[])) || selection.has_parts
    }

    /// Begins a value of a line. Returns whether to parse it.
    #[inline]
    pub(super) fn selects_value(&mut self, value: Span) -> bool {
        let Some(selection) = &mut self.selection else { return true };
        let text = self.rows.buffer.get(value).unwrap_or("").as_bytes();
        let found = selection.find(Depth::Value, text, text.len() as u64);
        selection.enter(Depth::Value, found) || selection.has_parts
    }

    /// Begins an element of an envelope. Returns whether to parse it.
    #[inline]
    pub(super) fn selects_element(&mut self, element: Span) -> bool {
        self.selection.is_none() || self.finds_element(element)
    }

    #[cold]
    fn finds_element(&mut self, element: Span) -> bool {
        let Some(mut selection) = self.selection.take() else { return true };
        let mut found = Vec::new();
        if selection.has_length(u64::from(element.len)) {
            let envelope = self.envelope_hash().map(|hash| hash_prefix(&hash));
            let text = self.rows.buffer.get(element).unwrap_or("");
            let sha256 = Sha256::digest(text.as_bytes()).into();
            found = selection.find_hash(Depth::Element, &sha256, envelope);
        }
        let is_selected = selection.enter(Depth::Element, found);
        self.selection = Some(selection);
        is_selected
    }

    /// Returns whether to reject a line that is not scanned.
    #[cold]
    pub(super) fn selects_unparsed(&mut self, line: &UnparsedLine) -> bool {
        let Some(selection) = &mut self.selection else { return true };
        let found = match line {
            UnparsedLine::Overlong(long) => selection.find_hash(Depth::Record, &long.sha256, None),
            UnparsedLine::NotUtf8(range) => {
                let line = without_line_end(self.bytes.get(range.clone()).unwrap_or(&[]));
                selection.find(Depth::Record, line, line.len() as u64)
            }
        };
        selection.enter(Depth::Record, found)
    }

    /// Returns whether to reject a record that could not be read, given its beginning.
    pub(super) fn selects_broken(&mut self, head: &[u8], length: u64) -> bool {
        let Some(selection) = &mut self.selection else { return true };
        let found = selection.find(Depth::Record, head, length);
        selection.enter(Depth::Record, found)
    }

    /// Sets the columns that the wrapping of the next records supplies.
    pub(super) fn select_given(&mut self, given: Option<Span>) {
        if let Some(selection) = &mut self.selection {
            selection.given = given.and_then(|span| self.rows.buffer.get(span)).map(text_hash);
        }
    }

    /// Records that the current text is rejected. Returns whether it is selected.
    #[inline]
    pub(super) fn reject_selected(&mut self, reason: RejectReason) -> bool {
        let Some(selection) = &mut self.selection else { return true };
        selection.reject(reason);
        selection.is_selected()
    }

    /// Parses the selected native lines.
    #[cold]
    pub(super) fn run_selected(&mut self) {
        let mut pos = 0;
        while let Some(TextLine { number, start, next, .. }) = self.next_line(pos) {
            let line = self.text.get(start..next).unwrap_or("");
            let marks = line.len() - line.trim_start_matches('\u{feff}').len();
            let end = start + without_line_end(line.as_bytes()).len();
            if self.selects_record(start + marks, end.max(start + marks)) {
                self.parse_line(number, start);
                self.emit_if_full();
            }
            pos = next;
        }
    }

    /// Returns the keyed hash of the envelope of the current element.
    pub(super) fn envelope_hash(&mut self) -> Option<String> {
        let span = self.record.envelope?;
        if self.record.envelope_hash.is_none() {
            let text = self.rows.buffer.get(span).unwrap_or("");
            self.record.envelope_hash = Some(line_hash(&self.key, &Sha256::digest(text.as_bytes()).into()));
        }
        self.record.envelope_hash.clone()
    }

    /// Returns whether a line is a comment of a W3C log, which is not a record.
    pub(super) fn is_comment(&mut self, reader: Reader, start: usize, end: usize) -> bool {
        let line = self.text.get(start..end).unwrap_or("");
        let is_comment = reader == Reader::W3c && line.starts_with('#');
        if is_comment && let Some(selection) = &mut self.selection {
            selection.skip(line.as_bytes());
        }
        is_comment
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prehashed::hex;

    const TEXT: &[u8] = b"{}";

    fn reject(envelope: Option<u64>, given: Option<&str>) -> RejectRecord {
        let mut reject = serde_json::json!({
            "file": "a", "line": 1, "reason": "no_chatbot_id", "length": TEXT.len(),
            "sha256": hex(&Sha256::digest(TEXT)), "rejected_at": "", "given": given,
        });
        if let Some(envelope) = envelope {
            reject["index"] = 0.into();
            reject["envelope"] = format!("{envelope:032x}").into();
        }
        serde_json::from_value(reject).unwrap()
    }

    #[test]
    fn equal_elements_of_many_envelopes_have_different_keys() {
        let mut selection = Selection::new(SecretKey::from_bytes([0; 32]));
        (1..=100).for_each(|envelope| selection.add(&reject(Some(envelope), None)));
        assert_eq!(selection.by_key.len(), 100);
        let sha256 = Sha256::digest(TEXT).into();
        assert_eq!(selection.find_hash(Depth::Element, &sha256, Some(7)), [6]);
        assert!(selection.find_hash(Depth::Element, &sha256, Some(101)).is_empty());
        assert!(selection.find(Depth::Record, TEXT, 2).is_empty());
    }

    #[test]
    fn line_with_columns_of_its_wrapping_equals_no_other() {
        let mut selection = Selection::new(SecretKey::from_bytes([0; 32]));
        for given in [Some("1"), Some("2"), None] {
            selection.add(&reject(None, given));
        }
        assert_eq!(selection.by_key.len(), 3);
        for (given, found) in
            [(Some("1"), &[2, 0][..]), (Some("2"), &[2, 1]), (Some("3"), &[2]), (None, &[2])]
        {
            selection.given = given.map(text_hash);
            assert_eq!(selection.find(Depth::Record, TEXT, 2), found, "{given:?}");
        }
    }
}
