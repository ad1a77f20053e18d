//! One batch of events into the tables: what is new, which sessions it makes or changes, which
//! visitors are seen earlier, and which days are to be worked out again.

pub mod dedupe;
pub mod line_ids;
pub(crate) mod per_chatbot;
pub mod stored_ids;
pub mod suppression;

use std::collections::HashMap;

use rayon::prelude::*;

use super::pipeline::timings::{Stage, StageTimings};
use crate::error::Result;
use crate::event::{Event, EventRow, KeyKind, TextField, session_key_hash};
use crate::ingest::batch::suppression::Suppression;
use crate::prehashed::PreHashed;
use per_chatbot::PerChatbot;
use stored_ids::StoredIds;

use crate::session::split_by_gap;
use crate::store::ledger::Ledger;
use crate::store::tables::visitors::Visitor;
use crate::store::transaction::Transaction;
use crate::store::update::{
    self, pruned_days::PrunedDays, session_fragments::SessionFragment, visitors::FirstSeenMap,
};
use crate::time::{Day, Micros, Zone};

/// Session keys whose sessions a thread cuts at a time.
const GROUPS_AT_ONCE: usize = 512;

/// How many bits of a key's hash choose where its events are sorted: of a usual batch, some hundred lie together.
const BUCKET_BITS: u32 = 9;

/// How many rows lie together: blocks of memory that are all alike, and not too large, are used again.
const ROWS_TOGETHER: usize = 1 << 12;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// It is in the store now.
    Stored,
    /// It was there already.
    Duplicate,
    /// Its chatbot's day was pruned.
    AlreadyPruned,
    /// It is of somebody who was forgotten.
    Forgotten,
}

/// What a batch is put in by.
#[derive(Clone, Copy, Debug)]
pub struct WriteContext<'a> {
    /// The time zone of days.
    pub zone: Zone,
    /// The longest gap within a session.
    pub timeout: Micros,
    /// What was pruned and forgotten.
    pub ledger: &'a Ledger,
    /// Keeps out who was forgotten; `None` where nobody was.
    pub gate: Option<&'a Suppression>,
    /// The present.
    pub now: Micros,
}

/// What a batch came to.
#[derive(Debug, Default)]
pub struct BatchOutcome {
    /// The fate of each event, in the order given.
    pub outcomes: Vec<EventOutcome>,
    /// Ids that name different events.
    pub id_conflicts: u64,
    /// Sessions made or changed.
    pub sessions: u64,
}

