//! Logs in other formats, read by their maps.
//!
//! Each folder of `tests/data/formats` contains the files of one format. An independent program
//! computed the figures in `expected.json`. `normal.ndjson` contains the same events as native
//! lines, which result in the same tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wa::store::Store;

use super::harness::wa;
use super::support::fixtures::{folder, run_expecting};
use super::support::tables::{self, Row, Tables};

/// A time after all events.
const NOW: &str = "2026-11-20T00:00:00Z";

/// The columns that differ between a format and its native lines: ids of events without an id in
/// the log, fields that the map does not read, and the times of storing.
const NOT_COMPARED: [&str; 6] = ["id", "first_event_id", "merge_state", "extra", "created_at", "updated_at"];

/// Returns a folder of test data.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Reads a JSON file of the test data.
pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Ingests files into the store `name` of a folder with a fixed key. Returns the ingest summary.
pub fn ingest(folder: &Path, name: &str, files: &[PathBuf], arguments: &[String]) -> Value {
    crate::support::fixtures::write_key(&folder.join("the-key"));
    let mut command = wa(folder, NOW);
    command.env("WA_KEY_FILE", folder.join("the-key"));
    command.args(["--store", name, "ingest", "--format", "json"]).args(arguments).args(files);
    serde_json::from_slice(&run_expecting(&mut command, 0).stdout).unwrap()
}

/// Returns the tables of the store `name` of a folder.
pub fn read_tables(folder: &Path, name: &str) -> Tables {
    tables::read(&Store::new(folder.join(name)).snapshot().unwrap()).unwrap()
}

/// Returns the differences between two sets of tables in the columns that are compared.
pub fn difference(expected: &Tables, found: &Tables, not_compared: &[&str]) -> Option<String> {
    let sorted = |tables: &Tables| -> Tables {
        let rows = |rows: &Vec<Row>| {
            let mut rows: Vec<Row> = rows.clone();
            rows.iter_mut().for_each(|row| row.retain(|name, _| !not_compared.contains(&name.as_str())));
            rows.sort_by_cached_key(|row| {
                let first = ["chatbot_id", "timestamp", "started_at", "event_name", "event_id"];
                let first = first.map(|name| row.get(name).map(Value::to_string));
                (first, format!("{row:?}"))
            });
            rows
        };
        tables.iter().map(|(name, table)| (*name, rows(table))).collect()
    };
    tables::difference(&sorted(expected), &sorted(found), &[])
}

/// Returns the figures of a store, sorted, under the keys of `expected.json`.
pub fn figures(folder: &Path, store: &str, expected: &Value, bots: bool) -> Value {
    let day = |key: &str| expected[key].as_str().unwrap()[..10].to_owned();
    let report = |name: &str| -> Value {
        let mut command = wa(folder, NOW);
        command.args(["--store", store, "report", name, "--format", "json"]);
        command.args(["--from", &day("first_event_time"), "--to", &day("last_event_time")]);
        if bots {
            command.arg("--include-bots");
        }
        if name != "summary" {
            command.args(["--limit", "100"]);
        }
        serde_json::from_slice(&run_expecting(&mut command, 0).stdout).unwrap()
    };
    let counts = |rows: &Value, label: &str, count: &str| -> BTreeMap<String, Value> {
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| (row[label].as_str().unwrap().to_owned(), row[count].clone())).collect()
    };
    let summary = report("summary")["summary"].clone();
    let (sources, devices) = (report("sources"), report("devices"));
    json!({
        "sessions": summary["total_sessions"],
        "visitors": summary["unique_visitors"],
        "conversations": summary["total_conversations"],
        "messages_sent": summary["total_messages_sent"],
        "messages_received": summary["total_messages_received"],
        "top_events": counts(&report("events")["events"], "event_name", "event_count"),
        "sources": {
            "utm_sources": counts(&sources["utm_sources"], "source", "count"),
            "referrers": counts(&sources["referrers"], "domain", "count"),
            "channels": counts(&sources["channels"], "channel", "count"),
        },
        "devices": counts(&devices["devices"], "type", "count"),
    })
}

/// Asserts that a store has the figures of `expected.json`, with and without bots. For small
/// fixtures, the file contains only the relevant figures.
pub fn assert_figures(folder: &Path, store: &str, expected: &Value) {
    for (bots, expected_here) in [(true, expected), (false, &expected["without_bots"])] {
        let found = figures(folder, store, expected, bots);
        let mut compared = 0;
        for (key, value) in found.as_object().unwrap() {
            let Some(expected) = expected_here.get(key) else { continue };
            compared += 1;
            if key != "sources" {
                assert_eq!(value, expected, "bots {bots}: {key}");
                continue;
            }
            for (list, counts) in expected.as_object().unwrap() {
                assert_eq!(value[list], *counts, "bots {bots}: {list}");
            }
        }
        assert!(compared > 0, "no figures are expected");
    }
}

