//! Sorts the events of a batch by session.

use rayon::prelude::*;

use super::per_chatbot::PerChatbot;
use crate::event::Event;
use crate::time::Micros;

/// Number of bits of a key's hash that choose the bucket in which its events are sorted. The events
/// of a bucket of an ordinary batch, some hundred, fit the cache.
const BUCKET_BITS: u32 = 9;

/// Sorts events into groups with one session key each. Groups are ordered by chatbot and first time,
/// so that neighbouring rows of a file resemble each other; events of a group by time and id. Returns
/// the events, and the beginning and end of each group.
pub(super) fn group_by_session_key(events: Vec<Event<'_>>) -> (Vec<Event<'_>>, Vec<(usize, usize)>) {
    let order = sort_by_key(&events);
    let mut spans: Vec<(u64, Micros, usize, usize)> = Vec::new();
    let mut chatbots = PerChatbot::default();
    let mut start = 0;
    for chunk in order.chunk_by(|a, b| a.0 == b.0) {
        let (_, time, first) = chunk[0];
        let hash = |chatbot: &str| xxhash_rust::xxh3::xxh3_64(chatbot.as_bytes());
        let chatbot = *chatbots.get_or_insert(&events[first as usize], hash);
        spans.push((chatbot, time, start, start + chunk.len()));
        start += chunk.len();
    }
    spans.par_sort_unstable();
    let mut sorted = Vec::with_capacity(events.len());
    let mut groups = Vec::with_capacity(spans.len());
    for (_, _, start, end) in spans {
        let from = sorted.len();
        sorted.extend(order[start..end].iter().map(|&(.., index)| events[index as usize]));
        groups.push((from, sorted.len()));
    }
    (sorted, groups)
}

/// The hash of the session key, the time and the index of an event.
type SortEntry = (u128, Micros, u32);

/// Returns the events sorted by session key, time and id. They are first distributed to buckets by the
/// first bits of their keys, so that each sort fits the cache.
fn sort_by_key(events: &[Event<'_>]) -> Vec<SortEntry> {
    let bucket = |key: u128| (key >> (u128::BITS - BUCKET_BITS)) as usize;
    let mut ends = vec![0; 1 << BUCKET_BITS];
    for event in events {
        ends[bucket(event.row.key)] += 1;
    }
    let mut start = 0;
    for end in &mut ends {
        start += std::mem::replace(end, start);
    }
    // Each entry is now the start of its bucket, and becomes its end while the bucket is filled.
    let mut order = vec![(0, 0, 0); events.len()];
    for (index, event) in (0..).zip(events) {
        let end = &mut ends[bucket(event.row.key)];
        order[*end] = (event.row.key, event.row.time, index);
        *end += 1;
    }
    // Few events share key and time, so that ids are looked up instead of moved with the entries.
    let id = |index: u32| events[index as usize].row.id;
    let sort = |bucket: &mut [SortEntry]| {
        bucket.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| id(a.2).cmp(&id(b.2))));
    };
    order.par_chunk_by_mut(|a, b| bucket(a.0) == bucket(b.0)).for_each(sort);
    order
}
