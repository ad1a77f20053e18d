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
use super::unique_visitors::{self, VisitorCounts};
use super::visitor_shards::{ShardEntry, VisitorShards, write_anonymous_ids, write_other_ids};
use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::selection::{ClassifiedSessions, FrameClasses};
use crate::store::columns::Table;
use crate::store::frame::Frame;

/// Fewer groups than this are counted together. In the entry of a visitor, the number of the group
/// takes the place of some bits of the hash. With 255 groups and ten million visitors, the
/// remaining 61 bits collide in about one in 46,000 reports.
pub(crate) const MAX_GROUPS: usize = 256;

/// The figures of each group, and of all sessions at the end.
pub(crate) struct GroupFigures {
    /// The sums.
    pub totals: Vec<Totals>,
    /// The visitors.
    pub visitors: Vec<VisitorCounts>,
}

/// Computes the figures of each group, and of all sessions. The classes of the sessions are the
/// numbers of the groups, which must be less than [`MAX_GROUPS`].
pub(crate) fn figures(
    sessions: &ClassifiedSessions<'_>,
    query: &Query,
    groups: usize,
) -> Result<GroupFigures> {
    let tables = sessions.tables();
    // The bits of the number of a group, and of the mark of visitors known only by a session key.
    let bits = usize::BITS - groups.leading_zeros() + unique_visitors::BITS;
    let (read, first_seen) = rayon::join(
        || read_sessions(sessions, query, groups, bits),
        || unique_visitors::shared_first_seen(tables, query),
    );
    let ((totals, visits), first_seen) = (read?, first_seen?);
    let counts = visits.into_par_iter().zip(first_seen.as_slice()).with_max_len(4).map(|(visits, seen)| {
        let mut counts = vec![VisitorCounts::default(); groups + 1];
        count_shard(visits, seen, bits, &mut counts);
        counts
    });
    let empty = || vec![VisitorCounts::default(); groups + 1];
    let visitors = counts.reduce(empty, |mut counts, other| {
        counts.iter_mut().zip(&other).for_each(|(count, other)| count.add(other));
        counts
    });
    Ok(GroupFigures { totals, visitors })
}

/// Counts the visitors of a shard by group, and of all groups at the end, given the visitors first
/// seen in the window.
fn count_shard(
    mut visits: Vec<ShardEntry>,
    first_seen: &[ShardEntry],
    bits: u32,
    counts: &mut [VisitorCounts],
) {
    // A visitor has an equal entry for each of its sessions in a group.
    visits.sort_unstable();
    visits.dedup();
    let mut first_seen: Vec<ShardEntry> = first_seen.iter().map(|entry| entry >> bits).collect();
    first_seen.sort_unstable();
    let mut first_seen = first_seen.into_iter().peekable();
    let mut last = None;
    for entry in visits {
        let (visitor, is_session) = (entry >> bits, entry & 1 == 1);
        let group = (entry as usize % (1 << bits)) >> unique_visitors::BITS;
        while first_seen.peek().is_some_and(|seen| *seen < visitor) {
            first_seen.next();
        }
        let is_new = is_session || first_seen.peek() == Some(&visitor);
        let counted = VisitorCounts { unique: 1, new: u64::from(is_new) };
        let Some((all, groups)) = counts.split_last_mut() else { return };
        if last.replace(visitor) != Some(visitor) {
            all.add(&counted);
        }
        groups.get_mut(group).into_iter().for_each(|count| count.add(&counted));
    }
}

/// Reads the sessions of all groups. Returns the sums of each group and of all sessions, and the
/// sessions partitioned by visitor.
fn read_sessions(
    sessions: &ClassifiedSessions<'_>,
    query: &Query,
    groups: usize,
    bits: u32,
) -> Result<(Vec<Totals>, Vec<Vec<ShardEntry>>)> {
    let days = query.window.range();
    let sums = Mutex::new(vec![Totals::default(); groups + 1]);
    let shards = VisitorShards::with_capacity(sessions.tables().estimated_rows(Table::Sessions, Some(days)));
    // The rows without an anonymous id, by frame.
    let remaining: Mutex<HashMap<usize, Vec<(u32, u64)>>> = Mutex::default();
    let mut columns = query.columns(&["chatbot_id", "anonymous_id"]);
    columns.extend(totals::FIGURE_COLUMNS);
    sessions.visit_classes(days, &columns, &|number, frame, classes| {
        let (of_frame, rows, row_groups) = group_frame(frame, query, classes, groups)?;
        let rest = write_anonymous_ids(frame, &rows, &row_groups, bits, shards.writer(rows.len()))?;
        if !rest.is_empty() {
            remaining.lock().unwrap_or_else(PoisonError::into_inner).insert(number, rest);
        }
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        for (group, sum) in of_frame {
            sums.get_mut(group).into_iter().for_each(|total| total.add(&sum));
        }
        Ok(())
    })?;
    let remaining = remaining.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !remaining.is_empty() {
        sessions.visit_classes(days, &["chatbot_id", "user_id", "session_id"], &|number, frame, _| {
            let rows = remaining.get(&number).map_or(&[][..], Vec::as_slice);
            write_other_ids(frame, rows, bits, shards.writer(rows.len()))
        })?;
    }
    Ok((sums.into_inner().unwrap_or_else(PoisonError::into_inner), shards.into_shards()))
}

/// The sums of the groups of a frame, by the number of the group; then the rows of all groups that
/// a query selects, and the group of each.
type GroupedFrame = (Vec<(usize, Totals)>, Vec<u32>, Vec<u64>);

/// Sums the sessions of each group of a frame, and all its sessions, which have the number after
/// the last group.
fn group_frame(frame: &Frame, query: &Query, classes: &FrameClasses, groups: usize) -> Result<GroupedFrame> {
    let is_bot = frame.bools("is_bot")?;
    let mut chatbots = query.chatbot_filter(frame)?;
    let mut sums = Vec::with_capacity(classes.0.len() + 1);
    let (mut all_rows, mut row_groups) =
        (Vec::with_capacity(frame.height()), Vec::with_capacity(frame.height()));
    let mut all = Totals::default();
    for (group, rows) in &classes.0 {
        let (start, mut bots) = (all_rows.len(), 0);
        for row in rows.iter().filter(|row| chatbots.contains(**row as usize)) {
            let is_bot = is_bot.is_true(*row as usize);
            bots += u64::from(is_bot);
            if !is_bot || query.include_bots {
                all_rows.push(*row);
            }
        }
        let selected = all_rows.get(start..).unwrap_or_default();
        row_groups.extend(std::iter::repeat_n(u64::from(*group), selected.len()));
        let sum = Totals { bots, ..totals::of_rows(frame, selected)? };
        all.add(&sum);
        // Classes with only excluded bot sessions are not listed.
        sums.extend(Some((*group as usize, sum)).filter(|(group, _)| *group < groups));
    }
    // Each session is in at least one class, and with values of events in several.
    if classes.0.iter().map(|(_, rows)| rows.len()).sum::<usize>() != frame.height() {
        all = totals::of_frame(frame, query)?;
    }
    sums.push((groups, all));
    Ok((sums, all_rows, row_groups))
}
