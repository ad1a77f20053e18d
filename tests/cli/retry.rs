//! `wa rejects --retry`: ingests rejected lines again.

use serde_json::Value;

use crate::harness::{Sandbox, root};

/// Returns the events of a store with their ids, without the ingest times.
fn events(sandbox: &Sandbox, store: &str) -> Vec<String> {
    let flags = "events --from 2020-01-01 --order oldest --format ndjson --limit all";
    let output = sandbox.wa(&format!("--store {store} {flags}")).output();
    let mut lines: Vec<String> = output
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            let event = event.as_object_mut().unwrap();
            event.remove("created_at");
            serde_json::to_string(event).unwrap()
        })
        .collect();
    lines.sort();
    lines
}

/// Retries the rejected lines, and checks that another ingest of the log then changes nothing.
fn retry(sandbox: &Sandbox, flags: &str, again: &str) -> Value {
    let summary = sandbox.wa(&format!("rejects --retry --format json {flags}")).json();
    let before = events(sandbox, "wa-store");
    let rejects = sandbox.wa("rejects --format json").json()["lines"].clone();
    let second = sandbox.run(format!("ingest --force --format json {again}").split(' '));
    let second: Value = serde_json::from_str(&second.stdout()).unwrap();
    assert_eq!(second["total"]["stored"], 0, "{second}");
    assert_eq!(events(sandbox, "wa-store"), before);
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], rejects);
    summary
}

#[test]
fn retried_lines_have_the_ids_of_their_log() {
    let sandbox = Sandbox::new();
    let line = |session: &str, name: &str| {
        format!(r#"{{"session_id":"{session}","event_name":"{name}","timestamp":"2026-11-09T10:00:00Z"}}"#)
    };
    // Lines without an id: one occurs three times, one has white space around it, and two share a
    // line.
    let (a, b, c) = (line("s", "a"), line("s", "b"), line("t", "c"));
    let log = format!("{a}\n  {a}\n{a}\n{b}\n{c} {b}\n{a}\n");
    sandbox.write("a.ndjson", log);
    sandbox.wa("ingest a.ndjson").exits(4);
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], 4);
    let summary = retry(&sandbox, "--chatbot shop", "a.ndjson --chatbot shop");
    assert_eq!(
        (&summary["lines"], &summary["accepted"], &summary["total"]["stored"]),
        (&4.into(), &4.into(), &7.into()),
        "{summary}"
    );
    sandbox.wa("--store direct ingest a.ndjson --chatbot shop").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
    assert_eq!(sandbox.wa("rejects").output(), "0 rejected lines\n");
    sandbox.wa("verify").exits(0);
}

#[test]
fn lines_of_several_ingests_have_the_ids_of_their_log() {
    let sandbox = Sandbox::new();
    let line = r#"{"session_id":"s","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    let other = line.replace("\"a\"", "\"b\"");
    // The same event with other white space around it is another rejected line. The rejected lines
    // of another file are stored between these two.
    sandbox.write("a.ndjson", format!("{line}\n"));
    sandbox.write("b.ndjson", format!("{other}\n"));
    sandbox.wa("ingest a.ndjson").exits(4);
    sandbox.wa("ingest b.ndjson").exits(4);
    sandbox.write("a.ndjson", format!("{line}\n  {line}\n"));
    sandbox.write("b.ndjson", format!("\t{other}\n{other}\n   {other}\n"));
    sandbox.wa("ingest a.ndjson").exits(4);
    sandbox.wa("ingest b.ndjson").exits(4);
    retry(&sandbox, "--chatbot c", "a.ndjson b.ndjson --chatbot c");
    sandbox.wa("--store direct ingest a.ndjson b.ndjson --chatbot c").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
    assert_eq!(events(&sandbox, "direct").len(), 5);
}

#[test]
fn line_that_is_rejected_again_stays_with_its_new_reason() {
    let sandbox = Sandbox::new();
    let good = r#"{"session_id":"s","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    let late = r#"{"session_id":"s","event_name":"a","timestamp":"soon"}"#;
    sandbox.write("logs/a.ndjson", format!("{good}\n{late}\n{{broken\n"));
    sandbox.write("logs/b.ndjson", format!("{late}\n{}\n", good.replace("\"a\"", "\"b\"")));
    sandbox.wa("ingest logs").exits(4);
    let summary = retry(&sandbox, "--chatbot c --file a.ndjson", "logs/a.ndjson --chatbot c");
    assert_eq!(summary["total"]["rejected"], serde_json::json!({"bad_timestamp": 1, "not_json": 1}));
    let list = sandbox.wa("rejects --format json").json();
    let reasons = serde_json::json!({"bad_timestamp": 1, "no_chatbot_id": 1, "not_json": 1});
    assert_eq!((&list["reasons"], &list["files"]["logs/b.ndjson"]), (&reasons, &1.into()), "{list}");
    let none = sandbox.wa("rejects --retry --format json --reason not_json").json();
    assert_eq!(
        (&none["lines"], &none["accepted"], &none["rejected_again"]),
        (&1.into(), &0.into(), &1.into())
    );
}

