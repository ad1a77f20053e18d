//! Days whose sessions are pruned, in part or all: what becomes of their rows.

use super::fixture::{Place, line};
use crate::ingest::IngestReport;
use crate::store::columns::Table;
use crate::time::parse_human;

fn sent(time: &str, session: &str) -> String {
    line(&format!("2026-{time}:00Z"), session, "message_sent", "")
}

fn sent_by(time: &str, session: &str, visitor: &str) -> String {
    let more = format!(",\"anonymous_id\":\"{visitor}\"");
    line(&format!("2026-{time}:00Z"), session, "message_sent", &more)
}

/// Returns the days as "MM-DD: sessions, unique new returning visitors, messages sent".
fn days(place: &Place) -> Vec<String> {
    let text = |row: crate::daily_stats::DailyStats| {
        format!(
            "{}: {}, {} {} {}, {}",
            &row.stat_date.to_string()[5..],
            row.total_sessions,
            row.unique_visitors,
            row.new_visitors,
            row.returning_visitors(),
            row.total_messages_sent
        )
    };
    place.days().into_iter().map(text).collect()
}

/// Returns how many events were stored, and how many were of pruned days.
fn fates(report: &IngestReport) -> (u64, u64) {
    (report.summary.total.stored, report.summary.total.already_pruned)
}

/// Checks the rows, that verify finds nothing, and that a rebuild changes nothing.
#[track_caller]
fn stands(place: &mut Place, expected: &[&str]) {
    assert_eq!(days(place), expected);
    place.is_clean();
    let report = place.rebuild();
    assert!(!report.changed, "{report:?}");
}

#[track_caller]
fn changes_zone(place: &mut Place, zone: &str) {
    place.zone(zone);
    assert!(place.rebuild().changed);
}

#[test]
fn a_day_whose_sessions_were_pruned_takes_no_line_though_its_utc_date_never_held_any() {
    let mut place = Place::new("2026-04-15T12:00:00Z");
    place.zone("America/Los_Angeles");
    // On 30 March in Los Angeles, on the 31st by UTC.
    place.ingest(&[sent("03-31T03:00", "a"), sent("04-15T03:00", "b")]);
    place.gc(Some(8), Some(10));
    // In Los Angeles on 30 March, too.
    let history = ["03-30T19:00", "03-30T20:00", "03-30T21:00"].map(|time| sent(time, time));
    assert_eq!(fates(&place.ingest(&history)), (0, 3));
    stands(&mut place, &["03-30: 1, 1 1 0, 1", "04-14: 1, 1 1 0, 1"]);
    changes_zone(&mut place, "Pacific/Auckland");
    stands(&mut place, &["03-30: 1, 1 1 0, 1", "04-15: 1, 1 1 0, 1"]);
}

#[test]
fn a_day_whose_sessions_were_pruned_takes_no_line_though_events_of_its_utc_date_are_kept() {
    let mut place = Place::new("2026-04-15T12:00:00Z");
    place.zone("America/Los_Angeles");
    place.ingest(&[sent("03-31T03:00", "a"), sent("04-15T03:00", "b")]);
    place.now = parse_human("2026-04-09T12:00:00Z").unwrap();
    // The last day to go is 30 March: in Los Angeles for sessions, by UTC for events.
    place.gc(Some(10), Some(10));
    assert_eq!(place.sums(Table::Events, &["timestamp"]).len(), 1);
    assert_eq!(fates(&place.ingest(&[sent("03-31T04:00", "late")])), (0, 1));
    // 31 March in Los Angeles.
    assert_eq!(fates(&place.ingest(&[sent("03-31T08:00", "next")])), (1, 0));
    stands(&mut place, &["03-30: 1, 1 1 0, 1", "03-31: 1, 1 1 0, 1", "04-14: 1, 1 1 0, 1"]);
}

#[test]
fn a_late_event_of_a_held_session_counts_on_its_day_though_others_of_that_day_are_pruned() {
    let mut place = Place::new("2026-06-10T12:00:00Z");
    place.ingest(&[
        sent("06-01T10:00", "a"),
        sent("06-01T23:50", "b"),
        sent("06-02T00:05", "b"),
        sent("06-05T00:05", "c"),
    ]);
    place.gc(Some(9), Some(9));
    let figures = |place: &Place| {
        place
            .sums(Table::DailyStats, &["session_duration_sum_seconds", "response_time_sum_us", "error_count"])
    };
    assert_eq!(figures(&place), [900, 0, 0]);
    let answer = ",\"event_category\":\"error\",\"properties\":{\"response_time_ms\":2}";
    let late = [sent("06-02T00:10", "b"), line("2026-06-02T00:20:00Z", "b", "message_received", answer)];
    assert_eq!(fates(&place.ingest(&late)), (2, 0));
    // A quarter of an hour, then half an hour.
    assert_eq!(figures(&place), [1800, 2000, 1]);
    stands(&mut place, &["06-01: 2, 2 2 0, 4", "06-05: 1, 1 1 0, 1"]);
}

#[test]
fn a_late_event_that_joins_sessions_of_a_pruned_day_and_of_the_next_leaves_each_counted_once() {
    let mut place = Place::new("2026-06-10T12:00:00Z");
    place.ingest(&[
        sent_by("06-01T10:00", "a", "u"),
        sent_by("06-01T23:50", "b", "v"),
        sent_by("06-02T00:05", "b", "v"),
        sent_by("06-02T01:00", "b", "v"),
    ]);
    place.gc(Some(9), Some(9));
    stands(&mut place, &["06-01: 2, 2 2 0, 3", "06-02: 1, 1 0 1, 1"]);
    assert_eq!(fates(&place.ingest(&[sent_by("06-02T00:33", "b", "v")])), (1, 0));
    stands(&mut place, &["06-01: 2, 2 2 0, 5"]);
}

