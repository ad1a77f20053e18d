//! Typed access to the columns of a frame, by name, and the way back: frames out of typed values.
//!
//! The kinds are those of [`columns`](super::columns). A frame whose column is missing or has
//! another type is a file that something else has written: an error, never a panic.

use std::borrow::Cow;

use polars::prelude::{
    BooleanChunked, BooleanChunkedBuilder, BooleanType, ChunkedBuilder, Column as PolarsColumn, DataFrame,
    DataType, Float64Type, IdxCa, Int32Type, Int64Type, IntoColumn, NewChunkedArray, PlSmallStr,
    PolarsDataType, PrimitiveChunkedBuilder, StaticArray, StringChunkedBuilder, StringType, TimeUnit,
    TimeZone,
};

use polars_arrow::array::Array;

use super::columns::{Column, ColumnType, Table};
use crate::error::{Error, Result};
use crate::time::{Day, Micros};

type ArrayOf<T> = <T as PolarsDataType>::Array;

/// A column of text (text, UUID or JSON).
#[derive(Clone)]
pub struct Texts(ArrayOf<StringType>);

impl Texts {
    /// Returns the text of a row; `None` for null and for rows that are not there.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&str> {
        if row < self.0.len() { self.0.get(row) } else { None }
    }

    /// Returns a token of a row's text: within this column equal tokens are equal texts, so that
    /// what a text stands for is worked out once per token. Equal texts may have several tokens
    /// where they are longer than 12 bytes and the file holds them without a dictionary.
    #[inline]
    pub fn token(&self, row: usize) -> Option<u128> {
        let view = self.0.views().get(row)?;
        self.0.validity().is_none_or(|there| there.get_bit(row)).then(|| view.as_u128())
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the texts of all rows.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }
}

/// A column of integers: 32 or 64 bits, microseconds of a timestamp, or days of a date.
#[derive(Clone)]
pub enum Ints {
    /// 32 bits, or a date.
    Narrow(ArrayOf<Int32Type>),
    /// 64 bits, or a timestamp.
    Wide(ArrayOf<Int64Type>),
}

impl Ints {
    /// Returns the number in a row; `None` for null and for rows that are not there.
    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        match self {
            Ints::Narrow(array) if row < array.len() => array.get(row).map(i64::from),
            Ints::Wide(array) if row < array.len() => array.get(row),
            _ => None,
        }
    }

    /// Returns the number in a row, 0 for null: for columns that cannot be null.
    #[inline]
    pub fn or_zero(&self, row: usize) -> i64 {
        self.get(row).unwrap_or(0)
    }
}

/// A column of floats.
#[derive(Clone)]
pub struct Decimals(ArrayOf<Float64Type>);

impl Decimals {
    /// Returns the number in a row; `None` for null and for rows that are not there.
    pub fn get(&self, row: usize) -> Option<f64> {
        if row < self.0.len() { self.0.get(row) } else { None }
    }
}

/// A column of truth values.
#[derive(Clone)]
pub struct Bools(ArrayOf<BooleanType>);

impl Bools {
    /// Returns the value in a row; `None` for null and for rows that are not there.
    #[inline]
    pub fn get(&self, row: usize) -> Option<bool> {
        if row < self.0.len() { self.0.get(row) } else { None }
    }

    /// Tells whether a row is true; null is not.
    #[inline]
    pub fn is(&self, row: usize) -> bool {
        self.get(row) == Some(true)
    }
}

fn column<'a>(frame: &'a DataFrame, name: &str) -> Result<&'a PolarsColumn> {
    frame.column(name).map_err(|e| {
        Error::failed(format!("a file of the store has no column {name}"))
            .caused_by(e)
            .hint("`wa verify` names every file that is not as wa wrote it")
    })
}

fn wrong(name: &str, found: &DataType, wanted: &str) -> Error {
    Error::failed(format!("column {name} of a file of the store is {found}, not {wanted}"))
        .hint("`wa verify` names every file that is not as wa wrote it")
}

/// Returns a column of text.
pub fn texts(frame: &DataFrame, name: &str) -> Result<Texts> {
    let column = column(frame, name)?;
    let array = column.str().map_err(|_| wrong(name, column.dtype(), "text"))?.rechunk();
    Ok(Texts(array.downcast_as_array().clone()))
}

