//! Sessions to the `sessions` table, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use polars::prelude::*;

use super::build::Reader;
use super::merge_state::MergeState;
use crate::context::{Agent, DeviceType};
use crate::error::{Error, Result};
use crate::event::{KeyKind, Position, key_hash};
use crate::session::{First, Last, Place, SessionKey, Source, Summary};
use crate::store::columns::{SESSIONS, Table};
use crate::store::encode::{self, Encoded, FileBuilder, ROW_GROUP, TextColumn};
use crate::time::Micros;

/// The columns by which a session is found: its key and its interval.
pub const KEY_COLUMNS: [&str; 6] =
    ["chatbot_id", "session_id", "anonymous_id", "user_id", "started_at", "ended_at"];

/// Makes the columns of a row group of sessions, in the order given.
pub fn columns(sessions: &[Summary]) -> Result<Vec<Encoded>> {
    let counts: Vec<String> = sessions.iter().map(|s| counts_text(&s.counts)).collect();
    let states: Vec<Option<String>> = sessions.iter().map(|s| MergeState::of(s).to_text()).collect();
    let text = |value: fn(&Summary) -> Option<&str>| texts(sessions.iter().map(value));
    let number = |value: fn(&Summary) -> i64| Ok(encode::numbers(sessions.iter().map(value)));
    let count = |names: &[&str]| {
        let of = |s: &Summary| names.iter().map(|name| s.count(name)).sum::<u64>() as i64;
        Ok(encode::numbers(sessions.iter().map(of)))
    };
    let time = |value: fn(&Summary) -> Micros| {
        Ok(encode::deltas(sessions.iter().map(value).collect(), None, encode::timestamps()))
    };
    let flag = |value: fn(&Summary) -> bool| Ok(encode::booleans(sessions.iter().map(value)));
    let source = |value: fn(&Source) -> Option<&String>| {
        texts(sessions.iter().map(|s| s.source.value().and_then(value).map(String::as_str)))
    };
    let agent = |value: fn(&Agent) -> Option<&str>| {
        texts(sessions.iter().map(|s| s.agent.value().and_then(|a| value(a))))
    };
    let place = |value: fn(&Place) -> Option<&String>| {
        texts(sessions.iter().map(|s| s.place.value().and_then(value).map(String::as_str)))
    };
    let side = |value: fn((Option<i32>, Option<i32>)) -> Option<i32>| {
        Ok(encode::small_numbers(sessions.iter().map(|s| s.screen.value().copied().and_then(value))))
    };
    SESSIONS
        .iter()
        .map(|column| match column.name {
            "id" => Ok(encode::uuids(sessions.iter().map(|s| s.id().as_u128()))),
            "chatbot_id" => text(|s| Some(&s.key.chatbot_id)),
            "session_id" => text(|s| (s.key.kind == KeyKind::Session).then_some(s.key.value.as_str())),
            "anonymous_id" => text(|s| s.anonymous_id.value().map(String::as_str)),
            "user_id" => text(|s| s.user_id.value().map(String::as_str)),
            "user_email" => text(|s| s.profile().and_then(|p| p.user_email.as_deref())),
            "user_name" => text(|s| s.profile().and_then(|p| p.user_name.as_deref())),
            "user_metadata" => text(|s| s.profile().and_then(|p| p.user_metadata.as_deref())),
            "started_at" => time(|s| s.first.time),
            "ended_at" => time(|s| s.ended_at),
            "duration_seconds" => number(Summary::duration_seconds),
            "referrer" => source(|s| s.referrer.as_ref()),
            "referrer_domain" => source(|s| s.referrer_domain.as_ref()),
            "channel" => source(|s| s.channel.as_ref()),
            "landing_page" => text(Summary::landing),
            "utm_source" => source(|s| s.utm_source.as_ref()),
            "utm_medium" => source(|s| s.utm_medium.as_ref()),
            "utm_campaign" => source(|s| s.utm_campaign.as_ref()),
            "user_agent" => agent(|a| Some(&a.user_agent)),
            "browser_name" => agent(|a| a.browser_name.as_deref()),
            "browser_version" => agent(|a| a.browser_version.as_deref()),
            "os_name" => agent(|a| a.os_name.as_deref()),
            "os_version" => agent(|a| a.os_version.as_deref()),
            "device_type" => agent(|a| Some(a.device_type.name())),
            "is_bot" => flag(Summary::is_bot),
            "screen_width" => side(|size| size.0),
            "screen_height" => side(|size| size.1),
            "ip_address" => place(|p| p.ip_address.as_ref()),
            "country_code" => place(|p| p.country_code.as_ref()),
            "city" => place(|p| p.city.as_ref()),
            "messages_sent" => count(&["message_sent"]),
            "messages_received" => count(&["message_received"]),
            "widget_opened_count" => count(&["widget_opened"]),
            "widget_minimized_count" => count(&["widget_minimized"]),
            "widget_loads" => count(&["widget_loaded"]),
            "page_views" => count(&["page_viewed", "page_view"]),
            "error_count" => number(|s| s.errors as i64),
            "event_count" => number(|s| s.event_count() as i64),
            "event_counts" => texts(counts.iter().map(|counts| Some(counts.as_str()))),
            "avg_response_time_ms" => Ok(encode::numbers_or_null(
                sessions.iter().map(|s| mean_ms(s.response_sum_us, s.response_count)),
            )),
            "response_time_sum_us" => number(|s| i64::try_from(s.response_sum_us).unwrap_or(i64::MAX)),
            "response_time_count" => number(|s| s.response_count as i64),
            "had_conversation" => flag(|s| s.count("message_sent") > 0),
            "completed_pre_chat_form" => flag(|s| s.count("pre_chat_form_submitted") > 0),
            "triggered_by" => text(|s| s.triggered_by.value().map(String::as_str)),
            "first_event_id" => Ok(encode::uuids(sessions.iter().map(|s| s.first.id))),
            "created_at" => time(|s| s.created_at),
            "updated_at" => time(|s| s.updated_at),
            "merge_state" => texts(states.iter().map(Option::as_deref)),
            name => Err(Error::failed(format!("no code fills the column {name:?} of sessions"))),
        })
        .collect()
}

