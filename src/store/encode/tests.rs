//! Encoded rows round-trip through the Parquet reader of Polars and through `store::decode`.

use std::io::Write;

use polars::prelude::ParquetWriter;
use proptest::prelude::*;

use super::*;
use crate::store::columns::{ColumnType, Table};
use crate::store::decode;
use crate::store::file_system::OpenFile;
use crate::store::frame::{Cell, Frame, FrameBuilder};
use crate::store::parquet::decode_with_polars;

/// The values of a column. Columns of all types are derived from the same numbers.
pub(in crate::store) type Values = Vec<Option<u64>>;

/// Generates values that repeat, are distinct, are close together, or are equal in long runs, and
/// nulls.
pub(in crate::store) fn values(rows: usize) -> impl Strategy<Value = Values> {
    let value = prop_oneof![
        Just((0u64..6).boxed()),
        Just(any::<u64>().boxed()),
        Just(Just(u64::MAX).boxed()),
        Just((1u64 << 40..(1 << 40) + 1000).boxed()),
        Just(prop_oneof![Just(0), Just(1 << 63), Just((1 << 63) - 1), Just(u64::MAX)].boxed()),
    ];
    let nulls = prop_oneof![Just(0.0), Just(0.1), Just(0.5), Just(0.9), Just(1.0)];
    (value, nulls, 1usize..40).prop_flat_map(move |(value, nulls, max_run)| {
        let is_valid = prop::bool::weighted(1.0 - nulls);
        let runs = prop::collection::vec((is_valid, value, 1..=max_run), rows);
        runs.prop_map(move |runs| {
            let run = |(is_valid, value, count): (bool, u64, usize)| {
                std::iter::repeat_n(is_valid.then_some(value), count)
            };
            runs.into_iter().flat_map(run).take(rows).collect()
        })
    })
}

/// Appends runs of dictionary codes, each a code and a number of rows.
pub(in crate::store) fn encode_codes(out: &mut Vec<u8>, bits: u32, runs: &[(u32, usize)]) {
    rle_hybrid::encode(out, bits, runs.iter().copied());
}

fn text(value: u64) -> String {
    if value.is_multiple_of(7) { String::new() } else { format!("{value}é").repeat((value % 5) as usize) }
}

/// Encodes a column of a type. Equal strings can have the same or different addresses.
fn chunk(kind: ColumnType, values: &Values, texts: &[String]) -> Chunk {
    let rows = values.len();
    let or_one = |value: &Option<u64>| value.unwrap_or(1);
    match kind {
        ColumnType::Text | ColumnType::Json => {
            let mut column = TextColumn::default();
            for (at, (value, text)) in values.iter().zip(texts).enumerate() {
                // Every other string shares the address of an earlier equal one.
                let same = values[..at].iter().rposition(|other| at % 2 == 0 && other == value);
                column.push(value.map(|_| same.map_or(text.as_str(), |same| &texts[same])));
            }
            column.finish(rows)
        }
        ColumnType::Uuid => {
            Chunk::from_uuids(&values.iter().map(|v| u128::from(or_one(v)) << 37).collect::<Vec<_>>())
        }
        ColumnType::Int32 => {
            let mut column = NumberColumn::<i32>::default();
            values.iter().for_each(|value| column.push(value.map(|value| value as i32)));
            column.finish(rows)
        }
        ColumnType::Int64 => {
            let mut column = NumberColumn::<i64>::default();
            values.iter().for_each(|value| column.push(value.map(|value| value as i64)));
            column.finish(rows)
        }
        ColumnType::Timestamp => {
            let times: Vec<i64> = values.iter().map(|v| v.map_or(i64::MIN, |v| (v >> 2) as i64)).collect();
            // Only values that are close together get uniform deltas.
            Chunk::from_times(&times, i64::MIN, DeltaWidth::Uniform)
        }
        ColumnType::Bool => Chunk::from_bools(&values.iter().map(|v| or_one(v) % 2 == 0).collect::<Vec<_>>()),
        ColumnType::Float | ColumnType::Date => panic!("no column of sessions or events"),
    }
}

