//! Lays out a matrix: numbers with shading, which needs no color.

use super::{Cell, Column, Row, RowStyle, Section};
use crate::decimal::round_half_up;
use crate::render::numbers::group_digits;
use crate::render::text::{display_width, escape_control};
use crate::report::answer::matrix::{Matrix, MatrixCell, MatrixRow};
use crate::report::metric::Unit;

/// The shades. Each stands for a quarter of the range from 0 to the greatest value, lowest first;
/// zero has no shade.
const SHADES: [char; 4] = ['░', '▒', '▓', '█'];
/// The mark of a cell whose period has not ended. It replaces the shade.
const INCOMPLETE: char = '~';

/// The text for 0, which is the value of most cells in a store with little traffic.
const ZERO: &str = "·";

/// Returns the facts of a matrix, and the legend of the shades.
pub(super) fn facts(matrix: &Matrix) -> Vec<String> {
    let legend = shading(matrix).map(|legend| format!("shading: {legend}"));
    own_facts(matrix).chain(legend).chain(incomplete(matrix)).collect()
}

/// Returns the facts of matrices by value; each matrix has its own shades. `total` is the matrix of
/// all values.
pub(super) fn facts_by_value(total: &Matrix) -> Vec<String> {
    own_facts(total).chain(incomplete(total)).collect()
}

fn own_facts(matrix: &Matrix) -> impl Iterator<Item = String> {
    matrix.facts.iter().map(|fact| escape_control(fact).into_owned())
}

/// Returns the legend of the shades; `None` if all cells are 0.
pub(super) fn shading(matrix: &Matrix) -> Option<String> {
    let max = matrix.max();
    (max > 0).then(|| legend(matrix.unit, max))
}

/// Returns the legend of incomplete cells, if there are any.
fn incomplete(matrix: &Matrix) -> Option<String> {
    let mut cells = matrix.rows.iter().flat_map(|row| row.cells.iter().flatten());
    let is_incomplete = cells.any(|cell| !cell.is_complete);
    is_incomplete.then(|| format!("{INCOMPLETE} the period is not over and is left out of the mean"))
}

/// Returns the range of values of each shade, such as `░ 1–25 ▒ 26–50`.
fn legend(unit: Unit, max: i64) -> String {
    let mut ranges = Vec::new();
    let mut low = 1;
    for (shade, level) in SHADES.into_iter().zip(1i64..) {
        // The greatest value with this shade.
        let high = i64::try_from(i128::from(max) * i128::from(level) / 4).unwrap_or(max);
        if low > high {
            continue;
        }
        ranges.push(match unit {
            Unit::Percent => format!("{shade} up to {}%", number(unit, high)),
            _ if low == high => format!("{shade} {}", number(unit, high)),
            _ => format!("{shade} {}–{}", number(unit, low), number(unit, high)),
        });
        low = high + 1;
    }
    ranges.join("  ")
}

/// Lays out the rows. The last columns are dropped first if space is limited.
pub(super) fn section(matrix: &Matrix) -> Section {
    // The first name is a time, the others are numbers.
    let name = |(index, title): (usize, &&'static str)| match index {
        0 => Column::time(title),
        _ => Column::number(title),
    };
    let mut section = Section::new(matrix.names.iter().enumerate().map(name));
    let max = matrix.max();
    // Only heatmaps have counts. Their seven columns leave space for wide shades.
    let texts = matrix.rows.iter().flat_map(|row| row.cells.iter().flatten());
    let widest = texts.map(|cell| number(matrix.unit, cell.value).len()).max().unwrap_or(0);
    let shade_width = match (matrix.unit, widest) {
        (Unit::Count, ..4) => 3,
        (Unit::Count, 4..6) => 2,
        _ => 1,
    };
    let mut columns: Vec<Vec<String>> = Vec::new();
    for (index, title) in matrix.columns.iter().enumerate() {
        let priority = u8::try_from(index + 1).unwrap_or(u8::MAX - 1);
        let mut column = Column::number(title).drop_priority(priority);
        if !matrix.column_noun.is_empty() {
            column.dropped_name = Some(format!("{} {title}", matrix.column_noun));
        }
        section.columns.push(column);
        let numbers: Vec<String> = matrix.rows.iter().map(|row| cell_number(matrix, row, index)).collect();
        let width = numbers.iter().map(|number| display_width(number)).max().unwrap_or(0);
        let text = |(row, number): (&MatrixRow, &String)| {
            let is_shaded = !row.is_summary && !matrix.is_change;
            let cell = row.cells.get(index).copied().flatten().filter(|_| is_shaded);
            let shade = cell.and_then(|cell| shade(cell, max));
            match shade {
                Some(shade) => {
                    let gap = if shade_width > 1 { " " } else { "" };
                    let padding = " ".repeat(width.saturating_sub(display_width(number)));
                    format!("{}{gap}{padding}{number}", shade.to_string().repeat(shade_width))
                }
                None => number.clone(),
            }
        };
        columns.push(matrix.rows.iter().zip(&numbers).map(text).collect());
    }
    for (index, row) in matrix.rows.iter().enumerate() {
        let cells = columns.iter().map(|column| column.get(index).cloned().unwrap_or_default());
        let cells = row.names.iter().cloned().chain(cells).map(Cell::Text).collect();
        let style = if row.is_summary { RowStyle::Strong } else { RowStyle::Plain };
        section.rows.push(Row { cells, style });
    }
    section
}

