//! The days that a report looks at.

use crate::error::{Error, Result};
use crate::time::Day;

use super::values;

/// The flags of a window.
#[derive(clap::Args, Debug, Default)]
pub struct Args {
    /// The N days that end with today, in the store's time zone
    #[arg(long, help_heading = "Days", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36500))]
    pub days: Option<u32>,

    /// The first day
    #[arg(long, help_heading = "Days", value_name = "DATE", value_parser = values::day, conflicts_with = "days")]
    pub from: Option<Day>,

    /// The last day [default: today]
    #[arg(long, help_heading = "Days", value_name = "DATE", value_parser = values::day, conflicts_with = "days")]
    pub to: Option<Day>,

    /// What to take as today: a day, `yesterday`, or `latest` (the last day with data)
    #[arg(long, help_heading = "Days", value_name = "DATE", value_parser = values::as_of, conflicts_with = "to")]
    pub as_of: Option<AsOf>,
}

/// What to take as today.
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
        from: Day,
        /// The last: a day that `--to` gave, or what `--as-of` says.
        to: AsOf,
    },
}

impl Window {
    /// Returns the first and the last day, given today and the last day with data.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where the first day is after the last.
    pub fn resolve(self, today: Day, latest: Option<Day>) -> Result<(Day, Day)> {
        match self {
            Window::Days { days, as_of } => {
                let last = as_of.resolve(today, latest);
                let back = i32::try_from(days).unwrap_or(i32::MAX).saturating_sub(1);
                Ok((last.plus(-back), last))
            }
            Window::From { from, to } => {
                let last = to.resolve(today, latest);
                if from <= last { Ok((from, last)) } else { Err(backwards(from, last)) }
            }
        }
    }
}

impl Args {
    /// Tells whether none of the flags was given.
    pub fn is_empty(&self) -> bool {
        self.days.is_none() && self.from.is_none() && self.to.is_none() && self.as_of.is_none()
    }

    /// Checks the flags; without any of them the window is the last `default` days.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where they make no sense together.
    pub fn validate(&self, default: u32) -> Result<Window> {
        let as_of = self.as_of.unwrap_or_default();
        match (self.from, self.to) {
            (None, None) => Ok(Window::Days { days: self.days.unwrap_or(default), as_of }),
            (Some(from), None) => match as_of {
                AsOf::Day(day) if from > day => Err(backwards(from, day)),
                _ => Ok(Window::From { from, to: as_of }),
            },
            (Some(from), Some(to)) if from <= to => Ok(Window::From { from, to: AsOf::Day(to) }),
            (Some(from), Some(to)) => Err(backwards(from, to)),
            (None, Some(to)) => Err(Error::usage("--to needs a first day").hint(format!(
                "add --from DATE, or write --days {} --as-of {to}",
                self.days.unwrap_or(default)
            ))),
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
                "days" => args.days = Some(value.parse().unwrap()),
                "from" => args.from = Some(d(value)),
                "to" => args.to = Some(d(value)),
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
    }

    #[test]
    fn contradictions_are_errors_with_the_fix() {
        let error = args("from=2026-02-01 to=2026-01-01").validate(30).unwrap_err();
        assert_eq!(error.hint_text(), Some("write --from 2026-01-01 --to 2026-02-01"));
        let error = args("to=2026-01-31").validate(7).unwrap_err();
        assert_eq!(error.hint_text(), Some("add --from DATE, or write --days 7 --as-of 2026-01-31"));
        let late = args("from=2026-03-11").validate(30).unwrap();
        assert!(late.resolve(d("2026-03-10"), None).is_err());
    }
}
