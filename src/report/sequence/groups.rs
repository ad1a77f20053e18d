//! Sorts events into sequences.

use rayon::prelude::*;

use super::ties::{EventIds, has_tie, is_tie};
use super::{SequenceEvent, SequenceFold, Tag, TieOrder};
use crate::error::Result;

/// The minimum number of sequences that a thread processes at a time.
const MIN_SEQUENCES: usize = 1024;

/// The maximum number of threads that group events. Each reads all events.
const MAX_THREADS: usize = 4;

/// Returns the index of an event's sequence, counted from the sequence `first`; `None` for an
/// earlier sequence.
fn place<T>(event: &SequenceEvent<T>, first: usize) -> Option<usize> {
    (event.group as usize).checked_sub(first)
}

/// The events of a read, grouped by sequence.
pub(super) struct Groups<T> {
    events: Vec<SequenceEvent<T>>,
    /// The number of events of each sequence.
    lengths: Vec<u32>,
}

impl<T: Tag> Groups<T> {
    /// Groups the events of all files into `groups` sequences.
    ///
    /// Events are in nearly the same order as sessions, so counting them first and then moving each
    /// to its position takes a fraction of the time of a sort. Each thread moves the events of a
    /// range of sequences.
    pub fn new(files: Vec<Vec<SequenceEvent<T>>>, groups: usize) -> Groups<T> {
        let per_thread = groups.div_ceil(rayon::current_num_threads().min(MAX_THREADS)).max(1);
        let mut lengths = vec![0u32; groups];
        lengths.par_chunks_mut(per_thread).enumerate().for_each(|(part, lengths)| {
            for event in files.iter().flatten() {
                if let Some(length) = place(event, part * per_thread).and_then(|at| lengths.get_mut(at)) {
                    *length += 1;
                }
            }
        });
        let total = lengths.iter().map(|length| *length as usize).sum();
        let none = SequenceEvent { time: 0, tag: T::default(), group: 0, position: (0, 0) };
        let mut events = vec![none; total];
        let mut parts = Vec::new();
        let mut rest = events.as_mut_slice();
        for lengths in lengths.chunks(per_thread) {
            let count: usize = lengths.iter().map(|length| *length as usize).sum();
            let (part, others) = rest.split_at_mut(count.min(rest.len()));
            parts.push((part, lengths));
            rest = others;
        }
        parts.into_par_iter().enumerate().for_each(|(part, (events, lengths))| {
            let mut next: Vec<usize> = Vec::with_capacity(lengths.len());
            lengths.iter().fold(0, |start, length| {
                next.push(start);
                start + *length as usize
            });
            for event in files.iter().flatten() {
                if let Some(next) = place(event, part * per_thread).and_then(|at| next.get_mut(at))
                    && let Some(slot) = events.get_mut(*next)
                {
                    *slot = *event;
                    *next += 1;
                }
            }
        });
        Groups { events, lengths }
    }

    /// Sorts each sequence. `matters` returns whether the order of the tied events of a sequence
    /// matters. `ids` reads the ids of events, given their positions.
    pub fn sort(
        &mut self,
        order: TieOrder,
        matters: impl Fn(&[SequenceEvent<T>]) -> bool + Sync,
        ids: impl FnOnce(Vec<(u32, u32)>) -> Result<EventIds>,
    ) -> Result<()> {
        let mut sequences = split(&mut self.events, &self.lengths);
        sequences.par_iter_mut().with_min_len(MIN_SEQUENCES).for_each(|events| {
            let key = |event: &SequenceEvent<T>| (event.time, event.tag);
            if !events.is_sorted_by_key(key) {
                events.sort_unstable_by_key(key);
            }
        });
        if order == TieOrder::Tag {
            return Ok(());
        }
        sequences.retain(|events| has_tie(events));
        let mut tied: Vec<_> = sequences.into_par_iter().filter(|events| matters(events)).collect();
        if tied.is_empty() {
            return Ok(());
        }
        let runs = tied.iter().flat_map(|events| events.chunk_by(|a, b| a.time == b.time));
        let positions = runs.filter(|run| is_tie(run)).flatten().map(|event| event.position);
        let ids = ids(positions.collect())?;
        tied.iter_mut().for_each(|events| ids.order(events));
        Ok(())
    }

    /// Computes the sum over all sequences that have events. `value` returns the value of a
    /// sequence.
    pub fn fold<'v, S: Sync + 'v, F: SequenceFold<S, T>>(
        &self,
        fold: &F,
        value: impl Fn(usize) -> Option<&'v S> + Sync,
    ) -> F::Sum {
        let mut sequences: Vec<(usize, &[SequenceEvent<T>])> = Vec::with_capacity(self.lengths.len());
        let mut rest = self.events.as_slice();
        for (group, length) in self.lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let (events, others) = rest.split_at_checked(*length as usize).unwrap_or((rest, &[]));
            sequences.push((group, events));
            rest = others;
        }
        let add = |mut sum: F::Sum, (group, events): &(usize, &[SequenceEvent<T>])| {
            if let Some(value) = value(*group) {
                fold.collect(&[], value, events);
                fold.add(&mut sum, value, events);
            }
            sum
        };
        let sums = sequences.par_iter().with_min_len(MIN_SEQUENCES).fold(|| fold.empty(), add);
        sums.reduce(|| fold.empty(), |sum, other| fold.merge(sum, other))
    }
}

/// Splits events into slices of these lengths.
fn split<'e, T>(events: &'e mut [SequenceEvent<T>], lengths: &[u32]) -> Vec<&'e mut [SequenceEvent<T>]> {
    let mut sequences = Vec::with_capacity(lengths.len());
    let mut rest = events;
    for length in lengths.iter().filter(|length| **length > 0) {
        let middle = (*length as usize).min(rest.len());
        let (events, others) = rest.split_at_mut(middle);
        sequences.push(events);
        rest = others;
    }
    sequences
}
