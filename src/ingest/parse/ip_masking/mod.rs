//! Masks IP addresses outside the `ip_address` column: in JSON objects and in rejected lines.
//!
//! The setting `privacy.ip` also applies to these IP addresses. [`IpPolicy::Keep`] masks nothing,
//! [`IpPolicy::Truncate`] sets the host part to zero, and [`IpPolicy::Drop`] replaces the IP
//! address with `-`.
//!
//! An IP address is masked at any position, next to any characters. [`runs`] finds the parts of
//! text that consist of the characters of IP addresses, and [`addresses`] finds the IP addresses in
//! these parts.

mod addresses;
mod runs;
#[cfg(test)]
mod tests;

use crate::enrich::apply_ip_policy;
use crate::json::lenient::{self, TokenKind};
use crate::settings::IpPolicy;
use addresses::Address;

/// The text that replaces a dropped IP address.
const DROPPED: &str = "-";

/// Masks the IP addresses in the strings of JSON text, keys included, at any depth; returns `None`
/// if nothing changes.
///
/// A dropped IP address becomes `-`. A string that contains only dropped IP addresses and
/// punctuation becomes null; a key becomes an empty string.
pub fn mask_json(text: &str, policy: IpPolicy) -> Option<String> {
    if policy == IpPolicy::Keep {
        return None;
    }
    // Searching the whole text is faster than searching each string, unless there are escapes.
    let mut addresses = Vec::new();
    let is_plain = !runs::has_escapes(text.as_bytes());
    if is_plain {
        runs::each_address(text.as_bytes(), true, |address| addresses.push(address));
    }
    let mut next = addresses.into_iter().peekable();
    let (mut out, mut copied) = (String::new(), 0);
    for string in lenient::strings(text) {
        if is_plain {
            while next.next_if(|address| address.end <= string.start).is_some() {}
            match next.peek() {
                None => break,
                Some(address) if address.start >= string.end => continue,
                Some(_) => {}
            }
        }
        let Some(masked) = mask(string.text.as_bytes(), true, policy) else { continue };
        out.push_str(text.get(copied..string.start).unwrap_or(""));
        match string.kind {
            TokenKind::String if masked.is_empty => out.push_str("null"),
            TokenKind::Key if masked.is_empty => out.push_str("\"\""),
            TokenKind::UnclosedString => out.extend(["\"", &String::from_utf8_lossy(&masked.text)]),
            _ => out.extend(["\"", &String::from_utf8_lossy(&masked.text), "\""]),
        }
        copied = string.end;
    }
    if copied == 0 {
        return None;
    }
    out.push_str(text.get(copied..).unwrap_or(""));
    Some(out)
}

/// Masks IP addresses in any text; returns `None` if nothing changes. A dropped IP address becomes
/// `-`.
pub fn mask_text(text: &[u8], policy: IpPolicy) -> Option<Vec<u8>> {
    match policy {
        IpPolicy::Keep => None,
        _ => mask(text, false, policy).map(|masked| masked.text),
    }
}

/// Masks IP addresses in text that is truncated, possibly within an IP address; returns `None`
/// under [`IpPolicy::Keep`]. A truncated IP address at the end is removed.
pub fn mask_truncated_text(text: &[u8], policy: IpPolicy) -> Option<Vec<u8>> {
    if policy == IpPolicy::Keep {
        return None;
    }
    let continues = |at: usize, byte: u8| match byte {
        b'x' => at.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'\\'),
        _ => addresses::is_address_byte(byte) || b"\\u%".contains(&byte),
    };
    let bytes = text.iter().enumerate().rev();
    let end = text.len() - bytes.take_while(|(at, byte)| continues(*at, **byte)).count();
    let whole = text.get(..end)?;
    Some(mask_text(whole, policy).unwrap_or_else(|| whole.to_vec()))
}

/// Text whose IP addresses are masked.
struct Masked {
    text: Vec<u8>,
    /// Whether only dropped IP addresses and punctuation remain.
    is_empty: bool,
}

/// Masks the IP addresses in text; returns `None` if nothing changes.
fn mask(text: &[u8], is_json: bool, policy: IpPolicy) -> Option<Masked> {
    let (mut out, mut copied) = (Vec::new(), 0);
    let mut is_empty = true;
    runs::each_address(text, is_json, |Address { start, end, ip }| {
        let replacement = ip.and_then(|ip| apply_ip_policy(policy, ip));
        let replacement = replacement.as_deref().unwrap_or(DROPPED);
        let original = text.get(start..end).unwrap_or(&[]);
        if original == replacement.as_bytes() {
            return;
        }
        let before = text.get(copied..start).unwrap_or(&[]);
        is_empty &= replacement == DROPPED && is_punctuation(before);
        out.extend_from_slice(before);
        out.extend_from_slice(replacement.as_bytes());
        copied = end;
    });
    if copied == 0 {
        return None;
    }
    let rest = text.get(copied..).unwrap_or(&[]);
    out.extend_from_slice(rest);
    Some(Masked { text: out, is_empty: is_empty && is_punctuation(rest) })
}

fn is_punctuation(text: &[u8]) -> bool {
    text.iter().all(|b| b.is_ascii() && !b.is_ascii_alphanumeric())
}
