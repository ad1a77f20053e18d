//! Exports of stored events: NDJSON that is ingested again, CSV, and parts of an export.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::ingest::Field;
use crate::privacy::export::{Export, ExportOptions};
use crate::render::events::{EventRenderer, LineFormat};
use crate::store::columns::{ColumnType, Table};
use crate::testing::{NOW, TestStore, render_export};
use crate::time::Day;

fn export(store: &TestStore, options: ExportOptions) -> Vec<String> {
    store.export(options, LineFormat::Ndjson)
}

/// Exports all events, ingests them into an empty store, and compares all tables.
fn check_round_trip(lines: &[String]) {
    let (from, to) = (TestStore::new(), TestStore::new());
    from.ingest(&from.write_log("a.ndjson", lines), NOW);
    let export = export(&from, ExportOptions::default());
    let counts = to.ingest(&to.write_log("export.ndjson", &export), NOW);
    assert_eq!(counts.stored, from.row_count(Table::Events), "{counts:?}\n{}", export.join("\n"));
    for table in Table::ALL {
        assert_eq!(from.row_texts(table), to.row_texts(table), "{table:?}\n{}", export.join("\n"));
    }
}

#[test]
fn export_of_unusual_lines_gives_the_same_tables() {
    let lines = [
        // An id that is a UUID, one that is not, and two identical lines without an id.
        r#"{"chatbot_id":"c","event_id":"b270790b-1d46-432b-80ff-41b0524bedc7","id":"beside","session_id":7,"event_name":"x","timestamp":1762675200}"#,
        r#"{"chatbotId":"c","id":"B270790B","session_id":"s","event_name":"x","timestamp":"2026-11-09T08:00:00.123456+02:00"}"#,
        r#"{"chatbot_id":"c","session_id":"s","event_name":"message_sent","timestamp":"2026-11-09 08:00:00"}"#,
        r#"{"chatbot_id":"c","session_id":"s","event_name":"message_sent","timestamp":"2026-11-09 08:00:00"}"#,
        // A visitor id derived from IP address and user agent; a campaign in the URL; unknown
        // fields.
        r#"{"chatbot_id":"c","event_name":"widget_loaded","ip":"203.0.113.9:80, 10.0.0.1","user_agent":"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1","page_url":"https://shop.example/a?utm_source=news%20letter&utm_medium=email","referrer":"https://www.google.com/","timestamp":"2026-11-09T08:00:00Z","plan":{"a":[1,2.50]},"type":"odd","events":[]}"#,
        // Wrong types, and an invalid IP address.
        r#"{"chatbot_id":"c","session_id":"t","event_name":"x","timestamp":"2026-11-09T08:00:00Z","screen_width":"wide","screenHeight":800,"user_agent":5,"properties":[1],"ip_address":"unknown","ip":"203.0.113.7"}"#,
        // A category and a campaign of the wrong type; the page URL has a valid campaign.
        r#"{"chatbot_id":"d","event_category":0,"event_name":"message_sent","page_url":"https://a.example/p?utm_source=s&x=%41#f","session_id":"s1","timestamp":1762675200,"utm_source":-467985071}"#,
        r#"{"chatbot_id":"d","event_category":0,"event_name":"x","page_url":"https://a.example/p?utm_source=s&utm_medium=m","session_id":"s1","timestamp":1762675200,"utm_medium":"of the line","utmSource":[]}"#,
        // Several time fields.
        r#"{"chatbot_id":"c","session_id":"u","event_name":"x","client_timestamp":"1999-01-01T00:00:00Z","sent_at":"1999-01-01T00:00:05Z","received_at":"2026-11-09T08:00:00.5Z"}"#,
        r#"{"chatbot_id":"c","session_id":"u","event_name":"x","timestamp":"2026-11-09T09:00:00Z","client_timestamp":-999999999999999999}"#,
        // Session context and identify lines with a category; escapes.
        r#"{"type":"session","chatbot_id":"c","session_id":"v","landing_page":"/l","event_category":"mine","timestamp":"2026-11-09T08:00:00Z"}"#,
        r#"{"type":"identify","chatbot_id":"c","session_id":"v","user_id":"u\u00e9\n\"1","user_email":"a@b.c","user_metadata":{"k" : "v\u0041"},"timestamp":"2026-11-09T08:01:00Z"}"#,
        // An envelope with fields of the wrong type; one of its events has a valid value.
        r#"{"chatbotId":"c","sessionId":"w","userAgent":["x"],"pageTitle":7,"foo":1,"receivedAt":"2026-11-09T08:00:00Z","events":[{"event_name":"a","user_agent":"curl/8","bar":2},{"event_name":"b","properties":{"response_time_ms":12.5}},{"event_name":"message_received","properties":{"response_time_ms":12.5}}]}"#,
    ];
    check_round_trip(&lines.map(str::to_owned));
}

