//! Sequences of sessions.

use rayon::prelude::*;

use super::by_cell::fold_cells;
use super::candidates::{Since, first_start};
use super::chunks::{MAX_EVENTS, chunks};
use super::filtered::fold_filtered;
use super::window_read::WindowRead;
use super::{EventTags, Folded, SequenceFold, Tag};
use crate::error::Result;
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::session_keys::SessionValues;
use crate::report::query::tables::Tables;

/// Computes the sum over the sequences of the sessions that a query selects. Each session has a
/// value. The answers of a grid share one read of the events.
pub(crate) fn fold_sessions<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    tables: &dyn Tables,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
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
pub(super) fn fold_chunks<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    tables: &dyn Tables,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
    fold: &F,
    max_events: usize,
) -> Result<Folded<F::Sum>> {
    if let Some(unclassified) = tables.unclassified() {
        return fold_filtered(unclassified, query, values, tags, fold, max_events);
    }
    let values = Since { values, start: first_start(tables, tags) };
    let mut folded = Folded { sum: fold.empty(), sessions: 0, visitors: 0, bots: 0 };
    for window in chunks(tables, query.window, max_events) {
        let query = Query { window, ..query.clone() };
        let (index, values) = SessionIndex::read_with(tables, &query, &values)?;
        folded.bots += index.bots;
        folded.sessions += u64::from(index.len());
        values.par_iter().for_each(|value| fold.visit(&[], value));
        let read = WindowRead { tables, query: &query, index: &index, tags, rows: None };
        if let Some(sum) = read.fold(fold, &|number| values.get(number as usize))? {
            folded.sum = fold.merge(folded.sum, sum);
        }
    }
    Ok(folded)
}
