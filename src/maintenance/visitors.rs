//! Checks the `visitors` table against the retained events.
//!
//! Each id in the events must have one row, whose first-seen time is not after the id's earliest
//! event. A row whose first-seen time is on a retained date must have an event at that time.
//!
//! The ids are compared in batches, and the table is read once for each batch. One batch and a flag
//! per row are in memory.

use std::collections::HashMap;

use rayon::prelude::*;

use super::difference::Differences;
use super::replay::PrunedBoundary;
use crate::error::Result;
use crate::event::{Block, KeyKind, TextField, session_key_hash};
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::tables::visitors::{LOOKUP_COLUMNS, Visitor, frame, hashes_and_times, read};
use crate::store::update::visitors::FirstSeenMap;
use crate::time::{Day, Micros, format_utc};

/// The number of ids in a batch. Each id takes about 200 bytes.
pub(super) const BATCH_IDS: usize = 1 << 18;

/// Adds the earliest time of each anonymous id and user id in the given events to a map.
pub(super) fn collect_first_seen(block: &Block, first_seen: &mut FirstSeenMap) {
    for row in &block.rows {
        let event = block.event(row);
        let ids = [(KeyKind::Anonymous, TextField::AnonymousId), (KeyKind::User, TextField::UserId)];
        for (kind, field) in ids {
            let Some(id) = event.text(field) else { continue };
            let chatbot_id = event.chatbot_id();
            first_seen
                .entry(session_key_hash(chatbot_id, kind, id))
                .and_modify(|visitor| visitor.first_seen_at = visitor.first_seen_at.min(row.time))
                .or_insert_with(|| Visitor {
                    chatbot_id: chatbot_id.to_owned(),
                    kind,
                    id: id.to_owned(),
                    first_seen_at: row.time,
                    counted_new_on: None,
                });
        }
    }
}

/// A check of the `visitors` table in progress.
pub(super) struct VisitorCheck<'a> {
    snapshot: &'a Snapshot,
    boundary: &'a PrunedBoundary,
    /// The ids of the events since the last comparison.
    batch: FirstSeenMap,
    /// For each file, whether each row has an event at its first-seen time.
    confirmed: Vec<Vec<bool>>,
    differences: Differences,
}

impl<'a> VisitorCheck<'a> {
    /// Starts a check.
    pub(super) fn new(snapshot: &'a Snapshot, boundary: &'a PrunedBoundary) -> VisitorCheck<'a> {
        let files = snapshot.manifest().files(Table::Visitors).iter();
        let confirmed = files.map(|file| vec![false; file.rows as usize]).collect();
        let (batch, differences) = (FirstSeenMap::default(), Differences::default());
        VisitorCheck { snapshot, boundary, batch, confirmed, differences }
    }

    /// Adds events.
    pub(super) fn add(&mut self, block: &Block) -> Result<()> {
        collect_first_seen(block, &mut self.batch);
        if self.batch.len() >= BATCH_IDS { self.compare_batch() } else { Ok(()) }
    }

    /// Compares the batch with the table, and starts a new batch.
    fn compare_batch(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        let files = self.snapshot.manifest().files(Table::Visitors);
        let found: Vec<Vec<(usize, u128, Micros)>> = files
            .par_iter()
            .map(|file| {
                let stored = self.snapshot.read_file(file, Some(&LOOKUP_COLUMNS))?;
                let rows = hashes_and_times(&stored)?.enumerate();
                Ok(rows
                    .filter(|(_, (hash, _))| batch.contains_key(hash))
                    .map(|(row, (hash, time))| (row, hash, time))
                    .collect())
            })
            .collect::<Result<_>>()?;
        let mut row_counts: HashMap<u128, u32> = HashMap::with_capacity(batch.len());
        for (file, rows) in found.into_iter().enumerate() {
            for (row, hash, time) in rows {
                let Some(visitor) = batch.get(&hash) else { continue };
                *row_counts.entry(hash).or_default() += 1;
                if visitor.first_seen_at == time
                    && let Some(confirmed) = self.confirmed.get_mut(file).and_then(|rows| rows.get_mut(row))
                {
                    *confirmed = true;
                }
                if visitor.first_seen_at < time {
                    self.differences.add("visitors", || {
                        let (earlier, time) = (format_utc(visitor.first_seen_at), format_utc(time));
                        format!(
                            "{} has an event at {earlier}, before its first-seen time {time}",
                            describe(visitor)
                        )
                    });
                }
            }
        }
        let mut missing: Vec<&Visitor> = batch
            .iter()
            .filter(|(hash, _)| !row_counts.contains_key(hash))
            .map(|(_, visitor)| visitor)
            .collect();
        missing.sort();
        for visitor in missing {
            self.differences.add("visitors", || format!("{} has events but no row", describe(visitor)));
        }
        let repeated = row_counts.iter().filter(|(_, count)| **count > 1);
        let mut repeated: Vec<&Visitor> = repeated.filter_map(|(hash, _)| batch.get(hash)).collect();
        repeated.sort();
        for visitor in repeated {
            self.differences.add("visitors", || format!("{} has more than one row", describe(visitor)));
        }
        Ok(())
    }

    /// Compares the last batch, checks every row of the table on its own, and returns the
    /// differences.
    pub(super) fn finish(mut self) -> Result<Differences> {
        self.compare_batch()?;
        let files = self.snapshot.manifest().files(Table::Visitors);
        // After an erasure, the event of a row can be missing: the event was in an erased session,
        // while the row remains because its id is shared.
        let nothing_erased = self.boundary.ledger().forgotten.is_empty();
        let found: Vec<Differences> = files
            .par_iter()
            .zip(&self.confirmed)
            .map(|(file, confirmed)| {
                let mut differences = Differences::default();
                let stored = self.snapshot.read_file_checked(file)?;
                let visitors = read(&stored)?;
                if stored != frame(&visitors)? {
                    differences.add(&file.path, || "hashes do not match the ids".to_owned());
                }
                for (visitor, confirmed) in visitors.iter().zip(confirmed) {
                    let date = Day::utc(visitor.first_seen_at);
                    let is_retained = !self.boundary.ledger().events_pruned(&visitor.chatbot_id, date);
                    if nothing_erased && is_retained && !confirmed {
                        differences.add("visitors", || {
                            let time = format_utc(visitor.first_seen_at);
                            format!("{} has no event at its first-seen time {time}", describe(visitor))
                        });
                    }
                }
                Ok(differences)
            })
            .collect::<Result<_>>()?;
        for differences in found {
            self.differences.append(differences);
        }
        Ok(self.differences)
    }
}

fn describe(visitor: &Visitor) -> String {
    let kind = if visitor.kind == KeyKind::User { "user_id" } else { "anonymous_id" };
    format!("{kind} {:?} of chatbot {:?}", visitor.id, visitor.chatbot_id)
}
