//! `wa lint`: checks logs and the store.

use crate::harness::Sandbox;

fn event(name: &str, time: &str, fields: &str) -> String {
    format!(r#"{{"chatbot_id":"c","session_id":"s","event_name":"{name}","timestamp":"{time}"{fields}}}"#)
        + "\n"
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let log = [
        event("buttonClicked", "2026-11-09T10:00:00Z", ""),
        event("message_sent", "2026-11-09T10:00:01Z", r#","properties":{"to":"ada@example.com"}"#),
        // The event is older than the retention period, but all events of a log are checked.
        event("page_viewed", "2026-01-09T10:00:01Z", r#","properties":{"n":1}"#),
        "{broken\n".to_owned(),
    ];
    sandbox.write("log.ndjson", log.concat());
    sandbox
}

#[test]
fn log_is_checked_without_a_store() {
    let sandbox = sandbox();
    let output = sandbox.run(["lint", "log.ndjson", "--format", "json"]).exits(0);
    let report: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(report["events"], 3);
    let findings: Vec<(&str, &str)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["rule"].as_str().unwrap(), f["event_name"].as_str().unwrap()))
        .collect();
    assert_eq!(findings, [("name_case", "buttonClicked"), ("email_address", "message_sent")]);
    assert!(output.stderr.contains("1 line was rejected"), "{}", output.stderr);
    assert!(!output.stdout.contains("ada@"));
    assert!(!sandbox.path("wa-store").exists());
}

#[test]
fn store_is_checked_in_a_window() {
    let sandbox = sandbox();
    sandbox.run(["ingest", "log.ndjson"]).exits(0);
    let output = sandbox.run(["lint", "--days", "7"]).exits(0);
    assert!(
        output.stdout.starts_with("Lint · all chatbots · 2026-11-04 to 2026-11-10 (7 days)\n"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("2 findings in 2 events of 2 names"), "{}", output.stdout);
    assert!(
        output.stdout.contains("name_case: is not snake_case: write button_clicked"),
        "{}",
        output.stdout
    );
}

#[test]
fn log_without_readable_events_is_an_error() {
    let sandbox = sandbox();
    sandbox.write("broken.ndjson", "{broken\n{broken\n");
    for options in [vec!["--fail-on", "0"], vec!["--infer-plan"], vec!["--format", "json"]] {
        let arguments = ["--quiet", "lint", "broken.ndjson"].into_iter().chain(options);
        let output = sandbox.run(arguments.collect::<Vec<_>>()).exits(4);
        assert_eq!(output.stdout, "");
        assert!(output.stderr.contains("no event could be read (2 rejected)"), "{}", output.stderr);
        assert!(output.stderr.contains("wa preview broken.ndjson"), "{}", output.stderr);
        assert!(!output.stderr.contains("store"), "{}", output.stderr);
    }
    sandbox.write("empty.ndjson", "");
    let output = sandbox.run(["lint", "empty.ndjson"]).exits(0);
    assert!(!output.stderr.contains("store"), "{}", output.stderr);
}

#[test]
fn large_number_matches_the_plan_inferred_from_it() {
    let sandbox = Sandbox::new();
    let digits = "9".repeat(400);
    let properties = format!(r#","properties":{{"n":1e400,"m":[-1E999],"k":{digits},"t":"1e400"}}"#);
    sandbox.write("log.ndjson", event("page_viewed", "2026-11-09T10:00:00Z", &properties));
    let plan = sandbox.run(["lint", "log.ndjson", "--infer-plan"]).exits(0).stdout;
    sandbox.write("plan.json", plan);
    let check = ["--plan", "plan.json", "--only", "plan_violation", "--fail-on", "0"];
    let lint = || sandbox.run(["lint", "log.ndjson"].into_iter().chain(check).collect::<Vec<_>>());
    lint().exits(0);
    // The number is still compared with the schema.
    sandbox.write("plan.json", r#"{"events":{"page_viewed":{"properties":{"n":{"maximum":5}}}}}"#);
    assert!(lint().exits(3).stdout.contains("page_viewed (n)"));
}

#[test]
fn fail_on_exits_with_status_3() {
    let sandbox = sandbox();
    sandbox.run(["lint", "log.ndjson", "--fail-on", "2"]).exits(0);
    let output = sandbox.run(["lint", "log.ndjson", "--fail-on", "1"]).exits(3);
    assert!(output.stderr.contains("2 findings, more than --fail-on 1"), "{}", output.stderr);
    sandbox.run(["lint", "log.ndjson", "--fail-on", "1", "--ignore", "name_case"]).exits(0);
    sandbox.run(["lint", "log.ndjson", "--fail-on", "0", "--only", "card_number"]).exits(0);
}

#[test]
fn inferred_plan_matches_its_log() {
    let sandbox = sandbox();
    let plan = sandbox.run(["lint", "log.ndjson", "--infer-plan"]).exits(0).stdout;
    sandbox.write("plan.json", plan);
    let rules = ["--only", "plan_unknown_event", "--only", "plan_violation", "--only", "plan_unused_event"];
    let lint = |log: &str| {
        let arguments = ["lint", log, "--plan", "plan.json", "--fail-on", "0"].into_iter().chain(rules);
        sandbox.run(arguments.collect::<Vec<_>>())
    };
    lint("log.ndjson").exits(0);
    sandbox.write("new.ndjson", event("page_viewed", "2026-11-09T10:00:00Z", r#","properties":{"n":"1"}"#));
    let output = lint("new.ndjson").exits(3);
    assert!(output.stdout.contains("plan_violation"), "{}", output.stdout);
    assert!(output.stdout.contains("page_viewed (n)"), "{}", output.stdout);
    assert!(output.stdout.contains("plan_unused_event"), "{}", output.stdout);
}

#[test]
fn wrong_arguments_are_errors_with_a_hint() {
    let sandbox = sandbox();
    sandbox.write("plan.json", r#"{"events":{"a":{"type":"text"}}}"#);
    for (arguments, says) in [
        (vec!["lint", "log.ndjson", "--days", "7"], "select events of the store, not of logs"),
        (vec!["lint", "log.ndjson", "--chatbot", "a", "--chatbot", "b"], "more than once"),
        (vec!["lint", "log.ndjson", "--plan", "plan.json"], "invalid tracking plan plan.json"),
        (vec!["lint", "log.ndjson", "--plan", "."], "is not a tracking plan"),
        (vec!["lint", "--only", "nothing"], "name_case"),
        (vec!["lint", "--limit", "many"], "write a number from 1 to"),
    ] {
        let output = sandbox.run(&arguments).exits(2);
        assert!(output.stderr.contains(says), "{arguments:?}: {}", output.stderr);
    }
    let output = sandbox.run(["lint", "log.ndjson", "--plan", "missing.json"]).exits(1);
    assert!(output.stderr.contains("cannot read missing.json"), "{}", output.stderr);
    let output = sandbox.run(["lint"]).exits(1);
    assert!(output.stderr.contains("there is no wa store"), "{}", output.stderr);
}
