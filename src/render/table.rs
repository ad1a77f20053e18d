//! Draws text tables with comfy-table: reports, lists of events, and the summaries of commands.

use comfy_table::{Attribute, CellAlignment, ColumnConstraint, LineStyle, Table, TableStyle, Width};

use super::Style;
use super::fit::{Fit, FittedColumn, GAP};
use super::layout::{Cell, ColumnKind, Layout, Row, RowStyle, Section};
use super::text::{display_width, join_wrapped, shorten_path, truncate, wrap};
use crate::report::ROW_ID_PREFIX;

/// A rule below the header, and no other lines.
const RULED: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// Returns a layout as text that ends with a newline.
pub(super) fn draw(layout: &Layout, style: &Style) -> String {
    let mut lines: Vec<String> = Vec::new();
    let title = join_wrapped(layout.title.iter().map(String::as_str), " · ", style.width);
    lines.extend(title.iter().map(|line| style.bold(line)));
    let facts = layout.facts.iter().flat_map(|fact| wrap(fact, style.width));
    lines.extend(facts.map(|line| style.faint(&line)));
    for section in &layout.sections {
        lines.push(String::new());
        let heading = section.heading.iter();
        lines.extend(heading.map(|heading| style.bold(&truncate(heading, style.width))));
        lines.extend(section_lines(section, style));
    }
    lines.join("\n") + "\n"
}

/// Returns a section without its heading, as text that ends with a newline.
pub(crate) fn draw_section(section: &Section, style: &Style) -> String {
    section_lines(section, style).join("\n") + "\n"
}

fn section_lines(section: &Section, style: &Style) -> Vec<String> {
    if section.rows.is_empty() {
        return vec![style.faint("no data")];
    }
    let fit = Fit::new(section, style.width);
    let mut lines: Vec<String> =
        table(section, &fit, style).lines().map(|line| line.trim_end().to_owned()).collect();
    if !section.hide_header
        && let Some(rule) = lines.get_mut(1)
    {
        // comfy-table styles cells, but not lines between rows.
        *rule = style.faint(rule);
    }
    if !fit.dropped.is_empty() {
        let note =
            format!("(not shown: {}; use a wider terminal or another --format)", fit.dropped.join(", "));
        lines.extend(wrap(&note, style.width).iter().map(|line| style.faint(line)));
    }
    lines
}

fn table(section: &Section, fit: &Fit, style: &Style) -> Table {
    let mut table = Table::new();
    table.load_style(RULED);
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if !section.hide_header {
        let titles = fit.columns.iter().filter_map(|column| {
            let title = &section.columns.get(column.index)?.title;
            Some(styled(truncate(title, column.width).into_owned(), RowStyle::Faint))
        });
        table.set_header(titles);
    }
    for Row { cells, style } in &section.rows {
        let texts = fit.columns.iter().map(|column| cells.get(column.index).map(|cell| text(cell, column)));
        table.add_row(texts.map(|text| styled(text.unwrap_or_default(), *style)));
    }
    let last = fit.columns.len().saturating_sub(1);
    for (index, (column, fitted)) in table.column_iter_mut().zip(&fit.columns).enumerate() {
        let gap = if index == last { 0 } else { GAP };
        let width = Width::Fixed(u16::try_from(fitted.width + gap).unwrap_or(u16::MAX));
        column.set_padding((0, u16::try_from(gap).unwrap_or(0)));
        column.set_constraint(ColumnConstraint::Absolute(width));
        if fitted.kind == ColumnKind::Number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn styled(text: String, style: RowStyle) -> comfy_table::Cell {
    let cell = comfy_table::Cell::new_owned(text);
    match style {
        RowStyle::Plain => cell,
        RowStyle::Faint => cell.add_attribute(Attribute::Dim),
        RowStyle::Strong => cell.add_attribute(Attribute::Bold),
    }
}

/// Returns the text of a cell. Text is truncated, except in columns that wrap.
fn text(cell: &Cell, column: &FittedColumn) -> String {
    match cell {
        Cell::Text(text) if column.kind == ColumnKind::Text => truncate(text, column.width).into_owned(),
        Cell::Text(text) if column.kind == ColumnKind::Path => shorten_path(text, column.width).into_owned(),
        Cell::RowId(id) if display_width(id) > column.width => id.chars().take(ROW_ID_PREFIX).collect(),
        Cell::Text(text) | Cell::RowId(text) => text.clone(),
        Cell::Bar { thousandths } => bar(*thousandths, column.width),
    }
}

/// Draws a bar in eighths of a terminal cell. Its length is rounded up, so that only zero has no
/// bar.
fn bar(thousandths: usize, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (thousandths.min(1000) * width * 8).div_ceil(1000);
    let mut bar = "█".repeat(eighths / 8);
    bar.push_str(EIGHTHS.get(eighths % 8).copied().unwrap_or(""));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::layout::Column;

    #[test]
    fn bars_are_drawn_in_eighths() {
        assert_eq!(bar(1000, 4), "████");
        assert_eq!(bar(500, 4), "██");
        assert_eq!(bar(0, 4), "");
        assert_eq!(bar(1, 4), "▏");
        // 0.16 of 32 eighths is 5.12, rounded up.
        assert_eq!(bar(160, 4), "▊");
        assert_eq!(bar(9999, 2), "██");
    }

    #[test]
    fn wrapped_column_shows_its_whole_text() {
        let mut section = Section::new([Column::text("key"), Column::wrapped("value")]);
        section.push(["path", "/a/rather/long/path/to a/file"]);
        let table = draw_section(&section, &Style::plain(24));
        assert_eq!(
            table,
            "key   value\n────────────────────────\npath  /a/rather/long/pat\n      h/to a/file\n"
        );
    }

    /// Returns the lines of a table whose second column is too wide for the terminal.
    fn beside_a_wide_column(width: usize, others: [Column; 3]) -> Vec<String> {
        let [first, second, third] = others;
        let wide = Column::text("wide").drop_priority(1);
        let mut section = Section::new([Column::number("n"), wide, first, second, third]);
        section.push(["1", "a text of 20 letters", "22", "333", "4"]);
        draw_section(&section, &Style::plain(width)).lines().map(str::to_owned).collect()
    }

    #[test]
    fn numbers_are_shown_in_place_of_a_wide_text() {
        let numbers =
            || [("a", 2), ("b", 3), ("c", 4)].map(|(name, at)| Column::number(name).drop_priority(at));
        // `n`, `a` and `b` take 1 + 2 + 2 + 2 + 3 cells; `c` takes 3 more.
        let all = beside_a_wide_column(13, numbers());
        assert_eq!(all[..3], ["n   a    b  c", "─────────────", "1  22  333  4"]);
        let some = beside_a_wide_column(12, numbers());
        assert_eq!(some[..3], ["n   a    b", "──────────", "1  22  333"]);
        assert!(some[3].starts_with("(not shown:") && some.concat().contains("wide, c"), "{some:?}");
        // `b` does not fit, so `c` is not shown either, although it would fit.
        let gap = beside_a_wide_column(9, numbers());
        assert_eq!(gap[..3], ["n   a", "─────", "1  22"]);
    }
}
