//! Checks daily statistics against the retained sessions.
//!
//! If some sessions of a chatbot's day were pruned, the row counts both the pruned and the retained
//! sessions. Each of its sums must then be at least the sum over the retained sessions.

use std::collections::{BTreeMap, BTreeSet};

use super::difference::Differences;
use super::replay::PrunedBoundary;
use crate::daily_stats::{DailyStats, VisitorSet};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::update::daily_inputs::{aggregate_day, first_seen_on};
use crate::store::update::pruned_days::{RetainedStats, counted_visitors_on, is_pruned_for_any_chatbot};
use crate::time::Day;

/// The stored rows of a month, by chatbot and day.
type StoredRows = BTreeMap<(String, Day), DailyStats>;

/// Compares daily statistics with the sessions, and returns the number of rows compared.
pub(super) fn check_daily_stats(
    snapshot: &Snapshot,
    boundary: &PrunedBoundary,
    differences: &mut Differences,
) -> Result<u64> {
    let mut compared = 0;
    for (month, days) in months(snapshot) {
        for shard in ChatbotShard::of_month(snapshot, month) {
            compared += check_month(snapshot, boundary, (month, days.clone()), shard, differences)?;
        }
    }
    Ok(compared)
}

/// Number of rows of a month that are compared together.
const ROWS_TOGETHER: u64 = 1 << 16;

/// A subset of the chatbots. The rows and aggregates of a month are in memory, so a month with very
/// many chatbots is compared one subset at a time.
#[derive(Clone, Copy)]
struct ChatbotShard {
    index: u64,
    count: u64,
}

impl ChatbotShard {
    fn of_month(snapshot: &Snapshot, month: Day) -> impl Iterator<Item = ChatbotShard> {
        let rows: u64 = snapshot.partition(Table::DailyStats, month).map(|file| file.rows).sum();
        let count = rows.div_ceil(ROWS_TOGETHER).max(1);
        (0..count).map(move |index| ChatbotShard { index, count })
    }

    fn contains(self, chatbot: &str) -> bool {
        self.count == 1 || xxhash_rust::xxh3::xxh3_64(chatbot.as_bytes()) % self.count == self.index
    }
}

/// Compares the rows of the given chatbots in a month, and returns the number of rows compared.
fn check_month(
    snapshot: &Snapshot,
    boundary: &PrunedBoundary,
    (month, mut days): (Day, BTreeSet<Day>),
    shard: ChatbotShard,
    differences: &mut Differences,
) -> Result<u64> {
    let mut stored = read_month(snapshot, month, shard, differences)?;
    days.extend(stored.keys().map(|(_, day)| *day));
    let compared = check_days(snapshot, boundary, &days, shard, &mut stored, differences)?;
    for row in stored.into_values() {
        if boundary.ledger().daily_stats_pruned(&row.chatbot_id, row.stat_date) {
            differences.add("daily_stats", || format!("{} was pruned but has a row", describe(&row)));
        } else {
            differences.add("daily_stats", || format!("{} has a row but no sessions", describe(&row)));
        }
    }
    Ok(compared)
}

/// Returns the months with sessions or statistics, each with its days that have sessions.
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

/// Reads the rows of the given chatbots in a month, and checks their derived columns.
fn read_month(
    snapshot: &Snapshot,
    month: Day,
    shard: ChatbotShard,
    differences: &mut Differences,
) -> Result<StoredRows> {
    let mut stored = StoredRows::new();
    for file in snapshot.partition(Table::DailyStats, month) {
        let frame = snapshot.read_file_checked(file)?;
        let chatbots = frame.texts("chatbot_id")?;
        let of_shard = chatbots.iter().map(|chatbot| shard.contains(chatbot.unwrap_or("")));
        let frame = if shard.count == 1 { frame.clone() } else { frame.filter(of_shard)? };
        let rows = tables::daily_stats::read(&frame)?;
        if frame != tables::daily_stats::frame(&rows)? {
            differences.add(&file.path, || "rates and means do not match the sums".to_owned());
        }
        for row in rows {
            let key = (row.chatbot_id.clone(), row.stat_date);
            if let Some(other) = stored.insert(key, row) {
                differences.add("daily_stats", || format!("{} has more than one row", describe(&other)));
            }
        }
    }
    Ok(stored)
}

