//! The parser of a block: scans its lines and turns each into rows or a rejection.

use std::sync::Arc;

use memchr::memchr;

use super::extra_fields::InheritedFields;
use super::fields::Field;
use super::line_fields::LineFields;
use super::lines::without_line_end;
use super::mapped::properties::SetValue;
use super::rejected::{RejectReason, RejectedIdentity, RejectedLine, RepeatedRejects};
use super::row_builder::{IdSource, LineKind, ParserScratch, RowBuilder};
use super::selection::Selection;
use super::trace::Trace;
use super::unparsed_lines::{UnparsedLine, UnparsedLines};
use super::warnings::Warnings;
use super::{ParseOptions, Parsed};
use crate::enrich::Enricher;
use crate::event::{Block, EventRow, TextField, TextId};
use crate::ingest::input::blocks::{RawBlock, UnfinishedLine};
use crate::ingest::map::SharedMap;
use crate::ingest::map::names::NameMemo;
use crate::ingest::map::record::Values;
use crate::json::{Kind, NodeId, Scanner, Span, Value};
use crate::settings::IpPolicy;
use crate::store::key::SecretKey;
use crate::time::Micros;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Parses a block.
pub fn parse(raw: RawBlock, options: &ParseOptions, enricher: &Enricher) -> Parsed {
    Parser::default().parse(raw, options, enricher).0
}

/// A parser that reuses its memory from block to block.
#[derive(Debug, Default)]
pub struct Parser {
    scratch: ParserScratch,
    values: Values,
    names: NameMemo,
    /// The counts of a tracing parser; `None` for other parsers.
    trace: Option<Trace>,
    /// The records to parse; `None` for all.
    selection: Option<Box<Selection>>,
}

impl Parser {
    /// Creates a parser that counts the names of events before and after a map renames them, and
    /// records the fields of rejected lines.
    pub fn tracing() -> Parser {
        Parser { trace: Some(Trace::default()), ..Parser::default() }
    }

    /// Parses only the selected records from now on.
    pub fn select(&mut self, selection: Selection) {
        self.selection = Some(Box::new(selection));
    }

    /// Ends a selection and returns it.
    pub fn take_selection(&mut self) -> Option<Box<Selection>> {
        self.selection.take()
    }

    /// Returns the counts since the last call.
    pub fn take_trace(&mut self) -> Trace {
        self.trace.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Parses a block. Returns the result and the buffer of the lines, for the next block.
    pub fn parse(&mut self, raw: RawBlock, options: &ParseOptions, enricher: &Enricher) -> (Parsed, Vec<u8>) {
        self.parse_in_chunks(raw, options, enricher, usize::MAX, &mut |_| ())
    }

    /// Parses a block and calls `emit` whenever the result takes `chunk_size` bytes. Returns the
    /// last chunk, which also holds the unfinished line, and the buffer of the lines.
    ///
    /// One line of 1 MiB can be an envelope of half a million elements, whose rejections take
    /// hundreds of times the memory of the line. Chunks bound this memory.
    pub fn parse_in_chunks(
        &mut self,
        mut raw: RawBlock,
        options: &ParseOptions,
        enricher: &Enricher,
        chunk_size: usize,
        emit: &mut dyn FnMut(Parsed),
    ) -> (Parsed, Vec<u8>) {
        let unfinished = raw.unfinished;
        let mut counts = BlockCounts { unfinished: raw.unfinished_overlong, ..BlockCounts::default() };
        let records = raw.records.take();
        let mut unparsed = UnparsedLines::new(raw.first_line, std::mem::take(&mut raw.overlong), &raw.bytes);
        let valid_lines;
        let text = match simdutf8::basic::from_utf8(&raw.bytes) {
            Ok(text) => text,
            Err(_) => {
                valid_lines = unparsed.split_off_invalid_utf8();
                &valid_lines
            }
        };
        let mut lines = BlockLines {
            options,
            bytes: &raw.bytes,
            offset: raw.offset,
            record: RecordState {
                values: std::mem::take(&mut self.values),
                names: std::mem::take(&mut self.names),
                ..RecordState::default()
            },
            rows: RowBuilder::new(text, options, enricher, std::mem::take(&mut self.scratch)),
            scanner: Scanner::new(text.as_bytes()),
            text,
            line: LineFields::default(),
            envelope: LineFields::default(),
            unfinished,
            end: raw.end,
            ip: options.ip,
            key: SecretKey::from_bytes(options.visitor_key),
            number: raw.first_line,
            unparsed,
            counts: &mut counts,
            chunk_size,
            emit,
            trace: self.trace.take(),
            selection: self.selection.take(),
        };
        match records {
            None if lines.selection.is_some() => lines.run_selected(),
            None => lines.run(),
            Some(records) => lines.run_records(*records),
        }
        self.selection = lines.selection.take();
        self.values = lines.record.values;
        self.names = lines.record.names;
        self.trace = lines.trace;
        let utc_times = lines.rows.utc_times;
        let (block, warnings, scratch) = lines.rows.finish();
        self.scratch = scratch;
        let unfinished = counts.unfinished.take();
        let mut parsed = counts.take_chunk(block, warnings);
        parsed.utc_times = utc_times;
        parsed.read += u64::from(unfinished.is_some());
        parsed.unfinished = unfinished;
        (parsed, raw.bytes)
    }
}

/// Returns an upper bound of the number of distinct session keys of a block. If sessions of two
/// chatbots have the same id, each alternation between the chatbots counts as a key.
fn count_session_keys(block: &Block) -> usize {
    let mut chatbots = vec![TextId::NONE; block.texts.count()];
    let is_new = |row: &&EventRow| {
        let (id, chatbot) = (row.get(row.key_kind.field()), row.get(TextField::ChatbotId));
        chatbots.get_mut(id.0 as usize).is_some_and(|last| std::mem::replace(last, chatbot) != chatbot)
    };
    block.rows.iter().filter(is_new).count()
}

/// The counts and rejected lines of the chunk that is being parsed.
#[derive(Default)]
pub(super) struct BlockCounts {
    rejected: Vec<RejectedLine>,
    rejected_size: usize,
    repeats: RepeatedRejects,
    pub(super) read: u64,
    pub(super) ignored: u64,
    pub(super) blank: u64,
    unfinished: Option<UnfinishedLine>,
}

impl BlockCounts {
    pub(super) fn add_rejected(&mut self, rejected: RejectedLine) {
        self.rejected_size += rejected.memory_size();
        self.rejected.push(rejected);
    }

