//! Removes wrappings: extracts the records inside the records of a log shipper.
//!
//! The format of the content of a wrapping is detected like that of a file, up to four levels deep.
//! Each record is written on a separate line of a new block, with its position in the input, the
//! map that reads it, and the columns that its wrappings supply.
//!
//! An unwrapper reads the records of a file in order, since the text inside a wrapping can continue
//! in a later record.

use std::sync::Arc;

use super::defaults::{Given, given};
use super::nested::{HeldValue, NestedWrappings};
use super::{BrokenReason, BrokenRecord, Position, Prepared, RECORD_LIMIT};
use crate::ingest::map::detect::{Ambiguous, BrokenValue, Candidates, is_values, values_of};
use crate::ingest::map::record::{Record, Values};
use crate::ingest::map::row::{RowField, RowKeys};
use crate::ingest::map::unwrap::{Join, JoinEnd, UNWRAPPED_LIMIT, Unwrapped, output_size, values_at};
use crate::ingest::map::{Defaults, Map, MapKind, Reader, SharedMap};
use crate::json::{Key, Kind, NodeId, Span, TextBuffer, compact};
use crate::time::Zone;

/// Maximum depth of nested wrappings.
const MAX_DEPTH: usize = 4;

/// Removes the wrappings of one file.
pub struct Unwrapper {
    map: SharedMap,
    candidates: Arc<Candidates>,
    zone: Option<Zone>,
    values: Values,
    /// Beginnings of text that continues in a later record.
    pending: Vec<PartialText>,
    /// The maps of the wrappings inside the wrapping of the file.
    nested: NestedWrappings,
    /// Whether text was joined from several records. If so, reading cannot resume in the middle of
    /// the file.
    has_joined: bool,
    /// Length of the texts that filters have decoded from the current record.
    decoded: usize,
    /// Two maps that match a value equally well, and the position of the value. Nothing after it is
    /// read.
    ambiguous: Option<(Ambiguous, Position)>,
    out: UnwrappedBlock,
}

/// The records that were found.
#[derive(Debug, Default)]
pub struct UnwrappedBlock {
    /// The records, one per line.
    pub text: String,
    /// Their positions.
    pub records: Vec<Prepared>,
    /// The number of values that are not events.
    pub ignored: u64,
    /// Records that could not be read.
    pub broken: Vec<BrokenRecord>,
}

/// The beginning of text that continues in a later record.
struct PartialText {
    depth: usize,
    /// The value at [`Join::by`], which all parts of the text have in common.
    by: String,
    text: String,
    position: Position,
}

/// The context of a value that is being unwrapped.
#[derive(Clone)]
struct Context<'a> {
    position: Position,
    depth: usize,
    given: &'a Given,
}

impl Unwrapper {
    /// Creates an unwrapper. Values inside wrappings are read by the candidate that matches best.
    pub fn new(map: SharedMap, candidates: Arc<Candidates>, zone: Option<Zone>) -> Unwrapper {
        Unwrapper {
            map,
            candidates,
            zone,
            values: Values::default(),
            pending: Vec::new(),
            nested: NestedWrappings::default(),
            has_joined: false,
            decoded: 0,
            ambiguous: None,
            out: UnwrappedBlock::default(),
        }
    }

    /// Declares that the records are the rest of a file. A rest without an event says nothing about
    /// the wrappings of the file.
    pub fn continue_file(&mut self) {
        if self.candidates.chosen.is_none() {
            self.nested.confirm_all();
        }
    }

    /// Returns the size of the records found so far, in bytes.
    pub fn size(&self) -> usize {
        self.out.text.len() + self.out.broken.iter().map(|record| record.bytes.len()).sum::<usize>()
    }

    /// Returns the records found since the last call.
    pub fn take(&mut self) -> UnwrappedBlock {
        std::mem::take(&mut self.out)
    }

    /// Returns whether reading can resume after the last record.
    pub fn can_resume(&self) -> bool {
        let is_waiting = !self.pending.is_empty() || self.nested.holds_values();
        !self.has_joined && !is_waiting && self.map.join.is_none()
    }

    /// Returns whether text that continues in a later record begins like JSON.
    pub fn has_pending_json(&self) -> bool {
        self.pending.iter().any(|part| part.text.trim_start().starts_with(['{', '[']))
    }

