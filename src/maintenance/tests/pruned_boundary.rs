//! Tests of sessions at the boundary between pruned and retained events.
//!
//! In each test, events of 10 March and before are pruned.

use super::fixture::{Fixture, line};

/// With ten days retained, the last pruned date is 10 March.
const NOW: &str = "2026-03-20T12:00:00Z";

fn minutes(fixture: &mut Fixture, minutes: i64) {
    fixture.settings.session_timeout = minutes * 60 * crate::time::SECOND;
}

fn at(times: &[&str]) -> Vec<String> {
    times.iter().map(|time| line(&format!("2026-03-{time}:00Z"), "a", "x", "")).collect()
}

/// Returns the sessions as "start to end, number of events". Times are minutes of March 2026.
fn sessions(fixture: &Fixture) -> Vec<String> {
    let short = |time: &str| time.replace("2026-03-", "").replace(":00Z", "");
    fixture
        .sessions()
        .iter()
        .map(|(start, end, n)| format!("{} to {}, {n}", short(start), short(end)))
        .collect()
}

#[test]
fn partial_session_stays_whole_and_is_counted_once() {
    let mut fixture = Fixture::new(NOW);
    fixture.ingest(&at(&["10T23:30", "10T23:50", "11T00:10", "11T00:30", "11T05:00"]));
    fixture.gc(Some(10), None);
    let expected = ["10T23:30 to 11T00:30, 4", "11T05:00 to 11T05:00, 1"];
    assert_eq!(sessions(&fixture), expected);
    let before = fixture.rows(&[]);
    let report = fixture.rebuild();
    assert!(!report.changed, "{report:?}");
    assert_eq!(report.sessions_not_recomputed, 1);
    assert_eq!(fixture.rows(&[]), before);
    fixture.assert_clean();
    assert_eq!(fixture.verify().partial_sessions, 1);
}

#[test]
fn shorter_timeout_splits_only_sessions_with_all_events() {
    let mut fixture = Fixture::new(NOW);
    // The events of each session are twenty minutes apart: one session on the pruned date, a
    // partial session, and one session after it.
    fixture.ingest(&at(&[
        "09T10:00", "09T10:20", "10T23:30", "10T23:50", "11T00:10", "11T00:30", "11T05:00", "11T05:20",
    ]));
    fixture.gc(Some(10), None);
    minutes(&mut fixture, 10);
    let report = fixture.rebuild();
    let expected = [
        "09T10:00 to 09T10:20, 2",
        "10T23:30 to 11T00:30, 4",
        "11T05:00 to 11T05:00, 1",
        "11T05:20 to 11T05:20, 1",
    ];
    assert_eq!(sessions(&fixture), expected);
    assert_eq!((report.sessions_before, report.sessions, report.sessions_not_recomputed), (3, 4, 2));
    fixture.assert_clean();
    assert!(!fixture.rebuild().changed);
}

#[test]
fn longer_timeout_merges_partial_sessions_and_events() {
    let mut fixture = Fixture::new(NOW);
    fixture.ingest(&at(&["10T22:00", "10T22:50", "10T23:40", "11T00:05", "11T00:50", "11T03:00"]));
    fixture.gc(Some(10), None);
    let cut = [
        "10T22:00 to 10T22:00, 1",
        "10T22:50 to 10T22:50, 1",
        "10T23:40 to 11T00:05, 2",
        "11T00:50 to 11T00:50, 1",
        "11T03:00 to 11T03:00, 1",
    ];
    assert_eq!(sessions(&fixture), cut);
    minutes(&mut fixture, 60);
    fixture.rebuild();
    let joined = ["10T22:00 to 11T00:50, 5", "11T03:00 to 11T03:00, 1"];
    assert_eq!(sessions(&fixture), joined);
    fixture.assert_clean();
    // With the old timeout, the merged partial session stays one session.
    minutes(&mut fixture, 30);
    fixture.rebuild();
    assert_eq!(sessions(&fixture), joined);
    fixture.assert_clean();
}

#[test]
fn date_without_data_leaves_sessions_complete() {
    let mut fixture = Fixture::new(NOW);
    fixture.ingest(&at(&["10T10:00", "11T10:00"]));
    fixture.gc(Some(10), None);
    // The 8th had no data, so its events can still be ingested. Its sessions have all their events.
    fixture.ingest(&at(&["08T10:00", "08T10:20"]));
    minutes(&mut fixture, 10);
    fixture.rebuild();
    let expected = [
        "08T10:00 to 08T10:00, 1",
        "08T10:20 to 08T10:20, 1",
        "10T10:00 to 10T10:00, 1",
        "11T10:00 to 11T10:00, 1",
    ];
    assert_eq!(sessions(&fixture), expected);
    fixture.assert_clean();
}

