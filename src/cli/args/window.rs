//! The window of days that a report covers.

use crate::error::{Error, Result};
use crate::report::ReportKind;
use crate::time::{Day, Micros};

use super::values;

/// The maximum length of a window: a century.
pub(super) const MAX_DAYS: u32 = 36_525;

/// The flags of a window.
#[derive(clap::Args, Debug, Default)]
pub(in crate::cli) struct Args {
    /// Last N days, including today, in the time zone of the store
    #[arg(long, help_heading = "Days", value_name = "N", value_parser = values::window_days)]
    pub days: Option<u32>,

    /// First day
    #[arg(long, help_heading = "Days", value_name = "DATE", value_parser = values::day)]
    pub from: Option<AsOf>,

    /// Last day [default: today]
    #[arg(long, help_heading = "Days", value_name = "DATE", value_parser = values::day)]
    pub to: Option<AsOf>,

    /// Use this day as today: a day, yesterday, or latest (the last day with data)
    #[arg(long, help_heading = "Days", value_name = "DATE", value_parser = values::day)]
    pub as_of: Option<AsOf>,
}

/// Adds the default value of `--days`, which depends on the command, to its help.
pub(in crate::cli) fn show_default_days(command: clap::Command) -> clap::Command {
    let add = |default: String| {
        move |days: clap::Arg| {
            let help = days.get_help().map(|help| format!("{help} [default: {default}]"));
            days.help(help.unwrap_or_default())
        }
    };
    command
        .mut_subcommand("events", |events| events.mut_arg("days", add("7".to_owned())))
        .mut_subcommand("export", |export| export.mut_arg("days", add("all".to_owned())))
        .mut_subcommand("dashboard", |dashboard| dashboard.mut_arg("days", add("365".to_owned())))
        .mut_subcommand("report", |report| {
            report.mut_subcommands(|report| match ReportKind::from_name(report.get_name()) {
                None | Some(ReportKind::Active) => report,
                Some(ReportKind::Sessions) => report.mut_arg("days", add("all".to_owned())),
                Some(kind) => report.mut_arg("days", add(kind.default_days().to_string())),
            })
        })
}

/// A day, possibly relative to today or to the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum AsOf {
    /// Today in the time zone of the store.
    #[default]
    Today,
    /// The day before today.
    Yesterday,
    /// The last day with data, but never after today.
    Latest,
    /// A fixed day.
    Day(Day),
}

impl AsOf {
    /// Returns the day. `latest` is the last day with data; without data it is today.
    fn resolve(self, today: Day, latest: Option<Day>) -> Day {
        match self {
            AsOf::Today => today,
            AsOf::Yesterday => today.plus(-1),
            // Ingest accepts events up to a day in the future. `latest` is never after today.
            AsOf::Latest => latest.unwrap_or(today).min(today),
            AsOf::Day(day) => day,
        }
    }
}

/// The time of a report on one point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Moment {
    /// A fixed time.
    At(Micros),
    /// The time of the newest event, but never after now.
    Latest,
}

impl Moment {
    /// Returns the time. `newest` is the time of the newest event; without events, `latest` is now.
    pub(in crate::cli) fn resolve(self, now: Micros, newest: Option<Micros>) -> Micros {
        match self {
            Moment::At(time) => time,
            Moment::Latest => newest.unwrap_or(now).min(now),
        }
    }
}

/// A validated window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Window {
    /// The last `days` days up to `as_of`.
    Last { days: u32, as_of: AsOf },
    /// The days `from` to `to`, both included.
    Between { from: AsOf, to: AsOf },
    /// The `days` days that begin with `from`.
    First { from: AsOf, days: u32 },
}

impl Window {
    /// Returns the first and the last day. `latest` is the last day with data.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if the first day is after the last.
    pub(in crate::cli) fn resolve(self, today: Day, latest: Option<Day>) -> Result<(Day, Day)> {
        match self {
            Window::Last { days, as_of } => {
                let last = as_of.resolve(today, latest);
                Ok((last.plus(1 - length(days)), last))
            }
            Window::Between { from, to } => {
                let (first, last) = (from.resolve(today, latest), to.resolve(today, latest));
                if first <= last { Ok((first, last)) } else { Err(reversed(first, last)) }
            }
            Window::First { from, days } => {
                let first = from.resolve(today, latest);
                Ok((first, first.plus(length(days) - 1)))
            }
        }
    }
}

fn length(days: u32) -> i32 {
    i32::try_from(days.clamp(1, MAX_DAYS)).unwrap_or(1)
}

