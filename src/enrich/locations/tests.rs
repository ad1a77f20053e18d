//! Tests with generated databases, written by a minimal encoder of MaxMind's format (version 2.0).

use super::*;

/// A value of a record.
enum Value {
    Text(&'static str),
    Map(Vec<(&'static str, Value)>),
    Number(u32),
    Short(u16),
    Long(u64),
    EmptyList,
}

use Value::{EmptyList, Long, Map, Number, Short, Text};

/// Appends an encoded value: a control byte with type and size, then the bytes.
fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Text(text) if text.len() < 29 => {
            out.push(0b010_00000 | text.len() as u8);
            out.extend(text.as_bytes());
        }
        Text(text) => {
            out.extend([0b010_00000 | 29, (text.len() - 29) as u8]);
            out.extend(text.as_bytes());
        }
        Number(number) => {
            out.push(0b110_00000 | 4);
            out.extend(number.to_be_bytes());
        }
        Short(number) => {
            out.push(0b101_00000 | 2);
            out.extend(number.to_be_bytes());
        }
        // Types above 7 are stored in a second byte, minus 7.
        Long(number) => {
            out.extend([8, 2]);
            out.extend(number.to_be_bytes());
        }
        EmptyList => out.extend([0, 4]),
        Map(entries) => {
            out.push(0b111_00000 | entries.len() as u8);
            for (key, value) in entries {
                put(&Text(key), out);
                put(value, out);
            }
        }
    }
}

/// Encodes a database of networks of IP `version` 4 or 6 and their records.
///
/// A node of the search tree has two 32-bit pointers. A pointer leads to a node, to "no record"
/// (the number of nodes), or to a record (the number of nodes, plus a separator of 16 bytes, plus
/// the offset of the record).
fn database(version: u16, kind: &'static str, networks: &[(&str, u32, Value)]) -> Vec<u8> {
    let mut nodes: Vec<[Option<usize>; 2]> = vec![[None; 2]];
    let mut leaves: Vec<[Option<usize>; 2]> = vec![[None; 2]];
    let mut data = Vec::new();
    for (address, length, record) in networks {
        let bits = match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(ip) if version == 4 => u128::from(ip.to_bits()) << 96,
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let length = if version == 6 && address.contains('.') { length + 96 } else { *length };
        let at = data.len();
        put(record, &mut data);
        let mut node = 0;
        for depth in 0..length {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == length {
                leaves[node][side] = Some(at);
            } else if let Some(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([None; 2]);
                leaves.push([None; 2]);
                let next = nodes.len() - 1;
                nodes[node][side] = Some(next);
                node = next;
            }
        }
    }
    let mut out = Vec::new();
    for (node, leaf) in nodes.iter().zip(&leaves) {
        for side in 0..2 {
            let pointer = match (leaf[side], node[side]) {
                (Some(at), _) => nodes.len() + 16 + at,
                (None, Some(next)) => next,
                (None, None) => nodes.len(),
            };
            out.extend((pointer as u32).to_be_bytes());
        }
    }
    out.extend([0; 16]);
    out.extend(&data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    put(
        &Map(vec![
            ("binary_format_major_version", Short(2)),
            ("binary_format_minor_version", Short(0)),
            ("build_epoch", Long(1_700_000_000)),
            ("database_type", Text(kind)),
            ("description", Map(vec![("en", Text("a test database"))])),
            ("ip_version", Short(version)),
            ("languages", EmptyList),
            ("node_count", Number(nodes.len() as u32)),
            ("record_size", Short(32)),
        ]),
        &mut out,
    );
    out
}

/// Writes a database that maps 203.0.113.0/24 to Berlin, for tests of several modules.
pub(crate) fn berlin() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    let networks = [("203.0.113.0", 24, nested("DE", "Berlin"))];
    std::fs::write(file.path(), database(4, "City", &networks)).unwrap();
    file
}

fn open(bytes: &[u8]) -> Result<LocationDatabase> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    LocationDatabase::open(file.path())
}

