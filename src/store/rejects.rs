//! Rejected lines.
//!
//! Invariants:
//!
//! - A rejected line is stored once, however often it is ingested. Lines are the same if they
//!   have the same SHA-256, the same values from their wrapping, and the same envelope.
//! - Files of rejected lines are immutable and named by the manifest, like the files of tables.
//!
//! `rejects/<uuid>.ndjson` has one JSON object per line, a serialized [`RejectRecord`]. New lines
//! are committed in the transaction of their batch. After a crash, the store contains both or
//! neither: see `store::transaction`.

pub mod rewrite;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use base64::Engine;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::manifest::AuxiliaryFile;
use super::paths::REJECTS_DIR;
use super::snapshot::Snapshot;
use super::temp_files::TempFiles;
use super::transaction::Transaction;
use crate::error::{Error, Result};
use crate::prehashed::PreHashed;
use crate::time::Micros;

/// Default maximum number of hashes of stored lines in memory.
const MAX_HASHES: usize = 1 << 20;

/// A rejected line as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectRecord {
    /// Input file.
    pub file: String,
    /// Line number in the input file, from 1.
    pub line: u64,
    /// Index of the element in its envelope, from 0; `None` for a whole line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Offset of the record in the decompressed file, if a line contains several records or a
    /// record spans lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Keyed hash of the envelope, or of the record, that contains the element.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    /// Why the line was rejected.
    pub reason: String,
    /// Length of the line in bytes.
    pub length: u64,
    /// SHA-256 of the line, in hexadecimal.
    pub sha256: String,
    /// Keyed hash of the line as it was read. Present if the line contains IP addresses. If these
    /// were removed, `length` and `sha256` describe the remaining line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyed_hash: Option<String>,
    /// When the line was rejected, as RFC 3339.
    pub rejected_at: String,
    /// Text of the line, up to 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Bytes of the line in base64, up to 64 KiB, if they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_base64: Option<String>,
    /// The map that read the line; `None` for the native format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
    /// The names of the line's columns, if the file names its columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// The column values that the wrapping of the line supplies, as a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// Whether the stored bytes are only part of a record. The rest of the record is not stored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_part: bool,
    /// The number of times that the line occurs in a file, if it is more than one. If several files
    /// contain the line, the largest number. Repeats in later batches are not counted: the record
    /// is immutable by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
}

impl RejectRecord {
    /// Returns the stored bytes of the line.
    pub fn raw_bytes(&self) -> Vec<u8> {
        match (&self.raw, &self.raw_base64) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(encoded)) => {
                base64::engine::general_purpose::STANDARD.decode(encoded).unwrap_or_default()
            }
            (None, None) => Vec::new(),
        }
    }

    /// Sets the raw bytes of the line: as text if they are UTF-8, else as base64.
    pub fn with_raw(mut self, bytes: &[u8]) -> RejectRecord {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.raw = Some(text.to_owned()),
            // The 64 KiB limit split a character: drop its incomplete bytes.
            Err(e) if e.error_len().is_none() && bytes.len() as u64 != self.length => {
                self.raw = bytes.get(..e.valid_up_to()).map(|b| String::from_utf8_lossy(b).into_owned());
            }
            Err(_) => self.raw_base64 = Some(base64::engine::general_purpose::STANDARD.encode(bytes)),
        }
        self
    }
}

/// The hashes of stored lines. A writer reads each file once, not once per batch.
///
/// A hash takes up to about 40 bytes of memory. When the maximum is reached, all hashes are moved
/// to a sorted run in a temporary file, 16 bytes each. Each later batch reads all runs.
#[derive(Debug)]
pub struct RejectIndex {
    hashes: HashSet<u128, PreHashed>,
    runs: Vec<PathBuf>,
    /// Files of rejected lines whose hashes are in the index.
    files: HashSet<String>,
    max_hashes: usize,
    temp_files: TempFiles,
}

impl RejectIndex {
    /// Returns an empty index.
    pub fn new(temp_files: TempFiles) -> RejectIndex {
        RejectIndex::with_max_hashes(MAX_HASHES, temp_files)
    }

    /// Returns an empty index that keeps at most `max_hashes` hashes in memory, and at least one.
    fn with_max_hashes(max_hashes: usize, temp_files: TempFiles) -> RejectIndex {
        let hashes = HashSet::with_hasher(PreHashed);
        let max_hashes = max_hashes.max(1);
        RejectIndex { hashes, runs: Vec::new(), files: HashSet::new(), max_hashes, temp_files }
    }

    /// Adds the hashes of a file.
    fn add_file(&mut self, file: &str, hashes: impl Iterator<Item = u128>) -> Result<()> {
        for hash in hashes {
            if self.hashes.len() >= self.max_hashes {
                let mut hashes: Vec<u128> = self.hashes.drain().collect();
                hashes.sort_unstable();
                let bytes: Vec<u8> = hashes.into_iter().flat_map(u128::to_le_bytes).collect();
                self.runs.push(self.temp_files.write(&bytes)?);
            }
            self.hashes.insert(hash);
        }
        self.files.insert(file.to_owned());
        Ok(())
    }

