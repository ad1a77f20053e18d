//! The times of mapped logs: more forms than native lines allow, and local clocks.

use std::borrow::Cow;

use chrono::format::{Fixed, Item, Parsed, StrftimeItems, parse, parse_and_remainder};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

pub use crate::decimal::integer::is_number;
use crate::ingest::timestamp::{self, has_offset};
use crate::time::{Micros, Zone};

/// The longest string that a pattern reads, in bytes.
const LONGEST_TEXT: usize = 64;

/// Returns whether a string is a pattern of `strftime`.
pub fn is_pattern(pattern: &str) -> bool {
    pattern.contains('%') && StrftimeItems::new(pattern).all(|item| !matches!(item, Item::Error))
}

/// The rules by which the times of a map are read.
#[derive(Clone, Copy, Debug)]
pub struct TimeRules {
    /// The zone of times without an offset.
    pub zone: Zone,
    /// Whether numeric times are local times of that zone as well.
    pub local_epoch: bool,
}

impl TimeRules {
    /// Parses a string: a number, one of the forms of [`timestamp`], the form of access logs
    /// (`09/Nov/2026:10:00:00 +0100`), or the form of JavaScript (`Mon Nov 09 2026 10:00:00
    /// GMT+0100 (CET)`). The forms of [`timestamp`] can have a decimal comma and a zone name.
    pub fn text(self, text: &str) -> Option<Micros> {
        if is_number(text) {
            return self.number(text);
        }
        if let Cow::Owned(text) = with_decimal_point(text) {
            return self.text(&text);
        }
        if let Some(utc) = text.strip_suffix(" UTC") {
            return timestamp::from_text(utc.as_bytes()).filter(|_| !has_offset(utc));
        }
        if let Some(time) = timestamp::from_text(text.as_bytes()) {
            return Some(if has_offset(text) { time } else { self.zone.from_local(time) });
        }
        access_log(text).or_else(|| java_script(text)).or_else(|| TimeRules::with_zone(text))
    }

    /// Parses a time with the name of its zone: `2026-11-09 10:00:00 CET`,
    /// `2026-11-09 10:00:00 Europe/Berlin`, `2026-11-09T10:00:00+01:00[Europe/Berlin]`.
    fn with_zone(text: &str) -> Option<Micros> {
        let (time, zone) = match text.strip_suffix(']') {
            Some(rest) => rest.split_once('[')?,
            None => text.rsplit_once(' ').filter(|(time, _)| !has_offset(time))?,
        };
        let zone = Zone::parse_abbreviation(zone)?;
        let time = with_decimal_point(time);
        let parsed = timestamp::from_text(time.as_bytes())?;
        Some(if has_offset(&time) { parsed } else { zone.from_local(parsed) })
    }

    /// Parses a time by a pattern of `strftime`: `%d.%m.%Y %H:%M`. A date without a time stands for
    /// its first instant. For `%Z`, the text has the name or the abbreviation of a zone.
    pub fn by_pattern(self, text: &str, pattern: &str) -> Option<Micros> {
        if text.len() > LONGEST_TEXT {
            return None;
        }
        if let Ok(time) = DateTime::parse_from_str(text, pattern) {
            return Some(time.timestamp_micros());
        }
        if has_zone_name(pattern) {
            return by_zone_name(text, pattern);
        }
        let midnight = || NaiveDate::parse_from_str(text, pattern).ok()?.and_hms_opt(0, 0, 0);
        let local = NaiveDateTime::parse_from_str(text, pattern).ok().or_else(midnight)?;
        Some(self.zone.from_local(local.and_utc().timestamp_micros()))
    }

    /// Parses a JSON number as Unix time.
    pub fn number(self, number: &str) -> Option<Micros> {
        let time = timestamp::from_number(number.as_bytes())?;
        Some(if self.local_epoch { self.zone.from_local(time) } else { time })
    }

    /// Returns whether a string that [`TimeRules::text`] parses has no offset, so that it is read
    /// in [`TimeRules::zone`].
    pub fn is_local(self, text: &str) -> bool {
        let text = with_decimal_point(text);
        if is_number(&text) {
            return self.local_epoch;
        }
        !text.ends_with(" UTC") && timestamp::from_text(text.as_bytes()).is_some() && !has_offset(&text)
    }

