//! Times as microseconds since 1970-01-01 UTC, and calendar days in a time zone.

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{Tz, TzOffset};

/// Microseconds since 1970-01-01T00:00:00Z.
pub type Micros = i64;

/// Microseconds in a second.
pub const SECOND: Micros = 1_000_000;
/// Microseconds in an hour.
pub const HOUR: Micros = 3600 * SECOND;
/// Microseconds in a day of 24 hours.
pub const DAY: Micros = 86_400 * SECOND;

/// The current time as a value. Only the command line reads the system clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The current time.
    pub now: Micros,
}

/// A calendar day, as the number of days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// Returns the UTC date of a time.
    pub fn utc(time: Micros) -> Day {
        Day(time.div_euclid(DAY) as i32)
    }

    /// Returns the day as a calendar date.
    pub fn date(self) -> NaiveDate {
        NaiveDate::from_epoch_days(self.0).unwrap_or(NaiveDate::MIN)
    }

    /// Returns the day of a calendar date.
    pub fn from_date(date: NaiveDate) -> Day {
        Day(date.to_epoch_days())
    }

    /// Parses `YYYY-MM-DD`; `None` if the text is not a date.
    pub fn parse(text: &str) -> Option<Day> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Day::from_date)
    }

    /// Returns the first day of the month, which names a `YYYY-MM` partition.
    pub fn month_start(self) -> Day {
        let date = self.date();
        Day::from_date(date.with_day(1).unwrap_or(date))
    }

    /// Returns the day `n` days later, or earlier if `n` is negative.
    pub fn plus(self, n: i32) -> Day {
        Day(self.0.saturating_add(n))
    }

    /// Returns the day `days` days earlier.
    pub fn minus_days(self, days: u32) -> Day {
        self.plus(i32::try_from(days).map_or(i32::MIN, |days| -days))
    }
}

impl std::fmt::Display for Day {
    /// Writes `YYYY-MM-DD`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let date = self.date();
        match date.year() {
            // chrono's formatter takes several times as long.
            year @ 0..=9999 => write!(f, "{year:04}-{:02}-{:02}", date.month(), date.day()),
            _ => write!(f, "{}", date.format("%Y-%m-%d")),
        }
    }
}

