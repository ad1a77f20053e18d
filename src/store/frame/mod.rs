//! Tables in memory: frames, their typed columns, and rows.
//!
//! A [`Frame`] holds rows of a table as typed columns. The types are those of
//! [`columns`](super::columns). A missing column, or one with the wrong type, is an error:
//! another program wrote the file.

mod builder;
mod cell;
mod column;
mod record;
#[cfg(test)]
mod row_builder;
mod row_codec;

use polars::prelude::{
    BooleanChunked, Column as PolarsColumn, DataFrame, DataType, IdxCa, IntoColumn, NamedFrom,
    NewChunkedArray, PlSmallStr, Series, TimeUnit,
};
use polars_arrow::bitmap::Bitmap;

pub use cell::{Cell, Cells};
pub(crate) use column::{Bools, Floats, Ints, Texts};
pub(crate) use record::{Record, RecordReader, Value};
#[cfg(test)]
pub(crate) use row_builder::FrameBuilder;
pub(crate) use row_codec::{RowEncoder, decode_rows, take};

use super::columns::{Column, ColumnType};
use crate::error::{Error, Result};
use column::TypedColumn;

/// Rows of a table, column by column. Cloning a frame copies no value.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// Every column is a single chunk.
    data: DataFrame,
    /// The columns of `data`, in the same order.
    columns: Vec<TypedColumn>,
}

impl Frame {
    pub(super) fn new(mut data: DataFrame) -> Frame {
        data.rechunk_mut();
        let columns = data.columns().iter().map(|column| TypedColumn::new(column.as_materialized_series()));
        Frame { columns: columns.collect(), data }
    }

    /// Returns the rows as a frame of Polars. Tests write it with Polars, or compare it.
    #[cfg(test)]
    pub(super) fn data(&self) -> &DataFrame {
        &self.data
    }

    /// Returns the number of rows.
    pub fn height(&self) -> usize {
        self.data.height()
    }

    /// Returns the names of the columns, in order.
    pub fn column_names(&self) -> impl Iterator<Item = &str> {
        self.data.columns().iter().map(|column| column.name().as_str())
    }

    /// Returns an estimate of the memory that the values occupy, in bytes.
    pub fn estimated_size(&self) -> usize {
        // Polars would add the lengths of all strings.
        let size = |(typed, column): (&TypedColumn, &PolarsColumn)| {
            typed.size().unwrap_or_else(|| column.as_materialized_series().estimated_size())
        };
        self.columns.iter().zip(self.data.columns()).map(size).sum()
    }

    /// Returns a column of text.
    ///
    /// # Errors
    /// Fails if the frame has no such column, or its type is wrong.
    pub fn texts(&self, name: &str) -> Result<&Texts> {
        match self.column(name)? {
            TypedColumn::Texts(column) => Ok(column),
            _ => Err(self.wrong_type(name, "text")),
        }
    }

    /// Returns a column of integers, timestamps (in microseconds) or dates (in days since 1970).
    ///
    /// # Errors
    /// Fails if the frame has no such column, or its type is wrong.
    pub fn ints(&self, name: &str) -> Result<&Ints> {
        match self.column(name)? {
            TypedColumn::Ints(column) => Ok(column),
            _ => Err(self.wrong_type(name, "an integer, a timestamp in microseconds or a date")),
        }
    }

    /// Returns a column of floats.
    ///
    /// # Errors
    /// Fails if the frame has no such column, or its type is wrong.
    pub fn floats(&self, name: &str) -> Result<&Floats> {
        match self.column(name)? {
            TypedColumn::Floats(column) => Ok(column),
            _ => Err(self.wrong_type(name, "a 64-bit float")),
        }
    }

    /// Returns a column of booleans.
    ///
    /// # Errors
    /// Fails if the frame has no such column, or its type is wrong.
    pub fn bools(&self, name: &str) -> Result<&Bools> {
        match self.column(name)? {
            TypedColumn::Bools(column) => Ok(column),
            _ => Err(self.wrong_type(name, "boolean")),
        }
    }

    fn column(&self, name: &str) -> Result<&TypedColumn> {
        let index = self.index(name)?;
        self.columns.get(index).ok_or_else(|| missing_column(name))
    }

