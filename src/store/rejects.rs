//! Refused lines, kept as NDJSON in `rejects/`: each once, however often it comes again.

use std::collections::HashMap;

use base64::Engine;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::snapshot::Snapshot;
use super::transaction::{REJECTS, Transaction};
use crate::error::{Error, Result};
use crate::time::Micros;

/// A refused line, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The file it came from.
    pub file: String,
    /// Its line number, from 1.
    pub line: u64,
    /// Which element of the envelope on that line, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Why it was refused.
    pub reason: String,
    /// Its length in bytes.
    pub length: u64,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// When it was refused, RFC 3339.
    pub refused_at: String,
    /// Its text, up to 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Its bytes in base64, up to 64 KiB, where they are not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw_base64: Option<String>,
}

impl Reject {
    /// Puts the raw bytes in, as text where they are text.
    pub fn with_raw(mut self, bytes: &[u8]) -> Reject {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.raw = Some(text.to_owned()),
            // A cut at 64 KiB can fall into a character: what is before it is text all the same.
            Err(e) if e.error_len().is_none() && bytes.len() as u64 != self.length => {
                self.raw = bytes.get(..e.valid_up_to()).map(|b| String::from_utf8_lossy(b).into_owned());
            }
            Err(_) => self.raw_base64 = Some(base64::engine::general_purpose::STANDARD.encode(bytes)),
        }
        self
    }
}

/// Writes those of the refused lines that are not kept yet. Returns how many are new.
pub fn add(
    snapshot: &Snapshot,
    transaction: &mut Transaction,
    rejects: Vec<Reject>,
    now: Micros,
) -> Result<u64> {
    let mut fresh: HashMap<String, Reject> = HashMap::with_capacity(rejects.len());
    let mut order = Vec::with_capacity(rejects.len());
    for reject in rejects {
        if !fresh.contains_key(&reject.sha256) {
            order.push(reject.sha256.clone());
            fresh.insert(reject.sha256.clone(), reject);
        }
    }
    if fresh.is_empty() {
        return Ok(0);
    }
    let known: Vec<Vec<String>> = snapshot
        .manifest()
        .rejects
        .par_iter()
        .map(|file| {
            let bytes = snapshot.bytes_checked(&file.path, &file.checksum)?;
            let mut hits = Vec::new();
            for line in bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
                let sha256 = serde_json::from_slice::<Sha256>(line)
                    .map_err(|e| Error::failed(format!("cannot read {}", file.path)).caused_by(e))?
                    .sha256;
                if fresh.contains_key(sha256.as_ref()) {
                    hits.push(sha256.into_owned());
                }
            }
            Ok(hits)
        })
        .collect::<Result<_>>()?;
    for sha256 in known.into_iter().flatten() {
        fresh.remove(&sha256);
    }
    let mut bytes = Vec::new();
    let mut rows = 0;
    for reject in order.iter().filter_map(|sha256| fresh.get(sha256)) {
        serde_json::to_writer(&mut bytes, reject)
            .map_err(|e| Error::failed("cannot write the refused lines").caused_by(e))?;
        bytes.push(b'\n');
        rows += 1;
    }
    if rows > 0 {
        let name = format!("{}.ndjson", uuid::Uuid::new_v4().simple());
        let file = transaction.add_side(REJECTS, &name, &bytes, rows, now)?;
        transaction.manifest().rejects.push(file);
    }
    Ok(rows)
}

#[derive(Deserialize)]
struct Sha256<'a> {
    #[serde(borrow)]
    sha256: std::borrow::Cow<'a, str>,
}
