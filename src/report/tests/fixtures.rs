//! Windows, tables and requests that the tests share.

use serde_json::Value;

use super::memory_tables::{Event, MemoryTables, Session, day, session, time};
use crate::report::*;

/// Returns a query for the first ten days of June, on June 15th.
pub fn june() -> Query {
    Query::new(window("2026-06-01", "2026-06-10"))
}

/// Returns a window, as seen on June 15th.
pub fn window(from: &str, to: &str) -> Window {
    Window { from: day(from), to: day(to), today: day("2026-06-15") }
}

/// Returns the JSON of a report.
pub fn report_json(tables: &MemoryTables, kind: ReportKind, query: &Query) -> Value {
    request_json(tables, ReportRequest::new(kind, query.clone(), time("2026-06-15T12:00:00Z")))
}

/// Returns the JSON of the answers to a request.
pub fn request_json(tables: &MemoryTables, request: ReportRequest) -> Value {
    serde_json::to_value(run(tables, &request).unwrap()).unwrap()
}

/// Returns tables with four sessions and a bot session in June, and a session in May. The three
/// visitors in June are `anna`, who was first seen in May, `ben`, who was first seen in June, and
/// one without an anonymous id.
pub fn shop() -> MemoryTables {
    let messages =
        |sent, received| vec![("message_sent", sent), ("message_received", received), ("widget_loaded", 1)];
    MemoryTables::new(vec![
        Session { seconds: 60, ..session("2026-05-20T10:00:00Z", "anna") },
        Session {
            seconds: 100,
            counts: messages(3, 2),
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
            counts: messages(1, 1),
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

/// Returns an event with properties.
pub fn with_properties(properties: &str, event: Event) -> Event {
    Event { properties: Some(properties.to_owned()), ..event }
}
