//! Erasure, driven as `wa` drives it: logs go in, somebody is forgotten, the logs come again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Identifier, Kind, Options, Receipt, forget};
use crate::ingest::Counts;
use crate::ingest::run::{self, NoProgress};
use crate::settings::Settings;
use crate::store::Store;
use crate::store::columns::{ColumnType, Table};
use crate::store::frame::texts;
use crate::time::{Clock, parse_human};

/// The present, unless a test says otherwise.
pub const NOW: &str = "2026-11-10T02:00:00Z";

/// A folder with logs and a store.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    /// Makes an empty one.
    pub fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    /// Returns the store.
    pub fn store(&self) -> Store {
        Store::at(self.dir.path().join("store"))
    }

    /// Writes a log.
    pub fn log(&self, name: &str, lines: &[String]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        path
    }

    /// Takes a log in, known or not; returns the account's total.
    pub fn ingest(&self, path: &Path, now: &str) -> Counts {
        let options = run::Options {
            inputs: vec![path.to_str().unwrap().to_owned()],
            chatbot: None,
            force: true,
            atomic: false,
            max_rejects: None,
            clock: clock(now),
            lock_timeout: Duration::ZERO,
            key_file: None,
            batch_bytes: None,
        };
        let report = run::run(&self.store(), &Settings::default(), &options, &NoProgress).unwrap();
        assert!(report.failure.is_none() && report.account.adds_up(), "{report:?}");
        report.account.total
    }

    /// Erases.
    pub fn forget(&self, kind: Kind, value: &str) -> Receipt {
        self.forget_at(kind, value, NOW, false)
    }

    /// Erases at a time.
    pub fn forget_at(&self, kind: Kind, value: &str, now: &str, dry_run: bool) -> Receipt {
        let options = Options { clock: clock(now), dry_run, lock_timeout: Duration::ZERO, key_file: None };
        forget(&self.store(), &[Identifier::new(kind, value)], &options).unwrap()
    }

    /// Returns the number of rows of a table.
    pub fn rows(&self, table: Table) -> u64 {
        self.store().snapshot().unwrap().manifest().files(table).iter().map(|file| file.rows).sum()
    }

    /// Returns every text that the store holds: those of all columns of every Parquet file that lies
    /// there, named or not, and all other files byte for byte.
    pub fn all_text(&self) -> String {
        let mut all = String::new();
        everything(&self.dir.path().join("store"), &mut all);
        all
    }
}

/// Makes a clock.
pub fn clock(now: &str) -> Clock {
    Clock { now: parse_human(now).unwrap() }
}

fn everything(dir: &Path, all: &mut String) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        all.push_str(path.file_name().unwrap().to_str().unwrap());
        all.push('\n');
        if path.is_dir() {
            everything(&path, all);
        } else if path.extension().is_some_and(|e| e == "parquet") {
            let file = crate::store::fs::Opened::Bytes(std::fs::read(&path).unwrap());
            let frame = crate::store::parquet::decode(file, None).unwrap();
            let table = Table::ALL.into_iter().find(|t| path.components().any(|c| c.as_os_str() == t.name()));
            for column in table.unwrap().columns() {
                if matches!(column.kind, ColumnType::Text | ColumnType::Uuid | ColumnType::Json) {
                    for text in texts(&frame, column.name).unwrap().iter().flatten() {
                        all.push_str(text);
                        all.push('\n');
                    }
                }
            }
            // Statistics and dictionaries lie in the file beside the values: compressed or not.
            all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        } else {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
        }
    }
}

