//! Checks of properties that hold for arbitrary bytes, one function per property.
//!
//! The fuzz targets in `fuzz/` search for counterexamples, and `tests/guarantees` tests each
//! property with random bytes. A function panics if its property is violated. Expected results come
//! from other parsers (serde_json, chrono, flate2), or from the construction of the bytes.

use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use std::sync::{Arc, OnceLock};

use serde::de::IgnoredAny;
use wa::enrich::{Enricher, SourceFields};
use wa::event::TextField;
use wa::ingest::timestamp::{from_number, from_text};
use wa::ingest::{
    BlockReader, Map, ParseOptions, Parsed, RawBlock, RejectReason, SharedMap, built_in_maps, parse,
    parse_input,
};
use wa::settings::IpPolicy;
use wa::store::manifest::{Manifest, checksum};

/// Returns a shared enricher, because compiling its rules is slow.
fn enricher() -> &'static Enricher {
    static ENRICHER: OnceLock<Enricher> = OnceLock::new();
    ENRICHER.get_or_init(|| Enricher::new(None).unwrap())
}

fn options() -> ParseOptions {
    let (now, ip) = (1_794_276_000_000_000, IpPolicy::Keep);
    // 2026-11-10T02:00:00Z.
    ParseOptions { timezone: None, chatbot: None, now, ip, visitor_key: [7; 32] }
}

/// Parses lines, and checks the counts and the JSON columns.
fn parse_checked(bytes: Vec<u8>, ip: IpPolicy) -> Parsed {
    let options = ParseOptions { ip, ..options() };
    let raw = RawBlock { end: bytes.len() as u64, bytes, first_line: 1, ..RawBlock::default() };
    let parsed = parse(raw, &options, enricher());
    assert!(parsed.unfinished.is_none(), "a stream has no unfinished line");
    assert_eq!(parsed.ignored, 0, "a native line is never ignored");
    check_parsed(&parsed);
    parsed
}

/// Checks the counts and the JSON columns.
fn check_parsed(parsed: &Parsed) {
    let rejected: u64 = parsed.rejected.iter().map(|rejected| rejected.count).sum();
    let outcomes = parsed.block.rows.len() as u64 + rejected + parsed.ignored;
    assert_eq!(parsed.read, outcomes + u64::from(parsed.unfinished.is_some()), "events read");
    for row in &parsed.block.rows {
        let event = parsed.block.event(row);
        assert!(!event.chatbot_id().is_empty() && event.text(TextField::EventName).is_some());
        for column in [TextField::Extra, TextField::Properties, TextField::UserMetadata] {
            if let Some(json) = event.text(column) {
                assert!(is_json(json), "{column:?} contains {json:?}");
                assert!(json.starts_with('{'), "{column:?} contains {json:?}");
            }
        }
    }
}

/// Returns whether a string is JSON, of any depth and with any numbers.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// Returns whether a string is a sequence of JSON values, which may begin with U+001E (RFC 7464).
fn are_values(text: &str) -> bool {
    let text = text.replace('\u{1e}', " ");
    serde_json::Deserializer::from_str(&text).into_iter::<IgnoredAny>().all(|value| value.is_ok())
}

/// Returns whether a string begins with a JSON value. Other text may follow.
fn begins_with_value(text: &str) -> bool {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    values.next().is_some_and(|value| value.is_ok())
}

/// Returns a line without the byte order marks at its start, which are not part of a value.
fn without_marks(mut line: &[u8]) -> &[u8] {
    while let Some(rest) = line.strip_prefix(b"\xEF\xBB\xBF") {
        line = rest;
    }
    line
}

/// Returns a line of the chatbot `good`.
fn valid_line(title: &str) -> String {
    format!(
        "{{\"event_name\":\"message_sent\",\"chatbot_id\":\"good\",\"session_id\":\"s\",\
         \"timestamp\":1790000000,\"page_title\":\"{title}\"}}\n"
    )
}

