//! A file system on disk that fails after a number of operations.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wa::store::file_system::{DirEntry, FileSystem, OpenFile, OsFileSystem};

/// The file system of the operating system, on which only the first operations succeed.
#[derive(Debug)]
pub struct FailingFileSystem {
    left: AtomicU64,
}

impl FailingFileSystem {
    /// Creates a file system whose first `operations` operations succeed.
    pub fn after(operations: u64) -> Arc<FailingFileSystem> {
        Arc::new(FailingFileSystem { left: AtomicU64::new(operations) })
    }

    /// Counts an operation; fails if the number is exceeded.
    fn count(&self) -> io::Result<()> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(drop).map_err(|_| io::Error::other("the disk failed"))
    }
}

impl FileSystem for FailingFileSystem {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.count().and_then(|()| OsFileSystem.create_dir_all(dir))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let result = self.count();
        // A failed write leaves part of the file.
        let written = if result.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        OsFileSystem.write_new(path, written).and(result)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        self.count().and_then(|()| OsFileSystem.sync_file(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.count().and_then(|()| OsFileSystem.sync_dir(dir))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count().and_then(|()| OsFileSystem.rename(from, to))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count().and_then(|()| OsFileSystem.rename_new(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.count().and_then(|()| OsFileSystem.remove_file(path))
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.count().and_then(|()| OsFileSystem.remove_dir(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.count().and_then(|()| OsFileSystem.list(dir))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.count().and_then(|()| OsFileSystem.read(path))
    }

    fn open(&self, path: &Path) -> io::Result<OpenFile> {
        self.count().and_then(|()| OsFileSystem.open(path))
    }
}
