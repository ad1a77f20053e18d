//! Sequences of the sessions of each group of a breakdown.
//!
//! Computing a separate sum for each group would read the events once per group. Here, each
//! sequence is added to the sums of all groups of its session.

use std::sync::Arc;

use rayon::prelude::*;

use super::candidates::{Candidate, Candidates};
use super::chunks::{MAX_EVENTS, chunks};
use super::many_groups::fold_many;
use super::window_read::WindowRead;
use super::{EventTags, Folded, SequenceEvent, SequenceFold, Tag};
use crate::error::Result;
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::selection::{ClassifiedSessions, MASK_CLASSES, RowGroups};
use crate::report::query::session_keys::{BoundValues, SessionValues};
use crate::report::query::tables::Tables;
use crate::store::frame::Frame;
use crate::time::Day;

/// The sessions of a breakdown. Their classes are the numbers of the groups.
#[derive(Clone, Copy)]
pub(crate) struct SessionGroups<'a> {
    sessions: &'a ClassifiedSessions<'a>,
    /// The number of groups.
    count: usize,
    /// Whether a session can be in several groups.
    overlap: bool,
}

impl<'a> SessionGroups<'a> {
    /// Returns the groups. `overlap` is set if a session can be in several of them.
    pub fn new(sessions: &'a ClassifiedSessions<'a>, count: usize, overlap: bool) -> SessionGroups<'a> {
        SessionGroups { sessions, count, overlap }
    }

    /// Returns the number of sums: one for each group, and one for all sessions.
    pub fn sums(&self) -> usize {
        self.count + 1
    }

    /// Returns the tables that contain the sessions of all groups.
    pub fn all(&self) -> &'a dyn Tables {
        // Each column is read once, and must not stay in the memory of a cache.
        self.sessions.source()
    }

    /// Returns the groups of each session of each frame of the given days.
    pub(super) fn row_groups(&self, days: (Day, Day)) -> Result<Vec<RowGroups>> {
        self.sessions.row_groups(days)
    }

    /// Calls `report` with each of the sums, and the tables of its sessions: the groups in order,
    /// and all sessions at the end.
    pub fn reports<T, R>(
        &self,
        sums: impl IntoIterator<Item = T>,
        report: impl Fn(&dyn Tables, T) -> Result<R>,
    ) -> Result<Vec<R>> {
        let of_number = |(number, sum): (usize, T)| match number < self.count {
            true => report(&self.sessions.class(number as u32), sum),
            false => report(self.all(), sum),
        };
        sums.into_iter().enumerate().map(of_number).collect()
    }
}

/// Computes the sums over the sequences of the sessions of each group, and of all sessions at the
/// end. `folds` has a fold for each of these sums.
pub(crate) fn fold_groups<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    groups: SessionGroups<'_>,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
    folds: &[F],
) -> Result<Vec<Folded<F::Sum>>>
where
    F::Sum: Clone,
{
    if groups.count >= MASK_CLASSES {
        return fold_many(groups, query, values, tags, folds);
    }
    let tables = groups.all();
    let candidates = Candidates::new(tables, query, values, tags);
    let all = Folds { folds, all: 1 << groups.count, overlap: groups.overlap };
    let empty = |sum| Folded { sum, sessions: 0, visitors: 0, bots: 0 };
    let mut folded: Vec<Folded<F::Sum>> = folds.iter().map(|fold| empty(fold.empty())).collect();
    for window in chunks(tables, query.window, MAX_EVENTS) {
        let query = Query { window, include_bots: true, ..query.clone() };
        let masks = groups.sessions.masks(window.range())?;
        let values = Grouped { values: &candidates, groups: &masks };
        let (mut index, values) = SessionIndex::read_with(tables, &query, &values)?;
        if index.bots > 0 {
            index.restrict_last(|number| values.get(number).is_some_and(|(c, _)| c.value.is_some()));
        }
        values.par_iter().for_each(|(candidate, mask)| {
            candidate.value.iter().for_each(|value| all.each(*mask, |_, fold| fold.visit(value)));
        });
        for (candidate, mask) in values.iter() {
            all.each(*mask, |number, _| {
                folded.get_mut(number).into_iter().for_each(|sum| {
                    sum.sessions += u64::from(candidate.value.is_some());
                    sum.bots += u64::from(candidate.is_bot);
                });
            });
        }
        let read = WindowRead { tables, query: &query, index: &index, tags, conditions: None };
        let Some(sums) = read.fold(&all, &|number| values.get(number as usize))? else { continue };
        folded = folded
            .into_iter()
            .zip(sums)
            .zip(folds)
            .map(|((total, sum), fold)| Folded { sum: fold.merge(total.sum, sum), ..total })
            .collect();
    }
    if let (false, Some((total, of_groups)), Some(fold)) =
        (groups.overlap, folded.split_last_mut(), folds.last())
    {
        for group in of_groups {
            let sum = std::mem::replace(&mut total.sum, fold.empty());
            total.sum = fold.merge(sum, group.sum.clone());
        }
    }
    Ok(folded)
}

