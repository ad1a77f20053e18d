//! Days whose sessions are pruned, in part or all: what becomes of their rows.

use super::place::{Place, line};
use crate::ingest::run::Report;
use crate::store::columns::Table;
use crate::time::parse_human;

fn sent(time: &str, session: &str) -> String {
    line(&format!("2026-{time}:00Z"), session, "message_sent", "")
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
fn fates(report: &Report) -> (u64, u64) {
    (report.account.total.stored, report.account.total.already_pruned)
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
