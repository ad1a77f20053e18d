//! Sequences of the sessions of each group of a breakdown with many groups.
//!
//! A sum has only the groups whose sequences were added to it, so time and memory grow with the
//! number of sessions and groups, and not with their product.

use hashbrown::HashMap;
use rayon::prelude::*;

use super::by_group::{Grouped, SessionGroups};
use super::candidates::{Candidate, Candidates};
use super::chunks::{MAX_EVENTS, chunks};
use super::window_read::WindowRead;
use super::{EventTags, Folded, SequenceEvent, SequenceFold, Tag};
use crate::error::Result;
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::selection::GroupNumbers;
use crate::report::query::session_keys::SessionValues;

/// Computes the sums of [`fold_groups`](super::fold_groups) for any number of groups.
pub(super) fn fold_many<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    groups: SessionGroups<'_>,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
    folds: &[F],
) -> Result<Vec<Folded<F::Sum>>> {
    let tables = groups.all();
    let candidates = Candidates::new(tables, query, values, tags);
    let all = ManyFolds { folds };
    let empty = |sum| Folded { sum, sessions: 0, visitors: 0, bots: 0 };
    let mut folded: Vec<Folded<F::Sum>> = folds.iter().map(|fold| empty(fold.empty())).collect();
    for window in chunks(tables, query.window, MAX_EVENTS) {
        let query = Query { window, include_bots: true, ..query.clone() };
        let row_groups = groups.row_groups(window.range())?;
        let values = Grouped { values: &candidates, groups: &row_groups };
        let (mut index, values) = SessionIndex::read_with(tables, &query, &values)?;
        if index.bots > 0 {
            index.restrict_last(|number| values.get(number).is_some_and(|(c, _)| c.value.is_some()));
        }
        values.par_iter().for_each(|(candidate, numbers)| {
            candidate.value.iter().for_each(|value| all.each(numbers, |_, fold| fold.visit(value)));
        });
        for (candidate, numbers) in values.iter() {
            all.each(numbers, |number, _| {
                folded.get_mut(number as usize).into_iter().for_each(|sum| {
                    sum.sessions += u64::from(candidate.value.is_some());
                    sum.bots += u64::from(candidate.is_bot);
                });
            });
        }
        let read = WindowRead { tables, query: &query, index: &index, tags, conditions: None };
        let Some(sums) = read.fold(&all, &|number| values.get(number as usize))? else { continue };
        for (number, sum) in sums {
            if let Some((total, fold)) = folded.get_mut(number as usize).zip(folds.get(number as usize)) {
                let earlier = std::mem::replace(&mut total.sum, fold.empty());
                total.sum = fold.merge(earlier, sum);
            }
        }
    }
    Ok(folded)
}

/// The folds of all groups. The last one is the fold of all sessions.
struct ManyFolds<'a, F> {
    folds: &'a [F],
}

impl<F> ManyFolds<'_, F> {
    /// Calls `visit` with the number and the fold of each group of a session, and with those of all
    /// sessions.
    fn each(&self, numbers: &GroupNumbers, mut visit: impl FnMut(u32, &F)) {
        let Some((all, groups)) = self.folds.split_last() else { return };
        for number in numbers.iter() {
            // Classes with only excluded bot sessions are not listed.
            groups.get(number as usize).into_iter().for_each(|fold| visit(number, fold));
        }
        visit(groups.len() as u32, all);
    }
}

impl<S, T, F: SequenceFold<S, T>> SequenceFold<(Candidate<S>, GroupNumbers), T> for ManyFolds<'_, F> {
    type Sum = HashMap<u32, F::Sum>;

    fn empty(&self) -> Self::Sum {
        HashMap::new()
    }

    fn add(
        &self,
        sums: &mut Self::Sum,
        (candidate, numbers): &(Candidate<S>, GroupNumbers),
        events: &[SequenceEvent<T>],
    ) {
        let Some(value) = &candidate.value else { return };
        self.each(numbers, |number, fold| {
            fold.add(sums.entry(number).or_insert_with(|| fold.empty()), value, events);
        });
    }

    fn depends_on_ties(&self, events: &[SequenceEvent<T>]) -> bool {
        // All folds have the same options, so each gives the same answer.
        self.folds.first().is_some_and(|fold| fold.depends_on_ties(events))
    }

    fn merge(&self, sums: Self::Sum, other: Self::Sum) -> Self::Sum {
        let (mut sums, other) = if sums.len() < other.len() { (other, sums) } else { (sums, other) };
        for (number, sum) in other {
            let Some(fold) = self.folds.get(number as usize) else { continue };
            let sum = match sums.remove(&number) {
                Some(earlier) => fold.merge(earlier, sum),
                None => sum,
            };
            sums.insert(number, sum);
        }
        sums
    }
}
