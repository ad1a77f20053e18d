//! Refused lines, kept as NDJSON in `rejects/`: each once, however often it comes again.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use base64::Engine;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::manifest::SideFile;
use super::snapshot::Snapshot;
use super::temp_files::Scratch;
use super::transaction::{REJECTS, Transaction};
use crate::error::{Error, Result};
use crate::prehashed::PreHashed;
use crate::time::Micros;

/// The most hashes of kept lines that a run holds.
const MOST_KNOWN: usize = 1 << 20;

/// A refused line, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The file it came from.
    pub file: String,
    /// Its line number, from 1.
    pub line: u64,
    /// Which element of the envelope on that line, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Why it was refused.
    pub reason: String,
    /// Its length in bytes.
    pub length: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Keyed hash of its bytes as they came: length and SHA-256 are those of what is left where
    /// addresses were taken out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyed_hash: Option<String>,
    /// When it was refused, RFC 3339.
    pub refused_at: String,
    /// Its text, up to 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Its bytes in base64, up to 64 KiB, where they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_base64: Option<String>,
}

impl Reject {
    /// Puts the raw bytes in, as text where they are text.
    pub fn with_raw(mut self, bytes: &[u8]) -> Reject {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.raw = Some(text.to_owned()),
            // A cut at 64 KiB can fall into a character: what is before it is text all the same.
            Err(e) if e.error_len().is_none() && bytes.len() as u64 != self.length => {
                self.raw = bytes.get(..e.valid_up_to()).map(|b| String::from_utf8_lossy(b).into_owned());
            }
            Err(_) => self.raw_base64 = Some(base64::engine::general_purpose::STANDARD.encode(bytes)),
        }
        self
    }
}

/// What is known of the kept lines while one writer is at work: their hashes, so that they are read
/// once and not again for every batch. Takes up to about 40 bytes a hash.
///
/// When there are more than may be held, they are put aside in runs, each in order. A batch reads those once,
/// sixteen bytes a line.
#[derive(Debug)]
pub struct Known {
    hashes: HashSet<u128, PreHashed>,
    runs: Vec<PathBuf>,
    /// The files all of whose hashes are among these.
    files: HashSet<String>,
    /// The most hashes that are held.
    most: usize,
    scratch: Scratch,
}

impl Known {
    /// Knows nothing yet.
    pub fn new(scratch: Scratch) -> Known {
        Known::with_room_for(MOST_KNOWN, scratch)
    }

    /// Knows nothing yet, and will hold so many hashes at most, or one.
    fn with_room_for(most: usize, scratch: Scratch) -> Known {
        let (hashes, runs, files) = (HashSet::with_hasher(PreHashed), Vec::new(), HashSet::new());
        Known { hashes, runs, files, most: most.max(1), scratch }
    }

    /// Takes in the hashes of a file.
    fn learn(&mut self, file: &str, hashes: impl Iterator<Item = u128>) -> Result<()> {
        for hash in hashes {
            if self.hashes.len() >= self.most {
                let mut hashes: Vec<u128> = self.hashes.drain().collect();
                hashes.sort_unstable();
                let bytes: Vec<u8> = hashes.into_iter().flat_map(u128::to_le_bytes).collect();
                self.runs.push(self.scratch.write(&bytes)?);
            }
            self.hashes.insert(hash);
        }
        self.files.insert(file.to_owned());
        Ok(())
    }

    /// Takes those lines out whose hashes were put aside.
    fn take_out(&self, fresh: &mut HashMap<u128, Reject, PreHashed>) -> Result<()> {
        if self.runs.is_empty() {
            return Ok(());
        }
        let mut sorted: Vec<u128> = fresh.keys().copied().collect();
        sorted.sort_unstable();
        for run in &self.runs {
            let bytes = self.scratch.read(run)?;
            let mut run = bytes
                .chunks_exact(16)
                .filter_map(|hash| hash.try_into().ok())
                .map(u128::from_le_bytes)
                .peekable();
            for hash in &sorted {
                while run.next_if(|other| other < hash).is_some() {}
                if run.next_if_eq(hash).is_some() {
                    fresh.remove(hash);
                }
            }
        }
        Ok(())
    }
}

