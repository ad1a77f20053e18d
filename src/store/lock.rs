//! The writer's lock.
//!
//! Invariants:
//!
//! - At most one process holds the operating system's lock on the file that is at the path `lock`.
//! - A writer commits only while it holds that lock.
//!
//! The file contains one line of text, `process <id> (<command>)`, or nothing while no process
//! holds the lock. The text is informative only. A file with any other text, or a symbolic link at
//! that path, is not the lock of a store and is never written.
//!
//! When a process crashes, the operating system releases its lock. The file and its text remain,
//! but do not block other writers. If a user removes the file, a lock on the removed file has no
//! effect. Therefore a process that gets a lock checks that its file is still at the path, and a
//! writer checks it again before each commit ([`WriterLock::verify`]).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::regular_file;
use crate::time::{Micros, SECOND, format_utc};

/// The name of the lock file.
pub const LOCK_FILE: &str = "lock";

/// The start of the text of a lock.
const TEXT_START: &str = "process ";
/// The longest text of a lock, in bytes.
const MAX_TEXT: u64 = 200;
/// The time between two attempts.
const RETRY: Duration = Duration::from_millis(50);

/// A lock that is held. Dropping it releases the lock.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
    path: PathBuf,
}

/// A wait for another writer.
#[derive(Clone, Debug)]
pub struct LockWait {
    /// The process that holds the lock: `process 12 (wa ingest)`.
    pub holder: String,
    /// When that process got the lock, if known.
    pub since: Option<Micros>,
    /// How long this process has been waiting.
    pub waited: Duration,
    /// How long it waits at most.
    pub timeout: Duration,
}

/// Receives updates while a writer waits for another one.
pub trait WaitObserver: Send + Sync + std::fmt::Debug {
    /// Receives the state of the wait, several times a second.
    fn waiting(&self, wait: &LockWait);
    /// Receives the end of the wait.
    fn ended(&self);
}

impl WriterLock {
    /// Acquires the lock of a store, waiting up to `timeout` for another writer. `command` is shown
    /// to processes that wait for this one.
    ///
    /// # Errors
    /// Fails if the lock file cannot be opened or does not belong to a store, or if another process
    /// still holds the lock after `timeout`.
    pub fn acquire(
        store: &Path,
        command: &str,
        timeout: Duration,
        observer: Option<&dyn WaitObserver>,
    ) -> Result<WriterLock> {
        let path = store.join(LOCK_FILE);
        let mut file = open(&path)?;
        // Measures elapsed time only: the library receives the wall-clock time as an argument.
        let started = Instant::now();
        let mut waits = false;
        let outcome = loop {
            match file.try_lock() {
                Ok(()) if is_same_file(&file, &path) => break Ok(()),
                Ok(()) => file = open(&path)?,
                Err(TryLockError::WouldBlock) => {
                    let waited = started.elapsed();
                    let remaining = timeout.saturating_sub(waited);
                    if remaining.is_zero() {
                        break Err(timeout_error(&mut file, store, timeout));
                    }
                    if let Some(observer) = observer {
                        let (holder, since) = holder(&mut file);
                        observer.waiting(&LockWait { holder, since, waited, timeout });
                        waits = true;
                    }
                    std::thread::sleep(remaining.min(RETRY));
                }
                Err(TryLockError::Error(e)) => break Err(Error::io("lock", &path, e)),
            }
        };
        if let Some(observer) = observer.filter(|_| waits) {
            observer.ended();
        }
        outcome?;
        // `lock` can be a hard link to any file, which must not be overwritten.
        if !is_lock_text(&read_text(&mut file)) {
            return Err(Error::failed(format!("{} is not the lock of a store", path.display()))
                .caused_by("it contains other data")
                .hint("move the file away; `wa` creates a new lock"));
        }
        // The text is informative: a full disk must not stop the writer here. On NFS, other
        // machines see the text once it is synced. A Spark job reads it there.
        let holder = format!("{TEXT_START}{} ({command})\n", std::process::id());
        let _ = file.set_len(0);
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(holder.as_bytes()));
        let _ = file.sync_data();
        Ok(WriterLock { file, path })
    }

    /// Returns when the lock was acquired, by the clock of the store's file system; `None` if the
    /// file system records no such time.
    pub fn acquired_at(&self) -> Option<Micros> {
        modified_at(&self.file)
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

/// Opens the lock file, or creates it. Symbolic links are not followed.
fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    regular_file::open_in_place(path, options).map_err(|e| {
        let is_other_object = e.kind() == std::io::ErrorKind::InvalidInput;
        let error = Error::io("open the lock", path, e);
        if is_other_object { error.hint("remove it; `wa` creates a new lock") } else { error }
    })
}

/// Returns the first bytes of the lock file.
fn read_text(file: &mut File) -> Vec<u8> {
    let mut text = Vec::new();
    let start = file.seek(SeekFrom::Start(0));
    let _ = start.and_then(|_| file.take(MAX_TEXT).read_to_end(&mut text));
    text
}

/// Returns whether a lock file can contain these bytes: nothing, the text of a holder or its start,
/// or zeros, which a power cut can leave.
fn is_lock_text(text: &[u8]) -> bool {
    let start = &TEXT_START.as_bytes()[..TEXT_START.len().min(text.len())];
    text.starts_with(start) || text.iter().all(|byte| *byte == 0)
}

