//! UTF-16 text, which is converted to UTF-8 while it is read.

use encoding_rs::{Decoder, DecoderResult, UTF_16BE, UTF_16LE};

/// Replaces invalid UTF-16. The byte is not valid UTF-8, so the line is rejected as `not_utf8`.
const INVALID: u8 = 0xff;

/// Converts UTF-16 to UTF-8, piece by piece.
pub struct Utf16Decoder {
    decoder: Decoder,
}

impl Utf16Decoder {
    /// Returns the decoder of an input that begins with `head`; `None` if it is not UTF-16. UTF-16
    /// is recognized by its byte order mark, or by the zero bytes of two ASCII characters that are
    /// not control characters.
    pub fn detect(head: &[u8]) -> Option<Utf16Decoder> {
        let is_text = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
        let encoding = match *head {
            // UTF-32.
            [0xff, 0xfe, 0, 0, ..] => return None,
            [0xff, 0xfe, ..] => UTF_16LE,
            [0xfe, 0xff, ..] => UTF_16BE,
            [first, 0, second, 0, ..] if is_text(first) && is_text(second) => UTF_16LE,
            [0, first, 0, second, ..] if is_text(first) && is_text(second) => UTF_16BE,
            _ => return None,
        };
        Some(Utf16Decoder { decoder: encoding.new_decoder_with_bom_removal() })
    }

    /// Converts the bytes from offset `from` to the end, in place. `last` is set if the input ends
    /// here.
    pub fn convert(&mut self, bytes: &mut Vec<u8>, from: usize, last: bool) {
        let source = bytes.split_off(from.min(bytes.len()));
        let mut rest = source.as_slice();
        loop {
            // A code unit becomes at most three bytes.
            let need = self.decoder.max_utf8_buffer_length_without_replacement(rest.len());
            let start = bytes.len();
            bytes.resize(start + need.unwrap_or(3 * rest.len() + 16), 0);
            let target = bytes.get_mut(start..).unwrap_or(&mut []);
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(rest, target, last);
            bytes.truncate(start + written);
            rest = rest.get(read..).unwrap_or(&[]);
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => bytes.push(INVALID),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &str, big_endian: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() };
        text.encode_utf16().flat_map(bytes).collect()
    }

    /// Decodes bytes in pieces of `size`.
    fn decode(bytes: &[u8], size: usize) -> Option<Vec<u8>> {
        let mut decoder = Utf16Decoder::detect(bytes)?;
        let mut text = b"before".to_vec();
        for (index, piece) in bytes.chunks(size).enumerate() {
            let from = text.len();
            text.extend_from_slice(piece);
            decoder.convert(&mut text, from, (index + 1) * size >= bytes.len());
        }
        text.strip_prefix(b"before").map(<[u8]>::to_vec)
    }

    #[test]
    fn utf16_is_read_with_and_without_mark() {
        let text = "{\"city\":\"Köln \u{1f600} 東京\"}\n";
        for big_endian in [false, true] {
            for mark in ["", "\u{feff}"] {
                for size in [1, 2, 3, 7, 1000] {
                    let bytes = encoded(&format!("{mark}{text}"), big_endian);
                    assert_eq!(decode(&bytes, size).as_deref(), Some(text.as_bytes()), "{size}");
                }
            }
        }
        let rows = "id,time\n1,2026-11-09\n";
        for big_endian in [false, true] {
            assert_eq!(decode(&encoded(rows, big_endian), 3).unwrap(), rows.as_bytes());
            assert!(decode(&encoded("i\u{1}", big_endian), 3).is_none());
        }
        assert!(decode(text.as_bytes(), 1).is_none());
        assert!(decode(&encoded("\u{feff}\0", false), 1).is_none(), "UTF-32");
        assert!(decode(b"", 1).is_none());
        assert!(decode(&[0; 8], 1).is_none());
    }

    #[test]
    fn malformed_utf16_makes_its_line_invalid() {
        let mut bytes = encoded("\u{feff}{}\n\"", false);
        bytes.extend(0xd83du16.to_le_bytes());
        bytes.extend(encoded("\"\n{}", false));
        bytes.push(b'x');
        assert_eq!(decode(&bytes, 3).unwrap(), b"{}\n\"\xff\"\n{}\xff");
    }
}
