//! The computation of one task.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{PartRequest, part_kinds};
use crate::error::{Error, Result};
use crate::report::metric::unique_visitors::{UniqueVisitors, partition_first_seen, partition_sessions};
use crate::report::metric::{group_count, totals};
use crate::report::query::tables::PartKind;
use crate::report::{ReportKind, devices, events, sources};
use crate::store::Snapshot;
use crate::store::columns::Table;

/// The results of one file.
#[derive(Debug, Default)]
pub struct FilePart {
    /// The results, for [`ComputedTables`](super::ComputedTables).
    pub parts: Vec<(PartKind, Box<RawValue>)>,
    /// The visitors of the file, by shard; empty if the report does not count visitors.
    pub visitors: Vec<ShardEntries>,
}

/// Entries of visitors in one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardEntries {
    /// The visitor of each session.
    pub sessions: Vec<u64>,
    /// The visitors that were first seen in the window.
    pub first_seen: Vec<u64>,
}

/// Computes the results of the only file in a snapshot. The file belongs to `table`.
///
/// # Errors
/// Fails if the file cannot be read or is damaged.
pub fn compute_file(file: &Snapshot, table: Table, request: &PartRequest) -> Result<FilePart> {
    let (kind, query) = (request.kind()?, request.query());
    let mut result = FilePart::default();
    for part in part_kinds(kind) {
        match (part, table) {
            (PartKind::Days, Table::DailyStats) => result.add(*part, totals::daily_parts(file, &query)?)?,
            (PartKind::Groups, Table::Sessions) => {
                let columns = if kind == ReportKind::Sources { sources::COLUMNS } else { devices::COLUMNS };
                result.add(*part, group_count::group_parts(file, &query, columns)?)?;
            }
            (PartKind::EventNames, Table::Sessions) => {
                let files = events::parts(file, &query)?;
                result.add(*part, files.into_iter().map(events::FileCounts::merge_groups))?;
            }
            (PartKind::Visitors, Table::Sessions) => {
                let shards = partition_sessions(file, &query)?.into_iter();
                let entries = |sessions| ShardEntries { sessions, ..ShardEntries::default() };
                result.visitors = shards.map(entries).collect();
            }
            (PartKind::Visitors, Table::Visitors) => {
                let shards = partition_first_seen(file, &query)?.into_shards().into_iter();
                let entries = |first_seen| ShardEntries { first_seen, ..ShardEntries::default() };
                result.visitors = shards.map(entries).collect();
            }
            _ => {}
        }
    }
    Ok(result)
}

impl FilePart {
    fn add<T: Serialize>(&mut self, kind: PartKind, parts: impl IntoIterator<Item = T>) -> Result<()> {
        for part in parts {
            self.parts.push((kind, encode(&part)?));
        }
        Ok(())
    }
}

/// Counts the visitors of a shard, given its entries in all files.
///
/// # Errors
/// Fails if the result cannot be encoded.
pub fn count_shard(entries: &ShardEntries) -> Result<(PartKind, Box<RawValue>)> {
    let visitors = UniqueVisitors::of_shard(&entries.sessions, &entries.first_seen);
    Ok((PartKind::Visitors, encode(&visitors)?))
}

fn encode(part: &impl Serialize) -> Result<Box<RawValue>> {
    to_raw_value(part).map_err(|e| Error::failed("cannot encode a partial result of the report").caused_by(e))
}
