//! Segments: up to 2048 events of a run in a compact encoding.
//!
//! A segment consists of the ids of its events, 16 bytes each, and a body that is compressed with
//! Zstandard. The body has these parts, whose numbers are [columns](super::numbers):
//!
//! 1. the strings that are not shared: their count, their lengths, and their bytes;
//! 2. the user agents that are not shared: their strings, their count, and a column for each of
//!    their fields;
//! 3. a column for each field of the events.
//!
//! A reference to a string or user agent is 0 for none, 1 + 2n for item n of the segment, and 2 +
//! 2n for [shared](super::shared) item n. The events of a segment are in input order. The number of
//! rows, the length of the body and a checksum of the segment are in memory ([`SegmentInfo`]), not
//! in the file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::merged::MergedBlock;
use super::numbers::{from_zigzag, put, take, zigzag};
use super::shared::SharedIds;
use super::texts::{DistinctTexts, TextHasher};
use crate::error::{Error, Result};
use crate::event::{
    Block, Channel, EventRow, KeyKind, NO_AGENT, NO_NUMBER, NO_TIME, TextField, TextId, TextPool, UserAgent,
};
use crate::prehashed::PreHashed;
use crate::store::temp_files::damaged;
use crate::time::Micros;

/// Maximum number of events of a segment.
const MAX_ROWS: usize = 1 << 11;
/// Bytes of text at which a segment ends. Lines can be a megabyte each.
const MAX_TEXT_BYTES: usize = 2 << 20;
/// Maximum length, in bytes, of strings that a segment can contain several times. A string of a
/// block is added again only if it was added to another segment in between ([`BlockTexts`]).
const MAX_COPIED_TEXT: usize = 256;
/// Zstandard level.
const LEVEL: i32 = 1;
/// Number of text columns: those of a row, and `triggered_by`.
const TEXTS: usize = TextField::COUNT + 1;
/// Number of text columns of a user agent.
const AGENT_TEXTS: usize = 6;
/// Approximate bytes of the numbers of a row.
const ROW_BYTES: usize = 64;
/// Bytes of an event id.
const ID_BYTES: usize = size_of::<u128>();

/// References from rows to strings and user agents: an index in the segment, or a shared index.
mod reference {
    /// The bit that marks a shared index.
    const SHARED: u32 = 1 << 31;

    pub fn own(number: u32) -> u32 {
        number & !SHARED
    }

    pub fn shared(number: u32) -> u32 {
        number | SHARED
    }

    /// Returns the number in the file; `reference` is `u32::MAX` for none.
    pub fn encode(reference: u32) -> u64 {
        match reference {
            u32::MAX => 0,
            shared if shared & SHARED != 0 => 2 + 2 * u64::from(shared & !SHARED),
            own => 1 + 2 * u64::from(own),
        }
    }
}

/// A decoded reference.
enum Reference {
    None,
    Own(usize),
    Shared(usize),
}

impl Reference {
    #[inline]
    fn decode(number: u64) -> Reference {
        match (number, (number.wrapping_sub(1) / 2) as usize) {
            (0, _) => Reference::None,
            (odd, number) if odd % 2 == 1 => Reference::Own(number),
            (_, number) => Reference::Shared(number),
        }
    }
}

/// Metadata for reading a segment.
#[derive(Debug)]
pub(super) struct SegmentInfo {
    pub rows: usize,
    /// Times of the earliest and the latest event.
    pub times: (Micros, Micros),
    /// Memory of the events as a block, in bytes.
    pub memory: usize,
    /// Length of the uncompressed body.
    body: usize,
    checksum: u64,
}

/// The numbers that the strings of one block have in the segments that are being built, by their
/// ids in the block. Only the latest segment of each string is known.
#[derive(Debug, Default)]
pub(super) struct BlockTexts {
    numbers: Vec<(SegmentId, u32)>,
}

/// Identifies a segment among those that a thread builds. 0 is no segment.
type SegmentId = u32;

impl BlockTexts {
    /// Starts another block.
    pub fn start(&mut self, block: &Block) {
        self.numbers.clear();
        self.numbers.resize(block.texts.count(), (0, 0));
    }
}

/// Builds a segment.
#[derive(Debug, Default)]
pub(super) struct SegmentBuilder {
    /// The id of the segment in progress.
    id: SegmentId,
    /// The events. The ids of strings and user agents are [`reference`]s.
    rows: Vec<EventRow>,
    /// Index of each event's input file.
    files: Vec<u32>,
    texts: TextPool,
    /// Numbers of long strings in the segment, by the address of their block and their id.
    long_texts: HashMap<u128, u32, PreHashed>,
    agents: Vec<Arc<UserAgent>>,
}

