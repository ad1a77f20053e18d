//! Tests of native lines in the wrappings of log shippers. Each file results in the same tables as
//! the plain lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};

use super::formats::{assert_figures, assert_times, data, difference, ingest, read_json, read_tables};
use super::harness::wa;
use super::support::fixtures::{folder, run_expecting};
use super::support::tables::WRITE_TIMES;

/// The columns that differ for lines without an id if the wrapping has an id.
const IDS: [&str; 4] = ["id", "event_id", "first_event_id", "merge_state"];

#[test]
fn every_wrapping_gives_the_tables_of_the_plain_lines() {
    let data = data("wrappings");
    let expected = read_json(&data.join("expected.json"));
    let with_ids: Vec<&Value> = expected["same_tables"]["ids_differ_for_events_without_an_id"]["maps"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    let folder = folder();
    let plain: [PathBuf; 1] = [data.join("plain.ndjson")];
    ingest(folder.path(), "plain", &plain, &[]);
    let plain = read_tables(folder.path(), "plain");
    assert_times(&plain, &expected);
    assert_figures(folder.path(), "plain", &expected);

    for (file, expected) in expected["files"].as_object().unwrap() {
        let summary = ingest(folder.path(), file, &[data.join(file)], &[]);
        let total = &summary["total"];
        for (key, found) in [
            ("read", &total["read"]),
            ("events", &total["stored"]),
            ("duplicates", &total["duplicate"]),
            ("ignored", &total["ignored"]),
            ("rejected", &total["rejected"]),
            ("map", &summary["files"][0]["map"]),
        ] {
            assert_eq!(*found, expected[key], "{file}: {key}");
        }
        let mut not_compared = WRITE_TIMES.to_vec();
        if with_ids.contains(&&expected["map"]) {
            not_compared.extend(IDS);
        }
        let found = read_tables(folder.path(), file);
        if let Some(difference) = difference(&plain, &found, &not_compared) {
            panic!("{file} differs from the plain lines:\n{difference}");
        }
        // Reading the file again adds nothing.
        let forced = ingest(folder.path(), file, &[data.join(file)], &["--force".to_owned()]);
        assert_eq!(forced["total"]["stored"], 0, "{file}");
    }
}

/// Writes lines to a file in the log format of Docker.
fn docker(path: &Path, lines: &[Value]) {
    let line = |line: &Value| json!({ "log": format!("{line}\n"), "stream": "stdout", "time": "2026-11-10T00:00:00Z" });
    let text: String = lines.iter().map(|each| format!("{}\n", line(each))).collect();
    fs::write(path, text).unwrap();
}

#[test]
fn chosen_map_reads_the_values_inside_a_wrapping() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let lines: Vec<Value> = (0..3)
        .map(|i| json!({ "what": "message_sent", "who": "v-1", "when": 1_794_214_800 + i, "event_name": "no" }))
        .collect();
    docker(&path("docker.log"), &lines);
    fs::write(path("plain.ndjson"), lines.iter().map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    let event = "[event]\nevent_name = '/what'\ntimestamp = '/when'\nanonymous_id = '/who'\n";
    // Test a map with `detect` and one without.
    for (number, detect) in ["", "detect = ['/what', '/who']\n"].into_iter().enumerate() {
        let map = path(&format!("{number}.toml"));
        fs::write(&map, format!("{detect}{event}")).unwrap();
        let arguments = ["--chatbot", "c", "--map", map.to_str().unwrap()].map(str::to_owned);
        let (plain, wrapped) = (format!("plain-{number}"), format!("wrapped-{number}"));
        ingest(folder.path(), &plain, &[path("plain.ndjson")], &arguments);
        let summary = ingest(folder.path(), &wrapped, &[path("docker.log")], &arguments);
        assert_eq!(summary["total"]["stored"], 3);
        assert_eq!(summary["files"][0]["map"], format!("docker > {}", map.display()));
        let (plain, found) = (read_tables(folder.path(), &plain), read_tables(folder.path(), &wrapped));
        assert_eq!(difference(&plain, &found, WRITE_TIMES), None);
        // The file is recognized as unchanged, although the map of its wrapping is not the chosen
        // map.
        let again = ingest(folder.path(), &wrapped, &[path("docker.log")], &arguments);
        assert_eq!(again["total"]["read"], 0);
    }
}

fn ingest_expecting(folder: &Path, arguments: &[&str], status: i32) -> Output {
    let mut command = wa(folder, "2026-11-20T00:00:00Z");
    command.args(["--store", "store", "ingest", "--chatbot", "c", "--format", "json"]).args(arguments);
    run_expecting(&mut command, status)
}

#[test]
fn two_maps_that_match_a_wrapped_value_are_both_named() {
    let folder = folder();
    let nginx = json!({ "remote_addr": "192.0.2.1", "http_user_agent": "u", "msec": 1_794_214_800, "request_uri": "/a" });
    let mut both = nginx.clone();
    for key in ["ClientHost", "RequestMethod", "RequestPath", "StartUTC"] {
        both[key] = "x".into();
    }
    let log = folder.path().join("docker.log");

    // The value is among the first records, so nothing is ingested.
    docker(&log, &[nginx.clone(), both.clone()]);
    let output = ingest_expecting(folder.path(), &["docker.log"], 4);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("the maps 'nginx' and 'traefik' match equally well"), "{error}");
    assert!(error.contains("--map nginx or --map traefik"), "{error}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["total"]["stored"], 0);

    // The value comes after the first records, so the lines before it are stored.
    let line = |i: usize| if i == 150 { both.clone() } else { nginx.clone() };
    docker(&log, &(0..200).map(line).collect::<Vec<_>>());
    let output = ingest_expecting(folder.path(), &["docker.log"], 4);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("the maps 'nginx' and 'traefik' match the value at line 151"), "{error}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["total"]["stored"], 150);

    // Following the hint succeeds.
    let output = ingest_expecting(folder.path(), &["docker.log", "--map", "nginx"], 0);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        summary["total"]["stored"].as_u64().unwrap() + summary["total"]["duplicate"].as_u64().unwrap(),
        200
    );
}
