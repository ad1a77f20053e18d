//! Conversion of daily statistics to and from the `daily_stats` table, and the columns of
//! `sessions` that statistics are computed from.

use crate::daily_stats::{DailyStats, SessionFacts};
use crate::error::{Error, Result};
use crate::event::{KeyKind, session_key_hash};
use crate::store::columns::Table;
use crate::store::frame::{Frame, Ints};
use crate::time::Day;

/// The columns of `sessions` that daily statistics are computed from.
pub const FACT_COLUMNS: [&str; 17] = [
    "chatbot_id",
    "session_id",
    "anonymous_id",
    "user_id",
    "is_bot",
    "messages_sent",
    "messages_received",
    "widget_loads",
    "widget_opened_count",
    "error_count",
    "duration_seconds",
    "response_time_sum_us",
    "response_time_count",
    "referrer_domain",
    "landing_page",
    "utm_source",
    "device_type",
];

/// Calls `each` with the chatbot and the facts of each session. The frame must have the
/// [`FACT_COLUMNS`].
///
/// # Errors
/// Fails if the frame lacks a column.
pub fn for_each_session<'a>(frame: &'a Frame, each: impl FnMut(&'a str, SessionFacts<'a>)) -> Result<()> {
    for_each_session_of(frame, |_| true, each)
}

/// Calls `each` as [`for_each_session`] does, for the chatbots that `is_selected` accepts.
/// `is_selected` is called once for adjacent sessions of one chatbot.
///
/// # Errors
/// Fails if the frame lacks a column.
pub fn for_each_session_of<'a>(
    frame: &'a Frame,
    is_selected: impl Fn(&str) -> bool,
    mut each: impl FnMut(&'a str, SessionFacts<'a>),
) -> Result<()> {
    let text = |name: &str| frame.texts(name);
    let number = |name: &str| frame.ints(name);
    let (chatbots, sessions) = (text("chatbot_id")?, text("session_id")?);
    let (anonymous, users) = (text("anonymous_id")?, text("user_id")?);
    let bots = frame.bools("is_bot")?;
    let (sent, received) = (number("messages_sent")?, number("messages_received")?);
    let (loads, opens) = (number("widget_loads")?, number("widget_opened_count")?);
    let (errors, durations) = (number("error_count")?, number("duration_seconds")?);
    let (sums, counts) = (number("response_time_sum_us")?, number("response_time_count")?);
    let (domains, pages) = (text("referrer_domain")?, text("landing_page")?);
    let (campaigns, devices) = (text("utm_source")?, text("device_type")?);
    let mut last = None;
    for i in 0..frame.height() {
        let (token, chatbot) = (chatbots.token(i), chatbots.get(i).unwrap_or(""));
        let selected = match last {
            Some((last, selected)) if last == token => selected,
            _ => is_selected(chatbot),
        };
        last = Some((token, selected));
        if !selected {
            continue;
        }
        let (kind, id) = match (anonymous.get(i), users.get(i)) {
            (Some(id), _) => (KeyKind::Anonymous, id),
            (None, Some(id)) => (KeyKind::User, id),
            (None, None) => (KeyKind::Session, sessions.get(i).unwrap_or("")),
        };
        let value = |column: &Ints| column.get(i).unwrap_or(0);
        each(
            chatbot,
            SessionFacts {
                visitor: session_key_hash(chatbot, kind, id),
                only_session_key: kind == KeyKind::Session,
                is_bot: bots.is_true(i),
                messages_sent: value(sent),
                messages_received: value(received),
                widget_loads: value(loads),
                widget_opens: value(opens),
                errors: value(errors),
                duration_seconds: value(durations),
                response_sum_us: value(sums),
                response_count: value(counts),
                referrer_domain: domains.get(i),
                landing_page: pages.get(i),
                utm_source: campaigns.get(i),
                device_type: devices.get(i),
            },
        );
    }
    Ok(())
}

