//! Folds the sequences whose events are all in one file.
//!
//! Most sessions have all their events in one file, in which they are adjacent. The sessions state
//! how many events they have, so a sequence is known to be complete while its file is in memory,
//! and is added to the sum at once. The events of the other sessions are collected.

use std::sync::{Mutex, PoisonError};

use super::ties::{EventIds, has_tie, is_tie};
use super::window_read::{WindowRead, utc_date};
use super::{SequenceEvent, SequenceFold, Tag, TieOrder};
use crate::error::Result;
use crate::report::metric::session_index::{SessionFinder, SessionRun};
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::Day;

/// The sum over the sequences in single files, and the events of the other sequences.
pub(super) struct SingleFiles<S, T> {
    pub sum: S,
    /// The UTC date of each file; `None` for a file without rows.
    pub dates: Vec<Option<Day>>,
    /// The events of the other sequences in each file.
    pub others: Vec<Vec<SequenceEvent<T>>>,
}

/// Reads the events of the given UTC dates, and adds the sequences whose events are in one file to
/// the sum. `value` returns the value of a session once all its events are read; `None` for a
/// session that is not counted.
pub(super) fn fold_single_files<'v, S: Sync + 'v, T: Tag, F: SequenceFold<S, T>>(
    read: &WindowRead<'_, T>,
    dates: (Day, Day),
    fold: &F,
    value: &(impl Fn(u32) -> Option<&'v S> + Sync),
) -> Result<SingleFiles<F::Sum, T>> {
    // Each thread takes one of these sums for a file, and adds to it.
    let sums: Mutex<Vec<F::Sum>> = Mutex::default();
    let free_sums = || sums.lock().unwrap_or_else(PoisonError::into_inner);
    let files = map_frames(read.tables, Table::Events, Some(dates), &read.columns(), |number, frame| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let free = free_sums().pop();
        let sum = free.unwrap_or_else(|| fold.empty());
        let date = utc_date(frame)?;
        let is_only_file = date.is_some_and(|date| read.tables.facts().is_one_file(Table::Events, date));
        let order = read.tags.tie_order();
        let (tied, others) = (Vec::new(), Vec::new());
        let mut file = FileFold { fold, value, sum, order, is_only_file, tied, others };
        file.read(read, number, frame)?;
        if let Some(date) = date.filter(|_| !file.tied.is_empty()) {
            file.add_tied(read.tables, date, number)?;
        }
        free_sums().push(file.sum);
        Ok((date, file.others))
    })?;
    let sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    let sum = sums.into_iter().fold(fold.empty(), |sum, other| fold.merge(sum, other));
    let (dates, others) = files.into_iter().unzip();
    Ok(SingleFiles { sum, dates, others })
}

/// Adds the sequences of a file to a sum.
struct FileFold<'a, F, V, S, T> {
    fold: &'a F,
    value: &'a V,
    sum: S,
    order: TieOrder,
    /// Whether the file has all events of its date.
    is_only_file: bool,
    /// The sequences whose order depends on event ids, sorted by time and tag.
    tied: Vec<Vec<SequenceEvent<T>>>,
    /// The events of the sequences that are not added here.
    others: Vec<SequenceEvent<T>>,
}

