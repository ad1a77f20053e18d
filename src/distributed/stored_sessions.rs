//! Reads the stored sessions that new events can continue.
//!
//! A stored file is read by one task. The cluster distributes its sessions by session key, like
//! events.

use serde::{Deserialize, Serialize};

use super::rows::{Head, Rows, kind};
use super::task::TaskContext;
use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::frame::RowEncoder;
use crate::store::tables::sessions::{KEY_COLUMNS, SessionKeys};
use crate::store::update::sessions::StoredRow;
use crate::time::Micros;

/// Size at which rows are passed on, in bytes.
const OUTPUT_BYTES: usize = 4 << 20;

/// A stored file of sessions that new events can continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSessions {
    /// Index of the file among the files of the table.
    pub file: i32,
    /// The times of new events, extended by the session timeout, as disjoint ranges in order.
    pub ranges: Vec<(Micros, Micros)>,
}

impl StoredSessions {
    fn overlap(&self, (start, end): (Micros, Micros)) -> bool {
        let next = self.ranges.partition_point(|(_, to)| *to < start);
        self.ranges.get(next).is_some_and(|(from, _)| *from <= end)
    }
}

/// Returns rows for the sessions of a stored file that overlap the times of new events.
///
/// # Errors
/// Fails if the store has no such file, or if it cannot be read.
pub fn stored_sessions(context: &TaskContext, stored: &StoredSessions) -> Result<Vec<Rows>> {
    let files = context.before.manifest().files(Table::Sessions);
    let file = usize::try_from(stored.file).ok().and_then(|file| files.get(file));
    let file = file.ok_or_else(|| Error::failed(format!("the store has no session file {}", stored.file)))?;
    let keys = context.before.read_file(file, Some(&KEY_COLUMNS))?;
    let keys = SessionKeys::new(&keys)?;
    let is_near: Vec<bool> = (0..file.rows as usize).map(|row| stored.overlap(keys.interval(row))).collect();
    if !is_near.contains(&true) {
        return Ok(Vec::new());
    }
    let frame = context.before.read_rows(file, &is_near)?;
    let encoder = RowEncoder::new(Table::Sessions, &frame)?;
    let mut all = vec![Rows::default()];
    for (row, position) in (0..file.rows as usize).filter(|row| is_near[*row]).enumerate() {
        let (key, (start, end)) = (keys.key(position).hash(), keys.interval(position));
        if all.last().is_none_or(|rows| rows.payload_bytes() >= OUTPUT_BYTES) {
            all.push(Rows::default());
        }
        let head = Head {
            kind: kind::STORED,
            key,
            time: start,
            file: stored.file,
            position: position as i64,
            id: 0,
        };
        let Some(rows) = all.last_mut() else { continue };
        rows.push(head, |payload| {
            payload.extend_from_slice(&end.to_le_bytes());
            encoder.encode(row, payload);
        });
    }
    Ok(all)
}

/// The stored sessions of a batch.
#[derive(Default)]
pub(super) struct StoredBatch {
    rows: Vec<(Head, Vec<u8>)>,
    bytes: usize,
}

impl StoredBatch {
    /// Adds a row.
    pub(super) fn push(&mut self, head: Head, payload: &[u8]) {
        self.bytes += payload.len();
        self.rows.push((head, payload.to_vec()));
    }

    /// Removes the rows of a session key, which were added last.
    pub(super) fn remove(&mut self, key: u128) {
        while let Some((_, payload)) = self.rows.pop_if(|(head, _)| head.key == key) {
            self.bytes -= payload.len();
        }
    }

    /// Returns the memory of the rows, in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes
    }

    /// Returns the rows.
    ///
    /// # Errors
    /// Fails if a row is damaged.
    pub(super) fn rows(&self) -> Result<Vec<StoredRow<'_>>> {
        let row = |(head, payload): &'_ (Head, Vec<u8>)| {
            let end = payload.first_chunk().map(|end| Micros::from_le_bytes(*end))?;
            let (file, row) = (usize::try_from(head.file).ok()?, usize::try_from(head.position).ok()?);
            Some((head.key, (head.time, end), file, row))
        };
        self.rows
            .iter()
            .map(|stored| {
                let (key, span, file, row) =
                    row(stored).ok_or_else(|| Error::failed("the row of a stored session is damaged"))?;
                Ok(StoredRow { key, span, file, row, bytes: stored.1.get(8..).unwrap_or_default() })
            })
            .collect()
    }
}
