//! Decoding of columns: turns pages into values.

use polars::prelude::{PlSmallStr, PolarsResult, Series};
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};
use polars_arrow::types::NativeType;

use super::codes::extend_from_codes;
use super::delta;
use super::footer::{Column, ColumnChunk, ColumnKind};
use super::levels::Levels;
use super::page::{DELTA, DICTIONARY, PLAIN, Page, ReadBuffers};
use super::selected_rows::SelectedRows;
use super::texts::TextBuilder;

/// Maximum number of rows for which memory is reserved before any value is decoded.
const MAX_RESERVED_ROWS: usize = 1 << 22;

/// Decodes a column.
pub struct ColumnDecoder<'c> {
    column: &'c Column,
    values: Values,
    rows: usize,
    /// The rows that are not null; `None` as long as there is no null.
    validity: Option<MutableBitmap>,
    /// The selected rows that are not decoded yet; `None` to decode all rows.
    selected: Option<SelectedRows<'c>>,
    /// Positions of values in a page.
    positions: Vec<u32>,
}

enum Values {
    Texts(TextBuilder),
    Bools(MutableBitmap),
    Int32(FixedWidth<i32>),
    Int64(FixedWidth<i64>),
    Floats(FixedWidth<f64>),
}

/// Values of a fixed width, and their dictionary in the current row group.
#[derive(Default)]
struct FixedWidth<T> {
    values: Vec<T>,
    dictionary: Vec<T>,
}

