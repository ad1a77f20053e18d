//! The tasks of a report.
//!
//! 1. A [`ReportContext`] computes the results of each data file, and distributes its visitors by
//!    shard.
//! 2. A [`VisitorsTask`] per partition counts the visitors of its shards.
//!
//! `wa::cli::DistributedReport` plans the tasks and computes the answer from their results.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::rows::{Head, Rows, kind};
use crate::error::{Error, Result};
use crate::report::PartKind;
use crate::report::parts::{self, PartRequest, ShardEntries};
use crate::store::Store;
use crate::store::columns::Table;
use crate::store::manifest::{DataFile, Manifest};
use crate::time::Micros;

/// The settings that the tasks of a report need, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReportSettings {
    /// The folder of the store, mounted at this path on all machines.
    pub store: PathBuf,
    /// The time zone of the store.
    pub timezone: String,
    /// The session timeout of the store.
    pub session_timeout: Micros,
    /// The scope of the report.
    pub request: PartRequest,
}

/// A file that a task reads, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReportFile {
    /// The table of the file.
    pub table: Table,
    /// The entry of the file in the manifest.
    pub file: DataFile,
}

/// The context that a task opens. A task does not read the manifest: the driver names each file, so
/// all tasks read the same state of the store.
#[derive(Debug)]
pub struct ReportContext {
    settings: ReportSettings,
}

impl ReportContext {
    /// Returns the context of a task.
    ///
    /// # Errors
    /// Fails if the settings cannot be read.
    pub fn open(json: &str) -> Result<ReportContext> {
        Ok(ReportContext { settings: parse(json.as_bytes())? })
    }

    /// Computes the results of a file. Rows of the kind [`kind::REPORT`] are results. All other
    /// rows are visitor entries, and the key of such a row is its shard: [`kind::STORED`] for
    /// visitors first seen in the window, [`kind::EVENT`] for the visitors of sessions.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is damaged.
    pub fn compute(&self, json: &[u8]) -> Result<Rows> {
        let ReportFile { table, file } = parse(json)?;
        let ReportSettings { store, timezone, session_timeout, request } = &self.settings;
        let mut manifest = Manifest::new(0, timezone, *session_timeout);
        manifest.tables.insert(table, vec![file]);
        let snapshot = Store::new(store).snapshot_of(manifest)?;
        let result = parts::compute_file(&snapshot, table, request)?;
        let mut rows = Rows::default();
        for part in result.parts {
            rows.push_report(0, 0, &serde_json::to_vec(&part).map_err(unwritable)?);
        }
        for (shard, entries) in (0u128..).zip(result.visitors) {
            for (kind, entries) in [(kind::STORED, entries.first_seen), (kind::EVENT, entries.sessions)] {
                if !entries.is_empty() {
                    let head = Head { kind, key: shard, ..Head::default() };
                    rows.push(head, |payload| {
                        payload.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
                    });
                }
            }
        }
        Ok(rows)
    }
}

/// A task that counts the visitors of the shards of a partition.
#[derive(Debug, Default)]
pub struct VisitorsTask {
    shards: BTreeMap<u128, ShardEntries>,
    /// The results of data files, which the task passes on.
    results: Rows,
}

impl VisitorsTask {
    /// Adds rows of [`ReportContext::compute`].
    pub fn push(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            let (head, payload) = (rows.head(row), rows.payload(row));
            let (numbers, _) = payload.as_chunks::<8>();
            let entries = || numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
            match head.kind {
                kind::STORED => self.shards.entry(head.key).or_default().first_seen.extend(entries()),
                kind::EVENT => self.shards.entry(head.key).or_default().sessions.extend(entries()),
                _ => self.results.push_report(0, 0, payload),
            }
        }
    }

    /// Returns all results of the partition.
    ///
    /// # Errors
    /// Fails if a result cannot be encoded.
    pub fn finish(mut self) -> Result<Rows> {
        for entries in self.shards.values() {
            let part = parts::count_shard(entries)?;
            self.results.push_report(0, 0, &serde_json::to_vec(&part).map_err(unwritable)?);
        }
        Ok(self.results)
    }
}

/// Reads a result of a task.
///
/// # Errors
/// Fails if the result cannot be decoded.
pub fn read_result(json: &[u8]) -> Result<(PartKind, Box<RawValue>)> {
    parse(json)
}

fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json)
        .map_err(|e| Error::failed("cannot decode a message of the report").caused_by(e))
}

fn unwritable(cause: serde_json::Error) -> Error {
    Error::failed("cannot encode a partial result of the report").caused_by(cause)
}
