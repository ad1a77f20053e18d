//! The writing thread of an ingest: receives parsed chunks in order and collects them in batches.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::mpsc::Receiver;

use super::backpressure::Backpressure;
use super::file_progress::FileProgress;
use super::options::IngestOptions;
use super::report::IngestReport;
use super::scatter::Scatter;
use crate::error::{Error, Result};
use crate::ingest::batch::line_ids::Ordinals;
use crate::ingest::batch::stats_update::StatsUpdate;
use crate::ingest::batch::stored_ids::StoredIds;
use crate::ingest::batch::suppression::Suppression;
use crate::ingest::explanation::RejectSamples;
use crate::ingest::input::source_registry::{MapVersion, ReadPosition, SourceRegistry};
use crate::ingest::input::sources::SourceUpdate;
use crate::ingest::parse::Parsed;
use crate::ingest::summary::FileOutcome;
use crate::ingest::timings::Stage;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::store::ledger::Ledger;
use crate::store::rejects;
use crate::store::temp_files::TempFiles;
use crate::store::transaction::Transaction;
use crate::store::{Writer, cleanup_error};

/// A message with its number. The number restores the order of the input, since parsers finish in
/// any order.
pub type NumberedMessage = (u64, Message);

/// A message about a file.
#[derive(Debug)]
pub enum Message {
    /// A file begins.
    Begin {
        /// Index of the file.
        file: usize,
        /// Name of the file.
        name: String,
        /// How the file is read.
        outcome: FileOutcome,
        /// The map that reads the file; `None` for native lines.
        map: Option<MapVersion>,
        /// The open file, if it can be recorded in the source registry.
        handle: Option<File>,
        /// Bytes of the file that are skipped.
        skipped: u64,
    },
    /// A chunk of a parsed block.
    Chunk {
        /// Index of the file.
        file: usize,
        /// The events and rejected lines.
        parsed: Box<Parsed>,
        /// The part of the [`Backpressure`] limit that the chunk uses, in bytes.
        size: usize,
        /// The block, if this is its last chunk.
        block: Option<BlockExtent>,
    },
    /// A file ends.
    End {
        /// Index of the file.
        file: usize,
        /// How the file ended.
        end: FileEnd,
    },
}

impl Message {
    /// Returns whether this is the last message with its number.
    pub fn is_last(&self) -> bool {
        !matches!(self, Message::Chunk { block: None, .. })
    }
}

/// The part of a file that a block covers.
#[derive(Clone, Copy, Debug)]
pub struct BlockExtent {
    /// Bytes read for the block, before decompression.
    pub bytes: u64,
    /// The position after the block.
    pub position: ReadPosition,
}

/// The end of a file.
#[derive(Debug, Default)]
pub struct FileEnd {
    /// The error that prevented the file from being read to its end.
    pub error: Option<Error>,
    /// Whether the error occurred before anything was read.
    pub nothing_read: bool,
    /// The entry for the source registry.
    pub update: Option<Box<SourceUpdate>>,
}

/// Estimated memory, in bytes, of a session and its visitor while a batch is written: their entries
/// in the tables that find and sort them, the first-seen entry, and the stored row that the events
/// may extend.
pub(super) const BYTES_PER_SESSION: usize = 1024;

/// Parsed chunks that have not been written.
#[derive(Default)]
pub(super) struct Batch {
    /// The chunks, each with the index of its file.
    pub chunks: Vec<(usize, Parsed)>,
    /// Estimated memory of the batch, in bytes.
    pub bytes: usize,
}

/// The size of the batches that wait for a commit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uncommitted {
    pub batches: usize,
    /// Estimated memory that the batches took, in bytes.
    pub bytes: usize,
}

