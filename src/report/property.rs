//! Finding one property in an event's `properties` without reading the others.
//!
//! Most events do not have the property asked for, which a search for its name tells at once.
//! Where the name occurs, the object is walked: only a key of the object itself counts, not the
//! same text in a string or in an object within it.

use memchr::memmem::Finder;

use crate::time::Micros;

/// Finds the property of one name in many objects.
pub struct Property {
    name: &'static str,
    finder: Finder<'static>,
}

impl Property {
    /// Makes a search for a property.
    pub fn new(name: &'static str) -> Property {
        Property { name, finder: Finder::new(name.as_bytes()) }
    }

    /// Returns the JSON text of the property's value; of a key given twice, the last.
    pub fn find<'a>(&self, object: &'a str) -> Option<&'a str> {
        let bytes = object.as_bytes();
        // Too short for the name, quoted, and a value.
        if bytes.len() < self.name.len() + 6 {
            return None;
        }
        // A backslash may hide the name: `load\u005ftime_ms`.
        if self.finder.find(bytes).is_none() && memchr::memchr(b'\\', bytes).is_none() {
            return None;
        }
        let mut found = None;
        let mut walk = Walk { text: object, at: 0 };
        walk.entries(|key, value| {
            if key == self.name || (key.contains('\\') && unescaped(key).as_deref() == Some(self.name)) {
                found = Some(value);
            }
        })?;
        found
    }

    /// Returns the value as a time: a number of milliseconds, finite and not negative, in whole
    /// microseconds.
    pub fn millis(&self, object: &str) -> Option<Micros> {
        let value = self.find(object)?;
        // A number begins so; `parse` alone would take words such as `inf` too.
        if !value.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let micros = value.parse::<f64>().ok()? * 1_000.0;
        (micros.is_finite() && micros < 9e18).then_some(micros.round() as Micros)
    }
}

fn unescaped(key: &str) -> Option<String> {
    serde_json::from_str(&format!("\"{key}\"")).ok()
}

/// Walks over the keys and values of an object; any text that is no object ends it early.
struct Walk<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.space();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Takes a string, whose opening quote has been taken; returns it as it stands.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        loop {
            let rest = self.text.as_bytes().get(self.at..)?;
            self.at += memchr::memchr2(b'"', b'\\', rest)?;
            if self.peek()? == b'"' {
                self.at += 1;
                return self.text.get(start..self.at - 1);
            }
            self.at += 2;
        }
    }

    /// Takes a value; returns it as it stands.
    fn value(&mut self) -> Option<&'a str> {
        self.space();
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    self.string()?;
                    if depth == 0 {
                        break;
                    }
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
                b',' if depth == 0 => break,
                _ => self.at += 1,
            }
        }
        self.text.get(start..self.at).map(str::trim_end)
    }

    fn entries(&mut self, mut each: impl FnMut(&'a str, &'a str)) -> Option<()> {
        self.expect(b'{')?;
        self.space();
        if self.peek()? == b'}' {
            return Some(());
        }
        loop {
            self.expect(b'"')?;
            let key = self.string()?;
            self.expect(b':')?;
            let value = self.value()?;
            each(key, value);
            self.space();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_a_key_of_the_object_itself_is_found() {
        let load = Property::new("load_time_ms");
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
    fn a_time_is_a_number_that_is_not_negative() {
        let time = Property::new("response_time_ms");
        let millis = |value: &str| time.millis(&format!("{{\"response_time_ms\":{value}}}"));
        assert_eq!(millis("1200"), Some(1_200_000));
        assert_eq!(millis("0.0005"), Some(1));
        assert_eq!(millis("1.5e3"), Some(1_500_000));
        assert_eq!(millis("0"), Some(0));
        for wrong in ["-1", "\"12\"", "null", "true", "1e999", "[1]", "inf"] {
            assert_eq!(millis(wrong), None, "{wrong}");
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

    proptest! {
        #[test]
        fn it_finds_what_a_whole_parser_finds(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let found = Property::new("x").find(text.as_ref().unwrap()).map(str::to_owned);
            let found = found.map(|text| serde_json::from_str::<serde_json::Value>(&text).unwrap());
            prop_assert_eq!(found, value.as_object().and_then(|object| object.get("x")).cloned());
        }

        #[test]
        fn any_text_ends_without_a_panic(text in "[{}\\[\\]\",:\\\\x0-9 é]{0,24}") {
            Property::new("x").find(&text);
            Property::new("x").millis(&text);
        }
    }
}
