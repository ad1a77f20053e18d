//! Comparisons with the previous period, and conditions on a summary.

use serde_json::{Value, json};

use super::fixtures::{request_json, shop, window};
use super::memory_tables::{MemoryTables, Session, day, session, time};
use crate::error::ErrorKind;
use crate::report::condition::{self, Condition, Verdict};
use crate::report::*;

#[test]
fn chatbot_of_previous_period_only_is_in_the_comparison() {
    let session_of = |chatbot: &'static str, date: &str| Session { chatbot, ..session(date, "v") };
    let tables = MemoryTables::new(vec![
        session_of("quiet", "2026-06-10"),
        session_of("quiet", "2026-06-11"),
        session_of("long ago", "2026-06-09"),
        session_of("lively", "2026-06-12"),
    ]);
    let query = Query::new(window("2026-06-12", "2026-06-13"));
    let ids = |compare| {
        let request = ReportRequest {
            by_chatbot: true,
            compare,
            ..ReportRequest::new(ReportKind::Summary, query.clone(), 0)
        };
        let answer = request_json(&tables, request);
        let sessions = |one: &Value| {
            let (id, summary) = (one["chatbot_id"].as_str().unwrap().to_owned(), &one["summary"]);
            (id, summary["total_sessions"].clone(), one["comparison"]["summary"]["total_sessions"].clone())
        };
        answer.as_array().unwrap().iter().map(sessions).collect::<Vec<_>>()
    };
    assert_eq!(ids(false), [("lively".to_owned(), json!(1), Value::Null)]);
    let both = ids(true);
    let names: Vec<&str> = both.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(names, ["lively", "quiet"]);
    assert_eq!(both[1].1, 0);
}

#[test]
fn comparison_has_each_metric_of_both_periods() {
    // The window is June 3rd and 4th, the previous period June 1st and 2nd.
    let session_from = |at: &str, utm| Session { utm, ..session(at, at) };
    let tables = MemoryTables::new(vec![
        session_from("2026-06-01T10:00:00Z", Some("google")),
        session_from("2026-06-02T10:00:00Z", Some("google")),
        session_from("2026-06-02T11:00:00Z", Some("bing")),
        session_from("2026-06-03T10:00:00Z", Some("google")),
        session_from("2026-06-04T10:00:00Z", Some("mail")),
    ]);
    let query = Query::new(window("2026-06-03", "2026-06-04"));
    let compared = |kind| {
        let request = ReportRequest { compare: true, ..ReportRequest::new(kind, query.clone(), 0) };
        request_json(&tables, request)["comparison"].clone()
    };
    let summary = compared(ReportKind::Summary);
    assert_eq!(summary["from"], "2026-06-01");
    assert_eq!(summary["to"], "2026-06-02");
    assert_eq!(summary["partial"], false);
    assert_eq!(
        summary["summary"]["total_sessions"],
        json!({"current": 2, "previous": 3, "change": -1, "change_percent": -33.33})
    );
    assert_eq!(
        summary["summary"]["total_conversations"],
        json!({"current": 0, "previous": 0, "change": 0, "change_percent": null})
    );
    assert_eq!(summary["summary"]["avg_response_time_ms"]["change"], Value::Null);
    let rows = compared(ReportKind::Sources)["utm_sources"].clone();
    let status = |at: usize| (rows[at]["source"].as_str().unwrap(), rows[at]["status"].as_str().unwrap());
    assert_eq!((status(0), status(1), status(2)), (("google", "kept"), ("mail", "new"), ("bing", "gone")));
    assert_eq!(rows[2]["count"], json!({"current": 0, "previous": 1, "change": -1, "change_percent": -100}));
    let days = compared(ReportKind::Trends)["trends"].clone();
    assert_eq!(days[1]["stat_date"], "2026-06-04");
    assert_eq!(
        days[1]["sessions"],
        json!({"current": 1, "previous": 2, "change": -1, "change_percent": -50})
    );
}

