//! Guarantee 3, whole or not at all: stopped at, or refused, any single operation of the disk, the
//! store opens at a commit's edge, and running the same command again completes it.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use wa::identity::Identifier;
use wa::settings::Settings;
use wa::store::Store;
use wa::store::columns::Table;
use wa::store::file_system::FileSystem;
use wa::store::manifest::Manifest;
use wa::store::snapshot::Snapshot;
use wa::time::{SECOND, Zone};

use super::disk::{Chance, Fault, Left, MemoryDisk};
use super::logs::{self, NOW, Seed};
use super::naive::{self, Model};
use super::place;
use super::tables::{self, Tables};

/// Runs a command; returns the error that it ended with, and the events that it says it has stored.
type Command<'a> = dyn Fn(&Arc<MemoryDisk>) -> (Option<String>, Option<u64>) + 'a;

/// A command that changes the store: what it does, and the states that it may leave.
struct Scenario<'a> {
    name: &'a str,
    /// The disk before it.
    before: Arc<MemoryDisk>,
    /// Runs the command; the error that it ended with, and the events that it says it has stored.
    command: &'a Command<'a>,
    /// Tells of tables after how many commits they are the store's; an error where of none.
    edge: &'a dyn Fn(&Tables) -> Result<usize, String>,
    /// The last edge.
    last: usize,
}

impl Scenario<'_> {
    fn at_every_operation(&self) {
        let undisturbed = self.before.copy();
        let (error, _) = (self.command)(&undisturbed);
        assert_eq!(error, None, "{}: undisturbed", self.name);
        let operations = undisturbed.operations();
        eprintln!("{}: {operations} operations", self.name);
        self.check("undisturbed", &undisturbed, self.last, self.last);
        // What was reported as done stays, even where the power goes right after it.
        self.check("power cut at the end", &undisturbed.after(Left::Synced), self.last, self.last);
        for seed in 0..20 {
            let cut = undisturbed.after(Left::Some(seed));
            self.check(&format!("power cut {seed} at the end"), &cut, self.last, self.last);
            assert_eq!((self.command)(&cut).0, None, "{}: again after a power cut at the end", self.name);
            self.settled(&format!("again after power cut {seed} at the end"), &cut);
        }
        for at in 1..=operations {
            self.at(Fault::Error(at));
            self.at(Fault::Stop(at));
            // A disk that is full from another operation on is full from the next that needs room.
            if undisturbed.made(at) {
                self.at(Fault::Full(at));
            }
        }
    }

    fn at(&self, fault: Fault) {
        let disk = self.before.copy();
        let rows_before = events(&disk);
        disk.fail(Some(fault));
        let (error, stored) = (self.command)(&disk);
        disk.fail(None);
        let what = format!("{} with {fault:?}, which ended with {error:?}", self.name);
        let least = if error.is_none() && !matches!(fault, Fault::Stop(_)) { self.last } else { 0 };
        let edge = self.check(&what, &disk, least, self.last);
        if let Some(stored) = stored {
            let rows = events(&disk) - rows_before;
            // The manifest is replaced, but nobody can tell whether it stays so: the account is careful.
            let last_sync = format!("cannot sync the folder {}: the disk failed", place::STORE);
            let in_doubt = error.as_deref() == Some(&last_sync);
            assert!(
                stored == rows || in_doubt && stored < rows,
                "{what}: the account says {stored} stored, and there are {rows}\n{}",
                disk.last_operations(8)
            );
        }
        let mut left = vec![(disk.copy(), "as it is".to_owned())];
        if let Fault::Stop(at) = fault {
            left.push((disk.after(Left::Synced), "after a power cut".to_owned()));
            for seed in [at, at + 1000] {
                left.push((disk.after(Left::Some(seed)), format!("after power cut {seed}")));
            }
        }
        // What comes of the same is the same.
        let mut distinct: Vec<(Arc<MemoryDisk>, String)> = Vec::new();
        for (disk, how) in left {
            if !distinct.iter().any(|(other, _)| other.is_like(&disk)) {
                distinct.push((disk, how));
            }
        }
        for (number, (disk, how)) in distinct.iter().enumerate() {
            let what = format!("{what}, {how}");
            // The manifest may have been replaced and not be safe yet: one commit back at most.
            if number > 0 {
                self.check(&what, disk, edge.saturating_sub(1), edge);
            }
            let (error, _) = (self.command)(disk);
            assert_eq!(error, None, "{what}: the same command again\n{}", disk.last_operations(8));
            self.settled(&what, disk);
        }
    }

    /// Checks that the store is at an edge between two, that all that it names is whole, and that
    /// `wa verify` finds nothing.
    fn check(&self, what: &str, disk: &Arc<MemoryDisk>, least: usize, most: usize) -> usize {
        let store = place::store_on(disk);
        let tables = match store.snapshot() {
            Ok(snapshot) => {
                place::verify(disk)
                    .unwrap_or_else(|e| panic!("{what}: verify finds {e}\n{}", disk.last_operations(20)));
                tables::read(&snapshot).unwrap_or_else(|e| panic!("{what}: {e}"))
            }
            Err(_) if !store.exists() => Table::ALL.iter().map(|table| (table.name(), Vec::new())).collect(),
            Err(e) => panic!("{what}: {e}"),
        };
        let edge = (self.edge)(&tables).unwrap_or_else(|e| panic!("{what}: not at an edge: {e}"));
        assert!(least <= edge && edge <= most, "{what}: at edge {edge}, not {least} to {most}");
        edge
    }

    /// Checks that the store is as after an undisturbed run, and that nothing lies about.
    fn settled(&self, what: &str, disk: &Arc<MemoryDisk>) {
        self.check(what, disk, self.last, self.last);
        assert_eq!(place::unnamed_files(disk), None, "{what}\n{}", disk.last_operations(20));
    }
}

