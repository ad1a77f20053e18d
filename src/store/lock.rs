//! One writer at a time.
//!
//! The file `lock` in the store is locked as a whole by the writer and freed by the operating
//! system when its process ends, however it ends; nothing stale can block. Its content only says
//! who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The lock's name in the store.
pub const LOCK: &str = "lock";

/// A held lock; dropping it frees it.
#[derive(Debug)]
pub struct WriterLock {
    file: File,
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
        let mut file = options.open(&path).map_err(|e| Error::io("open the lock", &path, e))?;
        // The library takes the wall clock as a value; how long it has waited is no wall clock.
        let started = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
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
        Ok(WriterLock { file })
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
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
}
