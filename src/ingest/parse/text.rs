//! The interner of the strings in a block's rows.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::{TextId, TextPool};
use crate::json::{Span, TextBuffer};

/// Minimum length, in bytes, of strings that are first looked up by span. Thousands of events can
/// inherit one long string from their envelope; the lookup avoids hashing it for each event.
const LONG: u32 = 256;

/// The strings of the rows of a block, each stored once.
///
/// Event names, user agents, IP addresses and ids repeat from row to row. Two rows of a block have
/// the same string in a column if and only if they have the same [`TextId`].
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// The strings.
    pub texts: TextPool,
    /// The strings by hash.
    table: HashTable<(u64, TextId)>,
    /// The long strings by span.
    long: HashTable<(Span, TextId)>,
}

impl Interner {
    /// Removes all strings; keeps the memory.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.table.clear();
        self.long.clear();
    }

    /// Interns the string of a span and returns its id.
    #[inline]
    pub fn intern_span(&mut self, buffer: &TextBuffer<'_>, span: Span) -> TextId {
        let Some(text) = buffer.get(span) else { return TextId::NONE };
        if span.len < LONG {
            return self.intern(text);
        }
        if let Some((_, id)) = self.long.find(span_hash(span), |(other, _)| *other == span) {
            return *id;
        }
        let id = self.intern(text);
        self.long.insert_unique(span_hash(span), (span, id), |(span, _)| span_hash(*span));
        id
    }

    /// Interns a string, if there is one; returns its id, or null.
    pub fn intern_optional(&mut self, text: Option<&str>) -> TextId {
        text.map_or(TextId::NONE, |text| self.intern(text))
    }

    /// Returns an interned string; `None` for null.
    #[inline]
    pub fn get(&self, id: TextId) -> Option<&str> {
        self.texts.get(id)
    }

    /// Interns a string and returns its id.
    #[inline]
    pub fn intern(&mut self, text: &str) -> TextId {
        let hash = xxh3_64(text.as_bytes());
        let texts = &mut self.texts;
        let same = |&(other, id): &(u64, TextId)| other == hash && texts.equals(id, text);
        if let Some((_, id)) = self.table.find(hash, same) {
            return *id;
        }
        // The pool can hold 4 GiB, which the strings of a block never reach.
        let Some(id) = texts.push(text) else { return TextId::NONE };
        self.table.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        id
    }
}

/// Returns the hash of a span. A multiplication spreads it over the high bits, and the hash table
/// uses the low bits too.
fn span_hash(span: Span) -> u64 {
    let mixed = (u64::from(span.start) << 32 | u64::from(span.len)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_an_id() {
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
