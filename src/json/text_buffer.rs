//! The text that spans refer to.

use super::span::Span;

/// The text of a block while it is being parsed. A [`Span`] refers to `lines` followed by
/// `decoded`.
#[derive(Debug, Default)]
pub struct TextBuffer<'a> {
    /// The lines.
    pub lines: &'a str,
    /// Text that the lines do not contain: decoded strings, derived and masked text.
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

    /// Returns the bytes from an offset to the end of the lines, or of the decoded text.
    #[inline]
    pub(super) fn bytes_from(&self, start: u32) -> &[u8] {
        let start = start as usize;
        let bytes = match start.checked_sub(self.lines.len()) {
            None => self.lines.as_bytes().get(start..),
            Some(start) => self.decoded.as_bytes().get(start..),
        };
        bytes.unwrap_or(&[])
    }

    /// Appends a string to `decoded` and returns its span.
    pub fn push(&mut self, text: &str) -> Span {
        let from = self.decoded.len();
        self.decoded.push_str(text);
        self.decoded_since(from)
    }

    /// Appends a string, if there is one; returns its span, or null.
    pub fn push_optional(&mut self, text: Option<&str>) -> Span {
        text.map_or(Span::NONE, |text| self.push(text))
    }

    /// Returns the span of `decoded` from an offset to its end.
    pub fn decoded_since(&self, from: usize) -> Span {
        Span { start: (self.lines.len() + from) as u32, len: self.decoded.len().saturating_sub(from) as u32 }
    }
}

impl<'a> TextBuffer<'a> {
    /// Creates a buffer of lines.
    pub fn new(lines: &'a str) -> TextBuffer<'a> {
        TextBuffer { lines, decoded: String::new() }
    }

    /// Appends a part of the buffer to `decoded`; nothing for null.
    pub fn copy(&mut self, span: Span) {
        let (start, len) = (span.start as usize, span.len as usize);
        match start.checked_sub(self.lines.len()) {
            _ if span.is_none() => {}
            None => self.decoded.push_str(self.lines.get(start..start + len).unwrap_or("")),
            Some(from) if self.decoded.get(from..from + len).is_some() => {
                self.decoded.extend_from_within(from..from + len);
            }
            Some(_) => {}
        }
    }
}
