//! The column `event_counts`: a JSON object of counts by event name, such as
//! `{"message_sent":3,"widget_loaded":1}`.
//!
//! Every session row has such an object, so it is scanned without building a tree.

use hashbrown::HashMap;

use crate::json;

/// Calls `visit` with each name and count of an object. A string that is not such an object has no
/// counts.
pub(crate) fn each_count(text: &str, mut visit: impl FnMut(&str, u64)) {
    // All counts are collected first, because an invalid string must have none.
    let mut counts = Vec::with_capacity(16);
    let mut valid = true;
    let rest = json::lenient::each_member(text, |name, value| match count(value) {
        Some(count) => counts.push((name, count)),
        None => valid = false,
    });
    if !valid || rest.is_none_or(|rest| !rest.trim_ascii().is_empty()) {
        return;
    }
    // One search in the whole string is faster than one per name.
    let escaped = memchr::memchr(b'\\', text.as_bytes()).is_some();
    for (name, count) in counts {
        if escaped { visit(&json::unescape(name), count) } else { visit(name, count) }
    }
}

/// Reads many objects, whose names are mostly the same and in the same order.
#[derive(Default)]
pub(crate) struct CountReader {
    names: Vec<String>,
    /// The names by number.
    numbers: HashMap<String, u32>,
    /// For each name, the name that followed it most recently; the last entry is the first name of
    /// an object. Most names equal the expected one, so that one comparison finds them. An expected
    /// name contains no quote and no backslash.
    followers: Vec<u32>,
    /// The counts of the last object.
    counts: Vec<(u32, u64)>,
}

impl CountReader {
    /// Returns the counts of an object, each with the number of its name. A string that is not such
    /// an object has no counts.
    pub fn read(&mut self, text: &str) -> &[(u32, u64)] {
        self.counts.clear();
        if self.read_known(text).is_none() {
            self.counts.clear();
            each_count(text, |name, count| {
                let number = match self.numbers.get(name) {
                    Some(number) => *number,
                    None => {
                        let number = self.names.len() as u32;
                        self.names.push(name.to_owned());
                        self.numbers.insert(name.to_owned(), number);
                        number
                    }
                };
                self.counts.push((number, count));
            });
        }
        &self.counts
    }

    /// Returns the names by their numbers.
    pub fn into_names(self) -> Vec<String> {
        self.names
    }

    /// Reads an object as `wa` writes it, without white space. Returns `None` for any other object,
    /// and for one with new names, escapes or a count of more than 19 digits.
    fn read_known(&mut self, text: &str) -> Option<()> {
        self.followers.resize(self.names.len() + 1, u32::MAX);
        let mut rest = text.strip_prefix('{')?;
        if rest == "}" {
            return Some(());
        }
        let mut previous = self.names.len();
        loop {
            rest = rest.strip_prefix('"')?;
            let follower = self.followers.get(previous).copied().unwrap_or(u32::MAX);
            let after = self.names.get(follower as usize).and_then(|name| rest.strip_prefix(name.as_str()));
            let (number, digits) = match after.and_then(|after| after.strip_prefix("\":")) {
                Some(digits) => (follower, digits),
                None => {
                    let length = memchr::memchr2(b'"', b'\\', rest.as_bytes())?;
                    let (name, after) = rest.split_at_checked(length)?;
                    (*self.numbers.get(name)?, after.strip_prefix("\":")?)
                }
            };
            if let Some(slot) = self.followers.get_mut(previous) {
                *slot = number;
            }
            previous = number as usize;
            let length = digits.bytes().position(|byte| !byte.is_ascii_digit())?;
            let (value, after) = digits.split_at_checked(length)?;
            if length > MAX_DIGITS {
                return None;
            }
            self.counts.push((number, count(value)?));
            if after == "}" {
                return Some(());
            }
            rest = after.strip_prefix(',')?;
        }
    }
}

/// The number of digits that fit into 64 bits without overflow.
const MAX_DIGITS: usize = 19;

/// Parses a count, which consists of digits only.
fn count(value: &str) -> Option<u64> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match value.len() {
        1..=MAX_DIGITS => Some(value.bytes().fold(0, |count, digit| count * 10 + u64::from(digit - b'0'))),
        _ => value.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        each_count(json, |name, count| {
            counts.insert(name.to_owned(), count);
        });
        counts
    }

    #[test]
    fn names_and_counts_are_read() {
        let counts = read(r#"{"message_sent":12,"widget_loaded":1}"#);
        assert_eq!(counts, BTreeMap::from([("message_sent".into(), 12), ("widget_loaded".into(), 1)]));
        assert!(read("{}").is_empty());
        // More counts than fit into the first buffer, and the greatest number.
        let many: BTreeMap<String, u64> = (0..40).map(|n| (format!("event_{n}"), n)).collect();
        assert_eq!(read(&serde_json::to_string(&many).unwrap()), many);
        assert_eq!(read(r#"{"a":18446744073709551615}"#), BTreeMap::from([("a".into(), u64::MAX)]));
    }

    #[test]
    fn escapes_and_white_space_are_read() {
        assert_eq!(read("{ \"a\\\"b\" : 3 }"), BTreeMap::from([("a\"b".into(), 3)]));
        assert_eq!(read(r#"{"x":1,"caf\u00e9":2}"#), BTreeMap::from([("x".into(), 1), ("café".into(), 2)]));
    }

    #[test]
    fn invalid_json_has_no_counts() {
        for json in [
            "",
            "{",
            "null",
            "[1]",
            r#"{"a":1"#,
            r#"{"a":-1}"#,
            r#"{"a":1,}"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1}}"#,
        ] {
            assert!(read(json).is_empty(), "{json}");
        }
    }

    #[test]
    fn reader_of_many_objects_reads_each_as_a_single_one() {
        let escaped = r#"{"caf\u00e9":2,"a\"b":1}"#;
        let texts = [
            r#"{"a":1,"b":2,"c":3}"#,
            r#"{"a":4,"c":5}"#,
            r#"{"c":1,"a":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"ab":7,"a":8}"#,
            r#"{"a": 9}"#,
            escaped,
            r#"{"café":3}"#,
            "{}",
            r#"{"a":1,"new":2,}"#,
            r#"{"a":1,"b":18446744073709551615}"#,
            r#"{"a":1}x"#,
            r#"{"a":}"#,
            r#"{"a":1"#,
            "",
            r#"{"":6,"a":1}"#,
            // A name that looks like two members.
            r#"{"a\":1,\"b":3}"#,
            r#"{"a":1,"b":2}"#,
        ];
        let mut reader = CountReader::default();
        let mut read_all = Vec::new();
        for text in texts.iter().chain(&texts) {
            read_all.push((*text, reader.read(text).to_vec()));
        }
        let names = reader.into_names();
        for (text, counts) in read_all {
            let read: Vec<(&str, u64)> =
                counts.iter().map(|(name, count)| (names[*name as usize].as_str(), *count)).collect();
            let mut expected = Vec::new();
            each_count(text, |name, count| expected.push((name.to_owned(), count)));
            let expected: Vec<(&str, u64)> = expected.iter().map(|(name, count)| (&**name, *count)).collect();
            assert_eq!(read, expected, "{text}");
        }
        // Invalid objects add no names.
        assert_eq!(names, ["a", "b", "c", "ab", "café", "a\"b", "", "a\":1,\"b"]);
    }

    proptest! {
        #[test]
        fn objects_are_read_as_serde_json_reads_them(counts: BTreeMap<String, u64>) {
            prop_assert_eq!(read(&serde_json::to_string(&counts).unwrap()), counts);
        }
    }
}
