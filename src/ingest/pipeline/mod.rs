//! An ingest from its inputs to its account.
//!
//! A thread reads blocks of lines, some threads parse them, and the calling thread puts them, in
//! order, into batches and each batch into the store. So the next batch is read and parsed while
//! one is written, and memory holds a batch and as much of the next as [`Backpressure`] has room for, whatever
//! the size of the input.

pub mod backpressure;
pub(crate) mod file_progress;
pub mod read_ahead;
pub mod timings;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde::Serialize;

use super::batch::line_ids::Ordinals;
use super::batch::stored_ids::StoredIds;
use super::batch::{self, EventOutcome, WriteContext};
use super::input::discovery;
use super::input::source_registry::SourceRegistry;
use super::parse::{ParseOptions, Parsed};
use super::summary::IngestSummary;
use super::summary::reason::RejectReason;
use super::summary::warnings::Warning;
use crate::enrich::Enricher;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::ingest::batch::suppression::Suppression;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::store::ledger::Ledger;
use crate::store::manifest::{LastRun, Manifest};
use crate::store::rejects;
use crate::store::temp_files::TempFiles;
use crate::store::transaction::Transaction;
use crate::store::{Store, Writer, key};
use crate::time::Clock;
use backpressure::Backpressure;
use file_progress::Files;
use read_ahead::{Message, Numbered};
use timings::{Stage, StageTimings};

/// What an ingest takes beside its batches: the program, what its threads keep for themselves, the user
/// agents that it remembers, and the stored rows that a partition at a time is merged with.
const FIXED: u64 = 160 << 20;
/// Which part of the rest a batch is: as much again and more goes into its tables.
const BATCH: u64 = 5;
/// Which part of the rest the parsed blocks are that wait for the next batch.
const AHEAD: u64 = 7;
/// Which part of the rest the stored ids are that are kept from one batch to the next.
const STORED_IDS: u64 = 16;
/// The most bytes of a batch, and of what waits for the next, whatever the budget is: larger ones save nothing,
/// and what is interrupted would begin again from far back.
const LARGEST_BATCH: u64 = 1 << 30;
/// Of how many bytes of a batch one is the share of a line without an id that is held for its ordinal:
/// with their table, they take about an eighth of what the batch takes.
const BYTES_A_LINE_HELD: usize = 512;

/// What a session and its visitor take while a batch is put in: their places in the tables by which they are
/// found and sorted, the entry of the first-seen index, and the stored row that new events may join.
const BYTES_A_SESSION: usize = 1024;

/// What an ingest is told.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// Files, folders, globs, `-`.
    pub inputs: Vec<PathBuf>,
    /// The chatbot of lines that name none.
    pub chatbot: Option<String>,
    /// Read files that are known to have been taken in.
    pub force: bool,
    /// Commit once, at the end.
    pub atomic: bool,
    /// Commit nothing where more lines than this are refused; implies `atomic`.
    pub max_rejects: Option<u64>,
    /// The present.
    pub clock: Clock,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
    /// Where the secret key lies, if not in the store.
    pub key_file: Option<PathBuf>,
    /// Bytes of a batch in memory; a share of the settings' budget where `None`.
    pub batch_bytes: Option<usize>,
}

/// Of how many refused lines a report says where they are, where nothing is committed.
const MOST_NAMED: usize = 10;

/// Where a refused line is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedLineRef {
    /// The file, as it was named.
    pub file: String,
    /// The line's number, from 1.
    pub line: u64,
    /// Why it is refused.
    pub reason: RejectReason,
}

