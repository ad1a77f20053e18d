//! Reads the first records of a file.

use std::sync::Arc;

use super::{FormatPreview, PLACEHOLDER_CHATBOT, PreviewOptions};
use crate::enrich::Enricher;
use crate::error::{Error, Result};
use crate::ingest::input::blocks::{BlockReader, RawBlock};
use crate::ingest::input::discovery::Input;
use crate::ingest::input::not_a_log::NotALog;
use crate::ingest::input::records::format_detection::detect_format;
use crate::ingest::input::records::record_reader::{FileFormat, RecordReader};
use crate::ingest::input::records::{Layout, RECORD_LIMIT, whole_rows};
use crate::ingest::map::detect::{Candidates, Detection};
use crate::ingest::map::{Map, Reader, SharedMap};
use crate::ingest::parse::{ParseOptions, Parsed, Parser, Trace};
use crate::ingest::shape::nearest::alternatives;

/// The longest text of a record that is kept, in bytes.
const TEXT_LIMIT: usize = 64 << 10;

/// Bytes after which the preview of a file ends if they do not contain the end of a record: four
/// times the size of the largest record.
const READ_LIMIT: u64 = 4 * RECORD_LIMIT as u64;

/// The first records of a file.
pub struct Head {
    /// The format.
    pub format: FormatPreview,
    /// The maps that read events: the map of the file, then those of the values inside wrappings.
    pub maps: Vec<SharedMap>,
    /// The records as text.
    pub texts: Vec<String>,
    /// The parsed records.
    pub parsed: Vec<Parsed>,
    /// The event names that the parser counted.
    pub trace: Trace,
    /// The wrapping around the records.
    pub wrapping: Option<SharedMap>,
    /// The number of columns of rows.
    pub width: Option<usize>,
    /// Whether the file has more records.
    pub has_more: bool,
    /// The error that ended the file.
    pub error: Option<Error>,
}

/// Reads the first records of a file.
///
/// # Errors
/// Fails if the file cannot be opened or is not a log, if two maps match it equally well, or if no
/// record ends within [`READ_LIMIT`].
pub fn read(
    input: &Input,
    options: &PreviewOptions,
    candidates: &Arc<Candidates>,
    enricher: &Enricher,
) -> Result<Head> {
    let mut blocks = BlockReader::open(input)?;
    blocks.limit_reading(READ_LIMIT);
    let given = options.map.as_ref();
    let (format, detection) = detect_format(&mut blocks, candidates, given)?;
    if format.is_native_lines() {
        let (head, is_all) = blocks.head();
        if let Some(not_a_log) = NotALog::recognize(head, is_all, false) {
            return Err(not_a_log.error(blocks.name()));
        }
    }
    if format.reader != Some(Reader::Json) {
        // A preview shows the last row too, which an ingest leaves unfinished without a line feed.
        blocks.assume_complete();
    }
    // These lines describe the file if no record can be read.
    let beginning = beginning(&mut blocks, options.lines);
    let is_wrapping = format.map.as_ref().is_some_and(|map| map.is_wrapping());
    let mut head = Head {
        format: describe(&format, &detection, given.is_some()),
        maps: format.map.clone().into_iter().collect(),
        texts: Vec::new(),
        wrapping: format.map.clone().filter(|map| map.is_wrapping()),
        parsed: Vec::new(),
        trace: Trace::default(),
        width: Some(format.columns.len()).filter(|width| *width > 0),
        has_more: false,
        error: None,
    };
    let parse_options = ParseOptions {
        chatbot: Some(options.chatbot.clone().unwrap_or_else(|| PLACEHOLDER_CHATBOT.to_owned())),
        now: options.clock.now,
        ip: crate::settings::IpPolicy::Keep,
        visitor_key: [0; 32],
        timezone: options.timezone,
    };
    let mut parser = Parser::tracing();
    let mut reader = RecordReader::new(blocks, format, candidates, options.timezone);
    let mut left = options.lines;
    while left > 0 {
        reader.limit_reading(READ_LIMIT);
        match reader.next_block(Vec::new()) {
            Ok(Some((mut raw, _))) => {
                let taken = truncate(&mut raw, left);
                left -= taken.records.min(left);
                head.has_more |= taken.is_cut;
                head.add_maps(&raw);
                head.texts.extend(texts(&raw));
                head.parsed.push(parser.parse(raw, &parse_options, enricher).0);
            }
            Ok(None) => break,
            Err(error) => {
                let has_records =
                    |parsed: &Parsed| !parsed.block.rows.is_empty() || !parsed.rejected.is_empty();
                if reader.blocks().reached_limit() && !head.parsed.iter().any(has_records) {
                    return Err(error);
                }
                head.error = Some(error);
                break;
            }
        }
    }
    if left == 0 && !head.has_more {
        reader.limit_reading(READ_LIMIT);
        head.has_more = !matches!(reader.next_block(Vec::new()), Ok(None));
    }
    head.trace = parser.take_trace();
    if head.texts.is_empty() || (head.width.is_some() && !is_wrapping) {
        (head.texts, head.wrapping) = (beginning, None);
    }
    Ok(head)
}

