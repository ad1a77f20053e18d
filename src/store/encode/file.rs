//! A Parquet file under way: columns to compressed pages.

use std::cell::RefCell;

use polars::prelude::PolarsError;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, TimeUnit};
use polars_parquet::parquet::CowBuffer;
use polars_parquet::parquet::compression::Compression;
use polars_parquet::parquet::page::{CompressedDictPage, DataPageHeader, DataPageHeaderV1};
use polars_parquet::parquet::statistics::ParquetStatistics;
use polars_parquet::write::{
    CompressedDataPage, CompressedPage, CompressionOptions, Descriptor, DynIter, DynStreamingIterator,
    Encoding, FileWriter, ParquetType, RowGroupIterColumns, StatisticsOptions, Version, WriteOptions,
    ZstdLevel, fallible_streaming_iterator, to_parquet_schema,
};

use super::chunk::{Chunk, Page};
use super::from_frame::row_group;
use super::{LEVEL, rows_of_group};
use crate::error::{Error, Result};
use crate::store::columns::{Column, ColumnType, Table};
use crate::store::frame::Frame;

/// What a row of usual tables takes in a file, or a little more.
const BYTES_A_ROW: usize = 96;

/// A Parquet file under way, in memory.
pub struct FileBuilder {
    pub(super) table: Table,
    writer: FileWriter<Vec<u8>>,
    pub(super) types: Vec<ParquetType>,
    /// Small row groups of other files, put aside: see [`FileBuilder::take_over`].
    pub(super) small: Option<Box<FileBuilder>>,
}

impl FileBuilder {
    /// Begins a file of a table.
    pub fn new(table: Table) -> Result<FileBuilder> {
        FileBuilder::with_room_for(table, 0)
    }

    /// Begins a file of a table that is to have about so many rows.
    pub fn with_room_for(table: Table, rows: usize) -> Result<FileBuilder> {
        let field = |column: &Column| {
            let dtype = match column.kind {
                ColumnType::Text | ColumnType::Uuid | ColumnType::Json => ArrowDataType::Utf8View,
                ColumnType::Int32 => ArrowDataType::Int32,
                ColumnType::Int64 => ArrowDataType::Int64,
                ColumnType::Float => ArrowDataType::Float64,
                ColumnType::Bool => ArrowDataType::Boolean,
                ColumnType::Timestamp => ArrowDataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
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
        let writer = FileWriter::try_new(Vec::with_capacity(rows * BYTES_A_ROW), schema, options)
            .map_err(cannot_write)?;
        Ok(FileBuilder { table, writer, types, small: None })
    }

    /// Adds a row group of columns, in the order of the file's.
    pub fn add(&mut self, rows: usize, columns: Vec<Chunk>) -> Result<()> {
        let encoded = columns
            .into_iter()
            .zip(&self.types)
            .map(|(chunk, kind)| chunk_pages(chunk, kind))
            .collect::<Result<_>>()?;
        self.write(rows, encoded)
    }

    /// Makes a file of a frame of a table's rows.
    pub fn of_frame(table: Table, frame: &Frame) -> Result<FileBuilder> {
        let mut builder = FileBuilder::with_room_for(table, frame.height())?;
        builder.add_frame(frame)?;
        Ok(builder)
    }

    /// Adds a frame of the table's rows, as row groups of the usual size.
    pub fn add_frame(&mut self, frame: &Frame) -> Result<()> {
        let mut start = 0;
        while start < frame.height() {
            let (rows, columns) = row_group(self.table, &frame.slice(start, rows_of_group(self.table)))?;
            self.add(rows, columns)?;
            start += rows;
        }
        Ok(())
    }

    pub(super) fn write(&mut self, rows: usize, columns: Vec<Vec<CompressedPage>>) -> Result<()> {
        if rows == 0 {
            return Ok(());
        }
        let columns: RowGroupIterColumns<'_, PolarsError> = DynIter::new(columns.iter().map(|pages| {
            Ok(DynStreamingIterator::new(fallible_streaming_iterator::convert(pages.iter().map(Ok))))
        }));
        self.writer.write(rows as u64, columns).map_err(cannot_write)
    }

    /// Ends the file and returns its bytes.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.add_small()?;
        self.writer.end(None).map_err(cannot_write)?;
        Ok(self.writer.into_inner())
    }
}

/// Compresses the pages of a column.
fn chunk_pages(chunk: Chunk, kind: &ParquetType) -> Result<Vec<CompressedPage>> {
    let ParquetType::PrimitiveType(kind) = kind else {
        return Err(Error::failed("cannot write a column that holds columns"));
    };
    let Chunk { dictionary, pages, encoding, range } = chunk;
    let mut compressed = Vec::with_capacity(1 + pages.len());
    if let Some((values, distinct)) = dictionary {
        compressed.push(dictionary_page(&values, distinct)?);
    }
    let (least, greatest) = range.unzip();
    // Every column may have nulls, and none lies in another.
    let descriptor = Descriptor { primitive_type: kind.clone(), max_def_level: 1, max_rep_level: 0 };
    for page in pages {
        let statistics = ParquetStatistics {
            null_count: Some(page.nulls as i64),
            distinct_count: None,
            min_value: least.clone(),
            max_value: greatest.clone(),
            min: None,
            max: None,
            is_min_value_exact: None,
            is_max_value_exact: None,
        };
        let header = DataPageHeader::V1(DataPageHeaderV1 {
            num_values: page.rows as i32,
            encoding: encoding.into(),
            definition_level_encoding: Encoding::Rle.into(),
            repetition_level_encoding: Encoding::Rle.into(),
            statistics: Some(statistics),
        });
        compressed.push(data_page(header, page, descriptor.clone())?);
    }
    Ok(compressed)
}

fn dictionary_page(values: &[u8], distinct: usize) -> Result<CompressedPage> {
    let packed = CowBuffer::Owned(compressed(values)?);
    let page = CompressedDictPage::new(packed, Compression::Zstd, values.len(), distinct, false);
    Ok(CompressedPage::Dict(page))
}

fn data_page(header: DataPageHeader, page: Page, descriptor: Descriptor) -> Result<CompressedPage> {
    let Page { data, rows, .. } = page;
    let packed = CowBuffer::Owned(compressed(&data)?);
    let page = CompressedDataPage::new(header, packed, Compression::Zstd, data.len(), descriptor, rows);
    Ok(CompressedPage::Data(page))
}

thread_local! {
    /// What compresses, and the room for what comes of it. Pages are many and most are small: to make
    /// these for each would take as long as to compress it.
    static COMPRESSOR: RefCell<(Option<zstd::bulk::Compressor<'static>>, Vec<u8>)> = RefCell::default();
}

fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Error::failed("cannot compress a page of a table").caused_by(e);
    COMPRESSOR.with_borrow_mut(|(compressor, room)| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            none => {
                let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
                // Four bytes a page, by which whoever reads it, other tools too, finds a bit that has turned.
                compressor.include_checksum(true).map_err(failed)?;
                none.insert(compressor)
            }
        };
        room.clear();
        room.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, room).map_err(failed)?;
        Ok(room.as_slice().to_vec())
    })
}

fn cannot_write(cause: PolarsError) -> Error {
    Error::failed("cannot write a table as Parquet").caused_by(cause)
}
