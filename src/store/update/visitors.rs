//! Updates the first-seen times in the `visitors` table.
//!
//! The table is partitioned by the UTC month in which the visitor was first seen. A new visitor is
//! added to its month. If an earlier event of a visitor is ingested, the visitor moves to the month
//! of that event.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;

use super::partition::PartitionBuilder;
use super::{OutputSink, PartialRewrite};
use crate::bloom::BloomFilter;
use crate::error::Result;
use crate::prehashed::PreHashed;
use crate::store::columns::Table;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables::visitors::{
    HASH_COLUMNS, LOOKUP_COLUMNS, Visitor, frame, hashes, hashes_and_times, read,
};
use crate::time::{Day, Micros};

/// The visitors of new events, by hash, with the time of their first new event.
pub type FirstSeenMap = HashMap<u128, Visitor, PreHashed>;

/// A visitor whose first-seen time moves earlier.
#[derive(Clone, Debug)]
pub struct FirstSeenUpdate {
    /// The stored entry.
    pub previous: Visitor,
    /// The new first-seen time.
    pub first_seen_at: Micros,
    /// The day that still counts the visitor as new because of pruned sessions.
    pub counted_new_on: Option<Day>,
}

/// The visitors of a stored file that occur in new events.
struct Matches {
    /// Hashes of the visitors of new events that the file contains.
    hashes: Vec<u128>,
    /// The rows of visitors that move to an earlier time.
    moving: Option<PartialRewrite>,
}

/// Builds the files of the months that change. Returns the stored visitors that move earlier.
///
/// # Errors
/// Fails if a stored file cannot be read, or a file cannot be written.
pub fn write(
    snapshot: &Snapshot,
    first_seen: FirstSeenMap,
    sink: OutputSink<'_>,
) -> Result<Vec<FirstSeenUpdate>> {
    let files = snapshot.manifest().files(Table::Visitors);
    // All stored visitors are compared with the new ones: most are excluded by a Bloom filter.
    let bloom = BloomFilter::from_hashes(first_seen.keys());
    let earliest = first_seen.values().map(|visitor| visitor.first_seen_at).min().unwrap_or(Micros::MAX);
    let matches: Vec<Matches> = files
        .par_iter()
        .map(|file| find_matches(snapshot, file, &first_seen, &bloom, earliest))
        .collect::<Result<_>>()?;

    let mut new = first_seen;
    let mut updates = Vec::new();
    let mut rewrites: Vec<PartialRewrite> = Vec::new();
    let mut added: BTreeMap<Day, Vec<Visitor>> = BTreeMap::new();
    for Matches { hashes, moving } in matches {
        if let Some(rewrite) = moving {
            let rows = snapshot.read_rows(&rewrite.file, &rewrite.removed)?;
            for previous in read(&rows)? {
                if let Some(mut visitor) = new.remove(&previous.hash()) {
                    let first_seen_at = visitor.first_seen_at;
                    // If the first-seen day does not change, `counted_new_on` stays. It can be a
                    // different day if the time zone has changed since.
                    let [old_day, day] =
                        [previous.first_seen_at, first_seen_at].map(|time| snapshot.zone().day(time));
                    let counted_new_on =
                        previous.counted_new_on.filter(|counted| old_day == day || *counted == day);
                    visitor.counted_new_on = counted_new_on.or(visitor.counted_new_on);
                    added.entry(month(first_seen_at)).or_default().push(visitor);
                    updates.push(FirstSeenUpdate { previous, first_seen_at, counted_new_on });
                }
            }
            rewrites.push(rewrite);
        }
        for hash in hashes {
            new.remove(&hash);
        }
    }
    for visitor in new.into_values() {
        added.entry(month(visitor.first_seen_at)).or_default().push(visitor);
    }
    write_months(snapshot, added, rewrites, sink)?;
    Ok(updates)
}

