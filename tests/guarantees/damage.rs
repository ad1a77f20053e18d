//! Guarantee 7 for the store's own files: where their bytes are flipped, the error names the file and
//! says what can be done.

use std::fs;
use std::path::Path;

use wa::store::columns::Table;

use super::disk::{Chance, MemoryDisk};
use super::kill::write_logs;
use super::place::{self, ends, wa};
use super::tables;

const NOW: &str = "2026-11-10T02:00:00Z";

#[test]
fn bad_bytes_in_a_parquet_file_are_an_error_that_names_it_and_never_a_panic() {
    let folder = place::folder();
    write_logs(folder.path(), 1, 300);
    let log = folder.path().join("00.ndjson").display().to_string();
    let disk = MemoryDisk::new();
    let now = wa::time::parse_human(NOW).unwrap();
    place::ingest(&disk, &place::settings(), &place::options(vec![log], now)).unwrap();
    let store = place::store_on(&disk);
    let manifest = store.snapshot().unwrap().manifest().clone();
    let expected = tables::read(&store.snapshot().unwrap()).unwrap();
    let mut chance = Chance(3);
    for round in 0..place::cases(150) {
        let table = Table::ALL[chance.below(4) as usize];
        let files = manifest.files(table);
        let file = &files[chance.below(files.len() as u64) as usize];
        let damaged = disk.copy();
        let path = Path::new(place::STORE).join(&file.path);
        damaged.damage(&path, |bytes| match round % 4 {
            0 => bytes.truncate(chance.below(bytes.len() as u64) as usize),
            _ => {
                let at = chance.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << chance.below(8);
            }
        });
        let snapshot = place::store_on(&damaged).snapshot().unwrap();
        // A writer looks at the checksum of what it carries on.
        let error = snapshot.read_file_checked(file).unwrap_err();
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("backup")), "{error:?}");
        // A reader does not panic; what it says has not been made up.
        if let Err(error) = snapshot.read_file(file, None) {
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        }
    }
    assert!(tables::difference(&expected, &tables::read(&store.snapshot().unwrap()).unwrap(), &[]).is_none());
}

#[test]
fn bad_bytes_in_the_manifest_are_an_error_that_names_the_store_and_says_what_to_do() {
    let folder = place::folder();
    write_logs(folder.path(), 1, 10);
    ends(wa(folder.path(), NOW).args(["--store", "store", "ingest", "00.ndjson"]), 0);
    let path = folder.path().join("store/manifest.json");
    let good = fs::read(&path).unwrap();
    for at in [0, 20, good.len() / 2, good.len() - 10] {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&path, &bad).unwrap();
        for arguments in [&["files", "events"][..], &["ingest", "00.ndjson"], &["gc", "--yes"]] {
            let output = ends(wa(folder.path(), NOW).args(["--store", "store"]).args(arguments), 1);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(said.contains("store") && said.contains("manifest.json"), "{arguments:?}: {said}");
        }
        assert_eq!(fs::read(&path).unwrap(), bad, "a damaged manifest is left as it is");
    }
    fs::write(&path, &good).unwrap();
    ends(wa(folder.path(), NOW).args(["--store", "store", "ingest", "00.ndjson"]), 0);
}

#[test]
fn bad_bytes_in_a_parquet_file_keep_an_ingest_from_carrying_the_damage_on() {
    let folder = place::folder();
    write_logs(folder.path(), 2, 50);
    ends(wa(folder.path(), NOW).args(["--store", "store", "ingest", "00.ndjson"]), 0);
    let list = ends(wa(folder.path(), NOW).args(["--store", "store", "files", "sessions"]), 0);
    let list = String::from_utf8(list.stdout).unwrap();
    for file in list.lines() {
        let path = folder.path().join(file);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 16;
        fs::write(&path, &bad).unwrap();
    }
    let output = ends(wa(folder.path(), NOW).args(["--store", "store", "ingest", "01.ndjson"]), 1);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(".parquet") && said.contains("backup"), "{said}");
}

/// A page that Zstandard unpacks after all, and whose bytes differ, would be read as other times and ids.
#[test]
fn bad_bytes_of_one_bit_in_a_parquet_file_are_never_carried_on_by_an_ingest() {
    let folder = place::folder();
    write_logs(folder.path(), 2, 300);
    let options = |file: &str, force| wa::ingest::IngestOptions {
        force,
        ..place::options(
            vec![folder.path().join(file).display().to_string()],
            wa::time::parse_human(NOW).unwrap(),
        )
    };
    let disk = MemoryDisk::new();
    let settings = place::settings();
    place::ingest(&disk, &settings, &options("00.ndjson", false)).unwrap();
    let manifest = place::store_on(&disk).snapshot().unwrap().manifest().clone();

    let mut chance = Chance(11);
    let mut refused = 0;
    // Events of the second log; or the first once more, of which all are there already.
    for (log, force) in [("01.ndjson", false), ("00.ndjson", true)] {
        let whole = disk.copy();
        place::ingest(&whole, &settings, &options(log, force)).unwrap();
        let expected = tables::read(&place::store_on(&whole).snapshot().unwrap()).unwrap();
        for _ in 0..place::cases(100) {
            let table = Table::ALL[chance.below(4) as usize];
            let files = manifest.files(table);
            let file = &files[chance.below(files.len() as u64) as usize];
            let path = Path::new(place::STORE).join(&file.path);
            let damaged = disk.copy();
            let mut good = Vec::new();
            damaged.damage(&path, |bytes| {
                good.clone_from(bytes);
                bytes[chance.below(good.len() as u64) as usize] ^= 1 << chance.below(8);
            });
            let went_well = place::ingest(&damaged, &settings, &options(log, force))
                .is_ok_and(|report| report.failure.is_none());
            refused += u32::from(!went_well);
            if damaged.files().contains(&path) {
                damaged.damage(&path, |bytes| *bytes = good);
            }
            if !went_well {
                place::ingest(&damaged, &settings, &options(log, force)).unwrap();
            }
            let found = tables::difference(
                &expected,
                &tables::read(&place::store_on(&damaged).snapshot().unwrap()).unwrap(),
                &["created_at", "updated_at"],
            );
            assert!(found.is_none(), "a bit of {}: {found:?}", file.path);
            assert_eq!(place::verify(&damaged), Ok(()));
        }
    }
    assert!(refused > 20, "{refused}");
}
