//! Evaluates expressions on a record.

use std::borrow::Cow;

use super::condition::{Alternatives, Condition};
use super::expression::{Expression, FilteredPlace, Part};
use super::filter::{self, Filter};
use super::nulls::Nulls;
use super::pointer::tree::{PointerTree, Reached};
use super::pointer::{ListStep, Pointer, Step};
use crate::json::{
    ESCAPED, Kind, NodeId, Scanner, Span, TextBuffer, Tree, UNQUOTED, Value, compact, escapes, unescape,
};

/// The value of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No value.
    Null,
    /// A value of the record, unchanged.
    Node(NodeId),
    /// A string that the expression built.
    Text(Span),
}

/// A [`Found`] as two numbers. A function returns two numbers in registers, but it returns the enum
/// in memory, where it is written and read in words of different sizes, which is slow.
#[derive(Clone, Copy, Debug)]
struct PackedFound {
    kind: u64,
    bits: u64,
}

impl PackedFound {
    const NULL: PackedFound = PackedFound { kind: 0, bits: 0 };
    const NODE: u64 = 1;
    const TEXT: u64 = 2;

    #[inline(always)]
    fn node(node: NodeId) -> PackedFound {
        PackedFound { kind: PackedFound::NODE, bits: u64::from(node) }
    }

    #[inline(always)]
    fn text(span: Span) -> PackedFound {
        PackedFound { kind: PackedFound::TEXT, bits: u64::from(span.start) << 32 | u64::from(span.len) }
    }

    #[inline(always)]
    fn unpack(self) -> Found {
        match self.kind {
            PackedFound::NODE => Found::Node(self.bits as NodeId),
            PackedFound::TEXT => Found::Text(Span { start: (self.bits >> 32) as u32, len: self.bits as u32 }),
            _ => Found::Null,
        }
    }
}

/// The values of a record, including the values in strings that were read as JSON.
#[derive(Debug, Default)]
pub struct Values {
    /// The values.
    pub tree: Tree,
    /// The strings that were read as JSON, each with its content; `None` if it is not JSON.
    texts: Vec<(NodeId, Option<NodeId>)>,
    /// The spans of the values outside the element that expressions have used.
    pub outside: Vec<Span>,
    /// The nodes that the pointers of the map reach.
    pub(super) reached: Reached,
}

impl Values {
    /// Removes all values and keeps the memory.
    pub fn clear(&mut self) {
        self.tree.clear();
        self.texts.clear();
        self.outside.clear();
        self.reached.clear();
    }
}

/// A record on which expressions are evaluated.
pub struct Record<'r, 'b> {
    /// The text of the values.
    pub buffer: &'r mut TextBuffer<'b>,
    /// The values.
    pub values: &'r mut Values,
    /// The strings that are null.
    pub nulls: &'r Nulls,
    /// The levels, from the record to the element.
    pub levels: &'r [NodeId],
}

impl Record<'_, '_> {
    /// Resolves the pointers of a map in the levels of the record, so that expressions are
    /// evaluated faster.
    pub fn resolve(&mut self, pointers: &PointerTree) {
        pointers.resolve(&self.values.tree, self.buffer, self.levels, &mut self.values.reached);
    }

    /// Evaluates an expression.
    #[inline]
    pub fn evaluate(&mut self, expression: &Expression) -> Found {
        self.evaluate_with(expression, false).unpack()
    }

    /// Evaluates the expression of an event name, in which a null part of a template is empty.
    #[inline]
    pub fn evaluate_name(&mut self, expression: &Expression) -> Found {
        self.evaluate_with(expression, true).unpack()
    }

    fn evaluate_with(&mut self, expression: &Expression, empty_parts: bool) -> PackedFound {
        match expression {
            Expression::Place(place) => self.place(place),
            Expression::Constant(text) => PackedFound::text(self.buffer.push(text)),
            Expression::Template(parts) => self.template(parts, empty_parts),
            Expression::First(expressions) => {
                for each in expressions {
                    let found = self.evaluate_with(each, empty_parts);
                    if found.kind != PackedFound::NULL.kind {
                        return found;
                    }
                }
                PackedFound::NULL
            }
            Expression::If { conditions, value } => match self.all_hold(conditions) {
                true => self.evaluate_with(value, empty_parts),
                false => PackedFound::NULL,
            },
        }
    }

