//! Derives ids for events whose lines have none.
//!
//! The id is derived from the content of the line and its ordinal among the identical lines of its
//! file. Two identical lines of a file are thus two events. Ingesting the file again, a copy of it,
//! or a longer version of it stores no event twice.
//!
//! Every line without an id must therefore be compared with all earlier lines of its file. The
//! hashes of recent lines are in memory, and those of earlier lines in sorted runs on disk.
//! Identical lines have the same time. A batch of an ordered log therefore reads no run, while a
//! batch of a shuffled log reads all runs once, at 20 bytes per line.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::error::Result;
use crate::event::EventRow;
use crate::prehashed::PreHashed;
use crate::store::temp_files::TempFiles;
use crate::time::Micros;

/// Bytes per entry of a run: hash and count.
const ENTRY: usize = 20;

/// Counts identical lines of one file, or of several files whose lines are interleaved.
#[derive(Debug)]
pub struct Ordinals {
    /// Distinguishes the lines of the current file from equal lines of other files.
    scope: u128,
    /// Counts of the lines since the last run was written, by hash and scope.
    counts: HashMap<u128, u32, PreHashed>,
    times: TimeRange,
    runs: Vec<Run>,
    /// The largest number of distinct lines in memory between batches.
    capacity: usize,
}

/// A time range of lines.
#[derive(Clone, Copy, Debug)]
struct TimeRange {
    start: Micros,
    end: Micros,
}

impl TimeRange {
    const EMPTY: TimeRange = TimeRange { start: Micros::MAX, end: Micros::MIN };

    fn include(&mut self, time: Micros) {
        self.start = self.start.min(time);
        self.end = self.end.max(time);
    }

    fn overlaps(self, other: TimeRange) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// A file of sorted line hashes, each with its count.
#[derive(Debug)]
struct Run {
    path: PathBuf,
    times: TimeRange,
}

impl Ordinals {
    /// Creates a counter that holds up to `capacity` distinct lines in memory between batches, at
    /// 33 to 66 bytes each.
    pub fn with_capacity(capacity: usize) -> Ordinals {
        let counts = HashMap::with_hasher(PreHashed);
        Ordinals { scope: 0, counts, times: TimeRange::EMPTY, runs: Vec::new(), capacity }
    }

    /// Continues with the lines of a file, and keeps the counts of the other files.
    pub fn continue_file(&mut self, file: usize) {
        self.scope = xxhash_rust::xxh3::xxh3_128(&file.to_le_bytes());
    }

    /// Assigns ids to the rows without an id. The rows must be the next ones of the file, in order.
    pub fn assign<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r mut EventRow>,
        temp_files: &TempFiles,
    ) -> Result<()> {
        let mut rows: Vec<&mut EventRow> = rows.into_iter().filter(|row| !row.has_own_id).collect();
        let before = self.counts_in_runs(&rows, temp_files)?;
        for row in &mut rows {
            let content = row.id;
            let key = content ^ self.scope;
            let earlier = match before.binary_search_by_key(&key, |(hash, _)| *hash) {
                Ok(at) => before.get(at).map_or(0, |(_, count)| *count),
                Err(_) => 0,
            };
            let count = self.counts.entry(key).or_insert(0);
            row.id = derived_id(content, earlier.saturating_add(*count));
            *count = count.saturating_add(1);
            self.times.include(row.time);
        }
        if self.counts.len() > self.capacity {
            self.write_run(temp_files)?;
        }
        Ok(())
    }

    /// Removes all lines, at the end of a file.
    pub fn clear(&mut self, temp_files: &TempFiles) {
        for run in self.runs.drain(..) {
            temp_files.remove(&run.path);
        }
        self.counts = HashMap::with_hasher(PreHashed);
        self.times = TimeRange::EMPTY;
    }

    /// Returns the keys of the rows, in order, with their counts in the runs; empty if no run can
    /// hold any of them.
    fn counts_in_runs(&self, rows: &[&mut EventRow], temp_files: &TempFiles) -> Result<Vec<(u128, u32)>> {
        let mut times = TimeRange::EMPTY;
        rows.iter().for_each(|row| times.include(row.time));
        let mut counts: Vec<(u128, u32)> = Vec::new();
        for run in self.runs.iter().filter(|run| run.times.overlaps(times)) {
            if counts.is_empty() {
                counts = rows.iter().map(|row| (row.id ^ self.scope, 0)).collect();
                counts.sort_unstable();
                counts.dedup();
            }
            let bytes = temp_files.read(&run.path)?;
            let mut entries = bytes.chunks_exact(ENTRY).filter_map(parse_entry).peekable();
            for (hash, count) in &mut counts {
                while entries.next_if(|(other, _)| *other < *hash).is_some() {}
                if let Some((_, more)) = entries.next_if(|(other, _)| *other == *hash) {
                    *count = count.saturating_add(more);
                }
            }
        }
        Ok(counts)
    }

