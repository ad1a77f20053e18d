//! Sequences of the sessions of each group of a breakdown.
//!
//! Computing a separate sum for each group would read the events once per group. Here, each
//! sequence is added to the sum of its session's set of groups, and the sum of a group is merged
//! from those of its sets. Most sessions have one group, so there are few sets. If there are many,
//! each sequence is added to the sums of all its groups instead, because merging the sums of the
//! sets would take longer.
//!
//! A sum exists only for sets and groups with sequences, so time and memory grow with the number of
//! sessions and groups, and not with their product.

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;
use rayon::prelude::*;

use super::by_event_value::{RankedValues, fold_event_values};
use super::candidates::{Candidate, Candidates};
use super::chunks::{MAX_EVENTS, chunks};
use super::window_read::WindowRead;
use super::{EventTags, Folded, SequenceEvent, SequenceFold, Tag};
use crate::error::Result;
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::selection::breakdown::{Breakdown, ValueGroup};
use crate::report::query::selection::{ClassifiedSessions, GroupSets, RowSets};
use crate::report::query::session_keys::{BoundValues, PerSession, SessionValues};
use crate::report::query::tables::Tables;
use crate::store::frame::Frame;

/// The maximum number of sets of groups that have sums of their own.
pub(super) const MAX_SETS: usize = 256;

/// The groups of a breakdown.
pub(crate) struct SessionGroups<'a>(Source<'a>);

enum Source<'a> {
    /// Sessions whose classes are the numbers of the groups, and the number of groups.
    Classified(&'a ClassifiedSessions<'a>, usize),
    /// Sessions whose groups are the values of their events, which are not read yet.
    ByEvents(ByEvents<'a>),
}

/// A breakdown by fields of events whose groups are found while the sequences are read.
pub(super) struct ByEvents<'a> {
    pub tables: &'a dyn Tables,
    pub breakdown: &'a Breakdown,
    /// The maximum number of values that are listed.
    pub limit: Option<usize>,
    /// The groups, once the events are read.
    pub ranked: OnceLock<RankedValues>,
}

impl<'a> SessionGroups<'a> {
    /// Returns groups whose numbers are the classes of sessions.
    pub fn classified(sessions: &'a ClassifiedSessions<'a>, count: usize) -> SessionGroups<'a> {
        SessionGroups(Source::Classified(sessions, count))
    }

    /// Returns the groups of a breakdown by fields of events, at most `limit` with a name.
    pub fn by_events(
        tables: &'a dyn Tables,
        breakdown: &'a Breakdown,
        limit: Option<usize>,
    ) -> SessionGroups<'a> {
        SessionGroups(Source::ByEvents(ByEvents { tables, breakdown, limit, ranked: OnceLock::new() }))
    }

    /// Returns the groups that were found while the sequences were read; `None` if they were known
    /// before.
    pub fn found(self) -> Option<Vec<ValueGroup>> {
        match self.0 {
            Source::Classified(..) => None,
            Source::ByEvents(by_events) => Some(by_events.ranked.into_inner()?.groups.groups),
        }
    }

    /// Returns the tables that contain the sessions of all groups.
    pub fn all(&self) -> &'a dyn Tables {
        match &self.0 {
            // Each column is read once, and must not stay in the memory of a cache.
            Source::Classified(sessions, _) => sessions.source(),
            Source::ByEvents(by_events) => by_events.tables,
        }
    }

    /// Returns the number of a group that [`SequenceFold::collect`] received, once the sequences
    /// are read.
    pub fn number(&self, collected: u32) -> u32 {
        match &self.0 {
            Source::Classified(..) => collected,
            Source::ByEvents(by_events) => {
                by_events.ranked.get().map_or(collected, |ranked| ranked.number(collected))
            }
        }
    }

    /// Calls `report` with each of the sums, and the tables of its sessions: the groups in order,
    /// and all sessions at the end.
    pub fn reports<T: Send, R: Send>(
        &self,
        sums: Vec<T>,
        report: impl Fn(&dyn Tables, T) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let of_number = |(number, sum): (usize, T)| match &self.0 {
            Source::Classified(sessions, count) if number < *count => {
                report(&sessions.class(number as u32), sum)
            }
            // A group that was found has sessions, so its report reads no tables.
            _ => report(self.all(), sum),
        };
        sums.into_par_iter().enumerate().with_max_len(1).map(of_number).collect()
    }
}

/// Computes the sums over the sequences of the sessions of each group, and of all sessions at the
/// end. Returns `None` if the groups must be found in advance: see `fold_event_values`.
pub(crate) fn fold_groups<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    groups: &SessionGroups<'_>,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
    fold: &F,
) -> Result<Option<Vec<Folded<F::Sum>>>>
where
    F::Sum: Clone,
{
    match &groups.0 {
        Source::Classified(sessions, count) => {
            Ok(Some(fold_classified((sessions, *count), query, values, tags, fold)?))
        }
        Source::ByEvents(by_events) => fold_event_values(by_events, query, values, tags, fold),
    }
}

