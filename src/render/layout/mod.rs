//! Layouts: answers as sections of columns and rows, ready to be drawn as text or Markdown.
//!
//! - [`answer`] lays out reports, and [`comparison`] reports with a previous period;
//! - [`sessions`] lays out pages of sessions, and events.

pub(super) mod answer;
mod comparison;
pub(super) mod sessions;

use super::text::display_width;

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
    /// Whether the header is hidden, because the first column labels the rows.
    pub hide_header: bool,
}

impl Section {
    /// Creates a section without rows.
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Section {
        Section { columns: columns.into_iter().collect(), ..Section::default() }
    }

    /// Adds a row of texts, one per column.
    pub(crate) fn push<T: Into<String>>(&mut self, texts: impl IntoIterator<Item = T>) {
        self.rows.push(Row::plain(texts));
    }
}

/// A column of a section.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub title: String,
    pub kind: ColumnKind,
    /// The column with the highest priority is dropped first if space is short; 0 is never dropped.
    pub drop_priority: u8,
    /// The name of the dropped column, if the title alone is not clear.
    pub dropped_name: Option<String>,
}

impl Column {
    fn new(title: &str, kind: ColumnKind) -> Column {
        Column { title: title.to_owned(), kind, drop_priority: 0, dropped_name: None }
    }

    /// Creates a text column. Long texts are truncated.
    pub(crate) fn text(title: &str) -> Column {
        Column::new(title, ColumnKind::Text)
    }

    /// Creates a text column in which long texts wrap.
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

    /// Sets the priority with which the column is dropped.
    pub(crate) fn drop_priority(mut self, priority: u8) -> Column {
        self.drop_priority = priority;
        self
    }
}

/// The kind of a column's cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    /// Text, left-aligned; truncated if space is short.
    Text,
    /// Text, left-aligned; wrapped if space is short.
    WrappedText,
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
        matches!(self, ColumnKind::Text | ColumnKind::WrappedText)
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
    /// Creates a row of texts.
    pub(crate) fn plain<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Row {
        let cells = texts.into_iter().map(|text| Cell::Text(text.into())).collect();
        Row { cells, style: RowStyle::Plain }
    }
}

/// A cell of a row.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    /// A text without control characters.
    Text(String),
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
            Cell::Text(text) => display_width(text),
            Cell::Bar { .. } => 0,
        }
    }
}

/// The emphasis of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowStyle {
    /// An ordinary row.
    Plain,
    /// A row that matters less: the sum of the other rows, or a row of the previous period only.
    Faint,
    /// A new row.
    Strong,
}
