//! `performance`: how long answers and pages took, what was slow, what went wrong.
//!
//! An event belongs to its session, so the events of the window are those of the sessions that
//! started in it, whichever day they happened on: sessions are found first, by key and interval,
//! and each event that says something is looked up among them.

use std::collections::BTreeMap;

use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};
use rayon::prelude::*;
use serde::Serialize;

use super::answer::{Body, Head, Report};
use super::metric::diagnostics;
use super::metric::percentile::Times;
use super::metric::{Group, Listed, rows};
use super::query::keys::{Intervals, Keys, intervals};
use super::query::property::Properties;
use super::query::pruned;
use super::query::tables::{Tables, map_frames};
use super::query::view_cache::{NULL, Recent};
use super::query::{Asked, Query};
use crate::decimal::fixed::{Distinct, Percent};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::{Frame, Ints, Texts};
use crate::time::{Day, Micros, SECOND};

/// From when on a response is slow: the original's 3 seconds, exclusive.
pub const SLOW: Micros = 3 * SECOND;

rows! {
    /// Errors of one name.
    ErrorName {
        names {
            /// The event's name.
            event_name = "event_name",
        }
        figures {
            /// How often it happened.
            count: u64,
            /// In how many sessions.
            unique_sessions: Distinct,
        }
    }
}

rows! {
    /// Slow responses.
    SlowResponses {
        names {}
        figures {
            /// Response times over 3 seconds.
            count: u64,
            /// Their share in all response times.
            share: Percent,
            /// How many `slow_response` events were logged.
            logged: u64,
        }
    }
}

/// The answer of `performance`.
#[derive(Clone, Debug, Serialize)]
pub struct Performance {
    /// Response times in milliseconds.
    pub response_time_ms: Times,
    /// Load times in milliseconds.
    pub load_time_ms: Times,
    /// Slow responses.
    pub slow_responses: SlowResponses,
    /// Errors by name, most frequent first.
    pub errors: Listed<ErrorName>,
}

impl Body for Performance {
    const NAME: &'static str = "performance";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::one("response_time_ms", &self.response_time_ms),
            Group::one("load_time_ms", &self.load_time_ms),
            Group::one("slow_responses", &self.slow_responses),
            Group::many("errors", &self.errors).bar("count"),
        ]
    }
}

