//! Guarantee 4, agreement: the reports agree with each other, with the tables, and with reports
//! computed from the reference model.

use std::collections::BTreeMap;
use std::fs;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};
use wa::report::{Interval, Query, ReportKind, ReportRequest, RetentionOptions, Window, run};
use wa::settings::Settings;
use wa::store::Store;
use wa::store::snapshot::Snapshot;
use wa::time::{Day, Micros, SECOND, Zone};

use super::support::fixtures::{self, run_expecting, wa};
use super::support::generated_logs::NOW;
use super::support::memory_file_system::MemoryFileSystem;
use super::support::reference_model::{self, AGENTS, Model};
use super::support::reference_reports::{ReferenceReports, Scope};
use super::support::rng::Rng;
use super::support::tables;

const MINUTE: Micros = 60 * SECOND;
const DAY: Micros = 86_400 * SECOND;
const TIMEOUT: Micros = 30 * MINUTE;

/// 2025-07-01T00:00:00Z: the start of the log, whose 420 days include both clock changes.
const START: Micros = 1_751_328_000_000_000;
const DAYS: u64 = 420;

pub const CHATBOTS: [&str; 3] = ["shop", "docs", "a chatbot of a long name, with blanks"];

/// Generates a visit: the fields of all its events, and further fields of its first event.
fn visit(rng: &mut Rng, number: u64) -> (Map<String, Value>, Map<String, Value>) {
    let (mut all, mut first) = (Map::new(), Map::new());
    let agent = rng.below(9) as usize;
    let agent = AGENTS.get(agent % 6).map(|agent| agent.text);
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("chatbot_id", CHATBOTS[[0, 0, 0, 1, 1, 2][rng.below(6) as usize]].into());
    let session = match rng.below(8) {
        // The session id of an earlier visit. Both visits are one session only if their times are
        // close.
        0 => format!("s{}", number.saturating_sub(rng.below(20))),
        _ => format!("s{number}"),
    };
    let anonymous = format!("anonymous visitor {}", rng.below(90));
    let user = format!("u{}", rng.below(25));
    match rng.below(20) {
        0..11 => {
            put("session_id", session.into());
            put("anonymous_id", anonymous.into());
        }
        11..13 => drop(put("session_id", session.into())),
        13..15 => drop(put("anonymous_id", anonymous.into())),
        15 => drop(put("user_id", user.into())),
        16..18 => {
            put("session_id", session.into());
            put("user_id", user.into());
        }
        // No id, but an IP address and a user agent.
        _ => {
            put("ip_address", format!("192.0.2.{}", rng.below(20)).into());
            put("user_agent", AGENTS[rng.below(4) as usize].text.into());
        }
    }
    let mut put = |name: &str, value: Value| first.insert(name.to_owned(), value);
    if let Some(agent) = agent {
        put("user_agent", agent.into());
    }
    match rng.below(9) {
        0 => drop(put("referrer", "https://www.google.com/search?q=widgets".into())),
        1 => drop(put("referrer", "https://news.example.org/story".into())),
        2 => drop(put("referrer", "https://www.facebook.com/".into())),
        3 => {
            put("utm_source", "newsletter".into());
            put("utm_medium", "email".into());
        }
        4 => {
            put("page_url", "https://shop.example.com/pricing?utm_source=google&utm_medium=cpc#top".into());
        }
        5 => {
            put("referrer", "https://shop.example.com/cart".into());
            put("page_url", "https://shop.example.com/checkout".into());
        }
        _ => {}
    }
    if rng.below(3) == 0 {
        put("landing_page", ["/", "/start", "/über uns"][rng.below(3) as usize].into());
    }
    if rng.below(2) == 0 {
        put("country_code", ["DE", "FR", "US"][rng.below(3) as usize].into());
        if rng.below(3) > 0 {
            put("city", ["Köln", "Paris"][rng.below(2) as usize].into());
        }
    }
    (all, first)
}

