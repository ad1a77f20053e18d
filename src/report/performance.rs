//! `performance`: how long answers and pages took, what was slow, what went wrong.
//!
//! An event belongs to its session, so the events of the window are those of the sessions that
//! started in it, whichever day they happened on: sessions are found first, by key and interval,
//! and each event that says something is looked up among them.

use hashbrown::{HashMap, HashSet};
use polars::prelude::DataFrame;
use rayon::prelude::*;
use serde::Serialize;

use super::answer::{Body, Head, Report};
use super::figure::{Group, Listed, rows};
use super::notes;
use super::number::{Distinct, Percent};
use super::percentile::Times;
use super::property::Property;
use super::query::Query;
use super::sessions::{Keys, intervals};
use super::tables::Tables;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::{ints, texts};
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
    let columns =
        query.columns(&["chatbot_id", "session_id", "anonymous_id", "user_id", "started_at", "ended_at"]);
    let frames = tables.read(Table::Sessions, Some(query.window.range()), &columns)?;
    let parts = frames.par_iter().map(|frame| Ok((intervals(frame, query)?, robots(frame, query)?)));
    let parts = parts.collect::<Result<Vec<_>>>()?;
    let bots = parts.iter().map(|(_, bots)| bots).sum();
    let sessions = Sessions::of(parts.into_iter().flat_map(|(intervals, _)| intervals).collect());
    drop(frames);

    let (body, notes_of_events) = match sessions.last {
        None => (measure(&Events::default(), &sessions, limit), None),
        Some(last) => {
            let from = Day::utc(tables.zone().start_of(query.window.from));
            let events = Events::read(tables, query, &sessions, (from, Day::utc(last)))?;
            let pruned = tables.events_pruned_through().filter(|day| *day >= from);
            let note = pruned.map(|day| {
                format!("events up to {day} are pruned, so this report counts only those that are kept")
            });
            (measure(&events, &sessions, limit), note)
        }
    };
    let mut report = Report::new(Head::of(tables, query, bots), body);
    report.notes = notes::on_window(tables, query, sessions.all.is_empty())?;
    report.notes.extend(notes::on_pruned_sessions(tables, query));
    report.notes.extend(notes_of_events);
    Ok(report)
}

fn robots(frame: &DataFrame, query: &Query) -> Result<u64> {
    Ok(query.select(frame)?.bots)
}

/// The sessions of the window, found by key and time.
struct Sessions {
    /// First and last time, and the next session of the same key.
    all: Vec<(Micros, Micros, u32)>,
    by_key: HashMap<u128, u32>,
    last: Option<Micros>,
}

const NONE: u32 = u32::MAX;

impl Sessions {
    fn of(intervals: Vec<(u128, Micros, Micros)>) -> Sessions {
        let mut sessions = Sessions {
            all: Vec::with_capacity(intervals.len()),
            by_key: HashMap::with_capacity(intervals.len()),
            last: intervals.iter().map(|(_, _, end)| *end).max(),
        };
        for (key, start, end) in intervals {
            let number = sessions.all.len() as u32;
            let next = sessions.by_key.insert(key, number).unwrap_or(NONE);
            sessions.all.push((start, end, next));
        }
        sessions
    }

    /// Returns the number of the session that an event belongs to.
    fn find(&self, key: u128, time: Micros) -> Option<u32> {
        let mut number = *self.by_key.get(&key)?;
        loop {
            let (start, end, next) = *self.all.get(number as usize)?;
            if start <= time && time <= end {
                return Some(number);
            }
            number = next;
        }
    }
}

/// What the events say; parts merge in any order.
#[derive(Default)]
struct Events {
    responses: Vec<Micros>,
    loads: Vec<Micros>,
    errors: HashMap<String, (u64, HashSet<u32>)>,
    logged_slow: u64,
    /// A message came back without a usable response time.
    unmeasured: bool,
}

/// A message, in the order in which they are paired.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Message {
    session: u32,
    time: Micros,
    kind: MessageKind,
}

/// At the same instant a question comes before its answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum MessageKind {
    Sent,
    Unmeasured,
    Measured,
}

impl Events {
    fn read(tables: &dyn Tables, query: &Query, sessions: &Sessions, days: (Day, Day)) -> Result<Events> {
        let columns = [
            "chatbot_id",
            "session_id",
            "anonymous_id",
            "user_id",
            "event_name",
            "event_category",
            "timestamp",
            "properties",
        ];
        let frames = tables.read(Table::Events, Some(days), &columns)?;
        let parts = frames
            .par_iter()
            .map(|frame| Events::of(frame, query, sessions))
            .collect::<Result<Vec<Events>>>()?;
        let mut all = parts.into_iter().fold(Events::default(), Events::merge);
        if all.unmeasured {
            let messages = frames
                .par_iter()
                .map(|frame| messages(frame, query, sessions))
                .collect::<Result<Vec<Vec<Message>>>>()?;
            let mut messages: Vec<Message> = messages.into_iter().flatten().collect();
            messages.par_sort_unstable();
            all.responses.extend(paired(&messages));
        }
        Ok(all)
    }

