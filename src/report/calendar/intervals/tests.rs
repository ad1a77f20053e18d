//! Rows by hour, week and month, against naive counts of the same sessions.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Timelike};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::TrendInterval;
use crate::report::tests::fixtures::{request_json, window};
use crate::report::tests::memory_tables::{MemoryTables, Session, day, session, time};
use crate::report::{Query, ReportKind, ReportRequest, Window, run};
use crate::time::Zone;

fn request(window: Window, interval: TrendInterval) -> ReportRequest {
    let moment = time("2026-06-15T12:00:00Z");
    ReportRequest { interval, ..ReportRequest::new(ReportKind::Trends, Query::new(window), moment) }
}

fn rows(tables: &MemoryTables, window: Window, interval: TrendInterval) -> Vec<Value> {
    request_json(tables, request(window, interval))["trends"].as_array().unwrap().clone()
}

fn column(rows: &[Value], key: &str) -> Vec<Value> {
    rows.iter().map(|row| row[key].clone()).collect()
}

fn berlin(sessions: Vec<Session>) -> MemoryTables {
    MemoryTables { zone: Zone::parse("Europe/Berlin").unwrap(), ..MemoryTables::new(sessions) }
}

#[test]
fn day_of_a_clock_change_has_23_or_25_hours() {
    let tables = berlin(vec![
        session("2025-03-30T00:59:59Z", "a"),
        session("2025-03-30T01:00:00Z", "a"),
        session("2025-10-26T00:10:00Z", "a"),
        session("2025-10-26T01:10:00Z", "a"),
        session("2025-10-26T01:20:00Z", "b"),
    ]);
    let day = |day| rows(&tables, window(day, day), TrendInterval::Hour);
    let (short, long) = (day("2025-03-30"), day("2025-10-26"));
    assert_eq!((short.len(), long.len(), day("2025-10-27").len()), (23, 25, 24));
    assert_eq!(
        column(&short, "start")[..4],
        [
            "2025-03-30T00:00:00+01:00",
            "2025-03-30T01:00:00+01:00",
            "2025-03-30T03:00:00+02:00",
            "2025-03-30T04:00:00+02:00"
        ]
    );
    assert_eq!(column(&short, "sessions")[..4], [0, 1, 1, 0]);
    let repeated = json!({"start": "2025-10-26T02:00:00+01:00", "complete": true, "sessions": 2,
        "conversations": 0, "messages": 0, "conversion_rate": 0, "unique_visitors": 2});
    assert_eq!((&long[2]["start"], &long[3]), (&json!("2025-10-26T02:00:00+02:00"), &repeated));
    assert_eq!(column(&long, "unique_visitors")[..5], [0, 0, 1, 2, 0]);
    assert_eq!(long[24]["start"], "2025-10-26T23:00:00+01:00");
}

#[test]
fn change_of_half_an_hour_ends_an_hour() {
    // On Lord Howe Island, clocks went back from 02:00 to 01:30 at 15:00 UTC.
    let mut tables = MemoryTables::new(vec![session("2026-04-04T15:10:00Z", "a")]);
    tables.zone = Zone::parse("Australia/Lord_Howe").unwrap();
    let rows = rows(&tables, window("2026-04-05", "2026-04-05"), TrendInterval::Hour);
    assert_eq!(rows.len(), 25);
    assert_eq!(rows[1]["start"], "2026-04-05T01:00:00+11:00");
    assert_eq!((&rows[2]["start"], &rows[2]["sessions"]), (&json!("2026-04-05T01:30:00+10:30"), &json!(1)));
    assert_eq!(rows[3]["start"], "2026-04-05T02:00:00+10:30");
}

#[test]
fn weeks_cross_the_year_and_visitors_of_a_week_count_once() {
    let tables = MemoryTables::new(vec![
        session("2025-12-28T23:59:59Z", "before the week"),
        session("2025-12-29T00:00:00Z", "anna"),
        session("2026-01-04T23:59:59Z", "anna"),
        session("2026-01-02T10:00:00Z", "ben"),
        session("2026-01-05T00:00:00Z", "anna"),
    ]);
    // 2025-12-29 is the Monday of the first ISO week of 2026.
    let weeks = rows(&tables, window("2025-12-24", "2026-01-18"), TrendInterval::Week);
    assert_eq!(column(&weeks, "start"), ["2025-12-22", "2025-12-29", "2026-01-05", "2026-01-12"]);
    assert_eq!(column(&weeks, "sessions"), [1, 3, 1, 0]);
    assert_eq!(column(&weeks, "unique_visitors"), [1, 2, 1, 0]);
    // The window begins on the Wednesday of the first week.
    assert_eq!(column(&weeks, "complete"), [false, true, true, true]);
}

