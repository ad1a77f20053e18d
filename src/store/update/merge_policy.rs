//! Which files of a partition are folded into a new one.
//!
//! A new file takes in those of its partition that have no more rows than have been put together so
//! far, the smallest first. So a partition of n rows that came in k equal pieces has about log2 k
//! files, and a row is written about log2 k times: a log-structured merge, as in binary counting.

use crate::store::columns::Table;
use crate::store::manifest::DataFile;

/// Returns the most rows that are put into one file of a table.
///
/// Rows of sessions are joined with new ones, for which a file of them is held in memory, some hundred
/// bytes a row; the other tables' rows are looked through column by column, and taken over as they are.
pub fn most_rows(table: Table) -> u64 {
    match table {
        Table::Sessions => 1 << 16,
        Table::Events | Table::Visitors | Table::DailyStats => 1 << 18,
    }
}

/// Returns the files of a table's partition that a new one of `rows` rows is to take in.
pub fn choose<'a>(
    table: Table,
    partition: impl IntoIterator<Item = &'a DataFile>,
    rows: u64,
) -> Vec<&'a DataFile> {
    let mut files: Vec<&DataFile> = partition.into_iter().collect();
    files.sort_by_key(|file| file.rows);
    let mut total = rows;
    let mut chosen = Vec::new();
    for file in files {
        if file.rows > total || total + file.rows > most_rows(table) {
            break;
        }
        total += file.rows;
        chosen.push(file);
    }
    chosen
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
            min_time: 0,
            max_time: 0,
            without_addresses: false,
        }
    }

    #[test]
    fn a_day_of_five_minute_ingests_ends_in_a_handful_of_files() {
        let mut partition: Vec<DataFile> = Vec::new();
        let mut written = 0;
        for name in 0..288 {
            let chosen: Vec<String> =
                choose(Table::Events, &partition, 100).iter().map(|f| f.path.clone()).collect();
            let taken: u64 = partition.iter().filter(|f| chosen.contains(&f.path)).map(|f| f.rows).sum();
            partition.retain(|f| !chosen.contains(&f.path));
            partition.push(file(name, taken + 100));
            written += taken + 100;
        }
        assert_eq!(partition.iter().map(|f| f.rows).sum::<u64>(), 28_800);
        // 288 is 100100000 in binary: two files; each row is written at most 9 times.
        assert_eq!(partition.len(), 2);
        assert!(written <= 9 * 28_800, "{written} rows written");
    }

    #[test]
    fn a_big_file_is_left_alone() {
        assert!(choose(Table::Events, &[file(0, 1_000_000)], 10).is_empty());
        // Two that are too large together stay apart.
        let half = most_rows(Table::Sessions) / 2;
        assert_eq!(choose(Table::Sessions, &[file(0, half)], half).len(), 1);
        assert!(choose(Table::Sessions, &[file(0, half)], half + 1).is_empty());
    }
}
