//! `wa merge`: adds whole stores to a store, in one commit.
//!
//! The result equals that of one ingest of all logs. Each source is read from one snapshot, without
//! a lock, and is not changed:
//!
//! 1. [`source`] opens the sources and checks that they can be merged.
//! 2. [`forgotten`] erases people from the target whom a source has forgotten.
//! 3. [`import`] passes the events of a source through the stages of an ingest: suppression,
//!    deduplication, sessions, first-seen times.
//! 4. [`pruned_sessions`], [`visitors`] and [`pruned_days`] add rows whose events the source has
//!    pruned.
//! 5. [`rejects`] adds rejected lines. The source registries are merged as well.
//!
//! One batch of events is in memory, regardless of the size of the stores. If a writer replaces a
//! file of a source before it is read, the merge starts over with the new state.

mod forgotten;
mod import;
mod pruned_days;
mod pruned_sessions;
mod rejects;
mod report;
mod run;
mod source;
mod visitors;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{self, ResolvedConfig};
use crate::error::{Error, Result};
use crate::ingest::pipeline::check_settings;
use crate::ingest::scratch_store::ScratchStore;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::store::manifest::Manifest;
use crate::store::temp_files::TempFiles;
use crate::store::transaction::Transaction;
use crate::store::{Completed, Store, Writer};
use crate::time::Clock;
use run::MergeRun;
use source::SourceState;

pub use report::{ErasedRows, MergeReport, MergedEvents, MergedRejects, MergedSessions, MergedSource};
pub use source::MergeSource;

/// Maximum number of attempts if writers change the sources.
const MAX_ATTEMPTS: usize = 10;

/// Options of a merge.
#[derive(Clone, Debug)]
pub struct MergeOptions {
    /// The clock.
    pub clock: Clock,
    /// Report the rows to add, and change nothing.
    pub dry_run: bool,
    /// How long to wait for another writer of the target.
    pub lock_timeout: Duration,
    /// The size of a batch in memory, in bytes; `None` for a share of the memory budget.
    pub batch_bytes: Option<usize>,
}

/// Adds the sources to a store. A target without data and settings adopts the settings and the key
/// of the first source.
///
/// # Errors
/// Fails with [`ErrorKind::Usage`](crate::ErrorKind::Usage) if a store is named twice, or if the
/// stores differ in key, time zone, timeout or IP policy. Fails if a source does not exist or is
/// damaged. Nothing is changed in either case.
pub fn merge(
    target: &Store,
    config: &ResolvedConfig,
    sources: &[MergeSource],
    options: &MergeOptions,
    progress: &dyn Progress,
) -> Result<Completed<MergeReport>> {
    source::check_distinct(target, sources)?;
    // A mistyped path must not create the target.
    let states = source::read_all(sources)?;
    std::iter::once(target)
        .chain(sources.iter().map(|source| &source.store))
        .try_for_each(config::check_file)?;
    let stored = if target.exists() { Some(target.snapshot()?) } else { None };
    let has_data = stored.as_ref().is_some_and(|stored| !stored.manifest().is_empty());
    let first = sources.first().filter(|_| !has_data && !config::has_file(target.dir()));
    let settings = match first {
        Some(first) => first.settings_of_target(&config.settings),
        None => config.settings.clone(),
    };
    let initial = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    // Check everything that can be checked before the target is created.
    let manifest = stored.map_or_else(initial, |stored| stored.manifest().clone());
    check_settings(&manifest, &settings)?;
    source::check(target, &manifest, &settings, &states)?;
    source::find_key(target, &manifest, &settings, &states)?;
    drop(states);
    if options.dry_run {
        let report = dry_run(target, &settings, sources, options, progress)?;
        return Ok(Completed { report, is_committed: false, cleanup_error: None });
    }
    let mut writer = target.writer("wa merge", options.lock_timeout, initial)?;
    let outcome = match first {
        Some(first) => config::copy(&**target.file_system(), target.dir(), first.store.dir()).map(drop),
        None => Ok(()),
    };
    let outcome =
        outcome.and_then(|()| merge_with_writer(&mut writer, &settings, sources, options, progress));
    writer.complete(outcome)
}

