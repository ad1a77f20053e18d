//! The pipeline of an ingest: runs the stages on several threads and commits the result.
//!
//! - One thread reads the files ([`file_reader`]) and queues blocks of lines.
//! - The parsing threads ([`read_ahead`]) turn blocks into chunks of events.
//! - The calling thread receives the chunks in order ([`run`](mod@run)) and writes and commits each
//!   full batch ([`flush`]).
//!
//! The next batch is read and parsed while one is being written. Memory holds one batch and as much
//! of the next as [`backpressure`] admits, regardless of the size of the input.

mod backpressure;
mod file_progress;
mod file_reader;
mod flush;
mod messages;
mod options;
mod read_ahead;
mod report;
mod run;

use std::sync::mpsc::channel;

use super::batch::line_ids::Ordinals;
use super::batch::stored_ids::StoredIds;
use super::batch::suppression::Suppression;
use super::input::discovery::{FoundInputs, find_inputs};
use super::input::source_registry::SourceRegistry;
use super::parse::ParseOptions;
use crate::enrich::Enricher;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::store::ledger::Ledger;
use crate::store::manifest::Manifest;
use crate::store::rejects;
use crate::store::{Store, Writer, key};
use backpressure::Backpressure;
use file_progress::FileProgress;
use file_reader::IngestInputs;
use run::{Batch, IngestRun};

pub use options::IngestOptions;
pub use report::{IngestReport, RejectedLineRef};

/// Memory, in bytes, that an ingest takes apart from its batches: the program, its threads, cached
/// user agents, and the stored rows that one partition at a time is merged with.
const BASE_MEMORY: u64 = 160 << 20;
/// A batch takes this part of the rest. Its tables take as much again, and more.
const BATCH_PART: u64 = 5;
/// The chunks that wait for the next batch take this part of the rest.
const BACKPRESSURE_PART: u64 = 7;
/// The cached ids of stored events take this part of the rest.
const STORED_IDS_PART: u64 = 16;
/// The largest batch, in bytes, and the largest backpressure limit. Larger ones save no time, and
/// an interrupted ingest would lose more work.
const MAX_BATCH: u64 = 1 << 30;
/// Batch bytes per retained line hash. The hashes take about an eighth of the memory of a batch.
const BATCH_BYTES_PER_LINE_HASH: usize = 512;

/// Ingests the inputs into a store, which is created if it does not exist.
///
/// # Errors
/// An error that occurs before anything is read: invalid settings, or a store that cannot be
/// opened. Later errors are in [`IngestReport::failure`], next to the summary of the committed
/// batches.
pub fn run(
    store: &Store,
    settings: &Settings,
    options: &IngestOptions,
    progress: &dyn Progress,
) -> Result<IngestReport> {
    let enricher = Enricher::new(settings.geoip.as_deref())?;
    let found = find_inputs(&options.inputs, store.dir());
    if found.files.is_empty() && !(found.problems.is_empty() && found.folders_without_logs.is_empty()) {
        // A mistyped path must not create a store.
        let (problems, folders_without_logs) = (found.problems, found.folders_without_logs);
        return Ok(IngestReport { problems, folders_without_logs, ..IngestReport::default() });
    }
    crate::config::check_file(store)?;
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let writer = store.writer("wa ingest", options.lock_timeout, first)?;
    // Under the lock; also repeats the step if an earlier first ingest was interrupted.
    crate::config::write_default(&**store.file_system(), store.dir())?;
    ingest(writer, found, settings, options, &enricher, progress)
}

/// Ingests the inputs with a writer that is already open.
///
/// # Errors
/// See [`run()`].
pub fn run_with_writer(
    writer: Writer,
    settings: &Settings,
    options: &IngestOptions,
    enricher: &Enricher,
    progress: &dyn Progress,
) -> Result<IngestReport> {
    let found = find_inputs(&options.inputs, writer.store().dir());
    ingest(writer, found, settings, options, enricher, progress)
}

