//! Ingests rejected lines again.
//!
//! Each line is parsed separately, and its events pass through the same stages as events of a file.
//! Events and the files of rejected lines change in one commit, so that after a crash, the store
//! has both changes or neither.

use std::collections::{BTreeMap, HashMap};

use super::run::IngestRun;
use super::{IngestOptions, IngestReport, load_state, new_run, parse_options};
use crate::config::ResolvedConfig;
use crate::enrich::Enricher;
use crate::error::{Error, ErrorKind, Result};
use crate::ingest::input::records::Layout;
use crate::ingest::parse::{ParseOptions, Parsed, Parser};
use crate::ingest::stored_reject::{RejectReader, StoredReject, Unreadable};
use crate::ingest::summary::FileOutcome;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::store::manifest::{AuxiliaryFile, Manifest};
use crate::store::rejects::RejectRecord;
use crate::store::rejects::rewrite::{RejectChange, records, rewrite_file};
use crate::store::{Store, Writer};

/// The maximum number of times that one stored line is ingested.
const MAX_TIMES: u64 = 1 << 20;

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
    /// Lines that could not be read, by reason. They are not changed.
    pub unreadable: BTreeMap<Unreadable, u64>,
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
        let message = format!("the map '{}' reads a wrapping, whose lines can belong together", map.name);
        return Err(Error::new(ErrorKind::Usage, message)
            .hint(format!("ingest the files again: wa ingest FILE --map {}", map.name)));
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
    let mut retry = Retry { run, lines, files: HashMap::new(), report: RetryReport::default() };
    match retry.run_all(selects) {
        Ok(()) => {
            retry.report.ingest = retry.run.finish();
            Ok(retry.report)
        }
        Err(error) => {
            drop(retry.run.into_report());
            Err(error)
        }
    }
}

/// Parses stored lines.
struct LineParser<'a> {
    reader: RejectReader,
    parser: Parser,
    options: &'a ParseOptions,
    enricher: &'a Enricher,
}

/// The state of a retry.
struct Retry<'a> {
    run: IngestRun<'a>,
    lines: LineParser<'a>,
    /// The index of each input file, by name.
    files: HashMap<String, usize>,
    report: RetryReport,
}

impl Retry<'_> {
    fn run_all(&mut self, selects: &dyn Fn(&RejectRecord) -> bool) -> Result<()> {
        let snapshot = self.run.writer.snapshot()?;
        // Read the files in the order in which they were written, which keeps the lines of each log
        // in order.
        let mut files: Vec<AuxiliaryFile> = snapshot.manifest().rejects.clone();
        files.sort_by_key(|file| file.written_at);
        self.run.progress.set_total(files.iter().map(|file| file.bytes).sum());
        for file in files {
            let content = snapshot.read_checked(&file.path, &file.checksum)?;
            let changes = records(&file, &content)
                .map(|reject| self.retry_line(&reject?, selects))
                .collect::<Result<Vec<_>>>()?;
            if let Some(transaction) = &mut self.run.transaction {
                self.run.changed |= rewrite_file(transaction, &file, &content, &changes)?;
            }
            self.run.progress.advance(file.bytes);
        }
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

    /// Reads a line, and returns the change of its record.
    fn retry_line(
        &mut self,
        reject: &RejectRecord,
        selects: &dyn Fn(&RejectRecord) -> bool,
    ) -> Result<RejectChange> {
        // Lines that are not selected are read too, since they can be headers of selected lines.
        let read = self.lines.reader.read(reject);
        if !selects(reject) {
            return Ok(RejectChange::Keep);
        }
        self.report.lines += 1;
        let raw = match read {
            Ok(StoredReject::Block(raw)) => *raw,
            Ok(StoredReject::Header) => {
                self.report.accepted += 1;
                return Ok(RejectChange::Remove);
            }
            Err(cause) => {
                *self.report.unreadable.entry(cause).or_default() += 1;
                return Ok(RejectChange::Keep);
            }
        };
        let columns = raw.records.as_ref().and_then(|records| match &records.layout {
            Layout::Rows(_, columns) => Some(columns.to_vec()),
            _ => None,
        });
        let LineParser { parser, options, enricher, .. } = &mut self.lines;
        let (mut parsed, _) = parser.parse(raw, options, enricher);
        let reason = parsed.rejected.first().map(|rejected| rejected.reason);
        let file = self.file(&reject.file);
        let times = reject.times.unwrap_or(1).clamp(1, MAX_TIMES);
        self.count_rejected(file, &mut parsed, times);
        repeat(&mut parsed, times);
        self.add(file, parsed)?;
        let Some(reason) = reason else {
            self.report.accepted += 1;
            return Ok(RejectChange::Remove);
        };
        self.report.rejected += 1;
        let columns = reject.columns.clone().or(columns.filter(|_| reject.map.is_none()));
        let new = RejectRecord { reason: reason.name().to_owned(), columns, ..reject.clone() };
        Ok(if new == *reject { RejectChange::Keep } else { RejectChange::Replace(Box::new(new)) })
    }

    /// Returns the index of an input file.
    fn file(&mut self, name: &str) -> usize {
        if let Some(file) = self.files.get(name) {
            return *file;
        }
        let file = self.files.len();
        self.files.insert(name.to_owned(), file);
        self.run.files.begin(file, name.to_owned(), FileOutcome::Read, None, None);
        file
    }

    /// Counts rejected lines, and removes them, since they are already in the store.
    fn count_rejected(&mut self, file: usize, parsed: &mut Parsed, times: u64) {
        for rejected in std::mem::take(&mut parsed.rejected) {
            if let Some(state) = self.run.files.get_mut(file) {
                state.pending.add_rejected(rejected.reason, rejected.count * times);
            }
        }
    }

    /// Adds the events of a line to the batch.
    fn add(&mut self, file: usize, mut parsed: Parsed) -> Result<()> {
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
