//! Calendar periods: days, ISO weeks and months, in a time zone.

use crate::error::{Error, Result};
use crate::time::{Day, Micros, Zone};

/// The length of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interval {
    /// A day.
    Day,
    /// A week that begins on Monday.
    #[default]
    Week,
    /// A month.
    Month,
}

impl Interval {
    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Interval::Day => "day",
            Interval::Week => "week",
            Interval::Month => "month",
        }
    }

    /// Returns the default number of days in a window: two weeks, twelve weeks or a year.
    pub fn default_days(self) -> u32 {
        match self {
            Interval::Day => 14,
            Interval::Week => 84,
            Interval::Month => 365,
        }
    }

    /// Returns the first day of the period that contains a day.
    pub(crate) fn start(self, day: Day) -> Day {
        match self {
            Interval::Day => day,
            // 1970-01-01 was a Thursday, the fourth day of its week.
            Interval::Week => day.plus(-(day.0.saturating_add(3)).rem_euclid(7)),
            Interval::Month => day.month_start(),
        }
    }

    /// Returns the first day of the period after the one that contains a day.
    pub(crate) fn next_start(self, day: Day) -> Day {
        match self {
            Interval::Day => day.plus(1),
            Interval::Week => self.start(day).plus(7),
            // No month has more than 31 days.
            Interval::Month => day.month_start().plus(31).month_start(),
        }
    }
}

/// Consecutive periods.
pub(crate) struct Periods {
    /// The first days of the periods, and of the period after the last.
    days: Vec<Day>,
    /// For each of these days, the two instants that bound its start: see [`Zone::start_bounds`].
    starts: Vec<(Micros, Micros)>,
    zone: Zone,
}

/// The maximum number of periods: almost three years of days.
pub(crate) const MAX_PERIODS: usize = 1 << 10;

impl Periods {
    /// Returns the periods that overlap the days from `first` to `last`.
    ///
    /// # Errors
    /// Fails if there are more than [`MAX_PERIODS`].
    pub fn new(interval: Interval, first: Day, last: Day, zone: Zone) -> Result<Periods> {
        let mut days = Vec::new();
        if first <= last {
            days.push(interval.start(first));
            while let Some(day) = days.last().copied().filter(|day| *day <= last) {
                if days.len() > MAX_PERIODS {
                    let unit = interval.name();
                    return Err(Error::usage(format!("the window has more than {MAX_PERIODS} {unit}s"))
                        .hint("choose fewer days, or a longer --interval"));
                }
                days.push(interval.next_start(day));
            }
        }
        let starts = days.iter().map(|day| zone.start_bounds(*day)).collect();
        Ok(Periods { days, starts, zone })
    }

    /// Returns the number of periods.
    pub fn len(&self) -> usize {
        self.days.len().saturating_sub(1)
    }

    /// Returns the first day of a period.
    pub fn first_day(&self, period: usize) -> Option<Day> {
        self.days.get(period).copied()
    }

    /// Returns the last day of a period.
    pub fn last_day(&self, period: usize) -> Option<Day> {
        Some(self.days.get(period + 1)?.plus(-1))
    }

    /// Returns a function that finds the periods of times. It is faster than
    /// [`find`](Periods::find) if most times are in the same period as the previous one.
    pub fn finder(&self) -> impl FnMut(Micros) -> Option<usize> {
        // A period, and a range of times that are all in it.
        let mut last: Option<(usize, Micros, Micros)> = None;
        move |time| match last {
            Some((period, start, end)) if start <= time && time < end => Some(period),
            _ => {
                let period = self.find(time)?;
                let (start, end) = (self.starts.get(period)?.1, self.starts.get(period + 1)?.0);
                last = Some((period, start, end));
                Some(period)
            }
        }
    }

    /// Returns the period of a time; `None` if it is in no period.
    pub fn find(&self, time: Micros) -> Option<usize> {
        let after = self.starts.partition_point(|(start, _)| *start <= time);
        let mut period = after.checked_sub(1)?;
        // If a clock is set back across midnight, the previous day continues until midnight comes
        // again.
        let (_, certain) = self.starts.get(period)?;
        if time < *certain && Some(self.zone.day(time)) < self.first_day(period) {
            period = period.checked_sub(1)?;
        }
        (period < self.len()).then_some(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_human;
    use proptest::prelude::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    fn days(periods: &Periods) -> Vec<String> {
        (0..periods.len()).map(|period| periods.first_day(period).unwrap().to_string()).collect()
    }

    #[test]
    fn periods_cover_the_days() {
        let periods =
            |interval, first, last| Periods::new(interval, day(first), day(last), Zone::UTC).unwrap();
        // 2026-06-10 is a Wednesday.
        let weeks = periods(Interval::Week, "2026-06-10", "2026-06-22");
        assert_eq!(days(&weeks), ["2026-06-08", "2026-06-15", "2026-06-22"]);
        assert_eq!(weeks.last_day(2), Some(day("2026-06-28")));
        let months = periods(Interval::Month, "2026-12-31", "2027-02-01");
        assert_eq!(days(&months), ["2026-12-01", "2027-01-01", "2027-02-01"]);
        assert_eq!(months.last_day(2), Some(day("2027-02-28")));
        assert_eq!(days(&periods(Interval::Day, "2026-02-28", "2026-03-01")), ["2026-02-28", "2026-03-01"]);
        assert_eq!(periods(Interval::Day, "2026-03-02", "2026-03-01").len(), 0);
        let error = Periods::new(Interval::Day, Day(0), Day(5_000), Zone::UTC).err().unwrap();
        assert_eq!(error.to_string(), "the window has more than 1024 days");
        assert_eq!(periods(Interval::Day, "2026-01-01", "2028-10-20").len(), 1_024);
    }

    #[test]
    fn time_around_a_repeated_midnight_has_the_local_day() {
        // In St. John's it was the 7th from 02:30 to 02:31 UTC, and the 6th again until 03:30.
        let zone = Zone::parse("America/St_Johns").unwrap();
        let periods = Periods::new(Interval::Day, day("2010-11-06"), day("2010-11-07"), zone).unwrap();
        let find = |time: &str| periods.find(parse_human(time).unwrap());
        assert_eq!(find("2010-11-07T02:29:59Z"), Some(0));
        assert_eq!(find("2010-11-07T02:30:30Z"), Some(1));
        assert_eq!(find("2010-11-07T02:31:00Z"), Some(0));
        assert_eq!(find("2010-11-07T03:30:00Z"), Some(1));
        assert_eq!((find("2010-11-05T12:00:00Z"), find("2010-11-09T12:00:00Z")), (None, None));
    }

    proptest! {
        #[test]
        fn time_is_in_the_period_of_its_day(
            zone in prop::sample::select(vec!["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"]),
            interval in prop::sample::select(vec![Interval::Day, Interval::Week, Interval::Month]),
            hours in prop::collection::vec(-200i64..9_000, 1..20),
        ) {
            let zone = Zone::parse(zone).unwrap();
            let (first, last) = (day("2011-07-01"), day("2012-06-30"));
            let periods = Periods::new(interval, first, last, zone).unwrap();
            let mut find = periods.finder();
            for hour in hours {
                let time = parse_human("2011-07-01").unwrap() + hour * 3_600_000_000;
                let start = interval.start(zone.day(time));
                let expected = (0..periods.len()).find(|period| periods.first_day(*period) == Some(start));
                prop_assert_eq!(periods.find(time), expected);
                prop_assert_eq!(find(time), expected);
                // The finder now remembers a period.
                prop_assert_eq!(find(time), expected);
            }
        }
    }
}
