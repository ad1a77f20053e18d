//! From a block of lines to rows and refusals.
//!
//! Pure: what comes out depends on the block, the options and the enricher alone, so that blocks can
//! be parsed in any order and on any thread.
//!
//! What becomes of a block comes in pieces where it would take many times what its lines take: one line
//! can be an envelope of half a million elements.

pub(crate) mod enrichment;
pub(crate) mod envelope;
pub(crate) mod event;
pub(crate) mod event_id;
pub(crate) mod extra_fields;
pub mod fields;
pub mod ip_masking;
pub(crate) mod line;
pub mod text;
pub mod timestamp;
pub(crate) mod values;
pub(crate) mod visitor_id;

use std::collections::VecDeque;

use memchr::memchr;

use super::input::blocks::{OverlongLine, RawBlock, UnfinishedLine};
use super::summary::reason::RejectReason;
use super::summary::rejected::{RejectedIdentity, RejectedLine};
use super::summary::warnings::Warnings;
use crate::enrich::Enricher;
use crate::event::{Block, EventRow};
use crate::json::Span;
use crate::json::Value;
use crate::json::{Kind, Scanner};
use crate::settings::IpPolicy;
use crate::store::key::SecretKey;
use crate::time::Micros;
use envelope::InheritedFields;
use event::{LineKind, ParserScratch, RowBuilder};
use event_id::IdSource;
use fields::Field;
use line::LineFields;

/// What the meaning of a line depends on, besides itself.
#[derive(Clone)]
pub struct ParseOptions {
    /// The chatbot of lines that name none.
    pub chatbot: Option<String>,
    /// The present: events more than a day after it are refused.
    pub now: Micros,
    /// What is stored of addresses.
    pub ip: IpPolicy,
    /// The store's key: behind the visitors that are made of address and user agent, and the hashes
    /// of refused lines.
    pub visitor_key: [u8; 32],
}

/// What a block came to, or a piece of it.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The events, in the order of their lines.
    pub block: Block,
    /// What was refused, in the order of the lines.
    pub rejected: Vec<RejectedLine>,
    /// About how much memory that takes and will take.
    pub rejected_size: usize,
    /// Events read: rows, refused ones and the unfinished one.
    pub read: u64,
    /// Lines with nothing in them.
    pub blank: u64,
    /// The last line, where it is left for the next ingest.
    pub unfinished: Option<UnfinishedLine>,
    /// What was noticed about the rows.
    pub warnings: Warnings,
    /// Every event has an id of its own.
    pub own_ids: bool,
    /// How many session keys there are, those of two chatbots with one id as one.
    pub session_keys: usize,
}

impl Parsed {
    /// Returns how many bytes of memory it takes, and its refused lines will take: not what is used of
    /// them, since a block of short lines is mostly room.
    pub fn size(&self) -> usize {
        let rows = self.block.rows.capacity() * size_of::<EventRow>();
        size_of::<Parsed>() + self.block.texts.capacity() + rows + self.rejected_size
    }
}

/// Parses a block.
pub fn parse(raw: RawBlock, options: &ParseOptions, enricher: &Enricher) -> Parsed {
    Parser::default().parse(raw, options, enricher).0
}

/// Parses block after block with the same memory.
#[derive(Debug, Default)]
pub struct Parser {
    leftover: ParserScratch,
}

impl Parser {
    /// Parses a block; returns also the memory of its lines, for the next.
    pub fn parse(&mut self, raw: RawBlock, options: &ParseOptions, enricher: &Enricher) -> (Parsed, Vec<u8>) {
        self.parse_in_chunks(raw, options, enricher, usize::MAX, &mut |_| ())
    }

