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
        let close = end_of_string(text, open)?;
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
    let end = text.iter().rposition(|b| !in_address(*b)).map_or(0, |at| at + 1);
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

/// Masks every run of address characters that is an address.
fn tokens(text: &[u8], policy: IpPolicy) -> Option<Vec<u8>> {
    let (mut out, mut copied, mut pos) = (Vec::new(), 0, 0);
    while let Some(start) = text.iter().skip(pos).position(|b| in_address(*b)).map(|at| at + pos) {
        let run = text.get(start..).unwrap_or(&[]);
        let length = run.iter().position(|b| !in_address(*b)).unwrap_or(run.len());
        let end = start + length;
        pos = end;
        let within_word = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if within_word(start.checked_sub(1).and_then(|at| text.get(at))) || within_word(text.get(end)) {
            continue;
        }
        let masked =
            run.get(..length).and_then(|run| std::str::from_utf8(run).ok()).and_then(|r| mask_run(r, policy));
        if let Some(masked) = masked {
            out.extend_from_slice(text.get(copied..start).unwrap_or(&[]));
            out.extend_from_slice(masked.as_bytes());
            copied = end;
        }
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(text.get(copied..).unwrap_or(&[]));
    Some(out)
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
        let same = "12:30:45 std::vector :: v1.2.3.4 130.0.2849.68 1.2.3 deadbeef a1:b2:c3:d4:e5:f6";
        assert_eq!(text(same, Drop), same);
    }

    #[test]
    fn the_end_of_a_cut_text_gives_no_part_of_an_address_away() {
        assert_eq!(cut_bytes(b"ip: 203.0.113", Drop).unwrap(), b"ip: ");
        assert_eq!(cut_bytes(b"203.0.113.9 203.0.1", Drop).unwrap(), b"- ");
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
