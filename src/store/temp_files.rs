//! Files that a writer puts aside for itself while it is at work.
//!
//! They are no part of the store and never synced. They lie in `staging/`: what an interrupted writer
//! leaves of them, the next one removes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file_system::Disk;
use super::transaction::STAGING;
use crate::error::{Error, Result};

/// Where a writer puts things aside.
#[derive(Clone, Debug)]
pub struct Scratch {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
}

impl Scratch {
    /// Puts things aside in the staging folder of a store; the caller holds the writer's lock.
    pub(super) fn of(disk: Arc<dyn Disk>, dir: &Path) -> Scratch {
        Scratch { disk, folder: dir.join(STAGING) }
    }

    /// Writes a file, and returns where it lies.
    pub fn write(&self, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.folder.join(format!("{}.scratch", uuid::Uuid::new_v4().simple()));
        self.disk.write_new(&path, bytes).map_err(|e| Error::io("write", &path, e))?;
        Ok(path)
    }

    /// Reads a file.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.disk.read(path).map_err(|e| Error::io("read", path, e))
    }

    /// Removes a file. Where it cannot be removed, the writer's end takes it, or the next writer.
    pub fn remove(&self, path: &Path) {
        let _ = self.disk.remove_file(path);
    }
}
