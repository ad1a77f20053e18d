//! Works the daily statistics of touched days out again, from the sessions.
//!
//! The days of a chatbot whose sessions are pruned keep their rows; only their new and returning
//! visitors are put right, where a first sight moved away from them. Days whose statistics were pruned
//! themselves get none again.

use std::collections::{BTreeMap, HashMap, HashSet};

use polars::prelude::DataFrame;
use rayon::prelude::*;

use super::few_at_once;
use super::sessions::Changed;
use super::visitors::Moved;
use crate::daily_stats::{DailyStats, Tallies, Visitors};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::encode::FileBuilder;
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;
use crate::store::tables::{self, daily_stats::FACT_COLUMNS, visitors};
use crate::store::transaction::{NewFile, Transaction};
use crate::time::{Day, Micros, Zone};

/// Works out the rows of the days again, in the state that `after` shows (the tables of sessions
/// and visitors as the transaction will leave them).
pub fn update(
    after: &Snapshot,
    transaction: &mut Transaction,
    changed: Changed,
    moved: &[Moved],
    ledger: &Ledger,
    zone: Zone,
    now: Micros,
) -> Result<()> {
    let Changed { mut days, mut tallies, .. } = changed;
    for change in moved {
        // A time zone may have changed since it was counted.
        days.insert(change.was.counted_new_on.unwrap_or_else(|| zone.day(change.was.first_seen_at)));
        days.insert(zone.day(change.first_seen_at));
    }
    let mut months: BTreeMap<Day, Vec<Day>> = BTreeMap::new();
    for day in days {
        months.entry(day.month_start()).or_default().push(day);
    }
    for (month, days) in months {
        let counted = &mut tallies;
        update_month(after, transaction, month, &days, counted, moved, ledger, zone, now)?;
    }
    Ok(())
}

#[allow(clippy::too_many_arguments)] // one caller, a few lines above
fn update_month(
    after: &Snapshot,
    transaction: &mut Transaction,
    month: Day,
    days: &[Day],
    counted: &mut HashMap<Day, (String, Tallies)>,
    moved: &[Moved],
    ledger: &Ledger,
    zone: Zone,
    now: Micros,
) -> Result<()> {
    let mut rows: BTreeMap<(String, Day), DailyStats> = BTreeMap::new();
    let old: Vec<String> = after
        .manifest()
        .files(Table::DailyStats)
        .iter()
        .filter(|file| file.day == month)
        .map(|file| {
            for row in tables::daily_stats::read(&after.read_file_checked(file)?)? {
                rows.insert((row.chatbot_id.clone(), row.stat_date), row);
            }
            Ok(file.path.clone())
        })
        .collect::<Result<_>>()?;
    let before = rows.clone();
    let first_seen = first_seen_on(after, days, zone)?;
    let work: Vec<_> = days.iter().map(|day| (*day, counted.remove(day))).collect();
    let made = few_at_once(work, |(day, counted)| Ok((day, of_day(after, day, counted, &first_seen, now)?)))?;
    for (day, made) in made {
        let mut fresh: HashMap<String, DailyStats> = made
            .into_iter()
            .map(|row| (row.chatbot_id.clone(), row))
            .filter(|(chatbot, _)| !ledger.daily_stats_pruned(chatbot, day))
            .collect();
        let known: Vec<String> = rows.keys().filter(|(_, d)| *d == day).map(|(c, _)| c.clone()).collect();
        for chatbot in known {
            if ledger.sessions_pruned(&chatbot, day) {
                // The figures stay: what is left of the sessions is not the whole day.
                fresh.remove(&chatbot);
                if let Some(row) = rows.get_mut(&(chatbot.clone(), day)) {
                    row.new_visitors -= lost_first_sights(moved, &chatbot, day, zone);
                }
            } else if !fresh.contains_key(&chatbot) {
                rows.remove(&(chatbot, day));
            }
        }
        for (chatbot, row) in fresh {
            rows.insert((chatbot, day), row);
        }
    }
    for (key, row) in &mut rows {
        if let Some(was) = before.get(key) {
            row.created_at = was.created_at;
            row.updated_at = if row.same_figures(was) { was.updated_at } else { now };
        }
    }
    if rows == before {
        return Ok(());
    }
    for path in old {
        transaction.remove(Table::DailyStats, &path);
    }
    if let Some(file) = month_file(month, rows.into_values().collect())? {
        transaction.add(file)?;
    }
    Ok(())
}

