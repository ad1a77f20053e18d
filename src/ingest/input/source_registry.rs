//! Files that were read before: to be skipped, or read on from where they ended.
//!
//! This is for speed alone: what is read again adds nothing twice. A file is known by its size and
//! the hashes of its head and tail, whatever it is called now.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::positional_read::read_full_at;
use crate::time::Micros;

/// How much of a file's head and tail is hashed.
const WINDOW: u64 = 64 << 10;

/// What is kept of a file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its path when it was last read.
    pub path: String,
    /// Its size when it was last read.
    pub size: u64,
    /// Hash of its first bytes, up to 64 KiB of `consumed`.
    pub head: String,
    /// Hash of its last bytes, up to 64 KiB, as of `size`.
    pub tail: String,
    /// Offset of the end of the last line that was taken in; for compressed files the size.
    pub consumed: u64,
    /// Hash of the up to 64 KiB before `consumed`.
    pub consumed_tail: String,
    /// Number of lines up to `consumed`.
    pub lines: u64,
    /// All of it was taken in, save for an unfinished last line.
    pub whole: bool,
    /// It is compressed: never read on from the middle.
    pub compressed: bool,
    /// Every event in it has an id of its own: it can be read on from the middle.
    pub own_ids: bool,
    /// Lines were refused as in the future: they may be fine by now.
    pub future: bool,
    /// Fingerprint of the options that matter for what is stored.
    pub options: String,
    /// When it was read.
    pub read_at: Micros,
}

/// What is to be done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadPlan {
    /// It was taken in whole before.
    Skip,
    /// Its first part was: go on at this offset, after this many lines.
    Resumed {
        /// Offset in bytes.
        offset: u64,
        /// Number of lines before it.
        lines: u64,
    },
    /// Read all of it.
    Read,
}

/// All that is known of files read before.
///
/// A folder holds ever more logs, and each of them is looked up every night: by its content and by its
/// name, in maps. What is written is the list alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRegistry {
    /// The files by number, in the order in which they were noted.
    files: BTreeMap<u64, SourceFile>,
    /// The numbers of all by path.
    by_path: BTreeSet<(String, u64)>,
    /// The numbers of all by size, tail and head.
    by_content: BTreeSet<(u64, String, String, u64)>,
    /// The numbers by head of those whose head has full length.
    by_head: BTreeSet<(String, u64)>,
}

/// How [`SourceRegistry`] are written.
#[derive(Serialize, Deserialize)]
struct List<F> {
    files: F,
}

