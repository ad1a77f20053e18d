//! Frames built from typed values.

use polars::prelude::{
    BooleanChunkedBuilder, ChunkedBuilder, Column as PolarsColumn, DataFrame, Float64Type, Int32Type,
    Int64Type, IntoColumn, PlSmallStr, PrimitiveChunkedBuilder, StringChunkedBuilder, TimeUnit, TimeZone,
};

use super::Frame;
use crate::error::{Error, Result};
use crate::store::columns::{Column, ColumnType, Table};

/// Builds a column of a table, value by value.
pub(crate) struct ColumnBuilder(pub(super) Values);

/// The values of an unfinished column, by type.
pub(super) enum Values {
    Text(StringChunkedBuilder),
    Int32(PrimitiveChunkedBuilder<Int32Type>),
    Int64(PrimitiveChunkedBuilder<Int64Type>),
    Float(PrimitiveChunkedBuilder<Float64Type>),
    Bool(BooleanChunkedBuilder),
    Time(PrimitiveChunkedBuilder<Int64Type>),
    Date(PrimitiveChunkedBuilder<Int32Type>),
}

impl ColumnBuilder {
    /// Starts a column with room for `capacity` rows.
    pub(super) fn new(column: &Column, capacity: usize) -> ColumnBuilder {
        let name = PlSmallStr::from_static(column.name);
        ColumnBuilder(match column.kind {
            ColumnType::Text | ColumnType::Uuid | ColumnType::Json => {
                Values::Text(StringChunkedBuilder::new(name, capacity))
            }
            ColumnType::Int32 => Values::Int32(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnType::Int64 => Values::Int64(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnType::Float => Values::Float(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnType::Bool => Values::Bool(BooleanChunkedBuilder::new(name, capacity)),
            ColumnType::Timestamp => Values::Time(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnType::Date => Values::Date(PrimitiveChunkedBuilder::new(name, capacity)),
        })
    }

    /// Appends a string; null if the column holds no text.
    pub fn text(&mut self, value: Option<&str>) {
        match &mut self.0 {
            Values::Text(builder) => builder.append_option(value),
            _ => self.null(),
        }
    }

    /// Appends an integer, a time in microseconds or a day since 1970, depending on the column's
    /// type; null if the column holds none of these, or if the number does not fit.
    pub fn int(&mut self, value: Option<i64>) {
        let narrow = || value.and_then(|v| i32::try_from(v).ok());
        match &mut self.0 {
            Values::Int32(builder) | Values::Date(builder) => builder.append_option(narrow()),
            Values::Int64(builder) | Values::Time(builder) => builder.append_option(value),
            _ => self.null(),
        }
    }

    /// Appends a float; null if the column holds no floats.
    pub fn float(&mut self, value: Option<f64>) {
        match &mut self.0 {
            Values::Float(builder) => builder.append_option(value),
            _ => self.null(),
        }
    }

    /// Appends a boolean; null if the column holds no booleans.
    pub(super) fn bool(&mut self, value: Option<bool>) {
        match &mut self.0 {
            Values::Bool(builder) => builder.append_option(value),
            _ => self.null(),
        }
    }

    /// Appends a null.
    pub(super) fn null(&mut self) {
        match &mut self.0 {
            Values::Text(builder) => builder.append_null(),
            Values::Int32(builder) | Values::Date(builder) => builder.append_null(),
            Values::Int64(builder) | Values::Time(builder) => builder.append_null(),
            Values::Float(builder) => builder.append_null(),
            Values::Bool(builder) => builder.append_null(),
        }
    }

    fn finish(self) -> PolarsColumn {
        match self.0 {
            Values::Text(builder) => builder.finish().into_column(),
            Values::Int32(builder) => builder.finish().into_column(),
            Values::Int64(builder) => builder.finish().into_column(),
            Values::Float(builder) => builder.finish().into_column(),
            Values::Bool(builder) => builder.finish().into_column(),
            Values::Time(builder) => {
                builder.finish().into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column()
            }
            Values::Date(builder) => builder.finish().into_date().into_column(),
        }
    }
}

impl Frame {
    /// Builds a frame of a table column by column: `fill` appends all `rows` values of a column.
    ///
    /// # Errors
    /// Fails if `fill` appends a different number of values.
    pub(crate) fn from_columns(
        table: Table,
        rows: usize,
        mut fill: impl FnMut(&'static str, &mut ColumnBuilder),
    ) -> Result<Frame> {
        let builders = table.columns().iter().map(|column| {
            let mut builder = ColumnBuilder::new(column, rows);
            fill(column.name, &mut builder);
            builder
        });
        new_frame(rows, builders.collect())
    }
}

/// Returns a frame of finished columns.
pub(super) fn new_frame(rows: usize, builders: Vec<ColumnBuilder>) -> Result<Frame> {
    let columns = builders.into_iter().map(ColumnBuilder::finish).collect();
    DataFrame::new(rows, columns)
        .map(Frame::new)
        .map_err(|e| Error::failed("cannot combine the columns of a table").caused_by(e))
}
