//! Sets of time ranges, and the time spans of sessions.

use std::collections::HashMap;

use crate::prehashed::PreHashed;
use crate::time::Micros;

/// Disjoint inclusive time ranges, in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TimeRanges(Vec<(Micros, Micros)>);

impl TimeRanges {
    /// Returns the union of inclusive ranges, in any order.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (Micros, Micros)>) -> TimeRanges {
        let mut sorted: Vec<_> = ranges.into_iter().collect();
        sorted.sort_unstable();
        let mut merged: Vec<(Micros, Micros)> = Vec::new();
        for (from, to) in sorted {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        TimeRanges(merged)
    }

    /// Returns whether an inclusive range overlaps any of the ranges.
    pub fn overlaps(&self, from: Micros, to: Micros) -> bool {
        let first_ending_later = self.0.partition_point(|range| range.1 < from);
        self.0.get(first_ending_later).is_some_and(|range| range.0 <= to)
    }
}

/// Time spans of sessions, by the hash of their key.
#[derive(Debug, Default)]
pub struct SessionSpans(HashMap<u128, Vec<(Micros, Micros)>, PreHashed>);

impl SessionSpans {
    /// Adds a session with its first and last time.
    pub fn add(&mut self, key: u128, span: (Micros, Micros)) {
        self.0.entry(key).or_default().push(span);
    }

    /// Returns whether a session with this key overlaps an inclusive range of times.
    pub fn overlap(&self, key: u128, (from, to): (Micros, Micros)) -> bool {
        let spans = self.0.get(&key);
        spans.is_some_and(|spans| spans.iter().any(|(start, end)| *start <= to && from <= *end))
    }

    /// Removes the sessions that ended before a time.
    pub fn remove_ended(&mut self, before: Micros) {
        self.0.retain(|_, spans| {
            spans.retain(|(_, end)| *end >= before);
            !spans.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_spans_overlap_by_key_until_they_are_removed() {
        let mut spans = SessionSpans::default();
        spans.add(1, (10, 20));
        spans.add(1, (40, 50));
        spans.add(2, (100, 100));
        assert!(spans.overlap(1, (20, 20)) && spans.overlap(1, (0, 99)) && spans.overlap(2, (100, 100)));
        assert!(!spans.overlap(1, (21, 39)) && !spans.overlap(1, (100, 100)) && !spans.overlap(3, (10, 20)));
        spans.remove_ended(21);
        assert!(!spans.overlap(1, (10, 20)) && spans.overlap(1, (50, 50)) && spans.overlap(2, (100, 100)));
    }

    #[test]
    fn ranges_overlap_if_they_share_a_moment() {
        let ranges = TimeRanges::from_ranges([(10, 20), (40, 50), (15, 30)]);
        assert_eq!(ranges, TimeRanges(vec![(10, 30), (40, 50)]));
        for (from, to, expected) in
            [(0, 9, false), (0, 10, true), (30, 39, true), (31, 39, false), (45, 46, true), (51, 99, false)]
        {
            assert_eq!(ranges.overlaps(from, to), expected, "{from} to {to}");
        }
    }
}
