//! The pointers of a map, arranged as a tree of their steps.
//!
//! A map has dozens of pointers into the same few objects. The tree resolves all of them in one
//! pass over the members of these objects. Each member is looked up once, among the keys of the
//! map; otherwise each pointer would search the members of each object on its path.

use super::{ListStep, Pointer};
use crate::json::{Key, KeyTable, Kind, NodeId, TextBuffer, Tree};

/// The branch of a level itself.
const ROOT: usize = 0;

/// The node of a branch that is not reached.
const NO_NODE: NodeId = NodeId::MAX;

/// The place of a pointer in the tree of its map: the index of the branch of its steps before the
/// first `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch(u32);

/// The pointers of a map.
#[derive(Debug, Default)]
pub struct PointerTree {
    /// The branches of the pointers with 0, 1, … signs `^`. The first branch of each is the level
    /// itself.
    levels: Vec<Vec<BranchKeys>>,
}

/// The keys that follow on a branch.
#[derive(Debug, Default)]
struct BranchKeys {
    keys: KeyTable,
    /// The branch of each key.
    children: Vec<u32>,
    /// The children on which further keys follow.
    parents: Vec<u32>,
}

/// Collects the pointers of a map.
#[derive(Debug, Default)]
pub struct PointerTreeBuilder {
    levels: Vec<Vec<Vec<(Key, u32)>>>,
}

impl PointerTreeBuilder {
    /// Adds a pointer, and sets its place in the tree.
    pub fn add(&mut self, pointer: &mut Pointer) {
        if self.levels.len() <= pointer.up {
            self.levels.resize(pointer.up + 1, vec![Vec::new()]);
        }
        let Some(branches) = self.levels.get_mut(pointer.up) else { return };
        let mut at = ROOT as u32;
        // `*` can also select a member with another key.
        for step in pointer.steps.iter().take_while(|step| step.in_list != ListStep::Any) {
            let next = branches.len() as u32;
            let Some(keys) = branches.get_mut(at as usize) else { return };
            at = keys.iter().find(|(key, _)| *key == step.key).map_or(next, |(_, branch)| *branch);
            if at == next {
                keys.push((step.key.clone(), next));
                branches.push(Vec::new());
            }
        }
        pointer.branch = Some(Branch(at));
    }

    /// Returns the tree of the pointers.
    pub fn finish(self) -> PointerTree {
        let level = |branches: Vec<Vec<(Key, u32)>>| {
            let has_keys: Vec<bool> = branches.iter().map(|keys| !keys.is_empty()).collect();
            let is_parent = |branch: &u32| has_keys.get(*branch as usize) == Some(&true);
            let branch = |keys: Vec<(Key, u32)>| {
                let (keys, children): (Vec<Key>, Vec<u32>) = keys.into_iter().unzip();
                let parents = children.iter().copied().filter(is_parent).collect();
                BranchKeys { keys: KeyTable::new(keys), children, parents }
            };
            branches.into_iter().map(branch).collect()
        };
        PointerTree { levels: self.levels.into_iter().map(level).collect() }
    }
}

/// The nodes of a record that the pointers of a map reach.
#[derive(Debug, Default)]
pub struct Reached {
    levels: Vec<ReachedLevel>,
}

#[derive(Clone, Debug)]
struct ReachedLevel {
    /// The node of the level; [`NO_NODE`] if the level was not resolved.
    node: NodeId,
    /// For each branch, the last node on the way to it that could be resolved, and the number of
    /// steps to that node. [`NO_NODE`] if there is no value.
    branches: Vec<(NodeId, u32)>,
}

impl Reached {
    /// Removes all nodes; keeps the memory.
    pub fn clear(&mut self) {
        self.levels.iter_mut().for_each(|level| level.node = NO_NODE);
    }

    /// Returns the node from which a pointer is followed, and the number of steps to that node.
    /// `start` is the level of the pointer. Returns `None` if there is no value.
    #[inline]
    pub fn get(&self, pointer: &Pointer, start: NodeId) -> Option<(NodeId, usize)> {
        let level = self.levels.get(pointer.up).filter(|level| level.node == start);
        let (Some(Branch(branch)), Some(level)) = (pointer.branch, level) else { return Some((start, 0)) };
        let (node, depth) = *level.branches.get(branch as usize)?;
        (node != NO_NODE).then_some((node, depth as usize))
    }

    fn level(&mut self, up: usize, node: NodeId, branches: usize) -> &mut Vec<(NodeId, u32)> {
        if self.levels.len() <= up {
            self.levels.resize(up + 1, ReachedLevel { node: NO_NODE, branches: Vec::new() });
        }
        let level = &mut self.levels[up];
        level.node = node;
        level.branches.clear();
        level.branches.resize(branches, (NO_NODE, 0));
        if let Some(root) = level.branches.get_mut(ROOT) {
            *root = (node, 0);
        }
        &mut level.branches
    }
}

impl PointerTree {
    /// No pointers.
    pub const NONE: PointerTree = PointerTree { levels: Vec::new() };

