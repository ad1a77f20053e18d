//! Sessionizing and merging, without a store.

use std::collections::BTreeMap;

use divan::Bencher;
use divan::counter::ItemsCount;
use wa::event::{Block, Event};
use wa::session::{SessionSummary, TextInterner, merge_adjacent, split_by_gap};
use wa::time::{Micros, SECOND};

use crate::log::{self, NOW};

const TIMEOUT: Micros = 1800 * SECOND;
const VISITS: u64 = 5_000;

/// Returns the events of each session key, by time.
fn by_key(block: &Block) -> Vec<Vec<Event<'_>>> {
    let mut keys: BTreeMap<u128, Vec<Event<'_>>> = BTreeMap::new();
    for row in &block.rows {
        keys.entry(row.key).or_default().push(block.event(row));
    }
    keys.into_values()
        .map(|mut events| {
            events.sort_by_key(|event| event.position());
            events
        })
        .collect()
}

/// Splits the events of each key into sessions.
#[divan::bench]
fn sessionize(bencher: Bencher<'_, '_>) {
    let block = log::parsed(VISITS);
    let keys = by_key(&block);
    bencher.counter(ItemsCount::new(block.rows.len())).bench(|| {
        let mut sessions = Vec::with_capacity(keys.len());
        for events in &keys {
            sessions.extend(
                split_by_gap(events, TIMEOUT).filter_map(|events| SessionSummary::from_events(events, NOW)),
            );
        }
        sessions
    });
}

/// Merges session summaries of one event each.
#[divan::bench]
fn merge(bencher: Bencher<'_, '_>) {
    let block = log::parsed(VISITS);
    let keys = by_key(&block);
    let texts = TextInterner::default();
    let piece = |event: &Event<'_>| SessionSummary::from_event(*event, NOW).into_owned(&texts);
    let pieces: Vec<Vec<_>> = keys.iter().map(|events| events.iter().map(piece).collect()).collect();
    bencher.counter(ItemsCount::new(block.rows.len())).with_inputs(|| pieces.clone()).bench_values(
        |pieces| -> Vec<_> { pieces.into_iter().flat_map(|p| merge_adjacent(p, TIMEOUT)).collect() },
    );
}