fn event(time: &str, ids: &str, name: &str) -> String {
    format!(r#"{{"chatbot_id":"shop","event_name":"{name}","timestamp":"{time}",{ids}}}"#)
}

/// A person with a user id, an address and two cookies, among others who mention her.
fn ada_among_others() -> Vec<String> {
    let at = |minute: u32| format!("2026-11-09T08:{minute:02}:00Z");
    vec![
        event(&at(0), r#""session_id":"s-ada-1","anonymous_id":"cookie-ada-1""#, "widget_loaded"),
        event(
            &at(1),
            r#""session_id":"s-ada-1","anonymous_id":"cookie-ada-1","user_id":"user_ada","user_email":"Ada@Example.org","user_name":"Ada""#,
            "message_sent",
        ),
        // The same cookie, before she said who she is.
        event(
            "2026-11-01T08:00:00Z",
            r#""session_id":"s-ada-0","anonymous_id":"cookie-ada-1","page_url":"https://shop.example/secret-of-ada""#,
            "widget_loaded",
        ),
        // A second device: a session with both cookies.
        event(
            "2026-11-03T08:00:00Z",
            r#""session_id":"s-ada-2","anonymous_id":"cookie-ada-1""#,
            "widget_loaded",
        ),
        event(
            "2026-11-03T08:01:00Z",
            r#""session_id":"s-ada-2","anonymous_id":"cookie-ada-2""#,
            "widget_opened",
        ),
        event(
            "2026-11-04T08:01:00Z",
            r#""session_id":"s-ada-3","anonymous_id":"cookie-ada-2""#,
            "widget_opened",
        ),
        // Others.
        event(
            &at(0),
            r#""session_id":"s-bob","anonymous_id":"cookie-bob","user_id":"user_bob","properties":{"colleague":"user_ada","user_ada":["user_ada"],"n":1}"#,
            "message_sent",
        ),
        event(
            &at(2),
            r#""session_id":"s-bob","anonymous_id":"cookie-bob","page_url":"https://shop.example/u/user%5Fada?ref=user_ada","referrer":"https://other.example/?u=user%255Fada","page_title":"Chat with user_ada","seen":"user\u005fada","utm_source":"user_ada""#,
            "page_viewed",
        ),
        event(&at(3), r#""session_id":"s-cy","user_id":"user_ada2""#, "message_sent"),
    ]
}

fn broken() -> Vec<String> {
    [
        r#"{"chatbot_id":"shop","user_id":"user_ada","event_name":"x"}"#,
        r#"{"chatbot_id":"shop","user_id":"user_ada", no json"#,
        r#"{"chatbot_id":"shop","page_url":"/?u=user%5fada", no json"#,
        r#"{"chatbot_id":"shop","user_id":"user_bob","event_name":"x"}"#,
    ]
    .map(str::to_owned)
    .to_vec()
}

#[test]
fn forgotten_is_found_nowhere_in_the_store_and_does_not_come_back() {
    let place = Place::new();
    let good = place.log("good.ndjson", &ada_among_others());
    let bad = place.log("user_ada.ndjson", &broken());
    assert_eq!(place.ingest(&good, NOW).stored, 9);
    assert_eq!(place.ingest(&bad, NOW).refused_total(), 4);
    let before = place.all_text();
    for trace in ["user_ada", "cookie-ada-1", "cookie-ada-2", "s-ada-3", "secret-of-ada", "Ada@Example.org"] {
        assert!(before.contains(trace), "{trace}");
    }

    let receipt = place.forget(Kind::User, "user_ada");
    assert_eq!((receipt.identifiers.followed, receipt.identifiers.shared), (2, 0));
    // Her six events in four sessions; three visitors: two cookies and the user.
    assert_eq!((receipt.erased.events, receipt.erased.sessions, receipt.erased.visitors), (6, 4, 3));
    assert_eq!(receipt.erased.rejects, 3);
    assert_eq!((receipt.redacted.events, receipt.redacted.sessions), (2, 1));
    assert_eq!(receipt.redacted.log_names, 1);
    assert_nowhere(&place);
    assert_eq!((place.rows(Table::Events), place.rows(Table::Sessions)), (3, 2));
    assert!(place.all_text().contains("user_ada2"), "another person's id that begins with hers");

    // The logs come again, and once more in another order.
    let again = place.ingest(&good, "2026-11-11T02:00:00Z");
    assert_eq!((again.forgotten, again.duplicate, again.stored), (6, 3, 0));
    let again = place.ingest(&bad, "2026-11-11T02:00:00Z");
    assert_eq!((again.forgotten, again.refused_total()), (3, 1));
    let mut reversed = ada_among_others();
    reversed.reverse();
    let again = place.ingest(&place.log("copy.ndjson", &reversed), "2026-11-11T03:00:00Z");
    assert_eq!((again.forgotten, again.stored), (6, 0));
    assert_nowhere_but_in_names(&place);
}

fn assert_nowhere(place: &Place) {
    let text = place.all_text();
    for trace in [
        "cookie-ada",
        "s-ada",
        "secret-of-ada",
        "Ada@Example.org",
        "user%5Fada",
        "user%5fada",
        "user%255Fada",
    ] {
        assert!(!text.contains(trace), "{trace} is still there");
    }
    let hers = text.replace("user_ada2", "");
    assert!(
        !hers.contains("user_ada"),
        "{:?}",
        hers.find("user_ada").map(|at| &hers[at.saturating_sub(60)..at + 20])
    );
}

/// The log's own name came with the log.
fn assert_nowhere_but_in_names(place: &Place) {
    let text = place.all_text().replace("user_ada.ndjson", "").replace("user_ada2", "");
    for trace in ["user_ada", "cookie-ada", "s-ada", "secret-of-ada"] {
        assert!(!text.contains(trace), "{trace} is back");
    }
}

#[test]
fn what_happens_after_the_erasure_is_stored_again() {
    let place = Place::new();
    place.ingest(&place.log("a.ndjson", &ada_among_others()), NOW);
    place.forget(Kind::User, "user_ada");
    let later = event("2026-11-10T09:00:00Z", r#""session_id":"s-new","user_id":"user_ada""#, "message_sent");
    let counts = place.ingest(&place.log("b.ndjson", &[later]), "2026-11-11T02:00:00Z");
    assert_eq!((counts.stored, counts.forgotten), (1, 0));
}

#[test]
fn the_cookie_of_a_kiosk_does_not_lead_to_five_hundred_people() {
    let place = Place::new();
    let mut lines = Vec::new();
    for user in 0..500 {
        let (hour, minute) = (user / 60, user % 60);
        let time = |second: u32| format!("2026-11-09T{hour:02}:{minute:02}:{second:02}Z");
        let anonymous = format!(r#""session_id":"s{user}x","anonymous_id":"kiosk-cookie""#);
        lines.push(event(&time(0), &anonymous, "widget_loaded"));
        lines.push(event(
            &time(1),
            &format!(r#""session_id":"s{user}x","anonymous_id":"kiosk-cookie","user_id":"u{user}x""#),
            "message_sent",
        ));
    }
    let log = place.log("kiosk.ndjson", &lines);
    place.ingest(&log, NOW);
    let receipt = place.forget(Kind::User, "u123x");
    assert_eq!((receipt.erased.sessions, receipt.erased.events), (1, 2));
    assert_eq!((receipt.identifiers.followed, receipt.identifiers.shared), (0, 1));
    assert_eq!(place.rows(Table::Sessions), 499);
    let text = place.all_text();
    assert!(!text.contains("u123x") && !text.contains("s123x") && text.contains("kiosk-cookie"));
    // The event that names only the cookie belonged to the erased session, and stays out with it.
    let again = place.ingest(&log, NOW);
    assert_eq!((again.forgotten, again.duplicate, again.stored), (2, 998, 0));
    assert_eq!(place.rows(Table::Sessions), 499);
}

#[test]
fn a_dry_run_says_the_same_and_changes_nothing() {
    let place = Place::new();
    place.ingest(&place.log("good.ndjson", &ada_among_others()), NOW);
    let before = place.all_text();
    let dry = place.forget_at(Kind::Email, "ada@example.org", NOW, true);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&place.all_text()), sorted(&before));
    let done = place.forget(Kind::Email, "ada@example.org");
    assert_eq!(done, Receipt { dry_run: false, ..dry });
    assert_eq!((done.erased.events, done.erased.sessions), (6, 4));
    let json = serde_json::to_string(&done).unwrap();
    assert!(!json.contains("ada"), "{json}");
}

#[test]
fn days_are_as_if_the_person_had_never_come() {
    let (with, without) = (Place::new(), Place::new());
    let lines = ada_among_others();
    with.ingest(&with.log("a.ndjson", &lines), NOW);
    // Her mentions in others' rows aside.
    let others: Vec<String> = vec![lines[8].clone()];
    let mut hers = lines[..6].to_vec();
    hers.push(lines[8].clone());
    let alone = Place::new();
    alone.ingest(&alone.log("a.ndjson", &hers), NOW);
    alone.forget(Kind::User, "user_ada");
    without.ingest(&without.log("a.ndjson", &others), NOW);
    for table in [Table::DailyStats, Table::Visitors, Table::Sessions, Table::Events] {
        assert_eq!(rows_of(&alone, table), rows_of(&without, table), "{table:?}");
    }
}

/// Returns all rows of a table, as text, in order.
pub fn rows_of(place: &Place, table: Table) -> Vec<String> {
    let snapshot = place.store().snapshot().unwrap();
    let mut rows = Vec::new();
    for file in snapshot.manifest().files(table) {
        let frame = snapshot.read_file(file, None).unwrap();
        let reader = crate::report::record::Reader::whole(&frame, table).unwrap();
        for row in 0..frame.height() {
            let record = reader.record(row);
            let cells = record.entries().filter(|(c, _)| !matches!(c.name, "created_at" | "updated_at"));
            rows.push(cells.map(|(c, value)| format!("{}={value:?};", c.name)).collect());
        }
    }
    rows.sort();
    rows
}
