//! Guarantee 7, robustness: an error about a damaged file of a store names the file and suggests a
//! solution.

use std::fs;
use std::path::Path;

use wa::store::columns::Table;

use super::support::fixtures::{self, run_expecting, wa};
use super::support::generated_logs::write_logs;
use super::support::memory_file_system::MemoryFileSystem;
use super::support::rng::Rng;
use super::support::tables;

const NOW: &str = "2026-11-10T02:00:00Z";

#[test]
fn robustness_damaged_parquet_file_is_named_in_an_error() {
    let folder = fixtures::folder();
    write_logs(folder.path(), 1, 300);
    let log = folder.path().join("00.ndjson").display().to_string();
    let disk = MemoryFileSystem::new();
    let now = wa::time::parse_human(NOW).unwrap();
    fixtures::ingest(&disk, &fixtures::settings(), &fixtures::ingest_options(vec![log], now)).unwrap();
    let store = fixtures::store_in(&disk);
    let manifest = store.snapshot().unwrap().manifest().clone();
    let expected = tables::read(&store.snapshot().unwrap()).unwrap();
    let mut rng = Rng(3);
    for round in 0..fixtures::cases(150) {
        let table = Table::ALL[rng.below(4) as usize];
        let files = manifest.files(table);
        let file = &files[rng.below(files.len() as u64) as usize];
        let damaged = disk.copy();
        let path = Path::new(fixtures::STORE).join(&file.path);
        damaged.damage(&path, |bytes| match round % 4 {
            0 => bytes.truncate(rng.below(bytes.len() as u64) as usize),
            _ => {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << rng.below(8);
            }
        });
        let snapshot = fixtures::store_in(&damaged).snapshot().unwrap();
        // A writer verifies the checksum of a file that it copies.
        let error = snapshot.read_file_checked(file).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("backup")), "{error:?}");
        // A reader verifies only the checksums of the parts that it reads. It must not panic.
        if let Err(error) = snapshot.read_file(file, None) {
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }
    assert!(tables::difference(&expected, &tables::read(&store.snapshot().unwrap()).unwrap(), &[]).is_none());
}

#[test]
fn robustness_damaged_manifest_is_named_and_left_unchanged() {
    let folder = fixtures::folder();
    write_logs(folder.path(), 1, 10);
    run_expecting(wa(folder.path(), NOW).args(["--store", "store", "ingest", "00.ndjson"]), 0);
    let path = folder.path().join("store/manifest.json");
    let good = fs::read(&path).unwrap();
    for at in [0, 20, good.len() / 2, good.len() - 10] {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&path, &bad).unwrap();
        for arguments in [&["files", "events"][..], &["ingest", "00.ndjson"], &["gc", "--yes"]] {
            let output = run_expecting(wa(folder.path(), NOW).args(["--store", "store"]).args(arguments), 1);
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(stderr.contains("store") && stderr.contains("manifest.json"), "{arguments:?}: {stderr}");
        }
        assert_eq!(fs::read(&path).unwrap(), bad, "a damaged manifest must not change");
    }
    fs::write(&path, &good).unwrap();
    run_expecting(wa(folder.path(), NOW).args(["--store", "store", "ingest", "00.ndjson"]), 0);
}

#[test]
fn robustness_ingest_rejects_damaged_session_files() {
    let folder = fixtures::folder();
    write_logs(folder.path(), 2, 50);
    run_expecting(wa(folder.path(), NOW).args(["--store", "store", "ingest", "00.ndjson"]), 0);
    let list = run_expecting(wa(folder.path(), NOW).args(["--store", "store", "files", "sessions"]), 0);
    let list = String::from_utf8(list.stdout).unwrap();
    for file in list.lines() {
        let path = folder.path().join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 16;
        fs::write(&path, &bad).unwrap();
    }
    let output = run_expecting(wa(folder.path(), NOW).args(["--store", "store", "ingest", "01.ndjson"]), 1);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains(".parquet") && stderr.contains("backup"), "{stderr}");
}

#[test]
fn robustness_ingest_never_copies_a_flipped_bit() {
    // If a damaged page still decompressed, it would be read as different times and ids.
    let folder = fixtures::folder();
    write_logs(folder.path(), 2, 300);
    let options = |file: &str, force| wa::ingest::IngestOptions {
        force,
        ..fixtures::ingest_options(
            vec![folder.path().join(file).display().to_string()],
            wa::time::parse_human(NOW).unwrap(),
        )
    };
    let disk = MemoryFileSystem::new();
    let settings = fixtures::settings();
    fixtures::ingest(&disk, &settings, &options("00.ndjson", false)).unwrap();
    let manifest = fixtures::store_in(&disk).snapshot().unwrap().manifest().clone();

    let mut rng = Rng(11);
    let mut failed = 0;
    // The second log is new. The first log is read again with `force`, and all its events are
    // duplicates.
    for (log, force) in [("01.ndjson", false), ("00.ndjson", true)] {
        let undamaged = disk.copy();
        fixtures::ingest(&undamaged, &settings, &options(log, force)).unwrap();
        let expected = tables::read(&fixtures::store_in(&undamaged).snapshot().unwrap()).unwrap();
        for _ in 0..fixtures::cases(100) {
            let table = Table::ALL[rng.below(4) as usize];
            let files = manifest.files(table);
            let file = &files[rng.below(files.len() as u64) as usize];
            let path = Path::new(fixtures::STORE).join(&file.path);
            let damaged = disk.copy();
            let mut good = Vec::new();
            damaged.damage(&path, |bytes| {
                good.clone_from(bytes);
                bytes[rng.below(good.len() as u64) as usize] ^= 1 << rng.below(8);
            });
            let succeeded = fixtures::ingest(&damaged, &settings, &options(log, force))
                .is_ok_and(|report| report.failure.is_none());
            failed += u32::from(!succeeded);
            if damaged.files().contains(&path) {
                damaged.damage(&path, |bytes| *bytes = good);
            }
            if !succeeded {
                fixtures::ingest(&damaged, &settings, &options(log, force)).unwrap();
            }
            let found = tables::difference(
                &expected,
                &tables::read(&fixtures::store_in(&damaged).snapshot().unwrap()).unwrap(),
                tables::WRITE_TIMES,
            );
            assert!(found.is_none(), "flipped bit in {}: {found:?}", file.path);
            assert_eq!(fixtures::verify(&damaged), Ok(()));
        }
    }
    assert!(failed > 20, "only {failed} ingests failed");
}