/// A time zone, which determines the calendar day of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(pub Tz);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone(Tz::UTC);

    /// Parses an IANA name such as `Europe/Berlin`; `None` for an unknown name.
    pub fn parse(name: &str) -> Option<Zone> {
        name.parse().ok().map(Zone)
    }

    /// Parses an IANA name, or an abbreviation that has one offset in practice (`CEST`, `PDT`);
    /// `None` for others, such as `IST` and `CST`, which have several.
    pub fn parse_abbreviation(name: &str) -> Option<Zone> {
        // In these names, a positive sign means west of Greenwich.
        let fixed = match name {
            "GMT" | "UTC" | "Z" | "WET" => "Etc/GMT",
            "WEST" | "CET" => "Etc/GMT-1",
            "CEST" | "EET" | "SAST" => "Etc/GMT-2",
            "EEST" | "MSK" => "Etc/GMT-3",
            "SGT" | "HKT" | "AWST" => "Etc/GMT-8",
            "JST" | "KST" => "Etc/GMT-9",
            "AEST" => "Etc/GMT-10",
            "AEDT" => "Etc/GMT-11",
            "NZST" => "Etc/GMT-12",
            "NZDT" => "Etc/GMT-13",
            "BRT" => "Etc/GMT+3",
            "EDT" => "Etc/GMT+4",
            "EST" | "CDT" => "Etc/GMT+5",
            "MDT" => "Etc/GMT+6",
            "MST" | "PDT" => "Etc/GMT+7",
            "PST" | "AKDT" => "Etc/GMT+8",
            "AKST" => "Etc/GMT+9",
            "HST" => "Etc/GMT+10",
            _ => name,
        };
        Zone::parse(fixed)
    }

    /// Returns the IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns the calendar day of a time in this zone.
    pub fn day(self, time: Micros) -> Day {
        Day::utc(self.local(time))
    }

    /// Returns the local time in this zone at an instant, as if it were UTC.
    pub fn local(self, time: Micros) -> Micros {
        if self.0 == Tz::UTC {
            return time;
        }
        let Some(utc) = DateTime::from_timestamp_micros(time) else { return time };
        let offset = self.0.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc();
        time.saturating_add(i64::from(offset) * SECOND)
    }

    /// Returns the instant of a local time in this zone, which is given as if it were UTC.
    ///
    /// If the local time occurs twice, returns the first instant. If clocks skip it, uses the
    /// offset before the change.
    pub fn from_local(self, local: Micros) -> Micros {
        let Some(naive) = DateTime::from_timestamp_micros(local).map(|time| time.naive_utc()) else {
            return local;
        };
        let micros = |offset: TzOffset| i64::from(offset.fix().local_minus_utc()) * SECOND;
        match self.0.offset_from_local_datetime(&naive) {
            MappedLocalTime::Single(offset) => local - micros(offset),
            MappedLocalTime::Ambiguous(a, b) => (local - micros(a)).min(local - micros(b)),
            MappedLocalTime::None => {
                let before = naive.checked_sub_signed(chrono::TimeDelta::days(1)).unwrap_or(naive);
                local - micros(self.0.offset_from_utc_datetime(&before))
            }
        }
    }

    /// Returns the first instant of a day in this zone. Days of a clock change have 23 or 25 hours.
    pub fn start_of(self, day: Day) -> Micros {
        self.start_bounds(day).0
    }

    /// Returns the two instants that bound the start of a day.
    ///
    /// All times before the first instant belong to earlier days, and no time from the second
    /// instant on does. The two differ only if the local clock showed midnight twice. In St.
    /// John's, on 2010-11-07, it went back from 00:01 to 23:01, so the 6th continued for an hour
    /// after the first minute of the 7th. Between the two instants, [`Zone::day`] decides.
    pub fn start_bounds(self, day: Day) -> (Micros, Micros) {
        let guess = i64::from(day.0) * DAY;
        if self.0 == Tz::UTC {
            return (guess, guess);
        }
        if let Some(midnight) = day.date().and_hms_opt(0, 0, 0)
            && let MappedLocalTime::Ambiguous(a, b) = self.0.offset_from_local_datetime(&midnight)
        {
            let instant = |offset: &TzOffset| guess - i64::from(offset.fix().local_minus_utc()) * SECOND;
            let (a, b) = (instant(&a), instant(&b));
            return (a.min(b), a.max(b));
        }
        // No zone differs from UTC by more than a day, so the first instant of the day is in this
        // range.
        let (mut low, mut high) = (guess - DAY - 1, guess + DAY + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.day(middle) < day { low = middle } else { high = middle }
        }
        (high, high)
    }
}

/// Formats a time as RFC 3339 in UTC, with 0, 3 or 6 fractional digits as needed.
pub fn format_utc(time: Micros) -> String {
    match DateTime::from_timestamp_micros(time) {
        Some(t) => t.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        None => time.to_string(),
    }
}

/// Formats a time as RFC 3339 in a time zone, to the second.
pub fn format_in(time: Micros, zone: Zone) -> String {
    match DateTime::from_timestamp_micros(time) {
        Some(t) => t.with_timezone(&zone.0).to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        None => time.to_string(),
    }
}

/// Parses a time argument: RFC 3339, `YYYY-MM-DD[T ]HH:MM[:SS[.fraction]]`, or a date.
///
/// Times without an offset are UTC. `ingest::timestamp` parses the times of logs.
pub fn parse_human(text: &str) -> Option<Micros> {
    if let Ok(t) = DateTime::parse_from_rfc3339(text) {
        return Some(t.timestamp_micros());
    }
    for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(t) = NaiveDateTime::parse_from_str(text, format) {
            return Some(t.and_utc().timestamp_micros());
        }
    }
    Day::parse(text).map(|d| i64::from(d.0) * DAY)
}

