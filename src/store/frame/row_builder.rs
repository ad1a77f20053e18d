//! Frames built row by row, for tests.

use super::builder::{ColumnBuilder, Values, new_frame};
use super::{Cell, Frame};
use crate::error::Result;
use crate::store::columns::{Column, Table};

impl ColumnBuilder {
    /// Appends a value; null if it is not of the column's type.
    fn push(&mut self, cell: Cell<'_>) {
        match (&self.0, cell) {
            (Values::Text(_), Cell::Text(text) | Cell::Json(text)) => self.text(Some(text)),
            (Values::Int32(_) | Values::Int64(_), Cell::Int(number)) => self.int(Some(number)),
            (Values::Float(_), Cell::Float(number)) => self.float(Some(number)),
            (Values::Bool(_), Cell::Bool(value)) => self.bool(Some(value)),
            (Values::Time(_), Cell::Time(time)) => self.int(Some(time)),
            (Values::Date(_), Cell::Date(day)) => self.int(Some(i64::from(day.0))),
            _ => self.null(),
        }
    }
}

/// Builds a frame with all columns of a table, row by row. Columns without a value become null.
pub struct FrameBuilder {
    columns: &'static [Column],
    builders: Vec<ColumnBuilder>,
    rows: usize,
}

impl FrameBuilder {
    /// Starts an empty frame of a table.
    pub fn new(table: Table) -> FrameBuilder {
        let columns = table.columns();
        let builders = columns.iter().map(|column| ColumnBuilder::new(column, 0)).collect();
        FrameBuilder { columns, builders, rows: 0 }
    }

    /// Appends a row of named values. For a repeated name, the last value is used; names of columns
    /// that the table does not have are ignored.
    pub fn row(&mut self, values: &[(&str, Cell<'_>)]) {
        for (column, builder) in self.columns.iter().zip(&mut self.builders) {
            let value = values.iter().rev().find(|(name, _)| *name == column.name);
            builder.push(value.map_or(Cell::Null, |(_, cell)| *cell));
        }
        self.rows += 1;
    }

    /// Returns the finished frame.
    pub fn finish(self) -> Result<Frame> {
        new_frame(self.rows, self.builders)
    }
}
