//! The health of the store: the last ingest, rejected lines, tables and warnings.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::Result;
use crate::maintenance::reject_list::count_reasons;
use crate::maintenance::status::{Status, status_of};
use crate::render::text::escape_control;
use crate::settings::Settings;
use crate::store::{Snapshot, Store};
use crate::time::Clock;

/// The health of a store.
pub(super) struct Health {
    status: Status,
    /// The number of rejected lines by reason.
    reasons: BTreeMap<String, u64>,
}

impl Health {
    /// Reads the health of a snapshot of a store.
    ///
    /// # Errors
    /// Fails if a file of rejected lines cannot be read.
    pub fn read(store: &Store, snapshot: &Snapshot, settings: &Settings, clock: Clock) -> Result<Health> {
        let reasons = count_reasons(snapshot)?;
        Ok(Health { status: status_of(store, snapshot, settings, clock), reasons })
    }

    /// Returns the health as JSON, without names of folders and files.
    pub fn json(&self) -> Value {
        let status = &self.status;
        let ingest = status.last_ingest.as_ref().map(|run| {
            let counts = run.counts.iter().map(|(name, count)| json!([escape_control(name), count]));
            json!([run.at, counts.collect::<Vec<Value>>()])
        });
        let reasons = self.reasons.iter().map(|(reason, count)| json!([escape_control(reason), count]));
        let tables =
            status.tables.iter().map(|table| json!([table.table, table.first, table.last, table.rows]));
        let warnings = status.warnings.iter().map(|warning| escape_control(&warning.text).into_owned());
        json!({
            "ingest": ingest,
            "files": status.ingested_files,
            "rejected": self.reasons.values().sum::<u64>(),
            "reasons": reasons.collect::<Vec<Value>>(),
            "tables": tables.collect::<Vec<Value>>(),
            "warnings": warnings.collect::<Vec<String>>(),
        })
    }
}
