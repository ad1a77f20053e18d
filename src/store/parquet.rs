//! Frames out of the bytes of a Parquet file.
//!
//! What `wa` itself wrote is read by `store::decode`, all else by Polars' reader.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use polars::io::mmap::MmapBytesReader;
use polars::prelude::*;

use super::file_system::OpenFile;
use super::frame::Frame;

/// Reads some columns (all, where `columns` is `None`) of a Parquet file into a frame.
///
/// # Errors
/// The text of what is wrong with the file: damaged bytes never make it panic.
pub fn decode(file: OpenFile, columns: Option<&[&str]>) -> Result<Frame, String> {
    match super::decode::read(&file, columns) {
        Some(data) => Ok(Frame::new(data)),
        None => decode_any(file, columns),
    }
}

/// Reads some columns of a Parquet file a row group at a time, so that the same memory serves for
/// all of them.
///
/// # Errors
/// As those of [`decode`]. What came before is right; nothing comes after.
pub fn groups<'a>(
    file: OpenFile,
    columns: &'a [&'a str],
) -> impl Iterator<Item = Result<Frame, String>> + 'a {
    let mut groups = super::decode::Groups::of(&file, columns);
    let (mut file, mut rows) = (Some(file), 0);
    std::iter::from_fn(move || {
        let opened = file.as_ref()?;
        if groups.as_ref().is_some_and(super::decode::Groups::are_done) {
            return None;
        }
        if let Some(frame) = groups.as_mut().and_then(|groups| groups.next(opened)) {
            rows += frame.height();
            return Some(Ok(Frame::new(frame)));
        }
        // The rest is for Polars' reader.
        let whole = decode_any(file.take()?, Some(columns));
        Some(whole.map(|whole| whole.slice(rows, usize::MAX)))
    })
}

/// Like [`decode`], by Polars' reader alone: it knows all of Parquet, and says what is wrong with a
/// file.
pub(super) fn decode_any(file: OpenFile, columns: Option<&[&str]>) -> Result<Frame, String> {
    // The decoder asserts what a sound file keeps; a damaged one may not.
    let read = catch_unwind(AssertUnwindSafe(|| match file {
        OpenFile::File(file) => read_by(ParquetReader::new(file), columns),
        OpenFile::Bytes(bytes) => read_by(ParquetReader::new(Cursor::new(bytes)), columns),
    }));
    match read {
        Ok(Ok(data)) => Ok(Frame::new(data)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("its bytes make no sense as Parquet".to_owned()),
    }
}

fn read_by<F: MmapBytesReader>(
    reader: ParquetReader<F>,
    columns: Option<&[&str]>,
) -> PolarsResult<DataFrame> {
    let reader = reader.read_parallel(ParallelStrategy::None);
    let Some(names) = columns else { return reader.finish() };
    let wanted = names.iter().map(|&name| name.to_owned()).collect();
    // They come in the order of the file.
    reader.with_columns(Some(wanted)).finish()?.select(names.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::columns::Table;
    use crate::store::encode::{FileBuilder, MIN_COPIED_ROWS, ROW_GROUP};
    use crate::store::frame::{Cell, FrameBuilder};
    use crate::time::Day;
    use std::io::Write;

    /// All kinds of columns, with nulls among them.
    fn some_days(rows: usize) -> Frame {
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

    fn file_of(bytes: &[u8]) -> OpenFile {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        OpenFile::File(file)
    }

    const NAMES: [&str; 6] =
        ["created_at", "chatbot_id", "top_referrers", "stat_date", "conversion_rate", "total_sessions"];

    #[test]
    fn columns_of_a_file_are_those_of_its_bytes() {
        // None, one, and more than a row group holds.
        for rows in [0, 1, 1000, ROW_GROUP + 10] {
            let frame = some_days(rows);
            let bytes = encode(&frame);
            let some = decode(file_of(&bytes), Some(&NAMES)).unwrap();
            assert!(some == frame.select(&NAMES).unwrap(), "{rows} rows");
            assert!(decode(file_of(&bytes), None).unwrap() == frame, "{rows} rows");
            let read = decode(OpenFile::Bytes(bytes), Some(&NAMES)).unwrap();
            assert!(read.select(&NAMES).unwrap() == some, "{rows} rows");
        }
    }

    /// A file of first sights with a row group too many for one, and its frame.
    fn sights(rows: usize) -> (Vec<u8>, Frame) {
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
    fn row_groups_one_after_the_other_are_the_file() {
        for rows in [0, 1, MIN_COPIED_ROWS, 2 * MIN_COPIED_ROWS + 10] {
            let (bytes, frame) = sights(rows);
            let frames: Vec<Frame> = groups(file_of(&bytes), &HASHES).collect::<Result<_, _>>().unwrap();
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
    fn of_a_file_that_another_program_wrote_polars_reads_the_row_groups_as_one() {
        let (_, frame) = sights(1000);
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes)
            .with_compression(ParquetCompression::Snappy)
            .with_row_group_size(Some(300))
            .finish(&mut frame.data().clone())
            .unwrap();
        let frames: Vec<Frame> = groups(file_of(&bytes), &HASHES).collect::<Result<_, _>>().unwrap();
        assert_eq!(frames.len(), 1);
        assert!(frames[0] == frame.select(&HASHES).unwrap());
    }

    #[test]
    fn behind_a_damaged_row_group_comes_an_error_and_nothing_else() {
        let (mut bytes, _) = sights(2 * MIN_COPIED_ROWS + 10);
        let about = polars_parquet::read::read_metadata(&mut Cursor::new(&bytes)).unwrap();
        let hashes = about.row_groups[1].columns_under_root_iter("hash_high").unwrap().next().unwrap();
        bytes[hashes.byte_range().end as usize - 9] ^= 1;
        let read: Vec<Result<Frame, String>> = groups(file_of(&bytes), &HASHES).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].as_ref().unwrap().height(), MIN_COPIED_ROWS);
        assert!(read[1].is_err());
    }

    #[test]
    fn a_file_that_is_cut_off_or_lacks_a_column_is_an_error() {
        let bytes = encode(&some_days(300));
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
