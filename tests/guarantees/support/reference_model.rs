//! A reference model of the tables, written from the documented rules. It processes all lines at
//! once, without regard for speed, and supports only the fields, user agents and sources of the
//! tests' logs.
//!
//! The model does not derive ids from content. It takes the id of an event without a UUID from the
//! store, by page title, and checks the version and uniqueness of that id.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, TimeZone};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::tables::{self, Row, Tables};

/// A user agent and its expected classification.
pub struct SampleUserAgent {
    pub text: &'static str,
    pub browser: [&'static str; 2],
    pub os: [Option<&'static str>; 2],
    pub device: &'static str,
}

/// The user agents of the tests' logs.
pub const AGENTS: [SampleUserAgent; 4] = [
    SampleUserAgent {
        text: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36",
        browser: ["Chrome", "120.0.0.0"],
        os: [Some("Windows"), Some("10")],
        device: "desktop",
    },
    SampleUserAgent {
        text: "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Mobile/15E148 Safari/604.1",
        browser: ["Safari", "17.4.1"],
        os: [Some("iOS"), Some("17.4.1")],
        device: "mobile",
    },
    SampleUserAgent {
        text: "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Safari/537.36",
        browser: ["Chrome", "119.0.0.0"],
        os: [Some("Android"), Some("13")],
        device: "tablet",
    },
    SampleUserAgent {
        text: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        browser: ["Googlebot", "2.1"],
        os: [None, None],
        device: "bot",
    },
];

/// The text fields of an event.
const TEXTS: [&str; 19] = [
    "chatbot_id",
    "session_id",
    "anonymous_id",
    "user_id",
    "user_email",
    "user_name",
    "event_name",
    "event_category",
    "page_url",
    "page_title",
    "referrer",
    "landing_page",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "user_agent",
    "ip_address",
    "country_code",
    "city",
];
/// The other fields of an event.
const OTHERS: [&str; 9] = [
    "event_id",
    "user_metadata",
    "properties",
    "screen_width",
    "screen_height",
    "timestamp",
    "client_timestamp",
    "sent_at",
    "received_at",
];
/// The fields that an event does not inherit from its envelope.
const NOT_INHERITED: [&str; 6] =
    ["event_id", "event_name", "event_category", "properties", "timestamp", "client_timestamp"];

/// An event.
#[derive(Clone, Debug)]
struct Event {
    /// The columns of `events`, except `id` and `created_at`.
    columns: Row,
    id: Option<Uuid>,
    time: i64,
}

/// The events of all files read.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Events with an id, by chatbot and id.
    with_id: BTreeMap<(String, String), Event>,
    /// Lines of events without an id, with the maximum number of copies in one file.
    without_id: BTreeMap<String, (usize, Vec<Event>)>,
    /// The number of events read in all files.
    pub read: u64,
    /// The distinct rejected lines.
    pub rejected: BTreeSet<String>,
}

impl Model {
    /// Adds the lines of a file.
    pub fn add_file<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
        for line in lines {
            let Some(events) = parse_line(line) else {
                self.read += 1;
                self.rejected.insert(line.to_owned());
                continue;
            };
            self.read += events.len() as u64;
            let (with_id, without_id): (Vec<Event>, Vec<Event>) =
                events.into_iter().partition(|event| event.log_id().is_some());
            for event in with_id {
                let key = (event.text("chatbot_id"), event.log_id().unwrap_or_default());
                self.with_id.entry(key).or_insert(event);
            }
            if !without_id.is_empty() {
                let count = copies.entry(line.trim()).or_default();
                *count += 1;
                let known = self.without_id.entry(line.trim().to_owned()).or_insert((0, without_id));
                known.0 = known.0.max(*count);
            }
        }
    }