impl SourceRegistry {
    /// Reads what [`SourceRegistry::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<SourceRegistry> {
        let list: List<Vec<SourceFile>> = serde_json::from_slice(bytes)
            .map_err(|e| Error::failed("cannot read the list of known logs").caused_by(e))?;
        let mut known = SourceRegistry::default();
        list.files.into_iter().for_each(|file| known.insert(file));
        Ok(known)
    }

    /// Writes all as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&List { files: self.files.values().collect::<Vec<_>>() })
            .map_err(|e| Error::failed("cannot write the list of known logs").caused_by(e))
    }

    /// Returns the number of files known.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Tells whether none is known.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Gives files other names where `rename` has one. Returns how many.
    pub fn rename(&mut self, rename: impl Fn(&str) -> Option<String>) -> u64 {
        let mut renamed = 0;
        for (number, file) in &mut self.files {
            if let Some(path) = rename(&file.path) {
                self.by_path.remove(&(std::mem::replace(&mut file.path, path), *number));
                self.by_path.insert((file.path.clone(), *number));
                renamed += 1;
            }
        }
        renamed
    }

    /// Forgets all: the next ingest reads everything.
    pub fn clear(&mut self) {
        *self = SourceRegistry::default();
    }

    /// Says what is to be done with a file that is to be read with these options.
    pub fn plan(&self, path: &str, file: &File, options: &str) -> io::Result<ReadPlan> {
        self.plan_by(path, file.metadata()?.len(), options, |offset, len| hash_at(file, offset, len))
    }

    /// Does the same for a file of which no more is asked than its size and the hashes of some parts:
    /// `hash` takes an offset and a length.
    fn plan_by(
        &self,
        path: &str,
        size: u64,
        options: &str,
        hash: impl FnMut(u64, u64) -> io::Result<String>,
    ) -> io::Result<ReadPlan> {
        let mut parts = Parts { hash, heads: Vec::new() };
        let usable = |known: &&SourceFile| known.options == options && !known.future;
        if self.of_size(size).next().is_some() {
            let tail = parts.before(size)?;
            // Heads of one length are looked up at once, and nearly all are of one length: only where a
            // long last line was left is there less than usual of a file to be hashed.
            let mut from = String::new();
            loop {
                let next = self.of_tail(size, &tail, &from).next().map(|(head, _)| length_of(head));
                let Some(len) = next else { break };
                let head = parts.head(len)?;
                let mut same = self.of_content(size, &tail, head);
                // What was left unread has to lie within the tail: else nothing says that it is the same.
                let is_hashed = |k: &SourceFile| k.compressed || k.size - k.consumed <= WINDOW;
                if same.any(|(_, known)| known.whole && usable(&known) && is_hashed(known)) {
                    return Ok(ReadPlan::Skip);
                }
                from = after_length(len);
            }
        }
        // A name is the best hint of where a growing file is known; a rotated one has another name
        // and a head of full length.
        let mut growing: Vec<&SourceFile> = self.of_path(path).map(|(_, known)| known).collect();
        if size >= WINDOW && !self.by_head.is_empty() {
            growing.extend(self.of_head(parts.head(WINDOW)?));
        }
        growing.retain(|k| usable(k) && !k.compressed && k.own_ids && (1..=size).contains(&k.consumed));
        growing.sort_by_key(|known| std::cmp::Reverse(known.consumed));
        for known in growing {
            if parts.head(known.consumed.min(WINDOW))? == known.head
                && parts.before(known.consumed)? == known.consumed_tail
            {
                return Ok(ReadPlan::Resumed { offset: known.consumed, lines: known.lines });
            }
        }
        Ok(ReadPlan::Read)
    }

    /// Returns the heads of what is known under a file's name and is now the beginning of it.
    pub fn continued_by(&self, path: &str, file: &File) -> io::Result<Vec<String>> {
        let mut parts = Parts { hash: |offset, len| hash_at(file, offset, len), heads: Vec::new() };
        let mut heads = Vec::new();
        for (_, known) in self.of_path(path) {
            if parts.head(length_of(&known.head))? == known.head {
                heads.push(known.head.clone());
            }
        }
        Ok(heads)
    }

    /// Takes note of a file, in place of what was known of its content or, where it has grown, of its
    /// beginning: see [`continued_by`](SourceRegistry::continued_by).
    ///
    /// Another log that had its name before stays known: it may have been rotated, and come again under
    /// its new name.
    pub fn note(&mut self, file: SourceFile, continued: &[String]) {
        let old_of_path = |known: &SourceFile| !known.whole || continued.contains(&known.head);
        let same_path = self.of_path(&file.path).filter(|(_, known)| old_of_path(known));
        let same_content = self.of_content(file.size, &file.tail, &file.head);
        let old: Vec<u64> = same_path.chain(same_content).map(|(number, _)| number).collect();
        for number in old {
            self.remove(number);
        }
        self.insert(file);
    }

    fn insert(&mut self, file: SourceFile) {
        let number = self.files.last_key_value().map_or(0, |(last, _)| last + 1);
        self.by_path.insert((file.path.clone(), number));
        self.by_content.insert((file.size, file.tail.clone(), file.head.clone(), number));
        if file.consumed >= WINDOW {
            self.by_head.insert((file.head.clone(), number));
        }
        self.files.insert(number, file);
    }

    fn remove(&mut self, number: u64) {
        let Some(file) = self.files.remove(&number) else { return };
        self.by_head.remove(&(file.head.clone(), number));
        self.by_path.remove(&(file.path, number));
        self.by_content.remove(&(file.size, file.tail, file.head, number));
    }

    fn of_path(&self, path: &str) -> impl Iterator<Item = (u64, &SourceFile)> {
        let found = self.by_path.range((path.to_owned(), 0)..=(path.to_owned(), u64::MAX));
        found.filter_map(|(_, number)| Some((*number, self.files.get(number)?)))
    }

    fn of_head(&self, head: &str) -> impl Iterator<Item = &SourceFile> {
        let found = self.by_head.range((head.to_owned(), 0)..=(head.to_owned(), u64::MAX));
        found.filter_map(|(_, number)| self.files.get(number))
    }

    fn of_size(&self, size: u64) -> impl Iterator<Item = u64> {
        let none = String::new();
        let from = self.by_content.range((size, none.clone(), none, 0)..);
        from.take_while(move |(other, ..)| *other == size).map(|(.., number)| *number)
    }

    /// Returns the heads, from one on, of the files with a size and a tail.
    fn of_tail(&self, size: u64, tail: &str, from: &str) -> impl Iterator<Item = (&str, u64)> {
        let found = self.by_content.range((size, tail.to_owned(), from.to_owned(), 0)..);
        found
            .take_while(move |(other_size, other, ..)| (*other_size, other.as_str()) == (size, tail))
            .map(|(_, _, head, number)| (head.as_str(), *number))
    }

    fn of_content(&self, size: u64, tail: &str, head: &str) -> impl Iterator<Item = (u64, &SourceFile)> {
        let found = self.of_tail(size, tail, head).take_while(move |(other, _)| *other == head);
        found.filter_map(|(_, number)| Some((number, self.files.get(&number)?)))
    }
}

