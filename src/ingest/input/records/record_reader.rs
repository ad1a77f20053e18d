//! Reads a file in blocks of records: native lines, or the records of a map.

use std::sync::Arc;

use memchr::{memchr, memrchr};

use super::columns::distinct_columns;
use super::csv_blocks::{CsvBlocks, RowBlock, csv_header_end};
use super::unwrapper::Unwrapper;
use super::values::{SplitValue, ValueSplitter};
use super::{BrokenReason, BrokenRecord, Layout, Position, Prepared, RECORD_LIMIT, Records};
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::input::blocks::{BLOCK_SIZE, BlockReader, RawBlock, UnfinishedLine};
use crate::ingest::input::source_registry::ReadPosition;
use crate::ingest::map::detect::{Candidates, is_values};
use crate::ingest::map::{Reader, SharedMap};
use crate::time::Zone;

/// How a file is read.
#[derive(Clone, Debug, Default)]
pub struct FileFormat {
    /// The map; `None` for native lines.
    pub map: Option<SharedMap>,
    /// The map that the user chose for the wrapped values, if `map` is a wrapping.
    pub within: Option<SharedMap>,
    /// The form of the records.
    pub reader: Option<Reader>,
    /// Whether JSON values span lines.
    pub values: bool,
    /// The names of the columns of rows.
    pub columns: Vec<String>,
}

impl FileFormat {
    /// Returns whether the file is read as native lines.
    pub fn is_native_lines(&self) -> bool {
        self.map.is_none() && !self.values
    }

    /// Returns the display name of the format and the map of the events; `None` for native lines.
    pub fn known_as(&self) -> Option<(String, &SharedMap)> {
        let map = self.map.as_ref()?;
        Some(match &self.within {
            Some(within) => (format!("{} > {}", map.name, within.name), within),
            None => (map.name.clone(), map),
        })
    }
}

/// A reader of the records of one file.
pub struct RecordReader {
    blocks: BlockReader,
    format: FileFormat,
    columns: Arc<[String]>,
    splitter: Option<ValueSplitter>,
    unwrapper: Option<Unwrapper>,
    /// The source block being unwrapped, the offset of its next record, and the number of records
    /// done.
    source: Option<(RawBlock, usize, u64)>,
    csv: CsvBlocks,
    ended: bool,
    position: ReadPosition,
    /// The error that ends the file after the records before it.
    failure: Option<Error>,
}

impl RecordReader {
    /// Creates a reader. Values inside a wrapping are read by the candidate that matches best.
    pub fn new(
        blocks: BlockReader,
        format: FileFormat,
        candidates: &Arc<Candidates>,
        zone: Option<Zone>,
    ) -> RecordReader {
        let (offset, line) = blocks.position();
        let is_native_lines = format.is_native_lines();
        let wrapping = format.map.clone().filter(|map| map.is_wrapping());
        RecordReader {
            blocks: if is_native_lines { blocks } else { blocks.with_line_limit(RECORD_LIMIT) },
            columns: format.columns.clone().into(),
            splitter: format.values.then(|| ValueSplitter::new(line, offset)),
            unwrapper: wrapping.map(|map| {
                let candidates = match &format.within {
                    Some(chosen) => Arc::new(candidates.within(chosen.clone())),
                    None => candidates.clone(),
                };
                let mut unwrapper = Unwrapper::new(map, candidates, zone);
                if line > 1 {
                    unwrapper.continue_file();
                }
                unwrapper
            }),
            source: None,
            csv: CsvBlocks::new(line),
            ended: false,
            position: ReadPosition::default(),
            failure: None,
            format,
        }
    }

    /// Returns the reader of the bytes.
    pub fn blocks(&self) -> &BlockReader {
        &self.blocks
    }

    /// Limits the bytes that are read before the next call: see [`BlockReader::limit_reading`].
    pub fn limit_reading(&mut self, bytes: u64) {
        self.blocks.limit_reading(bytes);
    }

    /// Returns the row that names the columns, without its line end. Must be called before the
    /// first block is read.
    pub fn header(&mut self) -> Option<&[u8]> {
        if self.format.reader != Some(Reader::Csv) {
            return None;
        }
        let (head, _) = self.blocks.head();
        let header = head.get(..csv_header_end(head)).unwrap_or(&[]);
        let end = header.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        header.get(..end)
    }

