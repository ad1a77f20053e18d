//! Converts JSON numbers to exact integers, without floats in between.

/// A JSON number times a power of ten: the integer part, and how to round it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScaledInteger {
    /// Whether the number has a minus sign, as `-0` does.
    pub negative: bool,
    /// The absolute value, truncated.
    pub magnitude: u64,
    /// Whether the fraction is at least one half.
    pub rounds_up: bool,
    /// Whether the fraction is zero.
    pub exact: bool,
}

impl ScaledInteger {
    /// Returns the number, truncated towards zero; `None` if it does not fit into 64 bits.
    pub fn truncated(self) -> Option<i64> {
        match self.negative {
            true => 0i64.checked_sub_unsigned(self.magnitude),
            false => i64::try_from(self.magnitude).ok(),
        }
    }
}

/// Parses a valid JSON number and multiplies it by `10^scale`; `None` if the magnitude does not fit
/// into 64 bits.
pub fn parse_scaled(number: &[u8], scale: i64) -> Option<ScaledInteger> {
    let (negative, number) = match number.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, number),
    };
    if let Some((magnitude, remainder, divisor)) = parse_short(number, scale) {
        let (rounds_up, exact) = (remainder >= divisor.div_ceil(2), remainder == 0);
        return Some(ScaledInteger { negative, magnitude, rounds_up, exact });
    }
    let at = number.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(number.len());
    let (mantissa, exponent) = number.split_at_checked(at)?;
    let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
    // The number of digits before the decimal point of the result. If the mantissa has fewer, zeros
    // follow.
    let integer_digits = (point as i64).saturating_add(parse_exponent(exponent)).saturating_add(scale);

    let mut result = ScaledInteger { negative, magnitude: 0, rounds_up: false, exact: true };
    let mut count = 0i64;
    for digit in mantissa.iter().filter(|b| **b != b'.').map(|b| b.wrapping_sub(b'0')) {
        if count < integer_digits {
            result.magnitude = result.magnitude.checked_mul(10)?.checked_add(u64::from(digit))?;
        } else {
            result.rounds_up |= count == integer_digits && digit >= 5;
            result.exact &= digit == 0;
        }
        count += 1;
    }
    while count < integer_digits && result.magnitude != 0 {
        result.magnitude = result.magnitude.checked_mul(10)?;
        count += 1;
    }
    Some(result)
}

/// The length of the longest number that [`parse_short`] parses, in bytes. Its digits fit into 64
/// bits.
const SHORT: usize = 19;

/// Powers of ten.
const POWERS: [u64; SHORT + 1] = {
    let (mut powers, mut at) = ([1; SHORT + 1], 1);
    while at <= SHORT {
        powers[at] = 10 * powers[at - 1];
        at += 1;
    }
    powers
};

/// Parses a short number without sign and exponent, as nearly all numbers are. Returns the
/// magnitude, and the remainder and the divisor of the fraction; `None` for other numbers.
#[inline]
fn parse_short(number: &[u8], scale: i64) -> Option<(u64, u64, u64)> {
    if number.len() > SHORT {
        return None;
    }
    let (mut digits, mut fraction) = (0, None);
    for (at, byte) in number.iter().enumerate() {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => digits = digits * 10 + u64::from(digit),
            _ if *byte == b'.' => fraction = Some(number.len() - at - 1),
            _ => return None,
        }
    }
    let shift = scale - fraction.unwrap_or(0) as i64;
    let power = *POWERS.get(usize::try_from(shift.unsigned_abs()).ok()?)?;
    if shift >= 0 {
        return Some((digits.checked_mul(power)?, 0, 1));
    }
    Some((digits / power, digits % power, power))
}

/// Parses `e±digits`, saturating at 2^40, which is larger than the number of digits in any line.
fn parse_exponent(text: &[u8]) -> i64 {
    let negative = text.get(1) == Some(&b'-');
    let size = text
        .iter()
        .filter(|b| b.is_ascii_digit())
        .fold(0i64, |n, b| n.saturating_mul(10).saturating_add(i64::from(b - b'0')).min(1 << 40));
    if negative { -size } else { size }
}

