//! Guarantee 9, parity: an ingest in tasks results in the same tables as on one machine.
//!
//! These tests distribute the rows of `wa::distributed` to random partitions and in random order,
//! without a cluster. `spark/tests` test the same on Spark and Sail.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use proptest::prelude::*;
use wa::distributed::{
    DedupeTask, Head, Job, JobOptions, JobReport, JobRequest, ParseTask, Rows, SessionsTask, TaskContext,
    kind, rewrite, stored_rows, stored_sessions,
};
use wa::settings::Settings;
use wa::store::Store;
use wa::time::{Micros, SECOND, Zone};

use super::support::generated_logs::{self, NOW, Run, Seed};
use super::support::reference_model::{self, Model};
use super::support::rng::Rng;
use super::support::{fixtures, tables};

/// A row with its payload.
type Row = (Head, Vec<u8>);

/// A cluster with random partitions, batches and repeated tasks.
struct Cluster {
    rng: Rng,
    partitions: u64,
    is_sorted: bool,
}

impl Cluster {
    fn new(seed: u64) -> Cluster {
        let mut rng = Rng(seed);
        let (partitions, is_sorted) = (rng.below(4) + 1, rng.below(2) == 0);
        Cluster { rng, partitions, is_sorted }
    }

    /// Runs a job.
    fn run(&mut self, store: &Path, inputs: &[PathBuf], now: Micros) -> wa::Result<JobReport> {
        self.run_with(JobOptions::default(), store, inputs, now)
    }

    fn run_with(
        &mut self,
        options: JobOptions,
        store: &Path,
        inputs: &[PathBuf],
        now: Micros,
    ) -> wa::Result<JobReport> {
        let (store, inputs) = (store.to_owned(), inputs.to_vec());
        let mut job = Job::begin(JobRequest { store, inputs, options, now, ..JobRequest::default() })?;
        self.run_tasks(&mut job)?;
        job.finish()
    }

    /// Runs the tasks of a job, some of them twice.
    fn run_tasks(&mut self, job: &mut Job) -> wa::Result<()> {
        let context = Arc::new(TaskContext::open(&job.task_settings()?)?);
        let mut rows = Vec::new();
        for (index, (path, name)) in job.files().to_vec().into_iter().enumerate() {
            for last_attempt in self.attempts() {
                let mut task = ParseTask::new(context.clone(), index as i32, path.clone(), name.clone());
                let mut parsed = Vec::new();
                while let Some(batch) = task.next_rows()? {
                    parsed.extend(split(&batch));
                }
                if last_attempt {
                    rows.extend(parsed);
                }
            }
        }
        let (reports, mut rows): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|(head, _)| head.kind == kind::REPORT);
        reports.iter().try_for_each(|(_, json)| job.add_parsed(json))?;
        for path in job.stored_event_files() {
            stored_rows(&context, &path)?.iter().for_each(|stored| rows.extend(split(stored)));
        }
        let by_position = |(head, _): &Row| (head.key, head.kind, head.time, head.file, head.position);
        let mut survivors = Vec::new();
        for partition in self.distribute(rows, by_position) {
            for last_attempt in self.attempts() {
                let mut task = DedupeTask::new(context.clone(), self.is_sorted);
                let mut output = Vec::new();
                for batch in self.batches(&partition) {
                    task.push(batch)?.iter().for_each(|rows| output.extend(split(rows)));
                }
                output.extend(split(&task.finish()?));
                if last_attempt {
                    survivors.extend(output);
                }
            }
        }
        for stored in job.stored_session_files() {
            stored_sessions(&context, &stored)?.iter().for_each(|rows| survivors.extend(split(rows)));
        }
        let by_time = |(head, _): &Row| (head.key, head.kind, head.time, head.id);
        for partition in self.distribute(survivors, by_time) {
            for last_attempt in self.attempts() {
                let bytes = [1, 4000, 1 << 20][self.rng.below(3) as usize];
                let mut task = SessionsTask::with_batch_bytes(context.clone(), self.is_sorted, bytes);
                for batch in self.batches(&partition) {
                    task.push(batch)?;
                }
                let output = task.finish()?;
                if last_attempt {
                    split(&output).iter().try_for_each(|(_, json)| job.add_written(json))?;
                }
            }
        }
        for lost in job.rewrites() {
            let report = rewrite(&context, &lost)?;
            job.add_rewritten(&serde_json::to_vec(&report).unwrap())?;
        }
        Ok(())
    }

    /// Returns one or two attempts of a task. An attempt is true if it is the last.
    fn attempts(&mut self) -> Vec<bool> {
        if self.rng.below(4) == 0 { vec![false, true] } else { vec![true] }
    }

    /// Distributes rows by key, in random order, or sorted within each partition.
    fn distribute<K: Ord>(&mut self, mut rows: Vec<Row>, sort_key: fn(&Row) -> K) -> Vec<Vec<Row>> {
        for at in (1..rows.len()).rev() {
            rows.swap(at, self.rng.below(at as u64 + 1) as usize);
        }
        let mut partitions = vec![Vec::new(); self.partitions as usize];
        for row in rows {
            partitions[(row.0.key % u128::from(self.partitions)) as usize].push(row);
        }
        if self.is_sorted {
            partitions.iter_mut().for_each(|rows| rows.sort_by_key(sort_key));
        }
        partitions
    }

    fn batches(&mut self, rows: &[Row]) -> Vec<Rows> {
        let size = self.rng.below(7) as usize + 1;
        let batch = |rows: &[Row]| {
            let mut batch = Rows::default();
            for (head, payload) in rows {
                batch.push(*head, |bytes| bytes.extend_from_slice(payload));
            }
            batch
        };
        rows.chunks(size).map(batch).collect()
    }
}

