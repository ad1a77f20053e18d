//! Writes a batch to the current transaction, and commits transactions.

use super::report::RejectedLineRef;
use super::run::{Batch, IngestRun};
use crate::error::Result;
use crate::event::Event;
use crate::ingest::batch::{self, BatchOutcome, EventOutcome, WriteContext};
use crate::ingest::parse::rejected::RejectReason;
use crate::ingest::parse::warnings::Warning;
use crate::ingest::timings::Stage;
use crate::store::manifest::LastRun;
use crate::store::rejects;
use crate::store::transaction::Transaction;
use crate::time::Day;

/// The largest number of rejected lines that a report names.
const MAX_NAMED: usize = 10;

impl IngestRun<'_> {
    /// Writes the batch, and commits it unless there is a single commit at the end.
    pub(super) fn flush(&mut self) -> Result<()> {
        let mut batch = std::mem::take(&mut self.batch);
        self.assign_ids(&mut batch)?;
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        self.write(&mut transaction, batch)?;
        if self.options.commits_once() {
            self.transaction = Some(transaction);
            return Ok(());
        }
        if self.changed || self.files.has_updates() {
            self.commit(transaction)?;
            self.transaction = Some(self.writer.begin());
        } else {
            self.files.settle();
            self.transaction = Some(transaction);
        }
        crate::allocator::release_free_memory();
        Ok(())
    }

    /// Assigns ids to the events whose lines have none.
    fn assign_ids(&mut self, batch: &mut Batch) -> Result<()> {
        let (counted_file, ordinals) = &mut self.ordinals;
        for chunks in batch.chunks.chunk_by_mut(|a, b| a.0 == b.0) {
            let Some(&(file, _)) = chunks.first() else { continue };
            if std::mem::replace(counted_file, file) != file {
                ordinals.clear(&self.temp_files);
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
        let context = WriteContext {
            zone: self.settings.timezone,
            timeout: self.settings.session_timeout,
            ledger: &self.ledger,
            suppression: self.suppression.as_ref(),
            now: self.options.clock.now,
        };
        let timings = &mut self.report.timings;
        timings.record(Stage::Gather);
        let outcome = batch::write(transaction, &events, context, &mut self.stored_ids, timings)?;
        self.changed |= outcome.events.contains(&EventOutcome::Stored);
        let rejects = self.count_outcomes(&batch, &outcome);
        let snapshot = transaction.snapshot()?;
        let now = self.options.clock.now;
        let added = rejects::append(&snapshot, transaction, rejects, &mut self.rejects, now)?;
        self.report.new_rejects += added;
        self.changed |= added > 0;
        self.report.timings.record(Stage::Rejects);
        Ok(())
    }

    /// Adds the outcomes of a batch to the counts of its files. Returns the rejected lines to
    /// store.
    fn count_outcomes(&mut self, batch: &Batch, outcome: &BatchOutcome) -> Vec<rejects::RejectRecord> {
        let mut rejects = Vec::new();
        let mut outcomes = outcome.events.iter();
        for (file, parsed) in &batch.chunks {
            let outcomes = parsed.block.rows.iter().zip(outcomes.by_ref());
            let Some(state) = self.files.get_mut(*file) else { continue };
            let counts = &mut state.pending;
            for (row, outcome) in outcomes {
                match outcome {
                    EventOutcome::Stored => counts.stored += 1,
                    EventOutcome::Duplicate => counts.duplicate += 1,
                    EventOutcome::Forgotten => counts.forgotten += 1,
                    EventOutcome::AlreadyPruned => {
                        counts.already_pruned += 1;
                        let chatbot = parsed.block.event(row).chatbot_id();
                        let day = (chatbot.to_owned(), Day::utc(row.time));
                        if self.report.pruned_days.last() != Some(&day) {
                            self.report.pruned_days.push(day);
                        }
                    }
                }
            }
            counts.read += parsed.read;
            counts.blank += parsed.blank;
            counts.unfinished += u64::from(parsed.unfinished.is_some());
            counts.warnings.merge(&parsed.warnings);
            for rejected in &parsed.rejected {
                if let Some(suppression) = &self.suppression
                    && suppression.suppresses_rejected(rejected, &parsed.block)
                {
                    counts.forgotten += 1;
                    continue;
                }
                counts.add_rejected(rejected.reason, 1);
                if self.options.max_rejects.is_some() && self.report.first_rejected.len() < MAX_NAMED {
                    let (file, line, reason) = (state.name.clone(), rejected.line, rejected.reason);
                    self.report.first_rejected.push(RejectedLineRef { file, line, reason });
                }
                state.has_future_lines |= rejected.reason == RejectReason::FutureTimestamp;
                rejects.push(rejected.to_record(&state.name, self.options.clock));
            }
        }
        // A conflict of ids concerns the log as a whole; it is counted with the last file of the
        // batch.
        if let (Some(state), 1..) =
            (batch.chunks.last().and_then(|(file, _)| self.files.get_mut(*file)), outcome.id_conflicts)
        {
            state.pending.warnings.add_many(Warning::IdNamesDifferentEvents, outcome.id_conflicts);
        }
        self.report.pruned_days.sort();
        self.report.pruned_days.dedup();
        rejects
    }

    /// Commits a transaction together with the source registry and the figures of `wa status`.
    pub(super) fn commit(&mut self, mut transaction: Transaction) -> Result<()> {
        let now = self.options.clock.now;
        self.files.update_registry(&mut self.registry, &self.options_hash, now);
        let (bytes, files) = (self.registry.to_bytes()?, self.registry.len() as u64);
        transaction.replace_state_file("sources", |m| &mut m.sources, &bytes, files, now)?;
        let total = self.files.total();
        let counts = [
            ("read", total.read),
            ("stored", total.stored),
            ("duplicate", total.duplicate),
            ("rejected", total.rejected_total()),
        ];
        let manifest = transaction.manifest();
        manifest.key_fingerprint = Some(self.key_fingerprint.clone());
        manifest.last_ingest = Some(LastRun {
            at: now,
            counts: counts.into_iter().map(|(name, n)| (name.to_owned(), n)).collect(),
        });
        self.writer.commit(transaction, now)?;
        self.committed = true;
        self.files.settle();
        self.report.timings.record(Stage::Commit);
        self.changed = false;
        Ok(())
    }
}
