//! Checks the entries of a manifest: the paths of files, their sizes and row counts.
//!
//! The checksum of a manifest detects damage, but not tampering, since anyone can recompute it.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::store::columns::Table;
use crate::store::manifest::{AuxiliaryFile, DataFile, Manifest};
use crate::store::paths::{REJECTS_DIR, STATE_DIR};
use crate::time::{DAY, Day, Micros};

/// The longest file name, in bytes. Common file systems allow 255.
const MAX_NAME: usize = 200;
/// The maximum size of a file in bytes, and the maximum number of its rows. Sums over all files of
/// a manifest cannot overflow 64 bits.
const MAX_COUNT: u64 = 1 << 42;

/// The longest session timeout, in microseconds. Settings allow a day.
const MAX_TIMEOUT: Micros = 366 * DAY;

/// Checks the entries of a manifest.
///
/// # Errors
/// Fails if a path leads out of the folder of its table, if two entries have the same path, or if
/// a number is out of range.
pub fn check(manifest: &Manifest) -> Result<()> {
    for (table, files) in &manifest.tables {
        let mut paths = Paths::default();
        // Most files are in the same partition as the previous one.
        let mut partition: Option<(Day, String)> = None;
        for file in files {
            if partition.as_ref().is_none_or(|(day, _)| *day != file.day) {
                partition = Some((file.day, table.partition(file.day)));
            }
            let folder = partition.as_ref().map_or("", |(_, folder)| folder);
            let is_month = matches!(table, Table::DailyStats | Table::Visitors);
            if !is_file_in(&file.path, folder, ".parquet") || (is_month && file.day != file.day.month_start())
            {
                return Err(wrong_path(&file.path, &format!("it is not a file in {folder}")));
            }
            paths.add(&file.path)?;
            check_numbers(file)?;
        }
    }
    let mut paths = Paths::default();
    let rejects = manifest.rejects.iter().map(|file| (file, REJECTS_DIR, ".ndjson"));
    let state = manifest.sources.iter().chain(&manifest.ledger).map(|file| (file, STATE_DIR, ".json"));
    for (file, folder, extension) in rejects.chain(state) {
        if !is_file_in(&file.path, folder, extension) {
            return Err(wrong_path(&file.path, &format!("it is not a file in {folder}")));
        }
        paths.add(&file.path)?;
        check_counts(file)?;
    }
    if manifest.generation >= MAX_COUNT || !(0..=MAX_TIMEOUT).contains(&manifest.session_timeout_us) {
        return Err(Error::failed("a number in the manifest is out of range"));
    }
    Ok(())
}

/// Returns whether a path names a file that lies directly in a folder. Its name may contain
/// letters, digits, `-`, `_` and `.`, which have no special meaning on any operating
/// system.
fn is_file_in(path: &str, folder: &str, extension: &str) -> bool {
    let name = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    name.and_then(|name| name.strip_suffix(extension)).is_some_and(|stem| {
        (1..=MAX_NAME).contains(&stem.len())
            && !stem.starts_with('.')
            && stem.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    })
}

/// The paths seen so far, to detect duplicates.
#[derive(Default)]
struct Paths<'m> {
    last: Option<&'m str>,
    all: Vec<&'m str>,
    /// All paths; `None` while they are in ascending order.
    unordered: Option<HashSet<&'m str>>,
}

impl<'m> Paths<'m> {
    fn add(&mut self, path: &'m str) -> Result<()> {
        // A manifest is written in the order of paths.
        if self.unordered.is_none() && self.last.is_some_and(|last| last >= path) {
            self.unordered = Some(self.all.drain(..).collect());
        }
        self.last = Some(path);
        let is_new = match &mut self.unordered {
            Some(paths) => paths.insert(path),
            None => {
                self.all.push(path);
                true
            }
        };
        if is_new { Ok(()) } else { Err(wrong_path(path, "it is named twice")) }
    }
}

