//! Guarantee 2, ingest summary: the counts of every input add up, even for random bytes.

use std::fs;

use proptest::prelude::*;
use wa::ingest::{FileOutcome, IngestReport};

use super::support::generated_logs::NOW;
use super::support::memory_file_system::MemoryFileSystem;
use super::support::{fixtures, tables};

/// Ingests one file into a store in memory, and returns the report and the number of stored events.
fn ingest_file(bytes: &[u8]) -> (IngestReport, usize) {
    let folder = fixtures::folder();
    let path = folder.path().join("a.log");
    fs::write(&path, bytes).unwrap();
    let disk = MemoryFileSystem::new();
    let options = fixtures::ingest_options(vec![path.display().to_string()], NOW);
    let report = fixtures::ingest(&disk, &fixtures::settings(), &options).unwrap();
    let tables = tables::read(&fixtures::store_in(&disk).snapshot().unwrap()).unwrap();
    (report, tables["events"].len())
}

/// Generates bytes that resemble lines of a log in part.
pub fn log_like_bytes() -> impl Strategy<Value = Vec<u8>> {
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
        cases: fixtures::cases(400),
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guarantees/regressions/ingest_summary.txt"),
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn ingest_summary_of_random_bytes_adds_up(bytes in log_like_bytes()) {
        let (report, stored) = ingest_file(&bytes);
        prop_assert!(report.failure.is_none(), "{:?}", report.failure);
        let summary = &report.summary;
        prop_assert!(summary.adds_up(), "{summary:#?}");
        let total = &summary.total;
        prop_assert_eq!(total.stored as usize, stored);
        if summary.files.iter().any(|file| matches!(file.outcome, FileOutcome::Unreadable { .. })) {
            // An error names a file that is not a log. Such a file has no line of JSON.
            prop_assert_eq!((report.problems.len(), total.read), (1, 0));
            let mut lines = bytes.split(|b| *b == b'\n');
            prop_assert!(lines.all(|line| serde_json::from_slice::<serde_json::Map<_, _>>(line).is_err()));
            return Ok(());
        }
        let looks_compressed = bytes.starts_with(b"\x1f\x8b") || bytes.starts_with(b"\x28\xb5\x2f\xfd");
        if !looks_compressed {
            // Each line is blank or counts as read; an envelope counts as its events.
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
            let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
            let envelopes = lines.iter().filter(|line| line.windows(8).any(|w| w == b"\"events\"")).count();
            let counted = (total.read + total.blank) as usize;
            // A line can contain several values, each with at least one byte.
            let is_object = |line: &[u8]| serde_json::from_slice::<serde_json::Map<_, _>>(line).is_ok();
            let several = lines.iter().filter(|line| line.contains(&b'{') && !is_object(line));
            let values: usize = several.map(|line| line.len()).sum();
            // If values span lines, reading ends at the first error, which is reported, or within
            // the last value, which is left for the next ingest.
            let may_span_lines = !report.problems.is_empty() || total.unfinished > 0;
            prop_assert!(lines.len() <= counted || may_span_lines, "{} lines; {counted} counted", lines.len());
            prop_assert!(counted <= lines.len() + 2 * envelopes + values,
                "{} lines, including {envelopes} envelopes; {counted} counted", lines.len());
        }
    }
}

#[test]
fn ingest_summary_counts_every_reject_reason() {
    let valid = r#"{"event_name":"x","chatbot_id":"c","session_id":"s","timestamp":1790000000,"id":1}"#;
    let text = [
        valid,
        valid, // a duplicate by id
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
    let (report, stored) = ingest_file(text.as_bytes());
    let total = &report.summary.total;
    // 16 lines: 2 are blank, and one is an envelope of two events.
    assert_eq!((total.read, total.blank, total.unfinished), (15, 2, 1));
    assert_eq!((total.stored, total.duplicate, stored), (2, 1, 2));
    let rejected: Vec<(String, u64)> =
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
    let mut rejected: Vec<(&str, u64)> = rejected.iter().map(|(reason, n)| (reason.as_str(), *n)).collect();
    rejected.sort();
    assert_eq!(rejected, expected);
}

// Events of files that overlap earlier files in time wait in temporary files, with the index of
// their input file.
#[test]
fn ingest_summary_of_overlapping_files_counts_each_file() {
    let folder = fixtures::folder();
    let event = |id: usize| {
        // The times of every file are spread over the same two hours.
        let time = 1_790_000_000 + id * 7_919 % 7_200;
        format!(
            r#"{{"event_name":"x","chatbot_id":"c","session_id":"s{}","timestamp":{time},"id":{id}}}"#,
            id % 9
        )
    };
    // File n has the ids 50 n to 50 n + 49, n duplicates of events of the previous file, n lines
    // that are not JSON, and n + 1 blank lines.
    for n in 0..8 {
        let mut lines: Vec<String> = (50 * n..50 * n + 50).map(event).collect();
        lines.extend((50 * n - n.min(50 * n)..50 * n).map(event));
        lines.extend((0..n).map(|line| format!("not json {n} {line}")));
        lines.extend(std::iter::repeat_n(String::new(), n + 1));
        fs::write(folder.path().join(format!("{n}.ndjson")), lines.join("\n") + "\n").unwrap();
    }
    let disk = MemoryFileSystem::new();
    let options = wa::ingest::IngestOptions {
        batch_bytes: Some(1),
        ..fixtures::ingest_options(vec![folder.path().display().to_string()], NOW)
    };
    let report = fixtures::ingest(&disk, &fixtures::settings(), &options).unwrap();
    assert!(report.failure.is_none(), "{:?}", report.failure);
    let log = disk.last_operations(usize::MAX);
    assert!(
        log.lines().filter(|line| line.contains(" write ") && line.ends_with(".tmp")).count() >= 6,
        "{log}"
    );
    let counts: Vec<[u64; 5]> = report
        .summary
        .files
        .iter()
        .map(|file| &file.counts)
        .map(|counts| [counts.read, counts.stored, counts.duplicate, counts.rejected_total(), counts.blank])
        .collect();
    let expected: Vec<[u64; 5]> = (0..8).map(|n| [50 + 2 * n, 50, n, n, n + 1]).collect();
    assert_eq!(counts, expected);
    assert!(report.summary.adds_up());
    let tables = tables::read(&fixtures::store_in(&disk).snapshot().unwrap()).unwrap();
    assert_eq!(tables["events"].len(), 400);
}
