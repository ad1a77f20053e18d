//! The numbers of a report: computed from integers, rounded once, half up, to the last digit.
//!
//! A float would make 45.355 a 45.35 here and a 45.36 there. So a ratio is kept as a whole number
//! of hundredths, and becomes a JSON number only when it is written: 45.36, and 50 where it is
//! whole; never NaN, never -0.

use serde::{Serialize, Serializer};

use crate::time::Micros;

/// Divides two integers, rounding half away from zero (half up, where nothing is negative); 0
/// where the divisor is 0.
pub fn divide(part: i128, whole: i128) -> i64 {
    if whole == 0 {
        return 0;
    }
    let negative = (part < 0) != (whole < 0);
    let (part, whole) = (part.unsigned_abs(), whole.unsigned_abs());
    let quotient = part / whole;
    let rest = part % whole;
    // rest * 2 >= whole, without overflow.
    let rounded = quotient + u128::from(rest >= whole - rest);
    let rounded = i64::try_from(rounded).unwrap_or(i64::MAX);
    if negative { -rounded } else { rounded }
}

/// A number with two decimals, kept as hundredths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hundredths(pub i64);

impl Serialize for Hundredths {
    /// Writes a number of at most two decimals; a whole one without any.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 100 == 0 {
            serializer.serialize_i64(self.0 / 100)
        } else {
            // The float nearest to a decimal of few digits prints as that decimal.
            serializer.serialize_f64(self.0 as f64 / 100.0)
        }
    }
}

impl std::fmt::Display for Hundredths {
    /// Writes both decimals, as in a column of numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let all = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", all / 100, all % 100)
    }
}

/// A percentage with two decimals, half up; 0 of nothing is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Percent(pub Hundredths);

impl Percent {
    /// Returns 100 × part / whole.
    pub fn of(part: u64, whole: u64) -> Percent {
        Percent(Hundredths(divide(i128::from(part) * 10_000, i128::from(whole))))
    }
}

/// A mean with two decimals, half up; 0 of nothing is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Ratio(pub Hundredths);

impl Ratio {
    /// Returns sum / count.
    pub fn of(sum: u64, count: u64) -> Ratio {
        Ratio(Hundredths(divide(i128::from(sum) * 100, i128::from(count))))
    }
}

/// Whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Seconds(pub u64);

impl Seconds {
    /// Returns the mean of durations, half up; 0 where there are none.
    pub fn mean(sum: u64, count: u64) -> Seconds {
        Seconds(divide(i128::from(sum), i128::from(count)).unsigned_abs())
    }
}

/// Whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// Rounds microseconds half up.
    pub fn round(time: Micros) -> Millis {
        Millis(divide(i128::from(time.max(0)), 1_000).unsigned_abs())
    }

    /// Returns the mean of times given as a sum of microseconds, half up; `None` where there are
    /// none.
    pub fn mean(sum_us: u128, count: u64) -> Option<Millis> {
        let sum = i128::try_from(sum_us).unwrap_or(i128::MAX);
        (count > 0).then(|| Millis(divide(sum, i128::from(count) * 1_000).unsigned_abs()))
    }
}

/// A number of different things: over several rows it does not add up.
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
    fn a_percentage_is_rounded_half_up_to_two_decimals() {
        // 567 / 1250 = 45.36 % exactly, the original's own example.
        assert_eq!(json(Percent::of(567, 1250)), "45.36");
        // 9071 / 20000 = 45.355 % exactly: a float would make it 45.35 or 45.36 by luck.
        assert_eq!(json(Percent::of(9071, 20_000)), "45.36");
        // 1 / 3, 2 / 3.
        assert_eq!(json(Percent::of(1, 3)), "33.33");
        assert_eq!(json(Percent::of(2, 3)), "66.67");
        // 1 / 80000 = 0.00125 %: rounds to 0, never to -0.
        assert_eq!(json(Percent::of(1, 80_000)), "0");
    }

    #[test]
    fn a_whole_number_is_written_whole() {
        assert_eq!(json(Percent::of(1, 2)), "50");
        assert_eq!(json(Percent::of(0, 7)), "0");
        assert_eq!(json(Percent::of(0, 0)), "0");
        assert_eq!(json(Percent::of(1, 8)), "12.5");
        assert_eq!(json(Hundredths(-50)), "-0.5");
        assert_eq!(Hundredths(-50).to_string(), "-0.50");
        assert_eq!(Percent::of(1, 2).0.to_string(), "50.00");
    }

    #[test]
    fn means_are_rounded_half_up() {
        assert_eq!(Seconds::mean(5, 2), Seconds(3));
        assert_eq!(Seconds::mean(7, 5), Seconds(1));
        assert_eq!(Seconds::mean(0, 0), Seconds(0));
        assert_eq!(Millis::mean(1_500, 1), Some(Millis(2)));
        assert_eq!(Millis::mean(2_999, 2), Some(Millis(1)));
        assert_eq!(Millis::mean(0, 0), None);
        assert_eq!(Millis::round(499), Millis(0));
        assert_eq!(Millis::round(500), Millis(1));
        assert_eq!(json(Ratio::of(7, 3)), "2.33");
    }

    #[test]
    fn a_change_for_the_worse_is_rounded_like_one_for_the_better() {
        assert_eq!(divide(-25, 10), -3);
        assert_eq!(divide(25, 10), 3);
        assert_eq!(divide(i128::MAX, 1), i64::MAX);
    }

    proptest! {
        #[test]
        fn a_percentage_is_within_half_a_hundredth_of_the_truth(part in 0u64..1 << 40, whole in 1u64..1 << 40) {
            let hundredths = i128::from(Percent::of(part, whole).0.0);
            let (part, whole) = (i128::from(part), i128::from(whole));
            // -1/2 < hundredths - 10000 part / whole <= 1/2, in integers.
            let twice = 2 * (hundredths * whole - 10_000 * part);
            prop_assert!(-whole < twice && twice <= whole);
        }

        #[test]
        fn a_number_of_hundredths_reads_back_as_itself(n in -1_000_000_000_000i64..1_000_000_000_000) {
            let back: f64 = json(Hundredths(n)).parse().unwrap();
            prop_assert_eq!((back * 100.0).round() as i64, n);
            prop_assert!(json(Hundredths(n)).split('.').nth(1).is_none_or(|decimals| decimals.len() <= 2));
        }
    }
}
