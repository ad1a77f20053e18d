//! Changes the files of refused lines, line by line.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::error::{Error, Result};
use crate::store::manifest::SideFile;
use crate::store::rejects::Reject;
use crate::store::transaction::{REJECTS, Transaction};

/// What is to become of a refused line.
#[derive(Debug)]
pub enum RejectChange {
    /// It stays as it is.
    Keep,
    /// It becomes this.
    Replace(Reject),
    /// It goes.
    Remove,
}

/// Goes through the refused lines of some files and changes them; a file keeps the time at which it
/// was written, by which it is pruned. Returns how many files were changed.
pub fn rewrite(
    transaction: &mut Transaction,
    files: impl Fn(&SideFile) -> bool,
    mut each: impl FnMut(&Reject) -> RejectChange,
) -> Result<u64> {
    let snapshot = transaction.snapshot()?;
    let mut changed_files = 0;
    for file in snapshot.manifest().rejects.iter().filter(|file| files(file)) {
        let old = snapshot.bytes_checked(&file.path, &file.checksum)?;
        let mut new = Vec::with_capacity(old.len());
        let (mut rows, mut changed) = (0, false);
        for line in old.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let broken = |e| Error::failed(format!("cannot read {}", file.path)).caused_by(e);
            let reject: Reject = serde_json::from_slice(line).map_err(broken)?;
            match each(&reject) {
                RejectChange::Keep => new.extend_from_slice(line),
                RejectChange::Replace(reject) => {
                    serde_json::to_writer(&mut new, &reject).map_err(broken)?;
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
        transaction.remove_side(&file.path);
        if rows > 0 {
            let name = format!("{}.ndjson", uuid::Uuid::new_v4().simple());
            let written = transaction.add_side(REJECTS, &name, &new, rows, file.written_at)?;
            transaction.manifest().rejects.push(written);
        }
    }
    Ok(changed_files)
}

/// Returns the bytes that are kept of a refused line.
pub fn raw(reject: &Reject) -> Vec<u8> {
    match (&reject.raw, &reject.raw_base64) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (None, Some(encoded)) => BASE64_STANDARD.decode(encoded).unwrap_or_default(),
        (None, None) => Vec::new(),
    }
}
