//! The strings of a block, in one buffer.

/// The id of a string in a block; [`TextId::NONE`] is null.
///
/// Equal ids mean equal strings. The parser stores each distinct string of a block once, except the
/// strings of the columns `event_id`, `properties` and `extra`: in all other columns, different ids
/// mean different strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TextId(pub u32);

impl TextId {
    /// No string: null.
    pub const NONE: TextId = TextId(u32::MAX);

    /// Returns whether the string is null.
    pub fn is_none(self) -> bool {
        self == TextId::NONE
    }
}

/// An append-only pool of strings in one buffer of at most 4 GiB.
#[derive(Clone, Debug, Default)]
pub struct TextPool {
    text: String,
    /// The end offset of each string, in bytes.
    ends: Vec<u32>,
}

impl TextPool {
    /// Returns a string; `None` for null.
    #[inline]
    pub fn get(&self, id: TextId) -> Option<&str> {
        let bytes = self.text.as_bytes().get(self.range(id)?)?;
        // SAFETY: only `push` adds ends, each after appending a whole `str`, so the bytes between
        // two consecutive ends are valid UTF-8. A checked slice would load every string into the
        // CPU cache, although most callers compare only the position. The checks took 4 % of an
        // ingest (`docs/benchmark-decisions.md`).
        Some(unsafe { std::str::from_utf8_unchecked(bytes) })
    }

    /// Returns whether the string with this id equals `text`.
    #[inline]
    pub fn equals(&self, id: TextId, text: &str) -> bool {
        // Comparing bytes skips the check of character boundaries.
        self.range(id).is_some_and(|range| self.text.as_bytes().get(range) == Some(text.as_bytes()))
    }

    #[inline]
    fn range(&self, id: TextId) -> Option<std::ops::Range<usize>> {
        let at = id.0 as usize;
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        Some(start as usize..end as usize)
    }

    /// Appends a string and returns its id; `None` if the pool is full.
    pub fn push(&mut self, text: &str) -> Option<TextId> {
        let end = u32::try_from(self.text.len() + text.len()).ok()?;
        let id = u32::try_from(self.ends.len()).ok().map(TextId).filter(|id| !id.is_none())?;
        self.text.push_str(text);
        self.ends.push(end);
        Some(id)
    }

    /// Removes all strings and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// Returns the number of strings.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Returns the concatenation of all strings.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the size of the strings in bytes.
    pub fn size(&self) -> usize {
        self.text.len() + self.ends.len() * size_of::<u32>()
    }

    /// Returns the allocated memory in bytes.
    pub fn capacity(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u32>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        // `get` does not check for UTF-8, so `push` must guarantee it.
        #[test]
        fn text_pool_returns_texts_as_pushed(
            rounds in prop::collection::vec(prop::collection::vec("(?s).{0,6}", 0..20), 1..4),
        ) {
            let mut pool = TextPool::default();
            for texts in &rounds {
                pool.clear();
                let ids: Vec<TextId> = texts.iter().map(|text| pool.push(text).unwrap()).collect();
                let found: Vec<&str> = ids.iter().filter_map(|id| pool.get(*id)).collect();
                prop_assert_eq!(&found, texts);
                prop_assert!(found.iter().all(|text| std::str::from_utf8(text.as_bytes()).is_ok()));
                prop_assert_eq!((pool.get(TextId(ids.len() as u32)), pool.get(TextId::NONE)), (None, None));
                prop_assert_eq!(pool.as_str(), texts.concat());
            }
        }
    }
}
