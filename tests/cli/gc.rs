//! `wa gc`, as a user sees it: what it says would go goes, and it asks where something looks wrong.

use serde_json::{Value, json};
use wa::maintenance::{GcOptions, gc};
use wa::settings::{Retention, Settings};
use wa::store::Store;
use wa::time::Clock;

use crate::harness::Place;

/// A line of an event; `more` is a piece of JSON that begins with a comma.
fn line(chatbot: &str, time: &str, more: &str) -> String {
    format!(
        "{{\"chatbot_id\":\"{chatbot}\",\"session_id\":\"{time}\",\"event_name\":\"message_sent\",\
         \"timestamp\":\"{time}\"{more}}}\n"
    )
}

/// A store of half a year: an event every tenth day, and refused lines, some in one run, some in
/// several on one day.
fn place() -> Place {
    let mut place = Place::new();
    let days = [
        "2026-05-03",
        "2026-05-13",
        "2026-05-23",
        "2026-06-02",
        "2026-06-12",
        "2026-06-22",
        "2026-07-02",
        "2026-07-12",
        "2026-07-22",
        "2026-08-01",
        "2026-08-11",
        "2026-08-21",
        "2026-08-31",
        "2026-09-10",
    ];
    for day in days {
        place = place.at(&format!("{day}T12:00:00Z"));
        for hour in [8, 9] {
            let name = format!("{day}-{hour}.ndjson");
            let address = ",\"ip\":\"203.0.113.9\"";
            let text = line("shop", &format!("{day}T{hour:02}:00:00Z"), address);
            place.write(&name, text + &format!("no json {day} {hour}\n"));
            place.wa(&format!("ingest {name}")).exits(0);
        }
    }
    place
}

/// Returns what a report says of what goes, without what tells a dry run from a real one.
fn done(report: &Value) -> Value {
    let mut report = report.clone();
    report["dry_run"] = Value::Null;
    report["anonymized"]["dry_run"] = Value::Null;
    report
}

fn files(place: &Place) -> Vec<(String, u64)> {
    fn walk(dir: &std::path::Path, all: &mut Vec<(String, u64)>) {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => walk(&entry.path(), all),
                false => all.push((entry.path().display().to_string(), entry.metadata().unwrap().len())),
            }
        }
    }
    let mut all = Vec::new();
    walk(&place.path("wa-store"), &mut all);
    all.sort();
    all
}

