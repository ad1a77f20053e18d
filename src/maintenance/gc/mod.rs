//! One gc: prune, compact, sweep; one change of the store.

pub mod compaction;
pub mod prune;

use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::ingest::pipeline::check_settings;
use crate::privacy::anonymize;
use crate::settings::{Retention, Settings};
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::manifest::{LastRun, Manifest};
use crate::store::transaction::Transaction;
use crate::store::{Store, Writer};
use crate::time::{Clock, DAY, Day, Micros, Zone, format_utc};
use compaction::CompactionStats;
use prune::Pruned;

/// A clock that is so much later than the newest event, and than the last gc, may be wrong.
const FAR: Micros = 7 * DAY;

/// What a gc is told.
#[derive(Clone, Copy, Debug)]
pub struct GcOptions {
    /// The present.
    pub clock: Clock,
    /// Only say what would go.
    pub dry_run: bool,
    /// Go on where it would have to ask.
    pub yes: bool,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
}

/// What a gc did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Why it would ask to be told to go on, where it would.
    pub confirmation: Option<String>,
    /// Events that are past their retention.
    pub events: Pruned,
    /// Sessions that are.
    pub sessions: Pruned,
    /// Daily statistics that are.
    pub daily_stats: Pruned,
    /// Refused lines that are.
    pub rejects: Pruned,
    /// Addresses that are past their time.
    pub anonymized: anonymize::AnonymizeReport,
    /// Small files that were merged.
    pub compacted: CompactionStats,
    /// Files that no manifest named.
    pub orphan_files: u64,
    /// Size of tables and refused lines before.
    pub bytes_before: u64,
    /// Their size after.
    pub bytes_after: u64,
}

/// Prunes, merges small files and removes what no manifest names. A dry run writes the files that would
/// be new aside, so that what it says is exact, and leaves the store as it was.
///
/// # Errors
/// [`ErrorKind::Usage`] where it would take today's data, or the clock is far from the data's, and it was
/// not told to go on.
pub fn gc(store: &Store, settings: &Settings, options: GcOptions) -> Result<GcReport> {
    // A store that is not there is an error, not one to be made.
    store.snapshot()?;
    if options.dry_run {
        return rehearse(store, settings, options);
    }
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store.writer("wa gc", options.lock_timeout, first)?;
    match gc_with_writer(&mut writer, settings, options) {
        Ok(report) => writer.finish().map(|()| report),
        Err(error) if error.kind() == ErrorKind::Usage => {
            // Nothing went wrong, and nothing is to lie about.
            writer.finish()?;
            Err(error)
        }
        Err(error) => Err(error),
    }
}

fn rehearse(store: &Store, settings: &Settings, options: GcOptions) -> Result<GcReport> {
    let dry_run = store.dry_run("wa gc --dry-run", options.lock_timeout)?;
    let mut transaction = dry_run.begin();
    let outcome = dry_run.orphan_files().and_then(|orphan_files| {
        check_settings(dry_run.manifest(), settings)?;
        let confirmation = confirmation(dry_run.manifest(), settings, options.clock);
        let (report, _) = change(&mut transaction, settings, options.clock)?;
        let anonymized = anonymize::AnonymizeReport { dry_run: true, ..report.anonymized };
        Ok(GcReport { dry_run: true, confirmation, orphan_files, anonymized, ..report })
    });
    dry_run.end(transaction)?;
    outcome
}

/// Does a gc with a writer that is open already.
pub fn gc_with_writer(writer: &mut Writer, settings: &Settings, options: GcOptions) -> Result<GcReport> {
    check_settings(writer.manifest(), settings)?;
    let confirmation = confirmation(writer.manifest(), settings, options.clock);
    if let Some(why) = confirmation.filter(|_| !options.yes) {
        return Err(Error::new(ErrorKind::Usage, why)
            .hint("look with --dry-run at what would go, and say --yes if it is meant"));
    }
    let mut transaction = writer.begin();
    let (mut report, ledger) = change(&mut transaction, settings, options.clock)?;
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
    report.orphan_files = writer.remove_orphans()?;
    Ok(report)
}

