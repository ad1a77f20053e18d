//! Guarantee 4, agreement, of `wa events`. Filters agree with the rows of the table, ingesting
//! listed events results in the same tables, and a list reads only the data it needs.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;

use serde_json::Value;
use wa::report::{EventQuery, Subject, TableFacts, Tables, Where, Window, list_events};
use wa::store::Store;
use wa::store::columns::Table;
use wa::store::frame::Frame;
use wa::store::snapshot::Snapshot;
use wa::time::{Day, SECOND};

use super::agreement;
use super::support::fixtures::{self, run_expecting};
use super::support::generated_logs::{self, Seed};
use super::support::rng::Rng;
use super::support::tables::{self, Row, WRITE_TIMES};

const NOW: &str = "2027-01-01T00:00:00Z";

/// Returns a log with all kinds of lines: envelopes, typed lines, unknown fields, and all formats
/// of times and ids.
fn lines_of_all_kinds() -> Vec<String> {
    let mut rng = Rng(11);
    let seeds: Vec<Seed> = (0..600).map(|_| std::array::from_fn(|_| rng.below(256) as u8)).collect();
    let mut lines = generated_logs::lines(&seeds, 0, 1800 * SECOND);
    let unusual = |fields: &str| {
        format!(
            "{{\"chatbot_id\":\"odd\",\"event_name\":\"e\",\"timestamp\":\"2026-10-24T12:00:00Z\",{fields}}}"
        )
    };
    // Fields of the wrong type, escaped or duplicate keys, all kinds of white space, and control
    // characters.
    lines.extend(
        [
            r#""session_id":"1","screen_width":"wide","page_url":{"a":1}"#,
            r#""session_id":"2","properties":[1,2],"Kind":"x","x y":null"#,
            "\"session_id\":\"3\",\"properties\":{\"a\":\t1,\r \"b\":\"x\u{9b}y\u{202e}\\u001b[31m\"}",
            r#""session_id":"4","city":"K\u00f6ln","caf\u00e9":"\"","user_metadata":{"a":{"b":[]}}"#,
            r#""session_id":"5","event_category":7,"eventId":"camel","landingPage":"/x""#,
            r#""session_id":"6","id":"short","event_id":"long","ip":"192.0.2.1","ip_address":"192.0.2.2""#,
            r#""session_id":"7","properties":{"n":12345678901234567890123,"m":1e400,"k":-0.0}"#,
            r#""session_id":"8","type":"session","timestamp":1793000000.25,"sent_at":"soon""#,
        ]
        .map(unusual),
    );
    lines
}

/// Ingests lines into a store, and returns its tables.
fn ingest_lines(folder: &Path, name: &str, lines: &str) -> tables::Tables {
    let log = folder.join(format!("{name}.ndjson"));
    fs::write(&log, lines).unwrap();
    let mut ingest = fixtures::wa(folder, NOW);
    ingest.env("WA_KEY_FILE", folder.join("the-key")).args(["--store", name, "--quiet", "ingest"]).arg(&log);
    run_expecting(&mut ingest, 0);
    tables::read(&Store::new(folder.join(name)).snapshot().unwrap()).unwrap()
}

