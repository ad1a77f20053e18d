//! Daily statistics against the held sessions.
//!
//! Of a chatbot's days whose sessions were pruned, what is left of the sessions is not the whole day:
//! their rows say no less than that.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::Differences;
use super::replay::pruned_boundary::PrunedBoundary;
use crate::daily_stats::{DailyStats, VisitorSet};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::update::daily_inputs::{aggregate_day, first_seen_on};
use crate::store::update::pruned_days::{RetainedStats, counted_visitors_on, is_pruned_for_any_chatbot};
use crate::time::Day;

/// Returns the days that hold sessions, and those that statistics may be of, by their months.
fn months(snapshot: &Snapshot) -> BTreeMap<Day, BTreeSet<Day>> {
    let mut months: BTreeMap<Day, BTreeSet<Day>> = BTreeMap::new();
    for file in snapshot.manifest().files(Table::Sessions) {
        months.entry(file.day.month_start()).or_default().insert(file.day);
    }
    for file in snapshot.manifest().files(Table::DailyStats) {
        months.entry(file.day).or_default();
    }
    months
}

/// Compares the statistics with the sessions.
pub fn check(snapshot: &Snapshot, boundary: &PrunedBoundary, differences: &mut Differences) -> Result<u64> {
    let mut compared = 0;
    let nobody = VisitorSet::default();
    for (month, days) in months(snapshot) {
        let mut stored: BTreeMap<(String, Day), DailyStats> = BTreeMap::new();
        let files = snapshot.manifest().files(Table::DailyStats).iter().filter(|file| file.day == month);
        for file in files {
            let frame = snapshot.read_file_checked(file)?;
            let rows = tables::daily_stats::read(&frame)?;
            if frame != tables::daily_stats::frame(&rows)? {
                differences.add(&file.path, || "its rates and means are not those of its sums".to_owned());
            }
            for row in rows {
                let key = (row.chatbot_id.clone(), row.stat_date);
                if let Some(other) = stored.insert(key, row) {
                    differences.add("daily_stats", || format!("{} has more than one row", name(&other)));
                }
            }
        }
        let mut days = days;
        days.extend(stored.keys().map(|(_, day)| *day));
        let days: Vec<Day> = days.into_iter().collect();
        let first_seen = first_seen_on(snapshot, &days, snapshot.zone())?;
        let ledger = boundary.ledger();
        let frozen: Vec<Day> =
            days.iter().copied().filter(|day| is_pruned_for_any_chatbot(ledger, *day)).collect();
        let marked = counted_visitors_on(snapshot, &frozen)?;
        for &day in &days {
            let mut tallies = aggregate_day(snapshot, day, None)?;
            let first_seen = first_seen.get(&day);
            let mut held = RetainedStats::extract(&mut tallies, day, ledger, first_seen);
            let is_frozen = |(chatbot, d): &&(String, Day)| *d == day && ledger.sessions_pruned(chatbot, day);
            let places: Vec<(String, Day)> = stored.keys().filter(is_frozen).cloned().collect();
            for place in places {
                let Some(row) = stored.remove(&place) else { continue };
                let held = held.remove(&place.0).unwrap_or_default();
                if ledger.daily_stats_pruned(&place.0, day) {
                    differences.add("daily_stats", || format!("{} was pruned and has a row", name(&row)));
                    continue;
                }
                compared += 1;
                let marked = marked.get(&place).unwrap_or(&nobody);
                let less = less(&row, &held.lower_bound(&place.0, day, marked));
                if !less.is_empty() {
                    differences
                        .add("daily_stats", || format!("{} says less than its sessions: {less}", name(&row)));
                }
            }
            held.retain(|chatbot, _| !ledger.daily_stats_pruned(chatbot, day));
            for chatbot in held.keys() {
                differences
                    .add("daily_stats", || format!("{} has sessions and no row", name_of(chatbot, day)));
            }
            let is_new = |visitor| first_seen.is_some_and(|seen| seen.contains(&visitor));
            for row in tallies.finish(day, is_new, 0) {
                if ledger.daily_stats_pruned(&row.chatbot_id, day) {
                    // What is there all the same is found below.
                    continue;
                }
                compared += 1;
                match stored.remove(&(row.chatbot_id.clone(), day)) {
                    Some(was) if was.same_figures(&row) => {}
                    Some(was) => differences.add("daily_stats", || {
                        format!("{} does not say what its sessions do: {}", name(&row), unlike(&was, &row))
                    }),
                    None => {
                        differences.add("daily_stats", || format!("{} has sessions and no row", name(&row)));
                    }
                }
            }
        }
        for row in stored.into_values() {
            if ledger.daily_stats_pruned(&row.chatbot_id, row.stat_date) {
                differences.add("daily_stats", || format!("{} was pruned and has a row", name(&row)));
            } else {
                differences.add("daily_stats", || format!("{} has a row and no sessions", name(&row)));
            }
        }
    }
    Ok(compared)
}

fn name(row: &DailyStats) -> String {
    name_of(&row.chatbot_id, row.stat_date)
}

fn name_of(chatbot: &str, day: Day) -> String {
    format!("{day} of chatbot {chatbot:?}")
}

/// Names the figures of a row that are less than they can be, with what they are and the least.
fn less(row: &DailyStats, least: &DailyStats) -> String {
    let figures = |row: &DailyStats| {
        let returning = ("returning_visitors", row.returning_visitors());
        row.sums().into_iter().chain([("new_visitors", row.new_visitors), returning])
    };
    let pairs = figures(row).zip(figures(least)).filter(|((_, is), (_, least))| is < least);
    let said: Vec<String> =
        pairs.map(|((name, is), (_, least))| format!("{name} is {is}, not {least} or more")).collect();
    said.join(", ")
}

/// Names the columns in which two rows differ, with what they are and what they should be.
fn unlike(was: &DailyStats, is: &DailyStats) -> String {
    let visitors = [
        ("unique_visitors", was.unique_visitors, is.unique_visitors),
        ("new_visitors", was.new_visitors, is.new_visitors),
    ];
    let sums = was.sums().into_iter().zip(is.sums()).map(|((name, was), (_, is))| (name, was, is));
    let texts = [
        ("top_referrers", &was.top_referrers, &is.top_referrers),
        ("top_landing_pages", &was.top_landing_pages, &is.top_landing_pages),
        ("utm_sources", &was.utm_sources, &is.utm_sources),
    ];
    let numbers = sums.chain(visitors).filter(|(_, was, is)| was != is);
    let texts = texts.iter().filter(|(_, was, is)| was != is);
    let mut said: Vec<String> = numbers.map(|(name, was, is)| format!("{name} is {was}, not {is}")).collect();
    said.extend(texts.map(|(name, ..)| format!("{name} differs")));
    said.join(", ")
}
