//! The value types of metrics, each computed from integer sums and rounded once, half up.

use serde::Serialize;

use crate::decimal::{Hundredths, round_half_up};
use crate::time::Micros;

/// A percentage with two decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Percent(pub Hundredths);

impl Percent {
    /// Returns 100 × `part` / `whole`, rounded half up; 0 if `whole` is 0.
    pub fn from_parts(part: u64, whole: u64) -> Percent {
        Percent(Hundredths(round_half_up(i128::from(part) * 10_000, i128::from(whole))))
    }
}

/// A mean with two decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Ratio(pub Hundredths);

impl Ratio {
    /// Returns `sum` / `count`, rounded half up; 0 if `count` is 0.
    pub(crate) fn from_parts(sum: u64, count: u64) -> Ratio {
        Ratio(Hundredths(round_half_up(i128::from(sum) * 100, i128::from(count))))
    }
}

/// Whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

impl Seconds {
    /// Returns the mean of `count` durations, rounded half up; 0 if there are none.
    pub(crate) fn mean(sum: u64, count: u64) -> Seconds {
        Seconds(round_half_up(i128::from(sum), i128::from(count)).unsigned_abs())
    }
}

/// Seconds with two decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct FractionalSeconds(pub Hundredths);

impl From<Millis> for FractionalSeconds {
    /// Rounds half up.
    fn from(time: Millis) -> FractionalSeconds {
        FractionalSeconds(Hundredths(round_half_up(i128::from(time.0), 10)))
    }
}

/// Whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// Rounds microseconds half up; a negative time counts as 0.
    pub(crate) fn from_micros(time: Micros) -> Millis {
        Millis(round_half_up(i128::from(time.max(0)), 1_000).unsigned_abs())
    }

    /// Returns the mean of `count` times from their sum in microseconds, rounded half up; `None` if
    /// there are none.
    pub(crate) fn mean(sum_us: u128, count: u64) -> Option<Millis> {
        let sum = i128::try_from(sum_us).unwrap_or(i128::MAX);
        (count > 0).then(|| Millis(round_half_up(sum, i128::from(count) * 1_000).unsigned_abs()))
    }
}

/// A count of distinct values. Counts of several rows do not add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Distinct(pub u64);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(number: impl Serialize) -> String {
        serde_json::to_string(&number).unwrap()
    }

    #[test]
    fn percentage_is_rounded_half_up_to_two_decimals() {
        assert_eq!(json(Percent::from_parts(567, 1250)), "45.36");
        // 9071 / 20000 is 45.355 %; computed with floats, it might become 45.35.
        assert_eq!(json(Percent::from_parts(9071, 20_000)), "45.36");
        assert_eq!(json(Percent::from_parts(1, 3)), "33.33");
        assert_eq!(json(Percent::from_parts(2, 3)), "66.67");
        // 1 / 80000 is 0.00125 %: rounded to 0, not to -0.
        assert_eq!(json(Percent::from_parts(1, 80_000)), "0");
    }

    #[test]
    fn whole_percentage_has_no_decimals() {
        assert_eq!(json(Percent::from_parts(1, 2)), "50");
        assert_eq!(json(Percent::from_parts(0, 7)), "0");
        assert_eq!(json(Percent::from_parts(0, 0)), "0");
        assert_eq!(json(Percent::from_parts(1, 8)), "12.5");
        assert_eq!(Percent::from_parts(1, 2).0.to_string(), "50.00");
    }

    #[test]
    fn means_are_rounded_half_up() {
        assert_eq!(Seconds::mean(5, 2), Seconds(3));
        assert_eq!(Seconds::mean(7, 5), Seconds(1));
        assert_eq!(Seconds::mean(0, 0), Seconds(0));
        assert_eq!(Millis::mean(1_500, 1), Some(Millis(2)));
        assert_eq!(Millis::mean(2_999, 2), Some(Millis(1)));
        assert_eq!(Millis::mean(0, 0), None);
        assert_eq!(Millis::from_micros(499), Millis(0));
        assert_eq!(Millis::from_micros(500), Millis(1));
        assert_eq!(json(Ratio::from_parts(7, 3)), "2.33");
    }

    proptest! {
        #[test]
        fn percentage_error_is_at_most_half_a_hundredth(part in 0u64..1 << 40, whole in 1u64..1 << 40) {
            let hundredths = i128::from(Percent::from_parts(part, whole).0.0);
            let (part, whole) = (i128::from(part), i128::from(whole));
            // -1/2 < hundredths - 10000 part / whole <= 1/2, in integers.
            let twice = 2 * (hundredths * whole - 10_000 * part);
            prop_assert!(-whole < twice && twice <= whole);
        }
    }
}
