//! Daily statistics against the held sessions.
//!
//! The rows of a chatbot's days whose sessions were pruned stay as they are: what is left of the
//! sessions is not the whole day.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::Differences;
use super::seam::Seam;
use crate::daily_stats::DailyStats;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::update::daily::{first_seen_on, of_day};
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
pub fn check(snapshot: &Snapshot, seam: &Seam, differences: &mut Differences) -> Result<u64> {
    let mut compared = 0;
    for (month, days) in months(snapshot) {
        let mut stored: BTreeMap<(String, Day), DailyStats> = BTreeMap::new();
        let files = snapshot.manifest().files(Table::DailyStats).iter().filter(|file| file.day == month);
        for file in files {
            let frame = snapshot.read_file_checked(file)?;
            let rows = tables::daily_stats::read(&frame)?;
            if !frame.equals_missing(&tables::daily_stats::frame(&rows)?) {
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
        for &day in &days {
            for row in of_day(snapshot, day, None, &first_seen, 0)? {
                if seam.ledger().sessions_pruned(&row.chatbot_id, day) {
                    stored.remove(&(row.chatbot_id, day));
                    continue;
                }
                if seam.ledger().daily_stats_pruned(&row.chatbot_id, day) {
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
            if seam.ledger().daily_stats_pruned(&row.chatbot_id, row.stat_date) {
                differences.add("daily_stats", || format!("{} was pruned and has a row", name(&row)));
            } else if !seam.ledger().sessions_pruned(&row.chatbot_id, row.stat_date) {
                differences.add("daily_stats", || format!("{} has a row and no sessions", name(&row)));
            }
        }
    }
    Ok(compared)
}

fn name(row: &DailyStats) -> String {
    format!("{} of chatbot {:?}", row.stat_date, row.chatbot_id)
}

/// Names the columns in which two rows differ, with what they are and what they should be.
fn unlike(was: &DailyStats, is: &DailyStats) -> String {
    let numbers = [
        ("total_sessions", was.total_sessions, is.total_sessions),
        ("unique_visitors", was.unique_visitors, is.unique_visitors),
        ("new_visitors", was.new_visitors, is.new_visitors),
        ("total_conversations", was.total_conversations, is.total_conversations),
        ("total_messages_sent", was.total_messages_sent, is.total_messages_sent),
        ("total_messages_received", was.total_messages_received, is.total_messages_received),
        ("widget_loads", was.widget_loads, is.widget_loads),
        ("widget_opens", was.widget_opens, is.widget_opens),
        ("error_count", was.error_count, is.error_count),
        ("desktop_sessions", was.desktop_sessions, is.desktop_sessions),
        ("mobile_sessions", was.mobile_sessions, is.mobile_sessions),
        ("tablet_sessions", was.tablet_sessions, is.tablet_sessions),
        ("bot_sessions", was.bot_sessions, is.bot_sessions),
        ("session_duration_sum_seconds", was.session_duration_sum_seconds, is.session_duration_sum_seconds),
        ("response_time_sum_us", was.response_time_sum_us, is.response_time_sum_us),
        ("response_time_count", was.response_time_count, is.response_time_count),
    ];
    let texts = [
        ("top_referrers", &was.top_referrers, &is.top_referrers),
        ("top_landing_pages", &was.top_landing_pages, &is.top_landing_pages),
        ("utm_sources", &was.utm_sources, &is.utm_sources),
    ];
    let numbers = numbers.iter().filter(|(_, was, is)| was != is);
    let texts = texts.iter().filter(|(_, was, is)| was != is);
    let mut said: Vec<String> = numbers.map(|(name, was, is)| format!("{name} is {was}, not {is}")).collect();
    said.extend(texts.map(|(name, ..)| format!("{name} differs")));
    said.join(", ")
}
