//! Lists rejected lines, for `wa rejects`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::store::Snapshot;
use crate::store::rejects::RejectRecord;

/// The maximum number of files whose rejected lines are counted separately.
const MAX_FILES: usize = 10_000;

/// A filter of rejected lines.
#[derive(Clone, Debug, Default)]
pub struct RejectFilter {
    /// The reasons; empty for all.
    pub reasons: Vec<String>,
    /// The input files: full names, or the ends of names after a slash; empty for all.
    pub files: Vec<String>,
}

/// The numbers of rejected lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RejectCounts {
    /// All lines.
    pub lines: u64,
    /// The lines by reason.
    pub reasons: BTreeMap<String, u64>,
    /// The lines by input file, for at most 10,000 files.
    pub files: BTreeMap<String, u64>,
}

impl RejectFilter {
    /// Returns whether the filter selects a line.
    pub fn contains(&self, reject: &RejectRecord) -> bool {
        let is_file = |name: &String| {
            reject.file == *name
                || reject.file.strip_suffix(name.as_str()).is_some_and(|folder| folder.ends_with('/'))
        };
        (self.reasons.is_empty() || self.reasons.contains(&reject.reason))
            && (self.files.is_empty() || self.files.iter().any(is_file))
    }
}

/// Calls `visit` with the rejected lines that match a filter, in the order in which they were
/// stored, and counts them. One file of rejected lines is in memory at a time.
///
/// # Errors
/// Fails if a file of rejected lines cannot be read, or if `visit` fails.
pub fn list_rejects(
    snapshot: &Snapshot,
    filter: &RejectFilter,
    mut visit: impl FnMut(&RejectRecord) -> Result<()>,
) -> Result<RejectCounts> {
    let mut files: Vec<_> = snapshot.manifest().rejects.iter().collect();
    files.sort_by(|a, b| (a.written_at, &a.path).cmp(&(b.written_at, &b.path)));
    let mut counts = RejectCounts::default();
    for file in files {
        let bytes = snapshot.read_checked(&file.path, &file.checksum)?;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let reject: RejectRecord = serde_json::from_slice(line)
                .map_err(|e| Error::failed(format!("cannot read {}", file.path)).caused_by(e))?;
            if !filter.contains(&reject) {
                continue;
            }
            counts.lines += 1;
            count(&mut counts.reasons, &reject.reason);
            count(&mut counts.files, &reject.file);
            visit(&reject)?;
        }
    }
    Ok(counts)
}

/// The fields of a [`RejectRecord`] that a count needs. The text of the line is skipped, not
/// copied.
#[derive(Deserialize)]
struct LineReason<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

/// Counts all rejected lines by reason. One file of rejected lines is in memory at a time.
///
/// # Errors
/// Fails if a file of rejected lines cannot be read.
pub fn count_reasons(snapshot: &Snapshot) -> Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    for file in &snapshot.manifest().rejects {
        let bytes = snapshot.read_checked(&file.path, &file.checksum)?;
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let reasons: Vec<Cow<'_, str>> = lines
            .par_iter()
            .map(|line| Ok(serde_json::from_slice::<LineReason<'_>>(line)?.reason))
            .collect::<std::result::Result<_, serde_json::Error>>()
            .map_err(|e| Error::failed(format!("cannot read {}", file.path)).caused_by(e))?;
        reasons.iter().for_each(|reason| count(&mut counts, reason));
    }
    Ok(counts)
}

fn count(counts: &mut BTreeMap<String, u64>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count += 1;
    } else if counts.len() < MAX_FILES {
        counts.insert(key.to_owned(), 1);
    }
}