/// Makes the file of a month's rows; `None` of none.
pub fn month_file(month: Day, mut rows: Vec<DailyStats>) -> Result<Option<NewFile>> {
    rows.sort_by(|a, b| (&a.chatbot_id, a.stat_date).cmp(&(&b.chatbot_id, b.stat_date)));
    let dates = rows.iter().map(|row| row.stat_date);
    let (Some(first), Some(last)) = (dates.clone().min(), dates.max()) else { return Ok(None) };
    let frame = tables::daily_stats::frame(&rows)?;
    // The days themselves, as UTC midnights: a manifest then tells which days hold data.
    let midnight = |day: Day| i64::from(day.0) * crate::time::DAY;
    let bytes = FileBuilder::of_frame(Table::DailyStats, &frame)?.finish()?;
    let times = (midnight(first), midnight(last));
    Ok(Some(NewFile::new(Table::DailyStats, month, rows.len() as u64, times, bytes)))
}

/// Counts the first sights that moved away from a day whose sessions are gone, and were counted.
fn lost_first_sights(moved: &[Moved], chatbot: &str, day: Day, zone: Zone) -> i64 {
    let lost = |change: &&Moved| {
        change.was.counted_new_on == Some(day)
            && change.was.chatbot_id == chatbot
            && zone.day(change.first_seen_at) != day
    };
    moved.iter().filter(lost).count() as i64
}

/// Returns, by day, the hashes of the ids first seen on it.
pub fn first_seen_on(snapshot: &Snapshot, days: &[Day], zone: Zone) -> Result<HashMap<Day, Visitors>> {
    let wanted: HashSet<Day> = days.iter().copied().collect();
    let bounds: Vec<(Micros, Micros)> =
        days.iter().map(|&day| (zone.start_of(day), zone.edge(day.plus(1)).1)).collect();
    let files = snapshot.manifest().files(Table::Visitors).par_iter();
    let files = files.filter(|f| bounds.iter().any(|&(from, to)| f.min_time < to && from <= f.max_time));
    let found: Vec<Vec<(Day, u128)>> = files
        .map(|file| {
            let stored = snapshot.read_file(file, Some(&visitors::FIND_COLUMNS))?;
            let dated = visitors::hashes(&stored)?.map(|(hash, time)| (zone.day(time), hash));
            Ok(dated.filter(|(day, _)| wanted.contains(day)).collect())
        })
        .collect::<Result<_>>()?;
    let mut by_day: HashMap<Day, Visitors> = HashMap::new();
    for (day, hash) in found.into_iter().flatten() {
        by_day.entry(day).or_default().insert(hash);
    }
    Ok(by_day)
}

/// Works out the rows of one day from its sessions; `counted` are those of a file that were counted
/// already, with the path of the file.
pub fn of_day(
    snapshot: &Snapshot,
    day: Day,
    counted: Option<(String, Tallies)>,
    first_seen: &HashMap<Day, Visitors>,
    now: Micros,
) -> Result<Vec<DailyStats>> {
    let (path, mut tallies) = counted.unwrap_or_default();
    let files = snapshot.files_in(Table::Sessions, Some((day, day)));
    let frames: Vec<DataFrame> = files
        .into_par_iter()
        .filter(|file| file.path != path)
        .map(|file| snapshot.read_file(file, Some(&FACT_COLUMNS)))
        .collect::<Result<_>>()?;
    for frame in &frames {
        tables::daily_stats::facts(frame, |chatbot, facts| tallies.add(chatbot, facts))?;
    }
    let today = first_seen.get(&day);
    let is_new = |visitor| today.is_some_and(|today| today.contains(&visitor));
    Ok(tallies.finish(day, is_new, now))
}
