//! Recomputes daily statistics from the sessions of each day.
//!
//! Only the rows of the chatbots and days that changed are recomputed. A limited number is
//! recomputed at a time, so that memory does not grow with the number of chatbots. Rows of days
//! whose sessions were pruned are instead adjusted by the change of the retained sessions: see
//! [`pruned_days`](super::pruned_days). Days whose statistics were pruned get no row.

use std::collections::{BTreeMap, HashMap};

use hashbrown::HashSet;

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

/// Maximum number of rows that are recomputed together. Each takes about a kilobyte. The sessions
/// of a day are read once for each part of its rows.
const ROWS_TOGETHER: usize = 1 << 17;

/// Some days of a month, with the chatbots whose rows must be recomputed.
pub(super) type ChangedRows = BTreeMap<Day, HashSet<String>>;

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
        month.entry(row.stat_date).or_default().insert(row.chatbot_id.clone(), row);
    }
    for (month, rows) in months {
        let chatbots = |(day, rows): (&Day, &hashbrown::HashMap<String, DailyStats>)| {
            (*day, rows.keys().cloned().collect())
        };
        let changed: ChangedRows = rows.iter().map(chatbots).collect();
        let mut stored = MonthlyRows::new(after, month);
        let before = stored.find(&changed)?;
        stored.replace(&before, &rows)?;
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
            let mut before = stored.find(&part)?;
            let days = part.into_iter().map(|(day, chatbots)| (day, chatbots, aggregates.remove(&day)));
            let (rows, read) = self.recompute(&mut before, days.collect())?;
            sessions_read += read;
            stored.replace(&before, &rows)?;
        }
        let rows_read = stored.rows_read();
        if let Some(output) = stored.finish()? {
            output.add_to(transaction)?;
        }
        Ok(sessions_read + rows_read)
    }

    /// Returns the rows after the change: the new values of the rows in `before`, and rows for
    /// chatbots and days that have no row yet. Rows that do not change are removed from `before`
    /// and not returned. Also returns the number of sessions that were read.
    fn recompute(
        &self,
        before: &mut Rows,
        days: Vec<(Day, HashSet<String>, Option<PartialDay>)>,
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
            let mut rows = hashbrown::HashMap::with_capacity(aggregates.chatbot_count());
            let fresh = aggregates.finish(day, is_new, self.now);
            let fresh = fresh.filter(|row| !ledger.daily_stats_pruned(&row.chatbot_id, day));
            rows.extend(fresh.map(|row| (row.chatbot_id.clone(), row)));
            Ok((day, retained, rows, read))
        })?;
        let mut rows = Rows::new();
        let mut sessions_read = 0;
        for (day, retained, mut of_day, read) in recomputed {
            sessions_read += read;
            if pruned_dates.contains(&day) {
                let keeps_row = |chatbot: &str| {
                    ledger.sessions_pruned(chatbot, day) && !ledger.daily_stats_pruned(chatbot, day)
                };
                let kept = before.get(&day).into_iter().flatten().filter(|(chatbot, _)| keeps_row(chatbot));
                of_day.extend(kept.map(|(chatbot, row)| (chatbot.clone(), row.clone())));
                self.adjust_pruned_day(&mut of_day, day, retained, &counted);
            }
            if let Some(old_rows) = before.get_mut(&day) {
                of_day.retain(|chatbot, row| {
                    let Some(old) = old_rows.get(chatbot) else { return true };
                    if row.same_metrics(old) {
                        old_rows.remove(chatbot);
                        return false;
                    }
                    (row.created_at, row.updated_at) = (old.created_at, self.now);
                    true
                });
            }
            rows.insert(day, of_day);
        }
        Ok((rows, sessions_read))
    }

    /// Adjusts the rows of the chatbots whose sessions of the day were pruned. `retained` describes
    /// the retained sessions after the change.
    fn adjust_pruned_day(
        &self,
        rows: &mut hashbrown::HashMap<String, DailyStats>,
        day: Day,
        mut retained: BTreeMap<String, RetainedStats>,
        counted: &CountedVisitors,
    ) {
        let ledger = self.pruned.ledger();
        for (chatbot, row) in rows.iter_mut() {
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
            (chatbot, DailyStats { created_at: self.now, updated_at: self.now, ..row })
        }));
    }
}

/// Divides rows into parts of at most [`ROWS_TOGETHER`]. If the chatbots of a day are in several
/// parts, each part has those of a range of names.
fn parts(changed: ChangedRows) -> Vec<ChangedRows> {
    let mut parts = vec![ChangedRows::new()];
    let mut free = ROWS_TOGETHER;
    let add = |parts: &mut Vec<ChangedRows>, day: Day, chatbots: HashSet<String>| {
        if let Some(part) = parts.last_mut() {
            part.insert(day, chatbots);
        }
    };
    for (day, chatbots) in changed {
        if chatbots.len() <= free {
            free -= chatbots.len();
            add(&mut parts, day, chatbots);
            continue;
        }
        let mut names: Vec<String> = chatbots.into_iter().collect();
        names.sort_unstable();
        let mut names = names.into_iter();
        while names.len() > free {
            add(&mut parts, day, names.by_ref().take(free).collect());
            parts.push(ChangedRows::new());
            free = ROWS_TOGETHER;
        }
        free -= names.len();
        add(&mut parts, day, names.collect());
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
        let chatbots = |count: usize| (0..count).map(|n| format!("c{n:06}")).collect::<HashSet<String>>();
        let sizes = [3, ROWS_TOGETHER - 3, 2 * ROWS_TOGETHER + 5, 0, 7];
        let changed: ChangedRows = (0..).map(Day).zip(sizes.map(chatbots)).collect();
        let parts = parts(changed.clone());
        let part_sizes: Vec<usize> = parts.iter().map(|part| part.values().map(HashSet::len).sum()).collect();
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
