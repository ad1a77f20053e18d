//! One writer at a time.
//!
//! The file `lock` in the store is locked as a whole by the writer and freed by the operating
//! system when its process ends, however it ends; nothing stale can block. Its content only says
//! who holds it.
//!
//! The file stays when nobody holds it, and somebody may take it for a stale one and remove it. What counts is
//! the file at the path: a lock on one that is no longer there keeps nobody out, so whoever has waited for it
//! takes it anew, and whoever holds it looks again before a commit ([`WriterLock::check`]).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The lock's name in the store.
pub const LOCK: &str = "lock";

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
    path: PathBuf,
}

impl WriterLock {
    /// Takes the lock, waiting at most `timeout` for another writer.
    ///
    /// `command` says what is being done, for those who wait.
    pub fn take(store: &Path, command: &str, timeout: Duration) -> Result<WriterLock> {
        let path = store.join(LOCK);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let open = || options.open(&path).map_err(|e| Error::io("open the lock", &path, e));
        let mut file = open()?;
        // The library takes the wall clock as a value; how long it has waited is no wall clock.
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => break,
                Ok(()) => file = open()?,
                Err(TryLockError::WouldBlock) => {
                    let left = timeout.saturating_sub(started.elapsed());
                    if left.is_zero() {
                        return Err(held(&mut file, store, timeout));
                    }
                    std::thread::sleep(left.min(Duration::from_millis(50)));
                }
                Err(TryLockError::Error(e)) => return Err(Error::io("lock", &path, e)),
            }
        }
        // Only a note for others: a failure to write it (a full disk) must not stop the work.
        let note = format!("process {} ({command})\n", std::process::id());
        let _ = file.set_len(0);
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(note.as_bytes()));
        Ok(WriterLock { file, path })
    }

    /// Makes sure that the lock still keeps others out.
    ///
    /// # Errors
    /// Where its file was removed or replaced.
    pub fn check(&self) -> Result<()> {
        if is_at(&self.file, &self.path) {
            return Ok(());
        }
        Err(Error::failed(format!(
            "the lock {} was removed while this command held it; nothing more was committed",
            self.path.display()
        ))
        .hint(
            "run the same command again, and leave the lock where it is: it is free as soon as the command \
             that holds it has ended",
        ))
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

/// Tells whether an open file is the one at a path. Where the system does not number its files, it says yes.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |about: std::fs::Metadata| (about.dev(), about.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(there)) => id(open) == id(there),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

fn held(file: &mut File, store: &Path, timeout: Duration) -> Error {
    let mut holder = String::new();
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut holder));
    let holder = match holder.trim() {
        "" => "another process",
        known => known,
    };
    Error::failed(format!(
        "the store {} is being written by {holder}; waited {} s",
        store.display(),
        timeout.as_secs()
    ))
    .hint("wait for it to end, or give it longer with --lock-timeout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_told_who_holds_the_lock_and_gets_it_when_it_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::take(dir.path(), "wa gc", Duration::ZERO).unwrap();
        let refused = WriterLock::take(dir.path(), "wa ingest", Duration::ZERO).unwrap_err();
        let message = refused.to_string();
        assert!(message.contains("wa gc"), "{message}");
        assert!(message.contains(&std::process::id().to_string()), "{message}");
        drop(first);
        WriterLock::take(dir.path(), "wa ingest", Duration::ZERO).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_was_removed_keeps_nobody_out_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::take(dir.path(), "wa ingest", Duration::ZERO).unwrap();
        first.check().unwrap();
        std::fs::remove_file(dir.path().join(LOCK)).unwrap();
        assert!(first.check().unwrap_err().to_string().contains("was removed"));
        let second = WriterLock::take(dir.path(), "wa ingest", Duration::ZERO).unwrap();
        second.check().unwrap();
        // Another file is there now: it is not the first one's.
        first.check().unwrap_err();
        drop(first);
        WriterLock::take(dir.path(), "wa gc", Duration::ZERO).unwrap_err();
    }

    #[cfg(unix)]
    #[test]
    fn who_waited_for_a_lock_that_was_removed_meanwhile_takes_the_one_that_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let first = WriterLock::take(dir.path(), "wa ingest", Duration::ZERO).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| WriterLock::take(dir.path(), "wa gc", Duration::from_secs(60)));
            std::thread::sleep(Duration::from_millis(200));
            std::fs::remove_file(dir.path().join(LOCK)).unwrap();
            drop(first);
            waiting.join().unwrap().unwrap().check().unwrap();
        });
    }
}
