//! The events of sessions that were looked up.

use std::collections::BTreeMap;

use super::keys::Keys;
use super::record::{Reader, Record};
use super::sessions::Entry;
use super::tables::Tables;
use crate::error::Result;
use crate::event::{KeyKind, key_hash};
use crate::store::columns::Table;
use crate::store::frame::ints;
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
pub(super) fn add(tables: &dyn Tables, entries: &mut [Entry]) -> Result<()> {
    // Key, first and last time, place among the entries.
    let mut wanted: Vec<(u128, Micros, Micros, usize)> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let (start, end) = (entry.session.number("started_at"), entry.session.number("ended_at"));
        if let (Some(key), Some(start), Some(end)) = (key(&entry.session), start, end) {
            wanted.push((key, start, end, at));
        }
    }
    let mut found: BTreeMap<usize, Vec<(Micros, String, Record)>> = BTreeMap::new();
    let mut columns = COLUMNS.to_vec();
    columns.extend(["chatbot_id", "session_id", "anonymous_id", "user_id"]);
    for (from, to) in runs(&wanted) {
        for frame in tables.read(Table::Events, Some((from, to)), &columns)? {
            let mut keys = Keys::of(&frame, true)?;
            let times = ints(&frame, "timestamp")?;
            let reader = Reader::new(&frame, Table::Events, &COLUMNS)?;
            for row in 0..frame.height() {
                let Some(time) = times.get(row) else { continue };
                let near = wanted.iter().filter(|(_, start, end, _)| *start <= time && time <= *end);
                for (key, .., at) in near {
                    if keys.hash(row) == Some(*key) {
                        let record = reader.record(row);
                        let id = record.text("id").unwrap_or("").to_owned();
                        found.entry(*at).or_default().push((time, id, record));
                    }
                }
            }
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
    Some(key_hash(chatbot, kind, id))
}

/// Returns the runs of UTC dates that the sessions touch, so that a visitor's sessions of a year
/// do not cost a year of events.
fn runs(wanted: &[(u128, Micros, Micros, usize)]) -> Vec<(Day, Day)> {
    let mut days: Vec<(Day, Day)> =
        wanted.iter().map(|(_, start, end, _)| (Day::utc(*start), Day::utc(*end))).collect();
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
