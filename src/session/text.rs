//! The texts of summaries: borrowed where what they were made of outlives them, else shared.
//!
//! Events of one line inherit its fields, so that thousands of sessions can have one long text: those that
//! outlive their events have one copy of it together.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text of a summary. Most summaries are made and written at once, and borrow theirs from the events or the
/// table that they were made of.
#[derive(Clone, Debug)]
pub enum CowStr<'a> {
    /// Of an event or a table.
    Borrowed(&'a str),
    /// Of its own, or one that it has with others.
    Shared(Arc<str>),
}

impl Deref for CowStr<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            CowStr::Borrowed(text) => text,
            CowStr::Shared(text) => text,
        }
    }
}

impl AsRef<str> for CowStr<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for CowStr<'_> {
    fn borrow(&self) -> &str {
        self
    }
}

impl<'a> From<&'a str> for CowStr<'a> {
    fn from(text: &'a str) -> Self {
        CowStr::Borrowed(text)
    }
}

impl From<String> for CowStr<'_> {
    fn from(text: String) -> Self {
        CowStr::Shared(text.into())
    }
}

impl PartialEq for CowStr<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for CowStr<'_> {}

impl PartialEq<str> for CowStr<'_> {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialOrd for CowStr<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CowStr<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for CowStr<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl Serialize for CowStr<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// A text without escapes is borrowed.
impl<'de: 'a, 'a> Deserialize<'de> for CowStr<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = CowStr<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<CowStr<'de>, E> {
        Ok(CowStr::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<CowStr<'de>, E> {
        Ok(CowStr::Shared(text.into()))
    }
}

/// Texts of at least so many bytes are looked for among those that are there.
const LONG: usize = 1024;

/// The long texts of summaries that own their texts, each once.
#[derive(Debug, Default)]
pub struct TextInterner(Mutex<HashSet<Arc<str>>>);

impl TextInterner {
    /// Returns a text that borrows nothing.
    pub fn own(&self, text: CowStr<'_>) -> CowStr<'static> {
        let text = match text {
            CowStr::Shared(text) => return CowStr::Shared(text),
            CowStr::Borrowed(text) => text,
        };
        if text.len() < LONG {
            return CowStr::Shared(text.into());
        }
        // Where another thread panicked, the set is whole all the same.
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = texts.get(text) {
            return CowStr::Shared(known.clone());
        }
        let text: Arc<str> = text.into();
        texts.insert(text.clone());
        CowStr::Shared(text)
    }

    /// Forgets the texts that no summary has any more.
    pub fn evict_unused(&self) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|text| Arc::strong_count(text) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_there_once_for_as_long_as_a_summary_has_it() {
        let texts = TextInterner::default();
        let long = "x".repeat(LONG);
        let [one, two] = [&long, &long.clone()].map(|text| texts.own(CowStr::Borrowed(text)));
        assert!(std::ptr::eq(&*one, &*two) && *one == *long);
        assert_eq!(&*texts.own(CowStr::Borrowed("short")), "short");
        drop(one);
        texts.evict_unused();
        assert_eq!(texts.0.lock().unwrap().len(), 1);
        drop(two);
        texts.evict_unused();
        assert_eq!(texts.0.lock().unwrap().len(), 0);
    }

    #[test]
    fn a_text_of_json_is_borrowed_where_it_has_no_escapes() {
        let read = |json| serde_json::from_str::<CowStr<'_>>(json).unwrap();
        assert!(matches!(read("\"plain\""), CowStr::Borrowed("plain")));
        assert!(matches!(read("\"a\\nb\""), CowStr::Shared(text) if &*text == "a\nb"));
        assert_eq!(serde_json::to_string(&read("\"a\\nb\"")).unwrap(), "\"a\\nb\"");
    }
}
