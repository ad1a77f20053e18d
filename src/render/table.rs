//! A layout on a terminal: aligned, with bars, as wide as asked and no wider.

use super::Style;
use super::layout::{Column, ColumnKind, Layout, RowStyle, Section};
use super::text::{cut, join, width, wrap};

/// Cells between two columns.
const GAP: usize = 2;
/// The least width to which a column of text is cut: one that could be left out instead is worth
/// showing only where more of it is seen.
const LEAST_TEXT: usize = 8;
const LEAST_SPARE_TEXT: usize = 14;
/// The least and the greatest length of a bar.
const BAR: (usize, usize) = (6, 24);

/// Writes a layout, with a new line at its end.
pub fn write(layout: &Layout, style: &Style) -> String {
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    for text in join(layout.title.iter().map(String::as_str), " · ", style.width) {
        line(&style.bold(&text));
    }
    for fact in &layout.facts {
        for text in wrap(fact, style.width) {
            line(&style.faint(&text));
        }
    }
    for part in &layout.sections {
        line("");
        if let Some(heading) = &part.heading {
            line(&style.bold(&cut(heading, style.width)));
        }
        for text in lay_out(part, style) {
            line(&text);
        }
    }
    out
}

fn lay_out(part: &Section, style: &Style) -> Vec<String> {
    if part.rows.is_empty() {
        return vec![style.faint("nothing")];
    }
    let fit = Fit::of(part, style.width);
    let mut lines = Vec::with_capacity(part.rows.len() + 3);
    if !part.hide_header {
        let titles: Vec<&str> = part.columns.iter().map(|column| column.title.as_str()).collect();
        lines.push(style.faint(&fit.line(&part.columns, &titles)));
        lines.push(style.faint(&"─".repeat(fit.ruled(&part.columns))));
    }
    for row in &part.rows {
        let cells: Vec<&str> = row.cells.iter().map(String::as_str).collect();
        let text = fit.line(&part.columns, &cells);
        lines.push(match row.style {
            RowStyle::Plain => text,
            RowStyle::Faint => style.faint(&text),
            RowStyle::Strong => style.bold(&text),
        });
    }
    if !fit.left_out.is_empty() {
        let names = fit.left_out.join(", ");
        let fact = format!("(no room for {names}: a wider terminal or another --format shows it)");
        lines.extend(wrap(&fact, style.width).iter().map(|text| style.faint(text)));
    }
    lines
}

/// The widths that columns get; 0 for those that are left out.
struct Fit {
    widths: Vec<usize>,
    left_out: Vec<String>,
}

