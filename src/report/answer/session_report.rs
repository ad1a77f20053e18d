//! The shared code of the reports that count the sessions of a window: `events`, `sources`,
//! `devices`, `pages` and `locations`.

use super::comparison::Comparison;
use super::{Answer, Report, ReportBody, ReportHead, diagnostics};
use crate::error::Result;
use crate::report::query::tables::Tables;
use crate::report::query::{Query, pruned};

/// Builds a report from `count`, which returns the body and the number of bot sessions for a query.
/// If `compare` is set, it also counts the previous period and compares both.
pub(crate) fn build<B: ReportBody>(
    tables: &dyn Tables,
    query: &Query,
    compare: bool,
    count: impl Fn(&Query) -> Result<(B, u64)>,
) -> Result<Report<B>> {
    let (body, bots) = count(query)?;
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    // Every session has at least one row in each group, such as the device `unknown`.
    let is_empty = report.body.groups().iter().all(|group| group.all_rows.is_empty());
    report.notes = diagnostics::on_window(tables, query, is_empty, bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    if compare {
        let previous_query = query.previous();
        let pruned = pruned::in_window(tables, &previous_query)?;
        // A comparison with a partly pruned period would show growth that did not happen.
        let previous = if pruned.is_none() { Some(count(&previous_query)?.0) } else { None };
        let groups = previous.as_ref().map(ReportBody::groups);
        let comparison = Comparison::new(query.window, &report.body.groups(), groups.as_deref());
        report.comparison = Some(comparison);
        report.notes.extend(diagnostics::on_comparison(tables, query, pruned));
    }
    Ok(report)
}

/// Adds a comparison to the answer of a report that does not compute one. `count` computes the
/// answer of the previous period. `needs_events` is set if the report is computed from events.
pub(crate) fn compare_with_previous(
    tables: &dyn Tables,
    query: &Query,
    answer: &mut dyn Answer,
    needs_events: bool,
    count: impl FnOnce(&Query) -> Result<Box<dyn Answer>>,
) -> Result<()> {
    let previous_query = query.previous();
    let pruned = pruned::in_window(tables, &previous_query)?;
    let first_date = previous_query.window.utc_dates(tables.zone()).0;
    let pruned_events = tables.events_pruned_through().filter(|last| needs_events && *last >= first_date);
    let is_known = pruned.is_none() && pruned_events.is_none();
    let previous = if is_known { Some(count(&previous_query)?) } else { None };
    let comparison = Comparison::of_answers(query.window, answer, previous.as_deref());
    answer.set_comparison(comparison);
    let mut notes = diagnostics::on_comparison(tables, query, pruned);
    if let Some(day) = pruned_events.filter(|_| pruned.is_none()) {
        let (from, to) = previous_query.window.range();
        notes.push(format!("the previous period, {from} to {to}, is unknown: events up to {day} are pruned"));
    }
    answer.add_notes(notes);
    Ok(())
}
