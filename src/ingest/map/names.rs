//! New names of events: `[names]` of a map.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use memchr::memmem::Finder;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The new names of events.
#[derive(Debug, Default)]
pub struct Names {
    /// Distinguishes the names of several maps; 0 if there are none.
    number: u64,
    whole: HashMap<Box<str>, Box<str>>,
    /// The names with `*`, in the order of the file.
    patterns: Vec<Renaming>,
}

/// A pattern, and the new name of the events whose names match it.
#[derive(Debug)]
struct Renaming {
    pattern: Pattern,
    new: Box<str>,
    /// Whether the new name contains `*`, which stands for the text that the first star of the
    /// pattern matches.
    has_star: bool,
}

/// A name in which `*` stands for any text.
#[derive(Debug)]
struct Pattern {
    /// The text before the first star.
    head: Box<str>,
    /// The text after the last star.
    tail: Box<str>,
    /// The parts between the stars.
    middle: Vec<Finder<'static>>,
    /// The bytes that every matching name contains. Maps of access logs have dozens of patterns,
    /// and this set excludes most of them.
    bytes: ByteSet,
}

/// The set of the ASCII bytes of a string.
type ByteSet = u128;

fn byte_set(text: &str) -> ByteSet {
    text.bytes().filter(u8::is_ascii).fold(0, |set, byte| set | 1 << byte)
}

impl Names {
    /// Creates the names from pairs of an old and a new name, in the order of the file.
    pub fn new(pairs: Vec<(String, String)>) -> Names {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut names = Names { number, ..Names::default() };
        for (old, new) in pairs {
            if old.contains('*') {
                let (pattern, has_star) = (Pattern::new(&old), new.contains('*'));
                names.patterns.push(Renaming { pattern, new: new.into(), has_star });
            } else {
                names.whole.insert(old.into(), new.into());
            }
        }
        names
    }

    /// Returns the new name of an event; empty if the event is ignored, `None` if its name does not
    /// change.
    pub fn renamed<'a>(&'a self, name: &str, memo: &mut NameMemo) -> Option<Cow<'a, str>> {
        if let Some(new) = self.whole.get(name) {
            return Some(Cow::Borrowed(new));
        }
        if self.patterns.is_empty() {
            return None;
        }
        let number = memo.get_or_find(self, name)?;
        let Renaming { pattern, new, has_star } = self.patterns.get(number as usize)?;
        Some(match has_star {
            true => Cow::Owned(new.replacen('*', pattern.first_star(name)?, 1)),
            false => Cow::Borrowed(&**new),
        })
    }

    /// Returns the index of the first pattern that matches a name.
    fn find(&self, name: &str) -> Option<u32> {
        let (bytes, last) = (byte_set(name), name.as_bytes().last());
        let ends = |tail: &str| tail.is_empty() || tail.as_bytes().last() == last;
        let matches = |Renaming { pattern, .. }: &Renaming| {
            pattern.bytes & !bytes == 0 && ends(&pattern.tail) && pattern.first_star(name).is_some()
        };
        self.patterns.iter().position(matches).map(|index| index as u32)
    }

    /// Returns the old and new names, whole names first.
    pub fn pairs(&self) -> Vec<(String, &str)> {
        let mut whole: Vec<_> = self.whole.iter().map(|(old, new)| (old.to_string(), &**new)).collect();
        whole.sort_unstable();
        whole.into_iter().chain(self.patterns.iter().map(|each| (each.pattern.text(), &*each.new))).collect()
    }
}

/// The number of names in a [`NameMemo`].
const SLOTS: usize = 512;
/// The longest name that is cached, in bytes.
const LONGEST: usize = 1 << 10;

/// Cache of the patterns that recent names match. The names of an access log are its requests,
/// which repeat, and its map has a hundred patterns.
#[derive(Debug, Default)]
pub struct NameMemo {
    slots: Vec<Remembered>,
}

/// A name, and the index of the pattern that it matches.
#[derive(Clone, Debug, Default)]
struct Remembered {
    /// The number of the [`Names`]; 0 for a free slot.
    names: u64,
    name: String,
    pattern: Option<u32>,
}

impl NameMemo {
    fn get_or_find(&mut self, names: &Names, name: &str) -> Option<u32> {
        if self.slots.is_empty() {
            self.slots.resize(SLOTS, Remembered::default());
        }
        let hash = xxh3_64_with_seed(name.as_bytes(), names.number);
        let Some(slot) = self.slots.get_mut(hash as usize % SLOTS).filter(|_| name.len() <= LONGEST) else {
            return names.find(name);
        };
        if slot.names != names.number || slot.name != name {
            (slot.names, slot.pattern) = (names.number, names.find(name));
            slot.name.clear();
            slot.name.push_str(name);
        }
        slot.pattern
    }
}

