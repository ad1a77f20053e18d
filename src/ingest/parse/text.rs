//! The texts of a block: the buffer that spans refer to, and the interner of the texts of its rows.

use std::collections::HashMap;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::{TextId, TextPool};
use crate::json::Span;

/// The text of a block while it is being parsed. A [`Span`] refers to `lines` followed by
/// `decoded`.
#[derive(Debug)]
pub(super) struct TextBuffer<'a> {
    /// The lines.
    pub lines: &'a str,
    /// Text that is not in the lines as it is: decoded strings, derived and masked text.
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

    /// Appends a text to `decoded` and returns its span.
    pub fn push(&mut self, text: &str) -> Span {
        let from = self.decoded.len();
        self.decoded.push_str(text);
        self.decoded_since(from)
    }

    /// Appends a text, if there is one; returns its span, or null.
    pub fn push_optional(&mut self, text: Option<&str>) -> Span {
        text.map_or(Span::NONE, |text| self.push(text))
    }

    /// Returns the span of `decoded` from an offset to its end.
    pub fn decoded_since(&self, from: usize) -> Span {
        Span { start: (self.lines.len() + from) as u32, len: self.decoded.len().saturating_sub(from) as u32 }
    }
}

/// Length in bytes from which a text is first looked up by its span. The same long text of an
/// envelope can belong to thousands of events; it must not be hashed for each of them.
const LONG: u32 = 256;

/// The texts of the rows of a block, each stored once.
///
/// Event names, user agents, IP addresses and ids repeat from row to row. Two rows of a block have
/// the same text in a column exactly if they have the same [`TextId`].
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// The texts.
    pub texts: TextPool,
    /// The texts by hash.
    table: HashTable<(u64, TextId)>,
    /// The long texts by span.
    long: HashMap<Span, TextId>,
}

impl Interner {
    /// Removes all texts; keeps the memory.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.table.clear();
        self.long.clear();
    }

    /// Interns the text of a span and returns its id.
    #[inline]
    pub fn intern_span(&mut self, buffer: &TextBuffer<'_>, span: Span) -> TextId {
        let Some(text) = buffer.get(span) else { return TextId::NONE };
        if span.len < LONG {
            return self.intern(text);
        }
        if let Some(id) = self.long.get(&span) {
            return *id;
        }
        let id = self.intern(text);
        self.long.insert(span, id);
        id
    }

    /// Interns a text, if there is one; returns its id, or null.
    pub fn intern_optional(&mut self, text: Option<&str>) -> TextId {
        text.map_or(TextId::NONE, |text| self.intern(text))
    }

    /// Returns an interned text; `None` for null.
    #[inline]
    pub fn get(&self, id: TextId) -> Option<&str> {
        self.texts.get(id)
    }

    /// Interns a text and returns its id.
    #[inline]
    pub fn intern(&mut self, text: &str) -> TextId {
        let hash = xxh3_64(text.as_bytes());
        let texts = &mut self.texts;
        let same = |&(other, id): &(u64, TextId)| other == hash && texts.equals(id, text);
        if let Some((_, id)) = self.table.find(hash, same) {
            return *id;
        }
        // The pool holds 4 GiB; the texts of a block never fill it.
        let Some(id) = texts.push(text) else { return TextId::NONE };
        self.table.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_an_id() {
        let long = "x".repeat(LONG as usize);
        let lines = format!("abcab{long}{long}");
        let buffer = TextBuffer { lines: &lines, decoded: String::new() };
        let span = |start: usize, len: usize| Span { start: start as u32, len: len as u32 };
        let mut interner = Interner::default();
        let ab = interner.intern_span(&buffer, span(0, 2));
        assert_eq!(interner.intern_span(&buffer, span(3, 2)), ab);
        assert_eq!(interner.intern_optional(Some("ab")), ab);
        assert_ne!(interner.intern_span(&buffer, span(0, 3)), ab);
        assert_eq!(
            (interner.intern_span(&buffer, Span::NONE), interner.intern_optional(None)),
            (TextId::NONE, TextId::NONE)
        );
        let long_id = interner.intern_span(&buffer, span(5, long.len()));
        assert_eq!(interner.intern_span(&buffer, span(5, long.len())), long_id);
        assert_eq!(interner.intern_span(&buffer, span(5 + long.len(), long.len())), long_id);
        assert_eq!(interner.texts.as_str(), format!("ababc{long}"));
        assert_eq!((interner.get(ab), interner.get(TextId::NONE)), (Some("ab"), None));

        interner.clear();
        let b = interner.intern_span(&buffer, span(1, 1));
        assert_eq!((interner.get(b), interner.texts.as_str()), (Some("b"), "b"));
    }
}
