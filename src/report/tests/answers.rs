//! Each report on tables small enough to count by hand.

use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::memory::{Event, Memory, Session, day, event, session, time};
use crate::report::condition::Condition;
use crate::report::event_query::{self, EventQuery};
use crate::report::query::predicate::Predicate;
use crate::report::sessions::{SessionsQuery, sessions};
use crate::report::*;
use crate::session::properties::response_us;
use crate::store::columns::Table;
use crate::store::frame::{Frame, RecordReader};
use crate::time::{SECOND, Zone};

/// The first ten days of June, asked on the 15th.
pub fn june() -> Query {
    Query::new(window("2026-06-01", "2026-06-10"))
}

fn window(from: &str, to: &str) -> Window {
    Window { from: day(from), to: day(to), today: day("2026-06-15") }
}

fn json_of(tables: &Memory, kind: ReportKind, query: &Query) -> Value {
    json_with(tables, ReportRequest::new(kind, query.clone(), time("2026-06-15T12:00:00Z")))
}

fn json_with(tables: &Memory, request: ReportRequest) -> Value {
    serde_json::to_value(run(tables, &request).unwrap()).unwrap()
}

/// Four sessions of people in June, one of a robot, one in May; three visitors in June, of whom
/// `anna` was there in May, and `ben` was first seen in the window.
pub fn shop() -> Memory {
    let talk =
        |sent, received| vec![("message_sent", sent), ("message_received", received), ("widget_loaded", 1)];
    Memory::of(vec![
        Session { seconds: 60, ..session("2026-05-20T10:00:00Z", "anna") },
        Session {
            seconds: 100,
            counts: talk(3, 2),
            response_us: vec![1_000_000, 2_000_500],
            errors: 1,
            utm: Some("google"),
            domain: Some("google.com"),
            channel: Some("Paid Search"),
            page: Some("/pricing"),
            device: Some("desktop"),
            browser: Some("Chrome"),
            os: Some("Windows"),
            country: Some("DE"),
            city: Some("Bonn"),
            ..session("2026-06-01T00:00:00Z", "anna")
        },
        Session {
            seconds: 51,
            counts: talk(1, 1),
            response_us: vec![500],
            page: Some("/pricing"),
            device: Some("mobile"),
            browser: Some("Safari"),
            os: Some("iOS"),
            country: Some("DE"),
            ..session("2026-06-03T23:59:59Z", "ben")
        },
        Session { seconds: 0, domain: Some("google.com"), ..session("2026-06-03T12:00:00Z", "ben") },
        Session { bot: true, device: Some("bot"), ..session("2026-06-02T12:00:00Z", "crawler") },
        Session { chatbot: "docs", ..session("2026-06-10T23:59:59Z", "") },
    ])
}

#[test]
fn a_summary_counts_sessions_visitors_and_conversations_of_the_window() {
    // Durations 100 + 51 + 0 + 0 = 151 over 4: 37.75, rounded 38. Conversations 2 of 4.
    // Responses 1,000,000 + 2,000,500 + 500 µs over 3: 1,000,333.3 µs, 1000 ms.
    // Visitors: anna (since May), ben (new), the session without an id (new).
    let answer = json_of(&shop(), ReportKind::Summary, &june());
    assert_eq!(
        serde_json::to_string(&answer["summary"]).unwrap(),
        serde_json::to_string(&json!({
            "total_sessions": 4, "unique_visitors": 3, "total_conversations": 2,
            "avg_session_duration_seconds": 38, "conversion_rate": 50,
            "new_visitors": 2, "returning_visitors": 1,
            "total_messages_sent": 4, "total_messages_received": 3,
            "avg_response_time_ms": 1000, "error_count": 1, "bot_sessions_excluded": 1
        }))
        .unwrap()
    );
    assert_eq!(answer["chatbot_id"], Value::Null);
    assert_eq!(answer["period_days"], 10);
    assert_eq!(answer["from"], "2026-06-01");
    assert_eq!(answer["to"], "2026-06-10");
}

#[test]
fn the_keys_of_json_are_the_originals_in_its_order() {
    let run = |kind| {
        let request = ReportRequest::new(kind, june(), time("2026-06-03T12:10:00Z"));
        serde_json::to_string(&run(&shop(), &request).unwrap()).unwrap()
    };
    assert_eq!(
        run(ReportKind::Summary),
        "{\"chatbot_id\":null,\"period_days\":10,\"from\":\"2026-06-01\",\"to\":\"2026-06-10\",\
         \"summary\":{\"total_sessions\":4,\"unique_visitors\":3,\"total_conversations\":2,\
         \"avg_session_duration_seconds\":38,\"conversion_rate\":50,\"new_visitors\":2,\
         \"returning_visitors\":1,\"total_messages_sent\":4,\"total_messages_received\":3,\
         \"avg_response_time_ms\":1000,\"error_count\":1,\"bot_sessions_excluded\":1}}"
    );
    assert!(run(ReportKind::Trends).contains(
        "\"trends\":[{\"stat_date\":\"2026-06-01\",\"sessions\":1,\"conversations\":1,\"messages\":5,\"conversion_rate\":100},\
         {\"stat_date\":\"2026-06-02\",\"sessions\":0,\"conversations\":0,\"messages\":0,\"conversion_rate\":0},"
    ));
    assert!(run(ReportKind::Events).contains(
        "\"events\":[{\"event_name\":\"message_sent\",\"event_count\":4,\"unique_sessions\":2},\
         {\"event_name\":\"widget_loaded\",\"event_count\":4,\"unique_sessions\":4},\
         {\"event_name\":\"message_received\",\"event_count\":3,\"unique_sessions\":2}]"
    ));
    assert!(run(ReportKind::Sources).contains(
        "\"utm_sources\":[{\"source\":\"unknown\",\"count\":3},{\"source\":\"google\",\"count\":1}],\
         \"referrers\":[{\"domain\":\"direct\",\"count\":2},{\"domain\":\"google.com\",\"count\":2}],\
         \"channels\":[{\"channel\":\"Direct\",\"count\":3},{\"channel\":\"Paid Search\",\"count\":1}]"
    ));
    assert!(run(ReportKind::Devices).contains(
        "\"devices\":[{\"type\":\"unknown\",\"count\":2},{\"type\":\"desktop\",\"count\":1},{\"type\":\"mobile\",\"count\":1}],\
         \"browsers\":[{\"name\":\"unknown\",\"count\":2},{\"name\":\"Chrome\",\"count\":1},{\"name\":\"Safari\",\"count\":1}],\
         \"operating_systems\":[{\"name\":\"unknown\",\"count\":2},{\"name\":\"Windows\",\"count\":1},{\"name\":\"iOS\",\"count\":1}]"
    ));
    assert_eq!(
        run(ReportKind::Active),
        "{\"chatbot_id\":null,\"active_sessions\":1,\"timestamp\":\"2026-06-03T12:10:00Z\"}"
    );
    assert!(
        run(ReportKind::Sessions)
            .starts_with("{\"chatbot_id\":null,\"page\":1,\"limit\":20,\"total\":4,\"sessions\":[{\"id\":\"")
    );
}

