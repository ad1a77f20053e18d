//! What is encoded here is read as it was by the Parquet reader, which knows nothing of this code.

use std::io::Write;

use polars::prelude::ParquetWriter;
use proptest::prelude::*;

use super::*;
use crate::store::columns::{ColumnType, Table};
use crate::store::decode;
use crate::store::file_system::OpenFile;
use crate::store::frame::{Cell, Frame, FrameBuilder};
use crate::store::parquet::decode_any;

/// The values of a column; the same numbers make all its kinds.
pub(in crate::store) type Values = Vec<Option<u64>>;

/// Values that repeat, that do not, that lie near each other, and that are the same in long stretches; nulls
/// among them.
pub(in crate::store) fn values(rows: usize) -> impl Strategy<Value = Values> {
    let value = prop_oneof![
        Just((0u64..6).boxed()),
        Just(any::<u64>().boxed()),
        Just(Just(u64::MAX).boxed()),
        Just((1u64 << 40..(1 << 40) + 1000).boxed()),
        Just(prop_oneof![Just(0), Just(1 << 63), Just((1 << 63) - 1), Just(u64::MAX)].boxed()),
    ];
    let nulls = prop_oneof![Just(0.0), Just(0.1), Just(0.5), Just(0.9), Just(1.0)];
    (value, nulls, 1usize..40).prop_flat_map(move |(value, nulls, stretch)| {
        let there = prop::bool::weighted(1.0 - nulls);
        let runs = prop::collection::vec((there, value, 1..=stretch), rows);
        runs.prop_map(move |runs| {
            let run = |(there, value, times): (bool, u64, usize)| {
                std::iter::repeat_n(there.then_some(value), times)
            };
            runs.into_iter().flat_map(run).take(rows).collect()
        })
    })
}

fn text(value: u64) -> String {
    if value.is_multiple_of(7) { String::new() } else { format!("{value}é").repeat((value % 5) as usize) }
}

/// Makes a column of every kind out of the values: the texts as they lie, here and there.
fn chunk(kind: ColumnType, values: &Values, texts: &[String]) -> Chunk {
    let rows = values.len();
    let there = |value: &Option<u64>| value.unwrap_or(1);
    match kind {
        ColumnType::Text | ColumnType::Json => {
            let mut column = TextColumn::default();
            for (at, (value, text)) in values.iter().zip(texts).enumerate() {
                // Every other one as a neighbour's that says the same, as if they were of one place.
                let same = values[..at].iter().rposition(|other| at % 2 == 0 && other == value);
                column.push(value.map(|_| same.map_or(text.as_str(), |same| &texts[same])));
            }
            column.finish(rows)
        }
        ColumnType::Uuid => {
            Chunk::from_uuids(&values.iter().map(|v| u128::from(there(v)) << 37).collect::<Vec<_>>())
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
            // Those that are near each other take the one way, others the other.
            Chunk::from_times(&times, i64::MIN, DeltaWidth::Uniform)
        }
        ColumnType::Bool => Chunk::from_bools(&values.iter().map(|v| there(v) % 2 == 0).collect::<Vec<_>>()),
        ColumnType::Float | ColumnType::Date => panic!("no column of sessions or events"),
    }
}

fn check(frame: &Frame, table: Table, values: &Values) {
    for column in table.columns() {
        let name = column.name;
        let there = |value: &Option<u64>| value.unwrap_or(1);
        match column.kind {
            ColumnType::Text | ColumnType::Json => {
                let read: Vec<Option<&str>> = frame.texts(name).unwrap().iter().collect();
                let wanted: Vec<Option<String>> = values.iter().map(|v| v.map(text)).collect();
                assert_eq!(read, wanted.iter().map(Option::as_deref).collect::<Vec<_>>(), "{name}");
            }
            ColumnType::Uuid => {
                let read: Vec<Option<&str>> = frame.texts(name).unwrap().iter().collect();
                let id = |v| uuid::Uuid::from_u128(u128::from(there(v)) << 37).to_string();
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
                    values.iter().map(|v| Some(there(v) % 2 == 0)).collect::<Vec<_>>(),
                    "{name}"
                );
            }
            ColumnType::Float | ColumnType::Date => panic!("no column of sessions or events"),
        }
    }
}

