//! The first-seen index against the kept events.
//!
//! Every id of the events has one entry, no later than its earliest event. An entry whose time lies
//! on a kept date has an event at that very time. Ids are taken in portions: of each the index is
//! gone through once, so that memory holds a portion and a bit for each entry.

use std::collections::HashMap;

use rayon::prelude::*;

use super::difference::Differences;
use super::replay::pruned_boundary::PrunedBoundary;
use crate::error::Result;
use crate::event::{Block, KeyKind, TextField, session_key_hash};
use crate::store::columns::Table;
use crate::store::snapshot::Snapshot;
use crate::store::tables::visitors::{LOOKUP_COLUMNS, Visitor, frame, hashes_and_times, read};
use crate::store::update::visitors::FirstSeenMap;
use crate::time::{Day, Micros, format_utc};

/// Ids of a portion: each takes about 200 bytes.
pub const PORTION: usize = 1 << 18;

/// Takes the earliest time of each anonymous id and user id of some events.
pub fn earliest(block: &Block, seen: &mut FirstSeenMap) {
    for row in &block.rows {
        let event = block.event(row);
        let ids = [(KeyKind::Anonymous, TextField::AnonymousId), (KeyKind::User, TextField::UserId)];
        for (kind, field) in ids {
            let Some(id) = event.text(field) else { continue };
            let chatbot_id = event.chatbot_id();
            seen.entry(session_key_hash(chatbot_id, kind, id))
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

/// The index, as far as it was compared.
pub struct Check<'a> {
    snapshot: &'a Snapshot,
    boundary: &'a PrunedBoundary,
    portion: FirstSeenMap,
    /// For each file, which entries have an event at their time.
    confirmed: Vec<Vec<bool>>,
    differences: Differences,
}

impl<'a> Check<'a> {
    /// Begins with nothing compared.
    pub fn new(snapshot: &'a Snapshot, boundary: &'a PrunedBoundary) -> Check<'a> {
        let files = snapshot.manifest().files(Table::Visitors).iter();
        let confirmed = files.map(|file| vec![false; file.rows as usize]).collect();
        Check {
            snapshot,
            boundary,
            portion: FirstSeenMap::default(),
            confirmed,
            differences: Differences::default(),
        }
    }

    /// Takes in some events.
    pub fn take(&mut self, block: &Block) -> Result<()> {
        earliest(block, &mut self.portion);
        if self.portion.len() >= PORTION { self.compare() } else { Ok(()) }
    }

    /// Compares a portion of ids with the index.
    fn compare(&mut self) -> Result<()> {
        let portion = std::mem::take(&mut self.portion);
        let files = self.snapshot.manifest().files(Table::Visitors);
        let found: Vec<Vec<(usize, u128, Micros)>> = files
            .par_iter()
            .map(|file| {
                let stored = self.snapshot.read_file(file, Some(&LOOKUP_COLUMNS))?;
                let known = hashes_and_times(&stored)?.enumerate();
                Ok(known
                    .filter(|(_, (hash, _))| portion.contains_key(hash))
                    .map(|(row, (hash, time))| (row, hash, time))
                    .collect())
            })
            .collect::<Result<_>>()?;
        let mut known: HashMap<u128, u32> = HashMap::with_capacity(portion.len());
        for (file, hits) in found.into_iter().enumerate() {
            for (row, hash, time) in hits {
                let Some(visitor) = portion.get(&hash) else { continue };
                *known.entry(hash).or_default() += 1;
                if visitor.first_seen_at == time
                    && let Some(confirmed) = self.confirmed.get_mut(file).and_then(|rows| rows.get_mut(row))
                {
                    *confirmed = true;
                }
                if visitor.first_seen_at < time {
                    self.differences.add("visitors", || {
                        let (earlier, time) = (format_utc(visitor.first_seen_at), format_utc(time));
                        format!(
                            "{} has an event at {earlier} and is said to be first seen at {time}",
                            name(visitor)
                        )
                    });
                }
            }
        }
        let mut missing: Vec<&Visitor> = portion
            .iter()
            .filter(|(hash, _)| !known.contains_key(hash))
            .map(|(_, visitor)| visitor)
            .collect();
        missing.sort();
        for visitor in missing {
            self.differences.add("visitors", || format!("{} has events and no entry", name(visitor)));
        }
        let mut double: Vec<&Visitor> =
            known.iter().filter(|(_, count)| **count > 1).filter_map(|(hash, _)| portion.get(hash)).collect();
        double.sort();
        for visitor in double {
            self.differences.add("visitors", || format!("{} has more than one entry", name(visitor)));
        }
        Ok(())
    }

    /// Compares what is left, and the entries with themselves; returns what differs.
    pub fn finish(mut self) -> Result<Differences> {
        self.compare()?;
        let files = self.snapshot.manifest().files(Table::Visitors);
        // An event can have gone with a person who was forgotten, and another's first sight stays.
        let whole = self.boundary.ledger().forgotten.is_empty();
        let found: Vec<Differences> = files
            .par_iter()
            .zip(&self.confirmed)
            .map(|(file, confirmed)| {
                let mut differences = Differences::default();
                let stored = self.snapshot.read_file_checked(file)?;
                let visitors = read(&stored)?;
                if stored != frame(&visitors)? {
                    differences.add(&file.path, || "its hashes are not those of its ids".to_owned());
                }
                for (visitor, confirmed) in visitors.iter().zip(confirmed) {
                    let date = Day::utc(visitor.first_seen_at);
                    let kept = !self.boundary.ledger().events_pruned(&visitor.chatbot_id, date);
                    if whole && kept && !confirmed {
                        differences.add("visitors", || {
                            let time = format_utc(visitor.first_seen_at);
                            format!(
                                "{} is said to be first seen at {time} and has no event then",
                                name(visitor)
                            )
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

fn name(visitor: &Visitor) -> String {
    let kind = if visitor.kind == KeyKind::User { "user_id" } else { "anonymous_id" };
    format!("{kind} {:?} of chatbot {:?}", visitor.id, visitor.chatbot_id)
}