/// Returns the names of some columns in order, each once.
fn names(columns: &[Column], chosen: &[bool]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (column, _) in columns.iter().zip(chosen).filter(|(_, chosen)| **chosen) {
        let name = column.full.as_ref().unwrap_or(&column.title);
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

impl Fit {
    fn of(part: &Section, room: usize) -> Fit {
        let natural: Vec<usize> = part
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                if column.kind == ColumnKind::Bar {
                    return BAR.0;
                }
                let cells = part.rows.iter().filter_map(|row| row.cells.get(at));
                let title = if part.hide_header { 0 } else { width(&column.title) };
                cells.map(|cell| width(cell)).max().unwrap_or(0).max(title).max(1)
            })
            .collect();
        let mut kept: Vec<bool> = part
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                // A column in which nothing stands is no loss.
                column.kind != ColumnKind::Text
                    || column.drop_priority == 0
                    || part.rows.iter().any(|row| row.cells.get(at).is_some_and(|cell| !cell.is_empty()))
            })
            .collect();
        let mut left_out = vec![false; part.columns.len()];
        loop {
            let least: usize = sum(&part.columns, &natural, &kept, |column, width| match column.kind {
                ColumnKind::Text if column.drop_priority > 0 => width.min(LEAST_SPARE_TEXT),
                ColumnKind::Text => width.min(LEAST_TEXT),
                _ => width,
            });
            let drop_priority =
                |(at, column): (usize, &Column)| kept.get(at).copied()?.then_some(column.drop_priority);
            let most = part.columns.iter().enumerate().filter_map(drop_priority).max().unwrap_or(0);
            if least <= room || most == 0 {
                break;
            }
            for ((column, kept), left_out) in part.columns.iter().zip(&mut kept).zip(&mut left_out) {
                if *kept && column.drop_priority == most {
                    *kept = false;
                    *left_out = column.kind != ColumnKind::Bar;
                }
            }
        }
        let mut fit = Fit { widths: zeroed(&natural, &kept), left_out: names(&part.columns, &left_out) };
        fit.shrink(&part.columns, room);
        fit.stretch_bar(&part.columns, room);
        fit
    }

    fn total(&self) -> usize {
        let kept = self.widths.iter().filter(|width| **width > 0);
        let columns = kept.clone().count();
        kept.sum::<usize>() + GAP * columns.saturating_sub(1)
    }

    /// Takes from the widest column of text until all fits; from the first one, which names the
    /// row, only when the others have little left to give.
    fn shrink(&mut self, columns: &[Column], room: usize) {
        let texts: Vec<usize> = columns
            .iter()
            .enumerate()
            .filter(|(_, column)| column.kind == ColumnKind::Text)
            .map(|(at, _)| at)
            .collect();
        while self.total() > room {
            let width = |at: &&usize| self.widths.get(**at).copied().unwrap_or(0);
            let others = texts.iter().skip(1).filter(|at| width(at) > LEAST_SPARE_TEXT).max_by_key(width);
            let widest = || texts.iter().filter(|at| width(at) > LEAST_TEXT).max_by_key(width);
            let Some(at) = others.or_else(widest) else { break };
            if let Some(width) = self.widths.get_mut(*at) {
                *width -= 1;
            }
        }
    }

    fn stretch_bar(&mut self, columns: &[Column], room: usize) {
        let drop_priority = room.saturating_sub(self.total());
        for (column, width) in columns.iter().zip(&mut self.widths) {
            if column.kind == ColumnKind::Bar && *width > 0 {
                *width = (*width + drop_priority).min(BAR.1);
            }
        }
    }

    fn ruled(&self, columns: &[Column]) -> usize {
        let bars = columns.iter().zip(&self.widths).filter(|(column, _)| column.kind == ColumnKind::Bar);
        let bars: usize = bars.map(|(_, width)| if *width > 0 { width + GAP } else { 0 }).sum();
        self.total().saturating_sub(bars)
    }

    fn line(&self, columns: &[Column], cells: &[&str]) -> String {
        let mut line = String::new();
        for ((column, width_of), cell) in columns.iter().zip(&self.widths).zip(cells) {
            if *width_of == 0 {
                continue;
            }
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            match column.kind {
                ColumnKind::Bar => line.push_str(&bar(cell.parse().unwrap_or(0), *width_of)),
                ColumnKind::Text | ColumnKind::Time => {
                    let cell = cut(cell, *width_of);
                    line.push_str(&cell);
                    line.push_str(&" ".repeat(width_of.saturating_sub(width(&cell))));
                }
                ColumnKind::Number => {
                    line.push_str(&" ".repeat(width_of.saturating_sub(width(cell))));
                    line.push_str(cell);
                }
            }
        }
        line
    }
}

fn zeroed(widths: &[usize], kept: &[bool]) -> Vec<usize> {
    widths.iter().zip(kept).map(|(width, kept)| if *kept { *width } else { 0 }).collect()
}

fn sum(columns: &[Column], widths: &[usize], kept: &[bool], of: impl Fn(&Column, usize) -> usize) -> usize {
    let all = columns.iter().zip(widths).zip(kept).filter(|(_, kept)| **kept);
    let count = all.clone().count();
    all.map(|((column, width), _)| of(column, *width)).sum::<usize>() + GAP * count.saturating_sub(1)
}

/// Draws a bar of so many thousandths of a length, in eighths of a cell; what is there at all is
/// seen.
fn bar(thousandths: usize, length: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (thousandths.min(1000) * length * 8).div_ceil(1000);
    let mut text = "█".repeat(eighths / 8);
    text.push_str(EIGHTHS.get(eighths % 8).copied().unwrap_or(""));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