    /// Computes the tables. `found` are the tables of the store, from which derived ids are taken.
    pub fn tables(&self, zone: chrono_tz::Tz, timeout: i64, found: &mut Tables) -> Result<Tables, String> {
        let mut events: Vec<Event> = self.with_id.values().cloned().collect();
        for (copies, line) in self.without_id.values() {
            (0..*copies).for_each(|_| events.extend(line.iter().cloned()));
        }
        rename_derived_visitors(&events, found)?;
        let mut events = with_stored_ids(events, &found["events"])?;
        events.sort_by_key(|event| (event.time, event.id));
        let first_seen = first_seen(&events);
        let sessions = sessions(&events, timeout);
        let mut result: Tables = BTreeMap::new();
        result.insert("daily_stats", daily_stats(&sessions, &first_seen, zone));
        result.insert("visitors", first_seen.iter().map(visitor_row).collect());
        result.insert("sessions", sessions.iter().map(|session| session_row(session)).collect());
        result.insert(
            "events",
            events
                .into_iter()
                .map(|event| {
                    let mut columns = event.columns;
                    columns.insert("id".into(), event.id.map(|id| id.to_string()).into());
                    columns.remove("log_id");
                    columns
                })
                .collect(),
        );
        tables::sort(&mut result);
        tables::sort(found);
        Ok(result)
    }
}

/// Columns whose values are not specified.
pub const UNSPECIFIED_COLUMNS: &[&str] =
    &["created_at", "updated_at", "merge_state", "hash_high", "hash_low", "counted_new_on"];

/// Compares the tables of a store with the model, and fails with a list of the differences.
pub fn check(model: &Model, zone: chrono_tz::Tz, timeout: i64, found: Tables) -> Result<(), String> {
    check_retained(model, zone, timeout, found, |_, _| true).map(drop)
}

/// Compares the tables of a store in which retention has pruned rows with the model, and returns
/// the expected tables. `is_retained` decides whether a row of a table is retained. `found` must
/// also contain the pruned events, because some ids come from the store.
pub fn check_retained(
    model: &Model,
    zone: chrono_tz::Tz,
    timeout: i64,
    mut found: Tables,
    is_retained: impl Fn(&str, &Row) -> bool,
) -> Result<Tables, String> {
    let mut expected = model.tables(zone, timeout, &mut found)?;
    for (table, rows) in &mut expected {
        rows.retain(|row| is_retained(table, row));
    }
    let ids = |table: &str| found[table].iter().map(|row| row["id"].to_string()).collect::<BTreeSet<_>>();
    for table in ["sessions", "daily_stats"] {
        if ids(table).len() != found[table].len() {
            return Err(format!("{table}: duplicate id"));
        }
    }
    // The documentation does not specify how these two ids are derived.
    for table in ["sessions", "daily_stats"] {
        found.get_mut(table).into_iter().flatten().for_each(|row| drop(row.remove("id")));
    }
    for row in found.values_mut().flatten() {
        row.retain(|name, _| !UNSPECIFIED_COLUMNS.contains(&name.as_str()));
        // The documentation does not specify whether `extra` contains the `type` of a typed line.
        if let Some(Value::Object(extra)) = row.get_mut("extra") {
            extra.remove("type");
            if extra.is_empty() {
                row.insert("extra".into(), Value::Null);
            }
        }
    }
    match tables::difference(&expected, &found, &[]) {
        Some(difference) => Err(difference),
        None => Ok(expected),
    }
}

impl Event {
    fn log_id(&self) -> Option<String> {
        self.columns.get("log_id").and_then(Value::as_str).map(str::to_owned)
    }

    /// Returns a column, or `None` if it is null.
    fn non_null(&self, column: &str) -> Option<&Value> {
        self.columns.get(column).filter(|value| !value.is_null())
    }

    fn text(&self, column: &str) -> String {
        self.non_null(column).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Returns the kind and the value of the session key.
    fn key(&self) -> (&'static str, String) {
        let kinds = ["session_id", "anonymous_id", "user_id"];
        let kind = kinds.into_iter().find(|kind| self.non_null(kind).is_some()).unwrap_or_default();
        (kind, self.text(kind))
    }
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &word[..1].to_uppercase() + &word[1..])
}

