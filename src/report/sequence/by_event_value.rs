//! Sequences of the sessions in each group of a breakdown by fields of events.
//!
//! A session is in the groups of the values that its events have, so its groups are known once all
//! its events are read. The read of its sequence reads these events anyway, so it finds their
//! values too. Values are read in advance only if [`fold_event_values`] returns `None`, for example
//! because there are too many of them.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use hashbrown::HashMap;

use super::by_group::{
    ByEvents, GroupTotals, InSets, MAX_SETS, SessionSets, SetFold, SumKind, count_sessions,
};
use super::candidates::Candidates;
use super::chunks::{MAX_EVENTS, chunks};
use super::window_read::{BoundRows, SessionRows, WindowRead};
use super::{EventTags, Folded, SequenceFold, Tag};
use crate::error::{Error, Result};
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::selection::EventClassifier;
use crate::report::query::selection::breakdown::{Breakdown, RankedGroups};
use crate::report::query::session_keys::SessionValues;
use crate::store::frame::Frame;

/// The sums and counts of each set of values.
type Sets<T> = HashMap<u64, (Option<T>, (u64, u64))>;

/// Computes the sums of the groups of a breakdown by fields of events, and of all sessions at the
/// end. Returns `None` if the breakdown needs fields of sessions, if a session may have pruned
/// events, or if there are too many values.
pub(super) fn fold_event_values<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    by_events: &ByEvents<'_>,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
    fold: &F,
) -> Result<Option<Vec<Folded<F::Sum>>>>
where
    F::Sum: Clone,
{
    let ByEvents { tables, breakdown, limit, ranked } = by_events;
    let Some(classifier) = breakdown.event_classifier() else { return Ok(None) };
    if super::retained_since(*tables) > tables.zone().start_of(query.window.from) {
        return Ok(None);
    }
    let candidates = Candidates::new(*tables, query, values, tags);
    let exceeded = AtomicBool::new(false);
    let mut sets: Sets<F::Sum> = HashMap::new();
    for window in chunks(*tables, query.window, MAX_EVENTS) {
        let query = Query { window, include_bots: true, ..query.clone() };
        let (index, values) =
            SessionIndex::read_with(*tables, &query, &InSets { values: &candidates, sets: &[] })?;
        let found = FoundValues::new(classifier, index.len(), &exceeded);
        let read = WindowRead { tables: *tables, query: &query, index: &index, tags, rows: Some(&found) };
        let set_fold = SetFold { fold, sets: &found };
        let sums = match read.fold(&set_fold, &|number| values.get(number as usize)) {
            Ok(sums) => sums.unwrap_or_default(),
            Err(_) if exceeded.load(Relaxed) => return Ok(None),
            Err(error) => return Err(error),
        };
        for (set, sum) in sums {
            let (total, _) = sets.entry(set).or_default();
            *total = Some(match total.take() {
                Some(earlier) => fold.merge(earlier, sum),
                None => sum,
            });
        }
        for (set, (sessions, bots)) in count_sessions(&values, &found, fold) {
            let (_, counts) = sets.entry(set).or_default();
            *counts = (counts.0 + sessions, counts.1 + bots);
        }
        if sets.len() > MAX_SETS || exceeded.load(Relaxed) {
            return Ok(None);
        }
    }
    let ranked = ranked.get_or_init(|| rank(breakdown, *limit, &sets));
    let mut groups = GroupTotals::new::<S, T>(fold, ranked.groups.groups.len());
    for (set, (sum, counts)) in sets {
        let of_set = each_once(bits(set).map(|bit| ranked.number(bit)));
        groups.add_counts(&of_set, counts);
        sum.into_iter().for_each(|sum| groups.add_sum::<S, T>(&of_set, sum));
    }
    Ok(Some(groups.into_sums()))
}

/// The groups of a breakdown by fields of events, and the group of each bit of a set of values.
pub(super) struct RankedValues {
    pub groups: RankedGroups,
    /// The number of the group of each bit.
    by_bit: Vec<u32>,
}

