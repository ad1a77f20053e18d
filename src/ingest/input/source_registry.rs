//! The registry of ingested files. It decides whether a file is skipped, resumed, or read in full.
//!
//! The registry only saves time: events that are read again are duplicates. A file is recognized by
//! its size and the hashes of its head and tail, regardless of its current name.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};

use super::fingerprint::{Fingerprint, WINDOW, after_length, hash_at, hashed_length, window_before};
use crate::error::{Error, Result};
use crate::time::Micros;

/// A file that was ingested, in full or in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Name of the file when it was last read.
    pub path: String,
    /// Size when it was last read.
    pub size: u64,
    /// Hash of the first bytes: up to 64 KiB, and not beyond `consumed`.
    pub head: String,
    /// Hash of the up to 64 KiB before `size`.
    pub tail: String,
    /// Offset after the last line that was ingested; for a compressed file, its size.
    pub consumed: u64,
    /// Hash of the up to 64 KiB before `consumed`.
    pub consumed_tail: String,
    /// Number of lines up to `consumed`.
    pub lines: u64,
    /// The file was ingested to its end, except for an unfinished last line.
    pub whole: bool,
    /// The file is compressed and cannot be resumed.
    pub compressed: bool,
    /// All events have an id from the log. Only then can the file be resumed: an id that is derived
    /// depends on all lines before.
    pub all_have_ids: bool,
    /// Lines were rejected as too far in the future; by now they may be accepted.
    pub has_future_lines: bool,
    /// Hash of the options and settings on which the stored events depend.
    pub options: String,
    /// When it was read.
    pub read_at: Micros,
}

/// How to read a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadPlan {
    /// Not at all: it is unchanged since it was ingested.
    Skip,
    /// From an offset: the part before it was ingested.
    Resume {
        /// Offset in bytes.
        offset: u64,
        /// Number of lines before the offset.
        lines: u64,
    },
    /// In full.
    Full,
}

/// The position up to which a file was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadPosition {
    /// Offset after the last whole line.
    pub consumed: u64,
    /// Number of whole lines.
    pub lines: u64,
    /// The file is not compressed, so that it can be resumed at the offset.
    pub plain: bool,
}

impl SourceFile {
    /// Describes a file that was read up to a position; `None` if the file is shorter by now. The
    /// caller sets `whole`, `all_have_ids`, `has_future_lines` and `read_at`.
    pub fn describe(
        name: &str,
        handle: &File,
        position: ReadPosition,
        options: &str,
    ) -> io::Result<Option<SourceFile>> {
        Ok(Fingerprint::compute(handle, position.consumed)?.map(|print| SourceFile {
            path: name.to_owned(),
            whole: false,
            size: print.size,
            head: print.head,
            tail: print.tail,
            consumed: position.consumed,
            consumed_tail: print.consumed_tail,
            lines: position.lines,
            compressed: !position.plain,
            all_have_ids: true,
            has_future_lines: false,
            options: options.to_owned(),
            read_at: 0,
        }))
    }
}

/// All files that were ingested.
///
/// A folder accumulates logs, and every ingest looks up each of them, by content and by name. The
/// maps keep that fast; only the list of files is written to the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRegistry {
    /// The files by number, in the order of insertion.
    files: BTreeMap<u64, SourceFile>,
    /// The numbers of all files by path.
    by_path: BTreeSet<(String, u64)>,
    /// The numbers of all files by size, tail and head.
    by_content: BTreeSet<(u64, String, String, u64)>,
    /// The numbers, by head, of the files whose head has full length.
    by_head: BTreeSet<(String, u64)>,
}

/// The written form of a [`SourceRegistry`].
#[derive(Serialize, Deserialize)]
struct List<F> {
    files: F,
}

impl SourceRegistry {
    /// Parses what [`SourceRegistry::to_bytes`] returned.
    pub fn from_bytes(bytes: &[u8]) -> Result<SourceRegistry> {
        let list: List<Vec<SourceFile>> = serde_json::from_slice(bytes)
            .map_err(|e| Error::failed("cannot parse the list of ingested files").caused_by(e))?;
        let mut registry = SourceRegistry::default();
        list.files.into_iter().for_each(|file| registry.insert(file));
        Ok(registry)
    }

