//! Parses an input file into rows.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event_codec;
use super::rows::{Head, Rows, kind};
use super::task::TaskContext;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ingest::batch::line_ids::Ordinals;
use crate::ingest::batch::{EventOutcome, exclude};
use crate::ingest::input::blocks::BLOCK_SIZE;
use crate::ingest::input::file_status::FileStatus;
use crate::ingest::input::not_a_log::NotALog;
use crate::ingest::input::records::record_reader::RecordReader;
use crate::ingest::input::source_registry::{MapVersion, ReadPlan, ReadPosition};
use crate::ingest::input::sources::{OpenSource, SourceUpdate, Sources};
use crate::ingest::parse::rejected::RejectReason;
use crate::ingest::{FileOutcome, IngestCounts, Parsed, Parser};
use crate::store::rejects::RejectRecord;
use crate::store::temp_files::TempFiles;
use crate::time::{HOUR, Micros, SECOND, format_utc};

/// Size of a chunk of a parsed block, in bytes.
const CHUNK_SIZE: usize = 4 * BLOCK_SIZE;
/// Longest difference between the clock of the store's file system and that of another one.
const MAX_CLOCK_SKEW: Micros = 60 * SECOND;
/// Maximum number of hashes of lines without an id in memory.
const LINE_HASHES: usize = 1 << 20;

/// A report about a part of a file, or about its end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ParseReport {
    /// Index of the file.
    pub file: i32,
    /// Position of the part in the file.
    pub position: i64,
    /// Name of the file.
    pub name: String,
    /// The map of the file; `None` for native lines.
    pub map: Option<String>,
    /// Counts of the part, without stored events and duplicates.
    pub counts: IngestCounts,
    /// The rejected lines of the part.
    pub rejects: Vec<RejectRecord>,
    /// The hours of the events, counted from the start of 1970 in UTC.
    pub hours: BTreeSet<i64>,
    /// The outcome of the file: read, or the reason why it was not.
    pub outcome: FileOutcome,
    /// The entry for the source registry.
    pub update: Option<Box<SourceUpdate>>,
}

/// Parses one file.
pub struct ParseTask {
    context: Arc<TaskContext>,
    file: i32,
    path: PathBuf,
    name: String,
    /// When the original was modified, in milliseconds since 1970, if the path is a copy.
    original_modified: Option<i64>,
    map: Option<MapVersion>,
    is_native: bool,
    reader: Option<RecordReader>,
    source: SourceState,
    parser: Parser,
    ordinals: Ordinals,
    temp_files: TempFiles,
    position: i64,
    /// Finished rows.
    ready: VecDeque<Rows>,
    outcome: FileOutcome,
    is_ended: bool,
}

/// The facts about the file that the source registry records.
struct SourceState {
    /// The open file, if it can be recorded.
    handle: Option<File>,
    /// Its status before any of its bytes was read.
    status: Option<FileStatus>,
    position: ReadPosition,
    all_have_ids: bool,
    /// Whether the file has an event, or was read before.
    has_rows: bool,
    has_future_lines: bool,
}

impl ParseTask {
    /// Creates a task for a file. `file` is its index, and `name` its name in the ingest summary.
    pub fn new(context: Arc<TaskContext>, file: i32, path: PathBuf, name: String) -> ParseTask {
        let store = context.before.store();
        ParseTask {
            temp_files: TempFiles::new(store.file_system().clone(), store.dir()),
            context,
            file,
            path,
            name,
            original_modified: None,
            map: None,
            is_native: false,
            reader: None,
            source: SourceState {
                handle: None,
                status: None,
                position: ReadPosition::default(),
                all_have_ids: true,
                has_rows: false,
                has_future_lines: false,
            },
            parser: Parser::default(),
            ordinals: Ordinals::with_capacity(LINE_HASHES),
            position: 0,
            ready: VecDeque::new(),
            outcome: FileOutcome::Read,
            is_ended: false,
        }
    }

    /// Marks the path as a temporary copy of the file `name`. `modified_ms` is the modification
    /// time of the original, in milliseconds since 1970.
    #[must_use]
    pub fn with_original(mut self, modified_ms: i64) -> ParseTask {
        self.original_modified = Some(modified_ms);
        self
    }

