//! Tests of events that are suppressed when the logs of an erased person are ingested again.

use std::time::Duration;

use crate::identity::IdentifierKind;
use crate::privacy::anonymize::{AnonymizeOptions, anonymize};
use crate::settings::{IpPolicy, Settings};
use crate::store::manifest::Manifest;
use crate::store::rejects::RejectRecord;
use crate::store::rejects::rewrite::{self, RejectChange};
use crate::testing::{NOW, TestStore, ada_among_others, clock, event_line};

/// Events whose ids are one email address in different encodings.
fn ada_in_many_encodings() -> Vec<String> {
    let at = "2026-11-09T08:00:00Z";
    [
        r#""session_id":"s1x","user_email":"ada%40example.org""#,
        r#""session_id":"s2x","anonymous_id":"ada@example.org ""#,
        r#""session_id":"mailto:ada@example.org""#,
        r#""session_id":"s4x","user_id":"Ada <ada@example.org>""#,
        r#""user_id":"ADA%2540EXAMPLE.ORG""#,
        r#""session_id":"s6x","user_email":"bob@example.org,ada@example.org""#,
    ]
    .map(|ids| event_line(at, ids, "message_sent"))
    .to_vec()
}

#[test]
fn encoded_ids_are_erased_and_suppressed() {
    let store = TestStore::new();
    let of_ada = store.write_log("ada.ndjson", &ada_in_many_encodings());
    store.ingest(&of_ada, NOW);
    let receipt = store.forget(IdentifierKind::Email, "ada@example.org");
    // Three visitors: the anonymous id of s2x, and the users of s4x and of the fifth line.
    assert_eq!((receipt.erased.events, receipt.erased.sessions, receipt.erased.visitors), (6, 6, 3));
    assert_eq!((receipt.redacted.events, receipt.redacted.sessions), (0, 0));
    let text = store.all_text().to_lowercase();
    for trace in ["ada%", "ada@", "s1x", "s6x"] {
        assert!(!text.contains(trace), "{trace} is still there");
    }
    let again = store.ingest(&of_ada, NOW);
    assert_eq!((again.forgotten, again.stored), (6, 0));
}

#[test]
fn email_without_at_sign_is_erased_and_suppressed() {
    let store = TestStore::new();
    let ids = |session: &str, email: &str| format!(r#""session_id":"{session}","user_email":"{email}""#);
    let lines = [("s1", "noat"), ("s2", "NoAt"), ("s3", "other"), ("s4", "JÖRG@example.org")]
        .map(|(session, email)| event_line("2026-11-09T08:00:00Z", &ids(session, email), "message_sent"));
    let log = store.write_log("a.ndjson", &lines);
    store.ingest(&log, NOW);
    assert_eq!(store.forget(IdentifierKind::Email, "noat").erased.sessions, 2);
    assert_eq!(store.forget(IdentifierKind::Email, "jörg@example.org").erased.sessions, 1);
    let again = store.ingest(&log, NOW);
    assert_eq!((again.forgotten, again.duplicate), (3, 1));
}

#[test]
fn erased_rejects_are_suppressed_under_any_ip_policy() {
    let lines = [
        r#"broken {"user_id":"user_ada" from 203.0.113.9"#,
        r#"broken {"user_id":"user_ada" from nowhere"#,
        r#"broken {"user_id":"user_bob" from 203.0.113.9"#,
    ]
    .map(str::to_owned);
    let later = "2026-11-12T02:00:00Z";
    for (first, then) in [
        (IpPolicy::Keep, IpPolicy::Keep),
        (IpPolicy::Keep, IpPolicy::Drop),
        (IpPolicy::Drop, IpPolicy::Keep),
        (IpPolicy::Truncate, IpPolicy::Drop),
    ] {
        let store = TestStore::new();
        let log = store.write_log("a.ndjson", &lines);
        let ingest = |ip| store.ingest_with(&log, later, &Settings { ip, ..Settings::default() });
        assert_eq!(ingest(first).rejected_total(), 3);
        if first == then {
            let options = AnonymizeOptions {
                clock: clock("2026-11-20T02:00:00Z"),
                older_than_days: 1,
                dry_run: false,
                lock_timeout: Duration::ZERO,
            };
            assert_eq!(anonymize(&store.store(), options).unwrap().report.rejects, 2);
        }
        assert_eq!(store.forget_at(IdentifierKind::User, "user_ada", later, false).erased.rejects, 2);
        let again = ingest(then);
        assert_eq!((again.forgotten, again.rejected_total()), (2, 1), "{first:?}, {then:?}");
        assert!(!store.all_text().contains("user_ada"));
    }
}

#[test]
fn erased_reject_without_keyed_hash_is_suppressed() {
    let store = TestStore::new();
    let log = store.write_log("a.ndjson", &[r#"broken {"user_id":"user_ada","ip":"192.0.2.1""#.to_owned()]);
    store.ingest(&log, NOW);
    let first = || Manifest::new(0, "UTC", 1);
    let mut writer = store.store().writer("a test", Duration::ZERO, first).unwrap();
    let mut transaction = writer.begin();
    let without_hash = |reject: &RejectRecord| {
        assert!(reject.keyed_hash.is_some());
        RejectChange::Replace(Box::new(RejectRecord { keyed_hash: None, ..reject.clone() }))
    };
    rewrite::rewrite(&mut transaction, |_| true, without_hash).unwrap();
    writer.commit(transaction, clock(NOW).now).unwrap();
    writer.finish().unwrap();
    assert_eq!(store.forget(IdentifierKind::User, "user_ada").erased.rejects, 1);
    assert_eq!(store.ingest(&log, NOW).forgotten, 1);
}

#[test]
fn events_after_the_erasure_are_stored() {
    let store = TestStore::new();
    store.ingest(&store.write_log("a.ndjson", &ada_among_others()), NOW);
    store.forget(IdentifierKind::User, "user_ada");
    let later =
        event_line("2026-11-10T09:00:00Z", r#""session_id":"s-new","user_id":"user_ada""#, "message_sent");
    let counts = store.ingest(&store.write_log("b.ndjson", &[later]), "2026-11-11T02:00:00Z");
    assert_eq!((counts.stored, counts.forgotten), (1, 0));
}

#[test]
fn session_continues_after_the_erasure() {
    let store = TestStore::new();
    let at = |minute: u32| {
        event_line(
            &format!("2026-11-09T12:{minute:02}:00Z"),
            r#""session_id":"s-1","user_id":"u-ada""#,
            "widget_loaded",
        )
    };
    store.ingest(&store.write_log("a.ndjson", &[at(0)]), "2026-11-09T12:05:00Z");
    store.forget_at(IdentifierKind::User, "u-ada", "2026-11-09T12:10:00Z", false);
    // Events before the erasure are suppressed. Later events are stored, even within one session
    // timeout after the erased session.
    let counts =
        store.ingest(&store.write_log("b.ndjson", &[at(0), at(9), at(11), at(20)]), "2026-11-09T12:30:00Z");
    assert_eq!((counts.forgotten, counts.stored), (2, 2));
    let other =
        event_line("2026-11-09T12:21:00Z", r#""session_id":"s-1","user_id":"u-bob""#, "widget_loaded");
    let counts = store.ingest(&store.write_log("c.ndjson", &[other]), "2026-11-09T12:30:00Z");
    assert_eq!((counts.forgotten, counts.stored), (0, 1));
}
