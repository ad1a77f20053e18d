//! Writes the events and sessions of a partition. All new events and stored sessions of a session
//! key are in one partition.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::event_codec::EventDecoder;
use super::parse::push_report;
use super::rows::{Head, RowSorter, Rows, SortKey, kind};
use super::stored_sessions::StoredBatch;
use super::task::TaskContext;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::ingest::batch::write_part;
use crate::store::columns::Table;
use crate::store::encode::FileBuilder;
use crate::store::manifest::DataFile;
use crate::store::tables::visitors;
use crate::store::transaction::{NewFile, stage_file};
use crate::store::update::visitors::FirstSeenMap;
use crate::store::update::{PartialRewrite, PartitionOutput, partition};
use crate::time::{Day, Micros};

/// Memory of the events and stored sessions of one batch, in bytes.
const BATCH_BYTES: usize = 192 << 20;

/// The changes that the events of a partition make to the tables. The files are in `staging/`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SessionsReport {
    /// New files.
    pub files: Vec<(Table, DataFile)>,
    /// Rows of stored session files that new rows replace, by path.
    pub replaced: BTreeMap<String, BTreeSet<u32>>,
    /// A file with the first-seen times of the visitors.
    pub visitors: Option<DataFile>,
    /// The days and chatbots whose sessions changed; days count from 1970.
    pub days: BTreeSet<(i32, String)>,
    /// Number of sessions written.
    pub sessions: u64,
    /// Time of the earliest event.
    pub earliest: Option<Micros>,
}

/// Writes the events and sessions of one partition.
pub struct SessionsTask {
    context: Arc<TaskContext>,
    sorter: RowSorter,
    batch: Batch,
}

/// A batch of events.
struct Batch {
    decoder: EventDecoder,
    /// The stored sessions of the events' keys.
    stored: StoredBatch,
    last_key: Option<u128>,
    /// Whether the last key has an event.
    has_events: bool,
    batch_bytes: usize,
    output: Rows,
}

/// Orders the rows of a session key: stored sessions, then new events by time and id.
fn sort_key(head: &Head) -> SortKey {
    (head.key, head.kind, head.time, 0, 0, head.id)
}

impl SessionsTask {
    /// Creates a task. `is_sorted` is set if the rows arrive sorted by key, kind, time and id.
    pub fn new(context: Arc<TaskContext>, is_sorted: bool) -> SessionsTask {
        SessionsTask::with_batch_bytes(context, is_sorted, BATCH_BYTES)
    }

    /// Creates a task that writes a batch when its events and stored sessions take `batch_bytes`
    /// bytes.
    pub fn with_batch_bytes(context: Arc<TaskContext>, is_sorted: bool, batch_bytes: usize) -> SessionsTask {
        let (decoder, output) = (EventDecoder::default(), Rows::default());
        let stored = StoredBatch::default();
        let batch = Batch { decoder, stored, last_key: None, has_events: false, batch_bytes, output };
        SessionsTask { context, sorter: RowSorter::new(is_sorted, sort_key), batch }
    }

    /// Adds rows.
    ///
    /// # Errors
    /// Fails if a row is damaged, or if a file of the store cannot be read or written.
    pub fn push(&mut self, rows: Rows) -> Result<()> {
        let (batch, context) = (&mut self.batch, &self.context);
        self.sorter.push(rows, |head, payload| batch.add(head, payload, context))
    }

    /// Finishes the partition. Returns the reports.
    ///
    /// # Errors
    /// Returns the errors of [`SessionsTask::push`].
    pub fn finish(mut self) -> Result<Rows> {
        let (batch, context) = (&mut self.batch, &self.context);
        self.sorter.finish(|head, payload| batch.add(head, payload, context))?;
        self.batch.end_key();
        self.batch.write(&self.context)?;
        Ok(self.batch.output)
    }
}

impl Batch {
    fn add(&mut self, head: Head, payload: &[u8], context: &TaskContext) -> Result<()> {
        if head.kind != kind::EVENT && head.kind != kind::STORED {
            self.output.push(head, |bytes| bytes.extend_from_slice(payload));
            return Ok(());
        }
        if self.last_key != Some(head.key) {
            self.end_key();
            // Never split a session key across batches: its sessions are merged with the stored
            // ones only once.
            if self.decoder.size() + self.stored.size() >= self.batch_bytes {
                self.write(context)?;
            }
            self.last_key = Some(head.key);
            self.has_events = false;
        }
        if head.kind == kind::STORED {
            self.stored.push(head, payload);
            return Ok(());
        }
        self.has_events = true;
        self.decoder.push(payload, &context.enricher)
    }

