//! Reads the values of a field from the rows of a frame.

use std::borrow::Cow;

use memchr::memmem::Finder;

use super::field::Field;
use crate::decimal::DecimalText;
use crate::decimal::integer::is_number;
use crate::error::Result;
use crate::json;
use crate::report::query::json_lookup::{at_path, in_flat_object};
use crate::store::frame::{Cell, Cells, Frame, Texts};
use crate::time::format_utc;

/// A value of a field as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldText<'a> {
    /// The value as a breakdown shows it.
    pub text: Cow<'a, str>,
    /// Whether the value is a number, and not a text that holds one.
    pub is_number: bool,
}

impl<'a> FieldText<'a> {
    /// Returns the label of a missing value. A count of 0 is a number.
    pub fn of_label(label: &'a str) -> FieldText<'a> {
        FieldText { text: Cow::Borrowed(label), is_number: is_number(label) }
    }

    fn text(text: impl Into<Cow<'a, str>>) -> FieldText<'a> {
        FieldText { text: text.into(), is_number: false }
    }

    fn number(text: impl Into<Cow<'a, str>>) -> FieldText<'a> {
        FieldText { text: text.into(), is_number: true }
    }
}

/// A field, bound to the rows of a frame that has its column.
pub(crate) struct FieldReader<'a> {
    path: &'a [String],
    cells: Cells,
    /// Finds the last key of the path in serialized JSON.
    key: Option<Finder<'a>>,
    null_text: Option<&'static str>,
}

impl<'a> FieldReader<'a> {
    /// Binds a field to a frame.
    ///
    /// # Errors
    /// Fails if the frame does not have the column.
    pub fn new(field: &'a Field, frame: &Frame) -> Result<FieldReader<'a>> {
        // A number may be an index into a list, which the JSON text does not contain.
        let key = field.path().iter().rev().find(|key| key.parse::<usize>().is_err());
        Ok(FieldReader {
            path: field.path(),
            cells: frame.cells(field.column())?,
            key: key.map(|key| Finder::new(key.as_bytes())),
            null_text: field.null_text(),
        })
    }

    /// Returns the cell of a row.
    pub fn cell(&self, row: usize) -> Cell<'_> {
        self.cells.get(row)
    }

    /// Returns the strings of all rows; `None` for columns without strings.
    pub fn texts(&self) -> Option<Texts> {
        match &self.cells {
            Cells::Text(texts) | Cells::Json(texts) => Some(texts.clone()),
            _ => None,
        }
    }

    /// Returns the token of a row's string; `None` for missing values and for columns without
    /// strings. Rows with equal tokens have equal values.
    pub fn token(&self, row: usize) -> Option<u128> {
        match &self.cells {
            Cells::Text(texts) | Cells::Json(texts) => texts.token(row),
            _ => None,
        }
    }

    /// Returns whether rows have tokens.
    pub fn has_tokens(&self) -> bool {
        matches!(&self.cells, Cells::Text(_) | Cells::Json(_))
    }

    /// Returns the value of a row. If it is missing, null or the empty string, returns the field's
    /// label for missing values, or `None` if the field has no such label.
    ///
    /// Equal numbers inside JSON have the same text: `12`, `12.0` and `1.2e1` are `12`. No digit is
    /// rounded. Lists and objects have no white space.
    pub fn text(&self, row: usize) -> Option<FieldText<'_>> {
        let text = match self.cells.get(row) {
            Cell::Null => None,
            Cell::Text(text) => Some(FieldText::text(text)),
            Cell::Json(json) => self.json_text(json),
            Cell::Int(number) => Some(FieldText::number(number.to_string())),
            Cell::Float(number) => Some(FieldText::number(number.to_string())),
            Cell::Bool(value) => Some(FieldText::text(if value { "true" } else { "false" })),
            Cell::Time(time) => Some(FieldText::text(format_utc(time))),
            Cell::Date(day) => Some(FieldText::text(day.to_string())),
        };
        text.filter(|value| !value.text.is_empty()).or(self.null_text.map(FieldText::of_label))
    }

    fn json_text<'j>(&self, json: &'j str) -> Option<FieldText<'j>> {
        if self.path.is_empty() {
            return Some(FieldText::text(json));
        }
        // Most objects do not contain the key, which a search for its text shows without parsing.
        // An escape may hide the key, so objects with a backslash are parsed.
        let at = self.key.as_ref().and_then(|key| key.find(json.as_bytes()));
        let in_flat = match (&self.key, at) {
            (Some(_), None) if memchr::memchr(b'\\', json.as_bytes()).is_none() => return None,
            (Some(key), Some(at)) if self.path.len() == 1 => in_flat_object(json, key, at),
            _ => None,
        };
        let value = in_flat.or_else(|| at_path(json, self.path)).filter(|value| *value != "null")?;
        Some(match json::lenient::string_value(value) {
            Some(text) => FieldText::text(text),
            None if value.starts_with(['{', '[']) => FieldText::text(json::lenient::compact(value)),
            None if is_number(value) => FieldText::number(DecimalText::plain(value)),
            None => FieldText::text(value),
        })
    }
}
