//! Collects the field values of each session's events.
//!
//! Events that satisfy conditions or have a value are collected by session key and date. An event
//! belongs to a session if it has the key of the session, and its time lies within the session.

use std::collections::BTreeMap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as TableEntry;
use rayon::prelude::*;

use crate::error::Result;
use crate::report::query::session_keys::SessionKeys;
use crate::report::query::tables::{RowSelection, Tables, map_frames, map_visited};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::{Day, Micros};

/// The selected rows of a frame, each with its value.
pub(crate) type RowValues = Vec<(u32, u32)>;

/// Selected events: the hash of the session key, the time and the value.
type KeyedEvents = Vec<(u128, Micros, u32)>;

/// Selects events and gives each a value.
pub(crate) trait EventClassifier: Sync {
    /// Returns the columns of events that it reads.
    fn columns(&self) -> Vec<&'static str>;

    /// Returns the selected rows of a frame, in ascending order, each with its value.
    fn classify(&self, frame: &Frame) -> Result<RowValues>;
}

/// The values of events by UTC date and session key.
#[derive(Default)]
pub(crate) struct EventValues(BTreeMap<Day, DateValues>);

/// The values of the events of one date.
#[derive(Default)]
struct DateValues {
    entries: Vec<Entry>,
    /// By key, the index of the last entry with that key.
    by_key: HashTable<u32>,
}

/// Events with the same key and value that belong to one session, because they are at most a
/// timeout apart.
#[derive(Clone, Copy)]
struct Entry {
    key: u128,
    first: Micros,
    last: Micros,
    value: u32,
    /// The index of the previous entry with the same key, or [`NONE`].
    previous: u32,
}

const NONE: u32 = u32::MAX;

/// The maximum number of entries of a key with which an event is compared. If none of them matches,
/// the event gets a new entry.
const MAX_COMPARED: usize = 8;

impl DateValues {
    /// Adds an event. Events of one session are mostly added in order.
    fn add(&mut self, key: u128, time: Micros, value: u32, timeout: Micros) {
        let DateValues { entries, by_key } = self;
        let key_of = |index: &u32| entries.get(*index as usize).map_or(0, |entry| entry.key);
        let hash = |index: &u32| table_hash(key_of(index));
        let head = by_key.entry(table_hash(key), |index| key_of(index) == key, hash);
        let previous = match &head {
            TableEntry::Occupied(head) => *head.get(),
            TableEntry::Vacant(_) => NONE,
        };
        let mut at = previous;
        let mut found = None;
        for _ in 0..MAX_COMPARED {
            let Some(entry) = entries.get(at as usize) else { break };
            let is_near =
                entry.first.saturating_sub(timeout) <= time && time <= entry.last.saturating_add(timeout);
            if entry.value == value && is_near {
                found = Some(at);
                break;
            }
            at = entry.previous;
        }
        let new = entries.len() as u32;
        match (found, head) {
            (Some(_), _) => {}
            (None, TableEntry::Occupied(mut head)) => *head.get_mut() = new,
            (None, TableEntry::Vacant(head)) => {
                head.insert(new);
            }
        }
        match found.and_then(|at| entries.get_mut(at as usize)) {
            Some(entry) => (entry.first, entry.last) = (entry.first.min(time), entry.last.max(time)),
            None => entries.push(Entry { key, first: time, last: time, value, previous }),
        }
    }
}

/// Returns the upper half of a key, which is itself a hash.
fn table_hash(key: u128) -> u64 {
    (key >> 64) as u64
}

/// The selected events of a file: rows with their values, and the times of these rows.
struct FileValues {
    date: Option<Day>,
    rows: RowValues,
    times: Vec<Micros>,
}

impl EventValues {
    /// Reads the events of the given UTC dates, both included.
    pub fn read(
        tables: &dyn Tables,
        classifier: &dyn EventClassifier,
        dates: (Day, Day),
    ) -> Result<EventValues> {
        // First, only the columns for the selection are read. The keys are read for dates with
        // selected events.
        let mut columns = classifier.columns();
        if !columns.contains(&"timestamp") {
            columns.push("timestamp");
        }
        let files = map_frames(tables, Table::Events, Some(dates), &columns, |_, frame| {
            // All rows of a file have the same date.
            let times = frame.ints("timestamp")?;
            let date = times.get(0).map(Day::utc);
            let rows = classifier.classify(frame)?;
            let times = rows.iter().map(|(row, _)| times.or_zero(*row as usize)).collect();
            Ok(FileValues { date, rows, times })
        })?;
        let with_rows = || files.iter().filter(|file| !file.rows.is_empty()).filter_map(|file| file.date);
        let Some(range) = with_rows().min().zip(with_rows().max()) else {
            return Ok(EventValues::default());
        };
        let in_range = |file: &&FileValues| file.date.is_some_and(|date| range.0 <= date && date <= range.1);
        let files: Vec<&FileValues> = files.iter().filter(in_range).collect();
        let keyed = read_keys(tables, &files, range)?;
        let mut by_date: BTreeMap<Day, Vec<KeyedEvents>> = BTreeMap::new();
        for (file, events) in files.iter().zip(keyed) {
            if let Some(date) = file.date {
                by_date.entry(date).or_default().push(events);
            }
        }
        let timeout = tables.timeout();
        let by_date: Vec<_> = by_date.into_iter().collect();
        let index = |(date, files): (Day, Vec<KeyedEvents>)| {
            let mut values = DateValues::default();
            for (key, time, value) in files.into_iter().flatten() {
                values.add(key, time, value, timeout);
            }
            (date, values)
        };
        Ok(EventValues(by_date.into_par_iter().with_max_len(1).map(index).collect()))
    }

