//! Reading `event_counts`: a flat object of name and count, `{"message_sent":3,"widget_loaded":1}`.
//!
//! Every session has one, so it is read by hand; names with escapes go the long way.

use std::collections::BTreeMap;

/// Calls `each` with every name and count of an object; what is no such object has none.
pub fn each_count(json: &str, mut each: impl FnMut(&str, u64)) {
    // Nothing is handed on before the whole object is read.
    let mut counts = Vec::with_capacity(16);
    if plain(json, &mut counts).is_some() {
        counts.into_iter().for_each(|(name, count)| each(name, count));
    } else if let Ok(counts) = serde_json::from_str::<BTreeMap<String, u64>>(json) {
        counts.iter().for_each(|(name, count)| each(name, *count));
    }
}

/// Reads an object without escapes and white space; `None` where it is not one.
fn plain<'a>(json: &'a str, counts: &mut Vec<(&'a str, u64)>) -> Option<()> {
    let mut rest = json.strip_prefix('{')?;
    if rest == "}" {
        return Some(());
    }
    loop {
        let text = rest.strip_prefix('"')?;
        let end = memchr::memchr2(b'"', b'\\', text.as_bytes())?;
        let name = text.get(..end)?;
        let number = text.get(end..)?.strip_prefix("\":")?;
        let digits = number.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 19 {
            return None;
        }
        let (number, after) = number.split_at_checked(digits)?;
        let count = number.bytes().fold(0u64, |sum, digit| sum.wrapping_mul(10) + u64::from(digit - b'0'));
        counts.push((name, count));
        match after.as_bytes() {
            b"}" => return Some(()),
            [b',', ..] => rest = after.get(1..)?,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn names_with_escapes_and_white_space_are_read_all_the_same() {
        assert_eq!(read("{ \"a\\\"b\" : 3 }"), BTreeMap::from([("a\"b".into(), 3)]));
        assert_eq!(read(r#"{"x":1,"caf\u00e9":2}"#), BTreeMap::from([("x".into(), 1), ("café".into(), 2)]));
    }

    #[test]
    fn what_is_no_such_object_has_no_counts() {
        for json in ["", "{", "null", "[1]", r#"{"a":1"#, r#"{"a":-1}"#, r#"{"a":1,}"#, r#"{"a"}"#] {
            assert!(read(json).is_empty(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn any_object_of_counts_reads_as_serde_reads_it(counts: BTreeMap<String, u64>) {
            prop_assert_eq!(read(&serde_json::to_string(&counts).unwrap()), counts);
        }
    }
}
