//! Breaks a report down by the values of one or two fields, for `--by`.

use std::sync::Arc;

use rayon::prelude::*;

use super::filtered::{on_pruned_events, read_days};
use crate::error::Result;
use crate::report::answer::Answer;
use crate::report::answer::broken_down::{BrokenDown, BrokenDownGroup};
use crate::report::dispatch::{ReportKind, ReportRequest, run_kind};
use crate::report::query::Query;
use crate::report::query::selection::ClassifiedSessions;
use crate::report::query::selection::breakdown::{Breakdown, ValueGroup};
use crate::report::query::selection::cached_tables::CachedTables;
use crate::report::query::tables::Tables;

/// The default number of values that are listed.
pub const DEFAULT_GROUPS: usize = 10;

/// Returns the query for the sessions that a report counts. `retention` extends the window.
fn counted(request: &ReportRequest, kind: ReportKind) -> Query {
    match kind {
        ReportKind::Retention => request.retention.extended(&request.query),
        _ => request.query.clone(),
    }
}

/// Computes a report for each of the values with the most sessions, and one for all other values.
/// Each group reads the same columns from `cached`. Returns the answers and notes.
pub(in crate::report) fn break_down(
    tables: &dyn Tables,
    cached: &CachedTables<'_>,
    request: &ReportRequest,
    kind: ReportKind,
) -> Result<(BrokenDown, Vec<String>)> {
    let breakdown = Breakdown::new(&request.by);
    let sessions = ClassifiedSessions::new(cached, &breakdown).classified_by(tables);
    for days in read_days(request) {
        sessions.prepare(days)?;
    }
    let (groups, sessions) = breakdown.groups(sessions, &counted(request, kind), request.by_limit)?;
    let of_group = ReportRequest { by: Vec::new(), ..request.clone() };
    let answer = |group: ValueGroup| -> Result<BrokenDownGroup> {
        let answer: Arc<dyn Answer> = Arc::from(run_kind(&sessions.class(group.class), &of_group, kind)?);
        Ok(BrokenDownGroup { values: group.values, answer })
    };
    let mut groups = groups.into_iter();
    // The first group fills the cache of reads. The events of several groups would take too much
    // memory at once.
    let mut answers: Vec<BrokenDownGroup> = groups.by_ref().take(1).map(answer).collect::<Result<_>>()?;
    answers.extend(match kind.needs_events() {
        true => groups.map(answer).collect::<Result<Vec<_>>>()?,
        false => groups.collect::<Vec<_>>().into_par_iter().map(answer).collect::<Result<Vec<_>>>()?,
    });
    let by: Vec<String> = request.by.iter().map(|field| field.name().to_owned()).collect();
    let mut notes = Vec::new();
    if breakdown.needs_events() {
        notes.push(format!(
            "a session counts for each {} that its events have, so the groups can add up to more than the total",
            by.join(" and ")
        ));
        notes.extend(on_pruned_events(tables, request));
    }
    Ok((BrokenDown { by, groups: answers, overlap: breakdown.needs_events() }, notes))
}
