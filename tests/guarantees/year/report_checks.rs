//! Comparison of reports with metrics computed from the model's tables.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wa::time::{Day, Micros, Zone};

use super::super::support::tables::{Row, Tables};
use super::nights::ZONE;

fn int(row: &Row, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("{column} of {row:?}"))
}

fn text(row: &Row, column: &str) -> Option<String> {
    row[column].as_str().map(str::to_owned)
}

/// Returns a / b, rounded half up, or `None` if b is 0.
fn round_half_up(a: i64, b: i64) -> Option<i64> {
    (b > 0).then(|| (2 * a + b).div_euclid(2 * b))
}

/// Returns the sessions without bots that started on the days of a window.
fn sessions(tables: &Tables, (from, to): (Day, Day)) -> Vec<&Row> {
    let within = |time: Micros| (from..=to).contains(&Zone(ZONE).day(time));
    let sessions = tables["sessions"].iter();
    sessions.filter(|row| row["is_bot"] == false && within(int(row, "started_at"))).collect()
}

/// Checks the reports of a window, both days inclusive.
pub fn check(tables: &Tables, window: (Day, Day), report: &dyn Fn(&str) -> Value) {
    summary(tables, window, &report("summary")["summary"]);
    trends(tables, window, &report("trends")["trends"]);
    events(tables, window, &report("events")["events"]);
    let sources = report("sources");
    let expected = |none: &'static str, column: &'static str| {
        count(tables, window, move |row| text(row, column).unwrap_or_else(|| none.to_owned()))
    };
    assert_eq!(counts(&sources["referrers"], "domain"), expected("direct", "referrer_domain"));
    assert_eq!(counts(&sources["utm_sources"], "source"), expected("unknown", "utm_source"));
    let devices = report("devices");
    assert_eq!(counts(&devices["devices"], "type"), expected("unknown", "device_type"));
    assert_eq!(counts(&devices["browsers"], "name"), expected("unknown", "browser_name"));
}

fn summary(tables: &Tables, window: (Day, Day), report: &Value) {
    let days: Vec<&Row> = days(tables, window);
    let sum = |column: &str| days.iter().map(|row| int(row, column)).sum::<i64>();
    let n = sum("total_sessions");
    let conversations = sum("total_conversations");
    let visitors: BTreeSet<(String, &str, String)> = sessions(tables, window)
        .into_iter()
        .map(|row| {
            let ids = [("anonymous", "anonymous_id"), ("user", "user_id")];
            let id = ids.into_iter().find_map(|(kind, column)| Some((kind, text(row, column)?)));
            let (kind, id) = id.unwrap_or_else(|| ("key", text(row, "session_id").unwrap()));
            (text(row, "chatbot_id").unwrap(), kind, id)
        })
        .collect();
    let first_seen: BTreeMap<_, Day> = tables["visitors"]
        .iter()
        .map(|row| {
            let kind = row["id_kind"].as_str().unwrap();
            let key = (text(row, "chatbot_id").unwrap(), kind, text(row, "visitor_id").unwrap());
            (key, Zone(ZONE).day(int(row, "first_seen_at")))
        })
        .collect();
    let new = visitors.iter().filter(|visitor| first_seen.get(visitor).is_none_or(|day| *day >= window.0));
    let new = new.count();
    let expected = [
        ("total_sessions", Some(n)),
        ("total_conversations", Some(conversations)),
        ("total_messages_sent", Some(sum("total_messages_sent"))),
        ("total_messages_received", Some(sum("total_messages_received"))),
        ("error_count", Some(sum("error_count"))),
        ("bot_sessions_excluded", Some(sum("bot_sessions"))),
        ("unique_visitors", Some(visitors.len() as i64)),
        ("new_visitors", Some(new as i64)),
        ("returning_visitors", Some((visitors.len() - new) as i64)),
        ("avg_session_duration_seconds", round_half_up(sum("session_duration_sum_seconds"), n)),
        (
            "avg_response_time_ms",
            round_half_up(sum("response_time_sum_us"), 1000 * sum("response_time_count")),
        ),
    ];
    for (name, expected) in expected {
        assert_eq!(report[name].as_i64(), expected, "{name} of {window:?}: {report:#}");
    }
    let rate = round_half_up(10_000 * conversations, n).unwrap() as f64 / 100.0;
    assert_eq!(report["conversion_rate"].as_f64(), Some(rate), "{window:?}");
}

fn days(tables: &Tables, (from, to): (Day, Day)) -> Vec<&Row> {
    let (from, to) = (from.to_string(), to.to_string());
    let within = |row: &&Row| (from.as_str()..=to.as_str()).contains(&row["stat_date"].as_str().unwrap());
    tables["daily_stats"].iter().filter(within).collect()
}

fn trends(tables: &Tables, window: (Day, Day), report: &Value) {
    let mut expected: BTreeMap<String, [i64; 3]> = BTreeMap::new();
    for row in days(tables, window) {
        let day = expected.entry(text(row, "stat_date").unwrap()).or_default();
        day[0] += int(row, "total_sessions");
        day[1] += int(row, "total_conversations");
        day[2] += int(row, "total_messages_sent") + int(row, "total_messages_received");
    }
    let found: BTreeMap<String, [i64; 3]> = report
        .as_array()
        .unwrap()
        .iter()
        .map(|day| {
            let metrics = ["sessions", "conversations", "messages"].map(|name| day[name].as_i64().unwrap());
            (day["stat_date"].as_str().unwrap().to_owned(), metrics)
        })
        // A report also has a row for each day without sessions.
        .filter(|(day, metrics)| expected.contains_key(day) || *metrics != [0; 3])
        .collect();
    assert_eq!(found, expected, "{window:?}");
}

fn events(tables: &Tables, window: (Day, Day), report: &Value) {
    let mut expected: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in sessions(tables, window) {
        for (name, count) in row["event_counts"].as_object().unwrap() {
            let entry = expected.entry(name.clone()).or_default();
            entry.0 += count.as_i64().unwrap();
            entry.1 += 1;
        }
    }
    let found: BTreeMap<String, (i64, i64)> = report
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let metrics = (row["event_count"].as_i64().unwrap(), row["unique_sessions"].as_i64().unwrap());
            (row["event_name"].as_str().unwrap().to_owned(), metrics)
        })
        .collect();
    assert_eq!(found, expected, "{window:?}");
}

fn count(tables: &Tables, window: (Day, Day), name: impl Fn(&Row) -> String) -> BTreeMap<String, i64> {
    let mut counts = BTreeMap::new();
    for row in sessions(tables, window) {
        *counts.entry(name(row)).or_default() += 1;
    }
    counts
}

fn counts(report: &Value, name: &str) -> BTreeMap<String, i64> {
    let row = |row: &Value| (row[name].as_str().unwrap().to_owned(), row["count"].as_i64().unwrap());
    report.as_array().unwrap().iter().map(row).collect()
}
