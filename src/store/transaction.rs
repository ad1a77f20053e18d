//! Atomic changes of a store.
//!
//! Invariants:
//!
//! - Every file that the manifest names exists, is complete, and never changes.
//! - A file that the manifest does not name is never read. While no writer is at work, such orphan
//!   files exist only if `staging/` exists.
//! - At most one writer changes the store: see [`lock`](super::lock).
//!
//! Steps of a writer, and what a crash in each step leaves:
//!
//! 1. Create `staging/` and sync the store's folder. A crash leaves the old state and an empty
//!    `staging/`.
//! 2. Write each new file to `staging/` and sync it. A crash leaves the old state and files in
//!    `staging/`.
//! 3. Rename each file into its folder; sync these folders and their parents. A crash leaves the
//!    old state and orphan files.
//! 4. Write the manifest to `staging/`, sync it, rename it over `manifest.json`, and sync the
//!    store's folder. **This is the commit.** A crash leaves the old or the new state, and orphan
//!    files.
//! 5. Remove the files that only the old manifest names. A crash leaves the new state and orphan
//!    files.
//! 6. When the writer ends, sync the folders that lost files, and remove `staging/`. A crash leaves
//!    the new state, and `staging/` or not.
//!
//! Step 1 happens once for a writer, steps 2 to 5 for each transaction. The next writer finds
//! `staging/` and removes all orphan files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::columns::Table;
use super::file_system::FileSystem;
use super::manifest::{AuxiliaryFile, DataFile, MANIFEST_FILE, Manifest, checksum};
use super::paths::{STAGING_DIR, STATE_DIR, staged_path};
use super::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::time::{Day, Micros};

/// A new file of a table, in memory.
#[derive(Debug)]
pub struct NewFile {
    /// Unique file name.
    name: String,
    /// The table.
    pub table: Table,
    /// First day of the partition.
    pub day: Day,
    /// Number of rows.
    pub rows: u64,
    /// Earliest time of a row.
    pub min_time: Micros,
    /// Latest time of a row.
    pub max_time: Micros,
    /// The Parquet file.
    pub bytes: Vec<u8>,
}

impl NewFile {
    /// Returns a new file from its bytes, with a unique name. `times` are the earliest and the
    /// latest time of its rows.
    pub fn new(table: Table, day: Day, rows: u64, times: (Micros, Micros), bytes: Vec<u8>) -> NewFile {
        let name = format!("{}.parquet", uuid::Uuid::new_v4().simple());
        NewFile { name, table, day, rows, min_time: times.0, max_time: times.1, bytes }
    }

    /// Returns the path after the commit, relative to the store.
    pub fn path(&self) -> String {
        format!("{}/{}", self.table.partition(self.day), self.name)
    }
}

/// The removal of replaced files after a commit.
#[derive(Debug)]
pub struct Removal {
    /// Whether every file was removed.
    pub is_complete: bool,
    /// The folders from which files were removed, not synced yet.
    pub changed_dirs: BTreeSet<PathBuf>,
}

/// A change in progress. Dropping it leaves the store as it was.
#[derive(Debug)]
pub struct Transaction {
    fs: Arc<dyn FileSystem>,
    dir: PathBuf,
    manifest: Manifest,
    /// Paths of new files, which are in `staging/`.
    staged: Vec<String>,
    /// Paths of committed files that the new manifest no longer names.
    replaced: Vec<String>,
}

impl Transaction {
    /// Begins a change of the state that `manifest` names. The caller must hold the writer's lock.
    pub(super) fn begin(fs: Arc<dyn FileSystem>, dir: &Path, manifest: Manifest) -> Transaction {
        Transaction { fs, dir: dir.to_owned(), manifest, staged: Vec::new(), replaced: Vec::new() }
    }

