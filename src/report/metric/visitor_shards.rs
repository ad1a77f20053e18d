//! The visitors of sessions, partitioned by their hash.
//!
//! A visitor is a session's anonymous id, else its user id, else its session key, always within one
//! chatbot. Visitors are distinguished by a part of a 128-bit hash of that id: six bits select one
//! of 64 shards. An entry of a shard has 64 bits: a value in its lowest bits, and bits of the hash
//! in the others. With a value of one bit and ten million visitors, the 69 bits of two hashes
//! collide in about one in ten million reports, which then counts one visitor too few. Time and
//! memory grow with the number of sessions. Most of the time is spent on fresh memory pages, which
//! the kernel clears, so storing all 128 bits would take twice as long.
//!
//! Files are read in parallel. Each thread partitions the hashes of its rows into the shards
//! through small buffers. After that, each shard is counted separately.

use std::sync::{Mutex, PoisonError};

use crate::error::Result;
use crate::event::KeyKind;
use crate::report::query::session_keys::IdHasher;
use crate::report::query::tables::{Tables, map_frames};
use crate::report::query::{Query, SelectedRows};
use crate::store::columns::Table;
use crate::store::frame::Frame;

/// The number of shards. Each of them fits into a CPU cache.
pub(crate) const SHARDS: usize = 64;

/// The stored part of a visitor's hash: its upper half, with a value in the lowest bits.
pub(crate) type ShardEntry = u64;

/// Returns the shard of a visitor's hash, and its entry with a value of `bits` bits.
#[inline]
pub(crate) fn shard_entry(hash: u128, bits: u32, value: u64) -> (usize, ShardEntry) {
    // The lower half selects the shard, the upper half is stored.
    (hash as usize % SHARDS, (hash >> 64) as ShardEntry >> bits << bits | value)
}

/// The entries of visitors in shards.
pub(crate) struct VisitorShards(Vec<Mutex<Vec<ShardEntry>>>);

impl VisitorShards {
    /// Reserves memory for a number of entries. Reserved memory that stays unused is never touched
    /// and costs nothing.
    pub fn with_capacity(entries: usize) -> VisitorShards {
        let each = if entries == 0 { 0 } else { entries / SHARDS + entries / SHARDS / 4 + 8 };
        VisitorShards((0..SHARDS).map(|_| Mutex::new(Vec::with_capacity(each))).collect())
    }

    /// Returns a writer for the entries of one frame of `rows` rows.
    pub fn writer(&self, rows: usize) -> ShardWriter<'_> {
        let buffers = if rows < MIN_BUFFERED_ROWS { Vec::new() } else { vec![[0; BUFFER_LEN]; SHARDS] };
        ShardWriter { shards: self, buffers, lengths: [0; SHARDS] }
    }

    fn extend(&self, shard: usize, entries: &[ShardEntry]) {
        if let Some(shard) = self.0.get(shard) {
            shard.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(entries);
        }
    }

    /// Returns the entries of each shard.
    pub fn into_shards(self) -> Vec<Vec<ShardEntry>> {
        self.0.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

/// The number of entries that a writer buffers for each shard. It is large enough that threads
/// rarely wait for the same shard, and small enough that all buffers fit into a CPU cache.
const BUFFER_LEN: usize = 64;

/// The minimum number of rows of a frame for which buffers are used. For fewer rows, as in a report
/// for each of many chatbots, clearing the buffers would take longer than it saves.
const MIN_BUFFERED_ROWS: usize = 512;

/// Writes entries to their shards, a full buffer at a time.
pub(crate) struct ShardWriter<'s> {
    shards: &'s VisitorShards,
    /// A buffer for each shard; empty for a small frame.
    buffers: Vec<[ShardEntry; BUFFER_LEN]>,
    /// The number of entries in each buffer.
    lengths: [usize; SHARDS],
}

impl ShardWriter<'_> {
    /// Writes the hash of a visitor and a value of `bits` bits.
    #[inline]
    pub fn push(&mut self, hash: u128, bits: u32, value: u64) {
        let (shard, stored) = shard_entry(hash, bits, value);
        let (Some(buffer), Some(length)) = (self.buffers.get_mut(shard), self.lengths.get_mut(shard)) else {
            return self.shards.extend(shard, &[stored]);
        };
        if let Some(slot) = buffer.get_mut(*length) {
            *slot = stored;
            *length += 1;
        }
        if *length == BUFFER_LEN {
            self.flush(shard);
        }
    }

    fn flush(&mut self, shard: usize) {
        let Some(length) = self.lengths.get_mut(shard).map(std::mem::take) else { return };
        if let Some(buffer) = self.buffers.get(shard) {
            self.shards.extend(shard, buffer.get(..length).unwrap_or_default());
        }
    }

    /// Writes the remaining entries of all buffers.
    pub fn finish(mut self) {
        (0..self.buffers.len()).for_each(|shard| self.flush(shard));
    }
}

