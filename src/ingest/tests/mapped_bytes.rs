//! Damaged and random files of mapped formats: no panic, no lost line, and the counts add up.
//!
//! The inputs are the files of `tests/data`, with changed, removed and repeated bytes between
//! unchanged records. `WA_TEST_CASES` multiplies the number of cases.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::ingest::input::records::format_detection::detect_format;
use crate::ingest::input::records::record_reader::RecordReader;
use crate::ingest::map::{SharedMap, presets};

/// A file of the test data, split into lines.
#[derive(Debug)]
struct Fixture {
    name: String,
    /// The map that was detected.
    map: Option<SharedMap>,
    /// Whether the map, or a map for the contents of its records, joins text that is split over
    /// records.
    joins: bool,
    lines: Vec<String>,
}

/// The outcomes of the records of an input.
#[derive(Debug, Default)]
struct Outcome {
    read: u64,
    rows: u64,
    rejected: u64,
    ignored: u64,
    unfinished: u64,
    /// Name, time and ids of each event.
    events: Vec<[String; 3]>,
    /// Whether the file could not be read to its end.
    error: bool,
}

fn enricher() -> &'static Enricher {
    static ENRICHER: OnceLock<Enricher> = OnceLock::new();
    ENRICHER.get_or_init(|| Enricher::new(None).unwrap())
}

/// Returns the readable files of the test data, except for files of one long line.
fn fixtures() -> &'static [Fixture] {
    static FIXTURES: OnceLock<Vec<Fixture>> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        let folders = fs::read_dir(data.join("formats")).unwrap().map(|entry| entry.unwrap().path());
        let mut fixtures = Vec::new();
        for folder in folders.chain([data.join("wrappings")]) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.display().to_string();
                if name.ends_with("expected.json") || name.ends_with("toml") || name.contains("plain") {
                    continue;
                }
                let mut bytes = fs::read(&path).unwrap();
                if name.ends_with("gz") {
                    let packed = std::mem::take(&mut bytes);
                    flate2::read::MultiGzDecoder::new(&*packed).read_to_end(&mut bytes).unwrap();
                }
                let text = String::from_utf8(bytes).unwrap();
                let map = reader(text.clone().into_bytes(), None).ok().and_then(|(_, map)| map);
                let short = |line: &&str| line.len() < 4000;
                let lines: Vec<String> = text.lines().filter(short).map(str::to_owned).collect();
                if !lines.is_empty() {
                    let file_name = path.file_name().unwrap().to_str().unwrap();
                    let is_within =
                        |inner: &&SharedMap| inner.join.is_some() && file_name.contains(&inner.name);
                    let joins = map.as_ref().is_some_and(|map| map.join.is_some())
                        || presets::all().iter().any(|inner| is_within(&inner));
                    fixtures.push(Fixture { name, map, joins, lines });
                }
            }
        }
        fixtures.sort_by(|a, b| a.name.cmp(&b.name));
        fixtures
    })
}

fn reader(bytes: Vec<u8>, map: Option<&SharedMap>) -> crate::Result<(RecordReader, Option<SharedMap>)> {
    let candidates = Arc::new(presets::candidates());
    let mut blocks = BlockReader::from_source("test", Box::new(std::io::Cursor::new(bytes)))?;
    let (format, _) = detect_format(&mut blocks, &candidates, map)?;
    let map = format.map.clone();
    Ok((RecordReader::new(blocks, format, &candidates, None), map))
}

/// Reads an input, and checks that every record has an outcome.
fn read(bytes: &[u8], map: Option<&SharedMap>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut reader = match reader(bytes.to_vec(), map) {
        Ok((reader, _)) => reader,
        Err(_) => return Outcome { error: true, ..outcome },
    };
    let options = ParseOptions { chatbot: Some("c".into()), ..options() };
    loop {
        let raw = match reader.next_block(Vec::new()) {
            Ok(Some((raw, _))) => raw,
            Ok(None) => break,
            Err(_) => {
                outcome.error = true;
                break;
            }
        };
        let parsed = parse(raw, &options, enricher());
        outcome.read += parsed.read;
        outcome.rows += parsed.block.rows.len() as u64;
        outcome.rejected += parsed.rejected.iter().map(|rejected| rejected.count).sum::<u64>();
        outcome.ignored += parsed.ignored;
        outcome.unfinished += u64::from(parsed.unfinished.is_some());
        for row in &parsed.block.rows {
            let event = parsed.block.event(row);
            for column in [TextField::Extra, TextField::Properties, TextField::UserMetadata] {
                let json = event.text(column).unwrap_or("{}");
                let valid =
                    serde_json::from_str::<serde::de::IgnoredAny>(json).is_ok() && json.starts_with('{');
                assert!(valid, "{column:?} holds {json}");
            }
            let text = |field| event.text(field).unwrap_or("").to_owned();
            outcome.events.push([
                text(TextField::EventName),
                row.time.to_string(),
                [TextField::SessionId, TextField::AnonymousId, TextField::UserId].map(text).join("|"),
            ]);
        }
    }
    let sum = outcome.rows + outcome.rejected + outcome.ignored + outcome.unfinished;
    assert_eq!(outcome.read, sum, "{outcome:?}");
    outcome
}

/// A random edit of an input.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
    Insert(prop::sample::Index, &'static str),
}