#[test]
fn trends_have_a_row_a_day_from_the_first_to_the_last_day_with_data() {
    let answer = json_of(&shop(), ReportKind::Trends, &june());
    let days = answer["trends"].as_array().unwrap();
    assert_eq!(days.len(), 10);
    assert_eq!(
        days[2],
        json!({"stat_date": "2026-06-03", "sessions": 2, "conversations": 1, "messages": 2, "conversion_rate": 50})
    );
    // Without the chatbot of the 10th, the last day with data is the 3rd; the robot's day is none.
    let mut query = june();
    query.chatbots = vec!["shop".to_owned()];
    let answer = json_of(&shop(), ReportKind::Trends, &query);
    assert_eq!(answer["trends"].as_array().unwrap().len(), 3);
    assert_eq!(answer["chatbot_id"], "shop");
}

#[test]
fn robots_are_counted_only_where_they_are_asked_for() {
    let query = Query { include_bots: true, ..june() };
    let answer = json_of(&shop(), ReportKind::Summary, &query);
    assert_eq!(answer["summary"]["total_sessions"], 5);
    assert_eq!(answer["summary"]["unique_visitors"], 4);
    assert_eq!(answer["summary"]["bot_sessions_excluded"], 0);
    assert_eq!(answer["summary"]["conversion_rate"], 40);
    let trends = json_of(&shop(), ReportKind::Trends, &query);
    assert_eq!(trends["trends"][1]["sessions"], 1);
}

#[test]
fn several_chatbots_are_named_in_a_list_and_an_unknown_one_is_an_error() {
    let mut query = june();
    query.chatbots = vec!["shop".to_owned(), "docs".to_owned()];
    let answer = json_of(&shop(), ReportKind::Summary, &query);
    assert_eq!(answer["chatbot_id"], json!(["shop", "docs"]));
    assert_eq!(answer["summary"]["total_sessions"], 4);
    query.chatbots = vec!["shpo".to_owned()];
    let Err(error) = run(&shop(), &ReportRequest::new(ReportKind::Summary, query, 0)) else {
        panic!("no error")
    };
    assert_eq!(error.to_string(), "the store holds no chatbot \"shpo\"");
    assert_eq!(error.hint_text(), Some("did you mean \"shop\"?"));
}

#[test]
fn by_chatbot_there_is_an_answer_for_each_most_sessions_first() {
    let mut request = ReportRequest::new(ReportKind::Summary, june(), 0);
    request.by_chatbot = true;
    let answer = json_with(&shop(), request);
    let ids: Vec<&Value> = answer.as_array().unwrap().iter().map(|a| &a["chatbot_id"]).collect();
    assert_eq!(ids, ["shop", "docs"]);
    assert_eq!(answer[0]["summary"]["total_sessions"], 3);
    assert_eq!(answer[0]["summary"]["new_visitors"], 1);
    assert_eq!(answer[1]["summary"]["unique_visitors"], 1);
}

#[test]
fn by_chatbot_one_that_has_gone_quiet_stands_beside_the_period_before() {
    let of = |chatbot: &'static str, date: &str| Session { chatbot, ..session(date, "v") };
    let tables = Memory::of(vec![
        of("quiet", "2026-06-10"),
        of("quiet", "2026-06-11"),
        of("long ago", "2026-06-09"),
        of("lively", "2026-06-12"),
    ]);
    let query = Query::new(window("2026-06-12", "2026-06-13"));
    let ids = |compare| {
        let request = ReportRequest {
            by_chatbot: true,
            compare,
            ..ReportRequest::new(ReportKind::Summary, query.clone(), 0)
        };
        let answer = json_with(&tables, request);
        let of_each = |one: &Value| {
            let (id, summary) = (one["chatbot_id"].as_str().unwrap().to_owned(), &one["summary"]);
            (id, summary["total_sessions"].clone(), one["compared_with"]["summary"]["total_sessions"].clone())
        };
        answer.as_array().unwrap().iter().map(of_each).collect::<Vec<_>>()
    };
    assert_eq!(ids(false), [("lively".to_owned(), json!(1), Value::Null)]);
    let both = ids(true);
    let names: Vec<&str> = both.iter().map(|(id, ..)| id.as_str()).collect();
    assert_eq!(names, ["lively", "quiet"]);
    assert_eq!(both[1].1, 0);
}

