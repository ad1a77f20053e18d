//! Reading of Parquet files.
//!
//! Invariant: no byte of a file is used before a checksum that covers it is verified.
//! `store::decode` reads files that `wa` wrote and verifies the parts that it reads. If it cannot
//! read a file, the checksum of the whole file is verified, and Polars' reader reads it from
//! memory.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use polars::io::mmap::MmapBytesReader;
use polars::prelude::*;

use super::decode::checksums::FooterChecksum;
use super::decode::{self, ColumnReader, RowGroupReader};
use super::file_system::OpenFile;
use super::frame::Frame;
use super::manifest::{DataFile, checksum};
use crate::error::{Error, Result};

/// Number of rows of a large row group that are decoded together if only some of them are needed.
const ROWS_TOGETHER: usize = 1 << 13;

/// An open data file and its entry in the manifest.
pub struct DataFileReader<'a> {
    file: OpenFile,
    entry: &'a DataFile,
    path: PathBuf,
}

impl<'a> DataFileReader<'a> {
    /// Returns the reader of an open file. Messages contain `path`.
    pub fn new(file: OpenFile, entry: &'a DataFile, path: impl Into<PathBuf>) -> DataFileReader<'a> {
        DataFileReader { file, entry, path: path.into() }
    }

    /// Reads columns of the file, or all columns if `columns` is `None`.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is damaged or lacks a column.
    pub fn read(self, columns: Option<&[&str]>) -> Result<Frame> {
        let footer = self.entry.footer();
        let frame = match footer.and_then(|footer| decode::read_checked(&self.file, columns, footer)) {
            Some(data) => Frame::new(data),
            None => self.read_whole(columns)?,
        };
        self.check_rows(frame.height())?;
        Ok(frame)
    }

    /// Reads the columns `first` and calls `select` with them. Then reads `columns` of the rows
    /// whose positions `select` returns, in ascending order.
    ///
    /// # Errors
    /// Returns the errors of [`DataFileReader::read`] and of `select`.
    pub fn read_selected(
        self,
        columns: &[&str],
        first: &[&str],
        select: impl FnOnce(&Frame) -> Result<Vec<u32>>,
    ) -> Result<Frame> {
        let others: Vec<&str> = columns.iter().copied().filter(|name| !first.contains(name)).collect();
        let all = [first, &others].concat();
        let reader = self.entry.footer().and_then(|footer| ColumnReader::new(&self.file, &all, footer));
        let data = reader.as_ref().and_then(|reader| reader.read(&self.file, first, None));
        let frame = match data {
            Some(data) => Frame::new(data),
            None => self.read_whole(Some(&all))?,
        };
        self.check_rows(frame.height())?;
        let rows = select(&frame)?;
        if frame.column_names().count() < all.len() {
            let wanted = if rows.len() == frame.height() { None } else { Some(rows.as_slice()) };
            if let Some(data) = reader.and_then(|reader| reader.read(&self.file, &others, wanted)) {
                let both: Vec<&str> = columns.iter().copied().filter(|name| first.contains(name)).collect();
                let parts = vec![frame.gather_columns(&both, &rows)?, Frame::new(data)];
                return Frame::join_columns(rows.len(), parts)?.ordered(columns);
            }
            return self.read_whole(Some(columns))?.gather(&rows);
        }
        frame.gather_columns(columns, &rows)
    }

    /// Returns a reader of the row groups of the file, so that all groups can use the same memory.
    /// The reader returns all columns if `columns` is `None`.
    pub fn row_groups(self, columns: Option<&'a [&'a str]>) -> RowGroups<'a> {
        let footer = self.entry.footer();
        let groups = footer.and_then(|footer| RowGroupReader::new(&self.file, columns, footer));
        RowGroups { file: self, columns, groups, rows: 0, is_done: false }
    }

    /// Reads the rows for which `is_selected` is true. Row groups without such rows are skipped.
    ///
    /// # Errors
    /// Returns the errors of [`DataFileReader::read`], and fails if `is_selected` has a
    /// different number of rows.
    pub fn read_rows(self, is_selected: &[bool]) -> Result<Frame> {
        self.check_rows(is_selected.len())?;
        let selected = match self.entry.footer() {
            Some(footer) => read_selected(&self.file, footer, is_selected)?,
            None => None,
        };
        if let Some(selected) = selected {
            return Ok(selected);
        }
        self.read_whole(None)?.filter(is_selected.iter().copied())
    }

    /// Verifies the checksum of the whole file and reads columns of it.
    fn read_whole(&self, columns: Option<&[&str]>) -> Result<Frame> {
        let failed = |cause| Error::io("read", &self.path, cause);
        let bytes = self.file.read_whole(self.entry.bytes).map_err(failed)?;
        let bytes = bytes.filter(|bytes| checksum(bytes) == self.entry.checksum);
        let bytes = bytes.ok_or_else(|| damaged(&self.path, "wrong checksum"))?;
        decode(bytes, columns).map_err(|cause| damaged(&self.path, cause))
    }

    fn check_rows(&self, rows: usize) -> Result<()> {
        if rows as u64 == self.entry.rows {
            return Ok(());
        }
        Err(damaged(&self.path, format!("it has {rows} rows instead of {}", self.entry.rows)))
    }
}

