//! The days that a report is about.
//!
//! What is typed (`--days`, `--from`, `--to`, `--as-of`) becomes a [`Window`] in
//! [`cli::window`](crate::cli::args::window).

use crate::time::{Day, Micros, Zone};

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

    /// Returns the times of the window.
    pub fn times(self, zone: Zone) -> Times {
        let (start, end) = (zone.start_bounds(self.from), zone.start_bounds(self.to.plus(1)));
        Times { window: self, zone, within: (start.1, end.0), around: (start.0, end.1) }
    }

    /// Returns the UTC dates that the window touches, both included.
    pub fn utc_dates(self, zone: Zone) -> (Day, Day) {
        let (start, end) = self.times(zone).around;
        (Day::utc(start), Day::utc(end - 1))
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

/// The times of a window in a zone: those from one instant to another, but where a clock went back over the
/// midnight at an end.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    window: Window,
    zone: Zone,
    /// All times from the first instant to the second, excluded, are of the window.
    pub within: (Micros, Micros),
    /// No other times are than these.
    pub around: (Micros, Micros),
}

impl Times {
    /// Tells whether a time is of the window.
    #[inline]
    pub fn contain(&self, time: Micros) -> bool {
        let is_in = |(start, end): (Micros, Micros)| start <= time && time < end;
        is_in(self.within) || (is_in(self.around) && self.window.contains(self.zone.day(time)))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: &str, to: &str, today: &str) -> Window {
        let day = |text| Day::parse(text).unwrap();
        Window { from: day(from), to: day(to), today: day(today) }
    }

    #[test]
    fn the_window_before_is_as_long_and_ends_where_this_one_begins() {
        let week = window("2026-06-09", "2026-06-15", "2026-06-15");
        assert!(week.is_partial());
        let before = week.before();
        assert!(!before.is_partial());
        assert_eq!(before.to_string(), "2026-06-02 to 2026-06-08 (7 days)");
    }

    #[test]
    fn a_window_names_its_days_and_counts_them() {
        let day = window("2026-06-15", "2026-06-15", "2026-06-16");
        assert_eq!((day.days(), day.to_string()), (1, "2026-06-15 (1 day)".to_owned()));
        assert!(day.contains(day.from) && !day.contains(day.to.plus(1)) && !day.contains(day.from.plus(-1)));
    }

    #[test]
    fn the_times_of_a_window_are_those_of_its_zone() {
        // The clocks of Berlin go forward in that night: the day has 23 hours, from 23:00 UTC.
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let times = window("2026-03-29", "2026-03-29", "2026-04-01").times(berlin);
        let (start, end) = times.within;
        assert_eq!(times.around, times.within);
        assert!(
            times.contain(start)
                && times.contain(end - 1)
                && !times.contain(start - 1)
                && !times.contain(end)
        );
        assert_eq!(crate::time::format_utc(start), "2026-03-28T23:00:00Z");
        assert_eq!(crate::time::format_utc(end), "2026-03-29T22:00:00Z");
        let dates = window("2026-03-29", "2026-03-29", "2026-04-01").utc_dates(berlin);
        assert_eq!((dates.0.to_string(), dates.1.to_string()), ("2026-03-28".into(), "2026-03-29".into()));
    }
    #[test]
    fn an_hour_that_came_twice_at_midnight_is_of_the_day_that_the_clock_showed() {
        // In St. John's it was the 7th from 02:30 to 02:31 UTC, and the 6th again up to 03:30.
        let zone = Zone::parse("America/St_Johns").unwrap();
        let holds = |day: &str, time: &str| {
            window(day, day, "2026-06-15").times(zone).contain(crate::time::parse_human(time).unwrap())
        };
        for (time, day, other) in [
            ("2010-11-07T02:29:59Z", "2010-11-06", "2010-11-07"),
            ("2010-11-07T02:30:00Z", "2010-11-07", "2010-11-06"),
            ("2010-11-07T02:31:00Z", "2010-11-06", "2010-11-07"),
            ("2010-11-07T03:29:59Z", "2010-11-06", "2010-11-07"),
            ("2010-11-07T03:30:00Z", "2010-11-07", "2010-11-06"),
        ] {
            assert!(holds(day, time) && !holds(other, time), "{time}");
        }
    }
}
