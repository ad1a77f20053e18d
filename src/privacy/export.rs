//! Selects stored events for an export: the events of a person, a window of days or given chatbots.
//!
//! An [`Export`] passes the rows to its caller, file by file; the caller chooses the output format.

use std::collections::HashSet;
use std::path::PathBuf;

use super::identity_columns::{EVENT_COLUMNS, IdentityColumns};
use super::identity_resolution::{ResolvedIdentity, resolve};
use super::shared_ids::SharedIds;
use crate::error::{Error, Result};
use crate::identity::Identifier;
use crate::store::columns::{EVENTS, Table};
use crate::store::frame::Frame;
use crate::store::ledger::Ledger;
use crate::store::snapshot::Snapshot;
use crate::time::{Day, Micros};

/// Options of an export.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExportOptions {
    /// The identifiers of the person; empty for all events.
    pub(crate) identifiers: Vec<Identifier>,
    /// The first and last day of the events in the store's time zone; `None` for all days.
    pub(crate) days: Option<(Day, Day)>,
    /// The chatbots; empty for all.
    pub(crate) chatbots: Vec<String>,
    /// The path of the secret key, if it is not in the store.
    pub(crate) key_file: Option<PathBuf>,
}

/// The result of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExportStats {
    /// Exported events.
    pub(crate) events: u64,
    /// Sessions of the person, on all days and of all chatbots.
    pub(crate) sessions: u64,
    /// Sessions of the person whose events are all pruned, so that the export does not contain
    /// them. 0 if days or chatbots are selected.
    pub(crate) sessions_without_events: u64,
}

/// An export that is ready to run.
///
/// Opening an export can fail because a writer removed a file. It can then be repeated on a newer
/// state of the store. Once the files of events are open, no writer can affect the export.
#[derive(Debug)]
pub(crate) struct Export {
    options: ExportOptions,
    /// A state of the store whose files of events are open.
    snapshot: Snapshot,
    /// The person; `None` for all events.
    identity: Option<ResolvedIdentity>,
}

impl Export {
    /// Opens the files of events and resolves the identifiers.
    ///
    /// # Errors
    /// Fails if the store cannot be read.
    pub(crate) fn open(snapshot: &Snapshot, options: ExportOptions) -> Result<Export> {
        let snapshot = snapshot.pin_files(Table::Events, file_dates(&options))?;
        let identity = match options.identifiers.is_empty() {
            true => None,
            false => {
                let ledger = Ledger::load(&snapshot)?;
                let known_shared = SharedIds::load(&snapshot, &ledger, options.key_file.as_deref())?;
                Some(resolve(&snapshot, &options.identifiers, &known_shared)?)
            }
        };
        Ok(Export { options, snapshot, identity })
    }

    /// Returns the options.
    pub(crate) fn options(&self) -> &ExportOptions {
        &self.options
    }

    /// Returns the first and last day with data.
    pub(crate) fn days(&self) -> Option<(Day, Day)> {
        self.snapshot.days()
    }

    /// Returns the last UTC date whose events are pruned.
    pub(crate) fn events_pruned_through(&self) -> Option<Day> {
        self.snapshot.manifest().events_pruned_through
    }

    /// Calls a function with each file that has selected events, in time order: a frame with all
    /// columns, and the selected rows.
    ///
    /// # Errors
    /// Fails if the store cannot be read or the function fails.
    pub(crate) fn for_each_file<E: From<Error>>(
        &self,
        mut each: impl FnMut(&Frame, &[usize]) -> Result<(), E>,
    ) -> Result<ExportStats, E> {
        let Export { options, snapshot, identity } = self;
        let mut files = snapshot.files_in(Table::Events, file_dates(options));
        files.sort_by(|a, b| (a.day, a.min_time, &a.path).cmp(&(b.day, b.min_time, &b.path)));
        let mut stats = ExportStats::default();
        let mut exported_sessions: HashSet<(u128, Micros)> = HashSet::new();
        let all_columns: Vec<&str> = EVENTS.iter().map(|column| column.name).collect();
        for file in files {
            let frame = snapshot.read_file(file, Some(&EVENT_COLUMNS))?;
            let ids = IdentityColumns::new(&frame, Table::Events)?;
            let rows: Vec<usize> = (0..frame.height())
                .filter(|&row| self.is_selected(&ids, row, &mut exported_sessions))
                .collect();
            if rows.is_empty() {
                continue;
            }
            stats.events += rows.len() as u64;
            each(&snapshot.read_file(file, Some(&all_columns))?, &rows)?;
        }
        if let Some(identity) = identity {
            stats.sessions = identity.sessions.len();
            if options.days.is_none() && options.chatbots.is_empty() {
                stats.sessions_without_events = stats.sessions.saturating_sub(exported_sessions.len() as u64);
            }
        }
        Ok(stats)
    }

    /// Returns whether an event is selected. If its session belongs to the person, adds the session
    /// to `exported_sessions`.
    fn is_selected(
        &self,
        ids: &IdentityColumns,
        row: usize,
        exported_sessions: &mut HashSet<(u128, Micros)>,
    ) -> bool {
        let options = &self.options;
        let (chatbot, ..) = ids.session_key(row);
        let time = ids.start.or_zero(row);
        let day = self.snapshot.zone().day(time);
        if !(options.chatbots.is_empty() || options.chatbots.iter().any(|wanted| wanted == chatbot))
            || options.days.is_some_and(|(first, last)| day < first || last < day)
        {
            return false;
        }
        let Some(identity) = &self.identity else { return true };
        let key = ids.session_key_hash(row);
        match identity.sessions.find(key, time) {
            Some((start, _)) => {
                exported_sessions.insert((key, start));
                true
            }
            None => !ids.matches(row, &identity.identifiers).is_empty(),
        }
    }
}

/// Returns the UTC dates of the files that can contain events of the selected days. A day in the
/// store's time zone can extend into the UTC dates before and after it.
fn file_dates(options: &ExportOptions) -> Option<(Day, Day)> {
    options.days.map(|(first, last)| (first.plus(-1), last.plus(1)))
}