/// Returns the page titles of the events of the chatbot `good`.
fn titles(parsed: &Parsed) -> Vec<&str> {
    let events = parsed.block.rows.iter().map(|row| parsed.block.event(row));
    events.filter(|e| e.chatbot_id() == "good").filter_map(|e| e.text(TextField::PageTitle)).collect()
}

/// Tests arbitrary bytes as lines. The ingest summary adds up, the lines before and after the bytes
/// are parsed, and a line is rejected as `not_json` if and only if serde_json rejects it.
pub fn lines(bytes: &[u8]) {
    let input = [valid_line("before").as_bytes(), bytes, b"\n", valid_line("after").as_bytes()].concat();
    for ip in [IpPolicy::Keep, IpPolicy::Truncate, IpPolicy::Drop] {
        let parsed = parse_checked(input.clone(), ip);
        let titles = titles(&parsed);
        assert_eq!((titles.first(), titles.last()), (Some(&"before"), Some(&"after")));
        let lines = input.split(|byte| *byte == b'\n').map(without_marks).collect::<Vec<_>>();
        for rejected in &parsed.rejected {
            let line = lines[rejected.line as usize - 1];
            assert!(!line.trim_ascii().is_empty(), "a blank line was rejected");
            let utf8 = std::str::from_utf8(line);
            assert_eq!(rejected.reason == RejectReason::NotUtf8, utf8.is_err(), "{:?}", rejected.reason);
            if let Some(offset) = rejected.offset {
                // The rejected value is one of several on a line, or the rest after valid values.
                let (before, rest) = input.split_at(offset as usize);
                let before = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
                let rest = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                if rejected.reason == RejectReason::NotJson {
                    assert!(!are_values(std::str::from_utf8(rest).unwrap()), "{rest:?}");
                    assert!(!without_marks(before).trim_ascii().is_empty(), "no value is before {rest:?}");
                }
            } else if let (Ok(text), None) = (utf8, rejected.index) {
                let expected = !is_json(text);
                assert_eq!(
                    rejected.reason == RejectReason::NotJson,
                    expected,
                    "{:?} of {text:?}",
                    rejected.reason
                );
            }
        }
        // Each line that is not JSON must be rejected as a whole.
        let rejected_lines: BTreeSet<u64> = parsed
            .rejected
            .iter()
            .filter(|rejected| rejected.index.is_none())
            .map(|rejected| rejected.line)
            .collect();
        // Only the first of several equal rejected lines is retained.
        let repeated: BTreeSet<&[u8]> = parsed
            .rejected
            .iter()
            .filter(|rejected| rejected.index.is_none() && rejected.count > 1)
            .map(|rejected| lines[rejected.line as usize - 1].trim_ascii())
            .collect();
        // The same holds for values: all values of a line can equal values of earlier lines.
        let has_repeated_values =
            parsed.rejected.iter().any(|rejected| rejected.offset.is_some() && rejected.count > 1);
        for (number, line) in (1..).zip(&lines) {
            let is_valid = std::str::from_utf8(line)
                .is_ok_and(|text| text.trim_ascii().is_empty() || is_json(text) || are_values(text));
            let is_rejected = rejected_lines.contains(&number) || repeated.contains(line.trim_ascii());
            assert!(is_valid || is_rejected || has_repeated_values, "line {number} was not rejected");
        }
    }
}

