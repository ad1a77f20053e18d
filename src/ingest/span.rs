//! Pieces of the text of a block that is being parsed.

use crate::event::{Row, Text};

/// A piece of the text; [`Span::NONE`] is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset in bytes: into the lines, or, past their end, into the decoded text.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// No text: null.
    pub const NONE: Span = Span { start: u32::MAX, len: 0 };

    /// Tells whether there is no text.
    pub fn is_none(self) -> bool {
        self.start == u32::MAX
    }
}

/// A row that is being made: its texts stand where the line, or what was derived from it, has them.
pub type Draft = Row<Span>;

/// Puts a text into a row.
#[inline]
pub fn set(row: &mut Draft, column: Text, span: Span) {
    if let Some(slot) = row.text.get_mut(column as usize) {
        *slot = span;
    }
}

/// Returns a text of a row.
#[inline]
pub fn get(row: &Draft, column: Text) -> Span {
    row.text.get(column as usize).copied().unwrap_or(Span::NONE)
}
