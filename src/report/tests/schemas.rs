//! The JSON of every report has the documented keys and types, and matches `docs/schemas`.

use super::fixtures::{june, shop};
use super::memory_tables::{MemoryTables, day, event, time};
use super::ordered_json::{Json, Schema};
use crate::report::*;
use crate::store::columns::Table;

/// Samples of reports with the keys that other tools rely on.
const SAMPLES: [(ReportKind, &str); 7] = [
    (
        ReportKind::Summary,
        r#"{"chatbot_id": "uuid", "period_days": 30, "summary": {"total_sessions": 1250, "unique_visitors": 892,
            "total_conversations": 567, "avg_session_duration_seconds": 145, "conversion_rate": 45.36}}"#,
    ),
    (
        ReportKind::Trends,
        r#"{"chatbot_id": "uuid", "period_days": 30, "trends": [{"stat_date": "2024-01-15", "sessions": 42,
            "conversations": 18, "messages": 156, "conversion_rate": 42.86}]}"#,
    ),
    (
        ReportKind::Events,
        r#"{"chatbot_id": "uuid", "period_days": 7,
            "events": [{"event_name": "widget_opened", "event_count": 1523, "unique_sessions": 892}]}"#,
    ),
    (
        ReportKind::Active,
        r#"{"chatbot_id": "uuid", "active_sessions": 12, "timestamp": "2024-01-15T10:30:00Z"}"#,
    ),
    (
        ReportKind::Sessions,
        r#"{"chatbot_id": "uuid", "page": 1, "limit": 20, "total": 1250, "sessions": []}"#,
    ),
    (
        ReportKind::Sources,
        r#"{"chatbot_id": "uuid", "period_days": 30, "utm_sources": [{"source": "google", "count": 432}],
            "referrers": [{"domain": "google.com", "count": 567}]}"#,
    ),
    (
        ReportKind::Devices,
        r#"{"chatbot_id": "uuid", "period_days": 30, "devices": [{"type": "desktop", "count": 892}],
            "browsers": [{"name": "Chrome", "count": 756}], "operating_systems": [{"name": "Windows", "count": 567}]}"#,
    ),
];

/// The keys that are not in the samples.
const ADDED: [&str; 10] = [
    "from",
    "to",
    "new_visitors",
    "returning_visitors",
    "total_messages_sent",
    "total_messages_received",
    "avg_response_time_ms",
    "error_count",
    "bot_sessions_excluded",
    "channels",
];

/// Asserts that a value has the keys of a sample, in the same order and with the same types. Only
/// keys of [`ADDED`] may be additional.
fn assert_like(sample: &Json, value: &Json, at: &str) {
    match (sample, value) {
        (Json::Object(entries), Json::Object(_)) => {
            let keys: Vec<&str> = value.keys().into_iter().filter(|key| !ADDED.contains(key)).collect();
            assert_eq!(sample.keys(), keys, "{at}");
            for (key, sample) in entries {
                assert_like(sample, value.get(key).unwrap(), &format!("{at}.{key}"));
            }
        }
        (Json::List(samples), Json::List(values)) => {
            if let Some(sample) = samples.first() {
                assert!(!values.is_empty(), "{at} is empty");
                values.iter().for_each(|value| assert_like(sample, value, at));
            }
        }
        (Json::Number(_), Json::Number(_)) => {}
        _ => assert_eq!(sample.kind(), value.kind(), "{at}"),
    }
}

fn answer(request: &ReportRequest) -> Json {
    let mut tables = shop();
    tables.events = vec![event("2026-06-01T00:01:40Z", "s-anna-2026-06-01T00:00:00Z", "message_sent")];
    Json::parse(&serde_json::to_string(&run(&tables, request).unwrap()).unwrap())
}

fn request(kind: ReportKind) -> ReportRequest {
    ReportRequest::new(kind, june(), time("2026-06-10T12:00:00Z"))
}

