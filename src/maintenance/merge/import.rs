//! Adds the rows of one source to the target.

use super::pruned_days::AdoptedDays;
use super::pruned_sessions::PrunedSessions;
use super::report::MergedSource;
use super::run::{MergeRun, PendingStatistics};
use super::source::SourceState;
use super::visitors::{self, ForgottenSightings};
use crate::error::Result;
use crate::event::{Block, Event, EventRow};
use crate::ingest::batch::{self, EventOutcome, WriteContext};
use crate::ingest::timings::StageTimings;
use crate::maintenance::replay::{KeyShard, event_batches, prefetch};
use crate::store::Snapshot;
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::update::time_ranges::SessionSpans;
use crate::time::{DAY, Day};

/// Estimated memory, in bytes, of a session and its visitor while a batch is written.
const BYTES_PER_SESSION: usize = 1024;

/// The import of one source.
pub(super) struct SourceImport<'r, 'a> {
    run: &'r mut MergeRun<'a>,
    state: &'r SourceState<'r>,
    /// The source, with open files of events.
    snapshot: Snapshot,
    adopted: AdoptedDays,
    forgotten: ForgottenSightings,
    merged: MergedSource,
}

impl<'r, 'a> SourceImport<'r, 'a> {
    pub(super) fn new(run: &'r mut MergeRun<'a>, state: &'r SourceState<'r>) -> Result<Self> {
        let snapshot = state.snapshot.pin_files(Table::Events, None)?;
        let adopted = AdoptedDays::find(&run.transaction.snapshot()?, &run.ledger, &state.ledger)?;
        let mut merged = MergedSource::default();
        merged.sessions.read = snapshot.manifest().files(Table::Sessions).iter().map(|file| file.rows).sum();
        Ok(SourceImport { run, state, snapshot, adopted, forgotten: ForgottenSightings::default(), merged })
    }

    /// Adds all rows. Returns the numbers of rows by outcome.
    pub(super) fn run(mut self) -> Result<MergedSource> {
        // Use the ledger from before this source: days that the source adds must not exclude its
        // own events.
        let ledger = self.run.ledger.clone();
        let mut statistics = PendingStatistics::new(self.run.transaction, &ledger, self.run.clock.now)?;
        self.merge_events(&ledger, &mut statistics)?;
        // If nothing was pruned or erased, every first-seen time is the time of an event.
        let has_events_only = self.state.ledger == Ledger::default() && ledger == Ledger::default();
        let late = match has_events_only {
            true => Vec::new(),
            false => visitors::merge(
                self.run,
                self.state,
                &ledger,
                &self.adopted,
                &self.forgotten,
                &mut statistics,
            )?,
        };
        statistics.apply(self.run.transaction)?;
        self.merged.pruned_days = self.adopted.write(self.run, self.state, late)?;
        Ok(self.merged)
    }

    fn merge_events(&mut self, ledger: &Ledger, statistics: &mut PendingStatistics<'_>) -> Result<()> {
        let snapshot = self.snapshot.clone();
        let name = self.state.name();
        let mut pruned = PrunedSessions::new(&snapshot, &self.state.ledger, ledger);
        let mut batch = Batch::default();
        std::thread::scope(|scope| {
            let mut date = None;
            for events in prefetch(scope, event_batches(&snapshot, KeyShard::ALL)) {
                let events = events?;
                if date.replace(events.date) != Some(events.date) {
                    self.run.progress.set_step(&format!("{name} {}", events.date));
                    // Sessions that count events of this date must be added before these events.
                    let changes =
                        pruned.merge_through(events.date, self.run, &mut self.merged, &mut batch.counted)?;
                    changes
                        .into_iter()
                        .try_for_each(|changes| statistics.add(self.run.transaction, changes))?;
                }
                batch.add(events.date, events.block);
                if batch.bytes >= self.run.batch_bytes {
                    self.write(&mut batch, ledger, statistics)?;
                }
                self.run.progress.advance(events.bytes);
            }
            self.write(&mut batch, ledger, statistics)?;
            let changes = pruned.merge_rest(self.run, &mut self.merged, &mut batch.counted)?;
            changes.into_iter().try_for_each(|changes| statistics.add(self.run.transaction, changes))
        })
    }

    /// Writes a batch, and empties it.
    fn write(
        &mut self,
        batch: &mut Batch,
        ledger: &Ledger,
        statistics: &mut PendingStatistics<'_>,
    ) -> Result<()> {
        let blocks = std::mem::take(&mut batch.blocks);
        batch.bytes = 0;
        let events: Vec<Event<'_>> =
            blocks.iter().flat_map(|block| block.rows.iter().map(|row| block.event(row))).collect();
        if events.is_empty() {
            return Ok(());
        }
        let run = &mut *self.run;
        let context = WriteContext {
            counted: Some(&batch.counted),
            suppression: run.suppression.as_ref(),
            zone: run.settings.timezone,
            timeout: run.settings.session_timeout,
            ledger,
            now: run.clock.now,
        };
        let mut timings = StageTimings::default();
        let outcome = batch::write(run.transaction, &events, context, &mut run.stored_ids, &mut timings)?;
        for (event, outcome) in events.iter().zip(&outcome.events) {
            self.merged.events.add(*outcome);
            if *outcome == EventOutcome::Forgotten {
                self.forgotten.add(*event);
            }
        }
        self.merged.events.id_conflicts += outcome.id_conflicts;
        if let Some(changes) = outcome.changes {
            statistics.add(run.transaction, changes)?;
        }
        if let Some(date) = batch.date {
            // Later batches contain no event before the latest date of this one.
            batch.counted.remove_ended(i64::from(date.0) * DAY);
        }
        crate::allocator::release_free_memory();
        Ok(())
    }
}

/// Events that are not written yet.
#[derive(Default)]
struct Batch {
    blocks: Vec<Block>,
    /// Estimated memory in bytes.
    bytes: usize,
    /// The latest date.
    date: Option<Day>,
    /// Added sessions that already count their events.
    counted: SessionSpans,
}

impl Batch {
    fn add(&mut self, date: Day, block: Block) {
        let rows = block.rows.capacity() * size_of::<EventRow>();
        let sessions = block.rows.chunk_by(|a, b| a.key == b.key).count();
        self.bytes += block.texts.capacity() + rows + sessions * BYTES_PER_SESSION;
        self.date = Some(date);
        self.blocks.push(block);
    }
}
