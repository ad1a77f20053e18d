//! Finds the pruned days that a query covers.

use std::collections::BTreeMap;

use super::Query;
use super::tables::Tables;
use crate::error::Result;
use crate::store::ledger::DaySet;
use crate::time::Day;

/// Returns the last day with pruned sessions, for the query's chatbots; `None` if all sessions of
/// the window are retained.
pub(crate) fn in_window(tables: &dyn Tables, query: &Query) -> Result<Option<Day>> {
    in_days(tables, query.window.range(), &query.chatbots)
}

/// Returns the last day with pruned sessions of the given chatbots, or of all chatbots if none is
/// given; `None` if all sessions that started on `days` are retained.
pub(crate) fn in_days(tables: &dyn Tables, days: (Day, Day), chatbots: &[String]) -> Result<Option<Day>> {
    if tables.sessions_pruned_through().is_none_or(|last| last < days.0) {
        return Ok(None);
    }
    Ok(last_day(&tables.ledger()?.pruned_sessions, days, chatbots))
}

/// Returns the last day with pruned daily statistics, for the query's chatbots; `None` if all daily
/// statistics of the window are retained.
pub(crate) fn daily_stats_in_window(tables: &dyn Tables, query: &Query) -> Result<Option<Day>> {
    Ok(last_day(&tables.ledger()?.pruned_daily_stats, query.window.range(), &query.chatbots))
}

/// Returns the last pruned day of the given chatbots, or of all chatbots if none is given; `None`
/// if none of `days` is pruned.
fn last_day(pruned: &BTreeMap<String, DaySet>, days: (Day, Day), chatbots: &[String]) -> Option<Day> {
    let sets: Vec<&DaySet> = match chatbots {
        [] => pruned.values().collect(),
        some => some.iter().filter_map(|id| pruned.get(id)).collect(),
    };
    let last = sets.iter().filter_map(|set| set.last()).max();
    last.filter(|_| sets.iter().any(|set| set.overlaps(days)))
}