    fn index(&self, name: &str) -> Result<usize> {
        // Polars would build a hash table of the names, which takes longer if the frame has few
        // rows.
        let index = self.data.columns().iter().position(|column| column.name() == name);
        index.ok_or_else(|| missing_column(name))
    }

    fn wrong_type(&self, name: &str, expected: &str) -> Error {
        let found = self.data.column(name).map(|column| column.dtype().to_string()).unwrap_or_default();
        Error::failed(format!("column {name} of a file of the store is {found}, not {expected}"))
            .hint("run `wa verify` to list all damaged files")
    }

    /// Returns the number of nulls in a column; `None` if there is no such column.
    pub fn null_count(&self, name: &str) -> Option<usize> {
        self.data.column(name).ok().map(PolarsColumn::null_count)
    }

    /// Returns the name of a stored column's type, for messages, if it differs from the column's
    /// definition; `None` if the types agree or there is no such column.
    pub fn type_mismatch(&self, column: &Column) -> Option<String> {
        let found = self.data.column(column.name).ok()?.dtype();
        let agrees = match column.kind {
            ColumnType::Text | ColumnType::Uuid | ColumnType::Json => *found == DataType::String,
            ColumnType::Int32 => *found == DataType::Int32,
            ColumnType::Int64 => *found == DataType::Int64,
            ColumnType::Float => *found == DataType::Float64,
            ColumnType::Bool => *found == DataType::Boolean,
            ColumnType::Timestamp => matches!(found, DataType::Datetime(TimeUnit::Microseconds, Some(_))),
            ColumnType::Date => *found == DataType::Date,
        };
        (!agrees).then(|| found.to_string())
    }

    /// Returns the rows at these positions, in this order.
    ///
    /// # Errors
    /// Fails if a position is out of range.
    pub fn gather(&self, rows: &[u32]) -> Result<Frame> {
        self.gather_at(0..self.columns.len(), rows)
    }

    /// Returns the named columns of the rows at these positions, in this order.
    ///
    /// # Errors
    /// Fails if a position is out of range, if the frame has no such column, or a name repeats.
    pub fn gather_columns(&self, names: &[&str], rows: &[u32]) -> Result<Frame> {
        let indexes = names.iter().map(|name| self.index(name)).collect::<Result<Vec<usize>>>()?;
        self.gather_at(indexes, rows)
    }

    /// Returns the columns at these indexes, of the rows at these positions.
    fn gather_at(&self, indexes: impl IntoIterator<Item = usize>, rows: &[u32]) -> Result<Frame> {
        let failed = || Error::failed("cannot select rows of a table");
        if rows.iter().max().is_some_and(|last| *last as usize >= self.height()) {
            return Err(failed().caused_by("a position is out of range"));
        }
        let gather = |index: usize| {
            let column = self.data.columns().get(index)?;
            // Polars takes longer to gather numbers, since it is compiled without optimizations:
            // see `Cargo.toml`.
            match self.columns.get(index)?.gather(column.dtype(), rows) {
                Some(values) => Series::try_from((column.name().clone(), values)).ok(),
                None => {
                    let rows = IdxCa::from_slice(PlSmallStr::from_static("row"), rows);
                    Some(column.take(&rows).ok()?.take_materialized_series())
                }
            }
        };
        let columns = indexes.into_iter().map(|index| Some(gather(index)?.into_column()));
        let columns = columns.collect::<Option<Vec<_>>>().ok_or_else(failed)?;
        let data = DataFrame::new(rows.len(), columns);
        data.map(Frame::new).map_err(|e| failed().caused_by(e))
    }

    /// Returns the rows for which `keep` is true.
    ///
    /// # Errors
    /// Fails if the number of values in `keep` is not the number of rows.
    pub fn filter(&self, keep: impl Iterator<Item = bool>) -> Result<Frame> {
        // Collect into a bitmap here: Polars is compiled without optimizations.
        let mask = BooleanChunked::from_bitmap("keep".into(), keep.collect::<Bitmap>());
        // Filter on this thread only. While a thread waits for parallel work, rayon lets it start
        // another partition; two partitions then share one thread while others are idle.
        let data = self.data.filter_seq(&mask);
        data.map(Frame::new).map_err(|e| Error::failed("cannot filter rows of a table").caused_by(e))
    }

