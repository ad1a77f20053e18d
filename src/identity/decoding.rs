//! Removes percent-encoding and JSON escapes, one layer at a time, and maps offsets back.

use crate::json::escapes;

/// The number of nested encodings that are removed.
pub(crate) const MAX_LAYERS: usize = 4;

/// A decoded text, with the offset in the original text of every byte.
pub(crate) struct DecodedLayer {
    /// The decoded text.
    pub(crate) bytes: Vec<u8>,
    /// The start of each decoded byte in the original text, then the length of the original text.
    pub(crate) offsets: Vec<usize>,
}

impl DecodedLayer {
    /// Returns the offset in the original text of a decoded byte.
    pub(crate) fn original_offset(&self, offset: usize) -> usize {
        self.offsets.get(offset).copied().unwrap_or(0)
    }
}

/// Removes one layer of encoding; returns `None` if the text has none.
pub(crate) fn decode_text(text: &str) -> Option<String> {
    decode(text.as_bytes(), None).map(|layer| String::from_utf8_lossy(&layer.bytes).into_owned())
}

/// Returns the text in lower case, as [`to_lowercase`](super::identifier::to_lowercase) does.
///
/// `offsets` are those of `text`, if it is itself a decoded layer.
pub(crate) fn lowercase_layer(text: &[u8], offsets: Option<&[usize]>) -> DecodedLayer {
    let mut layer =
        DecodedLayer { bytes: Vec::with_capacity(text.len()), offsets: Vec::with_capacity(text.len() + 1) };
    let original = |offset: usize| offsets.map_or(offset, |all| all.get(offset).copied().unwrap_or(offset));
    let mut pos = 0;
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            for lower in letter.to_lowercase() {
                layer.bytes.extend_from_slice(lower.encode_utf8(&mut [0; 4]).as_bytes());
            }
            layer.offsets.resize(layer.bytes.len(), original(pos));
            pos += letter.len_utf8();
        }
        for byte in chunk.invalid() {
            layer.bytes.push(*byte);
            layer.offsets.push(original(pos));
            pos += 1;
        }
    }
    layer.offsets.push(original(text.len()));
    layer
}

/// Removes one layer of percent-encoding and JSON escapes; returns `None` if the text has none.
///
/// `offsets` are those of `text`, if it is itself a decoded layer.
pub(crate) fn decode(text: &[u8], offsets: Option<&[usize]>) -> Option<DecodedLayer> {
    memchr::memchr2(b'%', b'\\', text)?;
    let original = |offset: usize| offsets.map_or(offset, |all| all.get(offset).copied().unwrap_or(offset));
    let mut layer =
        DecodedLayer { bytes: Vec::with_capacity(text.len()), offsets: Vec::with_capacity(text.len() + 1) };
    let (mut pos, mut changed) = (0, false);
    while let Some(&byte) = text.get(pos) {
        let rest = text.get(pos..).unwrap_or(&[]);
        let mut utf8 = [0; 4];
        let (decoded, length): (&[u8], usize) = match byte {
            b'%' => match rest.get(1..3).and_then(hex) {
                Some(value) => {
                    utf8[0] = value as u8;
                    (&utf8[..1], 3)
                }
                None => (&rest[..1], 1),
            },
            b'\\' => match escape(rest) {
                Some((character, length)) => (character.encode_utf8(&mut utf8).as_bytes(), length),
                None => (&rest[..1], 1),
            },
            _ => (&rest[..1], 1),
        };
        changed |= length > 1;
        for byte in decoded {
            layer.bytes.push(*byte);
            layer.offsets.push(original(pos));
        }
        pos += length;
    }
    layer.offsets.push(original(text.len()));
    changed.then_some(layer)
}

/// Parses a JSON escape; returns its character and its length in bytes. A lone surrogate encodes no
/// character.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let (length, is_lone_surrogate) = escapes::check(text)?;
    let escape = std::str::from_utf8(text.get(..length)?).ok()?;
    let character = escapes::unescape(escape).chars().next()?;
    (!is_lone_surrogate).then_some((character, length))
}

/// Parses hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}