/// Makes the bytes of a file of sessions: some of them as summaries, the others as rows of files
/// that it replaces.
pub fn file(sessions: &[Summary], others: &[DataFrame]) -> Result<Vec<u8>> {
    let mut builder = FileBuilder::new(Table::Sessions)?;
    for sessions in sessions.chunks(ROW_GROUP) {
        builder.add(sessions.len(), columns(sessions)?)?;
    }
    for frame in others {
        builder.add_frame(frame)?;
    }
    builder.finish()
}

/// Makes a frame of sessions, in the order given: for those few that an erasure changes.
pub fn frame(sessions: &[Summary]) -> Result<DataFrame> {
    let bytes = file(sessions, &[])?;
    crate::store::parquet::decode(crate::store::fs::Opened::Bytes(bytes), None)
        .map_err(|why| Error::failed("cannot put sessions together").caused_by(why))
}

fn texts<'a>(values: impl ExactSizeIterator<Item = Option<&'a str>>) -> Result<Encoded> {
    let mut column = TextColumn::with_capacity(values.len());
    values.for_each(|value| column.push(value));
    column.finish()
}

/// Returns a mean in whole milliseconds, rounded half up, of a sum in microseconds; `None` of none.
pub fn mean_ms(sum_us: u64, count: u64) -> Option<i64> {
    if count == 0 {
        return None;
    }
    let (sum, count) = (u128::from(sum_us), u128::from(count));
    // round(sum / (1000 × count)) = floor((2 × sum + 1000 × count) / (2 × 1000 × count))
    i64::try_from((2 * sum + 1000 * count) / (2000 * count)).ok()
}

/// Writes counts by name as a JSON object, names in order.
fn counts_text(counts: &BTreeMap<String, u64>) -> String {
    serde_json::to_string(counts).unwrap_or_default()
}

/// Returns the hash of each row's session key, with its interval.
///
/// The frame needs the [`KEY_COLUMNS`].
pub fn keys(frame: &DataFrame) -> Result<Vec<(u128, Micros, Micros)>> {
    let reader = Reader(frame);
    let (chatbots, ids) = (reader.text("chatbot_id")?, key_texts(&reader)?);
    let (starts, ends) = (reader.int64("started_at")?, reader.int64("ended_at")?);
    Ok((0..frame.height())
        .map(|i| {
            let (kind, value) = key_of(&ids, i);
            let key = key_hash(chatbots.get(i).unwrap_or(""), kind, value);
            (key, starts.get(i).unwrap_or(0), ends.get(i).unwrap_or(0))
        })
        .collect())
}

fn key_texts<'a>(reader: &Reader<'a>) -> Result<[&'a StringChunked; 3]> {
    Ok([reader.text("session_id")?, reader.text("anonymous_id")?, reader.text("user_id")?])
}

/// A session without `session_id` is held together by its visitor's id, else by its user's: all
/// its events have that id, so the column shows it.
fn key_of<'a>(ids: &[&'a StringChunked; 3], row: usize) -> (KeyKind, &'a str) {
    match (ids[0].get(row), ids[1].get(row), ids[2].get(row)) {
        (Some(id), _, _) => (KeyKind::Session, id),
        (None, Some(id), _) => (KeyKind::Anonymous, id),
        (None, None, id) => (KeyKind::User, id.unwrap_or("")),
    }
}

