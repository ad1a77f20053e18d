//! An answer beside that of the period before.

use hashbrown::HashMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Figure, Group, Item, Unit};
use crate::decimal::fixed::{Hundredths, divide};
use crate::report::query::window::Window;

/// A figure now and before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The unit of both.
    pub unit: Unit,
    /// The value in the window.
    pub current: Option<i64>,
    /// The value in the period before.
    pub previous: Option<i64>,
}

impl Change {
    /// Returns the difference, in the figure's own unit (percentage points, of a percentage).
    pub fn difference(self) -> Figure {
        let value = self.current.zip(self.previous).map(|(now, before)| now.saturating_sub(before));
        Figure { unit: self.unit, value }
    }

    /// Returns the difference in percent of the value before; `None` where that is 0 or unknown.
    pub fn percent(self) -> Option<Hundredths> {
        let (now, before) = self.current.zip(self.previous)?;
        (before != 0)
            .then(|| Hundredths(divide((i128::from(now) - i128::from(before)) * 10_000, i128::from(before))))
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let figure = |value| Figure { unit: self.unit, value };
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("current", &figure(self.current))?;
        map.serialize_entry("previous", &figure(self.previous))?;
        map.serialize_entry("change", &self.difference())?;
        map.serialize_entry("change_percent", &self.percent())?;
        map.end()
    }
}

/// Whether a row is in both periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// In both.
    Kept,
    /// Only in the window.
    New,
    /// Only in the period before.
    Gone,
}

/// A row of both periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedRow {
    /// The names.
    pub names: Vec<String>,
    /// Whether it is in both periods; `None` where that cannot be known.
    pub status: Option<Status>,
    /// The figures.
    pub changes: Vec<Change>,
}

/// A part of an answer in both periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedGroup {
    /// The part's key in JSON.
    pub name: &'static str,
    /// The part is one row.
    pub single: bool,
    /// The names' keys.
    pub keys: Vec<&'static str>,
    /// The figures' keys.
    pub figures: &'static [(&'static str, Unit)],
    /// The rows that are shown, then those that are gone.
    pub rows: Vec<ComparedRow>,
    /// How many more rows there are in either period, and what they come to; figures that do not
    /// add up are unknown.
    pub rest: Option<(usize, Vec<Change>)>,
}

struct RowEntry<'a>(&'a ComparedGroup, &'a ComparedRow);

impl Serialize for RowEntry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RowEntry(group, row) = self;
        let mut map = serializer.serialize_map(None)?;
        for (key, name) in group.keys.iter().zip(&row.names) {
            map.serialize_entry(key, name)?;
        }
        if !group.single {
            map.serialize_entry("status", &row.status)?;
        }
        for ((key, _), change) in group.figures.iter().zip(&row.changes) {
            map.serialize_entry(key, change)?;
        }
        map.end()
    }
}

impl Serialize for ComparedGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.single, self.rows.first()) {
            (true, Some(row)) => RowEntry(self, row).serialize(serializer),
            _ => serializer.collect_seq(self.rows.iter().map(|row| RowEntry(self, row))),
        }
    }
}

/// All parts of an answer in both periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The period before.
    pub before: Window,
    /// The window reaches today, which is not over yet.
    pub partial: bool,
    /// The parts.
    pub groups: Vec<ComparedGroup>,
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("period_days", &self.before.days())?;
        map.serialize_entry("from", &self.before.from.to_string())?;
        map.serialize_entry("to", &self.before.to.to_string())?;
        map.serialize_entry("partial", &self.partial)?;
        for group in &self.groups {
            map.serialize_entry(group.name, group)?;
        }
        map.end()
    }
}

impl Comparison {
    /// Sets the parts of two answers of one kind side by side, rows by their names; `None` stands for a
    /// period before of which sessions are pruned, and which cannot be known.
    pub fn of(window: Window, now: &[Group<'_>], before: Option<&[Group<'_>]>) -> Comparison {
        let groups = match before {
            Some(before) => now.iter().zip(before).map(|(now, before)| compare(now, before)).collect(),
            None => now.iter().map(beside_unknown).collect(),
        };
        Comparison { before: window.before(), partial: window.is_partial(), groups }
    }
}

