//! Events to the `events` table, and back.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::build::in_order;
use super::user_agents::Agents;
use crate::enrich::{Channel, UserAgent};
use crate::error::{Error, Result};
use crate::event::{
    self, Block, Event, EventRow, KeyKind, NO_NUMBER, NO_TIME, TextField, TextId, session_key_hash,
};
use crate::session::properties;
use crate::store::columns::{EVENTS, Table};
use crate::store::encode::{Chunk, GROUP_BYTES, NumberColumn, Steps, TextColumn};
use crate::store::frame::{Frame, Texts};
use crate::time::Micros;

/// Makes the columns of a row group of events, stored at `now`, in the order given. Returns how many of them
/// are in it: all, unless their texts are too many bytes for one.
///
/// The rows are gone through once: a row's numbers and texts lie together, and in another place
/// than the next row's. Neighbours are mostly of one block and of one session: where they name the
/// same text, it need not be looked at.
pub fn columns(events: &[Event<'_>], now: Micros) -> Result<(usize, Vec<Chunk>)> {
    let mut rows = events.len();
    let mut held = 0;
    let mut texts: [TextColumn<'_>; TextField::COUNT] = Default::default();
    let mut channels = TextColumn::default();
    let mut agents: [TextColumn<'_>; AGENT_COLUMNS.len()] = Default::default();
    let mut sides: [NumberColumn<i32>; 2] = Default::default();
    let mut times: [Vec<Micros>; TIME_COLUMNS.len()] = std::array::from_fn(|_| Vec::with_capacity(rows));
    let mut ids = Vec::with_capacity(rows);
    let mut bots = Vec::with_capacity(rows);
    let mut before: Option<Event<'_>> = None;
    let mut is_bot = false;
    for (at, event) in (0..).zip(events) {
        let row = event.row;
        let known = before.filter(|before| std::ptr::eq(before.block, event.block)).map(|before| before.row);
        let mut changed = known.map_or(u32::MAX, |known| changes(&known.text, &row.text));
        while let Some(text) = texts.get_mut(changed.trailing_zeros() as usize) {
            held += text.change(at, event.block.text(row.text[changed.trailing_zeros() as usize]));
            changed &= changed - 1;
        }
        if known.is_none_or(|known| known.channel != row.channel) {
            channels.change(at, row.channel.map(Channel::name));
        }
        if known.is_none_or(|known| known.agent != row.agent) {
            let agent = event.agent();
            for (column, (_, value)) in agents.iter_mut().zip(AGENT_COLUMNS) {
                held += column.change(at, agent.and_then(|agent| value(agent)));
            }
            is_bot = agent.is_some_and(|agent| agent.is_bot);
        }
        bots.push(is_bot);
        for (side, pixels) in sides.iter_mut().zip([row.screen_width, row.screen_height]) {
            side.change(at, Some(pixels).filter(|pixels| *pixels != NO_NUMBER));
        }
        let row_times = [row.time, row.client_timestamp, row.sent_at, row.received_at];
        for (column, time) in times.iter_mut().zip(row_times) {
            column.push(time);
        }
        ids.push(row.id);
        before = Some(*event);
        if held >= GROUP_BYTES {
            rows = ids.len();
            break;
        }
    }
    let mut stored = NumberColumn::default();
    stored.change(0, Some(now));
    let mut columns = vec![
        ("id", Chunk::of_uuids(&ids)),
        ("channel", channels.finish(rows)),
        ("is_bot", Chunk::of_truths(&bots)),
        ("created_at", stored.finish(rows)),
    ];
    // In the order of the fields, which is that of a row's texts.
    columns.extend(FIELDS.iter().zip(texts).map(|((name, _), column)| (*name, column.finish(rows))));
    columns.extend(AGENT_COLUMNS.iter().zip(agents).map(|((name, _), column)| (*name, column.finish(rows))));
    columns.extend(SIDE_COLUMNS.into_iter().zip(sides).map(|(name, column)| (name, column.finish(rows))));
    let of_times = |times: &Vec<Micros>| Chunk::of_times(times, NO_TIME, Steps::of(Table::Events));
    columns.extend(TIME_COLUMNS.into_iter().zip(times.iter().map(of_times)));
    Ok((rows, in_order(EVENTS, columns)?))
}

/// Returns a bit for each text that differs from the neighbour's.
fn changes(before: &[TextId; TextField::COUNT], texts: &[TextId; TextField::COUNT]) -> u32 {
    const { assert!(TextField::COUNT <= u32::BITS as usize) };
    let differ = |at: usize| u32::from(before[at] != texts[at]) << at;
    (0..TextField::COUNT).fold(0, |bits, at| bits | differ(at))
}

/// The columns of times.
const TIME_COLUMNS: [&str; 4] = ["timestamp", "client_timestamp", "sent_at", "received_at"];

/// The columns of a screen's size.
const SIDE_COLUMNS: [&str; 2] = ["screen_width", "screen_height"];

type OfAgent = fn(&UserAgent) -> Option<&str>;

/// The columns of what a user agent says.
const AGENT_COLUMNS: [(&str, OfAgent); 5] = [
    ("browser_name", |a| a.browser_name.as_deref()),
    ("browser_version", |a| a.browser_version.as_deref()),
    ("os_name", |a| a.os_name.as_deref()),
    ("os_version", |a| a.os_version.as_deref()),
    ("device_type", |a| Some(a.device_type.name())),
];

/// The columns that hold a text field as it is, in the order of the fields.
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

/// Rows that are read at a time, at most: with their texts, some hundred bytes each.
const ROWS: usize = 1 << 15;
/// Bytes of texts with which fewer are read.
const BYTES: usize = 64 << 20;
/// Texts of up to so many bytes are kept again where they do not follow themselves.
const SHORT: usize = 64;

/// Reads rows of the table back into a block of events: as many as are read at a time, from a row of the
/// frame on. A block without events is the end.
///
/// One long text can be that of all rows, and is kept once here as it is there.
pub fn read(frame: &Frame, start: usize) -> Result<Block> {
    let frame = &frame.slice(start, ROWS);
    let ids = frame.texts("id")?;
    let times = frame.ints("timestamp")?;
    let (client, sent, received) =
        (frame.ints("client_timestamp")?, frame.ints("sent_at")?, frame.ints("received_at")?);
    let channels = frame.texts("channel")?;
    let mut agents = Agents::of(frame)?;
    let (widths, heights) = (frame.ints("screen_width")?, frame.ints("screen_height")?);
    let mut texts = FIELDS
        .iter()
        .map(|&(name, field)| Ok((Interned::of(frame.texts(name)?), field)))
        .collect::<Result<Vec<_>>>()?;

    let mut block = Block::default();
    let mut known_agents = std::collections::HashMap::new();
    for i in 0..frame.height() {
        if block.texts.all().len() >= BYTES {
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
            row.text[*field as usize] = values.keep(i, &mut block.texts)?;
        }
        let value = |field: TextField| block.text(row.text[field as usize]);
        row.key_kind = match (value(TextField::SessionId), value(TextField::AnonymousId)) {
            (Some(_), _) => KeyKind::Session,
            (None, Some(_)) => KeyKind::Anonymous,
            (None, None) => KeyKind::User,
        };
        row.names_source = row.channel.is_some();
        if let Some(agent) = agents.get(i) {
            // The cache hands out the same one for the same columns.
            row.agent = *known_agents.entry(Arc::as_ptr(&agent)).or_insert_with(|| {
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
            row.triggered_by = block.texts.push(&triggered_by).ok_or_else(no_room)?;
        }
        let event = Event { block: &block, row: &row };
        let key = session_key_hash(event.chatbot_id(), row.key_kind, event.key_value());
        row.key = key;
        block.rows.push(row);
    }
    Ok(block)
}

/// A column of texts, whose texts are kept once in a block.
struct Interned<'a> {
    texts: &'a Texts,
    /// The text of the row before.
    last: (Option<u128>, TextId),
    /// Long texts by their tokens.
    long: HashMap<u128, TextId>,
}

impl<'a> Interned<'a> {
    fn of(texts: &'a Texts) -> Interned<'a> {
        Interned { texts, last: (None, TextId::NONE), long: HashMap::new() }
    }

    /// Keeps the text of a row.
    fn keep(&mut self, row: usize, kept: &mut event::TextPool) -> Result<TextId> {
        let token = self.texts.token(row);
        if self.last.0 == token {
            return Ok(self.last.1);
        }
        let id = match (token, self.texts.get(row)) {
            (Some(token), Some(text)) if text.len() > SHORT => match self.long.entry(token) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => *new.insert(kept.push(text).ok_or_else(no_room)?),
            },
            (_, Some(text)) => kept.push(text).ok_or_else(no_room)?,
            (_, None) => TextId::NONE,
        };
        self.last = (token, id);
        Ok(id)
    }
}

fn no_room() -> Error {
    Error::failed("the texts of some events are more than 4 GiB")
}