fn events(disk: &Arc<MemoryDisk>) -> u64 {
    let count = |snapshot: Snapshot| snapshot.manifest().files(Table::Events).iter().map(|f| f.rows).sum();
    place::store_on(disk).snapshot().map_or(0, count)
}

/// Makes some files whose events share sessions, so that each batch changes what is stored. They are of
/// the last evening of a month and the night after it: each further day costs operations that are the
/// same again.
fn logs(files: usize, events: usize) -> Vec<Vec<String>> {
    // Gaps of an hour and more are made one of half an hour.
    dealt(files, events, |gap| if gap % 12 > 8 { 4 } else { gap })
}

/// Makes such files, of a few days.
fn logs_of_days(files: usize, events: usize) -> Vec<Vec<String>> {
    dealt(files, events, |gap| gap)
}

fn dealt(files: usize, events: usize, gap: fn(u8) -> u8) -> Vec<Vec<String>> {
    let mut chance = Chance(7);
    let mut seed = |_| {
        let mut seed: Seed = std::array::from_fn(|_| chance.next() as u8);
        seed[1] = gap(seed[1]);
        seed
    };
    let seeds: Vec<Seed> = (0..files * events).map(&mut seed).collect();
    let lines = logs::lines(&seeds, 1, 1800 * SECOND);
    let mut dealt = vec![Vec::new(); files];
    for (number, line) in lines.into_iter().enumerate() {
        // Every title once, so that each prefix of the files has another number of events.
        dealt[number % files].push(line);
    }
    for (number, lines) in dealt.iter_mut().enumerate() {
        lines.push(format!("not json {number}"));
    }
    dealt
}

/// Tells after how many of the files the tables are the store's, by the naive model.
fn edge_of_files(files: &[Vec<String>], tables: &Tables) -> Result<usize, String> {
    let mut model = Model::default();
    let mut counts = BTreeMap::new();
    for number in 0..=files.len() {
        let zone = chrono_tz::Tz::UTC;
        match naive::check(&model, zone, 1800 * SECOND, tables.clone()) {
            Ok(()) => return Ok(number),
            Err(difference) => drop(counts.insert(number, difference)),
        }
        model.file(files.get(number).into_iter().flatten().map(String::as_str));
    }
    Err(format!("{counts:#?}"))
}

struct Folder {
    dir: tempfile::TempDir,
    files: Vec<Vec<String>>,
}

impl Folder {
    fn new(files: Vec<Vec<String>>) -> Folder {
        let dir = place::folder();
        for (number, lines) in files.iter().enumerate() {
            fs::write(dir.path().join(format!("{number}.ndjson")), lines.join("\n") + "\n").unwrap();
        }
        Folder { dir, files }
    }

    fn ingest(&self, disk: &Arc<MemoryDisk>, atomic: bool) -> (Option<String>, Option<u64>) {
        let options = wa::ingest::IngestOptions {
            batch_bytes: Some(1),
            atomic,
            ..place::options(vec![self.dir.path().display().to_string()], NOW)
        };
        match place::ingest(disk, &place::settings(), &options) {
            Ok(report) => {
                assert!(report.summary.adds_up());
                (report.failure.map(|e| e.to_string()), Some(report.summary.total.stored))
            }
            Err(e) => (Some(e.to_string()), None),
        }
    }
}

