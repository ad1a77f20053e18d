//! Merges small files.
//!
//! A file is small if it has fewer than half of the maximum rows and bytes of a file. The small
//! files of each partition are merged, smallest first, into files of at most the maximum size,
//! until at most one small file is left. A partition with a single file is not rewritten. The
//! rejected lines of one UTC date are merged into one or a few files, since they are pruned by that
//! date.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::{AuxiliaryFile, DataFile};
use crate::store::paths::REJECTS_DIR;
use crate::store::transaction::Transaction;
use crate::store::update::merge_policy::{MAX_MERGED_BYTES, max_rows};
use crate::store::update::partition::encode_file;
use crate::time::Day;

/// The result of a compaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompactionStats {
    /// Files that were merged.
    pub files: u64,
    /// Files that replace them.
    pub into: u64,
}

/// Merges the small files of all tables and of rejected lines.
pub(super) fn compact(transaction: &mut Transaction) -> Result<CompactionStats> {
    let mut stats = CompactionStats::default();
    for table in Table::ALL {
        // No file is in more than one group, so the snapshot stays valid for all groups.
        let snapshot = transaction.snapshot()?;
        for (day, files) in merge_groups(table, snapshot.manifest().files(table)) {
            let frames = files.iter().map(|file| snapshot.read_file_checked(file)).collect::<Result<_>>()?;
            let frame = Frame::concat(frames)?;
            let new = encode_file(table, day, &frame)?;
            for file in &files {
                transaction.remove(file);
            }
            transaction.add(new)?;
            if files.iter().all(|file| file.ip_addresses_removed) {
                // The new file has no IP addresses either, so the next gc need not search it.
                let all = transaction.manifest().tables.entry(table).or_default();
                all.iter_mut().next_back().into_iter().for_each(|file| file.ip_addresses_removed = true);
            }
            stats.files += files.len() as u64;
            stats.into += 1;
        }
    }
    compact_rejects(transaction, &mut stats)?;
    Ok(stats)
}

/// The maximum size of a merged file of rejected lines. Showing one line reads the whole file.
const MAX_REJECTS_BYTES: u64 = 16 << 20;

/// Merges the rejected lines of each UTC date into one file, or a few.
fn compact_rejects(transaction: &mut Transaction, stats: &mut CompactionStats) -> Result<()> {
    let mut days: BTreeMap<Day, Vec<AuxiliaryFile>> = BTreeMap::new();
    for file in &transaction.manifest().rejects {
        days.entry(Day::utc(file.written_at)).or_default().push(file.clone());
    }
    let groups = days.into_values().flat_map(|mut files| {
        files.sort_by(|a, b| (a.written_at, &a.path).cmp(&(b.written_at, &b.path)));
        group_rejects(files)
    });
    for files in groups.filter(|files| files.len() > 1) {
        let snapshot = transaction.snapshot()?;
        let mut bytes = Vec::new();
        for file in &files {
            bytes.extend(snapshot.read_checked(&file.path, &file.checksum)?);
            transaction.remove_auxiliary(&file.path);
        }
        transaction.manifest().rejects.retain(|file| files.iter().all(|old| old.path != file.path));
        let rows = files.iter().map(|file| file.rows).sum();
        let written_at = files.iter().map(|file| file.written_at).max().unwrap_or_default();
        let name = format!("{}.ndjson", uuid::Uuid::new_v4().simple());
        let new = transaction.add_auxiliary(REJECTS_DIR, &name, &bytes, rows, written_at)?;
        transaction.manifest().rejects.push(new);
        stats.files += files.len() as u64;
        stats.into += 1;
    }
    Ok(())
}

/// Divides the files of a date into groups to merge.
fn group_rejects(files: Vec<AuxiliaryFile>) -> Vec<Vec<AuxiliaryFile>> {
    let mut groups: Vec<Vec<AuxiliaryFile>> = Vec::new();
    let mut bytes = 0;
    for file in files {
        match groups.last_mut().filter(|_| bytes + file.bytes <= MAX_REJECTS_BYTES) {
            Some(group) => group.push(file.clone()),
            None => {
                groups.push(vec![file.clone()]);
                bytes = 0;
            }
        }
        bytes += file.bytes;
    }
    groups
}

/// Returns the groups of files to merge, with the partition of each.
fn merge_groups(table: Table, files: &[DataFile]) -> Vec<(Day, Vec<DataFile>)> {
    let max = max_rows(table);
    let mut partitions: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
    let is_small = |file: &&DataFile| file.rows < max / 2 && file.bytes < MAX_MERGED_BYTES / 2;
    for file in files.iter().filter(is_small) {
        partitions.entry(file.day).or_default().push(file);
    }
    let mut groups = Vec::new();
    for (day, mut small) in partitions {
        small.sort_by_key(|file| file.rows);
        let mut group: Vec<DataFile> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        for file in small {
            if rows + file.rows > max || bytes + file.bytes > MAX_MERGED_BYTES {
                groups.push((day, std::mem::take(&mut group)));
                (rows, bytes) = (0, 0);
            }
            rows += file.rows;
            bytes += file.bytes;
            group.push(file.clone());
        }
        groups.push((day, group));
    }
    groups.retain(|(_, files)| files.len() > 1);
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_are_merged_up_to_the_maximum_size() {
        let file = |bytes| AuxiliaryFile {
            path: String::new(),
            bytes,
            checksum: String::new(),
            rows: 1,
            written_at: 0,
        };
        let third = MAX_REJECTS_BYTES / 3;
        let files = [third, third, third, 1, third, MAX_REJECTS_BYTES + 1, 1, 1].map(file);
        let groups = group_rejects(files.to_vec());
        let sizes: Vec<Vec<u64>> =
            groups.iter().map(|group| group.iter().map(|file| file.bytes).collect()).collect();
        assert_eq!(
            sizes,
            [vec![third, third, third, 1], vec![third], vec![MAX_REJECTS_BYTES + 1], vec![1, 1]]
        );
    }
}