    /// Returns whether the file can be resumed after it has grown.
    pub fn can_resume(&self) -> bool {
        let by_lines = !matches!(self.format.reader, Some(Reader::Csv | Reader::W3c));
        let unwrapped = self.unwrapper.as_ref().is_none_or(Unwrapper::can_resume);
        self.blocks.is_plain_file() && !self.format.values && by_lines && unwrapped
    }

    /// Reads the next block, and returns the position after it; `None` at the end of the file.
    ///
    /// # Errors
    /// See [`BlockReader::next_block`]. A value that spans lines and is not JSON also ends the
    /// file.
    pub fn next_block(&mut self, buffer: Vec<u8>) -> Result<Option<(RawBlock, ReadPosition)>> {
        if self.unwrapper.is_some() {
            return self.unwrapped_block();
        }
        self.source_block(buffer)
    }

    /// Reads the next block of the file without unwrapping it.
    fn source_block(&mut self, buffer: Vec<u8>) -> Result<Option<(RawBlock, ReadPosition)>> {
        let map = self.format.map.clone();
        let layout = match self.format.reader {
            _ if self.splitter.is_some() => return self.values_block(),
            Some(Reader::Csv) => return self.csv_block(buffer),
            Some(reader @ (Reader::Tsv | Reader::W3c)) => Layout::Rows(reader, self.columns.clone()),
            Some(Reader::Text) => Layout::Text,
            Some(Reader::Json) | None => Layout::JsonLines,
        };
        let Some(mut raw) = self.blocks.next_block_into(buffer)? else { return Ok(None) };
        if self.format.reader == Some(Reader::W3c) {
            self.follow_fields(&raw.bytes);
        }
        let plain = self.can_resume();
        let position = position_after(&raw, &self.blocks, plain);
        if map.is_some() {
            raw.records = Some(Box::new(Records { layout, map, ignored: 0, broken: Vec::new() }));
        }
        Ok(Some((raw, position)))
    }

    /// Records the columns that the last `#Fields:` line of a block names.
    fn follow_fields(&mut self, bytes: &[u8]) {
        let fields = bytes.split(|b| *b == b'\n').rev().find_map(|line| line.strip_prefix(b"#Fields:"));
        if let Some(fields) = fields {
            let names = String::from_utf8_lossy(fields);
            let names = names.split_ascii_whitespace().map(str::to_owned).collect();
            self.columns = match &self.format.map {
                // Without columns, the rows that follow are rejected.
                Some(map) => distinct_columns(names, map).unwrap_or_default().into(),
                None => names.into(),
            };
        }
    }

