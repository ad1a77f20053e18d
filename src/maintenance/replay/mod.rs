//! Replays the store date by date and computes the sessions from its events.
//!
//! For each UTC date, the retained events are read in batches and grouped into session fragments.
//! The rows of partial sessions ([`pruned_boundary`]) are fragments too. Fragments are merged with
//! those of the same key from earlier dates. A session is *settled*, that is final, once the next
//! date starts more than a timeout after its end. Each settled session is paired with the stored
//! row that it replaces.

mod events;
mod prefetch;
mod pruned_boundary;
mod session_eq;
mod stored_sessions;

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

use crate::error::Result;
use crate::event::{Block, Event};
use crate::prehashed::PreHashed;
use crate::progress::Progress;
use crate::session::{SessionSummary, TextInterner, merge_adjacent, split_by_gap};
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::time::{DAY, Day, Micros};
pub(super) use events::{EventBatch, event_batches};
pub(super) use prefetch::prefetch;
pub(super) use pruned_boundary::PrunedBoundary;
pub(super) use session_eq::session_eq;
pub(super) use stored_sessions::StoredSession;
use stored_sessions::StoredSessionReader;

/// A session computed from the retained events and the rows of partial sessions.
#[derive(Debug)]
pub(super) struct ExpectedSession {
    /// The session. If there is a stored row, `created_at` and `updated_at` come from it.
    pub(super) session: Box<SessionSummary<'static>>,
    /// The stored row with the same key and start.
    pub(super) stored: Option<Box<StoredSession>>,
    /// The earliest `created_at` of the stored rows that overlap the session.
    pub(super) created_at: Option<Micros>,
}

/// The sessions that are settled after a date.
#[derive(Debug, Default)]
pub(super) struct SettledSessions {
    /// The sessions, in any order, except for those in `unchanged_rows`.
    pub(super) sessions: Vec<ExpectedSession>,
    /// Stored rows that equal the session of their events, in any order.
    pub(super) unchanged_rows: Vec<StoredSession>,
    /// Stored rows whose start is not the start of any session, sorted by [`row_order`].
    pub(super) obsolete_rows: Vec<StoredSession>,
    /// All sessions that start before this time are settled, except for `open`.
    pub(super) through: Micros,
    /// Starts of the sessions and stored rows that are not settled. A row comes with the day of its
    /// partition.
    pub(super) open: Vec<(Micros, Option<Day>)>,
}

/// Receives the events that a replay reads and the sessions that it computes.
pub(super) trait ReplayVisitor {
    /// Receives a batch of retained events, in any order. Only the replay of the first shard calls
    /// this, for the events of all shards.
    fn visit_events(&mut self, block: &Block) -> Result<()>;
    /// Receives the sessions that are settled after a date.
    fn visit_settled(&mut self, settled: SettledSessions) -> Result<()>;
}

/// A shard of the session keys. The sessions of a date are in memory, so a store with very many
/// sessions per day is replayed once per shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyShard {
    index: u64,
    count: u64,
}

/// Number of sessions of a date that are replayed together. A session takes about a kilobyte if it
/// equals its stored row, and twice as much otherwise.
pub(super) const SESSIONS_TOGETHER: u64 = 1 << 17;

impl KeyShard {
    /// All session keys.
    pub(super) const ALL: KeyShard = KeyShard { index: 0, count: 1 };

    /// Returns the shards in which the sessions of a store are replayed. Each shard has about
    /// `sessions_together` sessions of a date.
    pub(super) fn of_store(
        snapshot: &Snapshot,
        sessions_together: u64,
    ) -> impl Iterator<Item = KeyShard> + Clone {
        let mut sessions: HashMap<Day, u64> = HashMap::new();
        for file in snapshot.manifest().files(Table::Sessions) {
            *sessions.entry(file.day).or_default() += file.rows;
        }
        KeyShard::of_sessions(sessions.into_values().max().unwrap_or(0), sessions_together)
    }

    fn of_sessions(most: u64, together: u64) -> impl Iterator<Item = KeyShard> + Clone {
        let count = most.div_ceil(together.max(1)).max(1);
        (0..count).map(move |index| KeyShard { index, count })
    }