/// Returns a column of integers, timestamps (as microseconds) or dates (as days since 1970).
pub fn ints(frame: &DataFrame, name: &str) -> Result<Ints> {
    let column = column(frame, name)?;
    let wide = |array: Cow<'_, polars::prelude::Int64Chunked>| Ints::Wide(array.downcast_as_array().clone());
    let narrow =
        |array: Cow<'_, polars::prelude::Int32Chunked>| Ints::Narrow(array.downcast_as_array().clone());
    let found = match column.dtype() {
        DataType::Int32 => column.i32().ok().map(|array| narrow(array.rechunk())),
        DataType::Int64 => column.i64().ok().map(|array| wide(array.rechunk())),
        DataType::Date => column.date().ok().map(|array| narrow(array.physical().rechunk())),
        DataType::Datetime(TimeUnit::Microseconds, _) => {
            column.datetime().ok().map(|array| wide(array.physical().rechunk()))
        }
        _ => None,
    };
    found.ok_or_else(|| wrong(name, column.dtype(), "an integer, a timestamp in microseconds or a date"))
}

/// Returns a column of floats.
pub fn decimals(frame: &DataFrame, name: &str) -> Result<Decimals> {
    let column = column(frame, name)?;
    let array = column.f64().map_err(|_| wrong(name, column.dtype(), "a 64-bit float"))?.rechunk();
    Ok(Decimals(array.downcast_as_array().clone()))
}

/// Returns a column of truth values.
pub fn bools(frame: &DataFrame, name: &str) -> Result<Bools> {
    let column = column(frame, name)?;
    let array: Cow<'_, BooleanChunked> =
        column.bool().map_err(|_| wrong(name, column.dtype(), "boolean"))?.rechunk();
    Ok(Bools(array.downcast_as_array().clone()))
}

/// A value of a row.
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
    /// A number with two decimals.
    Decimal(f64),
    /// True or false.
    Bool(bool),
    /// A time in microseconds since 1970 UTC.
    Time(Micros),
    /// A calendar day.
    Date(Day),
}

/// A column of any kind, read cell by cell.
#[derive(Clone)]
pub enum Cells {
    /// Text or a UUID.
    Text(Texts),
    /// JSON as text.
    Json(Texts),
    /// Integers.
    Int(Ints),
    /// Floats.
    Decimal(Decimals),
    /// Truth values.
    Bool(Bools),
    /// Timestamps.
    Time(Ints),
    /// Dates.
    Date(Ints),
}

impl Cells {
    /// Finds a column in a frame.
    pub fn of(frame: &DataFrame, column: &Column) -> Result<Cells> {
        Ok(match column.kind {
            ColumnType::Text | ColumnType::Uuid => Cells::Text(texts(frame, column.name)?),
            ColumnType::Json => Cells::Json(texts(frame, column.name)?),
            ColumnType::Int32 | ColumnType::Int64 => Cells::Int(ints(frame, column.name)?),
            ColumnType::Decimal => Cells::Decimal(decimals(frame, column.name)?),
            ColumnType::Bool => Cells::Bool(bools(frame, column.name)?),
            ColumnType::Timestamp => Cells::Time(ints(frame, column.name)?),
            ColumnType::Date => Cells::Date(ints(frame, column.name)?),
        })
    }

    /// Returns the value in a row.
    pub fn get(&self, row: usize) -> Cell<'_> {
        let found = match self {
            Cells::Text(column) => column.get(row).map(Cell::Text),
            Cells::Json(column) => column.get(row).map(Cell::Json),
            Cells::Int(column) => column.get(row).map(Cell::Int),
            Cells::Decimal(column) => column.get(row).map(Cell::Decimal),
            Cells::Bool(column) => column.get(row).map(Cell::Bool),
            Cells::Time(column) => column.get(row).map(Cell::Time),
            Cells::Date(column) => {
                column.get(row).and_then(|day| i32::try_from(day).ok()).map(|day| Cell::Date(Day(day)))
            }
        };
        found.unwrap_or(Cell::Null)
    }
}

/// Returns the frame of some rows of a frame, in the order given.
pub fn take(frame: &DataFrame, rows: &[u32]) -> Result<DataFrame> {
    let rows = IdxCa::from_slice(PlSmallStr::from_static("row"), rows);
    frame.take(&rows).map_err(|e| Error::failed("cannot pick rows of a table").caused_by(e))
}

/// Keeps the rows of a frame for which `keep` is true.
pub fn filter(frame: &DataFrame, keep: impl Iterator<Item = bool>) -> Result<DataFrame> {
    let mask = BooleanChunked::from_iter_values("keep".into(), keep);
    // In this thread alone: one that waits for others takes up another partition meanwhile, and the two then
    // lie on one thread while the others have nothing to do.
    frame.filter_seq(&mask).map_err(|e| Error::failed("cannot take rows out of a table").caused_by(e))
}

