//! Indexes of the objects in a tree, for many lookups in one record.
//!
//! Maps look up dozens of members of one object, such as the properties of a PostHog event. With an
//! index, a lookup does not scan all members, so such a map is evaluated twice as fast.

use super::key::{Key, KeyTag};
use super::text_buffer::TextBuffer;
use super::tree::{NodeId, Tree};

/// The number of objects that can have an index at the same time.
const OBJECTS: usize = 8;
/// The number of slots of an index; a power of two.
const SLOTS: usize = 256;
/// The largest number of members of an indexed object. Three of four slots stay free, so that most
/// keys that an object lacks are found missing by one bit.
const MAX_MEMBERS: usize = SLOTS / 4;
/// Bits per word of the set of used slots.
const WORD: usize = u64::BITS as usize;

/// The indexes of the objects of one record.
#[derive(Debug)]
pub struct ObjectIndexes {
    objects: Vec<ObjectIndex>,
    record: u64,
}

#[derive(Clone, Debug)]
struct ObjectIndex {
    /// The number of the record; 0 for none.
    record: u64,
    object: NodeId,
    state: State,
    /// The slots that are used, one bit each.
    used: [u64; SLOTS / WORD],
    /// The members by their tags. A slot that is not used has a member of an earlier object.
    slots: [(KeyTag, NodeId); SLOTS],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// One member was looked up. Most objects need no second lookup.
    LookedUp,
    Indexed,
    /// The object has too many members, or keys with escapes.
    NotIndexed,
}

impl Default for ObjectIndexes {
    fn default() -> ObjectIndexes {
        let (used, slots) = ([0; SLOTS / WORD], [(KeyTag::UNKNOWN, 0); SLOTS]);
        let none = ObjectIndex { record: 0, object: 0, state: State::LookedUp, used, slots };
        ObjectIndexes { objects: vec![none; OBJECTS], record: 1 }
    }
}

impl ObjectIndexes {
    /// Removes all indexes.
    pub fn clear(&mut self) {
        self.record += 1;
    }

    /// Returns the member of an object with a key; see [`Tree::member`].
    #[inline]
    pub fn member(
        &mut self,
        tree: &Tree,
        buffer: &TextBuffer<'_>,
        object: NodeId,
        key: &Key,
    ) -> Option<NodeId> {
        let entry = self.objects.get_mut(object as usize % OBJECTS)?;
        if (entry.record, entry.object) != (self.record, object) {
            (entry.record, entry.object, entry.state) = (self.record, object, State::LookedUp);
            return tree.member(buffer, object, key);
        }
        if entry.state == State::LookedUp {
            entry.state = entry.build(tree, buffer);
        }
        match entry.state {
            State::Indexed => entry.find(tree, buffer, key),
            _ => tree.member(buffer, object, key),
        }
    }
}

impl ObjectIndex {
    #[inline(never)]
    fn build(&mut self, tree: &Tree, buffer: &TextBuffer<'_>) -> State {
        self.used = [0; SLOTS / WORD];
        for (count, child) in tree.children(self.object).enumerate() {
            let tag = tree.tag(child);
            if count >= MAX_MEMBERS || tag == KeyTag::UNKNOWN {
                return State::NotIndexed;
            }
            let mut at = first_slot(tag);
            // If a key is repeated, its last member is used.
            while self
                .at(at)
                .is_some_and(|(other_tag, other)| other_tag != tag || !same_key(tree, buffer, other, child))
            {
                at = (at + 1) % SLOTS;
            }
            if let (Some(word), Some(slot)) = (self.used.get_mut(at / WORD), self.slots.get_mut(at)) {
                *word |= 1 << (at % WORD);
                *slot = (tag, child);
            }
        }
        State::Indexed
    }

    /// Returns the tag and the member of a slot; `None` if the slot is free.
    #[inline]
    fn at(&self, at: usize) -> Option<(KeyTag, NodeId)> {
        let is_used = self.used.get(at / WORD).is_some_and(|word| word >> (at % WORD) & 1 == 1);
        self.slots.get(at).copied().filter(|_| is_used)
    }

    #[inline]
    fn find(&self, tree: &Tree, buffer: &TextBuffer<'_>, key: &Key) -> Option<NodeId> {
        let mut at = first_slot(key.tag);
        loop {
            let (tag, member) = self.at(at)?;
            if tag == key.tag && key.equals(buffer, tree.key(member)) {
                return Some(member);
            }
            at = (at + 1) % SLOTS;
        }
    }
}

/// Returns whether two members without escapes in their keys have the same key.
fn same_key(tree: &Tree, buffer: &TextBuffer<'_>, a: NodeId, b: NodeId) -> bool {
    let text = |member: NodeId| buffer.get(tree.key(member).inner());
    text(a) == text(b)
}

#[inline]
fn first_slot(tag: KeyTag) -> usize {
    (tag.0.wrapping_mul(0x9e37_79b1) >> (u32::BITS - SLOTS.trailing_zeros())) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Scanner;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn index_and_scan_find_the_same_member(
            keys in prop::collection::vec(r"[ab\\u{0}]{0,3}|k[0-9]{1,2}", 0..90),
            looked_up in prop::collection::vec(0..100_usize, 0..40),
        ) {
            let members: Vec<String> =
                keys.iter().enumerate().map(|(i, key)| format!("{}:{i}", serde_json::json!(key))).collect();
            let text = format!("{{{}}}", members.join(","));
            let mut tree = Tree::default();
            tree.add(&mut Scanner::new(text.as_bytes()), 0, 0).unwrap();
            let buffer = TextBuffer::new(&text);
            let mut indexes = ObjectIndexes::default();
            for at in looked_up {
                let key = Key::new(keys.get(at).map_or("none", String::as_str));
                prop_assert_eq!(indexes.member(&tree, &buffer, 0, &key), tree.member(&buffer, 0, &key));
            }
        }
    }

    #[test]
    fn indexes_are_cleared_between_records() {
        let (mut tree, mut indexes) = (Tree::default(), ObjectIndexes::default());
        for (text, expected) in [(r#"{"a":1,"b":2}"#, Some(2)), (r#"{"b":1}"#, Some(1)), (r#"{"c":1}"#, None)]
        {
            tree.clear();
            indexes.clear();
            tree.add(&mut Scanner::new(text.as_bytes()), 0, 0).unwrap();
            for _ in 0..3 {
                assert_eq!(indexes.member(&tree, &TextBuffer::new(text), 0, &Key::new("b")), expected);
            }
        }
    }
}
