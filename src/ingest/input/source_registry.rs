//! The source registry: the files that were ingested. It decides whether a file is skipped,
//! resumed, or read in full.
//!
//! The registry only saves time: events that are read again are duplicates. Invariants:
//!
//! - A part of a file is skipped only if all its bytes equal the ingested bytes.
//! - A file that has the same [status](FileStatus) as when it was ingested is unchanged, and its
//!   bytes are not read. A status that a later change could repeat is not recorded.
//! - Any other file is recognized by the hash of all bytes that were ingested, regardless of its
//!   name. Size and the hashes of head and tail select the entries for which that hash is computed.
//!
//! An entry without a content hash was written by an earlier version, and its file is read again.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};

use super::content_hash::ContentHash;
use super::file_status::FileStatus;
use super::fingerprint::{
    Fingerprint, WINDOW, after_length, hash_part, hash_prefixes, hashed_length, window_before,
};
use crate::error::{Error, Result};
use crate::positional_read::read_full_at;
use crate::store::Snapshot;
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
    /// Hash of the last bytes before `size`, at most 64 KiB.
    pub tail: String,
    /// Offset after the last line that was ingested; for a compressed file, its size.
    pub consumed: u64,
    /// Hash of the last bytes before `consumed`, at most 64 KiB.
    pub consumed_tail: String,
    /// Hash of all bytes before `consumed`: XXH3, 128 bits, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Status of the file, which was the same before and after reading; `None` if a later change
    /// could result in the same status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<FileStatus>,
    /// Number of lines up to `consumed`.
    pub lines: u64,
    /// Whether the file was ingested to its end, except for an unfinished last line.
    pub whole: bool,
    /// Whether the file is compressed and cannot be resumed.
    pub compressed: bool,
    /// Whether all events have an id from the log. Otherwise the file cannot be resumed, since a
    /// derived id depends on all earlier lines.
    pub all_have_ids: bool,
    /// Whether lines were rejected as too far in the future. A later ingest may accept them.
    pub has_future_lines: bool,
    /// Hash of the options and settings on which the stored events depend.
    pub options: String,
    /// The map that read it; `None` for native lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapVersion>,
    /// Time of the ingest that last read it.
    pub read_at: Micros,
}

/// The map that read a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapVersion {
    /// Name of the preset, or path of the file.
    pub name: String,
    /// SHA-256 of the map, in hexadecimal.
    pub sha256: String,
}

/// The options and maps by which the files of an ingest are read.
#[derive(Clone, Debug, Default)]
pub struct ReadRules {
    /// Hash of the options and settings on which the stored events depend.
    pub options: String,
    /// SHA-256 of the map that the user chose for all files.
    pub given: Option<String>,
    /// SHA-256 of each map that is tried to detect the format of a file.
    pub candidates: Vec<String>,
}

impl ReadRules {
    /// Returns whether a file that was read with this map (`None` for native lines) would be read
    /// in the same way now.
    fn include(&self, map: Option<&MapVersion>) -> bool {
        match (&self.given, map) {
            (Some(given), map) => map.is_some_and(|map| map.sha256 == *given),
            (None, Some(map)) => self.candidates.contains(&map.sha256),
            (None, None) => true,
        }
    }
}

/// How to read a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadPlan {
    /// Skip the file, which is unchanged since it was ingested. Holds its entry.
    Skip(Box<SourceFile>),
    /// Read from an offset. The bytes before it were ingested.
    Resume {
        /// Hash of the part before the offset.
        hash: Box<ContentHash>,
        /// Number of lines before the offset.
        lines: u64,
        /// SHA-256 of the map that read it; `None` for native lines.
        map: Option<String>,
    },
    /// Read the whole file.
    Full,
}

/// The position up to which a file was read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadPosition {
    /// Offset after the last whole line.
    pub consumed: u64,
    /// Hash of the bytes before it; `None` if the position cannot be recorded.
    pub content: Option<u128>,
    /// Number of whole lines.
    pub lines: u64,
    /// Whether the file is not compressed, so that reading can resume at the offset.
    pub plain: bool,
}