fn split(rows: &Rows) -> Vec<Row> {
    (0..rows.len()).map(|row| (rows.head(row), rows.payload(row).to_vec())).collect()
}

/// Creates a store with settings and a fixed key.
fn create_store(folder: &Path, zone: &str, timeout: Micros) -> PathBuf {
    let dir = folder.join("store");
    fs::create_dir(&dir).unwrap();
    let seconds = timeout / SECOND;
    let toml = format!(
        "timezone = \"{zone}\"\nsession_timeout = \"{seconds}s\"\n\
         [retention]\nevents = \"forever\"\nsessions = \"forever\"\n"
    );
    fs::write(dir.join("wa.toml"), toml).unwrap();
    fixtures::write_key(&dir.join("key"));
    dir
}

/// Runs each batch of files as a job or as an ordinary ingest, and compares the store with the
/// reference model of all lines.
fn run_case(seeds: &[Seed], runs: &[Run], zone: &str, timeout: Micros, seed: u64) -> Result<(), String> {
    let folder = fixtures::folder();
    let dir = create_store(folder.path(), zone, timeout);
    let mut cluster = Cluster::new(seed);
    let mut model = Model::default();
    for (number, run) in runs.iter().enumerate() {
        let mut inputs = Vec::new();
        for file in &run.files {
            let path = folder.path().join(&file.name);
            fs::write(&path, file.bytes()).unwrap();
            model.add_file(file.lines.iter().map(String::as_str).filter(|line| !line.trim().is_empty()));
            inputs.push(path);
        }
        let now = NOW + number as Micros * SECOND;
        let summary = match seeds[0][11].wrapping_add(number as u8) % 4 {
            0 => {
                let settings = Settings {
                    timezone: Zone::parse(zone).unwrap(),
                    session_timeout: timeout,
                    ..fixtures::settings()
                };
                let inputs = inputs.iter().map(|path| path.display().to_string()).collect();
                let options = fixtures::ingest_options(inputs, now);
                let store = Store::new(&dir);
                wa::ingest::run(&store, &settings.into(), &options, &wa::progress::NoProgress)
                    .map_err(|e| e.to_string())?
                    .summary
            }
            _ => cluster.run(&dir, &inputs, now).map_err(|e| e.to_string())?.summary,
        };
        if !summary.adds_up() {
            return Err(format!("run {number}: the ingest summary does not add up: {summary:#?}"));
        }
    }
    let snapshot = Store::new(&dir).snapshot().unwrap();
    fixtures::assert_no_orphan_files(snapshot.manifest(), &dir);
    let found = tables::read(&snapshot).map_err(|e| e.to_string())?;
    reference_model::check(&model, Zone::parse(zone).unwrap().0, timeout, found)
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(fixtures::cases(150))
    })]
    #[test]
    fn jobs_in_any_partitions_equal_the_model(
        seeds in prop::collection::vec(any::<Seed>(), 1..30),
        runs in prop::collection::vec(any::<[u8; 6]>(), 1..4),
        zone in 0..3usize,
        timeout in 0..3usize,
        start in any::<u8>(),
        seed in any::<u64>(),
    ) {
        let timeout = [1800, 90, 24 * 3600][timeout] * SECOND;
        let lines = generated_logs::lines(&seeds, start, timeout);
        let runs = generated_logs::distribute(&lines, &seeds, &runs);
        let zone = ["UTC", "Europe/Berlin", "America/New_York"][zone];
        run_case(&seeds, &runs, zone, timeout, seed).map_err(TestCaseError::fail)?;
    }
}

