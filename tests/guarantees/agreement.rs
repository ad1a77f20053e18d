//! Guarantee 4, agreement: what the reports say of a window agrees with each other, with the tables,
//! and with a second computation that sees all lines at once ([`naive`], [`figures`]).

use std::collections::BTreeMap;
use std::fs;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};
use wa::report::{Query, ReportKind, ReportRequest, Window, run};
use wa::settings::Settings;
use wa::store::Store;
use wa::store::snapshot::Snapshot;
use wa::time::{Day, Micros, SECOND, Zone};

use super::disk::{Chance, MemoryDisk};
use super::figures::{Question, Rows};
use super::logs::NOW;
use super::naive::{self, AGENTS, Model};
use super::{place, tables};

const MINUTE: Micros = 60 * SECOND;
const DAY: Micros = 86_400 * SECOND;
const TIMEOUT: Micros = 30 * MINUTE;

/// 2025-07-01T00:00:00Z: the log goes on for 420 days from here, over both changes of clocks.
const BEGINNING: Micros = 1_751_328_000_000_000;
const DAYS: u64 = 420;

const CHATBOTS: [&str; 3] = ["shop", "docs", "a chatbot of a long name, with blanks"];

/// What a visit is like: the fields that all its events have, and what its first one has too.
fn visit(chance: &mut Chance, number: u64) -> (Map<String, Value>, Map<String, Value>) {
    let (mut all, mut first) = (Map::new(), Map::new());
    let agent = chance.below(9) as usize;
    let agent = AGENTS.get(agent % 6).map(|agent| agent.text);
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("chatbot_id", CHATBOTS[[0, 0, 0, 1, 1, 2][chance.below(6) as usize]].into());
    let session = match chance.below(8) {
        // A session id that was used before: another visit, unless it is near enough.
        0 => format!("s{}", number.saturating_sub(chance.below(20))),
        _ => format!("s{number}"),
    };
    let anonymous = format!("anonymous visitor {}", chance.below(90));
    let user = format!("u{}", chance.below(25));
    match chance.below(20) {
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
        // None of the three: an address and a user agent.
        _ => {
            put("ip_address", format!("192.0.2.{}", chance.below(20)).into());
            put("user_agent", AGENTS[chance.below(4) as usize].text.into());
        }
    }
    let mut put = |name: &str, value: Value| first.insert(name.to_owned(), value);
    if let Some(agent) = agent {
        put("user_agent", agent.into());
    }
    match chance.below(9) {
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
    if chance.below(3) == 0 {
        put("landing_page", ["/", "/start", "/über uns"][chance.below(3) as usize].into());
    }
    if chance.below(2) == 0 {
        put("country_code", ["DE", "FR", "US"][chance.below(3) as usize].into());
        if chance.below(3) > 0 {
            put("city", ["Köln", "Paris"][chance.below(2) as usize].into());
        }
    }
    (all, first)
}

/// What happens in an event: name and properties.
fn happens(chance: &mut Chance) -> (&'static str, Value) {
    let response =
        [json!(0.5), json!(2999.9996), json!(3000), json!(3000.001), json!(12_345), json!("12"), json!(-1)];
    match chance.below(16) {
        0 | 1 => ("widget_loaded", json!({"load_time_ms": chance.below(3000)})),
        2 => ("widget_opened", json!({"button_id": "open", "load_time_ms": "fast"})),
        3..7 => ("message_sent", json!({"message_length": chance.below(200)})),
        7..9 => ("message_received", json!({"response_time_ms": chance.below(5000)})),
        9 => ("message_received", json!({"response_time_ms": response[chance.below(7) as usize]})),
        10 | 11 => ("message_received", json!({"message_length": 3, "nested": {"response_time_ms": 1}})),
        12 => ("page_viewed", json!({})),
        13 => ("slow_response", json!({"response_time_ms": 4000})),
        14 => (["widget_error", "api_error"][chance.below(2) as usize], json!({"load_time_ms": 77.25})),
        _ => ("custom_thing", json!({"load_time_ms": 5})),
    }
}

/// Makes the lines of a log by chance, but always the same ones.
pub fn log() -> Vec<String> {
    let mut chance = Chance(20_250_701);
    let mut lines: Vec<String> = Vec::new();
    for number in 0..950 {
        let (all, mut first) = visit(&mut chance, number);
        let day = BEGINNING + chance.below(DAYS) as Micros * DAY;
        let mut time = day
            + match chance.below(4) {
                // Into the midnight of UTC, and of New York with and without summer time.
                0 => DAY - chance.below(40) as Micros * MINUTE,
                1 => (3 + chance.below(2) as Micros) * 60 * MINUTE + chance.below(60) as Micros * MINUTE,
                _ => chance.below(86_400_000) as Micros * 1000,
            };
        for _ in 0..1 + chance.below(9) {
            let mut event = all.clone();
            event.append(&mut first);
            let (name, properties) = happens(&mut chance);
            event.insert("event_name".into(), name.into());
            event.insert("properties".into(), properties);
            event.insert("page_title".into(), format!("n{}", lines.len()).into());
            event.insert("timestamp".into(), time.into());
            match chance.below(5) {
                0 => {}
                1 => drop(event.insert("event_id".into(), format!("E-{}", lines.len()).into())),
                _ => {
                    let id = format!("00000000-0000-4000-8000-{:012x}", lines.len());
                    event.insert("event_id".into(), id.into());
                }
            }
            lines.push(Value::Object(event).to_string());
            time += match chance.below(12) {
                0 => 0,
                1 => TIMEOUT,
                2 => TIMEOUT + 1,
                _ => chance.below(900_000) as Micros * 1000,
            };
        }
    }
    lines
}

/// Deals the lines to three runs: late events in the second, repeated ones in the third.
fn runs(lines: &[String]) -> [Vec<&str>; 3] {
    let mut chance = Chance(7);
    let mut runs: [Vec<&str>; 3] = Default::default();
    for line in lines {
        let late = chance.below(6) == 0;
        runs[usize::from(late)].push(line);
        if chance.below(9) == 0 {
            runs[2].push(line);
        }
    }
    runs
}

/// A store of that log, and what the naive model makes of it.
struct Case {
    snapshot: Snapshot,
    expected: tables::Tables,
    zone: Zone,
}

impl Case {
    fn new(zone: &str) -> Case {
        let zone = Zone::parse(zone).unwrap();
        let settings = Settings { timezone: zone, ..place::settings() };
        let (disk, folder) = (MemoryDisk::new(), place::folder());
        let mut model = Model::default();
        let lines = log();
        for (number, lines) in runs(&lines).into_iter().enumerate() {
            let path = folder.path().join(format!("{number}.ndjson"));
            fs::write(&path, lines.join("\n") + "\n").unwrap();
            model.file(lines);
            let options = wa::ingest::IngestOptions {
                batch_bytes: Some(200_000),
                ..place::options(vec![path.display().to_string()], NOW)
            };
            let report = place::ingest(&disk, &settings, &options).unwrap();
            assert!(report.failure.is_none() && report.summary.adds_up(), "{:#?}", report.summary);
        }
        let snapshot = place::store_on(&disk).snapshot().unwrap();
        let mut found = tables::read(&snapshot).unwrap();
        naive::check(&model, zone.0, TIMEOUT, found.clone()).unwrap();
        let expected = model.tables(zone.0, TIMEOUT, &mut found).unwrap();
        Case { snapshot, expected, zone }
    }

    fn ask(&self, kind: ReportKind, question: &Question, moment: Micros) -> Value {
        let day = |date: NaiveDate| Day::parse(&date.to_string()).unwrap();
        let window = Window { from: day(question.from), to: day(question.to), today: self.zone.day(NOW) };
        let query =
            Query { window, chatbots: question.chatbots.clone(), include_bots: question.include_bots };
        let limit = kind.has_limit().then_some(100);
        let outcome =
            run(&self.snapshot, &ReportRequest { limit, ..ReportRequest::new(kind, query, moment) }).unwrap();
        serde_json::to_value(&outcome).unwrap()
    }

    fn rows(&self) -> Rows<'_> {
        Rows::of(&self.expected, self.zone.0)
    }

    /// Compares all reports on a window.
    fn compare(&self, rows: &Rows<'_>, question: &Question) {
        let mut answers: BTreeMap<&str, Value> = BTreeMap::new();
        let reports = [
            (ReportKind::Summary, rows.summary(question)),
            (ReportKind::Trends, rows.trends(question)),
            (ReportKind::Events, rows.events(question, 100)),
            (ReportKind::Sources, rows.sources(question)),
            (ReportKind::Devices, rows.devices(question)),
            (ReportKind::Performance, rows.performance(question)),
            (ReportKind::Pages, rows.pages(question)),
            (ReportKind::Locations, rows.locations(question)),
            (ReportKind::Visitors, rows.visitors_report(question)),
        ];
        for (kind, mut expected) in reports {
            let found = self.ask(kind, question, NOW);
            expected["chatbot_id"] = match question.chatbots.as_slice() {
                [] => Value::Null,
                [one] => one.as_str().into(),
                several => several.into(),
            };
            expected["period_days"] = ((question.to - question.from).num_days() + 1).into();
            expected["from"] = question.from.to_string().into();
            expected["to"] = question.to.to_string().into();
            assert_eq!(numbers(&found), numbers(&expected), "{} of {question:?}", kind.name());
            answers.insert(kind.name(), found);
        }
        self.compare_sessions(rows, question);
        agree(&answers, question);
    }

    /// Goes through all pages of `sessions`.
    fn compare_sessions(&self, rows: &Rows<'_>, question: &Question) {
        let expected = rows.newest(question);
        let found = self.ask(ReportKind::Sessions, question, NOW);
        assert_eq!(found["total"], expected.len(), "sessions of {question:?}");
        let listed = found["sessions"].as_array().unwrap();
        assert_eq!(listed.len(), expected.len().min(100), "sessions of {question:?}");
        for (session, (started, first)) in listed.iter().zip(&expected) {
            let time = chrono::DateTime::parse_from_rfc3339(session["started_at"].as_str().unwrap()).unwrap();
            assert_eq!(time.timestamp_micros(), *started, "sessions of {question:?}");
            // Sessions that started at the same instant may stand in any order.
            if expected.iter().filter(|(time, _)| time == started).count() == 1 {
                assert_eq!(session["first_event_id"], **first, "sessions of {question:?}");
            }
        }
    }
}

