//! Merges of stores that have pruned data.

use std::collections::BTreeSet;

use proptest::prelude::*;
use wa::settings::{Retention, Settings};
use wa::time::{DAY, Micros};

use super::super::order::file_system_with_key;
use super::super::support::fixtures;
use super::super::support::generated_logs::{self, NOW, Seed};
use super::super::support::rng::Rng;
use super::super::support::tables;
use super::{Disk, check_same, ingest, merge, same_files, tables_of};

/// Runs gc with retention periods for events and sessions, in days.
fn gc(disk: &Disk, events: u32, sessions: u32, now: Micros) {
    let settings = Settings {
        event_retention: Retention::Days(events),
        session_retention: Retention::Days(sessions),
        ..fixtures::settings()
    };
    fixtures::gc(disk, &settings, now).unwrap();
}

/// Returns lines of several days in time order. Sessions at night continue on the next day.
fn lines_of_days(seed: u64, days: i64) -> Vec<(Micros, String)> {
    let mut rng = Rng(seed);
    let start = 1_793_404_800_000_000; // 2026-10-31T00:00:00Z
    let mut lines = Vec::new();
    for number in 0..days * 24 {
        let time = start + number * DAY / 24 + rng.below(1_800_000_000) as i64;
        let (chatbot, visitor) = (rng.below(2), rng.below(6));
        let name = ["widget_opened", "message_sent", "message_received"][rng.below(3) as usize];
        lines.push((
            time,
            format!(
                r#"{{"event_id":"{seed}-{number}","chatbot_id":"c{chatbot}","session_id":"s{visitor}","anonymous_id":"v{visitor}","event_name":"{name}","timestamp":{time},"page_title":"n{number}"}}"#
            ),
        ));
        if rng.below(3) == 0 {
            // The session continues twenty minutes later, which can be on the next day.
            let (_, line) = lines.last().unwrap().clone();
            let later = time + 1_200_000_000;
            let line = line.replace(&format!("-{number}\""), &format!("-{number}b\""));
            lines.push((later, line.replace(&time.to_string(), &later.to_string())));
        }
    }
    lines.sort();
    lines
}

fn texts(lines: &[(Micros, String)]) -> Vec<&str> {
    lines.iter().map(|(_, line)| line.as_str()).collect()
}

fn store_of(lines: &[(Micros, String)]) -> Disk {
    let disk = file_system_with_key();
    ingest(&disk, "log.ndjson", &texts(lines), NOW);
    disk
}

#[test]
fn merge_of_a_pruned_store_into_an_empty_one_copies_it() {
    for (events, sessions) in [(3, 3), (2, 5), (1, 6), (4, 365)] {
        let lines = lines_of_days(u64::from(events), 9);
        let source = store_of(&lines);
        gc(&source, events, sessions, lines.last().unwrap().0);
        assert_eq!(fixtures::verify(&source), Ok(()));
        let copy = file_system_with_key();
        let report = merge(&copy, &[&source]);
        assert_eq!(check_same(&source, &copy), Ok(()), "{events} {sessions}: {report:#?}");
        assert_eq!(fixtures::verify(&copy), Ok(()), "{events} {sessions}");
        assert!(report.sources[0].sessions.added_as_rows > 0 || sessions == events, "{report:#?}");
        // Pruned days stay pruned in the copy.
        ingest(&copy, "log.ndjson", &texts(&lines), NOW);
        assert_eq!(check_same(&source, &copy), Ok(()), "{events} {sessions}, ingested again");
        let before = copy.copy();
        assert!(!merge(&copy, &[&source]).changed);
        assert!(same_files(&before, &copy));
    }
}

