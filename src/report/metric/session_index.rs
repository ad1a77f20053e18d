//! An index that finds the session of an event.
//!
//! An event belongs to the session that has the event's key and whose interval, from its first to
//! its last event, contains the event's time. The index has a hash table for each day on which
//! sessions started, since most events belong to a session that started on the same day. The table
//! of a day fits into the CPU cache.

use std::collections::BTreeMap;
use std::ops::Range;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rayon::prelude::*;

use crate::error::Result;
use crate::report::query::filter::Conditions;
use crate::report::query::session_keys::{
    NoValues, PerSession, SessionIntervals, SessionKeys, SessionValues,
};
use crate::report::query::tables::{Tables, map_frames};
use crate::report::query::{ChatbotFilter, Query};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Ints};
use crate::time::{Day, Micros, Zone};

/// The indexed sessions, numbered from 0 in the order of the tables.
pub(crate) struct SessionIndex {
    days: Vec<DayIndex>,
    /// Whether a session has no session id. Events are then found by their visitor ids too.
    needs_visitor_ids: bool,
    /// The time of the last event of any session that is counted; `None` without such sessions.
    pub last: Option<Micros>,
    /// The number of bot sessions, whether included or not.
    pub bots: u64,
}

/// The hash of a session's key, and the times of its first and last event.
type KeyInterval = (u128, Micros, Micros);

/// Sessions, and the number of events of each.
type CountedIntervals = (Vec<KeyInterval>, Vec<u32>);

/// The sessions that started on one day.
struct DayIndex {
    /// The start of the first session.
    first: Micros,
    /// The end of the last session.
    last: Micros,
    /// The number of sessions of earlier days.
    offset: u32,
    /// Key hash, start and end of each session, ordered by chatbot and start as in the table.
    sessions: Vec<KeyInterval>,
    /// The number of events of each session, including pruned ones.
    event_counts: Vec<u32>,
    /// For each session, the index of the previous session with the same key, or [`NONE`].
    previous: Vec<u32>,
    /// By key, the index of the last session with that key.
    by_key: HashTable<u32>,
}

const NONE: u32 = u32::MAX;

/// A session that an event belongs to.
#[derive(Clone, Copy)]
pub(crate) struct FoundSession {
    /// The session's number in the whole index.
    pub number: u32,
    /// The time of the first event.
    pub start: Micros,
    /// The time of the last event.
    pub end: Micros,
    /// The number of events, including pruned ones.
    pub events: u32,
}

/// The result of a search among the sessions of a day.
enum Found {
    /// The session of the event, and its index in the day.
    Session(u32, FoundSession),
    /// All sessions with the key are at other times.
    OtherTimes,
    /// No session has the key.
    NoSession,
}

/// Adjacent rows of events that belong to one session.
pub(crate) struct SessionRun {
    pub session: FoundSession,
    pub rows: Range<usize>,
}

