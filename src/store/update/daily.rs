//! Works the daily statistics of touched days out again, from the sessions.
//!
//! The days of a chatbot whose sessions are pruned keep their rows, which only change by what the held
//! sessions do ([`super::pruned_days`]). Days whose statistics were pruned themselves get none again.

use std::collections::{BTreeMap, HashMap, HashSet};

use rayon::prelude::*;

use super::few_at_once;
use super::partition::file_of;
use super::pruned_days::{Frozen, Held, Marked, is_frozen_somewhere, lost_by, marked_on};
use super::sessions::Changed;
use super::visitors::Moved;
use crate::daily_stats::{DailyStats, DayAggregates, VisitorSet};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::snapshot::Snapshot;
use crate::store::tables::{self, daily_stats::FACT_COLUMNS, visitors};
use crate::store::transaction::{NewFile, Transaction};
use crate::time::{Day, Micros, Zone};

/// Works out the rows of the days again, in the state that `after` shows (the tables of sessions
/// and visitors as the transaction will leave them); `frozen` is what was held before it.
pub fn update(
    after: &Snapshot,
    transaction: &mut Transaction,
    changed: Changed,
    moved: &[Moved],
    frozen: &Frozen<'_>,
    now: Micros,
) -> Result<()> {
    let Changed { mut days, mut tallies, .. } = changed;
    let zone = after.zone();
    for change in moved {
        days.insert(zone.day(change.was.first_seen_at));
        days.insert(zone.day(change.first_seen_at));
        // The time zone may have changed since it was counted.
        days.extend(change.was.counted_new_on);
    }
    let lost = lost_by(moved);
    let mut months: BTreeMap<Day, Vec<Day>> = BTreeMap::new();
    for day in days {
        months.entry(day.month_start()).or_default().push(day);
    }
    for (month, days) in months {
        let work = days.iter().map(|day| (*day, tallies.remove(day))).collect();
        update_month(after, transaction, month, work, &lost, frozen, now)?;
    }
    Ok(())
}

/// A day, and what the sessions of some of its files come to that were counted already, with the paths of
/// those files.
type Work = (Day, Option<(Vec<String>, DayAggregates)>);

fn update_month(
    after: &Snapshot,
    transaction: &mut Transaction,
    month: Day,
    work: Vec<Work>,
    lost: &Marked,
    frozen: &Frozen<'_>,
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
    let days: Vec<Day> = work.iter().map(|(day, _)| *day).collect();
    let first_seen = first_seen_on(after, &days, after.zone())?;
    let ledger = frozen.ledger();
    let kept: Vec<Day> = days.into_iter().filter(|day| is_frozen_somewhere(ledger, *day)).collect();
    let marked = marked_on(after, &kept)?;
    let made = few_at_once(work, |(day, counted)| {
        let mut tallies = tallies_of(after, day, counted)?;
        let first_seen = first_seen.get(&day);
        let held = Held::take(&mut tallies, day, ledger, first_seen);
        let is_new = |visitor| first_seen.is_some_and(|seen| seen.contains(&visitor));
        Ok((day, held, tallies.finish(day, is_new, now)))
    })?;
    for (day, held, fresh) in made {
        let has_none = |chatbot: &str| ledger.daily_stats_pruned(chatbot, day);
        let stays = |chatbot: &str| ledger.sessions_pruned(chatbot, day) && !has_none(chatbot);
        rows.retain(|(chatbot, d), _| *d != day || stays(chatbot));
        let fresh = fresh.into_iter().filter(|row| !has_none(&row.chatbot_id));
        rows.extend(fresh.map(|row| ((row.chatbot_id.clone(), day), row)));
        if kept.contains(&day) {
            change_frozen(&mut rows, day, held, lost, &marked, frozen, now);
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

/// Changes the rows of the chatbots for whom the day is frozen; `held` is what is held of it now.
fn change_frozen(
    rows: &mut BTreeMap<(String, Day), DailyStats>,
    day: Day,
    mut held: BTreeMap<String, Held>,
    lost: &Marked,
    marked: &Marked,
    frozen: &Frozen<'_>,
    now: Micros,
) {
    let ledger = frozen.ledger();
    for ((chatbot, _), row) in rows.iter_mut().filter(|((_, d), _)| *d == day) {
        if ledger.sessions_pruned(chatbot, day) {
            frozen.change(row, &held.remove(chatbot).unwrap_or_default(), lost, marked);
        }
    }
    // Rows that are not there though they should be: what is held is all that is known.
    held.retain(|chatbot, _| !ledger.daily_stats_pruned(chatbot, day));
    rows.extend(held.into_iter().map(|(chatbot, held)| {
        let place = (chatbot, day);
        let marked = marked.get(&place).cloned().unwrap_or_default();
        let row = held.alone(&place.0, day, &marked);
        (place, DailyStats { created_at: now, updated_at: now, ..row })
    }));
}

/// Makes the file of a month's rows; `None` of none.
pub fn month_file(month: Day, mut rows: Vec<DailyStats>) -> Result<Option<NewFile>> {
    rows.sort_by(|a, b| (&a.chatbot_id, a.stat_date).cmp(&(&b.chatbot_id, b.stat_date)));
    if rows.is_empty() {
        return Ok(None);
    }
    file_of(Table::DailyStats, month, &tables::daily_stats::frame(&rows)?).map(Some)
}

/// Returns, by day, the hashes of the ids first seen on it.
pub fn first_seen_on(snapshot: &Snapshot, days: &[Day], zone: Zone) -> Result<HashMap<Day, VisitorSet>> {
    let wanted: HashSet<Day> = days.iter().copied().collect();
    let bounds: Vec<(Micros, Micros)> =
        days.iter().map(|&day| (zone.start_of(day), zone.start_bounds(day.plus(1)).1)).collect();
    let files = snapshot.manifest().files(Table::Visitors).par_iter();
    let files = files.filter(|f| bounds.iter().any(|&(from, to)| f.min_time < to && from <= f.max_time));
    let found: Vec<Vec<(Day, u128)>> = files
        .map(|file| {
            let stored = snapshot.read_file(file, Some(&visitors::FIND_COLUMNS))?;
            let dated = visitors::hashes(&stored)?.map(|(hash, time)| (zone.day(time), hash));
            Ok(dated.filter(|(day, _)| wanted.contains(day)).collect())
        })
        .collect::<Result<_>>()?;
    let mut by_day: HashMap<Day, VisitorSet> = HashMap::new();
    for (day, hash) in found.into_iter().flatten() {
        by_day.entry(day).or_default().insert(hash);
    }
    Ok(by_day)
}

/// Adds up the sessions of one day; `counted` are those of some files that were counted already, with the
/// paths of those files.
pub fn tallies_of(
    snapshot: &Snapshot,
    day: Day,
    counted: Option<(Vec<String>, DayAggregates)>,
) -> Result<DayAggregates> {
    let (paths, mut tallies) = counted.unwrap_or_default();
    let files = snapshot.files_in(Table::Sessions, Some((day, day)));
    let frames: Vec<Frame> = files
        .into_par_iter()
        .filter(|file| !paths.contains(&file.path))
        .map(|file| snapshot.read_file(file, Some(&FACT_COLUMNS)))
        .collect::<Result<_>>()?;
    for frame in &frames {
        tables::daily_stats::facts(frame, |chatbot, facts| tallies.add(chatbot, facts))?;
    }
    Ok(tallies)
}