/// Puts events into the tables of a transaction.
pub fn put(
    transaction: &mut Transaction,
    events: &[Event<'_>],
    rules: WriteContext<'_>,
    stored_ids: &mut StoredIds,
    stages: &mut StageTimings,
) -> Result<BatchOutcome> {
    let before = transaction.snapshot()?;
    let mut outcome =
        BatchOutcome { outcomes: vec![EventOutcome::Stored; events.len()], ..BatchOutcome::default() };
    if let Some(gate) = rules.gate {
        for (outcome, shut_out) in outcome.outcomes.iter_mut().zip(gate.suppressed(events)) {
            if shut_out {
                *outcome = EventOutcome::Forgotten;
            }
        }
    }
    if let Some(last) = before.manifest().events_pruned_through {
        for (outcome, event) in outcome.outcomes.iter_mut().zip(events) {
            let date = Day::utc(event.row.time);
            if date <= last && rules.ledger.events_pruned(event.chatbot_id(), date) {
                *outcome = EventOutcome::AlreadyPruned;
            }
        }
    }
    if let Some(last) = before.manifest().sessions_pruned_through {
        // Sessions go by the store's days, which begin at other moments than UTC dates.
        let end = rules.zone.start_bounds(last.plus(1)).1;
        for (outcome, event) in outcome.outcomes.iter_mut().zip(events) {
            let time = event.row.time;
            if time < end && rules.ledger.sessions_pruned(event.chatbot_id(), rules.zone.day(time)) {
                *outcome = EventOutcome::AlreadyPruned;
            }
        }
    }
    let duplicates =
        dedupe::find(&before, events, |index| outcome.outcomes[index] == EventOutcome::Stored, stored_ids)?;
    outcome.id_conflicts = duplicates.id_conflicts;
    let mut fresh = Vec::with_capacity(events.len());
    for ((outcome, event), is_duplicate) in
        outcome.outcomes.iter_mut().zip(events).zip(duplicates.is_duplicate)
    {
        if is_duplicate {
            *outcome = EventOutcome::Duplicate;
        } else if *outcome == EventOutcome::Stored {
            fresh.push(*event);
        }
    }
    stages.book(Stage::Dedupe);
    if fresh.is_empty() {
        return Ok(outcome);
    }
    let (fresh, groups) = group(fresh);
    // From here on the rows are gone through in this order several times: once they lie in it, none is
    // waited for.
    let rows: Vec<Vec<EventRow>> =
        fresh.par_chunks(ROWS_TOGETHER).map(|events| events.iter().map(|e| *e.row).collect()).collect();
    let fresh: Vec<Event<'_>> = fresh
        .iter()
        .zip(rows.iter().flatten())
        .map(|(event, row)| Event { block: event.block, row })
        .collect();
    let earliest = fresh.iter().map(|event| event.row.time).min().unwrap_or(Micros::MIN);
    let frozen = PrunedDays::load(&before, rules.ledger, earliest.saturating_sub(rules.timeout))?;
    crate::allocator::give_back();
    stages.book(Stage::Sort);
    let (changed, moved) = update::write_pipelined(transaction, |sink| {
        let (pieces, seen) = pieces(&fresh, &groups, rules);
        // Side by side: what one table leaves of the processors, another takes. First sights come first:
        // a month of them is one file, the longest piece of work that cannot be shared.
        let (visitors, (events, sessions)) = rayon::join(
            || update::visitors::write(&before, seen, sink),
            || {
                rayon::join(
                    || update::events::write(&before, &fresh, rules.now, sink),
                    || update::sessions::merge(&before, pieces, rules.zone, rules.timeout, rules.now, sink),
                )
            },
        );
        events?;
        Ok((sessions?, visitors?))
    })?;
    outcome.sessions = changed.sessions;
    stages.book(Stage::Tables);
    let after = transaction.snapshot()?;
    update::daily::update(&after, transaction, changed, &moved, &frozen, rules.now)?;
    stages.book(Stage::Daily);
    Ok(outcome)
}

/// Cuts the events of each session key into pieces of sessions, and finds the earliest time of each
/// anonymous id and user id, by its hash.
fn pieces<'a>(
    events: &'a [Event<'a>],
    groups: &[(usize, usize)],
    rules: WriteContext<'_>,
) -> (Vec<SessionFragment<'a>>, FirstSeenMap) {
    type Cut<'a> = (Vec<SessionFragment<'a>>, Vec<(u128, Sight<'a>)>);
    let cuts: Vec<Cut<'a>> = groups
        .par_chunks(GROUPS_AT_ONCE)
        .map(|groups| {
            let mut pieces = Vec::with_capacity(groups.len());
            let mut sights = Vec::with_capacity(groups.len());
            for &(start, end) in groups {
                let events = &events[start..end];
                sights_of(events, &mut sights);
                pieces.extend(split_by_gap(events, rules.timeout).filter_map(SessionFragment::new));
            }
            (pieces, sights)
        })
        .collect();
    let mut pieces = Vec::with_capacity(cuts.iter().map(|(pieces, _)| pieces.len()).sum());
    let mut first: HashMap<u128, Sight<'a>, PreHashed> = HashMap::with_hasher(PreHashed);
    for (some, sights) in cuts {
        pieces.extend(some);
        for (hash, sight) in sights {
            first.entry(hash).and_modify(|known| known.time = known.time.min(sight.time)).or_insert(sight);
        }
    }
    let visitor = |sight: Sight<'_>| Visitor {
        chatbot_id: sight.chatbot_id.to_owned(),
        kind: sight.kind,
        id: sight.id.to_owned(),
        first_seen_at: sight.time,
        counted_new_on: None,
    };
    (pieces, first.into_iter().map(|(hash, sight)| (hash, visitor(sight))).collect())
}

