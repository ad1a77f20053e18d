//! Which events of a batch are stored, beside what batches before it stored.

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::*;
use crate::ingest::batch::stored_ids::{Keys, StoredIds};
use crate::ingest::batch::{self, EventOutcome, WriteContext};
use crate::ingest::pipeline::timings::StageTimings;
use crate::prehashed::PreHashed;
use crate::store::ledger::Ledger;
use crate::store::manifest::Manifest;
use crate::store::{Store, Writer};
use crate::time::Zone;

const HALF_AN_HOUR: Micros = 30 * 60_000_000;

/// A store under one writer.
struct Stored {
    writer: Writer,
    _dir: tempfile::TempDir,
}

impl Stored {
    fn new() -> Stored {
        let dir = tempfile::tempdir().unwrap();
        let first = || Manifest::new(0, "UTC", HALF_AN_HOUR);
        let writer = Store::new(dir.path().join("store")).writer("test", Duration::ZERO, first).unwrap();
        Stored { writer, _dir: dir }
    }

    /// Puts lines into the store; returns which of them are stored, and how many ids name two events.
    fn put(&mut self, text: &str, ids: &mut StoredIds) -> (Vec<bool>, u64) {
        let parsed = lines(text);
        let events: Vec<_> = parsed.block.rows.iter().map(|row| parsed.block.event(row)).collect();
        let mut transaction = self.writer.begin();
        let ledger = Ledger::default();
        let zone = Zone::parse("UTC").unwrap();
        let rules = WriteContext { zone, timeout: HALF_AN_HOUR, ledger: &ledger, gate: None, now: 0 };
        let outcome =
            batch::put(&mut transaction, &events, rules, ids, &mut StageTimings::default()).unwrap();
        self.writer.commit(transaction, 0).unwrap();
        (
            outcome.outcomes.iter().map(|outcome| *outcome == EventOutcome::Stored).collect(),
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

/// An id by which one chatbot's event would be taken for that of another, were chatbot and id put together by
/// exclusive or.
#[test]
fn no_chosen_id_of_one_chatbot_keeps_out_an_event_of_another() {
    let id = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef_u128;
    let chosen = id ^ xxh3_128(b"shop") ^ xxh3_128(b"thief");
    let mut stored = Stored::new();
    let mut ids = StoredIds::with_room_for(0);
    let text = |id: u128| Uuid::from_u128(id).to_string();
    assert_eq!(stored.put(&line("thief", &text(chosen), 9, "x"), &mut ids), (vec![true], 0));
    assert_eq!(stored.put(&line("shop", &text(id), 9, "x"), &mut ids), (vec![true], 0));
    assert_eq!(stored.put(&line("shop", &text(id), 9, "x"), &mut ids), (vec![false], 0));
}

/// Ids whose halves cancel each other out in a hash without a seed made 80,000 lines take seven seconds.
#[test]
fn ids_that_are_chosen_to_lie_in_one_place_of_a_table_do_not() {
    let keys = Keys::default();
    let chosen = (1..=1000u64).map(|high| u128::from(high) << 64 | u128::from(high.rotate_left(32)));
    let mut places = BTreeSet::new();
    for id in chosen {
        let parsed = lines(line("c", &Uuid::from_u128(id).to_string(), 9, "x"));
        assert_eq!(parsed.only().row.id, id);
        places.insert(PreHashed.hash_one(keys.of(&parsed.only())));
    }
    assert_eq!(places.len(), 1000);
}

/// What the rule says, worked out on lists: an event is stored unless one of its id is stored on its date or one
/// beside it.
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

    /// However much is kept from batch to batch: nothing, a few ids, all.
    #[test]
    fn an_event_is_stored_once_whatever_is_kept_of_the_batches_before(
        batches in prop::collection::vec(
            prop::collection::btree_map(0..12u8, (3..9u32, any::<bool>()), 1..6),
            1..7,
        ),
        ids in 0..20usize,
        forgets_before in 0..7usize,
    ) {
        let batches: Vec<Vec<(u8, u32, bool)>> = batches
            .into_iter()
            .map(|batch| batch.into_iter().map(|(id, (day, name))| (id, day, name)).collect())
            .collect();
        let mut kept = StoredIds::with_room_for(ids * 24);
        let mut stored = Stored::new();
        for (number, (batch, expected)) in batches.iter().zip(expected(&batches)).enumerate() {
            if number == forgets_before {
                // As another run that begins here.
                kept = StoredIds::with_room_for(ids * 24);
            }
            let text: String =
                batch.iter().map(|(id, day, name)| line("c", &format!("e{id}"), *day, if *name { "x" } else { "y" })).collect();
            prop_assert_eq!(stored.put(&text, &mut kept), expected);
        }
    }
}