    /// Returns up to `length` rows from `start` on, without copying.
    pub fn slice(&self, start: usize, length: usize) -> Frame {
        Frame::new(self.data.slice(start as i64, length))
    }

    /// Returns the named columns, in this order.
    ///
    /// # Errors
    /// Fails if the frame has no such column, or a name repeats.
    pub fn select(&self, names: &[&str]) -> Result<Frame> {
        let data = self.data.select(names.iter().copied());
        data.map(Frame::new).map_err(|e| Error::failed("cannot select columns of a table").caused_by(e))
    }

    /// Returns the frame with its columns in this order.
    ///
    /// # Errors
    /// Fails if the frame has no such column, or a name repeats.
    pub(super) fn ordered(self, names: &[&str]) -> Result<Frame> {
        if self.column_names().eq(names.iter().copied()) { Ok(self) } else { self.select(names) }
    }

    /// Concatenates the rows of frames with the same columns.
    ///
    /// # Errors
    /// Fails if the columns differ.
    pub fn concat(frames: Vec<Frame>) -> Result<Frame> {
        let mut frames = frames.into_iter().map(|frame| frame.data);
        let mut data = frames.next().unwrap_or_default();
        for frame in frames {
            data.vstack_mut(&frame)
                .map_err(|e| Error::failed("cannot concatenate rows of a table").caused_by(e))?;
        }
        Ok(Frame::new(data))
    }

    /// Joins the columns of frames that have `rows` rows each.
    ///
    /// # Errors
    /// Fails if a frame has a different number of rows, or a name repeats.
    pub fn join_columns(rows: usize, frames: Vec<Frame>) -> Result<Frame> {
        let columns = frames.into_iter().flat_map(|frame| frame.data.into_columns()).collect();
        DataFrame::new(rows, columns)
            .map(Frame::new)
            .map_err(|e| Error::failed("cannot combine the columns of a table").caused_by(e))
    }

    /// Replaces the values of a column of text.
    ///
    /// # Errors
    /// Fails if there is no such column, or `values` has a different number of rows.
    pub fn replace_texts(&mut self, name: &str, values: &[Option<&str>]) -> Result<()> {
        self.replace(name, Series::new(name.into(), values).into_column())
    }

    /// Replaces the values of a column of 64-bit integers.
    ///
    /// # Errors
    /// Fails if there is no such column, or `values` has a different number of rows.
    #[cfg(test)]
    pub(crate) fn replace_ints(&mut self, name: &str, values: &[i64]) -> Result<()> {
        self.replace(name, Series::new(name.into(), values).into_column())
    }

    fn replace(&mut self, name: &str, column: PolarsColumn) -> Result<()> {
        let mut data = std::mem::take(self).data;
        let replaced = data.replace(name, column).map(|_| ());
        *self = Frame::new(data);
        replaced.map_err(|e| Error::failed("cannot replace a column of a table").caused_by(e))
    }
}

fn missing_column(name: &str) -> Error {
    Error::failed(format!("a file of the store has no column {name}"))
        .hint("run `wa verify` to list all damaged files")
}

