//! From a block of lines to rows and refusals.
//!
//! Pure: what comes out depends on the block, the options and the context alone, so that blocks can
//! be parsed in any order and on any thread.

use memchr::memchr;

use super::envelope::Inherited;
use super::event::{Leftover, Rows, What};
use super::event_id::Content;
use super::fields::Field;
use super::json::scan::Value;
use super::json::{Kind, Scanner};
use super::line::Line;
use super::read::RawBlock;
use super::reason::Reason;
use super::refuse::{Person, Refused};
use super::span::Span;
use super::warnings::Warnings;
use crate::context::Context;
use crate::event::{Block, Row};
use crate::settings::IpPolicy;
use crate::store::key::SecretKey;
use crate::time::Micros;

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

/// What a block came to.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The events, in the order of their lines.
    pub block: Block,
    /// The number of each row's line in its input, from 1.
    pub lines: Vec<u64>,
    /// What was refused, in the order of the lines.
    pub refused: Vec<Refused>,
    /// Events read: rows, refused ones and the unfinished one.
    pub read: u64,
    /// Lines with nothing in them.
    pub blank: u64,
    /// The last line, where it is left for the next ingest.
    pub unfinished: Option<Unfinished>,
    /// What was noticed about the rows.
    pub warnings: Warnings,
    /// Every event has an id of its own.
    pub own_ids: bool,
    /// How many session keys there are, those of two chatbots with one id as one.
    pub session_keys: usize,
}

/// A last line that has no end and is no whole JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Its number in the input, from 1.
    pub line: u64,
    /// Offset of its first byte in the decompressed input.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
}

/// Parses a block.
pub fn parse(raw: RawBlock, options: &ParseOptions, context: &Context) -> Parsed {
    Parser::default().parse(raw, options, context).0
}

/// Parses block after block with the same memory.
#[derive(Debug, Default)]
pub struct Parser {
    leftover: Leftover,
}

impl Parser {
    /// Parses a block; returns also the memory of its lines, for the next.
    pub fn parse(&mut self, raw: RawBlock, options: &ParseOptions, context: &Context) -> (Parsed, Vec<u8>) {
        parse_with(&mut self.leftover, raw, options, context)
    }
}

fn parse_with(
    leftover: &mut Leftover,
    raw: RawBlock,
    options: &ParseOptions,
    context: &Context,
) -> (Parsed, Vec<u8>) {
    let mut counts = Counted::new(&raw, options);
    let unfinished = raw.unfinished;
    for long in &raw.too_long {
        counts.read += 1;
        counts.refused.push(Refused::too_long(long, options.ip, &counts.key));
    }
    let text = counts.utf8_lines(raw.bytes, unfinished);
    let mut lines = Lines {
        rows: Rows::new(&text, options, context, std::mem::take(leftover)),
        scanner: Scanner::new(text.as_bytes()),
        text: &text,
        line: Line::default(),
        envelope: Line::default(),
        unfinished: unfinished && counts.unfinished.is_none(),
        counts: &mut counts,
    };
    lines.run();
    let (block, warnings, left) = lines.rows.end();
    *leftover = left;
    counts.refused.sort_by_key(|refused| (refused.line, refused.index));
    let parsed = Parsed {
        own_ids: block.rows.iter().all(|row| row.has_own_id),
        session_keys: session_keys(&block),
        block,
        lines: counts.lines,
        refused: counts.refused,
        read: counts.read,
        blank: counts.blank,
        unfinished: counts.unfinished,
        warnings,
    };
    (parsed, text.into_bytes())
}

fn session_keys(block: &Block) -> usize {
    let mut seen = vec![false; block.texts.count()];
    let key = |row: &&Row| {
        let id = row.text[row.key_kind.field() as usize];
        seen.get_mut(id.0 as usize).is_some_and(|seen| !std::mem::replace(seen, true))
    };
    block.rows.iter().filter(key).count()
}

/// What is counted while a block is being parsed.
struct Counted {
    ip: IpPolicy,
    key: SecretKey,
    numbers: Numbers,
    raw_end: u64,
    lines: Vec<u64>,
    refused: Vec<Refused>,
    read: u64,
    blank: u64,
    unfinished: Option<Unfinished>,
}

/// The numbers of the lines of a block's text, some of which are elsewhere.
#[derive(Clone)]
struct Numbers {
    next: u64,
    /// The numbers of the lines that are not in the text, in order.
    elsewhere: std::collections::VecDeque<u64>,
}

impl Numbers {
    fn new(raw: &RawBlock) -> Numbers {
        Numbers { next: raw.first_line, elsewhere: raw.too_long.iter().map(|l| l.line).collect() }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        while self.elsewhere.front() == Some(&self.next) {
            self.elsewhere.pop_front();
            self.next += 1;
        }
        self.next += 1;
        self.next - 1
    }
}

impl Counted {
    fn new(raw: &RawBlock, options: &ParseOptions) -> Self {
        Counted {
            ip: options.ip,
            key: SecretKey::from_bytes(options.visitor_key),
            numbers: Numbers::new(raw),
            raw_end: raw.end,
            lines: Vec::new(),
            refused: Vec::new(),
            read: 0,
            blank: 0,
            unfinished: None,
        }
    }