#[test]
fn where_sessions_are_pruned_the_visitors_of_the_window_are_not_known() {
    let mut tables = shop();
    tables.sessions_pruned = Some(day("2026-06-01"));
    let report = summary::summary(&tables, &june(), false).unwrap();
    assert_eq!(report.body.summary.unique_visitors, None);
    assert_eq!(report.body.summary.total_sessions, 4);
    assert_eq!(report.notes.len(), 1, "{:?}", report.notes);
    assert!(report.notes[0].contains("sessions up to 2026-06-01 are pruned"));
    tables.sessions_pruned = Some(day("2026-05-31"));
    let report = summary::summary(&tables, &june(), false).unwrap();
    assert_eq!(report.body.summary.unique_visitors, Some(crate::report::metric::values::Distinct(3)));
}

#[test]
fn the_visitors_of_a_chatbot_that_lost_no_session_are_known() {
    let mut tables = shop();
    (tables.sessions_pruned, tables.spared) = (Some(day("2026-06-05")), Some("docs"));
    for (chatbot, known) in [("docs", json!(1)), ("shop", Value::Null)] {
        let query = Query { chatbots: vec![chatbot.to_owned()], ..june() };
        assert_eq!(json_of(&tables, ReportKind::Summary, &query)["summary"]["unique_visitors"], known);
        assert_eq!(json_of(&tables, ReportKind::Visitors, &query)["visitors"]["unique_visitors"], known);
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
            let of_each_day = |query: &Query| {
                let notes = run(&tables, &ReportRequest::new(ReportKind::Visitors, query.clone(), 0))
                    .unwrap()
                    .notes();
                notes.iter().any(|note| note.ends_with("those of each day are known"))
            };
            assert!(of_each_day(&query));
            assert!(!of_each_day(&Query { include_bots: true, ..query.clone() }));
        }
    }
    let split = json_with(
        &tables,
        ReportRequest { by_chatbot: true, ..ReportRequest::new(ReportKind::Summary, june(), 0) },
    );
    assert_eq!((&split[0]["chatbot_id"], &split[1]["chatbot_id"]), (&json!("shop"), &json!("docs")));
    assert_eq!(split[0]["summary"]["new_visitors"], Value::Null);
    assert_eq!(split[1]["summary"]["new_visitors"], 1);
    // All of them together lost some.
    assert_eq!(json_of(&tables, ReportKind::Summary, &june())["summary"]["unique_visitors"], Value::Null);
}

#[test]
fn a_window_to_which_only_robots_came_says_so() {
    // The 2nd of June has one session of a robot, and none of people.
    let query = Query::new(window("2026-06-02", "2026-06-02"));
    let notes =
        |kind, query: &Query| run(&shop(), &ReportRequest::new(kind, query.clone(), 0)).unwrap().notes();
    let every = ReportKind::ALL.into_iter().filter(|kind| *kind != ReportKind::Active);
    for kind in every {
        assert_eq!(
            notes(kind, &query),
            ["no sessions on 2026-06-02 but 1 session of a robot: --include-bots counts it"],
            "{kind:?}"
        );
    }
    let shop_alone = Query { chatbots: vec!["shop".to_owned()], ..query.clone() };
    assert_eq!(
        notes(ReportKind::Trends, &shop_alone),
        ["no sessions of \"shop\" on 2026-06-02 but 1 session of a robot: --include-bots counts it"]
    );
    assert!(notes(ReportKind::Summary, &Query { include_bots: true, ..query }).is_empty());
    let robots = ["2026-06-02", "2026-06-03"].map(|at| Session { bot: true, ..session(at, "crawler") });
    let tables = Memory::of(robots.into());
    let undated = ReportRequest { has_window: false, ..ReportRequest::new(ReportKind::Sessions, june(), 0) };
    assert_eq!(
        run(&tables, &undated).unwrap().notes(),
        ["there are no sessions but 2 sessions of robots: --include-bots counts them"]
    );
}

#[test]
fn a_window_without_data_says_which_days_hold_data() {
    let query = Query::new(window("2026-04-01", "2026-04-30"));
    let report = summary::summary(&shop(), &query, false).unwrap();
    assert_eq!(
        report.notes,
        ["no sessions from 2026-04-01 to 2026-04-30: there is data from 2026-05-20 to 2026-06-10"]
    );
    let answer = json_of(&shop(), ReportKind::Summary, &query);
    assert_eq!(answer["summary"]["conversion_rate"], 0);
    assert_eq!(answer["summary"]["avg_response_time_ms"], Value::Null);
    assert_eq!(json_of(&shop(), ReportKind::Trends, &query)["trends"], json!([]));
    // Of a chatbot, its own days.
    let query = Query { chatbots: vec!["docs".to_owned()], ..query };
    let report = summary::summary(&shop(), &query, false).unwrap();
    assert!(report.notes[0].ends_with("there is data of 2026-06-10"), "{:?}", report.notes);
    // Of nothing at all.
    let report = summary::summary(&Memory::of(Vec::new()), &june(), false).unwrap();
    assert!(report.notes[0].contains("no data yet"));
}

#[test]
fn data_older_than_two_days_says_so() {
    let note = |to: &str| {
        let query = Query::new(window("2026-06-01", to));
        summary::summary(&shop(), &query, false).unwrap().notes
    };
    assert!(note("2026-06-12").is_empty());
    assert_eq!(note("2026-06-13"), ["the newest data is of 2026-06-10, 3 days before 2026-06-13"]);
}