/// Reads a frame of whole rows back into summaries.
pub fn read(frame: &DataFrame) -> Result<Vec<Summary>> {
    let reader = Reader(frame);
    let text = |name: &str| reader.text(name);
    let chatbots = text("chatbot_id")?;
    let ids = key_texts(&reader)?;
    let (starts, ends) = (reader.int64("started_at")?, reader.int64("ended_at")?);
    let sources = [
        text("referrer")?,
        text("referrer_domain")?,
        text("channel")?,
        text("utm_source")?,
        text("utm_medium")?,
        text("utm_campaign")?,
    ];
    let landing_pages = text("landing_page")?;
    let agents = [
        text("user_agent")?,
        text("browser_name")?,
        text("browser_version")?,
        text("os_name")?,
        text("os_version")?,
        text("device_type")?,
    ];
    let bots = reader.boolean("is_bot")?;
    let screens = [reader.int32("screen_width")?, reader.int32("screen_height")?];
    let places = [text("ip_address")?, text("country_code")?, text("city")?];
    let (errors, counts) = (reader.int64("error_count")?, text("event_counts")?);
    let (sums, numbers) = (reader.int64("response_time_sum_us")?, reader.int64("response_time_count")?);
    let triggers = text("triggered_by")?;
    let first_ids = text("first_event_id")?;
    let states = text("merge_state")?;
    let (created, updated) = (reader.int64("created_at")?, reader.int64("updated_at")?);

    let unreadable = |what: &str, e: serde_json::Error| {
        Error::failed(format!("a session's {what} cannot be read")).caused_by(e)
    };
    (0..frame.height())
        .map(|i| {
            let owned = |column: &StringChunked| column.get(i).map(str::to_owned);
            let time = starts.get(i).unwrap_or(0);
            let id = first_ids.get(i).and_then(|id| uuid::Uuid::try_parse(id).ok());
            let first = Position { time, id: id.map_or(0, |id| id.as_u128()) };
            let at_first = |value: Option<String>| value.map(|value| (first, value));
            let (kind, value) = key_of(&ids, i);
            let source = Source {
                referrer: owned(sources[0]),
                referrer_domain: owned(sources[1]),
                channel: owned(sources[2]),
                utm_source: owned(sources[3]),
                utm_medium: owned(sources[4]),
                utm_campaign: owned(sources[5]),
            };
            let agent = owned(agents[0]).map(|user_agent| {
                Arc::new(Agent {
                    user_agent,
                    browser_name: owned(agents[1]),
                    browser_version: owned(agents[2]),
                    os_name: owned(agents[3]),
                    os_version: owned(agents[4]),
                    device_type: DeviceType::from_name(agents[5].get(i).unwrap_or("")),
                    is_bot: bots.get(i).unwrap_or(false),
                })
            });
            let screen = (screens[0].get(i), screens[1].get(i));
            let place = Place {
                ip_address: owned(places[0]),
                country_code: owned(places[1]),
                city: owned(places[2]),
            };
            let number =
                |column: &Int64Chunked| column.get(i).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
            let mut summary = Summary {
                key: SessionKey {
                    chatbot_id: chatbots.get(i).unwrap_or("").to_owned(),
                    kind,
                    value: value.to_owned(),
                },
                first,
                ended_at: ends.get(i).unwrap_or(time),
                anonymous_id: First(at_first(owned(ids[1]))),
                source: First((source != Source::default()).then_some((first, source))),
                agent: First(agent.map(|agent| (first, agent))),
                screen: First((screen != (None, None)).then_some((first, screen))),
                place: First((place != Place::default()).then_some((first, place))),
                landing_page: First(at_first(owned(landing_pages))),
                landing_path: First(None),
                triggered_by: First(at_first(owned(triggers))),
                user_id: Last(at_first(owned(ids[2]))),
                profiles: BTreeMap::new(),
                counts: serde_json::from_str(counts.get(i).unwrap_or("{}"))
                    .map_err(|e| unreadable("event_counts", e))?,
                errors: number(errors),
                response_sum_us: number(sums),
                response_count: number(numbers),
                created_at: created.get(i).unwrap_or(0),
                updated_at: updated.get(i).unwrap_or(0),
            };
            let state = MergeState::from_text(states.get(i)).map_err(|e| unreadable("merge_state", e))?;
            state.restore(&mut summary);
            Ok(summary)
        })
        .collect()
}