    /// Returns two maps that match a value equally well, and the position of the value; `None` if
    /// there is no such value.
    pub fn ambiguous(&self) -> Option<&(Ambiguous, Position)> {
        self.ambiguous.as_ref()
    }

    /// Reads a record of the file.
    pub fn push(&mut self, text: &str, position: Position) {
        let (map, given) = (self.map.clone(), Given::default());
        let context = Context { position, depth: 1, given: &given };
        let mut buffer = TextBuffer::new(text);
        self.values.clear();
        self.decoded = 0;
        if map.has_reader(Reader::Text) && !text.trim_start().starts_with(['{', '[']) {
            match self.row(&map, text, &mut buffer) {
                Some(root) => self.unwrap(&map, &mut buffer, root, &context),
                None => self.add_broken(BrokenReason::NoMatch, text, position),
            }
            return;
        }
        let mut roots = Vec::new();
        let broken = values_of(text, &mut self.values, &mut roots).err();
        if broken.is_some_and(|broken| !broken.follows_values(text, &self.values, &roots)) {
            return self.add_broken(BrokenReason::NotJson, text, position);
        }
        for root in roots {
            self.unwrap(&map, &mut buffer, root, &context);
        }
        if let Some(BrokenValue { start, .. }) = broken {
            let rest = Position { offset: position.offset + start as u64, ..position };
            self.add_broken(BrokenReason::NotJson, text.get(start..).unwrap_or(""), rest);
        }
    }

    /// Removes text that may continue in a record that is not written yet. Returns the position of
    /// the first such text. Complete JSON and text that cannot be an event remain.
    pub fn leave_unfinished(&mut self) -> Option<Position> {
        let candidates = self.candidates.clone();
        let may_continue = |part: &mut PartialText| {
            let text = part.text.trim();
            match text.starts_with(['{', '[']) {
                true => !is_values(text),
                false => match candidates.best_of_text(text) {
                    Ok(Some(map)) => map.is_wrapping() || map.fits_text(text),
                    Ok(None) => false,
                    Err(_) => true,
                },
            }
        };
        let unfinished = self.pending.extract_if(.., may_continue);
        let first = unfinished.map(|part| part.position).min_by_key(|position| position.offset);
        // The file is read again from its beginning, since the text began before its last record.
        self.has_joined |= first.is_some();
        first
    }

    /// Ends the file. Text that lacks its last part counts as complete, and values that are held
    /// back are no wrappings.
    pub fn finish(&mut self) {
        for part in std::mem::take(&mut self.pending) {
            let given = Given::default();
            let context = Context { position: part.position, depth: part.depth, given: &given };
            self.values.clear();
            let mut buffer = TextBuffer::new(&part.text);
            let span = Span { start: 0, len: part.text.len() as u32 };
            self.text(&mut buffer, span, &context);
        }
        let held = self.nested.finish();
        self.add_held(held);
    }

    /// Adds a line of text as a row whose fields are the groups of the map's pattern.
    fn row(&mut self, map: &Map, text: &str, buffer: &mut TextBuffer<'_>) -> Option<NodeId> {
        let pattern = map.pattern.as_ref()?;
        let captures = pattern.captures(text)?;
        let names: Vec<&str> = pattern.capture_names().flatten().collect();
        let keys = RowKeys::new(names.iter().copied(), map.pointers(), buffer);
        let group = |name: &&str| {
            captures.name(name).map_or(RowField::Missing, |group| RowField::Text(group.as_str()))
        };
        Some(keys.add(names.iter().map(group), map, buffer, &mut self.values))
    }

