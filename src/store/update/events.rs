//! Adds events to the `events` table.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::partition::Partition;
use super::{Sink, few_at_once};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::store::columns::Table;
use crate::store::encode::{FileBuilder, ROW_GROUP};
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::NewFile;
use crate::time::{Day, Micros};

/// Makes the files of new events, given in the order in which they are to lie there.
pub fn make(snapshot: &Snapshot, events: &[Event<'_>], now: Micros, sink: Sink<'_>) -> Result<()> {
    few_at_once(by_day(events), |(day, events)| {
        let mut partition = Partition::new(snapshot, Table::Events, day, events.len())?;
        let mut left = &events[..];
        while !left.is_empty() {
            let (rows, columns) = tables::events::columns(&left[..left.len().min(ROW_GROUP)], now)?;
            let (events, rest) = left.split_at(rows);
            let times = events.iter().map(|event| event.row.time);
            let times = times.clone().min().zip(times.max()).unwrap_or_default();
            partition.add(rows, times, columns)?;
            left = rest;
        }
        partition.fold()?;
        sink(partition.finish()?)
    })?;
    Ok(())
}

fn by_day<'a>(events: &[Event<'a>]) -> BTreeMap<Day, Vec<Event<'a>>> {
    let mut days: BTreeMap<Day, Vec<Event<'a>>> = BTreeMap::new();
    let day_of = |event: &Event<'_>| Day::utc(event.row.time);
    // A session's events are mostly of one day.
    for events in events.chunk_by(|a, b| day_of(a) == day_of(b)) {
        let Some(first) = events.first() else { continue };
        days.entry(day_of(first)).or_default().extend_from_slice(events);
    }
    days
}

/// Puts frames of one table under each other.
pub fn stack(frames: Vec<DataFrame>) -> Result<DataFrame> {
    let mut frames = frames.into_iter();
    let mut all = frames.next().unwrap_or_default();
    for frame in frames {
        all.vstack_mut(&frame)
            .map_err(|e| Error::failed("cannot put two pieces of a table together").caused_by(e))?;
    }
    all.rechunk_mut();
    Ok(all)
}

/// Encodes a frame as a new file of a table, with the least of one column of times and the greatest
/// of another.
pub fn file_of(table: Table, day: Day, frame: &DataFrame, earliest: &str, latest: &str) -> Result<NewFile> {
    let reader = tables::Reader(frame);
    let min_time = reader.int64(earliest)?.min().unwrap_or(0);
    let max_time = reader.int64(latest)?.max().unwrap_or(0);
    let rows = frame.height() as u64;
    let bytes = FileBuilder::of_frame(table, frame)?.finish()?;
    Ok(NewFile::new(table, day, rows, (min_time, max_time), bytes))
}

/// Keeps the rows of a frame for which `keep` is true.
pub fn filter(frame: &DataFrame, keep: impl Iterator<Item = bool>) -> Result<DataFrame> {
    let mask = BooleanChunked::from_iter_values("keep".into(), keep);
    // In this thread alone: one that waits for others takes up another partition meanwhile, and the two then
    // lie on one thread while the others have nothing to do.
    frame.filter_seq(&mask).map_err(|e| Error::failed("cannot take rows out of a table").caused_by(e))
}
