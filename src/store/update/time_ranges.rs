//! Sets of time ranges.

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

#[cfg(test)]
mod tests {
    use super::*;

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
