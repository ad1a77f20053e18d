//! Sorts events externally: keeps them in temporary files and returns them in time order.
//!
//! A batch whose events span many days changes the files of each of these days. If all batches of
//! an ingest span the same days, as in a shuffled log, each batch rewrites every day. Such batches
//! are collected here instead, each as a *run*: its events, divided into time [`ranges`]. All runs
//! are then merged and written together, a few days at a time.
//!
//! **Invariants.** The events of a time range are in one or more [`segment`]s of up to 2048 events.
//! The files of a run are in `staging/`. Each contains consecutive segments, in the order of the
//! ranges. The index of the segments and the [`shared`] strings exist only in memory, so only the
//! writer that wrote a file can read it.
//!
//! **Crash.** The files are temporary: a crash at any step leaves them in `staging/`, where the
//! next writer removes them. No source file is recorded as read before the events of its runs are
//! committed, so the next ingest reads them again.
//!
//! **Disk.** A segment takes about as much space as its events take in the store, or less. A file
//! is removed as soon as its events have been read. The runs and the files written from them
//! together therefore take about as much space as either of them alone.
//!
//! **Damage.** The checksum of each segment is kept in memory. A damaged segment ends the ingest
//! with an error; running the same command again reads the input again.

mod merged;
mod numbers;
mod pieces;
mod ranges;
mod segment;
mod shared;
#[cfg(test)]
mod tests;
mod texts;

use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::temp_files::TempFiles;
use crate::error::{Error, Result};
use crate::event::Block;
use crate::time::{Day, Micros};
use merged::MergedBlock;
pub use merged::MergedEvents;
use ranges::Ranges;
use segment::{BlockTexts, SegmentBuilder, SegmentInfo};
use shared::{Shared, SharedIds};
use texts::TextHasher;

/// Approximate size of a file in bytes. A file is removed when its last event has been read.
const FILE_BYTES: usize = 1 << 20;

/// Runs of events.
#[derive(Debug)]
pub struct EventRuns {
    temp_files: TempFiles,
    hasher: TextHasher,
    shared: Shared,
    files: Vec<RunFile>,
    /// Number of runs.
    runs: usize,
    /// Number of events.
    events: usize,
    /// Size of all files in bytes.
    bytes: u64,
}

/// A temporary file with adjacent segments of a run.
#[derive(Debug)]
struct RunFile {
    path: PathBuf,
    /// The segments, each with its length in bytes, mostly in time order.
    segments: Vec<(SegmentInfo, usize)>,
}

impl RunFile {
    /// Returns the time of the latest event.
    fn last_time(&self) -> Micros {
        self.segments.iter().map(|(segment, _)| segment.times.1).max().unwrap_or(Micros::MIN)
    }
}

impl EventRuns {
    /// Creates an empty collection of runs.
    pub fn new(temp_files: TempFiles) -> EventRuns {
        let (hasher, shared) = (TextHasher::default(), Shared::default());
        EventRuns { temp_files, hasher, shared, files: Vec::new(), runs: 0, events: 0, bytes: 0 }
    }

    /// Returns the number of runs.
    pub fn count(&self) -> usize {
        self.runs
    }

    /// Returns the number of events.
    pub fn events(&self) -> usize {
        self.events
    }

