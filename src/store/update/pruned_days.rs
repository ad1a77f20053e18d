//! Statistics of days whose sessions were pruned.
//!
//! The row of such a day sums the contributions of the pruned and of the retained sessions. Only
//! the latter can change: a late event extends a session, another time zone moves a session to
//! another day, or a longer timeout merges two sessions. The row then changes by the difference
//! between the statistics of the retained sessions after and before the change. Sums stay exact.
//!
//! Visitors are not additive. For pruned sessions, only the new visitors are known
//! (`counted_new_on`). A returning visitor who has both pruned and retained sessions is counted
//! twice if the retained session arrives later. A visitor whose last retained session leaves the
//! day is subtracted, even if the day has a pruned session of that visitor. Top lists of pruned
//! days lack entries that were not in the top 10 when the sessions were pruned.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use serde_json::{Map, Value};

use super::daily_inputs::{aggregate_day, first_seen_on};
use super::visitors::FirstSeenUpdate;
use crate::daily_stats::{DailyStats, DayAggregate, DayAggregates, TOP_ENTRIES, VisitorSet, top_list_json};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;
use crate::store::tables::visitors::{COUNTED_COLUMNS, counted_as_new};
use crate::time::{DAY, Day, Micros};

/// A chatbot and a day.
type ChatbotDay = (String, Day);

/// The visitors whom statistics count as new because of pruned sessions, by chatbot and day.
pub type CountedVisitors = HashMap<ChatbotDay, VisitorSet>;

/// The statistics of the retained sessions of a chatbot on a pruned day.
#[derive(Clone, Debug, Default)]
pub struct RetainedStats {
    /// The row of the retained sessions, with lists of all entries; `None` without sessions.
    row: Option<DailyStats>,
    visitors: VisitorSet,
    new_visitors: VisitorSet,
}

impl RetainedStats {
    fn new(
        aggregate: DayAggregate,
        chatbot: &str,
        day: Day,
        first_seen: Option<&VisitorSet>,
    ) -> RetainedStats {
        let is_new = |visitor| first_seen.is_some_and(|visitors| visitors.contains(&visitor));
        let new_visitors: VisitorSet = aggregate.new_visitors(is_new).collect();
        let visitors = aggregate.visitors().collect();
        let row = aggregate.row(chatbot.to_owned(), day, new_visitors.len() as i64, usize::MAX, 0);
        RetainedStats { row: Some(row), visitors, new_visitors }
    }

    /// Removes from the aggregates the chatbots whose sessions of the day were pruned. Returns the
    /// statistics of their retained sessions. `first_seen` are the visitors first seen on the day.
    pub fn extract(
        aggregates: &mut DayAggregates,
        day: Day,
        ledger: &Ledger,
        first_seen: Option<&VisitorSet>,
    ) -> BTreeMap<String, RetainedStats> {
        let pruned = aggregates.chatbots().filter(|chatbot| ledger.sessions_pruned(chatbot, day));
        let pruned: Vec<String> = pruned.map(str::to_owned).collect();
        let stats = |chatbot: String| {
            let stats = RetainedStats::new(aggregates.remove(&chatbot)?, &chatbot, day, first_seen);
            Some((chatbot, stats))
        };
        pruned.into_iter().filter_map(stats).collect()
    }

    /// Returns a lower bound of the row: the retained sessions, and the visitors who count as new
    /// because of pruned sessions (`counted`).
    pub fn lower_bound(&self, chatbot: &str, day: Day, counted: &VisitorSet) -> DailyStats {
        let empty = || DayAggregate::default().row(chatbot.to_owned(), day, 0, TOP_ENTRIES, 0);
        let mut row = self.row.clone().unwrap_or_else(empty);
        row.unique_visitors = union_size(&self.visitors, counted);
        row.new_visitors = union_size(&self.new_visitors, counted);
        row
    }

    /// Returns the row of a day without a stored row: the lower bound, with at least one session
    /// per visitor.
    pub fn standalone_row(&self, chatbot: &str, day: Day, counted: &VisitorSet) -> DailyStats {
        let empty = RetainedStats::default().lower_bound(chatbot, day, &VisitorSet::default());
        let mut row = empty.clone();
        add_difference(&mut row, &self.lower_bound(chatbot, day, counted), &empty);
        row.total_sessions = row.total_sessions.max(row.unique_visitors);
        row
    }
}

