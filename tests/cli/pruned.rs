//! Reports on days whose sessions `wa gc` has pruned, as a user sees them.

use serde_json::Value;

use crate::harness::Place;

/// The line of a session of one event.
fn line(chatbot: &str, time: &str, more: &str) -> String {
    format!(
        "{{\"chatbot_id\":\"{chatbot}\",\"session_id\":\"{time}\",\"anonymous_id\":\"{time}\",\
         \"event_name\":\"widget_loaded\",\"timestamp\":\"{time}\"{more}}}\n"
    )
}

#[test]
fn a_chatbot_that_lost_no_session_has_its_visitors() {
    let place = Place::new().at("2026-06-15T12:00:00Z");
    let log = line("old", "2025-05-01T10:00:00Z", "") + &line("new", "2026-06-14T10:00:00Z", "");
    place.write("log.ndjson", log);
    place.wa("ingest -q log.ndjson").exits(0);
    place.wa("gc -q").exits(0);
    let unique = |more: &str| {
        let run = place.wa(&format!("report summary --days 500 --format json {more}"));
        let said = run.stderr.clone();
        (run.json()["summary"]["unique_visitors"].clone(), said)
    };
    assert_eq!(unique("--chatbot new"), (1.into(), String::new()));
    let pruned = "sessions up to 2025-05-01 are pruned";
    for lost in ["--chatbot old", "--chatbot old --chatbot new", ""] {
        let (figure, said) = unique(lost);
        assert!(figure == Value::Null && said.contains(pruned), "{lost}: {figure}\n{said}");
    }
}
