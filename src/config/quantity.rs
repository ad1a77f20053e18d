//! Parses and formats durations, retention periods and sizes: `30m`, `90d`, `1y`, `forever`,
//! `512M`.

use crate::settings::Retention;
use crate::time::{DAY, Micros, SECOND};

const MINUTE: Micros = 60 * SECOND;
const HOUR: Micros = 60 * MINUTE;

/// The units of durations, longest first. A year is 365 days.
const UNITS: [(&str, Micros); 6] =
    [("y", 365 * DAY), ("w", 7 * DAY), ("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND)];

/// Parses a duration such as `45s`, `30m`, `1h30m`, `90d`, `2w` or `1y` into microseconds.
///
/// # Errors
/// The reason why the string is invalid.
pub fn parse_duration(text: &str) -> Result<Micros, String> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("`{text}` has no unit: write {text}s, {text}m, {text}h or {text}d"));
    }
    let invalid = || format!("`{text}` is not a duration: write one like 45s, 30m, 1h30m, 90d, 2w or 1y");
    let mut rest = text;
    let mut total: Micros = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let number: Micros = number.parse().map_err(|_| invalid())?;
        let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(invalid)?;
        let part = number.checked_mul(*length).ok_or_else(|| format!("`{text}` is too long"))?;
        total = total.checked_add(part).ok_or_else(|| format!("`{text}` is too long"))?;
        rest = tail;
    }
    if text.is_empty() { Err(invalid()) } else { Ok(total) }
}

/// Formats a duration such that [`parse_duration`] reads it back: `1h30m`.
pub fn format_duration(mut duration: Micros) -> String {
    let mut text = String::new();
    for (unit, length) in UNITS {
        // Without weeks, since "13d" is easier to read than "1w6d".
        if unit != "w" && duration >= length {
            text.push_str(&format!("{}{unit}", duration / length));
            duration %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Parses a positive number of whole days: `30d`, `2w`, `1y`.
///
/// # Errors
/// The reason why the string is invalid.
pub fn parse_days(text: &str) -> Result<u32, String> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("`{text}` has no unit: write {text}d for {text} days"));
    }
    let duration = parse_duration(text)
        .map_err(|_| format!("`{text}` is not a number of days: write one like 90d, 12w or 1y"))?;
    if duration % DAY != 0 {
        return Err(format!("`{text}` is not a whole number of days"));
    }
    match u32::try_from(duration / DAY) {
        Ok(0) => Err(format!("`{text}` is too short: write at least 1d")),
        // 1000 years, so that today minus the days is a valid date.
        Ok(days) if days <= 365_000 => Ok(days),
        _ => Err(format!("`{text}` is too long: write forever")),
    }
}

/// Parses a retention period: a number of days, or `forever`.
///
/// # Errors
/// The reason why the string is invalid.
pub fn parse_retention(text: &str) -> Result<Retention, String> {
    match text.trim() {
        "forever" => Ok(Retention::Forever),
        other => parse_days(other).map(Retention::Days).map_err(|why| format!("{why} (or forever)")),
    }
}

/// Formats a retention period such that [`parse_retention`] reads it back: `90d`, `1y`, `forever`.
pub fn format_retention(retention: Retention) -> String {
    match retention {
        Retention::Forever => "forever".to_owned(),
        Retention::Days(days) => format_days(days),
    }
}

/// Formats a number of days, in years if it is a multiple of 365.
pub fn format_days(days: u32) -> String {
    if days > 0 && days.is_multiple_of(365) { format!("{}y", days / 365) } else { format!("{days}d") }
}

/// The units of sizes: `K` and `KiB` are powers of 1024, `KB` is a power of 1000.
const SIZE_UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("M", 1 << 20),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("G", 1 << 30),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("T", 1 << 40),
    ("TiB", 1 << 40),
];

/// Parses a size such as `512M`, `1GiB` or `800MB` into bytes, ignoring case.
///
/// # Errors
/// The reason why the string is invalid.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let invalid = || format!("`{text}` is not a size: write one like 512M, 1G or 800MB");
    let number: u64 = number.parse().map_err(|_| invalid())?;
    let unit = unit.trim_start();
    let (_, factor) =
        SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(invalid)?;
    number.checked_mul(*factor).ok_or_else(|| format!("`{text}` is too large"))
}

/// Formats a size such that [`parse_size`] reads it back, in the largest unit that divides it.
pub fn format_size(bytes: u64) -> String {
    for (unit, factor) in [("G", 1u64 << 30), ("M", 1 << 20), ("K", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn duration_has_a_number_and_a_unit() {
        assert_eq!(parse_duration("30m"), Ok(30 * 60 * 1_000_000));
        assert_eq!(parse_duration("1h30m"), Ok(90 * 60 * 1_000_000));
        assert_eq!(parse_duration(" 45s "), Ok(45_000_000));
        assert_eq!(parse_duration("2w"), Ok(14 * 86_400 * 1_000_000));
        for wrong in ["", "m", "30", "30 m", "-30m", "30min", "1.5h", "30m!", "99999999999y", "ä"] {
            assert!(parse_duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn number_without_a_unit_error_lists_units() {
        assert_eq!(parse_duration("30").unwrap_err(), "`30` has no unit: write 30s, 30m, 30h or 30d");
        assert_eq!(parse_days("90").unwrap_err(), "`90` has no unit: write 90d for 90 days");
    }

    #[test]
    fn retention_is_whole_days_or_forever() {
        assert_eq!(parse_retention("90d"), Ok(Retention::Days(90)));
        assert_eq!(parse_retention("1y"), Ok(Retention::Days(365)));
        assert_eq!(parse_retention("48h"), Ok(Retention::Days(2)));
        assert_eq!(parse_retention("forever"), Ok(Retention::Forever));
        for wrong in ["0d", "36h", "never", "30m", "", "5000y"] {
            assert!(parse_retention(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(format_retention(Retention::Days(730)), "2y");
        assert_eq!(format_retention(Retention::Days(90)), "90d");
    }

    #[test]
    fn size_units_are_powers_of_1024_except_kb() {
        assert_eq!(parse_size("512M"), Ok(536_870_912));
        assert_eq!(parse_size("1 GiB"), Ok(1_073_741_824));
        assert_eq!(parse_size("800mb"), Ok(800_000_000));
        assert_eq!(parse_size("4096"), Ok(4096));
        for wrong in ["", "M", "1.5G", "12X", "99999999999999999999", "99999999T"] {
            assert!(parse_size(wrong).is_err(), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn formatted_quantity_parses_to_the_same_value(seconds in 0i64..100_000_000, days in 1u32..3650, bytes: u64) {
            prop_assert_eq!(parse_duration(&format_duration(seconds * SECOND)), Ok(seconds * SECOND));
            prop_assert_eq!(parse_retention(&format_retention(Retention::Days(days))), Ok(Retention::Days(days)));
            prop_assert_eq!(parse_size(&format_size(bytes)), Ok(bytes));
        }

        #[test]
        fn parsing_any_text_does_not_panic(text: String) {
            let _ = (parse_duration(&text), parse_retention(&text), parse_size(&text));
        }
    }
}
