//! Removes rows from an encoded row group, without decoding it to a frame.
//!
//! A late event changes a session of a stored day, whose file then loses a few rows. Only the codes
//! of the remaining rows are encoded again: their strings are neither hashed nor compared.
//! Dictionary entries that no remaining row uses are removed, since they can be data of a person
//! whom `wa forget` erases.

use super::chunk::{Chunk, CodeChanges, NULL};
use super::column::{Float, Number, NumberColumn, PAGE_BYTES, TextColumn};
use super::delta::DeltaWidth;
use crate::store::columns::{ColumnType, Table};
use crate::store::decode::stored_values::{StoredColumn, StoredValues};

/// A stored column of a row group.
pub struct ColumnBytes<'f> {
    /// The type of the column.
    pub kind: ColumnType,
    /// All pages.
    pub bytes: &'f [u8],
    /// Whether the pages are compressed with Zstandard; otherwise they are uncompressed.
    pub is_zstd: bool,
    /// Uncompressed size of all pages in bytes.
    pub uncompressed: usize,
}

/// Encodes the rows of a column, except those for which `removed` is true. `removed` can be shorter
/// than the column. Returns `None` if the column is damaged, or encoded in a way that `wa` does not
/// write.
pub fn without_rows(table: Table, column: &ColumnBytes<'_>, rows: usize, removed: &[bool]) -> Option<Chunk> {
    let ColumnBytes { kind, bytes, is_zstd, uncompressed } = *column;
    let StoredColumn { validity, values } = StoredColumn::read(bytes, kind, rows, is_zstd, uncompressed)?;
    // For each remaining row, the position of its value, or `NULL`.
    let mut positions = Vec::with_capacity(rows);
    let mut next = 0;
    for row in 0..rows {
        let is_valid = validity.as_ref().is_none_or(|validity| validity.get(row));
        if !removed.get(row).is_some_and(|removed| *removed) {
            positions.push(if is_valid { next } else { NULL });
        }
        next += u32::from(is_valid);
    }
    let rows = positions.len();
    let valid = || positions.iter().filter(|position| **position != NULL).map(|position| *position as usize);
    let levels = positions.iter().map(|position| (if *position == NULL { NULL } else { 0 }, 1));
    match values {
        _ if valid().next().is_none() => Some(TextColumn::default().finish(rows)),
        StoredValues::None => None,
        StoredValues::Codes { dictionary, distinct, codes } => {
            let (changes, used) = renumber(&positions, &codes, distinct);
            Some(match kind {
                ColumnType::Text | ColumnType::Uuid | ColumnType::Json => {
                    let texts = plain_texts(&dictionary, distinct)?;
                    TextColumn::from_codes(changes, select(&texts, used)?).finish(rows)
                }
                ColumnType::Int32 | ColumnType::Date => {
                    numbers(changes, &dictionary, used, i32::from_le_bytes)?.finish(rows)
                }
                ColumnType::Int64 | ColumnType::Timestamp => {
                    numbers(changes, &dictionary, used, i64::from_le_bytes)?.finish(rows)
                }
                ColumnType::Float => {
                    numbers(changes, &dictionary, used, |bytes| Float(f64::from_le_bytes(bytes)))?
                        .finish(rows)
                }
                ColumnType::Bool => return None,
            })
        }
        StoredValues::Texts { bytes, lengths } => {
            let texts = select(&split(&bytes, &lengths)?, valid())?;
            let mut changes = CodeChanges::default();
            let mut codes = 0..;
            for (row, position) in (0..).zip(&positions) {
                changes.set_from(row, if *position == NULL { NULL } else { codes.next()? });
            }
            let total = texts.iter().map(|text| text.len()).sum();
            Some(Chunk::from_texts(rows, &changes, &texts, total, PAGE_BYTES))
        }
        StoredValues::Numbers(numbers) => {
            let width = match kind {
                ColumnType::Timestamp => DeltaWidth::for_times(table),
                _ => DeltaWidth::PerMiniblock,
            };
            Some(Chunk::from_numbers(levels, &select(&numbers, valid())?, width))
        }
        StoredValues::Bools(bools) => Some(Chunk::from_nullable_bools(levels, &select(&bools, valid())?)),
    }
}

