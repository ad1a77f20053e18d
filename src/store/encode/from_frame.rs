//! Encoding of frames, for rows that are read from one file and written to another.

use super::GROUP_TEXT_BYTES;
use super::chunk::{Chunk, NULL};
use super::column::{Float, Number, NumberColumn, TextColumn};
use super::delta::DeltaWidth;
use crate::error::{Error, Result};
use crate::event::parse_uuid;
use crate::store::columns::{ColumnType, Table};
use crate::store::frame::{Frame, Texts};

/// Encodes the first rows of a frame as a row group: all rows, unless their distinct strings exceed
/// [`GROUP_TEXT_BYTES`]. Returns the number of encoded rows, and the columns.
///
/// # Errors
/// Fails if the frame lacks a column of the table, or has one with the wrong type.
pub fn row_group(table: Table, frame: &Frame) -> Result<(usize, Vec<Chunk>)> {
    let rows = frame.height();
    let is_text = |kind| matches!(kind, ColumnType::Text | ColumnType::Uuid | ColumnType::Json);
    let text_columns = table.columns().iter().filter(|column| is_text(column.kind));
    let read: Vec<_> =
        text_columns.map(|column| Ok((column.kind, frame.texts(column.name)?))).collect::<Result<_>>()?;
    // For each row, the total length of the strings that no earlier row has.
    let mut bytes = vec![0; rows];
    let mut encoded = Vec::with_capacity(read.len());
    for (kind, texts) in &read {
        let ids = if *kind == ColumnType::Uuid { uuids(texts) } else { None };
        encoded.push(match ids {
            Some(chunk) => Encoded::Ids(chunk),
            None => {
                let mut column = TextColumn::default();
                bytes.iter_mut().zip(texts.iter()).for_each(|(bytes, text)| *bytes += column.push(text));
                Encoded::Texts(column)
            }
        });
    }
    let mut text_bytes = 0;
    let last = bytes.iter().position(|bytes| {
        text_bytes += bytes;
        text_bytes >= GROUP_TEXT_BYTES
    });
    if let Some(fitting) = last.map(|last| last + 1).filter(|fitting| *fitting < rows) {
        return row_group(table, &frame.slice(0, fitting));
    }
    let mut encoded = encoded.into_iter();
    let mut text_column = || match encoded.next() {
        Some(Encoded::Texts(column)) => column.finish(rows),
        Some(Encoded::Ids(chunk)) => chunk,
        None => TextColumn::default().finish(rows),
    };
    let columns = table.columns().iter().map(|column| {
        let name = column.name;
        Ok(match column.kind {
            ColumnType::Text | ColumnType::Uuid | ColumnType::Json => text_column(),
            ColumnType::Int32 | ColumnType::Date => {
                let ints = frame.ints(name)?;
                let narrow = (0..rows).map(|row| ints.get(row).map(i32::try_from).transpose());
                let narrow: Vec<Option<i32>> = narrow
                    .collect::<std::result::Result<_, _>>()
                    .map_err(|_| Error::failed(format!("a number in the column {name} exceeds 32 bits")))?;
                numbers(narrow.into_iter())
            }
            ColumnType::Int64 => {
                let ints = frame.ints(name)?;
                numbers((0..rows).map(|row| ints.get(row)))
            }
            ColumnType::Timestamp => {
                let ints = frame.ints(name)?;
                let values: Vec<i64> = (0..rows).filter_map(|row| ints.get(row)).collect();
                let levels = (0..rows).map(|row| level(ints.get(row).is_some()));
                Chunk::from_numbers(levels, &values, DeltaWidth::for_times(table))
            }
            ColumnType::Float => {
                let floats = frame.floats(name)?;
                numbers((0..rows).map(|row| floats.get(row).map(Float)))
            }
            ColumnType::Bool => {
                let bools = frame.bools(name)?;
                let values: Vec<bool> = (0..rows).filter_map(|row| bools.get(row)).collect();
                Chunk::from_nullable_bools((0..rows).map(|row| level(bools.get(row).is_some())), &values)
            }
        })
    });
    Ok((rows, columns.collect::<Result<_>>()?))
}

/// A text column that is not encoded yet, or an encoded column of UUIDs.
enum Encoded<'a> {
    Texts(TextColumn<'a>),
    Ids(Chunk),
}

/// Encodes a column of UUIDs; `None` if one is null or not in the form that `wa` writes.
fn uuids(texts: &Texts) -> Option<Chunk> {
    let ids: Option<Vec<u128>> = texts.iter().map(|text| text.and_then(parse_uuid)).collect();
    ids.map(|ids| Chunk::from_uuids(&ids))
}

fn numbers<T: Number>(values: impl Iterator<Item = Option<T>>) -> Chunk {
    let mut column = NumberColumn::default();
    let mut rows = 0;
    for value in values {
        column.push(value);
        rows += 1;
    }
    column.finish(rows)
}

/// Returns a run of one row, null or not.
fn level(is_valid: bool) -> (u32, usize) {
    (if is_valid { 0 } else { NULL }, 1)
}
