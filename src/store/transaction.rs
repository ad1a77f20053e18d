//! Atomic changes of a store.
//!
//! Invariants:
//!
//! - Every file that the manifest names exists, is complete, and never changes.
//! - A file that the manifest does not name is never read. While no writer is running, orphan
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
//!    old state and orphan files. If there are many small files, step 2 does not sync them one by
//!    one. Instead, the whole file system is synced after the renames. All new files are on it,
//!    since a file cannot be renamed to another file system.
//! 4. Write the manifest to `staging/`, sync it, rename it over `manifest.json`, and sync the
//!    store's folder. **This is the commit.** A crash leaves the old or the new state, and orphan
//!    files.
//! 5. Remove the files that only the old manifest names. A crash leaves the new state and orphan
//!    files.
//! 6. When the writer ends, sync the folders that lost files, and remove `staging/`. A crash leaves
//!    the new state, with or without `staging/`.
//!
//! Step 1 happens once for a writer, steps 2 to 5 for each transaction. The next writer finds
//! `staging/` and removes all orphan files.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Store;
use super::columns::Table;
use super::containment::linked_partition;
use super::decode::checksums::FooterChecksum;
use super::file_system::{FileSystem, Link, SyncAll};
use super::manifest::{AuxiliaryFile, DataFile, MANIFEST_FILE, Manifest, VERSION, checksum};
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

    /// Returns the entry of the file in the manifest.
    fn entry(&self) -> DataFile {
        DataFile {
            path: self.path(),
            day: self.day,
            rows: self.rows,
            bytes: self.bytes.len() as u64,
            checksum: checksum(&self.bytes),
            footer_checksum: FooterChecksum::from_file(&self.bytes).map(|footer| footer.checksum),
            min_time: self.min_time,
            max_time: self.max_time,
            ip_addresses_removed: false,
        }
    }
}

/// Writes and syncs a file in the `staging/` of a store, for a transaction of the process that
/// holds the writer's lock. Returns its entry. A file that no transaction adopts is removed when
/// the writer ends.
///
/// # Errors
/// Fails if the file cannot be written.
pub(crate) fn stage_file(store: &Store, file: &NewFile) -> Result<DataFile> {
    let staged = staged_path(store.dir(), &file.path());
    let fs = store.file_system();
    fs.write_new(&staged, &file.bytes).map_err(|e| Error::io("write", &staged, e))?;
    fs.sync_file(&staged).map_err(|e| Error::io("sync", &staged, e))?;
    Ok(file.entry())
}

/// Reads a file that [`stage_file`] has written.
///
/// # Errors
/// Fails if the file cannot be read, or if its checksum is wrong.
pub(crate) fn read_staged(store: &Store, file: &DataFile) -> Result<Vec<u8>> {
    let staged = staged_path(store.dir(), &file.path);
    let bytes = store.file_system().read(&staged).map_err(|e| Error::io("read", &staged, e))?;
    if checksum(&bytes) != file.checksum {
        return Err(Error::failed(format!("{} is damaged", staged.display())));
    }
    Ok(bytes)
}

/// The removal of replaced files after a commit.
#[derive(Debug)]
pub struct Removal {
    /// Whether every file was removed.
    pub is_complete: bool,
    /// The folders from which files were removed, not synced yet.
    pub changed_dirs: BTreeSet<PathBuf>,
}

/// A committed file that the new manifest no longer names.
#[derive(Debug)]
struct ReplacedFile {
    path: String,
    /// Size in bytes; `None` if it is not a file of a table.
    bytes: Option<u64>,
}

/// A change in progress. Dropping it leaves the store unchanged.
#[derive(Debug)]
pub struct Transaction {
    fs: Arc<dyn FileSystem>,
    dir: PathBuf,
    manifest: Manifest,
    /// Paths of files that were removed from their tables, but not from `manifest` yet. Removing
    /// them one by one would search all files for each replaced file, thousands of times in a large
    /// change.
    removed: HashSet<String>,
    /// Paths of new files, which are in `staging/`.
    staged: BTreeSet<String>,
    /// Committed files that the new manifest no longer names.
    replaced: Vec<ReplacedFile>,
    grouped: GroupedSync,
}

