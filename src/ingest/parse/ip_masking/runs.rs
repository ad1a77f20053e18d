//! Finds runs of the characters that occur in IP addresses, and the IP addresses in these runs.
//!
//! Characters of a run may be escaped: in JSON at any depth (`\u002e`, `\\u002e`), by a web server
//! (`\x2e`), or percent-encoded, twice if a URL is inside another URL (`%253A`).

use memchr::{memchr, memchr2, memchr2_iter};

use super::addresses::{self, Address, Surroundings, is_address_byte};

/// Returns whether characters of the text may be escaped.
pub(super) fn has_escapes(text: &[u8]) -> bool {
    memchr2(b'\\', b'%', text).is_some()
}

/// Calls a function with each IP address in the text, in order. `is_json` is set if the text is
/// that of a JSON string, with its escapes.
pub(super) fn each_address(text: &[u8], is_json: bool, mut each: impl FnMut(Address)) {
    if !has_escapes(text) {
        return in_plain_text(text, each);
    }
    let mut found = Vec::new();
    in_escaped_text(text, true, |address| found.push(address));
    if memchr(b'%', text).is_some() {
        // A percent sign can also be literal: `load 5%10.0.0.1`.
        in_escaped_text(text, false, |address| found.push(address));
        found = merge(found);
    }
    if memchr(b'\\', text).is_some() {
        // A backslash can be literal too: `C:\x10.0.0.1`.
        let mut literal = Vec::new();
        in_plain_text(text, |address| literal.push(address));
        literal.retain(|address| !(overlaps(&found, address) || is_json && starts_in_escape(text, address)));
        found.extend(literal);
        found.sort_unstable_by_key(|address| address.start);
    }
    found.into_iter().for_each(&mut each);
}

