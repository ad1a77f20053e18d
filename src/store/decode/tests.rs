//! The decoder returns the same frame as the Parquet reader of Polars. Damaged bytes are rejected,
//! or result in a valid frame.

use std::io::Write;
use std::time::{Duration, Instant};

use polars::prelude::*;
use polars_arrow::array::{Array, Utf8ViewArray};
use proptest::prelude::*;

use super::*;
use crate::store::columns::{ColumnType, Table};
use crate::store::encode::FileBuilder;
use crate::store::encode::tests::values;
use crate::store::frame::{Cell, Frame, FrameBuilder};
use crate::store::parquet::decode_with_polars;
use crate::time::Day;

const _: () = assert!(footer::MAX_GROUP_ROWS > crate::store::encode::ROW_GROUP);

/// Returns a frame with all columns of a table, derived from numbers.
fn frame(table: Table, values: &[Option<u64>]) -> DataFrame {
    let texts: Vec<String> = values.iter().map(|value| text(value.unwrap_or(0))).collect();
    let mut builder = FrameBuilder::new(table);
    for (row, value) in values.iter().enumerate() {
        let cells: Vec<(&str, Cell)> = table
            .columns()
            .iter()
            .enumerate()
            .map(|(at, column)| {
                // Give columns different values.
                let Some(value) = value.map(|value| value ^ (at as u64 % 3)) else {
                    return (column.name, Cell::Null);
                };
                let cell = match column.kind {
                    ColumnType::Text | ColumnType::Uuid => Cell::Text(&texts[row]),
                    ColumnType::Json => Cell::Json(&texts[row]),
                    ColumnType::Int32 => Cell::Int(i64::from(value as i32)),
                    ColumnType::Int64 => Cell::Int(value as i64),
                    ColumnType::Float => Cell::Float(value as f64 / 100.0),
                    ColumnType::Bool => Cell::Bool(value % 3 == 0),
                    ColumnType::Timestamp => Cell::Time(value as i64),
                    ColumnType::Date => Cell::Date(Day(value as i32)),
                };
                (column.name, cell)
            })
            .collect();
        builder.row(&cells);
    }
    builder.finish().unwrap().data().clone()
}

fn text(value: u64) -> String {
    match value % 5 {
        0 => String::new(),
        1 => format!("{value}"),
        2 => format!("ü{value}—"),
        3 => format!("{{\"a number of\":{value}}}"),
        _ => format!("{value}…").repeat(9),
    }
}

/// Writes a frame with Polars, in row groups and pages of these sizes.
fn write_with_polars(
    frame: &DataFrame,
    group: usize,
    page: usize,
    compression: ParquetCompression,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(compression)
        .with_row_group_size(Some(group))
        .with_data_page_size(Some(page))
        .finish(&mut frame.clone())
        .unwrap();
    bytes
}

fn write_with_wa(frame: &DataFrame, table: Table) -> Vec<u8> {
    let mut builder = FileBuilder::new(table);
    builder.add_frame(&Frame::new(frame.clone())).unwrap();
    builder.finish().unwrap()
}

fn file_with(bytes: &[u8]) -> OpenFile {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    OpenFile::File(file)
}

/// Reads the row groups of a file in pieces of at most `rows` rows, and does not verify checksums.
/// Returns `None` if a row group is damaged or not supported.
fn read_pieces(file: &OpenFile, names: Option<&[&str]>, rows: usize) -> Option<Vec<DataFrame>> {
    let metadata = ReadBuffers::with(|buffers| Metadata::read(file, names, None, buffers))?;
    let mut groups = RowGroupReader { metadata, next: 0, pieces: None };
    let mut pieces = Vec::new();
    while !groups.is_done() {
        pieces.push(groups.next_piece(file, rows)?);
    }
    Some(pieces)
}

/// Asserts that the pieces of a file are the rows of the frame.
fn check_pieces(file: &OpenFile, names: Option<&[&str]>, frame: &DataFrame) {
    for rows in [5, 64, 1000] {
        let mut start = 0;
        for piece in read_pieces(file, names, rows).expect("a supported file") {
            assert!(piece.height() <= rows);
            assert_eq!(piece.schema(), frame.schema());
            let expected = frame.slice(start as i64, piece.height());
            assert!(piece.equals_missing(&expected), "{piece} instead of {expected}");
            assert!(piece.columns().iter().all(|column| column.n_chunks() == 1));
            assert_valid_views(&piece);
            start += piece.height();
        }
        assert_eq!(start, frame.height());
    }
}