    /// Resolves all pointers in a record. Levels that were already resolved are skipped.
    pub fn resolve(&self, tree: &Tree, buffer: &TextBuffer<'_>, levels: &[NodeId], reached: &mut Reached) {
        for ((up, branches), node) in self.levels.iter().enumerate().zip(levels.iter().rev()) {
            if reached.levels.get(up).is_none_or(|level| level.node != *node) {
                let found = reached.level(up, *node, branches.len());
                follow(branches, (ROOT, *node, 0), tree, buffer, found);
            }
        }
    }

    /// Returns the branch of a field of rows; `None` if the map does not read it.
    pub fn field(&self, name: &str) -> Option<Branch> {
        let root = self.levels.first()?.get(ROOT)?;
        root.children.get(root.keys.index_of(name)?).copied().map(Branch)
    }
}

/// The fields of a row that is being added. All fields are strings.
#[derive(Debug)]
pub struct ReachedRow<'a> {
    branches: &'a [BranchKeys],
    reached: &'a mut [(NodeId, u32)],
}

impl Reached {
    /// Begins a row.
    pub fn begin_row<'a>(&'a mut self, pointers: &'a PointerTree, row: NodeId) -> ReachedRow<'a> {
        let branches = pointers.levels.first().map_or(&[][..], Vec::as_slice);
        ReachedRow { branches, reached: self.level(0, row, branches.len()) }
    }
}

impl ReachedRow<'_> {
    /// Sets the node of a field. `branch` is that of [`PointerTree::field`].
    #[inline]
    pub fn set(&mut self, branch: Option<Branch>, node: NodeId) {
        if let Some(slot) = branch.and_then(|Branch(branch)| self.reached.get_mut(branch as usize)) {
            *slot = (node, 1);
        }
    }

    /// Resolves the pointers to values inside fields.
    pub fn end(self) {
        for parent in self.branches.first().map_or(&[][..], |root| root.parents.as_slice()) {
            match self.reached.get(*parent as usize) {
                Some(&at) if at.0 != NO_NODE => stop(self.branches, *parent as usize, at, self.reached),
                _ => {}
            }
        }
    }
}

/// Resolves the branches after a branch whose node is known: `(branch, node, depth)`.
fn follow(
    branches: &[BranchKeys],
    (branch, node, depth): (usize, NodeId, u32),
    tree: &Tree,
    buffer: &TextBuffer<'_>,
    found: &mut [(NodeId, u32)],
) {
    let Some(BranchKeys { keys, children, parents }) = branches.get(branch) else { return };
    match tree.value(node).kind() {
        Kind::Object => tree.members_in(buffer, node, keys, |key, member| {
            let slot = children.get(key).and_then(|child| found.get_mut(*child as usize));
            if let Some(slot) = slot {
                *slot = (member, depth + 1);
            }
        }),
        // Lists and JSON in strings are followed step by step.
        Kind::Array | Kind::String => return stop(branches, branch, (node, depth), found),
        Kind::Null | Kind::Bool | Kind::Number => {}
    }
    for child in parents {
        // The last value of a repeated key counts, so a child is followed only after all members
        // were read.
        match found.get(*child as usize) {
            Some(&(node, depth)) if node != NO_NODE => {
                follow(branches, (*child as usize, node, depth), tree, buffer, found);
            }
            _ => {}
        }
    }
}

