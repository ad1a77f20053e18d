//! Snapshots: the state of the store that a manifest describes.
//!
//! Readers take no lock. If a writer commits a new state and removes a file, a read of that file
//! fails. [`Store::read_consistently`] then starts over from the new state, so that every result is
//! computed from a single state.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::Store;
use super::columns::Table;
use super::file_system::{FileSystem, OpenFile};
use super::frame::Frame;
use super::manifest::{DataFile, Manifest, checksum};
use super::parquet::{DataFileReader, RowGroups, damaged};
use super::paths::staged_path;
use crate::error::{Error, Result};
use crate::time::{Day, Micros, Zone};

/// The state of the store at one commit.
#[derive(Clone, Debug)]
pub struct Snapshot {
    fs: Arc<dyn FileSystem>,
    dir: PathBuf,
    manifest: Arc<Manifest>,
    zone: Zone,
    /// Paths of files that are still in `staging/`, if the snapshot belongs to a transaction.
    staged: Arc<HashSet<String>>,
    /// Open files, by path: see [`Snapshot::pin_files`].
    pinned: Arc<HashMap<String, OpenFile>>,
    /// The positions in the manifest of the files of each partition; computed when first needed.
    partitions: Arc<OnceLock<PartitionIndex>>,
}

/// For each partition, the positions of its files among the files of its table.
type PartitionIndex = BTreeMap<(Table, Day), Vec<usize>>;

/// Maximum number of pinned files. Operating systems commonly allow a process about a thousand open
/// files.
const MAX_PINNED: usize = 600;

impl Snapshot {
    /// Returns the state that a manifest describes.
    ///
    /// # Errors
    /// Fails if the manifest's time zone is unknown.
    pub(super) fn new(
        fs: Arc<dyn FileSystem>,
        dir: PathBuf,
        manifest: Manifest,
        staged: HashSet<String>,
    ) -> Result<Snapshot> {
        let zone = Zone::parse(&manifest.timezone).ok_or_else(|| {
            Error::failed(format!("unknown time zone {:?} of the store", manifest.timezone))
        })?;
        Ok(Snapshot {
            fs,
            dir,
            manifest: Arc::new(manifest),
            zone,
            staged: Arc::new(staged),
            pinned: Arc::default(),
            partitions: Arc::default(),
        })
    }

    /// Opens the files of a table whose partitions overlap the days, and keeps them open. An open
    /// file stays readable when a writer removes it. Streamed output needs this, since it cannot
    /// start over from a new state. At most `MAX_PINNED` files are pinned.
    ///
    /// # Errors
    /// Fails if a file cannot be opened.
    pub fn pin_files(&self, table: Table, days: Option<(Day, Day)>) -> Result<Snapshot> {
        let mut pinned = HashMap::new();
        for file in self.files_in(table, days).into_iter().take(MAX_PINNED) {
            match self.open(file) {
                Ok(opened) => pinned.insert(file.path.clone(), opened),
                Err(error) if error.is_too_many_open_files() => {
                    // Close half of the files, so that others can be opened in the meantime.
                    let half = pinned.len() / 2;
                    pinned = pinned.into_iter().take(half).collect();
                    break;
                }
                Err(error) => return Err(error),
            };
        }
        Ok(Snapshot { pinned: Arc::new(pinned), ..self.clone() })
    }

    /// Returns a state without files, of the same store and settings. Changes computed from that
    /// state do not merge their rows with stored files.
    pub(crate) fn without_files(&self) -> Snapshot {
        let mut manifest = self.manifest().clone();
        manifest.tables.values_mut().for_each(Vec::clear);
        Snapshot { manifest: Arc::new(manifest), partitions: Arc::default(), ..self.clone() }
    }

    /// Returns the manifest of the state.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the store.
    pub fn store(&self) -> Store {
        Store::with_file_system(self.fs.clone(), self.dir.clone())
    }

    /// Returns the store's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the time zone of the days of sessions and daily statistics.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Returns the session timeout in microseconds: the longest gap within a session.
    pub fn timeout(&self) -> Micros {
        self.manifest.session_timeout_us
    }

    /// Returns the files of one partition. A change to thousands of partitions calls this for each
    /// one.
    pub fn partition(&self, table: Table, day: Day) -> impl Iterator<Item = &DataFile> {
        let index = self.partitions.get_or_init(|| {
            let mut index = PartitionIndex::new();
            for table in Table::ALL {
                for (position, file) in self.manifest.files(table).iter().enumerate() {
                    index.entry((table, file.day)).or_default().push(position);
                }
            }
            index
        });
        let positions = index.get(&(table, day)).map_or(&[][..], Vec::as_slice);
        positions.iter().filter_map(move |position| self.manifest.files(table).get(*position))
    }

    /// Returns the files of a table whose partitions overlap an inclusive range of days, or all
    /// files.
    pub fn files_in(&self, table: Table, days: Option<(Day, Day)>) -> Vec<&DataFile> {
        let by_month = matches!(table, Table::DailyStats | Table::Visitors);
        let files = self.manifest.files(table).iter();
        match days {
            None => files.collect(),
            Some((from, to)) => {
                // Months of visitors are in UTC: a day of the store's time zone can overlap the
                // previous or the next month.
                let from = if by_month { from.plus(-1).month_start() } else { from };
                let to = if by_month { to.plus(1) } else { to };
                files.filter(|file| from <= file.day && file.day <= to).collect()
            }
        }
    }

