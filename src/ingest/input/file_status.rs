//! The status of a file: the properties that the file system reports without reading the file.

use std::fs::Metadata;

use serde::{Deserialize, Serialize};

use crate::time::Micros;

/// Identity and times of a file. As long as they and the size stay the same, the bytes are the
/// same.
///
/// Times are in nanoseconds since 1970. Programs can set the modification time to any value, but
/// not the change time, which Unix sets whenever the bytes or the name change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStatus {
    /// The inode number; 0 on operating systems other than Unix.
    inode: u64,
    /// The time of the last change of the bytes.
    modified: i64,
    /// The time of the last change of bytes, name or permissions; on operating systems without
    /// this time, the time of creation.
    changed: i64,
}

/// The longest time between two steps of a file system's clock, in nanoseconds, with a margin. The
/// slowest clock of Linux advances every 10 ms.
const TICK: i64 = 50_000_000;
/// The longest time between two steps of a clock that counts whole seconds. FAT records times in
/// steps of two seconds.
const TICK_OF_SECONDS: i64 = 2_000_000_000;

impl FileStatus {
    /// Returns the status of a file; `None` if the operating system does not record its times.
    #[cfg(unix)]
    pub fn new(metadata: &Metadata) -> Option<FileStatus> {
        use std::os::unix::fs::MetadataExt;
        let nanoseconds = |seconds: i64, rest: i64| seconds.checked_mul(1_000_000_000)?.checked_add(rest);
        Some(FileStatus {
            inode: metadata.ino(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec())?,
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec())?,
        })
    }

    /// Returns the status of a file; `None` if the operating system does not record its times.
    #[cfg(not(unix))]
    pub fn new(metadata: &Metadata) -> Option<FileStatus> {
        let nanoseconds = |time: std::io::Result<std::time::SystemTime>| {
            let since = time.ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
            i64::try_from(since.as_nanos()).ok()
        };
        let (modified, created) = (nanoseconds(metadata.modified())?, nanoseconds(metadata.created())?);
        Some(FileStatus { inode: 0, modified, changed: created })
    }

    /// Returns the status of a file in a file system that only reports when it was modified, in
    /// milliseconds since 1970; `None` if the time is out of range.
    pub fn of_listed(modified_ms: i64) -> Option<FileStatus> {
        let modified = modified_ms.checked_mul(1_000_000)?;
        Some(FileStatus { inode: 0, modified, changed: modified })
    }

    /// Returns whether every change after `now` results in a different status. If the file changed
    /// just before `now`, the next change can have the same time.
    pub fn is_settled(&self, now: Micros) -> bool {
        let latest = if cfg!(unix) { self.changed } else { self.changed.max(self.modified) };
        let tick = if latest % 1_000_000_000 == 0 { TICK_OF_SECONDS } else { TICK };
        latest.saturating_add(tick) <= now.saturating_mul(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_settles_after_a_tick_of_the_clock() {
        let at = |changed| FileStatus { inode: 1, modified: 5, changed };
        let second = 1_000_000_000;
        assert!(at(second + 7).is_settled(1_050_001));
        assert!(!at(second + 7).is_settled(1_049_999));
        assert!(at(second).is_settled(3_000_000));
        assert!(!at(second).is_settled(2_999_999));
    }

    #[cfg(unix)]
    #[test]
    fn modification_time_set_back_is_another_status() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let status = || FileStatus::new(&file.path().metadata().unwrap()).unwrap();
        std::fs::write(file.path(), "one").unwrap();
        let (before, modified) = (status(), file.path().metadata().unwrap().modified().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::fs::write(file.path(), "two").unwrap();
        file.as_file().set_modified(modified).unwrap();
        let after = status();
        assert_eq!(before.modified, after.modified);
        assert_ne!(before, after);
    }
}
