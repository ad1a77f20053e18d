//! Erases people from the target whom a source has forgotten.
//!
//! The source's ledger contains only keyed hashes. All rows that an ingest would suppress are
//! removed: events, first-seen times of their ids, rejected lines, and sessions with pruned events.
//! Other sessions and the daily statistics are then recomputed.

use std::collections::BTreeMap;

use super::rejects::RejectFilter;
use super::report::ErasedRows;
use super::run::MergeRun;
use super::source::SourceState;
use super::visitors::ForgottenSightings;
use crate::error::Result;
use crate::event::Event;
use crate::ingest::batch::suppression::Suppression;
use crate::maintenance::rebuild::rebuild_tables;
use crate::maintenance::replay::SESSIONS_TOGETHER;
use crate::progress::NoProgress;
use crate::store::Snapshot;
use crate::store::columns::Table;
use crate::store::ledger::{Forgotten, Ledger};
use crate::store::manifest::DataFile;
use crate::store::rejects::rewrite::{RejectChange, rewrite};
use crate::store::tables;
use crate::store::tables::visitors::Visitor;
use crate::store::transaction::Transaction;
use crate::store::update::pruned_days::PrunedDays;
use crate::store::update::time_ranges::SessionSpans;
use crate::store::update::{PartialRewrite, partition};
use crate::time::Micros;

/// Maximum number of rows that are decoded at a time.
const ROWS_TOGETHER: usize = 1 << 13;

/// Erases the rows of people whom a source has forgotten but the target has not.
pub(super) fn erase(run: &mut MergeRun<'_>, states: &[SourceState<'_>]) -> Result<ErasedRows> {
    let mut erased = ErasedRows::default();
    let before = run.transaction.snapshot()?;
    let known = Ledger::load(&before)?;
    let Some(key) = &run.key else { return Ok(erased) };
    let Some(suppression) = Suppression::new(&forgotten_by_others(&known, states), key) else {
        return Ok(erased);
    };
    let pruned_days = PrunedDays::load(&before, &known, Micros::MIN)?;
    let (mut removed, mut sightings) = (SessionSpans::default(), ForgottenSightings::default());
    erased.events = erase_events(run.transaction, &suppression, &mut removed, &mut sightings)?;
    erased.sessions = erase_partial_sessions(run.transaction, &known, &suppression, &removed)?;
    erased.visitors = erase_visitors(run.transaction, &suppression, &sightings)?;
    let mut filter = RejectFilter::new(run)?;
    rewrite(
        run.transaction,
        |_| true,
        |reject| match filter.is_forgotten(reject) {
            true => {
                erased.rejects += 1;
                RejectChange::Remove
            }
            false => RejectChange::Keep,
        },
    )?;
    if erased.events + erased.sessions + erased.visitors > 0 {
        // A rebuild in several shards reads session files repeatedly. The new files of this
        // transaction are removed as soon as they are replaced, so they can be read only once.
        let sessions_together = if erased.sessions > 0 { u64::MAX } else { SESSIONS_TOGETHER };
        let (settings, clock) = (run.settings, run.clock);
        rebuild_tables(run.transaction, &pruned_days, settings, clock, &NoProgress, sessions_together)?;
    }
    Ok(erased)
}

