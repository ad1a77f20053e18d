//! The common part of the reports that count the sessions of a window: `events`, `sources`,
//! `devices`, `pages` and `locations`.

use super::comparison::Comparison;
use super::{Report, ReportBody, ReportHead, diagnostics};
use crate::error::Result;
use crate::report::query::tables::Tables;
use crate::report::query::{Query, pruned};

/// Builds a report from `count`, which returns the body and the number of bot sessions for a query.
/// With `compare`, it also counts the previous period and compares both.
pub(crate) fn build<B: ReportBody>(
    tables: &dyn Tables,
    query: &Query,
    compare: bool,
    count: impl Fn(&Query) -> Result<(B, u64)>,
) -> Result<Report<B>> {
    let (body, bots) = count(query)?;
    let mut report = Report::new(ReportHead::new(tables, query, bots), body);
    // Every session has an event, a device (at least `unknown`), and so on.
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
