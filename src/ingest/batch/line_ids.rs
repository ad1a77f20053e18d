//! Ids for events whose lines have none.
//!
//! The id is derived from the line's content and its ordinal among identical lines of its file, so
//! that two identical lines of one file are two events, and the same file, a copy, or a longer
//! version of it adds nothing twice.
//!
//! So every line without an id must be compared with all of its file before it. Memory holds the
//! hashes of the latest; the earlier ones lie in runs on the disk, each sorted. Identical lines have
//! the same time: of a log in order, a batch needs none of the runs, and of a shuffled one it reads
//! all of them once, twenty bytes a line.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::error::Result;
use crate::event::EventRow;
use crate::prehashed::PreHashed;
use crate::store::temp_files::TempFiles;
use crate::time::Micros;

/// Bytes of an entry of a run: hash and count.
const ENTRY: usize = 20;

/// Counts identical lines of one file.
#[derive(Debug)]
pub struct Ordinals {
    /// Lines since the last run was written, by hash: how often each.
    seen: HashMap<u128, u32, PreHashed>,
    times: Times,
    runs: Vec<Run>,
    /// The most distinct lines that are held between batches.
    room: usize,
}

/// From when to when some lines are.
#[derive(Clone, Copy, Debug)]
struct Times {
    least: Micros,
    greatest: Micros,
}

impl Times {
    const NONE: Times = Times { least: Micros::MAX, greatest: Micros::MIN };

    fn take(&mut self, time: Micros) {
        self.least = self.least.min(time);
        self.greatest = self.greatest.max(time);
    }

    fn meet(self, other: Times) -> bool {
        self.least <= other.greatest && other.least <= self.greatest
    }
}

/// Lines that were put aside: hashes in order, each with its count.
#[derive(Debug)]
struct Run {
    path: PathBuf,
    times: Times,
}

impl Ordinals {
    /// Counts, and holds so many distinct lines at most between batches: 33 to 66 bytes each.
    pub fn with_room_for(room: usize) -> Ordinals {
        let seen = HashMap::with_hasher(PreHashed);
        Ordinals { seen, times: Times::NONE, runs: Vec::new(), room }
    }

    /// Gives those of the rows that have none their ids, in the order of their lines: the next ones of
    /// the file.
    pub fn assign<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r mut EventRow>,
        temp_files: &TempFiles,
    ) -> Result<()> {
        let mut rows: Vec<&mut EventRow> = rows.into_iter().filter(|row| !row.has_own_id).collect();
        let before = self.counts_before(&rows, temp_files)?;
        for row in &mut rows {
            let content = row.id;
            let earlier = match before.binary_search_by_key(&content, |(hash, _)| *hash) {
                Ok(at) => before.get(at).map_or(0, |(_, count)| *count),
                Err(_) => 0,
            };
            let count = self.seen.entry(content).or_insert(0);
            row.id = derived_id(content, earlier.saturating_add(*count));
            *count = count.saturating_add(1);
            self.times.take(row.time);
        }
        if self.seen.len() > self.room {
            self.put_aside(temp_files)?;
        }
        Ok(())
    }

    /// Ends with a file: nothing is left of it.
    pub fn end(&mut self, temp_files: &TempFiles) {
        for run in self.runs.drain(..) {
            temp_files.remove(&run.path);
        }
        self.seen = HashMap::with_hasher(PreHashed);
        self.times = Times::NONE;
    }

    /// Returns the hashes of rows, in order, with their counts in the runs; nothing where no run can
    /// have any of them.
    fn counts_before(&self, rows: &[&mut EventRow], temp_files: &TempFiles) -> Result<Vec<(u128, u32)>> {
        let mut times = Times::NONE;
        rows.iter().for_each(|row| times.take(row.time));
        let mut counts: Vec<(u128, u32)> = Vec::new();
        for run in self.runs.iter().filter(|run| run.times.meet(times)) {
            if counts.is_empty() {
                counts = rows.iter().map(|row| (row.id, 0)).collect();
                counts.sort_unstable();
                counts.dedup();
            }
            let bytes = temp_files.read(&run.path)?;
            let mut entries = bytes.chunks_exact(ENTRY).filter_map(entry).peekable();
            for (hash, count) in &mut counts {
                while entries.next_if(|(other, _)| *other < *hash).is_some() {}
                if let Some((_, more)) = entries.next_if(|(other, _)| *other == *hash) {
                    *count = count.saturating_add(more);
                }
            }
        }
        Ok(counts)
    }

    fn put_aside(&mut self, temp_files: &TempFiles) -> Result<()> {
        let mut entries: Vec<(u128, u32)> = self.seen.drain().collect();
        entries.sort_unstable();
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
        for (hash, count) in entries {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        let times = std::mem::replace(&mut self.times, Times::NONE);
        self.runs.push(Run { path: temp_files.write(&bytes)?, times });
        Ok(())
    }
}