#[test]
fn the_rest_of_the_events_counts_each_session_once() {
    let counts =
        |counts: &[(&'static str, u64)]| Session { counts: counts.to_vec(), ..session("2026-06-01", "a") };
    let tables = Memory::of(vec![
        counts(&[("a", 9), ("b", 1), ("c", 1)]),
        counts(&[("a", 9), ("b", 1), ("c", 1)]),
        counts(&[("a", 1), ("c", 2)]),
        counts(&[("a", 1)]),
    ]);
    let report = events::events(&tables, &june(), Some(1), false).unwrap();
    let rest = report.body.events.rest.as_ref().unwrap();
    // b and c: 2 + 4 events, in three sessions though two of them have both.
    assert_eq!((rest.event_count, rest.unique_sessions.0), (6, 3));
    assert_eq!(report.body.events.hidden(), 2);
    assert_eq!(serde_json::to_value(&report.body.events).unwrap().as_array().unwrap().len(), 1);
    // The same count: c (4) before b (2), and equal ones by name.
    let names: Vec<&str> = report.body.events.all.iter().map(|row| row.event_name.as_str()).collect();
    assert_eq!(names, ["a", "c", "b"]);
}

#[test]
fn sessions_that_were_active_at_a_time_that_is_pruned_are_not_just_none() {
    let mut tables = shop();
    (tables.sessions_pruned, tables.spared) = (Some(day("2026-06-05")), Some("docs"));
    let said = |chatbots: &[&str], at: &str| {
        let chatbots: Vec<String> = chatbots.iter().map(|id| (*id).to_owned()).collect();
        active::active(&tables, &chatbots, false, time(at)).unwrap().notes
    };
    let note = "sessions up to 2026-06-05 are pruned: of those active then, only what is kept is counted";
    assert_eq!(said(&[], "2026-06-05T23:59:59Z"), [note]);
    assert_eq!(said(&["shop"], "2025-12-01T12:00:00Z"), [note]);
    // Sessions that began on the 5th went on over midnight.
    assert_eq!(said(&[], "2026-06-06T12:00:00Z"), [note]);
    assert!(said(&[], "2026-06-07T00:30:00Z").is_empty());
    assert!(said(&["docs"], "2026-06-05T12:00:00Z").is_empty());
}

#[test]
fn sessions_are_active_that_had_an_event_within_the_timeout() {
    // From 10:00 to 10:20, with the timeout of 30 minutes.
    let tables = Memory::of(vec![Session { seconds: 20 * 60, ..session("2026-06-01T10:00:00Z", "a") }]);
    let active = |at: &str| active::active(&tables, &[], false, time(at)).unwrap().body.active_sessions;
    assert_eq!(active("2026-06-01T09:59:59.999999Z"), 0);
    assert_eq!(active("2026-06-01T10:00:00Z"), 1);
    assert_eq!(active("2026-06-01T10:10:00Z"), 1);
    assert_eq!(active("2026-06-01T10:50:00Z"), 1);
    assert_eq!(active("2026-06-01T10:50:00.000001Z"), 0);
    // A session of yesterday that goes on counts too.
    let tables = Memory::of(vec![Session { seconds: 7200, ..session("2026-05-31T23:00:00Z", "a") }]);
    assert_eq!(
        active::active(&tables, &[], false, time("2026-06-01T01:10:00Z")).unwrap().body.active_sessions,
        1
    );
}

#[test]
fn sessions_come_newest_first_a_page_at_a_time() {
    let tables = Memory::of((1..=25).map(|d| session(&format!("2026-05-{d:02}T10:00:00Z"), "a")).collect());
    let ask =
        |page| sessions(&tables, &SessionsQuery { page, limit: 10, ..SessionsQuery::newest() }).unwrap();
    let starts = |report: &Report<answer::session_page::SessionPage>| -> Vec<i64> {
        report.body.sessions.iter().map(|entry| entry.session.number("started_at").unwrap()).collect()
    };
    let day_of = |number: i64| time(&format!("2026-05-{number:02}T10:00:00Z"));
    assert_eq!(starts(&ask(1)), (16..=25).rev().map(day_of).collect::<Vec<_>>());
    assert_eq!(starts(&ask(3)), (1..=5).rev().map(day_of).collect::<Vec<_>>());
    assert_eq!((ask(3).body.total, ask(3).body.last_page()), (25, 3));
    assert_eq!(ask(4).body.sessions.len(), 0);
    assert_eq!(ask(4).notes, ["there is no page 4: the last one is 3"]);
    let wrong =
        |page, limit| sessions(&tables, &SessionsQuery { page, limit, ..SessionsQuery::newest() }).is_err();
    assert!(wrong(0, 10) && wrong(1, 0) && wrong(1, 101));
    assert!(!wrong(usize::MAX, 100));
}

#[test]
fn sessions_of_one_instant_are_on_one_page_each() {
    let tables = Memory::of((0..7).map(|n| session("2026-06-01T10:00:00Z", &format!("v{n}"))).collect());
    let mut ids = Vec::new();
    for page in 1..=3 {
        let report = sessions(&tables, &SessionsQuery { page, limit: 3, ..SessionsQuery::newest() }).unwrap();
        ids.extend(report.body.sessions.iter().map(|entry| entry.session.text("id").unwrap().to_owned()));
    }
    assert_eq!(ids.len(), 7);
    assert!(ids.is_sorted() && ids.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn a_session_has_every_column_in_order_and_json_within_json() {
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
fn a_session_is_looked_up_with_its_timeline() {
    let mut tables = shop();
    let id = "s-anna-2026-06-01T00:00:00Z";
    tables.events = vec![
        event("2026-06-01T00:01:40Z", id, "message_sent"),
        event("2026-06-01T00:00:00Z", id, "widget_loaded"),
        event("2026-06-01T00:01:40Z", "another", "message_sent"),
        event("2026-06-01T02:00:00Z", id, "of_a_later_session"),
    ];
    let wanted = SessionsQuery { session_id: Some(id.to_owned()), ..SessionsQuery::newest() };
    let value = serde_json::to_value(sessions(&tables, &wanted).unwrap()).unwrap();
    assert_eq!(value["total"], 1);
    let names: Vec<&Value> = value["sessions"][0]["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["event_name"])
        .collect();
    assert_eq!(names, ["widget_loaded", "message_sent"]);
    // By the id of its row, and by its visitor, who has two.
    let row = value["sessions"][0]["id"].as_str().unwrap().to_owned();
    let wanted = SessionsQuery { session_id: Some(row), ..SessionsQuery::newest() };
    assert_eq!(sessions(&tables, &wanted).unwrap().body.total, 1);
    let wanted = SessionsQuery { visitor: Some("anna".to_owned()), ..SessionsQuery::newest() };
    assert_eq!(sessions(&tables, &wanted).unwrap().body.total, 2);
    // A robot that is looked up is found.
    let wanted = SessionsQuery { visitor: Some("crawler".to_owned()), ..SessionsQuery::newest() };
    assert_eq!(sessions(&tables, &wanted).unwrap().body.total, 1);
    let wanted = SessionsQuery { visitor: Some("nobody".to_owned()), ..SessionsQuery::newest() };
    assert_eq!(
        sessions(&tables, &wanted).unwrap().notes,
        ["no session that is kept is of visitor \"nobody\""]
    );
    // It may well be kept, on another day than those asked for.
    let window = Some(window("2026-05-01", "2026-05-02"));
    let wanted = SessionsQuery { visitor: Some("anna".to_owned()), window, ..SessionsQuery::newest() };
    assert_eq!(
        sessions(&tables, &wanted).unwrap().notes,
        ["no session from 2026-05-01 to 2026-05-02 is of visitor \"anna\""]
    );
}

#[test]
fn pages_and_places_are_counted_with_their_conversations() {
    let pages = json_of(&shop(), ReportKind::Pages, &june());
    assert_eq!(
        pages["pages"],
        json!([
            {"landing_page": "/pricing", "sessions": 2, "conversations": 2, "conversion_rate": 100},
            {"landing_page": "unknown", "sessions": 2, "conversations": 0, "conversion_rate": 0},
        ])
    );
    let places = json_of(&shop(), ReportKind::Locations, &june());
    assert_eq!(
        places["countries"][0],
        json!({"country_code": "DE", "sessions": 2, "conversations": 2, "conversion_rate": 100})
    );
    assert_eq!(
        places["cities"],
        json!([
            {"city": "unknown", "country_code": "unknown", "sessions": 2, "conversations": 0, "conversion_rate": 0},
            {"city": "Bonn", "country_code": "DE", "sessions": 1, "conversations": 1, "conversion_rate": 100},
            {"city": "unknown", "country_code": "DE", "sessions": 1, "conversations": 1, "conversion_rate": 100},
        ])
    );
}

#[test]
fn visitors_are_counted_by_how_often_they_came() {
    let answer = json_of(&shop(), ReportKind::Visitors, &june());
    assert_eq!(
        answer["visitors"],
        json!({"unique_visitors": 3, "new_visitors": 2, "returning_visitors": 1, "total_sessions": 4, "sessions_per_visitor": 1.33})
    );
    assert_eq!(answer["frequency"][0], json!({"sessions": "1", "visitors": 2}));
    assert_eq!(answer["frequency"][1], json!({"sessions": "2", "visitors": 1}));
    assert_eq!(
        answer["days"][0],
        json!({"stat_date": "2026-06-01", "unique_visitors": 1, "new_visitors": 0, "returning_visitors": 1})
    );
    assert_eq!(answer["days"].as_array().unwrap().len(), 10);
}

fn with(properties: &str, event: Event) -> Event {
    Event { properties: Some(properties.to_owned()), ..event }
}

#[test]
fn performance_measures_answers_by_their_property_or_by_the_question_before() {
    let id = "s-anna-2026-06-01T00:00:00Z";
    let mut tables = Memory::of(vec![
        Session { seconds: 1000, ..session("2026-06-01T00:00:00Z", "anna") },
        Session { bot: true, seconds: 10, ..session("2026-06-01T00:00:00Z", "crawler") },
        // Starts before midnight of the window's last day and ends after it.
        Session { seconds: 1000, ..session("2026-06-10T23:59:00Z", "ben") },
        Session { seconds: 1000, ..session("2026-05-31T23:59:00Z", "eve") },
    ]);
    let error = |event: Event| Event { category: Some("error"), ..event };
    tables.events = vec![
        with(r#"{"load_time_ms":250}"#, event("2026-06-01T00:00:00Z", id, "widget_loaded")),
        event("2026-06-01T00:00:10Z", id, "message_sent"),
        with(r#"{"response_time_ms":1500}"#, event("2026-06-01T00:00:12Z", id, "message_received")),
        event("2026-06-01T00:01:00Z", id, "message_sent"),
        event("2026-06-01T00:01:01Z", id, "message_sent"),
        // Unusable, so the time since the first of both questions counts: 5 s.
        with(r#"{"response_time_ms":-3}"#, event("2026-06-01T00:01:05Z", id, "message_received")),
        error(event("2026-06-01T00:02:00Z", id, "api_error")),
        error(event("2026-06-01T00:02:01Z", id, "api_error")),
        error(event("2026-06-01T00:02:01Z", id, "widget_error")),
        event("2026-06-01T00:02:02Z", id, "slow_response"),
        // A robot's, and one of a session that started the day before: none of the window.
        error(event("2026-06-01T00:00:05Z", "s-crawler-2026-06-01T00:00:00Z", "api_error")),
        error(event("2026-06-01T00:00:05Z", "s-eve-2026-05-31T23:59:00Z", "api_error")),
        // After midnight, but of a session of the window.
        error(event("2026-06-11T00:00:05Z", "s-ben-2026-06-10T23:59:00Z", "api_error")),
        with(
            r#"{"load_time_ms":100}"#,
            event("2026-06-11T00:01:05Z", "s-ben-2026-06-10T23:59:00Z", "page_viewed"),
        ),
    ];
    let answer = json_of(&tables, ReportKind::Performance, &june());
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
fn performance_reads_a_response_time_as_sessions_do() {
    // 1024.4995 ms are 1,024,499.5 µs, and so 1,024,500, which are 1025 ms; -0 is a time of nothing.
    let numbers = ["1024.4995", "-0", "9007199254740.993"];
    let times = numbers.map(|number| response_us(&format!("{{\"response_time_ms\":{number}}}")));
    assert_eq!(times[..2], [Some(1_024_500), Some(0)]);
    for (number, time) in numbers.into_iter().zip(times) {
        let id = "s-anna-2026-06-01T00:00:00Z";
        let mut tables = Memory::of(vec![Session {
            seconds: 60,
            counts: vec![("message_received", 1)],
            response_us: time.into_iter().map(i64::unsigned_abs).collect(),
            ..session("2026-06-01T00:00:00Z", "anna")
        }]);
        let properties = format!("{{\"response_time_ms\":{number}}}");
        tables.events = vec![with(&properties, event("2026-06-01T00:00:12Z", id, "message_received"))];
        let performance = json_of(&tables, ReportKind::Performance, &june());
        assert_eq!(performance["response_time_ms"]["count"], u64::from(time.is_some()), "{number}");
        let summary = json_of(&tables, ReportKind::Summary, &june());
        let mean = &summary["summary"]["avg_response_time_ms"];
        assert_eq!(&performance["response_time_ms"]["mean"], mean, "{number}");
    }
}

#[test]
fn sessions_without_a_session_id_have_their_events_by_the_visitor() {
    let mut tables =
        Memory::of(vec![Session { session: None, seconds: 60, ..session("2026-06-01T00:00:00Z", "anna") }]);
    let event = event("2026-06-01T00:00:30Z", "", "widget_loaded");
    tables.events = vec![
        Event {
            session: None,
            anonymous: Some("anna".to_owned()),
            ..with(r#"{"load_time_ms":1}"#, event.clone())
        },
        // The same visitor with a session id is another session.
        Event {
            anonymous: Some("anna".to_owned()),
            session: Some("s".to_owned()),
            ..with(r#"{"load_time_ms":2}"#, event)
        },
    ];
    let answer = json_of(&tables, ReportKind::Performance, &june());
    assert_eq!(answer["load_time_ms"]["count"], 1);
    let wanted = SessionsQuery { visitor: Some("anna".to_owned()), ..SessionsQuery::newest() };
    let value = serde_json::to_value(sessions(&tables, &wanted).unwrap()).unwrap();
    assert_eq!(value["sessions"][0]["timeline"].as_array().unwrap().len(), 1);
}

#[test]
fn days_are_those_of_the_tables_time_zone() {
    let mut tables =
        Memory::of(vec![session("2026-05-31T22:00:00Z", "a"), session("2026-06-01T22:00:00Z", "b")]);
    tables.zone = Zone::parse("Europe/Berlin").unwrap();
    let answer = json_of(&tables, ReportKind::Trends, &Query::new(window("2026-06-01", "2026-06-01")));
    assert_eq!(
        answer["trends"],
        json!([{"stat_date": "2026-06-01", "sessions": 1, "conversations": 0, "messages": 0, "conversion_rate": 0}])
    );
    let answer = json_of(&tables, ReportKind::Summary, &Query::new(window("2026-06-01", "2026-06-01")));
    assert_eq!(answer["summary"]["new_visitors"], 1);
}

#[test]
fn where_the_clock_went_back_over_midnight_visitors_are_new_on_the_day_that_it_showed() {
    // In St. John's it was the 7th from 02:30 to 02:31 UTC, and then the 6th again for an hour.
    let mut tables = Memory::of(vec![
        session("2010-11-06T12:00:00Z", "a"),
        session("2010-11-07T02:30:30Z", "b"),
        session("2010-11-07T03:00:00Z", "c"),
        session("2010-11-07T03:10:00Z", "b"),
    ]);
    tables.zone = Zone::parse("America/St_Johns").unwrap();
    for (date, unique, new) in [("2010-11-06", 3, 2), ("2010-11-07", 1, 1)] {
        let query = Query::new(window(date, date));
        let figures = &json_of(&tables, ReportKind::Summary, &query)["summary"];
        assert_eq!((&figures["unique_visitors"], &figures["new_visitors"]), (&json!(unique), &json!(new)));
        assert_eq!(figures["returning_visitors"], unique - new);
        let day = &json_of(&tables, ReportKind::Visitors, &query)["days"][0];
        assert_eq!((&day["unique_visitors"], &day["new_visitors"]), (&json!(unique), &json!(new)));
        let robots = Query { include_bots: true, ..query };
        let trends = &json_of(&tables, ReportKind::Trends, &robots)["trends"];
        assert_eq!((&trends[0]["stat_date"], trends.as_array().unwrap().len()), (&json!(date), 1));
    }
    let both = Query::new(window("2010-11-06", "2010-11-07"));
    assert_eq!(json_of(&tables, ReportKind::Summary, &both)["summary"]["new_visitors"], 3);
}

#[test]
fn a_comparison_sets_each_figure_beside_the_period_before() {
    // Window: June 3 and 4, before: June 1 and 2.
    let of = |at: &str, utm| Session { utm, ..session(at, at) };
    let tables = Memory::of(vec![
        of("2026-06-01T10:00:00Z", Some("google")),
        of("2026-06-02T10:00:00Z", Some("google")),
        of("2026-06-02T11:00:00Z", Some("bing")),
        of("2026-06-03T10:00:00Z", Some("google")),
        of("2026-06-04T10:00:00Z", Some("mail")),
    ]);
    let query = Query::new(window("2026-06-03", "2026-06-04"));
    let compared = |kind| {
        let request = ReportRequest { compare: true, ..ReportRequest::new(kind, query.clone(), 0) };
        json_with(&tables, request)["comparison"].clone()
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
fn nothing_is_told_of_a_period_before_whose_sessions_are_pruned() {
    // Window: June 3 and 4, before: June 1 and 2, of which the 1st is pruned.
    let of = |at: &str, utm| Session { utm, ..session(at, at) };
    let mut tables = Memory::of(vec![
        of("2026-06-02T10:00:00Z", Some("google")),
        of("2026-06-02T11:00:00Z", Some("bing")),
        of("2026-06-03T10:00:00Z", Some("google")),
        of("2026-06-03T11:00:00Z", Some("mail")),
        of("2026-06-04T10:00:00Z", Some("mail")),
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
    let said = ["what the period before, 2026-06-01 to 2026-06-02, came to is not known: \
         sessions up to 2026-06-01 are pruned"];
    let (sources, notes) = compared(ReportKind::Sources, &query);
    assert_eq!(sources["utm_sources"], json!([{"source": "mail", "status": null, "count": unknown(2)}]));
    assert_eq!(notes, said);
    for kind in [ReportKind::Devices, ReportKind::Events] {
        assert_eq!(compared(kind, &query).1, said);
    }
    // Summary and trends come from daily statistics, but for the visitors, and but for robots.
    let (summary, notes) = compared(ReportKind::Summary, &query);
    assert_eq!(summary["summary"]["total_sessions"]["previous"], 2);
    assert_eq!(summary["summary"]["unique_visitors"], unknown(3));
    assert!(notes[0].starts_with("the data begins on 2026-06-02"), "{notes:?}");
    let with_robots = Query { include_bots: true, ..query.clone() };
    let (summary, notes) = compared(ReportKind::Summary, &with_robots);
    assert_eq!(summary["summary"]["total_sessions"], unknown(3));
    assert_eq!(notes, said);
    let (trends, notes) = compared(ReportKind::Trends, &with_robots);
    assert_eq!(trends["trends"].as_array().unwrap().len(), 2);
    assert_eq!(trends["trends"][1]["sessions"], unknown(1));
    assert_eq!(trends["trends"][1]["status"], Value::Null);
    assert_eq!(notes, said);
    let report = summary::summary(&tables, &with_robots, true).unwrap();
    let verdict = Condition::parse("total_sessions.change > 0").unwrap().evaluate(&report);
    assert!(matches!(verdict, crate::report::condition::Verdict::Unknown(_)), "{verdict:?}");
}

#[test]
fn a_comparison_with_a_day_that_is_not_over_says_so() {
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
fn conditions_are_held_against_the_figures() {
    let query = Query::new(window("2026-06-01", "2026-06-12"));
    let report = summary::summary(&shop(), &query, true).unwrap();
    let check = |text: &str| Condition::parse(text).unwrap().evaluate(&report);
    use crate::report::condition::Verdict;
    assert_eq!(check("conversion_rate < 50"), Verdict::Passed);
    assert_eq!(
        check("conversion_rate <= 50%"),
        Verdict::Failed("conversion_rate is 50, and --fail-if says \"conversion_rate <= 50%\"".to_owned())
    );
    assert!(matches!(check("total_sessions>3.99"), Verdict::Failed(_)));
    assert_eq!(check("total_sessions != 4"), Verdict::Passed);
    assert_eq!(check("error_count = 0"), Verdict::Passed);
    assert!(matches!(check("error_count==1"), Verdict::Failed(_)));
    // One session in the period before, from May 20 on: four are 300 % more.
    assert!(matches!(check("total_sessions.change_percent >= 300"), Verdict::Failed(_)));
    assert!(matches!(check("total_sessions.change = 3"), Verdict::Failed(_)));
    assert!(matches!(check("total_conversations.change_percent < 0"), Verdict::Unknown(_)));
    let alone = summary::summary(&shop(), &june(), false).unwrap();
    let Verdict::Unknown(why) = Condition::parse("total_sessions.change < 0").unwrap().evaluate(&alone)
    else {
        panic!()
    };
    assert!(why.contains("not compared"));
    let (notes, error) =
        crate::report::condition::evaluate(&[Condition::parse("total_sessions = 4").unwrap()], &report);
    assert!(notes.is_empty());
    assert_eq!(error.unwrap().kind(), crate::ErrorKind::ConditionMet);
}

#[test]
fn a_condition_that_cannot_be_read_is_an_error_with_a_fix() {
    for (wrong, hint) in [
        ("conversion_rate", "write it as"),
        ("conversion_rat < 1", "did you mean conversion_rate?"),
        ("sessions < 1", "the figures are"),
        ("conversion_rate < many", "write it as"),
        ("conversion_rate < 1e9", "write it as"),
        ("conversion_rate < .5", "write it as"),
        ("conversion_rate.growth < 1", "change and change_percent"),
    ] {
        let error = Condition::parse(wrong).unwrap_err();
        assert_eq!(error.kind(), crate::error::ErrorKind::Usage);
        assert!(error.hint_text().unwrap_or("").contains(hint), "{wrong}: {:?}", error.hint_text());
    }
}

fn listed(tables: &Memory, wanted: &EventQuery) -> (Vec<String>, event_query::EventListing) {
    let mut names = Vec::new();
    let listing = event_query::list_events(tables, wanted, &["event_name"], &mut |frame| {
        let reader = RecordReader::new(frame, Table::Events, &["event_name"])?;
        names
            .extend((0..frame.height()).map(|row| reader.record(row).text("event_name").unwrap().to_owned()));
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    (names, listing)
}

#[test]
fn a_list_with_a_limit_is_the_beginning_of_the_list_without() {
    let mut tables = shop();
    let at = |n: usize| format!("2026-06-{:02}T{:02}:{:02}:00Z", 1 + n % 5, n / 5 % 24, n / 7 % 60);
    // Some at one moment; more than are handed on at once.
    tables.events = (0..18_000).map(|n| event(&at(n), "x", if n % 3 == 0 { "a" } else { "b" })).collect();
    for newest_first in [true, false] {
        for names in [vec![], vec!["a".to_owned()]] {
            let query =
                EventQuery { newest_first, names, ..EventQuery::all(window("2026-06-01", "2026-06-10")) };
            let places = |limit: Option<usize>| {
                let mut places = Vec::new();
                let wanted = EventQuery { limit, ..query.clone() };
                let columns = ["id", "event_name", "timestamp"];
                let listing = event_query::list_events(&tables, &wanted, &columns, &mut |frame| {
                    let reader = RecordReader::new(frame, Table::Events, &columns)?;
                    places.extend((0..frame.height()).map(|row| {
                        let record = reader.record(row);
                        (record.number("timestamp").unwrap(), record.text("id").unwrap().to_owned())
                    }));
                    Ok(ControlFlow::Continue(()))
                });
                (places, listing.unwrap().more)
            };
            let (all, more) = places(None);
            assert_eq!((all.len(), more), (if query.names.is_empty() { 18_000 } else { 6_000 }, false));
            assert!(all.is_sorted_by(|a, b| if newest_first { a >= b } else { a <= b }));
            for limit in [1, 7, 3_600, 3_601, 5_999, 16_384, 16_385, 18_000] {
                let (some, more) = places(Some(limit));
                assert_eq!(some, all[..limit.min(all.len())], "{limit}");
                assert_eq!(more, limit < all.len(), "{limit}");
            }
        }
    }
}

#[test]
fn raw_events_are_listed_in_order_and_filtered() {
    let mut tables = shop();
    tables.events = vec![
        with(r#"{"button_id":"send"}"#, event("2026-06-01T10:00:00Z", "x", "first")),
        event("2026-06-05T10:00:00Z", "y", "third"),
        event("2026-06-02T10:00:00Z", "x", "second"),
        Event {
            category: Some("error"),
            anonymous: Some("anna".into()),
            ..event("2026-06-10T23:59:59.999999Z", "z", "last")
        },
        event("2026-06-11T00:00:00Z", "z", "after the window"),
        event("2026-05-31T23:59:59.999999Z", "z", "before the window"),
    ];
    let june = EventQuery::all(window("2026-06-01", "2026-06-10"));
    assert_eq!(listed(&tables, &june).0, ["last", "third", "second", "first"]);
    let oldest = EventQuery { newest_first: false, limit: Some(2), ..june.clone() };
    let (names, listing) = listed(&tables, &oldest);
    assert_eq!(names, ["first", "second"]);
    assert!(listing.more);
    let some = |query: EventQuery| listed(&tables, &query).0;
    assert_eq!(
        some(EventQuery { names: vec!["third".into(), "last".into()], ..june.clone() }),
        ["last", "third"]
    );
    assert_eq!(some(EventQuery { categories: vec!["error".into()], ..june.clone() }), ["last"]);
    assert_eq!(some(EventQuery { session_id: Some("x".into()), ..june.clone() }), ["second", "first"]);
    assert_eq!(some(EventQuery { visitor: Some("anna".into()), ..june.clone() }), ["last"]);
    let predicates = vec![Predicate::parse("properties.button_id=send").unwrap()];
    assert_eq!(some(EventQuery { predicates, ..june.clone() }), ["first"]);
    assert_eq!(some(EventQuery { chatbots: vec!["docs".into()], ..june.clone() }), Vec::<String>::new());
    let (_, listing) = listed(&tables, &EventQuery { names: vec!["none".into()], ..june });
    assert!(
        listing.notes[0].starts_with("no event from 2026-06-01 to 2026-06-10 is one"),
        "{:?}",
        listing.notes
    );
}

#[test]
fn events_are_listed_whatever_the_clock_says() {
    let mut tables = shop();
    tables.events = vec![event("2026-06-05T10:00:00Z", "x", "one")];
    let window = Window { today: day("2020-01-01"), ..window("2026-06-01", "2026-06-10") };
    assert_eq!(listed(&tables, &EventQuery::all(window)).0, ["one"]);
}

#[test]
fn no_more_events_are_handed_over_than_are_wanted() {
    let mut tables = shop();
    tables.events = (1..=9).map(|n| event(&format!("2026-06-0{n}T10:00:00Z"), "x", "one")).collect();
    let mut given = 0;
    let all = EventQuery::all(window("2026-06-01", "2026-06-09"));
    let mut each = |frame: &Frame| {
        given += frame.height();
        Ok(ControlFlow::Break(()))
    };
    event_query::list_events(&tables, &all, &["event_name"], &mut each).unwrap();
    // Dates are read four at a time.
    assert_eq!(given, 4);
}

#[test]
fn all_holds_every_report_by_its_name() {
    let answer = json_of(&shop(), ReportKind::All, &june());
    for kind in ReportKind::ALL.into_iter().filter(|kind| *kind != ReportKind::All) {
        assert!(answer.get(kind.name()).is_some(), "{}", kind.name());
    }
    assert_eq!(answer["summary"]["summary"]["total_sessions"], answer["sessions"]["total"]);
}

#[test]
fn wishes_that_a_report_cannot_fulfil_are_errors() {
    let refuse = |request: ReportRequest| {
        let Err(error) = run(&shop(), &request) else { panic!("no error") };
        assert_eq!(error.kind(), crate::error::ErrorKind::Usage);
    };
    refuse(ReportRequest { compare: true, ..ReportRequest::new(ReportKind::Pages, june(), 0) });
    refuse(ReportRequest { limit: Some(101), ..ReportRequest::new(ReportKind::Events, june(), 0) });
    refuse(ReportRequest { limit: Some(0), ..ReportRequest::new(ReportKind::Sources, june(), 0) });
    refuse(ReportRequest { visitor: Some("x".into()), ..ReportRequest::new(ReportKind::Trends, june(), 0) });
}

#[test]
fn a_session_of_a_second_counts_whole_seconds() {
    let tables =
        Memory::of(vec![Session { seconds: 1, ..session("2026-06-01", "a") }, session("2026-06-01", "b")]);
    // 1 second over 2 sessions: 0.5, rounded up.
    assert_eq!(json_of(&tables, ReportKind::Summary, &june())["summary"]["avg_session_duration_seconds"], 1);
    assert_eq!(SECOND, 1_000_000);
}
