//! Exclusive access to a store: writers, and dry runs.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Store;
use super::containment::reject_dangling_store;
use super::file_system::Link;
use super::lock::WriterLock;
use super::manifest::Manifest;
use super::paths::STAGING_DIR;
use super::snapshot::Snapshot;
use super::temp_files::TempFiles;
use super::transaction::{Transaction, write_manifest};
use crate::error::{Error, Result};
use crate::interruption;
use crate::time::Micros;

/// The lock of a job that accesses the store by a URL. The Python package `wa_spark` writes it.
pub(super) const JOB_LOCK_FILE: &str = "job.lock";
/// The longest text of that lock in messages, in characters.
const MAX_JOB_LOCK: usize = 300;

impl Store {
    /// Locks the store for writing, creating it if it does not exist. Removes the files that an
    /// interrupted writer left.
    ///
    /// `command` is shown to processes that wait for the lock. `initial` returns the manifest of a
    /// new store. A store without data adopts the time zone and the session timeout of that
    /// manifest.
    ///
    /// # Errors
    /// Fails if the folder contains other files, if another writer does not end within
    /// `lock_timeout`, or if the store cannot be read or written.
    pub fn writer(
        &self,
        command: &str,
        lock_timeout: Duration,
        initial: impl FnOnce() -> Manifest,
    ) -> Result<Writer> {
        reject_dangling_store(&*self.fs, &self.dir)?;
        self.reject_foreign_folder()?;
        self.fs.create_dir_all(&self.dir).map_err(|e| Error::io("create the store", &self.dir, e))?;
        let lock = self.lock(command, lock_timeout)?;
        self.open_writer(Some(lock), initial)
    }

    /// Opens a writer without a lock, for a file system that no other process uses.
    ///
    /// # Errors
    /// Fails if the store cannot be read or written.
    pub fn writer_without_lock(&self, initial: impl FnOnce() -> Manifest) -> Result<Writer> {
        self.fs.create_dir_all(&self.dir).map_err(|e| Error::io("create the store", &self.dir, e))?;
        self.open_writer(None, initial)
    }

    /// Locks an existing store for a dry run: a change that is computed and then discarded. Files
    /// that an interrupted writer left are not removed.
    ///
    /// # Errors
    /// Fails if there is no store, or if another writer does not end within `lock_timeout`.
    pub fn dry_run(&self, command: &str, lock_timeout: Duration) -> Result<DryRun> {
        let lock = self.lock(command, lock_timeout)?;
        self.reject_linked_folders()?;
        let manifest = self.snapshot()?.manifest().clone();
        let was_interrupted = self.has_staging()?;
        if !was_interrupted {
            self.create_staging()?;
        }
        Ok(DryRun { store: self.clone(), manifest, was_interrupted, _lock: lock })
    }

    fn lock(&self, command: &str, timeout: Duration) -> Result<WriterLock> {
        let lock = WriterLock::acquire(&self.dir, command, timeout, self.observer.as_deref())?;
        self.reject_job_lock()?;
        Ok(lock)
    }

