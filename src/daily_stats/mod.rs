//! Daily statistics: aggregates of the sessions of one chatbot that started on one day.
//!
//! [`DayAggregate::add`] accumulates sessions in any order, as integers. [`DayAggregate::finish`]
//! returns the row. Rates and means are computed last and rounded half up.

mod names;
mod visitors;

use std::collections::HashSet;
use std::fmt::Write;

use names::NameCounts;
use visitors::DayVisitors;

use crate::decimal::round_half_up;
use crate::event::{KeyKind, session_key_hash};
use crate::prehashed::PreHashed;
use crate::session::SessionSummary;
use crate::time::{Day, Micros};

/// The maximum length of the lists of referrers and landing pages.
pub const TOP_ENTRIES: usize = 10;

/// The fields of a session that daily statistics aggregate.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts<'a> {
    /// The hash of the visitor: its anonymous id, else its user id, else its session key.
    pub visitor: u128,
    /// Whether the visitor has only a session key.
    pub only_session_key: bool,
    /// Whether the user agent is a known bot.
    pub is_bot: bool,
    /// The number of `message_sent` events.
    pub messages_sent: i64,
    /// The number of `message_received` events.
    pub messages_received: i64,
    /// The number of `widget_loaded` events.
    pub widget_loads: i64,
    /// The number of `widget_opened` events.
    pub widget_opens: i64,
    /// The number of events of category `error`.
    pub errors: i64,
    /// The duration in whole seconds.
    pub duration_seconds: i64,
    /// The sum of response times in microseconds.
    pub response_sum_us: i64,
    /// The number of response times.
    pub response_count: i64,
    /// The referrer's domain; `None` for direct visits.
    pub referrer_domain: Option<&'a str>,
    /// The landing page.
    pub landing_page: Option<&'a str>,
    /// The campaign source.
    pub utm_source: Option<&'a str>,
    /// The device type.
    pub device_type: Option<&'a str>,
}

impl<'a> SessionFacts<'a> {
    /// Extracts the facts of a session.
    pub fn from_session(session: &'a SessionSummary<'_>) -> SessionFacts<'a> {
        let key = &session.key;
        let visitor = match (session.anonymous_id.value(), session.user_id.value()) {
            (Some(id), _) => (KeyKind::Anonymous, id.as_ref()),
            (None, Some(id)) => (KeyKind::User, id.as_ref()),
            (None, None) => (KeyKind::Session, key.value.as_ref()),
        };
        let source = session.source.value();
        SessionFacts {
            visitor: session_key_hash(&key.chatbot_id, visitor.0, visitor.1),
            only_session_key: visitor.0 == KeyKind::Session,
            is_bot: session.is_bot(),
            messages_sent: session.count("message_sent") as i64,
            messages_received: session.count("message_received") as i64,
            widget_loads: session.count("widget_loaded") as i64,
            widget_opens: session.count("widget_opened") as i64,
            errors: session.errors as i64,
            duration_seconds: session.duration_seconds(),
            response_sum_us: i64::try_from(session.response_sum_us).unwrap_or(i64::MAX),
            response_count: session.response_count as i64,
            referrer_domain: source.and_then(|source| source.referrer_domain.as_deref()),
            landing_page: session.landing(),
            utm_source: source.and_then(|source| source.utm_source.as_deref()),
            device_type: session.agent.value().map(|agent| agent.device_type.name()),
        }
    }
}

/// A row of `daily_stats`.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The fields are the columns of the same name in `store::columns`.
pub struct DailyStats {
    pub chatbot_id: String,
    pub stat_date: Day,
    pub total_sessions: i64,
    pub unique_visitors: i64,
    pub new_visitors: i64,
    pub total_conversations: i64,
    pub total_messages_sent: i64,
    pub total_messages_received: i64,
    pub widget_loads: i64,
    pub widget_opens: i64,
    pub error_count: i64,
    pub top_referrers: String,
    pub top_landing_pages: String,
    pub utm_sources: String,
    pub desktop_sessions: i64,
    pub mobile_sessions: i64,
    pub tablet_sessions: i64,
    pub bot_sessions: i64,
    pub session_duration_sum_seconds: i64,
    pub response_time_sum_us: i64,
    pub response_time_count: i64,
    pub created_at: Micros,
    pub updated_at: Micros,
}