/// Tests arbitrary bytes as the fields and events of an envelope. An invalid event affects no other
/// event, and a valid event inherits the fields of the envelope.
pub fn envelope(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut pieces = text.split('\n');
    let fields = pieces.next().unwrap_or_default();
    let fields = if fields.trim().is_empty() { String::new() } else { format!("{fields},") };
    let events: String = pieces.map(|event| format!("{event},")).collect();
    let last = "{\"event_name\":\"good\",\"timestamp\":1790000000,\"page_title\":\"the last\"}";
    // The last value of a duplicate key is used, and snake_case takes precedence over camelCase. If
    // the events inherited an invalid time, all of them would be rejected.
    let defined = "\"event_name\":null,\"eventName\":null,\"sent_at\":null,\"sentAt\":null,\"received_at\":null,\
               \"receivedAt\":null,\"chatbot_id\":\"c\",\"session_id\":\"s\",\"utm_source\":\"mail\"";
    let line = format!("{{{fields}{defined},\"events\":[{events}{last}]}}");
    if line.len() > 1 << 20 {
        return;
    }
    let parsed = parse_checked(line.clone().into_bytes(), IpPolicy::Keep);
    if !is_json(&line) {
        // The bytes can close the envelope, so that other values follow it.
        if begins_with_value(&line) {
            return;
        }
        assert_eq!(parsed.rejected.len(), 1, "{line}");
        assert_eq!(parsed.rejected[0].reason, RejectReason::NotJson, "{line}");
        return;
    }
    let row = parsed.block.rows.last().unwrap_or_else(|| panic!("the valid event is missing: {line}"));
    let event = parsed.block.event(row);
    assert_eq!(event.text(TextField::PageTitle), Some("the last"), "{line}");
    assert_eq!((event.chatbot_id(), event.text(TextField::SessionId)), ("c", Some("s")), "{line}");
    assert_eq!(event.text(TextField::UtmSource), Some("mail"), "{line}");
    // The number of events must equal serde_json's, if serde_json can parse the line.
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(&line) {
        assert_eq!(Some(parsed.read), value["events"].as_array().map(|events| events.len() as u64), "{line}");
    }
}

/// Tests arbitrary bytes as a log in another format. The first byte selects a preset, detection, or
/// a map that the bytes before the first form feed contain.
///
/// The counts add up, and every JSON column contains JSON. An invalid map results in an error that
/// names a line of the map. Detection and the detected map read the same events.
pub fn maps(bytes: &[u8]) {
    let Some((&selector, rest)) = bytes.split_first() else { return };
    if let Some(map) = built_in_maps().get(usize::from(selector)) {
        read_mapped(rest, Some(map));
    } else if selector < 128 {
        if let Some((Some(map), events)) = read_mapped(rest, None) {
            let by_map = read_mapped(rest, Some(&map)).expect("a file that was read before");
            assert_eq!(by_map.1, events, "read by {}", map.name);
        }
    } else {
        let mut parts = rest.splitn(2, |byte| *byte == b'\x0c');
        let text = String::from_utf8_lossy(parts.next().unwrap_or_default());
        match Map::parse("own.toml", &text) {
            Ok(map) => _ = read_mapped(parts.next().unwrap_or_default(), Some(&Arc::new(map))),
            Err(error) => {
                let message = error.to_string();
                let line = message.strip_prefix("own.toml:").and_then(|rest| rest.split(':').next());
                let line: usize = line.and_then(|line| line.parse().ok()).expect("the line of a mistake");
                assert!((1..=text.split('\n').count()).contains(&line), "{message} in {text:?}");
            }
        }
    }
}

/// The id, name and time of an event, and its ids from the log.
type EventSummary = (u128, Option<String>, i64, [Option<String>; 4]);

/// Reads a log with a map. Returns the map of the records and the events; `None` if the log cannot
/// be read to its end.
fn read_mapped(bytes: &[u8], map: Option<&SharedMap>) -> Option<(Option<SharedMap>, Vec<EventSummary>)> {
    let blocks = BlockReader::from_source("log", Box::new(Cursor::new(bytes.to_vec()))).ok()?;
    let options = ParseOptions { chatbot: Some("c".into()), ..options() };
    let mut events = Vec::new();
    let mut add = |parsed: Parsed| {
        check_parsed(&parsed);
        for row in &parsed.block.rows {
            let event = parsed.block.event(row);
            let text = |column| event.text(column).map(str::to_owned);
            let ids = [TextField::EventId, TextField::SessionId, TextField::AnonymousId, TextField::UserId];
            events.push((row.id, text(TextField::EventName), row.time, ids.map(text)));
        }
    };
    let map = parse_input(blocks, map, &options, enricher(), &mut add).ok()?;
    Some((map, events))
}

