//! Tables in memory, built from lists of sessions and events.
//!
//! They are independent of the store: daily statistics and first-seen times are computed here,
//! session by session, from their definitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::Result;
use crate::event::{KeyKind, session_key_hash};
use crate::report::query::tables::{TableFacts, Tables};
use crate::store::columns::Table;
use crate::store::frame::{Cell, Frame, FrameBuilder};
use crate::store::ledger::Ledger;
use crate::time::{DAY, Day, Micros, SECOND, Zone, parse_human};

/// A session of a test.
#[derive(Clone, Debug)]
pub struct Session {
    pub chatbot: &'static str,
    pub session: Option<String>,
    pub anonymous: Option<String>,
    pub user: Option<String>,
    pub start: Micros,
    pub seconds: i64,
    pub bot: bool,
    pub counts: Vec<(&'static str, u64)>,
    pub errors: u64,
    pub response_us: Vec<u64>,
    pub utm: Option<&'static str>,
    pub domain: Option<&'static str>,
    pub channel: Option<&'static str>,
    pub page: Option<&'static str>,
    pub device: Option<&'static str>,
    pub browser: Option<&'static str>,
    pub os: Option<&'static str>,
    pub country: Option<&'static str>,
    pub city: Option<&'static str>,
}

/// Returns a session of a visitor of chatbot `shop` that starts at a time. An empty `visitor` has
/// no anonymous id.
pub fn session(at: &str, visitor: &str) -> Session {
    Session {
        chatbot: "shop",
        session: Some(format!("s-{visitor}-{at}")),
        anonymous: (!visitor.is_empty()).then(|| visitor.to_owned()),
        user: None,
        start: time(at),
        seconds: 0,
        bot: false,
        counts: vec![("widget_loaded", 1)],
        errors: 0,
        response_us: Vec::new(),
        utm: None,
        domain: None,
        channel: None,
        page: None,
        device: None,
        browser: None,
        os: None,
        country: None,
        city: None,
    }
}

impl Session {
    pub fn count(&self, name: &str) -> u64 {
        self.counts.iter().filter(|(n, _)| *n == name).map(|(_, count)| count).sum()
    }

    fn end(&self) -> Micros {
        self.start + self.seconds * SECOND
    }

    pub fn visitor(&self) -> (&'static str, u8, String) {
        match (&self.anonymous, &self.user, &self.session) {
            (Some(id), ..) => (self.chatbot, 0, id.clone()),
            (None, Some(id), _) => (self.chatbot, 1, id.clone()),
            (None, None, id) => (self.chatbot, 2, id.clone().unwrap_or_default()),
        }
    }
}

/// An event of a test.
#[derive(Clone, Debug)]
pub struct Event {
    pub chatbot: &'static str,
    pub session: Option<String>,
    pub anonymous: Option<String>,
    pub name: &'static str,
    pub category: Option<&'static str>,
    pub properties: Option<String>,
    pub time: Micros,
    pub url: Option<&'static str>,
}

/// Returns an event of a session.
pub fn event(at: &str, session: &str, name: &'static str) -> Event {
    Event {
        chatbot: "shop",
        session: Some(session.to_owned()),
        anonymous: None,
        name,
        category: None,
        properties: None,
        time: time(at),
        url: None,
    }
}

/// Parses a time.
pub fn time(text: &str) -> Micros {
    parse_human(text).unwrap_or_else(|| panic!("{text} is not a time"))
}

/// Parses a day.
pub fn day(text: &str) -> Day {
    Day::parse(text).unwrap_or_else(|| panic!("{text} is not a day"))
}

/// Tables of sessions and events.
#[derive(Clone, Debug)]
pub struct MemoryTables {
    pub sessions: Vec<Session>,
    pub events: Vec<Event>,
    /// Given first-seen times, by chatbot, kind and id.
    pub first_seen_times: BTreeMap<(&'static str, &'static str, String), Micros>,
    /// Whether first-seen times are also derived from the sessions.
    pub derives_first_seen: bool,
    pub zone: Zone,
    /// The last day whose sessions are pruned.
    pub sessions_pruned: Option<Day>,
    /// A chatbot whose sessions are not pruned.
    pub unpruned_chatbot: Option<&'static str>,
    /// The last date whose events are pruned.
    pub events_pruned: Option<Day>,
    /// The first and the last day with sessions, if they are not those of `sessions`.
    pub days: Option<(Day, Day)>,
    /// Whether every third event is late: the late events of a date are in a second file.
    pub has_late_events: bool,
}

impl MemoryTables {
    pub fn new(sessions: Vec<Session>) -> MemoryTables {
        MemoryTables {
            sessions,
            events: Vec::new(),
            first_seen_times: BTreeMap::new(),
            derives_first_seen: true,
            zone: Zone::UTC,
            sessions_pruned: None,
            unpruned_chatbot: None,
            events_pruned: None,
            days: None,
            has_late_events: false,
        }
    }