/// Puts frames of one table under each other.
pub fn stack(frames: Vec<DataFrame>) -> Result<DataFrame> {
    let mut frames = frames.into_iter();
    let mut all = frames.next().unwrap_or_default();
    for frame in frames {
        all.vstack_mut(&frame)
            .map_err(|e| Error::failed("cannot put two pieces of a table together").caused_by(e))?;
    }
    all.rechunk_mut();
    Ok(all)
}

/// Builds a column of a table, value by value.
pub struct ColumnBuilder {
    name: &'static str,
    values: Values,
}

enum Values {
    Text(StringChunkedBuilder),
    Int32(PrimitiveChunkedBuilder<Int32Type>),
    Int64(PrimitiveChunkedBuilder<Int64Type>),
    Decimal(PrimitiveChunkedBuilder<Float64Type>),
    Bool(BooleanChunkedBuilder),
    Time(PrimitiveChunkedBuilder<Int64Type>),
    Date(PrimitiveChunkedBuilder<Int32Type>),
}

impl ColumnBuilder {
    /// Makes an empty column with room for `capacity` rows.
    pub fn new(column: &Column, capacity: usize) -> ColumnBuilder {
        let name = PlSmallStr::from_static(column.name);
        let values = match column.kind {
            ColumnType::Text | ColumnType::Uuid | ColumnType::Json => {
                Values::Text(StringChunkedBuilder::new(name, capacity))
            }
            ColumnType::Int32 => Values::Int32(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnType::Int64 => Values::Int64(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnType::Decimal => Values::Decimal(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnType::Bool => Values::Bool(BooleanChunkedBuilder::new(name, capacity)),
            ColumnType::Timestamp => Values::Time(PrimitiveChunkedBuilder::new(name, capacity)),
            ColumnType::Date => Values::Date(PrimitiveChunkedBuilder::new(name, capacity)),
        };
        ColumnBuilder { name: column.name, values }
    }

    /// Adds a text; null in a column that holds none.
    pub fn text(&mut self, value: Option<&str>) {
        match &mut self.values {
            Values::Text(builder) => builder.append_option(value),
            _ => self.push(Cell::Null),
        }
    }

    /// Adds an integer, a time in microseconds or a day since 1970, by the column's kind; null in
    /// a column that holds none of them, and for a number that does not fit.
    pub fn int(&mut self, value: Option<i64>) {
        let narrow = || value.and_then(|v| i32::try_from(v).ok());
        match &mut self.values {
            Values::Int32(builder) | Values::Date(builder) => builder.append_option(narrow()),
            Values::Int64(builder) | Values::Time(builder) => builder.append_option(value),
            _ => self.push(Cell::Null),
        }
    }

    /// Adds a truth value; null in a column that holds none.
    pub fn bool(&mut self, value: Option<bool>) {
        match &mut self.values {
            Values::Bool(builder) => builder.append_option(value),
            _ => self.push(Cell::Null),
        }
    }

    /// Adds a float; null in a column that holds none.
    pub fn decimal(&mut self, value: Option<f64>) {
        match &mut self.values {
            Values::Decimal(builder) => builder.append_option(value),
            _ => self.push(Cell::Null),
        }
    }

    /// Adds a value; one that is not of the column's kind becomes null.
    pub fn push(&mut self, cell: Cell<'_>) {
        match (&mut self.values, cell) {
            (Values::Text(_), Cell::Text(text) | Cell::Json(text)) => self.text(Some(text)),
            (Values::Int32(_) | Values::Int64(_), Cell::Int(number)) => self.int(Some(number)),
            (Values::Decimal(_), Cell::Decimal(number)) => self.decimal(Some(number)),
            (Values::Bool(_), Cell::Bool(value)) => self.bool(Some(value)),
            (Values::Time(_), Cell::Time(time)) => self.int(Some(time)),
            (Values::Date(_), Cell::Date(day)) => self.int(Some(i64::from(day.0))),
            (Values::Text(builder), _) => builder.append_null(),
            (Values::Int32(builder) | Values::Date(builder), _) => builder.append_null(),
            (Values::Int64(builder) | Values::Time(builder), _) => builder.append_null(),
            (Values::Decimal(builder), _) => builder.append_null(),
            (Values::Bool(builder), _) => builder.append_null(),
        }
    }

    /// Returns the column's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the finished column.
    pub fn finish(self) -> PolarsColumn {
        match self.values {
            Values::Text(builder) => builder.finish().into_column(),
            Values::Int32(builder) => builder.finish().into_column(),
            Values::Int64(builder) => builder.finish().into_column(),
            Values::Decimal(builder) => builder.finish().into_column(),
            Values::Bool(builder) => builder.finish().into_column(),
            Values::Time(builder) => {
                builder.finish().into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_column()
            }
            Values::Date(builder) => builder.finish().into_date().into_column(),
        }
    }
}

/// Builds a frame with all columns of a table, row by row: values are named, the rest is null.
pub struct FrameBuilder {
    columns: &'static [Column],
    builders: Vec<ColumnBuilder>,
    rows: usize,
}

impl FrameBuilder {
    /// Makes an empty frame of a table.
    pub fn new(table: Table) -> FrameBuilder {
        let columns = table.columns();
        let builders = columns.iter().map(|column| ColumnBuilder::new(column, 0)).collect();
        FrameBuilder { columns, builders, rows: 0 }
    }

    /// Adds a row of named values; of a name given twice the last counts, a name that the table
    /// does not have is left out.
    pub fn row(&mut self, values: &[(&str, Cell<'_>)]) {
        for (column, builder) in self.columns.iter().zip(&mut self.builders) {
            let value = values.iter().rev().find(|(name, _)| *name == column.name);
            builder.push(value.map_or(Cell::Null, |(_, cell)| *cell));
        }
        self.rows += 1;
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the finished frame.
    pub fn finish(self) -> Result<DataFrame> {
        let columns = self.builders.into_iter().map(ColumnBuilder::finish).collect();
        DataFrame::new(self.rows, columns)
            .map_err(|e| Error::failed("cannot put the columns of a table together").caused_by(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> DataFrame {
        let mut builder = FrameBuilder::new(Table::DailyStats);
        builder.row(&[
            ("chatbot_id", Cell::Text("a chatbot with a long name")),
            ("stat_date", Cell::Date(Day(20_000))),
            ("total_sessions", Cell::Int(7)),
            ("conversion_rate", Cell::Decimal(45.36)),
            ("created_at", Cell::Time(-1)),
        ]);
        builder.row(&[("chatbot_id", Cell::Text("b")), ("total_sessions", Cell::Text("not a number"))]);
        builder.finish().unwrap()
    }

    #[test]
    fn what_was_put_into_a_frame_comes_out_of_it() {
        let frame = sample();
        assert_eq!(texts(&frame, "chatbot_id").unwrap().get(0), Some("a chatbot with a long name"));
        assert_eq!(texts(&frame, "chatbot_id").unwrap().get(1), Some("b"));
        assert_eq!(texts(&frame, "chatbot_id").unwrap().get(2), None);
        assert_eq!(ints(&frame, "stat_date").unwrap().get(0), Some(20_000));
        assert_eq!(ints(&frame, "total_sessions").unwrap().get(0), Some(7));
        assert_eq!(ints(&frame, "total_sessions").unwrap().get(1), None);
        assert_eq!(ints(&frame, "created_at").unwrap().get(0), Some(-1));
        assert_eq!(decimals(&frame, "conversion_rate").unwrap().get(0), Some(45.36));
        let day = Table::DailyStats.columns().iter().find(|c| c.name == "stat_date").unwrap();
        assert_eq!(Cells::of(&frame, day).unwrap().get(0), Cell::Date(Day(20_000)));
        assert_eq!(Cells::of(&frame, day).unwrap().get(1), Cell::Null);
    }

    #[test]
    fn a_column_that_is_missing_or_of_another_type_is_an_error() {
        let frame = sample();
        assert!(texts(&frame, "nothing").is_err());
        assert!(texts(&frame, "total_sessions").is_err());
        assert!(ints(&frame, "chatbot_id").is_err());
        assert!(bools(&frame, "chatbot_id").is_err());
    }

    #[test]
    fn rows_are_taken_in_the_order_given() {
        let taken = take(&sample(), &[1, 0]).unwrap();
        assert_eq!(texts(&taken, "chatbot_id").unwrap().get(0), Some("b"));
        assert_eq!(ints(&taken, "total_sessions").unwrap().get(1), Some(7));
        assert!(take(&sample(), &[2]).is_err());
    }

    #[test]
    fn every_table_has_a_frame_with_its_columns_in_order() {
        for table in Table::ALL {
            let frame = FrameBuilder::new(table).finish().unwrap();
            let names: Vec<_> = frame.columns().iter().map(|c| c.name().to_string()).collect();
            assert_eq!(names, table.columns().iter().map(|c| c.name).collect::<Vec<_>>());
        }
    }
}
