//! The reports once more, out of plain rows of sessions, events and visitors: each figure is counted
//! one by one, in the words of the contract, with no regard for speed. Nothing here calls the
//! program.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{Duration, NaiveDate, TimeZone};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::tables::{Row, Tables};

/// What is asked: days (both included), chatbots (all, where there are none), robots too or not.
#[derive(Clone, Debug)]
pub struct Question {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub chatbots: Vec<String>,
    pub include_bots: bool,
}

/// The rows that are counted.
pub struct Rows<'a> {
    sessions: &'a [Row],
    /// The events of each session, in order of time and id.
    events: Vec<Vec<&'a Row>>,
    /// When each chatbot's ids were first seen.
    first_seen: BTreeMap<Visitor, i64>,
    zone: Tz,
}

type Visitor = (String, &'static str, String);

fn text<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    row[column].as_str()
}

fn number(row: &Row, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("{column} is no number: {:?}", row[column]))
}

/// The key of a session or an event: its first id, and which of the three it is.
fn key(row: &Row) -> Visitor {
    let kinds = ["session_id", "anonymous_id", "user_id"];
    let found = kinds.into_iter().find_map(|kind| Some((kind, text(row, kind)?)));
    let (kind, id) = found.expect("a row with an id");
    (text(row, "chatbot_id").unwrap().to_owned(), kind, id.to_owned())
}

/// Divides, half up.
fn half_up(part: i64, whole: i64) -> i64 {
    if whole == 0 { 0 } else { (2 * part + whole).div_euclid(2 * whole) }
}

/// A quotient with two decimals.
fn decimals(part: i64, whole: i64) -> Value {
    json!(half_up(100 * part, whole) as f64 / 100.0)
}

/// A mean of microseconds, in milliseconds; null of none.
fn mean_ms(sum: i64, count: i64) -> Value {
    if count == 0 { Value::Null } else { half_up(sum, 1000 * count).into() }
}

