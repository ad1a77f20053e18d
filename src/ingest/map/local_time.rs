//! The times of mapped logs: more forms than native lines allow, and local clocks.

use std::borrow::Cow;

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems, parse, parse_and_remainder};

pub use crate::decimal::integer::is_number;
use crate::ingest::timestamp::{self, has_offset};
use crate::time::{Micros, Zone};

/// The longest string that a pattern reads, in bytes.
const LONGEST_TEXT: usize = 64;

/// Returns a `strftime` pattern in the form that [`TimeRules::by_pattern`] reads.
///
/// `.%f`, which is a fraction of a second in Python, becomes chrono's `%.f`. A literal `Z` after
/// the time of day means UTC.
///
/// # Errors
/// Returns what is wrong with a pattern that is not valid, or whose fields do not determine a time.
pub fn prepare_pattern(pattern: &str) -> Result<String, &'static str> {
    let mut pattern = pattern.replace(".%f", "%.f");
    if let Some(time) = pattern.strip_suffix('Z').filter(|time| ends_with_time(time)) {
        pattern = format!("{time}%#z");
    }
    let items: Vec<Item<'_>> = StrftimeItems::new(&pattern).collect();
    if !pattern.contains('%') || items.contains(&Item::Error) {
        return Err("it is not a strftime pattern");
    }
    let number =
        |kind: Numeric| items.iter().any(|item| matches!(item, Item::Numeric(own, _) if *own == kind));
    let fixed =
        |kinds: &[Fixed]| items.iter().any(|item| matches!(item, Item::Fixed(own) if kinds.contains(own)));
    if number(Numeric::Timestamp) || fixed(&[Fixed::RFC2822, Fixed::RFC3339]) {
        return Ok(pattern);
    }
    let has_am_pm = fixed(&[Fixed::LowerAmPm, Fixed::UpperAmPm]);
    let (minute, second) = (number(Numeric::Minute), number(Numeric::Second));
    let month = number(Numeric::Month) || fixed(&[Fixed::ShortMonthName, Fixed::LongMonthName]);
    let day = number(Numeric::Day) && month || number(Numeric::Ordinal);
    if number(Numeric::Nanosecond) {
        return Err("`%f` is a number of nanoseconds: write `%.f` for a fraction of a second");
    }
    if number(Numeric::Hour12) && !has_am_pm {
        return Err("`%I` needs `%p`");
    }
    if !number(Numeric::Hour) && !number(Numeric::Hour12) && (minute || second || has_am_pm) {
        return Err("it has no hour");
    }
    if second && !minute {
        return Err("it has no minute");
    }
    let weekday = number(Numeric::NumDaysFromSun)
        || number(Numeric::WeekdayFromMon)
        || fixed(&[Fixed::ShortWeekdayName, Fixed::LongWeekdayName]);
    let is_iso_week =
        (number(Numeric::IsoYear) || number(Numeric::IsoYearMod100)) && number(Numeric::IsoWeek);
    let is_week = number(Numeric::WeekFromSun) || number(Numeric::WeekFromMon);
    match is_iso_week && weekday || number(Numeric::Year) || number(Numeric::YearMod100) {
        true if day || weekday && (is_week || is_iso_week) => Ok(pattern),
        true => Err("it does not determine the day: add %m and %d, or %j"),
        false => Err("it has no year"),
    }
}

/// Returns whether the last field of a pattern is a part of the time of day.
fn ends_with_time(pattern: &str) -> bool {
    let is_space = |item: &Item<'_>| match item {
        Item::Literal(text) => text.trim().is_empty(),
        item => matches!(item, Item::Space(_)),
    };
    let items: Vec<Item<'_>> = StrftimeItems::new(pattern).collect();
    match items.iter().rev().find(|item| !is_space(item)) {
        Some(Item::Numeric(kind, _)) => {
            matches!(kind, Numeric::Hour | Numeric::Minute | Numeric::Second)
        }
        Some(Item::Fixed(kind)) => {
            use Fixed::*;
            matches!(kind, LowerAmPm | UpperAmPm | Nanosecond | Nanosecond3 | Nanosecond6 | Nanosecond9)
        }
        _ => false,
    }
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

    /// Parses a time with a prepared `strftime` pattern: `%d.%m.%Y %H:%M`. A date without a time
    /// stands for its first instant, and so does an hour without a minute. For `%Z`, the text has
    /// the name or the abbreviation of a zone.
    pub fn by_pattern(self, text: &str, pattern: &str) -> Option<Micros> {
        match PatternTime::read(text, pattern)? {
            PatternTime::Instant(time) => Some(time),
            PatternTime::Local(local) => Some(self.zone.from_local(local)),
        }
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
        matches!(PatternTime::read(text, pattern), Some(PatternTime::Local(_)))
    }

    /// Returns whether the native [`timestamp`] parser reads a string as the same time.
    pub fn agrees_with_native(self, text: &str) -> bool {
        self.zone == Zone::UTC || (!is_number(text) && has_offset(text))
    }
}

/// A time that was read with a pattern.
enum PatternTime {
    /// A time with an offset or a zone, or a number of seconds.
    Instant(Micros),
    /// A local time, in microseconds since the epoch as if it were UTC.
    Local(Micros),
}