/// Parses a time argument as [`parse_human`] does. A time without an offset is local time in
/// `zone`.
pub fn parse_human_in(text: &str, zone: Zone) -> Option<Micros> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.timestamp_micros()),
        Err(_) => parse_human(text).map(|local| zone.from_local(local)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_change_days_have_23_and_25_hours() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let hours = |day: &str| {
            let day = Day::parse(day).unwrap();
            (berlin.start_of(day.plus(1)) - berlin.start_of(day)) / (3600 * SECOND)
        };
        assert_eq!(hours("2026-03-29"), 23);
        assert_eq!(hours("2026-10-25"), 25);
        assert_eq!(hours("2026-06-01"), 24);
        // 2026-03-28T23:00:00Z is midnight of the 29th in Berlin (UTC+1).
        let midnight = parse_human("2026-03-28T23:00:00Z").unwrap();
        assert_eq!(berlin.start_of(Day::parse("2026-03-29").unwrap()), midnight);
        assert_eq!(berlin.day(midnight - 1), Day::parse("2026-03-28").unwrap());
    }

    #[test]
    fn clock_change_over_midnight_repeats_the_previous_day() {
        let zone = Zone::parse("America/St_Johns").unwrap();
        let at = |text: &str| parse_human(text).unwrap();
        let day = |text: &str| Day::parse(text).unwrap();
        // At UTC-2:30 until 00:01 of the 7th, which is 02:31 UTC; then at UTC-3:30.
        assert_eq!(
            zone.start_bounds(day("2010-11-07")),
            (at("2010-11-07T02:30:00Z"), at("2010-11-07T03:30:00Z"))
        );
        assert_eq!(zone.start_of(day("2010-11-07")), at("2010-11-07T02:30:00Z"));
        assert_eq!(zone.day(at("2010-11-07T02:30:59Z")), day("2010-11-07"));
        assert_eq!(zone.day(at("2010-11-07T02:31:00Z")), day("2010-11-06"));
        let midnight = at("2010-11-06T02:30:00Z");
        assert_eq!(zone.start_bounds(day("2010-11-06")), (midnight, midnight));
    }

    #[test]
    fn start_bounds_agree_with_day_in_every_zone() {
        for zone in chrono_tz::TZ_VARIANTS.iter().map(|tz| Zone(*tz)) {
            // In these years the clock of St. John's went back over midnight, and Samoa skipped a
            // day.
            for number in Day::parse("2007-01-01").unwrap().0..Day::parse("2012-01-01").unwrap().0 {
                let (first, second) = zone.start_bounds(Day(number));
                assert!(first <= second && second - first <= DAY, "{} {}", zone.name(), Day(number));
                for before in [1, 3600 * SECOND] {
                    assert!(zone.day(first - before).0 < number, "{} {}", zone.name(), Day(number));
                    assert!(zone.day(second + before - 1).0 >= number, "{} {}", zone.name(), Day(number));
                }
                assert!(zone.day(first).0 >= number, "{} {}", zone.name(), Day(number));
            }
        }
    }

    #[test]
    fn abbreviation_names_one_offset() {
        // This is 12:00 local time, given as if it were UTC.
        let noon = parse_human("2026-07-01T12:00:00Z").unwrap();
        for (name, hours) in
            [("CEST", 2), ("PDT", -7), ("EST", -5), ("JST", 9), ("UTC", 0), ("Europe/Berlin", 2), ("CET", 1)]
        {
            let zone = Zone::parse_abbreviation(name).unwrap();
            assert_eq!(zone.from_local(noon), noon - hours * 3600 * SECOND, "{name}");
        }
        for name in ["IST", "CST", "BST", "", "10:00:00", "Berlin"] {
            assert_eq!(Zone::parse_abbreviation(name), None, "{name}");
        }
    }

    #[test]
    fn days_before_1970_are_calendar_days() {
        assert_eq!(Day::utc(-1).to_string(), "1969-12-31");
        assert_eq!(Day::utc(0).to_string(), "1970-01-01");
    }

    #[test]
    fn month_start_is_the_first_of_the_month() {
        assert_eq!(Day::parse("2026-02-28").unwrap().month_start().to_string(), "2026-02-01");
    }
}
