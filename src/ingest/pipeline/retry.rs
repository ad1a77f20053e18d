//! Ingests rejected lines again.
//!
//! A line is parsed from its stored text. If that is not sufficient, its file is read again, and
//! the record with the same hash is parsed: see [`retry_files`](super::retry_files). In both cases
//! its events pass through the same stages as events of a file.
//!
//! Events and the files of rejected lines change in one commit, so that after a crash, the store
//! has both changes or neither.
//!
//! Memory: one file of rejected lines is in memory at a time, together with the hashes of at most
//! [`MAX_WAITING`] lines that wait for their file.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::retry_files::FileRejects;
use super::run::IngestRun;
use super::{IngestOptions, IngestReport, load_state, new_run, parse_options};
use crate::config::ResolvedConfig;
use crate::enrich::Enricher;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::map::presets;
use crate::ingest::parse::rejected::RejectReason;
use crate::ingest::parse::selection::Found;
use crate::ingest::parse::{ParseOptions, Parsed, Parser};
use crate::ingest::stored_reject::{RejectReader, StoredReject, Unreadable};
use crate::ingest::summary::FileOutcome;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::shell::quote_file;
use crate::store::key::SecretKey;
use crate::store::manifest::{AuxiliaryFile, Manifest};
use crate::store::rejects::RejectRecord;
use crate::store::rejects::rewrite::{RejectChange, records, rewrite_file};
use crate::store::{Snapshot, Store, Writer};

/// The maximum number of times that one stored line is ingested.
const MAX_TIMES: u64 = 1 << 20;
/// The maximum number of lines that wait for their file, at about 100 bytes each.
const MAX_WAITING: usize = 1 << 18;
/// Batch bytes per waiting line: a small memory budget allows fewer waiting lines.
const BATCH_BYTES_PER_LINE: usize = 256;
/// The maximum number of lines in the files of rejected lines that contain waiting lines.
const MAX_HELD: usize = 1 << 22;

/// The result of ingesting rejected lines again.
#[derive(Debug, Default)]
pub struct RetryReport {
    /// The outcome of every event that was read.
    pub ingest: IngestReport,
    /// Lines that were selected.
    pub lines: u64,
    /// Lines that are no longer rejected.
    pub accepted: u64,
    /// Lines that were read and rejected again.
    pub rejected: u64,
    /// Lines that could not be read. They are not changed.
    pub unreadable: BTreeMap<(Unreadable, String), UnreadLines>,
}

/// The lines of a file that could not be read, for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadLines {
    /// The number of lines.
    pub lines: u64,
    /// The error of reading the file, if there is one.
    pub error: Option<String>,
}

/// Ingests again, in one commit, the rejected lines for which `selects` returns true.
///
/// # Errors
/// Fails with [`ErrorKind::Usage`] if the map of the options reads a wrapping or the settings
/// differ from the store's. Fails if the store cannot be read or written. An error leaves the store
/// unchanged.
pub fn retry(
    store: &Store,
    config: &ResolvedConfig,
    options: &IngestOptions,
    selects: &dyn Fn(&RejectRecord) -> bool,
    progress: &dyn Progress,
) -> Result<RetryReport> {
    if let Some(map) = options.map.as_ref().filter(|map| map.is_wrapping()) {
        let message =
            format!("the map '{}' reads a wrapping, in which several lines can form one event", map.name);
        return Err(Error::new(ErrorKind::Usage, message)
            .hint(format!("ingest the files again: wa ingest FILE --map {}", quote_file(&map.name))));
    }
    let settings = &config.settings;
    let enricher = Enricher::new(settings.geoip.as_deref())?;
    // A mistyped path must not create a store.
    store.snapshot()?;
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let writer = store.writer("wa rejects --retry", options.lock_timeout, first)?;
    retry_with_writer(writer, settings, options, &enricher, selects, progress)
}

/// Ingests rejected lines again with a writer that is already open.
///
/// # Errors
/// See [`retry()`].
pub fn retry_with_writer(
    writer: Writer,
    settings: &Settings,
    options: &IngestOptions,
    enricher: &Enricher,
    selects: &dyn Fn(&RejectRecord) -> bool,
    progress: &dyn Progress,
) -> Result<RetryReport> {
    let (writer, (key, ledger, registry)) = load_state(writer, settings, options)?;
    let parse_options = parse_options(settings, options, &key);
    let reader = RejectReader::new(options.map.clone(), key.clone());
    let mut run = new_run(writer, settings, options, progress, (&key, ledger, registry), String::new());
    // A file that was ingested several times has lines in several files of rejected lines.
    run.has_interleaved_files = true;
    run.ordinals.0 = usize::MAX;
    let lines = LineParser { reader, parser: Parser::default(), options: &parse_options, enricher };
    let mut retry = Retry {
        run,
        lines,
        key: key.clone(),
        files: HashMap::new(),
        file_count: 0,
        waiting: FileRejects::default(),
        held: Vec::new(),
        round: 0,
        report: RetryReport::default(),
    };
    match retry.run_all(selects) {
        Ok(()) => {
            retry.report.ingest = retry.run.finish();
            // A file has an index for each pass.
            retry.report.ingest.summary.merge_equal_names();
            Ok(retry.report)
        }
        Err(error) => {
            drop(retry.run.into_report());
            Err(error)
        }
    }
}