    /// Returns the counts together with the rows, and resets the counts.
    fn take_chunk(&mut self, block: Block, warnings: Warnings) -> Parsed {
        let BlockCounts { rejected, rejected_size, read, ignored, blank, unfinished, .. } =
            std::mem::take(self);
        self.unfinished = unfinished;
        Parsed {
            all_have_ids: block.rows.iter().all(|row| row.has_own_id),
            session_keys: count_session_keys(&block),
            block,
            rejected,
            rejected_size,
            read,
            ignored,
            blank,
            unfinished: None,
            warnings,
            utc_times: 0,
        }
    }
}

/// The lines of a block while they are being parsed.
pub(super) struct BlockLines<'a, 'b> {
    pub(super) options: &'a ParseOptions,
    pub(super) rows: RowBuilder<'a>,
    pub(super) scanner: Scanner<'a>,
    pub(super) text: &'a str,
    /// The bytes of the block, including lines that are not UTF-8.
    pub(super) bytes: &'a [u8],
    /// Offset of the block in the input.
    pub(super) offset: u64,
    /// The state of a record that is not a native line.
    pub(super) record: RecordState,
    /// The fields of the current line, or of the current event of an envelope.
    pub(super) line: LineFields,
    /// The fields of the current envelope.
    envelope: LineFields,
    /// Whether the last line has no line end and may be left for the next ingest.
    pub(super) unfinished: bool,
    /// Offset after the block.
    end: u64,
    pub(super) ip: IpPolicy,
    pub(super) key: SecretKey,
    /// Number of the next line.
    pub(super) number: u64,
    unparsed: UnparsedLines<'a>,
    pub(super) counts: &'b mut BlockCounts,
    chunk_size: usize,
    emit: &'b mut dyn FnMut(Parsed),
    pub(super) trace: Option<Trace>,
    /// The records to parse; `None` for all.
    pub(super) selection: Option<Box<Selection>>,
}

/// The state of a record that is not a native line.
#[derive(Default)]
pub(super) struct RecordState {
    /// The values of the record.
    pub values: Values,
    /// Cache of the patterns that recent event names match.
    pub names: NameMemo,
    /// The values of the top level of a line.
    pub roots: Vec<NodeId>,
    /// The members of the element that were copied unchanged to columns.
    pub consumed: Vec<NodeId>,
    /// The values that a map sets in the properties of the current event.
    pub set_values: Vec<SetValue>,
    /// Offset of the record in the input; `None` for native lines.
    pub offset: Option<u64>,
    /// The columns that the wrapping of the record supplies for its events, if any.
    pub defaults: Option<Box<LineFields>>,
    /// Whether positions refer to the bytes of the block instead of its text.
    pub from_bytes: bool,
    /// Whether the value has several events. If so, the id in its wrapping identifies none of them.
    pub several: bool,
    /// The map that reads the record; `None` for the native form.
    pub map: Option<SharedMap>,
    /// The names of the columns of rows, if the file names them.
    pub columns: Option<Arc<[String]>>,
    /// The position, in the block, of the columns that the wrapping supplies.
    pub given: Option<Span>,
    /// The envelope whose element is being parsed, and its keyed hash once it has been computed.
    pub envelope: Option<Span>,
    pub envelope_hash: Option<String>,
}

impl<'a> BlockLines<'a, '_> {
    fn run(&mut self) {
        let mut pos = 0;
        while pos < self.text.len() {
            self.reject_unparsed_lines();
            let number = self.number;
            self.number += 1;
            self.rows.discard_decoded();
            pos = self.parse_line(number, pos);
            self.emit_if_full();
        }
        self.reject_unparsed_lines();
    }