/// Generates the name and the properties of an event.
fn name_and_properties(rng: &mut Rng) -> (&'static str, Value) {
    let response =
        [json!(0.5), json!(2999.9996), json!(3000), json!(3000.001), json!(12_345), json!("12"), json!(-1)];
    match rng.below(18) {
        0 | 1 => ("widget_loaded", json!({"load_time_ms": rng.below(3000)})),
        2 => ("widget_opened", json!({"button_id": "open", "load_time_ms": "fast"})),
        3..7 => ("message_sent", json!({"message_length": rng.below(200)})),
        7..9 => ("message_received", json!({"response_time_ms": rng.below(5000)})),
        9 => ("message_received", json!({"response_time_ms": response[rng.below(7) as usize]})),
        10 | 11 => ("message_received", json!({"message_length": 3, "nested": {"response_time_ms": 1}})),
        12 => ("page_viewed", json!({})),
        13 => ("slow_response", json!({"response_time_ms": 4000})),
        14 => (["widget_error", "api_error"][rng.below(2) as usize], json!({"load_time_ms": 77.25})),
        15 => ("custom_thing", json!({"load_time_ms": 5})),
        _ => {
            let ratings = [json!(1), json!(3), json!(4), json!(5), json!(9), json!("good"), json!("bad")];
            ("feedback_given", json!({"rating": ratings[rng.below(7) as usize]}))
        }
    }
}

/// Generates the lines of a log, which are the same in every run.
pub fn log() -> Vec<String> {
    let mut rng = Rng(20_250_701);
    let mut lines: Vec<String> = Vec::new();
    for number in 0..950 {
        let (all, mut first) = visit(&mut rng, number);
        let day = START + rng.below(DAYS) as Micros * DAY;
        let mut time = day
            + match rng.below(4) {
                // Near midnight in UTC, and in New York with and without daylight saving time.
                0 => DAY - rng.below(40) as Micros * MINUTE,
                1 => (3 + rng.below(2) as Micros) * 60 * MINUTE + rng.below(60) as Micros * MINUTE,
                _ => rng.below(86_400_000) as Micros * 1000,
            };
        for _ in 0..1 + rng.below(9) {
            let mut event = all.clone();
            event.append(&mut first);
            let (name, properties) = name_and_properties(&mut rng);
            event.insert("event_name".into(), name.into());
            event.insert("properties".into(), properties);
            event.insert("page_title".into(), format!("n{}", lines.len()).into());
            event.insert("timestamp".into(), time.into());
            match rng.below(5) {
                0 => {}
                1 => drop(event.insert("event_id".into(), format!("E-{}", lines.len()).into())),
                _ => {
                    let id = format!("00000000-0000-4000-8000-{:012x}", lines.len());
                    event.insert("event_id".into(), id.into());
                }
            }
            lines.push(Value::Object(event).to_string());
            time += match rng.below(12) {
                0 => 0,
                1 => TIMEOUT,
                2 => TIMEOUT + 1,
                _ => rng.below(900_000) as Micros * 1000,
            };
        }
    }
    lines
}

/// Distributes the lines over three runs. The second run has late events, the third has repeated
/// events.
fn runs(lines: &[String]) -> [Vec<&str>; 3] {
    let mut rng = Rng(7);
    let mut runs: [Vec<&str>; 3] = Default::default();
    for line in lines {
        let late = rng.below(6) == 0;
        runs[usize::from(late)].push(line);
        if rng.below(9) == 0 {
            runs[2].push(line);
        }
    }
    runs
}

/// A store of the generated log, and the expected tables.
pub struct Case {
    pub snapshot: Snapshot,
    expected: tables::Tables,
    pub zone: Zone,
}

impl Case {
    pub fn new(zone: &str) -> Case {
        Case::with_retention(zone, None)
    }

    /// Returns a store after a gc that retains the events of the given number of days.
    pub fn pruned(zone: &str, days: u32) -> Case {
        Case::with_retention(zone, Some(days))
    }

