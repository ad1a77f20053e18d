//! The days that a report is about.
//!
//! What is typed (`--days`, `--from`, `--to`, `--as-of`) becomes a [`Window`] once, here; wrong or
//! contradictory wishes are errors that say how to put them right.

use crate::error::{Error, Result};
use crate::time::{Day, Micros, Zone};

/// The longest window: a century.
const MOST_DAYS: u32 = 36_525;

/// A run of days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// Today by the clock: a window that reaches it is not over yet.
    pub today: Day,
}

impl Window {
    /// Returns the number of days.
    pub fn days(self) -> u32 {
        self.to.0.saturating_sub(self.from.0).saturating_add(1).max(0).unsigned_abs()
    }

    /// Tells whether a day is in the window.
    pub fn contains(self, day: Day) -> bool {
        self.from <= day && day <= self.to
    }

    /// Returns the days as the pair by which tables are read.
    pub fn range(self) -> (Day, Day) {
        (self.from, self.to)
    }

    /// Returns the first instant of the window, and the first after it.
    pub fn times(self, zone: Zone) -> (Micros, Micros) {
        (zone.start_of(self.from), zone.start_of(self.to.plus(1)))
    }

    /// Returns the window of the same length that ends where this one begins.
    pub fn before(self) -> Window {
        let days = i32::try_from(self.days()).unwrap_or(i32::MAX);
        Window { from: self.from.plus(-days), to: self.from.plus(-1), today: self.today }
    }

    /// Tells whether the last day is still going on, or to come.
    pub fn is_partial(self) -> bool {
        self.to >= self.today
    }
}

impl std::fmt::Display for Window {
    /// Writes `2026-06-01 to 2026-06-30 (30 days)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.days() {
            1 => write!(f, "{} (1 day)", self.from),
            days => write!(f, "{} to {} ({days} days)", self.from, self.to),
        }
    }
}

/// The wishes for a window, as they were typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowOptions<'a> {
    /// `--days`: so many days.
    pub days: Option<u32>,
    /// `--from`: the first day.
    pub from: Option<&'a str>,
    /// `--to`: the last day.
    pub to: Option<&'a str>,
    /// `--as-of`: the day that stands in for today.
    pub as_of: Option<&'a str>,
}

impl WindowOptions<'_> {
    /// Tells whether nothing was wished.
    pub fn is_empty(&self) -> bool {
        *self == WindowOptions::default()
    }

    /// Makes the window: `default_days` days that end today, where nothing else was wished.
    ///
    /// `held` are the first and last day with data, for `latest`.
    ///
    /// # Errors
    /// Of kind usage, with the fix: no date, no days, the end before the start, contradictions.
    pub fn resolve(
        &self,
        default_days: u32,
        now: Micros,
        zone: Zone,
        held: Option<(Day, Day)>,
    ) -> Result<Window> {
        let today = zone.day(now);
        let day = |flag: &str, text: &str| parse_day(flag, text, today, held);
        if self.as_of.is_some() && self.to.is_some() {
            return Err(Error::usage("--as-of and --to both say where the window ends")
                .hint("leave one of them out: --as-of moves today, --to names the last day"));
        }
        if self.days.is_some() && self.from.is_some() && self.to.is_some() {
            return Err(Error::usage("--days, --from and --to together say the length of the window twice")
                .hint("leave one of the three out"));
        }
        match self.days {
            Some(0) => {
                return Err(Error::usage("--days 0 leaves no day to report on")
                    .hint("today alone is --days 1; yesterday alone is --days 1 --as-of yesterday"));
            }
            Some(days) if days > MOST_DAYS => {
                return Err(Error::usage(format!("--days {days} is more than a century"))
                    .hint(format!("the most is {MOST_DAYS}")));
            }
            _ => {}
        }
        let from = self.from.map(|text| day("--from", text)).transpose()?;
        let to = self.to.map(|text| day("--to", text)).transpose()?;
        let as_of = self.as_of.map(|text| day("--as-of", text)).transpose()?;
        let length = i32::try_from(self.days.unwrap_or(default_days).clamp(1, MOST_DAYS)).unwrap_or(1);
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) if self.days.is_some() && as_of.is_none() => (from, from.plus(length - 1)),
            (Some(_), None) if self.days.is_some() => {
                return Err(Error::usage(
                    "--days, --from and --as-of together say the length of the window twice",
                )
                .hint("leave one of the three out"));
            }
            (Some(from), None) => (from, as_of.unwrap_or(today)),
            (None, to) => {
                let to = to.or(as_of).unwrap_or(today);
                (to.plus(1 - length), to)
            }
        };
        if from > to {
            let end = match (self.to, self.as_of) {
                (Some(_), _) => format!("--to {to}"),
                (None, Some(_)) => format!("--as-of {to}"),
                (None, None) => format!("today, {to}"),
            };
            return Err(Error::usage(format!("--from {from} is after {end}"))
                .hint("the first day comes first: swap them, or name a later end with --to"));
        }
        Ok(Window { from, to, today })
    }
}

