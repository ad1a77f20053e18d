//! The visitors of a chatbot on one day.

use std::collections::HashSet;

use crate::prehashed::PreHashed;

/// Hashes of distinct visitors, each with a flag: whether the visitor has only a session key.
///
/// A store can have as many chatbots as sessions, so a single visitor is stored without an
/// allocation. A chatbot can have as many visitors as sessions, so the flags take no memory: there
/// is a set for each value.
#[derive(Debug, Default)]
pub(super) struct DayVisitors {
    first: Option<(u128, bool)>,
    others: Option<Box<Others>>,
}

#[derive(Debug, Default)]
struct Others {
    with_id: HashSet<u128, PreHashed>,
    only_session_key: HashSet<u128, PreHashed>,
}

impl DayVisitors {
    /// Adds a visitor.
    pub fn insert(&mut self, visitor: u128, only_session_key: bool) {
        match &mut self.first {
            None => self.first = Some((visitor, only_session_key)),
            Some((first, flag)) if *first == visitor => *flag |= only_session_key,
            Some(_) => {
                let Others { with_id, only_session_key: only_key } =
                    &mut **self.others.get_or_insert_default();
                if only_session_key {
                    with_id.remove(&visitor);
                    only_key.insert(visitor);
                } else if !only_key.contains(&visitor) {
                    with_id.insert(visitor);
                }
            }
        }
    }

    /// Returns the number of visitors.
    pub fn len(&self) -> usize {
        let others = self.others.as_ref();
        let others = others.map_or(0, |others| others.with_id.len() + others.only_session_key.len());
        usize::from(self.first.is_some()) + others
    }

    /// Iterates over the visitors, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (u128, bool)> {
        let others = self.others.iter().flat_map(|others| {
            let with_id = others.with_id.iter().map(|visitor| (*visitor, false));
            with_id.chain(others.only_session_key.iter().map(|visitor| (*visitor, true)))
        });
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