/// The sync of many small files at once.
#[derive(Debug)]
enum GroupedSync {
    /// Few files have been written so far, and each was synced.
    Unused,
    /// Files are synced one by one.
    Unavailable,
    /// The commit syncs all small files that were written since the file system was opened.
    Used(SyncAll),
}

/// Minimum size, in bytes, of a file that is always synced separately, while other files are
/// computed.
const MIN_SYNCED_BYTES: usize = 1 << 20;

impl Transaction {
    /// Begins a change of the state that `manifest` describes. The caller must hold the writer's
    /// lock.
    pub(super) fn begin(fs: Arc<dyn FileSystem>, dir: &Path, manifest: Manifest) -> Transaction {
        let (removed, staged, replaced) = (HashSet::new(), BTreeSet::new(), Vec::new());
        let grouped = GroupedSync::Unused;
        Transaction { fs, dir: dir.to_owned(), manifest, removed, staged, replaced, grouped }
    }

    /// Returns the manifest that this change will commit.
    pub fn manifest(&mut self) -> &mut Manifest {
        let removed = std::mem::take(&mut self.removed);
        if !removed.is_empty() {
            for files in self.manifest.tables.values_mut() {
                files.retain(|file| !removed.contains(&file.path));
            }
        }
        &mut self.manifest
    }

