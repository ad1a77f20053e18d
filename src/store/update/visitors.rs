//! Moves first sights earlier in the `visitors` table.
//!
//! The table is partitioned by the UTC month of the first sight. An id that is seen for the first
//! time is added to its month; one that turns out to have been seen earlier moves there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use super::partition::Partition;
use super::{Losing, Sink};
use crate::bloom::BloomFilter;
use crate::error::Result;
use crate::prehashed::PreHashed;
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::tables::visitors::{
    FIND_COLUMNS, HASH_COLUMNS, Visitor, frame, hashes, hashes_alone, read,
};
use crate::time::{Day, Micros};

/// The earliest time of each id among new events, by the hash of the id.
pub type Seen = HashMap<u128, Visitor, PreHashed>;

/// A first sight that moved earlier.
#[derive(Clone, Debug)]
pub struct Moved {
    /// The entry as it was.
    pub was: Visitor,
    /// The new time of the first sight.
    pub first_seen_at: Micros,
    /// The day that counts it as new still, where the sessions of that day are pruned.
    pub counted_new_on: Option<Day>,
}

/// Takes in first sights: makes the files of the months that change, and returns which first sights moved.
pub fn make(snapshot: &Snapshot, seen: Seen, sink: Sink<'_>) -> Result<Vec<Moved>> {
    let files = snapshot.manifest().files(Table::Visitors);
    // For each file: the ids that it knows, and the rows that are to move.
    type Looked = (Vec<u128>, Option<Losing>);
    let bloom = BloomFilter::from_hashes(seen.keys());
    let earliest = seen.values().map(|visitor| visitor.first_seen_at).min().unwrap_or(Micros::MAX);
    let looked: Vec<Looked> = files
        .par_iter()
        .map(|file| {
            let (mut known, mut later) = (Vec::new(), Vec::new());
            // All visitors there ever were are looked at.
            let mut look = |row: usize, hash: u128, first_seen_at: Micros| {
                if bloom.may_contain(hash)
                    && let Some(visitor) = seen.get(&hash)
                {
                    known.push(hash);
                    if visitor.first_seen_at < first_seen_at {
                        later.push(row);
                    }
                }
            };
            // Of a file that is older than all of these, none is seen earlier now.
            let is_older = file.max_time <= earliest;
            let columns: &[&str] = if is_older { &HASH_COLUMNS } else { &FIND_COLUMNS };
            let mut rows = 0;
            snapshot.read_groups(file, columns, |stored| {
                if is_older {
                    (rows..)
                        .zip(hashes_alone(stored)?)
                        .for_each(|(row, hash)| look(row, hash, file.max_time));
                } else {
                    (rows..).zip(hashes(stored)?).for_each(|(row, (hash, time))| look(row, hash, time));
                }
                rows += stored.height();
                Ok(())
            })?;
            let moving = (!later.is_empty()).then(|| {
                let mut mask = vec![false; rows];
                later.iter().for_each(|&row| mask[row] = true);
                (file.clone(), mask)
            });
            Ok((known, moving))
        })
        .collect::<Result<_>>()?;

    let mut seen = seen;
    let mut moved = Vec::new();
    let mut losing: Vec<Losing> = Vec::new();
    let mut added: BTreeMap<Day, Vec<Visitor>> = BTreeMap::new();
    for (known, moving) in looked {
        if let Some((file, mask)) = moving {
            let rows = snapshot.read_file_checked(&file)?.filter(mask.iter().copied())?;
            for was in read(&rows)? {
                if let Some(mut now) = seen.remove(&was.hash()) {
                    let first_seen_at = now.first_seen_at;
                    // Earlier on the same day it is counted as before, wherever that is: the time
                    // zone may have changed since.
                    let [before, day] = [was.first_seen_at, first_seen_at].map(|t| snapshot.zone().day(t));
                    now.counted_new_on =
                        was.counted_new_on.filter(|counted| before == day || *counted == day);
                    let counted_new_on = now.counted_new_on;
                    added.entry(month(first_seen_at)).or_default().push(now);
                    moved.push(Moved { was, first_seen_at, counted_new_on });
                }
            }
            losing.push((file, mask));
        }
        for hash in known {
            seen.remove(&hash);
        }
    }
    for visitor in seen.into_values() {
        added.entry(month(visitor.first_seen_at)).or_default().push(visitor);
    }
    months(snapshot, added, losing, sink)?;
    Ok(moved)
}

fn month(time: Micros) -> Day {
    Day::utc(time).month_start()
}

/// Makes the files of the months that gain or lose rows.
fn months(
    snapshot: &Snapshot,
    mut added: BTreeMap<Day, Vec<Visitor>>,
    losing: Vec<Losing>,
    sink: Sink<'_>,
) -> Result<()> {
    let mut months: BTreeSet<Day> = added.keys().copied().collect();
    months.extend(losing.iter().map(|(file, _)| file.day));
    let work: Vec<(Day, Vec<Visitor>)> =
        months.into_iter().map(|month| (month, added.remove(&month).unwrap_or_default())).collect();
    work.into_par_iter().try_for_each(|(month, mut visitors)| {
        // In order of chatbot and time, so that neighbours resemble each other.
        visitors.sort_unstable_by(|a, b| {
            (&a.chatbot_id, a.first_seen_at, &a.id).cmp(&(&b.chatbot_id, b.first_seen_at, &b.id))
        });
        let mut partition = Partition::new(snapshot, Table::Visitors, month, visitors.len())?;
        partition.add_frame(&frame(&visitors)?)?;
        for losing in losing.iter().filter(|(file, _)| file.day == month) {
            partition.add_rest(losing)?;
        }
        partition.fold()?;
        sink(partition.finish()?)
    })
}