#[test]
fn a_first_sight_that_moves_earlier_leaves_the_day_that_counts_it_and_no_other() {
    let mut place = Place::new("2026-06-10T12:00:00Z");
    place.ingest(&[
        sent_by("05-31T10:00", "r0", "R"),
        sent_by("06-01T10:00", "r1", "R"),
        sent_by("06-01T23:50", "v1", "V"),
        sent_by("06-02T00:10", "v1", "V"),
        sent_by("06-09T10:00", "x", "X"),
    ]);
    place.gc(Some(9), Some(9));
    stands(&mut place, &["05-31: 1, 1 1 0, 1", "06-01: 2, 2 1 1, 3", "06-09: 1, 1 1 0, 1"]);
    // V's session is held, and moves to the 2nd with its first sight.
    changes_zone(&mut place, "Europe/Berlin");
    let berlin = ["05-31: 1, 1 1 0, 1", "06-01: 1, 1 0 1, 1", "06-02: 1, 1 1 0, 2", "06-09: 1, 1 1 0, 1"];
    stands(&mut place, &berlin);
    assert_eq!(fates(&place.ingest(&[sent_by("05-25T10:00", "v0", "V")])), (1, 0));
    let mut earlier = vec!["05-25: 1, 1 1 0, 1"];
    earlier.extend(berlin);
    earlier[3] = "06-02: 1, 1 0 1, 2";
    stands(&mut place, &earlier);
    // R's session of 31 May is gone, and its first sight leaves that day all the same.
    assert_eq!(fates(&place.ingest(&[sent_by("05-25T11:00", "r", "R")])), (1, 0));
    (earlier[0], earlier[1]) = ("05-25: 2, 2 2 0, 2", "05-31: 1, 1 0 1, 1");
    stands(&mut place, &earlier);
    changes_zone(&mut place, "UTC");
    let utc = ["05-25: 2, 2 2 0, 2", "05-31: 1, 1 0 1, 1", "06-01: 2, 2 0 2, 3", "06-09: 1, 1 1 0, 1"];
    stands(&mut place, &utc);
}

#[test]
fn a_new_visitor_of_a_pruned_day_whose_other_session_comes_to_it_is_counted_once() {
    let mut place = Place::new("2026-06-10T12:00:00Z");
    place.ingest(&[sent_by("06-01T10:00", "a", "V"), sent_by("06-02T01:00", "b", "V")]);
    place.gc(Some(9), Some(9));
    let utc = ["06-01: 1, 1 1 0, 1", "06-02: 1, 1 0 1, 1"];
    stands(&mut place, &utc);
    // The second session is of the 1st, too.
    changes_zone(&mut place, "America/New_York");
    stands(&mut place, &["06-01: 2, 1 1 0, 2"]);
    changes_zone(&mut place, "UTC");
    stands(&mut place, &utc);
    changes_zone(&mut place, "America/New_York");
    place.ingest(&[sent_by("05-20T10:00", "c", "V")]);
    stands(&mut place, &["05-20: 1, 1 1 0, 1", "06-01: 2, 1 0 1, 2"]);
    changes_zone(&mut place, "UTC");
    stands(&mut place, &["05-20: 1, 1 1 0, 1", "06-01: 1, 1 0 1, 1", "06-02: 1, 1 0 1, 1"]);
}

#[test]
fn a_source_that_comes_late_takes_no_other_out_of_a_list_that_was_cut_off() {
    let mut place = Place::new("2026-06-10T12:00:00Z");
    let from = |time: &str, session: &str, domain: &str| {
        let more = format!(",\"referrer\":\"https://{domain}/\"");
        line(&format!("2026-{time}:00Z"), session, "x", &more)
    };
    let mut lines =
        vec![from("06-01T10:00", "gone", "z.example"), from("06-01T11:00", "gone too", "z.example")];
    for number in 0..12 {
        let session = format!("s{number}");
        lines.push(from("06-01T23:50", &session, &format!("d{number:02}.example")));
        lines.push(sent("06-02T00:05", &session));
    }
    lines.extend([sent("06-01T23:55", "direct"), sent("06-02T00:05", "direct")]);
    place.ingest(&lines);
    place.gc(Some(9), Some(9));
    let domains = |place: &Place| {
        let list = place.days()[0].top_referrers.clone();
        let entries: Vec<std::collections::BTreeMap<String, serde_json::Value>> =
            serde_json::from_str(&list).unwrap();
        let short = |entry: &std::collections::BTreeMap<String, serde_json::Value>| {
            format!("{} {}", entry["domain"].as_str().unwrap().replace(".example", ""), entry["count"])
        };
        entries.iter().map(short).collect::<Vec<_>>().join(", ")
    };
    let first = "d00 1, d01 1, d02 1, d03 1, d04 1, d05 1, d06 1, d07 1, d08 1";
    assert_eq!(domains(&place), format!("z 2, {first}"));
    // The session that had no source is of d11: 2, of which the list knows 1.
    place.ingest(&[from("06-02T00:10", "direct", "d11.example")]);
    assert_eq!(domains(&place), format!("z 2, {first}"));
    place.ingest(&[from("06-02T00:20", "s5", "z.example")]);
    assert_eq!(domains(&place), format!("z 2, {first}"));
    place.is_clean();
    assert!(!place.rebuild().changed);
}