#[test]
fn control_characters_are_escaped_on_a_terminal_only() {
    let store = TestStore::new();
    // JSON must escape ESC, but neither the 8-bit CSI (U+009B) nor the right-to-left override.
    let line = r#"{"chatbot_id":"c","session_id":"s","event_name":"x","page_title":"a\u001b[2J\u009b2J\u202eb","timestamp":1762675200}"#;
    store.ingest(&store.write_log("a.ndjson", &[line.to_owned()]), NOW);
    let render = |format: LineFormat, escape_control: bool| {
        let export = Export::open(&store.store().snapshot().unwrap(), ExportOptions::default()).unwrap();
        render_export(&export, &EventRenderer::new(format, escape_control).unwrap())
    };
    let is_control = |c: char| matches!(c, '\u{1b}' | '\u{9b}' | '\u{202e}');
    for (format, escaped, plain) in [
        (LineFormat::Ndjson, r"a\u001b[2J\u009b2J\u202eb", "\\u001b[2J\u{9b}2J\u{202e}b"),
        (LineFormat::Csv, r"a\u{1b}[2J\u{9b}2J\u{202e}b", "a\u{1b}[2J\u{9b}2J\u{202e}b"),
    ] {
        let text = render(format, true);
        assert!(text.contains(escaped) && !text.contains(is_control), "{text:?}");
        let text = render(format, false);
        assert!(text.contains(plain), "{text:?}");
    }
    // One event is one line.
    let csv = render(LineFormat::Csv, false);
    assert_eq!(csv.matches("\r\n").count(), 2, "{csv:?}");
    assert_eq!(csv.matches('\n').count(), 2, "{csv:?}");
}

/// Exports all events as CSV; returns the header and the rows by id.
fn export_csv(store: &TestStore) -> (Vec<String>, BTreeMap<String, Vec<String>>) {
    let export = Export::open(&store.store().snapshot().unwrap(), ExportOptions::default()).unwrap();
    let text = render_export(&export, &EventRenderer::new(LineFormat::Csv, false).unwrap());
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows = reader.records().map(|row| {
        let row: Vec<String> = row.unwrap().iter().map(str::to_owned).collect();
        (row[0].clone(), row)
    });
    (header, rows.collect())
}

