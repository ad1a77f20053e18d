//! Writes answers as compact JSON.
//!
//! An answer is an array of five elements: its groups, the comparison (or 0), the notes, the facts,
//! and the means of `retention` (or 0). Strings are indexes into a shared list. Values are integers
//! (in hundredths if the unit in the [`schema`] requires it) or null.
//!
//! | group | encoding |
//! | --- | --- |
//! | single row | `[value, …]` |
//! | list | `[[text, …, value, …, of all rows], hidden rows, [value, …] or 0, total]` |
//! | compared single row | `[previous value, …, change in hundredths of a percent, …]` |
//! | compared list | `[text, …, previous value, …, of all rows]` |
//!
//! The third part of a list contains the sums of its hidden rows.

use std::fmt::{Display, Write as _};

use hashbrown::HashMap;
use serde_json::{Value, json};

use crate::render::text::escape_control;
use crate::render::{column_label, section_label};
use crate::report::Answer;
use crate::report::answer::comparison::ComparedGroup;
use crate::report::answer::rows::Group;
use crate::report::metric::Unit;

/// Returns the name of a report, and its groups with the labels and units of their columns. The
/// name of a report on the previous period begins with `previous_`.
pub(super) fn schema(answer: &dyn Answer, is_previous: bool) -> Value {
    let group = |group: &Group<'_>| {
        let dimensions = group.dimensions.iter().map(|key| json!([key, column_label(group.name, key)]));
        let metrics = group
            .metrics
            .iter()
            .map(|(key, unit)| json!([key, column_label(group.name, key), unit_name(*unit)]));
        json!({
            "name": group.name,
            "label": section_label(group.name),
            "single": group.is_single,
            "dimensions": dimensions.collect::<Vec<Value>>(),
            "metrics": metrics.collect::<Vec<Value>>(),
            "bar": group.bar,
        })
    };
    let prefix = if is_previous { "previous_" } else { "" };
    let name = format!("{prefix}{}", answer.name());
    json!({ "name": name, "groups": answer.groups().iter().map(group).collect::<Vec<Value>>() })
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::Count | Unit::Distinct => "count",
        Unit::Percent => "percent",
        Unit::Ratio => "ratio",
        Unit::Seconds => "seconds",
        Unit::FractionalSeconds => "fractional_seconds",
        Unit::Millis => "ms",
    }
}

/// An answer whose strings have not been replaced by indexes yet.
pub(super) struct EncodedAnswer {
    groups: Vec<EncodedGroup>,
    comparison: Option<Vec<EncodedComparison>>,
    notes: Vec<String>,
    facts: Vec<String>,
    means: Option<Vec<Option<i64>>>,
}

/// A row of strings and values.
type EncodedRow = (Vec<String>, Vec<Option<i64>>);

struct EncodedGroup {
    is_single: bool,
    rows: Vec<EncodedRow>,
    hidden: usize,
    rest: Option<Vec<Option<i64>>>,
    total: Option<u64>,
}

struct EncodedComparison {
    is_single: bool,
    rows: Vec<EncodedRow>,
    /// The changes of a single row in hundredths of a percent.
    percents: Vec<Option<i64>>,
}

impl EncodedAnswer {
    /// Copies the shown rows of an answer. Control characters and bidirectional formatting in
    /// strings are escaped.
    pub fn new(answer: &dyn Answer) -> EncodedAnswer {
        let matrix = answer.matrix();
        let means = matrix.as_ref().and_then(|matrix| {
            let summary = matrix.rows.iter().find(|row| row.is_summary)?;
            Some(summary.cells.iter().map(|cell| cell.map(|cell| cell.value)).collect())
        });
        let facts = answer.facts().into_iter().chain(matrix.map(|matrix| matrix.facts).unwrap_or_default());
        EncodedAnswer {
            groups: answer.groups().iter().map(encode_group).collect(),
            comparison: answer.comparison().map(|all| all.groups.iter().map(encode_comparison).collect()),
            notes: answer.notes().iter().map(|note| escaped(note)).collect(),
            facts: facts.map(|fact| escaped(&fact)).collect(),
            means,
        }
    }

    /// Removes the notes.
    pub fn clear_notes(&mut self) {
        self.notes.clear();
    }

