//! Non-validating readers of JSON text.
//!
//! They serve two kinds of text. Stored columns were validated when they were ingested, so checking
//! them again would only cost time. Rejected lines may be truncated, broken, or not JSON at all,
//! but their strings must still be found.
//!
//! Any text is accepted without a panic. On text that is not JSON, [`each_member`] and
//! [`each_element`] return `None` as soon as they find the error, and [`strings`] and
//! [`strings_and_numbers`] return everything that looks like a string or a number.

use std::borrow::Cow;
use std::cmp::Ordering;

use memchr::{memchr, memchr2};

/// A string or a number in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The kind of the token.
    pub kind: TokenKind,
    /// Offset of the first byte; for a string, of its opening quote.
    pub start: usize,
    /// Offset after the last byte; for a string, after its closing quote.
    pub end: usize,
    /// The content; for a string, the text between its quotes, with its escapes.
    pub text: &'a str,
    /// The key of the member that has this token as its value, with its escapes; only set for
    /// numbers.
    pub key: Option<&'a str>,
}

/// The kind of a [`Token`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A string followed by a colon: a key.
    Key,
    /// Any other string.
    String,
    /// A string without a closing quote; it extends to the end of the text.
    UnclosedString,
    /// A number.
    Number,
}

/// Returns the strings of a text, in order.
pub fn strings(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut pos = 0;
    std::iter::from_fn(move || {
        let open = pos + memchr(b'"', text.as_bytes().get(pos..)?)?;
        let token = string_at(text, open);
        pos = token.end;
        Some(token)
    })
}

/// Returns the strings and numbers of a text, in order.
pub fn strings_and_numbers(text: &str) -> impl Iterator<Item = Token<'_>> {
    let bytes = text.as_bytes();
    let (mut pos, mut key) = (0, None);
    std::iter::from_fn(move || {
        loop {
            match bytes.get(pos)? {
                b'"' => {
                    let token = string_at(text, pos);
                    pos = token.end;
                    key = (token.kind == TokenKind::Key).then_some(token.text);
                    return Some(token);
                }
                b'-' | b'0'..=b'9' => {
                    let rest = bytes.get(pos..).unwrap_or(&[]);
                    let in_number =
                        |b: &u8| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E');
                    let start = pos;
                    pos += rest.iter().position(|b| !in_number(b)).unwrap_or(rest.len());
                    let text = text.get(start..pos).unwrap_or("");
                    return Some(Token { kind: TokenKind::Number, start, end: pos, text, key });
                }
                b',' | b'{' | b'[' | b']' | b'}' => key = None,
                _ => {}
            }
            pos += 1;
        }
    })
}

/// Returns the string whose opening quote is at `open`.
fn string_at(text: &str, open: usize) -> Token<'_> {
    let (kind, end, close) = match string_end(text.as_bytes(), open + 1) {
        Some(close) => {
            let after = text.as_bytes().get(close + 1..).unwrap_or(&[]).trim_ascii_start();
            let kind = if after.starts_with(b":") { TokenKind::Key } else { TokenKind::String };
            (kind, close + 1, close)
        }
        None => (TokenKind::UnclosedString, text.len(), text.len()),
    };
    Token { kind, start: open, end, text: text.get(open + 1..close).unwrap_or(""), key: None }
}

/// Returns the position of the quote that closes a string whose content begins at `pos`.
#[inline]
fn string_end(text: &[u8], mut pos: usize) -> Option<usize> {
    loop {
        pos += memchr2(b'"', b'\\', text.get(pos..)?)?;
        match text.get(pos)? {
            b'"' => return Some(pos),
            _ => pos += 2,
        }
    }
}

/// Calls `each` with the key, between its quotes, and the value of every member of an object, in
/// order. Returns the text after the object; `None` if the text does not begin with an object.
///
/// `each` may have been called before the error is found. Values are not validated.
pub fn each_member<'a>(text: &'a str, mut each: impl FnMut(&'a str, &'a str)) -> Option<&'a str> {
    let mut cursor = Cursor { text, pos: 0 };
    cursor.expect(b'{')?;
    cursor.items(b'}', |cursor| {
        cursor.expect(b'"')?;
        let key = cursor.string()?;
        cursor.expect(b':')?;
        each(key, cursor.value()?);
        Some(())
    })
}