#[test]
fn months_are_incomplete_at_the_ends_of_the_window_and_today() {
    let tables = MemoryTables::new(vec![
        session("2026-02-28T23:00:00Z", "a"),
        session("2026-03-01T00:00:00Z", "a"),
        session("2026-03-31T00:00:00Z", "a"),
    ]);
    // It is June 15th.
    let months = rows(&tables, window("2026-02-02", "2026-06-30"), TrendInterval::Month);
    let starts = ["2026-02-01", "2026-03-01", "2026-04-01", "2026-05-01", "2026-06-01"];
    assert_eq!(column(&months, "start"), starts);
    assert_eq!(column(&months, "sessions"), [1, 2, 0, 0, 0]);
    assert_eq!(column(&months, "unique_visitors"), [1, 1, 0, 0, 0]);
    assert_eq!(column(&months, "complete"), [false, true, true, true, false]);
}

#[test]
fn hours_of_today_end_at_the_current_hour_or_the_last_data() {
    // It is noon.
    let today = window("2026-06-15", "2026-06-15");
    let mut tables = MemoryTables::new(vec![session("2026-06-15T01:00:00Z", "a")]);
    let hours = rows(&tables, today, TrendInterval::Hour);
    assert_eq!((hours.len(), &hours[12]["start"]), (13, &json!("2026-06-15T12:00:00Z")));
    assert_eq!((&hours[11]["complete"], &hours[12]["complete"]), (&json!(true), &json!(false)));
    tables.sessions.push(session("2026-06-15T14:00:00Z", "a"));
    assert_eq!(rows(&tables, today, TrendInterval::Hour).len(), 15);
}

#[test]
fn pruned_days_are_noted_and_make_an_interval_incomplete() {
    let mut tables = MemoryTables::new(vec![session("2026-06-05T00:00:00Z", "a")]);
    tables.sessions_pruned = Some(day("2026-06-03"));
    let request = request(window("2026-05-25", "2026-06-14"), TrendInterval::Week);
    let weeks = request_json(&tables, request.clone())["trends"].clone();
    let weeks = weeks.as_array().unwrap();
    assert_eq!(column(weeks, "start"), ["2026-06-01", "2026-06-08"]);
    assert_eq!(column(weeks, "complete"), [false, true]);
    let notes = run(&tables, &request).unwrap().notes();
    let note = "sessions up to 2026-06-03 are pruned, so trends by week begin after that day; \
                `wa report trends` without --interval reaches further back";
    assert!(notes.iter().any(|n| n == note), "{notes:?}");
}

/// Returns the start of each compared row, its status, and its sessions in both periods.
fn compared(tables: &MemoryTables, window: Window, interval: TrendInterval) -> Vec<Value> {
    let request = ReportRequest { compare: true, ..request(window, interval) };
    let rows = request_json(tables, request)["comparison"]["trends"].as_array().unwrap().clone();
    let row = |row: &Value| {
        json!([row["start"], row["status"], row["sessions"]["current"], row["sessions"]["previous"]])
    };
    rows.iter().map(row).collect()
}

#[test]
fn interval_is_compared_with_the_same_position() {
    let tables = MemoryTables::new(vec![
        session("2026-05-20T10:00:00Z", "a"),
        session("2026-06-01T10:00:00Z", "a"),
        session("2026-06-02T10:00:00Z", "b"),
        session("2026-06-08T10:00:00Z", "a"),
    ]);
    // The five days from Saturday to Wednesday are in two weeks, and the five days before in one.
    assert_eq!(
        compared(&tables, window("2026-05-30", "2026-06-03"), TrendInterval::Week),
        [json!(["2026-05-25", "kept", 0, 0]), json!(["2026-06-01", "new", 2, 0])]
    );
    // The four days before Tuesday are in two weeks, and the second week has no counterpart.
    let tuesday = window("2026-06-02", "2026-06-05");
    assert_eq!(compared(&tables, tuesday, TrendInterval::Week), [json!(["2026-06-01", "kept", 1, 0])]);
    let request = ReportRequest { compare: true, ..request(tuesday, TrendInterval::Week) };
    assert_eq!(
        run(&tables, &request).unwrap().notes()[0],
        "1 of the weeks of the previous period cannot be compared: the window has no such week"
    );
    assert_eq!(
        compared(&tables, window("2026-06-08", "2026-06-14"), TrendInterval::Week),
        [json!(["2026-06-08", "kept", 1, 2])]
    );
}