fn union_size(a: &VisitorSet, b: &VisitorSet) -> i64 {
    (a.len() + b.iter().filter(|visitor| !a.contains(visitor)).count()) as i64
}

/// The statistics of the retained sessions of pruned days, before a change.
#[derive(Debug)]
pub struct PrunedDays<'a> {
    ledger: &'a Ledger,
    retained: BTreeMap<ChatbotDay, RetainedStats>,
    counted: CountedVisitors,
    /// Days whose sessions the change does not affect, so that their statistics stay the same.
    unaffected: BTreeSet<Day>,
}

impl<'a> PrunedDays<'a> {
    /// Computes the statistics before a change. `since` is the earliest time that the change
    /// affects: sessions that ended earlier, and visitors first seen earlier, do not change.
    ///
    /// # Errors
    /// Fails if a stored file cannot be read.
    pub fn load(snapshot: &Snapshot, ledger: &'a Ledger, since: Micros) -> Result<PrunedDays<'a>> {
        let (mut affected, mut unaffected) = (BTreeSet::new(), BTreeSet::new());
        let last = snapshot.manifest().sessions_pruned_through;
        for file in snapshot.manifest().files(Table::Sessions) {
            if last.is_some_and(|last| file.day <= last) && is_pruned_for_any_chatbot(ledger, file.day) {
                if file.max_time >= since { &mut affected } else { &mut unaffected }.insert(file.day);
            }
        }
        unaffected.retain(|day| !affected.contains(day));
        let days: Vec<Day> = affected.into_iter().collect();
        let (retained, counted) = (BTreeMap::new(), CountedVisitors::new());
        let mut pruned = PrunedDays { ledger, retained, counted, unaffected };
        if days.is_empty() {
            return Ok(pruned);
        }
        let first_seen = first_seen_on(snapshot, &days, snapshot.zone())?;
        pruned.counted = counted_visitors_on(snapshot, &days)?;
        for day in days {
            let (mut aggregates, _) = aggregate_day(snapshot, day, None, |_| true)?;
            let retained = RetainedStats::extract(&mut aggregates, day, ledger, first_seen.get(&day));
            pruned.retained.extend(retained.into_iter().map(|(chatbot, stats)| ((chatbot, day), stats)));
        }
        Ok(pruned)
    }

    /// Returns the ledger.
    pub fn ledger(&self) -> &'a Ledger {
        self.ledger
    }

    /// Adjusts the row of a pruned day to a change of its retained sessions and new visitors.
    ///
    /// `after` has the statistics of the retained sessions after the change. `counted` are the
    /// visitors whom the day counts as new after the change because of pruned sessions.
    /// `no_longer_counted` are the visitors whom the day counted as new only before the change: see
    /// [`no_longer_counted`].
    pub(super) fn adjust_row(
        &self,
        row: &mut DailyStats,
        after: &RetainedStats,
        no_longer_counted: &CountedVisitors,
        counted: &CountedVisitors,
    ) {
        let key = &(row.chatbot_id.clone(), row.stat_date);
        let (chatbot, day) = (key.0.as_str(), key.1);
        let of_key = |visitors: &CountedVisitors| visitors.get(key).cloned().unwrap_or_default();
        let no_longer_counted = of_key(no_longer_counted);
        // Include forgotten visitors: the row still counts them.
        let mut counted = of_key(counted);
        counted.extend(of_key(&self.counted));
        let mut counted_before = counted.clone();
        counted_before.extend(&no_longer_counted);
        counted.retain(|visitor| !no_longer_counted.contains(visitor));

        let none = RetainedStats::default();
        let before =
            if self.unaffected.contains(&day) { after } else { self.retained.get(key).unwrap_or(&none) };
        let lower_bound = after.lower_bound(chatbot, day, &counted);
        let mut row_after = lower_bound.clone();
        // A visitor that is no longer new is still a visitor.
        row_after.unique_visitors = union_size(&after.visitors, &counted_before);
        add_difference(row, &row_after, &before.lower_bound(chatbot, day, &counted_before));
        raise_to_lower_bound(row, &lower_bound);
    }
}

/// Returns the visitors whom a day no longer counts as new, because an earlier event of theirs was
/// ingested.
pub(super) fn no_longer_counted(updates: &[FirstSeenUpdate]) -> CountedVisitors {
    let mut visitors = CountedVisitors::new();
    for FirstSeenUpdate { previous, counted_new_on, .. } in updates {
        if let Some(day) = previous.counted_new_on.filter(|day| *counted_new_on != Some(*day)) {
            visitors.entry((previous.chatbot_id.clone(), day)).or_default().insert(previous.hash());
        }
    }
    visitors
}

