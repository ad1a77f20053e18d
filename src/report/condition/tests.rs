//! Conditions on the figures of rows, such as the steps of a funnel, and their comparison with the
//! previous period.

use serde_json::json;

use super::{Condition, Verdict};
use crate::error::ErrorKind;
use crate::report::tests::fixtures::window;
use crate::report::tests::memory_tables::{MemoryTables, Session, event, session, time};
use crate::report::*;

/// Evaluates a condition on the outcome of a request.
fn evaluate(tables: &MemoryTables, request: &ReportRequest, text: &str) -> crate::Result<Verdict> {
    Condition::parse(text).unwrap().evaluate(tables, request, &run(tables, request).unwrap())
}

/// Sessions in June and in the ten days before. Some have a message, and some of these a reply.
fn replies() -> MemoryTables {
    let visit = |at: &str, visitor: &str, names: &[&'static str]| {
        let session = Session { seconds: 60, ..session(at, visitor) };
        let id = session.session.clone().unwrap();
        let start = session.start;
        let at = |number: usize| crate::time::format_utc(start + number as i64 * crate::time::SECOND);
        let events: Vec<_> =
            names.iter().enumerate().map(|(number, name)| event(&at(number), &id, name)).collect();
        (session, events)
    };
    let visits = [
        visit("2026-06-01T10:00:00Z", "a", &["message_sent", "message_received"]),
        visit("2026-06-02T10:00:00Z", "b", &["message_sent"]),
        visit("2026-06-08T10:00:00Z", "a", &["message_sent", "message_received"]),
        visit("2026-06-09T10:00:00Z", "c", &["page_viewed"]),
        visit("2026-05-24T10:00:00Z", "d", &["message_sent", "message_received"]),
    ];
    let mut tables = MemoryTables::new(visits.iter().map(|(session, _)| session.clone()).collect());
    tables.events = visits.into_iter().flat_map(|(_, events)| events).collect();
    tables
}

fn replies_request(kind: ReportKind) -> ReportRequest {
    let query = Query::new(window("2026-06-01", "2026-06-10"));
    let mut request = ReportRequest::new(kind, query, time("2026-06-15"));
    let pattern = |text: &str| EventPattern::parse(text).unwrap();
    request.sequences.funnel.steps = vec![pattern("message_sent"), pattern("message_received")];
    let goal = Goal { name: "got.reply".to_owned(), event: pattern("message_received") };
    request.sequences.definitions.goals = vec![goal];
    request
}

#[test]
fn condition_names_a_figure_of_a_row() {
    for (kind, met) in [
        // Three sessions have a message, and two of them a reply.
        (ReportKind::Funnel, "message_received.count = 2"),
        (ReportKind::Funnel, "steps.2.conversion_rate = 66.67"),
        (ReportKind::Funnel, "funnel.steps.message_received.drop_off = 1"),
        // Two of four sessions, and one of three visitors. The name of the goal has a dot.
        (ReportKind::Goals, "got.reply.session_rate = 50"),
        (ReportKind::Goals, "goals.got.reply.unique_converters = 1"),
        (ReportKind::Goals, "goals.1.visitor_rate = 33.33"),
        // The second week is not over on the last day of the window.
        (ReportKind::Retention, "mean.0.visitors = 2"),
        (ReportKind::All, "funnel.steps.message_received.count = 2"),
        // Four sessions of three visitors. All sessions have events.
        (ReportKind::Funnel, "total = 4"),
        (ReportKind::Goals, "sessions = 4"),
        (ReportKind::Goals, "goals.visitors = 3"),
        (ReportKind::Paths, "sessions = 4"),
        (ReportKind::All, "funnel.total = 4"),
    ] {
        let verdict = evaluate(&replies(), &replies_request(kind), met).unwrap();
        assert!(matches!(verdict, Verdict::Failed(_)), "{met}: {verdict:?}");
    }
    for (kind, wrong, hint) in [
        (ReportKind::Funnel, "mesage_received.count < 1", "did you mean steps.message_received.count?"),
        (ReportKind::Funnel, "message_received.cont < 1", "did you mean count?"),
        (ReportKind::Funnel, "count < 1", "the figures are total, steps.message_sent.count"),
        (ReportKind::Goals, "goals.2.total < 1", "the figures are sessions, visitors, goals.got.reply.total"),
        (ReportKind::Goals, "1.total < 1", "the figures are sessions, visitors, goals.got.reply.total"),
        (ReportKind::Retention, "mean.9.rate < 1", "did you mean mean."),
    ] {
        let error = evaluate(&replies(), &replies_request(kind), wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.hint_text().unwrap_or("").contains(hint), "{wrong}: {:?}", error.hint_text());
    }
}

#[test]
fn rows_of_sequences_are_compared_with_the_previous_period() {
    let compared = |kind| ReportRequest { compare: true, ..replies_request(kind) };
    for (kind, met) in [
        (ReportKind::Funnel, "message_received.count.change = 1"),
        (ReportKind::Funnel, "message_sent.count.change_percent = 200"),
        (ReportKind::Goals, "got.reply.session_rate.change = -50"),
        (ReportKind::Conversations, "conversations.change = 2"),
        (ReportKind::Conversations, "conversations.unanswered = 1"),
        // One session of one visitor in the ten days before.
        (ReportKind::Funnel, "total.change = 3"),
        (ReportKind::Goals, "sessions.change_percent = 300"),
        (ReportKind::Goals, "visitors.change = 2"),
        (ReportKind::Paths, "sessions.change = 3"),
        (ReportKind::All, "goals.visitors.change = 2"),
    ] {
        let verdict = evaluate(&replies(), &compared(kind), met).unwrap();
        assert!(matches!(verdict, Verdict::Failed(_)), "{met}: {verdict:?}");
    }
    let paths = serde_json::to_value(run(&replies(), &compared(ReportKind::Paths)).unwrap()).unwrap();
    let paths = paths["comparison"]["paths"].as_array().unwrap();
    let row = |path: &str| paths.iter().find(|row| row["path"] == path).unwrap();
    let replied = row("message_sent → message_received → (end)");
    assert_eq!((&replied["status"], &replied["count"]["previous"]), (&json!("kept"), &json!(1)));
    assert_eq!(row("message_sent → (end)")["status"], "new");
    assert_eq!(paths.len(), 3);
    // Without a comparison, a change is unknown.
    let verdict =
        evaluate(&replies(), &replies_request(ReportKind::Retention), "mean.0.rate.change < 0").unwrap();
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
}