impl SourceFile {
    /// Returns whether reading the same bytes again by these rules would change nothing.
    fn is_usable(&self, rules: &ReadRules) -> bool {
        self.options == rules.options
            && rules.include(self.map.as_ref())
            && !self.has_future_lines
            && self.content.is_some()
    }

    /// Returns whether the file can be skipped as long as its recorded properties are the same. The
    /// part that was not ingested must lie inside the tail, since otherwise a change of it would go
    /// unnoticed.
    fn can_skip(&self) -> bool {
        let rest = self.size.checked_sub(self.consumed);
        self.whole && (self.compressed || rest.is_some_and(|rest| rest <= WINDOW))
    }

    /// Returns whether this entry makes another one unnecessary: both files were read in the same
    /// way, and this one has the same content or is a later state of the same file.
    fn includes(&self, other: &SourceFile) -> bool {
        let map = |file: &SourceFile| file.map.as_ref().map(|map| map.sha256.clone());
        let same_content = (self.size, self.consumed, &self.head, &self.tail, &self.content)
            == (other.size, other.consumed, &other.head, &other.tail, &other.content);
        let is_later = !self.compressed
            && !other.compressed
            && (&self.path, &self.head) == (&other.path, &other.head)
            && self.consumed > other.consumed;
        (same_content || is_later)
            && self.options == other.options
            && map(self) == map(other)
            && self.content.is_some() >= other.content.is_some()
            && self.whole >= other.whole
            && self.has_future_lines <= other.has_future_lines
    }

    /// Creates the entry of a file that was read up to a position; `None` if the file is now
    /// shorter, or the position cannot be recorded. The caller sets `whole`, `status`,
    /// `all_have_ids`, `has_future_lines` and `read_at`.
    pub fn describe(
        name: &str,
        handle: &File,
        position: ReadPosition,
        options: &str,
    ) -> io::Result<Option<SourceFile>> {
        let Some(content) = position.content else { return Ok(None) };
        Ok(Fingerprint::compute(handle, position.consumed)?.map(|print| SourceFile {
            path: name.to_owned(),
            whole: false,
            size: print.size,
            head: print.head,
            tail: print.tail,
            consumed: position.consumed,
            consumed_tail: print.consumed_tail,
            content: Some(content_text(content)),
            status: None,
            lines: position.lines,
            compressed: !position.plain,
            all_have_ids: true,
            has_future_lines: false,
            options: options.to_owned(),
            map: None,
            read_at: 0,
        }))
    }
}

/// Formats a content hash in hexadecimal.
fn content_text(hash: u128) -> String {
    format!("{hash:032x}")
}

/// All files that were ingested.
///
/// Folders accumulate logs, and every ingest looks up each of them by content and by name. The
/// indexes make these lookups fast; only the list of files is written to the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRegistry {
    /// The files by number, in the order of insertion.
    files: BTreeMap<u64, SourceFile>,
    /// The numbers of all files by path.
    by_path: BTreeSet<(String, u64)>,
    /// The numbers of all files by size, tail and head.
    by_content: BTreeSet<(u64, String, String, u64)>,
    /// The numbers of the files whose head has full length, by head.
    by_head: BTreeSet<(String, u64)>,
}

/// The written form of a [`SourceRegistry`].
#[derive(Serialize, Deserialize)]
struct List<F> {
    files: F,
}

impl SourceRegistry {
    /// Reads the registry of a state of the store.
    ///
    /// # Errors
    /// Fails if its file is missing or damaged.
    pub fn load(snapshot: &Snapshot) -> Result<SourceRegistry> {
        match &snapshot.manifest().sources {
            Some(file) => SourceRegistry::from_bytes(&snapshot.read_checked(&file.path, &file.checksum)?),
            None => Ok(SourceRegistry::default()),
        }
    }

    /// Parses the output of [`SourceRegistry::to_bytes`].
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

