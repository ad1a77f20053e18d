//! What the reports have in common that are counted over the sessions of a window: `events`,
//! `sources`, `devices`, `pages` and `places`.

use super::Query;
use super::pruned;
use super::tables::Tables;
use crate::error::Result;
use crate::report::answer::{Body, Head, Report};
use crate::report::metric::compare::Comparison;
use crate::report::metric::diagnostics;

/// Makes such a report of what `count` makes of a question: the answer, and how many sessions of
/// robots there were. With `compare`, it stands beside the period before.
pub(crate) fn report<B: Body>(
    tables: &dyn Tables,
    query: &Query,
    compare: bool,
    count: impl Fn(&Query) -> Result<(B, u64)>,
) -> Result<Report<B>> {
    let (body, bots) = count(query)?;
    let mut report = Report::new(Head::of(tables, query, bots), body);
    // Every session has an event, a device (`unknown`, if nothing else) and so on.
    let empty = report.body.groups().iter().all(|group| group.items.is_empty());
    report.notes = diagnostics::on_window(tables, query, empty, bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    if compare {
        let before = query.before();
        let pruned = pruned::in_window(tables, &before)?;
        // Of sessions that are pruned in part no growth can be told.
        let previous = if pruned.is_none() { Some(count(&before)?.0) } else { None };
        let groups = previous.as_ref().map(Body::groups);
        report.comparison = Some(Comparison::of(query.window, &report.body.groups(), groups.as_deref()));
        report.notes.extend(diagnostics::on_comparison(tables, query, pruned));
    }
    Ok(report)
}
