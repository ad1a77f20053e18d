//! The edge where events are pruned, case by case.
//!
//! Events of 10 March and before are pruned in each of them; what the sessions were is known.

use super::fixture::{Place, line};

/// With ten days kept, the last date to go is 10 March.
const NOW: &str = "2026-03-20T12:00:00Z";

fn minutes(place: &mut Place, minutes: i64) {
    place.settings.session_timeout = minutes * 60 * crate::time::SECOND;
}

fn at(times: &[&str]) -> Vec<String> {
    times.iter().map(|time| line(&format!("2026-03-{time}:00Z"), "a", "x", "")).collect()
}

/// Returns the sessions as "start-end number", in March 2026, in minutes.
fn sessions(place: &Place) -> Vec<String> {
    let short = |time: &str| time.replace("2026-03-", "").replace(":00Z", "");
    place
        .sessions()
        .iter()
        .map(|(start, end, n)| format!("{} to {}, {n}", short(start), short(end)))
        .collect()
}

#[test]
fn a_session_over_the_edge_stays_whole_and_is_not_counted_twice() {
    let mut place = Place::new(NOW);
    place.ingest(&at(&["10T23:30", "10T23:50", "11T00:10", "11T00:30", "11T05:00"]));
    place.gc(Some(10), None);
    let expected = ["10T23:30 to 11T00:30, 4", "11T05:00 to 11T05:00, 1"];
    assert_eq!(sessions(&place), expected);
    let before = place.rows(&[]);
    let report = place.rebuild();
    assert!(!report.changed, "{report:?}");
    assert_eq!(report.sessions_not_recomputed, 1);
    assert_eq!(place.rows(&[]), before);
    place.is_clean();
    assert_eq!(place.verify().partial_sessions, 1);
}

#[test]
fn a_shorter_timeout_cuts_what_has_its_events_and_leaves_the_rest() {
    let mut place = Place::new(NOW);
    // Twenty minutes apart: one session on the pruned date, one over the edge, one after it.
    place.ingest(&at(&[
        "09T10:00", "09T10:20", "10T23:30", "10T23:50", "11T00:10", "11T00:30", "11T05:00", "11T05:20",
    ]));
    place.gc(Some(10), None);
    minutes(&mut place, 10);
    let report = place.rebuild();
    let expected = [
        "09T10:00 to 09T10:20, 2",
        "10T23:30 to 11T00:30, 4",
        "11T05:00 to 11T05:00, 1",
        "11T05:20 to 11T05:20, 1",
    ];
    assert_eq!(sessions(&place), expected);
    assert_eq!((report.sessions_before, report.sessions, report.sessions_not_recomputed), (3, 4, 2));
    place.is_clean();
    assert!(!place.rebuild().changed);
}

#[test]
fn a_longer_timeout_joins_rows_that_cannot_be_made_again_with_each_other_and_with_events() {
    let mut place = Place::new(NOW);
    place.ingest(&at(&["10T22:00", "10T22:50", "10T23:40", "11T00:05", "11T00:50", "11T03:00"]));
    place.gc(Some(10), None);
    let cut = [
        "10T22:00 to 10T22:00, 1",
        "10T22:50 to 10T22:50, 1",
        "10T23:40 to 11T00:05, 2",
        "11T00:50 to 11T00:50, 1",
        "11T03:00 to 11T03:00, 1",
    ];
    assert_eq!(sessions(&place), cut);
    minutes(&mut place, 60);
    place.rebuild();
    let joined = ["10T22:00 to 11T00:50, 5", "11T03:00 to 11T03:00, 1"];
    assert_eq!(sessions(&place), joined);
    place.is_clean();
    // Back: what was joined with rows without events is one row now, and stays one.
    minutes(&mut place, 30);
    place.rebuild();
    assert_eq!(sessions(&place), joined);
    place.is_clean();
}

