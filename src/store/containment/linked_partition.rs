//! Partitions whose folder is a symbolic link, for example to another volume.
//!
//! An untrusted store can contain links to any folder. `wa` therefore adds files behind a link only
//! if the folder is empty or holds a file of the store. A file belongs to the store if the manifest
//! names it and states its size. In a folder with such a file, Parquet files that the manifest does
//! not name are orphan files. A commit removes a file that it replaces only if the size matches.
//! File names are random, so the author of a store cannot guess the names in a folder that only its
//! owner can read.

use std::path::Path;

use crate::error::{Error, Result};
use crate::store::file_system::{FileSystem, Link};

/// Length of the random part of a file name: a UUID in hexadecimal.
const RANDOM_DIGITS: usize = 32;

/// Returns whether one of the files behind a link is a file of the store. `files` are the paths,
/// relative to the store, and the sizes of the files that the manifest names there.
///
/// # Errors
/// Fails if a path cannot be read.
pub fn holds_file<'f>(
    fs: &dyn FileSystem,
    store: &Path,
    files: impl IntoIterator<Item = (&'f str, u64)>,
) -> Result<bool> {
    for (path, bytes) in files {
        if is_own_file(fs, store, path, bytes)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a path behind a link is a file of the store: it has a random name, and the size
/// in the manifest.
///
/// # Errors
/// Fails if the path cannot be read.
pub fn is_own_file(fs: &dyn FileSystem, store: &Path, path: &str, bytes: u64) -> Result<bool> {
    let path = store.join(path);
    Ok(has_random_name(&path) && fs.length(&path).map_err(|e| Error::io("read", &path, e))? == Some(bytes))
}

/// Returns whether a path behind a link can be an orphan file: only Parquet files can.
pub fn can_be_orphan(name: &str) -> bool {
    name.ends_with(".parquet")
}

/// Fails if new files must not be added to the folder of a partition: it is a dangling link, or a
/// link to a folder that contains files, but none of the store. `files` are the paths and sizes of
/// the store's files in it.
pub fn check_target<'f>(
    fs: &dyn FileSystem,
    store: &Path,
    partition: &Path,
    files: impl IntoIterator<Item = (&'f str, u64)>,
) -> Result<()> {
    match fs.link(partition).map_err(|e| Error::io("read", partition, e))? {
        Link::None => Ok(()),
        Link::Dangling(target) => Err(Error::failed(format!(
            "the partition {} is a symbolic link to {}, which does not exist",
            partition.display(),
            target.display()
        ))
        .hint("mount the volume of that folder; nothing was changed")),
        Link::Followed => {
            let entries = fs.list(partition).map_err(|e| Error::io("list", partition, e))?;
            if entries.is_empty() || holds_file(fs, store, files)? {
                return Ok(());
            }
            Err(Error::failed(format!(
                "the partition {} is a symbolic link to a folder that contains no file of the store",
                partition.display()
            ))
            .hint("remove the link, or empty that folder; nothing was changed"))
        }
    }
}

fn has_random_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let stem = name.and_then(|name| name.strip_suffix(".parquet"));
    stem.is_some_and(|stem| stem.len() == RANDOM_DIGITS && stem.bytes().all(|b| b.is_ascii_hexdigit()))
}
