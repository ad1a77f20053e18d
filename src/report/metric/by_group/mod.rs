//! The sums and distinct visitors of each group of a breakdown, for all groups together.
//!
//! A separate count for each group would select the rows of every column once more. Here, each
//! session is read once, with the numbers of its groups. As in
//! [`visitor_shards`](super::visitor_shards), the visitors are divided into shards, and each shard
//! is counted separately.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use rayon::prelude::*;

use super::totals::{self, Totals};
use super::unique_visitors::{self, MAX_SESSIONS, UniqueVisitors};
use super::visitor_shards::{ShardEntry, VisitorShards, write_anonymous_ids, write_other_ids};
use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::selection::{ClassifiedSessions, FrameClasses};
use crate::store::columns::Table;
use crate::store::frame::Frame;

/// Fewer groups than this are counted together. In the entry of a visitor, the number of the group
/// takes the place of some bits of the hash.
pub(crate) const MAX_GROUPS: usize = 256;
/// The number of bits of an entry's value: the group, and a mark of visitors known only by a
/// session key.
const BITS: u32 = MAX_GROUPS.ilog2() + unique_visitors::BITS;

/// Returns the sums of each group. The classes of the sessions are the numbers of the groups.
pub(crate) fn totals(sessions: &ClassifiedSessions<'_>, query: &Query, groups: usize) -> Result<Vec<Totals>> {
    let sums = Mutex::new(vec![Totals::default(); groups]);
    let columns = query.columns(&totals::SESSION_COLUMNS);
    sessions.visit_classes(query.window.range(), &columns, &|_, frame, classes| {
        let mut of_frame: Vec<(u32, Totals)> = Vec::with_capacity(classes.0.len());
        for (group, rows) in &classes.0 {
            let mut sum = Totals::default();
            totals::for_each_session(frame, query, Some(rows), |_, totals| sum.add(totals))?;
            of_frame.push((*group, sum));
        }
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        for (group, sum) in of_frame {
            sums.get_mut(group as usize).into_iter().for_each(|total| total.add(&sum));
        }
        Ok(())
    })?;
    Ok(sums.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Counts the visitors of each group. The number of groups must be less than [`MAX_GROUPS`].
pub(crate) fn visitors(
    sessions: &ClassifiedSessions<'_>,
    query: &Query,
    groups: usize,
) -> Result<Vec<UniqueVisitors>> {
    let tables = sessions.tables();
    let (visits, first_seen) =
        rayon::join(|| partition(sessions, query), || unique_visitors::shared_first_seen(tables, query));
    let (visits, first_seen) = (visits?, first_seen?);
    let counts = visits.into_par_iter().zip(first_seen.as_slice()).with_max_len(4).map(|(visits, seen)| {
        let mut counts = vec![UniqueVisitors::default(); groups];
        count_shard(visits, seen, &mut counts);
        counts
    });
    let empty = || vec![UniqueVisitors::default(); groups];
    Ok(counts.reduce(empty, |counts, other| {
        counts.into_iter().zip(other).map(|(count, other)| count.merge(other)).collect()
    }))
}

/// Counts the visitors of a shard by group, given the visitors first seen in the window.
fn count_shard(mut visits: Vec<ShardEntry>, first_seen: &[ShardEntry], counts: &mut [UniqueVisitors]) {
    visits.sort_unstable();
    let mut first_seen: Vec<ShardEntry> = first_seen.iter().map(|entry| entry >> BITS).collect();
    first_seen.sort_unstable();
    let mut first_seen = first_seen.into_iter().peekable();
    // The entries of a visitor in a group are equal, one for each session.
    for of_visitor in visits.chunk_by(|a, b| a == b) {
        let Some(entry) = of_visitor.first().copied() else { continue };
        let (visitor, is_session, group) =
            (entry >> BITS, entry & 1 == 1, (entry as usize % (1 << BITS)) >> unique_visitors::BITS);
        while first_seen.peek().is_some_and(|seen| *seen < visitor) {
            first_seen.next();
        }
        let Some(count) = counts.get_mut(group) else { continue };
        count.unique += 1;
        count.new += u64::from(is_session || first_seen.peek() == Some(&visitor));
        let class = count.by_sessions.get_mut(of_visitor.len().min(MAX_SESSIONS) - 1);
        class.into_iter().for_each(|visitors| *visitors += 1);
    }
}

/// Partitions the sessions of all groups by visitor.
fn partition(sessions: &ClassifiedSessions<'_>, query: &Query) -> Result<Vec<Vec<ShardEntry>>> {
    let days = query.window.range();
    let shards = VisitorShards::with_capacity(sessions.tables().estimated_rows(Table::Sessions, Some(days)));
    // The rows without an anonymous id, by frame.
    let remaining: Mutex<HashMap<usize, Vec<(u32, u64)>>> = Mutex::default();
    let columns = query.columns(&["chatbot_id", "anonymous_id"]);
    sessions.visit_classes(days, &columns, &|number, frame, classes| {
        let (rows, groups) = grouped_rows(frame, query, classes)?;
        let rest = write_anonymous_ids(frame, &rows, &groups, BITS, shards.writer(rows.len()))?;
        if !rest.is_empty() {
            remaining.lock().unwrap_or_else(PoisonError::into_inner).insert(number, rest);
        }
        Ok(())
    })?;
    let remaining = remaining.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !remaining.is_empty() {
        sessions.visit_classes(days, &["chatbot_id", "user_id", "session_id"], &|number, frame, _| {
            let rows = remaining.get(&number).map_or(&[][..], Vec::as_slice);
            write_other_ids(frame, rows, BITS, shards.writer(rows.len()))
        })?;
    }
    Ok(shards.into_shards())
}

/// Returns the rows of all groups that a query selects, and the group of each.
fn grouped_rows(frame: &Frame, query: &Query, classes: &FrameClasses) -> Result<(Vec<u32>, Vec<u64>)> {
    let is_bot = frame.bools("is_bot")?;
    let mut chatbots = query.chatbot_filter(frame)?;
    let (mut selected, mut groups) = (Vec::with_capacity(frame.height()), Vec::with_capacity(frame.height()));
    for (group, rows) in &classes.0 {
        for row in rows {
            let index = *row as usize;
            if chatbots.contains(index) && (query.include_bots || !is_bot.is_true(index)) {
                selected.push(*row);
                groups.push(u64::from(*group));
            }
        }
    }
    Ok((selected, groups))
}
