//! Rows and lines of text as records.

use std::sync::Arc;

use regex::{CaptureLocations, Regex};

use super::super::block_parser::BlockLines;
use super::super::lines::without_line_end;
use super::super::rejected::{RejectReason, RejectedLine};
use super::super::row_builder::RowBuilder;
use super::RecordPlace;
use super::csv_row::CsvRow;
use crate::ingest::input::records::distinct_columns;
use crate::ingest::map::row::{RowField, RowKeys};
use crate::ingest::map::{Map, Reader};
use crate::json::Span;

/// Prefix of the line that names the columns of a W3C log.
const FIELDS: &str = "#Fields:";

/// The number of bytes of CSV whose lines are counted at a time.
const UNCOUNTED: usize = 4 << 10;

/// The named groups of a pattern, as the fields of rows.
pub(super) struct Groups<'m> {
    pattern: &'m Regex,
    /// The indexes of the named groups.
    named: Vec<usize>,
    keys: RowKeys,
    /// The groups of the current line.
    found: CaptureLocations,
}

impl<'m> Groups<'m> {
    pub(super) fn new(map: &Map, pattern: &'m Regex, rows: &mut RowBuilder<'_>) -> Groups<'m> {
        let named = || pattern.capture_names().enumerate().filter_map(|(index, name)| Some((index, name?)));
        let keys = RowKeys::new(named().map(|(_, name)| name), map.pointers(), &mut rows.buffer);
        rows.keep_decoded();
        let named = named().map(|(index, _)| index).collect();
        Groups { pattern, named, keys, found: pattern.capture_locations() }
    }
}

impl BlockLines<'_, '_> {
    /// Parses lines that match a pattern.
    pub(super) fn run_text(&mut self, map: &Map, pattern: &Regex) {
        let mut groups = Groups::new(map, pattern, &mut self.rows);
        self.run_lines(map, |lines, map, place| lines.text_line(map, &mut groups, place));
    }

    /// Parses a line of text.
    pub(super) fn text_line(&mut self, map: &Map, groups: &mut Groups<'_>, place: RecordPlace) {
        if !self.selects_row(place) {
            return;
        }
        let line = self.text.get(place.start..place.end).unwrap_or("");
        if self.is_unfinished(place) {
            return self.leave_unfinished(place.line, line.len());
        }
        if groups.pattern.captures_read(&mut groups.found, line).is_none() {
            self.counts.read += 1;
            return self.reject(place.line, RejectReason::NoMatch, None, place.start, place.end, None);
        }
        let fields = groups.named.iter().map(|group| match groups.found.get(*group) {
            Some((start, end)) => RowField::Span(span(place.start + start, end - start)),
            None => RowField::Missing,
        });
        let row = groups.keys.add(fields, map, &mut self.rows.buffer, &mut self.record.values);
        self.map_record(map, row, place, Some(line));
    }

    /// Parses rows.
    pub(super) fn run_rows(&mut self, map: &Map, reader: Reader, columns: Arc<[String]>) {
        let mut keys = self.row_keys(columns.iter().map(String::as_str), map);
        if reader == Reader::Csv {
            return self.run_csv(map, &keys);
        }
        self.run_lines(map, |lines, map, place| {
            let text = lines.text;
            let line = text.get(place.start..place.end).unwrap_or("");
            if lines.is_comment(reader, place.start, place.end) {
                if let Some(names) = line.strip_prefix(FIELDS) {
                    let names = names.split_ascii_whitespace().map(str::to_owned).collect();
                    // Without columns, the rows that follow are rejected.
                    let names = distinct_columns(names, map).unwrap_or_default();
                    keys = lines.row_keys(names.iter().map(String::as_str), map);
                    lines.record.columns = Some(names.into());
                }
                lines.counts.blank += 1;
                return;
            }
            if !lines.selects_row(place) {
                return;
            }
            if lines.is_unfinished(place) {
                return lines.leave_unfinished(place.line, line.len());
            }
            // The columns of IIS are separated by spaces.
            let spaces = reader == Reader::W3c && !line.contains('\t');
            let separator = if spaces { ' ' } else { '\t' };
            if line.split(separator).count() != keys.len() {
                lines.wrong_width(place);
                return;
            }
            let mut start = place.start;
            let fields = line.split(separator).map(|field| {
                let field = span(start, field.len());
                start += field.len as usize + 1;
                RowField::Span(field)
            });
            let row = keys.add(fields, map, &mut lines.rows.buffer, &mut lines.record.values);
            lines.map_record(map, row, place, Some(line));
        });
    }

