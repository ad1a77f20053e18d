//! How long things took: number, mean and percentiles.

use super::figure::rows;
use super::number::Millis;
use crate::time::Micros;

rows! {
    /// The distribution of some times.
    Times {
        names {}
        figures {
            /// How many there are.
            count: u64,
            /// Their mean, half up; `None`, like all that follow, without any.
            mean: Option<Millis>,
            /// Half of them are at most this long.
            p50: Option<Millis>,
            /// Three quarters.
            p75: Option<Millis>,
            /// 95 in 100.
            p95: Option<Millis>,
            /// 99 in 100.
            p99: Option<Millis>,
        }
    }
}

impl Times {
    /// Makes the distribution of times in microseconds.
    pub fn of(mut times: Vec<Micros>) -> Times {
        times.sort_unstable();
        let sum = times.iter().map(|time| u128::from(time.max(&0).unsigned_abs())).sum();
        let rank = |percent| nearest_rank(&times, percent).map(Millis::round);
        Times {
            count: times.len() as u64,
            mean: Millis::mean(sum, times.len() as u64),
            p50: rank(50),
            p75: rank(75),
            p95: rank(95),
            p99: rank(99),
        }
    }
}

/// Returns a percentile of sorted numbers by the nearest rank: the least of them that at least
/// `percent` in 100 do not exceed. It is always one of the numbers.
pub fn nearest_rank(sorted: &[Micros], percent: usize) -> Option<Micros> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        // The worked example of the definition: 15, 20, 35, 40, 50.
        let times = [15, 20, 35, 40, 50];
        assert_eq!(nearest_rank(&times, 5), Some(15));
        assert_eq!(nearest_rank(&times, 30), Some(20));
        assert_eq!(nearest_rank(&times, 40), Some(20));
        assert_eq!(nearest_rank(&times, 50), Some(35));
        assert_eq!(nearest_rank(&times, 100), Some(50));
        assert_eq!(nearest_rank(&[], 50), None);
        assert_eq!(nearest_rank(&[7], 0), Some(7));
    }

    #[test]
    fn times_are_shown_in_milliseconds_rounded_half_up() {
        // 1 ms, 2 ms, 3.5 ms, 4 ms: mean 2.625, the second is p50, the third p75, the fourth p95.
        let times = Times::of(vec![4_000, 1_000, 3_500, 2_000]);
        assert_eq!((times.count, times.mean), (4, Some(Millis(3))));
        assert_eq!((times.p50, times.p75, times.p95), (Some(Millis(2)), Some(Millis(4)), Some(Millis(4))));
        assert_eq!(Times::of(Vec::new()).mean, None);
    }
}