impl Args {
    /// Returns whether no flag is given.
    pub(in crate::cli) fn is_empty(&self) -> bool {
        self.days.is_none() && self.from.is_none() && self.to.is_none() && self.as_of.is_none()
    }

    /// Returns whether `--as-of latest` is given.
    pub(in crate::cli) fn is_as_of_latest(&self) -> bool {
        self.as_of == Some(AsOf::Latest)
    }

    /// Validates the flags. Without a length, the window has `default_days` days.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if the flags contradict each other.
    pub(in crate::cli) fn validate(&self, default_days: u32) -> Result<Window> {
        if self.to.is_some() && self.as_of.is_some() {
            return Err(Error::usage("--to and --as-of both set the end of the window")
                .hint("remove one of them: --to is the last day, --as-of replaces today"));
        }
        let end = self.to.or(self.as_of);
        match (self.from, self.days, end) {
            (Some(_), Some(_), Some(_)) => {
                let end = if self.to.is_some() { "--to" } else { "--as-of" };
                Err(Error::usage(format!("--days, --from and {end} set the length of the window twice"))
                    .hint("remove one of the three"))
            }
            (Some(from), Some(days), None) => Ok(Window::First { from, days }),
            (Some(AsOf::Day(from)), None, Some(AsOf::Day(to))) if from > to => Err(reversed(from, to)),
            (Some(from), None, end) => Ok(Window::Between { from, to: end.unwrap_or_default() }),
            (None, days, end) => {
                let days = days.unwrap_or(default_days);
                Ok(Window::Last { days, as_of: end.unwrap_or_default() })
            }
        }
    }
}

fn reversed(from: Day, to: Day) -> Error {
    Error::usage(format!("the first day of the window, {from}, is after the last, {to}"))
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
                "from" => args.from = Some(values::day(value).unwrap()),
                "to" => args.to = Some(values::day(value).unwrap()),
                _ => args.as_of = Some(values::day(value).unwrap()),
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
    fn days_end_with_today() {
        assert_eq!(window("days=1"), pair("2026-03-10", "2026-03-10"));
        assert_eq!(window("days=7"), pair("2026-03-04", "2026-03-10"));
        assert_eq!(window(""), pair("2026-02-09", "2026-03-10"));
    }

    #[test]
    fn as_of_replaces_today() {
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
    fn from_and_to_are_included() {
        assert_eq!(window("from=2026-01-01 to=2026-01-31"), pair("2026-01-01", "2026-01-31"));
        assert_eq!(window("from=2026-03-01"), pair("2026-03-01", "2026-03-10"));
        assert_eq!(window("from=2026-03-01 as-of=yesterday"), pair("2026-03-01", "2026-03-09"));
        assert_eq!(window("from=yesterday"), pair("2026-03-09", "2026-03-10"));
        assert_eq!(window("from=2026-03-01 to=latest"), pair("2026-03-01", "2026-03-05"));
    }

    #[test]
    fn days_combine_with_from_or_to() {
        assert_eq!(window("from=2026-01-01 days=7"), pair("2026-01-01", "2026-01-07"));
        assert_eq!(window("to=2026-01-31 days=7"), pair("2026-01-25", "2026-01-31"));
        assert_eq!(window("to=2026-01-30"), pair("2026-01-01", "2026-01-30"));
    }

    #[test]
    fn contradictory_flags_are_errors_with_a_fix() {
        let hint = |text: &str| {
            let error = args(text).validate(30).expect_err(text);
            assert_eq!(error.kind(), crate::ErrorKind::Usage);
            error.hint_text().map(str::to_owned).unwrap_or_default()
        };
        assert_eq!(hint("from=2026-02-01 to=2026-01-01"), "write --from 2026-01-01 --to 2026-02-01");
        assert_eq!(hint("from=2026-02-01 as-of=2026-01-01"), "write --from 2026-01-01 --to 2026-02-01");
        assert_eq!(hint("from=2026-01-01 to=2026-01-07 days=7"), "remove one of the three");
        assert_eq!(hint("from=2026-01-01 as-of=yesterday days=7"), "remove one of the three");
        assert!(hint("to=2026-01-07 as-of=yesterday").starts_with("remove one of them"));
        let late = args("from=2026-03-11").validate(30).unwrap();
        assert!(late.resolve(d("2026-03-10"), None).is_err());
    }

    #[test]
    fn window_length_is_one_day_to_a_century() {
        for (wrong, says) in [("0", "at least 1"), ("36526", "at most 36525"), ("a week", "a number")] {
            let error = values::window_days(wrong).unwrap_err();
            assert!(error.contains(says), "{wrong}: {error}");
        }
        assert_eq!(values::window_days("36525"), Ok(MAX_DAYS));
    }
}