    /// Parses a line. Returns the position of the next line.
    #[inline]
    pub(super) fn parse_line(&mut self, number: u64, pos: usize) -> usize {
        let Some((start, end, after)) = self.scan_object(pos) else { return self.parse_other(number, pos) };
        let object = Span { start: start as u32, len: (end - start) as u32 };
        self.parse_object(number, pos, object, after);
        after + 1
    }

    /// Rejects the next lines that are not part of the scanned text.
    #[inline]
    pub(super) fn reject_unparsed_lines(&mut self) {
        while let Some(line) = self.unparsed.pop(self.number) {
            // The text lacks the line.
            self.offset += line.length();
            self.reject_unparsed_line(line);
            self.number += 1;
            self.emit_if_full();
        }
    }

    #[cold]
    fn reject_unparsed_line(&mut self, line: UnparsedLine) {
        let number = self.number;
        if !self.selects_unparsed(&line) {
            return;
        }
        let rejected = match line {
            UnparsedLine::Overlong(long) => RejectedLine::overlong(&long, self.ip, &self.key),
            UnparsedLine::NotUtf8(range) => {
                let line = self.unparsed.bytes(range);
                if self.unfinished && !line.ends_with(b"\n") {
                    let length = line.len();
                    return self.leave_unfinished(number, length);
                }
                RejectedLine::new(number, RejectReason::NotUtf8, without_line_end(line), self.ip, &self.key)
            }
        };
        self.counts.read += 1;
        self.push_rejected(rejected);
    }

    #[inline]
    pub(super) fn emit_if_full(&mut self) {
        if self.rows.size() + self.counts.rejected_size >= self.chunk_size {
            self.emit_chunk();
        }
    }

    #[cold]
    fn emit_chunk(&mut self) {
        let utc_times = std::mem::take(&mut self.rows.utc_times);
        let (block, warnings) = self.rows.take_chunk();
        let parsed = self.counts.take_chunk(block, warnings);
        (self.emit)(Parsed { utc_times, ..parsed });
    }

    /// Leaves the last line for the next ingest.
    pub(super) fn leave_unfinished(&mut self, line: u64, length: usize) {
        let length = length as u64;
        self.counts.unfinished =
            Some(UnfinishedLine { line, offset: self.end.saturating_sub(length), length });
    }

    /// Scans a line that holds one object. Returns the positions where the object begins and ends
    /// and where the line ends; `None` for any other line.
    #[inline]
    pub(super) fn scan_object(&mut self, pos: usize) -> Option<(usize, usize, usize)> {
        let start = self.scanner.skip_space(pos);
        if self.scanner.at(start) != b'{' {
            return None;
        }
        let (line, text) = (&mut self.line, self.text);
        line.clear();
        let end = self.scanner.object(start, |member| line.insert(text, member))?;
        let after = self.scanner.skip_space(end);
        (after >= text.len() || self.scanner.at(after) == b'\n').then_some((start, end, after))
    }

    #[inline]
    pub(super) fn parse_object(&mut self, number: u64, from: usize, object: Span, end: usize) {
        let kind = if self.line.has(Field::EventName) {
            Some(LineKind::Event)
        } else if self.is_envelope() {
            return self.parse_envelope(number, from, object, end);
        } else {
            self.rows.kind_from_type(&self.line)
        };
        if !self.is_selected() {
            return;
        }
        self.counts.read += 1;
        let Some(kind) = kind else {
            return self.reject(number, RejectReason::NoEventName, None, from, end, None);
        };
        let mut id_source = IdSource::Line(object);
        if self.record.defaults.is_some() {
            id_source = self.fill_defaults(id_source, None);
        }
        let added = self.rows.add(&mut self.scanner, &self.line, kind, id_source, None);
        if let Err((reason, time)) = added {
            self.reject(number, reason, time, from, end, None);
        }
    }

