//! Breaks a report down by the values of one or two fields, for `--by`.

use std::sync::Arc;

use rayon::prelude::*;

use super::filtered::on_pruned_events;
use crate::error::Result;
use crate::report::active::count_by_class;
use crate::report::answer::Answer;
use crate::report::answer::broken_down::{BrokenDown, BrokenDownGroup};
use crate::report::conversations::conversations_by_group;
use crate::report::dispatch::{ReportKind, ReportRequest, run_kind};
use crate::report::funnel::{FunnelUnit, funnel_by_group};
use crate::report::goals::goals_by_group;
use crate::report::metric::by_group::MAX_GROUPS;
use crate::report::paths::paths_by_group;
use crate::report::performance::performance_by_group;
use crate::report::query::Query;
use crate::report::query::selection::ClassifiedSessions;
use crate::report::query::selection::breakdown::{Breakdown, ValueGroup, count_sessions};
use crate::report::query::selection::cached_tables::CachedTables;
use crate::report::query::tables::Tables;
use crate::report::sequence::SessionGroups;
use crate::report::summary::summaries_of_groups;

/// The default number of values that are listed.
pub const DEFAULT_GROUPS: usize = 10;

/// Returns the query for the sessions that a report counts. `retention` extends the window.
fn counted(request: &ReportRequest, kind: ReportKind) -> Query {
    match kind {
        ReportKind::Retention => request.retention.extended(&request.query),
        _ => request.query.clone(),
    }
}

/// Computes a report on all sessions, and the same report for each of the values with the most
/// sessions and for all other values together.
pub(in crate::report) fn break_down(
    tables: &dyn Tables,
    request: &ReportRequest,
    kind: ReportKind,
) -> Result<Box<dyn Answer>> {
    let breakdown = Breakdown::new(&request.by);
    let request_of_group = ReportRequest { by: Vec::new(), ..request.clone() };
    let by_events = SessionGroups::by_events(tables, &breakdown, request.by_limit);
    if breakdown.event_classifier().is_some()
        && let Some((all, answers)) = sequence_answers(&by_events, &request_of_group, kind)?
        && let Some(groups) = by_events.found()
    {
        return Ok(answer(tables, request, &breakdown, all, groups.into_iter().zip(answers)));
    }
    let cached = CachedTables::new(tables);
    let sessions = ClassifiedSessions::new(&cached, &breakdown).classified_by(tables);
    // This read classifies the sessions.
    let counts = match kind {
        ReportKind::Active => count_by_class(&sessions, &request.query, request.moment)?,
        _ => count_sessions(&sessions, &counted(request, kind))?,
    };
    let (groups, sessions) = breakdown.groups(sessions, counts, request.by_limit);
    let (all, answers) = match answers_together(&sessions, groups.len(), &request_of_group, kind)? {
        Some(answers) => answers,
        None => {
            let all = run_kind(&cached, &request_of_group, kind)?;
            (all, answers(&sessions, &groups, &request_of_group, kind)?)
        }
    };
    Ok(answer(tables, request, &breakdown, all, groups.into_iter().zip(answers)))
}

/// Returns the answer for all sessions, with the answers of the groups and notes added.
fn answer(
    tables: &dyn Tables,
    request: &ReportRequest,
    breakdown: &Breakdown,
    mut answer: Box<dyn Answer>,
    groups: impl Iterator<Item = (ValueGroup, Arc<dyn Answer>)>,
) -> Box<dyn Answer> {
    let by: Vec<String> = request.by.iter().map(|field| field.name().to_owned()).collect();
    let mut notes = Vec::new();
    if breakdown.needs_events() {
        notes.push(format!(
            "a session counts for each {} that its events have, so the groups can add up to more than the total",
            by.join(" and ")
        ));
        notes.extend(on_pruned_events(tables, request));
    }
    let groups = groups.map(|(group, answer)| BrokenDownGroup { values: group.values, answer }).collect();
    answer.set_broken_down(BrokenDown { by, groups, overlap: breakdown.needs_events() });
    answer.add_notes(notes);
    answer
}

/// The answers of the groups, in order.
type Answers = Vec<Arc<dyn Answer>>;

/// Splits off the report on all sessions, which is the last one.
fn split<T: Answer + 'static>(reports: Option<Vec<T>>) -> Option<(Box<dyn Answer>, Answers)> {
    let mut reports = reports?;
    let all = reports.pop()?;
    Some((Box::new(all), reports.into_iter().map(|report| Arc::new(report) as Arc<dyn Answer>).collect()))
}

/// Computes a summary or a report on sequences of events for all sessions, and for each group, from
/// one read; `None` for other reports, and for a summary of many groups.
fn answers_together(
    sessions: &ClassifiedSessions<'_>,
    groups: usize,
    request: &ReportRequest,
    kind: ReportKind,
) -> Result<Option<(Box<dyn Answer>, Answers)>> {
    if kind == ReportKind::Summary && groups < MAX_GROUPS {
        return Ok(split(Some(summaries_of_groups(sessions, &request.query, groups)?)));
    }
    sequence_answers(&SessionGroups::classified(sessions, groups), request, kind)
}

/// Computes a report on sequences of events for all sessions, and for each group, from one read;
/// `None` for other reports, and in the same cases as [`fold_groups`].
///
/// [`fold_groups`]: crate::report::sequence::fold_groups
fn sequence_answers(
    groups: &SessionGroups<'_>,
    request: &ReportRequest,
    kind: ReportKind,
) -> Result<Option<(Box<dyn Answer>, Answers)>> {
    let (query, options) = (&request.query, &request.sequences);
    let limit = request.list_limit(kind);
    Ok(match kind {
        ReportKind::Funnel if options.funnel.unit == FunnelUnit::Session => {
            split(funnel_by_group(groups, query, &options.funnel)?)
        }
        ReportKind::Goals => split(goals_by_group(groups, query, &options.definitions.goals)?),
        ReportKind::Performance => split(performance_by_group(groups, query, limit)?),
        ReportKind::Paths => split(paths_by_group(groups, query, &options.paths, limit)?),
        ReportKind::Conversations => {
            split(conversations_by_group(groups, query, &options.definitions.conversations)?)
        }
        _ => None,
    })
}

/// Computes the answer of each group. Each group reads the same columns from the cache.
fn answers(
    sessions: &ClassifiedSessions<'_>,
    groups: &[ValueGroup],
    request: &ReportRequest,
    kind: ReportKind,
) -> Result<Answers> {
    let answer = |group: &ValueGroup| -> Result<Arc<dyn Answer>> {
        Ok(Arc::from(run_kind(&sessions.class(group.class), request, kind)?))
    };
    // The first group fills the cache of reads. The events of several groups would take too much
    // memory at once.
    let Some((first, others)) = groups.split_first() else { return Ok(Vec::new()) };
    let first = answer(first)?;
    let others: Answers = match kind.needs_events() {
        true => others.iter().map(answer).collect::<Result<_>>()?,
        false => others.par_iter().map(answer).collect::<Result<_>>()?,
    };
    Ok(std::iter::once(first).chain(others).collect())
}
