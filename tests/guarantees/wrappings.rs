//! Tests of native lines in the wrappings of log shippers. Each file results in the same tables as
//! the plain lines.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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

/// Returns the id of an event that is the first in its file with this line.
fn id_of_line(line: &str) -> String {
    let content = xxhash_rust::xxh3::xxh3_128(line.as_bytes()).to_le_bytes();
    let hash = xxhash_rust::xxh3::xxh3_128(&[&content[..], &0_u32.to_le_bytes()].concat());
    uuid::Uuid::new_v8(hash.to_be_bytes()).to_string()
}

#[test]
fn line_in_two_wrappings_is_one_event() {
    let folder = folder();
    let line = |second: u32| {
        json!({ "chatbot_id": "c", "session_id": "s", "event_name": "page_viewed",
                "timestamp": format!("2026-11-09T10:00:0{second}Z") })
    };
    let [first, second, third] = [line(1), line(2), line(3)];
    // Two equal lines of a file are two events.
    docker(&folder.path().join("docker.log"), &[first.clone(), first.clone(), second.clone()]);
    let journal = |(number, line): (usize, &Value)| {
        let entry = json!({ "__CURSOR": format!("s=0;i={number}"), "__REALTIME_TIMESTAMP": "1794279600000000",
                            "_HOSTNAME": "web1", "MESSAGE": line.to_string() });
        format!("{entry}\n")
    };
    let lines = [&second, &first, &third];
    let text: String = lines.into_iter().enumerate().map(journal).collect();
    fs::write(folder.path().join("journal.json"), text).unwrap();

    for (file, map, stored, duplicates) in
        [("docker.log", "docker", 3, 0), ("journal.json", "journald", 1, 2)]
    {
        let summary = ingest(folder.path(), "store", &[folder.path().join(file)], &[]);
        let total = &summary["total"];
        assert_eq!(summary["files"][0]["map"], map);
        assert_eq!((&total["stored"], &total["duplicate"]), (&json!(stored), &json!(duplicates)), "{file}");
    }
    let tables = read_tables(folder.path(), "store");
    let ids: Vec<&str> = tables["events"].iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 4);
    for line in [first, second, third] {
        assert!(ids.contains(&id_of_line(&line.to_string()).as_str()), "{line}");
    }
}

/// Ingests messages of a CloudWatch Logs subscription, which `write` writes to a file. The second
/// message delivers an event again.
fn check_cloudwatch(file: &str, map: &str, write: impl Fn(&[String]) -> Vec<u8>) {
    let event = |id: &str, message: String| json!({ "id": id, "timestamp": 1_794_279_600_000_u64, "message": message });
    let opened = json!({ "chatbot_id": "c", "session_id": "s", "event_name": "widget_opened",
                         "timestamp": "2026-11-10T02:59:00Z" });
    let sent = json!({ "chatbot_id": "c", "session_id": "s", "event_name": "message_sent" });
    let message = |kind: &str, events: Value| {
        json!({ "messageType": kind, "owner": "000000000000", "logGroup": "/ecs/chat", "logEvents": events })
            .to_string()
    };
    let runtime = event("300", "START RequestId: 0".to_owned());
    let messages = [
        message("CONTROL_MESSAGE", json!([event("", "CWL CONTROL MESSAGE: Checking health.".to_owned())])),
        message(
            "DATA_MESSAGE",
            json!([runtime, event("301", opened.to_string()), event("302", sent.to_string())]),
        ),
        message("DATA_MESSAGE", json!([event("302", sent.to_string())])),
    ];
    let folder = folder();
    let path = folder.path().join(file);
    fs::write(&path, write(&messages)).unwrap();
    let summary = ingest(folder.path(), "store", &[path], &[]);
    assert_eq!(summary["files"][0]["map"], map);
    for (outcome, count) in [("read", 5), ("stored", 2), ("duplicate", 1), ("ignored", 2)] {
        assert_eq!(summary["total"][outcome], count, "{outcome}");
    }
    let tables = read_tables(folder.path(), "store");
    let mut events: Vec<_> = tables["events"]
        .iter()
        .map(|row| ["event_name", "event_id", "timestamp"].map(|name| &row[name]))
        .collect();
    events.sort_by_key(|row| row[2].as_i64());
    // `message_sent` has no time, so it gets that of its log event: 2026-11-10T03:00:00Z.
    let expected = [
        [json!("widget_opened"), json!("301"), json!(1_794_279_540_000_000_i64)],
        [json!("message_sent"), json!("302"), json!(1_794_279_600_000_000_i64)],
    ];
    assert_eq!(events, expected.iter().map(|row| [&row[0], &row[1], &row[2]]).collect::<Vec<_>>());
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn cloudwatch_messages_in_lines_are_read() {
    check_cloudwatch("a.ndjson", "cloudwatch", |messages| (messages.join("\n") + "\n").into_bytes());
}

#[test]
fn cloudwatch_messages_without_line_feeds_are_read() {
    check_cloudwatch("a.json", "cloudwatch", |messages| messages.concat().into_bytes());
}

#[test]
fn cloudwatch_messages_compressed_one_by_one_are_read() {
    check_cloudwatch("a.json.gz", "cloudwatch", |messages| {
        messages.iter().flat_map(|message| gzip(message)).collect()
    });
}

#[test]
fn cloudwatch_messages_of_a_lambda_function_are_read() {
    check_cloudwatch("a.ndjson", "cloudwatch_lambda", |messages| {
        let line = |message: &String| {
            let line = json!({ "awslogs": { "data": STANDARD.encode(gzip(message)) } });
            format!("{line}\n")
        };
        messages.iter().map(line).collect::<String>().into_bytes()
    });
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
