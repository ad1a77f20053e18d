//! The timeline of a session that was looked up: its events, in order.

use std::collections::{BTreeMap, HashMap};

use super::answer::session_page::{SessionEntry, TimelineEvent};
use super::metric::responses::response_times;
use super::query::session_keys::SessionKeys;
use super::query::tables::{RowSelection, Tables, map_visited};
use crate::error::Result;
use crate::event::{KeyKind, session_key_hash};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Record, RecordReader};
use crate::time::{Day, Micros};

/// The default maximum number of events of a session that a look-up returns.
pub(crate) const TIMELINE_LIMIT: usize = 1_000;

/// The maximum number of dates that are read together.
const MAX_DATES: i32 = 4;

/// Sessions by key hash: the times of the first and the last event, and the index of the entry.
type EntriesByKey = HashMap<u128, Vec<(Micros, Micros, usize)>>;

/// An event, with the values that order it.
type OrderedEvent = (Micros, String, Record);

/// The time, the id and the row of events in a frame, by the index of their session.
type RowsBySession<'f> = BTreeMap<usize, Vec<(Micros, &'f str, usize)>>;

/// Adds the events of each session: the first `limit` events with its key, from its start to its
/// end. Pruned events are missing.
pub(crate) fn add_timelines(
    tables: &dyn Tables,
    entries: &mut [SessionEntry],
    limit: Option<usize>,
) -> Result<()> {
    let mut by_key = EntriesByKey::new();
    for (index, entry) in entries.iter().enumerate() {
        let (start, end) = (entry.session.number("started_at"), entry.session.number("ended_at"));
        if let (Some(key), Some(start), Some(end)) = (session_key(&entry.session), start, end) {
            by_key.entry(key).or_default().push((start, end, index));
        }
    }
    // One event beyond the limit shows that there are more.
    let most = limit.map_or(usize::MAX, |limit| limit.saturating_add(1));
    let mut timelines: BTreeMap<usize, Vec<OrderedEvent>> = BTreeMap::new();
    for dates in date_ranges(&by_key) {
        let is_read = |(start, end, _): &(Micros, Micros, usize)| {
            Day::utc(*start) <= dates.1 && dates.0 <= Day::utc(*end)
        };
        if !by_key.values().flatten().any(is_read) {
            continue;
        }
        for (index, event) in read_events(tables, dates, &by_key, most)? {
            timelines.entry(index).or_default().push(event);
        }
        for events in timelines.values_mut() {
            events.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
            events.truncate(most);
        }
        // All events of later dates come after those of a full timeline.
        let is_full = |index: &usize| timelines.get(index).is_some_and(|events| events.len() >= most);
        by_key.values_mut().for_each(|sessions| sessions.retain(|(.., index)| !is_full(index)));
    }
    for (index, entry) in entries.iter_mut().enumerate() {
        let events = timelines.remove(&index).unwrap_or_default();
        entry.is_truncated = limit.is_some_and(|limit| events.len() > limit);
        // The event beyond the limit can belong to the same instant as the last listed one, and
        // decide its response time.
        let mut listed = timeline(events.into_iter().map(|(time, _, record)| (time, record)).collect());
        listed.truncate(limit.unwrap_or(usize::MAX));
        entry.timeline = Some(listed);
    }
    Ok(())
}

/// Reads events of the given dates, each with the index of its session: the first `most` events of
/// each session and file, in no particular order.
fn read_events(
    tables: &dyn Tables,
    dates: (Day, Day),
    by_key: &EntriesByKey,
    most: usize,
) -> Result<Vec<(usize, OrderedEvent)>> {
    let columns = Table::Events.column_names();
    let selection = TimelineRows { by_key, most };
    let read = |visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync)| {
        tables.read_selected((Table::Events, Some(dates)), &columns, &selection, visit)
    };
    let parts = map_visited(read, |_, frame| {
        let reader = RecordReader::all_columns(frame, Table::Events)?;
        let mut events = Vec::new();
        for (index, rows) in selection.rows_by_session(frame)? {
            events.extend(
                rows.into_iter().map(|(time, id, row)| (index, (time, id.to_owned(), reader.record(row)))),
            );
        }
        Ok(events)
    })?;
    Ok(parts.into_iter().flatten().collect())
}

/// Selects the first `most` events of each session in a frame, so that all columns are read for
/// these events only.
struct TimelineRows<'a> {
    by_key: &'a EntriesByKey,
    most: usize,
}

impl TimelineRows<'_> {
    /// Returns the selected events of a frame.
    fn rows_by_session<'f>(&self, frame: &'f Frame) -> Result<RowsBySession<'f>> {
        let mut keys = SessionKeys::new(frame, true)?;
        let (times, ids) = (frame.ints("timestamp")?, frame.texts("id")?);
        let mut found = RowsBySession::new();
        for row in 0..frame.height() {
            let (Some(time), Some(key)) = (times.get(row), keys.hash(row)) else { continue };
            let sessions = self.by_key.get(&key).map_or(&[][..], Vec::as_slice);
            for (.., index) in sessions.iter().filter(|(start, end, _)| *start <= time && time <= *end) {
                found.entry(*index).or_default().push((time, ids.get(row).unwrap_or(""), row));
            }
        }
        for rows in found.values_mut().filter(|rows| self.most < rows.len()) {
            rows.select_nth_unstable(self.most);
            rows.truncate(self.most);
        }
        Ok(found)
    }
}

impl RowSelection for TimelineRows<'_> {
    fn columns(&self) -> Vec<&'static str> {
        vec!["timestamp", "id", "chatbot_id", "session_id", "anonymous_id", "user_id"]
    }

    fn rows(&self, _: usize, frame: &Frame) -> Result<Vec<u32>> {
        let found = self.rows_by_session(frame)?;
        let mut rows: Vec<u32> = found.into_values().flatten().map(|(.., row)| row as u32).collect();
        rows.sort_unstable();
        rows.dedup();
        Ok(rows)
    }
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

/// Returns the ranges of UTC dates that the sessions overlap, in ascending order, in parts of at
/// most [`MAX_DATES`]. Two sessions of a visitor can be a year apart, and the dates between them
/// are not read.
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
    let parts = |(from, to): (Day, Day)| {
        (from.0..=to.0).step_by(MAX_DATES as usize).map(move |start| {
            let start = Day(start);
            (start, start.plus(MAX_DATES - 1).min(to))
        })
    };
    ranges.into_iter().flat_map(parts).collect()
}
