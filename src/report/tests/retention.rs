//! Cohorts of hand-made sessions.

use serde_json::{Value, json};

use super::fixtures::{report_json, request_json, window};
use super::memory_tables::{MemoryTables, Session, day, session, time};
use crate::report::{Interval, Query, ReportKind, ReportRequest, RetentionOptions, run};
use crate::time::Zone;

fn request(query: &Query, retention: RetentionOptions) -> ReportRequest {
    ReportRequest { retention, ..ReportRequest::new(ReportKind::Retention, query.clone(), 0) }
}

/// Returns the first day and the visitors of each cohort, and the visitors of each of its periods.
fn cohorts(report: &Value) -> Vec<(&str, u64, Vec<u64>)> {
    let list = |value: &Value| value.as_array().unwrap().clone();
    let visitors = |value: &Value| value["visitors"].as_u64().unwrap();
    let cohort = |cohort: &'_ Value| visitors(cohort);
    report["cohorts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["cohort"].as_str().unwrap(),
                cohort(row),
                list(&row["periods"]).iter().map(visitors).collect(),
            )
        })
        .collect()
}

/// Returns sessions of three weeks, which begin on Monday, May 25th.
fn three_weeks() -> MemoryTables {
    let sent =
        |at: &str, visitor: &str| Session { counts: vec![("message_sent", 1)], ..session(at, visitor) };
    MemoryTables::new(vec![
        session("2026-05-25T00:00:00Z", "anna"),
        session("2026-05-26T10:00:00Z", "anna"),
        sent("2026-06-01T10:00:00Z", "anna"),
        sent("2026-06-02T10:00:00Z", "anna"),
        session("2026-05-31T23:59:59Z", "ben"),
        session("2026-06-08T10:00:00Z", "ben"),
        sent("2026-06-03T10:00:00Z", "carl"),
        sent("2026-06-09T10:00:00Z", "carl"),
        session("2026-06-10T10:00:00Z", "dora"),
        Session { bot: true, ..session("2026-06-03T12:00:00Z", "crawler") },
        Session { session: Some("s".to_owned()), ..session("2026-06-04T12:00:00Z", "") },
        Session { session: Some("s".to_owned()), ..session("2026-06-05T12:00:00Z", "") },
    ])
}

/// A query from Wednesday of the first week to Wednesday of the third, on June 15th.
fn may_and_june() -> Query {
    Query::new(window("2026-05-27", "2026-06-10"))
}

