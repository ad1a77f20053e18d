//! A column under way: pages become its values.

use polars::prelude::{PlSmallStr, PolarsResult, Series};
use polars_arrow::array::{Array, BooleanArray, PrimitiveArray};
use polars_arrow::bitmap::{Bitmap, MutableBitmap};
use polars_arrow::datatypes::{ArrowDataType, TimeUnit};
use polars_arrow::types::NativeType;

use super::delta;
use super::footer::{Chunk, Column, Kind};
use super::levels::Levels;
use super::page::{DELTA, DICTIONARY, PLAIN, Page, Tools};
use super::rle_hybrid::{Run, each_run, unpack};
use super::texts::Texts;

/// Room is taken beforehand for so many rows at the most.
const MOST_AT_ONCE: usize = 1 << 22;

/// A column under way.
pub struct ColumnReader<'c> {
    column: &'c Column,
    values: Values,
    rows: usize,
    /// Where there are values; `None` as long as there is no null.
    nulls: Option<MutableBitmap>,
}

enum Values {
    Texts(Texts),
    Bools(MutableBitmap),
    Narrow(Fixed<i32>),
    Wide(Fixed<i64>),
    Floats(Fixed<f64>),
}

/// Values of a fixed width.
#[derive(Default)]
struct Fixed<T> {
    values: Vec<T>,
    dictionary: Vec<T>,
}

impl<'c> ColumnReader<'c> {
    /// Begins a column of so many rows.
    pub fn new(column: &'c Column, rows: usize) -> ColumnReader<'c> {
        // A file that claims more is to show its rows first.
        let rows = rows.min(MOST_AT_ONCE);
        let values = match column.kind {
            Kind::Text => Values::Texts(Texts::new(rows)),
            Kind::Bool => Values::Bools(MutableBitmap::with_capacity(rows)),
            Kind::Int32 | Kind::Date => Values::Narrow(Fixed::new(rows)),
            Kind::Int64 | Kind::Time => Values::Wide(Fixed::new(rows)),
            Kind::Float => Values::Floats(Fixed::new(rows)),
        };
        ColumnReader { column, values, rows: 0, nulls: None }
    }

    /// Adds the column's bytes of a row group of so many rows; `None` where they make no sense or hold
    /// what is not known here.
    pub fn add(&mut self, chunk: &Chunk, mut bytes: &[u8], rows: usize, tools: &mut Tools) -> Option<()> {
        let mut left = rows;
        // What all pages together may take.
        let mut most = chunk.plain;
        let (zstd, inflate, lengths) = (chunk.zstd, &mut tools.zstd, &mut tools.lengths);
        match &mut self.values {
            Values::Texts(texts) => texts.begin(),
            Values::Bools(_) => {}
            Values::Narrow(fixed) => fixed.dictionary.clear(),
            Values::Wide(fixed) => fixed.dictionary.clear(),
            Values::Floats(fixed) => fixed.dictionary.clear(),
        }
        while left > 0 {
            let page = Page::next(&mut bytes)?;
            let keeps_bytes = match &self.values {
                Values::Texts(_) => !DICTIONARY.contains(&page.encoding) || page.is_dictionary,
                _ => false,
            };
            // The bytes of texts stay where they are, and become the column's.
            let mut kept = Vec::new();
            let room = if keeps_bytes { &mut kept } else { &mut tools.page };
            page.inflate(zstd, most, inflate, room)?;
            most = most.checked_sub(room.len())?;
            if page.is_dictionary {
                match &mut self.values {
                    Values::Texts(texts) => texts.dictionary(kept, page.values)?,
                    Values::Bools(_) => return None,
                    Values::Narrow(fixed) => fixed.plain_dictionary(&tools.page, page.values)?,
                    Values::Wide(fixed) => fixed.plain_dictionary(&tools.page, page.values)?,
                    Values::Floats(fixed) => fixed.plain_dictionary(&tools.page, page.values)?,
                }
                continue;
            }
            if page.values > left {
                return None;
            }
            left -= page.values;
            let room = if keeps_bytes { &kept } else { &tools.page };
            let (levels, values) = Levels::read(room, page.values, self.column.optional)?;
            match &mut self.values {
                Values::Texts(texts) if keeps_bytes => {
                    let start = room.len() - values.len();
                    texts.page(kept, start, page.encoding, &levels, lengths)?;
                }
                Values::Texts(texts) => texts.codes(values, &levels)?,
                Values::Bools(bools) => add_bools(bools, values, page.encoding, &levels)?,
                Values::Narrow(fixed) => fixed.page(values, page.encoding, &levels)?,
                Values::Wide(fixed) if page.encoding == DELTA => fixed.deltas(values, &levels)?,
                Values::Wide(fixed) => fixed.page(values, page.encoding, &levels)?,
                Values::Floats(fixed) => fixed.page(values, page.encoding, &levels)?,
            }
            self.add_nulls(page.values, levels.nulls);
        }
        Some(())
    }

    fn add_nulls(&mut self, rows: usize, nulls: Option<MutableBitmap>) {
        let before = self.rows;
        self.rows += rows;
        if self.nulls.is_none() && nulls.is_none() {
            return;
        }
        let all = self.nulls.get_or_insert_with(|| MutableBitmap::from_len_set(before));
        match nulls {
            Some(nulls) => all.extend_from_bitmap(&nulls.freeze()),
            None => all.extend_constant(rows, true),
        }
    }

    /// Ends the column.
    pub fn finish(self) -> PolarsResult<Series> {
        let nulls = self.nulls.map(MutableBitmap::freeze);
        let array: Box<dyn Array> = match self.values {
            Values::Texts(texts) => texts.finish(nulls),
            Values::Bools(bools) => BooleanArray::new(ArrowDataType::Boolean, bools.freeze(), nulls).boxed(),
            Values::Narrow(fixed) => fixed.finish(self.column.kind, nulls)?,
            Values::Wide(fixed) => fixed.finish(self.column.kind, nulls)?,
            Values::Floats(fixed) => fixed.finish(self.column.kind, nulls)?,
        };
        Series::try_from((PlSmallStr::from_str(&self.column.name), array))
    }
}

fn add_bools(bools: &mut MutableBitmap, bytes: &[u8], encoding: i64, levels: &Levels) -> Option<()> {
    if encoding != PLAIN || bytes.len() < levels.there.div_ceil(8) {
        return None;
    }
    match &levels.nulls {
        None => bools.extend_from_slice(bytes, 0, levels.there),
        Some(nulls) => {
            let there =
                Bitmap::try_new(bytes.get(..levels.there.div_ceil(8))?.to_vec(), levels.there).ok()?;
            let mut values = there.iter();
            nulls.iter().for_each(|is_there| bools.push(is_there && values.next() == Some(true)));
        }
    }
    Some(())
}

/// A number as its bytes stand in plain encoding.
trait Plain: NativeType {
    const WIDTH: usize = size_of::<Self>();
    fn of(bytes: &[u8]) -> Option<Self>;
}

macro_rules! plain {
    ($($number:ty),*) => {$(
        impl Plain for $number {
            #[inline]
            fn of(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().map(|bytes| <$number>::from_le_bytes(*bytes))
            }
        }
    )*};
}

plain!(i32, i64, f64);

impl<T: Plain> Fixed<T> {
    fn new(rows: usize) -> Fixed<T> {
        Fixed { values: Vec::with_capacity(rows), dictionary: Vec::new() }
    }