/// Reads a day as a person types it.
fn parse_day(flag: &str, text: &str, today: Day, held: Option<(Day, Day)>) -> Result<Day> {
    match text.trim() {
        "today" => Ok(today),
        "yesterday" => Ok(today.plus(-1)),
        // Lines up to a day in the future are taken; they do not make tomorrow today.
        "latest" => Ok(held.map_or(today, |(_, last)| last.min(today))),
        text => {
            let day = Day::parse(text).filter(|day| {
                let (first, last) = (Day::parse("1970-01-01"), Day::parse("9999-12-31"));
                first.is_some_and(|first| first <= *day) && last.is_some_and(|last| *day <= last)
            });
            day.ok_or_else(|| {
                Error::usage(format!("{flag} {text:?} is no date"))
                    .hint("write it as YYYY-MM-DD, or as one of today, yesterday, latest")
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_human;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    /// 2026-06-15 at noon, with data from March to the 12th of June.
    fn resolve(options: WindowOptions<'_>) -> Result<Window> {
        let now = parse_human("2026-06-15T12:00:00Z").unwrap();
        options.resolve(30, now, Zone::UTC, Some((day("2026-03-01"), day("2026-06-12"))))
    }

    fn range(options: WindowOptions<'_>) -> (String, String) {
        let window = resolve(options).unwrap();
        (window.from.to_string(), window.to.to_string())
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn days_end_with_today_and_include_it() {
        let none = WindowOptions::default();
        assert_eq!(range(none), pair("2026-05-17", "2026-06-15"));
        assert_eq!(resolve(none).unwrap().days(), 30);
        assert_eq!(range(WindowOptions { days: Some(1), ..none }), pair("2026-06-15", "2026-06-15"));
        assert_eq!(range(WindowOptions { days: Some(7), ..none }), pair("2026-06-09", "2026-06-15"));
    }

    #[test]
    fn as_of_moves_today() {
        let of = |as_of| WindowOptions { days: Some(2), as_of: Some(as_of), ..WindowOptions::default() };
        assert_eq!(range(of("yesterday")), pair("2026-06-13", "2026-06-14"));
        assert_eq!(range(of("latest")), pair("2026-06-11", "2026-06-12"));
        assert_eq!(range(of("2026-03-01")), pair("2026-02-28", "2026-03-01"));
        // The latest day is never after today, though a line may be up to a day in the future.
        let now = parse_human("2026-06-11T12:00:00Z").unwrap();
        let window = of("latest").resolve(30, now, Zone::UTC, Some((day("2026-03-01"), day("2026-06-12"))));
        assert_eq!(window.unwrap().to, day("2026-06-11"));
        // Without data there is no latest day but today.
        assert_eq!(of("latest").resolve(30, now, Zone::UTC, None).unwrap().to, day("2026-06-11"));
    }

    #[test]
    fn from_and_to_can_each_stand_alone_or_with_days() {
        let none = WindowOptions::default();
        assert_eq!(
            range(WindowOptions { from: Some("2026-06-01"), ..none }),
            pair("2026-06-01", "2026-06-15")
        );
        assert_eq!(range(WindowOptions { to: Some("2026-06-10"), ..none }), pair("2026-05-12", "2026-06-10"));
        let both = WindowOptions { from: Some("2026-06-01"), to: Some("2026-06-02"), ..none };
        assert_eq!(range(both), pair("2026-06-01", "2026-06-02"));
        let first_week = WindowOptions { from: Some("2026-06-01"), days: Some(7), ..none };
        assert_eq!(range(first_week), pair("2026-06-01", "2026-06-07"));
        let last_week = WindowOptions { to: Some("2026-06-10"), days: Some(7), ..none };
        assert_eq!(range(last_week), pair("2026-06-04", "2026-06-10"));
    }

    #[test]
    fn contradictions_are_errors_with_a_fix() {
        let none = WindowOptions::default();
        let wrong = [
            WindowOptions { days: Some(0), ..none },
            WindowOptions { days: Some(1_000_000), ..none },
            WindowOptions { to: Some("2026-06-01"), as_of: Some("yesterday"), ..none },
            WindowOptions { from: Some("2026-06-02"), to: Some("2026-06-01"), ..none },
            WindowOptions { from: Some("2026-06-01"), to: Some("2026-06-02"), days: Some(2), ..none },
            WindowOptions { from: Some("2026-06-01"), as_of: Some("today"), days: Some(2), ..none },
            WindowOptions { from: Some("2026-06-16"), ..none },
            WindowOptions { from: Some("2026-06-31"), ..none },
            WindowOptions { from: Some("last week"), ..none },
            WindowOptions { as_of: Some("0001-01-01"), ..none },
        ];
        for options in wrong {
            let error = resolve(options).expect_err(&format!("{options:?}"));
            assert_eq!(error.kind(), crate::error::Kind::Usage);
            assert!(error.hint_text().is_some(), "{error}");
        }
        let error = resolve(WindowOptions { from: Some("2026-06-16"), ..none }).unwrap_err();
        assert_eq!(error.to_string(), "--from 2026-06-16 is after today, 2026-06-15");
    }

    #[test]
    fn today_is_a_matter_of_the_time_zone() {
        let auckland = Zone::parse("Pacific/Auckland").unwrap();
        let now = parse_human("2026-06-15T12:00:00Z").unwrap();
        let window = WindowOptions::default().resolve(1, now, auckland, None).unwrap();
        assert_eq!(window.to, day("2026-06-16"));
    }

    #[test]
    fn the_window_before_is_as_long_and_ends_where_this_one_begins() {
        let window = resolve(WindowOptions { days: Some(7), ..WindowOptions::default() }).unwrap();
        assert!(window.is_partial());
        let before = window.before();
        assert_eq!((before.from, before.to), (day("2026-06-02"), day("2026-06-08")));
        assert!(!before.is_partial());
        assert_eq!(before.to_string(), "2026-06-02 to 2026-06-08 (7 days)");
    }
}