    /// Removes from `new` the lines whose hashes are in a run.
    fn remove_spilled(&self, new: &mut HashMap<u128, usize, PreHashed>) -> Result<()> {
        if self.runs.is_empty() {
            return Ok(());
        }
        let mut sorted: Vec<u128> = new.keys().copied().collect();
        sorted.sort_unstable();
        for run in &self.runs {
            let bytes = self.temp_files.read(run)?;
            let mut run = bytes
                .chunks_exact(16)
                .filter_map(|hash| hash.try_into().ok())
                .map(u128::from_le_bytes)
                .peekable();
            for hash in &sorted {
                while run.next_if(|other| other < hash).is_some() {}
                if run.next_if_eq(hash).is_some() {
                    new.remove(hash);
                }
            }
        }
        Ok(())
    }
}

/// Stores the rejected lines that are not stored yet. Returns their number.
///
/// # Errors
/// Fails if stored lines cannot be read, or a file cannot be written.
pub fn append(
    snapshot: &Snapshot,
    transaction: &mut Transaction,
    mut rejects: Vec<RejectRecord>,
    index: &mut RejectIndex,
    now: Micros,
) -> Result<u64> {
    // For each hash, the position of the first line with that hash.
    let mut new: HashMap<u128, usize, PreHashed> =
        HashMap::with_capacity_and_hasher(rejects.len(), PreHashed);
    let mut repeated: HashMap<usize, Repeated> = HashMap::new();
    for (position, reject) in rejects.iter().enumerate() {
        let hash = line_hash(&reject.sha256, reject.given.as_deref(), reject.envelope.as_deref());
        if !index.hashes.contains(&hash) {
            let first = *new.entry(hash).or_insert(position);
            if let Some(original) = rejects.get(first).filter(|_| first != position) {
                repeated.entry(first).or_insert_with(|| Repeated::new(original)).add(reject);
            }
        }
    }
    for (position, repeated) in repeated {
        if let Some(reject) = rejects.get_mut(position) {
            reject.times = Some(repeated.most).filter(|times| *times > 1);
        }
    }
    if new.is_empty() {
        return Ok(0);
    }
    index.remove_spilled(&mut new)?;
    let files = snapshot.manifest().rejects.iter();
    let unread: Vec<&AuxiliaryFile> = files.filter(|file| !index.files.contains(&file.path)).collect();
    for file in unread {
        let bytes = snapshot.read_checked(&file.path, &file.checksum)?;
        let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect();
        let hashes = lines
            .par_iter()
            .map(|line| {
                let line = serde_json::from_slice::<LineIdentity>(line)?;
                Ok(line_hash(&line.sha256, line.given.as_deref(), line.envelope.as_deref()))
            })
            .collect::<Result<Vec<u128>, serde_json::Error>>()
            .map_err(|e| Error::failed(format!("cannot read {}", file.path)).caused_by(e))?;
        for hash in &hashes {
            new.remove(hash);
        }
        index.add_file(&file.path, hashes.into_iter())?;
    }
    let mut order: Vec<(usize, u128)> = new.into_iter().map(|(hash, position)| (position, hash)).collect();
    order.sort_unstable();
    let mut bytes = Vec::new();
    for reject in order.iter().filter_map(|(position, _)| rejects.get(*position)) {
        serde_json::to_writer(&mut bytes, reject)
            .map_err(|e| Error::failed("cannot write the rejected lines").caused_by(e))?;
        bytes.push(b'\n');
    }
    let rows = order.len() as u64;
    if rows > 0 {
        let name = format!("{}.ndjson", uuid::Uuid::new_v4().simple());
        let file = transaction.add_auxiliary(REJECTS_DIR, &name, &bytes, rows, now)?;
        index.add_file(&file.path, order.into_iter().map(|(_, hash)| hash))?;
        transaction.manifest().rejects.push(file);
    }
    Ok(rows)
}

/// Counts the occurrences of a line file by file, and keeps the largest count of a file.
struct Repeated {
    file: String,
    position: (u64, Option<u64>, Option<u32>),
    times: u64,
    most: u64,
}

impl Repeated {
    fn new(first: &RejectRecord) -> Repeated {
        let times = first.times.unwrap_or(1);
        Repeated { file: first.file.clone(), position: position(first), times, most: times }
    }

    fn add(&mut self, reject: &RejectRecord) {
        if self.file != reject.file {
            self.file.clone_from(&reject.file);
            self.times = 0;
        } else if position(reject) <= self.position {
            // The command line named the file twice.
            return;
        }
        self.position = position(reject);
        self.times += reject.times.unwrap_or(1);
        self.most = self.most.max(self.times);
    }
}

