//! The properties of an event: paths, types and values.

use std::borrow::Cow;

use crate::json::lenient::{each_element, each_member};
use crate::json::unescape;

/// Objects and arrays at this depth are not searched: each is one value.
const MAX_DEPTH: usize = 8;

/// The JSON type of a property. Integers and other numbers are one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum JsonType {
    /// A boolean.
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl JsonType {
    /// All types, in the order of the enum.
    pub const ALL: [JsonType; 5] =
        [JsonType::Boolean, JsonType::Number, JsonType::String, JsonType::Array, JsonType::Object];

    /// Returns the type of a JSON value, which its first byte determines; `None` for null.
    pub fn of(value: &str) -> Option<JsonType> {
        Some(match value.as_bytes().first()? {
            b't' | b'f' => JsonType::Boolean,
            b'-' | b'0'..=b'9' => JsonType::Number,
            b'"' => JsonType::String,
            b'[' => JsonType::Array,
            b'{' => JsonType::Object,
            _ => return None,
        })
    }

    /// Returns the name in JSON Schema.
    pub fn name(self) -> &'static str {
        match self {
            JsonType::Boolean => "boolean",
            JsonType::Number => "number",
            JsonType::String => "string",
            JsonType::Array => "array",
            JsonType::Object => "object",
        }
    }
}

/// Calls `visit` with the path, key, type and JSON text of each property of an object: members,
/// members of nested objects, and elements of arrays. Null values are skipped. The path joins keys
/// with dots, and marks elements with `[]`.
pub(super) fn visit(object: &str, visit: &mut impl FnMut(&str, &str, JsonType, &str)) {
    members(object, &mut String::new(), 0, visit);
}

fn members(
    object: &str,
    path: &mut String,
    depth: usize,
    visit: &mut impl FnMut(&str, &str, JsonType, &str),
) {
    let length = path.len();
    each_member(object, |key, value| {
        let key = unescape(key);
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(&key);
        one(&key, value, path, depth, visit);
        path.truncate(length);
    });
}

fn one(
    key: &str,
    value: &str,
    path: &mut String,
    depth: usize,
    visit: &mut impl FnMut(&str, &str, JsonType, &str),
) {
    let Some(json_type) = JsonType::of(value) else { return };
    visit(path, key, json_type, value);
    if depth >= MAX_DEPTH {
        return;
    }
    match json_type {
        JsonType::Object => members(value, path, depth + 1, visit),
        JsonType::Array => {
            let length = path.len();
            path.push_str("[]");
            each_element(value, |_, element| one(key, element, path, depth + 1, visit));
            path.truncate(length);
        }
        _ => {}
    }
}

/// Returns the text of a JSON string, or the JSON text of another value.
pub(super) fn text(json_type: JsonType, value: &str) -> Cow<'_, str> {
    match json_type {
        JsonType::String => unescape(value.get(1..value.len() - 1).unwrap_or("")),
        _ => Cow::Borrowed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_properties_have_paths() {
        let mut found = Vec::new();
        let object = r#"{"a":1,"b":{"c.d":"x","n":null},"e":[true,{"f":2}],"\u0067":"\u0041"}"#;
        visit(object, &mut |path, key, json_type, value| {
            let text = text(json_type, value).into_owned();
            found.push((path.to_owned(), key.to_owned(), json_type.name(), text));
        });
        let expected = [
            ("a", "a", "number", "1"),
            ("b", "b", "object", r#"{"c.d":"x","n":null}"#),
            ("b.c.d", "c.d", "string", "x"),
            ("e", "e", "array", r#"[true,{"f":2}]"#),
            ("e[]", "e", "boolean", "true"),
            ("e[]", "e", "object", r#"{"f":2}"#),
            ("e[].f", "f", "number", "2"),
            ("g", "g", "string", "A"),
        ];
        let found: Vec<_> =
            found.iter().map(|(p, k, t, v)| (p.as_str(), k.as_str(), *t, v.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn deep_objects_are_not_entered() {
        let object = format!("{}1{}", "{\"a\":".repeat(5000), "}".repeat(5000));
        let mut count = 0;
        visit(&object, &mut |_, _, _, _| count += 1);
        assert_eq!(count, MAX_DEPTH + 1);
    }
}
