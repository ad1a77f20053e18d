//! Numbers with two decimals, represented as whole hundredths.

use serde::{Serialize, Serializer};

/// Divides two integers and rounds half away from zero, that is, half up for positive quotients.
///
/// Returns 0 if the divisor is 0, and saturates at the limits of `i64`.
pub fn round_half_up(dividend: i128, divisor: i128) -> i64 {
    if divisor == 0 {
        return 0;
    }
    let negative = (dividend < 0) != (divisor < 0);
    let (dividend, divisor) = (dividend.unsigned_abs(), divisor.unsigned_abs());
    let remainder = dividend % divisor;
    // `remainder * 2 >= divisor`, without overflow.
    let rounded = dividend / divisor + u128::from(remainder >= divisor - remainder);
    let rounded = i64::try_from(rounded).unwrap_or(i64::MAX);
    if negative { -rounded } else { rounded }
}

/// A number with two decimals.
///
/// In JSON it has at most two decimals, and none if it is whole: `45.36`, `12.5`, `50`. It is never
/// NaN and never `-0`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hundredths(pub i64);

impl Serialize for Hundredths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % 100 == 0 {
            serializer.serialize_i64(self.0 / 100)
        } else {
            // The float that is nearest to a decimal with few digits prints as that decimal.
            serializer.serialize_f64(self.0 as f64 / 100.0)
        }
    }
}

impl std::fmt::Display for Hundredths {
    /// Writes both decimals, so that numbers in a column align.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", magnitude / 100, magnitude % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(number: impl Serialize) -> String {
        serde_json::to_string(&number).unwrap()
    }

    #[test]
    fn negative_number_keeps_its_sign_below_one() {
        assert_eq!(json(Hundredths(-50)), "-0.5");
        assert_eq!(Hundredths(-50).to_string(), "-0.50");
    }

    #[test]
    fn quotient_is_rounded_half_away_from_zero() {
        assert_eq!(round_half_up(-25, 10), -3);
        assert_eq!(round_half_up(25, 10), 3);
        assert_eq!(round_half_up(i128::MAX, 1), i64::MAX);
    }

    proptest! {
        #[test]
        fn json_number_reads_back_as_the_same_hundredths(n in -1_000_000_000_000i64..1_000_000_000_000) {
            let back: f64 = json(Hundredths(n)).parse().unwrap();
            prop_assert_eq!((back * 100.0).round() as i64, n);
            prop_assert!(json(Hundredths(n)).split('.').nth(1).is_none_or(|decimals| decimals.len() <= 2));
        }
    }
}
