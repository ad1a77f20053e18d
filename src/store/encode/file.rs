//! Parquet files in progress: encoded columns become compressed pages.

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
use super::{ZSTD_LEVEL, max_group_rows};
use crate::error::{Error, Result};
use crate::store::columns::{Column, ColumnType, Table};
use crate::store::frame::Frame;

/// Typical size of a row in a file, rounded up.
const BYTES_PER_ROW: usize = 96;

/// Builds a Parquet file in memory.
pub struct FileBuilder {
    pub(super) table: Table,
    writer: FileWriter<Vec<u8>>,
    pub(super) types: Vec<ParquetType>,
    /// Small row groups of other files, to be merged: see [`FileBuilder::append_file`].
    pub(super) small_groups: Option<Box<FileBuilder>>,
}

impl FileBuilder {
    /// Starts a file of a table.
    ///
    /// # Errors
    /// Fails if Polars cannot create the writer.
    pub fn new(table: Table) -> Result<FileBuilder> {
        FileBuilder::with_capacity(table, 0)
    }

    /// Starts a file of a table with room for about `rows` rows.
    ///
    /// # Errors
    /// Fails if Polars cannot create the writer.
    pub fn with_capacity(table: Table, rows: usize) -> Result<FileBuilder> {
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
            // All columns are optional in Parquet, as in files that Polars writes.
            (column.name.into(), Field::new(column.name.into(), dtype, true))
        };
        let schema: ArrowSchema = table.columns().iter().map(field).collect();
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(cannot_write)?;
        let options = WriteOptions {
            statistics: StatisticsOptions::default(),
            version: Version::V1,
            compression: CompressionOptions::Zstd(Some(level)),
            data_page_size: None,
        };
        let types = to_parquet_schema(&schema).map_err(cannot_write)?.fields().to_vec();
        let writer = FileWriter::try_new(Vec::with_capacity(rows * BYTES_PER_ROW), schema, options)
            .map_err(cannot_write)?;
        Ok(FileBuilder { table, writer, types, small_groups: None })
    }

    /// Adds a row group. The columns have the order of the table.
    ///
    /// # Errors
    /// Fails if a page cannot be compressed or written.
    pub fn add(&mut self, rows: usize, columns: Vec<Chunk>) -> Result<()> {
        let encoded = columns
            .into_iter()
            .zip(&self.types)
            .map(|(chunk, kind)| compress_chunk(chunk, kind))
            .collect::<Result<_>>()?;
        self.write(rows, encoded)
    }

    /// Starts a file with the rows of a frame.
    ///
    /// # Errors
    /// As [`FileBuilder::add_frame`].
    pub fn from_frame(table: Table, frame: &Frame) -> Result<FileBuilder> {
        let mut builder = FileBuilder::with_capacity(table, frame.height())?;
        builder.add_frame(frame)?;
        Ok(builder)
    }

    /// Adds the rows of a frame, in row groups of the usual size.
    ///
    /// # Errors
    /// Fails if the frame does not have the columns of the table.
    pub fn add_frame(&mut self, frame: &Frame) -> Result<()> {
        let mut start = 0;
        while start < frame.height() {
            let (rows, columns) = row_group(self.table, &frame.slice(start, max_group_rows(self.table)))?;
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

    /// Returns the bytes of the file.
    ///
    /// # Errors
    /// Fails if the last row group or the footer cannot be written.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.flush_small_groups()?;
        self.writer.end(None).map_err(cannot_write)?;
        Ok(self.writer.into_inner())
    }
}

/// Compresses the pages of a column.
fn compress_chunk(chunk: Chunk, kind: &ParquetType) -> Result<Vec<CompressedPage>> {
    let ParquetType::PrimitiveType(kind) = kind else {
        return Err(Error::failed("cannot write a nested column"));
    };
    let Chunk { dictionary, pages, encoding, range } = chunk;
    let mut compressed = Vec::with_capacity(1 + pages.len());
    if let Some((values, distinct)) = dictionary {
        compressed.push(dictionary_page(&values, distinct)?);
    }
    let (min, max) = range.unzip();
    // All columns are optional, and none is nested.
    let descriptor = Descriptor { primitive_type: kind.clone(), max_def_level: 1, max_rep_level: 0 };
    for page in pages {
        let statistics = ParquetStatistics {
            null_count: Some(page.nulls as i64),
            distinct_count: None,
            min_value: min.clone(),
            max_value: max.clone(),
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
    let compressed = CowBuffer::Owned(compress(values)?);
    let page = CompressedDictPage::new(compressed, Compression::Zstd, values.len(), distinct, false);
    Ok(CompressedPage::Dict(page))
}

fn data_page(header: DataPageHeader, page: Page, descriptor: Descriptor) -> Result<CompressedPage> {
    let Page { data, rows, .. } = page;
    let compressed = CowBuffer::Owned(compress(&data)?);
    let page = CompressedDataPage::new(header, compressed, Compression::Zstd, data.len(), descriptor, rows);
    Ok(CompressedPage::Data(page))
}

thread_local! {
    /// A compressor and its output buffer. Most pages are small: creating both for each page would
    /// take as long as compressing it.
    static COMPRESSOR: RefCell<(Option<zstd::bulk::Compressor<'static>>, Vec<u8>)> = RefCell::default();
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>> {
    let failed = |e: std::io::Error| Error::failed("cannot compress a page of a table").caused_by(e);
    COMPRESSOR.with_borrow_mut(|(compressor, buffer)| {
        let compressor = match compressor {
            Some(compressor) => compressor,
            none => {
                let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(failed)?;
                // The checksum takes four bytes per page. Every reader can detect damage by it.
                compressor.include_checksum(true).map_err(failed)?;
                none.insert(compressor)
            }
        };
        buffer.clear();
        buffer.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        compressor.compress_to_buffer(bytes, buffer).map_err(failed)?;
        Ok(buffer.as_slice().to_vec())
    })
}

fn cannot_write(cause: PolarsError) -> Error {
    Error::failed("cannot write a table as Parquet").caused_by(cause)
}
