//! Figures in words: for the eye, with separators and units; for programs, bare.

use crate::decimal::Hundredths;
use crate::report::metric::{Metric, Unit};
use crate::store::frame::Value;
use crate::time::{Micros, Zone, format_utc};

/// What stands where a figure cannot be known.
pub const UNKNOWN: &str = "–";

/// Puts commas between groups of three digits.
pub fn group_digits(number: impl Into<i128>) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a number and the noun it counts, which is `one` of one and `many` of others.
pub fn pluralize(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", group_digits(number), if number == 1 { one } else { many })
}

fn grouped_hundredths(number: i64) -> String {
    let text = Hundredths(number).to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "00"));
    let sign = if number < 0 { "-" } else { "" };
    let whole =
        whole.trim_start_matches('-').parse().map_or_else(|_| whole.to_owned(), |n: i64| group_digits(n));
    format!("{sign}{whole}.{decimals}")
}

/// Writes a duration: `45s`, `2m 25s`, `3h 05m`.
pub fn duration(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{sign}{s}s"),
        (0, m, s) => format!("{sign}{m}m {s:02}s"),
        (h, m, _) if h < 1000 => format!("{sign}{h}h {m:02}m"),
        (h, ..) => format!("{sign}{}h", group_digits(h)),
    }
}

/// Writes a figure for the eye.
pub fn shown(figure: Metric) -> String {
    let Some(value) = figure.value else { return UNKNOWN.to_owned() };
    match figure.unit {
        Unit::Count | Unit::Distinct => group_digits(value),
        Unit::Percent => format!("{}%", grouped_hundredths(value)),
        Unit::Ratio => grouped_hundredths(value),
        Unit::Seconds => duration(value),
        Unit::Millis => format!("{} ms", group_digits(value)),
    }
}

/// Writes a figure for the eye, with a sign: a difference. Those of percentages are points.
pub fn signed(figure: Metric) -> String {
    let text = match figure.unit {
        Unit::Percent => shown(Metric { unit: Unit::Ratio, ..figure }),
        _ => shown(figure),
    };
    match figure.value {
        Some(value) if value > 0 => format!("+{text}"),
        _ => text,
    }
}

/// Writes a change in percent for the eye.
pub fn signed_percent(percent: Hundredths) -> String {
    let sign = if percent.0 > 0 { "+" } else { "" };
    format!("{sign}{}%", grouped_hundredths(percent.0))
}

/// Writes a figure for programs: as in JSON, nothing where it cannot be known.
pub fn bare(figure: Metric) -> String {
    match figure.value {
        None => String::new(),
        Some(_) => serde_json::to_string(&figure).unwrap_or_default(),
    }
}

/// Writes a time for the eye, in the store's time zone: `2026-06-30 10:30:05`.
pub fn local_time(time: Micros, zone: Zone) -> String {
    match chrono::DateTime::from_timestamp_micros(time) {
        Some(utc) => utc.with_timezone(&zone.0).format("%Y-%m-%d %H:%M:%S").to_string(),
        None => time.to_string(),
    }
}

/// Writes a value of a row as text: JSON as it stands, times as RFC 3339; nothing for null.
pub fn value(value: &Value) -> String {
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

    fn figure(unit: Unit, value: i64) -> Metric {
        Metric { unit, value: Some(value) }
    }

    #[test]
    fn numbers_for_the_eye_have_separators_and_units() {
        assert_eq!(group_digits(0), "0");
        assert_eq!(group_digits(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!([0, 1, 1000].map(|n| pluralize(n, "day", "days")), ["0 days", "1 day", "1,000 days"]);
        assert_eq!(group_digits(999), "999");
        assert_eq!(group_digits(-1_234_567), "-1,234,567");
        assert_eq!(group_digits(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!(shown(figure(Unit::Percent, 4536)), "45.36%");
        assert_eq!(shown(figure(Unit::Ratio, 123_450)), "1,234.50");
        assert_eq!(shown(figure(Unit::Millis, 1234)), "1,234 ms");
        assert_eq!(shown(Metric { unit: Unit::Count, value: None }), "–");
        assert_eq!(signed(figure(Unit::Percent, -50)), "-0.50");
        assert_eq!(signed(figure(Unit::Count, 1200)), "+1,200");
        assert_eq!(signed(figure(Unit::Count, 0)), "0");
        assert_eq!(signed_percent(Hundredths(-3333)), "-33.33%");
    }

    #[test]
    fn durations_are_read_at_a_glance() {
        let all = [0, 59, 60, 145, 3600, 11_100, 90_000_000].map(duration);
        assert_eq!(all, ["0s", "59s", "1m 00s", "2m 25s", "1h 00m", "3h 05m", "25,000h"]);
        assert_eq!(duration(-65), "-1m 05s");
    }

    #[test]
    fn numbers_for_programs_are_bare() {
        assert_eq!(bare(figure(Unit::Percent, 5000)), "50");
        assert_eq!(bare(figure(Unit::Count, 1_250)), "1250");
        assert_eq!(bare(Metric { unit: Unit::Count, value: None }), "");
    }
}
