//! Counts of the sessions of a window in numbered buckets, such as the cells of a heatmap.

use rayon::prelude::*;

use crate::error::Result;
use crate::report::metric::visitor_shards::{self, FirstEntries, ShardEntry};
use crate::report::query::tables::Tables;
use crate::report::query::{Query, SelectedRows};
use crate::store::frame::Frame;
use crate::time::Micros;

/// The counts of a bucket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub sessions: u64,
    pub conversations: u64,
    pub messages: u64,
    /// Distinct visitors.
    pub visitors: u64,
}

/// The counts of the buckets in a file, without visitors, and the number of bot sessions.
struct FileCounts {
    buckets: Vec<Counts>,
    bots: u64,
}

/// Counts the sessions and distinct visitors of each of `buckets` buckets, and all bot sessions.
///
/// `finder` is called for each file, and returns a function that maps the start of a session to the
/// index of its bucket. `bits` is the number of bits of a bucket's index, plus one for the kind of
/// the visitor's id.
pub(super) fn count<F: FnMut(Micros) -> usize>(
    tables: &dyn Tables,
    query: &Query,
    buckets: usize,
    bits: u32,
    finder: impl Fn() -> F + Sync,
) -> Result<(Vec<Counts>, u64)> {
    let columns = ["started_at", "had_conversation", "messages_sent", "messages_received"];
    let read = |frame: &Frame, selected: &SelectedRows| count_file(frame, selected, buckets, finder());
    let (shards, files) = visitor_shards::of_sessions(tables, query, &columns, bits, read)?;
    let mut counts = vec![Counts::default(); buckets];
    let mut bots: u64 = 0;
    for file in files {
        bots = bots.saturating_add(file.bots);
        for (sum, counts) in counts.iter_mut().zip(file.buckets) {
            sum.sessions = sum.sessions.saturating_add(counts.sessions);
            sum.conversations = sum.conversations.saturating_add(counts.conversations);
            sum.messages = sum.messages.saturating_add(counts.messages);
        }
    }
    let shards: Vec<Vec<u64>> =
        shards.par_iter().map(|entries| count_visitors(entries, buckets, bits)).collect();
    for shard in shards {
        counts.iter_mut().zip(shard).for_each(|(sum, visitors)| sum.visitors += visitors);
    }
    Ok((counts, bots))
}

/// Returns the bucket of each selected session of a file, and the counts of the file.
fn count_file(
    frame: &Frame,
    selected: &SelectedRows,
    buckets: usize,
    mut find: impl FnMut(Micros) -> usize,
) -> Result<(Vec<u64>, FileCounts)> {
    let (started, had_conversation) = (frame.ints("started_at")?, frame.bools("had_conversation")?);
    let (sent, received) = (frame.ints("messages_sent")?, frame.ints("messages_received")?);
    let mut counts = vec![Counts::default(); buckets];
    let mut numbers = Vec::with_capacity(selected.rows.len());
    for &row in &selected.rows {
        let row = row as usize;
        let number = find(started.or_zero(row));
        numbers.push(number as u64);
        if let Some(bucket) = counts.get_mut(number) {
            let messages = sent.or_zero(row).saturating_add(received.or_zero(row));
            bucket.sessions += 1;
            bucket.conversations += u64::from(had_conversation.is_true(row));
            bucket.messages = bucket.messages.saturating_add(messages.max(0).unsigned_abs());
        }
    }
    Ok((numbers, FileCounts { buckets: counts, bots: selected.bots }))
}

/// Returns the number of distinct visitors of each bucket in a shard. An empty shard has none.
fn count_visitors(entries: &[ShardEntry], buckets: usize, bits: u32) -> Vec<u64> {
    if entries.is_empty() {
        return Vec::new();
    }
    let mut visitors = vec![0; buckets];
    let mut first_entries = FirstEntries::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        if first_entries.find(*entry, entries, index, true) == index {
            let number = (entry >> 1) % (1 << (bits - 1));
            if let Some(bucket) = visitors.get_mut(number as usize) {
                *bucket += 1;
            }
        }
    }
    visitors
}
