//! Reference reports, computed from plain rows of sessions, events and visitors. Each metric
//! follows its documented definition, without regard for speed and without the code under test.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Duration, NaiveDate, TimeZone, Timelike};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::reference_model::milliseconds;
use super::tables::{Row, Tables};

/// The scope of a report: days (both inclusive), chatbots (all if empty), and whether bots count.
#[derive(Clone, Debug)]
pub struct Scope {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub chatbots: Vec<String>,
    pub include_bots: bool,
}

/// The rows from which the reports are computed.
pub struct ReferenceReports<'a> {
    sessions: &'a [Row],
    /// The events of each session, ordered by time and id.
    events: Vec<Vec<&'a Row>>,
    /// The time at which each visitor id was first seen.
    first_seen: BTreeMap<Visitor, i64>,
    zone: Tz,
    /// Today. Reports list later days only up to the last day with sessions.
    today: NaiveDate,
    /// Whether each session is selected by the conditions of a report.
    is_selected: Vec<bool>,
    /// The last UTC date whose events are pruned.
    events_pruned: Option<NaiveDate>,
}

type Visitor = (String, &'static str, String);

pub(super) fn text<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    row[column].as_str()
}

pub(super) fn number(row: &Row, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("{column} is not a number: {:?}", row[column]))
}

/// Returns the session key of a session or event.
fn key(row: &Row) -> Visitor {
    let kinds = ["session_id", "anonymous_id", "user_id"];
    let found = kinds.into_iter().find_map(|kind| Some((kind, text(row, kind)?)));
    let (kind, id) = found.expect("the row has no id");
    (text(row, "chatbot_id").unwrap().to_owned(), kind, id.to_owned())
}

/// Returns a quotient, rounded half up; 0 if the divisor is 0.
pub(super) fn round_half_up(part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { (2 * part + whole).div_euclid(2 * whole) }
}

/// Returns a quotient with two decimals.
pub(super) fn decimals(part: i64, whole: i64) -> Value {
    json!(round_half_up(100 * part, whole) as f64 / 100.0)
}

/// Returns the mean, in milliseconds, of times in microseconds; null if there are none.
pub(super) fn mean_ms(sum: i64, count: i64) -> Value {
    if count == 0 { Value::Null } else { round_half_up(sum, 1000 * count).into() }
}

impl<'a> ReferenceReports<'a> {
    /// Creates reports on the given tables, with days in a time zone.
    pub fn new(tables: &'a Tables, zone: Tz, today: NaiveDate) -> ReferenceReports<'a> {
        let sessions = tables["sessions"].as_slice();
        let mut by_key: BTreeMap<Visitor, Vec<usize>> = BTreeMap::new();
        for (at, session) in sessions.iter().enumerate() {
            // A session without a session id has the key of its first event: its anonymous id or
            // user id.
            let chatbot = text(session, "chatbot_id").unwrap().to_owned();
            match text(session, "session_id") {
                Some(id) => by_key.entry((chatbot, "session_id", id.to_owned())).or_default().push(at),
                None => by_key.entry(key(session)).or_default().push(at),
            }
        }
        let mut events = vec![Vec::new(); sessions.len()];
        for event in &tables["events"] {
            let time = number(event, "timestamp");
            let sessions_of_key = by_key.get(&key(event)).map_or(&[][..], Vec::as_slice);
            let contains = |at: &&usize| {
                number(&sessions[**at], "started_at") <= time && time <= number(&sessions[**at], "ended_at")
            };
            let containing: Vec<_> = sessions_of_key.iter().filter(contains).collect();
            assert_eq!(containing.len(), 1, "not exactly one session contains {event:?}");
            events[*containing[0]].push(event);
        }
        for session_events in &mut events {
            session_events.sort_by_key(|event| (number(event, "timestamp"), text(event, "id").unwrap()));
        }
        let mut first_seen = BTreeMap::new();
        for row in &tables["visitors"] {
            let kind = if row["id_kind"] == "user" { "user_id" } else { "anonymous_id" };
            let id = text(row, "visitor_id").unwrap().to_owned();
            first_seen.insert(
                (text(row, "chatbot_id").unwrap().to_owned(), kind, id),
                number(row, "first_seen_at"),
            );
        }
        let is_selected = vec![true; sessions.len()];
        ReferenceReports { sessions, events, first_seen, zone, today, is_selected, events_pruned: None }
    }

    /// Excludes sessions that started on or before the last UTC date with pruned events from the
    /// reports on sequences of events.
    pub fn with_pruned_events(self, last: NaiveDate) -> ReferenceReports<'a> {
        ReferenceReports { events_pruned: Some(last), ..self }
    }