/// Returns a frame of rows, in this order.
pub fn frame(days: &[DailyStats]) -> Result<Frame> {
    type TextOf = fn(&DailyStats) -> &str;
    type IntOf = fn(&DailyStats) -> i64;
    Frame::from_columns(Table::DailyStats, days.len(), |name, column| {
        let mut texts = |value: TextOf| days.iter().for_each(|day| column.text(Some(value(day))));
        match name {
            "chatbot_id" => return texts(|d| &d.chatbot_id),
            "top_referrers" => return texts(|d| &d.top_referrers),
            "top_landing_pages" => return texts(|d| &d.top_landing_pages),
            "utm_sources" => return texts(|d| &d.utm_sources),
            "id" => return days.iter().for_each(|day| column.text(Some(&day.id().to_string()))),
            "avg_messages_per_session" => {
                return days.iter().for_each(|day| column.float(Some(day.avg_messages_per_session())));
            }
            "conversion_rate" => {
                return days.iter().for_each(|day| column.float(Some(day.conversion_rate())));
            }
            "avg_response_time_ms" => {
                return days.iter().for_each(|day| column.int(day.avg_response_time_ms()));
            }
            _ => {}
        }
        let ints: IntOf = match name {
            "stat_date" => |d| i64::from(d.stat_date.0),
            "total_sessions" => |d| d.total_sessions,
            "unique_visitors" => |d| d.unique_visitors,
            "new_visitors" => |d| d.new_visitors,
            "returning_visitors" => DailyStats::returning_visitors,
            "total_conversations" => |d| d.total_conversations,
            "total_messages_sent" => |d| d.total_messages_sent,
            "total_messages_received" => |d| d.total_messages_received,
            "avg_session_duration_seconds" => DailyStats::avg_session_duration_seconds,
            "widget_loads" => |d| d.widget_loads,
            "widget_opens" => |d| d.widget_opens,
            "error_count" => |d| d.error_count,
            "desktop_sessions" => |d| d.desktop_sessions,
            "mobile_sessions" => |d| d.mobile_sessions,
            "tablet_sessions" => |d| d.tablet_sessions,
            "bot_sessions" => |d| d.bot_sessions,
            "session_duration_sum_seconds" => |d| d.session_duration_sum_seconds,
            "response_time_sum_us" => |d| d.response_time_sum_us,
            "response_time_count" => |d| d.response_time_count,
            "created_at" => |d| d.created_at,
            // "updated_at": the table has no other column.
            _ => |d| d.updated_at,
        };
        days.iter().for_each(|day| column.int(Some(ints(day))));
    })
}

/// Reads the rows of a frame with all columns.
///
/// # Errors
/// Fails if a column is missing or has the wrong type, or if a row has no date.
pub fn read(frame: &Frame) -> Result<Vec<DailyStats>> {
    let dates = frame.ints("stat_date")?;
    // Looking up a column by its name takes longer than reading a value.
    let text = |name: &str| {
        frame.texts(name).map(|column| move |row: usize| column.get(row).unwrap_or("").to_owned())
    };
    let int = |name: &str| frame.ints(name).map(|column| move |row: usize| column.or_zero(row));
    let chatbot_id = text("chatbot_id")?;
    let top_referrers = text("top_referrers")?;
    let top_landing_pages = text("top_landing_pages")?;
    let utm_sources = text("utm_sources")?;
    let total_sessions = int("total_sessions")?;
    let unique_visitors = int("unique_visitors")?;
    let new_visitors = int("new_visitors")?;
    let total_conversations = int("total_conversations")?;
    let total_messages_sent = int("total_messages_sent")?;
    let total_messages_received = int("total_messages_received")?;
    let widget_loads = int("widget_loads")?;
    let widget_opens = int("widget_opens")?;
    let error_count = int("error_count")?;
    let desktop_sessions = int("desktop_sessions")?;
    let mobile_sessions = int("mobile_sessions")?;
    let tablet_sessions = int("tablet_sessions")?;
    let bot_sessions = int("bot_sessions")?;
    let session_duration_sum_seconds = int("session_duration_sum_seconds")?;
    let response_time_sum_us = int("response_time_sum_us")?;
    let response_time_count = int("response_time_count")?;
    let created_at = int("created_at")?;
    let updated_at = int("updated_at")?;
    let read_row = |row: usize| {
        let date = dates.get_i32(row).ok_or_else(|| Error::failed("a row of daily_stats has no date"))?;
        Ok(DailyStats {
            chatbot_id: chatbot_id(row),
            stat_date: Day(date),
            total_sessions: total_sessions(row),
            unique_visitors: unique_visitors(row),
            new_visitors: new_visitors(row),
            total_conversations: total_conversations(row),
            total_messages_sent: total_messages_sent(row),
            total_messages_received: total_messages_received(row),
            widget_loads: widget_loads(row),
            widget_opens: widget_opens(row),
            error_count: error_count(row),
            top_referrers: top_referrers(row),
            top_landing_pages: top_landing_pages(row),
            utm_sources: utm_sources(row),
            desktop_sessions: desktop_sessions(row),
            mobile_sessions: mobile_sessions(row),
            tablet_sessions: tablet_sessions(row),
            bot_sessions: bot_sessions(row),
            session_duration_sum_seconds: session_duration_sum_seconds(row),
            response_time_sum_us: response_time_sum_us(row),
            response_time_count: response_time_count(row),
            created_at: created_at(row),
            updated_at: updated_at(row),
        })
    };
    (0..frame.height()).map(read_row).collect()
}
