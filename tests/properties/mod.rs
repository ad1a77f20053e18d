//! What holds for any bytes: one function a property.
//!
//! The fuzz targets in `fuzz/` look for bytes for which one does not hold; `tests/guarantees` tries each
//! with bytes by chance. A property that does not hold panics and says what was expected. What is
//! expected comes from other parsers (serde_json, chrono, flate2), or from how the bytes were made.

use std::collections::BTreeSet;
use std::io::{Cursor, Read, Write};
use std::sync::OnceLock;

use serde::de::IgnoredAny;
use wa::enrich::{Enricher, SourceFields};
use wa::event::TextField;
use wa::ingest::timestamp::{from_number, from_text};
use wa::ingest::{BlockReader, ParseOptions, Parsed, RawBlock, RejectReason, parse};
use wa::settings::IpPolicy;
use wa::store::manifest::{Manifest, checksum};

fn enricher() -> &'static Enricher {
    static CONTEXT: OnceLock<Enricher> = OnceLock::new();
    CONTEXT.get_or_init(|| Enricher::new(None).unwrap())
}

fn parsed(bytes: Vec<u8>, ip: IpPolicy) -> Parsed {
    // 2026-11-10T02:00:00Z.
    let options = ParseOptions { chatbot: None, now: 1_794_276_000_000_000, ip, visitor_key: [7; 32] };
    let raw = RawBlock { end: bytes.len() as u64, bytes, first_line: 1, ..RawBlock::default() };
    let parsed = parse(raw, &options, enricher());
    assert!(parsed.unfinished.is_none(), "nothing is left for later of a stream");
    assert_eq!(parsed.read, (parsed.block.rows.len() + parsed.rejected.len()) as u64, "the account");
    for row in &parsed.block.rows {
        let event = parsed.block.event(row);
        assert!(!event.chatbot_id().is_empty() && event.text(TextField::EventName).is_some());
        for column in [TextField::Extra, TextField::Properties, TextField::UserMetadata] {
            if let Some(json) = event.text(column) {
                assert!(is_json(json), "{column:?} holds {json:?}");
                assert!(json.starts_with('{'), "{column:?} holds {json:?}");
            }
        }
    }
    parsed
}

/// Tells whether a text is JSON, however deep and whatever its numbers.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn good(title: &str) -> String {
    format!(
        "{{\"event_name\":\"message_sent\",\"chatbot_id\":\"good\",\"session_id\":\"s\",\
         \"timestamp\":1790000000,\"page_title\":\"{title}\"}}\n"
    )
}

/// Titles of the good lines that came through.
fn titles(parsed: &Parsed) -> Vec<&str> {
    let events = parsed.block.rows.iter().map(|row| parsed.block.event(row));
    events.filter(|e| e.chatbot_id() == "good").filter_map(|e| e.text(TextField::PageTitle)).collect()
}

/// Any bytes as lines: the account adds up, lines before and after them come through, and each line
/// is refused as `not_json` exactly where another parser finds no JSON in it.
pub fn lines(bytes: &[u8]) {
    let between = [good("before").as_bytes(), bytes, b"\n", good("after").as_bytes()].concat();
    for ip in [IpPolicy::Keep, IpPolicy::Truncate, IpPolicy::Drop] {
        let parsed = parsed(between.clone(), ip);
        let titles = titles(&parsed);
        assert_eq!((titles.first(), titles.last()), (Some(&"before"), Some(&"after")));
        let lines = between.split(|byte| *byte == b'\n').collect::<Vec<_>>();
        for rejected in &parsed.rejected {
            let line = lines[rejected.line as usize - 1];
            assert!(!line.trim_ascii().is_empty(), "a blank line was refused");
            let utf8 = std::str::from_utf8(line);
            assert_eq!(rejected.reason == RejectReason::NotUtf8, utf8.is_err(), "{:?}", rejected.reason);
            if let (Ok(text), None) = (utf8, rejected.index) {
                let expected = !is_json(text);
                assert_eq!(
                    rejected.reason == RejectReason::NotJson,
                    expected,
                    "{:?} of {text:?}",
                    rejected.reason
                );
            }
        }
        // Each is read as one event: a line that is refused whole has made no row.
        let whole: BTreeSet<u64> = parsed
            .rejected
            .iter()
            .filter(|rejected| rejected.index.is_none())
            .map(|rejected| rejected.line)
            .collect();
        for (number, line) in (1..).zip(&lines) {
            let sound =
                std::str::from_utf8(line).is_ok_and(|text| text.trim_ascii().is_empty() || is_json(text));
            assert!(sound || whole.contains(&number), "line {number} was not refused");
        }
    }
}