impl SessionIndex {
    /// Reads the sessions that a query selects. Also returns a value of each session.
    pub fn read_with<T: Send + 'static>(
        tables: &dyn Tables,
        query: &Query,
        values: &dyn SessionValues<Value = T>,
    ) -> Result<(SessionIndex, PerSession<T>)> {
        SessionIndex::new(tables.zone(), |visitor_ids| {
            let days = Some(query.window.range());
            let mut columns = query.columns(key_columns(visitor_ids));
            for name in values.columns() {
                if !columns.contains(&name) {
                    columns.push(name);
                }
            }
            map_frames(tables, Table::Sessions, days, &columns, |number, frame| {
                SessionIntervals::new((number, frame), query, visitor_ids, values)
            })
        })
    }

    /// Reads the sessions that satisfy conditions and whose last event is at `since` or later, on
    /// any day.
    pub fn read_ended_since(
        tables: &dyn Tables,
        query: &Query,
        since: Micros,
        conditions: &Conditions,
    ) -> Result<SessionIndex> {
        let index = SessionIndex::new(tables.zone(), |visitor_ids| {
            let mut columns = query.columns(key_columns(visitor_ids));
            let more = conditions.columns();
            columns.extend(
                more.into_iter().filter(|name| !key_columns(visitor_ids).contains(name) && *name != "is_bot"),
            );
            let frames = tables.read_sessions_ended_since(since, &columns)?;
            let part = |frame: &Frame| {
                let mut bound = conditions.bind(frame, tables.zone())?;
                let selected = frame.filter((0..frame.height()).map(|row| bound.matches(row)))?;
                SessionIntervals::new((0, &selected), query, visitor_ids, &NoValues)
            };
            frames.par_iter().map(part).collect()
        });
        Ok(index?.0)
    }

    /// Indexes the sessions that `read` returns, and returns their values too. `read(false)` leaves
    /// out sessions without a session id; `read(true)` returns all sessions.
    fn new<T>(
        zone: Zone,
        read: impl Fn(bool) -> Result<Vec<SessionIntervals<T>>>,
    ) -> Result<(SessionIndex, PerSession<T>)> {
        let mut parts = read(false)?;
        let needs_visitor_ids = parts.iter().any(|part| part.needs_visitor_ids);
        if needs_visitor_ids {
            parts = read(true)?;
        }
        let bots = parts.iter().map(|part| part.bots).sum();
        let mut parts_by_day: BTreeMap<Day, Vec<SessionIntervals<T>>> = BTreeMap::new();
        for part in parts.into_iter().filter(|part| !part.sessions.is_empty()) {
            let start = part.sessions.first().map_or(0, |(_, start, _)| *start);
            parts_by_day.entry(zone.day(start)).or_default().push(part);
        }
        let mut values = Vec::new();
        let mut sessions_by_day: Vec<Vec<CountedIntervals>> = Vec::new();
        for parts in parts_by_day.into_values() {
            let sessions = parts.into_iter().map(|part| {
                values.push(part.values);
                (part.sessions, part.event_counts)
            });
            sessions_by_day.push(sessions.collect());
        }
        let mut days: Vec<DayIndex> =
            sessions_by_day.into_par_iter().with_max_len(1).map(DayIndex::new).collect();
        let mut offset = 0u32;
        for day in &mut days {
            day.offset = offset;
            offset = offset.saturating_add(day.sessions.len() as u32);
        }
        let last = days.iter().map(|day| day.last).max();
        Ok((SessionIndex { days, needs_visitor_ids, last, bots }, PerSession::new(values)))
    }

    /// Returns the number of sessions.
    pub fn len(&self) -> u32 {
        self.days.last().map_or(0, |day| day.offset.saturating_add(day.sessions.len() as u32))
    }

    /// Restricts [`last`](SessionIndex::last) to the sessions for whose numbers `is_counted`
    /// returns `true`. A bot can have sessions of months, whose events need not be read.
    pub fn restrict_last(&mut self, is_counted: impl Fn(usize) -> bool) {
        let sessions = self.days.iter().flat_map(|day| &day.sessions).enumerate();
        let counted = sessions.filter(|(number, _)| is_counted(*number));
        self.last = counted.map(|(_, (.., end))| *end).max();
    }

    /// Returns the given columns of events, and the columns that a [`SessionFinder`] needs.
    pub fn columns(&self, columns: &[&'static str]) -> Vec<&'static str> {
        let mut all = columns.to_vec();
        all.extend(["chatbot_id", "session_id", "timestamp"]);
        if self.needs_visitor_ids {
            all.extend(["anonymous_id", "user_id"]);
        }
        all
    }
}

impl DayIndex {
    fn new(parts: Vec<CountedIntervals>) -> DayIndex {
        // Most days have a single file, whose sessions need not be copied.
        let mut parts = parts.into_iter();
        let (mut sessions, mut event_counts) = parts.next().unwrap_or_default();
        for (more_sessions, more_counts) in parts {
            sessions.extend(more_sessions);
            event_counts.extend(more_counts);
        }
        let mut day = DayIndex {
            first: sessions.iter().map(|(_, start, _)| *start).min().unwrap_or(Micros::MAX),
            last: sessions.iter().map(|(.., end)| *end).max().unwrap_or(Micros::MIN),
            offset: 0,
            previous: Vec::with_capacity(sessions.len()),
            by_key: HashTable::with_capacity(sessions.len()),
            sessions,
            event_counts,
        };
        let key_of = |index: &u32| day.sessions.get(*index as usize).map_or(0, |(key, ..)| *key);
        for (index, (key, ..)) in day.sessions.iter().enumerate() {
            let hash = |index: &u32| table_hash(key_of(index));
            match day.by_key.entry(table_hash(*key), |other| key_of(other) == *key, hash) {
                Entry::Occupied(mut entry) => {
                    day.previous.push(std::mem::replace(entry.get_mut(), index as u32));
                }
                Entry::Vacant(entry) => {
                    entry.insert(index as u32);
                    day.previous.push(NONE);
                }
            }
        }
        day
    }

    /// Returns the session at an index if it has this key and its interval contains this time.
    fn check(&self, index: u32, key: u128, time: Micros) -> Option<FoundSession> {
        let (session_key, start, end) = *self.sessions.get(index as usize)?;
        (session_key == key && start <= time && time <= end).then(|| FoundSession {
            number: self.offset.saturating_add(index),
            start,
            end,
            events: self.event_counts.get(index as usize).copied().unwrap_or(0),
        })
    }

    /// Returns the index of the last session with a key.
    fn last_with_key(&self, key: u128) -> Option<u32> {
        let has_key = |index: &u32| self.sessions.get(*index as usize).is_some_and(|(k, ..)| *k == key);
        self.by_key.find(table_hash(key), has_key).copied()
    }

    /// Finds the session of an event.
    fn find(&self, key: u128, time: Micros) -> Found {
        let Some(mut index) = self.last_with_key(key) else { return Found::NoSession };
        loop {
            if let Some(found) = self.check(index, key, time) {
                return Found::Session(index, found);
            }
            match self.previous.get(index as usize) {
                Some(previous) if *previous != NONE => index = *previous,
                _ => return Found::OtherTimes,
            }
        }
    }
}

/// Returns the columns of sessions that make up their keys and intervals, and the number of events.
fn key_columns(visitor_ids: bool) -> &'static [&'static str] {
    let all =
        &["chatbot_id", "session_id", "started_at", "ended_at", "event_count", "anonymous_id", "user_id"];
    if visitor_ids { all } else { all.split_at(5).0 }
}

