//! The days that a report looks at.

use crate::error::{Error, Result};
use crate::time::Day;

use super::values;

/// The most days that are looked at: a century.
pub const MOST_DAYS: u32 = 36_525;

/// The flags of a window.
#[derive(clap::Args, Debug, Default)]
pub struct Args {
    /// The N days that end with today, in the store's time zone
    #[arg(long, help_heading = "Days", value_name = "N", value_parser = values::window_days)]
    pub days: Option<u32>,

    /// The first day
    #[arg(long, help_heading = "Days", value_name = "DATE", value_parser = values::as_of)]
    pub from: Option<AsOf>,

    /// The last day [default: today]
    #[arg(long, help_heading = "Days", value_name = "DATE", value_parser = values::as_of)]
    pub to: Option<AsOf>,

    /// What to take as today: a day, `yesterday`, or `latest` (the last day with data)
    #[arg(long, help_heading = "Days", value_name = "DATE", value_parser = values::as_of)]
    pub as_of: Option<AsOf>,
}

/// A day, as a person names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AsOf {
    /// Today in the store's time zone.
    #[default]
    Today,
    /// The day before.
    Yesterday,
    /// The last day with data, never after today.
    Latest,
    /// This day.
    Day(Day),
}

impl AsOf {
    /// Returns the day, given today and the last day with data (today where there is none).
    pub fn resolve(self, today: Day, latest: Option<Day>) -> Day {
        match self {
            AsOf::Today => today,
            AsOf::Yesterday => today.plus(-1),
            // Lines up to a day in the future are taken; they do not make tomorrow today.
            AsOf::Latest => latest.unwrap_or(today).min(today),
            AsOf::Day(day) => day,
        }
    }
}

/// A window of days, checked; its edges are known when today and the data are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// So many days, the last of them being `as_of`.
    Days {
        /// How many: at least one.
        days: u32,
        /// The last.
        as_of: AsOf,
    },
    /// All days from the first to `to`.
    From {
        /// The first.
        from: AsOf,
        /// The last: what `--to` or `--as-of` says.
        to: AsOf,
    },
    /// So many days, the first of them being `from`.
    First {
        /// The first.
        from: AsOf,
        /// How many: at least one.
        days: u32,
    },
}

impl Window {
    /// Returns the first and the last day, given today and the last day with data.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where the first day is after the last.
    pub fn resolve(self, today: Day, latest: Option<Day>) -> Result<(Day, Day)> {
        match self {
            Window::Days { days, as_of } => {
                let last = as_of.resolve(today, latest);
                Ok((last.plus(1 - length(days)), last))
            }
            Window::From { from, to } => {
                let (first, last) = (from.resolve(today, latest), to.resolve(today, latest));
                if first <= last { Ok((first, last)) } else { Err(backwards(first, last)) }
            }
            Window::First { from, days } => {
                let first = from.resolve(today, latest);
                Ok((first, first.plus(length(days) - 1)))
            }
        }
    }
}

fn length(days: u32) -> i32 {
    i32::try_from(days.clamp(1, MOST_DAYS)).unwrap_or(1)
}

impl Args {
    /// Tells whether none of the flags was given.
    pub fn is_empty(&self) -> bool {
        self.days.is_none() && self.from.is_none() && self.to.is_none() && self.as_of.is_none()
    }

    /// Checks the flags; without any of them the window is the last `default` days.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] where they make no sense together.
    pub fn validate(&self, default: u32) -> Result<Window> {
        if self.to.is_some() && self.as_of.is_some() {
            return Err(Error::usage("--to and --as-of both say where the window ends")
                .hint("leave one of them out: --to names the last day, --as-of what is taken as today"));
        }
        let end = self.to.or(self.as_of);
        match (self.from, self.days, end) {
            (Some(_), Some(_), Some(_)) => {
                let end = if self.to.is_some() { "--to" } else { "--as-of" };
                Err(Error::usage(format!("--days, --from and {end} say the length of the window twice"))
                    .hint("leave one of the three out"))
            }
            (Some(from), Some(days), None) => Ok(Window::First { from, days }),
            (Some(AsOf::Day(from)), None, Some(AsOf::Day(to))) if from > to => Err(backwards(from, to)),
            (Some(from), None, end) => Ok(Window::From { from, to: end.unwrap_or_default() }),
            (None, days, end) => {
                Ok(Window::Days { days: days.unwrap_or(default), as_of: end.unwrap_or_default() })
            }
        }
    }
}

