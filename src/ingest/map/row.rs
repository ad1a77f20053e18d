//! Rows as records: the fields of CSV and TSV, and the groups of a text line.

use super::Map;
use super::nulls::Nulls;
use super::pointer::tree::{Branch, PointerTree};
use super::record::Values;
use crate::json::{ESCAPED, Kind, NodeId, RowKey, Span, TextBuffer, UNQUOTED, Value};

/// The names of the fields of rows, as keys in a buffer.
#[derive(Debug, Default)]
pub struct RowKeys {
    /// The keys, each with the branch of the map's pointers to its field, if there are any.
    keys: Vec<(RowKey, Option<Branch>)>,
}

/// A field of a row.
#[derive(Clone, Copy, Debug)]
pub enum RowField<'f> {
    /// A part of the buffer's lines.
    Span(Span),
    /// A string that is not in the lines.
    Text(&'f str),
    /// No value.
    Missing,
}

impl RowKeys {
    /// Adds the names to the buffer. `pointers` are those of the map.
    pub fn new<'n>(
        names: impl IntoIterator<Item = &'n str>,
        pointers: &PointerTree,
        buffer: &mut TextBuffer<'_>,
    ) -> RowKeys {
        let key = |name: &'n str| (RowKey::new(push_string(buffer, name), name), pointers.field(name));
        RowKeys { keys: names.into_iter().map(key).collect() }
    }

    /// Returns the number of fields.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds a row to the values, as an object of strings, and resolves the pointers. Null fields
    /// are omitted.
    pub fn add<'f>(
        &self,
        fields: impl IntoIterator<Item = RowField<'f>>,
        map: &Map,
        buffer: &mut TextBuffer<'_>,
        values: &mut Values,
    ) -> NodeId {
        let (tree, nulls) = (&mut values.tree, &map.nulls);
        let row = tree.begin_row();
        let mut reached = values.reached.begin_row(map.pointers(), row);
        for ((key, branch), field) in self.keys.iter().zip(fields) {
            let value = match field {
                RowField::Span(span) => span_value(span, nulls, buffer),
                RowField::Text(text) if !nulls.contains(text) => Some(push_string(buffer, text)),
                RowField::Text(_) | RowField::Missing => None,
            };
            if let Some(value) = value {
                reached.set(*branch, tree.add_field(key, value));
            }
        }
        reached.end();
        tree.end_row(row);
        row
    }
}

/// Returns the value of a field that is in the buffer's lines; `None` if it is null. The field is
/// not copied, unless it is at the beginning or the end of the lines.
#[inline(always)]
fn span_value(span: Span, nulls: &Nulls, buffer: &mut TextBuffer<'_>) -> Option<Value> {
    let lines = buffer.lines;
    let (start, end) = (span.start as usize, (span.start + span.len) as usize);
    if start > 0 && end < lines.len() {
        let is_null = nulls.may_contain(end - start) && nulls.contains(span.slice(lines)?);
        return (!is_null).then(|| Value::new(start - 1, end + 1, Kind::String, UNQUOTED));
    }
    let text = span.slice(lines).filter(|text| !nulls.contains(text))?;
    Some(push_string(buffer, text))
}

/// Returns whether a string has characters that are escaped in JSON.
#[inline]
fn has_special(text: &str) -> bool {
    // The loop has no early exit, so that the compiler can compare many bytes at once.
    text.bytes().fold(false, |found, byte| found | (byte < 32) | (byte == b'"') | (byte == b'\\'))
}

/// Appends text to the buffer as a JSON string.
pub fn push_string(buffer: &mut TextBuffer<'_>, text: &str) -> Value {
    let start = buffer.lines.len() + buffer.decoded.len();
    let flags = if write_string(text, &mut buffer.decoded) { ESCAPED } else { 0 };
    Value::new(start, buffer.lines.len() + buffer.decoded.len(), Kind::String, flags)
}

/// Appends text as a JSON string. Returns whether the string has escapes.
pub fn write_string(text: &str, out: &mut String) -> bool {
    let has_escapes = has_special(text);
    out.push('"');
    if has_escapes {
        for c in text.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                '\n' => out.push_str("\\n"),
                '\0'..='\u{1f}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
                _ => out.push(c),
            }
        }
    } else {
        out.push_str(text);
    }
    out.push('"');
    has_escapes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_is_an_object_without_its_null_fields() {
        let text = "7,plain,x\ty,-,\"last";
        let (mut buffer, mut values) = (TextBuffer::new(text), Values::default());
        let names = ["first", "plain", "a\"b", "none", "last", "text", "missing"];
        let map = Map::parse("x.toml", "[event]\nevent_name = \"/plain\"").unwrap();
        let keys = RowKeys::new(names, map.pointers(), &mut buffer);
        let span = |start: u32, len: u32| RowField::Span(Span { start, len });
        let fields = [span(0, 1), span(2, 5), span(8, 3), span(12, 1), span(14, 5)];
        let fields = fields.into_iter().chain([RowField::Text("\n\"z\\"), RowField::Missing]);
        let row = keys.add(fields, &map, &mut buffer, &mut values);
        let members: Vec<String> = values
            .tree
            .children(row)
            .map(|node| {
                let (key, value) = (values.tree.key(node), values.tree.value(node));
                let text = |value: Value| match value.has(UNQUOTED) {
                    true => {
                        let mut out = String::new();
                        write_string(buffer.get(value.inner()).unwrap(), &mut out);
                        out
                    }
                    false => buffer.get(value.raw()).unwrap().to_owned(),
                };
                format!("{}:{}", text(key), text(value))
            })
            .collect();
        let object: serde_json::Value = serde_json::from_str(&format!("{{{}}}", members.join(","))).unwrap();
        let expected = serde_json::json!({
            "first": "7", "plain": "plain", "a\"b": "x\ty", "last": "\"last", "text": "\n\"z\\",
        });
        assert_eq!(object, expected);
        assert_eq!(keys.len(), 7);
        // The first and the last field are copied.
        let unquoted = values.tree.children(row).filter(|node| values.tree.value(*node).has(UNQUOTED));
        assert_eq!(unquoted.count(), 2);
    }
}