/// Returns whether an IP address starts inside an escape of JSON: after an odd number of
/// backslashes, or among the digits of `\\uXXXX` at any depth. Masking would destroy the escape.
/// The letter of `\\b::` counts as an escape at any depth too, since the address `b::` has no host.
fn starts_in_escape(text: &[u8], address: &Address) -> bool {
    let start = address.start;
    let backslashes = |end: usize| {
        let before = text.get(..end).unwrap_or(&[]);
        before.iter().rev().take_while(|byte| **byte == b'\\').count()
    };
    let is_digit_of = |u: usize| {
        text.get(u) == Some(&b'u')
            && backslashes(u) > 0
            && text.get(u + 1..u + 5).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let is_letter = matches!(text.get(start..address.end), Some(b"b::" | b"f::")) && backslashes(start) > 0;
    is_letter
        || backslashes(start) % 2 == 1
        || (1..=4).any(|back| start.checked_sub(back).is_some_and(is_digit_of))
}

/// Returns whether an IP address overlaps one of `found`, which are in order.
fn overlaps(found: &[Address], address: &Address) -> bool {
    let next = found.partition_point(|other| other.end <= address.start);
    found.get(next).is_some_and(|other| other.start < address.end)
}

/// Merges IP addresses that overlap. If two start at the same position, the longer one is kept.
fn merge(mut found: Vec<Address>) -> Vec<Address> {
    found.sort_unstable_by_key(|address| (address.start, std::cmp::Reverse(address.end)));
    let mut merged: Vec<Address> = Vec::with_capacity(found.len());
    for address in found {
        match merged.last_mut() {
            Some(last) if address.start < last.end => {
                if address.end > last.end {
                    *last = Address { end: address.end, ip: None, ..*last };
                }
            }
            _ => merged.push(address),
        }
    }
    merged
}

/// Finds the IP addresses in text without escapes.
///
/// Every IP address has a dot between digits, or a colon next to another colon or to a hexadecimal
/// digit. Text without escapes is therefore searched for dots and colons only.
fn in_plain_text(text: &[u8], mut each: impl FnMut(Address)) {
    let byte = |at: Option<usize>| at.and_then(|at| text.get(at)).copied();
    let is_colon_or_hex = |b: u8| b == b':' || b.is_ascii_hexdigit();
    let mut done = 0;
    for at in memchr2_iter(b'.', b':', text) {
        if at < done {
            continue;
        }
        let (Some(after), before) = (byte(Some(at + 1)), byte(at.checked_sub(1))) else { return };
        let is_candidate = match text.get(at) {
            Some(b'.') => after.is_ascii_digit() && before.is_some_and(|b| b.is_ascii_digit()),
            _ => after == b':' || is_colon_or_hex(after) && before.is_some_and(is_colon_or_hex),
        };
        if !is_candidate {
            continue;
        }
        let back = text.get(done..at).unwrap_or(&[]).iter().rev();
        let start = at - back.take_while(|b| is_address_byte(**b)).count();
        let rest = text.get(at..).unwrap_or(&[]);
        let end = at + rest.iter().position(|b| !is_address_byte(*b)).unwrap_or(rest.len());
        done = end;
        let run = text.get(start..end).unwrap_or(&[]);
        let around = Surroundings {
            before: byte(start.checked_sub(1)),
            second_before: byte(start.checked_sub(2)),
            after: byte(Some(end)),
        };
        addresses::find(run, around, |found| {
            each(Address { start: start + found.start, end: start + found.end, ip: found.ip })
        });
    }
}

/// Finds the IP addresses in text with escapes. Percent-encoding is decoded if `percent` is set.
fn in_escaped_text(text: &[u8], percent: bool, mut each: impl FnMut(Address)) {
    let mut pos = 0;
    // The current run, and the positions of its characters and of the end of the run.
    let (mut run, mut positions) = (Vec::new(), Vec::new());
    // Start of the current word. A word begins after an escape.
    let mut word = 0;
    while pos < text.len() {
        // Most bytes neither belong to a run nor begin an escape.
        let is_other = |b: &&u8| !is_address_byte(**b) && **b != b'\\' && **b != b'%';
        pos += text.get(pos..).unwrap_or(&[]).iter().take_while(is_other).count();
        let start = pos;
        run.clear();
        positions.clear();
        while let (Some(character), length) = address_character(text, pos, percent) {
            run.push(character);
            positions.push(pos);
            pos += length;
        }
        positions.push(pos);
        if run.is_empty() {
            let (_, length) = address_character(text, pos, percent);
            pos += length;
            if length > 1 {
                word = pos;
            }
            continue;
        }
        let mut before = text.get(word..start).unwrap_or(&[]).iter().rev().copied();
        let around = Surroundings {
            before: before.next(),
            second_before: before.next(),
            after: text.get(pos).copied(),
        };
        addresses::find(&run, around, |found| {
            if let (Some(&start), Some(&end)) = (positions.get(found.start), positions.get(found.end)) {
                each(Address { start, end, ip: found.ip });
            }
        });
    }
}

/// Returns the character at a position if it can be part of an IP address, and the number of bytes
/// that it takes.
#[inline]
fn address_character(text: &[u8], pos: usize, percent: bool) -> (Option<u8>, usize) {
    match text.get(pos) {
        None => (None, 1),
        Some(b'%') if percent => percent_encoded(text, pos),
        Some(b'\\') => escaped(text, pos),
        Some(&byte) => (Some(byte).filter(|byte| is_address_byte(*byte)), 1),
    }
}

/// Decodes an escaped character. In a JSON string inside another JSON string, an escape begins with
/// two or more backslashes.
fn escaped(text: &[u8], pos: usize) -> (Option<u8>, usize) {
    let rest = text.get(pos..).unwrap_or(&[]);
    let backslashes = rest.iter().take_while(|b| **b == b'\\').count();
    let code = |digits: usize| hexadecimal(rest.get(backslashes + 1..)?.get(..digits)?);
    let decoded = |digits: usize| match code(digits) {
        Some(code) => (u8::try_from(code).ok().filter(|b| is_address_byte(*b)), backslashes + 1 + digits),
        None => (None, backslashes),
    };
    match rest.get(backslashes) {
        Some(b'u') => decoded(4),
        Some(b'x') => decoded(2),
        // The letter belongs to the escape, although `b` and `f` are hexadecimal digits.
        Some(b'"' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => (None, backslashes + 1),
        _ => (None, backslashes),
    }
}

/// Decodes a percent-encoded character. A URL in the query of another URL is encoded twice:
/// `%253A`.
fn percent_encoded(text: &[u8], pos: usize) -> (Option<u8>, usize) {
    let code =
        |at: usize| text.get(at..at + 2).and_then(hexadecimal).and_then(|code| u8::try_from(code).ok());
    let Some(byte) = code(pos + 1) else { return (None, 1) };
    let mut at = pos + 1;
    while text.get(at..at + 2) == Some(b"25") {
        at += 2;
    }
    match code(at) {
        // Only a colon or a dot is decoded: hexadecimal digits can also follow a literal percent
        // sign, which is encoded as `%25`.
        Some(byte @ (b':' | b'.')) => (Some(byte), at + 2 - pos),
        _ => (Some(byte).filter(|byte| is_address_byte(*byte)), 3),
    }
}

/// Parses hexadecimal digits.
fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}
