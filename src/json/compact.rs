//! Removes white space between the tokens of JSON.

use std::borrow::Cow;

use memchr::memchr2;

/// Returns a JSON text without white space between its tokens, except between two tokens that would
/// become one. An invalid text thus stays invalid: `[1 2]` does not become `[12]`.
pub fn compact(text: &str) -> Cow<'_, str> {
    let Some(first) = first_space(text) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    out.push_str(text.get(..first).unwrap_or(""));
    write(text.get(first..).unwrap_or(""), &mut out);
    Cow::Owned(out)
}

/// Appends a JSON text as [`compact`] returns it. The text must not begin within a string.
pub fn write(text: &str, out: &mut String) {
    let (bytes, mut from, mut pos) = (text.as_bytes(), 0, 0);
    while let Some(byte) = bytes.get(pos) {
        match byte {
            b'"' => pos = after_string(bytes, pos),
            b' ' | b'\t' | b'\r' | b'\n' => {
                out.push_str(text.get(from..pos).unwrap_or(""));
                let rest = bytes.get(pos..).unwrap_or(&[]);
                pos += rest.iter().take_while(|byte| is_space(**byte)).count();
                from = pos;
                let would_join = |last: &u8| bytes.get(pos).is_some_and(|next| join(*last, *next));
                if out.as_bytes().last().is_some_and(would_join) {
                    out.push(' ');
                }
            }
            _ => pos += 1,
        }
    }
    out.push_str(text.get(from..).unwrap_or(""));
}

/// Returns whether two bytes outside of strings would become part of one token.
pub fn join(last: u8, next: u8) -> bool {
    let is_scalar = |byte: u8| !matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"');
    is_scalar(last) && is_scalar(next)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Returns a JSON text with spaces in place of the line feeds between its tokens.
pub fn join_lines(text: &str) -> Cow<'_, str> {
    if !text.contains('\n') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = memchr2(b'"', b'\n', rest.as_bytes()) {
        let is_string = rest.as_bytes().get(at) == Some(&b'"');
        let end = if is_string { after_string(rest.as_bytes(), at) } else { at };
        out.push_str(rest.get(..end).unwrap_or(""));
        rest = rest.get(end..).unwrap_or("");
        if !is_string {
            out.push(' ');
            rest = rest.get(1..).unwrap_or("");
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Returns the position of the first white space between tokens.
fn first_space(text: &str) -> Option<usize> {
    let (bytes, mut pos) = (text.as_bytes(), 0);
    loop {
        match bytes.get(pos)? {
            b'"' => pos = after_string(bytes, pos),
            b' ' | b'\t' | b'\r' | b'\n' => return Some(pos),
            _ => pos += 1,
        }
    }
}

/// Returns the position after the string that opens at `open`.
#[inline]
fn after_string(bytes: &[u8], open: usize) -> usize {
    let mut pos = open + 1;
    while let Some(at) = bytes.get(pos..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        pos += at;
        if bytes.get(pos) == Some(&b'"') {
            return pos + 1;
        }
        pos += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_white_space_between_tokens_is_removed() {
        for (text, expected) in [
            (r#"{ "a b" : "c \" d" , "e":[ 1 , 2 ] }"#, r#"{"a b":"c \" d","e":[1,2]}"#),
            ("[\n  1,\r\n\t\"x\\\\\" ]", "[1,\"x\\\\\"]"),
            (r#"{"a":" "}"#, r#"{"a":" "}"#),
            (" 1 ", "1"),
            ("{\"a\":1\n2}", "{\"a\":1 2}"),
            ("[1 ,\n-2 \t tru\ne , \"a\" \"b\" ]", "[1,-2 tru e,\"a\"\"b\"]"),
        ] {
            assert_eq!(compact(text), expected);
        }
        assert!(matches!(compact(r#"{"a b":1}"#), Cow::Borrowed(_)));
    }

    #[test]
    fn only_line_feeds_between_tokens_are_replaced() {
        assert_eq!(join_lines("{\n\"a\":\r\n1\n}"), "{ \"a\":\r 1 }");
        // A line feed within a string is invalid JSON and remains.
        assert_eq!(join_lines("[\"a\\\"\nb\",\n1\n2]"), "[\"a\\\"\nb\", 1 2]");
        assert_eq!(join_lines("\n\"a\n"), " \"a\n");
        assert!(matches!(join_lines("{ }"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn compact_agrees_with_serde_json(keys in proptest::collection::vec("[ a\"\\\\\n]{0,6}", 0..5)) {
            let value = serde_json::json!({ "keys": keys, "nested": [[], {}, [1, " "]] });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(compact(&pretty), serde_json::to_string(&value).unwrap());
        }

        #[test]
        fn any_text_is_compacted_without_panic(text: String) {
            let _ = compact(&text);
            prop_assert_eq!(join_lines(&text).len(), text.len());
        }
    }
}
