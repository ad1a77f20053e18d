//! The driver of a job: holds the writer's lock, plans the tasks, and commits their results.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::dedupe::DedupeReport;
use super::parse::ParseReport;
use super::sessions::{Rewrite, RewriteReport, SessionsReport};
use super::stored_sessions::StoredSessions;
use super::task::{JobOptions, TaskSettings, read_config};
use super::working_copy::{FileRequests, WorkingCopy};
use crate::error::{Error, Result};
use crate::ingest::input::discovery::{Input, find_inputs};
use crate::ingest::input::file_status::FileStatus;
use crate::ingest::input::source_registry::SourceRegistry;
use crate::ingest::input::sources::SourceUpdate;
use crate::ingest::pipeline::{check_settings, read_rules};
use crate::ingest::{FileOutcome, FileSummary, IngestSummary, Warning, presets};
use crate::settings::Settings;
use crate::store::columns::Table;
use crate::store::ledger::Ledger;
use crate::store::manifest::{MANIFEST_FILE, Manifest};
use crate::store::rejects::{self, RejectRecord};
use crate::store::tables::visitors;
use crate::store::transaction::{Transaction, read_staged};
use crate::store::update::pruned_days::PrunedDays;
use crate::store::update::sessions::SessionChanges;
use crate::store::update::visitors::FirstSeenMap;
use crate::store::update::{self, write_pipelined};
use crate::store::{Store, Writer, cleanup_error, key};
use crate::time::{Day, HOUR, Micros};

/// The maximum size of a map file, in bytes.
const MAX_MAP: u64 = 1 << 20;

/// The arguments of a job.
#[derive(Debug, Default)]
pub struct JobRequest {
    /// The folder of the store, or of its working copy.
    pub store: PathBuf,
    /// If the folder is a working copy: the requests for files that it does not contain.
    pub requests: Option<Arc<FileRequests>>,
    /// The inputs that this process and the tasks can open.
    pub inputs: Vec<PathBuf>,
    /// The input files that only tasks can read.
    pub listed: Vec<ListedFile>,
    /// The options.
    pub options: JobOptions,
    /// The current time.
    pub now: Micros,
    /// How long to wait for another writer.
    pub lock_timeout: Duration,
}

/// An input file that a file system has listed, and that this process cannot open.
#[derive(Clone, Debug, Deserialize)]
pub struct ListedFile {
    /// Its name: a URL.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was modified, in milliseconds since 1970.
    pub modified: i64,
}

/// A job that writes to a store. Dropping it leaves the store unchanged.
pub struct Job {
    writer: Writer,
    settings: Settings,
    ledger: Ledger,
    key_fingerprint: String,
    task: TaskSettings,
    files: Vec<(PathBuf, String)>,
    /// The listed input files, by index.
    listed: Vec<(i32, ListedFile)>,
    parsed: Vec<ParseReport>,
    deduped: Vec<DedupeReport>,
    sessions: Vec<SessionsReport>,
    rewritten: Vec<RewriteReport>,
}

/// The result of a job.
#[derive(Debug)]
pub struct JobReport {
    /// The outcome of every event.
    pub summary: IngestSummary,
    /// Whether anything was committed.
    pub is_committed: bool,
}