/// Answers `performance`, the first `limit` names of errors.
pub fn performance(tables: &dyn Tables, query: &Query, limit: Option<usize>) -> Result<Report<Performance>> {
    let held = Held::read(tables, query)?;
    let (body, note) = match held.last {
        None => (measure(Events::default(), 0, limit), None),
        Some(last) => {
            let from = Day::utc(tables.zone().start_of(query.window.from));
            let events = Events::read(tables, query, &held, (from, Day::utc(last)))?;
            let pruned = tables.events_pruned_through().filter(|day| *day >= from);
            let note = pruned.map(|day| {
                format!("events up to {day} are pruned, so this report counts only those that are kept")
            });
            (measure(events, held.sessions(), limit), note)
        }
    };
    let mut report = Report::new(Head::of(tables, query, held.bots), body);
    report.notes = diagnostics::on_window(tables, query, held.last.is_none(), held.bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    report.notes.extend(note);
    Ok(report)
}

/// The sessions of the window, by the day on which they started: an event is mostly of a session
/// of its own day, whose map fits into a processor's cache.
struct Held {
    days: Vec<OfDay>,
    /// All sessions have a session id, so that the other ids need not be read.
    by_session_id: bool,
    last: Option<Micros>,
    bots: u64,
}

/// The sessions of a day.
struct OfDay {
    first: Micros,
    last: Micros,
    /// What is added to a session's number to tell it from those of other days.
    offset: u32,
    /// Key, first and last time, in the order of the tables: by chatbot and start.
    sessions: Vec<(u128, Micros, Micros)>,
    /// The session of the same key that comes before.
    before: Vec<u32>,
    /// By key, the last of its sessions.
    by_key: HashTable<u32>,
}

const NONE: u32 = u32::MAX;

impl Held {
    fn read(tables: &dyn Tables, query: &Query) -> Result<Held> {
        let found = |others: bool| -> Result<Vec<Intervals>> {
            let mut columns = vec!["chatbot_id", "session_id", "started_at", "ended_at"];
            if others {
                columns.extend(["anonymous_id", "user_id"]);
            }
            let days = Some(query.window.range());
            map_frames(tables, Table::Sessions, days, &query.columns(&columns), |_, frame| {
                intervals(frame, query, others)
            })
        };
        let mut parts = found(false)?;
        let by_session_id = parts.iter().all(|part| !part.lacks_ids);
        if !by_session_id {
            parts = found(true)?;
        }
        let bots = parts.iter().map(|part| part.bots).sum();
        let mut days: BTreeMap<Day, Vec<Intervals>> = BTreeMap::new();
        for part in parts.into_iter().filter(|part| !part.sessions.is_empty()) {
            let start = part.sessions.first().map_or(0, |(_, start, _)| *start);
            days.entry(tables.zone().day(start)).or_default().push(part);
        }
        let days: Vec<Vec<Intervals>> = days.into_values().collect();
        let mut days: Vec<OfDay> = days.into_par_iter().with_max_len(1).map(OfDay::of).collect();
        let mut offset = 0u32;
        for day in &mut days {
            day.offset = offset;
            offset = offset.saturating_add(day.sessions.len() as u32);
        }
        Ok(Held { by_session_id, last: days.iter().map(|day| day.last).max(), bots, days })
    }

    /// Returns the number of sessions.
    fn sessions(&self) -> u32 {
        let held = |day: &OfDay| day.offset.saturating_add(day.sessions.len() as u32);
        self.days.last().map_or(0, held)
    }

    /// Returns the days whose sessions some events can belong to, the latest first.
    fn days_of(&self, first: Micros, last: Micros) -> Vec<&OfDay> {
        self.days.iter().rev().filter(|day| day.first <= last && first <= day.last).collect()
    }
}

impl OfDay {
    fn of(parts: Vec<Intervals>) -> OfDay {
        let mut sessions: Vec<(u128, Micros, Micros)> = Vec::new();
        for part in parts {
            // Most days are one file.
            if sessions.is_empty() {
                sessions = part.sessions;
            } else {
                sessions.extend(part.sessions);
            }
        }
        let mut day = OfDay {
            first: sessions.iter().map(|(_, start, _)| *start).min().unwrap_or(Micros::MAX),
            last: sessions.iter().map(|(.., end)| *end).max().unwrap_or(Micros::MIN),
            offset: 0,
            before: Vec::with_capacity(sessions.len()),
            by_key: HashTable::with_capacity(sessions.len()),
            sessions,
        };
        let key_of = |number: &u32| day.sessions.get(*number as usize).map_or(0, |(key, ..)| *key);
        for (number, (key, ..)) in day.sessions.iter().enumerate() {
            let hash = |number: &u32| spread(key_of(number));
            match day.by_key.entry(spread(*key), |other| key_of(other) == *key, hash) {
                Entry::Occupied(mut entry) => {
                    day.before.push(std::mem::replace(entry.get_mut(), number as u32));
                }
                Entry::Vacant(entry) => {
                    entry.insert(number as u32);
                    day.before.push(NONE);
                }
            }
        }
        day
    }

    /// Returns the session of a number, where it is of that key and an event of that time belongs to it.
    fn is(&self, number: u32, key: u128, time: Micros) -> Option<Found> {
        let (its_key, start, end) = *self.sessions.get(number as usize)?;
        (its_key == key && start <= time && time <= end).then(|| Found {
            number: self.offset.saturating_add(number),
            start,
            end,
        })
    }

    /// Returns the number of the session that an event belongs to, and the session.
    fn find(&self, key: u128, time: Micros) -> Option<(u32, Found)> {
        if time < self.first || self.last < time {
            return None;
        }
        let is_key = |number: &u32| self.sessions.get(*number as usize).is_some_and(|(its, ..)| *its == key);
        let mut number = *self.by_key.find(spread(key), is_key)?;
        loop {
            match self.is(number, key, time) {
                Some(found) => return Some((number, found)),
                None => number = *self.before.get(number as usize)?,
            }
        }
    }
}

/// Keys are hashes already.
fn spread(key: u128) -> u64 {
    (key >> 64) as u64
}

/// A session that an event belongs to.
#[derive(Clone, Copy)]
struct Found {
    /// Its number among all.
    number: u32,
    start: Micros,
    end: Micros,
}

/// What is needed to find the sessions of a frame's events.
struct Finder<'a> {
    keys: Keys,
    times: Ints,
    asked: Asked<'a>,
    /// The days, and the number of the session that is likely to come next: events lie in nearly the same
    /// order as sessions, and to look there is to look where the processor has looked ahead.
    days: Vec<(&'a OfDay, u32)>,
    /// The session that was found last, and the tokens of its key: the events of a session mostly
    /// stand side by side.
    last: Option<((u128, u128), Found)>,
}

impl<'a> Finder<'a> {
    fn of(frame: &Frame, query: &'a Query, held: &'a Held) -> Result<Finder<'a>> {
        let times = frame.ints("timestamp")?.clone();
        let all = || (0..frame.height()).filter_map(|row| times.get(row));
        let days = held.days_of(all().min().unwrap_or(0), all().max().unwrap_or(0));
        let days = days.into_iter().map(|day| (day, 0)).collect();
        let (keys, asked) = (Keys::of(frame, !held.by_session_id)?, query.asked(frame)?);
        Ok(Finder { keys, times, asked, days, last: None })
    }

    /// Returns the session of an event, as its number, and the event's time.
    fn session(&mut self, row: usize) -> Option<(u32, Micros)> {
        let time = self.times.get(row)?;
        let tokens = self.keys.tokens(row);
        if let Some((last, found)) = self.last
            && tokens == Some(last)
            && found.start <= time
            && time <= found.end
        {
            return Some((found.number, time));
        }
        if !self.asked.contains(row) {
            return None;
        }
        let key = self.keys.hash(row)?;
        let found = self.find(key, time)?;
        self.last = tokens.map(|tokens| (tokens, found));
        Some((found.number, time))
    }

    fn find(&mut self, key: u128, time: Micros) -> Option<Found> {
        for (day, next) in &mut self.days {
            if let Some(found) = day.is(*next, key, time) {
                *next += 1;
                return Some(found);
            }
        }
        self.days.iter_mut().find_map(|(day, next)| {
            let (number, found) = day.find(key, time)?;
            *next = number.saturating_add(1);
            Some(found)
        })
    }
}

