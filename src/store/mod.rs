//! The store: a folder of Parquet tables, and the manifest that names their files.
//!
//! ```text
//! wa-store/
//!   manifest.json                                  names all files; replaced atomically
//!   wa.toml                                        settings
//!   key                                            secret key, mode 0600
//!   lock                                           locked by the writer
//!   job.lock                                       exists while a Spark job writes to a URL
//!   events/event_date=2026-11-09/<uuid>.parquet    by UTC date of the event
//!   sessions/session_date=2026-11-09/…             by the day on which the session started
//!   daily_stats/stat_month=2026-11/…               by the month of that day
//!   visitors/first_seen_month=2026-11/…            by the UTC month of the first event
//!   rejects/<uuid>.ndjson                          rejected lines
//!   state/sources-<uuid>.json                      files that were ingested
//!   state/ledger-<uuid>.json                       pruned days and forgotten identifiers
//!   staging/                                       exists only while a writer is running
//! ```
//!
//! Parts:
//!
//! - [`manifest`], `transaction`, `lock` and `orphans` commit changes atomically; the
//!   invariants and the states after a crash are described in `transaction`;
//! - [`snapshot`] reads one state; [`Store`] opens a store, [`Writer`] changes it;
//! - [`columns`] defines the tables, [`frame`] holds their rows in memory, and `tables` converts
//!   rows from and to events, sessions, daily statistics and visitors;
//! - `encode`, `decode` and `parquet` write and read Parquet files;
//! - `update` computes the new files of a batch of events;
//! - `containment` keeps every change within the store's folder;
//! - [`ledger`], [`rejects`] and `key` are the files that are not part of a table.
//!
//! Data files are read and written through [`file_system::FileSystem`] only, and no type of Polars
//! leaves this module.

pub mod columns;
mod containment;
mod decode;
pub(crate) mod encode;
pub(crate) mod event_runs;
pub mod file_system;
pub mod frame;
pub(crate) mod key;
pub mod ledger;
pub(crate) mod lock;
pub mod manifest;
mod missing_manifest;
mod orphans;
pub(crate) mod parquet;
pub(crate) mod paths;
pub mod rejects;
pub mod snapshot;
pub(crate) mod tables;
pub(crate) mod temp_files;
pub(crate) mod transaction;
pub(crate) mod update;
mod writer;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use columns::Table;
use containment::reject_dangling_store;
use file_system::{FileSystem, OsFileSystem};
use lock::WaitObserver;
use manifest::{MANIFEST_FILE, Manifest};
use paths::{REJECTS_DIR, STAGING_DIR, STATE_DIR};
pub use snapshot::Snapshot;
pub use tables::events::to_parquet as events_to_parquet;
pub use writer::{Completed, DryRun, Writer, cleanup_error};

/// Entries that operating systems, file systems and file managers create in any folder.
const SYSTEM_ENTRIES: [&str; 4] = ["lost+found", ".DS_Store", ".snapshot", ".zfs"];

/// A store that may or may not exist yet.
#[derive(Clone, Debug)]
pub struct Store {
    fs: Arc<dyn FileSystem>,
    dir: PathBuf,
    /// Receives updates while a writer waits for the lock.
    observer: Option<Arc<dyn WaitObserver>>,
}

impl Store {
    /// Returns the store in a folder. Nothing is read yet.
    pub fn new(dir: impl Into<PathBuf>) -> Store {
        Store::with_file_system(Arc::new(OsFileSystem), dir)
    }

    /// Returns the store in a folder of a file system. Nothing is read yet.
    pub fn with_file_system(fs: Arc<dyn FileSystem>, dir: impl Into<PathBuf>) -> Store {
        Store { fs, dir: dir.into(), observer: None }
    }

    /// Returns the store with a receiver of updates while a writer waits for another one.
    pub fn with_wait_observer(self, observer: Arc<dyn WaitObserver>) -> Store {
        Store { observer: Some(observer), ..self }
    }

    /// Returns the store's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the file system of the store.
    pub(crate) fn file_system(&self) -> &Arc<dyn FileSystem> {
        &self.fs
    }

    /// Returns whether there is a store.
    pub fn exists(&self) -> bool {
        self.fs.open(&self.dir.join(MANIFEST_FILE)).is_ok()
    }

    /// Returns the current state.
    ///
    /// # Errors
    /// Fails if there is no store, or if its manifest cannot be used.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let manifest = self.load_manifest()?;
        if manifest.is_none() {
            reject_dangling_store(&*self.fs, &self.dir)?;
        }
        let manifest = manifest.ok_or_else(|| {
            Error::failed(format!("there is no wa store in {}", self.dir.display()))
                .hint("name the store with --store DIR or WA_STORE, or create one with `wa ingest`")
        })?;
        Snapshot::new(self.fs.clone(), self.dir.clone(), manifest, HashSet::new())
    }

    /// Returns a state with the files of another manifest, such as a subset of the current one.
    ///
    /// # Errors
    /// Fails if its time zone is unknown.
    pub fn snapshot_of(&self, manifest: Manifest) -> Result<Snapshot> {
        Snapshot::new(self.fs.clone(), self.dir.clone(), manifest, HashSet::new())
    }

    fn read_manifest(&self) -> Result<Option<Manifest>> {
        let path = self.dir.join(MANIFEST_FILE);
        match self.fs.read(&path) {
            Ok(bytes) => Manifest::from_bytes(&bytes).map(Some).map_err(|e| {
                Error::failed(format!("cannot use the store {}", self.dir.display()))
                    .hint(e.hint_text().unwrap_or("").to_owned())
                    .caused_by(e)
            }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read", &path, e)),
        }
    }

    /// Computes a result from a snapshot of the store. If a writer commits a new state and removes
    /// a file in the meantime, the computation starts over from the new state.
    ///
    /// # Errors
    /// Fails if `compute` does, or if a file of the current state is missing.
    pub fn read_consistently<T>(&self, mut compute: impl FnMut(&Snapshot) -> Result<T>) -> Result<T> {
        loop {
            let snapshot = self.snapshot()?;
            match compute(&snapshot) {
                Err(error) if error.is_missing_file() => {
                    // If there is no newer state, no writer removed the file: it is lost.
                    if self.snapshot()?.manifest().generation == snapshot.manifest().generation {
                        return Err(error.hint(
                            "restore the missing file from a backup of the store, or ingest the logs \
                             into a new store",
                        ));
                    }
                }
                result => return result,
            }
        }
    }

    /// Fails if the folder is not a store and is not empty.
    pub(crate) fn reject_foreign_folder(&self) -> Result<()> {
        let entries = self.fs.list(&self.dir).map_err(|e| Error::io("use as a store", &self.dir, e))?;
        let belongs_here = |name: &str| {
            [MANIFEST_FILE, STAGING_DIR, STATE_DIR, REJECTS_DIR].contains(&name)
                || [lock::LOCK_FILE, writer::JOB_LOCK_FILE, key::KEY_FILE, "wa.toml"].contains(&name)
                || Table::ALL.iter().any(|table| table.name() == name)
                || SYSTEM_ENTRIES.contains(&name)
        };
        let is_store = entries.iter().any(|entry| entry.name == MANIFEST_FILE);
        match entries.iter().find(|entry| !belongs_here(&entry.name)) {
            Some(other) if !is_store => Err(Error::failed(format!(
                "{} is not a wa store and contains other files ({:?})",
                self.dir.display(),
                other.name
            ))
            .hint("name an empty or new folder with --store")),
            _ => Ok(()),
        }
    }
}
