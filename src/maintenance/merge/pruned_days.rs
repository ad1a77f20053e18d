//! The pruned days of a source that the target adopts.
//!
//! Days are adopted separately for each chatbot. The target adopts a date whose events the source
//! has pruned if it has no events of the chatbot on that date. It adopts a day whose sessions or
//! statistics the source has pruned if it has no statistics of the chatbot on that day, has pruned
//! neither sessions nor statistics of the day, and has no session that continues into it. The
//! statistics of an adopted day are copied, since they cannot be recomputed. All other data of the
//! target remains unchanged.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::run::{MergeRun, PendingStatistics};
use super::source::SourceState;
use crate::daily_stats::DailyStats;
use crate::error::Result;
use crate::ingest::batch::TableChanges;
use crate::store::Snapshot;
use crate::store::columns::Table;
use crate::store::ledger::{DaySet, Ledger};
use crate::store::tables;
use crate::store::tables::sessions::{KEY_COLUMNS, SessionKeys};
use crate::store::update;
use crate::store::update::visitors::FirstSeenUpdate;
use crate::time::{Day, Micros};

/// Days by chatbot.
type ChatbotDays = BTreeMap<String, DaySet>;

/// The pruned days of a source that the target adopts.
#[derive(Debug, Default)]
pub(super) struct AdoptedDays {
    events: ChatbotDays,
    sessions: ChatbotDays,
    daily_stats: ChatbotDays,
}

impl AdoptedDays {
    /// Finds the days to adopt, given the state of the target and both ledgers.
    pub(super) fn find(target: &Snapshot, own: &Ledger, source: &Ledger) -> Result<AdoptedDays> {
        let mut adopted = AdoptedDays::default();
        let with_events = chatbots_with_events(target, &source.pruned_events)?;
        insert_all(&mut adopted.events, &source.pruned_events, |chatbot, day| {
            !with_events.get(&day).is_some_and(|chatbots| chatbots.contains(chatbot))
        });
        let with_statistics =
            days_with_statistics(target, &[&source.pruned_sessions, &source.pruned_daily_stats])?;
        let has_nothing = |chatbot: &str, day: Day| {
            !with_statistics.contains(&(chatbot.to_owned(), day))
                && !own.sessions_pruned(chatbot, day)
                && !own.daily_stats_pruned(chatbot, day)
        };
        let mut candidates = ChatbotDays::new();
        insert_all(&mut candidates, &source.pruned_sessions, has_nothing);
        insert_all(&mut candidates, &source.pruned_daily_stats, has_nothing);
        // The source may have counted the end of such a session as a separate session of that day.
        let continued = days_of_continued_sessions(target, &candidates)?;
        let is_adopted = |chatbot: &str, day: Day| {
            has_nothing(chatbot, day) && !continued.contains(&(chatbot.to_owned(), day))
        };
        insert_all(&mut adopted.sessions, &source.pruned_sessions, is_adopted);
        insert_all(&mut adopted.daily_stats, &source.pruned_daily_stats, is_adopted);
        Ok(adopted)
    }

    /// Returns whether a day of a chatbot is among the adopted days with pruned sessions.
    pub(super) fn has_sessions_of(&self, chatbot: &str, day: Day) -> bool {
        self.sessions.get(chatbot).is_some_and(|days| days.contains(day))
    }

    /// Copies the statistics of the days, and records the days in the ledger. `late` are the
    /// visitors whom these statistics count as new, although their first-seen time in the target is
    /// on an earlier day. Returns the number of copied rows.
    pub(super) fn write(
        &self,
        run: &mut MergeRun<'_>,
        state: &SourceState<'_>,
        late: Vec<FirstSeenUpdate>,
    ) -> Result<u64> {
        let rows = self.rows(&state.snapshot)?;
        let copied = rows.len() as u64;
        if copied > 0 {
            let after = run.transaction.snapshot()?;
            update::daily::replace_rows(&after, run.transaction, rows)?;
        }
        let own = &mut run.ledger;
        insert_all(&mut own.pruned_events, &self.events, |_, _| true);
        insert_all(&mut own.pruned_sessions, &self.sessions, |_, _| true);
        insert_all(&mut own.pruned_daily_stats, &self.daily_stats, |_, _| true);
        let ledger = run.ledger.clone();
        let last = ledger.pruned_sessions.values().filter_map(DaySet::last).max();
        let manifest = run.transaction.manifest();
        manifest.sessions_pruned_through = manifest.sessions_pruned_through.max(last);
        let last = ledger.pruned_events.values().filter_map(DaySet::last).max();
        manifest.events_pruned_through = manifest.events_pruned_through.max(last);
        if !late.is_empty() {
            let mut statistics = PendingStatistics::new(run.transaction, &ledger, run.clock.now)?;
            let changes = TableChanges { first_seen_updates: late, since: Micros::MIN, ..Default::default() };
            statistics.add(run.transaction, changes)?;
            statistics.apply(run.transaction)?;
        }
        Ok(copied)
    }