/// Parses stored lines.
pub(super) struct LineParser<'a> {
    reader: RejectReader,
    pub parser: Parser,
    pub options: &'a ParseOptions,
    pub enricher: &'a Enricher,
}

/// The state of a retry.
pub(super) struct Retry<'a> {
    pub run: IngestRun<'a>,
    pub lines: LineParser<'a>,
    pub key: SecretKey,
    /// The indexes of each input file, by name.
    files: HashMap<String, Vec<(Pass, usize)>>,
    file_count: usize,
    /// The lines that wait for their file to be read.
    waiting: FileRejects,
    /// The files of rejected lines that contain waiting lines, with the changes of all their lines.
    held: Vec<(AuxiliaryFile, Vec<Change>)>,
    /// The number of times that the files of waiting lines were read.
    pub round: usize,
    pub report: RetryReport,
}

/// The lines of a file among which equal lines are counted.
///
/// Two rejected lines can lead to the same event in different passes: a line of JSON and an element
/// of it. Ordinals are therefore counted per pass, so that the event is stored once. A line that is
/// too long to be stored in full can consist of a stored line and white space around it. Their
/// events are distinct, so both lines belong to the same pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Lines that are read from their stored text, or would be if they were shorter.
    WholeLines,
    /// Lines that are read from the file for another reason.
    File {
        /// The name of the map that reads the file; without it, the format is detected.
        map: Option<String>,
        /// The number of the round. Two rejected lines of different rounds can be the same record.
        round: usize,
    },
}

/// The change of a rejected line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Keep,
    Remove,
    Reason(RejectReason),
}