/// Sets a part beside one that cannot be known.
fn beside_unknown(now: &Group<'_>) -> ComparedGroup {
    let changes = |values: &[Option<i64>]| -> Vec<Change> {
        let figures = now.figures.iter().zip(values);
        figures.map(|((_, unit), value)| Change { unit: *unit, current: *value, previous: None }).collect()
    };
    let row = |item: &Item<'_>| ComparedRow {
        names: owned(&item.names),
        status: None,
        changes: changes(&item.values),
    };
    ComparedGroup {
        name: now.name,
        single: now.single,
        keys: now.keys.to_vec(),
        figures: now.figures,
        rows: now.rows().iter().map(row).collect(),
        rest: now.rest.as_ref().map(|rest| (now.hidden(), changes(rest))),
    }
}

fn compare(now: &Group<'_>, before: &Group<'_>) -> ComparedGroup {
    let find = |items: &[Item<'_>]| -> HashMap<Vec<String>, usize> {
        items.iter().enumerate().map(|(at, item)| (owned(&item.names), at)).collect()
    };
    let (in_now, in_before) = (find(&now.items), find(&before.items));
    let mut rows = Vec::new();
    let mut shown_before = vec![false; before.items.len()];
    for item in now.rows() {
        let names = owned(&item.names);
        let previous = in_before.get(&names).copied();
        if let Some(seen) = previous.and_then(|at| shown_before.get_mut(at)) {
            *seen = true;
        }
        let previous = previous.and_then(|at| before.items.get(at));
        let status = Some(if previous.is_some() { Status::Kept } else { Status::New });
        rows.push(ComparedRow { names, status, changes: changes(now, Some(item), previous) });
    }
    for (item, seen) in before.rows().iter().zip(&mut shown_before) {
        let names = owned(&item.names);
        if !*seen && !in_now.contains_key(&names) {
            *seen = true;
            let status = Some(Status::Gone);
            rows.push(ComparedRow { names, status, changes: changes(now, None, Some(item)) });
        }
    }
    let now_rest: Vec<&Item<'_>> = now.items.iter().skip(now.rows().len()).collect();
    let before_rest: Vec<&Item<'_>> =
        before.items.iter().zip(&shown_before).filter(|(_, seen)| !**seen).map(|(item, _)| item).collect();
    let mut more: Vec<&Vec<&str>> = now_rest.iter().chain(&before_rest).map(|item| &item.names).collect();
    more.sort();
    more.dedup();
    let rest = (!more.is_empty()).then(|| {
        let sums = now.figures.iter().enumerate().map(|(at, (_, unit))| Change {
            unit: *unit,
            current: sum(&now_rest, at, *unit),
            previous: sum(&before_rest, at, *unit),
        });
        (more.len(), sums.collect())
    });
    ComparedGroup {
        name: now.name,
        single: now.single,
        keys: now.keys.to_vec(),
        figures: now.figures,
        rows,
        rest,
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn changes(group: &Group<'_>, now: Option<&Item<'_>>, before: Option<&Item<'_>>) -> Vec<Change> {
    let value = |item: Option<&Item<'_>>, at: usize| match item {
        Some(item) => item.values.get(at).copied().flatten(),
        // A row that is not there has none of anything.
        None => Some(0),
    };
    let change = |(at, (_, unit)): (usize, &(&str, Unit))| Change {
        unit: *unit,
        current: value(now, at),
        previous: value(before, at),
    };
    group.figures.iter().enumerate().map(change).collect()
}

fn sum(items: &[&Item<'_>], at: usize, unit: Unit) -> Option<i64> {
    if unit != Unit::Count {
        return None;
    }
    items.iter().try_fold(0i64, |sum, item| {
        Some(sum.saturating_add(item.values.get(at).copied().flatten().unwrap_or(0)))
    })
}
