//! What verify finds.

use std::sync::Mutex;

use super::fixture::{Place, line};
use crate::maintenance;
use crate::progress::Progress;
use crate::store::columns::Table;
use crate::store::frame::Frame;
use crate::store::tables;
use crate::store::transaction::{NewFile, Transaction};
use crate::store::update::partition::encode_file;

const NOW: &str = "2026-03-20T12:00:00Z";

/// A store with three sessions on two days, one of them over midnight, and two visitors.
fn place() -> Place {
    let mut place = Place::new(NOW);
    place.ingest(&[
        line("2026-03-10T10:00:00Z", "a", "widget_opened", ",\"anonymous_id\":\"v\""),
        line("2026-03-10T10:10:00Z", "a", "message_sent", ",\"anonymous_id\":\"v\""),
        line("2026-03-10T23:50:00Z", "b", "message_sent", ",\"anonymous_id\":\"w\""),
        line("2026-03-11T00:10:00Z", "b", "message_received", ",\"anonymous_id\":\"w\""),
        line("2026-03-11T09:00:00Z", "a", "page_view", ",\"anonymous_id\":\"v\""),
        "no json\n".to_owned(),
    ]);
    place.is_clean();
    place
}

/// Returns the path of the first file of a table.
fn first(place: &Place, table: Table) -> std::path::PathBuf {
    let snapshot = place.store().snapshot().unwrap();
    snapshot.dir().join(&snapshot.manifest().files(table)[0].path)
}

/// Checks that verify finds this, and returns how much it finds.
#[track_caller]
fn finds(place: &Place, object: &str, message: &str) -> u64 {
    let report = place.verify();
    let found =
        report.differences.iter().any(|d| d.object.starts_with(object) && d.message.contains(message));
    assert!(found, "expected {message:?} for {object:?}: {report:#?}");
    report.differences.len() as u64 + report.further_differences
}

#[test]
fn a_flipped_byte_is_found_in_every_file() {
    for table in Table::ALL {
        let place = place();
        let path = first(&place, table);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(finds(&place, table.name(), "checksum"), 1);
        assert!(!place.verify().tables_compared);
    }
    let place = place();
    let snapshot = place.store().snapshot().unwrap();
    let rejects = &snapshot.manifest().rejects[0];
    let sources = snapshot.manifest().sources.as_ref().unwrap();
    for (path, what) in [(&rejects.path, "checksum"), (&sources.path, "checksum")] {
        let full = snapshot.dir().join(path);
        let mut bytes = std::fs::read(&full).unwrap();
        bytes[3] ^= 1;
        std::fs::write(&full, bytes).unwrap();
        finds(&place, path, what);
    }
}

#[test]
fn a_missing_a_shortened_and_an_unknown_file_are_found() {
    let place = place();
    let path = first(&place, Table::Sessions);
    std::fs::write(path.with_file_name("stranger.parquet"), "x").unwrap();
    assert_eq!(finds(&place, "sessions/session_date=2026-03-10/stranger.parquet", "does not name it"), 1);
    // Beside the folder of a writer it is the writer's own.
    std::fs::create_dir(place.store().dir().join("staging")).unwrap();
    let report = place.verify();
    assert!(report.is_clean() && report.notes.len() == 1, "{report:#?}");
    std::fs::remove_dir(place.store().dir().join("staging")).unwrap();
    std::fs::remove_file(path.with_file_name("stranger.parquet")).unwrap();
    place.is_clean();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(finds(&place, "sessions/", "bytes, not"), 1);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(finds(&place, "sessions/", "cannot be read"), 1);
}

#[test]
fn a_damaged_manifest_is_an_error_that_names_the_store() {
    let place = place();
    let path = place.store().dir().join("manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"rows\":", "\"rows\": ")).unwrap();
    let error = crate::maintenance::verify(&place.store(), &crate::progress::NoProgress).unwrap_err();
    assert!(error.to_string().contains(&place.store().dir().display().to_string()), "{error}");
}

/// Puts another file in the place of the first file of a table, as a fault of `wa` would.
fn replace(place: &Place, table: Table, make: impl FnOnce(NewFile, &mut Transaction) -> NewFile) {
    let mut writer = place.writer();
    let snapshot = writer.snapshot().unwrap();
    let mut transaction = writer.begin();
    let old = snapshot.manifest().files(table)[0].clone();
    transaction.remove(table, &old.path);
    let bytes = std::fs::read(snapshot.dir().join(&old.path)).unwrap();
    let file = NewFile::new(table, old.day, old.rows, (old.min_time, old.max_time), bytes);
    let file = make(file, &mut transaction);
    transaction.add(file).unwrap();
    writer.commit(transaction, place.now).unwrap();
    writer.finish().unwrap();
}