    /// Does the same, but whenever there is as much as `most` bytes, hands on what there is. What is
    /// returned is the last piece; the unfinished line is in that.
    pub fn parse_in_chunks(
        &mut self,
        raw: RawBlock,
        options: &ParseOptions,
        enricher: &Enricher,
        most: usize,
        emit: &mut dyn FnMut(Parsed),
    ) -> (Parsed, Vec<u8>) {
        let unfinished = raw.unfinished;
        let mut counts = BlockCounts { unfinished: raw.unfinished_overlong, ..BlockCounts::default() };
        let mut elsewhere = UnparsedLines::new(raw.first_line, raw.overlong, &raw.bytes);
        let without_others;
        let text = match simdutf8::basic::from_utf8(&raw.bytes) {
            Ok(text) => text,
            Err(_) => {
                without_others = elsewhere.utf8_lines();
                &without_others
            }
        };
        let mut lines = Lines {
            rows: RowBuilder::new(text, options, enricher, std::mem::take(&mut self.leftover)),
            scanner: Scanner::new(text.as_bytes()),
            text,
            line: LineFields::default(),
            envelope: LineFields::default(),
            unfinished,
            end: raw.end,
            ip: options.ip,
            key: SecretKey::from_bytes(options.visitor_key),
            number: raw.first_line,
            elsewhere,
            counts: &mut counts,
            most,
            emit,
        };
        lines.run();
        let (block, warnings, left) = lines.rows.end();
        self.leftover = left;
        let unfinished = counts.unfinished.take();
        let mut parsed = counts.piece(block, warnings);
        parsed.read += u64::from(unfinished.is_some());
        parsed.unfinished = unfinished;
        (parsed, raw.bytes)
    }
}

fn session_keys(block: &Block) -> usize {
    let mut seen = vec![false; block.texts.count()];
    let key = |row: &&EventRow| {
        let id = row.text[row.key_kind.field() as usize];
        seen.get_mut(id.0 as usize).is_some_and(|seen| !std::mem::replace(seen, true))
    };
    block.rows.iter().filter(key).count()
}

/// What is counted while a block is being parsed.
#[derive(Default)]
struct BlockCounts {
    rejected: Vec<RejectedLine>,
    rejected_size: usize,
    read: u64,
    blank: u64,
    unfinished: Option<UnfinishedLine>,
}

impl BlockCounts {
    fn reject(&mut self, rejected: RejectedLine) {
        self.rejected_size += rejected.weight();
        self.rejected.push(rejected);
    }

