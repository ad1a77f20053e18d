//! Tests of the removal of old IP addresses.

use std::time::Duration;

use crate::privacy::anonymize::{AnonymizeOptions, anonymize};
use crate::store::columns::Table;
use crate::testing::{NOW, TestStore, clock};

fn log(day: &str) -> Vec<String> {
    let line =
        |ids: &str| format!(r#"{{"chatbot_id":"c","event_name":"x","timestamp":"{day}T08:00:00Z",{ids}}}"#);
    vec![
        line(
            r#""session_id":"s","ip":"203.0.113.9","forwarded":"203.0.113.8, 10.0.0.1","properties":{"ip":"203.0.113.7","n":1}"#,
        ),
        line(r#""session_id":"t","user_id":"u","user_metadata":{"from":"203.0.113.6"}"#),
        line(r#""session_id":"v""#),
        format!(r#"{{"ip":"203.0.113.5","day":"{day}", broken"#),
    ]
}

#[test]
fn invalid_ip_address_is_removed_from_extra() {
    let store = TestStore::new();
    let line = |ids: &str| {
        format!(r#"{{"chatbot_id":"c","event_name":"x","timestamp":"2026-10-01T08:00:00Z",{ids}}}"#)
    };
    let lines = [
        r#""session_id":"s","ip_address":3405803859"#,
        r#""session_id":"t","ipAddress":"bad 203.0.113.82x","plan" : "pro\u0021""#,
        r#""session_id":"u","ip_address":{"v4":"203.0.113.80"},"ship":1"#,
    ];
    store.ingest(&store.write_log("a.ndjson", &lines.map(line)), "2026-10-01T09:00:00Z");
    let options = AnonymizeOptions {
        clock: clock(NOW),
        older_than_days: 30,
        dry_run: false,
        lock_timeout: Duration::ZERO,
    };
    assert_eq!(anonymize(&store.store(), options).unwrap().report.events, 3);
    let rows = store.row_texts(Table::Events).join("\n");
    assert!(!rows.contains("3405803859") && !rows.contains("203.0.113"), "{rows}");
    assert!(rows.contains(r#"{\"plan\":\"pro\\u0021\"}"#) && rows.contains(r#"{\"ship\":1}"#), "{rows}");
    assert_eq!(rows.matches("extra=Null").count(), 1);
    assert_eq!(anonymize(&store.store(), options).unwrap().report.files, 0);
}

#[test]
fn old_ip_addresses_are_removed_and_recent_ones_stay() {
    let store = TestStore::new();
    store.ingest(&store.write_log("old.ndjson", &log("2026-10-01")), "2026-10-01T09:00:00Z");
    store.ingest(&store.write_log("new.ndjson", &log("2026-11-09")), NOW);
    let run = |days: u32, dry_run: bool| {
        let options = AnonymizeOptions {
            clock: clock(NOW),
            older_than_days: days,
            dry_run,
            lock_timeout: Duration::ZERO,
        };
        anonymize(&store.store(), options).unwrap().report
    };
    let dry = run(30, true);
    let done = run(30, false);
    assert_eq!((done.events, done.sessions, done.rejects), (2, 2, 1));
    assert_eq!((dry.events, dry.sessions, dry.rejects), (2, 2, 1));
    // Each IP address is in an old and in a recent row.
    let text = store.all_text();
    for ip in ["203.0.113.9", "203.0.113.8", "203.0.113.7", "203.0.113.6", "203.0.113.5"] {
        assert!(text.contains(ip), "{ip}");
    }
    for table in [Table::Events, Table::Sessions] {
        let rows = store.row_texts(table);
        assert_eq!(rows.len(), 6);
        assert_eq!(rows.iter().filter(|row| row.contains("203.0.113")).count(), 2, "{rows:#?}");
    }
    let again = run(30, false);
    assert_eq!((again.events, again.sessions, again.rejects, again.files), (0, 0, 0, 0));
    let all = run(1, false);
    assert_eq!((all.events, all.sessions), (2, 2));
    let all = store.all_text();
    let left: Vec<_> = all.match_indices("203.0.113").map(|(at, _)| &all[at..at + 11]).collect();
    // The line that was rejected today keeps its IP addresses.
    assert!(left.iter().all(|ip| *ip == "203.0.113.5"), "{left:?}");
}

#[test]
fn ip_address_in_any_notation_is_removed() {
    let store = TestStore::new();
    let notations = [
        "(203.0.113.9)",
        "<203.0.113.9>",
        "203.0.113.9|x",
        "tcp://203.0.113.9:80",
        "http://203.0.113.9/",
        "v203.0.113.9",
    ];
    let line = |value: &str, time: &str| {
        format!(
            r#"{{"chatbot_id":"c","session_id":"s","event_name":"x","timestamp":"{time}","client":"{value}"}}"#
        )
    };
    let lines =
        notations.iter().flat_map(|value| [line(value, "2026-10-01T08:00:00Z"), line(value, "never")]);
    store.ingest(&store.write_log("a.ndjson", &lines.collect::<Vec<_>>()), "2026-10-01T09:00:00Z");
    let options = AnonymizeOptions {
        clock: clock(NOW),
        older_than_days: 30,
        dry_run: false,
        lock_timeout: Duration::ZERO,
    };
    let done = anonymize(&store.store(), options).unwrap();
    assert_eq!((done.events, done.rejects), (6, 6));
    assert!(!store.all_text().contains("203.0"));
}