/// Returns the codes of the given positions in a dictionary that has only the entries they need, in
/// the order of their first use, and the old codes of these entries.
fn renumber(positions: &[u32], codes: &[u32], distinct: usize) -> (CodeChanges, Vec<usize>) {
    let (mut changes, mut used) = (CodeChanges::default(), Vec::new());
    let mut new_codes = vec![NULL; distinct];
    for (row, position) in (0..).zip(positions) {
        // `NULL` is beyond the last position.
        let old_code = codes.get(*position as usize).map(|code| *code as usize);
        let code = old_code.and_then(|old_code| Some((old_code, new_codes.get_mut(old_code)?)));
        changes.set_from(
            row,
            match code {
                Some((old_code, code)) => {
                    if *code == NULL {
                        *code = used.len() as u32;
                        used.push(old_code);
                    }
                    *code
                }
                None => NULL,
            },
        );
    }
    (changes, used)
}

/// Returns the values at the given positions; `None` if one is missing.
fn select<T: Copy>(values: &[T], positions: impl IntoIterator<Item = usize>) -> Option<Vec<T>> {
    positions.into_iter().map(|position| values.get(position).copied()).collect()
}

/// Returns the strings of a dictionary in plain encoding: each preceded by its length.
fn plain_texts(mut bytes: &[u8], count: usize) -> Option<Vec<&str>> {
    let mut texts = Vec::with_capacity(count);
    for _ in 0..count {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        texts.push(std::str::from_utf8(text).ok()?);
        bytes = rest;
    }
    Some(texts)
}

/// Splits concatenated strings.
fn split<'b>(bytes: &'b [u8], lengths: &[i64]) -> Option<Vec<&'b str>> {
    let mut rest = std::str::from_utf8(bytes).ok()?;
    let mut texts = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (text, after) = rest.split_at_checked(usize::try_from(*length).ok()?)?;
        texts.push(text);
        rest = after;
    }
    Some(texts)
}

