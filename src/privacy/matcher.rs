//! FoundIds identifiers as values in text of any kind, however they are written there: plain, with the
//! escapes of JSON, percent-encoded, or one within the other (an address in the query of a page
//! within the query of another).
//!
//! An identifier of at least [`LONG`] characters is found wherever it stands as a word of its own:
//! `/users/user_123/`, `Hello user_123!`, but not `user_1234`. A shorter one, such as `7`, would be
//! found in every other sentence so: it counts only where it is the whole of a value: of a text, of a
//! string or number of JSON, of a part of an address.

use std::collections::HashSet;

use aho_corasick::AhoCorasick;

use crate::error::{Error, Result};
use crate::identity::decoding::{DecodedLayer, MAX_LAYERS, decode, folded};
use crate::identity::identifier::{IdentifierKind, Identifiers, to_lowercase};
use crate::json::{self, lenient::TokenKind};

/// The fewest bytes of an identifier that is found within longer text.
pub const LONG: usize = 5;
/// What stands in its place.
pub const REDACTED: &str = "redacted";
/// Properties that are measures: a number there is no identifier.
const MEASURES: [&str; 2] = ["response_time_ms", "load_time_ms"];

/// A search for identifiers.
#[derive(Clone, Debug)]
pub struct IdentifierMatcher {
    finder: AhoCorasick,
    matcher: Vec<Pattern>,
    /// The texts of all of them, to look whole values up.
    values: HashSet<Vec<u8>>,
    /// Some pattern is of any case, and letters beyond ASCII have a case that the finder does not know: the Kelvin
    /// sign is a `k`.
    folds: bool,
}

#[derive(Clone, Debug)]
struct Pattern {
    text: Vec<u8>,
    any_case: bool,
}

impl IdentifierMatcher {
    /// Makes a search.
    pub fn new(identifiers: &Identifiers) -> Result<IdentifierMatcher> {
        let mut matcher = Vec::new();
        for identifier in identifiers.all() {
            let any_case = identifier.kind == IdentifierKind::Email;
            let mut add = |text: String| matcher.push(Pattern { text: text.into_bytes(), any_case });
            add(if any_case { to_lowercase(&identifier.value) } else { identifier.value.clone() });
            if identifier.value.contains(' ') {
                // A space in a query may be written as a plus.
                add(identifier.value.replace(' ', "+"));
            }
        }
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .build(matcher.iter().map(|pattern| &pattern.text))
            .map_err(|e| Error::failed("cannot search for so many identifiers").caused_by(e))?;
        let folds = matcher.iter().any(|pattern| pattern.any_case);
        let values = matcher.iter().map(|pattern| pattern.text.clone()).collect();
        Ok(IdentifierMatcher { finder, matcher, values, folds })
    }

    /// Tells whether some text holds an identifier.
    pub fn is_in(&self, text: &[u8]) -> bool {
        !self.ranges(text).is_empty()
    }