    /// Returns whether this is the first shard.
    pub(super) fn is_first(self) -> bool {
        self.index == 0
    }

    /// Returns whether this is the only shard.
    fn is_all(self) -> bool {
        self.count == 1
    }

    /// Returns whether a hash belongs to the shard.
    pub(super) fn contains(self, hash: u128) -> bool {
        self.count == 1 || (hash >> 64) as u64 % self.count == self.index
    }
}

/// Replays the session keys of a shard, for all dates in order, and splits sessions by `timeout`.
/// In the replay of the first shard, the visitor receives the events of all shards.
pub(super) fn replay(
    snapshot: &Snapshot,
    boundary: &PrunedBoundary,
    timeout: Micros,
    shard: KeyShard,
    progress: &dyn Progress,
    visitor: &mut dyn ReplayVisitor,
) -> Result<()> {
    let texts = TextInterner::default();
    let mut rows = StoredSessionReader::new(snapshot, boundary, &texts, shard);
    let files = snapshot.manifest().files(Table::Events);
    let dates: BTreeSet<Day> = rows.dates().into_iter().chain(files.iter().map(|file| file.day)).collect();
    let mut state = ReplayState {
        boundary,
        timeout,
        shard,
        texts: &texts,
        rows: HashMap::default(),
        fragments: HashMap::default(),
    };
    std::thread::scope(|scope| {
        let visited = if shard.is_first() { KeyShard::ALL } else { shard };
        let mut batches = prefetch(scope, event_batches(snapshot, visited)).peekable();
        let mut rows_by_date = prefetch(scope, dates.iter().map(|&date| rows.read_through(date)));
        let mut next_dates = dates.iter().skip(1);
        for &date in &dates {
            let Some(rows) = rows_by_date.next() else { break };
            let (rows, bytes) = rows?;
            progress.set_step(&date.to_string());
            progress.advance(bytes);
            state.add_rows(rows);
            let is_of_date =
                |batch: &Result<EventBatch>| batch.as_ref().map_or(true, |batch| batch.date == date);
            while let Some(batch) = batches.next_if(is_of_date).transpose()? {
                if shard.is_first() {
                    visitor.visit_events(&batch.block)?;
                }
                state.add_events(&batch.block);
                progress.advance(batch.bytes);
            }
            let next = next_dates.next().map_or(Micros::MAX, |next| i64::from(next.0) * DAY);
            visitor.visit_settled(state.settle(next))?;
            texts.evict_unused();
        }
        Ok(())
    })
}

struct ReplayState<'a> {
    boundary: &'a PrunedBoundary,
    timeout: Micros,
    shard: KeyShard,
    texts: &'a TextInterner,
    /// Stored rows that a session can still be paired with, by session key hash.
    rows: HashMap<u128, Vec<OpenRow>, PreHashed>,
    /// Fragments of sessions that are not settled, by session key hash.
    fragments: HashMap<u128, Vec<SessionSummary<'static>>, PreHashed>,
}

/// A stored row. Its time span stays after the row was paired with a session.
struct OpenRow {
    start: Micros,
    end: Micros,
    created_at: Micros,
    row: Option<Box<StoredSession>>,
    /// Whether the row equals a fragment, which is not kept. Most sessions are read as one
    /// fragment, so this halves their memory.
    is_confirmed: bool,
}

