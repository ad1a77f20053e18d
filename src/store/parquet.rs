//! Frames to the bytes of a Parquet file, and back.
//!
//! Zstandard, dictionaries where values repeat, statistics per row group. Files are written as a
//! whole into memory (a file holds a day of one batch at the most, or what gc merged of a day),
//! so that their checksum is known before they reach the disk.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::prelude::*;
use polars_parquet::read::{
    BasicDecompressor, FileMetadata, PageReader, column_iter_to_arrays, infer_schema, read_metadata,
};

use super::encode::{LEVEL, ROW_GROUP};
use super::fs::Opened;
use crate::error::{Error, Result};

/// Writes a frame as the bytes of a Parquet file.
pub fn encode(frame: &mut DataFrame) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(frame.height() * 48);
    let level = polars::polars_utils::compression::ZstdLevel::try_new(LEVEL)
        .map_err(|e| Error::failed("cannot set the compression").caused_by(e))?;
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Zstd(Some(level)))
        .with_statistics(StatisticsOptions::default())
        .with_row_group_size(Some(ROW_GROUP))
        // Files are written side by side: more threads within one would only wait for each other.
        .set_parallel(false)
        .finish(frame)
        .map_err(|e| Error::failed("cannot write a table as Parquet").caused_by(e))?;
    Ok(bytes)
}

/// Reads some columns (all, where `columns` is `None`) of a Parquet file into a frame.
///
/// # Errors
/// The text of what is wrong with the file: damaged bytes never make it panic.
pub fn decode(file: Opened, columns: Option<&[&str]>) -> Result<DataFrame, String> {
    match super::decode::read(&file, columns) {
        Some(frame) => Ok(frame),
        None => decode_any(file, columns),
    }
}

