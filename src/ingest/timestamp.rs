//! Parses the timestamps of logs: strings in a form of RFC 3339, and Unix times as numbers.

use crate::decimal::integer::parse_scaled;
use crate::time::{DAY, Micros, SECOND};

/// The earliest event time that is accepted: 2000-01-01T00:00:00Z.
pub const EARLIEST: Micros = 946_684_800 * SECOND;
/// Maximum time by which an event may be after the current time.
pub const MAX_AHEAD: Micros = DAY;

/// The times of the years 1 to 9999, which every calendar library supports.
pub const CALENDAR: std::ops::Range<Micros> = -62_135_596_800 * SECOND..253_402_300_800 * SECOND;

/// A number below this limit counts seconds.
const SECONDS_BELOW: u64 = 100_000_000_000;
/// Numbers from [`SECONDS_BELOW`] up to this limit count milliseconds, larger ones microseconds.
const MILLIS_BELOW: u64 = 100_000_000_000_000;
/// The longest string or number that is parsed, in bytes. It must be bounded, since the times of an
/// envelope are parsed once per event.
const LIMIT: usize = 64;

/// Parses `YYYY-MM-DD`, `T` or a space, `HH:MM:SS`, an optional fraction, and an optional offset
/// (`Z`, `±HH:MM`, `±HHMM`, `±HH`). The default offset is UTC. `T` and `Z` may be lower case.
/// Returns `None` for any other string.
///
/// Digits after microseconds are truncated. Second 60 is allowed after 23:59:59 UTC, where leap
/// seconds occur, and means the following second.
pub fn from_text(text: &[u8]) -> Option<Micros> {
    let (head, rest) = text.split_first_chunk::<19>().filter(|_| text.len() <= LIMIT)?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T' | b't' | b' ', h0, h1, b':', n0, n1, b':', s0, s1] =
        head
    else {
        return None;
    };
    let digits = [y0, y1, y2, y3, m0, m1, d0, d1, h0, h1, n0, n1, s0, s1].map(|b| b.wrapping_sub(b'0'));
    if digits.iter().fold(false, |bad, digit| bad | (*digit > 9)) {
        return None;
    }
    let [century, years, month, day, hour, minute, second] = pairs(digits);
    let year = 100 * century + years;
    if !(1..=12).contains(&month) || day < 1 || (day > 28 && day > days_in_month(year, month)) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, rest) = fraction(rest)?;
    let offset = offset_minutes(rest)?;

    let minutes = days_since_1970(year, month, day) * 1440 + i64::from(hour * 60 + minute) - offset;
    if second == 60 && minutes.rem_euclid(1440) != 1439 {
        return None;
    }
    Some((minutes * 60 + i64::from(second)) * SECOND + fraction)
}

/// Returns whether a string that [`from_text`] parses has an offset.
#[inline]
pub fn has_offset(text: &str) -> bool {
    if matches!(text.as_bytes().last(), Some(b'Z' | b'z')) {
        return true;
    }
    let rest = text.get(19..).unwrap_or("");
    !rest.trim_start_matches('.').trim_start_matches(|c: char| c.is_ascii_digit()).is_empty()
}

/// Parses a JSON number as Unix time: seconds below 10^11, milliseconds below 10^14, else
/// microseconds. The absolute value decides. Digits after microseconds are truncated. Returns
/// `None` if the time is out of range.
pub fn from_number(number: &[u8]) -> Option<Micros> {
    if number.len() > LIMIT {
        return None;
    }
    let integer = parse_scaled(number, 0)?;
    if integer.magnitude < SECONDS_BELOW {
        return parse_scaled(number, 6)?.truncated();
    }
    if integer.magnitude < MILLIS_BELOW {
        return parse_scaled(number, 3)?.truncated();
    }
    // The smallest number is reserved for `NO_TIME`.
    integer.truncated().filter(|micros| *micros != i64::MIN)
}

/// Combines digits into numbers of two digits each.
#[inline]
fn pairs(digits: [u8; 14]) -> [u32; 7] {
    let (pairs, _) = digits.as_chunks::<2>();
    std::array::from_fn(|at| pairs.get(at).map_or(0, |[tens, ones]| u32::from(*tens) * 10 + u32::from(*ones)))
}