fn check(frame: &Frame, table: Table, values: &Values) {
    for column in table.columns() {
        let name = column.name;
        let or_one = |value: &Option<u64>| value.unwrap_or(1);
        match column.kind {
            ColumnType::Text | ColumnType::Json => {
                let read: Vec<Option<&str>> = frame.texts(name).unwrap().iter().collect();
                let wanted: Vec<Option<String>> = values.iter().map(|v| v.map(text)).collect();
                assert_eq!(read, wanted.iter().map(Option::as_deref).collect::<Vec<_>>(), "{name}");
            }
            ColumnType::Uuid => {
                let read: Vec<Option<&str>> = frame.texts(name).unwrap().iter().collect();
                let id = |v| uuid::Uuid::from_u128(u128::from(or_one(v)) << 37).to_string();
                let wanted: Vec<String> = values.iter().map(id).collect();
                assert_eq!(read, wanted.iter().map(|id| Some(id.as_str())).collect::<Vec<_>>(), "{name}");
            }
            ColumnType::Int32 => {
                let ints = frame.ints(name).unwrap();
                let read: Vec<Option<i32>> = (0..ints.len()).map(|row| ints.get_i32(row)).collect();
                assert_eq!(read, values.iter().map(|v| v.map(|v| v as i32)).collect::<Vec<_>>(), "{name}");
            }
            ColumnType::Int64 => {
                let read: Vec<Option<i64>> = frame.ints(name).unwrap().iter().collect();
                assert_eq!(read, values.iter().map(|v| v.map(|v| v as i64)).collect::<Vec<_>>(), "{name}");
            }
            ColumnType::Timestamp => {
                let read: Vec<Option<i64>> = frame.ints(name).unwrap().iter().collect();
                assert_eq!(
                    read,
                    values.iter().map(|v| v.map(|v| (v >> 2) as i64)).collect::<Vec<_>>(),
                    "{name}"
                );
            }
            ColumnType::Bool => {
                let bools = frame.bools(name).unwrap();
                let read: Vec<Option<bool>> = (0..frame.height()).map(|row| bools.get(row)).collect();
                assert_eq!(
                    read,
                    values.iter().map(|v| Some(or_one(v) % 2 == 0)).collect::<Vec<_>>(),
                    "{name}"
                );
            }
            ColumnType::Float | ColumnType::Date => panic!("no column of sessions or events"),
        }
    }
}

fn builder_of(table: Table, groups: &[Values]) -> FileBuilder {
    let mut builder = FileBuilder::new(table);
    for values in groups {
        let texts: Vec<String> = values.iter().map(|value| text(value.unwrap_or(1))).collect();
        let chunks = table.columns().iter().map(|column| chunk(column.kind, values, &texts)).collect();
        builder.add(values.len(), chunks).unwrap();
    }
    builder
}

fn assert_round_trip(table: Table, groups: &[Values]) {
    let bytes = builder_of(table, groups).finish().unwrap();
    let all = groups.concat();
    check(&decode_with_polars(OpenFile::Bytes(bytes.clone()), None).unwrap(), table, &all);
    check(&Frame::new(decode::read(&OpenFile::Bytes(bytes.clone()), None).unwrap()), table, &all);
    // Read named columns of an open file.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let names: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
    let file = OpenFile::File(file);
    check(&Frame::new(decode::read(&file, Some(&names)).unwrap()), table, &all);
    check(&decode_with_polars(file, Some(&names)).unwrap(), table, &all);
}

