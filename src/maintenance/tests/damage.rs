//! Tests that verify finds damage and rebuild repairs it.

use std::sync::Mutex;

use super::fixture::{Fixture, line};
use crate::maintenance;
use crate::maintenance::repeated_events::check_in_parts;
use crate::progress::{NoProgress, Progress};
use crate::settings::Settings;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::tables;
use crate::store::transaction::{NewFile, Transaction};
use crate::store::update::partition::encode_file;

const NOW: &str = "2026-03-20T12:00:00Z";

/// Returns a store with two visitors and three sessions on two days. One session crosses midnight.
fn ingested_store() -> Fixture {
    let mut fixture = Fixture::new(NOW);
    fixture.ingest(&[
        line("2026-03-10T10:00:00Z", "a", "widget_opened", ",\"anonymous_id\":\"v\""),
        line("2026-03-10T10:10:00Z", "a", "message_sent", ",\"anonymous_id\":\"v\""),
        line("2026-03-10T23:50:00Z", "b", "message_sent", ",\"anonymous_id\":\"w\""),
        line("2026-03-11T00:10:00Z", "b", "message_received", ",\"anonymous_id\":\"w\""),
        line("2026-03-11T09:00:00Z", "a", "page_view", ",\"anonymous_id\":\"v\""),
        "no json\n".to_owned(),
    ]);
    fixture.assert_clean();
    fixture
}

/// Returns the path of the first file of a table.
fn first_file(fixture: &Fixture, table: Table) -> std::path::PathBuf {
    let snapshot = fixture.store().snapshot().unwrap();
    snapshot.dir().join(&snapshot.manifest().files(table)[0].path)
}

/// Checks that verify finds a difference, and returns the number of all differences.
#[track_caller]
fn finds(fixture: &Fixture, object: &str, message: &str) -> u64 {
    let report = fixture.verify();
    let found =
        report.differences.iter().any(|d| d.object.starts_with(object) && d.message.contains(message));
    assert!(found, "expected {message:?} for {object:?}: {report:#?}");
    report.differences.len() as u64 + report.further_differences
}

#[test]
fn flipped_byte_is_found_in_every_file() {
    for table in Table::ALL {
        let fixture = ingested_store();
        let path = first_file(&fixture, table);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(finds(&fixture, table.name(), "checksum"), 1);
        assert!(!fixture.verify().tables_compared);
    }
    let fixture = ingested_store();
    let snapshot = fixture.store().snapshot().unwrap();
    let rejects = &snapshot.manifest().rejects[0];
    let sources = snapshot.manifest().sources.as_ref().unwrap();
    for (path, what) in [(&rejects.path, "checksum"), (&sources.path, "checksum")] {
        let full = snapshot.dir().join(path);
        let mut bytes = std::fs::read(&full).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&full, bytes).unwrap();
        finds(&fixture, path, what);
    }
}

#[test]
fn missing_truncated_and_orphan_files_are_found() {
    let fixture = ingested_store();
    let path = first_file(&fixture, Table::Sessions);
    std::fs::write(path.with_file_name("orphan.parquet"), "x").unwrap();
    assert_eq!(finds(&fixture, "sessions/session_date=2026-03-10/orphan.parquet", "does not name it"), 1);
    // While a writer is running, the file may belong to that writer.
    std::fs::create_dir(fixture.store().dir().join("staging")).unwrap();
    let report = fixture.verify();
    assert!(report.is_clean() && report.notes.len() == 1, "{report:#?}");
    std::fs::remove_dir(fixture.store().dir().join("staging")).unwrap();
    std::fs::remove_file(path.with_file_name("orphan.parquet")).unwrap();
    fixture.assert_clean();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(finds(&fixture, "sessions/", "bytes, not"), 1);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(finds(&fixture, "sessions/", "cannot be read"), 1);
}