/// Writes those of the refused lines that are not kept yet. Returns how many are new.
pub fn add(
    snapshot: &Snapshot,
    transaction: &mut Transaction,
    rejects: Vec<Reject>,
    known: &mut Known,
    now: Micros,
) -> Result<u64> {
    let mut fresh: HashMap<u128, Reject, PreHashed> =
        HashMap::with_capacity_and_hasher(rejects.len(), PreHashed);
    let mut order = Vec::with_capacity(rejects.len());
    for reject in rejects {
        let hash = head(&reject.sha256);
        if !known.hashes.contains(&hash) && !fresh.contains_key(&hash) {
            order.push(hash);
            fresh.insert(hash, reject);
        }
    }
    if fresh.is_empty() {
        return Ok(0);
    }
    known.take_out(&mut fresh)?;
    let files = snapshot.manifest().rejects.iter();
    let unread: Vec<&SideFile> = files.filter(|file| !known.files.contains(&file.path)).collect();
    for file in unread {
        let bytes = snapshot.bytes_checked(&file.path, &file.checksum)?;
        let lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()).collect();
        let hashes = lines
            .par_iter()
            .map(|line| serde_json::from_slice::<Sha256>(line).map(|line| head(&line.sha256)))
            .collect::<Result<Vec<u128>, _>>()
            .map_err(|e| Error::failed(format!("cannot read {}", file.path)).caused_by(e))?;
        for hash in &hashes {
            fresh.remove(hash);
        }
        known.learn(&file.path, hashes.into_iter())?;
    }
    order.retain(|hash| fresh.contains_key(hash));
    let mut bytes = Vec::new();
    for reject in order.iter().filter_map(|hash| fresh.get(hash)) {
        serde_json::to_writer(&mut bytes, reject)
            .map_err(|e| Error::failed("cannot write the refused lines").caused_by(e))?;
        bytes.push(b'\n');
    }
    let rows = order.len() as u64;
    if rows > 0 {
        let name = format!("{}.ndjson", uuid::Uuid::new_v4().simple());
        let file = transaction.add_side(REJECTS, &name, &bytes, rows, now)?;
        known.learn(&file.path, order.into_iter())?;
        transaction.manifest().rejects.push(file);
    }
    Ok(rows)
}

/// Returns the first half of a SHA-256 in hexadecimal; 0 of what is none, and no line has that.
fn head(sha256: &str) -> u128 {
    sha256.get(..32).and_then(|head| u128::from_str_radix(head, 16).ok()).unwrap_or(0)
}

#[derive(Deserialize)]
struct Sha256<'a> {
    #[serde(borrow)]
    sha256: std::borrow::Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::store::Store;
    use crate::store::manifest::Manifest;

    fn reject(n: u64) -> Reject {
        Reject {
            file: "a.ndjson".into(),
            line: n,
            index: None,
            reason: "not_json".into(),
            length: 1,
            sha256: format!("{n:032x}{:032x}", 0),
            keyed_hash: None,
            refused_at: "2026-01-01T00:00:00Z".into(),
            raw: Some("x".into()),
            raw_base64: None,
        }
    }

    /// Adds lines in batches, each committed, and returns how many of each were new.
    fn batches(dir: &Path, most: usize, batches: &[&[u64]]) -> (Vec<u64>, Known) {
        let store = Store::at(dir);
        let mut writer = store.writer_alone(|| Manifest::new(0, "UTC", 1)).unwrap();
        let mut known = Known::with_room_for(most, writer.scratch());
        let mut new = Vec::new();
        for batch in batches {
            let mut transaction = writer.begin();
            let rejects = batch.iter().map(|n| reject(*n)).collect();
            let snapshot = transaction.snapshot().unwrap();
            new.push(add(&snapshot, &mut transaction, rejects, &mut known, 0).unwrap());
            writer.commit(transaction, 0).unwrap();
        }
        writer.finish().unwrap();
        (new, known)
    }

    #[test]
    fn a_line_is_kept_once_however_often_it_comes_and_whatever_there_is_room_for() {
        for most in [0, 3, 4, 100] {
            let folder = tempfile::tempdir().unwrap();
            let (new, known) = batches(folder.path(), most, &[&[1, 2, 1], &[2, 3], &[3, 1], &[4, 5, 4, 2]]);
            assert_eq!(new, [2, 1, 0, 2], "room for {most}");
            assert!(known.hashes.len() <= most.max(1));
            // Another run knows nothing, and reads what is kept.
            let (new, known) = batches(folder.path(), most, &[&[5, 6], &[6, 1]]);
            assert_eq!(new, [1, 0], "room for {most}");
            assert!(known.hashes.len() <= most.max(1));
        }
    }

    #[test]
    fn what_is_kept_is_read_once_a_run_also_where_there_is_no_room_for_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        batches(folder.path(), 2, &[&[1, 2, 3], &[4]]);
        let (new, known) = batches(folder.path(), 2, &[&[5], &[6, 7], &[1, 7, 4, 8]]);
        assert_eq!(new, [1, 2, 1]);
        // Two files of the first run, three of the second: none will be read again.
        assert_eq!(known.files.len(), 5);
        // Eight hashes, of which two are held.
        assert_eq!((known.runs.len(), known.hashes.len()), (3, 2));
    }

    #[test]
    fn what_is_kept_is_read_once_a_run() {
        let folder = tempfile::tempdir().unwrap();
        batches(folder.path(), 100, &[&[1, 2], &[3]]);
        let (_, known) = batches(folder.path(), 100, &[&[4], &[5], &[1]]);
        // Two files of the first run, two of the second.
        assert_eq!((known.files.len(), known.hashes.len()), (4, 5));
    }
}
