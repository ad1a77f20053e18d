//! Tests of the daily statistics of days whose sessions are pruned, entirely or in part.

use super::fixture::{Fixture, line};
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
fn days(fixture: &Fixture) -> Vec<String> {
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
    fixture.days().into_iter().map(text).collect()
}

/// Returns the number of stored events, and of events of pruned days.
fn outcomes(report: &IngestReport) -> (u64, u64) {
    (report.summary.total.stored, report.summary.total.already_pruned)
}

/// Checks the rows. Also checks that verify finds no differences and that a rebuild changes
/// nothing.
#[track_caller]
fn check(fixture: &mut Fixture, expected: &[&str]) {
    assert_eq!(days(fixture), expected);
    fixture.assert_clean();
    let report = fixture.rebuild();
    assert!(!report.changed, "{report:?}");
}

#[track_caller]
fn rebuild_in_zone(fixture: &mut Fixture, zone: &str) {
    fixture.set_zone(zone);
    assert!(fixture.rebuild().changed);
}

#[test]
fn pruned_day_stores_no_line_of_a_utc_date_without_events() {
    let mut fixture = Fixture::new("2026-04-15T12:00:00Z");
    fixture.set_zone("America/Los_Angeles");
    // The first event is on 30 March in Los Angeles and on the 31st in UTC.
    fixture.ingest(&[sent("03-31T03:00", "a"), sent("04-15T03:00", "b")]);
    fixture.gc(Some(8), Some(10));
    // These events are also on 30 March in Los Angeles.
    let history = ["03-30T19:00", "03-30T20:00", "03-30T21:00"].map(|time| sent(time, time));
    assert_eq!(outcomes(&fixture.ingest(&history)), (0, 3));
    check(&mut fixture, &["03-30: 1, 1 1 0, 1", "04-14: 1, 1 1 0, 1"]);
    rebuild_in_zone(&mut fixture, "Pacific/Auckland");
    check(&mut fixture, &["03-30: 1, 1 1 0, 1", "04-15: 1, 1 1 0, 1"]);
}

#[test]
fn pruned_day_stores_no_line_of_a_retained_utc_date() {
    let mut fixture = Fixture::new("2026-04-15T12:00:00Z");
    fixture.set_zone("America/Los_Angeles");
    fixture.ingest(&[sent("03-31T03:00", "a"), sent("04-15T03:00", "b")]);
    fixture.now = parse_human("2026-04-09T12:00:00Z").unwrap();
    // The last pruned day is 30 March: in Los Angeles for sessions, in UTC for events.
    fixture.gc(Some(10), Some(10));
    assert_eq!(fixture.sums(Table::Events, &["timestamp"]).len(), 1);
    assert_eq!(outcomes(&fixture.ingest(&[sent("03-31T04:00", "late")])), (0, 1));
    // This event is on 31 March in Los Angeles.
    assert_eq!(outcomes(&fixture.ingest(&[sent("03-31T08:00", "next")])), (1, 0));
    check(&mut fixture, &["03-30: 1, 1 1 0, 1", "03-31: 1, 1 1 0, 1", "04-14: 1, 1 1 0, 1"]);
}

#[test]
fn late_event_of_a_retained_session_counts_on_a_pruned_day() {
    let mut fixture = Fixture::new("2026-06-10T12:00:00Z");
    fixture.ingest(&[
        sent("06-01T10:00", "a"),
        sent("06-01T23:50", "b"),
        sent("06-02T00:05", "b"),
        sent("06-05T00:05", "c"),
    ]);
    fixture.gc(Some(9), Some(9));
    let figures = |fixture: &Fixture| {
        fixture
            .sums(Table::DailyStats, &["session_duration_sum_seconds", "response_time_sum_us", "error_count"])
    };
    assert_eq!(figures(&fixture), [900, 0, 0]);
    let answer = ",\"event_category\":\"error\",\"properties\":{\"response_time_ms\":2}";
    let late = [sent("06-02T00:10", "b"), line("2026-06-02T00:20:00Z", "b", "message_received", answer)];
    assert_eq!(outcomes(&fixture.ingest(&late)), (2, 0));
    // The duration was 15 minutes and is now 30 minutes.
    assert_eq!(figures(&fixture), [1800, 2000, 1]);
    check(&mut fixture, &["06-01: 2, 2 2 0, 4", "06-05: 1, 1 1 0, 1"]);
}

#[test]
fn late_event_merges_sessions_across_a_pruned_day_once() {
    let mut fixture = Fixture::new("2026-06-10T12:00:00Z");
    fixture.ingest(&[
        sent_by("06-01T10:00", "a", "u"),
        sent_by("06-01T23:50", "b", "v"),
        sent_by("06-02T00:05", "b", "v"),
        sent_by("06-02T01:00", "b", "v"),
    ]);
    fixture.gc(Some(9), Some(9));
    check(&mut fixture, &["06-01: 2, 2 2 0, 3", "06-02: 1, 1 0 1, 1"]);
    assert_eq!(outcomes(&fixture.ingest(&[sent_by("06-02T00:33", "b", "v")])), (1, 0));
    check(&mut fixture, &["06-01: 2, 2 2 0, 5"]);
}

