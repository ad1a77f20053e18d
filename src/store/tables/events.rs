//! Conversion of events to and from rows of the `events` table.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::column_order::in_table_order;
use super::user_agents::UserAgentReader;
use crate::error::{Error, Result};
use crate::event::{
    self, Block, Channel, Event, EventRow, KeyKind, NO_NUMBER, NO_TIME, TextField, TextId, UserAgent,
    chatbot_seed, id_hash, session_key_hash,
};
use crate::session::properties;
use crate::store::columns::Table;
use crate::store::encode::{
    Chunk, DeltaWidth, FileBuilder, GROUP_TEXT_BYTES, NumberColumn, ROW_GROUP, TextColumn,
};
use crate::store::frame::{Frame, Texts};
use crate::time::Micros;

/// Encodes the first events, stored at `now`, as a row group. Returns their number and their
/// columns. All events are encoded, unless their distinct strings exceed [`GROUP_TEXT_BYTES`].
///
/// A single pass fills all columns, since the values of one row are close together in memory.
/// Adjacent events mostly belong to one session and one block. If two of them have the same text
/// id, the string is not read again.
///
/// # Errors
/// Fails if a column of the table is not encoded, which is a bug.
pub(in crate::store) fn row_group(events: &[Event<'_>], now: Micros) -> Result<(usize, Vec<Chunk>)> {
    let mut rows = events.len();
    let mut text_bytes = 0;
    let mut texts: [TextColumn<'_>; TextField::COUNT] = Default::default();
    let mut channels = TextColumn::default();
    let mut agents: [TextColumn<'_>; AGENT_COLUMNS.len()] = Default::default();
    let mut screen_sides: [NumberColumn<i32>; 2] = Default::default();
    let mut times: [Vec<Micros>; TIME_COLUMNS.len()] = std::array::from_fn(|_| Vec::with_capacity(rows));
    let mut ids = Vec::with_capacity(rows);
    let mut bots = Vec::with_capacity(rows);
    let mut previous: Option<Event<'_>> = None;
    let mut is_bot = false;
    for (at, event) in (0..).zip(events) {
        let row = event.row;
        let previous_row = previous
            .filter(|previous| std::ptr::eq(previous.block, event.block))
            .map(|previous| previous.row);
        let mut changed = previous_row.map_or(u32::MAX, |previous| changed_texts(&previous.text, &row.text));
        while let Some(text) = texts.get_mut(changed.trailing_zeros() as usize) {
            text_bytes += text.set_from(at, event.block.text(row.text[changed.trailing_zeros() as usize]));
            changed &= changed - 1;
        }
        if previous_row.is_none_or(|previous| previous.channel != row.channel) {
            channels.set_from(at, row.channel.map(Channel::name));
        }
        if previous_row.is_none_or(|previous| previous.agent != row.agent) {
            let agent = event.agent();
            for (column, (_, value)) in agents.iter_mut().zip(AGENT_COLUMNS) {
                text_bytes += column.set_from(at, agent.and_then(|agent| value(agent)));
            }
            is_bot = agent.is_some_and(|agent| agent.is_bot);
        }
        bots.push(is_bot);
        for (side, pixels) in screen_sides.iter_mut().zip([row.screen_width, row.screen_height]) {
            side.set_from(at, Some(pixels).filter(|pixels| *pixels != NO_NUMBER));
        }
        let row_times = [row.time, row.client_timestamp, row.sent_at, row.received_at];
        for (column, time) in times.iter_mut().zip(row_times) {
            column.push(time);
        }
        ids.push(row.id);
        previous = Some(*event);
        if text_bytes >= GROUP_TEXT_BYTES {
            rows = ids.len();
            break;
        }
    }
    let mut created = NumberColumn::default();
    created.set_from(0, Some(now));
    let mut columns = vec![
        ("id", Chunk::from_uuids(&ids)),
        ("channel", channels.finish(rows)),
        ("is_bot", Chunk::from_bools(&bots)),
        ("created_at", created.finish(rows)),
    ];
    // `FIELDS` has the order of the strings of a row.
    columns.extend(FIELDS.iter().zip(texts).map(|((name, _), column)| (*name, column.finish(rows))));
    columns.extend(AGENT_COLUMNS.iter().zip(agents).map(|((name, _), column)| (*name, column.finish(rows))));
    columns.extend(
        SCREEN_COLUMNS.into_iter().zip(screen_sides).map(|(name, column)| (name, column.finish(rows))),
    );
    let encode_times =
        |times: &Vec<Micros>| Chunk::from_times(times, NO_TIME, DeltaWidth::for_times(Table::Events));
    columns.extend(TIME_COLUMNS.into_iter().zip(times.iter().map(encode_times)));
    Ok((rows, in_table_order(Table::Events, columns)?))
}

/// Returns events as a Parquet file, stored at `now`. `events` have the order of the file.
///
/// # Errors
/// Returns the errors of `row_group`, and fails if a page cannot be written.
pub fn to_parquet(events: &[Event<'_>], now: Micros) -> Result<Vec<u8>> {
    let mut builder = FileBuilder::with_capacity(Table::Events, events.len());
    let mut remaining = events;
    while !remaining.is_empty() {
        let (rows, columns) = row_group(remaining.get(..ROW_GROUP).unwrap_or(remaining), now)?;
        builder.add(rows, columns)?;
        remaining = remaining.get(rows..).unwrap_or_default();
    }
    builder.finish()
}

/// Returns a bit mask of the strings that differ from those of the previous row.
fn changed_texts(previous: &[TextId; TextField::COUNT], texts: &[TextId; TextField::COUNT]) -> u32 {
    const { assert!(TextField::COUNT <= u32::BITS as usize) };
    let differ = |at: usize| u32::from(previous[at] != texts[at]) << at;
    (0..TextField::COUNT).fold(0, |bits, at| bits | differ(at))
}

/// The columns of times, in the order in which `row_group` fills them.
const TIME_COLUMNS: [&str; 4] = ["timestamp", "client_timestamp", "sent_at", "received_at"];

/// The columns of the screen size.
const SCREEN_COLUMNS: [&str; 2] = ["screen_width", "screen_height"];

type AgentText = fn(&UserAgent) -> Option<&str>;

/// The columns derived from the user agent.
const AGENT_COLUMNS: [(&str, AgentText); 5] = [
    ("browser_name", |a| a.browser_name.as_deref()),
    ("browser_version", |a| a.browser_version.as_deref()),
    ("os_name", |a| a.os_name.as_deref()),
    ("os_version", |a| a.os_version.as_deref()),
    ("device_type", |a| Some(a.device_type.name())),
];

/// The columns that are text fields of an event, in the order of the fields.
pub const FIELDS: [(&str, TextField); TextField::COUNT] = [
    ("event_id", TextField::EventId),
    ("chatbot_id", TextField::ChatbotId),
    ("session_id", TextField::SessionId),
    ("anonymous_id", TextField::AnonymousId),
    ("user_id", TextField::UserId),
    ("user_email", TextField::UserEmail),
    ("user_name", TextField::UserName),
    ("user_metadata", TextField::UserMetadata),
    ("event_name", TextField::EventName),
    ("event_category", TextField::EventCategory),
    ("properties", TextField::Properties),
    ("page_url", TextField::PageUrl),
    ("page_title", TextField::PageTitle),
    ("referrer", TextField::Referrer),
    ("referrer_domain", TextField::ReferrerDomain),
    ("landing_page", TextField::LandingPage),
    ("utm_source", TextField::UtmSource),
    ("utm_medium", TextField::UtmMedium),
    ("utm_campaign", TextField::UtmCampaign),
    ("user_agent", TextField::UserAgent),
    ("ip_address", TextField::IpAddress),
    ("country_code", TextField::CountryCode),
    ("city", TextField::City),
    ("extra", TextField::Extra),
];

const _: () = {
    let mut at = 0;
    while at < FIELDS.len() {
        assert!(FIELDS[at].1 as usize == at);
        at += 1;
    }
};

/// Maximum number of rows of a block. A row takes a few hundred bytes, including its strings.
const MAX_ROWS: usize = 1 << 15;
/// Bytes of text at which a block ends.
const MAX_TEXT_BYTES: usize = 64 << 20;
/// Maximum length, in bytes, of strings that are copied once per run of equal rows. A longer string
/// is stored once in a block.
const MAX_COPIED_TEXT: usize = 64;

/// Reads a block of events from a frame with all columns, beginning at row `start`. An empty block
/// marks the end of the frame.
///
/// A block stores a long string once, as the file does, because all rows can share one long string.
///
/// # Errors
/// Fails if the frame lacks a column, or if the strings of a block exceed 4 GiB.
pub fn read(frame: &Frame, start: usize) -> Result<Block> {
    let frame = &frame.slice(start, MAX_ROWS);
    let ids = frame.texts("id")?;
    let times = frame.ints("timestamp")?;
    let (client, sent, received) =
        (frame.ints("client_timestamp")?, frame.ints("sent_at")?, frame.ints("received_at")?);
    let channels = frame.texts("channel")?;
    let mut agents = UserAgentReader::new(frame)?;
    let (widths, heights) = (frame.ints("screen_width")?, frame.ints("screen_height")?);
    let mut texts = FIELDS
        .iter()
        .map(|&(name, field)| Ok((TextInterner::new(frame.texts(name)?), field)))
        .collect::<Result<Vec<_>>>()?;

    let mut block = Block::default();
    let mut agent_indexes = std::collections::HashMap::new();
    for i in 0..frame.height() {
        if block.texts.as_str().len() >= MAX_TEXT_BYTES {
            break;
        }
        let mut row = EventRow::EMPTY;
        row.id = ids.get(i).and_then(|id| uuid::Uuid::try_parse(id).ok()).map_or(0, |id| id.as_u128());
        row.has_own_id = true;
        row.time = times.get(i).unwrap_or(0);
        row.client_timestamp = client.get(i).unwrap_or(NO_TIME);
        row.sent_at = sent.get(i).unwrap_or(NO_TIME);
        row.received_at = received.get(i).unwrap_or(NO_TIME);
        row.screen_width = widths.get_i32(i).unwrap_or(NO_NUMBER);
        row.screen_height = heights.get_i32(i).unwrap_or(NO_NUMBER);
        row.channel = channels.get(i).and_then(Channel::from_name);
        for (values, field) in &mut texts {
            row.text[*field as usize] = values.intern(i, &mut block.texts)?;
        }
        let value = |field: TextField| block.text(row.text[field as usize]);
        row.key_kind = match (value(TextField::SessionId), value(TextField::AnonymousId)) {
            (Some(_), _) => KeyKind::Session,
            (None, Some(_)) => KeyKind::Anonymous,
            (None, None) => KeyKind::User,
        };
        row.names_source = row.channel.is_some();
        if let Some(agent) = agents.get(i) {
            // The reader returns the same `Arc` for equal user agents.
            row.agent = *agent_indexes.entry(Arc::as_ptr(&agent)).or_insert_with(|| {
                block.agents.push(agent);
                block.agents.len() as u32 - 1
            });
        }
        let value = |field: TextField| block.text(row.text[field as usize]);
        let (properties, name) = (value(TextField::Properties), value(TextField::EventName));
        let (response_us, triggered_by) = match (name, properties) {
            (Some("message_received"), Some(p)) => (properties::response_us(p), None),
            (Some("widget_opened"), Some(p)) => (None, properties::triggered_by(p)),
            _ => (None, None),
        };
        row.response_us = response_us.unwrap_or(crate::event::NO_RESPONSE);
        if let Some(triggered_by) = triggered_by {
            row.triggered_by = block.texts.push(&triggered_by).ok_or_else(too_many_texts)?;
        }
        let event = Event { block: &block, row: &row };
        let key = session_key_hash(event.chatbot_id(), row.key_kind, event.key_value());
        row.key = key;
        block.rows.push(row);
    }
    Ok(block)
}

/// The columns that determine the session key of an event.
pub const SESSION_KEY_COLUMNS: [&str; 4] = ["chatbot_id", "session_id", "anonymous_id", "user_id"];

/// Returns the hashes of the session keys of all rows of a frame.
///
/// # Errors
/// Fails if the frame lacks a column.
pub fn session_keys(frame: &Frame) -> Result<Vec<u128>> {
    let chatbots = frame.texts("chatbot_id")?;
    let ids = [frame.texts("session_id")?, frame.texts("anonymous_id")?, frame.texts("user_id")?];
    let mut last = None;
    let key = |row: usize| {
        let token = chatbots.token(row);
        let seed = match last {
            Some((last, seed)) if last == token => seed,
            _ => chatbot_seed(chatbots.get(row).unwrap_or("")),
        };
        last = Some((token, seed));
        match ids.map(|column| column.get(row)) {
            [Some(id), ..] => id_hash(seed, KeyKind::Session, id),
            [None, Some(id), _] => id_hash(seed, KeyKind::Anonymous, id),
            [None, None, id] => id_hash(seed, KeyKind::User, id.unwrap_or("")),
        }
    };
    Ok((0..frame.height()).map(key).collect())
}

/// Copies the strings of a column to a block, each long string once.
struct TextInterner<'a> {
    texts: &'a Texts,
    /// Token and id of the previous row's string.
    last: (Option<u128>, TextId),
    /// Ids of long strings, by token.
    long: HashMap<u128, TextId>,
}

impl<'a> TextInterner<'a> {
    fn new(texts: &'a Texts) -> TextInterner<'a> {
        TextInterner { texts, last: (None, TextId::NONE), long: HashMap::new() }
    }

    /// Copies the string in a row to `pool`, unless it is there already. Returns its id.
    fn intern(&mut self, row: usize, pool: &mut event::TextPool) -> Result<TextId> {
        let token = self.texts.token(row);
        if self.last.0 == token {
            return Ok(self.last.1);
        }
        let id = match (token, self.texts.get(row)) {
            (Some(token), Some(text)) if text.len() > MAX_COPIED_TEXT => match self.long.entry(token) {
                Entry::Occupied(id) => *id.get(),
                Entry::Vacant(entry) => *entry.insert(pool.push(text).ok_or_else(too_many_texts)?),
            },
            (_, Some(text)) => pool.push(text).ok_or_else(too_many_texts)?,
            (_, None) => TextId::NONE,
        };
        self.last = (token, id);
        Ok(id)
    }
}

fn too_many_texts() -> Error {
    Error::failed("the strings of a block of events exceed 4 GiB")
}
