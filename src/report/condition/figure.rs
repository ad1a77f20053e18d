//! Finds the figure that a condition names among the figures of answers.

use super::Part;
use crate::error::{Error, Result};
use crate::report::answer::Answer;
use crate::report::answer::comparison::Change;
use crate::report::metric::{Metric, Unit};
use crate::suggest::nearest;

/// A figure of an answer.
pub(super) struct Figure<'a> {
    answer: &'a dyn Answer,
    group: &'static str,
    /// The row; `None` for a group of a single row.
    row: Option<RowName>,
    metric: &'static str,
    unit: Unit,
    value: Option<i64>,
    /// The name as the user wrote it.
    name: String,
}

/// The name of a row, and its number in the list.
struct RowName {
    text: String,
    number: Option<usize>,
}

impl<'a> Figure<'a> {
    /// Finds the figure that a path names: a metric, after the name of its row if it has one. The
    /// name of the report, of the group or both must precede it if it would be ambiguous without
    /// them.
    ///
    /// # Errors
    /// Returns a usage error that suggests the nearest figure, or names the reports that have it.
    pub fn find(answers: &[&'a dyn Answer], path: &[String]) -> Result<Figure<'a>> {
        let all = all(answers, path);
        let mut found: Vec<Figure<'a>> = all.into_iter().filter(|figure| figure.has_path(path)).collect();
        // If a report and one of its groups have the same name, the name means the group.
        if let [group, _] = path
            && found.iter().any(|figure| figure.group == group)
        {
            found.retain(|figure| figure.group == group);
        }
        if let [_, _, ..] = found.as_slice() {
            let names: Vec<String> = found.iter().map(|figure| figure.full_name(answers.len() > 1)).collect();
            return Err(Error::usage(format!("several figures are called {}", path.join(".")))
                .hint(format!("write one of {}", names.join(", "))));
        }
        found.pop().ok_or_else(|| unknown(answers, path))
    }

    fn has_path(&self, path: &[String]) -> bool {
        let (report, group) = (self.answer.name(), self.group);
        // The name of a row can have dots.
        let written = path.join(".");
        let Some(owner) = written.strip_suffix(self.metric).and_then(|rest| match rest {
            "" => Some(""),
            rest => rest.strip_suffix('.'),
        }) else {
            return false;
        };
        let is_group =
            |owner: &str| owner == group || owner == report || owner == format!("{report}.{group}");
        let Some(row) = &self.row else { return owner.is_empty() || is_group(owner) };
        let number = row.number.map(|number| number.to_string());
        let is_row = |name: &str| name == row.text || number.as_deref() == Some(name);
        // A row number is ambiguous without the name of its list.
        let is_alone = owner == row.text && row.number.is_some();
        is_alone
            || owner.rmatch_indices('.').any(|(at, _)| {
                let (before, after) = (owner.get(..at).unwrap_or(""), owner.get(at + 1..).unwrap_or(""));
                is_group(before) && is_row(after)
            })
    }

    /// Returns the full name, which is unique.
    fn full_name(&self, several_reports: bool) -> String {
        let report = self.answer.name();
        let row = self.row.as_ref().map_or(String::new(), |row| format!("{}.", row.text));
        match (several_reports, self.group == report) {
            (true, false) => format!("{report}.{}.{row}{}", self.group, self.metric),
            _ => format!("{}.{row}{}", self.group, self.metric),
        }
    }

    /// Returns the name as the user wrote it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the name of the report.
    pub fn report(&self) -> &'static str {
        self.answer.name()
    }

    /// Returns whether the report is compared with the previous period.
    pub fn is_compared(&self) -> bool {
        self.answer.comparison().is_some()
    }

    /// Returns a part of the figure; `None` if it is unknown.
    pub fn metric(&self, part: Part) -> Option<Metric> {
        if part == Part::Value {
            return self.value.map(|value| Metric { unit: self.unit, value: Some(value) });
        }
        let change = self.change()?;
        match part {
            Part::ChangePercent => {
                change.percent().map(|percent| Metric { unit: Unit::Percent, value: Some(percent.0) })
            }
            _ => Some(change.difference()).filter(|metric| metric.value.is_some()),
        }
    }

    /// Returns the change of the figure; `None` if it is not compared.
    fn change(&self) -> Option<Change> {
        let comparison = self.answer.comparison()?;
        let mut groups = comparison.totals.iter().chain(&comparison.groups);
        let group = groups.find(|group| group.name == self.group && group.is_single == self.row.is_none())?;
        let row = match &self.row {
            None => group.rows.first(),
            Some(name) => group.rows.iter().find(|row| row.dimensions.first() == Some(&name.text)),
        };
        let index = group.metrics.iter().position(|(metric, _)| *metric == self.metric)?;
        row?.changes.get(index).copied()
    }
}

/// Returns all figures: the metrics of groups with a single row, those of the whole report, and
/// those of named rows.
fn all<'a>(answers: &[&'a dyn Answer], path: &[String]) -> Vec<Figure<'a>> {
    let mut figures = Vec::new();
    let name = path.join(".");
    for answer in answers {
        let singles = answer.groups().into_iter().filter(|group| group.is_single);
        for group in singles.chain(answer.totals()) {
            let values = group.all_rows.first().map_or(&[][..], |row| row.metrics.as_slice());
            for (index, (metric, unit)) in group.metrics.iter().enumerate() {
                figures.push(Figure {
                    answer: *answer,
                    group: group.name,
                    row: None,
                    metric,
                    unit: *unit,
                    value: values.get(index).copied().flatten(),
                    name: name.clone(),
                });
            }
        }
        figures.extend(answer.figures().into_iter().map(|figure| Figure {
            answer: *answer,
            group: figure.list,
            row: Some(RowName { text: figure.row, number: figure.number }),
            metric: figure.metric,
            unit: figure.unit,
            value: figure.value,
            name: name.clone(),
        }));
    }
    figures
}

