//! Reads the event properties that sessions use from the stored `properties` text.
//!
//! A rebuild reads events from the `events` table. The parser reads the same properties from log
//! lines; both apply [`number_us`].

use crate::decimal::integer::{is_number, parse_scaled};
use crate::json;

/// The longest response or load time: 30 days, in microseconds. A longer time is an error in the
/// log and would dominate any mean. A 64-bit sum holds 3.5 million of the longest times, so the
/// sums of sessions and days are exact.
const MAX_TIME_US: i64 = 30 * 86_400 * 1_000_000;

/// Returns `response_time_ms` in microseconds, rounded half up; `None` if it is missing, not a
/// number, negative, or out of range.
pub fn response_us(properties: &str) -> Option<i64> {
    number_us(json::lenient::member(properties, "response_time_ms")?)
}

/// Converts a JSON number of milliseconds to microseconds, rounded half up; `None` if it is not a
/// number, negative, or over 30 days.
///
/// The number can be in quotes, as some loggers write it.
pub fn number_us(number: &str) -> Option<i64> {
    let quoted = number.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let number = quoted.filter(|text| is_number(text)).unwrap_or(number);
    if !number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    let number = parse_scaled(number.as_bytes(), 3)?;
    let micros = number.magnitude.checked_add(u64::from(number.rounds_up))?;
    // -0 is zero, but a negative fraction of a microsecond is negative.
    if number.negative && !(micros == 0 && number.exact) {
        return None;
    }
    i64::try_from(micros).ok().filter(|micros| *micros <= MAX_TIME_US)
}

/// Returns `triggered_by`; `None` if it is missing, not a string, or empty.
pub fn triggered_by(properties: &str) -> Option<String> {
    let text = json::lenient::string_value(json::lenient::member(properties, "triggered_by")?)?;
    (!text.is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_over_30_days_is_none() {
        // 30 days have 2,592,000,000 ms.
        assert_eq!(number_us("2592000000"), Some(2_592_000_000_000));
        assert_eq!(number_us("2592000000.0004"), Some(2_592_000_000_000));
        assert_eq!(number_us("2592000000.001"), None);
        assert_eq!(number_us("9000000000000000"), None);
    }

    #[test]
    fn properties_are_read_at_the_top_level_only() {
        let text = r#"{"a":{"response_time_ms":1},"response_time_ms":2.0005,"triggered_by":"x\u00e9"}"#;
        assert_eq!((response_us(text), triggered_by(text).as_deref()), (Some(2_001), Some("xé")));
        let text = r#"{"a":{"response_time_ms":1,"triggered_by":"x"},"triggered_by":""}"#;
        assert_eq!((response_us(text), triggered_by(text)), (None, None));
        let text = r#"{"response_time_ms":"2 s","triggered_by":7}"#;
        assert_eq!((response_us(text), triggered_by(text)), (None, None));
    }

    #[test]
    fn number_in_quotes_is_accepted() {
        assert_eq!(response_us(r#"{"response_time_ms":"850.5"}"#), Some(850_500));
        for other in ["\"\"", r#"" 1""#, r#""1e""#, r#""01""#, r#""-5""#] {
            assert_eq!(number_us(other), None, "{other}");
        }
    }
}
