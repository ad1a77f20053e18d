//! Footers of new files: the schema, and the positions and statistics of all column chunks.
//!
//! Field numbers follow the Thrift definition:
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>.

use std::sync::OnceLock;

use super::chunk::Encoding;
use super::delta::zigzag;
use super::thrift::{Structure, list_header, structure};
use crate::store::columns::{Column, ColumnType, Table};
use crate::store::decode::checksums::{CHUNKS_KEY, chunks_to_text};
use crate::store::decode::thrift::{I32, Reader, STRUCT};

/// The version of the format: data pages of version 1.
const FORMAT_VERSION: i64 = 1;
/// The repetition of all columns: optional, as Polars and other programs write them.
const OPTIONAL: i64 = 1;

/// A row group.
#[derive(Debug, Default)]
pub struct Group {
    /// Number of rows.
    pub rows: u64,
    /// Column chunks, in the order of the table's columns.
    pub chunks: Vec<ChunkEntry>,
}

impl Group {
    /// Returns the uncompressed size of all pages in bytes.
    pub fn uncompressed(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.uncompressed).sum()
    }
}

/// The entry of a column chunk in a footer.
#[derive(Clone, Debug, Default)]
pub struct ChunkEntry {
    /// Offset of the first byte in the file.
    pub start: u64,
    /// Length in bytes.
    pub length: u64,
    /// Length of the dictionary page, which is the first page; 0 without a dictionary.
    pub dictionary: u64,
    /// Uncompressed length of all pages with their headers, in bytes.
    pub uncompressed: u64,
    /// Number of values, nulls included.
    pub values: u64,
    /// The codec: 6 is Zstandard.
    pub codec: i64,
    /// The encodings of the pages, as a Thrift list.
    pub encodings: Vec<u8>,
    /// The statistics, as a Thrift structure; empty if there are none.
    pub statistics: Vec<u8>,
}

/// Returns the statistics of a chunk as a Thrift structure.
pub fn statistics(nulls: usize, range: Option<&(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let mut out = Vec::new();
    structure(&mut out, |statistics| {
        statistics.i64(3, nulls as i64);
        if let Some((min, max)) = range {
            statistics.binary(5, max);
            statistics.binary(6, min);
        }
    });
    out
}

/// Returns the encodings of a chunk as a Thrift list: the encodings of the dictionary page, of the
/// values and of the definition levels.
pub fn encodings(has_dictionary: bool, values: Encoding) -> Vec<u8> {
    let dictionary = has_dictionary.then_some(Encoding::Plain as i64);
    let mut all: Vec<i64> = dictionary.into_iter().chain([values as i64, Encoding::Rle as i64]).collect();
    all.sort_unstable();
    let mut out = Vec::new();
    list_header(&mut out, all.len(), I32);
    all.into_iter().for_each(|encoding| zigzag(&mut out, encoding));
    out
}

/// Appends a footer to a file, with its length and the magic number. `checksums` has the checksum
/// of each chunk.
pub fn append(file: &mut Vec<u8>, table: Table, groups: &[Group], checksums: impl Iterator<Item = u64>) {
    let start = file.len();
    structure(file, |footer| {
        footer.i32(1, FORMAT_VERSION);
        footer.encoded_list(2, schema(table));
        footer.i64(3, groups.iter().map(|group| group.rows as i64).sum());
        footer.structures(4, groups.iter().enumerate(), |out, (number, group)| {
            write_group(out, table, number, group);
        });
        footer.structures(5, std::iter::once(chunks_to_text(checksums)), |out, checksums| {
            out.binary(1, CHUNKS_KEY.as_bytes());
            out.binary(2, checksums.as_bytes());
        });
        footer.binary(6, concat!("wa version ", env!("CARGO_PKG_VERSION")).as_bytes());
        // Minima and maxima are in the order that the type of the column defines.
        footer.structures(7, table.columns().iter(), |order, _| order.structure(1, |_| {}));
    });
    let length = (file.len() - start) as u32;
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(super::MAGIC);
}

fn write_group(out: &mut Structure<'_>, table: Table, number: usize, group: &Group) {
    out.structures(1, table.columns().iter().zip(&group.chunks), write_chunk);
    out.i64(2, group.uncompressed() as i64);
    out.i64(3, group.rows as i64);
    out.i64(5, group.chunks.first().map_or(0, |chunk| chunk.start as i64));
    out.i64(6, group.chunks.iter().map(|chunk| chunk.length as i64).sum());
    if let Ok(ordinal) = i16::try_from(number) {
        out.i16(7, ordinal.into());
    }
}

fn write_chunk(out: &mut Structure<'_>, (column, chunk): (&Column, &ChunkEntry)) {
    out.i64(2, 0);
    out.structure(3, |metadata| {
        metadata.i32(1, physical_type(column.kind));
        metadata.encoded_list(2, &chunk.encodings);
        metadata.binary_list(3, column.name.as_bytes());
        metadata.i32(4, chunk.codec);
        metadata.i64(5, chunk.values as i64);
        metadata.i64(6, chunk.uncompressed as i64);
        metadata.i64(7, chunk.length as i64);
        metadata.i64(9, (chunk.start + chunk.dictionary) as i64);
        if chunk.dictionary > 0 {
            metadata.i64(11, chunk.start as i64);
        }
        if !chunk.statistics.is_empty() {
            metadata.encoded_structure(12, &chunk.statistics);
        }
    });
}

fn physical_type(kind: ColumnType) -> i64 {
    match kind {
        ColumnType::Bool => 0,
        ColumnType::Int32 | ColumnType::Date => 1,
        ColumnType::Int64 | ColumnType::Timestamp => 2,
        ColumnType::Float => 5,
        ColumnType::Text | ColumnType::Uuid | ColumnType::Json => 6,
    }
}

/// Returns the schema of a table as a Thrift list. It is the same in all files of the table.
fn schema(table: Table) -> &'static [u8] {
    static SCHEMAS: [OnceLock<Vec<u8>>; Table::ALL.len()] = [const { OnceLock::new() }; Table::ALL.len()];
    let build = || {
        let mut out = Vec::new();
        list_header(&mut out, 1 + table.columns().len(), STRUCT);
        structure(&mut out, |root| {
            root.binary(4, b"root");
            root.i32(5, table.columns().len() as i64);
        });
        for column in table.columns() {
            structure(&mut out, |element| write_column(element, column));
        }
        out
    };
    SCHEMAS.get(table as usize).map_or(&[], |schema| schema.get_or_init(build))
}

