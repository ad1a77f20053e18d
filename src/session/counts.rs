//! Counts of a session's events by name.

use std::collections::BTreeMap;

use super::{CowStr, TextInterner};

/// Maximum number of names in a sorted list; nearly every session has fewer.
const MAX_LIST_NAMES: usize = 24;

/// The number of events of each name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCounts<'a>(Names<'a>);

/// The counts by name. A short sorted list is faster to build than a tree, but a large number of
/// names needs a tree. The number of names alone decides between them, so that equal counts compare
/// equal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Names<'a> {
    Few(Vec<(CowStr<'a>, u64)>),
    Many(BTreeMap<CowStr<'a>, u64>),
}

impl Default for EventCounts<'_> {
    fn default() -> Self {
        EventCounts(Names::Few(Vec::new()))
    }
}

impl<'a> EventCounts<'a> {
    /// Adds `count` to the count of a name.
    pub fn add(&mut self, name: CowStr<'a>, count: u64) {
        match &mut self.0 {
            Names::Few(names) => {
                let at = names.iter().position(|(existing, _)| *existing >= name).unwrap_or(names.len());
                match names.get_mut(at) {
                    Some((existing, total)) if *existing == name => *total += count,
                    _ => names.insert(at, (name, count)),
                }
                if names.len() > MAX_LIST_NAMES {
                    self.0 = Names::Many(std::mem::take(names).into_iter().collect());
                }
            }
            Names::Many(names) => *names.entry(name).or_default() += count,
        }
    }

    /// Adds all counts of `other`.
    pub fn merge(&mut self, other: EventCounts<'a>) {
        match other.0 {
            Names::Few(names) => names.into_iter().for_each(|(name, count)| self.add(name, count)),
            Names::Many(names) => names.into_iter().for_each(|(name, count)| self.add(name, count)),
        }
    }

    /// Returns the count of a name; 0 if it does not occur.
    pub fn get(&self, name: &str) -> u64 {
        match &self.0 {
            Names::Few(names) => {
                names.iter().find(|(existing, _)| existing == name).map_or(0, |(_, count)| *count)
            }
            Names::Many(names) => names.get(name).copied().unwrap_or(0),
        }
    }

    /// Returns the sum of all counts.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }

    /// Iterates over names and counts, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        let (few, many) = match &self.0 {
            Names::Few(names) => (Some(names), None),
            Names::Many(names) => (None, Some(names)),
        };
        let few = few.into_iter().flatten().map(|(name, count)| (name.as_ref(), *count));
        few.chain(many.into_iter().flatten().map(|(name, count)| (name.as_ref(), *count)))
    }

    /// Renames the names for which `rename` returns a new one, and adds up the counts of names that
    /// become equal. Returns whether a name changed.
    pub fn rename(&mut self, rename: impl Fn(&str) -> Option<String>) -> bool {
        let names: Vec<Option<String>> = self.iter().map(|(name, _)| rename(name)).collect();
        if names.iter().all(Option::is_none) {
            return false;
        }
        let mut renamed = EventCounts::default();
        for ((name, count), new) in self.iter().zip(names) {
            renamed.add(CowStr::from(new.unwrap_or_else(|| name.to_owned())), count);
        }
        *self = renamed;
        true
    }

    /// Converts into counts whose names are owned.
    pub fn into_owned(self, texts: &TextInterner) -> EventCounts<'static> {
        let own = |(name, count): (CowStr<'a>, u64)| (texts.own(name), count);
        EventCounts(match self.0 {
            Names::Few(names) => Names::Few(names.into_iter().map(own).collect()),
            Names::Many(names) => Names::Many(names.into_iter().map(own).collect()),
        })
    }

    /// Appends the counts to `text` as a JSON object, sorted by name.
    pub fn write_json(&self, text: &mut String) {
        let mut number = itoa::Buffer::new();
        text.push('{');
        for (n, (name, count)) in self.iter().enumerate() {
            if n > 0 {
                text.push(',');
            }
            if name.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
                text.push('"');
                text.push_str(name);
                text.push('"');
            } else {
                text.push_str(&serde_json::Value::from(name).to_string());
            }
            text.push(':');
            text.push_str(number.format(count));
        }
        text.push('}');
    }
}

/// Parses the output of [`EventCounts::write_json`]; a name without escapes is borrowed.
impl<'de: 'a, 'a> serde::Deserialize<'de> for EventCounts<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(CountsVisitor(std::marker::PhantomData))
    }
}

struct CountsVisitor<'a>(std::marker::PhantomData<&'a ()>);

impl<'de: 'a, 'a> serde::de::Visitor<'de> for CountsVisitor<'a> {
    type Value = EventCounts<'a>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of counts by event name")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<EventCounts<'a>, A::Error> {
        let mut counts = EventCounts::default();
        while let Some((name, count)) = map.next_entry()? {
            counts.add(name, count);
        }
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn renamed_counts_are_added() {
        let mut counts = EventCounts::default();
        for (name, count) in [("a1", 1), ("a2", 2), ("b", 4)] {
            counts.add(name.into(), count);
        }
        assert!(!counts.clone().rename(|_| None));
        assert!(counts.rename(|name| name.starts_with('a').then(|| "z".to_owned())));
        assert!(counts.iter().eq([("b", 4), ("z", 3)]));
    }

    proptest! {
        #[test]
        fn counts_match_a_tree_and_round_trip_through_json(
            names in proptest::collection::vec(("[a-e\"\\\\\u{1}é]{1,2}", 1..9u64), 0..80), cut in 0..80usize
        ) {
            let mut tree: BTreeMap<String, u64> = BTreeMap::new();
            let (mut left, mut right) = (EventCounts::default(), EventCounts::default());
            for (n, (name, count)) in names.iter().enumerate() {
                *tree.entry(name.clone()).or_default() += count;
                let side = if n < cut { &mut left } else { &mut right };
                side.add(name.as_str().into(), *count);
            }
            let mut other = right.clone();
            other.merge(left.clone());
            left.merge(right);
            prop_assert_eq!(&left, &other);
            prop_assert!(left.iter().eq(tree.iter().map(|(name, count)| (name.as_str(), *count))));
            prop_assert_eq!(left.total(), tree.values().sum::<u64>());
            prop_assert!(tree.iter().all(|(name, count)| left.get(name) == *count));
            prop_assert_eq!(left.get("nothing"), 0);
            let mut text = String::new();
            left.write_json(&mut text);
            prop_assert_eq!(&text, &serde_json::to_string(&tree).unwrap());
            prop_assert_eq!(serde_json::from_str::<EventCounts<'_>>(&text).unwrap(), left);
        }
    }
}
