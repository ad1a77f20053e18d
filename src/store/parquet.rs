//! Reading of Parquet files.
//!
//! Files that `wa` wrote are read by `store::decode`, all others by the reader of Polars.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::io::mmap::MmapBytesReader;
use polars::prelude::*;

use super::decode::RowGroupReader;
use super::file_system::OpenFile;
use super::frame::Frame;

/// Reads columns of a Parquet file, or all columns if `columns` is `None`.
///
/// # Errors
/// Returns a description if the file is damaged or lacks a column. No bytes make this function
/// panic.
pub fn decode(file: OpenFile, columns: Option<&[&str]>) -> Result<Frame, String> {
    match super::decode::read(&file, columns) {
        Some(data) => Ok(Frame::new(data)),
        None => decode_with_polars(file, columns),
    }
}

/// Reads columns of a Parquet file one row group at a time, so that all groups can use the same
/// memory.
///
/// # Errors
/// As [`decode`]. The frames before an error are valid, and none follows it.
pub fn row_groups<'a>(
    file: OpenFile,
    columns: &'a [&'a str],
) -> impl Iterator<Item = Result<Frame, String>> + 'a {
    let mut reader = RowGroupReader::new(&file, columns);
    let (mut file, mut rows) = (Some(file), 0);
    std::iter::from_fn(move || {
        let open_file = file.as_ref()?;
        if reader.as_ref().is_some_and(RowGroupReader::is_done) {
            return None;
        }
        if let Some(data) = reader.as_mut().and_then(|reader| reader.next(open_file)) {
            rows += data.height();
            return Some(Ok(Frame::new(data)));
        }
        // Polars reads the rest.
        let all_rows = decode_with_polars(file.take()?, Some(columns));
        Some(all_rows.map(|frame| frame.slice(rows, usize::MAX)))
    })
}