impl DailyStats {
    /// Returns the number of visitors first seen on an earlier day.
    pub fn returning_visitors(&self) -> i64 {
        self.unique_visitors - self.new_visitors
    }

    /// Returns the messages sent and received per session, with 2 decimals.
    pub fn avg_messages_per_session(&self) -> f64 {
        two_decimals(self.total_messages_sent + self.total_messages_received, self.total_sessions)
    }

    /// Returns the mean duration in seconds, rounded half up.
    pub fn avg_session_duration_seconds(&self) -> i64 {
        divide(self.session_duration_sum_seconds, self.total_sessions)
    }

    /// Returns the percentage of sessions that are conversations, with 2 decimals.
    pub fn conversion_rate(&self) -> f64 {
        two_decimals(self.total_conversations.saturating_mul(100), self.total_sessions)
    }

    /// Returns the mean response time in milliseconds, rounded half up; `None` without response
    /// times.
    pub fn avg_response_time_ms(&self) -> Option<i64> {
        let count = self.response_time_count;
        (count > 0).then(|| divide(self.response_time_sum_us, count.saturating_mul(1000)))
    }

    /// Returns the additive metrics by column name. Counts of visitors are not additive.
    pub fn sums(&self) -> [(&'static str, i64); 14] {
        self.clone().sums_mut().map(|(name, value)| (name, *value))
    }

    /// Returns mutable references to the metrics of [`DailyStats::sums`].
    pub fn sums_mut(&mut self) -> [(&'static str, &mut i64); 14] {
        [
            ("total_sessions", &mut self.total_sessions),
            ("total_conversations", &mut self.total_conversations),
            ("total_messages_sent", &mut self.total_messages_sent),
            ("total_messages_received", &mut self.total_messages_received),
            ("widget_loads", &mut self.widget_loads),
            ("widget_opens", &mut self.widget_opens),
            ("error_count", &mut self.error_count),
            ("desktop_sessions", &mut self.desktop_sessions),
            ("mobile_sessions", &mut self.mobile_sessions),
            ("tablet_sessions", &mut self.tablet_sessions),
            ("bot_sessions", &mut self.bot_sessions),
            ("session_duration_sum_seconds", &mut self.session_duration_sum_seconds),
            ("response_time_sum_us", &mut self.response_time_sum_us),
            ("response_time_count", &mut self.response_time_count),
        ]
    }

    /// Returns whether two rows are equal, apart from the times at which they were written.
    pub fn same_metrics(&self, other: &DailyStats) -> bool {
        self.undated() == other.undated()
    }

    /// Returns all values except for the times at which the row was written.
    fn undated(&self) -> (Day, [&str; 4], [i64; 16]) {
        // A new field must be added here: the pattern names all fields.
        let DailyStats {
            chatbot_id,
            stat_date,
            total_sessions,
            unique_visitors,
            new_visitors,
            total_conversations,
            total_messages_sent,
            total_messages_received,
            widget_loads,
            widget_opens,
            error_count,
            top_referrers,
            top_landing_pages,
            utm_sources,
            desktop_sessions,
            mobile_sessions,
            tablet_sessions,
            bot_sessions,
            session_duration_sum_seconds,
            response_time_sum_us,
            response_time_count,
            created_at: _,
            updated_at: _,
        } = self;
        let texts = [chatbot_id, top_referrers, top_landing_pages, utm_sources].map(String::as_str);
        let numbers = [
            total_sessions,
            unique_visitors,
            new_visitors,
            total_conversations,
            total_messages_sent,
            total_messages_received,
            widget_loads,
            widget_opens,
            error_count,
            desktop_sessions,
            mobile_sessions,
            tablet_sessions,
            bot_sessions,
            session_duration_sum_seconds,
            response_time_sum_us,
            response_time_count,
        ];
        (*stat_date, texts, numbers.map(|number| *number))
    }

    /// Returns the id of the row: the version 5 UUID of chatbot and day.
    pub fn id(&self) -> uuid::Uuid {
        let name = format!("daily:{}@{}", self.chatbot_id, self.stat_date);
        crate::event::name_uuid(name.as_bytes())
    }
}

/// Returns `a / b` rounded half up to a whole number; 0 if `b` is 0.
fn divide(a: i64, b: i64) -> i64 {
    round_half_up(i128::from(a), i128::from(b))
}

/// Returns `a / b` rounded half up to two decimals; 0 if `b` is 0.
fn two_decimals(a: i64, b: i64) -> f64 {
    divide(a.saturating_mul(100), b) as f64 / 100.0
}

/// The aggregates of one day by chatbot.
#[derive(Debug, Default)]
pub struct DayAggregates(hashbrown::HashMap<String, DayAggregate>);

impl DayAggregates {
    /// Adds a session of a chatbot.
    pub fn add(&mut self, chatbot_id: &str, facts: SessionFacts<'_>) {
        self.0.entry_ref(chatbot_id).or_default().add(facts);
    }

    /// Iterates over the chatbots that have sessions.
    pub fn chatbots(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Removes and returns the aggregate of a chatbot.
    pub fn remove(&mut self, chatbot_id: &str) -> Option<DayAggregate> {
        self.0.remove(chatbot_id)
    }

    /// Returns the number of chatbots that have sessions.
    pub fn chatbot_count(&self) -> usize {
        self.0.len()
    }

    /// Returns the rows, in any order; see [`DayAggregate::finish`].
    pub fn finish(
        self,
        stat_date: Day,
        first_seen_today: impl Fn(u128) -> bool,
        now: Micros,
    ) -> impl Iterator<Item = DailyStats> {
        let row = move |(chatbot, aggregate): (String, DayAggregate)| {
            aggregate.finish(chatbot, stat_date, &first_seen_today, now)
        };
        self.0.into_iter().map(row)
    }
}

/// A set of visitor hashes.
pub type VisitorSet = HashSet<u128, PreHashed>;

/// The aggregate of one chatbot and day.
#[derive(Debug, Default)]
pub struct DayAggregate {
    visitors: DayVisitors,
    sessions: i64,
    conversations: i64,
    sent: i64,
    received: i64,
    loads: i64,
    opens: i64,
    errors: i64,
    duration: i64,
    response_sum: i64,
    response_count: i64,
    referrers: NameCounts,
    landing_pages: NameCounts,
    utm_sources: NameCounts,
    desktop: i64,
    mobile: i64,
    tablet: i64,
    bots: i64,
}

impl DayAggregate {
    /// Adds a session.
    pub fn add(&mut self, facts: SessionFacts<'_>) {
        if facts.is_bot {
            self.bots += 1;
            return;
        }
        self.visitors.insert(facts.visitor, facts.only_session_key);
        self.sessions += 1;
        self.conversations += i64::from(facts.messages_sent > 0);
        self.sent += facts.messages_sent;
        self.received += facts.messages_received;
        self.loads += facts.widget_loads;
        self.opens += facts.widget_opens;
        self.errors += facts.errors;
        self.duration = self.duration.saturating_add(facts.duration_seconds);
        self.response_sum = self.response_sum.saturating_add(facts.response_sum_us);
        self.response_count += facts.response_count;
        self.referrers.add(facts.referrer_domain);
        self.landing_pages.add(facts.landing_page);
        self.utm_sources.add(facts.utm_source);
        match facts.device_type {
            Some("desktop") => self.desktop += 1,
            Some("mobile") => self.mobile += 1,
            Some("tablet") => self.tablet += 1,
            _ => {}
        }
    }

    /// Iterates over the hashes of the counted visitors.
    pub fn visitors(&self) -> impl Iterator<Item = u128> {
        self.visitors.iter().map(|(visitor, _)| visitor)
    }

    /// Iterates over the new visitors. `first_seen_today` returns whether the visitor with a hash
    /// was first seen on this day. A visitor that has only a session key is always new.
    pub fn new_visitors(&self, first_seen_today: impl Fn(u128) -> bool) -> impl Iterator<Item = u128> {
        let is_new =
            move |(visitor, only_session_key): &(u128, bool)| *only_session_key || first_seen_today(*visitor);
        self.visitors.iter().filter(is_new).map(|(visitor, _)| visitor)
    }

    /// Returns the row. See [`DayAggregate::new_visitors`] for `first_seen_today`.
    pub fn finish(
        self,
        chatbot_id: String,
        stat_date: Day,
        first_seen_today: impl Fn(u128) -> bool,
        now: Micros,
    ) -> DailyStats {
        let new = self.new_visitors(first_seen_today).count() as i64;
        self.row(chatbot_id, stat_date, new, TOP_ENTRIES, now)
    }

    /// Returns the row with `new` new visitors and lists of at most `top` entries.
    pub fn row(self, chatbot_id: String, stat_date: Day, new: i64, top: usize, now: Micros) -> DailyStats {
        let unique_visitors = self.visitors.len() as i64;
        // The lists of a large day take as much memory as its visitors.
        drop(self.visitors);
        // Each call also frees the counts.
        let list = |counts: NameCounts, top, key| top_list_json(counts.iter(), top, key);
        DailyStats {
            chatbot_id,
            stat_date,
            total_sessions: self.sessions,
            unique_visitors,
            new_visitors: new,
            total_conversations: self.conversations,
            total_messages_sent: self.sent,
            total_messages_received: self.received,
            widget_loads: self.loads,
            widget_opens: self.opens,
            error_count: self.errors,
            top_referrers: list(self.referrers.with_default("direct"), top, "domain"),
            top_landing_pages: list(self.landing_pages.with_default("unknown"), top, "page"),
            utm_sources: list(self.utm_sources, usize::MAX, "source"),
            desktop_sessions: self.desktop,
            mobile_sessions: self.mobile,
            tablet_sessions: self.tablet,
            bot_sessions: self.bots,
            session_duration_sum_seconds: self.duration,
            response_time_sum_us: self.response_sum,
            response_time_count: self.response_count,
            created_at: now,
            updated_at: now,
        }
    }
}

/// Formats the `most` most frequent entries as JSON, `[{"<key>": name, "count": n}, …]`: by
/// descending count, then by name. Each name must occur once.
pub fn top_list_json<'n>(counts: impl IntoIterator<Item = (&'n str, i64)>, most: usize, key: &str) -> String {
    let mut counts: Vec<(&str, i64)> = counts.into_iter().collect();
    let by_count = |a: &(&str, i64), b: &(&str, i64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0));
    if most < counts.len() {
        counts.select_nth_unstable_by(most, by_count);
        counts.truncate(most);
    }
    counts.sort_unstable_by(by_count);
    let names: usize = counts.iter().map(|(name, _)| name.len()).sum();
    let mut text = String::with_capacity(2 + names + counts.len() * (key.len() + 20));
    text.push('[');
    for (name, count) in &counts {
        let comma = if text.len() > 1 { "," } else { "" };
        text.extend([comma, "{\"", key, "\":"]);
        push_json_string(&mut text, name);
        // Writing to a string does not fail.
        let _ = write!(text, ",\"count\":{count}}}");
    }
    text.push(']');
    text
}

/// Appends a string as JSON. A list of campaign sources can have a million names, which seldom
/// contain characters to escape.
fn push_json_string(text: &mut String, value: &str) {
    if value.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        text.push_str(&serde_json::to_string(value).unwrap_or_default());
    } else {
        text.extend(["\"", value, "\""]);
    }
}