/// Like [`decode`], by Polars' reader alone: it knows all of Parquet, and says what is wrong with a file.
pub(super) fn decode_any(file: Opened, columns: Option<&[&str]>) -> Result<DataFrame, String> {
    // The decoder asserts what a sound file keeps; a damaged one may not.
    let read = catch_unwind(AssertUnwindSafe(|| match (file, columns) {
        (Opened::File(file), Some(columns)) => read_columns(file, columns),
        (Opened::File(file), None) => ParquetReader::new(file).read_parallel(ParallelStrategy::None).finish(),
        (Opened::Bytes(bytes), columns) => {
            let columns = columns.map(|names| names.iter().map(|&name| name.to_owned()).collect());
            let reader = ParquetReader::new(Cursor::new(bytes)).with_columns(columns);
            reader.read_parallel(ParallelStrategy::None).finish()
        }
    }));
    match read {
        Ok(Ok(mut frame)) => {
            frame.rechunk_mut();
            Ok(frame)
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("its bytes make no sense as Parquet".to_owned()),
    }
}

/// Reads the bytes of some columns of a file, and no others: most readers want three of fifty. To map
/// the whole file into memory costs more than to copy those, as all threads have to be told when the
/// map goes.
fn read_columns(mut file: File, names: &[&str]) -> PolarsResult<DataFrame> {
    let end = file.metadata()?.len();
    let metadata = read_footer(&mut file, end)?;
    let schema = infer_schema(&metadata)?;
    let mut columns = Vec::with_capacity(names.len());
    for &name in names {
        let field = schema.get(name).ok_or_else(|| polars_err!(ColumnNotFound: "{name}"))?;
        let mut parts = Vec::with_capacity(metadata.row_groups.len());
        for group in &metadata.row_groups {
            let mut chunks = group.columns_under_root_iter(name).into_iter().flatten();
            let (Some(chunk), None) = (chunks.next(), chunks.next()) else {
                polars_bail!(ComputeError: "{name} is no plain column");
            };
            let range = chunk.byte_range();
            polars_ensure!(range.end <= end, ComputeError: "{name} ends behind the end of the file");
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact(&mut bytes)?;
            let pages = PageReader::new(Cursor::new(bytes.into()), chunk, Vec::new(), usize::MAX);
            let pages = vec![BasicDecompressor::new(pages, Vec::new())];
            let kind = vec![&chunk.descriptor().descriptor.primitive_type];
            parts.append(&mut column_iter_to_arrays(pages, kind, field.clone(), None)?.0);
        }
        if parts.is_empty() {
            parts.push(polars_arrow::array::new_empty_array(field.dtype.clone()));
        }
        columns.push(Series::try_from((field, parts))?.into_column());
    }
    DataFrame::new(metadata.num_rows, columns)
}

/// Most footers fit into so many bytes: those of sessions, with the most columns, have 10 kB.
const FOOTER: u64 = 12 << 10;

/// Reads what a file says of itself at its end.
fn read_footer(file: &mut File, end: u64) -> PolarsResult<FileMetadata> {
    let mut tail = vec![0; end.min(FOOTER) as usize];
    file.seek(SeekFrom::End(-(tail.len() as i64)))?;
    file.read_exact(&mut tail)?;
    // A longer one is as an end that is cut off.
    read_metadata(&mut Cursor::new(tail)).or_else(|_| read_metadata(file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::columns::Table;
    use crate::store::frame::{Cell, FrameBuilder};
    use crate::time::Day;
    use std::io::Write;

    /// All kinds of columns, with nulls among them.
    fn some_days(rows: usize) -> DataFrame {
        let mut builder = FrameBuilder::new(Table::DailyStats);
        for row in 0..rows {
            let name = format!("chatbot {}", row % 7);
            let list = format!("[{{\"domain\":\"{row}.example\",\"count\":1}}]");
            builder.row(&[
                ("chatbot_id", Cell::Text(&name)),
                ("stat_date", Cell::Date(Day(row as i32))),
                ("total_sessions", Cell::Int(row as i64)),
                ("conversion_rate", if row % 3 == 0 { Cell::Null } else { Cell::Decimal(45.36) }),
                ("top_referrers", if row % 5 == 0 { Cell::Null } else { Cell::Json(&list) }),
                ("created_at", Cell::Time(row as i64)),
            ]);
        }
        builder.finish().unwrap()
    }

    fn file_of(bytes: &[u8]) -> Opened {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Opened::File(file)
    }

    const NAMES: [&str; 6] =
        ["created_at", "chatbot_id", "top_referrers", "stat_date", "conversion_rate", "total_sessions"];

    #[test]
    fn columns_of_a_file_are_those_of_its_bytes() {
        // None, one, and more than a row group holds.
        for rows in [0, 1, 1000, ROW_GROUP + 10] {
            let frame = some_days(rows);
            let bytes = encode(&mut frame.clone()).unwrap();
            let some = decode(file_of(&bytes), Some(&NAMES)).unwrap();
            assert!(some.equals_missing(&frame.select(NAMES).unwrap()), "{rows} rows");
            assert!(decode(file_of(&bytes), None).unwrap().equals_missing(&frame), "{rows} rows");
            let read = decode(Opened::Bytes(bytes), Some(&NAMES)).unwrap();
            assert!(read.select(NAMES).unwrap().equals_missing(&some), "{rows} rows");
        }
    }

    #[test]
    fn a_file_that_is_cut_off_or_lacks_a_column_is_an_error() {
        let bytes = encode(&mut some_days(300)).unwrap();
        for length in [0, 7, 12, bytes.len() / 2, bytes.len() - 1] {
            decode(file_of(&bytes[..length]), Some(&NAMES)).unwrap_err();
        }
        // The end of the file, which says where the columns are, is there; they are not.
        let end = [&bytes[..4], &bytes[bytes.len() - 4096..]].concat();
        decode(file_of(&end), Some(&NAMES)).unwrap_err();
        let error = decode(file_of(&bytes), Some(&["no such column"])).unwrap_err();
        assert!(error.contains("no such column"), "{error}");
    }
}