    pub fn day_of(&self, session: &Session) -> Day {
        self.zone.day(session.start)
    }

    /// Returns first-seen times. If [`derives_first_seen`](Self::derives_first_seen) is set, the
    /// start of the first session with an id replaces a later or missing time.
    pub fn first_seen(&self) -> BTreeMap<(&'static str, &'static str, String), Micros> {
        let mut times = self.first_seen_times.clone();
        for session in self.sessions.iter().filter(|_| self.derives_first_seen) {
            for (kind, id) in [("anonymous", &session.anonymous), ("user", &session.user)] {
                if let Some(id) = id {
                    let first = times.entry((session.chatbot, kind, id.clone())).or_insert(session.start);
                    *first = (*first).min(session.start);
                }
            }
        }
        times
    }

    /// Returns whether a session's visitor was first seen on one of the days from `first` to
    /// `last`.
    pub fn is_new(&self, session: &Session, first: Day, last: Day) -> bool {
        let kind = match session.visitor().1 {
            0 => "anonymous",
            1 => "user",
            _ => return true,
        };
        let (chatbot, _, id) = session.visitor();
        self.first_seen()
            .get(&(chatbot, kind, id))
            .is_some_and(|time| (first..=last).contains(&self.zone.day(*time)))
    }

    /// Returns the number of events of a session, or the sum of its counts if its events are not in
    /// the tables.
    fn event_count(&self, session: &Session) -> u64 {
        let has_key = |event: &&Event| {
            let is_visitor = session.session.is_some() || event.anonymous == session.anonymous;
            event.chatbot == session.chatbot && event.session == session.session && is_visitor
        };
        let is_within = |event: &&Event| session.start <= event.time && event.time <= session.end();
        match self.events.iter().filter(has_key).filter(is_within).count() {
            0 => session.counts.iter().map(|(_, count)| count).sum(),
            count => count as u64,
        }
    }

    fn session_frames(&self, days: Option<(Day, Day)>) -> Vec<Frame> {
        let mut frames = Vec::new();
        let all: BTreeSet<Day> = self.sessions.iter().map(|s| self.day_of(s)).collect();
        for day in all.into_iter().filter(|day| days.is_none_or(|(a, b)| a <= *day && *day <= b)) {
            // Two files per day, as after two ingests.
            let sessions: Vec<&Session> = self.sessions.iter().filter(|s| self.day_of(s) == day).collect();
            for half in sessions.chunks(sessions.len().div_ceil(2)) {
                let mut builder = FrameBuilder::new(Table::Sessions);
                half.iter().for_each(|session| add_session(&mut builder, session, self.event_count(session)));
                frames.push(builder.finish().unwrap());
            }
        }
        frames
    }

    fn event_frames(&self, days: Option<(Day, Day)>) -> Vec<Frame> {
        let mut frames = Vec::new();
        let all: BTreeSet<Day> = self.events.iter().map(|e| Day::utc(e.time)).collect();
        for day in all.into_iter().filter(|day| days.is_none_or(|(a, b)| a <= *day && *day <= b)) {
            let is_late = |number: usize| self.has_late_events && number.is_multiple_of(3);
            let of_day = || self.events.iter().enumerate().filter(|(_, event)| Day::utc(event.time) == day);
            for late in [false, true] {
                let events: Vec<_> = of_day().filter(|(number, _)| is_late(*number) == late).collect();
                if events.is_empty() {
                    continue;
                }
                let mut builder = FrameBuilder::new(Table::Events);
                for (number, event) in events {
                    let id = format!("{number:08}-0000-8000-8000-000000000000");
                    builder.row(&[
                        ("id", Cell::Text(&id)),
                        ("chatbot_id", Cell::Text(event.chatbot)),
                        ("session_id", text(event.session.as_deref())),
                        ("anonymous_id", text(event.anonymous.as_deref())),
                        ("event_name", Cell::Text(event.name)),
                        ("event_category", text(event.category)),
                        ("properties", event.properties.as_deref().map_or(Cell::Null, Cell::Json)),
                        ("page_url", text(event.url)),
                        ("timestamp", Cell::Time(event.time)),
                        ("is_bot", Cell::Bool(false)),
                        ("created_at", Cell::Time(event.time)),
                    ]);
                }
                frames.push(builder.finish().unwrap());
            }
        }
        frames
    }

