//! The groups of each session, as the number of a set of groups.
//!
//! A session is in one group, or in several if the groups are values of events. Most sessions share
//! their set of groups with many others.

use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;

use super::classes::FrameClasses;

/// The set of no groups.
const EMPTY: u32 = 0;

/// Numbers sets of groups.
pub(crate) struct GroupSets(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    by_groups: HashMap<Arc<[u32]>, u32>,
    /// The groups of each set, in ascending order.
    sets: Vec<Arc<[u32]>>,
}

/// The number of the set of groups of each row of a frame. Rows beyond the end of the list are in
/// no group and have the number 0.
pub(crate) type RowSets = Arc<Vec<u32>>;

impl GroupSets {
    /// Creates the numbers; only the set of no groups has one yet.
    pub fn new() -> GroupSets {
        let sets = GroupSets(Mutex::default());
        sets.number(&[]);
        sets
    }

    /// Returns the groups of each set.
    pub fn into_groups(self) -> Vec<Arc<[u32]>> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner).sets
    }

    fn number(&self, groups: &[u32]) -> u32 {
        let mut numbered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(number) = numbered.by_groups.get(groups) {
            return *number;
        }
        let (number, groups) = (numbered.sets.len() as u32, Arc::<[u32]>::from(groups));
        numbered.sets.push(Arc::clone(&groups));
        numbered.by_groups.insert(groups, number);
        number
    }

    /// Returns the number of a set with one more group, which must be greater than the groups of
    /// the set.
    fn with(&self, set: u32, group: u32) -> u32 {
        let groups = {
            let numbered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            numbered.sets.get(set as usize).map(|groups| groups.to_vec())
        };
        let mut groups = groups.unwrap_or_default();
        groups.push(group);
        self.number(&groups)
    }
}

impl FrameClasses {
    /// Returns the number of the set of classes of each row.
    pub(super) fn row_sets(&self, sets: &GroupSets) -> Vec<u32> {
        let rows = self.0.iter().filter_map(|(_, rows)| rows.last()).max().map_or(0, |row| *row as usize + 1);
        let mut numbers = vec![EMPTY; rows];
        for (class, rows) in &self.0 {
            let only = sets.with(EMPTY, *class);
            let mut unions: HashMap<u32, u32> = HashMap::new();
            for row in rows {
                let Some(number) = numbers.get_mut(*row as usize) else { continue };
                *number = match *number {
                    EMPTY => only,
                    set => *unions.entry(set).or_insert_with(|| sets.with(set, *class)),
                };
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_has_the_set_of_all_its_classes() {
        let sets = GroupSets::new();
        let classes = FrameClasses(vec![(3, vec![1, 4]), (7, vec![1]), (70_000, vec![0, 1])]);
        let others = FrameClasses(vec![(7, vec![0]), (70_000, vec![0, 1])]);
        let numbers = [classes.row_sets(&sets), others.row_sets(&sets)];
        let groups = sets.into_groups();
        let of = |numbers: &[u32]| -> Vec<Vec<u32>> {
            numbers.iter().map(|number| groups[*number as usize].to_vec()).collect()
        };
        assert_eq!(of(&numbers[0]), [vec![70_000], vec![3, 7, 70_000], vec![], vec![], vec![3]]);
        assert_eq!(of(&numbers[1]), [vec![7, 70_000], vec![70_000]]);
        assert_eq!(numbers[0][0], numbers[1][1]);
    }
}