#[test]
fn reports_have_keys_nesting_and_types_of_the_samples() {
    for (kind, sample) in SAMPLES {
        let mut request = request(kind);
        request.query.chatbots = vec!["shop".to_owned()];
        assert_like(&Json::parse(sample), &answer(&request), kind.name());
    }
}

#[test]
fn every_report_matches_its_schema() {
    for kind in ReportKind::ALL {
        let schema = Schema::read(kind.name());
        let plain = request(kind);
        schema.check(&answer(&plain));
        if kind.supports_compare() {
            schema.check(&answer(&ReportRequest { compare: true, ..plain.clone() }));
        }
        for chatbots in [vec!["shop".to_owned()], vec!["shop".to_owned(), "docs".to_owned()]] {
            let query = Query { chatbots, include_bots: true, ..june() };
            schema.check(&answer(&ReportRequest { query, ..plain.clone() }));
        }
        let by_chatbot = answer(&ReportRequest { by_chatbot: true, ..plain.clone() });
        by_chatbot.list().iter().for_each(|answer| schema.check(answer));
    }
    for interval in [TrendInterval::Hour, TrendInterval::Week, TrendInterval::Month] {
        let request = ReportRequest { interval, ..request(ReportKind::Trends) };
        Schema::read("trends").check(&answer(&request));
    }
    let schema = Schema::read("sessions");
    for (session_id, visitor) in
        [(Some("s-anna-2026-06-01T00:00:00Z".to_owned()), None), (None, Some("anna".to_owned()))]
    {
        let looked_up = answer(&ReportRequest { session_id, visitor, ..request(ReportKind::Sessions) });
        schema.check(&looked_up);
        assert!(looked_up.get("sessions").unwrap().list()[0].get("timeline").is_some());
    }
}

#[test]
fn unknown_metrics_match_the_schemas() {
    let mut tables = shop();
    tables.sessions_pruned = Some(day("2026-06-30"));
    for kind in ReportKind::ALL.into_iter().filter(|kind| *kind != ReportKind::All) {
        let outcome =
            run(&tables, &ReportRequest { compare: kind.supports_compare(), ..request(kind) }).unwrap();
        Schema::read(kind.name()).check(&Json::parse(&serde_json::to_string(&outcome).unwrap()));
    }
    let empty = MemoryTables::new(Vec::new());
    for kind in ReportKind::ALL {
        let outcome = run(&empty, &request(kind)).unwrap();
        Schema::read(kind.name()).check(&Json::parse(&serde_json::to_string(&outcome).unwrap()));
    }
}

#[test]
fn schema_of_sessions_has_the_columns_of_the_table() {
    let schema = Schema::read("sessions");
    let items = schema.root().get("properties").and_then(|p| p.get("sessions")).and_then(|s| s.get("items"));
    let keys = items.and_then(|items| items.get("properties")).unwrap().keys();
    let mut columns: Vec<&str> = Table::Sessions.columns().iter().map(|column| column.name).collect();
    columns.extend(["timeline", "timeline_truncated"]);
    assert_eq!(keys, columns);
}

#[test]
fn numbers_have_at_most_two_decimals() {
    fn check_numbers(value: &Json, at: &str) {
        match value {
            Json::Number(number) => {
                let text = number.to_string();
                let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                assert!(decimals <= 2 && !text.contains('e') && text != "-0", "{at}: {text}");
                assert!(!text.ends_with(".0"), "{at}: {text} is whole");
            }
            Json::List(items) => items.iter().for_each(|item| check_numbers(item, at)),
            Json::Object(entries) => entries.iter().for_each(|(key, value)| check_numbers(value, key)),
            _ => {}
        }
    }
    for kind in ReportKind::ALL {
        check_numbers(
            &answer(&ReportRequest { compare: kind.supports_compare(), ..request(kind) }),
            kind.name(),
        );
    }
}
