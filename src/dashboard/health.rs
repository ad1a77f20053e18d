//! The health of the store: the last ingest, rejected lines, tables and warnings.

use serde_json::{Value, json};

use crate::error::Result;
use crate::maintenance::reject_list::{RejectCounts, RejectFilter, list_rejects};
use crate::maintenance::status::{Status, status_of};
use crate::render::text::escape_control;
use crate::settings::Settings;
use crate::store::{Snapshot, Store};
use crate::time::Clock;

/// The health of a store.
pub(super) struct Health {
    status: Status,
    rejects: RejectCounts,
}

impl Health {
    /// Reads the health of a snapshot of a store.
    ///
    /// # Errors
    /// If a file of rejected lines cannot be read.
    pub fn read(store: &Store, snapshot: &Snapshot, settings: &Settings, clock: Clock) -> Result<Health> {
        let rejects = list_rejects(snapshot, &RejectFilter::default(), |_| Ok(()))?;
        Ok(Health { status: status_of(store, snapshot, settings, clock), rejects })
    }

    /// Returns the health as JSON, without names of folders and files.
    pub fn json(&self) -> Value {
        let status = &self.status;
        let ingest = status.last_ingest.as_ref().map(|run| {
            let counts = run.counts.iter().map(|(name, count)| json!([escape_control(name), count]));
            json!([run.at, counts.collect::<Vec<Value>>()])
        });
        let reasons =
            self.rejects.reasons.iter().map(|(reason, count)| json!([escape_control(reason), count]));
        let tables =
            status.tables.iter().map(|table| json!([table.table, table.first, table.last, table.rows]));
        let warnings = status.warnings.iter().map(|warning| escape_control(&warning.text).into_owned());
        json!({
            "ingest": ingest,
            "files": status.ingested_files,
            "rejected": self.rejects.lines,
            "reasons": reasons.collect::<Vec<Value>>(),
            "tables": tables.collect::<Vec<Value>>(),
            "warnings": warnings.collect::<Vec<String>>(),
        })
    }
}