impl SegmentBuilder {
    /// Starts a segment with an id that no other segment of the thread has. The builder is empty.
    pub fn start(&mut self, id: SegmentId) {
        self.id = id;
    }

    /// Adds an event of a block. Returns whether the segment is full.
    ///
    /// # Errors
    /// Fails if the strings exceed 4 GiB.
    #[inline]
    pub fn push(
        &mut self,
        file: u32,
        (block, shared): (&Block, &SharedIds),
        row: &EventRow,
        block_texts: &mut BlockTexts,
    ) -> Result<bool> {
        let mut row = *row;
        for id in row.text.iter_mut().chain([&mut row.triggered_by]) {
            if id.is_none() {
                continue;
            }
            id.0 = match shared.texts.get(id.0 as usize) {
                Some(Some(number)) => reference::shared(*number),
                _ => reference::own(self.own_text(block, *id, block_texts)?),
            };
        }
        row.agent = match (shared.agents.get(row.agent as usize), block.agents.get(row.agent as usize)) {
            (Some(Some(number)), _) => reference::shared(*number),
            (_, Some(agent)) => {
                if self.agents.last().is_none_or(|last| !Arc::ptr_eq(last, agent)) {
                    self.agents.push(agent.clone());
                }
                reference::own(self.agents.len() as u32 - 1)
            }
            (_, None) => NO_AGENT,
        };
        self.rows.push(row);
        self.files.push(file);
        Ok(self.rows.len() >= MAX_ROWS || self.texts.as_str().len() >= MAX_TEXT_BYTES)
    }

    /// Adds a string of a block, and returns its number in the segment.
    fn own_text(&mut self, block: &Block, id: TextId, block_texts: &mut BlockTexts) -> Result<u32> {
        let latest = block_texts.numbers.get_mut(id.0 as usize);
        if let Some((segment, number)) = &latest
            && *segment == self.id
        {
            return Ok(*number);
        }
        let text = block.text(id).unwrap_or_default();
        let mut push = || {
            let id = self
                .texts
                .push(text)
                .ok_or_else(|| Error::failed("the strings of the events exceed 4 GiB"))?;
            Ok(id.0)
        };
        if text.len() <= MAX_COPIED_TEXT {
            let number = push()?;
            latest.into_iter().for_each(|latest| *latest = (self.id, number));
            return Ok(number);
        }
        let key = (std::ptr::from_ref(block) as usize as u128) << 32 | u128::from(id.0);
        match self.long_texts.entry(key) {
            Entry::Occupied(number) => Ok(*number.get()),
            Entry::Vacant(entry) => Ok(*entry.insert(push()?)),
        }
    }

    /// Returns whether there are no events.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Encodes the segment and resets the builder. Returns the metadata and the bytes.
    ///
    /// # Errors
    /// Fails if the events cannot be compressed.
    pub fn finish(
        &mut self,
        compressor: &mut zstd::bulk::Compressor<'_>,
        hasher: TextHasher,
    ) -> Result<(SegmentInfo, Vec<u8>)> {
        let rows = &self.rows;
        let mut body = Vec::with_capacity(2 * self.texts.size() + rows.len() * ROW_BYTES);
        put_texts(&mut body, &self.texts);
        put_agents(&mut body, &self.agents, hasher)?;
        put(&mut body, rows.iter().map(|row| reference::encode(row.agent)));
        put(&mut body, self.files.iter().map(|file| u64::from(*file)));
        put_numbers(&mut body, rows);
        for column in 0..TEXTS {
            let id = |row: &EventRow| row.text.get(column).unwrap_or(&row.triggered_by).0;
            put(&mut body, rows.iter().map(|row| reference::encode(id(row))));
        }
        let mut bytes: Vec<u8> = Vec::with_capacity(rows.len() * ID_BYTES + body.len() / 2);
        rows.iter().for_each(|row| bytes.extend_from_slice(&row.id.to_le_bytes()));
        let compressed =
            compressor.compress(&body).map_err(|e| Error::failed("cannot compress events").caused_by(e))?;
        bytes.extend_from_slice(&compressed);
        let times = || rows.iter().map(|row| row.time);
        let info = SegmentInfo {
            rows: rows.len(),
            times: times().min().zip(times().max()).unwrap_or_default(),
            memory: size_of_val(&rows[..]) + self.texts.size(),
            body: body.len(),
            checksum: xxh3_64(&bytes),
        };
        self.rows.clear();
        self.files.clear();
        self.texts.clear();
        self.long_texts.clear();
        self.agents.clear();
        Ok((info, bytes))
    }
}

