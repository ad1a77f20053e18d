//! Merges of stores that have forgotten people.

use wa::identity::{Identifier, IdentifierKind};
use wa::store::file_system::FileSystem;
use wa::time::SECOND;

use proptest::prelude::*;

use super::super::order::file_system_with_key;
use super::super::support::fixtures;
use super::super::support::generated_logs::{self, NOW, Seed};
use super::{Disk, check_same, ingest, merge, rejects_of, tables_of};

fn forget(disk: &Disk, kind: IdentifierKind, value: &str) {
    fixtures::forget(disk, &[Identifier::new(kind, value)], NOW).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: fixtures::cases(60), ..ProptestConfig::default() })]
    /// Merging a store that has forgotten a person with another store, in any order, equals
    /// ingesting the log of the other store into the first.
    #[test]
    fn merge_forgets_what_one_store_has_forgotten(
        seeds in prop::collection::vec(any::<Seed>(), 2..30), start: u8, split: u8, person in 0..4usize
    ) {
        let timeout = fixtures::settings().session_timeout;
        let lines = generated_logs::lines(&seeds, start, timeout);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (first, second) = lines.split_at(usize::from(split) % lines.len());
        let (kind, value) = [
            (IdentifierKind::User, "u0"),
            (IdentifierKind::AnonymousId, "a0"),
            (IdentifierKind::Email, "ann@example.org"),
            (IdentifierKind::SessionId, "s0"),
        ][person];
        let (forgetful, other) = (file_system_with_key(), file_system_with_key());
        ingest(&forgetful, "first.ndjson", first, NOW);
        forget(&forgetful, kind, value);
        ingest(&other, "second.ndjson", second, NOW);
        let expected = forgetful.copy();
        ingest(&expected, "second.ndjson", second, NOW);
        let expected_again = expected.copy();
        ingest(&expected_again, "again.ndjson", &lines, NOW);
        for (target, sources) in [
            (forgetful.copy(), vec![&other]),
            (other.copy(), vec![&forgetful]),
            (file_system_with_key(), vec![&other, &forgetful]),
            (file_system_with_key(), vec![&forgetful, &other]),
        ] {
            merge(&target, &sources);
            prop_assert_eq!(check_same(&expected, &target), Ok(()));
            prop_assert_eq!(fixtures::verify(&target), Ok(()));
            prop_assert!(!merge(&target, &sources).changed);
            // Ingesting the lines again restores none of the erased events.
            ingest(&target, "again.ndjson", &lines, NOW);
            prop_assert_eq!(check_same(&expected_again, &target), Ok(()));
        }
    }
}

/// Returns a line of a user.
fn line(id: u32, user: &str, time: &str) -> String {
    format!(
        r#"{{"event_id":"{id}","chatbot_id":"c","session_id":"s{id}","anonymous_id":"cookie of {user}","user_id":"{user}","event_name":"message_sent","timestamp":"{time}"}}"#
    )
}

#[test]
fn merge_erases_the_target_and_keeps_later_activity() {
    let mallory = "mallory-7";
    let before = line(1, mallory, "2026-11-08T10:00:00Z");
    let other = line(2, "alice", "2026-11-08T11:00:00Z");
    let rejected = line(3, mallory, "never");
    let later = line(4, mallory, "2027-01-01T12:00:00Z");
    let (target, source) = (file_system_with_key(), file_system_with_key());
    let now = NOW + 3 * 86_400 * SECOND;
    ingest(&target, "log.ndjson", &[&before, &other, &rejected, &later], now);
    // The source has an event of the person from another log. It erases the person before the time
    // of the event `later`.
    ingest(&source, "other.ndjson", &[&line(5, mallory, "2026-11-07T10:00:00Z")], NOW);
    forget(&source, IdentifierKind::User, mallory);
    let report = merge(&target, &[&source]);
    assert_eq!((report.erased.events, report.erased.rejects), (1, 1));
    let events = &tables_of(&target)["events"];
    let users: Vec<&str> = events.iter().map(|row| row["user_id"].as_str().unwrap()).collect();
    assert_eq!((users, tables_of(&target)["sessions"].len()), (vec!["alice", mallory], 2));
    let seen = tables_of(&target)["visitors"].clone();
    let seen: Vec<String> = seen
        .iter()
        .filter(|row| row["visitor_id"] == mallory)
        .map(|row| row["first_seen_at"].to_string())
        .collect();
    // 2027-01-01T12:00:00Z
    assert_eq!(seen, ["1798804800000000"]);
    assert_eq!(rejects_of(&target), Vec::<String>::new());
    assert_eq!(fixtures::verify(&target), Ok(()));
}

#[test]
fn merge_leaves_no_trace_of_a_forgotten_person() {
    let mallory = "mallory-7";
    let lines: Vec<String> = (0..24)
        .map(|n| {
            line(n, if n % 3 == 0 { mallory } else { "alice" }, &format!("2026-11-{:02}T10:00:00Z", 1 + n))
        })
        .chain([line(99, mallory, "never")])
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (target, source) = (file_system_with_key(), file_system_with_key());
    ingest(&target, "log.ndjson", &lines, NOW);
    // The other store has data, but no data of this person.
    ingest(&source, "unrelated.ndjson", &[&line(500, "bob", "2026-11-07T10:00:00Z")], NOW);
    forget(&source, IdentifierKind::User, mallory);
    let cookie = format!("cookie of {mallory}");
    forget(&source, IdentifierKind::AnonymousId, &cookie);
    merge(&target, &[&source]);
    let disk = target.copy();
    for path in disk.files() {
        let bytes = disk.read(&path).unwrap();
        let found = bytes.windows(mallory.len()).any(|window| window == mallory.as_bytes());
        assert!(!found, "{} contains the user id", path.display());
    }
    // Sixteen events of alice and the unrelated event remain.
    assert_eq!(tables_of(&target)["events"].len(), 17);
}
