//! Decides how a file is read, based on its beginning.

use std::sync::Arc;

use super::columns::{RepeatedColumn, distinct_columns};
use super::record_reader::FileFormat;
use super::rows::first_row;
use super::unwrapper::Unwrapper;
use super::values::ValueSplitter;
use super::{Position, RECORD_LIMIT};
use crate::error::Result;
use crate::ingest::input::blocks::{BLOCK_SIZE, BlockReader};
use crate::ingest::map::detect::{Ambiguous, Candidates, Detection, EXAMINED, Examination, named_events};
use crate::ingest::map::{Reader, SharedMap};
use crate::json::Scanner;

/// Prefix of the line that names the columns of a W3C log.
const FIELDS: &str = "#Fields:";

/// Properties of the beginning of a file.
struct Head {
    text: String,
    /// Whether the text extends to the end of the file.
    ended: bool,
    /// Whether the text begins with JSON.
    is_json: bool,
    /// Whether JSON values span lines.
    values: bool,
}

/// Returns how a file is read, and which maps match its first records. `given` is the map that the
/// user chose, either for the file or for the values inside its wrapping.
///
/// # Errors
/// Fails if two maps match equally well.
pub fn detect_format(
    blocks: &mut BlockReader,
    candidates: &Candidates,
    given: Option<&SharedMap>,
) -> Result<(FileFormat, Detection)> {
    detect(blocks, candidates, given, false)
}

/// Returns how to read the rest of a file, given the map that read its beginning: see
/// [`detect_format`]. The wrapping of the rest need not contain an event.
///
/// # Errors
/// Fails if two maps match equally well.
pub fn detect_format_of_rest(
    blocks: &mut BlockReader,
    candidates: &Candidates,
    given: &SharedMap,
) -> Result<FileFormat> {
    Ok(detect(blocks, candidates, Some(given), true)?.0)
}

fn detect(
    blocks: &mut BlockReader,
    candidates: &Candidates,
    given: Option<&SharedMap>,
    is_rest: bool,
) -> Result<(FileFormat, Detection)> {
    let head = head(blocks);
    let ambiguous = |maps: Ambiguous| maps.of_file(blocks.name());
    let Some(given) = given else {
        let mut detection = examine(&head, candidates);
        remove_empty_wrappings(&mut detection, &head, candidates);
        let chosen = detection.choose().map_err(ambiguous)?;
        let map = chosen.and_then(|fit| fit.map.clone());
        let format = format_of(&head, map, chosen.map_or(Reader::Json, |fit| fit.reader));
        let format = with_distinct_columns(format, &head, blocks.name())?;
        ambiguity_within(&head, &format, candidates).map_or(Ok(()), |maps| Err(ambiguous(maps)))?;
        return Ok((format, detection));
    };
    let detection = examine(&head, &Candidates { maps: vec![given.clone()], chosen: None });
    if !given.is_wrapping() && !reads(given, &head, &detection) {
        let wrappings = candidates.within(given.clone());
        let mut outside = examine(&head, &wrappings);
        if !is_rest {
            remove_empty_wrappings(&mut outside, &head, &wrappings);
        }
        if let Some(fit) = outside.choose().map_err(ambiguous)?.filter(|fit| fit.map.is_some()) {
            let within = Some(given.clone());
            let format = FileFormat { within, ..format_of(&head, fit.map.clone(), fit.reader) };
            return Ok((with_distinct_columns(format, &head, blocks.name())?, outside));
        }
    }
    let format = format_of(&head, Some(given.clone()), reader_of(given, &head, &detection));
    Ok((with_distinct_columns(format, &head, blocks.name())?, detection))
}

/// Makes the names of the columns distinct.
///
/// # Errors
/// Fails if the map reads a column that the file names twice.
fn with_distinct_columns(format: FileFormat, head: &Head, file: &str) -> Result<FileFormat> {
    let (Some(map), Some(reader @ (Reader::Csv | Reader::W3c))) = (format.map.clone(), format.reader) else {
        return Ok(format);
    };
    let error = |repeated: RepeatedColumn| repeated.of_file(file, &map, reader);
    if reader == Reader::W3c {
        let fields = head.lines().into_iter().find_map(|line| line.strip_prefix(FIELDS)).unwrap_or("");
        let names = fields.split_ascii_whitespace().map(str::to_owned).collect();
        distinct_columns(names, &map).map_err(error)?;
        return Ok(format);
    }
    let columns = distinct_columns(format.columns, &map).map_err(error)?;
    Ok(FileFormat { columns, ..format })
}