    /// Returns the statistics of the source on the days whose sessions it has pruned.
    fn rows(&self, source: &Snapshot) -> Result<Vec<DailyStats>> {
        let mut rows = Vec::new();
        for month in months(&[&self.sessions]) {
            for file in source.partition(Table::DailyStats, month) {
                let of_file = tables::daily_stats::read(&source.read_file_checked(file)?)?;
                rows.extend(
                    of_file.into_iter().filter(|row| self.has_sessions_of(&row.chatbot_id, row.stat_date)),
                );
            }
        }
        Ok(rows)
    }
}

/// Adds the days of `from` for which `is_adopted` returns true.
fn insert_all(to: &mut ChatbotDays, from: &ChatbotDays, is_adopted: impl Fn(&str, Day) -> bool) {
    for (chatbot, days) in from {
        let adopted: Vec<Day> = days.days().filter(|day| is_adopted(chatbot, *day)).collect();
        if !adopted.is_empty() {
            let days = to.entry(chatbot.clone()).or_default();
            adopted.into_iter().for_each(|day| days.insert(day));
        }
    }
}

/// Returns the months of the given days.
fn months(days: &[&ChatbotDays]) -> BTreeSet<Day> {
    days.iter().flat_map(|days| days.values()).flat_map(DaySet::days).map(Day::month_start).collect()
}

/// Returns the chatbots with events on each of the given dates.
fn chatbots_with_events(target: &Snapshot, dates: &ChatbotDays) -> Result<BTreeMap<Day, BTreeSet<String>>> {
    let mut found: BTreeMap<Day, BTreeSet<String>> = BTreeMap::new();
    let dates: BTreeSet<Day> = dates.values().flat_map(DaySet::days).collect();
    for file in target.manifest().files(Table::Events).iter().filter(|file| dates.contains(&file.day)) {
        let chatbots = found.entry(file.day).or_default();
        target.read_groups(file, &["chatbot_id"], |frame| {
            let distinct: HashSet<&str> = frame.texts("chatbot_id")?.iter().flatten().collect();
            chatbots.extend(distinct.into_iter().map(str::to_owned));
            Ok(())
        })?;
    }
    Ok(found)
}

/// Returns the chatbots and days with statistics, in the months of the given days.
fn days_with_statistics(target: &Snapshot, days: &[&ChatbotDays]) -> Result<HashSet<(String, Day)>> {
    let mut found = HashSet::new();
    for month in months(days) {
        for file in target.partition(Table::DailyStats, month) {
            let frame = target.read_file(file, Some(&["chatbot_id", "stat_date"]))?;
            let (chatbots, dates) = (frame.texts("chatbot_id")?, frame.ints("stat_date")?);
            found.extend(
                (0..frame.height())
                    .filter_map(|row| Some((chatbots.get(row)?.to_owned(), Day(dates.get_i32(row)?)))),
            );
        }
    }
    Ok(found)
}

/// Returns those of the given chatbots and days on which a session of an earlier day continues.
fn days_of_continued_sessions(target: &Snapshot, days: &ChatbotDays) -> Result<HashSet<(String, Day)>> {
    let zone = target.zone();
    let wanted: BTreeSet<Day> = days.values().flat_map(DaySet::days).collect();
    let mut found = HashSet::new();
    for file in target.manifest().files(Table::Sessions) {
        let last = zone.day(file.max_time);
        if file.day >= last || wanted.range(file.day.plus(1)..=last).next().is_none() {
            continue;
        }
        let frame = target.read_file(file, Some(&KEY_COLUMNS))?;
        let keys = SessionKeys::new(&frame)?;
        for row in 0..frame.height() {
            let (start, end) = keys.interval(row);
            let chatbot = keys.chatbot(row);
            let continued = (zone.day(start).0 + 1..=zone.day(end).0).map(Day);
            let of_chatbot = |day: &Day| days.get(chatbot).is_some_and(|days| days.contains(*day));
            found.extend(continued.filter(of_chatbot).map(|day| (chatbot.to_owned(), day)));
        }
    }
    Ok(found)
}
