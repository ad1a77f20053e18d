//! Reports that tasks on many machines compute.
//!
//! Most of the work of a report is done separately for each data file: sums of days, counts by
//! value, counts by event name. Distinct visitors are counted for each shard of visitors, whose
//! entries come from all files. Tasks run these functions (`task`), and a report on
//! [`ComputedTables`] uses their results instead of rows. The answer therefore equals the answer of
//! one machine.

mod task;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::query::tables::{PartKind, TableFacts, Tables};
use super::query::window::Window;
use super::{Query, ReportKind};
use crate::error::{Error, Result};
use crate::store::Snapshot;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::store::manifest::DataFile;
use crate::time::Day;

pub use task::{FilePart, ShardEntries, compute_file, count_shard};

/// The number of shards of visitors.
pub const VISITOR_SHARDS: usize = super::metric::visitor_shards::SHARDS;

/// The scope of a report, as tasks receive it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PartRequest {
    kind: String,
    chatbots: Vec<String>,
    /// The first and the last day.
    days: (i32, i32),
}

/// Returns the results that a report consists of; none if tasks cannot compute it.
fn part_kinds(kind: ReportKind) -> &'static [PartKind] {
    match kind {
        ReportKind::Summary | ReportKind::Visitors => &[PartKind::Days, PartKind::Visitors],
        ReportKind::Trends => &[PartKind::Days],
        ReportKind::Events => &[PartKind::EventNames],
        ReportKind::Sources | ReportKind::Devices => &[PartKind::Groups],
        _ => &[],
    }
}

impl PartRequest {
    /// Returns the request for a report without bot sessions and without conditions; `None` if
    /// tasks cannot compute reports of this kind.
    pub fn new(kind: ReportKind, query: &Query) -> Option<PartRequest> {
        if part_kinds(kind).is_empty() {
            return None;
        }
        let days = (query.window.from.0, query.window.to.0);
        Some(PartRequest { kind: kind.name().to_owned(), chatbots: query.chatbots.clone(), days })
    }

    fn kind(&self) -> Result<ReportKind> {
        let unknown = || Error::failed(format!("unknown report {:?}", self.kind));
        ReportKind::from_name(&self.kind).ok_or_else(unknown)
    }

    fn query(&self) -> Query {
        let (from, to) = (Day(self.days.0), Day(self.days.1));
        // Only notes and lists of days depend on today, and the driver computes those.
        let window = Window { from, to, today: to };
        Query { chatbots: self.chatbots.clone(), ..Query::new(window) }
    }

    /// Returns the files that tasks have to read.
    ///
    /// # Errors
    /// Fails if the kind of report is unknown.
    pub fn files(&self, snapshot: &Snapshot) -> Result<Vec<(Table, DataFile)>> {
        let tables: BTreeSet<Table> = part_kinds(self.kind()?)
            .iter()
            .flat_map(|kind| match kind {
                PartKind::Days => &[Table::DailyStats][..],
                PartKind::Groups | PartKind::EventNames => &[Table::Sessions],
                PartKind::Visitors => &[Table::Sessions, Table::Visitors],
            })
            .copied()
            .collect();
        let days = Some(self.query().window.range());
        let files = tables.into_iter().flat_map(|table| {
            snapshot.files_in(table, days).into_iter().map(move |file| (table, file.clone()))
        });
        Ok(files.collect())
    }
}

/// The tables of a store, with results that tasks have computed.
///
/// The report must have the window and the chatbots for which the results were computed.
pub struct ComputedTables<'a> {
    snapshot: &'a Snapshot,
    parts: HashMap<PartKind, Vec<Box<RawValue>>>,
}

impl<'a> ComputedTables<'a> {
    /// Returns the tables with the results of all tasks, as [`FilePart`] and [`count_shard`] have
    /// returned them.
    pub fn new(snapshot: &'a Snapshot, results: Vec<(PartKind, Box<RawValue>)>) -> ComputedTables<'a> {
        let mut parts: HashMap<PartKind, Vec<Box<RawValue>>> = HashMap::new();
        for (kind, result) in results {
            parts.entry(kind).or_default().push(result);
        }
        ComputedTables { snapshot, parts }
    }
}

impl Tables for ComputedTables<'_> {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        self.snapshot.read(table, days, columns)
    }

    fn parts(&self, kind: PartKind) -> Option<&[Box<RawValue>]> {
        // If no file is in the window, there are no results. The note on non-standard events of a
        // summary is left out, since tasks do not count event names for it.
        Some(self.parts.get(&kind).map_or(&[], Vec::as_slice))
    }

    fn facts(&self) -> &dyn TableFacts {
        self.snapshot
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        self.snapshot.facts().ledger()
    }
}