    /// Returns the size of all runs in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds the events of blocks as a run. Each block is paired with the index of its input file.
    ///
    /// # Errors
    /// Fails if a temporary file cannot be written.
    pub fn add(&mut self, blocks: &[(u32, &Block)]) -> Result<()> {
        let hasher = self.hasher;
        let frequent: Vec<_> =
            blocks.par_iter().map(|(_, block)| shared::frequent_texts(block, hasher)).collect();
        let blocks: Vec<(u32, &Block, SharedIds)> = blocks
            .iter()
            .zip(frequent)
            .map(|(&(file, block), frequent)| (file, block, self.shared.add(block, &frequent, hasher)))
            .collect();
        let times = blocks.iter().flat_map(|(_, block, _)| &block.rows).map(|row| row.time);
        let ranges = Ranges::divide(times.collect());
        // Each thread reads its blocks once, from start to end, and distributes their events to the
        // segments of all ranges. Reading a block once per range would miss the CPU cache.
        let blocks_per_thread = blocks.len().div_ceil(rayon::current_num_threads()).max(1);
        let encoded: Vec<Vec<(usize, SegmentInfo, Vec<u8>)>> = blocks
            .par_chunks(blocks_per_thread)
            .map(|blocks| encode_blocks(blocks, &ranges, hasher))
            .collect::<Result<_>>()?;
        let mut segments: Vec<(usize, SegmentInfo, Vec<u8>)> = encoded.into_iter().flatten().collect();
        // The sort is stable, so the segments of a range stay in input order.
        segments.sort_by_key(|(range, ..)| *range);
        self.events += segments.iter().map(|(_, info, _)| info.rows).sum::<usize>();
        let (mut file, mut infos) = (Vec::new(), Vec::new());
        for (_, info, bytes) in segments {
            file.extend_from_slice(&bytes);
            infos.push((info, bytes.len()));
            if file.len() >= FILE_BYTES {
                self.write_file(&std::mem::take(&mut file), std::mem::take(&mut infos))?;
            }
        }
        if !infos.is_empty() {
            self.write_file(&file, infos)?;
        }
        self.runs += 1;
        Ok(())
    }

    fn write_file(&mut self, bytes: &[u8], segments: Vec<(SegmentInfo, usize)>) -> Result<()> {
        let path = self.temp_files.write(bytes)?;
        self.bytes += bytes.len() as u64;
        self.files.push(RunFile { path, segments });
        Ok(())
    }

    /// Passes all events to `each` in pieces of about `memory` bytes, and removes the runs. The
    /// pieces are in time order. While `each` processes a piece, a thread reads the next two. A
    /// piece that takes more than twice `memory`, such as many events of the same time, is passed
    /// in several parts that overlap in time.
    ///
    /// The events of a piece are not sorted by time, but those with the same time are in input
    /// order.
    ///
    /// # Errors
    /// Fails if a temporary file cannot be read or is damaged, or if `each` fails.
    pub fn drain(self, memory: usize, mut each: impl FnMut(MergedEvents) -> Result<()>) -> Result<()> {
        let EventRuns { temp_files, hasher, shared, files, .. } = self;
        let reader = Reader { temp_files, hasher, shared, memory };
        let files = Mutex::new(files);
        let files = &|| std::mem::take(&mut *files.lock().unwrap_or_else(PoisonError::into_inner));
        std::thread::scope(|scope| {
            let (sender, pieces) = sync_channel(1);
            // If `each` fails, the channel is closed, and the reader ends without an error.
            let mut send =
                move |piece| sender.send(piece).map_err(|_| Error::failed("the receiver has ended"));
            let reader = &reader;
            let read = move || reader.read_all(files(), &mut send);
            let Ok(reading) = std::thread::Builder::new().spawn_scoped(scope, read) else {
                // No thread can be started: read on this thread.
                return reader.read_all(files(), &mut each);
            };
            let outcome = pieces.into_iter().try_for_each(&mut each);
            let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome.and(read)
        })
    }
}

/// Encodes the events of blocks. Returns each segment with the index of its range.
fn encode_blocks(
    blocks: &[(u32, &Block, SharedIds)],
    ranges: &Ranges,
    hasher: TextHasher,
) -> Result<Vec<(usize, SegmentInfo, Vec<u8>)>> {
    let mut compressor = segment::compressor()?;
    let mut builders: Vec<SegmentBuilder> = Vec::new();
    builders.resize_with(ranges.count(), SegmentBuilder::default);
    builders.iter_mut().zip(1..).for_each(|(builder, id)| builder.start(id));
    let (mut segments, mut block_texts) = (Vec::new(), BlockTexts::default());
    let mut next_id = builders.len() as u32 + 1;
    let mut finish = |range: usize, builder: &mut SegmentBuilder| -> Result<()> {
        let (info, bytes) = builder.finish(&mut compressor, hasher)?;
        builder.start(next_id);
        next_id += 1;
        segments.push((range, info, bytes));
        Ok(())
    };
    for (file, block, shared) in blocks {
        block_texts.start(block);
        for row in &block.rows {
            let range = ranges.find(row.time);
            let Some(builder) = builders.get_mut(range) else { continue };
            if builder.push(*file, (block, shared), row, &mut block_texts)? {
                finish(range, builder)?;
            }
        }
    }
    for (range, builder) in builders.iter_mut().enumerate().filter(|(_, builder)| !builder.is_empty()) {
        finish(range, builder)?;
    }
    Ok(segments)
}

