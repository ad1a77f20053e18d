//! The ids of stored events by date, to find duplicates.
//!
//! A batch is compared with the stored events of its dates and of the neighbouring dates. The next
//! batch usually needs the same dates. Their ids, including those that this ingest adds, are
//! therefore cached as long as batches need them and memory suffices. The cache stays valid because
//! the lock excludes other writers.
//!
//! A date without stored events is not cached. If a later batch needs it, the events that this
//! ingest has added are read back. For an ordered log, few dates are needed twice.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rayon::prelude::*;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::per_chatbot::PerChatbot;
use crate::error::Result;
use crate::event::{Event, parse_uuid};
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::time::{Day, Micros};

/// The columns of `events` that identify an event.
const ID_COLUMNS: [&str; 2] = ["chatbot_id", "id"];
/// The columns in which two events with one id may differ; only read for files with duplicates.
const CONTENT_COLUMNS: [&str; 2] = ["timestamp", "event_name"];

/// Computes the keys of events: hashes of chatbot and id.
///
/// The author of a log controls its ids. A random seed per process prevents a crafted log from
/// causing collisions in the hash or in a hash table.
#[derive(Debug)]
pub struct EventKeys {
    seed: u64,
}

impl Default for EventKeys {
    fn default() -> EventKeys {
        EventKeys { seed: RandomState::new().hash_one(0) }
    }
}

impl EventKeys {
    /// Returns keys with a given seed, for processes that compare each other's keys.
    pub fn with_seed(seed: u64) -> EventKeys {
        EventKeys { seed }
    }

    /// Returns the function that computes the keys of a chatbot's ids.
    pub fn chatbot_keys(&self, chatbot_id: &str) -> impl Fn(u128) -> u128 + use<> {
        let seed = self.seed;
        let chatbot = xxh3_128_with_seed(chatbot_id.as_bytes(), seed).to_le_bytes();
        move |id| {
            let mut bytes = [0; 32];
            bytes[..16].copy_from_slice(&chatbot);
            bytes[16..].copy_from_slice(&id.to_le_bytes());
            xxh3_128_with_seed(&bytes, seed)
        }
    }

    /// Returns the key of an event.
    pub fn key(&self, event: &Event<'_>) -> u128 {
        self.chatbot_keys(event.chatbot_id())(event.row.id)
    }

    /// Returns the keys of events.
    pub fn keys(&self, events: &[Event<'_>]) -> Vec<u128> {
        let key = |chatbots: &mut PerChatbot<_>, event: &Event<'_>| {
            chatbots.get_or_insert(event, |chatbot| self.chatbot_keys(chatbot))(event.row.id)
        };
        events.par_iter().map_init(PerChatbot::default, key).collect()
    }
}

/// Returns a hash of time and name, never 0. Two events with one key and different hashes are an id
/// conflict.
pub fn content_hash(time: Micros, name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), time as u64) | 1
}

/// A stored event that has the key of an event of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Index of the event in the batch.
    pub event: u32,
    /// Whether time or name differ, so that two different events share an id.
    pub is_conflict: bool,
}

/// A cache of the ids of stored events.
#[derive(Debug)]
pub struct StoredIds {
    keys: EventKeys,
    dates: BTreeMap<Day, DateIds>,
    /// The largest number of cached ids.
    capacity: usize,
}

/// The ids of the events stored on a date.
#[derive(Debug, Default)]
struct DateIds {
    keys: Vec<u128>,
    /// For each key, the content hash; 0 if time and name have not been read.
    content_hashes: Vec<u64>,
}

/// Memory per cached id, in bytes.
const BYTES_PER_ID: usize = size_of::<u128>() + size_of::<u64>();

