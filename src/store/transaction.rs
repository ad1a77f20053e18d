//! A change of the store, visible whole or not at all.
//!
//! What always holds: the files that the manifest names are there, whole, and never change. A
//! change writes its new files aside, moves them in, and replaces the manifest.
//!
//! 1. `staging/` is made and synced. As long as it is there, unnamed files may lie about.
//! 2. Each new file is written in `staging/` and synced.
//! 3. It is renamed into its partition; the partition's folder (and those above, if new) is synced.
//! 4. The new manifest is written in `staging/`, synced, and renamed over `manifest.json`; the
//!    store's folder is synced. **This is the commit.**
//! 5. Files that the old manifest named and the new one does not are removed.
//! 6. When the writer ends, the folders out of which files were removed are synced, and `staging/`
//!    is removed.
//!
//! A crash before 4 leaves the old state, after it the new one; in both, files that no manifest
//! names. They are never read, and the next writer, seeing `staging/`, removes them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::columns::Table;
use super::file_system::Disk;
use super::manifest::{DataFile, MANIFEST, Manifest, SideFile, checksum};
use super::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::time::{Day, Micros};

/// The folder of files on their way.
pub const STAGING: &str = "staging";
/// The folder of refused lines.
pub const REJECTS: &str = "rejects";
/// The folder of the writer's own notes.
pub const STATE: &str = "state";

/// A new file of a table, still in memory.
#[derive(Debug)]
pub struct NewFile {
    /// Its name, that no other file has.
    name: String,
    /// The table.
    pub table: Table,
    /// The partition's first day.
    pub day: Day,
    /// Number of rows.
    pub rows: u64,
    /// The earliest time in it.
    pub min_time: Micros,
    /// The latest time in it.
    pub max_time: Micros,
    /// The Parquet file.
    pub bytes: Vec<u8>,
}

impl NewFile {
    /// Names the bytes of a Parquet file: so many rows, of times from the first to the second one.
    pub fn new(table: Table, day: Day, rows: u64, times: (Micros, Micros), bytes: Vec<u8>) -> NewFile {
        let name = format!("{}.parquet", uuid::Uuid::new_v4().simple());
        NewFile { name, table, day, rows, min_time: times.0, max_time: times.1, bytes }
    }

    /// Returns where it will lie, below the store's folder.
    pub fn path(&self) -> String {
        format!("{}/{}", self.table.partition(self.day), self.name)
    }
}

/// What became of the files that a change has replaced.
#[derive(Debug)]
pub struct Removal {
    /// All of them are gone.
    pub clean: bool,
    /// The folders out of which files were removed; not synced since.
    pub touched: BTreeSet<PathBuf>,
}

/// A change under way. Dropping it leaves the store as it was.
#[derive(Debug)]
pub struct Transaction {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    manifest: Manifest,
    moved_into: BTreeSet<PathBuf>,
    staged: Vec<String>,
    removed: Vec<String>,
}

