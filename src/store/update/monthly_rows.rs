//! The rows of `daily_stats` of one month, some of them replaced.
//!
//! Most months have few rows, which are rewritten as one sorted file. In a store of thousands of
//! chatbots, a month has many files, and only files that lose rows are rewritten.

use hashbrown::HashMap;

use super::daily::ChangedRows;
use super::partition::PartitionBuilder;
use super::{PartialRewrite, PartitionOutput, merge_policy};
use crate::daily_stats::DailyStats;
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::encode::{MIN_COPIED_ROWS, ROW_GROUP};
use crate::store::frame::Frame;
use crate::store::manifest::DataFile;
use crate::store::snapshot::Snapshot;
use crate::store::tables::daily_stats::{frame, read, row_group};
use crate::time::{DAY, Day};

/// Rows by day and chatbot.
pub(super) type Rows = HashMap<Day, HashMap<String, DailyStats>>;

/// The columns that identify a row.
const KEY_COLUMNS: [&str; 2] = ["chatbot_id", "stat_date"];

/// Maximum number of rows of a month that is rewritten as one sorted file.
const MAX_SORTED_ROWS: u64 = MIN_COPIED_ROWS as u64 / 2;

/// The stored rows of a month, and the new ones.
pub(super) struct MonthlyRows<'a> {
    snapshot: &'a Snapshot,
    month: Day,
    files: Vec<StoredFile>,
    /// Number of stored rows.
    stored: u64,
    /// New rows that are not encoded yet.
    new: Vec<Frame>,
    new_rows: u64,
    /// The new file, if the month has many rows.
    partition: Option<PartitionBuilder<'a>>,
    rows_read: u64,
}

/// A stored file, with the rows that are replaced.
struct StoredFile {
    file: DataFile,
    /// For each row, whether it is removed; empty if no row is removed.
    removed: Vec<bool>,
    /// The rows, if the month is small.
    frame: Option<Frame>,
    /// The positions of the rows that the last search found, with their days and chatbots.
    found: Vec<(usize, Day, String)>,
}

