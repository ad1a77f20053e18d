//! Days that keep their row of statistics, since sessions of them were pruned.
//!
//! The row of such a **frozen** day is the sum of what the sessions that are gone added to it and of
//! what those add up to that are held. The first part stays for ever; the row follows the second: a
//! late event that extends a held session, a time zone that moves one onto the day or away from it,
//! or a timeout that joins two, changes the row by what the held sessions do after it and did not
//! before. Sums are exact then.
//!
//! VisitorSet cannot be added up, and of those of the sessions that are gone only the new ones are
//! known (`counted_new_on`): a returning one who is among the sessions that come as well is counted
//! twice, and one who leaves with the last held session is taken off though a session that is gone may be
//! theirs. Of lists that were cut off, only the entries are known that they have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rayon::prelude::*;
use serde_json::{Map, Value};

use super::daily::{first_seen_on, tallies_of};
use super::visitors::Moved;
use crate::daily_stats::{DailyStats, DayAggregate, DayAggregates, TOP_ENTRIES, VisitorSet, top_list_json};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;
use crate::store::tables::visitors::{COUNTED_COLUMNS, counted};
use crate::time::{DAY, Day, Micros};

/// A chatbot's day.
type Place = (String, Day);

/// VisitorSet of chatbots' days.
pub type Marked = HashMap<Place, VisitorSet>;

/// What is held of a chatbot's frozen day.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// What the sessions add up to, with lists that are not cut off; `None` without sessions.
    figures: Option<DailyStats>,
    visitors: VisitorSet,
    /// Those of the visitors that are new.
    new: VisitorSet,
}

impl Held {
    /// Takes the sessions that are held, and who was first seen on the day.
    fn of(tally: DayAggregate, chatbot: &str, day: Day, first_seen: Option<&VisitorSet>) -> Held {
        let is_new = |visitor| first_seen.is_some_and(|seen| seen.contains(&visitor));
        let new: VisitorSet = tally.new_visitors(is_new).collect();
        let visitors = tally.visitors().clone();
        let figures = tally.row(chatbot, day, new.len() as i64, usize::MAX, 0);
        Held { figures: Some(figures), visitors, new }
    }

    /// Takes what is held of a day out of its tallies, for the chatbots for whom it is frozen.
    pub fn take(
        tallies: &mut DayAggregates,
        day: Day,
        ledger: &Ledger,
        first_seen: Option<&VisitorSet>,
    ) -> BTreeMap<String, Held> {
        let frozen = tallies.chatbots().filter(|chatbot| ledger.sessions_pruned(chatbot, day));
        let frozen: Vec<String> = frozen.map(str::to_owned).collect();
        let of = |chatbot: String| {
            let held = Held::of(tallies.remove(&chatbot)?, &chatbot, day, first_seen);
            Some((chatbot, held))
        };
        frozen.into_iter().filter_map(of).collect()
    }

    /// Returns the least that the row says; `marked` are the visitors whom sessions that are gone
    /// count as new.
    pub fn least(&self, chatbot: &str, day: Day, marked: &VisitorSet) -> DailyStats {
        let nothing = || DayAggregate::default().row(chatbot, day, 0, TOP_ENTRIES, 0);
        let mut row = self.figures.clone().unwrap_or_else(nothing);
        row.unique_visitors = size_of_union(&self.visitors, marked);
        row.new_visitors = size_of_union(&self.new, marked);
        row
    }

    /// Returns the row of what is known, where there is no other.
    pub fn alone(&self, chatbot: &str, day: Day, marked: &VisitorSet) -> DailyStats {
        let nothing = Held::default().least(chatbot, day, &VisitorSet::default());
        let mut row = nothing.clone();
        add(&mut row, &self.least(chatbot, day, marked), &nothing);
        // Of the sessions that are gone, there was one for each of these visitors.
        row.total_sessions = row.total_sessions.max(row.unique_visitors);
        row
    }
}

