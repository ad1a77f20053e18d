//! Guarantee 7, robustness: the properties of the fuzz targets hold for random bytes that resemble
//! valid input in part.

use proptest::prelude::*;

use super::support::fixtures;
#[path = "../properties/mod.rs"]
mod properties;

/// Generates bytes from pieces, and changes a few of the bytes.
fn bytes_from(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
        1 => "\\PC{0,4}".prop_map(String::into_bytes),
    ];
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let changes = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(change, 1..3)];
    (prop::collection::vec(piece, 0..16), changes).prop_map(|(pieces, changes)| {
        let mut bytes = pieces.concat();
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    })
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\n",
    "\r\n",
    " ",
    "\\",
    "null",
    "true",
    "-1.5e3",
    "1e999",
    "0",
    "00",
    "\"\\ud800\"",
    "\"\\u00e9\"",
    "{}",
    "{\"event_name\":\"x\",\"chatbot_id\":\"c\",\"session_id\":1,\"timestamp\":1790000000}",
    "{\"event_name\":\"x\",\"chatbot_id\":\"c\",\"anonymous_id\":\"a\",\"timestamp\":\"2026-11-09T08:00:00Z\",",
    "\"ip\":\"192.0.2.1\",",
    "\"properties\":{\"a\":[1,{}]},",
    "\"other\":\"\u{1f600}\",",
    "\"event_name\":",
    "\"timestamp\":\"soon\"}",
    "\"userMetadata\":{}}",
    "[[[[",
    "]]]]",
];

const EVENTS: &[&str] = &[
    "\n",
    "{}",
    "5",
    "null",
    "\"anonymous_id\":\"a\"",
    "\"userEmail\":\"a@example.org\"",
    "\"ip\":\"192.0.2.1\"",
    "\"events\":[]",
    "\"type\":\"session\"",
    "\"chatbotId\":\"\"",
    "\"timestamp\":\"never\"",
    "\"sent_at\":\"never\"",
    "\"receivedAt\":{}",
    "\"page_url\":\"https://example.com/?utm_source=x\"",
    ",",
    "{\"event_name\":\"x\"}",
    "{\"event_name\":\"x\",\"timestamp\":1790000000}",
    "{\"event_name\":\"x\",\"timestamp\":1790000000,\"chatbot_id\":\"d\",\"other\":[{}]}",
    "{\"type\":\"identify\",\"timestamp\":1790000000}",
    "{\"events\":[{}]}",
];

const TIMES: &[&str] = &[
    "2026-11-09",
    "0000-01-01",
    "9999-12-31",
    "2024-02-29",
    "2100-02-29",
    "T",
    " ",
    "t",
    "08:00:00",
    "23:59:60",
    "23:59:59",
    ".5",
    ".123456789",
    ".",
    "Z",
    "z",
    "+02:00",
    "-0330",
    "+23:59",
    "-",
    "0",
    "99999999999",
    "100000000000",
    "99999999999999",
    "100000000000000",
    "1794211200.25",
    "e3",
    "E-2",
    "-9223372036854775808",
    "9223372036854775807",
];

const URLS: &[&str] = &[
    "https://",
    "http:",
    "//",
    "android-app://",
    "www.",
    "example.com",
    "shop.example.co.uk",
    "[2001:db8::1]",
    "user@",
    ":8080",
    ":",
    "/",
    "\\",
    "?",
    "#",
    "&",
    "&amp;",
    "utm_source=",
    "utm_medium=cpc",
    "UTM_Campaign=a+b",
    "%41",
    "%",
    "%f",
    "%ff",
    "%3D",
    "gclid=1",
    "\n",
    "K\u{f6}ln.de",
    "\u{130}",
    ".",
    " ",
    "=",
];

const MANIFESTS: &[&str] = &[
    "{",
    "}",
    "\"format\":\"wa-store\",",
    "\"version\":1,",
    "\"version\":2,",
    "\"generation\":18446744073709551615,",
    "\"created_at\":0,\"updated_at\":0,",
    "\"timezone\":\"UTC\",",
    "\"session_timeout_us\":1,",
    "\"tables\":{}",
    "\"tables\":{\"events\":[{\"path\":\"../x\",\"day\":\"2026-01-01\",\"rows\":1,\"bytes\":1,\"checksum\":\"\",\
     \"min_time\":0,\"max_time\":0}]}",
    "\"tables\":{\"events\":[{\"day\":\"2026-13-01\"}]}",
    ",\"rejects\":[]",
    ",\"sources\":null",
    ",\"sessions_pruned_through\":\"2026-01-01\"",
    "{\"format\":\"wa-store\",\"version\":1,\"generation\":3,\"created_at\":0,\"updated_at\":0,\"timezone\":\"UTC\",\
     \"session_timeout_us\":1,\"tables\":{}}",
    "\u{0}\u{0}\u{1}",
    "\u{0}7\u{2}",
    "{\"manifest\":",
    ",\"checksum\":\"\"}",
];