    fn write_run(&mut self, temp_files: &TempFiles) -> Result<()> {
        let mut entries: Vec<(u128, u32)> = self.counts.drain().collect();
        entries.sort_unstable();
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
        for (hash, count) in entries {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        let times = std::mem::replace(&mut self.times, TimeRange::EMPTY);
        self.runs.push(Run { path: temp_files.write(&bytes)?, times });
        Ok(())
    }
}

/// Parses an entry of a run.
fn parse_entry(bytes: &[u8]) -> Option<(u128, u32)> {
    let (hash, count) = bytes.split_first_chunk::<16>()?;
    Some((u128::from_le_bytes(*hash), u32::from_le_bytes(count.try_into().ok()?)))
}

/// Returns the id of the line with a content hash and an ordinal, from 0, among identical lines: a
/// UUID of version 8, which RFC 9562 reserves for custom ids.
fn derived_id(content: u128, ordinal: u32) -> u128 {
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

    /// Returns rows with the given contents. The time of a row depends on its content, as in a log.
    fn rows(contents: &[u128]) -> Vec<EventRow> {
        contents.iter().map(|&id| EventRow { id, time: (id % 5) as i64, ..EventRow::EMPTY }).collect()
    }

    fn writer(folder: &tempfile::TempDir) -> Writer {
        let store = Store::with_file_system(Arc::new(OsFileSystem), folder.path().join("store"));
        store.writer_without_lock(|| Manifest::new(0, "UTC", 1)).unwrap()
    }

    /// Returns the ids of rows that are assigned `chunk` rows at a time.
    fn ids(contents: &[u128], capacity: usize, chunk: usize) -> Vec<u128> {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(&folder);
        let temp_files = writer.temp_files();
        let mut rows = rows(contents);
        let mut ordinals = Ordinals::with_capacity(capacity);
        for rows in rows.chunks_mut(chunk.max(1)) {
            ordinals.assign(rows, &temp_files).unwrap();
            assert!(ordinals.counts.len() <= capacity);
        }
        ordinals.clear(&temp_files);
        let files = std::fs::read_dir(folder.path().join("store/staging")).unwrap().count();
        assert_eq!(files, 0, "runs are left over");
        writer.finish().unwrap();
        rows.iter().map(|row| row.id).collect()
    }

    #[test]
    fn identical_lines_have_distinct_ids_that_a_copy_repeats() {
        let (first, copy) = (ids(&[7, 8, 7], 100, 3), ids(&[7, 8, 7, 7], 100, 4));
        assert_eq!(first, copy[..3]);
        let distinct: std::collections::HashSet<&u128> = copy.iter().collect();
        assert_eq!(distinct.len(), 4);
        assert_eq!(uuid::Uuid::from_u128(first[0]).get_version_num(), 8);
    }

    proptest! {
        #[test]
        fn ids_depend_on_content_and_ordinal_only(
            contents in proptest::collection::vec(0..12u128, 0..60), capacity in 0..14usize, chunk in 1..20usize
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
            prop_assert_eq!(ids(&contents, capacity, chunk), expected);
        }
    }

    #[test]
    fn ordered_log_reads_no_run() {
        let folder = tempfile::tempdir().unwrap();
        let temp_files = writer(&folder).temp_files();
        let mut ordinals = Ordinals::with_capacity(0);
        for time in 0..4 {
            let mut rows = [EventRow { id: time as u128, time, ..EventRow::EMPTY }];
            ordinals.assign(&mut rows, &temp_files).unwrap();
        }
        // Later lines need no run, so removing the runs has no effect; an earlier line needs them.
        ordinals.runs.iter().for_each(|run| temp_files.remove(&run.path));
        assert!(ordinals.assign(&mut [EventRow { time: 4, ..EventRow::EMPTY }], &temp_files).is_ok());
        assert!(ordinals.assign(&mut [EventRow { time: 2, ..EventRow::EMPTY }], &temp_files).is_err());
    }

    #[test]
    fn interleaved_files_are_counted_separately() {
        let folder = tempfile::tempdir().unwrap();
        let temp_files = writer(&folder).temp_files();
        // With a capacity of 0, all counts come from runs.
        for capacity in [0, 100] {
            let mut ordinals = Ordinals::with_capacity(capacity);
            let mut next = |file: usize| {
                let mut row = [EventRow { id: 7, ..EventRow::EMPTY }];
                ordinals.continue_file(file);
                ordinals.assign(&mut row, &temp_files).unwrap();
                row[0].id
            };
            let found = [next(0), next(1), next(0), next(1)];
            assert_eq!(found, [0, 0, 1, 1].map(|ordinal| derived_id(7, ordinal)));
        }
    }

    #[test]
    fn id_from_the_log_is_unchanged() {
        let folder = tempfile::tempdir().unwrap();
        let mut row = [EventRow { id: 5, has_own_id: true, ..EventRow::EMPTY }];
        Ordinals::with_capacity(1).assign(&mut row, &writer(&folder).temp_files()).unwrap();
        assert_eq!(row[0].id, 5);
    }
}