/// Creates the compressor of segments.
///
/// # Errors
/// Fails if there is not enough memory.
pub(super) fn compressor() -> Result<zstd::bulk::Compressor<'static>> {
    zstd::bulk::Compressor::new(LEVEL).map_err(|e| Error::failed("cannot compress events").caused_by(e))
}

fn put_texts(out: &mut Vec<u8>, pool: &TextPool) {
    out.extend_from_slice(&(pool.count() as u32).to_le_bytes());
    let lengths = (0..pool.count()).map(|id| pool.get(TextId(id as u32)).map_or(0, str::len) as u64);
    put(out, lengths);
    out.extend_from_slice(pool.as_str().as_bytes());
}

/// Appends the strings and the columns of user agents.
fn put_agents(out: &mut Vec<u8>, agents: &[Arc<UserAgent>], hasher: TextHasher) -> Result<()> {
    let mut texts = DistinctTexts::default();
    let mut columns: [Vec<u64>; AGENT_TEXTS] = Default::default();
    for agent in agents {
        let values = [
            Some(agent.user_agent.as_str()),
            agent.browser_name.as_deref(),
            agent.browser_version.as_deref(),
            agent.os_name.as_deref(),
            agent.os_version.as_deref(),
            Some(agent.device_type.name()),
        ];
        for (column, value) in columns.iter_mut().zip(values) {
            column.push(match value {
                Some(text) => reference::encode(texts.id(hasher.hash(text), || Some(text))?.0),
                None => 0,
            });
        }
    }
    put_texts(out, texts.pool());
    out.extend_from_slice(&(agents.len() as u32).to_le_bytes());
    for column in columns {
        put(out, column.into_iter());
    }
    put(out, agents.iter().map(|agent| u64::from(agent.is_bot)));
    Ok(())
}

/// Appends the columns of times and other numbers.
fn put_numbers(out: &mut Vec<u8>, rows: &[EventRow]) {
    let rows = || rows.iter();
    // The earliest time, and the differences from it.
    let earliest = rows().map(|row| row.time).min().unwrap_or(0);
    out.extend_from_slice(&earliest.to_le_bytes());
    put(out, rows().map(|row| row.time.wrapping_sub(earliest) as u64));
    for time in OTHER_TIMES {
        put_optional(
            out,
            rows().map(|row| {
                let other = time.0(row);
                (other != NO_TIME).then(|| zigzag(other.wrapping_sub(row.time)))
            }),
        );
    }
    put(out, rows().map(|row| zigzag(row.response_us)));
    for side in SCREEN_SIDES {
        put_optional(
            out,
            rows().map(|row| {
                let pixels = side.0(row);
                (pixels != NO_NUMBER).then(|| zigzag(i64::from(pixels)))
            }),
        );
    }
    put(out, rows().map(|row| u64::from(flags(row))));
    put(out, rows().map(|row| row.channel.map_or(0, |channel| channel as u64 + 1)));
}

type Getter<T> = (fn(&EventRow) -> T, fn(&mut EventRow) -> &mut T);

/// The times of an event other than `timestamp`.
const OTHER_TIMES: [Getter<Micros>; 3] = [
    (|row| row.client_timestamp, |row| &mut row.client_timestamp),
    (|row| row.sent_at, |row| &mut row.sent_at),
    (|row| row.received_at, |row| &mut row.received_at),
];

const SCREEN_SIDES: [Getter<i32>; 2] = [
    (|row| row.screen_width, |row| &mut row.screen_width),
    (|row| row.screen_height, |row| &mut row.screen_height),
];

/// Appends a column of flags that mark the numbers present, and a column of these numbers.
fn put_optional(out: &mut Vec<u8>, numbers: impl Iterator<Item = Option<u64>> + Clone) {
    put(out, numbers.clone().map(|number| u64::from(number.is_some())));
    put(out, numbers.map(Option::unwrap_or_default));
}

fn take_optional(bytes: &mut &[u8], count: usize) -> Option<Vec<Option<u64>>> {
    let is_present = take(bytes, count)?;
    let numbers = take(bytes, count)?;
    Some(
        is_present
            .into_iter()
            .zip(numbers)
            .map(|(present, number)| (present == 1).then_some(number))
            .collect(),
    )
}

