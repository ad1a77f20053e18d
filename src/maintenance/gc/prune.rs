//! Removes rows whose retention period has ended.
//!
//! A retention period of N days includes today. Rows expire when their day is today - N or earlier.
//! The day is the UTC date of an event, the day of a session's last event, or the day of daily
//! statistics. The ledger records the pruned days of each chatbot, so that an ingest does not store
//! their lines again.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use crate::daily_stats::VisitorSet;
use crate::error::Result;
use crate::event::KeyKind;
use crate::settings::Retention;
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables::{self, visitors};
use crate::store::transaction::Transaction;
use crate::store::update::partition::encode_file;
use crate::store::update::{self, PartialRewrite};
use crate::time::{Day, Zone};

/// The rows pruned from a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PruneStats {
    /// The days, sorted.
    pub days: Vec<String>,
    /// The number of rows.
    pub rows: u64,
    /// Files that were removed or rewritten.
    pub files: u64,
    /// The size of the files that were removed entirely.
    pub bytes: u64,
}

impl PruneStats {
    fn add(&mut self, file: &DataFile, rows: u64) {
        self.rows += rows;
        self.files += 1;
        if rows == file.rows {
            self.bytes += file.bytes;
        }
    }

    fn with_sorted_days(mut self) -> PruneStats {
        self.days.sort();
        self.days.dedup();
        self
    }
}

/// Returns the last day past a retention period; `None` if rows are retained forever.
pub(in crate::maintenance) fn last_expired_day(retention: Retention, today: Day) -> Option<Day> {
    match retention {
        Retention::Forever => None,
        Retention::Days(days) => Some(today.minus_days(days)),
    }
}

/// Removes the events of UTC dates up to `last`.
pub(super) fn prune_events(
    transaction: &mut Transaction,
    ledger: &mut Ledger,
    last: Day,
) -> Result<PruneStats> {
    let snapshot = transaction.snapshot()?;
    let mut pruned = PruneStats::default();
    for file in snapshot.manifest().files(Table::Events).iter().filter(|file| file.day <= last) {
        let frame = snapshot.read_file(file, Some(&["chatbot_id"]))?;
        let chatbots: HashSet<&str> = frame.texts("chatbot_id")?.iter().flatten().collect();
        for chatbot in chatbots {
            ledger.pruned_events.entry(chatbot.to_owned()).or_default().insert(file.day);
        }
        pruned.add(file, file.rows);
        pruned.days.push(file.day.to_string());
        transaction.remove(file);
        let manifest = transaction.manifest();
        manifest.events_pruned_through = manifest.events_pruned_through.max(Some(file.day));
    }
    Ok(pruned.with_sorted_days())
}

/// Removes the sessions whose last event was on a day up to `last`.
pub(super) fn prune_sessions(
    transaction: &mut Transaction,
    ledger: &mut Ledger,
    last: Day,
    zone: Zone,
) -> Result<PruneStats> {
    let snapshot = transaction.snapshot()?;
    let mut pruned = PruneStats::default();
    let next_start = zone.start_bounds(last.plus(1));
    // If a clock change at midnight repeats an hour, a time between the two bounds can belong to
    // either day.
    let is_expired = |end: i64| end < next_start.0 || (end < next_start.1 && zone.day(end) <= last);
    // A session starts before it ends, so later partitions have no expired sessions.
    let files: Vec<DataFile> =
        snapshot.manifest().files(Table::Sessions).iter().filter(|file| file.day <= last).cloned().collect();
    let mut expired: BTreeMap<Day, Vec<PartialRewrite>> = BTreeMap::new();
    for file in files {
        let frame = snapshot.read_file(&file, Some(&["ended_at"]))?;
        let ends = frame.ints("ended_at")?;
        let mask: Vec<bool> = ends.iter().map(|end| end.is_some_and(is_expired)).collect();
        let rows = mask.iter().filter(|expired| **expired).count() as u64;
        if rows > 0 {
            pruned.add(&file, rows);
            pruned.days.push(file.day.to_string());
            expired.entry(file.day).or_default().push(PartialRewrite { file, removed: mask });
        }
    }
    let visitors = record_pruned_sessions(&snapshot, ledger, &expired)?;
    mark_counted_visitors(&snapshot, transaction, &visitors, zone)?;
    for (day, files) in expired {
        for PartialRewrite { file, removed } in files {
            transaction.remove(&file);
            if removed.contains(&false) {
                let whole = snapshot.read_file_checked(&file)?;
                let rest = whole.filter(removed.iter().map(|removed| !removed))?;
                let new = encode_file(Table::Sessions, day, &rest)?;
                transaction.add(new)?;
            }
        }
        let manifest = transaction.manifest();
        manifest.sessions_pruned_through = manifest.sessions_pruned_through.max(Some(day));
    }
    Ok(pruned.with_sorted_days())
}

