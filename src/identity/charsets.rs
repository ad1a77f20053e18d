//! Charsets other than UTF-8. Old pages use them to percent-encode text, and old servers to write
//! logs.

use std::collections::BTreeSet;

use encoding_rs::*;

const CHARSETS: [&Encoding; 34] = [
    WINDOWS_1252,
    WINDOWS_1250,
    WINDOWS_1251,
    WINDOWS_1253,
    WINDOWS_1254,
    WINDOWS_1255,
    WINDOWS_1256,
    WINDOWS_1257,
    WINDOWS_1258,
    WINDOWS_874,
    ISO_8859_2,
    ISO_8859_3,
    ISO_8859_4,
    ISO_8859_5,
    ISO_8859_6,
    ISO_8859_7,
    ISO_8859_8,
    ISO_8859_10,
    ISO_8859_13,
    ISO_8859_14,
    ISO_8859_15,
    ISO_8859_16,
    KOI8_R,
    KOI8_U,
    IBM866,
    MACINTOSH,
    X_MAC_CYRILLIC,
    SHIFT_JIS,
    EUC_JP,
    EUC_KR,
    GBK,
    GB18030,
    BIG5,
    ISO_8859_8_I,
];

/// Returns the bytes of a string in each charset that can encode it; none for an ASCII string,
/// which is the same in all charsets.
pub(crate) fn encodings(text: &str) -> BTreeSet<Vec<u8>> {
    if text.is_ascii() {
        return BTreeSet::new();
    }
    let encoded = CHARSETS.iter().map(|charset| charset.encode(text));
    encoded.filter(|(.., has_errors)| !has_errors).map(|(bytes, ..)| bytes.into_owned()).collect()
}

/// Returns the distinct strings to which the bytes decode in these charsets.
pub(super) fn readings(bytes: &[u8]) -> BTreeSet<String> {
    let texts = CHARSETS.iter();
    texts
        .filter_map(|charset| charset.decode_without_bom_handling_and_without_replacement(bytes))
        .map(|text| text.into_owned())
        .collect()
}
