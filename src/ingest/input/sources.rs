//! Compares input files with the source registry, and creates the entries of those that were read.

use std::fs::{File, Metadata};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::blocks::BlockReader;
use super::file_status::FileStatus;
use super::records::record_reader::RecordReader;
use super::source_registry::{MapVersion, ReadPlan, ReadPosition, ReadRules, SourceFile, SourceRegistry};
use crate::error::{Error, Result};
use crate::time::Micros;

/// The files that were ingested before, and how files are compared with them.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The files that were ingested before.
    pub registry: SourceRegistry,
    /// Whether to read files even if they are unchanged.
    pub force: bool,
    /// The rules that decide whether an ingested file would be read in the same way again.
    pub rules: ReadRules,
    /// The start of the ingest, by the clock of the file system. Files that changed shortly before
    /// it are not recognized by their status alone.
    pub began_at: Micros,
}

/// An open file, and how to read it.
#[derive(Debug)]
pub struct OpenSource {
    file: File,
    /// Its status before any of its bytes was read.
    pub status: Option<FileStatus>,
    /// How to read it.
    pub plan: ReadPlan,
}

/// An entry for the source registry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceUpdate {
    /// The file.
    pub file: SourceFile,
    /// The heads of the entries that it replaces: see [`SourceRegistry::record`].
    pub continued: Vec<String>,
    /// Whether only the name or the status is new, which does not justify a separate commit.
    pub only_status: bool,
}

impl OpenSource {
    /// Returns the position at which the file is read.
    pub fn position(&self) -> ReadPosition {
        match &self.plan {
            ReadPlan::Resume { hash, lines, .. } => ReadPosition {
                consumed: hash.length(),
                content: Some(hash.digest()),
                lines: *lines,
                plain: true,
            },
            ReadPlan::Skip(_) | ReadPlan::Full => ReadPosition::default(),
        }
    }

    /// Returns the hash of the map that read the file before, or `Some(None)` if it was read as
    /// native lines. Returns `None` if the format must be detected.
    pub fn known_map(&self) -> Option<Option<String>> {
        match &self.plan {
            ReadPlan::Resume { map, .. } => Some(map.clone()),
            ReadPlan::Skip(_) | ReadPlan::Full => None,
        }
    }

    /// Returns a second handle for positional reads of the file while it is being read; `None` if
    /// it is not a regular file.
    pub fn second_handle(&self, path: &Path) -> Option<File> {
        let is_file = self.file.metadata().is_ok_and(|metadata| metadata.is_file());
        // Positional reads move the position of a shared handle, except on Unix.
        is_file.then(|| if cfg!(unix) { self.file.try_clone() } else { File::open(path) })?.ok()
    }

    /// Returns a reader of the open file, not of its path, which may name another file by now.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn into_blocks(self, path: &Path) -> Result<BlockReader> {
        match self.plan {
            ReadPlan::Resume { hash, lines, .. } => BlockReader::resume(path, self.file, lines + 1, *hash),
            ReadPlan::Skip(_) | ReadPlan::Full => BlockReader::from_file(path, self.file),
        }
    }
}

impl Sources {
    /// Returns the size of a file whose status shows that it is unchanged; `None` if the file must
    /// be opened.
    pub fn unchanged_size(&self, path: &Path, name: &str) -> Option<u64> {
        if self.force {
            return None;
        }
        let metadata = std::fs::metadata(path).ok().filter(Metadata::is_file)?;
        let (size, status) = (metadata.len(), FileStatus::new(&metadata)?);
        self.registry.is_unchanged(name, size, &status, &self.rules).then_some(size)
    }

    /// Opens a file and decides how to read it.
    ///
    /// # Errors
    /// Fails if the file cannot be opened or read.
    pub fn open(&self, path: &Path, name: &str) -> Result<OpenSource> {
        let file = File::open(path).map_err(|e| Error::io("open", path, e))?;
        let metadata = file.metadata().map_err(|e| Error::io("read", path, e))?;
        let status = FileStatus::new(&metadata);
        // Pipes and devices have no size and cannot be recognized again.
        let plan = match !metadata.is_file() || self.force {
            true => ReadPlan::Full,
            false => {
                let plan = self.registry.plan(name, &file, &self.rules);
                plan.map_err(|e| Error::io("read", path, e))?
            }
        };
        Ok(OpenSource { file, status, plan })
    }

    /// Returns the registry entry of an unchanged file with its current name and status, so that
    /// the next ingest does not have to read the file; `None` if the entry would not change.
    pub fn renewed(
        &self,
        known: SourceFile,
        name: &str,
        status: Option<FileStatus>,
    ) -> Option<Box<SourceUpdate>> {
        let status = status.filter(|status| status.is_settled(self.began_at))?;
        // If two files have the same bytes, only one of them has the entry.
        if known.path != name && Path::new(&known.path).exists() {
            return None;
        }
        let file = SourceFile { path: name.to_owned(), status: Some(status), ..known };
        Some(Box::new(SourceUpdate { file, continued: Vec::new(), only_status: true }))
    }

    /// Returns the registry entry of a file that was read to its end; `None` if the file has been
    /// replaced or changed in the meantime. `before` is the status before the file was read. The
    /// caller sets `all_have_ids`, `has_future_lines` and `read_at`.
    pub fn update(
        &self,
        path: &Path,
        name: &str,
        handle: &File,
        reader: &RecordReader,
        (position, before, map): (ReadPosition, Option<FileStatus>, Option<MapVersion>),
    ) -> std::io::Result<Option<Box<SourceUpdate>>> {
        let compressed = !reader.can_resume();
        let reader = reader.blocks();
        let metadata = handle.metadata()?;
        if !is_same_file(handle, path)? || (compressed && reader.consumed() != metadata.len()) {
            return Ok(None);
        }
        let position = match compressed {
            true => ReadPosition {
                consumed: metadata.len(),
                content: Some(reader.digest()),
                plain: false,
                ..position
            },
            // A file without lines has no block that could have set the hash.
            false => {
                let content = position.content.or_else(|| reader.digest_at(position.consumed));
                ReadPosition { content, ..position }
            }
        };
        let source = SourceFile::describe(name, handle, position, &self.rules.options)?;
        let continued = self.registry.heads_continued_by(name, handle)?;
        let unchanged = FileStatus::new(&metadata) == before;
        Ok(source.map(|source| {
            // Bytes that were appended since the last read are left for the next ingest. If the
            // file changed in another way, its tail can differ from the bytes that were read.
            let whole = compressed || (source.size == reader.consumed() && unchanged);
            let status = before.filter(|status| unchanged && status.is_settled(self.began_at));
            let file = SourceFile { whole, status, map, ..source };
            Box::new(SourceUpdate { file, continued, only_status: false })
        }))
    }
}

/// Returns whether a path still names the open file, which may have been rotated in the meantime.
#[cfg(unix)]
fn is_same_file(handle: &File, path: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (open, named) = (handle.metadata()?, std::fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

#[cfg(not(unix))]
fn is_same_file(handle: &File, path: &Path) -> std::io::Result<bool> {
    Ok(handle.metadata()?.created()? == std::fs::metadata(path)?.created()?)
}