/// Returns a ledger of the sources' erasures that the target's ledger lacks.
fn forgotten_by_others(known: &Ledger, states: &[SourceState<'_>]) -> Ledger {
    let known_until: BTreeMap<(&str, Option<Micros>), Micros> =
        known.forgotten.iter().map(|entry| ((entry.hash.as_str(), entry.from), entry.until)).collect();
    let is_new = |entry: &&Forgotten| {
        known_until.get(&(entry.hash.as_str(), entry.from)).is_none_or(|until| *until < entry.until)
    };
    let mut new = Ledger::default();
    for state in states {
        new.forget(state.ledger.forgotten.iter().filter(is_new).cloned());
        new.bare_emails |= state.ledger.bare_emails;
    }
    new
}

/// Removes the rows of a table for which `is_erased` returns true. Returns their number.
fn erase_rows(
    transaction: &mut Transaction,
    table: Table,
    mut is_erased: impl FnMut(&Snapshot, &DataFile) -> Result<Vec<bool>>,
) -> Result<u64> {
    let snapshot = transaction.snapshot()?;
    let mut count = 0;
    for file in snapshot.manifest().files(table) {
        let erased = is_erased(&snapshot, file)?;
        let rows = erased.iter().filter(|erased| **erased).count() as u64;
        if rows == 0 {
            continue;
        }
        count += rows;
        if rows < file.rows {
            let rewrite = PartialRewrite { file: file.clone(), removed: erased };
            partition::rewrite(&snapshot, table, &rewrite)?.add_to(transaction)?;
        } else {
            transaction.remove(file);
        }
        crate::allocator::release_free_memory();
    }
    Ok(count)
}

/// Removes the suppressed events. Their session keys and times are added to `removed`, and their
/// ids to `sightings`.
fn erase_events(
    transaction: &mut Transaction,
    suppression: &Suppression,
    removed: &mut SessionSpans,
    sightings: &mut ForgottenSightings,
) -> Result<u64> {
    erase_rows(transaction, Table::Events, |snapshot, file| {
        let mut erased = Vec::new();
        let mut groups = snapshot.row_groups(file, None)?;
        while let Some(piece) = groups.next_piece(ROWS_TOGETHER)? {
            let mut row = 0;
            while row < piece.height() {
                let block = tables::events::read(&piece, row)?;
                let events: Vec<Event<'_>> = block.rows.iter().map(|row| block.event(row)).collect();
                let suppressed = suppression.suppressed(&events);
                for (event, _) in events.iter().zip(&suppressed).filter(|(_, suppressed)| **suppressed) {
                    removed.add(event.row.key, (event.row.time, event.row.time));
                    sightings.add(*event);
                }
                row += suppressed.len();
                erased.extend(suppressed);
            }
        }
        Ok(erased)
    })
}

/// Removes the rows of sessions with pruned events that may contain a suppressed event. All other
/// sessions are recomputed.
fn erase_partial_sessions(
    transaction: &mut Transaction,
    ledger: &Ledger,
    suppression: &Suppression,
    removed: &SessionSpans,
) -> Result<u64> {
    if ledger.pruned_events.is_empty() {
        return Ok(0);
    }
    erase_rows(transaction, Table::Sessions, |snapshot, file| {
        let is_erased = |session: &crate::session::SessionSummary<'_>| {
            let span = (session.first.time, session.ended_at);
            ledger.events_pruned_within(&session.key.chatbot_id, span)
                && (removed.overlap(session.key.hash(), span) || suppression.suppresses_session(session))
        };
        let mut erased = Vec::new();
        let mut groups = snapshot.row_groups(file, None)?;
        while let Some(piece) = groups.next_piece(ROWS_TOGETHER)? {
            erased.extend(tables::sessions::read(&piece)?.iter().map(is_erased));
        }
        Ok(erased)
    })
}

/// Removes first-seen times that are suppressed or belong to a removed event. The rebuild adds the
/// first-seen times of the remaining events.
fn erase_visitors(
    transaction: &mut Transaction,
    suppression: &Suppression,
    sightings: &ForgottenSightings,
) -> Result<u64> {
    erase_rows(transaction, Table::Visitors, |snapshot, file| {
        let is_erased = |visitor: &Visitor| {
            sightings.contain(visitor) || suppression.suppresses_id(&visitor.id, visitor.first_seen_at)
        };
        let mut erased = Vec::new();
        let mut groups = snapshot.row_groups(file, None)?;
        while let Some(group) = groups.next_group()? {
            erased.extend(tables::visitors::read(&group)?.iter().map(is_erased));
        }
        Ok(erased)
    })
}
