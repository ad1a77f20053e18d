//! Escapes in strings: checking, decoding, and replacing lone surrogates.
//!
//! A *lone surrogate* is an escape such as `\ud83d` without the other half of its pair. RFC 8259
//! allows it, but it encodes no character, and most readers reject it.

use std::borrow::Cow;

/// Returns the length of the escape at the beginning of `text`, and whether it is a lone surrogate;
/// `None` if there is no valid escape. A surrogate pair is one escape of 12 bytes.
pub fn check(text: &[u8]) -> Option<(usize, bool)> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some((2, false)),
        b'u' => match code_unit(text)? {
            0xd800..=0xdbff => match text.get(6..).and_then(code_unit) {
                Some(0xdc00..=0xdfff) => Some((12, false)),
                _ => Some((6, true)),
            },
            0xdc00..=0xdfff => Some((6, true)),
            _ => Some((6, false)),
        },
        _ => None,
    }
}

/// Parses `\uXXXX`.
fn code_unit(text: &[u8]) -> Option<u32> {
    let digits = text.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | (*digit as char).to_digit(16)?))
}

/// Returns the decoded content of a string; `inner` is the text between the quotes.
pub fn unescape(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut decoded = String::with_capacity(inner.len());
    decode(inner, &mut decoded);
    Cow::Owned(decoded)
}

/// Appends the decoded content of a string to `out`. A lone surrogate or an invalid escape becomes
/// U+FFFD.
pub fn decode(inner: &str, out: &mut String) {
    let mut rest = inner;
    while let Some((plain, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        out.push_str(plain);
        let (length, _) = check(escape.as_bytes()).unwrap_or((1, true));
        let bytes = escape.as_bytes();
        out.push(match (bytes.get(1), length) {
            (Some(b'b'), 2) => '\u{8}',
            (Some(b'f'), 2) => '\u{c}',
            (Some(b'n'), 2) => '\n',
            (Some(b'r'), 2) => '\r',
            (Some(b't'), 2) => '\t',
            (Some(other), 2) => char::from(*other),
            (_, 12) => {
                let half = |from: usize| bytes.get(from..).and_then(code_unit).unwrap_or(0) & 0x3ff;
                char::from_u32(0x10000 + (half(0) << 10) + half(6)).unwrap_or('\u{fffd}')
            }
            _ => code_unit(bytes).and_then(char::from_u32).unwrap_or('\u{fffd}'),
        });
        rest = escape.get(length..).unwrap_or("");
    }
    out.push_str(rest);
}

/// Appends a valid JSON value to `out`, unchanged except for `\ufffd` in place of each lone
/// surrogate, so that strict readers accept it.
pub fn replace_lone_surrogates(raw: &str, out: &mut String) {
    let mut rest = raw;
    // A valid value has backslashes in its strings only.
    while let Some((plain, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        out.push_str(plain);
        let (length, lone) = check(escape.as_bytes()).unwrap_or((1, false));
        let (escape, after) = escape.split_at_checked(length).unwrap_or((escape, ""));
        out.push_str(if lone { "\\ufffd" } else { escape });
        rest = after;
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(inner: &str) -> String {
        let mut out = String::new();
        decode(inner, &mut out);
        out
    }

    fn replaced(raw: &str) -> String {
        let mut out = String::new();
        replace_lone_surrogates(raw, &mut out);
        out
    }

    #[test]
    fn escapes_decode_to_their_characters() {
        assert_eq!(decoded(r#"a\"\\\/\b\f\n\r\tz"#), "a\"\\/\u{8}\u{c}\n\r\tz");
        assert_eq!(decoded(r"\u0041\u00e9\u20AC\ud83d\uDE00\u0000"), "Aé€😀\0");
        assert_eq!(decoded("no escapes"), "no escapes");
        assert_eq!((unescape(r"a\nb"), unescape("ab")), ("a\nb".into(), "ab".into()));
    }

    #[test]
    fn lone_surrogate_becomes_replacement_character() {
        assert_eq!(decoded(r"a\ud83dz"), "a\u{fffd}z");
        assert_eq!(decoded(r"\ude00"), "\u{fffd}");
        assert_eq!(decoded(r"\ud83d\ud83d\ude00"), "\u{fffd}😀");
        assert_eq!(decoded(r"\ud83d\n"), "\u{fffd}\n");
        assert_eq!(
            replaced(r#"{"a\ud800":["\udead\ud83d\ude00","\\ud800"]}"#),
            r#"{"a\ufffd":["\ufffd\ud83d\ude00","\\ud800"]}"#
        );
    }

    proptest! {
        #[test]
        fn decode_reverses_serde_json_encoding(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(decoded(&json[1..json.len() - 1]), text);
            assert_eq!(replaced(&json), json);
        }

        #[test]
        fn decode_agrees_with_serde_json(
            inner in proptest::collection::vec(prop::sample::select(vec!["\\ud83d", "\\ude00", "\\n", "\\\\", "\\u00e9", "é", "x"]), 0..12)
        ) {
            let inner = inner.concat();
            match serde_json::from_str::<String>(&format!("\"{inner}\"")) {
                Ok(expected) => assert_eq!(decoded(&inner), expected),
                // serde_json rejects a lone surrogate. With the surrogate replaced, it accepts the
                // string and decodes it to the same text.
                Err(_) => {
                    let expected: String = serde_json::from_str(&format!("\"{}\"", replaced(&inner))).unwrap();
                    assert_eq!(decoded(&inner), expected);
                }
            }
        }

        #[test]
        fn any_text_decodes_without_panic(text: String) {
            let _ = (decoded(&text), replaced(&text), check(text.as_bytes()));
        }
    }
}