/// Reads a Parquet file with Polars, which supports all of Parquet and describes damage.
pub(super) fn decode_with_polars(file: OpenFile, columns: Option<&[&str]>) -> Result<Frame, String> {
    // The reader of Polars panics on some damaged files.
    let data = catch_unwind(AssertUnwindSafe(|| match file {
        OpenFile::File(file) => read_columns(ParquetReader::new(file), columns),
        OpenFile::Bytes(bytes) => read_columns(ParquetReader::new(Cursor::new(bytes)), columns),
    }));
    match data {
        Ok(Ok(data)) => Ok(Frame::new(data)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it is not a valid Parquet file".to_owned()),
    }
}

fn read_columns<F: MmapBytesReader>(
    reader: ParquetReader<F>,
    columns: Option<&[&str]>,
) -> PolarsResult<DataFrame> {
    let reader = reader.read_parallel(ParallelStrategy::None);
    let Some(names) = columns else { return reader.finish() };
    let selection = names.iter().map(|&name| name.to_owned()).collect();
    // The reader returns the columns in the order of the file.
    reader.with_columns(Some(selection)).finish()?.select(names.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::columns::Table;
    use crate::store::encode::{FileBuilder, MIN_COPIED_ROWS, ROW_GROUP};
    use crate::store::frame::{Cell, FrameBuilder};
    use crate::time::Day;
    use std::io::Write;

    /// Returns rows with all types of columns, some of them null.
    fn sample_days(rows: usize) -> Frame {
        let mut builder = FrameBuilder::new(Table::DailyStats);
        for row in 0..rows {
            let name = format!("chatbot {}", row % 7);
            let list = format!("[{{\"domain\":\"{row}.example\",\"count\":1}}]");
            builder.row(&[
                ("chatbot_id", Cell::Text(&name)),
                ("stat_date", Cell::Date(Day(row as i32))),
                ("total_sessions", Cell::Int(row as i64)),
                ("conversion_rate", if row % 3 == 0 { Cell::Null } else { Cell::Float(45.36) }),
                ("top_referrers", if row % 5 == 0 { Cell::Null } else { Cell::Json(&list) }),
                ("created_at", Cell::Time(row as i64)),
            ]);
        }
        builder.finish().unwrap()
    }

    fn encode(frame: &Frame) -> Vec<u8> {
        FileBuilder::from_frame(Table::DailyStats, frame).unwrap().finish().unwrap()
    }

    fn file_with(bytes: &[u8]) -> OpenFile {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        OpenFile::File(file)
    }

    const NAMES: [&str; 6] =
        ["created_at", "chatbot_id", "top_referrers", "stat_date", "conversion_rate", "total_sessions"];

    #[test]
    fn columns_of_a_file_match_the_encoded_frame() {
        // No row, one, some, and more than a row group can have.
        for rows in [0, 1, 1000, ROW_GROUP + 10] {
            let frame = sample_days(rows);
            let bytes = encode(&frame);
            let some = decode(file_with(&bytes), Some(&NAMES)).unwrap();
            assert!(some == frame.select(&NAMES).unwrap(), "{rows} rows");
            assert!(decode(file_with(&bytes), None).unwrap() == frame, "{rows} rows");
            let read = decode(OpenFile::Bytes(bytes), Some(&NAMES)).unwrap();
            assert!(read.select(&NAMES).unwrap() == some, "{rows} rows");
        }
    }

    /// Returns a file of visitors and its frame.
    fn visitors(rows: usize) -> (Vec<u8>, Frame) {
        let mut builder = FrameBuilder::new(Table::Visitors);
        for row in 0..rows {
            let id = format!("v{row}");
            let hash = (row as i64).wrapping_mul(0x5851_f42d_4c95_7f2d);
            builder.row(&[
                ("visitor_id", Cell::Text(&id)),
                ("hash_high", Cell::Int(hash)),
                ("hash_low", Cell::Int(hash.rotate_left(17))),
            ]);
        }
        let frame = builder.finish().unwrap();
        (FileBuilder::from_frame(Table::Visitors, &frame).unwrap().finish().unwrap(), frame)
    }

    const HASHES: [&str; 2] = ["hash_high", "hash_low"];

    #[test]
    fn row_groups_together_match_the_file() {
        for rows in [0, 1, MIN_COPIED_ROWS, 2 * MIN_COPIED_ROWS + 10] {
            let (bytes, frame) = visitors(rows);
            let frames: Vec<Frame> =
                row_groups(file_with(&bytes), &HASHES).collect::<Result<_, _>>().unwrap();
            let heights: Vec<usize> = frames.iter().map(Frame::height).collect();
            let wanted: Vec<usize> =
                (0..rows).step_by(MIN_COPIED_ROWS).map(|start| (rows - start).min(MIN_COPIED_ROWS)).collect();
            assert_eq!(heights, wanted);
            let mut start = 0;
            for part in frames {
                let wanted = frame.select(&HASHES).unwrap().slice(start, part.height());
                assert!(part == wanted, "{rows} rows, from {start} on");
                start += part.height();
            }
        }
    }

    #[test]
    fn row_groups_of_a_foreign_file_are_one_frame() {
        let (_, frame) = visitors(1000);
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes)
            .with_compression(ParquetCompression::Snappy)
            .with_row_group_size(Some(300))
            .finish(&mut frame.data().clone())
            .unwrap();
        let frames: Vec<Frame> = row_groups(file_with(&bytes), &HASHES).collect::<Result<_, _>>().unwrap();
        assert_eq!(frames.len(), 1);
        assert!(frames[0] == frame.select(&HASHES).unwrap());
    }

    #[test]
    fn damaged_row_group_is_an_error_and_ends_the_file() {
        let (mut bytes, _) = visitors(2 * MIN_COPIED_ROWS + 10);
        let metadata = polars_parquet::read::read_metadata(&mut Cursor::new(&bytes)).unwrap();
        let hashes = metadata.row_groups[1].columns_under_root_iter("hash_high").unwrap().next().unwrap();
        bytes[hashes.byte_range().end as usize - 9] ^= 1;
        let read: Vec<Result<Frame, String>> = row_groups(file_with(&bytes), &HASHES).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].as_ref().unwrap().height(), MIN_COPIED_ROWS);
        assert!(read[1].is_err());
    }

    #[test]
    fn truncated_file_or_missing_column_is_an_error() {
        let bytes = encode(&sample_days(300));
        for length in [0, 7, 12, bytes.len() / 2, bytes.len() - 1] {
            decode(file_with(&bytes[..length]), Some(&NAMES)).unwrap_err();
        }
        // The footer is complete, but the columns are missing.
        let end = [&bytes[..4], &bytes[bytes.len() - 4096..]].concat();
        decode(file_with(&end), Some(&NAMES)).unwrap_err();
        let error = decode(file_with(&bytes), Some(&["no such column"])).unwrap_err();
        assert!(error.contains("no such column"), "{error}");
    }
}