    /// Reads columns of the files of a table whose partitions overlap an inclusive range of days.
    /// Returns one frame per file; files are read in parallel. A partition can be a month, so
    /// frames can contain rows of other days.
    ///
    /// # Errors
    /// Fails if a file cannot be read or is damaged.
    pub fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        let files = self.files_in(table, days).into_par_iter().with_max_len(1);
        files.map(|file| self.read_file(file, Some(columns))).collect()
    }

    /// Reads columns of one file; all columns if `columns` is `None`.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is damaged.
    pub fn read_file(&self, file: &DataFile, columns: Option<&[&str]>) -> Result<Frame> {
        DataFileReader::new(self.open(file)?, file, self.locate(&file.path)).read(columns)
    }

    /// Reads columns of those rows of one file that `select` chooses by their values in the columns
    /// `first`.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is damaged, or if `select` fails.
    pub fn read_selected(
        &self,
        file: &DataFile,
        columns: &[&str],
        first: &[&str],
        select: impl FnOnce(&Frame) -> Result<Vec<u32>>,
    ) -> Result<Frame> {
        let reader = DataFileReader::new(self.open(file)?, file, self.locate(&file.path));
        reader.read_selected(columns, first, select)
    }

    /// Reads columns of one file, one row group at a time. `each` receives the frame of a row
    /// group, which is dropped before the next is read.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is damaged, or if `each` fails.
    pub fn read_groups(
        &self,
        file: &DataFile,
        columns: &[&str],
        mut each: impl FnMut(&Frame) -> Result<()>,
    ) -> Result<()> {
        let mut groups = self.row_groups(file, Some(columns))?;
        while let Some(frame) = groups.next_group()? {
            each(&frame)?;
        }
        Ok(())
    }

    /// Returns a reader of the row groups of one file. The reader returns all columns if `columns`
    /// is `None`.
    ///
    /// # Errors
    /// Fails if the file cannot be opened.
    pub fn row_groups<'a>(
        &self,
        file: &'a DataFile,
        columns: Option<&'a [&'a str]>,
    ) -> Result<RowGroups<'a>> {
        let reader = DataFileReader::new(self.open(file)?, file, self.locate(&file.path));
        Ok(reader.row_groups(columns))
    }

    /// Reads the rows of one file for which `is_selected` is true, with all columns. Row groups
    /// without such rows are not read.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is damaged, or if `is_selected` has a different
    /// number of rows.
    pub fn read_rows(&self, file: &DataFile, is_selected: &[bool]) -> Result<Frame> {
        DataFileReader::new(self.open(file)?, file, self.locate(&file.path)).read_rows(is_selected)
    }

    fn open(&self, file: &DataFile) -> Result<OpenFile> {
        let path = self.locate(&file.path);
        let opened = match self.pinned.get(&file.path) {
            Some(pinned) => pinned.try_clone(),
            None => self.fs.open(&path),
        };
        opened.map_err(|e| Error::io("open", &path, e))
    }

    /// Verifies the checksum of one whole file, and reads all of its columns. Writers use this, so
    /// that damage is never copied to a new file.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is damaged.
    pub fn read_file_checked(&self, file: &DataFile) -> Result<Frame> {
        let path = self.locate(&file.path);
        let bytes = match self.pinned.get(&file.path) {
            Some(pinned) => {
                let bytes = pinned.read_whole(file.bytes).map_err(|e| Error::io("read", &path, e))?;
                let bytes = bytes.filter(|bytes| checksum(bytes) == file.checksum);
                bytes.ok_or_else(|| damaged(&path, "wrong checksum"))?
            }
            None => self.read_checked(&file.path, &file.checksum)?,
        };
        super::parquet::decode(bytes, None).map_err(|cause| damaged(&path, cause))
    }

    /// Reads the bytes of a file and verifies their checksum.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is damaged.
    pub fn read_checked(&self, path: &str, expected: &str) -> Result<Vec<u8>> {
        let path = self.locate(path);
        let bytes = self.fs.read(&path).map_err(|e| Error::io("read", &path, e))?;
        if checksum(&bytes) != expected {
            return Err(damaged(&path, "wrong checksum"));
        }
        Ok(bytes)
    }

    fn locate(&self, path: &str) -> PathBuf {
        if self.staged.contains(path) { staged_path(&self.dir, path) } else { self.dir.join(path) }
    }

    /// Returns the first and the last day with sessions or daily statistics.
    pub fn days(&self) -> Option<(Day, Day)> {
        let mut days: Option<(Day, Day)> = None;
        let mut include = |day: Day| {
            days = Some(days.map_or((day, day), |(first, last)| (first.min(day), last.max(day))));
        };
        for file in self.manifest.files(Table::Sessions) {
            include(file.day);
        }
        // A partition of daily statistics is a month. The times of its files are the midnights of
        // its days.
        for file in self.manifest.files(Table::DailyStats) {
            include(Day::utc(file.min_time));
            include(Day::utc(file.max_time));
        }
        days
    }

    /// Returns the time of the newest event; `None` without sessions. The time comes from the
    /// sessions, since events may be pruned while their sessions are retained. A session ends at
    /// its last event.
    pub fn newest_event(&self) -> Option<Micros> {
        self.manifest.files(Table::Sessions).iter().map(|file| file.max_time).max()
    }

    /// Returns the first and the last day with events, in the store's time zone.
    pub fn event_days(&self) -> Option<(Day, Day)> {
        let files = self.manifest.files(Table::Events);
        let first = files.iter().map(|file| file.min_time).min()?;
        let last = files.iter().map(|file| file.max_time).max()?;
        Some((self.zone().day(first), self.zone().day(last)))
    }
}
