//! Sequences of the sessions of each cell of a grid.
//!
//! The events of the longest window are read once for all answers. Each sequence is added to the
//! sum of its session's cell, and the sum of an answer is merged from the sums of its cells.

use super::candidates::{Since, first_start};
use super::chunks::{MAX_EVENTS, chunks};
use super::window_read::WindowRead;
use super::{EventTags, Folded, SequenceEvent, SequenceFold, Tag};
use crate::error::Result;
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::cells::{GridTables, InCells};
use crate::report::query::session_keys::SessionValues;

/// Computes the sum over the sequences of the sessions that a query selects; `None` if the query
/// does not consist of cells. `name` is the name of the report.
pub(super) fn fold_cells<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    grid: &GridTables<'_>,
    name: &'static str,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
    fold: &F,
) -> Result<Option<Folded<F::Sum>>>
where
    F::Sum: Clone + Sync + 'static,
{
    let Some(cells) = grid.cells.of(query) else { return Ok(None) };
    let folded = grid.cells.share(name, || fold_each(grid, values, tags, fold))?;
    let add = |sum: Folded<F::Sum>, cell: &Folded<F::Sum>| Folded {
        sum: fold.merge(sum.sum, cell.sum.clone()),
        sessions: sum.sessions + cell.sessions,
        visitors: 0,
        bots: sum.bots + cell.bots,
    };
    Ok(Some(cells.filter_map(|cell| folded.get(cell)).fold(no_sessions::<S, T, F>(fold), add)))
}

fn no_sessions<S, T, F: SequenceFold<S, T>>(fold: &F) -> Folded<F::Sum> {
    Folded { sum: fold.empty(), sessions: 0, visitors: 0, bots: 0 }
}

/// Computes the sum of each cell.
fn fold_each<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    grid: &GridTables<'_>,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
    fold: &F,
) -> Result<Vec<Folded<F::Sum>>> {
    let (tables, cells) = (grid.tables.as_ref(), grid.cells);
    let values = Since { values, start: first_start(tables, tags) };
    let values = InCells { values: &values, cells, zone: tables.zone() };
    let folds = CellFolds { fold, cells: cells.count() };
    let mut folded: Vec<Folded<F::Sum>> = (0..cells.count()).map(|_| no_sessions::<S, T, F>(fold)).collect();
    for window in chunks(tables, cells.query().window, MAX_EVENTS) {
        let query = Query { window, ..cells.query().clone() };
        for (cell, bots) in folded.iter_mut().zip(cells.bots(tables, &query)?) {
            cell.bots += bots;
        }
        let (index, values) = SessionIndex::read_with(tables, &query, &values)?;
        for (_, cell) in values.iter() {
            folded.get_mut(*cell as usize).into_iter().for_each(|cell| cell.sessions += 1);
        }
        let read = WindowRead { tables, query: &query, index: &index, tags, rows: None };
        let Some(sums) = read.fold(&folds, &|number| values.get(number as usize))? else { continue };
        let add = |(cell, sum): (Folded<F::Sum>, Option<F::Sum>)| match sum {
            Some(sum) => Folded { sum: fold.merge(cell.sum, sum), ..cell },
            None => cell,
        };
        folded = folded.into_iter().zip(sums).map(add).collect();
    }
    Ok(folded)
}

/// The fold of each cell.
struct CellFolds<'a, F> {
    fold: &'a F,
    cells: usize,
}

impl<S, T, F: SequenceFold<S, T>> SequenceFold<(S, u32), T> for CellFolds<'_, F> {
    /// The sums of cells; `None` for a cell without sequences.
    type Sum = Vec<Option<F::Sum>>;

    fn empty(&self) -> Self::Sum {
        (0..self.cells).map(|_| None).collect()
    }

    fn add(&self, sums: &mut Self::Sum, (value, cell): &(S, u32), events: &[SequenceEvent<T>]) {
        if let Some(sum) = sums.get_mut(*cell as usize) {
            self.fold.add(sum.get_or_insert_with(|| self.fold.empty()), value, events);
        }
    }

    fn depends_on_ties(&self, events: &[SequenceEvent<T>]) -> bool {
        self.fold.depends_on_ties(events)
    }

    fn merge(&self, sums: Self::Sum, other: Self::Sum) -> Self::Sum {
        let merge = |(sum, other): (Option<F::Sum>, Option<F::Sum>)| match (sum, other) {
            (Some(sum), Some(other)) => Some(self.fold.merge(sum, other)),
            (sum, other) => sum.or(other),
        };
        sums.into_iter().zip(other).map(merge).collect()
    }
}