/// Returns the process that holds the lock, and when it got the lock.
fn holder(file: &mut File) -> (String, Option<Micros>) {
    let text = read_text(file);
    match String::from_utf8_lossy(&text).trim() {
        // The holder writes the text when it gets the lock.
        text if text.starts_with(TEXT_START) => (text.to_owned(), modified_at(file)),
        _ => ("another process".to_owned(), None),
    }
}

/// Returns whether an open file is the file at a path. Always true on operating systems
/// without inodes.
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

/// Returns when a file was last changed, by the clock of its file system.
fn modified_at(file: &File) -> Option<Micros> {
    let modified = file.metadata().ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    Micros::try_from(since.as_micros()).ok()
}

/// Formats a time without its fraction of a second.
fn format_seconds(time: Micros) -> String {
    format_utc(time / SECOND * SECOND)
}

fn timeout_error(file: &mut File, store: &Path, timeout: Duration) -> Error {
    let (holder, since) = holder(file);
    let since = since.map_or_else(String::new, |since| format!(" since {}", format_seconds(since)));
    Error::failed(format!(
        "the store {} is being written by {holder}{since}; waited {} s",
        store.display(),
        timeout.as_secs()
    ))
    .hint("wait until it ends, or wait longer with --lock-timeout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_writer_receives_the_holder_and_then_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::acquire(dir.path(), "wa gc", Duration::ZERO, None).unwrap();
        let error = WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO, None).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("wa gc"), "{message}");
        assert!(message.contains(&std::process::id().to_string()), "{message}");
        drop(first);
        WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO, None).unwrap();
    }

    #[derive(Debug, Default)]
    struct Waits(std::sync::Mutex<(Vec<LockWait>, bool)>);

    impl WaitObserver for Waits {
        fn waiting(&self, wait: &LockWait) {
            self.0.lock().unwrap().0.push(wait.clone());
        }
        fn ended(&self) {
            self.0.lock().unwrap().1 = true;
        }
    }

    #[test]
    fn observer_receives_the_holder_and_the_time() {
        let (dir, waits) = (tempfile::tempdir().unwrap(), Waits::default());
        let first = WriterLock::acquire(dir.path(), "wa gc", Duration::ZERO, Some(&waits)).unwrap();
        let timeout = Duration::from_millis(200);
        WriterLock::acquire(dir.path(), "wa ingest", timeout, Some(&waits)).unwrap_err();
        drop(first);
        let (waits, has_ended) = waits.0.into_inner().unwrap();
        assert!(has_ended && waits.len() > 1);
        let last = waits.last().unwrap();
        assert_eq!(last.holder, format!("process {} (wa gc)", std::process::id()));
        let now = chrono::Utc::now().timestamp_micros();
        assert!((now - 60 * SECOND..=now).contains(&last.since.unwrap()));
        assert!(last.waited > waits[0].waited && last.timeout == timeout);
    }

    #[test]
    fn lock_with_another_text_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOCK_FILE);
        for text in ["precious", "p\n", "\0precious", "processor list\n"] {
            std::fs::write(&path, text).unwrap();
            let error = WriterLock::acquire(dir.path(), "wa gc", Duration::ZERO, None).unwrap_err();
            assert!(error.to_string().contains("is not the lock of a store"), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        // A crash can leave each of these.
        for text in ["", "proc", "process 12 (wa ingest)\n", "\0\0\0"] {
            std::fs::write(&path, text).unwrap();
            WriterLock::acquire(dir.path(), "wa gc", Duration::ZERO, None).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        }
    }

    #[cfg(unix)]
    #[test]
    fn lock_that_is_not_a_regular_file_is_unchanged() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join(LOCK_FILE), dir.path().join("victim"));
        let acquire =
            || WriterLock::acquire(dir.path(), "wa gc", Duration::ZERO, None).unwrap_err().to_string();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert!(acquire().ends_with("it is a symbolic link, not a regular file"));
        assert!(!victim.exists());
        std::fs::write(&victim, "precious").unwrap();
        assert!(acquire().ends_with("it is a symbolic link, not a regular file"));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
        std::fs::hard_link(&victim, &path).unwrap();
        assert!(acquire().contains("is not the lock of a store"));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert!(acquire().ends_with("it is a named pipe, not a regular file"));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(acquire().ends_with("it is a folder, not a regular file"));
    }

    #[cfg(unix)]
    #[test]
    fn lock_whose_file_was_removed_fails_verification() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO, None).unwrap();
        first.verify().unwrap();
        std::fs::remove_file(dir.path().join(LOCK_FILE)).unwrap();
        assert!(first.verify().unwrap_err().to_string().contains("was removed"));
        let second = WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO, None).unwrap();
        second.verify().unwrap();
        // The path now names the second lock's file.
        first.verify().unwrap_err();
        drop(first);
        WriterLock::acquire(dir.path(), "wa gc", Duration::ZERO, None).unwrap_err();
    }

    #[cfg(unix)]
    #[test]
    fn waiting_for_a_removed_lock_acquires_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::acquire(dir.path(), "wa ingest", Duration::ZERO, None).unwrap();
        std::thread::scope(|scope| {
            let waiting =
                scope.spawn(|| WriterLock::acquire(dir.path(), "wa gc", Duration::from_secs(60), None));
            std::thread::sleep(Duration::from_millis(200));
            std::fs::remove_file(dir.path().join(LOCK_FILE)).unwrap();
            drop(first);
            waiting.join().unwrap().unwrap().verify().unwrap();
        });
    }
}
