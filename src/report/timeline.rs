//! The events of sessions that were looked up.

use std::collections::{BTreeMap, HashMap};

use super::query::keys::Keys;
use super::query::tables::{Tables, map_frames};
use super::sessions::Entry;
use crate::error::Result;
use crate::event::{KeyKind, session_key_hash};
use crate::store::columns::Table;
use crate::store::frame::{Record, RecordReader};
use crate::time::{Day, Micros};

/// What is shown of an event.
pub const COLUMNS: [&str; 8] = [
    "id",
    "event_name",
    "event_category",
    "properties",
    "page_url",
    "page_title",
    "timestamp",
    "client_timestamp",
];

/// Adds to each session its events: those of its key from its first to its last time. Events that
/// are pruned are missing.
pub(crate) fn add(tables: &dyn Tables, entries: &mut [Entry]) -> Result<()> {
    // First and last time, and place among the entries, by key.
    let mut wanted: HashMap<u128, Vec<(Micros, Micros, usize)>> = HashMap::new();
    for (at, entry) in entries.iter().enumerate() {
        let (start, end) = (entry.session.number("started_at"), entry.session.number("ended_at"));
        if let (Some(key), Some(start), Some(end)) = (key(&entry.session), start, end) {
            wanted.entry(key).or_default().push((start, end, at));
        }
    }
    let mut found: BTreeMap<usize, Vec<(Micros, String, Record)>> = BTreeMap::new();
    let mut columns = COLUMNS.to_vec();
    columns.extend(["chatbot_id", "session_id", "anonymous_id", "user_id"]);
    for (from, to) in runs(&wanted) {
        let parts = map_frames(tables, Table::Events, Some((from, to)), &columns, |_, frame| {
            let mut keys = Keys::of(frame, true)?;
            let times = frame.ints("timestamp")?;
            let reader = RecordReader::new(frame, Table::Events, &COLUMNS)?;
            let mut found = Vec::new();
            for row in 0..frame.height() {
                let (Some(time), Some(key)) = (times.get(row), keys.hash(row)) else { continue };
                let sessions = wanted.get(&key).map_or(&[][..], Vec::as_slice);
                for (_, _, at) in sessions.iter().filter(|(start, end, _)| *start <= time && time <= *end) {
                    let record = reader.record(row);
                    let id = record.text("id").unwrap_or("").to_owned();
                    found.push((*at, (time, id, record)));
                }
            }
            Ok(found)
        })?;
        for (at, event) in parts.into_iter().flatten() {
            found.entry(at).or_default().push(event);
        }
    }
    for (at, entry) in entries.iter_mut().enumerate() {
        let mut events = found.remove(&at).unwrap_or_default();
        events.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        entry.timeline = Some(events.into_iter().map(|(_, _, record)| record).collect());
    }
    Ok(())
}

fn key(session: &Record) -> Option<u128> {
    let chatbot = session.text("chatbot_id")?;
    let kinds =
        [("session_id", KeyKind::Session), ("anonymous_id", KeyKind::Anonymous), ("user_id", KeyKind::User)];
    let (id, kind) = kinds.into_iter().find_map(|(name, kind)| Some((session.text(name)?, kind)))?;
    Some(session_key_hash(chatbot, kind, id))
}

/// Returns the runs of UTC dates that the sessions touch, so that a visitor's sessions of a year
/// do not cost a year of events.
fn runs(wanted: &HashMap<u128, Vec<(Micros, Micros, usize)>>) -> Vec<(Day, Day)> {
    let sessions = wanted.values().flatten();
    let mut days: Vec<(Day, Day)> =
        sessions.map(|(start, end, _)| (Day::utc(*start), Day::utc(*end))).collect();
    days.sort_unstable();
    let mut runs: Vec<(Day, Day)> = Vec::new();
    for (from, to) in days {
        match runs.last_mut() {
            Some(run) if from <= run.1.plus(1) => run.1 = run.1.max(to),
            _ => runs.push((from, to)),
        }
    }
    runs
}