    fn is_envelope(&self) -> bool {
        self.line.get(Field::Events).is_some_and(|events| events.member.value.kind() == Kind::Array)
    }

    fn parse_envelope(&mut self, number: u64, from: usize, object: Span, end: usize) {
        let Some(events) = self.line.get(Field::Events).map(|events| events.member.value) else { return };
        std::mem::swap(&mut self.line, &mut self.envelope);
        self.rows.prepare_envelope(&mut self.envelope);
        let mut inherited = InheritedFields::new(&self.envelope, object);
        self.rows.write_inherited(&mut inherited);
        self.rows.keep_decoded();
        self.rows.count_envelope_warnings();
        let hash = xxhash_rust::xxh3::xxh3_128(self.rows.buffer.get(object).unwrap_or("").as_bytes());

        let mut pos = self.scanner.first_element(events.start as usize);
        let mut index = 0;
        self.record.several = self.has_several_elements(pos);
        (self.record.envelope, self.record.envelope_hash) = (Some(object), None);
        while let Some((value, next)) = self.scanner.element(pos) {
            if self.selects_element(value.raw()) {
                self.counts.read += 1;
                self.parse_element(number, value, IdSource::Element(hash, index), index, &mut inherited);
                self.emit_if_full();
            }
            index += 1;
            pos = next;
        }
        self.record.envelope = None;
        if index == 0 {
            self.counts.read += 1;
            std::mem::swap(&mut self.line, &mut self.envelope);
            self.reject(number, RejectReason::EmptyEnvelope, None, from, end, None);
        }
    }

    fn parse_element(
        &mut self,
        number: u64,
        value: Value,
        id_source: IdSource,
        index: u32,
        inherited: &mut InheritedFields,
    ) {
        let (start, end) = (value.start as usize, value.end as usize);
        self.line.clear();
        let (reason, time) = if value.kind() != Kind::Object {
            (RejectReason::NotAnObject, None)
        } else {
            let (line, text) = (&mut self.line, self.text);
            let _ = self.scanner.object(start, |member| line.insert(text, member));
            let kind = if line.has(Field::EventName) {
                Some(LineKind::Event)
            } else {
                self.rows.kind_from_type(&self.line)
            };
            self.line.inherit(&self.envelope);
            let id_source = match self.record.defaults {
                Some(_) => self.fill_defaults(id_source, Some(index)),
                None => id_source,
            };
            let row = match kind {
                Some(kind) => self.rows.add(&mut self.scanner, &self.line, kind, id_source, Some(inherited)),
                None => Err((RejectReason::NoEventName, None)),
            };
            match row {
                Ok(()) => return,
                Err(rejection) => rejection,
            }
        };
        self.reject(number, reason, time, start, end, Some(index));
    }

