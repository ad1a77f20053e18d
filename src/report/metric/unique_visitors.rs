//! The distinct visitors of a window, and the new ones among them.
//!
//! Sessions and first-seen times are partitioned by visitor ([`visitor_shards`]). After that, each
//! shard is counted separately.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::visitor_shards::{self, FirstEntries, ShardEntry, VisitorShards};
use crate::error::Result;
use crate::report::query::tables::{PartKind, SharedShards, Tables, read_parts};
use crate::report::query::{Query, SelectedRows};
use crate::store::columns::Table;
use crate::store::frame::Frame;

/// The number of bits of an entry's value: one bit marks a visitor known only by a session key.
pub(super) const BITS: u32 = 1;

/// The minimum number of sessions that are counted in several threads.
const MIN_PARALLEL_SESSIONS: usize = 1 << 10;

/// Visitors with at least this many sessions are counted together.
pub(crate) const MAX_SESSIONS: usize = 11;

/// The numbers of distinct and of new visitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct VisitorCounts {
    /// The number of distinct visitors.
    pub unique: u64,
    /// The number of visitors that were first seen in the period or are known only by a session
    /// key.
    pub new: u64,
}

impl VisitorCounts {
    /// Adds the counts of other visitors.
    pub fn add(&mut self, other: &VisitorCounts) {
        self.unique += other.unique;
        self.new += other.new;
    }

    /// Returns the number of visitors that were first seen before the period.
    pub fn returning(self) -> u64 {
        self.unique.saturating_sub(self.new)
    }
}

/// Counts of distinct visitors. Counts of different shards are merged by addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UniqueVisitors {
    /// The number of distinct visitors.
    pub unique: u64,
    /// The number of visitors that were first seen in the window or are known only by a session
    /// key.
    pub new: u64,
    /// The number of visitors with one session, two sessions, and so on. The last number counts
    /// those with [`MAX_SESSIONS`] or more.
    pub by_sessions: [u64; MAX_SESSIONS],
}

impl UniqueVisitors {
    /// Counts the visitors of a window. Several reports on the same tables count them once.
    pub fn count(tables: &dyn Tables, query: &Query) -> Result<UniqueVisitors> {
        match tables.shared_results() {
            Some(results) => {
                let count = || UniqueVisitors::count_window(tables, query);
                results.get("unique visitors", query, count).map(|visitors| *visitors)
            }
            None => UniqueVisitors::count_window(tables, query),
        }
    }

    fn count_window(tables: &dyn Tables, query: &Query) -> Result<UniqueVisitors> {
        if let Some(parts) = tables.parts(PartKind::Visitors) {
            let shards: Vec<UniqueVisitors> = read_parts(parts)?;
            return Ok(shards.into_iter().fold(UniqueVisitors::default(), UniqueVisitors::merge));
        }
        Ok(UniqueVisitors::count_with(tables, query, &[], |_| Ok(()))?.0)
    }

    /// Counts the visitors of a window, and applies `map` to each frame of sessions in the same
    /// read. The frames also contain `columns`. Returns the counts, and the result for each frame.
    pub fn count_with<T: Send>(
        tables: &dyn Tables,
        query: &Query,
        columns: &[&str],
        map: impl Fn(&Frame) -> Result<T> + Sync,
    ) -> Result<(UniqueVisitors, Vec<T>)> {
        let read = |frame: &Frame, _: &SelectedRows| Ok((Vec::new(), map(frame)?));
        let (sessions, first_seen) = rayon::join(
            || visitor_shards::of_sessions(tables, query, columns, BITS, read),
            || shared_first_seen(tables, query),
        );
        let ((sessions, results), first_seen) = (sessions?, first_seen?);
        let count = |(sessions, first_seen): (Vec<_>, &Vec<_>)| Self::of_shard(&sessions, first_seen);
        if sessions.iter().map(Vec::len).sum::<usize>() < MIN_PARALLEL_SESSIONS {
            let counts = sessions.into_iter().zip(first_seen.iter()).map(count);
            return Ok((counts.fold(UniqueVisitors::default(), UniqueVisitors::merge), results));
        }
        let counts = sessions.into_par_iter().zip(first_seen.as_slice()).with_max_len(4).map(count);
        Ok((counts.reduce(UniqueVisitors::default, UniqueVisitors::merge), results))
    }

