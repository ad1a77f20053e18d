//! The interner of the strings in a block's rows.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

use crate::event::{TextId, TextPool};
use crate::json::{Span, TextBuffer};

/// Minimum length, in bytes, of strings that are first looked up by span. Thousands of events can
/// inherit one long string from their envelope; the lookup avoids hashing it for each event.
const LONG: u32 = 256;
/// Number of strings of a [`VariedColumn`] after which it can be recognized as varied.
const SAMPLE: u32 = 64;
/// Length in bytes from which the strings of a [`VariedColumn`] are always interned. Otherwise,
/// many events that share a long string would each store it.
const LONG_VARIED: usize = 1 << 10;

/// A column whose strings differ from row to row in many logs.
#[derive(Clone, Copy, Debug)]
pub(super) enum VariedColumn {
    /// `properties`.
    Properties,
    /// `extra`.
    Extra,
}

/// The number of strings of a column, and how many of them repeat an earlier string.
#[derive(Clone, Copy, Debug, Default)]
struct Repeats {
    strings: u32,
    repeated: u32,
}

/// The strings of the rows of a block.
///
/// Event names, user agents, IP addresses and the ids of people and sessions repeat from row to
/// row. They are stored once: two rows of a block have the same string in such a column if and only
/// if they have the same [`TextId`]. In the columns `event_id`, `properties` and `extra`, equal
/// strings can have different ids: their strings seldom repeat, and searching them takes time.
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// The strings.
    pub texts: TextPool,
    /// The strings by hash.
    table: HashTable<(u64, TextId)>,
    /// The long strings by span.
    long: HashTable<(Span, TextId)>,
    /// End of the part of the buffer that does not change until the strings are removed. Strings
    /// after it are not looked up by span.
    pub fixed_end: u32,
    /// The repetitions in each [`VariedColumn`].
    repeats: [Repeats; 2],
}

impl Interner {
    /// Removes all strings; keeps the memory.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.table.clear();
        self.long.clear();
        self.repeats = Default::default();
    }

    /// Interns the string of a span and returns its id.
    #[inline]
    pub fn intern_span(&mut self, buffer: &TextBuffer<'_>, span: Span) -> TextId {
        let Some(text) = buffer.get(span) else { return TextId::NONE };
        if span.len < LONG || span.start.saturating_add(span.len) > self.fixed_end {
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
        let id = self.append(text);
        self.table.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        id
    }

    /// Interns the id of an event, which seldom repeats.
    #[inline]
    pub fn intern_event_id(&mut self, buffer: &TextBuffer<'_>, span: Span) -> TextId {
        // All events of an envelope can inherit a long id.
        match buffer.get(span).filter(|_| span.len < LONG) {
            Some(id) => self.append(id),
            None => self.intern_span(buffer, span),
        }
    }

    /// Interns a string of a column whose strings may differ in every row. Once most of them do,
    /// short ones are appended without searching for an equal one.
    pub fn intern_varied(&mut self, column: VariedColumn, text: &str) -> TextId {
        let Repeats { strings, repeated } = self.repeats[column as usize];
        if strings >= SAMPLE && repeated * 8 < strings && text.len() < LONG_VARIED {
            return self.append(text);
        }
        let before = self.texts.count();
        let id = self.intern(text);
        let is_repeated = self.texts.count() == before;
        self.repeats[column as usize] =
            Repeats { strings: strings + 1, repeated: repeated + u32::from(is_repeated) };
        id
    }

    /// Appends a string and returns its id.
    #[inline]
    fn append(&mut self, text: &str) -> TextId {
        // The pool can hold 4 GiB, which the strings of a block never reach.
        self.texts.push(text).unwrap_or(TextId::NONE)
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
        let mut interner = Interner { fixed_end: lines.len() as u32, ..Interner::default() };
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

    #[test]
    fn string_after_the_fixed_end_is_looked_up_by_value() {
        // A buffer whose decoded text is replaced from line to line.
        let span = Span { start: 2, len: LONG };
        let mut interner = Interner { fixed_end: 2, ..Interner::default() };
        let ids = ["x", "y", "x"].map(|letter| {
            let buffer = TextBuffer { lines: "ab", decoded: letter.repeat(LONG as usize) };
            interner.intern_span(&buffer, span)
        });
        assert_eq!([ids[0] == ids[1], ids[0] == ids[2]], [false, true]);
        assert_eq!(interner.get(ids[1]), Some("y".repeat(LONG as usize).as_str()));
    }

    #[test]
    fn varied_column_stops_searching_short_strings() {
        let mut interner = Interner::default();
        let mut intern = |text: &str| (interner.intern_varied(VariedColumn::Extra, text), text.to_owned());
        // The first 64 strings are searched; the seventh repeats the first.
        let mut ids: Vec<_> = (0..64).map(|n| intern(&format!("{}", if n == 6 { 0 } else { n }))).collect();
        assert_eq!(ids[0], ids[6]);
        ids.push(intern("0"));
        assert_ne!(ids[0].0, ids[64].0);
        let long = "z".repeat(LONG_VARIED);
        ids.extend([intern(&long), intern(&long)]);
        assert_eq!(ids[65], ids[66]);
        for (id, text) in &ids {
            assert_eq!(interner.get(*id), Some(text.as_str()));
        }
        // Another column has its own count.
        let mut intern = |text| interner.intern_varied(VariedColumn::Properties, text);
        assert_eq!(intern("0"), ids[0].0);
        // One of eight strings repeats an earlier one.
        interner.clear();
        let mut intern = |text: &str| interner.intern_varied(VariedColumn::Extra, text);
        let ids: Vec<TextId> = (0..64).map(|n| intern(&format!("{}", n / 8 * 8 + n % 8 % 7))).collect();
        assert_eq!([ids[0] == ids[7], intern("0") == ids[0]], [true, true]);
    }
}
