//! The store: a folder of Parquet tables that one manifest names.
//!
//! ```text
//! wa-store/
//!   manifest.json                                  what the store holds; replaced as a whole
//!   wa.toml                                        settings
//!   key                                            the secret behind `ipua-` ids, mode 0600
//!   lock                                           held by the writer
//!   events/event_date=2026-11-09/<uuid>.parquet    by UTC date of the event
//!   sessions/session_date=2026-11-09/…             by the day on which the session started
//!   daily_stats/stat_month=2026-11/…
//!   visitors/first_seen_month=2026-11/…
//!   rejects/<uuid>.ndjson                          refused lines
//!   state/…                                        what was read, pruned and forgotten
//!   staging/                                       files on their way, while a writer is at work
//! ```
//!
//! What always holds, and what a crash at each step leaves, stands in [`transaction`].

pub mod columns;
mod decode;
pub mod encode;
pub mod file_system;
pub mod frame;
pub mod key;
pub mod ledger;
pub mod lock;
pub mod manifest;
mod missing_manifest;
mod orphans;
pub mod parquet;
pub mod rejects;
pub mod snapshot;
pub mod tables;
pub mod temp_files;
pub mod transaction;
pub mod update;

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::time::Micros;
use columns::Table;
pub use decode::prepare as prepare_to_read;
use file_system::{Disk, RealDisk};
use lock::WriterLock;
use manifest::{MANIFEST, Manifest};
pub use snapshot::Snapshot;
use transaction::{REJECTS, STAGING, STATE, Transaction};

/// What file systems and file managers put into any folder.
const FROM_THE_SYSTEM: [&str; 4] = ["lost+found", ".DS_Store", ".snapshot", ".zfs"];