fn write_column(out: &mut Structure<'_>, column: &Column) {
    out.i32(1, physical_type(column.kind));
    out.i32(3, OPTIONAL);
    out.binary(4, column.name.as_bytes());
    match column.kind {
        ColumnType::Text | ColumnType::Uuid | ColumnType::Json => {
            out.i32(6, 0);
            out.structure(10, |logical| logical.structure(1, |_| {}));
        }
        ColumnType::Date => {
            out.i32(6, 6);
            out.structure(10, |logical| logical.structure(6, |_| {}));
        }
        ColumnType::Timestamp => out.structure(10, |logical| {
            logical.structure(8, |timestamp| {
                timestamp.bool(1, true);
                timestamp.structure(2, |unit| unit.structure(2, |_| {}));
            });
        }),
        ColumnType::Int32 | ColumnType::Int64 | ColumnType::Float | ColumnType::Bool => {}
    }
}

/// Reads the row groups of a footer whose file has the columns of a table, as this module writes
/// them; `None` if the columns differ or the footer is not valid.
pub fn read_groups(footer: &[u8], table: Table) -> Option<Vec<Group>> {
    let (mut groups, mut has_schema) = (Vec::new(), false);
    Reader::new(footer).fields(|reader, field| match field.id {
        2 => {
            has_schema = reader.encoded(field)? == schema(table);
            Some(())
        }
        4 => reader.structures(field, |reader, _| {
            groups.push(read_group(reader, table.columns().len())?);
            Some(())
        }),
        _ => reader.skip(field),
    })?;
    has_schema.then_some(groups)
}

fn read_group(reader: &mut Reader<'_>, columns: usize) -> Option<Group> {
    let mut group = Group::default();
    reader.fields(|reader, field| match field.id {
        1 => reader.structures(field, |reader, _| {
            group.chunks.push(read_chunk(reader)?);
            Some(())
        }),
        3 => {
            group.rows = reader.count(field)? as u64;
            Some(())
        }
        _ => reader.skip(field),
    })?;
    (group.chunks.len() == columns).then_some(group)
}

