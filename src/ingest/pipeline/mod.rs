//! The pipeline of an ingest: runs the stages on several threads and commits the result.
//!
//! - One thread reads the files and queues blocks of lines, and the parsing threads convert blocks
//!   to chunks of events ([`read_ahead`]).
//! - The calling thread receives the chunks in order ([`run`](mod@run)), and writes and commits
//!   each full batch ([`flush`]).
//! - Batches that span many days or overlap earlier batches are kept in temporary files and written
//!   in time order ([`scatter`]).
//!
//! The next batch is read and parsed while one is being written. At any time, one batch and as much
//! of the next as [`backpressure`] admits are in memory, regardless of the size of the input.

mod backpressure;
mod batch_times;
mod file_progress;
mod flush;
mod options;
mod read_ahead;
mod report;
pub(crate) mod retry;
mod retry_files;
mod run;
mod scatter;

use std::sync::Arc;
use std::sync::mpsc::channel;

use super::batch::line_ids::Ordinals;
use super::batch::stats_update::StatsUpdate;
use super::batch::stored_ids::StoredIds;
use super::batch::suppression::Suppression;
use super::explanation::{RejectSamples, explain};
use super::input::discovery::{FoundInputs, find_inputs};
use super::input::records::formats::Formats;
use super::input::source_registry::{ReadRules, SourceRegistry};
use super::input::sources::Sources;
use super::map::{SharedMap, presets};
use super::parse::ParseOptions;
use crate::config::ResolvedConfig;
use crate::enrich::Enricher;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::store::key::SecretKey;
use crate::store::ledger::Ledger;
use crate::store::manifest::Manifest;
use crate::store::rejects;
use crate::store::{Store, Writer, key};
use crate::time::Zone;
use backpressure::Backpressure;
use file_progress::FileProgress;
use read_ahead::IngestInputs;
use run::{Batch, IngestRun};
use scatter::Scatter;

pub use options::{BATCHES_PER_COMMIT, IngestOptions};
pub use report::{IngestReport, RejectedLineRef};

/// Memory of an ingest in addition to its batches, in bytes: the program, its threads, cached user
/// agents, and the stored rows that are merged, one partition at a time.
const BASE_MEMORY: u64 = 160 << 20;
/// Divisor of the remaining memory that gives the size of a batch. Encoding the tables of a batch
/// takes more than that size in addition.
const BATCH_PART: u64 = 5;
/// Divisor of the remaining memory for the chunks that wait for the next batch.
const BACKPRESSURE_PART: u64 = 7;
/// Divisor of the remaining memory for the ids of stored events that are cached in memory.
const STORED_IDS_PART: u64 = 16;
/// The largest batch and the largest backpressure limit, in bytes. Larger ones save no time, and an
/// interrupted ingest would lose more work.
const MAX_BATCH: u64 = 1 << 30;
/// Batch bytes per retained line hash. The hashes take about an eighth of the memory of a batch.
const BATCH_BYTES_PER_LINE_HASH: usize = 512;

/// Ingests the inputs into a store. A store that does not exist is created with the settings of
/// `config`, flags included.
///
/// # Errors
/// Fails before anything is read if the settings are invalid or the store cannot be opened. Later
/// errors are in [`IngestReport::failure`], next to the summary of the committed batches.
pub fn run(
    store: &Store,
    config: &ResolvedConfig,
    options: &IngestOptions,
    progress: &dyn Progress,
) -> Result<IngestReport> {
    let settings = &config.settings;
    let enricher = Enricher::new(settings.geoip.as_deref())?;
    let found = find_inputs(&options.inputs, store.dir());
    if found.files.is_empty() && !(found.problems.is_empty() && found.unread.folders_without_logs.is_empty())
    {
        // A mistyped path must not create a store.
        let (problems, unread) = (found.problems, found.unread);
        return Ok(IngestReport { problems, unread, ..IngestReport::default() });
    }
    crate::config::check_file(store)?;
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let writer = store.writer("wa ingest", options.lock_timeout, first)?;
    // The lock is held here. An earlier first ingest may have been interrupted before this step, so
    // every ingest repeats it.
    if let Err(error) = crate::config::write(&**store.file_system(), store.dir(), config) {
        writer.abandon();
        return Err(error);
    }
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
    let (writer, (key, ledger, registry)) = load_state(writer, settings, options)?;
    let parse_options = parse_options(settings, options, &key);
    let (chatbot, zone, map) = (options.chatbot.as_deref(), options.timezone, options.map.as_ref());
    let inputs = IngestInputs {
        files: found.files,
        sources: Sources {
            registry: registry.clone(),
            force: options.force,
            rules: read_rules(settings, chatbot, zone, map),
            began_at: writer.locked_at().unwrap_or(options.clock.now),
        },
        formats: Formats {
            given: options.map.clone(),
            candidates: Arc::new(presets::candidates()),
            timezone: options.timezone,
        },
    };
    let options_hash = inputs.sources.rules.options.clone();
    let mut run = new_run(writer, settings, options, progress, (&key, ledger, registry), options_hash);
    (run.report.problems, run.report.unread) = (found.problems, found.unread);
    progress.set_total(inputs.bytes());
    let memory = settings.memory.saturating_sub(BASE_MEMORY);
    let backpressure = Backpressure::new((memory / BACKPRESSURE_PART).min(MAX_BATCH) as usize);
    let (sender, receiver) = channel();
    let outcome = std::thread::scope(|scope| {
        // Stops the other threads if this thread fails.
        let _close = backpressure.close_on_drop();
        read_ahead::start(scope, &inputs, &parse_options, enricher, &backpressure, sender)?;
        run.receive_all(receiver, &backpressure)
    });
    match outcome.and_then(|()| run.commit_rest()) {
        Ok(()) => {
            run.report.explanation =
                explain(&run.files.total(), &run.reject_samples, &parse_options, enricher);
            Ok(run.finish())
        }
        Err(error) => {
            run.report.failure = Some(error);
            run.report.committed = run.committed;
            Ok(run.into_report())
        }
    }
}