/// Removes a field from a line, under any of its names. Returns its value.
fn take_field(line: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let other: &[&str] = match name {
        "event_id" => &["id"],
        "ip_address" => &["ip"],
        _ => &[],
    };
    let mut names = vec![name.to_owned(), camel_case(name)];
    names.extend(other.iter().map(|name| (*name).to_owned()));
    let mut found = None;
    for name in names {
        let value = line.remove(&name).filter(|value| !value.is_null() && *value != "");
        found = found.or(value);
    }
    found
}

/// Parses a line; returns `None` if it must be rejected.
fn parse_line(line: &str) -> Option<Vec<Event>> {
    let Value::Object(mut line) = serde_json::from_str(line.trim()).ok()? else { return None };
    let Some(Value::Array(events)) = line.remove("events") else { return parse_event(line).map(|e| vec![e]) };
    let mut inherited = Row::new();
    for name in TEXTS.iter().chain(&OTHERS) {
        let value = take_field(&mut line, name);
        if !NOT_INHERITED.contains(name) {
            inherited.extend(value.map(|value| ((*name).to_owned(), value)));
        }
    }
    inherited.extend(line);
    events
        .into_iter()
        .map(|event| {
            let Value::Object(mut event) = event else { return None };
            for (name, value) in &inherited {
                let own = take_field(&mut event.clone(), name);
                if own.is_none() {
                    event.insert(name.clone(), value.clone());
                }
            }
            parse_event(event)
        })
        .collect()
}

fn parse_event(mut line: Map<String, Value>) -> Option<Event> {
    let mut columns = Row::new();
    for name in TEXTS {
        let text = match take_field(&mut line, name) {
            Some(Value::Number(n)) => Value::from(n.to_string()),
            other => other.unwrap_or_default(),
        };
        columns.insert(name.to_owned(), text);
    }
    let [id, user_metadata, properties, width, height, time, client, sent, received] =
        OTHERS.map(|name| take_field(&mut line, name));
    if columns["event_name"].is_null() {
        let name = match line.get("type")?.as_str()? {
            "session" => "session_updated",
            "identify" => "user_identified",
            _ => return None,
        };
        columns.insert("event_name".into(), name.into());
        columns.insert("event_category".into(), "system".into());
    }
    line.remove("type");
    if columns["event_category"].is_null() {
        columns.insert("event_category".into(), category(columns["event_name"].as_str()?).into());
    }
    let id = match id {
        Some(Value::Number(n)) => Some(n.to_string()),
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let uuid = id.as_deref().and_then(|id| Uuid::try_parse(id).ok().filter(|uuid| uuid.to_string() == id));
    columns.insert("event_id".into(), if uuid.is_some() { Value::Null } else { id.clone().into() });
    columns.insert("log_id".into(), id.into());
    let times = [client, sent, received].map(|time| time.and_then(|time| micros(&time)));
    let [client, sent, received] = times;
    let time = match (time, client, sent, received) {
        (Some(time), ..) => micros(&time)?,
        (None, Some(client), Some(sent), Some(received)) => received - (sent - client),
        (None, _, _, Some(received)) => received,
        (None, client, _, None) => client?,
    };
    for (name, value) in [
        ("user_metadata", user_metadata.unwrap_or_default()),
        ("properties", properties.unwrap_or_default()),
        ("screen_width", width.unwrap_or_default()),
        ("screen_height", height.unwrap_or_default()),
        ("timestamp", time.into()),
        ("client_timestamp", client.into()),
        ("sent_at", sent.into()),
        ("received_at", received.into()),
    ] {
        columns.insert(name.into(), value);
    }
    let mut event = Event { columns, id: uuid, time };
    event.non_null("chatbot_id")?;
    if event.key().0.is_empty() {
        let (ip, agent) = (event.non_null("ip_address")?.clone(), event.non_null("user_agent")?.clone());
        let visitor = format!("ipua {} {ip} {agent}", event.text("chatbot_id"));
        event.columns.insert("anonymous_id".into(), visitor.into());
    }
    add_source(&mut event);
    add_user_agent(&mut event);
    let extra = if line.is_empty() { Value::Null } else { Value::Object(line) };
    event.columns.insert("extra".into(), extra);
    Some(event)
}

/// Parses a time as microseconds since 1970.
fn micros(value: &Value) -> Option<i64> {
    if let Some(n) = value.as_i64() {
        return Some(match n {
            ..100_000_000_000 => n * 1_000_000,
            100_000_000_000..100_000_000_000_000 => n * 1000,
            _ => n,
        });
    }
    let text = value.as_str()?;
    let with_offset = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_micros());
    let without = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").map(|t| t.and_utc());
    with_offset.or_else(|_| without().map(|time| time.timestamp_micros())).ok()
}

