//! Distributions of times. Their memory grows only with the number of different times.

use super::values::Millis;
use crate::time::Micros;

/// The minimum number of added times that are counted together.
const MIN_PENDING: usize = 4096;

/// Most times are below this number of milliseconds. If there are many, each of these milliseconds
/// has a count of its own, in an array that fits into a CPU cache.
const SMALL_TIMES: usize = 1 << 13;

/// Times, counted by whole milliseconds.
///
/// Rounding preserves the order of times, so the percentiles of rounded times are the rounded
/// percentiles. The mean is computed from the sum in microseconds.
///
/// Added times are buffered. Once there are many, small times are counted in an array. Other times
/// are sorted and merged in batches: a hash table of many times does not fit into the CPU cache, so
/// insertion is slower.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeCounts {
    count: u64,
    sum_us: u128,
    /// The counts of times below [`SMALL_TIMES`], by time; empty for few times.
    small: Vec<u32>,
    /// Distinct times in milliseconds with their counts, in ascending order.
    sorted: Vec<(u64, u64)>,
    /// Times that are not in `small` or `sorted` yet, in any order.
    pending: Vec<u64>,
}

impl TimeCounts {
    /// Adds a time; a negative one counts as 0.
    pub fn add(&mut self, time: Micros) {
        self.count += 1;
        self.sum_us += u128::from(time.max(0).unsigned_abs());
        let millis = Millis::from_micros(time).0;
        if !self.add_small(millis) {
            self.pending.push(millis);
            self.limit_pending();
        }
    }

    /// Adds the times of another distribution.
    pub fn merge(mut self, mut other: TimeCounts) -> TimeCounts {
        if self.small.is_empty() {
            std::mem::swap(&mut self, &mut other);
        }
        self.add_all(&other);
        self
    }

    /// Adds the times of another distribution.
    pub fn add_all(&mut self, other: &TimeCounts) {
        self.count += other.count;
        self.sum_us += other.sum_us;
        if self.small.is_empty() {
            self.small.clone_from(&other.small);
        } else {
            let mut exceeding = Vec::new();
            for ((sum, count), millis) in self.small.iter_mut().zip(&other.small).zip(0..) {
                match sum.checked_add(*count) {
                    Some(total) => *sum = total,
                    None => exceeding.push((millis, u64::from(*count))),
                }
            }
            self.merge_sorted(&exceeding);
        }
        self.merge_sorted(&other.sorted);
        self.pending.extend_from_slice(&other.pending);
        self.limit_pending();
    }

    /// Counts a time below [`SMALL_TIMES`]. Returns `false` for other times, and if small times
    /// have no counts yet.
    fn add_small(&mut self, millis: u64) -> bool {
        let count = usize::try_from(millis).ok().and_then(|millis| self.small.get_mut(millis));
        let sum = count.as_ref().and_then(|count| count.checked_add(1));
        count.zip(sum).map(|(count, sum)| *count = sum).is_some()
    }

