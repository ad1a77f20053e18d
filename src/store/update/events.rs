//! Adds events to the `events` table.

use std::collections::BTreeMap;

use super::partition::PartitionBuilder;
use super::{OutputSink, bounded_parallel};
use crate::error::Result;
use crate::event::Event;
use crate::store::columns::Table;
use crate::store::encode::ROW_GROUP;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::time::{Day, Micros};

/// Builds the files of new events, stored at `now`. `events` have the order of the files.
///
/// # Errors
/// Fails if a stored file cannot be read, or a file cannot be written.
pub fn write(snapshot: &Snapshot, events: &[Event<'_>], now: Micros, sink: OutputSink<'_>) -> Result<()> {
    bounded_parallel(by_day(events), |(day, events)| {
        let mut partition = PartitionBuilder::new(snapshot, Table::Events, day, events.len());
        let mut remaining = &events[..];
        while !remaining.is_empty() {
            let (rows, columns) =
                tables::events::row_group(&remaining[..remaining.len().min(ROW_GROUP)], now)?;
            let (events, rest) = remaining.split_at(rows);
            let times = events.iter().map(|event| event.row.time);
            let times = times.clone().min().zip(times.max()).unwrap_or_default();
            partition.add(rows, times, columns)?;
            remaining = rest;
        }
        partition.merge_small_files()?;
        sink(partition.finish()?)
    })?;
    Ok(())
}

fn by_day<'a>(events: &[Event<'a>]) -> BTreeMap<Day, Vec<Event<'a>>> {
    let mut days: BTreeMap<Day, Vec<Event<'a>>> = BTreeMap::new();
    let day_of = |event: &Event<'_>| Day::utc(event.row.time);
    // The events of a session are adjacent and mostly belong to one day.
    for events in events.chunk_by(|a, b| day_of(a) == day_of(b)) {
        let Some(first) = events.first() else { continue };
        days.entry(day_of(first)).or_default().extend_from_slice(events);
    }
    days
}
