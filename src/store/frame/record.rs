//! Whole rows of a table, for listings and exports.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::{Cell, Cells, Frame};
use crate::decimal::{Hundredths, round_half_up};
use crate::error::Result;
use crate::store::columns::{Column, Table};
use crate::time::{Day, Micros, format_utc};

/// A value of a row, which owns its string.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// Text or a UUID.
    Text(String),
    /// JSON as text.
    Json(String),
    /// An integer.
    Int(i64),
    /// A number with two decimal places.
    Decimal(Hundredths),
    /// A boolean.
    Bool(bool),
    /// A time.
    Time(Micros),
    /// A day.
    Date(Day),
}

impl From<Cell<'_>> for Value {
    fn from(cell: Cell<'_>) -> Value {
        match cell {
            Cell::Null => Value::Null,
            Cell::Text(text) => Value::Text(text.to_owned()),
            Cell::Json(text) => Value::Json(text.to_owned()),
            Cell::Int(number) => Value::Int(number),
            Cell::Float(number) if number.is_finite() => {
                // Floats are stored rounded to two decimal places: recover the exact decimal.
                Value::Decimal(Hundredths(round_half_up((number * 1_000.0) as i128, 10)))
            }
            Cell::Float(_) => Value::Null,
            Cell::Bool(value) => Value::Bool(value),
            Cell::Time(time) => Value::Time(time),
            Cell::Date(day) => Value::Date(day),
        }
    }
}

impl Serialize for Value {
    /// Writes JSON verbatim, times as RFC 3339 in UTC, and days as `YYYY-MM-DD`.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_none(),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Json(text) => match serde_json::from_str::<&RawValue>(text) {
                Ok(raw) => raw.serialize(serializer),
                Err(_) => serializer.serialize_str(text),
            },
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Decimal(number) => number.serialize(serializer),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Time(time) => serializer.serialize_str(&format_utc(*time)),
            Value::Date(day) => serializer.collect_str(day),
        }
    }
}

/// A row of a table: columns and their values.
#[derive(Clone, Debug, Default)]
pub struct Record {
    columns: Vec<&'static Column>,
    values: Vec<Value>,
}

impl Record {
    /// Returns the columns with their values, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&'static Column, &Value)> {
        self.columns.iter().copied().zip(&self.values)
    }

    /// Returns the value of a column; null if the row does not have it.
    pub fn get(&self, name: &str) -> &Value {
        self.entries().find(|(column, _)| column.name == name).map_or(&Value::Null, |(_, value)| value)
    }

    /// Returns the string in a column; `None` for null and for other types.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::Text(text) | Value::Json(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the integer or time in a column; `None` for null and for other types.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Value::Int(number) | Value::Time(number) => Some(*number),
            _ => None,
        }
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for (column, value) in self.entries() {
            map.serialize_entry(column.name, value)?;
        }
        map.end()
    }
}

/// Reads rows of a frame.
pub struct RecordReader {
    columns: Vec<&'static Column>,
    cells: Vec<Cells>,
}

impl RecordReader {
    /// Returns a reader of the named columns of a table, in the table's order.
    ///
    /// # Errors
    /// Fails if the frame lacks one of the columns, or has it with the wrong type.
    pub fn new(frame: &Frame, table: Table, names: &[&str]) -> Result<RecordReader> {
        let columns: Vec<&'static Column> =
            table.columns().iter().filter(|column| names.contains(&column.name)).collect();
        let cells = columns.iter().map(|column| frame.cells(column)).collect::<Result<_>>()?;
        Ok(RecordReader { columns, cells })
    }

    /// Returns a reader of all columns of a table.
    ///
    /// # Errors
    /// Returns the errors of [`RecordReader::new`].
    pub fn all_columns(frame: &Frame, table: Table) -> Result<RecordReader> {
        RecordReader::new(frame, table, &table.column_names())
    }

    /// Returns the row at a position.
    pub fn record(&self, row: usize) -> Record {
        let values = self.cells.iter().map(|cells| Value::from(cells.get(row))).collect();
        Record { columns: self.columns.clone(), values }
    }
}
