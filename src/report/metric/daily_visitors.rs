//! The distinct visitors of a window and of each of its days, and the new ones among them.
//!
//! Sessions and first-seen times are partitioned by visitor ([`visitor_shards`]) with the number of
//! their day. Each shard is then sorted by visitor and day, and counted separately.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::totals::Totals;
use super::unique_visitors::{MAX_SESSIONS, UniqueVisitors, VisitorCounts};
use super::visitor_shards::{self, ShardEntry, VisitorShards};
use crate::error::Result;
use crate::report::query::tables::Tables;
use crate::report::query::window::Window;
use crate::report::query::{Query, SelectedRows};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::tables::visitors::LOOKUP_COLUMNS;
use crate::time::{Day, Zone};

/// The maximum number of days that are counted together. With ten million visitors, the remaining
/// 60 bits of the hash collide in about one in 20,000 reports.
const MAX_DAYS: i32 = 512;
/// The maximum number of days for which the visitors of the whole window are counted from the same
/// entries. The remaining 63 bits of the hash collide in about one in 200,000 such reports.
const MAX_DAYS_TOGETHER: u32 = 64;

/// The visitors of the sessions of a window.
#[derive(Default)]
pub(crate) struct DailyVisitors {
    /// The visitors of the whole window; `None` for more than [`MAX_DAYS_TOGETHER`] days.
    pub window: Option<UniqueVisitors>,
    /// The sessions, bot sessions and visitors of each day with sessions. Other sums are 0.
    pub days: BTreeMap<Day, Totals>,
}

/// Counts the visitors of a window and of each of its days.
pub(crate) fn count(tables: &dyn Tables, query: &Query) -> Result<DailyVisitors> {
    let Some((first, last)) = tables.days() else {
        return Ok(DailyVisitors { window: Some(UniqueVisitors::default()), ..DailyVisitors::default() });
    };
    let is_together = query.window.days() <= MAX_DAYS_TOGETHER;
    let (mut from, to) = match is_together {
        // The first event with the id of a visitor can be on a day after the last session began.
        true => (query.window.from, query.window.to),
        false => (query.window.from.max(first), query.window.to.min(last)),
    };
    let mut counted =
        DailyVisitors { window: is_together.then(UniqueVisitors::default), ..DailyVisitors::default() };
    while from <= to {
        let end = from.plus(MAX_DAYS - 1).min(to);
        let window = Window { from, to: end, ..query.window };
        let (visitors, days) = count_window(tables, &Query { window, ..query.clone() })?;
        counted.window = counted.window.map(|all| all.merge(visitors));
        let numbered = days.into_iter().zip(0..).filter(|(day, _)| day.sessions + day.bots > 0);
        counted.days.extend(numbered.map(|(day, number)| (from.plus(number), day)));
        from = end.plus(1);
    }
    Ok(counted)
}

/// Counts the visitors of a window of at most [`MAX_DAYS`] days, and of each day.
fn count_window(tables: &dyn Tables, query: &Query) -> Result<(UniqueVisitors, Vec<Totals>)> {
    let (window, zone) = (query.window, tables.zone());
    // The value of an entry is the day and whether the visitor is known only by a session key.
    let bits = u64::BITS - (window.days().max(1) as u64 - 1).leading_zeros() + 1;
    let read = |frame: &Frame, selected: &SelectedRows| {
        // All rows of a file have the same day.
        let start = frame.ints("started_at")?.get(0);
        let number = start.and_then(|start| day_number(window, zone.day(start))).unwrap_or(0);
        let values = vec![number; selected.rows.len()];
        Ok((values, (number, selected.rows.len() as u64, selected.bots)))
    };
    let (sessions, first_seen) = rayon::join(
        || visitor_shards::of_sessions(tables, query, &["started_at"], bits, read),
        || {
            let compute = || partition_first_seen(tables, query, (zone, bits)).map(sorted);
            tables.shared_shards("daily visitors", query.window.range(), &compute)
        },
    );
    let ((sessions, files), first_seen) = (sessions?, first_seen?);
    let shards: Vec<_> = sessions.into_iter().zip(first_seen.iter()).collect();
    let days = usize::try_from(window.days()).unwrap_or(0);
    let counted = shards
        .into_par_iter()
        .with_max_len(4)
        .map(|(sessions, first_seen)| count_shard(sessions, first_seen, bits, days));
    let empty = || (UniqueVisitors::default(), vec![VisitorCounts::default(); days]);
    let (visitors, by_day) = counted.reduce(empty, merge);
    let sums =
        |day: VisitorCounts| Totals { visitors: day.unique, new_visitors: day.new, ..Totals::default() };
    let mut totals: Vec<Totals> = by_day.into_iter().map(sums).collect();
    for (number, sessions, bots) in files {
        if let Some(day) = totals.get_mut(number as usize) {
            (day.sessions, day.bots) = (day.sessions + sessions, day.bots + bots);
        }
    }
    Ok((visitors, totals))
}