#[test]
fn pruned_session_is_not_restored_from_its_last_events() {
    let mut fixture = Fixture::new(NOW);
    fixture.set_zone("America/New_York");
    // In New York this session is on 10 March, but its last event is on 11 March in UTC.
    fixture.ingest(&at(&["10T23:50", "11T00:10", "11T12:00"]));
    fixture.ingest(&[line("2026-03-11T01:00:00Z", "b", "x", "")]);
    fixture.gc(Some(10), Some(10));
    assert_eq!(sessions(&fixture), ["11T12:00 to 11T12:00, 1"]);
    fixture.assert_clean();
    let days = fixture.rows(&["updated_at"])[1].clone();
    minutes(&mut fixture, 10);
    fixture.rebuild();
    assert_eq!(sessions(&fixture), ["11T12:00 to 11T12:00, 1"]);
    assert_eq!(fixture.rows(&["updated_at"])[1], days);
    fixture.assert_clean();
}

#[test]
fn late_event_of_a_partial_session_survives_rebuilds() {
    let mut fixture = Fixture::new(NOW);
    fixture.ingest(&at(&["10T23:40", "11T06:00"]));
    fixture.gc(Some(10), None);
    fixture.ingest(&at(&["11T00:05", "11T00:20"]));
    let expected = ["10T23:40 to 11T00:20, 3", "11T06:00 to 11T06:00, 1"];
    assert_eq!(sessions(&fixture), expected);
    for timeout in [30, 10, 30] {
        minutes(&mut fixture, timeout);
        fixture.rebuild();
        assert_eq!(sessions(&fixture), expected, "with {timeout} minutes");
        fixture.assert_clean();
    }
}

#[test]
fn days_with_pruned_sessions_keep_their_metrics() {
    let mut fixture = Fixture::new(NOW);
    fixture.ingest(&at(&["05T10:00", "05T12:00", "06T23:30", "12T10:00"]));
    fixture.gc(Some(10), Some(14));
    let days = |fixture: &Fixture| {
        let rows = fixture.rows(&[])[1].1.clone();
        let field = |row: &str, name: &str| {
            let rest = row.split(&format!(" {name}=")).nth(1).unwrap().to_owned();
            rest.split(' ').next().unwrap().to_owned()
        };
        let mut days: Vec<String> = rows
            .iter()
            .map(|row| format!("{}: {}", field(row, "stat_date"), field(row, "total_sessions")))
            .collect();
        days.sort();
        days.join(", ")
    };
    assert_eq!(days(&fixture), "2026-03-05: 2, 2026-03-06: 1, 2026-03-12: 1");
    minutes(&mut fixture, 300);
    fixture.set_zone("Asia/Kolkata");
    fixture.rebuild();
    assert_eq!(days(&fixture), "2026-03-05: 2, 2026-03-06: 1, 2026-03-12: 1");
    fixture.assert_clean();
}

#[test]
fn session_moved_to_a_pruned_day_is_added_to_its_metrics() {
    let mut fixture = Fixture::new(NOW);
    let sent = |time: &str, session: &str| line(&format!("2026-03-{time}:00Z"), session, "message_sent", "");
    fixture.ingest(&[
        sent("06T10:00", "a"),
        sent("06T12:00", "b"),
        sent("07T02:00", "c"),
        sent("07T12:00", "d"),
        sent("12T12:00", "e"),
    ]);
    fixture.gc(Some(10), Some(14));
    let figures = |fixture: &Fixture| {
        fixture.sums(crate::store::columns::Table::DailyStats, &["total_sessions", "total_messages_sent"])
    };
    assert_eq!(figures(&fixture), [5, 5]);
    let before = fixture.rows(&["updated_at"]);
    // In New York, c is on the 6th, whose row then has two pruned sessions and c.
    fixture.set_zone("America/New_York");
    fixture.rebuild();
    let day = |fixture: &Fixture, day: &str| {
        let rows = fixture.rows(&[])[1].1.clone();
        let row = rows.iter().find(|row| row.contains(&format!("stat_date={day}"))).unwrap();
        let of = |name: &str| {
            row.split(&format!(" {name}=")).nth(1).unwrap().split(' ').next().unwrap().to_owned()
        };
        [of("total_sessions"), of("unique_visitors"), of("new_visitors"), of("total_messages_sent")].join(" ")
    };
    assert_eq!(day(&fixture, "2026-03-06"), "3 3 3 3");
    assert_eq!(day(&fixture, "2026-03-07"), "1 1 1 1");
    fixture.assert_clean();
    fixture.set_zone("UTC");
    fixture.rebuild();
    assert_eq!(fixture.rows(&["updated_at"]), before);
    fixture.assert_clean();
}

