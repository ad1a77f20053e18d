//! Logs that were ingested before: unchanged, resumed, or read again.

use serde_json::{Value, json};

use crate::harness::Sandbox;

/// Returns the line of an event with an event id.
fn event(number: usize) -> String {
    format!(
        "{{\"id\":\"e{number}\",\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\
         \"timestamp\":\"2026-11-09T08:00:{:02}Z\"}}\n",
        number % 60
    )
}

/// Ingests a folder with one log and returns the summary of that log.
fn ingest(sandbox: &Sandbox, store: &str) -> Value {
    let account = sandbox.wa(&format!("--store {store} ingest logs --format json")).json();
    let [file] = account["files"].as_array().unwrap().as_slice() else { panic!("{account}") };
    file.clone()
}

fn generation(sandbox: &Sandbox) -> Value {
    let manifest: Value = serde_json::from_str(&sandbox.read("store/manifest.json")).unwrap();
    let generation = &manifest["manifest"]["generation"];
    assert!(generation.is_u64(), "{manifest}");
    generation.clone()
}

#[test]
fn resumed_log_is_unchanged_until_it_grows() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.ndjson", event(1));
    assert_eq!(ingest(&sandbox, "store")["outcome"], "read");
    let first = event(1).len();
    sandbox.write("logs/a.ndjson", event(1) + &event(2));
    let read_on = ingest(&sandbox, "store");
    assert_eq!(
        (&read_on["outcome"], &read_on["from"], &read_on["stored"]),
        (&json!("resumed"), &json!(first), &json!(1))
    );
    let committed = generation(&sandbox);
    for _ in 0..2 {
        assert_eq!(ingest(&sandbox, "store")["outcome"], "unchanged");
    }
    assert_eq!(generation(&sandbox), committed);
    sandbox.write("logs/a.ndjson", event(1) + &event(2) + &event(3));
    assert_eq!(ingest(&sandbox, "store")["from"], 2 * first);
}

#[test]
fn unfinished_line_over_the_limit_is_one_line() {
    let sandbox = Sandbox::new();
    let beginning = event(1) + &"x".repeat(1_200_000);
    sandbox.write("logs/a.ndjson", &beginning);
    let first = ingest(&sandbox, "store");
    assert_eq!((&first["read"], &first["stored"], &first["unfinished"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(first["rejected"], json!({}));
    // The unfinished line is longer than the hashed end of the file, so the file is read again.
    let again = ingest(&sandbox, "store");
    assert_eq!((&again["outcome"], &again["stored"]), (&json!("resumed"), &json!(0)));
    // The next bytes belong to that line.
    sandbox.write("logs/a.ndjson", beginning + &event(2) + &event(3));
    let (resumed, fresh) = (ingest(&sandbox, "store"), ingest(&sandbox, "other"));
    assert_eq!(resumed["from"], event(1).len());
    assert_eq!((&resumed["stored"], &fresh["stored"]), (&json!(1), &json!(2)));
    assert_eq!(
        (&resumed["rejected"], &fresh["rejected"]),
        (&json!({"line_too_long": 1}), &json!({"line_too_long": 1}))
    );
    let stored = |store: &str| {
        let text = sandbox.wa(&format!("--store {store} export")).output();
        text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(stored("store"), stored("other"));
}

#[test]
fn log_completed_in_place_is_resumed() {
    let sandbox = Sandbox::new();
    // A preallocated log: the part that is not written yet is zeros.
    let log = |lines: usize| {
        let mut bytes: Vec<u8> = (0..lines).map(event).collect::<String>().into();
        bytes.resize(300 << 10, 0);
        sandbox.write("logs/a.ndjson", bytes);
    };
    log(1);
    assert_eq!(ingest(&sandbox, "store")["stored"], 1);
    log(3);
    assert_eq!(ingest(&sandbox, "store")["stored"], 2);
}

#[test]
fn forced_log_is_registered_once() {
    let sandbox = Sandbox::new();
    for events in 1..5 {
        sandbox.write("logs/a.ndjson", (0..events).map(event).collect::<String>());
        sandbox.wa("--store store ingest --force logs").exits(0);
    }
    let run = sandbox.wa("--store store status").exits(0);
    assert!(run.stdout.contains("ingested files  1\n"), "{run}");
    assert_eq!(ingest(&sandbox, "store")["outcome"], "unchanged");
}

#[test]
fn folder_named_twice_causes_no_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.ndjson", event(1));
    sandbox.write("empty/readme.txt", "");
    for inputs in ["logs logs", "log* logs"] {
        let run = sandbox.wa(&format!("ingest {inputs}")).exits(0);
        assert!(!run.stderr.contains("no logs"), "{run}");
    }
    let run = sandbox.wa("--store other ingest empty").exits(0).warns("no logs");
    assert!(!sandbox.path("other").exists(), "{run}");
}

#[test]
fn unfinished_last_lines_are_counted() {
    let sandbox = Sandbox::new();
    for name in ["a", "b"] {
        sandbox.write(&format!("logs/{name}.ndjson"), event(1) + "{\"chatbot_id\"");
    }
    sandbox.wa("ingest logs/a.ndjson").exits(0).warns("1 unfinished last line is left");
    sandbox.wa("--store other ingest logs").exits(0).warns("2 unfinished last lines are left");
}