/// Tests arbitrary bytes as a time. If chrono can parse the text, the results are equal. The time
/// round-trips.
pub fn timestamp(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let time = from_text(bytes);
    if let Some(micros) = time {
        let utc = chrono::DateTime::from_timestamp_micros(micros).expect("a time within the range of chrono");
        if (0..=9999).contains(&chrono::Datelike::year(&utc)) {
            let written = utc.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            assert_eq!(from_text(written.as_bytes()), time, "{text:?}");
        }
    }
    // Leap seconds are parsed differently from chrono.
    let leap = text.get(16..19) == Some(":60");
    if let Ok(expected) = chrono::DateTime::parse_from_rfc3339(text)
        && bytes.len() <= 64
        && !leap
    {
        assert_eq!(time, Some(expected.timestamp_micros()), "{text:?}");
    }
    let number = from_number(bytes);
    if let Some(whole) = integer(text) {
        let size = whole.unsigned_abs();
        let unit = if size < 100_000_000_000 {
            1_000_000
        } else if size < 100_000_000_000_000 {
            1000
        } else {
            1
        };
        let expected = i64::try_from(whole * unit).ok().filter(|micros| *micros != i64::MIN);
        assert_eq!(number, expected, "{text:?}");
    }
}

/// Parses an integer in the syntax of JSON.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain && (digits == "0" || !digits.starts_with('0')) { text.parse().ok() } else { None }
}

/// Tests arbitrary bytes as page URL and referrer. The derived domain is valid, and a
/// percent-encoded campaign tag is decoded to the original.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (page, referrer) = text.split_once('\n').unwrap_or((&text, &text));
    let fields = SourceFields { page_url: Some(page), referrer: Some(referrer), ..SourceFields::default() };
    let derived = enricher().source(fields);
    if let Some(domain) = &derived.referrer_domain {
        assert!(
            !domain.is_empty() && !domain.contains(['/', '?', '#', '@', '\\']),
            "{domain:?} of {referrer:?}"
        );
        assert!(!domain.chars().any(|c| c.is_whitespace() || c.is_control()), "{domain:?} of {referrer:?}");
        assert_eq!(*domain, domain.to_lowercase(), "{referrer:?}");
        assert!(derived.names_source, "a referrer of another site must name a source: {referrer:?}");
    }
    assert_eq!(derived.channel.is_some(), derived.names_source, "{page:?} {referrer:?}");
    // Encode the value as in a form.
    let value = page.trim();
    let encoded: String = value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let url = format!("https://shop.example.com/a?x=1&utm_source={encoded}&utm_medium=email#utm_source=no");
    // Only the first 16 KiB of a URL are parsed.
    if url.len() <= 16 << 10 {
        let derived = enricher().source(SourceFields { page_url: Some(&url), ..SourceFields::default() });
        // A percent-encoded value is decoded again.
        if !value.contains('%') {
            assert_eq!(derived.utm_source.as_deref(), Some(value).filter(|v| !v.is_empty()), "{url}");
        }
        assert_eq!(derived.utm_medium.as_deref(), Some("email"), "{url}");
    }
}