    /// Reads a block of values that span lines.
    fn values_block(&mut self) -> Result<Option<(RawBlock, ReadPosition)>> {
        let Some(splitter) = &mut self.splitter else { return Ok(None) };
        let mut text = Vec::new();
        let (mut records, mut broken) = (Vec::new(), Vec::new());
        let mut emit = |value: SplitValue<'_>| {
            let SplitValue { bytes, length, line, offset } = value;
            let reason = match length > RECORD_LIMIT {
                true => Some(BrokenReason::TooLong),
                false => std::str::from_utf8(bytes).is_err().then_some(BrokenReason::NotUtf8),
            };
            if let Some(reason) = reason {
                let (bytes, length) = (bytes.to_vec(), length as u64);
                broken.push(BrokenRecord { line, offset, reason, bytes, length });
                return;
            }
            let (start, len) = (text.len() as u32, bytes.len() as u32);
            text.extend_from_slice(bytes);
            text.push(b'\n');
            records.push(Prepared { start, len, line, offset, map: None, defaults: None });
        };
        let mut result = Ok(());
        let mut bytes = Vec::new();
        let mut read = 0;
        let (mut damage, mut unfinished) = (None, None);
        while !self.ended && read < BLOCK_SIZE && result.is_ok() {
            bytes.clear();
            match self.blocks.next_bytes(&mut bytes) {
                Ok(true) => {
                    read += bytes.len();
                    result = splitter.push(&bytes, &mut emit);
                }
                Ok(false) => {
                    self.ended = true;
                    // The writer may not have completed the last value yet.
                    unfinished = splitter.incomplete_value().filter(|_| self.blocks.is_plain_file());
                    if unfinished.is_none() {
                        result = splitter.finish(&mut emit);
                    }
                }
                Err(error) => {
                    self.ended = true;
                    damage = Some(error);
                }
            }
        }
        let Position { line, offset } = splitter.position();
        let unfinished_overlong = unfinished.map(|start| UnfinishedLine {
            line: start.line,
            offset: start.offset,
            length: offset - start.offset,
        });
        if let Err(at) = result {
            self.ended = true;
            damage = Some(self.not_json(at));
        }
        if text.is_empty() && broken.is_empty() && unfinished.is_none() && self.ended {
            return damage.map_or(Ok(None), Err);
        }
        if let Some(error) = damage {
            self.blocks.fail_with(error);
            self.ended = false;
        }
        let position = ReadPosition { consumed: offset, content: None, lines: line - 1, plain: false };
        let records =
            Records { layout: Layout::Prepared(records), map: self.format.map.clone(), ignored: 0, broken };
        let records = Some(Box::new(records));
        let raw = RawBlock { bytes: text, records, unfinished_overlong, ..RawBlock::default() };
        Ok(Some((raw, position)))
    }

    fn not_json(&self, at: Position) -> Error {
        let Position { line, offset } = at;
        let message = format!(
            "cannot read {} to its end: no complete JSON value at line {line}, byte {offset}",
            self.blocks.name()
        );
        Error::new(ErrorKind::PartialInput, message)
            .hint("correct the file at that position; the values before it are stored")
    }

    /// Reads a block of rows that can span lines.
    fn csv_block(&mut self, buffer: Vec<u8>) -> Result<Option<(RawBlock, ReadPosition)>> {
        let Some(RowBlock { mut raw, broken, position }) = self.csv.next_block(&mut self.blocks, buffer)?
        else {
            return Ok(None);
        };
        let layout = Layout::Rows(Reader::Csv, self.columns.clone());
        let map = self.format.map.clone();
        raw.records = Some(Box::new(Records { layout, map, ignored: 0, broken }));
        Ok(Some((raw, position)))
    }

    /// Reads a block of the contents of wrappings.
    fn unwrapped_block(&mut self) -> Result<Option<(RawBlock, ReadPosition)>> {
        loop {
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            if let Some((raw, position)) = self.unwrap_source() {
                return Ok(Some((raw, position)));
            }
            match self.source_block(Vec::new())? {
                Some((raw, position)) => {
                    self.position = position;
                    self.source = Some((raw, 0, 0));
                }
                None => {
                    let Some(unwrapper) = &mut self.unwrapper else { return Ok(None) };
                    let (end, _) = self.blocks.position();
                    let may_grow = self.blocks.is_plain_file();
                    let unfinished = may_grow.then(|| unwrapper.leave_unfinished()).flatten();
                    let unfinished_overlong = unfinished.map(|Position { line, offset }| UnfinishedLine {
                        line,
                        offset,
                        length: end.saturating_sub(offset),
                    });
                    unwrapper.finish();
                    let block = unwrapper.take();
                    self.failure = self.ambiguous();
                    let is_empty = block.records.is_empty() && block.broken.is_empty() && block.ignored == 0;
                    if is_empty && unfinished_overlong.is_none() {
                        return self.failure.take().map_or(Ok(None), Err);
                    }
                    let rest = RawBlock { unfinished_overlong, ..RawBlock::default() };
                    return Ok(Some(self.prepared(block, rest)));
                }
            }
        }
    }

    /// Unwraps the records of the source block until the result is large enough; `None` if there is
    /// no source block.
    fn unwrap_source(&mut self) -> Option<(RawBlock, ReadPosition)> {
        let (mut raw, mut at, mut done) = self.source.take()?;
        let unwrapper = self.unwrapper.as_mut()?;
        let positions = match &raw.records.as_ref()?.layout {
            Layout::Prepared(records) => Some(records.clone()),
            _ => None,
        };
        while unwrapper.size() < BLOCK_SIZE && unwrapper.ambiguous().is_none() {
            let next = match &positions {
                Some(records) => records.get(done as usize).map(|record| {
                    let (start, end) = (record.start as usize, (record.start + record.len) as usize);
                    (start, end, end + 1, Position { line: record.line, offset: record.offset })
                }),
                None => next_line(&raw, at, done),
            };
            let Some((start, end, after, position)) = next else {
                let mut rest =
                    RawBlock { overlong: std::mem::take(&mut raw.overlong), ..RawBlock::default() };
                rest.first_line = raw.first_line;
                rest.unfinished_overlong = raw.unfinished_overlong;
                let mut block = unwrapper.take();
                if let Some(records) = raw.records.take() {
                    block.broken.extend(records.broken);
                }
                self.end_if_ambiguous();
                return Some(self.prepared(block, rest));
            };
            let bytes = raw.bytes.get(start..end).unwrap_or(&[]);
            (at, done) = (after, done + 1);
            let is_last = end >= raw.bytes.len();
            let is_complete =
                |text: &str| text.trim_start().starts_with(['{', '[', '\u{1e}']) && is_values(text);
            match std::str::from_utf8(bytes) {
                Ok(text) if text.trim_ascii().is_empty() => {}
                // The writer may not have completed the last line yet.
                text if raw.unfinished && is_last && !text.is_ok_and(is_complete) => {
                    let (line, length) = (position.line, bytes.len() as u64);
                    let unfinished = UnfinishedLine { line, offset: position.offset, length };
                    raw.unfinished_overlong = Some(unfinished);
                }
                Ok(text) => unwrapper.push(text, position),
                Err(_) => unwrapper.push_bytes(bytes, position),
            }
        }
        let block = unwrapper.take();
        self.source = Some((raw, at, done));
        self.end_if_ambiguous();
        Some(self.prepared(block, RawBlock::default()))
    }

    /// Ends the file after a value that two maps match equally well.
    fn end_if_ambiguous(&mut self) {
        self.failure = self.ambiguous();
        if self.failure.is_some() {
            self.source = None;
        }
    }

    fn ambiguous(&self) -> Option<Error> {
        let (maps, position) = self.unwrapper.as_ref()?.ambiguous()?;
        Some(maps.within(self.blocks.name(), position.line))
    }

    fn prepared(&self, block: super::unwrapper::UnwrappedBlock, rest: RawBlock) -> (RawBlock, ReadPosition) {
        let super::unwrapper::UnwrappedBlock { text, records, ignored, broken } = block;
        let records = Records { layout: Layout::Prepared(records), map: None, ignored, broken };
        let raw = RawBlock { bytes: text.into_bytes(), records: Some(Box::new(records)), ..rest };
        let is_done = self.source.is_none();
        let position =
            ReadPosition { plain: self.position.plain && self.can_resume() && is_done, ..self.position };
        (raw, position)
    }
}