impl<'c> ColumnDecoder<'c> {
    /// Starts a column of `rows` rows. Decodes all of them, or the selected ones.
    pub fn new(column: &'c Column, rows: usize, selected: Option<SelectedRows<'c>>) -> ColumnDecoder<'c> {
        // The file states `rows` and may be wrong, so memory for more rows is allocated only as
        // values are decoded.
        let rows = selected.map_or(rows, |selected| selected.len()).min(MAX_RESERVED_ROWS);
        let values = match column.kind {
            ColumnKind::Text => Values::Texts(TextBuilder::new(rows)),
            ColumnKind::Bool => Values::Bools(MutableBitmap::with_capacity(rows)),
            ColumnKind::Int32 | ColumnKind::Date => Values::Int32(FixedWidth::new(rows)),
            ColumnKind::Int64 | ColumnKind::Time => Values::Int64(FixedWidth::new(rows)),
            ColumnKind::Float => Values::Floats(FixedWidth::new(rows)),
        };
        ColumnDecoder { column, values, rows: 0, validity: None, selected, positions: Vec::new() }
    }

    /// Skips a row group of `rows` rows, unless some of its rows are selected. Returns whether it
    /// was skipped.
    pub fn skip(&mut self, rows: usize) -> bool {
        let Some(selected) = &mut self.selected else { return false };
        let mut after = *selected;
        let is_skipped = after.split_off(rows).is_empty();
        if is_skipped {
            *selected = after;
        }
        is_skipped
    }

    /// Decodes the bytes of the column in a row group of `rows` rows; `None` if they are damaged or
    /// not supported.
    pub fn add(
        &mut self,
        chunk: &ColumnChunk,
        mut bytes: &[u8],
        rows: usize,
        buffers: &mut ReadBuffers,
    ) -> Option<()> {
        let mut remaining = rows;
        // Uncompressed size of all remaining pages.
        let mut max_bytes = chunk.uncompressed;
        let (is_zstd, decompressor, lengths) =
            (chunk.is_zstd, &mut buffers.decompressor, &mut buffers.lengths);
        match &mut self.values {
            Values::Texts(texts) => texts.start_row_group(),
            Values::Bools(_) => {}
            Values::Int32(fixed) => fixed.dictionary.clear(),
            Values::Int64(fixed) => fixed.dictionary.clear(),
            Values::Floats(fixed) => fixed.dictionary.clear(),
        }
        while remaining > 0 {
            let page = Page::next(&mut bytes)?;
            let keeps_bytes = match &self.values {
                Values::Texts(_) => !DICTIONARY.contains(&page.encoding) || page.is_dictionary,
                _ => false,
            };
            // The column keeps the bytes of its strings, so each page is decompressed into a new
            // buffer.
            let mut kept = Vec::new();
            let bytes_out = if keeps_bytes { &mut kept } else { &mut buffers.page };
            page.decompress(is_zstd, max_bytes, decompressor, bytes_out)?;
            max_bytes = max_bytes.checked_sub(bytes_out.len())?;
            if page.is_dictionary {
                match &mut self.values {
                    Values::Texts(texts) => texts.set_dictionary(kept, page.values)?,
                    Values::Bools(_) => return None,
                    Values::Int32(fixed) => fixed.set_dictionary(&buffers.page, page.values)?,
                    Values::Int64(fixed) => fixed.set_dictionary(&buffers.page, page.values)?,
                    Values::Floats(fixed) => fixed.set_dictionary(&buffers.page, page.values)?,
                }
                continue;
            }
            if page.values > remaining {
                return None;
            }
            remaining -= page.values;
            let bytes_in = if keeps_bytes { &kept } else { &buffers.page };
            let (levels, values) = Levels::read(bytes_in, page.values, self.column.is_optional)?;
            let page_values = PageValues { count: levels.valid, encoding: page.encoding, selected: None };
            let (rows, levels, page_values) = match &mut self.selected {
                None => (page.values, levels, page_values),
                Some(selected) => {
                    let rows = selected.split_off(page.values);
                    let (levels, positions) = levels.select(rows, &mut self.positions);
                    (rows.len(), levels, PageValues { selected: Some(positions), ..page_values })
                }
            };
            match &mut self.values {
                Values::Texts(texts) if keeps_bytes => {
                    let start = bytes_in.len() - values.len();
                    texts.add_page(kept, start, page_values, &levels, lengths)?;
                }
                Values::Texts(texts) => texts.add_codes_page(values, page_values, &levels)?,
                Values::Bools(bools) => add_bools(bools, values, page_values, &levels)?,
                Values::Int32(fixed) => fixed.add_page(values, page_values, &levels)?,
                Values::Int64(fixed) if page.encoding == DELTA => {
                    fixed.add_delta_page(values, page_values, &levels, lengths)?;
                }
                Values::Int64(fixed) => fixed.add_page(values, page_values, &levels)?,
                Values::Floats(fixed) => fixed.add_page(values, page_values, &levels)?,
            }
            self.add_validity(rows, levels.validity);
        }
        Some(())
    }

    fn add_validity(&mut self, rows: usize, validity: Option<MutableBitmap>) {
        let before = self.rows;
        self.rows += rows;
        if self.validity.is_none() && validity.is_none() {
            return;
        }
        let all = self.validity.get_or_insert_with(|| MutableBitmap::from_len_set(before));
        match validity {
            Some(validity) => all.extend_from_bitmap(&validity.freeze()),
            None => all.extend_constant(rows, true),
        }
    }

    /// Returns the column.
    pub fn finish(self) -> PolarsResult<Series> {
        let validity = self.validity.map(MutableBitmap::freeze);
        let array: Box<dyn Array> = match self.values {
            Values::Texts(texts) => texts.finish(validity),
            Values::Bools(bools) => {
                BooleanArray::new(ArrowDataType::Boolean, bools.freeze(), validity).boxed()
            }
            Values::Int32(fixed) => fixed.finish(self.column.kind, validity)?,
            Values::Int64(fixed) => fixed.finish(self.column.kind, validity)?,
            Values::Floats(fixed) => fixed.finish(self.column.kind, validity)?,
        };
        Series::try_from((PlSmallStr::from_str(&self.column.name), array))
    }
}

/// The values of a page.
#[derive(Clone, Copy)]
pub struct PageValues<'a> {
    /// Number of values, without nulls.
    pub count: usize,
    /// Encoding of the values.
    pub encoding: i64,
    /// The positions of the values to decode; `None` for all.
    pub selected: Option<SelectedRows<'a>>,
}

