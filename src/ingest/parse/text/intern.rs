//! The texts of a block's rows, each kept once.
//!
//! Rows of a log say the same things over and over: names of events, addresses, user agents, ids. What
//! is kept of a block is a small part of its lines, and two rows of it say the same in a column exactly
//! where they name the same text.

use std::collections::HashMap;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::text_buffer::TextBuffer;
use crate::event::{TextId, TextPool};
use crate::json::Span;

/// From so many bytes on, a text is first looked up by its place: one long text of an envelope can be
/// that of thousands of events, and is to be hashed once.
const LONG: u32 = 256;

/// TextPool, each once.
#[derive(Debug, Default)]
pub struct Interner {
    /// The texts.
    pub texts: TextPool,
    /// They by their hashes.
    table: HashTable<(u64, TextId)>,
    /// Long texts by their places in the block.
    long: HashMap<Span, TextId>,
}

impl Interner {
    /// Forgets the block before; its memory stays.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.table.clear();
        self.long.clear();
    }

    /// Keeps a text, and returns which of those that are kept it is.
    #[inline]
    pub fn keep(&mut self, pool: &TextBuffer<'_>, span: Span) -> TextId {
        let Some(text) = pool.get(span) else { return TextId::NONE };
        if span.len < LONG {
            return self.text(text);
        }
        if let Some(id) = self.long.get(&span) {
            return *id;
        }
        let id = self.text(text);
        self.long.insert(span, id);
        id
    }

    /// Keeps a text that there may be none of, and returns which of those that are kept it is.
    pub fn some(&mut self, text: Option<&str>) -> TextId {
        text.map_or(TextId::NONE, |text| self.text(text))
    }

    /// Returns a text that is kept; `None` for null.
    #[inline]
    pub fn get(&self, id: TextId) -> Option<&str> {
        self.texts.get(id)
    }

    /// Keeps a text, and returns which of those that are kept it is.
    #[inline]
    pub fn text(&mut self, text: &str) -> TextId {
        let hash = xxh3_64(text.as_bytes());
        let texts = &mut self.texts;
        let same = |&(other, id): &(u64, TextId)| other == hash && texts.is(id, text);
        if let Some((_, id)) = self.table.find(hash, same) {
            return *id;
        }
        // A block of lines is far from having as many bytes as there is room for.
        let Some(id) = texts.push(text) else { return TextId::NONE };
        self.table.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_wherever_it_stands_and_however_long_it_is() {
        let long = "x".repeat(LONG as usize);
        let lines = format!("abcab{long}{long}");
        let pool = TextBuffer { lines: &lines, decoded: String::new() };
        let span = |start: usize, len: usize| Span { start: start as u32, len: len as u32 };
        let mut kept = Interner::default();
        let ab = kept.keep(&pool, span(0, 2));
        assert_eq!(kept.keep(&pool, span(3, 2)), ab);
        assert_eq!(kept.some(Some("ab")), ab);
        assert_ne!(kept.keep(&pool, span(0, 3)), ab);
        assert_eq!((kept.keep(&pool, Span::NONE), kept.some(None)), (TextId::NONE, TextId::NONE));
        let of_long = kept.keep(&pool, span(5, long.len()));
        assert_eq!(kept.keep(&pool, span(5, long.len())), of_long);
        assert_eq!(kept.keep(&pool, span(5 + long.len(), long.len())), of_long);
        assert_eq!(kept.texts.all(), format!("ababc{long}"));
        assert_eq!((kept.get(ab), kept.get(TextId::NONE)), (Some("ab"), None));

        kept.clear();
        let b = kept.keep(&pool, span(1, 1));
        assert_eq!((kept.get(b), kept.texts.all()), (Some("b"), "b"));
    }
}
