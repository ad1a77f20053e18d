//! Goes through the store by UTC dates, and says which sessions its events make.
//!
//! Of each date, the kept events are read a part of a file at a time, and cut into pieces of
//! sessions; fixed rows ([`crate::maintenance::replay::pruned_boundary`]) are pieces too. Pieces of one key are joined with those
//! of the dates before, and a session is settled once the next date begins more than a timeout
//! after its end. Beside it stand the stored rows that it takes the place of.

pub(crate) mod events;
pub(crate) mod prefetch;
pub(crate) mod pruned_boundary;
pub(crate) mod session_eq;
pub(crate) mod stored_sessions;

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

use crate::error::Result;
use crate::event::{Block, Event};
use crate::progress::Progress;
use crate::session::{SessionSummary, TextInterner, merge_adjacent, split_by_gap};
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::time::{DAY, Day, Micros};
use events::{Part, parts};
use prefetch::prefetch;
use pruned_boundary::PrunedBoundary;
use stored_sessions::{StoredSession, StoredSessionReader};

/// A session as events and fixed rows make it.
#[derive(Debug)]
pub struct ExpectedSession {
    /// The session; its times of storing are those of [`ExpectedSession::created_at`] and the stored row.
    pub session: SessionSummary<'static>,
    /// The stored row of the same key and start.
    pub stored: Option<Box<StoredSession>>,
    /// The earliest `created_at` of the stored rows that it shares events with.
    pub created_at: Option<Micros>,
}

/// What is settled after a date.
#[derive(Debug, Default)]
pub struct SettledSessions {
    /// Sessions, in order of chatbot and start.
    pub sessions: Vec<ExpectedSession>,
    /// StoredSession rows that no session has the start of.
    pub gone: Vec<StoredSession>,
    /// All that starts before this is settled, but for `open`.
    pub through: Micros,
    /// What is not settled yet: the start of a session or a stored row, and the row's partition.
    pub open: Vec<(Micros, Option<Day>)>,
}

/// Is told what a replay finds.
pub trait ReplayVisitor {
    /// Some kept events, in no order.
    fn events(&mut self, block: &Block) -> Result<()>;
    /// What is settled after a date.
    fn settled(&mut self, settled: SettledSessions) -> Result<()>;
}

/// Goes through all dates, from the first to the last, and cuts by `timeout`.
pub fn replay(
    snapshot: &Snapshot,
    boundary: &PrunedBoundary,
    timeout: Micros,
    progress: &dyn Progress,
    visit: &mut dyn ReplayVisitor,
) -> Result<()> {
    let texts = TextInterner::default();
    let mut rows = StoredSessionReader::new(snapshot, boundary, &texts);
    let events = snapshot.manifest().files(Table::Events);
    let dates: BTreeSet<Day> = rows.dates().into_iter().chain(events.iter().map(|file| file.day)).collect();
    let mut state = State { boundary, timeout, texts: &texts, held: HashMap::new(), pieces: HashMap::new() };
    std::thread::scope(|scope| {
        let mut parts = prefetch(scope, parts(snapshot)).peekable();
        let mut starting = prefetch(scope, dates.iter().map(|&date| rows.through(date)));
        let mut later = dates.iter().skip(1);
        for &date in &dates {
            let Some(rows) = starting.next() else { break };
            let (rows, bytes) = rows?;
            progress.set_step(&date.to_string());
            progress.advance(bytes);
            state.hold(rows);
            let of_date = |part: &Result<Part>| part.as_ref().map_or(true, |part| part.date == date);
            while let Some(part) = parts.next_if(of_date).transpose()? {
                visit.events(&part.block)?;
                state.take(&part.block);
                progress.advance(part.bytes);
            }
            let next = later.next().map_or(Micros::MAX, |next| i64::from(next.0) * DAY);
            visit.settled(state.settle(next))?;
            texts.evict_unused();
        }
        Ok(())
    })
}

struct State<'a> {
    boundary: &'a PrunedBoundary,
    timeout: Micros,
    texts: &'a TextInterner,
    /// StoredSession rows whose events are not all settled, by the hash of their key.
    held: HashMap<u128, Vec<Held>>,
    /// Pieces of sessions that are not settled, likewise.
    pieces: HashMap<u128, Vec<SessionSummary<'static>>>,
}

/// A stored row, or what it covered, once it has been paired with a session.
struct Held {
    start: Micros,
    end: Micros,
    created_at: Micros,
    row: Option<Box<StoredSession>>,
}

