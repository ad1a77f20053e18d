//! The strings of session summaries: borrowed from events or tables, or shared.
//!
//! All events of an envelope inherit its fields, so thousands of sessions can have the same long
//! string. Summaries that outlive their events share one copy of it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A string of a summary, borrowed or shared.
///
/// Most summaries are built and written at once, and borrow their strings from the events or the
/// table.
#[derive(Clone, Debug)]
pub enum CowStr<'a> {
    /// A string of an event or a table.
    Borrowed(&'a str),
    /// An owned string, possibly shared with other summaries.
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

/// Borrows a JSON string without escapes.
impl<'de: 'a, 'a> Deserialize<'de> for CowStr<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = CowStr<'de>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<CowStr<'de>, E> {
        Ok(CowStr::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<CowStr<'de>, E> {
        Ok(CowStr::Shared(text.into()))
    }
}

/// The length in bytes from which strings are deduplicated.
const LONG: usize = 1024;

/// Deduplicates the long strings of summaries that own their strings.
#[derive(Debug, Default)]
pub struct TextInterner(Mutex<HashSet<Arc<str>>>);

impl TextInterner {
    /// Converts into a shared string; a long string that was seen before is not copied.
    pub fn own(&self, text: CowStr<'_>) -> CowStr<'static> {
        let text = match text {
            CowStr::Shared(text) => return CowStr::Shared(text),
            CowStr::Borrowed(text) => text,
        };
        if text.len() < LONG {
            return CowStr::Shared(text.into());
        }
        // The set stays consistent if another thread panicked while it held the lock.
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = texts.get(text) {
            return CowStr::Shared(shared.clone());
        }
        let text: Arc<str> = text.into();
        texts.insert(text.clone());
        CowStr::Shared(text)
    }

    /// Drops the strings that no summary uses any more.
    pub fn evict_unused(&self) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.retain(|text| Arc::strong_count(text) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_shared_until_its_last_summary_is_dropped() {
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
    fn json_string_without_escapes_is_borrowed() {
        let read = |json| serde_json::from_str::<CowStr<'_>>(json).unwrap();
        assert!(matches!(read("\"plain\""), CowStr::Borrowed("plain")));
        assert!(matches!(read("\"a\\nb\""), CowStr::Shared(text) if &*text == "a\nb"));
        assert_eq!(serde_json::to_string(&read("\"a\\nb\"")).unwrap(), "\"a\\nb\"");
    }
}
