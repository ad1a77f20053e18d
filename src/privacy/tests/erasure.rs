//! Tests of the data that an erasure removes from the store.

use std::time::Duration;

use crate::identity::IdentifierKind;
use crate::maintenance;
use crate::privacy::ErasureReceipt;
use crate::settings::{Retention, Settings};
use crate::store::columns::Table;
use crate::testing::{NOW, TestStore, ada_among_others, clock, event_line};

fn invalid_lines() -> Vec<String> {
    [
        r#"{"chatbot_id":"shop","user_id":"user_ada","event_name":"x"}"#,
        r#"{"chatbot_id":"shop","user_id":"user_ada", no json"#,
        r#"{"chatbot_id":"shop","page_url":"/?u=user%5fada", no json"#,
        r#"{"chatbot_id":"shop","user_id":"user_bob","event_name":"x"}"#,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn erased_person_is_nowhere_and_suppressed_on_reingest() {
    let store = TestStore::new();
    let good = store.write_log("good.ndjson", &ada_among_others());
    let bad = store.write_log("user_ada.ndjson", &invalid_lines());
    assert_eq!(store.ingest(&good, NOW).stored, 9);
    assert_eq!(store.ingest(&bad, NOW).rejected_total(), 4);
    let before = store.all_text();
    for trace in ["user_ada", "cookie-ada-1", "cookie-ada-2", "s-ada-3", "secret-of-ada", "Ada@Example.org"] {
        assert!(before.contains(trace), "{trace}");
    }

    let receipt = store.forget(IdentifierKind::User, "user_ada");
    assert_eq!((receipt.identifiers.followed, receipt.identifiers.shared), (2, 0));
    // Six events in four sessions; three visitors: two cookies and the user.
    assert_eq!((receipt.erased.events, receipt.erased.sessions, receipt.erased.visitors), (6, 4, 3));
    assert_eq!(receipt.erased.rejects, 3);
    assert_eq!((receipt.redacted.events, receipt.redacted.sessions), (2, 1));
    assert_eq!(receipt.redacted.log_names, 1);
    assert_ada_is_erased(&store);
    assert_eq!((store.row_count(Table::Events), store.row_count(Table::Sessions)), (3, 2));
    assert!(store.all_text().contains("user_ada2"), "the id of another person begins with that of Ada");

    // Ingest the logs again, and once more in another order.
    let again = store.ingest(&good, "2026-11-11T02:00:00Z");
    assert_eq!((again.forgotten, again.duplicate, again.stored), (6, 3, 0));
    let again = store.ingest(&bad, "2026-11-11T02:00:00Z");
    assert_eq!((again.forgotten, again.rejected_total()), (3, 1));
    let mut reversed = ada_among_others();
    reversed.reverse();
    let again = store.ingest(&store.write_log("copy.ndjson", &reversed), "2026-11-11T03:00:00Z");
    assert_eq!((again.forgotten, again.stored), (6, 0));
    assert_ada_is_only_in_file_names(&store);
}

fn assert_ada_is_erased(store: &TestStore) {
    let text = store.all_text();
    for trace in [
        "cookie-ada",
        "s-ada",
        "secret-of-ada",
        "Ada@Example.org",
        "user%5Fada",
        "user%5fada",
        "user%255Fada",
    ] {
        assert!(!text.contains(trace), "{trace} is still there");
    }
    let of_ada = text.replace("user_ada2", "");
    assert!(
        !of_ada.contains("user_ada"),
        "{:?}",
        of_ada.find("user_ada").map(|at| &of_ada[at.saturating_sub(60)..at + 20])
    );
}

/// Checks that only file names mention Ada: a new ingest stores the name of the log again.
fn assert_ada_is_only_in_file_names(store: &TestStore) {
    let text = store.all_text().replace("user_ada.ndjson", "").replace("user_ada2", "");
    for trace in ["user_ada", "cookie-ada", "s-ada", "secret-of-ada"] {
        assert!(!text.contains(trace), "{trace} is back");
    }
}

#[test]
fn erasure_covers_old_top_lists_and_orphan_files() {
    let store = TestStore::new();
    // Only the top lists of June remain. Entries from sessions of other people mention Ada.
    let old = event_line(
        "2026-06-01T08:00:00Z",
        r#""session_id":"s-dan","page_url":"https://shop.example/u/user%5Fada","utm_source":"from-user_ada""#,
        "page_viewed",
    );
    let other = event_line(
        "2026-06-01T09:00:00Z",
        r#""session_id":"s-eve","page_url":"https://shop.example/prices","referrer":"https://user_ada.example/""#,
        "page_viewed",
    );
    store.ingest(&store.write_log("june.ndjson", &[old, other]), "2026-06-02T02:00:00Z");
    store.ingest(&store.write_log("good.ndjson", &ada_among_others()), NOW);
    let settings = Settings { session_retention: Retention::Days(90), ..Settings::default() };
    let options =
        maintenance::GcOptions { clock: clock(NOW), dry_run: false, yes: true, lock_timeout: Duration::ZERO };
    maintenance::gc(&store.store(), &settings, options).unwrap();
    let june = |store: &TestStore| {
        let rows = store.row_texts(Table::DailyStats);
        rows.into_iter().find(|row| row.contains("2026-06-01") || row.contains("Day(20605)")).unwrap()
    };
    let before = june(&store);
    for entry in ["/u/user%5Fada", "from-user_ada", "user_ada.example", "/prices"] {
        assert!(before.contains(entry), "{entry}: {before}");
    }
    // Add orphan files of an interrupted run, complete and truncated.
    let dir = store.store().dir().to_owned();
    let live = store.store().snapshot().unwrap().manifest().files(Table::Events)[0].path.clone();
    std::fs::create_dir(dir.join("staging")).unwrap();
    std::fs::copy(dir.join(&live), dir.join(&live).with_file_name("orphan.parquet")).unwrap();
    std::fs::write(dir.join("staging/half"), "PAR1 user_ada").unwrap();
    std::fs::create_dir_all(dir.join("rejects")).unwrap();
    std::fs::write(dir.join("rejects/orphan.ndjson"), "{\"raw\":\"user_ada\"}\n").unwrap();

    let receipt = store.forget(IdentifierKind::User, "user_ada");
    assert_eq!(receipt.erased.daily_stats_entries, 3);
    assert_ada_is_erased(&store);
    let after = june(&store);
    assert!(after.contains("/prices") && after.contains("direct"), "others' entries stay: {after}");
    // The metrics of the day contain no identifier, so they stay.
    let sessions = |row: &str| row.split(';').find(|c| c.starts_with("total_sessions")).unwrap().to_owned();
    assert_eq!(sessions(&after), sessions(&before));
}

#[test]
fn id_that_contains_the_identifier_is_unchanged() {
    let store = TestStore::new();
    let other = r#""session_id":"s-bob","user_id":"user_ada-b","user_email":"user_ada@example.org""#;
    store.ingest(
        &store.write_log("a.ndjson", &[event_line("2026-11-09T08:00:00Z", other, "message_sent")]),
        NOW,
    );
    for _ in 0..2 {
        let receipt = store.forget(IdentifierKind::User, "user_ada");
        assert_eq!((receipt.erased.sessions, receipt.redacted.sessions, receipt.files_replaced), (0, 0, 0));
    }
    assert_eq!(store.row_count(Table::Sessions), 1);
}

#[test]
fn short_id_is_found_in_rejects_between_spaces() {
    let store = TestStore::new();
    let lines = [
        r#"{"chatbot_id":"c", "user_id": 7 , "event_name":"x","timestamp":"bad"}"#,
        "{\"chatbot_id\":\"c\", \"user_id\":\t7\t, broken }",
        r#"{"chatbot_id":"c", "user_id": 8 , "event_name":"7 of 9","timestamp":"bad"}"#,
    ];
    store.ingest(&store.write_log("a.ndjson", &lines.map(str::to_owned)), NOW);
    assert_eq!(store.forget(IdentifierKind::User, "7").erased.rejects, 2);
}

#[test]
fn dry_run_gives_the_same_receipt_and_changes_nothing() {
    let store = TestStore::new();
    store.ingest(&store.write_log("good.ndjson", &ada_among_others()), NOW);
    let before = store.all_text();
    let dry = store.forget_at(IdentifierKind::Email, "ada@example.org", NOW, true);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&store.all_text()), sorted(&before));
    let done = store.forget(IdentifierKind::Email, "ada@example.org");
    assert_eq!(done, ErasureReceipt { dry_run: false, ..dry });
    assert_eq!((done.erased.events, done.erased.sessions), (6, 4));
    let json = serde_json::to_string(&done).unwrap();
    assert!(!json.contains("ada"), "{json}");
}

#[test]
fn tables_equal_those_of_a_log_without_the_person() {
    let (with, without) = (TestStore::new(), TestStore::new());
    let lines = ada_among_others();
    with.ingest(&with.write_log("a.ndjson", &lines), NOW);
    // Omit the events of other people that mention Ada.
    let others: Vec<String> = vec![lines[8].clone()];
    let mut of_ada = lines[..6].to_vec();
    of_ada.push(lines[8].clone());
    let alone = TestStore::new();
    alone.ingest(&alone.write_log("a.ndjson", &of_ada), NOW);
    alone.forget(IdentifierKind::User, "user_ada");
    without.ingest(&without.write_log("a.ndjson", &others), NOW);
    for table in [Table::DailyStats, Table::Visitors, Table::Sessions, Table::Events] {
        assert_eq!(alone.row_texts(table), without.row_texts(table), "{table:?}");
    }
}
