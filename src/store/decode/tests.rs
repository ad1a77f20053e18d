//! What is read here is what Polars reads of the same bytes, which knows nothing of this code; and bytes that
//! make no sense are noticed, or give a frame that is sound all the same.

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
use crate::store::parquet::decode_any;
use crate::time::Day;

/// A frame with all columns of a table, made of some numbers: they repeat, or do not; some are null, in
/// stretches or here and there.
fn frame(table: Table, values: &[Option<u64>]) -> DataFrame {
    let texts: Vec<String> = values.iter().map(|value| text(value.unwrap_or(0))).collect();
    let mut builder = FrameBuilder::new(table);
    for (row, value) in values.iter().enumerate() {
        let cells: Vec<(&str, Cell)> = table
            .columns()
            .iter()
            .enumerate()
            .map(|(at, column)| {
                // Not all columns say the same.
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

/// Writes a frame as Polars does, in row groups and pages of these sizes.
fn by_polars(frame: &DataFrame, group: usize, page: usize, compression: ParquetCompression) -> Vec<u8> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(compression)
        .with_row_group_size(Some(group))
        .with_data_page_size(Some(page))
        .finish(&mut frame.clone())
        .unwrap();
    bytes
}

fn by_us(frame: &DataFrame, table: Table) -> Vec<u8> {
    let mut builder = FileBuilder::new(table).unwrap();
    builder.add_frame(&Frame::new(frame.clone())).unwrap();
    builder.finish().unwrap()
}

fn file_of(bytes: &[u8]) -> OpenFile {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    OpenFile::File(file)
}

/// Checks that both readers find the frame in the bytes.
fn check(bytes: Vec<u8>, frame: &DataFrame) {
    let names: Vec<&str> = frame.columns().iter().map(|column| column.name().as_str()).collect();
    let some: Vec<&str> = names.iter().copied().step_by(3).rev().collect();
    for (file, names) in [
        (file_of(&bytes), Some(some.as_slice())),
        (file_of(&bytes), None),
        (OpenFile::Bytes(bytes.clone()), None),
        (OpenFile::Bytes(bytes), Some(some.as_slice())),
    ] {
        let read = read(&file, names).expect("our own reader knows it");
        let frame = names.map_or(frame.clone(), |names| frame.select(names.iter().copied()).unwrap());
        assert_eq!(read.schema(), frame.schema());
        assert!(read.equals_missing(&frame), "{read} instead of {frame}");
        let theirs = decode_any(file, names).unwrap().data().select(read.get_column_names_owned()).unwrap();
        assert_eq!(read.schema(), theirs.schema());
        assert!(read.equals_missing(&theirs));
        assert!(read.columns().iter().all(|column| column.n_chunks() == 1));
        sound(&read);
    }
}

/// Checks the views of texts against the bytes that they are views of.
fn sound(frame: &DataFrame) {
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
    fn what_polars_writes_is_read_as_polars_reads_it(
        values in (0usize..600).prop_flat_map(values),
        table in tables(),
        group in 1usize..700,
        page in prop_oneof![Just(64usize), Just(1000), Just(1 << 20)],
        compression in compressions(),
    ) {
        let frame = frame(table, &values);
        check(by_polars(&frame, group, page, compression), &frame);
    }

    #[test]
    fn what_is_written_of_frames_is_read_as_polars_reads_it(
        values in (0usize..600).prop_flat_map(values),
        table in tables(),
    ) {
        let frame = frame(table, &values);
        check(by_us(&frame, table), &frame);
    }

    #[test]
    fn damaged_bytes_neither_panic_nor_hang(
        values in (1usize..300).prop_flat_map(values),
        table in tables(),
        of_polars in any::<bool>(),
        compression in compressions(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        at_the_end in any::<bool>(),
    ) {
        let frame = frame(table, &values);
        let whole =
            if of_polars { by_polars(&frame, 100, 500, compression) } else { by_us(&frame, table) };
        let mut bytes = whole.clone();
        for (at, with) in flips {
            // The headers are few among the bytes, and the footer is what says most.
            let from = if at_the_end { bytes.len() / 2 } else { 0 };
            let at = from + at.index(bytes.len() - from);
            bytes[at] ^= with;
        }
        let began = Instant::now();
        if let Some(read) = read(&OpenFile::Bytes(bytes), None) {
            sound(&read);
        }
        prop_assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn bytes_that_are_cut_off_are_not_read() {
    let values: Vec<Option<u64>> = (0..200).map(|n| (n % 7 != 0).then_some(n * n)).collect();
    let bytes = by_us(&frame(Table::Sessions, &values), Table::Sessions);
    for length in (0..bytes.len()).step_by(37).chain(bytes.len() - 12..bytes.len()) {
        assert!(read(&OpenFile::Bytes(bytes[..length].to_vec()), None).is_none(), "{length}");
        // The end, which says where the columns are, is there; they are not.
        assert!(read(&file_of(&bytes[bytes.len() - length..]), None).is_none(), "the last {length}");
    }
}

#[test]
fn every_flipped_byte_of_a_small_file_is_survived() {
    let values: Vec<Option<u64>> = (0..40).map(|n| (n % 7 != 0).then_some(n * n)).collect();
    for bytes in [
        by_us(&frame(Table::DailyStats, &values), Table::DailyStats),
        by_polars(&frame(Table::Visitors, &values), 16, 64, ParquetCompression::Uncompressed),
    ] {
        let mut bytes = bytes;
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                bytes[at] ^= flip;
                let damaged = OpenFile::Bytes(bytes);
                if let Some(read) = read(&damaged, None) {
                    sound(&read);
                }
                let OpenFile::Bytes(again) = damaged else { unreachable!() };
                bytes = again;
                bytes[at] ^= flip;
            }
        }
    }
}

#[test]
fn columns_that_are_not_there_or_asked_for_twice_are_left_to_polars() {
    let bytes = by_us(&frame(Table::Visitors, &[Some(1), None]), Table::Visitors);
    for names in [&["chatbot_id", "no such column"][..], &["hash_low", "hash_low"]] {
        assert!(read(&OpenFile::Bytes(bytes.clone()), Some(names)).is_none(), "{names:?}");
    }
}

#[test]
fn other_kinds_of_columns_and_pages_are_left_to_polars() {
    let small = df!("number" => [1u32, 2], "text" => ["a", "b"]).unwrap();
    let bytes = by_polars(&small, 100, 100, ParquetCompression::Uncompressed);
    assert!(read(&OpenFile::Bytes(bytes), None).is_none());
    let texts = df!("text" => ["a", "b"]).unwrap();
    let bytes = by_polars(&texts, 100, 100, ParquetCompression::Snappy);
    assert!(read(&OpenFile::Bytes(bytes.clone()), None).is_none());
    assert!(crate::store::parquet::decode(OpenFile::Bytes(bytes), None).unwrap().data().equals(&texts));
}

#[test]
fn a_page_that_claims_too_much_takes_no_memory() {
    // A data page of Zstandard with 20 bytes, of which it says that they are a gigabyte.
    let bytes = claim(20, 1 << 30);
    let page = page::Page::next(&mut bytes.as_slice()).unwrap();
    let mut room = Vec::new();
    Tools::lend(|tools| {
        assert_eq!(page.inflate(true, usize::MAX, &mut tools.zstd, &mut room), None);
        assert_eq!(page.inflate(false, usize::MAX, &mut tools.zstd, &mut room), None);
    });
    assert!(room.capacity() < 1000);
    // Levels and codes that say that they are of more rows than the page has stop at its rows.
    let mut rows = 0;
    rle_hybrid::each_run(&[0xff, 0xff, 0xff, 0xff, 0x7e, 1], 1, 1000, |run| {
        let (rle_hybrid::Run::Repeated(_, times) | rle_hybrid::Run::Packed(_, times)) = run;
        rows += times;
        Some(())
    });
    assert!(rows <= 1000);
}

/// The header of a data page of one value, and as many zeros as it has bytes.
fn claim(bytes: u8, plain: u32) -> Vec<u8> {
    let mut header = vec![0x15, 0, 0x15];
    let mut left = u64::from(plain) << 1;
    while left >= 128 {
        header.push(left as u8 | 128);
        left >>= 7;
    }
    header.push(left as u8);
    header.extend([0x15, bytes << 1, 0x2c, 0x15, 2, 0x15, 0, 0x15, 6, 0x15, 6, 0, 0]);
    header.extend(vec![0; bytes.into()]);
    header
}
