//! Daily statistics to the `daily_stats` table, and back; and what they take from `sessions`.

use polars::prelude::*;

use super::build::{self, Reader};
use crate::daily_stats::{DailyStats, SessionFacts};
use crate::error::{Error, Result};
use crate::event::{KeyKind, session_key_hash};
use crate::store::columns::DAILY_STATS;
use crate::time::Day;

/// The columns of `sessions` that daily statistics are made of.
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

/// Hands the chatbot and the facts of each session in a frame of the [`FACT_COLUMNS`] to `each`.
pub fn facts<'a>(frame: &'a DataFrame, mut each: impl FnMut(&'a str, SessionFacts<'a>)) -> Result<()> {
    let reader = Reader(frame);
    let text = |name: &str| reader.text(name);
    let number = |name: &str| reader.int64(name);
    let (chatbots, sessions) = (text("chatbot_id")?, text("session_id")?);
    let (anonymous, users) = (text("anonymous_id")?, text("user_id")?);
    let bots = reader.boolean("is_bot")?;
    let (sent, received) = (number("messages_sent")?, number("messages_received")?);
    let (loads, opens) = (number("widget_loads")?, number("widget_opened_count")?);
    let (errors, durations) = (number("error_count")?, number("duration_seconds")?);
    let (sums, counts) = (number("response_time_sum_us")?, number("response_time_count")?);
    let (domains, pages) = (text("referrer_domain")?, text("landing_page")?);
    let (campaigns, devices) = (text("utm_source")?, text("device_type")?);
    for i in 0..frame.height() {
        let chatbot = chatbots.get(i).unwrap_or("");
        let (kind, id) = match (anonymous.get(i), users.get(i)) {
            (Some(id), _) => (KeyKind::Anonymous, id),
            (None, Some(id)) => (KeyKind::User, id),
            (None, None) => (KeyKind::Session, sessions.get(i).unwrap_or("")),
        };
        let value = |column: &Int64Chunked| column.get(i).unwrap_or(0);
        each(
            chatbot,
            SessionFacts {
                visitor: session_key_hash(chatbot, kind, id),
                only_session_key: kind == KeyKind::Session,
                is_bot: bots.get(i).unwrap_or(false),
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

/// Makes a frame of rows, in the order given.
pub fn frame(days: &[DailyStats]) -> Result<DataFrame> {
    let rows = days.len();
    let text = |name: &str, value: fn(&DailyStats) -> &str| {
        build::text(name, rows, days.iter().map(|d| Some(value(d))))
    };
    let number = |name: &str, value: fn(&DailyStats) -> i64| build::int64(name, days.iter().map(value));
    let columns = DAILY_STATS
        .iter()
        .map(|column| match column.name {
            name @ "id" => build::uuid(name, rows, days.iter().map(|d| d.id().as_u128())),
            name @ "chatbot_id" => text(name, |d| &d.chatbot_id),
            name @ "stat_date" => build::date(name, days.iter().map(|d| d.stat_date.0)),
            name @ "total_sessions" => number(name, |d| d.total_sessions),
            name @ "unique_visitors" => number(name, |d| d.unique_visitors),
            name @ "new_visitors" => number(name, |d| d.new_visitors),
            name @ "returning_visitors" => number(name, DailyStats::returning_visitors),
            name @ "total_conversations" => number(name, |d| d.total_conversations),
            name @ "total_messages_sent" => number(name, |d| d.total_messages_sent),
            name @ "total_messages_received" => number(name, |d| d.total_messages_received),
            name @ "avg_messages_per_session" => {
                build::decimal(name, days.iter().map(DailyStats::avg_messages_per_session))
            }
            name @ "avg_session_duration_seconds" => number(name, DailyStats::avg_session_duration_seconds),
            name @ "widget_loads" => number(name, |d| d.widget_loads),
            name @ "widget_opens" => number(name, |d| d.widget_opens),
            name @ "conversion_rate" => build::decimal(name, days.iter().map(DailyStats::conversion_rate)),
            name @ "avg_response_time_ms" => {
                build::int64_option(name, days.iter().map(DailyStats::avg_response_time_ms))
            }
            name @ "error_count" => number(name, |d| d.error_count),
            name @ "top_referrers" => text(name, |d| &d.top_referrers),
            name @ "top_landing_pages" => text(name, |d| &d.top_landing_pages),
            name @ "utm_sources" => text(name, |d| &d.utm_sources),
            name @ "desktop_sessions" => number(name, |d| d.desktop_sessions),
            name @ "mobile_sessions" => number(name, |d| d.mobile_sessions),
            name @ "tablet_sessions" => number(name, |d| d.tablet_sessions),
            name @ "bot_sessions" => number(name, |d| d.bot_sessions),
            name @ "session_duration_sum_seconds" => number(name, |d| d.session_duration_sum_seconds),
            name @ "response_time_sum_us" => number(name, |d| d.response_time_sum_us),
            name @ "response_time_count" => number(name, |d| d.response_time_count),
            name @ "created_at" => build::timestamp(name, days.iter().map(|d| d.created_at)),
            // "updated_at": the definition has no other column.
            name => build::timestamp(name, days.iter().map(|d| d.updated_at)),
        })
        .collect();
    build::frame(rows, DAILY_STATS, columns)
}

/// Reads a frame of whole rows back.
pub fn read(frame: &DataFrame) -> Result<Vec<DailyStats>> {
    let reader = Reader(frame);
    let dates = reader.int32("stat_date")?;
    let texts = ["chatbot_id", "top_referrers", "top_landing_pages", "utm_sources"]
        .map(|name| reader.text(name))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let text = |n: usize, i: usize| texts.get(n).and_then(|c| c.get(i)).unwrap_or("").to_owned();
    let number = |name: &str, i: usize| reader.int64(name).map(|c| c.get(i).unwrap_or(0));
    (0..frame.height())
        .map(|i| {
            Ok(DailyStats {
                chatbot_id: text(0, i),
                stat_date: Day(dates
                    .get(i)
                    .ok_or_else(|| Error::failed("a row of daily_stats has no date"))?),
                total_sessions: number("total_sessions", i)?,
                unique_visitors: number("unique_visitors", i)?,
                new_visitors: number("new_visitors", i)?,
                total_conversations: number("total_conversations", i)?,
                total_messages_sent: number("total_messages_sent", i)?,
                total_messages_received: number("total_messages_received", i)?,
                widget_loads: number("widget_loads", i)?,
                widget_opens: number("widget_opens", i)?,
                error_count: number("error_count", i)?,
                top_referrers: text(1, i),
                top_landing_pages: text(2, i),
                utm_sources: text(3, i),
                desktop_sessions: number("desktop_sessions", i)?,
                mobile_sessions: number("mobile_sessions", i)?,
                tablet_sessions: number("tablet_sessions", i)?,
                bot_sessions: number("bot_sessions", i)?,
                session_duration_sum_seconds: number("session_duration_sum_seconds", i)?,
                response_time_sum_us: number("response_time_sum_us", i)?,
                response_time_count: number("response_time_count", i)?,
                created_at: number("created_at", i)?,
                updated_at: number("updated_at", i)?,
            })
        })
        .collect()
}
