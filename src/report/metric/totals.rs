//! Sums of sessions by day, for `summary`, `trends` and `visitors`.
//!
//! They come from the daily statistics. Those exclude bot sessions, so a query that includes them
//! sums the sessions themselves.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Ints};
use crate::time::{Day, Micros, Zone};

/// Sums over sessions. Two merge by addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// The number of sessions.
    pub sessions: u64,
    /// The number of sessions with at least one message sent.
    pub conversations: u64,
    /// The number of messages sent.
    pub sent: u64,
    /// The number of messages received.
    pub received: u64,
    /// The sum of durations, in seconds.
    pub seconds: u64,
    /// The sum of response times, in microseconds.
    pub response_us: u128,
    /// The number of response times.
    pub responses: u64,
    /// The number of events of category `error`.
    pub errors: u64,
    /// The number of bot sessions.
    pub bots: u64,
    /// The sum of each day's distinct visitors. Only daily statistics have it.
    pub visitors: u64,
    /// The sum of each day's new visitors. Only daily statistics have it.
    pub new_visitors: u64,
}

impl Totals {
    /// Adds the sums of other sessions.
    pub fn add(&mut self, other: &Totals) {
        let add = |sum: &mut u64, other: u64| *sum = sum.saturating_add(other);
        add(&mut self.sessions, other.sessions);
        add(&mut self.conversations, other.conversations);
        add(&mut self.sent, other.sent);
        add(&mut self.received, other.received);
        add(&mut self.seconds, other.seconds);
        self.response_us = self.response_us.saturating_add(other.response_us);
        add(&mut self.responses, other.responses);
        add(&mut self.errors, other.errors);
        add(&mut self.bots, other.bots);
        add(&mut self.visitors, other.visitors);
        add(&mut self.new_visitors, other.new_visitors);
    }

    /// Returns the number of messages sent and received.
    pub fn messages(&self) -> u64 {
        self.sent.saturating_add(self.received)
    }
}

/// Returns the sums of each day of the window that has data.
pub(crate) fn by_day(tables: &dyn Tables, query: &Query) -> Result<BTreeMap<Day, Totals>> {
    if query.include_bots { from_sessions(tables, query) } else { from_daily_stats(tables, query) }
}

fn count(column: &Ints, row: usize) -> u64 {
    column.or_zero(row).max(0).unsigned_abs()
}

fn from_daily_stats(tables: &dyn Tables, query: &Query) -> Result<BTreeMap<Day, Totals>> {
    let mut columns = vec![
        "stat_date",
        "total_sessions",
        "total_conversations",
        "total_messages_sent",
        "total_messages_received",
        "session_duration_sum_seconds",
        "response_time_sum_us",
        "response_time_count",
        "error_count",
        "bot_sessions",
        "unique_visitors",
        "new_visitors",
    ];
    if !query.chatbots.is_empty() {
        columns.push("chatbot_id");
    }
    let mut days: BTreeMap<Day, Totals> = BTreeMap::new();
    for frame in tables.read(Table::DailyStats, Some(query.window.range()), &columns)? {
        let dates = frame.ints("stat_date")?;
        let sessions = frame.ints("total_sessions")?;
        let conversations = frame.ints("total_conversations")?;
        let sent = frame.ints("total_messages_sent")?;
        let received = frame.ints("total_messages_received")?;
        let seconds = frame.ints("session_duration_sum_seconds")?;
        let response_us = frame.ints("response_time_sum_us")?;
        let responses = frame.ints("response_time_count")?;
        let errors = frame.ints("error_count")?;
        let bots = frame.ints("bot_sessions")?;
        let visitors = frame.ints("unique_visitors")?;
        let new_visitors = frame.ints("new_visitors")?;
        let mut chatbots = query.chatbot_filter(&frame)?;
        for row in 0..frame.height() {
            let Some(day) = dates.get(row).and_then(|day| i32::try_from(day).ok()).map(Day) else { continue };
            if !query.window.contains(day) || !chatbots.contains(row) {
                continue;
            }
            days.entry(day).or_default().add(&Totals {
                sessions: count(sessions, row),
                conversations: count(conversations, row),
                sent: count(sent, row),
                received: count(received, row),
                seconds: count(seconds, row),
                response_us: u128::from(count(response_us, row)),
                responses: count(responses, row),
                errors: count(errors, row),
                bots: count(bots, row),
                visitors: count(visitors, row),
                new_visitors: count(new_visitors, row),
            });
        }
    }
    Ok(days)
}

fn from_sessions(tables: &dyn Tables, query: &Query) -> Result<BTreeMap<Day, Totals>> {
    let columns = query.columns(&[
        "started_at",
        "had_conversation",
        "messages_sent",
        "messages_received",
        "duration_seconds",
        "response_time_sum_us",
        "response_time_count",
        "error_count",
    ]);
    let (window, zone) = (Some(query.window.range()), tables.zone());
    let days =
        map_frames(tables, Table::Sessions, window, &columns, |_, frame| sum_sessions(frame, query, zone))?;
    let mut all: BTreeMap<Day, Totals> = BTreeMap::new();
    for (day, totals) in days.into_iter().flatten() {
        all.entry(day).or_default().add(&totals);
    }
    Ok(all)
}

fn sum_sessions(frame: &Frame, query: &Query, zone: Zone) -> Result<BTreeMap<Day, Totals>> {
    let selected = query.select(frame)?;
    let started = frame.ints("started_at")?;
    let conversation = frame.bools("had_conversation")?;
    let (sent, received) = (frame.ints("messages_sent")?, frame.ints("messages_received")?);
    let seconds = frame.ints("duration_seconds")?;
    let (response_us, responses) = (frame.ints("response_time_sum_us")?, frame.ints("response_time_count")?);
    let errors = frame.ints("error_count")?;
    let is_bot = frame.bools("is_bot")?;
    let mut days: BTreeMap<Day, Totals> = BTreeMap::new();
    let mut calendar = Calendar::new(zone);
    for &row in &selected.rows {
        let row = row as usize;
        days.entry(calendar.day(started.or_zero(row))).or_default().add(&Totals {
            sessions: 1,
            conversations: u64::from(conversation.is_true(row)),
            sent: count(sent, row),
            received: count(received, row),
            seconds: count(seconds, row),
            response_us: u128::from(count(response_us, row)),
            responses: count(responses, row),
            errors: count(errors, row),
            bots: u64::from(is_bot.is_true(row)),
            visitors: 0,
            new_visitors: 0,
        });
    }
    Ok(days)
}

/// Finds the days of many times. Most times are in the day of the one before, which is cached.
struct Calendar {
    zone: Zone,
    /// A day and a range of times that are all in it.
    cached: Option<(Day, Micros, Micros)>,
}

impl Calendar {
    fn new(zone: Zone) -> Calendar {
        Calendar { zone, cached: None }
    }

    /// Returns the day of a time.
    fn day(&mut self, time: Micros) -> Day {
        match self.cached {
            Some((day, start, end)) if start <= time && time < end => day,
            _ => {
                let day = self.zone.day(time);
                // From the latest possible start of the day to the earliest possible start of the
                // next. The two bounds of a start differ if a clock was set back over midnight.
                let (start, end) = (self.zone.start_bounds(day), self.zone.start_bounds(day.plus(1)));
                self.cached = Some((day, start.1, end.0));
                day
            }
        }
    }
}