#[test]
fn hour_is_compared_with_the_same_local_time() {
    let tables = berlin(vec![
        session("2025-10-25T01:10:00Z", "a"),
        session("2025-10-25T21:10:00Z", "b"),
        session("2025-10-26T01:10:00Z", "a"),
        session("2025-10-26T02:10:00Z", "b"),
    ]);
    // On the 26th, the hour from 02:00 to 03:00 occurs twice.
    let rows = compared(&tables, window("2025-10-26", "2025-10-26"), TrendInterval::Hour);
    assert_eq!(rows.len(), 25);
    assert_eq!(rows[2], json!(["2025-10-26T02:00:00+02:00", "kept", 0, 0]));
    assert_eq!(rows[3], json!(["2025-10-26T02:00:00+01:00", "new", 1, 0]));
    assert_eq!(rows[4], json!(["2025-10-26T03:00:00+01:00", "kept", 1, 1]));
    assert_eq!(rows[24], json!(["2025-10-26T23:00:00+01:00", "kept", 0, 1]));
    // Hours that have not begun are not compared. It is noon in UTC and 14:00 in Berlin.
    let tables = berlin(vec![session("2026-06-14T13:00:00Z", "a")]);
    let rows = compared(&tables, window("2026-06-15", "2026-06-15"), TrendInterval::Hour);
    assert_eq!(rows.len(), 15);
    assert_eq!(rows[14][0], "2026-06-15T14:00:00+02:00");
}

#[test]
fn unsupported_requests_are_errors() {
    let tables = MemoryTables::new(vec![session("2026-06-05T00:00:00Z", "a")]);
    let error = |request: ReportRequest| run(&tables, &request).err().unwrap().to_string();
    let long = request(window("2020-01-01", "2026-06-14"), TrendInterval::Hour);
    assert_eq!(error(long), "the window has more than 16384 hours");
}

/// Returns a unique name for the interval that contains a local time.
fn interval_of(local: &DateTime<chrono_tz::Tz>, interval: TrendInterval) -> String {
    let date = local.date_naive();
    match interval {
        TrendInterval::Hour => format!("{date}T{:02}:00:00{}", local.hour(), local.format("%:z")),
        TrendInterval::Day => date.to_string(),
        TrendInterval::Week => {
            let week = date.iso_week();
            let monday = chrono::NaiveDate::from_isoywd_opt(week.year(), week.week(), chrono::Weekday::Mon);
            monday.unwrap().to_string()
        }
        TrendInterval::Month => date.with_day(1).unwrap().to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn rows_equal_a_naive_count_and_add_up_to_the_summary(
        interval in prop::sample::select(vec![TrendInterval::Hour, TrendInterval::Week, TrendInterval::Month]),
        starts in prop::collection::vec((0i64..9 * 86_400, 0usize..4, 0u64..3), 0..60),
        // The clocks of New York changed on the first day of the first and the last window.
        first in prop::sample::select(vec!["2025-03-09", "2025-12-27", "2025-11-02"]),
    ) {
        let zone = Zone::parse("America/New_York").unwrap();
        let from = zone.start_of(day(first));
        let names = ["a", "b", "c", "d"];
        let sessions = starts.iter().map(|(seconds, visitor, sent)| Session {
            start: from + seconds * 1_000_000,
            counts: vec![("message_sent", *sent)],
            ..session("2025-01-01T00:00:00Z", names[*visitor])
        });
        let mut tables = MemoryTables::new(sessions.collect());
        tables.zone = zone;
        let days = Window { from: day(first), to: day(first).plus(7), today: day("2026-06-15") };
        let mut expected: BTreeMap<String, (u64, u64, BTreeSet<usize>)> = BTreeMap::new();
        for (seconds, visitor, sent) in &starts {
            let start = from + seconds * 1_000_000;
            let local = DateTime::from_timestamp_micros(start).unwrap().with_timezone(&zone.0);
            if days.contains(crate::time::Day::from_date(local.date_naive())) {
                let counts = expected.entry(interval_of(&local, interval)).or_default();
                counts.0 += 1;
                counts.1 += sent;
                counts.2.insert(*visitor);
            }
        }
        let rows = rows(&tables, days, interval);
        let starts: BTreeSet<&str> = rows.iter().map(|row| row["start"].as_str().unwrap()).collect();
        prop_assert_eq!(starts.len(), rows.len());
        let found: BTreeMap<String, (u64, u64, usize)> = rows.iter().filter(|row| row["sessions"] != 0).map(|row| {
            let count = |key: &str| row[key].as_u64().unwrap();
            let visitors = count("unique_visitors") as usize;
            (row["start"].as_str().unwrap().to_owned(), (count("sessions"), count("messages"), visitors))
        }).collect();
        let expected: BTreeMap<_, _> = expected.into_iter().map(|(k, (a, b, c))| (k, (a, b, c.len()))).collect();
        prop_assert_eq!(found, expected);
        let moment = time("2026-06-15T12:00:00Z");
        let summary = request_json(&tables, ReportRequest::new(ReportKind::Summary, Query::new(days), moment));
        let sum: u64 = rows.iter().map(|row| row["sessions"].as_u64().unwrap()).sum();
        prop_assert_eq!(&json!(sum), &summary["summary"]["total_sessions"]);
    }
}