/// A store, for reading.
#[derive(Clone, Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl Store {
    /// Names the store in a folder; nothing is read yet.
    pub fn at(dir: impl Into<PathBuf>) -> Store {
        Store::on(Arc::new(RealDisk), dir)
    }

    /// Names the store in a folder of the given disk.
    pub fn on(disk: Arc<dyn Disk>, dir: impl Into<PathBuf>) -> Store {
        Store { disk, dir: dir.into() }
    }

    /// Returns the store's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the disk behind the store.
    pub(crate) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Tells whether there is a store.
    pub fn exists(&self) -> bool {
        self.disk.open(&self.dir.join(MANIFEST)).is_ok()
    }

    /// Returns the present state.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let manifest = self.manifest_or_why_none()?.ok_or_else(|| {
            Error::failed(format!("there is no wa store in {}", self.dir.display()))
                .hint("name the store with --store DIR or WA_STORE, or make one with `wa ingest`")
        })?;
        Snapshot::new(self.disk.clone(), self.dir.clone(), manifest, HashSet::new())
    }

    fn read_manifest(&self) -> Result<Option<Manifest>> {
        let path = self.dir.join(MANIFEST);
        match self.disk.read(&path) {
            Ok(bytes) => Manifest::from_bytes(&bytes).map(Some).map_err(|e| {
                Error::failed(format!("cannot use the store {}", self.dir.display()))
                    .hint(e.hint_text().unwrap_or("").to_owned())
                    .caused_by(e)
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read", &path, e)),
        }
    }

    /// Computes something from one state of the store, starting again on the new state when a
    /// writer has replaced it and removed a file meanwhile.
    pub fn read_consistently<T>(&self, mut compute: impl FnMut(&Snapshot) -> Result<T>) -> Result<T> {
        loop {
            let snapshot = self.snapshot()?;
            match compute(&snapshot) {
                Err(error) if error.is_missing_file() => {
                    // Only a newer state explains a file that has gone; else it is really missing.
                    if self.snapshot()?.manifest().generation == snapshot.manifest().generation {
                        return Err(error.hint(
                            "a file of the store is missing: put it back from a backup, \
                             or make a new store and ingest the logs again",
                        ));
                    }
                }
                result => return result,
            }
        }
    }

    /// Takes the writer's lock; makes the store where there is none. Removes what an interrupted
    /// writer left.
    ///
    /// `command` is what those who wait for the lock are told; `first` makes the first manifest, by whose
    /// time zone and timeout an empty store goes too.
    pub fn writer(
        &self,
        command: &str,
        lock_timeout: Duration,
        first: impl FnOnce() -> Manifest,
    ) -> Result<Writer> {
        self.refuse_foreign_folder()?;
        self.disk.create_dir_all(&self.dir).map_err(|e| Error::io("create the store", &self.dir, e))?;
        let lock = WriterLock::take(&self.dir, command, lock_timeout)?;
        self.writer_with(Some(lock), first)
    }

    /// Takes the writer's lock to try a change that is not to be made. What an interrupted writer left
    /// stays where it is.
    pub fn trial(&self, command: &str, lock_timeout: Duration) -> Result<Trial> {
        let lock = WriterLock::take(&self.dir, command, lock_timeout)?;
        let manifest = self.snapshot()?.manifest().clone();
        let staging = self.dir.join(STAGING);
        let entries = self.disk.list(&self.dir).map_err(|e| Error::io("list the store", &self.dir, e))?;
        let interrupted = entries.iter().any(|entry| entry.name == STAGING);
        if !interrupted {
            self.disk.create_dir_all(&staging).map_err(|e| Error::io("create the folder", &staging, e))?;
        }
        Ok(Trial { store: self.clone(), manifest, interrupted, _lock: lock })
    }

    /// Like [`Store::writer`] on a disk that no other process sees.
    pub fn writer_alone(&self, first: impl FnOnce() -> Manifest) -> Result<Writer> {
        self.disk.create_dir_all(&self.dir).map_err(|e| Error::io("create the store", &self.dir, e))?;
        self.writer_with(None, first)
    }

    fn writer_with(&self, lock: Option<WriterLock>, first: impl FnOnce() -> Manifest) -> Result<Writer> {
        let staging = self.dir.join(STAGING);
        let manifest = self.manifest_or_why_none()?;
        let mut touched = BTreeSet::new();
        let mut swept = 0;
        let interrupted = self
            .disk
            .list(&self.dir)
            .map_err(|e| Error::io("list the store", &self.dir, e))?
            .iter()
            .any(|entry| entry.name == STAGING);
        if interrupted {
            swept = self.sweep(manifest.as_ref(), Store::folders().chain([STAGING]), &mut touched)?;
        } else {
            self.disk.create_dir_all(&staging).map_err(|e| Error::io("create the folder", &staging, e))?;
        }
        self.disk.sync_dir(&self.dir).map_err(|e| Error::io("sync the folder", &self.dir, e))?;
        let manifest = match manifest {
            // An empty store goes by the settings that are in force now, whatever they were when it was made.
            Some(manifest) if manifest.is_empty() => {
                let Manifest { timezone, session_timeout_us, .. } = first();
                Manifest { timezone, session_timeout_us, ..manifest }
            }
            Some(manifest) => manifest,
            None => {
                self.sync_folders_above()?;
                let manifest = first();
                transaction::write_manifest(&*self.disk, &self.dir, &manifest)?;
                manifest
            }
        };
        Ok(Writer { store: self.clone(), manifest, clean: true, touched, swept, lock })
    }

    /// Brings the entry of a new store, and of folders made for it, to stable storage: a power cut
    /// would take the store away as a whole.
    fn sync_folders_above(&self) -> Result<()> {
        for folder in self.dir.ancestors().skip(1) {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            match self.disk.sync_dir(folder) {
                // A folder that this user may not read is not one that was just made.
                Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => break,
                outcome => outcome.map_err(|e| Error::io("sync the folder", folder, e))?,
            }
        }
        Ok(())
    }

    /// Refuses a folder that holds other things and no store.
    pub(crate) fn refuse_foreign_folder(&self) -> Result<()> {
        let entries = self.disk.list(&self.dir).map_err(|e| Error::io("use as a store", &self.dir, e))?;
        let ours = |name: &str| {
            [MANIFEST, STAGING, STATE, REJECTS, lock::LOCK, "wa.toml", "key"].contains(&name)
                || Table::ALL.iter().any(|table| table.name() == name)
                || FROM_THE_SYSTEM.contains(&name)
        };
        let is_store = entries.iter().any(|entry| entry.name == MANIFEST);
        match entries.iter().find(|entry| !ours(&entry.name)) {
            Some(other) if !is_store => Err(Error::failed(format!(
                "{} is not a wa store and holds other things ({:?})",
                self.dir.display(),
                other.name
            ))
            .hint("name an empty or a new folder with --store")),
            _ => Ok(()),
        }
    }
}

/// A store, for trying a change; holds the lock.
#[derive(Debug)]
pub struct Trial {
    store: Store,
    manifest: Manifest,
    /// A writer was interrupted, and has left its staging folder.
    interrupted: bool,
    _lock: WriterLock,
}

impl Trial {
    /// Returns the present state.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Counts the files that the manifest does not name; those of the change that is tried are among
    /// them.
    pub fn unnamed(&self) -> Result<u64> {
        let unnamed = self.store.unnamed(&self.manifest, Store::folders().chain([STAGING]))?;
        Ok(unnamed.len() as u64)
    }

    /// Begins the change.
    pub fn begin(&self) -> Transaction {
        Transaction::begin(self.store.disk.clone(), &self.store.dir, self.manifest.clone())
    }

    /// Leaves the store as it was found.
    pub fn end(self, transaction: Transaction) -> Result<()> {
        transaction.discard()?;
        let staging = self.store.dir.join(STAGING);
        if !self.interrupted {
            let disk = &self.store.disk;
            disk.remove_dir(&staging).map_err(|e| Error::io("remove the folder", &staging, e))?;
        }
        Ok(())
    }
}

/// A store, for writing; holds the lock.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    manifest: Manifest,
    /// All files that were replaced are gone.
    clean: bool,
    /// Folders out of which files were removed.
    touched: BTreeSet<PathBuf>,
    /// How many files of an interrupted writer were removed at the beginning.
    swept: u64,
    lock: Option<WriterLock>,
}