fn check_numbers(file: &DataFile) -> Result<()> {
    if file.rows > MAX_COUNT || file.bytes > MAX_COUNT || file.min_time > file.max_time {
        return Err(wrong_path(&file.path, "a number of its entry is out of range"));
    }
    Ok(())
}

fn check_counts(file: &AuxiliaryFile) -> Result<()> {
    if file.rows > MAX_COUNT || file.bytes > MAX_COUNT {
        return Err(wrong_path(&file.path, "a number of its entry is out of range"));
    }
    Ok(())
}

fn wrong_path(path: &str, reason: &str) -> Error {
    Error::failed(format!("the manifest names a file that cannot belong to it: {path:?}"))
        .caused_by(reason.to_owned())
        .hint("`wa` did not write this manifest: restore manifest.json from a backup of the store")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data_file(path: &str, day: &str) -> DataFile {
        let manifest = Manifest::new(0, "UTC", 1);
        let entry = serde_json::json!({
            "path": path, "day": day, "rows": 1, "bytes": 1, "checksum": "", "min_time": manifest.created_at,
            "max_time": 0,
        });
        serde_json::from_value(entry).unwrap()
    }

    fn side_file(path: &str) -> AuxiliaryFile {
        AuxiliaryFile { path: path.to_owned(), bytes: 1, checksum: String::new(), rows: 1, written_at: 0 }
    }

    fn with_file(table: Table, file: DataFile) -> Manifest {
        let mut manifest = Manifest::new(0, "UTC", 1);
        manifest.tables.entry(table).or_default().push(file);
        manifest
    }

    #[test]
    fn paths_of_the_writer_are_accepted() {
        for (table, path, day) in [
            (Table::Events, "events/event_date=2026-01-02/0123456789abcdef.parquet", "2026-01-02"),
            (Table::Sessions, "sessions/session_date=2026-01-02/a_b-c.1.parquet", "2026-01-02"),
            (Table::DailyStats, "daily_stats/stat_month=2026-01/a.parquet", "2026-01-01"),
            (Table::Visitors, "visitors/first_seen_month=2026-01/a.parquet", "2026-01-01"),
        ] {
            check(&with_file(table, data_file(path, day))).unwrap();
        }
        let mut manifest = Manifest::new(0, "UTC", 1);
        manifest.rejects = vec![side_file("rejects/b.ndjson"), side_file("rejects/a.ndjson")];
        manifest.sources = Some(side_file("state/sources-1.json"));
        manifest.ledger = Some(side_file("state/ledger-1.json"));
        check(&manifest).unwrap();
    }

    /// Paths that leave the folder `inside`, or whose name is special on some operating system.
    fn outside(inside: &str, extension: &str) -> Vec<String> {
        let name = format!("victim{extension}");
        let mut paths = vec![
            String::new(),
            name.clone(),
            format!("../{name}"),
            format!("/{name}"),
            format!("//server/share/{name}"),
            format!("C:\\{name}"),
            format!("{inside}"),
            format!("{inside}/"),
            format!("{inside}/.."),
            format!("{inside}/../{name}"),
            format!("{inside}/./{name}"),
            format!("{inside}//{name}"),
            format!("{inside}/folder/{name}"),
            format!("{inside}/..\\{name}"),
            format!("{inside}\\{name}"),
            format!("{inside}/a\0{extension}"),
            format!("{inside}/a\n{extension}"),
            format!("{inside}/\u{e9}{extension}"),
            format!("{inside}/.hidden{extension}"),
            format!("{inside}/{extension}"),
            format!("{inside}/a:b{extension}"),
            format!("{inside}/{}{extension}", "a".repeat(201)),
            format!("{inside}/a"),
            format!("{inside}/a{extension}/"),
            format!("./{inside}/{name}"),
            format!("{}/{name}", inside.to_uppercase()),
        ];
        for other in ["staging", "state", "rejects", "events", "sessions/session_date=2026-01-03", "."] {
            paths.push(format!("{other}/{name}"));
        }
        for other in ["key", "lock", "wa.toml", "manifest.json"] {
            paths.push(other.to_owned());
        }
        paths.retain(|path| *path != format!("{inside}/{name}"));
        paths
    }

    #[test]
    fn paths_out_of_their_folder_are_errors() {
        for (table, folder, day) in [
            (Table::Events, "events/event_date=2026-01-02", "2026-01-02"),
            (Table::Sessions, "sessions/session_date=2026-01-02", "2026-01-02"),
            (Table::DailyStats, "daily_stats/stat_month=2026-01", "2026-01-01"),
            (Table::Visitors, "visitors/first_seen_month=2026-01", "2026-01-01"),
        ] {
            for path in outside(folder, ".parquet") {
                let error = check(&with_file(table, data_file(&path, day))).unwrap_err();
                assert!(error.to_string().contains(&format!("{path:?}")), "{error}");
            }
        }
        for (folder, extension) in [(REJECTS_DIR, ".ndjson"), (STATE_DIR, ".json")] {
            for path in outside(folder, extension) {
                let mut manifest = Manifest::new(0, "UTC", 1);
                match folder {
                    REJECTS_DIR => manifest.rejects.push(side_file(&path)),
                    _ => manifest.sources = Some(side_file(&path)),
                }
                check(&manifest).unwrap_err();
                manifest.ledger = std::mem::take(&mut manifest.sources);
                check(&manifest).unwrap_err();
            }
        }
    }

    #[test]
    fn partition_that_does_not_fit_the_day_is_an_error() {
        for (table, path, day) in [
            (Table::Events, "events/event_date=2026-01-03/a.parquet", "2026-01-02"),
            (Table::Events, "events/event_date=2026-01-02x/a.parquet", "2026-01-02"),
            (Table::Events, "events/session_date=2026-01-02/a.parquet", "2026-01-02"),
            (Table::Events, "sessions/session_date=2026-01-02/a.parquet", "2026-01-02"),
            (Table::Visitors, "visitors/first_seen_month=2026-02/a.parquet", "2026-01-01"),
            (Table::DailyStats, "daily_stats/stat_month=2026-01/a.parquet", "2026-01-02"),
        ] {
            check(&with_file(table, data_file(path, day))).unwrap_err();
        }
    }

    #[test]
    fn path_that_is_named_twice_is_an_error() {
        let path = |name: &str| format!("events/event_date=2026-01-02/{name}.parquet");
        let file = |name: &str| data_file(&path(name), "2026-01-02");
        for names in [["a", "a", "b"], ["b", "a", "b"], ["a", "b", "a"]] {
            let mut manifest = Manifest::new(0, "UTC", 1);
            manifest.tables.insert(Table::Events, names.map(file).into());
            assert!(check(&manifest).unwrap_err().to_string().ends_with("it is named twice"));
        }
        let mut manifest = Manifest::new(0, "UTC", 1);
        manifest.tables.insert(Table::Events, ["c", "a", "b"].map(file).into());
        check(&manifest).unwrap();
        (manifest.sources, manifest.ledger) =
            (Some(side_file("state/a.json")), Some(side_file("state/a.json")));
        check(&manifest).unwrap_err();
    }

    #[test]
    fn numbers_that_overflow_sums_are_errors() {
        let file = || data_file("events/event_date=2026-01-02/a.parquet", "2026-01-02");
        let edits: [fn(&mut DataFile); 3] = [
            |file| file.rows = u64::MAX,
            |file| file.bytes = u64::MAX,
            |file| (file.min_time, file.max_time) = (2, 1),
        ];
        for edit in edits {
            let mut file = file();
            edit(&mut file);
            check(&with_file(Table::Events, file)).unwrap_err();
        }
        check(&Manifest { generation: u64::MAX, ..Manifest::new(0, "UTC", 1) }).unwrap_err();
        for timeout in [-1, i64::MIN, i64::MAX] {
            check(&Manifest { session_timeout_us: timeout, ..Manifest::new(0, "UTC", 1) }).unwrap_err();
        }
    }
}
