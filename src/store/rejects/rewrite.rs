//! Rewrites the files of rejected lines.

use super::RejectRecord;
use crate::error::{Error, Result};
use crate::store::manifest::AuxiliaryFile;
use crate::store::paths::REJECTS_DIR;
use crate::store::transaction::Transaction;

/// The change to make to a rejected line.
#[derive(Debug)]
pub enum RejectChange {
    /// Keep the line unchanged.
    Keep,
    /// Replace the line.
    Replace(Box<RejectRecord>),
    /// Remove the line.
    Remove,
}

/// Rewrites the files of rejected lines that `is_affected` selects, line by line, and returns the
/// number of files that changed.
///
/// # Errors
/// Fails if a file cannot be read or written.
pub fn rewrite(
    transaction: &mut Transaction,
    is_affected: impl Fn(&AuxiliaryFile) -> bool,
    mut change_line: impl FnMut(&RejectRecord) -> RejectChange,
) -> Result<u64> {
    let snapshot = transaction.snapshot()?;
    let mut changed_files = 0;
    for file in snapshot.manifest().rejects.iter().filter(|file| is_affected(file)) {
        let old = snapshot.read_checked(&file.path, &file.checksum)?;
        let changes = records(file, &old).map(|reject| Ok(change_line(&reject?)));
        let changes = changes.collect::<Result<Vec<_>>>()?;
        changed_files += u64::from(rewrite_file(transaction, file, &old, &changes)?);
    }
    Ok(changed_files)
}

/// Returns the lines of a file of rejected lines, given its content.
pub fn records<'a>(
    file: &'a AuxiliaryFile,
    content: &'a [u8],
) -> impl Iterator<Item = Result<RejectRecord>> + use<'a> {
    let invalid = |e| Error::failed(format!("cannot read {}", file.path)).caused_by(e);
    lines(content).map(move |line| serde_json::from_slice(line).map_err(invalid))
}

/// Replaces a file of rejected lines, given its content and the change of each line. Returns
/// whether the file changed. The new file keeps the time of writing, which decides when it is
/// pruned.
///
/// # Errors
/// Fails if the new file cannot be written.
pub fn rewrite_file(
    transaction: &mut Transaction,
    file: &AuxiliaryFile,
    content: &[u8],
    changes: &[RejectChange],
) -> Result<bool> {
    if changes.iter().all(|change| matches!(change, RejectChange::Keep)) {
        return Ok(false);
    }
    let mut new = Vec::with_capacity(content.len());
    let mut rows = 0;
    for (line, change) in lines(content).zip(changes) {
        match change {
            RejectChange::Keep => new.extend_from_slice(line),
            RejectChange::Replace(reject) => serde_json::to_writer(&mut new, reject)
                .map_err(|e| Error::failed("cannot write the rejected lines").caused_by(e))?,
            RejectChange::Remove => continue,
        }
        new.push(b'\n');
        rows += 1;
    }
    transaction.manifest().rejects.retain(|other| other.path != file.path);
    transaction.remove_auxiliary(&file.path);
    if rows > 0 {
        let name = format!("{}.ndjson", uuid::Uuid::new_v4().simple());
        let written = transaction.add_auxiliary(REJECTS_DIR, &name, &new, rows, file.written_at)?;
        transaction.manifest().rejects.push(written);
    }
    Ok(true)
}

fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
}
