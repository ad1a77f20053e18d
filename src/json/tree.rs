//! A flat tree of JSON values: one node per value, in the order of the text.
//!
//! The nodes inside a container follow it, up to the node at index `next`. A tree can hold the
//! values of several texts, because JSON inside a string is added to the same tree.

use super::key::{Key, KeyTag};
use super::key_table::KeyTable;
use super::scan::{ESCAPED, Kind, Member, Scanner, Value};
use super::text_buffer::TextBuffer;

/// The largest number of values of one text. A record of 16 MiB can have eight million.
const MAX_NODES: usize = 1 << 21;

/// The index of a value in its tree.
pub type NodeId = u32;

/// A value and its key.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The value, and its key if it is a member of an object. They are one field, so that both are
    /// copied together.
    member: Member,
    /// Index of the first node that is not within this value.
    next: NodeId,
    /// The tag of the key, which distinguishes most keys without a comparison of their text.
    tag: KeyTag,
}

impl Node {
    const EMPTY: Node = Node { member: Member { key: NO_KEY, value: NO_KEY }, next: 0, tag: KeyTag::UNKNOWN };
}

/// The key of a field of rows.
#[derive(Clone, Copy, Debug)]
pub struct RowKey {
    /// The key, a string.
    pub key: Value,
    tag: KeyTag,
}

impl RowKey {
    /// Creates a key from its string in a buffer and its text.
    pub fn new(key: Value, text: &str) -> RowKey {
        let tag = if key.has(ESCAPED) { KeyTag::UNKNOWN } else { KeyTag::new(text.as_bytes()) };
        RowKey { key, tag }
    }
}

/// The key of a value that is not a member of an object; also the value of a missing node.
const NO_KEY: Value = Value::new(0, 0, Kind::Null, 0);

/// The reason why a JSON text has no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeError {
    /// The text is not JSON.
    Invalid,
    /// The text has too many values.
    TooLarge,
}

/// The values of JSON texts.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    /// The containers around the innermost one while a value is added.
    open: Vec<OuterContainer>,
}

/// The state of a container while a value inside it is read.
#[derive(Clone, Copy, Debug)]
struct OuterContainer {
    /// The container; `None` for the text itself.
    container: Option<(NodeId, Kind)>,
    /// The flags of the values so far in it.
    flags: u32,
}

