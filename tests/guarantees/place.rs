//! Places to work in: a folder for logs, and stores in memory or in the folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use wa::enrich::Enricher;
use wa::identity::Identifier;
use wa::ingest::{self, IngestReport};
use wa::maintenance;
use wa::privacy;
use wa::progress::NoProgress;
use wa::settings::{Retention, Settings};
use wa::store::Store;
use wa::store::manifest::Manifest;
use wa::time::{Clock, Micros};

use super::disk::MemoryDisk;

/// Where stores lie on a disk in memory.
pub const STORE: &str = "/wa-memory-disk/store";

/// Multiplies a number of cases by `WA_TEST_CASES`.
pub fn cases(n: u32) -> u32 {
    let factor: f64 = std::env::var("WA_TEST_CASES").ok().and_then(|f| f.parse().ok()).unwrap_or(1.0);
    ((f64::from(n) * factor) as u32).max(1)
}

/// Returns the rules about user agents and sources, which take a while to read.
pub fn enricher() -> &'static Enricher {
    static CONTEXT: OnceLock<Enricher> = OnceLock::new();
    CONTEXT.get_or_init(|| Enricher::new(None).unwrap())
}

/// Makes a folder for logs, in memory where there is such a file system.
pub fn folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("wa-test-");
    match Path::new("/dev/shm").is_dir() {
        true => builder.tempdir_in("/dev/shm").unwrap(),
        false => builder.tempdir().unwrap(),
    }
}

/// Settings that prune nothing.
pub fn settings() -> Settings {
    Settings {
        event_retention: Retention::Forever,
        session_retention: Retention::Forever,
        ..Settings::default()
    }
}

/// What an ingest is told, if nothing else.
pub fn options(inputs: Vec<String>, now: Micros) -> ingest::IngestOptions {
    ingest::IngestOptions {
        inputs: inputs.into_iter().map(PathBuf::from).collect(),
        chatbot: None,
        force: false,
        atomic: false,
        max_rejects: None,
        clock: Clock { now },
        lock_timeout: Duration::ZERO,
        key_file: None,
        batch_bytes: None,
    }
}

/// Names the store on a disk in memory.
pub fn store_on(disk: &Arc<MemoryDisk>) -> Store {
    Store::with_file_system(disk.clone(), STORE)
}

/// Takes in logs on a disk in memory.
pub fn ingest(
    disk: &Arc<MemoryDisk>,
    settings: &Settings,
    options: &ingest::IngestOptions,
) -> wa::Result<IngestReport> {
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let writer = store_on(disk).writer_without_lock(first)?;
    ingest::run_with_writer(writer, settings, options, enricher(), &NoProgress)
}

/// Does a gc on a disk in memory.
pub fn gc(disk: &Arc<MemoryDisk>, settings: &Settings, now: Micros) -> wa::Result<()> {
    let first = || Manifest::new(now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store_on(disk).writer_without_lock(first)?;
    let clock = Clock { now };
    let options = maintenance::GcOptions { clock, dry_run: false, yes: true, lock_timeout: Duration::ZERO };
    maintenance::gc_with_writer(&mut writer, settings, options)?;
    writer.finish()
}

/// Does a rebuild on a disk in memory.
pub fn rebuild(
    disk: &Arc<MemoryDisk>,
    settings: &Settings,
    now: Micros,
) -> wa::Result<maintenance::RebuildReport> {
    let first = || Manifest::new(now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store_on(disk).writer_without_lock(first)?;
    let report = maintenance::rebuild_with_writer(&mut writer, settings, Clock { now }, &NoProgress)?;
    writer.finish()?;
    Ok(report)
}

/// Erases persons on a disk in memory.
pub fn forget(
    disk: &Arc<MemoryDisk>,
    who: &[Identifier],
    now: Micros,
) -> wa::Result<privacy::ErasureReceipt> {
    let settings = settings();
    let first = || Manifest::new(now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store_on(disk).writer_without_lock(first)?;
    let options = privacy::ForgetOptions {
        clock: Clock { now },
        dry_run: false,
        lock_timeout: Duration::ZERO,
        key_file: None,
    };
    let receipt = privacy::forget_with_writer(&mut writer, who, &options)?;
    writer.finish()?;
    Ok(receipt)
}

/// Checks a store on a disk in memory, as `wa verify` does; says what differs.
pub fn verify(disk: &Arc<MemoryDisk>) -> Result<(), String> {
    let report = maintenance::verify(&store_on(disk), &NoProgress).map_err(|e| e.to_string())?;
    if report.is_clean() && report.tables_compared { Ok(()) } else { Err(format!("{report:#?}")) }
}

/// Returns a problem where files lie in the store's folders that the manifest does not name.
pub fn unnamed_files(disk: &Arc<MemoryDisk>) -> Option<String> {
    let manifest = store_on(disk).snapshot().unwrap().manifest().clone();
    let mut named: std::collections::BTreeSet<PathBuf> =
        manifest.paths().map(|path| Path::new(STORE).join(path)).collect();
    for own in ["manifest.json", "key", "wa.toml", "lock"] {
        named.insert(Path::new(STORE).join(own));
    }
    let unnamed: Vec<_> = disk.files().difference(&named).cloned().collect();
    (!unnamed.is_empty()).then(|| format!("files that the manifest does not name: {unnamed:?}"))
}

/// Returns a command of the real binary, without environment, with a fixed clock.
pub fn wa(folder: &Path, now: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wa"));
    command.env_clear().current_dir(folder).args(["--now", now]);
    for name in ["LLVM_PROFILE_FILE", "RUST_BACKTRACE"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command
}

/// Runs a command that is to end with a status; shows both streams where it does not.
#[track_caller]
pub fn ends(command: &mut Command, status: i32) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.code() == Some(status),
        "{command:?}\nended with {}, not {status}\n--- standard output\n{}--- standard error\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
