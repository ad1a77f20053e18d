//! Recognizes batches that overlap in time, and writes their events in time order.
//!
//! A batch whose events fall into the times of earlier batches, or that changes few rows of each of
//! many days, is not written but kept on disk as a run ([`EventRuns`]). All later batches become
//! runs too, until the runs reach a limit or the input ends. Their events are then written in time
//! order, as if the log had been ordered, and committed together.
//!
//! The decision is a heuristic. A batch that becomes a run unnecessarily costs about as much
//! additional time as parsing it takes.

use super::batch_times::{BatchTimes, CoveredTimes};
use super::run::{BYTES_PER_SESSION, Batch, IngestRun};
use crate::error::Result;
use crate::event::{Block, Event};
use crate::ingest::timings::Stage;
use crate::store::event_runs::{EventRuns, MergedEvents};
use crate::store::temp_files::TempFiles;
use crate::store::transaction::Transaction;

/// The size of the runs on disk, in bytes, at which their events are written. The limit also bounds
/// the work that an interrupted ingest loses.
const MAX_BYTES: u64 = 1 << 30;
/// The number of runs at which their events are written. Each piece is merged from all runs.
const MAX_RUNS: usize = 64;
/// Divisor of the batch size that gives the size of the pieces in which runs are read.
const PIECES_PER_BATCH: usize = 4;

/// The number of events for which writing and reading a run takes as long as writing the files of
/// one day.
const EVENTS_PER_DAY: usize = 256;
/// Minimum number of days of a batch that becomes a run because it has fewer than
/// [`EVENTS_PER_DAY`] events per day.
const MIN_DAYS: usize = 64;

/// A batch becomes a run if more than this fraction (1/`OVERLAP_PART`) of its events falls into
/// times that earlier batches cover. In an ordered log, only a few late events do.
const OVERLAP_PART: usize = 2;

/// Minimum number of days of a batch that counts as shuffled regardless of earlier batches.
const MIN_MIXED_DAYS: usize = 8;
/// Factor that distinguishes a shuffled batch, applied to the number of days summed over all
/// chunks. In an ordered batch, the sum is about the number of chunks plus the number of days. In a
/// shuffled batch, it is a multiple of that, because each chunk has most days of the batch.
const MIXED_FACTOR: usize = 4;

/// The runs, and the times of earlier batches.
#[derive(Debug)]
pub(super) struct Scatter {
    runs: EventRuns,
    covered: CoveredTimes,
}

impl Scatter {
    pub(super) fn new(temp_files: TempFiles) -> Scatter {
        Scatter { runs: EventRuns::new(temp_files), covered: CoveredTimes::default() }
    }

    /// Returns whether there are runs. The next batch will then become a run too.
    pub(super) fn has_runs(&self) -> bool {
        self.runs.count() > 0
    }

    /// Returns whether the events of a batch go to a run. `is_last` is set at the end of the input.
    fn takes(&mut self, batch: &Batch, is_last: bool) -> bool {
        let times = BatchTimes::new(batch);
        let is_merge = self.covered.overlap(&times) * OVERLAP_PART > times.events;
        self.covered.add(&times);
        self.has_runs() || !is_last && (is_merge || is_thin(&times) || is_mixed(&times))
    }
}

/// Returns whether a batch has few events of each of many days.
fn is_thin(times: &BatchTimes) -> bool {
    times.dates >= MIN_DAYS && times.dates * EVENTS_PER_DAY > times.events
}

/// Returns whether a batch is shuffled: its chunks have the same days. Later batches will have
/// these days too.
fn is_mixed(times: &BatchTimes) -> bool {
    times.dates >= MIN_MIXED_DAYS && times.dates_of_chunks > MIXED_FACTOR * (times.chunks + times.dates)
}

