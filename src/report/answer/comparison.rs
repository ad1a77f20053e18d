//! Compares an answer with the answer for the previous period.
//!
//! Rows of both answers are matched by their dimensions. A comparison lists the rows that the
//! current answer shows, then the rows that the previous answer shows and the current one lacks.
//! The rest is the sum of all other rows of both periods.

use hashbrown::HashMap;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::Answer;
use super::rows::{Group, GroupRow};
use crate::decimal::{Hundredths, round_half_up};
use crate::report::metric::{Metric, Unit};
use crate::report::query::window::Window;

/// A metric in both periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The unit of both values.
    pub unit: Unit,
    /// The value in the window.
    pub current: Option<i64>,
    /// The value in the previous period.
    pub previous: Option<i64>,
}

impl Change {
    /// Returns the difference, in the unit of the metric; for a percentage, in percentage points.
    pub fn difference(self) -> Metric {
        let value = self.current.zip(self.previous).map(|(now, before)| now.saturating_sub(before));
        Metric { unit: self.unit, value }
    }

    /// Returns the difference as a percentage of the previous value; `None` if that is 0 or
    /// unknown.
    pub fn percent(self) -> Option<Hundredths> {
        let (current, previous) = self.current.zip(self.previous)?;
        let (current, previous) = (i128::from(current), i128::from(previous));
        (previous != 0).then(|| Hundredths(round_half_up((current - previous) * 10_000, previous)))
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let metric = |value| Metric { unit: self.unit, value };
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("current", &metric(self.current))?;
        map.serialize_entry("previous", &metric(self.previous))?;
        map.serialize_entry("change", &self.difference())?;
        map.serialize_entry("change_percent", &self.percent())?;
        map.end()
    }
}

/// The periods in which a row occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowStatus {
    /// In both periods.
    Kept,
    /// Only in the window.
    New,
    /// Only in the previous period.
    Gone,
}

/// A row of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedRow {
    /// The values of the dimensions.
    pub dimensions: Vec<String>,
    /// The periods in which the row occurs; `None` if the previous period is unknown.
    pub status: Option<RowStatus>,
    /// The metrics in both periods.
    pub changes: Vec<Change>,
}

/// A group of rows in both periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedGroup {
    /// The group's JSON key.
    pub name: &'static str,
    /// Whether the group is a single row, which is an object in JSON.
    pub is_single: bool,
    /// The JSON keys of the dimensions.
    pub dimensions: &'static [&'static str],
    /// The JSON keys of the metrics, with their units.
    pub metrics: &'static [(&'static str, Unit)],
    /// The shown rows of the window, then the shown rows that only the previous period has.
    pub rows: Vec<ComparedRow>,
    /// The number of other rows in either period, and their totals. Totals of metrics that cannot
    /// be summed are unknown.
    pub rest: Option<(usize, Vec<Change>)>,
}

impl ComparedGroup {
    /// Returns the changes of the metrics of a group that is a single row.
    pub fn single_changes(&self) -> &[Change] {
        self.rows.first().map_or(&[], |row| &row.changes)
    }
}

struct RowInGroup<'a>(&'a ComparedGroup, &'a ComparedRow);

impl Serialize for RowInGroup<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RowInGroup(group, row) = self;
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in group.dimensions.iter().zip(&row.dimensions) {
            map.serialize_entry(key, value)?;
        }
        if !group.is_single {
            map.serialize_entry("status", &row.status)?;
        }
        for ((key, _), change) in group.metrics.iter().zip(&row.changes) {
            map.serialize_entry(key, change)?;
        }
        map.end()
    }
}

impl Serialize for ComparedGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.is_single, self.rows.first()) {
            (true, Some(row)) => RowInGroup(self, row).serialize(serializer),
            _ => serializer.collect_seq(self.rows.iter().map(|row| RowInGroup(self, row))),
        }
    }
}

/// An answer compared with the answer for the previous period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The previous period.
    pub previous: Window,
    /// Whether the window includes today, which is incomplete.
    pub partial: bool,
    /// The figures of the whole report that are in no group; `None` if there are none.
    pub totals: Option<ComparedGroup>,
    /// The groups, in the order of the answer.
    pub groups: Vec<ComparedGroup>,
}

impl Serialize for Comparison {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("period_days", &self.previous.days())?;
        map.serialize_entry("from", &self.previous.from.to_string())?;
        map.serialize_entry("to", &self.previous.to.to_string())?;
        map.serialize_entry("partial", &self.partial)?;
        let totals = self.totals.iter().flat_map(|group| group.metrics.iter().zip(group.single_changes()));
        for ((key, _), change) in totals {
            map.serialize_entry(key, change)?;
        }
        for group in &self.groups {
            map.serialize_entry(group.name, group)?;
        }
        map.end()
    }
}

impl Comparison {
    /// Compares the groups of two answers of the same report. `previous` is `None` if sessions of
    /// the previous period are pruned, which makes its metrics unknown.
    pub(crate) fn new(window: Window, current: &[Group<'_>], previous: Option<&[Group<'_>]>) -> Comparison {
        let groups = match previous {
            Some(previous) => current.iter().zip(previous).map(|(a, b)| compare_groups(a, b)).collect(),
            None => current.iter().map(compare_with_unknown).collect(),
        };
        Comparison { previous: window.previous(), partial: window.is_partial(), totals: None, groups }
    }