/// Any bytes as the fields of an envelope and as its events: a bad event loses itself alone, and the
/// good one beside it has what the envelope hands down.
pub fn envelope(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut pieces = text.split('\n');
    let fields = pieces.next().unwrap_or_default();
    let fields = if fields.trim().is_empty() { String::new() } else { format!("{fields},") };
    let events: String = pieces.map(|event| format!("{event},")).collect();
    let last = "{\"event_name\":\"good\",\"timestamp\":1790000000,\"page_title\":\"the last\"}";
    // Of a key given twice the last counts, and snake_case before camelCase. A time that cannot be read
    // refuses every event that it is handed down to.
    let own = "\"event_name\":null,\"eventName\":null,\"sent_at\":null,\"sentAt\":null,\"received_at\":null,\
               \"receivedAt\":null,\"chatbot_id\":\"c\",\"session_id\":\"s\",\"utm_source\":\"mail\"";
    let line = format!("{{{fields}{own},\"events\":[{events}{last}]}}");
    if line.len() > 1 << 20 {
        return;
    }
    let parsed = parsed(line.clone().into_bytes(), IpPolicy::Keep);
    if !is_json(&line) {
        assert_eq!(parsed.rejected.len(), 1, "{line}");
        assert_eq!(parsed.rejected[0].reason, RejectReason::NotJson, "{line}");
        return;
    }
    let row = parsed.block.rows.last().unwrap_or_else(|| panic!("the good event is lost: {line}"));
    let event = parsed.block.event(row);
    assert_eq!(event.text(TextField::PageTitle), Some("the last"), "{line}");
    assert_eq!((event.chatbot_id(), event.text(TextField::SessionId)), ("c", Some("s")), "{line}");
    assert_eq!(event.text(TextField::UtmSource), Some("mail"), "{line}");
    // As many as another parser counts, where it can read the line at all.
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(&line) {
        assert_eq!(Some(parsed.read), value["events"].as_array().map(|events| events.len() as u64), "{line}");
    }
}

/// Any bytes as a time: as chrono reads it where that can, and the same again when it is written out.
pub fn timestamp(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let time = from_text(bytes);
    if let Some(micros) = time {
        let utc = chrono::DateTime::from_timestamp_micros(micros).expect("a time of four-digit years");
        if (0..=9999).contains(&chrono::Datelike::year(&utc)) {
            let written = utc.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            assert_eq!(from_text(written.as_bytes()), time, "{text:?}");
        }
    }
    // Leap seconds are read by rules of their own.
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

/// Reads a whole number as JSON writes it.
fn integer(text: &str) -> Option<i128> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain && (digits == "0" || !digits.starts_with('0')) { text.parse().ok() } else { None }
}

/// Any bytes as addresses: what is derived is a domain or nothing, and a parameter comes out as it
/// was encoded.
pub fn url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (page, referrer) = text.split_once('\n').unwrap_or((&text, &text));
    let given = SourceFields { page_url: Some(page), referrer: Some(referrer), ..SourceFields::default() };
    let derived = enricher().source(given);
    if let Some(domain) = &derived.referrer_domain {
        assert!(
            !domain.is_empty() && !domain.contains(['/', '?', '#', '@', '\\']),
            "{domain:?} of {referrer:?}"
        );
        assert!(!domain.chars().any(|c| c.is_whitespace() || c.is_control()), "{domain:?} of {referrer:?}");
        assert_eq!(*domain, domain.to_lowercase(), "{referrer:?}");
        assert!(derived.names_source, "another site's referrer names a source: {referrer:?}");
    }
    assert_eq!(derived.channel.is_some(), derived.names_source, "{page:?} {referrer:?}");
    // As form encoding writes it.
    let value = page.trim();
    let encoded: String = value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    let address =
        format!("https://shop.example.com/a?x=1&utm_source={encoded}&utm_medium=email#utm_source=no");
    // The first 16 KiB of an address are looked at.
    if address.len() <= 16 << 10 {
        let derived = enricher().source(SourceFields { page_url: Some(&address), ..SourceFields::default() });
        // A value that is itself percent-encoded is decoded further.
        if !value.contains('%') {
            assert_eq!(derived.utm_source.as_deref(), Some(value).filter(|v| !v.is_empty()), "{address}");
        }
        assert_eq!(derived.utm_medium.as_deref(), Some("email"), "{address}");
    }
}

