//! Writes a batch to the current transaction, and commits transactions.

use super::MAX_BATCH;
use super::options::IngestOptions;
use super::report::RejectedLineRef;
use super::run::{Batch, IngestRun, Uncommitted};
use crate::error::Result;
use crate::event::Event;
use crate::ingest::batch::suppression::Suppression;
use crate::ingest::batch::{self, BatchOutcome, EventOutcome, WriteContext};
use crate::ingest::parse::rejected::RejectReason;
use crate::ingest::parse::warnings::Warning;
use crate::ingest::timings::Stage;
use crate::interruption;
use crate::settings::Settings;
use crate::store::ledger::Ledger;
use crate::store::rejects;
use crate::store::transaction::Transaction;
use crate::time::{Day, format_utc};

/// The largest number of rejected lines that a report lists.
const MAX_NAMED: usize = 10;

impl IngestRun<'_> {
    /// Writes the batch, unless [`scatter`](Self::scatter) sets it aside as a run. Then commits,
    /// unless the ingest commits only once at the end, or the commit waits for more batches.
    /// `is_last` is set at the end of the input.
    pub(super) fn flush(&mut self, is_last: bool) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        self.assign_ids(&mut batch)?;
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        let has_runs = self.scatter(&mut batch, is_last)?;
        let bytes = batch.bytes;
        self.write(&mut transaction, batch)?;
        if has_runs && !self.has_waiting_runs(is_last) {
            self.write_runs(&mut transaction)?;
            // The commit counts as full, so that an interrupted ingest loses at most the work of
            // these runs.
            self.uncommitted.batches = self.options.batches_per_commit;
        } else if self.changed {
            self.uncommitted.batches += 1;
            self.uncommitted.bytes += bytes;
        }
        let waits = self.has_waiting_runs(is_last) || (self.changed && !self.is_commit_due());
        if waits || self.options.commits_once() {
            self.transaction = Some(transaction);
        } else if self.changed || self.files.has_updates() {
            self.commit(transaction)?;
            self.transaction = Some(self.writer.begin());
        } else {
            self.files.settle();
            self.transaction = Some(transaction);
        }
        crate::allocator::release_free_memory();
        Ok(())
    }

    /// Returns whether the changes of the current transaction should be committed.
    fn is_commit_due(&self) -> bool {
        let Uncommitted { batches, bytes } = self.uncommitted;
        let is_full = batches >= self.options.batches_per_commit || bytes as u64 >= MAX_BATCH;
        self.stats_update.is_due() && (is_full || self.stats_update.is_large())
    }

    /// Assigns ids to the events whose lines have none.
    fn assign_ids(&mut self, batch: &mut Batch) -> Result<()> {
        let (counted_file, ordinals) = &mut self.ordinals;
        for chunks in batch.chunks.chunk_by_mut(|a, b| a.0 == b.0) {
            let Some(&(file, _)) = chunks.first() else { continue };
            if std::mem::replace(counted_file, file) != file {
                match self.has_interleaved_files {
                    true => ordinals.continue_file(file),
                    false => ordinals.clear(&self.temp_files),
                }
            }
            let rows = chunks.iter_mut().flat_map(|(_, parsed)| &mut parsed.block.rows);
            ordinals.assign(rows, &self.temp_files)?;
        }
        Ok(())
    }

    /// Writes events and rejected lines, and counts their outcomes.
    fn write(&mut self, transaction: &mut Transaction, batch: Batch) -> Result<()> {
        let mut events: Vec<Event<'_>> =
            Vec::with_capacity(batch.chunks.iter().map(|(_, parsed)| parsed.block.rows.len()).sum());
        for (_, parsed) in &batch.chunks {
            events.extend(parsed.block.rows.iter().map(|row| parsed.block.event(row)));
        }
        let outcome = self.write_events(transaction, &events)?;
        let rejects = self.count_outcomes(&batch, &outcome);
        let snapshot = transaction.snapshot()?;
        let now = self.options.clock.now;
        let added = rejects::append(&snapshot, transaction, rejects, &mut self.rejects, now)?;
        self.report.new_rejects += added;
        self.changed |= added > 0;
        self.report.timings.record(Stage::Rejects);
        Ok(())
    }

    /// Adds events to a transaction.
    pub(super) fn write_events(
        &mut self,
        transaction: &mut Transaction,
        events: &[Event<'_>],
    ) -> Result<BatchOutcome> {
        let context = write_context(self.settings, &self.ledger, self.suppression.as_ref(), self.options);
        let timings = &mut self.report.timings;
        timings.record(Stage::Gather);
        self.stats_update.begin_batch(transaction)?;
        let mut outcome = batch::write(transaction, events, context, &mut self.stored_ids, timings)?;
        if let Some(changes) = outcome.changes.take() {
            self.stats_update.add(changes);
            self.changed = true;
        }
        Ok(outcome)
    }

    /// Adds the outcomes of a batch to the counts of its files. Returns the rejected lines to
    /// store.
    fn count_outcomes(&mut self, batch: &Batch, outcome: &BatchOutcome) -> Vec<rejects::RejectRecord> {
        let mut rejects = Vec::new();
        let rejected_at = format_utc(self.options.clock.now);
        let mut outcomes = outcome.events.iter();
        for (file, parsed) in &batch.chunks {
            let mut stored = 0;
            for (row, outcome) in parsed.block.rows.iter().zip(outcomes.by_ref()) {
                match outcome {
                    EventOutcome::Stored => stored += 1,
                    _ => self.count_event(*file, parsed.block.event(row), *outcome),
                }
            }
            let Some(state) = self.files.get_mut(*file) else { continue };
            let counts = &mut state.pending;
            counts.stored += stored;
            counts.read += parsed.read;
            counts.ignored += parsed.ignored;
            counts.blank += parsed.blank;
            counts.unfinished += u64::from(parsed.unfinished.is_some());
            counts.warnings.merge(&parsed.warnings);
            self.report.utc_times += parsed.utc_times;
            for rejected in &parsed.rejected {
                if let Some(suppression) = &self.suppression
                    && suppression.suppresses_rejected(rejected, &parsed.block)
                {
                    counts.forgotten += rejected.count;
                    continue;
                }
                counts.add_rejected(rejected.reason, rejected.count);
                if self.options.max_rejects.is_some() && self.report.first_rejected.len() < MAX_NAMED {
                    let (file, line, reason) = (state.name.clone(), rejected.line, rejected.reason);
                    self.report.first_rejected.push(RejectedLineRef { file, line, reason });
                }
                state.has_future_lines |= rejected.reason == RejectReason::FutureTimestamp;
                let record = rejected.to_record(&state.name, &rejected_at);
                self.reject_samples.add(rejected.reason, &record);
                rejects.push(record);
            }
        }
        self.count_id_conflicts(batch.chunks.last().map(|(file, _)| *file), outcome);
        rejects
    }

    /// Adds the outcome of an event to the counts of its file.
    pub(super) fn count_event(&mut self, file: usize, event: Event<'_>, outcome: EventOutcome) {
        let Some(state) = self.files.get_mut(file) else { return };
        let counts = &mut state.pending;
        match outcome {
            EventOutcome::Stored => counts.stored += 1,
            EventOutcome::Duplicate => counts.duplicate += 1,
            EventOutcome::Forgotten => counts.forgotten += 1,
            EventOutcome::AlreadyPruned => {
                counts.already_pruned += 1;
                let day = (event.chatbot_id().to_owned(), Day::utc(event.row.time));
                if self.report.pruned_days.last() != Some(&day) {
                    self.report.pruned_days.push(day);
                }
            }
        }
    }

    /// Counts the id conflicts of a batch. A conflict involves several files, so it is counted for
    /// the last file of the batch.
    pub(super) fn count_id_conflicts(&mut self, last_file: Option<usize>, outcome: &BatchOutcome) {
        if let (Some(state), 1..) =
            (last_file.and_then(|file| self.files.get_mut(file)), outcome.id_conflicts)
        {
            state.pending.warnings.add_many(Warning::IdNamesDifferentEvents, outcome.id_conflicts);
        }
        self.report.pruned_days.sort();
        self.report.pruned_days.dedup();
    }

    /// Updates the daily statistics that the events of a transaction change.
    pub(super) fn update_statistics(&mut self, transaction: &mut Transaction) -> Result<()> {
        let context = write_context(self.settings, &self.ledger, self.suppression.as_ref(), self.options);
        self.stats_update.apply(transaction, context)?;
        self.report.timings.record(Stage::Daily);
        Ok(())
    }

    /// Commits a transaction together with the source registry and the figures of `wa status`.
    pub(super) fn commit(&mut self, mut transaction: Transaction) -> Result<()> {
        let now = self.options.clock.now;
        self.update_statistics(&mut transaction)?;
        self.files.update_registry(&mut self.registry, &self.options_hash, now);
        let (bytes, files) = (self.registry.to_bytes()?, self.registry.len() as u64);
        transaction.replace_state_file("sources", |m| &mut m.sources, &bytes, files, now)?;
        let total = self.files.total();
        let manifest = transaction.manifest();
        manifest.key_fingerprint = Some(self.key_fingerprint.clone());
        manifest.last_ingest = Some(total.last_run(now));
        interruption::count_events(total.stored);
        self.writer.commit(transaction, now)?;
        self.committed = true;
        self.files.settle();
        self.report.timings.record(Stage::Commit);
        self.changed = false;
        self.uncommitted = Uncommitted::default();
        Ok(())
    }
}

/// Returns the settings and the ledger that decide how events are written.
pub(super) fn write_context<'a>(
    settings: &Settings,
    ledger: &'a Ledger,
    suppression: Option<&'a Suppression>,
    options: &IngestOptions,
) -> WriteContext<'a> {
    let (zone, timeout) = (settings.timezone, settings.session_timeout);
    WriteContext { zone, timeout, ledger, suppression, counted: None, now: options.clock.now }
}