/// Returns the number of a cell as text; empty if the metric is undefined.
fn cell_number(matrix: &Matrix, row: &MatrixRow, column: usize) -> String {
    let cell = row.cells.get(column).copied().flatten();
    let sign = |value: i64| if matrix.is_change && value > 0 { "+" } else { "" };
    cell.map_or(String::new(), |cell| format!("{}{}", sign(cell.value), number(matrix.unit, cell.value)))
}

/// Returns the mark of an incomplete cell, or the shade of a complete one; `None` for a complete
/// zero.
fn shade(cell: MatrixCell, max: i64) -> Option<char> {
    if !cell.is_complete {
        return Some(INCOMPLETE);
    }
    // The lowest shade whose greatest value is not less than this value.
    let is_in = |level: i64| i128::from(cell.value) * 4 <= i128::from(max) * i128::from(level);
    let level = SHADES.into_iter().zip(1i64..).find(|(_, level)| is_in(*level));
    level.map(|(shade, _)| shade).filter(|_| cell.value > 0)
}

/// Formats a value: a percentage as a whole number without `%`.
fn number(unit: Unit, value: i64) -> String {
    match unit {
        Unit::Percent => match round_half_up(i128::from(value), 100) {
            0 if value > 0 => "<1".to_owned(),
            percent => percent.to_string(),
        },
        _ if value == 0 => ZERO.to_owned(),
        _ => group_digits(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shades(values: &[i64], max: i64) -> String {
        let shade = |value: &i64| shade(MatrixCell { value: *value, is_complete: true }, max).unwrap_or(' ');
        values.iter().map(shade).collect()
    }

    #[test]
    fn shade_is_the_quarter_of_the_greatest_value() {
        assert_eq!(shades(&[0, 1, 25, 26, 50, 51, 75, 76, 100], 100), " ░░▒▒▓▓██");
        assert_eq!((shades(&[0, 1, 2, 3], 3).as_str(), shades(&[0, 0], 0).as_str()), (" ▒▓█", "  "));
        assert_eq!(shade(MatrixCell { value: 7, is_complete: false }, 9), Some('~'));
    }

    #[test]
    fn legend_has_the_values_of_each_shade() {
        assert_eq!(legend(Unit::Count, 100), "░ 1–25  ▒ 26–50  ▓ 51–75  █ 76–100");
        // If the greatest value is 3, no count is in the lowest quarter.
        assert_eq!(legend(Unit::Count, 3), "▒ 1  ▓ 2  █ 3");
        assert_eq!(legend(Unit::Count, 1), "█ 1");
        assert_eq!(legend(Unit::Percent, 4_000), "░ up to 10%  ▒ up to 20%  ▓ up to 30%  █ up to 40%");
    }

    #[test]
    fn small_percentage_is_not_shown_as_zero() {
        let text = |value| number(Unit::Percent, value);
        assert_eq!(
            (text(0), text(1), text(49), text(50), text(1_250)),
            ("0".into(), "<1".into(), "<1".into(), "1".into(), "13".into())
        );
    }
}
