//! Finds and redacts identifiers in text of any kind: plain, JSON, percent-encoded, HTML, or nested
//! encodings (a URL in the query of another URL).
//!
//! [`WordSearch`] decides what counts as an occurrence. Text and identifiers are compared in their
//! [`canonical`] form. Bytes that are not UTF-8 are also searched for the identifiers encoded in
//! other charsets.

use std::collections::HashSet;

use super::word_search::WordSearch;
use crate::error::Result;
use crate::identity::canonical::{self, Case};
use crate::identity::decoding::{DecodedLayer, MAX_LAYERS, decode, original_offset};
use crate::identity::{IdentifierKind, Identifiers, charsets};
use crate::json::lenient::{self, TokenKind};

/// The text that replaces an identifier.
const REDACTED: &str = "redacted";

/// JSON members that contain measurements. Their numbers are not identifiers.
const MEASUREMENTS: [&str; 2] = ["response_time_ms", "load_time_ms"];

/// A search for a set of identifiers.
#[derive(Clone, Debug)]
pub(super) struct IdentifierMatcher {
    /// The ids.
    ids: Option<WordSearch>,
    /// The email addresses.
    emails: Option<WordSearch>,
    /// Ids and email addresses in charsets other than UTF-8.
    encoded: [Option<WordSearch>; 2],
    /// All identifiers as strings, for lookups of whole values.
    values: HashSet<Vec<u8>>,
}

impl IdentifierMatcher {
    /// Builds the search.
    ///
    /// # Errors
    /// Fails if there are too many identifiers for one automaton.
    pub(super) fn new(identifiers: &Identifiers) -> Result<IdentifierMatcher> {
        let (mut ids, mut emails, mut encoded) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        for identifier in identifiers.all() {
            let is_email = identifier.kind == IdentifierKind::Email;
            let text = identifier.canonical();
            let words = if is_email { &mut emails } else { &mut ids };
            words.push(text.as_bytes().to_vec());
            if text.contains(' ') {
                // In a query string, `+` can stand for a space.
                words.push(text.replace(' ', "+").into_bytes());
            }
            encoded[usize::from(is_email)].extend(charsets::encodings(&text));
            if is_email {
                // The search ignores the case of ASCII only.
                encoded[1].extend(charsets::encodings(&text.to_uppercase()));
            }
        }
        let [encoded_ids, encoded_emails] = encoded;
        Ok(IdentifierMatcher {
            values: ids.iter().chain(&emails).cloned().collect(),
            ids: WordSearch::new(&ids, false)?,
            emails: WordSearch::new(&emails, true)?,
            encoded: [WordSearch::new(&encoded_ids, false)?, WordSearch::new(&encoded_emails, true)?],
        })
    }

    /// Returns whether a string contains an identifier.
    pub(super) fn matches(&self, text: &[u8]) -> bool {
        !self.ranges(text).is_empty()
    }

    /// Replaces each identifier in a string with `redacted`. Returns `None` if there is none.
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

    /// Replaces each identifier in the keys and strings of a JSON text with `redacted`. Replaces
    /// each number that is an identifier with null, except in [`MEASUREMENTS`]. Returns `None` if
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

