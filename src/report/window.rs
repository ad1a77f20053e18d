//! The days that a report is about.
//!
//! What is typed (`--days`, `--from`, `--to`, `--as-of`) becomes a [`Window`] in
//! [`cli::window`](crate::cli::window).

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

    /// Returns the first instant of the window, and the first after it.
    pub fn times(self, zone: Zone) -> (Micros, Micros) {
        (zone.start_of(self.from), zone.start_of(self.to.plus(1)))
    }

    /// Returns the UTC dates that the window touches, both included.
    pub fn utc_dates(self, zone: Zone) -> (Day, Day) {
        let (start, end) = self.times(zone);
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
        let (start, end) = window("2026-03-29", "2026-03-29", "2026-04-01").times(berlin);
        assert_eq!(crate::time::format_utc(start), "2026-03-28T23:00:00Z");
        assert_eq!(crate::time::format_utc(end), "2026-03-29T22:00:00Z");
        let dates = window("2026-03-29", "2026-03-29", "2026-04-01").utc_dates(berlin);
        assert_eq!((dates.0.to_string(), dates.1.to_string()), ("2026-03-28".into(), "2026-03-29".into()));
    }
}