impl ReplayState<'_> {
    fn add_rows(&mut self, rows: Vec<StoredSession>) {
        for row in rows {
            let key = row.session.key.hash();
            if row.is_partial {
                self.fragments.entry(key).or_default().push((*row.session).clone());
            }
            let (start, end) = (row.session.first.time, row.session.ended_at);
            let created_at = row.session.created_at;
            // Most keys have one row. A growing vector would start with a capacity of four.
            let rows = self.rows.entry(key).or_insert_with(|| Vec::with_capacity(1));
            let row = Some(Box::new(row));
            rows.push(OpenRow { start, end, created_at, row, is_confirmed: false });
        }
    }

    /// Groups events into fragments, except for events of pruned sessions and events that a partial
    /// session already counts.
    fn add_events(&mut self, block: &Block) {
        let mut events: Vec<Event<'_>> = Vec::with_capacity(block.rows.len());
        let shard = self.shard;
        for row in block.rows.iter().filter(|row| shard.contains(row.key)) {
            let event = block.event(row);
            if !self.boundary.has_pruned_data(event.chatbot_id()) || self.is_to_be_counted(event) {
                events.push(event);
            }
        }
        events.par_sort_unstable_by_key(|event| (event.row.key, event.row.time, event.row.id));
        let (timeout, texts, state) = (self.timeout, self.texts, &*self);
        // `None` if the only fragment of a key confirms its stored row.
        let fragments: Vec<(u128, Option<Vec<SessionSummary<'static>>>)> = events
            .par_chunk_by(|a, b| a.row.key == b.row.key)
            .map(|events| {
                let key = events.first().map_or(0, |event| event.row.key);
                // `created_at` is set when the session is settled. Until then it is the maximum, so
                // that a merge with the row of a partial session keeps the time of the row.
                let mut fragments = split_by_gap(events, timeout)
                    .filter_map(|events| SessionSummary::from_events(events, Micros::MAX));
                let (mut first, second) = (fragments.next(), fragments.next());
                if second.is_none() && first.as_mut().is_some_and(|only| state.confirms_row(key, only)) {
                    return (key, None);
                }
                let mut owned = Vec::with_capacity(1);
                let all = first.into_iter().chain(second).chain(fragments);
                owned.extend(all.map(|fragment| fragment.into_owned(texts)));
                (key, Some(owned))
            })
            .collect();
        for (key, fragments) in fragments {
            match (fragments, self.fragments.entry(key)) {
                (Some(fragments), Entry::Occupied(mut existing)) => existing.get_mut().extend(fragments),
                (Some(fragments), Entry::Vacant(entry)) => drop(entry.insert(fragments)),
                (None, _) => {
                    let rows = self.rows.get_mut(&key).into_iter().flatten();
                    rows.for_each(|row| row.is_confirmed = true);
                }
            }
        }
    }

    /// Returns whether a fragment equals the only stored row of its key, and is the first fragment
    /// of the key. The fragment gets the times at which the row was stored.
    fn confirms_row(&self, key: u128, fragment: &mut SessionSummary<'_>) -> bool {
        let Some([OpenRow { row: Some(row), is_confirmed: false, .. }]) =
            self.rows.get(&key).map(Vec::as_slice)
        else {
            return false;
        };
        if row.is_partial || !row.is_consistent || self.fragments.contains_key(&key) {
            return false;
        }
        let stored: &SessionSummary<'_> = &row.session;
        let unknown = (fragment.created_at, fragment.updated_at);
        (fragment.created_at, fragment.updated_at) = (stored.created_at, stored.updated_at);
        let is_equal = *fragment == *stored;
        if !is_equal {
            (fragment.created_at, fragment.updated_at) = unknown;
        }
        is_equal
    }

    /// Restores the fragments of confirmed rows whose key has other rows or fragments.
    fn restore_fragments(&mut self) {
        for (key, rows) in &mut self.rows {
            let is_alone = rows.len() == 1 && !self.fragments.contains_key(key);
            for row in rows.iter_mut().filter(|row| row.is_confirmed && !is_alone) {
                row.is_confirmed = false;
                if let Some(stored) = &row.row {
                    let mut fragment = (*stored.session).clone();
                    (fragment.created_at, fragment.updated_at) = (Micros::MAX, Micros::MAX);
                    self.fragments.entry(*key).or_default().push(fragment);
                }
            }
        }
    }

    /// Returns whether an event of a chatbot with pruned data must be counted in a session. If a
    /// partial session contains the event, adds it to the retained part of that session.
    fn is_to_be_counted(&mut self, event: Event<'_>) -> bool {
        let time = event.row.time;
        let mut rows = self.rows.get_mut(&event.row.key).into_iter().flatten();
        match rows.find(|row| row.start <= time && time <= row.end) {
            Some(OpenRow { row: Some(row), .. }) if row.is_partial => {
                let fragment = SessionSummary::from_event(event, Micros::MAX).into_owned(self.texts);
                match &mut row.retained_part {
                    Some(part) => part.merge(fragment),
                    None => row.retained_part = Some(Box::new(fragment)),
                }
                false
            }
            Some(_) => true,
            None => !self.boundary.belongs_to_pruned_session(event.chatbot_id(), time),
        }
    }

    /// Settles the sessions to which no event at `next` or later can belong.
    fn settle(&mut self, next: Micros) -> SettledSessions {
        let timeout = self.timeout;
        self.restore_fragments();
        let merged: Vec<(u128, Vec<SessionSummary<'static>>)> = std::mem::take(&mut self.fragments)
            .into_par_iter()
            .map(|(key, fragments)| {
                (key, if fragments.len() > 1 { merge_adjacent(fragments, timeout) } else { fragments })
            })
            .collect();
        let can_continue = |end: Micros| next < Micros::MAX && end.saturating_add(timeout) >= next;
        let sessions = Vec::with_capacity(merged.len());
        let mut settled = SettledSessions { sessions, through: next, ..SettledSessions::default() };
        for (key, sessions) in merged {
            for session in sessions {
                if can_continue(session.ended_at) {
                    settled.open.push((session.first.time, None));
                    self.fragments.entry(key).or_default().push(session);
                } else {
                    settled.sessions.push(self.pair(key, Box::new(session)));
                }
            }
        }
        let fragments = &self.fragments;
        self.rows.retain(|key, rows| {
            let open = fragments.get(key).map_or(&[][..], Vec::as_slice);
            rows.retain_mut(|row| {
                if row.is_confirmed {
                    if can_continue(row.end) {
                        let day = row.row.as_ref().map(|stored| stored.day);
                        settled.open.extend([(row.start, None), (row.start, day)]);
                        return true;
                    }
                    settled.unchanged_rows.extend(row.row.take().map(|row| *row));
                    return false;
                }
                // A session of a later date or an open session can still have this start.
                let is_open = next < Micros::MAX
                    && (row.end >= next || open.iter().any(|session| session.first.time <= row.end));
                match &row.row {
                    Some(stored) if is_open => settled.open.push((row.start, Some(stored.day))),
                    _ => settled.obsolete_rows.extend(row.row.take_if(|_| !is_open).map(|row| *row)),
                }
                is_open
            });
            !rows.is_empty()
        });
        settled.obsolete_rows.par_sort_unstable_by(|a, b| row_order(&a.session, &b.session));
        settled
    }

    /// Pairs a session with the stored row that has the same start.
    fn pair(&mut self, key: u128, mut session: Box<SessionSummary<'static>>) -> ExpectedSession {
        let Some(rows) = self.rows.get_mut(&key) else {
            return ExpectedSession { session, stored: None, created_at: None };
        };
        let overlapping =
            rows.iter().filter(|row| row.start <= session.ended_at && session.first.time <= row.end);
        let created_at = overlapping.map(|row| row.created_at).min();
        let stored = rows.iter_mut().find(|row| row.row.is_some() && row.start == session.first.time);
        let stored = stored.and_then(|row| row.row.take());
        if let Some(row) = &stored {
            session.created_at = row.session.created_at;
            session.updated_at = row.session.updated_at;
        }
        ExpectedSession { session, stored, created_at }
    }
}

/// Compares two sessions by their order in a file of `sessions`.
pub(super) fn row_order(a: &SessionSummary<'_>, b: &SessionSummary<'_>) -> Ordering {
    (&a.key.chatbot_id, a.first, &a.key).cmp(&(&b.key.chatbot_id, b.first, &b.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_one_shard() {
        for most in [0, SESSIONS_TOGETHER, SESSIONS_TOGETHER + 1, 7 * SESSIONS_TOGETHER] {
            let shards: Vec<KeyShard> = KeyShard::of_sessions(most, SESSIONS_TOGETHER).collect();
            assert_eq!(shards.len() as u64, most.div_ceil(SESSIONS_TOGETHER).max(1));
            assert_eq!(shards.iter().filter(|shard| shard.is_first()).count(), 1);
            for key in 0..1000u128 {
                let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
                assert_eq!(shards.iter().filter(|shard| shard.contains(hash)).count(), 1, "{key} of {most}");
            }
        }
    }
}