fn size_of_union(a: &VisitorSet, b: &VisitorSet) -> i64 {
    (a.len() + b.iter().filter(|visitor| !a.contains(visitor)).count()) as i64
}

/// What is held of frozen days, as it was before a change.
#[derive(Debug)]
pub struct Frozen<'a> {
    ledger: &'a Ledger,
    held: BTreeMap<Place, Held>,
    marked: Marked,
    /// Days that the change does not reach: what is held of them is what was.
    out_of_reach: BTreeSet<Day>,
}

impl<'a> Frozen<'a> {
    /// Looks at the frozen days, before a change that leaves alone all sessions which ended before
    /// `since`, and all first sights before it.
    pub fn before(snapshot: &Snapshot, ledger: &'a Ledger, since: Micros) -> Result<Frozen<'a>> {
        let (mut reached, mut out_of_reach) = (BTreeSet::new(), BTreeSet::new());
        let last = snapshot.manifest().sessions_pruned_through;
        for file in snapshot.manifest().files(Table::Sessions) {
            if last.is_some_and(|last| file.day <= last) && is_frozen_somewhere(ledger, file.day) {
                if file.max_time >= since { &mut reached } else { &mut out_of_reach }.insert(file.day);
            }
        }
        out_of_reach.retain(|day| !reached.contains(day));
        let days: Vec<Day> = reached.into_iter().collect();
        let mut frozen = Frozen { ledger, held: BTreeMap::new(), marked: Marked::new(), out_of_reach };
        if days.is_empty() {
            return Ok(frozen);
        }
        let first_seen = first_seen_on(snapshot, &days, snapshot.zone())?;
        frozen.marked = marked_on(snapshot, &days)?;
        for day in days {
            let mut tallies = tallies_of(snapshot, day, None)?;
            let held = Held::take(&mut tallies, day, ledger, first_seen.get(&day));
            frozen.held.extend(held.into_iter().map(|(chatbot, held)| ((chatbot, day), held)));
        }
        Ok(frozen)
    }

    /// Returns what was pruned.
    pub fn ledger(&self) -> &'a Ledger {
        self.ledger
    }

    /// Changes the row of a frozen day as its held sessions and first sights have changed.
    /// `marked` are the visitors whom sessions that are gone count as new, after the change; `lost` those whom
    /// they count so no more: see [`lost_by`].
    pub fn change(&self, row: &mut DailyStats, is: &Held, lost: &Marked, marked: &Marked) {
        let place = &(row.chatbot_id.clone(), row.stat_date);
        let (chatbot, day) = (place.0.as_str(), place.1);
        let of_place = |marked: &Marked| marked.get(place).cloned().unwrap_or_default();
        let lost = of_place(lost);
        // Also of those who were forgotten: the figures that count them stay.
        let mut marked = of_place(marked);
        marked.extend(of_place(&self.marked));
        let mut marked_before = marked.clone();
        marked_before.extend(&lost);
        marked.retain(|visitor| !lost.contains(visitor));

        let nothing = Held::default();
        let was =
            if self.out_of_reach.contains(&day) { is } else { self.held.get(place).unwrap_or(&nothing) };
        let least = is.least(chatbot, day, &marked);
        let mut after = least.clone();
        // Who is not counted as new any more was there all the same.
        after.unique_visitors = size_of_union(&is.visitors, &marked_before);
        add(row, &after, &was.least(chatbot, day, &marked_before));
        raise(row, &least);
    }
}

/// Returns the visitors whom a chatbot's day counts as new no more, since their first sight was earlier.
pub fn lost_by(moved: &[Moved]) -> Marked {
    let mut lost = Marked::new();
    for change in moved {
        if let Some(day) = change.was.counted_new_on.filter(|day| change.counted_new_on != Some(*day)) {
            lost.entry((change.was.chatbot_id.clone(), day)).or_default().insert(change.was.hash());
        }
    }
    lost
}