#[test]
fn previous_period_with_pruned_sessions_is_unknown() {
    // The window is June 3rd and 4th, the previous period June 1st and 2nd. The 1st is pruned.
    let session_from = |at: &str, utm| Session { utm, ..session(at, at) };
    let mut tables = MemoryTables::new(vec![
        session_from("2026-06-02T10:00:00Z", Some("google")),
        session_from("2026-06-02T11:00:00Z", Some("bing")),
        session_from("2026-06-03T10:00:00Z", Some("google")),
        session_from("2026-06-03T11:00:00Z", Some("mail")),
        session_from("2026-06-04T10:00:00Z", Some("mail")),
    ]);
    tables.sessions_pruned = Some(day("2026-06-01"));
    let query = Query::new(window("2026-06-03", "2026-06-04"));
    let compared = |kind, query: &Query| {
        let request =
            ReportRequest { compare: true, limit: Some(1), ..ReportRequest::new(kind, query.clone(), 0) };
        let outcome = run(&tables, &request).unwrap();
        (serde_json::to_value(&outcome).unwrap()["comparison"].clone(), outcome.notes())
    };
    let unknown =
        |current: u64| json!({"current": current, "previous": null, "change": null, "change_percent": null});
    let note = ["the previous period, 2026-06-01 to 2026-06-02, is unknown: \
         sessions up to 2026-06-01 are pruned"];
    let (sources, notes) = compared(ReportKind::Sources, &query);
    assert_eq!(sources["utm_sources"], json!([{"source": "mail", "status": null, "count": unknown(2)}]));
    assert_eq!(notes, note);
    for kind in [ReportKind::Devices, ReportKind::Events] {
        assert_eq!(compared(kind, &query).1, note);
    }
    // Summary and trends come from daily statistics, except for visitors and bot sessions.
    let (summary, notes) = compared(ReportKind::Summary, &query);
    assert_eq!(summary["summary"]["total_sessions"]["previous"], 2);
    assert_eq!(summary["summary"]["unique_visitors"], unknown(3));
    assert!(notes[0].starts_with("the data begins on 2026-06-02"), "{notes:?}");
    let with_bots = Query { include_bots: true, ..query.clone() };
    let (summary, notes) = compared(ReportKind::Summary, &with_bots);
    assert_eq!(summary["summary"]["total_sessions"], unknown(3));
    assert_eq!(notes, note);
    let (trends, notes) = compared(ReportKind::Trends, &with_bots);
    assert_eq!(trends["trends"].as_array().unwrap().len(), 2);
    assert_eq!(trends["trends"][1]["sessions"], unknown(1));
    assert_eq!(trends["trends"][1]["status"], Value::Null);
    assert_eq!(notes, note);
    let request = ReportRequest { compare: true, ..ReportRequest::new(ReportKind::Summary, with_bots, 0) };
    let verdict = evaluate(&tables, &request, "total_sessions.change > 0").unwrap();
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
}

#[test]
fn incomplete_periods_have_notes() {
    let query = Query::new(window("2026-06-10", "2026-06-15"));
    let report = summary::summary(&shop(), &query, true).unwrap();
    assert!(report.comparison.as_ref().unwrap().partial);
    assert!(
        report.notes.iter().any(|note| note.contains("2026-06-15 is not over yet")),
        "{:?}",
        report.notes
    );
    let query = Query::new(window("2026-05-25", "2026-06-10"));
    let report = summary::summary(&shop(), &query, true).unwrap();
    assert!(
        report.notes.iter().any(|note| note.contains("the data begins on 2026-05-20")),
        "{:?}",
        report.notes
    );
}

#[test]
fn condition_passes_fails_or_is_unknown() {
    let query = Query::new(window("2026-06-01", "2026-06-12"));
    let request = ReportRequest { compare: true, ..ReportRequest::new(ReportKind::Summary, query, 0) };
    let evaluate = |text: &str| evaluate(&shop(), &request, text).unwrap();
    assert_eq!(evaluate("conversion_rate < 50"), Verdict::Passed);
    assert_eq!(
        evaluate("conversion_rate <= 50%"),
        Verdict::Failed("conversion_rate is 50, which meets --fail-if \"conversion_rate <= 50%\"".to_owned())
    );
    assert!(matches!(evaluate("total_sessions>3.99"), Verdict::Failed(_)));
    assert_eq!(evaluate("total_sessions != 4"), Verdict::Passed);
    assert_eq!(evaluate("error_count = 0"), Verdict::Passed);
    assert!(matches!(evaluate("error_count==1"), Verdict::Failed(_)));
    // The previous period has one session, so four are 300 % more.
    assert!(matches!(evaluate("total_sessions.change_percent >= 300"), Verdict::Failed(_)));
    assert!(matches!(evaluate("total_sessions.change = 3"), Verdict::Failed(_)));
    assert!(matches!(evaluate("total_conversations.change_percent < 0"), Verdict::Unknown(_)));
    let alone = ReportRequest { compare: false, ..request.clone() };
    let Verdict::Unknown(why) =
        super::comparison::evaluate(&shop(), &alone, "total_sessions.change < 0").unwrap()
    else {
        panic!()
    };
    assert!(why.contains("not compared"));
    let outcome = run(&shop(), &request).unwrap();
    let conditions = [Condition::parse("total_sessions = 4").unwrap()];
    let (notes, error) = condition::evaluate(&conditions, &shop(), &request, &outcome).unwrap();
    assert!(notes.is_empty());
    assert_eq!(error.unwrap().kind(), ErrorKind::ConditionMet);
}

