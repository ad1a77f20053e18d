//! The parser of a block: scans its lines and turns each into rows or a rejection.

use memchr::memchr;

use super::extra_fields::InheritedFields;
use super::fields::Field;
use super::line_fields::LineFields;
use super::parsed::{ParseOptions, Parsed};
use super::rejected::{RejectReason, RejectedIdentity, RejectedLine};
use super::row_builder::{IdSource, LineKind, ParserScratch, RowBuilder};
use super::unparsed_lines::{UnparsedLine, UnparsedLines};
use super::warnings::Warnings;
use crate::enrich::Enricher;
use crate::event::{Block, EventRow};
use crate::ingest::input::blocks::{RawBlock, UnfinishedLine};
use crate::json::{Kind, Scanner, Span, Value};
use crate::settings::IpPolicy;
use crate::store::key::SecretKey;
use crate::time::Micros;

/// Parses a block.
pub fn parse(raw: RawBlock, options: &ParseOptions, enricher: &Enricher) -> Parsed {
    Parser::default().parse(raw, options, enricher).0
}

/// A parser that reuses its memory from block to block.
#[derive(Debug, Default)]
pub struct Parser {
    scratch: ParserScratch,
}

impl Parser {
    /// Parses a block. Returns the result and the buffer of the lines, for the next block.
    pub fn parse(&mut self, raw: RawBlock, options: &ParseOptions, enricher: &Enricher) -> (Parsed, Vec<u8>) {
        self.parse_in_chunks(raw, options, enricher, usize::MAX, &mut |_| ())
    }

    /// Parses a block and calls `emit` whenever the result takes `chunk_size` bytes. Returns the
    /// last chunk, which also holds the unfinished line, and the buffer of the lines.
    ///
    /// One line of 1 MiB can be an envelope of half a million elements, whose rejections take
    /// hundreds of times the memory of the line. Chunks keep that bounded.
    pub fn parse_in_chunks(
        &mut self,
        raw: RawBlock,
        options: &ParseOptions,
        enricher: &Enricher,
        chunk_size: usize,
        emit: &mut dyn FnMut(Parsed),
    ) -> (Parsed, Vec<u8>) {
        let unfinished = raw.unfinished;
        let mut counts = BlockCounts { unfinished: raw.unfinished_overlong, ..BlockCounts::default() };
        let mut unparsed = UnparsedLines::new(raw.first_line, raw.overlong, &raw.bytes);
        let valid_lines;
        let text = match simdutf8::basic::from_utf8(&raw.bytes) {
            Ok(text) => text,
            Err(_) => {
                valid_lines = unparsed.split_off_invalid_utf8();
                &valid_lines
            }
        };
        let mut lines = BlockLines {
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
        };
        lines.run();
        let (block, warnings, scratch) = lines.rows.finish();
        self.scratch = scratch;
        let unfinished = counts.unfinished.take();
        let mut parsed = counts.take_chunk(block, warnings);
        parsed.read += u64::from(unfinished.is_some());
        parsed.unfinished = unfinished;
        (parsed, raw.bytes)
    }
}

/// Returns the number of distinct texts among the session keys of a block.
fn count_session_keys(block: &Block) -> usize {
    let mut seen = vec![false; block.texts.count()];
    let is_new = |row: &&EventRow| {
        let id = row.text[row.key_kind.field() as usize];
        seen.get_mut(id.0 as usize).is_some_and(|seen| !std::mem::replace(seen, true))
    };
    block.rows.iter().filter(is_new).count()
}

/// The counts and rejected lines of the chunk that is being parsed.
#[derive(Default)]
struct BlockCounts {
    rejected: Vec<RejectedLine>,
    rejected_size: usize,
    read: u64,
    blank: u64,
    unfinished: Option<UnfinishedLine>,
}

impl BlockCounts {
    fn add_rejected(&mut self, rejected: RejectedLine) {
        self.rejected_size += rejected.memory_size();
        self.rejected.push(rejected);
    }

    /// Returns the counts together with the rows, and resets the counts.
    fn take_chunk(&mut self, block: Block, warnings: Warnings) -> Parsed {
        let BlockCounts { rejected, rejected_size, read, blank, unfinished } = std::mem::take(self);
        self.unfinished = unfinished;
        Parsed {
            all_have_ids: block.rows.iter().all(|row| row.has_own_id),
            session_keys: count_session_keys(&block),
            block,
            rejected,
            rejected_size,
            read,
            blank,
            unfinished: None,
            warnings,
        }
    }
}

/// The lines of a block while they are being parsed.
struct BlockLines<'a, 'b> {
    rows: RowBuilder<'a>,
    scanner: Scanner<'a>,
    text: &'a str,
    /// The fields of the current line, or of the current event of an envelope.
    line: LineFields,
    /// The fields of the current envelope.
    envelope: LineFields,
    /// The last line has no end and may be left for the next ingest.
    unfinished: bool,
    /// Offset after the block.
    end: u64,
    ip: IpPolicy,
    key: SecretKey,
    /// Number of the next line.
    number: u64,
    unparsed: UnparsedLines<'a>,
    counts: &'b mut BlockCounts,
    chunk_size: usize,
    emit: &'b mut dyn FnMut(Parsed),
}

