//! The stretches of time that something covers.

use crate::time::Micros;

/// Disjoint stretches of time, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage(Vec<(Micros, Micros)>);

impl Coverage {
    /// Joins stretches (first and last moment, both included) that overlap or touch.
    pub fn of(stretches: impl IntoIterator<Item = (Micros, Micros)>) -> Coverage {
        let mut sorted: Vec<_> = stretches.into_iter().collect();
        sorted.sort_unstable();
        let mut joined: Vec<(Micros, Micros)> = Vec::new();
        for (from, to) in sorted {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        Coverage(joined)
    }

    /// Tells whether a stretch has a moment in common with any of these.
    pub fn touches(&self, from: Micros, to: Micros) -> bool {
        let first_ending_later = self.0.partition_point(|stretch| stretch.1 < from);
        self.0.get(first_ending_later).is_some_and(|stretch| stretch.0 <= to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_touch_where_they_share_a_moment() {
        let coverage = Coverage::of([(10, 20), (40, 50), (15, 30)]);
        assert_eq!(coverage, Coverage(vec![(10, 30), (40, 50)]));
        for (from, to, expected) in
            [(0, 9, false), (0, 10, true), (30, 39, true), (31, 39, false), (45, 46, true), (51, 99, false)]
        {
            assert_eq!(coverage.touches(from, to), expected, "{from} to {to}");
        }
    }
}
