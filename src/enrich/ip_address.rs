//! Addresses: the first of a list, and what a store keeps of it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::settings::IpPolicy;

/// The longest text in which an address is looked for, in bytes.
const LONGEST: usize = 4096;

/// Returns the first address of a list such as a proxy's `X-Forwarded-For`.
///
/// The visitor's own stands first. Understood are ports (`1.2.3.4:80`, `[2001:db8::1]:443`), brackets,
/// quotes, zone ids (`fe80::1%eth0`) and `for=` of RFC 7239; an IPv4 address that is mapped into
/// IPv6 is the IPv4 address. Entries that are no address (`unknown`, `-`) are passed over.
pub fn first_address(text: &str) -> Option<IpAddr> {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end)?.split([',', ';', ' ', '\t']).find_map(address)
}

/// Reads one entry of a list.
fn address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim().trim_matches('"');
    let entry = match entry.get(..4) {
        Some(word) if word.eq_ignore_ascii_case("for=") => entry.get(4..)?.trim_matches('"'),
        _ => entry,
    };
    let bare = match entry.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        // One colon: a port follows. More: an IPv6 address without a port.
        None if entry.bytes().filter(|b| *b == b':').count() == 1 => entry.split_once(':')?.0,
        None => entry,
    };
    let bare = bare.split('%').next()?;
    Some(bare.parse::<IpAddr>().ok()?.to_canonical())
}

/// Returns what is stored of an address: itself, its network (/24 or /48), or nothing.
pub fn apply(policy: IpPolicy, ip: IpAddr) -> Option<String> {
    let kept = match (policy, ip) {
        (IpPolicy::Drop, _) => return None,
        (IpPolicy::Keep, ip) => ip,
        (IpPolicy::Truncate, IpAddr::V4(ip)) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !0xff)),
        (IpPolicy::Truncate, IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !0xff)),
            None => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !(u128::MAX >> 48))),
        },
    };
    Some(kept.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Option<String> {
        first_address(text).map(|ip| ip.to_string())
    }

    #[test]
    fn the_first_address_of_a_list_is_the_visitors() {
        assert_eq!(first("1.2.3.4, 5.6.7.8"), Some("1.2.3.4".into()));
        assert_eq!(first("unknown, 5.6.7.8"), Some("5.6.7.8".into()));
        assert_eq!(first(" 1.2.3.4 "), Some("1.2.3.4".into()));
        assert_eq!(first("for=\"[2001:db8::17]:4711\";proto=http, for=1.2.3.4"), Some("2001:db8::17".into()));
    }

    #[test]
    fn ports_brackets_and_zones_are_left_out() {
        assert_eq!(first("1.2.3.4:5678"), Some("1.2.3.4".into()));
        assert_eq!(first("[2001:DB8::1]:443"), Some("2001:db8::1".into()));
        assert_eq!(first("2001:db8::1"), Some("2001:db8::1".into()));
        assert_eq!(first("fe80::1%eth0"), Some("fe80::1".into()));
        assert_eq!(first("::ffff:1.2.3.4"), Some("1.2.3.4".into()));
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in
            ["", "-", "unknown", "1.2.3", "1.2.3.4.5", "999.1.1.1", "[::1", "localhost", ":::", "1.2.3.4/24"]
        {
            assert_eq!(first(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_is_truncated_to_its_network() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(apply(IpPolicy::Truncate, ip("203.0.113.77")), Some("203.0.113.0".into()));
        assert_eq!(
            apply(IpPolicy::Truncate, ip("2001:db8:abcd:1234:5678::1")),
            Some("2001:db8:abcd::".into())
        );
        assert_eq!(apply(IpPolicy::Truncate, ip("::ffff:203.0.113.77")), Some("203.0.113.0".into()));
        assert_eq!(apply(IpPolicy::Keep, ip("203.0.113.77")), Some("203.0.113.77".into()));
        assert_eq!(apply(IpPolicy::Drop, ip("203.0.113.77")), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in ".*") {
            first_address(&text);
        }

        #[test]
        fn truncating_twice_is_truncating_once(bits: u128) {
            let once = apply(IpPolicy::Truncate, IpAddr::V6(Ipv6Addr::from_bits(bits))).unwrap();
            let twice = apply(IpPolicy::Truncate, once.parse().unwrap()).unwrap();
            proptest::prop_assert_eq!(once, twice);
        }
    }
}
