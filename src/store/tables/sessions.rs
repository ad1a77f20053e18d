//! Conversion of sessions to and from rows of the `sessions` table.

use std::collections::BTreeMap;

use super::column_order::in_table_order;
use super::merge_state::MergeState;
use super::user_agents::UserAgentReader;
use crate::error::{Error, Result};
use crate::event::{KeyKind, NO_TIME, Position};
use crate::session::{
    CowStr, EventCounts, First, Last, Location, SessionKey, SessionSummary, TrafficSource, UserProfile,
};
use crate::store::columns::Table;
use crate::store::encode::{
    Chunk, DeltaWidth, FileBuilder, GROUP_TEXT_BYTES, NumberColumn, ROW_GROUP, TextColumn,
};
use crate::store::frame::{Frame, Ints, Texts};
use crate::time::Micros;

/// The columns of the key and the interval of a session.
pub const KEY_COLUMNS: [&str; 6] =
    ["chatbot_id", "session_id", "anonymous_id", "user_id", "started_at", "ended_at"];

/// Encodes the first sessions as a row group. Returns their number and their columns. All sessions
/// are encoded, unless their distinct strings exceed [`GROUP_TEXT_BYTES`].
///
/// A single pass fills all columns, since the values of one session are close together in memory.
///
/// # Errors
/// Fails if a `merge_state` cannot be serialized.
pub(in crate::store) fn row_group(sessions: &[&SessionSummary<'_>]) -> Result<(usize, Vec<Chunk>)> {
    let json = JsonTexts::new(sessions)?;
    let mut rows = json.ends.len();
    let mut text_bytes = 0;
    let mut texts: [TextColumn<'_>; TEXTS.len()] = Default::default();
    let mut counts = TextColumn::default();
    let mut states = TextColumn::default();
    let mut numbers: [NumberColumn<i64>; NUMBERS.len()] = Default::default();
    let mut times: [Vec<Micros>; TIMES.len()] = std::array::from_fn(|_| Vec::with_capacity(rows));
    let mut flags: [Vec<bool>; FLAGS.len()] = std::array::from_fn(|_| Vec::with_capacity(rows));
    let mut means = NumberColumn::default();
    let mut screen_sides: [NumberColumn<i32>; 2] = Default::default();
    let mut ids: [Vec<u128>; 2] = std::array::from_fn(|_| Vec::with_capacity(rows));
    for (row, session) in sessions.iter().enumerate().take(rows) {
        text_bytes += texts
            .iter_mut()
            .zip(TEXTS)
            .map(|(column, (_, value))| column.push(value(session)))
            .sum::<usize>();
        numbers.iter_mut().zip(NUMBERS).for_each(|(column, (_, value))| column.push(Some(value(session))));
        times.iter_mut().zip(TIMES).for_each(|(column, (_, value))| column.push(value(session)));
        flags.iter_mut().zip(FLAGS).for_each(|(column, (_, value))| column.push(value(session)));
        text_bytes += counts.push(Some(json.counts(row))) + states.push(json.state(row));
        means.push(mean_ms(session.response_sum_us, session.response_count));
        let size = session.screen.value().copied().unwrap_or_default();
        screen_sides[0].push(size.0);
        screen_sides[1].push(size.1);
        ids[0].push(session.id().as_u128());
        ids[1].push(session.first.id);
        if text_bytes >= GROUP_TEXT_BYTES {
            rows = row + 1;
            break;
        }
    }
    let [widths, heights] = screen_sides;
    let mut columns = vec![
        ("id", Chunk::from_uuids(&ids[0])),
        ("first_event_id", Chunk::from_uuids(&ids[1])),
        ("screen_width", widths.finish(rows)),
        ("screen_height", heights.finish(rows)),
        ("event_counts", counts.finish(rows)),
        ("merge_state", states.finish(rows)),
        ("avg_response_time_ms", means.finish(rows)),
    ];
    columns.extend(TEXTS.iter().zip(texts).map(|((name, _), column)| (*name, column.finish(rows))));
    columns.extend(NUMBERS.iter().zip(numbers).map(|((name, _), column)| (*name, column.finish(rows))));
    let encode_times =
        |times: &Vec<Micros>| Chunk::from_times(times, NO_TIME, DeltaWidth::for_times(Table::Sessions));
    columns.extend(TIMES.iter().zip(&times).map(|((name, _), times)| (*name, encode_times(times))));
    columns.extend(FLAGS.iter().zip(&flags).map(|((name, _), flags)| (*name, Chunk::from_bools(flags))));
    Ok((rows, in_table_order(Table::Sessions, columns)?))
}

pub(super) type SessionText = for<'s> fn(&'s SessionSummary<'_>) -> Option<&'s str>;
pub(super) type SessionValue<T> = fn(&SessionSummary<'_>) -> T;

/// The columns of text that are fields of a summary.
pub(super) const TEXTS: [(&str, SessionText); 24] = [
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
    ("ip_address", |s| s.location.value().and_then(|p| p.ip_address.as_deref())),
    ("country_code", |s| s.location.value().and_then(|p| p.country_code.as_deref())),
    ("city", |s| s.location.value().and_then(|p| p.city.as_deref())),
    ("triggered_by", |s| s.triggered_by.value().map(CowStr::as_ref)),
];

/// The columns of integers.
pub(super) const NUMBERS: [(&str, SessionValue<i64>); 11] = [
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
pub(super) const TIMES: [(&str, SessionValue<Micros>); 4] = [
    ("started_at", |s| s.first.time),
    ("ended_at", |s| s.ended_at),
    ("created_at", |s| s.created_at),
    ("updated_at", |s| s.updated_at),
];

/// The columns of booleans.
pub(super) const FLAGS: [(&str, SessionValue<bool>); 3] = [
    ("is_bot", |s| s.is_bot()),
    ("had_conversation", |s| s.count("message_sent") > 0),
    ("completed_pre_chat_form", |s| s.count("pre_chat_form_submitted") > 0),
];

/// The JSON of the columns `event_counts` and `merge_state`, concatenated.
struct JsonTexts {
    text: String,
    /// For each row, the end of its counts and the end of its state. The state follows the counts.
    ends: Vec<(usize, usize)>,
}

impl JsonTexts {
    /// Serializes the columns of as many sessions as a row group can hold.
    fn new(sessions: &[&SessionSummary<'_>]) -> Result<JsonTexts> {
        let mut texts = JsonTexts { text: String::new(), ends: Vec::with_capacity(sessions.len()) };
        for session in sessions {
            session.counts.write_json(&mut texts.text);
            let counts = texts.text.len();
            let state = MergeState::from_summary(session).to_text();
            if let Some(state) = state
                .map_err(|e| Error::failed("cannot serialize the merge_state of a session").caused_by(e))?
            {
                texts.text.push_str(&state);
            }
            texts.ends.push((counts, texts.text.len()));
            if texts.text.len() >= GROUP_TEXT_BYTES {
                break;
            }
        }
        Ok(texts)
    }

    fn counts(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |previous| self.ends[previous].1);
        &self.text[start..self.ends[row].0]
    }

    fn state(&self, row: usize) -> Option<&str> {
        let (start, end) = self.ends[row];
        (start < end).then(|| &self.text[start..end])
    }
}

/// Returns a builder of a file with these sessions, in this order.
///
/// # Errors
/// Returns the errors of [`row_group`].
pub fn file_builder(sessions: &[&SessionSummary<'_>]) -> Result<FileBuilder> {
    let mut builder = FileBuilder::with_capacity(Table::Sessions, sessions.len());
    let mut remaining = sessions;
    while !remaining.is_empty() {
        let (rows, columns) = row_group(&remaining[..remaining.len().min(ROW_GROUP)])?;
        builder.add(rows, columns)?;
        remaining = &remaining[rows..];
    }
    Ok(builder)
}

/// Returns a frame of sessions, in this order. The sessions are encoded and then decoded, so use it
/// for few sessions only.
///
/// # Errors
/// Returns the errors of [`row_group`].
pub fn frame(sessions: &[SessionSummary<'_>]) -> Result<Frame> {
    let bytes = file_builder(&sessions.iter().collect::<Vec<_>>())?.finish()?;
    crate::store::parquet::decode(bytes, None)
        .map_err(|cause| Error::failed("cannot decode encoded sessions").caused_by(cause))
}

/// Returns the mean of a sum in microseconds, in milliseconds rounded half up; `None` if the count
/// is 0.
pub(super) fn mean_ms(sum_us: u64, count: u64) -> Option<i64> {
    if count == 0 {
        return None;
    }
    let (sum, count) = (u128::from(sum_us), u128::from(count));
    // round(sum / (1000 × count)) = floor((2 × sum + 1000 × count) / (2 × 1000 × count))
    i64::try_from((2 * sum + 1000 * count) / (2000 * count)).ok()
}

/// Reads the keys and the intervals of the sessions in a frame.
pub struct SessionKeys<'a> {
    chatbots: &'a Texts,
    ids: [&'a Texts; 3],
    starts: &'a Ints,
    ends: &'a Ints,
}

impl<'a> SessionKeys<'a> {
    /// Returns the reader of a frame, which must have the [`KEY_COLUMNS`].
    ///
    /// # Errors
    /// Fails if the frame lacks a column.
    pub fn new(frame: &'a Frame) -> Result<SessionKeys<'a>> {
        Ok(SessionKeys {
            chatbots: frame.texts("chatbot_id")?,
            ids: [frame.texts("session_id")?, frame.texts("anonymous_id")?, frame.texts("user_id")?],
            starts: frame.ints("started_at")?,
            ends: frame.ints("ended_at")?,
        })
    }

    /// Returns the key of a row. The key of a session without `session_id` is its `anonymous_id`,
    /// else its `user_id`. All events of such a session have that id, and so does the row.
    pub fn key(&self, row: usize) -> SessionKey<'a> {
        let (kind, value) = match self.ids.map(|column| column.get(row)) {
            [Some(id), ..] => (KeyKind::Session, id),
            [None, Some(id), _] => (KeyKind::Anonymous, id),
            [None, None, id] => (KeyKind::User, id.unwrap_or("")),
        };
        SessionKey { chatbot_id: self.chatbot(row).into(), kind, value: value.into() }
    }

    /// Returns the chatbot of a row.
    pub fn chatbot(&self, row: usize) -> &'a str {
        self.chatbots.get(row).unwrap_or("")
    }

    /// Returns the times of the first and the last event of a row.
    pub fn interval(&self, row: usize) -> (Micros, Micros) {
        let start = self.starts.get(row).unwrap_or(0);
        (start, self.ends.get(row).unwrap_or(start))
    }
}

/// Reads the sessions of a frame. Summaries borrow their strings from the frame.
pub struct SessionReader<'a> {
    keys: SessionKeys<'a>,
    first_ids: &'a Texts,
    sources: [&'a Texts; 6],
    landing_pages: &'a Texts,
    agents: UserAgentReader<'a>,
    screens: [&'a Ints; 2],
    locations: [&'a Texts; 3],
    errors: &'a Ints,
    counts: &'a Texts,
    responses: [&'a Ints; 2],
    triggers: &'a Texts,
    profiles: [&'a Texts; 3],
    states: &'a Texts,
    stored: [&'a Ints; 2],
}

impl<'a> SessionReader<'a> {
    /// Returns the reader of a frame with all columns.
    ///
    /// # Errors
    /// Fails if the frame lacks a column.
    pub fn new(frame: &'a Frame) -> Result<SessionReader<'a>> {
        let text = |name: &str| frame.texts(name);
        let int = |name: &str| frame.ints(name);
        Ok(SessionReader {
            keys: SessionKeys::new(frame)?,
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
            agents: UserAgentReader::new(frame)?,
            screens: [frame.ints("screen_width")?, frame.ints("screen_height")?],
            locations: [text("ip_address")?, text("country_code")?, text("city")?],
            errors: int("error_count")?,
            counts: text("event_counts")?,
            responses: [int("response_time_sum_us")?, int("response_time_count")?],
            triggers: text("triggered_by")?,
            profiles: [text("user_email")?, text("user_name")?, text("user_metadata")?],
            states: text("merge_state")?,
            stored: [int("created_at")?, int("updated_at")?],
        })
    }

    /// Returns the keys and intervals.
    pub fn keys(&self) -> &SessionKeys<'a> {
        &self.keys
    }

    /// Returns the position of the first event of a row.
    pub fn first(&self, row: usize) -> Position {
        let id = self.first_ids.get(row).and_then(|id| uuid::Uuid::try_parse(id).ok());
        Position { time: self.keys.interval(row).0, id: id.map_or(0, |id| id.as_u128()) }
    }

    /// Reads the summary in a row.
    ///
    /// # Errors
    /// Fails if `event_counts` or `merge_state` cannot be parsed.
    pub fn summary(&mut self, row: usize) -> Result<SessionSummary<'a>> {
        let invalid = |column: &str, e: serde_json::Error| {
            Error::failed(format!("cannot parse the {column} of a session")).caused_by(e)
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
        let [ip_address, country_code, city] = texts(self.locations);
        let location = Location { ip_address, country_code, city };
        let screen = (self.screens[0].get_i32(row), self.screens[1].get_i32(row));
        let mut summary = SessionSummary {
            key: self.keys.key(row),
            first,
            ended_at: self.keys.interval(row).1,
            anonymous_id: First(at_first(anonymous_id)),
            source: First((source != TrafficSource::default()).then_some((first, source))),
            agent: First(self.agents.get(row).map(|agent| (first, agent))),
            screen: First((screen != (None, None)).then_some((first, screen))),
            location: First((location != Location::default()).then_some((first, location))),
            landing_page: First(at_first(text(self.landing_pages))),
            landing_path: First(None),
            triggered_by: First(at_first(text(self.triggers))),
            user_id: Last(at_first(user_id)),
            profiles: BTreeMap::new(),
            counts: serde_json::from_str::<EventCounts<'_>>(self.counts.get(row).unwrap_or("{}"))
                .map_err(|e| invalid("event_counts", e))?,
            errors: number(self.errors),
            response_sum_us: number(self.responses[0]),
            response_count: number(self.responses[1]),
            created_at: self.stored[0].get(row).unwrap_or(0),
            updated_at: self.stored[1].get(row).unwrap_or(0),
        };
        let state = MergeState::from_text(self.states.get(row)).map_err(|e| invalid("merge_state", e))?;
        let [user_email, user_name, user_metadata] = texts(self.profiles);
        state.restore(&mut summary, UserProfile { user_email, user_name, user_metadata });
        Ok(summary)
    }
}

/// Reads the sessions of a frame with all columns. Summaries borrow their strings from the frame.
///
/// # Errors
/// Fails if the frame lacks a column, or if a row cannot be parsed.
pub fn read<'a>(frame: &'a Frame) -> Result<Vec<SessionSummary<'a>>> {
    let mut reader = SessionReader::new(frame)?;
    (0..frame.height()).map(|row| reader.summary(row)).collect()
}
