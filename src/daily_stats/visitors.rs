//! The visitors of a chatbot on one day.

use std::collections::HashMap;

use crate::prehashed::PreHashed;

/// Hashes of distinct visitors, each with a flag: whether the visitor has only a session key.
///
/// A store can have as many chatbots as sessions. A single visitor is stored without an
/// allocation.
#[derive(Debug, Default)]
pub(super) struct DayVisitors {
    first: Option<(u128, bool)>,
    others: HashMap<u128, bool, PreHashed>,
}

impl DayVisitors {
    /// Adds a visitor.
    pub fn insert(&mut self, visitor: u128, only_session_key: bool) {
        match &mut self.first {
            None => self.first = Some((visitor, only_session_key)),
            Some((first, flag)) if *first == visitor => *flag |= only_session_key,
            Some(_) => *self.others.entry(visitor).or_default() |= only_session_key,
        }
    }

    /// Returns the number of visitors.
    pub fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Iterates over the visitors, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (u128, bool)> {
        let others = self.others.iter().map(|(visitor, flag)| (*visitor, *flag));
        self.first.into_iter().chain(others)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn visitors_equal_those_of_a_map(added in prop::collection::vec((0..5u128, any::<bool>()), 0..12)) {
            let (mut visitors, mut expected) = (DayVisitors::default(), BTreeMap::new());
            for (visitor, only_session_key) in added {
                visitors.insert(visitor, only_session_key);
                *expected.entry(visitor).or_insert(false) |= only_session_key;
            }
            prop_assert_eq!(visitors.len(), expected.len());
            let mut all: Vec<(u128, bool)> = visitors.iter().collect();
            all.sort_unstable();
            prop_assert_eq!(all, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
