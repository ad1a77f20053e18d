//! The values of fields: what each may be, and what it means.

use super::event::RowBuilder;
use super::extra_fields;
use super::fields::Field;
use super::line::{FieldValue, LineFields};
use super::text::text_buffer::TextBuffer;
use super::timestamp;
use crate::decimal::integer::parse_scaled;
use crate::event::{EventRow, NO_NUMBER};
use crate::ingest::summary::warnings::Warning;
use crate::json::{ESCAPED, Kind, LONE_SURROGATE, Scanner, Span, Value, escapes, lenient};
use crate::time::Micros;

/// The longest number that is read as a size of the screen, in bytes.
const NUMBER_LIMIT: usize = 64;

impl RowBuilder<'_> {
    /// Returns the text of a field that must hold a string; null where it is not there.
    #[inline]
    pub(crate) fn text_field(&mut self, line: &LineFields, field: Field) -> Span {
        let Some(given) = line.get(field) else { return Span::NONE };
        self.text(given).unwrap_or_else(|| {
            self.wrong |= field.bit();
            Span::NONE
        })
    }

    /// Returns the text of a field that may hold a string or an integer; null where it is not there.
    #[inline]
    pub(crate) fn id_field(&mut self, line: &LineFields, field: Field) -> Span {
        let Some(given) = line.get(field) else { return Span::NONE };
        self.id_text(given).unwrap_or_else(|| {
            self.wrong |= field.bit();
            Span::NONE
        })
    }

    #[inline]
    pub(crate) fn id_text(&mut self, given: FieldValue) -> Option<Span> {
        let value = given.member.value;
        if value.kind() != Kind::Number {
            return self.text(given);
        }
        let integer = |text: &str| text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
        self.pool.get(value.raw()).filter(|text| integer(text)).map(|_| value.raw())
    }

    /// Returns the text of a string; `None` where it is something else.
    #[inline]
    pub(crate) fn text(&mut self, given: FieldValue) -> Option<Span> {
        match given.member.value.kind() {
            Kind::String if given.text.is_none() => Some(self.string(given.member.value)),
            Kind::String => Some(given.text),
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
        let (from, inner) = (self.pool.decoded.len(), value.inner());
        let inner =
            self.pool.lines.get(inner.start as usize..(inner.start + inner.len) as usize).unwrap_or("");
        escapes::decode(inner, &mut self.pool.decoded);
        self.pool.since(from)
    }

    #[inline]
    pub(crate) fn time(&mut self, given: FieldValue) -> Option<Micros> {
        match given.member.value.kind() {
            Kind::String => {
                let text = self.text(given)?;
                timestamp::from_text(self.pool.get(text)?.as_bytes())
            }
            Kind::Number => timestamp::from_number(self.pool.get(given.member.value.raw())?.as_bytes()),
            _ => None,
        }
    }

    /// Returns the span of a field that must hold an object.
    pub(crate) fn object(&mut self, field: Field, given: FieldValue) -> Span {
        match given.member.value.kind() {
            // An envelope's has been looked at already.
            Kind::Object if !given.text.is_none() => given.text,
            Kind::Object => {
                let (span, lone) =
                    extra_fields::as_written(&mut self.pool, given.member.value, self.options.ip);
                if lone {
                    self.pending.push(Warning::LoneSurrogate);
                }
                span
            }
            _ => {
                self.wrong |= field.bit();
                Span::NONE
            }
        }
    }

    /// Reads a size of the screen: a whole number, however it is written (`1920`, `1920.0`).
    pub(crate) fn pixels(&mut self, line: &LineFields, field: Field) -> i32 {
        let Some(given) = line.get(field) else { return NO_NUMBER };
        let number = match given.member.value.kind() {
            Kind::Number => self.pool.get(given.member.value.raw()),
            _ => None,
        };
        let pixels = number
            .filter(|text| text.len() <= NUMBER_LIMIT)
            .and_then(|text| parse_scaled(text.as_bytes(), 0))
            .filter(|number| number.exact)
            .and_then(|number| i32::try_from(number.truncated()?).ok())
            .filter(|pixels| *pixels != NO_NUMBER);
        pixels.unwrap_or_else(|| {
            self.wrong |= field.bit();
            NO_NUMBER
        })
    }

    /// Takes from the properties what sessions keep: the response time and what opened the widget.
    pub(crate) fn properties(
        &mut self,
        scanner: &mut Scanner,
        line: &LineFields,
        name: Span,
        row: &mut EventRow,
    ) {
        let key = match self.pool.get(name) {
            Some("message_received") => "response_time_ms",
            Some("widget_opened") => "triggered_by",
            _ => return,
        };
        let object = line.get(Field::Properties).map(|given| given.member.value);
        let Some(object) = object.filter(|value| value.kind() == Kind::Object) else { return };
        let Some(value) = property(scanner, &self.pool, object, key) else { return };
        if key == "triggered_by" {
            if value.kind() == Kind::String && value.inner().len > 0 {
                let text = self.string(value);
                row.triggered_by = self.keep(text);
            }
        } else if value.kind() != Kind::Null {
            match response_micros(&self.pool, value) {
                Some(micros) => row.response_us = micros,
                None => self.pending.push(Warning::BadResponseTime),
            }
        }
    }
}

/// Finds a property at the top level; of one given twice the last.
fn property(scanner: &mut Scanner, pool: &TextBuffer, object: Value, name: &str) -> Option<Value> {
    let mut found = None;
    scanner.object(object.start as usize, |member| {
        let inner = member.key.inner();
        let key = pool.get(inner).unwrap_or("");
        if lenient::key_is(key, name) {
            found = Some(member.value);
        }
    });
    found
}

/// Reads a response time: milliseconds, as whole microseconds, half a microsecond up.
fn response_micros(pool: &TextBuffer, value: Value) -> Option<i64> {
    match value.kind() {
        Kind::Number => crate::session::properties::number_us(pool.get(value.raw())?),
        _ => None,
    }
}