#[test]
fn lines_of_csv_are_read_by_another_map() {
    let sandbox = Sandbox::new();
    let folder = root().join("tests/data/formats/csv");
    for name in ["visits.csv", "map.toml"] {
        sandbox.write(name, std::fs::read(folder.join(name)).unwrap());
    }
    sandbox.wa("ingest visits.csv --chatbot demo").exits(4);
    let summary = sandbox.wa("rejects --retry --format json --map map.toml --chatbot demo").json();
    sandbox.wa("--store direct ingest visits.csv --map map.toml --chatbot demo").exits(0);
    // One row spans two lines. It cannot be assembled from rejected lines, so it is not retried.
    assert_eq!(summary["unreadable"]["row_over_lines"], 2, "{summary}");
    let direct = events(&sandbox, "direct");
    let retried = events(&sandbox, "wa-store");
    assert_eq!(retried.len() + 1, direct.len());
    assert!(retried.iter().all(|event| direct.contains(event)));
    let again = sandbox.wa("ingest visits.csv --map map.toml --chatbot demo --format json").json();
    assert_eq!(again["total"]["stored"], 1, "{again}");
    assert_eq!(events(&sandbox, "wa-store"), direct);
}

#[test]
fn mapped_and_wrapped_lines_are_read_as_before() {
    let sandbox = Sandbox::new();
    let inner = r#"{\"session_id\":\"s\",\"event_name\":\"a\"}"#;
    let docker = |second: u32| {
        format!(r#"{{"log":"{inner}\n","stream":"stdout","time":"2026-11-09T10:00:{second:02}.000000000Z"}}"#)
    };
    sandbox.write("docker.log", format!("{}\n{}\n{}\n", docker(1), docker(2), docker(1)));
    let mapped = r#"{"event":"x","distinct_id":"d","uuid":"","timestamp":"2026-11-09T10:00:00Z","properties":{"$session_id":"1"}}"#;
    sandbox.write("posthog.jsonl", format!("{mapped}\n{mapped}\n"));
    sandbox.wa("ingest docker.log").exits(4);
    sandbox.wa("ingest posthog.jsonl --map posthog").exits(4);
    let again = "docker.log --chatbot c";
    let summary = retry(&sandbox, "--file docker.log --chatbot c", again);
    assert_eq!(summary["total"]["stored"], 3, "{summary}");
    let summary =
        retry(&sandbox, "--file posthog.jsonl --chatbot c", "posthog.jsonl --map posthog --chatbot c");
    assert_eq!(summary["total"]["stored"], 2, "{summary}");
    sandbox.wa("--store direct ingest docker.log --chatbot c").exits(0);
    sandbox.wa("--store direct ingest posthog.jsonl --map posthog --chatbot c").exits(0);
    assert_eq!(events(&sandbox, "wa-store"), events(&sandbox, "direct"));
}

#[test]
fn line_without_its_ip_addresses_is_not_retried() {
    let sandbox = Sandbox::new();
    let line = r#"{"ip":"192.0.2.7","user_agent":"x","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    sandbox.write("a.ndjson", format!("{line}\n"));
    sandbox.wa("ingest a.ndjson --ip drop").exits(4);
    let run = sandbox.wa("rejects --retry --chatbot c").exits(0);
    run.says("0 of 1 line is no longer rejected")
        .says("1 line was not read: IP addresses were removed")
        .warns("ingest their files again: wa ingest FILE");
    assert_eq!(sandbox.wa("rejects --format json").json()["lines"], 1);
}

#[test]
fn retry_needs_a_store_and_a_map_of_events() {
    let sandbox = Sandbox::new();
    sandbox.wa("rejects --retry").exits(1).warns("there is no wa store");
    assert!(!sandbox.path("wa-store").exists());
    sandbox.wa("rejects --map segment").exits(2);
    sandbox.wa("init").exits(0);
    sandbox.wa("rejects --retry --map docker").exits(2).warns("wa ingest FILE --map docker");
    sandbox.wa("rejects --retry --format ndjson").exits(2);
}
