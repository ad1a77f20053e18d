//! Removes percent-encoding, JSON escapes and HTML character references, one layer at a time, and
//! maps offsets back.

use memchr::memchr3;

use super::entities;
use crate::json::escapes;

/// The maximum number of nested encodings that are removed.
pub(crate) const MAX_LAYERS: usize = 4;

/// A decoded text, and the offset in the original text for every byte.
pub(crate) struct DecodedLayer {
    /// The decoded text.
    pub(crate) bytes: Vec<u8>,
    /// The start of each decoded byte in the original text, then the length of the original text.
    pub(crate) offsets: Vec<usize>,
}

/// Returns the offset in the original text that corresponds to an offset in a layer. `offsets` are
/// the offsets of the layer; `None` for the original text itself.
pub(crate) fn original_offset(offsets: Option<&[usize]>, offset: usize) -> usize {
    offsets.map_or(offset, |all| all.get(offset).copied().unwrap_or(offset))
}

/// Removes one layer of encodings; returns `None` if the text has none. Percent-encoded bytes need
/// not be UTF-8.
///
/// `offsets` are the offsets of `text`, if it is itself a decoded layer.
pub(crate) fn decode(text: &[u8], offsets: Option<&[usize]>) -> Option<DecodedLayer> {
    memchr3(b'%', b'\\', b'&', text)?;
    let mut layer =
        DecodedLayer { bytes: Vec::with_capacity(text.len()), offsets: Vec::with_capacity(text.len() + 1) };
    let (mut pos, mut changed) = (0, false);
    while let Some(&byte) = text.get(pos) {
        let rest = text.get(pos..).unwrap_or(&[]);
        let mut utf8 = [0; 4];
        let decoded = match byte {
            b'%' => percent_encoded(rest),
            b'\\' => escape(rest),
            b'&' => entities::parse(rest).map(|(character, length)| (Decoded::Character(character), length)),
            _ => None,
        };
        let (decoded, length): (&[u8], usize) = match decoded {
            Some((Decoded::Character(character), length)) => {
                (character.encode_utf8(&mut utf8).as_bytes(), length)
            }
            Some((Decoded::Byte(byte), length)) => {
                utf8[0] = byte;
                (&utf8[..1], length)
            }
            None => (&rest[..1], 1),
        };
        changed |= length > 1;
        for byte in decoded {
            layer.bytes.push(*byte);
            layer.offsets.push(original_offset(offsets, pos));
        }
        pos += length;
    }
    layer.offsets.push(original_offset(offsets, text.len()));
    changed.then_some(layer)
}

/// The character or byte that an escape encodes.
enum Decoded {
    Character(char),
    Byte(u8),
}

/// Parses `%40`, or `%u0040` as the JavaScript function `escape` writes it. Also returns the
/// length.
fn percent_encoded(text: &[u8]) -> Option<(Decoded, usize)> {
    if text.get(1) != Some(&b'u') {
        let byte = u8::try_from(hex(text.get(1..3)?)?).ok()?;
        return Some((Decoded::Byte(byte), 3));
    }
    let unit = |at: usize| text.get(at..at + 6)?.strip_prefix(b"%u").and_then(hex);
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first) {
        return Some((Decoded::Character(character), 6));
    }
    let (high, low) = (first.checked_sub(0xd800)?, unit(6)?.checked_sub(0xdc00)?);
    let character = (high < 0x400 && low < 0x400).then(|| char::from_u32(0x10000 + (high << 10) + low))??;
    Some((Decoded::Character(character), 12))
}

/// Parses a JSON escape, or `\x40` as web servers write it. Also returns the length. A lone
/// surrogate does not encode a character.
fn escape(text: &[u8]) -> Option<(Decoded, usize)> {
    if text.get(1) == Some(&b'x') {
        let byte = u8::try_from(hex(text.get(2..4)?)?).ok()?;
        return Some((Decoded::Byte(byte), 4));
    }
    let (length, is_lone_surrogate) = escapes::check(text)?;
    let escape = std::str::from_utf8(text.get(..length)?).ok()?;
    let character = escapes::unescape(escape).chars().next()?;
    (!is_lone_surrogate).then_some((Decoded::Character(character), length))
}

/// Parses hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_layer_is_removed_at_a_time() {
        for (text, decoded) in [
            ("a%40b%2540", "a@b%40"),
            ("%u0061%ud83d%ude00%u00e9", "a😀é"),
            (r"\u0040\n\x40\\", "@\n@\\"),
            ("&#64;&amp;amp;&eacute;", "@&amp;é"),
        ] {
            let layer = decode(text.as_bytes(), None).unwrap();
            assert_eq!(String::from_utf8(layer.bytes).unwrap(), decoded, "{text}");
        }
        assert_eq!(decode(b"caf%E9", None).unwrap().bytes, b"caf\xe9");
        for text in ["plain", "100 %", "%4", "%u12", "%ud83d", "&", "&x", "\\", "\\x4", "\\ud83d"] {
            assert!(decode(text.as_bytes(), None).is_none(), "{text}");
        }
    }
}
