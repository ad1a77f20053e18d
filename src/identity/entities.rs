//! HTML character references: `&#64;`, `&#x40;`, `&amp;`, `&eacute;`.
//!
//! Supports the names of ASCII characters and of Latin letters.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The longest reference that is recognized, in bytes.
const MAX_LENGTH: usize = 12;

/// Names of characters that are not letters with an accent.
const NAMES: [(&str, char); 44] = [
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{a0}'),
    ("commat", '@'),
    ("period", '.'),
    ("lowbar", '_'),
    ("plus", '+'),
    ("percnt", '%'),
    ("num", '#'),
    ("colon", ':'),
    ("semi", ';'),
    ("comma", ','),
    ("sol", '/'),
    ("bsol", '\\'),
    ("equals", '='),
    ("quest", '?'),
    ("excl", '!'),
    ("ast", '*'),
    ("dollar", '$'),
    ("lpar", '('),
    ("rpar", ')'),
    ("lsqb", '['),
    ("rsqb", ']'),
    ("lcub", '{'),
    ("rcub", '}'),
    ("verbar", '|'),
    ("szlig", 'ß'),
    ("AElig", 'Æ'),
    ("aelig", 'æ'),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("Oslash", 'Ø'),
    ("oslash", 'ø'),
    ("ETH", 'Ð'),
    ("eth", 'ð'),
    ("THORN", 'Þ'),
    ("thorn", 'þ'),
    ("Lstrok", 'Ł'),
    ("lstrok", 'ł'),
    ("Dstrok", 'Đ'),
    ("dstrok", 'đ'),
];

/// The combining characters of the accents in the names of letters.
const ACCENTS: [(&str, char); 13] = [
    ("grave", '\u{300}'),
    ("acute", '\u{301}'),
    ("circ", '\u{302}'),
    ("tilde", '\u{303}'),
    ("macr", '\u{304}'),
    ("breve", '\u{306}'),
    ("dot", '\u{307}'),
    ("uml", '\u{308}'),
    ("ring", '\u{30a}'),
    ("dblac", '\u{30b}'),
    ("caron", '\u{30c}'),
    ("cedil", '\u{327}'),
    ("ogon", '\u{328}'),
];

/// Parses the reference at the beginning of `text`; returns its character and its length in bytes.
pub(super) fn parse(text: &[u8]) -> Option<(char, usize)> {
    let end = text.iter().take(MAX_LENGTH).position(|b| *b == b';')?;
    let name = std::str::from_utf8(text.get(1..end)?).ok()?;
    let character = match name.strip_prefix('#') {
        Some(number) => numeric(number)?,
        None => NAMES.iter().find(|(other, _)| *other == name).map(|(_, c)| *c).or_else(|| letter(name))?,
    };
    Some((character, end + 1))
}

fn numeric(number: &str) -> Option<char> {
    let (digits, radix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let has_sign = digits.starts_with(['+', '-']);
    u32::from_str_radix(digits, radix).ok().filter(|_| !has_sign).and_then(char::from_u32)
}

/// Returns the letter of a name such as `eacute`.
fn letter(name: &str) -> Option<char> {
    let base = name.chars().next().filter(char::is_ascii_alphabetic)?;
    let accent = name.get(1..)?;
    let (_, mark) = ACCENTS.iter().find(|(other, _)| *other == accent)?;
    let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&format!("{base}{mark}")).into_owned();
    let mut characters = composed.chars();
    characters.next().filter(|_| characters.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_decode_to_their_characters() {
        for (text, character) in [
            ("&amp;", '&'),
            ("&#64;x", '@'),
            ("&#x40;", '@'),
            ("&#X1F600;", '😀'),
            ("&commat;", '@'),
            ("&eacute;", 'é'),
            ("&Uuml;", 'Ü'),
            ("&ccedil;", 'ç'),
            ("&szlig;", 'ß'),
        ] {
            let length = text.find(';').unwrap() + 1;
            assert_eq!(parse(text.as_bytes()), Some((character, length)), "{text}");
        }
        for text in ["&", "&amp", "&;", "&#;", "&#x;", "&#+64;", "&#xD800;", "&bacute;", "&nosuch;", "&é;"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }
}
