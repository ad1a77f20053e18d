//! Conversion of daily statistics to and from the `daily_stats` table, and the columns of
//! `sessions` that statistics are computed from.

use std::borrow::Borrow;

use super::column_order::in_table_order;
use crate::daily_stats::{DailyStats, SessionFacts};
use crate::error::{Error, Result};
use crate::event::{KeyKind, NO_TIME, session_key_hash};
use crate::store::columns::{Column, ColumnType, Table};
use crate::store::encode::{Chunk, DeltaWidth, Float, GROUP_TEXT_BYTES, NumberColumn, TextColumn};
use crate::store::frame::{Cells, Frame, Ints};
use crate::time::{Day, Micros};

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

/// The function that returns the value of a column from a row of statistics.
enum Value {
    Text(fn(&DailyStats) -> &str),
    Id,
    Float(fn(&DailyStats) -> f64),
    Int(fn(&DailyStats) -> i64),
    OptionalInt(fn(&DailyStats) -> Option<i64>),
}

impl Value {
    fn of_column(name: &str) -> Value {
        use Value::{Float, Int, OptionalInt, Text};
        match name {
            "id" => Value::Id,
            "chatbot_id" => Text(|d| &d.chatbot_id),
            "stat_date" => Int(|d| i64::from(d.stat_date.0)),
            "total_sessions" => Int(|d| d.total_sessions),
            "unique_visitors" => Int(|d| d.unique_visitors),
            "new_visitors" => Int(|d| d.new_visitors),
            "returning_visitors" => Int(DailyStats::returning_visitors),
            "total_conversations" => Int(|d| d.total_conversations),
            "total_messages_sent" => Int(|d| d.total_messages_sent),
            "total_messages_received" => Int(|d| d.total_messages_received),
            "avg_messages_per_session" => Float(DailyStats::avg_messages_per_session),
            "avg_session_duration_seconds" => Int(DailyStats::avg_session_duration_seconds),
            "widget_loads" => Int(|d| d.widget_loads),
            "widget_opens" => Int(|d| d.widget_opens),
            "conversion_rate" => Float(DailyStats::conversion_rate),
            "error_count" => Int(|d| d.error_count),
            "top_referrers" => Text(|d| &d.top_referrers),
            "top_landing_pages" => Text(|d| &d.top_landing_pages),
            "utm_sources" => Text(|d| &d.utm_sources),
            "desktop_sessions" => Int(|d| d.desktop_sessions),
            "mobile_sessions" => Int(|d| d.mobile_sessions),
            "tablet_sessions" => Int(|d| d.tablet_sessions),
            "bot_sessions" => Int(|d| d.bot_sessions),
            "avg_response_time_ms" => OptionalInt(DailyStats::avg_response_time_ms),
            "session_duration_sum_seconds" => Int(|d| d.session_duration_sum_seconds),
            "response_time_sum_us" => Int(|d| d.response_time_sum_us),
            "response_time_count" => Int(|d| d.response_time_count),
            "created_at" => Int(|d| d.created_at),
            // "updated_at": the table has no other column.
            _ => Int(|d| d.updated_at),
        }
    }
}

/// Returns a frame of rows, in this order.
pub fn frame<R: Borrow<DailyStats>>(rows: &[R]) -> Result<Frame> {
    let id_buffer = &mut uuid::Uuid::encode_buffer();
    Frame::from_columns(Table::DailyStats, rows.len(), |name, column| {
        let rows = rows.iter().map(Borrow::borrow);
        match Value::of_column(name) {
            Value::Text(value) => rows.for_each(|row| column.text(Some(value(row)))),
            Value::Id => {
                rows.for_each(|row| column.text(Some(row.id().hyphenated().encode_lower(id_buffer))))
            }
            Value::Float(value) => rows.for_each(|row| column.float(Some(value(row)))),
            Value::Int(value) => rows.for_each(|row| column.int(Some(value(row)))),
            Value::OptionalInt(value) => rows.for_each(|row| column.int(value(row))),
        }
    })
}

