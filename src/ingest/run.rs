//! An ingest from its inputs to its account.
//!
//! A thread reads blocks of lines, some threads parse them, and the calling thread puts them, in
//! order, into batches and each batch into the store. So the next batch is read and parsed while
//! one is written, and memory holds a batch and a few blocks, whatever the size of the input.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use super::account::{Account, Counts, FileAccount, Outcome};
use super::batch::{self, Fate, Rules};
use super::feed::{self, End, Message, Reached};
use super::identify::Ordinals;
use super::known::{KnownFile, KnownFiles};
use super::parse::{ParseOptions, Parsed};
use super::source;
use super::stages::{Stage, Stages};
use super::warnings::Warning;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Row};
use crate::privacy::Gate;
use crate::settings::Settings;
use crate::store::ledger::Ledger;
use crate::store::manifest::{LastRun, Manifest};
use crate::store::rejects::{self, Reject};
use crate::store::scratch::Scratch;
use crate::store::transaction::{STATE, Transaction};
use crate::store::{Store, Writer, key};
use crate::time::{Clock, format_utc};

/// What an ingest takes beside its batches: the program, what its threads keep for themselves, the user
/// agents that it remembers, and the stored rows that a partition at a time is merged with.
const FIXED: u64 = 160 << 20;
/// Which part of the rest a batch is: as much again and more goes into its tables.
const BATCH: u64 = 5;
/// Which part of the rest the parsed blocks are that wait for the next batch.
const AHEAD: u64 = 4;
/// The most bytes of a batch, and of what waits for the next, whatever the budget is: a column of a batch is
/// one page of Parquet, of at most 2 GiB.
const LARGEST_BATCH: u64 = 1 << 30;
/// Of how many bytes of a batch one is the share of a line without an id that is held for its ordinal:
/// with their table, they take about an eighth of what the batch takes.
const BYTES_A_LINE_HELD: usize = 512;

/// What an ingest is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files, folders, globs, `-`.
    pub inputs: Vec<String>,
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