    /// Returns the text of a block; lines that are not UTF-8 are refused and left out of it.
    fn utf8_lines(&mut self, bytes: Vec<u8>, unfinished: bool) -> String {
        let bytes = match String::from_utf8(bytes) {
            Ok(text) => return text,
            Err(e) => e.into_bytes(),
        };
        let mut numbers = self.numbers.clone();
        let mut text = String::with_capacity(bytes.len());
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let number = numbers.next();
            if let Ok(line) = simdutf8::basic::from_utf8(line) {
                text.push_str(line);
                continue;
            }
            self.read += 1;
            self.numbers.elsewhere.push_back(number);
            if unfinished && !line.ends_with(b"\n") {
                self.leave(number, line.len());
            } else {
                let line = without_end(line);
                self.refused.push(Refused::new(number, Reason::NotUtf8, line, self.ip, &self.key));
            }
        }
        self.numbers.elsewhere.make_contiguous().sort_unstable();
        text
    }

    /// Leaves the last line for the next ingest.
    fn leave(&mut self, line: u64, length: usize) {
        let length = length as u64;
        self.unfinished = Some(Unfinished { line, offset: self.raw_end.saturating_sub(length), length });
    }
}

/// The lines of a block, on their way to rows.
struct Lines<'a, 'b> {
    rows: Rows<'a>,
    scanner: Scanner<'a>,
    text: &'a str,
    line: Line,
    envelope: Line,
    /// The last line has no end, and may be left for the next ingest.
    unfinished: bool,
    counts: &'b mut Counted,
}

impl<'a> Lines<'a, '_> {
    fn run(&mut self) {
        let mut pos = 0;
        while pos < self.text.len() {
            let number = self.counts.numbers.next();
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
        }
    }

    /// Scans a line that is an object; returns where the object begins and ends, and the line ends.
    #[inline]
    fn object(&mut self, pos: usize) -> Option<(usize, usize, usize)> {
        let start = self.scanner.space(pos);
        if self.scanner.at(start) != b'{' {
            return None;
        }
        let (line, text) = (&mut self.line, self.text);
        line.clear();
        let end = self.scanner.object(start, |member| line.take(text, member))?;
        let after = self.scanner.space(end);
        (after >= text.len() || self.scanner.at(after) == b'\n').then_some((start, end, after))
    }

    #[inline]
    fn whole_object(&mut self, number: u64, from: usize, object: Span, end: usize) {
        let what = if self.line.has(Field::EventName) {
            Some(What::Event)
        } else if self.is_envelope() {
            return self.envelope(number, from, object, end);
        } else {
            self.rows.typed(&self.line)
        };
        self.counts.read += 1;
        let Some(what) = what else {
            return self.refuse(number, Reason::NoEventName, None, from, end, None);
        };
        match self.rows.add(&mut self.scanner, &self.line, what, Content::Line(object), None) {
            Ok(()) => self.counts.lines.push(number),
            Err((reason, time)) => self.refuse(number, reason, time, from, end, None),
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
        let mut inherited = Inherited {
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
            self.element(number, value, Content::Element(hash, index), index, &mut inherited);
            index += 1;
            pos = next;
        }
        if index == 0 {
            self.counts.read += 1;
            std::mem::swap(&mut self.line, &mut self.envelope);
            self.refuse(number, Reason::EmptyEnvelope, None, from, end, None);
        }
    }

    fn element(
        &mut self,
        number: u64,
        value: Value,
        content: Content,
        index: u32,
        inherited: &mut Inherited,
    ) {
        let (start, end) = (value.start as usize, value.end as usize);
        self.line.clear();
        let refusal = if value.kind() != Kind::Object {
            (Reason::NotAnObject, None)
        } else {
            let (line, text) = (&mut self.line, self.text);
            let _ = self.scanner.object(start, |member| line.take(text, member));
            let what =
                if line.has(Field::EventName) { Some(What::Event) } else { self.rows.typed(&self.line) };
            self.line.inherit(&self.envelope);
            let row = match what {
                Some(what) => self.rows.add(&mut self.scanner, &self.line, what, content, Some(inherited)),
                None => Err((Reason::NoEventName, None)),
            };
            match row {
                Ok(()) => return self.counts.lines.push(number),
                Err(refusal) => refusal,
            }
        };
        self.refuse(number, refusal.0, refusal.1, start, end, Some(index));
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
        self.counts.read += 1;
        let value = self.scanner.value(self.scanner.space(from));
        let is_json = value.is_some_and(|value| self.scanner.space(value.end as usize) == end);
        if !is_json && !has_end && self.unfinished {
            self.counts.leave(number, line.len());
        } else {
            // What was scanned of it is no member of anything.
            self.line.clear();
            let reason = if is_json { Reason::NotAnObject } else { Reason::NotJson };
            self.refuse(number, reason, None, from, end, None);
        }
        end + 1
    }

    fn refuse(
        &mut self,
        number: u64,
        reason: Reason,
        time: Option<Micros>,
        from: usize,
        end: usize,
        index: Option<u32>,
    ) {
        let bytes = without_end(self.text.as_bytes().get(from..end).unwrap_or(&[]));
        let made = Refused::new(number, reason, bytes, self.counts.ip, &self.counts.key);
        let mut refused = Refused { index, ..made };
        if self.line.there() != 0 {
            refused.person = Some(Box::new(Person { time, ..self.rows.person(&self.line) }));
        }
        self.counts.refused.push(refused);
    }
}

/// Returns a line without `\n` or `\r\n`.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
