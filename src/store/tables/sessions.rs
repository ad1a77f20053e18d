//! Sessions to the `sessions` table, and back.

use std::collections::BTreeMap;

use super::build::in_order;
use super::merge_state::MergeState;
use super::user_agents::Agents;
use crate::error::{Error, Result};
use crate::event::{KeyKind, NO_TIME, Position};
use crate::session::{
    CowStr, EventCounts, First, Last, Location, SessionKey, SessionSummary, TrafficSource, UserProfile,
};
use crate::store::columns::{SESSIONS, Table};
use crate::store::encode::{Chunk, FileBuilder, GROUP_BYTES, NumberColumn, ROW_GROUP, Steps, TextColumn};
use crate::store::frame::{Frame, Ints, Texts};
use crate::time::Micros;

/// The columns by which a session is found: its key and its interval.
pub const KEY_COLUMNS: [&str; 6] =
    ["chatbot_id", "session_id", "anonymous_id", "user_id", "started_at", "ended_at"];

/// Makes the columns of a row group of sessions, in the order given. Returns how many of them are in it: all,
/// unless their texts are too many bytes for one.
///
/// The sessions are gone through once: one takes some hundred bytes, and lies elsewhere than the next.
pub fn columns(sessions: &[&SessionSummary<'_>]) -> Result<(usize, Vec<Chunk>)> {
    let made = JsonTexts::of(sessions)?;
    let mut rows = made.ends.len();
    let mut held = 0;
    let mut texts: [TextColumn<'_>; TEXTS.len()] = Default::default();
    let mut counts = TextColumn::default();
    let mut states = TextColumn::default();
    let mut numbers: [NumberColumn<i64>; NUMBERS.len()] = Default::default();
    let mut times: [Vec<Micros>; TIMES.len()] = std::array::from_fn(|_| Vec::with_capacity(rows));
    let mut flags: [Vec<bool>; FLAGS.len()] = std::array::from_fn(|_| Vec::with_capacity(rows));
    let mut means = NumberColumn::default();
    let mut sides: [NumberColumn<i32>; 2] = Default::default();
    let mut ids: [Vec<u128>; 2] = std::array::from_fn(|_| Vec::with_capacity(rows));
    for (row, session) in sessions.iter().enumerate().take(rows) {
        held += texts
            .iter_mut()
            .zip(TEXTS)
            .map(|(column, (_, value))| column.push(value(session)))
            .sum::<usize>();
        numbers.iter_mut().zip(NUMBERS).for_each(|(column, (_, value))| column.push(Some(value(session))));
        times.iter_mut().zip(TIMES).for_each(|(column, (_, value))| column.push(value(session)));
        flags.iter_mut().zip(FLAGS).for_each(|(column, (_, value))| column.push(value(session)));
        held += counts.push(Some(made.counts(row))) + states.push(made.state(row));
        means.push(mean_ms(session.response_sum_us, session.response_count));
        let size = session.screen.value().copied().unwrap_or_default();
        sides[0].push(size.0);
        sides[1].push(size.1);
        ids[0].push(session.id().as_u128());
        ids[1].push(session.first.id);
        if held >= GROUP_BYTES {
            rows = row + 1;
            break;
        }
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
    let of_times = |times: &Vec<Micros>| Chunk::of_times(times, NO_TIME, Steps::of(Table::Sessions));
    columns.extend(TIMES.iter().zip(&times).map(|((name, _), times)| (*name, of_times(times))));
    columns.extend(FLAGS.iter().zip(&flags).map(|((name, _), flags)| (*name, Chunk::of_truths(flags))));
    Ok((rows, in_order(SESSIONS, columns)?))
}

type TextOf = for<'s> fn(&'s SessionSummary<'_>) -> Option<&'s str>;
type Of<T> = fn(&SessionSummary<'_>) -> T;

/// The columns of text that a summary holds as they are.
const TEXTS: [(&str, TextOf); 24] = [
    ("chatbot_id", |s| Some(&s.key.chatbot_id)),
    ("session_id", |s| (s.key.kind == KeyKind::Session).then_some(s.key.value.as_ref())),
    ("anonymous_id", |s| s.anonymous_id.value().map(CowStr::as_ref)),
    ("user_id", |s| s.user_id.value().map(CowStr::as_ref)),
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
    ("triggered_by", |s| s.triggered_by.value().map(CowStr::as_ref)),
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
struct JsonTexts {
    text: String,
    /// Where a row's counts end, and its state, which follows them.
    ends: Vec<(usize, usize)>,
}

impl JsonTexts {
    /// Makes those of the first sessions: of so many as a row group can hold.
    fn of(sessions: &[&SessionSummary<'_>]) -> Result<JsonTexts> {
        let mut texts = JsonTexts { text: String::new(), ends: Vec::with_capacity(sessions.len()) };
        for session in sessions {
            session.counts.write_json(&mut texts.text);
            let counts = texts.text.len();
            let state = MergeState::of(session).to_text();
            if let Some(state) =
                state.map_err(|e| Error::failed("a session's merge_state cannot be written").caused_by(e))?
            {
                texts.text.push_str(&state);
            }
            texts.ends.push((counts, texts.text.len()));
            if texts.text.len() >= GROUP_BYTES {
                break;
            }
        }
        Ok(texts)
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

/// Begins a file of sessions, with some in the order given.
pub fn file(sessions: &[&SessionSummary<'_>]) -> Result<FileBuilder> {
    let mut builder = FileBuilder::with_room_for(Table::Sessions, sessions.len())?;
    let mut left = sessions;
    while !left.is_empty() {
        let (rows, columns) = columns(&left[..left.len().min(ROW_GROUP)])?;
        builder.add(rows, columns)?;
        left = &left[rows..];
    }
    Ok(builder)
}

/// Makes a frame of sessions, in the order given: for those few that an erasure changes.
pub fn frame(sessions: &[SessionSummary<'_>]) -> Result<Frame> {
    let bytes = file(&sessions.iter().collect::<Vec<_>>())?.finish()?;
    crate::store::parquet::decode(crate::store::file_system::Opened::Bytes(bytes), None)
        .map_err(|why| Error::failed("cannot put sessions together").caused_by(why))
}

/// Returns a mean in whole milliseconds, rounded half up, of a sum in microseconds; `None` without any.
pub fn mean_ms(sum_us: u64, count: u64) -> Option<i64> {
    if count == 0 {
        return None;
    }
    let (sum, count) = (u128::from(sum_us), u128::from(count));
    // round(sum / (1000 × count)) = floor((2 × sum + 1000 × count) / (2 × 1000 × count))
    i64::try_from((2 * sum + 1000 * count) / (2000 * count)).ok()
}

/// The keys of the sessions in a frame, and their intervals.
pub struct Keys<'a> {
    chatbots: &'a Texts,
    ids: [&'a Texts; 3],
    starts: &'a Ints,
    ends: &'a Ints,
}

impl<'a> Keys<'a> {
    /// Takes the columns of a frame, which needs the [`KEY_COLUMNS`].
    pub fn of(frame: &'a Frame) -> Result<Keys<'a>> {
        Ok(Keys {
            chatbots: frame.texts("chatbot_id")?,
            ids: [frame.texts("session_id")?, frame.texts("anonymous_id")?, frame.texts("user_id")?],
            starts: frame.ints("started_at")?,
            ends: frame.ints("ended_at")?,
        })
    }

    /// Returns a row's key. A session without `session_id` is held together by its visitor's id, else by
    /// its user's: all its events have that id, so the column shows it.
    pub fn key(&self, row: usize) -> SessionKey<'a> {
        let (kind, value) = match self.ids.map(|column| column.get(row)) {
            [Some(id), ..] => (KeyKind::Session, id),
            [None, Some(id), _] => (KeyKind::Anonymous, id),
            [None, None, id] => (KeyKind::User, id.unwrap_or("")),
        };
        SessionKey { chatbot_id: self.chatbot(row).into(), kind, value: value.into() }
    }

    /// Returns a row's chatbot.
    pub fn chatbot(&self, row: usize) -> &'a str {
        self.chatbots.get(row).unwrap_or("")
    }

    /// Returns the times of a row's first and last event.
    pub fn interval(&self, row: usize) -> (Micros, Micros) {
        let start = self.starts.get(row).unwrap_or(0);
        (start, self.ends.get(row).unwrap_or(start))
    }
}

/// The rows of a frame of sessions, to be read back into summaries, which borrow their texts from it.
pub struct Rows<'a> {
    keys: Keys<'a>,
    first_ids: &'a Texts,
    sources: [&'a Texts; 6],
    landing_pages: &'a Texts,
    agents: Agents<'a>,
    screens: [&'a Ints; 2],
    places: [&'a Texts; 3],
    errors: &'a Ints,
    counts: &'a Texts,
    responses: [&'a Ints; 2],
    triggers: &'a Texts,
    profiles: [&'a Texts; 3],
    states: &'a Texts,
    stored: [&'a Ints; 2],
}

impl<'a> Rows<'a> {
    /// Takes the columns of a frame of whole rows.
    pub fn of(frame: &'a Frame) -> Result<Rows<'a>> {
        let text = |name: &str| frame.texts(name);
        let int = |name: &str| frame.ints(name);
        Ok(Rows {
            keys: Keys::of(frame)?,
            first_ids: text("first_event_id")?,
            sources: [
                text("referrer")?,
                text("referrer_domain")?,
                text("channel")?,
                text("utm_source")?,
                text("utm_medium")?,
                text("utm_campaign")?,
            ],
            landing_pages: text("landing_page")?,
            agents: Agents::of(frame)?,
            screens: [frame.ints("screen_width")?, frame.ints("screen_height")?],
            places: [text("ip_address")?, text("country_code")?, text("city")?],
            errors: int("error_count")?,
            counts: text("event_counts")?,
            responses: [int("response_time_sum_us")?, int("response_time_count")?],
            triggers: text("triggered_by")?,
            profiles: [text("user_email")?, text("user_name")?, text("user_metadata")?],
            states: text("merge_state")?,
            stored: [int("created_at")?, int("updated_at")?],
        })
    }

    /// Returns the keys.
    pub fn keys(&self) -> &Keys<'a> {
        &self.keys
    }

    /// Returns where a row's first event is.
    pub fn first(&self, row: usize) -> Position {
        let id = self.first_ids.get(row).and_then(|id| uuid::Uuid::try_parse(id).ok());
        Position { time: self.keys.interval(row).0, id: id.map_or(0, |id| id.as_u128()) }
    }

    /// Reads a row.
    ///
    /// # Errors
    /// Where its counts or its state cannot be read.
    pub fn summary(&mut self, row: usize) -> Result<SessionSummary<'a>> {
        let unreadable = |what: &str, e: serde_json::Error| {
            Error::failed(format!("a session's {what} cannot be read")).caused_by(e)
        };
        let text = |column: &'a Texts| column.get(row).map(CowStr::Borrowed);
        let texts = |columns: [&'a Texts; 3]| columns.map(text);
        let number = |column: &Ints| column.get(row).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let first = self.first(row);
        let at_first = |value: Option<CowStr<'a>>| value.map(|value| (first, value));
        let [_, anonymous_id, user_id] = texts(self.keys.ids);
        let [referrer, referrer_domain, channel, utm_source, utm_medium, utm_campaign] =
            self.sources.map(text);
        let source =
            TrafficSource { referrer, referrer_domain, channel, utm_source, utm_medium, utm_campaign };
        let [ip_address, country_code, city] = texts(self.places);
        let place = Location { ip_address, country_code, city };
        let screen = (self.screens[0].get_i32(row), self.screens[1].get_i32(row));
        let mut summary = SessionSummary {
            key: self.keys.key(row),
            first,
            ended_at: self.keys.interval(row).1,
            anonymous_id: First(at_first(anonymous_id)),
            source: First((source != TrafficSource::default()).then_some((first, source))),
            agent: First(self.agents.get(row).map(|agent| (first, agent))),
            screen: First((screen != (None, None)).then_some((first, screen))),
            place: First((place != Location::default()).then_some((first, place))),
            landing_page: First(at_first(text(self.landing_pages))),
            landing_path: First(None),
            triggered_by: First(at_first(text(self.triggers))),
            user_id: Last(at_first(user_id)),
            profiles: BTreeMap::new(),
            counts: serde_json::from_str::<EventCounts<'_>>(self.counts.get(row).unwrap_or("{}"))
                .map_err(|e| unreadable("event_counts", e))?,
            errors: number(self.errors),
            response_sum_us: number(self.responses[0]),
            response_count: number(self.responses[1]),
            created_at: self.stored[0].get(row).unwrap_or(0),
            updated_at: self.stored[1].get(row).unwrap_or(0),
        };
        let state = MergeState::from_text(self.states.get(row)).map_err(|e| unreadable("merge_state", e))?;
        let [user_email, user_name, user_metadata] = texts(self.profiles);
        state.restore(&mut summary, UserProfile { user_email, user_name, user_metadata });
        Ok(summary)
    }
}

/// Reads a frame of whole rows back into summaries, which borrow their texts from it.
pub fn read<'a>(frame: &'a Frame) -> Result<Vec<SessionSummary<'a>>> {
    let mut rows = Rows::of(frame)?;
    (0..frame.height()).map(|row| rows.summary(row)).collect()
}
