//! Any bytes: no panic, no lost line, and no dependence on the division into blocks and chunks.

use std::io;

use super::*;
use proptest::prelude::*;

/// Generates valid and invalid lines, composed of fragments that the parser treats specially.
fn line() -> impl Strategy<Value = Vec<u8>> {
    let member = prop::sample::select(vec![
        r#""chatbot_id":"c""#,
        r#""chatbotId":7"#,
        r#""session_id":"s""#,
        r#""session_id":null"#,
        r#""anonymousId":"a""#,
        r#""user_id":"u\u00e9""#,
        r#""event_name":"message_received""#,
        r#""event_name":"""#,
        r#""eventName":"x""#,
        r#""type":"session""#,
        r#""type":"identify""#,
        r#""timestamp":"2026-11-09T08:00:00Z""#,
        r#""timestamp":1794211200"#,
        r#""timestamp":"bad""#,
        r#""received_at":1794211200"#,
        r#""sent_at":1794211200"#,
        r#""client_timestamp":5"#,
        r#""properties":{"response_time_ms":5}"#,
        r#""properties":[]"#,
        r#""ip":"192.0.2.1""#,
        r#""ip_address":"x""#,
        r#""user_agent":"ua""#,
        r#""page_url":"https://example.com/?utm_source=a""#,
        r#""referrer":"https://t.co/""#,
        r#""id":"e""#,
        r#""event_id":"b270790b-1d46-432b-80ff-41b0524bedc7""#,
        r#""other":[{"a":"\ud800"}]"#,
        r#""events":[]"#,
        r#""events":[{"event_name":"a"},5,{"eventName":"b","other":1}]"#,
        r#""screen_width":"5""#,
        r#""city":"Köln""#,
    ]);
    let object =
        proptest::collection::vec(member, 0..9).prop_map(|members| format!("{{{}}}", members.join(",")));
    let valid = Just(event_with("\"x\":1"));
    let text = prop_oneof![4 => object, 2 => valid, 1 => Just(String::new()), 1 => "\\PC{0,20}".prop_map(String::from)];
    let mutated = (text, proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())));
    mutated.prop_map(|(text, change)| {
        let mut bytes = text.into_bytes();
        if let (Some((at, byte)), false) = (change, bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

fn input() -> impl Strategy<Value = Vec<u8>> {
    let end = prop::sample::select(vec!["\n", "\r\n", "\n\n"]);
    proptest::collection::vec((line(), end), 0..12).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| [line, end.as_bytes().to_vec()].concat()).collect()
    })
}

/// Returns descriptions of the rows and rejected lines of an input, and its counts.
fn outcome(
    bytes: &[u8],
    block_size: usize,
    chunk_size: usize,
    options: &ParseOptions,
) -> (Vec<String>, IngestCounts, Option<UnfinishedLine>) {
    let folder = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(folder.path(), bytes).unwrap();
    let mut reader =
        BlockReader::open(&Input::File(folder.path().into())).unwrap().with_block_size(block_size);
    let enricher = Enricher::new(None).unwrap();
    let (mut all, mut counts, mut unfinished) = (Vec::new(), IngestCounts::default(), None);
    while let Some(block) = reader.next_block().unwrap() {
        let mut chunks = Vec::new();
        let mut parser = Parser::default();
        let (last, _) =
            parser.parse_in_chunks(block, options, &enricher, chunk_size, &mut |parsed| chunks.push(parsed));
        assert!(chunks.iter().all(|chunk| chunk.unfinished.is_none()));
        let mut lines = 0;
        for parsed in chunks.into_iter().chain([last]) {
            for row in &parsed.block.rows {
                all.push(describe(&parsed.block, row));
                assert!(row.text.iter().all(|span| span.is_none() || parsed.block.text(*span).is_some()));
            }
            for rejected in &parsed.rejected {
                all.push(format!(
                    "{} {:?} {} {:?}",
                    rejected.line, rejected.index, rejected.reason, rejected.raw
                ));
                counts.add_rejected(rejected.reason, 1);
                assert!(lines <= rejected.line, "rejected lines are out of order");
                lines = rejected.line;
            }
            let size: usize = parsed.rejected.iter().map(|rejected| rejected.memory_size()).sum();
            assert_eq!(size, parsed.rejected_size);
            counts.read += parsed.read;
            counts.stored += parsed.block.rows.len() as u64;
            counts.blank += parsed.blank;
            counts.unfinished += u64::from(parsed.unfinished.is_some());
            counts.warnings.merge(&parsed.warnings);
            unfinished = unfinished.or(parsed.unfinished);
            assert!(counts.adds_up(), "the counts of a chunk do not add up");
        }
    }
    (all, counts, unfinished)
}