    /// Returns the text with [`REDACTED`] in place of each identifier; `None` where there is none.
    pub fn redact(&self, text: &str) -> Option<String> {
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

    /// Does the same within the strings of a text of JSON, keys too; a number that is an identifier
    /// becomes null, unless it is a measure that `wa` reads.
    pub fn redact_json(&self, text: &str) -> Option<String> {
        let (mut out, mut copied) = (String::new(), 0);
        let mut replace = |from: usize, to: usize, by: &str| {
            out.push_str(text.get(copied..from).unwrap_or(""));
            out.push_str(by);
            copied = to;
        };
        for token in json::lenient::strings_and_numbers(text) {
            match token.kind {
                TokenKind::Key | TokenKind::String => {
                    if let Some(redacted) = self.redact(token.text) {
                        replace(token.start + 1, token.end - 1, &redacted);
                    }
                }
                TokenKind::Number => {
                    let measure = token.key.is_some_and(|key| MEASURES.contains(&key));
                    if !measure && self.values.contains(token.text.as_bytes()) {
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

    /// Returns where identifiers stand, in order, none overlapping another.
    fn ranges(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut level: Option<DecodedLayer> = None;
        for _ in 0..=MAX_LAYERS {
            let (bytes, at) = level.as_ref().map_or((text, None), |l| (&l.bytes[..], Some(&l.at[..])));
            let place = |offset| level.as_ref().map_or(offset, |level| level.place(offset));
            self.find(bytes, false, |start, end| found.push((place(start), place(end))));
            if self.folds && !bytes.is_ascii() {
                let small = folded(bytes, at);
                self.find(&small.bytes, true, |start, end| {
                    found.push((small.place(start), small.place(end)))
                });
            }
            let Some(next) = decode(bytes, at) else { break };
            level = Some(next);
        }
        found.sort_unstable();
        let mut apart: Vec<(usize, usize)> = Vec::with_capacity(found.len());
        for (start, end) in found {
            match apart.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                _ => apart.push((start, end)),
            }
        }
        apart
    }

    /// FoundIds matcher in a text; in one whose case was taken away, only those of any case.
    fn find(&self, text: &[u8], folded: bool, mut each: impl FnMut(usize, usize)) {
        for hit in self.finder.find_overlapping_iter(text) {
            let Some(pattern) = self.matcher.get(hit.pattern().as_usize()) else { continue };
            let (start, end) = (hit.start(), hit.end());
            let same = pattern.any_case || !folded && text.get(start..end) == Some(&pattern.text[..]);
            if same && stands_alone(text, start, end) {
                each(start, end);
            }
        }
    }
}

/// Tells whether what stands in a text from `start` to `end` is a value, or a word, of its own.
fn stands_alone(text: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| text.get(at));
    let after = text.get(end);
    if end - start < LONG {
        let opens = |b: &u8| b"\"':=/?&#;,[".contains(b);
        let closes = |b: &u8| b"\"'/?&#;,]}\r\n".contains(b);
        // `"user_id": 7 , "ids": [ 8 ]`
        let value_opens = text.get(..start).and_then(|head| head.trim_ascii_end().last());
        let value_closes = text.get(end..).and_then(|tail| tail.trim_ascii_start().first());
        return (before.is_none_or(opens) || value_opens.is_some_and(|b| b":[".contains(b)))
            && (after.is_none_or(closes) || value_closes.is_none_or(|b| b",]}".contains(b)));
    }
    let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    // What does not begin or end like a word needs no gap there.
    let runs_on = |beyond, edge| word(beyond) && word(edge);
    !runs_on(before, text.get(start)) && !runs_on(after, text.get(end - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::identifier::Identifier;
    use proptest::prelude::*;

    fn matcher(values: &[&str]) -> IdentifierMatcher {
        let kind =
            |value: &str| if value.contains('@') { IdentifierKind::Email } else { IdentifierKind::User };
        IdentifierMatcher::new(&Identifiers::new(values.iter().map(|v| Identifier::new(kind(v), *v))))
            .unwrap()
    }

    fn redacted(values: &[&str], text: &str) -> String {
        matcher(values).redact(text).unwrap_or_else(|| "(as it was)".to_owned())
    }

    #[test]
    fn an_identifier_is_found_as_a_word_of_its_own_however_it_is_written() {
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
            assert_eq!(redacted(&ids, text), "(as it was)");
        }
    }

    #[test]
    fn a_short_identifier_is_found_only_as_a_whole_value() {
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
            assert_eq!(redacted(&["7"], text), "(as it was)", "{text}");
        }
    }

    #[test]
    fn an_address_is_found_in_any_case_of_letters_beyond_ascii_too() {
        let ids = ["Jörg@Example.org", "user_ö1", "kim@example.org"];
        for (text, expected) in [
            ("to JÖRG@EXAMPLE.ORG, İ", "to redacted, İ"),
            ("?m=J%C3%96rg%40example.org&x=Ä", "?m=redacted&x=Ä"),
            ("user_ö1", "redacted"),
            ("USER_Ö1", "(as it was)"),
            ("\u{212a}im@example.org %E2%84%AAim@example.org", "redacted redacted"),
        ] {
            assert_eq!(redacted(&ids, text), expected, "{text}");
        }
    }

    #[test]
    fn a_space_may_be_a_plus() {
        assert_eq!(redacted(&["ada lovelace"], "?n=ada+lovelace"), "?n=redacted");
        assert_eq!(redacted(&["ada lovelace"], "?n=ada%20lovelace"), "?n=redacted");
    }

    #[test]
    fn strings_keys_and_numbers_of_json_are_redacted_and_measures_are_not() {
        let text = r#"{"to":"ada\u0040example.org","user_123":[42,{"n":-1,"m":420}],"response_time_ms":42,"x":{"y":42}}"#;
        assert_eq!(
            matcher(&["user_123", "ada@example.org", "42"]).redact_json(text).unwrap(),
            r#"{"to":"redacted","redacted":[null,{"n":-1,"m":420}],"response_time_ms":42,"x":{"y":null}}"#
        );
        assert_eq!(matcher(&["43"]).redact_json(text), None);
    }

    proptest! {
        #[test]
        fn json_stays_json_and_no_text_does_harm(id in "[a-z0-9@ ]{1,8}", keys: Vec<String>, other: String) {
            let matcher = matcher(&[&id]);
            let object: serde_json::Map<_, _> =
                keys.iter().map(|k| (k.clone(), serde_json::json!([id, k, other, 1]))).collect();
            let text = serde_json::Value::Object(object).to_string();
            let after = matcher.redact_json(&text).unwrap_or(text);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&after).is_ok(), "{after}");
            let quoted = format!("\"{id}\"");
            prop_assert!(!after.contains(&quoted), "{}", after);
            let _ = (matcher.redact(&other), matcher.redact_json(&other), matcher.is_in(other.as_bytes()));
        }
    }
}