impl State<'_> {
    fn hold(&mut self, rows: Vec<StoredSession>) {
        for row in rows {
            let key = row.session.key.hash();
            if row.fixed {
                self.pieces.entry(key).or_default().push(row.session.clone());
            }
            let (start, end) = (row.session.first.time, row.session.ended_at);
            let created_at = row.session.created_at;
            // Most keys have one row, and a list that grows takes room for four.
            let rows = self.held.entry(key).or_insert_with(|| Vec::with_capacity(1));
            rows.push(Held { start, end, created_at, row: Some(Box::new(row)) });
        }
    }

    /// Cuts events into pieces; those that a fixed row counts already stay out, and those of
    /// sessions that were pruned.
    fn take(&mut self, block: &Block) {
        let mut free: Vec<Event<'_>> = Vec::with_capacity(block.rows.len());
        for row in &block.rows {
            let event = block.event(row);
            if !self.boundary.concerns(event.chatbot_id()) || self.is_free(event) {
                free.push(event);
            }
        }
        free.par_sort_unstable_by_key(|event| (event.row.key, event.row.time, event.row.id));
        let (timeout, texts) = (self.timeout, self.texts);
        let made: Vec<(u128, Vec<SessionSummary<'static>>)> = free
            .par_chunk_by(|a, b| a.row.key == b.row.key)
            .map(|events| {
                // Whatever is stored was stored earlier: the time of storing is put in at the end.
                let pieces = split_by_gap(events, timeout)
                    .filter_map(|events| SessionSummary::from_events(events, Micros::MAX));
                let mut owned = Vec::with_capacity(1);
                owned.extend(pieces.map(|piece| piece.into_owned(texts)));
                (events.first().map_or(0, |event| event.row.key), owned)
            })
            .collect();
        for (key, pieces) in made {
            match self.pieces.entry(key) {
                Entry::Occupied(mut there) => there.get_mut().extend(pieces),
                Entry::Vacant(place) => drop(place.insert(pieces)),
            }
        }
    }

    fn is_free(&mut self, event: Event<'_>) -> bool {
        let time = event.row.time;
        let mut rows = self.held.get_mut(&event.row.key).into_iter().flatten();
        match rows.find(|held| held.start <= time && time <= held.end) {
            Some(Held { row: Some(row), .. }) if row.fixed => {
                let piece = SessionSummary::from_event(event, Micros::MAX).into_owned(self.texts);
                match &mut row.covered {
                    Some(covered) => covered.merge(piece),
                    None => row.covered = Some(Box::new(piece)),
                }
                false
            }
            Some(_) => true,
            None => !self.boundary.is_of_pruned_session(event.chatbot_id(), time),
        }
    }

    /// Settles what nothing at `next` or later can belong to.
    fn settle(&mut self, next: Micros) -> SettledSessions {
        let timeout = self.timeout;
        let joined: Vec<(u128, Vec<SessionSummary<'static>>)> = std::mem::take(&mut self.pieces)
            .into_par_iter()
            .map(|(key, pieces)| {
                (key, if pieces.len() > 1 { merge_adjacent(pieces, timeout) } else { pieces })
            })
            .collect();
        let sessions = Vec::with_capacity(joined.len());
        let mut settled = SettledSessions { sessions, through: next, ..SettledSessions::default() };
        for (key, sessions) in joined {
            for session in sessions {
                if next < Micros::MAX && session.ended_at.saturating_add(timeout) >= next {
                    settled.open.push((session.first.time, None));
                    self.pieces.entry(key).or_default().push(session);
                } else {
                    settled.sessions.push(self.pair(key, session));
                }
            }
        }
        let pieces = &self.pieces;
        self.held.retain(|key, rows| {
            let open = pieces.get(key).map_or(&[][..], Vec::as_slice);
            rows.retain_mut(|held| {
                // A date to come, or an open session, can still take its place.
                let waits = next < Micros::MAX
                    && (held.end >= next || open.iter().any(|session| session.first.time <= held.end));
                match &held.row {
                    Some(row) if waits => settled.open.push((held.start, Some(row.day))),
                    _ => settled.gone.extend(held.row.take_if(|_| !waits).map(|row| *row)),
                }
                waits
            });
            !rows.is_empty()
        });
        settled.sessions.par_sort_unstable_by(|a, b| order(&a.session, &b.session));
        settled.gone.par_sort_unstable_by(|a, b| order(&a.session, &b.session));
        settled
    }

    /// Brings a session together with the stored row of its start.
    fn pair(&mut self, key: u128, mut session: SessionSummary<'static>) -> ExpectedSession {
        let Some(rows) = self.held.get_mut(&key) else {
            return ExpectedSession { session, stored: None, created_at: None };
        };
        let shared =
            rows.iter().filter(|held| held.start <= session.ended_at && session.first.time <= held.end);
        let created_at = shared.map(|held| held.created_at).min();
        let stored = rows.iter_mut().find(|held| held.row.is_some() && held.start == session.first.time);
        let stored = stored.and_then(|held| held.row.take());
        if let Some(row) = &stored {
            session.created_at = row.session.created_at;
            session.updated_at = row.session.updated_at;
        }
        ExpectedSession { session, stored, created_at }
    }
}

/// The order of rows in a file of sessions.
pub fn order(a: &SessionSummary<'_>, b: &SessionSummary<'_>) -> std::cmp::Ordering {
    (&a.key.chatbot_id, a.first, &a.key).cmp(&(&b.key.chatbot_id, b.first, &b.key))
}
