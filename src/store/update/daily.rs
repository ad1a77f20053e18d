//! Recomputes daily statistics from the sessions of each day.
//!
//! Only the rows of the chatbots and days that changed are recomputed. A limited number is
//! recomputed at a time, so that memory does not grow with the number of chatbots. Rows of days
//! whose sessions were pruned are instead adjusted by the change of the retained sessions: see
//! [`pruned_days`](super::pruned_days). Days whose statistics were pruned get no row.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::bounded_parallel;
use super::daily_inputs::{PartialDay, aggregate_day, first_seen_on};
use super::monthly_rows::{MonthlyRows, Rows};
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

/// Maximum number of rows that are recomputed together. The aggregate of a day of a chatbot with a
/// single session takes about a kilobyte.
const ROWS_TOGETHER: usize = 1 << 15;

/// Some days of a month, with the chatbots whose rows must be recomputed.
type ChangedRows = BTreeMap<Day, BTreeSet<String>>;

/// Recomputes the statistics of the chatbots and days whose sessions or new visitors changed.
/// Returns the number of sessions and rows that were read.
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
) -> Result<u64> {
    let SessionChanges { mut days, mut aggregates, .. } = changes;
    let zone = after.zone();
    for update in first_seen_updates {
        let chatbot = &update.previous.chatbot_id;
        let seen = [update.previous.first_seen_at, update.first_seen_at].map(|time| zone.day(time));
        // `counted_new_on` can differ from the day of the first-seen time if the time zone has
        // changed since.
        for day in seen.into_iter().chain(update.previous.counted_new_on) {
            if !days.contains(day, chatbot) {
                days.add(day, chatbot);
                // An aggregate omits chatbots whose sessions did not change.
                aggregates.remove(&day);
            }
        }
    }
    let no_longer_counted = no_longer_counted(first_seen_updates);
    let mut months: BTreeMap<Day, ChangedRows> = BTreeMap::new();
    for (day, chatbots) in days.resolve(after)? {
        months.entry(day.month_start()).or_default().insert(day, chatbots);
    }
    let mut read = 0;
    for (month, changed) in months {
        let month = Month { after, month, no_longer_counted: &no_longer_counted, pruned, now };
        read += month.update(transaction, changed, &mut aggregates)?;
    }
    Ok(read)
}

/// Replaces or adds rows of the given chatbots and days.
///
/// # Errors
/// Fails if a stored file cannot be read, or a file cannot be written.
pub fn replace_rows(after: &Snapshot, transaction: &mut Transaction, rows: Vec<DailyStats>) -> Result<()> {
    let mut months: BTreeMap<Day, Rows> = BTreeMap::new();
    for row in rows {
        let month = months.entry(row.stat_date.month_start()).or_default();
        month.insert((row.stat_date, row.chatbot_id.clone()), row);
    }
    for (month, rows) in months {
        let mut changed = ChangedRows::new();
        for (day, chatbot) in rows.keys() {
            changed.entry(*day).or_default().insert(chatbot.clone());
        }
        let mut stored = MonthlyRows::new(after, month);
        let before = stored.find(&changed)?;
        stored.replace(before, rows)?;
        if let Some(output) = stored.finish()? {
            output.add_to(transaction)?;
        }
    }
    Ok(())
}

/// The update of one month, which is one partition.
struct Month<'a> {
    after: &'a Snapshot,
    month: Day,
    no_longer_counted: &'a CountedVisitors,
    pruned: &'a PrunedDays<'a>,
    now: Micros,
}