/// Any bytes as a manifest, also with a checksum that fits: an error, or one that survives being
/// written and read. And a manifest of which any byte was changed is never taken for whole.
pub fn manifest(bytes: &[u8]) {
    let sealed = [b"{\"manifest\":", bytes, b",\"checksum\":\"", checksum(bytes).as_bytes(), b"\"}"].concat();
    for bytes in [bytes, &sealed] {
        if let Ok(manifest) = Manifest::from_bytes(bytes) {
            let written = manifest.to_bytes().expect("a manifest that can be written");
            assert_eq!(Manifest::from_bytes(&written).expect("one that was just written"), manifest);
        }
    }
    let (Some(&[high, low]), Some(&change)) = (bytes.first_chunk::<2>(), bytes.get(2)) else { return };
    let manifest = Manifest::new(5, "Europe/Berlin", 1_800_000_000);
    let mut changed = manifest.to_bytes().expect("a manifest that can be written");
    // The last byte is a line feed after the object.
    let at = usize::from(u16::from_be_bytes([high, low])) % (changed.len() - 1);
    changed[at] ^= change;
    if let Ok(read) = Manifest::from_bytes(&changed) {
        assert_eq!((change, read), (0, manifest), "byte {at} was changed");
    }
}

/// Reads all blocks; the bytes of the lines within the limit, and whether an error ended it.
fn read_all(bytes: Vec<u8>, block: usize) -> (Vec<u8>, bool) {
    let reader = BlockReader::from_source("bytes", Box::new(Cursor::new(bytes)));
    let Ok(reader) = reader else { return (Vec::new(), true) };
    let mut reader = reader.with_block_size(block);
    let (mut lines, mut end) = (Vec::new(), None);
    loop {
        match reader.next_block() {
            Ok(Some(block)) => {
                assert_eq!(block.offset, end.unwrap_or(block.offset), "blocks follow each other");
                end = Some(block.end);
                lines.extend(block.bytes);
                if !block.overlong.is_empty() {
                    return (lines, true);
                }
            }
            Ok(None) => return (lines, false),
            Err(_) => {
                assert!(matches!(reader.next_block(), Ok(None)), "after an error comes the end");
                return (lines, true);
            }
        }
    }
}

/// Any bytes as a file: as they are, what another program unpacks of them; packed with gzip and zstd,
/// they come out as they went in; and cut off, what comes is their beginning, and an error.
pub fn packed(bytes: &[u8]) {
    let (unpacked, error) = read_all(bytes.to_vec(), 1 << 16);
    if bytes.starts_with(b"\x1f\x8b") {
        let mut expected = Vec::new();
        let whole = flate2::read::MultiGzDecoder::new(bytes).take(1 << 20).read_to_end(&mut expected).is_ok();
        if whole && expected.len() < 1 << 20 && !error {
            assert_eq!(unpacked, without_mark(&expected));
        }
    } else if !is_zstd(bytes) && !error {
        assert_eq!(unpacked, without_mark(bytes));
    }
    let plain = without_mark(bytes);
    if plain.len() > 1 << 19 || plain.starts_with(b"\xef\xbb\xbf") {
        return;
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(plain).expect("room in memory");
    let gzip = gzip.finish().expect("room in memory");
    let zstd = zstd::encode_all(plain, 1).expect("room in memory");
    let cut = bytes.len() * 31 % gzip.len().min(zstd.len());
    for packed in [gzip, zstd] {
        assert_eq!(read_all(packed.clone(), 1 + plain.len() / 3), (plain.to_vec(), false));
        // In two pieces, each packed by itself.
        assert_eq!(read_all(packed.repeat(2), 1 << 16), (plain.repeat(2), false));
        if cut >= 4 {
            let (beginning, error) = read_all(packed[..cut].to_vec(), 1 << 16);
            assert!(plain.starts_with(&beginning) && error, "cut off at {cut}");
        }
    }
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Tells whether bytes begin as a frame of zstd does, or one that it skips.
fn is_zstd(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}
