//! Counts of sessions by name.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// The number of sessions of each name. Sessions without a name are counted without an allocation,
/// since a store can have as many chatbots as sessions.
#[derive(Debug, Default)]
pub(super) struct NameCounts {
    unnamed: i64,
    named: Option<Box<NamedCounts>>,
}

impl NameCounts {
    /// Counts a session.
    pub fn add(&mut self, name: Option<&str>) {
        match name {
            None => self.unnamed += 1,
            Some(name) => self.named.get_or_insert_default().add(name, 1),
        }
    }

    /// Counts the sessions without a name under `default`. Without this, they are omitted.
    pub fn with_default(mut self, default: &str) -> NameCounts {
        let unnamed = std::mem::take(&mut self.unnamed);
        if unnamed > 0 {
            self.named.get_or_insert_default().add(default, unnamed);
        }
        self
    }

    /// Iterates over the names and their counts, in any order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.named.iter().flat_map(|named| named.iter())
    }
}

/// The number of sessions of each name. A day can have as many campaign sources as sessions, so a
/// name takes about 30 bytes in addition to its text.
#[derive(Debug, Default)]
struct NamedCounts {
    /// The names, one after another.
    texts: String,
    /// For each name, its end in `texts` and its count.
    names: Vec<(usize, i64)>,
    /// Half of the hash of each name, and its index. Without the hash, growing the table would read
    /// all names in random order.
    table: HashTable<(u32, u32)>,
    hasher: DefaultHashBuilder,
}

impl NamedCounts {
    fn add(&mut self, name: &str, count: i64) {
        let NamedCounts { texts, names, table, hasher } = self;
        let half = hasher.hash_one(name) as u32;
        let is_same = |(other, index): &(u32, u32)| *other == half && text(texts, names, *index) == name;
        if let Some((_, index)) = table.find(spread(half), is_same)
            && let Some((_, total)) = names.get_mut(*index as usize)
        {
            *total += count;
            return;
        }
        let index = names.len() as u32;
        texts.push_str(name);
        names.push((texts.len(), count));
        table.insert_unique(spread(half), (half, index), |(half, _)| spread(*half));
    }

    fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        let name =
            |(index, (_, count)): (u32, &(usize, i64))| (text(&self.texts, &self.names, index), *count);
        (0..).zip(&self.names).map(name)
    }
}

/// Spreads half of a hash over 64 bits, since the table uses the high and the low bits.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Returns the name with an index.
fn text<'t>(texts: &'t str, names: &[(usize, i64)], index: u32) -> &'t str {
    let end = |index: usize| names.get(index).map_or(0, |(end, _)| *end);
    let start = (index as usize).checked_sub(1).map_or(0, end);
    texts.get(start..end(index as usize)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn counts(names: &[Option<&str>], default: Option<&str>) -> BTreeMap<String, i64> {
        let mut counts = NameCounts::default();
        names.iter().for_each(|name| counts.add(*name));
        let counts = match default {
            Some(default) => counts.with_default(default),
            None => counts,
        };
        let all: Vec<(String, i64)> = counts.iter().map(|(name, count)| (name.to_owned(), count)).collect();
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

    proptest! {
        #[test]
        fn counts_equal_those_of_a_map(names in prop::collection::vec("[a-cé]{0,3}", 0..200)) {
            let mut expected = BTreeMap::new();
            names.iter().for_each(|name| *expected.entry(name.clone()).or_insert(0) += 1);
            let names: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
            prop_assert_eq!(counts(&names, None), expected);
        }
    }
}