fn change() -> impl Strategy<Value = Change> {
    let pieces = [
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\t",
        "\r",
        "\n",
        "\u{1e}",
        "null",
        "1e999",
        "\\ud800",
        "\u{0}",
        "{}",
        "[[[[[[",
        "\"\"",
        " UTC",
        "-",
        "9".repeat(40).leak(),
        "%ff",
        "\u{1f600}",
        "H4sIAAAA",
    ];
    let at = any::<prop::sample::Index>();
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at.clone(), 1..40usize).prop_map(|(at, len)| Change::Remove(at, len)),
        (at.clone(), 1..200usize).prop_map(|(at, len)| Change::Repeat(at, len)),
        (at, prop::sample::select(pieces.to_vec())).prop_map(|(at, piece)| Change::Insert(at, piece)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let end = |at: usize, len: usize, bytes: &Vec<u8>| (at + len).min(bytes.len());
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Set(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Remove(at, len) => {
            let at = at.index(bytes.len());
            bytes.drain(at..end(at, *len, bytes));
        }
        Change::Repeat(at, len) => {
            let at = at.index(bytes.len());
            let part = bytes[at..end(at, *len, bytes)].to_vec();
            bytes.splice(at..at, part);
        }
        Change::Insert(at, piece) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, piece.bytes());
        }
    }
}

/// Returns a runner of `n` random cases, multiplied by `WA_TEST_CASES`.
fn cases(n: u32) -> TestRunner {
    let factor: f64 = std::env::var("WA_TEST_CASES").ok().and_then(|f| f.parse().ok()).unwrap_or(1.0);
    TestRunner::new(Config { cases: ((f64::from(n) * factor) as u32).max(1), ..Config::default() })
}

#[test]
fn damaged_files_lose_no_other_record() {
    let index = any::<prop::sample::Index>();
    let input = (index.clone(), index, 1..12usize, prop::collection::vec(change(), 0..6), any::<bool>());
    let test = |(file, at, count, changes, given): (
        prop::sample::Index,
        prop::sample::Index,
        usize,
        Vec<Change>,
        bool,
    )| {
        let fixture = file.get(fixtures());
        let Some(map) = &fixture.map else { return Ok(()) };
        // A header, and records before and after the damaged ones.
        let header = if fixture.name.ends_with(".csv") { 1 } else { 0 };
        let (head, lines) = fixture.lines.split_at(header.min(fixture.lines.len()));
        if lines.len() < 3 {
            return Ok(());
        }
        let from = 1 + at.index(lines.len() - 2);
        let middle = &lines[from..(from + count).min(lines.len() - 1)];
        let mut damaged = middle.join("\n").into_bytes();
        changes.iter().for_each(|change| apply(&mut damaged, change));
        let (first, last) = (&lines[0], &lines[lines.len() - 1]);
        let whole = |parts: &[&[u8]]| parts.join(&b"\n"[..]);
        let head = head.join("\n");
        let mut parts: Vec<&[u8]> = Vec::new();
        if header == 1 {
            parts.push(head.as_bytes());
        }
        parts.extend([first.as_bytes(), &damaged, last.as_bytes()]);
        let bytes = [whole(&parts), b"\n".to_vec()].concat();
        let found = read(&bytes, given.then_some(map));

        // Damaged values and rows that span lines, and text that is joined, can extend over the
        // records after them.
        let spans_lines = header == 1 || fixture.joins || !is_values_or_text(first);
        if spans_lines || found.error || !given {
            return Ok(());
        }
        for line in [first, last] {
            let alone = read(&[line.as_bytes(), b"\n"].concat(), Some(map));
            for event in &alone.events {
                prop_assert!(found.events.contains(event), "{} lost {event:?} of {line}", fixture.name);
            }
        }
        Ok(())
    };
    cases(1500).run(&input, test).unwrap();
}

/// Returns whether a line consists of whole records.
fn is_values_or_text(line: &str) -> bool {
    !line.starts_with(['{', '[']) || crate::ingest::map::detect::is_values(line)
}

#[test]
fn any_bytes_are_read_by_every_preset() {
    let piece = prop_oneof![
        prop::sample::select(fixtures().iter().collect::<Vec<_>>())
            .prop_flat_map(|fixture| prop::sample::select(fixture.lines.clone()))
            .prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..80),
        "\\PC{0,40}".prop_map(String::into_bytes),
        prop::sample::select(vec!["{\"", "[", "]", "}\n{", "\n", ",", "\u{1e}", "\"\"\"\n"])
            .prop_map(|text| text.into()),
    ];
    let input = (any::<prop::sample::Index>(), prop::collection::vec(piece, 0..8), any::<bool>());
    cases(1500)
        .run(&input, |(map, pieces, lines)| {
            let map = map.get(presets::all());
            let bytes = pieces.join(if lines { &b"\n"[..] } else { &b""[..] });
            read(&bytes, Some(map));
            read(&bytes, None);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_preset_has_a_fixture() {
    for map in presets::all() {
        let is_read =
            |fixture: &Fixture| fixture.map.as_ref().is_some_and(|found| found.sha256 == map.sha256);
        // For a nested record, the fixture names only the map of the outer wrapping.
        let nested = ["cloudwatch_lambda"];
        assert!(fixtures().iter().any(is_read) || nested.contains(&map.name.as_str()), "{}", map.name);
    }
}