impl StoredIds {
    /// Creates a cache of at most `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> StoredIds {
        StoredIds { keys: EventKeys::default(), dates: BTreeMap::new(), capacity: bytes / BYTES_PER_ID }
    }

    /// Returns the computation of keys, whose seed is random for each process.
    pub fn keys(&self) -> &EventKeys {
        &self.keys
    }

    /// Finds the stored events that have the key of an event of the batch and are at most one date
    /// away from it. `index_of` returns the index of the batch's event with a key.
    ///
    /// # Errors
    /// Fails if a file of the store cannot be read or is damaged.
    pub fn find(
        &mut self,
        snapshot: &Snapshot,
        events: &[Event<'_>],
        index_of: impl Fn(u128) -> Option<u32> + Sync,
    ) -> Result<Vec<Hit>> {
        let dates = dates(events);
        let near = |day: Day| (-1..=1).any(|n| dates.contains(&day.plus(n)));
        // Later batches rarely need a date that this batch does not need.
        self.dates.retain(|day, _| near(*day));
        let mut files: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
        for file in snapshot.manifest().files(Table::Events).iter().filter(|file| near(file.day)) {
            files.entry(file.day).or_default().push(file);
        }
        let free = FreeCapacity(AtomicUsize::new(self.capacity.saturating_sub(self.cached())));
        let (cached, keys) = (&self.dates, &self.keys);
        let found: Vec<(Day, Vec<Hit>, Option<DateIds>)> = files
            .into_par_iter()
            .map(|(day, files)| {
                let batch = BatchEvents { day, events, index_of: &index_of };
                if let Some(hits) = cached.get(&day).and_then(|date| date.find(&batch)) {
                    return Ok((day, hits, None));
                }
                let read: Vec<(Vec<Hit>, Option<Vec<u128>>)> = files
                    .into_par_iter()
                    .map(|file| {
                        let stored = read_keys(snapshot, file, keys)?;
                        let hits = batch.find_in_file(snapshot, file, &stored)?;
                        Ok((hits, free.reserve(stored.len()).then_some(stored)))
                    })
                    .collect::<Result<_>>()?;
                let (hits, keys): (Vec<_>, Vec<_>) = read.into_iter().unzip();
                // A date is cached as a whole or not at all.
                let date = keys.into_iter().collect::<Option<Vec<_>>>().map(DateIds::new);
                Ok((day, hits.concat(), date))
            })
            .collect::<Result<_>>()?;
        let mut all = Vec::new();
        for (day, hits, date) in found {
            all.extend(hits);
            self.dates.extend(date.map(|date| (day, date)));
        }
        Ok(all)
    }

    /// Adds the events for which `is_stored` returns true to the cached dates. They must be in the
    /// store before [`find`](StoredIds::find) is called again. `keys` are the keys of all events.
    pub fn add(&mut self, events: &[Event<'_>], keys: &[u128], is_stored: impl Fn(usize) -> bool) {
        let mut from = 0;
        for events in events.chunk_by(same_date) {
            let range = from..from + events.len();
            from = range.end;
            // Adding to a date that is not cached would make it appear complete.
            let Some(date) = events.first().and_then(|event| self.dates.get_mut(&utc_date(event))) else {
                continue;
            };
            for ((index, key), event) in range.clone().zip(keys.get(range).unwrap_or(&[])).zip(events) {
                if is_stored(index) {
                    date.keys.push(*key);
                    date.content_hashes.push(content_hash(event.row.time, event.name()));
                }
            }
        }
    }

    /// Removes the earliest dates while the cache exceeds its capacity, since most logs are in time
    /// order.
    pub fn evict(&mut self) {
        while self.cached() > self.capacity && self.dates.pop_first().is_some() {}
    }

    fn cached(&self) -> usize {
        self.dates.values().map(|date| date.keys.len()).sum()
    }
}

/// Returns the UTC dates of the given events.
fn dates(events: &[Event<'_>]) -> BTreeSet<Day> {
    events.chunk_by(same_date).filter_map(|events| events.first().map(utc_date)).collect()
}

fn utc_date(event: &Event<'_>) -> Day {
    Day::utc(event.row.time)
}

fn same_date(a: &Event<'_>, b: &Event<'_>) -> bool {
    utc_date(a) == utc_date(b)
}

impl DateIds {
    /// Creates the entry of a date from the keys of its files.
    fn new(keys: Vec<Vec<u128>>) -> DateIds {
        let keys = keys.concat();
        DateIds { content_hashes: vec![0; keys.len()], keys }
    }

    /// Finds the events of the batch on this date; `None` if the files must be read to compare time
    /// and name.
    fn find<F: Fn(u128) -> Option<u32>>(&self, batch: &BatchEvents<'_, F>) -> Option<Vec<Hit>> {
        let hit = |(position, key): (usize, &u128)| {
            let (event, index) = batch.find(*key)?;
            let hash = self.content_hashes.get(position).copied().filter(|hash| *hash != 0);
            let same = hash.map(|hash| hash == content_hash(event.row.time, event.name()));
            Some(same.map(|same| Hit { event: index, is_conflict: !same }))
        };
        self.keys.iter().enumerate().filter_map(hit).collect()
    }
}

/// The events of a batch that are looked up on one date.
struct BatchEvents<'a, F> {
    day: Day,
    events: &'a [Event<'a>],
    index_of: &'a F,
}

