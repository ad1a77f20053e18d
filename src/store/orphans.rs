//! The files in the store's own folders that the manifest does not name: to be found, or removed.
//!
//! A partition may be moved to another disk and be linked there. A link that a named path goes through is
//! never removed, whether or not it leads anywhere just now. What it leads to is looked at like a partition's
//! own folder; folders below that, and all other links to folders, are nobody's business here.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use super::Store;
use super::columns::Table;
use super::manifest::Manifest;
use super::transaction::{REJECTS, STATE};
use crate::error::{Error, Result};

/// What lies in some of the store's own folders.
#[derive(Debug, Default)]
struct Found {
    /// The files that the manifest does not name, by their paths below the store's folder.
    unnamed: Vec<String>,
    /// The folders within those folders, each behind the ones in it.
    folders: Vec<String>,
}

/// What a manifest names.
struct Named<'m> {
    paths: HashSet<&'m str>,
    /// The folders of these paths, and the names of the files in them.
    folders: HashSet<&'m str>,
    names: HashSet<&'m str>,
}

impl<'m> Named<'m> {
    fn by(manifest: Option<&'m Manifest>) -> Named<'m> {
        let paths: HashSet<&str> = manifest.into_iter().flat_map(Manifest::paths).collect();
        let (folders, names) = paths.iter().filter_map(|path| path.rsplit_once('/')).unzip();
        Named { paths, folders, names }
    }
}

impl Store {
    /// Returns the folders of the tables, of refused lines and of a writer's notes.
    pub(crate) fn folders() -> impl Iterator<Item = &'static str> {
        Table::ALL.iter().map(|table| table.name()).chain([REJECTS, STATE])
    }

    /// Returns the paths of the files in some of the store's folders that the manifest does not name.
    pub(crate) fn unnamed<'f>(
        &self,
        manifest: &Manifest,
        folders: impl Iterator<Item = &'f str>,
    ) -> Result<Vec<String>> {
        let (mut found, named) = (Found::default(), Named::by(Some(manifest)));
        for folder in folders {
            self.look(folder, &named, &mut found)?;
        }
        Ok(found.unnamed)
    }

    /// Removes every file in some of the store's folders that the manifest does not name, and returns
    /// their number; the folders that lost some are added to `touched`.
    pub(super) fn sweep<'f>(
        &self,
        manifest: Option<&Manifest>,
        folders: impl Iterator<Item = &'f str>,
        touched: &mut BTreeSet<PathBuf>,
    ) -> Result<u64> {
        let (mut found, named) = (Found::default(), Named::by(manifest));
        for folder in folders {
            self.look(folder, &named, &mut found)?;
        }
        for path in &found.unnamed {
            let path = self.dir.join(path);
            self.disk.remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
            touched.extend(path.parent().map(ToOwned::to_owned));
        }
        for folder in &found.folders {
            let folder = self.dir.join(folder);
            if self.disk.list(&folder).is_ok_and(|entries| entries.is_empty()) {
                self.disk.remove_dir(&folder).map_err(|e| Error::io("remove the folder", &folder, e))?;
                touched.remove(&folder);
                touched.extend(folder.parent().map(ToOwned::to_owned));
            }
        }
        Ok(found.unnamed.len() as u64)
    }

    fn look(&self, folder: &str, named: &Named<'_>, found: &mut Found) -> Result<()> {
        let dir = self.dir.join(folder);
        for entry in self.disk.list(&dir).map_err(|e| Error::io("list", &dir, e))? {
            let path = format!("{folder}/{}", entry.name);
            match (entry.is_link, entry.is_dir) {
                (false, true) => {
                    self.look(&path, named, found)?;
                    found.folders.push(path);
                }
                (true, true) if named.folders.contains(path.as_str()) => {
                    self.look_through(&path, named, found)?;
                }
                (true, true) => {}
                // A link that leads nowhere may lead to a disk that is not there.
                (_, false)
                    if named.paths.contains(path.as_str()) || named.folders.contains(path.as_str()) => {}
                (_, false) => found.unnamed.push(path),
            }
        }
        Ok(())
    }

    /// Looks at what a link leads to. Where it leads to another partition, the files are known by the names
    /// that they have there.
    fn look_through(&self, link: &str, named: &Named<'_>, found: &mut Found) -> Result<()> {
        let dir = self.dir.join(link);
        let entries = self.disk.list(&dir).map_err(|e| Error::io("list", &dir, e))?;
        let files = entries.into_iter().filter(|entry| !entry.is_dir && !entry.is_link);
        let unnamed = files.filter(|entry| !named.names.contains(entry.name.as_str()));
        found.unnamed.extend(unnamed.map(|entry| format!("{link}/{}", entry.name)));
        Ok(())
    }
}