/// Makes all numbers floats: 35 and 35.0 are the same.
fn numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Array(list) => list.iter().map(numbers).collect(),
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), numbers(value))).collect(),
        other => other.clone(),
    }
}

fn sum(rows: &Value, figure: &str) -> u64 {
    rows.as_array().unwrap().iter().map(|row| row[figure].as_u64().unwrap()).sum()
}

/// What has to hold between the reports, whatever the events are.
fn agree(answers: &BTreeMap<&str, Value>, question: &Question) {
    let of = |report: &str| &answers[report];
    let summary = &of("summary")["summary"];
    let sessions = summary["total_sessions"].as_u64().unwrap();
    let parts = [
        ("trends", "trends", "sessions"),
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
    for (report, part, figure) in parts {
        assert_eq!(sum(&of(report)[part], figure), sessions, "{report} {part} of {question:?}");
    }
    for (report, part) in
        [("trends", "trends"), ("pages", "pages"), ("locations", "countries"), ("locations", "cities")]
    {
        let conversations = sum(&of(report)[part], "conversations");
        assert_eq!(conversations, summary["total_conversations"], "{report} {part} of {question:?}");
    }
    let count_of = |name: &str| {
        let events = of("events")["events"].as_array().unwrap();
        events
            .iter()
            .find(|row| row["event_name"] == name)
            .map_or(0, |row| row["event_count"].as_u64().unwrap())
    };
    assert_eq!(summary["total_messages_sent"], count_of("message_sent"));
    assert_eq!(summary["total_messages_received"], count_of("message_received"));
    assert_eq!(
        sum(&of("trends")["trends"], "messages"),
        count_of("message_sent") + count_of("message_received")
    );
    assert_eq!(of("performance")["slow_responses"]["logged"], count_of("slow_response"));
    assert_eq!(sum(&of("performance")["errors"], "count"), summary["error_count"]);
    for figure in ["unique_visitors", "new_visitors", "returning_visitors"] {
        assert_eq!(of("visitors")["visitors"][figure], summary[figure], "{figure} of {question:?}");
    }
    assert_eq!(sum(&of("visitors")["frequency"], "visitors"), summary["unique_visitors"]);
}

/// The windows: of 1, 7, 30 and 365 days, at some ends; the last reaches beyond the data.
fn windows() -> Vec<(NaiveDate, NaiveDate)> {
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
    let rows = case.rows();
    let chatbots: [&[&str]; 3] = [&[], &["docs"], &[CHATBOTS[2], "shop"]];
    let mut counted = 0;
    for (from, to) in windows() {
        for chatbots in chatbots {
            for include_bots in [false, true] {
                let chatbots = chatbots.iter().map(|id| (*id).to_owned()).collect();
                let question = Question { from, to, chatbots, include_bots };
                case.compare(&rows, &question);
                counted += rows.newest(&question).len();
            }
        }
    }
    assert!(counted > 5000, "the windows hold {counted} sessions: too few to say anything");
    compare_active(&case, &rows);
}

/// Moments at, just before and just after events, and a timeout later.
fn compare_active(case: &Case, rows: &Rows<'_>) {
    let mut chance = Chance(3);
    let events = &case.expected["events"];
    let (from, to) = windows()[0];
    let mut active = 0;
    for _ in 0..120 {
        let event = &events[chance.below(events.len() as u64) as usize];
        let near =
            [-1, 0, 1, TIMEOUT - 1, TIMEOUT, TIMEOUT + 1, -TIMEOUT, 5 * MINUTE][chance.below(8) as usize];
        let moment = event["timestamp"].as_i64().unwrap() + near;
        for include_bots in [false, true] {
            let chatbots: Vec<String> = match chance.below(2) {
                0 => Vec::new(),
                _ => vec!["shop".into()],
            };
            let expected = rows.active(&chatbots, include_bots, moment, TIMEOUT);
            let question = Question { from, to, chatbots, include_bots };
            let found = case.ask(ReportKind::Active, &question, moment);
            assert_eq!(found["active_sessions"], expected, "active at {moment} of {question:?}");
            active += expected;
        }
    }
    assert!(active > 50, "{active} active sessions say too little");
}

#[test]
fn agreement_of_all_reports_with_each_other_the_tables_and_the_events() {
    compare_all("UTC");
}

#[test]
fn agreement_of_all_reports_in_a_zone_with_summer_time() {
    compare_all("America/New_York");
}

#[test]
fn agreement_of_the_program_with_a_second_computation() {
    let folder = place::folder();
    let lines = log();
    fs::write(folder.path().join("log.ndjson"), lines.join("\n") + "\n").unwrap();
    let now = "2026-08-25T02:00:00Z";
    let json = |arguments: &[&str]| -> Value {
        let output = place::ends(place::wa(folder.path(), now).args(arguments), 0);
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    };
    json(&["ingest", "--quiet", "log.ndjson"]);
    let snapshot = Store::new(folder.path().join("wa-store")).snapshot().unwrap();
    let mut model = Model::default();
    model.file(lines.iter().map(String::as_str));
    let mut found = tables::read(&snapshot).unwrap();
    let expected = model.tables(chrono_tz::UTC, TIMEOUT, &mut found).unwrap();
    let rows = Rows::of(&expected, chrono_tz::UTC);
    let date = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
    for (days, from) in
        [("1", "2026-08-24"), ("7", "2026-08-18"), ("30", "2026-07-26"), ("365", "2025-08-25")]
    {
        let plain =
            Question { from: date(from), to: date("2026-08-24"), chatbots: Vec::new(), include_bots: false };
        let window = ["--days", days, "--as-of", "yesterday", "--format", "json"];
        let mut all = json(&[&["report", "all"][..], &window].concat());
        let robots =
            Question { include_bots: true, chatbots: vec!["docs".into(), "shop".into()], ..plain.clone() };
        let flags = ["--include-bots", "--chatbot", "shop", "--chatbot", "docs"];
        let mut some = json(&[&["report", "all"][..], &window, &flags].concat());
        for (answers, question) in [(&mut all, &plain), (&mut some, &robots)] {
            for (name, expected) in [
                ("summary", rows.summary(question)),
                ("trends", rows.trends(question)),
                ("events", rows.events(question, 10)),
                ("sources", rows.sources(question)),
                ("devices", rows.devices(question)),
                ("performance", rows.performance(question)),
                ("pages", rows.pages(question)),
                ("locations", rows.locations(question)),
                ("visitors", rows.visitors_report(question)),
            ] {
                let answer = answers[name].as_object_mut().unwrap();
                assert_eq!(answer["from"], from, "{name} of {question:?}");
                answer.retain(|key, _| !["chatbot_id", "period_days", "from", "to"].contains(&key.as_str()));
                assert_eq!(numbers(&answers[name]), numbers(&expected), "{name} of {question:?}");
            }
            assert_eq!(answers["sessions"]["total"], rows.newest(question).len(), "{question:?}");
        }
    }
}
