//! The keys that a map sets in `properties`.

use super::super::block_parser::BlockLines;
use super::super::fields::Field;
use super::super::line_fields::FieldValue;
use crate::ingest::map::Map;
use crate::ingest::map::expression::Expression;
use crate::ingest::map::local_time::is_number;
use crate::ingest::map::record::{Found, Record};
use crate::ingest::map::row::write_string;
use crate::json::{ESCAPED, Kind, LONE_SURROGATE, Member, NodeId, Scanner, Span, UNQUOTED, Value, unescape};

/// How a value becomes JSON.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// The span is JSON.
    Json,
    /// The span is text that is written as a JSON string.
    Text,
}

/// A value that is set: the index of its key in the map, its span and its form.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct SetValue {
    key: usize,
    span: Span,
    form: Form,
}

impl BlockLines<'_, '_> {
    /// Sets keys of the properties of the current event.
    pub(super) fn set_properties(&mut self, map: &Map, keys: &[(String, Expression)], levels: &[NodeId]) {
        let mut added = std::mem::take(&mut self.record.set_values);
        added.clear();
        let mut flags = ESCAPED;
        let mut record = Record {
            buffer: &mut self.rows.buffer,
            values: &mut self.record.values,
            nulls: &map.nulls,
            levels,
        };
        // Evaluating an expression can append to the buffer, so the object is written last.
        for (key, (_, expression)) in keys.iter().enumerate() {
            let found = record.evaluate(expression);
            if let Found::Node(node) = found
                && record.values.tree.value(node).has(LONE_SURROGATE)
            {
                flags |= LONE_SURROGATE;
            }
            if let Some((span, form)) = json_value(&mut record, found) {
                added.push(SetValue { key, span, form });
            }
        }
        if !added.is_empty() {
            self.write_properties(keys, &added, flags);
        }
        self.record.set_values = added;
    }

    /// Writes the object of the properties with the values that are set.
    fn write_properties(&mut self, keys: &[(String, Expression)], added: &[SetValue], mut flags: u32) {
        let present = self.line.get(Field::Properties).map(|value| value.member.value);
        if present.is_some_and(|object| object.has(LONE_SURROGATE)) {
            flags |= LONE_SURROGATE;
        }
        let key = |value: &SetValue| keys.get(value.key).map_or("", |(key, _)| key);
        let kept = present.map_or(Vec::new(), |object| {
            self.other_members(object, |name| added.iter().any(|value| key(value) == name))
        });
        let buffer = &mut self.rows.buffer;
        let from = buffer.decoded.len();
        let mut separator = '{';
        for (key, value) in kept {
            buffer.decoded.push(separator);
            buffer.copy(key);
            buffer.decoded.push(':');
            buffer.copy(value);
            separator = ',';
        }
        for value in added {
            buffer.decoded.push(separator);
            write_string(key(value), &mut buffer.decoded);
            buffer.decoded.push(':');
            match (value.form, value.span.slice(buffer.lines)) {
                (Form::Json, _) => buffer.copy(value.span),
                (Form::Text, Some(text)) => _ = write_string(text, &mut buffer.decoded),
                (Form::Text, None) => {
                    let text = buffer.get(value.span).unwrap_or("").to_owned();
                    write_string(&text, &mut buffer.decoded);
                }
            }
            separator = ',';
        }
        buffer.decoded.push('}');
        let span = buffer.decoded_since(from);
        let (start, end) = (span.start as usize, (span.start + span.len) as usize);
        let value = Value::new(start, end, Kind::Object, flags);
        let key = Value::new(0, 0, Kind::Null, 0);
        let object = FieldValue { member: Member { key, value }, text: Span::NONE };
        self.line.set(Field::Properties, object);
    }

    /// Returns the members of an object except those whose keys are replaced.
    fn other_members(&mut self, object: Value, is_replaced: impl Fn(&str) -> bool) -> Vec<(Span, Span)> {
        let Some(text) = self.rows.buffer.get(object.raw()) else { return Vec::new() };
        let mut members = Vec::new();
        Scanner::new(text.as_bytes()).object(0, |member| {
            let key = member.key.inner().slice(text).map(unescape).unwrap_or_default();
            if !is_replaced(&key) {
                let shifted = |value: Value| value.shifted(object.start).raw();
                members.push((shifted(member.key), shifted(member.value)));
            }
        });
        members
    }
}

/// Returns the span of a value and its form. A string that contains a number becomes a number.
fn json_value(record: &mut Record<'_, '_>, found: Found) -> Option<(Span, Form)> {
    let (text, raw) = match found {
        Found::Null => return None,
        Found::Node(node) => {
            let value = record.values.tree.value(node);
            if value.kind() != Kind::String {
                return Some((value.raw(), Form::Json));
            }
            let is_json = !value.has(ESCAPED | UNQUOTED);
            (record.decoded(node), is_json.then(|| value.raw()))
        }
        Found::Text(span) => (span, None),
    };
    if is_number(record.buffer.get(text)?) {
        return Some((text, Form::Json));
    }
    // A string without escapes is copied with its quotes.
    Some(raw.map_or((text, Form::Text), |raw| (raw, Form::Json)))
}
