//! Keys to look up in objects, prepared for fast comparisons.

use std::ops::Deref;

use super::escapes::unescape;
use super::scan::{ESCAPED, Value};
use super::span::Span;
use super::text_buffer::TextBuffer;

/// Length of the longest key that is compared as one word, in bytes.
const WORD: usize = 16;

/// The length of a key and three of its bytes. Two keys with different tags are different, unless
/// one of the tags is [`KeyTag::UNKNOWN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyTag(pub(super) u32);

impl KeyTag {
    /// The tag of keys with escapes and of the empty key, which are compared as strings.
    pub(super) const UNKNOWN: KeyTag = KeyTag(0);

    #[inline(always)]
    pub(super) fn new(key: &[u8]) -> KeyTag {
        let (Some(first), Some(middle), Some(last)) = (key.first(), key.get(key.len() / 2), key.last())
        else {
            return KeyTag::UNKNOWN;
        };
        KeyTag(u32::from_le_bytes([key.len() as u8, *first, *middle, *last]))
    }

    /// Returns the tag of a key in a text.
    #[inline(always)]
    pub(super) fn of(key: Value, text: &[u8]) -> KeyTag {
        let Span { start, len } = key.inner();
        match text.get(start as usize..(start + len) as usize) {
            Some(key_text) if !key.has(ESCAPED) => KeyTag::new(key_text),
            _ => KeyTag::UNKNOWN,
        }
    }
}

/// A key to look up, prepared for comparisons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    text: Box<str>,
    pub(super) tag: KeyTag,
    /// The key as a little-endian number, and a mask of its bytes. The mask is zero if the key is
    /// empty or longer than [`WORD`].
    word: u128,
    mask: u128,
}

impl Key {
    /// Prepares a key.
    pub fn new(text: &str) -> Key {
        let (mut word, mut mask) = (0, 0);
        if text.len() <= WORD {
            for byte in text.bytes().rev() {
                (word, mask) = (word << 8 | u128::from(byte), mask << 8 | 0xff);
            }
        }
        Key { text: text.into(), tag: KeyTag::new(text.as_bytes()), word, mask }
    }

    /// Returns whether the decoded text of a key in a buffer is this key.
    #[inline]
    pub(super) fn equals(&self, buffer: &TextBuffer<'_>, key: Value) -> bool {
        if key.has(ESCAPED) {
            return unescape(buffer.get(key.inner()).unwrap_or("")) == *self.text;
        }
        let Span { start, len } = key.inner();
        if len as usize != self.text.len() {
            return false;
        }
        // One load of 16 bytes and a mask instead of a loop over the key.
        match buffer.bytes_from(start).first_chunk::<WORD>() {
            Some(bytes) if self.mask != 0 => u128::from_le_bytes(*bytes) & self.mask == self.word,
            _ => buffer.get(key.inner()) == Some(&*self.text),
        }
    }
}

impl Deref for Key {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Kind;
    use proptest::prelude::*;

    /// Returns the strings that equal a key of a buffer.
    fn equal<'t>(buffer: &TextBuffer<'_>, key: Value, texts: &[&'t str]) -> Vec<&'t str> {
        texts.iter().copied().filter(|text| Key::new(text).equals(buffer, key)).collect()
    }

    #[test]
    fn key_equals_its_decoded_text_only() {
        let lines = r#"{"abc":1,"a\u0062c":2,"":3,"a_key_of_17_bytes":4,"z":5}"#;
        let mut buffer = TextBuffer::new(lines);
        let decoded = buffer.push("\"abd\"");
        let texts = ["abc", "abd", "ab", "", "a_key_of_17_bytes", "a_key_of_17_bytez", "z", "a\\u0062c"];
        let key = |text: &str, flags: u32| {
            let start = lines.find(text).unwrap();
            Value::new(start, start + text.len(), Kind::String, flags)
        };
        assert_eq!(equal(&buffer, key("\"abc\"", 0), &texts), ["abc"]);
        assert_eq!(equal(&buffer, key("\"a\\u0062c\"", ESCAPED), &texts), ["abc"]);
        assert_eq!(equal(&buffer, key("\"\"", 0), &texts), [""]);
        assert_eq!(equal(&buffer, key("\"a_key_of_17_bytes\"", 0), &texts), ["a_key_of_17_bytes"]);
        // Fewer than 16 bytes follow the last key, and the key of a row.
        assert_eq!(equal(&buffer, key("\"z\"", 0), &texts), ["z"]);
        let (start, end) = (decoded.start as usize, (decoded.start + decoded.len) as usize);
        assert_eq!(equal(&buffer, Value::new(start, end, Kind::String, 0), &texts), ["abd"]);
    }

    proptest! {
        #[test]
        fn comparison_agrees_with_the_texts(a in "[ab\0é]{0,20}", b in "[ab\0é]{0,20}", after in "[ab]{0,20}") {
            let text = format!("\"{a}\"{after}");
            let key = Value::new(0, a.len() + 2, Kind::String, 0);
            prop_assert_eq!(Key::new(&b).equals(&TextBuffer::new(&text), key), a == b);
            prop_assert!(Key::new(&a).equals(&TextBuffer::new(&text), key));
        }
    }
}
