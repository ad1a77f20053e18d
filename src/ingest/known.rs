//! Files that were read before: to be skipped, or read on from where they ended.
//!
//! This is for speed alone: what is read again adds nothing twice. A file is known by its size and
//! the hashes of its head and tail, whatever it is called now.

use std::fs::File;
use std::io;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::time::Micros;

/// How much of a file's head and tail is hashed.
const WINDOW: u64 = 64 << 10;

/// What is kept of a file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFile {
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
pub enum Plan {
    /// It was taken in whole before.
    Skip,
    /// Its first part was: go on at this offset, after this many lines.
    ReadOn {
        /// Offset in bytes.
        offset: u64,
        /// Number of lines before it.
        lines: u64,
    },
    /// Read all of it.
    Read,
}

/// All that is known of files read before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFiles {
    files: Vec<KnownFile>,
}

impl KnownFiles {
    /// Reads what [`KnownFiles::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<KnownFiles> {
        serde_json::from_slice(bytes)
            .map_err(|e| Error::failed("cannot read the list of known logs").caused_by(e))
    }

    /// Writes all as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
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
        for file in &mut self.files {
            if let Some(path) = rename(&file.path) {
                file.path = path;
                renamed += 1;
            }
        }
        renamed
    }

    /// Forgets all: the next ingest reads everything.
    pub fn clear(&mut self) {
        self.files.clear();
    }

    /// Says what is to be done with a file that is to be read with these options.
    pub fn plan(&self, path: &str, file: &File, options: &str) -> io::Result<Plan> {
        let size = file.metadata()?.len();
        let usable = |known: &&KnownFile| known.options == options && !known.future;
        for known in self.files.iter().filter(usable).filter(|k| k.whole && k.size == size) {
            if hash_at(file, 0, known.consumed.min(WINDOW))? == known.head
                && hash_before(file, size)? == known.tail
            {
                return Ok(Plan::Skip);
            }
        }
        // A name is the best hint of where a growing file is known; a rotated one has another name
        // and a head of full length.
        let growing = |k: &&KnownFile| {
            !k.compressed
                && k.own_ids
                && 0 < k.consumed
                && k.consumed <= size
                && (k.path == path || k.consumed >= WINDOW)
        };
        let mut best: Option<&KnownFile> = None;
        let full_head = hash_at(file, 0, WINDOW)?;
        for known in self.files.iter().filter(usable).filter(growing) {
            let head_fits = match known.consumed {
                WINDOW.. => known.head == full_head,
                short => known.head == hash_at(file, 0, short)?,
            };
            if best.is_none_or(|b| b.consumed < known.consumed)
                && head_fits
                && hash_before(file, known.consumed)? == known.consumed_tail
            {
                best = Some(known);
            }
        }
        Ok(best.map_or(Plan::Read, |known| Plan::ReadOn { offset: known.consumed, lines: known.lines }))
    }

    /// Takes note of a file, in place of what was known of it under its name or content.
    pub fn note(&mut self, file: KnownFile) {
        self.files
            .retain(|known| known.path != file.path && !(known.head == file.head && known.tail == file.tail));
        self.files.push(file);
    }
}

/// Hashes of a file's parts, as [`KnownFile`] keeps them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// The file's size.
    pub size: u64,
    /// See [`KnownFile::head`].
    pub head: String,
    /// See [`KnownFile::tail`].
    pub tail: String,
    /// See [`KnownFile::consumed_tail`].
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
        Ok(Some(Fingerprint {
            size,
            head: hash_at(file, 0, consumed.min(WINDOW))?,
            tail: hash_before(file, size)?,
            consumed_tail: hash_before(file, consumed)?,
        }))
    }
}

fn hash_before(file: &File, end: u64) -> io::Result<String> {
    let len = end.min(WINDOW);
    hash_at(file, end - len, len)
}

/// Hashes `len` bytes from `offset`; fewer, where the file ends.
fn hash_at(file: &File, offset: u64, len: u64) -> io::Result<String> {
    let mut bytes = vec![0; len as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        let n = read_at(file, &mut bytes[filled..], offset + filled as u64)?;
        if n == 0 {
            break;
        }
        filled += n;
    }
    bytes.truncate(filled);
    Ok(format!("{filled}:{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes)))
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, bytes, offset)
}
