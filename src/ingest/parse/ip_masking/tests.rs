use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use proptest::prelude::*;
use regex::Regex;

use super::*;
use IpPolicy::{Drop, Keep, Truncate};

fn text(text: &str, policy: IpPolicy) -> String {
    let masked = mask_text(text.as_bytes(), policy).unwrap_or_else(|| text.as_bytes().to_vec());
    String::from_utf8(masked).unwrap()
}

#[test]
fn addresses_in_json_are_masked_at_any_depth() {
    let extra = r#"{"ip":"203.0.113.9","a":[{"forwarded_for" : "203.0.113.9, 2001:db8:1:2::3"}],"v":"x 203.0.113.9","n":1.25}"#;
    assert_eq!(
        mask_json(extra, Truncate).unwrap(),
        r#"{"ip":"203.0.113.0","a":[{"forwarded_for" : "203.0.113.0, 2001:db8:1::"}],"v":"x 203.0.113.0","n":1.25}"#
    );
    assert_eq!(
        mask_json(extra, Drop).unwrap(),
        r#"{"ip":null,"a":[{"forwarded_for" : null}],"v":"x -","n":1.25}"#
    );
    assert_eq!(mask_json(extra, Keep), None);
    assert_eq!(mask_json(r#"{"203.0.113.9":"203\u002e0.113.9"}"#, Drop).unwrap(), r#"{"":null}"#);
    assert_eq!(mask_json(r#"{"x":"unknown, 203.0.113.9"}"#, Drop).unwrap(), r#"{"x":"unknown, -"}"#);
    assert_eq!(mask_json(r#"{"of 203.0.113.9":1}"#, Drop).unwrap(), r#"{"of -":1}"#);
}

#[test]
fn every_notation_is_masked() {
    for (string, truncated) in [
        ("(203.0.113.7)", "(203.0.113.0)"),
        ("<203.0.113.7>", "<203.0.113.0>"),
        ("203.0.113.7.", "203.0.113.0."),
        ("203.0.113.7|x", "203.0.113.0|x"),
        ("tcp://203.0.113.7:80", "tcp://203.0.113.0:80"),
        ("http://203.0.113.7/", "http://203.0.113.0/"),
        ("203.0.113.7-203.0.113.9", "203.0.113.0-203.0.113.0"),
        ("v203.0.113.7", "v203.0.113.0"),
        ("203.0.113.7;203.0.113.8,203.0.113.9", "203.0.113.0;203.0.113.0,203.0.113.0"),
        (r#"\"203.0.113.7\""#, r#"\"203.0.113.0\""#),
        ("for=203.0.113.7;proto=http", "for=203.0.113.0;proto=http"),
        (r#"for=unknown; by=\"[2001:db8:1:2::3]:443\""#, r#"for=unknown; by=\"[2001:db8:1::]:443\""#),
        ("203.0.113.7/32", "203.0.113.0/32"),
        ("203.000.113.007", "203.0.113.0"),
        // tcpdump writes the port after a dot.
        ("203.0.113.7.51234", "203.0.113.0.51234"),
        ("198.51.100.7.80", "198.51.100.0"),
        ("Call me at 203.0.113.7", "Call me at 203.0.113.0"),
        ("https://x.example/?ip=203.0.113.7&a", "https://x.example/?ip=203.0.113.0&a"),
        ("ip2:203.0.113.7_x", "ip2:203.0.113.0_x"),
        ("::ffff:203.0.113.7", "203.0.113.0"),
        ("ip::ffff:203.0.113.7.", "ip203.0.113.0."),
        ("64:ff9b::203.0.113.7", "64:ff9b::"),
        ("203.0.113.7:2001:db8:1:2::3", "203.0.113.0:2001:db8:1::"),
        ("fe80::73%en0", "fe80::%en0"),
        ("[fe80::73%25en0]", "[fe80::%25en0]"),
        ("ip=2001:db8:1:2:3:4:5:6", "ip=2001:db8:1::"),
        ("2001:db8:1:2:3:4:5:6:443", "2001:db8:1:::443"),
        ("add2001:db8:1::9/64", "add2001:db8:1::/64"),
        ("at 12:30:45:2001:db8:1:2:3:4:5:6", "at -"),
        (r#"{\"a\":[\"[\\\"203.0.113.76\\\"]\"]}"#, r#"{\"a\":[\"[\\\"203.0.113.0\\\"]\"]}"#),
        (r#"[\"203\\u002e0\\u002e113\\u002e78\"]"#, r#"[\"203.0.113.0\"]"#),
        (r"203\\\\u002e0\\\\u002e113\\\\u002e79", "203.0.113.0"),
        (r"\b203.0.113.7\f2001:db8:1:2::3", r"\b203.0.113.0\f2001:db8:1::"),
        ("?a=203%2e0%2E113%2e7%20b", "?a=203.0.113.0%20b"),
    ] {
        let text = format!(r#"{{"a":"{string}"}}"#);
        assert_eq!(mask_json(&text, Truncate).unwrap(), format!(r#"{{"a":"{truncated}"}}"#), "{string}");
    }
}

#[test]
fn text_without_addresses_is_unchanged() {
    for extra in [
        "{}",
        r#"{"a":"2026-11-09T08:00:00Z","b":"1.2.3","c":"https://x.example/?v=1.2.3","d":1.25,"e":":","f":"::x","g":"12:30"}"#,
        r#"{"a":"Mozilla/5.0 Chrome/130.0.0.0 Safari/537.36","b":"Edg/120.0.2210.91","c":"Instagram 312.0.0.34.111"}"#,
        r#"{"a":"unclosed"#,
        r#"{"a":"256.1.1.1 1.2.3.1000 1234.5.6.7"}"#,
    ] {
        assert_eq!(mask_json(extra, Drop), None, "{extra}");
    }
    let same = "Foo::add mod_a::b std::vector :: at T08:00:00Z 130.0.2849.68 1.2.3 fe::x category::12 \
                a1:b2:c3:d4:e5:f6 16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48 deadbeef";
    assert_eq!(text(same, Drop), same);
}

#[test]
fn truncated_address_is_unchanged_by_truncation() {
    assert_eq!(mask_json(r#"{"a":"203.0.113.0, 2001:db8:1::"}"#, Truncate), None);
    assert_eq!(mask_json(r#"{"a":"203.0.113.0, 2001:db8:1::"}"#, Drop).unwrap(), r#"{"a":null}"#);
}

#[test]
fn addresses_in_broken_text_are_masked() {
    for (line, masked) in [
        ("{\"ip\":\"203.0.113.9\", broken", "{\"ip\":\"-\", broken"),
        ("203.0.113.9:8080 - [2001:db8::1]:443.", "-:8080 - [-]:443."),
        (r#"{"a":"203\u002e0.113.9",,}"#, r#"{"a":"-",,}"#),
        (r#"{"a":"203\u002e0.113.9","b":"x"#, r#"{"a":"-","b":"x"#),
        (r#"" {"a":"203\u002e0.113\u002E9"}"#, r#"" {"a":"-"}"#),
        (r#"{"a":"line\n203.0.113.9\u000a203.0.113.8",,"#, r#"{"a":"line\n-\u000a-",,"#),
        (r"nginx \x22203\x2e0.113.9\x22", r"nginx \x22-\x22"),
        ("v203.0.113.7", "v-"),
    ] {
        assert_eq!(text(line, Drop), masked, "{line}");
    }
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
        ("5%25203.0.113.9 %%203.0.113.9 %203.0.113.9", "5%25- %%- %-"),
        ("5%10.0.0.1 %2010.0.0.1", "5%- %20-"),
        ("..203.0.113.23.. ip::ffff:203.0.113.18", "..-.. ip-"),
        ("2001:db8::27: 2001:db8::28.", "-: -."),
        ("1.2.3.4.5 (v1.2.3.4)", "- (v-)"),
    ] {
        assert_eq!(text(line, Drop), masked, "{line}");
    }
}

#[test]
fn partial_address_at_the_end_is_removed() {
    assert_eq!(mask_truncated_text(b"ip: 203.0.113", Drop).unwrap(), b"ip: ");
    assert_eq!(mask_truncated_text(b"203.0.113.9 203.0.1", Drop).unwrap(), b"- ");
    assert_eq!(mask_truncated_text(b"ip: 203\\u002e0.1", Drop).unwrap(), b"ip: ");
    assert_eq!(mask_truncated_text(b"max: 203\\x2e0", Drop).unwrap(), b"max: ");
    assert_eq!(mask_truncated_text(b"203.0.113.9 xx", Drop).unwrap(), b"- xx");
    assert_eq!(mask_truncated_text(b"ip=2001%3Adb8%3A1%3A2", Drop).unwrap(), b"ip=");
    assert_eq!(mask_truncated_text(b"ip: 203.0.113", Keep), None);
}

#[test]
fn path_without_digits_is_unchanged() {
    for same in [
        "std::add mod_a::b _a::b_ Foo::add facade::bead bead::facade crate::de::Deserialize",
        "Bar::bad::bed a::before code::after _fbca::bdda_ xfade::a coffee::bad rssfeed::add",
        "category::12 x::1 ::1y fe::x",
    ] {
        assert_eq!(text(same, Drop), same);
    }
    for (line, masked) in [
        // The whole word is an IPv6 address.
        ("a::b (abcd::ef) ip:fbca::bdda", "- (-) ip:-"),
        // Hosts have addresses in fc00::/7 and fe80::/10.
        ("_fdca::bdda_ xfcab::a febc::dx xfeca::a", "_-_ x- -x xfeca::a"),
        ("::fdca::bdda", "-"),
        ("ip:afcaa::a:x add:afcaa::a", "ip:a-:x -"),
        ("_fbca::bdd1_ vec3::add", "_-_ v-"),
        ("a:b:c:d:e:f:a:b:c:d:e", "-"),
    ] {
        assert_eq!(text(line, Drop), masked, "{line}");
    }
}

#[test]
fn literal_backslash_does_not_hide_an_address() {
    for (line, masked) in [
        (r"C:\x10.0.0.1", r"C:\x-"),
        (r"\u04AB:0123:4567:89AB:CDEF:0123:4567:89AB", r"\u-"),
        // A web server escapes a space and a quotation mark.
        (r"\x2010.0.0.1 \x22203.0.113.9\x22", r"\x20- \x22-\x22"),
    ] {
        assert_eq!(text(line, Drop), masked, "{line}");
    }
}

/// Returns the IP addresses that a plain search finds: every substring of characters of IP
/// addresses that the standard library parses, that has at least two groups, and that is not part
/// of a path (`std::add`).
fn addresses_in(text: &str) -> Vec<IpAddr> {
    static V4: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d{1,3}(?:\.\d{1,3}){3}").unwrap());
    static V6: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[0-9A-Fa-f:.]{2,}").unwrap());
    let mut found: Vec<IpAddr> = V4.find_iter(text).filter_map(|m| m.as_str().parse().ok()).collect();
    for (at, run) in V6.find_iter(text).map(|m| (m.start(), m.as_str())) {
        for start in 0..run.len() {
            for end in start + 2..=run.len() {
                let groups = run[start..end].split(':').filter(|group| !group.is_empty()).count();
                let Some(ip) = run[start..end].parse::<Ipv6Addr>().ok().filter(|_| groups > 1) else {
                    continue;
                };
                if !in_path(text, at + start, at + end, ip) {
                    found.push(IpAddr::V6(ip));
                }
            }
        }
    }
    found
}

/// Returns whether an IPv6 address without digits and outside the ranges of hosts is part of a
/// longer word or path.
fn in_path(text: &str, start: usize, end: usize, ip: Ipv6Addr) -> bool {
    let (before, after) = (&text[..start], &text[end..]);
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let longer = is_word(before.chars().next_back())
        || is_word(after.chars().next())
        || before.ends_with("::")
        || after.starts_with("::");
    let of_host = ip.is_unique_local() || ip.is_unicast_link_local();
    longer && !of_host && !text[start..end].contains(|c: char| c.is_ascii_digit())
}

/// Generates an IP address in various notations and surroundings. No surroundings add digits, which
/// would change the IP address.
fn notation() -> impl Strategy<Value = String> {
    // `Chrome/120.0.0.0` is a version.
    let host = |ip: &Ipv4Addr| !matches!(ip.octets(), [_, 0, 0, 0]);
    let v4 = any::<Ipv4Addr>().prop_filter("a version", host).prop_map(|ip| ip.to_string());
    let v6 = any::<Ipv6Addr>().prop_map(|ip| ip.to_string());
    let groups = any::<[u16; 8]>();
    let written_out = groups.prop_map(|g| g.map(|group| format!("{group:04X}")).join(":"));
    let short = any::<[u16; 2]>().prop_map(|[a, b]| format!("{:x}::{:x}", a | 0x1000, b | 0x10));
    let letters = "[a-f]{1,6}::[a-f]{1,6}";
    let mapped = any::<Ipv4Addr>().prop_map(|ip| format!("::ffff:{ip}"));
    let nat64 = any::<Ipv4Addr>().prop_map(|ip| format!("64:ff9b::{ip}"));
    let ip = prop_oneof![v4, v6, written_out, short, letters, mapped, nat64];
    let form = prop::sample::select(vec![
        "@",
        "(@)",
        "<@>",
        "[@]",
        "\"@\"",
        "'@'",
        "[@]:443",
        "@:443",
        "@/32",
        "@%eth0",
        "tcp://@:80",
        "http://@/",
        "http://[@]/x",
        "v@",
        "@|x",
        "|@|",
        "@,@",
        "@;@",
        "@-@",
        "@.",
        "ip=@",
        "ip:@",
        "for=@;by=@",
        "_@_",
        "#@",
    ]);
    (ip, form).prop_map(|(ip, form)| form.replace('@', &ip))
}

#[test]
fn escapes_of_json_are_not_addresses() {
    for text in [
        r#"{"t":"\u540d::about"}"#,
        r#"{"v":"Pr\u00e9.1.2.3"}"#,
        r#"{"t":"\f::about"}"#,
        r#"{"t":"{\"a\":\"\\u540d::about\"}"}"#,
        r#"{"t":"{\"a\":\"\\b::\\u00e9\"}"}"#,
    ] {
        for policy in [Truncate, Drop] {
            assert_eq!(mask_json(text, policy), None, "{text}");
        }
    }
    // The address after the escape, and the one after a literal backslash.
    assert_eq!(mask_json(r#"{"t":"\u540d 10.0.0.1"}"#, Drop).unwrap(), r#"{"t":"\u540d -"}"#);
    assert_eq!(mask_json(r#"{"t":"C:\\x10.0.0.1"}"#, Drop).unwrap(), r#"{"t":"C:\\x-"}"#);
}

proptest! {
    #[test]
    fn no_address_is_left_in_any_surroundings(
        before in "[ -/:-@G-Z\\[-`g-z{-~é]{0,12}", ip in notation(), after in "[ -/:-@G-Z\\[-`g-z{-~é]{0,12}"
    ) {
        let line = format!("{before}{ip}{after}");
        let masked = text(&line, Drop);
        prop_assert!(addresses_in(&masked).is_empty(), "{line:?} → {masked:?}");
        // Masking also finds it in a string of a JSON object, and in a JSON string inside a JSON
        // string.
        let mut json = serde_json::json!({ "a": line, "b": serde_json::json!({ "c": line }).to_string() }).to_string();
        json = mask_json(&json, Drop).unwrap_or(json);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        for member in ["a", "b"] {
            let left = read[member].as_str().unwrap_or("");
            prop_assert!(addresses_in(left).is_empty(), "{line:?} → {json}");
        }
    }

    #[test]
    fn truncation_keeps_only_the_network(before in "[ -$&-,/;-@G-Z_g-z]{0,8}", ip: Ipv4Addr, after in "[ -,/;-@G-Z_g-z]{0,8}") {
        let masked = text(&format!("{before}{ip}{after}"), Truncate);
        let [a, b, c, _] = ip.octets();
        prop_assert_eq!(masked, format!("{before}{a}.{b}.{c}.0{after}"));
    }

    #[test]
    fn any_bytes_are_masked_without_panic(raw: Vec<u8>, string: String, run in "[0-9a-f:.%\\\\ux]{0,60}") {
        let _ = (mask_text(&raw, Drop), mask_truncated_text(&raw, Drop), mask_json(&string, Truncate));
        let _ = (mask_text(run.as_bytes(), Drop), mask_text(run.as_bytes(), Truncate));
    }

    #[test]
    fn masked_object_with_escapes_stays_valid(
        value in "[0-9a-f:.\u{e9}\u{540d}\u{8}\u{c}\n\\\\x]{0,40}",
        nested: bool,
    ) {
        // As PHP and Python write JSON: only ASCII, optionally as a text inside JSON.
        let ascii = |text: &str| -> String {
            let escaped = serde_json::Value::from(text).to_string();
            let escape = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", c as u32) };
            escaped.chars().map(escape).collect()
        };
        let inner = format!("{{\"k\":{}}}", ascii(&value));
        let text = if nested { format!("{{\"k\":{}}}", ascii(&inner)) } else { inner };
        for policy in [Truncate, Drop] {
            let masked = mask_json(&text, policy).unwrap_or(text.clone());
            let parsed = serde_json::from_str::<serde_json::Value>(&masked);
            prop_assert!(parsed.is_ok(), "{text} → {masked}");
            if nested && let Some(inner) = parsed.unwrap()["k"].as_str() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(inner).is_ok(), "{text} → {masked}");
            }
        }
    }

    #[test]
    fn masked_object_stays_valid(keys: Vec<String>, value in "[0-9a-f:.%\\\\\"\nux ]{0,40}", ip: IpAddr) {
        let value = format!("{value}{ip}");
        let object = keys.into_iter().map(|k| (k, value.clone().into())).collect::<serde_json::Map<_, _>>();
        let text = serde_json::Value::Object(object).to_string();
        for policy in [Truncate, Drop] {
            let masked = mask_json(&text, policy).unwrap_or(text.clone());
            prop_assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok(), "{text} → {masked}");
        }
    }
}
