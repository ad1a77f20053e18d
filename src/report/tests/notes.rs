//! The notes of reports on empty windows, old data and pruned days.

use serde_json::{Value, json};

use super::fixtures::{june, report_json, request_json, shop, window};
use super::memory_tables::{MemoryTables, Session, day, session, time};
use crate::report::metric::values::Distinct;
use crate::report::*;

#[test]
fn visitors_are_unknown_if_sessions_are_pruned() {
    let mut tables = shop();
    tables.sessions_pruned = Some(day("2026-06-01"));
    let report = summary::summary(&tables, &june(), false).unwrap();
    assert_eq!(report.body.summary.unique_visitors, None);
    assert_eq!(report.body.summary.total_sessions, 4);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(report.notes[0].contains("sessions up to 2026-06-01 are pruned"));
    tables.sessions_pruned = Some(day("2026-05-31"));
    let report = summary::summary(&tables, &june(), false).unwrap();
    assert_eq!(report.body.summary.unique_visitors, Some(Distinct(3)));
}

#[test]
fn visitors_of_chatbot_without_pruned_sessions_are_known() {
    let mut tables = shop();
    (tables.sessions_pruned, tables.unpruned_chatbot) = (Some(day("2026-06-05")), Some("docs"));
    for (chatbot, known) in [("docs", json!(1)), ("shop", Value::Null)] {
        let query = Query { chatbots: vec![chatbot.to_owned()], ..june() };
        assert_eq!(report_json(&tables, ReportKind::Summary, &query)["summary"]["unique_visitors"], known);
        assert_eq!(report_json(&tables, ReportKind::Visitors, &query)["visitors"]["unique_visitors"], known);
        let notes = |kind| run(&tables, &ReportRequest::new(kind, query.clone(), 0)).unwrap().notes();
        for kind in [
            ReportKind::Summary,
            ReportKind::Visitors,
            ReportKind::Devices,
            ReportKind::Sessions,
            ReportKind::Performance,
        ] {
            assert_eq!(notes(kind).is_empty(), chatbot == "docs", "{kind:?}: {:?}", notes(kind));
        }
        if chatbot == "shop" {
            let knows_each_day = |query: &Query| {
                let notes = run(&tables, &ReportRequest::new(ReportKind::Visitors, query.clone(), 0))
                    .unwrap()
                    .notes();
                notes.iter().any(|note| note.ends_with("the visitors of each day are known"))
            };
            assert!(knows_each_day(&query));
            assert!(!knows_each_day(&Query { include_bots: true, ..query.clone() }));
        }
    }
    let by_chatbot = request_json(
        &tables,
        ReportRequest { by_chatbot: true, ..ReportRequest::new(ReportKind::Summary, june(), 0) },
    );
    assert_eq!(
        (&by_chatbot[0]["chatbot_id"], &by_chatbot[1]["chatbot_id"]),
        (&json!("shop"), &json!("docs"))
    );
    assert_eq!(by_chatbot[0]["summary"]["new_visitors"], Value::Null);
    assert_eq!(by_chatbot[1]["summary"]["new_visitors"], 1);
    // Some sessions of all chatbots together are pruned.
    assert_eq!(report_json(&tables, ReportKind::Summary, &june())["summary"]["unique_visitors"], Value::Null);
}

#[test]
fn window_with_bot_sessions_only_has_a_note() {
    // June 2nd has one bot session and no other session.
    let query = Query::new(window("2026-06-02", "2026-06-02"));
    let notes =
        |kind, query: &Query| run(&shop(), &ReportRequest::new(kind, query.clone(), 0)).unwrap().notes();
    // `active` has no window, the window of `retention` begins on a Monday, and no goal is defined.
    let others = [ReportKind::Active, ReportKind::Retention, ReportKind::Goals];
    for kind in ReportKind::ALL.into_iter().filter(|kind| !others.contains(kind)) {
        assert_eq!(
            notes(kind, &query),
            ["no sessions on 2026-06-02; 1 bot session excluded: --include-bots counts it"],
            "{kind:?}"
        );
    }
    let shop_alone = Query { chatbots: vec!["shop".to_owned()], ..query.clone() };
    assert_eq!(
        notes(ReportKind::Trends, &shop_alone),
        ["no sessions for \"shop\" on 2026-06-02; 1 bot session excluded: --include-bots counts it"]
    );
    assert!(notes(ReportKind::Summary, &Query { include_bots: true, ..query }).is_empty());
    let bots = ["2026-06-02", "2026-06-03"].map(|at| Session { bot: true, ..session(at, "crawler") });
    let tables = MemoryTables::new(bots.into());
    let undated = ReportRequest { has_window: false, ..ReportRequest::new(ReportKind::Sessions, june(), 0) };
    assert_eq!(
        run(&tables, &undated).unwrap().notes(),
        ["there are no sessions; 2 bot sessions excluded: --include-bots counts them"]
    );
}

#[test]
fn window_without_data_notes_days_with_data() {
    let query = Query::new(window("2026-04-01", "2026-04-30"));
    let report = summary::summary(&shop(), &query, false).unwrap();
    assert_eq!(
        report.notes,
        ["no sessions from 2026-04-01 to 2026-04-30: there is data from 2026-05-20 to 2026-06-10"]
    );
    let answer = report_json(&shop(), ReportKind::Summary, &query);
    assert_eq!(answer["summary"]["conversion_rate"], 0);
    assert_eq!(answer["summary"]["avg_response_time_ms"], Value::Null);
    let trends = report_json(&shop(), ReportKind::Trends, &query);
    let days = trends["trends"].as_array().unwrap();
    assert!(days.len() == 30 && days.iter().all(|day| day["sessions"] == 0), "{trends}");
    // For a chatbot, the note has the days of that chatbot.
    let query = Query { chatbots: vec!["docs".to_owned()], ..query };
    let report = summary::summary(&shop(), &query, false).unwrap();
    assert!(report.notes[0].ends_with("there is data on 2026-06-10"), "{:?}", report.notes);
    // An empty store.
    let report = summary::summary(&MemoryTables::new(Vec::new()), &june(), false).unwrap();
    assert!(report.notes[0].contains("no data yet"));
}

#[test]
fn data_older_than_two_days_has_a_note() {
    let note = |to: &str| {
        let query = Query::new(window("2026-06-01", to));
        summary::summary(&shop(), &query, false).unwrap().notes
    };
    assert!(note("2026-06-12").is_empty());
    assert_eq!(note("2026-06-13"), ["the newest data is from 2026-06-10, 3 days before 2026-06-13"]);
}

#[test]
fn active_at_a_pruned_time_has_a_note() {
    let mut tables = shop();
    (tables.sessions_pruned, tables.unpruned_chatbot) = (Some(day("2026-06-05")), Some("docs"));
    let notes = |chatbots: &[&str], at: &str| {
        let chatbots: Vec<String> = chatbots.iter().map(|id| (*id).to_owned()).collect();
        active::active(&tables, &chatbots, false, time(at)).unwrap().notes
    };
    let note = "sessions up to 2026-06-05 are pruned: only retained sessions are counted";
    assert_eq!(notes(&[], "2026-06-05T23:59:59Z"), [note]);
    assert_eq!(notes(&["shop"], "2025-12-01T12:00:00Z"), [note]);
    // Sessions that started on the 5th may have continued over midnight.
    assert_eq!(notes(&[], "2026-06-06T12:00:00Z"), [note]);
    assert!(notes(&[], "2026-06-07T00:30:00Z").is_empty());
    assert!(notes(&["docs"], "2026-06-05T12:00:00Z").is_empty());
}