/// Compares the rows of the given days of a month with their sessions, and removes them from
/// `stored`. Returns the number of rows compared.
fn check_days(
    snapshot: &Snapshot,
    boundary: &PrunedBoundary,
    days: &BTreeSet<Day>,
    shard: ChatbotShard,
    stored: &mut StoredRows,
    differences: &mut Differences,
) -> Result<u64> {
    let mut compared = 0;
    let no_visitors = VisitorSet::default();
    let days: Vec<Day> = days.iter().copied().collect();
    let first_seen = first_seen_on(snapshot, &days, snapshot.zone())?;
    let ledger = boundary.ledger();
    let pruned_days: Vec<Day> =
        days.iter().copied().filter(|day| is_pruned_for_any_chatbot(ledger, *day)).collect();
    let counted_visitors = counted_visitors_on(snapshot, &pruned_days)?;
    for &day in &days {
        let (mut aggregates, _) = aggregate_day(snapshot, day, None, |chatbot| shard.contains(chatbot))?;
        let first_seen = first_seen.get(&day);
        // Chatbots with pruned sessions on this day.
        let mut retained = RetainedStats::extract(&mut aggregates, day, ledger, first_seen);
        let is_pruned = |(chatbot, d): &&(String, Day)| *d == day && ledger.sessions_pruned(chatbot, day);
        let keys: Vec<(String, Day)> = stored.keys().filter(is_pruned).cloned().collect();
        for key in keys {
            let Some(row) = stored.remove(&key) else { continue };
            let retained = retained.remove(&key.0).unwrap_or_default();
            if ledger.daily_stats_pruned(&key.0, day) {
                differences.add("daily_stats", || format!("{} was pruned but has a row", describe(&row)));
                continue;
            }
            compared += 1;
            let counted = counted_visitors.get(&key).unwrap_or(&no_visitors);
            let too_low = describe_too_low(&row, &retained.lower_bound(&key.0, day, counted));
            if !too_low.is_empty() {
                differences.add("daily_stats", || {
                    format!("{} is below its retained sessions: {too_low}", describe(&row))
                });
            }
        }
        retained.retain(|chatbot, _| !ledger.daily_stats_pruned(chatbot, day));
        for chatbot in retained.keys() {
            differences
                .add("daily_stats", || format!("{} has sessions but no row", describe_key(chatbot, day)));
        }
        // All other chatbots.
        let is_new = |visitor| first_seen.is_some_and(|seen| seen.contains(&visitor));
        for expected in aggregates.finish(day, is_new, 0) {
            if ledger.daily_stats_pruned(&expected.chatbot_id, day) {
                // The caller reports the rows that remain in `stored`.
                continue;
            }
            compared += 1;
            match stored.remove(&(expected.chatbot_id.clone(), day)) {
                Some(row) if row.same_metrics(&expected) => {}
                Some(row) => differences.add("daily_stats", || {
                    let details = describe_differences(&row, &expected);
                    format!("{} does not match its sessions: {details}", describe(&row))
                }),
                None => differences
                    .add("daily_stats", || format!("{} has sessions but no row", describe(&expected))),
            }
        }
    }
    Ok(compared)
}

fn describe(row: &DailyStats) -> String {
    describe_key(&row.chatbot_id, row.stat_date)
}

fn describe_key(chatbot: &str, day: Day) -> String {
    format!("{day} of chatbot {chatbot:?}")
}

/// Returns the metrics of a row that are below their minimum, as text.
fn describe_too_low(row: &DailyStats, minimum: &DailyStats) -> String {
    let metrics = |row: &DailyStats| {
        let returning = ("returning_visitors", row.returning_visitors());
        row.sums().into_iter().chain([("new_visitors", row.new_visitors), returning])
    };
    let pairs = metrics(row).zip(metrics(minimum)).filter(|((_, value), (_, minimum))| value < minimum);
    let parts: Vec<String> = pairs
        .map(|((name, value), (_, minimum))| format!("{name} is {value}, not at least {minimum}"))
        .collect();
    parts.join(", ")
}

/// Returns the columns in which a row differs from the expected one, as text.
fn describe_differences(row: &DailyStats, expected: &DailyStats) -> String {
    let visitors = [
        ("unique_visitors", row.unique_visitors, expected.unique_visitors),
        ("new_visitors", row.new_visitors, expected.new_visitors),
    ];
    let sums = row.sums().into_iter().zip(expected.sums()).map(|((name, a), (_, b))| (name, a, b));
    let texts = [
        ("top_referrers", &row.top_referrers, &expected.top_referrers),
        ("top_landing_pages", &row.top_landing_pages, &expected.top_landing_pages),
        ("utm_sources", &row.utm_sources, &expected.utm_sources),
    ];
    let numbers = sums.chain(visitors).filter(|(_, value, expected)| value != expected);
    let texts = texts.iter().filter(|(_, value, expected)| value != expected);
    let mut parts: Vec<String> =
        numbers.map(|(name, value, expected)| format!("{name} is {value}, not {expected}")).collect();
    parts.extend(texts.map(|(name, ..)| format!("{name} differs")));
    parts.join(", ")
}
