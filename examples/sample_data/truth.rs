//! The expected counts, computed naively: drop duplicates, sort, split at gaps, count.
//!
//! This module shares no code with `wa`, so that tests can compare the two.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::{DAYS, MINUTE, day_of};
use super::log::{Identity, Log, Record};

/// A session.
pub struct Session {
    pub chatbot: &'static str,
    pub visitor: String,
    pub is_bot: bool,
    /// Milliseconds since 1970.
    pub started: i64,
    pub ended: i64,
    pub events: usize,
    pub sent: usize,
    pub received: usize,
}

/// The counts of all logs, and their sessions.
pub struct Truth {
    pub read: usize,
    pub stored: usize,
    pub sessions: Vec<Session>,
}

/// The metrics of one chatbot or of all, without bot sessions.
#[derive(Debug, Default, PartialEq)]
pub struct Metrics {
    pub sessions: usize,
    pub visitors: usize,
    pub conversations: usize,
    pub sent: usize,
    pub received: usize,
    pub seconds: i64,
    pub bot_sessions: usize,
}

/// Computes the expected counts.
pub fn truth(logs: &[Log]) -> Truth {
    let read = logs.iter().map(Log::events).sum();
    let events = distinct(logs);
    let mut keys: BTreeMap<(&str, &str), Vec<&Record>> = BTreeMap::new();
    for event in &events {
        keys.entry((event.chatbot, &event.key)).or_default().push(event);
    }
    let mut sessions = Vec::new();
    for mut events in keys.into_values() {
        events.sort_by_key(|event| event.time);
        for run in events.chunk_by(|a, b| b.time - a.time <= 30 * MINUTE) {
            let count = |name: &str| run.iter().filter(|event| event.name == name).count();
            sessions.push(Session {
                chatbot: run[0].chatbot,
                visitor: run[0].visitor.clone(),
                is_bot: run[0].is_bot,
                started: run[0].time,
                ended: run[run.len() - 1].time,
                events: run.len(),
                sent: count("message_sent"),
                received: count("message_received"),
            });
        }
    }
    Truth { read, stored: events.len(), sessions }
}

/// Returns the distinct events. An event without an id counts as often as in the file with the most
/// copies of it.
fn distinct(logs: &[Log]) -> Vec<Record> {
    let mut most: BTreeMap<(&str, &Identity), (usize, &Record)> = BTreeMap::new();
    for log in logs {
        let mut here: BTreeMap<(&str, &Identity), (usize, &Record)> = BTreeMap::new();
        for record in log.lines.iter().flat_map(|line| &line.records) {
            let times = &mut here.entry((record.chatbot, &record.identity)).or_insert((0, record)).0;
            *times = if matches!(record.identity, Identity::Id(_)) { 1 } else { *times + 1 };
        }
        for (identity, (times, record)) in here {
            let known = most.entry(identity).or_insert((0, record));
            known.0 = known.0.max(times);
        }
    }
    most.into_values().flat_map(|(times, record)| vec![record.clone(); times]).collect()
}

impl Truth {
    /// Returns the metrics of the last `days` days, for one chatbot or for all.
    pub fn metrics(&self, chatbot: Option<&str>, days: i64) -> Metrics {
        let mut metrics = Metrics::default();
        let mut visitors = BTreeSet::new();
        let in_window = |session: &&Session| {
            day_of(session.started) >= DAYS - days && chatbot.is_none_or(|chatbot| chatbot == session.chatbot)
        };
        for session in self.sessions.iter().filter(in_window) {
            if session.is_bot {
                metrics.bot_sessions += 1;
                continue;
            }
            metrics.sessions += 1;
            metrics.conversations += usize::from(session.sent > 0);
            metrics.sent += session.sent;
            metrics.received += session.received;
            metrics.seconds += (session.ended - session.started) / 1000;
            visitors.insert((session.chatbot, &session.visitor));
        }
        metrics.visitors = visitors.len();
        metrics
    }

    /// Returns the number of events of a chatbot.
    pub fn events(&self, chatbot: &str) -> usize {
        self.sessions.iter().filter(|session| session.chatbot == chatbot).map(|session| session.events).sum()
    }

    /// Returns the chatbots, in order.
    pub fn chatbots(&self) -> BTreeSet<&'static str> {
        self.sessions.iter().map(|session| session.chatbot).collect()
    }
}
