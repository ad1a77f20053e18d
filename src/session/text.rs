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
pub enum Str<'a> {
    /// Of an event or a table.
    Borrowed(&'a str),
    /// Of its own, or one that it has with others.
    Shared(Arc<str>),
}

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Str::Borrowed(text) => text,
            Str::Shared(text) => text,
        }
    }
}

impl AsRef<str> for Str<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for Str<'_> {
    fn borrow(&self) -> &str {
        self
    }
}

impl<'a> From<&'a str> for Str<'a> {
    fn from(text: &'a str) -> Self {
        Str::Borrowed(text)
    }
}

impl From<String> for Str<'_> {
    fn from(text: String) -> Self {
        Str::Shared(text.into())
    }
}

impl PartialEq for Str<'_> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Str<'_> {}

impl PartialEq<str> for Str<'_> {
    fn eq(&self, other: &str) -> bool {
        **self == *other
    }
}

impl PartialOrd for Str<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Str<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl Serialize for Str<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// A text without escapes is borrowed.
impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Str<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Str<'de>, E> {
        Ok(Str::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Str<'de>, E> {
        Ok(Str::Shared(text.into()))
    }
}

/// Texts of at least so many bytes are looked for among those that are there.
const LONG: usize = 1024;

/// The long texts of summaries that own their texts, each once.
#[derive(Debug, Default)]
pub struct SharedTexts(Mutex<HashSet<Arc<str>>>);

impl SharedTexts {
    /// Returns a text that borrows nothing.
    pub fn own(&self, text: Str<'_>) -> Str<'static> {
        let text = match text {
            Str::Shared(text) => return Str::Shared(text),
            Str::Borrowed(text) => text,
        };
        if text.len() < LONG {
            return Str::Shared(text.into());
        }
        // Where another thread panicked, the set is whole all the same.
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = texts.get(text) {
            return Str::Shared(known.clone());
        }
        let text: Arc<str> = text.into();
        texts.insert(text.clone());
        Str::Shared(text)
    }

    /// Forgets the texts that no summary has any more.
    pub fn let_go(&self) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|text| Arc::strong_count(text) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_there_once_for_as_long_as_a_summary_has_it() {
        let texts = SharedTexts::default();
        let long = "x".repeat(LONG);
        let [one, two] = [&long, &long.clone()].map(|text| texts.own(Str::Borrowed(text)));
        assert!(std::ptr::eq(&*one, &*two) && *one == *long);
        assert_eq!(&*texts.own(Str::Borrowed("short")), "short");
        drop(one);
        texts.let_go();
        assert_eq!(texts.0.lock().unwrap().len(), 1);
        drop(two);
        texts.let_go();
        assert_eq!(texts.0.lock().unwrap().len(), 0);
    }

    #[test]
    fn a_text_of_json_is_borrowed_where_it_has_no_escapes() {
        let read = |json| serde_json::from_str::<Str<'_>>(json).unwrap();
        assert!(matches!(read("\"plain\""), Str::Borrowed("plain")));
        assert!(matches!(read("\"a\\nb\""), Str::Shared(text) if &*text == "a\nb"));
        assert_eq!(serde_json::to_string(&read("\"a\\nb\"")).unwrap(), "\"a\\nb\"");
    }
}