    /// Calls `visit` with the values of the events of a session, some of them more than once, until
    /// it returns `false`.
    pub fn visit(&self, key: u128, start: Micros, end: Micros, mut visit: impl FnMut(u32) -> bool) {
        for (_, values) in self.0.range(Day::utc(start)..=Day::utc(end).max(Day::utc(start))) {
            let has_key = |index: &u32| values.entries.get(*index as usize).is_some_and(|e| e.key == key);
            let mut at = values.by_key.find(table_hash(key), has_key).copied().unwrap_or(NONE);
            while let Some(entry) = values.entries.get(at as usize) {
                if start <= entry.first && entry.last <= end && !visit(entry.value) {
                    return;
                }
                at = entry.previous;
            }
        }
    }
}

/// Returns the session key, the time and the value of the selected events of each file.
fn read_keys(tables: &dyn Tables, files: &[&FileValues], dates: (Day, Day)) -> Result<Vec<KeyedEvents>> {
    let read = |visitor_ids: bool| {
        let mut columns = vec!["chatbot_id", "session_id"];
        if visitor_ids {
            columns.extend(["anonymous_id", "user_id"]);
        }
        let events = (Table::Events, Some(dates));
        let read = |visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync)| {
            tables.read_selected(events, &columns, &Selected(files), visit)
        };
        map_visited(read, |number, frame| {
            files.get(number).map_or(Ok((Vec::new(), true)), |file| keys_of(frame, file, visitor_ids))
        })
    };
    let files = read(false)?;
    // Events without a session id are rare, and the other ids are large columns.
    let is_complete = files.iter().all(|(_, is_complete)| *is_complete);
    let files = if is_complete { files } else { read(true)? };
    Ok(files.into_iter().map(|(events, _)| events).collect())
}

/// Selects the events with a value.
struct Selected<'a>(&'a [&'a FileValues]);

impl RowSelection for Selected<'_> {
    fn columns(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn rows(&self, number: usize, _: &Frame) -> Result<Vec<u32>> {
        let rows = self.0.get(number).map(|file| file.rows.iter().map(|(row, _)| *row).collect());
        Ok(rows.unwrap_or_default())
    }
}

/// Returns the keyed events of a frame of the selected events of a file, and whether all rows have
/// a key.
fn keys_of(frame: &Frame, file: &FileValues, visitor_ids: bool) -> Result<(KeyedEvents, bool)> {
    let mut keys = SessionKeys::new(frame, visitor_ids)?;
    let mut events = Vec::with_capacity(file.rows.len());
    // Neighbouring events mostly belong to one session, whose key is hashed once.
    let mut last: Option<((u128, u128), u128)> = None;
    let mut is_complete = true;
    for (row, ((_, value), time)) in file.rows.iter().zip(&file.times).enumerate() {
        let tokens = keys.tokens(row);
        let key = match (tokens, last) {
            (Some(tokens), Some((cached, key))) if tokens == cached => Some(key),
            _ => keys.hash(row),
        };
        last = tokens.zip(key);
        match key {
            Some(key) => events.push((key, *time, *value)),
            None => is_complete = false,
        }
    }
    Ok((events, is_complete))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINUTE: Micros = 60_000_000;

    proptest! {
        #[test]
        fn visit_yields_the_values_of_a_session(
            // Key, time in minutes and value of events, in any order.
            events in prop::collection::vec((0u128..3, 0i64..600, 0u32..12), 0..120),
        ) {
            let (timeout, key_of) = (30 * MINUTE, |key: u128| (key << 64) | key);
            let mut values = DateValues::default();
            for (key, minute, value) in &events {
                values.add(key_of(*key), minute * MINUTE, *value, timeout);
            }
            let values = EventValues(BTreeMap::from([(Day(0), values)]));
            for key in 0..3 {
                // The sessions of the key: runs of times that are at most a timeout apart.
                let mut times: Vec<(i64, u32)> =
                    events.iter().filter(|(k, ..)| *k == key).map(|(_, t, v)| (*t, *v)).collect();
                times.sort_unstable();
                for session in times.chunk_by(|a, b| b.0 - a.0 <= 30) {
                    let (start, end) = (session[0].0 * MINUTE, session[session.len() - 1].0 * MINUTE);
                    let mut found: Vec<u32> = Vec::new();
                    values.visit(key_of(key), start, end, |value| {
                        found.push(value);
                        true
                    });
                    found.sort_unstable();
                    found.dedup();
                    let mut wanted: Vec<u32> = session.iter().map(|(_, value)| *value).collect();
                    wanted.sort_unstable();
                    wanted.dedup();
                    prop_assert_eq!(found, wanted);
                }
            }
        }
    }
}