    fn plain_dictionary(&mut self, bytes: &[u8], count: usize) -> Option<()> {
        self.dictionary.clear();
        add_plain(&mut self.dictionary, bytes, count)
    }

    fn page(&mut self, bytes: &[u8], encoding: i64, levels: &Levels) -> Option<()> {
        let start = self.values.len();
        match encoding {
            PLAIN => add_plain(&mut self.values, bytes, levels.there)?,
            _ if DICTIONARY.contains(&encoding) => {
                add_codes(&mut self.values, &self.dictionary, bytes, levels.there)?;
            }
            _ => return None,
        }
        levels.spread(&mut self.values, start);
        Some(())
    }

    fn finish(self, kind: Kind, nulls: Option<Bitmap>) -> PolarsResult<Box<dyn Array>> {
        let kind = match kind {
            Kind::Date => ArrowDataType::Date32,
            Kind::Time => ArrowDataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            _ => T::PRIMITIVE.into(),
        };
        Ok(PrimitiveArray::try_new(kind, self.values.into(), nulls)?.boxed())
    }
}

impl Fixed<i64> {
    fn deltas(&mut self, bytes: &[u8], levels: &Levels) -> Option<()> {
        let start = self.values.len();
        delta::decode(bytes, levels.there, &mut self.values)?;
        levels.spread(&mut self.values, start);
        Some(())
    }
}

fn add_plain<T: Plain>(values: &mut Vec<T>, bytes: &[u8], count: usize) -> Option<()> {
    let bytes = bytes.get(..count.checked_mul(T::WIDTH)?)?;
    values.extend(bytes.chunks_exact(T::WIDTH).map(|bytes| T::of(bytes).unwrap_or_default()));
    Some(())
}

/// Adds so many values by their codes.
pub fn add_codes<T: Copy + Default>(
    values: &mut Vec<T>,
    dictionary: &[T],
    bytes: &[u8],
    count: usize,
) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    let (bits, bytes) = bytes.split_first()?;
    let mut all_known = true;
    each_run(bytes, u32::from(*bits), count, |run| {
        let mut value = |code: u64| match dictionary.get(code as usize) {
            Some(value) => *value,
            None => {
                all_known = false;
                T::default()
            }
        };
        match run {
            Run::Repeated(code, times) => values.extend(std::iter::repeat_n(value(u64::from(code)), times)),
            Run::Packed(packed, times) => unpack(packed, u32::from(*bits), times, |eight, there| {
                // What fills up the last eight is 0, of which there may be no value.
                let mut found = [T::default(); 8];
                found.iter_mut().zip(eight).take(there).for_each(|(found, code)| *found = value(*code));
                values.extend_from_slice(&found[..there]);
            }),
        }
        Some(())
    })?;
    all_known.then_some(())
}