/// Encodes the first rows as a row group. Returns their number and their columns. All rows are
/// encoded, unless their distinct strings exceed [`GROUP_TEXT_BYTES`].
///
/// A single pass fills all columns, since a row takes several hundred bytes and a day can have very
/// many chatbots.
///
/// # Errors
/// Fails if the table has a column that this module does not know.
pub(in crate::store) fn row_group(rows: &[&DailyStats]) -> Result<(usize, Vec<Chunk>)> {
    let columns = Table::DailyStats.columns();
    let mut encoders: Vec<ValueEncoder<'_>> =
        columns.iter().map(|column| ValueEncoder::new(column, rows.len())).collect();
    let (mut encoded, mut text_bytes) = (0, 0);
    for row in rows {
        text_bytes += encoders.iter_mut().map(|encoder| encoder.push(row)).sum::<usize>();
        encoded += 1;
        if text_bytes >= GROUP_TEXT_BYTES {
            break;
        }
    }
    let names = columns.iter().map(|column| column.name);
    let columns = names.zip(encoders.into_iter().map(|encoder| encoder.finish(encoded)));
    Ok((encoded, in_table_order(Table::DailyStats, columns.collect())?))
}

/// Encodes a column of rows of statistics.
enum ValueEncoder<'a> {
    Text(fn(&DailyStats) -> &str, TextColumn<'a>),
    Ids(Vec<u128>),
    Floats(fn(&DailyStats) -> f64, NumberColumn<Float>),
    Dates(fn(&DailyStats) -> i64, NumberColumn<i32>),
    Times(fn(&DailyStats) -> i64, Vec<Micros>),
    Ints(fn(&DailyStats) -> i64, NumberColumn<i64>),
    OptionalInts(fn(&DailyStats) -> Option<i64>, NumberColumn<i64>),
}

impl<'a> ValueEncoder<'a> {
    fn new(column: &Column, rows: usize) -> ValueEncoder<'a> {
        match (Value::of_column(column.name), column.kind) {
            (Value::Text(value), _) => ValueEncoder::Text(value, TextColumn::default()),
            (Value::Id, _) => ValueEncoder::Ids(Vec::with_capacity(rows)),
            (Value::Float(value), _) => ValueEncoder::Floats(value, NumberColumn::default()),
            (Value::Int(value), ColumnType::Date) => ValueEncoder::Dates(value, NumberColumn::default()),
            (Value::Int(value), ColumnType::Timestamp) => {
                ValueEncoder::Times(value, Vec::with_capacity(rows))
            }
            (Value::Int(value), _) => ValueEncoder::Ints(value, NumberColumn::default()),
            (Value::OptionalInt(value), _) => ValueEncoder::OptionalInts(value, NumberColumn::default()),
        }
    }

    /// Appends the value of a row. Returns the length of a string that no earlier row has.
    fn push(&mut self, row: &'a DailyStats) -> usize {
        match self {
            ValueEncoder::Text(value, column) => return column.push(Some(value(row))),
            ValueEncoder::Ids(ids) => ids.push(row.id().as_u128()),
            ValueEncoder::Floats(value, column) => column.push(Some(Float(value(row)))),
            ValueEncoder::Dates(value, column) => column.push(i32::try_from(value(row)).ok()),
            ValueEncoder::Times(value, times) => times.push(value(row)),
            ValueEncoder::Ints(value, column) => column.push(Some(value(row))),
            ValueEncoder::OptionalInts(value, column) => column.push(value(row)),
        }
        0
    }

    fn finish(self, rows: usize) -> Chunk {
        match self {
            ValueEncoder::Text(_, column) => column.finish(rows),
            ValueEncoder::Ids(ids) => Chunk::from_uuids(&ids),
            ValueEncoder::Floats(_, column) => column.finish(rows),
            ValueEncoder::Dates(_, column) => column.finish(rows),
            ValueEncoder::Times(_, times) => {
                Chunk::from_times(&times, NO_TIME, DeltaWidth::for_times(Table::DailyStats))
            }
            ValueEncoder::Ints(_, column) | ValueEncoder::OptionalInts(_, column) => column.finish(rows),
        }
    }
}

/// Returns whether a frame contains exactly the given rows, with all derived columns. This is
/// equivalent to a comparison with [`frame`], without building one.
pub fn is_frame_of(frame: &Frame, rows: &[DailyStats]) -> bool {
    let columns = Table::DailyStats.columns();
    let names = columns.iter().map(|column| column.name);
    frame.height() == rows.len()
        && frame.column_names().eq(names)
        && columns.iter().all(|column| {
            let stored = frame.cells(column);
            stored.is_ok_and(|stored| has_values(&stored, Value::of_column(column.name), rows))
        })
}

