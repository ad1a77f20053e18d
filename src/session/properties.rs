//! The event properties that sessions use, read from the stored `properties` text.
//!
//! A rebuild reads events from the `events` table. The parser reads the same properties from log
//! lines; both apply [`number_us`].

use crate::decimal::integer::parse_scaled;
use crate::json;

/// Returns `response_time_ms` in microseconds, rounded half up; `None` if it is missing, not a
/// number, negative, or out of range.
pub fn response_us(properties: &str) -> Option<i64> {
    number_us(json::lenient::member(properties, "response_time_ms")?)
}

/// Converts a JSON number of milliseconds to microseconds, rounded half up; `None` if it is not a
/// number, negative, or out of range.
pub fn number_us(number: &str) -> Option<i64> {
    if !number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    let number = parse_scaled(number.as_bytes(), 3)?;
    let micros = number.magnitude.checked_add(u64::from(number.rounds_up))?;
    // -0 is zero, but a negative fraction of a microsecond is negative.
    if number.negative && !(micros == 0 && number.exact) { None } else { i64::try_from(micros).ok() }
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
    fn properties_are_read_at_the_top_level_only() {
        let text = r#"{"a":{"response_time_ms":1},"response_time_ms":2.0005,"triggered_by":"x\u00e9"}"#;
        assert_eq!((response_us(text), triggered_by(text).as_deref()), (Some(2_001), Some("xé")));
        let text = r#"{"a":{"response_time_ms":1,"triggered_by":"x"},"triggered_by":""}"#;
        assert_eq!((response_us(text), triggered_by(text)), (None, None));
        let text = r#"{"response_time_ms":"2","triggered_by":7}"#;
        assert_eq!((response_us(text), triggered_by(text)), (None, None));
    }
}
