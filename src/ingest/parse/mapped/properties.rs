//! The keys that a map sets in `properties`.

use super::super::block_parser::BlockLines;
use super::super::fields::Field;
use super::super::line_fields::FieldValue;
use crate::ingest::map::Map;
use crate::ingest::map::expression::Expression;
use crate::ingest::map::local_time::is_number;
use crate::ingest::map::record::{Found, Record};
use crate::ingest::map::row::push_string;
use crate::json::{ESCAPED, Kind, LONE_SURROGATE, Member, NodeId, Scanner, Span, Value, unescape};

impl BlockLines<'_, '_> {
    /// Sets keys of the properties of the current event.
    pub(super) fn set_properties(&mut self, map: &Map, keys: &[(String, Expression)], levels: &[NodeId]) {
        let mut added: Vec<(&str, Span)> = Vec::new();
        let mut flags = ESCAPED;
        let mut record = Record {
            buffer: &mut self.rows.buffer,
            values: &mut self.record.values,
            nulls: &map.nulls,
            levels,
        };
        for (key, expression) in keys {
            let found = record.evaluate(expression);
            if let Found::Node(node) = found
                && record.values.tree.value(node).has(LONE_SURROGATE)
            {
                flags |= LONE_SURROGATE;
            }
            if let Some(value) = json_value(&mut record, found) {
                added.push((key, value));
            }
        }
        if added.is_empty() {
            return;
        }
        let present = self.line.get(Field::Properties).map(|value| value.member.value);
        if present.is_some_and(|object| object.has(LONE_SURROGATE)) {
            flags |= LONE_SURROGATE;
        }
        let kept = present.map_or(Vec::new(), |object| self.other_members(object, &added));
        let buffer = &mut self.rows.buffer;
        let keys: Vec<Span> = added.iter().map(|(key, _)| push_string(buffer, key).raw()).collect();
        let from = buffer.decoded.len();
        buffer.decoded.push('{');
        let mut separator = "";
        let new = keys.into_iter().zip(added.iter().map(|(_, value)| *value));
        for (key, value) in kept.into_iter().chain(new) {
            buffer.decoded.push_str(separator);
            buffer.copy(key);
            buffer.decoded.push(':');
            buffer.copy(value);
            separator = ",";
        }
        buffer.decoded.push('}');
        let span = buffer.decoded_since(from);
        let (start, end) = (span.start as usize, (span.start + span.len) as usize);
        let value = Value::new(start, end, Kind::Object, flags);
        let key = Value::new(0, 0, Kind::Null, 0);
        let object = FieldValue { member: Member { key, value }, text: Span::NONE };
        self.line.set(Field::Properties, object);
    }

    /// Returns the members of an object except those whose keys are added.
    fn other_members(&mut self, object: Value, added: &[(&str, Span)]) -> Vec<(Span, Span)> {
        let Some(text) = self.rows.buffer.get(object.raw()) else { return Vec::new() };
        let mut members = Vec::new();
        Scanner::new(text.as_bytes()).object(0, |member| {
            let key = member.key.inner().slice(text).map(unescape).unwrap_or_default();
            if !added.iter().any(|(name, _)| *name == key) {
                let shifted = |value: Value| value.shifted(object.start).raw();
                members.push((shifted(member.key), shifted(member.value)));
            }
        });
        members
    }
}

/// Returns the JSON of a value. A text that is a number becomes a number.
fn json_value(record: &mut Record<'_, '_>, found: Found) -> Option<Span> {
    let text = match found {
        Found::Null => return None,
        Found::Node(node) => {
            let value = record.values.tree.value(node);
            if value.kind() != Kind::String {
                return Some(value.raw());
            }
            record.text(node)?.into_owned()
        }
        Found::Text(span) => record.buffer.get(span)?.to_owned(),
    };
    Some(if is_number(&text) { record.buffer.push(&text) } else { push_string(record.buffer, &text).raw() })
}