    /// Fails if a job that accesses the store by a URL has locked it. Such a job cannot acquire an
    /// operating system lock, so it creates a file.
    fn reject_job_lock(&self) -> Result<()> {
        let path = self.dir.join(JOB_LOCK_FILE);
        let text = match self.fs.read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            text => text.map_err(|e| Error::io("read the lock", &path, e))?,
        };
        let text: String = String::from_utf8_lossy(&text).trim().chars().take(MAX_JOB_LOCK).collect();
        let holder = text.escape_debug();
        Err(Error::failed(format!("the store {} is being written by {holder}", self.dir.display()))
            .hint(format!("wait until that job ends; if it no longer runs, remove {}", path.display())))
    }

    fn open_writer(&self, lock: Option<WriterLock>, initial: impl FnOnce() -> Manifest) -> Result<Writer> {
        self.reject_linked_folders()?;
        let manifest = self.load_manifest()?;
        let mut changed_dirs = BTreeSet::new();
        let mut orphans_removed = 0;
        if self.has_staging()? {
            let dirs = Store::data_folders().chain([STAGING_DIR]);
            orphans_removed = self.remove_orphans(manifest.as_ref(), dirs, &mut changed_dirs)?;
        } else {
            self.create_staging()?;
        }
        self.fs.sync_dir(&self.dir).map_err(|e| Error::io("sync the folder", &self.dir, e))?;
        let manifest = match manifest {
            // No data depends on the time zone and the timeout yet: the current settings apply.
            Some(manifest) if manifest.is_empty() => {
                let Manifest { timezone, session_timeout_us, .. } = initial();
                Manifest { timezone, session_timeout_us, ..manifest }
            }
            Some(manifest) => manifest,
            None => {
                self.sync_parents()?;
                let manifest = initial();
                write_manifest(&*self.fs, &self.dir, &manifest)?;
                manifest
            }
        };
        Ok(Writer {
            store: self.clone(),
            manifest,
            orphans_remain: false,
            is_in_doubt: false,
            has_committed: false,
            changed_dirs,
            orphans_removed,
            lock,
        })
    }

    fn has_staging(&self) -> Result<bool> {
        let entries = self.fs.list(&self.dir).map_err(|e| Error::io("list the store", &self.dir, e))?;
        Ok(entries.iter().any(|entry| entry.name == STAGING_DIR))
    }

    fn create_staging(&self) -> Result<()> {
        let staging = self.dir.join(STAGING_DIR);
        self.fs.create_dir_all(&staging).map_err(|e| Error::io("create the folder", &staging, e))
    }

    /// Syncs the parent folders of a new store, which can be new too. Otherwise a power failure
    /// could remove the whole store.
    fn sync_parents(&self) -> Result<()> {
        for dir in self.dir.ancestors().skip(1) {
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            match self.fs.sync_dir(dir) {
                // This process has no permission to read this folder, so it did not create it.
                Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => break,
                outcome => outcome.map_err(|e| Error::io("sync the folder", dir, e))?,
            }
        }
        Ok(())
    }
}

/// A dry run: a locked store, and a change that will be discarded.
#[derive(Debug)]
pub struct DryRun {
    store: Store,
    manifest: Manifest,
    /// Whether an interrupted writer left its staging folder.
    was_interrupted: bool,
    _lock: WriterLock,
}

impl DryRun {
    /// Returns the manifest of the current state.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Counts the files that the manifest does not name, including those of the dry run itself.
    ///
    /// # Errors
    /// Fails if a folder of the store cannot be listed.
    pub fn orphan_files(&self) -> Result<u64> {
        let dirs = Store::data_folders().chain([STAGING_DIR]);
        Ok(self.store.orphan_files(&self.manifest, dirs)?.len() as u64)
    }

    /// Begins the change.
    pub fn begin(&self) -> Transaction {
        Transaction::begin(self.store.fs.clone(), &self.store.dir, self.manifest.clone())
    }

    /// Returns the temporary files of the dry run, which are removed when it ends.
    pub fn temp_files(&self) -> TempFiles {
        TempFiles::new(self.store.fs.clone(), &self.store.dir)
    }

    /// Discards the change and ends the dry run.
    ///
    /// # Errors
    /// Fails if a file of the change cannot be removed.
    pub fn end(self, transaction: Transaction) -> Result<()> {
        transaction.discard()?;
        let staging = self.store.dir.join(STAGING_DIR);
        if !self.was_interrupted {
            // Remove the temporary files of the dry run.
            self.store.remove_orphans(None, [STAGING_DIR].into_iter(), &mut BTreeSet::new())?;
            let fs = &self.store.fs;
            fs.remove_dir(&staging).map_err(|e| Error::io("remove the folder", &staging, e))?;
        }
        Ok(())
    }
}

