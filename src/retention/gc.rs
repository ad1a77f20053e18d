//! One gc: prune, compact, sweep; one change of the store.

use std::time::Duration;

use serde::Serialize;

use super::compact::{self, Compacted};
use super::prune::{self, Pruned};
use crate::error::{Error, Kind, Result};
use crate::ingest::run::check_settings;
use crate::privacy::anonymize;
use crate::settings::{Keep, Settings};
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::manifest::{LastRun, Manifest};
use crate::store::transaction::STATE;
use crate::store::{Store, Writer};
use crate::time::{Clock, Day, Zone};

/// What a gc is told.
#[derive(Clone, Copy, Debug)]
pub struct Options {
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
pub struct Report {
    /// Nothing was changed.
    pub dry_run: bool,
    /// Events that are past their retention.
    pub events: Pruned,
    /// Sessions that are.
    pub sessions: Pruned,
    /// Daily statistics that are.
    pub daily_stats: Pruned,
    /// Refused lines that are.
    pub rejects: Pruned,
    /// Addresses that are past their time.
    pub anonymized: anonymize::Report,
    /// Small files that were merged.
    pub compacted: Compacted,
    /// Files that no manifest named.
    pub unnamed_files: u64,
}

/// Prunes, merges small files and removes what no manifest names.
///
/// # Errors
/// [`Kind::Usage`] where it would take today's data, or all there is, and was not told to go on.
pub fn gc(store: &Store, settings: &Settings, options: Options) -> Result<Report> {
    // A store that is not there is an error, not one to be made.
    store.snapshot()?;
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store.writer("wa gc", options.lock_timeout, first)?;
    let report = gc_in(&mut writer, settings, options)?;
    writer.finish()?;
    Ok(report)
}

/// Does a gc with a writer that is open already.
pub fn gc_in(writer: &mut Writer, settings: &Settings, options: Options) -> Result<Report> {
    check_settings(writer.manifest(), settings)?;
    let zone = settings.timezone;
    let today = zone.day(options.clock.now);
    if !options.yes && !options.dry_run {
        confirm(writer.manifest(), settings, today, zone)?;
    }
    let snapshot = writer.snapshot()?;
    let mut ledger = match &snapshot.manifest().ledger {
        Some(file) => Ledger::from_bytes(&snapshot.bytes_checked(&file.path, &file.checksum)?)?,
        None => Ledger::default(),
    };
    let before = ledger.clone();
    let mut transaction = writer.begin();
    let mut report = Report { dry_run: options.dry_run, ..Report::default() };
    if let Some(last) = prune::last_to_go(settings.keep_events, today) {
        report.events = prune::events(&mut transaction, &mut ledger, last)?;
        report.rejects = prune::rejects(&mut transaction, last)?;
    }
    if let Some(last) = prune::last_to_go(settings.keep_sessions, today) {
        report.sessions = prune::sessions(&mut transaction, &mut ledger, last, zone)?;
    }
    if let Some(last) = prune::last_to_go(settings.keep_daily_stats, today) {
        report.daily_stats = prune::daily_stats(&mut transaction, last)?;
    }
    if let Some(last) = settings.anonymize_after_days.and_then(|n| prune::last_to_go(Keep::Days(n), today)) {
        report.anonymized = anonymize::apply(&mut transaction, last)?;
    }
    report.compacted = compact::compact(&mut transaction)?;
    if options.dry_run {
        // The files that were staged for it go when the writer ends.
        return Ok(report);
    }
    if ledger != before {
        let bytes = ledger.to_bytes()?;
        let name = format!("ledger-{}.json", uuid::Uuid::new_v4().simple());
        let rows = (ledger.events.len() + ledger.sessions.len() + ledger.forgotten.len()) as u64;
        let file = transaction.add_side(STATE, &name, &bytes, rows, options.clock.now)?;
        if let Some(old) = transaction.manifest().ledger.replace(file) {
            transaction.remove_side(&old.path);
        }
    }
    let figures = [
        ("events", report.events.rows),
        ("sessions", report.sessions.rows),
        ("daily_stats", report.daily_stats.rows),
        ("rejects", report.rejects.rows),
        ("files_merged", report.compacted.files),
    ];
    transaction.manifest().last_gc = Some(LastRun {
        at: options.clock.now,
        figures: figures.into_iter().map(|(name, n)| (name.to_owned(), n)).collect(),
    });
    writer.commit(transaction, options.clock.now)?;
    report.unnamed_files = writer.sweep()?;
    Ok(report)
}

/// Asks to be told to go on, where the retention or the clock looks like a mistake.
fn confirm(manifest: &Manifest, settings: &Settings, today: Day, zone: Zone) -> Result<()> {
    let ask = |why: String| {
        Err(Error::new(Kind::Usage, why)
            .hint("look with --dry-run at what would go, and say --yes if it is meant"))
    };
    for (table, keep) in [
        (Table::Events, settings.keep_events),
        (Table::Sessions, settings.keep_sessions),
        (Table::DailyStats, settings.keep_daily_stats),
    ] {
        if keep == Keep::Days(0) {
            return ask(format!("keeping {} for 0 days would take today's data", table.name()));
        }
        let newest = manifest.files(table).iter().map(|file| file.max_time).max();
        let (Some(last), Some(newest)) = (prune::last_to_go(keep, today), newest) else { continue };
        if zone.day(newest) <= last {
            return ask(format!(
                "all {} would go: the newest are of {}, and today is {today}; is the clock right?",
                table.name(),
                zone.day(newest)
            ));
        }
    }
    Ok(())
}