impl Month<'_> {
    /// Recomputes rows of the month. Files that `aggregates` covers are not read. Returns the
    /// number of sessions and rows that were read.
    fn update(
        &self,
        transaction: &mut Transaction,
        changed: ChangedRows,
        aggregates: &mut HashMap<Day, PartialDay>,
    ) -> Result<u64> {
        let mut stored = MonthlyRows::new(self.after, self.month);
        let mut sessions_read = 0;
        let mut parts = parts(changed);
        // An aggregate covers all changed chatbots of a day, while a part may have only some of
        // them.
        if parts.len() > 1 {
            parts.iter().flat_map(BTreeMap::keys).for_each(|day| drop(aggregates.remove(day)));
        }
        for part in parts.drain(..) {
            let before = stored.find(&part)?;
            let days = part.into_iter().map(|(day, chatbots)| (day, chatbots, aggregates.remove(&day)));
            let (rows, read) = self.recompute(&before, days.collect())?;
            sessions_read += read;
            stored.replace(before, rows)?;
        }
        let rows_read = stored.rows_read();
        if let Some(output) = stored.finish()? {
            output.add_to(transaction)?;
        }
        Ok(sessions_read + rows_read)
    }

    /// Returns the rows after the change: the new values of the rows in `before`, and rows for
    /// chatbots and days that have no row yet. Also returns the number of sessions that were read.
    fn recompute(
        &self,
        before: &Rows,
        days: Vec<(Day, BTreeSet<String>, Option<PartialDay>)>,
    ) -> Result<(Rows, u64)> {
        let ledger = self.pruned.ledger();
        let dates: Vec<Day> = days.iter().map(|(day, ..)| *day).collect();
        let first_seen = first_seen_on(self.after, &dates, self.after.zone())?;
        let pruned_dates: Vec<Day> =
            dates.into_iter().filter(|day| is_pruned_for_any_chatbot(ledger, *day)).collect();
        let counted = counted_visitors_on(self.after, &pruned_dates)?;
        let recomputed = bounded_parallel(days, |(day, chatbots, partial)| {
            let is_changed = |chatbot: &str| chatbots.contains(chatbot);
            let (mut aggregates, read) = aggregate_day(self.after, day, partial, is_changed)?;
            let first_seen = first_seen.get(&day);
            let retained = RetainedStats::extract(&mut aggregates, day, ledger, first_seen);
            let is_new = |visitor| first_seen.is_some_and(|visitors| visitors.contains(&visitor));
            Ok((day, retained, aggregates.finish(day, is_new, self.now), read))
        })?;
        let mut rows = before.clone();
        let mut sessions_read = 0;
        for (day, retained, fresh, read) in recomputed {
            sessions_read += read;
            let has_no_row = |chatbot: &str| ledger.daily_stats_pruned(chatbot, day);
            let keeps_row = |chatbot: &str| ledger.sessions_pruned(chatbot, day) && !has_no_row(chatbot);
            rows.retain(|(d, chatbot), _| *d != day || keeps_row(chatbot));
            let fresh = fresh.into_iter().filter(|row| !has_no_row(&row.chatbot_id));
            rows.extend(fresh.map(|row| ((day, row.chatbot_id.clone()), row)));
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
        Ok((rows, sessions_read))
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
        for ((_, chatbot), row) in rows.iter_mut().filter(|((d, _), _)| *d == day) {
            if ledger.sessions_pruned(chatbot, day) {
                let retained = retained.remove(chatbot).unwrap_or_default();
                self.pruned.adjust_row(row, &retained, self.no_longer_counted, counted);
            }
        }
        // Rows that should exist but are missing are computed from the retained sessions alone.
        retained.retain(|chatbot, _| !ledger.daily_stats_pruned(chatbot, day));
        rows.extend(retained.into_iter().map(|(chatbot, retained)| {
            let counted = counted.get(&(chatbot.clone(), day)).cloned().unwrap_or_default();
            let row = retained.standalone_row(&chatbot, day, &counted);
            ((day, chatbot), DailyStats { created_at: self.now, updated_at: self.now, ..row })
        }));
    }
}

/// Divides rows into parts of at most [`ROWS_TOGETHER`].
fn parts(changed: ChangedRows) -> Vec<ChangedRows> {
    let mut parts = vec![ChangedRows::new()];
    let mut free = ROWS_TOGETHER;
    for (day, mut chatbots) in changed {
        while chatbots.len() > free {
            let rest = chatbots.iter().nth(free).cloned().map(|first| chatbots.split_off(&first));
            parts
                .last_mut()
                .into_iter()
                .for_each(|part| drop(part.insert(day, std::mem::take(&mut chatbots))));
            parts.push(ChangedRows::new());
            (chatbots, free) = (rest.unwrap_or_default(), ROWS_TOGETHER);
        }
        free -= chatbots.len();
        parts.last_mut().into_iter().for_each(|part| drop(part.insert(day, std::mem::take(&mut chatbots))));
    }
    parts
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_every_row_once_and_at_most_the_maximum() {
        let chatbots = |count: usize| (0..count).map(|n| format!("c{n:06}")).collect::<BTreeSet<String>>();
        let sizes = [3, ROWS_TOGETHER - 3, 2 * ROWS_TOGETHER + 5, 0, 7];
        let changed: ChangedRows = (0..).map(Day).zip(sizes.map(chatbots)).collect();
        let parts = parts(changed.clone());
        let part_sizes: Vec<usize> =
            parts.iter().map(|part| part.values().map(BTreeSet::len).sum()).collect();
        assert_eq!(part_sizes, [ROWS_TOGETHER, ROWS_TOGETHER, ROWS_TOGETHER, 12]);
        let mut all = ChangedRows::new();
        for (day, chatbots) in parts.into_iter().flatten() {
            for chatbot in chatbots {
                assert!(all.entry(day).or_default().insert(chatbot), "a row is in two parts");
            }
        }
        all.entry(Day(3)).or_default();
        assert_eq!(all, changed);
    }
}
