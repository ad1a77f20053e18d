//! The values of fields: their allowed types and their meaning.

use std::borrow::Cow;

use super::fields::Field;
use super::line_fields::{FieldValue, LineFields};
use super::row_builder::{IdSource, RowBuilder};
use super::timestamp;
use super::warnings::Warning;
use crate::decimal::integer::{is_number, parse_scaled};
use crate::enrich;
use crate::event::{EventRow, NO_NUMBER, TextField, name_uuid, parse_uuid};
use crate::json::{ESCAPED, Kind, LONE_SURROGATE, Span, Value, escapes};
use crate::time::Micros;

/// The shortest string that is read as Unix time, in bytes: seconds have had ten digits since 2001.
const MIN_QUOTED_TIME: usize = 10;
/// The longest number that is parsed as a screen size, in bytes.
const NUMBER_LIMIT: usize = 64;

impl RowBuilder<'_> {
    /// Returns the text of a field that must be a string; null if it is missing or has the
    /// wrong type.
    #[inline]
    pub(super) fn text_field(&mut self, line: &LineFields, field: Field) -> Span {
        let Some(value) = line.get(field) else { return Span::NONE };
        self.text(value).unwrap_or_else(|| {
            self.wrong_types |= field.bit();
            Span::NONE
        })
    }

    /// Returns the text of a field that must be a string or an integer; null if it is missing or
    /// has the wrong type.
    #[inline]
    pub(super) fn id_field(&mut self, line: &LineFields, field: Field) -> Span {
        let Some(value) = line.get(field) else { return Span::NONE };
        self.id_text(value).unwrap_or_else(|| {
            self.wrong_types |= field.bit();
            Span::NONE
        })
    }

    /// Returns the text of a string or an integer; `None` for other values.
    #[inline]
    pub(super) fn id_text(&mut self, field: FieldValue) -> Option<Span> {
        let value = field.member.value;
        if value.kind() != Kind::Number {
            return self.text(field);
        }
        let integer = |text: &str| text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
        self.buffer.get(value.raw()).filter(|text| integer(text)).map(|_| value.raw())
    }

    /// Returns the text of a string; `None` for other values.
    #[inline]
    pub(super) fn text(&mut self, field: FieldValue) -> Option<Span> {
        match field.member.value.kind() {
            Kind::String if field.text.is_none() => Some(self.string(field.member.value)),
            Kind::String => Some(field.text),
            _ => None,
        }
    }

    /// Returns the decoded text of a string.
    pub(super) fn string(&mut self, value: Value) -> Span {
        if !value.has(ESCAPED) {
            return value.inner();
        }
        if value.has(LONE_SURROGATE) {
            self.pending.push(Warning::LoneSurrogate);
        }
        let from = self.buffer.decoded.len();
        match value.inner().slice(self.buffer.lines) {
            Some(inner) => escapes::decode(inner, &mut self.buffer.decoded),
            // A mapped record, whose text was already decoded once.
            None => {
                let inner = self.buffer.get(value.inner()).unwrap_or("").to_owned();
                escapes::decode(&inner, &mut self.buffer.decoded);
            }
        }
        self.buffer.decoded_since(from)
    }

    #[inline]
    pub(super) fn time(&mut self, field: FieldValue) -> Option<Micros> {
        match field.member.value.kind() {
            Kind::String => {
                let span = self.text(field)?;
                if let Some((_, time)) = self.known_times.iter().find(|(known, _)| *known == span) {
                    return Some(*time);
                }
                let text = self.buffer.get(span)?;
                match timestamp::from_text(text.as_bytes()) {
                    Some(time) if timestamp::has_offset(text) => Some(time),
                    Some(time) => Some(match self.options.timezone {
                        Some(zone) => zone.from_local(time),
                        None => {
                            self.has_utc_time = true;
                            time
                        }
                    }),
                    // This is a number in quotes. A shorter number might not be a time.
                    None if text.len() >= MIN_QUOTED_TIME && is_number(text) => {
                        timestamp::from_number(text.as_bytes())
                    }
                    None => None,
                }
            }
            Kind::Number => timestamp::from_number(self.buffer.get(field.member.value.raw())?.as_bytes()),
            _ => None,
        }
    }

    /// Returns a string without leading and trailing white space; null if nothing remains.
    pub(super) fn trimmed(&self, span: Span) -> Span {
        let Some(text) = self.buffer.get(span) else { return span };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Span::NONE;
        }
        let start = text.len() - text.trim_start().len();
        Span { start: span.start + start as u32, len: trimmed.len() as u32 }
    }

    /// Returns the country code that a trimmed string stands for; null if it stands for no country.
    pub(super) fn country_code(&mut self, span: Span) -> Span {
        let Some(text) = self.buffer.get(span) else { return span };
        match enrich::country_code(text) {
            Some(Cow::Borrowed(_)) => span,
            Some(Cow::Owned(code)) => self.buffer.push(&code),
            None => {
                if !enrich::is_unknown_country(text) {
                    self.pending.push(Warning::NotACountryCode);
                }
                Span::NONE
            }
        }
    }

    /// Returns a screen size: an integer in any JSON notation (`1920`, `1920.0`).
    pub(super) fn pixels(&mut self, line: &LineFields, field: Field) -> i32 {
        let Some(value) = line.get(field) else { return NO_NUMBER };
        let number = match value.member.value.kind() {
            Kind::Number => self.buffer.get(value.member.value.raw()),
            // Some loggers write numbers in quotes.
            Kind::String => {
                let text = self.text(value);
                text.and_then(|text| self.buffer.get(text)).filter(|text| is_number(text))
            }
            _ => None,
        };
        let pixels = number
            .filter(|text| text.len() <= NUMBER_LIMIT)
            .and_then(|text| parse_scaled(text.as_bytes(), 0))
            .filter(|number| number.exact)
            .and_then(|number| i32::try_from(number.truncated()?).ok())
            .filter(|pixels| *pixels != NO_NUMBER);
        pixels.unwrap_or_else(|| {
            self.wrong_types |= field.bit();
            NO_NUMBER
        })
    }

    /// Sets the id of a row.
    ///
    /// - A UUID in canonical form becomes the id.
    /// - Any other id of the log is hashed together with its chatbot (UUID version 5), and its text
    ///   is stored in `event_id`.
    /// - Without an id in the log, the row gets a content hash, which
    ///   [`Ordinals`](crate::ingest::batch::line_ids::Ordinals) converts to an id later.
    pub(super) fn id(&mut self, line: &LineFields, source: IdSource, row: &mut EventRow) {
        let text = self.id_field(line, Field::EventId);
        if text.is_none() {
            row.id = match source {
                IdSource::Line(span) => {
                    xxhash_rust::xxh3::xxh3_128(self.buffer.get(span).unwrap_or("").as_bytes())
                }
                IdSource::Hash(hash) => hash,
                IdSource::Element(line, index) => {
                    let mut bytes = [0; 20];
                    let (head, tail) = bytes.split_at_mut(16);
                    head.copy_from_slice(&line.to_le_bytes());
                    tail.copy_from_slice(&index.to_le_bytes());
                    xxhash_rust::xxh3::xxh3_128(&bytes)
                }
            };
            return;
        }
        row.has_own_id = true;
        let id = self.buffer.get(text).unwrap_or("");
        if let Some(id) = parse_uuid(id) {
            row.id = id;
            return;
        }
        let chatbot = self.interner.get(row.get(TextField::ChatbotId)).unwrap_or("");
        self.id_input.clear();
        self.id_input.extend_from_slice(&(chatbot.len() as u32).to_be_bytes());
        self.id_input.extend_from_slice(chatbot.as_bytes());
        self.id_input.extend_from_slice(id.as_bytes());
        row.id = name_uuid(&self.id_input).as_u128();
        row.set(TextField::EventId, self.interner.intern_event_id(&self.buffer, text));
    }
}