/// Tells whether a day is frozen at any chatbot.
pub fn is_frozen_somewhere(ledger: &Ledger, day: Day) -> bool {
    ledger.sessions.values().any(|days| days.contains(day))
}

/// Returns the visitors whom sessions that are gone count as new on the days.
pub fn marked_on(snapshot: &Snapshot, days: &[Day]) -> Result<Marked> {
    let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else { return Ok(Marked::new()) };
    // By the time zone in which they were counted, which may not be the present one.
    let (from, to) = (i64::from(first.0 - 3) * DAY, i64::from(last.0 + 4) * DAY);
    let files = snapshot.manifest().files(Table::Visitors).par_iter();
    let files = files.filter(|file| file.min_time < to && from <= file.max_time);
    let found: Vec<Vec<(Place, u128)>> = files
        .map(|file| {
            let frame = snapshot.read_file(file, Some(&COUNTED_COLUMNS))?;
            let of_days = counted(&frame)?.filter(|(_, _, day)| days.contains(day));
            Ok(of_days.map(|(chatbot, hash, day)| ((chatbot.to_owned(), day), hash)).collect())
        })
        .collect::<Result<_>>()?;
    let mut marked = Marked::new();
    for (place, hash) in found.into_iter().flatten() {
        marked.entry(place).or_default().insert(hash);
    }
    Ok(marked)
}

/// Adds to a row what one row is above another.
fn add(row: &mut DailyStats, after: &DailyStats, before: &DailyStats) {
    for (((_, figure), (_, after)), (_, before)) in
        row.sums_mut().into_iter().zip(after.sums()).zip(before.sums())
    {
        *figure = figure.saturating_add(after.saturating_sub(before));
    }
    for (figure, after, before) in [
        (&mut row.unique_visitors, after.unique_visitors, before.unique_visitors),
        (&mut row.new_visitors, after.new_visitors, before.new_visitors),
    ] {
        *figure = figure.saturating_add(after - before);
    }
    for (top_list_json, after, before, key, most) in [
        (&mut row.top_referrers, &after.top_referrers, &before.top_referrers, "domain", TOP_ENTRIES),
        (
            &mut row.top_landing_pages,
            &after.top_landing_pages,
            &before.top_landing_pages,
            "page",
            TOP_ENTRIES,
        ),
        (&mut row.utm_sources, &after.utm_sources, &before.utm_sources, "source", usize::MAX),
    ] {
        if after != before {
            *top_list_json = added(top_list_json, after, before, key, most);
        }
    }
}

/// Raises the figures of a row to the least that they can be: a row that says less is wrong.
fn raise(row: &mut DailyStats, least: &DailyStats) {
    for ((_, figure), (_, least)) in row.sums_mut().into_iter().zip(least.sums()) {
        *figure = (*figure).max(least);
    }
    // Whose sessions they are that are gone is not known, but they are somebody's.
    let least_visitors = least.unique_visitors.max(row.total_sessions.min(1));
    row.unique_visitors = row.unique_visitors.max(least_visitors);
    // New and returning visitors make up all of them.
    let most = row.unique_visitors - least.returning_visitors();
    row.new_visitors = row.new_visitors.clamp(least.new_visitors, most);
}

/// Adds to the counts of a top_list_json what one top_list_json is above another.
fn added(text: &str, after: &str, before: &str, key: &str, most: usize) -> String {
    let mut counts: HashMap<String, i64> = HashMap::new();
    for (text, sign) in [(text, 1), (after, 1), (before, -1)] {
        let entries: Vec<Map<String, Value>> = serde_json::from_str(text).unwrap_or_default();
        for entry in entries {
            let name = entry.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
            let count = entry.get("count").and_then(Value::as_i64).unwrap_or(0);
            *counts.entry(name).or_default() += sign * count;
        }
    }
    counts.retain(|_, count| *count > 0);
    top_list_json(counts, most, key)
}
