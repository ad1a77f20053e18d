//! Counts of sessions by name.

use hashbrown::HashMap;

/// The number of sessions of each name. Sessions without a name are counted without an allocation,
/// since a store can have as many chatbots as sessions.
#[derive(Debug, Default)]
pub(super) struct NameCounts {
    unnamed: i64,
    named: Option<Box<HashMap<String, i64>>>,
}

impl NameCounts {
    /// Counts a session.
    pub fn add(&mut self, name: Option<&str>) {
        match name {
            None => self.unnamed += 1,
            Some(name) => *self.named.get_or_insert_default().entry_ref(name).or_default() += 1,
        }
    }

    /// Returns the counts by name, in any order. Sessions without a name are counted under
    /// `default`, or omitted if it is `None`.
    pub fn into_counts(self, default: Option<&str>) -> impl Iterator<Item = (String, i64)> {
        let mut unnamed = default.filter(|_| self.unnamed > 0);
        let mut named = self.named;
        if let (Some(name), Some(named)) = (unnamed, &mut named) {
            *named.entry_ref(name).or_default() += self.unnamed;
            unnamed = None;
        }
        let unnamed = unnamed.map(|name| (name.to_owned(), self.unnamed));
        unnamed.into_iter().chain(named.into_iter().flat_map(|named| *named))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn counts(names: &[Option<&str>], default: Option<&str>) -> BTreeMap<String, i64> {
        let mut counts = NameCounts::default();
        names.iter().for_each(|name| counts.add(*name));
        let all: Vec<(String, i64)> = counts.into_counts(default).collect();
        let distinct: BTreeMap<String, i64> = all.iter().cloned().collect();
        assert_eq!(distinct.len(), all.len(), "a name occurs twice");
        distinct
    }

    #[test]
    fn sessions_without_a_name_are_counted_under_the_default() {
        let expected = |counts: &[(&str, i64)]| -> BTreeMap<String, i64> {
            counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
        };
        let names = [Some("a"), None, Some("direct"), None, Some("a")];
        assert_eq!(counts(&names, Some("direct")), expected(&[("a", 2), ("direct", 3)]));
        assert_eq!(counts(&names, Some("other")), expected(&[("a", 2), ("direct", 1), ("other", 2)]));
        assert_eq!(counts(&names, None), expected(&[("a", 2), ("direct", 1)]));
        assert_eq!(counts(&[None, None], Some("direct")), expected(&[("direct", 2)]));
        assert_eq!(counts(&[None], None), expected(&[]));
        assert_eq!(counts(&[], Some("direct")), expected(&[]));
    }
}
