//! Lists of sessions and look-ups by id.

use serde_json::Value;

use super::fixtures::{shop, window};
use super::memory_tables::{MemoryTables, event, session, time};
use crate::report::answer::session_page::SessionPage;
use crate::report::sessions::{SessionsQuery, sessions};
use crate::report::*;
use crate::store::columns::Table;

#[test]
fn sessions_are_listed_newest_first_in_pages() {
    let tables =
        MemoryTables::new((1..=25).map(|d| session(&format!("2026-05-{d:02}T10:00:00Z"), "a")).collect());
    let ask = |page| {
        sessions(&tables, &SessionsQuery { page, limit: Some(10), ..SessionsQuery::newest() }).unwrap()
    };
    let starts = |report: &Report<SessionPage>| -> Vec<i64> {
        report.body.sessions.iter().map(|entry| entry.session.number("started_at").unwrap()).collect()
    };
    let day_of = |number: i64| time(&format!("2026-05-{number:02}T10:00:00Z"));
    assert_eq!(starts(&ask(1)), (16..=25).rev().map(day_of).collect::<Vec<_>>());
    assert_eq!(starts(&ask(3)), (1..=5).rev().map(day_of).collect::<Vec<_>>());
    assert_eq!((ask(3).body.total, ask(3).body.last_page()), (25, 3));
    assert_eq!(ask(4).body.sessions.len(), 0);
    assert_eq!(ask(4).notes, ["there is no page 4: the last page is 3"]);
    let is_rejected = |page, limit| {
        sessions(&tables, &SessionsQuery { page, limit: Some(limit), ..SessionsQuery::newest() }).is_err()
    };
    assert!(is_rejected(0, 10) && is_rejected(1, 0) && is_rejected(1, 101));
    assert!(!is_rejected(usize::MAX, 100));
}

#[test]
fn sessions_of_one_instant_are_each_on_one_page() {
    let tables =
        MemoryTables::new((0..7).map(|n| session("2026-06-01T10:00:00Z", &format!("v{n}"))).collect());
    let mut ids = Vec::new();
    for page in 1..=3 {
        let report =
            sessions(&tables, &SessionsQuery { page, limit: Some(3), ..SessionsQuery::newest() }).unwrap();
        ids.extend(report.body.sessions.iter().map(|entry| entry.session.text("id").unwrap().to_owned()));
    }
    assert_eq!(ids.len(), 7);
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn session_has_every_column_in_order_and_nested_json() {
    let report = sessions(&shop(), &SessionsQuery::newest()).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    let mut at = 0;
    for column in Table::Sessions.columns() {
        let key = format!("\"{}\":", column.name);
        at += text[at..].find(&key).unwrap_or_else(|| panic!("{key} is missing or out of order"));
    }
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["sessions"][1]["event_counts"]["message_sent"], 1);
    assert_eq!(value["sessions"][1]["started_at"], "2026-06-03T23:59:59Z");
    assert_eq!(value["total"], 5);
    assert!(value.get("from").is_none());
}

#[test]
fn timeline_has_the_first_events_up_to_the_limit() {
    let mut tables = shop();
    let id = "s-anna-2026-06-01T00:00:00Z";
    // The session of the fixture ends after 100 seconds.
    tables.events = vec![
        event("2026-06-01T00:01:40Z", id, "fourth"),
        event("2026-06-01T00:00:20Z", id, "second"),
        event("2026-06-01T00:00:00Z", id, "first"),
        event("2026-06-01T00:01:00Z", id, "third"),
    ];
    let listed = |timeline_limit| {
        let query =
            SessionsQuery { session_id: Some(id.to_owned()), timeline_limit, ..SessionsQuery::newest() };
        let report = sessions(&tables, &query).unwrap();
        let entry = &report.body.sessions[0];
        let names: Vec<String> = entry
            .timeline
            .iter()
            .flatten()
            .map(|event| event.event.text("event_name").unwrap().to_owned())
            .collect();
        (names.join(" "), entry.is_truncated, report.notes.len())
    };
    assert_eq!(listed(Some(2)), ("first second".to_owned(), true, 1));
    assert_eq!(listed(Some(3)), ("first second third".to_owned(), true, 1));
    assert_eq!(listed(Some(4)), ("first second third fourth".to_owned(), false, 0));
    assert_eq!(listed(None), ("first second third fourth".to_owned(), false, 0));
    assert_eq!(listed(Some(0)), (String::new(), false, 0));
}

#[test]
fn look_up_returns_session_with_its_timeline() {
    let mut tables = shop();
    let id = "s-anna-2026-06-01T00:00:00Z";
    tables.events = vec![
        event("2026-06-01T00:01:40Z", id, "message_sent"),
        event("2026-06-01T00:00:00Z", id, "widget_loaded"),
        event("2026-06-01T00:01:40Z", "another", "message_sent"),
        event("2026-06-01T02:00:00Z", id, "of_a_later_session"),
    ];
    let query = SessionsQuery { session_id: Some(id.to_owned()), ..SessionsQuery::newest() };
    let value = serde_json::to_value(sessions(&tables, &query).unwrap()).unwrap();
    assert_eq!(value["total"], 1);
    let names: Vec<&Value> = value["sessions"][0]["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["event_name"])
        .collect();
    assert_eq!(names, ["widget_loaded", "message_sent"]);
    // Look up by the id of the row, and by the visitor, who has two sessions.
    let row = value["sessions"][0]["id"].as_str().unwrap().to_owned();
    let query = SessionsQuery { session_id: Some(row), ..SessionsQuery::newest() };
    assert_eq!(sessions(&tables, &query).unwrap().body.total, 1);
    let query = SessionsQuery { visitor: Some("anna".to_owned()), ..SessionsQuery::newest() };
    assert_eq!(sessions(&tables, &query).unwrap().body.total, 2);
    // A look-up finds bot sessions too.
    let query = SessionsQuery { visitor: Some("crawler".to_owned()), ..SessionsQuery::newest() };
    assert_eq!(sessions(&tables, &query).unwrap().body.total, 1);
    let query = SessionsQuery { visitor: Some("carl".to_owned()), ..SessionsQuery::newest() };
    assert_eq!(sessions(&tables, &query).unwrap().notes, ["visitor \"carl\" has no retained session"]);
    // The visitor has sessions, but not in the window.
    let window = Some(window("2026-05-01", "2026-05-02"));
    let query = SessionsQuery { visitor: Some("anna".to_owned()), window, ..SessionsQuery::newest() };
    assert_eq!(
        sessions(&tables, &query).unwrap().notes,
        ["visitor \"anna\" has no session from 2026-05-01 to 2026-05-02"]
    );
}
