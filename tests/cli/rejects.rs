//! `wa rejects`: lists rejected lines.

use crate::harness::Sandbox;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let good = r#"{"chatbot_id":"c","session_id":"s","event_name":"a","timestamp":"2026-11-09T10:00:00Z"}"#;
    sandbox.write("logs/a.ndjson", format!("{good}\n{{broken\n[1]\n\u{1b}[31m{{\n"));
    sandbox.write("logs/b.ndjson", format!("{{\"event_name\":\"a\"}}\n{good}\n"));
    sandbox.wa("ingest logs").exits(0);
    sandbox
}

#[test]
fn rejects_are_counted_by_reason_and_file() {
    let sandbox = sandbox();
    let list = sandbox.wa("rejects --format json").json();
    assert_eq!(list["lines"], 4);
    assert_eq!(list["reasons"], serde_json::json!({"no_chatbot_id": 1, "not_an_object": 1, "not_json": 2}));
    assert_eq!(list["files"], serde_json::json!({"logs/a.ndjson": 3, "logs/b.ndjson": 1}));
    let texts: Vec<&str> =
        list["rejects"].as_array().unwrap().iter().filter_map(|r| r["raw"].as_str()).collect();
    assert_eq!(texts, ["{broken", "[1]", "\u{1b}[31m{", "{\"event_name\":\"a\"}"]);
}

#[test]
fn rejects_are_filtered_by_reason_and_file() {
    let sandbox = sandbox();
    let lines = |arguments: &str| -> Vec<u64> {
        let output = sandbox.wa(&format!("rejects --format ndjson {arguments}")).output();
        let line = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["line"].as_u64();
        output.lines().filter_map(line).collect()
    };
    assert_eq!(lines(""), [2, 3, 4, 1]);
    assert_eq!(lines("--reason not_json"), [2, 4]);
    assert_eq!(lines("--file b.ndjson"), [1]);
    assert_eq!(lines("--file logs/a.ndjson --reason not_an_object"), [3]);
    let none = sandbox.wa("rejects --format ndjson --file ndjson").exits(0);
    assert_eq!(none.warns("no rejected line has this reason and file").stdout(), "");
    assert_eq!(lines("--limit 1 --reason not_json"), [4]);
    let run = sandbox.wa("rejects --reason not_jsn").exits(2);
    run.warns("did you mean not_json?");
}

#[test]
fn table_of_rejects_fits_and_is_escaped() {
    let sandbox = sandbox().with("COLUMNS", "80");
    let output = sandbox.wa("rejects --limit 3").output();
    assert!(output.starts_with("4 rejected lines\n"), "{output}");
    assert!(output.contains("logs/a.ndjson:4"), "{output}");
    assert!(output.contains("the last 3 of 4; use --limit all to show all"), "{output}");
    assert!(!output.contains('\u{1b}'), "{output}");
    assert!(output.lines().all(|line| line.chars().count() <= 80), "{output}");
}

#[test]
fn table_shows_the_beginning_of_a_long_line() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", format!("{{{}\n", "é\t".repeat(30_000)));
    sandbox.wa("ingest a.ndjson").exits(4);
    let output = sandbox.wa("rejects").output();
    assert!(output.contains("é\\té\\t") && output.lines().all(|line| line.chars().count() < 300), "{output}");
}

#[test]
fn store_without_rejects_prints_a_note() {
    let sandbox = Sandbox::new();
    sandbox.wa("init").exits(0);
    assert_eq!(sandbox.wa("rejects").output(), "0 rejected lines\n");
}

#[test]
fn json_of_rejects_has_no_terminal_controls() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", "{\u{9b}31m\u{202e}\n");
    sandbox.wa("ingest a.ndjson").exits(4);
    let output = sandbox.wa("rejects --format json").output();
    assert!(!output.contains(['\u{9b}', '\u{202e}']), "{output}");
    let list: serde_json::Value = serde_json::from_str(&output).expect("JSON");
    assert_eq!(list["rejects"][0]["raw"], "{\u{9b}31m\u{202e}");
}