/// Computes the sums of groups that are classes of sessions.
fn fold_classified<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    (sessions, count): (&ClassifiedSessions<'_>, usize),
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
    fold: &F,
) -> Result<Vec<Folded<F::Sum>>>
where
    F::Sum: Clone,
{
    let tables = sessions.source();
    let candidates = Candidates::new(tables, query, values, tags);
    let mut groups = GroupTotals::new::<S, T>(fold, count);
    for window in chunks(tables, query.window, MAX_EVENTS) {
        let query = Query { window, include_bots: true, ..query.clone() };
        let sets = GroupSets::new();
        let row_sets = sessions.row_sets(window.range(), &sets)?;
        let sets = KnownSets { groups: sets.into_groups(), count };
        let values = InSets { values: &candidates, sets: &row_sets };
        let (mut index, values) = SessionIndex::read_with(tables, &query, &values)?;
        if index.bots > 0 {
            index.restrict_last(|number| values.get(number).is_some_and(|(c, _)| c.value.is_some()));
        }
        for (set, counts) in count_sessions(&values, &sets, fold) {
            groups.add_counts(&sets.groups(set), counts);
        }
        let read = WindowRead { tables, query: &query, index: &index, tags, rows: None };
        let set_fold = SetFold { fold, sets: &sets };
        let Some(sums) = read.fold(&set_fold, &|number| values.get(number as usize))? else { continue };
        for (key, sum) in sums {
            match sets.kind() {
                SumKind::OfSets => groups.add_sum::<S, T>(&sets.groups(key), sum),
                SumKind::OfGroups(_) => groups.add_to::<S, T>(key as usize, sum),
            }
        }
    }
    Ok(groups.into_sums())
}

/// The sets of groups that sessions are in.
pub(super) trait SessionSets: Sync {
    /// Returns the set of a session, given its number and the set that is known from its row.
    fn set(&self, session: u32, known: u32) -> u64;

    /// Calls `visit` with the groups of a set.
    fn with_groups(&self, set: u64, visit: impl FnOnce(&[u32]));

    /// Returns whether there is a sum for each set or for each group.
    fn kind(&self) -> SumKind;

    /// Called if more than [`MAX_SETS`] sets have sums. The sums are then incomplete.
    fn on_too_many(&self) {}
}

/// The objects that have sums while sequences are added.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SumKind {
    /// Each set.
    OfSets,
    /// Each of a number of groups, and all sessions.
    OfGroups(usize),
}

/// The sets that are known before the events are read.
struct KnownSets {
    groups: Vec<Arc<[u32]>>,
    /// The number of groups.
    count: usize,
}

impl KnownSets {
    fn groups(&self, set: u64) -> Arc<[u32]> {
        self.groups.get(set as usize).cloned().unwrap_or_default()
    }
}

impl SessionSets for KnownSets {
    fn set(&self, _: u32, known: u32) -> u64 {
        u64::from(known)
    }

    fn with_groups(&self, set: u64, visit: impl FnOnce(&[u32])) {
        visit(self.groups.get(set as usize).map_or(&[], |groups| groups));
    }

    fn kind(&self) -> SumKind {
        if self.groups.len() <= MAX_SETS { SumKind::OfSets } else { SumKind::OfGroups(self.count) }
    }
}

/// Counts the sessions and the bot sessions of each set, and passes each session to the fold.
pub(super) fn count_sessions<S: Send + Sync, T, F: SequenceFold<S, T>>(
    values: &PerSession<(Candidate<S>, u32)>,
    sets: &impl SessionSets,
    fold: &F,
) -> HashMap<u64, (u64, u64)> {
    let count = |mut counts: HashMap<u64, (u64, u64)>, session: usize| {
        let Some((candidate, known)) = values.get(session) else { return counts };
        let set = sets.set(session as u32, *known);
        if let Some(value) = &candidate.value {
            sets.with_groups(set, |groups| fold.visit(groups, value));
        }
        let (sessions, bots) = counts.entry(set).or_default();
        *sessions += u64::from(candidate.value.is_some());
        *bots += u64::from(candidate.is_bot);
        counts
    };
    let counts = (0..values.len()).into_par_iter().fold(HashMap::new, count);
    counts.reduce(HashMap::new, |mut counts, other| {
        for (set, (sessions, bots)) in other {
            let count = counts.entry(set).or_default();
            *count = (count.0 + sessions, count.1 + bots);
        }
        counts
    })
}

/// The sums of groups, and of all sessions at the end.
pub(super) struct GroupTotals<'a, F, T> {
    fold: &'a F,
    totals: Vec<Folded<T>>,
}

