//! Finds the IP addresses in a run of hexadecimal digits, dots and colons.
//!
//! The run can contain more than an IP address: a port (`203.0.113.9:443`), a word that ends in
//! hexadecimal digits (`add:2001:db8::1`), a time, or the period of a sentence. If it is unclear
//! which groups form the IP address, the result covers all groups.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Offset of its first byte.
    pub(super) start: usize,
    /// Offset after its last byte.
    pub(super) end: usize,
    /// The IP address; `None` if there are more groups than an IP address has.
    pub(super) ip: Option<IpAddr>,
}

/// The bytes next to a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    /// The byte before the run.
    pub(super) before: Option<u8>,
    /// The byte before `before`.
    pub(super) second_before: Option<u8>,
    /// The byte after the run.
    pub(super) after: Option<u8>,
}

/// Returns whether a byte can be part of an IP address.
#[inline]
pub(super) fn is_address_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'.' || byte == b':'
}

/// Calls a function with each IP address in a run, in order.
pub(super) fn find(run: &[u8], around: Surroundings, each: impl FnMut(Address)) {
    let Ok(run) = std::str::from_utf8(run) else { return };
    let mut found = find_v4(run);
    if around.before == Some(b'/') && around.second_before.is_some_and(|b| b.is_ascii_alphabetic()) {
        // `Chrome/120.0.0.0` in a user agent is the version of a browser, not an IP address.
        found.retain(|address| address.start > 0 || !is_product_version(address.ip));
    }
    if memchr::memchr(b':', run.as_bytes()).is_some() {
        find_v6(run, around, &mut found);
    }
    found.into_iter().for_each(each);
}

fn is_product_version(ip: Option<IpAddr>) -> bool {
    matches!(ip, Some(IpAddr::V4(ip)) if matches!(ip.octets(), [1..=255, 0, 0, 0]))
}

/// Finds IPv4 addresses: four numbers up to 255, separated by dots, possibly with leading zeros.
///
/// tcpdump writes a port as a fifth number. If five numbers fit, it is unclear which four are the
/// IP address, so the result covers all five.
fn find_v4(run: &str) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    // The last four numbers, and the offset of the first digit of each.
    let (mut octets, mut starts, mut count) = ([0_u8; 4], [0_usize; 4], 0);
    let bytes = run.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut pos = 0;
    while pos < bytes.len() {
        let rest = bytes.get(pos..).unwrap_or(&[]);
        let length = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let Some(octet) = rest.get(..length).and_then(octet) else {
            count = 0;
            pos += length.max(1);
            continue;
        };
        octets = [octets[1], octets[2], octets[3], octet];
        starts = [starts[1], starts[2], starts[3], pos];
        count += 1;
        let end = pos + length;
        let continues = bytes.get(end) == Some(&b'.') && is_digit(end + 1);
        let start = starts[0];
        // This excludes a version such as `312.0.0.34.111`: no host has an IP address that begins
        // with 0.
        let is_longer = continues
            || start.checked_sub(2).is_some_and(|at| is_digit(at) && bytes.get(at + 1) == Some(&b'.'));
        if count >= 4 && !(octets[0] == 0 && is_longer) {
            match found.last_mut() {
                Some(last) if start < last.end => last.end = end,
                _ => found.push(Address { start, end, ip: Some(Ipv4Addr::from(octets).into()) }),
            }
        }
        if !continues {
            count = 0;
        }
        pos = end + 1;
    }
    found
}

/// Parses a number up to 255 of at most three digits.
fn octet(digits: &[u8]) -> Option<u8> {
    if digits.is_empty() || digits.len() > 3 {
        return None;
    }
    let value = digits.iter().fold(0, |value: u16, digit| value * 10 + u16::from(digit - b'0'));
    u8::try_from(value).ok()
}