fn format_of(head: &Head, map: Option<SharedMap>, reader: Reader) -> FileFormat {
    let columns = match (&map, reader) {
        (Some(_), Reader::Csv) => first_row(head.text.as_bytes()).unwrap_or_default(),
        (Some(map), Reader::Tsv | Reader::W3c) => map.columns.clone(),
        _ => Vec::new(),
    };
    let values = head.values && reader == Reader::Json;
    FileFormat { map, within: None, reader: Some(reader), values, columns }
}

/// Returns whether the map that the user chose reads the file itself instead of the values inside a
/// wrapping. It does if its `detect` conditions or its pattern match at least half of the records.
/// A map with neither reads the file if it finds named events in at least half of the records.
fn reads(map: &SharedMap, head: &Head, detection: &Detection) -> bool {
    if !head.is_json {
        // Only lines of text can be wrapped.
        return !map.has_reader(Reader::Text) || detection.fits.iter().any(|fit| fit.matches_half(detection));
    }
    if !map.has_reader(Reader::Json) && !map.has_reader(Reader::Text) {
        return true;
    }
    if map.conditions() > 0 {
        return detection.fits.iter().any(|fit| fit.matches_half(detection));
    }
    let (mut named, mut examined) = (0, 0);
    records(head, &mut |text| {
        let (found, all) = named_events(map, text);
        (named, examined) = (named + found, examined + all);
        examined < EXAMINED
    });
    named * 2 >= examined
}

/// Removes the best wrappings from the result if none of their first values can be an event. A
/// wrapping would ignore all of these records, and the keys of some shippers are so common
/// (`message`, `date`, `type`) that other logs have them too.
fn remove_empty_wrappings(detection: &mut Detection, head: &Head, candidates: &Candidates) {
    let shared = Arc::new(candidates.clone());
    let is_empty = |map: &SharedMap| map.is_wrapping() && !contains_event(head, map, &shared);
    loop {
        let empty = detection.best().filter_map(|fit| fit.map.as_ref()).find(|map| is_empty(map)).cloned();
        let Some(empty) = empty else { return };
        detection.remove(&empty);
    }
}

/// Returns whether one of the first values inside a wrapping can be an event.
fn contains_event(head: &Head, map: &SharedMap, candidates: &Arc<Candidates>) -> bool {
    let mut unwrapper = Unwrapper::new(map.clone(), candidates.clone(), None);
    let mut found = false;
    records(head, &mut |text| {
        unwrapper.push(text, Position { line: 0, offset: 0 });
        found = !unwrapper.take().records.is_empty() || unwrapper.ambiguous().is_some();
        !found
    });
    if !found && candidates.chosen.is_some() {
        // If the user chose a map, it also reads values that only resemble a wrapping.
        unwrapper.finish();
        found = !unwrapper.take().records.is_empty();
    }
    found || unwrapper.has_pending_json()
}

/// Returns two maps that match one of the first values inside a wrapping equally well.
fn ambiguity_within(head: &Head, format: &FileFormat, candidates: &Candidates) -> Option<Ambiguous> {
    let map = format.map.as_ref().filter(|map| map.is_wrapping())?;
    let mut unwrapper = Unwrapper::new(map.clone(), Arc::new(candidates.clone()), None);
    let mut left = EXAMINED;
    records(head, &mut |text| {
        unwrapper.push(text, Position { line: 0, offset: 0 });
        unwrapper.take();
        left -= 1;
        left > 0
    });
    unwrapper.ambiguous().map(|(maps, _)| maps.clone())
}

/// Calls `read` with each record at the beginning of a file, until `read` returns false.
fn records(head: &Head, read: &mut dyn FnMut(&str) -> bool) {
    if head.values {
        let mut goes_on = true;
        let _ = ValueSplitter::new(1, 0).push(head.text.as_bytes(), &mut |value| {
            goes_on = goes_on && read(std::str::from_utf8(value.bytes).unwrap_or(""));
        });
        return;
    }
    let _ = head.all_lines().try_for_each(|line| read(line).then_some(()));
}

/// Reads the beginning of a file: its first lines, or more if the first line is long.
fn head(blocks: &mut BlockReader) -> Head {
    let mut size = BLOCK_SIZE;
    loop {
        let (bytes, ended) = blocks.peek(size);
        let valid = match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => String::from_utf8_lossy(bytes).into_owned(),
        };
        let first = first_line(&valid).unwrap_or("");
        let begins = first.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{1e}');
        let looks_like_json = begins.starts_with(['{', '[', '"']);
        let whole = ended || valid.trim_start().contains('\n');
        if looks_like_json && !whole && size < RECORD_LIMIT && !values_span_lines(&valid, false) {
            size *= 2;
            continue;
        }
        let is_values = whole && crate::ingest::map::detect::is_values(first);
        let is_growing = ended && blocks.is_plain_file();
        let values = looks_like_json
            && !is_values
            && (values_span_lines(&valid, whole) || (is_growing && is_incomplete_value(&valid)));
        return Head { ended, is_json: is_values || values, values, text: valid };
    }
}

