//! Finds duplicates in a batch and in the store.
//!
//! Events with the same chatbot and id are the same event. The store is searched on the event's UTC
//! date and on the two adjacent dates. The stored ids of those dates ([`StoredIds`]) are looked up
//! in hash tables that hold the batch. The size of these tables depends only on the batch.

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

/// The duplicates of a batch.
#[derive(Debug, Default)]
pub struct Duplicates {
    /// Whether each event of the batch is a duplicate.
    pub is_duplicate: Vec<bool>,
    /// Number of duplicates whose time or name differs from that of the event with the same id,
    /// which is a defect of the log.
    pub id_conflicts: u64,
}

/// Finds duplicates among the events of a batch for which `to_store` returns true. The caller must
/// store the events that are not duplicates, because `stored_ids` records them as stored.
///
/// If several events of the batch have the same id, the earliest is stored.
///
/// # Errors
/// Fails if a file of the store cannot be read or is damaged, or if a temporary file cannot be
/// written or read.
pub fn find(
    snapshot: &Snapshot,
    events: &[Event<'_>],
    to_store: impl Fn(usize) -> bool,
    stored_ids: &mut StoredIds,
) -> Result<Duplicates> {
    let mut buckets: Vec<Bucket> = (0..BUCKETS).map(|_| Bucket::for_batch(events.len())).collect();
    let keys = stored_ids.keys().keys(events);
    for (index, key) in keys.iter().enumerate().filter(|(index, _)| to_store(*index)) {
        buckets[bucket_index(*key)].entries.push((*key, index as u32));
    }
    let within: Vec<(Vec<u32>, u64)> =
        buckets.par_iter_mut().map(|bucket| bucket.find_duplicates(events)).collect();
    let mut result = Duplicates { is_duplicate: vec![false; events.len()], id_conflicts: 0 };
    for (duplicates, id_conflicts) in within {
        duplicates.into_iter().for_each(|index| result.is_duplicate[index as usize] = true);
        result.id_conflicts += id_conflicts;
    }
    // Most stored ids are not in the batch; the filter saves their table lookups.
    let bloom = BloomFilter::from_hashes(keys.iter());
    let index_of =
        |key: u128| if bloom.may_contain(key) { buckets[bucket_index(key)].get(key) } else { None };
    for hit in stored_ids.find(snapshot, events, &keys, index_of)? {
        // The store can contain one id on two dates if a log reuses it; the event counts once.
        if !std::mem::replace(&mut result.is_duplicate[hit.event as usize], true) {
            result.id_conflicts += u64::from(hit.is_conflict);
        }
    }
    stored_ids.add(events, &keys, |index| to_store(index) && !result.is_duplicate[index]);
    stored_ids.evict()?;
    Ok(result)
}

/// Events whose keys share a hash prefix. The tables of a bucket fit into the CPU cache.
#[derive(Debug, Default)]
struct Bucket {
    /// The keys with the index of the event to store.
    entries: Vec<(u128, u32)>,
    /// The indexes of the keys in `entries`.
    table: HashTable<u32>,
}

/// Number of buckets.
const BUCKETS: usize = 64;

/// Returns the bucket of a key, from bits of the hash that the tables do not use.
fn bucket_index(key: u128) -> usize {
    (spread(key) >> 40) as usize % BUCKETS
}

fn spread(key: u128) -> u64 {
    PreHashed.hash_one(key)
}

impl Bucket {
    /// Creates a bucket with capacity for its share of the events.
    fn for_batch(events: usize) -> Bucket {
        Bucket { entries: Vec::with_capacity(events / BUCKETS / 8 * 9), table: HashTable::new() }
    }

    /// Fills the table. Returns the duplicates of other events in the bucket, and the number of
    /// those whose time or name differs.
    fn find_duplicates(&mut self, events: &[Event<'_>]) -> (Vec<u32>, u64) {
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
            let (event, earlier) = (&events[index as usize], &events[*other as usize]);
            id_conflicts += u64::from(!same(event.row.time, event.name(), earlier.row.time, earlier.name()));
            // The earliest event is stored; for equal times, the first in the input.
            let duplicate =
                if event.row.time < earlier.row.time { std::mem::replace(other, index) } else { index };
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
