//! Working copies of stores that this process cannot open, such as those in an object store.
//!
//! The folder of a working copy has the small files of the store. The driver reads other files
//! through [`WorkingCopy`], which requests a file when it is first opened. The caller of the job
//! downloads it into the folder and reports the result to [`FileRequests`].
//!
//! Invariants:
//!
//! - Only files that the manifest names are requested, so the path of a request lies in the folder.
//! - A file is requested once. Data files are immutable, so the copy stays valid.
//! - Everything that the driver writes goes to the folder. The caller uploads it after the commit.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::store::file_system::{Access, DirEntry, FileSystem, Link, OpenFile, OsFileSystem, SyncAll};
use crate::store::manifest::Manifest;

/// The requests for files: threads that read add them, and threads that download fulfil them.
#[derive(Debug, Default)]
pub struct FileRequests {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The requests that no thread has received yet, relative to the store.
    pending: VecDeque<String>,
    /// All files that were requested: the result, once there is one.
    results: HashMap<String, Option<Result<(), String>>>,
    is_closed: bool,
}

impl FileRequests {
    /// Returns the next file to download, relative to the store; `None` if there is no request
    /// within `timeout`.
    pub fn next(&self, timeout: Duration) -> Option<String> {
        let state = self.lock();
        let is_idle = |state: &mut State| state.pending.is_empty() && !state.is_closed;
        let waited = self.changed.wait_timeout_while(state, timeout, is_idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.pending.pop_front()
    }

    /// Reports that a file was downloaded, or why it was not.
    pub fn finish(&self, path: &str, result: Result<(), String>) {
        self.lock().results.insert(path.to_owned(), Some(result));
        self.changed.notify_all();
    }

    /// Fails all requests from now on: no thread downloads files any more.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    /// Requests a file, and waits until it is downloaded.
    fn fetch(&self, path: &str) -> io::Result<()> {
        let mut state = self.lock();
        if !state.results.contains_key(path) {
            state.results.insert(path.to_owned(), None);
            state.pending.push_back(path.to_owned());
            self.changed.notify_all();
        }
        loop {
            if let Some(Some(result)) = state.results.get(path) {
                return result.clone().map_err(io::Error::other);
            }
            if state.is_closed {
                return Err(io::Error::other("the download was cancelled"));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file system of a working copy.
#[derive(Debug)]
pub struct WorkingCopy {
    dir: PathBuf,
    requests: Arc<FileRequests>,
    /// The files that can be requested, relative to the store.
    named: HashSet<String>,
}

impl WorkingCopy {
    /// Returns the file system of the working copy in a folder. `manifest` is the state of the
    /// store.
    pub fn new(dir: &Path, manifest: Option<&Manifest>, requests: Arc<FileRequests>) -> WorkingCopy {
        let named = manifest.into_iter().flat_map(Manifest::paths).map(str::to_owned);
        WorkingCopy { dir: dir.to_owned(), requests, named: named.collect() }
    }

    /// Downloads a file that is not in the folder yet.
    fn ensure(&self, path: &Path) -> io::Result<()> {
        let name = path.strip_prefix(&self.dir).ok().and_then(Path::to_str);
        match name.filter(|name| self.named.contains(*name)) {
            Some(name) if path.symlink_metadata().is_err() => self.requests.fetch(name),
            _ => Ok(()),
        }
    }
}

impl FileSystem for WorkingCopy {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        OsFileSystem.create_dir_all(dir)
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OsFileSystem.write_new(path, bytes)
    }

    // The copy is temporary, so nothing needs stable storage.
    fn sync_file(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn open_sync_all(&self, _dir: &Path) -> io::Result<Option<SyncAll>> {
        Ok(None)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFileSystem.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        OsFileSystem.rename_new(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        match OsFileSystem.remove_file(path) {
            // The file was never downloaded.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        OsFileSystem.remove_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        OsFileSystem.list(dir)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.ensure(path)?;
        OsFileSystem.read(path)
    }

    fn open(&self, path: &Path) -> io::Result<OpenFile> {
        self.ensure(path)?;
        OsFileSystem.open(path)
    }

    fn link(&self, path: &Path) -> io::Result<Link> {
        OsFileSystem.link(path)
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        self.ensure(path)?;
        OsFileSystem.length(path)
    }

    fn access(&self, path: &Path) -> io::Result<Option<Access>> {
        OsFileSystem.access(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::manifest::AuxiliaryFile;

    const NAMED: &str = "state/sources-1.json";

    fn manifest() -> Manifest {
        let (path, checksum) = (NAMED.to_owned(), String::new());
        let file = AuxiliaryFile { path, bytes: 1, checksum, rows: 1, written_at: 0 };
        Manifest { sources: Some(file), ..Manifest::new(0, "UTC", 1) }
    }

    /// Serves requests until `run` ends. Returns the result, and the files that were requested.
    fn served<T>(
        requests: &FileRequests,
        download: impl Fn(&str) -> Result<(), String> + Sync,
        run: impl FnOnce() -> T,
    ) -> (T, Vec<String>) {
        std::thread::scope(|scope| {
            let server = scope.spawn(|| {
                let mut served = Vec::new();
                while !requests.lock().is_closed {
                    if let Some(path) = requests.next(Duration::from_secs(60)) {
                        requests.finish(&path, download(&path));
                        served.push(path);
                    }
                }
                served
            });
            let result = run();
            requests.close();
            (result, server.join().unwrap())
        })
    }

    #[test]
    fn named_file_is_downloaded_once_when_opened() {
        let dir = tempfile::tempdir().unwrap();
        let requests = Arc::new(FileRequests::default());
        let copy = WorkingCopy::new(dir.path(), Some(&manifest()), requests.clone());
        let download = |path: &str| {
            std::fs::create_dir_all(dir.path().join("state")).unwrap();
            std::fs::write(dir.path().join(path), "content").map_err(|e| e.to_string())
        };
        let (read, served) = served(&requests, download, || {
            let path = dir.path().join(NAMED);
            assert_eq!(copy.length(&path).unwrap(), Some(7));
            // Neither a file that the manifest does not name, nor a folder outside, is requested.
            for other in ["state/other.json", "wa.toml", "../state/sources-1.json"] {
                let error = copy.read(&dir.path().join(other)).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::NotFound, "{other}");
            }
            copy.read(&path).unwrap()
        });
        assert_eq!((read.as_slice(), served), (b"content".as_slice(), vec![NAMED.to_owned()]));
    }

    #[test]
    fn failed_download_is_the_error_of_every_reader() {
        let dir = tempfile::tempdir().unwrap();
        let requests = Arc::new(FileRequests::default());
        let copy = WorkingCopy::new(dir.path(), Some(&manifest()), requests.clone());
        let read = || copy.read(&dir.path().join(NAMED)).unwrap_err().to_string();
        let (errors, served) = served(&requests, |_| Err("no network".to_owned()), || [read(), read()]);
        assert_eq!((errors, served.len()), (["no network"; 2].map(str::to_owned), 1));
    }

    #[test]
    fn closed_requests_fail_without_a_download() {
        let dir = tempfile::tempdir().unwrap();
        let requests = Arc::new(FileRequests::default());
        let copy = WorkingCopy::new(dir.path(), Some(&manifest()), requests.clone());
        requests.close();
        assert_eq!(requests.next(Duration::from_secs(60)), None);
        let error = copy.read(&dir.path().join(NAMED)).unwrap_err();
        assert_eq!(error.to_string(), "the download was cancelled");
    }
}
