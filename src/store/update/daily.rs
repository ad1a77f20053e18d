//! Recomputes daily statistics from the sessions of each day.
//!
//! Rows of days whose sessions were pruned are adjusted instead, by the change of the retained
//! sessions: see [`pruned_days`](super::pruned_days). Days whose statistics were pruned get no row.

use std::collections::BTreeMap;

use super::bounded_parallel;
use super::daily_inputs::{PartialDay, aggregate_day, first_seen_on};
use super::partition::encode_file;
use super::pruned_days::{
    CountedVisitors, PrunedDays, RetainedStats, counted_visitors_on, is_pruned_for_any_chatbot,
    no_longer_counted,
};
use super::sessions::SessionChanges;
use super::visitors::FirstSeenUpdate;
use crate::daily_stats::DailyStats;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::{NewFile, Transaction};
use crate::time::{Day, Micros};

/// Recomputes the statistics of the days whose sessions or new visitors changed.
///
/// `after` is the state with the new sessions and visitors, which are in the transaction.
/// `pruned` describes the pruned days before the change.
///
/// # Errors
/// Fails if a stored file cannot be read, or a file cannot be written.
pub fn update(
    after: &Snapshot,
    transaction: &mut Transaction,
    changes: SessionChanges,
    first_seen_updates: &[FirstSeenUpdate],
    pruned: &PrunedDays<'_>,
    now: Micros,
) -> Result<()> {
    let SessionChanges { mut days, mut aggregates, .. } = changes;
    let zone = after.zone();
    for update in first_seen_updates {
        days.insert(zone.day(update.previous.first_seen_at));
        days.insert(zone.day(update.first_seen_at));
        // This can be another day if the time zone has changed since.
        days.extend(update.previous.counted_new_on);
    }
    let no_longer_counted = no_longer_counted(first_seen_updates);
    let mut months: BTreeMap<Day, Vec<Day>> = BTreeMap::new();
    for day in days {
        months.entry(day.month_start()).or_default().push(day);
    }
    for (month, days) in months {
        let days = days.iter().map(|day| (*day, aggregates.remove(day))).collect();
        let month = Month { after, month, no_longer_counted: &no_longer_counted, pruned, now };
        month.update(transaction, days)?;
    }
    Ok(())
}

/// The rows of a month, by chatbot and day.
type Rows = BTreeMap<(String, Day), DailyStats>;

/// The update of one month, which is one partition.
struct Month<'a> {
    after: &'a Snapshot,
    month: Day,
    no_longer_counted: &'a CountedVisitors,
    pruned: &'a PrunedDays<'a>,
    now: Micros,
}

impl Month<'_> {
    /// Recomputes days of the month, some with aggregates of files that need not be read.
    fn update(&self, transaction: &mut Transaction, days: Vec<(Day, Option<PartialDay>)>) -> Result<()> {
        let (before, replaced) = self.read()?;
        let rows = self.recompute(&before, days)?;
        if rows == before {
            return Ok(());
        }
        for path in replaced {
            transaction.remove(Table::DailyStats, &path);
        }
        if let Some(file) = encode_month(self.month, rows.into_values().collect())? {
            transaction.add(file)?;
        }
        Ok(())
    }

    /// Returns the stored rows, and the paths of their files.
    fn read(&self) -> Result<(Rows, Vec<String>)> {
        let mut rows = Rows::new();
        let files = self.after.manifest().files(Table::DailyStats).iter();
        let paths = files.filter(|file| file.day == self.month).map(|file| {
            for row in tables::daily_stats::read(&self.after.read_file_checked(file)?)? {
                rows.insert((row.chatbot_id.clone(), row.stat_date), row);
            }
            Ok(file.path.clone())
        });
        let paths = paths.collect::<Result<_>>()?;
        Ok((rows, paths))
    }

    fn recompute(&self, before: &Rows, days: Vec<(Day, Option<PartialDay>)>) -> Result<Rows> {
        let ledger = self.pruned.ledger();
        let dates: Vec<Day> = days.iter().map(|(day, _)| *day).collect();
        let first_seen = first_seen_on(self.after, &dates, self.after.zone())?;
        let pruned_dates: Vec<Day> =
            dates.into_iter().filter(|day| is_pruned_for_any_chatbot(ledger, *day)).collect();
        let counted = counted_visitors_on(self.after, &pruned_dates)?;
        let recomputed = bounded_parallel(days, |(day, partial)| {
            let mut aggregates = aggregate_day(self.after, day, partial)?;
            let first_seen = first_seen.get(&day);
            let retained = RetainedStats::extract(&mut aggregates, day, ledger, first_seen);
            let is_new = |visitor| first_seen.is_some_and(|visitors| visitors.contains(&visitor));
            Ok((day, retained, aggregates.finish(day, is_new, self.now)))
        })?;
        let mut rows = before.clone();
        for (day, retained, fresh) in recomputed {
            let has_no_row = |chatbot: &str| ledger.daily_stats_pruned(chatbot, day);
            let keeps_row = |chatbot: &str| ledger.sessions_pruned(chatbot, day) && !has_no_row(chatbot);
            rows.retain(|(chatbot, d), _| *d != day || keeps_row(chatbot));
            let fresh = fresh.into_iter().filter(|row| !has_no_row(&row.chatbot_id));
            rows.extend(fresh.map(|row| ((row.chatbot_id.clone(), day), row)));
            if pruned_dates.contains(&day) {
                self.adjust_pruned_day(&mut rows, day, retained, &counted);
            }
        }
        for (key, row) in &mut rows {
            if let Some(old) = before.get(key) {
                row.created_at = old.created_at;
                row.updated_at = if row.same_metrics(old) { old.updated_at } else { self.now };
            }
        }
        Ok(rows)
    }

    /// Adjusts the rows of the chatbots whose sessions of the day were pruned. `retained` describes
    /// the retained sessions after the change.
    fn adjust_pruned_day(
        &self,
        rows: &mut Rows,
        day: Day,
        mut retained: BTreeMap<String, RetainedStats>,
        counted: &CountedVisitors,
    ) {
        let ledger = self.pruned.ledger();
        for ((chatbot, _), row) in rows.iter_mut().filter(|((_, d), _)| *d == day) {
            if ledger.sessions_pruned(chatbot, day) {
                let retained = retained.remove(chatbot).unwrap_or_default();
                self.pruned.adjust_row(row, &retained, self.no_longer_counted, counted);
            }
        }
        // Rows that should exist but do not: compute them from the retained sessions alone.
        retained.retain(|chatbot, _| !ledger.daily_stats_pruned(chatbot, day));
        rows.extend(retained.into_iter().map(|(chatbot, retained)| {
            let key = (chatbot, day);
            let counted = counted.get(&key).cloned().unwrap_or_default();
            let row = retained.standalone_row(&key.0, day, &counted);
            (key, DailyStats { created_at: self.now, updated_at: self.now, ..row })
        }));
    }
}

/// Encodes the rows of a month as a new file; `None` if there are no rows.
///
/// # Errors
/// Fails if the rows cannot be encoded.
pub fn encode_month(month: Day, mut rows: Vec<DailyStats>) -> Result<Option<NewFile>> {
    rows.sort_by(|a, b| (&a.chatbot_id, a.stat_date).cmp(&(&b.chatbot_id, b.stat_date)));
    if rows.is_empty() {
        return Ok(None);
    }
    encode_file(Table::DailyStats, month, &tables::daily_stats::frame(&rows)?).map(Some)
}
