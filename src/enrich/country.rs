//! Country codes, as logs, proxies and location databases write them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

/// Countries with their codes and names.
const COUNTRIES: &str = include_str!("data/countries.txt");
/// The longest name that is looked up, in bytes.
const LONGEST_NAME: usize = 64;

/// Returns the country code (ISO 3166-1 alpha-2, upper case) of the country that a string names;
/// `None` if it names no country.
///
/// Alpha-3 codes (`DEU`) and English names (`Germany`) are accepted too, in any case. Codes that
/// ISO reserves for private use name no country: `XX` and `ZZ` mean "unknown", and proxies use
/// others. The exception is `XK`, which is in general use for Kosovo. `UK` is reserved for `GB`.
pub fn country_code(text: &str) -> Option<Cow<'_, str>> {
    if text.len() != 2 || !text.bytes().all(|b| b.is_ascii_alphabetic()) {
        return named(text).map(|code| Cow::Owned(code.to_owned()));
    }
    let code = match text.bytes().all(|b| b.is_ascii_uppercase()) {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.to_ascii_uppercase()),
    };
    match code.as_bytes() {
        b"XK" => Some(code),
        b"UK" => Some(Cow::Owned("GB".to_owned())),
        b"AA" | b"ZZ" | [b'X', _] | [b'Q', b'M'..=b'Z'] => None,
        _ => Some(code),
    }
}

/// Returns the code of a country, given its alpha-3 code or its English name.
fn named(text: &str) -> Option<&'static str> {
    static NAMES: OnceLock<HashMap<String, &'static str>> = OnceLock::new();
    if text.len() > LONGEST_NAME {
        return None;
    }
    let names = NAMES.get_or_init(|| {
        let mut names = HashMap::new();
        for line in COUNTRIES.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line.split('\t');
            let Some(code) = fields.next() else { continue };
            names.extend(fields.map(|name| (name.to_lowercase(), code)));
        }
        names
    });
    names.get(&text.to_lowercase()).copied()
}

/// Returns whether a string that is not a country code is a placeholder for an unknown country.
/// Proxies and databases write `XX`, `T1` (Tor), `A1` (anonymous proxy) and other pairs of letters
/// and digits, or `-`.
pub fn is_unknown_country(text: &str) -> bool {
    text == "-" || (text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn country_codes_are_upper_case_and_name_countries() {
        for (text, code) in
            [("DE", "DE"), ("de", "DE"), ("dE", "DE"), ("xk", "XK"), ("uk", "GB"), ("QA", "QA"), ("ax", "AX")]
        {
            assert_eq!(country_code(text).as_deref(), Some(code), "{text}");
        }
        for text in ["XX", "xx", "ZZ", "T1", "A1", "AA", "QM", "QZ", "XA", "XZ", "-"] {
            assert_eq!(country_code(text), None, "{text}");
            assert!(is_unknown_country(text), "{text}");
        }
        for text in ["", "D", "276", "é", "D ", "--- ", "DÉ", "Korea", "Deutschland", "XXX"] {
            assert_eq!(country_code(text), None, "{text}");
            assert!(!is_unknown_country(text), "{text}");
        }
    }

    #[test]
    fn alpha3_codes_and_names_become_country_codes() {
        for (text, code) in [
            ("DEU", "DE"),
            ("Germany", "DE"),
            ("GERMANY", "DE"),
            ("United States of America", "US"),
            ("usa", "US"),
            ("United Kingdom", "GB"),
            ("Türkiye", "TR"),
            ("Bosnia and Herzegovina", "BA"),
            ("South Korea", "KR"),
            ("North Korea", "KP"),
            ("Kosovo", "XK"),
            // As Google Analytics writes them.
            ("Côte d’Ivoire", "CI"),
            ("Congo - Kinshasa", "CD"),
            ("Myanmar (Burma)", "MM"),
        ] {
            assert_eq!(country_code(text).as_deref(), Some(code), "{text}");
        }
    }

    #[test]
    fn every_name_belongs_to_one_country() {
        let mut names = HashMap::new();
        for line in COUNTRIES.lines().filter(|line| !line.starts_with('#')) {
            let (code, rest) = line.split_once('\t').unwrap();
            assert_eq!(country_code(code).as_deref(), Some(code));
            for name in rest.split('\t') {
                assert!(!name.is_empty() && name.len() <= LONGEST_NAME, "{line}");
                assert_eq!(names.insert(name.to_lowercase(), code), None, "{name}");
            }
        }
        assert_eq!(names.values().collect::<std::collections::HashSet<_>>().len(), 250);
    }
}
