//! A store in a temporary folder, for commands that read logs without storing anything.
//!
//! The folder is in the folder of temporary files (`TMPDIR`), is accessible by its owner only, and
//! is removed on drop. A process that ends without running destructors calls [`remove_all`] first.
//! After a crash the folder remains until the operating system removes it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::store::Store;

/// The folders of this process.
static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Number of attempts to remove a folder to which other threads are writing.
const MAX_ATTEMPTS: usize = 20;

/// Removes the folders of all scratch stores before the process ends. Other threads may still be
/// using them.
pub(crate) fn remove_all() {
    for dir in folders().drain(..) {
        remove(&dir);
    }
}

fn folders() -> MutexGuard<'static, Vec<PathBuf>> {
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes a folder. If a file remains, only the owner of the folder can read it.
fn remove(dir: &Path) {
    for _ in 0..MAX_ATTEMPTS {
        let _ = std::fs::remove_dir_all(dir);
        if !dir.exists() {
            return;
        }
        // Another thread has added a file in the meantime.
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A temporary folder for a store, removed on drop.
#[derive(Debug)]
pub(crate) struct ScratchStore {
    dir: PathBuf,
}

impl ScratchStore {
    /// Creates the folder.
    ///
    /// # Errors
    /// Fails if the folder cannot be created.
    pub(crate) fn new() -> Result<ScratchStore> {
        let dir = std::env::temp_dir().join(format!("wa-{}", uuid::Uuid::new_v4().simple()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // The path is recorded before the folder is created, so that a signal handler can remove it
        // at any time.
        folders().push(dir.clone());
        builder.create(&dir).map_err(|e| {
            Error::io("create", &dir, e).hint("set TMPDIR to a folder in which you may create files")
        })?;
        Ok(ScratchStore { dir })
    }

    /// Returns the store in the folder, which does not exist yet.
    pub(crate) fn store(&self) -> Store {
        Store::new(self.dir.join("store"))
    }
}

impl Drop for ScratchStore {
    fn drop(&mut self) {
        folders().retain(|dir| *dir != self.dir);
        remove(&self.dir);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_is_private_and_removed_on_drop() {
        let scratch = ScratchStore::new().unwrap();
        let dir = scratch.dir.clone();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        }
        std::fs::write(dir.join("file"), "x").unwrap();
        drop(scratch);
        assert!(!dir.exists());
    }
}
