//! Tests of all rules on small logs, with findings determined by hand.

use std::ops::ControlFlow;

use super::*;
use crate::report::{EventQuery, Window, list_events};
use crate::testing::{NOW, TestStore, clock};
use crate::time::Day;

/// Ingests events and checks them. An event is given as its name and the JSON of further fields.
fn lint(options: LintOptions, events: &[(&str, &str)]) -> LintReport {
    linter(options, events).finish()
}

fn linter(options: LintOptions, events: &[(&str, &str)]) -> Linter {
    let lines: Vec<String> = events
        .iter()
        .enumerate()
        .map(|(index, (name, fields))| {
            let comma = if fields.is_empty() { "" } else { "," };
            let (hour, minute, second) = (10 + index / 3600, index / 60 % 60, index % 60);
            format!(
                r#"{{"chatbot_id":"c","session_id":"s","event_id":"e{index}","event_name":"{name}","timestamp":"2026-11-09T{hour}:{minute:02}:{second:02}Z"{comma}{fields}}}"#
            )
        })
        .collect();
    let test_store = TestStore::new();
    let log = test_store.write_log("log.ndjson", &lines);
    assert_eq!(test_store.ingest(&log, NOW).stored, events.len() as u64);
    let snapshot = test_store.store().snapshot().unwrap();
    let today = snapshot.zone().day(clock(NOW).now);
    let window = Window { from: Day(0), to: today, today };
    let query = EventQuery { newest_first: false, ..EventQuery::all(window) };
    let mut linter = Linter::new(options);
    list_events(&snapshot, &query, &COLUMNS, &mut |frame| {
        linter.add(frame)?;
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    linter
}

/// Returns rule, event name, property and number of events of each finding.
fn findings(report: &LintReport) -> Vec<(Rule, &str, Option<&str>, u64)> {
    let finding = |f: &'_ Finding| (f.rule, f.events);
    report
        .findings
        .iter()
        .map(|f| (finding(f).0, f.event_name.as_str(), f.property.as_deref(), finding(f).1))
        .collect()
}

#[test]
fn good_events_have_no_findings() {
    let report = lint(
        LintOptions::default(),
        &[
            ("message_sent", r#""event_category":"engagement","properties":{"message_length":3}"#),
            ("message_sent", r#""event_category":"engagement","properties":{"message_length":4.5,"x":null}"#),
            ("slow_response", r#""event_category":"performance","page_url":"https://a.example/2026-11-09""#),
        ],
    );
    assert_eq!((report.events, report.event_names), (3, 2));
    assert_eq!(findings(&report), []);
}

#[test]
fn names_and_categories_are_checked() {
    let report = lint(
        LintOptions::default(),
        &[
            ("buttonClicked", r#""event_category":"ui""#),
            ("buttonClicked", ""),
            ("page_view", ""),
            ("action", ""),
        ],
    );
    let expected = [
        (Rule::NameCase, "buttonClicked", None, 2),
        (Rule::NameTense, "action", None, 1),
        (Rule::NameGeneric, "action", None, 1),
        (Rule::Category, "buttonClicked", None, 1),
        (Rule::NameTense, "page_view", None, 1),
    ];
    assert_eq!(findings(&report), expected);
    let message = |rule: Rule, name: &str| {
        let finding = report.findings.iter().find(|f| f.rule == rule && f.event_name == name);
        finding.map(|f| f.message.clone()).unwrap_or_default()
    };
    assert_eq!(message(Rule::NameCase, "buttonClicked"), "is not snake_case: write button_clicked");
    assert_eq!(message(Rule::NameTense, "page_view"), "is not in the past tense: write page_viewed");
}

#[test]
fn size_of_properties_is_checked() {
    // {"a":"…"} has 8 bytes in addition to the text.
    let properties = |length: usize| format!(r#""properties":{{"a":"{}"}}"#, "x".repeat(length - 8));
    let report =
        lint(LintOptions::default(), &[("a_done", &properties(1024)), ("b_done", &properties(1025))]);
    assert_eq!(findings(&report), [(Rule::PropertiesSize, "b_done", None, 1)]);
    assert_eq!(report.findings[0].samples[0].value.as_deref(), Some("1025 bytes"));
}

#[test]
fn mixed_types_are_counted_per_event_name() {
    let report = lint(
        LintOptions::default(),
        &[
            ("a_done", r#""properties":{"n":1,"b":{"m":"x"},"l":[1,2]}"#),
            ("a_done", r#""properties":{"n":"1","b":{"m":"y"},"l":[]}"#),
            ("a_done", r#""properties":{"n":2,"b":{"m":true},"l":["x",null]}"#),
            ("b_done", r#""properties":{"n":"text"}"#),
        ],
    );
    let expected = [
        (Rule::MixedTypes, "a_done", Some("b.m"), 1),
        (Rule::MixedTypes, "a_done", Some("l[]"), 1),
        (Rule::MixedTypes, "a_done", Some("n"), 1),
    ];
    assert_eq!(findings(&report), expected);
    assert_eq!(report.findings[2].message, "has values of several types: number (2), string (1)");
    let samples: Vec<_> = report.findings[2].samples.iter().filter_map(|s| s.value.as_deref()).collect();
    assert_eq!(samples, ["1", "1"]);
}

#[test]
fn personal_data_is_found_and_masked() {
    let report = lint(
        LintOptions::default(),
        &[
            (
                "form_submitted",
                r#""properties":{"contact":{"email":"ada@example.com"},"phone":"03090182012"}"#,
            ),
            ("form_submitted", r#""properties":{"note":"card 4111 1111 1111 1111","order":"2026-11-09"}"#),
            ("page_viewed", r#""page_url":"https://a.example/?mail=ada%40example.org""#),
        ],
    );
    let expected = [
        (Rule::EmailAddress, "form_submitted", Some("contact.email"), 1),
        (Rule::PhoneNumber, "form_submitted", Some("phone"), 1),
        (Rule::CardNumber, "form_submitted", Some("note"), 1),
        (Rule::EmailAddress, "page_viewed", Some("page_url"), 1),
    ];
    assert_eq!(findings(&report), expected);
    let json = serde_json::to_string(&report).unwrap();
    for secret in ["ada@", "ada%40", "0901820", "4111"] {
        assert!(!json.contains(secret), "{secret}: {json}");
    }
    let sample = &report.findings[0].samples[0];
    assert_eq!(sample.value.as_deref(), Some("a***@***.com"));
    assert_eq!(sample.session_id.as_deref(), Some("s"));
    assert_eq!(sample.timestamp, "2026-11-09T10:00:00Z");
}

#[test]
fn rules_can_be_selected_and_left_out() {
    let events = [("buttonClick", "")];
    let only = LintOptions { only: vec![Rule::NameCase], ..LintOptions::default() };
    assert_eq!(findings(&lint(only, &events)), [(Rule::NameCase, "buttonClick", None, 1)]);
    let ignored = LintOptions { ignored: vec![Rule::NameCase], ..LintOptions::default() };
    assert_eq!(findings(&lint(ignored, &events)), [(Rule::NameTense, "buttonClick", None, 1)]);
}

#[test]
fn events_are_checked_against_a_plan() {
    let plan = r#"{"events":{
        "a_done": {"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}},
        "c_done": {}
    }}"#;
    let options = LintOptions { plan: Some(TrackingPlan::parse(plan).unwrap()), ..LintOptions::default() };
    let report = lint(
        options,
        &[
            ("a_done", r#""properties":{"n":1}"#),
            ("a_done", r#""properties":{"n":1.5}"#),
            ("a_done", ""),
            ("b_done", ""),
        ],
    );
    let expected = [
        (Rule::PlanViolation, "a_done", None, 1),
        (Rule::PlanViolation, "a_done", Some("n"), 1),
        (Rule::PlanUnknownEvent, "b_done", None, 1),
        (Rule::PlanUnusedEvent, "c_done", None, 0),
    ];
    assert_eq!(findings(&report), expected);
}

#[test]
fn inferred_plan_has_all_event_names() {
    let options = LintOptions { infer_plan: true, ..LintOptions::default() };
    let plan = linter(options, &[("a_done", r#""properties":{"n":1}"#), ("b_done", "")]).into_plan();
    let file: serde_json::Value = serde_json::from_str(&plan.to_json()).unwrap();
    assert_eq!(file["events"]["a_done"]["properties"]["n"], serde_json::json!({"type": "integer"}));
    assert!(file["events"]["b_done"].is_object());
}

#[test]
fn event_with_several_untracked_findings_counts_once() {
    let names: Vec<String> = (0..6000).map(|number| format!("Opened {number}")).collect();
    let events: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), r#""event_category":"odd""#)).collect();
    let only = [Rule::NameCase, Rule::Category].into_iter().collect();
    let report = lint(LintOptions { only, ..LintOptions::default() }, &events);
    // Each event has two findings, and the first 10,000 findings are tracked.
    assert_eq!((report.events, report.findings.len(), report.untracked), (6000, 10_000, 1000));
}