#[test]
fn whole_or_not_at_all_at_every_operation_of_an_ingest_into_a_new_store() {
    let folder = Folder::new(logs(2, 6));
    Scenario {
        name: "ingest",
        before: MemoryDisk::new(),
        command: &|disk| folder.ingest(disk, false),
        edge: &|tables| edge_of_files(&folder.files, tables),
        last: 2,
    }
    .at_every_operation();
}

#[test]
fn whole_or_not_at_all_at_every_operation_of_an_ingest_that_changes_stored_sessions() {
    let all = logs(3, 8);
    let first = Folder::new(all[..1].to_vec());
    let before = MemoryDisk::new();
    assert_eq!(first.ingest(&before, true).0, None);
    let folder = Folder::new(all);
    Scenario {
        name: "ingest into a store",
        before: before.after(Left::Everything),
        command: &|disk| folder.ingest(disk, false),
        // One file is there before.
        edge: &|tables| edge_of_files(&folder.files, tables).map(|edge| edge.saturating_sub(1)),
        last: 2,
    }
    .at_every_operation();
}

#[test]
fn whole_or_not_at_all_at_every_operation_of_an_atomic_ingest() {
    let folder = Folder::new(logs(3, 6));
    Scenario {
        name: "atomic ingest",
        before: MemoryDisk::new(),
        command: &|disk| folder.ingest(disk, true),
        edge: &|tables| match edge_of_files(&folder.files, tables)? {
            0 => Ok(0),
            3 => Ok(1),
            part => Err(format!("{part} of the files")),
        },
        last: 1,
    }
    .at_every_operation();
}

#[test]
fn whole_or_not_at_all_at_every_operation_of_a_gc_that_prunes_and_compacts() {
    let folder = Folder::new(logs_of_days(4, 6));
    let before = MemoryDisk::new();
    assert_eq!(folder.ingest(&before, false).0, None);
    let old = tables::read(&place::store_on(&before).snapshot().unwrap()).unwrap();
    // Today is two days after the first event: what is of its date goes.
    let first = old["events"].iter().map(|row| row["timestamp"].as_i64().unwrap()).min().unwrap();
    let settings = Settings {
        event_retention: wa::settings::Retention::Days(2),
        session_retention: wa::settings::Retention::Days(2),
        ..place::settings()
    };
    let now = first + 2 * wa::time::DAY;
    let gc = |disk: &Arc<MemoryDisk>| (place::gc(disk, &settings, now).err().map(|e| e.to_string()), None);
    let undisturbed = before.copy();
    assert_eq!(gc(&undisturbed).0, None);
    let new = tables::read(&place::store_on(&undisturbed).snapshot().unwrap()).unwrap();
    // By hand: of the first date nothing is left, of the others everything; sessions likewise, by
    // their last event, and daily stats all.
    let date = |time: i64| time.div_euclid(wa::time::DAY);
    let kept = |table: &str, column: &str| {
        old[table].iter().filter(|row| date(row[column].as_i64().unwrap()) > date(first)).count()
    };
    assert!(!new["events"].is_empty() && new["events"].len() < old["events"].len());
    assert_eq!(new["events"].len(), kept("events", "timestamp"));
    assert_eq!(new["sessions"].len(), kept("sessions", "ended_at"));
    assert_eq!(new["daily_stats"], old["daily_stats"]);
    let same = |a: &Tables, b: &Tables| tables::difference(a, b, &["counted_new_on"]).is_none();
    Scenario {
        name: "gc",
        before: before.after(Left::Everything),
        command: &gc,
        edge: &|tables| match () {
            () if same(&new, tables) => Ok(1),
            () if same(&old, tables) => Ok(0),
            () => Err(tables::difference(&old, tables, &["counted_new_on"]).unwrap_or_default()),
        },
        last: 1,
    }
    .at_every_operation();
}