impl<'a> Rows<'a> {
    /// Takes tables, whose days are those of a zone.
    pub fn of(tables: &'a Tables, zone: Tz) -> Rows<'a> {
        let sessions = tables["sessions"].as_slice();
        let mut by_key: BTreeMap<Visitor, Vec<usize>> = BTreeMap::new();
        for (at, session) in sessions.iter().enumerate() {
            // A session without a session id has the key of its first event, whose ids may be others
            // than those that the session has gathered: so all of them lead to it.
            let chatbot = text(session, "chatbot_id").unwrap().to_owned();
            match text(session, "session_id") {
                Some(id) => by_key.entry((chatbot, "session_id", id.to_owned())).or_default().push(at),
                None => by_key.entry(key(session)).or_default().push(at),
            }
        }
        let mut events = vec![Vec::new(); sessions.len()];
        for event in &tables["events"] {
            let time = number(event, "timestamp");
            let of_key = by_key.get(&key(event)).map_or(&[][..], Vec::as_slice);
            let holds = |at: &&usize| {
                number(&sessions[**at], "started_at") <= time && time <= number(&sessions[**at], "ended_at")
            };
            let holding: Vec<_> = of_key.iter().filter(holds).collect();
            assert_eq!(holding.len(), 1, "an event is of one session: {event:?}");
            events[*holding[0]].push(event);
        }
        for of_session in &mut events {
            of_session.sort_by_key(|event| (number(event, "timestamp"), text(event, "id").unwrap()));
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
        Rows { sessions, events, first_seen, zone }
    }

    fn day(&self, time: i64) -> NaiveDate {
        self.zone.timestamp_micros(time).unwrap().date_naive()
    }

    /// Returns the numbers of the sessions that are asked about, robots' among them.
    fn asked(&self, question: &Question) -> Vec<usize> {
        let is_asked = |at: &usize| {
            let session = &self.sessions[*at];
            let day = self.day(number(session, "started_at"));
            let chatbot = text(session, "chatbot_id").unwrap();
            (question.from..=question.to).contains(&day)
                && (question.chatbots.is_empty() || question.chatbots.iter().any(|id| id == chatbot))
        };
        (0..self.sessions.len()).filter(is_asked).collect()
    }

    /// Returns the numbers of the sessions that count.
    fn pluralize(&self, question: &Question) -> Vec<usize> {
        let mut asked = self.asked(question);
        asked.retain(|at| question.include_bots || self.sessions[*at]["is_bot"] == false);
        asked
    }

    fn rows(&self, numbers: &[usize]) -> Vec<&'a Row> {
        numbers.iter().map(|at| &self.sessions[*at]).collect()
    }

    /// The sessions of each visitor.
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

    /// How many of some visitors were first seen between two days, or are known by a session alone.
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

    pub fn summary(&self, question: &Question) -> Value {
        let counted = self.rows(&self.pluralize(question));
        let sum = |column: &str| counted.iter().map(|row| number(row, column)).sum::<i64>();
        let sessions = counted.len() as i64;
        let conversations = counted.iter().filter(|row| row["had_conversation"] == true).count() as i64;
        let visitors = self.visitors(&counted);
        let new = self.count_new(visitors.keys(), question.from, question.to);
        json!({"summary": {
            "total_sessions": sessions,
            "unique_visitors": visitors.len(),
            "total_conversations": conversations,
            "avg_session_duration_seconds": half_up(sum("duration_seconds"), sessions),
            "conversion_rate": decimals(100 * conversations, sessions),
            "new_visitors": new,
            "returning_visitors": visitors.len() - new,
            "total_messages_sent": sum("messages_sent"),
            "total_messages_received": sum("messages_received"),
            "avg_response_time_ms": mean_ms(sum("response_time_sum_us"), sum("response_time_count")),
            "error_count": sum("error_count"),
            "bot_sessions_excluded": self.asked(question).len() - counted.len(),
        }})
    }

    /// The days from the first to the last with sessions, each with its sessions.
    fn days(&self, question: &Question) -> Vec<(NaiveDate, Vec<&'a Row>)> {
        let mut days: BTreeMap<NaiveDate, Vec<&Row>> = BTreeMap::new();
        for row in self.rows(&self.pluralize(question)) {
            days.entry(self.day(number(row, "started_at"))).or_default().push(row);
        }
        let (Some(mut day), Some(last)) = (days.keys().next().copied(), days.keys().last().copied()) else {
            return Vec::new();
        };
        let mut all = Vec::new();
        while day <= last {
            all.push((day, days.remove(&day).unwrap_or_default()));
            day += Duration::days(1);
        }
        all
    }

    pub fn trends(&self, question: &Question) -> Value {
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
        json!({"trends": self.days(question).into_iter().map(row).collect::<Vec<_>>()})
    }

    /// Counts the events themselves, not what the sessions say of them.
    pub fn events(&self, question: &Question, limit: usize) -> Value {
        let mut names: BTreeMap<&str, (u64, BTreeSet<usize>)> = BTreeMap::new();
        for at in self.pluralize(question) {
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

    /// Counts sessions, and conversations among them, by some columns; null is as `unknown`.
    fn by(&self, question: &Question, columns: &[&str], unknown: &str) -> Vec<(Vec<String>, i64, i64)> {
        let mut counts: BTreeMap<Vec<String>, (i64, i64)> = BTreeMap::new();
        for row in self.rows(&self.pluralize(question)) {
            let names = columns.iter().map(|column| text(row, column).unwrap_or(unknown).to_owned());
            let count = counts.entry(names.collect()).or_default();
            count.0 += 1;
            count.1 += i64::from(row["had_conversation"] == true);
        }
        let mut counts: Vec<_> = counts.into_iter().map(|(names, (n, c))| (names, n, c)).collect();
        counts.sort_by_key(|(names, sessions, _)| (Reverse(*sessions), names.clone()));
        counts
    }

    fn shares(&self, question: &Question, column: &str, key: &str, unknown: &str) -> Value {
        let rows = self.by(question, &[column], unknown);
        rows.into_iter().map(|(names, sessions, _)| json!({key: names[0], "count": sessions})).collect()
    }

    fn visits(&self, question: &Question, columns: &[&str]) -> Value {
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
        self.by(question, columns, "unknown").into_iter().map(row).collect()
    }

    pub fn sources(&self, question: &Question) -> Value {
        json!({
            "utm_sources": self.shares(question, "utm_source", "source", "unknown"),
            "referrers": self.shares(question, "referrer_domain", "domain", "direct"),
            "channels": self.shares(question, "channel", "channel", "Direct"),
        })
    }

    pub fn devices(&self, question: &Question) -> Value {
        json!({
            "devices": self.shares(question, "device_type", "type", "unknown"),
            "browsers": self.shares(question, "browser_name", "name", "unknown"),
            "operating_systems": self.shares(question, "os_name", "name", "unknown"),
        })
    }

    pub fn pages(&self, question: &Question) -> Value {
        json!({"pages": self.visits(question, &["landing_page"])})
    }

    pub fn locations(&self, question: &Question) -> Value {
        json!({
            "countries": self.visits(question, &["country_code"]),
            "cities": self.visits(question, &["city", "country_code"]),
        })
    }

    pub fn visitors_report(&self, question: &Question) -> Value {
        let counted = self.rows(&self.pluralize(question));
        let visitors = self.visitors(&counted);
        let new = self.count_new(visitors.keys(), question.from, question.to);
        let between =
            |least: u64, most: u64| visitors.values().filter(|n| (least..=most).contains(*n)).count();
        let classes = [("1", 1, 1), ("2", 2, 2), ("3-5", 3, 5), ("6-10", 6, 10), ("11+", 11, u64::MAX)];
        let days = self.days(question).into_iter().map(|(day, sessions)| {
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

    /// A property as a time in microseconds: a number, not negative.
    fn time(event: &Row, property: &str) -> Option<i64> {
        let ms = event["properties"].get(property)?.as_f64()?;
        (ms >= 0.0).then(|| (ms * 1000.0).round() as i64)
    }

    pub fn performance(&self, question: &Question) -> Value {
        let (mut responses, mut loads, mut logged) = (Vec::new(), Vec::new(), 0);
        let mut errors: BTreeMap<&str, (u64, BTreeSet<usize>)> = BTreeMap::new();
        for at in self.pluralize(question) {
            let mut unanswered: Option<i64> = None;
            let mut of_session = self.events[at].clone();
            // At the same instant a question comes before its answers, and an answer that says how long it took first.
            of_session.sort_by_key(|event| {
                let rank = match text(event, "event_name") {
                    Some("message_received") if Self::time(event, "response_time_ms").is_some() => 1,
                    Some("message_received") => 2,
                    _ => 0,
                };
                (number(event, "timestamp"), rank)
            });
            for event in of_session {
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

    /// Sessions with an event within the timeout before a moment, told from the events.
    pub fn active(&self, chatbots: &[String], include_bots: bool, moment: i64, timeout: i64) -> usize {
        let is_active = |at: &usize| {
            let session = &self.sessions[*at];
            let chatbot = text(session, "chatbot_id").unwrap();
            (include_bots || session["is_bot"] == false)
                && (chatbots.is_empty() || chatbots.iter().any(|id| id == chatbot))
                && self.events[*at]
                    .iter()
                    .any(|event| (moment - timeout..=moment).contains(&number(event, "timestamp")))
        };
        (0..self.sessions.len()).filter(is_active).count()
    }

    /// The sessions that count, newest first: when they started, and their first event.
    pub fn newest(&self, question: &Question) -> Vec<(i64, String)> {
        let row = |row: &Row| (number(row, "started_at"), text(row, "first_event_id").unwrap().to_owned());
        let mut all: Vec<_> = self.rows(&self.pluralize(question)).into_iter().map(row).collect();
        all.sort_by_key(|(time, _)| Reverse(*time));
        all
    }
}

fn times(mut times: Vec<i64>) -> Value {
    times.sort_unstable();
    // The nearest rank: the least number that at least so many in a hundred do not exceed.
    let rank = |percent: usize| {
        let enough = (1..=times.len()).find(|count| count * 100 >= percent * times.len());
        enough.map(|count| half_up(times[count - 1], 1000))
    };
    json!({
        "count": times.len(),
        "mean": mean_ms(times.iter().sum(), times.len() as i64),
        "p50": rank(50),
        "p75": rank(75),
        "p95": rank(95),
        "p99": rank(99),
    })
}