/// The result of a command that changes the store.
#[derive(Debug)]
pub struct Completed<T> {
    /// The report of the command.
    pub report: T,
    /// Whether a change was committed.
    pub is_committed: bool,
    /// The error if replaced or temporary files could not be removed.
    pub cleanup_error: Option<Error>,
}

impl<T> std::ops::Deref for Completed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.report
    }
}

impl<T> Completed<T> {
    /// Fails if the cleanup after the command failed. `change` names the change in the error.
    ///
    /// # Errors
    /// After a commit, the error says that the change is committed, and how to remove the files.
    pub fn check_cleanup(self, change: &str) -> Result<()> {
        let Some(cause) = self.cleanup_error else { return Ok(()) };
        Err(if self.is_committed { cleanup_error(change, cause) } else { cause })
    }
}

/// Returns the error of a committed change whose replaced files could not be removed. They contain
/// old rows, possibly those of erased people.
pub fn cleanup_error(change: &str, cause: Error) -> Error {
    Error::failed(format!("the {change} is committed, but files with old data could not be removed"))
        .caused_by(cause)
        .hint("correct the cause, and run `wa gc` to remove them; do not repeat the command")
}

/// A store that is locked for writing.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    manifest: Manifest,
    /// Whether orphan files remain, because a replaced file could not be removed after a commit.
    orphans_remain: bool,
    /// Whether a commit failed, so that the disk contains the old or the new state.
    is_in_doubt: bool,
    /// Whether a change was committed.
    has_committed: bool,
    /// Folders from which files were removed, not synced yet.
    changed_dirs: BTreeSet<PathBuf>,
    /// Number of orphan files removed when the writer was opened.
    orphans_removed: u64,
    lock: Option<WriterLock>,
}

