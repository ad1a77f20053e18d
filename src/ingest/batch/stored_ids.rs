//! The ids of stored events by date, to find duplicates.
//!
//! A batch is compared with the stored events of its dates and of the neighbouring dates. The next
//! batch usually needs the same dates. Their ids, including those that this ingest adds, are
//! therefore cached as long as batches need them. The cache stays valid because the lock excludes
//! other writers. The ids of a date with more than half of the capacity are cached in temporary
//! files ([`id_runs`](super::id_runs)). If each batch read such a date from the store, the time
//! would grow with the square of the number of its events.
//!
//! A date without stored events is not cached. If a later batch needs it, the events that this
//! ingest has added are read back. For an ordered log, few dates are needed twice.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use rayon::prelude::*;
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::id_runs::{IdRun, first_half};
use super::per_chatbot::PerChatbot;
use crate::error::Result;
use crate::event::{Event, parse_uuid};
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::temp_files::TempFiles;
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

/// The id of a stored event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredId {
    /// The key of the event.
    pub key: u128,
    /// Its content hash.
    pub content_hash: u64,
}

/// A cache of the ids of stored events.
#[derive(Debug)]
pub struct StoredIds {
    keys: EventKeys,
    dates: BTreeMap<Day, DateIds>,
    /// The largest number of ids in memory.
    capacity: usize,
    temp_files: TempFiles,
}

/// The ids of the events stored on a date.
#[derive(Debug, Default)]
struct DateIds {
    keys: Vec<u128>,
    /// For each key, the content hash; 0 if time and name have not been read.
    content_hashes: Vec<u64>,
    /// Further ids, if the date has too many for the memory. All content hashes are then known.
    runs: Vec<IdRun>,
}

/// Memory per cached id, in bytes.
const BYTES_PER_ID: usize = size_of::<u128>() + size_of::<u64>();

impl StoredIds {
    /// Creates a cache of at most `bytes` bytes in memory.
    pub fn new(bytes: usize, temp_files: TempFiles) -> StoredIds {
        let (keys, dates) = (EventKeys::default(), BTreeMap::new());
        StoredIds { keys, dates, capacity: bytes / BYTES_PER_ID, temp_files }
    }

    /// Returns the computation of keys, whose seed is random for each process.
    pub fn keys(&self) -> &EventKeys {
        &self.keys
    }