impl Job {
    /// Locks the store, which is created if it does not exist, and finds the input files.
    ///
    /// # Errors
    /// Fails if an input does not exist, or if the store cannot be opened.
    pub fn begin(request: JobRequest) -> Result<Job> {
        let JobRequest { store, requests, inputs, listed, options, now, lock_timeout } = request;
        // Tasks run in other folders, so the path must be absolute.
        let dir = std::path::absolute(&store).map_err(|e| Error::io("find", &store, e))?;
        let map_text = read_map(&options)?;
        let mut found = find_inputs(&inputs, &dir);
        if !found.problems.is_empty() {
            return Err(found.problems.swap_remove(0));
        }
        if let Some(folder) = found.unread.folders_without_logs.first() {
            return Err(Error::usage(format!("{} has no logs", folder.folder.display())));
        }
        let config = read_config(&dir)?;
        let settings = config.settings.clone();
        let store = match requests {
            Some(requests) => open_working_copy(&dir, &settings, requests)?,
            None => Store::new(&dir),
        };
        crate::config::check_file(&store)?;
        let first = || Manifest::new(now, settings.timezone.name(), settings.session_timeout);
        let writer = store.writer("wa-spark ingest", lock_timeout, first)?;
        let prepared = crate::config::write(&**store.file_system(), &dir, &config)
            .and_then(|_| check_settings(writer.manifest(), &settings))
            .and_then(|()| key::load_or_create(&store, writer.manifest(), settings.key_file.as_deref()))
            .and_then(|key| Ok((key, Ledger::load(&writer.snapshot()?)?)));
        let (key, ledger) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                writer.abandon();
                return Err(error);
            }
        };
        let files = found.files.into_iter().filter_map(|input| match &input {
            Input::File(path) => Some((std::path::absolute(path).ok()?, input.name())),
            Input::Stdin => None,
        });
        let files: Vec<(PathBuf, String)> = files.collect();
        let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
        let mut job = Job {
            task: TaskSettings {
                store: dir,
                options,
                map_text,
                now,
                began_at: writer.locked_at().unwrap_or(now),
                seed,
            },
            listed: (files.len() as i32..).zip(listed).collect(),
            files,
            writer,
            settings,
            ledger,
            key_fingerprint: key.fingerprint(),
            parsed: Vec::new(),
            deduped: Vec::new(),
            sessions: Vec::new(),
            rewritten: Vec::new(),
        };
        match job.skip_unchanged() {
            Ok(()) => Ok(job),
            Err(error) => {
                job.abandon();
                Err(error)
            }
        }
    }

    /// Reports the listed files whose size and time show that they are unchanged.
    fn skip_unchanged(&mut self) -> Result<()> {
        if self.task.options.force || self.listed.is_empty() {
            return Ok(());
        }
        let registry = SourceRegistry::load(&self.writer.snapshot()?)?;
        let (zone, map) = (self.task.options.zone()?, self.task.map()?);
        let rules = read_rules(&self.settings, self.task.options.chatbot.as_deref(), zone, map.as_ref());
        for (file, ListedFile { name, bytes, modified }) in &self.listed {
            let status = FileStatus::of_listed(*modified);
            if status.is_some_and(|status| registry.is_unchanged(name, *bytes, &status, &rules)) {
                let (file, name, outcome) = (*file, name.clone(), FileOutcome::Unchanged);
                self.parsed.push(ParseReport { file, name, outcome, ..ParseReport::default() });
            }
        }
        Ok(())
    }

    /// Returns the settings of the tasks, as JSON.
    ///
    /// # Errors
    /// Fails if a path is not UTF-8.
    pub fn task_settings(&self) -> Result<String> {
        let failed = |e| Error::failed("cannot write the settings of the job as JSON").caused_by(e);
        serde_json::to_string(&self.task).map_err(failed)
    }

    /// Returns the path and the name of each input file, in order.
    pub fn files(&self) -> &[(PathBuf, String)] {
        &self.files
    }

    /// Returns the index and the name of each listed file that a task must read.
    pub fn listed_files(&self) -> Vec<(i32, &str)> {
        let unchanged: HashSet<i32> = self.parsed.iter().map(|report| report.file).collect();
        let files = self.listed.iter().filter(|(file, _)| !unchanged.contains(file));
        files.map(|(file, listed)| (*file, listed.name.as_str())).collect()
    }

    /// Returns the files that a task needs to open the store, by their name in the store's folder.
    ///
    /// # Errors
    /// Fails if a file of a working copy cannot be downloaded.
    pub fn task_files(&self) -> Result<Vec<(String, PathBuf)>> {
        let store = self.writer.store();
        let manifest = self.writer.manifest();
        let state = manifest.sources.iter().chain(&manifest.ledger).map(|file| file.path.as_str());
        let mut files = Vec::new();
        for name in [MANIFEST_FILE, crate::config::FILE_NAME].into_iter().chain(state) {
            let path = store.dir().join(name);
            store.file_system().open(&path).map_err(|e| Error::io("read", &path, e))?;
            files.push((name.to_owned(), path));
        }
        let key = key::key_path(store, self.settings.key_file.as_deref());
        files.push((key::KEY_FILE.to_owned(), key));
        Ok(files)
    }

    /// Adds the report of a parsing task.
    ///
    /// # Errors
    /// Fails if the report cannot be decoded.
    pub fn add_parsed(&mut self, json: &[u8]) -> Result<()> {
        self.parsed.push(parse(json)?);
        Ok(())
    }

    /// Returns the stored event files that can contain duplicates of the parsed events.
    pub fn stored_event_files(&self) -> Vec<String> {
        let hours = self.parsed.iter().flat_map(|report| &report.hours);
        let dates: BTreeSet<i32> = hours.map(|hour| Day::utc(hour * HOUR).0).collect();
        let is_near = |day: Day| (-1..=1).any(|n| dates.contains(&(day.0 + n)));
        let files = self.writer.manifest().files(Table::Events).iter();
        files.filter(|file| is_near(file.day)).map(|file| file.path.clone()).collect()
    }

    /// Returns the stored session files that new events can continue.
    pub fn stored_session_files(&self) -> Vec<StoredSessions> {
        let timeout = self.settings.session_timeout;
        let hours: BTreeSet<i64> = self.parsed.iter().flat_map(|report| &report.hours).copied().collect();
        let mut ranges: Vec<(Micros, Micros)> = Vec::new();
        for hour in hours {
            let (from, to) =
                ((hour * HOUR).saturating_sub(timeout), (hour * HOUR + HOUR).saturating_add(timeout));
            match ranges.last_mut() {
                Some(last) if from <= last.1 => last.1 = to,
                _ => ranges.push((from, to)),
            }
        }
        let files = (0..).zip(self.writer.manifest().files(Table::Sessions));
        let files = files.map(|(file, entry)| {
            let is_near = |range: &&(Micros, Micros)| range.0 <= entry.max_time && entry.min_time <= range.1;
            StoredSessions { file, ranges: ranges.iter().filter(is_near).copied().collect() }
        });
        files.filter(|stored| !stored.ranges.is_empty()).collect()
    }

    /// Returns the path of a stored session file.
    pub fn session_path(&self, stored: &StoredSessions) -> Option<&str> {
        let files = self.writer.manifest().files(Table::Sessions);
        usize::try_from(stored.file).ok().and_then(|file| files.get(file)).map(|file| file.path.as_str())
    }

    /// Adds the report of a task that found duplicates or wrote sessions.
    ///
    /// # Errors
    /// Fails if the report cannot be decoded.
    pub fn add_written(&mut self, json: &[u8]) -> Result<()> {
        match serde_json::from_slice(json) {
            Ok(report) => self.deduped.push(report),
            Err(_) => self.sessions.push(parse(json)?),
        }
        Ok(())
    }

    /// Returns the stored session files that lose rows.
    pub fn rewrites(&self) -> Vec<Rewrite> {
        let mut rows: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for (path, removed) in self.sessions.iter().flat_map(|report| &report.replaced) {
            rows.entry(path).or_default().extend(removed);
        }
        rows.into_iter().map(|(path, rows)| Rewrite { path: path.to_owned(), rows }).collect()
    }

    /// Adds the report of a task that rewrote a file.
    ///
    /// # Errors
    /// Fails if the report cannot be decoded.
    pub fn add_rewritten(&mut self, json: &[u8]) -> Result<()> {
        self.rewritten.push(parse(json)?);
        Ok(())
    }

    /// Updates visitors and daily statistics, and commits the results of all tasks.
    ///
    /// # Errors
    /// Fails if a file cannot be read or written. The store then remains unchanged, unless the
    /// error says that the job is committed.
    pub fn finish(mut self) -> Result<JobReport> {
        self.parsed.sort_by_key(|report| (report.file, report.position));
        let summary = self.summary();
        match self.commit(&summary) {
            Ok(is_committed) => {
                let failed = |cause| if is_committed { cleanup_error("job", cause) } else { cause };
                self.writer.finish().map_err(failed)?;
                Ok(JobReport { summary, is_committed })
            }
            Err(error) => {
                self.writer.abandon();
                Err(error)
            }
        }
    }

    /// Abandons the job. The store remains unchanged.
    pub fn abandon(self) {
        self.writer.abandon();
    }

    fn commit(&mut self, summary: &IngestSummary) -> Result<bool> {
        let read: HashSet<i32> = self.parsed.iter().map(|report| report.file).collect();
        if let Some((_, missing)) = self.listed.iter().find(|(file, _)| !read.contains(file)) {
            return Err(Error::failed(format!("no task has read {}", missing.name)));
        }
        if !summary.adds_up() {
            return Err(Error::failed("the outcomes of the events do not add up; nothing was committed"));
        }
        let now = self.task.now;
        let mut transaction = self.writer.begin();
        let has_new_rows = self.write_tables(&mut transaction)?;
        let mut index = rejects::RejectIndex::new(self.writer.temp_files());
        let records = self.rejects();
        let snapshot = transaction.snapshot()?;
        let rejected = rejects::append(&snapshot, &mut transaction, records, &mut index, now)?;
        let (registry, has_new_sources) = self.sources()?;
        if !has_new_rows && rejected == 0 && !has_new_sources {
            return Ok(false);
        }
        let (bytes, files) = (registry.to_bytes()?, registry.len() as u64);
        transaction.replace_state_file("sources", |m| &mut m.sources, &bytes, files, now)?;
        let manifest = transaction.manifest();
        manifest.key_fingerprint = Some(self.key_fingerprint.clone());
        manifest.last_ingest = Some(summary.total.last_run(now));
        self.writer.commit(transaction, now)?;
        Ok(true)
    }

    /// Adds the files of the tasks, and updates visitors and daily statistics. Returns whether
    /// anything changed.
    fn write_tables(&mut self, transaction: &mut Transaction) -> Result<bool> {
        let now = self.task.now;
        let before = self.writer.snapshot()?;
        let stored = before.manifest().files(Table::Sessions);
        for RewriteReport { path, files } in std::mem::take(&mut self.rewritten) {
            stored.iter().filter(|file| file.path == path).for_each(|file| transaction.remove(file));
            files.into_iter().for_each(|file| transaction.adopt(Table::Sessions, file));
        }
        let mut changes = SessionChanges::default();
        let mut first_seen = FirstSeenMap::default();
        let mut earliest = None;
        for report in std::mem::take(&mut self.sessions) {
            report.files.into_iter().for_each(|(table, file)| transaction.adopt(table, file));
            report.days.iter().for_each(|(day, chatbot)| changes.days.add(Day(*day), chatbot));
            changes.sessions += report.sessions;
            earliest = earliest.into_iter().chain(report.earliest).min();
            let Some(file) = report.visitors else { continue };
            let bytes = read_staged(self.writer.store(), &file)?;
            let frame = crate::store::parquet::decode(bytes, None)
                .map_err(|cause| Error::failed("cannot read the visitors of a task").caused_by(cause))?;
            for visitor in visitors::read(&frame)? {
                let time = visitor.first_seen_at;
                let seen = first_seen.entry(visitor.hash()).or_insert(visitor);
                seen.first_seen_at = seen.first_seen_at.min(time);
            }
        }
        let Some(earliest) = earliest else { return Ok(false) };
        let updates =
            write_pipelined(transaction, |sink| update::visitors::write(&before, first_seen, sink))?;
        let since = earliest.saturating_sub(self.settings.session_timeout);
        let pruned = PrunedDays::load(&before, &self.ledger, since)?;
        let after = transaction.snapshot()?;
        update::daily::update(&after, transaction, changes, &updates, &pruned, now)?;
        Ok(true)
    }

    /// Returns the source registry with the input files added, and whether anything besides names
    /// and statuses has changed.
    fn sources(&mut self) -> Result<(SourceRegistry, bool)> {
        let mut registry = SourceRegistry::load(&self.writer.snapshot()?)?;
        let mut has_new_sources = false;
        for update in self.parsed.iter_mut().filter_map(|report| report.update.take()) {
            let SourceUpdate { mut file, continued, only_status } = *update;
            if !only_status {
                file.read_at = self.task.now;
                has_new_sources = true;
            }
            registry.record(file, &continued);
        }
        Ok((registry, has_new_sources))
    }

    /// Returns the rejected lines. Reports are sorted by their position in the input.
    fn rejects(&mut self) -> Vec<RejectRecord> {
        self.parsed.iter_mut().flat_map(|report| std::mem::take(&mut report.rejects)).collect()
    }

    /// Returns the ingest summary.
    fn summary(&self) -> IngestSummary {
        let mut files: BTreeMap<i32, FileSummary> = BTreeMap::new();
        for report in &self.parsed {
            let file = files.entry(report.file).or_default();
            file.file.clone_from(&report.name);
            file.counts.merge(&report.counts);
            file.map = file.map.take().or_else(|| report.map.clone());
            if report.outcome != FileOutcome::Read {
                file.outcome = report.outcome.clone();
            }
        }
        let mut conflicts = 0;
        for (file, outcomes) in self.deduped.iter().flatten() {
            let Some(file) = files.get_mut(file) else { continue };
            file.counts.stored += outcomes.stored;
            file.counts.duplicate += outcomes.duplicate;
            conflicts += outcomes.conflicts;
        }
        // As in an ingest on one machine, conflicts are counted for the last file.
        if let (Some(mut last), 1..) = (files.last_entry(), conflicts) {
            last.get_mut().counts.warnings.add_many(Warning::IdNamesDifferentEvents, conflicts);
        }
        let mut summary = IngestSummary::default();
        files.into_values().for_each(|file| summary.add(file));
        summary
    }
}