    /// Returns daily statistics, computed session by session.
    fn stats_frames(&self, days: Option<(Day, Day)>) -> Vec<Frame> {
        let mut keys: BTreeSet<(Day, &str)> = BTreeSet::new();
        keys.extend(self.sessions.iter().map(|s| (self.day_of(s), s.chatbot)));
        let mut months: BTreeMap<Day, FrameBuilder> = BTreeMap::new();
        for (day, chatbot) in keys {
            let month = day.month_start();
            if days.is_some_and(|(a, b)| month < a.month_start() || b < month) {
                continue;
            }
            let sessions: Vec<&Session> =
                self.sessions.iter().filter(|s| self.day_of(s) == day && s.chatbot == chatbot).collect();
            let people: Vec<&Session> = sessions.iter().copied().filter(|s| !s.bot).collect();
            let sum = |value: &dyn Fn(&Session) -> u64| {
                Cell::Int(people.iter().map(|s| value(s)).sum::<u64>() as i64)
            };
            let visitors: BTreeSet<_> = people.iter().map(|s| s.visitor()).collect();
            let new: BTreeSet<_> =
                people.iter().filter(|s| self.is_new(s, day, day)).map(|s| s.visitor()).collect();
            months.entry(month).or_insert_with(|| FrameBuilder::new(Table::DailyStats)).row(&[
                ("chatbot_id", Cell::Text(chatbot)),
                ("stat_date", Cell::Date(day)),
                ("total_sessions", Cell::Int(people.len() as i64)),
                ("unique_visitors", Cell::Int(visitors.len() as i64)),
                ("new_visitors", Cell::Int(new.len() as i64)),
                ("total_conversations", sum(&|s| u64::from(s.count("message_sent") > 0))),
                ("total_messages_sent", sum(&|s| s.count("message_sent"))),
                ("total_messages_received", sum(&|s| s.count("message_received"))),
                ("error_count", sum(&|s| s.errors)),
                ("bot_sessions", Cell::Int(sessions.iter().filter(|s| s.bot).count() as i64)),
                ("session_duration_sum_seconds", sum(&|s| s.seconds as u64)),
                ("response_time_sum_us", sum(&|s| s.response_us.iter().sum())),
                ("response_time_count", sum(&|s| s.response_us.len() as u64)),
            ]);
        }
        months.into_values().map(|builder| builder.finish().unwrap()).collect()
    }

    fn visitor_frames(&self, days: Option<(Day, Day)>) -> Vec<Frame> {
        let mut months: BTreeMap<Day, FrameBuilder> = BTreeMap::new();
        for ((chatbot, kind, id), time) in self.first_seen() {
            let month = self.zone.day(time).month_start();
            if days.is_some_and(|(a, b)| month < a.month_start() || b < month) {
                continue;
            }
            let key_kind = if kind == "user" { KeyKind::User } else { KeyKind::Anonymous };
            let hash = session_key_hash(chatbot, key_kind, &id);
            months.entry(month).or_insert_with(|| FrameBuilder::new(Table::Visitors)).row(&[
                ("chatbot_id", Cell::Text(chatbot)),
                ("id_kind", Cell::Text(kind)),
                ("visitor_id", Cell::Text(&id)),
                ("first_seen_at", Cell::Time(time)),
                ("hash_high", Cell::Int((hash >> 64) as i64)),
                ("hash_low", Cell::Int(hash as i64)),
            ]);
        }
        months.into_values().map(|builder| builder.finish().unwrap()).collect()
    }
}

fn text(value: Option<&str>) -> Cell<'_> {
    value.map_or(Cell::Null, Cell::Text)
}

