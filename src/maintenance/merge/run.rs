//! A merge in progress: the target's transaction, and the rules for adding rows to it.

use std::collections::BTreeMap;

use super::MergeOptions;
use super::forgotten;
use super::import::SourceImport;
use super::rejects::{self, RejectFilter};
use super::report::{MergeReport, MergedSource};
use super::source::SourceState;
use crate::error::Result;
use crate::ingest::batch::TableChanges;
use crate::ingest::batch::stored_ids::StoredIds;
use crate::ingest::batch::suppression::Suppression;
use crate::ingest::input::source_registry::SourceRegistry;
use crate::ingest::pipeline::memory_shares;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::store::columns::Table;
use crate::store::key::SecretKey;
use crate::store::ledger::{DaySet, Ledger};
use crate::store::manifest::Manifest;
use crate::store::rejects::RejectIndex;
use crate::store::temp_files::TempFiles;
use crate::store::transaction::Transaction;
use crate::store::update;
use crate::store::update::pruned_days::PrunedDays;
use crate::time::{Clock, Micros};

/// A merge in progress.
pub(super) struct MergeRun<'a> {
    pub(super) transaction: &'a mut Transaction,
    pub(super) settings: &'a Settings,
    pub(super) clock: Clock,
    pub(super) progress: &'a dyn Progress,
    /// The ledger of the target, including the erasures of all sources.
    pub(super) ledger: Ledger,
    /// The ledger before the merge.
    ledger_before: Ledger,
    pub(super) suppression: Option<Suppression>,
    pub(super) key: Option<SecretKey>,
    pub(super) stored_ids: StoredIds,
    /// The size at which a batch is written.
    pub(super) batch_bytes: usize,
    rejects: RejectIndex,
    registry: SourceRegistry,
}