/// Parses an optional fraction; returns it in microseconds, and the text after it.
#[inline]
fn fraction(text: &[u8]) -> Option<(Micros, &[u8])> {
    let Some((b'.', digits)) = text.split_first() else { return Some((0, text)) };
    let (mut micros, mut unit, mut count) = (0, SECOND / 10, 0);
    for digit in digits.iter().map(|b| b.wrapping_sub(b'0')).take_while(|d| *d < 10) {
        micros += i64::from(digit) * unit;
        unit /= 10;
        count += 1;
    }
    if count == 0 { None } else { Some((micros, digits.get(count..)?)) }
}

/// Parses an offset from UTC; returns minutes.
#[inline]
fn offset_minutes(text: &[u8]) -> Option<i64> {
    let number = |tens: u8, ones: u8, limit: i64| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        let value = i64::from(tens) * 10 + i64::from(ones);
        (tens < 10 && ones < 10 && value < limit).then_some(value)
    };
    let (sign, hours, minutes) = match *text {
        [] | [b'Z' | b'z'] => return Some(0),
        [sign, h, i] => (sign, number(h, i, 24)?, 0),
        [sign, h, i, m, n] | [sign, h, i, b':', m, n] => (sign, number(h, i, 24)?, number(m, n, 60)?),
        _ => return None,
    };
    match sign {
        b'+' => Some(hours * 60 + minutes),
        b'-' => Some(-(hours * 60 + minutes)),
        _ => None,
    }
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Returns the days since 1970-01-01 in the proleptic Gregorian calendar. Years begin in March in
/// this calculation, so that the leap day is the last day of the year.
#[inline]
fn days_since_1970(year: u32, month: u32, day: u32) -> i64 {
    // January and February of year 0 belong to year -1; adding 400 years avoids a negative number.
    let year = year + 400 - u32::from(month <= 2);
    let month = (month + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    // 1970-01-01 is day 719468 counted from 0000-03-01, and four centuries have 146097 days.
    i64::from(days) - 719_468 - 146_097
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<Micros> {
        from_text(text.as_bytes())
    }

    fn number(text: &str) -> Option<Micros> {
        from_number(text.as_bytes())
    }

    /// 2026-11-09T08:00:00Z: 20,766 days after 1970-01-01 (56 years with 14 leap days, and 312 days
    /// of the year 2026), and eight hours.
    const MORNING: Micros = (20_766 * 86_400 + 8 * 3600) * SECOND;

    #[test]
    fn all_forms_of_an_instant_are_equal() {
        for form in [
            "2026-11-09T08:00:00Z",
            "2026-11-09t08:00:00z",
            "2026-11-09T08:00:00.0Z",
            "2026-11-09T08:00:00.000000000000Z",
            "2026-11-09 08:00:00Z",
            "2026-11-09T08:00:00",
            "2026-11-09 08:00:00",
            "2026-11-09 08:00:00.000",
            "2026-11-09T08:00:00+00:00",
            "2026-11-09T08:00:00-00:00",
            "2026-11-09T09:00:00+01:00",
            "2026-11-09T13:45:00+05:45",
            "2026-11-09T13:45:00+0545",
            "2026-11-09T00:00:00-08",
            "2026-11-08T23:30:00-08:30",
            "2026-11-10T07:59:00+23:59",
        ] {
            assert_eq!(text(form), Some(MORNING), "{form}");
        }
        for form in
            ["1794211200", "1794211200.0", "1794211200000", "1794211200000000", "1.7942112e9", "17942112e2"]
        {
            assert_eq!(number(form), Some(MORNING), "{form}");
        }
    }

    #[test]
    fn fraction_is_truncated_to_microseconds() {
        assert_eq!(text("2026-11-09T08:00:00.5Z"), Some(MORNING + 500_000));
        assert_eq!(text("2026-11-09T08:00:00.123Z"), Some(MORNING + 123_000));
        assert_eq!(text("2026-11-09T08:00:00.123456Z"), Some(MORNING + 123_456));
        assert_eq!(text("2026-11-09 08:00:00.1234569"), Some(MORNING + 123_456));
        assert_eq!(text("2026-11-09T09:00:00.999999999+01:00"), Some(MORNING + 999_999));
        assert_eq!(number("1794211200.1234569"), Some(MORNING + 123_456));
        assert_eq!(number("1794211200123.4569"), Some(MORNING + 123_456));
        assert_eq!(number("1794211200123456.9"), Some(MORNING + 123_456));
    }

    #[test]
    fn magnitude_of_a_number_decides_its_unit() {
        assert_eq!(number("99999999999"), Some(99_999_999_999_000_000));
        assert_eq!(number("99999999999.999999"), Some(99_999_999_999_999_999));
        assert_eq!(number("100000000000"), Some(100_000_000_000_000));
        assert_eq!(number("99999999999999"), Some(99_999_999_999_999_000));
        assert_eq!(number("100000000000000"), Some(100_000_000_000_000));
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("-1"), Some(-SECOND));
        assert_eq!(number("-200000000000"), Some(-200_000_000_000_000));
        assert_eq!(number("9223372036854775807"), Some(i64::MAX));
        assert_eq!(number("9223372036854775808"), None);
        assert_eq!(number("-9223372036854775808"), None);
        assert_eq!(number("1e300"), None);
    }

    #[test]
    fn calendar_covers_the_years_1_to_9999() {
        for (time, is_held) in [
            ("0000-12-31T23:59:59.999999Z", false),
            ("0001-01-01T00:00:00Z", true),
            ("9999-12-31T23:59:59.999999Z", true),
            ("9999-12-31T23:59:59.999999-00:01", false),
        ] {
            assert_eq!(CALENDAR.contains(&text(time).unwrap()), is_held, "{time}");
        }
    }

    #[test]
    fn leap_second_is_the_following_second() {
        let new_year = text("2017-01-01T00:00:00Z");
        assert!(new_year.is_some());
        assert_eq!(text("2016-12-31T23:59:60Z"), new_year);
        assert_eq!(text("2017-01-01T05:29:60+05:30"), new_year);
        assert_eq!(text("2016-12-31T23:59:60.5Z"), new_year.map(|t| t + 500_000));
        assert_eq!(text("2016-12-31T22:59:60Z"), None);
        assert_eq!(text("2016-12-31T23:59:61Z"), None);
    }

    #[test]
    fn nonexistent_dates_are_rejected() {
        assert!(text("2024-02-29T00:00:00Z").is_some());
        assert!(text("2000-02-29T00:00:00Z").is_some());
        assert!(text("0000-01-01T00:00:00Z").is_some());
        for form in [
            "2023-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-32T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
        ] {
            assert_eq!(text(form), None, "{form}");
        }
    }

    #[test]
    fn other_forms_are_rejected() {
        for form in [
            "",
            "now",
            "2026-11-09",
            "2026-11-09T08:00",
            "2026-11-09T08:00Z",
            "20261109T080000Z",
            "1794211200",
            "2026-11-09T08:00:00.",
            "2026-11-09T08:00:00.Z",
            "2026-11-09T08:00:00,5Z",
            "2026-11-09T08:00:00 Z",
            "2026-11-09T08:00:00+24:00",
            "2026-11-09T08:00:00+01:60",
            "2026-11-09T08:00:00+1",
            "2026-11-09_08:00:00",
            " 2026-11-09T08:00:00Z",
            "2026-11-09T08:00:00Z ",
            "2026-11-09T08:00:00ZZ",
            "26-11-09T08:00:00Z",
            "2026-1x-09T08:00:00Z",
            "2026-11-09T08:00:0:Z",
            "+026-11-09T08:00:00Z",
            "09/Nov/2026:08:00:00 +0000",
            "2026-11-09T08:00:00−01:00",
        ] {
            assert_eq!(text(form), None, "{form}");
        }
    }

    proptest::proptest! {
        #[test]
        fn valid_times_agree_with_chrono(seconds in -62_167_219_200i64..253_402_300_800, micros in 0u32..1_000_000, offset in -1439i32..1440) {
            let zone = chrono::FixedOffset::east_opt(offset * 60).unwrap();
            let time = chrono::DateTime::from_timestamp(seconds, micros * 1000).unwrap().with_timezone(&zone);
            if (0..10_000).contains(&chrono::Datelike::year(&time)) {
                assert_eq!(text(&time.to_rfc3339()), Some(time.timestamp_micros()));
            }
        }

        #[test]
        fn accepted_forms_agree_with_chrono(form in "[0-9]{4}-[0-1][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,9})?([Zz]|[+-][0-2][0-9]:[0-6][0-9])") {
            let expected = chrono::DateTime::parse_from_rfc3339(&form).ok().map(|t| t.timestamp_micros());
            if !form.contains(":60") {
                assert_eq!(text(&form), expected, "{form}");
            }
        }

        #[test]
        fn random_bytes_do_not_panic(bytes: Vec<u8>) {
            let _ = from_text(&bytes);
        }
    }
}
