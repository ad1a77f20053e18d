//! A store whose manifest is lost.
//!
//! The first manifest is on stable storage before any file is moved out of `staging/`, so files in the
//! store's other folders without a manifest are no first ingest that was interrupted: somebody or
//! something has taken the manifest away. To begin anew there would be to remove all that the store
//! holds, so nothing is done.

use super::manifest::Manifest;
use super::{MANIFEST, Store};
use crate::error::{Error, Result};

impl Store {
    /// Returns the manifest; none where there is no store yet.
    ///
    /// # Errors
    /// Where there are files of a store, and no manifest that names them.
    pub(super) fn manifest_or_why_none(&self) -> Result<Option<Manifest>> {
        if let Some(manifest) = self.read_manifest()? {
            return Ok(Some(manifest));
        }
        let Some(file) = self.first_file()? else { return Ok(None) };
        // A first ingest may have written both since.
        if let Some(manifest) = self.read_manifest()? {
            return Ok(Some(manifest));
        }
        Err(Error::failed(format!(
            "the manifest of the store {} is missing: there is no {MANIFEST}, but files that it has to name, such as {file}",
            self.dir.display()
        ))
        .hint(
            "nothing was changed; put the manifest back from a backup of the store, with the files that it names, \
             or ingest the logs again into a new store",
        ))
    }

    /// Returns the path of some file of a table, of refused lines or of the writer's notes.
    fn first_file(&self) -> Result<Option<String>> {
        let mut folders: Vec<String> = Store::folders().map(str::to_owned).collect();
        while let Some(folder) = folders.pop() {
            let dir = self.dir.join(&folder);
            for entry in self.disk.list(&dir).map_err(|e| Error::io("list", &dir, e))? {
                let path = format!("{folder}/{}", entry.name);
                if !entry.is_dir {
                    return Ok(Some(path));
                }
                folders.push(path);
            }
        }
        Ok(None)
    }
}
