//! IP addresses: finds the first IP address of a list, and applies the IP policy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::settings::IpPolicy;

/// Maximum number of bytes that are searched for an IP address.
const MAX_LENGTH: usize = 4096;

/// Returns the first IP address of a list such as `X-Forwarded-For`, which is the visitor's.
///
/// Accepts ports (`1.2.3.4:80`, `[2001:db8::1]:443`), brackets, quotes, zone ids (`fe80::1%eth0`)
/// and `for=` (RFC 7239). Converts an IPv4-mapped IPv6 address to IPv4. Skips entries that are not
/// IP addresses (`unknown`, `-`).
pub fn first_ip_address(text: &str) -> Option<IpAddr> {
    let mut end = text.len().min(MAX_LENGTH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end)?.split([',', ';', ' ', '\t']).find_map(parse_entry)
}

/// Parses one entry of a list.
fn parse_entry(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim().trim_matches('"');
    let entry = match entry.get(..4) {
        Some(word) if word.eq_ignore_ascii_case("for=") => entry.get(4..)?.trim_matches('"'),
        _ => entry,
    };
    let bare = match entry.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        // A single colon precedes a port; an IPv6 address without brackets has no port.
        None if entry.bytes().filter(|b| *b == b':').count() == 1 => entry.split_once(':')?.0,
        None => entry,
    };
    let bare = bare.split('%').next()?;
    Some(bare.parse::<IpAddr>().ok()?.to_canonical())
}

/// Returns the stored form of an IP address: itself, its network (/24 or /48), or `None`.
pub fn apply_ip_policy(policy: IpPolicy, ip: IpAddr) -> Option<String> {
    let stored = match (policy, ip) {
        (IpPolicy::Drop, _) => return None,
        (IpPolicy::Keep, ip) => ip,
        (IpPolicy::Truncate, IpAddr::V4(ip)) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !0xff)),
        (IpPolicy::Truncate, IpAddr::V6(ip)) => match ip.to_ipv4_mapped() {
            Some(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !0xff)),
            None => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !(u128::MAX >> 48))),
        },
    };
    Some(stored.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Option<String> {
        first_ip_address(text).map(|ip| ip.to_string())
    }

    #[test]
    fn first_ip_address_of_a_list_is_returned() {
        assert_eq!(first("1.2.3.4, 5.6.7.8"), Some("1.2.3.4".into()));
        assert_eq!(first("unknown, 5.6.7.8"), Some("5.6.7.8".into()));
        assert_eq!(first(" 1.2.3.4 "), Some("1.2.3.4".into()));
        assert_eq!(first("for=\"[2001:db8::17]:4711\";proto=http, for=1.2.3.4"), Some("2001:db8::17".into()));
    }

    #[test]
    fn ports_brackets_and_zones_are_removed() {
        assert_eq!(first("1.2.3.4:5678"), Some("1.2.3.4".into()));
        assert_eq!(first("[2001:DB8::1]:443"), Some("2001:db8::1".into()));
        assert_eq!(first("2001:db8::1"), Some("2001:db8::1".into()));
        assert_eq!(first("fe80::1%eth0"), Some("fe80::1".into()));
        assert_eq!(first("::ffff:1.2.3.4"), Some("1.2.3.4".into()));
    }

    #[test]
    fn text_without_ip_address_returns_none() {
        for text in
            ["", "-", "unknown", "1.2.3", "1.2.3.4.5", "999.1.1.1", "[::1", "localhost", ":::", "1.2.3.4/24"]
        {
            assert_eq!(first(text), None, "{text}");
        }
    }

    #[test]
    fn truncate_policy_keeps_the_network() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(apply_ip_policy(IpPolicy::Truncate, ip("203.0.113.77")), Some("203.0.113.0".into()));
        assert_eq!(
            apply_ip_policy(IpPolicy::Truncate, ip("2001:db8:abcd:1234:5678::1")),
            Some("2001:db8:abcd::".into())
        );
        assert_eq!(
            apply_ip_policy(IpPolicy::Truncate, ip("::ffff:203.0.113.77")),
            Some("203.0.113.0".into())
        );
        assert_eq!(apply_ip_policy(IpPolicy::Keep, ip("203.0.113.77")), Some("203.0.113.77".into()));
        assert_eq!(apply_ip_policy(IpPolicy::Drop, ip("203.0.113.77")), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_accepted(text in ".*") {
            first_ip_address(&text);
        }

        #[test]
        fn truncation_is_idempotent(bits: u128) {
            let once = apply_ip_policy(IpPolicy::Truncate, IpAddr::V6(Ipv6Addr::from_bits(bits))).unwrap();
            let twice = apply_ip_policy(IpPolicy::Truncate, once.parse().unwrap()).unwrap();
            proptest::prop_assert_eq!(once, twice);
        }
    }
}