    /// Compares the totals and the compared groups of two answers of the same report. `previous` is
    /// `None` if data of the previous period is pruned.
    pub(crate) fn of_answers(
        window: Window,
        current: &dyn Answer,
        previous: Option<&dyn Answer>,
    ) -> Comparison {
        let groups = previous.map(|previous| previous.compared_groups());
        let totals = current.totals().map(|totals| match previous {
            Some(previous) => previous.totals().map(|previous| compare_groups(&totals, &previous)),
            None => Some(compare_with_unknown(&totals)),
        });
        Comparison {
            totals: totals.flatten(),
            ..Comparison::new(window, &current.compared_groups(), groups.as_deref())
        }
    }
}

/// Compares a group with a previous period whose metrics are unknown.
fn compare_with_unknown(current: &Group<'_>) -> ComparedGroup {
    let changes = |values: &[Option<i64>]| -> Vec<Change> {
        let metrics = current.metrics.iter().zip(values);
        metrics.map(|((_, unit), value)| Change { unit: *unit, current: *value, previous: None }).collect()
    };
    let row = |row: &GroupRow<'_>| ComparedRow {
        dimensions: owned(&row.dimensions),
        status: None,
        changes: changes(&row.metrics),
    };
    ComparedGroup {
        name: current.name,
        is_single: current.is_single,
        dimensions: current.dimensions,
        metrics: current.metrics,
        rows: current.shown_rows().iter().map(row).collect(),
        rest: current.rest.as_ref().map(|rest| (current.hidden(), changes(rest))),
    }
}

fn compare_groups(current: &Group<'_>, previous: &Group<'_>) -> ComparedGroup {
    let index = |rows: &[GroupRow<'_>]| -> HashMap<Vec<String>, usize> {
        rows.iter().enumerate().map(|(number, row)| (owned(&row.dimensions), number)).collect()
    };
    let (in_current, in_previous) = (index(&current.all_rows), index(&previous.all_rows));
    let mut rows = Vec::new();
    let mut previous_listed = vec![false; previous.all_rows.len()];
    for row in current.shown_rows() {
        let dimensions = owned(&row.dimensions);
        let number = in_previous.get(&dimensions).copied();
        if let Some(listed) = number.and_then(|number| previous_listed.get_mut(number)) {
            *listed = true;
        }
        let matching = number.and_then(|number| previous.all_rows.get(number));
        let status = Some(if matching.is_some() { RowStatus::Kept } else { RowStatus::New });
        rows.push(ComparedRow { dimensions, status, changes: changes(current, Some(row), matching) });
    }
    for (row, listed) in previous.shown_rows().iter().zip(&mut previous_listed) {
        let dimensions = owned(&row.dimensions);
        if !*listed && !in_current.contains_key(&dimensions) {
            *listed = true;
            let status = Some(RowStatus::Gone);
            rows.push(ComparedRow { dimensions, status, changes: changes(current, None, Some(row)) });
        }
    }
    let current_rest: Vec<&GroupRow<'_>> = current.all_rows.iter().skip(current.shown_rows().len()).collect();
    let previous_rest: Vec<&GroupRow<'_>> = previous
        .all_rows
        .iter()
        .zip(&previous_listed)
        .filter(|(_, listed)| !**listed)
        .map(|(row, _)| row)
        .collect();
    let mut others: Vec<&Vec<&str>> =
        current_rest.iter().chain(&previous_rest).map(|row| &row.dimensions).collect();
    others.sort();
    others.dedup();
    let rest = (!others.is_empty()).then(|| {
        let sums = current.metrics.iter().enumerate().map(|(index, (_, unit))| Change {
            unit: *unit,
            current: sum(&current_rest, index, *unit),
            previous: sum(&previous_rest, index, *unit),
        });
        (others.len(), sums.collect())
    });
    ComparedGroup {
        name: current.name,
        is_single: current.is_single,
        dimensions: current.dimensions,
        metrics: current.metrics,
        rows,
        rest,
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Returns the changes of a row. If a period lacks the row, its metrics for that period are 0.
fn changes(
    group: &Group<'_>,
    current: Option<&GroupRow<'_>>,
    previous: Option<&GroupRow<'_>>,
) -> Vec<Change> {
    let value = |row: Option<&GroupRow<'_>>, index: usize| match row {
        Some(row) => row.metrics.get(index).copied().flatten(),
        None => Some(0),
    };
    let change = |(index, (_, unit)): (usize, &(&str, Unit))| Change {
        unit: *unit,
        current: value(current, index),
        previous: value(previous, index),
    };
    group.metrics.iter().enumerate().map(change).collect()
}

/// Sums a metric over rows; `None` if values of its unit cannot be summed.
fn sum(rows: &[&GroupRow<'_>], index: usize, unit: Unit) -> Option<i64> {
    if unit != Unit::Count {
        return None;
    }
    let values = rows.iter().map(|row| row.metrics.get(index).copied().flatten().unwrap_or(0));
    Some(values.fold(0i64, i64::saturating_add))
}