/// Rebuilds a store by other settings, with the disk failing at its operations.
fn rebuild_by(name: &str, settings: Settings) {
    let folder = Folder::new(logs(4, 6));
    let before = MemoryDisk::new();
    assert_eq!(folder.ingest(&before, false).0, None);
    let mut model = Model::default();
    for lines in &folder.files {
        model.file(lines.iter().map(String::as_str));
    }
    let same = |tables: &Tables, settings: &Settings| {
        naive::check(&model, settings.timezone.0, settings.session_timeout, tables.clone())
    };
    // Else it would be at both edges at once.
    let old = tables::read(&place::store_on(&before).snapshot().unwrap()).unwrap();
    assert!(same(&old, &settings).is_err());
    Scenario {
        name,
        before: before.after(Left::Everything),
        command: &|disk| (place::rebuild(disk, &settings, NOW).err().map(|e| e.to_string()), None),
        edge: &|tables| match (same(tables, &settings), same(tables, &place::settings())) {
            (Ok(()), _) => Ok(1),
            (_, Ok(())) => Ok(0),
            (Err(new), Err(old)) => Err(format!("neither the new state:\n{new}\nnor the old:\n{old}")),
        },
        last: 1,
    }
    .at_every_operation();
}

#[test]
fn whole_or_not_at_all_at_every_operation_of_a_rebuild_by_another_timeout() {
    rebuild_by("rebuild, timeout", Settings { session_timeout: 90 * SECOND, ..place::settings() });
}

#[test]
fn whole_or_not_at_all_at_every_operation_of_a_rebuild_by_another_zone() {
    let timezone = Zone::parse("America/New_York").unwrap();
    rebuild_by("rebuild, zone", Settings { timezone, ..place::settings() });
}

#[test]
fn whole_or_not_at_all_at_every_operation_of_a_rebuild_that_mends_the_tables() {
    let folder = Folder::new(logs(3, 6));
    let before = MemoryDisk::new();
    assert_eq!(folder.ingest(&before, false).0, None);
    let mut model = Model::default();
    for lines in &folder.files {
        model.file(lines.iter().map(String::as_str));
    }
    // As a fault of an earlier version might have left it: a file of sessions is gone from the table.
    let first = || Manifest::new(NOW, "UTC", 1800 * SECOND);
    let mut writer = place::store_on(&before).writer_without_lock(first).unwrap();
    let mut transaction = writer.begin();
    let lost = transaction.manifest().files(Table::Sessions)[0].path.clone();
    transaction.remove(Table::Sessions, &lost);
    writer.commit(transaction, NOW).unwrap();
    writer.finish().unwrap();
    assert!(place::verify(&before).is_err());
    let disk = before.copy();
    let rebuilt = place::rebuild(&disk, &place::settings(), NOW).unwrap();
    assert!(rebuilt.changed && rebuilt.sessions > rebuilt.sessions_before);
    assert_eq!(place::verify(&disk), Ok(()));
    let found = tables::read(&place::store_on(&disk).snapshot().unwrap()).unwrap();
    naive::check(&model, chrono_tz::Tz::UTC, 1800 * SECOND, found).unwrap();
    // Stopped anywhere, it can be run again.
    for at in 1..=disk.operations() {
        let disk = before.copy();
        disk.fail(Some(Fault::Stop(at)));
        let _ = place::rebuild(&disk, &place::settings(), NOW);
        disk.fail(None);
        for left in [Left::Everything, Left::Synced, Left::Some(at)] {
            let disk = disk.after(left);
            place::rebuild(&disk, &place::settings(), NOW).unwrap();
            assert_eq!(place::verify(&disk), Ok(()));
            assert_eq!(place::unnamed_files(&disk), None);
        }
    }
}

/// Who is to be forgotten.
const MALLORY: &str = "mallory-7";

/// Makes the lines of a few persons, each with sessions of their own on days that they share. The last
/// line names one of them and is refused.
fn persons() -> Vec<String> {
    let mut lines = Vec::new();
    for number in 0..36_usize {
        let person = ["alice", MALLORY, "bob"][number % 3];
        // An event of each every three hours: each is a session.
        let time = 1_790_000_000 + number * 3600;
        let page = ["pricing", "docs", person][number / 3 % 3];
        lines.push(format!(
            "{{\"event_id\":\"{number}\",\"chatbot_id\":\"c\",\"session_id\":\"of {person} {}\",\
             \"anonymous_id\":\"cookie of {person}\",\"user_id\":\"{person}\",\"event_name\":\"message_sent\",\
             \"page_title\":\"n{number}\",\"page_url\":\"https://shop.example.com/{page}\",\"timestamp\":{time}}}",
            number / 6
        ));
    }
    lines.push(format!(
        "{{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"user_id\":\"{MALLORY}\",\"event_name\":\"x\",\"timestamp\":\"never\"}}"
    ));
    lines
}

