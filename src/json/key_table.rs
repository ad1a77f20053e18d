//! A hash table of keys, in which the members of an object are looked up.

use super::key::{Key, KeyTag};
use super::scan::Value;
use super::text_buffer::TextBuffer;

/// The number of slots per key. Most slots stay free, so for most keys that are not in the table,
/// one comparison is enough.
const SLOTS_PER_KEY: usize = 4;

/// A table of distinct keys, hashed by their tags.
#[derive(Debug, Default)]
pub struct KeyTable {
    keys: Vec<Key>,
    /// The tags and indexes of the keys; a free slot has the tag [`KeyTag::UNKNOWN`]. The number of
    /// slots is a power of two.
    slots: Vec<(KeyTag, u32)>,
}

impl KeyTable {
    /// Creates a table of distinct keys.
    pub fn new(keys: Vec<Key>) -> KeyTable {
        let count = (keys.len() * SLOTS_PER_KEY).next_power_of_two();
        let mut table = KeyTable { keys, slots: vec![(KeyTag::UNKNOWN, 0); count] };
        for (index, key) in (0..).zip(&table.keys) {
            // Keys without a tag are found by a linear search.
            if key.tag != KeyTag::UNKNOWN {
                let mut at = first_slot(key.tag, count);
                while table.slots.get(at).is_some_and(|(tag, _)| *tag != KeyTag::UNKNOWN) {
                    at = (at + 1) % count;
                }
                if let Some(slot) = table.slots.get_mut(at) {
                    *slot = (key.tag, index);
                }
            }
        }
        table
    }

    /// Returns the index of a key whose text is in a buffer, given its tag.
    #[inline]
    pub(super) fn find(&self, buffer: &TextBuffer<'_>, key: Value, tag: KeyTag) -> Option<usize> {
        if tag == KeyTag::UNKNOWN {
            return self.search(buffer, key);
        }
        let mut at = first_slot(tag, self.slots.len());
        loop {
            let (slot_tag, index) = *self.slots.get(at)?;
            if slot_tag == tag && self.keys.get(index as usize)?.equals(buffer, key) {
                return Some(index as usize);
            }
            if slot_tag == KeyTag::UNKNOWN {
                return None;
            }
            at = (at + 1) % self.slots.len();
        }
    }

    #[cold]
    fn search(&self, buffer: &TextBuffer<'_>, key: Value) -> Option<usize> {
        self.keys.iter().position(|each| each.equals(buffer, key))
    }

    /// Returns the index of a key.
    pub fn index_of(&self, text: &str) -> Option<usize> {
        self.keys.iter().position(|key| **key == *text)
    }
}

/// Returns the first slot of a tag in a table with `count` slots.
#[inline]
fn first_slot(tag: KeyTag, count: usize) -> usize {
    tag.0.wrapping_mul(0x9e37_79b1).rotate_right(u32::BITS / 2) as usize & count.wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{Scanner, Tree};

    #[test]
    fn empty_table_has_no_key() {
        let text = r#"{"a":1,"":2}"#;
        let mut tree = Tree::default();
        tree.add(&mut Scanner::new(text.as_bytes()), 0, 0).unwrap();
        for table in [KeyTable::default(), KeyTable::new(Vec::new())] {
            tree.members_in(&TextBuffer::new(text), 0, &table, |_, _| panic!());
        }
    }

    proptest! {
        #[test]
        fn table_and_search_find_the_same_members(
            members in prop::collection::vec(r"[ab\\u{0}]{0,3}|k[0-9]{1,2}", 0..90),
            keys in prop::collection::btree_set(r"[ab\\u{0}]{0,3}|k[0-9]{1,2}", 0..40),
        ) {
            let texts: Vec<String> =
                members.iter().enumerate().map(|(i, key)| format!("{}:{i}", serde_json::json!(key))).collect();
            let text = format!("{{{}}}", texts.join(","));
            let mut tree = Tree::default();
            tree.add(&mut Scanner::new(text.as_bytes()), 0, 0).unwrap();
            let buffer = TextBuffer::new(&text);
            let keys: Vec<&String> = keys.iter().collect();
            let table = KeyTable::new(keys.iter().map(|key| Key::new(key)).collect());
            let mut found = vec![None; keys.len()];
            tree.members_in(&buffer, 0, &table, |key, member| found[key] = Some(member));
            for (key, found) in keys.iter().zip(found) {
                prop_assert_eq!(found, tree.member(&buffer, 0, &Key::new(key)));
                // Members have the nodes 1, 2 and so on.
                let last = members.iter().rposition(|member| member == *key);
                prop_assert_eq!(found, last.map(|at| at as u32 + 1));
            }
        }
    }
}
