//! Columns out of rows, straight to Parquet pages.
//!
//! Frames are right for reading and filtering; for writing millions of new rows they are a detour:
//! each text would be copied into the frame, and there hashed again for its dictionary. Here a
//! [`TextColumn`] borrows its texts and makes the dictionary as the rows come (neighbours mostly
//! say the same, and then a comparison is all), and [`FileBuilder`] hands pages to the Parquet
//! writer that frames use too.

use hashbrown::HashTable;
use polars::prelude::{CompatLevel, DataFrame, PolarsError};
use polars_arrow::array::{
    Array, BooleanArray, DictionaryArray, MutableBinaryViewArray, PrimitiveArray, Utf8ViewArray,
};
use polars_arrow::bitmap::MutableBitmap;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, TimeUnit};
use polars_parquet::write::{
    CompressedPage, CompressionOptions, Compressor, DynIter, DynStreamingIterator, Encoding, FileWriter,
    ParquetType, RowGroupIterColumns, StatisticsOptions, Version, WriteOptions, ZstdLevel, array_to_columns,
    get_dtype_encoding, to_parquet_schema,
};

use crate::error::{Error, Result};
use crate::store::columns::{Column, ColumnType, Table};

/// The level of Zstandard: `docs/benchmarks.md` has the figures of others.
pub const LEVEL: i32 = 3;
/// Rows of a row group: enough for dictionaries to pay, few enough to skip what a filter leaves out.
pub const ROW_GROUP: usize = 1 << 17;

/// A column of a row group, with the encoding of its pages.
pub type Encoded = (Box<dyn Array>, Encoding);

/// A column of text under way.
pub struct TextColumn<'a> {
    /// For each row, which of the distinct texts it has; any, where it has none.
    codes: Vec<u32>,
    valid: MutableBitmap,
    nulls: usize,
    distinct: Vec<&'a str>,
    table: HashTable<u32>,
    last: u32,
}

impl<'a> TextColumn<'a> {
    /// Makes an empty column, with room for some rows.
    pub fn with_capacity(rows: usize) -> Self {
        TextColumn {
            codes: Vec::with_capacity(rows),
            valid: MutableBitmap::with_capacity(rows),
            nulls: 0,
            distinct: Vec::new(),
            table: HashTable::new(),
            last: 0,
        }
    }

    /// Adds a row.
    #[inline]
    pub fn push(&mut self, text: Option<&'a str>) {
        let Some(text) = text else {
            self.codes.push(0);
            self.valid.push(false);
            self.nulls += 1;
            return;
        };
        // The same place first: one long text of an envelope can be that of thousands of events.
        let is_last = |last: &&str| std::ptr::eq(*last, text) || *last == text;
        if !self.distinct.get(self.last as usize).is_some_and(is_last) {
            self.last = self.code(text);
        }
        self.codes.push(self.last);
        self.valid.push(true);
    }

    fn code(&mut self, text: &'a str) -> u32 {
        let hash = |text: &str| xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        let distinct = &mut self.distinct;
        let entry = self.table.entry(
            hash(text),
            |code| distinct.get(*code as usize).is_some_and(|known| *known == text),
            |code| distinct.get(*code as usize).map_or(0, |known| hash(known)),
        );
        match entry {
            hashbrown::hash_table::Entry::Occupied(entry) => *entry.get(),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                let code = distinct.len() as u32;
                entry.insert(code);
                distinct.push(text);
                code
            }
        }
    }

    /// Ends the column: with a dictionary, where texts repeat enough for it to pay.
    pub fn finish(self) -> Result<Encoded> {
        let rows = self.codes.len();
        if self.nulls == rows {
            return Ok((
                Utf8ViewArray::new_null(ArrowDataType::Utf8View, rows).boxed(),
                Encoding::RleDictionary,
            ));
        }
        let validity = (self.nulls > 0).then(|| self.valid.freeze());
        // The bound at which the Parquet writer itself gives a dictionary up.
        if rows > 128 && self.distinct.len() * 4 > (rows - self.nulls) * 3 {
            let mut texts = MutableBinaryViewArray::<str>::with_capacity(rows);
            for (row, code) in self.codes.iter().enumerate() {
                let is_null = validity.as_ref().is_some_and(|valid| !valid.get_bit(row));
                let text = self.distinct.get(*code as usize).filter(|_| !is_null);
                texts.push(text);
            }
            let texts: Utf8ViewArray = texts.freeze();
            return Ok((texts.boxed(), Encoding::Plain));
        }
        let keys = PrimitiveArray::<u32>::from_vec(self.codes).with_validity(validity);
        let values = Utf8ViewArray::from_slice_values(self.distinct).boxed();
        let array = DictionaryArray::try_from_keys(keys, values, false).map_err(cannot_write)?;
        Ok((array.boxed(), Encoding::RleDictionary))
    }
}

