//! `wa gc`: prunes expired rows, removes old IP addresses, compacts, and removes orphan files, in
//! one commit.

mod compaction;
mod confirmation;
pub(super) mod prune;

use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::ingest::pipeline::check_settings;
use crate::privacy::anonymize::{self, AnonymizeReport};
use crate::settings::{Retention, Settings};
use crate::store::ledger::Ledger;
use crate::store::manifest::{LastRun, Manifest};
use crate::store::transaction::Transaction;
use crate::store::{Completed, Store, Writer};
use crate::time::Clock;
use compaction::CompactionStats;
use confirmation::confirmation_reason;
use prune::{PruneStats, last_expired_day};

/// Options of a gc.
#[derive(Clone, Copy, Debug)]
pub struct GcOptions {
    /// The clock.
    pub clock: Clock,
    /// Report the rows to remove, and change nothing.
    pub dry_run: bool,
    /// Run without confirmation.
    pub yes: bool,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
}

/// The result of a gc or its dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Why the gc needs confirmation; `None` if it needs none.
    pub confirmation: Option<String>,
    /// Pruned events.
    pub events: PruneStats,
    /// Pruned sessions.
    pub sessions: PruneStats,
    /// Pruned daily statistics.
    pub daily_stats: PruneStats,
    /// Pruned rejected lines.
    pub rejects: PruneStats,
    /// Removed IP addresses.
    pub anonymized: AnonymizeReport,
    /// Merged files.
    pub compacted: CompactionStats,
    /// Removed orphan files.
    pub orphan_files: u64,
    /// The size of tables and rejected lines before.
    pub bytes_before: u64,
    /// The size of tables and rejected lines after.
    pub bytes_after: u64,
}

/// Runs a gc. A dry run writes the new files to `staging/`, so that its report is exact, and
/// removes them again.
///
/// # Errors
/// Fails with [`ErrorKind::Usage`] if the gc needs confirmation and `yes` is not set, or if the
/// settings differ from those of the store. Fails if there is no store.
pub fn gc(store: &Store, settings: &Settings, options: GcOptions) -> Result<Completed<GcReport>> {
    // A mistyped path must not create a store.
    store.snapshot()?;
    if options.dry_run {
        let report = dry_run(store, settings, options)?;
        return Ok(Completed { report, is_committed: false, cleanup_error: None });
    }
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store.writer("wa gc", options.lock_timeout, first)?;
    let outcome = gc_with_writer(&mut writer, settings, options);
    writer.complete(outcome)
}

fn dry_run(store: &Store, settings: &Settings, options: GcOptions) -> Result<GcReport> {
    let trial = store.dry_run("wa gc --dry-run", options.lock_timeout)?;
    let mut transaction = trial.begin();
    let outcome = trial.orphan_files().and_then(|orphan_files| {
        check_settings(trial.manifest(), settings)?;
        let confirmation = confirmation_reason(trial.manifest(), settings, options.clock);
        let (report, _) = apply(&mut transaction, settings, options.clock)?;
        let anonymized = AnonymizeReport { dry_run: true, ..report.anonymized };
        Ok(GcReport { dry_run: true, confirmation, orphan_files, anonymized, ..report })
    });
    trial.end(transaction)?;
    outcome
}

/// Runs a [`gc`] with an open writer. `dry_run` is ignored.
///
/// # Errors
/// Fails with [`ErrorKind::Usage`] in the same cases as [`gc`].
pub fn gc_with_writer(writer: &mut Writer, settings: &Settings, options: GcOptions) -> Result<GcReport> {
    check_settings(writer.manifest(), settings)?;
    let confirmation = confirmation_reason(writer.manifest(), settings, options.clock);
    if let Some(reason) = confirmation.filter(|_| !options.yes) {
        return Err(Error::new(ErrorKind::Usage, reason)
            .hint("run with --dry-run to see what would be removed; add --yes to confirm"));
    }
    let mut transaction = writer.begin();
    let (mut report, ledger) = apply(&mut transaction, settings, options.clock)?;
    if let Some(ledger) = ledger {
        ledger.write(&mut transaction, options.clock.now)?;
    }
    let counts = [
        ("events", report.events.rows),
        ("sessions", report.sessions.rows),
        ("daily_stats", report.daily_stats.rows),
        ("rejects", report.rejects.rows),
        ("files_merged", report.compacted.files),
    ];
    transaction.manifest().last_gc = Some(LastRun {
        at: options.clock.now,
        counts: counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect(),
    });
    writer.commit(transaction, options.clock.now)?;
    report.orphan_files = writer.remove_orphans_after_commit();
    Ok(report)
}

/// Makes all changes in a transaction. Returns the report, and the ledger if it changed.
fn apply(
    transaction: &mut Transaction,
    settings: &Settings,
    clock: Clock,
) -> Result<(GcReport, Option<Ledger>)> {
    let zone = settings.timezone;
    let today = zone.day(clock.now);
    let before = Ledger::load(&transaction.snapshot()?)?;
    let mut ledger = before.clone();
    let mut report = GcReport { bytes_before: total_bytes(transaction.manifest()), ..GcReport::default() };
    if let Some(last) = last_expired_day(settings.event_retention, today) {
        report.events = prune::prune_events(transaction, &mut ledger, last)?;
        report.rejects = prune::prune_rejects(transaction, last)?;
    }
    if let Some(last) = last_expired_day(settings.session_retention, today) {
        report.sessions = prune::prune_sessions(transaction, &mut ledger, last, zone)?;
    }
    if let Some(last) = last_expired_day(settings.daily_stats_retention, today) {
        report.daily_stats = prune::prune_daily_stats(transaction, &mut ledger, last)?;
    }
    let ip_retention = settings.anonymize_after_days.map_or(Retention::Forever, Retention::Days);
    if let Some(last) = last_expired_day(ip_retention, today) {
        report.anonymized = anonymize::remove_ip_addresses(transaction, last)?;
    }
    report.compacted = compaction::compact(transaction)?;
    report.bytes_after = total_bytes(transaction.manifest());
    Ok((report, Some(ledger).filter(|ledger| *ledger != before)))
}

/// Returns the size of all tables and rejected lines.
fn total_bytes(manifest: &Manifest) -> u64 {
    let tables = manifest.tables.values().flatten().map(|file| file.bytes).sum::<u64>();
    tables + manifest.rejects.iter().map(|file| file.bytes).sum::<u64>()
}