/// Returns the category of a standard event.
fn category(name: &str) -> Option<&'static str> {
    Some(match name {
        "widget_loaded" | "session_updated" | "user_identified" => "system",
        "widget_opened" | "widget_minimized" | "message_sent" | "message_received" => "engagement",
        "pre_chat_form_shown" | "pre_chat_form_submitted" | "feedback_given" => "engagement",
        "widget_error" | "api_error" => "error",
        "slow_response" => "performance",
        _ => return None,
    })
}

fn host(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split(['/', '?']).next()?;
    Some(host.strip_prefix("www.").unwrap_or(host))
}

fn add_source(event: &mut Event) {
    let page = event.text("page_url");
    for name in ["utm_source", "utm_medium", "utm_campaign"] {
        let query = page.split('#').next().and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
        let tag = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        if let (None, Some(tag)) = (event.non_null(name), tag) {
            event.columns.insert(name.into(), tag.into());
        }
    }
    let referrer = event.text("referrer");
    let domain = host(&referrer).filter(|domain| Some(*domain) != host(&page));
    let campaign = (event.text("utm_source"), event.text("utm_medium"));
    // GA4's default channel grouping, restricted to the sources in the tests' logs.
    let channel = match (campaign.0.as_str(), campaign.1.as_str(), domain) {
        ("newsletter", "email", _) => Some("Email"),
        ("google", "cpc", _) => Some("Paid Search"),
        ("", "", Some("google.com")) => Some("Organic Search"),
        ("", "", Some("facebook.com")) => Some("Organic Social"),
        ("", "", Some("news.example.org")) => Some("Referral"),
        ("", "", None) => None,
        other => panic!("the model does not support the source {other:?}"),
    };
    let domain = domain.map(str::to_owned);
    event.columns.insert("referrer_domain".into(), domain.into());
    event.columns.insert("channel".into(), channel.into());
}

fn add_user_agent(event: &mut Event) {
    let text = event.text("user_agent");
    let sample = AGENTS.iter().find(|agent| agent.text == text);
    assert!(sample.is_some() || text.is_empty(), "the model does not support the user agent {text}");
    for (name, value) in [
        ("browser_name", sample.map(|agent| agent.browser[0])),
        ("browser_version", sample.map(|agent| agent.browser[1])),
        ("os_name", sample.and_then(|agent| agent.os[0])),
        ("os_version", sample.and_then(|agent| agent.os[1])),
        ("device_type", sample.map(|agent| agent.device)),
    ] {
        event.columns.insert(name.into(), value.into());
    }
    event.columns.insert("is_bot".into(), sample.is_some_and(|agent| agent.device == "bot").into());
}

/// Replaces the visitor ids that the store derived from IP address and user agent with those of the
/// model.
fn rename_derived_visitors(events: &[Event], found: &mut Tables) -> Result<(), String> {
    let derived: BTreeMap<(String, String), String> = events
        .iter()
        .filter(|event| event.text("anonymous_id").starts_with("ipua "))
        .map(|e| ((e.text("chatbot_id"), e.text("page_title")), e.text("anonymous_id")))
        .collect();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for row in &found["events"] {
        let Some(id) = row["anonymous_id"].as_str().filter(|id| id.starts_with("ipua-")) else { continue };
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let name = derived.get(&(text("chatbot_id"), text("page_title")));
        let name = name.ok_or_else(|| format!("{id} is derived for an event with a visitor id"))?;
        if names.insert(id.to_owned(), name.clone()).is_some_and(|other| other != *name) {
            return Err(format!("{id} is derived for two visitors"));
        }
    }
    if names.values().collect::<BTreeSet<_>>().len() != names.len() {
        return Err("two derived ids for one visitor".to_owned());
    }
    for row in found.values_mut().flatten() {
        for column in ["anonymous_id", "visitor_id"] {
            let name = row.get(column).and_then(Value::as_str).and_then(|id| names.get(id)).cloned();
            if let Some(name) = name {
                row.insert(column.to_owned(), name.into());
            }
        }
    }
    Ok(())
}

