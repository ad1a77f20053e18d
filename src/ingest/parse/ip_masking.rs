//! Masks IP addresses outside the `ip_address` column: in JSON objects and in rejected lines.
//!
//! The setting `privacy.ip` would be worth little if IP addresses stayed in `extra` or in rejects.
//! [`IpPolicy::Keep`] masks nothing, [`IpPolicy::Truncate`] zeroes the host part, and
//! [`IpPolicy::Drop`] removes the address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::de::IgnoredAny;

use crate::enrich::{apply_ip_policy, first_ip_address};
use crate::json::{self, lenient::TokenKind};
use crate::settings::IpPolicy;

/// Masks IP addresses in JSON text; returns `None` if nothing changes.
///
/// It masks every string, including keys, that is an IP address or a list with IP addresses as
/// proxies write it (`203.0.113.9, 10.0.0.1`), at any depth. A string that becomes empty is
/// replaced by null; an empty key stays an empty string.
pub fn mask_json(text: &str, policy: IpPolicy) -> Option<String> {
    if policy == IpPolicy::Keep {
        return None;
    }
    let (mut out, mut copied) = (String::new(), 0);
    for string in json::lenient::strings(text) {
        let Some(masked) = mask_string(string.text, policy) else { continue };
        out.push_str(text.get(copied..string.start).unwrap_or(""));
        match string.kind {
            // The text may end within a string that holds an IP address.
            TokenKind::UnclosedString => out.extend(["\"", &masked]),
            TokenKind::String if masked.is_empty() => out.push_str("null"),
            _ => out.extend(["\"", &masked, "\""]),
        }
        copied = string.end;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(text.get(copied..).unwrap_or(""));
    Some(out)
}

/// Masks IP addresses in any text; returns `None` if nothing changes. A dropped address becomes
/// `-`.
pub fn mask_text(text: &[u8], policy: IpPolicy) -> Option<Vec<u8>> {
    if policy == IpPolicy::Keep {
        return None;
    }
    // Escapes can hide an IP address from the search in plain text.
    let unescaped = match text.contains(&b'\\') {
        true => {
            std::str::from_utf8(text).ok().and_then(|text| mask_json(text, policy)).map(String::into_bytes)
        }
        false => None,
    };
    mask_runs(unescaped.as_deref().unwrap_or(text), policy).or(unescaped)
}

/// Masks IP addresses in a text that is truncated, perhaps within an IP address; returns `None`
/// under [`IpPolicy::Keep`]. A truncated address at the end is removed.
pub fn mask_truncated_text(text: &[u8], policy: IpPolicy) -> Option<Vec<u8>> {
    if policy == IpPolicy::Keep {
        return None;
    }
    let end = text.iter().rposition(|b| !is_address_byte(*b) && !b"\\u%".contains(b)).map_or(0, |at| at + 1);
    let whole = text.get(..end)?;
    Some(mask_text(whole, policy).unwrap_or_else(|| whole.to_vec()))
}

/// Masks the content of a JSON string; returns `None` if it has no IP address.
fn mask_string(inner: &str, policy: IpPolicy) -> Option<String> {
    let plain = json::unescape(inner);
    if !plain.contains(['.', ':', '\\']) {
        return None;
    }
    let is_json =
        plain.trim_start().starts_with(['[', '{']) || plain.starts_with('"') && plain.contains('\\');
    if is_json && serde_json::from_str::<IgnoredAny>(&plain).is_ok() {
        // JSON in a JSON string. Each level at least doubles the escapes, which bounds the depth.
        return escaped(&mask_json(&plain, policy)?);
    }
    if !plain.split(',').any(|part| list_entry(part).is_some()) {
        return None;
    }
    let parts = plain.split(',').filter_map(|part| match list_entry(part) {
        Some(ip) => apply_ip_policy(policy, ip),
        None => Some(part.trim().to_owned()),
    });
    escaped(&parts.collect::<Vec<_>>().join(", "))
}

/// Escapes a text as the content of a JSON string.
fn escaped(text: &str) -> Option<String> {
    let escaped = serde_json::to_string(text).ok()?;
    Some(escaped.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

/// Returns the IP address of a list entry: the entry begins with it, or consists of it and of what
/// proxies write around it (`proto=http;for=203.0.113.9`, `unknown 203.0.113.9`).
fn list_entry(entry: &str) -> Option<IpAddr> {
    let mut found = None;
    let words = entry.split(|c: char| c.is_whitespace() || c == ';').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        let word = word.trim_matches(['"', '\'']);
        let parameter = word
            .split_once('=')
            .filter(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        match parse_ip(parameter.map_or(word, |(_, value)| value)) {
            Some(ip) if index == 0 => return Some(ip),
            Some(ip) => found = found.or(Some(ip)),
            None if parameter.is_some() || word.is_empty() => {}
            None if ["-", "unknown"].iter().any(|filler| word.eq_ignore_ascii_case(filler)) => {}
            None => return None,
        }
    }
    found
}

/// Parses an IP address or a network (`203.0.113.9/32`).
fn parse_ip(word: &str) -> Option<IpAddr> {
    let word = word.trim_matches('"');
    if !word.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':' || c == '[') {
        return None;
    }
    let network = word.rsplit_once('/').filter(|(_, bits)| bits.parse::<u8>().is_ok());
    first_ip_address(network.map_or(word, |(ip, _)| ip))
}

/// Masks the IP addresses in all runs of the characters that occur in IP addresses. Characters of a
/// run may be escaped.
fn mask_runs(text: &[u8], policy: IpPolicy) -> Option<Vec<u8>> {
    let (mut out, mut copied, mut pos) = (Vec::new(), 0, 0);
    // The current run, and the positions of its characters and of the end of the run.
    let (mut run, mut positions) = (String::new(), Vec::new());
    // Start of the current word. A word begins after an escape.
    let mut word = 0;
    while pos < text.len() {
        let start = pos;
        run.clear();
        positions.clear();
        while let (Some(character), length) = address_character(text, pos) {
            run.push(char::from(character));
            positions.push(pos);
            pos += length;
        }
        positions.push(pos);
        if run.is_empty() {
            let (_, length) = address_character(text, pos);
            pos += length;
            if length > 1 {
                word = pos;
            }
            continue;
        }
        let before = text.get(word..start).unwrap_or(&[]);
        for (from, to, ip) in addresses_in_run(&run, before, text.get(pos)) {
            let (Some(&from), Some(&to)) = (positions.get(from), positions.get(to)) else { continue };
            out.extend_from_slice(text.get(copied..from).unwrap_or(&[]));
            out.extend_from_slice(apply_ip_policy(policy, ip).unwrap_or_else(|| "-".to_owned()).as_bytes());
            copied = to;
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(text.get(copied..).unwrap_or(&[]));
    Some(out)
}

/// Returns the character at a position if it can be part of an IP address, and the number of bytes
/// that it takes. JSON escapes and percent-encoding are decoded, since the text may be broken JSON
/// with URLs in it.
fn address_character(text: &[u8], pos: usize) -> (Option<u8>, usize) {
    let Some(&first) = text.get(pos) else { return (None, 1) };
    if first == b'%' {
        return percent_encoded(text, pos);
    }
    if first != b'\\' {
        return (is_address_byte(first).then_some(first), 1);
    }
    match text.get(pos + 1) {
        Some(b'u') => {
            let digits = text.get(pos + 2..pos + 6).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            match digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
                Some(code) => (u8::try_from(code).ok().filter(|b| is_address_byte(*b)), 6),
                None => (None, 1),
            }
        }
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (None, 2),
        _ => (None, 1),
    }
}

/// Decodes a percent-encoded character for [`address_character`]. A URL in the query of another URL
/// is encoded twice: `%253A`.
fn percent_encoded(text: &[u8], pos: usize) -> (Option<u8>, usize) {
    let code = |at: usize| {
        let digits = text.get(at..at + 2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let Some(byte) = code(pos + 1) else { return (None, 1) };
    let mut at = pos + 1;
    while text.get(at..at + 2) == Some(b"25") {
        at += 2;
    }
    match code(at) {
        // Digits after `%25` may follow an encoded percent sign instead.
        Some(byte @ (b':' | b'.')) => (Some(byte), at + 2 - pos),
        _ => (Some(byte).filter(|byte| is_address_byte(*byte)), 3),
    }
}

/// Returns the IP addresses in a run of hexadecimal digits, points and colons, in order. `before`
/// is the word before the run, `after` the byte after it.
fn addresses_in_run(run: &str, before: &[u8], after: Option<&u8>) -> Vec<(usize, usize, IpAddr)> {
    let mut found = Vec::new();
    let (from, to) = match find_v6(run, before.last(), after) {
        Some((from, to, ip)) => {
            found.push((from, to, ip.into()));
            (from, to)
        }
        None => (run.len(), run.len()),
    };
    find_v4(run, 0, from, &mut found);
    find_v4(run, to, run.len(), &mut found);
    // `v1.2.3.4` is a version number.
    let letters = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    if matches!(before, [.., b'v' | b'V']) && !letters(before.iter().nth_back(1)) {
        found.retain(|(from, _, ip)| *from > 0 || ip.is_ipv6());
    }
    found.sort_unstable();
    found
}

/// Finds an IPv6 address: the whole run, or the run without its first or last group. Those may be a
/// word (`add:2001:db8::1`), a port, or empty (`ip:2001:db8::1:`).
fn find_v6(run: &str, before: Option<&u8>, after: Option<&u8>) -> Option<(usize, usize, Ipv6Addr)> {
    let whole = run.trim_start_matches('.');
    let begin = run.len() - whole.len();
    let end = begin + whole.trim_end_matches('.').len();
    let (first, last) = (run.find(':')?, run.rfind(':')?);
    let word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    [(begin, end), (begin, last), (first + 1, end), (first + 1, last)].into_iter().find_map(|(from, to)| {
        let text = run.get(from..to).filter(|text| *text != "::")?;
        let ip = text.parse().ok()?;
        let within_word = from == 0 && word(before) || to == run.len() && word(after);
        // A path such as `std::add` parses as an IPv6 address, but has few groups and no digits.
        let groups = text.split(':').filter(|group| !group.is_empty()).count();
        let unambiguous = groups > 2 && text.bytes().any(|b| b.is_ascii_digit());
        (unambiguous || !within_word).then_some((from, to, ip))
    })
}

/// Finds IPv4 addresses, also within words (`client_203.0.113.9`).
fn find_v4(run: &str, from: usize, to: usize, found: &mut Vec<(usize, usize, IpAddr)>) {
    let mut at = from;
    for part in run.get(from..to).unwrap_or("").split(|c: char| !c.is_ascii_digit() && c != '.') {
        let address = part.trim_start_matches('.');
        let begin = at + part.len() - address.len();
        let address = address.trim_end_matches('.');
        if let Ok(ip) = address.parse::<Ipv4Addr>() {
            found.push((begin, begin + address.len(), ip.into()));
        }
        // All separators are one byte long.
        at += part.len() + 1;
    }
}

fn is_address_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'.' || byte == b':'
}

#[cfg(test)]
mod tests {
    use super::*;
    use IpPolicy::{Drop, Keep, Truncate};

    fn text(text: &str, policy: IpPolicy) -> String {
        let masked = mask_text(text.as_bytes(), policy).unwrap_or_else(|| text.as_bytes().to_vec());
        String::from_utf8(masked).unwrap()
    }

    #[test]
    fn address_strings_are_masked_at_any_depth() {
        let extra = r#"{"ip":"203.0.113.9","a":[{"forwarded_for" : "203.0.113.9, 2001:db8:1:2::3"}],"v":"x 203.0.113.9"}"#;
        assert_eq!(
            mask_json(extra, Truncate).unwrap(),
            r#"{"ip":"203.0.113.0","a":[{"forwarded_for" : "203.0.113.0, 2001:db8:1::"}],"v":"x 203.0.113.9"}"#
        );
        assert_eq!(
            mask_json(extra, Drop).unwrap(),
            r#"{"ip":null,"a":[{"forwarded_for" : null}],"v":"x 203.0.113.9"}"#
        );
        assert_eq!(mask_json(extra, Keep), None);
        assert_eq!(mask_json(r#"{"203.0.113.9":"203\u002e0.113.9"}"#, Drop).unwrap(), r#"{"":null}"#);
        assert_eq!(mask_json(r#"{"x":"unknown, 203.0.113.9"}"#, Drop).unwrap(), r#"{"x":"unknown"}"#);
    }

    #[test]
    fn proxy_and_log_notations_are_masked() {
        for (string, truncated) in [
            (r#"\"203.0.113.65\""#, "203.0.113.0"),
            ("for=203.0.113.63", "203.0.113.0"),
            ("proto=http;for=203.0.113.64", "203.0.113.0"),
            (r#"for=unknown; by=\"[2001:db8:1:2::3]:443\""#, "2001:db8:1::"),
            ("203.0.113.69/32", "203.0.113.0"),
            ("unknown 203.0.113.66", "203.0.113.0"),
            ("- 203.0.113.67", "203.0.113.0"),
            ("203.0.113.71;203.0.113.72", "203.0.113.0"),
            ("203.0.113.74, proto=1", "203.0.113.0, proto=1"),
            ("fe80::73%en0", "fe80::"),
            (r#"[\"203.0.113.75\",\"a, b\"]"#, r#"[\"203.0.113.0\",\"a, b\"]"#),
            (r#"{\"a\":[\"[\\\"203.0.113.76\\\"]\"]}"#, r#"{\"a\":[\"[\\\"203.0.113.0\\\"]\"]}"#),
            ("[203.0.113.77]", "203.0.113.0"),
            (r#"[\"203\\u002e0\\u002e113\\u002e78\"]"#, r#"[\"203.0.113.0\"]"#),
            (r#"\"203\\u002e0\\u002e113\\u002e79\""#, r#"\"203.0.113.0\""#),
        ] {
            let text = format!(r#"{{"a":"{string}"}}"#);
            assert_eq!(mask_json(&text, Truncate).unwrap(), format!(r#"{{"a":"{truncated}"}}"#), "{string}");
        }
    }

    #[test]
    fn text_without_addresses_is_unchanged() {
        for extra in [
            "{}",
            r#"{"a":"2026-11-09T08:00:00Z","b":"1.2.3","c":"https://x.example/?ip=1.2.3.4","d":1.25,"e":":","f":"::x","g":"12:30"}"#,
            r#"{"a":"unclosed"#,
            r#"{"a":"Call me at 203.0.113.9","b":"we saw 203.0.113.9 and left"}"#,
        ] {
            assert_eq!(mask_json(extra, Drop), None, "{extra}");
        }
    }

    #[test]
    fn addresses_in_broken_text_are_masked() {
        assert_eq!(text("{\"ip\":\"203.0.113.9\", broken", Drop), "{\"ip\":\"-\", broken");
        assert_eq!(text("203.0.113.9:8080 - [2001:db8::1]:443.", Drop), "-:8080 - [-]:443.");
        assert_eq!(text("from 203.0.113.9. And so on", Truncate), "from 203.0.113.0. And so on");
        assert_eq!(text("ip=2001:db8:1:2:3:4:5:6", Truncate), "ip=2001:db8:1::");
        assert_eq!(text(r#"{"a":"203\u002e0.113.9",,}"#, Drop), r#"{"a":null,,}"#);
        assert_eq!(text(r#"{"a":"203\u002e0.113.9","b":"x"#, Drop), r#"{"a":null,"b":"x"#);
        assert_eq!(text(r#"{"a":"203\u002e0.113.9"#, Drop), r#"{"a":""#);
        assert_eq!(text(r#"" {"a":"203\u002e0.113\u002E9"}"#, Drop), r#"" {"a":"-"}"#);
        assert_eq!(
            text(r#"{"a":"line\n203.0.113.9\u000a203.0.113.8",,"#, Drop),
            r#"{"a":"line\n-\u000a-",,"#
        );
        let same = "12:30:45 std::vector :: v1.2.3.4 130.0.2849.68 1.2.3 deadbeef a1:b2:c3:d4:e5:f6";
        assert_eq!(text(same, Drop), same);
    }

    #[test]
    fn adjacent_letters_do_not_hide_an_address() {
        for (line, masked) in [
            ("clientip:203.0.113.10", "clientip:-"),
            ("{ip:203.0.113.11,", "{ip:-,"),
            ("remote:203.0.113.51:443", "remote:-:443"),
            ("addr:2001:db8::14 add:2001:db8::15", "addr:- -"),
            ("add:2001:db8:1:2:3:4:5:6:443", "add:-:443"),
            ("x-forwarded-for:203.0.113.15, 10.0.0.16", "x-forwarded-for:-, -"),
            ("203.0.113.12:http", "-:http"),
            ("client_203.0.113.25 203.0.113.24_x 203.0.113.17Z", "client_- -_x -Z"),
            ("peer2001:db8::16x", "peer-x"),
            ("ip%3A203.0.113.48%20203.0.113.49", "ip%3A-%20-"),
            ("?ip=2001%3Adb8%3A1%3a2%3A%3A77&b=%5B2001%3Adb8%3A%3A1%5D%3A443", "?ip=-&b=%5B-%5D%3A443"),
            ("?a=2001%253Adb8%25253A%253A77%2526b=203%2E0%2E113%2E9", "?a=-%2526b=-"),
            ("5%25203.0.113.9 %%203.0.113.9 %203.0.113.9", "5%25- %%20- %20-"),
            ("..203.0.113.23.. ip::ffff:203.0.113.18", "..-.. ip::ffff:-"),
            ("2001:db8::27: 2001:db8::28.", "-: -."),
        ] {
            assert_eq!(text(line, Drop), masked, "{line}");
        }
        let same = "Foo::add mod_a::b at T08:00:00Z (v1.2.3.4) 1.2.3.4.5 fe::x";
        assert_eq!(text(same, Drop), same);
    }

    #[test]
    fn partial_address_at_the_end_is_removed() {
        assert_eq!(mask_truncated_text(b"ip: 203.0.113", Drop).unwrap(), b"ip: ");
        assert_eq!(mask_truncated_text(b"203.0.113.9 203.0.1", Drop).unwrap(), b"- ");
        assert_eq!(mask_truncated_text(b"ip: 203\\u002e0.1", Drop).unwrap(), b"ip: ");
        assert_eq!(mask_truncated_text(b"ip=2001%3Adb8%3A1%3A2", Drop).unwrap(), b"ip=");
        assert_eq!(mask_truncated_text(b"ip: 203.0.113", Keep), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_masked_without_panic(raw: Vec<u8>, string: String) {
            let _ = (mask_text(&raw, Drop), mask_truncated_text(&raw, Drop), mask_json(&string, Truncate));
        }

        #[test]
        fn masked_object_stays_valid(keys: Vec<String>, ip: std::net::Ipv4Addr) {
            let object = keys.into_iter().map(|k| (k, ip.to_string().into())).collect::<serde_json::Map<_, _>>();
            let text = serde_json::Value::Object(object).to_string();
            for policy in [Truncate, Drop] {
                let masked = mask_json(&text, policy).unwrap_or(text.clone());
                assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok());
            }
        }
    }
}