/// Returns the text of the map that an option names by its path.
fn read_map(options: &JobOptions) -> Result<Option<String>> {
    let Some(name) = options.map.as_ref().filter(|name| presets::named(name).is_none()) else {
        return Ok(None);
    };
    let bytes = crate::regular_file::read(Path::new(name), MAX_MAP);
    let bytes = bytes.map_err(|e| Error::io("read the map", Path::new(name), e))?;
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|e| Error::usage("the map is not UTF-8").caused_by(e))
}

/// Returns the store of a working copy.
fn open_working_copy(dir: &Path, settings: &Settings, requests: Arc<FileRequests>) -> Result<Store> {
    let paths = [("geoip", &settings.geoip), ("privacy.key_file", &settings.key_file)];
    for (name, path) in paths.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?))) {
        if path.starts_with(dir) {
            return Err(Error::usage(format!("`{name}` in wa.toml is a path relative to the store"))
                .hint("write an absolute path at which all machines have the file"));
        }
    }
    // Opening the writer reports a manifest that cannot be used.
    let manifest = Store::new(dir).snapshot().ok().map(|snapshot| snapshot.manifest().clone());
    let copy = WorkingCopy::new(dir, manifest.as_ref(), requests);
    Ok(Store::with_file_system(Arc::new(copy), dir))
}

fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T> {
    serde_json::from_slice(json).map_err(|e| Error::failed("cannot read the report of a task").caused_by(e))
}
