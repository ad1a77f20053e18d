//! Finds events that are there already: in the batch, and in the store.
//!
//! The same chatbot and id is the same event. In the store it is looked for on the event's UTC date
//! and the dates beside it. The batch is held in tables of hashes, and the stored ids of those dates
//! ([`StoredIds`]) are streamed past them, so that memory depends on the batch alone.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use rayon::prelude::*;

use super::stored_ids::StoredIds;
use crate::bloom::BloomFilter;
use crate::error::Result;
use crate::event::Event;
use crate::prehashed::PreHashed;
use crate::store::snapshot::Snapshot;
use crate::time::Micros;

/// Which events of a batch are duplicates.
#[derive(Debug, Default)]
pub struct Duplicates {
    /// For each event of the batch, whether it is one.
    pub is_duplicate: Vec<bool>,
    /// How many of them share an id with an event of another time or name: a fault of the log.
    pub id_conflicts: u64,
}

/// Finds the duplicates among the events of a batch, but for those that are not to be stored anyhow. All others
/// are taken as stored from then on, and have to be.
///
/// Of events of one id within the batch, the least by time stays.
///
/// # Errors
/// Where a file of the store cannot be read or is damaged.
pub fn find(
    snapshot: &Snapshot,
    events: &[Event<'_>],
    to_store: impl Fn(usize) -> bool,
    stored_ids: &mut StoredIds,
) -> Result<Duplicates> {
    let mut buckets: Vec<Bucket> = (0..BUCKETS).map(|_| Bucket::for_batch_of(events.len())).collect();
    let keys = stored_ids.keys().of_all(events);
    for (index, key) in keys.iter().enumerate().filter(|(index, _)| to_store(*index)) {
        buckets[bucket_of(*key)].entries.push((*key, index as u32));
    }
    let within: Vec<(Vec<u32>, u64)> = buckets.par_iter_mut().map(|bucket| bucket.settle(events)).collect();
    let mut result = Duplicates { is_duplicate: vec![false; events.len()], id_conflicts: 0 };
    for (duplicates, id_conflicts) in within {
        duplicates.into_iter().for_each(|index| result.is_duplicate[index as usize] = true);
        result.id_conflicts += id_conflicts;
    }
    // Most of what is stored is not in the batch.
    let bloom = BloomFilter::from_hashes(keys.iter());
    let place = |key: u128| if bloom.may_contain(key) { buckets[bucket_of(key)].get(key) } else { None };
    for hit in stored_ids.find(snapshot, events, place)? {
        // Two stored dates can hold one id only by a fault of the log; the event counts once.
        if !std::mem::replace(&mut result.is_duplicate[hit.event as usize], true) {
            result.id_conflicts += u64::from(hit.is_conflict);
        }
    }
    stored_ids.add(events, &keys, |index| to_store(index) && !result.is_duplicate[index]);
    stored_ids.make_room();
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
    PreHashed.hash_one(key)
}

impl Bucket {
    /// Makes one of the buckets of a batch, with room for its share of the events.
    fn for_batch_of(events: usize) -> Bucket {
        Bucket { entries: Vec::with_capacity(events / BUCKETS / 8 * 9), table: HashTable::new() }
    }

    /// Puts the entries into the table. Returns the events that are duplicates of others in the
    /// bucket, and how many of them only bear another one's id.
    fn settle(&mut self, events: &[Event<'_>]) -> (Vec<u32>, u64) {
        let (mut duplicates, mut id_conflicts) = (Vec::new(), 0);
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
            id_conflicts += u64::from(!same(mine.row.time, mine.name(), theirs.row.time, theirs.name()));
            // The least by time stays; of equal times the first in the input.
            let duplicate =
                if mine.row.time < theirs.row.time { std::mem::replace(other, index) } else { index };
            duplicates.push(duplicate);
        }
        (duplicates, id_conflicts)
    }

    fn get(&self, key: u128) -> Option<u32> {
        let at = *self.table.find(spread(key), |&at| self.entries[at as usize].0 == key)?;
        Some(self.entries[at as usize].1)
    }
}

fn same(time: Micros, name: &str, other_time: Micros, other_name: &str) -> bool {
    time == other_time && name == other_name
}
