//! Finds events that are there already: in the batch, and in the store.
//!
//! The same chatbot and id is the same event. In the store it is looked for on the event's UTC date
//! and the dates beside it. The batch is held in a table of hashes, and the stored ids of those
//! dates are streamed past it, so that memory depends on the batch alone.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

use crate::error::Result;
use crate::event::Event;
use crate::hash::Identity;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::time::{Day, Micros};

/// The columns of `events` by which a duplicate is found, and told from a clash of ids.
const COLUMNS: [&str; 4] = ["chatbot_id", "id", "timestamp", "event_name"];

/// Which events of a batch are duplicates.
#[derive(Debug, Default)]
pub struct Duplicates {
    /// For each event of the batch, whether it is one.
    pub is_duplicate: Vec<bool>,
    /// How many of them bear the id of an event with another time or name: a fault of the log.
    pub clashes: u64,
}

/// Finds the duplicates among the events of a batch.
///
/// Of events of one id within the batch, the least by time stays.
pub fn find(snapshot: &Snapshot, events: &[Event<'_>]) -> Result<Duplicates> {
    let mut result = Duplicates { is_duplicate: vec![false; events.len()], clashes: 0 };
    let keys: Vec<u128> = events.par_iter().map(|e| key(e.chatbot_id(), e.row.id)).collect();
    let mut kept: HashMap<u128, u32, Identity> = HashMap::with_capacity_and_hasher(events.len(), Identity);
    for (index, &key) in keys.iter().enumerate() {
        let index = index as u32;
        let Some(&other) = kept.get(&key) else {
            kept.insert(key, index);
            continue;
        };
        let (mine, theirs) = (&events[index as usize], &events[other as usize]);
        result.clashes += u64::from(!same(mine.row.time, mine.name(), theirs.row.time, theirs.name()));
        // The least by time stays; of equal times the first in the input.
        if mine.row.time < theirs.row.time {
            kept.insert(key, index);
            result.is_duplicate[other as usize] = true;
        } else {
            result.is_duplicate[index as usize] = true;
        }
    }
    for (index, clash) in stored(snapshot, events, &kept)? {
        // Two stored dates can hold one id only by a fault of the log; the event counts once.
        if !std::mem::replace(&mut result.is_duplicate[index as usize], true) {
            result.clashes += u64::from(clash);
        }
    }
    Ok(result)
}

/// Returns the events of the batch that the store holds, and whether time or name differ there.
fn stored(
    snapshot: &Snapshot,
    events: &[Event<'_>],
    kept: &HashMap<u128, u32, Identity>,
) -> Result<Vec<(u32, bool)>> {
    let mut dates: BTreeSet<Day> = BTreeSet::new();
    for &index in kept.values() {
        dates.insert(Day::utc(events[index as usize].row.time));
    }
    let near = |day: Day| (-1..=1).any(|n| dates.contains(&day.plus(n)));
    let files = snapshot.manifest().files(Table::Events).par_iter().filter(|file| near(file.day));
    let found: Vec<Vec<(u32, bool)>> = files
        .map(|file| {
            let frame = snapshot.read_file(file, Some(&COLUMNS))?;
            let reader = tables::Reader(&frame);
            let (chatbots, ids) = (reader.text("chatbot_id")?, reader.text("id")?);
            let (times, names) = (reader.int64("timestamp")?, reader.text("event_name")?);
            let mut hits = Vec::new();
            for (row, (chatbot, id)) in chatbots.iter().zip(ids.iter()).enumerate() {
                let Some(id) = id.and_then(|id| uuid::Uuid::try_parse(id).ok()) else { continue };
                let Some(&index) = kept.get(&key(chatbot.unwrap_or(""), id.as_u128())) else { continue };
                let event = &events[index as usize];
                // Only the dates beside the event's own: a batch may hold many dates.
                if (Day::utc(event.row.time).0 - file.day.0).abs() <= 1 {
                    let (time, name) = (times.get(row).unwrap_or(0), names.get(row).unwrap_or(""));
                    hits.push((index, !same(event.row.time, event.name(), time, name)));
                }
            }
            Ok(hits)
        })
        .collect::<Result<_>>()?;
    Ok(found.into_iter().flatten().collect())
}

fn same(time: Micros, name: &str, other_time: Micros, other_name: &str) -> bool {
    time == other_time && name == other_name
}

/// Returns what two events have in common exactly when they are the same.
fn key(chatbot_id: &str, id: u128) -> u128 {
    id ^ xxhash_rust::xxh3::xxh3_128(chatbot_id.as_bytes())
}
