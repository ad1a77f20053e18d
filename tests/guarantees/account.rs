//! Guarantee 2, account: it adds up for every input, bytes at random included.

use std::fs;

use proptest::prelude::*;
use wa::ingest::IngestReport;

use super::disk::MemoryDisk;
use super::logs::NOW;
use super::{place, tables};

/// Takes in one file on a disk in memory; the report and the number of events then stored.
pub fn take_in(bytes: &[u8]) -> (IngestReport, usize) {
    let folder = place::folder();
    let path = folder.path().join("a.log");
    fs::write(&path, bytes).unwrap();
    let disk = MemoryDisk::new();
    let options = place::options(vec![path.display().to_string()], NOW);
    let report = place::ingest(&disk, &place::settings(), &options).unwrap();
    let tables = tables::read(&place::store_on(&disk).snapshot().unwrap()).unwrap();
    (report, tables["events"].len())
}

/// Bytes of which some are like lines of a log.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..30),
        2 => Just(b"\n".to_vec()),
        2 => Just(b"{\"event_name\":\"x\",\"chatbot_id\":\"c\",\"session_id\":1,\"timestamp\":1790000000}\n".to_vec()),
        1 => Just(b"{\"event_name\":\"x\",\"chatbot_id\":\"c\",\"session_id\":1,\"timestamp\":\"never\"}\r\n".to_vec()),
        1 => Just(b"{\"chatbotId\":\"c\",\"sessionId\":\"s\",\"events\":[{\"event_name\":\"x\",\"timestamp\":1},2,{}]}\n".to_vec()),
        1 => Just(b"{\"events\":[]}\n".to_vec()),
        1 => Just(b" \t\r\n".to_vec()),
        1 => Just(b"{\"event_name\":".to_vec()),
        1 => Just(b"\"\\ud800\"".to_vec()),
        1 => Just(b"\xef\xbb\xbf".to_vec()),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: place::cases(400),
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guarantees/regressions/account.txt"),
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn account_it_adds_up_for_bytes_at_random(bytes in bytes()) {
        let (report, stored) = take_in(&bytes);
        prop_assert!(report.failure.is_none(), "{:?}", report.failure);
        let account = &report.summary;
        prop_assert!(account.adds_up(), "{account:#?}");
        let total = &account.total;
        prop_assert_eq!(total.stored as usize, stored);
        let looks_compressed = bytes.starts_with(b"\x1f\x8b") || bytes.starts_with(b"\x28\xb5\x2f\xfd");
        if !looks_compressed {
            // Counted by hand: every line is blank or read, an envelope being its events.
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
            let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
            let envelopes = lines.iter().filter(|line| line.windows(8).any(|w| w == b"\"events\"")).count();
            let counted = (total.read + total.blank) as usize;
            prop_assert!(lines.len() <= counted && counted <= lines.len() + 2 * envelopes,
                "{} lines, {envelopes} of them envelopes; {counted} counted", lines.len());
        }
    }
}

#[test]
fn account_every_reason_is_counted_as_worked_out_by_hand() {
    let fine = r#"{"event_name":"x","chatbot_id":"c","session_id":"s","timestamp":1790000000,"id":1}"#;
    let text = [
        fine,
        fine, // a duplicate, by its id
        "",
        "  ",
        "not json",
        "[1]",
        r#"{"chatbot_id":"c","session_id":"s","timestamp":1790000000}"#,
        r#"{"event_name":"x","session_id":"s","timestamp":1790000000}"#,
        r#"{"event_name":"x","chatbot_id":"c","timestamp":1790000000}"#,
        r#"{"event_name":"x","chatbot_id":"c","session_id":"s"}"#,
        r#"{"event_name":"x","chatbot_id":"c","session_id":"s","timestamp":"soon"}"#,
        r#"{"event_name":"x","chatbot_id":"c","session_id":"s","timestamp":"2027-01-02T00:00:00.000001Z"}"#,
        r#"{"event_name":"x","chatbot_id":"c","session_id":"s","timestamp":"1999-12-31T23:59:59Z"}"#,
        r#"{"chatbotId":"c","sessionId":"s","events":[]}"#,
        r#"{"chatbotId":"c","sessionId":"s","events":[{"event_name":"y","timestamp":1790000000},{"event_name":"y"}]}"#,
        r#"{"event_name":"unfin"#,
    ]
    .join("\n");
    let (report, stored) = take_in(text.as_bytes());
    let total = &report.summary.total;
    // 16 lines, of which 2 are blank and one is an envelope of two.
    assert_eq!((total.read, total.blank, total.unfinished), (15, 2, 1));
    assert_eq!((total.stored, total.duplicate, stored), (2, 1, 2));
    let refused: Vec<(String, u64)> =
        total.rejected.iter().map(|(reason, n)| (reason.name().to_owned(), *n)).collect();
    let expected = [
        ("bad_timestamp", 1),
        ("empty_envelope", 1),
        ("future_timestamp", 1),
        ("implausible_timestamp", 1),
        ("no_chatbot_id", 1),
        ("no_event_name", 1),
        ("no_session_key", 1),
        ("no_timestamp", 2),
        ("not_an_object", 1),
        ("not_json", 1),
    ];
    let mut refused: Vec<(&str, u64)> = refused.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    refused.sort();
    assert_eq!(refused, expected);
}
