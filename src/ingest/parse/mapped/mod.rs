//! Records of mapped formats: from a record to the fields of native lines.
//!
//! [`columns`] evaluates the columns of a map into [`LineFields`], whose spans refer to the block
//! or to the text that was decoded from it. After that, the same code processes mapped and native
//! events. [`rows`] reads rows and lines of text, and splits CSV with [`csv_row`]; [`prepared`]
//! reads records that were extracted from wrappings or lists.
//!
//! [`LineFields`]: super::line_fields::LineFields

mod columns;
mod csv_row;
mod prepared;
pub(super) mod properties;
mod rows;

use memchr::memchr_iter;

use super::block_parser::BlockLines;
use super::lines::TextLine;
use super::rejected::{RejectContext, RejectReason, RejectedLine};
use crate::ingest::input::blocks::LINE_LIMIT;
use crate::ingest::input::records::{BrokenReason, BrokenRecord, Layout, Records};
use crate::ingest::map::detect::{BrokenValue, add_values};
use crate::ingest::map::record::Record;
use crate::ingest::map::unwrap::values_at;
use crate::ingest::map::{EventMap, Map, MapKind, Reader};
use crate::json::{Kind, NodeId, Span, TreeError};

/// The position of a record in the block and in the input.
#[derive(Clone, Copy)]
pub(super) struct RecordPlace {
    /// Line number at which it begins, or an earlier one: see [`RecordPlace::line`].
    pub line: u64,
    /// Offset in the block at which that line begins.
    pub line_start: usize,
    /// Offset of its start in the block.
    pub start: usize,
    /// Offset of its end in the block.
    pub end: usize,
}

impl RecordPlace {
    /// Creates the position of a record that begins at the start of a line.
    pub fn new(line: u64, start: usize, end: usize) -> RecordPlace {
        RecordPlace { line, line_start: start, start, end }
    }

    /// Returns the line number at which the record begins, given the bytes of its block. Rows can
    /// span lines, which are counted only if the line number is needed.
    pub fn line(self, block: &[u8]) -> u64 {
        let before = block.get(self.line_start..self.start).unwrap_or(&[]);
        self.line + memchr_iter(b'\n', before).count() as u64
    }
}

impl BlockLines<'_, '_> {
    /// Parses the records of a block.
    pub(super) fn run_records(&mut self, records: Records) {
        let Records { layout, map, ignored, broken } = records;
        self.counts.ignored += ignored;
        self.counts.read += ignored;
        self.record.map.clone_from(&map);
        broken.iter().for_each(|record| self.reject_broken(record));
        if let Layout::Rows(Reader::Csv | Reader::W3c, columns) = &layout {
            self.record.columns = Some(columns.clone());
        }
        match (layout, map) {
            (Layout::Prepared(records), map) => self.run_prepared(&records, map.as_deref()),
            (Layout::JsonLines, Some(map)) => self.run_lines(&map, Self::json_line),
            (Layout::Text, Some(map)) => {
                if let Some(pattern) = &map.pattern {
                    self.run_text(&map, pattern);
                }
            }
            (Layout::Rows(reader, columns), Some(map)) => self.run_rows(&map, reader, columns),
            (_, None) => {}
        }
    }

    /// Parses the lines of a block, each with `parse`.
    fn run_lines(&mut self, map: &Map, mut parse: impl FnMut(&mut Self, &Map, RecordPlace)) {
        let mut pos = 0;
        while let Some(TextLine { number, start, end, next }) = self.next_line(pos) {
            self.begin_record(Some(self.offset + start as u64));
            parse(self, map, RecordPlace::new(number, start, end));
            self.emit_if_full();
            pos = next;
        }
    }

    /// Resets the state for the next record.
    fn begin_record(&mut self, offset: Option<u64>) {
        self.rows.discard_decoded();
        self.record.values.clear();
        self.record.offset = offset;
        self.record.several = false;
        self.rows.known_property = None;
        self.line.clear();
    }

    fn json_line(&mut self, map: &Map, place: RecordPlace) {
        let mut roots = std::mem::take(&mut self.record.roots);
        roots.clear();
        let RecordPlace { line, start, end, .. } = place;
        if !self.selects_record(start, end) {
            return;
        }
        let added = add_values(&mut self.scanner, start, end, 0, &mut self.record.values, &mut roots);
        let broken = added.err();
        match broken {
            Some(BrokenValue { error: TreeError::Invalid, .. })
                if self.unfinished && end == self.text.len() =>
            {
                self.leave_unfinished(line, end - start);
            }
            Some(broken) if !broken.follows_values(self.text, &self.record.values, &roots) => {
                self.counts.read += 1;
                let reason = match broken.error {
                    TreeError::Invalid => RejectReason::NotJson,
                    TreeError::TooLarge => RejectReason::LineTooLong,
                };
                self.reject(line, reason, None, start, end, None);
            }
            None if roots.is_empty() => self.counts.blank += 1,
            _ => {
                for root in &roots {
                    if self.selects_value(self.record.values.tree.value(*root).raw()) {
                        self.map_record(map, *root, place, None);
                    }
                }
                if let Some(broken) = broken {
                    self.reject_rest(line, broken.start, end);
                }
            }
        }
        self.record.roots = roots;
    }

