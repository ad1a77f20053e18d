//! Orphan files: files in the store's folders that the manifest does not name.
//!
//! A partition folder can be moved to another volume and replaced by a symbolic link. Links on the
//! path of a named file are never removed, even if they currently dangle. The target of such a link
//! is scanned for Parquet files, without its subfolders, if it holds a file of the store: see
//! [`linked_partition`]. All other links to folders are ignored, except in `staging/`, where they
//! are removed.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use super::Store;
use super::columns::Table;
use super::containment::linked_partition;
use super::manifest::Manifest;
use super::paths::{REJECTS_DIR, STAGING_DIR, STATE_DIR};
use crate::error::{Error, Result};

/// The result of a scan of the store's folders. Paths are relative to the store.
#[derive(Debug, Default)]
struct Scan {
    orphans: Vec<String>,
    /// The subfolders, each after its own subfolders.
    subfolders: Vec<String>,
}

/// The paths that a manifest names.
struct NamedPaths<'m> {
    manifest: Option<&'m Manifest>,
    paths: HashSet<&'m str>,
    /// The folders of `paths`.
    dirs: HashSet<&'m str>,
    /// The file names of `paths`.
    file_names: HashSet<&'m str>,
}

impl<'m> NamedPaths<'m> {
    fn new(manifest: Option<&'m Manifest>) -> NamedPaths<'m> {
        let paths: HashSet<&str> = manifest.into_iter().flat_map(Manifest::paths).collect();
        let (dirs, file_names) = paths.iter().filter_map(|path| path.rsplit_once('/')).unzip();
        NamedPaths { manifest, paths, dirs, file_names }
    }
}

impl Store {
    /// Returns the folders of the tables, of rejected lines and of state files.
    pub(crate) fn data_folders() -> impl Iterator<Item = &'static str> {
        Table::ALL.iter().map(|table| table.name()).chain([REJECTS_DIR, STATE_DIR])
    }

    /// Returns the paths of orphan files in the given folders of the store.
    ///
    /// # Errors
    /// Fails if a folder cannot be listed.
    pub(crate) fn orphan_files<'d>(
        &self,
        manifest: &Manifest,
        dirs: impl Iterator<Item = &'d str>,
    ) -> Result<Vec<String>> {
        self.scan(&NamedPaths::new(Some(manifest)), dirs).map(|scan| scan.orphans)
    }

    /// Removes orphan files and empty subfolders from the given folders of the store. Returns the
    /// number of files removed, and adds the folders that lost an entry to `changed_dirs`.
    ///
    /// # Errors
    /// Fails if a folder cannot be listed, or a file or folder cannot be removed.
    pub(super) fn remove_orphans<'d>(
        &self,
        manifest: Option<&Manifest>,
        dirs: impl Iterator<Item = &'d str>,
        changed_dirs: &mut BTreeSet<PathBuf>,
    ) -> Result<u64> {
        let scan = self.scan(&NamedPaths::new(manifest), dirs)?;
        for path in &scan.orphans {
            let path = self.dir.join(path);
            self.fs.remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            changed_dirs.extend(path.parent().map(ToOwned::to_owned));
        }
        for dir in &scan.subfolders {
            let dir = self.dir.join(dir);
            if self.fs.list(&dir).is_ok_and(|entries| entries.is_empty()) {
                self.fs.remove_dir(&dir).map_err(|e| Error::io("remove the folder", &dir, e))?;
                changed_dirs.remove(&dir);
                changed_dirs.extend(dir.parent().map(ToOwned::to_owned));
            }
        }
        Ok(scan.orphans.len() as u64)
    }

    fn scan<'d>(&self, named: &NamedPaths<'_>, dirs: impl Iterator<Item = &'d str>) -> Result<Scan> {
        let mut scan = Scan::default();
        let linked = self.linked_folders()?;
        for dir in dirs.filter(|dir| !linked.contains(dir)) {
            self.scan_dir(dir, named, &mut scan)?;
        }
        Ok(scan)
    }

    fn scan_dir(&self, dir: &str, named: &NamedPaths<'_>, scan: &mut Scan) -> Result<()> {
        let path = self.dir.join(dir);
        for entry in self.fs.list(&path).map_err(|e| Error::io("list", &path, e))? {
            let path = format!("{dir}/{}", entry.name);
            let is_named = named.paths.contains(path.as_str()) || named.dirs.contains(path.as_str());
            match (entry.is_link, entry.is_dir) {
                (false, true) => {
                    self.scan_dir(&path, named, scan)?;
                    scan.subfolders.push(path);
                }
                (true, true) if named.dirs.contains(path.as_str()) => {
                    self.scan_linked_partition(&path, named, scan)?;
                }
                // `wa` creates no links in `staging/`, and the folder must become empty.
                (true, true) if path.starts_with(STAGING_DIR) => scan.orphans.push(path),
                (true, true) => {}
                // A dangling link of a partition: its volume may not be mounted.
                (_, false) if is_named => {}
                (_, false) => scan.orphans.push(path),
            }
        }
        Ok(())
    }

    /// Scans the target of a link. Several partitions can share one target, so files are matched by
    /// their names alone.
    fn scan_linked_partition(&self, link: &str, named: &NamedPaths<'_>, scan: &mut Scan) -> Result<()> {
        let manifest = named.manifest.into_iter();
        let files = manifest.flat_map(|manifest| manifest.data_files_in(link));
        if !linked_partition::holds_file(&*self.fs, &self.dir, files)? {
            return Ok(());
        }
        let path = self.dir.join(link);
        let entries = self.fs.list(&path).map_err(|e| Error::io("list", &path, e))?;
        let files = entries.into_iter().filter(|entry| !entry.is_dir && !entry.is_link);
        let orphans = files
            .filter(|entry| linked_partition::can_be_orphan(&entry.name))
            .filter(|entry| !named.file_names.contains(entry.name.as_str()));
        scan.orphans.extend(orphans.map(|entry| format!("{link}/{}", entry.name)));
        Ok(())
    }
}
