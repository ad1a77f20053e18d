//! Counts the visitors of each cohort, and those that came back.
//!
//! Sessions and first-seen times are partitioned by visitor, and each shard is counted separately.
//! Counting takes one bit per period for each visitor of a cohort, and eight bytes per session.

use rayon::prelude::*;

use super::RetentionOptions;
use crate::error::Result;
use crate::report::calendar::periods::{MAX_PERIODS, Periods};
use crate::report::metric::event_counts::each_count;
use crate::report::metric::visitor_shards::{self, FirstEntries, ShardEntry, VisitorShards};
use crate::report::query::tables::Tables;
use crate::report::query::view_cache::{NULL_TOKEN, ViewCache};
use crate::report::query::{Query, SelectedRows};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::tables::visitors::LOOKUP_COLUMNS;

/// The number of bits of an entry's value: the kind of the visitor's id, whether the session is a
/// return, and the period.
const BITS: u32 = 2 + MAX_PERIODS.trailing_zeros();
const VALUE: u64 = (1 << BITS) - 1;

/// Counts of visitors. Counts of different shards are merged by addition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// The number of visitors of each cohort.
    pub visitors: Vec<u64>,
    /// For each cohort, the number of visitors that came back in each period after it, from 0 on.
    pub returned: Vec<Vec<u64>>,
    /// The number of visitors that are known only by a session key.
    pub session_key_visitors: u64,
    /// The number of counted sessions.
    pub sessions: u64,
    /// The number of sessions that count as returns.
    pub returns: u64,
    /// The number of bot sessions.
    pub bots: u64,
}

impl Counts {
    /// Returns counts for a number of periods, all 0.
    pub fn new(periods: usize) -> Counts {
        Counts {
            visitors: vec![0; periods],
            returned: (0..periods).map(|cohort| vec![0; periods - cohort]).collect(),
            ..Counts::default()
        }
    }

    fn merge(mut self, other: &Counts) -> Counts {
        let add = |sums: &mut [u64], counts: &[u64]| {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        };
        add(&mut self.visitors, &other.visitors);
        for (sums, counts) in self.returned.iter_mut().zip(&other.returned) {
            add(sums, counts);
        }
        self.session_key_visitors += other.session_key_visitors;
        self.sessions += other.sessions;
        self.returns += other.returns;
        self.bots += other.bots;
        self
    }
}

/// Counts the cohorts of all periods. The query's window must consist of the days of the periods.
pub(super) fn count(
    tables: &dyn Tables,
    query: &Query,
    periods: &Periods,
    options: &RetentionOptions,
) -> Result<Counts> {
    let event = options.return_event.as_deref();
    let mut columns = vec!["started_at"];
    columns.extend(event.map(|_| "event_counts"));
    let read = |frame: &Frame, selected: &SelectedRows| read_sessions(frame, selected, periods, event);
    let (sessions, first_seen) = rayon::join(
        || visitor_shards::of_sessions(tables, query, &columns, BITS, read),
        || {
            let compute = || partition_first_seen(tables, query, periods).map(VisitorShards::into_shards);
            tables.shared_shards("retention", query.window.range(), &compute)
        },
    );
    let ((sessions, files), first_seen) = (sessions?, first_seen?);
    let mut counts = files.iter().fold(Counts::new(periods.len()), Counts::merge);
    // Count a few shards at a time, since each has a counter for each pair of periods.
    let shards: Vec<(Vec<ShardEntry>, &Vec<ShardEntry>)> =
        sessions.into_iter().zip(first_seen.iter()).collect();
    for shards in shards.chunks(SHARDS_AT_A_TIME) {
        let counted: Vec<Counts> = shards
            .par_iter()
            .with_max_len(1)
            .map(|(sessions, first_seen)| count_shard(sessions, first_seen, periods.len(), options.unbounded))
            .collect();
        counts = counted.iter().fold(counts, Counts::merge);
    }
    Ok(counts)
}

const SHARDS_AT_A_TIME: usize = 8;

/// Returns the period of each selected session and whether it is a return, and the counts of
/// sessions.
fn read_sessions(
    frame: &Frame,
    selected: &SelectedRows,
    periods: &Periods,
    event: Option<&str>,
) -> Result<(Vec<u64>, Counts)> {
    let started = frame.ints("started_at")?;
    let event_counts = event.map(|_| frame.texts("event_counts")).transpose()?;
    let mut cache = ViewCache::new(false);
    let mut has_event = |row: usize| {
        let (Some(event), Some(column)) = (event, event_counts) else { return true };
        cache.get(column.token(row).unwrap_or(NULL_TOKEN), || {
            let mut found = false;
            each_count(column.get(row).unwrap_or(""), |name, count| found |= name == event && count > 0);
            found
        })
    };
    let mut counts =
        Counts { sessions: selected.rows.len() as u64, bots: selected.bots, ..Counts::default() };
    let mut find = periods.finder();
    let value = |row: &u32| {
        let row = *row as usize;
        let is_return = u64::from(has_event(row));
        counts.returns += is_return;
        let period = find(started.or_zero(row)).unwrap_or(0) as u64;
        period << 1 | is_return
    };
    let values = selected.rows.iter().map(value).collect();
    Ok((values, counts))
}

