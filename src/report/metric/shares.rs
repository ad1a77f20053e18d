//! Reports that count sessions by what they have in common: `sources` and `devices`.

use hashbrown::HashMap;

use super::Listed;
use super::group_count::{Tally, by_text};
use crate::error::Result;
use crate::report::query::Query;
use crate::report::query::tables::{Tables, map_frames};
use crate::store::columns::Table;

/// A count by name, most frequent first.
pub(crate) type Counts = Vec<(String, u64)>;

/// Counts the sessions of a window by each of some columns; `columns` name what null counts as.
/// Returns the counts in the order of the columns, and the number of robots' sessions.
pub(crate) fn count<const N: usize>(
    tables: &dyn Tables,
    query: &Query,
    columns: [(&str, &str); N],
) -> Result<([Counts; N], u64)> {
    let names = query.columns(&columns.map(|(name, _)| name));
    let days = Some(query.window.range());
    let parts = map_frames(tables, Table::Sessions, days, &names, |_, frame| {
        let selected = query.select(frame)?;
        let mut tallies = Vec::with_capacity(N);
        for (name, null) in columns {
            tallies.push(by_text(frame.texts(name)?, &selected.rows, null, |_| 1u64));
        }
        Ok((tallies, selected.bots))
    })?;
    let mut sums: [Tally<String>; N] = std::array::from_fn(|_| Tally::default());
    let mut bots = 0u64;
    for (tallies, part_bots) in parts {
        bots += part_bots;
        for (sum, tally) in sums.iter_mut().zip(tallies) {
            *sum = std::mem::take(sum).merge(tally);
        }
    }
    Ok((sums.map(|sum| ranked(sum.0)), bots))
}

/// Makes a list of rows out of counts; what a limit cuts off is added up.
pub(crate) fn listed<R>(counts: Counts, limit: Option<usize>, row: impl Fn(String, u64) -> R) -> Listed<R> {
    let hidden = counts.iter().skip(limit.unwrap_or(usize::MAX)).map(|(_, count)| count).sum();
    let all = counts.into_iter().map(|(name, count)| row(name, count)).collect();
    Listed::cut(all, limit, |_| row(String::new(), hidden))
}

/// Puts counts in order: by count, falling, then by name.
fn ranked(counts: HashMap<String, u64>) -> Counts {
    let mut counts: Counts = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
