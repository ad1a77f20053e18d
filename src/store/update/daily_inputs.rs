//! The inputs of daily statistics: the sessions of a day, and the visitors first seen on it.

use std::collections::{HashMap, HashSet};

use rayon::prelude::*;

use crate::daily_stats::{DayAggregates, VisitorSet};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::snapshot::Snapshot;
use crate::store::tables::daily_stats::{FACT_COLUMNS, for_each_session};
use crate::store::tables::visitors::{LOOKUP_COLUMNS, hashes_and_times};
use crate::time::{Day, Micros, Zone};

/// The aggregates of the sessions in some files of a day, with the paths of these files.
pub(super) type PartialDay = (Vec<String>, DayAggregates);

/// Returns the visitors first seen on each of the days.
///
/// # Errors
/// Fails if a file of visitors cannot be read.
pub fn first_seen_on(snapshot: &Snapshot, days: &[Day], zone: Zone) -> Result<HashMap<Day, VisitorSet>> {
    let day_set: HashSet<Day> = days.iter().copied().collect();
    let bounds: Vec<(Micros, Micros)> =
        days.iter().map(|&day| (zone.start_of(day), zone.start_bounds(day.plus(1)).1)).collect();
    let files = snapshot.manifest().files(Table::Visitors).par_iter();
    let files = files.filter(|f| bounds.iter().any(|&(from, to)| f.min_time < to && from <= f.max_time));
    let visitors: Vec<Vec<(Day, u128)>> = files
        .map(|file| {
            let stored = snapshot.read_file(file, Some(&LOOKUP_COLUMNS))?;
            let dated = hashes_and_times(&stored)?.map(|(hash, time)| (zone.day(time), hash));
            Ok(dated.filter(|(day, _)| day_set.contains(day)).collect())
        })
        .collect::<Result<_>>()?;
    let mut by_day: HashMap<Day, VisitorSet> = HashMap::new();
    for (day, hash) in visitors.into_iter().flatten() {
        by_day.entry(day).or_default().insert(hash);
    }
    Ok(by_day)
}

/// Aggregates the sessions of a day. `partial` has the aggregates of files that need not be read.
///
/// # Errors
/// Fails if a file of sessions cannot be read.
pub fn aggregate_day(
    snapshot: &Snapshot,
    day: Day,
    partial: Option<(Vec<String>, DayAggregates)>,
) -> Result<DayAggregates> {
    let (paths, mut aggregates) = partial.unwrap_or_default();
    let files = snapshot.files_in(Table::Sessions, Some((day, day)));
    let frames: Vec<Frame> = files
        .into_par_iter()
        .filter(|file| !paths.contains(&file.path))
        .map(|file| snapshot.read_file(file, Some(&FACT_COLUMNS)))
        .collect::<Result<_>>()?;
    for frame in &frames {
        for_each_session(frame, |chatbot, facts| aggregates.add(chatbot, facts))?;
    }
    Ok(aggregates)
}