#[test]
fn weekly_cohorts_count_returning_visitors() {
    let report = report_json(&three_weeks(), ReportKind::Retention, &may_and_june());
    assert_eq!((&report["from"], &report["period_days"]), (&json!("2026-05-25"), &json!(17)));
    assert_eq!(
        cohorts(&report),
        [("2026-05-25", 2, vec![2, 1, 1]), ("2026-06-01", 1, vec![1, 1]), ("2026-06-08", 1, vec![1]),]
    );
    // The window ends on Wednesday, so the last week is incomplete.
    let complete: Vec<Vec<&Value>> = report["cohorts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cohort| cohort["periods"].as_array().unwrap().iter().map(|cell| &cell["complete"]).collect())
        .collect();
    assert_eq!(json!(complete), json!([[true, true, false], [true, false], [false]]));
    assert_eq!(report["cohorts"][0]["periods"][1]["rate"], json!(50));
    assert_eq!(
        report["mean"],
        json!([
            {"period": 0, "visitors": 3, "rate": 100},
            {"period": 1, "visitors": 2, "rate": 50},
            {"period": 2, "visitors": 0, "rate": null},
        ])
    );
    assert_eq!(report["session_key_visitors"], 1);
    let notes = run(&three_weeks(), &request(&may_and_june(), RetentionOptions::default())).unwrap().notes();
    assert_eq!(notes, ["1 visitor known only by a session key is left out"]);
}

#[test]
fn unbounded_return_counts_for_all_periods_before_it() {
    let options = RetentionOptions { unbounded: true, ..RetentionOptions::default() };
    let report = request_json(&three_weeks(), request(&may_and_june(), options));
    // Ben came back in the third week, so he counts for the second as well.
    assert_eq!(cohorts(&report)[0], ("2026-05-25", 2, vec![2, 2, 1]));
}

#[test]
fn return_needs_the_event() {
    let options =
        RetentionOptions { return_event: Some("message_sent".to_owned()), ..RetentionOptions::default() };
    let report = request_json(&three_weeks(), request(&may_and_june(), options));
    assert_eq!(
        cohorts(&report),
        [("2026-05-25", 2, vec![0, 1, 0]), ("2026-06-01", 1, vec![1, 1]), ("2026-06-08", 1, vec![0]),]
    );
    let options =
        RetentionOptions { return_event: Some("mesage_sent".to_owned()), ..RetentionOptions::default() };
    let notes = run(&three_weeks(), &request(&may_and_june(), options)).unwrap().notes();
    let note = "no session has the event \"mesage_sent\": did you mean \"message_sent\"?";
    assert!(notes.contains(&note.to_owned()), "{notes:?}");
}

#[test]
fn visitor_first_seen_before_the_window_is_in_no_cohort() {
    let mut tables = three_weeks();
    tables.first_seen_times.insert(("shop", "anonymous", "anna".to_owned()), time("2025-01-01"));
    let report = report_json(&tables, ReportKind::Retention, &may_and_june());
    assert_eq!(cohorts(&report)[0], ("2026-05-25", 1, vec![1, 0, 1]));
}

#[test]
fn same_id_of_another_chatbot_is_another_visitor() {
    let mut tables = three_weeks();
    tables.sessions.push(Session { chatbot: "docs", ..session("2026-06-02T10:00:00Z", "ben") });
    let report = report_json(&tables, ReportKind::Retention, &may_and_june());
    assert_eq!(cohorts(&report)[..2], [("2026-05-25", 2, vec![2, 1, 1]), ("2026-06-01", 2, vec![2, 1])]);
    let docs = Query { chatbots: vec!["docs".to_owned()], ..may_and_june() };
    let report = report_json(&tables, ReportKind::Retention, &docs);
    assert_eq!(cohorts(&report)[..2], [("2026-05-25", 0, vec![0, 0, 0]), ("2026-06-01", 1, vec![1, 0])]);
}

#[test]
fn periods_follow_the_time_zone() {
    // In Berlin, Monday begins at 22:00 UTC on Sunday.
    let mut tables = MemoryTables::new(vec![
        session("2026-05-31T21:59:59Z", "a"),
        session("2026-05-31T22:00:00Z", "a"),
        session("2026-05-31T22:00:00Z", "b"),
    ]);
    tables.zone = Zone::parse("Europe/Berlin").unwrap();
    let report = report_json(&tables, ReportKind::Retention, &may_and_june());
    assert_eq!(cohorts(&report)[..2], [("2026-05-25", 1, vec![1, 1, 0]), ("2026-06-01", 1, vec![1, 0])]);
}

#[test]
fn session_begun_before_first_seen_time_is_in_period_0() {
    let mut tables =
        MemoryTables::new(vec![Session { seconds: 7_200, ..session("2026-05-31T23:00:00Z", "a") }]);
    // The first event with the visitor's id is after midnight.
    tables.first_seen_times.insert(("shop", "anonymous", "a".to_owned()), time("2026-06-01T00:30:00Z"));
    tables.derives_first_seen = false;
    let report = report_json(&tables, ReportKind::Retention, &may_and_june());
    assert_eq!(cohorts(&report)[..2], [("2026-05-25", 0, vec![0, 0, 0]), ("2026-06-01", 1, vec![1, 0])]);
}

#[test]
fn cohort_with_pruned_sessions_is_left_out() {
    let mut tables = three_weeks();
    tables.sessions_pruned = Some(day("2026-05-26"));
    tables.sessions.retain(|session| session.start > time("2026-05-27"));
    tables.first_seen_times.insert(("shop", "anonymous", "anna".to_owned()), time("2026-05-25"));
    let outcome = run(&tables, &request(&may_and_june(), RetentionOptions::default())).unwrap();
    let report = serde_json::to_value(&outcome).unwrap();
    assert_eq!(cohorts(&report), [("2026-06-01", 1, vec![1, 1]), ("2026-06-08", 1, vec![1])]);
    let note = "sessions up to 2026-05-26 are pruned: the first cohort begins on 2026-06-01";
    assert!(outcome.notes().contains(&note.to_owned()), "{:?}", outcome.notes());
    tables.sessions_pruned = Some(day("2026-06-10"));
    let outcome = run(&tables, &request(&may_and_june(), RetentionOptions::default())).unwrap();
    assert_eq!(serde_json::to_value(&outcome).unwrap()["cohorts"], json!([]));
    let note = "sessions up to 2026-06-10 are pruned: no cohort of the window is known";
    assert!(outcome.notes().contains(&note.to_owned()), "{:?}", outcome.notes());
}

#[test]
fn more_periods_than_can_be_counted_are_a_usage_error() {
    let tables = MemoryTables::new(vec![session("2020-01-01", "a"), session("2026-06-01", "a")]);
    let query = Query::new(window("2020-01-01", "2026-06-10"));
    let options = RetentionOptions { interval: Interval::Day, ..RetentionOptions::default() };
    let Err(error) = run(&tables, &request(&query, options)) else { panic!("no error") };
    assert_eq!(error.to_string(), "the window has more than 1024 days");
}

#[test]
fn mean_is_compared_with_the_previous_period() {
    // One of two visitors of the week of May 18th comes back in the next week. The visitor of June
    // 1st does not.
    let tables = MemoryTables::new(vec![
        session("2026-05-18T10:00:00Z", "anna"),
        session("2026-05-19T10:00:00Z", "ben"),
        session("2026-05-25T10:00:00Z", "anna"),
        session("2026-06-01T10:00:00Z", "carl"),
        Session { session: Some("s".to_owned()), ..session("2026-06-02T12:00:00Z", "") },
    ]);
    let query = Query::new(window("2026-06-01", "2026-06-14"));
    let request = ReportRequest { compare: true, ..request(&query, RetentionOptions::default()) };
    let comparison = request_json(&tables, request)["comparison"].clone();
    assert_eq!((&comparison["from"], &comparison["to"]), (&json!("2026-05-18"), &json!("2026-05-31")));
    let change = |current: u64, previous: u64, change: i64, percent: i64| json!({"current": current, "previous": previous, "change": change, "change_percent": percent});
    assert_eq!(
        comparison["mean"][1],
        json!({"period": "1", "status": "kept", "visitors": change(1, 2, -1, -50),
            "rate": change(0, 50, -50, -100)})
    );
    assert_eq!(comparison["mean"].as_array().unwrap().len(), 2);
    assert_eq!(comparison["session_key_visitors"]["current"], 1);
}
