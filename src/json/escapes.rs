//! Strings with escapes: checked, decoded, and mended where half of a surrogate pair stands alone.

/// Checks the escape that a text begins with (its backslash) and returns its length, and whether it
/// is half of a surrogate pair without the other half; `None` where it is no escape.
pub fn check(text: &[u8]) -> Option<(usize, bool)> {
    match text.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some((2, false)),
        b'u' => match unit(text)? {
            0xd800..=0xdbff => match text.get(6..).and_then(unit) {
                Some(0xdc00..=0xdfff) => Some((12, false)),
                _ => Some((6, true)),
            },
            0xdc00..=0xdfff => Some((6, true)),
            _ => Some((6, false)),
        },
        _ => None,
    }
}

/// Reads `\uXXXX`.
fn unit(text: &[u8]) -> Option<u32> {
    let digits = text.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | (*digit as char).to_digit(16)?))
}

/// Appends the text that the inside of a valid string stands for. Half of a surrogate pair becomes
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
                let half = |from: usize| bytes.get(from..).and_then(unit).unwrap_or(0) & 0x3ff;
                char::from_u32(0x10000 + (half(0) << 10) + half(6)).unwrap_or('\u{fffd}')
            }
            _ => unit(bytes).and_then(char::from_u32).unwrap_or('\u{fffd}'),
        });
        rest = escape.get(length..).unwrap_or("");
    }
    out.push_str(rest);
}

/// Appends a valid value of JSON as it is written, but with `\ufffd` for every half of a surrogate
/// pair, which other readers of JSON refuse.
pub fn mend(raw: &str, out: &mut String) {
    let mut rest = raw;
    // Outside of strings there is no backslash.
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

    fn mended(raw: &str) -> String {
        let mut out = String::new();
        mend(raw, &mut out);
        out
    }

    #[test]
    fn every_escape_stands_for_its_character() {
        assert_eq!(decoded(r#"a\"\\\/\b\f\n\r\tz"#), "a\"\\/\u{8}\u{c}\n\r\tz");
        assert_eq!(decoded(r"\u0041\u00e9\u20AC\ud83d\uDE00\u0000"), "Aé€😀\0");
        assert_eq!(decoded("no escapes"), "no escapes");
    }

    #[test]
    fn half_a_pair_becomes_the_replacement_character() {
        assert_eq!(decoded(r"a\ud83dz"), "a\u{fffd}z");
        assert_eq!(decoded(r"\ude00"), "\u{fffd}");
        assert_eq!(decoded(r"\ud83d\ud83d\ude00"), "\u{fffd}😀");
        assert_eq!(decoded(r"\ud83d\n"), "\u{fffd}\n");
        assert_eq!(
            mended(r#"{"a\ud800":["\udead\ud83d\ude00","\\ud800"]}"#),
            r#"{"a\ufffd":["\ufffd\ud83d\ude00","\\ud800"]}"#
        );
    }

    proptest! {
        #[test]
        fn it_decodes_what_serde_json_encodes(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(decoded(&json[1..json.len() - 1]), text);
            assert_eq!(mended(&json), json);
        }

        #[test]
        fn it_decodes_as_serde_json_does_whatever_serde_json_reads(
            inner in proptest::collection::vec(prop::sample::select(vec!["\\ud83d", "\\ude00", "\\n", "\\\\", "\\u00e9", "é", "x"]), 0..12)
        ) {
            let inner = inner.concat();
            match serde_json::from_str::<String>(&format!("\"{inner}\"")) {
                Ok(theirs) => assert_eq!(decoded(&inner), theirs),
                // A pair is broken: with its halves mended it can be read, and says the same.
                Err(_) => {
                    let theirs: String = serde_json::from_str(&format!("\"{}\"", mended(&inner))).unwrap();
                    assert_eq!(decoded(&inner), theirs);
                }
            }
        }

        #[test]
        fn text_that_is_no_string_of_json_does_no_harm(text: String) {
            let _ = (decoded(&text), mended(&text), check(text.as_bytes()));
        }
    }
}