#[test]
fn rebuild_keeps_created_at_of_unchanged_and_split_sessions() {
    let mut fixture = Fixture::new(NOW);
    fixture.ingest(&at(&["11T10:00", "11T10:20"]));
    fixture.ingest(&at(&["12T10:00"]));
    let times = |fixture: &Fixture| {
        let rows = fixture.rows(&[])[0].1.clone();
        let mut times: Vec<(String, String, String)> = rows
            .iter()
            .map(|row| {
                let of = |name: &str| {
                    row.split(&format!(" {name}=")).nth(1).unwrap().split(' ').next().unwrap().to_owned()
                };
                (of("started_at"), of("created_at"), of("updated_at"))
            })
            .collect();
        times.sort();
        times
    };
    let before = times(&fixture);
    let now = fixture.now;
    minutes(&mut fixture, 10);
    fixture.rebuild();
    let after = times(&fixture);
    assert_eq!((before.len(), after.len()), (2, 3));
    assert_eq!(after[2], before[1]);
    assert_eq!((&after[0].1, &after[1].1), (&before[0].1, &before[0].1));
    let now = format!("{:?}", crate::time::format_utc(now));
    for row in &after[..2] {
        assert!(row.2 == now, "{row:?}, rebuilt at {now}");
    }
}

#[test]
fn earlier_first_seen_corrects_the_day_in_any_time_zone() {
    let mut fixture = Fixture::new(NOW);
    let seen = |time: &str, visitor: &str| {
        line(&format!("2026-{time}:00Z"), time, "x", &format!(",\"anonymous_id\":\"{visitor}\""))
    };
    // In UTC, a is new on the 6th and b on the 7th. In Kolkata, both are new on the 7th.
    fixture.ingest(&[
        seen("03-06T23:30", "a"),
        seen("03-07T10:00", "b"),
        seen("03-07T11:00", "c"),
        seen("03-12T10:00", "a"),
    ]);
    fixture.gc(Some(10), Some(13));
    fixture.set_zone("Asia/Kolkata");
    fixture.rebuild();
    fixture.assert_clean();
    let new = |fixture: &Fixture| {
        let mut days: Vec<String> = fixture.rows(&[])[1]
            .1
            .iter()
            .map(|row| {
                let of = |name: &str| {
                    row.split(&format!(" {name}=")).nth(1).unwrap().split(' ').next().unwrap().to_owned()
                };
                format!("{}: {}", of("stat_date"), of("new_visitors"))
            })
            .collect();
        days.sort();
        days.join(", ")
    };
    assert_eq!(new(&fixture), "2026-03-06: 1, 2026-03-07: 2, 2026-03-12: 0");
    // Events of a and b on earlier days without data move their first-seen times.
    fixture.ingest(&[seen("02-01T10:00", "a"), seen("02-02T10:00", "b")]);
    let expected = "2026-02-01: 1, 2026-02-02: 1, 2026-03-06: 0, 2026-03-07: 1, 2026-03-12: 0";
    assert_eq!(new(&fixture), expected);
    // Events that are earlier still do not correct those days a second time.
    fixture.ingest(&[seen("01-31T10:00", "a"), seen("01-31T11:00", "b")]);
    let expected = "2026-01-31: 2, 2026-02-01: 0, 2026-02-02: 0, 2026-03-06: 0, 2026-03-07: 1, 2026-03-12: 0";
    assert_eq!(new(&fixture), expected);
    fixture.assert_clean();
}

#[test]
fn pruned_session_is_not_restored_in_another_time_zone() {
    let mut fixture = Fixture::new("2026-03-20T09:00:00Z");
    // The last pruned day is 17 March. In Pago Pago, session a started on the 17th at 23:20 and is
    // pruned. Its event is on the 18th in UTC and is retained.
    fixture.set_zone("Pacific/Pago_Pago");
    let log = [line("2026-03-18T10:20:00Z", "a", "x", ""), line("2026-03-19T20:00:00Z", "b", "x", "")];
    fixture.ingest(&log);
    fixture.gc(Some(2), Some(2));
    assert_eq!(sessions(&fixture), ["19T20:00 to 19T20:00, 1"]);
    // In Kiritimati, the event is on the 19th.
    fixture.set_zone("Pacific/Kiritimati");
    fixture.rebuild();
    assert_eq!(sessions(&fixture), ["19T20:00 to 19T20:00, 1"]);
    fixture.assert_clean();
}