    /// Handles a line that is not an object: blank, rejected, or unfinished. Returns the position
    /// of the next line.
    fn parse_other(&mut self, number: u64, from: usize) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or(&[]);
        // In concatenated files, any line can begin with a byte order mark.
        let marks = rest.chunks(BYTE_ORDER_MARK.len()).take_while(|bytes| *bytes == BYTE_ORDER_MARK).count();
        if marks > 0 {
            return self.parse_line(number, from + marks * BYTE_ORDER_MARK.len());
        }
        let (line, has_end) = match memchr(b'\n', rest) {
            Some(end) => (rest.get(..end).unwrap_or(&[]), true),
            None => (rest, false),
        };
        let end = from + line.len();
        if line.trim_ascii().is_empty() {
            self.counts.blank += 1;
            return end + 1;
        }
        if self.parse_values(number, from, end, !has_end && self.unfinished) {
            return end + 1;
        }
        let value = self.scanner.value(self.scanner.skip_space(from));
        let is_json = value.is_some_and(|value| self.scanner.skip_space(value.end as usize) == end);
        if !is_json && !has_end && self.unfinished {
            self.leave_unfinished(number, line.len());
        } else {
            self.counts.read += 1;
            // Discard the members that were scanned before the error: they belong to no object.
            self.line.clear();
            let reason = if is_json { RejectReason::NotAnObject } else { RejectReason::NotJson };
            self.reject(number, reason, None, from, end, None);
        }
        end + 1
    }

    /// Parses a line that holds several values, or a list of values. If an object or a list after
    /// them is invalid, it is rejected with the rest of the line, unless the line may continue.
    /// Returns false for any other line, and if no value is an object.
    #[cold]
    fn parse_values(&mut self, number: u64, from: usize, end: usize, may_continue: bool) -> bool {
        let (mut pos, mut values, mut broken) = (self.skip_separators(from), Vec::new(), None);
        while pos < end {
            let Some(value) = self.scanner.value(pos) else {
                if may_continue || !matches!(self.scanner.at(pos), b'{' | b'[') {
                    return false;
                }
                broken = Some(pos);
                break;
            };
            pos = self.skip_separators(value.end as usize);
            values.push(value);
        }
        let mut records = Vec::new();
        for value in values {
            if value.kind() != Kind::Array {
                records.push(value);
                continue;
            }
            let mut pos = self.scanner.first_element(value.start as usize);
            while let Some((element, next)) = self.scanner.element(pos) {
                records.push(element);
                pos = next;
            }
        }
        if records.iter().all(|record| record.kind() != Kind::Object) {
            return false;
        }
        records.into_iter().for_each(|record| self.parse_value(number, record));
        if let Some(start) = broken {
            let rest = self.bytes.get(start..end).map_or(0, |rest| without_line_end(rest).len());
            self.reject_rest(number, start, start + rest);
        }
        true
    }

    /// Rejects the rest of a line, from an invalid value after valid ones.
    #[cold]
    pub(super) fn reject_rest(&mut self, number: u64, start: usize, end: usize) {
        self.line.clear();
        let rest = Span { start: start as u32, len: (end - start) as u32 };
        if self.selects_value(rest) && self.is_selected() {
            let offset = self.record.offset.replace(self.offset + start as u64);
            self.counts.read += 1;
            self.reject(number, RejectReason::NotJson, None, start, end, None);
            self.record.offset = offset;
        }
        self.emit_if_full();
    }

    /// Parses a value that shares its line with other values.
    fn parse_value(&mut self, number: u64, value: Value) {
        let (start, end) = (value.start as usize, value.end as usize);
        self.record.offset = Some(self.offset + start as u64);
        self.line.clear();
        if !self.selects_value(value.raw()) {
            // A retry skips values without a rejected event.
        } else if value.kind() == Kind::Object {
            let (line, text) = (&mut self.line, self.text);
            let _ = self.scanner.object(start, |member| line.insert(text, member));
            self.parse_object(number, start, value.raw(), end);
        } else {
            self.counts.read += 1;
            self.reject(number, RejectReason::NotAnObject, None, start, end, None);
        }
        self.record.offset = None;
        self.emit_if_full();
    }

    /// Skips white space and U+001E, which begins each value of an RFC 7464 sequence.
    fn skip_separators(&self, mut pos: usize) -> usize {
        loop {
            pos = self.scanner.skip_space(pos);
            if self.scanner.at(pos) != 0x1e {
                return pos;
            }
            pos += 1;
        }
    }

    /// Returns whether an array has at least two elements. `pos` is the position of the first.
    fn has_several_elements(&mut self, pos: usize) -> bool {
        // Only the ids of wrappings depend on the number of elements.
        self.record.defaults.is_some()
            && self.scanner.element(pos).is_some_and(|(_, next)| self.scanner.element(next).is_some())
    }

    pub(super) fn reject(
        &mut self,
        number: u64,
        reason: RejectReason,
        time: Option<Micros>,
        from: usize,
        end: usize,
        index: Option<u32>,
    ) {
        let all = if self.record.from_bytes { self.bytes } else { self.text.as_bytes() };
        let bytes = without_line_end(all.get(from..end).unwrap_or(&[]));
        let at = self.counts.rejected.len();
        // Equal elements of several envelopes are different events.
        let start = self.record.envelope.map_or(0, |envelope| envelope.start);
        let envelope = index.map(|_| (number, self.record.offset, start));
        if self.record.given.is_none()
            && self.selection.is_none()
            && let Some(first) = self.counts.repeats.first(envelope, reason, bytes, at)
            && let Some(first) = self.counts.rejected.get_mut(first)
        {
            first.count += 1;
            return;
        }
        let mut rejected = RejectedLine::new(number, reason, bytes, self.ip, &self.key);
        rejected.index = index;
        rejected.offset = self.record.offset;
        rejected.envelope = index.and_then(|_| self.envelope_hash());
        if self.line.present() != 0 {
            let identity = self.rows.rejected_identity(&self.line);
            rejected.identity = Some(Box::new(RejectedIdentity { time, ..identity }));
        }
        self.push_rejected(rejected);
    }
}