    /// Returns the next rows; `None` at the end of the file.
    ///
    /// # Errors
    /// Fails if a temporary file cannot be written. A damaged input file is reported instead.
    pub fn next_rows(&mut self) -> Result<Option<Rows>> {
        while self.ready.is_empty() && !self.is_ended {
            self.read_block()?;
        }
        Ok(self.ready.pop_front())
    }

    fn read_block(&mut self) -> Result<()> {
        if self.reader.is_none() {
            let context = self.context.clone();
            match self.open(context.sources()?) {
                Ok(Opened::Reader(reader)) => self.reader = Some(*reader),
                Ok(Opened::Unchanged(update)) => return self.end(FileOutcome::Unchanged, update),
                Err(error) => return self.end(FileOutcome::Unreadable { error: error.to_string() }, None),
            }
        }
        let Some(reader) = &mut self.reader else { return Ok(()) };
        match reader.next_block(Vec::new()) {
            Ok(Some((raw, position))) => {
                self.source.position = position;
                if self.is_native && raw.unfinished_overlong.is_some_and(|line| line.line == 1) {
                    let error = NotALog::one_long_line().error(reader.blocks().name());
                    self.outcome = FileOutcome::Damaged { error: error.to_string() };
                }
                let mut chunks = Vec::new();
                let context = self.context.clone();
                let (options, enricher) = (&context.parse_options, &context.enricher);
                let mut emit = |parsed| chunks.push(parsed);
                let (last, _) = self.parser.parse_in_chunks(raw, options, enricher, CHUNK_SIZE, &mut emit);
                chunks.push(last);
                chunks.into_iter().try_for_each(|chunk| self.add_chunk(chunk))
            }
            Ok(None) => {
                let outcome = std::mem::take(&mut self.outcome);
                let update = match outcome {
                    FileOutcome::Damaged { .. } => None,
                    _ => self.source_update()?,
                };
                self.end(outcome, update)
            }
            Err(error) => self.end(FileOutcome::Damaged { error: error.to_string() }, None),
        }
    }

    fn open(&mut self, sources: &Sources) -> Result<Opened> {
        if sources.unchanged_size(&self.path, &self.name).is_some() {
            return Ok(Opened::Unchanged(None));
        }
        let opened = match sources.open(&self.path, &self.name)? {
            OpenSource { plan: ReadPlan::Skip(known), status, .. } => {
                let status = match self.original_modified {
                    Some(_) => self.original_status(),
                    None => status,
                };
                return Ok(Opened::Unchanged(sources.renewed(*known, &self.name, status)));
            }
            opened => opened,
        };
        self.source.handle = opened.second_handle(&self.path);
        self.source.status = opened.status.clone();
        self.source.position = opened.position();
        let (known, skipped) = (opened.known_map(), self.source.position.consumed);
        if skipped > 0 {
            self.outcome = FileOutcome::Resumed { from: skipped };
        }
        let mut blocks = opened.into_blocks(&self.path)?;
        let formats = &self.context.formats;
        let format = formats.detect(&mut blocks, known, skipped == 0)?;
        self.source.has_rows = skipped > 0;
        let map = format.known_as();
        self.map = map.map(|(name, map)| MapVersion { name, sha256: map.sha256.clone() });
        self.is_native = format.is_native_lines();
        let reader = RecordReader::new(blocks, format, &formats.candidates, formats.timezone);
        Ok(Opened::Reader(Box::new(reader)))
    }

    /// Returns the entry of the file for the source registry.
    fn source_update(&self) -> Result<Option<Box<SourceUpdate>>> {
        let SourceState { handle, status, position, all_have_ids, has_rows, has_future_lines } = &self.source;
        let (Some(handle), Some(reader)) = (handle, &self.reader) else { return Ok(None) };
        let read = (*position, status.clone(), self.map.clone());
        // An error is ignored: without an entry, the next ingest only reads the file again.
        let update = self.context.sources()?.update(&self.path, &self.name, handle, reader, read);
        let mut update = update.unwrap_or(None);
        if let Some(update) = &mut update {
            if self.original_modified.is_some() {
                update.file.status = self.original_status();
            }
            // As in `FileState::can_resume` of an ingest.
            update.file.all_have_ids &= *all_have_ids && (self.map.is_some() || *has_rows);
            update.file.has_future_lines = *has_future_lines;
        }
        Ok(update)
    }

