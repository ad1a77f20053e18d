//! Reports that count sessions by what they have in common: `sources` and `devices`.

use hashbrown::HashMap;
use rayon::prelude::*;

use super::query::Query;
use super::tables::Tables;
use super::tally::{Tally, by_text};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::texts;

/// A count by name, most frequent first.
pub(super) type Counts = Vec<(String, u64)>;

/// Counts the sessions of a window by each of some columns; `columns` name what null counts as.
/// Returns the counts in the order of the columns, and the number of robots' sessions.
pub(super) fn count(
    tables: &dyn Tables,
    query: &Query,
    columns: &[(&str, &str)],
) -> Result<(Vec<Counts>, u64)> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let frames = tables.read(Table::Sessions, Some(query.window.range()), &query.columns(&names))?;
    let parts = frames
        .par_iter()
        .map(|frame| {
            let selected = query.select(frame)?;
            let tallies = columns
                .iter()
                .map(|(name, null)| Ok(by_text(&texts(frame, name)?, &selected.rows, null, |_| 1u64)))
                .collect::<Result<Vec<Tally<String>>>>()?;
            Ok((tallies, selected.bots))
        })
        .collect::<Result<Vec<_>>>()?;
    let mut sums: Vec<Tally<String>> = columns.iter().map(|_| Tally::default()).collect();
    let mut bots = 0u64;
    for (tallies, part_bots) in parts {
        bots += part_bots;
        for (sum, tally) in sums.iter_mut().zip(tallies) {
            *sum = std::mem::take(sum).merge(tally);
        }
    }
    Ok((sums.into_iter().map(|sum| ranked(sum.0)).collect(), bots))
}

/// Puts counts in order: by count, falling, then by name.
pub(super) fn ranked(counts: HashMap<String, u64>) -> Counts {
    let mut counts: Counts = counts.into_iter().collect();
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    counts
}
