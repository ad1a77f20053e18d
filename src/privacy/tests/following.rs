//! Tests of the anonymous ids that an erasure follows.

use crate::error::Error;
use crate::identity::{Identifier, IdentifierKind};
use crate::privacy::ErasureReceipt;
use crate::privacy::export::{Export, ExportOptions};
use crate::store::columns::Table;
use crate::testing::{NOW, TestStore, event_line};

#[test]
fn cookie_of_encoded_user_id_is_followed() {
    let store = TestStore::new();
    let lines = [
        event_line(
            "2026-11-09T08:00:00Z",
            r#""session_id":"s1","anonymous_id":"cookie-1","user_id":"user%5Fada""#,
            "x",
        ),
        event_line("2026-11-01T08:00:00Z", r#""session_id":"s0","anonymous_id":"cookie-1""#, "x"),
    ];
    store.ingest(&store.write_log("a.ndjson", &lines), NOW);
    let receipt = store.forget(IdentifierKind::User, "user_ada");
    assert_eq!((receipt.identifiers.followed, receipt.erased.sessions), (1, 2));
}

/// A widget that sends "undefined" as the session id. A set of users for each of its visitors once
/// took gigabytes.
#[test]
fn session_shared_by_thousands_is_erased_and_not_followed() {
    let store = TestStore::new();
    let of = |n: usize| {
        let members = format!(r#""session_id":"undefined","anonymous_id":"cookie-{n}","user_id":"user-{n}""#);
        event_line(&format!("2026-11-09T{:02}:{:02}:00Z", n / 60 % 24, n % 60), &members, "x")
    };
    let elsewhere = r#""session_id":"own","anonymous_id":"cookie-8","user_id":"user-8""#;
    let mut lines: Vec<String> = (0..4000).map(of).collect();
    lines.push(event_line("2026-11-08T10:00:00Z", elsewhere, "x"));
    store.ingest(&store.write_log("a.ndjson", &lines), NOW);
    let receipt = store.forget(IdentifierKind::User, "user-7");
    assert_eq!((receipt.identifiers.followed, receipt.identifiers.shared), (0, 4000));
    assert_eq!(receipt.erased.sessions, 1);
    assert_eq!(store.row_count(Table::Events), 1);
}

#[test]
fn cookie_stays_shared_after_all_but_one_user_are_erased() {
    let store = TestStore::new();
    let visit = |day: u32, session: &str, more: &str| {
        let members = format!(r#""session_id":"{session}","anonymous_id":"kiosk-cookie"{more}"#);
        event_line(&format!("2026-11-0{day}T08:00:00Z"), &members, "message_sent")
    };
    let lines = [
        visit(1, "s-1", r#","user_id":"user_ada""#),
        visit(2, "s-2", r#","user_id":"user_bob""#),
        visit(3, "s-3", ""),
    ];
    store.ingest(&store.write_log("kiosk.ndjson", &lines), NOW);
    let found = |receipt: ErasureReceipt| (receipt.identifiers.followed, receipt.identifiers.shared);
    assert_eq!(found(store.forget(IdentifierKind::User, "user_ada")), (0, 1));
    // The tables no longer show that another user had the cookie.
    let exported = || {
        let snapshot = store.store().snapshot().unwrap();
        let identifiers = vec![Identifier::new(IdentifierKind::User, "user_bob")];
        let options = ExportOptions { identifiers, ..ExportOptions::default() };
        let export = Export::open(&snapshot, options).unwrap();
        export.for_each_file(|_, _| Ok::<_, Error>(())).unwrap().events
    };
    assert_eq!(exported(), 1);
    assert_eq!(found(store.forget_at(IdentifierKind::User, "user_bob", NOW, true)), (0, 1));
    assert_eq!(found(store.forget(IdentifierKind::User, "user_bob")), (0, 1));
    assert_eq!(store.row_count(Table::Events), 1);
    let text = store.all_text();
    assert!(!text.contains("user_ada") && !text.contains("user_bob"));
}

#[test]
fn kiosk_cookie_of_500_users_is_not_followed() {
    let store = TestStore::new();
    let mut lines = Vec::new();
    for user in 0..500 {
        let (hour, minute) = (user / 60, user % 60);
        let time = |second: u32| format!("2026-11-09T{hour:02}:{minute:02}:{second:02}Z");
        let anonymous = format!(r#""session_id":"s{user}x","anonymous_id":"kiosk-cookie""#);
        lines.push(event_line(&time(0), &anonymous, "widget_loaded"));
        lines.push(event_line(
            &time(1),
            &format!(r#""session_id":"s{user}x","anonymous_id":"kiosk-cookie","user_id":"u{user}x""#),
            "message_sent",
        ));
    }
    let log = store.write_log("kiosk.ndjson", &lines);
    store.ingest(&log, NOW);
    let receipt = store.forget(IdentifierKind::User, "u123x");
    assert_eq!((receipt.erased.sessions, receipt.erased.events), (1, 2));
    assert_eq!((receipt.identifiers.followed, receipt.identifiers.shared), (0, 1));
    assert_eq!(store.row_count(Table::Sessions), 499);
    let text = store.all_text();
    assert!(!text.contains("u123x") && !text.contains("s123x") && text.contains("kiosk-cookie"));
    // The event that has only the cookie belonged to the erased session and is suppressed too.
    let again = store.ingest(&log, NOW);
    assert_eq!((again.forgotten, again.duplicate, again.stored), (2, 998, 0));
    assert_eq!(store.row_count(Table::Sessions), 499);
}
