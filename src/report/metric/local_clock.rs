//! Converts many times to local time in the store's time zone.

use crate::time::{DAY, Day, Micros, SECOND, Zone};

/// Converts times to local time. The offset of the last day is cached, since most times are on the
/// same day as the previous one.
pub(crate) struct LocalClock {
    zone: Zone,
    /// A range of times, its end excluded, and the offset from UTC; `None` if the offset changes.
    cached: Option<(Micros, Micros, Option<Micros>)>,
}

impl LocalClock {
    /// Returns the clock of a zone.
    pub fn new(zone: Zone) -> LocalClock {
        LocalClock { zone, cached: None }
    }

    /// Returns the weekday of a time, from 0 for Monday to 6, and the hour, from 0 to 23.
    pub fn weekday_and_hour(&mut self, time: Micros) -> (usize, usize) {
        let local = self.local(time);
        let hour = local.rem_euclid(DAY) / (3_600 * SECOND);
        (weekday(Day::utc(local)), usize::try_from(hour).unwrap_or(0))
    }

    fn local(&mut self, time: Micros) -> Micros {
        let (_, _, offset) = match self.cached {
            Some(cached) if cached.0 <= time && time < cached.1 => cached,
            _ => *self.cached.insert(self.day_of(time)),
        };
        offset.map_or_else(|| self.zone.local(time), |offset| time + offset)
    }

    /// Returns the UTC date of a time as a range, with the offset if the clock does not change.
    fn day_of(&self, time: Micros) -> (Micros, Micros, Option<Micros>) {
        let start = i64::from(Day::utc(time).0) * DAY;
        let offset = |time: Micros| self.zone.local(time) - time;
        // If the clock changes on a day, the offsets at its start and its end differ.
        let (first, last) = (offset(start), offset(start + DAY - 1));
        (start, start + DAY, (first == last).then_some(first))
    }
}

/// Returns the weekday, from 0 for Monday to 6.
pub(crate) fn weekday(day: Day) -> usize {
    // 1970-01-01 was a Thursday.
    usize::try_from((i64::from(day.0) + 3).rem_euclid(7)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::parse_human;
    use chrono::{Datelike, Timelike};
    use proptest::prelude::*;

    #[test]
    fn hour_follows_the_clock_changes() {
        let mut clock = LocalClock::new(Zone::parse("Europe/Berlin").unwrap());
        let mut at = |time: &str| clock.weekday_and_hour(parse_human(time).unwrap());
        // On Sunday, 2026-03-29, the hour from 02:00 is skipped.
        assert_eq!((at("2026-03-29T00:59:59Z"), at("2026-03-29T01:00:00Z")), ((6, 1), (6, 3)));
        // On Sunday, 2026-10-25, the hour from 02:00 is repeated.
        assert_eq!((at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z")), ((6, 2), (6, 2)));
        assert_eq!((at("2026-10-25T22:59:59Z"), at("2026-10-25T23:00:00Z")), ((6, 23), (0, 0)));
    }

    proptest! {
        #[test]
        fn cached_clock_equals_chrono(
            zone in prop::sample::select(vec!["UTC", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"]),
            times in prop::collection::vec(0i64..4_000_000_000, 1..30),
            days in prop::collection::vec(0i64..600, 1..30),
        ) {
            let zone = Zone::parse(zone).unwrap();
            let mut clock = LocalClock::new(zone);
            // Scattered times, and times within two years.
            let near = days.iter().zip(times.iter()).map(|(day, time)| 1_760_000_000 + day * 86_400 + time % 86_400);
            for seconds in times.iter().copied().chain(near) {
                let local = chrono::DateTime::from_timestamp(seconds, 0).unwrap().with_timezone(&zone.0);
                let expected = (local.weekday().num_days_from_monday() as usize, local.hour() as usize);
                prop_assert_eq!(clock.weekday_and_hour(seconds * SECOND), expected);
            }
        }
    }
}
