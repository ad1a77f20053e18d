//! Rewrites the files of rejected lines.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::error::{Error, Result};
use crate::store::manifest::AuxiliaryFile;
use crate::store::paths::REJECTS_DIR;
use crate::store::rejects::RejectRecord;
use crate::store::transaction::Transaction;

/// The change to make to a rejected line.
#[derive(Debug)]
pub(super) enum RejectChange {
    /// Keep the line as it is.
    Keep,
    /// Replace the line.
    Replace(RejectRecord),
    /// Remove the line.
    Remove,
}

/// Rewrites the files of rejected lines that `is_affected` selects, line by line, and returns the
/// number of files that changed. A rewritten file keeps its time, which decides when it is pruned.
pub(super) fn rewrite(
    transaction: &mut Transaction,
    is_affected: impl Fn(&AuxiliaryFile) -> bool,
    mut change_line: impl FnMut(&RejectRecord) -> RejectChange,
) -> Result<u64> {
    let snapshot = transaction.snapshot()?;
    let mut changed_files = 0;
    for file in snapshot.manifest().rejects.iter().filter(|file| is_affected(file)) {
        let old = snapshot.read_checked(&file.path, &file.checksum)?;
        let mut new = Vec::with_capacity(old.len());
        let (mut rows, mut changed) = (0, false);
        for line in old.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let invalid = |e| Error::failed(format!("cannot read {}", file.path)).caused_by(e);
            let reject: RejectRecord = serde_json::from_slice(line).map_err(invalid)?;
            match change_line(&reject) {
                RejectChange::Keep => new.extend_from_slice(line),
                RejectChange::Replace(reject) => {
                    serde_json::to_writer(&mut new, &reject).map_err(invalid)?;
                    changed = true;
                }
                RejectChange::Remove => {
                    changed = true;
                    continue;
                }
            }
            new.push(b'\n');
            rows += 1;
        }
        if !changed {
            continue;
        }
        changed_files += 1;
        transaction.manifest().rejects.retain(|other| other.path != file.path);
        transaction.remove_auxiliary(&file.path);
        if rows > 0 {
            let name = format!("{}.ndjson", uuid::Uuid::new_v4().simple());
            let written = transaction.add_auxiliary(REJECTS_DIR, &name, &new, rows, file.written_at)?;
            transaction.manifest().rejects.push(written);
        }
    }
    Ok(changed_files)
}

/// Returns the stored bytes of a rejected line.
pub(super) fn raw_bytes(reject: &RejectRecord) -> Vec<u8> {
    match (&reject.raw, &reject.raw_base64) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).unwrap_or_default(),
        (None, None) => Vec::new(),
    }
}