#[test]
fn nightly_merges_keep_what_collectors_prune() {
    // Two collectors retain only a few days. The central store retains everything.
    for seed in 0..fixtures::cases(4) {
        let lines = lines_of_days(u64::from(seed), 8);
        let first = lines[0].0 / DAY;
        let (collectors, central) =
            ([file_system_with_key(), file_system_with_key()], file_system_with_key());
        for night in first..=lines.last().unwrap().0 / DAY {
            let end = (night + 1) * DAY;
            let of_day: Vec<_> = lines.iter().filter(|(time, _)| time / DAY == night).cloned().collect();
            for (number, collector) in collectors.iter().enumerate() {
                // A third of the lines reach both collectors.
                let is_in = |index: usize| index % 3 == 2 || index % 3 == number;
                let part: Vec<_> = of_day
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| is_in(*index))
                    .map(|(_, l)| l.clone())
                    .collect();
                ingest(collector, &format!("{night}.ndjson"), &texts(&part), end);
            }
            merge(&central, &[&collectors[0], &collectors[1]]);
            collectors.iter().for_each(|collector| gc(collector, 2, 3 + seed % 2, end));
        }
        let expected = store_of(&lines);
        let written = ["created_at", "updated_at"];
        let difference = tables::difference(&tables_of(&expected), &tables_of(&central), &written);
        assert_eq!(difference, None, "seed {seed}");
        assert_eq!(fixtures::verify(&central), Ok(()), "seed {seed}");
        // By now, the collectors have pruned most of the events.
        assert!(tables_of(&collectors[0])["events"].len() < lines.len() / 2);
        assert!(!merge(&central, &[&collectors[1], &collectors[0]]).changed, "seed {seed}");
    }
}