    fn place(&mut self, place: &FilteredPlace) -> PackedFound {
        let Some(node) = self.node(place) else { return PackedFound::NULL };
        if place.filters.is_empty() {
            return PackedFound::node(node);
        }
        match self.filtered(node, place) {
            Some(text) => PackedFound::text(self.buffer.push(&text)),
            None => PackedFound::NULL,
        }
    }

    /// Returns the value at a place before its filters; `None` if it is null.
    #[inline]
    fn node(&mut self, place: &FilteredPlace) -> Option<NodeId> {
        let node = self.find(&place.pointer).filter(|node| !self.is_null(*node))?;
        if place.pointer.up > 0 {
            let value = self.values.tree.value(node);
            self.values.outside.push(if value.kind() == Kind::String { value.inner() } else { value.raw() });
        }
        Some(node)
    }

    /// Applies the filters of a place to its value. Returns `None` if the result is null.
    fn filtered(&self, node: NodeId, place: &FilteredPlace) -> Option<String> {
        let text = self.text(node).and_then(|text| filter::apply_all(&place.filters, &text))?;
        (!self.nulls.contains(&text)).then_some(text)
    }

    fn template(&mut self, parts: &[Part], empty_parts: bool) -> PackedFound {
        let mut from = self.buffer.decoded.len();
        for part in parts {
            let is_found = match part {
                Part::Text(text) => {
                    self.buffer.decoded.push_str(text);
                    true
                }
                Part::Place(place) => {
                    let end = self.buffer.decoded.len();
                    let node = self.node(place);
                    if self.buffer.decoded.len() > end {
                        // Finding the node decoded a string into the buffer, after the text so far.
                        // Copy that text to the end, after the string, so that the template stays
                        // contiguous.
                        let start = self.buffer.decoded.len();
                        self.buffer.decoded.extend_from_within(from..end);
                        from = start;
                    }
                    node.is_some_and(|node| self.append(node, place))
                }
            };
            if !is_found && !empty_parts {
                self.buffer.decoded.truncate(from);
                return PackedFound::NULL;
            }
        }
        PackedFound::text(self.buffer.decoded_since(from))
    }

    /// Appends the text of a place to the buffer, given its value. Returns false if there is none.
    fn append(&mut self, node: NodeId, place: &FilteredPlace) -> bool {
        let value = self.values.tree.value(node);
        if place.filters == [Filter::Lower]
            && let Some(is_found) = self.append_lower(value)
        {
            return is_found;
        }
        let text = match value.kind() {
            _ if !place.filters.is_empty() => self.filtered(node, place),
            Kind::String if !value.has(ESCAPED) => {
                self.buffer.copy(value.inner());
                return true;
            }
            _ => self.text(node).map(Cow::into_owned),
        };
        text.inspect(|text| self.buffer.decoded.push_str(text)).is_some()
    }

    /// Appends an ASCII string in lower case, in place. Returns whether the result is not null;
    /// `None` for other values. The path of each request of an access log is such a string.
    fn append_lower(&mut self, value: Value) -> Option<bool> {
        let span = value.inner();
        let is_plain = value.kind() == Kind::String && !value.has(ESCAPED);
        if !is_plain || !self.buffer.get(span)?.is_ascii() {
            return None;
        }
        let from = self.buffer.decoded.len();
        self.buffer.copy(span);
        let text = self.buffer.decoded.get_mut(from..)?;
        text.make_ascii_lowercase();
        let is_null = self.nulls.contains(text);
        if is_null {
            self.buffer.decoded.truncate(from);
        }
        Some(!is_null)
    }

