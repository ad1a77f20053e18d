//! The state of the input files while an ingest runs: the outcomes of their events, and the
//! position up to which each was read.

use std::collections::BTreeMap;
use std::fs::File;

use super::run::FileEnd;
use crate::error::Error;
use crate::ingest::input::source_registry::{MapVersion, ReadPosition, SourceFile, SourceRegistry};
use crate::ingest::input::sources::SourceUpdate;
use crate::ingest::parse::Parsed;
use crate::ingest::summary::{FileOutcome, FileSummary, IngestCounts, IngestSummary};
use crate::time::Micros;

/// The files that were started, by index.
#[derive(Default)]
pub struct FileProgress {
    files: BTreeMap<usize, FileState>,
    /// Finished files, which the next commit records.
    updates: Vec<(usize, Box<SourceUpdate>)>,
}

/// The state of one file.
#[derive(Default)]
pub struct FileState {
    /// Name of the file.
    pub name: String,
    /// Counts of the current transaction.
    pub pending: IngestCounts,
    /// Whether lines were rejected because they are too far in the future.
    pub has_future_lines: bool,
    /// Whether an earlier ingest read the file with another map.
    had_other_map: bool,
    /// Counts of the committed transactions.
    committed: IngestCounts,
    all_have_ids: bool,
    /// Whether the file has an event.
    has_rows: bool,
    outcome: FileOutcome,
    /// The map that reads the file; `None` for native lines.
    map: Option<MapVersion>,
    /// The open file, until its end.
    handle: Option<File>,
    position: Option<ReadPosition>,
}

impl FileState {
    /// Returns whether a later ingest may resume the file. If no event was found, the format of the
    /// file is detected again from its beginning: a container log can begin with other output.
    fn can_resume(&self) -> bool {
        let is_known = self.map.is_some() || matches!(self.outcome, FileOutcome::Resumed { .. });
        self.all_have_ids && (is_known || self.has_rows)
    }
}

impl FileProgress {
    /// Begins a file.
    pub fn begin(
        &mut self,
        file: usize,
        name: String,
        outcome: FileOutcome,
        map: Option<MapVersion>,
        handle: Option<File>,
    ) {
        let state = FileState { name, outcome, map, handle, all_have_ids: true, ..FileState::default() };
        self.files.insert(file, state);
    }

    /// Records a chunk, and for the last chunk of a block, the position after the block.
    pub fn add_chunk(&mut self, file: usize, parsed: &Parsed, position: Option<ReadPosition>) {
        if let Some(state) = self.files.get_mut(&file) {
            state.all_have_ids &= parsed.all_have_ids;
            state.has_rows |= !parsed.block.rows.is_empty();
            state.position = position.or(state.position);
        }
    }

    /// Ends a file. Returns the error that prevented it from being read to its end.
    pub fn end(&mut self, file: usize, end: FileEnd) -> Option<Error> {
        let state = self.files.get_mut(&file)?;
        state.handle = None;
        if let Some(error) = &end.error {
            let error = error.to_string();
            state.outcome = match end.nothing_read {
                true => FileOutcome::Unreadable { error },
                false => FileOutcome::Damaged { error },
            };
        }
        self.updates.extend(end.update.map(|update| (file, update)));
        end.error
    }

    /// Returns a file that was started.
    pub fn get_mut(&mut self, file: usize) -> Option<&mut FileState> {
        self.files.get_mut(&file)
    }

    /// Returns whether the source registry has changed since the last commit. New names and
    /// statuses of unchanged files do not count.
    pub fn has_updates(&self) -> bool {
        self.updates.iter().any(|(_, update)| !update.only_status)
    }

    /// Records finished files, and the positions in unfinished ones, in the source registry. If the
    /// ingest is interrupted, the next one resumes there.
    pub fn update_registry(&mut self, registry: &mut SourceRegistry, options_hash: &str, now: Micros) {
        for (file, update) in std::mem::take(&mut self.updates) {
            let SourceUpdate { file: mut source, continued, only_status } = *update;
            if only_status {
                registry.record(source, &continued);
                continue;
            }
            if let Some(state) = self.files.get_mut(&file) {
                state.had_other_map |= registry.has_other_map(&source, &continued);
                source.all_have_ids &= state.can_resume();
                source.has_future_lines = state.has_future_lines;
            }
            source.read_at = now;
            registry.record(source, &continued);
        }
        for state in self.files.values() {
            // The file has not been read to its end.
            if let (Some(handle), Some(position @ ReadPosition { plain: true, .. })) =
                (&state.handle, state.position)
                && let Ok(Some(source)) = SourceFile::describe(&state.name, handle, position, options_hash)
            {
                let (all_have_ids, has_future_lines) = (state.can_resume(), state.has_future_lines);
                let map = state.map.clone();
                let source = SourceFile { all_have_ids, has_future_lines, map, read_at: now, ..source };
                registry.record(source, &[]);
            }
        }
    }

    /// Moves the pending counts to the committed ones after a commit. After an empty or discarded
    /// transaction, the counts only report how lines were read.
    pub fn settle(&mut self) {
        for state in self.files.values_mut() {
            let pending = std::mem::take(&mut state.pending);
            state.committed.merge(&pending);
        }
    }

    /// Returns the total counts of all files, including pending ones.
    pub fn total(&self) -> IngestCounts {
        let mut total = IngestCounts::default();
        for state in self.files.values() {
            total.merge(&state.committed);
            total.merge(&state.pending);
        }
        total
    }

    /// Returns the names of the files that an earlier ingest read with another map.
    pub fn with_other_map(&self) -> Vec<String> {
        let files = self.files.values().filter(|state| state.had_other_map);
        files.map(|state| state.name.clone()).collect()
    }

    /// Returns the summary of the committed counts.
    pub fn into_summary(self) -> IngestSummary {
        let mut summary = IngestSummary::default();
        for state in self.files.into_values() {
            let (file, outcome, counts) = (state.name, state.outcome, state.committed);
            summary.add(FileSummary { file, outcome, map: state.map.map(|map| map.name), counts });
        }
        summary
    }
}
