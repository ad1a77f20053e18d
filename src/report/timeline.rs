//! The timeline of a session that was looked up: its events, in order.

use std::collections::{BTreeMap, HashMap};

use super::answer::session_page::{SessionEntry, TimelineEvent};
use super::metric::responses::response_times;
use super::query::session_keys::SessionKeys;
use super::query::tables::{Tables, map_frames};
use crate::error::Result;
use crate::event::{KeyKind, session_key_hash};
use crate::store::columns::Table;
use crate::store::frame::{Record, RecordReader};
use crate::time::{Day, Micros};

/// Sessions by key hash: the times of the first and the last event, and the index of the entry.
type EntriesByKey = HashMap<u128, Vec<(Micros, Micros, usize)>>;

/// Adds the events of each session: all events with its key, from its start to its end. Pruned
/// events are missing.
pub(crate) fn add_timelines(tables: &dyn Tables, entries: &mut [SessionEntry]) -> Result<()> {
    let mut by_key = EntriesByKey::new();
    for (index, entry) in entries.iter().enumerate() {
        let (start, end) = (entry.session.number("started_at"), entry.session.number("ended_at"));
        if let (Some(key), Some(start), Some(end)) = (session_key(&entry.session), start, end) {
            by_key.entry(key).or_default().push((start, end, index));
        }
    }
    let mut timelines: BTreeMap<usize, Vec<(Micros, String, Record)>> = BTreeMap::new();
    let columns = Table::Events.column_names();
    for dates in date_ranges(&by_key) {
        let parts = map_frames(tables, Table::Events, Some(dates), &columns, |_, frame| {
            let mut keys = SessionKeys::new(frame, true)?;
            let times = frame.ints("timestamp")?;
            let reader = RecordReader::all_columns(frame, Table::Events)?;
            let mut found = Vec::new();
            for row in 0..frame.height() {
                let (Some(time), Some(key)) = (times.get(row), keys.hash(row)) else { continue };
                let sessions = by_key.get(&key).map_or(&[][..], Vec::as_slice);
                for (_, _, index) in sessions.iter().filter(|(start, end, _)| *start <= time && time <= *end)
                {
                    let record = reader.record(row);
                    let id = record.text("id").unwrap_or("").to_owned();
                    found.push((*index, (time, id, record)));
                }
            }
            Ok(found)
        })?;
        for (index, event) in parts.into_iter().flatten() {
            timelines.entry(index).or_default().push(event);
        }
    }
    for (index, entry) in entries.iter_mut().enumerate() {
        let mut events = timelines.remove(&index).unwrap_or_default();
        events.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        entry.timeline = Some(timeline(events.into_iter().map(|(time, _, record)| (time, record)).collect()));
    }
    Ok(())
}

/// Adds the gaps and the response times to the events of a session, in order.
fn timeline(events: Vec<(Micros, Record)>) -> Vec<TimelineEvent> {
    let messages: Vec<(&str, Micros, &str)> = events
        .iter()
        .map(|(time, event)| {
            (event.text("event_name").unwrap_or(""), *time, event.text("properties").unwrap_or(""))
        })
        .collect();
    let responses = response_times(&messages);
    let mut previous: Option<Micros> = None;
    let with_gap = |((time, event), response): ((Micros, Record), Option<Micros>)| {
        let gap = previous.replace(time).map(|before| time - before);
        TimelineEvent { event, gap, response }
    };
    events.into_iter().zip(responses).map(with_gap).collect()
}

fn session_key(session: &Record) -> Option<u128> {
    let chatbot = session.text("chatbot_id")?;
    let kinds =
        [("session_id", KeyKind::Session), ("anonymous_id", KeyKind::Anonymous), ("user_id", KeyKind::User)];
    let (id, kind) = kinds.into_iter().find_map(|(name, kind)| Some((session.text(name)?, kind)))?;
    Some(session_key_hash(chatbot, kind, id))
}

/// Returns the ranges of UTC dates that the sessions overlap. Two sessions of a visitor can be a
/// year apart, and the dates between them are not read.
fn date_ranges(by_key: &EntriesByKey) -> Vec<(Day, Day)> {
    let sessions = by_key.values().flatten();
    let mut dates: Vec<(Day, Day)> =
        sessions.map(|(start, end, _)| (Day::utc(*start), Day::utc(*end))).collect();
    dates.sort_unstable();
    let mut ranges: Vec<(Day, Day)> = Vec::new();
    for (from, to) in dates {
        match ranges.last_mut() {
            Some(range) if from <= range.1.plus(1) => range.1 = range.1.max(to),
            _ => ranges.push((from, to)),
        }
    }
    ranges
}
