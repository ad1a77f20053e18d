//! The pruned days among those that a query covers.

use super::Query;
use super::tables::Tables;
use crate::error::Result;
use crate::store::ledger::DaySet;
use crate::time::Day;

/// Returns the last pruned day of the query's chatbots if sessions of the window are pruned;
/// `None` if all sessions of the window are retained.
pub(crate) fn in_window(tables: &dyn Tables, query: &Query) -> Result<Option<Day>> {
    in_days(tables, query.window.range(), &query.chatbots)
}

/// Returns the last pruned day of some chatbots, or of all if none is named, if sessions that
/// started on the days, both included, are pruned; `None` if all of them are retained.
pub(crate) fn in_days(tables: &dyn Tables, days: (Day, Day), chatbots: &[String]) -> Result<Option<Day>> {
    if tables.sessions_pruned_through().is_none_or(|last| last < days.0) {
        return Ok(None);
    }
    let ledger = tables.ledger()?;
    let pruned: Vec<&DaySet> = match chatbots {
        [] => ledger.pruned_sessions.values().collect(),
        some => some.iter().filter_map(|id| ledger.pruned_sessions.get(id)).collect(),
    };
    let last = pruned.iter().filter_map(|set| set.last()).max();
    Ok(last.filter(|_| pruned.iter().any(|set| set.overlaps(days))))
}