    /// Counts the pending times if there are many.
    fn limit_pending(&mut self) {
        if self.pending.len() < MIN_PENDING.max(self.sorted.len() / 2) {
            return;
        }
        if self.small.is_empty() {
            self.small.resize(SMALL_TIMES, 0);
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.retain(|millis| !self.add_small(*millis));
        self.merge_sorted(&counted(&mut pending));
        pending.clear();
        self.pending = pending;
    }

    fn merge_sorted(&mut self, counts: &[(u64, u64)]) {
        if self.sorted.is_empty() {
            self.sorted.extend_from_slice(counts);
        } else if !counts.is_empty() {
            self.sorted = merge_counts(&self.sorted, counts);
        }
    }

    /// Returns the number of times.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Returns the mean, rounded half up; `None` if there are no times.
    pub fn mean(&self) -> Option<Millis> {
        Millis::mean(self.sum_us, self.count)
    }

    /// Returns percentiles by the nearest-rank method, for percents in ascending order; `None` if
    /// there are no times.
    pub fn percentiles<const N: usize>(&self, percents: [u64; N]) -> [Option<Millis>; N] {
        let others = merge_counts(&self.sorted, &counted(&mut self.pending.clone()));
        let small = self.small.iter().map(|count| u64::from(*count));
        let small: Vec<(u64, u64)> = (0..).zip(small).filter(|(_, count)| *count > 0).collect();
        let mut times = merge_counts(&small, &others).into_iter();
        let (mut time, mut seen) = (None, 0u64);
        percents.map(|percent| {
            let rank = u128::from(self.count) * u128::from(percent);
            while u128::from(seen) * 100 < rank || time.is_none() {
                let (next, count) = times.next()?;
                (time, seen) = (Some(Millis(next)), seen + count);
            }
            time
        })
    }
}

/// Sorts times. Returns the distinct ones with their counts, in ascending order.
fn counted(times: &mut [u64]) -> Vec<(u64, u64)> {
    times.sort_unstable();
    let equal = times.chunk_by(|a, b| a == b);
    equal.filter_map(|times| Some((*times.first()?, times.len() as u64))).collect()
}

/// Merges two ascending lists of times with their counts.
fn merge_counts(a: &[(u64, u64)], b: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let mut others = b.iter().copied().peekable();
    for (time, count) in a.iter().copied() {
        while let Some(earlier) = others.next_if(|(other, _)| *other < time) {
            merged.push(earlier);
        }
        let equal = others.next_if(|(other, _)| *other == time);
        merged.push((time, count + equal.map_or(0, |(_, more)| more)));
    }
    merged.extend(others);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentile_is_the_time_of_the_nearest_rank() {
        // The worked example of the definition: 15, 20, 35, 40, 50.
        let mut times = TimeCounts::default();
        [40, 15, 50, 35, 20].into_iter().for_each(|millis| times.add(millis * 1_000));
        let millis = [15, 20, 20, 35, 50].map(|millis| Some(Millis(millis)));
        assert_eq!(times.percentiles([5, 30, 40, 50, 100]), millis);
        assert_eq!(TimeCounts::default().percentiles([50]), [None]);
    }

    #[test]
    fn counts_of_small_times_do_not_overflow() {
        let mut times = TimeCounts { count: 9, small: vec![u32::MAX, 2], ..TimeCounts::default() };
        times.add(0);
        let merged = times.clone().merge(times);
        assert_eq!((&merged.small, &merged.sorted), (&vec![u32::MAX, 4], &vec![(0, u64::from(u32::MAX))]));
        assert_eq!((merged.count(), merged.pending), (20, vec![0, 0]));
    }

    proptest! {
        #[test]
        fn merged_percentiles_equal_those_of_all_times(
            times in prop_oneof![
                prop::collection::vec(-1_000i64..9_000_000, 0..40),
                // Enough times for several batches, below and above the limit of small times.
                prop::collection::vec(-1_000i64..9_000_000, 2_500..16_000),
            ],
            swapped: bool,
        ) {
            let halves = times.split_at(times.len() / 3);
            let count = |times: &[i64]| {
                let mut counts = TimeCounts::default();
                times.iter().for_each(|time| counts.add(*time));
                counts
            };
            let counts = match swapped {
                false => count(halves.0).merge(count(halves.1)),
                true => count(halves.1).merge(count(halves.0)),
            };
            let mut sorted: Vec<i64> = times.iter().map(|time| *time.max(&0)).collect();
            let sum: i64 = sorted.iter().sum();
            sorted.sort_unstable();
            // The smallest time such that at least `percent` % of all times are not larger.
            let expected = [50, 75, 90, 100].map(|percent| {
                let is_rank = |rank: &usize| (rank + 1) * 100 >= sorted.len() * percent;
                (0..sorted.len()).find(is_rank).map(|rank| sorted[rank])
            });
            prop_assert_eq!(counts.percentiles([50, 75, 90, 100]), expected.map(|time| time.map(Millis::from_micros)));
            prop_assert_eq!(counts.count(), times.len() as u64);
            prop_assert_eq!(counts.mean(), Millis::mean(sum as u128, times.len() as u64));
        }
    }
}