    /// Finds the stored events that have the key of an event of the batch and are at most one date
    /// away from it. `keys` are the keys of all events, and `index_of` returns the index of the
    /// batch's event with a key.
    ///
    /// # Errors
    /// Fails if a file of the store cannot be read or is damaged, or if a temporary file cannot be
    /// written or read.
    pub fn find(
        &mut self,
        snapshot: &Snapshot,
        events: &[Event<'_>],
        keys: &[u128],
        index_of: impl Fn(u128) -> Option<u32> + Sync,
    ) -> Result<Vec<Hit>> {
        let dates = dates(events);
        let near = |day: Day| (-1..=1).any(|n| dates.contains(&day.plus(n)));
        // Later batches rarely need a date that this batch does not need.
        self.dates.retain(|day, date| {
            let is_near = near(*day);
            if !is_near {
                date.runs.drain(..).for_each(|run| run.remove(&self.temp_files));
            }
            is_near
        });
        let mut files: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
        for file in snapshot.manifest().files(Table::Events).iter().filter(|file| near(file.day)) {
            files.entry(file.day).or_default().push(file);
        }
        let free = FreeCapacity(AtomicUsize::new(self.capacity.saturating_sub(self.cached())));
        let first_halves = OnceLock::new();
        let store = StoredEvents { snapshot, keys: &self.keys, temp_files: &self.temp_files };
        let (cached, large_date) = (&self.dates, self.large_date());
        let found: Vec<(Day, Vec<Hit>, Option<DateIds>)> = files
            .into_par_iter()
            .map(|(day, files)| {
                let (index_of, first_halves) = (&index_of, &first_halves);
                let batch = BatchEvents { day, events, keys, index_of, first_halves };
                if let Some(date) = cached.get(&day)
                    && let Some(hits) = date.find(&batch, store.temp_files)?
                {
                    return Ok((day, hits, None));
                }
                let rows: u64 = files.iter().map(|file| file.rows).sum();
                let (hits, date) = match rows > large_date as u64 {
                    true => store.write_runs(&files, &batch)?,
                    false => store.read(files, &batch, &free)?,
                };
                Ok((day, hits, date))
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

    /// Reduces the ids in memory to the capacity: moves the ids of dates with runs to new runs, and
    /// then removes the earliest other dates, since most logs are in time order.
    ///
    /// # Errors
    /// Fails if a temporary file cannot be written.
    pub fn evict(&mut self) -> Result<()> {
        let mut cached = self.cached();
        let most = if cached > self.capacity { 0 } else { self.large_date() / 2 };
        for date in self.dates.values_mut().filter(|date| !date.runs.is_empty() && date.keys.len() > most) {
            cached -= date.keys.len();
            let (keys, hashes) = (std::mem::take(&mut date.keys), std::mem::take(&mut date.content_hashes));
            let id = |(key, content_hash)| StoredId { key, content_hash };
            date.runs.push(IdRun::write(keys.into_iter().zip(hashes).map(id).collect(), &self.temp_files)?);
        }
        let capacity = self.capacity;
        self.dates.retain(|_, date| {
            let is_kept = cached <= capacity || !date.runs.is_empty();
            cached -= if is_kept { 0 } else { date.keys.len() };
            is_kept
        });
        Ok(())
    }

    /// Returns the number of ids from which a date is cached in temporary files.
    fn large_date(&self) -> usize {
        self.capacity / 2
    }

    /// Returns the number of ids in memory.
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
        DateIds { content_hashes: vec![0; keys.len()], keys, runs: Vec::new() }
    }

    /// Finds the events of the batch on this date; `None` if the files must be read to compare time
    /// and name.
    ///
    /// # Errors
    /// Fails if a temporary file cannot be read.
    fn find<F>(&self, batch: &BatchEvents<'_, F>, temp_files: &TempFiles) -> Result<Option<Vec<Hit>>>
    where
        F: Fn(u128) -> Option<u32> + Sync,
    {
        let hit = |(position, key): (usize, &u128)| {
            let (event, index) = batch.find(*key)?;
            let hash = self.content_hashes.get(position).copied().filter(|hash| *hash != 0);
            let same = hash.map(|hash| hash == content_hash(event.row.time, event.name()));
            Some(same.map(|same| Hit { event: index, is_conflict: !same }))
        };
        let Some(mut hits) = self.keys.iter().enumerate().filter_map(hit).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let in_runs = self.runs.par_iter().map(|run| run.find(batch.first_halves(), temp_files));
        for ids in in_runs.collect::<Result<Vec<_>>>()? {
            hits.extend(ids.into_iter().filter_map(|id| batch.hit(id)));
        }
        Ok(Some(hits))
    }
}

/// The events of a batch that are looked up on one date.
struct BatchEvents<'a, F> {
    day: Day,
    events: &'a [Event<'a>],
    keys: &'a [u128],
    index_of: &'a F,
    first_halves: &'a OnceLock<Vec<u64>>,
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

    /// Returns the event with a stored id.
    fn hit(&self, id: StoredId) -> Option<Hit> {
        let (event, index) = self.find(id.key)?;
        let is_conflict = id.content_hash != content_hash(event.row.time, event.name());
        Some(Hit { event: index, is_conflict })
    }

    /// Returns the first halves of the keys of all events, sorted.
    fn first_halves(&self) -> &[u64] {
        self.first_halves.get_or_init(|| {
            let mut halves: Vec<u64> = self.keys.iter().map(|key| first_half(*key)).collect();
            halves.sort_unstable();
            halves
        })
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

/// Reads the ids in the files of a date, which is not cached.
struct StoredEvents<'a> {
    snapshot: &'a Snapshot,
    keys: &'a EventKeys,
    temp_files: &'a TempFiles,
}

impl StoredEvents<'_> {
    /// Finds the events of the batch. Also returns the ids, if there is capacity for them.
    fn read<F: Fn(u128) -> Option<u32> + Sync>(
        &self,
        files: Vec<&DataFile>,
        batch: &BatchEvents<'_, F>,
        free: &FreeCapacity,
    ) -> Result<(Vec<Hit>, Option<DateIds>)> {
        let read: Vec<(Vec<Hit>, Option<Vec<u128>>)> = files
            .into_par_iter()
            .map(|file| {
                let stored = read_keys(self.snapshot, file, self.keys)?;
                let hits = batch.find_in_file(self.snapshot, file, &stored)?;
                Ok((hits, free.reserve(stored.len()).then_some(stored)))
            })
            .collect::<Result<_>>()?;
        let (hits, keys): (Vec<_>, Vec<_>) = read.into_iter().unzip();
        // A date is cached as a whole or not at all.
        let date = keys.into_iter().collect::<Option<Vec<_>>>().map(DateIds::new);
        Ok((hits.concat(), date))
    }

    /// Finds the events of the batch, and writes the ids to temporary files.
    fn write_runs<F: Fn(u128) -> Option<u32> + Sync>(
        &self,
        files: &[&DataFile],
        batch: &BatchEvents<'_, F>,
    ) -> Result<(Vec<Hit>, Option<DateIds>)> {
        let written: Vec<(Vec<Hit>, IdRun)> = files
            .par_iter()
            .map(|file| {
                let ids = read_identities(self.snapshot, file, self.keys)?;
                let ids = ids.into_iter().map(|(key, content_hash)| StoredId { key, content_hash });
                let ids: Vec<StoredId> = ids.collect();
                let hits = ids.iter().filter_map(|id| batch.hit(*id)).collect();
                Ok((hits, IdRun::write(ids, self.temp_files)?))
            })
            .collect::<Result<_>>()?;
        let (hits, runs): (Vec<Vec<Hit>>, Vec<IdRun>) = written.into_iter().unzip();
        Ok((hits.concat(), Some(DateIds { runs, ..DateIds::default() })))
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