    /// Returns all files as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&List { files: self.files.values().collect::<Vec<_>>() })
            .map_err(|e| Error::failed("cannot write the list of ingested files").caused_by(e))
    }

    /// Returns the number of files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Renames the files for which `rename` returns a name. Returns their number.
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

    /// Returns how to read a file; `options` is the hash for [`SourceFile::options`].
    pub fn plan(&self, path: &str, file: &File, options: &str) -> io::Result<ReadPlan> {
        self.plan_with(path, file.metadata()?.len(), options, |offset, len| hash_at(file, offset, len))
    }

    /// Returns how to read a file, given its size and a function that hashes a part of it: an
    /// offset and a length.
    fn plan_with(
        &self,
        path: &str,
        size: u64,
        options: &str,
        hash: impl FnMut(u64, u64) -> io::Result<String>,
    ) -> io::Result<ReadPlan> {
        let mut parts = FileHashes { hash, heads: Vec::new() };
        let usable = |source: &&SourceFile| source.options == options && !source.has_future_lines;
        if self.with_size(size).next().is_some() {
            let tail = parts.before(size)?;
            // One lookup per length of head. Nearly all heads have one length: only the head of a
            // file with a long unfinished line is shorter.
            let mut from = String::new();
            loop {
                let next =
                    self.heads_with_tail(size, &tail, &from).next().map(|(head, _)| hashed_length(head));
                let Some(len) = next else { break };
                let head = parts.head(len)?;
                let mut same = self.with_content(size, &tail, head);
                // The part that was not ingested must lie within the tail; else it may have
                // changed.
                let rest_is_hashed = |k: &SourceFile| k.compressed || k.size - k.consumed <= WINDOW;
                if same.any(|(_, source)| source.whole && usable(&source) && rest_is_hashed(source)) {
                    return Ok(ReadPlan::Skip);
                }
                from = after_length(len);
            }
        }
        // A file that has grown is looked up by name. A file that was rotated has another name; it
        // is looked up by its head, if that has full length.
        let mut growing: Vec<&SourceFile> = self.with_path(path).map(|(_, source)| source).collect();
        if size >= WINDOW && !self.by_head.is_empty() {
            growing.extend(self.with_head(parts.head(WINDOW)?));
        }
        growing.retain(|k| usable(k) && !k.compressed && k.all_have_ids && (1..=size).contains(&k.consumed));
        growing.sort_by_key(|source| std::cmp::Reverse(source.consumed));
        for source in growing {
            if parts.head(source.consumed.min(WINDOW))? == source.head
                && parts.before(source.consumed)? == source.consumed_tail
            {
                return Ok(ReadPlan::Resume { offset: source.consumed, lines: source.lines });
            }
        }
        Ok(ReadPlan::Full)
    }

    /// Returns the heads of the files with this name whose content is the beginning of this file.
    pub fn heads_continued_by(&self, path: &str, file: &File) -> io::Result<Vec<String>> {
        let mut parts = FileHashes { hash: |offset, len| hash_at(file, offset, len), heads: Vec::new() };
        let mut heads = Vec::new();
        for (_, source) in self.with_path(path) {
            if parts.head(hashed_length(&source.head))? == source.head {
                heads.push(source.head.clone());
            }
        }
        Ok(heads)
    }

    /// Records a file. It replaces files with the same content, files of the same name that were
    /// read in part, and those whose head is in `continued`; see
    /// [`heads_continued_by`](SourceRegistry::heads_continued_by).
    ///
    /// Other files of the same name stay: they may have been rotated and be ingested under a new
    /// name.
    pub fn record(&mut self, file: SourceFile, continued: &[String]) {
        let is_replaced = |source: &SourceFile| !source.whole || continued.contains(&source.head);
        let same_path = self.with_path(&file.path).filter(|(_, source)| is_replaced(source));
        let same_content = self.with_content(file.size, &file.tail, &file.head);
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

    fn with_path(&self, path: &str) -> impl Iterator<Item = (u64, &SourceFile)> {
        let found = self.by_path.range((path.to_owned(), 0)..=(path.to_owned(), u64::MAX));
        found.filter_map(|(_, number)| Some((*number, self.files.get(number)?)))
    }

    fn with_head(&self, head: &str) -> impl Iterator<Item = &SourceFile> {
        let found = self.by_head.range((head.to_owned(), 0)..=(head.to_owned(), u64::MAX));
        found.filter_map(|(_, number)| self.files.get(number))
    }

    fn with_size(&self, size: u64) -> impl Iterator<Item = u64> {
        let first = String::new();
        let from = self.by_content.range((size, first.clone(), first, 0)..);
        from.take_while(move |(other, ..)| *other == size).map(|(.., number)| *number)
    }

    /// Returns the heads, at or after `from`, of the files with a size and a tail.
    fn heads_with_tail(&self, size: u64, tail: &str, from: &str) -> impl Iterator<Item = (&str, u64)> {
        let found = self.by_content.range((size, tail.to_owned(), from.to_owned(), 0)..);
        found
            .take_while(move |(other_size, other, ..)| (*other_size, other.as_str()) == (size, tail))
            .map(|(_, _, head, number)| (head.as_str(), *number))
    }

    fn with_content(&self, size: u64, tail: &str, head: &str) -> impl Iterator<Item = (u64, &SourceFile)> {
        let found = self.heads_with_tail(size, tail, head).take_while(move |(other, _)| *other == head);
        found.filter_map(|(_, number)| Some((number, self.files.get(&number)?)))
    }
}

