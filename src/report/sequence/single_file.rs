//! Folds the sequences whose events are all in one file.
//!
//! Most sessions begin and end on the same UTC date, whose events are mostly in one file. Their
//! sequences are added to the sum while the file is in memory. The events of the other sessions are
//! collected.

use std::sync::{Mutex, PoisonError};

use super::groups::is_tie;
use super::{EventTags, SequenceEvent, SequenceFold, TieOrder, columns};
use crate::error::Result;
use crate::report::metric::session_index::{FoundSession, SessionFinder, SessionIndex};
use crate::report::query::Query;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::{Day, Micros, Zone};

/// The sum over the sequences in single files, and the events of the other sequences by file.
pub(super) struct SingleFiles<T> {
    pub sum: T,
    pub others: Vec<Vec<SequenceEvent>>,
}

/// Reads the events of the given UTC dates, and adds the sequences whose events are in one file to
/// the sum. Sequences with ties that event ids decide are not added.
pub(super) fn fold_single_files<S: Send + Sync, F: SequenceFold<S>>(
    tables: &dyn Tables,
    query: &Query,
    (index, values): (&SessionIndex, &[S]),
    tags: &dyn EventTags,
    dates: (Day, Day),
    fold: &F,
) -> Result<SingleFiles<F::Sum>> {
    // Each thread takes one of these sums for a file, and adds to it.
    let sums: Mutex<Vec<F::Sum>> = Mutex::default();
    let free_sums = || sums.lock().unwrap_or_else(PoisonError::into_inner);
    let others = map_frames(tables, Table::Events, Some(dates), &columns(tags, index), |number, frame| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let date = SingleFileDate::new(tables, frame)?;
        let mut tag = tags.bind(frame)?;
        let mut finder = SessionFinder::new(frame, query, index)?;
        let (mut complete, mut others) = (Vec::with_capacity(frame.height()), Vec::new());
        for row in 0..frame.height() {
            let Some(tag) = tag(row) else { continue };
            let Some((session, time)) = finder.found_session(row) else { continue };
            let event = SequenceEvent { time, tag, group: session.number, position: (number, row as u32) };
            if date.contains(&session) { complete.push(event) } else { others.push(event) }
        }
        let free = free_sums().pop();
        let mut sum = free.unwrap_or_else(|| fold.empty());
        for_each_sequence(complete, |events| {
            events.sort_by_key(|event| (event.time, event.tag));
            let mut runs = events.chunk_by(|a, b| a.time == b.time);
            if tags.tie_order() == TieOrder::EventId && runs.any(is_tie) {
                others.extend_from_slice(events);
            } else if let Some(value) = events.first().and_then(|event| values.get(event.group as usize)) {
                fold.add(&mut sum, value, events);
            }
        });
        free_sums().push(sum);
        Ok(others)
    })?;
    let sums = sums.into_inner().unwrap_or_else(PoisonError::into_inner);
    let sum = sums.into_iter().fold(fold.empty(), |sum, other| fold.merge(sum, other));
    Ok(SingleFiles { sum, others })
}

/// The UTC date of a frame of events, if a single file has all events of the date.
struct SingleFileDate(Option<(Micros, Micros)>);

impl SingleFileDate {
    fn new(tables: &dyn Tables, frame: &Frame) -> Result<SingleFileDate> {
        // All rows of a file have the same date.
        let date = frame.ints("timestamp")?.get(0).map(Day::utc);
        let date = date.filter(|date| tables.facts().is_one_file(Table::Events, *date));
        Ok(SingleFileDate(date.map(|date| (Zone::UTC.start_of(date), Zone::UTC.start_of(date.plus(1))))))
    }

    /// Returns whether the file has all events of a session.
    fn contains(&self, session: &FoundSession) -> bool {
        self.0.is_some_and(|(start, end)| start <= session.start && session.end < end)
    }
}

/// Calls `visit` with the events of each sequence, in the order of the given events.
///
/// The numbers of the sequences of one date are close to each other, so the events are counted and
/// then moved to their positions.
fn for_each_sequence(events: Vec<SequenceEvent>, mut visit: impl FnMut(&mut [SequenceEvent])) {
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
