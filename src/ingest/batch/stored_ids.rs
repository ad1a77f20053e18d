//! The ids of stored events by date, as duplicates are looked for among them.
//!
//! A batch is compared with all that is stored on its dates and the dates beside them, and the next batch
//! mostly with the same. So what was read of a date, and what this ingest added to it since, is kept as long
//! as batches ask for it and there is room; nobody else writes meanwhile. Of a log in order, most dates are
//! asked for once: what a batch adds to a date of which the store held nothing is read back where a later batch
//! asks for that date.

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

/// The columns of `events` by which a duplicate is found.
const ID_COLUMNS: [&str; 2] = ["chatbot_id", "id"];
/// The columns by which it is told from another event of the same id; read where there is one.
const CONTENT_COLUMNS: [&str; 2] = ["timestamp", "event_name"];

/// Makes the keys of events: a hash of chatbot and id, the same for two events exactly when these are.
///
/// Whoever writes a log chooses its ids. The seed is another one in every run, so that nobody can choose ids
/// whose keys are the same, or lie in the same place of a table.
#[derive(Debug)]
pub struct Keys {
    seed: u64,
}

impl Default for Keys {
    fn default() -> Keys {
        Keys { seed: RandomState::new().hash_one(0) }
    }
}

impl Keys {
    /// Returns the keys of some events of one chatbot.
    fn of_chatbot(&self, chatbot_id: &str) -> impl Fn(u128) -> u128 + use<> {
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
    pub fn of(&self, event: &Event<'_>) -> u128 {
        self.of_chatbot(event.chatbot_id())(event.row.id)
    }

    /// Returns the keys of events.
    pub fn of_all(&self, events: &[Event<'_>]) -> Vec<u128> {
        let key = |chatbots: &mut PerChatbot<_>, event: &Event<'_>| {
            chatbots.get(event, |chatbot| self.of_chatbot(chatbot))(event.row.id)
        };
        events.par_iter().map_init(PerChatbot::default, key).collect()
    }
}

/// A hash of an event's time and name: two events of one key that differ in it are a clash of ids. Not 0.
fn content(time: Micros, name: &str) -> u64 {
    xxh3_64_with_seed(name.as_bytes(), time as u64) | 1
}

/// A stored event with the key of one of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The place of the batch's event.
    pub event: u32,
    /// Time or name are not the same: the id names two events.
    pub is_conflict: bool,
}

/// What is known of the events stored on some dates.
#[derive(Debug)]
pub struct StoredIds {
    keys: Keys,
    dates: BTreeMap<Day, Date>,
    /// How many ids are kept at the most.
    most: usize,
}

/// All events stored on a date.
#[derive(Debug, Default)]
struct Date {
    keys: Vec<u128>,
    /// Beside each key the hash of time and name; 0 where those were not read.
    contents: Vec<u64>,
}

/// What a kept id takes, in bytes.
const BYTES_AN_ID: usize = size_of::<u128>() + size_of::<u64>();

impl StoredIds {
    /// Makes one that keeps ids in so many bytes.
    pub fn with_room_for(bytes: usize) -> StoredIds {
        StoredIds { keys: Keys::default(), dates: BTreeMap::new(), most: bytes / BYTES_AN_ID }
    }