    /// Returns what was counted, with the rows to it, and counts anew.
    fn piece(&mut self, block: Block, warnings: Warnings) -> Parsed {
        let BlockCounts { rejected, rejected_size, read, blank, unfinished } = std::mem::take(self);
        self.unfinished = unfinished;
        Parsed {
            own_ids: block.rows.iter().all(|row| row.has_own_id),
            session_keys: session_keys(&block),
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

/// The lines of a block that are not in its text; they are refused when the count of lines comes to them.
struct UnparsedLines<'a> {
    first_line: u64,
    overlong: VecDeque<OverlongLine>,
    /// Of lines that are not UTF-8, which of the block's lines they are and where in its bytes they begin.
    not_utf8: VecDeque<(u32, u32)>,
    /// The block's bytes.
    bytes: &'a [u8],
}

impl<'a> UnparsedLines<'a> {
    fn new(first_line: u64, overlong: Vec<OverlongLine>, bytes: &'a [u8]) -> UnparsedLines<'a> {
        UnparsedLines { first_line, overlong: overlong.into(), not_utf8: VecDeque::new(), bytes }
    }

    /// Returns the lines of the block that are UTF-8; the others are noted.
    fn utf8_lines(&mut self) -> String {
        let mut text = String::with_capacity(self.bytes.len());
        let (mut number, mut start) = (self.first_line, 0);
        let mut overlong = self.overlong.iter().map(|long| long.line).peekable();
        for line in self.bytes.split_inclusive(|b| *b == b'\n') {
            while overlong.next_if_eq(&number).is_some() {
                number += 1;
            }
            match simdutf8::basic::from_utf8(line) {
                Ok(line) => text.push_str(line),
                Err(_) => self.not_utf8.push_back(((number - self.first_line) as u32, start)),
            }
            number += 1;
            start += line.len() as u32;
        }
        text
    }

    /// Returns the line with a number, if it is not in the text.
    #[inline]
    fn take(&mut self, number: u64) -> Option<UnparsedLine> {
        if self.overlong.is_empty() && self.not_utf8.is_empty() {
            return None;
        }
        if self.overlong.front().is_some_and(|long| long.line == number) {
            return self.overlong.pop_front().map(UnparsedLine::OverlongLine);
        }
        let start = match self.not_utf8.front() {
            Some(&(nth, start)) if self.first_line + u64::from(nth) == number => start,
            _ => return None,
        };
        self.not_utf8.pop_front();
        let rest = start as usize..self.bytes.len();
        let len = memchr(b'\n', self.bytes.get(rest.clone()).unwrap_or(&[])).map_or(rest.len(), |at| at + 1);
        Some(UnparsedLine::NotUtf8(rest.start..rest.start + len))
    }
}

/// A line that is not in a block's text.
enum UnparsedLine {
    OverlongLine(OverlongLine),
    /// Where it is in the block's bytes.
    NotUtf8(std::ops::Range<usize>),
}

/// The lines of a block, on their way to rows.
struct Lines<'a, 'b> {
    rows: RowBuilder<'a>,
    scanner: Scanner<'a>,
    text: &'a str,
    line: LineFields,
    envelope: LineFields,
    /// The last line has no end, and may be left for the next ingest.
    unfinished: bool,
    /// Offset after the block.
    end: u64,
    ip: IpPolicy,
    key: SecretKey,
    /// The number of the next line.
    number: u64,
    elsewhere: UnparsedLines<'a>,
    counts: &'b mut BlockCounts,
    /// What is handed on, and when.
    most: usize,
    emit: &'b mut dyn FnMut(Parsed),
}

impl<'a> Lines<'a, '_> {
    fn run(&mut self) {
        let mut pos = 0;
        while pos < self.text.len() {
            self.absent_lines();
            let number = self.number;
            self.number += 1;
            pos = match self.object(pos) {
                Some((start, end, after)) => {
                    self.whole_object(
                        number,
                        pos,
                        Span { start: start as u32, len: (end - start) as u32 },
                        after,
                    );
                    after + 1
                }
                None => self.something_else(number, pos),
            };
            self.emit_if_full();
        }
        self.absent_lines();
    }

    /// Deals with the lines that come next and are not in the text.
    #[inline]
    fn absent_lines(&mut self) {
        while let Some(line) = self.elsewhere.take(self.number) {
            self.absent(line);
            self.number += 1;
            self.emit_if_full();
        }
    }

    #[cold]
    fn absent(&mut self, line: UnparsedLine) {
        let number = self.number;
        let rejected = match line {
            UnparsedLine::OverlongLine(long) => RejectedLine::overlong(&long, self.ip, &self.key),
            UnparsedLine::NotUtf8(range) => {
                let line = self.elsewhere.bytes.get(range).unwrap_or(&[]);
                if self.unfinished && !line.ends_with(b"\n") {
                    let length = line.len();
                    return self.leave(number, length);
                }
                RejectedLine::new(number, RejectReason::NotUtf8, without_end(line), self.ip, &self.key)
            }
        };
        self.counts.read += 1;
        self.counts.reject(rejected);
    }

    /// Hands on what there is, where that is enough.
    #[inline]
    fn emit_if_full(&mut self) {
        if self.rows.size() + self.counts.rejected_size >= self.most {
            self.emit();
        }
    }

    #[cold]
    fn emit(&mut self) {
        let (block, warnings) = self.rows.cut();
        (self.emit)(self.counts.piece(block, warnings));
    }

    /// Leaves the last line for the next ingest.
    fn leave(&mut self, line: u64, length: usize) {
        let length = length as u64;
        self.counts.unfinished =
            Some(UnfinishedLine { line, offset: self.end.saturating_sub(length), length });
    }

    /// Scans a line that is an object; returns where the object begins and ends, and the line ends.
    #[inline]
    fn object(&mut self, pos: usize) -> Option<(usize, usize, usize)> {
        let start = self.scanner.skip_space(pos);
        if self.scanner.at(start) != b'{' {
            return None;
        }
        let (line, text) = (&mut self.line, self.text);
        line.clear();
        let end = self.scanner.object(start, |member| line.take(text, member))?;
        let after = self.scanner.skip_space(end);
        (after >= text.len() || self.scanner.at(after) == b'\n').then_some((start, end, after))
    }

    #[inline]
    fn whole_object(&mut self, number: u64, from: usize, object: Span, end: usize) {
        let what = if self.line.has(Field::EventName) {
            Some(LineKind::Event)
        } else if self.is_envelope() {
            return self.envelope(number, from, object, end);
        } else {
            self.rows.typed(&self.line)
        };
        self.counts.read += 1;
        let Some(what) = what else {
            return self.reject(number, RejectReason::NoEventName, None, from, end, None);
        };
        let added = self.rows.add(&mut self.scanner, &self.line, what, IdSource::Line(object), None);
        if let Err((reason, time)) = added {
            self.reject(number, reason, time, from, end, None);
        }
    }

    fn is_envelope(&self) -> bool {
        self.line.get(Field::Events).is_some_and(|events| events.member.value.kind() == Kind::Array)
    }

    fn envelope(&mut self, number: u64, from: usize, object: Span, end: usize) {
        let Some(events) = self.line.get(Field::Events).map(|events| events.member.value) else { return };
        std::mem::swap(&mut self.line, &mut self.envelope);
        self.rows.prepare_envelope(&mut self.envelope);
        let handed_down = self.envelope.others.iter().filter(|other| other.field != Some(Field::Events));
        let mut inherited = InheritedFields {
            members: handed_down.map(|other| other.member).collect(),
            object: Span::NONE,
            // So an envelope's text is multiplied by eight at most, however its events are made.
            budget: 8 * object.len as usize + (16 << 10),
        };
        inherited.members.sort_unstable_by_key(|member| member.key.start);
        inherited.object = self.rows.write_extra(&mut inherited.members);
        self.rows.end_envelope();
        let hash = xxhash_rust::xxh3::xxh3_128(self.rows.pool.get(object).unwrap_or("").as_bytes());

        let mut pos = self.scanner.first_element(events.start as usize);
        let mut index = 0;
        while let Some((value, next)) = self.scanner.element(pos) {
            self.counts.read += 1;
            self.element(number, value, IdSource::Element(hash, index), index, &mut inherited);
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

    fn element(
        &mut self,
        number: u64,
        value: Value,
        content: IdSource,
        index: u32,
        inherited: &mut InheritedFields,
    ) {
        let (start, end) = (value.start as usize, value.end as usize);
        self.line.clear();
        let refusal = if value.kind() != Kind::Object {
            (RejectReason::NotAnObject, None)
        } else {
            let (line, text) = (&mut self.line, self.text);
            let _ = self.scanner.object(start, |member| line.take(text, member));
            let what =
                if line.has(Field::EventName) { Some(LineKind::Event) } else { self.rows.typed(&self.line) };
            self.line.inherit(&self.envelope);
            let row = match what {
                Some(what) => self.rows.add(&mut self.scanner, &self.line, what, content, Some(inherited)),
                None => Err((RejectReason::NoEventName, None)),
            };
            match row {
                Ok(()) => return,
                Err(refusal) => refusal,
            }
        };
        self.reject(number, refusal.0, refusal.1, start, end, Some(index));
    }

    /// Deals with a line that is no object, and returns where the next one begins.
    fn something_else(&mut self, number: u64, from: usize) -> usize {
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
            self.leave(number, line.len());
        } else {
            self.counts.read += 1;
            // What was scanned of it is no member of anything.
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
        let bytes = without_end(self.text.as_bytes().get(from..end).unwrap_or(&[]));
        let made = RejectedLine::new(number, reason, bytes, self.ip, &self.key);
        let mut rejected = RejectedLine { index, ..made };
        if self.line.there() != 0 {
            rejected.person = Some(Box::new(RejectedIdentity { time, ..self.rows.person(&self.line) }));
        }
        self.counts.reject(rejected);
    }
}

/// Returns a line without `\n` or `\r\n`.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
