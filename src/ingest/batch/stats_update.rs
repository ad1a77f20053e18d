//! Updates daily statistics once for several batches.
//!
//! The statistics of a day are computed from all its sessions, and list every campaign source of
//! the day. If each of n batches of one day updated them, the time would grow with n². A commit
//! therefore waits until the number of sessions that its batches have changed is at least the
//! number of sessions and rows that the last update read. Then all updates of a day together read
//! at most about twice the number of its sessions. A batch of an ordinary log changes more than
//! that, so its statistics do not delay the commit.

use super::{TableChanges, WriteContext};
use crate::error::Result;
use crate::store::snapshot::Snapshot;
use crate::store::transaction::Transaction;
use crate::store::update;
use crate::store::update::pruned_days::PrunedDays;

/// The changes of the batches since daily statistics were last updated.
#[derive(Debug, Default)]
pub struct StatsUpdate {
    /// The state before the first of the batches.
    before: Option<Snapshot>,
    waiting: Option<TableChanges>,
    /// Sessions and rows that the last update read.
    last_read: u64,
}

impl StatsUpdate {
    /// Records the state of the tables before a batch is written to the transaction.
    ///
    /// # Errors
    /// Fails if the manifest's time zone is unknown.
    pub fn begin_batch(&mut self, transaction: &mut Transaction) -> Result<()> {
        if self.before.is_none() {
            self.before = Some(transaction.snapshot()?);
        }
        Ok(())
    }

    /// Adds the changes of a batch.
    pub fn add(&mut self, changes: TableChanges) {
        match &mut self.waiting {
            Some(waiting) => waiting.merge(changes),
            None => self.waiting = Some(changes),
        }
    }

    /// Returns whether there are enough changes for an update.
    pub fn is_due(&self) -> bool {
        self.waiting
            .as_ref()
            .is_none_or(|waiting| waiting.sessions.sessions >= self.last_read || waiting.is_large())
    }

    /// Returns whether the changes take so much memory that they should not wait.
    pub fn is_large(&self) -> bool {
        self.waiting.as_ref().is_some_and(TableChanges::is_large)
    }

    /// Updates the daily statistics for the changed sessions and visitors of a transaction.
    ///
    /// # Errors
    /// Fails if a stored file cannot be read, or a file cannot be written.
    pub fn apply(&mut self, transaction: &mut Transaction, context: WriteContext<'_>) -> Result<()> {
        let (Some(before), Some(TableChanges { sessions, first_seen_updates, since })) =
            (self.before.take(), self.waiting.take())
        else {
            return Ok(());
        };
        let pruned = PrunedDays::load(&before, context.ledger, since)?;
        let after = transaction.snapshot()?;
        self.last_read =
            update::daily::update(&after, transaction, sessions, &first_seen_updates, &pruned, context.now)?;
        Ok(())
    }
}
