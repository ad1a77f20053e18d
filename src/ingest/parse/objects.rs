//! The fields that are objects: `properties` and `user_metadata`.

use std::borrow::Cow;

use super::extra_fields;
use super::fields::{Field, OBJECTS, fields_in};
use super::line_fields::{FieldValue, LineFields};
use super::row_builder::RowBuilder;
use super::text::VariedColumn;
use super::warnings::Warning;
use crate::event::EventRow;
use crate::json::{Kind, Scanner, Span, TextBuffer, Value, compact, lenient};
use crate::session::properties::number_us;

impl RowBuilder<'_> {
    /// Sets the columns of the objects. Returns the object in `properties`, if there is one.
    pub(super) fn objects(&mut self, line: &LineFields, row: &mut EventRow) -> Option<Value> {
        let mut properties = None;
        for field in fields_in(line.present() & OBJECTS) {
            let Some((value, column)) = line.get(field).zip(field.column()) else { continue };
            let object = self.object(field, value);
            let Some((object, span)) = object else { continue };
            let is_inherited = !value.text.is_none();
            let id = match self.buffer.get(span) {
                Some(text) if field == Field::Properties && !is_inherited => {
                    self.interner.intern_varied(VariedColumn::Properties, text)
                }
                _ => self.intern(span),
            };
            row.set(column, id);
            if field == Field::Properties {
                properties = Some(object);
            }
        }
        properties
    }

    /// Returns the object of a field and the span of the text to store; `None` if its value is not
    /// an object. An object can also be written as JSON text in a string.
    pub(super) fn object(&mut self, field: Field, value: FieldValue) -> Option<(Value, Span)> {
        let object = match value.member.value.kind() {
            // The object of an envelope, which was copied before the events inherited it.
            Kind::Object if !value.text.is_none() => return Some((value.member.value, value.text)),
            Kind::Object => Some(value.member.value),
            Kind::String => self.object_in_text(value),
            _ => None,
        };
        let Some(object) = object else {
            self.wrong_types |= field.bit();
            return None;
        };
        let (span, lone) = extra_fields::copy_object(&mut self.buffer, object, self.options.ip);
        if lone {
            self.pending.push(Warning::LoneSurrogate);
        }
        Some((object, span))
    }

    /// Returns the object that a string contains as JSON text; `None` for any other string.
    fn object_in_text(&mut self, value: FieldValue) -> Option<Value> {
        let (decoded, warnings) = (self.buffer.decoded.len(), self.pending.len());
        let object = self.text(value).and_then(|span| scan_text(&mut self.buffer, span));
        if object.is_none() {
            // The string is stored in `extra` as written, and its warnings are counted there.
            self.buffer.decoded.truncate(decoded);
            self.pending.truncate(warnings);
        }
        object
    }

    /// Sets the columns that sessions read from the properties: the response time of a received
    /// message, and the trigger that opened the widget.
    pub(super) fn properties(
        &mut self,
        scanner: &mut Scanner,
        object: Option<Value>,
        name: Span,
        row: &mut EventRow,
    ) {
        let Some(key) = self.buffer.get(name).and_then(session_property) else { return };
        let Some(object) = object else { return };
        let value = match self.known_property.take() {
            Some((known, value)) if known == object => value,
            _ => find_property(scanner, &self.buffer, object, key),
        };
        let Some(value) = value else { return };
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
}

/// The keys of the properties that sessions read.
pub(super) const SESSION_PROPERTIES: [&str; 2] = ["response_time_ms", "triggered_by"];

/// Returns the key of the property that sessions read from the events with a name.
pub(super) fn session_property(name: &str) -> Option<&'static str> {
    let [response_time, trigger] = SESSION_PROPERTIES;
    match name {
        "message_received" => Some(response_time),
        "widget_opened" => Some(trigger),
        _ => None,
    }
}

/// Scans a string that consists of one JSON object, and returns the object.
fn scan_text(buffer: &mut TextBuffer, mut span: Span) -> Option<Value> {
    if let Cow::Owned(joined) = compact::join_lines(buffer.get(span)?) {
        // The scanner stops at a line feed.
        span = buffer.push(&joined);
    }
    let text = buffer.get(span)?;
    let mut scanner = Scanner::new(text.as_bytes());
    let start = scanner.skip_space(0);
    if scanner.at(start) != b'{' {
        return None;
    }
    let object = scanner.value(start)?;
    (scanner.skip_space(object.end as usize) >= text.len()).then(|| object.shifted(span.start))
}

/// Returns the value of a top-level property; for a repeated key, the last value.
fn find_property(scanner: &mut Scanner, buffer: &TextBuffer, object: Value, name: &str) -> Option<Value> {
    let mut found = None;
    if object.start as usize >= buffer.lines.len() {
        // The object is not in a line: it was decoded from a string, or built by a map.
        let text = buffer.get(object.raw())?;
        Scanner::new(text.as_bytes()).object(0, |member| {
            if lenient::key_is(member.key.inner().slice(text).unwrap_or(""), name) {
                found = Some(member.value.shifted(object.start));
            }
        });
        return found;
    }
    scanner.object(object.start as usize, |member| {
        if lenient::key_is(buffer.get(member.key.inner()).unwrap_or(""), name) {
            found = Some(member.value);
        }
    });
    found
}
