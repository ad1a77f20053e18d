//! The column `event_counts`: a JSON object of counts by event name, such as
//! `{"message_sent":3,"widget_loaded":1}`.
//!
//! Every session row has such an object, so it is scanned without building a tree.

use crate::json;

/// Calls `visit` with each name and count of an object. A string that is not such an object has no
/// counts.
pub(crate) fn each_count(text: &str, mut visit: impl FnMut(&str, u64)) {
    // All counts are collected first, because an invalid string must have none.
    let mut few = [("", 0); FEW];
    if let Some(counts) = few_counts(text, &mut few) {
        return counts.iter().for_each(|(name, count)| visit(name, *count));
    }
    let mut counts = Vec::with_capacity(2 * FEW);
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

/// The number of counts that need no memory allocation.
const FEW: usize = 16;

/// Reads the counts of an object as `wa` writes it: without white space. Returns `None` for any other
/// object, with more counts, escapes or a count of more than 19 digits.
fn few_counts<'c, 't>(text: &'t str, counts: &'c mut [(&'t str, u64); FEW]) -> Option<&'c [(&'t str, u64)]> {
    let mut rest = text.strip_prefix('{')?;
    if rest == "}" {
        return Some(&[]);
    }
    for number in 0..FEW {
        rest = rest.strip_prefix('"')?;
        let length = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\'))?;
        let (name, after) = rest.split_at_checked(length)?;
        let digits = after.strip_prefix("\":")?;
        let length = digits.bytes().position(|byte| !byte.is_ascii_digit())?;
        let (value, after) = digits.split_at_checked(length)?;
        if length > MAX_DIGITS {
            return None;
        }
        *counts.get_mut(number)? = (name, count(value)?);
        rest = match after {
            "}" => return counts.get(..=number),
            _ => after.strip_prefix(',')?,
        };
    }
    None
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
        for json in ["", "{", "null", "[1]", r#"{"a":1"#, r#"{"a":-1}"#, r#"{"a":1,}"#, r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1}}"#] {
            assert!(read(json).is_empty(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn objects_are_read_as_serde_json_reads_them(counts: BTreeMap<String, u64>) {
            prop_assert_eq!(read(&serde_json::to_string(&counts).unwrap()), counts);
        }
    }
}