/// Reads every format and wrapping of the test data in one job and in one ingest.
#[test]
fn formats_in_a_job_equal_an_ingest() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let inputs = vec![data.join("formats"), data.join("wrappings"), data.join("../../sample-data")];
    let folders = [fixtures::folder(), fixtures::folder()];
    let [by_job, by_ingest] =
        [0, 1].map(|at| create_store(folders[at].path(), "Europe/Berlin", 1800 * SECOND));
    let options = JobOptions { chatbot: Some("site".into()), ..JobOptions::default() };
    let report = Cluster::new(7).run_with(options, &by_job, &inputs, NOW).unwrap();
    let names = inputs.iter().map(|path| path.display().to_string()).collect();
    let settings = Settings { timezone: Zone::parse("Europe/Berlin").unwrap(), ..fixtures::settings() };
    let options =
        wa::ingest::IngestOptions { chatbot: Some("site".into()), ..fixtures::ingest_options(names, NOW) };
    let store = Store::new(&by_ingest);
    let ingested = wa::ingest::run(&store, &settings.into(), &options, &wa::progress::NoProgress).unwrap();
    assert!(ingested.summary.total.stored > 1000 && ingested.summary.total.rejected_total() > 0);
    for (job, ingest) in report.summary.files.iter().zip(&ingested.summary.files) {
        assert_eq!(job, ingest);
    }
    assert_eq!(report.summary.total, ingested.summary.total);
    let snapshots = [by_job, by_ingest].map(|dir| Store::new(dir).snapshot().unwrap());
    let [job, ingest] = snapshots.each_ref().map(|snapshot| tables::read(snapshot).unwrap());
    if let Some(difference) = tables::difference(&ingest, &job, &[]) {
        panic!("{difference}");
    }
    let [job, ingest] = snapshots.each_ref().map(rejected_lines);
    assert_eq!(job, ingest);
    let [job, ingest] = snapshots.each_ref().map(sources);
    assert!(job.len() > 20, "{job:?}");
    assert_eq!(job, ingest);
}

/// Returns the registry of ingested files, by path. It omits their status, which is recorded only
/// if the file is older than the ingest.
fn sources(snapshot: &wa::store::Snapshot) -> Vec<serde_json::Value> {
    let file = snapshot.manifest().sources.as_ref().unwrap();
    let text = fs::read_to_string(snapshot.dir().join(&file.path)).unwrap();
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut files = list["files"].as_array().unwrap().clone();
    files.iter_mut().for_each(|file| drop(file.as_object_mut().unwrap().remove("status")));
    files.sort_by_key(|file| file["path"].to_string());
    files
}

