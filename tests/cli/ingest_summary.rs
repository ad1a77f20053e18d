//! The ingest summary in a terminal.

use crate::harness::Sandbox;

fn line(session: &str) -> String {
    format!(
        "{{\"chatbot_id\":\"c\",\"session_id\":\"{session}\",\"event_name\":\"e\",\"timestamp\":\"2026-11-09T12:00:00Z\"}}\n"
    )
}

#[test]
fn blank_lines_are_counted_below_the_table() {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", format!("\n{}\n \n", line("a")));
    sandbox.write("b.ndjson", line("b"));
    sandbox.wa("ingest a.ndjson").exits(0).says("\n3 blank lines (not counted)\n");
    let run = sandbox.wa("ingest b.ndjson").exits(0);
    assert!(!run.stdout.contains("blank"), "{run}");
}

#[test]
fn summary_without_commit_names_rejected_lines() {
    let sandbox = Sandbox::new();
    // Thirteen of fifteen lines are rejected.
    sandbox.write("a.ndjson", "no json\n".repeat(12) + &line("a") + &line("b") + "{\"event_name\":\"e\"}\n");
    let run = sandbox.wa("ingest a.ndjson --max-rejects 12").exits(3);
    let run = run.warns("13 lines were rejected, more than --max-rejects 12; nothing was committed");
    assert!(run.stdout.starts_with("Nothing was committed. Without --max-rejects:\n"), "{run}");
    let run = run
        .says("would store")
        .says("  a.ndjson:1 not_json\n")
        .says("  a.ndjson:10 not_json\n  and 3 more\n");
    assert!(!run.stdout.contains("stored") && !run.stdout.contains("a.ndjson:11"), "{run}");
    let run = sandbox.wa("ingest a.ndjson --max-rejects 12 --format json").exits(3);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["committed"], false);
    assert_eq!(summary["first_rejected"].as_array().unwrap().len(), 10);
    let first = serde_json::json!({"file": "a.ndjson", "line": 1, "reason": "not_json"});
    assert_eq!(summary["first_rejected"][0], first);
    // Within the limit, the rejected lines are stored and the summary is the usual one.
    let summary = sandbox.wa("ingest a.ndjson --max-rejects 13 --format json").json();
    assert_eq!((&summary["committed"], summary.get("first_rejected")), (&true.into(), None));
}

#[test]
fn json_escapes_control_characters_of_file_names() {
    let sandbox = Sandbox::new();
    // A C1 control sequence, and a character that changes the text direction.
    let name = "f\u{9b}31m\u{202e}.ndjson";
    sandbox.write(name, line("a") + "no json\n");
    let run = sandbox.run(["ingest", name, "--format", "json"]).exits(0);
    let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(summary["files"][0]["file"], name);
    assert!(run.stdout.contains(r"f\u009b31m\u202e.ndjson"), "{run}");
    // The name of an orphan file.
    sandbox.write(&format!("wa-store/rejects/{name}"), "");
    let run = sandbox.wa("verify --format json").exits(1);
    assert!(run.stdout.contains(r"rejects/f\u009b31m\u202e.ndjson"), "{run}");
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(['\u{9b}', '\u{202e}']), "{run}");
    }
}