    /// Removes the wrapping of a value.
    fn unwrap(&mut self, map: &Map, buffer: &mut TextBuffer<'_>, root: NodeId, context: &Context<'_>) {
        let MapKind::Wrapping(defaults) = &map.kind else { return };
        let levels = [root];
        let mut record = Record { buffer, values: &mut self.values, nulls: &map.nulls, levels: &levels };
        if map.ignore.iter().any(|all| all.iter().all(|condition| record.holds(condition))) {
            self.out.ignored += 1;
            return;
        }
        let found = values_at(&mut record, root, &map.unwrap).ok().filter(|found| {
            let is_decoded = map.unwrap.iter().any(|place| !place.filters.is_empty());
            self.decoded += if is_decoded { output_size(found) } else { 0 };
            self.decoded <= UNWRAPPED_LIMIT
        });
        let Some(mut found) = found else {
            let raw = record.values.tree.value(root).raw();
            let text = record.buffer.get(raw).unwrap_or("").to_owned();
            return self.add_broken(BrokenReason::BadWrapping, &text, context.position);
        };
        if found.is_empty() {
            self.out.ignored += 1;
            return;
        }
        let mut context = context.clone();
        if let (Some(join), Some(first)) = (&map.join, found.first_mut()) {
            match self.joined(map, join, buffer, root, first, &context) {
                Some(position) => context.position = position,
                None => return,
            }
        }
        let several = found.len() > 1;
        for (index, value) in found.into_iter().enumerate() {
            self.within(map, defaults, buffer, &value, &context, several.then_some(index));
        }
    }

    /// Joins text with its earlier parts. Returns where the text begins; `None` if it continues in
    /// a later record.
    fn joined(
        &mut self,
        map: &Map,
        join: &Join,
        buffer: &mut TextBuffer<'_>,
        root: NodeId,
        value: &mut Unwrapped,
        context: &Context<'_>,
    ) -> Option<Position> {
        let Some(span) = value.text else { return Some(context.position) };
        let levels = [root];
        let mut record = Record { buffer, values: &mut self.values, nulls: &map.nulls, levels: &levels };
        let by = record.find(&join.by).and_then(|node| record.text(node)).unwrap_or_default().into_owned();
        let text = record.buffer.get(span).unwrap_or("");
        let goes_on = match &join.until {
            JoinEnd::Newline => !text.ends_with('\n'),
            JoinEnd::While(_) => false,
        };
        let text = text.to_owned();
        let goes_on = match &join.until {
            JoinEnd::While(condition) => record.holds(condition),
            JoinEnd::Newline => goes_on,
        };
        let before = self.pending.iter().position(|part| part.depth == context.depth && part.by == by);
        match (before, goes_on) {
            (None, false) => Some(context.position),
            (None, true) => {
                let position = context.position;
                self.pending.push(PartialText { depth: context.depth, by, text, position });
                None
            }
            (Some(at), _) => {
                self.has_joined = true;
                let mut part = self.pending.swap_remove(at);
                part.text.push_str(&text);
                if part.text.len() > RECORD_LIMIT {
                    self.add_broken(BrokenReason::TooLong, &part.text, part.position);
                    return None;
                }
                if goes_on {
                    self.pending.push(part);
                    return None;
                }
                value.text = Some(buffer.push(&part.text));
                Some(part.position)
            }
        }
    }

    /// Adds the records of a value inside a wrapping, with the defaults that the wrapping supplies.
    fn within(
        &mut self,
        map: &Map,
        defaults: &Defaults,
        buffer: &mut TextBuffer<'_>,
        value: &Unwrapped,
        context: &Context<'_>,
        index: Option<usize>,
    ) {
        let outer = match index {
            Some(index) => context.given.numbered(index),
            None => context.given.clone(),
        };
        // The paths of the defaults begin at the object that contains the value.
        let levels = value.levels.split_last().map_or(&[][..], |(_, levels)| levels);
        let mut record = Record { buffer, values: &mut self.values, nulls: &map.nulls, levels };
        let given = given(&mut record, defaults, outer, self.zone.or(map.timezone), map.local_epoch);
        let context = Context { position: context.position, depth: context.depth, given: &given };
        match (value.text, value.levels.last()) {
            (Some(span), _) => self.text(buffer, span, &context),
            (None, Some(node)) => self.value(buffer, *node, &context),
            (None, None) => {}
        }
    }