/// Returns a column of the entries of a dictionary in plain encoding with the given codes.
fn numbers<T: Number, const WIDTH: usize>(
    changes: CodeChanges,
    dictionary: &[u8],
    codes: Vec<usize>,
    from_bytes: impl Fn([u8; WIDTH]) -> T,
) -> Option<NumberColumn<T>> {
    let (entries, _) = dictionary.as_chunks::<WIDTH>();
    let distinct = select(entries, codes)?.into_iter().map(from_bytes).collect();
    Some(NumberColumn::from_codes(changes, distinct))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::decode::checksums::{TAIL_BYTES, footer_length};
    use crate::store::encode::FileBuilder;
    use crate::store::encode::footer::{ChunkEntry, Group, read_groups};
    use crate::store::encode::from_frame::row_group;
    use crate::store::encode::tests::{Values, values};
    use crate::store::file_system::OpenFile;
    use crate::store::frame::{Cell, Frame, FrameBuilder};
    use crate::store::parquet::{decode, decode_with_polars};
    use crate::time::Day;

    /// Returns a frame whose columns are derived from the same values.
    fn frame_of(table: Table, values: &Values) -> Frame {
        let mut builder = FrameBuilder::new(table);
        for value in values {
            let number = value.unwrap_or(0);
            let id = uuid::Uuid::from_u128(u128::from(number) << 37).to_string();
            let text = format!("{number}é").repeat((number % 5) as usize);
            let cell = |kind| match (value, kind) {
                (None, _) => Cell::Null,
                (_, ColumnType::Text) => Cell::Text(&text),
                (_, ColumnType::Uuid) => Cell::Text(&id),
                (_, ColumnType::Json) => Cell::Json(&text),
                (_, ColumnType::Int32) => Cell::Int((number as i32).into()),
                (_, ColumnType::Int64) => Cell::Int(number as i64),
                (_, ColumnType::Float) => Cell::Float(number as f64 / 100.0),
                (_, ColumnType::Bool) => Cell::Bool(number % 3 == 0),
                (_, ColumnType::Timestamp) => Cell::Time((number >> 2) as i64),
                (_, ColumnType::Date) => Cell::Date(Day(number as i32)),
            };
            let row: Vec<_> = table.columns().iter().map(|column| (column.name, cell(column.kind))).collect();
            builder.row(&row);
        }
        builder.finish().unwrap()
    }

    /// Returns a file of one row group, with its entry.
    fn file_of(table: Table, frame: &Frame) -> (Vec<u8>, Group) {
        let file = FileBuilder::from_frame(table, frame).unwrap().finish().unwrap();
        let end = file.len() - TAIL_BYTES;
        let footer = &file[end - footer_length(&file).unwrap()..end];
        let group = read_groups(footer, table).unwrap().remove(0);
        (file, group)
    }

    fn column_bytes<'f>(file: &'f [u8], kind: ColumnType, chunk: &ChunkEntry) -> ColumnBytes<'f> {
        let bytes = &file[chunk.start as usize..(chunk.start + chunk.length) as usize];
        ColumnBytes { kind, bytes, is_zstd: true, uncompressed: chunk.uncompressed as usize }
    }

    fn cells(table: Table, frame: &Frame) -> Vec<String> {
        let columns = table.columns().iter().map(|column| frame.cells(column).unwrap());
        columns
            .map(|cells| format!("{:?}", (0..frame.height()).map(|row| cells.get(row)).collect::<Vec<_>>()))
            .collect()
    }

    fn rows_and_removed() -> impl Strategy<Value = (Values, Vec<bool>)> {
        let part = prop_oneof![Just(0.02), Just(0.5), Just(0.98)];
        (1usize..400, part).prop_flat_map(|(rows, part)| {
            (values(rows), prop::collection::vec(prop::bool::weighted(part), 0..=rows))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]
        #[test]
        fn remaining_rows_are_those_of_a_filtered_frame((values, removed) in rows_and_removed()) {
            for table in Table::ALL {
                let frame = frame_of(table, &values);
                let is_kept = |row: usize| !removed.get(row).copied().unwrap_or(false);
                let kept = frame.filter((0..values.len()).map(is_kept)).unwrap();
                let (file, group) = file_of(table, &frame);
                let (_, expected) = row_group(table, &kept).unwrap();
                let mut columns = Vec::new();
                for ((column, chunk), expected) in table.columns().iter().zip(&group.chunks).zip(expected) {
                    let bytes = column_bytes(&file, column.kind, chunk);
                    let found = without_rows(table, &bytes, values.len(), &removed).unwrap();
                    prop_assert_eq!(&found.range, &expected.range, "{}", column.name);
                    // No entry of a removed row is left in a dictionary.
                    if let (Some(found), Some(expected)) = (&found.dictionary, &expected.dictionary) {
                        prop_assert_eq!(found, expected, "{}", column.name);
                    }
                    columns.push(found);
                }
                let mut builder = FileBuilder::new(table);
                builder.add(kept.height(), columns).unwrap();
                let bytes = builder.finish().unwrap();
                let wanted = cells(table, &kept);
                prop_assert_eq!(cells(table, &decode(bytes.clone(), None).unwrap()), &wanted[..]);
                let by_polars = decode_with_polars(OpenFile::Bytes(bytes), None).unwrap();
                prop_assert_eq!(cells(table, &by_polars), wanted);
            }
        }

        // The checksum of the file was verified, so only a bug in `wa` could lead to this.
        #[test]
        fn damaged_column_causes_no_panic(
            (values, removed) in rows_and_removed(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let (mut file, group) = file_of(Table::Sessions, &frame_of(Table::Sessions, &values));
            for (column, chunk) in Table::Sessions.columns().iter().zip(&group.chunks) {
                let at = at.index(chunk.length as usize) + chunk.start as usize;
                let old = std::mem::replace(&mut file[at], byte);
                let mut bytes = column_bytes(&file, column.kind, chunk);
                let _ = without_rows(Table::Sessions, &bytes, values.len(), &removed);
                bytes.bytes = &bytes.bytes[..at - chunk.start as usize];
                prop_assert!(without_rows(Table::Sessions, &bytes, values.len(), &removed).is_none());
                file[at] = old;
            }
        }
    }
}