impl<'v, F, V, S, T: Tag> FileFold<'_, F, V, F::Sum, T>
where
    S: Sync + 'v,
    F: SequenceFold<S, T>,
    V: Fn(u32) -> Option<&'v S> + Sync,
{
    /// Adds the sequences that have all their events in a frame, and collects the other events.
    fn read(&mut self, read: &WindowRead<'_, T>, number: u32, frame: &Frame) -> Result<()> {
        let times = frame.ints("timestamp")?;
        let mut tag = read.tags.bind(frame)?;
        let mut receive = read.rows.map(|rows| rows.bind(frame)).transpose()?;
        let runs = SessionFinder::new(frame, read.query, read.index)?.runs();
        let counts = RowCounts::new(&runs);
        let (mut events, mut unsorted) = (Vec::new(), Vec::new());
        for SessionRun { session, rows } in &runs {
            if receive.is_none() && (self.value)(session.number).is_none() {
                // The session of an excluded bot.
                continue;
            }
            let is_selected = receive.as_mut().is_none_or(|receive| receive(session.number, rows.clone()));
            let count = counts.of(session.number);
            let is_complete = count == session.events;
            // A file that was written in several steps has late events far from the others of their
            // session.
            let is_scattered = count as usize > rows.len();
            if is_complete && !is_scattered && !is_selected {
                continue;
            }
            events.clear();
            for row in rows.clone() {
                let Some(tag) = tag(row) else { continue };
                let (time, position) = (times.or_zero(row), (number, row as u32));
                events.push(SequenceEvent { time, tag, group: session.number, position });
            }
            match (is_complete, is_scattered) {
                (false, _) => self.others.extend_from_slice(&events),
                (true, true) => unsorted.extend_from_slice(&events),
                (true, false) => self.add(&mut events),
            }
        }
        for_each_sequence(unsorted, |events| self.add(events));
        Ok(())
    }

    /// Adds a sequence, or puts it aside if its order depends on event ids.
    fn add(&mut self, events: &mut [SequenceEvent<T>]) {
        let Some(value) = events.first().and_then(|event| (self.value)(event.group)) else { return };
        let key = |event: &SequenceEvent<T>| (event.time, event.tag);
        if !events.is_sorted_by_key(key) {
            events.sort_unstable_by_key(key);
        }
        if self.order == TieOrder::Tag || !has_tie(events) || !self.fold.depends_on_ties(events) {
            self.fold.collect(&[], value, events);
            self.fold.add(&mut self.sum, value, events);
        } else if self.is_only_file {
            self.tied.push(events.to_vec());
        } else {
            self.others.extend_from_slice(events);
        }
    }

    /// Adds the sequences that were put aside.
    fn add_tied(&mut self, tables: &dyn Tables, date: Day, number: u32) -> Result<()> {
        let runs = self.tied.iter().flat_map(|events| events.chunk_by(|a, b| a.time == b.time));
        let positions = runs.filter(|run| is_tie(run)).flatten().map(|event| event.position).collect();
        let ids = EventIds::of_date(tables, date, number, positions)?;
        for mut events in std::mem::take(&mut self.tied) {
            ids.order(&mut events);
            if let Some(value) = events.first().and_then(|event| (self.value)(event.group)) {
                self.fold.collect(&[], value, &events);
                self.fold.add(&mut self.sum, value, &events);
            }
        }
        Ok(())
    }
}

/// The number of rows of each session in a file.
struct RowCounts {
    /// The lowest session number.
    first: u32,
    counts: Vec<u32>,
}

impl RowCounts {
    fn new(runs: &[SessionRun]) -> RowCounts {
        let numbers = || runs.iter().map(|run| run.session.number);
        let (Some(first), Some(last)) = (numbers().min(), numbers().max()) else {
            return RowCounts { first: 0, counts: Vec::new() };
        };
        let mut counts = vec![0; (last - first) as usize + 1];
        for run in runs {
            let count = counts.get_mut((run.session.number - first) as usize);
            count.into_iter().for_each(|count| *count += run.rows.len() as u32);
        }
        RowCounts { first, counts }
    }

    fn of(&self, session: u32) -> u32 {
        self.counts.get(session.wrapping_sub(self.first) as usize).copied().unwrap_or(0)
    }
}

/// Calls `visit` with the events of each sequence, in the order of the given events.
///
/// The numbers of the sequences of one date are close to each other, so the events are counted and
/// then moved to their positions.
fn for_each_sequence<T: Tag>(events: Vec<SequenceEvent<T>>, mut visit: impl FnMut(&mut [SequenceEvent<T>])) {
    let groups = || events.iter().map(|event| event.group);
    let (Some(first), Some(last)) = (groups().min(), groups().max()) else { return };
    // The start of each sequence, which moves to its end while the events are placed.
    let mut starts = vec![0u32; (last - first) as usize + 2];
    for group in groups() {
        starts.get_mut((group - first) as usize + 1).into_iter().for_each(|start| *start += 1);
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut sorted = events.clone();
    for event in &events {
        let Some(next) = starts.get_mut((event.group - first) as usize) else { continue };
        if let Some(slot) = sorted.get_mut(*next as usize) {
            *slot = *event;
        }
        *next += 1;
    }
    sorted.chunk_by_mut(|a, b| a.group == b.group).for_each(&mut visit);
}
