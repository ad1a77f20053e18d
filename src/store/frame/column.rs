//! Typed, contiguous columns.
//!
//! A column shares its memory with the frame that it was read from. Cloning a column copies no
//! value.

use polars::prelude::{
    BooleanType, CompatLevel, DataType, Float64Type, Int32Type, Int64Type, PolarsDataType, Series,
    StaticArray, StringType, TimeUnit,
};
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, Utf8ViewArray, View};
use polars_arrow::bitmap::Bitmap;
use polars_arrow::datatypes::ArrowDataType;
use polars_arrow::types::NativeType;

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

    /// Calls `visit` with each row and its [token](Texts::token); for null, with `null`.
    #[inline]
    pub fn each_token(&self, null: u128, mut visit: impl FnMut(usize, u128)) {
        let views = self.0.views().iter().enumerate();
        match self.0.validity() {
            None => views.for_each(|(row, view)| visit(row, view.as_u128())),
            Some(validity) => {
                for ((row, view), is_valid) in views.zip(validity.iter()) {
                    visit(row, if is_valid { view.as_u128() } else { null });
                }
            }
        }
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

    /// Returns the sum of the positive numbers in the given rows. Nulls and rows out of range count
    /// as 0.
    pub fn positive_sum(&self, rows: &[u32]) -> u128 {
        fn sum<T: NativeType>(array: &PrimitiveArray<T>, rows: &[u32], add: impl Fn(T) -> u64) -> u128 {
            let values = array.values().as_slice();
            let numbers = |rows: &[u32]| {
                let number =
                    |row: &u32| values.get(*row as usize).map_or(0, |number| u128::from(add(*number)));
                rows.iter().map(number).sum::<u128>()
            };
            match array.validity().filter(|valid| valid.unset_bits() > 0) {
                None => numbers(rows),
                Some(valid) => rows
                    .iter()
                    .filter(|row| valid.get(**row as usize) == Some(true))
                    .map(|row| numbers(&[*row]))
                    .sum(),
            }
        }
        match &self.0 {
            Width::Int32(array) => sum(array, rows, |number| u64::from(number.max(0).unsigned_abs())),
            Width::Int64(array) => sum(array, rows, |number| number.max(0).unsigned_abs()),
        }
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

    /// Returns whether any value is true. A null may count as true.
    pub fn has_true(&self) -> bool {
        self.0.values().set_bits() > 0
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

/// Returns the size of a validity bitmap in bytes.
fn bitmap_size(bits: Option<&Bitmap>) -> usize {
    bits.map_or(0, |bits| bits.len().div_ceil(8))
}

/// Returns the bits at the given positions; `None` if there are no bits.
fn gather_bits(bits: Option<&Bitmap>, rows: &[u32]) -> Option<Bitmap> {
    let bits = bits?;
    Some(rows.iter().map(|row| bits.get_bit(*row as usize)).collect())
}

fn gather_numbers<T: NativeType>(
    array: &PrimitiveArray<T>,
    data_type: ArrowDataType,
    rows: &[u32],
) -> Option<Box<dyn Array>> {
    let values = array.values().as_slice();
    let gathered: Vec<T> =
        rows.iter().map(|row| values.get(*row as usize).copied().unwrap_or_default()).collect();
    let validity = gather_bits(array.validity(), rows);
    Some(PrimitiveArray::try_new(data_type, gathered.into(), validity).ok()?.boxed())
}

impl TypedColumn {
    /// Returns the values of the given rows, which must be in range; `None` for unsupported types.
    /// `data_type` is the type of the column.
    pub(super) fn gather(&self, data_type: &DataType, rows: &[u32]) -> Option<Box<dyn Array>> {
        let data_type = || data_type.to_arrow(CompatLevel::newest());
        match self {
            TypedColumn::Texts(Texts(array)) => {
                let views = array.views().as_slice();
                let gathered: Vec<View> =
                    rows.iter().map(|row| views.get(*row as usize).copied().unwrap_or_default()).collect();
                // SAFETY: the views come from an array with the same buffers. The default view is
                // the empty string.
                let array = unsafe {
                    Utf8ViewArray::new_unchecked(
                        array.dtype().clone(),
                        gathered.into(),
                        array.data_buffers().clone(),
                        gather_bits(array.validity(), rows),
                        None,
                        array.total_buffer_len(),
                    )
                };
                Some(array.boxed())
            }
            TypedColumn::Ints(Ints(Width::Int32(array))) => gather_numbers(array, data_type(), rows),
            TypedColumn::Ints(Ints(Width::Int64(array))) => gather_numbers(array, data_type(), rows),
            TypedColumn::Floats(Floats(array)) => gather_numbers(array, data_type(), rows),
            TypedColumn::Bools(Bools(array)) => {
                let values = gather_bits(Some(array.values()), rows)?;
                let validity = gather_bits(array.validity(), rows);
                Some(BooleanArray::try_new(data_type(), values, validity).ok()?.boxed())
            }
            TypedColumn::Unsupported => None,
        }
    }

    /// Returns the memory that the values occupy, in bytes; `None` for unsupported types. Strings
    /// that columns share are counted in full for each of them.
    pub(super) fn size(&self) -> Option<usize> {
        Some(match self {
            TypedColumn::Texts(Texts(array)) => {
                array.len() * size_of::<View>() + array.total_buffer_len() + bitmap_size(array.validity())
            }
            TypedColumn::Ints(Ints(Width::Int32(array))) => array.len() * 4 + bitmap_size(array.validity()),
            TypedColumn::Ints(Ints(Width::Int64(array))) => array.len() * 8 + bitmap_size(array.validity()),
            TypedColumn::Floats(Floats(array)) => array.len() * 8 + bitmap_size(array.validity()),
            TypedColumn::Bools(Bools(array)) => {
                bitmap_size(Some(array.values())) + bitmap_size(array.validity())
            }
            TypedColumn::Unsupported => return None,
        })
    }

    /// Wraps a series that consists of a single chunk.
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