    /// Returns whether a file was ingested to its end when it had this size and status.
    pub fn is_unchanged(&self, path: &str, size: u64, status: &FileStatus, rules: &ReadRules) -> bool {
        let same = |source: &SourceFile| source.size == size && source.status.as_ref() == Some(status);
        self.with_path(path).any(|(_, source)| same(source) && source.is_usable(rules) && source.can_skip())
    }

    /// Returns how to read a file.
    pub fn plan(&self, path: &str, file: &File, rules: &ReadRules) -> io::Result<ReadPlan> {
        let read = |offset, bytes: &mut [u8]| read_full_at(file, bytes, offset);
        self.plan_with(path, file.metadata()?.len(), rules, read)
    }

    /// Returns how to read a file, given its size and a function that fills a buffer from an
    /// offset.
    fn plan_with(
        &self,
        path: &str,
        size: u64,
        rules: &ReadRules,
        read: impl FnMut(u64, &mut [u8]) -> io::Result<usize>,
    ) -> io::Result<ReadPlan> {
        let mut parts = FileParts { read, heads: Vec::new() };
        let mut same: Vec<&SourceFile> = Vec::new();
        if self.with_size(size).next().is_some() {
            let tail = parts.before(size)?;
            // There is one lookup per length of head. Nearly all heads have the same length; only a
            // file with a long unfinished line has a shorter head.
            let mut from = String::new();
            loop {
                let next =
                    self.heads_with_tail(size, &tail, &from).next().map(|(head, _)| hashed_length(head));
                let Some(len) = next else { break };
                let head = parts.head(len)?;
                same.extend(self.with_content(size, &tail, head).map(|(_, source)| source));
                from = after_length(len);
            }
        }
        same.retain(|source| source.is_usable(rules) && source.can_skip());
        // A file that has grown is looked up by name. A rotated file has another name, so it is
        // looked up by its head, if the head has full length.
        let mut growing: Vec<&SourceFile> = self.with_path(path).map(|(_, source)| source).collect();
        if size >= WINDOW && !self.by_head.is_empty() {
            growing.extend(self.with_head(parts.head(WINDOW)?));
        }
        growing.retain(|k| {
            let can_grow = !k.compressed && k.all_have_ids && (1..=size).contains(&k.consumed);
            k.is_usable(rules) && can_grow && !same.iter().any(|source| std::ptr::eq(*source, *k))
        });
        let mut ends = BTreeSet::new();
        for (index, source) in growing.iter().enumerate() {
            if parts.head(source.consumed.min(WINDOW))? == source.head
                && parts.before(source.consumed)? == source.consumed_tail
            {
                ends.insert((source.consumed, index));
            }
        }
        let growing: Vec<&SourceFile> =
            ends.into_iter().filter_map(|(_, index)| growing.get(index).copied()).collect();
        // The file is read only now: one pass returns the hashes for all candidates.
        let ends: BTreeSet<u64> = same.iter().chain(&growing).map(|source| source.consumed).collect();
        let hashes = hash_prefixes(&mut parts.read, &Vec::from_iter(ends))?;
        let hash_of = |source: &SourceFile| {
            let hash = hashes.iter().find(|hash| hash.length() == source.consumed)?;
            (source.content == Some(content_text(hash.digest()))).then_some(hash)
        };
        if let Some(source) = same.iter().find(|source| hash_of(source).is_some()) {
            return Ok(ReadPlan::Skip(Box::new((*source).clone())));
        }
        let resumed = growing.iter().rev().find_map(|source| {
            let map = source.map.as_ref().map(|map| map.sha256.clone());
            Some(ReadPlan::Resume { hash: Box::new(hash_of(source)?.clone()), lines: source.lines, map })
        });
        Ok(resumed.unwrap_or(ReadPlan::Full))
    }

