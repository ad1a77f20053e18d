//! Temporary files of a writer.
//!
//! Invariants:
//!
//! - Temporary files lie in `staging/`, are never synced, and are not part of the store.
//! - Only the holder of the writer's lock creates, reads or removes them.
//!
//! A file is `staging/<uuid>.tmp`; the code that creates it defines its contents. After a crash at
//! any step the files remain. The next writer finds `staging/` and removes them with all orphan
//! files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file_system::FileSystem;
use super::paths::STAGING_DIR;
use crate::error::{Error, Result};

/// Creates temporary files.
#[derive(Clone, Debug)]
pub struct TempFiles {
    fs: Arc<dyn FileSystem>,
    dir: PathBuf,
}

impl TempFiles {
    /// Returns the temporary files of a store. The caller must hold the writer's lock.
    pub(crate) fn new(fs: Arc<dyn FileSystem>, store: &Path) -> TempFiles {
        TempFiles { fs, dir: store.join(STAGING_DIR) }
    }

    /// Writes a file and returns its path.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn write(&self, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.dir.join(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
        self.fs.write_new(&path, bytes).map_err(|e| Error::io("write", &path, e))?;
        Ok(path)
    }

    /// Reads `length` bytes of a file, from `offset` on.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or is too short.
    pub fn read_part(&self, path: &Path, offset: u64, length: usize) -> Result<Vec<u8>> {
        let file = self.fs.open(path).map_err(|e| Error::io("read", path, e))?;
        file.read_part(offset, length).map_err(|e| Error::io("read", path, e))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.fs.read(path).map_err(|e| Error::io("read", path, e))
    }

    /// Removes a file. If that fails, it is removed when this writer is closed or the next one is
    /// opened.
    pub fn remove(&self, path: &Path) {
        let _ = self.fs.remove_file(path);
    }
}

/// Returns the error of a temporary file whose contents do not match their checksum.
pub fn damaged() -> Error {
    Error::failed("a temporary file of the ingest is damaged").hint("run the same command again")
}
