//! The days that `trends` and `visitors` list.

use crate::error::Result;
use crate::report::query::tables::Tables;
use crate::report::query::{Query, pruned};
use crate::time::Day;

/// Returns the first and the last day to list, given the first and the last day with data; `None`
/// for a window in the future without data.
///
/// The list has every day of the window up to today, so a chatbot that stopped sending events shows
/// zeros. Days after today are listed only up to the last day with data. If days are pruned, the
/// list begins on the first day with data, since zeros for pruned days would be wrong.
pub(crate) fn listed_days(
    tables: &dyn Tables,
    query: &Query,
    data: Option<(Day, Day)>,
) -> Result<Option<(Day, Day)>> {
    let window = query.window;
    let pruned = match data {
        // Only days before the data can be pruned.
        Some((first, _)) if first <= window.from => None,
        _ if !query.has_daily_stats(tables) => pruned::in_window(tables, query)?,
        _ => pruned::daily_stats_in_window(tables, query)?,
    };
    let first = pruned.map_or(window.from, |last| last.plus(1).max(window.from));
    // Ingest accepts events up to a day in the future.
    let last = window.to.min(window.today);
    let (first, last) = data.map_or((first, last), |data| (first.min(data.0), last.max(data.1)));
    Ok((first <= last).then_some((first, last)))
}