    /// Adds the records of text inside a wrapping: JSON values, or a line that matches a pattern.
    fn text(&mut self, buffer: &mut TextBuffer<'_>, span: Span, context: &Context<'_>) {
        let whole = buffer.get(span).unwrap_or("");
        let text = whole.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{feff}' || c == '\u{1e}');
        if !text.starts_with(['{', '[']) {
            let text = text.to_owned();
            return self.plain_text(&text, buffer, context);
        }
        let text = if text.contains('\n') { compact::compact(text).into_owned() } else { text.to_owned() };
        let span = buffer.push(&text);
        let mut roots = Vec::new();
        let mut scanner = crate::json::Scanner::new(text.as_bytes());
        let base = span.start as usize;
        let added = crate::ingest::map::detect::add_values(
            &mut scanner,
            0,
            text.len(),
            base,
            &mut self.values,
            &mut roots,
        );
        let broken = added.err();
        if broken.is_some_and(|broken| !broken.follows_values(&text, &self.values, &roots)) {
            return self.add_broken(BrokenReason::NotJson, &text, context.position);
        }
        let several = roots.len() > 1 || broken.is_some();
        for (index, root) in roots.into_iter().enumerate() {
            if several {
                let given = context.given.numbered(index);
                self.value(buffer, root, &Context { given: &given, ..context.clone() });
            } else {
                self.value(buffer, root, context);
            }
        }
        if let Some(BrokenValue { start, .. }) = broken {
            self.add_broken(BrokenReason::NotJson, text.get(start..).unwrap_or(""), context.position);
        }
    }

    /// Adds text that is not JSON as a record, or unwraps it if its map is a wrapping.
    fn plain_text(&mut self, text: &str, buffer: &mut TextBuffer<'_>, context: &Context<'_>) {
        if self.ambiguous.is_some() {
            return;
        }
        let candidates = self.candidates.clone();
        let found = if text.contains('\n') { Ok(None) } else { candidates.best_of_text(text) };
        match found {
            Ok(Some(map)) if map.is_wrapping() => {
                if let Some(root) = self.row(map, text, buffer) {
                    self.unwrap_nested(map, buffer, root, context);
                }
            }
            // The chosen map may have no reader for text.
            Ok(Some(map)) if map.fits_text(text) => self.add(text, Some(map.clone()), context),
            Ok(_) => self.out.ignored += 1,
            Err(ambiguous) => self.end_at_ambiguity(ambiguous, context),
        }
    }

    /// Adds a JSON value inside a wrapping, or unwraps it if it is a wrapping itself.
    fn value(&mut self, buffer: &mut TextBuffer<'_>, node: NodeId, context: &Context<'_>) {
        if self.ambiguous.is_some() {
            return;
        }
        if self.values.tree.value(node).kind() != Kind::Object {
            self.out.ignored += 1;
            return;
        }
        let Some(node) = self.with_members(buffer, node, context.given) else { return };
        let candidates = self.candidates.clone();
        match candidates.best(buffer, &mut self.values, node) {
            Err(ambiguous) => self.end_at_ambiguity(ambiguous, context),
            Ok(Some(map)) if map.is_wrapping() => self.unwrap_value(map, buffer, node, context),
            Ok(map) => {
                let text = self.line_of(buffer, node);
                self.add(&text, map.cloned(), context);
            }
        }
    }

    /// Returns a value as one line.
    fn line_of(&self, buffer: &TextBuffer<'_>, node: NodeId) -> String {
        let raw = buffer.get(self.values.tree.value(node).raw()).unwrap_or("");
        if raw.contains('\n') { compact::compact(raw).into_owned() } else { raw.to_owned() }
    }

    /// Unwraps a value that matches the map of a wrapping. If no such value has contained an event
    /// and this one does not either, it is held back.
    fn unwrap_value(
        &mut self,
        map: &SharedMap,
        buffer: &mut TextBuffer<'_>,
        node: NodeId,
        context: &Context<'_>,
    ) {
        if self.nested.is_confirmed(map) {
            return self.unwrap_nested(map, buffer, node, context);
        }
        let found = |each: &Unwrapper| {
            (each.out.records.len(), each.out.broken.len(), each.pending.len(), each.ambiguous.is_some())
        };
        let (text, before, ignored) = (self.line_of(buffer, node), found(self), self.out.ignored);
        self.unwrap_nested(map, buffer, node, context);
        if found(self) != before {
            self.out.ignored += self.nested.confirm(map);
            return;
        }
        self.out.ignored = ignored;
        let (given, position) = (context.given.clone(), context.position);
        let held = self.nested.hold(map, HeldValue { text, given, position });
        self.add_held(held);
    }

