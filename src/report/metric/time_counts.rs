//! Distributions of times. Their memory grows only with the number of different times.

use super::values::Millis;
use crate::time::Micros;

/// The minimum number of added times that are sorted together.
const MIN_PENDING: usize = 1024;

/// Times, counted by whole milliseconds.
///
/// Rounding preserves the order of times, so the percentiles of rounded times are the rounded
/// percentiles. The mean is computed from the sum in microseconds.
///
/// Added times are buffered, then sorted and merged in batches. A hash table of many times does not
/// fit into the CPU cache, so insertion is slower.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimeCounts {
    count: u64,
    sum_us: u128,
    /// Distinct times in milliseconds with their counts, in ascending order.
    sorted: Vec<(u64, u64)>,
    /// Times that are not in `sorted` yet, in any order.
    pending: Vec<u64>,
}

impl TimeCounts {
    /// Adds a time; a negative one counts as 0.
    pub fn add(&mut self, time: Micros) {
        self.count += 1;
        self.sum_us += u128::from(time.max(0).unsigned_abs());
        self.pending.push(Millis::from_micros(time).0);
        if self.pending.len() >= MIN_PENDING.max(self.sorted.len() / 2) {
            self.sort();
        }
    }

    /// Adds the times of another distribution.
    pub fn merge(mut self, mut other: TimeCounts) -> TimeCounts {
        self.sort();
        other.sort();
        self.count += other.count;
        self.sum_us += other.sum_us;
        self.sorted = merge_counts(&self.sorted, &other.sorted);
        self
    }

    /// Merges the pending times into the sorted ones.
    fn sort(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        self.pending.sort_unstable();
        let equal = self.pending.chunk_by(|a, b| a == b);
        let counts: Vec<(u64, u64)> =
            equal.filter_map(|times| Some((*times.first()?, times.len() as u64))).collect();
        self.sorted = merge_counts(&self.sorted, &counts);
        self.pending.clear();
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
        let mut all = self.clone();
        all.sort();
        let mut times = all.sorted.into_iter();
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

    proptest! {
        #[test]
        fn merged_percentiles_equal_those_of_all_times(
            times in prop_oneof![
                prop::collection::vec(-1_000i64..9_000_000, 0..40),
                // Enough times for several batches.
                prop::collection::vec(-1_000i64..9_000_000, 2_500..6_000),
            ],
        ) {
            let halves = times.split_at(times.len() / 3);
            let count = |times: &[i64]| {
                let mut counts = TimeCounts::default();
                times.iter().for_each(|time| counts.add(*time));
                counts
            };
            let counts = count(halves.0).merge(count(halves.1));
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
