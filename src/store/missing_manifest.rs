//! Detection of a missing manifest.
//!
//! The first manifest is on stable storage before any file leaves `staging/`. If data folders
//! contain files but there is no manifest, the manifest was therefore removed: an interrupted first
//! ingest cannot leave that state. Starting a new store there would remove all data, so opening
//! such a store fails.

use super::Store;
use super::manifest::{MANIFEST_FILE, Manifest};
use crate::error::{Error, Result};

impl Store {
    /// Reads the manifest; `None` if there is no store yet.
    ///
    /// # Errors
    /// Fails if the manifest cannot be used, or if there are files of a store and no manifest.
    pub(super) fn load_manifest(&self) -> Result<Option<Manifest>> {
        if let Some(manifest) = self.read_manifest()? {
            return Ok(Some(manifest));
        }
        let Some(file) = self.any_data_file()? else { return Ok(None) };
        // A concurrent first ingest may have written the manifest and this file in the meantime.
        if let Some(manifest) = self.read_manifest()? {
            return Ok(Some(manifest));
        }
        Err(Error::failed(format!(
            "the store {} has no {MANIFEST_FILE}, but it has data files such as {file}",
            self.dir.display()
        ))
        .hint(
            "restore the manifest and the files that it names from a backup, or ingest the logs into a \
             new store; nothing was changed",
        ))
    }

    /// Returns the path of a file in the data folders, relative to the store.
    fn any_data_file(&self) -> Result<Option<String>> {
        let mut dirs: Vec<String> = Store::data_folders().map(str::to_owned).collect();
        while let Some(dir) = dirs.pop() {
            let path = self.dir.join(&dir);
            for entry in self.fs.list(&path).map_err(|e| Error::io("list", &path, e))? {
                let path = format!("{dir}/{}", entry.name);
                if !entry.is_dir {
                    return Ok(Some(path));
                }
                // A link can lead out of the store, or form a cycle.
                if !entry.is_link {
                    dirs.push(path);
                }
            }
        }
        Ok(None)
    }
}