/// Returns the events with ids: the event's own UUID, or the id that the store derived.
fn with_stored_ids(events: Vec<Event>, stored: &[Row]) -> Result<Vec<Event>, String> {
    let mut ids: BTreeMap<(String, String), Vec<Uuid>> = BTreeMap::new();
    let mut all = BTreeSet::new();
    for row in stored {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let id = Uuid::try_parse(&text("id")).map_err(|e| format!("not a UUID: {e}"))?;
        if !all.insert((text("chatbot_id"), id)) {
            return Err(format!("duplicate event {id}"));
        }
        ids.entry((text("chatbot_id"), text("page_title"))).or_default().push(id);
    }
    let mut result = Vec::new();
    for mut event in events {
        let title = (event.text("chatbot_id"), event.text("page_title"));
        let id = ids.get_mut(&title).and_then(Vec::pop).ok_or_else(|| format!("{title:?} is not stored"))?;
        let version = if event.log_id().is_some() { 5 } else { 8 };
        match event.id {
            Some(own) if own != id => return Err(format!("{own} is stored as {id}")),
            None if id.get_version_num() != version => {
                return Err(format!("{id} is not of version {version}"));
            }
            _ => event.id = Some(id),
        }
        result.push(event);
    }
    match ids.into_iter().find(|(_, ids)| !ids.is_empty()) {
        Some((title, ids)) => Err(format!("{title:?} has {} surplus rows", ids.len())),
        None => Ok(result),
    }
}

type Visitor = (String, &'static str, String);

/// Returns the time at which each visitor id of each chatbot was first seen. The events must be
/// ordered by time.
fn first_seen(events: &[Event]) -> BTreeMap<Visitor, i64> {
    let mut seen = BTreeMap::new();
    for event in events {
        for (kind, column) in [("anonymous", "anonymous_id"), ("user", "user_id")] {
            if event.non_null(column).is_some() {
                seen.entry((event.text("chatbot_id"), kind, event.text(column))).or_insert(event.time);
            }
        }
    }
    seen
}

fn visitor_row(((chatbot, kind, id), time): (&Visitor, &i64)) -> Row {
    let row = json!({"chatbot_id": chatbot, "id_kind": kind, "visitor_id": id, "first_seen_at": time});
    serde_json::from_value(row).unwrap()
}

/// Splits events into sessions. The events must be ordered by time.
fn sessions(events: &[Event], timeout: i64) -> Vec<Vec<&Event>> {
    let mut by_key: BTreeMap<(String, &str, String), Vec<Vec<&Event>>> = BTreeMap::new();
    for event in events {
        let (kind, value) = event.key();
        let sessions = by_key.entry((event.text("chatbot_id"), kind, value)).or_default();
        match sessions.last_mut() {
            Some(session) if event.time - session.last().unwrap().time <= timeout => session.push(event),
            _ => sessions.push(vec![event]),
        }
    }
    by_key.into_values().flatten().collect()
}

/// Returns the milliseconds of a property: a number, or a number in quotes.
pub fn milliseconds(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => serde_json::from_str::<serde_json::Number>(text).ok()?.as_f64(),
        value => value.as_f64(),
    }
}

fn round_half_up(a: i64, b: i64) -> i64 {
    (2 * a + b).div_euclid(2 * b)
}

