//! What is to be said beside an answer: windows without data, old data, half days.

use crate::error::Result;
use crate::report::query::tables::Tables;
use crate::report::query::{Query, chatbots};
use crate::time::Day;

/// What is said of a store that holds nothing.
pub const NO_DATA: &str = "the store holds no data yet: `wa ingest FILES` fills it";

/// Returns what is to be said of a window: that it is empty, and which days hold data, or that the
/// newest data is more than two days old.
///
/// `empty`: the answer has no session in it; `bots`: so many sessions of robots are in the window.
pub fn on_window(tables: &dyn Tables, query: &Query, empty: bool, bots: u64) -> Result<Vec<String>> {
    let Some((_, newest)) = tables.days() else {
        return Ok(vec![NO_DATA.to_owned()]);
    };
    let window = query.window;
    if empty {
        return Ok(vec![nothing(tables, query, bots)?]);
    }
    // Said of a window that claims to reach the present, not of one in the past.
    let end = window.to.min(window.today);
    if newest.plus(2) < end {
        let days = end.0 - newest.0;
        return Ok(vec![format!("the newest data is of {newest}, {days} days before {end}")]);
    }
    Ok(Vec::new())
}

/// Returns the words for sessions of robots that are left out, and how to have them counted.
pub fn left_out(bots: u64) -> (String, &'static str) {
    match bots {
        1 => ("1 session of a robot".to_owned(), "--include-bots counts it"),
        _ => (format!("{bots} sessions of robots"), "--include-bots counts them"),
    }
}

/// Names what was asked for, with a space before each part: ` of "shop" from 2026-06-01 to 2026-06-30`.
pub fn asked(chatbots: &[String], days: Option<(Day, Day)>) -> String {
    let names: Vec<String> = chatbots.iter().map(|id| format!("{id:?}")).collect();
    let of = if names.is_empty() { String::new() } else { format!(" of {}", names.join(", ")) };
    match days {
        None => of,
        Some((from, to)) if from == to => format!("{of} on {from}"),
        Some((from, to)) => format!("{of} from {from} to {to}"),
    }
}

fn nothing(tables: &dyn Tables, query: &Query, bots: u64) -> Result<String> {
    let asked = asked(&query.chatbots, Some(query.window.range()));
    let held = |days: Option<(Day, Day)>| match days {
        Some((first, last)) if first == last => format!("there is data of {first}"),
        Some((first, last)) => format!("there is data from {first} to {last}"),
        None => "there is none at all".to_owned(),
    };
    if bots > 0 && !query.include_bots {
        let (sessions, counted) = left_out(bots);
        return Ok(format!("no sessions{asked} but {sessions}: {counted}"));
    }
    if crate::report::query::pruned::in_window(tables, query)?.is_some() {
        // There may have been some: days with data say nothing of that.
        return Ok(format!("no sessions{asked} are kept"));
    }
    if query.chatbots.is_empty() {
        return Ok(format!("no sessions{asked}: {}", held(tables.days())));
    }
    let days = chatbots(tables)?
        .into_iter()
        .filter(|(id, ..)| query.chatbots.contains(id))
        .map(|(_, first, last)| (first, last))
        .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    Ok(format!("no sessions{asked}: {}", held(days)))
}

/// Returns what is to be said of an answer that comes from sessions, where those of the window
/// are pruned in part or whole, as far as a day.
pub fn on_pruned_sessions(pruned: Option<Day>) -> Option<String> {
    let pruned = pruned?;
    Some(format!(
        "sessions up to {pruned} are pruned, so this report counts only those that are kept; \
         `wa report trends` and most figures of `wa report summary` reach further back"
    ))
}

/// Returns what is to be said of a comparison: that one of the periods is not whole, or that the one before is
/// not known, its sessions being pruned as far as a day.
pub fn on_comparison(tables: &dyn Tables, query: &Query, pruned: Option<Day>) -> Vec<String> {
    let window = query.window;
    let mut notes = Vec::new();
    if window.is_partial() {
        notes.push(format!(
            "{} is not over yet and is compared with a whole day: --as-of yesterday compares whole days",
            window.today
        ));
    }
    let before = window.before();
    if let Some(pruned) = pruned {
        notes.push(format!(
            "what the period before, {} to {}, came to is not known: sessions up to {pruned} are pruned",
            before.from, before.to
        ));
    } else if let Some((first, _)) = tables.days()
        && first > before.from
    {
        notes.push(format!(
            "the data begins on {first}, so the period before, {} to {}, is not whole",
            before.from, before.to
        ));
    }
    notes
}
