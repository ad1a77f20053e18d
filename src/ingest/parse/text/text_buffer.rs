//! The text of a block that is being parsed.

use crate::json::Span;

/// The text of a block while it is being parsed.
#[derive(Debug)]
pub struct TextBuffer<'a> {
    /// The lines.
    pub lines: &'a str,
    /// Text that does not stand in the lines as it is.
    pub decoded: String,
}

impl TextBuffer<'_> {
    /// Returns the text of a span; `None` for null.
    #[inline]
    pub fn get(&self, span: Span) -> Option<&str> {
        if span.is_none() {
            return None;
        }
        let (start, len) = (span.start as usize, span.len as usize);
        match start.checked_sub(self.lines.len()) {
            None => self.lines.get(start..start + len),
            Some(start) => self.decoded.get(start..start + len),
        }
    }

    /// Adds text that does not stand in the lines, and returns its span.
    pub fn add(&mut self, text: &str) -> Span {
        let from = self.decoded.len();
        self.decoded.push_str(text);
        self.since(from)
    }

    /// Returns the span of the decoded text from a position of it on.
    pub fn since(&self, from: usize) -> Span {
        Span { start: (self.lines.len() + from) as u32, len: self.decoded.len().saturating_sub(from) as u32 }
    }

    /// Adds a text that there may be none of.
    pub fn add_some(&mut self, text: Option<&str>) -> Span {
        text.map_or(Span::NONE, |text| self.add(text))
    }
}