/// Removes the escapes of surrogates: serde_json rejects lone ones, which `wa` accepts.
fn without_surrogates(line: &str) -> String {
    let is_surrogate = |escape: &str| {
        let code = escape.get(..4).and_then(|digits| u16::from_str_radix(digits, 16).ok());
        code.is_some_and(|code| (0xd800..0xe000).contains(&code))
    };
    let mut parts = line.split("\\u");
    let mut text = String::from(parts.next().unwrap_or_default());
    for part in parts {
        if is_surrogate(part) {
            text.push_str(&part[4..]);
        } else {
            text.extend(["\\u", part]);
        }
    }
    text
}

/// Returns the numbers of events and blank lines of an input, counted with serde_json.
fn events(bytes: &[u8]) -> (u64, u64) {
    let (mut read, mut blank) = (0, 0);
    for line in bytes.split(|b| *b == b'\n') {
        if line.trim_ascii().is_empty() {
            blank += 1;
            continue;
        }
        let line = String::from_utf8(line.to_vec()).map(|line| without_surrogates(&line));
        let object = line.ok().and_then(|line| serde_json::from_str::<serde_json::Value>(&line).ok());
        let null = |value: &serde_json::Value| value.is_null() || value == "";
        let has_name = |o: &serde_json::Value| {
            let present = |key: &str| o.get(key).is_some_and(|v| !null(v));
            present("event_name") || present("eventName")
        };
        read += match object {
            Some(o) if o.is_object() && !has_name(&o) => {
                o["events"].as_array().map_or(1, |events| events.len().max(1) as u64)
            }
            _ => 1,
        };
    }
    // There is no line after the last line feed.
    (read, blank - u64::from(bytes.is_empty() || bytes.ends_with(b"\n")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn counts_add_up_and_agree_with_serde_json(mut bytes in input(), cut: prop::sample::Index, whole: bool) {
        if !whole && !bytes.is_empty() {
            bytes.truncate(cut.index(bytes.len()));
        }
        let (_, counts, unfinished) = outcome(&bytes, 1 << 20, usize::MAX, &options());
        prop_assert!(counts.adds_up());
        prop_assert_eq!((counts.read, counts.blank), events(&bytes));
        if let Some(unfinished) = unfinished {
            prop_assert_eq!(unfinished.offset + unfinished.length, bytes.len() as u64);
            prop_assert!(!bytes.contains(&b'\n') || bytes[unfinished.offset as usize - 1] == b'\n');
        }
    }

    #[test]
    fn block_and_chunk_sizes_do_not_change_the_outcome(
        bytes in input(), size in 1usize..2000, chunk_size in 1usize..4000, drop: bool
    ) {
        let ip = if drop { IpPolicy::Drop } else { IpPolicy::Keep };
        let options = ParseOptions { ip, chatbot: Some("d".into()), ..options() };
        let (mut one, counts, unfinished) = outcome(&bytes, 1 << 20, usize::MAX, &options);
        let (mut many, same_counts, same_unfinished) = outcome(&bytes, size, chunk_size, &options);
        one.sort();
        many.sort();
        prop_assert_eq!(one, many);
        prop_assert_eq!((counts, unfinished), (same_counts, same_unfinished));
    }

    #[test]
    fn outcomes_of_random_bytes_add_up(bytes: Vec<u8>, unfinished: bool) {
        let block = RawBlock { unfinished, ..raw(bytes) };
        let parsed = parse(block, &options(), &Enricher::new(None).unwrap());
        let outcomes = parsed.block.rows.len() + parsed.rejected.len() + usize::from(parsed.unfinished.is_some());
        prop_assert_eq!(parsed.read, outcomes as u64);
    }

    #[test]
    fn json_columns_are_valid_json(bytes in input()) {
        let parsed = parse_with(&ParseOptions { chatbot: Some("d".into()), ip: IpPolicy::Truncate, ..options() }, bytes);
        for row in &parsed.block.rows {
            for column in [TextField::Extra, TextField::Properties, TextField::UserMetadata] {
                if let Some(json) = parsed.block.event(row).text(column) {
                    let value: serde_json::Value = serde_json::from_str(json).unwrap();
                    prop_assert!(value.is_object());
                    let keys = value.as_object().unwrap();
                    prop_assert!(column != TextField::Extra || !keys.is_empty());
                }
            }
        }
    }
}

#[test]
fn last_line_of_a_pipe_is_rejected_if_incomplete() {
    let lines = format!("{}\n{}\n{{\"event", event_with(""), event_with("\"id\":7"));
    let mut reader = BlockReader::from_source("-", Box::new(io::Cursor::new(lines.into_bytes()))).unwrap();
    let block = reader.next_block().unwrap().unwrap();
    let parsed = parse(block, &options(), &Enricher::new(None).unwrap());
    // The pipe has ended, so nothing can complete the last line.
    assert_eq!((parsed.block.rows.len(), parsed.reasons(), parsed.unfinished), (2, vec!["not_json"], None));
}
