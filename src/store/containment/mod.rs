//! Keeps every change within the folder of the store.
//!
//! A store may come from an untrusted source, or may have been tampered with. Invariants:
//!
//! - `wa` creates, truncates, renames and removes files in the store's folder only, and behind the
//!   links of partitions, as described in [`linked_partition`].
//! - The paths of a manifest lie in the folders of their tables ([`manifest_paths`]). They are
//!   checked when the manifest is read, before any of them is used.
//! - The folders of the store are real folders: a writer fails if one of them is a symbolic link
//!   ([`Store::linked_folders`]). Files of the store are opened without following links, or newly
//!   created.
//!
//! Links to files that are only read are followed.

pub(super) mod linked_partition;
pub(super) mod manifest_paths;

use std::path::Path;

use super::Store;
use super::file_system::{FileSystem, Link};
use super::paths::STAGING_DIR;
use crate::error::{Error, Result};

impl Store {
    /// Returns the folders of the store that are symbolic links.
    ///
    /// # Errors
    /// Fails if the store's folder cannot be read.
    pub(crate) fn linked_folders(&self) -> Result<Vec<&'static str>> {
        let mut linked = Vec::new();
        for name in Store::data_folders().chain([STAGING_DIR]) {
            let path = self.dir.join(name);
            if self.fs.link(&path).map_err(|e| Error::io("read", &path, e))? != Link::None {
                linked.push(name);
            }
        }
        Ok(linked)
    }

    /// Fails if a folder of the store is a symbolic link.
    pub(super) fn reject_linked_folders(&self) -> Result<()> {
        let linked = self.linked_folders()?;
        let Some(name) = linked.first() else { return Ok(()) };
        Err(Error::failed(format!("{} is a symbolic link", self.dir.join(name).display())).hint(
            "move the folder that it points to back into the store, or remove the link; only the folder of \
             a partition may be a link",
        ))
    }
}

/// Fails if the path of a store is a dangling symbolic link.
pub(super) fn reject_dangling_store(fs: &dyn FileSystem, dir: &Path) -> Result<()> {
    match fs.link(dir).map_err(|e| Error::io("read", dir, e))? {
        Link::Dangling(target) => Err(Error::failed(format!(
            "the store {} is a symbolic link to {}, which does not exist",
            dir.display(),
            target.display()
        ))
        .hint("mount the volume of that folder, create the folder, or correct the link")),
        Link::None | Link::Followed => Ok(()),
    }
}
