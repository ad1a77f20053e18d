//! Time as the store keeps it: microseconds since 1970-01-01 UTC, and days in a time zone.

use chrono::{DateTime, Datelike, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{Tz, TzOffset};

/// Microseconds since 1970-01-01T00:00:00Z.
pub type Micros = i64;

/// Microseconds in a second.
pub const SECOND: Micros = 1_000_000;
/// Microseconds in a day of 24 hours.
pub const DAY: Micros = 86_400 * SECOND;

/// The clock as a value: the library never asks the system what time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The present, in microseconds since 1970 UTC.
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

    /// Makes a day out of a calendar date.
    pub fn from_date(date: NaiveDate) -> Day {
        Day(date.to_epoch_days())
    }

    /// Parses `YYYY-MM-DD`; `None` where it is no date.
    pub fn parse(text: &str) -> Option<Day> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(Day::from_date)
    }

    /// Returns the first day of the day's month, for `YYYY-MM` partitions.
    pub fn month_start(self) -> Day {
        let date = self.date();
        Day::from_date(date.with_day(1).unwrap_or(date))
    }

    /// Returns the day `n` days later (earlier where negative).
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
        write!(f, "{}", self.date().format("%Y-%m-%d"))
    }
}

/// The store's time zone: it decides on which day a session started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(pub Tz);

impl Zone {
    /// Coordinated universal time.
    pub const UTC: Zone = Zone(Tz::UTC);

    /// Parses an IANA name such as `Europe/Berlin`; `None` where there is no such zone.
    pub fn parse(name: &str) -> Option<Zone> {
        name.parse().ok().map(Zone)
    }

    /// Returns the IANA name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns the calendar day of a time in this zone.
    pub fn day(self, time: Micros) -> Day {
        if self.0 == Tz::UTC {
            return Day::utc(time);
        }
        let Some(utc) = DateTime::from_timestamp_micros(time) else { return Day::utc(time) };
        let offset = self.0.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc();
        Day::utc(time.saturating_add(i64::from(offset) * SECOND))
    }

    /// Returns the first instant of a day in this zone: a day of 23 or 25 hours begins where the
    /// local clock first shows it.
    pub fn start_of(self, day: Day) -> Micros {
        self.edge(day).0
    }

    /// Returns the instants between which a day begins: before the first all times are of earlier days, from
    /// the second on none is.
    ///
    /// They are the same, but where the clock showed midnight twice. In St. John's, on 2010-11-07, it went back
    /// from 00:01 to 23:01, and the 6th went on for another hour after the first minute of the 7th: between the
    /// two instants, [`Zone::day`] decides.
    pub fn edge(self, day: Day) -> (Micros, Micros) {
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
        // The zone is never more than a day away from UTC: search the first instant of the day.
        let (mut low, mut high) = (guess - DAY - 1, guess + DAY + 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.day(middle) < day { low = middle } else { high = middle }
        }
        (high, high)
    }
}

/// Writes a time as RFC 3339 in UTC, with as many digits of a second as it needs (0, 3 or 6).
pub fn format_utc(time: Micros) -> String {
    match DateTime::from_timestamp_micros(time) {
        Some(t) => t.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        None => time.to_string(),
    }
}

/// Parses RFC 3339, or `YYYY-MM-DD[T ]HH:MM:SS[.fraction]` or a date alone, taken as UTC.
/// For times that a person types; those of a log are read by `ingest::time`.
pub fn parse_human(text: &str) -> Option<Micros> {
    if let Ok(t) = DateTime::parse_from_rfc3339(text) {
        return Some(t.timestamp_micros());
    }
    for form in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
        if let Ok(t) = NaiveDateTime::parse_from_str(text, form) {
            return Some(t.and_utc().timestamp_micros());
        }
    }
    Day::parse(text).map(|d| i64::from(d.0) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_23_and_25_hours_begin_and_end_where_the_local_clock_says() {
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
    fn a_clock_that_goes_back_over_midnight_shows_the_day_before_again() {
        let zone = Zone::parse("America/St_Johns").unwrap();
        let at = |text: &str| parse_human(text).unwrap();
        let day = |text: &str| Day::parse(text).unwrap();
        // At UTC-2:30 until 00:01 of the 7th, which is 02:31 UTC; then at UTC-3:30.
        assert_eq!(zone.edge(day("2010-11-07")), (at("2010-11-07T02:30:00Z"), at("2010-11-07T03:30:00Z")));
        assert_eq!(zone.start_of(day("2010-11-07")), at("2010-11-07T02:30:00Z"));
        assert_eq!(zone.day(at("2010-11-07T02:30:59Z")), day("2010-11-07"));
        assert_eq!(zone.day(at("2010-11-07T02:31:00Z")), day("2010-11-06"));
        let noon = at("2010-11-06T02:30:00Z");
        assert_eq!(zone.edge(day("2010-11-06")), (noon, noon));
    }

    #[test]
    fn the_edges_of_days_are_right_in_every_zone() {
        for zone in chrono_tz::TZ_VARIANTS.iter().map(|tz| Zone(*tz)) {
            // St. John's clock went back over midnight in these years, and Samoa left out a day.
            for number in Day::parse("2007-01-01").unwrap().0..Day::parse("2012-01-01").unwrap().0 {
                let (first, second) = zone.edge(Day(number));
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
    fn a_day_before_1970_is_the_day_it_is() {
        assert_eq!(Day::utc(-1).to_string(), "1969-12-31");
        assert_eq!(Day::utc(0).to_string(), "1970-01-01");
    }

    #[test]
    fn a_month_starts_on_its_first() {
        assert_eq!(Day::parse("2026-02-28").unwrap().month_start().to_string(), "2026-02-01");
    }
}