/// Returns the stored first-seen times of the given visitors, by hash.
///
/// # Errors
/// Fails if a stored file cannot be read.
pub fn stored_times(
    snapshot: &Snapshot,
    visitors: &FirstSeenMap,
) -> Result<HashMap<u128, Micros, PreHashed>> {
    let files = snapshot.manifest().files(Table::Visitors).par_iter();
    let found: Vec<Vec<(u128, Micros)>> = files
        .map(|file| {
            let mut found = Vec::new();
            snapshot.read_groups(file, &LOOKUP_COLUMNS, |stored| {
                found.extend(hashes_and_times(stored)?.filter(|(hash, _)| visitors.contains_key(hash)));
                Ok(())
            })?;
            Ok(found)
        })
        .collect::<Result<_>>()?;
    let mut times: HashMap<u128, Micros, PreHashed> = HashMap::with_hasher(PreHashed);
    times.extend(found.into_iter().flatten());
    Ok(times)
}

/// Finds the visitors of new events in a stored file. `earliest` is the earliest first-seen time in
/// the new events.
fn find_matches(
    snapshot: &Snapshot,
    file: &DataFile,
    first_seen: &FirstSeenMap,
    bloom: &BloomFilter,
    earliest: Micros,
) -> Result<Matches> {
    let (mut found, mut moving) = (Vec::new(), Vec::new());
    let mut compare = |row: usize, hash: u128, first_seen_at: Micros| {
        if bloom.may_contain(hash)
            && let Some(visitor) = first_seen.get(&hash)
        {
            found.push(hash);
            if visitor.first_seen_at < first_seen_at {
                moving.push(row);
            }
        }
    };
    // Visitors of a file that is older than all new events do not move earlier, so their exact
    // times are not needed.
    let is_older = file.max_time <= earliest;
    let columns: &[&str] = if is_older { &HASH_COLUMNS } else { &LOOKUP_COLUMNS };
    let mut rows = 0;
    snapshot.read_groups(file, columns, |stored| {
        if is_older {
            (rows..).zip(hashes(stored)?).for_each(|(row, hash)| compare(row, hash, file.max_time));
        } else {
            (rows..).zip(hashes_and_times(stored)?).for_each(|(row, (hash, time))| compare(row, hash, time));
        }
        rows += stored.height();
        Ok(())
    })?;
    let moving = (!moving.is_empty()).then(|| {
        let mut removed = vec![false; rows];
        moving.iter().for_each(|&row| removed[row] = true);
        PartialRewrite { file: file.clone(), removed }
    });
    Ok(Matches { hashes: found, moving })
}

fn month(time: Micros) -> Day {
    Day::utc(time).month_start()
}

/// Builds the files of the months that gain or lose rows.
fn write_months(
    snapshot: &Snapshot,
    mut added: BTreeMap<Day, Vec<Visitor>>,
    rewrites: Vec<PartialRewrite>,
    sink: OutputSink<'_>,
) -> Result<()> {
    let mut months: BTreeSet<Day> = added.keys().copied().collect();
    months.extend(rewrites.iter().map(|rewrite| rewrite.file.day));
    let work: Vec<(Day, Vec<Visitor>)> =
        months.into_iter().map(|month| (month, added.remove(&month).unwrap_or_default())).collect();
    work.into_par_iter().try_for_each(|(month, mut visitors)| {
        // By chatbot and time: adjacent rows resemble each other and compress well.
        visitors.sort_unstable_by(|a, b| {
            (&a.chatbot_id, a.first_seen_at, &a.id).cmp(&(&b.chatbot_id, b.first_seen_at, &b.id))
        });
        let mut partition = PartitionBuilder::new(snapshot, Table::Visitors, month, visitors.len());
        partition.add_frame(&frame(&visitors)?)?;
        for rewrite in rewrites.iter().filter(|rewrite| rewrite.file.day == month) {
            partition.add_remaining(rewrite)?;
        }
        partition.merge_small_files()?;
        sink(partition.finish()?)
    })
}