    /// Adds values that only resemble a wrapping. The map that matches best reads them, or the one
    /// that the user chose.
    fn add_held(&mut self, held: Vec<HeldValue>) {
        let candidates = self.candidates.clone();
        for HeldValue { text, given, position } in held {
            let context = Context { position, depth: MAX_DEPTH, given: &given };
            let (mut values, mut buffer) = (Values::default(), TextBuffer::new(&text));
            let mut scanner = crate::json::Scanner::new(text.as_bytes());
            // The text was valid JSON before.
            let Ok((root, _)) = values.tree.add(&mut scanner, 0, 0) else { continue };
            match candidates.best_of_events(&mut buffer, &mut values, root) {
                Ok(map) => self.add(&text, map.cloned(), &context),
                Err(ambiguous) => return self.end_at_ambiguity(ambiguous, &context),
            }
        }
    }

    fn end_at_ambiguity(&mut self, ambiguous: Ambiguous, context: &Context<'_>) {
        self.ambiguous.get_or_insert((ambiguous, context.position));
    }

    fn unwrap_nested(
        &mut self,
        map: &SharedMap,
        buffer: &mut TextBuffer<'_>,
        root: NodeId,
        context: &Context<'_>,
    ) {
        if context.depth >= MAX_DEPTH {
            let raw = self.values.tree.value(root).raw();
            let text = buffer.get(raw).unwrap_or("").to_owned();
            return self.add_broken(BrokenReason::TooDeep, &text, context.position);
        }
        let context = Context { depth: context.depth + 1, ..context.clone() };
        self.unwrap(map, buffer, root, &context);
    }

    /// Returns an object with the members that its wrapping adds to it.
    fn with_members(&mut self, buffer: &mut TextBuffer<'_>, node: NodeId, given: &Given) -> Option<NodeId> {
        let tree = &self.values.tree;
        let missing: Vec<&(String, String)> = given
            .members
            .iter()
            .filter(|(key, _)| tree.member(buffer, node, &Key::new(key)).is_none())
            .collect();
        if missing.is_empty() {
            return Some(node);
        }
        let raw = buffer.get(tree.value(node).raw())?;
        let mut text = raw.trim_end().strip_suffix('}')?.trim_end().to_owned();
        for (key, value) in missing {
            if !text.ends_with('{') {
                text.push(',');
            }
            text.push_str(&format!("{}:{value}", serde_json::Value::from(key.as_str())));
        }
        text.push('}');
        let span = buffer.push(&text);
        let mut record = Record {
            buffer,
            values: &mut self.values,
            nulls: &crate::ingest::map::nulls::Nulls::default(),
            levels: &[],
        };
        record.parse(span)
    }

    /// Adds a record to the result.
    fn add(&mut self, text: &str, map: Option<SharedMap>, context: &Context<'_>) {
        let out = &mut self.out;
        let mut line = |text: &str| {
            let start = out.text.len() as u32;
            out.text.push_str(text);
            out.text.push('\n');
            (start, text.len() as u32)
        };
        let defaults = context.given.columns_json().map(|json| line(&json));
        let (start, len) = line(text);
        let Position { line, offset } = context.position;
        out.records.push(Prepared { start, len, line, offset, map, defaults });
    }

    /// Rejects a record that is not UTF-8.
    pub fn push_bytes(&mut self, bytes: &[u8], position: Position) {
        let kept = bytes.get(..crate::ingest::input::blocks::OVERLONG_HEAD).unwrap_or(bytes);
        let (Position { line, offset }, reason) = (position, BrokenReason::NotUtf8);
        let length = bytes.len() as u64;
        self.out.broken.push(BrokenRecord { line, offset, reason, bytes: kept.to_vec(), length });
    }

    fn add_broken(&mut self, reason: BrokenReason, text: &str, position: Position) {
        let bytes = text.as_bytes();
        let kept = bytes.get(..crate::ingest::input::blocks::OVERLONG_HEAD).unwrap_or(bytes);
        let Position { line, offset } = position;
        let length = bytes.len() as u64;
        self.out.broken.push(BrokenRecord { line, offset, reason, bytes: kept.to_vec(), length });
    }
}