/// Sets the node from which all pointers after a branch are followed step by step.
fn stop(branches: &[BranchKeys], branch: usize, at: (NodeId, u32), found: &mut [(NodeId, u32)]) {
    for child in branches.get(branch).map_or(&[][..], |branch| branch.children.as_slice()) {
        if let Some(slot) = found.get_mut(*child as usize) {
            *slot = at;
        }
        stop(branches, *child as usize, at, found);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ingest::map::Map;
    use crate::ingest::map::nulls::Nulls;
    use crate::ingest::map::record::{Record, Values};
    use crate::ingest::map::row::{RowField, RowKeys};
    use crate::json::Scanner;

    /// Returns the nodes of the pointers in a record, twice: found step by step and with the tree.
    fn nodes(record: &str, pointers: &[&str]) -> [Vec<Option<NodeId>>; 2] {
        let mut pointers: Vec<Pointer> = pointers.iter().map(|text| Pointer::parse(text).unwrap()).collect();
        let mut values = Values::default();
        let mut buffer = TextBuffer::new(record);
        let (root, _) = values.tree.add(&mut Scanner::new(record.as_bytes()), 0, 0).unwrap();
        // The first member or element is the event, if there is one.
        let event = values.tree.children(root).next().unwrap_or(root);
        let (nulls, levels) = (Nulls::default(), [root, event]);
        let mut record = Record { buffer: &mut buffer, values: &mut values, nulls: &nulls, levels: &levels };
        let by_step = pointers.iter().map(|pointer| record.find(pointer)).collect();
        let mut builder = PointerTreeBuilder::default();
        pointers.iter_mut().for_each(|pointer| builder.add(pointer));
        record.resolve(&builder.finish());
        [by_step, pointers.iter().map(|pointer| record.find(pointer)).collect()]
    }

    #[test]
    fn pointers_lead_to_the_same_values_with_and_without_the_tree() {
        let record = r#"[{"a":{"b":1,"c":[{"k":"x","v":2}],"b":{"d":3}},"e":"{\"f\":[4]}","g":7},5]"#;
        let pointers = [
            "/a/b/d",
            "/a/b",
            "/a/c/k=x/v",
            "/a/c/0/k",
            "/e/f/0",
            "/e",
            "",
            "^/1",
            "^/0/e",
            "/g/h",
            "/a/*/d",
        ];
        let [by_step, with_tree] = nodes(record, &pointers);
        assert_eq!(by_step, with_tree);
        // All but the member of a number exist. `*` is the first member of `a`, which is 1.
        let missing: Vec<_> = pointers.iter().zip(&with_tree).filter(|(_, node)| node.is_none()).collect();
        assert_eq!(missing, [(&"/g/h", &None), (&"/a/*/d", &None)]);
    }

    #[test]
    fn levels_are_resolved_again_for_the_next_event() {
        let map = Map::parse("x.toml", "unwrap = \"/l\"\n[event]\nevent_name = [\"/e\", \"^/e\"]\n").unwrap();
        let text = r#"{"e":1,"l":[{"e":2},{"f":3},{"e":4}]}"#;
        let (mut values, mut buffer) = (Values::default(), TextBuffer::new(text));
        let (root, _) = values.tree.add(&mut Scanner::new(text.as_bytes()), 0, 0).unwrap();
        let list = values.tree.children(root).last().unwrap();
        let events: Vec<NodeId> = values.tree.children(list).collect();
        let names = events.iter().map(|event| {
            let levels = [root, *event];
            let (buffer, values) = (&mut buffer, &mut values);
            let mut record = Record { buffer, values, nulls: &map.nulls, levels: &levels };
            record.resolve(map.pointers());
            let crate::ingest::map::MapKind::Events(events) = &map.kind else { unreachable!() };
            let found = record.evaluate_name(&events.columns[0].1);
            record.found_text(found).unwrap().into_owned()
        });
        assert_eq!(names.collect::<Vec<_>>(), ["2", "1", "4"]);
    }

    #[test]
    fn fields_of_rows_are_resolved_by_their_names() {
        let map = "[event]\nevent_name = [\"/e\", \"/j/n\", \"/no\"]\nuser_id = \"/u\"\n";
        let map = Map::parse("x.toml", map).unwrap();
        let (mut values, mut buffer) = (Values::default(), TextBuffer::default());
        let keys = RowKeys::new(["u", "e", "other", "j", "u"], map.pointers(), &mut buffer);
        let mut row = |fields: [&str; 5]| {
            values.clear();
            let row = keys.add(fields.map(RowField::Text), &map, &mut buffer, &mut values);
            let levels = [row];
            let (buffer, values) = (&mut buffer, &mut values);
            let mut record = Record { buffer, values, nulls: &map.nulls, levels: &levels };
            let crate::ingest::map::MapKind::Events(events) = &map.kind else { unreachable!() };
            let mut text = |at: usize| {
                let found = record.evaluate(&events.columns[at].1);
                record.found_text(found).map(|text| text.into_owned())
            };
            // The columns are in the order of the fields: `user_id`, `event_name`.
            [text(0), text(1)]
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(row(["1", "x", "y", "{\"n\":\"z\"}", "2"]), [some("2"), some("x")]);
        assert_eq!(row(["1", "", "y", "{\"n\":\"z\"}", "-"]), [some("1"), some("z")]);
        assert_eq!(row(["", "", "", "n", ""]), [None, None]);
    }

    proptest! {
        #[test]
        fn tree_agrees_with_steps(
            keys in prop::collection::vec("[ab]|[ab]=[ab]|\\*|0|\\\\u0061", 12),
            shape in "[{\\[\\]}s,]{0,24}",
            pointers in prop::collection::vec("\\^{0,2}(/(a|b|a=b|\\*|0|1)){0,4}", 1..12),
        ) {
            // Any text of brackets becomes a record: brackets that do not match are skipped.
            let (mut text, mut open, mut at) = (String::from("["), vec![']'], 0);
            for c in shape.chars() {
                let separator = if text.ends_with(['{', '[']) { "" } else { "," };
                let key = match open.last() {
                    Some('}') => format!("\"{}\":", keys[at % keys.len()]),
                    _ => String::new(),
                };
                at += 1;
                match c {
                    '{' | '[' => {
                        text.push_str(&format!("{separator}{key}{c}"));
                        open.push(if c == '{' { '}' } else { ']' });
                    }
                    's' => text.push_str(&format!("{separator}{key}\"{{\\\"a\\\":{{\\\"b\\\":[1]}}}}\"")),
                    ',' => text.push_str(&format!("{separator}{key}{at}")),
                    _ if open.len() > 1 => text.push(open.pop().unwrap()),
                    _ => {}
                }
            }
            text.extend(open.iter().rev());
            let pointers: Vec<&str> = pointers.iter().map(String::as_str).collect();
            let [by_step, with_tree] = nodes(&text, &pointers);
            prop_assert_eq!(by_step, with_tree, "{}", text);
        }
    }
}