impl Tree {
    /// Removes all values and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.nodes.clear();
    }

    /// Adds the value at a position of the scanner's text, which begins at `base` in the buffer.
    /// Returns its node and the position after it.
    ///
    /// # Errors
    /// Returns [`TreeError`]. Nothing is added in that case.
    pub fn add(
        &mut self,
        scanner: &mut Scanner<'_>,
        pos: usize,
        base: usize,
    ) -> Result<(NodeId, usize), TreeError> {
        let root = self.nodes.len();
        self.open.clear();
        let added = self.add_value(scanner, pos, base);
        if added.is_err() {
            self.nodes.truncate(root);
        }
        added.map(|end| (root as NodeId, end))
    }

    fn add_value(
        &mut self,
        scanner: &mut Scanner<'_>,
        mut pos: usize,
        base: usize,
    ) -> Result<usize, TreeError> {
        let root = self.nodes.len();
        let (mut key, mut tag) = (NO_KEY, KeyTag::UNKNOWN);
        // The innermost open container, and the flags of the values so far in it.
        let (mut inner, mut flags): (Option<(NodeId, Kind)>, u32) = (None, 0);
        'values: loop {
            if self.nodes.len() - root >= MAX_NODES {
                return Err(TreeError::TooLarge);
            }
            match scanner.at(pos) {
                open @ (b'{' | b'[') => {
                    let (kind, close) = if open == b'{' { (Kind::Object, b'}') } else { (Kind::Array, b']') };
                    let node = self.push(key, tag, Value::new(base + pos, base + pos + 1, kind, 0));
                    pos = scanner.skip_space(pos + 1);
                    self.open.push(OuterContainer { container: inner, flags });
                    (inner, flags) = (Some((node, kind)), 0);
                    if scanner.at(pos) != close {
                        (key, tag, pos) = member_key(scanner, pos, base, kind)?;
                        flags |= key.flags();
                        continue 'values;
                    }
                }
                _ => {
                    let value = scanner.value(pos).ok_or(TreeError::Invalid)?;
                    pos = value.end as usize;
                    self.push(key, tag, value.shifted(base as u32));
                    flags |= value.flags();
                }
            }
            loop {
                let Some((node, kind)) = inner else { return Ok(pos) };
                pos = scanner.skip_space(pos);
                match (scanner.at(pos), kind) {
                    (b',', _) => {
                        pos = scanner.skip_space(pos + 1);
                        (key, tag, pos) = member_key(scanner, pos, base, kind)?;
                        flags |= key.flags();
                        continue 'values;
                    }
                    (b'}', Kind::Object) | (b']', Kind::Array) => {
                        pos += 1;
                        self.close(node, base + pos, flags);
                        let Some(outer) = self.open.pop() else { return Ok(pos) };
                        (inner, flags) = (outer.container, flags | outer.flags);
                    }
                    _ => return Err(TreeError::Invalid),
                }
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, key: Value, tag: KeyTag, value: Value) -> NodeId {
        let node = self.nodes.len() as NodeId;
        self.nodes.push(Node::EMPTY);
        // The fields are written in place. A temporary node would be written and then copied in
        // words of different sizes, which stalls the processor.
        if let Some(entry) = self.nodes.last_mut() {
            entry.member.key = key;
            entry.member.value = value;
            (entry.next, entry.tag) = (node + 1, tag);
        }
        node
    }

    fn close(&mut self, container: NodeId, end: usize, flags: u32) {
        let next = self.nodes.len() as NodeId;
        if let Some(node) = self.nodes.get_mut(container as usize) {
            let value = node.member.value;
            node.member.value = Value::new(value.start as usize, end, value.kind(), flags);
            node.next = next;
        }
    }

    /// Adds an object that represents a row and has no JSON text. Its fields are added next, and
    /// [`Tree::end_row`] ends it.
    pub fn begin_row(&mut self) -> NodeId {
        self.push(NO_KEY, KeyTag::UNKNOWN, Value::new(0, 0, Kind::Object, 0))
    }

    /// Adds a field of a row, a key and a value with their spans.
    #[inline(always)]
    pub fn add_field(&mut self, key: &RowKey, value: Value) -> NodeId {
        self.push(key.key, key.tag, value)
    }

    /// Ends a row after its last field.
    pub fn end_row(&mut self, row: NodeId) {
        let next = self.nodes.len() as NodeId;
        if let Some(node) = self.nodes.get_mut(row as usize) {
            node.next = next;
        }
    }

    /// Returns a value; null if it is not in the tree.
    #[inline]
    pub fn value(&self, node: NodeId) -> Value {
        self.nodes.get(node as usize).map_or(NO_KEY, |node| node.member.value)
    }

    /// Returns the key of a value; null if it is not a member of an object.
    #[inline]
    pub fn key(&self, node: NodeId) -> Value {
        self.nodes.get(node as usize).map_or(NO_KEY, |node| node.member.key)
    }

    /// Returns a value with its key; null if it is not in the tree.
    #[inline]
    pub fn entry(&self, node: NodeId) -> Member {
        self.nodes.get(node as usize).map_or(Member { key: NO_KEY, value: NO_KEY }, |node| node.member)
    }

    /// Returns the members of an object or the elements of an array, in order.
    #[inline]
    pub fn children(&self, node: NodeId) -> impl Iterator<Item = NodeId> + use<'_> {
        let end = self.next(node);
        let mut child = node + 1;
        std::iter::from_fn(move || {
            let current = (child < end).then_some(child)?;
            child = self.next(child);
            Some(current)
        })
    }

    /// Returns whether an object or array is empty.
    pub fn is_empty(&self, node: NodeId) -> bool {
        self.next(node) == node + 1
    }

    #[inline]
    fn next(&self, node: NodeId) -> NodeId {
        // Always return a later node, so that every loop advances.
        self.nodes.get(node as usize).map_or(node + 1, |entry| entry.next.max(node + 1))
    }

    /// Returns the member of an object with a key; for a repeated key, the last one.
    #[inline]
    pub fn member(&self, buffer: &TextBuffer<'_>, object: NodeId, key: &Key) -> Option<NodeId> {
        let (mut found, end) = (None, self.next(object));
        let mut child = object + 1;
        while child < end {
            let entry = self.nodes.get(child as usize)?;
            if (entry.tag == key.tag || entry.tag == KeyTag::UNKNOWN) && key.equals(buffer, entry.member.key)
            {
                found = Some(child);
            }
            child = entry.next.max(child + 1);
        }
        found
    }

    /// Calls `found` with each member of an object whose key is in a table: the index of the key,
    /// and the member. Members are in order, so for a repeated key the last call counts.
    #[inline]
    pub fn members_in(
        &self,
        buffer: &TextBuffer<'_>,
        object: NodeId,
        keys: &KeyTable,
        mut found: impl FnMut(usize, NodeId),
    ) {
        let end = self.next(object);
        let mut child = object + 1;
        while child < end {
            let Some(entry) = self.nodes.get(child as usize) else { return };
            if let Some(key) = keys.find(buffer, entry.member.key, entry.tag) {
                found(key, child);
            }
            child = entry.next.max(child + 1);
        }
    }
}

