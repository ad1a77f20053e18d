//! The report `conversations` on a few events, which can be counted by hand.

use serde_json::{Value, json};

use super::fixtures::{june, report_json, request_json, with_properties};
use super::memory_tables::{Event, MemoryTables, Session, day, event, session, time};
use crate::report::sequence::event_pattern::EventPattern;
use crate::report::*;

const ANNA: &str = "s-anna-2026-06-01T22:30:00Z";
const BEN: &str = "s-ben-2026-06-03T09:00:00Z";

/// Two conversations and two other sessions.
fn tables() -> MemoryTables {
    let mut tables = MemoryTables::new(vec![
        Session { seconds: 100, page: Some("/pricing"), ..session("2026-06-01T22:30:00Z", "anna") },
        Session { seconds: 51, ..session("2026-06-03T09:00:00Z", "ben") },
        session("2026-06-04T09:00:00Z", "eve"),
        Session { bot: true, ..session("2026-06-05T09:00:00Z", "crawler") },
    ]);
    let rated = |at, id, rating: &str| with_properties(rating, event(at, id, "feedback_given"));
    tables.events = vec![
        event("2026-06-01T22:30:00Z", ANNA, "message_received"), // a greeting
        event("2026-06-01T22:30:10Z", ANNA, "message_sent"),
        event("2026-06-01T22:30:20Z", ANNA, "message_sent"),
        // The reply comes 30 s after the first message; its `response_time_ms` does not count.
        with_properties(r#"{"response_time_ms":1}"#, event("2026-06-01T22:30:40Z", ANNA, "message_received")),
        event("2026-06-01T22:30:50Z", ANNA, "handed_over"),
        event("2026-06-01T22:31:00Z", ANNA, "message_sent"),
        event("2026-06-01T22:31:10Z", ANNA, "message_received"),
        rated("2026-06-01T22:31:20Z", ANNA, r#"{"rating":5}"#),
        rated("2026-06-01T22:31:30Z", ANNA, r#"{"rating":2}"#),
        rated("2026-06-01T22:31:40Z", ANNA, r#"{"comment":"thanks"}"#),
        event("2026-06-03T09:00:00Z", BEN, "message_sent"),
        event("2026-06-03T09:00:51Z", BEN, "widget_minimized"),
        // A rating without a conversation.
        rated("2026-06-04T09:00:00Z", "s-eve-2026-06-04T09:00:00Z", r#"{"rating":5}"#),
        event("2026-06-05T09:00:00Z", "s-crawler-2026-06-05T09:00:00Z", "message_sent"),
    ];
    tables
}

fn request() -> ReportRequest {
    ReportRequest::new(ReportKind::Conversations, june(), time("2026-06-15T12:00:00Z"))
}

#[test]
fn conversations_are_counted_from_their_events() {
    let mut request = request();
    let events = &mut request.sequences.definitions.conversations;
    events.handoff = vec![EventPattern::event("handed_over")];
    events.resolution = vec![EventPattern::event("resolved")];
    let mut found = request_json(&tables(), request);
    let (hours, weekdays) = (found["hours"].take(), found["weekdays"].take());
    assert_eq!(
        found,
        json!({
            "chatbot_id": null, "period_days": 10, "from": "2026-06-01", "to": "2026-06-10",
            "conversations": 2, "answered": 1, "unanswered": 1, "dropped": 1, "answered_rate": 50,
            "messages_per_conversation": 3.5, "avg_duration_seconds": 76,
            "first_response_ms": {"count": 1, "mean": 30_000, "p50": 30_000, "p75": 30_000, "p90": 30_000},
            "reply_ms": {"count": 2, "mean": 20_000, "p50": 10_000, "p75": 30_000, "p90": 30_000},
            "csat": {"ratings": 2, "positive": 1, "rate": 50, "response_rate": 50},
            "handoffs": {"conversations": 1, "rate": 50}, "resolutions": {"conversations": 0, "rate": 0},
            "hours": null, "weekdays": null,
        })
    );
    // In UTC, anna wrote on a Monday at 22:30, and ben on a Wednesday at 9:00.
    let row = |rows: &Value, key: &str, number: i64| {
        rows.as_array().unwrap().iter().find(|row| row[key] == number).unwrap().clone()
    };
    assert_eq!((hours.as_array().unwrap().len(), weekdays.as_array().unwrap().len()), (24, 7));
    assert_eq!(
        row(&hours, "hour", 22),
        json!({"hour": 22, "conversations": 1, "unanswered": 0,
               "first_response_p50_ms": 30_000, "first_response_p90_ms": 30_000})
    );
    assert_eq!(
        row(&weekdays, "weekday", 3),
        json!({"weekday": 3, "conversations": 1, "unanswered": 1,
               "first_response_p50_ms": null, "first_response_p90_ms": null})
    );
}

#[test]
fn hour_and_weekday_follow_the_time_zone() {
    let mut tables = tables();
    tables.zone = crate::time::Zone::parse("Europe/Berlin").unwrap();
    // In Berlin, anna's session starts on Tuesday, June 2nd, at 0:30.
    let found = report_json(&tables, ReportKind::Conversations, &june());
    assert_eq!(
        (&found["hours"][0]["conversations"], &found["weekdays"][1]["weekday"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(found["weekdays"][1]["conversations"], 1);
}

#[test]
fn list_has_a_row_for_each_conversation() {
    let mut request = request();
    request.sequences.lists_conversations = true;
    let found = request_json(&tables(), request.clone());
    let rows = found["list"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let id = rows[1]["id"].as_str().unwrap();
    assert_eq!(
        rows[1],
        json!({
            "started_at": "2026-06-01T22:30:00Z", "outcome": "answered", "session_id": ANNA,
            "anonymous_id": "anna", "user_id": null, "id": id, "chatbot_id": "shop",
            "landing_page": "/pricing", "channel": null, "utm_source": null, "referrer_domain": null,
            "first_response_ms": 30_000, "mean_reply_ms": 20_000, "messages_sent": 3,
            "messages_received": 3, "duration_seconds": 100, "ratings": 2, "positive_ratings": 1,
        })
    );
    assert_eq!((&rows[0]["session_id"], &rows[0]["outcome"]), (&json!(BEN), &json!("unanswered")));
    request.limit = Some(1);
    let outcome = run(&tables(), &request).unwrap();
    assert_eq!(serde_json::to_value(&outcome).unwrap()["list"].as_array().unwrap().len(), 1);
    assert!(outcome.notes().iter().any(|note| note.starts_with("the newest 1 of 2 conversations")));
}

#[test]
fn list_of_many_conversations_has_the_newest() {
    let mut tables = MemoryTables::new(Vec::new());
    for number in 0..600 {
        let at = format!("2026-06-{:02}T{:02}:{:02}:00Z", 1 + number % 10, number % 24, number % 60);
        let session = Session { seconds: 1, ..session(&at, &format!("v{number}")) };
        let id = session.session.clone().unwrap();
        tables.events.push(Event { session: Some(id), ..event(&at, "", "message_sent") });
        tables.sessions.push(session);
    }
    let mut starts: Vec<i64> = tables.sessions.iter().map(|session| session.start).collect();
    starts.sort_unstable_by(|a, b| b.cmp(a));
    let mut request = ReportRequest { limit: Some(7), ..request() };
    request.sequences.lists_conversations = true;
    let found = request_json(&tables, request);
    let listed: Vec<i64> = found["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| time(row["started_at"].as_str().unwrap()))
        .collect();
    assert_eq!(listed, starts[..7]);
}

#[test]
fn conversation_with_pruned_events_is_left_out() {
    let mut tables = tables();
    tables.events_pruned = Some(day("2026-06-01"));
    let outcome = run(&tables, &request()).unwrap();
    assert_eq!(serde_json::to_value(&outcome).unwrap()["conversations"], 1);
    assert!(outcome.notes().iter().any(|note| note.starts_with("events up to 2026-06-01 are pruned")));
    assert!(!outcome.notes().iter().any(|note| note.ends_with("property such as rating")));
}