    /// Ends the rows of a session key. Stored sessions without new events stay as they are.
    fn end_key(&mut self) {
        if let Some(key) = self.last_key.filter(|_| !self.has_events) {
            self.stored.remove(key);
        }
    }

    fn write(&mut self, context: &TaskContext) -> Result<()> {
        let (block, stored) = (self.decoder.take_block(), std::mem::take(&mut self.stored));
        let events: Vec<Event<'_>> = block.rows.iter().map(|row| block.event(row)).collect();
        if events.is_empty() {
            return Ok(());
        }
        let earliest = events.iter().map(|event| event.row.time).min();
        let files = Mutex::new(Vec::new());
        let sink = |output: PartitionOutput| {
            for file in output.files {
                let entry = stage_file(&context.before.store(), &file)?;
                files.lock().unwrap_or_else(PoisonError::into_inner).push((file.table, entry));
            }
            Ok(())
        };
        let changes = write_part(&context.before, events, &stored.rows()?, context.write_context(), &sink)?;
        let days = changes.sessions.days.named().map(|(day, chatbot)| (day.0, chatbot.to_owned()));
        let report = SessionsReport {
            days: days.collect(),
            sessions: changes.sessions.sessions,
            replaced: changes.replaced.iter().map(removed_rows).collect(),
            visitors: stage_visitors(context, changes.visitors)?,
            files: files.into_inner().unwrap_or_else(PoisonError::into_inner),
            earliest,
        };
        push_report(&mut self.output, 0, 0, &report)
    }
}

fn removed_rows(rewrite: &PartialRewrite) -> (String, BTreeSet<u32>) {
    let removed = (0..).zip(&rewrite.removed).filter(|(_, removed)| **removed).map(|(row, _)| row);
    (rewrite.file.path.clone(), removed.collect())
}

/// Writes first-seen times to a file in `staging/`, which the driver reads at the end of the job.
fn stage_visitors(context: &TaskContext, first_seen: FirstSeenMap) -> Result<Option<DataFile>> {
    if first_seen.is_empty() {
        return Ok(None);
    }
    let visitors: Vec<visitors::Visitor> = first_seen.into_values().collect();
    let frame = visitors::frame(&visitors)?;
    let bytes = FileBuilder::from_frame(Table::Visitors, &frame)?.finish()?;
    let file = NewFile::new(Table::Visitors, Day(0), visitors.len() as u64, (0, 0), bytes);
    stage_file(&context.before.store(), &file).map(Some)
}

/// A stored file of sessions that loses rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rewrite {
    /// The path of the file.
    pub path: String,
    /// The rows that it loses.
    pub rows: BTreeSet<u32>,
}

/// The files that replace a stored file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RewriteReport {
    /// The path of the replaced file.
    pub path: String,
    /// The new files, in `staging/`; none if no row remains.
    pub files: Vec<DataFile>,
}

/// Writes the remaining rows of a stored session file.
///
/// # Errors
/// Fails if the store has no such file, or if a file cannot be read or written.
pub fn rewrite(context: &TaskContext, rewrite: &Rewrite) -> Result<RewriteReport> {
    let stored = context.before.manifest().files(Table::Sessions);
    let Some(file) = stored.iter().find(|file| file.path == rewrite.path) else {
        return Err(Error::failed(format!("the store has no file {}", rewrite.path)));
    };
    let removed = (0..file.rows).map(|row| u32::try_from(row).is_ok_and(|row| rewrite.rows.contains(&row)));
    let rewrite = PartialRewrite { file: file.clone(), removed: removed.collect() };
    let output = partition::rewrite(&context.before, Table::Sessions, &rewrite)?;
    let files = output.files.iter().map(|file| stage_file(&context.before.store(), file));
    Ok(RewriteReport { path: file.path.clone(), files: files.collect::<Result<_>>()? })
}