fn add_bools(bools: &mut MutableBitmap, bytes: &[u8], page: PageValues, levels: &Levels) -> Option<()> {
    if page.encoding != PLAIN {
        return None;
    }
    let bytes = bytes.get(..page.count.div_ceil(8))?;
    let values = match page.selected {
        None => Bitmap::try_new(bytes.to_vec(), page.count).ok()?,
        Some(selected) => {
            let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
            selected.iter().map(bit).collect()
        }
    };
    match &levels.validity {
        None => bools.extend_from_bitmap(&values),
        Some(validity) => {
            let mut values = values.iter();
            validity.iter().for_each(|is_valid| bools.push(is_valid && values.next() == Some(true)));
        }
    }
    Some(())
}

/// A number in plain encoding: little-endian bytes.
trait Plain: NativeType {
    const WIDTH: usize = size_of::<Self>();
    fn from_plain(bytes: &[u8]) -> Option<Self>;
    /// Appends all numbers in the bytes.
    fn extend_from_plain(numbers: &mut Vec<Self>, bytes: &[u8]);
}

macro_rules! plain {
    ($($number:ty),*) => {$(
        impl Plain for $number {
            #[inline]
            fn from_plain(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().map(|bytes| <$number>::from_le_bytes(*bytes))
            }
            fn extend_from_plain(numbers: &mut Vec<Self>, bytes: &[u8]) {
                let (chunks, _) = bytes.as_chunks();
                numbers.extend(chunks.iter().map(|bytes| <$number>::from_le_bytes(*bytes)));
            }
        }
    )*};
}

plain!(i32, i64, f64);

impl<T: Plain> FixedWidth<T> {
    fn new(rows: usize) -> FixedWidth<T> {
        FixedWidth { values: Vec::with_capacity(rows), dictionary: Vec::new() }
    }

    fn set_dictionary(&mut self, bytes: &[u8], count: usize) -> Option<()> {
        self.dictionary.clear();
        add_plain(&mut self.dictionary, bytes, count, None)
    }

    fn add_page(&mut self, bytes: &[u8], page: PageValues, levels: &Levels) -> Option<()> {
        let start = self.values.len();
        match page.encoding {
            PLAIN => add_plain(&mut self.values, bytes, page.count, page.selected)?,
            encoding if DICTIONARY.contains(&encoding) => {
                extend_from_codes(&mut self.values, &self.dictionary, bytes, page.count, page.selected)?;
            }
            _ => return None,
        }
        levels.spread_to_rows(&mut self.values, start);
        Some(())
    }

    fn finish(self, kind: ColumnKind, validity: Option<Bitmap>) -> PolarsResult<Box<dyn Array>> {
        let data_type = match kind {
            ColumnKind::Date => ArrowDataType::Date32,
            ColumnKind::Time => ArrowDataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            _ => T::PRIMITIVE.into(),
        };
        Ok(PrimitiveArray::try_new(data_type, self.values.into(), validity)?.boxed())
    }
}

impl FixedWidth<i64> {
    fn add_delta_page(
        &mut self,
        bytes: &[u8],
        page: PageValues,
        levels: &Levels,
        buffer: &mut Vec<i64>,
    ) -> Option<()> {
        let start = self.values.len();
        match page.selected {
            None => {
                delta::decode(bytes, page.count, &mut self.values)?;
            }
            Some(selected) => {
                buffer.clear();
                delta::decode(bytes, page.count, buffer)?;
                let value = |at: usize| buffer.get(at).copied().unwrap_or_default();
                self.values.extend(selected.iter().map(value));
            }
        }
        levels.spread_to_rows(&mut self.values, start);
        Some(())
    }
}

/// Appends `count` numbers in plain encoding, or only the selected ones.
fn add_plain<T: Plain>(
    values: &mut Vec<T>,
    bytes: &[u8],
    count: usize,
    selected: Option<SelectedRows>,
) -> Option<()> {
    let bytes = bytes.get(..count.checked_mul(T::WIDTH)?)?;
    match selected {
        None => T::extend_from_plain(values, bytes),
        Some(selected) => {
            let number = |at: usize| bytes.get(at * T::WIDTH..).and_then(T::from_plain).unwrap_or_default();
            values.extend(selected.iter().map(number));
        }
    }
    Some(())
}