impl Transaction {
    /// Begins a change of the state that `manifest` names; the caller holds the writer's lock.
    pub(super) fn begin(disk: Arc<dyn Disk>, dir: &Path, manifest: Manifest) -> Transaction {
        Transaction {
            disk,
            dir: dir.to_owned(),
            manifest,
            moved_into: BTreeSet::new(),
            staged: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// Returns the state that the change has come to, for reading and for its lesser fields.
    pub fn manifest(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Writes a file of a table aside, to become visible with the commit.
    pub fn add(&mut self, file: NewFile) -> Result<()> {
        let path = file.path();
        let checksum = self.stage(&path, &file.bytes)?;
        let files = self.manifest.tables.entry(file.table).or_default();
        files.push(DataFile {
            path,
            day: file.day,
            rows: file.rows,
            bytes: file.bytes.len() as u64,
            checksum,
            min_time: file.min_time,
            max_time: file.max_time,
            without_addresses: false,
        });
        Ok(())
    }

    /// Takes a file out of a table; it is removed after the commit.
    pub fn remove(&mut self, table: Table, path: &str) {
        if let Some(files) = self.manifest.tables.get_mut(&table) {
            files.retain(|file| file.path != path);
        }
        self.remove_side(path);
    }

    /// Returns the state as this change will leave it, readable before the commit.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let staged = self.staged.iter().cloned().collect();
        Snapshot::new(self.disk.clone(), self.dir.clone(), self.manifest.clone(), staged)
    }

    /// Writes a file that is not part of a table into `folder`, and returns how the manifest is to
    /// name it; the caller puts that into the manifest.
    pub fn add_side(
        &mut self,
        folder: &str,
        name: &str,
        bytes: &[u8],
        rows: u64,
        now: Micros,
    ) -> Result<SideFile> {
        let path = format!("{folder}/{name}");
        let checksum = self.stage(&path, bytes)?;
        Ok(SideFile { path, bytes: bytes.len() as u64, checksum, rows, written_at: now })
    }

    /// Writes one of the writer's own notes in the place of the one before: `name` says of what kind it is, and
    /// `place` where the manifest names it.
    pub fn replace_note(
        &mut self,
        name: &str,
        place: impl FnOnce(&mut Manifest) -> &mut Option<SideFile>,
        bytes: &[u8],
        rows: u64,
        now: Micros,
    ) -> Result<()> {
        let name = format!("{name}-{}.json", uuid::Uuid::new_v4().simple());
        let file = self.add_side(STATE, &name, bytes, rows, now)?;
        if let Some(old) = place(&mut self.manifest).replace(file) {
            self.remove_side(&old.path);
        }
        Ok(())
    }

    /// Takes note that the manifest does not name a file any more.
    pub fn remove_side(&mut self, path: &str) {
        if let Some(at) = self.staged.iter().position(|staged| staged == path) {
            // Never visible: it can go at once. Where it cannot, the next writer's sweep takes it.
            self.staged.swap_remove(at);
            let _ = self.disk.remove_file(&staged_path(&self.dir, path));
        } else {
            self.removed.push(path.to_owned());
        }
    }

    fn stage(&mut self, path: &str, bytes: &[u8]) -> Result<String> {
        let staged = staged_path(&self.dir, path);
        self.disk.write_new(&staged, bytes).map_err(|e| Error::io("write", &staged, e))?;
        self.disk.sync_file(&staged).map_err(|e| Error::io("sync", &staged, e))?;
        self.staged.push(path.to_owned());
        Ok(checksum(bytes))
    }

    /// Removes what was written aside: the store stays as it was.
    pub fn discard(self) -> Result<()> {
        for path in &self.staged {
            let staged = staged_path(&self.dir, path);
            self.disk.remove_file(&staged).map_err(|e| Error::io("remove", &staged, e))?;
        }
        Ok(())
    }

    /// Makes the change visible, whole. Returns the new state, and what became of the files that it
    /// does not name any more.
    pub fn commit(mut self, now: Micros) -> Result<(Manifest, Removal)> {
        for path in std::mem::take(&mut self.staged) {
            let to = self.dir.join(&path);
            if let Some(folder) = to.parent()
                && self.moved_into.insert(folder.to_owned())
            {
                self.disk.create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, e))?;
            }
            let from = staged_path(&self.dir, &path);
            self.disk.rename(&from, &to).map_err(|e| Error::io("move into place", &to, e))?;
        }
        // A new partition is an entry of its table's folder, and that one of the store's.
        let mut folders = self.moved_into.clone();
        for folder in &self.moved_into {
            folders.extend(
                folder.ancestors().skip(1).take_while(|f| f.starts_with(&self.dir)).map(Path::to_owned),
            );
        }
        for folder in &folders {
            self.disk.sync_dir(folder).map_err(|e| Error::io("sync the folder", folder, e))?;
        }
        self.manifest.generation += 1;
        self.manifest.updated_at = now;
        for files in self.manifest.tables.values_mut() {
            files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        write_manifest(&*self.disk, &self.dir, &self.manifest)?;
        // From here on the new state stands: what cannot be removed now, the next writer removes.
        let mut removal = Removal { clean: true, touched: BTreeSet::new() };
        for path in &self.removed {
            let path = self.dir.join(path);
            let gone = self.disk.remove_file(&path).is_ok();
            removal.clean &= gone;
            let Some(folder) = path.parent().filter(|_| gone) else { continue };
            // Only an empty partition goes; the disk refuses the others.
            if folder.parent() != Some(&self.dir)
                && self.disk.remove_dir(folder).is_ok()
                && let Some(above) = folder.parent()
            {
                removal.touched.insert(above.to_owned());
            }
            removal.touched.insert(folder.to_owned());
        }
        Ok((self.manifest, removal))
    }
}

/// Returns where a file lies until the commit.
pub(super) fn staged_path(dir: &Path, path: &str) -> PathBuf {
    dir.join(STAGING).join(path.rsplit('/').next().unwrap_or(path))
}

/// Replaces the manifest, or writes the first one.
pub(super) fn write_manifest(disk: &dyn Disk, dir: &Path, manifest: &Manifest) -> Result<()> {
    let bytes = manifest.to_bytes()?;
    let staged = dir.join(STAGING).join(MANIFEST);
    let path = dir.join(MANIFEST);
    disk.write_new(&staged, &bytes).map_err(|e| Error::io("write", &staged, e))?;
    disk.sync_file(&staged).map_err(|e| Error::io("sync", &staged, e))?;
    disk.rename(&staged, &path).map_err(|e| Error::io("replace", &path, e))?;
    disk.sync_dir(dir).map_err(|e| Error::io("sync the folder", dir, e))
}
