//! Finds personal data in strings: email addresses, phone numbers and card numbers.
//!
//! False findings waste the reader's time, so a match must be unmistakable. Phone numbers need a
//! country code, an area code, or a key that names a phone number. Card numbers need the prefix of
//! an issuer and the Luhn check digit (ISO/IEC 7812-1).

use std::ops::Range;

use super::findings::Rule;

/// The number of digits of a phone number with country code: at most 15 (ITU-T E.164).
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
/// The number of digits of a card number. ISO/IEC 7812-1 allows fewer, but cards in use have at
/// least 14.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 14..=19;

/// Parts of keys whose values are phone numbers.
const PHONE_KEYS: [&str; 6] = ["phone", "mobile", "telefon", "telephone", "whatsapp", "fax"];

/// A part of a string that is personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub rule: Rule,
    pub range: Range<usize>,
}

/// Returns the first match of each kind of personal data in a string. `key` is the key of the
/// property, which decides whether plain digits are a phone number.
pub(super) fn find(key: &str, text: &str) -> Vec<Match> {
    // Most values are short and have neither an at sign nor many digits.
    let mut matches = Vec::new();
    if let Some(range) = email_address(text) {
        matches.push(Match { rule: Rule::EmailAddress, range });
    }
    if text.bytes().filter(u8::is_ascii_digit).count() < *PHONE_DIGITS.start() {
        return matches;
    }
    let mut phone = None;
    for group in digit_groups(text) {
        let part = text.get(group.clone()).unwrap_or("");
        if is_card_number(part) {
            matches.push(Match { rule: Rule::CardNumber, range: group });
            break;
        }
        if phone.is_none() && is_phone_number(key, part) {
            phone = Some(group);
        }
    }
    matches.extend(phone.map(|range| Match { rule: Rule::PhoneNumber, range }));
    matches
}

/// Returns a string with all personal data masked. An email address keeps its first character and
/// its top-level domain; a number keeps its last two digits.
pub(super) fn mask(key: &str, text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    loop {
        let Some(found) = find(key, rest).into_iter().min_by_key(|found| found.range.start) else {
            masked.push_str(rest);
            return masked;
        };
        let Range { start, end } = found.range;
        masked.push_str(rest.get(..start).unwrap_or(""));
        masked.push_str(&mask_one(found.rule, rest.get(start..end).unwrap_or("")));
        rest = rest.get(end..).unwrap_or("");
    }
}

fn mask_one(rule: Rule, text: &str) -> String {
    if rule == Rule::EmailAddress {
        let first = text.chars().next().unwrap_or('*');
        let top_level = text.rsplit_once('.').map_or("", |(_, top_level)| top_level);
        return format!("{first}***@***.{top_level}");
    }
    let visible = text.bytes().filter(u8::is_ascii_digit).count().saturating_sub(2);
    let mut digits = 0;
    text.chars()
        .map(|char| {
            digits += usize::from(char.is_ascii_digit());
            if char.is_ascii_digit() && digits <= visible { '*' } else { char }
        })
        .collect()
}

/// Returns the first email address: a local part, an at sign (also as `%40`), and a domain with a
/// top-level domain of letters.
fn email_address(text: &str) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find(['@', '%']).map(|at| from + at) {
        let sign = match text.get(at..)? {
            rest if rest.starts_with('@') => 1,
            rest if rest.starts_with("%40") => 3,
            _ => 0,
        };
        if sign > 0 {
            let is_local = |c: char| c.is_alphanumeric() || "._+-".contains(c);
            let local =
                text.get(..at)?.chars().rev().take_while(|c| is_local(*c)).map(char::len_utf8).sum::<usize>();
            let is_domain = |c: char| c.is_alphanumeric() || c == '-' || c == '.';
            let domain = text.get(at + sign..)?;
            let length: usize = domain.chars().take_while(|c| is_domain(*c)).map(char::len_utf8).sum();
            let domain = domain.get(..length)?.trim_end_matches(['.', '-']);
            let top_level = domain.rsplit_once('.').filter(|(name, top_level)| {
                !name.is_empty()
                    && !name.starts_with('.')
                    && top_level.chars().count() >= 2
                    && top_level.chars().all(char::is_alphabetic)
            });
            if local > 0 && top_level.is_some() {
                return Some(at - local..at + sign + domain.len());
            }
        }
        from = at + 1;
    }
    None
}

/// Returns the ranges of digits, including the separators between digits, and a leading plus sign
/// or parenthesis. Digits that touch a letter or an underscore, as in an id, are not returned.
fn digit_groups(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut groups = Vec::new();
    let mut pos = 0;
    while pos < bytes.len() {
        let Some(start) =
            bytes.get(pos..).and_then(|rest| rest.iter().position(|b| b"+(0123456789".contains(b)))
        else {
            break;
        };
        let start = pos + start;
        let is_part = |b: &u8| b.is_ascii_digit() || b" +()-./".contains(b);
        let rest = bytes.get(start..).unwrap_or(&[]);
        let mut end = start + rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
        pos = end.max(start + 1);
        while end > start && !bytes.get(end - 1).is_some_and(u8::is_ascii_digit) {
            end -= 1;
        }
        let touches = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let before = start.checked_sub(1).and_then(|before| bytes.get(before));
        if end > start && !touches(before) && !touches(bytes.get(end)) {
            groups.push(start..end);
        }
    }
    groups
}