    fn row_keys<'n>(&mut self, names: impl IntoIterator<Item = &'n str>, map: &Map) -> RowKeys {
        let keys = RowKeys::new(names, map.pointers(), &mut self.rows.buffer);
        self.rows.keep_decoded();
        keys
    }

    /// Begins a row or a line of text, which has no parts. Returns whether to parse it.
    #[inline]
    fn selects_row(&mut self, place: RecordPlace) -> bool {
        self.selection.is_none() || (self.selects_record(place.start, place.end) && self.is_selected())
    }

    /// Returns whether a row or a line of text may be incomplete: it is the last one of a file that
    /// may grow, and has no line feed. Unlike JSON, such a line does not show whether it is
    /// complete.
    #[inline]
    fn is_unfinished(&self, place: RecordPlace) -> bool {
        self.unfinished && place.end == self.text.len()
    }

    fn wrong_width(&mut self, place: RecordPlace) {
        self.counts.read += 1;
        self.reject(place.line, RejectReason::WrongWidth, None, place.start, place.end, None);
    }

    /// Parses rows of CSV, which can span lines.
    fn run_csv(&mut self, map: &Map, keys: &RowKeys) {
        if self.bytes.len() != self.text.len() {
            return self.run_csv_bytes(map, keys);
        }
        let (text, mut row) = (self.text, CsvRow::new(self.text));
        let (mut pos, mut line, mut line_start) = (0, self.number, 0);
        while let Some((start, after)) = row.read(pos) {
            pos = after;
            let bytes = text.as_bytes();
            let raw = without_line_end(bytes.get(start..after).unwrap_or(&[]));
            let place = RecordPlace { line, line_start, start, end: start + raw.len() };
            if start - line_start > UNCOUNTED {
                (line, line_start) = (place.line(bytes), start);
            }
            if !self.selects_row(place) {
                continue;
            }
            self.begin_record(Some(self.offset + start as u64));
            if row.len() == keys.len() {
                let (buffer, values) = (&mut self.rows.buffer, &mut self.record.values);
                let root = keys.add(row.fields(), map, buffer, values);
                self.map_record(map, root, place, text.get(start..place.end));
            } else {
                self.counts.read += 1;
                self.reject(place.line(bytes), RejectReason::WrongWidth, None, start, place.end, None);
            }
            self.emit_if_full();
        }
    }

    /// Parses rows of CSV that are not all UTF-8.
    fn run_csv_bytes(&mut self, map: &Map, keys: &RowKeys) {
        let bytes = self.bytes;
        self.record.from_bytes = true;
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        let first_line = self.number;
        // Reading from memory does not fail.
        while reader.read_byte_record(&mut record).unwrap_or(false) {
            let (start, line) =
                record.position().map_or((0, 1), |position| (position.byte() as usize, position.line()));
            let end = reader.position().byte() as usize;
            let raw = without_line_end(bytes.get(start..end).unwrap_or(&[]));
            let place = RecordPlace::new(first_line + line - 1, start, start + raw.len());
            if !self.selects_row(place) {
                continue;
            }
            self.begin_record(Some(self.offset + start as u64));
            let reason = if record.len() != keys.len() {
                Some(RejectReason::WrongWidth)
            } else if record.iter().any(|field| std::str::from_utf8(field).is_err()) {
                Some(RejectReason::NotUtf8)
            } else {
                None
            };
            if let Some(reason) = reason {
                self.counts.read += 1;
                let mut rejected = RejectedLine::new(place.line, reason, raw, self.ip, &self.key);
                rejected.offset = self.record.offset;
                self.push_rejected(rejected);
            } else {
                let fields =
                    record.iter().map(|field| RowField::Text(std::str::from_utf8(field).unwrap_or("")));
                let row = keys.add(fields, map, &mut self.rows.buffer, &mut self.record.values);
                let text = std::str::from_utf8(raw).unwrap_or("");
                self.map_record(map, row, place, Some(text));
            }
            self.emit_if_full();
        }
    }
}

fn span(start: usize, len: usize) -> Span {
    Span { start: start as u32, len: len as u32 }
}