    fn with_retention(zone: &str, days: Option<u32>) -> Case {
        let zone = Zone::parse(zone).unwrap();
        let settings = Settings { timezone: zone, ..fixtures::settings() };
        let (disk, folder) = (MemoryFileSystem::new(), fixtures::folder());
        let mut model = Model::default();
        let lines = log();
        for (number, lines) in runs(&lines).into_iter().enumerate() {
            let path = folder.path().join(format!("{number}.ndjson"));
            fs::write(&path, lines.join("\n") + "\n").unwrap();
            model.add_file(lines);
            let options = wa::ingest::IngestOptions {
                batch_bytes: Some(200_000),
                ..fixtures::ingest_options(vec![path.display().to_string()], NOW)
            };
            let report = fixtures::ingest(&disk, &settings, &options).unwrap();
            assert!(report.failure.is_none() && report.summary.adds_up(), "{:#?}", report.summary);
        }
        let snapshot = fixtures::store_in(&disk).snapshot().unwrap();
        let mut found = tables::read(&snapshot).unwrap();
        reference_model::check(&model, zone.0, TIMEOUT, found.clone()).unwrap();
        let expected = model.tables(zone.0, TIMEOUT, &mut found).unwrap();
        match days {
            Some(days) => Case::after_gc(&disk, zone, expected, days),
            None => Case { snapshot, expected, zone },
        }
    }

    /// Returns the case after a gc, and checks that the gc retains exactly the events of retained
    /// dates.
    fn after_gc(
        disk: &std::sync::Arc<MemoryFileSystem>,
        zone: Zone,
        mut expected: tables::Tables,
        days: u32,
    ) -> Case {
        let event_retention = wa::settings::Retention::Days(days);
        let settings = Settings { timezone: zone, event_retention, ..fixtures::settings() };
        fixtures::gc(disk, &settings, NOW).unwrap();
        let snapshot = fixtures::store_in(disk).snapshot().unwrap();
        let last = snapshot.manifest().events_pruned_through.expect("gc pruned no events");
        let rows = expected.get_mut("events").unwrap();
        let all = rows.len();
        rows.retain(|row| Day::utc(row["timestamp"].as_i64().unwrap()) > last);
        assert!(100 < rows.len() && rows.len() + 100 < all, "{} of {all} events", rows.len());
        assert_eq!(tables::read(&snapshot).unwrap()["events"].len(), rows.len());
        Case { snapshot, expected, zone }
    }

    /// Returns the query of a scope.
    pub fn query(&self, scope: &Scope) -> Query {
        let day = |date: NaiveDate| Day::parse(&date.to_string()).unwrap();
        let window = Window { from: day(scope.from), to: day(scope.to), today: self.zone.day(NOW) };
        Query { window, chatbots: scope.chatbots.clone(), include_bots: scope.include_bots }
    }

    /// Runs a report.
    fn report(&self, kind: ReportKind, scope: &Scope, moment: Micros) -> Value {
        self.report_with(kind, scope, moment, RetentionOptions::default())
    }

    /// Runs a report with the options of `retention`.
    fn report_with(
        &self,
        kind: ReportKind,
        scope: &Scope,
        moment: Micros,
        retention: RetentionOptions,
    ) -> Value {
        let query = self.query(scope);
        let limit = kind.has_limit().then_some(100);
        let request = ReportRequest { limit, retention, ..ReportRequest::new(kind, query, moment) };
        let outcome = run(&self.snapshot, &request).unwrap();
        serde_json::to_value(&outcome).unwrap()
    }