/// Frames are equal if they have the same columns with the same values; null equals null.
impl PartialEq for Frame {
    fn eq(&self, other: &Frame) -> bool {
        self.data.equals_missing(&other.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::columns::Table;
    use crate::time::Day;

    fn sample() -> Frame {
        let mut builder = FrameBuilder::new(Table::DailyStats);
        builder.row(&[
            ("chatbot_id", Cell::Text("a chatbot with a long name")),
            ("stat_date", Cell::Date(Day(20_000))),
            ("total_sessions", Cell::Int(7)),
            ("conversion_rate", Cell::Float(45.36)),
            ("created_at", Cell::Time(-1)),
        ]);
        builder.row(&[("chatbot_id", Cell::Text("b")), ("total_sessions", Cell::Text("not a number"))]);
        builder.finish().unwrap()
    }

    #[test]
    fn frame_returns_the_values_it_was_built_from() {
        let frame = sample();
        assert_eq!(frame.texts("chatbot_id").unwrap().get(0), Some("a chatbot with a long name"));
        assert_eq!(frame.texts("chatbot_id").unwrap().get(1), Some("b"));
        assert_eq!(frame.texts("chatbot_id").unwrap().get(2), None);
        assert_eq!(frame.ints("stat_date").unwrap().get(0), Some(20_000));
        assert_eq!(frame.ints("total_sessions").unwrap().get(0), Some(7));
        assert_eq!(frame.ints("total_sessions").unwrap().get(1), None);
        assert_eq!(frame.ints("created_at").unwrap().get(0), Some(-1));
        assert_eq!(frame.floats("conversion_rate").unwrap().get(0), Some(45.36));
        let day = Table::DailyStats.columns().iter().find(|c| c.name == "stat_date").unwrap();
        assert_eq!(frame.cells(day).unwrap().get(0), Cell::Date(Day(20_000)));
        assert_eq!(frame.cells(day).unwrap().get(1), Cell::Null);
    }

    #[test]
    fn missing_column_or_wrong_type_is_an_error() {
        let frame = sample();
        assert!(frame.texts("nothing").is_err());
        assert!(frame.texts("total_sessions").is_err());
        assert!(frame.ints("chatbot_id").is_err());
        assert!(frame.bools("chatbot_id").is_err());
    }

    #[test]
    fn gather_returns_rows_in_the_order_of_positions() {
        let rows = sample().gather(&[1, 0]).unwrap();
        assert_eq!(rows.texts("chatbot_id").unwrap().get(0), Some("b"));
        assert_eq!(rows.ints("total_sessions").unwrap().get(1), Some(7));
        assert!(sample().gather(&[2]).is_err());
    }

    #[test]
    fn gathered_columns_equal_those_of_polars() {
        let mut builder = FrameBuilder::new(Table::Sessions);
        for row in 0..100i64 {
            let text = if row % 3 == 0 { "x".repeat(row as usize) } else { row.to_string() };
            let nullable = |cell| if row % 7 == 2 { Cell::Null } else { cell };
            builder.row(&[
                ("chatbot_id", Cell::Text("shop")),
                ("city", nullable(Cell::Text(&text))),
                ("started_at", Cell::Time(row)),
                ("duration_seconds", nullable(Cell::Int(row))),
                ("response_time_sum_us", Cell::Int(-row)),
                ("is_bot", nullable(Cell::Bool(row % 2 == 0))),
            ]);
        }
        for frame in [sample(), builder.finish().unwrap()] {
            let height = frame.height() as u32;
            for rows in
                [vec![], vec![height - 1, 0, 0], (0..height).collect(), (0..height).step_by(3).collect()]
            {
                let gathered = frame.gather(&rows).unwrap();
                let expected = frame.data.take(&IdxCa::from_slice("row".into(), &rows)).unwrap();
                assert_eq!(gathered.data.schema(), expected.schema());
                assert!(gathered.data.equals_missing(&expected), "{} rows", rows.len());
                let some = frame.gather_columns(&["created_at", "chatbot_id"], &rows).unwrap();
                assert!(some == gathered.select(&["created_at", "chatbot_id"]).unwrap());
            }
            assert!(frame.gather_columns(&["nothing"], &[0]).is_err());
        }
    }

    #[test]
    fn positive_sum_ignores_nulls_and_negative_numbers() {
        let mut builder = FrameBuilder::new(Table::Sessions);
        for (seconds, micros) in [(Cell::Int(5), -7), (Cell::Null, i64::MAX), (Cell::Int(-1), i64::MAX)] {
            builder.row(&[("duration_seconds", seconds), ("response_time_sum_us", Cell::Int(micros))]);
        }
        let frame = builder.finish().unwrap();
        let sum = |name: &str, rows: &[u32]| frame.ints(name).unwrap().positive_sum(rows);
        assert_eq!((sum("duration_seconds", &[0, 1, 2]), sum("duration_seconds", &[1, 9])), (5, 0));
        assert_eq!(sum("response_time_sum_us", &[0, 1, 2]), 2 * i64::MAX as u128);
        assert_eq!(sum("response_time_sum_us", &[1]), i64::MAX as u128);
    }

    #[test]
    fn frame_of_every_table_has_its_columns_in_order() {
        for table in Table::ALL {
            let frame = FrameBuilder::new(table).finish().unwrap();
            let names: Vec<_> = frame.column_names().collect();
            assert_eq!(names, table.columns().iter().map(|c| c.name).collect::<Vec<_>>());
        }
    }
}
