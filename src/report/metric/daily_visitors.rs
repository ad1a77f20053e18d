//! The distinct visitors of each day of a window, and the new ones among them.
//!
//! Sessions and first-seen times are partitioned by visitor ([`visitor_shards`]) with the number of
//! their day. Each shard is then sorted by visitor and day, and counted separately.

use std::collections::BTreeMap;

use rayon::prelude::*;

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
/// 60 bits of the hash collide in about one of 20,000 reports.
const MAX_DAYS: i32 = 512;
/// The number of bits of an entry's value: whether the visitor is known only by a session key, and
/// the day.
const BITS: u32 = 1 + (MAX_DAYS as u32).trailing_zeros();
const VALUE: u64 = (1 << BITS) - 1;

/// The numbers of distinct and of new visitors of a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DayVisitors {
    /// The number of distinct visitors.
    pub unique: u64,
    /// The number of visitors that were first seen on the day or are known only by a session key.
    pub new: u64,
}

/// Counts the visitors of each day with sessions.
pub(crate) fn count(tables: &dyn Tables, query: &Query) -> Result<BTreeMap<Day, DayVisitors>> {
    let Some((first, last)) = tables.days() else { return Ok(BTreeMap::new()) };
    let (mut from, to) = (query.window.from.max(first), query.window.to.min(last));
    let mut counts = BTreeMap::new();
    while from <= to {
        let end = from.plus(MAX_DAYS - 1).min(to);
        let window = Window { from, to: end, ..query.window };
        let days = count_window(tables, &Query { window, ..query.clone() })?;
        let numbered = days.into_iter().zip(0..).filter(|(day, _)| day.unique > 0);
        counts.extend(numbered.map(|(day, number)| (from.plus(number), day)));
        from = end.plus(1);
    }
    Ok(counts)
}

/// Counts the visitors of each day of a window of at most [`MAX_DAYS`] days.
fn count_window(tables: &dyn Tables, query: &Query) -> Result<Vec<DayVisitors>> {
    let (window, zone) = (query.window, tables.zone());
    let read = |frame: &Frame, selected: &SelectedRows| {
        // All rows of a file have the same day.
        let start = selected.rows.first().and_then(|row| frame.ints("started_at").ok()?.get(*row as usize));
        let number = start.and_then(|start| day_number(window, zone.day(start))).unwrap_or(0);
        Ok((vec![number; selected.rows.len()], ()))
    };
    let (sessions, first_seen) = rayon::join(
        || visitor_shards::of_sessions(tables, query, &["started_at"], BITS, read),
        || {
            let compute = || partition_first_seen(tables, query, zone).map(sorted);
            tables.shared_shards("daily visitors", query.window.range(), &compute)
        },
    );
    let (sessions, first_seen) = (sessions?.0, first_seen?);
    let shards: Vec<_> = sessions.into_iter().zip(first_seen.iter()).collect();
    let days = usize::try_from(window.days()).unwrap_or(0);
    let counted = shards
        .into_par_iter()
        .with_max_len(4)
        .map(|(sessions, first_seen)| count_shard(sessions, first_seen, days));
    Ok(counted.reduce(|| vec![DayVisitors::default(); days], merge))
}

fn day_number(window: Window, day: Day) -> Option<u64> {
    let number = u64::try_from(day.0.checked_sub(window.from.0)?).ok()?;
    window.contains(day).then_some(number)
}

/// Partitions the visitors that were first seen in the window, with the number of the day.
fn partition_first_seen(tables: &dyn Tables, query: &Query, zone: Zone) -> Result<VisitorShards> {
    let (window, days) = (query.window, query.window.range());
    let instants = window.instants(zone);
    let shards = VisitorShards::with_capacity(tables.estimated_rows(Table::Visitors, Some(days)));
    // The day of each row is needed, so frames entirely inside the window are not special.
    tables.read_each(Table::Visitors, Some(days), &LOOKUP_COLUMNS, &|_, frame| {
        let (high, low) = (frame.ints("hash_high")?, frame.ints("hash_low")?);
        let first_seen = frame.ints("first_seen_at")?;
        let mut writer = shards.writer(frame.height());
        for row in 0..frame.height() {
            let Some(time) = first_seen.get(row).filter(|time| instants.contain(*time)) else { continue };
            let Some(number) = day_number(window, zone.day(time)) else { continue };
            let (high, low) = (high.or_zero(row) as u64, low.or_zero(row) as u64);
            writer.push(u128::from(high) << 64 | u128::from(low), BITS, number << 1);
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

/// Counts the visitors of a shard by day, given the sorted visitors that were first seen.
fn count_shard(mut sessions: Vec<ShardEntry>, first_seen: &[ShardEntry], days: usize) -> Vec<DayVisitors> {
    let mut counts = vec![DayVisitors::default(); days];
    sessions.sort_unstable();
    sessions.dedup();
    let mut first_seen = first_seen.iter().copied().peekable();
    for entry in sessions {
        let Some(day) = counts.get_mut((entry & VALUE) as usize >> 1) else { continue };
        day.unique += 1;
        while first_seen.peek().is_some_and(|seen| *seen < entry) {
            first_seen.next();
        }
        // The lowest bit marks a visitor that is known only by a session key and therefore new.
        day.new += u64::from(entry & 1 == 1 || first_seen.peek() == Some(&entry));
    }
    counts
}

fn merge(mut counts: Vec<DayVisitors>, other: Vec<DayVisitors>) -> Vec<DayVisitors> {
    for (day, other) in counts.iter_mut().zip(other) {
        day.unique += other.unique;
        day.new += other.new;
    }
    counts
}