/// The parts of a file whose hashes are asked for; of heads, each is hashed once.
struct Parts<F> {
    hash: F,
    heads: Vec<(u64, String)>,
}

impl<F: FnMut(u64, u64) -> io::Result<String>> Parts<F> {
    fn head(&mut self, len: u64) -> io::Result<&str> {
        let at = match self.heads.iter().position(|(known, _)| *known == len) {
            Some(at) => at,
            None => {
                self.heads.push((len, (self.hash)(0, len)?));
                self.heads.len() - 1
            }
        };
        Ok(self.heads.get(at).map_or("", |(_, head)| head))
    }

    fn before(&mut self, end: u64) -> io::Result<String> {
        let (offset, len) = window_before(end);
        (self.hash)(offset, len)
    }
}

/// Hashes of a file's parts, as [`SourceFile`] keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The file's size.
    pub size: u64,
    /// See [`SourceFile::head`].
    pub head: String,
    /// See [`SourceFile::tail`].
    pub tail: String,
    /// See [`SourceFile::consumed_tail`].
    pub consumed_tail: String,
}

impl Fingerprint {
    /// Takes the fingerprint of an open file of which `consumed` bytes were taken in; `None` where
    /// it is shorter than that by now.
    pub fn of(file: &File, consumed: u64) -> io::Result<Option<Fingerprint>> {
        let size = file.metadata()?.len();
        if size < consumed {
            return Ok(None);
        }
        let hash_before = |end| {
            let (offset, len) = window_before(end);
            hash_at(file, offset, len)
        };
        Ok(Some(Fingerprint {
            size,
            head: hash_at(file, 0, consumed.min(WINDOW))?,
            tail: hash_before(size)?,
            consumed_tail: hash_before(consumed)?,
        }))
    }
}

/// Returns offset and length of the last window of the bytes before `end`.
fn window_before(end: u64) -> (u64, u64) {
    let len = end.min(WINDOW);
    (end - len, len)
}

/// Hashes `len` bytes from `offset`; fewer, where the file ends.
fn hash_at(file: &File, offset: u64, len: u64) -> io::Result<String> {
    let mut bytes = vec![0; len as usize];
    let filled = read_full_at(file, &mut bytes, offset)?;
    bytes.truncate(filled);
    Ok(hash(&bytes))
}

