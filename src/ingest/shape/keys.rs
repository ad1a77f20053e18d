//! Collects the keys of records, with the types, counts and samples of their values.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;

use crate::ingest::map::expression::display::escape_key;

/// The largest number of keys that are listed.
const MAX_KEYS: usize = 200;
/// The largest number of samples of a key.
const MAX_SAMPLES: usize = 3;
/// The largest number of distinct values of a key that are examined.
const MAX_DISTINCT: usize = 100;
/// The longest sample, in characters.
const SAMPLE_LENGTH: usize = 120;
/// The maximum depth at which keys of objects are listed.
const MAX_DEPTH: usize = 4;

/// The type of a text that contains a JSON object.
const JSON_AS_TEXT: &str = "JSON as text";

/// A key, or the column of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Key {
    /// The pointer to its value, in the notation of maps.
    pub place: String,
    /// Number of records that contain it.
    pub count: u64,
    /// The types of its values, with counts.
    pub types: BTreeMap<&'static str, u64>,
    /// The first distinct values.
    pub samples: Vec<String>,
    /// More distinct values, which decide the form of times.
    #[serde(skip)]
    pub distinct: Vec<String>,
}

/// The keys of records, in order of first occurrence.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
    positions: HashMap<String, usize>,
    /// Number of records.
    pub records: u64,
}

impl Keys {
    /// Adds the keys of a record in JSON; returns false if it is not JSON.
    pub fn add_json(&mut self, text: &str) -> bool {
        let Ok(value) = serde_json::from_str::<Value>(text) else { return false };
        self.add_record(&value);
        true
    }

    /// Adds the keys of a JSON value.
    pub fn add_record(&mut self, value: &Value) {
        self.records += 1;
        self.add_value("", value, 0);
    }

    /// Adds the keys of a JSON value that encloses the current record. Their paths begin with
    /// `place`. The number of records does not change.
    pub fn add_outer(&mut self, place: &str, value: &Value) {
        self.add_value(place, value, 0);
    }

    /// Adds the fields of a row.
    pub fn add_row<'a>(&mut self, columns: &[String], fields: impl Iterator<Item = Option<&'a str>>) {
        self.records += 1;
        for (column, field) in columns.iter().zip(fields) {
            let place = format!("/{}", escape_key(column));
            match field {
                Some(field) if !field.is_empty() => self.add_text(&place, field, 0),
                _ => self.add(place, "empty", None),
            }
        }
    }

    fn add_value(&mut self, place: &str, value: &Value, depth: usize) {
        let (kind, sample) = match value {
            Value::Null => ("null", None),
            Value::Bool(value) => ("boolean", Some(value.to_string())),
            Value::Number(number) => ("number", Some(number.to_string())),
            Value::String(text) if text.is_empty() => ("empty", None),
            Value::String(text) => {
                self.add_text(place, text, depth);
                return;
            }
            Value::Array(_) => ("list", Some(value.to_string())),
            Value::Object(members) if depth < MAX_DEPTH => {
                if depth > 0 {
                    self.add(place.to_owned(), "object", None);
                }
                for (key, value) in members {
                    self.add_value(&format!("{place}/{}", escape_key(key)), value, depth + 1);
                }
                return;
            }
            Value::Object(_) => ("object", Some(value.to_string())),
        };
        self.add(place.to_owned(), kind, sample.as_deref());
    }

    /// Adds a text, and the keys of the JSON object that it contains.
    fn add_text(&mut self, place: &str, text: &str, depth: usize) {
        let kind = text_type(text);
        self.add(place.to_owned(), kind, Some(text));
        if kind == JSON_AS_TEXT
            && let Ok(Value::Object(members)) = serde_json::from_str(text)
        {
            for (key, value) in &members {
                self.add_value(&format!("{place}/{}", escape_key(key)), value, depth + 1);
            }
        }
    }

    /// Adds a value of a key.
    pub fn add(&mut self, place: String, kind: &'static str, sample: Option<&str>) {
        let position = match self.positions.get(&place) {
            Some(position) => *position,
            None if self.keys.len() >= MAX_KEYS => return,
            None => {
                self.keys.push(Key { place: place.clone(), ..Key::default() });
                self.positions.insert(place, self.keys.len() - 1);
                self.keys.len() - 1
            }
        };
        let Some(key) = self.keys.get_mut(position) else { return };
        key.count += 1;
        *key.types.entry(kind).or_default() += 1;
        if let Some(sample) = sample
            && key.distinct.len() < MAX_DISTINCT
        {
            let sample = shorten(sample);
            if !key.distinct.contains(&sample) {
                if key.samples.len() < MAX_SAMPLES {
                    key.samples.push(sample.clone());
                }
                key.distinct.push(sample);
            }
        }
    }

    /// Returns the keys.
    pub fn into_list(self) -> Vec<Key> {
        self.keys
    }
}

/// Returns the beginning of a string.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(SAMPLE_LENGTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or("")),
        None => text.to_owned(),
    }
}

/// Returns the type of a string: text, a number as text, or JSON as text.
fn text_type(text: &str) -> &'static str {
    let trimmed = text.trim();
    if crate::ingest::map::local_time::is_number(trimmed) {
        return "number as text";
    }
    let is_json = trimmed.starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(trimmed).is_ok();
    if is_json { JSON_AS_TEXT } else { "text" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_pointers_types_counts_and_samples() {
        let mut keys = Keys::default();
        assert!(keys.add_json(r#"{"a":{"b/c":1},"t":"x","l":[1],"n":null}"#));
        assert!(keys.add_json(r#"{"a":{"b/c":"2"},"t":"x"}"#));
        assert!(!keys.add_json("{"));
        assert_eq!(keys.records, 2);
        let list = keys.into_list();
        let key = |place: &str| list.iter().find(|key| key.place == place).unwrap();
        let types: Vec<_> = key("/a/b~1c").types.iter().map(|(kind, count)| (*kind, *count)).collect();
        assert_eq!(types, [("number", 1), ("number as text", 1)]);
        assert_eq!((key("/t").count, &key("/t").samples), (2, &vec!["x".to_owned()]));
        assert_eq!(key("/l").samples, ["[1]"]);
        assert!(key("/n").samples.is_empty());
        assert_eq!(key("/a").types.get("object"), Some(&2));
    }

    #[test]
    fn row_has_its_columns_as_keys() {
        let mut keys = Keys::default();
        keys.add_row(&["a".into(), "b".into()], [Some("1"), Some("")].into_iter());
        let list = keys.into_list();
        assert_eq!((list[0].place.as_str(), list[1].place.as_str()), ("/a", "/b"));
        assert_eq!(list[1].types.get("empty"), Some(&1));

        let mut keys = Keys::default();
        keys.add_row(&["a".into()], [Some("{\"b\":\"x\"}")].into_iter());
        let places: Vec<String> = keys.into_list().into_iter().map(|key| key.place).collect();
        assert_eq!(places, ["/a", "/a/b"]);
    }

    #[test]
    fn json_in_a_text_has_keys() {
        let mut keys = Keys::default();
        assert!(keys.add_json(r#"{"m":"{\"e\":{\"n\":\"x\"}}","t":"{broken"}"#));
        let places: Vec<String> = keys.into_list().into_iter().map(|key| key.place).collect();
        assert_eq!(places, ["/m", "/m/e", "/m/e/n", "/t"]);
    }

    #[test]
    fn long_samples_are_shortened_between_characters() {
        assert_eq!(shorten(&"é".repeat(130)).chars().count(), 121);
        assert_eq!(shorten("é"), "é");
    }
}
