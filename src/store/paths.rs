//! The folders of a store, apart from the tables.

use std::path::{Path, PathBuf};

/// The folder of files that are not committed yet.
pub const STAGING_DIR: &str = "staging";
/// The folder of rejected lines.
pub const REJECTS_DIR: &str = "rejects";
/// The folder of state files: the source registry and the ledger.
pub const STATE_DIR: &str = "state";

/// Returns the path of a file in the staging folder.
pub(super) fn staged_path(dir: &Path, path: &str) -> PathBuf {
    dir.join(STAGING_DIR).join(path.rsplit('/').next().unwrap_or(path))
}
