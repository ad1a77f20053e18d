//! The texts of a block's rows, each kept once.
//!
//! Rows of a log say the same things over and over: names of events, addresses, user agents, ids. What
//! is kept of a block is a small part of its lines, and two rows of it say the same in a column exactly
//! where their spans are the same.

use std::collections::HashMap;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::memo::Pool;
use crate::event::{Row, Span, Text};

/// From so many bytes on, a text is first looked up by its place: one long text of an envelope can be
/// that of thousands of events, and is to be hashed once.
const LONG: u32 = 256;

/// The texts that are kept of a block.
#[derive(Debug, Default)]
pub struct Interner {
    /// What is kept.
    pub text: String,
    table: HashTable<(u64, Span)>,
    /// Long texts by their places in the block.
    long: HashMap<Span, Span>,
    /// The texts of the row before, as they stand in the block and as they are kept.
    last: Option<[(Span, Span); Text::COUNT]>,
}

impl Interner {
    /// Forgets the block before; its memory stays.
    pub fn clear(&mut self) {
        self.text.clear();
        self.table.clear();
        self.long.clear();
        self.last = None;
    }

    /// Keeps the texts of a row, and points it to them.
    #[inline]
    pub fn row(&mut self, pool: &Pool<'_>, row: &mut Row) {
        let mut last = self.last.unwrap_or([(Span::NONE, Span::NONE); Text::COUNT]);
        for (span, (raw, kept)) in row.text.iter_mut().zip(&mut last) {
            if *span != *raw {
                *raw = *span;
                *kept = self.keep(pool, *span);
            }
            *span = *kept;
        }
        self.last = Some(last);
        row.triggered_by = self.keep(pool, row.triggered_by);
    }

    /// Keeps a text, and returns its place among those that are kept.
    #[inline]
    pub fn keep(&mut self, pool: &Pool<'_>, span: Span) -> Span {
        let Some(text) = pool.get(span) else { return Span::NONE };
        if span.len < LONG {
            return self.text(text);
        }
        if let Some(kept) = self.long.get(&span) {
            return *kept;
        }
        let kept = self.text(text);
        self.long.insert(span, kept);
        kept
    }

    #[inline]
    fn text(&mut self, text: &str) -> Span {
        let hash = xxh3_64(text.as_bytes());
        let kept = &mut self.text;
        let same = |&(other, span): &(u64, Span)| {
            let (start, len) = (span.start as usize, span.len as usize);
            other == hash && kept.as_bytes().get(start..start + len) == Some(text.as_bytes())
        };
        if let Some((_, span)) = self.table.find(hash, same) {
            return *span;
        }
        let span = Span { start: kept.len() as u32, len: text.len() as u32 };
        kept.push_str(text);
        self.table.insert_unique(hash, (hash, span), |(hash, _)| *hash);
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once_wherever_it_stands_and_however_long_it_is() {
        let long = "x".repeat(LONG as usize);
        let lines = format!("abcab{long}{long}");
        let pool = Pool { lines: &lines, decoded: String::new() };
        let span = |start: usize, len: usize| Span { start: start as u32, len: len as u32 };
        let mut interner = Interner::default();
        let ab = interner.keep(&pool, span(0, 2));
        assert_eq!(interner.keep(&pool, span(3, 2)), ab);
        assert_ne!(interner.keep(&pool, span(0, 3)), ab);
        assert_eq!(interner.keep(&pool, Span::NONE), Span::NONE);
        let of_long = interner.keep(&pool, span(5, long.len()));
        assert_eq!(interner.keep(&pool, span(5, long.len())), of_long);
        assert_eq!(interner.keep(&pool, span(5 + long.len(), long.len())), of_long);
        assert_eq!(interner.text, format!("ababc{long}"));

        interner.clear();
        let mut rows = [Row::EMPTY, Row::EMPTY];
        rows[0].text[0] = span(0, 2);
        rows[1].text[0] = span(3, 2);
        rows[1].text[1] = span(0, 1);
        rows.iter_mut().for_each(|row| interner.row(&pool, row));
        assert_eq!(rows[0].text[0], rows[1].text[0]);
        assert_eq!((rows[0].text[1], rows[1].text[1]), (Span::NONE, span(2, 1)));
        assert_eq!(interner.text, "aba");
    }
}