/// Evaluates a condition on the outcome of a request.
fn evaluate(tables: &MemoryTables, request: &ReportRequest, text: &str) -> crate::Result<Verdict> {
    Condition::parse(text).unwrap().evaluate(tables, request, &run(tables, request).unwrap())
}

#[test]
fn condition_names_a_figure_of_any_report() {
    let ask = |kind, text: &str| {
        let query = Query::new(window("2026-06-01", "2026-06-12"));
        evaluate(&shop(), &ReportRequest::new(kind, query, time("2026-06-03T12:00:00Z")), text)
    };
    for (kind, met) in [
        (ReportKind::Summary, "summary.total_sessions = 4"),
        (ReportKind::Visitors, "sessions_per_visitor > 1"),
        (ReportKind::Visitors, "visitors.unique_visitors = 3"),
        (ReportKind::Performance, "response_time_ms.count = 0"),
        (ReportKind::Performance, "performance.slow_responses.logged = 0"),
        (ReportKind::Active, "active_sessions >= 1"),
        (ReportKind::All, "summary.total_sessions = 4"),
        (ReportKind::All, "conversion_rate = 50"),
    ] {
        let verdict = ask(kind, met).unwrap();
        assert!(matches!(verdict, Verdict::Failed(_)), "{met}: {verdict:?}");
    }
    for (kind, wrong, hint) in [
        (ReportKind::Summary, "conversion_rat < 1", "did you mean conversion_rate?"),
        (ReportKind::Summary, "sessions < 1", "the figures are total_sessions, unique_visitors"),
        (ReportKind::Summary, "conversion_rate.growth < 1", "change and change_percent"),
        (ReportKind::Performance, "count > 1", "write one of response_time_ms.count, load_time_ms.count"),
        (ReportKind::Trends, "sessions > 1", "use --fail-if with summary"),
        (ReportKind::All, "total_sessions > 1", "summary.total_sessions, visitors.total_sessions"),
    ] {
        let error = ask(kind, wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.hint_text().unwrap_or("").contains(hint), "{wrong}: {:?}", error.hint_text());
    }
}

#[test]
fn unusual_day_is_compared_with_its_weekday() {
    // Sundays from April 19th to June 14th, with 10 or 11 sessions each, and 14 on the last.
    let sundays: Vec<_> = (0..9).map(|week| day("2026-06-14").plus(-7 * week)).collect();
    let on = |count: usize, day: crate::time::Day| {
        (0..count).map(move |n| session(&format!("{day}T10:00:00Z"), &format!("v{n}")))
    };
    let tables_with = |last: usize, weeks: usize| {
        let before = sundays[1..=weeks].iter().enumerate().flat_map(|(n, day)| on(10 + n % 2, *day));
        MemoryTables::new(on(last, sundays[0]).chain(before).collect())
    };
    let ask = |tables: &MemoryTables, from: &str| {
        let request = ReportRequest::new(ReportKind::Summary, Query::new(window(from, "2026-06-14")), 0);
        evaluate(tables, &request, "total_sessions unusual").unwrap()
    };
    // The median is 10.5 and the MAD 0.5, so 8.28 to 12.72 is usual.
    for (sessions, is_unusual) in [(9, false), (12, false), (8, true), (13, true)] {
        for from in ["2026-06-14", "2026-05-16"] {
            let verdict = ask(&tables_with(sessions, 8), from);
            assert_eq!(matches!(verdict, Verdict::Failed(_)), is_unusual, "{sessions}: {verdict:?}");
        }
    }
    let Verdict::Failed(message) = ask(&tables_with(14, 8), "2026-06-14") else { panic!() };
    assert_eq!(
        message,
        "total_sessions is 14 on 2026-06-14, outside 8.28 to 12.72 (median ± 3 scaled MAD of the 8 \
         Sundays before), which meets --fail-if \"total_sessions unusual\""
    );
    // Four weeks are enough; three are not.
    assert!(matches!(ask(&tables_with(14, 4), "2026-06-14"), Verdict::Failed(_)));
    let Verdict::Unknown(why) = ask(&tables_with(14, 3), "2026-06-14") else { panic!() };
    assert!(why.contains("3 of the 8 Sundays before 2026-06-14 have data"), "{why}");
}

#[test]
fn invalid_condition_is_rejected_with_a_hint() {
    for (invalid, hint) in [
        ("conversion_rate", "write it as"),
        ("conversion_rate < many", "write it as"),
        ("conversion_rate < 1e9", "write it as"),
        ("conversion_rate < .5", "write it as"),
        ("total_sessions.change unusual", "total_sessions unusual"),
    ] {
        let error = Condition::parse(invalid).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.hint_text().unwrap_or("").contains(hint), "{invalid}: {:?}", error.hint_text());
    }
}