#[test]
fn damaged_or_missing_key_is_found() {
    let fixture = ingested_store();
    let path = fixture.store().dir().join("key");
    let good = std::fs::read_to_string(&path).unwrap();
    let other = format!("{}{}", if good.starts_with('0') { '1' } else { '0' }, &good[1..]);
    for (key, what) in [("", "damaged"), (&good[1..], "damaged"), (&other, "not the secret key")] {
        std::fs::write(&path, key).unwrap();
        assert_eq!(finds(&fixture, "key", what), 1);
        let report = fixture.verify();
        assert!(report.key_damaged && report.tables_compared, "{report:#?}");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(finds(&fixture, "key", "missing"), 1);
    // The digits of a key are case-insensitive.
    std::fs::write(&path, good.to_uppercase()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    fixture.assert_clean();
}

#[test]
fn key_that_was_never_used_may_be_missing() {
    let fixture = Fixture::new(NOW);
    fixture.writer().finish().unwrap();
    assert!(!fixture.store().dir().join("key").exists());
    fixture.assert_clean();
}

#[test]
fn unreadable_settings_are_found() {
    let fixture = ingested_store();
    let settings = Err(crate::Error::usage("wa.toml, line 4: no value"));
    let report = maintenance::verify(&fixture.store(), &settings, &NoProgress).unwrap();
    assert_eq!(report.differences.len(), 1);
    assert_eq!(report.differences[0].object, "wa.toml");
    assert!(report.settings_damaged && report.tables_compared && !report.key_damaged, "{report:#?}");
}

#[test]
fn wrong_footer_checksum_in_the_manifest_is_found() {
    let fixture = ingested_store();
    let mut writer = fixture.writer();
    let mut transaction = writer.begin();
    for files in transaction.manifest().tables.values_mut() {
        files.iter_mut().for_each(|file| file.footer_checksum = file.footer_checksum.map(|sum| sum ^ 1));
    }
    writer.commit(transaction, 0).unwrap();
    writer.finish().unwrap();
    assert_eq!(finds(&fixture, "events/", "checksum of its footer"), fixture.file_count());
    // Reports still read the right figures: they check and read the whole file.
    assert_eq!(fixture.sessions().len(), 3);
}

#[test]
fn damaged_manifest_is_an_error_with_the_store_path() {
    let fixture = ingested_store();
    let path = fixture.store().dir().join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"rows\":", "\"rows\": ")).unwrap();
    let error = maintenance::verify(&fixture.store(), &Ok(Settings::default()), &NoProgress).unwrap_err();
    assert!(error.to_string().contains(&fixture.store().dir().display().to_string()), "{error}");
}

/// Replaces the first file of a table in a commit, as a bug in `wa` could.
fn replace(fixture: &Fixture, table: Table, make: impl FnOnce(NewFile, &mut Transaction) -> NewFile) {
    let mut writer = fixture.writer();
    let snapshot = writer.snapshot().unwrap();
    let mut transaction = writer.begin();
    let old = snapshot.manifest().files(table)[0].clone();
    transaction.remove(&old);
    let bytes = std::fs::read(snapshot.dir().join(&old.path)).unwrap();
    let file = NewFile::new(table, old.day, old.rows, (old.min_time, old.max_time), bytes);
    let file = make(file, &mut transaction);
    transaction.add(file).unwrap();
    writer.commit(transaction, fixture.now).unwrap();
    writer.finish().unwrap();
}

#[test]
fn wrong_manifest_entry_is_found() {
    let of = |change: fn(&mut NewFile)| {
        let fixture = ingested_store();
        replace(&fixture, Table::Events, |mut file, _| {
            change(&mut file);
            file
        });
        fixture
    };
    finds(&of(|file| file.rows += 1), "events/", "has 3 rows, not 4");
    finds(&of(|file| file.min_time -= 1), "events/", "minimum time");
    finds(&of(|file| file.max_time += 1), "events/", "maximum time");
    finds(&of(|file| file.day = file.day.plus(1)), "events/", "3 rows belong to another partition");
    let of_visitors = of(|file| (file.table, file.day) = (Table::Visitors, file.day.month_start()));
    finds(&of_visitors, "visitors/", "columns are not those of visitors");
}

/// Changes the sessions of the first file of `sessions`.
fn change_sessions(fixture: &Fixture, change: impl FnOnce(&mut Vec<crate::session::SessionSummary<'_>>)) {
    let snapshot = fixture.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::Sessions)[0].clone();
    let frame = snapshot.read_file(&old, None).unwrap();
    let mut sessions = tables::sessions::read(&frame).unwrap();
    change(&mut sessions);
    replace(fixture, Table::Sessions, |file, _| {
        let frame = tables::sessions::frame(&sessions).unwrap();
        encode_file(Table::Sessions, file.day, &frame).unwrap()
    });
}

