//! Typed, contiguous columns.
//!
//! A column shares its memory with the frame that it was read from. Cloning a column copies no
//! value.

use polars::prelude::{
    BooleanType, DataType, Float64Type, Int32Type, Int64Type, PolarsDataType, Series, StaticArray,
    StringType, TimeUnit,
};
use polars_arrow::array::Array;

type ArrayOf<T> = <T as PolarsDataType>::Array;

/// A column of text (text, UUID or JSON).
#[derive(Clone, Debug)]
pub struct Texts(ArrayOf<StringType>);

impl Texts {
    /// Returns the string in a row; `None` for null and for rows out of range.
    #[inline]
    pub fn get(&self, row: usize) -> Option<&str> {
        if row < self.0.len() { self.0.get(row) } else { None }
    }

    /// Returns a token of the string in a row; `None` for null. Equal tokens of one column mean
    /// equal strings, so results derived from a string can be cached by token.
    ///
    /// Equal strings can have different tokens if they are longer than 12 bytes and the file stores
    /// them without a dictionary.
    #[inline]
    pub fn token(&self, row: usize) -> Option<u128> {
        let view = self.0.views().get(row)?;
        self.0.validity().is_none_or(|valid| valid.get_bit(row)).then(|| view.as_u128())
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the column has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the strings of all rows.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }
}

/// A column of integers: 32 or 64 bits, microseconds of a timestamp, or days since 1970.
#[derive(Clone, Debug)]
pub struct Ints(Width);

#[derive(Clone, Debug)]
enum Width {
    Int32(ArrayOf<Int32Type>),
    Int64(ArrayOf<Int64Type>),
}

impl Ints {
    /// Returns the number in a row; `None` for null and for rows out of range.
    #[inline]
    pub fn get(&self, row: usize) -> Option<i64> {
        match &self.0 {
            Width::Int32(array) if row < array.len() => array.get(row).map(i64::from),
            Width::Int64(array) if row < array.len() => array.get(row),
            _ => None,
        }
    }

    /// Returns the number in a row, or 0 for null. Meant for columns that cannot be null.
    #[inline]
    pub fn or_zero(&self, row: usize) -> i64 {
        self.get(row).unwrap_or(0)
    }

    /// Returns the number of a row in a column of 32-bit integers or dates; `None` for null.
    #[inline]
    pub fn get_i32(&self, row: usize) -> Option<i32> {
        self.get(row).and_then(|number| i32::try_from(number).ok())
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        match &self.0 {
            Width::Int32(array) => array.len(),
            Width::Int64(array) => array.len(),
        }
    }

    /// Returns whether the column has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over the numbers of all rows.
    pub fn iter(&self) -> impl Iterator<Item = Option<i64>> {
        (0..self.len()).map(|row| self.get(row))
    }
}

/// A column of floats.
#[derive(Clone, Debug)]
pub struct Floats(ArrayOf<Float64Type>);

impl Floats {
    /// Returns the number in a row; `None` for null and for rows out of range.
    pub fn get(&self, row: usize) -> Option<f64> {
        if row < self.0.len() { self.0.get(row) } else { None }
    }
}

/// A column of booleans.
#[derive(Clone, Debug)]
pub struct Bools(ArrayOf<BooleanType>);

impl Bools {
    /// Returns the value in a row; `None` for null and for rows out of range.
    #[inline]
    pub fn get(&self, row: usize) -> Option<bool> {
        if row < self.0.len() { self.0.get(row) } else { None }
    }

    /// Returns whether a row is true; null is not.
    #[inline]
    pub fn is_true(&self, row: usize) -> bool {
        self.get(row) == Some(true)
    }
}

/// A column of a frame, by its type.
#[derive(Clone, Debug)]
pub(super) enum TypedColumn {
    Texts(Texts),
    Ints(Ints),
    Floats(Floats),
    Bools(Bools),
    /// A type that no table uses: another program wrote the file.
    Unsupported,
}

impl TypedColumn {
    /// Views a series that consists of a single chunk.
    pub(super) fn new(series: &Series) -> TypedColumn {
        let column = match series.dtype() {
            DataType::String => {
                series.str().ok().map(|column| TypedColumn::Texts(Texts(column.downcast_as_array().clone())))
            }
            DataType::Int32 => series
                .i32()
                .ok()
                .map(|column| TypedColumn::Ints(Ints(Width::Int32(column.downcast_as_array().clone())))),
            DataType::Int64 => series
                .i64()
                .ok()
                .map(|column| TypedColumn::Ints(Ints(Width::Int64(column.downcast_as_array().clone())))),
            DataType::Date => series.date().ok().map(|column| {
                TypedColumn::Ints(Ints(Width::Int32(column.physical().downcast_as_array().clone())))
            }),
            DataType::Datetime(TimeUnit::Microseconds, _) => series.datetime().ok().map(|column| {
                TypedColumn::Ints(Ints(Width::Int64(column.physical().downcast_as_array().clone())))
            }),
            DataType::Float64 => series
                .f64()
                .ok()
                .map(|column| TypedColumn::Floats(Floats(column.downcast_as_array().clone()))),
            DataType::Boolean => {
                series.bool().ok().map(|column| TypedColumn::Bools(Bools(column.downcast_as_array().clone())))
            }
            _ => None,
        };
        column.unwrap_or(TypedColumn::Unsupported)
    }
}