impl Writer {
    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the current state.
    ///
    /// # Errors
    /// Fails if the manifest's time zone is unknown.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::new(self.store.fs.clone(), self.store.dir.clone(), self.manifest.clone(), HashSet::new())
    }

    /// Returns the manifest of the current state.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns when the store was locked, by the clock of its file system; `None` without a lock.
    pub fn locked_at(&self) -> Option<Micros> {
        self.lock.as_ref().and_then(WriterLock::acquired_at)
    }

    /// Begins a change.
    pub fn begin(&self) -> Transaction {
        Transaction::begin(self.store.fs.clone(), &self.store.dir, self.manifest.clone())
    }

    /// Returns the writer's temporary files.
    pub fn temp_files(&self) -> TempFiles {
        TempFiles::new(self.store.fs.clone(), &self.store.dir)
    }

    /// Commits a change; its result becomes the current state.
    ///
    /// # Errors
    /// Fails if the lock was lost or a file cannot be written. The store then keeps the old state,
    /// unless only the last sync failed.
    pub fn commit(&mut self, transaction: Transaction, now: Micros) -> Result<()> {
        self.lock.as_ref().map_or(Ok(()), WriterLock::verify)?;
        let commit = interruption::begin_commit();
        self.is_in_doubt = true;
        let (manifest, removal) = transaction.commit(now)?;
        commit.succeeded();
        (self.is_in_doubt, self.has_committed) = (false, true);
        self.manifest = manifest;
        self.orphans_remain |= !removal.is_complete;
        self.changed_dirs.extend(removal.changed_dirs);
        Ok(())
    }

    /// Removes orphan files after a commit, as [`Writer::remove_orphans`] does. If that fails,
    /// closing the writer tries again and reports the error.
    pub fn remove_orphans_after_commit(&mut self) -> u64 {
        self.remove_orphans().unwrap_or_else(|_| {
            self.orphans_remain = true;
            0
        })
    }

    /// Removes orphan files. Returns their number, including those removed when the writer was
    /// opened.
    ///
    /// # Errors
    /// Fails if a folder cannot be listed or a file cannot be removed.
    pub fn remove_orphans(&mut self) -> Result<u64> {
        let dirs = Store::data_folders().chain([STAGING_DIR]);
        let removed = self.store.remove_orphans(Some(&self.manifest), dirs, &mut self.changed_dirs)?;
        Ok(removed + std::mem::take(&mut self.orphans_removed))
    }

    /// Closes the writer. Afterwards the folders of the tables contain only files of the current
    /// state, so that other programs can read them by glob.
    ///
    /// # Errors
    /// Fails if an orphan file or the staging folder cannot be removed.
    pub fn finish(mut self) -> Result<()> {
        let staging = self.store.dir.join(STAGING_DIR);
        if self.orphans_remain {
            // Commits ignore failed removals. Try again, and report the error.
            self.remove_orphans()?;
        }
        self.store.remove_orphans(None, [STAGING_DIR].into_iter(), &mut self.changed_dirs)?;
        // Sync the removals before `staging/` is removed. Otherwise a power failure could restore
        // removed files without the folder that makes the next writer look for orphan files.
        self.sync_changed_dirs(&staging)?;
        self.store.fs.remove_dir(&staging).map_err(|e| Error::io("remove the folder", &staging, e))?;
        drop(self.lock);
        Ok(())
    }

    /// Syncs the folders that lost files, except for `staging`.
    fn sync_changed_dirs(&self, staging: &Path) -> Result<()> {
        let fs = &self.store.fs;
        let dir = &self.store.dir;
        let is_grouped = self.changed_dirs.len() >= fs.min_grouped_files();
        let all = if is_grouped { fs.open_sync_all(dir).ok().flatten() } else { None };
        if let Some(all) = &all {
            fs.sync_all(all).map_err(|e| Error::io("sync the file system of", dir, e))?;
        }
        // A link can lead to another file system.
        let is_synced = |dir: &Path| all.is_some() && !matches!(fs.link(dir), Ok(Link::Followed));
        for dir in self.changed_dirs.iter().filter(|dir| *dir != staging && !is_synced(dir)) {
            match fs.sync_dir(dir) {
                // The folder was removed later; its parent is in this set too.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                outcome => outcome.map_err(|e| Error::io("sync the folder", dir, e))?,
            }
        }
        Ok(())
    }

    /// Closes the writer after a command. A failure to close it does not undo a commit, so that
    /// error is returned together with the report.
    ///
    /// # Errors
    /// Returns the error of the command.
    pub fn complete<T>(self, outcome: Result<T>) -> Result<Completed<T>> {
        match outcome {
            Ok(report) => {
                let is_committed = self.has_committed;
                Ok(Completed { report, is_committed, cleanup_error: self.finish().err() })
            }
            Err(error) => {
                self.abandon();
                Err(error)
            }
        }
    }

    /// Closes the writer after an error, and removes its temporary files if possible.
    pub fn abandon(self) {
        // The next writer determines which state a failed commit left. Without the lock, the
        // temporary files can belong to another writer.
        let is_locked = self.lock.as_ref().is_none_or(|lock| lock.verify().is_ok());
        if !self.is_in_doubt && is_locked {
            let _ = self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_lock_excludes_writers_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (store, path) = (Store::new(dir.path()), dir.path().join(JOB_LOCK_FILE));
        let writer = || store.writer("test", Duration::ZERO, || Manifest::new(0, "UTC", 60_000_000));
        std::fs::write(&path, "the Spark job app-1\u{1b}\n").unwrap();
        let error = writer().unwrap_err();
        assert!(error.to_string().ends_with("is being written by the Spark job app-1\\u{1b}"), "{error}");
        assert!(error.hint_text().unwrap().contains("job.lock"));
        assert!(!dir.path().join("manifest.json").exists());
        std::fs::remove_file(&path).unwrap();
        // A lock that cannot be read.
        std::fs::create_dir(&path).unwrap();
        let error = writer().unwrap_err();
        assert!(error.to_string().starts_with("cannot read the lock"), "{error}");
        assert!(!dir.path().join("manifest.json").exists());
        std::fs::remove_dir(&path).unwrap();
        writer().unwrap().finish().unwrap();
    }
}