/// Calls `each` with the index and the text of every element of an array. Returns the text after
/// the array; `None` if the text does not begin with an array.
///
/// `each` may have been called before the error is found. Elements are not validated.
pub fn each_element<'a>(text: &'a str, mut each: impl FnMut(usize, &'a str)) -> Option<&'a str> {
    let mut cursor = Cursor { text, pos: 0 };
    cursor.expect(b'[')?;
    let mut index = 0;
    cursor.items(b']', |cursor| {
        each(index, cursor.value()?);
        index += 1;
        Some(())
    })
}

/// Returns the value of a top-level member of an object; for a repeated key, the last value.
pub fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let mut found = None;
    each_member(object, |key, value| {
        if key_is(key, name) {
            found = Some(value);
        }
    })?;
    found
}

/// Returns whether a key, given as the text between its quotes, is `name`. Escapes are decoded.
#[inline]
pub fn key_is(key: &str, name: &str) -> bool {
    // A valid escape is longer than its character, so comparing lengths rules out most keys.
    let has_escape = || memchr(b'\\', key.as_bytes()).is_some();
    match key.len().cmp(&name.len()) {
        Ordering::Less => false,
        Ordering::Equal => key == name && !has_escape(),
        Ordering::Greater => has_escape() && super::unescape(key) == name,
    }
}

/// Returns the decoded content of a value that is a string; `None` for other values.
pub fn string_value(value: &str) -> Option<Cow<'_, str>> {
    Some(super::unescape(value.strip_prefix('"')?.strip_suffix('"')?))
}

/// Returns JSON text without the white space between its tokens.
pub fn compact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r');
    for string in strings(text) {
        out.extend(text.get(copied..string.start).unwrap_or("").split(is_space));
        out.push_str(text.get(string.start..string.end).unwrap_or(""));
        copied = string.end;
    }
    out.extend(text.get(copied..).unwrap_or("").split(is_space));
    out
}

