//! The heatmap of hand-made sessions.

use serde_json::{Value, json};

use super::fixtures::{june, report_json, window};
use super::memory_tables::{MemoryTables, Session, day, session};
use crate::report::{Query, ReportKind, ReportRequest, run};
use crate::time::Zone;

/// Returns the cells that have a session.
fn cells(tables: &MemoryTables, query: &Query) -> Vec<Value> {
    let report = report_json(tables, ReportKind::Heatmap, query);
    let all = report["cells"].as_array().unwrap();
    assert_eq!(all.len(), 7 * 24);
    for (number, cell) in all.iter().enumerate() {
        assert_eq!((&cell["weekday"], &cell["hour"]), (&json!(number / 24 + 1), &json!(number % 24)));
    }
    all.iter().filter(|cell| cell["sessions"] != 0).cloned().collect()
}

#[test]
fn sessions_are_counted_by_local_weekday_and_hour() {
    let mut tables = MemoryTables::new(vec![
        // 2026-06-01 is a Monday.
        Session {
            counts: vec![("message_sent", 2), ("message_received", 1)],
            seconds: 7_200,
            ..session("2026-06-01T21:59:59.999999Z", "anna")
        },
        session("2026-06-08T21:00:00Z", "anna"),
        session("2026-06-01T21:30:00Z", "ben"),
        // In Berlin, this is Tuesday at midnight.
        session("2026-06-01T22:00:00Z", "anna"),
        Session { bot: true, ..session("2026-06-02T12:00:00Z", "crawler") },
        // The same id of another chatbot is a different visitor.
        Session { chatbot: "docs", ..session("2026-06-01T21:10:00Z", "ben") },
        session("2026-06-11T12:00:00Z", "after the window"),
    ]);
    tables.zone = Zone::parse("Europe/Berlin").unwrap();
    let cell = |weekday, hour, sessions, conversations, messages, visitors| {
        json!({"weekday": weekday, "hour": hour, "sessions": sessions, "conversations": conversations,
            "messages": messages, "visitors": visitors})
    };
    assert_eq!(cells(&tables, &june()), [cell(1, 23, 4, 1, 3, 3), cell(2, 0, 1, 0, 0, 1)]);
    let shop = Query { chatbots: vec!["shop".to_owned()], include_bots: true, ..june() };
    let expected = [cell(1, 23, 3, 1, 3, 2), cell(2, 0, 1, 0, 0, 1), cell(2, 14, 1, 0, 0, 1)];
    assert_eq!(cells(&tables, &shop), expected);
}

#[test]
fn repeated_hour_is_one_cell_and_skipped_hour_is_empty() {
    let mut tables = MemoryTables::new(vec![
        session("2026-03-29T00:59:59Z", "a"),
        session("2026-03-29T01:00:00Z", "a"),
        session("2026-10-25T00:10:00Z", "a"),
        session("2026-10-25T01:10:00Z", "a"),
    ]);
    tables.zone = Zone::parse("Europe/Berlin").unwrap();
    let cells = cells(&tables, &Query::new(window("2026-03-01", "2026-10-31")));
    let counts: Vec<_> =
        cells.iter().map(|cell| (&cell["hour"], &cell["sessions"], &cell["visitors"])).collect();
    let one = json!(1);
    assert_eq!(counts, [(&one, &one, &one), (&json!(2), &json!(2), &one), (&json!(3), &one, &one)]);
}

#[test]
fn session_without_visitor_ids_counts_as_a_visitor() {
    let anonymous = |at: &str, id: &str| Session { session: Some(id.to_owned()), ..session(at, "") };
    let tables = MemoryTables::new(vec![
        anonymous("2026-06-01T10:00:00Z", "s1"),
        anonymous("2026-06-01T10:50:00Z", "s1"),
        anonymous("2026-06-01T10:20:00Z", "s2"),
        Session { user: Some("u".to_owned()), ..anonymous("2026-06-01T10:30:00Z", "s3") },
        Session { user: Some("u".to_owned()), ..anonymous("2026-06-01T10:40:00Z", "s4") },
    ]);
    let [cell] = &cells(&tables, &june())[..] else { panic!("not one cell") };
    assert_eq!((&cell["sessions"], &cell["visitors"]), (&json!(5), &json!(3)));
}

#[test]
fn window_without_sessions_has_zeros_and_a_note() {
    let tables = MemoryTables::new(vec![session("2026-05-01T10:00:00Z", "a")]);
    assert!(cells(&tables, &june()).is_empty());
    let request = ReportRequest::new(ReportKind::Heatmap, june(), 0);
    let notes = run(&tables, &request).unwrap().notes();
    assert_eq!(notes, ["no sessions from 2026-06-01 to 2026-06-10: there is data on 2026-05-01"]);
}

#[test]
fn pruned_sessions_are_noted() {
    let mut tables = MemoryTables::new(vec![session("2026-06-05T10:00:00Z", "a")]);
    tables.sessions_pruned = Some(day("2026-06-04"));
    let notes = run(&tables, &ReportRequest::new(ReportKind::Heatmap, june(), 0)).unwrap().notes();
    assert!(notes.iter().any(|note| note.starts_with("sessions up to 2026-06-04 are pruned")), "{notes:?}");
}

#[test]
fn cells_are_compared_with_the_previous_period() {
    // 2026-06-01 and 2026-06-08 are Mondays.
    let tables = MemoryTables::new(vec![
        session("2026-06-01T09:00:00Z", "anna"),
        session("2026-06-01T09:30:00Z", "ben"),
        session("2026-06-08T09:00:00Z", "anna"),
    ]);
    let query = Query::new(window("2026-06-08", "2026-06-14"));
    let request = ReportRequest { compare: true, ..ReportRequest::new(ReportKind::Heatmap, query, 0) };
    let outcome = run(&tables, &request).unwrap();
    let cells = serde_json::to_value(&outcome).unwrap()["comparison"]["cells"].clone();
    let cell = &cells[9];
    assert_eq!(
        (&cell["weekday"], &cell["hour"], &cell["status"]),
        (&json!("1"), &json!("9"), &json!("kept"))
    );
    let change = json!({"current": 1, "previous": 2, "change": -1, "change_percent": -50});
    assert_eq!((&cell["sessions"], &cell["visitors"]), (&change, &change));
    assert_eq!(cells.as_array().unwrap().len(), 7 * 24);
    // The matrix of changes has a row per hour.
    let matrix = outcome.answers()[0].change_matrix().unwrap();
    assert_eq!(matrix.rows[9].cells[0].unwrap().value, -1);
    assert_eq!(matrix.rows[9].cells[1].unwrap().value, 0);
}
