//! The times of the events of a batch, and how many of them fall into times that earlier batches
//! cover.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Batch;
use crate::time::{DAY, Day, Micros};

/// Number of slots per day. A bit mask marks the slots with events.
const SLOTS: u32 = u128::BITS;
/// Length of a slot.
const SLOT: Micros = DAY / SLOTS as Micros;
/// A batch covers a slot if it has at least 1/`COVERED_PART` of the average number of events per
/// slot of that day. This excludes single events with a wrong or late time.
const COVERED_PART: usize = 8;

/// The times of the events of a batch.
#[derive(Debug, Default)]
pub(super) struct BatchTimes {
    /// Slots with their numbers of events, sorted by slot. A slot can occur several times.
    slots: Vec<(i64, usize)>,
    /// Number of events.
    pub events: usize,
    /// Number of UTC dates.
    pub dates: usize,
    /// Number of chunks.
    pub chunks: usize,
    /// Number of dates of each chunk, summed over all chunks.
    pub dates_of_chunks: usize,
}

impl BatchTimes {
    pub fn new(batch: &Batch) -> BatchTimes {
        let mut times = BatchTimes::default();
        for (_, parsed) in &batch.chunks {
            let start = times.slots.len();
            // Adjacent events of an ordered log are mostly in the same slot.
            for row in &parsed.block.rows {
                let slot = row.time.div_euclid(SLOT);
                match times.slots.get_mut(start..).and_then(<[_]>::last_mut) {
                    Some((last, events)) if *last == slot => *events += 1,
                    _ => times.slots.push((slot, 1)),
                }
            }
            let dates: BTreeSet<Option<Day>> =
                times.slots.iter().skip(start).map(|slot| date_of(&[*slot])).collect();
            times.events += parsed.block.rows.len();
            times.chunks += 1;
            times.dates_of_chunks += dates.len();
        }
        times.slots.sort_unstable();
        times.dates = times.slots.chunk_by(same_date).count();
        times
    }
}

/// Returns the UTC date of slots, which must all be of the same date.
fn date_of(slots: &[(i64, usize)]) -> Option<Day> {
    slots.first().map(|(slot, _)| Day::utc(slot * SLOT))
}

fn same_date(a: &(i64, usize), b: &(i64, usize)) -> bool {
    a.0.div_euclid(i64::from(SLOTS)) == b.0.div_euclid(i64::from(SLOTS))
}

/// Returns the number of events in the given slots.
fn count(slots: &[(i64, usize)]) -> usize {
    slots.iter().map(|(_, events)| events).sum()
}

/// Returns the bit of a slot in the mask of its day.
fn bit(slot: i64) -> u128 {
    1 << slot.rem_euclid(i64::from(SLOTS))
}

/// The times that batches cover.
#[derive(Debug, Default)]
pub(super) struct CoveredTimes(BTreeMap<Day, u128>);

impl CoveredTimes {
    /// Returns the number of events of a batch in times that other batches cover.
    ///
    /// The first and the last covered slot of a day do not count: in an ordered log, a batch ends
    /// in the slot in which the next one begins.
    pub fn overlap(&self, times: &BatchTimes) -> usize {
        let overlap_on = |slots: &[(i64, usize)]| {
            let covered = date_of(slots).and_then(|date| self.0.get(&date)).copied().unwrap_or(0);
            let first = 1u128.checked_shl(covered.trailing_zeros()).unwrap_or(0);
            let last = (1u128 << (SLOTS - 1)).checked_shr(covered.leading_zeros()).unwrap_or(0);
            let inner = covered & !first & !last;
            slots.iter().filter(|(slot, _)| inner & bit(*slot) != 0).map(|(_, events)| events).sum::<usize>()
        };
        times.slots.chunk_by(same_date).map(overlap_on).sum()
    }

    /// Adds the times that a batch covers.
    pub fn add(&mut self, times: &BatchTimes) {
        for of_date in times.slots.chunk_by(same_date) {
            let Some(date) = date_of(of_date) else { continue };
            let same_slot = |a: &(i64, usize), b: &(i64, usize)| a.0 == b.0;
            let average = count(of_date) / of_date.chunk_by(same_slot).count().max(1);
            let covered = self.0.entry(date).or_default();
            for slots in of_date.chunk_by(same_slot) {
                if count(slots) * COVERED_PART >= average {
                    *covered |= slots.first().map_or(0, |(slot, _)| bit(*slot));
                }
            }
        }
    }
}