#[test]
fn whole_or_not_at_all_at_every_operation_of_an_erasure() {
    let lines = persons();
    let folder = Folder::new(lines.chunks(10).map(<[String]>::to_vec).collect());
    let before = MemoryDisk::new();
    assert_eq!(folder.ingest(&before, false).0, None);
    let model = |lines: &mut dyn Iterator<Item = &String>| {
        let mut model = Model::default();
        model.file(lines.map(String::as_str));
        model
    };
    let old = model(&mut lines.iter());
    let new = model(&mut lines.iter().filter(|line| !line.contains(MALLORY)));
    let same = |model: &Model, tables: &Tables| {
        naive::check(model, chrono_tz::Tz::UTC, 1800 * SECOND, tables.clone())
    };
    let forget = |disk: &Arc<MemoryDisk>| {
        let who = [Identifier::new(wa::identity::IdentifierKind::User, MALLORY)];
        let outcome = place::forget(disk, &who, NOW);
        if outcome.is_ok() {
            // When it says so, no file has the name any more.
            let disk = disk.copy();
            for path in disk.files() {
                let bytes = disk.read(&path).unwrap();
                let found = bytes.windows(MALLORY.len()).any(|window| window == MALLORY.as_bytes());
                assert!(!found, "{} holds the name", path.display());
            }
        }
        (outcome.err().map(|e| e.to_string()), None)
    };
    Scenario {
        name: "forget",
        before: before.after(Left::Everything),
        command: &forget,
        edge: &|tables| match (same(&new, tables), same(&old, tables)) {
            (Ok(()), _) => Ok(1),
            (_, Ok(())) => Ok(0),
            (Err(new), Err(old)) => Err(format!("neither without the person:\n{new}\nnor with:\n{old}")),
        },
        last: 1,
    }
    .at_every_operation();
}

#[test]
fn whole_or_not_at_all_a_store_that_is_not_there_is_not_made_by_reading() {
    let disk = MemoryDisk::new();
    assert!(Store::with_file_system(disk.clone(), place::STORE).snapshot().is_err());
    assert!(disk.files().is_empty());
}

#[test]
fn whole_or_not_at_all_a_full_disk_gets_its_sentence_and_keeps_what_was_committed() {
    let folder = Folder::new(logs(3, 6));
    let undisturbed = MemoryDisk::new();
    assert_eq!(folder.ingest(&undisturbed, false).0, None);
    let disk = MemoryDisk::new();
    // Somewhere in the middle: some of the three batches are stored by then.
    disk.fail(Some(Fault::Full(undisturbed.operations() / 2)));
    let options = wa::ingest::IngestOptions {
        batch_bytes: Some(1),
        ..place::options(vec![folder.dir.path().display().to_string()], NOW)
    };
    let report = place::ingest(&disk, &place::settings(), &options).unwrap();
    let failure = report.failure.unwrap();
    assert_eq!(failure.kind(), wa::ErrorKind::Failed);
    assert!(failure.to_string().starts_with("cannot write /wa-memory-disk/store/staging/"), "{failure}");
    let hint = failure.hint_text().unwrap();
    assert!(hint.contains("free some space") && hint.contains("what was committed is kept"), "{hint}");
    assert!(report.committed && report.summary.total.stored > 0);
    assert_eq!(events(&disk), report.summary.total.stored);
    disk.fail(None);
    assert_eq!(folder.ingest(&disk, false).0, None);
    assert_eq!(events(&disk), events(&undisturbed));
}

#[test]
fn whole_or_not_at_all_an_ingest_that_fails_says_whether_it_has_committed_anything_itself() {
    let all = logs(3, 6);
    let (first, folder) = (Folder::new(all[..1].to_vec()), Folder::new(all));
    let before = MemoryDisk::new();
    assert_eq!(first.ingest(&before, true).0, None);
    let generation = |disk: &Arc<MemoryDisk>| place::store_on(disk).snapshot().unwrap().manifest().generation;
    let options = wa::ingest::IngestOptions {
        batch_bytes: Some(1),
        ..place::options(vec![folder.dir.path().display().to_string()], NOW)
    };
    let mut seen = std::collections::BTreeSet::new();
    for operation in 0.. {
        let disk = before.after(Left::Everything);
        disk.fail(Some(Fault::Full(operation)));
        // Else it failed before it began.
        let Ok(report) = place::ingest(&disk, &place::settings(), &options) else { continue };
        disk.fail(None);
        if report.failure.is_none() {
            break;
        }
        assert_eq!(report.committed, generation(&disk) > generation(&before), "at operation {operation}");
        seen.insert(report.committed);
    }
    assert_eq!(seen.len(), 2);
}