#[test]
fn columns_of_a_single_value_or_null_round_trip() {
    for table in [Table::Events, Table::Sessions] {
        for value in [None, Some(3), Some(7)] {
            for rows in [1, 7, 8, 9, 300] {
                assert_round_trip(table, &[vec![value; rows]]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn written_rows_round_trip(
        groups in prop::collection::vec((1usize..400).prop_flat_map(values), 1..3),
        is_events in any::<bool>(),
    ) {
        assert_round_trip(if is_events { Table::Events } else { Table::Sessions }, &groups);
    }
}

#[test]
fn dictionary_needs_a_quarter_of_repeated_values() {
    use super::chunk::Encoding;
    let texts: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let encoding = |distinct: usize| {
        let (mut column, mut numbers) = (TextColumn::default(), NumberColumn::<i64>::default());
        for at in 0..texts.len() {
            column.push(Some(&texts[at % distinct]));
            numbers.push(Some((at % distinct) as i64));
        }
        [column.finish(texts.len()).encoding, numbers.finish(texts.len()).encoding]
    };
    assert_eq!(encoding(750), [Encoding::RleDictionary; 2]);
    assert_eq!(encoding(751), [Encoding::DeltaLengthByteArray, Encoding::DeltaBinaryPacked]);
}

/// Returns values that repeat now and then, ascending from a number.
fn count(from: u64, rows: usize) -> Values {
    (from..).take(rows).map(|n| (n % 11 != 0).then_some(n / 3)).collect()
}

fn row_group_sizes(bytes: &[u8]) -> Vec<usize> {
    let metadata = polars_parquet::read::read_metadata(&mut std::io::Cursor::new(bytes)).unwrap();
    metadata.row_groups.iter().map(|group| group.num_rows()).collect()
}

#[test]
fn large_row_groups_are_copied_and_small_ones_merged() {
    for table in [Table::Events, Table::Sessions] {
        let (new, large, other) = (count(0, 10), count(100, MIN_COPIED_ROWS), count(7, MIN_COPIED_ROWS + 5));
        let small = [count(50_000, 20), count(60_000, 1), count(70_000, MIN_COPIED_ROWS - 1)];
        let first = builder_of(table, &[small[0].clone(), large.clone(), small[1].clone()]);
        let second = builder_of(table, &[other.clone(), small[2].clone()]);
        let mut builder = builder_of(table, std::slice::from_ref(&new));
        for file in [first, second] {
            builder.append_file(file.finish().unwrap()).unwrap();
        }
        let bytes = builder.finish().unwrap();
        assert_eq!(
            row_group_sizes(&bytes),
            [10, MIN_COPIED_ROWS, MIN_COPIED_ROWS + 5, 20 + 1 + MIN_COPIED_ROWS - 1]
        );
        let [a, b, c] = small;
        check(
            &decode_with_polars(OpenFile::Bytes(bytes), None).unwrap(),
            table,
            &[new, large, other, a, b, c].concat(),
        );
    }
}

#[test]
fn row_groups_without_removed_rows_are_copied() {
    let (large, changed) = (count(100, MIN_COPIED_ROWS), count(7, MIN_COPIED_ROWS + 5));
    let (shrunk, small, gone) = (count(90_000, MIN_COPIED_ROWS), count(50_000, 20), count(60_000, 30));
    let file = [&changed, &small, &large, &shrunk, &gone].map(Clone::clone);
    let bytes = builder_of(Table::Sessions, &file).finish().unwrap();
    // Remove rows of the first group, one row of the fourth, and the whole last group.
    let total: usize = file.iter().map(Vec::len).sum();
    let starts = [0, total - gone.len() - shrunk.len(), total - gone.len()];
    let removed: Vec<bool> =
        (0..total).map(|row| row < 3 || row == starts[1] + 9 || row >= starts[2]).collect();
    let mut builder = builder_of(Table::Sessions, &[count(0, 10)]);
    builder.append_remaining(bytes.clone(), &removed).unwrap();
    let found = builder.finish().unwrap();
    // The fourth group is too small now, and is merged with the second.
    assert_eq!(row_group_sizes(&found), [10, MIN_COPIED_ROWS + 2, MIN_COPIED_ROWS, MIN_COPIED_ROWS - 1 + 20]);
    let shrunk = [&shrunk[..9], &shrunk[10..]].concat();
    let rows = [&count(0, 10), &changed[3..], &large, &shrunk, &small].map(|values| values.to_vec());
    check(&decode_with_polars(OpenFile::Bytes(found), None).unwrap(), Table::Sessions, &rows.concat());
    // Remove no rows at the end of a file that another program wrote.
    let mut frame = decode_with_polars(OpenFile::Bytes(bytes), None).unwrap().data().clone();
    let mut foreign = Vec::new();
    ParquetWriter::new(&mut foreign).finish(&mut frame).unwrap();
    let mut builder = FileBuilder::new(Table::Sessions);
    builder.append_remaining(foreign, &[true, true, true]).unwrap();
    let found = decode_with_polars(OpenFile::Bytes(builder.finish().unwrap()), None).unwrap();
    check(&found, Table::Sessions, &file.concat()[3..].to_vec());
}

#[test]
fn file_of_another_program_is_decoded_and_added() {
    let (large, small) = (count(5, MIN_COPIED_ROWS), count(9, 100));
    let values = [large.clone(), small.clone()].concat();
    let file = builder_of(Table::Events, &[large, small]).finish().unwrap();
    let mut frame = decode_with_polars(OpenFile::Bytes(file), None).unwrap().data().clone();
    // Polars writes one row group, with other encodings and pages.
    let mut frames = Vec::new();
    ParquetWriter::new(&mut frames).finish(&mut frame).unwrap();
    let mut builder = FileBuilder::new(Table::Events);
    builder.append_file(frames).unwrap();
    let bytes = builder.finish().unwrap();
    assert_eq!(row_group_sizes(&bytes), [MIN_COPIED_ROWS + 100]);
    check(&decode_with_polars(OpenFile::Bytes(bytes), None).unwrap(), Table::Events, &values);
}

// Polars' Arrow schema declares strings as `Utf8View`, which pyarrow cannot filter, sort or join.
#[test]
fn file_leaves_its_arrow_types_to_the_reader() {
    for table in Table::ALL {
        let bytes = FileBuilder::new(table).finish().unwrap();
        let metadata = polars_parquet::read::read_metadata(&mut std::io::Cursor::new(bytes)).unwrap();
        let keys: Vec<&str> =
            metadata.key_value_metadata().iter().flatten().map(|entry| entry.key.as_str()).collect();
        assert!(!keys.contains(&"ARROW:schema"), "{table:?}: {keys:?}");
    }
}

#[test]
fn damaged_or_foreign_files_are_rejected() {
    let whole = builder_of(Table::Sessions, &[count(0, 300)]).finish().unwrap();
    for length in [0, 4, 11, whole.len() / 2, whole.len() - 1] {
        let mut builder = FileBuilder::new(Table::Sessions);
        builder.append_file(whole[..length].to_vec()).unwrap_err();
    }
    // The footer is complete, but the columns are missing.
    let end = [&whole[..4], &whole[whole.len() - 16_000..]].concat();
    FileBuilder::new(Table::Sessions).append_file(end).unwrap_err();
    // Append a file of another table.
    let events = builder_of(Table::Events, &[count(0, 300)]).finish().unwrap();
    let mut builder = FileBuilder::new(Table::Sessions);
    assert!(builder.append_file(events).and_then(|()| builder.finish()).is_err());
}

/// Returns distinct short strings, interspersed with a repeated long one.
fn with_long_text(short: &[String], long: &str) -> Vec<Option<String>> {
    let one = |n: usize| short.get(n / 2).filter(|_| n.is_multiple_of(2)).cloned().unwrap_or(long.to_owned());
    (0..2 * short.len()).map(|n| (n % 7 != 3).then(|| one(n))).collect()
}

#[test]
fn repeated_long_string_among_distinct_ones_is_stored_once() {
    let short: Vec<String> = (0..900).map(|n| n.to_string()).collect();
    let long = "x".repeat(10_000);
    // Nine of ten rows have distinct strings. The others share a string that is a thousand times as
    // long.
    let mut column = TextColumn::default();
    for n in 0..1000 {
        column.push(Some(short.get(n).unwrap_or(&long)));
    }
    let chunk = column.finish(1000);
    let (dictionary, distinct) = chunk.dictionary.unwrap();
    assert_eq!(distinct, 901);
    // 10 strings of one digit, 90 of two, 800 of three, and four bytes of length for each.
    assert_eq!(dictionary.len(), 10 + 90 * 2 + 800 * 3 + 10_000 + 901 * 4);
    assert_eq!(chunk.pages.len(), 1);
}

/// Returns the strings of a column, as read from a file by both decoders.
fn read_back(chunk: super::Chunk, rows: usize) -> Vec<Option<String>> {
    let mut frame = FrameBuilder::new(Table::Visitors);
    (0..rows).for_each(|_| frame.row(&[]));
    let (_, mut columns) = super::from_frame::row_group(Table::Visitors, &frame.finish().unwrap()).unwrap();
    columns[0] = chunk;
    let mut builder = FileBuilder::new(Table::Visitors);
    builder.add(rows, columns).unwrap();
    let bytes = builder.finish().unwrap();
    let name = Table::Visitors.columns()[0].name;
    let ours = Frame::new(decode::read(&OpenFile::Bytes(bytes.clone()), None).unwrap());
    let [ours, theirs] = [ours, decode_with_polars(OpenFile::Bytes(bytes), None).unwrap()].map(|frame| {
        let texts = frame.texts(name).unwrap();
        texts.iter().map(|text| text.map(str::to_owned)).collect::<Vec<_>>()
    });
    assert_eq!(ours, theirs);
    ours
}

#[test]
fn dictionary_lists_each_string_once_after_a_distinct_beginning() {
    let names: Vec<String> = (0..1100).map(|n| format!("n{n}")).collect();
    let long = "y".repeat(2000);
    // 1100 distinct strings, then a null, then ten runs of 100 rows each of two of these strings
    // and of a long one.
    let mut values: Vec<Option<&str>> = names.iter().map(|name| Some(name.as_str())).collect();
    values.push(None);
    for _ in 0..10 {
        for text in ["n3", "n1099", &long] {
            values.extend(std::iter::repeat_n(Some(text), 100));
        }
    }
    let mut column = TextColumn::default();
    values.iter().for_each(|value| _ = column.push(*value));
    let chunk = column.finish(values.len());
    assert_eq!(chunk.dictionary.as_ref().unwrap().1, 1101);
    let expected: Vec<Option<String>> = values.iter().map(|value| value.map(str::to_owned)).collect();
    assert_eq!(read_back(chunk, values.len()), expected);
}

#[test]
fn column_with_a_distinct_beginning_keeps_its_rows() {
    // 1200 strings and nulls, which all follow again. The search ends before that.
    let values: Vec<Option<String>> =
        (0..2400).map(|n| (n % 10 != 9).then(|| format!("é{}", n % 1200))).collect();
    let mut column = TextColumn::default();
    values.iter().for_each(|value| _ = column.push(value.as_deref()));
    let chunk = column.finish(values.len());
    assert!(chunk.dictionary.is_none());
    assert_eq!(read_back(chunk, values.len()), values);

    // One repetition among the first rows, so the search continues.
    let mut column = TextColumn::default();
    let repeated = std::iter::once(&values[0]).chain(&values);
    repeated.for_each(|value| _ = column.push(value.as_deref()));
    assert_eq!(column.finish(values.len() + 1).dictionary.unwrap().1, 1080);
}

#[test]
fn strings_over_the_page_limit_are_split_into_pages() {
    let short: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let values = with_long_text(&short, &"é".repeat(300));
    let rows = values.len();
    let mut frame = FrameBuilder::new(Table::Visitors);
    values.iter().for_each(|_| frame.row(&[]));
    let frame = frame.finish().unwrap();
    // One string per page, several, and all.
    for (page_bytes, pages) in [(1, 200..=400), (1000, 60..=400), (1 << 20, 1..=1)] {
        let mut column = TextColumn::default();
        values.iter().for_each(|value| _ = column.push(value.as_deref()));
        let chunk = column.finish_within(rows, page_bytes, 0);
        assert!(chunk.dictionary.is_none());
        assert!(pages.contains(&chunk.pages.len()), "{} pages of {page_bytes} bytes", chunk.pages.len());
        assert_eq!(chunk.pages.iter().map(|page| page.rows).sum::<usize>(), rows);
        let (_, mut columns) = super::from_frame::row_group(Table::Visitors, &frame).unwrap();
        columns[0] = chunk;
        let mut builder = FileBuilder::new(Table::Visitors);
        builder.add(rows, columns).unwrap();
        let bytes = builder.finish().unwrap();
        // The file itself, and a file to which it was copied.
        let mut other = FileBuilder::new(Table::Visitors);
        other.append_file(bytes.clone()).unwrap();
        for bytes in [bytes, other.finish().unwrap()] {
            let name = Table::Visitors.columns()[0].name;
            let ours = Frame::new(decode::read(&OpenFile::Bytes(bytes.clone()), None).unwrap());
            for frame in [ours, decode_with_polars(OpenFile::Bytes(bytes), None).unwrap()] {
                let read: Vec<Option<String>> =
                    frame.texts(name).unwrap().iter().map(|text| text.map(str::to_owned)).collect();
                assert_eq!(read, values);
            }
        }
    }
}

#[test]
fn row_group_of_long_strings_ends_early() {
    // Each row has a distinct string of 1 MiB less one byte.
    let texts: Vec<String> = (0..150).map(|n| format!("{n:03}").repeat((1 << 20) / 3)).collect();
    let mut frame = FrameBuilder::new(Table::Visitors);
    let name = Table::Visitors.columns()[0].name;
    texts.iter().for_each(|text| frame.row(&[(name, Cell::Text(text))]));
    let bytes = FileBuilder::from_frame(Table::Visitors, &frame.finish().unwrap()).unwrap().finish().unwrap();
    // The 65th string reaches 64 MiB.
    assert_eq!(row_group_sizes(&bytes), [65, 65, 20]);
    // The groups have few rows, but are too large to be merged.
    let mut builder = FileBuilder::new(Table::Visitors);
    builder.append_file(bytes).unwrap();
    let bytes = builder.finish().unwrap();
    assert_eq!(row_group_sizes(&bytes), [65, 65, 20]);
    let frame = Frame::new(decode::read(&OpenFile::Bytes(bytes), Some(&[name])).unwrap());
    let read: Vec<Option<&str>> = frame.texts(name).unwrap().iter().collect();
    assert!(read == texts.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
}