#[test]
fn earlier_first_seen_corrects_only_the_day_that_counted_it() {
    let mut fixture = Fixture::new("2026-06-10T12:00:00Z");
    fixture.ingest(&[
        sent_by("05-31T10:00", "r0", "R"),
        sent_by("06-01T10:00", "r1", "R"),
        sent_by("06-01T23:50", "v1", "V"),
        sent_by("06-02T00:10", "v1", "V"),
        sent_by("06-09T10:00", "x", "X"),
    ]);
    fixture.gc(Some(9), Some(9));
    check(&mut fixture, &["05-31: 1, 1 1 0, 1", "06-01: 2, 2 1 1, 3", "06-09: 1, 1 1 0, 1"]);
    // V's session is retained, and moves to the 2nd together with V's first-seen time.
    rebuild_in_zone(&mut fixture, "Europe/Berlin");
    let berlin = ["05-31: 1, 1 1 0, 1", "06-01: 1, 1 0 1, 1", "06-02: 1, 1 1 0, 2", "06-09: 1, 1 1 0, 1"];
    check(&mut fixture, &berlin);
    assert_eq!(outcomes(&fixture.ingest(&[sent_by("05-25T10:00", "v0", "V")])), (1, 0));
    let mut earlier = vec!["05-25: 1, 1 1 0, 1"];
    earlier.extend(berlin);
    earlier[3] = "06-02: 1, 1 0 1, 2";
    check(&mut fixture, &earlier);
    // R's session of 31 May is pruned; the visitor is no longer new on that day.
    assert_eq!(outcomes(&fixture.ingest(&[sent_by("05-25T11:00", "r", "R")])), (1, 0));
    (earlier[0], earlier[1]) = ("05-25: 2, 2 2 0, 2", "05-31: 1, 1 0 1, 1");
    check(&mut fixture, &earlier);
    rebuild_in_zone(&mut fixture, "UTC");
    let utc = ["05-25: 2, 2 2 0, 2", "05-31: 1, 1 0 1, 1", "06-01: 2, 2 0 2, 3", "06-09: 1, 1 1 0, 1"];
    check(&mut fixture, &utc);
}

#[test]
fn new_visitor_with_pruned_and_moved_session_counts_once() {
    let mut fixture = Fixture::new("2026-06-10T12:00:00Z");
    fixture.ingest(&[sent_by("06-01T10:00", "a", "V"), sent_by("06-02T01:00", "b", "V")]);
    fixture.gc(Some(9), Some(9));
    let utc = ["06-01: 1, 1 1 0, 1", "06-02: 1, 1 0 1, 1"];
    check(&mut fixture, &utc);
    // Now the second session is on the 1st too.
    rebuild_in_zone(&mut fixture, "America/New_York");
    check(&mut fixture, &["06-01: 2, 1 1 0, 2"]);
    rebuild_in_zone(&mut fixture, "UTC");
    check(&mut fixture, &utc);
    rebuild_in_zone(&mut fixture, "America/New_York");
    fixture.ingest(&[sent_by("05-20T10:00", "c", "V")]);
    check(&mut fixture, &["05-20: 1, 1 1 0, 1", "06-01: 2, 1 0 1, 2"]);
    rebuild_in_zone(&mut fixture, "UTC");
    check(&mut fixture, &["05-20: 1, 1 1 0, 1", "06-01: 1, 1 0 1, 1", "06-02: 1, 1 0 1, 1"]);
}

#[test]
fn late_source_removes_no_entry_of_a_truncated_list() {
    let mut fixture = Fixture::new("2026-06-10T12:00:00Z");
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
    fixture.ingest(&lines);
    fixture.gc(Some(9), Some(9));
    let domains = |fixture: &Fixture| {
        let list = fixture.days()[0].top_referrers.clone();
        let entries: Vec<std::collections::BTreeMap<String, serde_json::Value>> =
            serde_json::from_str(&list).unwrap();
        let short = |entry: &std::collections::BTreeMap<String, serde_json::Value>| {
            format!("{} {}", entry["domain"].as_str().unwrap().replace(".example", ""), entry["count"])
        };
        entries.iter().map(short).collect::<Vec<_>>().join(", ")
    };
    let first = "d00 1, d01 1, d02 1, d03 1, d04 1, d05 1, d06 1, d07 1, d08 1";
    assert_eq!(domains(&fixture), format!("z 2, {first}"));
    // The session without a source now has d11. Two sessions have d11, but the list would count
    // one.
    fixture.ingest(&[from("06-02T00:10", "direct", "d11.example")]);
    assert_eq!(domains(&fixture), format!("z 2, {first}"));
    fixture.ingest(&[from("06-02T00:20", "s5", "z.example")]);
    assert_eq!(domains(&fixture), format!("z 2, {first}"));
    fixture.assert_clean();
    assert!(!fixture.rebuild().changed);
}