    /// Writes the answer.
    pub fn write(&self, texts: &mut Texts) -> String {
        let mut out = String::from("[[");
        separated(&mut out, &self.groups, |out, group| {
            if group.is_single {
                write_values(out, group.rows.iter().flat_map(|(_, values)| values));
                return;
            }
            out.push('[');
            write_rows(out, &group.rows, texts);
            out.push(',');
            push(out, group.hidden);
            out.push(',');
            match &group.rest {
                Some(rest) => write_values(out, rest),
                None => out.push('0'),
            }
            out.push(',');
            write_value(out, group.total.and_then(|total| i64::try_from(total).ok()));
            out.push(']');
        });
        out.push_str("],");
        match &self.comparison {
            None => out.push('0'),
            Some(groups) => {
                out.push('[');
                separated(&mut out, groups, |out, group| match group.is_single {
                    true => {
                        let previous = group.rows.iter().flat_map(|(_, values)| values);
                        write_values(out, previous.chain(&group.percents));
                    }
                    false => write_rows(out, &group.rows, texts),
                });
                out.push(']');
            }
        }
        for list in [&self.notes, &self.facts] {
            out.push_str(",[");
            separated(&mut out, list, |out, text| push(out, texts.index(text)));
            out.push(']');
        }
        out.push(',');
        match &self.means {
            Some(means) => write_values(&mut out, means),
            None => out.push('0'),
        }
        out.push(']');
        out
    }
}

fn escaped(text: &str) -> String {
    escape_control(text).into_owned()
}

fn encode_group(group: &Group<'_>) -> EncodedGroup {
    let rows = group.shown_rows().iter();
    let rows =
        rows.map(|row| (row.dimensions.iter().map(|name| escaped(name)).collect(), row.metrics.clone()));
    EncodedGroup {
        is_single: group.is_single,
        rows: rows.collect(),
        hidden: group.hidden(),
        rest: group.rest.clone(),
        total: group.total,
    }
}

fn encode_comparison(group: &ComparedGroup) -> EncodedComparison {
    let rows = group.rows.iter().map(|row| {
        let names = row.dimensions.iter().map(|name| escaped(name)).collect();
        (names, row.changes.iter().map(|change| change.previous).collect())
    });
    let percents = group.rows.iter().filter(|_| group.is_single).flat_map(|row| &row.changes);
    EncodedComparison {
        is_single: group.is_single,
        rows: rows.collect(),
        percents: percents.map(|change| change.percent().map(|percent| percent.0)).collect(),
    }
}

fn separated<T>(out: &mut String, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut String, T)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
}

/// Appends a number.
fn push(out: &mut String, number: impl Display) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{number}");
}

fn write_value(out: &mut String, value: Option<i64>) {
    match value {
        Some(value) => push(out, value),
        None => out.push_str("null"),
    }
}

fn write_values<'a>(out: &mut String, values: impl IntoIterator<Item = &'a Option<i64>>) {
    out.push('[');
    separated(out, values, |out, value| write_value(out, *value));
    out.push(']');
}

fn write_rows(out: &mut String, rows: &[EncodedRow], texts: &mut Texts) {
    out.push('[');
    separated(out, rows, |out, (names, values)| {
        separated(out, names, |out, name| push(out, texts.index(name)));
        if !names.is_empty() && !values.is_empty() {
            out.push(',');
        }
        separated(out, values, |out, value| write_value(out, *value));
    });
    out.push(']');
}

/// A list of distinct strings.
#[derive(Default)]
pub(super) struct Texts {
    all: Vec<String>,
    indexes: HashMap<String, usize>,
}

impl Texts {
    /// Returns the index of a string. Adds the string if it is new.
    pub fn index(&mut self, text: &str) -> usize {
        if let Some(index) = self.indexes.get(text) {
            return *index;
        }
        let index = self.all.len();
        self.all.push(text.to_owned());
        self.indexes.insert(text.to_owned(), index);
        index
    }

    /// Returns all strings, in the order of their indexes.
    pub fn into_texts(self) -> Vec<String> {
        self.all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_written_as_nested_arrays() {
        let list = EncodedGroup {
            is_single: false,
            rows: vec![
                (vec!["a".into(), "b".into()], vec![Some(5), None]),
                (vec!["b".into(), "b".into()], vec![Some(-1), Some(2)]),
            ],
            hidden: 3,
            rest: Some(vec![Some(7), None]),
            total: Some(9),
        };
        let single = EncodedGroup {
            is_single: true,
            rows: vec![(Vec::new(), vec![Some(12), None])],
            hidden: 0,
            rest: None,
            total: None,
        };
        let comparison = EncodedComparison {
            is_single: true,
            rows: vec![(Vec::new(), vec![Some(6), None])],
            percents: vec![Some(10_000), None],
        };
        let answer = EncodedAnswer {
            groups: vec![single, list],
            comparison: Some(vec![comparison]),
            notes: vec!["n".into()],
            facts: Vec::new(),
            means: Some(vec![Some(1), None]),
        };
        let mut texts = Texts::default();
        assert_eq!(
            answer.write(&mut texts),
            "[[[12,null],[[0,1,5,null,1,1,-1,2],3,[7,null],9]],[[6,null,10000,null]],[2],[],[1,null]]"
        );
        assert_eq!(texts.into_texts(), ["a", "b", "n"]);
    }
}
