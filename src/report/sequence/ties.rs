//! Orders events of the same instant by their ids.
//!
//! Ids take as much space as all other columns that a report reads. They are read only for
//! sequences whose result depends on the order, and only from the files that contain them.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use rayon::prelude::*;

use super::{SequenceEvent, Tag};
use crate::error::Result;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::Day;

/// The number of the frame in its read, and the row.
type Position = (u32, u32);

/// Returns whether the order of events of the same instant matters. It does not if their tags are
/// equal. Such events are sorted by tag.
pub(super) fn is_tie<T: Tag>(run: &[SequenceEvent<T>]) -> bool {
    run.first().zip(run.last()).is_some_and(|(first, last)| first.tag != last.tag)
}

/// Returns whether a sequence has events of the same instant with different tags.
pub(super) fn has_tie<T: Tag>(events: &[SequenceEvent<T>]) -> bool {
    events.windows(2).any(|pair| matches!(pair, [a, b] if a.time == b.time && a.tag != b.tag))
}

/// The maximum number of pairs of tied events whose orders are compared.
const MAX_PAIRS: usize = 3;

/// Returns whether a result differs between the orders of events of the same instant. Also returns
/// `true` if there are too many orders to compare.
pub(crate) fn results_differ<T: Tag, R: PartialEq>(
    events: &[SequenceEvent<T>],
    result: impl Fn(&[SequenceEvent<T>]) -> R,
) -> bool {
    let mut pairs: Vec<usize> = Vec::new();
    let mut start = 0;
    for run in events.chunk_by(|a, b| a.time == b.time) {
        if is_tie(run) {
            if run.len() > 2 {
                return true;
            }
            pairs.push(start);
        }
        start += run.len();
    }
    if pairs.len() > MAX_PAIRS {
        return true;
    }
    let first = result(events);
    (1u32..1 << pairs.len()).any(|swapped| {
        let mut other = events.to_vec();
        let swapped = pairs.iter().enumerate().filter(|(bit, _)| swapped >> bit & 1 == 1);
        swapped.for_each(|(_, at)| other.swap(*at, *at + 1));
        result(&other) != first
    })
}

/// The ids of events by position.
pub(super) struct EventIds(HashMap<Position, u128>);

impl EventIds {
    /// Reads the ids of tied events. `of_frames` has the UTC date of each frame that a read of
    /// `dates` returns; `None` for a frame without rows. The positions refer to these frames.
    pub fn read(
        tables: &dyn Tables,
        dates: (Day, Day),
        of_frames: &[Option<Day>],
        mut tied: Vec<Position>,
    ) -> Result<EventIds> {
        tied.par_sort_unstable();
        if of_frames.iter().any(Option::is_none) {
            // The frames of a date are unknown.
            let all: Vec<u32> = (0..).zip(of_frames).map(|(number, _)| number).collect();
            return Ok(EventIds(read_ids(tables, dates, &all, &tied)?.into_iter().collect()));
        }
        let mut numbers: BTreeMap<Option<Day>, Vec<u32>> = BTreeMap::new();
        for (number, date) in (0..).zip(of_frames) {
            numbers.entry(*date).or_default().push(number);
        }
        let has_tie = |numbers: &[u32]| numbers.iter().any(|number| !of_frame(&tied, *number).is_empty());
        numbers.retain(|_, numbers| has_tie(numbers));
        let reads: Vec<(Day, Vec<u32>)> =
            numbers.into_iter().filter_map(|(date, numbers)| Some((date?, numbers))).collect();
        let read = |(date, numbers): &(Day, Vec<u32>)| read_ids(tables, (*date, *date), numbers, &tied);
        let ids = reads.par_iter().with_max_len(1).map(read).collect::<Result<Vec<_>>>()?;
        Ok(EventIds(ids.into_iter().flatten().collect()))
    }

    /// Reads the ids of tied events of a date. All of them are in the frame with this number.
    pub fn of_date(tables: &dyn Tables, date: Day, number: u32, mut tied: Vec<Position>) -> Result<EventIds> {
        tied.sort_unstable();
        Ok(EventIds(read_ids(tables, (date, date), &[number], &tied)?.into_iter().collect()))
    }

    /// Orders the tied events of a sequence, which is sorted by time and tag.
    pub fn order<T: Tag>(&self, events: &mut [SequenceEvent<T>]) {
        events.chunk_by_mut(|a, b| a.time == b.time).filter(|run| is_tie(run)).for_each(|run| {
            run.sort_by_key(|event| (self.0.get(&event.position).copied(), event.position));
        });
    }
}

/// Returns the positions in a frame.
fn of_frame(tied: &[Position], number: u32) -> &[Position] {
    let start = tied.partition_point(|position| position.0 < number);
    let end = tied.partition_point(|position| position.0 <= number);
    tied.get(start..end).unwrap_or_default()
}

/// Reads the ids of events at sorted positions. `numbers` has the number by which the positions
/// refer to each frame that a read of `dates` returns.
fn read_ids(
    tables: &dyn Tables,
    dates: (Day, Day),
    numbers: &[u32],
    tied: &[Position],
) -> Result<Vec<(Position, u128)>> {
    let files = map_frames(tables, Table::Events, Some(dates), &["id"], |index, frame: &Frame| {
        let ids = frame.texts("id")?;
        // Ids are UUIDs in canonical form, whose numeric order equals their order as strings.
        let id = |row: u32| ids.get(row as usize).and_then(|id| uuid::Uuid::try_parse(id).ok());
        let positions = numbers.get(index).map_or(&[][..], |number| of_frame(tied, *number));
        let ids = positions.iter().map(|position| (*position, id(position.1).unwrap_or_default().as_u128()));
        Ok(ids.collect::<Vec<_>>())
    })?;
    Ok(files.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_differ_if_an_order_of_tied_events_changes_them() {
        let events = |tags: &[(i64, u32)]| -> Vec<SequenceEvent> {
            tags.iter().map(|(time, tag)| SequenceEvent::new(*time, *tag)).collect()
        };
        let first_two = |events: &[SequenceEvent]| events.iter().take(2).map(|e| e.tag).collect::<Vec<_>>();
        let differ = |tags: &[(i64, u32)]| results_differ(&events(tags), first_two);
        // Equal tags, and ties after the second event.
        assert!(!differ(&[(1, 1), (1, 1), (2, 3)]) && !differ(&[(1, 1), (2, 2), (3, 1), (3, 2)]));
        assert!(differ(&[(1, 1), (1, 2)]) && differ(&[(1, 1), (2, 2), (2, 3)]));
        // Only swapping both pairs changes the result.
        let is_swapped = |events: &[SequenceEvent]| {
            let tags = [1, 2].map(|at| events.get(at).map_or(0, |event| event.tag));
            tags == [1, 6]
        };
        assert!(results_differ(&events(&[(1, 1), (1, 2), (2, 5), (2, 6)]), is_swapped));
        // Too many orders to compare.
        assert!(differ(&[(1, 0), (2, 0), (3, 1), (3, 1), (3, 2)]));
        let pairs: Vec<(i64, u32)> = (0..10).map(|n| (i64::from(n / 2), n % 2)).collect();
        assert!(results_differ(&events(&pairs), |_| 0));
    }
}
