//! Numbers as they are written, compared without loss: no float comes between two long ids.

use std::cmp::Ordering;

/// A decimal number: 0.d₁d₂d₃… × 10^exponent, the first digit not 0.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'a> {
    negative: bool,
    /// The digits, with a point among them or none; empty for zero, as are the next two.
    digits: &'a str,
    exponent: i64,
}

impl<'a> Decimal<'a> {
    /// Reads a number such as `12`, `-0.50`, `+3`, `.5` or `1e-7`; `None` where the text is none.
    pub fn parse(text: &'a str) -> Option<Decimal<'a>> {
        let (negative, number) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match number.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (number, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        if mantissa.len() == mantissa.matches('.').count() || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let digits = mantissa.trim_start_matches(['0', '.']);
        if digits.is_empty() {
            return Some(Decimal { negative: false, digits: "", exponent: 0 });
        }
        // So many digits stand before the point, or so many zeros behind it.
        let whole = whole.trim_start_matches('0');
        let places = match whole.len() {
            0 => -((fraction.len() - fraction.trim_start_matches('0').len()) as i64),
            digits => digits as i64,
        };
        Some(Decimal { negative, digits, exponent: exponent.checked_add(places)? })
    }

    /// Returns -1, 0 or 1.
    fn sign(self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (_, true) => -1,
            _ => 1,
        }
    }

    /// Returns the digits without the zeros at the end, which say nothing.
    fn significant(self) -> impl Iterator<Item = u8> + 'a {
        self.digits.trim_end_matches(['0', '.']).bytes().filter(|byte| *byte != b'.')
    }

    fn size(self, other: Decimal<'_>) -> Ordering {
        self.exponent.cmp(&other.exponent).then_with(|| self.significant().cmp(other.significant()))
    }
}

impl Ord for Decimal<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sign().cmp(&other.sign()).then_with(|| match self.negative {
            true => other.size(*self),
            false => self.size(*other),
        })
    }
}

impl PartialOrd for Decimal<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(a: &str, b: &str) -> Option<Ordering> {
        Some(Decimal::parse(a)?.cmp(&Decimal::parse(b)?))
    }

    #[test]
    fn numbers_are_the_same_whatever_their_spelling() {
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
    fn no_digit_is_lost() {
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
    fn what_is_no_number_is_none() {
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
            assert!(Decimal::parse(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_numbers(a in -1000i64..1000, b in -1000i64..1000, i in -3i32..4, j in -3i32..4) {
            let scaled = |n: i64, power: i32| n * 10i64.pow((power + 3) as u32);
            let wanted = scaled(a, i).cmp(&scaled(b, j));
            prop_assert_eq!(order(&format!("{a}e{i}"), &format!("{b}e{j}")), Some(wanted));
        }

        #[test]
        fn any_text_ends_without_a_panic(a in "[-+.eE0-9x]{0,12}", b in "\\PC{0,6}") {
            let _ = (order(&a, &b), order(&a, &a), order(&b, &b));
        }
    }
}