fn position(reject: &RejectRecord) -> (u64, Option<u64>, Option<u32>) {
    (reject.line, reject.offset, reject.index)
}

/// Parses the first half of a SHA-256 or HMAC in hexadecimal. Returns 0, which is not the hash of
/// any line, for other strings.
pub(crate) fn hash_prefix(sha256: &str) -> u128 {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(u128::from);
    let prefix = sha256.as_bytes().first_chunk::<32>();
    prefix
        .and_then(|prefix| prefix.iter().try_fold(0, |hash, byte| Some(hash << 4 | digit(*byte)?)))
        .unwrap_or(0)
}

/// Returns the hash that identifies a line. The hash covers the text of the line, the values from
/// its wrapping, and its envelope.
fn line_hash(sha256: &str, given: Option<&str>, envelope: Option<&str>) -> u128 {
    let given = given.map_or(0, |given| xxhash_rust::xxh3::xxh3_128(given.as_bytes()));
    let envelope = envelope.map_or(0, |hash| hash_prefix(hash).rotate_left(1));
    hash_prefix(sha256) ^ given ^ envelope
}

/// The fields of a stored line that the index needs.
#[derive(Deserialize)]
struct LineIdentity<'a> {
    #[serde(borrow)]
    sha256: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    given: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    envelope: Option<std::borrow::Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::Store;
    use crate::store::manifest::Manifest;

    fn reject(n: u64) -> RejectRecord {
        RejectRecord {
            file: "a.ndjson".into(),
            line: n,
            index: None,
            offset: None,
            envelope: None,
            reason: "not_json".into(),
            length: 1,
            sha256: format!("{n:032x}{:032x}", 0),
            keyed_hash: None,
            rejected_at: "2026-01-01T00:00:00Z".into(),
            raw: Some("x".into()),
            raw_base64: None,
            map: None,
            columns: None,
            given: None,
            is_part: false,
            times: None,
        }
    }

    /// Adds and commits batches of lines. Returns the number of new lines of each batch.
    fn append_batches(dir: &Path, max_hashes: usize, batches: &[&[u64]]) -> (Vec<u64>, RejectIndex) {
        let store = Store::new(dir);
        let mut writer = store.writer_without_lock(|| Manifest::new(0, "UTC", 1)).unwrap();
        let mut index = RejectIndex::with_max_hashes(max_hashes, writer.temp_files());
        let mut new = Vec::new();
        for batch in batches {
            let mut transaction = writer.begin();
            let rejects = batch.iter().map(|n| reject(*n)).collect();
            let snapshot = transaction.snapshot().unwrap();
            new.push(append(&snapshot, &mut transaction, rejects, &mut index, 0).unwrap());
            writer.commit(transaction, 0).unwrap();
        }
        writer.finish().unwrap();
        (new, index)
    }

    #[test]
    fn repeated_line_is_stored_once_for_any_memory_limit() {
        for max_hashes in [0, 3, 4, 100] {
            let folder = tempfile::tempdir().unwrap();
            let (new, index) =
                append_batches(folder.path(), max_hashes, &[&[1, 2, 1], &[2, 3], &[3, 1], &[4, 5, 4, 2]]);
            assert_eq!(new, [2, 1, 0, 2], "at most {max_hashes} hashes");
            assert!(index.hashes.len() <= max_hashes.max(1));
            // Another writer starts with an empty index and reads the stored lines.
            let (new, index) = append_batches(folder.path(), max_hashes, &[&[5, 6], &[6, 1]]);
            assert_eq!(new, [1, 0], "at most {max_hashes} hashes");
            assert!(index.hashes.len() <= max_hashes.max(1));
        }
    }

    #[test]
    fn stored_lines_are_read_once_with_a_low_memory_limit() {
        let folder = tempfile::tempdir().unwrap();
        append_batches(folder.path(), 2, &[&[1, 2, 3], &[4]]);
        let (new, index) = append_batches(folder.path(), 2, &[&[5], &[6, 7], &[1, 7, 4, 8]]);
        assert_eq!(new, [1, 2, 1]);
        // Two files of the first writer and three of the second: none will be read again.
        assert_eq!(index.files.len(), 5);
        // Two of the eight hashes are in memory.
        assert_eq!((index.runs.len(), index.hashes.len()), (3, 2));
    }

    #[test]
    fn stored_lines_are_read_once_by_a_writer() {
        let folder = tempfile::tempdir().unwrap();
        append_batches(folder.path(), 100, &[&[1, 2], &[3]]);
        let (_, index) = append_batches(folder.path(), 100, &[&[4], &[5], &[1]]);
        // Two files of the first writer and two of the second.
        assert_eq!((index.files.len(), index.hashes.len()), (4, 5));
    }
}