/// Adds the IPv6 addresses of a run to its IPv4 addresses. An IPv6 address that ends in an IPv4
/// address (`::ffff:203.0.113.9`) replaces it.
fn find_v6(run: &str, around: Surroundings, found: &mut Vec<Address>) {
    let mut all: Vec<Address> = Vec::new();
    let mut v4 = found.iter().copied().peekable();
    let mut pos = 0;
    // Search the parts between dots. An IPv4 address ends the part in which it begins.
    while pos < run.len() {
        let rest = run.get(pos..).unwrap_or("");
        let end = pos + rest.find('.').unwrap_or(rest.len());
        let next_v4 = v4.next_if(|next| next.start < end);
        let (part_end, next) = next_v4.map_or((end, end + 1), |v4| (v4.start, v4.end));
        let tail = next_v4.filter(|v4| run.get(..v4.start).is_some_and(|head| head.ends_with(':')));
        match v6_in(run, pos, part_end, tail, around) {
            Some(v6) => {
                all.push(v6);
                all.extend(next_v4.filter(|v4| v4.start >= v6.end));
            }
            None => all.extend(next_v4),
        }
        pos = next;
    }
    all.extend(v4);
    *found = all;
}

/// Finds an IPv6 address in a part of a run; `tail` is the IPv4 address after its last colon.
fn v6_in(
    run: &str,
    mut from: usize,
    part_end: usize,
    tail: Option<Address>,
    around: Surroundings,
) -> Option<Address> {
    let mut to = tail.map_or(part_end, |tail| tail.end);
    let colons = run.get(from..part_end)?;
    if !colons.contains(':') {
        return None;
    }
    // A single colon at an end is a separator and not part of the IP address.
    if colons.starts_with(':') && !colons.starts_with("::") {
        from += 1;
    }
    if tail.is_none() && colons.ends_with(':') && !colons.ends_with("::") {
        to -= 1;
    }
    let groups = run.get(from..to)?.split(':').filter(|group| !group.is_empty());
    let count = groups.clone().count() + usize::from(tail.is_some());
    let is_compressed = run.get(from..to)?.contains("::");
    if count == 0 || !is_compressed && count < 8 {
        return None;
    }
    let has_digit = run.get(from..to)?.bytes().any(|b| b.is_ascii_digit());
    let is_fingerprint = groups.clone().all(|group| group.len() == 2);
    // A word may end in letters that are hexadecimal digits: `add2001:db8::1`.
    let has_prefix = groups.filter_map(|group| group.get(group.len().checked_sub(4)?..)).any(|group| {
        let first = u16::from_str_radix(group, 16);
        first.is_ok_and(is_assigned)
    });
    let (first, last) = (run.get(from..to)?.find(':')? + from, run.get(from..to)?.rfind(':')? + from);
    let from = if first > from + 4 { first - 4 } else { from };
    let to = if tail.is_none() && to > last + 5 { last + 5 } else { to };
    // The first and the last group can be a word or a port.
    let whole = [(from, to), (from, last), (first + 1, to), (first + 1, last)];
    let parsed = whole.into_iter().find_map(|(start, end)| {
        let ip: Ipv6Addr = run.get(start..end).filter(|text| *text != "::")?.parse().ok()?;
        let address = Address { start, end, ip: Some(ip.into()) };
        (!is_path(run, &address, ip, around)).then_some(address)
    });
    let is_address = count > 1 && (has_digit || has_prefix) || count >= 8;
    parsed.or((is_address && !is_fingerprint).then_some(Address { start: from, end: to, ip: None }))
}

/// Returns whether text that parses as an IPv6 address is part of a path, such as `d::add` in
/// `std::add`.
///
/// This is the case if it belongs to a longer word or path, and if it has only one group
/// (`category::12`), or no digit and no prefix that IP addresses of hosts have.
fn is_path(run: &str, address: &Address, ip: Ipv6Addr, around: Surroundings) -> bool {
    let text = run.get(address.start..address.end).unwrap_or("");
    let (before, after) = (run.get(..address.start).unwrap_or(""), run.get(address.end..).unwrap_or(""));
    let is_word = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_longer = before.ends_with("::")
        || after.starts_with("::")
        || is_word(before.bytes().next_back().or(around.before))
        || is_word(after.bytes().next().or(around.after));
    let has_one_group = text.split([':', '.']).filter(|group| !group.is_empty()).count() == 1;
    let has_no_digit = !text.bytes().any(|b| b.is_ascii_digit());
    is_longer && (has_one_group || has_no_digit && !is_assigned(ip.segments()[0]))
}

/// Returns whether hosts have IPv6 addresses that begin with this group: global unicast, unique
/// local or link-local addresses (RFC 4291, RFC 4193).
fn is_assigned(first: u16) -> bool {
    first & 0xe000 == 0x2000 || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
}
