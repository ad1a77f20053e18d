//! Batches: converts the parsed events of a batch to rows of the tables.
//!
//! [`write()`] decides the outcome of each event and adds the events to store to a transaction:
//!
//! 1. [`suppression`] removes the events of forgotten people; events of pruned days are removed
//!    too.
//! 2. [`dedupe`] finds duplicates in the batch and, with [`stored_ids`], in the store.
//! 3. The remaining events are sorted by session.
//! 4. The events become session fragments, visitors and rows, which [`crate::store::update`] merges
//!    into the tables.
//!
//! Before that, [`line_ids`] assigns ids to the events whose lines have none. [`stats_update`]
//! updates daily statistics once per commit, which can contain several batches.

pub(crate) mod dedupe;
mod id_runs;
pub(crate) mod line_ids;
mod per_chatbot;
pub(crate) mod stats_update;
pub(crate) mod stored_ids;
pub(crate) mod suppression;

use std::collections::HashMap;

use rayon::prelude::*;

use super::timings::{Stage, StageTimings};
use crate::error::Result;
use crate::event::{Event, EventRow, KeyKind, TextField, session_key_hash};
use crate::prehashed::PreHashed;
use crate::session::split_by_gap;
use crate::store::ledger::Ledger;
use crate::store::manifest::Manifest;
use crate::store::snapshot::Snapshot;
use crate::store::tables::visitors::Visitor;
use crate::store::transaction::Transaction;
use crate::store::update::{
    self, OutputSink, PartialRewrite,
    session_fragments::SessionFragment,
    sessions::{SessionChanges, StoredRow},
    time_ranges::SessionSpans,
    visitors::{FirstSeenMap, FirstSeenUpdate},
};
use crate::time::{Day, Micros, Zone};
use per_chatbot::PerChatbot;
use stored_ids::StoredIds;
use suppression::Suppression;

/// Number of session keys that a thread processes at a time.
const GROUPS_PER_TASK: usize = 512;

/// Number of rows per allocation. The allocator reuses allocations of one moderate size.
const ROWS_PER_ALLOCATION: usize = 1 << 12;

/// Number of leading bits of a key's hash that select the bucket in which its events are sorted. A
/// bucket of an ordinary batch has a few hundred events, which fit into the cache.
const BUCKET_BITS: u32 = 9;

/// The outcome of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// The event is now in the store.
    Stored,
    /// The event is a duplicate of one in the store or in the batch.
    Duplicate,
    /// The day of the event is pruned for its chatbot.
    AlreadyPruned,
    /// The event belongs to a forgotten person.
    Forgotten,
}

/// The settings and the ledger that decide how a batch is written.
#[derive(Clone, Copy, Debug)]
pub struct WriteContext<'a> {
    /// The time zone of days.
    pub zone: Zone,
    /// The session timeout.
    pub timeout: Micros,
    /// The pruned days and forgotten people.
    pub ledger: &'a Ledger,
    /// Finds the events of forgotten people; `None` if there are none.
    pub suppression: Option<&'a Suppression>,
    /// The time spans of sessions that were added as rows, which already count their events. Events
    /// in these spans are stored, but not counted again.
    pub counted: Option<&'a SessionSpans>,
    /// The current time.
    pub now: Micros,
}

/// The changes of a batch to the tables on which daily statistics depend.
#[derive(Debug, Default)]
pub struct TableChanges {
    /// The changed sessions.
    pub sessions: SessionChanges,
    /// The visitors with an event before their stored first-seen time.
    pub first_seen_updates: Vec<FirstSeenUpdate>,
    /// The earliest time that the batch affects: the time of its first event, minus the timeout.
    pub since: Micros,
}

/// Maximum number of changed rows of statistics and changed first-seen times that are in memory
/// before the statistics are updated.
const MAX_WAITING: usize = 1 << 17;

impl TableChanges {
    /// Returns whether the changes take so much memory that statistics should be updated.
    pub fn is_large(&self) -> bool {
        self.sessions.days.count() + self.first_seen_updates.len() > MAX_WAITING
    }

    /// Adds the changes of a later batch.
    pub fn merge(&mut self, later: TableChanges) {
        self.sessions.merge(later.sessions);
        self.first_seen_updates.extend(later.first_seen_updates);
        self.since = self.since.min(later.since);
    }
}