/// A job recognizes the files that a job or an ingest has read, and so do an ingest and a merge
/// after a job.
#[test]
fn files_of_a_job_are_recognized_as_those_of_an_ingest() {
    let folders = [fixtures::folder(), fixtures::folder()];
    let [by_job, by_ingest] = [0, 1].map(|at| create_store(folders[at].path(), "UTC", 1800 * SECOND));
    let logs = folders[0].path().join("logs");
    fs::create_dir(&logs).unwrap();
    let line = |n: u32| {
        format!(
            "{{\"event_id\":\"{n}\",\"event_name\":\"a\",\"chatbot_id\":\"c\",\"session_id\":\"s\",\
             \"timestamp\":{}}}\n",
            1_790_000_000 + n
        )
    };
    let path = |name: &str| logs.join(name);
    fs::write(path("grows.ndjson"), (0..9).map(line).collect::<String>()).unwrap();
    fs::write(path("stays.ndjson"), (10..19).map(line).collect::<String>()).unwrap();
    fs::write(path("without-ids.ndjson"), line(0).replace("event_id", "x")).unwrap();
    fs::write(path("future.ndjson"), line(0).replace("179", "279")).unwrap();
    fs::write(path("empty.ndjson"), "").unwrap();
    let mut gzip = flate2::write::GzEncoder::new(
        fs::File::create(path("old.ndjson.gz")).unwrap(),
        flate2::Compression::fast(),
    );
    std::io::Write::write_all(&mut gzip, line(20).as_bytes()).unwrap();
    gzip.finish().unwrap();
    let mut cluster = Cluster::new(5);
    let mut job = |store: &Path, force: bool| {
        let options = JobOptions { force, ..JobOptions::default() };
        let report = cluster.run_with(options, store, std::slice::from_ref(&logs), NOW).unwrap();
        (report.summary, report.is_committed)
    };
    let settings = Settings { timezone: Zone::parse("UTC").unwrap(), ..fixtures::settings() };
    let ingest = |store: &Path| {
        let options = fixtures::ingest_options(vec![logs.display().to_string()], NOW);
        let settings = settings.clone().into();
        wa::ingest::run(&Store::new(store), &settings, &options, &wa::progress::NoProgress).unwrap()
    };
    let stored = |store: &Path| sources(&Store::new(store).snapshot().unwrap());
    let mut run = |expected: &[(&str, &str)]| {
        let (summary, is_committed) = job(&by_job, false);
        let ingested = ingest(&by_ingest);
        assert_eq!(summary, ingested.summary);
        assert_eq!(stored(&by_job), stored(&by_ingest));
        let outcome = |file: &wa::ingest::FileSummary| {
            let name = Path::new(&file.file).file_name().unwrap().to_str().unwrap().to_owned();
            (name, serde_json::to_value(&file.outcome).unwrap()["outcome"].as_str().unwrap().to_owned())
        };
        let outcomes: Vec<(String, String)> = summary.files.iter().map(outcome).collect();
        let outcomes: Vec<(&str, &str)> = outcomes.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(outcomes, expected);
        is_committed
    };
    let all = ["empty.ndjson", "future.ndjson", "grows.ndjson", "old.ndjson.gz", "stays.ndjson"];
    let read = |name: &'static str| (name, "read");
    let unchanged = |name: &'static str| (name, if name.starts_with("fut") { "read" } else { "unchanged" });
    let all = all.into_iter().chain(["without-ids.ndjson"]);
    assert!(run(&all.clone().map(read).collect::<Vec<_>>()));
    let again: Vec<_> = all.clone().map(unchanged).collect();
    // A file with a line in the future is read again. That line is already stored as rejected.
    run(&again);
    // A renamed file, a file that has grown, and one without ids, which cannot be resumed.
    fs::rename(path("stays.ndjson"), path("rotated.ndjson")).unwrap();
    let append = |name: &str, text: &str| {
        let mut file = fs::File::options().append(true).open(path(name)).unwrap();
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    };
    append("grows.ndjson", &(30..33).map(line).collect::<String>());
    append("grows.ndjson", "{\"event_id\":");
    append("without-ids.ndjson", &line(1).replace("event_id", "x"));
    // The status of a renamed file is recorded only if no later change can have the same time.
    std::thread::sleep(Duration::from_millis(200));
    assert!(run(&[
        ("empty.ndjson", "unchanged"),
        ("future.ndjson", "read"),
        ("grows.ndjson", "resumed"),
        ("old.ndjson.gz", "unchanged"),
        ("rotated.ndjson", "unchanged"),
        ("without-ids.ndjson", "read"),
    ]));
    // Jobs and ingests recognize the files of each other. The file with the future line is removed,
    // since it is always read.
    fs::remove_file(path("future.ndjson")).unwrap();
    let are_unchanged = |summary: &wa::ingest::IngestSummary| {
        summary.files.len() == 5
            && summary.files.iter().all(|file| file.outcome == wa::ingest::FileOutcome::Unchanged)
    };
    let manifest = fs::read(by_ingest.join("manifest.json")).unwrap();
    let (summary, is_committed) = job(&by_ingest, false);
    assert!(are_unchanged(&summary) && !is_committed, "{summary:#?}");
    assert_eq!(fs::read(by_ingest.join("manifest.json")).unwrap(), manifest);
    assert!(are_unchanged(&ingest(&by_job).summary));
    let (summary, _) = job(&by_job, true);
    assert!(!are_unchanged(&summary) && summary.total.duplicate > 20, "{summary:#?}");
    // A merge adopts the files.
    let merged = folders[1].path().join("merged");
    let merge = fixtures::wa(folders[1].path(), "2027-01-01T00:00:00Z")
        .arg("--store")
        .arg(&merged)
        .arg("merge")
        .arg(&by_job)
        .output();
    assert!(merge.unwrap().status.success());
    assert!(are_unchanged(&ingest(&merged).summary));
}

