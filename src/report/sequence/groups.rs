//! Sorts events into sequences.

use hashbrown::HashMap;
use rayon::prelude::*;

use super::{SequenceEvent, SequenceFold, TieOrder};
use crate::error::Result;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::time::Day;

/// The minimum number of sequences that a thread processes at a time.
const MIN_SEQUENCES: usize = 1024;

/// The maximum number of threads that group events. Each reads all events.
const MAX_THREADS: usize = 4;

/// Returns the index of an event's sequence, counted from the sequence `first`; `None` for an
/// earlier sequence.
fn place(event: &SequenceEvent, first: usize) -> Option<usize> {
    (event.group as usize).checked_sub(first)
}

/// The events of a read, grouped by sequence.
pub(super) struct Groups {
    events: Vec<SequenceEvent>,
    /// The number of events of each sequence.
    lengths: Vec<u32>,
}

impl Groups {
    /// Groups the events of all files into `groups` sequences.
    ///
    /// Events are in nearly the same order as sessions, so counting them first and then moving each
    /// to its position takes a fraction of the time of a sort. Each thread moves the events of a
    /// range of sequences.
    pub fn new(files: Vec<Vec<SequenceEvent>>, groups: usize) -> Groups {
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
        let none = SequenceEvent { time: 0, tag: 0, group: 0, position: (0, 0) };
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

    /// Sorts each sequence. To order events of the same instant by id, their files are read again.
    /// `dates` must therefore be the dates of the first read.
    pub fn sort(&mut self, tables: &dyn Tables, dates: (Day, Day), order: TieOrder) -> Result<()> {
        let mut sequences = split(&mut self.events, &self.lengths);
        sequences.par_iter_mut().with_min_len(MIN_SEQUENCES).for_each(|events| {
            let key = |event: &SequenceEvent| (event.time, event.tag);
            if !events.is_sorted_by_key(key) {
                events.sort_unstable_by_key(key);
            }
        });
        if order == TieOrder::Tag {
            return Ok(());
        }
        let tied: Vec<(u32, u32)> = sequences
            .par_iter()
            .with_min_len(MIN_SEQUENCES)
            .flat_map_iter(|events| events.chunk_by(|a, b| a.time == b.time).filter(|run| is_tie(run)))
            .flat_map_iter(|run| run.iter().map(|event| event.position))
            .collect();
        if tied.is_empty() {
            return Ok(());
        }
        let ids = EventIds::read(tables, dates, tied)?;
        sequences.par_iter_mut().with_min_len(MIN_SEQUENCES).for_each(|events| {
            events.chunk_by_mut(|a, b| a.time == b.time).filter(|run| is_tie(run)).for_each(|run| {
                run.sort_by_key(|event| (ids.0.get(&event.position).copied(), event.position));
            });
        });
        Ok(())
    }

    /// Computes the sum over all sequences that have events. `value` returns the value of a
    /// sequence.
    pub fn fold<'v, S: Sync + 'v, F: SequenceFold<S>>(
        &self,
        fold: &F,
        value: impl Fn(usize) -> Option<&'v S> + Sync,
    ) -> F::Sum {
        let mut sequences: Vec<(usize, &[SequenceEvent])> = Vec::with_capacity(self.lengths.len());
        let mut rest = self.events.as_slice();
        for (group, length) in self.lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let (events, others) = rest.split_at_checked(*length as usize).unwrap_or((rest, &[]));
            sequences.push((group, events));
            rest = others;
        }
        let add = |mut sum: F::Sum, (group, events): &(usize, &[SequenceEvent])| {
            if let Some(value) = value(*group) {
                fold.add(&mut sum, value, events);
            }
            sum
        };
        let sums = sequences.par_iter().with_min_len(MIN_SEQUENCES).fold(|| fold.empty(), add);
        sums.reduce(|| fold.empty(), |sum, other| fold.merge(sum, other))
    }
}

/// Returns whether the order of events of the same instant matters. It does not if their tags are
/// equal.
pub(super) fn is_tie(run: &[SequenceEvent]) -> bool {
    run.first().zip(run.last()).is_some_and(|(first, last)| first.tag != last.tag)
}

/// Splits events into slices of these lengths.
fn split<'e>(events: &'e mut [SequenceEvent], lengths: &[u32]) -> Vec<&'e mut [SequenceEvent]> {
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

/// The ids of events by position.
struct EventIds(HashMap<(u32, u32), u128>);

impl EventIds {
    fn read(tables: &dyn Tables, dates: (Day, Day), mut tied: Vec<(u32, u32)>) -> Result<EventIds> {
        tied.par_sort_unstable();
        let files = map_frames(tables, Table::Events, Some(dates), &["id"], |number, frame| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let ids = frame.texts("id")?;
            let start = tied.partition_point(|position| position.0 < number);
            let positions = tied.get(start..).unwrap_or_default().iter();
            let positions = positions.take_while(|position| position.0 == number);
            // All ids are UUIDs in the same notation, which sort the same as numbers and as
            // strings.
            let id = |row: u32| ids.get(row as usize).and_then(|id| uuid::Uuid::try_parse(id).ok());
            Ok(positions.map(|position| (*position, id(position.1).unwrap_or_default().as_u128())).collect())
        })?;
        Ok(EventIds(files.into_iter().flat_map(|ids: Vec<_>| ids).collect()))
    }
}