fn session_row(session: &[&Event]) -> Row {
    let (first, last) = (session[0], session[session.len() - 1]);
    let mut row = Row::new();
    let mut put = |name: &str, value: Value| row.insert(name.to_owned(), value);
    put("chatbot_id", first.columns["chatbot_id"].clone());
    put("session_id", first.columns["session_id"].clone());
    put("started_at", first.time.into());
    put("ended_at", last.time.into());
    put("duration_seconds", ((last.time - first.time) / 1_000_000).into());
    put("first_event_id", first.id.map(|id| id.to_string()).into());
    // Each group of columns comes from the first event for which the predicate holds.
    type Has = fn(&Event) -> bool;
    let groups: [(&[&str], Has); 6] = [
        (&["anonymous_id"], |e| e.non_null("anonymous_id").is_some()),
        (&["referrer", "referrer_domain", "channel", "utm_source", "utm_medium", "utm_campaign"], |e| {
            ["referrer_domain", "utm_source", "utm_medium", "utm_campaign"]
                .iter()
                .any(|c| e.non_null(c).is_some())
        }),
        (&["user_agent", "browser_name", "browser_version", "os_name", "os_version", "device_type"], |e| {
            e.non_null("user_agent").is_some()
        }),
        (&["screen_width", "screen_height"], |e| {
            e.non_null("screen_width").is_some() || e.non_null("screen_height").is_some()
        }),
        (&["ip_address", "country_code", "city"], |e| {
            ["ip_address", "country_code", "city"].iter().any(|c| e.non_null(c).is_some())
        }),
        (&["landing_page"], |e| e.non_null("landing_page").is_some()),
    ];
    for (columns, has) in groups {
        let from = session.iter().find(|event| has(event));
        for column in columns {
            put(column, from.map_or(Value::Null, |event| event.columns[*column].clone()));
        }
    }
    if !session.iter().any(|event| event.non_null("landing_page").is_some()) {
        let page = session.iter().find_map(|event| event.non_null("page_url")?.as_str());
        put("landing_page", page.map(|url| path(url).to_owned()).into());
    }
    let agent = session.iter().find(|event| event.non_null("user_agent").is_some());
    put("is_bot", agent.map_or(Value::from(false), |event| event.columns["is_bot"].clone()));
    let user = session.iter().rev().find_map(|event| event.non_null("user_id")).cloned().unwrap_or_default();
    let profile = session.iter().rev().find(|event| {
        ["user_email", "user_name", "user_metadata"].iter().any(|c| event.non_null(c).is_some())
            && event.non_null("user_id").is_none_or(|named| *named == user)
    });
    put("user_id", user);
    for column in ["user_email", "user_name", "user_metadata"] {
        put(column, profile.map_or(Value::Null, |event| event.columns[column].clone()));
    }
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for event in session {
        *counts.entry(event.text("event_name")).or_default() += 1;
    }
    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
    put("messages_sent", count("message_sent").into());
    put("messages_received", count("message_received").into());
    put("widget_opened_count", count("widget_opened").into());
    put("widget_minimized_count", count("widget_minimized").into());
    put("widget_loads", count("widget_loaded").into());
    put("page_views", (count("page_viewed") + count("page_view")).into());
    put("error_count", session.iter().filter(|e| e.text("event_category") == "error").count().into());
    put("event_count", session.len().into());
    put("had_conversation", (count("message_sent") > 0).into());
    put("completed_pre_chat_form", (count("pre_chat_form_submitted") > 0).into());
    put("event_counts", json!(counts));
    let of = |name: &'static str| session.iter().filter(move |event| event.text("event_name") == name);
    let times: Vec<i64> = of("message_received")
        .filter_map(|event| milliseconds(event.columns["properties"].get("response_time_ms")?))
        .filter(|ms| *ms >= 0.0)
        .map(|ms| (ms * 1000.0).round() as i64)
        .collect();
    let (sum, n) = (times.iter().sum::<i64>(), times.len() as i64);
    put("response_time_sum_us", sum.into());
    put("response_time_count", n.into());
    put("avg_response_time_ms", (n > 0).then(|| round_half_up(sum, 1000 * n)).into());
    let trigger = of("widget_opened").find_map(|event| event.columns["properties"].get("triggered_by"));
    put("triggered_by", trigger.cloned().unwrap_or_default());
    row
}

fn path(url: &str) -> &str {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => url,
    }
}