/// What an ingest came to.
#[derive(Debug, Default)]
pub struct IngestReport {
    /// What became of every event.
    pub summary: IngestSummary,
    /// Inputs that could not be found or read to their end.
    pub problems: Vec<Error>,
    /// Folders that were named, and hold no logs.
    pub folders_without_logs: Vec<discovery::FolderWithoutLogs>,
    /// Whether all that was taken in is committed, or some of it where the run failed.
    pub committed: bool,
    /// More lines were refused than allowed, and nothing was committed for that.
    pub too_many_rejected: bool,
    /// How many refused lines are kept that were not kept before.
    pub new_rejects: u64,
    /// The first refused lines, where no more than some of them are allowed: they may not be kept.
    pub first_rejected: Vec<RejectedLineRef>,
    /// Days that lines were left out of since retention has taken them: chatbot and UTC date.
    pub pruned_days: Vec<(String, crate::time::Day)>,
    /// Where the time went.
    pub stages: StageTimings,
    /// Why it ended early, where it did: what was committed before stays.
    pub failure: Option<Error>,
}

/// Takes in the inputs.
///
/// # Errors
/// Where the store cannot be used at all. What fails later stands in the report, beside the account
/// of what was committed.
pub fn run(
    store: &Store,
    settings: &Settings,
    options: &IngestOptions,
    progress: &dyn Progress,
) -> Result<IngestReport> {
    let enricher = Enricher::new(settings.geoip.as_deref())?;
    let found = discovery::find(&options.inputs, store.dir());
    if found.files.is_empty() && !(found.problems.is_empty() && found.folders_without_logs.is_empty()) {
        // A slip of the pen makes no store.
        let (problems, folders_without_logs) = (found.problems, found.folders_without_logs);
        return Ok(IngestReport { problems, folders_without_logs, ..IngestReport::default() });
    }
    crate::config::check_file(store)?;
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let writer = store.writer("wa ingest", options.lock_timeout, first)?;
    // Under the lock, and also where an earlier first ingest was interrupted.
    crate::config::write_default(&**store.file_system(), store.dir())?;
    take_in(writer, found, settings, options, &enricher, progress)
}

/// Takes in the inputs with a writer that is open already.
pub fn run_with_writer(
    writer: Writer,
    settings: &Settings,
    options: &IngestOptions,
    enricher: &Enricher,
    progress: &dyn Progress,
) -> Result<IngestReport> {
    let found = discovery::find(&options.inputs, writer.store().dir());
    take_in(writer, found, settings, options, enricher, progress)
}

fn take_in(
    writer: Writer,
    found: discovery::FoundInputs,
    settings: &Settings,
    options: &IngestOptions,
    enricher: &Enricher,
    progress: &dyn Progress,
) -> Result<IngestReport> {
    check_settings(writer.manifest(), settings)?;
    let key = key::load_or_create(writer.store(), writer.manifest(), options.key_file.as_deref())?;
    let snapshot = writer.snapshot()?;
    let ledger = Ledger::load(&snapshot)?;
    let known = match &snapshot.manifest().sources {
        Some(file) => SourceRegistry::from_bytes(&snapshot.read_checked(&file.path, &file.checksum)?)?,
        None => SourceRegistry::default(),
    };
    let parse_options = ParseOptions {
        chatbot: options.chatbot.clone(),
        now: options.clock.now,
        ip: settings.ip,
        visitor_key: *key.bytes(),
    };
    let for_batches = settings.memory.saturating_sub(FIXED);
    let inputs = read_ahead::Inputs {
        files: found.files,
        known: known.clone(),
        force: options.force,
        fingerprint: fingerprint(settings, options),
    };
    crate::allocator::set_budget(settings.memory);
    let share = (for_batches / BATCH).min(LARGEST_BATCH) as usize;
    let batch_bytes = options.batch_bytes.unwrap_or(share);
    let temp_files = writer.temp_files();
    let mut ingest = Ingest {
        transaction: Some(writer.begin()),
        writer,
        options,
        settings,
        gate: Suppression::new(&ledger, &key),
        ledger,
        known,
        key_fingerprint: key.fingerprint(),
        fingerprint: inputs.fingerprint.clone(),
        batch: Batch::default(),
        files: Files::default(),
        report: IngestReport {
            problems: found.problems,
            folders_without_logs: found.folders_without_logs,
            committed: true,
            ..IngestReport::default()
        },
        batch_bytes,
        ordinals: (0, Ordinals::with_room_for(batch_bytes / BYTES_A_LINE_HELD)),
        rejects: rejects::RejectIndex::new(temp_files.clone()),
        temp_files,
        stored_ids: StoredIds::with_room_for((for_batches / STORED_IDS) as usize),
        changed: false,
        committed: false,
    };
    progress.set_total(inputs.bytes());
    let ahead = Backpressure::of((for_batches / AHEAD).min(LARGEST_BATCH) as usize);
    let (sender, receiver) = channel();
    let outcome = std::thread::scope(|scope| {
        // So that the threads stop where this fails.
        let _closing = ahead.closing();
        read_ahead::start(scope, &inputs, &parse_options, enricher, &ahead, sender);
        ingest.take_all(receiver, &ahead, progress)
    });
    match outcome.and_then(|()| ingest.commit_rest()) {
        Ok(()) => Ok(ingest.finish()),
        Err(error) => {
            ingest.report.failure = Some(error);
            ingest.report.committed = ingest.committed;
            Ok(ingest.into_report())
        }
    }
}

