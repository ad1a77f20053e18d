//! The writing thread of an ingest: receives parsed chunks in order and collects them in batches.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::Receiver;

use super::backpressure::Backpressure;
use super::file_progress::FileProgress;
use super::messages::{Message, NumberedMessage};
use super::options::IngestOptions;
use super::report::IngestReport;
use super::scatter::Scatter;
use crate::error::Result;
use crate::ingest::batch::line_ids::Ordinals;
use crate::ingest::batch::stats_update::StatsUpdate;
use crate::ingest::batch::stored_ids::StoredIds;
use crate::ingest::batch::suppression::Suppression;
use crate::ingest::explanation::RejectSamples;
use crate::ingest::input::source_registry::SourceRegistry;
use crate::ingest::parse::Parsed;
use crate::ingest::timings::Stage;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::store::ledger::Ledger;
use crate::store::rejects;
use crate::store::temp_files::TempFiles;
use crate::store::transaction::Transaction;
use crate::store::{Writer, cleanup_error};

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
                self.files.add_chunk(file, parsed.all_have_ids, block.map(|block| block.position));
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
        report.summary = files.into_summary();
        report
    }

    /// Returns the report of an ingest that failed.
    pub fn into_report(self) -> IngestReport {
        let IngestRun { writer, transaction, files, mut report, .. } = self;
        drop(transaction);
        writer.abandon();
        report.summary = files.into_summary();
        report
    }
}