/// Makes a column of UUIDs as text, no two of which are the same.
pub fn uuids(values: impl ExactSizeIterator<Item = u128>) -> Encoded {
    let mut texts = MutableBinaryViewArray::<str>::with_capacity(values.len());
    let mut buffer = uuid::Uuid::encode_buffer();
    for value in values {
        texts.push_value(&*uuid::Uuid::from_u128(value).hyphenated().encode_lower(&mut buffer));
    }
    let texts: Utf8ViewArray = texts.freeze();
    (texts.boxed(), Encoding::Plain)
}

/// Makes a column of 64-bit integers, times among them, that seldom repeat: differences are small.
pub fn deltas(values: Vec<i64>, valid: Option<MutableBitmap>, dtype: ArrowDataType) -> Encoded {
    let numbers = PrimitiveArray::<i64>::from_vec(values).to(dtype);
    let numbers = numbers.with_validity(valid.map(MutableBitmap::freeze));
    (numbers.boxed(), Encoding::DeltaBinaryPacked)
}

/// Makes a column of 64-bit integers, times among them, with a dictionary.
pub fn repeated(values: Vec<i64>, dtype: ArrowDataType) -> Encoded {
    (PrimitiveArray::<i64>::from_vec(values).to(dtype).boxed(), Encoding::RleDictionary)
}

/// Makes a column of 64-bit integers with a dictionary, where they repeat enough.
pub fn numbers(values: Vec<i64>) -> Encoded {
    repeated(values, ArrowDataType::Int64)
}

/// Makes a column of 64-bit integers, likewise.
pub fn numbers_or_null(values: impl Iterator<Item = Option<i64>>) -> Encoded {
    let numbers: PrimitiveArray<i64> = values.collect();
    (numbers.boxed(), Encoding::RleDictionary)
}

