//! Fixtures: folders for logs, stores in memory, settings, and runs of the binary.

use std::collections::BTreeSet;
use std::fs;
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

use super::memory_file_system::MemoryFileSystem;
pub use crate::harness::wa;

/// The path of the store in an in-memory file system.
pub const STORE: &str = "/wa-memory-disk/store";

/// Returns a number of cases multiplied by `WA_TEST_CASES`, at least 1.
pub fn cases(n: u32) -> u32 {
    let factor: f64 = std::env::var("WA_TEST_CASES").ok().and_then(|f| f.parse().ok()).unwrap_or(1.0);
    ((f64::from(n) * factor) as u32).max(1)
}

/// Returns a shared enricher, because compiling its rules is slow.
pub fn enricher() -> &'static Enricher {
    static ENRICHER: OnceLock<Enricher> = OnceLock::new();
    ENRICHER.get_or_init(|| Enricher::new(None).unwrap())
}

/// Creates a temporary folder, in memory if the operating system supports that.
pub fn folder() -> tempfile::TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("wa-test-");
    match Path::new("/dev/shm").is_dir() {
        true => builder.tempdir_in("/dev/shm").unwrap(),
        false => builder.tempdir().unwrap(),
    }
}

/// Returns settings that retain all data.
pub fn settings() -> Settings {
    Settings {
        event_retention: Retention::Forever,
        session_retention: Retention::Forever,
        ..Settings::default()
    }
}

/// Returns the default options of an ingest.
pub fn ingest_options(inputs: Vec<String>, now: Micros) -> ingest::IngestOptions {
    ingest::IngestOptions {
        map: None,
        timezone: None,
        inputs: inputs.into_iter().map(PathBuf::from).collect(),
        chatbot: None,
        force: false,
        atomic: false,
        max_rejects: None,
        clock: Clock { now },
        lock_timeout: Duration::ZERO,
        key_file: None,
        batch_bytes: None,
        batches_per_commit: 1,
    }
}

/// Returns the store in an in-memory file system.
pub fn store_in(disk: &Arc<MemoryFileSystem>) -> Store {
    Store::with_file_system(disk.clone(), STORE)
}

/// Ingests logs into the store in an in-memory file system.
pub fn ingest(
    disk: &Arc<MemoryFileSystem>,
    settings: &Settings,
    options: &ingest::IngestOptions,
) -> wa::Result<IngestReport> {
    let first = || Manifest::new(options.clock.now, settings.timezone.name(), settings.session_timeout);
    let writer = store_in(disk).writer_without_lock(first)?;
    ingest::run_with_writer(writer, settings, options, enricher(), &NoProgress)
}

/// Runs gc, with confirmation, on the store in an in-memory file system.
pub fn gc(disk: &Arc<MemoryFileSystem>, settings: &Settings, now: Micros) -> wa::Result<()> {
    let first = || Manifest::new(now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store_in(disk).writer_without_lock(first)?;
    let clock = Clock { now };
    let options = maintenance::GcOptions { clock, dry_run: false, yes: true, lock_timeout: Duration::ZERO };
    maintenance::gc_with_writer(&mut writer, settings, options)?;
    writer.finish()
}

/// Rebuilds the store in an in-memory file system.
pub fn rebuild(
    disk: &Arc<MemoryFileSystem>,
    settings: &Settings,
    now: Micros,
) -> wa::Result<maintenance::RebuildReport> {
    let first = || Manifest::new(now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store_in(disk).writer_without_lock(first)?;
    let report = maintenance::rebuild_with_writer(&mut writer, settings, Clock { now }, &NoProgress)?;
    writer.finish()?;
    Ok(report)
}

/// Erases people from the store in an in-memory file system.
pub fn forget(
    disk: &Arc<MemoryFileSystem>,
    identifiers: &[Identifier],
    now: Micros,
) -> wa::Result<privacy::ErasureReceipt> {
    let settings = settings();
    let first = || Manifest::new(now, settings.timezone.name(), settings.session_timeout);
    let mut writer = store_in(disk).writer_without_lock(first)?;
    let options = privacy::ForgetOptions {
        clock: Clock { now },
        dry_run: false,
        lock_timeout: Duration::ZERO,
        key_file: None,
    };
    let receipt = privacy::forget_with_writer(&mut writer, identifiers, &options)?;
    writer.finish()?;
    Ok(receipt)
}

/// Verifies the store in an in-memory file system.
///
/// # Errors
/// Fails with the list of differences if `wa verify` would report any.
pub fn verify(disk: &Arc<MemoryFileSystem>) -> Result<(), String> {
    let report =
        maintenance::verify(&store_in(disk), &Ok(settings()), &NoProgress).map_err(|e| e.to_string())?;
    if report.is_clean() && report.tables_compared { Ok(()) } else { Err(format!("{report:#?}")) }
}

/// Returns a message if the store has orphan files: files that the manifest does not name.
pub fn orphan_files(disk: &Arc<MemoryFileSystem>) -> Option<String> {
    let manifest = store_in(disk).snapshot().unwrap().manifest().clone();
    let mut named: BTreeSet<PathBuf> = manifest.paths().map(|path| Path::new(STORE).join(path)).collect();
    for auxiliary in ["manifest.json", "key", "wa.toml", "lock"] {
        named.insert(Path::new(STORE).join(auxiliary));
    }
    let orphans: Vec<_> = disk.files().difference(&named).cloned().collect();
    (!orphans.is_empty()).then(|| format!("orphan files: {orphans:?}"))
}

/// Runs a command and returns its output.
///
/// # Panics
/// Panics with both output streams if the exit status differs.
#[track_caller]
pub fn run_expecting(command: &mut Command, status: i32) -> Output {
    let output = command.output().unwrap();
    assert!(
        output.status.code() == Some(status),
        "{command:?}\nexpected exit status {status}, got {}\n--- standard output\n{}--- standard error\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Asserts that the folders of the tables contain only files that the manifest names, so that a
/// glob over a table reads exactly its rows.
pub fn assert_no_orphan_files(manifest: &Manifest, dir: &Path) {
    let named: BTreeSet<_> = manifest.paths().map(|path| dir.join(path)).collect();
    let mut pending: Vec<_> =
        ["events", "sessions", "daily_stats", "visitors", "rejects", "state", "staging"]
            .map(|d| dir.join(d))
            .into();
    while let Some(path) = pending.pop() {
        for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => pending.push(entry.path()),
                false => assert!(named.contains(&entry.path()), "orphan file: {}", entry.path().display()),
            }
        }
    }
}

/// Writes a fixed secret key that only its owner can read, so that two stores derive the same ids.
pub fn write_key(path: &std::path::Path) {
    let key: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(path, key).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
}