    fn of(frame: &DataFrame, query: &Query, sessions: &Sessions) -> Result<Events> {
        let keys = Keys::of(frame, true)?;
        let (names, categories) = (texts(frame, "event_name")?, texts(frame, "event_category")?);
        let (times, properties) = (ints(frame, "timestamp")?, texts(frame, "properties")?);
        let mut asked = query.asked(frame)?;
        let (response, load) = (Property::new("response_time_ms"), Property::new("load_time_ms"));
        let mut events = Events::default();
        for row in 0..frame.height() {
            let name = names.get(row).unwrap_or("");
            let properties = properties.get(row);
            let load_time = properties.and_then(|properties| load.millis(properties));
            let is_error = categories.get(row) == Some("error");
            let is_answer = name == "message_received";
            let is_slow = name == "slow_response";
            if !(is_answer || is_error || is_slow || load_time.is_some()) || !asked.contains(row) {
                continue;
            }
            let (Some(key), Some(time)) = (keys.hash(row), times.get(row)) else { continue };
            let Some(session) = sessions.find(key, time) else { continue };
            events.loads.extend(load_time);
            events.logged_slow += u64::from(is_slow);
            if is_answer {
                match properties.and_then(|properties| response.millis(properties)) {
                    Some(time) => events.responses.push(time),
                    None => events.unmeasured = true,
                }
            }
            if is_error {
                let (count, of) = match events.errors.get_mut(name) {
                    Some(error) => error,
                    None => events.errors.entry(name.to_owned()).or_default(),
                };
                *count += 1;
                of.insert(session);
            }
        }
        Ok(events)
    }

    fn merge(mut self, other: Events) -> Events {
        self.responses.extend(other.responses);
        self.loads.extend(other.loads);
        self.logged_slow += other.logged_slow;
        self.unmeasured |= other.unmeasured;
        for (name, (count, sessions)) in other.errors {
            let error = self.errors.entry(name).or_default();
            error.0 += count;
            error.1.extend(sessions);
        }
        self
    }
}

/// Returns the messages of a frame that belong to the sessions.
fn messages(frame: &DataFrame, query: &Query, sessions: &Sessions) -> Result<Vec<Message>> {
    let keys = Keys::of(frame, true)?;
    let (names, times) = (texts(frame, "event_name")?, ints(frame, "timestamp")?);
    let properties = texts(frame, "properties")?;
    let response = Property::new("response_time_ms");
    let mut asked = query.asked(frame)?;
    let mut messages = Vec::new();
    for row in 0..frame.height() {
        let kind = match names.get(row) {
            Some("message_sent") => MessageKind::Sent,
            Some("message_received") => {
                match properties.get(row).and_then(|object| response.millis(object)) {
                    Some(_) => MessageKind::Measured,
                    None => MessageKind::Unmeasured,
                }
            }
            _ => continue,
        };
        if !asked.contains(row) {
            continue;
        }
        let (Some(key), Some(time)) = (keys.hash(row), times.get(row)) else { continue };
        if let Some(session) = sessions.find(key, time) {
            messages.push(Message { session, time, kind });
        }
    }
    Ok(messages)
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

fn measure(events: &Events, sessions: &Sessions, limit: Option<usize>) -> Performance {
    debug_assert!(events.errors.values().all(|(_, of)| of.len() <= sessions.all.len()));
    let slow = events.responses.iter().filter(|time| **time > SLOW).count() as u64;
    let mut errors: Vec<ErrorName> = events
        .errors
        .iter()
        .map(|(name, (count, of))| ErrorName {
            event_name: name.clone(),
            count: *count,
            unique_sessions: Distinct(of.len() as u64),
        })
        .collect();
    errors.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.event_name.cmp(&b.event_name)));
    let errors = Listed::cut(errors, limit, |rest| {
        let of = rest.iter().filter_map(|row| events.errors.get(&row.event_name));
        let sessions: HashSet<u32> = of.flat_map(|(_, sessions)| sessions.iter().copied()).collect();
        ErrorName {
            event_name: String::new(),
            count: rest.iter().map(|row| row.count).sum(),
            unique_sessions: Distinct(sessions.len() as u64),
        }
    });
    Performance {
        response_time_ms: Times::of(events.responses.clone()),
        load_time_ms: Times::of(events.loads.clone()),
        slow_responses: SlowResponses {
            count: slow,
            share: Percent::of(slow, events.responses.len() as u64),
            logged: events.logged_slow,
        },
        errors,
    }
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
        ];
        messages.sort_unstable();
        assert_eq!(paired(&messages), [15, 0]);
    }
}