    pub fn reference(&self) -> ReferenceReports<'_> {
        let today = self.zone.day(NOW).to_string();
        let reports = ReferenceReports::new(&self.expected, self.zone.0, today.parse().unwrap());
        match self.snapshot.manifest().events_pruned_through {
            Some(last) => reports.with_pruned_events(last.to_string().parse().unwrap()),
            None => reports,
        }
    }

    /// Compares all reports of a scope with the reference reports.
    fn compare(&self, reference: &ReferenceReports<'_>, scope: &Scope) {
        let mut results: BTreeMap<&str, Value> = BTreeMap::new();
        let reports = [
            (ReportKind::Summary, reference.summary(scope)),
            (ReportKind::Trends, reference.trends(scope)),
            (ReportKind::Events, reference.events(scope, 100)),
            (ReportKind::Sources, reference.sources(scope)),
            (ReportKind::Devices, reference.devices(scope)),
            (ReportKind::Performance, reference.performance(scope)),
            (ReportKind::Pages, reference.pages(scope)),
            (ReportKind::Locations, reference.locations(scope)),
            (ReportKind::Visitors, reference.visitors_report(scope)),
            (ReportKind::Heatmap, reference.heatmap(scope)),
            (ReportKind::Conversations, reference.conversations(scope)),
        ];
        for (kind, mut expected) in reports {
            let found = self.report(kind, scope, NOW);
            expected["chatbot_id"] = match scope.chatbots.as_slice() {
                [] => Value::Null,
                [one] => one.as_str().into(),
                several => several.into(),
            };
            expected["period_days"] = ((scope.to - scope.from).num_days() + 1).into();
            expected["from"] = scope.from.to_string().into();
            expected["to"] = scope.to.to_string().into();
            assert_eq!(numbers(&found), numbers(&expected), "{} of {scope:?}", kind.name());
            results.insert(kind.name(), found);
        }
        self.compare_sessions(reference, scope);
        self.compare_retention(reference, scope);
        assert_reports_agree(&results, scope);
    }

    /// Compares the report `retention` by day, week and month.
    fn compare_retention(&self, reference: &ReferenceReports<'_>, scope: &Scope) {
        for (interval, unbounded, event) in [
            (Interval::Day, false, None),
            (Interval::Week, true, Some("message_sent")),
            (Interval::Month, false, Some("custom_thing")),
        ] {
            let return_event = event.map(str::to_owned);
            let options = RetentionOptions { interval, unbounded, return_event };
            let mut found = self.report_with(ReportKind::Retention, scope, NOW, options);
            found.as_object_mut().unwrap().remove("chatbot_id");
            let expected = reference.retention(scope, interval.name(), unbounded, event);
            assert_eq!(
                numbers(&found),
                numbers(&expected),
                "{interval:?} {unbounded} {event:?} of {scope:?}"
            );
        }
    }

    /// Compares the first 100 sessions of the report `sessions`.
    fn compare_sessions(&self, reference: &ReferenceReports<'_>, scope: &Scope) {
        let expected = reference.newest(scope);
        let found = self.report(ReportKind::Sessions, scope, NOW);
        assert_eq!(found["total"], expected.len(), "sessions of {scope:?}");
        let listed = found["sessions"].as_array().unwrap();
        assert_eq!(listed.len(), expected.len().min(100), "sessions of {scope:?}");
        for (session, (started, first)) in listed.iter().zip(&expected) {
            let time = chrono::DateTime::parse_from_rfc3339(session["started_at"].as_str().unwrap()).unwrap();
            assert_eq!(time.timestamp_micros(), *started, "sessions of {scope:?}");
            // Sessions that started at the same time can be in any order.
            if expected.iter().filter(|(time, _)| time == started).count() == 1 {
                assert_eq!(session["first_event_id"], **first, "sessions of {scope:?}");
            }
        }
    }
}

/// Converts all numbers to floats, so that 35 equals 35.0.
pub fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(list) => list.iter().map(numbers).collect(),
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), numbers(value))).collect(),
        other => other.clone(),
    }
}

fn sum(rows: &Value, metric: &str) -> u64 {
    rows.as_array().unwrap().iter().map(|row| row[metric].as_u64().unwrap()).sum()
}