/// Tests arbitrary bytes as a manifest, with and without a valid checksum. The result is an error
/// or a manifest that round-trips. A change of any byte of a valid manifest is detected.
pub fn manifest(bytes: &[u8]) {
    let sealed = [b"{\"manifest\":", bytes, b",\"checksum\":\"", checksum(bytes).as_bytes(), b"\"}"].concat();
    for bytes in [bytes, &sealed] {
        if let Ok(manifest) = Manifest::from_bytes(bytes) {
            let written = manifest.to_bytes().expect("a manifest that can be written");
            assert_eq!(Manifest::from_bytes(&written).expect("a valid manifest"), manifest);
        }
    }
    let (Some(&[high, low]), Some(&change)) = (bytes.first_chunk::<2>(), bytes.get(2)) else { return };
    let manifest = Manifest::new(5, "Europe/Berlin", 1_800_000_000);
    let mut changed = manifest.to_bytes().expect("a manifest that can be written");
    // The last byte is the line feed after the object.
    let at = usize::from(u16::from_be_bytes([high, low])) % (changed.len() - 1);
    changed[at] ^= change;
    if let Ok(read) = Manifest::from_bytes(&changed) {
        assert_eq!((change, read), (0, manifest), "byte {at} was changed");
    }
}

/// Reads all blocks. Returns the bytes of the lines within the length limit, and whether reading
/// ended with an error or an overlong line.
fn read_all(bytes: Vec<u8>, block: usize) -> (Vec<u8>, bool) {
    let reader = BlockReader::from_source("bytes", Box::new(Cursor::new(bytes)));
    let Ok(reader) = reader else { return (Vec::new(), true) };
    let mut reader = reader.with_block_size(block);
    let (mut lines, mut end) = (Vec::new(), None);
    loop {
        match reader.next_block() {
            Ok(Some(block)) => {
                assert_eq!(block.offset, end.unwrap_or(block.offset), "blocks are contiguous");
                end = Some(block.end);
                lines.extend(block.bytes);
                if !block.overlong.is_empty() {
                    return (lines, true);
                }
            }
            Ok(None) => return (lines, false),
            Err(_) => {
                assert!(matches!(reader.next_block(), Ok(None)), "no block follows an error");
                return (lines, true);
            }
        }
    }
}

/// Tests arbitrary bytes as a file. The decompressed bytes equal flate2's and round-trip through
/// gzip and zstd. A truncated file results in a prefix and an error.
pub fn packed(bytes: &[u8]) {
    let (unpacked, error) = read_all(bytes.to_vec(), 1 << 16);
    if bytes.starts_with(b"\x1f\x8b") {
        let mut expected = Vec::new();
        let is_complete =
            flate2::read::MultiGzDecoder::new(bytes).take(1 << 20).read_to_end(&mut expected).is_ok();
        if is_complete && expected.len() < 1 << 20 && !error {
            assert_eq!(unpacked, strip_byte_order_mark(&expected));
        }
    } else if !is_zstd(bytes) && !is_utf16(bytes) && !error {
        assert_eq!(unpacked, strip_byte_order_mark(bytes));
    }
    let plain = strip_byte_order_mark(bytes);
    if plain.len() > 1 << 19 || plain.starts_with(b"\xef\xbb\xbf") || is_utf16(plain) {
        return;
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain).expect("compression in memory");
    let gzip = gzip.finish().expect("compression in memory");
    let zstd = zstd::encode_all(plain, 1).expect("compression in memory");
    let cut = bytes.len() * 31 % gzip.len().min(zstd.len());
    for packed in [gzip, zstd] {
        assert_eq!(read_all(packed.clone(), 1 + plain.len() / 3), (plain.to_vec(), false));
        // Two concatenated members.
        assert_eq!(read_all(packed.repeat(2), 1 << 16), (plain.repeat(2), false));
        if cut >= 4 {
            let (prefix, error) = read_all(packed[..cut].to_vec(), 1 << 16);
            assert!(plain.starts_with(&prefix) && error, "truncated at {cut}");
        }
    }
}

fn strip_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Returns whether bytes start with a zstd frame or a skippable frame.
fn is_zstd(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// Returns whether bytes start with a byte order mark of UTF-16, or have a zero byte among the
/// first two bytes, as ASCII characters do in UTF-16.
fn is_utf16(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..])
}
