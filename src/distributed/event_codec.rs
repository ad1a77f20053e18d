//! Serializes events, to pass them from one task to another.
//!
//! The bytes contain everything that a row of `events` and a session summary need, except the
//! parsed user agent, which is derived again from the user agent string. Both tasks run the same
//! program, so the format has no version.

use std::collections::HashMap;

use crate::enrich::Enricher;
use crate::error::{Error, Result};
use crate::event::{Block, Channel, Event, EventRow, KeyKind, NO_AGENT, TextField, TextId};
use crate::store::frame::take;

/// The number of string fields. Each has a bit in the mask, in this order: the text fields, then
/// `triggered_by`.
const TEXTS: usize = TextField::COUNT + 1;

/// Appends an event to bytes.
pub fn encode(event: Event<'_>, bytes: &mut Vec<u8>) {
    let row = event.row;
    bytes.extend_from_slice(&row.key.to_le_bytes());
    bytes.extend_from_slice(&row.id.to_le_bytes());
    for number in [row.time, row.client_timestamp, row.sent_at, row.received_at, row.response_us] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for number in [row.screen_width, row.screen_height] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.push(row.channel.map_or(0, |channel| channel as u8 + 1));
    bytes.push(row.key_kind as u8 | u8::from(row.names_source) << 2 | u8::from(row.has_own_id) << 3);
    let texts = row.text.iter().chain([&row.triggered_by]).map(|id| event.block.text(*id));
    let mask =
        texts.clone().enumerate().fold(0u32, |mask, (at, text)| mask | u32::from(text.is_some()) << at);
    bytes.extend_from_slice(&mask.to_le_bytes());
    for text in texts.flatten() {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
}

/// Returns the hash of the session key of an encoded event.
pub fn session_key(mut bytes: &[u8]) -> Result<u128> {
    take(&mut bytes).map(u128::from_le_bytes).ok_or_else(damaged)
}

/// Decodes events into a block. Equal strings of adjacent events are stored once.
#[derive(Default)]
pub struct EventDecoder {
    block: Block,
    agents: HashMap<TextId, u32>,
}

impl EventDecoder {
    /// Returns the block of decoded events, and starts a new one.
    pub fn take_block(&mut self) -> Block {
        self.agents.clear();
        std::mem::take(&mut self.block)
    }

    /// Returns the memory of the block in bytes.
    pub fn size(&self) -> usize {
        self.block.texts.size() + self.block.rows.len() * size_of::<EventRow>()
    }

    /// Adds an encoded event.
    ///
    /// # Errors
    /// Fails if the bytes are damaged, or if the strings exceed 4 GiB.
    pub fn push(&mut self, bytes: &[u8], enricher: &Enricher) -> Result<()> {
        let row = self.decode(bytes, enricher).ok_or_else(damaged)?;
        self.block.rows.push(row);
        Ok(())
    }

    fn decode(&mut self, mut bytes: &[u8], enricher: &Enricher) -> Option<EventRow> {
        let bytes = &mut bytes;
        let mut row = EventRow::EMPTY;
        row.key = u128::from_le_bytes(take(bytes)?);
        row.id = u128::from_le_bytes(take(bytes)?);
        let EventRow { time, client_timestamp, sent_at, received_at, response_us, .. } = &mut row;
        for number in [time, client_timestamp, sent_at, received_at, response_us] {
            *number = i64::from_le_bytes(take(bytes)?);
        }
        for number in [&mut row.screen_width, &mut row.screen_height] {
            *number = i32::from_le_bytes(take(bytes)?);
        }
        let [channel, flags] = take(bytes)?;
        row.channel = channel.checked_sub(1).and_then(|at| Channel::ALL.get(usize::from(at)).copied());
        row.key_kind = match flags & 3 {
            0 => KeyKind::Session,
            1 => KeyKind::Anonymous,
            _ => KeyKind::User,
        };
        (row.names_source, row.has_own_id) = (flags & 4 != 0, flags & 8 != 0);
        let mask = u32::from_le_bytes(take(bytes)?);
        let mut texts = [TextId::NONE; TEXTS];
        let previous = self.block.rows.last().copied();
        for (at, id) in texts.iter_mut().enumerate().filter(|(at, _)| mask & 1 << at != 0) {
            let length = u32::from_le_bytes(take(bytes)?) as usize;
            let (text, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            let text = std::str::from_utf8(text).ok()?;
            let same = previous.map(|row| row.text.get(at).copied().unwrap_or(row.triggered_by));
            *id = match same.filter(|same| self.block.texts.equals(*same, text)) {
                Some(same) => same,
                None => self.block.texts.push(text)?,
            };
        }
        let (triggered_by, fields) = texts.split_last()?;
        row.triggered_by = *triggered_by;
        row.text = fields.try_into().ok()?;
        row.agent = self.agent(row.get(TextField::UserAgent), enricher);
        Some(row)
    }

    /// Returns the index of a user agent in the block.
    fn agent(&mut self, text: TextId, enricher: &Enricher) -> u32 {
        let Some(user_agent) = self.block.text(text) else { return NO_AGENT };
        if let Some(index) = self.agents.get(&text) {
            return *index;
        }
        self.block.agents.push(enricher.user_agent(user_agent));
        let index = self.block.agents.len() as u32 - 1;
        self.agents.insert(text, index);
        index
    }
}

fn damaged() -> Error {
    Error::failed("an encoded event is damaged")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::NO_TIME;
    use crate::ingest::{ParseOptions, RawBlock, parse};
    use crate::settings::IpPolicy;

    /// Returns the events of lines, encoded.
    fn encoded(lines: &str) -> Vec<Vec<u8>> {
        let raw = RawBlock { bytes: lines.into(), first_line: 1, ..RawBlock::default() };
        let options = ParseOptions {
            chatbot: None,
            now: crate::testing::clock(crate::testing::NOW).now,
            ip: IpPolicy::Keep,
            visitor_key: [1; 32],
            timezone: None,
        };
        let block = parse(raw, &options, &Enricher::new(None).unwrap()).block;
        let encode = |row| {
            let mut bytes = Vec::new();
            encode(block.event(row), &mut bytes);
            bytes
        };
        block.rows.iter().map(encode).collect()
    }

    const LINES: &str = r#"{"chatbot_id":"c","session_id":"s","event_name":"widget_opened","timestamp":"2026-11-09T08:00:00Z","user_agent":"curl/8.0","properties":{"triggered_by":"button"},"screen_width":800,"utm_source":"x"}
{"chatbot_id":"c","user_id":"u","event_name":"message_received","timestamp":"2026-11-09T08:00:00.5Z","user_agent":"curl/8.0","properties":{"response_time_ms":1.5},"event_id":"e"}
"#;

    #[test]
    fn decoded_events_have_all_values() {
        let enricher = Enricher::new(None).unwrap();
        let bytes = encoded(LINES);
        let mut decoder = EventDecoder::default();
        bytes.iter().for_each(|bytes| decoder.push(bytes, &enricher).unwrap());
        assert!(decoder.size() > 100);
        let block = decoder.take_block();
        let [opened, received] = [0, 1].map(|at| block.event(&block.rows[at]));
        assert_eq!((opened.chatbot_id(), opened.name(), opened.key_value()), ("c", "widget_opened", "s"));
        assert_eq!(block.text(opened.row.triggered_by), Some("button"));
        assert_eq!((opened.row.screen_width, opened.row.client_timestamp), (800, NO_TIME));
        assert!(opened.row.channel.is_some() && opened.row.names_source && !opened.row.has_own_id);
        assert_eq!((received.row.key_kind, received.key_value()), (KeyKind::User, "u"));
        assert_eq!((received.row.response_us, received.row.has_own_id), (1500, true));
        assert_eq!(received.row.time - opened.row.time, 500_000);
        assert_eq!(session_key(&bytes[1]).unwrap(), received.row.key);
        // Equal strings are stored once, and the user agent is classified once.
        assert_eq!(opened.row.get(TextField::ChatbotId), received.row.get(TextField::ChatbotId));
        assert_eq!((block.agents.len(), block.agents[0].user_agent.as_str()), (1, "curl/8.0"));
        assert_eq!(decoder.take_block().rows.len(), 0);
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_an_error_or_an_event(
            event in 0..2usize, keep in 0..400usize, at in 0..400usize, value in any::<u8>(),
        ) {
            let enricher = Enricher::new(None).unwrap();
            let mut bytes = encoded(LINES).remove(event);
            let length = bytes.len();
            bytes.truncate(keep);
            let mut decoder = EventDecoder::default();
            if keep < length {
                prop_assert!(decoder.push(&bytes, &enricher).is_err());
            }
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = decoder.push(&bytes, &enricher);
        }
    }
}
