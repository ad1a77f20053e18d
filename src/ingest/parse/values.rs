//! The values of fields: their allowed types and their meaning.

use super::extra_fields;
use super::fields::Field;
use super::line_fields::{FieldValue, LineFields};
use super::row_builder::{IdSource, RowBuilder};
use super::text::TextBuffer;
use super::timestamp;
use super::warnings::Warning;
use crate::decimal::integer::parse_scaled;
use crate::event::{EventRow, NO_NUMBER, TextField, name_uuid, parse_uuid};
use crate::json::{ESCAPED, Kind, LONE_SURROGATE, Scanner, Span, Value, escapes, lenient};
use crate::session::properties::number_us;
use crate::time::Micros;

/// The longest number that is parsed as a screen size, in bytes.
const NUMBER_LIMIT: usize = 64;

impl RowBuilder<'_> {
    /// Returns the text of a field that must be a string; null if it is missing or of another type.
    #[inline]
    pub(super) fn text_field(&mut self, line: &LineFields, field: Field) -> Span {
        let Some(value) = line.get(field) else { return Span::NONE };
        self.text(value).unwrap_or_else(|| {
            self.wrong_types |= field.bit();
            Span::NONE
        })
    }

    /// Returns the text of a field that must be a string or an integer; null if it is missing or of
    /// another type.
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

    fn string(&mut self, value: Value) -> Span {
        if !value.has(ESCAPED) {
            return value.inner();
        }
        if value.has(LONE_SURROGATE) {
            self.pending.push(Warning::LoneSurrogate);
        }
        let from = self.buffer.decoded.len();
        let inner = value.inner().slice(self.buffer.lines).unwrap_or("");
        escapes::decode(inner, &mut self.buffer.decoded);
        self.buffer.decoded_since(from)
    }

    #[inline]
    pub(super) fn time(&mut self, field: FieldValue) -> Option<Micros> {
        match field.member.value.kind() {
            Kind::String => {
                let text = self.text(field)?;
                timestamp::from_text(self.buffer.get(text)?.as_bytes())
            }
            Kind::Number => timestamp::from_number(self.buffer.get(field.member.value.raw())?.as_bytes()),
            _ => None,
        }
    }

    /// Returns the text of a field that must be an object; null if it is of another type.
    pub(super) fn object(&mut self, field: Field, value: FieldValue) -> Span {
        match value.member.value.kind() {
            // Inherited from an envelope, whose objects have been prepared.
            Kind::Object if !value.text.is_none() => value.text,
            Kind::Object => {
                let object = value.member.value;
                let (span, lone) = extra_fields::copy_object(&mut self.buffer, object, self.options.ip);
                if lone {
                    self.pending.push(Warning::LoneSurrogate);
                }
                span
            }
            _ => {
                self.wrong_types |= field.bit();
                Span::NONE
            }
        }
    }

    /// Returns a screen size: an integer in any JSON notation (`1920`, `1920.0`).
    pub(super) fn pixels(&mut self, line: &LineFields, field: Field) -> i32 {
        let Some(value) = line.get(field) else { return NO_NUMBER };
        let number = match value.member.value.kind() {
            Kind::Number => self.buffer.get(value.member.value.raw()),
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

    /// Sets the columns that sessions take from the properties: the response time of an answer, and
    /// what opened the widget.
    pub(super) fn properties(
        &mut self,
        scanner: &mut Scanner,
        line: &LineFields,
        name: Span,
        row: &mut EventRow,
    ) {
        let key = match self.buffer.get(name) {
            Some("message_received") => "response_time_ms",
            Some("widget_opened") => "triggered_by",
            _ => return,
        };
        let object = line.get(Field::Properties).map(|value| value.member.value);
        let Some(object) = object.filter(|value| value.kind() == Kind::Object) else { return };
        let Some(value) = find_property(scanner, &self.buffer, object, key) else { return };
        if key == "triggered_by" {
            if value.kind() == Kind::String && value.inner().len > 0 {
                let text = self.string(value);
                row.triggered_by = self.intern(text);
            }
        } else if value.kind() != Kind::Null {
            match self.buffer.get(value.raw()).and_then(number_us) {
                Some(micros) => row.response_us = micros,
                None => self.pending.push(Warning::BadResponseTime),
            }
        }
    }

    /// Sets the id of a row.
    ///
    /// - A UUID in its canonical form is the id itself.
    /// - Any other id of the log is hashed together with its chatbot (UUID version 5); the text
    ///   goes to `event_id`.
    /// - Without an id in the log, the row gets a content hash, which
    ///   [`Ordinals`](crate::ingest::batch::line_ids::Ordinals) turns into an id later.
    pub(super) fn id(&mut self, line: &LineFields, source: IdSource, row: &mut EventRow) {
        let text = self.id_field(line, Field::EventId);
        if text.is_none() {
            row.id = match source {
                IdSource::Line(span) => {
                    xxhash_rust::xxh3::xxh3_128(self.buffer.get(span).unwrap_or("").as_bytes())
                }
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
        row.set(TextField::EventId, self.intern(text));
    }
}

/// Returns the value of a top-level property; of a repeated key, the last value.
fn find_property(scanner: &mut Scanner, buffer: &TextBuffer, object: Value, name: &str) -> Option<Value> {
    let mut found = None;
    scanner.object(object.start as usize, |member| {
        if lenient::key_is(buffer.get(member.key.inner()).unwrap_or(""), name) {
            found = Some(member.value);
        }
    });
    found
}