/// The load and the response time that the properties of a frame's events name, worked out once for rows
/// that share a text and lie near each other.
struct Measured<'a> {
    objects: &'a Texts,
    properties: Properties<2>,
    recent: Recent<[Option<Micros>; 2]>,
}

impl<'a> Measured<'a> {
    fn of(objects: &'a Texts) -> Measured<'a> {
        let properties = Properties::new(["load_time_ms", "response_time_ms"], "_time_ms");
        Measured { objects, properties, recent: Recent::new([None; 2]) }
    }

    fn times(&mut self, row: usize) -> [Option<Micros>; 2] {
        let object = || self.objects.get(row).unwrap_or("");
        self.recent.get(self.objects.token(row).unwrap_or(NULL), || self.properties.millis(object()))
    }
}

/// What an event's name says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Sent,
    Received,
    Slow,
    Other,
}

impl Name {
    fn of(name: &str) -> Name {
        match name {
            "message_sent" => Name::Sent,
            "message_received" => Name::Received,
            "slow_response" => Name::Slow,
            _ => Name::Other,
        }
    }
}

/// What the events say.
#[derive(Default)]
struct Events {
    responses: Vec<Micros>,
    loads: Vec<Micros>,
    /// By name, the session of each.
    errors: HashMap<String, Vec<u32>>,
    logged_slow: u64,
    /// Some answer has no response time.
    any_unmeasured: bool,
    /// Of one file only.
    messages: Vec<Message>,
}