impl Retry<'_> {
    fn run_all(&mut self, selects: &dyn Fn(&RejectRecord) -> bool) -> Result<()> {
        let snapshot = self.run.writer.snapshot()?;
        // Read the files in the order in which they were written, which keeps the lines of each log
        // in order.
        let mut files: Vec<AuxiliaryFile> = snapshot.manifest().rejects.clone();
        files.sort_by_key(|file| file.written_at);
        // The batch is small if the memory budget is small, and in tests.
        let max_waiting = MAX_WAITING.min(self.run.batch_bytes / BATCH_BYTES_PER_LINE);
        self.run.progress.set_total(files.iter().map(|file| file.bytes).sum());
        for file in files {
            let content = snapshot.read_checked(&file.path, &file.checksum)?;
            let waiting = self.waiting.len();
            let changes = records(&file, &content)
                .enumerate()
                .map(|(line, reject)| self.retry_line(&reject?, (self.held.len(), line), selects))
                .collect::<Result<Vec<_>>>()?;
            let bytes = file.bytes;
            match self.waiting.len() > waiting {
                true => self.held.push((file, changes)),
                false => self.rewrite(&file, &content, &changes)?,
            }
            let held: usize = self.held.iter().map(|(_, changes)| changes.len()).sum();
            if self.waiting.len() >= max_waiting || held >= MAX_HELD {
                self.retry_waiting(&snapshot)?;
            }
            self.run.progress.advance(bytes);
        }
        self.retry_waiting(&snapshot)?;
        let changed = self.run.changed;
        self.run.flush(true)?;
        let Some(mut transaction) = self.run.transaction.take() else { return Ok(()) };
        if changed || self.run.changed {
            self.run.update_statistics(&mut transaction)?;
            transaction.manifest().key_fingerprint = Some(self.run.key_fingerprint.clone());
            self.run.writer.commit(transaction, self.run.options.clock.now)?;
            self.run.committed = true;
        }
        self.run.files.settle();
        Ok(())
    }

    /// Applies the changes of the lines of a file of rejected lines.
    fn rewrite(&mut self, file: &AuxiliaryFile, content: &[u8], changes: &[Change]) -> Result<()> {
        if changes.iter().all(|change| *change == Change::Keep) {
            return Ok(());
        }
        let change = |(reject, change): (Result<RejectRecord>, &Change)| {
            let reject = reject?;
            Ok(match change {
                Change::Remove => RejectChange::Remove,
                Change::Reason(reason) if reason.name() != reject.reason => {
                    let reason = reason.name().to_owned();
                    RejectChange::Replace(Box::new(RejectRecord { reason, ..reject }))
                }
                Change::Keep | Change::Reason(_) => RejectChange::Keep,
            })
        };
        let changes = records(file, content).zip(changes).map(change).collect::<Result<Vec<_>>>()?;
        if let Some(transaction) = &mut self.run.transaction {
            self.run.changed |= rewrite_file(transaction, file, content, &changes)?;
        }
        Ok(())
    }

    /// Reads the files of the waiting lines, and applies the changes of these lines.
    fn retry_waiting(&mut self, snapshot: &Snapshot) -> Result<()> {
        if self.waiting.len() == 0 {
            return Ok(());
        }
        self.round += 1;
        let candidates = Arc::new(presets::candidates());
        let mut held = std::mem::take(&mut self.held);
        for (name, source) in self.waiting.take() {
            let (selection, problem) = self.retry_file(&name, source.from, source.selection, &candidates)?;
            for ((file, line), found) in source.places.into_iter().zip(selection.outcomes()) {
                let change = match (found, &problem) {
                    (Found::Rejected(reason), _) => self.reject(reason),
                    (Found::Accepted, None) => self.accept(),
                    (Found::Nowhere, None) => self.leave(Unreadable::FileChanged, &name, None),
                    // The line can occur again after the error. The next retry stores the rest.
                    (Found::Accepted | Found::Nowhere, Some((cause, error))) => {
                        self.leave(*cause, &name, error.clone())
                    }
                };
                let changes = held.get_mut(file as usize).map(|(_, changes)| changes);
                if let Some(slot) = changes.and_then(|changes| changes.get_mut(line as usize)) {
                    *slot = change;
                }
            }
        }
        for (file, changes) in held {
            let content = snapshot.read_checked(&file.path, &file.checksum)?;
            self.rewrite(&file, &content, &changes)?;
        }
        Ok(())
    }

    /// Reads the line at a position in the held files, and returns the change of its record.
    fn retry_line(
        &mut self,
        reject: &RejectRecord,
        (file, line): (usize, usize),
        selects: &dyn Fn(&RejectRecord) -> bool,
    ) -> Result<Change> {
        if !selects(reject) {
            return Ok(Change::Keep);
        }
        self.report.lines += 1;
        let raw = match self.lines.reader.read(reject) {
            Ok(StoredReject::Block(raw)) => *raw,
            Ok(StoredReject::InFile(from)) => {
                self.waiting.add(reject, from, (file as u32, line as u32), &self.key);
                return Ok(Change::Keep);
            }
            Err(cause) => return Ok(self.leave(cause, &reject.file, reject.map.clone())),
        };
        let LineParser { parser, options, enricher, .. } = &mut self.lines;
        let (mut parsed, _) = parser.parse(raw, options, enricher);
        let reason = parsed.rejected.first().map(|rejected| rejected.reason);
        let file = self.file(&reject.file, Pass::WholeLines);
        let times = reject.times.unwrap_or(1).clamp(1, MAX_TIMES);
        self.count_rejected(file, &mut parsed, times);
        repeat(&mut parsed, times);
        self.add(file, parsed)?;
        Ok(match reason {
            None => self.accept(),
            Some(reason) => self.reject(reason),
        })
    }

    fn accept(&mut self) -> Change {
        self.report.accepted += 1;
        Change::Remove
    }

    fn reject(&mut self, reason: RejectReason) -> Change {
        self.report.rejected += 1;
        Change::Reason(reason)
    }

    /// Leaves a line that could not be read.
    fn leave(&mut self, cause: Unreadable, file: &str, error: Option<String>) -> Change {
        let unread = self.report.unreadable.entry((cause, file.to_owned())).or_default();
        unread.lines += 1;
        unread.error = error;
        Change::Keep
    }

    /// Returns the index of an input file in a pass.
    pub(super) fn file(&mut self, name: &str, pass: Pass) -> usize {
        let passes = self.files.get(name).map_or(&[][..], Vec::as_slice);
        if let Some((_, file)) = passes.iter().find(|(other, _)| *other == pass) {
            return *file;
        }
        let file = self.file_count;
        self.file_count += 1;
        self.files.entry(name.to_owned()).or_default().push((pass, file));
        self.run.files.begin(file, name.to_owned(), FileOutcome::Read, None, None);
        file
    }

    /// Counts rejected lines, and removes them, since they are already in the store.
    pub(super) fn count_rejected(&mut self, file: usize, parsed: &mut Parsed, times: u64) {
        for rejected in std::mem::take(&mut parsed.rejected) {
            if let Some(state) = self.run.files.get_mut(file) {
                state.pending.add_rejected(rejected.reason, rejected.count * times);
            }
        }
    }

    /// Adds the events of a line to the batch.
    pub(super) fn add(&mut self, file: usize, mut parsed: Parsed) -> Result<()> {
        parsed.block.rows.shrink_to_fit();
        self.run.batch.bytes += parsed.size() + parsed.session_keys * super::run::BYTES_PER_SESSION;
        self.run.batch.chunks.push((file, parsed));
        if self.run.batch.bytes >= self.run.batch_bytes {
            self.run.flush(false)?;
        }
        Ok(())
    }
}

/// Repeats the events of a line that occurs several times in its file. Events without an id get
/// different ids, as they would from the file.
fn repeat(parsed: &mut Parsed, times: u64) {
    let rows = parsed.block.rows.clone();
    for _ in 1..times {
        parsed.block.rows.extend_from_slice(&rows);
    }
    for count in [&mut parsed.read, &mut parsed.ignored] {
        *count *= times;
    }
}