fn rejected_lines(snapshot: &wa::store::Snapshot) -> Vec<String> {
    let files = snapshot.manifest().rejects.iter();
    let texts = files.map(|file| fs::read_to_string(snapshot.dir().join(&file.path)).unwrap());
    let mut lines: Vec<String> =
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}

/// Returns the data of the dashboard of a store, without its health: the last ingest differs.
fn dashboard(store: &Path) -> serde_json::Value {
    let mut command = fixtures::wa(store, "2027-01-01T00:00:00Z");
    command.args(["--quiet", "--store", store.to_str().unwrap(), "dashboard", "--as-of", "latest"]);
    let page = String::from_utf8(fixtures::run_expecting(&mut command, 0).stdout).unwrap();
    let (_, data) = page.split_once("<script type=\"text/plain\" id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(data.trim()).unwrap();
    let mut data: serde_json::Value =
        serde_json::from_reader(flate2::read::ZlibDecoder::new(bytes.as_slice())).unwrap();
    assert!(data.as_object_mut().unwrap().remove("health").is_some());
    data
}

#[test]
fn dashboard_of_a_job_equals_that_of_an_ingest() {
    let inputs = [Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-data")];
    let folders = [fixtures::folder(), fixtures::folder()];
    let [by_job, by_ingest] =
        [0, 1].map(|at| create_store(folders[at].path(), "Europe/Berlin", 1800 * SECOND));
    Cluster::new(5).run(&by_job, &inputs, NOW).unwrap();
    let names = inputs.iter().map(|path| path.display().to_string()).collect();
    let settings = Settings { timezone: Zone::parse("Europe/Berlin").unwrap(), ..fixtures::settings() };
    let options = fixtures::ingest_options(names, NOW);
    let store = Store::new(&by_ingest);
    wa::ingest::run(&store, &settings.into(), &options, &wa::progress::NoProgress).unwrap();
    let [job, ingest] = [by_job, by_ingest].map(|store| dashboard(&store));
    let len = |key: &str| ingest[key].as_array().unwrap().len();
    // The folder has four chatbots, and bad lines of others.
    assert!(len("answers") > 100 && len("scopes") > 5, "{} {}", len("answers"), len("scopes"));
    for key in ingest.as_object().unwrap().keys() {
        assert_eq!(job[key], ingest[key], "{key}");
    }
    assert_eq!(job, ingest);
}

/// A job that ends before its commit leaves the old state, and the next job has the same result.
#[test]
fn job_that_ends_early_leaves_the_old_state() {
    let folder = fixtures::folder();
    let dir = create_store(folder.path(), "UTC", 1800 * SECOND);
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    generated_logs::write_logs(&logs, 3, 60);
    let [first, second, third] = [0, 1, 2].map(|n| logs.join(format!("{n:02}.ndjson")));
    let mut cluster = Cluster::new(3);
    cluster.run(&dir, std::slice::from_ref(&first), NOW).unwrap();
    let manifest = fs::read(dir.join("manifest.json")).unwrap();
    let read = || tables::read(&Store::new(&dir).snapshot().unwrap()).unwrap();
    let before = read();
    for is_abandoned in [true, false] {
        let (store, inputs) = (dir.clone(), vec![second.clone()]);
        let request = JobRequest { store, inputs, now: NOW, ..JobRequest::default() };
        let mut job = Job::begin(request).unwrap();
        cluster.run_tasks(&mut job).unwrap();
        assert!(!job.rewrites().is_empty(), "the second file continues sessions of the first");
        // A killed driver cannot remove its files.
        if is_abandoned {
            job.abandon();
            assert!(!dir.join("staging").exists());
        } else {
            drop(job);
            assert!(fs::read_dir(dir.join("staging")).unwrap().count() > 0);
        }
        assert_eq!(fs::read(dir.join("manifest.json")).unwrap(), manifest);
        assert_eq!(read(), before);
    }
    cluster.run(&dir, &[second.clone(), third.clone()], NOW).unwrap();
    let other = fixtures::folder();
    let once = create_store(other.path(), "UTC", 1800 * SECOND);
    cluster.run(&once, &[first, second, third], NOW).unwrap();
    let expected = tables::read(&Store::new(once).snapshot().unwrap()).unwrap();
    if let Some(difference) = tables::difference(&expected, &read(), tables::WRITE_TIMES) {
        panic!("{difference}");
    }
}
