//! Finds and redacts identifiers in text of any kind: plain, JSON, percent-encoded, or nested
//! encodings (a URL in the query of another URL).
//!
//! An identifier of at least [`MIN_WORD_BYTES`] bytes matches as a word of its own, anywhere:
//! `/users/user_123/`, `Hello user_123!`, but not `user_1234`. A shorter one, such as `7`, occurs
//! in ordinary text; it matches only a whole value: a text, a JSON string or number, or a part of a
//! URL.

use std::collections::HashSet;

use aho_corasick::AhoCorasick;

use crate::error::{Error, Result};
use crate::identity::decoding::{DecodedLayer, MAX_LAYERS, decode, lowercase_layer};
use crate::identity::identifier::to_lowercase;
use crate::identity::{IdentifierKind, Identifiers};
use crate::json::lenient::{self, TokenKind};

/// The minimum length of an identifier that matches within longer text.
const MIN_WORD_BYTES: usize = 5;

/// The text that replaces an identifier.
const REDACTED: &str = "redacted";

/// JSON members that are measurements: a number there is not an identifier.
const MEASUREMENTS: [&str; 2] = ["response_time_ms", "load_time_ms"];

/// A search for a set of identifiers.
#[derive(Clone, Debug)]
pub(super) struct IdentifierMatcher {
    automaton: AhoCorasick,
    patterns: Vec<Pattern>,
    /// The texts of all patterns, for lookups of whole values.
    values: HashSet<Vec<u8>>,
    /// Whether a pattern ignores case. The automaton does so for ASCII only, so that other text is
    /// also searched in lower case: the Kelvin sign is a `k`.
    ignores_case: bool,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: Vec<u8>,
    ignores_case: bool,
}