/// Returns whether sessions of a day were pruned for any chatbot.
pub fn is_pruned_for_any_chatbot(ledger: &Ledger, day: Day) -> bool {
    ledger.pruned_sessions.values().any(|days| days.contains(day))
}

/// Returns the visitors whom the statistics of the days count as new because of pruned sessions.
///
/// # Errors
/// Fails if a file of visitors cannot be read.
pub fn counted_visitors_on(snapshot: &Snapshot, days: &[Day]) -> Result<CountedVisitors> {
    let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else {
        return Ok(CountedVisitors::new());
    };
    // The visitors may have been counted in a time zone other than the current one: allow three
    // days.
    let (from, to) = (i64::from(first.0 - 3) * DAY, i64::from(last.0 + 4) * DAY);
    let files = snapshot.manifest().files(Table::Visitors).par_iter();
    let files = files.filter(|file| file.min_time < to && from <= file.max_time);
    let counted: Vec<Vec<(ChatbotDay, u128)>> = files
        .map(|file| {
            let frame = snapshot.read_file(file, Some(&COUNTED_COLUMNS))?;
            let on_days = counted_as_new(&frame)?.filter(|(_, _, day)| days.contains(day));
            Ok(on_days.map(|(chatbot, hash, day)| ((chatbot.to_owned(), day), hash)).collect())
        })
        .collect::<Result<_>>()?;
    let mut visitors = CountedVisitors::new();
    for (key, hash) in counted.into_iter().flatten() {
        visitors.entry(key).or_default().insert(hash);
    }
    Ok(visitors)
}

/// Adds the difference of two rows to a row.
fn add_difference(row: &mut DailyStats, after: &DailyStats, before: &DailyStats) {
    for (((_, sum), (_, after)), (_, before)) in
        row.sums_mut().into_iter().zip(after.sums()).zip(before.sums())
    {
        *sum = sum.saturating_add(after.saturating_sub(before));
    }
    for (count, after, before) in [
        (&mut row.unique_visitors, after.unique_visitors, before.unique_visitors),
        (&mut row.new_visitors, after.new_visitors, before.new_visitors),
    ] {
        *count = count.saturating_add(after - before);
    }
    let top = TOP_ENTRIES;
    for (list, after, before, key, max_entries) in [
        (&mut row.top_referrers, &after.top_referrers, &before.top_referrers, "domain", top),
        (&mut row.top_landing_pages, &after.top_landing_pages, &before.top_landing_pages, "page", top),
        (&mut row.utm_sources, &after.utm_sources, &before.utm_sources, "source", usize::MAX),
    ] {
        if after != before {
            *list = add_list_difference(list, after, before, key, max_entries);
        }
    }
}

/// Raises the values of a row to a lower bound.
fn raise_to_lower_bound(row: &mut DailyStats, lower_bound: &DailyStats) {
    for ((_, sum), (_, least)) in row.sums_mut().into_iter().zip(lower_bound.sums()) {
        *sum = (*sum).max(least);
    }
    // If there are sessions, there is at least one visitor.
    let min_visitors = lower_bound.unique_visitors.max(row.total_sessions.min(1));
    row.unique_visitors = row.unique_visitors.max(min_visitors);
    // The new and the returning visitors add up to all visitors.
    let max_new = row.unique_visitors - lower_bound.returning_visitors();
    row.new_visitors = row.new_visitors.clamp(lower_bound.new_visitors, max_new);
}

/// Adds the difference between the counts of two lists to the counts of a list.
fn add_list_difference(list: &str, after: &str, before: &str, key: &str, max_entries: usize) -> String {
    let mut counts: HashMap<String, i64> = HashMap::new();
    for (list, sign) in [(list, 1), (after, 1), (before, -1)] {
        let entries: Vec<Map<String, Value>> = serde_json::from_str(list).unwrap_or_default();
        for entry in entries {
            let name = entry.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
            let count = entry.get("count").and_then(Value::as_i64).unwrap_or(0);
            *counts.entry(name).or_default() += sign * count;
        }
    }
    counts.retain(|_, count| *count > 0);
    top_list_json(counts.iter().map(|(name, count)| (name.as_str(), *count)), max_entries, key)
}