/// Is told how an ingest gets on.
pub trait Progress: Sync {
    /// The bytes to be read in all, as far as known.
    fn total(&self, bytes: u64);
    /// So many more bytes were taken in, or passed over.
    fn advance(&self, bytes: u64);
    /// This file is being read.
    fn file(&self, name: &str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn total(&self, _: u64) {}
    fn advance(&self, _: u64) {}
    fn file(&self, _: &str) {}
}

/// What an ingest came to.
#[derive(Debug, Default)]
pub struct Report {
    /// What became of every event.
    pub account: Account,
    /// Inputs that could not be found or read to their end.
    pub problems: Vec<Error>,
    /// Whether anything was committed; not, where more lines were refused than allowed.
    pub committed: bool,
    /// Days that lines were left out of since retention has taken them: chatbot and UTC date.
    pub pruned_days: Vec<(String, crate::time::Day)>,
    /// Where the time went.
    pub stages: Stages,
    /// Why it ended early, where it did: what was committed before stays.
    pub failure: Option<Error>,
}

/// Takes in the inputs.
///
/// # Errors
/// Where the store cannot be used at all. What fails later stands in the report, beside the account
/// of what was committed.
pub fn run(store: &Store, settings: &Settings, options: &Options, progress: &dyn Progress) -> Result<Report> {
    let context = Context::new(settings.geoip.as_deref())?;
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let writer = store.writer("wa ingest", options.lock_timeout, first)?;
    // Under the lock, and also where an earlier first ingest was interrupted.
    crate::config::write_default(&**store.disk(), store.dir())?;
    run_in(writer, settings, options, &context, progress)
}

/// Takes in the inputs with a writer that is open already.
pub fn run_in(
    writer: Writer,
    settings: &Settings,
    options: &Options,
    context: &Context,
    progress: &dyn Progress,
) -> Result<Report> {
    check_settings(writer.manifest(), settings)?;
    let key = key::load_or_create(writer.store(), options.key_file.as_deref())?;
    if writer.manifest().key_check.as_ref().is_some_and(|check| *check != key.check()) {
        return Err(Error::failed("the secret key is not the one that this store was made with")
            .hint("put the store's key file back, or name the right one with WA_KEY_FILE"));
    }
    let snapshot = writer.snapshot()?;
    let ledger = match &snapshot.manifest().ledger {
        Some(file) => Ledger::from_bytes(&snapshot.bytes_checked(&file.path, &file.checksum)?)?,
        None => Ledger::default(),
    };
    let known = match &snapshot.manifest().sources {
        Some(file) => KnownFiles::from_bytes(&snapshot.bytes_checked(&file.path, &file.checksum)?)?,
        None => KnownFiles::default(),
    };
    let found = source::find(&options.inputs, writer.store().dir());
    let parse_options = ParseOptions {
        chatbot: options.chatbot.clone(),
        now: options.clock.now,
        ip: settings.ip,
        visitor_key: *key.bytes(),
    };
    let for_batches = settings.memory.saturating_sub(FIXED);
    let inputs = feed::Inputs {
        files: found.files,
        known: if options.force { KnownFiles::default() } else { known.clone() },
        fingerprint: fingerprint(settings, options),
        ahead: feed::ahead((for_batches / AHEAD).min(LARGEST_BATCH) as usize),
    };
    crate::memory::set_budget(settings.memory);
    let share = (for_batches / BATCH).min(LARGEST_BATCH) as usize;
    let batch_bytes = options.batch_bytes.unwrap_or(share);
    let scratch = writer.scratch();
    let mut ingest = Ingest {
        transaction: Some(writer.begin()),
        writer,
        options,
        settings,
        gate: Gate::new(&ledger, &key),
        ledger,
        known,
        key_check: key.check(),
        fingerprint: inputs.fingerprint.clone(),
        batch: Batch::default(),
        files: BTreeMap::new(),
        notes: Vec::new(),
        report: Report { problems: found.problems, committed: true, ..Report::default() },
        batch_bytes,
        ordinals: (0, Ordinals::with_room_for(batch_bytes / BYTES_A_LINE_HELD)),
        scratch,
        rejects: rejects::Known::default(),
        changed: false,
    };
    progress.total(inputs.bytes());
    let (sender, receiver) = sync_channel(inputs.ahead);
    let outcome = std::thread::scope(|scope| {
        let taken = feed::start(scope, &inputs, &parse_options, context, sender);
        // The receivers are dropped when this returns, so that the threads stop where it fails.
        ingest.take_all(receiver, taken, progress)
    });
    match outcome.and_then(|()| ingest.commit_rest()) {
        Ok(()) => Ok(ingest.finish()),
        Err(error) => {
            ingest.report.failure = Some(error);
            ingest.report.committed = ingest.writer.manifest().generation > 0;
            Ok(ingest.into_report())
        }
    }
}

/// Refuses settings by which the store was not made: the sessions would be cut or dated two ways.
pub fn check_settings(manifest: &Manifest, settings: &Settings) -> Result<()> {
    let differs = |what: &str, theirs: String, ours: String| {
        Error::new(
            Kind::Usage,
            format!("the store was made with {what} {theirs}, and the settings say {ours}"),
        )
        .hint("run `wa rebuild` to make sessions and daily statistics again, or change wa.toml back")
    };
    if manifest.timezone != settings.timezone.name() {
        return Err(differs("the time zone", manifest.timezone.clone(), settings.timezone.name().to_owned()));
    }
    if manifest.session_timeout_us != settings.session_timeout {
        let show = crate::config::quantity::show_duration;
        return Err(differs(
            "the session timeout",
            show(manifest.session_timeout_us),
            show(settings.session_timeout),
        ));
    }
    Ok(())
}

/// Returns a fingerprint of what decides, beside the lines, about what is stored.
fn fingerprint(settings: &Settings, options: &Options) -> String {
    let text = format!("{:?} {:?} {:?}", options.chatbot, settings.ip, settings.geoip);
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}

/// Blocks on their way into the store.
#[derive(Default)]
struct Batch {
    /// Parsed blocks, each with the number of its file.
    blocks: Vec<(usize, Parsed)>,
    bytes: usize,
}

/// What is known of a file while it is read.
#[derive(Default)]
struct FileState {
    name: String,
    /// What became of its events, as far as that is committed.
    counts: Counts,
    /// What will have become of those of the change under way.
    pending: Counts,
    own_ids: bool,
    future: bool,
    outcome: Outcome,
    /// The open file and how far it is read, while it is being read.
    handle: Option<File>,
    reached: Option<Reached>,
}

struct Ingest<'a> {
    writer: Writer,
    /// The change under way; `None` only while it is being committed.
    transaction: Option<Transaction>,
    options: &'a Options,
    settings: &'a Settings,
    ledger: Ledger,
    gate: Option<Gate>,
    known: KnownFiles,
    key_check: String,
    fingerprint: String,
    batch: Batch,
    files: BTreeMap<usize, FileState>,
    /// What is to be noted of files with the next commit.
    notes: Vec<(usize, KnownFile)>,
    report: Report,
    batch_bytes: usize,
    /// Counts the identical lines of one file, that with this number.
    ordinals: (usize, Ordinals),
    scratch: Scratch,
    /// What is known of the refused lines that are kept.
    rejects: rejects::Known,
    /// Something is to be committed.
    changed: bool,
}