impl<'a, F: Fn(u128) -> Option<u32>> BatchEvents<'a, F> {
    /// Returns the event with a key, and its index, if it is at most one date away.
    #[inline]
    fn find(&self, key: u128) -> Option<(&'a Event<'a>, u32)> {
        let index = (self.index_of)(key)?;
        let event = self.events.get(index as usize)?;
        // A batch can have events of many dates.
        ((Day::utc(event.row.time).0 - self.day.0).abs() <= 1).then_some((event, index))
    }

    /// Finds the events in a file; `keys` are the keys of its rows.
    fn find_in_file(&self, snapshot: &Snapshot, file: &DataFile, keys: &[u128]) -> Result<Vec<Hit>> {
        let find = |(row, key): (usize, &u128)| self.find(*key).map(|(event, index)| (row, event, index));
        let hits: Vec<_> = keys.iter().enumerate().filter_map(find).collect();
        if hits.is_empty() {
            return Ok(Vec::new());
        }
        let frame = snapshot.read_file(file, Some(&CONTENT_COLUMNS))?;
        let (times, names) = (frame.ints("timestamp")?, frame.texts("event_name")?);
        let is_same = |row: usize, event: &Event<'_>| {
            times.get(row) == Some(event.row.time) && names.get(row) == Some(event.name())
        };
        let hit = |(row, event, index): (usize, &Event<'_>, u32)| Hit {
            event: index,
            is_conflict: !is_same(row, event),
        };
        Ok(hits.into_iter().map(hit).collect())
    }
}

/// The number of ids that can still be cached.
struct FreeCapacity(AtomicUsize);

impl FreeCapacity {
    /// Reserves capacity for the given ids. Returns whether there was enough.
    fn reserve(&self, ids: usize) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(ids)).is_ok()
    }
}

/// Reads the key and the content hash of each event of a file.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn read_identities(snapshot: &Snapshot, file: &DataFile, keys: &EventKeys) -> Result<Vec<(u128, u64)>> {
    let found = read_keys(snapshot, file, keys)?;
    let frame = snapshot.read_file(file, Some(&CONTENT_COLUMNS))?;
    let (times, names) = (frame.ints("timestamp")?, frame.texts("event_name")?);
    let content = |row: usize| content_hash(times.get(row).unwrap_or(0), names.get(row).unwrap_or(""));
    Ok(found.into_iter().enumerate().map(|(row, key)| (key, content(row))).collect())
}

/// Reads the keys of the rows of a file. A row without an id, which `wa` never writes, has key 0.
fn read_keys(snapshot: &Snapshot, file: &DataFile, keys: &EventKeys) -> Result<Vec<u128>> {
    let frame = snapshot.read_file(file, Some(&ID_COLUMNS))?;
    let (chatbots, ids) = (frame.texts("chatbot_id")?, frame.texts("id")?);
    let mut found = Vec::with_capacity(ids.len());
    let mut latest = (None, keys.chatbot_keys(""));
    for (chatbot, id) in chatbots.iter().zip(ids.iter()) {
        if latest.0 != chatbot {
            latest = (chatbot, keys.chatbot_keys(chatbot.unwrap_or("")));
        }
        found.push(id.and_then(parse_uuid).map_or(0, &latest.1));
    }
    Ok(found)
}