fn unknown(answers: &[&dyn Answer], path: &[String]) -> Error {
    let figures = all(answers, path);
    let name = path.join(".");
    let report = match answers {
        [answer] => format!("the report {}", answer.name()),
        _ => "the report".to_owned(),
    };
    if figures.is_empty() {
        return Error::usage(format!("{report} has no single figures")).hint(
            "use --fail-if with summary, visitors, performance, conversations without --list, funnel, goals, \
             paths, retention, active or all",
        );
    }
    let error = Error::usage(format!("{report} has no figure {name:?}"));
    let metrics: Vec<&str> = figures.iter().map(|figure| figure.metric).collect();
    if let [metric, _] = path
        && metrics.contains(&metric.as_str())
    {
        return error
            .hint("the parts of a figure are change and change_percent, compared with the previous period");
    }
    let last = path.last().map_or("", String::as_str);
    if let Some(near) = nearest(last, metrics.iter().copied()).filter(|near| *near != last) {
        return error.hint(format!("did you mean {near}?"));
    }
    let full_names: Vec<String> = figures.iter().map(|figure| figure.full_name(answers.len() > 1)).collect();
    let of_rows = figures.iter().zip(&full_names).filter(|(figure, _)| figure.row.is_some());
    if let Some(near) = nearest_row(&name, of_rows.map(|(figure, name)| (figure, name.as_str()))) {
        return error.hint(format!("did you mean {near}?"));
    }
    let names: Vec<&str> = figures
        .iter()
        .zip(&full_names)
        .map(|(figure, full)| match metrics.iter().filter(|metric| **metric == figure.metric).count() {
            1 if figure.row.is_none() => figure.metric,
            _ => full,
        })
        .collect();
    error.hint(format!("the figures are {}", names.join(", ")))
}

/// Returns the full name of the row figure that is nearest to a name. The name is compared with
/// each figure with and without the name of its list.
fn nearest_row<'f>(name: &str, figures: impl Iterator<Item = (&'f Figure<'f>, &'f str)>) -> Option<&'f str> {
    let figures: Vec<(String, &str)> = figures
        .flat_map(|(figure, full)| {
            let row = figure.row.as_ref().map_or("", |row| row.text.as_str());
            let short = format!("{row}.{}", figure.metric);
            [(short, full), (format!("{}.{row}.{}", figure.group, figure.metric), full)]
        })
        .collect();
    let near = nearest(name, figures.iter().map(|(written, _)| written.as_str()))?;
    figures.iter().find(|(written, _)| written == near).map(|(_, full)| *full)
}