/// The hashes of parts of a file. Each head is hashed once.
struct FileHashes<F> {
    hash: F,
    heads: Vec<(u64, String)>,
}

impl<F: FnMut(u64, u64) -> io::Result<String>> FileHashes<F> {
    fn head(&mut self, len: u64) -> io::Result<&str> {
        let at = match self.heads.iter().position(|(length, _)| *length == len) {
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

#[cfg(test)]
mod tests {
    use super::super::fingerprint::hash;
    use super::*;

    /// A file that was ingested up to `consumed`. `lines` takes no part in recognizing it.
    fn source(path: &str, bytes: &[u8], consumed: usize) -> SourceFile {
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
            all_have_ids: true,
            has_future_lines: false,
            options: "o".to_owned(),
            read_at: 5,
        }
    }

    /// The plan for a file, and the number of parts that were hashed to find it.
    fn plan(files: &SourceRegistry, path: &str, bytes: &[u8]) -> (ReadPlan, usize) {
        let mut parts = 0;
        let plan = files.plan_with(path, bytes.len() as u64, "o", |offset, len| {
            parts += 1;
            Ok(hash(&bytes[offset as usize..(offset + len) as usize]))
        });
        (plan.unwrap(), parts)
    }

    fn all(files: impl IntoIterator<Item = SourceFile>) -> SourceRegistry {
        let mut all = SourceRegistry::default();
        files.into_iter().for_each(|file| all.record(file, &[]));
        all
    }

    #[test]
    fn lookup_among_many_files_hashes_two_parts() {
        let name = |n: u32| format!("{n}.ndjson");
        let short = |n: u32| format!("{{\"id\":{n:08}}}\n").into_bytes();
        // All have one size and one tail.
        let long = |n: u32| [short(n), vec![b'x'; 70_000]].concat();
        let files = (0..1000).map(|n| source(&name(n), &short(n), short(n).len()));
        let files = all(files.chain((1000..1050).map(|n| source(&name(n), &long(n), 66_000))));
        for n in 0..1000 {
            let (plan, parts) = plan(&files, &name(n), &short(n));
            assert_eq!(plan, ReadPlan::Skip, "{n}");
            assert!(parts <= 2, "{n}: {parts}");
        }
        for n in 1000..1050 {
            assert_eq!(plan(&files, "renamed", &long(n)), (ReadPlan::Skip, 2), "{n}");
        }
        // A file that is not in the registry, and one of a size that no file has.
        assert_eq!(plan(&files, "new", &short(5000)).0, ReadPlan::Full);
        assert!(plan(&files, "new", &short(5000)).1 <= 2);
        assert_eq!(plan(&files, "new", b"{}\n"), (ReadPlan::Full, 0));
    }

    #[test]
    fn grown_file_is_resumed() {
        let (short, long) = (b"{\"a\":1}\n{\"b".as_slice(), vec![b'y'; 70_000]);
        let files = all([source("short", short, 8), source("long", &long, 70_000)]);
        let grown = |bytes: &[u8]| [bytes, b"more\n"].concat();
        let on = |offset| ReadPlan::Resume { offset, lines: 7 };
        assert_eq!(plan(&files, "short", &grown(short)).0, on(8));
        assert_eq!(plan(&files, "other", &grown(short)).0, ReadPlan::Full);
        assert_eq!(plan(&files, "short", b"{\"A\":1}\n{\"b\":2}\n").0, ReadPlan::Full);
        assert_eq!(plan(&files, "long", &grown(&long)).0, on(70_000));
        assert_eq!(plan(&files, "rotated", &grown(&long)).0, on(70_000));
        // The longest beginning that is still the same wins.
        let mut longer = files.clone();
        longer.record(source("copy", &grown(&long), 70_005), &[]);
        assert_eq!(plan(&longer, "rotated", &grown(&grown(&long))).0, on(70_005));
        assert_eq!(plan(&longer, "rotated", &[&*long, b"other\n"].concat()).0, on(70_000));
        // The unfinished last line is still unfinished.
        assert_eq!(plan(&files, "moved", short), (ReadPlan::Skip, 2));
    }

    #[test]
    fn file_with_other_options_is_not_skipped() {
        let bytes = b"{\"a\":1}\n";
        let file = source("a", bytes, 8);
        let resume = ReadPlan::Resume { offset: 8, lines: 7 };
        for (file, expected) in [
            (file.clone(), ReadPlan::Skip),
            (SourceFile { options: "p".into(), ..file.clone() }, ReadPlan::Full),
            (SourceFile { has_future_lines: true, ..file.clone() }, ReadPlan::Full),
            (SourceFile { whole: false, ..file.clone() }, resume),
            (SourceFile { whole: false, all_have_ids: false, ..file.clone() }, ReadPlan::Full),
            (SourceFile { whole: false, compressed: true, ..file.clone() }, ReadPlan::Full),
        ] {
            assert_eq!(plan(&all([file.clone()]), "a", bytes).0, expected, "{file:?}");
        }
    }

    #[test]
    fn recorded_file_replaces_its_earlier_state() {
        let mut files = all([source("a", b"one\n", 4), source("b", b"two\n", 4)]);
        let mut grown = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut grown, b"one\nmore\n").unwrap();
        let continued = files.heads_continued_by("a", &grown).unwrap();
        assert_eq!(files.heads_continued_by("b", &grown).unwrap(), Vec::<String>::new());
        files.record(source("a", b"one\nmore\n", 9), &continued);
        assert_eq!(files.len(), 2);
        assert_eq!(plan(&files, "a", b"one\n").0, ReadPlan::Full);
        files.record(source("c", b"two\n", 4), &[]);
        assert_eq!(files.len(), 2);
        assert_eq!(plan(&files, "b", b"two\n").0, ReadPlan::Skip);
        let written = files.to_bytes().unwrap();
        assert!(written.starts_with(b"{\"files\":[{\"path\":\"a\",\"size\":9,"));
        assert_eq!(SourceRegistry::from_bytes(&written).unwrap().to_bytes().unwrap(), written);
        assert_eq!(files.rename(|path| (path == "c").then(|| "d".to_owned())), 1);
        // A file that was read in part is replaced when it has been read further.
        files.record(SourceFile { whole: false, ..source("e", b"four\nfive\n", 5) }, &[]);
        files.record(source("e", b"four\nfive\n", 10), &[]);
        assert_eq!(files.len(), 3);
    }

    #[test]
    fn rotated_file_stays_in_the_registry() {
        let mut files = all([source("log", b"monday\n", 7)]);
        for (day, before) in
            [(b"tuesday\n".as_slice(), b"monday\n".as_slice()), (b"wednesday\n", b"tuesday\n")]
        {
            files.record(source("log", day, day.len()), &[]);
            assert_eq!(plan(&files, "log", day).0, ReadPlan::Skip);
            assert_eq!(plan(&files, "log.1", before).0, ReadPlan::Skip);
        }
        assert_eq!(plan(&files, "log.2", b"monday\n").0, ReadPlan::Skip);
    }
}