fn digits_of(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect()
}

/// Returns whether a group is a card number: 14 to 19 digits, not all equal, in groups of at least
/// three if they are separated, with the first digit of a payment card and a valid check digit.
fn is_card_number(text: &str) -> bool {
    let digits = digits_of(text);
    let separated = text
        .split([' ', '-'])
        .all(|group| group.len() >= 3 && group.bytes().all(|byte| byte.is_ascii_digit()));
    CARD_DIGITS.contains(&digits.len())
        && separated
        && matches!(digits.first(), Some(2..=6))
        && digits.iter().any(|digit| Some(digit) != digits.first())
        && luhn_sum(&digits).is_multiple_of(10)
}

/// Returns the sum of ISO/IEC 7812-1, annex B: every second digit from the right is doubled.
fn luhn_sum(digits: &[u8]) -> u32 {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| if index % 2 == 1 { doubled(u32::from(*digit)) } else { u32::from(*digit) })
        .sum()
}

/// Returns whether a group is a phone number: its key names a phone number, or it begins with a
/// country code, an area code in parentheses, or an area code with a leading zero and a separator
/// after it.
fn is_phone_number(key: &str, text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if !PHONE_DIGITS.contains(&digits) || text.get(1..).is_some_and(|rest| rest.contains('+')) {
        return false;
    }
    if text.starts_with('+') {
        return true;
    }
    let key = key.to_lowercase();
    if PHONE_KEYS.iter().any(|part| key.contains(part)) {
        return true;
    }
    // A group that starts with 0 is a date or a version if it contains a dot, or more than one
    // hyphen or slash.
    let in_brackets = text.starts_with('(') && text.find(')').is_some_and(|close| (3..=6).contains(&close));
    let after_zero = text.starts_with('0')
        && text.find([' ', '/', '-']).is_some_and(|at| (3..=6).contains(&at))
        && !text.contains('.')
        && text.matches(['/', '-']).count() <= 1;
    in_brackets || after_zero
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(key: &str, text: &str) -> Vec<Rule> {
        find(key, text).into_iter().map(|found| found.rule).collect()
    }

    #[test]
    fn email_addresses_are_found_and_masked() {
        for (text, masked) in [
            ("ada@example.com", "a***@***.com"),
            ("write to ada.lovelace+x@mail.example.co.uk.", "write to a***@***.uk."),
            ("https://x.example/?email=ada%40example.org&a=1", "https://x.example/?email=a***@***.org&a=1"),
            ("ада@пример.рф", "а***@***.рф"),
            ("a@b.de, c@d.fr", "a***@***.de, c***@***.fr"),
        ] {
            assert_eq!(rules("", text), [Rule::EmailAddress], "{text}");
            assert_eq!(mask("", text), masked);
        }
        for text in ["@ada", "ada@", "ada@localhost", "a@1.2", "50%40", "v@.com", "@example.com", "npm@10.2"]
        {
            assert_eq!(rules("", text), [], "{text}");
        }
    }

    #[test]
    fn card_numbers_need_a_valid_check_digit() {
        // Test numbers that payment providers publish.
        for text in ["4111111111111111", "4111 1111 1111 1111", "5555-5555-5555-4444", "378282246310005"] {
            assert_eq!(rules("", text), [Rule::CardNumber], "{text}");
        }
        assert_eq!(mask("", "card 4111 1111 1111 1111!"), "card **** **** **** **11!");
        for text in [
            "4111111111111112",
            "1790812800000",
            "1111111111111117",
            "id_4111111111111111",
            "4111111111111111a",
            "4444444444444444",
            "550e8400-e29b-41d4-a716-446655440000",
        ] {
            assert_eq!(rules("", text), [], "{text}");
        }
    }

    #[test]
    fn phone_numbers_need_a_code_a_separator_or_a_key() {
        for text in ["+49 30 901820", "+1 (415) 555-2671", "(030) 901820-12", "030 90182012", "030/90182012"]
        {
            assert_eq!(rules("", text), [Rule::PhoneNumber], "{text}");
        }
        assert_eq!(rules("customer_phone", "4915112345678"), [Rule::PhoneNumber]);
        assert_eq!(mask("", "call +49 30 901820 now"), "call +** ** ****20 now");
        for text in [
            "2026-11-09 10:00:00",
            "2026-11-09T10:00:00Z",
            "4915112345678",
            "1.2.3.4",
            "203.0.113.255",
            "0.123456789",
            "00000000-0000-0000",
            "1920x1080",
            "+1",
            "12345678",
        ] {
            assert_eq!(rules("order", text), [], "{text}");
        }
    }

    #[test]
    fn masked_text_contains_no_personal_data() {
        for text in ["+49 30 901820 and ada@example.com or 4111111111111111", "++49 30 901820", "@%40@a@b.de"]
        {
            let masked = mask("", text);
            assert_eq!(rules("", &masked.replace("***@***", " ")), [], "{masked}");
        }
    }
}
