//! The report `performance` on events that are few enough to calculate by hand.

use serde_json::json;

use super::fixtures::{june, report_json, with_properties};
use super::memory_tables::{Event, MemoryTables, Session, day, event, session};
use crate::report::sessions::{SessionsQuery, sessions};
use crate::report::*;
use crate::session::properties::response_us;

#[test]
fn responses_without_a_time_are_measured_from_the_message() {
    let id = "s-anna-2026-06-01T00:00:00Z";
    let mut tables = MemoryTables::new(vec![
        Session { seconds: 1000, ..session("2026-06-01T00:00:00Z", "anna") },
        Session { bot: true, seconds: 10, ..session("2026-06-01T00:00:00Z", "crawler") },
        // Starts on the window's last day and ends after midnight.
        Session { seconds: 1000, ..session("2026-06-10T23:59:00Z", "ben") },
        Session { seconds: 1000, ..session("2026-05-31T23:59:00Z", "eve") },
    ]);
    let error = |event: Event| Event { category: Some("error"), ..event };
    tables.events = vec![
        with_properties(r#"{"load_time_ms":250}"#, event("2026-06-01T00:00:00Z", id, "widget_loaded")),
        event("2026-06-01T00:00:10Z", id, "message_sent"),
        with_properties(
            r#"{"response_time_ms":1500}"#,
            event("2026-06-01T00:00:12Z", id, "message_received"),
        ),
        event("2026-06-01T00:01:00Z", id, "message_sent"),
        event("2026-06-01T00:01:01Z", id, "message_sent"),
        // The logged response time is invalid, so the report measures it from the first of the two
        // messages: 5 s.
        with_properties(r#"{"response_time_ms":-3}"#, event("2026-06-01T00:01:05Z", id, "message_received")),
        error(event("2026-06-01T00:02:00Z", id, "api_error")),
        error(event("2026-06-01T00:02:01Z", id, "api_error")),
        error(event("2026-06-01T00:02:01Z", id, "widget_error")),
        event("2026-06-01T00:02:02Z", id, "slow_response"),
        // An event of a bot session, and one of a session that started before the window.
        error(event("2026-06-01T00:00:05Z", "s-crawler-2026-06-01T00:00:00Z", "api_error")),
        error(event("2026-06-01T00:00:05Z", "s-eve-2026-05-31T23:59:00Z", "api_error")),
        // After the window, but of a session that started in it.
        error(event("2026-06-11T00:00:05Z", "s-ben-2026-06-10T23:59:00Z", "api_error")),
        with_properties(
            r#"{"load_time_ms":100}"#,
            event("2026-06-11T00:01:05Z", "s-ben-2026-06-10T23:59:00Z", "page_viewed"),
        ),
    ];
    let answer = report_json(&tables, ReportKind::Performance, &june());
    assert_eq!(
        answer["response_time_ms"],
        json!({"count": 2, "mean": 3250, "p50": 1500, "p75": 5000, "p95": 5000, "p99": 5000})
    );
    assert_eq!(
        answer["load_time_ms"],
        json!({"count": 2, "mean": 175, "p50": 100, "p75": 250, "p95": 250, "p99": 250})
    );
    assert_eq!(answer["slow_responses"], json!({"count": 1, "share": 50, "logged": 1}));
    assert_eq!(
        answer["errors"],
        json!([
            {"event_name": "api_error", "count": 3, "unique_sessions": 2},
            {"event_name": "widget_error", "count": 1, "unique_sessions": 1},
        ])
    );
    tables.events_pruned = Some(day("2026-06-01"));
    let report = performance::performance(&tables, &june(), None).unwrap();
    assert!(report.notes.iter().any(|note| note.starts_with("events up to 2026-06-01 are pruned")));
}

#[test]
fn response_time_is_rounded_as_in_sessions() {
    // 1024.4995 ms are 1,024,499.5 µs, rounded to 1,024,500 µs, which are 1025 ms. -0 is 0.
    let numbers = ["1024.4995", "-0", "9007199254740.993"];
    let times = numbers.map(|number| response_us(&format!("{{\"response_time_ms\":{number}}}")));
    assert_eq!(times[..2], [Some(1_024_500), Some(0)]);
    for (number, time) in numbers.into_iter().zip(times) {
        let id = "s-anna-2026-06-01T00:00:00Z";
        let mut tables = MemoryTables::new(vec![Session {
            seconds: 60,
            counts: vec![("message_received", 1)],
            response_us: time.into_iter().map(i64::unsigned_abs).collect(),
            ..session("2026-06-01T00:00:00Z", "anna")
        }]);
        let properties = format!("{{\"response_time_ms\":{number}}}");
        tables.events =
            vec![with_properties(&properties, event("2026-06-01T00:00:12Z", id, "message_received"))];
        let performance = report_json(&tables, ReportKind::Performance, &june());
        assert_eq!(performance["response_time_ms"]["count"], u64::from(time.is_some()), "{number}");
        let summary = report_json(&tables, ReportKind::Summary, &june());
        let mean = &summary["summary"]["avg_response_time_ms"];
        assert_eq!(&performance["response_time_ms"]["mean"], mean, "{number}");
    }
}

#[test]
fn event_without_session_id_belongs_to_its_visitors_session() {
    let mut tables = MemoryTables::new(vec![Session {
        session: None,
        seconds: 60,
        ..session("2026-06-01T00:00:00Z", "anna")
    }]);
    let event = event("2026-06-01T00:00:30Z", "", "widget_loaded");
    tables.events = vec![
        Event {
            session: None,
            anonymous: Some("anna".to_owned()),
            ..with_properties(r#"{"load_time_ms":1}"#, event.clone())
        },
        // An event of the same visitor with a session id belongs to another session.
        Event {
            anonymous: Some("anna".to_owned()),
            session: Some("s".to_owned()),
            ..with_properties(r#"{"load_time_ms":2}"#, event)
        },
    ];
    let answer = report_json(&tables, ReportKind::Performance, &june());
    assert_eq!(answer["load_time_ms"]["count"], 1);
    let query = SessionsQuery { visitor: Some("anna".to_owned()), ..SessionsQuery::newest() };
    let value = serde_json::to_value(sessions(&tables, &query).unwrap()).unwrap();
    assert_eq!(value["sessions"][0]["timeline"].as_array().unwrap().len(), 1);
}