impl<'a> MergeRun<'a> {
    pub(super) fn new(
        transaction: &'a mut Transaction,
        temp_files: TempFiles,
        key: Option<SecretKey>,
        settings: &'a Settings,
        options: &MergeOptions,
        progress: &'a dyn Progress,
    ) -> Result<MergeRun<'a>> {
        crate::allocator::set_budget(settings.memory);
        let shares = memory_shares(settings.memory);
        let snapshot = transaction.snapshot()?;
        let registry = SourceRegistry::load(&snapshot)?;
        let ledger = Ledger::load(&snapshot)?;
        Ok(MergeRun {
            transaction,
            settings,
            clock: options.clock,
            progress,
            ledger_before: ledger.clone(),
            ledger,
            suppression: None,
            key,
            stored_ids: StoredIds::new(shares.stored_ids, temp_files.clone()),
            batch_bytes: options.batch_bytes.unwrap_or(shares.batch),
            rejects: RejectIndex::new(temp_files),
            registry,
        })
    }

    /// Adds all sources to the transaction.
    ///
    /// # Errors
    /// Fails if a file of a store is missing or damaged, or a new file cannot be written.
    pub(super) fn merge(mut self, states: &[SourceState<'_>]) -> Result<MergeReport> {
        let size = |state: &SourceState<'_>| {
            state.snapshot.manifest().files(Table::Events).iter().map(|file| file.bytes).sum::<u64>()
        };
        self.progress.set_total(states.iter().map(size).sum());
        let before = Rows::count(self.transaction.manifest());
        states.iter().for_each(|state| self.ledger.forget_all_of(&state.ledger));
        if let Some(key) = &self.key {
            self.suppression = Suppression::new(&self.ledger, key);
        }
        let erased = forgotten::erase(&mut self, states)?;
        let mut sources: BTreeMap<usize, MergedSource> = BTreeMap::new();
        let mut order: Vec<(usize, &SourceState<'_>)> = states.iter().enumerate().collect();
        // Merge stores without pruned data first: the events of a day must be added before session
        // rows whose events are pruned.
        order.sort_by_key(|(_, state)| state.has_pruned_data());
        for (index, state) in order {
            let mut merged = SourceImport::new(&mut self, state)?.run()?;
            merged.store = state.name();
            sources.insert(index, merged);
        }
        let mut filter = RejectFilter::new(&self)?;
        let mut files = 0;
        for (state, merged) in states.iter().zip(sources.values_mut()) {
            merged.rejects =
                rejects::merge(self.transaction, &state.snapshot, &mut filter, &mut self.rejects)?;
            merged.files = self.registry.merge(state.registry.clone());
            files += merged.files;
        }
        self.finish(states, files)?;
        let after = Rows::count(self.transaction.manifest());
        let pair = |of: fn(&Rows) -> u64| [of(&before), of(&after)];
        Ok(MergeReport {
            sources: sources.into_values().collect(),
            erased,
            events: pair(|rows| rows.events),
            sessions: pair(|rows| rows.sessions),
            visitors: pair(|rows| rows.visitors),
            rejects: pair(|rows| rows.rejects),
            ..MergeReport::default()
        })
    }

    /// Writes the source registry, the ledger and the manifest, if there is anything to commit.
    fn finish(&mut self, states: &[SourceState<'_>], new_files: u64) -> Result<()> {
        let now = self.clock.now;
        if new_files > 0 {
            let (bytes, files) = (self.registry.to_bytes()?, self.registry.len() as u64);
            self.transaction.replace_state_file("sources", |m| &mut m.sources, &bytes, files, now)?;
        }
        if self.ledger != self.ledger_before {
            self.ledger.write(self.transaction, now)?;
        }
        let last_day = |days: &BTreeMap<String, DaySet>| days.values().filter_map(DaySet::last).max();
        let (events, sessions) =
            (last_day(&self.ledger.pruned_events), last_day(&self.ledger.pruned_sessions));
        let fingerprint = self.key.as_ref().map(SecretKey::fingerprint);
        let manifest = self.transaction.manifest();
        manifest.events_pruned_through = manifest.events_pruned_through.max(events);
        manifest.sessions_pruned_through = manifest.sessions_pruned_through.max(sessions);
        if states.iter().any(|state| state.snapshot.manifest().key_fingerprint.is_some()) {
            manifest.key_fingerprint = fingerprint.or(manifest.key_fingerprint.take());
        }
        let last_ingests = states.iter().filter_map(|state| state.snapshot.manifest().last_ingest.clone());
        let latest =
            manifest.last_ingest.take().into_iter().chain(last_ingests).rev().max_by_key(|run| run.at);
        manifest.last_ingest = latest;
        Ok(())
    }
}

/// The numbers of rows of a store.
struct Rows {
    events: u64,
    sessions: u64,
    visitors: u64,
    rejects: u64,
}

impl Rows {
    fn count(manifest: &Manifest) -> Rows {
        let rows = |table: Table| manifest.files(table).iter().map(|file| file.rows).sum();
        Rows {
            events: rows(Table::Events),
            sessions: rows(Table::Sessions),
            visitors: rows(Table::Visitors),
            rejects: manifest.rejects.iter().map(|file| file.rows).sum(),
        }
    }
}

/// Changes of a source that the daily statistics do not include yet.
pub(super) struct PendingStatistics<'l> {
    ledger: &'l Ledger,
    /// The statistics of pruned days before these changes. They are read immediately, because later
    /// changes of the same transaction replace the files.
    pruned: PrunedDays<'l>,
    changes: Option<TableChanges>,
    now: Micros,
}

impl<'l> PendingStatistics<'l> {
    /// Creates an empty set of changes. `ledger` contains the days that were pruned before these
    /// changes.
    pub(super) fn new(transaction: &mut Transaction, ledger: &'l Ledger, now: Micros) -> Result<Self> {
        let pruned = PrunedDays::load(&transaction.snapshot()?, ledger, Micros::MIN)?;
        Ok(PendingStatistics { ledger, pruned, changes: None, now })
    }

    /// Adds changes, and updates the statistics if there are many.
    pub(super) fn add(&mut self, transaction: &mut Transaction, changes: TableChanges) -> Result<()> {
        match &mut self.changes {
            Some(pending) => pending.merge(changes),
            None => self.changes = Some(changes),
        }
        match &self.changes {
            Some(changes) if changes.is_large() => self.apply(transaction),
            _ => Ok(()),
        }
    }

    /// Updates the statistics.
    pub(super) fn apply(&mut self, transaction: &mut Transaction) -> Result<()> {
        let Some(TableChanges { sessions, first_seen_updates, .. }) = self.changes.take() else {
            return Ok(());
        };
        let after = transaction.snapshot()?;
        update::daily::update(&after, transaction, sessions, &first_seen_updates, &self.pruned, self.now)?;
        *self = PendingStatistics::new(transaction, self.ledger, self.now)?;
        Ok(())
    }
}