impl RankedValues {
    /// Returns the number of the group of a bit.
    pub fn number(&self, bit: u32) -> u32 {
        self.by_bit.get(bit as usize).copied().unwrap_or(u32::MAX)
    }
}

/// Finds the groups with the most sessions, given the sessions of each set.
fn rank<T>(breakdown: &Breakdown, limit: Option<usize>, sets: &Sets<T>) -> RankedValues {
    // Several bits have the same class if `unknown` is also a logged value.
    let classes = breakdown.event_classes();
    let class = |bit: u32| classes.get(bit as usize).copied().unwrap_or_default();
    let mut counts: HashMap<u32, u64> = HashMap::new();
    for (set, (_, (sessions, _))) in sets.iter().filter(|(_, (_, (sessions, _)))| *sessions > 0) {
        for class in each_once(bits(*set).map(class)) {
            *counts.entry(class).or_default() += sessions;
        }
    }
    let groups = breakdown.rank(counts, limit);
    RankedValues { by_bit: classes.iter().map(|class| groups.number(*class)).collect(), groups }
}

/// The number of values that have a bit in a set. The lowest bit is that of events without a value.
const MAX_VALUES: u32 = u64::BITS - 1;

/// The set of sessions whose events have no value.
const WITHOUT_VALUE: u64 = 1;

/// Returns the bits of a set.
fn bits(set: u64) -> impl Iterator<Item = u32> {
    (0..u64::BITS).filter(move |bit| set >> bit & 1 == 1)
}

/// Returns the distinct numbers, in ascending order.
fn each_once(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// The values that the events of each session have, as far as they are read.
struct FoundValues<'a> {
    classifier: &'a dyn EventClassifier,
    /// The values of each session, as bits, by session number.
    found: Vec<AtomicU64>,
    /// Whether there are too many values.
    exceeded: &'a AtomicBool,
}

impl<'a> FoundValues<'a> {
    fn new(classifier: &'a dyn EventClassifier, sessions: u32, exceeded: &'a AtomicBool) -> FoundValues<'a> {
        let found = (0..sessions).map(|_| AtomicU64::new(0)).collect();
        FoundValues { classifier, found, exceeded }
    }
}

impl SessionRows for FoundValues<'_> {
    fn columns(&self) -> Vec<&'static str> {
        self.classifier.columns()
    }

    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundRows<'f>> {
        let values = self.classifier.classify(frame)?;
        if values.iter().any(|(_, value)| *value >= MAX_VALUES) {
            self.exceeded.store(true, Relaxed);
        }
        if self.exceeded.load(Relaxed) {
            return Err(Error::failed("the events have too many values"));
        }
        let mut values = values.into_iter().peekable();
        Ok(Box::new(move |session: u32, rows: Range<usize>| {
            let mut bits = 0;
            while let Some((row, value)) = values.next_if(|(row, _)| (*row as usize) < rows.end) {
                if row as usize >= rows.start {
                    bits |= 1u64 << (value + 1);
                }
            }
            if bits != 0
                && let Some(found) = self.found.get(session as usize)
            {
                // Another thread may read further events of the session.
                found.fetch_or(bits, Relaxed);
            }
            true
        }))
    }
}

impl SessionSets for FoundValues<'_> {
    fn set(&self, session: u32, _: u32) -> u64 {
        match self.found.get(session as usize).map_or(0, |found| found.load(Relaxed)) {
            0 => WITHOUT_VALUE,
            bits => bits,
        }
    }

    fn with_groups(&self, set: u64, visit: impl FnOnce(&[u32])) {
        let (mut groups, mut count) = ([0; u64::BITS as usize], 0);
        for (slot, bit) in groups.iter_mut().zip(bits(set)) {
            *slot = bit;
            count += 1;
        }
        visit(groups.get(..count).unwrap_or_default());
    }

    fn kind(&self) -> SumKind {
        SumKind::OfSets
    }

    fn on_too_many(&self) {
        self.exceeded.store(true, Relaxed);
    }
}