#[test]
fn a_date_that_never_held_data_is_no_edge() {
    let mut place = Place::new(NOW);
    place.ingest(&at(&["10T10:00", "11T10:00"]));
    place.gc(Some(10), None);
    // The 8th was empty and can be filled; its sessions have all their events.
    place.ingest(&at(&["08T10:00", "08T10:20"]));
    minutes(&mut place, 10);
    place.rebuild();
    let expected = [
        "08T10:00 to 08T10:00, 1",
        "08T10:20 to 08T10:20, 1",
        "10T10:00 to 10T10:00, 1",
        "11T10:00 to 11T10:00, 1",
    ];
    assert_eq!(sessions(&place), expected);
    place.is_clean();
}

#[test]
fn sessions_that_were_pruned_do_not_come_back_from_events_of_their_last_day() {
    let mut place = Place::new(NOW);
    place.zone("America/New_York");
    // In New York all of this is on 10 March, but its last event is of 11 March in UTC.
    place.ingest(&at(&["10T23:50", "11T00:10", "11T12:00"]));
    place.ingest(&[line("2026-03-11T01:00:00Z", "b", "x", "")]);
    place.gc(Some(10), Some(10));
    assert_eq!(sessions(&place), ["11T12:00 to 11T12:00, 1"]);
    place.is_clean();
    let days = place.rows(&["updated_at"])[1].clone();
    minutes(&mut place, 10);
    place.rebuild();
    assert_eq!(sessions(&place), ["11T12:00 to 11T12:00, 1"]);
    assert_eq!(place.rows(&["updated_at"])[1], days);
    place.is_clean();
}

#[test]
fn a_late_event_beside_a_row_without_events_survives_a_rebuild() {
    let mut place = Place::new(NOW);
    place.ingest(&at(&["10T23:40", "11T06:00"]));
    place.gc(Some(10), None);
    place.ingest(&at(&["11T00:05", "11T00:20"]));
    let expected = ["10T23:40 to 11T00:20, 3", "11T06:00 to 11T06:00, 1"];
    assert_eq!(sessions(&place), expected);
    for timeout in [30, 10, 30] {
        minutes(&mut place, timeout);
        place.rebuild();
        assert_eq!(sessions(&place), expected, "with {timeout} minutes");
        place.is_clean();
    }
}