/// Reads the rows for which `is_selected` is true. Row groups without such rows are skipped; the
/// others are decoded one piece at a time. Returns `None` if no row is selected, and in the same
/// cases as [`decode::read_checked`].
fn read_selected(file: &OpenFile, footer: FooterChecksum, is_selected: &[bool]) -> Result<Option<Frame>> {
    let Some(mut groups) = RowGroupReader::new(file, None, footer) else { return Ok(None) };
    let (mut frames, mut start) = (Vec::new(), 0);
    while let Some(rows) = groups.next_rows() {
        let of_group = is_selected.get(start..start + rows).unwrap_or_default();
        start += rows;
        if !of_group.contains(&true) {
            groups.skip();
            continue;
        }
        for of_piece in of_group.chunks(ROWS_TOGETHER) {
            let Some(data) = groups.next_piece(file, ROWS_TOGETHER) else { return Ok(None) };
            if of_piece.contains(&true) {
                frames.push(Frame::new(data).filter(of_piece.iter().copied())?);
            }
        }
    }
    Ok(if frames.is_empty() { None } else { Some(Frame::concat(frames)?) })
}

/// The row groups of a data file, read one after the other.
pub struct RowGroups<'a> {
    file: DataFileReader<'a>,
    columns: Option<&'a [&'a str]>,
    /// The reader of row groups; `None` if `store::decode` does not support the file.
    groups: Option<RowGroupReader>,
    /// Number of rows that were read.
    rows: usize,
    is_done: bool,
}

impl RowGroups<'_> {
    /// Reads the next row group; `None` after the last one. All remaining rows of a file that
    /// `store::decode` does not support are one group.
    ///
    /// # Errors
    /// Returns the errors of [`DataFileReader::read`].
    pub fn next_group(&mut self) -> Result<Option<Frame>> {
        self.next_frame(RowGroupReader::next)
    }

    /// Reads the next rows of one row group, at most `max_rows`; `None` after the last ones. Rows
    /// that are not decoded yet take less memory. All remaining rows of a file that `store::decode`
    /// does not support are one piece.
    ///
    /// # Errors
    /// Returns the errors of [`DataFileReader::read`].
    pub fn next_piece(&mut self, max_rows: usize) -> Result<Option<Frame>> {
        self.next_frame(|groups, file| groups.next_piece(file, max_rows))
    }

    /// Reads the columns `first` of the next row group and calls `select` with them. Then reads the
    /// rows of the group whose positions `select` returns, in ascending order. Returns these rows
    /// and the number of all rows of the group; `None` after the last group. All remaining rows of
    /// a file that `store::decode` does not support are one group.
    ///
    /// # Errors
    /// Returns the errors of [`DataFileReader::read`] and of `select`.
    pub fn next_selected(
        &mut self,
        first: &[&str],
        select: impl Fn(&Frame) -> Result<Vec<u32>>,
    ) -> Result<Option<(Frame, usize)>> {
        if let Some(groups) = &mut self.groups
            && let Some(keys) = groups.peek(&self.file.file, first)
        {
            let height = keys.height();
            let rows = select(&Frame::new(keys))?;
            let data = if rows.len() == height {
                groups.next(&self.file.file)
            } else {
                groups.next_selected(&self.file.file, &rows)
            };
            if let Some(data) = data {
                self.rows += height;
                return Ok(Some((Frame::new(data), height)));
            }
        }
        // The last row group was read, or the file is not supported.
        let Some(frame) = self.next_group()? else { return Ok(None) };
        Ok(Some((frame.gather(&select(&frame)?)?, frame.height())))
    }

    fn next_frame(
        &mut self,
        next: impl FnOnce(&mut RowGroupReader, &OpenFile) -> Option<DataFrame>,
    ) -> Result<Option<Frame>> {
        if self.is_done {
            return Ok(None);
        }
        if let Some(groups) = &mut self.groups {
            if let Some(data) = next(groups, &self.file.file) {
                self.rows += data.height();
                return Ok(Some(Frame::new(data)));
            }
            if groups.is_done() {
                self.is_done = true;
                return self.file.check_rows(self.rows).map(|()| None);
            }
        }
        self.is_done = true;
        let frame = self.file.read_whole(self.columns)?;
        self.file.check_rows(frame.height())?;
        Ok(Some(frame.slice(self.rows, usize::MAX)))
    }
}

