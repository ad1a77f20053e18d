//! Checks daily statistics against the retained sessions.
//!
//! If some sessions of a chatbot's day were pruned, the row counts both the pruned and the retained
//! sessions. Each of its sums must then be at least the sum over the retained sessions.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::difference::Differences;
use super::replay::PrunedBoundary;
use crate::daily_stats::{DailyStats, VisitorSet};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::update::daily_inputs::{aggregate_day, first_seen_on};
use crate::store::update::pruned_days::{RetainedStats, counted_visitors_on, is_pruned_for_any_chatbot};
use crate::time::Day;

/// The stored rows of a month, by day and chatbot.
type StoredRows = HashMap<Day, HashMap<String, DailyStats>>;

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

/// Number of rows of a month that are compared together. Each takes up to a kilobyte.
const ROWS_TOGETHER: u64 = 1 << 17;

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
    days.extend(stored.keys());
    let compared = check_days(snapshot, boundary, &days, shard, &mut stored, differences)?;
    let mut remaining: Vec<DailyStats> = stored.into_values().flat_map(HashMap::into_values).collect();
    remaining.sort_unstable_by(|a, b| (&a.chatbot_id, a.stat_date).cmp(&(&b.chatbot_id, b.stat_date)));
    for row in remaining {
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
        for frame in read_shard(snapshot, file, shard)? {
            let rows = tables::daily_stats::read(&frame)?;
            if !tables::daily_stats::is_frame_of(&frame, &rows) {
                differences.add(&file.path, || "rates and means do not match the sums".to_owned());
            }
            for row in rows {
                let of_day = stored.entry(row.stat_date).or_default();
                if let Some(other) = of_day.insert(row.chatbot_id.clone(), row) {
                    differences.add("daily_stats", || format!("{} has more than one row", describe(&other)));
                }
            }
        }
    }
    Ok(stored)
}

/// Reads the rows of the given chatbots in a file.
fn read_shard(snapshot: &Snapshot, file: &DataFile, shard: ChatbotShard) -> Result<Vec<Frame>> {
    if shard.count == 1 {
        return Ok(vec![snapshot.read_file_checked(file)?]);
    }
    // Each shard reads the file, and most of its rows belong to other shards.
    let mut groups = snapshot.row_groups(file, None)?;
    let mut frames = Vec::new();
    let of_shard = |keys: &Frame| -> Result<Vec<u32>> {
        let chatbots = keys.texts("chatbot_id")?;
        let rows = 0..keys.height() as u32;
        Ok(rows.filter(|row| shard.contains(chatbots.get(*row as usize).unwrap_or(""))).collect())
    };
    while let Some((frame, _)) = groups.next_selected(&["chatbot_id"], of_shard)? {
        frames.push(frame);
    }
    Ok(frames)
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
        let of_day = stored.entry(day).or_default();
        let pruned = of_day.extract_if(|chatbot, _| ledger.sessions_pruned(chatbot, day));
        for (chatbot, row) in pruned.collect::<BTreeMap<String, DailyStats>>() {
            let retained = retained.remove(&chatbot).unwrap_or_default();
            if ledger.daily_stats_pruned(&chatbot, day) {
                differences.add("daily_stats", || format!("{} was pruned but has a row", describe(&row)));
                continue;
            }
            compared += 1;
            let lower_bound = {
                let counted = counted_visitors.get(&(chatbot.clone(), day)).unwrap_or(&no_visitors);
                retained.lower_bound(&chatbot, day, counted)
            };
            let too_low = describe_too_low(&row, &lower_bound);
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
        let mut differing: Vec<(DailyStats, Option<DailyStats>)> = Vec::new();
        for expected in aggregates.finish(day, is_new, 0) {
            if ledger.daily_stats_pruned(&expected.chatbot_id, day) {
                // The caller reports the rows that remain in `stored`.
                continue;
            }
            compared += 1;
            let row = of_day.remove(&expected.chatbot_id);
            if !row.as_ref().is_some_and(|row| row.same_metrics(&expected)) {
                differing.push((expected, row));
            }
        }
        differing.sort_unstable_by(|(a, _), (b, _)| a.chatbot_id.cmp(&b.chatbot_id));
        for (expected, row) in differing {
            differences.add("daily_stats", || match &row {
                Some(row) => {
                    let details = describe_differences(row, &expected);
                    format!("{} does not match its sessions: {details}", describe(row))
                }
                None => format!("{} has sessions but no row", describe(&expected)),
            });
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