#[test]
fn wrong_session_is_found_and_repaired_by_rebuild() {
    type Change = fn(&mut Vec<crate::session::SessionSummary<'_>>);
    let changes: [(Change, &str); 5] = [
        (|s| s[0].counts.add("message_sent".into(), 1), "event_counts"),
        (|s| s[0].ended_at += 1, "ended_at"),
        (|s| s[0].first.id += 1, "first_event_id"),
        (|s| drop(s.remove(0)), "is missing"),
        (|s| s[0].first.time -= 1, "does not match its events"),
    ];
    for (change, what) in changes {
        let mut fixture = ingested_store();
        let before = fixture.content();
        change_sessions(&fixture, change);
        assert!(finds(&fixture, "sessions", what) >= 1);
        assert!(fixture.rebuild().changed);
        fixture.assert_clean();
        assert_eq!(fixture.content(), before);
    }
}

#[test]
fn repeated_session_is_found_and_repaired() {
    let mut fixture = ingested_store();
    let before = fixture.content();
    change_sessions(&fixture, |sessions| sessions.push(sessions[0].clone()));
    finds(&fixture, "sessions", "does not match its events");
    fixture.rebuild();
    fixture.assert_clean();
    assert_eq!(fixture.content(), before);
}

/// If the older file of the date is read first, its events equal the row. Then the other file
/// continues the session. The order of the files depends on their random names.
#[test]
fn event_of_another_file_is_missing_in_the_row() {
    for _ in 0..8 {
        let mut fixture = Fixture::new(NOW);
        let visit = |time: &str| line(time, "a", "page_view", ",\"anonymous_id\":\"v\"");
        fixture.ingest(&[visit("2026-03-10T10:00:00Z"), visit("2026-03-10T10:05:00Z")]);
        let snapshot = fixture.store().snapshot().unwrap();
        let old = snapshot.manifest().files(Table::Sessions)[0].clone();
        let frame = snapshot.read_file(&old, None).unwrap();
        fixture.ingest(&[visit("2026-03-10T10:10:00Z")]);
        assert_eq!(fixture.store().snapshot().unwrap().manifest().files(Table::Events).len(), 2);
        let before = fixture.content();
        replace(&fixture, Table::Sessions, |file, _| encode_file(Table::Sessions, file.day, &frame).unwrap());
        finds(&fixture, "sessions", "does not match its events");
        assert_eq!(fixture.rebuild().sessions_changed, 1);
        fixture.assert_clean();
        assert_eq!(fixture.content(), before);
    }
}

#[test]
fn wrong_derived_column_is_found_and_repaired() {
    let mut fixture = ingested_store();
    let before = fixture.content();
    let snapshot = fixture.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::Sessions)[0].clone();
    let mut frame = snapshot.read_file(&old, None).unwrap();
    frame.replace_ints("messages_sent", &vec![7; frame.height()]).unwrap();
    replace(&fixture, Table::Sessions, |file, _| encode_file(Table::Sessions, file.day, &frame).unwrap());
    finds(&fixture, "sessions", "derived columns that do not match");
    fixture.rebuild();
    fixture.assert_clean();
    assert_eq!(fixture.content(), before);
}

#[test]
fn wrong_first_seen_time_is_found() {
    let change = |change: fn(&mut Vec<tables::visitors::Visitor>)| {
        let fixture = ingested_store();
        let snapshot = fixture.store().snapshot().unwrap();
        let old = snapshot.manifest().files(Table::Visitors)[0].clone();
        let mut visitors = tables::visitors::read(&snapshot.read_file(&old, None).unwrap()).unwrap();
        change(&mut visitors);
        replace(&fixture, Table::Visitors, |file, _| {
            let frame = tables::visitors::frame(&visitors).unwrap();
            encode_file(Table::Visitors, file.day, &frame).unwrap()
        });
        fixture
    };
    let mut late = change(|v| v[0].first_seen_at += 1);
    finds(&late, "visitors", "before its first-seen time");
    assert_eq!(late.rebuild().first_seen_changed, 1);
    late.assert_clean();
    finds(&change(|v| v[0].first_seen_at -= 1), "visitors", "has no event at its first-seen time");
    let mut missing = change(|v| drop(v.remove(0)));
    finds(&missing, "visitors", "has events but no row");
    missing.rebuild();
    missing.assert_clean();
    finds(&change(|v| v.push(v[0].clone())), "visitors", "more than one row");
}

#[test]
fn wrong_daily_metric_is_found_and_repaired() {
    type Change = fn(&mut Vec<crate::daily_stats::DailyStats>);
    let changes: [(Change, &str); 4] = [
        (|rows| rows[0].total_messages_sent += 1, "total_messages_sent is 3, not 2"),
        (|rows| drop(rows.remove(0)), "has sessions but no row"),
        (|rows| rows[0].stat_date = rows[0].stat_date.plus(9), "has a row but no sessions"),
        (|rows| rows[0].top_referrers.push(' '), "top_referrers differs"),
    ];
    for (change, what) in changes {
        let mut fixture = ingested_store();
        let before = fixture.content();
        change_daily_stats(&fixture, change);
        finds(&fixture, "daily_stats", what);
        fixture.rebuild();
        fixture.assert_clean();
        assert_eq!(fixture.content(), before);
    }
}

