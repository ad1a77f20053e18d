//! A matrix of one metric, which tables draw with shading.

use crate::report::metric::Unit;

/// Rows and columns of one metric.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The titles of the columns that name a row.
    pub names: Vec<&'static str>,
    /// The titles of the columns with values.
    pub columns: Vec<String>,
    /// The noun before a title in the list of dropped columns, such as `week`; empty if the titles
    /// need none.
    pub column_noun: &'static str,
    /// The rows.
    pub rows: Vec<MatrixRow>,
    /// The unit of the metric.
    pub unit: Unit,
    /// Whether the values are changes, which have a sign and no shading.
    pub is_change: bool,
    /// Facts for the lines below the title.
    pub facts: Vec<String>,
}

/// A row of a matrix.
#[derive(Clone, Debug)]
pub struct MatrixRow {
    /// The labels that name the row.
    pub names: Vec<String>,
    /// The cells; `None` where the metric is undefined.
    pub cells: Vec<Option<MatrixCell>>,
    /// Whether the row summarizes the others. Its cells have no shading.
    pub is_summary: bool,
}

/// A cell of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixCell {
    /// The value, in hundredths for some units: see [`Unit::in_hundredths`].
    pub value: i64,
    /// Whether the period of the cell is over.
    pub is_complete: bool,
}

impl Matrix {
    /// Returns the greatest value in rows that are not summaries; 0 if there is none.
    pub fn max(&self) -> i64 {
        let rows = self.rows.iter().filter(|row| !row.is_summary);
        rows.flat_map(|row| row.cells.iter().flatten()).map(|cell| cell.value).max().unwrap_or(0)
    }
}
