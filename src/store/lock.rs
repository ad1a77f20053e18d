//! The writer's lock.
//!
//! Invariants:
//!
//! - At most one process holds the operating system's lock on the file that is at the path `lock`.
//! - A writer commits only while it holds that lock.
//!
//! The file contains one line of text, `process <id> (<command>)`, or nothing while no process
//! holds the lock. The text is informative only.
//!
//! After a crash the operating system has released the lock; the file and its text remain and block
//! nothing. If a user removes the file, a lock on the removed file has no effect. Therefore a
//! process that gets a lock checks that its file is still at the path, and a writer checks it again
//! before each commit ([`WriterLock::verify`]).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The name of the lock file.
pub const LOCK_FILE: &str = "lock";

/// A lock that is held. Dropping it releases the lock.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
    path: PathBuf,
}

impl WriterLock {
    /// Acquires the lock of a store, waiting up to `timeout` for another writer. `command` is shown
    /// to processes that wait for this one.
    ///
    /// # Errors
    /// Fails if the lock file cannot be opened, or if another process still holds the lock after
    /// `timeout`.
    pub fn acquire(store: &Path, command: &str, timeout: Duration) -> Result<WriterLock> {
        let path = store.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let open = || options.open(&path).map_err(|e| Error::io("open the lock", &path, e));
        let mut file = open()?;
        // Elapsed time only: the library gets the wall clock as an argument.
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) if is_same_file(&file, &path) => break,
                Ok(()) => file = open()?,
                Err(TryLockError::WouldBlock) => {
                    let remaining = timeout.saturating_sub(started.elapsed());
                    if remaining.is_zero() {
                        return Err(timeout_error(&mut file, store, timeout));
                    }
                    std::thread::sleep(remaining.min(Duration::from_millis(50)));
                }
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path, e)),
            }
        }
        // The text is informative: a full disk must not stop the writer here.
        let holder = format!("process {} ({command})\n", std::process::id());
        let _ = file.set_len(0);
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(holder.as_bytes()));
        Ok(WriterLock { file, path })
    }

    /// Checks that the lock still excludes other writers.
    ///
    /// # Errors
    /// Fails if the lock file was removed or replaced.
    pub fn verify(&self) -> Result<()> {
        if is_same_file(&self.file, &self.path) {
            return Ok(());
        }
        Err(Error::failed(format!(
            "the lock {} was removed while this command held it; nothing more was committed",
            self.path.display()
        ))
        .hint(
            "run the same command again, and do not remove the lock: it is released when the command \
             that holds it ends",
        ))
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// Returns whether an open file is the file at a path. Always true on systems without inodes.
#[cfg(unix)]
fn is_same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(at_path)) => id(open) == id(at_path),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_same_file(_: &File, _: &Path) -> bool {
    true
}

fn timeout_error(file: &mut File, store: &Path, timeout: Duration) -> Error {
    let mut text = String::new();
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut text));
    let holder = match text.trim() {
        "" => "another process",
        holder => holder,
    };
    Error::failed(format!(
        "the store {} is being written by {holder}; waited {} s",
        store.display(),
        timeout.as_secs()
    ))
    .hint("wait until it ends, or wait longer with --lock-timeout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_writer_sees_the_holder_and_gets_the_lock_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::acquire(dir.path(), "wa gc", Duration::ZERO).unwrap();
        let error = WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("wa gc"), "{message}");
        assert!(message.contains(&std::process::id().to_string()), "{message}");
        drop(first);
        WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn lock_whose_file_was_removed_fails_verification() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO).unwrap();
        first.verify().unwrap();
        std::fs::remove_file(dir.path().join(LOCK_FILE)).unwrap();
        assert!(first.verify().unwrap_err().to_string().contains("was removed"));
        let second = WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO).unwrap();
        second.verify().unwrap();
        // The path now names the second lock's file.
        first.verify().unwrap_err();
        drop(first);
        WriterLock::acquire(dir.path(), "wa gc", Duration::ZERO).unwrap_err();
    }

    #[cfg(unix)]
    #[test]
    fn waiting_for_a_removed_lock_acquires_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| WriterLock::acquire(dir.path(), "wa gc", Duration::from_secs(60)));
            std::thread::sleep(Duration::from_millis(200));
            std::fs::remove_file(dir.path().join(LOCK_FILE)).unwrap();
            drop(first);
            waiting.join().unwrap().unwrap().verify().unwrap();
        });
    }
}