/// Returns whether a string is a JSON number.
pub fn is_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    // Returns the position after the digits that begin at a position.
    let digits = |from: usize| {
        let mut at = from;
        while byte(at).is_ascii_digit() {
            at += 1;
        }
        at
    };
    let start = usize::from(byte(0) == b'-');
    let mut end = digits(start);
    if end == start || (byte(start) == b'0' && end > start + 1) {
        return false;
    }
    if byte(end) == b'.' {
        let fraction = end + 1;
        end = digits(fraction);
        if end == fraction {
            return false;
        }
    }
    if matches!(byte(end), b'e' | b'E') {
        let exponent = end + 1 + usize::from(matches!(byte(end + 1), b'+' | b'-'));
        end = digits(exponent);
        if end == exponent {
            return false;
        }
    }
    end == bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truncated(number: &str, scale: i64) -> Option<i64> {
        parse_scaled(number.as_bytes(), scale).and_then(ScaledInteger::truncated)
    }

    #[test]
    fn scaling_loses_no_digit() {
        assert_eq!(truncated("1730000000.123456", 6), Some(1_730_000_000_123_456));
        assert_eq!(truncated("1730000000.1234569", 6), Some(1_730_000_000_123_456));
        assert_eq!(truncated("1.73e9", 6), Some(1_730_000_000_000_000));
        assert_eq!(truncated("173000000000e-2", 0), Some(1_730_000_000));
        assert_eq!(truncated("0.0000019", 6), Some(1));
        assert_eq!(truncated("-1.9", 0), Some(-1));
        assert_eq!(truncated("0", 6), Some(0));
        assert_eq!(truncated("-0", 6), Some(0));
    }

    #[test]
    fn overflow_is_none_and_underflow_is_zero() {
        assert_eq!(truncated("9223372036854775807", 0), Some(i64::MAX));
        assert_eq!(truncated("-9223372036854775808", 0), Some(i64::MIN));
        assert_eq!(truncated("9223372036854775808", 0), None);
        assert_eq!(truncated("1e400", 0), None);
        assert_eq!(truncated("1e99999999999999999999", 0), None);
        assert_eq!(truncated("0e99999999999999999999", 0), Some(0));
        assert_eq!(truncated("1e-99999999999999999999", 6), Some(0));
        assert_eq!(truncated("-1E+2", 0), Some(-100));
    }

    #[test]
    fn fraction_sets_rounds_up_and_exact() {
        let parts =
            |number: &str| parse_scaled(number.as_bytes(), 0).map(|n| (n.magnitude, n.rounds_up, n.exact));
        assert_eq!(parts("1920.0"), Some((1920, false, true)));
        assert_eq!(parts("1920.49"), Some((1920, false, false)));
        assert_eq!(parts("1920.5"), Some((1920, true, false)));
        assert_eq!(parts("0.5"), Some((0, true, false)));
        assert_eq!(parts("0.05"), Some((0, false, false)));
        assert_eq!(parts("5e-1"), Some((0, true, false)));
        assert_eq!(parts("5e-2"), Some((0, false, false)));
        assert_eq!(parts("0.4999999999999999"), Some((0, false, false)));
        assert_eq!(parts("0.5000000000000000"), Some((0, true, false)));
    }

    proptest::proptest! {
        #[test]
        fn integers_round_trip(n: i64) {
            assert_eq!(truncated(&n.to_string(), 0), Some(n));
            assert_eq!(truncated(&format!("{n}e-3"), 3), Some(n));
            assert_eq!(truncated(&format!("{n}000e-3"), 0), Some(n));
        }

        #[test]
        fn short_numbers_agree_with_others(digits in "(0|[1-9][0-9]{0,12})(\\.[0-9]{1,12})?", scale in -3i64..8) {
            // A number with an exponent takes the general path.
            let general = parse_scaled(format!("{digits}e0").as_bytes(), scale);
            assert_eq!(parse_scaled(digits.as_bytes(), scale), general);
            assert_eq!(parse_scaled(format!("-{digits}").as_bytes(), scale).map(|n| n.magnitude), general.map(|n| n.magnitude));
        }
    }
}
