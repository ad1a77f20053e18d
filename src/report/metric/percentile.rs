//! How long things took: number, mean and percentiles.

use super::rows;
use crate::decimal::fixed::Millis;
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
        let sum = times.iter().map(|time| u128::from(time.max(&0).unsigned_abs())).sum();
        let [p50, p75, p95, p99] =
            nearest_ranks(&mut times, [50, 75, 95, 99]).map(|time| time.map(Millis::round));
        let count = times.len() as u64;
        Times { count, mean: Millis::mean(sum, count), p50, p75, p95, p99 }
    }
}

/// Returns percentiles of some numbers, rising ones, each by the nearest rank: the least of the
/// numbers that at least `percent` in 100 do not exceed. It is always one of them. The numbers are
/// put in another order.
pub fn nearest_ranks<const N: usize>(numbers: &mut [Micros], percents: [usize; N]) -> [Option<Micros>; N] {
    let all = numbers.len();
    let mut start = 0;
    percents.map(|percent| {
        let rank = (all * percent).div_ceil(100).max(1) - 1;
        // What lies before the percentile before is not greater than it.
        let within = rank.checked_sub(start)?;
        let rest = numbers.get_mut(start..).filter(|rest| within < rest.len())?;
        let found = *rest.select_nth_unstable(within).1;
        start = rank;
        Some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        // The worked example of the definition: 15, 20, 35, 40, 50.
        let ranks = |percents| nearest_ranks(&mut [40, 15, 50, 35, 20], percents);
        assert_eq!(ranks([5, 30, 40]), [Some(15), Some(20), Some(20)]);
        assert_eq!(ranks([50, 50, 100]), [Some(35), Some(35), Some(50)]);
        assert_eq!(nearest_ranks(&mut [], [50]), [None]);
        assert_eq!(nearest_ranks(&mut [7], [0, 100]), [Some(7), Some(7)]);
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
