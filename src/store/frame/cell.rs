//! Single values of a column of any type.

use super::{Bools, Floats, Frame, Ints, Texts};
use crate::error::Result;
use crate::store::columns::{Column, ColumnType};
use crate::time::{Day, Micros};

/// A value of a row, borrowed from its frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// Text or a UUID.
    Text(&'a str),
    /// JSON as text.
    Json(&'a str),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A boolean.
    Bool(bool),
    /// A time in microseconds since 1970 UTC.
    Time(Micros),
    /// A calendar day.
    Date(Day),
}

/// A column of any type, read cell by cell.
#[derive(Clone, Debug)]
pub enum Cells {
    /// Text or UUIDs.
    Text(Texts),
    /// JSON as text.
    Json(Texts),
    /// Integers.
    Int(Ints),
    /// Floats.
    Float(Floats),
    /// Booleans.
    Bool(Bools),
    /// Timestamps.
    Time(Ints),
    /// Dates.
    Date(Ints),
}

impl Cells {
    /// Returns the value in a row.
    pub fn get(&self, row: usize) -> Cell<'_> {
        let cell = match self {
            Cells::Text(column) => column.get(row).map(Cell::Text),
            Cells::Json(column) => column.get(row).map(Cell::Json),
            Cells::Int(column) => column.get(row).map(Cell::Int),
            Cells::Float(column) => column.get(row).map(Cell::Float),
            Cells::Bool(column) => column.get(row).map(Cell::Bool),
            Cells::Time(column) => column.get(row).map(Cell::Time),
            Cells::Date(column) => column.get_i32(row).map(|day| Cell::Date(Day(day))),
        };
        cell.unwrap_or(Cell::Null)
    }
}

impl Frame {
    /// Returns a column of a table as cells.
    ///
    /// # Errors
    /// Fails if the frame has no such column, or its type is wrong.
    pub fn cells(&self, column: &Column) -> Result<Cells> {
        Ok(match column.kind {
            ColumnType::Text | ColumnType::Uuid => Cells::Text(self.texts(column.name)?.clone()),
            ColumnType::Json => Cells::Json(self.texts(column.name)?.clone()),
            ColumnType::Int32 | ColumnType::Int64 => Cells::Int(self.ints(column.name)?.clone()),
            ColumnType::Float => Cells::Float(self.floats(column.name)?.clone()),
            ColumnType::Bool => Cells::Bool(self.bools(column.name)?.clone()),
            ColumnType::Timestamp => Cells::Time(self.ints(column.name)?.clone()),
            ColumnType::Date => Cells::Date(self.ints(column.name)?.clone()),
        })
    }
}
