//! Layouts: answers as sections of columns and rows, to be written as text, Markdown or HTML.
//!
//! - [`answer`] lays out reports, [`comparison`] comparisons with the previous period, and
//!   [`breakdown`] reports for each value of a field;
//! - [`matrix`] lays out a metric by two dimensions, with shading;
//! - [`sessions`] lays out pages of sessions, and events; [`session_view`] lays out one session
//!   with its events.

pub(super) mod answer;
mod breakdown;
mod comparison;
mod matrix;
mod session_view;
pub(super) mod sessions;

use super::text::display_width;
use crate::report::ROW_ID_PREFIX;

/// A table with a title, facts and sections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    /// The parts of the title.
    pub title: Vec<String>,
    /// Sentences below the title.
    pub facts: Vec<String>,
    pub sections: Vec<Section>,
}

/// Columns and rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    /// A heading, if the layout has several sections.
    pub heading: Option<String>,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// Whether the header is hidden because the first column labels the rows.
    pub hide_header: bool,
}

impl Section {
    /// Creates a section without rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Section {
        Section { columns: columns.into_iter().collect(), ..Section::default() }
    }

    /// Adds a row of strings, one per column.
    pub(crate) fn push<T: Into<String>>(&mut self, texts: impl IntoIterator<Item = T>) {
        self.rows.push(Row::plain(texts));
    }
}

/// A column of a section.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub title: String,
    pub kind: ColumnKind,
    /// The column with the highest priority is dropped first if space is limited; a column with
    /// priority 0 is never dropped.
    pub drop_priority: u8,
    /// The name that is listed if the column is dropped; `None` for the title.
    pub dropped_name: Option<String>,
    /// The width that a text column keeps as long as other columns can be dropped instead. A column
    /// of ids always keeps it.
    pub kept_width: usize,
}

impl Column {
    fn new(title: &str, kind: ColumnKind) -> Column {
        let kept_width = if kind == ColumnKind::Id { UUID_WIDTH } else { 0 };
        Column { title: title.to_owned(), kind, drop_priority: 0, dropped_name: None, kept_width }
    }

    /// Creates a text column. Long values are truncated.
    pub(crate) fn text(title: &str) -> Column {
        Column::new(title, ColumnKind::Text)
    }

    /// Creates a column of paths or URLs. Long ones keep their end.
    pub(crate) fn path(title: &str) -> Column {
        Column::new(title, ColumnKind::Path)
    }

    /// Creates a column of ids. They are not truncated, since users copy them.
    pub(crate) fn id(title: &str) -> Column {
        Column::new(title, ColumnKind::Id)
    }

    /// Creates a column of names, which are not truncated.
    pub(crate) fn name(title: &str) -> Column {
        Column::id(title).keep_width(NAME_WIDTH)
    }

    /// Creates a text column in which long values wrap.
    pub(crate) fn wrapped(title: &str) -> Column {
        Column::new(title, ColumnKind::WrappedText)
    }

    /// Creates a column of days or times.
    pub(crate) fn time(title: &str) -> Column {
        Column::new(title, ColumnKind::Time)
    }

    /// Creates a column of numbers.
    pub(crate) fn number(title: &str) -> Column {
        Column::new(title, ColumnKind::Number)
    }

    /// Creates a column of bars, which is dropped first.
    pub(crate) fn bar() -> Column {
        Column::new("", ColumnKind::Bar).drop_priority(u8::MAX)
    }

    /// Sets the width that the column keeps as long as other columns can be dropped instead.
    pub(crate) fn keep_width(mut self, width: usize) -> Column {
        self.kept_width = width;
        self
    }

    /// Sets the drop priority of the column.
    pub(crate) fn drop_priority(mut self, priority: u8) -> Column {
        self.drop_priority = priority;
        self
    }
}

/// The kind of a column's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// Text, left-aligned; truncated if space is limited.
    Text,
    /// Text, left-aligned; wrapped if space is limited.
    WrappedText,
    /// Paths or URLs, left-aligned; shortened at their beginning if space is limited.
    Path,
    /// Ids, left-aligned, at full width; only very long ones wrap.
    Id,
    /// Days or times, left-aligned, at full width.
    Time,
    /// Numbers, right-aligned, at full width.
    Number,
    /// Bars, left-aligned, as long as space permits.
    Bar,
}

impl ColumnKind {
    /// Returns whether the column may be narrower than its cells.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, ColumnKind::Text | ColumnKind::WrappedText | ColumnKind::Path | ColumnKind::Id)
    }
}

/// A row of a section.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// The cells, one per column.
    pub cells: Vec<Cell>,
    pub style: RowStyle,
}

impl Row {
    /// Creates a row of strings.
    pub(crate) fn plain<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Row {
        let cells = texts.into_iter().map(|text| Cell::Text(text.into())).collect();
        Row { cells, style: RowStyle::Plain }
    }
}

/// The width of a UUID. Longer ids wrap if space is limited.
const UUID_WIDTH: usize = 36;
/// A width that fits the names of all standard events. Longer names wrap if space is limited.
const NAME_WIDTH: usize = 24;

/// A cell of a row.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// A string without control characters.
    Text(String),
    /// The id of a stored row. If space is short, its first [`ROW_ID_PREFIX`] characters are shown,
    /// which suffice to find the row.
    RowId(String),
    /// A bar, in thousandths of the longest bar of the section.
    Bar {
        /// The length, from 0 to 1000.
        thousandths: usize,
    },
}

impl Cell {
    /// Returns the width of the text in terminal cells; 0 for a bar, which adapts to its column.
    pub(crate) fn width(&self) -> usize {
        match self {
            Cell::Text(text) | Cell::RowId(text) => display_width(text),
            Cell::Bar { .. } => 0,
        }
    }

    /// Returns the minimum width in a column of ids, which is at most `kept_width`.
    pub(crate) fn min_width(&self, kept_width: usize) -> usize {
        match self {
            Cell::RowId(text) => display_width(text).min(ROW_ID_PREFIX),
            cell => cell.width().min(kept_width),
        }
    }
}

/// The emphasis of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowStyle {
    /// An ordinary row.
    Plain,
    /// A row of less importance: the sum of the other rows, or a row of the previous period only.
    Faint,
    /// A row that is new in a comparison, or a summary row of a matrix.
    Strong,
}