fn nested(code: &'static str, city: &'static str) -> Value {
    Map(vec![
        (
            "city",
            Map(vec![
                ("geoname_id", Number(7)),
                ("names", Map(vec![("de", Text("anders")), ("en", Text(city))])),
            ]),
        ),
        ("country", Map(vec![("iso_code", Text(code))])),
    ])
}

fn location(locations: &LocationDatabase, ip: &str) -> Option<(Option<String>, Option<String>)> {
    locations.find(ip.parse().unwrap()).map(|found| (found.country_code, found.city))
}

fn found(code: &str, city: Option<&str>) -> Option<(Option<String>, Option<String>)> {
    Some((Some(code.to_owned()), city.map(str::to_owned)))
}

#[test]
fn nested_records_are_found_for_ipv4_and_ipv6() {
    let networks = [("203.0.113.0", 24, nested("DE", "Berlin")), ("2001:db8::", 32, nested("FR", "Paris"))];
    let locations = open(&database(6, "GeoLite2-City", &networks)).unwrap();
    assert_eq!(location(&locations, "203.0.113.9"), found("DE", Some("Berlin")));
    assert_eq!(location(&locations, "::ffff:203.0.113.9"), found("DE", Some("Berlin")));
    assert_eq!(location(&locations, "2001:db8::1"), found("FR", Some("Paris")));
    assert_eq!(location(&locations, "198.51.100.1"), None);
}

#[test]
fn flat_records_are_found() {
    let networks = [
        ("203.0.113.0", 24, Map(vec![("country_code", Text("us")), ("city", Text("Boston"))])),
        ("198.51.100.0", 24, Map(vec![("country_code", Text("AT"))])),
        ("192.0.2.0", 24, Map(vec![("country", Text("IT")), ("city", Text("-"))])),
    ];
    let locations = open(&database(4, "city-ipv4", &networks)).unwrap();
    assert_eq!(location(&locations, "203.0.113.9"), found("US", Some("Boston")));
    assert_eq!(location(&locations, "198.51.100.1"), found("AT", None));
    assert_eq!(location(&locations, "192.0.2.1"), found("IT", None));
    assert_eq!(location(&locations, "2001:db8::1"), None, "the database has no such addresses");
}

#[test]
fn private_ip_addresses_have_no_location() {
    let networks = [
        ("10.0.0.0", 8, nested("DE", "Berlin")),
        ("192.168.0.0", 16, nested("DE", "Berlin")),
        ("203.0.113.0", 24, nested("DE", "Berlin")),
    ];
    let locations = open(&database(4, "City", &networks)).unwrap();
    for ip in [
        "10.1.2.3",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "0.0.0.0",
    ] {
        assert_eq!(location(&locations, ip), None, "{ip}");
    }
}

#[test]
fn missing_database_is_an_error() {
    let error = LocationDatabase::open(Path::new("/nowhere/geo.mmdb")).err().unwrap();
    assert!(error.to_string().contains("/nowhere/geo.mmdb"), "{error}");
    assert!(error.is_missing_file());
}

#[test]
fn file_of_another_format_is_an_error() {
    let whole = database(4, "City", &[("203.0.113.0", 24, nested("DE", "Berlin"))]);
    for bytes in [&b""[..], b"hello", &whole[..whole.len() / 2], &whole[..whole.len() - 40]] {
        let error = open(bytes).err().unwrap();
        assert!(error.to_string().contains("is not a location database"), "{error}");
        assert!(error.hint_text().is_some());
    }
}

#[test]
fn database_without_locations_is_an_error() {
    let record = Map(vec![("autonomous_system_number", Number(64496))]);
    let error = open(&database(4, "GeoLite2-ASN", &[("203.0.113.0", 24, record)])).err().unwrap();
    assert!(error.to_string().contains("GeoLite2-ASN"), "{error}");
}

#[test]
fn damaged_database_never_panics() {
    let whole = database(6, "City", &[("203.0.113.0", 24, nested("DE", "Berlin"))]);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        if let Ok(locations) = open(&bytes) {
            location(&locations, "203.0.113.9");
            location(&locations, "2001:db8::1");
        }
    }
}
