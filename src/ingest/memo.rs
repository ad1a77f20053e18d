//! What was derived from a text of a block, remembered for the next row with the same text.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::span::Span;

/// The text of a block while it is being parsed.
#[derive(Debug)]
pub struct Pool<'a> {
    /// The lines.
    pub lines: &'a str,
    /// Text that does not stand in the lines as it is.
    pub decoded: String,
}

impl Pool<'_> {
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

/// Values by `N` texts. Texts are compared, not hashes alone.
#[derive(Debug)]
pub struct Memo<const N: usize, V> {
    table: HashTable<Entry<N, V>>,
    /// The last answer: the rows of an envelope share their texts, however long these are.
    last: Option<([Span; N], V)>,
}

#[derive(Debug)]
struct Entry<const N: usize, V> {
    hash: u64,
    key: [Span; N],
    value: V,
}

impl<const N: usize, V> Default for Memo<N, V> {
    fn default() -> Self {
        Memo { table: HashTable::new(), last: None }
    }
}

impl<const N: usize, V: Copy> Memo<N, V> {
    /// Forgets everything, as at the beginning of another block; its memory stays.
    pub fn clear(&mut self) {
        self.table.clear();
        self.last = None;
    }

    /// Returns the value of some texts; makes it where it is not known.
    #[inline]
    pub fn get(&mut self, pool: &mut Pool, key: [Span; N], make: impl FnOnce(&mut Pool) -> V) -> V {
        if let Some((last, value)) = self.last
            && last == key
        {
            return value;
        }
        let hash = key.iter().fold(N as u64, |hash, span| match pool.get(*span) {
            Some(text) => xxh3_64_with_seed(text.as_bytes(), hash),
            None => hash.rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15,
        });
        let same = |entry: &Entry<N, V>| {
            entry.hash == hash && entry.key.iter().zip(&key).all(|(a, b)| pool.get(*a) == pool.get(*b))
        };
        let value = match self.table.find(hash, same) {
            Some(entry) => entry.value,
            None => {
                let value = make(pool);
                self.table.insert_unique(hash, Entry { hash, key, value }, |entry| entry.hash);
                value
            }
        };
        self.last = Some((key, value));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_texts_are_asked_about_once_and_null_is_not_empty() {
        let mut pool = Pool { lines: "abab", decoded: String::new() };
        let span = |start, len| Span { start, len };
        let mut memo = Memo::<2, u32>::default();
        let mut calls = 0;
        let mut get = |pool: &mut Pool, key| {
            memo.get(pool, key, |_| {
                calls += 1;
                calls
            })
        };
        assert_eq!(get(&mut pool, [span(0, 2), span(2, 2)]), 1);
        assert_eq!(get(&mut pool, [span(2, 2), span(0, 2)]), 1);
        assert_eq!(get(&mut pool, [span(0, 2), Span::NONE]), 2);
        assert_eq!(get(&mut pool, [Span::NONE, span(0, 2)]), 3);
        assert_eq!(get(&mut pool, [span(0, 2), span(0, 0)]), 4);
        assert_eq!(get(&mut pool, [span(0, 1), span(1, 2)]), 5);
        let added = pool.add("ab");
        assert_eq!(get(&mut pool, [added, added]), 1);
    }
}