#[test]
fn what_the_manifest_says_wrong_of_a_file_is_found() {
    let of = |change: fn(&mut NewFile)| {
        let place = place();
        replace(&place, Table::Events, |mut file, _| {
            change(&mut file);
            file
        });
        place
    };
    finds(&of(|file| file.rows += 1), "events/", "has 3 rows, not 4");
    finds(&of(|file| file.min_time -= 1), "events/", "minimum time");
    finds(&of(|file| file.max_time += 1), "events/", "maximum time");
    finds(&of(|file| file.day = file.day.plus(1)), "events/", "3 rows belong to another partition");
    finds(&of(|file| file.table = Table::Visitors), "visitors/", "columns are not those of visitors");
}

/// Changes the sessions of the first file.
fn tamper(place: &Place, change: impl FnOnce(&mut Vec<crate::session::SessionSummary<'_>>)) {
    let snapshot = place.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::Sessions)[0].clone();
    let frame = snapshot.read_file(&old, None).unwrap();
    let mut sessions = tables::sessions::read(&frame).unwrap();
    change(&mut sessions);
    replace(place, Table::Sessions, |file, _| {
        let frame = tables::sessions::frame(&sessions).unwrap();
        encode_file(Table::Sessions, file.day, &frame).unwrap()
    });
}

#[test]
fn a_session_that_is_not_what_its_events_make_is_found_and_mended_by_a_rebuild() {
    type Change = fn(&mut Vec<crate::session::SessionSummary<'_>>);
    let changes: [(Change, &str); 5] = [
        (|s| s[0].counts.add("message_sent".into(), 1), "event_counts"),
        (|s| s[0].ended_at += 1, "ended_at"),
        (|s| s[0].first.id += 1, "first_event_id"),
        (|s| drop(s.remove(0)), "is missing"),
        (|s| s[0].first.time -= 1, "does not match its events"),
    ];
    for (change, what) in changes {
        let mut place = place();
        let before = place.figures();
        tamper(&place, change);
        assert!(finds(&place, "sessions", what) >= 1);
        assert!(place.rebuild().changed);
        place.is_clean();
        assert_eq!(place.figures(), before);
    }
}

#[test]
fn a_session_stored_twice_is_found_and_mended() {
    let mut place = place();
    let before = place.figures();
    tamper(&place, |sessions| sessions.push(sessions[0].clone()));
    finds(&place, "sessions", "does not match its events");
    place.rebuild();
    place.is_clean();
    assert_eq!(place.figures(), before);
}

#[test]
fn a_column_that_does_not_fit_the_others_is_found_and_mended() {
    let mut place = place();
    let before = place.figures();
    let snapshot = place.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::Sessions)[0].clone();
    let mut frame = snapshot.read_file(&old, None).unwrap();
    frame.replace_ints("messages_sent", &vec![7; frame.height()]).unwrap();
    replace(&place, Table::Sessions, |file, _| encode_file(Table::Sessions, file.day, &frame).unwrap());
    finds(&place, "sessions", "derived columns that do not match");
    place.rebuild();
    place.is_clean();
    assert_eq!(place.figures(), before);
}

#[test]
fn a_wrong_first_sight_is_found() {
    let change = |change: fn(&mut Vec<tables::visitors::Visitor>)| {
        let place = place();
        let snapshot = place.store().snapshot().unwrap();
        let old = snapshot.manifest().files(Table::Visitors)[0].clone();
        let mut visitors = tables::visitors::read(&snapshot.read_file(&old, None).unwrap()).unwrap();
        change(&mut visitors);
        replace(&place, Table::Visitors, |file, _| {
            let frame = tables::visitors::frame(&visitors).unwrap();
            encode_file(Table::Visitors, file.day, &frame).unwrap()
        });
        place
    };
    let mut late = change(|v| v[0].first_seen_at += 1);
    finds(&late, "visitors", "before its first-seen time");
    assert_eq!(late.rebuild().first_seen_changed, 1);
    late.is_clean();
    finds(&change(|v| v[0].first_seen_at -= 1), "visitors", "has no event at its first-seen time");
    let mut missing = change(|v| drop(v.remove(0)));
    finds(&missing, "visitors", "has events but no row");
    missing.rebuild();
    missing.is_clean();
    finds(&change(|v| v.push(v[0].clone())), "visitors", "more than one row");
}