/// A message, in the order in which they are paired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    session: u32,
    time: Micros,
    kind: MessageKind,
}

/// At the same instant a question comes before its answer, and an answer that says how long it took before
/// others: it answers the question, which else would be counted twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MessageKind {
    Sent,
    Measured,
    Unmeasured,
}

impl Events {
    fn read(tables: &dyn Tables, query: &Query, held: &Held, days: (Day, Day)) -> Result<Events> {
        let mut columns =
            vec!["chatbot_id", "session_id", "event_name", "event_category", "timestamp", "properties"];
        if !held.by_session_id {
            columns.extend(["anonymous_id", "user_id"]);
        }
        let parts = map_frames(tables, Table::Events, Some(days), &columns, |_, frame| {
            Events::of(frame, query, held)
        })?;
        Ok(Events::sum(parts, held.sessions()))
    }

    fn of(frame: &Frame, query: &Query, held: &Held) -> Result<Events> {
        let (names, categories) = (frame.texts("event_name")?, frame.texts("event_category")?);
        let properties = frame.texts("properties")?;
        let mut measured = Measured::of(properties);
        let mut finder = Finder::of(frame, query, held)?;
        let (mut known, mut are_errors) = (Recent::new(Name::Other), Recent::new(false));
        // Room for all; what is not used of it is never touched, and costs nothing.
        let mut events = Events {
            responses: Vec::with_capacity(frame.height()),
            loads: Vec::with_capacity(frame.height()),
            messages: Vec::with_capacity(frame.height()),
            ..Events::default()
        };
        for row in 0..frame.height() {
            let name = known.get(names.token(row).unwrap_or(NULL), || Name::of(names.get(row).unwrap_or("")));
            let is_error = are_errors
                .get(categories.token(row).unwrap_or(NULL), || categories.get(row) == Some("error"));
            let [load, response] = measured.times(row);
            if name == Name::Other && !is_error && load.is_none() {
                continue;
            }
            let Some((session, time)) = finder.session(row) else { continue };
            events.loads.extend(load);
            events.logged_slow += u64::from(name == Name::Slow);
            if is_error {
                events.errors.entry_ref(names.get(row).unwrap_or("")).or_default().push(session);
            }
            let kind = match (name, response) {
                (Name::Sent, _) => MessageKind::Sent,
                (Name::Received, Some(time)) => {
                    events.responses.push(time);
                    MessageKind::Measured
                }
                (Name::Received, None) => {
                    events.any_unmeasured = true;
                    MessageKind::Unmeasured
                }
                _ => continue,
            };
            events.messages.push(Message { session, time, kind });
        }
        Ok(events)
    }

    /// Adds up what the files say, of so many sessions; in whichever order, the sums are the same.
    fn sum(mut parts: Vec<Events>, sessions: u32) -> Events {
        let messages: Vec<_> = parts.iter_mut().map(|part| std::mem::take(&mut part.messages)).collect();
        let any = parts.iter().any(|part| part.any_unmeasured);
        let waits = if any { waits(messages, sessions) } else { Vec::new() };
        let responses = || parts.iter().map(|part| part.responses.as_slice()).chain([waits.as_slice()]);
        let loads = || parts.iter().map(|part| part.loads.as_slice());
        let (responses, loads) =
            rayon::join(|| responses().collect::<Vec<_>>().concat(), || loads().collect::<Vec<_>>().concat());
        let mut all = Events { responses, loads, ..Events::default() };
        for part in parts {
            all.logged_slow += part.logged_slow;
            for (name, sessions) in part.errors {
                all.errors.entry(name).or_default().extend(sessions);
            }
        }
        all
    }
}

