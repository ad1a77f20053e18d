//! Encoding of rows as bytes, for processes that exchange the rows of a table.
//!
//! A row holds its values in the order of the table's columns. A null is the byte 0. Any other
//! value is the byte 1 and the value's bytes: a length and UTF-8 for a string, 8 bytes for a
//! number, and 1 byte for a boolean.

use super::builder::ColumnBuilder;
use super::{Cell, Cells, Frame};
use crate::error::{Error, Result};
use crate::store::columns::{ColumnType, Table};

/// Encodes rows of a frame.
pub(crate) struct RowEncoder(Vec<Cells>);

impl RowEncoder {
    /// Returns an encoder of the rows of a frame, which has all columns of a table.
    ///
    /// # Errors
    /// Fails if the frame lacks a column, or one has the wrong type.
    pub(crate) fn new(table: Table, frame: &Frame) -> Result<RowEncoder> {
        table.columns().iter().map(|column| frame.cells(column)).collect::<Result<_>>().map(RowEncoder)
    }

    /// Appends the bytes of a row.
    pub(crate) fn encode(&self, row: usize, bytes: &mut Vec<u8>) {
        for cells in &self.0 {
            let cell = cells.get(row);
            bytes.push(u8::from(cell != Cell::Null));
            match cell {
                Cell::Null => {}
                Cell::Text(text) | Cell::Json(text) => {
                    bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    bytes.extend_from_slice(text.as_bytes());
                }
                Cell::Int(number) | Cell::Time(number) => bytes.extend_from_slice(&number.to_le_bytes()),
                Cell::Date(day) => bytes.extend_from_slice(&i64::from(day.0).to_le_bytes()),
                Cell::Float(number) => bytes.extend_from_slice(&number.to_le_bytes()),
                Cell::Bool(value) => bytes.push(u8::from(value)),
            }
        }
    }
}

/// Returns the frame of encoded rows of a table.
///
/// # Errors
/// Fails if the bytes of a row are damaged.
pub(crate) fn decode_rows(table: Table, rows: &[&[u8]]) -> Result<Frame> {
    let mut rest: Vec<&[u8]> = rows.to_vec();
    let mut is_damaged = false;
    let frame = Frame::from_columns(table, rows.len(), |name, column| {
        let kind = table.columns().iter().find(|column| column.name == name).map(|column| column.kind);
        for bytes in &mut rest {
            if kind.and_then(|kind| push(kind, bytes, column)).is_none() {
                is_damaged = true;
                column.null();
            }
        }
    })?;
    if is_damaged || rest.iter().any(|rest| !rest.is_empty()) {
        return Err(Error::failed("a row from another process is damaged")
            .hint("all machines need the same version of the package"));
    }
    Ok(frame)
}

/// Moves the next value of a row to its column.
fn push(kind: ColumnType, bytes: &mut &[u8], column: &mut ColumnBuilder) -> Option<()> {
    match take(bytes)? {
        [0] => column.null(),
        [1] => match kind {
            ColumnType::Text | ColumnType::Uuid | ColumnType::Json => {
                let length = u32::from_le_bytes(take(bytes)?) as usize;
                let (text, rest) = bytes.split_at_checked(length)?;
                *bytes = rest;
                column.text(Some(std::str::from_utf8(text).ok()?));
            }
            ColumnType::Int32 | ColumnType::Int64 | ColumnType::Timestamp | ColumnType::Date => {
                column.int(Some(i64::from_le_bytes(take(bytes)?)));
            }
            ColumnType::Float => column.float(Some(f64::from_le_bytes(take(bytes)?))),
            ColumnType::Bool => column.bool(Some(take::<1>(bytes)? == [1])),
        },
        _ => return None,
    }
    Some(())
}

/// Removes the first `N` bytes; `None` if there are fewer.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::frame::FrameBuilder;
    use crate::time::Day;

    fn days() -> Frame {
        let mut builder = FrameBuilder::new(Table::DailyStats);
        builder.row(&[
            ("chatbot_id", Cell::Text("a chatbot with a long name, ü")),
            ("stat_date", Cell::Date(Day(-20_000))),
            ("total_sessions", Cell::Int(i64::MIN)),
            ("conversion_rate", Cell::Float(45.36)),
            ("top_referrers", Cell::Json("[]")),
            ("created_at", Cell::Time(-1)),
        ]);
        builder.row(&[("chatbot_id", Cell::Text(""))]);
        builder.finish().unwrap()
    }

    fn encoded(table: Table, frame: &Frame) -> Vec<Vec<u8>> {
        let encoder = RowEncoder::new(table, frame).unwrap();
        let encode = |row: usize| {
            let mut bytes = Vec::new();
            encoder.encode(row, &mut bytes);
            bytes
        };
        (0..frame.height()).map(encode).collect()
    }

    #[test]
    fn decoded_rows_equal_the_encoded_ones_in_any_order() {
        let frame = days();
        let rows = encoded(Table::DailyStats, &frame);
        assert!(decode_rows(Table::DailyStats, &[&rows[0], &rows[1]]).unwrap() == frame);
        let swapped = decode_rows(Table::DailyStats, &[&rows[1], &rows[0]]).unwrap();
        assert!(swapped == frame.gather(&[1, 0]).unwrap());
        let mut events = FrameBuilder::new(Table::Events);
        events.row(&[("is_bot", Cell::Bool(true)), ("event_name", Cell::Text("a"))]);
        events.row(&[("is_bot", Cell::Bool(false)), ("screen_width", Cell::Int(-1))]);
        let events = events.finish().unwrap();
        let rows = encoded(Table::Events, &events);
        assert!(decode_rows(Table::Events, &[&rows[0], &rows[1]]).unwrap() == events);
        assert_eq!(decode_rows(Table::Events, &[]).unwrap().height(), 0);
    }

    #[test]
    fn damaged_row_is_an_error_or_another_row() {
        let row = &encoded(Table::DailyStats, &days())[0];
        for length in 0..row.len() {
            decode_rows(Table::DailyStats, &[&row[..length]]).unwrap_err();
        }
        decode_rows(Table::DailyStats, &[&[&row[..], &[0]].concat()]).unwrap_err();
        for at in 0..row.len() {
            let mut damaged = row.clone();
            damaged[at] ^= 0x81;
            let _ = decode_rows(Table::DailyStats, &[&damaged]);
        }
    }
}