/// When an id was seen.
struct Sight<'a> {
    chatbot_id: &'a str,
    kind: KeyKind,
    id: &'a str,
    time: Micros,
}

/// Adds when the ids of some events, given in order of time, were seen.
fn sights_of<'a>(events: &[Event<'a>], sights: &mut Vec<(u128, Sight<'a>)>) {
    for (kind, field) in [(KeyKind::Anonymous, TextField::AnonymousId), (KeyKind::User, TextField::UserId)] {
        let mut before: Option<Event<'a>> = None;
        let mut latest = None;
        for event in events {
            // An id that has just been seen has nothing to add; where the spans are the same, so are
            // the ids.
            let span = event.row.text[field as usize];
            let same = before.is_some_and(|before| {
                std::ptr::eq(before.block, event.block) && before.row.text[field as usize] == span
            });
            before = Some(*event);
            if same {
                continue;
            }
            let Some(id) = event.block.text(span) else { continue };
            if latest.replace(id) == Some(id) {
                continue;
            }
            let chatbot_id = event.chatbot_id();
            sights.push((
                session_key_hash(chatbot_id, kind, id),
                Sight { chatbot_id, kind, id, time: event.row.time },
            ));
        }
    }
}

/// Sorts events into groups of one session key each, in order of time and id within; the groups in
/// order of chatbot and first time, so that neighbours in a file resemble each other. Returns the
/// events and where each group begins and ends.
fn group(events: Vec<Event<'_>>) -> (Vec<Event<'_>>, Vec<(usize, usize)>) {
    let order = by_key(&events);
    let mut spans: Vec<(u64, Micros, usize, usize)> = Vec::new();
    let mut chatbots = PerChatbot::default();
    let mut start = 0;
    for chunk in order.chunk_by(|a, b| a.0 == b.0) {
        let (_, time, first) = chunk[0];
        let hash = |chatbot: &str| xxhash_rust::xxh3::xxh3_64(chatbot.as_bytes());
        let chatbot = *chatbots.get(&events[first as usize], hash);
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

/// An event as it is sorted: its session key's hash, its time, and its place.
type Sorted = (u128, Micros, u32);

/// Returns events by session key, time and id.
///
/// They are dealt out by the first bits of their keys, so that what is sorted fits into a processor's cache.
fn by_key(events: &[Event<'_>]) -> Vec<Sorted> {
    let bucket = |key: u128| (key >> (u128::BITS - BUCKET_BITS)) as usize;
    let mut ends = vec![0; 1 << BUCKET_BITS];
    for event in events {
        ends[bucket(event.row.key)] += 1;
    }
    let mut begun = 0;
    for end in &mut ends {
        begun += std::mem::replace(end, begun);
    }
    // Each end is now a beginning, and moves on with what is put there.
    let mut order = vec![(0, 0, 0); events.len()];
    for (place, event) in (0..).zip(events) {
        let end = &mut ends[bucket(event.row.key)];
        order[*end] = (event.row.key, event.row.time, place);
        *end += 1;
    }
    // Two events of one key and one time are few: their ids need not be moved about with the others.
    let id = |place: u32| events[place as usize].row.id;
    let sort = |bucket: &mut [Sorted]| {
        bucket.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| id(a.2).cmp(&id(b.2))));
    };
    order.par_chunk_by_mut(|a, b| bucket(a.0) == bucket(b.0)).for_each(sort);
    order
}
