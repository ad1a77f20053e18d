//! Looks up values in serialized JSON: properties of an event by name, and values at a path.
//!
//! Neither search parses the whole document. The depth of nesting is not limited.

use memchr::memmem::Finder;

use crate::json::lenient::{each_element, each_member, key_is};
use crate::session::properties::number_us;
use crate::time::Micros;

/// A search for properties of fixed names, for use on many objects.
///
/// Most objects have none of the properties. A substring search for a part that all names share
/// rules them out; only the other objects are scanned.
pub(crate) struct Properties<const N: usize> {
    names: [&'static str; N],
    /// The length of the shortest object with one of the properties: braces, quotes, colon, a name
    /// and a value of one byte.
    min_len: usize,
    finder: Finder<'static>,
    /// The position of the common part in each name.
    offsets: [usize; N],
}

impl<const N: usize> Properties<N> {
    /// Returns a search for properties whose names all contain `common`.
    pub fn new(names: [&'static str; N], common: &'static str) -> Properties<N> {
        let shortest = names.iter().map(|name| name.len()).min().unwrap_or(0);
        let offsets = names.map(|name| name.find(common).unwrap_or(0));
        Properties { names, min_len: shortest + 6, finder: Finder::new(common.as_bytes()), offsets }
    }

    /// Returns the values as JSON, in the order of the names. Only keys of the object itself count,
    /// not those of nested objects. If a key occurs more than once, the last value is returned.
    pub fn find<'a>(&self, object: &'a str) -> [Option<&'a str>; N] {
        let bytes = object.as_bytes();
        if object.len() < self.min_len {
            return [None; N];
        }
        // An escape may hide a name, as in `load\u005ftime_ms`.
        let has_escape = memchr::memchr(b'\\', bytes).is_some();
        if !has_escape {
            let Some(at) = self.finder.find(bytes) else { return [None; N] };
            if let Some(found) = self.find_only(object, at) {
                return found;
            }
        }
        let mut found = [None; N];
        let end = each_member(object, |key, value| {
            for (name, found) in self.names.iter().zip(&mut found) {
                if key == *name || (has_escape && key_is(key, name)) {
                    *found = Some(value);
                }
            }
        });
        if end.is_some() { found } else { [None; N] }
    }

    /// Finds the only property of an object without nested values and escapes, whose name contains
    /// the common part at `at`. Returns `None` if there may be more properties.
    fn find_only<'a>(&self, object: &'a str, at: usize) -> Option<[Option<&'a str>; N]> {
        let mut found = [None; N];
        for ((name, offset), found) in self.names.iter().zip(&self.offsets).zip(&mut found) {
            let Some(start) = at.checked_sub(*offset) else { continue };
            if object.get(start..).is_some_and(|rest| rest.starts_with(name)) {
                *found = flat_value(object, (start, name.len()), &self.finder);
            }
        }
        found.iter().any(Option::is_some).then_some(found)
    }

    /// Returns the values as times in microseconds; `None` for values that are not a number of
    /// milliseconds.
    pub fn millis(&self, object: &str) -> [Option<Micros>; N] {
        self.find(object).map(|value| millis(value?))
    }
}

/// Parses a number of milliseconds by the same rule as sessions, so that reports on events agree
/// with reports on sessions.
fn millis(value: &str) -> Option<Micros> {
    // Most numbers are short and whole, and need no rounding. Ten digits can exceed the limit of 30
    // days.
    if (1..=9).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.bytes().fold(0, |sum, digit| sum * 10 + Micros::from(digit - b'0')) * 1_000);
    }
    number_us(value)
}

/// Returns the value of the property `name` as JSON, if the object has it exactly once, and neither
/// nested values nor escapes. `key` finds the name, and found it first at `at`. For other objects,
/// returns `None`, and [`at_path`] finds the value.
///
/// Most properties are flat. Searching them for a few bytes takes less time than reading all
/// members.
pub(crate) fn in_flat_object<'a>(object: &'a str, key: &Finder<'_>, at: usize) -> Option<&'a str> {
    flat_value(object, (at, key.needle().len()), key)
}

