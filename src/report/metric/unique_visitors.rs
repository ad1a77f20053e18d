//! The distinct visitors of a window, and the new ones among them.
//!
//! A visitor is a session's anonymous id, else its user id, else its session id, within one
//! chatbot. Visitors are distinguished by 69 bits of a hash of that id: six bits select one of 64
//! shards, and 63 bits are stored in it. Among ten million visitors, two share these bits in about
//! one of ten million reports, which then counts one visitor too few. Time and memory grow with the
//! number of sessions. Most of the time is spent on fresh memory pages, which the kernel clears, so
//! storing all 128 bits would take twice as long.
//!
//! Files are read in parallel. Each thread partitions the hashes of its rows into the shards
//! through small buffers, and then each shard is counted on its own. The visitors that the table of
//! first-seen times names for the window are partitioned in the same way, so that a shard has all
//! that it needs to count its new visitors.

use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::error::Result;
use crate::event::KeyKind;
use crate::report::query::Query;
use crate::report::query::session_keys::IdHasher;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::Frame;

/// The number of shards. Each of them fits into a processor's cache.
const SHARDS: usize = 64;

/// Visitors with at least this many sessions are counted together.
pub(crate) const MAX_SESSIONS: usize = 11;

/// Counts of distinct visitors. Those of two shards merge by addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UniqueVisitors {
    /// The number of distinct visitors.
    pub unique: u64,
    /// The number of visitors that were first seen in the window or are identified by a session id.
    pub new: u64,
    /// The number of visitors with one session, two sessions, and so on. The last number counts
    /// those with [`MAX_SESSIONS`] or more.
    pub by_sessions: [u64; MAX_SESSIONS],
}

impl UniqueVisitors {
    /// Counts the visitors of a window.
    pub fn count(tables: &dyn Tables, query: &Query) -> Result<UniqueVisitors> {
        let (sessions, first_seen) =
            rayon::join(|| partition_sessions(tables, query), || partition_first_seen(tables, query));
        let (sessions, first_seen) = (sessions?.into_shards(), first_seen?.into_shards());
        let shards = sessions.into_par_iter().zip(first_seen).with_max_len(4);
        let counts = shards.map(|(sessions, first_seen)| count_shard(&sessions, &first_seen));
        Ok(counts.reduce(UniqueVisitors::default, UniqueVisitors::merge))
    }

    /// Returns the number of visitors that were first seen before the window.
    pub fn returning(&self) -> u64 {
        self.unique.saturating_sub(self.new)
    }

    fn merge(mut self, other: UniqueVisitors) -> UniqueVisitors {
        self.unique += other.unique;
        self.new += other.new;
        for (sum, visitors) in self.by_sessions.iter_mut().zip(other.by_sessions) {
            *sum += visitors;
        }
        self
    }
}

/// The stored part of a visitor's hash: its upper half, except that the lowest bit says whether the
/// visitor is identified by a session id.
type VisitorHash = u64;

/// Visitor hashes in shards.
struct Partitioned(Vec<Mutex<Vec<VisitorHash>>>);

impl Partitioned {
    /// Reserves memory for a number of hashes. Reserved memory that stays unused is never touched
    /// and costs nothing.
    fn with_capacity(hashes: usize) -> Partitioned {
        let each = hashes / SHARDS + hashes / SHARDS / 4 + 8;
        Partitioned((0..SHARDS).map(|_| Mutex::new(Vec::with_capacity(each))).collect())
    }

    /// Returns a writer for the hashes of one frame.
    fn writer(&self) -> ShardWriter<'_> {
        ShardWriter { shards: self, buffers: vec![[0; BUFFER_LEN]; SHARDS], lengths: [0; SHARDS] }
    }

    fn into_shards(self) -> Vec<Vec<VisitorHash>> {
        self.0.into_iter().map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
    }
}

/// The number of hashes that a writer buffers for each shard: enough that threads seldom wait for
/// the same shard, and few enough that all buffers fit into a processor's cache.
const BUFFER_LEN: usize = 64;