/// Scans the key of a member and its colon; an element of an array has none. Returns the key and
/// the position of the value.
#[inline(always)]
fn member_key(
    scanner: &mut Scanner<'_>,
    pos: usize,
    base: usize,
    container: Kind,
) -> Result<(Value, KeyTag, usize), TreeError> {
    if container != Kind::Object {
        return Ok((NO_KEY, KeyTag::UNKNOWN, pos));
    }
    let key = scanner.string(pos).ok_or(TreeError::Invalid)?;
    let colon = scanner.skip_space(key.end as usize);
    if scanner.at(colon) != b':' {
        return Err(TreeError::Invalid);
    }
    let tag = KeyTag::of(key, scanner.bytes());
    Ok((key.shifted(base as u32), tag, scanner.skip_space(colon + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::LONE_SURROGATE;
    use proptest::prelude::*;

    fn tree(text: &str) -> Result<(Tree, usize), TreeError> {
        let mut tree = Tree::default();
        let (root, end) = tree.add(&mut Scanner::new(text.as_bytes()), 0, 0)?;
        assert_eq!(root, 0);
        Ok((tree, end))
    }

    /// Writes a tree back as JSON.
    fn written(tree: &Tree, buffer: &TextBuffer<'_>, node: NodeId) -> String {
        let value = tree.value(node);
        let children = |open: &str, close: &str, keys: bool| {
            let parts: Vec<String> = tree
                .children(node)
                .map(|child| {
                    let key = if keys {
                        format!("{}:", buffer.get(tree.key(child).raw()).unwrap())
                    } else {
                        String::new()
                    };
                    key + &written(tree, buffer, child)
                })
                .collect();
            format!("{open}{}{close}", parts.join(","))
        };
        match value.kind() {
            Kind::Object => children("{", "}", true),
            Kind::Array => children("[", "]", false),
            _ => buffer.get(value.raw()).unwrap().to_owned(),
        }
    }

    #[test]
    fn member_is_found_by_its_decoded_key() {
        let text = r#" {"a":{"b":[1,{"c":"x"}]},"\u0064":2,"a2":null,"d":3}"#.trim();
        let (tree, _) = tree(text).unwrap();
        let buffer = TextBuffer::new(text);
        let a = tree.member(&buffer, 0, &Key::new("a")).unwrap();
        let b = tree.member(&buffer, a, &Key::new("b")).unwrap();
        let elements: Vec<_> = tree.children(b).collect();
        assert_eq!(elements.len(), 2);
        assert!(tree.member(&buffer, elements[1], &Key::new("c")).is_some());
        // The last of two equal keys is used, as in native lines.
        let d = tree.member(&buffer, 0, &Key::new("d")).unwrap();
        assert_eq!(buffer.get(tree.value(d).raw()), Some("3"));
        assert_eq!(tree.member(&buffer, 0, &Key::new("b")), None);
    }

    #[test]
    fn keys_with_the_same_tag_are_distinguished() {
        // Equal in length and in the first, middle and last byte.
        let text = r#"{"axxbxxc":1,"ayybyyc":2,"":3,"\u0061zzbzzc":4,"list":[{"":5}]}"#;
        let (tree, _) = tree(text).unwrap();
        let buffer = TextBuffer::new(text);
        let value = |key| {
            tree.member(&buffer, 0, &Key::new(key)).map(|node| buffer.get(tree.value(node).raw()).unwrap())
        };
        assert_eq!([value("axxbxxc"), value("ayybyyc"), value("azzbzzc")], [Some("1"), Some("2"), Some("4")]);
        assert_eq!([value(""), value("aqqbqqc"), value("axxbxx")], [Some("3"), None, None]);
    }

    #[test]
    fn container_has_the_flags_of_its_strings() {
        let (tree, _) = tree(r#"{"a":{"b":["\ud800"]},"c":"plain","\n":1}"#).unwrap();
        let nodes: Vec<_> = tree.children(0).collect();
        assert!(tree.value(0).has(ESCAPED) && tree.value(0).has(LONE_SURROGATE));
        assert!(tree.value(nodes[0]).has(LONE_SURROGATE));
        assert!(!tree.value(nodes[1]).has(ESCAPED) && !tree.value(nodes[2]).has(LONE_SURROGATE));
    }

    #[test]
    fn broken_text_has_no_tree() {
        for text in ["", "{", "[1,]", "{\"a\"}", "{\"a\":1,}", "[1}", "{1:2}", "nul", "\"a", "[\"\n\"]"] {
            assert_eq!(tree(text).err(), Some(TreeError::Invalid), "{text:?}");
        }
        assert_eq!(tree("{} {}").unwrap().1, 2);
        let many = format!("[{}1]", "1,".repeat(MAX_NODES));
        assert_eq!(tree(&many).err(), Some(TreeError::TooLarge));
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(tree(&deep).is_ok());
    }

    proptest! {
        #[test]
        fn tree_agrees_with_the_scanner(text in r#"[\[\]{},:"a1\\n u0]{0,12}"#) {
            let scanned = Scanner::new(text.as_bytes()).value(0).map(|value| value.end as usize);
            let added = tree(&text);
            prop_assert_eq!(added.as_ref().ok().map(|(_, end)| *end), scanned);
            if let Ok((tree, end)) = added {
                let compact = crate::json::compact::compact(&text[..end]);
                prop_assert_eq!(written(&tree, &TextBuffer::new(&text), 0), compact.as_ref());
            }
        }
    }
}