/// Returns the type of columns of times: microseconds, UTC.
pub fn timestamps() -> ArrowDataType {
    ArrowDataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Makes a column of 32-bit integers with a dictionary.
pub fn small_numbers(values: impl Iterator<Item = Option<i32>>) -> Encoded {
    let numbers: PrimitiveArray<i32> = values.collect();
    (numbers.boxed(), Encoding::RleDictionary)
}

/// Makes a column of booleans.
pub fn booleans(values: impl Iterator<Item = bool>) -> Encoded {
    let values: MutableBitmap = values.collect();
    (BooleanArray::new(ArrowDataType::Boolean, values.freeze(), None).boxed(), Encoding::Plain)
}

/// A Parquet file under way, in memory.
pub struct FileBuilder {
    writer: FileWriter<Vec<u8>>,
    types: Vec<ParquetType>,
    encodings: Vec<Vec<Encoding>>,
    options: WriteOptions,
}

impl FileBuilder {
    /// Begins a file of a table.
    pub fn new(table: Table) -> Result<FileBuilder> {
        let field = |column: &Column| {
            let dtype = match column.kind {
                ColumnType::Text | ColumnType::Uuid | ColumnType::Json => ArrowDataType::Utf8View,
                ColumnType::Int32 => ArrowDataType::Int32,
                ColumnType::Int64 => ArrowDataType::Int64,
                ColumnType::Decimal => ArrowDataType::Float64,
                ColumnType::Bool => ArrowDataType::Boolean,
                ColumnType::Timestamp => timestamps(),
                ColumnType::Date => ArrowDataType::Date32,
            };
            // Frames know no column that cannot be null, and old row groups come from frames.
            (column.name.into(), Field::new(column.name.into(), dtype, true))
        };
        let schema: ArrowSchema = table.columns().iter().map(field).collect();
        let level = ZstdLevel::try_new(LEVEL).map_err(cannot_write)?;
        let options = WriteOptions {
            statistics: StatisticsOptions::default(),
            version: Version::V1,
            compression: CompressionOptions::Zstd(Some(level)),
            data_page_size: None,
        };
        let types = to_parquet_schema(&schema).map_err(cannot_write)?.fields().to_vec();
        let encodings = schema.iter_values().map(|field| get_dtype_encoding(&field.dtype)).collect();
        let writer = FileWriter::try_new(Vec::new(), schema, options).map_err(cannot_write)?;
        Ok(FileBuilder { writer, types, encodings, options })
    }

    /// Adds a row group of columns, in the order of the file's.
    pub fn add(&mut self, rows: usize, columns: Vec<Encoded>) -> Result<()> {
        let encoded = columns
            .into_iter()
            .zip(&self.types)
            .map(|((array, encoding), kind)| pages(&*array, kind, &[encoding], self.options))
            .collect::<Result<Vec<_>>>()?;
        self.write(rows, encoded)
    }

    /// Adds a frame, as row groups of the usual size.
    pub fn add_frame(&mut self, frame: &DataFrame) -> Result<()> {
        for start in (0..frame.height()).step_by(ROW_GROUP) {
            let mut part = frame.slice(start as i64, ROW_GROUP);
            part.rechunk_mut();
            let chunks: Vec<_> = part.iter_chunks(CompatLevel::newest(), false).collect();
            for batch in chunks {
                let encoded = batch
                    .columns()
                    .iter()
                    .zip(&self.types)
                    .zip(&self.encodings)
                    .map(|((array, kind), encoding)| pages(&**array, kind, encoding, self.options))
                    .collect::<Result<Vec<_>>>()?;
                self.write(batch.len(), encoded)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, rows: usize, columns: Vec<Pages>) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let columns: RowGroupIterColumns<'static, PolarsError> = DynIter::new(columns.into_iter().map(Ok));
        self.writer.write(rows as u64, columns).map_err(cannot_write)
    }

    /// Ends the file and returns its bytes.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.writer.end(None).map_err(cannot_write)?;
        Ok(self.writer.into_inner())
    }
}

type Pages = DynStreamingIterator<'static, CompressedPage, PolarsError>;

/// Encodes and compresses the one column of an array.
fn pages(
    array: &dyn Array,
    kind: &ParquetType,
    encoding: &[Encoding],
    options: WriteOptions,
) -> Result<Pages> {
    let array = array.to_boxed();
    let mut columns = array_to_columns(array, kind.clone(), options, encoding).map_err(cannot_write)?;
    let column = columns.pop().ok_or_else(|| Error::failed("cannot write a column without pages"))?;
    let encoded = column.map(|page| {
        page.map_err(|e| polars_parquet::parquet::error::ParquetError::FeatureNotSupported(e.to_string()))
    });
    let compressor = Compressor::new_from_vec(encoded, options.compression, Vec::new());
    Ok(DynStreamingIterator::new(polars_parquet::write::FallibleStreamingIterator::map_err(
        compressor,
        PolarsError::from,
    )))
}

fn cannot_write(cause: PolarsError) -> Error {
    Error::failed("cannot write a table as Parquet").caused_by(cause)
}