/// Returns the output of `wa events`.
fn events(folder: &Path, store: &str, flags: &[&str]) -> String {
    let mut command = fixtures::wa(folder, NOW);
    command.args(["--store", store, "events", "--from", "2025-01-01", "--to", "2026-12-31"]);
    if !flags.contains(&"--limit") {
        command.args(["--limit", "0"]);
    }
    let output = run_expecting(command.args(flags), 0);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn agreement_of_tables_after_ingest_of_listed_events() {
    for lines in [lines_of_all_kinds(), agreement::log()] {
        let folder = fixtures::folder();
        crate::support::fixtures::write_key(&folder.path().join("the-key"));
        let original = ingest_lines(folder.path(), "original", &(lines.join("\n") + "\n"));
        assert!(original["events"].len() > 600);
        for (name, order) in [("newest", "newest"), ("oldest", "oldest")] {
            let replay = events(folder.path(), "original", &["--format", "ndjson", "--order", order]);
            assert_eq!(replay.lines().count(), original["events"].len());
            let again = ingest_lines(folder.path(), name, &replay);
            if let Some(difference) = tables::difference(&original, &again, WRITE_TIMES) {
                panic!("{order} first: {difference}");
            }
        }
    }
}

type Matches = fn(&Row) -> bool;

/// Filters, with the equivalent conditions on rows.
const FILTERS: [(&[&str], Matches); 16] = [
    (&["--name", "message_sent"], |row| row["event_name"] == "message_sent"),
    (&["--name", "api_error", "--name", "page_view"], |row| {
        row["event_name"] == "api_error" || row["event_name"] == "page_view"
    }),
    (&["--category", "engagement"], |row| row["event_category"] == "engagement"),
    (&["--category", "error", "--name", "api_error"], |row| {
        row["event_category"] == "error" && row["event_name"] == "api_error"
    }),
    (&["--session-id", "s0"], |row| row["session_id"] == "s0"),
    (&["--session-id", "s0", "--chatbot", "c1"], |row| {
        row["session_id"] == "s0" && row["chatbot_id"] == "c1"
    }),
    (&["--visitor", "a0"], |row| row["anonymous_id"] == "a0" || row["user_id"] == "a0"),
    (&["--visitor", "u0"], |row| row["anonymous_id"] == "u0" || row["user_id"] == "u0"),
    (&["--where", "properties.n=7"], |row| row["properties"]["n"] == 7),
    (&["--where", "properties.n > 100"], |row| {
        // serde_json rejects the object because of 1e400.
        let has_huge_number = row["chatbot_id"] == "odd" && row["session_id"] == "7";
        has_huge_number || row["properties"]["n"].as_f64().is_some_and(|n| n > 100.0)
    }),
    (&["--where", "properties.n<100", "--where", "properties.n>=20"], |row| {
        row["properties"]["n"].as_f64().is_some_and(|n| (20.0..100.0).contains(&n))
    }),
    (&["--where", "properties.triggered_by!=button"], |row| row["properties"]["triggered_by"] != "button"),
    (&["--where", "page_title~N1"], |row| {
        row["page_title"].as_str().is_some_and(|title| title.contains("n1"))
    }),
    (&["--where", "city="], |row| row["city"].is_null()),
    (&["--where", "extra.shoe_size=44"], |row| row["extra"]["shoe_size"] == 44),
    (&["--where", "timestamp<2026-10-25T00:00:00Z"], |row| {
        row["timestamp"].as_i64().unwrap() < 1_792_886_400_000_000
    }),
];

#[test]
fn agreement_of_event_filters_with_rows_in_every_format() {
    let folder = fixtures::folder();
    crate::support::fixtures::write_key(&folder.path().join("the-key"));
    let original = ingest_lines(folder.path(), "original", &(lines_of_all_kinds().join("\n") + "\n"));
    let text = |row: &Row, column: &str| row[column].as_str().unwrap_or_default().to_owned();
    for (number, (flags, matches)) in FILTERS.into_iter().enumerate() {
        let mut expected: Vec<&Row> = original["events"].iter().filter(|row| matches(row)).collect();
        expected.sort_by_key(|row| (row["timestamp"].as_i64().unwrap(), text(row, "id")));
        assert!(
            !expected.is_empty() && expected.len() < original["events"].len(),
            "{flags:?} matches all events or none"
        );
        let ids: Vec<String> = expected.iter().map(|row| text(row, "id")).collect();

        // NDJSON, ingested into an empty store: exactly the same rows.
        let oldest = [flags, &["--format", "ndjson", "--order", "oldest"]].concat();
        let lines = events(folder.path(), "original", &oldest);
        let again = ingest_lines(folder.path(), &format!("again-{number}"), &lines);
        let events_table =
            |tables: &tables::Tables| -> tables::Tables { [("events", tables["events"].clone())].into() };
        let mut part = events_table(&original);
        part.get_mut("events").unwrap().retain(matches);
        if let Some(difference) = tables::difference(&part, &events_table(&again), WRITE_TIMES) {
            panic!("{flags:?}: {difference}");
        }
        // CSV, newest first: the same events in reverse order.
        let csv = events(folder.path(), "original", &[flags, &["--format", "csv"]].concat());
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let found: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
        assert!(found.iter().eq(ids.iter().rev()), "{flags:?} as CSV: {found:?}");
        // With a limit, the list has only the first events.
        let five = events(folder.path(), "original", &[flags, &["--format", "csv", "--limit", "5"]].concat());
        let first: Vec<String> = csv::Reader::from_reader(five.as_bytes())
            .records()
            .map(|row| row.unwrap()[0].to_owned())
            .collect();
        assert!(first.iter().eq(ids.iter().rev().take(5)), "{flags:?}, limit 5: {first:?}");
        // The table shows the number of events.
        let table = events(folder.path(), "original", flags);
        let s = if ids.len() == 1 { "" } else { "s" };
        assert!(table.contains(&format!("\n{} event{s}\n", ids.len())), "{flags:?}\n{table}");
    }
}

/// Tables that record each read.
struct RecordingTables {
    snapshot: Snapshot,
    reads: Mutex<Vec<(Day, Day, BTreeSet<String>)>>,
}

impl Tables for RecordingTables {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> wa::Result<Vec<Frame>> {
        assert_eq!(table, Table::Events, "a list of events must read no other table");
        let (from, to) = days.expect("a list of events must restrict the days");
        let columns_read = columns.iter().map(|name| (*name).to_owned()).collect();
        self.reads.lock().unwrap().push((from, to, columns_read));
        self.snapshot.read(table, days, columns)
    }

    fn facts(&self) -> &dyn TableFacts {
        &self.snapshot
    }
}

#[test]
fn event_list_reads_only_the_required_days_and_columns() {
    // One event a day at noon, for forty days; one event has the name `rare`.
    let folder = fixtures::folder();
    crate::support::fixtures::write_key(&folder.path().join("the-key"));
    let first = Day::parse("2026-03-01").unwrap();
    let line = |day: i32| {
        let name = if day == 20 { "rare" } else { "common" };
        let (date, screen) = (first.plus(day), 100 + day);
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s{day}\",\"event_name\":\"{name}\",\
             \"timestamp\":\"{date}T12:00:00Z\",\"screen_width\":{screen},\"properties\":{{\"n\":{day}}}}}\n"
        )
    };
    ingest_lines(folder.path(), "store", &(0..40).map(line).collect::<String>());
    let list = |restrict: &dyn Fn(EventQuery) -> EventQuery, columns: &[&str]| {
        let snapshot = Store::new(folder.path().join("store")).snapshot().unwrap();
        let tables = RecordingTables { snapshot, reads: Mutex::new(Vec::new()) };
        let window = Window { from: first, to: first.plus(39), today: first.plus(60) };
        let mut rows = 0;
        let result = list_events(&tables, &restrict(EventQuery::all(window)), columns, &mut |frame| {
            rows += frame.height();
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!(result.unwrap().listed, rows);
        (rows, tables.reads.into_inner().unwrap())
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();

    // The newest three events: the list reads only the last days, once for the order and once for
    // the listed rows.
    let (rows, reads) = list(&|all| EventQuery { limit: Some(3), ..all }, &["event_name"]);
    assert_eq!(rows, 3);
    assert!(reads.iter().all(|(from, ..)| *from >= first.plus(30)), "{reads:?}");
    let (order, rows_read): (Vec<_>, Vec<_>) =
        reads.iter().partition(|(.., columns)| *columns == set(&["timestamp", "id"]));
    let days = |(from, to, _): &&(Day, Day, _)| (*from, *to);
    assert!(order.iter().map(days).eq(rows_read.iter().map(days)), "{reads:?}");
    assert!(order.iter().map(|(from, to, _)| to.0 - from.0 + 1).sum::<i32>() <= 7, "{reads:?}");
    assert!(
        rows_read.iter().all(|(.., columns)| *columns == set(&["event_name", "timestamp", "id"])),
        "{reads:?}"
    );

    // A rare event name: on days without it, only the columns of the filter are read.
    let restrict = |all| EventQuery { names: vec!["rare".into()], ..all };
    let (rows, reads) = list(&restrict, &["properties", "timestamp"]);
    assert_eq!(rows, 1);
    let (filtering, rows_read): (Vec<_>, Vec<_>) =
        reads.iter().partition(|(.., columns)| *columns == set(&["event_name", "timestamp"]));
    let covered: BTreeSet<i32> = filtering.iter().flat_map(|(from, to, _)| from.0..=to.0).collect();
    assert!(covered.is_superset(&(first.0..first.0 + 40).collect()), "{filtering:?}");
    let all = set(&["event_name", "timestamp", "properties", "id"]);
    assert_eq!(rows_read, [&(first.plus(20), first.plus(20), all)]);

    // A condition on a property reads only the properties and the time.
    let condition = Where::parse("--where", "properties.n=99", Subject::Events).unwrap();
    let restrict = |all| EventQuery { conditions: vec![condition.clone()], ..all };
    let (rows, reads) = list(&restrict, &["page_url"]);
    assert_eq!(rows, 0);
    assert!(reads.iter().all(|(.., columns)| *columns == set(&["timestamp", "properties"])), "{reads:?}");
}

#[test]
fn agreement_of_json_values_despite_white_space_in_the_log() {
    let folder = fixtures::folder();
    crate::support::fixtures::write_key(&folder.path().join("the-key"));
    let line = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"e\",\"timestamp\":\"2026-10-24T12:00:00Z\",\
                \"properties\":{\"a\":\t1,\r \"b\":2},\"user_metadata\":{\"p\":\t\"\u{9b}\"}}\n";
    ingest_lines(folder.path(), "store", line);
    let listed: Value =
        serde_json::from_str(&events(folder.path(), "store", &["--format", "ndjson"])).unwrap();
    assert_eq!(listed["properties"], serde_json::json!({"a": 1, "b": 2}));
    let mut report = fixtures::wa(folder.path(), NOW);
    let output =
        run_expecting(report.args(["--store", "store", "report", "sessions", "--format", "json"]), 0);
    let sessions: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sessions["sessions"][0]["user_metadata"]["p"], "\u{9b}");
}
