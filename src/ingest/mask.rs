//! Addresses outside of their own column: in objects of JSON and in the text of refused lines.
//!
//! A setting that keeps addresses from being stored would be worth little if they stayed in
//! `extra` or among the rejects.

use std::net::{IpAddr, Ipv4Addr};

use super::json::escapes;
use crate::context::{apply, first_address};
use crate::settings::IpPolicy;

/// Masks the addresses in a text of JSON: every string that is an address, or a list with addresses
/// in it (`203.0.113.9, 10.0.0.1`), at any depth, keys too. A string of which nothing is left
/// becomes null (a key, the empty string). `None` where nothing changes.
pub fn json(text: &str, policy: IpPolicy) -> Option<String> {
    if policy == IpPolicy::Keep {
        return None;
    }
    let (mut out, mut copied, mut pos) = (String::new(), 0, 0);
    while let Some(open) = find(text, pos, b'"') {
        let Some(close) = end_of_string(text, open) else {
            // What is there of it may be an address all the same.
            if let Some(masked) = text.get(open + 1..).and_then(|inner| mask_string(inner, policy)) {
                out.push_str(text.get(copied..=open).unwrap_or(""));
                out.push_str(&masked);
                copied = text.len();
            }
            break;
        };
        let masked = text.get(open + 1..close).and_then(|inner| mask_string(inner, policy));
        if let Some(masked) = masked {
            let after = text.get(close + 1..).unwrap_or("").trim_ascii_start();
            out.push_str(text.get(copied..open).unwrap_or(""));
            match (masked.is_empty(), after.starts_with(':')) {
                (true, false) => out.push_str("null"),
                _ => out.extend(["\"", &masked, "\""]),
            }
            copied = close + 1;
        }
        pos = close + 1;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(text.get(copied..).unwrap_or(""));
    Some(out)
}

/// Masks the addresses in a text of any kind; `-` stands where nothing may be kept. `None` where
/// nothing changes.
pub fn bytes(text: &[u8], policy: IpPolicy) -> Option<Vec<u8>> {
    if policy == IpPolicy::Keep {
        return None;
    }
    // An address can hide behind escapes.
    let unescaped = match text.contains(&b'\\') {
        true => std::str::from_utf8(text).ok().and_then(|text| json(text, policy)).map(String::into_bytes),
        false => None,
    };
    tokens(unescaped.as_deref().unwrap_or(text), policy).or(unescaped)
}

/// Does the same with a text that was cut off, perhaps in the midst of an address.
pub fn cut_bytes(text: &[u8], policy: IpPolicy) -> Option<Vec<u8>> {
    if policy == IpPolicy::Keep {
        return None;
    }
    // Behind escapes, too.
    let end = text.iter().rposition(|b| !in_address(*b) && !b"\\u".contains(b)).map_or(0, |at| at + 1);
    let whole = text.get(..end)?;
    Some(bytes(whole, policy).unwrap_or_else(|| whole.to_vec()))
}

/// Masks the inside of a string of JSON; `None` where there is no address in it.
fn mask_string(inner: &str, policy: IpPolicy) -> Option<String> {
    let mut decoded = String::new();
    let plain = if inner.contains('\\') {
        escapes::decode(inner, &mut decoded);
        decoded.as_str()
    } else {
        inner
    };
    if !plain.contains(['.', ':']) {
        return None;
    }
    let address = |part: &str| {
        let part = part.trim();
        let looks_so = part.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':' || c == '[');
        if looks_so { first_address(part) } else { None }
    };
    if !plain.split(',').any(|part| address(part).is_some()) {
        return None;
    }
    let parts = plain.split(',').filter_map(|part| match address(part) {
        Some(ip) => apply(policy, ip),
        None => Some(part.trim().to_owned()),
    });
    let masked = parts.collect::<Vec<_>>().join(", ");
    let quoted = serde_json::to_string(&masked).ok()?;
    Some(quoted.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

/// Masks every run of address characters, some of them perhaps behind escapes, that is an address.
fn tokens(text: &[u8], policy: IpPolicy) -> Option<Vec<u8>> {
    let (mut out, mut copied, mut pos) = (Vec::new(), 0, 0);
    let mut run = String::new();
    let in_word = |at: usize| text.get(at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let mut after_word = false;
    while pos < text.len() {
        let start = pos;
        run.clear();
        while let (Some(character), length) = character(text, pos) {
            run.push(char::from(character));
            pos += length;
        }
        if run.is_empty() {
            let (_, length) = character(text, pos);
            after_word = length == 1 && in_word(pos);
            pos += length;
        } else if !after_word
            && !in_word(pos)
            && let Some(masked) = mask_run(&run, policy)
        {
            out.extend_from_slice(text.get(copied..start).unwrap_or(&[]));
            out.extend_from_slice(masked.as_bytes());
            copied = pos;
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(text.get(copied..).unwrap_or(&[]));
    Some(out)
}

/// Returns the character at a position, if it can be part of an address, and how many bytes it is written
/// with: escapes are looked through, since the text may be JSON up to where it is broken.
fn character(text: &[u8], pos: usize) -> (Option<u8>, usize) {
    let Some(&first) = text.get(pos) else { return (None, 1) };
    if first != b'\\' {
        return (in_address(first).then_some(first), 1);
    }
    match text.get(pos + 1) {
        Some(b'u') => {
            let digits = text.get(pos + 2..pos + 6).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
            match digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) {
                Some(code) => (u8::try_from(code).ok().filter(|b| in_address(*b)), 6),
                None => (None, 1),
            }
        }
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (None, 2),
        _ => (None, 1),
    }
}

/// Masks a run of hexadecimal digits, points and colons: an address, or some with ports.
fn mask_run(run: &str, policy: IpPolicy) -> Option<String> {
    let mask = |ip: IpAddr| apply(policy, ip).unwrap_or_else(|| "-".to_owned());
    // The address, or the address and what ends the sentence.
    for address in [run, run.trim_end_matches(['.', ':'])] {
        if let Ok(ip) = address.parse::<IpAddr>() {
            let after = run.get(address.len()..).unwrap_or("");
            return (address != "::").then(|| mask(ip) + after);
        }
    }
    let parse = |part: &str| part.trim_matches('.').parse::<Ipv4Addr>().ok();
    run.split(':').any(|part| parse(part).is_some()).then(|| {
        let parts =
            run.split(':').map(|part| parse(part).map_or_else(|| part.to_owned(), |ip| mask(ip.into())));
        parts.collect::<Vec<_>>().join(":")
    })
}

fn in_address(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'.' || byte == b':'
}

fn find(text: &str, from: usize, byte: u8) -> Option<usize> {
    memchr::memchr(byte, text.as_bytes().get(from..)?).map(|at| at + from)
}

/// Returns the position of the quote that ends the string that opens at a position.
fn end_of_string(text: &str, open: usize) -> Option<usize> {
    let mut pos = open + 1;
    loop {
        let rest = text.as_bytes().get(pos..)?;
        let at = pos + memchr::memchr2(b'"', b'\\', rest)?;
        match text.as_bytes().get(at)? {
            b'"' => return Some(at),
            _ => pos = at + 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use IpPolicy::{Drop, Keep, Truncate};

    fn text(text: &str, policy: IpPolicy) -> String {
        let masked = bytes(text.as_bytes(), policy).unwrap_or_else(|| text.as_bytes().to_vec());
        String::from_utf8(masked).unwrap()
    }

    #[test]
    fn strings_that_are_addresses_are_masked_at_any_depth() {
        let extra = r#"{"ip":"203.0.113.9","a":[{"forwarded_for" : "203.0.113.9, 2001:db8:1:2::3"}],"v":"x 203.0.113.9"}"#;
        assert_eq!(
            json(extra, Truncate).unwrap(),
            r#"{"ip":"203.0.113.0","a":[{"forwarded_for" : "203.0.113.0, 2001:db8:1::"}],"v":"x 203.0.113.9"}"#
        );
        assert_eq!(
            json(extra, Drop).unwrap(),
            r#"{"ip":null,"a":[{"forwarded_for" : null}],"v":"x 203.0.113.9"}"#
        );
        assert_eq!(json(extra, Keep), None);
        assert_eq!(json(r#"{"203.0.113.9":"203\u002e0.113.9"}"#, Drop).unwrap(), r#"{"":null}"#);
        assert_eq!(json(r#"{"x":"unknown, 203.0.113.9"}"#, Drop).unwrap(), r#"{"x":"unknown"}"#);
    }

    #[test]
    fn what_is_no_address_stays() {
        for extra in [
            "{}",
            r#"{"a":"2026-11-09T08:00:00Z","b":"1.2.3","c":"\"1.2.3.4","d":1.25,"e":":","f":"::x","g":"12:30"}"#,
            r#"{"a":"unclosed"#,
        ] {
            assert_eq!(json(extra, Drop), None, "{extra}");
        }
    }

    #[test]
    fn addresses_are_masked_wherever_they_stand_in_broken_text() {
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
    fn the_end_of_a_cut_text_gives_no_part_of_an_address_away() {
        assert_eq!(cut_bytes(b"ip: 203.0.113", Drop).unwrap(), b"ip: ");
        assert_eq!(cut_bytes(b"203.0.113.9 203.0.1", Drop).unwrap(), b"- ");
        assert_eq!(cut_bytes(b"ip: 203\\u002e0.1", Drop).unwrap(), b"ip: ");
        assert_eq!(cut_bytes(b"ip: 203.0.113", Keep), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_do_harm(raw: Vec<u8>, string: String) {
            let _ = (bytes(&raw, Drop), cut_bytes(&raw, Drop), json(&string, Truncate));
        }

        #[test]
        fn a_valid_object_stays_one(keys: Vec<String>, ip: std::net::Ipv4Addr) {
            let object = keys.into_iter().map(|k| (k, ip.to_string().into())).collect::<serde_json::Map<_, _>>();
            let text = serde_json::Value::Object(object).to_string();
            for policy in [Truncate, Drop] {
                let masked = json(&text, policy).unwrap_or(text.clone());
                assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok());
            }
        }
    }
}