/// Returns whether a line of the generated logs belongs to the second chatbot, `c1`.
fn is_of_second_chatbot(line: &str) -> bool {
    line.contains(r#""c1""#)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: fixtures::cases(50), ..ProptestConfig::default() })]
    #[test]
    fn merge_of_stores_pruned_per_chatbot_equals_one_pruned_store(
        seeds in prop::collection::vec(any::<Seed>(), 1..30), start: u8, events in 1..40u32, more in 0..40u32
    ) {
        let timeout = fixtures::settings().session_timeout;
        let lines = generated_logs::lines(&seeds, start, timeout);
        let now = NOW;
        // The logs are older than the retention period, so the gc runs at the time of the last
        // event.
        let newest = |disk: &Disk| fixtures::store_in(disk).snapshot().unwrap().newest_event();
        let (second, first): (Vec<&str>, Vec<&str>) =
            lines.iter().map(String::as_str).partition(|line| is_of_second_chatbot(line));
        let one = file_system_with_key();
        ingest(&one, "one.ndjson", &lines.iter().map(String::as_str).collect::<Vec<_>>(), now);
        let clock = newest(&one).unwrap_or(now);
        let parts = [(first, "first.ndjson"), (second, "second.ndjson")].map(|(lines, name)| {
            let disk = file_system_with_key();
            ingest(&disk, name, &lines, now);
            gc(&disk, events, events + more, clock);
            disk
        });
        gc(&one, events, events + more, clock);
        let merged = file_system_with_key();
        merge(&merged, &[&parts[1], &parts[0]]);
        prop_assert_eq!(check_same(&one, &merged), Ok(()));
        prop_assert_eq!(fixtures::verify(&merged), Ok(()));
        let other = parts[0].copy();
        merge(&other, &[&parts[1]]);
        prop_assert_eq!(check_same(&one, &other), Ok(()));
        prop_assert_eq!(fixtures::verify(&other), Ok(()));
        prop_assert!(!merge(&other, &[&parts[0], &parts[1], &merged]).changed);
    }

    /// Only one store has pruned the days of a chatbot. No session is counted twice, every retained
    /// event is stored once, and merging again changes nothing.
    #[test]
    fn merge_with_a_pruned_store_counts_no_session_twice(
        seeds in prop::collection::vec(any::<Seed>(), 1..30), start: u8, events in 1..40u32, more in 0..40u32,
        split: u8
    ) {
        let timeout = fixtures::settings().session_timeout;
        let lines = generated_logs::lines(&seeds, start, timeout);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let one = file_system_with_key();
        ingest(&one, "one.ndjson", &lines, NOW);
        let clock = fixtures::store_in(&one).snapshot().unwrap().newest_event().unwrap_or(NOW);
        // Both stores have the same lines, except for some lines that only the unpruned store has.
        let (pruned, whole) = (file_system_with_key(), file_system_with_key());
        let some: Vec<&str> = lines.iter().copied().skip(usize::from(split) % lines.len()).collect();
        ingest(&pruned, "some.ndjson", &some, NOW);
        gc(&pruned, events, events + more, clock);
        ingest(&whole, "one.ndjson", &lines, NOW);
        // Merge into the unpruned store: nothing is missing from it.
        let into_whole = whole.copy();
        merge(&into_whole, &[&pruned]);
        prop_assert_eq!(
            tables::difference(&tables_of(&one), &tables_of(&into_whole), tables::WRITE_TIMES), None
        );
        prop_assert_eq!(fixtures::verify(&into_whole), Ok(()));
        prop_assert!(!merge(&into_whole, &[&pruned, &whole]).changed);
        // Merge into an empty store, in any order: the store that has pruned less is merged first.
        let empty = file_system_with_key();
        merge(&empty, &[&pruned, &whole]);
        prop_assert_eq!(tables::difference(&tables_of(&one), &tables_of(&empty), tables::WRITE_TIMES), None);
        // Merge into the pruned store: its pruned days stay pruned.
        let into_pruned = pruned.copy();
        merge(&into_pruned, &[&whole]);
        prop_assert_eq!(fixtures::verify(&into_pruned), Ok(()));
        prop_assert!(!merge(&into_pruned, &[&whole, &pruned]).changed);
        let ids = |disk: &Disk| -> BTreeSet<String> {
            tables_of(disk)["events"].iter().map(|row| row["id"].to_string()).collect()
        };
        let (found, all) = (ids(&into_pruned), ids(&one));
        prop_assert!(ids(&pruned).is_subset(&found) && found.is_subset(&all));
        let counted = |disk: &Disk| -> i64 {
            tables_of(disk)["sessions"].iter().map(|row| row["event_count"].as_i64().unwrap()).sum()
        };
        prop_assert!(counted(&into_pruned) <= counted(&one), "{} {}", counted(&into_pruned), counted(&one));
    }
}

#[test]
fn visitor_first_seen_by_other_store_is_not_new_on_pruned_day() {
    // The second store has pruned all events and sessions of November. In October, the first store
    // saw one of its two visitors.
    let line = |id: u32, visitor: &str, time: &str| {
        format!(
            r#"{{"event_id":"{id}","chatbot_id":"c","session_id":"{id}","anonymous_id":"{visitor}","event_name":"message_sent","timestamp":"{time}"}}"#
        )
    };
    let early = line(1, "ann", "2026-10-20T10:00:00Z");
    let (ann, bob) = (line(2, "ann", "2026-11-09T10:00:00Z"), line(3, "bob", "2026-11-09T11:00:00Z"));
    let (first, second) = (file_system_with_key(), file_system_with_key());
    ingest(&first, "a.ndjson", &[&early], NOW);
    ingest(&second, "b.ndjson", &[&ann, &bob], NOW);
    gc(&second, 1, 1, NOW);
    let new_visitors = |disk: &Disk| -> Vec<(String, i64, i64)> {
        let days = &tables_of(disk)["daily_stats"];
        let number = |value: &serde_json::Value| value.as_i64().unwrap();
        days.iter()
            .map(|day| {
                let date = day["stat_date"].as_str().unwrap().to_owned();
                (date, number(&day["unique_visitors"]), number(&day["new_visitors"]))
            })
            .collect()
    };
    assert_eq!(new_visitors(&second), [("2026-11-09".to_owned(), 2, 2)]);
    let expected = [("2026-10-20".to_owned(), 1, 1), ("2026-11-09".to_owned(), 2, 1)];
    for (target, source) in [(&first, &second), (&second, &first)] {
        let target = target.copy();
        merge(&target, &[source]);
        assert_eq!(new_visitors(&target), expected);
        assert_eq!(fixtures::verify(&target), Ok(()));
        assert!(!merge(&target, &[source]).changed);
    }
}