    /// Returns whether a string that [`TimeRules::by_pattern`] parses has no offset.
    pub fn is_local_by_pattern(text: &str, pattern: &str) -> bool {
        DateTime::parse_from_str(text, pattern).is_err() && !has_zone_name(pattern)
    }

    /// Returns whether the native [`timestamp`] parser reads a string as the same time.
    pub fn agrees_with_native(self, text: &str) -> bool {
        self.zone == Zone::UTC || (!is_number(text) && has_offset(text))
    }
}

fn is_zone_name(item: &Item<'_>) -> bool {
    matches!(item, Item::Fixed(Fixed::TimezoneName))
}

/// Returns whether a pattern has `%Z`.
fn has_zone_name(pattern: &str) -> bool {
    pattern.contains("%Z") && StrftimeItems::new(pattern).any(|item| is_zone_name(&item))
}

/// Parses a time by a pattern with `%Z`, which chrono skips.
fn by_zone_name(text: &str, pattern: &str) -> Option<Micros> {
    let items: Vec<Item<'_>> = StrftimeItems::new(pattern).collect();
    let at = items.iter().position(is_zone_name)?;
    let mut parsed = Parsed::new();
    let rest = parse_and_remainder(&mut parsed, text, items.get(..at)?.iter()).ok()?;
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || "/_+-".contains(sign);
    let (zone, rest) = rest.split_at(rest.find(|sign| !is_part(sign)).unwrap_or(rest.len()));
    parse(&mut parsed, rest, items.get(at + 1..)?.iter()).ok()?;
    let midnight = || parsed.to_naive_date().ok()?.and_hms_opt(0, 0, 0);
    let local = parsed.to_naive_datetime_with_offset(0).ok().or_else(midnight)?;
    Some(Zone::parse_abbreviation(zone)?.from_local(local.and_utc().timestamp_micros()))
}