#[test]
fn dry_run_equals_the_following_run() {
    let place = place().at("2026-09-10T13:00:00Z");
    place.write("wa-store/wa.toml", "[retention]\nevents = \"60d\"\n[privacy]\nanonymize_after = \"30d\"\n");
    // What an interrupted run leaves.
    place.write("wa-store/staging/half.parquet", "PAR1");
    place.write("wa-store/events/event_date=2026-09-10/unnamed.parquet", "PAR1");
    let before = files(&place);
    let flags = "--keep-sessions 100d --keep-daily-stats 110d --format json";
    let dry = place.wa(&format!("gc --dry-run {flags}")).json();
    assert_eq!(files(&place), before, "a dry run changes nothing");
    assert_eq!(place.wa(&format!("gc --dry-run {flags}")).json(), dry);

    // 10 September is the last of 60 days, and 12 July the day before the first.
    let days: Vec<String> = before.iter().filter_map(|(path, _)| day_of(path, "event_date=")).collect();
    let old: Vec<&String> = days.iter().filter(|day| day.as_str() <= "2026-07-12").collect();
    let mut dates = old.clone();
    dates.dedup();
    assert_eq!((dry["events"]["days"].clone(), dates.len()), (json!(dates), 8));
    assert_eq!(dry["events"]["rows"], 16);
    assert_eq!(dry["events"]["files"], old.len());
    let bytes = |key: &str, last: &str| {
        let of = before.iter().filter(|(path, _)| day_of(path, key).is_some_and(|day| *day <= *last));
        of.map(|(_, bytes)| bytes).sum::<u64>()
    };
    assert_eq!(dry["events"]["bytes"], bytes("event_date=", "2026-07-12"));
    assert_eq!(dry["sessions"]["days"], json!(["2026-05-03", "2026-05-13", "2026-05-23", "2026-06-02"]));
    assert_eq!(dry["sessions"]["bytes"], bytes("session_date=", "2026-06-02"));
    assert_eq!(dry["daily_stats"]["days"], json!(["2026-05-03", "2026-05-13", "2026-05-23"]));
    assert_eq!(dry["daily_stats"]["rows"], 3);
    assert_eq!((&dry["rejects"]["rows"], &dry["rejects"]["files"]), (&16.into(), &16.into()));
    assert_eq!(dry["rejects"]["days"], dry["events"]["days"]);
    // Of 22 July, 1 and 11 August: two events and sessions each; and the sessions of June and July.
    assert_eq!(dry["anonymized"]["events"], 6);
    assert_eq!(dry["orphan_files"], 2);

    let real = place.wa(&format!("gc {flags}")).json();
    assert_eq!((&dry["dry_run"], &real["dry_run"]), (&true.into(), &false.into()));
    assert_eq!(done(&real), done(&dry));
    let after = files(&place);
    let size = |files: &[(String, u64)]| {
        let of = files.iter().filter(|(path, _)| path.contains("=20") || path.contains("/rejects/"));
        of.map(|(_, bytes)| bytes).sum::<u64>()
    };
    assert_eq!(real["bytes_after"], size(&after));
    assert_eq!(real["bytes_before"], size(&before) - 4, "the unnamed file was none of the store's");
    // One file a day is left of events and of refused lines.
    let left: Vec<String> = after.iter().filter_map(|(path, _)| day_of(path, "event_date=")).collect();
    assert_eq!(left.len(), 6);
    assert_eq!(after.iter().filter(|(path, _)| path.contains("/rejects/")).count(), 6);
    let status = place.wa("status --format json").json();
    assert_eq!((&status["tables"][0]["rows"], &status["rejects"]["rows"]), (&12.into(), &12.into()));

    let again = place.wa(&format!("gc {flags}")).json();
    for part in ["events", "sessions", "daily_stats", "rejects"] {
        let none = json!({"days": [], "rows": 0, "files": 0, "bytes": 0});
        assert_eq!(again[part], none, "{part}");
    }
    assert_eq!(again["compacted"], json!({"files": 0, "into": 0}));
    assert_eq!((&again["anonymized"]["files"], &again["orphan_files"]), (&0.into(), &0.into()));
    let table_files = |all: &[(String, u64)]| {
        all.iter().filter(|(path, _)| !path.ends_with("manifest.json")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(table_files(&files(&place)), table_files(&after));
    place.wa("verify").exits(0);
}

fn day_of(path: &str, key: &str) -> Option<String> {
    Some(path.split_once(key)?.1.get(..10)?.to_owned())
}

#[test]
fn pruned_statistics_stay_pruned() {
    let place = place().at("2026-09-10T13:00:00Z");
    place.wa("gc --keep-daily-stats 60d").exits(2).warns("at least as long as sessions");
    // Stores of before may have lost statistics all the same.
    let settings = Settings { daily_stats_retention: Retention::Days(60), ..Settings::default() };
    let now = wa::time::parse_human("2026-09-10T13:00:00Z").unwrap();
    let lock_timeout = std::time::Duration::from_secs(1);
    let options = GcOptions { clock: Clock { now }, dry_run: false, yes: false, lock_timeout };
    let report = gc(&Store::new(place.path("wa-store")), &settings, options).unwrap();
    assert_eq!(report.daily_stats.rows, 8);
    place.wa("verify").exits(0);
    let first_day = |place: &Place| {
        let said = place.wa("report trends --days 200 --format json").json();
        said["trends"][0]["stat_date"].as_str().unwrap().to_owned()
    };
    assert_eq!(first_day(&place), "2026-07-22");
    // A late line for a day whose sessions are held but whose statistics are gone.
    place.write("late.ndjson", line("shop", "2026-07-02T11:00:00Z", ""));
    let account = place.wa("ingest late.ndjson --format json").json();
    assert_eq!(account["total"]["stored"], 1);
    assert_eq!(first_day(&place), "2026-07-22");
    place.wa("verify").exits(0);
    // A rebuild does not bring them back either, nor does a time zone that moves days.
    place.write("wa-store/wa.toml", "timezone = \"Asia/Tokyo\"\n");
    place.wa("rebuild").exits(0);
    assert_eq!(first_day(&place), "2026-07-22");
    place.wa("verify").exits(0);
    // Another chatbot never had data there: its history can be loaded.
    place.write("other.ndjson", line("library", "2026-07-02T11:00:00Z", ""));
    place.wa("ingest other.ndjson").exits(0);
    assert_eq!(first_day(&place), "2026-07-02");
    place.wa("verify").exits(0);
}

#[test]
fn clock_jump_needs_confirmation() {
    let place = place();
    // The last gc was never, and the newest event is of half a month ago: is it the clock?
    let place = place.at("2026-09-25T02:00:00Z");
    place.wa("gc --keep-events 60d").exits(2).warns("is the clock right?").warns("--yes");
    let dry = place.wa("gc --keep-events 60d --dry-run").exits(0);
    dry.says("without --yes nothing would be done").says("is the clock right?");
    assert!(!place.path("wa-store/staging").exists(), "a question leaves nothing lying about");
    // Where nothing would go, there is nothing to ask.
    place.wa("gc --keep-events 1y").exits(0);
    // Gc ran since, every night: it is the site that stood still, and its data is to go all the same.
    let place = place.at("2026-09-26T02:00:00Z");
    place.wa("gc --keep-events 60d").exits(0);
    let place = place.at("2026-10-26T02:00:00Z");
    place.wa("gc --keep-events 60d").exits(2).warns("the last gc was at 2026-09-26T02:00:00Z");
    place.wa("gc --keep-events 60d --yes").exits(0);
    // Everything at once is asked about however often gc ran.
    let place = place.at("2026-10-27T02:00:00Z");
    place.wa("gc --keep-events 2d").exits(2).warns("all events would be removed");
}

#[test]
fn pruning_events_of_today_needs_confirmation() {
    let place = Place::new().at("2026-09-10T03:00:00Z");
    place.wa("init --timezone Asia/Tokyo").exits(0);
    // Noon in Tokyo. At one in the morning it was still the 9th by UTC.
    let lines = ["2026-09-08T01:00:00Z", "2026-09-09T16:00:00Z", "2026-09-10T01:00:00Z"];
    place.write("log.ndjson", lines.map(|time| line("shop", time, "")).concat());
    place.wa("ingest log.ndjson").exits(0);
    place
        .wa("gc --keep-events 1d")
        .exits(2)
        .warns("events of today would be removed, up to 2026-09-09T16:00:00Z")
        .warns("Asia/Tokyo");
    place.wa("gc --keep-events 2d").exits(0);
    assert_eq!(place.wa("status --format json").json()["tables"][0]["rows"], 2);
    place.wa("gc --keep-events 1d --yes").exits(0);
    assert_eq!(place.wa("status --format json").json()["tables"][0]["rows"], 1);
}

#[test]
fn retention_flags_override_settings_for_one_run() {
    let place = place().at("2026-09-10T13:00:00Z");
    let rows = |place: &Place| place.wa("status --format json").json()["tables"][0]["rows"].clone();
    place.write("wa-store/wa.toml", "[retention]\nevents = \"forever\"\nsessions = \"forever\"\n");
    place.wa("gc").exits(0);
    assert_eq!(rows(&place), 28);
    place.write("wa-store/wa.toml", "[retention]\nevents = \"17w\"\n");
    place.wa("gc").exits(0);
    // 17 weeks are 119 days: from 15 May on.
    assert_eq!(rows(&place), 24);
    place.wa("gc --keep-events 1y --keep-sessions 1y").exits(0);
    assert_eq!(rows(&place), 24);
    place.wa("gc --keep-events 11d").exits(0);
    assert_eq!(rows(&place), 4);
}
