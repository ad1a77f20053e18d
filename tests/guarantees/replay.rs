//! Events that `wa events` lists and `wa ingest` takes back are the same rows; and what a list reads.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use wa::report::{EventQuery, Predicate, Tables, Window, list_events};
use wa::store::Store;
use wa::store::columns::Table;
use wa::store::frame::Frame;
use wa::store::ledger::Ledger;
use wa::store::snapshot::Snapshot;
use wa::time::{Day, Micros, SECOND, Zone};

use super::agreement;
use super::disk::Chance;
use super::logs::{self, Seed};
use super::place::{self, ends};
use super::tables::{self, DATES, Row};

const NOW: &str = "2027-01-01T00:00:00Z";

/// A log with all kinds of lines: envelopes, typed lines, fields that are not known, all forms of
/// times and ids.
fn all_kinds() -> Vec<String> {
    let mut chance = Chance(11);
    let seeds: Vec<Seed> = (0..600).map(|_| std::array::from_fn(|_| chance.below(256) as u8)).collect();
    let mut lines = logs::lines(&seeds, 0, 1800 * SECOND);
    let odd = |fields: &str| {
        format!(
            "{{\"chatbot_id\":\"odd\",\"event_name\":\"e\",\"timestamp\":\"2026-10-24T12:00:00Z\",{fields}}}"
        )
    };
    // Fields of the wrong type, keys that are escaped or given twice, blanks of all kinds, and what a
    // terminal would act upon.
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
        .map(odd),
    );
    lines
}

/// Takes lines into a store of that name; returns its tables.
fn store_of(folder: &Path, name: &str, lines: &str) -> tables::Tables {
    let log = folder.join(format!("{name}.ndjson"));
    fs::write(&log, lines).unwrap();
    let mut ingest = place::wa(folder, NOW);
    ingest.env("WA_KEY_FILE", folder.join("the-key")).args(["--store", name, "--quiet", "ingest"]).arg(&log);
    ends(&mut ingest, 0);
    tables::read(&Store::new(folder.join(name)).snapshot().unwrap()).unwrap()
}