/// Partitions the visitors that were first seen in one of the periods. An entry stores the period.
fn partition_first_seen(tables: &dyn Tables, query: &Query, periods: &Periods) -> Result<VisitorShards> {
    // The table has the visitors of all chatbots. Visitors of other chatbots match no session.
    let days = Some(query.window.range());
    let shards = VisitorShards::with_capacity(tables.estimated_rows(Table::Visitors, days));
    tables.read_each(Table::Visitors, days, &LOOKUP_COLUMNS, &|_, frame| {
        let (high, low) = (frame.ints("hash_high")?, frame.ints("hash_low")?);
        let first_seen = frame.ints("first_seen_at")?;
        let mut writer = shards.writer(frame.height());
        let mut find = periods.finder();
        for row in 0..frame.height() {
            let Some(period) = first_seen.get(row).and_then(&mut find) else { continue };
            let (high, low) = (high.or_zero(row) as u64, low.or_zero(row) as u64);
            writer.push(u128::from(high) << 64 | u128::from(low), BITS, (period as u64) << 2);
        }
        writer.finish();
        Ok(())
    })?;
    Ok(shards)
}

/// A visitor of a shard.
struct Visitor {
    /// The period in which it was first seen.
    cohort: usize,
    /// Whether it has a session in that period.
    is_member: bool,
}

/// Counts the visitors of a shard, given its sessions and the visitors first seen in each period.
fn count_shard(
    sessions: &[ShardEntry],
    first_seen: &[ShardEntry],
    periods: usize,
    unbounded: bool,
) -> Counts {
    let mut counts = Counts::new(periods);
    let hashes: Vec<ShardEntry> = first_seen.iter().map(|entry| entry & !VALUE).collect();
    let period_of = |entry: ShardEntry| (entry & VALUE) as usize >> 2;
    let mut first_entries = FirstEntries::with_capacity(hashes.len());
    let mut visitors: Vec<Visitor> = Vec::with_capacity(hashes.len());
    for (index, (hash, entry)) in hashes.iter().zip(first_seen).enumerate() {
        // A visitor counts once even if the table lists it twice.
        let first = first_entries.find(*hash, &hashes, index, true);
        let cohort = period_of(*entry);
        if let Some(visitor) = visitors.get_mut(first) {
            visitor.cohort = visitor.cohort.min(cohort);
        }
        visitors.push(Visitor { cohort, is_member: false });
    }
    // Each visitor has a bit for each period after its cohort.
    let words = periods.div_ceil(64);
    let mut returns = vec![0u64; visitors.len() * words];
    let mut session_keys = Vec::new();
    for entry in sessions {
        if entry & 1 == 1 {
            session_keys.push(entry & !VALUE);
            continue;
        }
        let index = first_entries.find(entry & !VALUE, &hashes, hashes.len(), false);
        let Some(visitor) = visitors.get_mut(index) else { continue };
        // The session in which a visitor was first seen can start in an earlier period: its first
        // events may have another id or none.
        let period = period_of(*entry).saturating_sub(visitor.cohort);
        visitor.is_member |= period == 0;
        if entry & 2 == 2
            && let Some(word) = returns.get_mut(index * words + period / 64)
        {
            *word |= 1 << (period % 64);
        }
    }
    session_keys.sort_unstable();
    session_keys.dedup();
    counts.session_key_visitors = session_keys.len() as u64;
    for (visitor, returns) in visitors.iter().zip(returns.chunks(words.max(1))) {
        if !visitor.is_member {
            continue;
        }
        let (Some(size), Some(returned)) =
            (counts.visitors.get_mut(visitor.cohort), counts.returned.get_mut(visitor.cohort))
        else {
            continue;
        };
        *size += 1;
        let came_back =
            |period: &usize| returns.get(period / 64).is_some_and(|word| word >> (period % 64) & 1 == 1);
        let last = if unbounded { (0..returned.len()).rev().find(came_back) } else { None };
        for (period, count) in returned.iter_mut().enumerate() {
            let counts = if unbounded { Some(period) <= last } else { came_back(&period) };
            *count += u64::from(counts);
        }
    }
    counts
}