/// Asserts that the first and the last event have the expected times.
pub fn assert_times(tables: &Tables, expected: &Value) {
    let micros = |key: &str| wa::time::parse_human(expected[key].as_str().unwrap()).unwrap();
    let times: Vec<i64> = tables["events"].iter().map(|row| row["timestamp"].as_i64().unwrap()).collect();
    assert_eq!(times.iter().min(), Some(&micros("first_event_time")));
    assert_eq!(times.iter().max(), Some(&micros("last_event_time")));
}

fn check(name: &str) {
    let data = data("formats").join(name);
    let expected = read_json(&data.join("expected.json"));
    let mut arguments = texts(&expected["args"]);
    let files: Vec<PathBuf> = texts(&expected["files"]).iter().map(|file| data.join(file)).collect();
    let folder = folder();
    let native = ingest(folder.path(), "native", &[data.join("normal.ndjson")], &[]);
    assert_eq!(native["total"]["stored"], expected["events"]);
    if name == "csv" {
        // Use a custom map, as a user would.
        arguments.extend(["--map".to_owned(), data.join("map.toml").to_str().unwrap().to_owned()]);
    }

    let summary = ingest(folder.path(), "mapped", &files, &arguments);
    let total = &summary["total"];
    for (key, found) in [
        ("read", &total["read"]),
        ("events", &total["stored"]),
        ("duplicates", &total["duplicate"]),
        ("ignored", &total["ignored"]),
        ("rejected", &total["rejected"]),
    ] {
        assert_eq!(*found, expected[key], "{key}");
    }
    for file in summary["files"].as_array().unwrap() {
        let map = file["map"].as_str().unwrap();
        assert!(map == expected["map"] || (name == "csv" && map.ends_with("map.toml")), "{map}");
    }
    let found = read_tables(folder.path(), "mapped");
    assert_times(&found, &expected);
    assert_figures(folder.path(), "mapped", &expected);
    let native = read_tables(folder.path(), "native");
    if let Some(difference) = difference(&native, &found, &NOT_COMPARED) {
        panic!("{name} differs from its native lines:\n{difference}");
    }

    // Ingest the files in reverse order, and then again.
    let backwards: Vec<PathBuf> = files.iter().rev().cloned().collect();
    for file in &backwards {
        ingest(folder.path(), "backwards", std::slice::from_ref(file), &arguments);
    }
    let again = ingest(folder.path(), "backwards", &files, &arguments);
    assert_eq!(again["total"]["read"], 0, "the files are unchanged");
    arguments.push("--force".to_owned());
    let forced = ingest(folder.path(), "backwards", &files, &arguments);
    assert_eq!((&forced["total"]["stored"], &forced["total"]["read"]), (&json!(0), &expected["read"]));
    assert_figures(folder.path(), "backwards", &expected);
}

macro_rules! formats {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { check($name) })*

        #[test]
        fn every_folder_of_formats_is_tested() {
            let tested = [$($name),*];
            for entry in fs::read_dir(data("formats")).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(tested.contains(&name.as_str()), "{name}");
            }
        }
    };
}

formats! {
    amplitude_export_is_read: "amplitude",
    apache_log_is_read: "apache_combined",
    caddy_log_is_read: "caddy_json",
    chatwoot_ratings_are_feedback: "chatwoot_ratings",
    chatwoot_webhooks_are_read: "chatwoot",
    cloudfront_log_is_read: "cloudfront",
    csv_is_read_with_a_custom_map: "csv",
    dialogflow_turns_are_read: "dialogflow",
    ga4_export_is_read: "ga4",
    intercom_conversations_are_read: "intercom",
    intercom_ratings_are_feedback: "intercom_ratings",
    jitsu_events_are_read_in_both_layouts: "jitsu",
    matomo_visits_are_read: "matomo",
    mixpanel_export_is_read: "mixpanel",
    nginx_log_is_read: "nginx_json",
    plausible_table_is_read: "plausible",
    posthog_exports_are_read: "posthog",
    rasa_events_are_read: "rasa",
    rasa_trackers_are_read: "rasa_tracker",
    rudderstack_dump_is_read: "rudderstack",
    segment_batches_are_read: "segment",
    snowplow_events_are_read: "snowplow",
    traefik_log_is_read: "traefik",
    umami_table_is_read: "umami",
}