impl Head {
    /// Adds the maps of the values inside wrappings.
    fn add_maps(&mut self, raw: &RawBlock) {
        let Some(Layout::Prepared(records)) = raw.records.as_ref().map(|records| &records.layout) else {
            return;
        };
        for map in records.iter().filter_map(|record| record.map.as_ref()) {
            if !self.maps.iter().any(|known| known.sha256 == map.sha256) {
                self.format.within.push(map.name.clone());
                self.maps.push(map.clone());
            }
        }
    }
}

/// Returns the first lines of a file.
fn beginning(blocks: &mut BlockReader, lines: usize) -> Vec<String> {
    let (bytes, _) = blocks.head();
    let text = String::from_utf8_lossy(bytes);
    // The last line may be incomplete.
    let whole = text.rfind('\n').map_or(&*text, |end| text.get(..end).unwrap_or(""));
    whole.lines().take(lines).map(str::to_owned).collect()
}

/// The result of truncating a block.
struct Taken {
    records: usize,
    is_cut: bool,
}

/// Removes all records of a block except the first ones.
fn truncate(raw: &mut RawBlock, limit: usize) -> Taken {
    let layout = raw.records.as_mut().map(|records| &mut records.layout);
    let is_csv = matches!(layout, Some(Layout::Rows(Reader::Csv, _)));
    if let Some(Layout::Prepared(records)) = layout {
        let all = records.len();
        records.truncate(limit);
        return Taken { records: all, is_cut: all > limit };
    }
    let (mut end, mut records) = (0, 0);
    while records < limit && end < raw.bytes.len() {
        let rest = raw.bytes.get(end..).unwrap_or(&[]);
        let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let is_blank = rest.get(..line).is_none_or(|line| line.trim_ascii().is_empty());
        let mut length = line;
        while is_csv && length < rest.len() && whole_rows(rest.get(..length).unwrap_or(&[]), false) == 0 {
            let more = rest.get(length..).unwrap_or(&[]);
            length += memchr::memchr(b'\n', more).map_or(more.len(), |at| at + 1);
        }
        end += length;
        records += usize::from(!is_blank);
    }
    let is_cut = end < raw.bytes.len();
    if is_cut {
        raw.bytes.truncate(end);
        raw.unfinished = false;
        raw.unfinished_overlong = None;
    }
    let broken = raw.records.as_ref().map_or(0, |records| records.broken.len());
    Taken { records: records.max(raw.overlong.len()) + broken, is_cut }
}

/// Returns the records of a block as text.
fn texts(raw: &RawBlock) -> Vec<String> {
    let text = |bytes: &[u8]| {
        let bytes = bytes.get(..TEXT_LIMIT).unwrap_or(bytes);
        String::from_utf8_lossy(bytes).trim_end().to_owned()
    };
    match raw.records.as_ref().map(|records| &records.layout) {
        Some(Layout::Prepared(records)) => records
            .iter()
            .filter_map(|record| raw.bytes.get(record.start as usize..(record.start + record.len) as usize))
            .map(text)
            .collect(),
        _ => raw.bytes.split(|byte| *byte == b'\n').map(text).filter(|line| !line.is_empty()).collect(),
    }
}

/// Describes the chosen format and the reason for it.
fn describe(format: &FileFormat, detection: &Detection, given: bool) -> FormatPreview {
    let examined = detection.examined;
    let fit = |map: Option<&Map>| {
        let sha256 = map.map(|map| map.sha256.as_str());
        detection.fits.iter().find(|fit| fit.map.as_ref().map(|map| map.sha256.as_str()) == sha256)
    };
    let Some(map) = &format.map else {
        let (fits, why) = match fit(None) {
            Some(fit) => {
                let keys = match fit.complete {
                    true => "are complete native records",
                    false => "have event_name, events or type",
                };
                (true, format!("{} of {examined} records {keys}", fit.records))
            }
            None => (false, "no built-in map fits, and no record has event_name".to_owned()),
        };
        let about = "native lines of wa".to_owned();
        return FormatPreview { map: None, within: Vec::new(), about, fits, why };
    };
    let fits = fit(Some(map));
    let why = match (fits, given) {
        (_, true) => match detection.fits.as_slice() {
            [other] if fits.is_none() => {
                let other = other.map.as_ref().map_or("native lines of wa", |map| &map.name);
                format!("chosen by --map; without it, the format would be: {other}")
            }
            _ => "chosen by --map".to_owned(),
        },
        (Some(fit), false) if map.detect.is_empty() => {
            format!("its pattern matches {} of {examined} lines", fit.records)
        }
        (Some(fit), false) => {
            let conditions: Vec<String> = map.detect.iter().map(|any| alternatives(any)).collect();
            let what = match fit.reader {
                Reader::Json | Reader::Text => format!("{} of {examined} records have", fit.records),
                _ => "the columns include".to_owned(),
            };
            format!("{what} {}", conditions.join(", "))
        }
        (None, false) => String::new(),
    };
    let (about, name) = (map.about.clone(), Some(map.name.clone()));
    FormatPreview { map: name, within: Vec::new(), about, fits: true, why }
}