/// Records the pruned days of each chatbot in the ledger, and returns the visitors of the pruned
/// sessions by day.
fn record_pruned_sessions(
    snapshot: &Snapshot,
    ledger: &mut Ledger,
    expired: &BTreeMap<Day, Vec<PartialRewrite>>,
) -> Result<BTreeMap<Day, VisitorSet>> {
    let mut counted: BTreeMap<Day, VisitorSet> = BTreeMap::new();
    for (&day, files) in expired {
        let visitors = counted.entry(day).or_default();
        for PartialRewrite { file, removed } in files {
            let frame = snapshot.read_file(file, Some(&tables::daily_stats::FACT_COLUMNS))?;
            let mut removed = removed.iter();
            tables::daily_stats::for_each_session(&frame, |chatbot, facts| {
                if !removed.next().is_some_and(|removed| *removed) {
                    return;
                }
                if !ledger.sessions_pruned(chatbot, day) {
                    ledger.pruned_sessions.entry(chatbot.to_owned()).or_default().insert(day);
                }
                if !facts.is_bot {
                    visitors.insert(facts.visitor);
                }
            })?;
        }
    }
    Ok(counted)
}

/// Marks the visitors that a day counts as new because of pruned sessions. If an earlier event of
/// such a visitor is ingested, that day's `new_visitors` can still be corrected.
fn mark_counted_visitors(
    snapshot: &Snapshot,
    transaction: &mut Transaction,
    counted: &BTreeMap<Day, VisitorSet>,
    zone: Zone,
) -> Result<()> {
    let files = snapshot.manifest().files(Table::Visitors).iter();
    let (Some(first), Some(last)) = (counted.keys().min(), counted.keys().max()) else { return Ok(()) };
    let (from, to) = (zone.start_of(*first), zone.start_bounds(last.plus(1)).1);
    for file in files.filter(|file| file.min_time < to && from <= file.max_time) {
        let mut rows = visitors::read(&snapshot.read_file_checked(file)?)?;
        let mut changed = false;
        for row in rows.iter_mut().filter(|row| row.counted_new_on.is_none() && row.kind != KeyKind::Session)
        {
            let day = zone.day(row.first_seen_at);
            if counted.get(&day).is_some_and(|visitors| visitors.contains(&row.hash())) {
                row.counted_new_on = Some(day);
                changed = true;
            }
        }
        if changed {
            transaction.remove(file);
            let frame = visitors::frame(&rows)?;
            let new = encode_file(Table::Visitors, file.day, &frame)?;
            transaction.add(new)?;
        }
    }
    Ok(())
}

/// Removes the statistics of days up to `last`.
pub(super) fn prune_daily_stats(
    transaction: &mut Transaction,
    ledger: &mut Ledger,
    last: Day,
) -> Result<PruneStats> {
    let snapshot = transaction.snapshot()?;
    let mut pruned = PruneStats::default();
    for file in snapshot.manifest().files(Table::DailyStats).iter().filter(|file| file.day <= last) {
        let rows = tables::daily_stats::read(&snapshot.read_file_checked(file)?)?;
        let (expired, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.stat_date <= last);
        if !expired.is_empty() {
            pruned.days.extend(expired.iter().map(|row| row.stat_date.to_string()));
            for row in &expired {
                ledger.pruned_daily_stats.entry(row.chatbot_id.clone()).or_default().insert(row.stat_date);
            }
            pruned.add(file, expired.len() as u64);
            transaction.remove(file);
            if let Some(new) = update::daily::encode_month(file.day, rows)? {
                transaction.add(new)?;
            }
        }
    }
    Ok(pruned.with_sorted_days())
}

/// Removes the lines that were rejected on UTC dates up to `last`.
pub(super) fn prune_rejects(transaction: &mut Transaction, last: Day) -> Result<PruneStats> {
    let mut pruned = PruneStats::default();
    let expired: Vec<_> =
        transaction.manifest().rejects.iter().filter(|f| Day::utc(f.written_at) <= last).cloned().collect();
    for file in expired {
        pruned.days.push(Day::utc(file.written_at).to_string());
        pruned.rows += file.rows;
        pruned.files += 1;
        pruned.bytes += file.bytes;
        transaction.manifest().rejects.retain(|f| f.path != file.path);
        transaction.remove_auxiliary(&file.path);
    }
    Ok(pruned.with_sorted_days())
}