/// Asserts that reading selected rows returns these rows of the frame, and that row groups without
/// selected rows are skipped.
fn check_selected(file: &OpenFile, frame: &DataFrame) {
    let metadata = || ReadBuffers::with(|buffers| Metadata::read(file, None, None, buffers));
    let reader = ColumnReader(metadata().expect("a supported file"));
    let height = frame.height() as u32;
    let names: Vec<&str> = frame.columns().iter().map(|column| column.name().as_str()).collect();
    let ranges = [0..0, 0..height, height / 3..height / 2, height.saturating_sub(1)..height];
    let steps = [1, 2, 7, 63, 301].map(|step| (0..height).step_by(step).collect());
    for rows in ranges.map(Iterator::collect).into_iter().chain(steps) {
        let rows: Vec<u32> = rows;
        let read = reader.read(file, &names, Some(&rows)).expect("a supported file");
        let expected = frame.take(&IdxCa::from_vec("row".into(), rows.clone())).unwrap();
        assert_eq!(read.schema(), expected.schema());
        assert!(read.equals_missing(&expected), "{read} instead of {expected}, {} rows", rows.len());
        assert_valid_views(&read);
    }
    assert!(reader.read(file, &names, Some(&[height])).is_none());
    assert!(reader.read(file, &names, None).unwrap().equals_missing(frame));
}

/// Asserts that both readers return the frame.
fn check(bytes: Vec<u8>, frame: &DataFrame) {
    let names: Vec<&str> = frame.columns().iter().map(|column| column.name().as_str()).collect();
    let some: Vec<&str> = names.iter().copied().step_by(3).rev().collect();
    for (file, names) in [
        (file_with(&bytes), Some(some.as_slice())),
        (file_with(&bytes), None),
        (OpenFile::Bytes(bytes.clone()), None),
        (OpenFile::Bytes(bytes.clone()), Some(some.as_slice())),
    ] {
        let read = read(&file, names).expect("a supported file");
        let frame = names.map_or(frame.clone(), |names| frame.select(names.iter().copied()).unwrap());
        assert_eq!(read.schema(), frame.schema());
        assert!(read.equals_missing(&frame), "{read} instead of {frame}");
        let by_polars =
            decode_with_polars(file, names).unwrap().data().select(read.get_column_names_owned()).unwrap();
        assert_eq!(read.schema(), by_polars.schema());
        assert!(read.equals_missing(&by_polars));
        assert!(read.columns().iter().all(|column| column.n_chunks() == 1));
        assert_valid_views(&read);
    }
    check_pieces(&file_with(&bytes), None, frame);
    check_selected(&file_with(&bytes), frame);
}

/// Asserts that the views of strings are valid.
fn assert_valid_views(frame: &DataFrame) {
    for column in frame.columns() {
        let Ok(texts) = column.str() else { continue };
        for array in texts.downcast_iter() {
            let (views, buffers, nulls, ..) = array.clone().into_inner();
            Utf8ViewArray::try_new(array.dtype().clone(), views, buffers, nulls).unwrap();
        }
    }
}

fn tables() -> impl Strategy<Value = Table> {
    prop::sample::select(Table::ALL.to_vec())
}