/// Changes the rows of the first file of daily statistics.
fn change_daily_stats(fixture: &Fixture, change: impl FnOnce(&mut Vec<crate::daily_stats::DailyStats>)) {
    let snapshot = fixture.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::DailyStats)[0].clone();
    let mut rows = tables::daily_stats::read(&snapshot.read_file(&old, None).unwrap()).unwrap();
    change(&mut rows);
    replace(fixture, Table::DailyStats, |file, _| {
        crate::store::update::daily::encode_month(file.day, rows).unwrap().unwrap()
    });
}

#[test]
fn statistics_below_retained_sessions_are_repaired() {
    type Change = fn(&mut Vec<crate::daily_stats::DailyStats>);
    // On the 10th, v's session is pruned and w's session is retained; both visitors were new.
    let changes: [(Change, &str); 5] = [
        (|rows| rows[0].total_messages_received = 0, "total_messages_received is 0, not at least 1"),
        (|rows| rows[0].new_visitors = -1, "new_visitors is -1, not at least 2"),
        (|rows| rows[0].new_visitors = 3, "returning_visitors is -1, not at least 0"),
        (|rows| rows[0].unique_visitors = 1, "returning_visitors is -1, not at least 0"),
        (|rows| drop(rows.remove(0)), "2026-03-10 of chatbot \"c\" has sessions but no row"),
    ];
    for (number, (change, what)) in changes.into_iter().enumerate() {
        let mut fixture = ingested_store();
        fixture.gc(Some(10), Some(10));
        fixture.assert_clean();
        let before = fixture.content();
        change_daily_stats(&fixture, change);
        finds(&fixture, "daily_stats", what);
        fixture.rebuild();
        fixture.assert_clean();
        if number < 4 {
            assert_eq!(fixture.content(), before);
        }
    }
}

#[test]
fn missing_event_is_found() {
    let fixture = ingested_store();
    let snapshot = fixture.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::Events)[0].clone();
    let frame = snapshot.read_file(&old, None).unwrap();
    let rest = frame.filter((0..frame.height()).map(|row| row > 0)).unwrap();
    replace(&fixture, Table::Events, |file, _| encode_file(Table::Events, file.day, &rest).unwrap());
    finds(&fixture, "sessions", "does not match its events");
}

#[test]
fn repeated_event_is_found() {
    let fixture = ingested_store();
    let snapshot = fixture.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::Events)[0].clone();
    let frame = snapshot.read_file(&old, None).unwrap();
    let first = frame.slice(0, 1);
    let frame = Frame::concat(vec![frame, first]).unwrap();
    replace(&fixture, Table::Events, |file, _| encode_file(Table::Events, file.day, &frame).unwrap());
    finds(&fixture, "events", "is stored twice");
    finds(&fixture, "sessions", "does not match its events");
    let snapshot = fixture.store().snapshot().unwrap();
    for events_together in 1..5 {
        assert_eq!(check_in_parts(&snapshot, events_together).unwrap().count(), 1);
    }
}

/// Ingests a line whenever a check starts, up to a number of times.
struct IngestOnStart {
    fixture: Mutex<(Fixture, usize)>,
}

impl Progress for IngestOnStart {
    fn set_total(&self, _: u64) {
        let (fixture, left) = &mut *self.fixture.lock().unwrap();
        if let Some(fewer) = left.checked_sub(1) {
            *left = fewer;
            // The line extends a session, so that its file is replaced.
            fixture.ingest(&[line(&format!("2026-03-10T10:00:{fewer:02}Z"), "a", "page_view", "")]);
        }
    }
    fn advance(&self, _: u64) {}
    fn set_step(&self, _: &str) {}
}

#[test]
fn verify_restarts_after_a_write_up_to_ten_times() {
    for (changes, ends) in [(3, true), (30, false)] {
        let fixture = ingested_store();
        let store = fixture.store();
        let writer = IngestOnStart { fixture: Mutex::new((fixture, changes)) };
        let outcome = maintenance::verify(&store, &Ok(Settings::default()), &writer);
        let left = writer.fixture.lock().unwrap().1;
        match (outcome, ends) {
            (Ok(report), true) => assert!(report.is_clean() && left == 0, "{report:#?}"),
            (Err(error), false) => {
                assert_eq!(left, 20, "verify started ten times");
                assert!(
                    error.to_string().contains("a writer changed it during each of 10 attempts"),
                    "{error}"
                );
                assert!(error.hint_text().is_some());
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
}