impl Head {
    /// Returns the first lines that are not blank.
    fn lines(&self) -> Vec<&str> {
        self.all_lines().take(EXAMINED).collect()
    }

    /// Returns the lines that are not blank, except for a last line that may be incomplete.
    fn all_lines(&self) -> impl Iterator<Item = &str> {
        let whole = match self.text.trim_ascii_end().rfind('\n') {
            Some(end) if !self.ended => self.text.get(..end).unwrap_or(""),
            _ => &self.text,
        };
        whole.lines().filter(|line| !line.trim().is_empty())
    }
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().find(|line| !line.trim().is_empty())
}

/// Returns whether text begins with JSON values that span lines. `has_lines` is set if its first
/// line is complete but not JSON on its own.
fn values_span_lines(text: &str, has_lines: bool) -> bool {
    let (mut complete, mut spans_lines, mut checked) = (0, false, 0);
    let mut splitter = ValueSplitter::new(1, 0);
    let result = splitter.push(text.as_bytes(), &mut |value| {
        complete += 1;
        // Check one value of each line, since a line can have many.
        if std::mem::replace(&mut checked, value.line) == value.line {
            return;
        }
        let line = text.get(value.offset as usize..).and_then(|rest| rest.lines().next()).unwrap_or("");
        spans_lines = spans_lines || Scanner::new(line.as_bytes()).value(0).is_none();
    });
    // Without an error, any complete value is sufficient. With an error, the text can be a broken
    // line that begins with a complete value, so only an open list or a value over several lines
    // counts.
    complete > 0 && (result.is_ok() || (has_lines && (splitter.is_in_list() || spans_lines)))
}

/// Returns whether text is the beginning of a JSON value that spans lines.
fn is_incomplete_value(text: &str) -> bool {
    let mut splitter = ValueSplitter::new(1, 0);
    let result = splitter.push(text.as_bytes(), &mut |_| ());
    result.is_ok() && text.trim().contains('\n') && splitter.incomplete_value().is_some()
}

fn begins_with_json(text: &str) -> bool {
    text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\u{1e}').starts_with(['{', '['])
}

fn examine(head: &Head, candidates: &Candidates) -> Detection {
    let mut examination = Examination::new(candidates);
    if head.values {
        let mut splitter = ValueSplitter::new(1, 0);
        let _ = splitter.push(head.text.as_bytes(), &mut |value| {
            if !examination.is_full() {
                examination.json(std::str::from_utf8(value.bytes).unwrap_or(""));
            }
        });
        return examination.finish();
    }
    let lines = head.lines();
    for line in &lines {
        if !examination.is_full() {
            examination.line(line);
        }
    }
    if !head.is_json {
        let fields = lines.iter().find_map(|line| line.strip_prefix(FIELDS));
        match fields {
            Some(names) => {
                let columns: Vec<&str> = names.split_ascii_whitespace().collect();
                examination.header(Reader::W3c, &columns, lines.len());
            }
            None => {
                lines.iter().for_each(|line| examination.row(line));
                let columns = first_row(head.text.as_bytes()).unwrap_or_default();
                let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
                examination.header(Reader::Csv, &columns, lines.len());
            }
        }
    }
    examination.finish()
}

/// Returns the reader with which a map reads a file.
fn reader_of(map: &SharedMap, head: &Head, detection: &Detection) -> Reader {
    if let [reader] = map.readers.as_slice() {
        return *reader;
    }
    let fits =
        |reader: Reader| map.has_reader(reader) && detection.fits.iter().any(|fit| fit.reader == reader);
    let has_fields = head.text.lines().take(EXAMINED).any(|line| line.starts_with(FIELDS));
    let order = [
        (Reader::Json, head.is_json),
        (Reader::W3c, has_fields),
        (Reader::Tsv, fits(Reader::Tsv)),
        (Reader::Text, fits(Reader::Text)),
        // JSON in a first line over the record limit, or a first line that is broken JSON.
        (Reader::Json, begins_with_json(&head.text)),
        (Reader::Csv, true),
    ];
    let found = order.into_iter().find(|(reader, fits)| *fits && map.has_reader(*reader));
    found.map(|(reader, _)| reader).or(map.readers.first().copied()).unwrap_or(Reader::Json)
}
