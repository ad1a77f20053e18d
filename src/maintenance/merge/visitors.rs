//! Adds the first-seen times of a source.
//!
//! First-seen times can be earlier than all retained events of the stores. If such a time is on a
//! date whose events the source has pruned, no event confirms the time. The target therefore
//! records that date as pruned too.

use std::collections::{HashMap, HashSet};

use super::pruned_days::AdoptedDays;
use super::run::{MergeRun, PendingStatistics};
use super::source::SourceState;
use crate::error::Result;
use crate::event::{Event, KeyKind, session_key_hash};
use crate::ingest::batch::TableChanges;
use crate::ingest::batch::suppression::Suppression;
use crate::prehashed::PreHashed;
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::tables;
use crate::store::tables::visitors::Visitor;
use crate::store::update;
use crate::store::update::visitors::{FirstSeenMap, FirstSeenUpdate};
use crate::time::{Day, Micros};

/// The ids in events of forgotten people, with the times of these events. Such an event does not
/// count as the first of any id.
#[derive(Debug, Default)]
pub(super) struct ForgottenSightings(HashSet<(u128, Micros)>);

impl ForgottenSightings {
    /// Adds the ids of an event.
    pub(super) fn add(&mut self, event: Event<'_>) {
        for kind in [KeyKind::Anonymous, KeyKind::User] {
            if let Some(id) = event.text(kind.field()) {
                self.0.insert((session_key_hash(event.chatbot_id(), kind, id), event.row.time));
            }
        }
    }

    /// Returns whether a visitor was first seen in such an event.
    pub(super) fn contain(&self, visitor: &Visitor) -> bool {
        !self.0.is_empty() && self.0.contains(&(visitor.hash(), visitor.first_seen_at))
    }
}

/// Number of visitors that are compared with the stored ones at a time, unless a row group has
/// more. Each takes a few hundred bytes.
const VISITORS_TOGETHER: usize = 1 << 15;

/// Adds the first-seen times, except for those of `forgotten` events. Returns the visitors whom
/// pruned days of the source count as new, although their first-seen time in the target is on an
/// earlier day.
pub(super) fn merge(
    run: &mut MergeRun<'_>,
    state: &SourceState<'_>,
    ledger: &Ledger,
    adopted: &AdoptedDays,
    forgotten: &ForgottenSightings,
    statistics: &mut PendingStatistics<'_>,
) -> Result<Vec<FirstSeenUpdate>> {
    let mut late = Vec::new();
    for file in state.snapshot.manifest().files(Table::Visitors) {
        let mut seen: FirstSeenMap = HashMap::with_hasher(PreHashed);
        let mut groups = state.snapshot.row_groups(file, None)?;
        loop {
            let group = groups.next_group()?;
            let visitors = group.as_ref().map(tables::visitors::read).transpose()?;
            for mut visitor in visitors.into_iter().flatten() {
                let time = visitor.first_seen_at;
                let is_suppressed = |s: &Suppression| s.suppresses_id(&visitor.id, time);
                if forgotten.contain(&visitor) || run.suppression.as_ref().is_some_and(is_suppressed) {
                    continue;
                }
                let is_adopted = |day: &Day| adopted.has_sessions_of(&visitor.chatbot_id, *day);
                visitor.counted_new_on = visitor.counted_new_on.filter(is_adopted);
                seen.insert(visitor.hash(), visitor);
            }
            if group.is_none() || seen.len() >= VISITORS_TOGETHER {
                late.extend(add(run, state, ledger, std::mem::take(&mut seen), statistics)?);
            }
            if group.is_none() {
                break;
            }
        }
    }
    Ok(late)
}

/// Adds the first-seen times that are earlier than the stored ones, or new. Returns the visitors
/// whom the source counts as new on a later day than the stored one.
fn add(
    run: &mut MergeRun<'_>,
    state: &SourceState<'_>,
    ledger: &Ledger,
    mut seen: FirstSeenMap,
    statistics: &mut PendingStatistics<'_>,
) -> Result<Vec<FirstSeenUpdate>> {
    let zone = run.settings.timezone;
    let mut late = Vec::new();
    let before = run.transaction.snapshot()?;
    let stored = update::visitors::stored_times(&before, &seen)?;
    seen.retain(|hash, visitor| {
        let earlier = stored.get(hash).copied().filter(|time| *time <= visitor.first_seen_at);
        let Some(first_seen_at) = earlier else { return true };
        if visitor.counted_new_on.is_some_and(|day| day != zone.day(first_seen_at)) {
            let previous = visitor.clone();
            late.push(FirstSeenUpdate { previous, first_seen_at, counted_new_on: None });
        }
        false
    });
    for visitor in seen.values() {
        let (chatbot, date) = (visitor.chatbot_id.as_str(), Day::utc(visitor.first_seen_at));
        if state.ledger.events_pruned(chatbot, date) && !ledger.events_pruned(chatbot, date) {
            run.ledger.pruned_events.entry(chatbot.to_owned()).or_default().insert(date);
        }
    }
    if seen.is_empty() {
        return Ok(late);
    }
    let first_seen_updates =
        update::write_pipelined(run.transaction, |sink| update::visitors::write(&before, seen, sink))?;
    let changes = TableChanges { first_seen_updates, since: Micros::MIN, ..TableChanges::default() };
    statistics.add(run.transaction, changes)?;
    crate::allocator::release_free_memory();
    Ok(late)
}