impl PatternTime {
    /// Parses a string with a `strftime` pattern; `None` if the pattern does not match it.
    fn read(text: &str, pattern: &str) -> Option<PatternTime> {
        if text.len() > LONGEST_TEXT {
            return None;
        }
        let mut parsed = Parsed::new();
        let zone = match pattern.contains("%Z") {
            true => parse_with_zone(&mut parsed, text, pattern)?,
            false => {
                parse(&mut parsed, text, StrftimeItems::new(pattern)).ok()?;
                None
            }
        };
        if parsed.offset().is_some() && parsed.hour_mod_12().is_none() {
            parsed.set_hour(0).ok()?;
        }
        let has_hour = parsed.hour_div_12().is_some() && parsed.hour_mod_12().is_some();
        if has_hour && parsed.minute().is_none() {
            parsed.set_minute(0).ok()?;
        }
        if let Ok(time) = parsed.to_datetime() {
            return Some(PatternTime::Instant(time.timestamp_micros()));
        }
        let midnight = || parsed.to_naive_date().ok().filter(|_| !has_hour)?.and_hms_opt(0, 0, 0);
        let local = parsed.to_naive_datetime_with_offset(0).ok().or_else(midnight)?;
        let local = local.and_utc().timestamp_micros();
        match zone {
            Some(zone) => Some(PatternTime::Instant(Zone::parse_abbreviation(zone)?.from_local(local))),
            None => Some(PatternTime::Local(local)),
        }
    }
}

/// Parses a string with a pattern, and returns the name of a zone at `%Z`, which chrono skips.
fn parse_with_zone<'t>(parsed: &mut Parsed, text: &'t str, pattern: &str) -> Option<Option<&'t str>> {
    let items: Vec<Item<'_>> = StrftimeItems::new(pattern).collect();
    let is_zone = |item: &Item<'_>| matches!(item, Item::Fixed(Fixed::TimezoneName));
    let Some(at) = items.iter().position(is_zone) else {
        parse(parsed, text, items.iter()).ok()?;
        return Some(None);
    };
    let rest = parse_and_remainder(parsed, text, items.get(..at)?.iter()).ok()?;
    let is_part = |sign: char| sign.is_ascii_alphanumeric() || "/_+-".contains(sign);
    let (zone, rest) = rest.split_at(rest.find(|sign| !is_part(sign)).unwrap_or(rest.len()));
    parse(parsed, rest, items.get(at + 1..)?.iter()).ok()?;
    Some(Some(zone))
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
            assert_eq!(prepare_pattern(pattern).as_deref(), Ok(pattern));
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
    }

    #[test]
    fn prepared_pattern_determines_a_time() {
        let berlin = rules("Europe/Berlin", false);
        // The text stands for 2026-11-09T09:00:00Z and the given microseconds.
        for (text, pattern, micros) in [
            ("2026-11-09 10", "%Y-%m-%d %H", 0),
            ("9.11.2026 10 Uhr", "%d.%m.%Y %H Uhr", 0),
            ("11/09/2026 10 AM", "%m/%d/%Y %I %p", 0),
            ("2026-11-09 10:00:00.123456", "%Y-%m-%d %H:%M:%S.%f", 123_456),
            ("2026-11-09 10:00:00.5", "%Y-%m-%d %H:%M:%S.%f", 500_000),
            ("2026-11-09T09:00:00Z", "%Y-%m-%dT%H:%M:%SZ", 0),
            ("2026-11-09T09:00:00.25Z", "%Y-%m-%dT%H:%M:%S.%fZ", 250_000),
            ("2026-11-09 08 -0100", "%Y-%m-%d %H %z", 0),
            ("1794214800", "%s", 0),
            ("2026-313 10:00", "%Y-%j %H:%M", 0),
            ("2026-11-09 09:00:00 Z", "%Y-%m-%d %H:%M:%S Z", 0),
            ("2026-11-09 09:00:00Z", "%Y-%m-%d %XZ", 0),
            ("2026-W46-1 10", "%G-W%V-%u %H", 0),
            ("2026-11-09+00:00", "%Y-%m-%d%:z", -9 * 3600 * SECOND),
        ] {
            let prepared = prepare_pattern(pattern).unwrap();
            assert_eq!(berlin.by_pattern(text, &prepared), Some(MORNING + micros), "{text}");
        }
        for (pattern, fault) in [
            ("%Q", "it is not a strftime pattern"),
            ("dd.mm.yyyy", "it is not a strftime pattern"),
            ("%m/%d/%Y %I:%M", "`%I` needs `%p`"),
            ("%m/%d/%Y %M:%S", "it has no hour"),
            ("%m/%d/%Y %p", "it has no hour"),
            ("%m/%d/%Y %H %S", "it has no minute"),
            ("%d.%m. %H:%M", "it has no year"),
            ("%Y %H:%M", "it does not determine the day: add %m and %d, or %j"),
            (
                "%Y-%m-%d %H:%M:%S,%f",
                "`%f` is a number of nanoseconds: write `%.f` for a fraction of a second",
            ),
        ] {
            assert_eq!(prepare_pattern(pattern), Err(fault), "{pattern}");
        }
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
