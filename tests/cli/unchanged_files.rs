//! Logs that were taken in before: skipped, read on, or read again.

use serde_json::{Value, json};

use crate::harness::Place;

/// An event with an id of its own.
fn event(number: usize) -> String {
    format!(
        "{{\"id\":\"e{number}\",\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\
         \"timestamp\":\"2026-11-09T08:00:{:02}Z\"}}\n",
        number % 60
    )
}

/// What an ingest says of its only log.
fn ingest(place: &Place, store: &str) -> Value {
    let account = place.wa(&format!("--store {store} ingest logs --format json")).json();
    let [file] = account["files"].as_array().unwrap().as_slice() else { panic!("{account}") };
    file.clone()
}

fn generation(place: &Place) -> Value {
    let manifest: Value = serde_json::from_str(&place.read("store/manifest.json")).unwrap();
    let generation = &manifest["manifest"]["generation"];
    assert!(generation.is_u64(), "{manifest}");
    generation.clone()
}

#[test]
fn resumed_log_is_unchanged_until_it_grows() {
    let place = Place::new();
    place.write("logs/a.ndjson", event(1));
    assert_eq!(ingest(&place, "store")["outcome"], "read");
    let first = event(1).len();
    place.write("logs/a.ndjson", event(1) + &event(2));
    let read_on = ingest(&place, "store");
    assert_eq!(
        (&read_on["outcome"], &read_on["from"], &read_on["stored"]),
        (&json!("resumed"), &json!(first), &json!(1))
    );
    let committed = generation(&place);
    for _ in 0..2 {
        assert_eq!(ingest(&place, "store")["outcome"], "unchanged");
    }
    assert_eq!(generation(&place), committed);
    place.write("logs/a.ndjson", event(1) + &event(2) + &event(3));
    assert_eq!(ingest(&place, "store")["from"], 2 * first);
}

#[test]
fn unfinished_line_over_the_limit_is_one_line() {
    let place = Place::new();
    let beginning = event(1) + &"x".repeat(1_200_000);
    place.write("logs/a.ndjson", &beginning);
    let first = ingest(&place, "store");
    assert_eq!((&first["read"], &first["stored"], &first["unfinished"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(first["rejected"], json!({}));
    // It is too long for a hash of the end to tell that nothing has changed: it is read again.
    let again = ingest(&place, "store");
    assert_eq!((&again["outcome"], &again["stored"]), (&json!("resumed"), &json!(0)));
    // What comes next belongs to that line.
    place.write("logs/a.ndjson", beginning + &event(2) + &event(3));
    let (on, anew) = (ingest(&place, "store"), ingest(&place, "other"));
    assert_eq!(on["from"], event(1).len());
    assert_eq!((&on["stored"], &anew["stored"]), (&json!(1), &json!(2)));
    assert_eq!(
        (&on["rejected"], &anew["rejected"]),
        (&json!({"line_too_long": 1}), &json!({"line_too_long": 1}))
    );
    let stored = |store: &str| {
        let text = place.wa(&format!("--store {store} export")).output();
        text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(stored("store"), stored("other"));
}

#[test]
fn log_completed_in_place_is_resumed() {
    let place = Place::new();
    // A log of a size that was set beforehand: what is not written yet is zeros.
    let log = |lines: usize| {
        let mut bytes: Vec<u8> = (0..lines).map(event).collect::<String>().into();
        bytes.resize(300 << 10, 0);
        place.write("logs/a.ndjson", bytes);
    };
    log(1);
    assert_eq!(ingest(&place, "store")["stored"], 1);
    log(3);
    assert_eq!(ingest(&place, "store")["stored"], 2);
}

#[test]
fn forced_log_is_registered_once() {
    let place = Place::new();
    for events in 1..5 {
        place.write("logs/a.ndjson", (0..events).map(event).collect::<String>());
        place.wa("--store store ingest --force logs").exits(0);
    }
    let run = place.wa("--store store status").exits(0);
    assert!(run.stdout.contains("known logs   1\n"), "{run}");
    assert_eq!(ingest(&place, "store")["outcome"], "unchanged");
}

#[test]
fn folder_named_twice_causes_no_warning() {
    let place = Place::new();
    place.write("logs/a.ndjson", event(1));
    place.write("empty/readme.txt", "");
    for inputs in ["logs logs", "log* logs"] {
        let run = place.wa(&format!("ingest {inputs}")).exits(0);
        assert!(!run.stderr.contains("no logs"), "{run}");
    }
    let run = place.wa("--store other ingest empty").exits(0).warns("no logs");
    assert!(!place.path("other").exists(), "{run}");
}

#[test]
fn unfinished_last_lines_are_counted() {
    let place = Place::new();
    for name in ["a", "b"] {
        place.write(&format!("logs/{name}.ndjson"), event(1) + "{\"chatbot_id\"");
    }
    place.wa("ingest logs/a.ndjson").exits(0).warns("1 unfinished last line is left");
    place.wa("--store other ingest logs").exits(0).warns("2 unfinished last lines are left");
}