fn backwards(from: Day, to: Day) -> Error {
    Error::usage(format!("the window's first day, {from}, is after its last, {to}"))
        .hint(format!("write --from {to} --to {from}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn args(text: &str) -> Args {
        let mut args = Args::default();
        for word in text.split_whitespace() {
            let (flag, value) = word.split_once('=').unwrap();
            match flag {
                "days" => args.days = Some(values::window_days(value).unwrap()),
                "from" => args.from = Some(values::as_of(value).unwrap()),
                "to" => args.to = Some(values::as_of(value).unwrap()),
                _ => args.as_of = Some(values::as_of(value).unwrap()),
            }
        }
        args
    }

    fn window(text: &str) -> (String, String) {
        let (from, to) =
            args(text).validate(30).unwrap().resolve(d("2026-03-10"), Some(d("2026-03-05"))).unwrap();
        (from.to_string(), to.to_string())
    }

    fn pair(from: &str, to: &str) -> (String, String) {
        (from.to_owned(), to.to_owned())
    }

    #[test]
    fn n_days_end_with_today_and_count_it() {
        assert_eq!(window("days=1"), pair("2026-03-10", "2026-03-10"));
        assert_eq!(window("days=7"), pair("2026-03-04", "2026-03-10"));
        assert_eq!(window(""), pair("2026-02-09", "2026-03-10"));
    }

    #[test]
    fn as_of_moves_today() {
        assert_eq!(window("days=2 as-of=yesterday"), pair("2026-03-08", "2026-03-09"));
        assert_eq!(window("days=2 as-of=latest"), pair("2026-03-04", "2026-03-05"));
        assert_eq!(window("days=2 as-of=2026-01-01"), pair("2025-12-31", "2026-01-01"));
    }

    #[test]
    fn latest_is_never_after_today() {
        let latest = AsOf::Latest.resolve(d("2026-03-10"), Some(d("2026-03-11")));
        assert_eq!(latest, d("2026-03-10"));
        assert_eq!(AsOf::Latest.resolve(d("2026-03-10"), None), d("2026-03-10"));
    }

    #[test]
    fn from_and_to_are_both_in_the_window() {
        assert_eq!(window("from=2026-01-01 to=2026-01-31"), pair("2026-01-01", "2026-01-31"));
        assert_eq!(window("from=2026-03-01"), pair("2026-03-01", "2026-03-10"));
        assert_eq!(window("from=2026-03-01 as-of=yesterday"), pair("2026-03-01", "2026-03-09"));
        assert_eq!(window("from=yesterday"), pair("2026-03-09", "2026-03-10"));
        assert_eq!(window("from=2026-03-01 to=latest"), pair("2026-03-01", "2026-03-05"));
    }

    #[test]
    fn from_and_to_can_each_stand_with_days() {
        assert_eq!(window("from=2026-01-01 days=7"), pair("2026-01-01", "2026-01-07"));
        assert_eq!(window("to=2026-01-31 days=7"), pair("2026-01-25", "2026-01-31"));
        assert_eq!(window("to=2026-01-30"), pair("2026-01-01", "2026-01-30"));
    }

    #[test]
    fn contradictions_are_errors_with_the_fix() {
        let hint = |text: &str| {
            let error = args(text).validate(30).expect_err(text);
            assert_eq!(error.kind(), crate::ErrorKind::Usage);
            error.hint_text().map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(hint("from=2026-02-01 to=2026-01-01"), "write --from 2026-01-01 --to 2026-02-01");
        assert_eq!(hint("from=2026-02-01 as-of=2026-01-01"), "write --from 2026-01-01 --to 2026-02-01");
        assert_eq!(hint("from=2026-01-01 to=2026-01-07 days=7"), "leave one of the three out");
        assert_eq!(hint("from=2026-01-01 as-of=yesterday days=7"), "leave one of the three out");
        assert!(hint("to=2026-01-07 as-of=yesterday").starts_with("leave one of them out"));
        let late = args("from=2026-03-11").validate(30).unwrap();
        assert!(late.resolve(d("2026-03-10"), None).is_err());
    }

    #[test]
    fn a_window_has_days_and_not_more_than_a_century_of_them() {
        for (wrong, says) in [("0", "today alone is 1"), ("36526", "at most 36525"), ("a week", "a number")] {
            let error = values::window_days(wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
        assert_eq!(values::window_days("36525"), Ok(MOST_DAYS));
    }
}
