//! Finds duplicates among the events of a partition. All events of an event key are in one
//! partition.
//!
//! As in an ingest on one machine, the earliest of several new events with the same key is stored,
//! or the first in the input if times are equal. None is stored if the store already has that event
//! on its date or on a neighbouring date.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::event_codec::{self, EventDecoder};
use super::parse::push_report;
use super::rows::{Head, RowSorter, Rows, SortKey, kind};
use super::task::TaskContext;
use crate::error::Result;
use crate::ingest::batch::stored_ids::{content_hash, read_identities};
use crate::store::columns::Table;
use crate::time::{DAY, Day};

/// Size at which rows are passed on, in bytes.
const OUTPUT_BYTES: usize = 4 << 20;
/// Number of stored events in a batch of rows.
const STORED_ROWS: usize = 1 << 15;

/// Outcomes of one file's events in a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcomes {
    /// Events to store.
    pub stored: u64,
    /// Duplicates.
    pub duplicate: u64,
    /// Duplicates whose time or name differs from that of the event with the same key.
    pub conflicts: u64,
}

/// Outcomes of a partition's events, by file index.
pub type DedupeReport = BTreeMap<i32, Outcomes>;

/// Finds the duplicates of one partition.
pub struct DedupeTask {
    context: Arc<TaskContext>,
    sorter: RowSorter,
    group: Group,
}

/// The rows of one event key.
#[derive(Default)]
struct Group {
    key: Option<u128>,
    /// The dates and content hashes of stored events.
    stored: Vec<(Day, u64)>,
    /// The first new event and, once another event has its key, its content hash.
    first: Option<(Vec<u8>, Option<u64>)>,
    report: DedupeReport,
    output: Rows,
}

/// Orders the rows of an event key: stored events, then new events by time and position.
fn sort_key(head: &Head) -> SortKey {
    (head.key, head.kind, head.time, i64::from(head.file), head.position, 0)
}

impl DedupeTask {
    /// Creates a task. `is_sorted` is set if the rows arrive sorted by key, kind, time, file and
    /// position.
    pub fn new(context: Arc<TaskContext>, is_sorted: bool) -> DedupeTask {
        DedupeTask { context, sorter: RowSorter::new(is_sorted, sort_key), group: Group::default() }
    }

    /// Adds rows. Returns output rows once enough have accumulated.
    ///
    /// # Errors
    /// Fails if a row is damaged.
    pub fn push(&mut self, rows: Rows) -> Result<Option<Rows>> {
        let (group, context) = (&mut self.group, &self.context);
        self.sorter.push(rows, |head, payload| group.add(head, payload, context))?;
        let is_full = self.group.output.payload_bytes() >= OUTPUT_BYTES;
        Ok(is_full.then(|| std::mem::take(&mut self.group.output)))
    }

    /// Finishes the partition. Returns the remaining rows and a report.
    ///
    /// # Errors
    /// Fails if a row is damaged.
    pub fn finish(mut self) -> Result<Rows> {
        let (group, context) = (&mut self.group, &self.context);
        self.sorter.finish(|head, payload| group.add(head, payload, context))?;
        let mut output = std::mem::take(&mut self.group.output);
        push_report(&mut output, 0, 0, &self.group.report)?;
        Ok(output)
    }
}

impl Group {
    fn add(&mut self, head: Head, payload: &[u8], context: &TaskContext) -> Result<()> {
        if self.key != Some(head.key) {
            self.key = Some(head.key);
            self.stored.clear();
            self.first = None;
        }
        match head.kind {
            kind::STORED => {
                let content = payload.try_into().map_or(0, u64::from_le_bytes);
                self.stored.push((Day::utc(head.time), content));
                Ok(())
            }
            kind::EVENT => self.add_event(head, payload, context),
            _ => {
                self.output.push(head, |bytes| bytes.extend_from_slice(payload));
                Ok(())
            }
        }
    }

    fn add_event(&mut self, head: Head, payload: &[u8], context: &TaskContext) -> Result<()> {
        let outcomes = self.report.entry(head.file).or_default();
        let content = || content(payload, context);
        if let Some((first, first_content)) = &mut self.first {
            outcomes.duplicate += 1;
            let first_content = match first_content {
                Some(hash) => *hash,
                None => *first_content.insert(self::content(first, context)?),
            };
            outcomes.conflicts += u64::from(first_content != content()?);
            return Ok(());
        }
        self.first = Some((payload.to_vec(), None));
        let date = Day::utc(head.time);
        let is_near = |stored: &Day| (stored.0 - date.0).abs() <= 1;
        if let Some((_, stored)) = self.stored.iter().find(|(day, _)| is_near(day)) {
            outcomes.duplicate += 1;
            outcomes.conflicts += u64::from(*stored != content()?);
            return Ok(());
        }
        outcomes.stored += 1;
        let key = event_codec::session_key(payload)?;
        self.output.push(Head { key, ..head }, |bytes| bytes.extend_from_slice(payload));
        Ok(())
    }
}

/// Returns the hash of the time and the name of an encoded event.
fn content(payload: &[u8], context: &TaskContext) -> Result<u64> {
    let mut decoder = EventDecoder::default();
    decoder.push(payload, &context.enricher)?;
    let block = decoder.take_block();
    let event = block.rows.first().map(|row| block.event(row));
    Ok(event.map_or(0, |event| content_hash(event.row.time, event.name())))
}

/// Returns rows for the events of a stored file.
///
/// # Errors
/// Fails if the store has no such file, or if it cannot be read.
pub fn stored_rows(context: &TaskContext, path: &str) -> Result<Vec<Rows>> {
    let files = context.before.manifest().files(Table::Events);
    let Some(file) = files.iter().find(|file| file.path == path) else {
        return Err(crate::error::Error::failed(format!("the store has no file {path}")));
    };
    let identities = read_identities(&context.before, file, &context.event_keys)?;
    let time = i64::from(file.day.0) * DAY;
    let rows = |identities: &[(u128, u64)]| {
        let mut rows = Rows::default();
        for (key, content) in identities {
            let head = Head { kind: kind::STORED, key: *key, time, ..Head::default() };
            rows.push(head, |payload| payload.extend_from_slice(&content.to_le_bytes()));
        }
        rows
    };
    Ok(identities.chunks(STORED_ROWS).map(rows).collect())
}
