//! Adds events to the `events` table.

use polars::prelude::*;
use rayon::prelude::*;

use super::{Made, fold};
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
pub fn make(snapshot: &Snapshot, events: &[Event<'_>], now: Micros) -> Result<Vec<Made>> {
    let mut days: std::collections::BTreeMap<Day, Vec<Event<'_>>> = std::collections::BTreeMap::new();
    for event in events {
        days.entry(Day::utc(event.row.time)).or_default().push(*event);
    }
    days.into_par_iter()
        .map(|(day, events)| {
            let partition = snapshot.files_in(Table::Events, Some((day, day)));
            let folded: Vec<DataFile> =
                fold::choose(partition, events.len() as u64).into_iter().cloned().collect();
            let mut builder = FileBuilder::new(Table::Events)?;
            let mut rows = events.len() as u64;
            let times = events.iter().map(|event| event.row.time);
            let mut min_time = times.clone().min().unwrap_or(0);
            let mut max_time = times.max().unwrap_or(0);
            for events in events.chunks(ROW_GROUP) {
                builder.add(events.len(), tables::events::columns(events, now)?)?;
            }
            for file in &folded {
                builder.add_frame(&snapshot.read_file_checked(file)?)?;
                rows += file.rows;
                min_time = min_time.min(file.min_time);
                max_time = max_time.max(file.max_time);
            }
            let bytes = builder.finish()?;
            let file = NewFile { table: Table::Events, day, rows, min_time, max_time, bytes };
            Ok(Made { file: Some(file), replaced: folded })
        })
        .collect()
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
    Ok(NewFile { table, day, rows, min_time, max_time, bytes: crate::store::parquet::encode(frame)? })
}

/// Keeps the rows of a frame for which `keep` is true.
pub fn filter(frame: &DataFrame, keep: impl Iterator<Item = bool>) -> Result<DataFrame> {
    let mask = BooleanChunked::from_iter_values("keep".into(), keep);
    frame.filter(&mask).map_err(|e| Error::failed("cannot take rows out of a table").caused_by(e))
}