    /// Maps a record to rows, one for each event. `row` is the text of a record that is a row.
    fn map_record(&mut self, map: &Map, root: NodeId, place: RecordPlace, row: Option<&str>) {
        let MapKind::Events(events) = &map.kind else { return };
        let mut record = Record {
            buffer: &mut self.rows.buffer,
            values: &mut self.record.values,
            nulls: &map.nulls,
            levels: &[root],
        };
        if map.unwrap.is_empty() {
            record.resolve(&events.pointers);
        }
        if map.ignore.iter().any(|all| all.iter().all(|condition| record.holds(condition))) {
            return self.ignore();
        }
        if map.unwrap.is_empty() {
            return self.map_element(map, events, &[root], place, None, row);
        }
        let Ok(found) = values_at(&mut record, root, &map.unwrap) else {
            self.counts.read += 1;
            return self.reject_value(RejectReason::BadWrapping, place, root, None);
        };
        if found.is_empty() {
            return self.ignore();
        }
        self.record.several = found.len() > 1;
        if self.record.several {
            // The events can refer to the same long strings, whose decoded text must be kept.
            self.rows.keep_decoded();
        }
        if row.is_none() {
            let envelope = self.record.values.tree.value(root).raw();
            (self.record.envelope, self.record.envelope_hash) = (Some(envelope), None);
        }
        for (index, value) in found.into_iter().enumerate() {
            let mut levels = value.levels;
            if let (Some(span), Some(last)) = (value.text, levels.last_mut()) {
                let mut record = Record {
                    buffer: &mut self.rows.buffer,
                    values: &mut self.record.values,
                    nulls: &map.nulls,
                    levels: &[],
                };
                *last = record.parse(span).unwrap_or(*last);
            }
            self.map_element(map, events, &levels, place, Some(index as u32), row);
        }
        self.record.envelope = None;
    }

    /// Maps the element at the innermost level.
    fn map_element(
        &mut self,
        map: &Map,
        events: &EventMap,
        levels: &[NodeId],
        place: RecordPlace,
        index: Option<u32>,
        row: Option<&str>,
    ) {
        let Some(&element) = levels.last() else { return };
        let value = self.record.values.tree.value(element);
        if self.selection.is_some() {
            let is_part = index.is_some() && row.is_none();
            if !(if is_part { self.selects_element(value.raw()) } else { self.is_selected() }) {
                return;
            }
        }
        self.line.clear();
        self.record.values.outside.clear();
        let length = row.map_or(value.raw().len as usize, str::len);
        let reason = if value.kind() != Kind::Object {
            Some(RejectReason::NotAnObject)
        } else if length > LINE_LIMIT {
            Some(RejectReason::LineTooLong)
        } else {
            None
        };
        let added = match reason {
            Some(reason) => Err((reason, None)),
            None => self.add_event(map, events, levels, index, row),
        };
        match added {
            Ok(true) => self.counts.read += 1,
            Ok(false) => self.ignore(),
            Err((reason, time)) => {
                self.counts.read += 1;
                match row {
                    Some(_) => {
                        let line = place.line(self.text.as_bytes());
                        self.reject(line, reason, time, place.start, place.end, index);
                    }
                    None => {
                        let rejected = self.rejected_value(reason, place, element, index);
                        self.add_rejected(rejected, time);
                    }
                }
            }
        }
        self.emit_if_full();
    }

    fn ignore(&mut self) {
        if !self.is_selected() {
            return;
        }
        self.counts.read += 1;
        self.counts.ignored += 1;
    }

    fn reject_value(&mut self, reason: RejectReason, place: RecordPlace, node: NodeId, index: Option<u32>) {
        let rejected = self.rejected_value(reason, place, node, index);
        self.add_rejected(rejected, None);
    }

    /// Returns the rejected line for a value of a record.
    fn rejected_value(
        &mut self,
        reason: RejectReason,
        place: RecordPlace,
        node: NodeId,
        index: Option<u32>,
    ) -> RejectedLine {
        let span: Span = self.record.values.tree.value(node).raw();
        let text = self.rows.buffer.get(span).unwrap_or("");
        let line = place.line(self.text.as_bytes());
        let mut rejected = RejectedLine::new(line, reason, text.as_bytes(), self.ip, &self.key);
        (rejected.index, rejected.offset) = (index, self.record.offset);
        rejected.envelope = index.and_then(|_| self.envelope_hash());
        rejected
    }

    fn reject_broken(&mut self, record: &BrokenRecord) {
        if !self.selects_broken(&record.bytes, record.length) {
            return;
        }
        let reason = match record.reason {
            BrokenReason::TooLong => RejectReason::LineTooLong,
            BrokenReason::NotUtf8 => RejectReason::NotUtf8,
            BrokenReason::NotJson => RejectReason::NotJson,
            BrokenReason::OpenQuote => RejectReason::WrongWidth,
            BrokenReason::NoMatch => RejectReason::NoMatch,
            BrokenReason::BadWrapping => RejectReason::BadWrapping,
            BrokenReason::TooDeep => RejectReason::TooDeep,
        };
        self.counts.read += 1;
        let mut rejected = RejectedLine::new(record.line, reason, &record.bytes, self.ip, &self.key);
        (rejected.offset, rejected.length) = (Some(record.offset), record.length);
        self.reject_selected(reason);
        let context =
            RejectContext { map: self.record.map.clone(), is_part: true, ..RejectContext::default() };
        rejected.context = Some(Box::new(context));
        self.counts.add_rejected(rejected);
        self.emit_if_full();
    }
}
