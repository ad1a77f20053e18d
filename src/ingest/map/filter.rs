//! Filters of expressions: `"/a|lower"`.

use std::io::Read;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// The largest output of a filter, in bytes. A small gzip file can expand to any size.
pub const LIMIT: usize = 16 << 20;
/// Bytes of output that `gunzip` may have for any input, even the smallest.
const FREE_OUTPUT: usize = 64 << 10;
/// Bytes of further output that `gunzip` may have for each byte of input. Even the messages of
/// CloudWatch, with their long ids, do not shrink to a hundredth. Repeated bytes do, and a short
/// log of them would take the time and the memory of a long one.
const MAX_RATIO: usize = 100;

/// The names of the filters.
pub const NAMES: [&str; 5] = ["lower", "strip", "urldecode", "base64", "gunzip"];

/// A transformation of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Lower case.
    Lower,
    /// Removes a prefix, if there is one.
    Strip(Box<str>),
    /// Decodes percent-encoding, such as `%20`.
    UrlDecode,
    /// Decodes base64.
    Base64,
    /// Decompresses gzip.
    Gunzip,
}

impl Filter {
    /// Parses a filter: a name; for `strip`, followed by `:` and the prefix. Returns `None` if
    /// there is no such filter.
    pub fn parse(text: &str) -> Option<Filter> {
        Some(match text.split_once(':') {
            Some(("strip", prefix)) => Filter::Strip(prefix.into()),
            Some(_) => return None,
            None => match text {
                "lower" => Filter::Lower,
                "urldecode" => Filter::UrlDecode,
                "base64" => Filter::Base64,
                "gunzip" => Filter::Gunzip,
                _ => return None,
            },
        })
    }

    /// Applies the filter; `None` if the bytes cannot be decoded, or the result is too large.
    fn apply(&self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        match self {
            Filter::Lower => Some(String::from_utf8(bytes).ok()?.to_lowercase().into_bytes()),
            Filter::Strip(prefix) => {
                Some(bytes.strip_prefix(prefix.as_bytes()).map(<[u8]>::to_vec).unwrap_or(bytes))
            }
            Filter::UrlDecode => Some(url_decoded(&bytes)),
            Filter::Base64 => BASE64.decode(bytes.trim_ascii()).ok(),
            Filter::Gunzip => {
                let mut out = Vec::new();
                let limit = (FREE_OUTPUT + bytes.len().saturating_mul(MAX_RATIO)).min(LIMIT);
                let decoder = flate2::read::MultiGzDecoder::new(&*bytes);
                decoder.take(limit as u64 + 1).read_to_end(&mut out).ok()?;
                (out.len() <= limit).then_some(out)
            }
        }
    }
}

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Applies filters, one after another; `None` if one of them cannot be applied, or if the result is
/// not text.
pub fn apply_all(filters: &[Filter], text: &str) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    for filter in filters {
        bytes = filter.apply(bytes)?;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        // A percent-encoded string can contain any bytes.
        Err(e) if filters.last() == Some(&Filter::UrlDecode) => {
            Some(String::from_utf8_lossy(e.as_bytes()).into_owned())
        }
        Err(_) => None,
    }
}

fn url_decoded(bytes: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(bytes.get(at).copied()?).to_digit(16);
    let (mut out, mut pos) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(pos) {
        match (byte, digit(pos + 1), digit(pos + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                pos += 3;
            }
            _ => {
                out.push(byte);
                pos += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn filtered(names: &str, text: &str) -> Option<String> {
        let filters: Option<Vec<Filter>> = names.split('|').map(Filter::parse).collect();
        apply_all(&filters.unwrap(), text)
    }

    #[test]
    fn filters_transform_strings() {
        assert_eq!(filtered("lower", "ÀB-c"), Some("àb-c".into()));
        assert_eq!(filtered("strip:$device:", "$device:a:b"), Some("a:b".into()));
        assert_eq!(filtered("strip:$device:", "u-1"), Some("u-1".into()));
        assert_eq!(filtered("urldecode", "a%20b%2g%C3%A9%"), Some("a b%2gé%".into()));
        assert_eq!(filtered("urldecode|urldecode", "a%2520b"), Some("a b".into()));
        assert_eq!(filtered("urldecode", "%ff"), Some("\u{fffd}".into()));
        assert_eq!(filtered("base64", "aGk="), Some("hi".into()));
        assert_eq!(filtered("base64", "aGk"), Some("hi".into()));
        assert_eq!(filtered("base64", "a k"), None);
        assert_eq!(filtered("base64", "/w=="), None);
        assert_eq!(filtered("gunzip", "text"), None);
    }

    #[test]
    fn gzip_in_base64_is_decoded_up_to_the_limit() {
        let zipped = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(bytes).unwrap();
            BASE64.encode(encoder.finish().unwrap())
        };
        assert_eq!(filtered("base64|gunzip", &zipped(b"{\"a\":1}")), Some("{\"a\":1}".into()));
        // Digits of a hash, since text of one letter shrinks too much.
        let digits = |length: usize| -> Vec<u8> {
            let hash = |n: u64| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            (0..).flat_map(|n| hash(n).into_bytes()).take(length).collect()
        };
        assert_eq!(filtered("base64|gunzip", &zipped(&digits(LIMIT))).unwrap().len(), LIMIT);
        assert_eq!(filtered("base64|gunzip", &zipped(&digits(LIMIT + 1))), None);
        // 64 KiB of one letter are always decoded; four MiB of it shrink to less than 1%.
        let letters = |length: usize| filtered("base64|gunzip", &zipped(&vec![b'x'; length]));
        assert_eq!(letters(FREE_OUTPUT).unwrap().len(), FREE_OUTPUT);
        assert_eq!(letters(4 << 20), None);
    }

    #[test]
    fn unknown_filter_is_none() {
        for text in ["", "upper", "lower:", "strip", "Lower"] {
            assert_eq!(Filter::parse(text), None, "{text}");
        }
    }
}
