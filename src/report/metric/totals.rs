//! Sums of sessions by day, for `summary`, `trends` and `visitors`.
//!
//! The sums come from the daily statistics, which cover all sessions except those of bots. A query
//! that includes bots or filters sessions therefore sums the sessions themselves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::report::query::Query;
use crate::report::query::chatbots::ChatbotIndex;
use crate::report::query::tables::{PartKind, Tables, map_frames, map_parts};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Ints};
use crate::time::Day;

/// Sums over sessions. Sums of disjoint sets of sessions are merged by addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The sum of each day's distinct visitors. Only daily statistics and
    /// [`daily_visitors`](super::daily_visitors) set it.
    pub visitors: u64,
    /// The sum of each day's new visitors. Only daily statistics and
    /// [`daily_visitors`](super::daily_visitors) set it.
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
    if query.has_daily_stats(tables) { from_daily_stats(tables, query) } else { from_sessions(tables, query) }
}

/// Returns the sums of the whole window for each chatbot of an index.
pub(crate) fn by_chatbot(tables: &dyn Tables, query: &Query, index: &ChatbotIndex) -> Result<Vec<Totals>> {
    let mut sums = vec![Totals::default(); index.len()];
    let mut add = |chatbot: &str, totals: &Totals| {
        let sum = index.get(chatbot).and_then(|chatbot| sums.get_mut(chatbot as usize));
        sum.into_iter().for_each(|sum| sum.add(totals));
    };
    if query.has_daily_stats(tables) {
        for frame in tables.read(Table::DailyStats, Some(query.window.range()), &daily_columns(true))? {
            for_each_daily_row(&frame, query, true, |_, chatbot, totals| add(chatbot, totals))?;
        }
        return Ok(sums);
    }
    let columns = query.columns(&[&FIGURE_COLUMNS[..], &["chatbot_id"]].concat());
    let window = Some(query.window.range());
    let files = map_frames(tables, Table::Sessions, window, &columns, |_, frame| {
        let chatbots = frame.texts("chatbot_id")?;
        let mut runs: Vec<(String, Totals)> = Vec::new();
        for_each_session(frame, query, |row, totals| {
            // A file is ordered by chatbot.
            let chatbot = chatbots.get(row).unwrap_or("");
            match runs.last_mut() {
                Some((last, sum)) if last == chatbot => sum.add(totals),
                _ => runs.push((chatbot.to_owned(), *totals)),
            }
        })?;
        Ok(runs)
    })?;
    files.iter().flatten().for_each(|(chatbot, totals)| add(chatbot, totals));
    Ok(sums)
}

/// Returns the sums of each day of the window for each chatbot of an index, from the daily
/// statistics. Rows consist of the number of the chatbot, the day and the sums, and are sorted by
/// chatbot and day.
pub(crate) fn by_chatbot_and_day(
    tables: &dyn Tables,
    query: &Query,
    index: &ChatbotIndex,
) -> Result<Vec<(u32, Day, Totals)>> {
    let mut rows = Vec::new();
    for frame in tables.read(Table::DailyStats, Some(query.window.range()), &daily_columns(true))? {
        for_each_daily_row(&frame, query, true, |day, chatbot, totals| {
            rows.extend(index.get(chatbot).map(|number| (number, day, *totals)));
        })?;
    }
    rows.sort_unstable_by_key(|(number, day, _)| (*number, *day));
    Ok(rows)
}

fn count(column: &Ints, row: usize) -> u64 {
    column.or_zero(row).max(0).unsigned_abs()
}

fn from_daily_stats(tables: &dyn Tables, query: &Query) -> Result<BTreeMap<Day, Totals>> {
    let mut days: BTreeMap<Day, Totals> = BTreeMap::new();
    for (day, totals) in daily_parts(tables, query)?.iter().flatten() {
        days.entry(Day(*day)).or_default().add(totals);
    }
    Ok(days)
}

/// Returns the sums of the days of the window in each file of the daily statistics.
pub(crate) fn daily_parts(tables: &dyn Tables, query: &Query) -> Result<Vec<Vec<(i32, Totals)>>> {
    let files = (Table::DailyStats, query.window.range());
    let columns = daily_columns(!query.chatbots.is_empty());
    map_parts(tables, PartKind::Days, files, &columns, |frame| {
        let mut days: BTreeMap<Day, Totals> = BTreeMap::new();
        for_each_daily_row(frame, query, false, |day, _, totals| days.entry(day).or_default().add(totals))?;
        Ok(days.into_iter().map(|(day, totals)| (day.0, totals)).collect())
    })
}