/// Refuses settings by which the store was not made: the sessions would be cut or dated two ways. A store
/// without any can still go by others.
pub fn check_settings(manifest: &Manifest, settings: &Settings) -> Result<()> {
    if manifest.is_empty() {
        return Ok(());
    }
    let differs = |what: &str, theirs: String, ours: String| {
        Error::new(
            ErrorKind::Usage,
            format!("the store was made with {what} {theirs}, and the settings say {ours}"),
        )
        .hint("run `wa rebuild` to make sessions and daily statistics again, or change wa.toml back")
    };
    if manifest.timezone != settings.timezone.name() {
        return Err(differs("the time zone", manifest.timezone.clone(), settings.timezone.name().to_owned()));
    }
    if manifest.session_timeout_us != settings.session_timeout {
        let show = crate::config::quantity::format_duration;
        return Err(differs(
            "the session timeout",
            show(manifest.session_timeout_us),
            show(settings.session_timeout),
        ));
    }
    Ok(())
}

/// Returns a fingerprint of what decides, beside the lines, about what is stored.
fn fingerprint(settings: &Settings, options: &IngestOptions) -> String {
    // Which lines are of a pruned day goes by the zone.
    let zone = settings.timezone.name();
    let text = format!("{:?} {:?} {:?} {zone}", options.chatbot, settings.ip, settings.geoip);
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}

/// Blocks on their way into the store.
#[derive(Default)]
struct Batch {
    /// Parsed blocks, each with the number of its file.
    blocks: Vec<(usize, Parsed)>,
    bytes: usize,
}

struct Ingest<'a> {
    writer: Writer,
    /// The change under way; `None` only while it is being committed.
    transaction: Option<Transaction>,
    options: &'a IngestOptions,
    settings: &'a Settings,
    ledger: Ledger,
    gate: Option<Suppression>,
    known: SourceRegistry,
    key_fingerprint: String,
    fingerprint: String,
    batch: Batch,
    files: Files,
    report: IngestReport,
    batch_bytes: usize,
    /// Counts the identical lines of one file, that with this number.
    ordinals: (usize, Ordinals),
    temp_files: TempFiles,
    /// What is known of the refused lines that are kept.
    rejects: rejects::RejectIndex,
    /// The ids of the stored events beside those of the last batch.
    stored_ids: StoredIds,
    /// Something is to be committed.
    changed: bool,
    /// Something has been.
    committed: bool,
}