/// Returns what `wa events` prints.
fn events(folder: &Path, store: &str, flags: &[&str]) -> String {
    let mut command = place::wa(folder, NOW);
    command.args(["--store", store, "events", "--from", "2025-01-01", "--to", "2026-12-31"]);
    if !flags.contains(&"--limit") {
        command.args(["--limit", "0"]);
    }
    let output = ends(command.args(flags), 0);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn replayed_events_make_the_same_tables() {
    for lines in [all_kinds(), agreement::log()] {
        let folder = place::folder();
        fs::write(folder.path().join("the-key"), "5a".repeat(32)).unwrap();
        let original = store_of(folder.path(), "original", &(lines.join("\n") + "\n"));
        assert!(original["events"].len() > 600);
        for (name, order) in [("newest", "newest"), ("oldest", "oldest")] {
            let replay = events(folder.path(), "original", &["--format", "ndjson", "--order", order]);
            assert_eq!(replay.lines().count(), original["events"].len());
            let again = store_of(folder.path(), name, &replay);
            if let Some(difference) = tables::difference(&original, &again, DATES) {
                panic!("{order} first: {difference}");
            }
        }
    }
}

type Fits = fn(&Row) -> bool;

/// Filters, and what each lets through, told by the rows.
const FILTERS: [(&[&str], Fits); 16] = [
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
        // This parser gives up on an object with 1e400 in it.
        let odd = row["chatbot_id"] == "odd" && row["session_id"] == "7";
        odd || row["properties"]["n"].as_f64().is_some_and(|n| n > 100.0)
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
fn a_filter_lists_the_events_that_fit_in_order_in_every_form() {
    let folder = place::folder();
    fs::write(folder.path().join("the-key"), "5a".repeat(32)).unwrap();
    let original = store_of(folder.path(), "original", &(all_kinds().join("\n") + "\n"));
    let text = |row: &Row, column: &str| row[column].as_str().unwrap_or_default().to_owned();
    for (number, (flags, fits)) in FILTERS.into_iter().enumerate() {
        let mut expected: Vec<&Row> = original["events"].iter().filter(|row| fits(row)).collect();
        expected.sort_by_key(|row| (row["timestamp"].as_i64().unwrap(), text(row, "id")));
        assert!(
            !expected.is_empty() && expected.len() < original["events"].len(),
            "{flags:?} decides nothing"
        );
        let ids: Vec<String> = expected.iter().map(|row| text(row, "id")).collect();

        // NDJSON, taken in by an empty store: the same rows, and no others.
        let oldest = [flags, &["--format", "ndjson", "--order", "oldest"]].concat();
        let lines = events(folder.path(), "original", &oldest);
        let again = store_of(folder.path(), &format!("again-{number}"), &lines);
        let only =
            |tables: &tables::Tables| -> tables::Tables { [("events", tables["events"].clone())].into() };
        let mut part = only(&original);
        part.get_mut("events").unwrap().retain(fits);
        if let Some(difference) = tables::difference(&part, &only(&again), DATES) {
            panic!("{flags:?}: {difference}");
        }
        // CSV, newest first: the same in the other order.
        let csv = events(folder.path(), "original", &[flags, &["--format", "csv"]].concat());
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let found: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
        assert!(found.iter().eq(ids.iter().rev()), "{flags:?} as CSV: {found:?}");
        // A limit takes the first of them.
        let five = events(folder.path(), "original", &[flags, &["--format", "csv", "--limit", "5"]].concat());
        let first: Vec<String> = csv::Reader::from_reader(five.as_bytes())
            .records()
            .map(|row| row.unwrap()[0].to_owned())
            .collect();
        assert!(first.iter().eq(ids.iter().rev().take(5)), "{flags:?}, five of them: {first:?}");
        // The table says how many there are.
        let table = events(folder.path(), "original", flags);
        let s = if ids.len() == 1 { "" } else { "s" };
        assert!(table.contains(&format!("\n{} event{s}\n", ids.len())), "{flags:?}\n{table}");
    }
}

/// Tables that note what is read of them.
struct Noting {
    snapshot: Snapshot,
    reads: Mutex<Vec<(Day, Day, BTreeSet<String>)>>,
}

impl Tables for Noting {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> wa::Result<Vec<Frame>> {
        assert_eq!(table, Table::Events, "a list of events needs no other table");
        let (from, to) = days.expect("a list of events names its days");
        let columns_read = columns.iter().map(|name| (*name).to_owned()).collect();
        self.reads.lock().unwrap().push((from, to, columns_read));
        self.snapshot.read(table, days, columns)
    }

    fn zone(&self) -> Zone {
        self.snapshot.zone()
    }

    fn timeout(&self) -> Micros {
        self.snapshot.timeout()
    }

    fn days(&self) -> Option<(Day, Day)> {
        self.snapshot.days()
    }

    fn event_dates(&self) -> Option<(Day, Day)> {
        self.snapshot.event_dates()
    }

    fn sessions_pruned_through(&self) -> Option<Day> {
        None
    }

    fn ledger(&self) -> wa::Result<Arc<Ledger>> {
        Ok(Arc::default())
    }
}

#[test]
fn a_list_reads_only_the_days_and_columns_that_it_needs() {
    // One event a day at noon, for forty days; one of them is rare.
    let folder = place::folder();
    fs::write(folder.path().join("the-key"), "5a".repeat(32)).unwrap();
    let first = Day::parse("2026-03-01").unwrap();
    let line = |day: i32| {
        let name = if day == 20 { "rare" } else { "common" };
        let (date, screen) = (first.plus(day), 100 + day);
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s{day}\",\"event_name\":\"{name}\",\
             \"timestamp\":\"{date}T12:00:00Z\",\"screen_width\":{screen},\"properties\":{{\"n\":{day}}}}}\n"
        )
    };
    store_of(folder.path(), "store", &(0..40).map(line).collect::<String>());
    let list = |wanted: &dyn Fn(EventQuery) -> EventQuery, columns: &[&str]| {
        let snapshot = Store::new(folder.path().join("store")).snapshot().unwrap();
        let tables = Noting { snapshot, reads: Mutex::new(Vec::new()) };
        let window = Window { from: first, to: first.plus(39), today: first.plus(60) };
        let mut rows = 0;
        let listing = list_events(&tables, &wanted(EventQuery::all(window)), columns, &mut |frame| {
            rows += frame.height();
            Ok(ControlFlow::Continue(()))
        });
        assert_eq!(listing.unwrap().listed, rows);
        (rows, tables.reads.into_inner().unwrap())
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();

    // The newest three: the last days alone, once for what puts events in order, once for the listed rows.
    let (rows, reads) = list(&|all| EventQuery { limit: Some(3), ..all }, &["event_name"]);
    assert_eq!(rows, 3);
    assert!(reads.iter().all(|(from, ..)| *from >= first.plus(30)), "{reads:?}");
    let (order, whole): (Vec<_>, Vec<_>) =
        reads.iter().partition(|(.., columns)| *columns == set(&["timestamp", "id"]));
    let days = |(from, to, _): &&(Day, Day, _)| (*from, *to);
    assert!(order.iter().map(days).eq(whole.iter().map(days)), "{reads:?}");
    assert!(order.iter().map(|(from, to, _)| to.0 - from.0 + 1).sum::<i32>() <= 7, "{reads:?}");
    assert!(
        whole.iter().all(|(.., columns)| *columns == set(&["event_name", "timestamp", "id"])),
        "{reads:?}"
    );

    // A rare name: of all days but its own, no column but those that decide.
    let wanted = |all| EventQuery { names: vec!["rare".into()], ..all };
    let (rows, reads) = list(&wanted, &["properties", "timestamp"]);
    assert_eq!(rows, 1);
    let (deciding, whole): (Vec<_>, Vec<_>) =
        reads.iter().partition(|(.., columns)| *columns == set(&["event_name", "timestamp"]));
    let covered: BTreeSet<i32> = deciding.iter().flat_map(|(from, to, _)| from.0..=to.0).collect();
    assert!(covered.is_superset(&(first.0..first.0 + 40).collect()), "{deciding:?}");
    let all = set(&["event_name", "timestamp", "properties", "id"]);
    assert_eq!(whole, [&(first.plus(20), first.plus(20), all)]);

    // A condition on a property reads properties, and no more.
    let condition = Predicate::parse("properties.n=99").unwrap();
    let wanted = |all| EventQuery { predicates: vec![condition.clone()], ..all };
    let (rows, reads) = list(&wanted, &["page_url"]);
    assert_eq!(rows, 0);
    assert!(reads.iter().all(|(.., columns)| *columns == set(&["timestamp", "properties"])), "{reads:?}");
}

#[test]
fn json_of_events_and_sessions_is_json_whatever_blanks_the_log_has() {
    let folder = place::folder();
    fs::write(folder.path().join("the-key"), "5a".repeat(32)).unwrap();
    let line = "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"e\",\"timestamp\":\"2026-10-24T12:00:00Z\",\
                \"properties\":{\"a\":\t1,\r \"b\":2},\"user_metadata\":{\"p\":\t\"\u{9b}\"}}\n";
    store_of(folder.path(), "store", line);
    let listed: Value =
        serde_json::from_str(&events(folder.path(), "store", &["--format", "ndjson"])).unwrap();
    assert_eq!(listed["properties"], serde_json::json!({"a": 1, "b": 2}));
    let mut report = place::wa(folder.path(), NOW);
    let output = ends(report.args(["--store", "store", "report", "sessions", "--format", "json"]), 0);
    let sessions: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(sessions["sessions"][0]["user_metadata"]["p"], "\u{9b}");
}

#[test]
fn readers_that_hold_their_files_lose_none_to_a_writer() {
    let folder = place::folder();
    fs::write(folder.path().join("the-key"), "5a".repeat(32)).unwrap();
    let lines = all_kinds().join("\n") + "\n";
    let events = store_of(folder.path(), "store", &lines)["events"].len();
    let snapshot = Store::new(folder.path().join("store")).snapshot().unwrap();
    let held = snapshot.pin_files(Table::Events, None).unwrap();
    // What a writer does that has put others in their place.
    fs::remove_dir_all(folder.path().join("store/events")).unwrap();
    assert!(snapshot.read(Table::Events, None, &["id"]).unwrap_err().is_missing_file());
    // Twice, as a list reads them: first what decides, then all.
    for columns in [&["event_name"][..], &["id", "properties"]] {
        let frames = held.read(Table::Events, None, columns).unwrap();
        assert_eq!(frames.iter().map(Frame::height).sum::<usize>(), events);
    }
}
