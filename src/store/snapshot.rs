//! One state of the store, as one manifest names it.
//!
//! A reader takes no lock. When a writer has meanwhile replaced the manifest and removed a file, a
//! read fails with a missing file; [`Store::read_consistently`](super::Store::read_consistently)
//! then starts again on the new state, so that an answer always comes of one state.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::Store;
use super::columns::Table;
use super::file_system::{Disk, Opened};
use super::frame::Frame;
use super::manifest::{DataFile, Manifest, checksum};
use super::transaction::staged_path;
use crate::error::{Error, Result};
use crate::time::{Day, Micros, Zone};

/// One state of the store.
#[derive(Clone, Debug)]
pub struct Snapshot {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    manifest: Arc<Manifest>,
    zone: Zone,
    /// Files that still lie in `staging/`: those of a change under way.
    staged: Arc<HashSet<String>>,
    /// Files that were opened beforehand: see [`Snapshot::hold`].
    held: Arc<HashMap<String, Opened>>,
}

/// The most files that are kept open: systems allow a process about a thousand.
const MOST_HELD: usize = 600;

impl Snapshot {
    /// Makes a snapshot of the state that a manifest names.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        manifest: Manifest,
        staged: HashSet<String>,
    ) -> Result<Snapshot> {
        let zone = Zone::parse(&manifest.timezone).ok_or_else(|| {
            Error::failed(format!("the store's time zone {:?} is not known", manifest.timezone))
        })?;
        Ok(Snapshot {
            disk,
            dir,
            manifest: Arc::new(manifest),
            zone,
            staged: Arc::new(staged),
            held: Arc::default(),
        })
    }

    /// Opens the files of a table that touch the days, and keeps them open: a writer that removes
    /// them takes nothing from this reader. For answers that are written bit by bit, and cannot be
    /// taken back to be begun again.
    pub fn hold(&self, table: Table, days: Option<(Day, Day)>) -> Result<Snapshot> {
        let mut held = HashMap::new();
        for file in self.files_in(table, days).into_iter().take(MOST_HELD) {
            match self.open(file) {
                Ok(opened) => held.insert(file.path.clone(), opened),
                Err(error) if error.is_too_many_open_files() => {
                    // Room for what is opened meanwhile.
                    let half = held.len() / 2;
                    held = held.into_iter().take(half).collect();
                    break;
                }
                Err(error) => return Err(error),
            };
        }
        Ok(Snapshot { held: Arc::new(held), ..self.clone() })
    }

    /// Returns what the store holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the store that it is a state of.
    pub fn store(&self) -> Store {
        Store { disk: self.disk.clone(), dir: self.dir.clone() }
    }

    /// Returns the store's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the time zone by which the sessions are dated.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    /// Returns the longest gap within a session, in microseconds.
    pub fn timeout(&self) -> Micros {
        self.manifest.session_timeout_us
    }

    /// Returns the files of a table whose partition touches the days, both included.
    pub fn files_in(&self, table: Table, days: Option<(Day, Day)>) -> Vec<&DataFile> {
        let by_month = matches!(table, Table::DailyStats | Table::Visitors);
        let files = self.manifest.files(table).iter();
        match days {
            None => files.collect(),
            Some((from, to)) => {
                // A month of visitors is one of UTC: days of a zone can reach into the next.
                let from = if by_month { from.plus(-1).month_start() } else { from };
                let to = if by_month { to.plus(1) } else { to };
                files.filter(|file| from <= file.day && file.day <= to).collect()
            }
        }
    }

    /// Reads columns of the partitions of a table that touch the days: a frame a file, in parallel.
    ///
    /// Rows outside the days can be among them where a partition is a month.
    pub fn read(&self, table: Table, days: Option<(Day, Day)>, columns: &[&str]) -> Result<Vec<Frame>> {
        let files = self.files_in(table, days).into_par_iter().with_max_len(1);
        files.map(|file| self.read_file(file, Some(columns))).collect()
    }

    /// Reads columns (all, where `columns` is `None`) of one file.
    pub fn read_file(&self, file: &DataFile, columns: Option<&[&str]>) -> Result<Frame> {
        let path = self.locate(&file.path);
        let frame =
            super::parquet::decode(self.open(file)?, columns).map_err(|why| self.damaged(&path, why))?;
        self.check_rows(file, frame.height() as u64)?;
        Ok(frame)
    }

    /// Reads columns of one file a row group at a time: each is a frame that is let go of before the next is read.
    ///
    /// # Errors
    /// Those of reading, and those of `each`.
    pub fn read_groups(
        &self,
        file: &DataFile,
        columns: &[&str],
        mut each: impl FnMut(&Frame) -> Result<()>,
    ) -> Result<()> {
        let path = self.locate(&file.path);
        let mut rows = 0;
        for frame in super::parquet::groups(self.open(file)?, columns) {
            let frame = frame.map_err(|why| self.damaged(&path, why))?;
            rows += frame.height() as u64;
            each(&frame)?;
        }
        self.check_rows(file, rows)
    }

    fn check_rows(&self, file: &DataFile, rows: u64) -> Result<()> {
        if rows == file.rows {
            return Ok(());
        }
        Err(self.damaged(&self.locate(&file.path), format!("it has {rows} rows, not {}", file.rows)))
    }

    fn open(&self, file: &DataFile) -> Result<Opened> {
        let path = self.locate(&file.path);
        let opened = match self.held.get(&file.path) {
            Some(held) => held.again(),
            None => self.disk.open(&path),
        };
        opened.map_err(|e| Error::io("open", &path, e))
    }

    /// Reads a whole file as a writer does: its checksum is looked at first, so that damage is
    /// never carried on into a new file.
    pub fn read_file_checked(&self, file: &DataFile) -> Result<Frame> {
        let bytes = self.bytes_checked(&file.path, &file.checksum)?;
        let path = self.locate(&file.path);
        super::parquet::decode(Opened::Bytes(bytes), None).map_err(|why| self.damaged(&path, why))
    }

    /// Reads the bytes of a file that the manifest names, and checks them.
    pub fn bytes_checked(&self, path: &str, expected: &str) -> Result<Vec<u8>> {
        let path = self.locate(path);
        let bytes = self.disk.read(&path).map_err(|e| Error::io("read", &path, e))?;
        if checksum(&bytes) != expected {
            return Err(self.damaged(&path, "its checksum does not fit".to_owned()));
        }
        Ok(bytes)
    }

    fn locate(&self, path: &str) -> PathBuf {
        if self.staged.contains(path) { staged_path(&self.dir, path) } else { self.dir.join(path) }
    }

    fn damaged(&self, path: &Path, why: String) -> Error {
        Error::failed(format!("{} is damaged", path.display())).caused_by(why).hint(
            "put the file back from a backup of the store, or make a new store and ingest the logs again; \
             `wa verify` names every damaged file",
        )
    }

    /// Returns the first and last day that hold sessions or daily statistics.
    pub fn days(&self) -> Option<(Day, Day)> {
        let mut days: Option<(Day, Day)> = None;
        let mut take = |day: Day| {
            days = Some(days.map_or((day, day), |(first, last)| (first.min(day), last.max(day))));
        };
        for file in self.manifest.files(Table::Sessions) {
            take(file.day);
        }
        // A partition of daily stats is a month; its files carry the first and last day as times.
        for file in self.manifest.files(Table::DailyStats) {
            take(Day::utc(file.min_time));
            take(Day::utc(file.max_time));
        }
        days
    }

    /// Returns the first and the last day with events, by their own times.
    pub fn event_days(&self) -> Option<(Day, Day)> {
        let files = self.manifest.files(Table::Events);
        let first = files.iter().map(|file| file.min_time).min()?;
        let last = files.iter().map(|file| file.max_time).max()?;
        Some((self.zone().day(first), self.zone().day(last)))
    }
}