#[test]
fn days_whose_sessions_are_gone_keep_their_figures() {
    let mut place = Place::new(NOW);
    place.ingest(&at(&["05T10:00", "05T12:00", "06T23:30", "12T10:00"]));
    place.gc(Some(10), Some(14));
    let days = |place: &Place| {
        let rows = place.rows(&[])[1].1.clone();
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
    assert_eq!(days(&place), "2026-03-05: 2, 2026-03-06: 1, 2026-03-12: 1");
    minutes(&mut place, 300);
    place.zone("Asia/Kolkata");
    place.rebuild();
    assert_eq!(days(&place), "2026-03-05: 2, 2026-03-06: 1, 2026-03-12: 1");
    place.is_clean();
}

#[test]
fn a_session_that_moves_onto_a_day_whose_sessions_are_gone_is_added_to_its_figures() {
    let mut place = Place::new(NOW);
    let sent = |time: &str, session: &str| line(&format!("2026-03-{time}:00Z"), session, "message_sent", "");
    place.ingest(&[
        sent("06T10:00", "a"),
        sent("06T12:00", "b"),
        sent("07T02:00", "c"),
        sent("07T12:00", "d"),
        sent("12T12:00", "e"),
    ]);
    place.gc(Some(10), Some(14));
    let figures = |place: &Place| {
        place.sums(crate::store::columns::Table::DailyStats, &["total_sessions", "total_messages_sent"])
    };
    assert_eq!(figures(&place), [5, 5]);
    let before = place.rows(&["updated_at"]);
    // In New York c is of the 6th, whose row stays: 2 sessions that are gone, and c.
    place.zone("America/New_York");
    place.rebuild();
    let day = |place: &Place, day: &str| {
        let rows = place.rows(&[])[1].1.clone();
        let row = rows.iter().find(|row| row.contains(&format!("stat_date={day}"))).unwrap();
        let of = |name: &str| {
            row.split(&format!(" {name}=")).nth(1).unwrap().split(' ').next().unwrap().to_owned()
        };
        [of("total_sessions"), of("unique_visitors"), of("new_visitors"), of("total_messages_sent")].join(" ")
    };
    assert_eq!(day(&place, "2026-03-06"), "3 3 3 3");
    assert_eq!(day(&place, "2026-03-07"), "1 1 1 1");
    place.is_clean();
    place.zone("UTC");
    place.rebuild();
    assert_eq!(place.rows(&["updated_at"]), before);
    place.is_clean();
}

#[test]
fn a_session_that_did_not_change_keeps_its_times_of_storing_and_one_that_was_cut_its_first() {
    let mut place = Place::new(NOW);
    place.ingest(&at(&["11T10:00", "11T10:20"]));
    place.ingest(&at(&["12T10:00"]));
    let times = |place: &Place| {
        let rows = place.rows(&[])[0].1.clone();
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
    let before = times(&place);
    let now = place.now;
    minutes(&mut place, 10);
    place.rebuild();
    let after = times(&place);
    assert_eq!((before.len(), after.len()), (2, 3));
    assert_eq!(after[2], before[1]);
    assert_eq!((&after[0].1, &after[1].1), (&before[0].1, &before[0].1));
    let now = format!("{:?}", crate::time::format_utc(now));
    for row in &after[..2] {
        assert!(row.2 == now, "{row:?}, rebuilt at {now}");
    }
}

#[test]
fn a_first_sight_that_moves_earlier_leaves_the_day_that_counted_it_whatever_the_time_zone_is_now() {
    let mut place = Place::new(NOW);
    let seen = |time: &str, visitor: &str| {
        line(&format!("2026-{time}:00Z"), time, "x", &format!(",\"anonymous_id\":\"{visitor}\""))
    };
    // New on the 6th and on the 7th by UTC, both on the 7th in Kolkata.
    place.ingest(&[
        seen("03-06T23:30", "a"),
        seen("03-07T10:00", "b"),
        seen("03-07T11:00", "c"),
        seen("03-12T10:00", "a"),
    ]);
    place.gc(Some(10), Some(13));
    place.zone("Asia/Kolkata");
    place.rebuild();
    place.is_clean();
    let new = |place: &Place| {
        let mut days: Vec<String> = place.rows(&[])[1]
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
    assert_eq!(new(&place), "2026-03-06: 1, 2026-03-07: 2, 2026-03-12: 0");
    // History of days that never held data: a and b were there before.
    place.ingest(&[seen("02-01T10:00", "a"), seen("02-02T10:00", "b")]);
    let expected = "2026-02-01: 1, 2026-02-02: 1, 2026-03-06: 0, 2026-03-07: 1, 2026-03-12: 0";
    assert_eq!(new(&place), expected);
    // Once more earlier: nothing is taken off those days a second time.
    place.ingest(&[seen("01-31T10:00", "a"), seen("01-31T11:00", "b")]);
    let expected = "2026-01-31: 2, 2026-02-01: 0, 2026-02-02: 0, 2026-03-06: 0, 2026-03-07: 1, 2026-03-12: 0";
    assert_eq!(new(&place), expected);
    place.is_clean();
}

#[test]
fn a_pruned_session_does_not_come_back_by_whatever_zone() {
    let mut place = Place::new("2026-03-20T09:00:00Z");
    // The last day to go is 17 March: by the clock of Pago Pago, where the session began on the 17th at
    // 23:20, and by UTC dates, by which its event is of the 18th and stays.
    place.zone("Pacific/Pago_Pago");
    let log = [line("2026-03-18T10:20:00Z", "a", "x", ""), line("2026-03-19T20:00:00Z", "b", "x", "")];
    place.ingest(&log);
    place.gc(Some(2), Some(2));
    assert_eq!(sessions(&place), ["19T20:00 to 19T20:00, 1"]);
    // In Kiritimati it was the 19th already.
    place.zone("Pacific/Kiritimati");
    place.rebuild();
    assert_eq!(sessions(&place), ["19T20:00 to 19T20:00, 1"]);
    place.is_clean();
}