/// Returns whether a column has the values of the given rows.
fn has_values(stored: &Cells, value: Value, rows: &[DailyStats]) -> bool {
    let id_buffer = &mut uuid::Uuid::encode_buffer();
    let mut rows = (0..).zip(rows);
    match (value, stored) {
        (Value::Text(value), Cells::Text(stored) | Cells::Json(stored)) => {
            rows.all(|(at, row)| stored.get(at) == Some(value(row)))
        }
        (Value::Id, Cells::Text(stored)) => {
            rows.all(|(at, row)| stored.get(at) == Some(&*row.id().hyphenated().encode_lower(id_buffer)))
        }
        (Value::Float(value), Cells::Float(stored)) => {
            rows.all(|(at, row)| stored.get(at).is_some_and(|stored| stored.total_cmp(&value(row)).is_eq()))
        }
        (Value::Int(value), Cells::Int(stored) | Cells::Time(stored) | Cells::Date(stored)) => {
            rows.all(|(at, row)| stored.get(at) == Some(value(row)))
        }
        (Value::OptionalInt(value), Cells::Int(stored)) => rows.all(|(at, row)| stored.get(at) == value(row)),
        _ => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daily_stats::DayAggregate;

    /// Returns rows whose values differ from column to column and from row to row.
    fn rows() -> Vec<DailyStats> {
        let row = |number: i64| {
            let chatbot = format!("chatbot {number}");
            let mut row = DayAggregate::default().row(chatbot, Day(number as i32), 5, 10, number);
            let sums = row.sums_mut().into_iter().zip(1..);
            sums.for_each(|((_, sum), n)| *sum = number * 100 + n);
            (row.unique_visitors, row.updated_at) = (number * 1000, -number);
            row.session_duration_sum_seconds *= number;
            row.top_referrers = format!("[{number}]");
            row.utm_sources = format!("[\"a long campaign source of chatbot {number}\"]");
            row
        };
        let mut rows: Vec<DailyStats> = (1..20).map(row).collect();
        // The mean of no response times is null.
        rows[3].response_time_count = 0;
        rows
    }

    #[test]
    fn row_group_has_the_values_of_a_frame() {
        let rows = rows();
        let (encoded, columns) = row_group(&rows.iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(encoded, rows.len());
        let mut builder = crate::store::encode::FileBuilder::with_capacity(Table::DailyStats, encoded);
        builder.add(encoded, columns).unwrap();
        let bytes = builder.finish().unwrap();
        let direct = crate::store::parquet::decode(bytes, None).unwrap();
        assert!(direct == frame(&rows).unwrap());
        // Row groups of a few long strings end early.
        let long = |number: usize| DailyStats {
            utm_sources: "0".repeat(GROUP_TEXT_BYTES / 2) + &number.to_string(),
            ..rows[0].clone()
        };
        let long: Vec<DailyStats> = (0..3).map(long).collect();
        assert_eq!(row_group(&long.iter().collect::<Vec<_>>()).unwrap().0, 2);
    }

    #[test]
    fn is_frame_of_agrees_with_a_comparison_of_frames() {
        let rows = rows();
        let stored = frame(&rows).unwrap();
        assert!(is_frame_of(&stored, &rows));
        assert_eq!(read(&stored).unwrap(), rows);
        assert!(!is_frame_of(&stored, &rows[1..]));
        assert!(!is_frame_of(&stored.slice(1, 18), &rows[..18]));
        // Each column is compared: replace one by its values in the reverse order.
        let order: Vec<u32> = (0..rows.len() as u32).rev().collect();
        let reversed = stored.gather(&order).unwrap();
        for column in Table::DailyStats.columns() {
            let names = || Table::DailyStats.columns().iter().map(|column| column.name);
            let parts = names().map(|name| {
                let source = if name == column.name { &reversed } else { &stored };
                source.select(&[name]).unwrap()
            });
            let changed = Frame::join_columns(rows.len(), parts.collect()).unwrap();
            let is_same = changed == frame(&rows).unwrap();
            assert_eq!(is_frame_of(&changed, &rows), is_same, "{}", column.name);
            let is_constant = ["top_landing_pages", "new_visitors"].contains(&column.name);
            assert_eq!(is_same, is_constant, "{}", column.name);
        }
        let names: Vec<&str> = stored.column_names().skip(1).collect();
        assert!(!is_frame_of(&stored.select(&names).unwrap(), &rows), "a column is missing");
    }
}