fn add_session(builder: &mut FrameBuilder, session: &Session, events: u64) {
    let id = uuid::Uuid::new_v5(
        &crate::event::NAMESPACE,
        format!("{:?}@{}", session.session, session.start).as_bytes(),
    )
    .to_string();
    let counts: BTreeMap<&str, u64> = session.counts.iter().copied().collect();
    let counts = serde_json::to_string(&counts).unwrap();
    let int = |number: u64| Cell::Int(number as i64);
    builder.row(&[
        ("id", Cell::Text(&id)),
        ("chatbot_id", Cell::Text(session.chatbot)),
        ("session_id", text(session.session.as_deref())),
        ("anonymous_id", text(session.anonymous.as_deref())),
        ("user_id", text(session.user.as_deref())),
        ("started_at", Cell::Time(session.start)),
        ("ended_at", Cell::Time(session.end())),
        ("duration_seconds", Cell::Int(session.seconds)),
        ("referrer_domain", text(session.domain)),
        ("channel", text(session.channel)),
        ("landing_page", text(session.page)),
        ("utm_source", text(session.utm)),
        ("browser_name", text(session.browser)),
        ("os_name", text(session.os)),
        ("device_type", text(session.device)),
        ("is_bot", Cell::Bool(session.bot)),
        ("country_code", text(session.country)),
        ("city", text(session.city)),
        ("messages_sent", int(session.count("message_sent"))),
        ("messages_received", int(session.count("message_received"))),
        ("widget_opened_count", int(session.count("widget_opened"))),
        ("widget_minimized_count", int(0)),
        ("widget_loads", int(session.count("widget_loaded"))),
        ("page_views", int(0)),
        ("error_count", int(session.errors)),
        ("event_count", int(events)),
        ("event_counts", Cell::Json(&counts)),
        ("response_time_sum_us", int(session.response_us.iter().sum())),
        ("response_time_count", int(session.response_us.len() as u64)),
        ("had_conversation", Cell::Bool(session.count("message_sent") > 0)),
        ("completed_pre_chat_form", Cell::Bool(false)),
        ("first_event_id", Cell::Text("00000000-0000-8000-8000-000000000000")),
        ("created_at", Cell::Time(session.start)),
        ("updated_at", Cell::Time(session.end() + DAY)),
    ]);
}

impl Tables for MemoryTables {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        let frames = match table {
            Table::Events => self.event_frames(days),
            Table::Sessions => self.session_frames(days),
            Table::DailyStats => self.stats_frames(days),
            Table::Visitors => self.visitor_frames(days),
        };
        // Return only the requested columns, so that tests of a report that uses others fail.
        let unique: BTreeSet<&str> = columns.iter().copied().collect();
        assert_eq!(unique.len(), columns.len(), "a column is requested twice: {columns:?}");
        Ok(frames.iter().map(|frame| frame.select(columns).unwrap()).collect())
    }

    fn facts(&self) -> &dyn TableFacts {
        self
    }
}

impl TableFacts for MemoryTables {
    fn zone(&self) -> Zone {
        self.zone
    }

    fn timeout(&self) -> Micros {
        30 * 60 * SECOND
    }

    fn is_one_file(&self, table: Table, day: Day) -> bool {
        table == Table::Events && self.event_frames(Some((day, day))).len() == 1
    }

    fn days(&self) -> Option<(Day, Day)> {
        let days = || self.sessions.iter().map(|s| self.day_of(s));
        if self.days.is_some() {
            return self.days;
        }
        Some((days().min()?, days().max()?))
    }

    fn sessions_pruned_through(&self) -> Option<Day> {
        self.sessions_pruned
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        let mut ledger = Ledger::default();
        let chatbots: BTreeSet<&str> = self.sessions.iter().map(|session| session.chatbot).collect();
        for chatbot in chatbots.into_iter().filter(|chatbot| self.unpruned_chatbot != Some(chatbot)) {
            let days = ledger.pruned_sessions.entry(chatbot.to_owned()).or_default();
            // Two years of pruned days.
            let last = self.sessions_pruned.into_iter();
            last.flat_map(|last| (0..730).map(move |n| last.plus(-n))).for_each(|day| days.insert(day));
        }
        Ok(Arc::new(ledger))
    }

    fn event_dates(&self) -> Option<(Day, Day)> {
        let dates = || self.events.iter().map(|event| Day::utc(event.time));
        Some((dates().min()?, dates().max()?))
    }

    fn events_pruned_through(&self) -> Option<Day> {
        self.events_pruned
    }
}
