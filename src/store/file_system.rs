//! The few operations on files that the store needs, behind one interface.
//!
//! Everything that the store writes, renames, removes or reads goes through [`Disk`], so that a
//! test can refuse or cut off any single operation. [`RealDisk`] is the file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The bytes of a file, opened for reading.
#[derive(Debug)]
pub enum Opened {
    /// A file of the file system.
    File(File),
    /// Bytes in memory.
    Bytes(Vec<u8>),
}

impl Opened {
    /// Returns the same bytes once more. A file's place of reading is shared: one is read at a time.
    pub fn again(&self) -> io::Result<Opened> {
        Ok(match self {
            Opened::File(file) => Opened::File(file.try_clone()?),
            Opened::Bytes(bytes) => Opened::Bytes(bytes.clone()),
        })
    }
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name, without its folder.
    pub name: String,
    /// Whether it is a folder itself, or a link to one.
    pub is_dir: bool,
    /// Whether it is a link, to whatever there is or is not.
    pub is_link: bool,
}

/// What the store asks of a disk.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Creates a folder and those above it; no error where it is there. Readable by its owner alone.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Creates a file with these bytes; an error where it is there. Readable by its owner alone.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Brings a file's bytes to stable storage.
    fn sync_file(&self, path: &Path) -> io::Result<()>;
    /// Brings a folder's entries to stable storage.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Renames a file, replacing what bears the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file; an error where something bears the new name.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// Lists a folder, in order of names; an empty list where it is not there.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;
    /// Reads a whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Opens a file for reading parts of it.
    fn open(&self, path: &Path) -> io::Result<Opened>;
}

/// The file system.
#[derive(Clone, Copy, Debug)]
pub struct RealDisk;

impl Disk for RealDisk {
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
        // Windows cannot open a folder as a file, and needs no such sync.
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(e),
            // A file system without second names: whoever comes in between is not noticed there.
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

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let is_link = kind.is_symlink();
            let is_dir = if is_link { entry.path().is_dir() } else { kind.is_dir() };
            names.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), is_dir, is_link });
        }
        names.sort();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn open(&self, path: &Path) -> io::Result<Opened> {
        File::open(path).map(Opened::File)
    }
}
