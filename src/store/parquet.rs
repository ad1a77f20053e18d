//! Frames to the bytes of a Parquet file, and back.
//!
//! Zstandard, dictionaries where values repeat, statistics per row group. Files are written as a
//! whole into memory (a file holds a day of one batch at the most, or what gc merged of a day),
//! so that their checksum is known before they reach the disk.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::prelude::*;

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
    let columns = columns.map(|names| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
    // The decoder asserts what a sound file keeps; a damaged one may not.
    let read = catch_unwind(AssertUnwindSafe(|| match file {
        Opened::File(file) => {
            ParquetReader::new(file).with_columns(columns).read_parallel(ParallelStrategy::None).finish()
        }
        Opened::Bytes(bytes) => ParquetReader::new(Cursor::new(bytes))
            .with_columns(columns)
            .read_parallel(ParallelStrategy::None)
            .finish(),
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