impl<'a> MonthlyRows<'a> {
    /// Returns the rows of a month. Nothing is read yet.
    pub fn new(snapshot: &'a Snapshot, month: Day) -> MonthlyRows<'a> {
        let file = |file: &DataFile| StoredFile {
            file: file.clone(),
            removed: Vec::new(),
            frame: None,
            found: Vec::new(),
        };
        let files: Vec<StoredFile> = snapshot.partition(Table::DailyStats, month).map(file).collect();
        let stored = files.iter().map(|file| file.file.rows).sum();
        let new = Vec::new();
        MonthlyRows { snapshot, month, files, stored, new, new_rows: 0, partition: None, rows_read: 0 }
    }

    /// Returns the stored rows of the given chatbots and days.
    ///
    /// # Errors
    /// Fails if a file cannot be read or is damaged.
    pub fn find(&mut self, wanted: &ChangedRows) -> Result<Rows> {
        let is_small = self.stored <= MAX_SORTED_ROWS;
        let columns: Vec<&str> = Table::DailyStats.columns().iter().map(|column| column.name).collect();
        let mut rows = Rows::new();
        for stored in &mut self.files {
            self.rows_read += stored.file.rows;
            if is_small && stored.frame.is_none() {
                stored.frame = Some(self.snapshot.read_file_checked(&stored.file)?);
            }
            let (found, found_rows) = match &stored.frame {
                Some(frame) => {
                    let found = wanted_rows(frame, wanted)?;
                    let rows = frame.gather(&found)?;
                    (found, rows)
                }
                None => {
                    let mut found = Vec::new();
                    let select = |keys: &Frame| -> Result<Vec<u32>> {
                        found = wanted_rows(keys, wanted)?;
                        Ok(found.clone())
                    };
                    let rows = self.snapshot.read_selected(&stored.file, &columns, &KEY_COLUMNS, select)?;
                    (found, rows)
                }
            };
            for (position, row) in found.into_iter().zip(read(&found_rows)?) {
                stored.found.push((position as usize, row.stat_date, row.chatbot_id.clone()));
                rows.entry(row.stat_date).or_default().insert(row.chatbot_id.clone(), row);
            }
        }
        Ok(rows)
    }

    /// Replaces rows in `before`, which the last call of [`find`](MonthlyRows::find) returned, with
    /// those in `after`. Rows that are equal in both or in neither of them stay.
    ///
    /// # Errors
    /// Fails if the new rows cannot be converted.
    pub fn replace(&mut self, before: &Rows, after: &Rows) -> Result<()> {
        for stored in &mut self.files {
            for (position, day, chatbot) in std::mem::take(&mut stored.found) {
                if row_of(before, day, &chatbot) == row_of(after, day, &chatbot) {
                    continue;
                }
                stored.removed.resize(stored.file.rows as usize, false);
                if let Some(removed) = stored.removed.get_mut(position) {
                    *removed = true;
                }
            }
        }
        let rows = after.values().flat_map(HashMap::values);
        let is_changed = |row: &&DailyStats| row_of(before, row.stat_date, &row.chatbot_id) != Some(*row);
        let mut new: Vec<&DailyStats> = rows.filter(is_changed).collect();
        if !new.is_empty() {
            new.sort_unstable_by(|a, b| (&a.chatbot_id, a.stat_date).cmp(&(&b.chatbot_id, b.stat_date)));
            self.new_rows += new.len() as u64;
        }
        if self.stored + self.new_rows <= MAX_SORTED_ROWS {
            if !new.is_empty() {
                self.new.push(frame(&new)?);
            }
            return Ok(());
        }
        // Encoded rows take a fraction of the memory of frames.
        let partition = match &mut self.partition {
            Some(partition) => partition,
            none => none.insert(PartitionBuilder::new(self.snapshot, Table::DailyStats, self.month, 0)),
        };
        self.new.drain(..).try_for_each(|frame| partition.add_frame(&frame))?;
        let most_rows = ROW_GROUP.min(merge_policy::max_rows(Table::DailyStats) as usize);
        let mut remaining = &new[..];
        while !remaining.is_empty() {
            let (rows, columns) = row_group(&remaining[..remaining.len().min(most_rows)])?;
            let (encoded, rest) = remaining.split_at(rows);
            let days = encoded.iter().map(|row| row.stat_date);
            let days = days.clone().min().zip(days.max());
            let midnight = |day: Day| i64::from(day.0) * DAY;
            let times = days.map(|(first, last)| (midnight(first), midnight(last)));
            partition.add(rows, times.unwrap_or_default(), columns)?;
            remaining = rest;
        }
        Ok(())
    }

    /// Returns the number of stored rows that were searched.
    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// Returns the new files and those that they replace; `None` if no row changed.
    ///
    /// # Errors
    /// Fails if a stored file cannot be read, or the rows cannot be encoded.
    pub fn finish(self) -> Result<Option<PartitionOutput>> {
        if self.new_rows == 0 && self.files.iter().all(|file| file.removed.is_empty()) {
            return Ok(None);
        }
        if let Some(mut partition) = self.partition {
            for StoredFile { file, removed, .. } in self.files {
                if !removed.is_empty() {
                    partition.add_remaining(&PartialRewrite { file, removed })?;
                }
            }
            partition.merge_small_files()?;
            return partition.finish().map(Some);
        }
        let mut partition =
            PartitionBuilder::new(self.snapshot, Table::DailyStats, self.month, self.new_rows as usize);
        let mut frames = self.new;
        let mut replaced = Vec::new();
        for StoredFile { file, removed, frame, .. } in self.files {
            let frame = match frame {
                Some(frame) => frame,
                None => self.snapshot.read_file_checked(&file)?,
            };
            frames.push(if removed.is_empty() { frame } else { frame.filter(removed.iter().map(|r| !r))? });
            replaced.push(file);
        }
        partition.add_frame(&sorted(&Frame::concat(frames)?)?)?;
        let mut output = partition.finish()?;
        output.replaced = replaced;
        Ok(Some(output))
    }
}

/// Returns the positions of the wanted rows of a frame with the [`KEY_COLUMNS`].
fn wanted_rows(frame: &Frame, wanted: &ChangedRows) -> Result<Vec<u32>> {
    let (chatbots, dates) = (frame.texts("chatbot_id")?, frame.ints("stat_date")?);
    let is_wanted = |row: &u32| {
        let row = *row as usize;
        let day = dates.get_i32(row).and_then(|date| wanted.get(&Day(date)));
        day.is_some_and(|wanted| chatbots.get(row).is_some_and(|chatbot| wanted.contains(chatbot)))
    };
    Ok((0..frame.height() as u32).filter(is_wanted).collect())
}

/// Returns the row of a day and a chatbot.
fn row_of<'r>(rows: &'r Rows, day: Day, chatbot: &str) -> Option<&'r DailyStats> {
    rows.get(&day)?.get(chatbot)
}

/// Returns the rows of a frame in the order of a file: by chatbot and day.
fn sorted(frame: &Frame) -> Result<Frame> {
    let (chatbots, dates) = (frame.texts("chatbot_id")?, frame.ints("stat_date")?);
    let mut order: Vec<u32> = (0..frame.height() as u32).collect();
    order.sort_by_key(|row| (chatbots.get(*row as usize), dates.get(*row as usize)));
    frame.gather(&order)
}
