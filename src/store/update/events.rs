//! Adds events to the `events` table.

use std::collections::BTreeMap;

use polars::prelude::*;

use super::{Made, Sink, few_at_once, fold};
use crate::error::{Error, Result};
use crate::event::Event;
use crate::store::columns::Table;
use crate::store::encode::{FileBuilder, ROW_GROUP};
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::NewFile;
use crate::time::{Day, Micros};

/// Makes the files of new events, given in the order in which they are to lie there.
pub fn make(snapshot: &Snapshot, events: &[Event<'_>], now: Micros, sink: Sink<'_>) -> Result<()> {
    few_at_once(by_day(events), |(day, OfDay { events, mut min_time, mut max_time })| {
        let partition = snapshot.files_in(Table::Events, Some((day, day)));
        let folded: Vec<DataFile> =
            fold::choose(Table::Events, partition, events.len() as u64).into_iter().cloned().collect();
        let mut builder = FileBuilder::new(Table::Events)?;
        let mut rows = events.len() as u64;
        for events in events.chunks(ROW_GROUP) {
            builder.add(events.len(), tables::events::columns(events, now)?)?;
        }
        for file in &folded {
            builder.take_over(snapshot.bytes_checked(&file.path, &file.checksum)?)?;
            rows += file.rows;
            min_time = min_time.min(file.min_time);
            max_time = max_time.max(file.max_time);
        }
        let bytes = builder.finish()?;
        let file = NewFile::new(Table::Events, day, rows, (min_time, max_time), bytes);
        sink(Made { table: Table::Events, file: Some(file), replaced: folded })
    })?;
    Ok(())
}

/// The new events of a day.
struct OfDay<'a> {
    events: Vec<Event<'a>>,
    min_time: Micros,
    max_time: Micros,
}

fn by_day<'a>(events: &[Event<'a>]) -> BTreeMap<Day, OfDay<'a>> {
    let mut days: BTreeMap<Day, OfDay<'a>> = BTreeMap::new();
    let day_of = |event: &Event<'_>| Day::utc(event.row.time);
    // A session's events are mostly of one day.
    for events in events.chunk_by(|a, b| day_of(a) == day_of(b)) {
        let Some(first) = events.first() else { continue };
        let none = || OfDay { events: Vec::new(), min_time: Micros::MAX, max_time: Micros::MIN };
        let day = days.entry(day_of(first)).or_insert_with(none);
        for event in events {
            day.min_time = day.min_time.min(event.row.time);
            day.max_time = day.max_time.max(event.row.time);
        }
        day.events.extend_from_slice(events);
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
pub fn file_of(
    table: Table,
    day: Day,
    frame: &mut DataFrame,
    earliest: &str,
    latest: &str,
) -> Result<NewFile> {
    let reader = tables::Reader(frame);
    let min_time = reader.int64(earliest)?.min().unwrap_or(0);
    let max_time = reader.int64(latest)?.max().unwrap_or(0);
    let rows = frame.height() as u64;
    Ok(NewFile::new(table, day, rows, (min_time, max_time), crate::store::parquet::encode(frame)?))
}

/// Keeps the rows of a frame for which `keep` is true.
pub fn filter(frame: &DataFrame, keep: impl Iterator<Item = bool>) -> Result<DataFrame> {
    let mask = BooleanChunked::from_iter_values("keep".into(), keep);
    // In this thread alone: one that waits for others takes up another partition meanwhile, and the two then
    // lie on one thread while the others have nothing to do.
    frame.filter_seq(&mask).map_err(|e| Error::failed("cannot take rows out of a table").caused_by(e))
}