/// Returns how long the answers without a response time were waited for: of the messages of all
/// files, and of `sessions` sessions.
fn waits(files: Vec<Vec<Message>>, sessions: u32) -> Vec<Micros> {
    let mut unmeasured = vec![false; sessions as usize];
    for message in files.iter().flatten().filter(|message| message.kind == MessageKind::Unmeasured) {
        if let Some(session) = unmeasured.get_mut(message.session as usize) {
            *session = true;
        }
    }
    let is_theirs = |message: &Message| unmeasured.get(message.session as usize) == Some(&true);
    let mut messages: Vec<Message> = files.into_iter().flatten().filter(is_theirs).collect();
    messages.par_sort_unstable();
    paired(&messages)
}

/// Returns, for each answer without a response time, how long the earliest unanswered question of
/// its session had waited. Any answer answers all questions before it.
fn paired(sorted: &[Message]) -> Vec<Micros> {
    let mut waits = Vec::new();
    let mut waiting: Option<Message> = None;
    for message in sorted {
        let since = waiting.filter(|question| question.session == message.session);
        waiting = match (message.kind, since) {
            (MessageKind::Sent, since) => since.or(Some(*message)),
            (MessageKind::Measured, _) => None,
            (MessageKind::Unmeasured, since) => {
                waits.extend(since.map(|question| message.time - question.time));
                None
            }
        };
    }
    waits
}

fn measure(events: Events, all: u32, limit: Option<usize>) -> Performance {
    let slow = events.responses.iter().filter(|time| **time > SLOW).count() as u64;
    let share = Percent::of(slow, events.responses.len() as u64);
    let mut errors: Vec<ErrorName> = events
        .errors
        .iter()
        .map(|(name, sessions)| ErrorName {
            event_name: name.clone(),
            count: sessions.len() as u64,
            unique_sessions: Distinct(different(sessions.iter(), all)),
        })
        .collect();
    errors.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.event_name.cmp(&b.event_name)));
    let errors = Listed::cut(errors, limit, |rest| {
        let of = rest.iter().filter_map(|row| events.errors.get(&row.event_name));
        ErrorName {
            event_name: String::new(),
            count: rest.iter().map(|row| row.count).sum(),
            unique_sessions: Distinct(different(of.flatten(), all)),
        }
    });
    let (responses, loads) = rayon::join(|| Times::of(events.responses), || Times::of(events.loads));
    Performance {
        response_time_ms: responses,
        load_time_ms: loads,
        slow_responses: SlowResponses { count: slow, share, logged: events.logged_slow },
        errors,
    }
}

/// Counts the different ones of some sessions, of which there are so many in all.
fn different<'a>(some: impl Iterator<Item = &'a u32>, sessions: u32) -> u64 {
    let mut seen = vec![0u64; sessions as usize / 64 + 1];
    let mut different = 0;
    for session in some {
        if let Some(word) = seen.get_mut(*session as usize / 64) {
            let bit = 1 << (session % 64);
            different += u64::from(*word & bit == 0);
            *word |= bit;
        }
    }
    different
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(session: u32, time: Micros, kind: MessageKind) -> Message {
        Message { session, time, kind }
    }

    #[test]
    fn an_answer_is_measured_from_the_earliest_unanswered_question_of_its_session() {
        use MessageKind::*;
        let mut messages = [
            message(1, 10, Sent),
            message(1, 20, Sent),
            message(1, 25, Unmeasured), // waited since 10
            message(1, 30, Unmeasured), // nothing unanswered
            message(1, 40, Sent),
            message(1, 41, Measured), // has its own time, and answers
            message(1, 50, Unmeasured),
            message(2, 5, Unmeasured),  // another session's question does not count
            message(2, 60, Unmeasured), // at the same instant the question comes first
            message(2, 60, Sent),
            message(3, 10, Sent), // answered by the one that says how long it took
            message(3, 70, Unmeasured),
            message(3, 70, Measured),
        ];
        messages.sort_unstable();
        assert_eq!(paired(&messages), [15, 0]);
    }
}
