//! Reports on tables that are small enough to count by hand.

use serde_json::{Value, json};

use super::fixtures::{june, report_json, request_json, shop, window};
use super::memory_tables::{MemoryTables, Session, day, session, time};
use crate::error::ErrorKind;
use crate::report::*;
use crate::time::{SECOND, Zone};

#[test]
fn summary_counts_sessions_visitors_and_conversations() {
    // Durations: (100 + 51 + 0 + 0) / 4 = 37.75, rounded to 38. Conversations: 2 of 4. Responses:
    // (1,000,000 + 2,000,500 + 500 µs) / 3 = 1,000,333.3 µs, rounded to 1000 ms. Visitors: anna
    // (since May), ben (new), and the session without an id (new).
    let answer = report_json(&shop(), ReportKind::Summary, &june());
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
fn json_keys_have_the_documented_names_and_order() {
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

/// Returns the first and the last day of a list of days, and the number of rows.
fn extent(days: &Value) -> (&str, &str, usize) {
    let days = days.as_array().unwrap();
    let [first, .., last] = days.as_slice() else { panic!("{days:?}") };
    (first["stat_date"].as_str().unwrap(), last["stat_date"].as_str().unwrap(), days.len())
}

#[test]
fn trends_have_a_row_for_each_day_up_to_today() {
    let answer = report_json(&shop(), ReportKind::Trends, &june());
    let days = answer["trends"].as_array().unwrap();
    assert_eq!(days.len(), 10);
    assert_eq!(
        days[2],
        json!({"stat_date": "2026-06-03", "sessions": 2, "conversations": 1, "messages": 2, "conversion_rate": 50})
    );
    // The last day with data of this chatbot is the 3rd.
    let query = Query { chatbots: vec!["shop".to_owned()], ..june() };
    let answer = report_json(&shop(), ReportKind::Trends, &query);
    assert_eq!(extent(&answer["trends"]), ("2026-06-01", "2026-06-10", 10));
    assert_eq!(
        answer["trends"][9],
        json!({"stat_date": "2026-06-10", "sessions": 0, "conversations": 0, "messages": 0, "conversion_rate": 0})
    );
    assert_eq!(answer["chatbot_id"], "shop");
    // Today is the 15th. Later days have no rows.
    let query = Query { window: window("2026-05-01", "2026-06-30"), ..query };
    for include_bots in [false, true] {
        let query = Query { include_bots, ..query.clone() };
        let trends = report_json(&shop(), ReportKind::Trends, &query);
        assert_eq!(extent(&trends["trends"]), ("2026-05-01", "2026-06-15", 46));
        let visitors = report_json(&shop(), ReportKind::Visitors, &query);
        assert_eq!(extent(&visitors["days"]), ("2026-05-01", "2026-06-15", 46));
    }
    // Events may be up to a day in the future. Their sessions are counted, so they have a row.
    let tables = MemoryTables::new(vec![session("2026-06-16T01:00:00Z", "a")]);
    let trends = report_json(&tables, ReportKind::Trends, &Query::new(window("2026-06-14", "2026-06-20")));
    assert_eq!(extent(&trends["trends"]), ("2026-06-14", "2026-06-16", 3));
}

#[test]
fn compared_trends_have_a_row_for_each_day_up_to_today() {
    // No data in the window, which ends today; two sessions in the previous period, on its third
    // day.
    let mut request =
        ReportRequest::new(ReportKind::Trends, Query::new(window("2026-06-11", "2026-06-15")), 0);
    request.compare = true;
    let tables =
        MemoryTables::new(vec![session("2026-06-08T10:00:00Z", "a"), session("2026-06-08T11:00:00Z", "b")]);
    let answer = request_json(&tables, request);
    assert_eq!(extent(&answer["trends"]), ("2026-06-11", "2026-06-15", 5));
    let compared = &answer["comparison"]["trends"];
    assert_eq!(extent(compared), ("2026-06-11", "2026-06-15", 5));
    assert_eq!(
        compared[2]["sessions"],
        json!({"current": 0, "previous": 2, "change": -2, "change_percent": -100})
    );
}

#[test]
fn pruned_days_have_no_zeros_in_trends() {
    let query = Query { window: window("2026-06-01", "2026-06-10"), include_bots: true, ..june() };
    let mut tables = MemoryTables::new(vec![session("2026-06-08T10:00:00Z", "a")]);
    tables.sessions_pruned = Some(day("2026-06-04"));
    let trends = report_json(&tables, ReportKind::Trends, &query);
    assert_eq!(extent(&trends["trends"]), ("2026-06-05", "2026-06-10", 6));
}

#[test]
fn bot_sessions_are_counted_only_if_included() {
    let query = Query { include_bots: true, ..june() };
    let answer = report_json(&shop(), ReportKind::Summary, &query);
    assert_eq!(answer["summary"]["total_sessions"], 5);
    assert_eq!(answer["summary"]["unique_visitors"], 4);
    assert_eq!(answer["summary"]["bot_sessions_excluded"], 0);
    assert_eq!(answer["summary"]["conversion_rate"], 40);
    let trends = report_json(&shop(), ReportKind::Trends, &query);
    assert_eq!(trends["trends"][1]["sessions"], 1);
}

#[test]
fn several_chatbots_are_a_list_and_an_unknown_one_is_rejected() {
    let mut query = june();
    query.chatbots = vec!["shop".to_owned(), "docs".to_owned()];
    let answer = report_json(&shop(), ReportKind::Summary, &query);
    assert_eq!(answer["chatbot_id"], json!(["shop", "docs"]));
    assert_eq!(answer["summary"]["total_sessions"], 4);
    query.chatbots = vec!["shpo".to_owned()];
    let Err(error) = run(&shop(), &ReportRequest::new(ReportKind::Summary, query, 0)) else {
        panic!("no error")
    };
    assert_eq!(error.to_string(), "the store has no chatbot \"shpo\"");
    assert_eq!(error.hint_text(), Some("did you mean \"shop\"?"));
}

#[test]
fn by_chatbot_has_an_answer_for_each_most_sessions_first() {
    let mut request = ReportRequest::new(ReportKind::Summary, june(), 0);
    request.by_chatbot = true;
    let answer = request_json(&shop(), request);
    let ids: Vec<&Value> = answer.as_array().unwrap().iter().map(|a| &a["chatbot_id"]).collect();
    assert_eq!(ids, ["shop", "docs"]);
    assert_eq!(answer[0]["summary"]["total_sessions"], 3);
    assert_eq!(answer[0]["summary"]["new_visitors"], 1);
    assert_eq!(answer[1]["summary"]["unique_visitors"], 1);
}

#[test]
fn rest_of_events_counts_each_session_once() {
    let counts =
        |counts: &[(&'static str, u64)]| Session { counts: counts.to_vec(), ..session("2026-06-01", "a") };
    let tables = MemoryTables::new(vec![
        counts(&[("a", 9), ("b", 1), ("c", 1)]),
        counts(&[("a", 9), ("b", 1), ("c", 1)]),
        counts(&[("a", 1), ("c", 2)]),
        counts(&[("a", 1)]),
    ]);
    let report = events::events(&tables, &june(), Some(1), false).unwrap();
    let rest = report.body.events.rest.as_ref().unwrap();
    // b and c have 2 + 4 events, in three sessions: two of these have both.
    assert_eq!((rest.event_count, rest.unique_sessions.0), (6, 3));
    assert_eq!(report.body.events.hidden(), 2);
    assert_eq!(serde_json::to_value(&report.body.events).unwrap().as_array().unwrap().len(), 1);
    // By count: c (4) before b (2).
    let names: Vec<&str> = report.body.events.all.iter().map(|row| row.event_name.as_str()).collect();
    assert_eq!(names, ["a", "c", "b"]);
}

#[test]
fn active_counts_sessions_with_an_event_within_the_timeout() {
    // From 10:00 to 10:20, with the timeout of 30 minutes.
    let tables =
        MemoryTables::new(vec![Session { seconds: 20 * 60, ..session("2026-06-01T10:00:00Z", "a") }]);
    let active = |at: &str| active::active(&tables, &[], false, time(at)).unwrap().body.active_sessions;
    assert_eq!(active("2026-06-01T09:59:59.999999Z"), 0);
    assert_eq!(active("2026-06-01T10:00:00Z"), 1);
    assert_eq!(active("2026-06-01T10:10:00Z"), 1);
    assert_eq!(active("2026-06-01T10:50:00Z"), 1);
    assert_eq!(active("2026-06-01T10:50:00.000001Z"), 0);
    // A session that started the day before counts too.
    let tables = MemoryTables::new(vec![Session { seconds: 7200, ..session("2026-05-31T23:00:00Z", "a") }]);
    assert_eq!(
        active::active(&tables, &[], false, time("2026-06-01T01:10:00Z")).unwrap().body.active_sessions,
        1
    );
}

#[test]
fn pages_and_locations_count_conversations() {
    let pages = report_json(&shop(), ReportKind::Pages, &june());
    assert_eq!(
        pages["pages"],
        json!([
            {"landing_page": "/pricing", "sessions": 2, "conversations": 2, "conversion_rate": 100},
            {"landing_page": "unknown", "sessions": 2, "conversations": 0, "conversion_rate": 0},
        ])
    );
    let locations = report_json(&shop(), ReportKind::Locations, &june());
    assert_eq!(
        locations["countries"][0],
        json!({"country_code": "DE", "sessions": 2, "conversations": 2, "conversion_rate": 100})
    );
    assert_eq!(
        locations["cities"],
        json!([
            {"city": "unknown", "country_code": "unknown", "sessions": 2, "conversations": 0, "conversion_rate": 0},
            {"city": "Bonn", "country_code": "DE", "sessions": 1, "conversations": 1, "conversion_rate": 100},
            {"city": "unknown", "country_code": "DE", "sessions": 1, "conversations": 1, "conversion_rate": 100},
        ])
    );
}

#[test]
fn visitors_are_counted_by_number_of_sessions() {
    let answer = report_json(&shop(), ReportKind::Visitors, &june());
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

#[test]
fn days_follow_the_time_zone_of_the_tables() {
    let mut tables =
        MemoryTables::new(vec![session("2026-05-31T22:00:00Z", "a"), session("2026-06-01T22:00:00Z", "b")]);
    tables.zone = Zone::parse("Europe/Berlin").unwrap();
    let answer = report_json(&tables, ReportKind::Trends, &Query::new(window("2026-06-01", "2026-06-01")));
    assert_eq!(
        answer["trends"],
        json!([{"stat_date": "2026-06-01", "sessions": 1, "conversations": 0, "messages": 0, "conversion_rate": 0}])
    );
    let answer = report_json(&tables, ReportKind::Summary, &Query::new(window("2026-06-01", "2026-06-01")));
    assert_eq!(answer["summary"]["new_visitors"], 1);
}

#[test]
fn visitor_is_new_on_the_day_the_clock_showed() {
    // In St. John's it was the 7th from 02:30 to 02:31 UTC, and after that the 6th again for an
    // hour.
    let mut tables = MemoryTables::new(vec![
        session("2010-11-06T12:00:00Z", "a"),
        session("2010-11-07T02:30:30Z", "b"),
        session("2010-11-07T03:00:00Z", "c"),
        session("2010-11-07T03:10:00Z", "b"),
    ]);
    tables.zone = Zone::parse("America/St_Johns").unwrap();
    for (date, unique, new) in [("2010-11-06", 3, 2), ("2010-11-07", 1, 1)] {
        let query = Query::new(window(date, date));
        let metrics = &report_json(&tables, ReportKind::Summary, &query)["summary"];
        assert_eq!((&metrics["unique_visitors"], &metrics["new_visitors"]), (&json!(unique), &json!(new)));
        assert_eq!(metrics["returning_visitors"], unique - new);
        let day = &report_json(&tables, ReportKind::Visitors, &query)["days"][0];
        assert_eq!((&day["unique_visitors"], &day["new_visitors"]), (&json!(unique), &json!(new)));
        let with_bots = Query { include_bots: true, ..query };
        let trends = &report_json(&tables, ReportKind::Trends, &with_bots)["trends"];
        assert_eq!((&trends[0]["stat_date"], trends.as_array().unwrap().len()), (&json!(date), 1));
    }
    let both = Query::new(window("2010-11-06", "2010-11-07"));
    assert_eq!(report_json(&tables, ReportKind::Summary, &both)["summary"]["new_visitors"], 3);
}

#[test]
fn all_has_every_report_by_name() {
    let answer = report_json(&shop(), ReportKind::All, &june());
    for kind in ReportKind::ALL.into_iter().filter(|kind| *kind != ReportKind::All) {
        // Without a definition, goals are left out.
        assert_eq!(answer.get(kind.name()).is_some(), kind != ReportKind::Goals, "{}", kind.name());
    }
    let mut request = ReportRequest::new(ReportKind::All, june(), 0);
    let event = EventPattern::parse("message_sent").unwrap();
    request.sequences.definitions.goals = vec![Goal { name: "wrote".to_owned(), event }];
    assert_eq!(request_json(&shop(), request)["goals"]["goals"][0]["name"], "wrote");
    assert_eq!(answer["summary"]["summary"]["total_sessions"], answer["sessions"]["total"]);
}

#[test]
fn unsupported_options_are_usage_errors() {
    let assert_usage_error = |request: ReportRequest| {
        let Err(error) = run(&shop(), &request) else { panic!("no error") };
        assert_eq!(error.kind(), ErrorKind::Usage);
    };
    assert_usage_error(ReportRequest { compare: true, ..ReportRequest::new(ReportKind::Active, june(), 0) });
    assert_usage_error(ReportRequest {
        limit: Some(101),
        ..ReportRequest::new(ReportKind::Events, june(), 0)
    });
    assert_usage_error(ReportRequest {
        limit: Some(0),
        ..ReportRequest::new(ReportKind::Sources, june(), 0)
    });
    assert_usage_error(ReportRequest {
        visitor: Some("x".into()),
        ..ReportRequest::new(ReportKind::Trends, june(), 0)
    });
}

#[test]
fn mean_duration_is_rounded_half_up() {
    let tables = MemoryTables::new(vec![
        Session { seconds: 1, ..session("2026-06-01", "a") },
        session("2026-06-01", "b"),
    ]);
    // 1 second over 2 sessions: 0.5, rounded up.
    assert_eq!(
        report_json(&tables, ReportKind::Summary, &june())["summary"]["avg_session_duration_seconds"],
        1
    );
    assert_eq!(SECOND, 1_000_000);
}