fn daily_stats(
    sessions: &[Vec<&Event>],
    first_seen: &BTreeMap<Visitor, i64>,
    zone: chrono_tz::Tz,
) -> Vec<Row> {
    let day = |time: i64| zone.timestamp_micros(time).unwrap().date_naive().to_string();
    let mut days: BTreeMap<(String, String), Vec<(&Event, Row)>> = BTreeMap::new();
    for session in sessions {
        let key = (session[0].text("chatbot_id"), day(session[0].time));
        days.entry(key).or_default().push((session[0], session_row(session)));
    }
    days.into_iter()
        .map(|((chatbot, date), all)| {
            let (bot_sessions, sessions): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|(_, row)| row["is_bot"] == true);
            let sum =
                |column: &str| sessions.iter().map(|(_, row)| row[column].as_i64().unwrap()).sum::<i64>();
            let with =
                |column: &str, value: Value| sessions.iter().filter(|(_, r)| r[column] == value).count();
            let visitor = |(first, row): &(&Event, Row)| {
                let ids = [("anonymous", "anonymous_id"), ("user", "user_id")];
                match ids.into_iter().find(|(_, column)| !row[*column].is_null()) {
                    Some((kind, column)) => (kind, row[column].as_str().unwrap().to_owned()),
                    None => ("key", first.key().1),
                }
            };
            let visitors: BTreeSet<(&str, String)> = sessions.iter().map(visitor).collect();
            let is_new = |(kind, id): &&(&'static str, String)| {
                let seen = first_seen.get(&(chatbot.clone(), *kind, id.clone()));
                *kind == "key" || seen.is_some_and(|time| day(*time) == date)
            };
            let new = visitors.iter().filter(|visitor| is_new(visitor)).count();
            let top = |column: &str, key: &str, none: Option<&str>, most: usize| {
                let mut counts: BTreeMap<String, i64> = BTreeMap::new();
                for (_, row) in &sessions {
                    if let Some(name) = row[column].as_str().or(none) {
                        *counts.entry(name.to_owned()).or_default() += 1;
                    }
                }
                let mut counts: Vec<_> = counts.into_iter().collect();
                counts.sort_by_key(|(name, count)| (-count, name.clone()));
                counts.truncate(most);
                counts.into_iter().map(|(name, count)| json!({key: name, "count": count})).collect::<Vec<_>>()
            };
            let n = sessions.len() as i64;
            let of = |a: i64| if n == 0 { 0.0 } else { round_half_up(100 * a, n) as f64 / 100.0 };
            let (sent, received) = (sum("messages_sent"), sum("messages_received"));
            let conversations = with("had_conversation", true.into());
            let (response, responses) = (sum("response_time_sum_us"), sum("response_time_count"));
            let row = json!({
                "chatbot_id": chatbot,
                "stat_date": date,
                "total_sessions": n,
                "unique_visitors": visitors.len(),
                "new_visitors": new,
                "returning_visitors": visitors.len() - new,
                "total_conversations": conversations,
                "total_messages_sent": sent,
                "total_messages_received": received,
                "avg_messages_per_session": of(sent + received),
                "avg_session_duration_seconds": if n == 0 { 0 } else { round_half_up(sum("duration_seconds"), n) },
                "widget_loads": sum("widget_loads"),
                "widget_opens": sum("widget_opened_count"),
                "conversion_rate": of(100 * conversations as i64),
                "avg_response_time_ms": (responses > 0).then(|| round_half_up(response, 1000 * responses)),
                "error_count": sum("error_count"),
                "top_referrers": top("referrer_domain", "domain", Some("direct"), 10),
                "top_landing_pages": top("landing_page", "page", Some("unknown"), 10),
                "utm_sources": top("utm_source", "source", None, usize::MAX),
                "desktop_sessions": with("device_type", "desktop".into()),
                "mobile_sessions": with("device_type", "mobile".into()),
                "tablet_sessions": with("device_type", "tablet".into()),
                "bot_sessions": bot_sessions.len(),
                "session_duration_sum_seconds": sum("duration_seconds"),
                "response_time_sum_us": response,
                "response_time_count": responses,
            });
            serde_json::from_value(row).unwrap()
        })
        .collect()
}
