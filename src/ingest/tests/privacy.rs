//! Storing and masking of IP addresses.

use super::*;

fn with(ip: IpPolicy, members: &str) -> Parsed {
    parse_with(&ParseOptions { ip, ..options() }, event_with(members))
}

#[test]
fn stored_ip_address_follows_the_policy() {
    let stored = |policy, ip: &str| {
        with(policy, &format!("\"ip_address\":\"{ip}\"")).only().text(TextField::IpAddress).map(str::to_owned)
    };
    assert_eq!(stored(IpPolicy::Keep, "198.51.100.7").as_deref(), Some("198.51.100.7"));
    assert_eq!(stored(IpPolicy::Keep, "198.51.100.7, 10.0.0.1").as_deref(), Some("198.51.100.7"));
    assert_eq!(stored(IpPolicy::Keep, "2001:DB8::7").as_deref(), Some("2001:db8::7"));
    assert_eq!(stored(IpPolicy::Truncate, "198.51.100.7").as_deref(), Some("198.51.100.0"));
    assert_eq!(stored(IpPolicy::Truncate, "2001:db8:1:2::7").as_deref(), Some("2001:db8:1::"));
    assert_eq!(stored(IpPolicy::Drop, "198.51.100.7"), None);
}

#[test]
fn location_is_looked_up_unless_the_log_has_one() {
    let database = crate::enrich::berlin();
    let enricher = Enricher::new(Some(database.path())).unwrap();
    let location = |policy, members: &str| {
        let line = event_with(&format!("\"ip\":\"203.0.113.7\"{members}"));
        let parsed = parse(raw(line), &ParseOptions { ip: policy, ..options() }, &enricher);
        let text = |column| parsed.only().text(column).map(str::to_owned);
        (text(TextField::CountryCode), text(TextField::City))
    };
    for policy in [IpPolicy::Keep, IpPolicy::Truncate, IpPolicy::Drop] {
        assert_eq!(location(policy, ""), (Some("DE".into()), Some("Berlin".into())));
    }
    assert_eq!(location(IpPolicy::Keep, r#","country_code":"FR""#), (Some("FR".into()), None));
    assert_eq!(location(IpPolicy::Keep, r#","city":"Lyon""#), (None, Some("Lyon".into())));
}

#[test]
fn invalid_ip_address_is_a_warning() {
    let parsed = with(IpPolicy::Keep, "\"ip\":\"localhost\"");
    assert_eq!(parsed.only().text(TextField::IpAddress), None);
    assert_eq!(parsed.only().text(TextField::Extra), Some("{\"ip\":\"localhost\"}"));
    assert_eq!(parsed.warned(), [("not_an_ip_address".to_owned(), 1)]);
    for value in ["\"198.51.100.x\"", "3325256711"] {
        let parsed = with(IpPolicy::Drop, &format!("\"ip\":{value}"));
        assert_eq!(parsed.only().text(TextField::Extra), None);
        assert_eq!(parsed.warnings.total(), 1);
    }
}

#[test]
fn ip_addresses_in_json_columns_are_masked() {
    let members = r#""ip_address":"198.51.100.7","ip":"198.51.100.8","forwarded":["198.51.100.9, 10.1.2.3"],
        "properties":{"ip":"198.51.100.10"},"user_metadata":{"last":"198.51.100.11"}"#
        .replace('\n', " ");
    let parsed = with(IpPolicy::Drop, &members);
    let event = parsed.only();
    assert_eq!(event.text(TextField::Extra), Some(r#"{"ip":null,"forwarded":[null]}"#));
    assert_eq!(event.text(TextField::Properties), Some(r#"{"ip":null}"#));
    assert_eq!(event.text(TextField::UserMetadata), Some(r#"{"last":null}"#));
    let parsed = with(IpPolicy::Truncate, &members);
    assert_eq!(
        parsed.only().text(TextField::Extra),
        Some(r#"{"ip":"198.51.100.0","forwarded":["198.51.100.0, 10.1.2.0"]}"#)
    );
}

#[test]
fn ip_addresses_in_rejected_lines_are_masked() {
    for ip in [IpPolicy::Drop, IpPolicy::Truncate] {
        let options = ParseOptions { ip, ..options() };
        let text = "{\"ip\":\"198.51.100.7\"}\n{\"ip\":\"198.51.100.7\"\n\"198.51.100.7\"\n\
                    {\"events\":[{\"client_ip\":\"198\\u002e51.100.7\"},\"198.51.100.7\"]}\n\
                    {\"events\":[],\"ip\":\"2001:db8:1:2::7\"}\n";
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend_from_slice(b"\xff 198.51.100.7\n");
        let parsed = parse_with(&options, bytes);
        assert_eq!(parsed.rejected.len(), 7);
        for rejected in &parsed.rejected {
            let raw = String::from_utf8_lossy(&rejected.raw).into_owned();
            assert!(!raw.contains("100.7") && !raw.contains("::7"), "{raw}");
        }
    }
}

#[test]
fn escaped_ip_address_in_broken_json_is_masked() {
    let options = ParseOptions { ip: IpPolicy::Drop, ..options() };
    let parsed = parse_with(&options, "{\"a\":\"203\\u002e0.113.9\",\"b\":\"x\n");
    assert_eq!(*parsed.rejected[0].raw, *b"{\"a\":\"-\",\"b\":\"x");
}

#[test]
fn overlong_line_reveals_no_ip_address() {
    // One IP address in the retained part of the line, one after it.
    let rejected = |ip, address: &str| {
        let line = format!("from {address} {} {address}\n", "x".repeat(1 << 20));
        let mut reader =
            BlockReader::from_source("long", Box::new(std::io::Cursor::new(line.into_bytes()))).unwrap();
        let options = ParseOptions { ip, ..options() };
        let mut parsed =
            parse(reader.next_block().unwrap().unwrap(), &options, &Enricher::new(None).unwrap());
        let one = parsed.rejected.remove(0);
        assert!(parsed.rejected.is_empty());
        one
    };
    // The keyed hash covers the original line; without the secret key it reveals nothing.
    let unkeyed = |ip, address: &str| RejectedLine { keyed_hash: None, ..rejected(ip, address) };
    let one = rejected(IpPolicy::Drop, "203.0.113.9");
    assert_eq!((one.reason, one.length), (RejectReason::LineTooLong, 5 + 11 + 1 + (1 << 20) + 1 + 11));
    assert!(one.raw.starts_with(b"from - xxx"));
    assert_eq!(unkeyed(IpPolicy::Drop, "203.0.113.9"), unkeyed(IpPolicy::Drop, "203.0.113.8"));
    assert_ne!(one.sha256, rejected(IpPolicy::Keep, "203.0.113.9").sha256);
    assert_ne!(
        rejected(IpPolicy::Keep, "203.0.113.8").sha256,
        rejected(IpPolicy::Keep, "203.0.113.9").sha256
    );
    assert_eq!(unkeyed(IpPolicy::Truncate, "203.0.113.8"), unkeyed(IpPolicy::Truncate, "203.0.113.9"));
    assert_eq!(one.keyed_hash, rejected(IpPolicy::Keep, "203.0.113.9").keyed_hash);
}