impl IngestRun<'_> {
    /// Moves the events of a batch to the runs, unless the batch is written directly. Returns
    /// whether they were moved.
    pub(super) fn scatter(&mut self, batch: &mut Batch, is_last: bool) -> Result<bool> {
        if !self.scatter.takes(batch, is_last) {
            return Ok(false);
        }
        let blocks: Vec<(u32, &Block)> =
            batch.chunks.iter().map(|(file, parsed)| (*file as u32, &parsed.block)).collect();
        self.scatter.runs.add(&blocks)?;
        batch.chunks.iter_mut().for_each(|(_, parsed)| parsed.block.rows = Vec::new());
        self.report.timings.record(Stage::Scatter);
        Ok(true)
    }

    /// Returns whether there are runs that can wait for more batches.
    pub(super) fn has_waiting_runs(&self, is_last: bool) -> bool {
        let runs = &self.scatter.runs;
        self.scatter.has_runs() && !is_last && runs.bytes() < MAX_BYTES && runs.count() < MAX_RUNS
    }

    /// Writes the events of all runs to a transaction, a batch at a time.
    pub(super) fn write_runs(&mut self, transaction: &mut Transaction) -> Result<()> {
        let runs = std::mem::replace(&mut self.scatter.runs, EventRuns::new(self.temp_files.clone()));
        let (total, all_bytes) = (runs.events() as u64, runs.bytes());
        let (mut batch, mut bytes, mut done) = (Vec::new(), 0, 0);
        self.progress.begin_phase("events in time order", all_bytes);
        runs.drain(self.batch_bytes / PIECES_PER_BATCH, |events| {
            self.report.timings.record(Stage::Wait);
            let more = events.memory() + events.session_keys * BYTES_PER_SESSION;
            // A date that fits into a batch is written once.
            if events.begins_date && !batch.is_empty() && bytes + more > self.batch_bytes {
                self.write_merged(transaction, &std::mem::take(&mut batch))?;
                bytes = 0;
            }
            bytes += more;
            let before = all_bytes * done / total.max(1);
            done += events.files.len() as u64;
            self.progress.advance(all_bytes * done / total.max(1) - before);
            batch.push(events);
            if bytes >= self.batch_bytes {
                self.write_merged(transaction, &std::mem::take(&mut batch))?;
                bytes = 0;
            }
            Ok(())
        })?;
        self.write_merged(transaction, &batch)?;
        self.progress.end_phase();
        Ok(())
    }

    fn write_merged(&mut self, transaction: &mut Transaction, merged: &[MergedEvents]) -> Result<()> {
        let events: Vec<Event<'_>> =
            merged.iter().flat_map(|part| part.block.rows.iter().map(|row| part.block.event(row))).collect();
        let outcome = self.write_events(transaction, &events)?;
        let files = merged.iter().flat_map(|part| &part.files);
        for ((event, outcome), file) in events.iter().zip(&outcome.events).zip(files) {
            self.count_event(*file as usize, *event, *outcome);
        }
        let last = merged.last().and_then(|part| part.files.last());
        self.count_id_conflicts(last.map(|file| *file as usize), &outcome);
        crate::allocator::release_free_memory();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Arc;

    use super::*;
    use crate::event::EventRow;
    use crate::ingest::parse::Parsed;
    use crate::store::Store;
    use crate::store::file_system::OsFileSystem;
    use crate::store::manifest::Manifest;
    use crate::time::{DAY, Micros};

    /// Returns a chunk with events at the given times.
    fn chunk(times: impl Iterator<Item = Micros>) -> Parsed {
        let mut parsed = Parsed::default();
        parsed.block.rows = times.map(|time| EventRow { time, ..EventRow::EMPTY }).collect();
        parsed
    }

    /// Returns the times of `events` evenly spaced events per day.
    fn times(days: Range<i64>, events: i64) -> impl Iterator<Item = Micros> {
        days.flat_map(move |day| (0..events).map(move |event| day * DAY + event * (DAY / events)))
    }

    /// Returns for each batch, given as its chunks, whether it becomes a run.
    fn taken(batches: Vec<Vec<Parsed>>, is_last: bool) -> Vec<bool> {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::with_file_system(Arc::new(OsFileSystem), folder.path().join("store"));
        let writer = store.writer_without_lock(|| Manifest::new(0, "UTC", 1)).unwrap();
        let mut scatter = Scatter::new(writer.temp_files());
        let take = |chunks: Vec<Parsed>| {
            let chunks = chunks.into_iter().map(|chunk| (0, chunk)).collect();
            scatter.takes(&Batch { chunks, bytes: 0 }, is_last)
        };
        batches.into_iter().map(take).collect()
    }

    /// Like [`taken`], for batches of one chunk, given as days and events per day.
    fn taken_days(batches: &[(Range<i64>, i64)], is_last: bool) -> Vec<bool> {
        let batch = |(days, events): &(Range<i64>, i64)| vec![chunk(times(days.clone(), *events))];
        taken(batches.iter().map(batch).collect(), is_last)
    }

    #[test]
    fn ordered_log_creates_no_runs() {
        // Busy days, quiet days, and many batches of one day.
        assert_eq!(taken_days(&[(0..3, 50_000), (2..5, 50_000)], false), [false, false]);
        assert_eq!(taken_days(&[(0..90, 2_000), (89..180, 2_000)], false), [false, false]);
        let part = |n: i64| vec![chunk((0..5_000).map(move |event| (n * 5_000 + event) * 40_000))];
        assert!(taken((0..40).map(part).collect(), false).iter().all(|taken| !taken));
        // The newest day first.
        let days: Vec<(Range<i64>, i64)> = (0..9).rev().map(|n| (2 * n..2 * n + 3, 9_000)).collect();
        assert!(taken_days(&days, false).iter().all(|taken| !taken));
        // Lines of two years alternate.
        let both = |n: i64| {
            let years = [2 * n..2 * n + 2, 365 + 2 * n..367 + 2 * n].map(|days| chunk(times(days, 9_000)));
            years.into_iter().collect()
        };
        assert!(taken((0..9).map(both).collect(), false).iter().all(|taken| !taken));
    }

    #[test]
    fn single_events_at_wrong_times_create_no_runs() {
        // Each batch has an event at the end of the day, and some that are hours late.
        let batch = |n: i64| {
            let start = n * 3_600_000_000;
            let stray = (0..9).map(move |event| start - event * 1_100_000_000).chain([DAY - 1]);
            vec![chunk((0..20_000).map(move |event| start + event * 180_000).chain(stray))]
        };
        assert!(taken((12..23).map(batch).collect(), false).iter().all(|taken| !taken));
    }

    #[test]
    fn batches_with_the_times_of_earlier_ones_become_runs() {
        // Shards of the same days, shards of one day, and events up to five days late.
        assert_eq!(taken_days(&[(0..30, 5_000), (0..30, 5_000)], false), [false, true]);
        assert_eq!(taken_days(&[(0..1, 90_000), (0..1, 90_000)], false), [false, true]);
        assert_eq!(taken_days(&[(0..7, 9_000), (2..9, 9_000)], false), [false, true]);
    }

    #[test]
    fn thin_or_shuffled_batch_becomes_a_run_unless_it_is_the_last() {
        assert_eq!(taken_days(&[(0..9_000, 2)], false), [true]);
        assert_eq!(taken_days(&[(0..MIN_DAYS as i64 - 1, 2)], false), [false]);
        let shuffled = || vec![(0..20).map(|_| chunk(times(0..30, 50))).collect::<Vec<_>>()];
        assert_eq!(taken(shuffled(), false), [true]);
        assert_eq!(taken(shuffled(), true), [false]);
        assert_eq!(taken_days(&[(0..9_000, 2)], true), [false]);
    }
}
