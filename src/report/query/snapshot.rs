//! Reads of reports from a snapshot of the store.

use std::sync::Arc;

use rayon::prelude::*;

use super::tables::{RowSelection, TableFacts, Tables};
use crate::error::Result;
use crate::store::Snapshot;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::store::tables::visitors::{HASH_COLUMNS, LOOKUP_COLUMNS};
use crate::time::{Day, Micros, Zone};

/// The maximum estimate of rows. A damaged manifest may contain any number, and memory is reserved
/// for the estimate.
const MAX_ESTIMATED_ROWS: u64 = 1 << 24;

impl Tables for Snapshot {
    fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        Snapshot::read(self, table, days, columns)
    }

    fn estimated_rows(&self, table: Table, days: Option<(Day, Day)>) -> usize {
        let rows = self.files_in(table, days).iter().fold(0u64, |sum, file| sum.saturating_add(file.rows));
        usize::try_from(rows.min(MAX_ESTIMATED_ROWS)).unwrap_or(0)
    }

    fn read_each(
        &self,
        table: Table,
        days: Option<(Day, Day)>,
        columns: &[&str],
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        let files = self.files_in(table, days);
        // Each free thread takes one file at a time. With larger chunks, one thread could have
        // several files left when the others are done.
        files
            .into_par_iter()
            .with_max_len(1)
            .enumerate()
            .try_for_each(|(number, file)| visit(number, &self.read_file(file, Some(columns))?))
    }

    fn read_selected(
        &self,
        (table, days): (Table, Option<(Day, Day)>),
        columns: &[&str],
        selection: &dyn RowSelection,
        visit: &(dyn Fn(usize, &Frame) -> Result<()> + Sync),
    ) -> Result<()> {
        let first = selection.columns();
        self.files_in(table, days).into_par_iter().with_max_len(1).enumerate().try_for_each(
            |(number, file)| {
                let select = |frame: &Frame| selection.rows(number, frame);
                visit(number, &Snapshot::read_selected(self, file, columns, &first, select)?)
            },
        )
    }

    fn read_first_seen(
        &self,
        days: (Day, Day),
        between: (Micros, Micros),
        visit: &(dyn Fn(&Frame, bool) -> Result<()> + Sync),
    ) -> Result<()> {
        let files = self.files_in(Table::Visitors, Some(days));
        files.into_par_iter().with_max_len(1).try_for_each(|file| {
            // The manifest has the first and the last time of each file.
            let all_between = between.0 <= file.min_time && file.max_time < between.1;
            let columns: &[&str] = if all_between { &HASH_COLUMNS } else { &LOOKUP_COLUMNS };
            self.read_groups(file, columns, |frame| visit(frame, all_between))
        })
    }

    fn read_sessions_ended_since(&self, time: Micros, columns: &[&str]) -> Result<Vec<Frame>> {
        let files: Vec<_> =
            self.files_in(Table::Sessions, None).into_iter().filter(|file| file.max_time >= time).collect();
        files.into_par_iter().with_max_len(1).map(|file| self.read_file(file, Some(columns))).collect()
    }

    fn facts(&self) -> &dyn TableFacts {
        self
    }
}

impl TableFacts for Snapshot {
    fn zone(&self) -> Zone {
        Snapshot::zone(self)
    }

    fn timeout(&self) -> Micros {
        Snapshot::timeout(self)
    }

    fn days(&self) -> Option<(Day, Day)> {
        Snapshot::days(self)
    }

    fn sessions_pruned_through(&self) -> Option<Day> {
        self.manifest().sessions_pruned_through
    }

    fn ledger(&self) -> Result<Arc<Ledger>> {
        Ledger::load(self).map(Arc::new)
    }

    fn is_one_file(&self, table: Table, day: Day) -> bool {
        self.partition(table, day).count() == 1
    }

    fn event_dates(&self) -> Option<(Day, Day)> {
        let dates = || self.manifest().files(Table::Events).iter().map(|file| file.day);
        Some((dates().min()?, dates().max()?))
    }

    fn event_days(&self) -> Option<(Day, Day)> {
        Snapshot::event_days(self)
    }

    fn events_pruned_through(&self) -> Option<Day> {
        self.manifest().events_pruned_through
    }
}
