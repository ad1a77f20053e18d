//! Columns out of iterators, typed as `store::columns` says.

use std::collections::HashMap;

use polars::prelude::*;

use crate::error::{Error, Result};
use crate::store::columns::Column as Definition;
use crate::store::encode::Chunk;

/// Makes a column of text; a null where the iterator gives none.
pub fn text<'a>(name: &str, rows: usize, values: impl Iterator<Item = Option<&'a str>>) -> Column {
    let mut builder = StringChunkedBuilder::new(name.into(), rows);
    for value in values {
        builder.append_option(value);
    }
    builder.finish().into_series().into_column()
}

/// Makes a column of UUIDs as lower-case text.
pub fn uuid(name: &str, rows: usize, values: impl Iterator<Item = u128>) -> Column {
    let mut builder = StringChunkedBuilder::new(name.into(), rows);
    let mut buffer = uuid::Uuid::encode_buffer();
    for value in values {
        builder.append_value(&*uuid::Uuid::from_u128(value).hyphenated().encode_lower(&mut buffer));
    }
    builder.finish().into_series().into_column()
}

/// Makes a column of 64-bit integers without nulls.
pub fn int64(name: &str, values: impl Iterator<Item = i64>) -> Column {
    Int64Chunked::from_vec(name.into(), values.collect()).into_series().into_column()
}

/// Makes a column of 64-bit integers.
pub fn int64_option(name: &str, values: impl Iterator<Item = Option<i64>>) -> Column {
    Int64Chunked::from_iter_options(name.into(), values).into_series().into_column()
}

/// Makes a column of 64-bit floats.
pub fn decimal(name: &str, values: impl Iterator<Item = f64>) -> Column {
    Float64Chunked::from_vec(name.into(), values.collect()).into_series().into_column()
}

/// Makes a column of times.
pub fn timestamp(name: &str, values: impl Iterator<Item = i64>) -> Column {
    let numbers = Int64Chunked::from_vec(name.into(), values.collect());
    numbers.into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)).into_series().into_column()
}

/// Makes a column of days.
pub fn date(name: &str, values: impl Iterator<Item = i32>) -> Column {
    Int32Chunked::from_vec(name.into(), values.collect()).into_date().into_series().into_column()
}

/// Makes a column of days since 1970, of which some are missing.
pub fn date_option(name: &str, values: impl Iterator<Item = Option<i32>>) -> Column {
    let days: Int32Chunked = values.collect();
    days.with_name(name.into()).into_date().into_column()
}

/// Makes a frame of columns, in the order in which the table defines them.
pub fn frame(rows: usize, definitions: &[Definition], columns: Vec<Column>) -> Result<DataFrame> {
    debug_assert!(definitions.iter().map(|d| d.name).eq(columns.iter().map(|c| c.name().as_str())));
    DataFrame::new(rows, columns).map_err(|e| Error::failed("cannot put a table together").caused_by(e))
}

/// Returns columns of a row group in the order in which the table defines them.
///
/// # Errors
/// Where the definitions and the code that fills the columns have come apart: a defect.
pub fn in_order(definitions: &[Definition], columns: Vec<(&str, Chunk)>) -> Result<Vec<Chunk>> {
    let mut columns: HashMap<&str, Chunk> = columns.into_iter().collect();
    let unfilled = |name: &str| Error::failed(format!("no code fills the column {name:?}"));
    let column = |column: &Definition| columns.remove(column.name).ok_or_else(|| unfilled(column.name));
    definitions.iter().map(column).collect()
}

/// Reads columns of a frame by name and type.
pub struct Reader<'a>(pub &'a DataFrame);

impl<'a> Reader<'a> {
    fn series(&self, name: &str) -> Result<&'a Series> {
        self.0
            .column(name)
            .map(Column::as_materialized_series)
            .map_err(|e| Error::failed(format!("the column {name:?} is missing")).caused_by(e))
    }

    /// Returns a column of text.
    pub fn text(&self, name: &str) -> Result<&'a StringChunked> {
        self.series(name)?.str().map_err(|e| wrong_type(name, e))
    }

    /// Returns a column of 64-bit integers or of times.
    pub fn int64(&self, name: &str) -> Result<&'a Int64Chunked> {
        let series = self.series(name)?;
        match series.dtype() {
            DataType::Datetime(..) => series.datetime().map(|c| c.physical()),
            _ => series.i64(),
        }
        .map_err(|e| wrong_type(name, e))
    }

    /// Returns a column of 32-bit integers or of days.
    pub fn int32(&self, name: &str) -> Result<&'a Int32Chunked> {
        let series = self.series(name)?;
        match series.dtype() {
            DataType::Date => series.date().map(|c| c.physical()),
            _ => series.i32(),
        }
        .map_err(|e| wrong_type(name, e))
    }

    /// Returns a column of booleans.
    pub fn boolean(&self, name: &str) -> Result<&'a BooleanChunked> {
        self.series(name)?.bool().map_err(|e| wrong_type(name, e))
    }
}

fn wrong_type(name: &str, cause: PolarsError) -> Error {
    Error::failed(format!("the column {name:?} has an unexpected type")).caused_by(cause)
}