/// Writes hashes to their shards, a full buffer at a time.
struct ShardWriter<'s> {
    shards: &'s Partitioned,
    buffers: Vec<[VisitorHash; BUFFER_LEN]>,
    /// The number of hashes in each buffer.
    lengths: [usize; SHARDS],
}

impl ShardWriter<'_> {
    /// Writes the hash of a visitor.
    #[inline]
    fn push(&mut self, hash: u128, is_session_id: bool) {
        // The lower half selects the shard, the upper half is stored.
        let shard = hash as usize % SHARDS;
        let stored = (hash >> 64) as VisitorHash & !1 | VisitorHash::from(is_session_id);
        let (Some(buffer), Some(length)) = (self.buffers.get_mut(shard), self.lengths.get_mut(shard)) else {
            return;
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
        if let (Some(buffer), Some(shard)) = (self.buffers.get(shard), self.shards.0.get(shard)) {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
    }

    /// Writes the remaining hashes of all buffers.
    fn finish(mut self) {
        (0..SHARDS).for_each(|shard| self.flush(shard));
    }
}

/// A hash table from visitors to the index of their first session in a shard.
///
/// It stores each index plus one, and 0 in an empty slot; hashes are compared in the shard itself.
/// This is a fraction of the size of a map of hashes and stays in the processor's cache.
struct FirstSessions {
    slots: Vec<u32>,
    /// The number of bits by which a hash is shifted to select its slot.
    shift: u32,
}

impl FirstSessions {
    /// Returns a table for a number of sessions, which fill at most half of it.
    fn with_capacity(sessions: usize) -> FirstSessions {
        let size = (sessions * 2).next_power_of_two().max(2);
        FirstSessions { slots: vec![0; size], shift: u64::BITS - size.trailing_zeros() }
    }

    /// Returns the index of a visitor's first session. If the table has none, it returns `absent`
    /// and, with `insert`, adds it. `absent` must not be less than an index in the table.
    ///
    /// Whether a visitor is in the table is unpredictable, and a mispredicted branch takes longer
    /// than the rest, so an empty slot and a found one take the same path.
    #[inline]
    fn find(&mut self, hash: VisitorHash, sessions: &[VisitorHash], absent: usize, insert: bool) -> usize {
        let mut slot = (hash >> self.shift) as usize;
        while let Some(entry) = self.slots.get_mut(slot) {
            let first = (entry.wrapping_sub(1) as usize).min(absent);
            if first == absent && !insert {
                break;
            }
            if sessions.get(first) == Some(&hash) {
                *entry = first as u32 + 1;
                return first;
            }
            // The slot of another visitor: the next one follows, and the first after the last.
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        absent
    }
}

/// Counts the visitors of a shard, given those of its sessions and those first seen in the window.
fn count_shard(sessions: &[VisitorHash], first_seen: &[VisitorHash]) -> UniqueVisitors {
    let mut visitors = UniqueVisitors::default();
    let mut first_sessions = FirstSessions::with_capacity(sessions.len());
    // The number of a visitor's sessions, at the index of the first of them; 0 at the others.
    let mut counts = vec![0u32; sessions.len()];
    for (index, hash) in sessions.iter().enumerate() {
        let first = first_sessions.find(*hash, sessions, index, true);
        let is_first = u64::from(first == index);
        visitors.unique += is_first;
        // The lowest bit marks a visitor that is identified by a session id and therefore new.
        visitors.new += is_first & *hash;
        if let Some(count) = counts.get_mut(first) {
            *count += 1;
        }
    }
    let mut by_sessions = [0; MAX_SESSIONS + 1];
    for count in &counts {
        if let Some(sum) = by_sessions.get_mut((*count as usize).min(MAX_SESSIONS)) {
            *sum += 1;
        }
    }
    let [_, by_sessions @ ..] = by_sessions;
    visitors.by_sessions = by_sessions;
    for hash in first_seen {
        // The count is reset, so that a visitor counts once even if the table names it twice.
        let first = first_sessions.find(*hash, sessions, sessions.len(), false);
        if counts.get_mut(first).is_some_and(|count| std::mem::take(count) > 0) {
            visitors.new += 1;
        }
    }
    visitors
}

/// Partitions the visitors that were first seen in the window, with or without sessions in it.
fn partition_first_seen(tables: &dyn Tables, query: &Query) -> Result<Partitioned> {
    let instants = query.window.instants(tables.zone());
    // The table has the visitors of all chatbots. Those of other chatbots match no session.
    let days = query.window.range();
    let partitioned = Partitioned::with_capacity(tables.estimated_rows(Table::Visitors, Some(days)));
    tables.read_first_seen(days, instants.certain, &|frame, all_in_window| {
        let (high, low) = (frame.ints("hash_high")?, frame.ints("hash_low")?);
        let first_seen = if all_in_window { None } else { Some(frame.ints("first_seen_at")?) };
        let mut writer = partitioned.writer();
        for row in 0..frame.height() {
            let is_in_window = |time| instants.contain(time);
            if first_seen.as_ref().is_none_or(|times| times.get(row).is_some_and(is_in_window)) {
                let (high, low) = (high.or_zero(row) as u64, low.or_zero(row) as u64);
                writer.push(u128::from(high) << 64 | u128::from(low), false);
            }
        }
        writer.finish();
        Ok(())
    })?;
    Ok(partitioned)
}

/// Partitions the visitors of all sessions of the window.
fn partition_sessions(tables: &dyn Tables, query: &Query) -> Result<Partitioned> {
    let days = Some(query.window.range());
    let columns = query.columns(&["chatbot_id", "anonymous_id"]);
    let partitioned = Partitioned::with_capacity(tables.estimated_rows(Table::Sessions, days));
    let remaining = map_frames(tables, Table::Sessions, days, &columns, |_, frame| {
        write_anonymous_ids(frame, query, partitioned.writer())
    })?;
    // Most sessions have an anonymous id. The other ids are large columns, which are read only if a
    // session has none.
    if remaining.iter().any(|rows| !rows.is_empty()) {
        let columns = ["chatbot_id", "user_id", "session_id"];
        tables.read_each(Table::Sessions, days, &columns, &|number, frame| {
            let rows = remaining.get(number).map_or(&[][..], Vec::as_slice);
            write_other_ids(frame, rows, partitioned.writer())
        })?;
    }
    Ok(partitioned)
}

/// Writes the visitors of a frame that have an anonymous id. Returns the rows without one.
fn write_anonymous_ids(frame: &Frame, query: &Query, mut writer: ShardWriter) -> Result<Vec<u32>> {
    let selected = query.select(frame)?;
    let anonymous_ids = frame.texts("anonymous_id")?;
    let mut hasher = IdHasher::new(frame)?;
    let mut remaining = Vec::new();
    for &row in &selected.rows {
        match anonymous_ids.get(row as usize) {
            Some(id) => writer.push(hasher.hash(row as usize, KeyKind::Anonymous, id), false),
            None => remaining.push(row),
        }
    }
    writer.finish();
    Ok(remaining)
}

/// Writes the visitors of those rows of a frame that have no anonymous id.
fn write_other_ids(frame: &Frame, rows: &[u32], mut writer: ShardWriter) -> Result<()> {
    let (user_ids, session_ids) = (frame.texts("user_id")?, frame.texts("session_id")?);
    let mut hasher = IdHasher::new(frame)?;
    for &row in rows {
        let row = row as usize;
        match user_ids.get(row) {
            Some(id) => writer.push(hasher.hash(row, KeyKind::User, id), false),
            None => {
                let id = session_ids.get(row).unwrap_or("");
                writer.push(hasher.hash(row, KeyKind::Session, id), true);
            }
        }
    }
    writer.finish();
    Ok(())
}
