//! Reference reports that depend on the order of events, computed from plain rows by their
//! documented definitions and without the code under test.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, Duration, TimeZone, Timelike};
use serde_json::{Value, json};

use super::reference_reports::{
    ReferenceReports, Scope, decimals, mean_ms, number, rank, rank_ms, round_half_up, text,
};
use super::tables::Row;

/// Returns whether a rating is positive: true for 4, 5 and thumbs up; `None` without a rating.
fn positive(event: &Row) -> Option<bool> {
    let rating = &event["properties"]["rating"];
    match (rating.as_f64(), rating.as_str()) {
        (Some(stars), _) => (1.0..=5.0).contains(&stars).then_some(stars >= 4.0),
        (None, Some("good")) => Some(true),
        (None, Some("bad")) => Some(false),
        _ => None,
    }
}

fn waits(mut waits: Vec<i64>) -> Value {
    waits.sort_unstable();
    json!({
        "count": waits.len(),
        "mean": mean_ms(waits.iter().sum(), waits.len() as i64),
        "p50": rank_ms(&waits, 50),
        "p75": rank_ms(&waits, 75),
        "p90": rank_ms(&waits, 90),
    })
}

/// The figures of an hour or a weekday.
#[derive(Default)]
struct Period {
    conversations: u64,
    unanswered: u64,
    waits: Vec<i64>,
}

impl Period {
    fn json(mut self, key: &str, value: usize) -> Value {
        self.waits.sort_unstable();
        json!({
            key: value,
            "conversations": self.conversations,
            "unanswered": self.unanswered,
            "first_response_p50_ms": rank_ms(&self.waits, 50),
            "first_response_p90_ms": rank_ms(&self.waits, 90),
        })
    }
}

impl ReferenceReports<'_> {
    /// Returns the report `conversations` without handoffs and resolutions.
    pub fn conversations(&self, scope: &Scope) -> Value {
        let (mut conversations, mut answered, mut dropped, mut messages, mut seconds) = (0, 0, 0, 0, 0);
        let (mut first_responses, mut replies) = (Vec::new(), Vec::new());
        let (mut ratings, mut good, mut rated) = (0, 0, 0);
        let mut hours: BTreeMap<usize, Period> = (0..24).map(|hour| (hour, Period::default())).collect();
        let mut weekdays: BTreeMap<usize, Period> = (1..8).map(|day| (day, Period::default())).collect();
        for (session, events) in self.counted_sessions(scope) {
            let times = |name: &str| -> Vec<i64> {
                let named = events.iter().filter(|event| text(event, "event_name") == Some(name));
                named.map(|event| number(event, "timestamp")).collect()
            };
            let (sent, received) = (times("message_sent"), times("message_received"));
            let Some(first) = sent.first() else { continue };
            // A reply at the time of the message comes after the message.
            let first_response = received.iter().find(|time| *time >= first).map(|time| time - first);
            // For each reply, the earliest message that it answers.
            let mut answered_by: BTreeMap<i64, i64> = BTreeMap::new();
            for time in &sent {
                if let Some(reply) = received.iter().find(|reply| *reply >= time) {
                    answered_by.entry(*reply).or_insert(*time);
                }
            }
            replies.extend(answered_by.iter().map(|(reply, message)| reply - message));
            conversations += 1;
            answered += i64::from(first_response.is_some());
            dropped += i64::from(received.last().is_none_or(|last| last < &sent[sent.len() - 1]));
            messages += (sent.len() + received.len()) as i64;
            seconds += number(session, "duration_seconds");
            let judged: Vec<bool> = events
                .iter()
                .filter(|event| text(event, "event_name") == Some("feedback_given"))
                .filter_map(|event| positive(event))
                .collect();
            ratings += judged.len() as i64;
            good += judged.iter().filter(|is_good| **is_good).count() as i64;
            rated += i64::from(!judged.is_empty());
            let start = self.zone().timestamp_micros(number(session, "started_at")).unwrap();
            let weekday = start.weekday().number_from_monday() as usize;
            for period in [hours.get_mut(&(start.hour() as usize)), weekdays.get_mut(&weekday)] {
                let period = period.unwrap();
                period.conversations += 1;
                period.unanswered += u64::from(first_response.is_none());
                period.waits.extend(first_response);
            }
            first_responses.extend(first_response);
        }
        let periods = |periods: BTreeMap<usize, Period>, key: &str| -> Vec<Value> {
            let periods = periods.into_iter().filter(|_| conversations > 0);
            periods.map(|(number, period)| period.json(key, number)).collect()
        };
        json!({
            "conversations": conversations,
            "answered": answered,
            "unanswered": conversations - answered,
            "dropped": dropped,
            "answered_rate": decimals(100 * answered, conversations),
            "messages_per_conversation": decimals(messages, conversations),
            "avg_duration_seconds": round_half_up(seconds, conversations),
            "first_response_ms": waits(first_responses),
            "reply_ms": waits(replies),
            "csat": {
                "ratings": ratings,
                "positive": good,
                "rate": decimals(100 * good, ratings),
                "response_rate": decimals(100 * rated, conversations),
            },
            "hours": periods(hours, "hour"),
            "weekdays": periods(weekdays, "weekday"),
        })
    }
}

