//! Lays out the figures of a report for each value of a field.

use super::answer::{format_values, heading, name_column, name_columns, name_text, number_columns};
use super::{Cell, Column, Row, RowStyle, Section, matrix};
use crate::render::text::escape_control;
use crate::report::answer::broken_down::{BrokenDown, BrokenDownGroup};
use crate::report::answer::rows::Group;
use crate::time::Zone;

/// Returns the sentence about the fields.
pub(super) fn fact(broken_down: &BrokenDown) -> String {
    let fields: Vec<_> = broken_down.by.iter().map(|name| escape_control(name)).collect();
    let overlap = if broken_down.overlap { "; a session can be in several groups" } else { "" };
    format!("by {}{overlap}", fields.join(" and "))
}

/// Returns a section for each group of the report. A group of a single row has one row per value,
/// and one for the total. A list has all its rows for each value.
pub(super) fn sections(total: &[Group<'_>], broken_down: &BrokenDown, zone: Zone) -> Vec<Section> {
    let titled = total.len() > 1;
    let mut sections = Vec::new();
    for (index, group) in total.iter().enumerate() {
        let by = broken_down.by.iter().map(|name| name_column(column_key(name), &escape_control(name)));
        let mut columns: Vec<Column> = by.collect();
        columns.extend(name_columns(group.name, group.dimensions));
        columns.extend(number_columns(group.name, group.metrics));
        let mut section = Section::new(columns);
        section.heading = heading(group.name, titled);
        for values in &broken_down.groups {
            let groups = values.answer.groups();
            let Some(group) = groups.get(index) else { continue };
            for (number, item) in group.shown_rows().iter().enumerate() {
                // The values are shown only in the first row of a list.
                let shown = |value: &String| match number {
                    0 => escape_control(value).into_owned(),
                    _ => String::new(),
                };
                let names = group.dimensions.iter().zip(&item.dimensions);
                let names = names.map(|(key, name)| name_text(key, name, zone));
                let cells = values.values.iter().map(shown).chain(names);
                section.rows.push(Row::plain(cells.chain(format_values(group.metrics, &item.metrics))));
            }
        }
        if group.is_single {
            section
                .rows
                .extend(group.all_rows.iter().map(|item| total_row(broken_down, group, &item.metrics)));
        }
        sections.push(section);
    }
    sections
}

/// Returns the name of a column without its table: `page_url` for `event.page_url`.
fn column_key(field: &str) -> &str {
    ["event.", "session."].iter().find_map(|prefix| field.strip_prefix(prefix)).unwrap_or(field)
}

/// Returns a section with the matrix of each value.
pub(super) fn matrices(broken_down: &BrokenDown) -> Vec<Section> {
    let section = |group: &BrokenDownGroup| {
        let table = group.answer.matrix()?;
        let mut section = matrix::section(&table);
        let values: Vec<_> = group.values.iter().map(|value| escape_control(value)).collect();
        let legend = matrix::shading(&table).map_or(String::new(), |legend| format!(" · {legend}"));
        section.heading = Some(format!("{}{legend}", values.join(", ")));
        Some(section)
    };
    broken_down.groups.iter().filter_map(section).collect()
}

fn total_row(broken_down: &BrokenDown, group: &Group<'_>, metrics: &[Option<i64>]) -> Row {
    let mut names = vec![String::new(); broken_down.by.len() + group.dimensions.len()];
    names.iter_mut().take(1).for_each(|name| *name = "Total".to_owned());
    let cells = names.into_iter().chain(format_values(group.metrics, metrics)).map(Cell::Text);
    Row { cells: cells.collect(), style: RowStyle::Faint }
}