/// Returns the upper half of a key, which is itself a hash.
fn table_hash(key: u128) -> u64 {
    (key >> 64) as u64
}

/// Finds the sessions of a frame of events.
pub(crate) struct SessionFinder<'a> {
    keys: SessionKeys<'a>,
    times: &'a Ints,
    chatbots: ChatbotFilter<'a>,
    /// The days whose sessions can contain the events, latest first, each with the index of the
    /// session that is tried first. Events are in nearly the same order as sessions, so the next
    /// session in the vector is usually the right one, and the hash table is not needed.
    days: Vec<(&'a DayIndex, u32)>,
    /// The session that was found last, and the tokens of its key. Neighbouring events mostly
    /// belong to the same session.
    last: Option<((u128, u128), FoundSession)>,
    /// The tokens of the last key without a session, and the time from which it has none. With a
    /// filter, most keys have no session.
    absent: Option<((u128, u128), Micros)>,
}

impl<'a> SessionFinder<'a> {
    /// Returns a finder for a frame with the columns that [`SessionIndex::columns`] names.
    pub fn new(frame: &'a Frame, query: &'a Query, index: &'a SessionIndex) -> Result<SessionFinder<'a>> {
        let times = frame.ints("timestamp")?;
        let widen = |(first, last): (Micros, Micros), time: Micros| (first.min(time), last.max(time));
        let (first, last) = times.iter().flatten().fold((Micros::MAX, Micros::MIN), widen);
        let days = index.days.iter().rev().filter(|day| day.first <= last && first <= day.last);
        let days = days.map(|day| (day, 0)).collect();
        let keys = SessionKeys::new(frame, index.needs_visitor_ids)?;
        let chatbots = query.chatbot_filter(frame)?;
        Ok(SessionFinder { keys, times, chatbots, days, last: None, absent: None })
    }

    /// Returns all runs of rows that belong to a session of the index, in the order of the rows.
    pub fn runs(mut self) -> Vec<SessionRun> {
        let height = self.times.len();
        let mut runs = Vec::new();
        let mut row = 0;
        while row < height {
            let Some((session, _)) = self.found_session(row) else {
                row += 1;
                continue;
            };
            let start = row;
            row += 1;
            match self.keys.tokens(start) {
                Some(tokens) => {
                    let is_in = |time: Micros| session.start <= time && time <= session.end;
                    while self.keys.tokens(row) == Some(tokens) && self.times.get(row).is_some_and(is_in) {
                        row += 1;
                    }
                }
                None => {
                    let is_same = |found: (FoundSession, Micros)| found.0.number == session.number;
                    while row < height && self.found_session(row).is_some_and(is_same) {
                        row += 1;
                    }
                }
            }
            runs.push(SessionRun { session, rows: start..row });
        }
        runs
    }

    /// Returns the number of an event's session and the event's time; `None` if the event belongs
    /// to no session of the index.
    pub fn session(&mut self, row: usize) -> Option<(u32, Micros)> {
        self.found_session(row).map(|(session, time)| (session.number, time))
    }

    /// Returns an event's session and the event's time; `None` if the event belongs to no session
    /// of the index.
    fn found_session(&mut self, row: usize) -> Option<(FoundSession, Micros)> {
        let time = self.times.get(row)?;
        let tokens = self.keys.tokens(row);
        if let Some((last, found)) = self.last
            && tokens == Some(last)
            && found.start <= time
            && time <= found.end
        {
            return Some((found, time));
        }
        let is_absent = |(absent, since): (_, Micros)| tokens == Some(absent) && since <= time;
        if self.absent.is_some_and(is_absent) || !self.chatbots.contains(row) {
            return None;
        }
        let key = self.keys.hash(row)?;
        let found = self.find(key, time, tokens)?;
        self.last = tokens.map(|tokens| (tokens, found));
        Some((found, time))
    }

    /// Finds the session of an event by its key. Remembers the last key without a session.
    fn find(&mut self, key: u128, time: Micros, tokens: Option<(u128, u128)>) -> Option<FoundSession> {
        for (day, next) in &mut self.days {
            if let Some(found) = day.check(*next, key, time) {
                *next += 1;
                return Some(found);
            }
        }
        let mut is_absent = true;
        // Sessions that ended earlier do not contain later events either.
        for (day, next) in self.days.iter_mut().filter(|(day, _)| time <= day.last) {
            match day.find(key, time) {
                Found::Session(index, found) => {
                    *next = index.saturating_add(1);
                    return Some(found);
                }
                Found::OtherTimes => is_absent = false,
                Found::NoSession => {}
            }
        }
        if is_absent {
            self.absent = tokens.map(|tokens| (tokens, time));
        }
        None
    }
}