    /// Returns the status of the original of a copy, unless a later change could result in the same
    /// status.
    fn original_status(&self) -> Option<FileStatus> {
        let status = self.original_modified.and_then(FileStatus::of_listed)?;
        status.is_settled(self.context.began_at - MAX_CLOCK_SKEW).then_some(status)
    }

    /// Adds the rows of a chunk.
    fn add_chunk(&mut self, mut parsed: Parsed) -> Result<()> {
        self.ordinals.assign(&mut parsed.block.rows, &self.temp_files)?;
        self.source.all_have_ids &= parsed.all_have_ids;
        self.source.has_rows |= !parsed.block.rows.is_empty();
        let context = &self.context;
        let events: Vec<Event<'_>> = parsed.block.rows.iter().map(|row| parsed.block.event(row)).collect();
        let mut report = self.report();
        let mut rows = Rows::default();
        let outcomes = exclude(context.before.manifest(), &events, context.write_context());
        for (event, outcome) in events.iter().zip(outcomes) {
            self.position += 1;
            match outcome {
                EventOutcome::Forgotten => report.counts.forgotten += 1,
                EventOutcome::AlreadyPruned => report.counts.already_pruned += 1,
                EventOutcome::Stored | EventOutcome::Duplicate => {
                    report.hours.insert(event.row.time.div_euclid(HOUR));
                    let head = Head {
                        kind: kind::EVENT,
                        key: context.event_keys.key(event),
                        time: event.row.time,
                        file: self.file,
                        position: self.position,
                        id: event.row.id,
                    };
                    rows.push(head, |payload| event_codec::encode(*event, payload));
                }
            }
        }
        let counts = &mut report.counts;
        counts.read = parsed.read;
        counts.ignored = parsed.ignored;
        counts.blank = parsed.blank;
        counts.unfinished = u64::from(parsed.unfinished.is_some());
        counts.warnings.merge(&parsed.warnings);
        let rejected_at = format_utc(context.now);
        for rejected in &parsed.rejected {
            let suppression = context.suppression.as_ref();
            if suppression.is_some_and(|found| found.suppresses_rejected(rejected, &parsed.block)) {
                counts.forgotten += rejected.count;
                continue;
            }
            counts.add_rejected(rejected.reason, rejected.count);
            self.source.has_future_lines |= rejected.reason == RejectReason::FutureTimestamp;
            report.rejects.push(rejected.to_record(&self.name, &rejected_at));
        }
        push_report(&mut rows, report.file, report.position, &report)?;
        self.ready.push_back(rows);
        Ok(())
    }

    fn report(&self) -> ParseReport {
        ParseReport {
            file: self.file,
            position: self.position,
            name: self.name.clone(),
            map: self.map.as_ref().map(|map| map.name.clone()),
            ..ParseReport::default()
        }
    }

    /// Replaces the path of the copy with the name of the original in an error.
    fn with_name(&self, outcome: FileOutcome) -> FileOutcome {
        let rename = |error: String| error.replace(&self.path.display().to_string(), &self.name);
        match outcome {
            FileOutcome::Damaged { error } => FileOutcome::Damaged { error: rename(error) },
            FileOutcome::Unreadable { error } => FileOutcome::Unreadable { error: rename(error) },
            other => other,
        }
    }

    /// Ends the file.
    fn end(&mut self, outcome: FileOutcome, update: Option<Box<SourceUpdate>>) -> Result<()> {
        self.is_ended = true;
        self.ordinals.clear(&self.temp_files);
        let outcome = if self.original_modified.is_some() { self.with_name(outcome) } else { outcome };
        let report = ParseReport { outcome, update, ..self.report() };
        let mut rows = Rows::default();
        push_report(&mut rows, report.file, report.position, &report)?;
        self.ready.push_back(rows);
        Ok(())
    }
}

/// A file that was opened.
enum Opened {
    /// It is unchanged. Holds the new entry for the source registry, if it differs.
    Unchanged(Option<Box<SourceUpdate>>),
    /// It is to be read.
    Reader(Box<RecordReader>),
}

/// Appends a report to rows.
///
/// # Errors
/// Fails if the report cannot be written as JSON.
pub fn push_report(rows: &mut Rows, file: i32, position: i64, report: &impl Serialize) -> Result<()> {
    let json = serde_json::to_vec(report)
        .map_err(|e| Error::failed("cannot write the report of a task").caused_by(e))?;
    rows.push_report(file, position, &json);
    Ok(())
}
