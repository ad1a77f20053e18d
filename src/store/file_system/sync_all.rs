//! Syncing all files of a file system at once.
//!
//! A commit that changes a thousand days writes two thousand small files in as many folders.
//! Syncing each file waits for the disk two thousand times; syncing the whole file system waits
//! once.
//!
//! This relies on two properties of the operating system. If one of them is missing, every file is
//! synced separately:
//!
//! - The kernel reports all writes that failed since the file system was opened. Linux has done so
//!   since version 5.8.
//! - A sync of the file system makes everything durable. This holds for the types in [`DURABLE`].
//!   FUSE and network file systems may write the data without making it durable.

use std::fs::File;
use std::io;
use std::path::Path;

/// An open file system. Syncing it makes everything durable that was written since it was opened.
#[derive(Debug, Default)]
pub struct SyncAll {
    /// Any file on the file system; `None` in tests with a simulated file system.
    file: Option<File>,
}

/// Types of file systems whose sync makes all changes durable: ext2 to ext4, XFS, Btrfs and F2FS;
/// also tmpfs, whose files are in memory and are never durable.
#[cfg(target_os = "linux")]
const DURABLE: [u64; 5] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010, 0x0102_1994];

impl SyncAll {
    /// Opens the file system of a folder; `None` if its files must be synced one by one.
    #[cfg(target_os = "linux")]
    pub fn open(dir: &Path) -> io::Result<Option<SyncAll>> {
        if !reports_failed_writes() {
            return Ok(None);
        }
        let file = File::open(dir)?;
        let kind = rustix::fs::fstatfs(&file)?.f_type;
        let is_durable = DURABLE.iter().any(|durable| i128::from(*durable) == i128::from(kind));
        Ok(is_durable.then_some(SyncAll { file: Some(file) }))
    }

    /// Returns `None`: files must be synced one by one.
    #[cfg(not(target_os = "linux"))]
    pub fn open(_dir: &Path) -> io::Result<Option<SyncAll>> {
        Ok(None)
    }

    /// Flushes everything to stable storage.
    pub fn sync(&self) -> io::Result<()> {
        match &self.file {
            #[cfg(target_os = "linux")]
            Some(file) => Ok(rustix::fs::syncfs(file)?),
            _ => Ok(()),
        }
    }
}

/// Returns whether a sync reports all writes that failed since the file system was opened.
#[cfg(target_os = "linux")]
fn reports_failed_writes() -> bool {
    static REPORTS: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *REPORTS.get_or_init(|| {
        std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| is_since_5_8(&release))
    })
}

#[cfg(target_os = "linux")]
fn is_since_5_8(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>());
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    (major, minor) >= (5, 8)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn kernels_before_5_8_do_not_report_failed_writes() {
        for (release, expected) in [
            ("6.1.0-18-amd64\n", true),
            ("5.8.0", true),
            ("5.10.16.3-microsoft-standard-WSL2", true),
            ("5.4.0-1029-aws", false),
            ("4.18.0-553.el8_10.x86_64", false),
            ("", false),
            ("unknown", false),
        ] {
            assert_eq!(is_since_5_8(release), expected, "{release}");
        }
    }

    #[test]
    fn file_system_without_durable_sync_is_not_opened() {
        assert!(SyncAll::open(Path::new("/proc")).unwrap().is_none());
        let dir = tempfile::tempdir().unwrap();
        if let Some(all) = SyncAll::open(dir.path()).unwrap() {
            std::fs::write(dir.path().join("file"), "text").unwrap();
            all.sync().unwrap();
        }
    }
}