impl Ingest<'_> {
    fn atomic(&self) -> bool {
        self.options.atomic || self.options.max_rejects.is_some()
    }

    /// Takes in what comes, in order, committing batch by batch.
    fn take_all(
        &mut self,
        receiver: Receiver<Numbered>,
        ahead: &Backpressure,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut waiting: BTreeMap<u64, VecDeque<Message>> = BTreeMap::new();
        let mut next = 0;
        for (number, message) in receiver {
            waiting.entry(number).or_default().push_back(message);
            while let Some(message) = waiting.get_mut(&next).and_then(VecDeque::pop_front) {
                self.report.stages.book(Stage::Wait);
                match &message {
                    Message::Piece { room, .. } => ahead.leave(next, *room),
                    Message::End { .. } => ahead.end_file(),
                    Message::Begin { .. } => {}
                }
                if message.is_last() {
                    waiting.remove(&next);
                    next += 1;
                    ahead.next(next);
                }
                self.take(message, ahead, progress)?;
                self.report.stages.book(Stage::Gather);
            }
        }
        self.flush()
    }

    fn take(&mut self, message: Message, ahead: &Backpressure, progress: &dyn Progress) -> Result<()> {
        match message {
            Message::Begin { file, name, outcome, handle, passed } => {
                progress.set_step(&name);
                progress.advance(passed);
                self.files.begin(file, name, outcome, handle);
            }
            Message::Piece { file, parsed, room, block } => {
                self.files.piece(file, parsed.own_ids, block.map(|block| block.reached));
                self.batch.bytes += room + parsed.session_keys * BYTES_A_SESSION;
                self.batch.blocks.push((file, *parsed));
                progress.advance(block.map_or(0, |block| block.bytes));
                if self.batch.bytes >= self.batch_bytes {
                    let _putting = ahead.putting();
                    self.flush()?;
                }
            }
            Message::End { file, end } => self.report.problems.extend(self.files.end(file, end)),
        }
        Ok(())
    }

    /// Puts the batch into the store.
    fn flush(&mut self) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        self.identify(&mut batch)?;
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        self.put(&mut transaction, batch)?;
        if self.atomic() {
            self.transaction = Some(transaction);
            return Ok(());
        }
        if self.changed || self.files.has_notes() {
            self.commit(transaction)?;
            self.transaction = Some(self.writer.begin());
        } else {
            self.files.settle();
            self.transaction = Some(transaction);
        }
        crate::allocator::give_back();
        Ok(())
    }

    /// Gives the events that have none their ids.
    fn identify(&mut self, batch: &mut Batch) -> Result<()> {
        let (counted, ordinals) = &mut self.ordinals;
        for blocks in batch.blocks.chunk_by_mut(|a, b| a.0 == b.0) {
            let Some(&(file, _)) = blocks.first() else { continue };
            if std::mem::replace(counted, file) != file {
                ordinals.end(&self.temp_files);
            }
            let rows = blocks.iter_mut().flat_map(|(_, parsed)| &mut parsed.block.rows);
            ordinals.assign(rows, &self.temp_files)?;
        }
        Ok(())
    }

    fn put(&mut self, transaction: &mut Transaction, batch: Batch) -> Result<()> {
        let mut events: Vec<Event<'_>> =
            Vec::with_capacity(batch.blocks.iter().map(|(_, parsed)| parsed.block.rows.len()).sum());
        for (_, parsed) in &batch.blocks {
            events.extend(parsed.block.rows.iter().map(|row| parsed.block.event(row)));
        }
        let rules = WriteContext {
            zone: self.settings.timezone,
            timeout: self.settings.session_timeout,
            ledger: &self.ledger,
            gate: self.gate.as_ref(),
            now: self.options.clock.now,
        };
        self.report.stages.book(Stage::Gather);
        let outcome = batch::put(transaction, &events, rules, &mut self.stored_ids, &mut self.report.stages)?;
        self.changed |= outcome.outcomes.contains(&EventOutcome::Stored);
        let mut rejects = Vec::new();
        let mut outcomes = outcome.outcomes.iter();
        for (file, parsed) in &batch.blocks {
            let outcomes = parsed.block.rows.iter().zip(outcomes.by_ref());
            let Some(state) = self.files.get_mut(*file) else { continue };
            let counts = &mut state.pending;
            for (row, outcome) in outcomes {
                match outcome {
                    EventOutcome::Stored => counts.stored += 1,
                    EventOutcome::Duplicate => counts.duplicate += 1,
                    EventOutcome::Forgotten => counts.forgotten += 1,
                    EventOutcome::AlreadyPruned => {
                        counts.already_pruned += 1;
                        let chatbot = parsed.block.event(row).chatbot_id();
                        let day = (chatbot.to_owned(), crate::time::Day::utc(row.time));
                        if self.report.pruned_days.last() != Some(&day) {
                            self.report.pruned_days.push(day);
                        }
                    }
                }
            }
            counts.read += parsed.read;
            counts.blank += parsed.blank;
            counts.unfinished += u64::from(parsed.unfinished.is_some());
            counts.warnings.merge(&parsed.warnings);
            for rejected in &parsed.rejected {
                if self.gate.as_ref().is_some_and(|gate| gate.suppresses_rejected(rejected, &parsed.block)) {
                    counts.forgotten += 1;
                    continue;
                }
                counts.reject(rejected.reason, 1);
                if self.options.max_rejects.is_some() && self.report.first_rejected.len() < MOST_NAMED {
                    let (file, line, reason) = (state.name.clone(), rejected.line, rejected.reason);
                    self.report.first_rejected.push(RejectedLineRef { file, line, reason });
                }
                state.future |= rejected.reason == RejectReason::FutureTimestamp;
                rejects.push(rejected.reject(&state.name, self.options.clock));
            }
        }
        // A clash is a fault of the log as a whole; the last file of the batch is as good as any.
        if let (Some(state), 1..) =
            (batch.blocks.last().and_then(|(file, _)| self.files.get_mut(*file)), outcome.id_conflicts)
        {
            state.pending.warnings.add_many(Warning::IdNamesDifferentEvents, outcome.id_conflicts);
        }
        self.report.pruned_days.sort();
        self.report.pruned_days.dedup();
        let snapshot = transaction.snapshot()?;
        let now = self.options.clock.now;
        let kept = rejects::append(&snapshot, transaction, rejects, &mut self.rejects, now)?;
        self.report.new_rejects += kept;
        self.changed |= kept > 0;
        self.report.stages.book(Stage::Rejects);
        Ok(())
    }

    fn commit(&mut self, mut transaction: Transaction) -> Result<()> {
        let now = self.options.clock.now;
        self.files.note(&mut self.known, &self.fingerprint, now);
        let bytes = self.known.to_bytes()?;
        transaction.replace_state_file(
            "sources",
            |m| &mut m.sources,
            &bytes,
            self.known.len() as u64,
            now,
        )?;
        let total = self.files.total();
        let counts = [
            ("read", total.read),
            ("stored", total.stored),
            ("duplicate", total.duplicate),
            ("rejected", total.rejected_total()),
        ];
        let manifest = transaction.manifest();
        manifest.key_fingerprint = Some(self.key_fingerprint.clone());
        manifest.last_ingest = Some(LastRun {
            at: now,
            counts: counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect(),
        });
        self.writer.commit(transaction, now)?;
        self.committed = true;
        self.files.settle();
        self.report.stages.book(Stage::Commit);
        self.changed = false;
        Ok(())
    }

    /// Commits what is left, unless too many lines were refused.
    fn commit_rest(&mut self) -> Result<()> {
        let rejected = self.files.total().rejected_total();
        if self.options.max_rejects.is_some_and(|most| rejected > most) {
            (self.report.committed, self.report.too_many_rejected) = (false, true);
            drop(self.transaction.take());
        } else if let Some(transaction) = self.transaction.take()
            && (self.changed || self.files.has_notes())
        {
            self.commit(transaction)?;
        }
        // Where nothing had to be committed, or nothing is to be, it counts what was found.
        self.files.settle();
        Ok(())
    }

    fn finish(self) -> IngestReport {
        let Ingest { writer, files, mut report, .. } = self;
        report.failure = writer.finish().err();
        report.summary = files.into_summary();
        report
    }

    fn into_report(mut self) -> IngestReport {
        self.report.summary = std::mem::take(&mut self.files).into_summary();
        self.report
    }
}