/// The outcome of a batch.
#[derive(Debug, Default)]
pub struct BatchOutcome {
    /// The outcome of each event, in the order of the events.
    pub events: Vec<EventOutcome>,
    /// Number of events that have the id of another event but a different time or name.
    pub id_conflicts: u64,
    /// The changes of the tables; `None` if no event is stored.
    pub changes: Option<TableChanges>,
}

/// Adds the events of a batch to a transaction, and the sessions and visitors that they change.
/// The caller must also update the daily statistics before the commit.
///
/// # Errors
/// Fails if a file of the store cannot be read, is damaged, or cannot be written.
pub fn write(
    transaction: &mut Transaction,
    events: &[Event<'_>],
    context: WriteContext<'_>,
    stored_ids: &mut StoredIds,
    timings: &mut StageTimings,
) -> Result<BatchOutcome> {
    let before = transaction.snapshot()?;
    let mut outcomes = exclude(before.manifest(), events, context);
    let to_store = |index: usize| outcomes[index] == EventOutcome::Stored;
    let duplicates = dedupe::find(&before, events, to_store, stored_ids)?;
    let mut fresh = Vec::with_capacity(events.len());
    for ((outcome, event), is_duplicate) in outcomes.iter_mut().zip(events).zip(duplicates.is_duplicate) {
        if is_duplicate {
            *outcome = EventOutcome::Duplicate;
        } else if *outcome == EventOutcome::Stored {
            fresh.push(*event);
        }
    }
    timings.record(Stage::Dedupe);
    let changes = match fresh.is_empty() {
        true => None,
        false => Some(update_tables(transaction, fresh, context, timings)?),
    };
    Ok(BatchOutcome { events: outcomes, id_conflicts: duplicates.id_conflicts, changes })
}

/// Returns the outcome of each event apart from duplicates: [`EventOutcome::Stored`], unless the
/// event belongs to a forgotten person or to a pruned day.
pub fn exclude(manifest: &Manifest, events: &[Event<'_>], context: WriteContext<'_>) -> Vec<EventOutcome> {
    let mut outcomes = vec![EventOutcome::Stored; events.len()];
    if let Some(suppression) = context.suppression {
        for (outcome, suppressed) in outcomes.iter_mut().zip(suppression.suppressed(events)) {
            if suppressed {
                *outcome = EventOutcome::Forgotten;
            }
        }
    }
    if let Some(last) = manifest.events_pruned_through {
        for (outcome, event) in outcomes.iter_mut().zip(events) {
            let date = Day::utc(event.row.time);
            if date <= last && context.ledger.events_pruned(event.chatbot_id(), date) {
                *outcome = EventOutcome::AlreadyPruned;
            }
        }
    }
    if let Some(last) = manifest.sessions_pruned_through {
        // Sessions are pruned by days of the store's time zone, events by UTC dates.
        let end = context.zone.start_bounds(last.plus(1)).1;
        for (outcome, event) in outcomes.iter_mut().zip(events) {
            let time = event.row.time;
            if time < end && context.ledger.sessions_pruned(event.chatbot_id(), context.zone.day(time)) {
                *outcome = EventOutcome::AlreadyPruned;
            }
        }
    }
    outcomes
}

/// The changes that the events of some session keys make to the tables.
#[derive(Debug)]
pub struct PartChanges {
    /// The changed sessions.
    pub sessions: SessionChanges,
    /// The rows of stored files that merged sessions replace.
    pub replaced: Vec<PartialRewrite>,
    /// The visitors of the events, with the time of their first event.
    pub visitors: FirstSeenMap,
}

/// Writes the files of new events and their sessions, in one of several processes that each hold
/// different session keys. `stored` are the stored sessions of these keys that can be near the
/// events. Replaces no stored file.
///
/// # Errors
/// Fails if a stored file cannot be read, or a file cannot be written.
pub fn write_part(
    before: &Snapshot,
    events: Vec<Event<'_>>,
    stored: &[StoredRow<'_>],
    context: WriteContext<'_>,
    sink: OutputSink<'_>,
) -> Result<PartChanges> {
    let (zone, timeout, now) = (context.zone, context.timeout, context.now);
    let (events, groups) = group_by_session_key(events);
    let (fragments, visitors) = fragments_and_visitors(&events, &groups, context);
    update::events::write(&before.without_files(), &events, now, sink)?;
    let parts = (fragments, stored);
    let (sessions, replaced) = update::sessions::merge_part(before, parts, zone, timeout, now, sink)?;
    Ok(PartChanges { sessions, replaced, visitors })
}

/// Adds new events, and the sessions and visitors that they change.
fn update_tables(
    transaction: &mut Transaction,
    events: Vec<Event<'_>>,
    context: WriteContext<'_>,
    timings: &mut StageTimings,
) -> Result<TableChanges> {
    let before = transaction.snapshot()?;
    let (events, groups) = group_by_session_key(events);
    // The rows are read several times in this order. Copying them in this order saves cache misses.
    let rows: Vec<Vec<EventRow>> = events
        .par_chunks(ROWS_PER_ALLOCATION)
        .map(|events| events.iter().map(|e| *e.row).collect())
        .collect();
    let events: Vec<Event<'_>> = events
        .iter()
        .zip(rows.iter().flatten())
        .map(|(event, row)| Event { block: event.block, row })
        .collect();
    let earliest = events.iter().map(|event| event.row.time).min().unwrap_or(Micros::MIN);
    crate::allocator::release_free_memory();
    timings.record(Stage::Sort);
    let (zone, timeout, now) = (context.zone, context.timeout, context.now);
    let (sessions, first_seen_updates) = update::write_pipelined(transaction, |sink| {
        let (fragments, first_seen) = fragments_and_visitors(&events, &groups, context);
        // Tables are written in parallel, so that all cores stay busy. Visitors come first: a month
        // of visitors is one file, which is the longest indivisible task.
        let (visitors, (events, sessions)) = rayon::join(
            || update::visitors::write(&before, first_seen, sink),
            || {
                rayon::join(
                    || update::events::write(&before, &events, now, sink),
                    || update::sessions::merge(&before, fragments, zone, timeout, now, sink),
                )
            },
        );
        events?;
        Ok((sessions?, visitors?))
    })?;
    timings.record(Stage::Tables);
    Ok(TableChanges { sessions, first_seen_updates, since: earliest.saturating_sub(timeout) })
}

/// Splits the events of each session key into session fragments, and returns the earliest time of
/// each anonymous id and user id, by its hash.
fn fragments_and_visitors<'a>(
    events: &'a [Event<'a>],
    groups: &[(usize, usize)],
    context: WriteContext<'_>,
) -> (Vec<SessionFragment<'a>>, FirstSeenMap) {
    let is_counted = |events: &[Event<'a>]| match (context.counted, events.first()) {
        (Some(counted), Some(first)) => counted.overlap(first.row.key, (first.row.time, first.row.time)),
        _ => false,
    };
    type TaskOutput<'a> = (Vec<SessionFragment<'a>>, Vec<(u128, IdSeen<'a>)>);
    let outputs: Vec<TaskOutput<'a>> = groups
        .par_chunks(GROUPS_PER_TASK)
        .map(|groups| {
            let mut fragments = Vec::with_capacity(groups.len());
            let mut ids = Vec::with_capacity(groups.len());
            for &(start, end) in groups {
                let events = &events[start..end];
                collect_ids(events, &mut ids);
                let sessions = split_by_gap(events, context.timeout).filter(|events| !is_counted(events));
                fragments.extend(sessions.filter_map(SessionFragment::new));
            }
            (fragments, ids)
        })
        .collect();
    let mut all_fragments = Vec::with_capacity(outputs.iter().map(|(fragments, _)| fragments.len()).sum());
    let mut first: HashMap<u128, IdSeen<'a>, PreHashed> = HashMap::with_hasher(PreHashed);
    for (fragments, ids) in outputs {
        all_fragments.extend(fragments);
        for (hash, id) in ids {
            first.entry(hash).and_modify(|first| first.time = first.time.min(id.time)).or_insert(id);
        }
    }
    let visitor = |seen: IdSeen<'_>| Visitor {
        chatbot_id: seen.chatbot_id.to_owned(),
        kind: seen.kind,
        id: seen.id.to_owned(),
        first_seen_at: seen.time,
        counted_new_on: None,
    };
    (all_fragments, first.into_iter().map(|(hash, seen)| (hash, visitor(seen))).collect())
}

/// An occurrence of a visitor id.
struct IdSeen<'a> {
    chatbot_id: &'a str,
    kind: KeyKind,
    id: &'a str,
    time: Micros,
}