    /// Returns the manifest as this change will commit it.
    pub fn manifest(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// Adds a file to its table: writes and syncs it in `staging/`.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
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
            ip_addresses_removed: false,
        });
        Ok(())
    }

    /// Removes a file from a table. The file itself is removed after the commit.
    pub fn remove(&mut self, table: Table, path: &str) {
        if let Some(files) = self.manifest.tables.get_mut(&table) {
            files.retain(|file| file.path != path);
        }
        self.remove_auxiliary(path);
    }

    /// Returns the state that this change will commit, readable before the commit.
    ///
    /// # Errors
    /// Fails if the manifest's time zone is unknown.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let staged = self.staged.iter().cloned().collect();
        Snapshot::new(self.fs.clone(), self.dir.clone(), self.manifest.clone(), staged)
    }

    /// Writes a file that is not part of a table into `folder`. Returns its entry for the manifest,
    /// which the caller must add.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn add_auxiliary(
        &mut self,
        folder: &str,
        name: &str,
        bytes: &[u8],
        rows: u64,
        now: Micros,
    ) -> Result<AuxiliaryFile> {
        let path = format!("{folder}/{name}");
        let checksum = self.stage(&path, bytes)?;
        Ok(AuxiliaryFile { path, bytes: bytes.len() as u64, checksum, rows, written_at: now })
    }

    /// Replaces a state file. `name` is the first part of its file name, and `entry` returns its
    /// entry in the manifest.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn replace_state_file(
        &mut self,
        name: &str,
        entry: impl FnOnce(&mut Manifest) -> &mut Option<AuxiliaryFile>,
        bytes: &[u8],
        rows: u64,
        now: Micros,
    ) -> Result<()> {
        let name = format!("{name}-{}.json", uuid::Uuid::new_v4().simple());
        let file = self.add_auxiliary(STATE_DIR, &name, bytes, rows, now)?;
        if let Some(old) = entry(&mut self.manifest).replace(file) {
            self.remove_auxiliary(&old.path);
        }
        Ok(())
    }

    /// Removes a file whose entry the caller has removed from the manifest. A committed file is
    /// removed after the commit, a new one at once.
    pub fn remove_auxiliary(&mut self, path: &str) {
        if let Some(index) = self.staged.iter().position(|staged| staged == path) {
            // If the removal fails, the file is an orphan in `staging/` and is removed later.
            self.staged.swap_remove(index);
            let _ = self.fs.remove_file(&staged_path(&self.dir, path));
        } else {
            self.replaced.push(path.to_owned());
        }
    }

    fn stage(&mut self, path: &str, bytes: &[u8]) -> Result<String> {
        let staged = staged_path(&self.dir, path);
        self.fs.write_new(&staged, bytes).map_err(|e| Error::io("write", &staged, e))?;
        self.fs.sync_file(&staged).map_err(|e| Error::io("sync", &staged, e))?;
        self.staged.push(path.to_owned());
        Ok(checksum(bytes))
    }

    /// Removes the new files and leaves the store as it was.
    ///
    /// # Errors
    /// Fails if a file cannot be removed.
    pub fn discard(self) -> Result<()> {
        for path in &self.staged {
            let staged = staged_path(&self.dir, path);
            self.fs.remove_file(&staged).map_err(|e| Error::io("remove", &staged, e))?;
        }
        Ok(())
    }

    /// Commits the change. Returns the new manifest, and the outcome of removing the files that it
    /// no longer names.
    ///
    /// # Errors
    /// Fails if a file cannot be renamed, or the manifest cannot be written. The old state remains
    /// then, unless only the last sync failed.
    pub fn commit(mut self, now: Micros) -> Result<(Manifest, Removal)> {
        let mut folders = BTreeSet::new();
        for path in std::mem::take(&mut self.staged) {
            let to = self.dir.join(&path);
            if let Some(folder) = to.parent()
                && folders.insert(folder.to_owned())
            {
                self.fs.create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, e))?;
            }
            let from = staged_path(&self.dir, &path);
            self.fs.rename(&from, &to).map_err(|e| Error::io("move a new file to", &to, e))?;
        }
        // A new partition is an entry of its table's folder, and that may be new in the store's.
        let parents: Vec<PathBuf> = folders
            .iter()
            .flat_map(|folder| folder.ancestors().skip(1).take_while(|f| f.starts_with(&self.dir)))
            .map(Path::to_owned)
            .collect();
        folders.extend(parents);
        for folder in &folders {
            self.fs.sync_dir(folder).map_err(|e| Error::io("sync the folder", folder, e))?;
        }
        self.manifest.generation += 1;
        self.manifest.updated_at = now;
        for files in self.manifest.tables.values_mut() {
            files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        write_manifest(&*self.fs, &self.dir, &self.manifest)?;
        // The new state is committed. Files that cannot be removed now are orphans.
        let mut removal = Removal { is_complete: true, changed_dirs: BTreeSet::new() };
        for path in &self.replaced {
            let path = self.dir.join(path);
            let is_removed = self.fs.remove_file(&path).is_ok();
            removal.is_complete &= is_removed;
            let Some(folder) = path.parent().filter(|_| is_removed) else { continue };
            // Succeeds only if the partition is empty.
            if folder.parent() != Some(&self.dir)
                && self.fs.remove_dir(folder).is_ok()
                && let Some(parent) = folder.parent()
            {
                removal.changed_dirs.insert(parent.to_owned());
            }
            removal.changed_dirs.insert(folder.to_owned());
        }
        Ok((self.manifest, removal))
    }
}

/// Writes the manifest, replacing an existing one atomically.
///
/// # Errors
/// Fails if a file operation does.
pub(super) fn write_manifest(fs: &dyn FileSystem, dir: &Path, manifest: &Manifest) -> Result<()> {
    let bytes = manifest.to_bytes()?;
    let staged = dir.join(STAGING_DIR).join(MANIFEST_FILE);
    let path = dir.join(MANIFEST_FILE);
    fs.write_new(&staged, &bytes).map_err(|e| Error::io("write", &staged, e))?;
    fs.sync_file(&staged).map_err(|e| Error::io("sync", &staged, e))?;
    fs.rename(&staged, &path).map_err(|e| Error::io("replace", &path, e))?;
    fs.sync_dir(dir).map_err(|e| Error::io("sync the folder", dir, e))
}