/// Checks that exports by chatbot and by days contain every event once, and that CSV has the values
/// of the table.
fn check_parts(lines: &[String]) {
    let store = TestStore::new();
    store.ingest(&store.write_log("a.ndjson", lines), NOW);
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let all = sorted(export(&store, ExportOptions::default()));
    let day = |text: &str| Day::parse(text).unwrap();
    let windows = [("2000-01-01", "2026-11-07"), ("2026-11-08", "2026-11-08"), ("2026-11-09", "2027-01-01")];
    let mut parts = Vec::new();
    for chatbot in ["c", "d"] {
        for (from, to) in windows {
            let chatbots = vec![chatbot.to_owned()];
            let days = Some((day(from), day(to)));
            parts.extend(export(&store, ExportOptions { days, chatbots, ..Default::default() }));
        }
    }
    assert_eq!(sorted(parts), all);
    let both = vec!["d".to_owned(), "c".to_owned()];
    assert_eq!(sorted(export(&store, ExportOptions { chatbots: both, ..Default::default() })), all);

    let (header, rows) = export_csv(&store);
    let names: Vec<&str> = Table::Events.columns().iter().map(|column| column.name).collect();
    assert_eq!(header, names);
    assert_eq!(rows.len(), all.len());
    let snapshot = store.store().snapshot().unwrap();
    for file in snapshot.manifest().files(Table::Events) {
        let frame = snapshot.read_file(file, None).unwrap();
        let ids = frame.texts("id").unwrap();
        for (index, column) in Table::Events.columns().iter().enumerate() {
            if !matches!(column.kind, ColumnType::Text | ColumnType::Json) {
                continue;
            }
            let cells = frame.texts(column.name).unwrap();
            for row in 0..frame.height() {
                let exported = &rows[ids.get(row).unwrap()][index];
                let text = cells.get(row).unwrap_or("");
                // Only a leading `'`, which keeps a spreadsheet from evaluating a formula, may
                // differ.
                let is_same = exported == text || exported.strip_prefix('\'') == Some(text);
                assert!(is_same, "{}: {exported:?}, not {text:?}", column.name);
                // A negative number is not a formula.
                let is_formula =
                    exported.starts_with(['=', '+', '-', '@']) && exported.parse::<f64>().is_err();
                assert!(!is_formula, "{}: {exported:?}", column.name);
            }
        }
    }
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        "[a-zé/:.?=&%\"\\\\]{0,12}".prop_map(serde_json::Value::from),
        "[=+@-][a-z(),\"\n]{0,6}".prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
        Just(serde_json::json!({"response_time_ms": 5, "triggered_by": "x", "load_time_ms": "y"})),
        Just(serde_json::json!("https://a.example/p?utm_source=s&x=%41#f")),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let keys = Field::ALL.map(|field| field.name().to_owned());
    let keys =
        keys.into_iter().chain(["userId", "pageUrl", "screenWidth", "ip", "id", "other"].map(str::to_owned));
    let key = prop::sample::select(keys.collect::<Vec<_>>());
    let name = prop::sample::select(vec!["message_sent", "message_received", "widget_opened", "z"]);
    let fields = proptest::collection::btree_map(key, value(), 0..10);
    let chatbot = prop::sample::select(vec!["c", "c", "d"]);
    (fields, name, chatbot, 0..4u8, 0..3000i64).prop_map(|(mut fields, name, chatbot, session, minute)| {
        // Random values of these fields would make most lines invalid.
        for key in ["timestamp", "client_timestamp", "sent_at", "received_at", "events", "type"] {
            fields.remove(key);
        }
        // An object cannot be an id and is omitted from an export.
        for key in ["event_id", "id"] {
            if fields.get(key).is_some_and(|id| id.is_object()) {
                fields.remove(key);
            }
        }
        fields.insert("event_name".into(), name.into());
        fields.insert("chatbot_id".into(), chatbot.into());
        fields.insert("session_id".into(), format!("s{session}").into());
        fields.insert("timestamp".into(), (1_794_000_000 + minute * 60).into());
        serde_json::to_string(&fields).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn export_of_all_events_gives_the_same_tables(lines in proptest::collection::vec(line(), 1..20)) {
        check_round_trip(&lines);
    }

    #[test]
    fn parts_of_an_export_add_up_and_csv_has_the_same_values(
        lines in proptest::collection::vec(line(), 1..20)
    ) {
        check_parts(&lines);
    }
}

#[test]
fn export_omits_ids_that_the_map_did_not_read() {
    // The map reads neither the session id nor the user id, so both members of the log are in
    // `extra`.
    let map =
        "[event]\nevent_name = \"/name\"\ntimestamp = \"/at\"\nanonymous_id = \"/who\"\nevent_id = \"/nr\"\n";
    let map = std::sync::Arc::new(crate::ingest::Map::parse("my.toml", map).unwrap());
    let line = r#"{"name":"x","at":1762675200,"who":"a","nr":"7","chatbot":"c","session_id":-1,"user_id":"u","screen_width":"wide","note":"n"}"#;
    let (from, to) = (TestStore::new(), TestStore::new());
    let log = from.write_log("a.json", &[line.to_owned()]);
    from.ingest_mapped(&log, NOW, &map, "c");
    let export = export(&from, ExportOptions::default());
    to.ingest(&to.write_log("export.ndjson", &export), NOW);
    let events = to.row_texts(Table::Events).join("");
    assert_eq!(to.row_texts(Table::Sessions), from.row_texts(Table::Sessions), "{events}");
    assert!(export[0].contains("\"note\":\"n\"") && export[0].contains("\"screen_width\":\"wide\""));
    assert!(!export[0].contains("session_id") && !export[0].contains("user_id"), "{}", export[0]);
}