    /// Returns the numbers of distinct and of new visitors.
    pub fn counts(&self) -> VisitorCounts {
        VisitorCounts { unique: self.unique, new: self.new }
    }

    /// Counts the visitors of a shard, given the hashes of its sessions and of the visitors first
    /// seen in the window.
    pub fn of_shard(sessions: &[ShardEntry], first_seen: &[ShardEntry]) -> UniqueVisitors {
        let mut visitors = UniqueVisitors::default();
        if sessions.is_empty() {
            return visitors;
        }
        let mut first_sessions = FirstEntries::with_capacity(sessions.len());
        // The number of a visitor's sessions, at the index of its first session; 0 at its other
        // sessions.
        let mut counts = vec![0u32; sessions.len()];
        for (index, hash) in sessions.iter().enumerate() {
            let first = first_sessions.find(*hash, sessions, index, true);
            let is_first = u64::from(first == index);
            visitors.unique += is_first;
            // The lowest bit marks a visitor that is known only by a session key and therefore new.
            visitors.new += is_first & *hash;
            if let Some(count) = counts.get_mut(first) {
                *count += 1;
            }
        }
        let mut by_sessions = [0; MAX_SESSIONS + 1];
        for count in &counts {
            if let Some(sum) = by_sessions.get_mut((*count as usize).min(MAX_SESSIONS)) {
                *sum += 1;
            }
        }
        let [_, by_sessions @ ..] = by_sessions;
        visitors.by_sessions = by_sessions;
        for hash in first_seen {
            // The count is reset: a visitor counts once even if the table lists it twice.
            let first = first_sessions.find(*hash, sessions, sessions.len(), false);
            if counts.get_mut(first).is_some_and(|count| std::mem::take(count) > 0) {
                visitors.new += 1;
            }
        }
        visitors
    }

    pub(super) fn merge(mut self, other: UniqueVisitors) -> UniqueVisitors {
        self.unique += other.unique;
        self.new += other.new;
        for (sum, visitors) in self.by_sessions.iter_mut().zip(other.by_sessions) {
            *sum += visitors;
        }
        self
    }
}

/// Partitions the sessions of the window by visitor.
pub(crate) fn partition_sessions(tables: &dyn Tables, query: &Query) -> Result<Vec<Vec<ShardEntry>>> {
    let no_values = |_: &Frame, _: &SelectedRows| Ok((Vec::new(), ()));
    Ok(visitor_shards::of_sessions(tables, query, &[], BITS, no_values)?.0)
}

/// Returns the shards of [`partition_first_seen`], which all reports on the tables share.
pub(super) fn shared_first_seen(tables: &dyn Tables, query: &Query) -> Result<SharedShards> {
    let compute = || partition_first_seen(tables, query).map(VisitorShards::into_shards);
    tables.shared_shards("unique visitors", query.window.range(), &compute)
}

/// Partitions the visitors that were first seen in the window, with or without sessions in it.
pub(crate) fn partition_first_seen(tables: &dyn Tables, query: &Query) -> Result<VisitorShards> {
    let instants = query.window.instants(tables.zone());
    // The table has the visitors of all chatbots. Visitors of other chatbots match no session.
    let days = query.window.range();
    let shards = VisitorShards::with_capacity(tables.estimated_rows(Table::Visitors, Some(days)));
    tables.read_first_seen(days, instants.certain, &|frame, all_in_window| {
        let (high, low) = (frame.ints("hash_high")?, frame.ints("hash_low")?);
        let first_seen = if all_in_window { None } else { Some(frame.ints("first_seen_at")?) };
        let mut writer = shards.writer(frame.height());
        for row in 0..frame.height() {
            let is_in_window = |time| instants.contain(time);
            if first_seen.as_ref().is_none_or(|times| times.get(row).is_some_and(is_in_window)) {
                let (high, low) = (high.or_zero(row) as u64, low.or_zero(row) as u64);
                writer.push(u128::from(high) << 64 | u128::from(low), BITS, 0);
            }
        }
        writer.finish();
        Ok(())
    })?;
    Ok(shards)
}