const LOGS: &[&str] = &[
    "\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "\t",
    "\u{1e}",
    "null",
    "{\"event\":\"$pageview\",\"distinct_id\":\"a\",\"uuid\":\"u\",\"timestamp\":\"2026-11-09 09:00:00 UTC\",\
     \"properties\":{\"$session_id\":\"s\",\"n\":\"1\"}}",
    "{\"anonymousId\":\"a\",\"messageId\":\"m\",\"type\":\"track\",\"event\":\"x\",\"timestamp\":1790000000,\
     \"context\":{\"page\":{\"url\":\"/\"}}}",
    "{\"log\":\"{\\\"event_name\\\":\\\"x\\\",\\\"session_id\\\":1,\\\"timestamp\\\":1790000000}\\n\",\
     \"stream\":\"stdout\",\"time\":\"2026-11-09T09:00:00Z\"}",
    "{\"remote_addr\":\"192.0.2.1\",\"http_user_agent\":\"M\",\"msec\":\"1790000000.5\",\"request_uri\":\"/a.css\"}",
    "192.0.2.1 - - [09/Nov/2026:10:00:00 +0100] \"GET / HTTP/1.1\" 200 5 \"-\" \"Mozilla\"",
    "2026-11-09T09:00:00.000000000Z stdout P {\"event_name\":",
    "#Fields: date time c-ip cs(User-Agent)\n",
    "event_id,visit_id,event_name\n",
    "H4sIAAAAAAAAA6uuBQBDv6ajAgAAAA==",
];

const MAPS: &[&str] = &[
    "\n",
    "[event]\nevent_name = '/a'\ntimestamp = '/t'\nsession_id = '/s'\n",
    "[event]\n",
    "event_name = [{ if = '/a', value = '=b' }, '{/a}.{^/b}']\n",
    "[properties]\nn = '/n|lower'\n",
    "[names]\n'a*' = 'b_*'\n",
    "[default]\ntimestamp = '/t'\n",
    "unwrap = ['/list/*', '/s|base64|gunzip']\n",
    "join = { by = '/a', until_newline = true }\n",
    "reader = ['csv', 'json']\n",
    "reader = 'text'\npattern = '(?<a>[^ ]*) (?<t>.*)'\n",
    "reader = 'tsv'\ncolumns = 'a t s'\n",
    "detect = ['/a', ['/b = 1', '!/c']]\n",
    "ignore = '/a = x'\n",
    "null = ['?']\n",
    "timezone = 'Europe/Berlin'\nlocal_epoch = true\n",
    "time_format = '%d.%m.%Y %H:%M'\n",
    "page_uri = '/u'\n",
    "= ",
    "'",
    "\x0c",
    "{\"a\":\"x\",\"t\":1790000000,\"s\":1,\"list\":[{\"a\":\"y\"},\"z\"],\"n\":\"-1e5\"}\n",
    "a,t,s\nx,09.11.2026 10:00,\"s\n1\"\n",
    "x\t1790000000\ts\n",
];

#[test]
fn robustness_holds_for_lines_with_repeated_values() {
    properties::lines(b"77\"\"{}0\n0\n5\n77\"\"{}005");
}

#[test]
fn robustness_holds_for_values_after_a_closed_envelope() {
    properties::envelope(b"}null1{}1{\":2d\":9");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: fixtures::cases(2000),
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guarantees/regressions/arbitrary_bytes.txt"),
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn robustness_holds_for_random_lines(bytes in bytes_from(JSON)) {
        properties::lines(&bytes);
    }

    #[test]
    fn robustness_holds_for_random_envelopes(bytes in bytes_from(EVENTS)) {
        properties::envelope(&bytes);
    }

    #[test]
    fn robustness_holds_for_random_times(bytes in bytes_from(TIMES)) {
        properties::timestamp(&bytes);
    }

    #[test]
    fn robustness_holds_for_times_of_five_parts(
        parts in (0..5usize, 5..8usize, 8..11usize, 11..14usize, 14..19usize)
    ) {
        let (date, separator, time, fraction, offset) = parts;
        let text = [date, separator, time, fraction, offset].map(|at| TIMES[at]).concat();
        properties::timestamp(text.as_bytes());
    }

    #[test]
    fn robustness_holds_for_random_urls(bytes in bytes_from(URLS)) {
        properties::url(&bytes);
    }

    #[test]
    fn robustness_holds_for_logs_in_other_formats(selector in 0..128u8, bytes in bytes_from(LOGS)) {
        properties::maps(&[&[selector], &bytes[..]].concat());
    }

    #[test]
    fn robustness_holds_for_random_maps(bytes in bytes_from(MAPS)) {
        properties::maps(&[&[255], &bytes[..]].concat());
    }

    #[test]
    fn robustness_holds_for_random_manifests(bytes in bytes_from(MANIFESTS)) {
        properties::manifest(&bytes);
    }

    #[test]
    fn robustness_holds_for_random_compressed_files(bytes in bytes_from(JSON), magic in 0..5usize) {
        let magics: [&[u8]; 5] = [b"", b"\xef\xbb\xbf", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"];
        properties::packed(&[magics[magic], &bytes].concat());
    }
}