/// Reads and merges runs.
struct Reader {
    temp_files: TempFiles,
    hasher: TextHasher,
    shared: Shared,
    /// Approximate size of a piece, in bytes.
    memory: usize,
}

impl Reader {
    /// Passes all events to `each` in pieces, and removes each file after its last event.
    fn read_all(
        &self,
        mut files: Vec<RunFile>,
        each: &mut dyn FnMut(MergedEvents) -> Result<()>,
    ) -> Result<()> {
        let (mut start, mut last_date) = (Micros::MIN, None);
        loop {
            let mut segments: Vec<&SegmentInfo> = files
                .iter()
                .flat_map(|file| &file.segments)
                .map(|(segment, _)| segment)
                .filter(|segment| segment.times.1 >= start)
                .collect();
            segments.sort_by_key(|segment| segment.times.0);
            let end = pieces::end_of_piece(segments.into_iter(), start, self.memory);
            let Some(end) = end else { return Ok(()) };
            let mut merged = MergedBlock::new(self.hasher, &self.shared);
            for file in &files {
                self.add_file(file, (start, end), &mut merged)?;
                // Events with the same time cannot be divided by time.
                if merged.memory() >= 2 * self.memory {
                    let full = std::mem::replace(&mut merged, MergedBlock::new(self.hasher, &self.shared));
                    pass(full, &mut last_date, each)?;
                }
            }
            pass(merged, &mut last_date, each)?;
            // The last piece contains all remaining events, including those at the maximum time.
            let is_done = |file: &RunFile| file.last_time() < end || end == Micros::MAX;
            files.iter().filter(|file| is_done(file)).for_each(|file| self.temp_files.remove(&file.path));
            files.retain(|file| !is_done(file));
            start = end;
        }
    }

    /// Adds the events of a file that are in a half-open time range.
    fn add_file(
        &self,
        file: &RunFile,
        (start, end): (Micros, Micros),
        merged: &mut MergedBlock<'_>,
    ) -> Result<()> {
        let overlaps = |segment: &SegmentInfo| segment.times.0 < end && segment.times.1 >= start;
        let is_read: Vec<bool> = file.segments.iter().map(|(segment, _)| overlaps(segment)).collect();
        let (Some(first), Some(last)) =
            (is_read.iter().position(|read| *read), is_read.iter().rposition(|read| *read))
        else {
            return Ok(());
        };
        let length = |segments: Option<&[(SegmentInfo, usize)]>| {
            segments.unwrap_or_default().iter().map(|(_, length)| length).sum::<usize>()
        };
        let (offset, total) = (length(file.segments.get(..first)), length(file.segments.get(first..=last)));
        let bytes = self.temp_files.read_part(&file.path, offset as u64, total)?;
        let mut rest = &bytes[..];
        for ((segment, length), is_read) in
            file.segments.iter().zip(is_read).skip(first).take(last - first + 1)
        {
            let (bytes, after) = rest.split_at_checked(*length).unwrap_or_default();
            rest = after;
            if is_read {
                segment::decode(bytes, segment, (start, end), merged)?;
            }
        }
        Ok(())
    }
}

/// Passes a block to `each`, unless it is empty.
fn pass(
    merged: MergedBlock<'_>,
    last_date: &mut Option<Day>,
    each: &mut dyn FnMut(MergedEvents) -> Result<()>,
) -> Result<()> {
    let Some((first, last)) = merged.dates() else { return Ok(()) };
    let begins_date = last_date.replace(last) != Some(first);
    each(merged.finish(begins_date))
}