fn builder_of(table: Table, groups: &[Values]) -> FileBuilder {
    let mut builder = FileBuilder::new(table).unwrap();
    for values in groups {
        let texts: Vec<String> = values.iter().map(|value| text(value.unwrap_or(1))).collect();
        let chunks = table.columns().iter().map(|column| chunk(column.kind, values, &texts)).collect();
        builder.add(values.len(), chunks).unwrap();
    }
    builder
}

fn written_and_read(table: Table, groups: &[Values]) {
    let bytes = builder_of(table, groups).finish().unwrap();
    let all = groups.concat();
    check(&decode_any(OpenFile::Bytes(bytes.clone()), None).unwrap(), table, &all);
    // Our own reader knows what our own writer writes.
    check(&Frame::new(decode::read(&OpenFile::Bytes(bytes.clone()), None).unwrap()), table, &all);
    // The other way in which files are read: some columns of a file.
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    let names: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
    let file = OpenFile::File(file);
    check(&Frame::new(decode::read(&file, Some(&names)).unwrap()), table, &all);
    check(&decode_any(file, Some(&names)).unwrap(), table, &all);
}

#[test]
fn columns_of_one_value_and_of_none() {
    for table in [Table::Events, Table::Sessions] {
        for value in [None, Some(3), Some(7)] {
            for rows in [1, 7, 8, 9, 300] {
                written_and_read(table, &[vec![value; rows]]);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn what_is_written_is_read(
        groups in prop::collection::vec((1usize..400).prop_flat_map(values), 1..3),
        of_events in any::<bool>(),
    ) {
        written_and_read(if of_events { Table::Events } else { Table::Sessions }, &groups);
    }
}

#[test]
fn what_seldom_repeats_has_no_dictionary() {
    use polars_parquet::write::Encoding;
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

/// So many values that repeat now and then, from a number on.
fn count(from: u64, rows: usize) -> Values {
    (from..).take(rows).map(|n| (n % 11 != 0).then_some(n / 3)).collect()
}

fn rows_of_groups(bytes: &[u8]) -> Vec<usize> {
    let about = polars_parquet::read::read_metadata(&mut std::io::Cursor::new(bytes)).unwrap();
    about.row_groups.iter().map(|group| group.num_rows()).collect()
}

#[test]
fn large_row_groups_are_taken_over_and_small_ones_become_one() {
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
            rows_of_groups(&bytes),
            [10, MIN_COPIED_ROWS, MIN_COPIED_ROWS + 5, 20 + 1 + MIN_COPIED_ROWS - 1]
        );
        let [a, b, c] = small;
        check(
            &decode_any(OpenFile::Bytes(bytes), None).unwrap(),
            table,
            &[new, large, other, a, b, c].concat(),
        );
    }
}

#[test]
fn what_another_program_could_have_written_is_taken_over_too() {
    let (large, small) = (count(5, MIN_COPIED_ROWS), count(9, 100));
    let values = [large.clone(), small.clone()].concat();
    let file = builder_of(Table::Events, &[large, small]).finish().unwrap();
    let mut frame = decode_any(OpenFile::Bytes(file), None).unwrap().data().clone();
    // One row group, other encodings, pages of a usual size.
    let mut frames = Vec::new();
    ParquetWriter::new(&mut frames).finish(&mut frame).unwrap();
    let mut builder = FileBuilder::new(Table::Events).unwrap();
    builder.append_file(frames).unwrap();
    let bytes = builder.finish().unwrap();
    assert_eq!(rows_of_groups(&bytes), [MIN_COPIED_ROWS + 100]);
    check(&decode_any(OpenFile::Bytes(bytes), None).unwrap(), Table::Events, &values);
}

#[test]
fn no_bytes_that_are_taken_over_make_it_panic() {
    let whole = builder_of(Table::Sessions, &[count(0, 300)]).finish().unwrap();
    for length in [0, 4, 11, whole.len() / 2, whole.len() - 1] {
        let mut builder = FileBuilder::new(Table::Sessions).unwrap();
        builder.append_file(whole[..length].to_vec()).unwrap_err();
    }
    // The end of the file, which says where the columns are, is there; they are not.
    let end = [&whole[..4], &whole[whole.len() - 16_000..]].concat();
    FileBuilder::new(Table::Sessions).unwrap().append_file(end).unwrap_err();
    // Rows of another table.
    let events = builder_of(Table::Events, &[count(0, 300)]).finish().unwrap();
    let mut builder = FileBuilder::new(Table::Sessions).unwrap();
    assert!(builder.append_file(events).and_then(|()| builder.finish()).is_err());
}

/// Short texts that do not repeat, among which a long one does.
fn a_long_text_among(short: &[String], long: &str) -> Vec<Option<String>> {
    let one = |n: usize| short.get(n / 2).filter(|_| n.is_multiple_of(2)).cloned().unwrap_or(long.to_owned());
    (0..2 * short.len()).map(|n| (n % 7 != 3).then(|| one(n))).collect()
}

#[test]
fn a_long_text_that_repeats_among_short_ones_that_do_not_is_written_once() {
    let short: Vec<String> = (0..900).map(|n| n.to_string()).collect();
    let long = "x".repeat(10_000);
    // Nine of ten rows have a text of their own, and the tenth is a thousand times as long.
    let mut column = TextColumn::default();
    for n in 0..1000 {
        column.push(Some(short.get(n).unwrap_or(&long)));
    }
    let chunk = column.finish(1000);
    let (dictionary, distinct) = chunk.dictionary.unwrap();
    assert_eq!(distinct, 901);
    // 10 of one digit, 90 of two, 800 of three, and four bytes before each.
    assert_eq!(dictionary.len(), 10 + 90 * 2 + 800 * 3 + 10_000 + 901 * 4);
    assert_eq!(chunk.pages.len(), 1);
}

#[test]
fn texts_too_long_for_one_page_or_for_a_dictionary_are_several_pages() {
    let short: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let values = a_long_text_among(&short, &"é".repeat(300));
    let rows = values.len();
    let mut frame = FrameBuilder::new(Table::Visitors);
    values.iter().for_each(|_| frame.row(&[]));
    let frame = frame.finish().unwrap();
    // Of one text a page, of some, and of all.
    for (most, pages) in [(1, 200..=400), (1000, 60..=400), (1 << 20, 1..=1)] {
        let mut column = TextColumn::default();
        values.iter().for_each(|value| _ = column.push(value.as_deref()));
        let chunk = column.finish_within(rows, most, 0);
        assert!(chunk.dictionary.is_none());
        assert!(pages.contains(&chunk.pages.len()), "{} pages of {most} bytes", chunk.pages.len());
        assert_eq!(chunk.pages.iter().map(|page| page.rows).sum::<usize>(), rows);
        let (_, mut columns) = super::from_frame::row_group(Table::Visitors, &frame).unwrap();
        columns[0] = chunk;
        let mut builder = FileBuilder::new(Table::Visitors).unwrap();
        builder.add(rows, columns).unwrap();
        let bytes = builder.finish().unwrap();
        // As it is, and taken over by another file.
        let mut other = FileBuilder::new(Table::Visitors).unwrap();
        other.append_file(bytes.clone()).unwrap();
        for bytes in [bytes, other.finish().unwrap()] {
            let name = Table::Visitors.columns()[0].name;
            let ours = Frame::new(decode::read(&OpenFile::Bytes(bytes.clone()), None).unwrap());
            for frame in [ours, decode_any(OpenFile::Bytes(bytes), None).unwrap()] {
                let read: Vec<Option<String>> =
                    frame.texts(name).unwrap().iter().map(|text| text.map(str::to_owned)).collect();
                assert_eq!(read, values);
            }
        }
    }
}

#[test]
fn a_row_group_of_long_texts_ends_early() {
    // Each row has a text of its own of a mebibyte.
    let texts: Vec<String> = (0..150).map(|n| format!("{n:03}").repeat((1 << 20) / 3)).collect();
    let mut frame = FrameBuilder::new(Table::Visitors);
    let name = Table::Visitors.columns()[0].name;
    texts.iter().for_each(|text| frame.row(&[(name, Cell::Text(text))]));
    let bytes = FileBuilder::from_frame(Table::Visitors, &frame.finish().unwrap()).unwrap().finish().unwrap();
    // 1 MiB less one byte: the 65th is the one that reaches 64 MiB.
    assert_eq!(rows_of_groups(&bytes), [65, 65, 20]);
    // They are too large for being put together, few as their rows are.
    let mut builder = FileBuilder::new(Table::Visitors).unwrap();
    builder.append_file(bytes).unwrap();
    let bytes = builder.finish().unwrap();
    assert_eq!(rows_of_groups(&bytes), [65, 65, 20]);
    let frame = Frame::new(decode::read(&OpenFile::Bytes(bytes), Some(&[name])).unwrap());
    let read: Vec<Option<&str>> = frame.texts(name).unwrap().iter().collect();
    assert!(read == texts.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
}