/// A hash table that maps an entry to the index of the first equal entry in a shard.
///
/// It stores each index plus one, and 0 in an empty slot. Entries are compared in the shard itself,
/// so the table is a fraction of the size of a map of entries and stays in the CPU cache.
pub(crate) struct FirstEntries {
    slots: Vec<u32>,
    /// The number of bits by which a hash is shifted to select its slot.
    shift: u32,
}

impl FirstEntries {
    /// Returns a table for a number of entries, which fill at most half of it.
    pub fn with_capacity(entries: usize) -> FirstEntries {
        let size = (entries * 2).next_power_of_two().max(2);
        FirstEntries { slots: vec![0; size], shift: u64::BITS - size.trailing_zeros() }
    }

    /// Returns the index of the first equal entry. If there is none in the table, returns `absent`
    /// and, if `insert` is set, adds it. `absent` must not be less than an index in the table.
    ///
    /// The CPU cannot predict whether an entry is in the table, and a mispredicted branch takes
    /// longer than the rest. Empty and found slots therefore take the same path.
    #[inline]
    pub fn find(&mut self, entry: ShardEntry, entries: &[ShardEntry], absent: usize, insert: bool) -> usize {
        let mut slot = (entry >> self.shift) as usize;
        while let Some(slot_entry) = self.slots.get_mut(slot) {
            let first = (slot_entry.wrapping_sub(1) as usize).min(absent);
            if first == absent && !insert {
                break;
            }
            if entries.get(first) == Some(&entry) {
                *slot_entry = first as u32 + 1;
                return first;
            }
            // The slot belongs to another entry: try the next slot, and the first one after the
            // last.
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        absent
    }
}

/// Partitions the sessions of the window by visitor.
///
/// `read` returns a value of at most `bits - 1` bits for each selected row of a frame, and a result
/// for the frame; if it returns no values, all are 0. The lowest bit of an entry marks a visitor
/// that is known only by a session key; the value is in the bits above it. Returns the shards and
/// the results of all frames.
pub(crate) fn of_sessions<T: Send>(
    tables: &dyn Tables,
    query: &Query,
    columns: &[&str],
    bits: u32,
    read: impl Fn(&Frame, &SelectedRows) -> Result<(Vec<u64>, T)> + Sync,
) -> Result<(Vec<Vec<ShardEntry>>, Vec<T>)> {
    let days = Some(query.window.range());
    let mut all_columns = query.columns(&["chatbot_id", "anonymous_id"]);
    all_columns.extend(columns);
    let shards = VisitorShards::with_capacity(tables.estimated_rows(Table::Sessions, days));
    let frames = map_frames(tables, Table::Sessions, days, &all_columns, |_, frame| {
        let selected = query.select(frame)?;
        let (values, result) = read(frame, &selected)?;
        Ok((
            write_anonymous_ids(frame, &selected.rows, &values, bits, shards.writer(selected.rows.len()))?,
            result,
        ))
    })?;
    let (remaining, results): (Vec<Vec<(u32, u64)>>, Vec<T>) = frames.into_iter().unzip();
    // Most sessions have an anonymous id. The columns of the other ids are large, and are read only
    // if a session has no anonymous id.
    if remaining.iter().any(|rows| !rows.is_empty()) {
        let columns = ["chatbot_id", "user_id", "session_id"];
        tables.read_each(Table::Sessions, days, &columns, &|number, frame| {
            let rows = remaining.get(number).map_or(&[][..], Vec::as_slice);
            write_other_ids(frame, rows, bits, shards.writer(rows.len()))
        })?;
    }
    Ok((shards.into_shards(), results))
}

/// Writes the visitors of a frame that have an anonymous id. Returns the rows without one, with
/// their values.
pub(super) fn write_anonymous_ids(
    frame: &Frame,
    rows: &[u32],
    values: &[u64],
    bits: u32,
    mut writer: ShardWriter,
) -> Result<Vec<(u32, u64)>> {
    let anonymous_ids = frame.texts("anonymous_id")?;
    let mut hasher = IdHasher::new(frame)?;
    let mut remaining = Vec::new();
    for (index, &row) in rows.iter().enumerate() {
        let value = values.get(index).copied().unwrap_or(0);
        match anonymous_ids.get(row as usize) {
            Some(id) => writer.push(hasher.hash(row as usize, KeyKind::Anonymous, id), bits, value << 1),
            None => remaining.push((row, value)),
        }
    }
    writer.finish();
    Ok(remaining)
}

/// Writes the visitors of the given rows of a frame, which have no anonymous id.
pub(super) fn write_other_ids(
    frame: &Frame,
    rows: &[(u32, u64)],
    bits: u32,
    mut writer: ShardWriter,
) -> Result<()> {
    let (user_ids, session_ids) = (frame.texts("user_id")?, frame.texts("session_id")?);
    let mut hasher = IdHasher::new(frame)?;
    for &(row, value) in rows {
        let row = row as usize;
        match user_ids.get(row) {
            Some(id) => writer.push(hasher.hash(row, KeyKind::User, id), bits, value << 1),
            None => {
                let id = session_ids.get(row).unwrap_or("");
                writer.push(hasher.hash(row, KeyKind::Session, id), bits, value << 1 | 1);
            }
        }
    }
    writer.finish();
    Ok(())
}
