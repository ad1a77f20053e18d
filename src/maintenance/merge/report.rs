//! The result of a merge.

use serde::Serialize;

use crate::ingest::batch::EventOutcome;

/// The result of a merge or its dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MergeReport {
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Whether the store was changed, or would be.
    pub changed: bool,
    /// The sources, in the order in which they were named.
    pub sources: Vec<MergedSource>,
    /// Rows of the target that were erased because a source has forgotten the person.
    pub erased: ErasedRows,
    /// Events before and after.
    pub events: [u64; 2],
    /// Sessions before and after.
    pub sessions: [u64; 2],
    /// Visitors before and after.
    pub visitors: [u64; 2],
    /// Rejected lines before and after.
    pub rejects: [u64; 2],
}

/// The rows of one source, by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MergedSource {
    /// Path of the store.
    pub store: String,
    /// The events of the source, by outcome.
    pub events: MergedEvents,
    /// The sessions of the source, by outcome.
    pub sessions: MergedSessions,
    /// Days with pruned sessions whose daily statistics were copied.
    pub pruned_days: u64,
    /// The rejected lines of the source, by outcome.
    pub rejects: MergedRejects,
    /// Ingested files that the target's source registry lacked.
    pub files: u64,
}

/// The outcomes of the events of a source. They add up to `read`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MergedEvents {
    /// Events of the source.
    pub read: u64,
    /// Events that were added.
    pub new: u64,
    /// Events that the target already had.
    pub duplicate: u64,
    /// Events of days that the target has pruned.
    pub already_pruned: u64,
    /// Events of forgotten people.
    pub forgotten: u64,
    /// Duplicates whose time or name differs.
    pub id_conflicts: u64,
}

impl MergedEvents {
    /// Counts an event.
    pub(super) fn add(&mut self, outcome: EventOutcome) {
        self.read += 1;
        match outcome {
            EventOutcome::Stored => self.new += 1,
            EventOutcome::Duplicate => self.duplicate += 1,
            EventOutcome::AlreadyPruned => self.already_pruned += 1,
            EventOutcome::Forgotten => self.forgotten += 1,
        }
    }
}

/// The sessions of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MergedSessions {
    /// Sessions of the source.
    pub read: u64,
    /// Sessions with pruned events that were added as rows.
    pub added_as_rows: u64,
    /// Sessions with pruned events that were not added, because the target has a session of the
    /// same key at that time.
    pub already_stored: u64,
    /// Sessions with pruned events, on days that the target has pruned.
    pub already_pruned: u64,
    /// Sessions with pruned events, of forgotten people.
    pub forgotten: u64,
}

/// The outcomes of the rejected lines of a source. They add up to `read`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MergedRejects {
    /// Rejected lines of the source.
    pub read: u64,
    /// Lines that were added.
    pub new: u64,
    /// Lines that the target already had.
    pub duplicate: u64,
    /// Lines of forgotten people.
    pub forgotten: u64,
}

/// Rows that were erased from the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ErasedRows {
    /// Events.
    pub events: u64,
    /// Sessions with pruned events. Other sessions are recomputed.
    pub sessions: u64,
    /// Visitors.
    pub visitors: u64,
    /// Rejected lines.
    pub rejects: u64,
}

impl ErasedRows {
    /// Returns whether no row was erased.
    pub fn is_empty(&self) -> bool {
        *self == ErasedRows::default()
    }
}