/// The folds of all groups, and the bit of the fold of all sessions.
struct Folds<'a, F> {
    folds: &'a [F],
    all: u64,
    /// Whether a session can be in several groups. If not, the sum of all sessions is the sum of
    /// the groups.
    overlap: bool,
}

impl<F> Folds<'_, F> {
    /// Calls `visit` with the number and the fold of each group of a session.
    fn each(&self, mask: u64, mut visit: impl FnMut(usize, &F)) {
        let mut rest = mask | self.all;
        while rest != 0 {
            let number = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            self.folds.get(number).into_iter().for_each(|fold| visit(number, fold));
        }
    }
}

impl<S, T, F: SequenceFold<S, T>> SequenceFold<(Candidate<S>, u64), T> for Folds<'_, F> {
    type Sum = Vec<F::Sum>;

    fn empty(&self) -> Vec<F::Sum> {
        self.folds.iter().map(SequenceFold::empty).collect()
    }

    fn add(
        &self,
        sums: &mut Vec<F::Sum>,
        (candidate, mask): &(Candidate<S>, u64),
        events: &[SequenceEvent<T>],
    ) {
        let Some(value) = &candidate.value else { return };
        let is_in_one = !self.overlap && mask & !self.all != 0;
        self.each(*mask, |number, fold| match sums.get_mut(number) {
            Some(_) if is_in_one && 1 << number == self.all => fold.collect(value, events),
            Some(sum) => fold.add(sum, value, events),
            None => {}
        });
    }

    fn depends_on_ties(&self, events: &[SequenceEvent<T>]) -> bool {
        // All folds have the same options, so each gives the same answer.
        self.folds.first().is_some_and(|fold| fold.depends_on_ties(events))
    }

    fn merge(&self, sums: Vec<F::Sum>, other: Vec<F::Sum>) -> Vec<F::Sum> {
        let pairs = sums.into_iter().zip(other).zip(self.folds);
        pairs.map(|((sum, other), fold)| fold.merge(sum, other)).collect()
    }
}

/// Values of sessions together with their groups. `groups` has the groups of each row, by frame.
/// Rows beyond the end of a list are in no group.
pub(super) struct Grouped<'a, S, G> {
    pub values: &'a dyn SessionValues<Value = S>,
    pub groups: &'a [Arc<Vec<G>>],
}

impl<S, G> SessionValues for Grouped<'_, S, G>
where
    S: Send + 'static,
    G: Clone + Default + Send + Sync + 'static,
{
    type Value = (S, G);

    fn columns(&self) -> Vec<&'static str> {
        self.values.columns()
    }

    fn bind<'f>(&self, number: usize, frame: &'f Frame) -> Result<BoundValues<'f, (S, G)>> {
        let mut value = self.values.bind(number, frame)?;
        let groups = self.groups.get(number).cloned();
        let of_row = move |row: usize| groups.as_ref()?.get(row).cloned();
        Ok(Box::new(move |row| Some((value(row)?, of_row(row).unwrap_or_default()))))
    }
}