/// A step or an excluded event: a name, and optionally a property with the number that its value
/// must exceed.
pub type Step = (&'static str, Option<(&'static str, i64)>);

/// A funnel.
#[derive(Clone, Debug)]
pub struct FunnelSpec {
    pub steps: Vec<Step>,
    pub exclude: Vec<Step>,
    pub by_visitor: bool,
    /// `ordered`, `strict` or `any`.
    pub order: &'static str,
    /// The limit in microseconds.
    pub within: Option<i64>,
}

fn matches(event: &Row, (name, threshold): &Step) -> bool {
    let has_value = |(property, threshold): &(&str, i64)| {
        let value = event["properties"].get(property).and_then(Value::as_f64);
        value.is_some_and(|value| value > *threshold as f64)
    };
    text(event, "event_name") == Some(name) && threshold.as_ref().is_none_or(has_value)
}

/// Returns the times of the chain that starts at an event, without regard for speed.
fn chain_from(events: &[(bool, &Row)], start: usize, spec: &FunnelSpec) -> Vec<i64> {
    let first = number(events[start].1, "timestamp");
    let mut open: Vec<Step> = spec.steps.clone();
    let mut times = Vec::new();
    for (position, (_, event)) in events.iter().enumerate().skip(start) {
        let time = number(event, "timestamp");
        let is_late = spec.within.is_some_and(|within| time - first > within);
        let is_excluded = position > start && spec.exclude.iter().any(|step| matches(event, step));
        // In tests of steps in any order, all steps have different names, so an event completes at
        // most one step.
        let step = match spec.order {
            "any" => open.iter().position(|step| matches(event, step)),
            _ => (!open.is_empty() && matches(event, &open[0])).then_some(0),
        };
        match step {
            _ if is_late || is_excluded => break,
            Some(step) => {
                open.remove(step);
                times.push(time);
            }
            None if position == start || spec.order == "strict" => break,
            None => {}
        }
    }
    times
}

