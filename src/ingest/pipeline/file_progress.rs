//! The files of an ingest while it runs: what became of their events, and how far they are read.

use std::collections::BTreeMap;
use std::fs::File;

use super::read_ahead::{self, End, Note, Reached};
use crate::error::Error;
use crate::ingest::input::source_registry::{SourceFile, SourceRegistry};
use crate::ingest::summary::{FileOutcome, FileSummary, IngestCounts, IngestSummary};
use crate::time::Micros;

/// The files that an ingest has begun, by their numbers.
#[derive(Default)]
pub struct Files {
    states: BTreeMap<usize, FileState>,
    /// What is to be noted of files with the next commit.
    notes: Vec<(usize, Box<Note>)>,
}

/// What is known of a file while it is read.
#[derive(Default)]
pub struct FileState {
    /// Its name.
    pub name: String,
    /// What will have become of its events with the change under way.
    pub pending: IngestCounts,
    /// Lines of it were refused as in the future.
    pub future: bool,
    /// What became of its events, as far as that is committed.
    counts: IngestCounts,
    own_ids: bool,
    outcome: FileOutcome,
    /// The open file and how far it is read, while it is being read.
    handle: Option<File>,
    reached: Option<Reached>,
}

impl Files {
    /// Begins a file.
    pub fn begin(&mut self, file: usize, name: String, outcome: FileOutcome, handle: Option<File>) {
        let state = FileState { name, outcome, handle, own_ids: true, ..FileState::default() };
        self.states.insert(file, state);
    }

    /// Takes in what a piece of a file says of it: whether all its events have ids of their own and, if it
    /// is the last of a block, how far the file is read. Until then it is read to the end of the block before.
    pub fn piece(&mut self, file: usize, own_ids: bool, reached: Option<Reached>) {
        if let Some(state) = self.states.get_mut(&file) {
            state.own_ids &= own_ids;
            state.reached = reached.or(state.reached);
        }
    }

    /// Ends a file. Returns what kept it from being read to its end.
    pub fn end(&mut self, file: usize, end: End) -> Option<Error> {
        let state = self.states.get_mut(&file)?;
        state.handle = None;
        if let Some(error) = &end.error {
            let error = error.to_string();
            state.outcome = match end.nothing_read {
                true => FileOutcome::Unreadable { error },
                false => FileOutcome::Damaged { error },
            };
        }
        self.notes.extend(end.note.map(|note| (file, note)));
        end.error
    }

    /// Returns a file that was begun.
    pub fn get_mut(&mut self, file: usize) -> Option<&mut FileState> {
        self.states.get_mut(&file)
    }

    /// Tells whether the next commit has something to note.
    pub fn has_notes(&self) -> bool {
        !self.notes.is_empty()
    }

    /// Notes the files that were read, and how far those are that are being read: the next ingest goes on
    /// there, should this one be interrupted.
    pub fn note(&mut self, known: &mut SourceRegistry, fingerprint: &str, now: Micros) {
        for (number, note) in std::mem::take(&mut self.notes) {
            let Note { mut file, continued } = *note;
            if let Some(state) = self.states.get(&number) {
                file.own_ids &= state.own_ids;
                file.future = state.future;
            }
            file.read_at = now;
            known.note(file, &continued);
        }
        for state in self.states.values() {
            // A file in the middle of which a batch ends.
            if let (Some(handle), Some(reached @ Reached { plain: true, .. })) =
                (&state.handle, state.reached)
                && let Ok(Some(note)) = read_ahead::known_file(&state.name, handle, reached, fingerprint)
            {
                let (own_ids, future) = (state.own_ids, state.future);
                known.note(SourceFile { own_ids, future, read_at: now, ..note }, &[]);
            }
        }
    }

    /// Counts what was pending: it is committed, or nothing of it is to be.
    pub fn settle(&mut self) {
        for state in self.states.values_mut() {
            let pending = std::mem::take(&mut state.pending);
            state.counts.merge(&pending);
        }
    }

    /// Returns what became of all events so far, with those of the change under way.
    pub fn total(&self) -> IngestCounts {
        let mut total = IngestCounts::default();
        for state in self.states.values() {
            total.merge(&state.counts);
            total.merge(&state.pending);
        }
        total
    }

    /// Returns the account of what is committed.
    pub fn into_summary(self) -> IngestSummary {
        let mut account = IngestSummary::default();
        for state in self.states.into_values() {
            account.add(FileSummary { file: state.name, outcome: state.outcome, counts: state.counts });
        }
        account
    }
}