fn ingest(
    writer: Writer,
    found: FoundInputs,
    settings: &Settings,
    options: &IngestOptions,
    enricher: &Enricher,
    progress: &dyn Progress,
) -> Result<IngestReport> {
    check_settings(writer.manifest(), settings)?;
    let key = key::load_or_create(writer.store(), writer.manifest(), options.key_file.as_deref())?;
    let snapshot = writer.snapshot()?;
    let ledger = Ledger::load(&snapshot)?;
    let registry = match &snapshot.manifest().sources {
        Some(file) => SourceRegistry::from_bytes(&snapshot.read_checked(&file.path, &file.checksum)?)?,
        None => SourceRegistry::default(),
    };
    let parse_options = ParseOptions {
        chatbot: options.chatbot.clone(),
        now: options.clock.now,
        ip: settings.ip,
        visitor_key: *key.bytes(),
    };
    let inputs = IngestInputs {
        files: found.files,
        registry: registry.clone(),
        force: options.force,
        options_hash: options_hash(settings, options),
    };
    crate::allocator::set_budget(settings.memory);
    let memory = settings.memory.saturating_sub(BASE_MEMORY);
    let batch_bytes = options.batch_bytes.unwrap_or((memory / BATCH_PART).min(MAX_BATCH) as usize);
    let temp_files = writer.temp_files();
    let mut run = IngestRun {
        transaction: Some(writer.begin()),
        writer,
        options,
        settings,
        suppression: Suppression::new(&ledger, &key),
        ledger,
        registry,
        key_fingerprint: key.fingerprint(),
        options_hash: inputs.options_hash.clone(),
        batch: Batch::default(),
        files: FileProgress::default(),
        report: IngestReport {
            problems: found.problems,
            folders_without_logs: found.folders_without_logs,
            committed: true,
            ..IngestReport::default()
        },
        batch_bytes,
        ordinals: (0, Ordinals::with_capacity(batch_bytes / BATCH_BYTES_PER_LINE_HASH)),
        rejects: rejects::RejectIndex::new(temp_files.clone()),
        temp_files,
        stored_ids: StoredIds::with_capacity((memory / STORED_IDS_PART) as usize),
        changed: false,
        committed: false,
    };
    progress.set_total(inputs.bytes());
    let backpressure = Backpressure::new((memory / BACKPRESSURE_PART).min(MAX_BATCH) as usize);
    let (sender, receiver) = channel();
    let outcome = std::thread::scope(|scope| {
        // Stops the other threads if this one fails.
        let _close = backpressure.close_on_drop();
        read_ahead::start(scope, &inputs, &parse_options, enricher, &backpressure, sender);
        run.receive_all(receiver, &backpressure, progress)
    });
    match outcome.and_then(|()| run.commit_rest()) {
        Ok(()) => Ok(run.finish()),
        Err(error) => {
            run.report.failure = Some(error);
            run.report.committed = run.committed;
            Ok(run.into_report())
        }
    }
}

/// Checks that the settings agree with those of a store that has data: the time zone and the
/// session timeout decide its days and sessions. An empty store accepts any.
///
/// # Errors
/// [`ErrorKind::Usage`] if they differ.
pub fn check_settings(manifest: &Manifest, settings: &Settings) -> Result<()> {
    if manifest.is_empty() {
        return Ok(());
    }
    let differs = |name: &str, stored: String, current: String| {
        let message =
            format!("the store was created with the {name} {stored}, but the settings say {current}");
        Error::new(ErrorKind::Usage, message)
            .hint("run `wa rebuild` to recompute sessions and daily statistics, or change wa.toml back")
    };
    if manifest.timezone != settings.timezone.name() {
        return Err(differs("time zone", manifest.timezone.clone(), settings.timezone.name().to_owned()));
    }
    if manifest.session_timeout_us != settings.session_timeout {
        let show = crate::config::quantity::format_duration;
        let (stored, current) = (show(manifest.session_timeout_us), show(settings.session_timeout));
        return Err(differs("session timeout", stored, current));
    }
    Ok(())
}

/// Returns a hash of the options and settings on which the stored events depend.
fn options_hash(settings: &Settings, options: &IngestOptions) -> String {
    // The time zone decides which events belong to a pruned day.
    let zone = settings.timezone.name();
    let text = format!("{:?} {:?} {:?} {zone}", options.chatbot, settings.ip, settings.geoip);
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}