/// Returns the value of the property whose name has this position and length in an object, under
/// the conditions of [`in_flat_object`]. `repeated` finds a text that must not follow.
fn flat_value<'a>(object: &'a str, (at, length): (usize, usize), repeated: &Finder<'_>) -> Option<&'a str> {
    let (before, rest) = object.split_at_checked(at)?;
    let value = rest.get(length..)?.strip_prefix("\":")?.trim_ascii_start();
    let members = before.strip_prefix('{')?.strip_suffix('"')?;
    let is_plain = |text: &str| memchr::memchr3(b'{', b'[', b'\\', text.as_bytes()).is_none();
    if !is_plain(members) || !is_plain(value) || repeated.find(value.as_bytes()).is_some() {
        return None;
    }
    let end = match value.strip_prefix('"') {
        Some(text) => memchr::memchr(b'"', text.as_bytes())? + 2,
        None => memchr::memchr2(b',', b'}', value.as_bytes())?,
    };
    value.get(..end).map(str::trim_ascii)
}

/// Returns the value at a path of keys and list indexes as JSON. Indexes count from 0. If a key
/// occurs more than once, its last value is used.
pub(crate) fn at_path<'a>(json: &'a str, path: &[String]) -> Option<&'a str> {
    path.iter().try_fold(json.trim_ascii(), |value, step| {
        let mut found = None;
        match value.as_bytes().first()? {
            b'{' => {
                each_member(value, |key, value| {
                    if key_is(key, step) {
                        found = Some(value);
                    }
                })?;
            }
            b'[' => {
                let wanted: usize = step.parse().ok()?;
                each_element(value, |index, value| {
                    if index == wanted {
                        found = Some(value);
                    }
                })?;
            }
            _ => return None,
        }
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::lenient;
    use proptest::prelude::*;

    struct OneProperty(Properties<1>);

    impl OneProperty {
        fn find<'a>(&self, object: &'a str) -> Option<&'a str> {
            self.0.find(object)[0]
        }
    }

    #[test]
    fn several_properties_are_found_together() {
        let both = Properties::new(["load_time_ms", "response_time_ms"], "_time_ms");
        let times = |object| both.millis(object);
        assert_eq!(times(r#"{"response_time_ms":2,"x":[{"load_time_ms":3}]}"#), [None, Some(2_000)]);
        assert_eq!(times(r#"{"load_time_ms":1.5,"response_time_ms":"2"}"#), [Some(1_500), Some(2_000)]);
        assert_eq!(times(r#"{"load_time_ms":1,"response_time_ms":2"#), [None, None]);
        assert_eq!(times(r#"{"load_time_ms":1,"response_time_ms":2}"#), [Some(1_000), Some(2_000)]);
    }

    #[test]
    fn nested_key_and_key_in_string_are_not_found() {
        let load = OneProperty(Properties::new(["load_time_ms"], "_time_ms"));
        assert_eq!(load.find(r#"{"load_time_ms":120}"#), Some("120"));
        assert_eq!(load.find(r#"{ "a" : [1, {"load_time_ms":1}] , "load_time_ms" : 12.5 }"#), Some("12.5"));
        assert_eq!(load.find(r#"{"timing":{"load_time_ms":120}}"#), None);
        assert_eq!(load.find(r#"{"note":"load_time_ms"}"#), None);
        assert_eq!(load.find(r#"{"note":"\"load_time_ms\":3,"}"#), None);
        assert_eq!(load.find(r#"{"load\u005ftime_ms":7}"#), Some("7"));
        assert_eq!(load.find(r#"{"load_time_ms":1,"load_time_ms":2}"#), Some("2"));
        assert_eq!(load.find(r#"{"x":"}","load_time_ms":3}"#), Some("3"));
        assert_eq!(load.find(""), None);
        assert_eq!(load.find(r#"{"load_time_ms":"#), None);
        assert_eq!(load.find(r#"{"load_time_ms"\"#), None);
    }

    #[test]
    fn millis_accepts_numbers_that_are_not_negative() {
        let time = Properties::new(["response_time_ms"], "_time_ms");
        let millis = |value: &str| time.millis(&format!("{{\"response_time_ms\":{value}}}"))[0];
        assert_eq!(millis("1200"), Some(1_200_000));
        assert_eq!(millis("0.0005"), Some(1));
        assert_eq!(millis("1.5e3"), Some(1_500_000));
        assert_eq!(millis("0"), Some(0));
        assert_eq!(millis("0012"), Some(12_000));
        assert_eq!(millis("999999999"), Some(999_999_999_000));
        assert_eq!(millis("999999999999"), None);
        // As a float, this would be rounded down.
        assert_eq!(millis("1024.4995"), Some(1_024_500));
        assert_eq!(millis("-0"), Some(0));
        // Some loggers write numbers in quotes.
        assert_eq!(millis("\"12\""), Some(12_000));
        for wrong in ["-1", "\"12 ms\"", "null", "true", "1e999", "[1]", "inf"] {
            assert_eq!(millis(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn millis_agrees_with_sessions(number in "(-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,8})?([eE][+-]?[0-9]{1,3})?)") {
            prop_assert_eq!(millis(&number), number_us(&number));
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(serde_json::Value::from),
            "[a-z\"\\\\{}\\[\\],:é]{0,6}".prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
                prop::collection::vec((key(), inner), 0..4)
                    .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
            ]
        })
    }

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![Just("x".to_owned()), "[a-z\"\\\\]{0,3}"]
    }

    #[test]
    fn property_of_a_flat_object_is_found() {
        let key = Finder::new(b"ms");
        let find = |object| in_flat_object(object, &key, key.find(str::as_bytes(object)).unwrap());
        assert_eq!(find(r#"{"ms":12}"#), Some("12"));
        assert_eq!(find(r#"{"a":"x,}","ms": -1.5 ,"b":2}"#), Some("-1.5"));
        assert_eq!(find(r#"{"ms":"a,}b","b":2}"#), Some(r#""a,}b""#));
        assert_eq!(find(r#"{"ms": "a,}b" , "b":2}"#), Some(r#""a,}b""#));
        // Nested, repeated, escaped, or part of another string.
        for other in [
            r#"{"a":{"ms":1}}"#,
            r#"{"ms":[1]}"#,
            r#"{"ms":1,"ms":2}"#,
            r#"{"ms":1,"a":"\"","\u006ds":2}"#,
            r#"{"rms":1}"#,
            r#"{"a":"ms"}"#,
            r#"{"ms" :1}"#,
        ] {
            assert_eq!(find(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn found_properties_agree_with_a_full_parser(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let found = OneProperty(Properties::new(["x"], "x")).find(text.as_ref().unwrap()).map(str::to_owned);
            let found = found.map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
            prop_assert_eq!(found, value.as_object().and_then(|object| object.get("x")).cloned());
        }

        #[test]
        fn value_at_path_agrees_with_a_full_parser(
            value in json(),
            pretty: bool,
            path in prop::collection::vec(prop_oneof![key(), "[0-3]"], 0..4),
        ) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            let wanted = path.iter().try_fold(&value, |value, step| match value {
                serde_json::Value::Array(list) => list.get(step.parse::<usize>().ok()?),
                value => value.get(step),
            });
            let found = at_path(&text, &path);
            if let [name] = path.as_slice() {
                let key = Finder::new(name.as_bytes());
                let in_flat = key.find(text.as_bytes()).and_then(|at| in_flat_object(&text, &key, at));
                prop_assert!(in_flat.is_none() || in_flat == found, "{:?}", in_flat);
            }
            let parsed = found.map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
            prop_assert_eq!(parsed.as_ref(), wanted);
            let compact = wanted.map(|value| serde_json::to_string(value).unwrap());
            prop_assert_eq!(found.map(lenient::compact), compact);
        }

        #[test]
        fn any_text_is_handled_without_panic(text in "[{}\\[\\]\",:\\\\x0-9 é]{0,24}") {
            at_path(&text, &["x".to_owned(), "0".to_owned()]);
            lenient::compact(&text);
            Properties::new(["x", "y"], "").find(&text);
            Properties::new(["x", "y"], "").millis(&text);
        }
    }
}
