//! The file operations of the store, behind one trait.
//!
//! The store writes, renames, removes and reads its files through [`FileSystem`], so that tests can
//! make any single operation fail. [`OsFileSystem`] is the implementation outside of tests.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A file opened for reading.
#[derive(Debug)]
pub enum OpenFile {
    /// A file of the operating system.
    File(File),
    /// The contents of a file, in memory.
    Bytes(Vec<u8>),
}

impl OpenFile {
    /// Returns another handle of the same file. Handles share their read position, so only one of
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

/// The file operations that the store needs.
pub trait FileSystem: Send + Sync + std::fmt::Debug {
    /// Creates a folder and its parents, accessible by the owner only. Does nothing if the
    /// folder exists.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Creates a file with these contents, accessible by the owner only. Fails if the file exists.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Flushes a file to stable storage.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Flushes the entries of a folder to stable storage.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
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
}

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
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<OpenFile> {
        File::open(path).map(OpenFile::File)
    }
}