fn read_chunk(reader: &mut Reader<'_>) -> Option<ChunkEntry> {
    let mut chunk = ChunkEntry::default();
    let (mut data, mut dictionary) = (None, None);
    reader.fields(|reader, field| match field.id {
        // The chunk is in another file, which is not supported.
        1 => None,
        3 => reader.structure(field, |reader, field| {
            match field.id {
                2 => chunk.encodings = reader.encoded(field)?.to_vec(),
                4 => chunk.codec = reader.int(field)?,
                5 => chunk.values = reader.count(field)? as u64,
                6 => chunk.uncompressed = reader.count(field)? as u64,
                7 => chunk.length = reader.count(field)? as u64,
                9 => data = Some(reader.count(field)? as u64),
                11 => dictionary = Some(reader.count(field)? as u64),
                12 => chunk.statistics = reader.encoded(field)?.to_vec(),
                _ => reader.skip(field)?,
            }
            Some(())
        }),
        _ => reader.skip(field),
    })?;
    chunk.start = dictionary.unwrap_or(data?);
    chunk.dictionary = data?.checked_sub(chunk.start)?;
    Some(chunk)
}

#[cfg(test)]
mod tests {
    use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field, TimeUnit};
    use polars_parquet::write::{SchemaDescriptor, to_parquet_schema};

    use super::*;
    use crate::store::decode::checksums::{TAIL_BYTES, footer_length};
    use crate::store::encode::FileBuilder;
    use crate::store::frame::{Cell, FrameBuilder};

    fn schema_of_polars(table: Table) -> SchemaDescriptor {
        let field = |column: &Column| {
            let kind = match column.kind {
                ColumnType::Text | ColumnType::Uuid | ColumnType::Json => ArrowDataType::Utf8View,
                ColumnType::Int32 => ArrowDataType::Int32,
                ColumnType::Int64 => ArrowDataType::Int64,
                ColumnType::Float => ArrowDataType::Float64,
                ColumnType::Bool => ArrowDataType::Boolean,
                ColumnType::Timestamp => ArrowDataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                ColumnType::Date => ArrowDataType::Date32,
            };
            (column.name.into(), Field::new(column.name.into(), kind, true))
        };
        let schema: ArrowSchema = table.columns().iter().map(field).collect();
        to_parquet_schema(&schema).unwrap()
    }

    #[test]
    fn schema_equals_the_schema_that_polars_writes() {
        for table in Table::ALL {
            let file = FileBuilder::new(table).finish().unwrap();
            let metadata = polars_parquet::read::read_metadata(&mut std::io::Cursor::new(file)).unwrap();
            assert_eq!(metadata.schema().fields(), schema_of_polars(table).fields(), "{table:?}");
            assert_eq!(metadata.num_rows, 0);
        }
    }

    /// Returns a file of daily statistics with two row groups, which have these numbers of
    /// sessions.
    fn daily_stats(sessions: [&[Option<i64>]; 2]) -> Vec<u8> {
        let mut builder = FileBuilder::new(Table::DailyStats);
        for sessions in sessions {
            let mut frame = FrameBuilder::new(Table::DailyStats);
            for sessions in sessions {
                let sessions = sessions.map_or(Cell::Null, Cell::Int);
                frame.row(&[("chatbot_id", Cell::Text("shop")), ("total_sessions", sessions)]);
            }
            builder.add_frame(&frame.finish().unwrap()).unwrap();
        }
        builder.finish().unwrap()
    }

    #[test]
    fn row_groups_have_the_statistics_of_their_values() {
        let file = daily_stats([&[Some(7), None, Some(-3)], &[None]]);
        let metadata = polars_parquet::read::read_metadata(&mut std::io::Cursor::new(file)).unwrap();
        let found: Vec<_> = metadata
            .row_groups
            .iter()
            .map(|group| {
                let column = group.columns_under_root_iter("total_sessions").unwrap().next().unwrap();
                let statistics = column.statistics(&metadata.footer_buf).unwrap().unwrap();
                let range = statistics.expect_as_int64();
                (column.num_values(), range.null_count, range.min_value, range.max_value)
            })
            .collect();
        assert_eq!(found, [(3, Some(1), Some(-3), Some(7)), (1, Some(1), None, None)]);
    }

    #[test]
    fn footer_of_other_columns_has_no_row_groups() {
        let file = daily_stats([&[Some(1)], &[Some(2)]]);
        let length = footer_length(&file).unwrap();
        let footer = &file[file.len() - TAIL_BYTES - length..file.len() - TAIL_BYTES];
        let rows = |groups: Vec<Group>| groups.iter().map(|group| group.rows).collect::<Vec<_>>();
        assert_eq!(read_groups(footer, Table::DailyStats).map(rows), Some(vec![1, 1]));
        assert!(read_groups(footer, Table::Visitors).is_none());
        for end in 0..length - 1 {
            assert!(read_groups(&footer[..end], Table::DailyStats).is_none(), "{end} of {length} bytes");
        }
    }
}
