//! Every file against the manifest: there, of its size and checksum, with the columns, rows and
//! times that it must have, in the partition of its rows; and no file that the manifest does not
//! name.

use rayon::prelude::*;

use super::difference::Differences;
use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::store::Store;
use crate::store::columns::Table;
use crate::store::file_system::OpenFile;
use crate::store::frame::Frame;
use crate::store::manifest::{AuxiliaryFile, DataFile, Manifest, checksum};
use crate::store::snapshot::Snapshot;
use crate::store::tables;
use crate::store::transaction::{REJECTS_DIR, STAGING_DIR};
use crate::time::Day;

/// What a look at the files came to.
#[derive(Debug, Default)]
pub struct Looked {
    /// What differs.
    pub differences: Differences,
    /// A file is not there: a newer state of the store can be the reason.
    pub missing: bool,
}

/// Looks at every file that the manifest names.
pub fn check(store: &Store, snapshot: &Snapshot, progress: &dyn Progress) -> Looked {
    let manifest = snapshot.manifest();
    let mut looked = Looked::default();
    for table in Table::ALL {
        progress.set_step(table.name());
        let found: Vec<Looked> = manifest
            .files(table)
            .par_iter()
            .map(|file| {
                let looked = data_file(store, snapshot, table, file);
                progress.advance(file.bytes);
                looked
            })
            .collect();
        for one in found {
            looked.missing |= one.missing;
            looked.differences.append(one.differences);
        }
    }
    for file in manifest.rejects.iter().chain(&manifest.sources).chain(&manifest.ledger) {
        side_file(store, file, &mut looked);
        progress.advance(file.bytes);
    }
    looked
}

/// Reads a file whole, and compares what can be told without knowing what it is.
fn bytes(store: &Store, path: &str, size: u64, sum: &str, looked: &mut Looked) -> Option<Vec<u8>> {
    let differences = &mut looked.differences;
    let bytes = match store.file_system().read(&store.dir().join(path)) {
        Ok(bytes) => bytes,
        Err(e) => {
            looked.missing |= e.kind() == std::io::ErrorKind::NotFound;
            differences.add(path, || format!("it cannot be read: {e}"));
            return None;
        }
    };
    if bytes.len() as u64 != size {
        differences.add(path, || format!("it has {} bytes, not {size}", bytes.len()));
        return None;
    }
    if checksum(&bytes) != sum {
        differences.add(path, || "its checksum does not fit: its bytes were changed".to_owned());
        return None;
    }
    Some(bytes)
}

fn side_file(store: &Store, file: &AuxiliaryFile, looked: &mut Looked) {
    let Some(bytes) = bytes(store, &file.path, file.bytes, &file.checksum, looked) else { return };
    let lines = bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()).count() as u64;
    if file.path.starts_with(REJECTS_DIR) && lines != file.rows {
        looked.differences.add(&file.path, || format!("it has {lines} lines, not {}", file.rows));
    }
}

fn data_file(store: &Store, snapshot: &Snapshot, table: Table, file: &DataFile) -> Looked {
    let mut looked = Looked::default();
    let Some(bytes) = bytes(store, &file.path, file.bytes, &file.checksum, &mut looked) else {
        return looked;
    };
    match crate::store::parquet::decode(OpenFile::Bytes(bytes), None) {
        Err(why) => looked.differences.add(&file.path, || format!("it cannot be read: {why}")),
        Ok(frame) => {
            if let Err(error) = content(snapshot, table, file, &frame, &mut looked.differences) {
                looked.differences.add(&file.path, || error.to_string());
            }
        }
    }
    looked
}

/// Compares what a file of a table holds with what the manifest says of it.
fn content(
    snapshot: &Snapshot,
    table: Table,
    file: &DataFile,
    frame: &Frame,
    differences: &mut Differences,
) -> Result<()> {
    let mut say = |what: String| differences.add(&file.path, || what);
    if let Some(why) = wrong_columns(table, frame) {
        say(why);
        return Ok(());
    }
    let rows = frame.height() as u64;
    if rows != file.rows {
        say(format!("it has {rows} rows, not {}", file.rows));
    }
    let partition = table.partition(file.day) + "/";
    if !file.path.starts_with(&partition) {
        say(format!("it is of {partition} and lies elsewhere"));
    }
    let (starts, ends) = tables::times(table, frame)?;
    let (least, greatest) = (starts.iter().min().copied(), ends.iter().max().copied());
    if rows > 0 && (least, greatest) != (Some(file.min_time), Some(file.max_time)) {
        say("the earliest or the latest time in it is not what the manifest says".to_owned());
    }
    let zone = snapshot.zone();
    let strays = starts.iter().filter(|&&time| {
        let day = match table {
            Table::Events => Day::utc(time),
            Table::Sessions => zone.day(time),
            Table::DailyStats | Table::Visitors => Day::utc(time).month_start(),
        };
        day != file.day
    });
    let strays = strays.count();
    if strays > 0 {
        say(format!("{strays} of its rows belong to another partition"));
    }
    let backwards = starts.iter().zip(&ends).filter(|(start, end)| start > end).count();
    if backwards > 0 {
        say(format!("{backwards} of its rows end before they start"));
    }
    Ok(())
}

/// Says how the columns of a frame differ from those of a table.
fn wrong_columns(table: Table, frame: &Frame) -> Option<String> {
    let defined = table.columns();
    if !frame.column_names().eq(defined.iter().map(|c| c.name)) {
        return Some(format!("its columns are not those of {}", table.name()));
    }
    defined.iter().find_map(|defined| {
        if let Some(found) = frame.type_mismatch(defined) {
            return Some(format!("its column {} is of type {found}", defined.name));
        }
        let nulls = frame.null_count(defined.name).unwrap_or(0);
        (!defined.nullable && nulls > 0)
            .then(|| format!("its column {} is null in {nulls} rows, and must not be", defined.name))
    })
}

/// Files in the store's own folders that a manifest does not name.
#[derive(Debug, Default)]
pub struct OrphanFiles {
    /// Their paths within the store.
    pub paths: Vec<String>,
    /// A writer is at work, or was interrupted: the files are its own, and the next one removes them.
    pub writer: bool,
}

/// Lists the files that the manifest does not name.
pub fn unnamed(store: &Store, manifest: &Manifest) -> Result<OrphanFiles> {
    let writing = || -> Result<bool> {
        let entries = store.file_system().list(store.dir()).map_err(|e| Error::io("list", store.dir(), e))?;
        Ok(entries.iter().any(|entry| entry.name == STAGING_DIR))
    };
    let before = writing()?;
    let paths = store.orphan_files(manifest, Store::data_folders())?;
    // A writer may have come or gone meanwhile.
    Ok(OrphanFiles { paths, writer: before || writing()? })
}
