//! Notes on an answer: empty windows, old data, pruned days, incomplete periods.

use crate::error::Result;
use crate::report::query::chatbots::chatbots;
use crate::report::query::tables::Tables;
use crate::report::query::{Query, pruned};
use crate::time::Day;

/// The note on a store without data.
pub const NO_DATA: &str = "the store has no data yet: run `wa ingest FILES`";

/// Returns the notes on a window: the reason why it is empty, or the age of the newest data if it
/// is more than two days before the end of the window.
///
/// `is_empty` is set if the answer contains no session. `bots` is the number of bot sessions in the
/// window.
pub(crate) fn on_window(
    tables: &dyn Tables,
    query: &Query,
    is_empty: bool,
    bots: u64,
) -> Result<Vec<String>> {
    let Some((_, newest)) = tables.days() else {
        return Ok(vec![NO_DATA.to_owned()]);
    };
    let window = query.window;
    if is_empty {
        return Ok(vec![on_empty_window(tables, query, bots)?]);
    }
    // If the window ends in the future, the age of the data is measured from today.
    let end = window.to.min(window.today);
    if newest.plus(2) < end {
        let days = end.0 - newest.0;
        return Ok(vec![format!("the newest data is from {newest}, {days} days before {end}")]);
    }
    Ok(Vec::new())
}

/// Returns the note on excluded bot sessions, such as
/// `2 bot sessions excluded: --include-bots counts them`.
pub(crate) fn excluded_bots(bots: u64) -> String {
    match bots {
        1 => "1 bot session excluded: --include-bots counts it".to_owned(),
        _ => format!("{bots} bot sessions excluded: --include-bots counts them"),
    }
}

/// Returns chatbots and days as the end of a sentence, with a space before each part:
/// ` for "shop" from 2026-06-01 to 2026-06-30`.
pub fn scope(chatbots: &[String], days: Option<(Day, Day)>) -> String {
    let names: Vec<String> = chatbots.iter().map(|id| format!("{id:?}")).collect();
    let chatbots = if names.is_empty() { String::new() } else { format!(" for {}", names.join(", ")) };
    match days {
        None => chatbots,
        Some((from, to)) if from == to => format!("{chatbots} on {from}"),
        Some((from, to)) => format!("{chatbots} from {from} to {to}"),
    }
}

fn on_empty_window(tables: &dyn Tables, query: &Query, bots: u64) -> Result<String> {
    let scope = scope(&query.chatbots, Some(query.window.range()));
    if bots > 0 && !query.include_bots {
        return Ok(format!("no sessions{scope}; {}", excluded_bots(bots)));
    }
    if pruned::in_window(tables, query)?.is_some() {
        // The window may have had sessions, so the days with data would not explain the result.
        return Ok(format!("no sessions{scope} are retained"));
    }
    if tables.is_filtered() {
        return Ok(format!("no session{scope} meets the conditions"));
    }
    let days = match query.chatbots.as_slice() {
        [] => tables.days(),
        selected => chatbots(tables)?
            .into_iter()
            .filter(|(id, ..)| selected.contains(id))
            .map(|(_, first, last)| (first, last))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))),
    };
    Ok(match days {
        Some((first, last)) if first == last => format!("no sessions{scope}: there is data on {first}"),
        Some((first, last)) => format!("no sessions{scope}: there is data from {first} to {last}"),
        None => format!("no sessions{scope}: there is no data"),
    })
}

/// Returns the note on an answer that is computed from sessions, given the last pruned day that
/// affects it.
pub(crate) fn on_pruned_sessions(pruned: Option<Day>) -> Option<String> {
    let pruned = pruned?;
    Some(format!(
        "sessions up to {pruned} are pruned, so this report counts only retained sessions; \
         `wa report trends` and most metrics of `wa report summary` reach further back"
    ))
}

/// Returns the notes on a comparison: an incomplete period, or a previous period that is unknown
/// because its sessions up to `pruned` are pruned.
pub(crate) fn on_comparison(tables: &dyn Tables, query: &Query, pruned: Option<Day>) -> Vec<String> {
    let window = query.window;
    let mut notes = Vec::new();
    if window.is_partial() {
        notes.push(format!(
            "{} is not over yet but is compared with a whole day: \
             use --as-of yesterday to compare whole days",
            window.today
        ));
    }
    let previous = window.previous();
    let (from, to) = (previous.from, previous.to);
    if let Some(pruned) = pruned {
        notes.push(format!(
            "the previous period, {from} to {to}, is unknown: sessions up to {pruned} are pruned"
        ));
    } else if let Some((first, _)) = tables.days()
        && first > from
    {
        notes.push(format!(
            "the data begins on {first}, so the previous period, {from} to {to}, is incomplete"
        ));
    }
    notes
}