    /// Returns the ranges of the identifiers in a string, sorted and without overlaps.
    fn ranges(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut layer: Option<DecodedLayer> = None;
        for _ in 0..=MAX_LAYERS {
            let (bytes, offsets) =
                layer.as_ref().map_or((text, None), |l| (&l.bytes[..], Some(&l.offsets[..])));
            for (search, case) in [(&self.ids, Case::Differs), (&self.emails, Case::Ignored)] {
                let Some(search) = search else { continue };
                match canonical::layer(bytes, offsets, case) {
                    Some(layer) => find(search, &layer.bytes, Some(&layer.offsets), &mut found),
                    None => find(search, bytes, offsets, &mut found),
                }
            }
            if self.encoded.iter().any(Option::is_some) && std::str::from_utf8(bytes).is_err() {
                let mut encoded = Vec::new();
                for search in self.encoded.iter().flatten() {
                    search.find(bytes, |start, end| encoded.push((start, end)));
                }
                encoded.retain(|(start, end)| !is_within_character(bytes, *start, *end));
                let original = |at: usize| original_offset(offsets, at);
                found.extend(encoded.into_iter().map(|(start, end)| (original(start), original(end))));
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
}

/// Adds the ranges of the words in a layer of encoding, as offsets in the original text.
fn find(search: &WordSearch, bytes: &[u8], offsets: Option<&[usize]>, found: &mut Vec<(usize, usize)>) {
    let original = |at: usize| original_offset(offsets, at);
    search.find(bytes, |start, end| {
        // One character of the original text can become several; the range includes all of them.
        let is_same = |at: usize| at > 0 && original(at) == original(at - 1);
        let end = (end..bytes.len()).find(|at| !is_same(*at)).unwrap_or(bytes.len().max(end));
        found.push((original(start), original(end)));
    });
}

/// Returns whether a range begins or ends within a UTF-8 character. Its bytes are then not text in
/// another charset.
fn is_within_character(text: &[u8], start: usize, end: usize) -> bool {
    let splits = |at: usize| {
        (1..=3).filter_map(|back| at.checked_sub(back)).any(|lead| {
            let character = text.get(lead..).unwrap_or(&[]);
            let length = match character.first() {
                Some(0xc2..=0xdf) => 2,
                Some(0xe0..=0xef) => 3,
                Some(0xf0..=0xf4) => 4,
                _ => 0,
            };
            lead + length > at && character.get(..length).is_some_and(|c| std::str::from_utf8(c).is_ok())
        })
    };
    splits(start) || splits(end)
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
    fn other_unicode_forms_and_encodings_match() {
        let ids = ["josé-1", "ada@münchen.de"];
        for (text, expected) in [
            ("by jose\u{301}-1!", "by redacted!"),
            ("by ｊｏｓé-1!", "by redacted!"),
            ("?u=jos%E9-1&x=é", "?u=redacted&x=é"),
            ("?u=jos%8E-1", "?u=redacted"),
            ("?u=jos%25E9-1", "?u=redacted"),
            ("?u=jos%u00e9-1", "?u=redacted"),
            ("<b>jos&eacute;-1</b> jos&amp;eacute;-1", "<b>redacted</b> redacted"),
            (r"jos\xe9-1 jos\u00e9-1", "redacted redacted"),
            ("to ADA@XN--MNCHEN-3YA.DE.", "to redacted."),
            ("mailto:ada%40xn--mnchen-3ya.de?x", "mailto:redacted?x"),
            ("ada&#64;m&#252;nchen.de", "redacted"),
            ("?m=ADA@M%DCNCHEN.DE", "?m=redacted"),
            ("ada＠münchen.de", "redacted"),
        ] {
            assert_eq!(redacted(&ids, text), expected, "{text}");
        }
        for text in ["jose-1", "josé-12", "josè-1", "jos%E8-1", "ada@munchen.de", "bada@münchen.de", "JOSÉ-1"]
        {
            assert_eq!(redacted(&ids, text), "(unchanged)");
        }
        // An ASCII letter before a combining accent is a different letter.
        assert_eq!(redacted(&["user_jose"], "user_jose\u{301}"), "(unchanged)");
        // Bytes that are not UTF-8 are searched, but a match must not begin or end within a UTF-8
        // character (`é` in Latin-1 is part of one).
        assert!(matcher(&ids).matches(b"\xff jos\xe9-1"));
        assert!(!matcher(&["user_é"]).matches("user_\u{9875}".as_bytes()));
        assert!(!matcher(&["user_é"]).matches(b"\xff user_\xe9\xa1\xb5"));
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
