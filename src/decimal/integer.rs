//! Numbers of JSON, read exactly: no float comes between a log's digits and a whole number.

/// A number of JSON times a power of ten, cut to a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// The number is below zero, or is written so (`-0`).
    pub negative: bool,
    /// The digits before the cut.
    pub magnitude: u64,
    /// What was cut off is at least one half.
    pub half: bool,
    /// Nothing was cut off.
    pub exact: bool,
}

impl Whole {
    /// Returns the number, cut off towards zero; `None` where it does not fit.
    pub fn cut(self) -> Option<i64> {
        match self.negative {
            true => 0i64.checked_sub_unsigned(self.magnitude),
            false => i64::try_from(self.magnitude).ok(),
        }
    }
}

/// Reads `number × 10^places` from a valid number of JSON; `None` where it is above 64 bits.
pub fn whole(number: &[u8], places: i64) -> Option<Whole> {
    let (negative, number) = match number.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, number),
    };
    let at = number.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(number.len());
    let (mantissa, exponent) = number.split_at_checked(at)?;
    let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
    // So many of the mantissa's digits stand before the cut; beyond its end there are zeros.
    let keep = (point as i64).saturating_add(read_exponent(exponent)).saturating_add(places);

    let mut whole = Whole { negative, magnitude: 0, half: false, exact: true };
    let mut count = 0i64;
    for digit in mantissa.iter().filter(|b| **b != b'.').map(|b| b.wrapping_sub(b'0')) {
        if count < keep {
            whole.magnitude = whole.magnitude.checked_mul(10)?.checked_add(u64::from(digit))?;
        } else {
            whole.half |= count == keep && digit >= 5;
            whole.exact &= digit == 0;
        }
        count += 1;
    }
    while count < keep && whole.magnitude != 0 {
        whole.magnitude = whole.magnitude.checked_mul(10)?;
        count += 1;
    }
    Some(whole)
}

/// Reads `e±digits`; beyond what any line can hold, some number that is large enough.
fn read_exponent(text: &[u8]) -> i64 {
    let negative = text.get(1) == Some(&b'-');
    let size = text
        .iter()
        .filter(|b| b.is_ascii_digit())
        .fold(0i64, |n, b| n.saturating_mul(10).saturating_add(i64::from(b - b'0')).min(1 << 40));
    if negative { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(number: &str, places: i64) -> Option<i64> {
        whole(number.as_bytes(), places).and_then(Whole::cut)
    }

    #[test]
    fn digits_are_moved_not_multiplied() {
        assert_eq!(cut("1730000000.123456", 6), Some(1_730_000_000_123_456));
        assert_eq!(cut("1730000000.1234569", 6), Some(1_730_000_000_123_456));
        assert_eq!(cut("1.73e9", 6), Some(1_730_000_000_000_000));
        assert_eq!(cut("173000000000e-2", 0), Some(1_730_000_000));
        assert_eq!(cut("0.0000019", 6), Some(1));
        assert_eq!(cut("-1.9", 0), Some(-1));
        assert_eq!(cut("0", 6), Some(0));
        assert_eq!(cut("-0", 6), Some(0));
    }

    #[test]
    fn what_does_not_fit_is_none_and_what_is_too_small_is_zero_at_once() {
        assert_eq!(cut("9223372036854775807", 0), Some(i64::MAX));
        assert_eq!(cut("-9223372036854775808", 0), Some(i64::MIN));
        assert_eq!(cut("9223372036854775808", 0), None);
        assert_eq!(cut("1e400", 0), None);
        assert_eq!(cut("1e99999999999999999999", 0), None);
        assert_eq!(cut("0e99999999999999999999", 0), Some(0));
        assert_eq!(cut("1e-99999999999999999999", 6), Some(0));
        assert_eq!(cut("-1E+2", 0), Some(-100));
    }

    #[test]
    fn it_knows_what_was_cut_off() {
        let of = |number: &str| whole(number.as_bytes(), 0).map(|w| (w.magnitude, w.half, w.exact));
        assert_eq!(of("1920.0"), Some((1920, false, true)));
        assert_eq!(of("1920.49"), Some((1920, false, false)));
        assert_eq!(of("1920.5"), Some((1920, true, false)));
        assert_eq!(of("0.5"), Some((0, true, false)));
        assert_eq!(of("0.05"), Some((0, false, false)));
        assert_eq!(of("5e-1"), Some((0, true, false)));
        assert_eq!(of("5e-2"), Some((0, false, false)));
    }

    proptest::proptest! {
        #[test]
        fn whole_numbers_come_back(n: i64) {
            assert_eq!(cut(&n.to_string(), 0), Some(n));
            assert_eq!(cut(&format!("{n}e-3"), 3), Some(n));
            assert_eq!(cut(&format!("{n}000e-3"), 0), Some(n));
        }
    }
}
