//! Whole rows of a table, as they are listed: every column by its name, in order.

use polars::prelude::DataFrame;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::columns::{Column, Table};
use super::frame::{Cell, Cells};
use crate::decimal::fixed::{Hundredths, divide};
use crate::error::Result;
use crate::time::{Day, Micros, format_utc};

/// A value of a row, on its own.
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
    /// A number with two decimals.
    Decimal(Hundredths),
    /// True or false.
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
            Cell::Decimal(number) if number.is_finite() => {
                // The column holds two decimals: this takes them back out of the float.
                Value::Decimal(Hundredths(divide((number * 1_000.0) as i128, 10)))
            }
            Cell::Decimal(_) => Value::Null,
            Cell::Bool(value) => Value::Bool(value),
            Cell::Time(time) => Value::Time(time),
            Cell::Date(day) => Value::Date(day),
        }
    }
}

impl Serialize for Value {
    /// Writes JSON as it is, times as RFC 3339 in UTC, days as `YYYY-MM-DD`.
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

/// A row: columns and their values.
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

    /// Returns the value of a column.
    pub fn get(&self, name: &str) -> &Value {
        self.entries().find(|(column, _)| column.name == name).map_or(&Value::Null, |(_, value)| value)
    }

    /// Returns the text of a column; `None` for null and for other kinds.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Value::Text(text) | Value::Json(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the integer or time in a column; `None` for null and for other kinds.
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

/// Reads the rows of frames.
pub struct Reader {
    columns: Vec<&'static Column>,
    cells: Vec<Cells>,
}

impl Reader {
    /// Makes a reader of those columns of a table that are named, in the table's order.
    pub fn new(frame: &DataFrame, table: Table, names: &[&str]) -> Result<Reader> {
        let columns: Vec<&'static Column> =
            table.columns().iter().filter(|column| names.contains(&column.name)).collect();
        let cells = columns.iter().map(|column| Cells::of(frame, column)).collect::<Result<_>>()?;
        Ok(Reader { columns, cells })
    }

    /// Makes a reader of all columns of a table.
    pub fn whole(frame: &DataFrame, table: Table) -> Result<Reader> {
        Reader::new(frame, table, &names(table))
    }

    /// Returns the row of that number.
    pub fn record(&self, row: usize) -> Record {
        let values = self.cells.iter().map(|cells| Value::from(cells.get(row))).collect();
        Record { columns: self.columns.clone(), values }
    }
}

/// Returns the names of all columns of a table.
pub fn names(table: Table) -> Vec<&'static str> {
    table.columns().iter().map(|column| column.name).collect()
}