/// Parts of the memory budget, in bytes.
pub(crate) struct MemoryShares {
    /// The size of a batch.
    pub batch: usize,
    /// The ids of stored events that are cached in memory.
    pub stored_ids: usize,
}

/// Divides the memory budget of a command that writes batches.
pub(crate) fn memory_shares(budget: u64) -> MemoryShares {
    let memory = budget.saturating_sub(BASE_MEMORY);
    MemoryShares {
        batch: (memory / BATCH_PART).min(MAX_BATCH) as usize,
        stored_ids: (memory / STORED_IDS_PART) as usize,
    }
}

/// Creates the state of an ingest that has not read anything.
fn new_run<'a>(
    writer: Writer,
    settings: &'a Settings,
    options: &'a IngestOptions,
    progress: &'a dyn Progress,
    (key, ledger, registry): (&SecretKey, Ledger, SourceRegistry),
    options_hash: String,
) -> IngestRun<'a> {
    crate::allocator::set_budget(settings.memory);
    let shares = memory_shares(settings.memory);
    let batch_bytes = options.batch_bytes.unwrap_or(shares.batch);
    let temp_files = writer.temp_files();
    IngestRun {
        transaction: Some(writer.begin()),
        writer,
        options,
        settings,
        progress,
        suppression: Suppression::new(&ledger, key),
        ledger,
        registry,
        key_fingerprint: key.fingerprint(),
        options_hash,
        batch: Batch::default(),
        files: FileProgress::default(),
        report: IngestReport { committed: true, ..IngestReport::default() },
        reject_samples: RejectSamples::default(),
        batch_bytes,
        ordinals: (0, Ordinals::with_capacity(batch_bytes / BATCH_BYTES_PER_LINE_HASH)),
        has_interleaved_files: false,
        rejects: rejects::RejectIndex::new(temp_files.clone()),
        scatter: Scatter::new(temp_files.clone()),
        stored_ids: StoredIds::new(shares.stored_ids, temp_files.clone()),
        temp_files,
        stats_update: StatsUpdate::default(),
        changed: false,
        uncommitted: run::Uncommitted::default(),
        committed: false,
    }
}

/// The key, the ledger and the source registry of a store.
type StoreState = (SecretKey, Ledger, SourceRegistry);

/// Checks the settings, and reads the state of the store. On an error, abandons the writer.
fn load_state(writer: Writer, settings: &Settings, options: &IngestOptions) -> Result<(Writer, StoreState)> {
    match read_state(&writer, settings, options) {
        Ok(state) => Ok((writer, state)),
        Err(error) => {
            writer.abandon();
            Err(error)
        }
    }
}

fn read_state(writer: &Writer, settings: &Settings, options: &IngestOptions) -> Result<StoreState> {
    check_settings(writer.manifest(), settings)?;
    let key = key::load_or_create(writer.store(), writer.manifest(), options.key_file.as_deref())?;
    let snapshot = writer.snapshot()?;
    Ok((key, Ledger::load(&snapshot)?, SourceRegistry::load(&snapshot)?))
}

/// Returns the options with which the lines of an ingest are parsed.
fn parse_options(settings: &Settings, options: &IngestOptions, key: &SecretKey) -> ParseOptions {
    ParseOptions {
        chatbot: options.chatbot.clone(),
        now: options.clock.now,
        ip: settings.ip,
        visitor_key: *key.bytes(),
        timezone: options.timezone,
    }
}

/// Checks that the settings agree with the settings of a store that has data, because time zone and
/// session timeout determine its days and sessions. An empty store accepts any settings.
///
/// # Errors
/// Fails with [`ErrorKind::Usage`] if they differ.
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

/// Version of the rules by which lines are read. Increase it when lines that were rejected become
/// valid, so that ingested files are read again.
const READING_RULES: u32 = 4;

/// Returns the rules that decide whether an ingested file would be read in the same way again.
pub(crate) fn read_rules(
    settings: &Settings,
    chatbot: Option<&str>,
    timezone: Option<Zone>,
    map: Option<&SharedMap>,
) -> ReadRules {
    // The time zone decides whether an event belongs to a pruned day.
    let zone = settings.timezone.name();
    let mut text = format!("{chatbot:?} {:?} {:?} {zone} {READING_RULES}", settings.ip, settings.geoip);
    if let Some(zone) = timezone {
        text.push_str(&format!(" local {}", zone.name()));
    }
    ReadRules {
        options: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes())),
        given: map.map(|map| map.sha256.clone()),
        candidates: presets::all().iter().map(|map| map.sha256.clone()).collect(),
    }
}
