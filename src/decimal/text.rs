//! Decimal numbers as text, compared digit by digit.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The maximum length of a number that [`DecimalText::plain`] writes without an exponent.
const MAX_PLAIN: usize = 40;

/// A decimal number that borrows its digits from the text from which it was parsed.
///
/// Its value is 0.d₁d₂d₃… × 10^`exponent` with d₁ ≠ 0. Two numbers are equal if their values are
/// equal, in any notation: `12`, `12.0` and `1.2e1`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DecimalText<'a> {
    negative: bool,
    /// The digits from the first that is not 0, possibly including a decimal point. Zero has no
    /// digits; its `negative` is false and its `exponent` is 0.
    digits: &'a str,
    exponent: i64,
}

impl<'a> DecimalText<'a> {
    /// Parses a number such as `12`, `-0.50`, `+3`, `.5` or `1e-7`; returns `None` for any other
    /// string.
    pub fn parse(text: &'a str) -> Option<DecimalText<'a>> {
        let (negative, number) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match number.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (number, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all_digits = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits = mantissa.trim_start_matches(['0', '.']);
        if digits.is_empty() {
            return Some(DecimalText { negative: false, digits: "", exponent: 0 });
        }
        // The number of digits before the point, or minus the number of zeros right after it.
        let whole = whole.trim_start_matches('0');
        let point = match whole.len() {
            0 => -((fraction.len() - fraction.trim_start_matches('0').len()) as i64),
            digits => digits as i64,
        };
        Some(DecimalText { negative, digits, exponent: exponent.checked_add(point)? })
    }

    /// Returns a number in JSON's syntax without an exponent and without zeros at the end of its
    /// fraction, so that numbers of equal value are equal strings: `12` for `12.0` and `1.2e1`.
    /// Numbers with more than 40 digits have an exponent instead: `1.5e400`.
    pub fn plain(number: &str) -> Cow<'_, str> {
        let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
        let is_whole = !number.contains('.');
        if is_plain && number.len() <= MAX_PLAIN && number != "-0" && (is_whole || !number.ends_with('0')) {
            return Cow::Borrowed(number);
        }
        // A number that cannot be parsed has an exponent that exceeds 64 bits.
        DecimalText::parse(number).map_or(Cow::Borrowed(number), |number| Cow::Owned(number.to_plain()))
    }

    fn to_plain(self) -> String {
        let digits: String = self.significant_digits().map(char::from).collect();
        let sign = if self.negative { "-" } else { "" };
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
        let max = MAX_PLAIN as i64;
        let len = digits.len() as i64;
        let (whole, fraction) = match digits.split_at_checked(usize::try_from(self.exponent).unwrap_or(0)) {
            _ if digits.is_empty() => return "0".to_owned(),
            _ if self.exponent.max(len) > max || len.saturating_sub(self.exponent) >= max => {
                let (first, rest) = digits.split_at(1);
                let exponent = self.exponent.saturating_sub(1);
                let point = if rest.is_empty() { "" } else { "." };
                return format!("{sign}{first}{point}{rest}e{exponent}");
            }
            None => (format!("{digits}{}", zeros(self.exponent - len)), String::new()),
            Some(("", digits)) => ("0".to_owned(), format!("{}{digits}", zeros(-self.exponent))),
            Some((whole, fraction)) => (whole.to_owned(), fraction.to_owned()),
        };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }

    /// Returns -1, 0 or 1.
    fn sign(self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (_, true) => -1,
            _ => 1,
        }
    }

    /// Returns the digits without trailing zeros.
    fn significant_digits(self) -> impl Iterator<Item = u8> + 'a {
        self.digits.trim_end_matches(['0', '.']).bytes().filter(|byte| *byte != b'.')
    }

    fn cmp_magnitude(self, other: DecimalText<'_>) -> Ordering {
        let exponents = self.exponent.cmp(&other.exponent);
        exponents.then_with(|| self.significant_digits().cmp(other.significant_digits()))
    }
}

impl Ord for DecimalText<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sign().cmp(&other.sign()).then_with(|| match self.negative {
            true => other.cmp_magnitude(*self),
            false => self.cmp_magnitude(*other),
        })
    }
}