/// Makes the change. Returns what it is, and the ledger where that has changed.
fn change(
    transaction: &mut Transaction,
    settings: &Settings,
    clock: Clock,
) -> Result<(GcReport, Option<Ledger>)> {
    let zone = settings.timezone;
    let today = zone.day(clock.now);
    let before = Ledger::load(&transaction.snapshot()?)?;
    let mut ledger = before.clone();
    let mut report = GcReport { bytes_before: bytes(transaction.manifest()), ..GcReport::default() };
    if let Some(last) = prune::last_expired_day(settings.event_retention, today) {
        report.events = prune::events(transaction, &mut ledger, last)?;
        report.rejects = prune::rejects(transaction, last)?;
    }
    if let Some(last) = prune::last_expired_day(settings.session_retention, today) {
        report.sessions = prune::sessions(transaction, &mut ledger, last, zone)?;
    }
    if let Some(last) = prune::last_expired_day(settings.daily_stats_retention, today) {
        report.daily_stats = prune::daily_stats(transaction, &mut ledger, last)?;
    }
    if let Some(last) =
        settings.anonymize_after_days.and_then(|n| prune::last_expired_day(Retention::Days(n), today))
    {
        report.anonymized = anonymize::remove_ip_addresses(transaction, last)?;
    }
    report.compacted = compaction::compact(transaction)?;
    report.bytes_after = bytes(transaction.manifest());
    Ok((report, Some(ledger).filter(|ledger| *ledger != before)))
}

fn bytes(manifest: &Manifest) -> u64 {
    let tables = manifest.tables.values().flatten().map(|file| file.bytes).sum::<u64>();
    tables + manifest.rejects.iter().map(|file| file.bytes).sum::<u64>()
}

/// Says why it should be asked whether to go on: the retention or the clock looks like a mistake.
fn confirmation(manifest: &Manifest, settings: &Settings, clock: Clock) -> Option<String> {
    let zone = settings.timezone;
    let today = zone.day(clock.now);
    takes_today(manifest, settings, today, zone)
        .or_else(|| takes_all(manifest, settings, today, zone))
        .or_else(|| clock_is_far(manifest, settings, clock.now, today))
}

/// Events go by their UTC date: where the day begins before that, the shortest retention takes some of
/// today's.
fn takes_today(manifest: &Manifest, settings: &Settings, today: Day, zone: Zone) -> Option<String> {
    let last = prune::last_expired_day(settings.event_retention, today)?;
    let files = manifest.files(Table::Events).iter();
    let newest = files.filter(|file| file.day <= last).map(|file| file.max_time).max()?;
    (zone.day(newest) >= today).then(|| {
        format!(
            "events of today would go, up to {}: they go by their UTC date, and today, {today}, began before \
             that did in {}",
            format_utc(newest),
            zone.name()
        )
    })
}

fn takes_all(manifest: &Manifest, settings: &Settings, today: Day, zone: Zone) -> Option<String> {
    [
        (Table::Events, settings.event_retention),
        (Table::Sessions, settings.session_retention),
        (Table::DailyStats, settings.daily_stats_retention),
    ]
    .into_iter()
    .find_map(|(table, keep)| {
        let last = prune::last_expired_day(keep, today)?;
        let newest = manifest.files(table).iter().map(|file| file.max_time).max()?;
        // The times of daily statistics are the days themselves.
        let newest = if table == Table::DailyStats { Day::utc(newest) } else { zone.day(newest) };
        (newest <= last).then(|| {
            format!(
                "all {} would go: the newest are of {newest}, and today is {today}; is the clock right?",
                table.name()
            )
        })
    })
}

/// A clock that jumped ahead takes what is not old yet. Where nothing new has come for a while, but gc
/// ran all the time, it is the data that stood still.
fn clock_is_far(manifest: &Manifest, settings: &Settings, now: Micros, today: Day) -> Option<String> {
    let newest = manifest.files(Table::Events).iter().map(|file| file.max_time).max()?;
    let last_gc = manifest.last_gc.as_ref().map(|run| run.at);
    let known = last_gc.map_or(newest, |at| at.max(newest));
    if now.saturating_sub(known) <= FAR {
        return None;
    }
    let goes = |table: Table, keep: Retention| {
        prune::last_expired_day(keep, today)
            .is_some_and(|last| manifest.files(table).iter().any(|file| file.day <= last))
    };
    let goes = goes(Table::Events, settings.event_retention)
        || goes(Table::Sessions, settings.session_retention)
        || goes(Table::DailyStats, settings.daily_stats_retention);
    goes.then(|| {
        format!(
            "the newest event is of {}, the last gc {}, and now is {}; is the clock right?",
            format_utc(newest),
            last_gc.map_or("never was".to_owned(), |at| format!("was at {}", format_utc(at))),
            format_utc(now)
        )
    })
}
