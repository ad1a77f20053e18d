//! Tests that an erasure covers every string column in the schema.

use std::time::Duration;

use crate::identity::IdentifierKind;
use crate::privacy::redact::searched_columns;
use crate::progress::NoProgress;
use crate::settings::Settings;
use crate::store::columns::{Column, ColumnType, Table};
use crate::store::manifest::Manifest;
use crate::store::update::partition::encode_file;
use crate::testing::{NOW, TestStore, clock, event_line};

const ID: &str = "ada.lovelace";

/// Columns whose values never come from a log, and the site: see `docs/privacy.md`.
const NOT_PERSONAL: [&str; 4] = ["chatbot_id", "channel", "device_type", "id_kind"];

fn columns_of_text(table: Table) -> impl Iterator<Item = &'static Column> {
    let is_text = |column: &&Column| matches!(column.kind, ColumnType::Text | ColumnType::Json);
    table.columns().iter().filter(is_text).filter(|column| !NOT_PERSONAL.contains(&column.name))
}

/// Returns a valid value of a column that contains the identifier.
fn value_with_id(column: &Column) -> String {
    match column.name {
        "session_id" | "anonymous_id" | "user_id" | "user_email" | "visitor_id" => ID.to_owned(),
        "event_counts" => format!(r#"{{"from {ID}":1}}"#),
        "merge_state" => format!(
            r#"{{"landing":{{"logged":null,"path":["/u/{ID}",[0,"00000000-0000-0000-0000-000000000001"]]}}}}"#
        ),
        "top_referrers" => format!(r#"[{{"domain":"{ID}.example","count":1}}]"#),
        "top_landing_pages" => format!(r#"[{{"page":"/u/{ID}","count":1}}]"#),
        "utm_sources" => format!(r#"[{{"source":"{ID}","count":1}}]"#),
        _ if column.kind == ColumnType::Json => format!(r#"{{"from {ID}":["{ID}"]}}"#),
        _ => format!("from {ID}, 1"),
    }
}

/// Writes a value into all rows of a column.
fn fill(store: &TestStore, table: Table, column: &str, value: &str) {
    let first = || Manifest::new(0, "UTC", 1);
    let mut writer = store.store().writer("a test", Duration::ZERO, first).unwrap();
    let mut transaction = writer.begin();
    let snapshot = transaction.snapshot().unwrap();
    for file in snapshot.manifest().files(table) {
        let mut frame = snapshot.read_file(file, None).unwrap();
        frame.replace_texts(column, &vec![Some(value); frame.height()]).unwrap();
        transaction.remove(file);
        transaction.add(encode_file(table, file.day, &frame).unwrap()).unwrap();
    }
    writer.commit(transaction, clock(NOW).now).unwrap();
    writer.finish().unwrap();
}

#[test]
fn identifier_in_any_string_column_is_erased() {
    // The profile and user agent columns of a session are read only if the session has a profile or
    // user agent.
    let ids = r#""session_id":"s1","anonymous_id":"v1","user_name":"Bob","user_metadata":{"n":1},"user_agent":"Opera/9.80""#;
    let lines = [
        event_line("2026-11-09T08:00:00Z", ids, "clicked"),
        event_line("2026-11-09T08:01:00Z", ids, "message_sent"),
    ];
    for table in Table::ALL {
        for column in columns_of_text(table) {
            let name = format!("{}.{}", table.name(), column.name);
            let store = TestStore::new();
            store.ingest(&store.write_log("a.ndjson", &lines), NOW);
            fill(&store, table, column.name, &value_with_id(column));
            assert!(store.all_text().contains(ID), "{name}");
            store.forget(IdentifierKind::User, ID);
            assert!(!store.all_text().contains(ID), "{name} has the identifier");
        }
    }
}

#[test]
fn every_string_column_is_searched_or_matched_as_a_whole() {
    for table in [Table::Events, Table::Sessions] {
        let ids = ["session_id", "anonymous_id", "user_id", "user_email"];
        let not_searched: Vec<&str> = columns_of_text(table)
            .map(|column| column.name)
            .filter(|name| !ids.contains(name) && searched_columns(table).all(|column| column.name != *name))
            .collect();
        assert!(not_searched.is_empty(), "{}: {not_searched:?}", table.name());
    }
}

#[test]
fn standard_names_are_not_identifiers() {
    let store = TestStore::new();
    let other = r#""session_id":"s1","anonymous_id":"v1""#;
    let named = r#""session_id":"s2","user_id":"message_sent""#;
    let lines = [
        event_line("2026-11-09T08:00:00Z", other, "message_sent"),
        event_line("2026-11-09T09:00:00Z", named, "message_sent"),
    ];
    store.ingest(&store.write_log("a.ndjson", &lines), NOW);
    let receipt = store.forget(IdentifierKind::User, "message_sent");
    assert_eq!((receipt.erased.sessions, receipt.redacted.events, receipt.redacted.sessions), (1, 0, 0));
    assert!(
        store.row_texts(Table::Sessions)[0].contains("messages_sent=Int(1)"),
        "{:?}",
        store.row_texts(Table::Sessions)
    );
}

#[test]
fn redacted_events_and_sessions_agree() {
    let store = TestStore::new();
    let session = |number: u32, members: &str| {
        let ids = format!(r#""session_id":"s{number}",{members}"#);
        event_line(&format!("2026-11-09T08:{number:02}:00Z"), &ids, "clicked")
    };
    let mut lines = vec![
        session(1, r#""user_agent":"ada.lovelace/1.0""#),
        session(
            2,
            r#""user_agent":"Mozilla/5.0 (Windows NT ada.lovelace) Chrome/ada.lovelace Safari/537.36""#,
        ),
        session(3, r#""country_code":"ada.lovelace","event_category":"ada.lovelace","city":"ada.lovelace""#),
        session(
            4,
            r#""referrer":"https://ada.lovelace/","utm_source":"ada.lovelace","landing_page":"ada.lovelace""#,
        ),
        session(5, r#""user_id":"ada.lovelace""#),
    ];
    lines.push(event_line("2026-11-09T08:30:00Z", r#""session_id":"s1""#, "ada.lovelace"));
    lines.push(event_line("2026-11-09T08:31:00Z", r#""session_id":"s1""#, "redacted"));
    store.ingest(&store.write_log("a.ndjson", &lines), NOW);
    let receipt = store.forget(IdentifierKind::User, ID);
    assert_eq!((receipt.erased.sessions, receipt.redacted.sessions), (1, 4));
    assert!(!store.all_text().contains(ID));
    let sessions = store.row_texts(Table::Sessions).join("\n");
    assert!(sessions.contains(r#"{\"clicked\":1,\"redacted\":2}"#), "{sessions}");
    // A rebuild from the events reproduces the stored sessions.
    let report = crate::maintenance::verify(&store.store(), &Ok(Settings::default()), &NoProgress).unwrap();
    assert!(report.is_clean(), "{report:?}");
}
