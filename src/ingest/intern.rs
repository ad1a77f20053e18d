//! The texts of a block's rows, each kept once.
//!
//! Rows of a log say the same things over and over: names of events, addresses, user agents, ids. What
//! is kept of a block is a small part of its lines, and two rows of it say the same in a column exactly
//! where they name the same text.

use std::collections::HashMap;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use super::memo::Pool;
use super::span::{Draft, Span};
use crate::event::{Row, Text, TextId, Texts};

/// From so many bytes on, a text is first looked up by its place: one long text of an envelope can be
/// that of thousands of events, and is to be hashed once.
const LONG: u32 = 256;

/// The texts that are kept of a block.
#[derive(Debug, Default)]
pub struct Interner {
    /// The texts.
    pub kept: Kept,
    /// The texts of the row before: where they stand in the block, and which they are.
    last: Last,
}

#[derive(Debug)]
struct Last([(Span, TextId); Text::COUNT]);

impl Default for Last {
    fn default() -> Self {
        Last([(Span::NONE, TextId::NONE); Text::COUNT])
    }
}

/// Texts, each once.
#[derive(Debug, Default)]
pub struct Kept {
    /// The texts.
    pub texts: Texts,
    /// They by their hashes.
    table: HashTable<(u64, TextId)>,
    /// Long texts by their places in the block.
    long: HashMap<Span, TextId>,
}

impl Interner {
    /// Forgets the block before; its memory stays.
    pub fn clear(&mut self) {
        self.kept.texts.clear();
        self.kept.table.clear();
        self.kept.long.clear();
        self.last = Last::default();
    }

    /// Keeps the texts of a row, and returns it with these.
    #[inline]
    pub fn row(&mut self, pool: &Pool<'_>, draft: &Draft) -> Row {
        for (span, (raw, id)) in draft.text.iter().zip(&mut self.last.0) {
            if *span != *raw {
                (*raw, *id) = (*span, self.kept.keep(pool, *span));
            }
        }
        Row {
            text: self.last.0.map(|(_, id)| id),
            triggered_by: self.kept.keep(pool, draft.triggered_by),
            id: draft.id,
            key: draft.key,
            time: draft.time,
            client_timestamp: draft.client_timestamp,
            sent_at: draft.sent_at,
            received_at: draft.received_at,
            response_us: draft.response_us,
            screen_width: draft.screen_width,
            screen_height: draft.screen_height,
            agent: draft.agent,
            channel: draft.channel,
            names_source: draft.names_source,
            has_own_id: draft.has_own_id,
            key_kind: draft.key_kind,
        }
    }
}

impl Kept {
    /// Keeps a text, and returns which of those that are kept it is.
    #[inline]
    pub fn keep(&mut self, pool: &Pool<'_>, span: Span) -> TextId {
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

    #[inline]
    fn text(&mut self, text: &str) -> TextId {
        let hash = xxh3_64(text.as_bytes());
        let texts = &mut self.texts;
        let same = |&(other, id): &(u64, TextId)| other == hash && texts.get(id) == Some(text);
        if let Some((_, id)) = self.table.find(hash, same) {
            return *id;
        }
        let id = texts.push(text);
        self.table.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Block;

    #[test]
    fn a_text_is_kept_once_wherever_it_stands_and_however_long_it_is() {
        let long = "x".repeat(LONG as usize);
        let lines = format!("abcab{long}{long}");
        let pool = Pool { lines: &lines, decoded: String::new() };
        let span = |start: usize, len: usize| Span { start: start as u32, len: len as u32 };
        let mut interner = Interner::default();
        let ab = interner.kept.keep(&pool, span(0, 2));
        assert_eq!(interner.kept.keep(&pool, span(3, 2)), ab);
        assert_ne!(interner.kept.keep(&pool, span(0, 3)), ab);
        assert_eq!(interner.kept.keep(&pool, Span::NONE), TextId::NONE);
        let of_long = interner.kept.keep(&pool, span(5, long.len()));
        assert_eq!(interner.kept.keep(&pool, span(5, long.len())), of_long);
        assert_eq!(interner.kept.keep(&pool, span(5 + long.len(), long.len())), of_long);
        assert_eq!(interner.kept.texts.all(), format!("ababc{long}"));

        interner.clear();
        let mut drafts = [Draft::empty(Span::NONE), Draft::empty(Span::NONE)];
        drafts[0].text[0] = span(0, 2);
        drafts[1].text[0] = span(3, 2);
        drafts[1].text[1] = span(0, 1);
        drafts[1].triggered_by = span(1, 1);
        let rows = drafts.map(|draft| interner.row(&pool, &draft));
        assert_eq!(rows[0].text[0], rows[1].text[0]);
        assert_eq!((rows[0].text[1], rows[0].triggered_by), (TextId::NONE, TextId::NONE));
        let block = Block { texts: interner.kept.texts, ..Block::default() };
        let texts = [rows[0].text[0], rows[1].text[1], rows[1].triggered_by].map(|id| block.text(id));
        assert_eq!(texts, [Some("ab"), Some("a"), Some("b")]);
        assert_eq!((block.texts.all(), block.text(TextId::NONE)), ("abab", None));
    }
}
