//! Checks the files of a store against its manifest.
//!
//! Every file must exist, match the size, checksum, number of rows and times in the manifest, and
//! have the columns of its table. It must contain only rows of its partition. Orphan files are
//! listed.

use rayon::prelude::*;

use super::difference::Differences;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::Store;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::manifest::{AuxiliaryFile, DataFile, Manifest, checksum};
use crate::store::paths::{REJECTS_DIR, STAGING_DIR};
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::time::Day;

/// The result of a check of files.
#[derive(Debug, Default)]
pub(super) struct FileCheck {
    /// The differences.
    pub(super) differences: Differences,
    /// Whether a file is missing, possibly because a writer has replaced it in the meantime.
    pub(super) is_file_missing: bool,
}

/// Checks every file that the manifest names.
pub(super) fn check_files(store: &Store, snapshot: &Snapshot, progress: &dyn Progress) -> FileCheck {
    let manifest = snapshot.manifest();
    let mut check = FileCheck::default();
    for table in Table::ALL {
        progress.set_step(table.name());
        let results: Vec<FileCheck> = manifest
            .files(table)
            .par_iter()
            .map(|file| {
                let result = check_data_file(store, snapshot, table, file);
                progress.advance(file.bytes);
                result
            })
            .collect();
        for result in results {
            check.is_file_missing |= result.is_file_missing;
            check.differences.append(result.differences);
        }
    }
    for file in manifest.rejects.iter().chain(&manifest.sources).chain(&manifest.ledger) {
        check_side_file(store, file, &mut check);
        progress.advance(file.bytes);
    }
    check
}

/// Reads a file and checks its size and checksum. If it cannot be read, or one of them differs,
/// adds a difference and returns `None`.
fn read_checked(
    store: &Store,
    path: &str,
    size: u64,
    expected_checksum: &str,
    check: &mut FileCheck,
) -> Option<Vec<u8>> {
    let differences = &mut check.differences;
    let bytes = match store.file_system().read(&store.dir().join(path)) {
        Ok(bytes) => bytes,
        Err(e) => {
            check.is_file_missing |= e.kind() == std::io::ErrorKind::NotFound;
            differences.add(path, || format!("cannot be read: {e}"));
            return None;
        }
    };
    if bytes.len() as u64 != size {
        differences.add(path, || format!("has {} bytes, not {size}", bytes.len()));
        return None;
    }
    if checksum(&bytes) != expected_checksum {
        differences.add(path, || "the checksum does not match: the file was changed".to_owned());
        return None;
    }
    Some(bytes)
}

fn check_side_file(store: &Store, file: &AuxiliaryFile, check: &mut FileCheck) {
    let Some(bytes) = read_checked(store, &file.path, file.bytes, &file.checksum, check) else { return };
    let lines = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()).count() as u64;
    if file.path.starts_with(REJECTS_DIR) && lines != file.rows {
        check.differences.add(&file.path, || format!("has {lines} lines, not {}", file.rows));
    }
}

fn check_data_file(store: &Store, snapshot: &Snapshot, table: Table, file: &DataFile) -> FileCheck {
    let mut check = FileCheck::default();
    let Some(bytes) = read_checked(store, &file.path, file.bytes, &file.checksum, &mut check) else {
        return check;
    };
    if !crate::store::parquet::has_footer(&bytes, file) {
        check.differences.add(&file.path, || "the checksum of its footer does not match".to_owned());
    }
    match crate::store::parquet::decode(bytes, None) {
        Err(error) => check.differences.add(&file.path, || format!("cannot be read: {error}")),
        Ok(frame) => {
            if let Err(error) = check_rows(snapshot, table, file, &frame, &mut check.differences) {
                check.differences.add(&file.path, || error.to_string());
            }
        }
    }
    check
}

/// Compares the rows of a file with its entry in the manifest.
fn check_rows(
    snapshot: &Snapshot,
    table: Table,
    file: &DataFile,
    frame: &Frame,
    differences: &mut Differences,
) -> Result<()> {
    let mut add = |message: String| differences.add(&file.path, || message);
    if let Some(message) = column_difference(table, frame) {
        add(message);
        return Ok(());
    }
    let rows = frame.height() as u64;
    if rows != file.rows {
        add(format!("has {rows} rows, not {}", file.rows));
    }
    let (starts, ends) = tables::times(table, frame)?;
    if rows > 0 && starts.iter().min() != Some(&file.min_time) {
        add("the minimum time differs from the manifest".to_owned());
    }
    if rows > 0 && ends.iter().max() != Some(&file.max_time) {
        add("the maximum time differs from the manifest".to_owned());
    }
    let zone = snapshot.zone();
    let misplaced = starts.iter().filter(|&&time| {
        let day = match table {
            Table::Events => Day::utc(time),
            Table::Sessions => zone.day(time),
            Table::DailyStats | Table::Visitors => Day::utc(time).month_start(),
        };
        day != file.day
    });
    let misplaced = misplaced.count();
    if misplaced > 0 {
        add(format!("{misplaced} rows belong to another partition"));
    }
    let reversed = starts.iter().zip(&ends).filter(|(start, end)| start > end).count();
    if reversed > 0 {
        add(format!("{reversed} rows end before they start"));
    }
    Ok(())
}

/// Describes how the columns of a frame differ from those of a table; `None` if they do not.
fn column_difference(table: Table, frame: &Frame) -> Option<String> {
    let columns = table.columns();
    if !frame.column_names().eq(columns.iter().map(|c| c.name)) {
        return Some(format!("the columns are not those of {}", table.name()));
    }
    columns.iter().find_map(|column| {
        if let Some(found) = frame.type_mismatch(column) {
            return Some(format!("the column {} is of type {found}", column.name));
        }
        let nulls = frame.null_count(column.name).unwrap_or(0);
        (!column.nullable && nulls > 0)
            .then(|| format!("the column {} has {nulls} nulls, and must not have any", column.name))
    })
}

/// Adds a difference for each folder of the store that is a symbolic link, since writers do not
/// follow such links. Returns the number of links.
pub(super) fn check_folders(store: &Store, differences: &mut Differences) -> Result<u64> {
    let linked = store.linked_folders()?;
    for name in &linked {
        differences.add(*name, || "is a symbolic link: move the folder back into the store".to_owned());
    }
    Ok(linked.len() as u64)
}

/// The orphan files of a store.
#[derive(Debug, Default)]
pub(super) struct OrphanFiles {
    /// The paths in the store.
    pub(super) paths: Vec<String>,
    /// Whether a writer is running or was interrupted. The orphan files then belong to that writer,
    /// and the next writer removes those that remain.
    pub(super) has_writer: bool,
}

/// Returns the orphan files of a store.
pub(super) fn orphan_files(store: &Store, manifest: &Manifest) -> Result<OrphanFiles> {
    let has_staging = || -> Result<bool> {
        let entries = store.file_system().list(store.dir()).map_err(|e| Error::io("list", store.dir(), e))?;
        Ok(entries.iter().any(|entry| entry.name == STAGING_DIR))
    };
    let before = has_staging()?;
    let paths = store.orphan_files(manifest, Store::data_folders())?;
    // A writer can start or end while the files are listed.
    Ok(OrphanFiles { paths, has_writer: before || has_staging()? })
}
