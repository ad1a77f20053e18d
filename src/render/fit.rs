//! Fits the columns of a section into a width: which columns are shown, and how wide they are.

use super::layout::{Column, ColumnKind, Section};
use super::text::display_width;

/// The gap between two columns, in terminal cells.
pub(super) const GAP: usize = 2;
/// The minimum width of a text column.
const MIN_TEXT: usize = 8;
/// The minimum width of a text column that may be dropped. A narrower column shows too little text
/// to be useful.
const MIN_DROPPABLE_TEXT: usize = 14;
const MIN_BAR: usize = 6;
const MAX_BAR: usize = 24;

/// The columns that are shown, and the names of those that do not fit.
pub(super) struct Fit {
    pub columns: Vec<FittedColumn>,
    pub dropped: Vec<String>,
}

/// A column that is shown.
pub(super) struct FittedColumn {
    /// Index of the column in its section.
    pub index: usize,
    pub kind: ColumnKind,
    /// The width in terminal cells.
    pub width: usize,
    /// The minimum width, as long as other columns can be dropped instead.
    min_width: usize,
    /// The minimum width if no column can be dropped.
    least_width: usize,
    drop_priority: u8,
}

impl Fit {
    /// Fits a section into `width` terminal cells.
    ///
    /// Drops columns, the highest priority first, until the others fit at their minimum widths. If
    /// a wide text column was dropped, restores columns that fit in its place. Then shrinks text
    /// columns, the widest first, and stretches bars into the remaining space.
    pub(super) fn new(section: &Section, width: usize) -> Fit {
        let columns = section.columns.iter().enumerate();
        let mut fit = Fit {
            columns: columns
                .filter_map(|(index, column)| fit_column(section, index, column, width))
                .collect(),
            dropped: Vec::new(),
        };
        let mut dropped: Vec<Vec<FittedColumn>> = Vec::new();
        while fit.total(|column| column.min_width) > width
            && let Some(columns) = fit.drop_columns()
        {
            dropped.push(columns);
        }
        let dropped = fit.restore_columns(dropped, width);
        let mut is_dropped = vec![false; section.columns.len()];
        for column in dropped {
            is_dropped.get_mut(column.index).into_iter().for_each(|is_dropped| *is_dropped = true);
        }
        fit.dropped = dropped_names(&section.columns, &is_dropped);
        fit.shrink_text(width);
        fit.stretch_bars(width);
        fit
    }

    fn total(&self, width: impl Fn(&FittedColumn) -> usize) -> usize {
        let gaps = GAP * self.columns.len().saturating_sub(1);
        self.columns.iter().map(width).sum::<usize>() + gaps
    }

    /// Drops the columns with the highest priority, and returns them; `None` if no column can be
    /// dropped.
    fn drop_columns(&mut self) -> Option<Vec<FittedColumn>> {
        let highest = self.columns.iter().map(|column| column.drop_priority).max().filter(|p| *p > 0)?;
        Some(self.columns.extract_if(.., |column| column.drop_priority == highest).collect())
    }

    /// Restores dropped columns that fit at their minimum widths, in the reverse order of dropping,
    /// up to the first column of numbers that does not fit. Numbers can be a sequence, such as the
    /// weeks of a cohort, which must have no gap. Returns the columns that are not restored.
    fn restore_columns(&mut self, mut dropped: Vec<Vec<FittedColumn>>, width: usize) -> Vec<FittedColumn> {
        let mut not_restored = Vec::new();
        while let Some(columns) = dropped.pop() {
            let gaps = GAP * columns.len();
            let added = columns.iter().map(|column| column.min_width).sum::<usize>() + gaps;
            if self.total(|column| column.min_width) + added <= width {
                self.columns.extend(columns);
                self.columns.sort_by_key(|column| column.index);
                continue;
            }
            let is_text = columns.iter().all(|column| column.kind.is_text());
            not_restored.extend(columns);
            if !is_text {
                break;
            }
        }
        not_restored.extend(dropped.into_iter().flatten());
        not_restored
    }

    /// Shrinks text columns. The first one names the row, so the other columns shrink before it.
    fn shrink_text(&mut self, width: usize) {
        let excess = self.total(|column| column.width).saturating_sub(width);
        let is_text = |column: &&mut FittedColumn| column.kind.is_text();
        let mut texts: Vec<&mut FittedColumn> = self.columns.iter_mut().filter(is_text).collect();
        for _ in 0..excess {
            let index = widest(&texts, 1, |column| column.min_width.max(MIN_DROPPABLE_TEXT))
                .or_else(|| widest(&texts, 0, |column| column.min_width.max(MIN_TEXT)))
                .or_else(|| widest(&texts, 0, |column| column.least_width))
                .or_else(|| widest(&texts, 0, |_| MIN_TEXT));
            let Some(column) = index.and_then(|index| texts.get_mut(index)) else { break };
            column.width -= 1;
        }
    }

    fn stretch_bars(&mut self, width: usize) {
        let rest = width.saturating_sub(self.total(|column| column.width));
        for column in self.columns.iter_mut().filter(|column| column.kind == ColumnKind::Bar) {
            column.width = column.width.saturating_add(rest).min(MAX_BAR);
        }
    }
}

/// Returns the names of the dropped columns without duplicates. A bar only repeats a number, so it
/// is not listed.
fn dropped_names(columns: &[Column], is_dropped: &[bool]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (column, _) in columns.iter().zip(is_dropped).filter(|(_, is_dropped)| **is_dropped) {
        let name = column.dropped_name.as_ref().unwrap_or(&column.title);
        if column.kind != ColumnKind::Bar && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Returns a column at its full width; `None` for a droppable text column without any text, unless
/// the width of the table is unlimited.
fn fit_column(section: &Section, index: usize, column: &Column, width: usize) -> Option<FittedColumn> {
    let droppable = column.drop_priority > 0;
    let title = if section.hide_header { 0 } else { display_width(&column.title) };
    let cells = section.rows.iter().filter_map(|row| row.cells.get(index));
    let widest_cell = cells.map(|cell| cell.width()).max().unwrap_or(0);
    if column.kind.is_text() && droppable && widest_cell == 0 && width < usize::MAX {
        return None;
    }
    let width = if column.kind == ColumnKind::Bar { MIN_BAR } else { widest_cell.max(title).max(1) };
    let cells = section.rows.iter().filter_map(|row| row.cells.get(index));
    let least_width = match (column.kind.is_text(), droppable) {
        (true, _) if column.kind == ColumnKind::Id => {
            cells.map(|cell| cell.min_width(column.kept_width)).max().unwrap_or(0).max(title).max(1)
        }
        (false, _) => width,
        (true, false) => width.min(MIN_TEXT),
        (true, true) => width.min(MIN_DROPPABLE_TEXT),
    };
    // An id can be shown by its first characters.
    let kept_width = if column.kind == ColumnKind::Id { 0 } else { column.kept_width };
    let min_width = least_width.max(width.min(kept_width));
    let (kind, drop_priority) = (column.kind, column.drop_priority);
    Some(FittedColumn { index, kind, width, min_width, least_width, drop_priority })
}

/// Returns the index of the widest column, from `start` on, that is wider than its minimum.
fn widest(
    columns: &[&mut FittedColumn],
    start: usize,
    min: impl Fn(&FittedColumn) -> usize,
) -> Option<usize> {
    let is_wide = |column: &FittedColumn| column.width > min(column);
    let wide = columns.iter().enumerate().skip(start).filter(|(_, column)| is_wide(column));
    wide.max_by_key(|(_, column)| column.width).map(|(index, _)| index)
}
