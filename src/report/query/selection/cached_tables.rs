//! Tables that cache their reads, so that each file is read once for many classes.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashMap;
use rayon::prelude::*;

use crate::error::Result;
use crate::report::query::tables::{TableFacts, Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::time::{Day, Micros};

/// The maximum size of the cached reads, in bytes.
const CACHE_BYTES: usize = 192 << 20;

type ReadKey = (Table, Option<(Day, Day)>, Vec<String>);
/// The days and the instants of a read of first-seen times.
type FirstSeenKey = ((Day, Day), (Micros, Micros));
/// The frames of a read of first-seen times, each with whether all its times are in the window.
type FirstSeenFrames = Arc<Vec<(bool, Frame)>>;

/// Tables that cache the frames of each read, as far as memory allows.
pub(crate) struct CachedTables<'a> {
    tables: &'a dyn Tables,
    reads: Mutex<HashMap<ReadKey, Arc<Vec<Frame>>>>,
    first_seen: Mutex<HashMap<FirstSeenKey, FirstSeenFrames>>,
    free_bytes: Mutex<usize>,
}

impl<'a> CachedTables<'a> {
    /// Returns the tables with an empty cache.
    pub fn new(tables: &'a dyn Tables) -> CachedTables<'a> {
        CachedTables {
            tables,
            reads: Mutex::default(),
            first_seen: Mutex::default(),
            free_bytes: Mutex::new(CACHE_BYTES),
        }
    }

    /// Subtracts the size of a frame from the free memory; returns `false` if there is not enough.
    fn reserve(&self, frame: &Frame) -> bool {
        let mut free = self.free_bytes.lock().unwrap_or_else(PoisonError::into_inner);
        match free.checked_sub(frame.estimated_size()) {
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
        let reads = || self.first_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (days, between);
        let cached = reads().get(&key).map(Arc::clone);
        if let Some(frames) = cached {
            return frames
                .par_iter()
                .with_max_len(1)
                .try_for_each(|(all_in_window, frame)| visit(frame, *all_in_window));
        }
        let collector = Collector::new(self);
        self.tables.read_first_seen(days, between, &|frame, all_in_window| {
            collector.add(all_in_window, frame);
            visit(frame, all_in_window)
        })?;
        if let Some(frames) = collector.finish() {
            reads().insert(key, Arc::new(frames));
        }
        Ok(())
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

/// The frames of a read, collected until the free memory is used up. Each has a tag of type `T`.
struct Collector<'a, T> {
    cache: &'a CachedTables<'a>,
    frames: Mutex<Vec<(T, Frame)>>,
    is_complete: AtomicBool,
}

impl<'a, T> Collector<'a, T> {
    fn new(cache: &'a CachedTables<'a>) -> Collector<'a, T> {
        Collector { cache, frames: Mutex::default(), is_complete: AtomicBool::new(true) }
    }

    /// Adds a frame. If memory is used up, drops all frames, and ignores further ones.
    fn add(&self, tag: T, frame: &Frame) {
        if !self.is_complete.load(Relaxed) {
            return;
        }
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        if self.cache.reserve(frame) {
            frames.push((tag, frame.clone()));
        } else {
            self.is_complete.store(false, Relaxed);
            self.cache.release(frames.drain(..).map(|(_, frame)| frame));
        }
    }

    /// Returns the frames in the order in which they were added; `None` if memory was used up.
    fn finish(self) -> Option<Vec<(T, Frame)>> {
        let frames = self.frames.into_inner().unwrap_or_else(PoisonError::into_inner);
        if self.is_complete.into_inner() {
            return Some(frames);
        }
        self.cache.release(frames.into_iter().map(|(_, frame)| frame));
        None
    }
}