impl<'a, F, Sum: Clone> GroupTotals<'a, F, Sum> {
    pub fn new<S, T>(fold: &'a F, count: usize) -> GroupTotals<'a, F, Sum>
    where
        F: SequenceFold<S, T, Sum = Sum>,
    {
        let empty = |_| Folded { sum: fold.empty(), sessions: 0, visitors: 0, bots: 0 };
        GroupTotals { fold, totals: (0..=count).map(empty).collect() }
    }

    /// Adds the counts of sessions and of bot sessions to those of groups, and of all sessions.
    pub fn add_counts(&mut self, groups: &[u32], (sessions, bots): (u64, u64)) {
        let all = self.totals.len() - 1;
        for group in numbers(groups, all) {
            if let Some(total) = self.totals.get_mut(group) {
                total.sessions += sessions;
                total.bots += bots;
            }
        }
    }

    /// Adds a sum to those of groups, and of all sessions.
    pub fn add_sum<S, T>(&mut self, groups: &[u32], sum: Sum)
    where
        F: SequenceFold<S, T, Sum = Sum>,
    {
        let all = self.totals.len() - 1;
        for group in numbers(groups, all).filter(|group| *group != all) {
            self.add_to(group, sum.clone());
        }
        self.add_to(all, sum);
    }

    /// Adds a sum to that of a group.
    fn add_to<S, T>(&mut self, group: usize, sum: Sum)
    where
        F: SequenceFold<S, T, Sum = Sum>,
    {
        if let Some(total) = self.totals.get_mut(group) {
            let earlier = std::mem::replace(&mut total.sum, self.fold.empty());
            total.sum = self.fold.merge(earlier, sum);
        }
    }

    pub fn into_sums(self) -> Vec<Folded<Sum>> {
        self.totals
    }
}

/// Returns the numbers of groups, and the number of all sessions. Classes with only excluded bot
/// sessions are not listed, and have no group.
fn numbers(groups: &[u32], all: usize) -> impl Iterator<Item = usize> {
    groups.iter().map(|group| *group as usize).filter(move |group| *group < all).chain([all])
}

/// Adds each sequence to the sum of its set, or to the sums of its groups.
pub(super) struct SetFold<'a, F, L> {
    pub fold: &'a F,
    pub sets: &'a L,
}

impl<S, T, F: SequenceFold<S, T>, L: SessionSets> SequenceFold<(Candidate<S>, u32), T> for SetFold<'_, F, L> {
    /// The sums by the number of the set or the group.
    type Sum = HashMap<u64, F::Sum>;

    fn empty(&self) -> Self::Sum {
        HashMap::new()
    }

    fn add(
        &self,
        sums: &mut Self::Sum,
        (candidate, known): &(Candidate<S>, u32),
        events: &[SequenceEvent<T>],
    ) {
        let (Some(value), Some(event)) = (&candidate.value, events.first()) else { return };
        let SetFold { fold, sets } = self;
        let set = sets.set(event.group, *known);
        if sets.kind() == SumKind::OfSets && sums.len() > MAX_SETS {
            return sets.on_too_many();
        }
        let mut add = |number: u64| {
            fold.add(sums.entry(number).or_insert_with(|| fold.empty()), value, events);
        };
        sets.with_groups(set, |groups| {
            fold.collect(groups, value, events);
            match sets.kind() {
                SumKind::OfSets => add(set),
                SumKind::OfGroups(count) => numbers(groups, count).for_each(|group| add(group as u64)),
            }
        });
    }

    fn depends_on_ties(&self, events: &[SequenceEvent<T>]) -> bool {
        self.fold.depends_on_ties(events)
    }

    fn merge(&self, sums: Self::Sum, other: Self::Sum) -> Self::Sum {
        let (mut sums, other) = if sums.len() < other.len() { (other, sums) } else { (sums, other) };
        for (number, sum) in other {
            let sum = match sums.remove(&number) {
                Some(earlier) => self.fold.merge(earlier, sum),
                None => sum,
            };
            sums.insert(number, sum);
        }
        sums
    }
}

/// The values of sessions, each with the set of the session's groups. `sets` contains these sets by
/// frame and row.
pub(super) struct InSets<'a, S> {
    pub values: &'a dyn SessionValues<Value = S>,
    pub sets: &'a [RowSets],
}

impl<S: Send + 'static> SessionValues for InSets<'_, S> {
    type Value = (S, u32);

    fn columns(&self) -> Vec<&'static str> {
        self.values.columns()
    }

    fn bind<'f>(&self, number: usize, frame: &'f Frame) -> Result<BoundValues<'f, (S, u32)>> {
        let mut value = self.values.bind(number, frame)?;
        let sets = self.sets.get(number).cloned();
        let of_row = move |row: usize| sets.as_ref()?.get(row).copied();
        Ok(Box::new(move |row| Some((value(row)?, of_row(row).unwrap_or_default()))))
    }
}