    /// Returns the text of a value; `None` for null, objects and lists.
    pub fn found_text(&self, found: Found) -> Option<Cow<'_, str>> {
        match found {
            Found::Null => None,
            Found::Node(node) => self.text(node),
            Found::Text(span) => self.buffer.get(span).map(Cow::Borrowed),
        }
    }

    /// Returns whether all conditions hold.
    pub fn all_hold(&mut self, conditions: &[Alternatives]) -> bool {
        conditions.iter().all(|any| any.iter().any(|condition| self.holds(condition)))
    }

    /// Returns whether a condition holds.
    pub fn holds(&mut self, condition: &Condition) -> bool {
        let found = self.find(&condition.pointer);
        let holds = match (found, &condition.equals) {
            (None, _) => false,
            (Some(node), None) => !self.is_null(node),
            (Some(node), Some(text)) => self.text_is(node, text),
        };
        holds != condition.negated
    }

    /// Returns the value at a pointer; `None` if there is none.
    #[inline]
    pub fn find(&mut self, pointer: &Pointer) -> Option<NodeId> {
        let level = self.levels.len().checked_sub(1 + pointer.up)?;
        let (node, depth) = self.values.reached.get(pointer, *self.levels.get(level)?)?;
        self.walk(node, pointer.steps.get(depth..)?)
    }

    /// Follows the steps of a pointer from a node; `None` if there is no value.
    #[inline]
    pub fn walk(&mut self, mut node: NodeId, steps: &[Step]) -> Option<NodeId> {
        for step in steps {
            node = self.step(node, step)?;
        }
        Some(node)
    }

    #[inline]
    fn step(&mut self, node: NodeId, step: &Step) -> Option<NodeId> {
        match self.values.tree.value(node).kind() {
            Kind::Object => match self.values.tree.member(self.buffer, node, &step.key) {
                None if step.in_list == ListStep::Any => self.first_not_null(node),
                member => member,
            },
            Kind::Array => match &step.in_list {
                ListStep::Index(index) => self.values.tree.children(node).nth(*index as usize),
                ListStep::Find { key, value } => {
                    let tree = &self.values.tree;
                    tree.children(node).find(|element| {
                        let member = tree.member(self.buffer, *element, key);
                        member.is_some_and(|member| self.text_is(member, value))
                    })
                }
                ListStep::Any => self.first_not_null(node),
                ListStep::Nothing => None,
            },
            Kind::String => {
                let inner = self.json_in_text(node)?;
                self.step(inner, step)
            }
            Kind::Null | Kind::Bool | Kind::Number => None,
        }
    }

    fn first_not_null(&self, node: NodeId) -> Option<NodeId> {
        self.values.tree.children(node).find(|child| !self.is_null(*child))
    }

    /// Returns the object or list that a string contains as JSON. Each string is parsed once.
    pub fn json_in_text(&mut self, node: NodeId) -> Option<NodeId> {
        if let Some((_, inner)) = self.values.texts.iter().find(|(text, _)| *text == node) {
            return *inner;
        }
        let span = self.decoded(node);
        let inner = self
            .parse(span)
            .filter(|inner| matches!(self.values.tree.value(*inner).kind(), Kind::Object | Kind::Array));
        self.values.texts.push((node, inner));
        inner
    }

    /// Adds the JSON in a string to the values; `None` if the string is not a single JSON value.
    pub fn parse(&mut self, mut span: Span) -> Option<NodeId> {
        let text = self.buffer.get(span)?;
        if text.contains('\n') {
            // The scanner stops at a line feed.
            let text = compact::compact(text).into_owned();
            span = self.buffer.push(&text);
        }
        let text = self.buffer.get(span)?;
        let mut scanner = Scanner::new(text.as_bytes());
        let start = scanner.skip_space(0);
        let (node, end) = self.values.tree.add(&mut scanner, start, span.start as usize).ok()?;
        (scanner.skip_space(end) >= text.len()).then_some(node)
    }

    /// Returns the span of a string's decoded text.
    pub fn decoded(&mut self, node: NodeId) -> Span {
        let value = self.values.tree.value(node);
        if !value.has(ESCAPED) {
            return value.inner();
        }
        let from = self.buffer.decoded.len();
        let inner = value.inner();
        match inner.slice(self.buffer.lines) {
            Some(text) => escapes::decode(text, &mut self.buffer.decoded),
            None => {
                let text = self.buffer.get(inner).unwrap_or("").to_owned();
                escapes::decode(&text, &mut self.buffer.decoded);
            }
        }
        self.buffer.decoded_since(from)
    }

    /// Returns the text of a string, number or boolean.
    pub fn text(&self, node: NodeId) -> Option<Cow<'_, str>> {
        let value = self.values.tree.value(node);
        match value.kind() {
            Kind::String => {
                let inner = self.buffer.get(value.inner())?;
                Some(if value.has(ESCAPED) { unescape(inner) } else { Cow::Borrowed(inner) })
            }
            Kind::Number | Kind::Bool => self.buffer.get(value.raw()).map(Cow::Borrowed),
            Kind::Null | Kind::Object | Kind::Array => None,
        }
    }

    fn text_is(&self, node: NodeId, text: &str) -> bool {
        self.text(node).is_some_and(|found| found == text)
    }

    /// Returns whether a value is null: null, `{}`, `[]`, or a string that is null.
    #[inline]
    pub fn is_null(&self, node: NodeId) -> bool {
        let value = self.values.tree.value(node);
        match value.kind() {
            Kind::Null => true,
            Kind::Object | Kind::Array => self.values.tree.is_empty(node),
            // The null fields of a row were omitted.
            Kind::String if value.has(UNQUOTED) => false,
            Kind::String if !value.has(ESCAPED) => {
                let span = value.inner();
                self.nulls.may_contain(span.len as usize)
                    && self.buffer.get(span).is_none_or(|text| self.nulls.contains(text))
            }
            Kind::String => self.text(node).is_none_or(|text| self.nulls.contains(&text)),
            Kind::Bool | Kind::Number => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evaluates an expression on a record. Objects and lists are returned as written.
    fn value(record: &str, expression: &Expression) -> Option<String> {
        let mut values = Values::default();
        let mut buffer = TextBuffer::new(record);
        let (root, _) = values.tree.add(&mut Scanner::new(record.as_bytes()), 0, 0).unwrap();
        let nulls = Nulls::default();
        let mut record = Record { buffer: &mut buffer, values: &mut values, nulls: &nulls, levels: &[root] };
        let found = record.evaluate(expression);
        match found {
            Found::Null => None,
            Found::Node(node) => {
                let raw = record.values.tree.value(node).raw();
                Some(
                    record.text(node).map_or_else(|| record.buffer.get(raw).unwrap().into(), Cow::into_owned),
                )
            }
            Found::Text(span) => record.buffer.get(span).map(str::to_owned),
        }
    }

    fn text(record: &str, expression: &str) -> Option<String> {
        value(record, &Expression::parse(expression).unwrap())
    }

    #[test]
    fn step_in_a_list_is_an_index_a_search_or_the_first_value() {
        let record =
            r#"{"p":[{"key":"id","value":{"string_value":null,"int_value":"404"}},{"key":"n","value":{}}],
            "l":[null,"-",{"x":1}]}"#
                .replace('\n', " ");
        assert_eq!(text(&record, "/p/key=id/value/*").as_deref(), Some("404"));
        assert_eq!(text(&record, "/p/key=n/value/*"), None);
        assert_eq!(text(&record, "/p/0/key").as_deref(), Some("id"));
        assert_eq!(text(&record, "/p/2/key"), None);
        assert_eq!(text(&record, "/l/*/x").as_deref(), Some("1"));
        assert_eq!(text(&record, "/p/key").as_deref(), None);
    }

    #[test]
    fn step_into_a_string_continues_in_its_json() {
        let record =
            r#"{"p":"{ \"a\":\n [\"x\\u00e9\", {\"b\": \"{\\\"c\\\":7}\"}] }","q":"plain","r":"[1"}"#;
        assert_eq!(text(record, "/p/a/0").as_deref(), Some("xé"));
        assert_eq!(text(record, "/p/a/1/b/c").as_deref(), Some("7"));
        assert_eq!(text(record, "/q/a"), None);
        assert_eq!(text(record, "/r/0"), None);
        let broken = r#"{"p":"{\"a\":1\n2}","q":"{\n\"a\":1,\n\"b\" :\n[2 ]}"}"#;
        assert_eq!(text(broken, "/p/a"), None);
        assert_eq!(text(broken, "/q/b/0").as_deref(), Some("2"));
    }

    #[test]
    fn null_values_are_skipped() {
        let record = r#"{"a":"undefined","b":{},"c":[],"d":null,"e":"(not\u0020set)","f":false,"g":"v"}"#;
        for place in ["/a", "/b", "/c", "/d", "/e", "/missing", "/f/x"] {
            assert_eq!(text(record, place), None, "{place}");
        }
        let first = ["/a", "/b", "/d", "/f", "/g"].map(|text| Expression::parse(text).unwrap());
        assert_eq!(value(record, &Expression::First(first.to_vec())).as_deref(), Some("false"));
        assert_eq!(text(record, "{/g}.{/a}"), None);
        assert_eq!(text(record, "{/g}.{/f}").as_deref(), Some("v.false"));
        assert_eq!(text(record, "=").as_deref(), Some(""));
    }

    #[test]
    fn template_is_whole_if_a_part_is_decoded_json() {
        let record = r#"{"a":"x","j":"{\"k\":\"y\\u00e9\"}","k":"{\"k\":[\"n\"]}","u":"A%20B"}"#;
        assert_eq!(
            text(record, "<{/a}-{/j/k}-{/k/k/0}-{/u|urldecode|lower}-{/j/k}>").as_deref(),
            Some("<x-yé-n-a b-yé>")
        );
        assert_eq!(text(record, "{/a}{/j/k}{/j/no}"), None);
        assert_eq!(text(record, "{/k/k}{/a}"), None);
    }

    #[test]
    fn number_is_returned_as_written() {
        let record = r#"{"t":1794214800.000260,"n":-1e5}"#;
        assert_eq!(text(record, "/t").as_deref(), Some("1794214800.000260"));
        assert_eq!(text(record, "{/n}").as_deref(), Some("-1e5"));
    }

    #[test]
    fn condition_compares_strings_numbers_and_booleans() {
        let record = r#"{"a":"x","n":1,"b":true,"e":"","deep":{"c":"y"}}"#;
        let holds = |text: &str| {
            let conditions = vec![vec![Condition::parse(text).unwrap()]];
            let value = Box::new(Expression::Constant("yes".into()));
            value_of(record, Expression::If { conditions, value }) == Some("yes".into())
        };
        fn value_of(record: &str, expression: Expression) -> Option<String> {
            value(record, &expression)
        }
        for text in ["/a", "/a = x", "/n = 1", "/b = true", "/e = ", "/deep/c = y", "!/a = y", "!/e", "!/z"] {
            assert!(holds(text), "{text}");
        }
        for text in ["/e", "/z", "/a = y", "/n = 1.0", "!/a", "/deep = y"] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn lower_case_applies_to_all_letters() {
        let record = r#"{"a":"/A/b.PNG","e":"\u0041B","u":"ÄB","n":"UNDEFINED","f":true,"x":"(NOT SET)"}"#;
        let cases = [("a", "/a/b.png"), ("e", "ab"), ("u", "äb"), ("f", "true")];
        for (key, lower) in cases {
            assert_eq!(text(record, &format!("<{{/{key}|lower}}>")), Some(format!("<{lower}>")));
            assert_eq!(text(record, &format!("/{key}|lower")).as_deref(), Some(lower));
        }
        for key in ["n", "x"] {
            assert_eq!(text(record, &format!("<{{/{key}|lower}}>")), None);
        }
    }

    #[test]
    fn filtered_string_can_be_null() {
        let record = r#"{"d":"$device:","u":"%2D","x":"$device:7"}"#;
        assert_eq!(text(record, "/d|strip:$device:"), None);
        assert_eq!(text(record, "/u|urldecode"), None);
        assert_eq!(text(record, "/x|strip:$device:").as_deref(), Some("7"));
        assert_eq!(text(record, "/x|base64"), None);
    }
}
