//! Formats values: with separators and units for people, and plainly for programs.

use crate::decimal::Hundredths;
use crate::report::metric::{Metric, Unit};
use crate::store::frame::Value;
use crate::time::{Micros, Zone, format_utc};

/// The text of an unknown value.
pub(super) const UNKNOWN: &str = "–";

/// Times from this number of milliseconds on are shown as durations such as `12s` or `1m 05s`.
const LONG_TIME_MS: i64 = 10_000;

/// Formats an integer with commas between groups of three digits.
pub(crate) fn group_digits(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a number and its noun, such as `1 day` or `1,000 days`.
pub(crate) fn pluralize(number: u64, singular: &str, plural: &str) -> String {
    format!("{} {}", group_digits(number), if number == 1 { singular } else { plural })
}

/// Formats hundredths with commas and two decimals: `1,234.50`.
fn group_hundredths(number: i64) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let number = number.unsigned_abs();
    format!("{sign}{}.{:02}", group_digits(number / 100), number % 100)
}

/// Formats a duration: `45s`, `2m 25s`, `3h 05m`.
pub(super) fn format_duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{sign}{s}s"),
        (0, m, s) => format!("{sign}{m}m {s:02}s"),
        (h, m, _) if h < 1000 => format!("{sign}{h}h {m:02}m"),
        (h, ..) => format!("{sign}{}h", group_digits(h)),
    }
}

/// Formats a metric with separators and its unit.
pub(super) fn format_metric(metric: Metric) -> String {
    let Some(value) = metric.value else { return UNKNOWN.to_owned() };
    match metric.unit {
        Unit::Count | Unit::Distinct => group_digits(value),
        Unit::Percent => format!("{}%", group_hundredths(value)),
        Unit::Ratio => group_hundredths(value),
        Unit::Seconds => format_duration(value),
        Unit::FractionalSeconds if value < LONG_TIME_MS / 10 => format!("{}s", group_hundredths(value)),
        Unit::FractionalSeconds => format_duration(value.saturating_add(50) / 100),
        Unit::Millis if value < LONG_TIME_MS => format!("{} ms", group_digits(value)),
        Unit::Millis => format_duration(value.saturating_add(500) / 1000),
    }
}

/// Formats the change of a metric with its sign. The change of a percentage is in percentage
/// points, without `%`.
pub(super) fn format_change(metric: Metric) -> String {
    let text = match metric.unit {
        Unit::Percent => format_metric(Metric { unit: Unit::Ratio, ..metric }),
        _ => format_metric(metric),
    };
    match metric.value {
        Some(value) if value > 0 => format!("+{text}"),
        _ => text,
    }
}

/// Formats a change in percent with its sign: `+12.50%`.
pub(super) fn format_change_percent(percent: Hundredths) -> String {
    let sign = if percent.0 > 0 { "+" } else { "" };
    format!("{sign}{}%", group_hundredths(percent.0))
}

/// Formats a metric for programs: the same number as in JSON, or nothing if it is unknown.
pub(super) fn format_plain(metric: Metric) -> String {
    match metric.value {
        None => String::new(),
        Some(_) => serde_json::to_string(&metric).unwrap_or_default(),
    }
}

/// Formats a time in a time zone: `2026-06-30 10:30:05`.
pub(crate) fn format_local_time(time: Micros, zone: Zone) -> String {
    match chrono::DateTime::from_timestamp_micros(time) {
        Some(utc) => utc.with_timezone(&zone.0).format("%Y-%m-%d %H:%M:%S").to_string(),
        None => time.to_string(),
    }
}

/// Formats a value of a stored row: JSON unchanged, times as RFC 3339, null as nothing.
pub(super) fn format_value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) | Value::Json(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Decimal(number) => serde_json::to_string(number).unwrap_or_default(),
        Value::Bool(value) => value.to_string(),
        Value::Time(time) => format_utc(*time),
        Value::Date(day) => day.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(unit: Unit, value: i64) -> Metric {
        Metric { unit, value: Some(value) }
    }

    #[test]
    fn numbers_for_people_have_separators_and_units() {
        assert_eq!(group_digits(0), "0");
        assert_eq!(group_digits(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!([0, 1, 1000].map(|n| pluralize(n, "day", "days")), ["0 days", "1 day", "1,000 days"]);
        assert_eq!(group_digits(999), "999");
        assert_eq!(group_digits(-1_234_567), "-1,234,567");
        assert_eq!(group_digits(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!(format_metric(metric(Unit::Percent, 4536)), "45.36%");
        assert_eq!(format_metric(metric(Unit::Ratio, 123_450)), "1,234.50");
        assert_eq!(format_metric(metric(Unit::Millis, 1234)), "1,234 ms");
        assert_eq!(format_metric(Metric { unit: Unit::Count, value: None }), "–");
        assert_eq!(format_change(metric(Unit::Percent, -50)), "-0.50");
        assert_eq!(format_change(metric(Unit::Count, 1200)), "+1,200");
        assert_eq!(format_change(metric(Unit::Count, 0)), "0");
        assert_eq!(format_change_percent(Hundredths(-3333)), "-33.33%");
    }

    #[test]
    fn duration_shows_its_two_largest_units() {
        let all = [0, 59, 60, 145, 3600, 11_100, 90_000_000].map(format_duration);
        assert_eq!(all, ["0s", "59s", "1m 00s", "2m 25s", "1h 00m", "3h 05m", "25,000h"]);
        assert_eq!(format_duration(-65), "-1m 05s");
    }

    #[test]
    fn numbers_for_programs_are_plain() {
        assert_eq!(format_plain(metric(Unit::Percent, 5000)), "50");
        assert_eq!(format_plain(metric(Unit::Count, 1_250)), "1250");
        assert_eq!(format_plain(Metric { unit: Unit::Count, value: None }), "");
    }
}
