//! Removes percent-encoding and JSON escapes, one layer at a time, and maps offsets back.

/// Layers of encoding through which an identifier is still found.
pub const MAX_LAYERS: usize = 4;

/// A text with one layer of escapes taken off.
pub(crate) struct DecodedLayer {
    /// The decoded text.
    pub(crate) bytes: Vec<u8>,
    /// Where in the original each byte begins, and at last where it ends.
    pub(crate) at: Vec<usize>,
}

impl DecodedLayer {
    /// Returns the offset in the original text of a decoded byte.
    pub(crate) fn place(&self, offset: usize) -> usize {
        self.at.get(offset).copied().unwrap_or(0)
    }
}

/// Returns a text with one layer of escapes taken off; `None` where there is none.
pub fn decoded(text: &str) -> Option<String> {
    decode(text.as_bytes(), None).map(|level| String::from_utf8_lossy(&level.bytes).into_owned())
}

/// Returns a text in small letters, as [`fold`](super::identifier::fold) makes them.
pub(crate) fn folded(text: &[u8], places: Option<&[usize]>) -> DecodedLayer {
    let mut level =
        DecodedLayer { bytes: Vec::with_capacity(text.len()), at: Vec::with_capacity(text.len() + 1) };
    let place = |offset: usize| places.map_or(offset, |at| at.get(offset).copied().unwrap_or(offset));
    let mut pos = 0;
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            for small in letter.to_lowercase() {
                level.bytes.extend_from_slice(small.encode_utf8(&mut [0; 4]).as_bytes());
            }
            level.at.resize(level.bytes.len(), place(pos));
            pos += letter.len_utf8();
        }
        for byte in chunk.invalid() {
            level.bytes.push(*byte);
            level.at.push(place(pos));
            pos += 1;
        }
    }
    level.at.push(place(text.len()));
    level
}

/// Takes one layer of escapes off, of JSON and percent-encoding alike; `None` where there is none.
pub(crate) fn decode(text: &[u8], places: Option<&[usize]>) -> Option<DecodedLayer> {
    memchr::memchr2(b'%', b'\\', text)?;
    let place = |offset: usize| places.map_or(offset, |at| at.get(offset).copied().unwrap_or(offset));
    let mut level =
        DecodedLayer { bytes: Vec::with_capacity(text.len()), at: Vec::with_capacity(text.len() + 1) };
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
            level.bytes.push(*byte);
            level.at.push(place(pos));
        }
        pos += length;
    }
    level.at.push(place(text.len()));
    changed.then_some(level)
}

/// Reads an escape of JSON: its character, and its length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| text.get(at..at + 6)?.strip_prefix(b"\\u").and_then(hex);
    Some(match text.get(1)? {
        b'u' => {
            let first = unit(0)?;
            match (first, unit(6)) {
                (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
                    let code = 0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
                    (char::from_u32(code)?, 12)
                }
                _ => (char::from_u32(first)?, 6),
            }
        }
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        other @ (b'"' | b'\\' | b'/') => (char::from(*other), 2),
        _ => return None,
    })
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}