impl<'a> BlockLines<'a, '_> {
    fn run(&mut self) {
        let mut pos = 0;
        while pos < self.text.len() {
            self.reject_unparsed_lines();
            let number = self.number;
            self.number += 1;
            pos = match self.scan_object(pos) {
                Some((start, end, after)) => {
                    let object = Span { start: start as u32, len: (end - start) as u32 };
                    self.parse_object(number, pos, object, after);
                    after + 1
                }
                None => self.parse_other(number, pos),
            };
            self.emit_if_full();
        }
        self.reject_unparsed_lines();
    }

    /// Rejects the next lines as long as they are not in the scanned text.
    #[inline]
    fn reject_unparsed_lines(&mut self) {
        while let Some(line) = self.unparsed.pop(self.number) {
            self.reject_unparsed_line(line);
            self.number += 1;
            self.emit_if_full();
        }
    }

    #[cold]
    fn reject_unparsed_line(&mut self, line: UnparsedLine) {
        let number = self.number;
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
        self.counts.add_rejected(rejected);
    }

    #[inline]
    fn emit_if_full(&mut self) {
        if self.rows.size() + self.counts.rejected_size >= self.chunk_size {
            self.emit_chunk();
        }
    }

    #[cold]
    fn emit_chunk(&mut self) {
        let (block, warnings) = self.rows.take_chunk();
        (self.emit)(self.counts.take_chunk(block, warnings));
    }

    /// Leaves the last line for the next ingest.
    fn leave_unfinished(&mut self, line: u64, length: usize) {
        let length = length as u64;
        self.counts.unfinished =
            Some(UnfinishedLine { line, offset: self.end.saturating_sub(length), length });
    }

    /// Scans a line that holds one object. Returns the positions where the object begins and ends
    /// and where the line ends; `None` for any other line.
    #[inline]
    fn scan_object(&mut self, pos: usize) -> Option<(usize, usize, usize)> {
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
    fn parse_object(&mut self, number: u64, from: usize, object: Span, end: usize) {
        let kind = if self.line.has(Field::EventName) {
            Some(LineKind::Event)
        } else if self.is_envelope() {
            return self.parse_envelope(number, from, object, end);
        } else {
            self.rows.kind_from_type(&self.line)
        };
        self.counts.read += 1;
        let Some(kind) = kind else {
            return self.reject(number, RejectReason::NoEventName, None, from, end, None);
        };
        let added = self.rows.add(&mut self.scanner, &self.line, kind, IdSource::Line(object), None);
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
        inherited.object = self.rows.write_extra(&mut inherited.members);
        self.rows.count_envelope_warnings();
        let hash = xxhash_rust::xxh3::xxh3_128(self.rows.buffer.get(object).unwrap_or("").as_bytes());

        let mut pos = self.scanner.first_element(events.start as usize);
        let mut index = 0;
        while let Some((value, next)) = self.scanner.element(pos) {
            self.counts.read += 1;
            self.parse_element(number, value, IdSource::Element(hash, index), index, &mut inherited);
            self.emit_if_full();
            index += 1;
            pos = next;
        }
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
        let (line, has_end) = match memchr(b'\n', rest) {
            Some(end) => (rest.get(..end).unwrap_or(&[]), true),
            None => (rest, false),
        };
        let end = from + line.len();
        if line.trim_ascii().is_empty() {
            self.counts.blank += 1;
            return end + 1;
        }
        let value = self.scanner.value(self.scanner.skip_space(from));
        let is_json = value.is_some_and(|value| self.scanner.skip_space(value.end as usize) == end);
        if !is_json && !has_end && self.unfinished {
            self.leave_unfinished(number, line.len());
        } else {
            self.counts.read += 1;
            // The members that were scanned before the error belong to no object.
            self.line.clear();
            let reason = if is_json { RejectReason::NotAnObject } else { RejectReason::NotJson };
            self.reject(number, reason, None, from, end, None);
        }
        end + 1
    }

    fn reject(
        &mut self,
        number: u64,
        reason: RejectReason,
        time: Option<Micros>,
        from: usize,
        end: usize,
        index: Option<u32>,
    ) {
        let bytes = without_line_end(self.text.as_bytes().get(from..end).unwrap_or(&[]));
        let mut rejected = RejectedLine::new(number, reason, bytes, self.ip, &self.key);
        rejected.index = index;
        if self.line.present() != 0 {
            let identity = self.rows.rejected_identity(&self.line);
            rejected.identity = Some(Box::new(RejectedIdentity { time, ..identity }));
        }
        self.counts.add_rejected(rejected);
    }
}

/// Returns a line without `\n` or `\r\n`.
fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