/// Reads an entry of a run.
fn entry(bytes: &[u8]) -> Option<(u128, u32)> {
    let (hash, count) = bytes.split_first_chunk::<16>()?;
    Some((u128::from_le_bytes(*hash), u32::from_le_bytes(count.try_into().ok()?)))
}

/// Returns the id of the n-th (from 0) of identical lines with this hash: a UUID of version 8, the
/// one for ids of one's own making (RFC 9562).
pub fn derived_id(content: u128, ordinal: u32) -> u128 {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&content.to_le_bytes());
    bytes[16..].copy_from_slice(&ordinal.to_le_bytes());
    let hash = xxhash_rust::xxh3::xxh3_128(&bytes);
    uuid::Uuid::new_v8(hash.to_be_bytes()).as_u128()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::store::file_system::OsFileSystem;
    use crate::store::manifest::Manifest;
    use crate::store::{Store, Writer};

    /// Makes rows of some contents, the time of each being made of it: identical lines have one time.
    fn rows(contents: &[u128]) -> Vec<EventRow> {
        contents.iter().map(|&id| EventRow { id, time: (id % 5) as i64, ..EventRow::EMPTY }).collect()
    }

    fn writer(folder: &tempfile::TempDir) -> Writer {
        let store = Store::with_file_system(Arc::new(OsFileSystem), folder.path().join("store"));
        store.writer_without_lock(|| Manifest::new(0, "UTC", 1)).unwrap()
    }

    /// Gives rows their ids, so many at a time.
    fn ids(contents: &[u128], room: usize, at_once: usize) -> Vec<u128> {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let temp_files = writer.temp_files();
        let mut rows = rows(contents);
        let mut ordinals = Ordinals::with_room_for(room);
        for rows in rows.chunks_mut(at_once.max(1)) {
            ordinals.assign(rows, &temp_files).unwrap();
            assert!(ordinals.seen.len() <= room);
        }
        ordinals.end(&temp_files);
        let left = std::fs::read_dir(folder.path().join("store/staging")).unwrap().count();
        assert_eq!(left, 0, "runs lie about");
        writer.finish().unwrap();
        rows.iter().map(|row| row.id).collect()
    }

    #[test]
    fn identical_lines_of_one_file_get_different_ids_and_a_copy_gets_the_same() {
        let (first, copy) = (ids(&[7, 8, 7], 100, 3), ids(&[7, 8, 7, 7], 100, 4));
        assert_eq!(first, copy[..3]);
        let distinct: std::collections::HashSet<&u128> = copy.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(uuid::Uuid::from_u128(first[0]).get_version_num(), 8);
    }

    proptest! {
        #[test]
        fn ids_depend_on_content_and_ordinal_alone_however_little_is_held(
            contents in proptest::collection::vec(0..12u128, 0..60), room in 0..14usize, at_once in 1..20usize
        ) {
            let mut counts = std::collections::BTreeMap::new();
            let expected: Vec<u128> = contents
                .iter()
                .map(|content| {
                    let count = counts.entry(*content).or_insert(0);
                    *count += 1;
                    derived_id(*content, *count - 1)
                })
                .collect();
            prop_assert_eq!(ids(&contents, room, at_once), expected);
        }
    }

    #[test]
    fn a_log_in_order_needs_none_of_its_runs() {
        let folder = tempfile::tempdir().unwrap();
        let temp_files = writer(&folder).temp_files();
        let mut ordinals = Ordinals::with_room_for(0);
        for time in 0..4 {
            let mut rows = [EventRow { id: time as u128, time, ..EventRow::EMPTY }];
            ordinals.assign(&mut rows, &temp_files).unwrap();
        }
        // Without its runs it still goes on where the log does; for an earlier line it asks for one.
        ordinals.runs.iter().for_each(|run| temp_files.remove(&run.path));
        assert!(ordinals.assign(&mut [EventRow { time: 4, ..EventRow::EMPTY }], &temp_files).is_ok());
        assert!(ordinals.assign(&mut [EventRow { time: 2, ..EventRow::EMPTY }], &temp_files).is_err());
    }

    #[test]
    fn an_id_of_its_own_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut row = [EventRow { id: 5, has_own_id: true, ..EventRow::EMPTY }];
        Ordinals::with_room_for(1).assign(&mut row, &writer(&folder).temp_files()).unwrap();
        assert_eq!(row[0].id, 5);
    }
}