fn compressions() -> impl Strategy<Value = ParquetCompression> {
    prop_oneof![Just(ParquetCompression::Zstd(None)), Just(ParquetCompression::Uncompressed)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn files_of_polars_are_read_as_polars_reads_them(
        values in (0usize..600).prop_flat_map(values),
        table in tables(),
        group in 1usize..700,
        page in prop_oneof![Just(64usize), Just(1000), Just(1 << 20)],
        compression in compressions(),
    ) {
        let frame = frame(table, &values);
        check(write_with_polars(&frame, group, page, compression), &frame);
    }

    #[test]
    fn encoded_frames_are_read_as_polars_reads_them(
        values in (0usize..600).prop_flat_map(values),
        table in tables(),
    ) {
        let frame = frame(table, &values);
        check(write_with_wa(&frame, table), &frame);
    }

    #[test]
    fn damaged_bytes_cause_no_panic_and_no_hang(
        values in (1usize..300).prop_flat_map(values),
        table in tables(),
        is_polars in any::<bool>(),
        compression in compressions(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        at_the_end in any::<bool>(),
    ) {
        let frame = frame(table, &values);
        let whole =
            if is_polars { write_with_polars(&frame, 100, 500, compression) } else { write_with_wa(&frame, table) };
        let mut bytes = whole.clone();
        for (at, with) in flips {
            // Half of the cases damage the second half of the file, which has the footer.
            let from = if at_the_end { bytes.len() / 2 } else { 0 };
            let at = from + at.index(bytes.len() - from);
            bytes[at] ^= with;
        }
        let began = Instant::now();
        let damaged = OpenFile::Bytes(bytes);
        if let Some(read) = read(&damaged, None) {
            assert_valid_views(&read);
        }
        read_pieces(&damaged, None, 50).into_iter().flatten().for_each(|piece| assert_valid_views(&piece));
        prop_assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn truncated_files_are_not_read() {
    let values: Vec<Option<u64>> = (0..200).map(|n| (n % 7 != 0).then_some(n * n)).collect();
    let bytes = write_with_wa(&frame(Table::Sessions, &values), Table::Sessions);
    for length in (0..bytes.len()).step_by(37).chain(bytes.len() - 12..bytes.len()) {
        assert!(read(&OpenFile::Bytes(bytes[..length].to_vec()), None).is_none(), "{length}");
        // The footer is complete, but the columns are missing.
        assert!(read(&file_with(&bytes[bytes.len() - length..]), None).is_none(), "the last {length}");
    }
}

#[test]
fn any_flipped_byte_causes_no_panic() {
    let values: Vec<Option<u64>> = (0..40).map(|n| (n % 7 != 0).then_some(n * n)).collect();
    for bytes in [
        write_with_wa(&frame(Table::DailyStats, &values), Table::DailyStats),
        write_with_polars(&frame(Table::Visitors, &values), 16, 64, ParquetCompression::Uncompressed),
    ] {
        let mut bytes = bytes;
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                bytes[at] ^= flip;
                let damaged = OpenFile::Bytes(bytes);
                if let Some(read) = read(&damaged, None) {
                    assert_valid_views(&read);
                }
                let pieces = read_pieces(&damaged, None, 13);
                pieces.into_iter().flatten().for_each(|piece| assert_valid_views(&piece));
                let OpenFile::Bytes(again) = damaged else { unreachable!() };
                bytes = again;
                bytes[at] ^= flip;
            }
        }
    }
}

#[test]
fn missing_or_repeated_columns_are_left_to_polars() {
    let bytes = write_with_wa(&frame(Table::Visitors, &[Some(1), None]), Table::Visitors);
    for names in [&["chatbot_id", "no such column"][..], &["hash_low", "hash_low"]] {
        assert!(read(&OpenFile::Bytes(bytes.clone()), Some(names)).is_none(), "{names:?}");
    }
}

#[test]
fn unsupported_types_and_codecs_are_left_to_polars() {
    let small = df!("number" => [1u32, 2], "text" => ["a", "b"]).unwrap();
    let bytes = write_with_polars(&small, 100, 100, ParquetCompression::Uncompressed);
    assert!(read(&OpenFile::Bytes(bytes), None).is_none());
    let texts = df!("text" => ["a", "b"]).unwrap();
    let bytes = write_with_polars(&texts, 100, 100, ParquetCompression::Snappy);
    assert!(read(&OpenFile::Bytes(bytes.clone()), None).is_none());
    assert!(crate::store::parquet::decode(bytes, None).unwrap().data().equals(&texts));
}

#[test]
fn page_with_a_wrong_size_allocates_no_memory() {
    // A Zstandard page of 20 bytes, whose header states an uncompressed size of 1 GiB.
    let bytes = page_with_stated_size(20, 1 << 30);
    let page = page::Page::next(&mut bytes.as_slice()).unwrap();
    let mut out = Vec::new();
    ReadBuffers::with(|buffers| {
        assert_eq!(page.decompress(true, usize::MAX, &mut buffers.decompressor, &mut out), None);
        assert_eq!(page.decompress(false, usize::MAX, &mut buffers.decompressor, &mut out), None);
    });
    assert!(out.capacity() < 1000);
    // A run that states more rows than the page is cut off at the end of the page.
    let mut rows = 0;
    rle_hybrid::for_each_run(&[0xff, 0xff, 0xff, 0xff, 0x7e, 1], 1, 1000, |run| {
        let (rle_hybrid::Run::Repeated(_, count) | rle_hybrid::Run::Packed(_, count)) = run;
        rows += count;
        Some(())
    });
    assert!(rows <= 1000);
}

/// Returns a data page of one value and `bytes` zeros. Its header states the uncompressed size.
fn page_with_stated_size(bytes: u8, uncompressed: u32) -> Vec<u8> {
    let mut header = vec![0x15, 0, 0x15];
    let mut remaining = u64::from(uncompressed) << 1;
    while remaining >= 128 {
        header.push(remaining as u8 | 128);
        remaining >>= 7;
    }
    header.push(remaining as u8);
    header.extend([0x15, bytes << 1, 0x2c, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]);
    header.extend(vec![0; bytes.into()]);
    header
}