fn day_number(window: Window, day: Day) -> Option<u64> {
    let number = u64::try_from(day.0.checked_sub(window.from.0)?).ok()?;
    window.contains(day).then_some(number)
}

/// Partitions the visitors that were first seen in the window, with the number of the day.
fn partition_first_seen(
    tables: &dyn Tables,
    query: &Query,
    (zone, bits): (Zone, u32),
) -> Result<VisitorShards> {
    let (window, days) = (query.window, query.window.range());
    let instants = window.instants(zone);
    let shards = VisitorShards::with_capacity(tables.estimated_rows(Table::Visitors, Some(days)));
    // The times of all rows are read, even in a frame inside the window: each row's day is needed.
    tables.read_each(Table::Visitors, Some(days), &LOOKUP_COLUMNS, &|_, frame| {
        let (high, low) = (frame.ints("hash_high")?, frame.ints("hash_low")?);
        let first_seen = frame.ints("first_seen_at")?;
        let mut writer = shards.writer(frame.height());
        for row in 0..frame.height() {
            let Some(time) = first_seen.get(row).filter(|time| instants.contain(*time)) else { continue };
            let Some(number) = day_number(window, zone.day(time)) else { continue };
            let (high, low) = (high.or_zero(row) as u64, low.or_zero(row) as u64);
            writer.push(u128::from(high) << 64 | u128::from(low), bits, number << 1);
        }
        writer.finish();
        Ok(())
    })?;
    Ok(shards)
}

/// Sorts each shard and drops duplicates: a visitor counts once even if the table lists it twice.
fn sorted(shards: VisitorShards) -> Vec<Vec<ShardEntry>> {
    let mut shards = shards.into_shards();
    shards.par_iter_mut().with_max_len(4).for_each(|shard| {
        shard.sort_unstable();
        shard.dedup();
    });
    shards
}

/// Counts the visitors of a shard, of all days and by day, given the sorted visitors first seen in
/// the window.
fn count_shard(
    mut sessions: Vec<ShardEntry>,
    first_seen: &[ShardEntry],
    bits: u32,
    days: usize,
) -> (UniqueVisitors, Vec<VisitorCounts>) {
    let (mut visitors, mut counts) = (UniqueVisitors::default(), vec![VisitorCounts::default(); days]);
    sessions.sort_unstable();
    let mut first_seen = first_seen.iter().copied().peekable();
    for of_visitor in sessions.chunk_by(|a, b| a >> bits == b >> bits) {
        let Some(first) = of_visitor.first() else { continue };
        while first_seen.peek().is_some_and(|seen| seen >> bits < first >> bits) {
            first_seen.next();
        }
        // The lowest bit marks a visitor that is known only by a session key and therefore new.
        let is_session = first & 1 == 1;
        let is_new = is_session || first_seen.peek().is_some_and(|seen| seen >> bits == first >> bits);
        visitors.unique += 1;
        visitors.new += u64::from(is_new);
        let class = visitors.by_sessions.get_mut(of_visitor.len().min(MAX_SESSIONS) - 1);
        class.into_iter().for_each(|visitors| *visitors += 1);
        for of_day in of_visitor.chunk_by(|a, b| a == b) {
            let Some(entry) = of_day.first() else { continue };
            while first_seen.peek().is_some_and(|seen| seen < entry) {
                first_seen.next();
            }
            let is_new = is_session || first_seen.peek() == Some(entry);
            let day = counts.get_mut((entry & ((1 << bits) - 1)) as usize >> 1);
            day.into_iter().for_each(|day| day.add(&VisitorCounts { unique: 1, new: u64::from(is_new) }));
        }
    }
    (visitors, counts)
}

type Counted = (UniqueVisitors, Vec<VisitorCounts>);

fn merge((visitors, mut days): Counted, (other, other_days): Counted) -> Counted {
    days.iter_mut().zip(&other_days).for_each(|(day, other)| day.add(other));
    (visitors.merge(other), days)
}