/// Replaces the decimal comma that Python and Java write after the seconds with a point.
fn with_decimal_point(text: &str) -> Cow<'_, str> {
    match text.split_at_checked(19) {
        Some((second, fraction)) if fraction.starts_with(',') => {
            Cow::Owned(format!("{second}.{}", fraction.trim_start_matches(',')))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Parses `09/Nov/2026:10:00:00 +0100`.
fn access_log(text: &str) -> Option<Micros> {
    let (date, rest) = text.split_once(':')?;
    let mut date = date.split('/');
    let (day, month, year) = (date.next()?, month(date.next()?)?, date.next()?);
    let (time, offset) = rest.split_once(' ')?;
    if date.next().is_some() || day.len() != 2 || offset.len() != 5 {
        return None;
    }
    timestamp::from_text(format!("{year}-{month:02}-{day}T{time}{offset}").as_bytes())
}

/// Parses `Mon Nov 09 2026 10:00:00 GMT+0100`, optionally followed by the name of a zone in
/// parentheses.
fn java_script(text: &str) -> Option<Micros> {
    let text = text.split_once(" (").map_or(text, |(time, _)| time);
    let mut parts = text.split(' ');
    let weekday = parts.next()?;
    let (month, day, year) = (month(parts.next()?)?, parts.next()?, parts.next()?);
    let (time, offset) = (parts.next()?, parts.next()?.strip_prefix("GMT")?);
    let offset = if offset.is_empty() { "Z" } else { offset };
    if weekday.len() != 3 || day.len() != 2 || parts.next().is_some() {
        return None;
    }
    timestamp::from_text(format!("{year}-{month:02}-{day}T{time}{offset}").as_bytes())
}

fn month(name: &str) -> Option<usize> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    MONTHS.iter().position(|month| *month == name).map(|at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND;

    /// 2026-11-09T09:00:00Z.
    const MORNING: Micros = 1_794_214_800 * SECOND;

    fn rules(zone: &str, local_epoch: bool) -> TimeRules {
        TimeRules { zone: Zone::parse(zone).unwrap(), local_epoch }
    }

    #[test]
    fn all_forms_of_an_instant_are_equal() {
        let berlin = rules("Europe/Berlin", false);
        for text in [
            "2026-11-09T09:00:00Z",
            "2026-11-09 10:00:00+01",
            "2026-11-09 09:00:00 UTC",
            "2026-11-09 09:00:00.000 UTC",
            "2026-11-09 10:00:00",
            "2026-11-09T10:00:00.000000",
            "2026-11-09 10:00:00,000",
            "2026-11-09T09:00:00,000Z",
            "1794214800",
            "1794214800.000",
            "1794214800000",
            "1.7942148e9",
            "09/Nov/2026:10:00:00 +0100",
            "Mon Nov 09 2026 10:00:00 GMT+0100 (Central European Standard Time)",
            "Mon Nov 09 2026 09:00:00 GMT",
        ] {
            assert_eq!(berlin.text(text), Some(MORNING), "{text}");
        }
        assert_eq!(rules("UTC", false).text("2026-11-09 10:00:00"), Some(MORNING + 3600 * SECOND));
    }

    #[test]
    fn zone_applies_only_to_times_without_an_offset() {
        let zones = ["UTC", "Asia/Tokyo"].map(|name| Zone::parse(name).unwrap());
        let both = |read: &dyn Fn(TimeRules) -> Option<Micros>, local_epoch: bool| {
            let [utc, tokyo] = zones.map(|zone| read(TimeRules { zone, local_epoch }).unwrap());
            utc != tokyo
        };
        let rules = |local_epoch| TimeRules { zone: Zone::UTC, local_epoch };
        for text in [
            "2026-11-09 10:00:00,123",
            "2026-11-09 10:00:00.123",
            "2026-11-09T10:00:00",
            "2026-11-09 10:00:00 UTC",
            "2026-11-09 10:00:00,123 UTC",
            "2026-11-09 10:00:00 CET",
            "2026-11-09 10:00:00,5+01:00",
            "2026-11-09T10:00:00Z",
            "09/Nov/2026:10:00:00 +0100",
            "Mon Nov 09 2026 10:00:00 GMT+0100 (CET)",
            "1794214800",
        ] {
            for local_epoch in [false, true] {
                let expected = both(&|rules| rules.text(text), local_epoch);
                assert_eq!(rules(local_epoch).is_local(text), expected, "{text} {local_epoch}");
            }
        }
        for (text, pattern) in [("9.11.2026 10:00", "%d.%m.%Y %H:%M"), ("9.11.2026", "%d.%m.%Y")] {
            assert!(both(&|rules| rules.by_pattern(text, pattern), false));
            assert!(TimeRules::is_local_by_pattern(text, pattern));
        }
        let (text, pattern) = ("9.11.2026 10:00 +0100", "%d.%m.%Y %H:%M %z");
        assert!(!both(&|rules| rules.by_pattern(text, pattern), false));
        assert!(!TimeRules::is_local_by_pattern(text, pattern));
    }

    #[test]
    fn repeated_local_time_is_the_first_instant() {
        // Summer time ends on 2026-10-25 at 01:00 UTC: the clock shows 02:30 at 00:30 and at 01:30
        // UTC.
        let berlin = rules("Europe/Berlin", true);
        let first = timestamp::from_text(b"2026-10-25T00:30:00Z");
        assert_eq!(berlin.text("2026-10-25 02:30:00"), first);
        // The same local time as a number: the seconds of that time if it were UTC.
        let number = (first.unwrap() / SECOND + 2 * 3600).to_string();
        assert_eq!(berlin.number(&number), first);
        assert_eq!(berlin.text(&number), first);
        assert_eq!(rules("Europe/Berlin", false).number(&number), first.map(|t| t + 7200 * SECOND));
        // 2026-03-29 02:30 does not exist. It is read with the offset before the change, +01:00.
        assert_eq!(berlin.text("2026-03-29 02:30:00"), timestamp::from_text(b"2026-03-29T01:30:00Z"));
    }

    #[test]
    fn other_strings_are_not_times() {
        let utc = rules("UTC", false);
        for text in [
            "",
            "soon",
            "2026-11-09",
            "2026-11-09 09:00:00Z UTC",
            "9/Nov/2026:10:00:00 +0100",
            "09/Nov/2026:10:00:00",
            "09/Nov/2026:25:00:00 +0100",
            "09/nov/2026:10:00:00 +0100",
            "Mon Nov 09 2026 10:00:00",
            "Nov 09 2026 10:00:00 GMT",
            "0x10",
            "01794214800",
            "1e",
            "-",
        ] {
            assert_eq!(utc.text(text), None, "{text}");
        }
    }

    #[test]
    fn only_json_numbers_are_numbers() {
        for text in ["0", "-0", "7", "10.5", "1e9", "1E+9", "-1.25e-3", "1794214800.000260"] {
            assert!(is_number(text), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "1 ",
            " 1",
            "1.5.2",
            "0x1",
            "2026-11-09",
            "1e5e",
        ] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn zone_is_a_name_or_an_abbreviation() {
        let utc = rules("UTC", false);
        for text in [
            "2026-11-09 10:00:00 CET",
            "2026-11-09T10:00:00.000 Europe/Berlin",
            "2026-11-09 01:00:00 PST",
            "2026-11-09T10:00:00+01:00[Europe/Berlin]",
            "2026-11-09T10:00:00[Europe/Berlin]",
            "2026-11-09 10:00:00,000 CET",
        ] {
            assert_eq!(utc.text(text), Some(MORNING), "{text}");
        }
        for text in
            ["2026-11-09 10:00:00 IST", "2026-11-09 10:00:00 CET CET", "1794214800 CET", "CET", "[UTC]"]
        {
            assert_eq!(utc.text(text), None, "{text}");
        }
    }

    #[test]
    fn pattern_reads_other_forms() {
        let berlin = rules("Europe/Berlin", false);
        for (text, pattern) in [
            ("09.11.2026 10:00", "%d.%m.%Y %H:%M"),
            ("11/09/2026 10:00:00 AM", "%m/%d/%Y %I:%M:%S %p"),
            ("20261109090000 +0000", "%Y%m%d%H%M%S %z"),
        ] {
            assert!(is_pattern(pattern), "{pattern}");
            assert_eq!(berlin.by_pattern(text, pattern), Some(MORNING), "{text}");
        }
        let midnight = timestamp::from_text(b"2026-11-08T23:00:00Z");
        // The zone of the map does not apply to times that name their own.
        for zone in ["Europe/Berlin", "Asia/Tokyo"] {
            for (text, pattern) in [
                ("09.11.26 10:00 CET", "%d.%m.%y %H:%M %Z"),
                ("09.11.26 04:00 EST", "%d.%m.%y %H:%M %Z"),
                ("Mon Nov  9 01:00:00 PST 2026", "%a %b %e %H:%M:%S %Z %Y"),
                ("Mon, 09 Nov 2026 09:00:00 GMT", "%a, %d %b %Y %H:%M:%S %Z"),
                ("09.11.2026 04:00 (America/New_York)", "%d.%m.%Y %H:%M (%Z)"),
                ("09.11.2026 10:00 +0100 XYZ", "%d.%m.%Y %H:%M %z %Z"),
            ] {
                assert_eq!(rules(zone, false).by_pattern(text, pattern), Some(MORNING), "{text}");
                assert!(!TimeRules::is_local_by_pattern(text, pattern), "{text}");
            }
            assert_eq!(rules(zone, false).by_pattern("09.11.2026 CET", "%d.%m.%Y %Z"), midnight);
            // The second 02:30 of the night in which summer time ends.
            let winter = rules(zone, false).by_pattern("25.10.26 02:30 CET", "%d.%m.%y %H:%M %Z");
            assert_eq!(winter, timestamp::from_text(b"2026-10-25T01:30:00Z"));
        }
        for zone in ["XYZ", "IST", "", "CET CET"] {
            assert_eq!(berlin.by_pattern(&format!("09.11.26 10:00 {zone}"), "%d.%m.%y %H:%M %Z"), None);
        }
        assert!(berlin.by_pattern("09.11.26 %Z", "%d.%m.%y %%Z").is_some());
        assert_eq!(berlin.by_pattern("09.11.2026", "%d.%m.%Y"), midnight);
        assert_eq!(berlin.by_pattern("9 Nov", "%d.%m.%Y"), None);
        assert!(!is_pattern("%Q") && !is_pattern("dd.mm.yyyy"));
    }

    #[test]
    fn native_reading_is_the_same_in_utc_or_with_an_offset() {
        let berlin = rules("Europe/Berlin", true);
        assert!(rules("UTC", true).agrees_with_native("2026-11-09 10:00:00"));
        assert!(berlin.agrees_with_native("2026-11-09T10:00:00.5Z"));
        assert!(!berlin.agrees_with_native("2026-11-09T10:00:00.5"));
        assert!(!berlin.agrees_with_native("1794214800"));
    }
}
