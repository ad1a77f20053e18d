//! Erasure, driven as `wa` drives it: logs go in, somebody is forgotten, the logs come again.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::export;
use super::{ErasureReceipt, ForgetOptions, forget};
use crate::identity::{Identifier, IdentifierKind};
use crate::ingest::IngestCounts;
use crate::ingest::pipeline;
use crate::progress::NoProgress;
use crate::settings::Settings;
use crate::store::Store;
use crate::store::columns::{ColumnType, Table};
use crate::store::manifest::Manifest;
use crate::time::{Clock, parse_human};

/// The present, unless a test says otherwise.
pub const NOW: &str = "2026-11-10T02:00:00Z";

/// A folder with logs and a store.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Default for Place {
    fn default() -> Self {
        Place::new()
    }
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
    pub fn ingest(&self, path: &Path, now: &str) -> IngestCounts {
        self.ingest_with(path, now, &Settings::default())
    }

    /// Does the same under settings.
    pub fn ingest_with(&self, path: &Path, now: &str, settings: &Settings) -> IngestCounts {
        let options = pipeline::IngestOptions {
            inputs: vec![path.to_owned()],
            chatbot: None,
            force: true,
            atomic: false,
            max_rejects: None,
            clock: clock(now),
            lock_timeout: Duration::ZERO,
            key_file: None,
            batch_bytes: None,
        };
        let report = pipeline::run(&self.store(), settings, &options, &NoProgress).unwrap();
        assert!(report.failure.is_none() && report.summary.adds_up(), "{report:?}");
        report.summary.total
    }

    /// Erases.
    pub fn forget(&self, kind: IdentifierKind, value: &str) -> ErasureReceipt {
        self.forget_at(kind, value, NOW, false)
    }

    /// Erases at a time.
    pub fn forget_at(&self, kind: IdentifierKind, value: &str, now: &str, dry_run: bool) -> ErasureReceipt {
        let options =
            ForgetOptions { clock: clock(now), dry_run, lock_timeout: Duration::ZERO, key_file: None };
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
            let file = crate::store::file_system::Opened::Bytes(std::fs::read(&path).unwrap());
            let frame = crate::store::parquet::decode(file, None).unwrap();
            let table = Table::ALL.into_iter().find(|t| path.components().any(|c| c.as_os_str() == t.name()));
            for column in table.unwrap().columns() {
                if matches!(column.kind, ColumnType::Text | ColumnType::Uuid | ColumnType::Json) {
                    for text in frame.texts(column.name).unwrap().iter().flatten() {
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
    assert_eq!(place.ingest(&bad, NOW).rejected_total(), 4);
    let before = place.all_text();
    for trace in ["user_ada", "cookie-ada-1", "cookie-ada-2", "s-ada-3", "secret-of-ada", "Ada@Example.org"] {
        assert!(before.contains(trace), "{trace}");
    }

    let receipt = place.forget(IdentifierKind::User, "user_ada");
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
    assert_eq!((again.forgotten, again.rejected_total()), (3, 1));
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
fn forgotten_is_found_in_no_list_of_an_old_day_and_in_no_file_of_an_interrupted_run() {
    let place = Place::new();
    // Of June nothing is left but the day's lists, which hold what others' sessions said of her.
    let old = event(
        "2026-06-01T08:00:00Z",
        r#""session_id":"s-dan","page_url":"https://shop.example/u/user%5Fada","utm_source":"from-user_ada""#,
        "page_viewed",
    );
    let other = event(
        "2026-06-01T09:00:00Z",
        r#""session_id":"s-eve","page_url":"https://shop.example/prices","referrer":"https://user_ada.example/""#,
        "page_viewed",
    );
    place.ingest(&place.log("june.ndjson", &[old, other]), "2026-06-02T02:00:00Z");
    place.ingest(&place.log("good.ndjson", &ada_among_others()), NOW);
    let settings =
        Settings { session_retention: crate::settings::Retention::Days(90), ..Settings::default() };
    let options = crate::maintenance::GcOptions {
        clock: clock(NOW),
        dry_run: false,
        yes: true,
        lock_timeout: Duration::ZERO,
    };
    crate::maintenance::gc(&place.store(), &settings, options).unwrap();
    let june = |place: &Place| {
        let rows = rows_of(place, Table::DailyStats);
        rows.into_iter().find(|row| row.contains("2026-06-01") || row.contains("Day(20605)")).unwrap()
    };
    let before = june(&place);
    for entry in ["/u/user%5Fada", "from-user_ada", "user_ada.example", "/prices"] {
        assert!(before.contains(entry), "{entry}: {before}");
    }
    // What a run that was killed leaves: whole files without a name in the manifest, and half ones.
    let store = place.store().dir().to_owned();
    let live = place.store().snapshot().unwrap().manifest().files(Table::Events)[0].path.clone();
    std::fs::create_dir(store.join("staging")).unwrap();
    std::fs::copy(store.join(&live), store.join(&live).with_file_name("dead.parquet")).unwrap();
    std::fs::write(store.join("staging/half"), "PAR1 user_ada").unwrap();
    std::fs::create_dir_all(store.join("rejects")).unwrap();
    std::fs::write(store.join("rejects/dead.ndjson"), "{\"raw\":\"user_ada\"}\n").unwrap();

    let receipt = place.forget(IdentifierKind::User, "user_ada");
    assert_eq!(receipt.erased.daily_stats_entries, 3);
    assert_nowhere(&place);
    let after = june(&place);
    assert!(after.contains("/prices") && after.contains("direct"), "others' entries stay: {after}");
    // The figures of the day stay: they name nobody.
    let sessions = |row: &str| row.split(';').find(|c| c.starts_with("total_sessions")).unwrap().to_owned();
    assert_eq!(sessions(&after), sessions(&before));
}

/// Lines whose ids are one address, each written in another way.
fn ada_in_many_writings() -> Vec<String> {
    let at = "2026-11-09T08:00:00Z";
    [
        r#""session_id":"s1x","user_email":"ada%40example.org""#,
        r#""session_id":"s2x","anonymous_id":"ada@example.org ""#,
        r#""session_id":"mailto:ada@example.org""#,
        r#""session_id":"s4x","user_id":"Ada <ada@example.org>""#,
        r#""user_id":"ADA%2540EXAMPLE.ORG""#,
        r#""session_id":"s6x","user_email":"bob@example.org,ada@example.org""#,
    ]
    .map(|ids| event(at, ids, "message_sent"))
    .to_vec()
}

#[test]
fn an_id_that_is_the_identifier_in_another_writing_is_the_persons_and_stays_out() {
    let place = Place::new();
    let hers = place.log("hers.ndjson", &ada_in_many_writings());
    place.ingest(&hers, NOW);
    let receipt = place.forget(IdentifierKind::Email, "ada@example.org");
    // The visitors: the anonymous id of s2x, the users of s4x and of the fifth line.
    assert_eq!((receipt.erased.events, receipt.erased.sessions, receipt.erased.visitors), (6, 6, 3));
    assert_eq!((receipt.redacted.events, receipt.redacted.sessions), (0, 0));
    let text = place.all_text().to_lowercase();
    for trace in ["ada%", "ada@", "s1x", "s6x"] {
        assert!(!text.contains(trace), "{trace} is still there");
    }
    let again = place.ingest(&hers, NOW);
    assert_eq!((again.forgotten, again.stored), (6, 0));
}

#[test]
fn a_cookie_of_a_user_whose_id_is_encoded_is_followed() {
    let place = Place::new();
    let lines = [
        event(
            "2026-11-09T08:00:00Z",
            r#""session_id":"s1","anonymous_id":"cookie-1","user_id":"user%5Fada""#,
            "x",
        ),
        event("2026-11-01T08:00:00Z", r#""session_id":"s0","anonymous_id":"cookie-1""#, "x"),
    ];
    place.ingest(&place.log("a.ndjson", &lines), NOW);
    let receipt = place.forget(IdentifierKind::User, "user_ada");
    assert_eq!((receipt.identifiers.followed, receipt.erased.sessions), (1, 2));
}

/// As of a widget that sends "undefined": to note each visitor for each other one took gigabytes.
#[test]
fn a_session_that_thousands_of_visitors_share_is_erased_and_leads_to_none_of_them() {
    let place = Place::new();
    let of = |n: usize| {
        let members = format!(r#""session_id":"undefined","anonymous_id":"cookie-{n}","user_id":"user-{n}""#);
        event(&format!("2026-11-09T{:02}:{:02}:00Z", n / 60 % 24, n % 60), &members, "x")
    };
    let elsewhere = r#""session_id":"own","anonymous_id":"cookie-8","user_id":"user-8""#;
    let mut lines: Vec<String> = (0..4000).map(of).collect();
    lines.push(event("2026-11-08T10:00:00Z", elsewhere, "x"));
    place.ingest(&place.log("a.ndjson", &lines), NOW);
    let receipt = place.forget(IdentifierKind::User, "user-7");
    assert_eq!((receipt.identifiers.followed, receipt.identifiers.shared), (0, 4000));
    assert_eq!(receipt.erased.sessions, 1);
    assert_eq!(place.rows(Table::Events), 1);
}

#[test]
fn an_id_that_only_contains_the_identifier_stays_and_is_not_called_redacted() {
    let place = Place::new();
    let other = r#""session_id":"s-bob","user_id":"user_ada-b","user_email":"user_ada@example.org""#;
    place.ingest(&place.log("a.ndjson", &[event("2026-11-09T08:00:00Z", other, "message_sent")]), NOW);
    for _ in 0..2 {
        let receipt = place.forget(IdentifierKind::User, "user_ada");
        assert_eq!((receipt.erased.sessions, receipt.redacted.sessions, receipt.files_replaced), (0, 0, 0));
    }
    assert_eq!(place.rows(Table::Sessions), 1);
}

#[test]
fn an_address_without_an_at_sign_is_found_and_stays_out() {
    let place = Place::new();
    let ids = |session: &str, email: &str| format!(r#""session_id":"{session}","user_email":"{email}""#);
    let lines = [("s1", "noat"), ("s2", "NoAt"), ("s3", "other"), ("s4", "JÖRG@example.org")]
        .map(|(session, email)| event("2026-11-09T08:00:00Z", &ids(session, email), "message_sent"));
    let log = place.log("a.ndjson", &lines);
    place.ingest(&log, NOW);
    assert_eq!(place.forget(IdentifierKind::Email, "noat").erased.sessions, 2);
    assert_eq!(place.forget(IdentifierKind::Email, "jörg@example.org").erased.sessions, 1);
    let again = place.ingest(&log, NOW);
    assert_eq!((again.forgotten, again.duplicate), (3, 1));
}

#[test]
fn refused_lines_that_were_forgotten_stay_out_whatever_became_of_their_addresses() {
    use super::anonymize::{self, anonymize};
    use crate::settings::IpPolicy;

    let lines = [
        r#"broken {"user_id":"user_ada" from 203.0.113.9"#,
        r#"broken {"user_id":"user_ada" from nowhere"#,
        r#"broken {"user_id":"user_bob" from 203.0.113.9"#,
    ]
    .map(str::to_owned);
    let later = "2026-11-12T02:00:00Z";
    for (first, then) in [
        (IpPolicy::Keep, IpPolicy::Keep),
        (IpPolicy::Keep, IpPolicy::Drop),
        (IpPolicy::Drop, IpPolicy::Keep),
        (IpPolicy::Truncate, IpPolicy::Drop),
    ] {
        let place = Place::new();
        let log = place.log("a.ndjson", &lines);
        let ingest = |ip| place.ingest_with(&log, later, &Settings { ip, ..Settings::default() });
        assert_eq!(ingest(first).rejected_total(), 3);
        if first == then {
            let options = anonymize::AnonymizeOptions {
                clock: clock("2026-11-20T02:00:00Z"),
                older_than_days: 1,
                dry_run: false,
                lock_timeout: Duration::ZERO,
            };
            assert_eq!(anonymize(&place.store(), options).unwrap().rejects, 2);
        }
        assert_eq!(place.forget_at(IdentifierKind::User, "user_ada", later, false).erased.rejects, 2);
        let again = ingest(then);
        assert_eq!((again.forgotten, again.rejected_total()), (2, 1), "{first:?}, {then:?}");
        assert!(!place.all_text().contains("user_ada"));
    }
}

#[test]
fn a_refused_line_that_an_older_version_kept_without_a_keyed_hash_stays_out_too() {
    let place = Place::new();
    let log = place.log("a.ndjson", &[r#"broken {"user_id":"user_ada""#.to_owned()]);
    place.ingest(&log, NOW);
    let first = || Manifest::new(0, "UTC", 1);
    let mut writer = place.store().writer("a test", Duration::ZERO, first).unwrap();
    let mut transaction = writer.begin();
    let bare = |reject: &crate::store::rejects::Reject| {
        assert!(reject.keyed_hash.is_some());
        super::rejects::RejectChange::Replace(crate::store::rejects::Reject {
            keyed_hash: None,
            ..reject.clone()
        })
    };
    super::rejects::rewrite(&mut transaction, |_| true, bare).unwrap();
    writer.commit(transaction, clock(NOW).now).unwrap();
    writer.finish().unwrap();
    assert_eq!(place.forget(IdentifierKind::User, "user_ada").erased.rejects, 1);
    assert_eq!(place.ingest(&log, NOW).forgotten, 1);
}

#[test]
fn a_cookie_stays_shared_when_all_but_one_of_its_users_are_erased() {
    let place = Place::new();
    let visit = |day: u32, session: &str, more: &str| {
        let members = format!(r#""session_id":"{session}","anonymous_id":"kiosk-cookie"{more}"#);
        event(&format!("2026-11-0{day}T08:00:00Z"), &members, "message_sent")
    };
    let lines = [
        visit(1, "s-1", r#","user_id":"user_ada""#),
        visit(2, "s-2", r#","user_id":"user_bob""#),
        visit(3, "s-3", ""),
    ];
    place.ingest(&place.log("kiosk.ndjson", &lines), NOW);
    let looked = |receipt: ErasureReceipt| (receipt.identifiers.followed, receipt.identifiers.shared);
    assert_eq!(looked(place.forget(IdentifierKind::User, "user_ada")), (0, 1));
    // Nothing in the tables says any more that somebody else had the cookie.
    let theirs = || {
        let snapshot = place.store().snapshot().unwrap();
        let identifiers = vec![Identifier::new(IdentifierKind::User, "user_bob")];
        let options = export::ExportOptions { identifiers, ..export::ExportOptions::default() };
        export::export(&snapshot, &options, &mut Vec::new()).unwrap().events
    };
    assert_eq!(theirs(), 1);
    assert_eq!(looked(place.forget_at(IdentifierKind::User, "user_bob", NOW, true)), (0, 1));
    assert_eq!(looked(place.forget(IdentifierKind::User, "user_bob")), (0, 1));
    assert_eq!(place.rows(Table::Events), 1);
    let text = place.all_text();
    assert!(!text.contains("user_ada") && !text.contains("user_bob"));
}

#[test]
fn a_short_id_is_found_in_refused_lines_with_blanks_around_it() {
    let place = Place::new();
    let lines = [
        r#"{"chatbot_id":"c", "user_id": 7 , "event_name":"x","timestamp":"bad"}"#,
        "{\"chatbot_id\":\"c\", \"user_id\":\t7\t, broken }",
        r#"{"chatbot_id":"c", "user_id": 8 , "event_name":"7 of 9","timestamp":"bad"}"#,
    ];
    place.ingest(&place.log("a.ndjson", &lines.map(str::to_owned)), NOW);
    assert_eq!(place.forget(IdentifierKind::User, "7").erased.rejects, 2);
}

#[test]
fn what_happens_after_the_erasure_is_stored_again() {
    let place = Place::new();
    place.ingest(&place.log("a.ndjson", &ada_among_others()), NOW);
    place.forget(IdentifierKind::User, "user_ada");
    let later = event("2026-11-10T09:00:00Z", r#""session_id":"s-new","user_id":"user_ada""#, "message_sent");
    let counts = place.ingest(&place.log("b.ndjson", &[later]), "2026-11-11T02:00:00Z");
    assert_eq!((counts.stored, counts.forgotten), (1, 0));
}

#[test]
fn an_ongoing_session_goes_on_after_the_erasure_as_anybodys() {
    let place = Place::new();
    let at = |minute: u32| {
        event(
            &format!("2026-11-09T12:{minute:02}:00Z"),
            r#""session_id":"s-1","user_id":"u-ada""#,
            "widget_loaded",
        )
    };
    place.ingest(&place.log("a.ndjson", &[at(0)]), "2026-11-09T12:05:00Z");
    place.forget_at(IdentifierKind::User, "u-ada", "2026-11-09T12:10:00Z", false);
    // What had happened before stays out; what comes within a timeout of the erased session is nobody's of old.
    let counts =
        place.ingest(&place.log("b.ndjson", &[at(0), at(9), at(11), at(20)]), "2026-11-09T12:30:00Z");
    assert_eq!((counts.forgotten, counts.stored), (2, 2));
    let other = event("2026-11-09T12:21:00Z", r#""session_id":"s-1","user_id":"u-bob""#, "widget_loaded");
    let counts = place.ingest(&place.log("c.ndjson", &[other]), "2026-11-09T12:30:00Z");
    assert_eq!((counts.forgotten, counts.stored), (0, 1));
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
    let receipt = place.forget(IdentifierKind::User, "u123x");
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
    let dry = place.forget_at(IdentifierKind::Email, "ada@example.org", NOW, true);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&place.all_text()), sorted(&before));
    let done = place.forget(IdentifierKind::Email, "ada@example.org");
    assert_eq!(done, ErasureReceipt { dry_run: false, ..dry });
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
    alone.forget(IdentifierKind::User, "user_ada");
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
        let reader = crate::store::frame::RecordReader::all_columns(&frame, table).unwrap();
        for row in 0..frame.height() {
            let record = reader.record(row);
            let cells = record.entries().filter(|(c, _)| !matches!(c.name, "created_at" | "updated_at"));
            rows.push(cells.map(|(c, value)| format!("{}={value:?};", c.name)).collect());
        }
    }
    rows.sort();
    rows
}

mod exports {
    use proptest::prelude::*;

    use super::export::{self, export};
    use super::*;

    fn exported(place: &Place, options: &export::ExportOptions) -> Vec<String> {
        let mut out = Vec::new();
        export(&place.store().snapshot().unwrap(), options, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    /// Exports everything into an empty store, and compares all tables.
    fn check(lines: &[String]) {
        let (from, to) = (Place::new(), Place::new());
        from.ingest(&from.log("a.ndjson", lines), NOW);
        let export = exported(&from, &export::ExportOptions::default());
        let counts = to.ingest(&to.log("export.ndjson", &export), NOW);
        assert_eq!(counts.stored, from.rows(Table::Events), "{counts:?}\n{}", export.join("\n"));
        for table in Table::ALL {
            assert_eq!(rows_of(&from, table), rows_of(&to, table), "{table:?}\n{}", export.join("\n"));
        }
    }

    #[test]
    fn an_export_of_odd_lines_gives_the_same_tables() {
        let lines = [
            // An id that is a UUID, one that is none, none at all (twice the same line).
            r#"{"chatbot_id":"c","event_id":"b270790b-1d46-432b-80ff-41b0524bedc7","id":"beside","session_id":7,"event_name":"x","timestamp":1762675200}"#,
            r#"{"chatbotId":"c","id":"B270790B","session_id":"s","event_name":"x","timestamp":"2026-11-09T08:00:00.123456+02:00"}"#,
            r#"{"chatbot_id":"c","session_id":"s","event_name":"message_sent","timestamp":"2026-11-09 08:00:00"}"#,
            r#"{"chatbot_id":"c","session_id":"s","event_name":"message_sent","timestamp":"2026-11-09 08:00:00"}"#,
            // A visitor made of address and user agent; campaign in the address; unknown fields.
            r#"{"chatbot_id":"c","event_name":"widget_loaded","ip":"203.0.113.9:80, 10.0.0.1","user_agent":"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1","page_url":"https://shop.example/a?utm_source=news%20letter&utm_medium=email","referrer":"https://www.google.com/","timestamp":"2026-11-09T08:00:00Z","plan":{"a":[1,2.50]},"type":"odd","events":[]}"#,
            // Wrong types, and an address that is none.
            r#"{"chatbot_id":"c","session_id":"t","event_name":"x","timestamp":"2026-11-09T08:00:00Z","screen_width":"wide","screenHeight":800,"user_agent":5,"properties":[1],"ip_address":"unknown","ip":"203.0.113.7"}"#,
            // A wrong category before a wrong campaign, which the page's address has right.
            r#"{"chatbot_id":"d","event_category":0,"event_name":"message_sent","page_url":"https://a.example/p?utm_source=s&x=%41#f","session_id":"s1","timestamp":1762675200,"utm_source":-467985071}"#,
            r#"{"chatbot_id":"d","event_category":0,"event_name":"x","page_url":"https://a.example/p?utm_source=s&utm_medium=m","session_id":"s1","timestamp":1762675200,"utm_medium":"of the line","utmSource":[]}"#,
            // Times of many kinds.
            r#"{"chatbot_id":"c","session_id":"u","event_name":"x","client_timestamp":"1999-01-01T00:00:00Z","sent_at":"1999-01-01T00:00:05Z","received_at":"2026-11-09T08:00:00.5Z"}"#,
            r#"{"chatbot_id":"c","session_id":"u","event_name":"x","timestamp":"2026-11-09T09:00:00Z","client_timestamp":-999999999999999999}"#,
            // Session context and identify, with categories of their own; escapes.
            r#"{"type":"session","chatbot_id":"c","session_id":"v","landing_page":"/l","event_category":"mine","timestamp":"2026-11-09T08:00:00Z"}"#,
            r#"{"type":"identify","chatbot_id":"c","session_id":"v","user_id":"u\u00e9\n\"1","user_email":"a@b.c","user_metadata":{"k" : "v\u0041"},"timestamp":"2026-11-09T08:01:00Z"}"#,
            // An envelope with fields of the wrong type that one of its events has right.
            r#"{"chatbotId":"c","sessionId":"w","userAgent":["x"],"pageTitle":7,"foo":1,"receivedAt":"2026-11-09T08:00:00Z","events":[{"event_name":"a","user_agent":"curl/8","bar":2},{"event_name":"b","properties":{"response_time_ms":12.5}},{"event_name":"message_received","properties":{"response_time_ms":12.5}}]}"#,
        ];
        check(&lines.map(str::to_owned));
    }

    #[test]
    fn a_person_a_window_and_a_chatbot_can_be_exported() {
        let place = Place::new();
        place.ingest(&place.log("a.ndjson", &ada_among_others()), NOW);
        let identifiers = vec![Identifier::new(IdentifierKind::Email, "ada@example.org")];
        let hers = exported(&place, &export::ExportOptions { identifiers, ..Default::default() });
        assert_eq!(hers.len(), 6);
        assert!(hers.iter().all(|line| !line.contains("bob")));
        let day = |text: &str| crate::time::Day::parse(text).unwrap();
        let days = Some((day("2026-11-03"), day("2026-11-04")));
        let csv =
            exported(&place, &export::ExportOptions { days, form: export::Form::Csv, ..Default::default() });
        assert_eq!(csv.len(), 4, "a header and three events");
        let other = vec!["other".to_owned()];
        assert!(
            exported(&place, &export::ExportOptions { chatbots: other, ..Default::default() }).is_empty()
        );
    }

    #[test]
    fn an_export_that_has_begun_is_whole_whatever_a_writer_removes() {
        for identifiers in [Vec::new(), vec![Identifier::new(IdentifierKind::User, "user_ada")]] {
            let place = Place::new();
            place.ingest(&place.log("a.ndjson", &ada_among_others()), NOW);
            let options = export::ExportOptions { identifiers, ..Default::default() };
            let snapshot = place.store().snapshot().unwrap();
            let prepared = export::Prepared::of(&snapshot, options.clone()).unwrap();
            let expected = exported(&place, &options);
            // All files of the 9th are written anew, or go.
            assert_eq!(place.forget(IdentifierKind::User, "user_bob").erased.events, 2);
            assert_eq!(place.forget(IdentifierKind::User, "user_ada").erased.events, 6);
            let mut out = Vec::new();
            prepared.write(&mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap().lines().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn an_export_to_a_terminal_shows_control_characters_and_a_file_gets_them_as_they_are() {
        let place = Place::new();
        // JSON escapes the first by itself; the 8-bit form of it, and what turns the text round, it does not.
        let line = r#"{"chatbot_id":"c","session_id":"s","event_name":"x","page_title":"a\u001b[2J\u009b2J\u202eb","timestamp":1762675200}"#;
        place.ingest(&place.log("a.ndjson", &[line.to_owned()]), NOW);
        let written = |form: export::Form, terminal: bool| {
            let mut out = Vec::new();
            let options = export::ExportOptions { form, terminal, ..Default::default() };
            export(&place.store().snapshot().unwrap(), &options, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let acts = |c: char| matches!(c, '\u{1b}' | '\u{9b}' | '\u{202e}');
        for (form, shown, plain) in [
            (export::Form::Ndjson, r"a\u001b[2J\u009b2J\u202eb", "\\u001b[2J\u{9b}2J\u{202e}b"),
            (export::Form::Csv, r"a\u{1b}[2J\u{9b}2J\u{202e}b", "a\u{1b}[2J\u{9b}2J\u{202e}b"),
        ] {
            let text = written(form, true);
            assert!(text.contains(shown) && !text.contains(acts), "{text:?}");
            let text = written(form, false);
            assert!(text.contains(plain), "{text:?}");
        }
        // A line is a line, whatever it was made of.
        let csv = written(export::Form::Csv, false);
        assert_eq!(csv.matches("\r\n").count(), 2, "{csv:?}");
        assert_eq!(csv.matches('\n').count(), 2, "{csv:?}");
    }

    /// Reads an export as CSV: the header, and the rows by id.
    fn as_csv(place: &Place) -> (Vec<String>, std::collections::BTreeMap<String, Vec<String>>) {
        let mut out = Vec::new();
        let options = export::ExportOptions { form: export::Form::Csv, ..Default::default() };
        export(&place.store().snapshot().unwrap(), &options, &mut out).unwrap();
        let mut reader = csv::Reader::from_reader(&out[..]);
        let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let rows = reader.records().map(|row| {
            let row: Vec<String> = row.unwrap().iter().map(str::to_owned).collect();
            (row[0].clone(), row)
        });
        (header, rows.collect())
    }

    /// Checks that exports by chatbot and by days hold every event once, and that CSV says what the
    /// table does.
    fn check_parts(lines: &[String]) {
        let place = Place::new();
        place.ingest(&place.log("a.ndjson", lines), NOW);
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        let all = sorted(exported(&place, &export::ExportOptions::default()));
        let day = |text: &str| crate::time::Day::parse(text).unwrap();
        let windows =
            [("2000-01-01", "2026-11-07"), ("2026-11-08", "2026-11-08"), ("2026-11-09", "2027-01-01")];
        let mut parts = Vec::new();
        for chatbot in ["c", "d"] {
            for (from, to) in windows {
                let chatbots = vec![chatbot.to_owned()];
                let days = Some((day(from), day(to)));
                parts.extend(exported(
                    &place,
                    &export::ExportOptions { days, chatbots, ..Default::default() },
                ));
            }
        }
        assert_eq!(sorted(parts), all);
        let both = vec!["d".to_owned(), "c".to_owned()];
        assert_eq!(
            sorted(exported(&place, &export::ExportOptions { chatbots: both, ..Default::default() })),
            all
        );

        let (header, rows) = as_csv(&place);
        let names: Vec<&str> = Table::Events.columns().iter().map(|column| column.name).collect();
        assert_eq!(header, names);
        assert_eq!(rows.len(), all.len());
        let snapshot = place.store().snapshot().unwrap();
        for file in snapshot.manifest().files(Table::Events) {
            let frame = snapshot.read_file(file, None).unwrap();
            let ids = frame.texts("id").unwrap();
            for (at, column) in Table::Events.columns().iter().enumerate() {
                if !matches!(column.kind, ColumnType::Text | ColumnType::Json) {
                    continue;
                }
                let cells = frame.texts(column.name).unwrap();
                for row in 0..frame.height() {
                    let said = &rows[ids.get(row).unwrap()][at];
                    let text = cells.get(row).unwrap_or("");
                    // A mark before what a spreadsheet would take for a formula is all that differs.
                    let same = said == text || said.strip_prefix('\'') == Some(text);
                    assert!(same, "{}: {said:?}, not {text:?}", column.name);
                    assert!(!said.starts_with(['=', '+', '-', '@']), "{}: {said:?}", column.name);
                }
            }
        }
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        prop_oneof![
            "[a-zé/:.?=&%\"\\\\]{0,12}".prop_map(serde_json::Value::from),
            "[=+@-][a-z(),\"\n]{0,6}".prop_map(serde_json::Value::from),
            any::<i32>().prop_map(serde_json::Value::from),
            Just(serde_json::Value::Null),
            Just(serde_json::json!({"response_time_ms": 5, "triggered_by": "x", "load_time_ms": "y"})),
            Just(serde_json::json!("https://a.example/p?utm_source=s&x=%41#f")),
        ]
    }

    fn line() -> impl Strategy<Value = String> {
        let keys = crate::ingest::Field::ALL.map(|field| field.name().to_owned());
        let keys = keys
            .into_iter()
            .chain(["userId", "pageUrl", "screenWidth", "ip", "id", "other"].map(str::to_owned));
        let key = prop::sample::select(keys.collect::<Vec<_>>());
        let name = prop::sample::select(vec!["message_sent", "message_received", "widget_opened", "z"]);
        let fields = proptest::collection::btree_map(key, value(), 0..10);
        let chatbot = prop::sample::select(vec!["c", "c", "d"]);
        (fields, name, chatbot, 0..4u8, 0..3000i64).prop_map(
            |(mut fields, name, chatbot, session, minute)| {
                // So that most are good; what else they say is left to chance.
                for key in ["timestamp", "client_timestamp", "sent_at", "received_at", "events", "type"] {
                    fields.remove(key);
                }
                // What is identifiers as an id and is none is left out of an export.
                for key in ["event_id", "id"] {
                    if fields.get(key).is_some_and(|id| id.is_object()) {
                        fields.remove(key);
                    }
                }
                fields.insert("event_name".into(), name.into());
                fields.insert("chatbot_id".into(), chatbot.into());
                fields.insert("session_id".into(), format!("s{session}").into());
                fields.insert("timestamp".into(), (1_794_000_000 + minute * 60).into());
                serde_json::to_string(&fields).unwrap()
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
        #[test]
        fn an_export_of_everything_gives_the_same_tables(lines in proptest::collection::vec(line(), 1..20)) {
            check(&lines);
        }

        #[test]
        fn parts_of_an_export_are_the_whole_and_csv_says_the_same(
            lines in proptest::collection::vec(line(), 1..20)
        ) {
            check_parts(&lines);
        }
    }
}

mod addresses {
    use super::*;
    use crate::privacy::anonymize::{AnonymizeOptions, anonymize};

    fn log(day: &str) -> Vec<String> {
        let line = |ids: &str| {
            format!(r#"{{"chatbot_id":"c","event_name":"x","timestamp":"{day}T08:00:00Z",{ids}}}"#)
        };
        vec![
            line(
                r#""session_id":"s","ip":"203.0.113.9","forwarded":"203.0.113.8, 10.0.0.1","properties":{"ip":"203.0.113.7","n":1}"#,
            ),
            line(r#""session_id":"t","user_id":"u","user_metadata":{"from":"203.0.113.6"}"#),
            line(r#""session_id":"v""#),
            format!(r#"{{"ip":"203.0.113.5","day":"{day}", broken"#),
        ]
    }

    #[test]
    fn what_was_given_as_an_address_and_is_none_goes_from_extra_too() {
        let place = Place::new();
        let line = |ids: &str| {
            format!(r#"{{"chatbot_id":"c","event_name":"x","timestamp":"2026-10-01T08:00:00Z",{ids}}}"#)
        };
        let lines = [
            r#""session_id":"s","ip_address":3405803859"#,
            r#""session_id":"t","ipAddress":"bad 203.0.113.82x","plan" : "pro\u0021""#,
            r#""session_id":"u","ip_address":{"v4":"203.0.113.80"},"ship":1"#,
        ];
        place.ingest(&place.log("a.ndjson", &lines.map(line)), "2026-10-01T09:00:00Z");
        let options = AnonymizeOptions {
            clock: clock(NOW),
            older_than_days: 30,
            dry_run: false,
            lock_timeout: Duration::ZERO,
        };
        assert_eq!(anonymize(&place.store(), options).unwrap().events, 3);
        let rows = rows_of(&place, Table::Events).join("\n");
        assert!(!rows.contains("3405803859") && !rows.contains("203.0.113"), "{rows}");
        assert!(rows.contains(r#"{\"plan\":\"pro\\u0021\"}"#) && rows.contains(r#"{\"ship\":1}"#), "{rows}");
        assert_eq!(rows.matches("extra=Null").count(), 1);
        assert_eq!(anonymize(&place.store(), options).unwrap().files, 0);
    }

    #[test]
    fn old_addresses_go_from_sessions_events_extra_and_rejects_and_young_ones_stay() {
        let place = Place::new();
        place.ingest(&place.log("old.ndjson", &log("2026-10-01")), "2026-10-01T09:00:00Z");
        place.ingest(&place.log("new.ndjson", &log("2026-11-09")), NOW);
        let run = |days: u32, dry_run: bool| {
            let options = AnonymizeOptions {
                clock: clock(NOW),
                older_than_days: days,
                dry_run,
                lock_timeout: Duration::ZERO,
            };
            anonymize(&place.store(), options).unwrap()
        };
        let dry = run(30, true);
        let done = run(30, false);
        assert_eq!((done.events, done.sessions, done.rejects), (2, 2, 1));
        assert_eq!((dry.events, dry.sessions, dry.rejects), (2, 2, 1));
        // Of each address the old half is gone.
        let text = place.all_text();
        for ip in ["203.0.113.9", "203.0.113.8", "203.0.113.7", "203.0.113.6", "203.0.113.5"] {
            assert!(text.contains(ip), "{ip}");
        }
        for table in [Table::Events, Table::Sessions] {
            let rows = rows_of(&place, table);
            assert_eq!(rows.len(), 6);
            assert_eq!(rows.iter().filter(|row| row.contains("203.0.113")).count(), 2, "{rows:#?}");
        }
        let again = run(30, false);
        assert_eq!((again.events, again.sessions, again.rejects, again.files), (0, 0, 0, 0));
        let all = run(1, false);
        assert_eq!((all.events, all.sessions), (2, 2));
        let all = place.all_text();
        let left: Vec<_> = all.match_indices("203.0.113").map(|(at, _)| &all[at..at + 11]).collect();
        // The line that was refused today.
        assert!(left.iter().all(|ip| *ip == "203.0.113.5"), "{left:?}");
    }
}