    /// Restricts the reports to the sessions for which a function returns true, given the session
    /// and its events.
    pub fn select(&self, is_selected: impl Fn(&Row, &[&Row]) -> bool) -> ReferenceReports<'a> {
        let is_kept = |(at, kept): (usize, &bool)| *kept && is_selected(&self.sessions[at], &self.events[at]);
        let is_selected = self.is_selected.iter().enumerate().map(is_kept).collect();
        ReferenceReports {
            sessions: self.sessions,
            events: self.events.clone(),
            first_seen: self.first_seen.clone(),
            is_selected,
            ..*self
        }
    }

    /// Returns the sessions that count in any report, each with its retained events.
    pub fn sessions(&self, scope: &Scope) -> Vec<(&'a Row, &[&'a Row])> {
        self.counted(scope).into_iter().map(|at| (&self.sessions[at], self.events[at].as_slice())).collect()
    }

    fn day(&self, time: i64) -> NaiveDate {
        self.zone.timestamp_micros(time).unwrap().date_naive()
    }

    /// Returns the indexes of the sessions in the scope, including bot sessions.
    fn in_scope(&self, scope: &Scope) -> Vec<usize> {
        let is_in_scope = |at: &usize| {
            let session = &self.sessions[*at];
            let day = self.day(number(session, "started_at"));
            let chatbot = text(session, "chatbot_id").unwrap();
            self.is_selected[*at]
                && (scope.from..=scope.to).contains(&day)
                && (scope.chatbots.is_empty() || scope.chatbots.iter().any(|id| id == chatbot))
        };
        (0..self.sessions.len()).filter(is_in_scope).collect()
    }

    /// Returns the indexes of the sessions that count.
    fn counted(&self, scope: &Scope) -> Vec<usize> {
        let mut counted = self.in_scope(scope);
        counted.retain(|at| scope.include_bots || self.sessions[*at]["is_bot"] == false);
        counted
    }

    /// Returns the sessions that count in reports on sequences, each with its events in order of
    /// time and id.
    pub(super) fn counted_sessions(&self, scope: &Scope) -> Vec<(&'a Row, &[&'a Row])> {
        let utc_date =
            |row: &Row| chrono_tz::UTC.timestamp_micros(number(row, "started_at")).unwrap().date_naive();
        let mut sessions = self.sessions(scope);
        sessions.retain(|(session, _)| self.events_pruned.is_none_or(|last| utc_date(session) > last));
        sessions
    }

    /// Returns the time zone of days.
    pub(super) fn zone(&self) -> Tz {
        self.zone
    }

    fn rows(&self, indexes: &[usize]) -> Vec<&'a Row> {
        indexes.iter().map(|at| &self.sessions[*at]).collect()
    }

    /// Returns the number of sessions of each visitor.
    fn visitors(&self, sessions: &[&Row]) -> BTreeMap<Visitor, u64> {
        let mut visitors = BTreeMap::new();
        for session in sessions {
            let chatbot = text(session, "chatbot_id").unwrap().to_owned();
            let ids = ["anonymous_id", "user_id", "session_id"];
            let (kind, id) = ids.into_iter().find_map(|kind| Some((kind, text(session, kind)?))).unwrap();
            *visitors.entry((chatbot, kind, id.to_owned())).or_default() += 1;
        }
        visitors
    }

    /// Returns the number of visitors that were first seen between two days or have only a session
    /// key.
    fn count_new<'v>(
        &self,
        visitors: impl Iterator<Item = &'v Visitor>,
        from: NaiveDate,
        to: NaiveDate,
    ) -> usize {
        let is_new = |visitor: &&Visitor| {
            visitor.1 == "session_id" || (from..=to).contains(&self.day(self.first_seen[*visitor]))
        };
        visitors.filter(is_new).count()
    }

    /// Returns the report `summary`.
    pub fn summary(&self, scope: &Scope) -> Value {
        let counted = self.rows(&self.counted(scope));
        let sum = |column: &str| counted.iter().map(|row| number(row, column)).sum::<i64>();
        let sessions = counted.len() as i64;
        let conversations = counted.iter().filter(|row| row["had_conversation"] == true).count() as i64;
        let visitors = self.visitors(&counted);
        let new = self.count_new(visitors.keys(), scope.from, scope.to);
        json!({"summary": {
            "total_sessions": sessions,
            "unique_visitors": visitors.len(),
            "total_conversations": conversations,
            "avg_session_duration_seconds": round_half_up(sum("duration_seconds"), sessions),
            "conversion_rate": decimals(100 * conversations, sessions),
            "new_visitors": new,
            "returning_visitors": visitors.len() - new,
            "total_messages_sent": sum("messages_sent"),
            "total_messages_received": sum("messages_received"),
            "avg_response_time_ms": mean_ms(sum("response_time_sum_us"), sum("response_time_count")),
            "error_count": sum("error_count"),
            "bot_sessions_excluded": self.in_scope(scope).len() - counted.len(),
        }})
    }

    /// Returns the days up to today, and later days up to the last day with sessions, each with its
    /// sessions.
    fn days(&self, scope: &Scope) -> Vec<(NaiveDate, Vec<&'a Row>)> {
        let mut days: BTreeMap<NaiveDate, Vec<&Row>> = BTreeMap::new();
        for row in self.rows(&self.counted(scope)) {
            days.entry(self.day(number(row, "started_at"))).or_default().push(row);
        }
        let mut day = scope.from;
        let last = scope.to.min(self.today).max(days.keys().last().copied().unwrap_or(NaiveDate::MIN));
        let mut all = Vec::new();
        while day <= last {
            all.push((day, days.remove(&day).unwrap_or_default()));
            day += Duration::days(1);
        }
        all
    }

    /// Returns the report `trends`.
    pub fn trends(&self, scope: &Scope) -> Value {
        let row = |(day, sessions): (NaiveDate, Vec<&Row>)| {
            let conversations = sessions.iter().filter(|row| row["had_conversation"] == true).count();
            let messages = |row: &&Row| number(row, "messages_sent") + number(row, "messages_received");
            json!({
                "stat_date": day.to_string(),
                "sessions": sessions.len(),
                "conversations": conversations,
                "messages": sessions.iter().map(messages).sum::<i64>(),
                "conversion_rate": decimals(100 * conversations as i64, sessions.len() as i64),
            })
        };
        json!({"trends": self.days(scope).into_iter().map(row).collect::<Vec<_>>()})
    }

    /// Returns the report `events`, counted from the events rather than from the counts of
    /// sessions.
    pub fn events(&self, scope: &Scope, limit: usize) -> Value {
        let mut names: BTreeMap<&str, (u64, BTreeSet<usize>)> = BTreeMap::new();
        for at in self.counted(scope) {
            for event in &self.events[at] {
                let (count, sessions) = names.entry(text(event, "event_name").unwrap()).or_default();
                *count += 1;
                sessions.insert(at);
            }
        }
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_by_key(|(name, (count, _))| (Reverse(*count), *name));
        let row = |(name, (count, sessions)): (&str, (u64, BTreeSet<usize>))| json!({"event_name": name, "event_count": count, "unique_sessions": sessions.len()});
        json!({"events": names.into_iter().take(limit).map(row).collect::<Vec<_>>()})
    }

    /// Counts sessions and conversations by columns; null counts as `unknown`.
    fn count_by(&self, scope: &Scope, columns: &[&str], unknown: &str) -> Vec<(Vec<String>, i64, i64)> {
        let mut counts: BTreeMap<Vec<String>, (i64, i64)> = BTreeMap::new();
        for row in self.rows(&self.counted(scope)) {
            let names = columns.iter().map(|column| text(row, column).unwrap_or(unknown).to_owned());
            let count = counts.entry(names.collect()).or_default();
            count.0 += 1;
            count.1 += i64::from(row["had_conversation"] == true);
        }
        let mut counts: Vec<_> = counts.into_iter().map(|(names, (n, c))| (names, n, c)).collect();
        counts.sort_by_key(|(names, sessions, _)| (Reverse(*sessions), names.clone()));
        counts
    }

    fn shares(&self, scope: &Scope, column: &str, key: &str, unknown: &str) -> Value {
        let rows = self.count_by(scope, &[column], unknown);
        rows.into_iter().map(|(names, sessions, _)| json!({key: names[0], "count": sessions})).collect()
    }

    fn visits(&self, scope: &Scope, columns: &[&str]) -> Value {
        let row = |(names, sessions, conversations): (Vec<String>, i64, i64)| {
            let mut row: Map<String, Value> = columns
                .iter()
                .map(|column| (*column).to_owned())
                .zip(names.into_iter().map(Value::from))
                .collect();
            row.insert("sessions".into(), sessions.into());
            row.insert("conversations".into(), conversations.into());
            row.insert("conversion_rate".into(), decimals(100 * conversations, sessions));
            Value::Object(row)
        };
        self.count_by(scope, columns, "unknown").into_iter().map(row).collect()
    }

    /// Returns the report `sources`.
    pub fn sources(&self, scope: &Scope) -> Value {
        json!({
            "utm_sources": self.shares(scope, "utm_source", "source", "unknown"),
            "referrers": self.shares(scope, "referrer_domain", "domain", "direct"),
            "channels": self.shares(scope, "channel", "channel", "Direct"),
        })
    }

    /// Returns the report `devices`.
    pub fn devices(&self, scope: &Scope) -> Value {
        json!({
            "devices": self.shares(scope, "device_type", "type", "unknown"),
            "browsers": self.shares(scope, "browser_name", "name", "unknown"),
            "operating_systems": self.shares(scope, "os_name", "name", "unknown"),
        })
    }

    /// Returns the report `pages`.
    pub fn pages(&self, scope: &Scope) -> Value {
        json!({"pages": self.visits(scope, &["landing_page"])})
    }

    /// Returns the report `locations`.
    pub fn locations(&self, scope: &Scope) -> Value {
        json!({
            "countries": self.visits(scope, &["country_code"]),
            "cities": self.visits(scope, &["city", "country_code"]),
        })
    }

    /// Returns the report `visitors`.
    pub fn visitors_report(&self, scope: &Scope) -> Value {
        let counted = self.rows(&self.counted(scope));
        let visitors = self.visitors(&counted);
        let new = self.count_new(visitors.keys(), scope.from, scope.to);
        let between =
            |least: u64, most: u64| visitors.values().filter(|n| (least..=most).contains(*n)).count();
        let classes = [("1", 1, 1), ("2", 2, 2), ("3-5", 3, 5), ("6-10", 6, 10), ("11+", 11, u64::MAX)];
        let days = self.days(scope).into_iter().map(|(day, sessions)| {
            let visitors = self.visitors(&sessions);
            let new = self.count_new(visitors.keys(), day, day);
            json!({
                "stat_date": day.to_string(),
                "unique_visitors": visitors.len(),
                "new_visitors": new,
                "returning_visitors": visitors.len() - new,
            })
        });
        json!({
            "visitors": {
                "unique_visitors": visitors.len(),
                "new_visitors": new,
                "returning_visitors": visitors.len() - new,
                "total_sessions": counted.len(),
                "sessions_per_visitor": decimals(counted.len() as i64, visitors.len() as i64),
            },
            "frequency": classes.map(|(name, least, most)| {
                json!({"sessions": name, "visitors": between(least, most)})
            }),
            "days": days.collect::<Vec<_>>(),
        })
    }

    /// Returns the report `heatmap`.
    pub fn heatmap(&self, scope: &Scope) -> Value {
        let mut by_cell: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
        for at in self.counted(scope) {
            let time = self.zone.timestamp_micros(number(&self.sessions[at], "started_at")).unwrap();
            by_cell.entry((time.weekday().number_from_monday(), time.hour())).or_default().push(at);
        }
        let mut cell = |weekday: u32, hour: u32| {
            let sessions = by_cell.remove(&(weekday, hour)).unwrap_or_default();
            let events = |at: &usize, names: &[&str]| {
                let is_named = |event: &&&Row| names.contains(&text(event, "event_name").unwrap());
                self.events[*at].iter().filter(is_named).count()
            };
            let messages = |at: &usize| events(at, &["message_sent", "message_received"]);
            json!({
                "weekday": weekday,
                "hour": hour,
                "sessions": sessions.len(),
                "conversations": sessions.iter().filter(|at| events(at, &["message_sent"]) > 0).count(),
                "messages": sessions.iter().map(messages).sum::<usize>(),
                "visitors": self.visitors(&self.rows(&sessions)).len(),
            })
        };
        let hours = |weekday| (0..24).map(move |hour| (weekday, hour));
        let cells = (1..=7).flat_map(hours).map(|(weekday, hour)| cell(weekday, hour));
        json!({"cells": cells.collect::<Vec<_>>()})
    }

    /// Returns the report `retention` by `day`, `week` or `month`.
    pub fn retention(&self, scope: &Scope, interval: &str, unbounded: bool, event: Option<&str>) -> Value {
        let start = |day: NaiveDate| match interval {
            "day" => day,
            "week" => day.week(chrono::Weekday::Mon).first_day(),
            _ => day.with_day(1).unwrap(),
        };
        let data = || self.sessions.iter().map(|row| self.day(number(row, "started_at")));
        let from = start(scope.from);
        let last = scope.to.min(self.today.max(data().max().unwrap()));
        // The days of each period, from the first period with data on.
        let mut periods: Vec<(NaiveDate, Vec<NaiveDate>)> = Vec::new();
        for day in from.max(start(data().min().unwrap())).iter_days().take_while(|day| *day <= last) {
            match periods.last_mut() {
                Some((first, days)) if *first == start(day) => days.push(day),
                _ => periods.push((start(day), vec![day])),
            }
        }
        let period_of = |time: i64| {
            let first = start(self.day(time));
            periods.iter().position(|(period, _)| *period == first)
        };
        let scope = Scope { from, ..scope.clone() };
        // For each visitor, the periods of its sessions, and whether each is a return.
        let mut sessions: BTreeMap<Visitor, Vec<(usize, bool)>> = BTreeMap::new();
        let mut only_keys = BTreeSet::new();
        for at in self.counted(&scope) {
            let (visitor, _) = self.visitors(&[&self.sessions[at]]).pop_first().unwrap();
            let Some(period) = period_of(number(&self.sessions[at], "started_at")) else { continue };
            let has_event =
                |name: &str| self.events[at].iter().any(|row| text(row, "event_name") == Some(name));
            match visitor.1 {
                "session_id" => drop(only_keys.insert(visitor)),
                _ => sessions.entry(visitor).or_default().push((period, event.is_none_or(has_event))),
            }
        }
        let is_complete = |period: usize| {
            let next = periods[period].0 + Duration::days(32);
            let last_day = match interval {
                "day" => periods[period].0,
                "week" => periods[period].0 + Duration::days(6),
                _ => start(next) - Duration::days(1),
            };
            last_day < self.today && last_day <= scope.to
        };
        let cohort = |first: usize| {
            let members: Vec<Vec<(usize, bool)>> = sessions
                .iter()
                .filter(|(visitor, _)| period_of(self.first_seen[*visitor]) == Some(first))
                // Number of periods since the cohort's period. It is also 0 for a session that
                // started in the previous period, before the visitor's first event.
                .map(|(_, list)| {
                    list.iter().map(|(p, returned)| (p.saturating_sub(first), *returned)).collect()
                })
                .filter(|list: &Vec<(usize, bool)>| list.iter().any(|(period, _)| *period == 0))
                .collect();
            let cell = |period: usize| {
                let came_back = |list: &&Vec<(usize, bool)>| {
                    list.iter().any(|(p, returned)| *returned && (*p == period || (unbounded && *p > period)))
                };
                let visitors = members.iter().filter(came_back).count();
                json!({
                    "period": period,
                    "visitors": visitors,
                    "rate": decimals(100 * visitors as i64, members.len() as i64),
                    "complete": is_complete(first + period),
                })
            };
            json!({
                "cohort": periods[first].0.to_string(),
                "visitors": members.len(),
                "periods": (0..periods.len() - first).map(cell).collect::<Vec<_>>(),
            })
        };
        let cohorts: Vec<Value> = (0..periods.len()).map(cohort).collect();
        let mean = |period: usize| {
            let cells = cohorts.iter().filter(|cohort| cohort["periods"][period]["complete"] == true);
            let (mut all, mut returned) = (0, 0);
            for cohort in cells {
                all += cohort["visitors"].as_i64().unwrap();
                returned += cohort["periods"][period]["visitors"].as_i64().unwrap();
            }
            let rate = if all == 0 { Value::Null } else { decimals(100 * returned, all) };
            json!({"period": period, "visitors": all, "rate": rate})
        };
        json!({
            "from": from.to_string(),
            "to": scope.to.to_string(),
            "period_days": (scope.to - from).num_days() + 1,
            "interval": interval,
            "unbounded": unbounded,
            "return_event": event,
            "mean": (0..periods.len()).map(mean).collect::<Vec<_>>(),
            "cohorts": cohorts,
            "session_key_visitors": only_keys.len(),
        })
    }

    /// Returns a property in milliseconds as microseconds, if it is a non-negative number.
    fn time(event: &Row, property: &str) -> Option<i64> {
        let ms = milliseconds(event["properties"].get(property)?)?;
        (ms >= 0.0).then(|| (ms * 1000.0).round() as i64)
    }

    /// Returns the report `performance`.
    pub fn performance(&self, scope: &Scope) -> Value {
        let (mut responses, mut loads, mut logged) = (Vec::new(), Vec::new(), 0);
        let mut errors: BTreeMap<&str, (u64, BTreeSet<usize>)> = BTreeMap::new();
        for at in self.counted(scope) {
            let mut unanswered: Option<i64> = None;
            let mut session_events = self.events[at].clone();
            // Messages with the same time are ordered: first sent messages, then received messages
            // with a response time, then received messages without one.
            session_events.sort_by_key(|event| {
                let rank = match text(event, "event_name") {
                    Some("message_received") if Self::time(event, "response_time_ms").is_some() => 1,
                    Some("message_received") => 2,
                    _ => 0,
                };
                (number(event, "timestamp"), rank)
            });
            for event in session_events {
                let now = number(event, "timestamp");
                match text(event, "event_name").unwrap() {
                    "message_sent" => unanswered = unanswered.or(Some(now)),
                    "message_received" => {
                        let waited = unanswered.take().map(|since| now - since);
                        responses.extend(Self::time(event, "response_time_ms").or(waited));
                    }
                    "slow_response" => logged += 1,
                    _ => {}
                }
                loads.extend(Self::time(event, "load_time_ms"));
                if event["event_category"] == "error" {
                    let (count, sessions) = errors.entry(text(event, "event_name").unwrap()).or_default();
                    *count += 1;
                    sessions.insert(at);
                }
            }
        }
        let slow = responses.iter().filter(|time| **time > 3_000_000).count();
        let share = decimals(100 * slow as i64, responses.len() as i64);
        let mut errors: Vec<_> = errors.into_iter().collect();
        errors.sort_by_key(|(name, (count, _))| (Reverse(*count), *name));
        let error = |(name, (count, sessions)): (&str, (u64, BTreeSet<usize>))| json!({"event_name": name, "count": count, "unique_sessions": sessions.len()});
        json!({
            "response_time_ms": times(responses),
            "load_time_ms": times(loads),
            "slow_responses": {"count": slow, "share": share, "logged": logged},
            "errors": errors.into_iter().map(error).collect::<Vec<_>>(),
        })
    }

    /// Returns the number of sessions with an event within the timeout before a time.
    pub fn active(&self, chatbots: &[String], include_bots: bool, moment: i64, timeout: i64) -> usize {
        let is_active = |at: &usize| {
            let session = &self.sessions[*at];
            let chatbot = text(session, "chatbot_id").unwrap();
            self.is_selected[*at]
                && (include_bots || session["is_bot"] == false)
                && (chatbots.is_empty() || chatbots.iter().any(|id| id == chatbot))
                && self.events[*at]
                    .iter()
                    .any(|event| (moment - timeout..=moment).contains(&number(event, "timestamp")))
        };
        (0..self.sessions.len()).filter(is_active).count()
    }

    /// Returns the start and the id of the first event of each counted session, newest first.
    pub fn newest(&self, scope: &Scope) -> Vec<(i64, String)> {
        let row = |row: &Row| (number(row, "started_at"), text(row, "first_event_id").unwrap().to_owned());
        let mut all: Vec<_> = self.rows(&self.counted(scope)).into_iter().map(row).collect();
        all.sort_by_key(|(time, _)| Reverse(*time));
        all
    }
}

/// Returns a percentile of sorted times by nearest rank: the smallest time that at least `percent`
/// percent of the times do not exceed.
pub(super) fn rank(times: &[i64], percent: usize) -> Option<i64> {
    let count = (1..=times.len()).find(|count| count * 100 >= percent * times.len());
    count.map(|count| times[count - 1])
}

/// Returns a percentile of sorted times in milliseconds.
pub(super) fn rank_ms(times: &[i64], percent: usize) -> Option<i64> {
    rank(times, percent).map(|time| round_half_up(time, 1000))
}

/// Returns the statistics of times in microseconds.
fn times(mut times: Vec<i64>) -> Value {
    times.sort_unstable();
    json!({
        "count": times.len(),
        "mean": mean_ms(times.iter().sum(), times.len() as i64),
        "p50": rank_ms(&times, 50),
        "p75": rank_ms(&times, 75),
        "p95": rank_ms(&times, 95),
        "p99": rank_ms(&times, 99),
    })
}