impl Pattern {
    fn new(name: &str) -> Pattern {
        let mut parts: Vec<&str> = name.split('*').collect();
        let bytes = parts.iter().fold(0, |set, part| set | byte_set(part));
        let tail = parts.pop().unwrap_or("").into();
        let middle = parts.iter().skip(1).map(|part| Finder::new(part.as_bytes()).into_owned()).collect();
        Pattern { head: parts.first().copied().unwrap_or("").into(), tail, middle, bytes }
    }

    /// Returns the pattern as written in the map.
    fn text(&self) -> String {
        let middle = self.middle.iter().map(|part| format!("*{}", String::from_utf8_lossy(part.needle())));
        format!("{}{}*{}", self.head, middle.collect::<String>(), self.tail)
    }

    /// Returns the text that the first star matches; `None` if the name does not match.
    fn first_star<'a>(&self, name: &'a str) -> Option<&'a str> {
        let inner = name.strip_prefix(&*self.head)?.strip_suffix(&*self.tail)?;
        let mut first = inner;
        let mut remaining = inner;
        for (index, part) in self.middle.iter().enumerate() {
            // The earliest occurrence of each part leaves the most text for the other parts.
            let at = part.find(remaining.as_bytes())?;
            if index == 0 {
                first = remaining.get(..at)?;
            }
            remaining = remaining.get(at + part.needle().len()..)?;
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pairs: &[(&str, &str)]) -> Names {
        Names::new(pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect())
    }

    /// Returns the new name without a memo, and checks that a memo returns the same.
    fn renamed(names: &Names, name: &str) -> Option<String> {
        let mut memo = NameMemo::default();
        let new = names.renamed(name, &mut memo).map(Cow::into_owned);
        let other = Names::new(vec![(format!("{name}*"), "other".into())]);
        assert_eq!(other.renamed(name, &mut memo).as_deref(), Some("other"));
        for _ in 0..2 {
            assert_eq!(names.renamed(name, &mut memo).as_deref(), new.as_deref());
        }
        new
    }

    #[test]
    fn memo_returns_the_pattern_of_each_name() {
        let names = names(&[("GET *0", "zero_*"), ("GET *", "page")]);
        let mut memo = NameMemo::default();
        // More names than slots.
        for number in (0..3 * SLOTS).chain(0..10) {
            let name = format!("GET {number}");
            let new = match name.strip_prefix("GET ").and_then(|rest| rest.strip_suffix('0')) {
                Some(first) => format!("zero_{first}"),
                None => "page".to_owned(),
            };
            assert_eq!(names.renamed(&name, &mut memo).as_deref(), Some(new.as_str()));
        }
        let long = format!("GET {}", "x".repeat(LONGEST));
        assert_eq!(names.renamed(&long, &mut memo).as_deref(), Some("page"));
        assert!(memo.slots.iter().all(|slot| slot.name.len() <= LONGEST));
    }

    #[test]
    fn whole_name_precedes_patterns_which_apply_in_order() {
        let names =
            names(&[("GET *.css", "asset"), ("GET *", "page"), ("*", "request"), ("GET /x.css", "x")]);
        assert_eq!(renamed(&names, "GET /a.css").as_deref(), Some("asset"));
        assert_eq!(renamed(&names, "GET /x.css").as_deref(), Some("x"));
        assert_eq!(renamed(&names, "GET /a.cssx").as_deref(), Some("page"));
        assert_eq!(renamed(&names, "POST /a.css").as_deref(), Some("request"));
        assert_eq!(renamed(&names, "").as_deref(), Some("request"));
    }

    #[test]
    fn star_in_the_new_name_is_the_first_star() {
        let names = names(&[("chat.*.v*", "chat_*"), ("old_*", "*"), ("gone", "")]);
        assert_eq!(renamed(&names, "chat.open.v2").as_deref(), Some("chat_open"));
        assert_eq!(renamed(&names, "chat.a.v.v1").as_deref(), Some("chat_a"));
        assert_eq!(renamed(&names, "old_a*b").as_deref(), Some("a*b"));
        assert_eq!(renamed(&names, "gone").as_deref(), Some(""));
        assert_eq!(renamed(&names, "chat.open"), None);
    }

    #[test]
    fn prefix_and_suffix_must_not_overlap() {
        let names = names(&[("aba*aba", "x")]);
        assert_eq!(renamed(&names, "aba"), None);
        assert_eq!(renamed(&names, "ababa"), None);
        assert_eq!(renamed(&names, "abaaba").as_deref(), Some("x"));
    }
}
