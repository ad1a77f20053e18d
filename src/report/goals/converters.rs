//! The visitors of a window, and the goals that each of them reached.
//!
//! Visitors are distinguished by the 128-bit hash of their id. A visitor takes about 40 bytes, and
//! each further group of a breakdown that the visitor is in takes 12 bytes. The shards are resized
//! one at a time, so peak memory stays near the final size.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use rayon::prelude::*;

use crate::error::Result;
use crate::report::query::session_keys::{BoundValues, SessionValues, VisitorKeys};
use crate::store::frame::Frame;

/// The number of shards.
const SHARDS: usize = 64;

/// The group of a report without a breakdown.
const ALL: u32 = u32::MAX;

/// Marks the last group of a visitor.
const NONE: u32 = u32::MAX;

/// The visitors of a window with the goals that they reached.
pub(super) struct Converters(Vec<Mutex<Shard>>);

#[derive(Default)]
struct Shard {
    /// One group of each visitor.
    first: HashMap<u128, Reached>,
    /// The other groups of visitors.
    others: Vec<Reached>,
}

/// The goals that a visitor reached in sessions of a group.
#[derive(Clone, Copy)]
struct Reached {
    group: u32,
    /// The goals, as bits.
    goals: u32,
    /// The index of another group of the visitor in [`Shard::others`], or [`NONE`].
    next: u32,
}

/// The visitors of a group, and those that reached each goal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ConverterCounts {
    pub visitors: u64,
    pub converters: Vec<u64>,
}

impl ConverterCounts {
    /// Adds a visitor that reached goals.
    fn add(&mut self, goals: u32) {
        self.visitors += 1;
        for (number, count) in self.converters.iter_mut().enumerate() {
            *count += u64::from(goals >> number & 1);
        }
    }

    fn merge(&mut self, other: &ConverterCounts) {
        self.visitors += other.visitors;
        self.converters.iter_mut().zip(&other.converters).for_each(|(count, other)| *count += other);
    }
}

impl Converters {
    /// Returns no visitors.
    pub fn new() -> Converters {
        Converters((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// Adds goals to those of a visitor in some groups, or in a report without groups.
    pub fn add(&self, visitor: u128, groups: &[u32], goals: u32) {
        // The lower bits select the shard; the map hashes the whole value.
        let Some(shard) = self.0.get(visitor as usize % self.0.len()) else { return };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let groups = if groups.is_empty() { &[ALL] } else { groups };
        groups.iter().for_each(|group| shard.add(visitor, *group, goals));
    }

    /// Counts the visitors of `groups` groups and of all sessions at the end, and for each of
    /// `goals` goals the visitors that reached it. `number` returns the number of an added group;
    /// groups with equal numbers are counted as one.
    pub fn count(
        &self,
        goals: usize,
        groups: usize,
        number: &(impl Fn(u32) -> u32 + Sync),
    ) -> Vec<ConverterCounts> {
        let none = ConverterCounts { visitors: 0, converters: vec![0; goals] };
        let none = || vec![none.clone(); groups + 1];
        let of_shard = |shard: &Mutex<Shard>| {
            let mut counts = none();
            shard.lock().unwrap_or_else(PoisonError::into_inner).count(&mut counts, number);
            counts
        };
        self.0.par_iter().map(of_shard).reduce(none, |mut counts, others| {
            counts.iter_mut().zip(&others).for_each(|(count, other)| count.merge(other));
            counts
        })
    }
}

impl Shard {
    fn add(&mut self, visitor: u128, group: u32, goals: u32) {
        let Shard { first, others } = self;
        let first = match first.entry(visitor) {
            Entry::Vacant(entry) => {
                entry.insert(Reached { group, goals, next: NONE });
                return;
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        if first.group == group {
            first.goals |= goals;
            return;
        }
        let mut at = first.next;
        while let Some(reached) = others.get_mut(at as usize) {
            if reached.group == group {
                reached.goals |= goals;
                return;
            }
            at = reached.next;
        }
        let next = std::mem::replace(&mut first.next, others.len() as u32);
        others.push(Reached { group, goals, next });
    }

    /// Adds the visitors to the counts of their groups, and of all sessions at the end.
    fn count(&self, counts: &mut [ConverterCounts], number: &impl Fn(u32) -> u32) {
        let Some((all, counts)) = counts.split_last_mut() else { return };
        // The groups of a visitor by their numbers.
        let mut of_visitor: Vec<(u32, u32)> = Vec::new();
        for first in self.first.values() {
            of_visitor.clear();
            let mut next = Some(first);
            while let Some(reached) = next {
                let group = number(reached.group);
                match of_visitor.iter_mut().find(|(other, _)| *other == group) {
                    Some((_, goals)) => *goals |= reached.goals,
                    None => of_visitor.push((group, reached.goals)),
                }
                next = self.others.get(reached.next as usize);
            }
            all.add(of_visitor.iter().fold(0, |all, (_, goals)| all | goals));
            for (group, goals) in &of_visitor {
                counts.get_mut(*group as usize).into_iter().for_each(|count| count.add(*goals));
            }
        }
    }
}

/// Identifies the visitor of each session.
pub(super) struct SessionVisitors;

impl SessionValues for SessionVisitors {
    type Value = u128;

    fn columns(&self) -> Vec<&'static str> {
        vec!["anonymous_id", "user_id"]
    }

    fn bind<'f>(&self, _: usize, frame: &'f Frame) -> Result<BoundValues<'f, u128>> {
        let mut keys = VisitorKeys::new(frame)?;
        Ok(Box::new(move |row| keys.hash(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(visitors: u64, converters: &[u64]) -> ConverterCounts {
        ConverterCounts { visitors, converters: converters.to_vec() }
    }

    #[test]
    fn visitors_that_differ_in_one_bit_count_separately() {
        let converters = Converters::new();
        for bit in 0..128 {
            converters.add(1 << bit, &[], 0);
            converters.add(1 << bit, &[], u32::from(bit % 2 == 0) | 2);
        }
        assert_eq!(converters.count(3, 0, &|group| group), [counts(128, &[64, 128, 0])]);
    }

    #[test]
    fn visitor_counts_once_in_each_of_its_groups() {
        let converters = Converters::new();
        for (visitor, groups, goals) in
            [(1, &[5, 9][..], 1), (1, &[7], 2), (1, &[9], 2), (2, &[7], 0), (3, &[8, 9], 2)]
        {
            converters.add(visitor, groups, goals);
        }
        let [group5, group7, group9] = [counts(1, &[1, 0]), counts(2, &[0, 1]), counts(2, &[1, 2])];
        let all = counts(3, &[1, 2]);
        // The groups 5, 7 and 9, without group 8.
        let number = |group: u32| if group == 8 { 99 } else { (group - 5) / 2 };
        assert_eq!(converters.count(2, 3, &number), [group5, group7, group9, all.clone()]);
        // The groups 7 to 9 together.
        let merged = [counts(1, &[1, 0]), counts(3, &[1, 2]), all];
        assert_eq!(converters.count(2, 2, &|group| u32::from(group > 5)), merged);
    }
}