    /// Adds a file to its table: writes and syncs it in `staging/`.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn add(&mut self, file: NewFile) -> Result<()> {
        self.stage(&file.path(), &file.bytes)?;
        self.manifest.tables.entry(file.table).or_default().push(file.entry());
        Ok(())
    }

    /// Adds a file that [`stage_file`] has written to `staging/`, possibly on another machine that
    /// has mounted the store.
    pub fn adopt(&mut self, table: Table, file: DataFile) {
        self.staged.insert(file.path.clone());
        self.manifest.tables.entry(table).or_default().push(file);
    }

    /// Removes a file from its table. The file itself is removed after the commit.
    pub fn remove(&mut self, file: &DataFile) {
        self.removed.insert(file.path.clone());
        self.remove_file(&file.path, Some(file.bytes));
    }

    /// Returns the state that this change will commit, readable before the commit.
    ///
    /// # Errors
    /// Fails if the manifest's time zone is unknown.
    pub fn snapshot(&mut self) -> Result<Snapshot> {
        let (manifest, staged) = (self.manifest().clone(), self.staged.iter().cloned().collect());
        Snapshot::new(self.fs.clone(), self.dir.clone(), manifest, staged)
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
    /// removed after the commit, a new one immediately.
    pub fn remove_auxiliary(&mut self, path: &str) {
        self.remove_file(path, None);
    }

    fn remove_file(&mut self, path: &str, bytes: Option<u64>) {
        if self.staged.remove(path) {
            // If the removal fails, the file is an orphan in `staging/` and is removed later.
            let _ = self.fs.remove_file(&staged_path(&self.dir, path));
        } else {
            self.replaced.push(ReplacedFile { path: path.to_owned(), bytes });
        }
    }

    fn stage(&mut self, path: &str, bytes: &[u8]) -> Result<String> {
        let staged = staged_path(&self.dir, path);
        if matches!(self.grouped, GroupedSync::Unused) && self.staged.len() >= self.fs.min_grouped_files() {
            let all = self.fs.open_sync_all(&self.dir).ok().flatten();
            self.grouped = all.map_or(GroupedSync::Unavailable, GroupedSync::Used);
        }
        self.fs.write_new(&staged, bytes).map_err(|e| Error::io("write", &staged, e))?;
        if !matches!(self.grouped, GroupedSync::Used(_)) || bytes.len() >= MIN_SYNCED_BYTES {
            self.fs.sync_file(&staged).map_err(|e| Error::io("sync", &staged, e))?;
        }
        self.staged.insert(path.to_owned());
        Ok(checksum(bytes))
    }

    /// Removes the new files and leaves the store unchanged.
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
    /// Fails if a file cannot be renamed, or the manifest cannot be written. The store then keeps
    /// the old state, unless only the last sync failed.
    pub fn commit(mut self, now: Micros) -> Result<(Manifest, Removal)> {
        self.manifest();
        self.check_links()?;
        let mut folders: Vec<PathBuf> = Vec::new();
        // The paths are sorted, so the files of a folder are adjacent.
        for path in std::mem::take(&mut self.staged) {
            let to = self.dir.join(&path);
            if let Some(folder) = to.parent()
                && folders.last().is_none_or(|last| last != folder)
            {
                self.fs.create_dir_all(folder).map_err(|e| Error::io("create the folder", folder, e))?;
                folders.push(folder.to_owned());
            }
            let from = staged_path(&self.dir, &path);
            self.fs.rename(&from, &to).map_err(|e| Error::io("move a new file to", &to, e))?;
        }
        match &self.grouped {
            GroupedSync::Used(all) => {
                self.fs.sync_all(all).map_err(|e| Error::io("sync the file system of", &self.dir, e))?;
            }
            GroupedSync::Unused | GroupedSync::Unavailable => self.sync_folders(folders)?,
        }
        let manifest = self.manifest();
        manifest.version = VERSION;
        manifest.generation += 1;
        manifest.updated_at = now;
        for files in manifest.tables.values_mut() {
            files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        write_manifest(&*self.fs, &self.dir, &self.manifest)?;
        // The new state is committed. Files that cannot be removed now are orphans.
        let mut removal = Removal { is_complete: true, changed_dirs: BTreeSet::new() };
        for file in &self.replaced {
            let path = self.dir.join(&file.path);
            let is_removed = match self.is_own(file) {
                Ok(true) => self.fs.remove_file(&path).is_ok(),
                // `wa` did not write this file, so it never removes it.
                Ok(false) => continue,
                Err(_) => false,
            };
            removal.is_complete &= is_removed;
            let Some(folder) = path.parent().filter(|_| is_removed) else { continue };
            // This succeeds only if the partition is empty.
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

impl Transaction {
    /// Syncs the folders of new files.
    fn sync_folders(&self, folders: Vec<PathBuf>) -> Result<()> {
        // A new partition adds an entry to the table's folder, which may itself be new.
        let parents = folders
            .iter()
            .flat_map(|folder| folder.ancestors().skip(1).take_while(|f| f.starts_with(&self.dir)));
        let parents: BTreeSet<PathBuf> = parents.map(Path::to_owned).collect();
        for folder in folders.iter().chain(&parents) {
            self.fs.sync_dir(folder).map_err(|e| Error::io("sync the folder", folder, e))?;
        }
        Ok(())
    }

    /// Fails if a new file would be moved behind a link to a folder of other files.
    fn check_links(&self) -> Result<()> {
        let partitions: BTreeSet<&str> =
            self.staged.iter().filter_map(|path| path.rsplit_once('/')).map(|(folder, _)| folder).collect();
        for partition in partitions {
            let replaced = self.replaced.iter().filter_map(|file| Some((file.path.as_str(), file.bytes?)));
            let is_inside = |path: &str| path.rsplit_once('/').is_some_and(|(parent, _)| parent == partition);
            let files = replaced.filter(|(path, _)| is_inside(path));
            let files = files.chain(self.manifest.data_files_in(partition));
            linked_partition::check_target(&*self.fs, &self.dir, &self.dir.join(partition), files)?;
        }
        Ok(())
    }

    /// Returns whether a replaced file may be removed. Behind a link, only files of the store may
    /// be removed.
    fn is_own(&self, file: &ReplacedFile) -> Result<bool> {
        let (Some(bytes), Some((partition, _))) = (file.bytes, file.path.rsplit_once('/')) else {
            return Ok(true);
        };
        let partition = self.dir.join(partition);
        match self.fs.link(&partition).map_err(|e| Error::io("read", &partition, e))? {
            // Behind a dangling link, the removal fails.
            Link::None | Link::Dangling(_) => Ok(true),
            Link::Followed => linked_partition::is_own_file(&*self.fs, &self.dir, &file.path, bytes),
        }
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