/// Runs a [`merge`] with an open writer. `dry_run` is ignored.
///
/// # Errors
/// Returns the errors of [`merge`].
pub fn merge_with_writer(
    writer: &mut Writer,
    settings: &Settings,
    sources: &[MergeSource],
    options: &MergeOptions,
    progress: &dyn Progress,
) -> Result<MergeReport> {
    check_settings(writer.manifest(), settings)?;
    let target = Target { store: writer.store().clone(), manifest: writer.manifest().clone(), settings };
    let begin = || (writer.begin(), writer.temp_files());
    let (mut transaction, mut report) = attempt(&target, true, begin, sources, options, progress)?;
    report.changed = *transaction.manifest() != *writer.manifest();
    if report.changed {
        writer.commit(transaction, options.clock.now)?;
    } else {
        transaction.discard()?;
    }
    Ok(report)
}

fn dry_run(
    target: &Store,
    settings: &Settings,
    sources: &[MergeSource],
    options: &MergeOptions,
    progress: &dyn Progress,
) -> Result<MergeReport> {
    if !target.exists() {
        // The target does not exist yet, so the new files need another folder.
        let scratch = ScratchStore::new()?;
        let initial = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
        let mut writer = scratch.store().writer("wa merge --dry-run", options.lock_timeout, initial)?;
        let outcome = merge_with_writer(&mut writer, settings, sources, options, progress);
        let completed = writer.complete(outcome)?;
        return Ok(MergeReport { dry_run: true, ..completed.report });
    }
    let trial = target.dry_run("wa merge --dry-run", options.lock_timeout)?;
    let state = Target { store: target.clone(), manifest: trial.manifest().clone(), settings };
    let begin = || (trial.begin(), trial.temp_files());
    let outcome = check_settings(trial.manifest(), settings)
        .and_then(|()| attempt(&state, false, begin, sources, options, progress));
    match outcome {
        Ok((mut transaction, mut report)) => {
            report.changed = *transaction.manifest() != *trial.manifest();
            trial.end(transaction)?;
            Ok(MergeReport { dry_run: true, ..report })
        }
        Err(error) => {
            // An error of the merge takes precedence over one of the cleanup.
            let nothing = trial.begin();
            let _ = trial.end(nothing);
            Err(error)
        }
    }
}

/// The store to which other stores are added.
struct Target<'a> {
    store: Store,
    manifest: Manifest,
    settings: &'a Settings,
}

/// Makes all changes in a transaction. If writers have changed the sources in the meantime, starts
/// over with another transaction. If `creates_key` is set, a target without a key gets the key of a
/// source.
fn attempt(
    target: &Target<'_>,
    creates_key: bool,
    begin: impl Fn() -> (Transaction, TempFiles),
    sources: &[MergeSource],
    options: &MergeOptions,
    progress: &dyn Progress,
) -> Result<(Transaction, MergeReport)> {
    for _ in 0..MAX_ATTEMPTS {
        let states = source::read_all(sources)?;
        source::check(&target.store, &target.manifest, target.settings, &states)?;
        let key = source::load_key(&target.store, &target.manifest, target.settings, &states, creates_key)?;
        let (mut transaction, temp_files) = begin();
        let run = MergeRun::new(&mut transaction, temp_files, key, target.settings, options, progress)?;
        match run.merge(&states) {
            Ok(report) => return Ok((transaction, report)),
            Err(error) if error.is_missing_file() => {
                transaction.discard()?;
                if !states.iter().any(SourceState::is_outdated) {
                    return Err(error.hint("restore the missing file from a backup of that store"));
                }
            }
            // Closing the writer removes the new files.
            Err(error) => return Err(error),
        }
    }
    Err(Error::failed(format!("writers changed the sources during each of {MAX_ATTEMPTS} attempts"))
        .hint("run the command again when no `wa ingest` changes them, or merge copies of them"))
}

/// Returns the path of the secret key if it is not in the store.
fn key_file(settings: &Settings) -> Option<PathBuf> {
    settings.key_file.clone()
}