impl ReferenceReports<'_> {
    /// Returns the number of sessions or visitors, and the steps of the report `funnel`. `end` is
    /// the end of the window.
    pub fn funnel(&self, scope: &Scope, spec: &FunnelSpec, end: i64) -> (usize, Value) {
        let mut units: BTreeMap<String, Vec<(bool, &Row)>> = BTreeMap::new();
        for (at, (session, events)) in self.counted_sessions(scope).into_iter().enumerate() {
            let unit = if spec.by_visitor { visitor(session) } else { at.to_string() };
            units.entry(unit).or_default().extend(events.iter().map(|event| (true, *event)));
        }
        let until = end + spec.within.unwrap_or(0);
        let later =
            Scope { from: scope.to + Duration::days(1), to: scope.to + Duration::days(99), ..scope.clone() };
        for (session, events) in self.counted_sessions(&later).into_iter().filter(|_| spec.by_visitor) {
            if number(session, "started_at") < until
                && let Some(unit) = units.get_mut(&visitor(session))
            {
                unit.extend(events.iter().map(|event| (false, *event)));
            }
        }
        let mut counts = vec![0; spec.steps.len()];
        let mut waits = vec![Vec::new(); spec.steps.len()];
        let total = units.len();
        for mut events in units.into_values() {
            events.sort_by_key(|(_, event)| (number(event, "timestamp"), text(event, "id").unwrap()));
            let mut best = Vec::new();
            for start in (0..events.len()).filter(|start| events[*start].0) {
                let chain = chain_from(&events, start, spec);
                if chain.len() > best.len() {
                    best = chain;
                }
            }
            for (step, time) in best.iter().enumerate() {
                counts[step] += 1;
                if step > 0 {
                    waits[step].push(time - best[step - 1]);
                }
            }
        }
        let seconds = |waits: &[i64], percent: usize| {
            rank(waits, percent).map(|time| round_half_up(time, 10_000) as f64 / 100.0)
        };
        let steps = counts.iter().enumerate().map(|(step, count)| {
            let before = if step == 0 { *count } else { counts[step - 1] };
            waits[step].sort_unstable();
            json!({
                "count": count,
                "conversion_rate": decimals(100 * count, counts[0]),
                "step_conversion_rate": decimals(100 * count, before),
                "drop_off": before - count,
                "median_seconds": seconds(&waits[step], 50),
                "p90_seconds": seconds(&waits[step], 90),
            })
        });
        (total, steps.collect())
    }
}

/// Returns the visitor of a session.
fn visitor(session: &Row) -> String {
    let ids = ["anonymous_id", "user_id", "session_id"];
    let found = ids.into_iter().find_map(|kind| Some(format!("{kind} {}", text(session, kind)?)));
    format!("{} {}", text(session, "chatbot_id").unwrap(), found.unwrap())
}

impl ReferenceReports<'_> {
    /// Returns the report `goals` for the given events, in their order.
    pub fn goals(&self, scope: &Scope, goals: &[Step]) -> Value {
        let sessions = self.counted_sessions(scope);
        let visitors: BTreeSet<String> = sessions.iter().map(|(session, _)| visitor(session)).collect();
        let row = |goal: &Step| {
            let reached = |events: &[&Row]| events.iter().filter(|event| matches(event, goal)).count() as i64;
            let total: i64 = sessions.iter().map(|(_, events)| reached(events)).sum();
            let converting: Vec<_> = sessions.iter().filter(|(_, events)| reached(events) > 0).collect();
            let converters: BTreeSet<String> =
                converting.iter().map(|(session, _)| visitor(session)).collect();
            json!({
                "name": goal.0,
                "total": total,
                "converting_sessions": converting.len(),
                "unique_converters": converters.len(),
                "session_rate": decimals(100 * converting.len() as i64, sessions.len() as i64),
                "visitor_rate": decimals(100 * converters.len() as i64, visitors.len() as i64),
            })
        };
        goals.iter().map(row).collect()
    }

    /// Returns the paths of the report `paths`: the first `steps` events.
    pub fn paths(&self, scope: &Scope, steps: usize) -> Value {
        let mut counts: BTreeMap<Vec<String>, i64> = BTreeMap::new();
        let sessions = self.counted_sessions(scope);
        for (_, events) in &sessions {
            let mut names: Vec<String> =
                events.iter().map(|event| text(event, "event_name").unwrap().to_owned()).collect();
            names.dedup();
            names.push("(end)".to_owned());
            // A path includes the end of its session only if it has fewer than `steps` events.
            names.truncate(steps);
            *counts.entry(names).or_default() += 1;
        }
        let mut counts: Vec<(Vec<String>, i64)> = counts.into_iter().collect();
        counts.sort_by_key(|(names, count)| (-count, names.clone()));
        let row = |(names, count): (Vec<String>, i64)| json!({"steps": names, "count": count, "share": decimals(100 * count, sessions.len() as i64)});
        counts.into_iter().map(row).collect()
    }
}
