//! Pieces of the text of a block that is being parsed.

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