/// Returns the error for a damaged file.
pub fn damaged(path: &Path, cause: impl Into<String>) -> Error {
    Error::failed(format!("{} is damaged", path.display())).caused_by(cause.into()).hint(
        "restore the file from a backup of the store, or ingest the logs into a new store; run \
         `wa verify` to list all damaged files",
    )
}

/// Returns whether the footer of a file has the checksum in the manifest. Always true if the
/// manifest contains no checksum of it.
pub fn has_footer(bytes: &[u8], entry: &DataFile) -> bool {
    let found = || FooterChecksum::from_file(bytes).map(|footer| footer.checksum);
    entry.footer_checksum.is_none() || found() == entry.footer_checksum
}

/// Reads columns of a Parquet file whose bytes match its checksum; all columns if `columns` is
/// `None`.
///
/// # Errors
/// Returns a description if the bytes are not a Parquet file, or it lacks a column. No bytes make
/// this function panic.
pub fn decode(bytes: Vec<u8>, columns: Option<&[&str]>) -> Result<Frame, String> {
    let file = OpenFile::Bytes(bytes);
    match decode::read(&file, columns) {
        Some(data) => Ok(Frame::new(data)),
        None => decode_with_polars(file, columns),
    }
}

/// Reads a Parquet file with Polars, which supports all of Parquet.
pub(super) fn decode_with_polars(file: OpenFile, columns: Option<&[&str]>) -> Result<Frame, String> {
    // The reader of Polars panics on some invalid files.
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
    use crate::store::decode::checksums;
    use crate::store::encode::{FileBuilder, ROW_GROUP, VISITOR_ROW_GROUP};
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

    /// Returns the entry of a file in the manifest, with or without the checksum of its footer.
    fn entry(bytes: &[u8], rows: usize, has_footer: bool) -> DataFile {
        let footer = FooterChecksum::from_file(bytes).filter(|_| has_footer);
        DataFile {
            path: String::new(),
            day: Day(0),
            rows: rows as u64,
            bytes: bytes.len() as u64,
            checksum: checksum(bytes),
            footer_checksum: footer.map(|footer| footer.checksum),
            min_time: 0,
            max_time: 0,
            ip_addresses_removed: false,
        }
    }

    fn reader<'a>(bytes: &[u8], entry: &'a DataFile) -> DataFileReader<'a> {
        DataFileReader::new(file_with(bytes), entry, Path::new("a.parquet"))
    }

    const NAMES: [&str; 6] =
        ["created_at", "chatbot_id", "top_referrers", "stat_date", "conversion_rate", "total_sessions"];

    #[test]
    fn columns_of_a_file_match_the_encoded_frame() {
        // No rows, one, several, and more than fit into a row group.
        for rows in [0, 1, 1000, ROW_GROUP + 10] {
            let frame = sample_days(rows);
            let bytes = encode(&frame);
            for has_footer in [true, false] {
                let entry = entry(&bytes, rows, has_footer);
                let some = reader(&bytes, &entry).read(Some(&NAMES)).unwrap();
                assert!(some == frame.select(&NAMES).unwrap(), "{rows} rows");
                assert!(reader(&bytes, &entry).read(None).unwrap() == frame, "{rows} rows");
            }
            assert!(decode(bytes, Some(&NAMES)).unwrap() == frame.select(&NAMES).unwrap(), "{rows} rows");
        }
    }

    /// Reads the selected rows of a file in two steps.
    fn read_selected(
        bytes: &[u8],
        entry: &DataFile,
        columns: &[&str],
        first: &[&str],
        rows: &[u32],
    ) -> Result<Frame> {
        reader(bytes, entry).read_selected(columns, first, |frame| {
            assert_eq!(frame.column_names().take(first.len()).collect::<Vec<_>>(), first);
            Ok(rows.to_vec())
        })
    }

    #[test]
    fn selected_rows_of_columns_match_the_encoded_frame() {
        let frame = sample_days(300);
        let bytes = encode(&frame);
        let mut foreign = Vec::new();
        ParquetWriter::new(&mut foreign).finish(&mut frame.data().clone()).unwrap();
        let all: Vec<u32> = (0..300).collect();
        for rows in [&[][..], &[3], &[299], &[0, 5, 6, 7, 290], all.as_slice()] {
            for first in [&[][..], &["stat_date"], &["total_sessions", "chatbot_id"], &NAMES[..]] {
                for (bytes, has_footer) in [(&bytes, true), (&bytes, false), (&foreign, true)] {
                    let entry = entry(bytes, 300, has_footer);
                    let read = read_selected(bytes, &entry, &NAMES, first, rows).unwrap();
                    assert!(
                        read == frame.select(&NAMES).unwrap().gather(rows).unwrap(),
                        "{rows:?} {first:?}"
                    );
                    assert_eq!(read.column_names().collect::<Vec<_>>(), NAMES);
                    // The first columns need not be among the others.
                    let read = read_selected(bytes, &entry, &["created_at"], first, rows).unwrap();
                    assert!(read == frame.gather_columns(&["created_at"], rows).unwrap());
                }
            }
        }
        // Rows of the first row group, of the second and of both.
        let height = ROW_GROUP + 10;
        let frame = sample_days(height);
        let (bytes, start) = (encode(&frame), ROW_GROUP as u32);
        for rows in [&[5, start - 1][..], &[start, start + 3], &[0, start - 1, start, start + 9]] {
            let read = read_selected(&bytes, &entry(&bytes, height, true), &NAMES, &["stat_date"], rows);
            assert!(read.unwrap() == frame.select(&NAMES).unwrap().gather(rows).unwrap(), "{rows:?}");
        }
    }

    #[test]
    fn selected_rows_of_a_damaged_column_are_an_error() {
        let mut bytes = encode(&sample_days(300));
        let entry = entry(&bytes, 300, true);
        let metadata = polars_parquet::read::read_metadata(&mut Cursor::new(&bytes)).unwrap();
        let mut columns = metadata.row_groups[0].columns_under_root_iter("created_at").unwrap();
        bytes[columns.next().unwrap().byte_range().end as usize - 1] ^= 1;
        let read = |columns: &[&str], first: &[&str]| read_selected(&bytes, &entry, columns, first, &[5]);
        read(&["stat_date"], &["chatbot_id"]).unwrap();
        let first_is_damaged = read(&["stat_date"], &["created_at"]).unwrap_err();
        let other_is_damaged = read(&["created_at"], &["chatbot_id"]).unwrap_err();
        for error in [first_is_damaged, other_is_damaged] {
            assert_eq!(error.to_string(), "a.parquet is damaged: wrong checksum");
        }
        // Columns are not read if no row is selected.
        let none = read_selected(&bytes, &entry, &["created_at"], &["chatbot_id"], &[]).unwrap();
        assert_eq!(none.height(), 0);
        let failed = reader(&bytes, &entry)
            .read_selected(&["stat_date"], &["chatbot_id"], |_| Err(Error::failed("not selected")));
        assert_eq!(failed.unwrap_err().to_string(), "not selected");
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

    /// Reads the row groups of a file.
    fn groups(bytes: &[u8], entry: &DataFile) -> (Vec<Frame>, Result<()>) {
        frames(bytes, entry, |groups| groups.next_group())
    }

    fn frames(
        bytes: &[u8],
        entry: &DataFile,
        next: impl Fn(&mut RowGroups<'_>) -> Result<Option<Frame>>,
    ) -> (Vec<Frame>, Result<()>) {
        let mut frames = Vec::new();
        let mut groups = reader(bytes, entry).row_groups(Some(&HASHES));
        loop {
            match next(&mut groups) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, Ok(())),
                Err(error) => return (frames, Err(error)),
            }
        }
    }

    #[test]
    fn row_groups_together_match_the_file() {
        for rows in [0, 1, VISITOR_ROW_GROUP, 2 * VISITOR_ROW_GROUP + 10] {
            let (bytes, frame) = visitors(rows);
            let (frames, result) = groups(&bytes, &entry(&bytes, rows, true));
            result.unwrap();
            let heights: Vec<usize> = frames.iter().map(Frame::height).collect();
            let wanted: Vec<usize> = (0..rows)
                .step_by(VISITOR_ROW_GROUP)
                .map(|start| (rows - start).min(VISITOR_ROW_GROUP))
                .collect();
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
    fn pieces_end_with_their_row_group_and_match_the_file() {
        let rows = 2 * VISITOR_ROW_GROUP + 10;
        let (bytes, frame) = visitors(rows);
        let entry = entry(&bytes, rows, true);
        let piece = VISITOR_ROW_GROUP - 10;
        let next = |groups: &mut RowGroups<'_>| groups.next_piece(piece);
        let (pieces, result) = frames(&bytes, &entry, next);
        result.unwrap();
        let heights: Vec<usize> = pieces.iter().map(Frame::height).collect();
        assert_eq!(heights, [piece, 10, piece, 10, 10]);
        assert!(Frame::concat(pieces).unwrap() == frame.select(&HASHES).unwrap());
        // A damaged row group is an error.
        let mut damaged = bytes.clone();
        let metadata = polars_parquet::read::read_metadata(&mut Cursor::new(&bytes)).unwrap();
        let mut hashes = metadata.row_groups[1].columns_under_root_iter("hash_high").unwrap();
        damaged[hashes.next().unwrap().byte_range().end as usize - 1] ^= 1;
        let (pieces, result) = frames(&damaged, &entry, next);
        assert_eq!(pieces.iter().map(Frame::height).collect::<Vec<_>>(), [piece, 10]);
        assert_eq!(result.unwrap_err().to_string(), "a.parquet is damaged: wrong checksum");
    }

    #[test]
    fn pieces_of_a_foreign_file_are_one_frame() {
        let (_, frame) = visitors(1000);
        let mut bytes = Vec::new();
        ParquetWriter::new(&mut bytes).finish(&mut frame.data().clone()).unwrap();
        let (pieces, result) = frames(&bytes, &entry(&bytes, 1000, true), |groups| groups.next_piece(100));
        result.unwrap();
        assert!(pieces.len() == 1 && pieces[0] == frame.select(&HASHES).unwrap());
    }

    #[test]
    fn selected_rows_of_any_row_groups_are_read() {
        let rows = 2 * VISITOR_ROW_GROUP + 10;
        let (bytes, frame) = visitors(rows);
        let last = VISITOR_ROW_GROUP..rows;
        for selected in
            [vec![5], vec![3, rows - 1], vec![VISITOR_ROW_GROUP - 1, VISITOR_ROW_GROUP], last.collect()]
        {
            let is_selected: Vec<bool> = (0..rows).map(|row| selected.binary_search(&row).is_ok()).collect();
            let positions: Vec<u32> = selected.iter().map(|row| *row as u32).collect();
            for has_footer in [true, false] {
                let entry = entry(&bytes, rows, has_footer);
                let read = reader(&bytes, &entry).read_rows(&is_selected).unwrap();
                assert!(read == frame.gather(&positions).unwrap(), "{} rows", selected.len());
                reader(&bytes, &entry).read_rows(&is_selected[1..]).unwrap_err();
            }
        }
        // A row group without selected rows, such as the first, is not read.
        let mut damaged = bytes.clone();
        damaged[100] ^= 1;
        let entry = entry(&bytes, rows, true);
        let is_last: Vec<bool> = (0..rows).map(|row| row == rows - 1).collect();
        assert_eq!(reader(&damaged, &entry).read_rows(&is_last).unwrap().height(), 1);
        let is_first: Vec<bool> = (0..rows).map(|row| row == 0).collect();
        reader(&damaged, &entry).read_rows(&is_first).unwrap_err();
    }

    #[test]
    fn selected_rows_of_each_row_group_match_the_file() {
        let rows = 2 * VISITOR_ROW_GROUP + 10;
        let (bytes, frame) = visitors(rows);
        let frame = frame.select(&HASHES).unwrap();
        let high = frame.ints("hash_high").unwrap();
        // Some rows of each group, all rows, no row, and rows of the second group only.
        let second = VISITOR_ROW_GROUP..2 * VISITOR_ROW_GROUP;
        let middle: Vec<i64> = second.map(|row| high.or_zero(row)).collect();
        let (least, most) = (middle.iter().min().copied(), middle.iter().max().copied());
        let selections: [&dyn Fn(i64) -> bool; 4] =
            [&|hash| hash % 3 == 0, &|_| true, &|_| false, &|hash| Some(hash) == least || Some(hash) == most];
        for (number, is_selected) in selections.iter().enumerate() {
            let select = |keys: &Frame| -> Result<Vec<u32>> {
                let hashes = keys.ints("hash_high")?;
                let rows = 0..keys.height() as u32;
                Ok(rows.filter(|row| is_selected(hashes.or_zero(*row as usize))).collect())
            };
            let expected = frame.gather(&select(&frame).unwrap()).unwrap();
            for has_footer in [true, false] {
                let entry = entry(&bytes, rows, has_footer);
                let (parts, result) = frames(&bytes, &entry, |groups| {
                    groups.next_selected(&["hash_high"], select).map(|next| next.map(|(frame, _)| frame))
                });
                result.unwrap();
                assert_eq!(parts.len(), if has_footer { 3 } else { 1 });
                assert!(Frame::concat(parts).unwrap() == expected, "selection {number}");
            }
            let entry = entry(&bytes, rows, true);
            let mut groups = reader(&bytes, &entry).row_groups(Some(&HASHES));
            let mut read = 0;
            while let Some((_, height)) = groups.next_selected(&["hash_high"], select).unwrap() {
                read += height;
            }
            assert_eq!(read, rows);
        }
    }

    #[test]
    fn selected_rows_of_a_damaged_row_group_are_an_error() {
        let rows = 2 * VISITOR_ROW_GROUP + 10;
        let (mut bytes, _) = visitors(rows);
        let entry = entry(&bytes, rows, true);
        let metadata = polars_parquet::read::read_metadata(&mut Cursor::new(&bytes)).unwrap();
        for column in HASHES {
            let mut chunks = metadata.row_groups[1].columns_under_root_iter(column).unwrap();
            let at = chunks.next().unwrap().byte_range().end as usize - 1;
            bytes[at] ^= 1;
            let next = |groups: &mut RowGroups<'_>| {
                let next = groups.next_selected(&["hash_high"], |_| Ok(vec![1]))?;
                Ok(next.map(|(frame, _)| frame))
            };
            let (frames, result) = frames(&bytes, &entry, next);
            bytes[at] ^= 1;
            assert_eq!(frames.iter().map(Frame::height).collect::<Vec<_>>(), [1], "{column}");
            assert_eq!(result.unwrap_err().to_string(), "a.parquet is damaged: wrong checksum");
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
        // A file that Polars wrote has a footer, but no checksums of its column chunks.
        for has_footer in [true, false] {
            let (frames, result) = groups(&bytes, &entry(&bytes, 1000, has_footer));
            result.unwrap();
            assert_eq!(frames.len(), 1);
            assert!(frames[0] == frame.select(&HASHES).unwrap());
        }
    }

    #[test]
    fn damaged_row_group_is_an_error_and_ends_the_file() {
        let (mut bytes, _) = visitors(2 * VISITOR_ROW_GROUP + 10);
        let entry = entry(&bytes, 2 * VISITOR_ROW_GROUP + 10, true);
        let metadata = polars_parquet::read::read_metadata(&mut Cursor::new(&bytes)).unwrap();
        // Damage the last byte of a page, and the first byte of its header.
        for group in [1, 2] {
            let hashes =
                metadata.row_groups[group].columns_under_root_iter("hash_high").unwrap().next().unwrap();
            for at in [hashes.byte_range().end - 1, hashes.byte_range().start] {
                bytes[at as usize] ^= 1;
                let (frames, result) = groups(&bytes, &entry);
                bytes[at as usize] ^= 1;
                assert_eq!(frames.len(), group);
                assert!(frames.iter().all(|frame| frame.height() == VISITOR_ROW_GROUP));
                let error = result.unwrap_err();
                assert_eq!(error.to_string(), "a.parquet is damaged: wrong checksum");
                assert!(error.hint_text().is_some_and(|hint| hint.contains("backup")));
            }
        }
    }

    #[test]
    fn flipped_bit_in_any_read_byte_is_an_error() {
        let frame = sample_days(40);
        let bytes = encode(&frame);
        let parsed = polars_parquet::read::read_metadata(&mut Cursor::new(&bytes)).unwrap();
        let chunk = parsed.row_groups[0].columns_under_root_iter("stat_date").unwrap().next().unwrap();
        let footer = checksums::footer_length(&bytes).unwrap() + checksums::TAIL_BYTES;
        let read_by_all = bytes.len() - footer..bytes.len();
        let read_of_column = chunk.byte_range().start as usize..chunk.byte_range().end as usize;
        let expected = frame.select(&["stat_date"]).unwrap();
        let entry = entry(&bytes, 40, true);
        let mut bad = bytes.clone();
        for at in 0..bytes.len() {
            bad[at] ^= 1 << (at % 8);
            let read = DataFileReader::new(OpenFile::Bytes(bad.clone()), &entry, Path::new("a.parquet"))
                .read(Some(&["stat_date"]));
            bad[at] ^= 1 << (at % 8);
            if read_by_all.contains(&at) || read_of_column.contains(&at) {
                assert!(read.unwrap_err().to_string().contains("a.parquet is damaged"), "byte {at}");
            } else {
                assert!(read.unwrap() == expected, "byte {at}");
            }
        }
    }

    #[test]
    fn file_without_footer_checksum_is_verified_as_a_whole() {
        let bytes = encode(&sample_days(40));
        let entry = entry(&bytes, 40, false);
        for at in (0..bytes.len()).step_by(3) {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << (at % 8);
            let error = reader(&bad, &entry).read(Some(&["stat_date"])).unwrap_err();
            assert!(error.to_string().contains("a.parquet is damaged"), "byte {at}");
        }
    }

    #[test]
    fn truncated_file_or_missing_column_is_an_error() {
        let bytes = encode(&sample_days(300));
        for has_footer in [true, false] {
            let entry = entry(&bytes, 300, has_footer);
            for length in [0, 7, 12, bytes.len() / 2, bytes.len() - 1] {
                reader(&bytes[..length], &entry).read(Some(&NAMES)).unwrap_err();
                decode(bytes[..length].to_vec(), Some(&NAMES)).unwrap_err();
            }
            // The footer is complete, but the columns are missing.
            let end = [&bytes[..4], &bytes[bytes.len() - 4096..]].concat();
            reader(&end, &entry).read(Some(&NAMES)).unwrap_err();
            let error = reader(&bytes, &entry).read(Some(&["no such column"])).unwrap_err();
            assert!(error.to_string().contains("no such column"), "{error}");
        }
    }
}