const NAMES_SOURCE: u8 = 4;
const HAS_OWN_ID: u8 = 8;

fn flags(row: &EventRow) -> u8 {
    let names_source = if row.names_source { NAMES_SOURCE } else { 0 };
    let has_own_id = if row.has_own_id { HAS_OWN_ID } else { 0 };
    row.key_kind as u8 | names_source | has_own_id
}

fn set_flags(row: &mut EventRow, flags: u8) {
    row.key_kind = match flags & 3 {
        0 => KeyKind::Session,
        1 => KeyKind::Anonymous,
        _ => KeyKind::User,
    };
    (row.names_source, row.has_own_id) = (flags & NAMES_SOURCE != 0, flags & HAS_OWN_ID != 0);
}

/// Adds the events of a segment with times from `start` (included) to `end` (excluded) to a block.
///
/// # Errors
/// Fails if the segment is damaged, or if the block is full.
pub(super) fn decode(
    bytes: &[u8],
    info: &SegmentInfo,
    (start, end): (Micros, Micros),
    merged: &mut MergedBlock<'_>,
) -> Result<()> {
    if xxh3_64(bytes) != info.checksum {
        return Err(damaged());
    }
    let (ids, body) = bytes.split_at_checked(info.rows * ID_BYTES).ok_or_else(damaged)?;
    let body = zstd::bulk::decompress(body, info.body).map_err(|e| damaged().caused_by(e))?;
    let segment = Decoded::parse(&body, ids, info.rows).ok_or_else(damaged)?;
    segment.add_to(merged, |row| start <= row.time && row.time < end)
}

/// The decoded contents of a segment.
struct Decoded<'a> {
    texts: Vec<&'a str>,
    agent_texts: Vec<&'a str>,
    /// References of the user agents to their strings, one column per field.
    agents: [Vec<u64>; AGENT_TEXTS],
    are_bots: Vec<u64>,
    /// Reference of each event's user agent.
    agents_of_rows: Vec<u64>,
    files: Vec<u64>,
    /// The events, without strings.
    rows: Vec<EventRow>,
    columns: Vec<Vec<u64>>,
}

impl<'a> Decoded<'a> {
    fn parse(mut body: &'a [u8], ids: &[u8], count: usize) -> Option<Decoded<'a>> {
        let body = &mut body;
        let texts = take_texts(body)?;
        let agent_texts = take_texts(body)?;
        let agent_count = take_count(body)?;
        let mut agents: [Vec<u64>; AGENT_TEXTS] = Default::default();
        for column in &mut agents {
            *column = take(body, agent_count)?;
        }
        let are_bots = take(body, agent_count)?;
        let agents_of_rows = take(body, count)?;
        let files = take(body, count)?;
        let mut rows = vec![EventRow::EMPTY; count];
        for (row, id) in rows.iter_mut().zip(ids.chunks_exact(ID_BYTES)) {
            row.id = u128::from_le_bytes(id.try_into().ok()?);
        }
        let (first, rest) = body.split_first_chunk()?;
        *body = rest;
        let earliest = i64::from_le_bytes(*first);
        for (row, distance) in rows.iter_mut().zip(take(body, count)?) {
            row.time = earliest.wrapping_add(distance as i64);
        }
        for other in OTHER_TIMES {
            for (row, distance) in rows.iter_mut().zip(take_optional(body, count)?) {
                let time = row.time;
                *other.1(row) = distance.map_or(NO_TIME, |distance| time.wrapping_add(from_zigzag(distance)));
            }
        }
        for (row, response) in rows.iter_mut().zip(take(body, count)?) {
            row.response_us = from_zigzag(response);
        }
        for side in SCREEN_SIDES {
            for (row, pixels) in rows.iter_mut().zip(take_optional(body, count)?) {
                *side.1(row) = pixels.map_or(NO_NUMBER, |pixels| from_zigzag(pixels) as i32);
            }
        }
        for (row, flags) in rows.iter_mut().zip(take(body, count)?) {
            set_flags(row, flags as u8);
        }
        for (row, channel) in rows.iter_mut().zip(take(body, count)?) {
            row.channel =
                (channel as usize).checked_sub(1).and_then(|index| Channel::ALL.get(index)).copied();
        }
        let columns = (0..TEXTS).map(|_| take(body, count)).collect::<Option<Vec<_>>>()?;
        Some(Decoded { texts, agent_texts, agents, are_bots, agents_of_rows, files, rows, columns })
    }

    /// Adds the selected rows to a block.
    fn add_to(mut self, merged: &mut MergedBlock<'_>, is_selected: impl Fn(&EventRow) -> bool) -> Result<()> {
        let selected: Vec<bool> = self.rows.iter().map(is_selected).collect();
        let mut texts = OwnTexts { texts: &self.texts, ids: vec![None; self.texts.len()] };
        for (at, column) in self.columns.iter().enumerate() {
            let rows = self.rows.iter_mut().zip(column).zip(&selected);
            for ((row, number), _) in rows.filter(|(_, selected)| **selected) {
                *row.text.get_mut(at).unwrap_or(&mut row.triggered_by) = texts.id(merged, *number)?;
            }
        }
        let mut texts = OwnTexts { texts: &self.agent_texts, ids: vec![None; self.agent_texts.len()] };
        let mut agents: Vec<Option<u32>> = vec![None; self.are_bots.len()];
        let rows = self.rows.iter_mut().zip(&self.agents_of_rows).zip(self.files).zip(selected);
        for (((row, agent), file), _) in rows.filter(|(_, selected)| *selected) {
            row.agent = match Reference::decode(*agent) {
                Reference::None => NO_AGENT,
                Reference::Shared(number) => merged.shared_agent(number),
                Reference::Own(number) => match agents.get_mut(number) {
                    Some(Some(index)) => *index,
                    Some(none) => {
                        let mut fields = [TextId::NONE; AGENT_TEXTS];
                        for (field, column) in fields.iter_mut().zip(&self.agents) {
                            *field = texts.id(merged, column.get(number).copied().unwrap_or_default())?;
                        }
                        *none.insert(merged.agent(fields, self.are_bots.get(number) == Some(&1)))
                    }
                    None => NO_AGENT,
                },
            };
            merged.push(*row, file as u32);
        }
        Ok(())
    }
}

/// The strings of a segment, and the ids of those that were added to a block.
struct OwnTexts<'a> {
    texts: &'a [&'a str],
    ids: Vec<Option<TextId>>,
}

