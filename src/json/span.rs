//! A range of a text.

/// A range of a text, in bytes; [`Span::NONE`] stands for null.
///
/// The text is the lines of a block, followed by the text that the parser decoded from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

impl Span {
    /// The span of null.
    pub const NONE: Span = Span { start: u32::MAX, len: 0 };

    /// Returns whether this is the span of null.
    pub fn is_none(self) -> bool {
        self.start == u32::MAX
    }

    /// Returns the text of the span; `None` for null and for a span outside `text`.
    pub fn slice(self, text: &str) -> Option<&str> {
        text.get(self.start as usize..(self.start as usize).checked_add(self.len as usize)?)
    }
}