    /// Returns the heads with which this file begins, among those recorded for files with this
    /// name.
    pub fn heads_continued_by(&self, path: &str, file: &File) -> io::Result<Vec<String>> {
        let read = |offset, bytes: &mut [u8]| read_full_at(file, bytes, offset);
        let mut parts = FileParts { read, heads: Vec::new() };
        let mut heads = Vec::new();
        for (_, source) in self.with_path(path) {
            if parts.head(hashed_length(&source.head))? == source.head {
                heads.push(source.head.clone());
            }
        }
        Ok(heads)
    }

    /// Returns whether events of a file, or of an earlier state of it, were read with another map.
    /// `continued` has the heads with which it begins: see
    /// [`heads_continued_by`](SourceRegistry::heads_continued_by).
    pub fn has_other_map(&self, file: &SourceFile, continued: &[String]) -> bool {
        let map = |file: &SourceFile| file.map.as_ref().map(|map| map.sha256.clone());
        let mut earlier = self.with_path(&file.path).filter(|(_, source)| continued.contains(&source.head));
        // A file without native events cannot be resumed.
        let has_events = |source: &SourceFile| source.map.is_some() || source.all_have_ids;
        earlier.any(|(_, source)| source.consumed > 0 && has_events(source) && map(source) != map(file))
    }

    /// Records a file. It replaces files with the same content, files of the same name that were
    /// read in part, and those whose head is in `continued`: see
    /// [`heads_continued_by`](SourceRegistry::heads_continued_by).
    ///
    /// Other files of the same name stay, since a rotated file may be ingested again under its new
    /// name.
    pub fn record(&mut self, file: SourceFile, continued: &[String]) {
        let is_replaced = |source: &SourceFile| !source.whole || continued.contains(&source.head);
        let same_path = self.with_path(&file.path).filter(|(_, source)| is_replaced(source));
        let same_content = self
            .with_content(file.size, &file.tail, &file.head)
            .filter(|(_, source)| source.content.is_none() || source.content == file.content);
        let old: Vec<u64> = same_path.chain(same_content).map(|(number, _)| number).collect();
        for number in old {
            self.remove(number);
        }
        self.insert(file);
    }

    /// Adds the files of another store's registry, and returns the number of new files.
    ///
    /// The status of a file is not adopted, since the other store can be from another machine. The
    /// file is then recognized by its content. Of two states of a growing file, the later one
    /// remains.
    pub fn merge(&mut self, other: SourceRegistry) -> u64 {
        let mut new = 0;
        for file in other.files.into_values() {
            let similar: Vec<u64> = self
                .with_path(&file.path)
                .chain(self.with_content(file.size, &file.tail, &file.head))
                .map(|(number, _)| number)
                .collect();
            let stored = |number: &u64| self.files.get(number);
            if similar.iter().filter_map(stored).any(|source| source.includes(&file)) {
                continue;
            }
            let replaced =
                similar.into_iter().filter(|n| stored(n).is_some_and(|source| file.includes(source)));
            for number in replaced.collect::<BTreeSet<u64>>() {
                self.remove(number);
            }
            self.insert(SourceFile { status: None, ..file });
            new += 1;
        }
        new
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

    /// Returns the heads, from `from` on, and the numbers of the files with this size and tail.
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

/// The hashes of parts of a file. Each head is hashed once. `read` fills a buffer from an offset.
struct FileParts<R> {
    read: R,
    heads: Vec<(u64, String)>,
}

impl<R: FnMut(u64, &mut [u8]) -> io::Result<usize>> FileParts<R> {
    fn head(&mut self, len: u64) -> io::Result<&str> {
        let at = match self.heads.iter().position(|(length, _)| *length == len) {
            Some(at) => at,
            None => {
                self.heads.push((len, hash_part(&mut self.read, 0, len)?));
                self.heads.len() - 1
            }
        };
        Ok(self.heads.get(at).map_or("", |(_, head)| head))
    }

    fn before(&mut self, end: u64) -> io::Result<String> {
        let (offset, len) = window_before(end);
        hash_part(&mut self.read, offset, len)
    }
}