    /// Returns what makes the keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Finds the stored events that have the key of an event of the batch and lie on the same date, or the one
    /// before or after. `place` returns the place of the batch's event of a key.
    ///
    /// # Errors
    /// Where a file of the store cannot be read or is damaged.
    pub fn find(
        &mut self,
        snapshot: &Snapshot,
        events: &[Event<'_>],
        place: impl Fn(u128) -> Option<u32> + Sync,
    ) -> Result<Vec<Hit>> {
        let dates = dates(events);
        let near = |day: Day| (-1..=1).any(|n| dates.contains(&day.plus(n)));
        // What this batch has no use for, the next one will have none for either.
        self.dates.retain(|day, _| near(*day));
        let mut files: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
        for file in snapshot.manifest().files(Table::Events).iter().filter(|file| near(file.day)) {
            files.entry(file.day).or_default().push(file);
        }
        let room = Room(AtomicUsize::new(self.most.saturating_sub(self.kept())));
        let (kept, keys) = (&self.dates, &self.keys);
        let found: Vec<(Day, Vec<Hit>, Option<Date>)> = files
            .into_par_iter()
            .map(|(day, files)| {
                let batch = Wanted { day, events, place: &place };
                if let Some(hits) = kept.get(&day).and_then(|date| date.find(&batch)) {
                    return Ok((day, hits, None));
                }
                let read: Vec<(Vec<Hit>, Option<Vec<u128>>)> = files
                    .into_par_iter()
                    .map(|file| {
                        let stored = read(snapshot, file, keys)?;
                        let hits = batch.of_file(snapshot, file, &stored)?;
                        Ok((hits, room.take(stored.len()).then_some(stored)))
                    })
                    .collect::<Result<_>>()?;
                let (hits, keys): (Vec<_>, Vec<_>) = read.into_iter().unzip();
                // A date is kept whole or not at all.
                let date = keys.into_iter().collect::<Option<Vec<_>>>().map(Date::of);
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

    /// Adds those of some events that the store will hold when [`find`](StoredIds::find) is called next; `keys`
    /// are theirs.
    pub fn add(&mut self, events: &[Event<'_>], keys: &[u128], is_stored: impl Fn(usize) -> bool) {
        let mut from = 0;
        for events in events.chunk_by(on_one_date) {
            let places = from..from + events.len();
            from = places.end;
            // Of a date that is not kept, others are stored that are not known.
            let Some(date) = events.first().and_then(|event| self.dates.get_mut(&date_of(event))) else {
                continue;
            };
            for ((place, key), event) in places.clone().zip(keys.get(places).unwrap_or(&[])).zip(events) {
                if is_stored(place) {
                    date.keys.push(*key);
                    date.contents.push(content(event.row.time, event.name()));
                }
            }
        }
    }

    /// Forgets what there is no room for: the earliest dates, as logs mostly go on in time.
    pub fn make_room(&mut self) {
        while self.kept() > self.most && self.dates.pop_first().is_some() {}
    }

    fn kept(&self) -> usize {
        self.dates.values().map(|date| date.keys.len()).sum()
    }
}

/// Returns the UTC dates of some events.
fn dates(events: &[Event<'_>]) -> BTreeSet<Day> {
    events.chunk_by(on_one_date).filter_map(|events| events.first().map(date_of)).collect()
}

fn date_of(event: &Event<'_>) -> Day {
    Day::utc(event.row.time)
}

fn on_one_date(a: &Event<'_>, b: &Event<'_>) -> bool {
    date_of(a) == date_of(b)
}

impl Date {
    /// Makes a date of the keys of its files.
    fn of(keys: Vec<Vec<u128>>) -> Date {
        let keys = keys.concat();
        Date { contents: vec![0; keys.len()], keys }
    }

    /// Finds the events of the batch here; `None` where that cannot be told from what is kept.
    fn find<F: Fn(u128) -> Option<u32>>(&self, batch: &Wanted<'_, F>) -> Option<Vec<Hit>> {
        let hit = |(place, key): (usize, &u128)| {
            let (event, index) = batch.find(*key)?;
            let known = self.contents.get(place).copied().filter(|content| *content != 0);
            let same = known.map(|known| known == content(event.row.time, event.name()));
            Some(same.map(|same| Hit { event: index, is_conflict: !same }))
        };
        self.keys.iter().enumerate().filter_map(hit).collect()
    }
}

/// The events of a batch, as they are looked for on a date.
struct Wanted<'a, F> {
    day: Day,
    events: &'a [Event<'a>],
    place: &'a F,
}

impl<'a, F: Fn(u128) -> Option<u32>> Wanted<'a, F> {
    /// Returns the event of a key that could be stored on this date, and its place.
    #[inline]
    fn find(&self, key: u128) -> Option<(&'a Event<'a>, u32)> {
        let index = (self.place)(key)?;
        let event = self.events.get(index as usize)?;
        // A batch may hold many dates.
        ((Day::utc(event.row.time).0 - self.day.0).abs() <= 1).then_some((event, index))
    }

    /// Finds the events in a file whose keys are given.
    fn of_file(&self, snapshot: &Snapshot, file: &DataFile, keys: &[u128]) -> Result<Vec<Hit>> {
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

/// For how many ids there is room left.
struct Room(AtomicUsize);

impl Room {
    /// Takes room for so many, if there is as much.
    fn take(&self, ids: usize) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(ids)).is_ok()
    }
}

/// Reads the keys of a file's events by row, 0 where a row has no id, as in no file of `wa`'s.
fn read(snapshot: &Snapshot, file: &DataFile, keys: &Keys) -> Result<Vec<u128>> {
    let frame = snapshot.read_file(file, Some(&ID_COLUMNS))?;
    let (chatbots, ids) = (frame.texts("chatbot_id")?, frame.texts("id")?);
    let mut found = Vec::with_capacity(ids.len());
    let mut latest = (None, keys.of_chatbot(""));
    for (chatbot, id) in chatbots.iter().zip(ids.iter()) {
        if latest.0 != chatbot {
            latest = (chatbot, keys.of_chatbot(chatbot.unwrap_or("")));
        }
        found.push(id.and_then(parse_uuid).map_or(0, &latest.1));
    }
    Ok(found)
}
