//! Sessions to the `sessions` table, and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use polars::prelude::*;

use super::build::{self, Reader};
use super::merge_state::MergeState;
use crate::context::{Agent, DeviceType};
use crate::error::{Error, Result};
use crate::event::{KeyKind, Position, key_hash};
use crate::session::{First, Last, Place, SessionKey, Source, Summary};
use crate::store::columns::SESSIONS;
use crate::time::Micros;

/// The columns by which a session is found: its key and its interval.
pub const KEY_COLUMNS: [&str; 6] =
    ["chatbot_id", "session_id", "anonymous_id", "user_id", "started_at", "ended_at"];

/// Makes a frame of sessions, in the order given.
pub fn frame(sessions: &[Summary]) -> Result<DataFrame> {
    let rows = sessions.len();
    let text =
        |name: &str, value: fn(&Summary) -> Option<&str>| build::text(name, rows, sessions.iter().map(value));
    let number = |name: &str, value: fn(&Summary) -> i64| build::int64(name, sessions.iter().map(value));
    let source = |name: &str, value: fn(&Source) -> Option<&String>| {
        build::text(name, rows, sessions.iter().map(|s| s.source.value().and_then(value).map(String::as_str)))
    };
    let agent = |name: &str, value: fn(&Agent) -> Option<&str>| {
        build::text(name, rows, sessions.iter().map(|s| s.agent.value().and_then(|a| value(a))))
    };
    let place = |name: &str, value: fn(&Place) -> Option<&String>| {
        build::text(name, rows, sessions.iter().map(|s| s.place.value().and_then(value).map(String::as_str)))
    };
    let columns = SESSIONS
        .iter()
        .map(|column| match column.name {
            name @ "id" => build::uuid(name, rows, sessions.iter().map(|s| s.id().as_u128())),
            name @ "chatbot_id" => text(name, |s| Some(&s.key.chatbot_id)),
            name @ "session_id" => {
                text(name, |s| (s.key.kind == KeyKind::Session).then_some(s.key.value.as_str()))
            }
            name @ "anonymous_id" => text(name, |s| s.anonymous_id.value().map(String::as_str)),
            name @ "user_id" => text(name, |s| s.user_id.value().map(String::as_str)),
            name @ "user_email" => text(name, |s| s.profile().and_then(|p| p.user_email.as_deref())),
            name @ "user_name" => text(name, |s| s.profile().and_then(|p| p.user_name.as_deref())),
            name @ "user_metadata" => text(name, |s| s.profile().and_then(|p| p.user_metadata.as_deref())),
            name @ "started_at" => build::timestamp(name, sessions.iter().map(|s| s.first.time)),
            name @ "ended_at" => build::timestamp(name, sessions.iter().map(|s| s.ended_at)),
            name @ "duration_seconds" => number(name, Summary::duration_seconds),
            name @ "referrer" => source(name, |s| s.referrer.as_ref()),
            name @ "referrer_domain" => source(name, |s| s.referrer_domain.as_ref()),
            name @ "channel" => source(name, |s| s.channel.as_ref()),
            name @ "landing_page" => text(name, Summary::landing),
            name @ "utm_source" => source(name, |s| s.utm_source.as_ref()),
            name @ "utm_medium" => source(name, |s| s.utm_medium.as_ref()),
            name @ "utm_campaign" => source(name, |s| s.utm_campaign.as_ref()),
            name @ "user_agent" => agent(name, |a| Some(&a.user_agent)),
            name @ "browser_name" => agent(name, |a| a.browser_name.as_deref()),
            name @ "browser_version" => agent(name, |a| a.browser_version.as_deref()),
            name @ "os_name" => agent(name, |a| a.os_name.as_deref()),
            name @ "os_version" => agent(name, |a| a.os_version.as_deref()),
            name @ "device_type" => agent(name, |a| Some(a.device_type.name())),
            name @ "is_bot" => build::boolean(name, sessions.iter().map(Summary::is_bot)),
            name @ "screen_width" => {
                build::int32_option(name, sessions.iter().map(|s| s.screen.value().and_then(|v| v.0)))
            }
            name @ "screen_height" => {
                build::int32_option(name, sessions.iter().map(|s| s.screen.value().and_then(|v| v.1)))
            }
            name @ "ip_address" => place(name, |p| p.ip_address.as_ref()),
            name @ "country_code" => place(name, |p| p.country_code.as_ref()),
            name @ "city" => place(name, |p| p.city.as_ref()),
            name @ "messages_sent" => number(name, |s| s.count("message_sent") as i64),
            name @ "messages_received" => number(name, |s| s.count("message_received") as i64),
            name @ "widget_opened_count" => number(name, |s| s.count("widget_opened") as i64),
            name @ "widget_minimized_count" => number(name, |s| s.count("widget_minimized") as i64),
            name @ "widget_loads" => number(name, |s| s.count("widget_loaded") as i64),
            name @ "page_views" => number(name, |s| (s.count("page_viewed") + s.count("page_view")) as i64),
            name @ "error_count" => number(name, |s| s.errors as i64),
            name @ "event_count" => number(name, |s| s.event_count() as i64),
            name @ "event_counts" => {
                let counts: Vec<_> = sessions.iter().map(|s| counts_text(&s.counts)).collect();
                build::text(name, rows, counts.iter().map(|c| Some(c.as_str())))
            }
            name @ "avg_response_time_ms" => build::int64_option(
                name,
                sessions.iter().map(|s| mean_ms(s.response_sum_us, s.response_count)),
            ),
            name @ "response_time_sum_us" => {
                number(name, |s| i64::try_from(s.response_sum_us).unwrap_or(i64::MAX))
            }
            name @ "response_time_count" => number(name, |s| s.response_count as i64),
            name @ "had_conversation" => {
                build::boolean(name, sessions.iter().map(|s| s.count("message_sent") > 0))
            }
            name @ "completed_pre_chat_form" => {
                build::boolean(name, sessions.iter().map(|s| s.count("pre_chat_form_submitted") > 0))
            }
            name @ "triggered_by" => text(name, |s| s.triggered_by.value().map(String::as_str)),
            name @ "first_event_id" => build::uuid(name, rows, sessions.iter().map(|s| s.first.id)),
            name @ "created_at" => build::timestamp(name, sessions.iter().map(|s| s.created_at)),
            name @ "updated_at" => build::timestamp(name, sessions.iter().map(|s| s.updated_at)),
            // "merge_state": the definition has no other column.
            name => {
                let states: Vec<_> = sessions.iter().map(|s| MergeState::of(s).to_text()).collect();
                build::text(name, rows, states.iter().map(Option::as_deref))
            }
        })
        .collect();
    build::frame(rows, SESSIONS, columns)
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