/// A position in a text that is read value by value.
struct Cursor<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.pos += 1;
        }
    }

    /// Skips white space and the byte after it, which must be `byte`.
    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        // Most stored JSON has no white space.
        if self.peek()? != byte {
            self.skip_space();
        }
        (self.peek()? == byte).then(|| self.pos += 1)
    }

    /// Reads the rest of a string whose opening quote has been read; returns its content.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.pos;
        let close = string_end(self.text.as_bytes(), start)?;
        self.pos = close + 1;
        self.text.get(start..close)
    }

    /// Reads a value; returns its text.
    fn value(&mut self) -> Option<&'a str> {
        self.skip_space();
        let start = self.pos;
        match self.peek()? {
            b'"' => {
                self.pos += 1;
                self.string()?;
            }
            b'{' | b'[' => self.container()?,
            // A number, true, false or null.
            _ => {
                let rest = self.text.as_bytes().get(start..)?;
                self.pos += rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']'))?;
            }
        }
        self.text.get(start..self.pos).map(str::trim_ascii_end)
    }

    /// Reads an object or array.
    fn container(&mut self) -> Option<()> {
        let mut depth = 0usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.pos += 1;
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.pos += 1;
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// Reads items separated by commas up to a closing bracket; returns the text after it.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<&'a str> {
        self.skip_space();
        if self.peek()? != end {
            loop {
                item(self)?;
                self.skip_space();
                match self.peek()? {
                    b',' => self.pos += 1,
                    byte if byte == end => break,
                    _ => return None,
                }
            }
        }
        self.text.get(self.pos + 1..)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(serde_json::Value::from),
            any::<bool>().prop_map(serde_json::Value::from),
            "[a-z\"\\\\{}\\[\\],:é ]{0,6}".prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
                prop::collection::vec(("[a-z\"\\\\]{0,3}", inner), 0..5)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    #[test]
    fn escaped_key_is_compared_after_decoding() {
        // The key is a quotation mark, not a backslash and a quotation mark.
        assert!(key_is(r#"\""#, "\""));
        assert!(!key_is(r#"\""#, r#"\""#));
        assert!(key_is(r"\u0061b", "ab"));
        assert!(key_is("ab", "ab"));
        assert!(!key_is("ab", "b"));
    }

    fn written(value: &serde_json::Value, pretty: bool) -> String {
        let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        text.unwrap()
    }

    /// Appends the strings and numbers of a value in the order in which they are written.
    fn tokens(
        value: &serde_json::Value,
        key: Option<&str>,
        out: &mut Vec<(TokenKind, String, Option<String>)>,
    ) {
        match value {
            serde_json::Value::String(text) => out.push((TokenKind::String, text.clone(), None)),
            serde_json::Value::Number(number) => {
                out.push((TokenKind::Number, number.to_string(), key.map(str::to_owned)));
            }
            serde_json::Value::Array(elements) => elements.iter().for_each(|e| tokens(e, None, out)),
            serde_json::Value::Object(members) => members.iter().for_each(|(key, value)| {
                out.push((TokenKind::Key, key.clone(), None));
                tokens(value, Some(key), out);
            }),
            _ => {}
        }
    }

    fn described(token: Token<'_>) -> (TokenKind, String, Option<String>) {
        let owned = |text: &str| super::super::unescape(text).into_owned();
        (token.kind, owned(token.text), token.key.map(owned))
    }

    #[test]
    fn unclosed_string_extends_to_the_end() {
        let text = r#"{"a":"b\"#;
        let token = strings(text).last().unwrap();
        assert_eq!((token.kind, token.start, token.end), (TokenKind::UnclosedString, 5, 8));
        assert_eq!(token.text, "b\\");
        assert_eq!(member(text, "a"), None);
    }

    #[test]
    fn number_has_the_key_of_its_own_member_only() {
        let keys = |text| strings_and_numbers(text).filter(|t| t.kind == TokenKind::Number).map(|t| t.key);
        assert!(keys(r#"{"a" : 1, "b":[2],"c":"d", 3}"#).eq([Some("a"), None, None]));
    }

    #[test]
    fn text_after_an_object_is_returned() {
        assert_eq!(each_member("{} x", |_, _| ()), Some(" x"));
        assert_eq!(each_member(r#"{"a":1},"#, |_, _| ()), Some(","));
        assert_eq!(each_element("[1,2]]", |_, _| ()), Some("]"));
        assert_eq!(each_element("{}", |_, _| ()), None);
    }

    proptest! {
        #[test]
        fn tokens_agree_with_serde_json(value in json(), pretty: bool) {
            let text = written(&value, pretty);
            let mut expected = Vec::new();
            tokens(&value, None, &mut expected);
            prop_assert_eq!(strings_and_numbers(&text).map(described).collect::<Vec<_>>(), expected.clone());
            expected.retain(|(kind, ..)| *kind != TokenKind::Number);
            prop_assert_eq!(strings(&text).map(described).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn members_and_elements_agree_with_serde_json(value in json(), pretty: bool) {
            let text = written(&value, pretty);
            let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            let mut members = serde_json::Map::new();
            let object = each_member(&text, |key, value| {
                members.insert(super::super::unescape(key).into_owned(), parsed(value));
            });
            prop_assert_eq!(object.map(|_| &members), value.as_object());
            let mut elements = Vec::new();
            let array = each_element(&text, |index, element| {
                assert_eq!(index, elements.len());
                elements.push(parsed(element));
            });
            prop_assert_eq!(array.map(|_| &elements), value.as_array());
            for (key, value) in members {
                prop_assert_eq!(member(&text, &key).map(parsed), Some(value));
            }
        }

        #[test]
        fn compact_text_is_what_serde_json_writes(value in json(), pretty: bool) {
            prop_assert_eq!(compact(&written(&value, pretty)), written(&value, false));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[{}\\[\\]\",:\\\\x0-9 é]{0,24}") {
            let _ = (strings(&text).count(), strings_and_numbers(&text).count(), compact(&text));
            let _ = (each_member(&text, |_, _| ()), each_element(&text, |_, _| ()), member(&text, "x"));
        }
    }
}