/// Asserts relations between reports that hold for all logs.
fn assert_reports_agree(results: &BTreeMap<&str, Value>, scope: &Scope) {
    let result = |report: &str| &results[report];
    let summary = &result("summary")["summary"];
    let sessions = summary["total_sessions"].as_u64().unwrap();
    let parts = [
        ("trends", "trends", "sessions"),
        ("heatmap", "cells", "sessions"),
        ("sources", "utm_sources", "count"),
        ("sources", "referrers", "count"),
        ("sources", "channels", "count"),
        ("devices", "devices", "count"),
        ("devices", "browsers", "count"),
        ("devices", "operating_systems", "count"),
        ("pages", "pages", "sessions"),
        ("locations", "countries", "sessions"),
        ("locations", "cities", "sessions"),
    ];
    for (report, part, metric) in parts {
        assert_eq!(sum(&result(report)[part], metric), sessions, "{report} {part} of {scope:?}");
    }
    let conversations = result("conversations");
    assert_eq!(conversations["conversations"], summary["total_conversations"], "conversations of {scope:?}");
    for part in ["hours", "weekdays"] {
        assert_eq!(
            sum(&conversations[part], "conversations"),
            summary["total_conversations"],
            "{part} of {scope:?}"
        );
    }
    for (report, part) in [
        ("trends", "trends"),
        ("heatmap", "cells"),
        ("pages", "pages"),
        ("locations", "countries"),
        ("locations", "cities"),
    ] {
        let conversations = sum(&result(report)[part], "conversations");
        assert_eq!(conversations, summary["total_conversations"], "{report} {part} of {scope:?}");
    }
    let count_of = |name: &str| {
        let events = result("events")["events"].as_array().unwrap();
        events
            .iter()
            .find(|row| row["event_name"] == name)
            .map_or(0, |row| row["event_count"].as_u64().unwrap())
    };
    assert_eq!(summary["total_messages_sent"], count_of("message_sent"));
    assert_eq!(summary["total_messages_received"], count_of("message_received"));
    assert_eq!(
        sum(&result("trends")["trends"], "messages"),
        count_of("message_sent") + count_of("message_received")
    );
    assert_eq!(result("performance")["slow_responses"]["logged"], count_of("slow_response"));
    assert_eq!(sum(&result("performance")["errors"], "count"), summary["error_count"]);
    for metric in ["unique_visitors", "new_visitors", "returning_visitors"] {
        assert_eq!(result("visitors")["visitors"][metric], summary[metric], "{metric} of {scope:?}");
    }
    assert_eq!(sum(&result("visitors")["frequency"], "visitors"), summary["unique_visitors"]);
}

/// Returns windows of 1, 7, 30 and 365 days. The last one extends past the data.
pub fn windows() -> Vec<(NaiveDate, NaiveDate)> {
    let date = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
    let mut windows = Vec::new();
    for (days, ends) in [
        (1, &["2025-11-02", "2026-03-29", "2026-02-28"][..]),
        (7, &["2025-11-04", "2026-03-31", "2025-12-31"][..]),
        (30, &["2025-07-15", "2025-11-10", "2026-08-30"][..]),
        (365, &["2026-06-30", "2026-12-01"][..]),
    ] {
        windows.extend(ends.iter().map(|end| (date(end) - chrono::Duration::days(days - 1), date(end))));
    }
    windows
}

fn compare_all(zone: &str) {
    let case = Case::new(zone);
    let reference = case.reference();
    let chatbots: [&[&str]; 3] = [&[], &["docs"], &[CHATBOTS[2], "shop"]];
    let mut counted = 0;
    for (from, to) in windows() {
        for chatbots in chatbots {
            for include_bots in [false, true] {
                let chatbots = chatbots.iter().map(|id| (*id).to_owned()).collect();
                let scope = Scope { from, to, chatbots, include_bots };
                case.compare(&reference, &scope);
                counted += reference.newest(&scope).len();
            }
        }
    }
    assert!(counted > 5000, "the windows have only {counted} sessions");
    compare_active(&case, &reference);
}