/// Adds the visitor ids of events sorted by time: each run of equal ids once, with its first time.
fn collect_ids<'a>(events: &[Event<'a>], ids: &mut Vec<(u128, IdSeen<'a>)>) {
    for (kind, field) in [(KeyKind::Anonymous, TextField::AnonymousId), (KeyKind::User, TextField::UserId)] {
        let mut before: Option<Event<'a>> = None;
        let mut latest = None;
        for event in events {
            // In one block, equal text ids mean equal strings, so the strings need not be compared.
            let text = event.row.text[field as usize];
            let same = before.is_some_and(|before| {
                std::ptr::eq(before.block, event.block) && before.row.text[field as usize] == text
            });
            before = Some(*event);
            if same {
                continue;
            }
            let Some(id) = event.block.text(text) else { continue };
            if latest.replace(id) == Some(id) {
                continue;
            }
            let (chatbot_id, time) = (event.chatbot_id(), event.row.time);
            ids.push((session_key_hash(chatbot_id, kind, id), IdSeen { chatbot_id, kind, id, time }));
        }
    }
}

/// Sorts events into groups with one session key each. The groups of a chatbot are adjacent and
/// ordered by first time, so that neighbouring rows of a file resemble each other; the events of a
/// group are ordered by time and id. Returns the events, and the start and end of each group.
fn group_by_session_key(events: Vec<Event<'_>>) -> (Vec<Event<'_>>, Vec<(usize, usize)>) {
    let order = sort_by_key(&events);
    let mut spans: Vec<(u64, Micros, usize, usize)> = Vec::new();
    let mut chatbots = PerChatbot::default();
    let mut start = 0;
    for chunk in order.chunk_by(|a, b| a.0 == b.0) {
        let (_, time, first) = chunk[0];
        let hash = |chatbot: &str| xxhash_rust::xxh3::xxh3_64(chatbot.as_bytes());
        let chatbot = *chatbots.get_or_insert(&events[first as usize], hash);
        spans.push((chatbot, time, start, start + chunk.len()));
        start += chunk.len();
    }
    spans.par_sort_unstable();
    let mut sorted = Vec::with_capacity(events.len());
    let mut groups = Vec::with_capacity(spans.len());
    for (_, _, start, end) in spans {
        let from = sorted.len();
        sorted.extend(order[start..end].iter().map(|&(.., index)| events[index as usize]));
        groups.push((from, sorted.len()));
    }
    (sorted, groups)
}

/// The hash of the session key, the time and the index of an event.
type SortEntry = (u128, Micros, u32);

/// Returns the events sorted by session key, time and id. The events are first distributed to
/// buckets by the leading bits of their keys, so that each sort fits into the cache.
fn sort_by_key(events: &[Event<'_>]) -> Vec<SortEntry> {
    let bucket = |key: u128| (key >> (u128::BITS - BUCKET_BITS)) as usize;
    let mut ends = vec![0; 1 << BUCKET_BITS];
    for event in events {
        ends[bucket(event.row.key)] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    // Each entry is the start of its bucket. Filling the bucket advances the entry to the bucket's
    // end.
    let mut order = vec![(0, 0, 0); events.len()];
    for (index, event) in (0..).zip(events) {
        let end = &mut ends[bucket(event.row.key)];
        order[*end] = (event.row.key, event.row.time, index);
        *end += 1;
    }
    // Few events share key and time, so ids are looked up instead of being moved with the entries.
    let id = |index: u32| events[index as usize].row.id;
    let sort = |bucket: &mut [SortEntry]| {
        bucket.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| id(a.2).cmp(&id(b.2))));
    };
    order.par_chunk_by_mut(|a, b| bucket(a.0) == bucket(b.0)).for_each(sort);
    order
}
