//! Finds events that are there already: in the batch, and in the store.
//!
//! The same chatbot and id is the same event. In the store it is looked for on the event's UTC date
//! and the dates beside it. The batch is held in tables of hashes, and the stored ids of those dates
//! are streamed past them, so that memory depends on the batch alone.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use hashbrown::HashTable;
use rayon::prelude::*;

use crate::error::Result;
use crate::event::{Event, uuid_of_text};
use crate::hash::Identity;
use crate::sieve::Sieve;
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::time::{Day, Micros};

/// The columns of `events` by which a duplicate is found.
const COLUMNS: [&str; 2] = ["chatbot_id", "id"];
/// The columns by which it is told from a clash of ids; read where there is one.
const MORE_COLUMNS: [&str; 2] = ["timestamp", "event_name"];

/// Which events of a batch are duplicates.
#[derive(Debug, Default)]
pub struct Duplicates {
    /// For each event of the batch, whether it is one.
    pub is_duplicate: Vec<bool>,
    /// How many of them bear the id of an event with another time or name: a fault of the log.
    pub clashes: u64,
}

/// Finds the duplicates among the events of a batch, but for those that are not to be stored anyhow.
///
/// Of events of one id within the batch, the least by time stays.
pub fn find(
    snapshot: &Snapshot,
    events: &[Event<'_>],
    to_store: impl Fn(usize) -> bool,
) -> Result<Duplicates> {
    let mut buckets: Vec<Bucket> = (0..BUCKETS).map(|_| Bucket::for_batch_of(events.len())).collect();
    let keys: Vec<u128> = events.par_iter().map(|e| key(e.chatbot_id(), e.row.id)).collect();
    for (index, key) in keys.iter().enumerate().filter(|(index, _)| to_store(*index)) {
        buckets[bucket_of(*key)].entries.push((*key, index as u32));
    }
    let within: Vec<(Vec<u32>, u64)> = buckets.par_iter_mut().map(|bucket| bucket.settle(events)).collect();
    let mut result = Duplicates { is_duplicate: vec![false; events.len()], clashes: 0 };
    for (duplicates, clashes) in within {
        duplicates.into_iter().for_each(|index| result.is_duplicate[index as usize] = true);
        result.clashes += clashes;
    }
    for (index, clash) in stored(snapshot, events, &keys, &buckets)? {
        // Two stored dates can hold one id only by a fault of the log; the event counts once.
        if !std::mem::replace(&mut result.is_duplicate[index as usize], true) {
            result.clashes += u64::from(clash);
        }
    }
    Ok(result)
}

/// Events whose keys are near each other: few enough that looking one up stays in the cache.
#[derive(Debug, Default)]
struct Bucket {
    /// Keys, and the events that stay of each.
    entries: Vec<(u128, u32)>,
    /// Where in `entries` a key is.
    table: HashTable<u32>,
}

/// Enough for a batch of usual size.
const BUCKETS: usize = 64;

/// The high bits choose; the table uses others.
fn bucket_of(key: u128) -> usize {
    (spread(key) >> 40) as usize % BUCKETS
}

fn spread(key: u128) -> u64 {
    Identity.hash_one(key)
}

impl Bucket {
    /// Makes one of those of a batch; each gets about as many of its events.
    fn for_batch_of(events: usize) -> Bucket {
        Bucket { entries: Vec::with_capacity(events / BUCKETS / 8 * 9), table: HashTable::new() }
    }

    /// Puts the entries into the table. Returns the events that are duplicates of others in the
    /// bucket, and how many of them only bear another one's id.
    fn settle(&mut self, events: &[Event<'_>]) -> (Vec<u32>, u64) {
        let (mut duplicates, mut clashes) = (Vec::new(), 0);
        let entries = &mut self.entries;
        self.table.reserve(entries.len(), |_| 0);
        for at in 0..entries.len() {
            let (key, index) = entries[at];
            let Some(&first) = self.table.find(spread(key), |&other| entries[other as usize].0 == key) else {
                self.table.insert_unique(spread(key), at as u32, |&other| spread(entries[other as usize].0));
                continue;
            };
            let other = &mut entries[first as usize].1;
            let (mine, theirs) = (&events[index as usize], &events[*other as usize]);
            clashes += u64::from(!same(mine.row.time, mine.name(), theirs.row.time, theirs.name()));
            // The least by time stays; of equal times the first in the input.
            let duplicate =
                if mine.row.time < theirs.row.time { std::mem::replace(other, index) } else { index };
            duplicates.push(duplicate);
        }
        (duplicates, clashes)
    }

    fn get(&self, key: u128) -> Option<u32> {
        let at = *self.table.find(spread(key), |&at| self.entries[at as usize].0 == key)?;
        Some(self.entries[at as usize].1)
    }
}

/// Returns the events of the batch that the store holds, and whether time or name differ there.
fn stored(
    snapshot: &Snapshot,
    events: &[Event<'_>],
    keys: &[u128],
    buckets: &[Bucket],
) -> Result<Vec<(u32, bool)>> {
    let mut dates: BTreeSet<Day> = BTreeSet::new();
    for events in events.chunk_by(|a, b| Day::utc(a.row.time) == Day::utc(b.row.time)) {
        dates.extend(events.first().map(|event| Day::utc(event.row.time)));
    }
    let near = |day: Day| (-1..=1).any(|n| dates.contains(&day.plus(n)));
    let files: Vec<&DataFile> =
        snapshot.manifest().files(Table::Events).iter().filter(|file| near(file.day)).collect();
    if files.is_empty() {
        return Ok(Vec::new());
    }
    // Most of what is stored is not in the batch.
    let sieve = Sieve::of(keys.iter());
    let found: Vec<Vec<(u32, bool)>> = files
        .into_par_iter()
        .map(|file| {
            let frame = snapshot.read_file(file, Some(&COLUMNS))?;
            let reader = tables::Reader(&frame);
            let (chatbots, ids) = (reader.text("chatbot_id")?, reader.text("id")?);
            let mut hits = Vec::new();
            let mut chatbot_hash = (None, 0);
            for (row, (chatbot, id)) in chatbots.iter().zip(ids.iter()).enumerate() {
                let Some(id) = id.and_then(uuid_of_text) else { continue };
                if chatbot_hash.0 != Some(chatbot) {
                    chatbot_hash = (Some(chatbot), of_chatbot(chatbot.unwrap_or("")));
                }
                let key = id ^ chatbot_hash.1;
                if !sieve.lets_through(key) {
                    continue;
                }
                let Some(index) = buckets[bucket_of(key)].get(key) else { continue };
                // Only the dates beside the event's own: a batch may hold many dates.
                if (Day::utc(events[index as usize].row.time).0 - file.day.0).abs() <= 1 {
                    hits.push((row, index));
                }
            }
            if hits.is_empty() {
                return Ok(Vec::new());
            }
            let frame = snapshot.read_file(file, Some(&MORE_COLUMNS))?;
            let reader = tables::Reader(&frame);
            let (times, names) = (reader.int64("timestamp")?, reader.text("event_name")?);
            let clash = |row: usize, event: &Event<'_>| {
                let (time, name) = (times.get(row).unwrap_or(0), names.get(row).unwrap_or(""));
                !same(event.row.time, event.name(), time, name)
            };
            Ok(hits.into_iter().map(|(row, index)| (index, clash(row, &events[index as usize]))).collect())
        })
        .collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

fn same(time: Micros, name: &str, other_time: Micros, other_name: &str) -> bool {
    time == other_time && name == other_name
}

/// Returns what two events have in common exactly when they are the same.
fn key(chatbot_id: &str, id: u128) -> u128 {
    id ^ of_chatbot(chatbot_id)
}

fn of_chatbot(chatbot_id: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(chatbot_id.as_bytes())
}
