//! The groups of each session, for breakdowns with more groups than a mask has bits.

use std::sync::Arc;

use super::classes::FrameClasses;

/// The groups of a session. Most sessions are in one group, which needs no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupNumbers {
    first: Option<u32>,
    others: Vec<u32>,
}

impl GroupNumbers {
    fn add(&mut self, number: u32) {
        match self.first {
            None => self.first = Some(number),
            Some(_) => self.others.push(number),
        }
    }

    /// Returns the numbers of the groups.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.first.into_iter().chain(self.others.iter().copied())
    }
}

/// The groups of each row of a frame. Rows beyond the end of the list are in no group.
pub(crate) type RowGroups = Arc<Vec<GroupNumbers>>;

impl FrameClasses {
    /// Returns the classes of each row.
    pub(super) fn row_groups(&self) -> Vec<GroupNumbers> {
        let mut groups = Vec::new();
        for (class, rows) in &self.0 {
            for row in rows {
                let row = *row as usize;
                if groups.len() <= row {
                    groups.resize(row + 1, GroupNumbers::default());
                }
                groups.get_mut(row).into_iter().for_each(|numbers| numbers.add(*class));
            }
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_has_all_its_classes_in_order() {
        let classes = FrameClasses(vec![(3, vec![1, 4]), (70_000, vec![0, 1])]);
        let groups = classes.row_groups();
        let numbers: Vec<Vec<u32>> = groups.iter().map(|numbers| numbers.iter().collect()).collect();
        assert_eq!(numbers, [vec![70_000], vec![3, 70_000], vec![], vec![], vec![3]]);
    }
}