/// Returns the hash of some bytes, behind their number.
fn hash(bytes: &[u8]) -> String {
    format!("{}:{:032x}", bytes.len(), xxhash_rust::xxh3::xxh3_128(bytes))
}

/// Returns of how many bytes a hash is.
fn length_of(hash: &str) -> u64 {
    hash.split_once(':').and_then(|(len, _)| len.parse().ok()).unwrap_or(0)
}

/// Returns what comes, in order, after all hashes of so many bytes.
fn after_length(len: u64) -> String {
    format!("{len};")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept of a file of which so much was taken in; `lines` has no part in knowing it.
    fn known(path: &str, bytes: &[u8], consumed: usize) -> SourceFile {
        let window = WINDOW as usize;
        SourceFile {
            path: path.to_owned(),
            size: bytes.len() as u64,
            head: hash(&bytes[..consumed.min(window)]),
            tail: hash(&bytes[bytes.len().saturating_sub(window)..]),
            consumed: consumed as u64,
            consumed_tail: hash(&bytes[consumed.saturating_sub(window)..consumed]),
            lines: 7,
            whole: true,
            compressed: false,
            own_ids: true,
            future: false,
            options: "o".to_owned(),
            read_at: 5,
        }
    }

    /// What is to be done with a file, and how many parts of it were hashed to tell.
    fn plan(files: &SourceRegistry, path: &str, bytes: &[u8]) -> (ReadPlan, usize) {
        let mut parts = 0;
        let plan = files.plan_by(path, bytes.len() as u64, "o", |offset, len| {
            parts += 1;
            Ok(hash(&bytes[offset as usize..(offset + len) as usize]))
        });
        (plan.unwrap(), parts)
    }

    fn all(files: impl IntoIterator<Item = SourceFile>) -> SourceRegistry {
        let mut all = SourceRegistry::default();
        files.into_iter().for_each(|file| all.note(file, &[]));
        all
    }

    #[test]
    fn however_many_files_of_one_size_are_known_two_parts_of_a_file_are_hashed() {
        let name = |n: u32| format!("{n}.ndjson");
        let short = |n: u32| format!("{{\"id\":{n:08}}}\n").into_bytes();
        // Of one size, and all end alike.
        let long = |n: u32| [short(n), vec![b'x'; 70_000]].concat();
        let files = (0..1000).map(|n| known(&name(n), &short(n), short(n).len()));
        let files = all(files.chain((1000..1050).map(|n| known(&name(n), &long(n), 66_000))));
        for n in 0..1000 {
            let (plan, parts) = plan(&files, &name(n), &short(n));
            assert_eq!(plan, ReadPlan::Skip, "{n}");
            assert!(parts <= 2, "{n}: {parts}");
        }
        for n in 1000..1050 {
            assert_eq!(plan(&files, "renamed", &long(n)), (ReadPlan::Skip, 2), "{n}");
        }
        // One that is not known, and one of a size that none has.
        assert_eq!(plan(&files, "new", &short(5000)).0, ReadPlan::Read);
        assert!(plan(&files, "new", &short(5000)).1 <= 2);
        assert_eq!(plan(&files, "new", b"{}\n"), (ReadPlan::Read, 0));
    }

    #[test]
    fn a_file_that_has_grown_is_read_on_by_its_name_and_from_a_full_head_on_by_any() {
        let (short, long) = (b"{\"a\":1}\n{\"b".as_slice(), vec![b'y'; 70_000]);
        let files = all([known("short", short, 8), known("long", &long, 70_000)]);
        let grown = |bytes: &[u8]| [bytes, b"more\n"].concat();
        let on = |offset| ReadPlan::Resumed { offset, lines: 7 };
        assert_eq!(plan(&files, "short", &grown(short)).0, on(8));
        assert_eq!(plan(&files, "other", &grown(short)).0, ReadPlan::Read);
        assert_eq!(plan(&files, "short", b"{\"A\":1}\n{\"b\":2}\n").0, ReadPlan::Read);
        assert_eq!(plan(&files, "long", &grown(&long)).0, on(70_000));
        assert_eq!(plan(&files, "rotated", &grown(&long)).0, on(70_000));
        // The longest of what is known of it, where that is so yet.
        let mut longer = files.clone();
        longer.note(known("copy", &grown(&long), 70_005), &[]);
        assert_eq!(plan(&longer, "rotated", &grown(&grown(&long))).0, on(70_005));
        assert_eq!(plan(&longer, "rotated", &[&*long, b"other\n"].concat()).0, on(70_000));
        // An unfinished last line was left, and nothing has come since.
        assert_eq!(plan(&files, "moved", short), (ReadPlan::Skip, 2));
    }

    #[test]
    fn what_was_read_with_other_options_in_part_or_of_the_future_is_not_skipped() {
        let bytes = b"{\"a\":1}\n";
        let file = known("a", bytes, 8);
        let resume = ReadPlan::Resumed { offset: 8, lines: 7 };
        for (file, expected) in [
            (file.clone(), ReadPlan::Skip),
            (SourceFile { options: "p".into(), ..file.clone() }, ReadPlan::Read),
            (SourceFile { future: true, ..file.clone() }, ReadPlan::Read),
            (SourceFile { whole: false, ..file.clone() }, resume),
            (SourceFile { whole: false, own_ids: false, ..file.clone() }, ReadPlan::Read),
            (SourceFile { whole: false, compressed: true, ..file.clone() }, ReadPlan::Read),
        ] {
            assert_eq!(plan(&all([file.clone()]), "a", bytes).0, expected, "{file:?}");
        }
    }

    #[test]
    fn a_note_takes_the_place_of_what_was_known_of_the_same_log_and_is_written_as_a_list() {
        let mut files = all([known("a", b"one\n", 4), known("b", b"two\n", 4)]);
        let mut grown = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut grown, b"one\nmore\n").unwrap();
        let continued = files.continued_by("a", &grown).unwrap();
        assert_eq!(files.continued_by("b", &grown).unwrap(), Vec::<String>::new());
        files.note(known("a", b"one\nmore\n", 9), &continued);
        assert_eq!(files.len(), 2);
        assert_eq!(plan(&files, "a", b"one\n").0, ReadPlan::Read);
        files.note(known("c", b"two\n", 4), &[]);
        assert_eq!(files.len(), 2);
        assert_eq!(plan(&files, "b", b"two\n").0, ReadPlan::Skip);
        let written = files.to_bytes().unwrap();
        assert!(written.starts_with(b"{\"files\":[{\"path\":\"a\",\"size\":9,"));
        assert_eq!(SourceRegistry::from_bytes(&written).unwrap().to_bytes().unwrap(), written);
        assert_eq!(files.rename(|path| (path == "c").then(|| "d".to_owned())), 1);
        // Of a log that was read in part, the place up to which it was.
        files.note(SourceFile { whole: false, ..known("e", b"four\nfive\n", 5) }, &[]);
        files.note(known("e", b"four\nfive\n", 10), &[]);
        assert_eq!(files.len(), 3);
    }

    #[test]
    fn a_log_that_was_rotated_stays_known_when_another_has_its_name() {
        let mut files = all([known("log", b"monday\n", 7)]);
        for (day, before) in
            [(b"tuesday\n".as_slice(), b"monday\n".as_slice()), (b"wednesday\n", b"tuesday\n")]
        {
            files.note(known("log", day, day.len()), &[]);
            assert_eq!(plan(&files, "log", day).0, ReadPlan::Skip);
            assert_eq!(plan(&files, "log.1", before).0, ReadPlan::Skip);
        }
        assert_eq!(plan(&files, "log.2", b"monday\n").0, ReadPlan::Skip);
    }
}
