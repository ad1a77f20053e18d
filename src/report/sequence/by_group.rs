//! Sequences of the sessions of each group of a breakdown.
//!
//! Computing a separate sum for each group would read the events once per group. Here, each
//! sequence is added to the sums of all groups of its session.

use rayon::prelude::*;

use super::chunks::{MAX_EVENTS, chunks};
use super::sessions::{Since, fold_window};
use super::{EventTags, Folded, SequenceEvent, SequenceFold, retained_since};
use crate::error::Result;
use crate::report::metric::session_index::SessionIndex;
use crate::report::query::Query;
use crate::report::query::selection::{ClassifiedSessions, MASK_CLASSES, RowMasks};
use crate::report::query::session_keys::{BoundValues, SessionValues};
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::time::Micros;

/// The sessions of a breakdown. Their classes are the numbers of the groups.
#[derive(Clone, Copy)]
pub(crate) struct SessionGroups<'a> {
    sessions: &'a ClassifiedSessions<'a>,
    /// The number of groups.
    count: usize,
}

impl<'a> SessionGroups<'a> {
    /// Returns the groups; `None` if there are too many.
    pub fn new(sessions: &'a ClassifiedSessions<'a>, count: usize) -> Option<SessionGroups<'a>> {
        (count < MASK_CLASSES).then_some(SessionGroups { sessions, count })
    }

    /// Returns the number of sums: one for each group, and one for all sessions.
    pub fn sums(&self) -> usize {
        self.count + 1
    }

    /// Returns the tables that contain the sessions of all groups.
    pub fn all(&self) -> &'a dyn Tables {
        self.sessions.tables()
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
pub(crate) fn fold_groups<S: Send + Sync + 'static, F: SequenceFold<S>>(
    groups: SessionGroups<'_>,
    query: &Query,
    values: &dyn SessionValues<Value = S>,
    tags: &dyn EventTags,
    folds: &[F],
) -> Result<Vec<Folded<F::Sum>>> {
    let tables = groups.all();
    let values = Since { values, start: retained_since(tables).unwrap_or(Micros::MIN) };
    let all = Folds { folds, all: 1 << groups.count };
    let empty = |sum| Folded { sum, sessions: 0, visitors: 0, bots: 0 };
    let mut folded: Vec<Folded<F::Sum>> = folds.iter().map(|fold| empty(fold.empty())).collect();
    for window in chunks(tables, query.window, MAX_EVENTS) {
        let query = Query { window, ..query.clone() };
        let masks = groups.sessions.masks(window.range())?;
        for bits in bot_masks(tables, &query, &masks)? {
            folded
                .iter_mut()
                .enumerate()
                .for_each(|(number, sum)| sum.bots += (bits | all.all) >> number & 1);
        }
        let values = Masked { values: &values, masks: &masks };
        let (index, values) = SessionIndex::read_with(tables, &query, &values)?;
        values.par_iter().for_each(|(value, mask)| all.each(*mask, |_, fold| fold.visit(value)));
        for (_, mask) in &values {
            all.each(*mask, |number, _| {
                folded.get_mut(number).into_iter().for_each(|sum| sum.sessions += 1);
            });
        }
        let Some(sums) = fold_window(tables, &query, &index, &values, tags, &all)? else { continue };
        folded = folded
            .into_iter()
            .zip(sums)
            .zip(folds)
            .map(|((total, sum), fold)| Folded { sum: fold.merge(total.sum, sum), ..total })
            .collect();
    }
    Ok(folded)
}

/// Returns the groups of each bot session that a query selects, whether bots are included or not.
fn bot_masks(tables: &dyn Tables, query: &Query, masks: &[RowMasks]) -> Result<Vec<u64>> {
    let days = Some(query.window.range());
    let files = map_frames(tables, Table::Sessions, days, &query.columns(&[]), |number, frame| {
        let (is_bot, mut chatbots) = (frame.bools("is_bot")?, query.chatbot_filter(frame)?);
        let rows = (0..frame.height()).filter(|row| is_bot.is_true(*row) && chatbots.contains(*row));
        Ok(rows.map(|row| mask(masks.get(number), row)).collect::<Vec<u64>>())
    })?;
    Ok(files.into_iter().flatten().collect())
}

fn mask(of_frame: Option<&RowMasks>, row: usize) -> u64 {
    of_frame.and_then(|masks| masks.get(row)).copied().unwrap_or(0)
}

/// The folds of all groups, and the bit of the fold of all sessions.
struct Folds<'a, F> {
    folds: &'a [F],
    all: u64,
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

impl<S, F: SequenceFold<S>> SequenceFold<(S, u64)> for Folds<'_, F> {
    type Sum = Vec<F::Sum>;

    fn empty(&self) -> Vec<F::Sum> {
        self.folds.iter().map(SequenceFold::empty).collect()
    }

    fn add(&self, sums: &mut Vec<F::Sum>, (value, mask): &(S, u64), events: &[SequenceEvent]) {
        self.each(*mask, |number, fold| {
            sums.get_mut(number).into_iter().for_each(|sum| fold.add(sum, value, events));
        });
    }

    fn merge(&self, sums: Vec<F::Sum>, other: Vec<F::Sum>) -> Vec<F::Sum> {
        let pairs = sums.into_iter().zip(other).zip(self.folds);
        pairs.map(|((sum, other), fold)| fold.merge(sum, other)).collect()
    }
}

/// Values of sessions together with their groups.
struct Masked<'a, S> {
    values: &'a dyn SessionValues<Value = S>,
    masks: &'a [RowMasks],
}

impl<S: Send + 'static> SessionValues for Masked<'_, S> {
    type Value = (S, u64);

    fn columns(&self) -> Vec<&'static str> {
        self.values.columns()
    }

    fn bind<'f>(&self, number: usize, frame: &'f Frame) -> Result<BoundValues<'f, (S, u64)>> {
        let mut value = self.values.bind(number, frame)?;
        let masks = self.masks.get(number).cloned();
        Ok(Box::new(move |row| Some((value(row)?, mask(masks.as_ref(), row)))))
    }
}
