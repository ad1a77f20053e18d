//! The file operations of the store, behind one trait.
//!
//! The store writes, renames, removes and reads its files through [`FileSystem`], so that tests can
//! make any single operation fail. [`OsFileSystem`] is the implementation outside tests.

mod sync_all;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::positional_read::read_full_at;
use crate::regular_file::{self, is_absent};
pub use sync_all::SyncAll;

/// A file opened for reading.
#[derive(Debug)]
pub enum OpenFile {
    /// A file of the operating system.
    File(File),
    /// The contents of a file, in memory.
    Bytes(Vec<u8>),
}

impl OpenFile {
    /// Returns another handle to the same file. Handles share their read position, so only one of
    /// them can be read at a time.
    ///
    /// # Errors
    /// Fails if the operating system cannot duplicate the handle.
    pub fn try_clone(&self) -> io::Result<OpenFile> {
        Ok(match self {
            OpenFile::File(file) => OpenFile::File(file.try_clone()?),
            OpenFile::Bytes(bytes) => OpenFile::Bytes(bytes.clone()),
        })
    }

    /// Returns the length in bytes.
    ///
    /// # Errors
    /// Fails if the operating system cannot determine the length.
    pub fn length(&self) -> io::Result<u64> {
        match self {
            OpenFile::File(file) => (&*file).seek(SeekFrom::End(0)),
            OpenFile::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Reads `length` bytes from `offset` on.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or is too short.
    pub fn read_part(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let is_short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        match self {
            OpenFile::Bytes(bytes) => {
                let start = usize::try_from(offset).map_err(io::Error::other)?;
                let end = start.checked_add(length).ok_or_else(is_short)?;
                bytes.get(start..end).map(<[u8]>::to_vec).ok_or_else(is_short)
            }
            OpenFile::File(file) => {
                let mut bytes = vec![0; length];
                let filled = read_full_at(file, &mut bytes, offset)?;
                if filled == length { Ok(bytes) } else { Err(is_short()) }
            }
        }
    }

    /// Reads the whole file if it has `length` bytes. Returns `None` if it has a different length.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn read_whole(&self, length: u64) -> io::Result<Option<Vec<u8>>> {
        if self.length()? != length {
            return Ok(None);
        }
        match self {
            OpenFile::Bytes(bytes) => Ok(Some(bytes.clone())),
            OpenFile::File(file) => {
                let length = usize::try_from(length).map_err(io::Error::other)?;
                let mut bytes = vec![0; length];
                let filled = read_full_at(file, &mut bytes, 0)?;
                Ok((filled == length).then_some(bytes))
            }
        }
    }
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// File name, without the folder.
    pub name: String,
    /// Whether the entry is a folder or a symbolic link to one.
    pub is_dir: bool,
    /// Whether the entry is a symbolic link, dangling or not.
    pub is_link: bool,
}

/// The target of a path that may be a symbolic link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The path is not a link, or does not exist.
    None,
    /// A link whose target exists.
    Followed,
    /// A link whose target does not exist, with the path that it contains.
    Dangling(PathBuf),
}

/// The owner of a file, and the permission bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The id of the owner.
    pub owner: u32,
    /// The permission bits.
    pub mode: u32,
}

/// The largest file that is read as a whole, in bytes. The store writes no file of this size.
const MAX_FILE: u64 = 4 << 30;

/// The file operations that the store needs.
pub trait FileSystem: Send + Sync + std::fmt::Debug {
    /// Creates a folder and its parents, accessible by the owner only. Does nothing if the folder
    /// exists.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Creates a file with these contents, accessible by the owner only. Fails if the file exists.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Flushes a file to stable storage.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Flushes the entries of a folder to stable storage.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Returns the minimum number of files in a commit for which [`FileSystem::open_sync_all`] is
    /// faster than syncing each file.
    fn min_grouped_files(&self) -> usize {
        usize::MAX
    }
    /// Opens the file system of a folder, so that later writes can be synced together. Returns
    /// `None` if every file must be synced separately.
    fn open_sync_all(&self, dir: &Path) -> io::Result<Option<SyncAll>> {
        let _ = dir;
        Ok(None)
    }
    /// Flushes all files and folders of an open file system to stable storage.
    fn sync_all(&self, all: &SyncAll) -> io::Result<()> {
        all.sync()
    }
    /// Renames a file, replacing an existing file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file. Fails if the new name exists.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Lists a folder, sorted by name. Returns an empty list if the folder does not exist.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Opens a file for reading parts of it.
    fn open(&self, path: &Path) -> io::Result<OpenFile>;
    /// Returns the target of a path that can be a symbolic link. File systems without links keep
    /// the default.
    fn link(&self, path: &Path) -> io::Result<Link> {
        let _ = path;
        Ok(Link::None)
    }
    /// Returns the length of a file; `None` if there is no regular file. Links are not followed.
    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match self.read(path) {
            Ok(bytes) => Ok(Some(bytes.len() as u64)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
    /// Returns the owner and permissions of a file; `None` if the file system has none.
    fn access(&self, path: &Path) -> io::Result<Option<Access>> {
        let _ = path;
        Ok(None)
    }
}

/// The number of files from which syncing the whole file system is faster than syncing each file. A
/// sync of the file system also waits for the writes of other programs.
const MIN_GROUPED_FILES: usize = 64;

/// The file system of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct OsFileSystem;

impl FileSystem for OsFileSystem {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(dir)
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path)?.write_all(bytes)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // Windows cannot open a folder as a file and has no such sync.
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }

    fn min_grouped_files(&self) -> usize {
        MIN_GROUPED_FILES
    }

    fn open_sync_all(&self, dir: &Path) -> io::Result<Option<SyncAll>> {
        SyncAll::open(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
            // The file system has no hard links. The check and the rename are not atomic there.
            Err(_) if to.symlink_metadata().is_err() => fs::rename(from, to),
            Err(_) => Err(io::ErrorKind::AlreadyExists.into()),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut list = Vec::new();
        for entry in entries {
            let entry = entry?;
            let file_type = entry.file_type()?;
            let is_link = file_type.is_symlink();
            let is_dir = if is_link { entry.path().is_dir() } else { file_type.is_dir() };
            list.push(DirEntry { name: entry.file_name().to_string_lossy().into_owned(), is_dir, is_link });
        }
        list.sort();
        Ok(list)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        regular_file::read(path, MAX_FILE)
    }

    fn open(&self, path: &Path) -> io::Result<OpenFile> {
        regular_file::open(path).map(OpenFile::File)
    }

    fn link(&self, path: &Path) -> io::Result<Link> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if !metadata.is_symlink() => Ok(Link::None),
            Ok(_) if fs::metadata(path).is_err_and(|e| is_absent(&e)) => {
                fs::read_link(path).map(Link::Dangling)
            }
            Ok(_) => Ok(Link::Followed),
            Err(e) if is_absent(&e) => Ok(Link::None),
            Err(e) => Err(e),
        }
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
            Err(e) if is_absent(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    #[cfg(unix)]
    fn access(&self, path: &Path) -> io::Result<Option<Access>> {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(path)?;
        Ok(Some(Access { owner: metadata.uid(), mode: metadata.mode() & 0o7777 }))
    }
}
