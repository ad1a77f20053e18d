//! The days that a report covers.

use crate::time::{Day, Micros, Zone};

/// A range of days, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
    /// Today by the clock. A window that includes it is incomplete.
    pub today: Day,
}

impl Window {
    /// Returns the number of days.
    pub fn days(self) -> u32 {
        self.to.0.saturating_sub(self.from.0).saturating_add(1).max(0).unsigned_abs()
    }

    /// Returns whether a day is in the window.
    pub(crate) fn contains(self, day: Day) -> bool {
        self.from <= day && day <= self.to
    }

    /// Returns the first and the last day.
    pub(crate) fn range(self) -> (Day, Day) {
        (self.from, self.to)
    }

    /// Returns the instants of the window in a time zone.
    pub(crate) fn instants(self, zone: Zone) -> Instants {
        let (start, end) = (zone.start_bounds(self.from), zone.start_bounds(self.to.plus(1)));
        Instants { window: self, zone, certain: (start.1, end.0), possible: (start.0, end.1) }
    }

    /// Returns the first and the last UTC date that the window overlaps.
    pub(crate) fn utc_dates(self, zone: Zone) -> (Day, Day) {
        let (start, end) = self.instants(zone).possible;
        (Day::utc(start), Day::utc(end - 1))
    }

    /// Returns the previous period: the same number of days, ending the day before the window.
    pub(crate) fn previous(self) -> Window {
        let days = i32::try_from(self.days()).unwrap_or(i32::MAX);
        Window { from: self.from.plus(-days), to: self.from.plus(-1), today: self.today }
    }

    /// Returns whether the last day is today or in the future.
    pub(crate) fn is_partial(self) -> bool {
        self.to >= self.today
    }
}

/// The instants of a window in a time zone.
///
/// They form one range, unless a clock was set back over midnight at an end of the window. Then the
/// same local day has two ranges of instants, and the instants near that end need a look-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instants {
    window: Window,
    zone: Zone,
    /// A range whose instants are all in the window, its end excluded.
    pub certain: (Micros, Micros),
    /// A range that contains all instants of the window, its end excluded.
    pub possible: (Micros, Micros),
}

impl Instants {
    /// Returns whether an instant is in the window.
    #[inline]
    pub fn contain(&self, time: Micros) -> bool {
        let is_in = |(start, end): (Micros, Micros)| start <= time && time < end;
        is_in(self.certain) || (is_in(self.possible) && self.window.contains(self.zone.day(time)))
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
    fn previous_period_has_same_length_and_ends_before_window() {
        let week = window("2026-06-09", "2026-06-15", "2026-06-15");
        assert!(week.is_partial());
        let previous = week.previous();
        assert!(!previous.is_partial());
        assert_eq!(previous.to_string(), "2026-06-02 to 2026-06-08 (7 days)");
    }

    #[test]
    fn window_of_one_day_has_no_range_in_text() {
        let day = window("2026-06-15", "2026-06-15", "2026-06-16");
        assert_eq!((day.days(), day.to_string()), (1, "2026-06-15 (1 day)".to_owned()));
        assert!(day.contains(day.from) && !day.contains(day.to.plus(1)) && !day.contains(day.from.plus(-1)));
    }

    #[test]
    fn instants_follow_the_time_zone() {
        // Clocks in Berlin are set forward that night, so the day has 23 hours, from 23:00 UTC.
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let times = window("2026-03-29", "2026-03-29", "2026-04-01").instants(berlin);
        let (start, end) = times.certain;
        assert_eq!(times.possible, times.certain);
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
    fn hour_repeated_at_midnight_is_in_the_day_on_the_clock() {
        // In St. John's it was the 7th from 02:30 to 02:31 UTC, and the 6th again until 03:30.
        let zone = Zone::parse("America/St_Johns").unwrap();
        let contains = |day: &str, time: &str| {
            window(day, day, "2026-06-15").instants(zone).contain(crate::time::parse_human(time).unwrap())
        };
        for (time, day, other) in [
            ("2010-11-07T02:29:59Z", "2010-11-06", "2010-11-07"),
            ("2010-11-07T02:30:00Z", "2010-11-07", "2010-11-06"),
            ("2010-11-07T02:31:00Z", "2010-11-06", "2010-11-07"),
            ("2010-11-07T03:29:59Z", "2010-11-06", "2010-11-07"),
            ("2010-11-07T03:30:00Z", "2010-11-07", "2010-11-06"),
        ] {
            assert!(contains(day, time) && !contains(other, time), "{time}");
        }
    }
}