/// Returns the next line of a block: its start and end, the start of the line after it, and its
/// position in the input.
fn next_line(raw: &RawBlock, at: usize, done: u64) -> Option<(usize, usize, usize, Position)> {
    let rest = raw.bytes.get(at..).filter(|rest| !rest.is_empty())?;
    let end = memchr(b'\n', rest).map_or(raw.bytes.len(), |found| at + found);
    let mut line = raw.first_line + done;
    // Overlong lines count as lines, but are not among the bytes.
    for long in &raw.overlong {
        line += u64::from(long.line <= line);
    }
    Some((at, end, end + 1, Position { line, offset: raw.offset + at as u64 }))
}

/// Returns the position after the whole lines of a block.
fn position_after(raw: &RawBlock, blocks: &BlockReader, plain: bool) -> ReadPosition {
    let unfinished = match (raw.unfinished_overlong, raw.unfinished) {
        (Some(long), _) => long.length,
        (None, true) => (raw.bytes.len() - memrchr(b'\n', &raw.bytes).map_or(0, |at| at + 1)) as u64,
        (None, false) => 0,
    };
    let consumed = raw.end - unfinished;
    let content = if plain { blocks.digest_at(consumed) } else { None };
    ReadPosition { consumed, content, lines: raw.first_line - 1 + raw.lines, plain }
}