#[test]
fn a_wrong_figure_of_a_day_is_found_and_mended() {
    type Change = fn(&mut Vec<crate::daily_stats::DailyStats>);
    let changes: [(Change, &str); 4] = [
        (|rows| rows[0].total_messages_sent += 1, "total_messages_sent is 3, not 2"),
        (|rows| drop(rows.remove(0)), "has sessions but no row"),
        (|rows| rows[0].stat_date = rows[0].stat_date.plus(9), "has a row but no sessions"),
        (|rows| rows[0].top_referrers.push(' '), "top_referrers differs"),
    ];
    for (change, what) in changes {
        let mut place = place();
        let before = place.figures();
        tamper_days(&place, change);
        finds(&place, "daily_stats", what);
        place.rebuild();
        place.is_clean();
        assert_eq!(place.figures(), before);
    }
}

/// Changes the rows of daily statistics of the first file.
fn tamper_days(place: &Place, change: impl FnOnce(&mut Vec<crate::daily_stats::DailyStats>)) {
    let snapshot = place.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::DailyStats)[0].clone();
    let mut rows = tables::daily_stats::read(&snapshot.read_file(&old, None).unwrap()).unwrap();
    change(&mut rows);
    replace(place, Table::DailyStats, |file, _| {
        crate::store::update::daily::encode_month(file.day, rows).unwrap().unwrap()
    });
}

#[test]
fn a_day_that_says_less_than_what_is_left_of_its_sessions_is_found_and_mended() {
    type Change = fn(&mut Vec<crate::daily_stats::DailyStats>);
    // Of the 10th, the session of v is gone, that of w is held; both were new.
    let changes: [(Change, &str); 5] = [
        (|rows| rows[0].total_messages_received = 0, "total_messages_received is 0, not at least 1"),
        (|rows| rows[0].new_visitors = -1, "new_visitors is -1, not at least 2"),
        (|rows| rows[0].new_visitors = 3, "returning_visitors is -1, not at least 0"),
        (|rows| rows[0].unique_visitors = 1, "returning_visitors is -1, not at least 0"),
        (|rows| drop(rows.remove(0)), "2026-03-10 of chatbot \"c\" has sessions but no row"),
    ];
    for (number, (change, what)) in changes.into_iter().enumerate() {
        let mut place = place();
        place.gc(Some(10), Some(10));
        place.is_clean();
        let before = place.figures();
        tamper_days(&place, change);
        finds(&place, "daily_stats", what);
        place.rebuild();
        place.is_clean();
        if number < 4 {
            assert_eq!(place.figures(), before);
        }
    }
}

#[test]
fn an_event_that_went_astray_is_found() {
    let place = place();
    let snapshot = place.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::Events)[0].clone();
    let frame = snapshot.read_file(&old, None).unwrap();
    let rest = frame.filter((0..frame.height()).map(|row| row > 0)).unwrap();
    replace(&place, Table::Events, |file, _| encode_file(Table::Events, file.day, &rest).unwrap());
    finds(&place, "sessions", "does not match its events");
}

#[test]
fn an_event_that_is_stored_twice_is_found() {
    let place = place();
    let snapshot = place.store().snapshot().unwrap();
    let old = snapshot.manifest().files(Table::Events)[0].clone();
    let frame = snapshot.read_file(&old, None).unwrap();
    let first = frame.slice(0, 1);
    let frame = Frame::concat(vec![frame, first]).unwrap();
    replace(&place, Table::Events, |file, _| encode_file(Table::Events, file.day, &frame).unwrap());
    finds(&place, "events", "is stored twice");
    finds(&place, "sessions", "does not match its events");
}

/// Takes in another line whenever a check begins, so many times.
struct Busy {
    place: Mutex<(Place, usize)>,
}

impl Progress for Busy {
    fn set_total(&self, _: u64) {
        let (place, left) = &mut *self.place.lock().unwrap();
        if let Some(fewer) = left.checked_sub(1) {
            *left = fewer;
            // It extends a session: the file that had it goes.
            place.ingest(&[line(&format!("2026-03-10T10:00:{fewer:02}Z"), "a", "page_view", "")]);
        }
    }
    fn advance(&self, _: u64) {}
    fn set_step(&self, _: &str) {}
}

#[test]
fn a_check_starts_again_when_a_writer_has_changed_the_store_but_not_without_end() {
    for (changes, ends) in [(3, true), (30, false)] {
        let place = place();
        let store = place.store();
        let busy = Busy { place: Mutex::new((place, changes)) };
        let outcome = maintenance::verify(&store, &busy);
        let left = busy.place.lock().unwrap().1;
        match (outcome, ends) {
            (Ok(report), true) => assert!(report.is_clean() && left == 0, "{report:#?}"),
            (Err(error), false) => {
                assert_eq!(left, 20, "it was begun ten times");
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