impl IdentifierMatcher {
    /// Builds the search.
    ///
    /// # Errors
    /// If there are too many identifiers for one automaton.
    pub(super) fn new(identifiers: &Identifiers) -> Result<IdentifierMatcher> {
        let mut patterns = Vec::new();
        for identifier in identifiers.all() {
            let ignores_case = identifier.kind == IdentifierKind::Email;
            let mut add = |text: String| patterns.push(Pattern { text: text.into_bytes(), ignores_case });
            add(if ignores_case { to_lowercase(&identifier.value) } else { identifier.value.clone() });
            if identifier.value.contains(' ') {
                // In a query string, `+` can stand for a space.
                add(identifier.value.replace(' ', "+"));
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(patterns.iter().map(|pattern| &pattern.text))
            .map_err(|e| Error::failed("too many identifiers for one search").caused_by(e))?;
        let ignores_case = patterns.iter().any(|pattern| pattern.ignores_case);
        let values = patterns.iter().map(|pattern| pattern.text.clone()).collect();
        Ok(IdentifierMatcher { automaton, patterns, values, ignores_case })
    }

    /// Returns whether a text contains an identifier.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        !self.ranges(text).is_empty()
    }

    /// Replaces each identifier in a text with `redacted`. Returns `None` if there is none.
    pub(super) fn redact(&self, text: &str) -> Option<String> {
        let ranges = self.ranges(text.as_bytes());
        if ranges.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for (start, end) in ranges {
            out.push_str(text.get(copied..start).unwrap_or(""));
            out.push_str(REDACTED);
            copied = end;
        }
        out.push_str(text.get(copied..).unwrap_or(""));
        Some(out)
    }

    /// Replaces each identifier in the strings of a JSON text, keys included, with `redacted`, and
    /// each number that is an identifier with null, except for [`MEASUREMENTS`]. Returns `None` if
    /// nothing changes.
    pub(super) fn redact_json(&self, text: &str) -> Option<String> {
        let (mut out, mut copied) = (String::new(), 0);
        let mut replace = |start: usize, end: usize, replacement: &str| {
            out.push_str(text.get(copied..start).unwrap_or(""));
            out.push_str(replacement);
            copied = end;
        };
        for token in lenient::strings_and_numbers(text) {
            match token.kind {
                TokenKind::Key | TokenKind::String => {
                    if let Some(redacted) = self.redact(token.text) {
                        replace(token.start + 1, token.end - 1, &redacted);
                    }
                }
                TokenKind::Number => {
                    let is_measurement = token.key.is_some_and(|key| MEASUREMENTS.contains(&key));
                    if !is_measurement && self.values.contains(token.text.as_bytes()) {
                        replace(token.start, token.end, "null");
                    }
                }
                TokenKind::UnclosedString => {}
            }
        }
        if copied == 0 {
            return None;
        }
        out.push_str(text.get(copied..).unwrap_or(""));
        Some(out)
    }

    /// Returns the ranges of the identifiers in a text, sorted and without overlaps.
    fn ranges(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut layer: Option<DecodedLayer> = None;
        for _ in 0..=MAX_LAYERS {
            let (bytes, offsets) =
                layer.as_ref().map_or((text, None), |l| (&l.bytes[..], Some(&l.offsets[..])));
            let original = |offset| layer.as_ref().map_or(offset, |layer| layer.original_offset(offset));
            self.find(bytes, false, |start, end| found.push((original(start), original(end))));
            if self.ignores_case && !bytes.is_ascii() {
                let lower = lowercase_layer(bytes, offsets);
                self.find(&lower.bytes, true, |start, end| {
                    found.push((lower.original_offset(start), lower.original_offset(end)))
                });
            }
            let Some(next) = decode(bytes, offsets) else { break };
            layer = Some(next);
        }
        found.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::with_capacity(found.len());
        for (start, end) in found {
            match merged.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        merged
    }

    /// Calls a function with the range of each match; in a lowercased text, only of patterns that
    /// ignore case.
    fn find(&self, text: &[u8], is_lowercased: bool, mut each: impl FnMut(usize, usize)) {
        for hit in self.automaton.find_overlapping_iter(text) {
            let Some(pattern) = self.patterns.get(hit.pattern().as_usize()) else { continue };
            let (start, end) = (hit.start(), hit.end());
            let is_same =
                pattern.ignores_case || !is_lowercased && text.get(start..end) == Some(&pattern.text[..]);
            if is_same && is_delimited(text, start, end) {
                each(start, end);
            }
        }
    }
}

/// Returns whether a range of a text is a word of its own, or, if it is short, a whole value.
fn is_delimited(text: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| text.get(at));
    let after = text.get(end);
    if end - start < MIN_WORD_BYTES {
        let opens = |b: &u8| b"\"':=/?&#;,[".contains(b);
        let closes = |b: &u8| b"\"'/?&#;,]}\r\n".contains(b);
        // JSON with spaces around the value, also in a line that is otherwise invalid:
        // `"user_id": 7 , "ids": [ 8 ]`.
        let value_opens = text.get(..start).and_then(|head| head.trim_ascii_end().last());
        let value_closes = text.get(end..).and_then(|tail| tail.trim_ascii_start().first());
        return (before.is_none_or(opens) || value_opens.is_some_and(|b| b":[".contains(b)))
            && (after.is_none_or(closes) || value_closes.is_none_or(|b| b",]}".contains(b)));
    }
    let is_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    // An identifier that does not begin or end with a word character needs no boundary there.
    let continues = |outside, edge| is_word(outside) && is_word(edge);
    !continues(before, text.get(start)) && !continues(after, text.get(end - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identifier;
    use proptest::prelude::*;

    fn matcher(values: &[&str]) -> IdentifierMatcher {
        let kind =
            |value: &str| if value.contains('@') { IdentifierKind::Email } else { IdentifierKind::User };
        IdentifierMatcher::new(&Identifiers::new(values.iter().map(|v| Identifier::new(kind(v), *v))))
            .unwrap()
    }

    fn redacted(values: &[&str], text: &str) -> String {
        matcher(values).redact(text).unwrap_or_else(|| "(unchanged)".to_owned())
    }

    #[test]
    fn long_identifier_matches_as_word_in_any_encoding() {
        let ids = ["user_123", "ada@example.org"];
        for (text, expected) in [
            ("user_123", "redacted"),
            ("/users/user_123/cart?u=user_123#x", "/users/redacted/cart?u=redacted#x"),
            ("Hello user_123!", "Hello redacted!"),
            ("https://x.example/?mail=ADA%40example.org&a=1", "https://x.example/?mail=redacted&a=1"),
            ("https://x.example/?mail=%61da%40example%2Eorg", "https://x.example/?mail=redacted"),
            (
                "?next=https%3A%2F%2Fx%2F%3Fm%3Dada%2540example.org%26b",
                "?next=https%3A%2F%2Fx%2F%3Fm%3Dredacted%26b",
            ),
            (r"{\u0022m\u0022:\u0022ada\u0040example.org\u0022}", r"{\u0022m\u0022:\u0022redacted\u0022}"),
            ("mailto:ada@example.org;user_123", "mailto:redacted;redacted"),
        ] {
            assert_eq!(redacted(&ids, text), expected, "{text}");
        }
        for text in ["user_1234", "xuser_123", "USER_123", "ada@example.orgs", "ada", "%", "\\", ""] {
            assert_eq!(redacted(&ids, text), "(unchanged)");
        }
    }

    #[test]
    fn short_identifier_matches_only_a_whole_value() {
        for (text, expected) in [
            ("7", "redacted"),
            ("/u/7?id=7", "/u/redacted?id=redacted"),
            ("?id=%37&b=77", "?id=redacted&b=77"),
            (r#"{"user_id": 7 , "n": 7}"#, r#"{"user_id": redacted , "n": redacted}"#),
            ("{\"user_id\":\t7\t}, broken 7 x", "{\"user_id\":\tredacted\t}, broken 7 x"),
            ("[ 7 ]", "[ redacted ]"),
            ("7 ", "redacted "),
        ] {
            assert_eq!(redacted(&["7"], text), expected, "{text}");
        }
        for text in ["7 items", "page 7", "see 7 , or 7 ", "at: 7 items", "17", "70", "1.7"] {
            assert_eq!(redacted(&["7"], text), "(unchanged)", "{text}");
        }
    }

    #[test]
    fn email_matches_in_any_case_beyond_ascii() {
        let ids = ["Jörg@Example.org", "user_ö1", "kim@example.org"];
        for (text, expected) in [
            ("to JÖRG@EXAMPLE.ORG, İ", "to redacted, İ"),
            ("?m=J%C3%96rg%40example.org&x=Ä", "?m=redacted&x=Ä"),
            ("user_ö1", "redacted"),
            ("USER_Ö1", "(unchanged)"),
            ("\u{212a}im@example.org %E2%84%AAim@example.org", "redacted redacted"),
        ] {
            assert_eq!(redacted(&ids, text), expected, "{text}");
        }
    }

    #[test]
    fn space_matches_plus_and_percent_20() {
        assert_eq!(redacted(&["ada lovelace"], "?n=ada+lovelace"), "?n=redacted");
        assert_eq!(redacted(&["ada lovelace"], "?n=ada%20lovelace"), "?n=redacted");
    }

    #[test]
    fn redact_json_covers_strings_keys_numbers_not_measurements() {
        let text = r#"{"to":"ada\u0040example.org","user_123":[42,{"n":-1,"m":420}],"response_time_ms":42,"x":{"y":42}}"#;
        assert_eq!(
            matcher(&["user_123", "ada@example.org", "42"]).redact_json(text).unwrap(),
            r#"{"to":"redacted","redacted":[null,{"n":-1,"m":420}],"response_time_ms":42,"x":{"y":null}}"#
        );
        assert_eq!(matcher(&["43"]).redact_json(text), None);
    }

    proptest! {
        #[test]
        fn redacted_json_is_valid_and_any_text_is_accepted(id in "[a-z0-9@ ]{1,8}", keys: Vec<String>, other: String) {
            let matcher = matcher(&[&id]);
            let object: serde_json::Map<_, _> =
                keys.iter().map(|k| (k.clone(), serde_json::json!([id, k, other, 1]))).collect();
            let text = serde_json::Value::Object(object).to_string();
            let after = matcher.redact_json(&text).unwrap_or(text);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&after).is_ok(), "{after}");
            let quoted = format!("\"{id}\"");
            prop_assert!(!after.contains(&quoted), "{}", after);
            let _ = (matcher.redact(&other), matcher.redact_json(&other), matcher.matches(other.as_bytes()));
        }
    }
}