impl Ingest<'_> {
    fn atomic(&self) -> bool {
        self.options.atomic || self.options.max_rejects.is_some()
    }

    /// Takes in what comes, in order, committing batch by batch.
    fn take_all(
        &mut self,
        receiver: Receiver<(u64, Message)>,
        taken: Receiver<()>,
        progress: &dyn Progress,
    ) -> Result<()> {
        let mut waiting: BTreeMap<u64, Message> = BTreeMap::new();
        let mut next = 0;
        for (number, message) in receiver {
            waiting.insert(number, message);
            while let Some(message) = waiting.remove(&next) {
                next += 1;
                self.report.stages.book(Stage::Wait);
                if matches!(message, Message::Block { .. }) {
                    // Its permit was there before it was.
                    let _ = taken.try_recv();
                }
                self.take(message, progress)?;
                self.report.stages.book(Stage::Gather);
            }
        }
        self.flush()
    }

    fn take(&mut self, message: Message, progress: &dyn Progress) -> Result<()> {
        match message {
            Message::Begin { file, name, outcome, handle } => {
                progress.file(&name);
                self.files
                    .insert(file, FileState { name, outcome, handle, own_ids: true, ..FileState::default() });
            }
            Message::Block { file, parsed, bytes, reached } => {
                if let Some(state) = self.files.get_mut(&file) {
                    state.own_ids &= parsed.own_ids;
                    state.reached = Some(reached);
                }
                // What they take, not what they use: a block of short lines is mostly room.
                self.batch.bytes += parsed.block.texts.capacity()
                    + parsed.block.rows.capacity() * std::mem::size_of::<Row>()
                    + parsed.session_keys * BYTES_A_SESSION
                    + parsed.refused.iter().map(weight).sum::<usize>();
                self.batch.blocks.push((file, *parsed));
                progress.advance(bytes);
                if self.batch.bytes >= self.batch_bytes {
                    self.flush()?;
                }
            }
            Message::End { file, end } => self.end(file, end),
        }
        Ok(())
    }

    fn end(&mut self, file: usize, end: End) {
        let Some(state) = self.files.get_mut(&file) else { return };
        state.handle = None;
        if let Some(error) = end.error {
            state.outcome = match &end.note {
                None if state.counts == Counts::default() && end.nothing_read => {
                    Outcome::Unreadable { error: error.to_string() }
                }
                _ => Outcome::Damaged { error: error.to_string() },
            };
            self.report.problems.push(error);
        } else if let Some(note) = end.note {
            self.notes.push((file, note));
        }
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
        if self.changed || !self.notes.is_empty() {
            self.commit(transaction)?;
            self.transaction = Some(self.writer.begin());
        } else {
            self.settle();
            self.transaction = Some(transaction);
        }
        crate::memory::give_back();
        Ok(())
    }

    /// Gives the events that have none their ids.
    fn identify(&mut self, batch: &mut Batch) -> Result<()> {
        let (counted, ordinals) = &mut self.ordinals;
        for blocks in batch.blocks.chunk_by_mut(|a, b| a.0 == b.0) {
            let Some(&(file, _)) = blocks.first() else { continue };
            if std::mem::replace(counted, file) != file {
                ordinals.end(&self.scratch);
            }
            let rows = blocks.iter_mut().flat_map(|(_, parsed)| &mut parsed.block.rows);
            ordinals.assign(rows, &self.scratch)?;
        }
        Ok(())
    }

    fn put(&mut self, transaction: &mut Transaction, batch: Batch) -> Result<()> {
        let mut events: Vec<Event<'_>> =
            Vec::with_capacity(batch.blocks.iter().map(|(_, parsed)| parsed.block.rows.len()).sum());
        for (_, parsed) in &batch.blocks {
            events.extend(parsed.block.rows.iter().map(|row| parsed.block.event(row)));
        }
        let rules = Rules {
            zone: self.settings.timezone,
            timeout: self.settings.session_timeout,
            ledger: &self.ledger,
            gate: self.gate.as_ref(),
            now: self.options.clock.now,
        };
        self.report.stages.book(Stage::Gather);
        let outcome = batch::put(transaction, &events, rules, &mut self.report.stages)?;
        self.changed |= outcome.fates.contains(&Fate::Stored);
        let mut rejects = Vec::new();
        let mut fates = outcome.fates.iter();
        for (file, parsed) in &batch.blocks {
            let fates = parsed.block.rows.iter().zip(fates.by_ref());
            let Some(state) = self.files.get_mut(file) else { continue };
            let counts = &mut state.pending;
            for (row, fate) in fates {
                match fate {
                    Fate::Stored => counts.stored += 1,
                    Fate::Duplicate => counts.duplicate += 1,
                    Fate::Forgotten => counts.forgotten += 1,
                    Fate::AlreadyPruned => {
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
            for refused in &parsed.refused {
                if self.gate.as_ref().is_some_and(|gate| gate.shuts_out_refused(refused, &parsed.block)) {
                    counts.forgotten += 1;
                    continue;
                }
                counts.refuse(refused.reason, 1);
                state.future |= refused.reason == super::Reason::FutureTimestamp;
                rejects.push(reject(&state.name, refused, self.options.clock));
            }
        }
        // A clash is a fault of the log as a whole; the last file of the batch is as good as any.
        if let (Some(state), 1..) =
            (batch.blocks.last().and_then(|(file, _)| self.files.get_mut(file)), outcome.clashes)
        {
            state.pending.warnings.add_many(Warning::IdNamesDifferentEvents, outcome.clashes);
        }
        self.report.pruned_days.sort();
        self.report.pruned_days.dedup();
        let snapshot = transaction.snapshot()?;
        let now = self.options.clock.now;
        self.changed |= rejects::add(&snapshot, transaction, rejects, &mut self.rejects, now)? > 0;
        self.report.stages.book(Stage::Rejects);
        Ok(())
    }

    fn commit(&mut self, mut transaction: Transaction) -> Result<()> {
        let now = self.options.clock.now;
        for (file, mut note) in std::mem::take(&mut self.notes) {
            if let Some(state) = self.files.get(&file) {
                note.own_ids &= state.own_ids;
                note.future = state.future;
            }
            note.read_at = now;
            self.known.note(note);
        }
        for state in self.files.values() {
            // A file in the middle of which a batch ends: the next ingest goes on there, should
            // this one be interrupted.
            if let (Some(handle), Some(reached @ Reached { plain: true, .. })) =
                (&state.handle, state.reached)
                && let Ok(Some(note)) = feed::known_file(&state.name, handle, reached, &self.fingerprint)
            {
                let (own_ids, future) = (state.own_ids, state.future);
                self.known.note(KnownFile { own_ids, future, read_at: now, ..note });
            }
        }
        let bytes = self.known.to_bytes()?;
        let name = format!("sources-{}.json", uuid::Uuid::new_v4().simple());
        let file = transaction.add_side(STATE, &name, &bytes, self.known.len() as u64, now)?;
        if let Some(old) = transaction.manifest().sources.replace(file) {
            transaction.remove_side(&old.path);
        }
        let mut total = Counts::default();
        self.files.values().for_each(|state| {
            total.merge(&state.counts);
            total.merge(&state.pending);
        });
        let figures = [
            ("read", total.read),
            ("stored", total.stored),
            ("duplicate", total.duplicate),
            ("refused", total.refused_total()),
        ];
        let manifest = transaction.manifest();
        manifest.key_check = Some(self.key_check.clone());
        manifest.last_ingest = Some(LastRun {
            at: now,
            figures: figures.into_iter().map(|(name, n)| (name.to_owned(), n)).collect(),
        });
        self.writer.commit(transaction, now)?;
        self.settle();
        self.report.stages.book(Stage::Commit);
        self.changed = false;
        Ok(())
    }

    /// Counts what was pending: it is committed, or nothing of it is to be.
    fn settle(&mut self) {
        for state in self.files.values_mut() {
            let pending = std::mem::take(&mut state.pending);
            state.counts.merge(&pending);
        }
    }

    /// Commits what is left, unless too many lines were refused.
    fn commit_rest(&mut self) -> Result<()> {
        let refused = |state: &FileState| state.counts.refused_total() + state.pending.refused_total();
        let refused: u64 = self.files.values().map(refused).sum();
        if self.options.max_rejects.is_some_and(|most| refused > most) {
            self.report.committed = false;
            drop(self.transaction.take());
        } else if let Some(transaction) = self.transaction.take()
            && (self.changed || !self.notes.is_empty())
        {
            self.commit(transaction)?;
        }
        // Where nothing had to be committed, or nothing is to be, it counts what was found.
        self.settle();
        Ok(())
    }

    fn finish(self) -> Report {
        let Ingest { writer, files, mut report, .. } = self;
        report.failure = writer.finish().err();
        report.account = account(files);
        report
    }

    fn into_report(mut self) -> Report {
        self.report.account = account(std::mem::take(&mut self.files));
        self.report
    }
}

fn account(files: BTreeMap<usize, FileState>) -> Account {
    let mut account = Account::default();
    for state in files.into_values() {
        account.add(FileAccount { file: state.name, outcome: state.outcome, counts: state.counts });
    }
    account
}

/// What a session and its visitor take while a batch is put in: their places in the tables by which they are
/// found and sorted, the entry of the first-seen index, and the stored row that new events may join.
const BYTES_A_SESSION: usize = 1024;

/// Returns about how much memory a refused line takes, once as it is here and once as it is to be
/// written: hundreds of bytes, were it a line of two.
fn weight(refused: &super::Refused) -> usize {
    std::mem::size_of::<super::Refused>()
        + std::mem::size_of::<Reject>()
        + 160
        + 2 * refused.keyed_hash.len()
        + 2 * refused.raw.as_bytes().len()
}

fn reject(file: &str, refused: &super::Refused, clock: Clock) -> Reject {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    Reject {
        file: file.to_owned(),
        line: refused.line,
        index: refused.index,
        reason: refused.reason.name().to_owned(),
        length: refused.length,
        sha256: hex(&refused.sha256),
        keyed_hash: Some(refused.keyed_hash.clone()),
        refused_at: format_utc(clock.now),
        raw: None,
        raw_base64: None,
    }
    .with_raw(refused.raw.as_bytes())
}
