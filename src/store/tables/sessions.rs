//! Sessions to the `sessions` table, and back.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::agents::Agents;
use super::build::{Reader, in_order};
use super::merge_state::MergeState;
use crate::error::{Error, Result};
use crate::event::{KeyKind, NO_TIME, Position, key_hash};
use crate::session::{Counts, First, Last, Place, SessionKey, Source, Str, Summary};
use crate::store::columns::{SESSIONS, Table};
use crate::store::encode::{Chunk, FileBuilder, NumberColumn, ROW_GROUP, TextColumn};
use crate::time::Micros;

/// The columns by which a session is found: its key and its interval.
pub const KEY_COLUMNS: [&str; 6] =
    ["chatbot_id", "session_id", "anonymous_id", "user_id", "started_at", "ended_at"];

/// Makes the columns of a row group of sessions, in the order given.
///
/// The sessions are gone through once: one takes some hundred bytes, and lies elsewhere than the next.
pub fn columns(sessions: &[&Summary<'_>]) -> Result<Vec<Chunk>> {
    let rows = sessions.len();
    let held = Texts::of(sessions);
    let mut texts: [TextColumn<'_>; TEXTS.len()] = Default::default();
    let mut counts = TextColumn::default();
    let mut states = TextColumn::default();
    let mut numbers: [NumberColumn<i64>; NUMBERS.len()] = Default::default();
    let mut times: [Vec<Micros>; TIMES.len()] = std::array::from_fn(|_| Vec::with_capacity(rows));
    let mut flags: [Vec<bool>; FLAGS.len()] = std::array::from_fn(|_| Vec::with_capacity(rows));
    let mut means = NumberColumn::default();
    let mut sides: [NumberColumn<i32>; 2] = Default::default();
    let mut ids: [Vec<u128>; 2] = std::array::from_fn(|_| Vec::with_capacity(rows));
    for (row, session) in sessions.iter().enumerate() {
        texts.iter_mut().zip(TEXTS).for_each(|(column, (_, value))| column.push(value(session)));
        numbers.iter_mut().zip(NUMBERS).for_each(|(column, (_, value))| column.push(Some(value(session))));
        times.iter_mut().zip(TIMES).for_each(|(column, (_, value))| column.push(value(session)));
        flags.iter_mut().zip(FLAGS).for_each(|(column, (_, value))| column.push(value(session)));
        counts.push(Some(held.counts(row)));
        states.push(held.state(row));
        means.push(mean_ms(session.response_sum_us, session.response_count));
        let size = session.screen.value().copied().unwrap_or_default();
        sides[0].push(size.0);
        sides[1].push(size.1);
        ids[0].push(session.id().as_u128());
        ids[1].push(session.first.id);
    }
    let [widths, heights] = sides;
    let mut columns = vec![
        ("id", Chunk::of_uuids(&ids[0])),
        ("first_event_id", Chunk::of_uuids(&ids[1])),
        ("screen_width", widths.finish(rows)),
        ("screen_height", heights.finish(rows)),
        ("event_counts", counts.finish(rows)),
        ("merge_state", states.finish(rows)),
        ("avg_response_time_ms", means.finish(rows)),
    ];
    columns.extend(TEXTS.iter().zip(texts).map(|((name, _), column)| (*name, column.finish(rows))));
    columns.extend(NUMBERS.iter().zip(numbers).map(|((name, _), column)| (*name, column.finish(rows))));
    columns
        .extend(TIMES.iter().zip(&times).map(|((name, _), times)| (*name, Chunk::of_times(times, NO_TIME))));
    columns.extend(FLAGS.iter().zip(&flags).map(|((name, _), flags)| (*name, Chunk::of_truths(flags))));
    in_order(SESSIONS, columns)
}

type TextOf = for<'s> fn(&'s Summary<'_>) -> Option<&'s str>;
type Of<T> = fn(&Summary<'_>) -> T;

/// The columns of text that a summary holds as they are.
const TEXTS: [(&str, TextOf); 24] = [
    ("chatbot_id", |s| Some(&s.key.chatbot_id)),
    ("session_id", |s| (s.key.kind == KeyKind::Session).then_some(s.key.value.as_ref())),
    ("anonymous_id", |s| s.anonymous_id.value().map(Str::as_ref)),
    ("user_id", |s| s.user_id.value().map(Str::as_ref)),
    ("user_email", |s| s.profile().and_then(|p| p.user_email.as_deref())),
    ("user_name", |s| s.profile().and_then(|p| p.user_name.as_deref())),
    ("user_metadata", |s| s.profile().and_then(|p| p.user_metadata.as_deref())),
    ("referrer", |s| s.source.value().and_then(|s| s.referrer.as_deref())),
    ("referrer_domain", |s| s.source.value().and_then(|s| s.referrer_domain.as_deref())),
    ("channel", |s| s.source.value().and_then(|s| s.channel.as_deref())),
    ("landing_page", |s| s.landing()),
    ("utm_source", |s| s.source.value().and_then(|s| s.utm_source.as_deref())),
    ("utm_medium", |s| s.source.value().and_then(|s| s.utm_medium.as_deref())),
    ("utm_campaign", |s| s.source.value().and_then(|s| s.utm_campaign.as_deref())),
    ("user_agent", |s| s.agent.value().map(|a| a.user_agent.as_str())),
    ("browser_name", |s| s.agent.value().and_then(|a| a.browser_name.as_deref())),
    ("browser_version", |s| s.agent.value().and_then(|a| a.browser_version.as_deref())),
    ("os_name", |s| s.agent.value().and_then(|a| a.os_name.as_deref())),
    ("os_version", |s| s.agent.value().and_then(|a| a.os_version.as_deref())),
    ("device_type", |s| s.agent.value().map(|a| a.device_type.name())),
    ("ip_address", |s| s.place.value().and_then(|p| p.ip_address.as_deref())),
    ("country_code", |s| s.place.value().and_then(|p| p.country_code.as_deref())),
    ("city", |s| s.place.value().and_then(|p| p.city.as_deref())),
    ("triggered_by", |s| s.triggered_by.value().map(Str::as_ref)),
];

/// The columns of whole numbers.
const NUMBERS: [(&str, Of<i64>); 11] = [
    ("duration_seconds", |s| s.duration_seconds()),
    ("messages_sent", |s| s.count("message_sent") as i64),
    ("messages_received", |s| s.count("message_received") as i64),
    ("widget_opened_count", |s| s.count("widget_opened") as i64),
    ("widget_minimized_count", |s| s.count("widget_minimized") as i64),
    ("widget_loads", |s| s.count("widget_loaded") as i64),
    ("page_views", |s| (s.count("page_viewed") + s.count("page_view")) as i64),
    ("error_count", |s| s.errors as i64),
    ("event_count", |s| s.event_count() as i64),
    ("response_time_sum_us", |s| i64::try_from(s.response_sum_us).unwrap_or(i64::MAX)),
    ("response_time_count", |s| s.response_count as i64),
];

/// The columns of times.
const TIMES: [(&str, Of<Micros>); 4] = [
    ("started_at", |s| s.first.time),
    ("ended_at", |s| s.ended_at),
    ("created_at", |s| s.created_at),
    ("updated_at", |s| s.updated_at),
];

/// The columns of truths.
const FLAGS: [(&str, Of<bool>); 3] = [
    ("is_bot", |s| s.is_bot()),
    ("had_conversation", |s| s.count("message_sent") > 0),
    ("completed_pre_chat_form", |s| s.count("pre_chat_form_submitted") > 0),
];

/// The texts of columns that no summary holds as they are, one after the other.
struct Texts {
    text: String,
    /// Where a row's counts end, and its state, which follows them.
    ends: Vec<(usize, usize)>,
}

impl Texts {
    fn of(sessions: &[&Summary<'_>]) -> Texts {
        let mut texts = Texts { text: String::new(), ends: Vec::with_capacity(sessions.len()) };
        for session in sessions {
            session.counts.write_json(&mut texts.text);
            let counts = texts.text.len();
            if let Some(state) = MergeState::of(session).to_text() {
                texts.text.push_str(&state);
            }
            texts.ends.push((counts, texts.text.len()));
        }
        texts
    }

    fn counts(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before].1);
        &self.text[start..self.ends[row].0]
    }

    fn state(&self, row: usize) -> Option<&str> {
        let (start, end) = self.ends[row];
        (start < end).then(|| &self.text[start..end])
    }
}

/// Makes the bytes of a file of sessions: some of them as summaries, the others as rows of files
/// that it replaces.
pub fn file(sessions: &[&Summary<'_>], others: &[DataFrame]) -> Result<Vec<u8>> {
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
pub fn frame(sessions: &[Summary<'_>]) -> Result<DataFrame> {
    let bytes = file(&sessions.iter().collect::<Vec<_>>(), &[])?;
    crate::store::parquet::decode(crate::store::fs::Opened::Bytes(bytes), None)
        .map_err(|why| Error::failed("cannot put sessions together").caused_by(why))
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

/// Reads a frame of whole rows back into summaries, which borrow their texts from it.
pub fn read<'a>(frame: &'a DataFrame) -> Result<Vec<Summary<'a>>> {
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
    let mut agents = Agents::of(&reader)?;
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
            let text = |column: &'a StringChunked| column.get(i).map(Str::Borrowed);
            let time = starts.get(i).unwrap_or(0);
            let id = first_ids.get(i).and_then(|id| uuid::Uuid::try_parse(id).ok());
            let first = Position { time, id: id.map_or(0, |id| id.as_u128()) };
            let at_first = |value: Option<Str<'a>>| value.map(|value| (first, value));
            let (kind, value) = key_of(&ids, i);
            let source = Source {
                referrer: text(sources[0]),
                referrer_domain: text(sources[1]),
                channel: text(sources[2]),
                utm_source: text(sources[3]),
                utm_medium: text(sources[4]),
                utm_campaign: text(sources[5]),
            };
            let agent = agents.get(i);
            let screen = (screens[0].get(i), screens[1].get(i));
            let place =
                Place { ip_address: text(places[0]), country_code: text(places[1]), city: text(places[2]) };
            let number =
                |column: &Int64Chunked| column.get(i).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
            let mut summary = Summary {
                key: SessionKey {
                    chatbot_id: chatbots.get(i).unwrap_or("").into(),
                    kind,
                    value: value.into(),
                },
                first,
                ended_at: ends.get(i).unwrap_or(time),
                anonymous_id: First(at_first(text(ids[1]))),
                source: First((source != Source::default()).then_some((first, source))),
                agent: First(agent.map(|agent| (first, agent))),
                screen: First((screen != (None, None)).then_some((first, screen))),
                place: First((place != Place::default()).then_some((first, place))),
                landing_page: First(at_first(text(landing_pages))),
                landing_path: First(None),
                triggered_by: First(at_first(text(triggers))),
                user_id: Last(at_first(text(ids[2]))),
                profiles: BTreeMap::new(),
                counts: serde_json::from_str::<Counts<'_>>(counts.get(i).unwrap_or("{}"))
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