impl Writer {
    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns the present state.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::new(self.store.disk.clone(), self.store.dir.clone(), self.manifest.clone(), HashSet::new())
    }

    /// Returns what the store holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Begins a change.
    pub fn begin(&self) -> Transaction {
        Transaction::begin(self.store.disk.clone(), &self.store.dir, self.manifest.clone())
    }

    /// Returns where things can be put aside while this writer is at work.
    pub fn scratch(&self) -> temp_files::Scratch {
        temp_files::Scratch::of(self.store.disk.clone(), &self.store.dir)
    }

    /// Makes a change visible; it becomes the present state.
    pub fn commit(&mut self, transaction: Transaction, now: Micros) -> Result<()> {
        self.lock.as_ref().map_or(Ok(()), WriterLock::check)?;
        let (manifest, removal) = transaction.commit(now)?;
        self.manifest = manifest;
        self.clean &= removal.clean;
        self.touched.extend(removal.touched);
        Ok(())
    }

    /// Removes files that the manifest does not name, and returns their number; those that were removed
    /// when the writer began are among them.
    pub fn sweep(&mut self) -> Result<u64> {
        let folders = Store::folders().chain([STAGING]);
        let swept = self.store.sweep(Some(&self.manifest), folders, &mut self.touched)?;
        Ok(swept + std::mem::take(&mut self.swept))
    }

    /// Ends cleanly: nothing unnamed lies about, and other tools' globs are exact.
    pub fn finish(mut self) -> Result<()> {
        let staging = self.store.dir.join(STAGING);
        if !self.clean {
            // A file could not be removed when it was replaced: once more, with its error.
            self.sweep()?;
        }
        self.store.sweep(None, [STAGING].into_iter(), &mut self.touched)?;
        // Else a power cut could bring removed files back, and no sign that they are to be swept.
        for folder in self.touched.iter().filter(|folder| **folder != staging) {
            match self.store.disk.sync_dir(folder) {
                // The folder itself has gone since; the one above it is among these.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                outcome => outcome.map_err(|e| Error::io("sync the folder", folder, e))?,
            }
        }
        self.store.disk.remove_dir(&staging).map_err(|e| Error::io("remove the folder", &staging, e))?;
        drop(self.lock);
        Ok(())
    }
}
