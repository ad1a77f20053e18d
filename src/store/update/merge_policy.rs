//! The merge policy: selects the files of a partition that are merged into a new one.
//!
//! The files of a partition are merged into its new file, the smallest first, as long as each has
//! no more rows than the new file has so far. This is a log-structured merge. If the rows of a
//! partition arrive in k equal batches, the partition has about log2 k files, and each row is
//! written about log2 k times.
//!
//! Merged files are in memory, and a single row can take a megabyte, so the bytes of merged files
//! are limited as well.

use crate::store::columns::Table;
use crate::store::manifest::DataFile;

/// Maximum size of the files that are merged into one, in bytes. Files of typical logs reach the
/// maximum number of rows first.
pub const MAX_MERGED_BYTES: u64 = 16 << 20;

/// Returns the maximum number of rows of a merged file.
///
/// Sessions are merged with new events. All rows of a file are then in memory, a few hundred bytes
/// each. Rows of the other tables are read column by column and copied undecoded.
pub fn max_rows(table: Table) -> u64 {
    match table {
        Table::Sessions => 1 << 16,
        Table::Events | Table::Visitors => 1 << 18,
        // The rows are large, since several columns are lists in JSON.
        Table::DailyStats => 1 << 16,
    }
}

/// Returns the files of a partition to merge with `rows` new rows.
pub(super) fn select_files<'a>(
    table: Table,
    partition: impl IntoIterator<Item = &'a DataFile>,
    rows: u64,
) -> Vec<&'a DataFile> {
    let mut files: Vec<&DataFile> = partition.into_iter().collect();
    files.sort_by_key(|file| file.rows);
    let (mut total, mut bytes) = (rows, 0);
    let mut selected = Vec::new();
    for file in files {
        if file.rows > total || total + file.rows > max_rows(table) {
            break;
        }
        if bytes + file.bytes <= MAX_MERGED_BYTES {
            total += file.rows;
            bytes += file.bytes;
            selected.push(file);
        }
    }
    selected
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Day;

    fn file(path: usize, rows: u64) -> DataFile {
        DataFile {
            path: path.to_string(),
            day: Day(0),
            rows,
            bytes: 0,
            checksum: String::new(),
            footer_checksum: None,
            min_time: 0,
            max_time: 0,
            ip_addresses_removed: false,
        }
    }

    #[test]
    fn day_of_five_minute_ingests_ends_with_two_files() {
        let mut partition: Vec<DataFile> = Vec::new();
        let mut written = 0;
        for name in 0..288 {
            let selected: Vec<String> =
                select_files(Table::Events, &partition, 100).iter().map(|f| f.path.clone()).collect();
            let merged: u64 = partition.iter().filter(|f| selected.contains(&f.path)).map(|f| f.rows).sum();
            partition.retain(|f| !selected.contains(&f.path));
            partition.push(file(name, merged + 100));
            written += merged + 100;
        }
        assert_eq!(partition.iter().map(|f| f.rows).sum::<u64>(), 28_800);
        // 288 is 100100000 in binary: two files, and each row is written at most 9 times.
        assert_eq!(partition.len(), 2);
        assert!(written <= 9 * 28_800, "{written} rows written");
    }

    #[test]
    fn files_of_few_long_rows_are_merged_up_to_the_maximum_size() {
        let long = |path, part| DataFile { bytes: MAX_MERGED_BYTES / part, ..file(path, 2) };
        let files = [long(0, 1), long(1, 2), long(2, 2), long(3, 3), DataFile { rows: 3, ..long(4, 9) }];
        let selected = |files: &[DataFile]| -> Vec<String> {
            select_files(Table::Events, files, 4).iter().map(|f| f.path.clone()).collect()
        };
        assert_eq!(selected(&files), ["0"]);
        // A file that is too large does not prevent the merge of smaller ones.
        assert_eq!(selected(&files[1..]), ["1", "2"]);
        assert_eq!(selected(&files[2..]), ["2", "3", "4"]);
    }

    #[test]
    fn large_files_are_not_merged() {
        assert!(select_files(Table::Events, &[file(0, 1_000_000)], 10).is_empty());
        // Two files whose total exceeds the maximum are not merged.
        let half = max_rows(Table::Sessions) / 2;
        assert_eq!(select_files(Table::Sessions, &[file(0, half)], half).len(), 1);
        assert!(select_files(Table::Sessions, &[file(0, half)], half + 1).is_empty());
    }
}
