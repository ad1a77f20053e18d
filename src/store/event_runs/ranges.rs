//! Divides a run into time ranges that each contain about the same number of events.

use crate::time::{DAY, Day, Micros};

/// Maximum number of ranges.
const RANGES: usize = 64;
/// Minimum number of events per range, except if there is only one range.
const EVENTS_PER_RANGE: usize = 1 << 10;

/// Adjacent time ranges that cover all times.
#[derive(Debug)]
pub(super) struct Ranges {
    /// The start of each range except the first.
    starts: Vec<Micros>,
}

impl Ranges {
    /// Divides times into ranges. A boundary is moved back to the preceding midnight (UTC) if that
    /// lies within the previous range. The events of a date can then be read without those of other
    /// dates.
    pub fn divide(mut times: Vec<Micros>) -> Ranges {
        let count = (times.len() / EVENTS_PER_RANGE).clamp(1, RANGES);
        times.sort_unstable();
        let mut starts: Vec<Micros> = Vec::new();
        for number in 1..count {
            let Some(start) = times.get(number * times.len() / count) else { continue };
            let date = Micros::from(Day::utc(*start).0) * DAY;
            let before = starts.last().or(times.first()).copied().unwrap_or(Micros::MIN);
            let start = if date > before { date } else { *start };
            if start > before {
                starts.push(start);
            }
        }
        Ranges { starts }
    }

    /// Returns the number of ranges.
    pub fn count(&self) -> usize {
        self.starts.len() + 1
    }

    /// Returns the index of the range that contains a time.
    #[inline]
    pub fn find(&self, time: Micros) -> usize {
        self.starts.partition_point(|start| *start <= time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_about_the_same_number_of_events() {
        let ranges = Ranges::divide((0..100_000).rev().collect());
        assert_eq!(ranges.count(), RANGES);
        let mut events = vec![0; RANGES];
        (0..100_000).for_each(|time| events[ranges.find(time)] += 1);
        assert!(events.iter().all(|events| (1500..1600).contains(events)), "{events:?}");
        assert_eq!((ranges.find(Micros::MIN), ranges.find(Micros::MAX)), (0, RANGES - 1));
    }

    #[test]
    fn every_date_with_enough_events_begins_a_range() {
        let times = (0..90_000).map(|event| event % 30 * DAY + event * 900_000);
        let ranges = Ranges::divide(times.collect());
        let starts: Vec<Micros> = (1..30).map(|day| day * DAY).collect();
        assert!(starts.iter().all(|start| ranges.starts.contains(start)), "{:?}", ranges.starts);
    }

    #[test]
    fn few_events_and_equal_times_have_one_range() {
        for times in [vec![], vec![7; 10], vec![7; 100_000]] {
            assert_eq!(Ranges::divide(times).count(), 1);
        }
    }
}
