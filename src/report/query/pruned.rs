//! Whether sessions that a question is about are pruned.

use super::Query;
use super::tables::Tables;
use crate::error::Result;
use crate::store::ledger::DaySet;
use crate::time::Day;

/// Returns the last day of which sessions of the chatbots asked about are pruned; `None` where all of the
/// window are kept.
pub(crate) fn in_window(tables: &dyn Tables, query: &Query) -> Result<Option<Day>> {
    on_days(tables, query.window.range(), &query.chatbots)
}

/// Returns the last day of which sessions of some chatbots (of all, where none is named) are pruned; `None`
/// where those that started on the days, both included, are all kept.
pub(crate) fn on_days(tables: &dyn Tables, days: (Day, Day), chatbots: &[String]) -> Result<Option<Day>> {
    if tables.sessions_pruned_through().is_none_or(|last| last < days.0) {
        return Ok(None);
    }
    let ledger = tables.ledger()?;
    let pruned: Vec<&DaySet> = match chatbots {
        [] => ledger.sessions.values().collect(),
        some => some.iter().filter_map(|id| ledger.sessions.get(id)).collect(),
    };
    let last = pruned.iter().filter_map(|of| of.last()).max();
    Ok(last.filter(|_| pruned.iter().any(|of| of.touches(days))))
}
