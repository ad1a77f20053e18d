//! Sequences of the sessions that a filter selects.
//!
//! Whether a session satisfies conditions on events is known once all its events are read. The read
//! of its sequence reads these events anyway, so it evaluates the conditions too. Sessions are
//! classified in advance only if a report reads them more than once.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rayon::prelude::*;

use super::candidates::Candidates;
use super::chunks::chunks;
use super::window_read::{BoundRows, SessionRows, WindowRead};
use super::{EventTags, Folded, SequenceFold, Tag};
use crate::error::Result;
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::filter::BoundConditions;
use crate::report::query::selection::filter::{SessionFilter, Unclassified};
use crate::report::query::session_keys::SessionValues;
use crate::store::frame::Frame;

/// Computes the sum over the sequences of the sessions that a filter selects, in chunks of about
/// `max_events` events.
pub(super) fn fold_filtered<S: Send + Sync + 'static, T: Tag, F: SequenceFold<S, T>>(
    Unclassified { tables, filter }: Unclassified<'_>,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags<T>,
    fold: &F,
    max_events: usize,
) -> Result<Folded<F::Sum>> {
    let values = Candidates { filter: Some(filter), ..Candidates::new(tables, query, values, tags) };
    let mut folded = Folded { sum: fold.empty(), sessions: 0, visitors: 0, bots: 0 };
    for window in chunks(tables, query.window, max_events) {
        let query = Query { window, include_bots: true, ..query.clone() };
        let (mut index, candidates) = SessionIndex::read_with(tables, &query, &values)?;
        let met = MetConditions::new(filter, index.len());
        let rows = Some(&met as &dyn SessionRows).filter(|_| filter.needs_events());
        if rows.is_none() && index.bots > 0 {
            index.restrict_last(|number| candidates.get(number).is_some_and(|c| c.value.is_some()));
        }
        let read = WindowRead { tables, query: &query, index: &index, tags, rows };
        let selected = |number: usize| candidates.get(number).filter(|_| met.has_all(number));
        let sum = read.fold(fold, &|number| selected(number as usize)?.value.as_ref())?;
        folded.sum = sum.into_iter().fold(folded.sum, |sum, other| fold.merge(sum, other));
        let (sessions, bots) = (0..candidates.len())
            .into_par_iter()
            .filter_map(selected)
            .map(|candidate| {
                candidate.value.iter().for_each(|value| fold.visit(&[], value));
                (u64::from(candidate.value.is_some()), u64::from(candidate.is_bot))
            })
            .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        folded.sessions += sessions;
        folded.bots += bots;
    }
    Ok(folded)
}

/// The conditions on events, and those that each session satisfies so far.
struct MetConditions<'a> {
    filter: &'a SessionFilter,
    /// The conditions of all `--where` options, as bits.
    all: u32,
    /// The satisfied conditions of each session, as bits, by session number.
    met: Vec<AtomicU32>,
}

impl<'a> MetConditions<'a> {
    fn new(filter: &'a SessionFilter, sessions: u32) -> MetConditions<'a> {
        let all = filter.on_events().fold(0, |bits, _| bits << 1 | 1);
        let sessions = if all == 0 { 0 } else { sessions };
        MetConditions { filter, all, met: (0..sessions).map(|_| AtomicU32::new(0)).collect() }
    }

    /// Returns whether the events of a session that were read so far satisfy all conditions.
    fn has_all(&self, session: usize) -> bool {
        self.all == 0 || self.met.get(session).is_some_and(|met| met.load(Relaxed) == self.all)
    }
}

impl SessionRows for MetConditions<'_> {
    fn columns(&self) -> Vec<&'static str> {
        self.filter.on_events().flat_map(|conditions| conditions.columns()).collect()
    }

    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundRows<'f>> {
        let bind = self.filter.on_events().map(|conditions| conditions.bind(frame, self.filter.zone()));
        let mut bound = BoundMetConditions { of: self, conditions: bind.collect::<Result<_>>()? };
        Ok(Box::new(move |session, rows| bound.add(session, rows)))
    }
}

/// [`MetConditions`], bound to a frame of events.
struct BoundMetConditions<'a> {
    of: &'a MetConditions<'a>,
    conditions: Vec<BoundConditions<'a>>,
}

impl BoundMetConditions<'_> {
    /// Adds events of a session. Returns whether its events so far satisfy all conditions.
    fn add(&mut self, session: u32, rows: Range<usize>) -> bool {
        let Some(met) = self.of.met.get(session as usize) else { return false };
        let before = met.load(Relaxed);
        let mut bits = before;
        for row in rows {
            if bits == self.of.all {
                break;
            }
            for (number, conditions) in self.conditions.iter_mut().enumerate() {
                if bits >> number & 1 == 0 && conditions.matches(row) {
                    bits |= 1 << number;
                }
            }
        }
        // Another thread may read further events of the session.
        if bits != before {
            bits |= met.fetch_or(bits, Relaxed);
        }
        bits == self.of.all
    }
}