/// The state of an ingest. The methods that write a batch are in [`flush`](super::flush), those
/// that set it aside in [`scatter`](super::scatter).
pub(super) struct IngestRun<'a> {
    pub writer: Writer,
    /// The current transaction; `None` only while it is being committed.
    pub transaction: Option<Transaction>,
    pub options: &'a IngestOptions,
    pub settings: &'a Settings,
    pub progress: &'a dyn Progress,
    pub ledger: Ledger,
    pub suppression: Option<Suppression>,
    pub registry: SourceRegistry,
    pub key_fingerprint: String,
    pub options_hash: String,
    pub batch: Batch,
    pub files: FileProgress,
    pub report: IngestReport,
    /// The first rejected lines of each reason.
    pub reject_samples: RejectSamples,
    /// The size at which a batch is written.
    pub batch_bytes: usize,
    /// The index of a file, and the counter of its identical lines.
    pub ordinals: (usize, Ordinals),
    /// Whether lines of several files can alternate. If so, ordinals are kept for all files.
    pub has_interleaved_files: bool,
    pub temp_files: TempFiles,
    /// The stored rejected lines, to store each line once.
    pub rejects: rejects::RejectIndex,
    /// The ids of stored events that are cached from batch to batch.
    pub stored_ids: StoredIds,
    /// Events of batches that are set aside as runs.
    pub scatter: Scatter,
    /// Changes of the current transaction that the daily statistics do not include yet.
    pub stats_update: StatsUpdate,
    /// Whether the current transaction contains changes.
    pub changed: bool,
    /// The batches of the current transaction since its first change.
    pub uncommitted: Uncommitted,
    /// Whether at least one transaction was committed.
    pub committed: bool,
}

impl IngestRun<'_> {
    /// Handles all messages, in the order of their numbers, and writes every full batch.
    pub fn receive_all(
        &mut self,
        receiver: Receiver<NumberedMessage>,
        backpressure: &Backpressure,
    ) -> Result<()> {
        let mut waiting: BTreeMap<u64, VecDeque<Message>> = BTreeMap::new();
        let mut next = 0;
        for (number, message) in receiver {
            waiting.entry(number).or_default().push_back(message);
            while let Some(message) = waiting.get_mut(&next).and_then(VecDeque::pop_front) {
                self.report.timings.record(Stage::Wait);
                match &message {
                    Message::Chunk { size, .. } => backpressure.release(next, *size),
                    Message::End { .. } => backpressure.end_file(),
                    Message::Begin { .. } => {}
                }
                if message.is_last() {
                    waiting.remove(&next);
                    next += 1;
                    backpressure.set_next(next);
                }
                self.handle(message)?;
                self.report.timings.record(Stage::Gather);
            }
        }
        self.flush(true)
    }

    fn handle(&mut self, message: Message) -> Result<()> {
        match message {
            Message::Begin { file, name, outcome, map, handle, skipped } => {
                self.progress.set_step(&name);
                self.progress.advance(skipped);
                self.files.begin(file, name, outcome, map, handle);
            }
            Message::Chunk { file, parsed, size, block } => {
                self.files.add_chunk(file, &parsed, block.map(|block| block.position));
                self.batch.bytes += size;
                // The events of a run are divided into batches when the run is read.
                if !self.scatter.has_runs() {
                    self.batch.bytes += parsed.session_keys * BYTES_PER_SESSION;
                }
                self.batch.chunks.push((file, *parsed));
                self.progress.advance(block.map_or(0, |block| block.bytes));
                if self.batch.bytes >= self.batch_bytes {
                    self.flush(false)?;
                }
            }
            Message::End { file, end } => self.report.problems.extend(self.files.end(file, end)),
        }
        Ok(())
    }

    /// Commits the last transaction, unless too many lines were rejected.
    pub fn commit_rest(&mut self) -> Result<()> {
        let rejected = self.files.total().rejected_total();
        if self.options.max_rejects.is_some_and(|limit| rejected > limit) {
            (self.report.committed, self.report.too_many_rejected) = (false, true);
            drop(self.transaction.take());
        } else if let Some(transaction) = self.transaction.take()
            && (self.changed || self.files.has_updates())
        {
            self.commit(transaction)?;
        }
        // The summary shows the outcomes of all lines, even if nothing was committed.
        self.files.settle();
        Ok(())
    }

    /// Closes the writer and returns the report of a completed ingest.
    pub fn finish(self) -> IngestReport {
        let IngestRun { writer, files, mut report, .. } = self;
        let is_committed = report.committed;
        let failed = |cause| if is_committed { cleanup_error("ingest", cause) } else { cause };
        report.failure = writer.finish().err().map(failed);
        report.had_other_map = files.with_other_map();
        report.summary = files.into_summary();
        report
    }

    /// Returns the report of an ingest that failed.
    pub fn into_report(self) -> IngestReport {
        let IngestRun { writer, transaction, files, mut report, .. } = self;
        drop(transaction);
        writer.abandon();
        report.had_other_map = files.with_other_map();
        report.summary = files.into_summary();
        report
    }
}
