//! Restricts a report to the sessions that satisfy the conditions of its request.

use crate::error::Result;
use crate::report::dispatch::{ReportKind, ReportRequest};
use crate::report::funnel::FunnelUnit;
use crate::report::query::filter::{Subject, find_names};
use crate::report::query::selection::ClassifiedSessions;
use crate::report::query::selection::filter::{SELECTED, SessionFilter};
use crate::report::query::tables::Tables;
use crate::time::Day;

/// Searches the events of the window for fields of a request that are not columns. Returns notes on
/// the fields that were found.
///
/// # Errors
/// Returns a usage error with the nearest field for a name that no event of the window has.
pub fn resolve_fields(tables: &dyn Tables, request: &mut ReportRequest) -> Result<Vec<String>> {
    let dates = Some(request.query.window.utc_dates(tables.zone()));
    let mut notes = Vec::new();
    for condition in &mut request.conditions {
        notes.extend(condition.resolve(tables, dates)?);
    }
    notes.extend(find_names(tables, dates, request.by.iter_mut(), Subject::Sessions)?);
    Ok(notes)
}

/// Runs a report on the tables of the selected sessions. Returns its result, and a note if events
/// that the conditions need are pruned.
pub(in crate::report) fn with_selected_sessions<T>(
    tables: &dyn Tables,
    request: &ReportRequest,
    run: impl FnOnce(&dyn Tables) -> Result<T>,
) -> Result<(T, Option<String>)> {
    if request.conditions.is_empty() {
        return Ok((run(tables)?, None));
    }
    let filter = SessionFilter::new(&request.conditions, tables.zone());
    let sessions = ClassifiedSessions::new(tables, &filter);
    // If conditions need events, classify the sessions in advance: reading events is expensive, and
    // concurrent reads of the report could repeat it. This is not needed if the report evaluates
    // the conditions itself. Conditions on sessions are evaluated in the first read of the report.
    let is_prepared = filter.needs_events() && !(filter.has_few_conditions() && evaluates_filter(request));
    let prepared = if is_prepared { read_days(request) } else { Vec::new() };
    prepared.into_iter().try_for_each(|days| sessions.prepare(Some(days)))?;
    let result = run(&sessions.class(SELECTED))?;
    Ok((result, note_on_selection(tables, request)))
}

/// Returns a note if events that the conditions of a request need are pruned.
pub(in crate::report) fn note_on_selection(tables: &dyn Tables, request: &ReportRequest) -> Option<String> {
    let filter = SessionFilter::new(&request.conditions, tables.zone());
    if filter.needs_events() { on_pruned_events(tables, request) } else { None }
}

/// Returns whether a report evaluates the conditions of its filter while it reads the events of all
/// sessions, and does not read the selected sessions again.
fn evaluates_filter(request: &ReportRequest) -> bool {
    let sequences = &request.sequences;
    let is_one_read = match request.kind {
        ReportKind::Funnel => sequences.funnel.unit == FunnelUnit::Session,
        ReportKind::Conversations => !sequences.lists_conversations,
        ReportKind::Goals | ReportKind::Paths | ReportKind::Performance => true,
        _ => false,
    };
    is_one_read && request.by.is_empty() && !request.by_chatbot
}

/// Returns the ranges of days in which a request reads all sessions.
fn read_days(request: &ReportRequest) -> Vec<(Day, Day)> {
    let query = &request.query;
    match request.kind {
        ReportKind::Active => Vec::new(),
        ReportKind::Sessions if !request.has_window => Vec::new(),
        // `retention` extends its window. Reads within a classified range are not classified again.
        ReportKind::Retention => vec![request.retention.extended(query).window.range()],
        _ if request.compare => vec![query.window.range(), query.previous().window.range()],
        _ => vec![query.window.range()],
    }
}

/// Returns a note if events of the window are pruned.
pub(in crate::report) fn on_pruned_events(tables: &dyn Tables, request: &ReportRequest) -> Option<String> {
    let window = request.query.window;
    let window = if request.compare { window.previous() } else { window };
    let first = window.utc_dates(tables.zone()).0;
    let pruned = tables.events_pruned_through().filter(|day| *day >= first)?;
    Some(format!(
        "events up to {pruned} are pruned: sessions that ended by then have no events, so they \
         count as sessions without events"
    ))
}
