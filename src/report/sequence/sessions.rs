//! Sequences of sessions.

use rayon::prelude::*;

use super::by_cell::fold_cells;
use super::chunks::{MAX_EVENTS, chunks};
use super::groups::Groups;
use super::single_file::{SingleFiles, fold_single_files};
use super::{EventTags, Folded, SequenceFold, retained_since};
use crate::error::Result;
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::session_keys::{BoundValues, SessionValues};
use crate::report::query::tables::Tables;
use crate::store::frame::Frame;
use crate::time::{Day, Micros};

/// Computes the sum over the sequences of the sessions that a query selects. Each session has a
/// value. The answers of a grid share one read of the events.
pub(crate) fn fold_sessions<S: Send + Sync + 'static, F: SequenceFold<S>>(
    tables: &dyn Tables,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags,
    fold: &F,
) -> Result<Folded<F::Sum>>
where
    F::Sum: Clone + Sync + 'static,
{
    if let Some((grid, name)) = tables.grid().zip(tags.shared_name())
        && let Some(folded) = fold_cells(&grid, name, query, values, tags, fold)?
    {
        return Ok(folded);
    }
    fold_chunks(tables, query, values, tags, fold, MAX_EVENTS)
}

/// Computes the sum over the sequences of sessions, in chunks of about `max_events` events.
pub(super) fn fold_chunks<S: Send + Sync + 'static, F: SequenceFold<S>>(
    tables: &dyn Tables,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags,
    fold: &F,
    max_events: usize,
) -> Result<Folded<F::Sum>> {
    let values = Since { values, start: retained_since(tables).unwrap_or(Micros::MIN) };
    let mut folded = Folded { sum: fold.empty(), sessions: 0, visitors: 0, bots: 0 };
    for window in chunks(tables, query.window, max_events) {
        let query = Query { window, ..query.clone() };
        let (index, values) = SessionIndex::read_with(tables, &query, &values)?;
        folded.bots += index.bots;
        folded.sessions += u64::from(index.len());
        values.par_iter().for_each(|value| fold.visit(value));
        if let Some(sum) = fold_window(tables, &query, &index, &values, tags, fold)? {
            folded.sum = fold.merge(folded.sum, sum);
        }
    }
    Ok(folded)
}

/// Computes the sum over the sequences of the sessions of a window, given their index and values;
/// `None` without sessions.
pub(super) fn fold_window<S: Send + Sync, F: SequenceFold<S>>(
    tables: &dyn Tables,
    query: &Query,
    index: &SessionIndex,
    values: &[S],
    tags: &dyn EventTags,
    fold: &F,
) -> Result<Option<F::Sum>> {
    let Some(last) = index.last else { return Ok(None) };
    let dates = (Day::utc(tables.zone().start_of(query.window.from)), Day::utc(last));
    let SingleFiles { sum, others } = fold_single_files(tables, query, (index, values), tags, dates, fold)?;
    if others.iter().all(Vec::is_empty) {
        return Ok(Some(sum));
    }
    let mut sequences = Groups::new(others, index.len() as usize);
    sequences.sort(tables, dates, tags.tie_order())?;
    Ok(Some(fold.merge(sum, sequences.fold(fold, |session| values.get(session)))))
}

/// Values of the sessions that started at `start` or later.
pub(super) struct Since<'a, S> {
    pub values: &'a dyn SessionValues<Value = S>,
    pub start: Micros,
}

impl<S: Send + 'static> SessionValues for Since<'_, S> {
    type Value = S;

    fn columns(&self) -> Vec<&'static str> {
        self.values.columns()
    }

    fn bind<'f>(&self, number: usize, frame: &'f Frame) -> Result<BoundValues<'f, S>> {
        let mut value = self.values.bind(number, frame)?;
        let (started, start) = (frame.ints("started_at")?, self.start);
        Ok(Box::new(move |row| {
            let is_complete = started.get(row).is_some_and(|time| start <= time);
            if is_complete { value(row) } else { None }
        }))
    }
}