impl OwnTexts<'_> {
    /// Returns the id that a string of the segment has in the block.
    #[inline]
    fn id(&mut self, merged: &mut MergedBlock<'_>, number: u64) -> Result<TextId> {
        match Reference::decode(number) {
            Reference::None => Ok(TextId::NONE),
            Reference::Shared(number) => merged.shared_text(number),
            Reference::Own(number) => match (self.ids.get_mut(number), self.texts.get(number)) {
                (Some(Some(id)), _) => Ok(*id),
                (Some(none), Some(text)) => Ok(*none.insert(merged.text_id(text)?)),
                _ => Ok(TextId::NONE),
            },
        }
    }
}

fn take_count(bytes: &mut &[u8]) -> Option<usize> {
    let (count, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*count) as usize)
}

fn take_texts<'a>(bytes: &mut &'a [u8]) -> Option<Vec<&'a str>> {
    let count = take_count(bytes)?;
    let lengths = take(bytes, count)?;
    let total = usize::try_from(lengths.iter().sum::<u64>()).ok()?;
    let (text, rest) = bytes.split_at_checked(total)?;
    *bytes = rest;
    let text = std::str::from_utf8(text).ok()?;
    let mut at = 0;
    lengths
        .into_iter()
        .map(|length| {
            let from = at;
            at += length as usize;
            text.get(from..at)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_of_a_block_is_added_once_per_segment() {
        let (mut block, shared) = (Block::default(), SharedIds { texts: Vec::new(), agents: Vec::new() });
        let long = "x".repeat(MAX_COPIED_TEXT + 1);
        let ids = ["short", &long].map(|text| block.texts.push(text).unwrap());
        let mut texts = BlockTexts::default();
        texts.start(&block);
        let mut builders = [SegmentBuilder::default(), SegmentBuilder::default()];
        builders.iter_mut().zip(1..).for_each(|(builder, id)| builder.start(id));
        let counts = [0, 0, 1, 1, 0].map(|builder| {
            for id in ids {
                let mut row = EventRow::EMPTY;
                row.set(TextField::PageUrl, id);
                builders[builder].push(0, (&block, &shared), &row, &mut texts).unwrap();
            }
            builders.each_ref().map(|builder| builder.texts.count())
        });
        // The short string is added again after it was added to the other segment.
        assert_eq!(counts, [[2, 0], [2, 0], [2, 2], [2, 2], [3, 2]]);
    }
}
