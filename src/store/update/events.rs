//! Adds events to the `events` table.

use std::collections::BTreeMap;

use super::partition::Partition;
use super::{Sink, few_at_once};
use crate::error::Result;
use crate::event::Event;
use crate::store::columns::Table;
use crate::store::encode::ROW_GROUP;
use crate::store::snapshot::Snapshot;
use crate::store::tables;
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