/// Compares the report `active` at times around events, and one timeout later.
fn compare_active(case: &Case, reference: &ReferenceReports<'_>) {
    let mut rng = Rng(3);
    let events = &case.expected["events"];
    let (from, to) = windows()[0];
    let mut active = 0;
    for _ in 0..120 {
        let event = &events[rng.below(events.len() as u64) as usize];
        let near = [-1, 0, 1, TIMEOUT - 1, TIMEOUT, TIMEOUT + 1, -TIMEOUT, 5 * MINUTE][rng.below(8) as usize];
        let moment = event["timestamp"].as_i64().unwrap() + near;
        for include_bots in [false, true] {
            let chatbots: Vec<String> = match rng.below(2) {
                0 => Vec::new(),
                _ => vec!["shop".into()],
            };
            let expected = reference.active(&chatbots, include_bots, moment, TIMEOUT);
            let scope = Scope { from, to, chatbots, include_bots };
            let found = case.report(ReportKind::Active, &scope, moment);
            assert_eq!(found["active_sessions"], expected, "active at {moment} of {scope:?}");
            active += expected;
        }
    }
    assert!(active > 50, "only {active} active sessions");
}

#[test]
fn agreement_of_all_reports_in_utc() {
    compare_all("UTC");
}

#[test]
fn agreement_of_all_reports_with_daylight_saving_time() {
    compare_all("America/New_York");
}

#[test]
fn agreement_of_report_all_of_the_binary() {
    let folder = fixtures::folder();
    let lines = log();
    fs::write(folder.path().join("log.ndjson"), lines.join("\n") + "\n").unwrap();
    let now = "2026-08-25T02:00:00Z";
    let json = |arguments: &[&str]| -> Value {
        let output = run_expecting(wa(folder.path(), now).args(arguments), 0);
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    };
    json(&["ingest", "--quiet", "log.ndjson"]);
    let snapshot = Store::new(folder.path().join("wa-store")).snapshot().unwrap();
    let mut model = Model::default();
    model.add_file(lines.iter().map(String::as_str));
    let mut found = tables::read(&snapshot).unwrap();
    let expected = model.tables(chrono_tz::UTC, TIMEOUT, &mut found).unwrap();
    let date = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
    let reference = ReferenceReports::new(&expected, chrono_tz::UTC, date("2026-08-25"));
    for (days, from) in
        [("1", "2026-08-24"), ("7", "2026-08-18"), ("30", "2026-07-26"), ("365", "2025-08-25")]
    {
        let plain =
            Scope { from: date(from), to: date("2026-08-24"), chatbots: Vec::new(), include_bots: false };
        let window = ["--days", days, "--as-of", "yesterday", "--format", "json"];
        let mut all = json(&[&["report", "all"][..], &window].concat());
        let with_bots =
            Scope { include_bots: true, chatbots: vec!["docs".into(), "shop".into()], ..plain.clone() };
        let flags = ["--include-bots", "--chatbot", "shop", "--chatbot", "docs"];
        let mut some = json(&[&["report", "all"][..], &window, &flags].concat());
        for (results, scope) in [(&mut all, &plain), (&mut some, &with_bots)] {
            for (name, expected) in [
                ("summary", reference.summary(scope)),
                ("trends", reference.trends(scope)),
                ("events", reference.events(scope, 10)),
                ("sources", reference.sources(scope)),
                ("devices", reference.devices(scope)),
                ("performance", reference.performance(scope)),
                ("pages", reference.pages(scope)),
                ("locations", reference.locations(scope)),
                ("visitors", reference.visitors_report(scope)),
            ] {
                let result = results[name].as_object_mut().unwrap();
                assert_eq!(result["from"], from, "{name} of {scope:?}");
                result.retain(|key, _| !["chatbot_id", "period_days", "from", "to"].contains(&key.as_str()));
                assert_eq!(numbers(&results[name]), numbers(&expected), "{name} of {scope:?}");
            }
            assert_eq!(results["sessions"]["total"], reference.newest(scope).len(), "{scope:?}");
        }
    }
}
