//! Tables that cache their reads, so that each file is read once for many classes.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use rayon::prelude::*;

use crate::error::Result;
use crate::report::query::tables::{SharedShards, TableFacts, Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::time::{Day, Micros};

/// The maximum size of the cached reads, in bytes.
const CACHE_BYTES: usize = 192 << 20;

type ReadKey = (Table, Option<(Day, Day)>, Vec<String>);
/// The name of shards, and the days from which they are computed.
type ShardsKey = (&'static str, (Day, Day));

/// Tables that cache the frames of each read, up to [`CACHE_BYTES`].
pub(crate) struct CachedTables<'a> {
    tables: &'a dyn Tables,
    reads: Mutex<HashMap<ReadKey, Arc<Vec<Frame>>>>,
    shards: Mutex<HashMap<ShardsKey, SharedShards>>,
    free_bytes: Mutex<usize>,
}

impl<'a> CachedTables<'a> {
    /// Returns the tables with an empty cache.
    pub fn new(tables: &'a dyn Tables) -> CachedTables<'a> {
        CachedTables {
            tables,
            reads: Mutex::default(),
            shards: Mutex::default(),
            free_bytes: Mutex::new(CACHE_BYTES),
        }
    }

    /// Subtracts a size from the free memory; returns `false` if there is not enough.
    fn reserve(&self, size: usize) -> bool {
        let mut free = self.free_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        match free.checked_sub(size) {
            Some(rest) => {
                *free = rest;
                true
            }
            None => false,
        }
    }

    /// Drops frames, and adds their size to the free memory.
    fn release(&self, frames: impl Iterator<Item = Frame>) {
        let size: usize = frames.map(|frame| frame.estimated_size()).sum();
        *self.free_bytes.lock().unwrap_or_else(PoisonError::into_inner) += size;
    }
}

impl Tables for CachedTables<'_> {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        map_frames(self, table, days, columns, |_, frame| Ok(frame.clone()))
    }

    fn estimated_rows(&self, table: Table, days: Option<(Day, Day)>) -> usize {
        self.tables.estimated_rows(table, days)
    }

    fn read_each(
        &self,
        table: Table,
        days: Option<(Day, Day)>,
        columns: &[&str],
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        // A window may extend beyond the days with data, but reads of classes do not. Restricted to
        // these days, both have the same key.
        let days = match (table, days, self.tables.days()) {
            (Table::Sessions, Some((from, to)), Some((first, last))) => Some((from.max(first), to.min(last))),
            _ => days,
        };
        // A panic of another thread leaves the map intact. The lock is not held while reading.
        let reads = || self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (table, days, columns.iter().map(|name| (*name).to_owned()).collect());
        let cached = reads().get(&key).map(Arc::clone);
        if let Some(frames) = cached {
            return frames
                .par_iter()
                .with_max_len(1)
                .enumerate()
                .try_for_each(|(number, frame)| visit(number, frame));
        }
        let collector = Collector::new(self);
        self.tables.read_each(table, days, columns, &|number, frame| {
            collector.add(number, frame);
            visit(number, frame)
        })?;
        if let Some(mut frames) = collector.finish() {
            frames.sort_unstable_by_key(|(number, _)| *number);
            let frames = frames.into_iter().map(|(_, frame)| frame).collect();
            reads().insert(key, Arc::new(frames));
        }
        Ok(())
    }

    fn read_first_seen(
        &self,
        days: (Day, Day),
        between: (Micros, Micros),
        visit: &(dyn Fn(&Frame, bool) -> Result<()> + Sync),
    ) -> Result<()> {
        self.tables.read_first_seen(days, between, visit)
    }

    fn shared_shards(
        &self,
        name: &'static str,
        days: (Day, Day),
        compute: &dyn Fn() -> Result<Vec<Vec<u64>>>,
    ) -> Result<SharedShards> {
        // The lock is not held while computing, which reads tables in several threads.
        let shards = || self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = shards().get(&(name, days)) {
            return Ok(Arc::clone(cached));
        }
        let computed = Arc::new(compute()?);
        let size = computed.iter().map(|shard| shard.len() * size_of::<u64>()).sum();
        if self.reserve(size) {
            shards().insert((name, days), Arc::clone(&computed));
        }
        Ok(computed)
    }

    fn is_filtered(&self) -> bool {
        self.tables.is_filtered()
    }

    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<Frame>> {
        self.tables.read_sessions_ended_since(time, columns)
    }

    fn facts(&self) -> &dyn TableFacts {
        self.tables.facts()
    }

    // The inner tables may cache the ledger.
    fn ledger(&self) -> Result<Arc<Ledger>> {
        self.tables.ledger()
    }
}

/// The frames of a read with their numbers, collected until the free memory is used up.
struct Collector<'a> {
    cache: &'a CachedTables<'a>,
    frames: Mutex<Vec<(usize, Frame)>>,
    is_complete: AtomicBool,
}

impl<'a> Collector<'a> {
    fn new(cache: &'a CachedTables<'a>) -> Collector<'a> {
        Collector { cache, frames: Mutex::default(), is_complete: AtomicBool::new(true) }
    }

    /// Adds a frame. If memory is used up, drops all frames, and ignores further ones.
    fn add(&self, number: usize, frame: &Frame) {
        if !self.is_complete.load(Relaxed) {
            return;
        }
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if self.cache.reserve(frame.estimated_size()) {
            frames.push((number, frame.clone()));
        } else {
            self.is_complete.store(false, Relaxed);
            self.cache.release(frames.drain(..).map(|(_, frame)| frame));
        }
    }

    /// Returns the frames in the order in which they were added; `None` if memory was used up.
    fn finish(self) -> Option<Vec<(usize, Frame)>> {
        let frames = self.frames.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.is_complete.into_inner() {
            return Some(frames);
        }
        self.cache.release(frames.into_iter().map(|(_, frame)| frame));
        None
    }
}
