//! Merges small files.
//!
//! The policy: a partition's files of fewer than half the rows that a file may have are put
//! together, as many as fit into one file, until at most one such file is left. A day that came in
//! one run and has not changed since is left alone. Refused lines of one UTC date are put into one
//! file, since they go by that date.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::{AuxiliaryFile, DataFile};
use crate::store::transaction::{REJECTS_DIR, Transaction};
use crate::store::update::merge_policy::max_rows;
use crate::store::update::partition::encode_file;
use crate::time::Day;

/// What was merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompactionStats {
    /// Files that were merged.
    pub files: u64,
    /// Files that they were merged into.
    pub into: u64,
}

/// Merges the small files of all tables, and those of refused lines.
pub fn compact(transaction: &mut Transaction) -> Result<CompactionStats> {
    let mut compacted = CompactionStats::default();
    for table in Table::ALL {
        if table == Table::DailyStats {
            // One file a month by construction.
            continue;
        }
        for (day, files) in groups(table, transaction.manifest().files(table)) {
            let snapshot = transaction.snapshot()?;
            let frames = files.iter().map(|file| snapshot.read_file_checked(file)).collect::<Result<_>>()?;
            let frame = Frame::concat(frames)?;
            let new = encode_file(table, day, &frame)?;
            for file in &files {
                transaction.remove(table, &file.path);
            }
            transaction.add(new)?;
            if files.iter().all(|file| file.ip_addresses_removed) {
                // There are none in the new file either: it need not be looked at again.
                let known = transaction.manifest().tables.entry(table).or_default();
                known.iter_mut().next_back().into_iter().for_each(|file| file.ip_addresses_removed = true);
            }
            compacted.files += files.len() as u64;
            compacted.into += 1;
        }
    }
    rejects(transaction, &mut compacted)?;
    Ok(compacted)
}

/// The most bytes of refused lines that are put into one file: whoever looks at a line reads its file whole.
const MOST_REJECTED: u64 = 16 << 20;

/// Puts the refused lines of each UTC date into one file, or a few.
fn rejects(transaction: &mut Transaction, compacted: &mut CompactionStats) -> Result<()> {
    let mut days: BTreeMap<Day, Vec<AuxiliaryFile>> = BTreeMap::new();
    for file in &transaction.manifest().rejects {
        days.entry(Day::utc(file.written_at)).or_default().push(file.clone());
    }
    let groups = days.into_values().flat_map(|mut files| {
        files.sort_by(|a, b| (a.written_at, &a.path).cmp(&(b.written_at, &b.path)));
        rejects_together(files)
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
        compacted.files += files.len() as u64;
        compacted.into += 1;
    }
    Ok(())
}

/// Cuts the files of a date into groups that are to become one file each.
fn rejects_together(files: Vec<AuxiliaryFile>) -> Vec<Vec<AuxiliaryFile>> {
    let mut groups: Vec<Vec<AuxiliaryFile>> = Vec::new();
    let mut bytes = 0;
    for file in files {
        match groups.last_mut().filter(|_| bytes + file.bytes <= MOST_REJECTED) {
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

/// Returns the files of each partition that are to become one.
fn groups(table: Table, files: &[DataFile]) -> Vec<(Day, Vec<DataFile>)> {
    let most = max_rows(table);
    let mut partitions: BTreeMap<Day, Vec<&DataFile>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.rows < most / 2) {
        partitions.entry(file.day).or_default().push(file);
    }
    let mut groups = Vec::new();
    for (day, mut small) in partitions {
        small.sort_by_key(|file| file.rows);
        let mut group: Vec<DataFile> = Vec::new();
        let mut rows = 0;
        for file in small {
            if rows + file.rows > most {
                groups.push((day, std::mem::take(&mut group)));
                rows = 0;
            }
            rows += file.rows;
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
    fn refused_lines_are_put_together_up_to_a_bound() {
        let file = |bytes| AuxiliaryFile {
            path: String::new(),
            bytes,
            checksum: String::new(),
            rows: 1,
            written_at: 0,
        };
        let third = MOST_REJECTED / 3;
        let files = [third, third, third, 1, third, MOST_REJECTED + 1, 1, 1].map(file);
        let groups = rejects_together(files.to_vec());
        let sizes: Vec<Vec<u64>> =
            groups.iter().map(|group| group.iter().map(|file| file.bytes).collect()).collect();
        assert_eq!(sizes, [vec![third, third, third, 1], vec![third], vec![MOST_REJECTED + 1], vec![1, 1]]);
    }
}