/// Returns the columns that [`for_each_daily_row`] needs.
fn daily_columns(with_chatbots: bool) -> Vec<&'static str> {
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
    if with_chatbots {
        columns.push("chatbot_id");
    }
    columns
}

/// Calls `visit` with each row of a frame of daily statistics in the window: its day, its chatbot
/// if `with_chatbots` is set, and its sums.
fn for_each_daily_row(
    frame: &Frame,
    query: &Query,
    with_chatbots: bool,
    mut visit: impl FnMut(Day, &str, &Totals),
) -> Result<()> {
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
    let mut chatbots = query.chatbot_filter(frame)?;
    let names = if with_chatbots { Some(frame.texts("chatbot_id")?) } else { None };
    for row in 0..frame.height() {
        let Some(day) = dates.get(row).and_then(|day| i32::try_from(day).ok()).map(Day) else { continue };
        if !query.window.contains(day) || !chatbots.contains(row) {
            continue;
        }
        let totals = Totals {
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
        };
        visit(day, names.and_then(|names| names.get(row)).unwrap_or(""), &totals);
    }
    Ok(())
}

fn from_sessions(tables: &dyn Tables, query: &Query) -> Result<BTreeMap<Day, Totals>> {
    let columns = query.columns(&[&FIGURE_COLUMNS[..], &["started_at"]].concat());
    let (window, zone) = (Some(query.window.range()), tables.zone());
    let files = map_frames(tables, Table::Sessions, window, &columns, |_, frame| {
        // All rows of a file have the same day.
        let start = frame.ints("started_at")?.get(0);
        let totals = of_frame(frame, query)?;
        Ok(start.filter(|_| totals.sessions + totals.bots > 0).map(|start| (zone.day(start), totals)))
    })?;
    let mut days: BTreeMap<Day, Totals> = BTreeMap::new();
    for (day, totals) in files.into_iter().flatten() {
        days.entry(day).or_default().add(&totals);
    }
    Ok(days)
}

/// Returns the sums of the sessions of a frame that the query selects. The frame has the
/// [`FIGURE_COLUMNS`].
pub(crate) fn of_frame(frame: &Frame, query: &Query) -> Result<Totals> {
    let selected = query.select(frame)?;
    Ok(Totals { bots: selected.bots, ..of_rows(frame, &selected.rows)? })
}

/// Returns the sums of the given rows of a frame, which has the [`FIGURE_COLUMNS`]. Bot sessions
/// are not counted as such.
pub(crate) fn of_rows(frame: &Frame, rows: &[u32]) -> Result<Totals> {
    let sum = |name: &str| Ok::<u128, Error>(frame.ints(name)?.positive_sum(rows));
    let small = |name: &str| Ok::<u64, Error>(u64::try_from(sum(name)?).unwrap_or(u64::MAX));
    let conversations = frame.bools("had_conversation")?;
    Ok(Totals {
        sessions: rows.len() as u64,
        conversations: rows.iter().map(|row| u64::from(conversations.is_true(*row as usize))).sum(),
        sent: small("messages_sent")?,
        received: small("messages_received")?,
        seconds: small("duration_seconds")?,
        response_us: sum("response_time_sum_us")?,
        responses: small("response_time_count")?,
        errors: small("error_count")?,
        ..Totals::default()
    })
}

/// The columns from which the sums of sessions are computed.
pub(crate) const FIGURE_COLUMNS: [&str; 7] = [
    "had_conversation",
    "messages_sent",
    "messages_received",
    "duration_seconds",
    "response_time_sum_us",
    "response_time_count",
    "error_count",
];

/// Calls `visit` with each session of a frame that the query selects: its row and its figures.
/// Excluded bot sessions are visited too, with figures in which only `bots` is set.
fn for_each_session(frame: &Frame, query: &Query, mut visit: impl FnMut(usize, &Totals)) -> Result<()> {
    let mut chatbots = query.chatbot_filter(frame)?;
    let conversation = frame.bools("had_conversation")?;
    let (sent, received) = (frame.ints("messages_sent")?, frame.ints("messages_received")?);
    let seconds = frame.ints("duration_seconds")?;
    let (response_us, responses) = (frame.ints("response_time_sum_us")?, frame.ints("response_time_count")?);
    let errors = frame.ints("error_count")?;
    let is_bot = frame.bools("is_bot")?;
    for row in 0..frame.height() {
        if !chatbots.contains(row) {
            continue;
        }
        if is_bot.is_true(row) && !query.include_bots {
            visit(row, &Totals { bots: 1, ..Totals::default() });
            continue;
        }
        let totals = Totals {
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
        };
        visit(row, &totals);
    }
    Ok(())
}