impl PartialOrd for DecimalText<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for DecimalText<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for DecimalText<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(a: &str, b: &str) -> Option<Ordering> {
        Some(DecimalText::parse(a)?.cmp(&DecimalText::parse(b)?))
    }

    #[test]
    fn numbers_of_equal_value_are_equal() {
        let same: [&[&str]; 5] = [
            &["12", "12.0", "+12", "012", "1.2e1", "120E-1", "0.12e2", "12."],
            &["0", "-0", "0.00", "0e99", ".0"],
            &["-0.5", "-.5", "-5e-1", "-0.50"],
            &["1000", "1e3", "1000.000"],
            &["0.0001", "1e-4"],
        ];
        for all in same {
            for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
                assert_eq!(order(a, b), Some(Ordering::Equal), "{a} {b}");
            }
        }
    }

    #[test]
    fn order_uses_every_digit() {
        let rising = [
            "-1e30",
            "-1234567890123456789.2",
            "-1234567890123456789.1",
            "-3",
            "-0.001",
            "0",
            "0.001",
            "0.0010000000000000000000000000001",
            "9",
            "10",
            "1234567890123456788",
            "1234567890123456789",
            "12345678901234567890",
            "1e400",
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(order(a, b), Some(at.cmp(&other)), "{a} {b}");
            }
        }
    }

    #[test]
    fn text_that_is_not_a_number_is_rejected() {
        for text in [
            "",
            ".",
            "-",
            "+.",
            "1.2.3",
            "1e",
            "e5",
            "inf",
            "0x1",
            "1_0",
            "1 ",
            "--1",
            "1e99999999999999999999",
            "١",
        ] {
            assert!(DecimalText::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn numbers_of_equal_value_have_one_plain_text() {
        let long = "1".repeat(41);
        let long_plain = format!("1.{}e40", "1".repeat(40));
        let forty = "9".repeat(40);
        for (written, plain) in [
            ("12", "12"),
            ("12.0", "12"),
            ("1.2e1", "12"),
            ("-12.50", "-12.5"),
            ("0.5", "0.5"),
            ("5E-1", "0.5"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e9", "0"),
            ("1200", "1200"),
            ("1e3", "1000"),
            ("1.0050e2", "100.5"),
            ("-2.5e-3", "-0.0025"),
            ("1e400", "1e400"),
            ("15.0e399", "1.5e400"),
            ("1e-400", "1e-400"),
            (&forty, &forty),
            (&long, &long_plain),
        ] {
            assert_eq!(DecimalText::plain(written), plain, "{written}");
        }
    }

    proptest! {
        #[test]
        fn plain_text_depends_on_the_value_only(
            sign in "-?",
            whole in "0|[1-9][0-9]{0,45}",
            fraction in "[0-9]{1,45}",
            exponent in -60i64..60,
            zeros in 0usize..50,
        ) {
            let number = format!("{sign}{whole}.{fraction}e{exponent}");
            let plain = DecimalText::plain(&number);
            prop_assert_eq!(order(&number, &plain), Some(Ordering::Equal));
            // The same value in another notation.
            let shift = exponent + whole.len() as i64 + zeros as i64;
            let other = format!("{sign}0.{}{whole}{fraction}e{shift}", "0".repeat(zeros));
            prop_assert_eq!(DecimalText::plain(&other), plain.clone());
            prop_assert_eq!(DecimalText::plain(&plain), plain.clone());
        }

        #[test]
        fn order_of_texts_is_order_of_values(a in -1000i64..1000, b in -1000i64..1000, i in -3i32..4, j in -3i32..4) {
            let scaled = |n: i64, power: i32| n * 10i64.pow((power + 3) as u32);
            let wanted = scaled(a, i).cmp(&scaled(b, j));
            prop_assert_eq!(order(&format!("{a}e{i}"), &format!("{b}e{j}")), Some(wanted));
        }

        #[test]
        fn any_text_is_handled_without_panic(a in "[-+.eE0-9x]{0,12}", b in "\\PC{0,6}") {
            let _ = (order(&a, &b), order(&a, &a), order(&b, &b));
        }
    }
}
