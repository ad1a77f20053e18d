//! Duplicates of earlier batches and within a batch.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::*;
use crate::ingest::batch::stored_ids::{EventKeys, StoredIds};
use crate::ingest::batch::{self, EventOutcome, WriteContext};
use crate::ingest::timings::StageTimings;
use crate::prehashed::PreHashed;
use crate::store::ledger::Ledger;
use crate::store::manifest::Manifest;
use crate::store::{Store, Writer};
use crate::time::Zone;

const HALF_AN_HOUR: Micros = 30 * 60_000_000;

/// A store with an open writer.
struct OpenStore {
    writer: Writer,
    _dir: tempfile::TempDir,
}

impl OpenStore {
    fn new() -> OpenStore {
        let dir = tempfile::tempdir().unwrap();
        let first = || Manifest::new(0, "UTC", HALF_AN_HOUR);
        let writer = Store::new(dir.path().join("store")).writer("test", Duration::ZERO, first).unwrap();
        OpenStore { writer, _dir: dir }
    }

    /// Returns an empty cache with the given number of ids in memory.
    fn cache(&self, ids: usize) -> StoredIds {
        StoredIds::new(ids * 24, self.writer.temp_files())
    }

    /// Writes lines to the store; returns which of them were stored, and the number of id
    /// conflicts.
    fn write(&mut self, text: &str, ids: &mut StoredIds) -> (Vec<bool>, u64) {
        let parsed = lines(text);
        let events: Vec<_> = parsed.block.rows.iter().map(|row| parsed.block.event(row)).collect();
        let mut transaction = self.writer.begin();
        let ledger = Ledger::default();
        let zone = Zone::parse("UTC").unwrap();
        let context = WriteContext {
            zone,
            timeout: HALF_AN_HOUR,
            ledger: &ledger,
            suppression: None,
            counted: None,
            now: 0,
        };
        let outcome =
            batch::write(&mut transaction, &events, context, ids, &mut StageTimings::default()).unwrap();
        self.writer.commit(transaction, 0).unwrap();
        (
            outcome.events.iter().map(|outcome| *outcome == EventOutcome::Stored).collect(),
            outcome.id_conflicts,
        )
    }
}

fn line(chatbot: &str, id: &str, day: u32, name: &str) -> String {
    format!(
        "{{\"id\":\"{id}\",\"chatbot_id\":\"{chatbot}\",\"session_id\":\"s\",\"event_name\":\"{name}\",\
         \"timestamp\":\"2026-11-{day:02}T12:00:00Z\"}}\n"
    )
}

/// If chatbot and id were combined by exclusive or, an id could be chosen so that an event of one
/// chatbot counts as a duplicate of an event of another.
#[test]
fn chosen_id_does_not_suppress_another_chatbots_event() {
    let id = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128;
    let chosen = id ^ xxh3_128(b"shop") ^ xxh3_128(b"thief");
    let mut store = OpenStore::new();
    let mut ids = store.cache(0);
    let text = |id: u128| Uuid::from_u128(id).to_string();
    assert_eq!(store.write(&line("thief", &text(chosen), 9, "x"), &mut ids), (vec![true], 0));
    assert_eq!(store.write(&line("shop", &text(id), 9, "x"), &mut ids), (vec![true], 0));
    assert_eq!(store.write(&line("shop", &text(id), 9, "x"), &mut ids), (vec![false], 0));
}

/// 80,000 lines with ids whose halves cancel out in an unseeded hash once took seven seconds.
#[test]
fn chosen_ids_do_not_collide_in_the_hash_table() {
    let keys = EventKeys::default();
    let chosen = (1..=1000u64).map(|high| u128::from(high) << 64 | u128::from(high.rotate_left(32)));
    let mut hashes = BTreeSet::new();
    for id in chosen {
        let parsed = lines(line("c", &Uuid::from_u128(id).to_string(), 9, "x"));
        assert_eq!(parsed.only().row.id, id);
        hashes.insert(PreHashed.hash_one(keys.key(&parsed.only())));
    }
    assert_eq!(hashes.len(), 1000);
}

/// Applies the rule to lists: an event is stored unless an event with its id is stored at most one
/// date away.
fn expected(batches: &[Vec<(u8, u32, bool)>]) -> Vec<(Vec<bool>, u64)> {
    let mut stored: Vec<(u8, u32, bool)> = Vec::new();
    let mut results = Vec::new();
    for batch in batches {
        let (mut outcomes, mut id_conflicts) = (Vec::new(), 0);
        for &(id, day, name) in batch {
            let there = stored.iter().find(|other| other.0 == id && other.1.abs_diff(day) <= 1);
            id_conflicts += u64::from(there.is_some_and(|other| (other.1, other.2) != (day, name)));
            outcomes.push(there.is_none());
        }
        stored.extend(batch.iter().zip(&outcomes).filter(|(_, outcome)| **outcome).map(|(event, _)| *event));
        results.push((outcomes, id_conflicts));
    }
    results
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The cache holds no ids in memory, a few, or all.
    #[test]
    fn cache_size_does_not_change_what_is_stored(
        batches in prop::collection::vec(
            prop::collection::btree_map(0..12u8, (3..9u32, any::<bool>()), 1..6),
            1..7,
        ),
        ids in 0..20usize,
        new_cache_before in 0..7usize,
    ) {
        let batches: Vec<Vec<(u8, u32, bool)>> = batches
            .into_iter()
            .map(|batch| batch.into_iter().map(|(id, (day, name))| (id, day, name)).collect())
            .collect();
        let mut store = OpenStore::new();
        let mut cache = store.cache(ids);
        for (number, (batch, expected)) in batches.iter().zip(expected(&batches)).enumerate() {
            if number == new_cache_before {
                // Simulate that another ingest begins here.
                cache = store.cache(ids);
            }
            let text: String =
                batch.iter().map(|(id, day, name)| line("c", &format!("e{id}"), *day, if *name { "x" } else { "y" })).collect();
            prop_assert_eq!(store.write(&text, &mut cache), expected);
        }
    }
}
